package main

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/k8ssecret/cluster"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

func genCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "gen",
		Usage: "make a CA and a server certificate that registry clients accept",
		Description: `crpki gen --ip 10.96.0.50
# names of every kind, all in the one subjectAltName extension
crpki gen --ip 10.96.0.50 --dns reg.example.com,*.reg.example.com
# the names of a registry that is known
crpki gen --preset connected-registry --ip 10.96.0.50
# another certificate from the same CA
crpki gen --ca certs/ca.crt --dns mirror.example.com --name mirror
# the names of a live Service, and the Secret that it takes the files from
crpki gen --from-service infra/registry --apply --rollout-restart deploy/registry
# many certificates at once; a second run changes only what must change
crpki gen --spec certs.yaml --dry-run

Writes into ./certs, unless --out-dir says another folder:

  tls.crt   the server's certificate, and the intermediate if there is one
  tls.key   its private key, readable by the owner alone
  ca.crt    the certificate that clients are to trust
  ca.key    the CA's private key, which no server needs

Without --ca the CA is new. With --ca an existing one signs, and only its
certificate is written. --intermediate puts a CA between: intermediate.crt and
intermediate.key sign from then on, and ca.key can be locked away.
--self-signed makes one certificate that is the server's and that clients
trust: ca.crt is a copy of tls.crt.

Either all files are written or none. None is overwritten without --force.
With "--out-dir -", PEM goes to standard output: certificate and intermediate,
private key, the intermediate's private key, CA, the CA's private key.

A CA made with --permit-dns or --permit-ip can sign for these names only. A
kind of which nothing is permitted is forbidden: with --permit-dns alone, the
CA signs for no IP address.

--from-service adds the addresses and DNS names that a Service has in the
cluster. --apply also makes a Secret of certificate, key and CA and applies it,
as crpki secret --apply does; the API server is asked before a file is written.

The certificate is valid from five minutes ago, for clocks that are behind, and
for 397 days; a CA for 3650. Before they are written, certificates are verified
as a Go client would, for each of the names.`,
		ArgsUsage: "[-]",
		Flags:     genFlags(),
		Action:    e.gen,
	}
}

func genFlags() []cli.Flag {
	return slices.Concat(
		nameFlags(), genPresetFlags(), lifetimeFlags("397"), []cli.Flag{clientFlag()}, subjectFlags(), keyFlags(),
		caFlags(), newCAFlags(), specFlags(), genClusterFlags(), fileFlags(defaultOutDir), []cli.Flag{baseNameFlag(), outputFlag("text", "json", "yaml")})
}

func clientFlag() cli.Flag {
	return &cli.BoolFlag{Name: "client", Usage: "let the certificate also identify a client (clientAuth), for mutual TLS", Category: aboutCert}
}

// newCAFlags say what a new CA shall be.
func newCAFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "intermediate", Usage: "put an intermediate CA between the CA and the certificate", Category: aboutNewCA},
		&cli.BoolFlag{Name: "self-signed", Usage: "make no CA, but one certificate for both server and trust", Category: aboutNewCA},
		&cli.StringSliceFlag{Name: "permit-dns", Usage: "let the new CA sign only for `DOMAIN` and what is below it", Category: aboutNewCA},
		&cli.StringSliceFlag{Name: "permit-ip", Usage: "let the new CA sign only for addresses in `NETWORK`: 10.96.0.0/16", Category: aboutNewCA},
		&cli.StringFlag{Name: "ca-name", Usage: "call the new CA `NAME`; a few digits of its key follow, so that no two are ever called the same", Category: aboutNewCA},
		&cli.IntFlag{Name: "ca-days", Usage: "let the new CA be valid for so many `DAYS` (3650 if not given, 1825 for an intermediate)", Category: aboutNewCA},
		&cli.BoolFlag{Name: "encrypt-ca-key", Usage: "protect the new CA's private key by a password, which is asked for unless a flag says where it is", Category: aboutNewCA},
	}
}

