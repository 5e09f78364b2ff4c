package main

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/rules"
	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/k8ssecret/cluster"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

const aboutSecret = "Secret"

// Labels and annotations of the Secrets that crpki makes.
const (
	labelManagedBy     = "app.kubernetes.io/managed-by"
	annotationNames    = "crpki.github.io/names"
	annotationNotAfter = "crpki.github.io/not-after"
	annotationSHA256   = "crpki.github.io/sha256"
)

func secretCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "secret",
		Usage: "make or apply a TLS Secret; show those of a cluster",
		UsageText: `crpki secret [flags] NAME
crpki secret get [flags] NAME
crpki secret list [flags]`,
		Description: `crpki secret registry-tls --from certs -n infra
# from files that are called otherwise, as JSON
crpki secret registry-tls --cert certs/tls.crt --key certs/tls.key --ca certs/ca.crt -o json

Prints the manifest of a Secret of the type kubernetes.io/tls: tls.crt is the
certificate and its intermediates in the order that clients want, tls.key the
private key without a password, ca.crt the CA that clients are to trust. Labels
and annotations say who made it, for which names, until when, and with which
fingerprint. With --apply it goes into the cluster instead:

  crpki secret registry-tls --from certs -n infra --apply
  crpki secret registry-tls --from certs -n infra --apply --rollout-restart deploy/registry

It is applied on the server's side by the field manager "crpki". Fields that
another manager owns are a conflict, which is shown; --force-conflicts takes
them over. Before anything is changed, the API server checks everything.

What crpki lint calls an error is refused, unless --force; warnings are told.
The exit code is 1 when it is refused, 2 when the API server does not take it,
3 when it cannot be reached or does not take the credentials.`,
		ArgsUsage: "NAME",
		Flags: slices.Concat(secretFlags(), judgeFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "make it in spite of what lint calls an error", Category: aboutSecret},
			trialFlag(),
			outputFlag("text", "yaml", "json"),
		}, applyFlags(), describedPasswordFlags("", "of the private key or the PKCS#12 file", aboutKey)),
		Subcommands: []*cli.Command{secretGetCommand(e), secretListCommand(e)},
		Action:      e.secret,
	}
}

// secretFlags say what is in the Secret.
func secretFlags() []cli.Flag {
	return slices.Concat(certFlags(aboutSecret), namespaceFlags(), []cli.Flag{
		&cli.BoolFlag{Name: "immutable", Usage: "make a Secret that can be replaced only by a new one", Category: aboutSecret},
	})
}

// namespaceFlags are those that every object has.
func namespaceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "put it into `NAMESPACE` (that of the context if not given)", Category: aboutSecret},
		&cli.StringSliceFlag{Name: "label", Usage: "add the label `KEY=VALUE`", Category: aboutSecret},
		&cli.StringSliceFlag{Name: "annotation", Usage: "add the annotation `KEY=VALUE`", Category: aboutSecret},
	}
}

// judgeFlags are those of lint that a single Secret has use for.
func judgeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "host", Usage: "`NAME` or address by which clients dial; it must be among the names"},
		&cli.StringFlag{Name: "warn-days", Value: "28", Usage: "warn when a certificate ends within `DAYS`, or within a share of its life: 33%"},
		&cli.StringFlag{Name: "fail-days", Value: "14", Usage: "the same, as an error: `DAYS` or a share"},
	}
}

func (e *env) secret(c *cli.Context) error {
	if err := e.needsApply(c); err != nil {
		return err
	}
	made, err := e.newTLSSecret(c, c.Args().First())
	if err != nil {
		return err
	}
	k, err := e.applyCluster(c, &made)
	if err != nil {
		return err
	}
	manifest, err := made.Manifest()
	if err != nil {
		return usageErrorf("%w", err)
	}
	if err := e.refuseErrors(c, made, manifest); err != nil {
		return err
	}
	if k == nil {
		return e.printManifest(c, manifest)
	}
	return e.applySecret(c, k, made, manifest)
}

// applyCluster is the cluster to which a Secret is applied, and gives the Secret
// its namespace there; nil when the manifest is printed instead.
func (e *env) applyCluster(c *cli.Context, s *k8ssecret.Secret) (*cluster.Client, error) {
	if !c.Bool("apply") || c.String("dry-run") == "client" {
		return nil, nil
	}
	k, err := e.openCluster(c)
	if err != nil {
		return nil, err
	}
	s.Namespace = cmp.Or(s.Namespace, k.Namespace())
	return k, nil
}

