package main

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

func renewCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "renew",
		Usage: "make a certificate anew: same names, same CA, new key",
		Description: `crpki renew certs/tls.crt
# from cron or a systemd timer: does something only in the last 30 days
crpki renew certs/tls.crt --if-expires-within 30d && systemctl reload registry
# one more name, and the key stays
crpki renew certs/tls.crt --dns mirror.example.com --reuse-key

Replaces tls.crt and, unless --reuse-key is given, tls.key beside it. What was
there is kept as a backup. Names, subject, usages and length of validity stay as
they were, and so do the modes of the files; a key that was encrypted stays so,
under the same password.

The CA has to be the one that issued the certificate. It is looked for beside
it, as ca.crt and ca.key or intermediate.crt and intermediate.key, unless --ca
says where it is. A self-signed certificate needs none; with a new key, clients
have to be given the new one.

The exit code is 0 when it was renewed and when nothing was due, so that a timer
does not fail; "renewed" in the JSON output tells which.`,
		ArgsUsage: "CERT",
		Flags: slices.Concat(nameFlags(), lifetimeFlags("as many as before"), renewFlags(), describedPasswordFlags("key-", "of the certificate's private key, read or new,", aboutKey),
			caFlags(), []cli.Flag{dryRunFlag(), outputFlag("text", "json", "yaml")}),
		Action: e.renew,
	}
}

func renewFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "if-expires-within", Usage: "do nothing while the certificate is valid for longer than `DURATION`: 30d, or 33% of its life", Category: aboutCert},
		&cli.BoolFlag{Name: "reuse-key", Usage: "keep the private key", Category: aboutKey},
		&cli.StringFlag{Name: "key", Usage: "the private key is in `FILE`, or a new one shall be (tls.key beside tls.crt if not given)", TakesFile: true, Category: aboutKey},
	}
}

// renewal is one run of renew.
type renewal struct {
	*env
	c    *cli.Context
	path string
	old  *x509.Certificate
	// found is all that the certificate's file holds.
	found pki.Material
	// key is the one beside the certificate, if it is there.
	key     privateKey
	keyPath string

	ca   *issue.CA // nil when self-signed
	cert *x509.Certificate
}

func (e *env) renew(c *cli.Context) error {
	r, err := e.newRenewal(c)
	if err != nil {
		return err
	}
	due, err := r.due()
	if err != nil {
		return err
	}
	if !due {
		return r.nothingDue()
	}
	if err := errors.Join(r.findCA(), r.findKey()); err != nil {
		return err
	}
	if err := r.make(); err != nil {
		return err
	}
	return r.replace()
}

func (e *env) newRenewal(c *cli.Context) (*renewal, error) {
	r := &renewal{env: e, c: c, path: c.Args().First()}
	if r.path == "-" {
		return nil, withHint(usageErrorf("renew replaces files, and standard input is none"), "crpki renew certs/tls.crt")
	}
	opened := &passwordKeeper{env: e, c: c, prefix: "key-"}
	var err error
	if r.found, err = opened.decode(r.path); err != nil {
		return nil, err
	}
	if _, err := parsedCerts(r.path, r.found); err != nil {
		return nil, err
	}
	if !isPEM(opened.data) {
		return nil, withHint(usageErrorf("%s: it is not PEM, and renew writes nothing else", r.path), "crpki p12 --help shows how to convert")
	}
	chain, err := pki.OrderChain(r.found.Certs)
	if chain.Leaf.X509 == nil {
		return nil, usageErrorf("%s: %w", r.path, err)
	}
	r.old, r.key.password = chain.Leaf.X509, opened.password
	return r, nil
}

// due decides by --if-expires-within.
func (r *renewal) due() (bool, error) {
	text := r.c.String("if-expires-within")
	if text == "" {
		return true, nil
	}
	within, err := parseWithin(text, issue.ValidityOf(r.old).Lifetime())
	return r.old.NotAfter.Sub(r.now) < within, err
}

// parseWithin takes a length of time, or a part of the lifetime in per cent.
func parseWithin(text string, lifetime time.Duration) (time.Duration, error) {
	number, percent := strings.CutSuffix(text, "%")
	if !percent {
		d, err := issue.ParseLifetime(text)
		if err != nil {
			return 0, usageErrorf("--if-expires-within: %w", err)
		}
		return d, nil
	}
	n, err := strconv.ParseUint(number, 10, 8)
	if err != nil || n > 100 {
		return 0, usageErrorf("--if-expires-within %q: from 0%% to 100%% are possible", text)
	}
	return lifetime / 100 * time.Duration(n), nil
}