func (e *env) gen(c *cli.Context) error {
	if c.Bool("list-presets") {
		return e.listPresets(c)
	}
	if path := c.String("spec"); path != "" {
		return genFromSpec(c, e, path)
	}
	if err := checkGen(c); err != nil {
		return err
	}
	k, err := e.genCluster(c)
	if err != nil {
		return err
	}
	g, err := e.newGeneration(c, k)
	if err != nil {
		return err
	}
	if err := g.make(); err != nil {
		return err
	}
	if c.Bool("apply") {
		return g.apply(k)
	}
	return e.deliver(c, g.outcome(), g.files)
}

// checkGen refuses flags that contradict each other.
func checkGen(c *cli.Context) error {
	forNewCA := []string{"permit-dns", "permit-ip", "ca-name", "ca-days", "encrypt-ca-key"}
	switch {
	case c.String("spec-config") != "" || c.String("profile") != "":
		return usageErrorf("--spec-config and --profile go with a csr.json of cfssl's, and --spec is missing")
	case c.NArg() > 0 && c.Args().First() != "-":
		return withHint(usageErrorf("crpki gen takes no argument %q", c.Args().First()), "names go behind a flag: --san "+shellQuote(c.Args().First()))
	case c.Bool("self-signed"):
		return exclude(c, "self-signed", "there is no CA", slices.Concat(forNewCA, []string{"ca", "ca-key", "intermediate", "ca-key-password-file", "ca-key-password-env"}))
	case c.String("ca") != "" && !c.Bool("intermediate"):
		return exclude(c, "ca", "no new CA is made (--intermediate would make one)", forNewCA)
	case c.String("ca") == "" && c.String("ca-key") != "":
		return usageErrorf("--ca-key is the key of an existing CA, and --ca is missing")
	}
	return checkStdout(c)
}

// exclude refuses the flags that make no sense beside another.
func exclude(c *cli.Context, with, why string, flags []string) error {
	for _, name := range flags {
		if c.IsSet(name) {
			return usageErrorf("--%s and --%s exclude each other: %s", with, name, why)
		}
	}
	return nil
}

// generation is one run of gen.
type generation struct {
	*env
	c     *cli.Context
	dir   string
	name  string
	names pki.Names
	// asked is the leaf's validity, before a CA cuts it: new CAs cover it.
	asked issue.Validity

	ca *issue.CA // the one that signs the leaf; nil when that signs itself
	// rootKey and subKey are the keys of the CAs that were made.
	rootKey, subKey *privateKey
	newLeafKey      keyMaker
	key             privateKey
	leaf            *x509.Certificate

	files []artifact
}

// newGeneration; k is the cluster, nil when there is nothing to do with one.
func (e *env) newGeneration(c *cli.Context, k *cluster.Client) (*generation, error) {
	g := &generation{env: e, c: c, dir: c.String("out-dir")}
	var err error
	if g.name, err = baseName(c); err != nil {
		return nil, err
	}
	if g.names, err = e.names(c); err != nil {
		return nil, err
	}
	live, err := e.serviceNames(c, k)
	if err != nil {
		return nil, err
	}
	g.names = g.names.With(live...)
	if err := needNames(c, g.names); err != nil {
		return nil, err
	}
	g.asked, err = e.leafValidity(c, nil, issue.DefaultLeafLifetime)
	return g, err
}

