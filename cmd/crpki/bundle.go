package main

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

func bundleCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "bundle",
		Usage: "put certificates in order: leaf, intermediates",
		Description: `crpki bundle tls.crt intermediate.crt root.crt > chain.pem
# a heap in any order, from all sorts of files
crpki bundle downloads/*.pem old.p7b --out certs/tls.crt
# of several leaves the one that belongs to a key
crpki bundle heap.pem --key certs/tls.key

The result is what a server sends: its own certificate first, then each CA that
signed the one before it. The root stays out, for clients go by their own copy,
unless --with-root asks for it. What is left out is told, with the reason; keys
never get into the result.

Where a CA has several certificates (renewed, or signed by two roots), the one
is taken by which the chain is valid and leads to a root that was given.`,
		ArgsUsage: "FILE...",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "leaf", Usage: "begin with the certificate for `NAME`: a name in it, its common name, or where it stands, such as tls.crt#2", Category: aboutCert},
			&cli.StringFlag{Name: "key", Usage: "begin with the certificate that belongs to the private key in `FILE`", TakesFile: true, Category: aboutCert},
			&cli.BoolFlag{Name: "with-root", Usage: "end with the root", Category: aboutCert},
			&cli.BoolFlag{Name: "partial", Usage: "take a chain in which a certificate is missing as far as it goes", Category: aboutCert},
			&cli.StringFlag{Name: "out", Usage: "write to `FILE`; - is standard output, as when it is not given", TakesFile: true, Category: aboutFiles},
		}, describedPasswordFlags("", "of encrypted keys and PKCS#12 files", aboutKey),
			fileFlags(defaultOutDir)[1:], // without --out-dir
			[]cli.Flag{outputFlag("text", "json", "yaml")}),
		Action: e.bundle,
	}
}

// bundled is what bundle tells about the chain that it made.
type bundled struct {
	// DryRun is true when nothing was written.
	DryRun bool `json:"dryRun"`
	// Chain are the certificates of the bundle, the leaf first.
	Chain []bundledCert `json:"chain"`
	// Complete is true when the chain leads to a root that was given, or the
	// leaf is self-signed. Missing names the issuer of the last certificate when
	// it does not.
	Complete bool   `json:"complete"`
	Missing  string `json:"missing,omitempty"`
	// LeftOut are the certificates that were given and are not in the bundle.
	LeftOut []leftOut `json:"leftOut"`
	// Files is the file that was written.
	Files []fileFacts `json:"files"`
	PEM   string      `json:"pem"`
}

type bundledCert struct {
	ID string `json:"id"`
	certFacts
}

type leftOut struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	// Reason is one of duplicate, alternative, other-path, other-leaf, root,
	// unrelated, unreadable.
	Reason string `json:"reason"`
	// Of is the ID of the certificate in the bundle that has its place.
	Of string `json:"of,omitempty"`
}

func (e *env) bundle(c *cli.Context) error {
	m, err := e.decodeAny(c, c.Args().Slice())
	if err != nil {
		return err
	}
	certs := slices.Concat(m.Certs, m.Anchors)
	if len(certs) == 0 {
		return usageErrorf("%s: there is no certificate in it", strings.Join(c.Args().Slice(), ", "))
	}
	chain, err := e.orderBundle(c, m, certs)
	if err := e.judgeBundle(c, chain, err); err != nil {
		return err
	}
	e.tellBundle(c, chain, m)
	return e.deliverBundle(c, chain)
}

// orderBundle puts certs in order. When more than one could be the leaf, and no
// flag says which, a private key among the files decides.
func (e *env) orderBundle(c *cli.Context, m pki.Material, certs []pki.Cert) (pki.Chain, error) {
	isLeaf, err := e.leafChosen(c, certs)
	if err != nil {
		return pki.Chain{}, err
	}
	chain, err := pki.ChainOptions{Now: e.now, Leaf: isLeaf}.Order(certs)
	doubt, ok := errors.AsType[*pki.LeafError](err)
	if !ok || isLeaf != nil || len(doubt.Candidates) < 2 {
		return chain, err
	}
	for _, k := range m.Keys {
		fits := func(x pki.Cert) bool { return pki.SamePublicKey(x.X509.PublicKey, k.Public()) }
		if slices.ContainsFunc(doubt.Candidates, fits) {
			e.notef("the leaf is the certificate that belongs to %s", k.Origin)
			return pki.ChainOptions{Now: e.now, Leaf: belongsTo(k.Public())}.Order(certs)
		}
	}
	return chain, err
}