func (r *renewal) nothingDue() error {
	facts, renewed := factsOf(r.old), false
	r.notef("%s is valid until %s, for %s more: nothing to do", r.path, r.old.NotAfter.UTC().Format(time.DateOnly), days(r.old.NotAfter.Sub(r.now)))
	o := outcome{DryRun: r.c.Bool("dry-run"), Renewed: &renewed, Certificate: &facts, Chain: []certFacts{}, Files: []fileFacts{}, Next: []string{}}
	// Not a word on standard output: cron sends mail about any.
	return r.print(r.c, o, func(io.Writer) error { return nil })
}

// findCA opens the CA that issued the certificate.
func (r *renewal) findCA() error {
	if pki.Issued(r.old, r.old) {
		return nil
	}
	path, err := r.caPath()
	if err != nil {
		return err
	}
	if r.ca, err = r.openCAFiles(r.c, path, r.c.String("ca-key")); err != nil {
		return err
	}
	if err := r.ca.CheckIssued(r.old); err != nil {
		return withHint(usageErrorf("%s: %w", path, err), "to take a certificate from another CA: crpki gen --ca "+shellQuote(path))
	}
	return nil
}

// caPath is --ca, or the CA beside the certificate that issued it.
func (r *renewal) caPath() (string, error) {
	if path := r.c.String("ca"); path != "" {
		return path, nil
	}
	dir := filepath.Dir(r.path)
	fallback := ""
	for _, base := range []string{caBase, intermediateBase} {
		path := filepath.Join(dir, base+".crt")
		if !exists(path) {
			continue
		}
		if r.issuedBy(path) && exists(besideKey(path)) {
			return path, nil
		}
		fallback = cmp.Or(fallback, path)
	}
	if fallback != "" && exists(besideKey(fallback)) {
		return fallback, nil // whose key or signature then tells what is wrong
	}
	return "", withHint(usageErrorf("%s was issued by %q, and that CA's certificate and key are not beside it", r.path, r.old.Issuer), "say where they are: --ca FILE --ca-key FILE")
}

func (r *renewal) issuedBy(path string) bool {
	m, err := (&passwordKeeper{env: r.env, c: r.c, prefix: "ca-key-"}).decode(path)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(m.Certs, func(c pki.Cert) bool { return c.X509 != nil && pki.Issued(c.X509, r.old) })
}

// findKey reads the key beside the certificate. One that is missing is made
// anew only where the user says: at a place of crpki's choice, the server would
// not find it.
func (r *renewal) findKey() error {
	r.keyPath = r.c.String("key")
	if r.keyPath == "" && len(r.found.Keys) > 0 {
		r.keyPath = r.path
	}
	r.keyPath = cmp.Or(r.keyPath, besideKey(r.path))
	if !exists(r.keyPath) && !r.c.Bool("reuse-key") {
		if r.c.String("key") != "" {
			return nil
		}
		return withHint(usageErrorf("%s: its private key is not in it, and there is no %s", r.path, r.keyPath), "say where the key is, or a new one shall be: --key FILE")
	}
	var err error
	if r.keyPath == r.path {
		r.key.Signer, err = oneKey(r.path, r.found)
	} else {
		r.key, err = r.existingKey(r.c, "key-", r.keyPath)
	}
	if err != nil {
		return err
	}
	if !pki.SamePublicKey(r.key.Public(), r.old.PublicKey) {
		return withHint(usageErrorf("%s is not the key of %s", r.keyPath, r.path), "say where the key is: --key FILE")
	}
	return nil
}

