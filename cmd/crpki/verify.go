package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/lenient"
)

func verifyCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "verify",
		Usage: "say what Go's clients and OpenSSL's would say to a certificate",
		Description: `crpki verify certs/tls.crt --ca-file certs/ca.crt --host 10.96.0.50
# is it still good next month?
crpki verify certs/tls.crt --ca-file certs/ca.crt --host 10.96.0.50 --at 2026-12-21
# as strictly as Python 3.13 verifies
crpki verify certs/tls.crt --ca-file certs/ca.crt --strict
# many in one process, a line of JSON each
crpki verify --stdin-jsonl < cases.jsonl

CHAIN is what a server sends: its own certificate first, then intermediates. Two
judges look at it, and both say what the real ones say. Go's is that of docker,
containerd, podman, CRI-O, kubelet and helm, in the words of the Go release that
crpki was built with. OpenSSL's is that of curl, git, Python and nginx, with the
numbers and words of OpenSSL 3.

What is trusted are the certificates of --ca-file, and with --system those of
this machine; with neither, there is nothing to verify against. Without --host
no name is verified.

With --stdin-jsonl each line of standard input is {"id", "chain": [PEM, leaf
first], "roots": [PEM], "host", "at": RFC 3339}; without "at" it is now. For each
comes a line {"id", "ok", "error", "code", "reason"}, in the same order: whether
Go's clients accept it, their error, and the number and text of the first problem
that openssl verify -purpose sslserver reports, 0 and "ok" when there is none. A
line that cannot be read has an "error" that begins with "line" and its number.
Number 1 also says that OpenSSL cannot read one of the certificates, and then
verifies none.

Exits with 0 when both accept, with 1 when one refuses.`,
		ArgsUsage: "[CHAIN...]",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringSliceFlag{Name: "host", Usage: "`NAME` or address by which clients dial"},
			&cli.StringSliceFlag{Name: "ca-file", Usage: "`FILE` or folder with the certificates that clients trust", TakesFile: true},
			&cli.BoolFlag{Name: "system", Usage: "trust what this machine trusts"},
			&cli.StringSliceFlag{Name: "untrusted", Usage: "`FILE` with more intermediates, which the server does not send", TakesFile: true},
			choiceFlag(&cli.StringFlag{Name: "purpose", Value: "sslserver", Usage: "what OpenSSL verifies the certificate `FOR`"}, "any", "sslserver", "sslclient"),
			&cli.BoolFlag{Name: "partial-chain", Usage: "end at any trusted certificate, as openssl -partial_chain does and Go always"},
			&cli.BoolFlag{Name: "strict", Usage: "ask for all that RFC 5280 asks for, as openssl -x509_strict does"},
			&cli.IntFlag{Name: "auth-level", Usage: "security `LEVEL` of openssl -auth_level: 1 asks for 80 bits, 2 for 112"},
			&cli.BoolFlag{Name: "stdin-jsonl", Usage: "judge a line of JSON after another"},
			outputFlag("text", "json", "yaml"),
		}, passwordFlags("")),
		Action: e.verify,
	}
}

// verifyResult is what both judges say of one chain and one name.
type verifyResult struct {
	Target  string        `json:"target"`
	Host    string        `json:"host,omitempty"`
	OK      bool          `json:"ok"`
	At      time.Time     `json:"at"`
	Go      goVerdict     `json:"go"`
	OpenSSL opensslResult `json:"openssl"`
	// Chain is what OpenSSL built, leaf first.
	Chain []chainLink `json:"chain"`
	Fix   string      `json:"fix,omitempty"`
}

type goVerdict struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

type opensslResult struct {
	OK bool `json:"ok"`
	// Code and Reason are those of the first problem, at which a program without
	// a callback of its own stops.
	Code     int              `json:"code"`
	Reason   string           `json:"reason"`
	Problems []opensslProblem `json:"problems"`
}

// unreadable puts a reason in, for which OpenSSL has no code of its own.
func (r *opensslResult) unreadable(reason string) {
	for i := range r.Problems {
		if r.Problems[i].Code != int(verify.CodeUnspecified) {
			continue
		}
		if r.Problems[i].Reason = reason; i == 0 {
			r.Reason = reason
		}
	}
}

type opensslProblem struct {
	Code    int    `json:"code"`
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Depth   int    `json:"depth"`
	Subject string `json:"subject"`
}

type chainLink struct {
	Subject string `json:"subject"`
	Origin  string `json:"origin"`
}