// make makes all certificates and keys, and writes nothing.
func (g *generation) make() error {
	if g.newLeafKey = keyType(g.c); g.c.String("key") == "" {
		g.newLeafKey = g.newLeafKey.ahead(g.interrupt)
	}
	for _, step := range []func() error{g.makeRoot, g.makeIntermediate, g.makeLeaf, g.makeFiles} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// makeRoot makes the CA, or opens the one that is there.
func (g *generation) makeRoot() error {
	var err error
	switch {
	case g.c.Bool("self-signed"):
		return nil
	case g.c.String("ca") != "":
		g.ca, err = g.openCA(g.c)
		return err
	}
	name := cmp.Or(g.c.String("ca-name"), "crpki CA")
	key, r, err := g.caRequest(name, caBase, issue.DefaultCALifetime)
	if err != nil {
		return err
	}
	r.PathLen = -1 // so that an intermediate can be put below it later
	g.rootKey = &key
	g.ca, err = issue.NewRoot(key, r)
	return asUsage(err)
}

// makeIntermediate puts a CA below g.ca, which signs from then on.
func (g *generation) makeIntermediate() error {
	if !g.c.Bool("intermediate") {
		return nil
	}
	name := cmp.Or(g.c.String("ca-name"), "crpki intermediate CA")
	if g.rootKey != nil && g.c.String("ca-name") != "" {
		name += " intermediate"
	}
	key, r, err := g.caRequest(name, intermediateBase, defaultIntermediateLifetime)
	if err != nil {
		return err
	}
	if !g.c.IsSet("ca-days") {
		r.Validity, _ = r.Validity.Within(g.ca)
	}
	g.subKey = &key
	g.ca, err = g.ca.NewIntermediate(key, r)
	return asUsage(err)
}

// defaultIntermediateLifetime lets it be replaced once or twice in the life of
// its root.
const defaultIntermediateLifetime = 1825 * issue.Day

// caRequest is what the flags say about a new CA, and its key.
func (g *generation) caRequest(name, file string, fallback time.Duration) (privateKey, issue.CARequest, error) {
	var r issue.CARequest
	key, err := g.newKey(g.c, "ca-key-", file+".key", keyType(g.c))
	if err != nil {
		return key, r, err
	}
	r.Subject = organization(g.c)
	r.Subject.CommonName = issue.CAName(name, key.Public())
	var err2 error
	r.Validity, err = g.caValidity(fallback)
	r.Constraints, err2 = constraints(g.c)
	return key, r, errors.Join(err, err2)
}

// caValidity covers the leaf's, unless --ca-days says how long it is.
func (g *generation) caValidity(fallback time.Duration) (issue.Validity, error) {
	v := issue.ValidFrom(g.now, fallback)
	if g.asked.NotBefore.Before(v.NotBefore) {
		v.NotBefore = g.asked.NotBefore
	}
	if g.asked.NotAfter.After(v.NotAfter) {
		v.NotAfter = g.asked.NotAfter
	}
	if !g.c.IsSet("ca-days") {
		return v, nil
	}
	length, err := daysLifetime("ca-days", g.c.Int("ca-days"))
	return issue.ValidAt(v.NotBefore, length), err
}

func constraints(c *cli.Context) (issue.Constraints, error) {
	ips, err := networks("permit-ip", c.StringSlice("permit-ip"))
	domains, err2 := splitCommas("permit-dns", c.StringSlice("permit-dns"))
	return issue.Constraints{PermitDNS: domains, PermitIP: ips}, errors.Join(err, err2)
}

// makeLeaf makes the certificate for the server, and its key.
func (g *generation) makeLeaf() error {
	v, err := g.leafValidity(g.c, g.ca, issue.DefaultLeafLifetime)
	if err != nil {
		return err
	}
	if g.key, err = g.leafKey(g.c, g.name+".key", g.newLeafKey); err != nil {
		return err
	}
	r := issue.Request{Names: g.names, Subject: subject(g.c), Client: g.c.Bool("client"), Validity: v}
	if g.ca == nil {
		g.leaf, err = issue.SelfSigned(g.key, r)
	} else {
		g.leaf, err = g.ca.Issue(g.key.Public(), r)
	}
	if err != nil {
		return permitHint(g.c, asUsage(err))
	}
	g.warnLeaf(g.leaf)
	return nil
}

// warnLeaf names who cannot use the certificate.
func (e *env) warnLeaf(leaf *x509.Certificate) {
	if issue.ValidityOf(leaf).Lifetime() > issue.MaxAppleLifetime {
		e.warnf("Apple's systems refuse server certificates that are valid for more than 825 days")
	}
	if leaf.Subject.CommonName == "" {
		e.notef("the subject has no common name: %s", whyNoCommonName(pki.NamesOf(leaf)))
	}
	e.warnKey(leaf.PublicKey)
}

func whyNoCommonName(names pki.Names) string {
	if names.CommonName() == "" {
		return "every name is longer than the 64 characters that it may have"
	}
	return "the CA's name constraints do not let OpenSSL read it as a DNS name"
}

// warnKey names who cannot use keys of this type.
func (e *env) warnKey(pub crypto.PublicKey) {
	if kind, ok := issue.KeyTypeOf(pub); ok && kind.Warning() != "" {
		e.warnf("%s", kind.Warning())
	}
}

// asUsage: a request that cannot be granted was asked for wrongly.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageErrorf("%w", err)
}

