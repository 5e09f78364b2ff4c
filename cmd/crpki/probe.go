package main

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime/debug"
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
# a whole fleet, for a monitor
crpki probe --targets-from registries.txt --ca-file certs/ca.crt --fail-days 14 -o prometheus
# a pull up to the first byte of a layer, with each host on the way
crpki probe reg.example.com/team/app:1.2 --ca-file certs/ca.crt
# by another name than the one to connect to
crpki probe 127.0.0.1:5000 --servername reg.example.com --ca-file certs/ca.crt

TARGET is a host, host:port, [IPv6]:port, a URL, an image reference, or a network
with all of its addresses (10.0.0.0/28:5000, [fd00::/124]:5000); the port is 443
when there is none. crpki shakes hands with it as a Go client does (docker,
containerd, podman, kubelet), and tells the verdict first, then the cause, a
command that helps, and what it saw.

Two judges look at what was served: Go's, in the words that a node prints, and
OpenSSL's, with the number and words of openssl s_client at the security level
of --auth-level. What is trusted are the certificates of --ca-file alone, or
with --system, and when neither is given, those of this machine.

Then it sends GET /v2/, without credentials: 200 and 401 both mean that a client
comes through to a registry. The host that gives tokens, and those to which the
server redirects, are shaken hands with and judged likewise. Of an image, by its
reference or by --image, it gets the manifest and the first byte of a layer, from
wherever the registry sends its clients. A server cannot send crpki to an address
of this machine, unless it is there itself, nor to a cloud's metadata.

For an image it logs in as Docker's configuration or --username says. A password
goes to the registry, and to the host that gives tokens, when Go's clients trust
their TLS, and never along with a redirect.

Through a proxy it goes with --proxy, or when HTTPS_PROXY (of http:// targets
HTTP_PROXY) or ALL_PROXY says so and NO_PROXY does not keep the host from it.

-o json writes an object, for several targets and for --targets-from one on a line.
-o openssl writes the lines that scripts look for in the output of openssl s_client.
-o nagios exits as monitors expect of a plugin, with 1 for a warning, 2 for everything
bad and 3 when nothing could be looked at.

Exits with 0 when every server is trusted, with 1 when one is refused, does not
speak TLS, or is trusted and no client could pull from it all the same, with 3
when one could not be reached and none is refused. With -q only the verdict is
printed, a line for each target.

