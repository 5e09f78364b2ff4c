package main

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/inspect/probe"
	"github.com/crpki/crpki/pki"
)

const (
	aboutTrust      = "Trust"
	aboutConnection = "Connection"
	aboutReport     = "Report"
)

func probeCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "probe",
		Usage: "say whether a live server's TLS is right, for whom, and why not",
		Description: `crpki probe 10.96.0.50 --ca-file certs/ca.crt
# the chain exactly as the server sends it
crpki probe reg.example.com:5000 --save-chain served.pem
# by another name than the one to connect to
crpki probe 127.0.0.1:5000 --servername reg.example.com --ca-file certs/ca.crt

TARGET is a host, host:port, [IPv6]:port, a URL or an image reference; the port
is 443 when there is none. crpki shakes hands with it as a Go client does (docker,
containerd, podman, kubelet), and tells the verdict first, then the cause, a
command that helps, and what it saw.

Two judges look at what was served: Go's, in the words that a node prints, and
OpenSSL's, with the number and words of openssl s_client at the security level
of --auth-level. What is trusted are the certificates of --ca-file alone, or
with --system, and when neither is given, those of this machine.

Then it sends GET /v2/, without credentials: 200 and 401 both mean that a client
comes through to a registry. The host that gives tokens, and those to which the
server redirects, are shaken hands with and judged likewise. A server that is not
on this machine itself cannot send crpki to an address of this machine.

Exits with 0 when every server is trusted, with 1 when one is refused or does not
speak TLS, with 3 when one could not be reached and none is refused. With -q only
the verdict is printed, a line for each target.`,
		ArgsUsage: "TARGET...",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringSliceFlag{Name: "ca-file", Usage: "`FILE` or folder with the certificates that clients trust (repeatable)", TakesFile: true, Category: aboutTrust},
			&cli.BoolFlag{Name: "system", Usage: "trust what this machine trusts, also with --ca-file", Category: aboutTrust},
			&cli.IntFlag{Name: "auth-level", Value: 2, Usage: "security `LEVEL` of openssl s_client: 2 is that of Debian, Ubuntu and OpenSSL 3.2", Category: aboutTrust},
			&cli.StringFlag{Name: "servername", Aliases: []string{"sni"}, Usage: "send and verify `NAME`, not the host to connect to", Category: aboutConnection},
			&cli.DurationFlag{Name: "timeout", Value: probe.DefaultTimeouts.Total, Usage: "`TIME` for each target", Category: aboutConnection},
			&cli.BoolFlag{Name: "tls-only", Usage: "shake hands, and do not ask for /v2/", Category: aboutConnection},
			&cli.BoolFlag{Name: "show-certs", Usage: "print the certificates as served, as PEM", Category: aboutReport},
			&cli.StringFlag{Name: "save-chain", Usage: "write the certificates as served to `PATH`", TakesFile: true, Category: aboutReport},
			outputFlag("text", "json", "yaml"),
		}, describedPasswordFlags("", "of PKCS#12 files", aboutTrust)),
		Action: e.probe,
	}
}

// probeReport writes results as they come.
type probeReport struct {
	e      *env
	c      *cli.Context
	many   bool
	worst  int
	count  int
	served []pki.Cert
}

func (e *env) probe(c *cli.Context) error {
	targets, err := parseTargets(c.Args().Slice())
	if err != nil {
		return err
	}
	options, err := e.probeOptions(c)
	if err != nil {
		return err
	}
	if len(targets) > 1 && c.String("save-chain") != "" {
		return usageErrorf("--save-chain takes one target, there are %d", len(targets))
	}
	report := &probeReport{e: e, c: c, many: len(targets) > 1}
	jobs := probeJobs(c.Context, targets, options)
	if err := inOrderBy(c.Context, probeWorkers, jobs, report.take); err != nil {
		return err
	}
	if path := c.String("save-chain"); path != "" {
		if err := e.saveChain(path, report.served); err != nil {
			return err
		}
	}
	switch report.worst {
	case exitOK:
		return nil
	case exitConnect:
		return &exitError{exitConnect, errSilent}
	default:
		return errBad
	}
}

// probeWorkers is how many targets are probed at a time: they wait more than
// they compute.
const probeWorkers = 16

func parseTargets(texts []string) (targets []probe.Target, err error) {
	for _, text := range texts {
		t, err := probe.ParseTarget(text)
		if err != nil {
			return nil, withHint(usageErrorf("target %q: %w", text, err), "crpki probe --help shows what a target can be")
		}
		targets = append(targets, t)
	}
	if len(targets) == 0 {
		return nil, withHint(usageErrorf("crpki probe needs TARGET"), "crpki probe --help shows an example")
	}
	return targets, nil
}