// applySecret applies a Secret, lets the service accounts pull with it, and
// tells what was done.
func (e *env) applySecret(c *cli.Context, k *cluster.Client, s k8ssecret.Secret, manifest []byte, accounts ...string) error {
	a, err := e.newApplication(c, k, s.Namespace, s.Name, manifest)
	if err != nil {
		return err
	}
	a.accounts = accounts
	a.hint = func(failed *cluster.Error) string { return secretHint(failed, s.Type) }
	result, err := a.run(c.Context)
	if err != nil {
		return err
	}
	return e.printApplied(c, result)
}

// secretHint is the way out when the Secret that is there stands in the way.
func secretHint(failed *cluster.Error, wanted string) string {
	where := " -n " + failed.Op.Namespace
	name := shellQuote(failed.Op.Name)
	typeDiffers := slices.Contains(failed.Fields, "type") ||
		slices.ContainsFunc(failed.Owners, func(o cluster.Owner) bool { return o.Field == ".type" })
	switch {
	case (failed.Kind == cluster.Conflict || failed.Kind == cluster.Immutable) && typeDiffers:
		return fmt.Sprintf("the Secret that is there is not of the type %s, and the type can never change: kubectl delete secret %s%s, then again; or make one of another name for the workload to use", wanted, name, where)
	case failed.Kind == cluster.Conflict && len(failed.Owners) > 0:
		return "--force-conflicts takes the fields over; kubectl get secret " + name + where + " -o yaml --show-managed-fields shows who has what"
	case failed.Kind == cluster.Conflict:
		return "somebody changed it at the same time: try again"
	case failed.Kind == cluster.Immutable:
		return fmt.Sprintf("the Secret that is there is immutable: make one of another name and let the workload use it; or kubectl delete secret %s%s, then again", name, where)
	}
	return ""
}

// newTLSSecret makes the Secret of what the flags name.
func (e *env) newTLSSecret(c *cli.Context, name string) (k8ssecret.Secret, error) {
	labels, err := pairs(c, "label")
	if err != nil {
		return k8ssecret.Secret{}, err
	}
	annotations, err := pairs(c, "annotation")
	if err != nil {
		return k8ssecret.Secret{}, err
	}
	s := k8ssecret.Secret{
		Name: name, Namespace: c.String("namespace"), Type: k8ssecret.TypeTLS, Immutable: c.Bool("immutable"),
		Labels: map[string]string{labelManagedBy: "crpki"}, Annotations: map[string]string{},
	}
	p, err := e.secretParts(c)
	if err != nil {
		return s, err
	}
	s.Data = map[string][]byte{k8ssecret.FieldCert: pemOf(p.served), k8ssecret.FieldKey: p.key}
	if len(p.ca) > 0 {
		s.Data[k8ssecret.FieldCA] = pemOf(p.ca)
	}
	annotate(&s, p.served[0])
	for k, v := range labels {
		s.Labels[k] = v
	}
	for k, v := range annotations {
		s.Annotations[k] = v
	}
	return s, nil
}

// maxNamesAnnotation keeps a certificate for very many names from filling the
// 256 KiB that annotations may have together.
const maxNamesAnnotation = 4096

// annotate says for people and scripts what is in the Secret.
func annotate(s *k8ssecret.Secret, leaf pki.Cert) {
	if leaf.X509 == nil {
		return
	}
	names := strings.Join(pki.NamesOf(leaf.X509).Strings(), ",")
	if len(names) > maxNamesAnnotation {
		names = count(len(pki.NamesOf(leaf.X509)), "name")
	}
	s.Annotations[annotationNames] = names
	s.Annotations[annotationNotAfter] = leaf.X509.NotAfter.UTC().Format(time.RFC3339)
	s.Annotations[annotationSHA256] = fingerprint(leaf.X509)
}

// pairs reads a flag of the form KEY=VALUE.
func pairs(c *cli.Context, flag string) (map[string]string, error) {
	all := map[string]string{}
	for _, text := range c.StringSlice(flag) {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usageErrorf("--%s %q: write KEY=VALUE", flag, text)
		}
		all[key] = value
	}
	return all, nil
}

