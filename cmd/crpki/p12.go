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
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

func p12Command(e *env) *cli.Command {
	return &cli.Command{
		Name:  "p12",
		Usage: "pack certificates and keys as PKCS#12, and unpack them",
		Description: `# a key store for a server
crpki p12 pack certs/tls.crt certs/ca.crt
# a trust store for Java clients
crpki p12 trust certs/ca.crt
# back to PEM
crpki p12 unpack tls.p12 --out-dir certs

PKCS#12 (.p12, .pfx) is what Java, .NET and Windows take in place of PEM. A
file of that kind is a key store, with a private key, its certificate and the
chain, or a trust store, with certificates to trust.`,
		Subcommands: []*cli.Command{p12PackCommand(e), p12TrustCommand(e), p12UnpackCommand(e)},
	}
}

// aboutP12 is the category of the flags that say how a file is packed.
const aboutP12 = "PKCS#12"

func p12PackCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "pack",
		Usage: "make a key store of private key, certificate and chain",
		Description: `crpki p12 pack certs/tls.crt certs/ca.crt
# no prompt: the password is the first line of a file
crpki p12 pack certs/tls.crt --password-file secret --out server.p12
# for Java 8 and Windows Server 2016
crpki p12 pack certs/tls.crt --legacy

The files may come in any order, and in PEM, DER or PKCS#12. When none of them
holds a private key, tls.key is looked for beside tls.crt. The certificate that
belongs to the key is the first in the store, and the others follow as its
chain, in order; what is no part of the chain is left out and told.

The file is encrypted with AES-256, as OpenSSL 1.1.1, Java 12, Windows Server
2019 and all newer read it; with --legacy as older ones do.`,
		ArgsUsage: "FILE...",
		Flags: slices.Concat(packFlags("the certificate's name with .p12"),
			describedPasswordFlags("key-", "of the private key or PKCS#12 file that is read,", aboutKey),
			fileFlags(defaultOutDir)[1:], // without --out-dir
			[]cli.Flag{outputFlag("text", "json", "yaml")}),
		Action: e.p12Pack,
	}
}

func p12TrustCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "trust",
		Usage: "make a trust store of CA certificates, for Java clients",
		Description: `crpki p12 trust certs/ca.crt
# and the program that is to trust it
java -Djavax.net.ssl.trustStore=certs/trust.p12 \
-Djavax.net.ssl.trustStorePassword=changeit …

Each certificate becomes a trusted entry, as keytool -list shows it. The name of
an entry is that of its certificate, unless --alias says another. Private keys
in the files are left out.

A trust store holds nothing secret: its password only guards it against
changes. With --no-password it has none, which Java 18 and newer read.`,
		ArgsUsage: "FILE...",
		Flags: slices.Concat(packFlags("trust.p12 beside the first file"),
			describedPasswordFlags("in-", "of a PKCS#12 file that is read,", aboutP12),
			fileFlags(defaultOutDir)[1:],
			[]cli.Flag{outputFlag("text", "json", "yaml")}),
		Action: e.p12Trust,
	}
}

func p12UnpackCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "unpack",
		Usage: "take certificates and private key out of PKCS#12, as PEM",
		Description: `crpki p12 unpack tls.p12 --out-dir certs
# the key stays encrypted, with a password of its own
crpki p12 unpack tls.p12 --encrypt-key
# one of several keys of a Java key store
crpki p12 unpack keystore.p12 --alias tomcat

Writes, as far as they are there:

  tls.crt   the certificate of the private key, and its intermediates
  tls.key   the private key, readable by the owner alone
  ca.crt    the root, or the entries of a trust store

Either all files are written or none. None is overwritten without --force.
With "--out-dir -", PEM goes to standard output.`,
		ArgsUsage: "FILE",
		Flags: slices.Concat(
			[]cli.Flag{&cli.StringFlag{Name: "alias", Usage: "take the private key whose entry is called `NAME`", Category: aboutP12}},
			describedPasswordFlags("", "of the PKCS#12 file", aboutP12),
			[]cli.Flag{&cli.BoolFlag{Name: "encrypt-key", Usage: "protect the private key by a password, which is asked for unless a flag says where it is", Category: aboutKey}},
			describedPasswordFlags("key-", "for the private key that is written,", aboutKey),
			fileFlags(defaultOutDir), []cli.Flag{baseNameFlag(), outputFlag("text", "json", "yaml")}),
		Action: e.p12Unpack,
	}
}