func probeJobs(ctx context.Context, targets []probe.Target, o probe.Options) iter.Seq[func() probe.Result] {
	return func(yield func(func() probe.Result) bool) {
		for _, t := range targets {
			if !yield(func() probe.Result { return probe.Probe(ctx, t, o) }) {
				return
			}
		}
	}
}

func (e *env) probeOptions(c *cli.Context) (o probe.Options, err error) {
	o = probe.Options{Now: e.now, AuthLevel: c.Int("auth-level"), TLSOnly: c.Bool("tls-only"), Timeouts: probe.Timeouts{Total: c.Duration("timeout")}}
	if o.AuthLevel < 0 || o.AuthLevel > 5 {
		return o, usageErrorf("--auth-level %d is none of 0 to 5", o.AuthLevel)
	}
	if o.Timeouts.Total <= 0 {
		return o, usageErrorf("--timeout %v leaves no time: write 10s", o.Timeouts.Total)
	}
	o.Timeouts.Connect, o.Timeouts.Handshake = o.Timeouts.Total, o.Timeouts.Total
	if name := c.String("servername"); name != "" {
		n, remarks, err := pki.ParseName(name)
		if err == nil && n.Kind != pki.DNS && n.Kind != pki.IP {
			err = fmt.Errorf("%q is neither a DNS name nor an address", name)
		}
		if err != nil {
			return o, usageErrorf("--servername: %w", err)
		}
		e.warnings(remarks)
		o.ServerName = n.Value
	}
	o.Trusted, o.TrustName, err = e.probeTrust(c)
	return o, err
}

// probeTrust gives what the client trusts, and says which it is.
func (e *env) probeTrust(c *cli.Context) (trusted []pki.Cert, name string, err error) {
	files := c.StringSlice("ca-file")
	var names []string
	if len(files) > 0 {
		if trusted, err = e.certsIn(c, files...); err != nil {
			return nil, "", err
		}
		names = append(names, fmt.Sprintf("%s (%s)", strings.Join(files, ", "), count(len(trusted), "certificate")))
	}
	if c.Bool("system") || len(files) == 0 {
		system, err := e.systemCAs()
		if err != nil && (c.Bool("system") || len(files) > 0) {
			return nil, "", err
		}
		if err != nil {
			return nil, "nothing: this machine has no CA certificates, and there is no --ca-file", nil
		}
		trusted = append(trusted, system...)
		names = append(names, fmt.Sprintf("this machine's CAs (%s)", count(len(system), "certificate")))
	}
	return trusted, strings.Join(names, " and "), nil
}

// saveChain writes the chain exactly as served, over a chain that was saved
// before: it is a copy of what the server has.
func (e *env) saveChain(path string, certs []pki.Cert) error {
	if len(certs) == 0 {
		return usageErrorf("--save-chain: the server sent no certificate, nothing was written")
	}
	if path == "-" {
		_, err := e.stdout.Write(pemOf(certs))
		return err
	}
	_, err := emit.Write([]pki.File{{Path: path, Mode: pki.ModePublic, Data: pemOf(certs)}}, emit.Options{Force: true, Now: e.now})
	return placeHint(err)
}

// pemOf writes certificates as PEM, also those that Go cannot read.
func pemOf(certs []pki.Cert) []byte {
	var b []byte
	for _, c := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return b
}

// take writes one result.
func (p *probeReport) take(r probe.Result) error {
	p.count++
	p.served = r.Certs()
	switch {
	case r.Status == probe.Unreachable:
		p.worst = cmp.Or(p.worst, exitConnect)
	case r.Status != probe.Trusted && r.Status != probe.Warning:
		p.worst = exitBad
	}
	return p.write(r)
}

func (p *probeReport) write(r probe.Result) error {
	w := p.e.stdout
	switch p.c.String("output") {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		if !p.many {
			enc.SetIndent("", "  ")
		}
		return enc.Encode(r)
	case "yaml":
		if p.many {
			fmt.Fprintln(w, "---")
		}
		return p.e.print(p.c, r, nil)
	}
	if p.e.quiet {
		_, err := fmt.Fprintf(w, "%s: %s\n", pki.Printable(r.Target), r.Verdict)
		return err
	}
	if p.count > 1 {
		fmt.Fprintln(w)
	}
	writeProbe(w, r)
	if p.c.Bool("show-certs") {
		_, err := w.Write(pemOf(r.Certs()))
		return err
	}
	return nil
}