// parts are what goes into a TLS Secret.
type parts struct {
	served []pki.Cert // the leaf first
	key    []byte     // PEM
	ca     []pki.Cert
}

// secretParts reads the files that the flags name.
func (e *env) secretParts(c *cli.Context) (p parts, err error) {
	paths, err := readCertPaths(c)
	if err != nil {
		return p, err
	}
	if near := closest(c.Args().First(), []string{"get", "list"}); paths.cert == "" && near != "" {
		return p, withHint(usageErrorf("of which certificate is the Secret %s to be? --from or --cert is missing", c.Args().First()), fmt.Sprintf("did you mean crpki secret %s?", near))
	}
	if paths.cert == "" {
		return p, withHint(usageErrorf("of which certificate is the Secret to be? --from or --cert is missing"), "for example: crpki secret NAME --from certs")
	}
	m, err := e.secretMaterial(c, paths)
	if err != nil {
		return p, err
	}
	key, err := e.secretKey(paths, m)
	if err != nil {
		return p, err
	}
	p.key = key.pem
	chain := e.secretChain(m.Certs, key.signer)
	p.served, p.ca = chain.served, m.Anchors
	if len(p.ca) == 0 {
		p.ca = chain.ca
	}
	return p, nil
}

// secretMaterial reads the files: certificates and anchors of the first and of
// --ca, and the keys of --key, or else those beside the certificates.
func (e *env) secretMaterial(c *cli.Context, p certPaths) (pki.Material, error) {
	m, err := e.decode(c, p.cert)
	if err != nil {
		return m, err
	}
	if len(m.Certs) == 0 {
		return m, usageErrorf("%s: there is no certificate in it", p.cert)
	}
	if first := m.Certs[0]; first.X509 == nil && !c.Bool("force") {
		return m, withHint(usageErrorf("%s: %w", first.Origin, first.Err), "crpki lint "+shellQuote(p.cert))
	}
	if p.key == "" && len(m.Keys) == 0 {
		p.key = keyBeside(p.cert)
	}
	if p.key != "" {
		keys, err := e.decode(c, p.key)
		if err != nil {
			return m, err
		}
		m.Keys = keys.Keys
	}
	if p.ca != "" {
		ca, err := e.decode(c, p.ca)
		if err != nil {
			return m, err
		}
		if m.Anchors = slices.Concat(ca.Certs, ca.Anchors); len(m.Anchors) == 0 {
			return m, usageErrorf("%s: there is no certificate in it", p.ca)
		}
		if first := m.Anchors[0]; first.X509 == nil && !c.Bool("force") {
			return m, withHint(usageErrorf("%s: %w", first.Origin, first.Err), "crpki lint "+shellQuote(p.ca))
		}
		if len(ca.Keys) > 0 && p.ca != p.cert {
			e.notef("%s: the private key in it stays out of the Secret", p.ca)
		}
	}
	return m, nil
}

// secretKey is the key of one of the certificates; when there is but one, it is
// taken as it is, for lint to say that it does not fit.
func (e *env) secretKey(p certPaths, m pki.Material) (key struct {
	signer pki.Key
	pem    []byte
}, err error,
) {
	var readable []pki.Key
	for _, k := range m.Keys {
		if k.Signer == nil {
			err = errors.Join(err, usageErrorf("%s: %w", k.Origin, k.Err))
			continue
		}
		readable = append(readable, k)
	}
	fits := slices.IndexFunc(readable, func(k pki.Key) bool {
		return slices.ContainsFunc(m.Certs, func(c pki.Cert) bool { return c.X509 != nil && pki.SamePublicKey(k.Public(), c.X509.PublicKey) })
	})
	switch {
	case len(m.Keys) == 0:
		return key, withHint(usageErrorf("%s: there is no private key in it", cmp.Or(p.key, p.cert)), "--key FILE names the file with the key")
	case fits >= 0:
		key.signer = readable[fits]
	case err != nil:
		return key, err
	case len(readable) > 1:
		return key, usageErrorf("%s: there are %d private keys in it, and none is the certificate's", cmp.Or(p.key, p.cert), len(readable))
	default:
		key.signer = readable[0]
	}
	key.pem, err = format.EncodeKey(key.signer.Signer)
	if len(readable) == 1 && key.signer.Origin.Source != "-" {
		if kept := keptKey(key.signer.Origin.Source); kept != nil {
			key.pem = kept
		}
	}
	return key, err
}