// make makes the certificate, and a new key of the same type.
func (r *renewal) make() error {
	review, err := issue.RequestOf(r.old)
	if err != nil {
		return usageErrorf("%s: %w", r.path, err)
	}
	r.warnings(review.Remarks)
	request := review.Request
	added, err := r.givenNames()
	if err != nil {
		return asUsage(err)
	}
	request.Names = request.Names.With(added...)
	if request.Validity, err = r.newValidity(); err != nil {
		return err
	}
	if !r.c.Bool("reuse-key") {
		kind := r.keyType()
		newKey := keyMaker(func() (crypto.Signer, error) { return issue.NewKey(kind) })
		if r.key.Signer, err = newKey.ahead(r.interrupt)(); err != nil {
			return err
		}
	}
	if r.ca == nil {
		r.cert, err = issue.ReissueSelfSigned(r.old, r.key, request)
	} else {
		r.cert, err = r.ca.Issue(r.key.Public(), request)
	}
	if err != nil {
		return asUsage(err)
	}
	r.warnLeaf(r.cert)
	return nil
}

// newValidity is as long as before. A timer that could renew for ever without
// any gain, because the CA itself ends, has to fail so that somebody looks.
func (r *renewal) newValidity() (issue.Validity, error) {
	v, err := r.leafValidity(r.c, r.ca, issue.ValidityOf(r.old).Lifetime())
	if err == nil && r.c.String("if-expires-within") != "" && !v.NotAfter.After(r.old.NotAfter) {
		err = withHint(usageErrorf("%s: a new certificate would not be valid for longer than the one that is there, since the CA ends on %s",
			r.path, v.NotAfter.Format(time.DateOnly)), "make a new CA, and give clients both until all servers have new certificates")
	}
	return v, err
}

func (r *renewal) keyType() issue.KeyType {
	kind, ok := issue.KeyTypeOf(r.old.PublicKey)
	if !ok {
		kind = issue.ECDSAP256
		r.notef("the key was %s; the new one is %s", pki.DescribePublicKey(r.old.PublicKey), kind)
	}
	return kind
}

// replace writes the files over those that are there.
func (r *renewal) replace() error {
	files, err := r.files()
	if err != nil {
		return err
	}
	facts, renewed := factsOf(r.cert), true
	o := outcome{Renewed: &renewed, Certificate: &facts, Chain: []certFacts{}}
	if r.ca != nil {
		o.Chain = factsOfAll(r.ca.Chain)
	} else if !r.c.Bool("reuse-key") {
		r.warnf("clients trusted the old certificate: they have to be given the new one, %s", r.trustedPath())
	}
	o.Next = []string{"crpki inspect " + shellQuote(r.path)}
	return r.write(r.c, o, files, true)
}

func (r *renewal) files() ([]artifact, error) {
	served := []*x509.Certificate{r.cert}
	if r.ca != nil {
		served = append(served, r.ca.Intermediates()...)
	}
	certs := artifact{what: servedNote(served), File: pki.File{Path: r.path, Mode: modeOf(r.path, pki.ModePublic), Data: format.EncodeCerts(served...)}}
	files := []artifact{certs}
	key, err := r.key.encode()
	switch {
	case err != nil:
		return nil, err
	case r.keyPath == r.path:
		files[0].Data = append(files[0].Data, key...)
	case !r.c.Bool("reuse-key"):
		files = append(files, artifact{what: "private key of the server", File: pki.File{Path: r.keyPath, Mode: modeOf(r.keyPath, pki.ModePrivate), Data: key}})
	}
	if ca := r.trustedPath(); r.ca == nil && ca != r.path {
		files = append(files, artifact{what: "certificate that clients are to trust", File: pki.File{Path: ca, Mode: modeOf(ca, pki.ModePublic), Data: format.EncodeCerts(r.cert)}})
	}
	return files, nil
}

// trustedPath is the file for clients of a self-signed certificate: the ca.crt
// beside it, if that is a copy.
func (r *renewal) trustedPath() string {
	if ca := filepath.Join(filepath.Dir(r.path), caBase+".crt"); r.holdsOld(ca) {
		return ca
	}
	return r.path
}

func (r *renewal) holdsOld(path string) bool {
	if sameFile(path, r.path) || !exists(path) {
		return false
	}
	m, err := (&passwordKeeper{env: r.env, c: r.c, prefix: "key-"}).decode(path)
	return err == nil && len(m.Certs) == 1 && string(m.Certs[0].Raw) == string(r.old.Raw)
}

// modeOf is the mode of the file at path, or fallback when there is none.
func modeOf(path string, fallback fs.FileMode) fs.FileMode {
	info, err := os.Stat(path)
	if err != nil {
		return fallback
	}
	return info.Mode().Perm()
}