// writeProbe says it for people: verdict, cause and fix, then the evidence.
func writeProbe(w io.Writer, r probe.Result) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-8s %s\n", label, printable(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(w, "%s: %s\n", pki.Printable(r.Target), r.Verdict)
	if r.Cause != "" {
		line("Cause", "%s", r.Cause)
	}
	if r.Fix != "" {
		line("Fix", "%s", r.Fix)
	}
	if r.Go != nil {
		line("Go", "%s", cmp.Or(r.Go.Error, "ok"))
	}
	if r.OpenSSL != nil {
		line("OpenSSL", "%s", r.OpenSSL)
		for _, p := range r.OpenSSL.Problems {
			line("", "error %d at %d depth lookup: %s (%s)", p.Code, p.Depth, p.Reason, p.Subject)
		}
	}
	if r.OpenSSL != nil {
		line("Trust", "%s", r.Trust)
	}
	if r.Address != "" {
		line("Address", "%s", r.Address)
	}
	if r.TLS != nil {
		line("TLS", "%s", describeTLS(r.TLS))
		if asked := r.TLS.ClientCertificate; asked != nil {
			line("Client", "%s", describeClientRequest(asked))
		}
	}
	for i, c := range r.Chain {
		label := ""
		if i == 0 {
			label = "Chain"
		}
		line(label, "%d %s", i, cmp.Or(c.Subject, "(no subject)"))
		if len(c.Names) > 0 {
			line("", "  names   %s", someOf(c.Names))
		}
		line("", "  issuer  %s", cmp.Or(c.Issuer, "(none)"))
		if !c.NotAfter.IsZero() {
			line("", "  valid   %s to %s, %s", c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly), describeDays(c.DaysLeft))
		}
		line("", "  sha256  %s", c.SHA256)
		for _, fault := range c.Faults {
			line("", "  fault   %s", fault)
		}
	}
	for i, f := range r.Faults {
		label := ""
		if i == 0 {
			label = "Served"
		}
		line(label, "%d: %s", f.Index, f.Text)
	}
	if g := r.Registry; g != nil {
		line("Registry", "%s", describeRegistry(g))
		for _, to := range g.Redirects {
			line("", "redirected to %s", to)
		}
	}
	for _, endpoint := range r.Endpoints {
		fmt.Fprintf(w, "%s ", endpoint.Role)
		writeProbe(w, endpoint)
	}
}

func describeRegistry(g *probe.Registry) string {
	var parts []string
	if g.Status != 0 {
		parts = append(parts, fmt.Sprintf("GET /v2/ gives %d", g.Status))
	}
	if g.Version != "" {
		parts = append(parts, g.Version)
	}
	if c := g.Challenge; c != nil {
		text := c.Scheme + " " + c.Realm
		if c.Service != "" {
			text += ", service " + c.Service
		}
		if c.Scope != "" {
			text += ", scope " + c.Scope
		}
		parts = append(parts, text)
	}
	if g.Server != "" {
		parts = append(parts, "server "+g.Server)
	}
	if g.Error != "" {
		parts = append(parts, g.Error)
	}
	return strings.Join(parts, "; ")
}

func describeTLS(t *probe.TLS) string {
	parts := []string{t.Version, t.Cipher}
	if t.Group != "" {
		parts = append(parts, t.Group)
	}
	parts = append(parts, "ALPN "+cmp.Or(t.ALPN, "none"))
	if t.SessionTicket != nil && *t.SessionTicket {
		parts = append(parts, "session ticket")
	}
	if t.OCSPStaple {
		parts = append(parts, "OCSP staple")
	}
	if t.ServerName == "" {
		parts = append(parts, "no SNI")
	}
	return strings.Join(parts, ", ")
}

func describeClientRequest(asked *probe.ClientRequest) string {
	text := "the server asks for a certificate"
	if len(asked.CAs) > 0 {
		text += " of " + someOf(asked.CAs)
	}
	return text
}

func describeDays(n int) string {
	if n < 0 {
		return fmt.Sprintf("expired %s ago", count(-n, "day"))
	}
	return count(n, "day") + " left"
}

// someOf lists the first few.
func someOf(all []string) string {
	const most = 8
	text := strings.Join(all[:min(len(all), most)], ", ")
	if len(all) > most {
		text += fmt.Sprintf(" and %d more", len(all)-most)
	}
	return text
}