func (e *env) verify(c *cli.Context) error {
	if c.Bool("stdin-jsonl") {
		if c.NArg() > 0 {
			return usageErrorf("--stdin-jsonl takes its chains from standard input, not from %q", c.Args().First())
		}
		for _, name := range []string{"host", "ca-file", "system", "untrusted", "purpose", "partial-chain", "strict", "auth-level"} {
			if e.typed(name) {
				return usageErrorf("--%s and --stdin-jsonl exclude each other: each line says what it is judged by", name)
			}
		}
		return e.verifyLines(c.Context)
	}
	if c.NArg() == 0 {
		return withHint(usageErrorf("crpki verify needs CHAIN"), "crpki verify --help shows an example")
	}
	base, hosts, err := e.verifyOptions(c)
	if err != nil {
		return err
	}
	results := []verifyResult{}
	for _, path := range c.Args().Slice() {
		chain, err := e.certsIn(c, path)
		if err != nil {
			return err
		}
		for _, host := range hosts {
			o := base
			o.Presented, o.Host = append(chain, base.Presented...), host
			results = append(results, judge(path, o))
		}
	}
	if err := e.print(c, results, func(w io.Writer) error { return e.writeVerified(w, results) }); err != nil {
		return err
	}
	for _, r := range results {
		if !r.OK {
			return errBad
		}
	}
	return nil
}

// verifyOptions takes all but the chain from the flags. Presented holds the
// intermediates of --untrusted.
func (e *env) verifyOptions(c *cli.Context) (o verify.OpenSSL, hosts []string, err error) {
	o = verify.OpenSSL{
		At: e.now, Purpose: verify.Purpose(c.String("purpose")), PartialChain: c.Bool("partial-chain"),
		Strict: c.Bool("strict"), AuthLevel: c.Int("auth-level"),
	}
	if o.Purpose == "any" {
		o.Purpose = verify.Any
	}
	if o.AuthLevel < 0 || o.AuthLevel > 5 {
		return o, nil, usageErrorf("--auth-level %d is none of 0 to 5", o.AuthLevel)
	}
	if hosts, err = e.dialled(c.StringSlice("host")); err != nil {
		return o, nil, usageErrorf("--host: %w", err)
	}
	if o.Trusted, err = e.trusted(c); err != nil {
		return o, nil, err
	}
	o.Presented, err = e.certsIn(c, c.StringSlice("untrusted")...)
	return o, hosts, err
}

// dialled reads the names and addresses that clients dial; without any, it is the
// one that is not verified. A dot at the end and an address of IPv4 written as
// one of IPv6 stay as they are: to OpenSSL these are other names.
func (e *env) dialled(texts []string) (hosts []string, err error) {
	names, remarks, err := pki.ParseNames(0, texts)
	if err != nil {
		return nil, err
	}
	for text := range strings.SplitSeq(strings.Join(texts, ","), ",") {
		name, own, err := pki.ParseName(text)
		if err != nil {
			continue // no name at all was given
		}
		if host, other := otherName(text, name); other {
			hosts = append(hosts, host)
			remarks = slices.DeleteFunc(remarks, func(r string) bool { return slices.Contains(own, r) })
		} else {
			hosts = append(hosts, name.Value)
		}
	}
	e.warnings(remarks)
	if len(names) == 0 {
		return []string{""}, nil
	}
	return slices.Compact(hosts), nil
}

// otherName gives text when OpenSSL takes it for another name than Go does.
func otherName(text string, name pki.Name) (string, bool) {
	switch name.Kind {
	case pki.DNS:
		return text, strings.EqualFold(text, name.Value+".")
	case pki.IP:
		addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
		return addr.String(), err == nil && addr.Is4In6()
	}
	return "", false
}

// certsIn gives the certificates in files and folders, also those that Go's
// parser refuses: a server can send them. What is none, or only a part of one,
// is an error, and so is a file without any.
func (e *env) certsIn(c *cli.Context, paths ...string) (certs []pki.Cert, err error) {
	return certsBy(paths, func(file string) (pki.Material, error) { return e.decode(c, file) })
}

// anchorsIn is certsIn for what is trusted: with the settings in a TRUSTED
// CERTIFICATE, by which OpenSSL goes, and Go's clients pass it over.
func (e *env) anchorsIn(c *cli.Context, paths ...string) (certs []pki.Cert, err error) {
	certs, err = certsBy(paths, func(file string) (pki.Material, error) {
		return e.decodeBy(file, format.Options{Anchors: true, Password: func(origin pki.Origin) ([]byte, error) {
			return e.password(c, "", origin.String())
		}})
	})
	for _, cert := range certs {
		if cert.X509 == nil {
			e.warnf("%s: %v: Go's clients do not trust it", cert.Origin, cert.Err)
		}
	}
	return certs, err
}

func certsBy(paths []string, decode func(file string) (pki.Material, error)) (certs []pki.Cert, err error) {
	var errs []error
	for _, path := range paths {
		m, err := decodeEach([]string{path}, decode)
		if err != nil {
			return nil, err
		}
		found := append(m.Certs, m.Anchors...)
		for _, cert := range found {
			if view, _ := lenient.Read(cert.Raw); cert.X509 == nil && (view == nil || len(view.Signature) == 0) {
				errs = append(errs, usageErrorf("%s: %w", cert.Origin, cert.Err))
			}
		}
		if len(found) == 0 {
			errs = append(errs, usageErrorf("%s: holds no certificate", path))
		}
		certs = append(certs, found...)
	}
	return certs, errors.Join(errs...)
}