// packFlags say how a PKCS#12 file is made. out is where it goes by default.
func packFlags(out string) []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Name: "out", Usage: "write to `FILE` (" + out + " if not given); - is standard output", TakesFile: true, Category: aboutFiles},
		&cli.StringFlag{Name: "alias", Usage: "call the entry `NAME` (the certificate's own name if not given)", Category: aboutP12},
		&cli.BoolFlag{Name: "legacy", Usage: "encrypt with 3DES and SHA-1, for software older than OpenSSL 1.1.1, Java 12 and Windows Server 2019", Category: aboutP12},
	}, describedPasswordFlags("", "of the PKCS#12 file", aboutP12), []cli.Flag{
		&cli.BoolFlag{Name: "no-password", Usage: "use no password, which leaves what is packed to everybody who gets the file", Category: aboutP12},
	})
}

// packing is what pack and trust tell about the file that they made.
type packing struct {
	outcome
	// Aliases are the names of the entries, in order.
	Aliases []string `json:"aliases"`
	// Encryption is "AES-256" or "3DES", for a trust store also "none".
	Encryption string `json:"encryption"`
}

func (e *env) p12Pack(c *cli.Context) error {
	key, chain, err := e.keyAndChain(c)
	if err != nil {
		return err
	}
	leaf, above := chain.Leaf.X509, x509s(chain.Intermediates)
	if chain.Root != nil {
		above = append(above, chain.Root.X509)
	}
	e.warnExpired(slices.Concat([]*x509.Certificate{leaf}, above)...)
	out := cmp.Or(c.String("out"), replaceExt(chain.Leaf.Origin.Source, "tls", ".p12"))
	data, back, err := e.makeP12(c, out, func(password string, o format.P12Options) ([]byte, error) {
		o.FriendlyName = cmp.Or(o.FriendlyName, nameOf(leaf))
		return format.EncodeP12(key, leaf, above, password, o)
	})
	if err != nil {
		return err
	}
	if len(back.Keys) != 1 || !pki.SamePublicKey(back.Keys[0].Public(), leaf.PublicKey) || len(x509s(back.Certs)) != 1+len(above) {
		return fmt.Errorf("%s: what was packed does not come back when it is read: nothing was written", out)
	}
	facts := factsOf(leaf)
	o := packing{
		outcome: outcome{Certificate: &facts, Chain: factsOfAll(above), Next: []string{
			"keytool -list -v -keystore " + shellQuote(out), "openssl pkcs12 -info -noout -in " + shellQuote(out),
		}},
		Aliases: slices.Compact(friendlyNames(back)), Encryption: encryption(c),
	}
	if c.Bool("no-password") {
		o.Encryption += " under an empty password"
		e.warnf("without a password, whoever gets %s has the private key", out)
	}
	return e.deliverP12(c, o, artifact{
		File: pki.File{Path: out, Mode: pki.ModePrivate, Data: data},
		what: "key store: private key, its certificate, and the chain above it",
	})
}

