package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

func signCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "sign",
		Usage: "sign a request with a CA",
		Description: `crpki sign tls.csr --ca certs/ca.crt
# see what would be signed
crpki sign tls.csr --ca certs/ca.crt --dry-run
# sign only what lies in these names and networks
crpki sign tls.csr --ca certs/ca.crt --only '*.example.com,10.96.0.0/12'
# add a name, and do not sign for another
crpki sign tls.csr --ca certs/ca.crt --ip 10.96.0.50 --refuse old.example.com

Writes tls.crt and ca.crt into the folder of tls.csr, unless --out-dir and
--name say otherwise. The CA's key is looked for beside its certificate: ca.key
beside ca.crt. A request from standard input (-) is answered on standard output.

The names of the request are kept, and so is its subject. Of all else that it
asks for nothing is granted unless a flag says so: no usage but serverAuth, no
extension, never a CA. What is left out is told.`,
		ArgsUsage: "CSR",
		Flags: slices.Concat(nameFlags(), signFlags(), lifetimeFlags("397"), []cli.Flag{clientFlag()}, caFlags(),
			fileFlags(""), []cli.Flag{baseNameFlag(), outputFlag("text", "json", "yaml")}),
		Action: e.sign,
	}
}

func signFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "only", Usage: "sign nothing but names that `PATTERN` allows: a name, a wildcard for the names that it stands for, a network", Category: aboutNames},
		&cli.StringSliceFlag{Name: "refuse", Usage: "do not sign for `NAME`, nor for a wildcard that stands for it, though the request asks for it", Category: aboutNames},
	}
}

func (e *env) sign(c *cli.Context) error {
	path := c.Args().First()
	csr, err := e.readCSR(c, path)
	if err != nil {
		return err
	}
	ca, err := e.openCA(c)
	if err != nil {
		return err
	}
	o, err := e.signOptions(c, ca)
	if err != nil {
		return err
	}
	review, err := issue.ReviewCSR(csr, o)
	if err != nil {
		return reviewError(path, err)
	}
	e.warnings(review.Remarks)
	cert, err := ca.Issue(csr.PublicKey, review.Request)
	if err != nil {
		return usageErrorf("%s: %w", path, err)
	}
	e.warnLeaf(cert)
	return e.deliverSigned(c, path, ca, cert)
}

// readCSR reads the one request in path.
func (e *env) readCSR(c *cli.Context, path string) (*x509.CertificateRequest, error) {
	m, err := e.decode(c, path)
	switch {
	case err != nil:
		return nil, err
	case len(m.CSRs) == 0 && len(m.Certs) > 0:
		return nil, withHint(usageErrorf("%s: it holds a certificate, and no signing request", path), "to make the certificate anew: crpki renew "+shellQuote(path))
	case len(m.CSRs) == 0:
		return nil, usageErrorf("%s: there is no signing request in it", path)
	case len(m.CSRs) > 1:
		return nil, usageErrorf("%s: there are %d signing requests in it; sign one at a time", path, len(m.CSRs))
	case m.CSRs[0].Err != nil:
		return nil, usageErrorf("%s: %w", m.CSRs[0].Origin, m.CSRs[0].Err)
	}
	return m.CSRs[0].X509, nil
}

// reviewError is exit 1 when the request itself is bad, or asks for too much.
func reviewError(path string, err error) error {
	notAllowed, ok := errors.AsType[*issue.NotAllowedError](err)
	if !ok {
		return badErrorf("%s: %w", path, err)
	}
	return withHint(badErrorf("%s: %w", path, err), "to sign without them: --refuse "+shellQuote(strings.Join(notAllowed.Names.Strings(), ",")))
}

func (e *env) signOptions(c *cli.Context, ca *issue.CA) (issue.SignOptions, error) {
	o := issue.SignOptions{Client: c.Bool("client")}
	var errs [4]error
	o.Add, errs[0] = e.givenNames()
	o.Refuse, errs[1] = refusedNames(c)
	o.Only, o.OnlyIP, errs[2] = allowedNames(c.StringSlice("only"))
	o.Validity, errs[3] = e.leafValidity(c, ca, issue.DefaultLeafLifetime)
	return o, asUsage(errors.Join(errs[:]...))
}

// refusedNames takes names as they may stand in a bad request, too: the very
// DNS:10.0.0.1 that could not be signed.
func refusedNames(c *cli.Context) (pki.Names, error) {
	var all pki.Names
	items, err := splitCommas("refuse", c.StringSlice("refuse"))
	errs := []error{err}
	for _, text := range items {
		if kind, value, ok := strings.Cut(text, ":"); ok && strings.EqualFold(kind, "DNS") && value != "" {
			all = append(all, pki.Name{Kind: pki.DNS, Value: strings.TrimSpace(value)})
			continue
		}
		name, _, err := pki.ParseName(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--refuse: %w", err))
			continue
		}
		all = append(all, name)
	}
	return all, errors.Join(errs...)
}

// allowedNames sorts --only into names and networks.
func allowedNames(texts []string) (pki.Names, []netip.Prefix, error) {
	var networks []netip.Prefix
	var rest []string
	items, err := splitCommas("only", texts)
	if err != nil {
		return nil, nil, err
	}
	for _, text := range items {
		if bare := strings.TrimPrefix(text, "IP:"); isNetwork(bare) {
			p, err := pki.ParseNetwork(bare)
			if err != nil {
				return nil, nil, fmt.Errorf("--only %q: %w", text, err)
			}
			networks = append(networks, p)
			continue
		}
		rest = append(rest, text)
	}
	names, _, err := pki.ParseNames(0, rest)
	if err != nil {
		return nil, nil, fmt.Errorf("--only: %w", err)
	}
	return names, networks, nil
}

// isNetwork tells 10.96.0.0/16 from the image 10.96.0.50/hello-world.
func isNetwork(text string) bool {
	_, err := netip.ParsePrefix(text)
	return err == nil
}

// deliverSigned writes the answer beside the request.
func (e *env) deliverSigned(c *cli.Context, path string, ca *issue.CA, cert *x509.Certificate) error {
	dir, name, err := signedPlace(c, path)
	if err != nil {
		return err
	}
	served := append([]*x509.Certificate{cert}, ca.Intermediates()...)
	files := []artifact{certArtifact(dir, name, servedNote(served), served...)}
	if trusted := certArtifact(dir, caBase, "certificate that clients are to trust", ca.Root()); !sameFile(trusted.Path, c.String("ca")) {
		files = append(files, trusted)
	}
	facts := factsOf(cert)
	return e.deliver(c, outcome{
		Certificate: &facts, Chain: factsOfAll(ca.Chain),
		Next: nextForServer(filepath.Join(dir, name+".crt"), filepath.Join(dir, caBase+".crt"), pki.NamesOf(cert)),
	}, files)
}

// signedPlace is where the certificate for the request in path goes.
func signedPlace(c *cli.Context, path string) (dir, name string, err error) {
	if c.IsSet("name") || path == "-" {
		name, err = baseName(c)
	} else if name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)); isCABase(name) {
		err = withHint(usageErrorf("%s: the certificate would be called %s.crt, as the CA's own is", path, strings.ToLower(name)), "call it otherwise: --name NAME")
	}
	if dir = c.String("out-dir"); dir == "" {
		dir = filepath.Dir(path)
	}
	return dir, name, err
}