// trusted gives the certificates of --ca-file and --system.
func (e *env) trusted(c *cli.Context) ([]pki.Cert, error) {
	files := c.StringSlice("ca-file")
	if len(files) == 0 && !c.Bool("system") {
		return nil, withHint(usageErrorf("nothing is trusted: there is no --ca-file, and no --system"),
			"--ca-file FILE trusts a CA of your own, --system what this machine trusts")
	}
	trusted, err := e.anchorsIn(c, files...)
	if err != nil {
		return nil, err
	}
	if c.Bool("system") {
		system, err := e.systemCAs()
		if err != nil {
			return nil, err
		}
		trusted = append(trusted, system...)
	}
	return trusted, nil
}

func judge(target string, o verify.OpenSSL) verifyResult {
	err := verify.Go{Presented: o.Presented, Trusted: o.Trusted, Host: o.Host, At: o.At}.Verify()
	verdict := o.Verify()
	r := verifyResult{
		Target: target, Host: o.Host, OK: err == nil && verdict.OK(), At: o.At.UTC(), Go: goVerdict{OK: err == nil},
		OpenSSL: opensslResult{OK: verdict.OK(), Code: int(verdict.First()), Reason: verdict.First().Text(), Problems: []opensslProblem{}},
	}
	if err != nil {
		r.Go.Error = printable(err.Error())
	}
	for _, p := range verdict.Problems {
		r.OpenSSL.Problems = append(r.OpenSSL.Problems, opensslProblem{
			Code: int(p.Code), Name: p.Code.Name(), Reason: p.Code.Text(), Depth: p.Depth, Subject: subjectOf(p.Cert),
		})
	}
	switch {
	case len(verdict.Unreadable) > 0:
		r.OpenSSL.unreadable("the certificate cannot be read")
	case verdict.UndecodableKey:
		r.OpenSSL.unreadable("the public key cannot be read")
	}
	for _, cert := range verdict.Chain {
		r.Chain = append(r.Chain, chainLink{subjectOf(cert), cert.Origin.String()})
	}
	r.Fix = remedy(target, o, err, verdict)
	return r
}

func subjectOf(c pki.Cert) string {
	if c.X509 == nil {
		return c.Origin.String()
	}
	return pki.Printable(c.X509.Subject.String())
}

// remedy is what helps against the first thing that a client refuses.
func remedy(target string, o verify.OpenSSL, err error, v verify.Verdict) string {
	var (
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case err == nil && v.OK():
		return ""
	case errors.As(err, &hostname):
		flag := "--san"
		if n, _, err := pki.ParseName(o.Host); err == nil {
			flag = map[pki.NameKind]string{pki.DNS: "--dns", pki.IP: "--ip"}[n.Kind]
		}
		return fmt.Sprintf("crpki renew %s %s %s", target, flag, o.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "crpki renew " + target
	case errors.As(err, &authority):
		return "crpki inspect " + target + ": its CA, or an intermediate, is not among what is trusted"
	}
	return "crpki lint " + target
}

func (e *env) writeVerified(w io.Writer, results []verifyResult) error {
	for i, r := range results {
		if i > 0 {
			fmt.Fprintln(w)
		}
		what := r.Target
		if r.Host != "" {
			what += " for " + r.Host
		}
		fmt.Fprintf(w, "%s: %s\n", what, r.summary())
		fmt.Fprintf(w, "  Go       %s\n", cmp.Or(r.Go.Error, "ok"))
		fmt.Fprintf(w, "  OpenSSL  Verify return code: %d (%s)\n", r.OpenSSL.Code, r.OpenSSL.Reason)
		for _, p := range r.OpenSSL.Problems {
			fmt.Fprintf(w, "           error %d at %d depth lookup: %s (%s)\n", p.Code, p.Depth, p.Reason, p.Subject)
		}
		if len(r.Chain) > 1 {
			for i, link := range r.Chain {
				label := "       "
				if i == 0 {
					label = "Chain  "
				}
				fmt.Fprintf(w, "  %s  %s  %s\n", label, link.Subject, link.Origin)
			}
		}
		if r.Fix != "" {
			fmt.Fprintf(w, "  Fix      %s\n", r.Fix)
		}
	}
	return nil
}

// summary is the verdict in words.
func (r verifyResult) summary() string {
	switch {
	case r.OK:
		return "trusted"
	case !r.Go.OK && !r.OpenSSL.OK:
		return "refused"
	case r.Go.OK:
		return "refused by OpenSSL, accepted by Go: " + r.OpenSSL.Reason
	default:
		return "refused by Go, accepted by OpenSSL: " + strings.TrimPrefix(r.Go.Error, "tls: failed to verify certificate: ")
	}
}