docs/probe.md is the whole story, with the fields of -o json.`,
		ArgsUsage: "[TARGET...]",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "targets-from", Usage: "`FILE` with more targets, one on a line; # begins a comment, there and behind a blank; - is standard input", TakesFile: true, Category: aboutConnection},
			&cli.StringSliceFlag{Name: "ca-file", Usage: "`FILE` or folder with the certificates that clients trust", TakesFile: true, Category: aboutTrust},
			&cli.BoolFlag{Name: "system", Usage: "trust what this machine trusts, also with --ca-file", Category: aboutTrust},
			&cli.IntFlag{Name: "auth-level", Value: 2, Usage: "security `LEVEL` of openssl s_client: 2 is that of Debian, Ubuntu and OpenSSL 3.2", Category: aboutTrust},
			&cli.StringFlag{Name: "servername", Aliases: []string{"sni"}, Usage: "send and verify `NAME`, not the host to connect to", Category: aboutConnection},
			&cli.StringSliceFlag{Name: "resolve", Usage: "connect to this address for a host, `HOST:ADDRESS` or HOST:PORT:ADDRESS", Category: aboutConnection},
			&cli.StringFlag{Name: "connect-to", Usage: "connect to `HOST:PORT`, whatever the target says; HOST alone has the target's port", Category: aboutConnection},
			&cli.BoolFlag{Name: "all-addresses", Usage: "look at each address of a host by itself", Category: aboutConnection},
			&cli.StringFlag{Name: "proxy", Usage: "connect through the proxy at `URL`: http, https or socks5", Category: aboutConnection},
			&cli.StringFlag{Name: "cert", Usage: "`FILE` with a client certificate and its chain, as PEM or PKCS#12", TakesFile: true, Category: aboutConnection},
			&cli.StringFlag{Name: "key", Usage: "`FILE` with the private key of --cert, when it is not in there", TakesFile: true, Category: aboutConnection},
			&cli.DurationFlag{Name: "timeout", Value: probe.DefaultTimeouts.Total, Usage: "`TIME` for each target", Category: aboutConnection},
			&cli.DurationFlag{Name: "connect-timeout", Usage: "`TIME` for a TCP connection, when it is less than --timeout", Category: aboutConnection},
			&cli.DurationFlag{Name: "handshake-timeout", Usage: "`TIME` for a TLS handshake, when it is less than --timeout", Category: aboutConnection},
			&cli.IntFlag{Name: "retries", Usage: "try `N` times more when no connection comes about", Category: aboutConnection},
			&cli.IntFlag{Name: "concurrency", Value: 16, Usage: "look at `N` targets at a time", Category: aboutConnection},
			&cli.BoolFlag{Name: "tls-only", Usage: "shake hands, and do not ask for /v2/", Category: aboutConnection},
			&cli.BoolFlag{Name: "protocols", Usage: "try TLS 1.0 to 1.3 one by one", Category: aboutConnection},
			&cli.BoolFlag{Name: "revocation", Usage: "ask the CAs, by OCSP and CRL, whether they have withdrawn a certificate", Category: aboutTrust},
			&cli.BoolFlag{Name: "ciphers", Usage: "list the cipher suites that the server takes, version by version", Category: aboutConnection},
			&cli.IntFlag{Name: "warn-days", Usage: "warn when the chain is valid for less than `N` days", Category: aboutReport},
			&cli.IntFlag{Name: "fail-days", Usage: "refuse when the chain is valid for less than `N` days", Category: aboutReport},
			&cli.BoolFlag{Name: "show-certs", Usage: "print the certificates as served, as PEM", Category: aboutReport},
			&cli.StringFlag{Name: "save-chain", Usage: "write the certificates as served to `PATH`", TakesFile: true, Category: aboutReport},
			outputFlag("text", "json", "yaml", "openssl", "nagios", "prometheus"),
		}, registryFlags(), describedPasswordFlags("", "of encrypted keys and PKCS#12 files", aboutTrust)),
		Action: e.probe,
	}
}

// probeReport writes results as they come.
type probeReport struct {
	e        *env
	c        *cli.Context
	many     bool
	progress *probeProgress
	worst    int
	count    int
	served   []pki.Cert
	// kept is what monitors are told of the results, all at once.
	kept []monitored
}

// probeGC collects half as often as Go does by itself: handshakes leave much
// behind them, and little has to be kept.
const probeGC = 200

// maxConcurrency bounds --concurrency: each connection takes a file descriptor.
const maxConcurrency = 1000

func (e *env) probe(c *cli.Context) error {
	targets, options, err := e.probeWhat(c)
	if err != nil {
		return e.tellNagios(c, err)
	}
	report := &probeReport{e: e, c: c, many: len(targets) > 1 || c.String("targets-from") != "", progress: e.newProbeProgress(len(targets))}
	if len(targets) == 1 {
		r := probe.Probe(c.Context, targets[0], options.Ready())
		if err = c.Context.Err(); err == nil { // else it says what the signal did
			err = report.take(r)
		}
	} else {
		e.settle()
		debug.SetGCPercent(probeGC)
		err = inOrderBy(c.Context, e.workers(c.Int("concurrency"), openFiles()), probeJobs(c.Context, targets, options.Ready()), report.take)
	}
	report.progress.end()
	if err != nil {
		return err
	}
	exit, err := report.finish()
	if err != nil {
		return err
	}
	if path := c.String("save-chain"); path != "" {
		if len(report.served) == 0 {
			return &exitError{cmp.Or(exit, exitBad), errors.New("--save-chain: the server sent no certificate, nothing was written")}
		}
		if err := e.saveChain(path, report.served); err != nil {
			return err
		}
	}
	if exit != exitOK {
		return &exitError{exit, errSilent}
	}
	return nil
}

// workers bounds how many targets are looked at together by the files that the
// process may have open: without one, each server would seem to be unreachable.
func (e *env) workers(wanted, files int) int {
	const others, each = 16, 3 // each target has a connection or two, and a question to a name server
	if most := max((files-others)/each, 1); wanted > most {
		e.warnf("--concurrency %d becomes %d: the process may have no more than %d files open (ulimit -n)", wanted, most, files)
		return most
	}
	return wanted
}

// probeWhat reads the flags, before anything is looked at.
func (e *env) probeWhat(c *cli.Context) (targets []probe.Target, o probe.Options, err error) {
	if workers := c.Int("concurrency"); workers < 1 || workers > maxConcurrency {
		return nil, o, usageErrorf("--concurrency %d is none of 1 to %d", workers, maxConcurrency)
	}
	if targets, err = e.probeTargets(c); err != nil {
		return nil, o, err
	}
	if o, err = e.probeOptions(c); err != nil {
		return nil, o, err
	}
	if targets, err = connectElsewhere(c, targets, o); err != nil {
		return nil, o, err
	}
	if len(targets) > 1 && c.String("save-chain") != "" {
		err = usageErrorf("--save-chain takes one target, there are %d", len(targets))
	}
	return targets, o, err
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

// saveChain writes the chain exactly as served, over a chain that was saved
// before: it is a copy of what the server has.
func (e *env) saveChain(path string, certs []pki.Cert) error {
	if path == "-" {
		_, err := e.stdout.Write(pemOf(certs))
		return err
	}
	_, err := e.emit([]pki.File{{Path: path, Mode: pki.ModePublic, Data: pemOf(certs)}}, emit.Options{Force: true, Now: e.now})
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
	p.progress.makeRoom()
	if err := p.write(r); err != nil {
		return err
	}
	if err := p.e.flush(); err != nil {
		return err
	}
	p.progress.step(r)
	return nil
}

func (p *probeReport) write(r probe.Result) error {
	w := p.e.stdout
	if p.c.Bool("show-certs") {
		r.ShowCerts()
	}
	switch p.c.String("output") {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		if !p.many {
			enc.SetIndent("", "  ")
		}
		return enc.Encode(r)
	case "openssl":
		return writeSClient(w, r, p.c.Bool("show-certs"))
	case "nagios", "prometheus":
		p.kept = append(p.kept, monitor(r))
		return nil
	case "yaml":
		if p.many {
			fmt.Fprintln(w, "---")
		}
		return p.e.print(p.c, r, nil)
	}
	switch {
	case p.e.quiet:
		fmt.Fprintf(w, "%s: %s\n", pki.Printable(r.Target), r.Verdict)
	case p.count > 1:
		fmt.Fprintln(w)
		fallthrough
	default:
		writeProbe(w, r)
	}
	if p.c.Bool("show-certs") {
		_, err := w.Write(pemOf(r.Certs()))
		return err
	}
	return nil
}

// finish writes what says all at once, and gives the exit code.
func (p *probeReport) finish() (exit int, err error) {
	switch p.c.String("output") {
	case "nagios":
		return writeNagios(p.e.stdout, p.kept, p.c.Int("warn-days"), p.c.Int("fail-days")), nil
	case "prometheus":
		return p.worst, writePrometheus(p.e.stdout, p.kept)
	}
	return p.worst, nil
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
		for _, others := range r.Go.Others {
			line("", "%s: %s", others.Clients, cmp.Or(others.Error, "ok"))
		}
	}
	if r.OpenSSL != nil {
		line("OpenSSL", "%s", r.OpenSSL)
		for _, p := range r.OpenSSL.Problems {
			line("", "error %d at %d depth lookup: %s (%s)", p.Code, p.Depth, p.Reason, p.Subject)
		}
	}
	if r.OpenSSL != nil || r.Go != nil && r.Go.Others != nil {
		line("Trust", "%s", r.Trust)
	}
	if r.Address != "" {
		line("Address", "%s", r.Address)
	}
	if r.TLS != nil {
		line("TLS", "%s", describeTLS(r.TLS))
		if len(r.Protocols) > 0 {
			line("Accepts", "%s", describeProtocols(r.Protocols))
			writeCiphers(line, r.Protocols)
		}
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
	writeRevocation(line, r.Revocation)
	writeRegistry(line, r)
	for _, endpoint := range r.Endpoints {
		fmt.Fprintf(w, "\n%s ", endpoint.Role)
		writeProbe(w, endpoint)
	}
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

func describeProtocols(all []probe.Protocol) string {
	var yes, no []string
	for _, p := range all {
		if p.Accepted {
			yes = append(yes, p.Version)
		} else {
			no = append(no, p.Version)
		}
	}
	return "TLS " + listOr(yes, "none") + "; not " + listOr(no, "none")
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