func (e *env) p12Trust(c *cli.Context) error {
	m, err := e.decodeAll(&passwordKeeper{env: e, c: c, prefix: "in-"}, c.Args().Slice())
	if err != nil {
		return err
	}
	certs := x509s(slices.Concat(m.Certs, m.Anchors))
	if len(certs) == 0 {
		return usageErrorf("%s: there is no certificate to trust", strings.Join(c.Args().Slice(), ", "))
	}
	for _, k := range m.Keys {
		e.warnf("%s: the private key is left out, for a trust store has certificates only", k.Origin)
	}
	e.warnExpired(certs...)
	e.warnNoCA(certs)
	out := cmp.Or(c.String("out"), filepath.Join(filepath.Dir(c.Args().First()), "trust.p12"))
	data, back, err := e.makeP12(c, out, func(password string, o format.P12Options) ([]byte, error) {
		return format.EncodeP12TrustStore(certs, password, o)
	})
	if err != nil {
		return err
	}
	if len(x509s(back.Anchors)) == 0 {
		return fmt.Errorf("%s: what was packed does not come back when it is read: nothing was written", out)
	}
	o := packing{
		outcome: outcome{Chain: factsOfAll(x509s(back.Anchors)), Next: []string{"keytool -list -keystore " + shellQuote(out)}},
		Aliases: friendlyNames(back), Encryption: encryption(c),
	}
	if c.Bool("no-password") {
		o.Encryption = "none"
	}
	return e.deliverP12(c, o, artifact{
		File: pki.File{Path: out, Mode: pki.ModePublic, Data: data},
		what: "trust store: " + count(len(back.Anchors), "trusted certificate"),
	})
}

// makeP12 gets the password of a new PKCS#12 file, makes the file, and reads it
// back.
func (e *env) makeP12(c *cli.Context, out string, encode func(string, format.P12Options) ([]byte, error)) ([]byte, pki.Material, error) {
	if out == "-" && e.stdoutTerminal {
		return nil, pki.Material{}, withHint(usageErrorf("PKCS#12 is binary, and standard output is a terminal"), "write to a file: --out FILE")
	}
	password, err := e.p12Password(c, out)
	if err != nil {
		return nil, pki.Material{}, err
	}
	data, err := encode(string(password), format.P12Options{Legacy: c.Bool("legacy"), FriendlyName: c.String("alias")})
	if err != nil {
		return nil, pki.Material{}, usageErrorf("%s: %w", out, err)
	}
	back, err := format.Decode(out, data, format.Options{Password: func(pki.Origin) ([]byte, error) { return password, nil }})
	return data, back, err
}

// p12Password is the password for a new file, empty only if that was asked for.
func (e *env) p12Password(c *cli.Context, out string) ([]byte, error) {
	if c.Bool("no-password") {
		return nil, exclude(c, "no-password", "one of them says that there is a password", []string{"password-file", "password-env"})
	}
	password, err := e.newPassword(c, "", out)
	if err != nil {
		return nil, err
	}
	// sun.security.tools.keytool.Main asks for this many.
	if n := utf8.RuneCount(password); n < 6 {
		e.warnf("the password has %s: keytool takes no fewer than 6", count(n, "character"))
	}
	return password, nil
}

func encryption(c *cli.Context) string {
	if c.Bool("legacy") {
		return "3DES"
	}
	return "AES-256"
}

// keyAndChain reads what is to be packed.
func (e *env) keyAndChain(c *cli.Context) (crypto.Signer, pki.Chain, error) {
	opened := &passwordKeeper{env: e, c: c, prefix: "key-"}
	paths := c.Args().Slice()
	m, err := e.decodeAll(opened, paths)
	if err != nil {
		return nil, pki.Chain{}, err
	}
	if len(m.Keys) == 0 {
		beside := besideKey(paths[0])
		if paths[0] == "-" || !exists(beside) {
			return nil, pki.Chain{}, withHint(usageErrorf("%s: there is no private key in it, and no %s", strings.Join(paths, ", "), beside),
				"name the file with the key too; for certificates without a key: crpki p12 trust")
		}
		more, err := e.decodeAll(opened, []string{beside})
		if err != nil {
			return nil, pki.Chain{}, err
		}
		m.Append(pki.Material{Keys: more.Keys})
		e.notef("the private key is taken from %s", beside)
	}
	key, err := oneKey(strings.Join(paths, ", "), m)
	if err != nil {
		return nil, pki.Chain{}, err
	}
	chain, err := e.chainOf(key, slices.Concat(m.Certs, m.Anchors))
	return key, chain, err
}