// keptKey is the only private key in a PEM file, in the encoding that it has
// there, nil when there is none or it needs a password. Some programs read only
// PKCS#1, and who has such a file has a reason.
func keptKey(path string) []byte {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() { // a pipe is empty by now
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var found []byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if found != nil || block.Headers["DEK-Info"] != "" {
				return nil
			}
			found = pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
		case "ENCRYPTED PRIVATE KEY":
			return nil
		}
	}
	return found
}

// servedChain is what a server sends, and the CA that came with it.
type servedChain struct{ served, ca []pki.Cert }

// secretChain puts the certificates in order. What cannot be put in order stays
// as it was found, for lint to say why.
func (e *env) secretChain(certs []pki.Cert, key pki.Key) servedChain {
	options := pki.ChainOptions{Now: e.now}
	isOwn := func(c pki.Cert) bool { return c.X509 != nil && pki.SamePublicKey(c.X509.PublicKey, key.Public()) }
	if i := slices.IndexFunc(certs, isOwn); i >= 0 {
		own := certs[i].Raw
		options.Leaf = func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, own) }
	}
	chain, err := options.Order(certs)
	if _, noLeaf := errors.AsType[*pki.LeafError](err); noLeaf || chain.Leaf.X509 == nil {
		return servedChain{served: certs}
	}
	for _, unused := range chain.Rest {
		e.notef("%s is left out: %s", unused.Cert.Origin, unused.Reason)
	}
	s := servedChain{served: chain.Served()}
	switch {
	case chain.Root != nil:
		s.ca = []pki.Cert{*chain.Root}
	case pki.SelfIssued(chain.Leaf.X509):
		s.ca = []pki.Cert{chain.Leaf}
	}
	return s
}

// refuseErrors judges the Secret as lint judges its manifest. A command without
// --warn-days and --fail-days does not ask how long it lasts.
func (e *env) refuseErrors(c *cli.Context, s k8ssecret.Secret, manifest []byte) error {
	source := "secret/" + s.Name
	if s.Namespace != "" {
		source = "secret/" + s.Namespace + "/" + s.Name
	}
	found, err := e.judgeManifest(c, source, manifest)
	if err != nil {
		return err
	}
	bad := 0
	for _, f := range found {
		if f.Waived != "" {
			continue
		}
		switch text := fmt.Sprintf("%s: %s [%s]", f.Origin, f.Message, f.Rule); {
		case f.Severity == inspect.Error && !c.Bool("force"):
			bad++
			fmt.Fprintf(e.stderr, "crpki: error: %s\n", printable(text))
		case f.Severity >= inspect.Warning:
			e.warnf("%s", text)
		default:
			e.notef("%s", text)
		}
	}
	if bad == 0 {
		return nil
	}
	return withHint(badErrorf("%s is not made: lint finds %s", source, count(bad, "error")),
		"crpki lint --explain RULE says what each means; --force makes it all the same")
}

// judgeManifest gives what lint finds in a manifest.
func (e *env) judgeManifest(c *cli.Context, source string, manifest []byte) ([]inspect.Finding, error) {
	l, err := e.newLinter(c, rules.All())
	if err != nil {
		return nil, err
	}
	units, err := k8ssecret.Read(source, manifest, format.Options{})
	if err != nil {
		return nil, err
	}
	var found []inspect.Finding
	for _, u := range units {
		for _, f := range l.unit(source, u).Findings {
			f.Origin.Line, f.Origin.Column = 0, 0 // of a manifest that nobody has seen
			found = append(found, f)
		}
	}
	return found, nil
}

// printManifest writes a manifest as YAML, or as -o says.
func (e *env) printManifest(c *cli.Context, manifest []byte) error {
	if c.String("output") == "json" {
		var b bytes.Buffer
		if err := json.Indent(&b, manifest, "", "  "); err != nil {
			return err
		}
		b.WriteByte('\n')
		_, err := e.stdout.Write(b.Bytes())
		return err
	}
	return writeYAML(e.stdout, manifest)
}

func (e *env) printApplied(c *cli.Context, r applied) error {
	return e.print(c, r, func(w io.Writer) error {
		for _, line := range r.lines() {
			if _, err := fmt.Fprintln(w, printable(line)); err != nil {
				return err
			}
		}
		return nil
	})
}