func belongsTo(key crypto.PublicKey) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool { return pki.SamePublicKey(c.PublicKey, key) }
}

// leafChosen is what --leaf and --key ask for, nil when neither is given.
func (e *env) leafChosen(c *cli.Context, certs []pki.Cert) (func(*x509.Certificate) bool, error) {
	name, path := c.String("leaf"), c.String("key")
	switch {
	case name != "" && path != "":
		return nil, usageErrorf("--leaf and --key exclude each other: both say which certificate comes first")
	case path != "":
		m, err := e.decode(c, path)
		if err != nil {
			return nil, err
		}
		key, err := oneKey(path, m)
		if err != nil {
			return nil, err
		}
		return belongsTo(key.Public()), nil
	case name != "":
		return leafNamed(name, certs), nil
	}
	return nil, nil
}

// leafNamed finds the certificates that a user may mean by name. Where one
// stands at a place of that name, it is meant and no other.
func leafNamed(name string, certs []pki.Cert) func(*x509.Certificate) bool {
	for _, c := range certs {
		if c.X509 != nil && c.Origin.String() == name {
			return func(x *x509.Certificate) bool { return x == c.X509 }
		}
	}
	wanted, _, err := pki.ParseName(name)
	return func(c *x509.Certificate) bool {
		names := pki.NamesOf(c)
		return c.Subject.CommonName == name || err == nil && (slices.Contains(names, wanted) || names.Covers(wanted.Value))
	}
}

// judgeBundle makes of what kept the chain from being whole an error with a
// hint, unless --partial takes it as it is.
func (e *env) judgeBundle(c *cli.Context, chain pki.Chain, err error) error {
	doubt, isDoubt := errors.AsType[*pki.LeafError](err)
	gap, isGap := errors.AsType[*pki.GapError](err)
	switch {
	case isDoubt && len(doubt.Candidates) > 1:
		return withHint(usageErrorf("%w", err), "say which with --key FILE or --leaf NAME")
	case isDoubt && doubt.Chosen && c.String("key") != "":
		return badErrorf("the private key %s belongs to none of the certificates", c.String("key"))
	case isDoubt:
		return badErrorf("%w", err)
	case isGap && !c.Bool("partial"):
		hint := "name the file with that certificate too; or take the chain as far as it goes: --partial"
		if !gap.Loop && len(chain.Intermediates) == 0 && len(chain.Rest) == 0 {
			hint = "name the file with that certificate too; or, if clients trust it as a root, take the leaf alone: --partial"
		}
		return withHint(badErrorf("%w", err), hint)
	case isGap:
		e.warnf("%v", gap)
	case err != nil:
		return err
	}
	if c.Bool("with-root") && chain.Root == nil && !isSelfSigned(chain.Leaf.X509) {
		return badErrorf("there is no root for --with-root: %s, which signed %s, is not among the certificates",
			chain.Top().X509.Issuer, chain.Top().Describe())
	}
	return nil
}

func isSelfSigned(c *x509.Certificate) bool { return pki.Issued(c, c) }

// tellBundle says what is left out and what is wrong with the rest.
func (e *env) tellBundle(c *cli.Context, chain pki.Chain, m pki.Material) {
	if top := chain.Top().X509; chain.Root == nil && len(chain.Intermediates) > 0 {
		e.notef("the chain ends below %s, which clients must have as a root", nameOfIssuer(top))
	}
	if chain.Root != nil && !c.Bool("with-root") {
		e.notef("left out: %s: the root, which clients have", chain.Root.Describe())
	}
	e.tellRest(chain.Rest)
	for _, k := range m.Keys {
		e.notef("left out: %s: a private key", k.Origin)
	}
	for _, r := range m.CSRs {
		e.notef("left out: %s: a signing request", r.Origin)
	}
	for _, x := range chain.Unchecked {
		e.warnf("%s: who signed it is told by names alone: Go does not check %s", x.Describe(), x.X509.SignatureAlgorithm)
	}
	e.warnExpired(x509s(chain.Served())...)
}