// chainOf puts certs in order, from the one of key upwards, and tells what is
// no part of it.
func (e *env) chainOf(key crypto.Signer, certs []pki.Cert) (pki.Chain, error) {
	isLeaf := func(c *x509.Certificate) bool { return pki.SamePublicKey(c.PublicKey, key.Public()) }
	if !slices.ContainsFunc(x509s(certs), isLeaf) {
		var have []string
		for _, c := range certs {
			have = append(have, c.Describe())
		}
		if len(have) == 0 {
			return pki.Chain{}, usageErrorf("there is no certificate beside the private key")
		}
		return pki.Chain{}, withHint(usageErrorf("the private key (%s) belongs to no certificate: there is %s", pki.DescribePublicKey(key.Public()), strings.Join(have, ", ")),
			"is the certificate, or the key, an older one?")
	}
	return e.orderFor(isLeaf, certs)
}

// orderFor puts certs in order and tells what is no part of the chain. A chain
// whose top is missing is as good as any when nothing is left over that was
// meant to be it: clients have their own copy of the root.
func (e *env) orderFor(isLeaf func(*x509.Certificate) bool, certs []pki.Cert) (pki.Chain, error) {
	chain, err := pki.ChainOptions{Now: e.now, Leaf: isLeaf}.Order(certs)
	gap, hasGap := errors.AsType[*pki.GapError](err)
	isCA := func(u pki.Unused) bool { return u.Cert.X509 != nil && u.Cert.X509.IsCA && u.Reason != pki.Duplicate }
	switch {
	case hasGap && !gap.Loop && !slices.ContainsFunc(chain.Rest, isCA):
		e.notef("the chain ends with %s: its CA, %s, is not among the certificates", gap.Child.Describe(), gap.Issuer())
	case hasGap:
		return chain, withHint(usageErrorf("%w", err), "name the file with that CA, and no CA of another chain")
	case err != nil:
		return chain, usageErrorf("%w", err)
	}
	e.tellLeftOut(chain)
	return chain, nil
}

// tellLeftOut says what of a heap became no part of the chain.
func (e *env) tellLeftOut(chain pki.Chain) {
	for _, u := range chain.Rest {
		if u.Reason != pki.Duplicate {
			e.warnf("%s is left out: %s", u.Cert.Describe(), u.Reason)
		}
	}
}

// decodeAll reads files together. What is broken in any of them is an error:
// which part it is of what was wanted cannot be known.
func (e *env) decodeAll(opened *passwordKeeper, paths []string) (pki.Material, error) {
	var all pki.Material
	var errs []error
	for _, path := range paths {
		m, err := opened.decode(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, c := range slices.Concat(m.Certs, m.Anchors) {
			if c.Err != nil {
				errs = append(errs, usageErrorf("%s: %w", c.Origin, c.Err))
			}
		}
		for _, k := range m.Keys {
			if k.Err != nil {
				errs = append(errs, usageErrorf("%s: %w", k.Origin, k.Err))
			}
		}
		for _, r := range m.CSRs {
			if r.Err != nil {
				errs = append(errs, usageErrorf("%s: %w", r.Origin, r.Err))
			}
		}
		all.Append(m)
	}
	return all, errors.Join(errs...)
}

func (e *env) warnExpired(certs ...*x509.Certificate) {
	for _, c := range certs {
		if e.now.After(c.NotAfter) {
			e.warnf("%s has expired on %s", nameOf(c), c.NotAfter.UTC().Format(time.DateOnly))
		}
	}
}

func (e *env) warnNoCA(certs []*x509.Certificate) {
	for _, c := range certs {
		if !c.IsCA {
			e.warnf("%s is no CA: who trusts it trusts this one certificate", nameOf(c))
		}
	}
}

// deliverP12 writes the file and tells about it.
func (e *env) deliverP12(c *cli.Context, o packing, file artifact) error {
	if file.Path == "-" {
		return e.deliverPEM([]artifact{file})
	}
	var err error
	if o.Files, err = e.writeFiles(c, []artifact{file}); err != nil {
		return err
	}
	o.DryRun = c.Bool("dry-run")
	return e.print(c, o, o.text)
}

// text is the outcome for people.
func (o packing) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "PKCS#12\n  entries\t%s\n  encryption\t%s\n", printable(strings.Join(o.Aliases, ", ")), o.Encryption)
	if err := t.Flush(); err != nil {
		return err
	}
	return o.outcome.text(w)
}