// permitHint tells how a new CA gets to sign for a name.
func permitHint(c *cli.Context, err error) error {
	forbidden, ok := errors.AsType[*issue.ConstraintError](err)
	if !ok || !c.IsSet("permit-dns") && !c.IsSet("permit-ip") {
		return err
	}
	if forbidden.Name.Kind == pki.IP {
		return withHint(err, "permit it: --permit-ip "+forbidden.Name.Value)
	}
	return withHint(err, "permit it: --permit-dns "+strings.TrimPrefix(forbidden.Name.Value, "*."))
}

// makeFiles lays out the files, in the order in which they go to standard
// output.
func (g *generation) makeFiles() error {
	trusted, served := g.leaf, []*x509.Certificate{g.leaf}
	if g.ca != nil {
		trusted, served = g.ca.Root(), append(served, g.ca.Intermediates()...)
	}
	g.files = append(g.files, certArtifact(g.dir, g.name, servedNote(served), served...))
	errs := []error{g.addKey(g.name, "private key of the server", &g.key)}
	if g.subKey != nil {
		sub := certArtifact(g.dir, intermediateBase, "intermediate CA and what is above it, to sign with", g.ca.Chain...)
		sub.aside = true
		g.files = append(g.files, sub)
	}
	errs = append(errs, g.addKey(intermediateBase, "private key of the intermediate CA: no server needs it", g.subKey))
	if ca := certArtifact(g.dir, caBase, "certificate that clients are to trust", trusted); !sameFile(ca.Path, g.c.String("ca")) {
		g.files = append(g.files, ca)
	}
	errs = append(errs, g.addKey(caBase, "private key of the CA: no server needs it", g.rootKey))
	return errors.Join(errs...)
}

func servedNote(certs []*x509.Certificate) string {
	if len(certs) > 1 {
		return "certificate of the server, and the chain to the CA"
	}
	return "certificate of the server"
}

// addKey adds a private key, unless there is none or it is in its place
// already.
func (g *generation) addKey(name, what string, key *privateKey) error {
	if key == nil {
		return nil
	}
	file, err := keyArtifact(g.dir, name, what, *key)
	if !key.isAt(file.Path) {
		g.files = append(g.files, file)
	}
	return err
}

func (g *generation) outcome() outcome {
	leaf := factsOf(g.leaf)
	o := outcome{Certificate: &leaf, Chain: []certFacts{}}
	if g.ca != nil {
		o.Chain = factsOfAll(g.ca.Chain)
	}
	o.Next = nextForServer(filepath.Join(g.dir, g.name+".crt"), filepath.Join(g.dir, caBase+".crt"), g.names)
	return o
}

// listPresets explains the presets.
func (e *env) listPresets(c *cli.Context) error {
	type presetFacts struct {
		Name    string   `json:"name"`
		Summary string   `json:"summary"`
		About   string   `json:"about"`
		Example string   `json:"example"`
		Source  string   `json:"source"`
		Reads   []string `json:"reads"`
	}
	all := []presetFacts{}
	for _, p := range issue.Presets() {
		all = append(all, presetFacts{p.Name, p.Summary, p.About, p.Example, p.Source, p.Reads})
	}
	return e.print(c, all, func(w io.Writer) error {
		for i, p := range all {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "%s\n  %s\n\n  %s\n\n  $ %s\n  reads --%s\n", p.Name, p.Summary,
				strings.ReplaceAll(p.About, "\n", "\n  "), p.Example, strings.Join(p.Reads, ", --"))
		}
		return nil
	})
}