// tellRest says of each certificate why it is left out, and of many with the
// same reason how many they are: somebody threw a whole trust store in.
func (e *env) tellRest(rest []pki.Unused) {
	const many = 5
	counts := map[pki.Reason]int{}
	for _, u := range rest {
		counts[u.Reason]++
	}
	for _, u := range rest {
		switch n := counts[u.Reason]; {
		case n >= many:
			e.notef("left out: %d certificates, %s and others: %s", n, u.Cert.Describe(), u.Reason)
			counts[u.Reason] = -1
		case n > 0:
			e.notef("left out: %s: %s", u.Cert.Describe(), whyUnused(u))
		}
	}
}

func whyUnused(u pki.Unused) string {
	switch u.Reason {
	case pki.Duplicate:
		return "a duplicate of " + u.Of.String()
	case pki.Alternative:
		return u.Reason.String() + " as " + u.Of.String()
	case pki.Unreadable:
		return fmt.Sprintf("it cannot be read: %v", u.Cert.Err)
	default:
		return u.Reason.String()
	}
}

func nameOfIssuer(c *x509.Certificate) string {
	if name := c.Issuer.String(); name != "" {
		return name
	}
	return "a CA without a name"
}

func (e *env) deliverBundle(c *cli.Context, chain pki.Chain) error {
	served := chain.Served()
	if c.Bool("with-root") && chain.Root != nil {
		served = append(served, *chain.Root)
	}
	data := format.EncodeCerts(x509s(served)...)
	o := newBundled(chain, served)
	o.PEM = string(data)
	if out := c.String("out"); out != "" && out != "-" {
		var err error
		file := artifact{File: pki.File{Path: out, Mode: pki.ModePublic, Data: data}, what: count(len(served), "certificate") + ", leaf first"}
		if o.Files, err = e.writeFiles(c, []artifact{file}); err != nil {
			return err
		}
		o.DryRun = c.Bool("dry-run")
		return e.print(c, o, o.text)
	}
	return e.print(c, o, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func newBundled(chain pki.Chain, served []pki.Cert) bundled {
	o := bundled{Chain: []bundledCert{}, LeftOut: []leftOut{}, Files: []fileFacts{}}
	for _, x := range served {
		o.Chain = append(o.Chain, bundledCert{x.Origin.String(), factsOf(x.X509)})
	}
	if o.Complete = chain.Root != nil || isSelfSigned(chain.Leaf.X509); !o.Complete {
		o.Missing = chain.Top().X509.Issuer.String()
	}
	if chain.Root != nil && len(served) == len(chain.Served()) {
		o.LeftOut = append(o.LeftOut, leftOut{ID: chain.Root.Origin.String(), Subject: chain.Root.X509.Subject.String(), Reason: "root"})
	}
	for _, u := range chain.Rest {
		l := leftOut{ID: u.Cert.Origin.String(), Reason: reasonID(u.Reason)}
		if u.Cert.X509 != nil {
			l.Subject = u.Cert.X509.Subject.String()
		}
		if u.Of != (pki.Origin{}) {
			l.Of = u.Of.String()
		}
		o.LeftOut = append(o.LeftOut, l)
	}
	return o
}

// reasonID is the word for a reason in JSON.
func reasonID(r pki.Reason) string {
	switch r {
	case pki.Unreadable:
		return "unreadable"
	case pki.Duplicate:
		return "duplicate"
	case pki.Alternative:
		return "alternative"
	case pki.OtherPath:
		return "other-path"
	case pki.OtherLeaf:
		return "other-leaf"
	default:
		return "unrelated"
	}
}

// text tells about the file that was written.
func (o bundled) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "Chain")
	for _, x := range o.Chain {
		fmt.Fprintf(t, "  %s\t%s\n", printable(x.ID), printable(x.Subject))
	}
	fmt.Fprintln(t, map[bool]string{false: "Files", true: "Files, of which none was written (dry run)"}[o.DryRun])
	for _, f := range o.Files {
		fmt.Fprintf(t, "  %s\t%s\n", printable(f.Path), f.note(o.DryRun))
	}
	return t.Flush()
}