func (e *env) p12Unpack(c *cli.Context) error {
	path := c.Args().First()
	name, err := baseName(c)
	if err != nil {
		return err
	}
	m, err := (&passwordKeeper{env: e, c: c}).decode(path)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(m.Notes, func(n pki.Note) bool { return n.Rule == format.NotePKCS12 }) {
		return withHint(usageErrorf("%s is not PKCS#12", path), "crpki inspect "+shellQuote(path)+" shows what it is")
	}
	u := unpacking{env: e, c: c, path: path, name: name, dir: c.String("out-dir")}
	if err := u.take(m); err != nil {
		return err
	}
	return u.deliver()
}

// unpacking is one run of unpack.
type unpacking struct {
	*env
	c               *cli.Context
	path, dir, name string

	files []artifact
	o     outcome
}

// take lays out the files for what is in m.
func (u *unpacking) take(m pki.Material) error {
	key, err := u.chooseKey(m)
	if err != nil {
		return err
	}
	trusted := x509s(m.Anchors)
	switch {
	case key != nil:
		chain, err := u.unpackedChain(key, m.Certs)
		if err != nil {
			return err
		}
		served := x509s(chain.Served())
		facts := factsOf(served[0])
		u.o.Certificate, u.o.Chain = &facts, factsOfAll(served[1:])
		u.files = append(u.files, certArtifact(u.dir, u.name, servedNote(served), served...))
		if err := u.addKey(key); err != nil {
			return err
		}
		if chain.Root != nil {
			trusted = append([]*x509.Certificate{chain.Root.X509}, trusted...)
		}
	default:
		// Without a key nothing tells a server's certificate from others; what is
		// packed alone is there to be trusted.
		trusted = append(trusted, x509s(m.Certs)...)
	}
	trusted = distinct(trusted)
	if len(trusted) > 0 {
		u.files = append(u.files, certArtifact(u.dir, caBase, "certificates to trust", trusted...))
		u.o.Chain = append(u.o.Chain, factsOfAll(trusted)...)
	}
	if len(u.files) == 0 {
		return usageErrorf("%s: there is neither a private key nor a certificate in it", u.path)
	}
	return nil
}

// chooseKey is the key of --alias, or the only one; nil when there is none.
func (u *unpacking) chooseKey(m pki.Material) (crypto.Signer, error) {
	names := map[pki.Origin]string{}
	for _, n := range m.Notes {
		if n.Rule == format.NoteFriendlyName {
			names[n.Origin] = n.Detail
		}
	}
	alias := u.c.String("alias")
	var found []pki.Key
	var have []string
	for _, k := range m.Keys {
		have = append(have, cmp.Or(names[k.Origin], k.Origin.String()))
		if alias == "" || strings.EqualFold(names[k.Origin], alias) {
			found = append(found, k)
		}
	}
	switch {
	case alias != "" && len(found) == 0:
		return nil, withHint(usageErrorf("%s: no private key is called %q", u.path, alias), "there is "+listOr(have, "none"))
	case len(found) > 1:
		return nil, withHint(usageErrorf("%s: there are %d private keys in it, and which is meant?", u.path, len(found)), "say it with --alias: "+strings.Join(have, ", "))
	case len(found) == 0:
		return nil, nil
	case found[0].Err != nil:
		return nil, usageErrorf("%s: %w", found[0].Origin, found[0].Err)
	}
	return found[0].Signer, nil
}

// unpackedChain is the chain of key. One with a gap is unpacked as far as it
// goes, for the file is as it is.
func (u *unpacking) unpackedChain(key crypto.Signer, certs []pki.Cert) (pki.Chain, error) {
	chain, err := u.orderFor(func(c *x509.Certificate) bool { return pki.SamePublicKey(c.PublicKey, key.Public()) }, certs)
	if gap, ok := errors.AsType[*pki.GapError](err); ok {
		u.warnf("%v", gap)
		u.tellLeftOut(chain)
		return chain, nil
	}
	if err != nil {
		return chain, fmt.Errorf("%s: %w", u.path, err)
	}
	return chain, nil
}

// addKey adds the private key, encrypted if that is asked for.
func (u *unpacking) addKey(key crypto.Signer) error {
	k := privateKey{Signer: key}
	var err error
	if wantsPassword(u.c, "key-") {
		if k.password, err = u.newPassword(u.c, "key-", u.name+".key"); err != nil {
			return err
		}
	}
	file, err := keyArtifact(u.dir, u.name, "private key of the server", k)
	u.files = append(u.files, file)
	return err
}

func (u *unpacking) deliver() error {
	if u.dir == "-" {
		if u.c.String("output") != "text" {
			return usageErrorf("--output %s and PEM on standard output exclude each other: private keys go into no document", u.c.String("output"))
		}
		return u.deliverPEM(u.files)
	}
	var err error
	if u.o.Files, err = u.writeFiles(u.c, u.files); err != nil {
		return err
	}
	u.o.DryRun = u.c.Bool("dry-run")
	u.o.Next = []string{"crpki inspect " + shellQuote(u.files[0].Path)}
	return u.print(u.c, u.o, u.o.text)
}

// writeFiles writes files, all or none, and tells what became of each.
func (e *env) writeFiles(c *cli.Context, files []artifact) ([]fileFacts, error) {
	result, err := e.emit(plainFiles(files), emit.Options{Force: c.Bool("force"), DryRun: c.Bool("dry-run"), Now: e.now})
	if exists, ok := errors.AsType[*emit.ExistsError](err); ok {
		return nil, withHint(usageErrorf("%w, and nothing was written", exists), "--force replaces and keeps backups; or write elsewhere")
	}
	if err != nil {
		return nil, placeHint(err)
	}
	var facts []fileFacts
	for _, f := range files {
		facts = append(facts, fileFacts{
			Path: f.Path, What: f.what, Backup: result.Backups[f.Path], Unchanged: slices.Contains(result.Unchanged, f.Path),
		})
	}
	for _, path := range result.Narrowed {
		e.warnf("%s could be read by more users before: it is %04o now", path, pki.ModePrivate)
	}
	return facts, nil
}

// friendlyNames are those of the entries of a PKCS#12 file.
func friendlyNames(m pki.Material) []string {
	names := []string{}
	for _, n := range m.Notes {
		if n.Rule == format.NoteFriendlyName {
			names = append(names, n.Detail)
		}
	}
	return names
}

// nameOf is what a certificate is called for short.
func nameOf(c *x509.Certificate) string {
	return cmp.Or(c.Subject.CommonName, pki.NamesOf(c).CommonName(), c.Subject.String(), "certificate")
}

// x509s are the certificates that could be parsed.
func x509s(certs []pki.Cert) []*x509.Certificate {
	var parsed []*x509.Certificate
	for _, c := range certs {
		if c.X509 != nil {
			parsed = append(parsed, c.X509)
		}
	}
	return parsed
}

func distinct(certs []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range certs {
		if !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

// replaceExt is path with another ending: tls.p12 for tls.crt. Standard input
// has no name, and gets fallback's.
func replaceExt(path, fallback, ext string) string {
	if path == "-" {
		path = fallback
	}
	return strings.TrimSuffix(path, filepath.Ext(path)) + ext
}

func listOr(items []string, none string) string {
	if len(items) == 0 {
		return none
	}
	return strings.Join(items, ", ")
}

// count writes "1 certificate", "2 certificates".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
