package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/probe"
	"github.com/crpki/crpki/pki"
)

// monitored is what monitors are told of a result: of thousands, the certificates
// are not kept.
type monitored struct {
	target, verdict string
	status          probe.Status
	// days are left, until notAfter for the server's own certificate, where
	// there is a chain.
	days            int
	hasChain        bool
	notAfter        time.Time
	openssl         int // -1: it gives no verdict
	version, cipher string
}

func monitor(r probe.Result) monitored {
	m := monitored{target: r.Target, verdict: r.Verdict, status: r.Status, days: r.DaysLeft(), hasChain: len(r.Chain) > 0, openssl: -1}
	if m.hasChain {
		m.notAfter = r.Chain[0].NotAfter
	}
	if r.OpenSSL != nil {
		m.openssl = r.OpenSSL.Code
	}
	if r.TLS != nil {
		m.version, m.cipher = r.TLS.Version, r.TLS.Cipher
	}
	return m
}

// nagiosState is what a plugin for Nagios and its heirs says, in words and as
// its exit code (Monitoring Plugins Development Guidelines, 2.3).
func nagiosState(r monitored) (string, int) {
	switch r.status {
	case probe.Trusted:
		return "OK", 0
	case probe.Warning:
		return "WARNING", 1
	default:
		return "CRITICAL", 2
	}
}

// nagiosUnknown is the exit code of a plugin that cannot say how it is.
const nagiosUnknown = 3

// tellNagios has a monitor learn that nothing was looked at, for which 2 would be
// the server's fault.
func (e *env) tellNagios(c *cli.Context, err error) error {
	if c.String("output") != "nagios" || c.Context.Err() != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "TLS UNKNOWN - %s\n", withoutFigures(strings.ReplaceAll(err.Error(), "\n", "; ")))
	return &exitError{nagiosUnknown, err}
}

// writeNagios prints one line for one target, or a summary and a line each. All
// figures are on the first line: where else they may be, monitors do not agree.
func writeNagios(w io.Writer, all []monitored, warn, fail int) int {
	var (
		number         [3]int
		lines, figures strings.Builder
	)
	for _, r := range withoutTwins(all) {
		if r.hasChain {
			fmt.Fprintf(&figures, " '%s days'=%d;%s;%s", quoteNagios(r.target), r.days, limit(warn), limit(fail))
		}
	}
	for _, r := range all {
		state, code := nagiosState(r)
		number[code]++
		fmt.Fprintf(&lines, "TLS %s - %s: %s\n", state, withoutFigures(r.target), withoutFigures(r.verdict))
	}
	summary, worst, targets := "", 0, count(len(all), "target")
	switch {
	case number[2] > 0:
		summary, worst = fmt.Sprintf("TLS CRITICAL - %d of %s not trusted\n", number[2], targets), 2
	case number[1] > 0:
		summary, worst = fmt.Sprintf("TLS WARNING - all of %s trusted, %d of them with a warning\n", targets, number[1]), 1
	default:
		summary = fmt.Sprintf("TLS OK - all of %s trusted\n", targets)
	}
	text := lines.String()
	if len(all) > 1 {
		text = summary + text
	}
	if figures.Len() > 0 {
		text = strings.Replace(text, "\n", " |"+figures.String()+"\n", 1)
	}
	io.WriteString(w, text)
	return worst
}

// withoutFigures leaves out the "|" at which a monitor takes the figures to begin.
func withoutFigures(s string) string { return strings.ReplaceAll(pki.Printable(s), "|", "/") }

// withoutTwins leaves out what was given more than once: a monitor refuses two
// figures of one name.
func withoutTwins(all []monitored) (single []monitored) {
	seen := map[string]bool{}
	for _, r := range all {
		if !seen[r.target] {
			seen[r.target] = true
			single = append(single, r)
		}
	}
	return single
}

// limit is a threshold of performance data: below n is bad.
func limit(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n) + ":"
}

func quoteNagios(s string) string {
	return strings.NewReplacer("'", "", "=", "", "|", "").Replace(pki.Printable(s))
}

// writePrometheus prints the text format for the textfile collector.
func writePrometheus(w io.Writer, all []monitored) error {
	all = withoutTwins(all)
	b := bufio.NewWriter(w)
	metric := func(name, help string, value func(monitored) (labels string, v float64, ok bool)) {
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
		for _, r := range all {
			if labels, v, ok := value(r); ok {
				fmt.Fprintf(b, "%s{target=%s%s} %s\n", name, label(r.target), labels, strconv.FormatFloat(v, 'f', -1, 64))
			}
		}
	}
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	metric("crpki_probe_trusted", "Whether Go's clients and OpenSSL's accept the server.", func(r monitored) (string, float64, bool) {
		return "", truth(r.status == probe.Trusted || r.status == probe.Warning), true
	})
	metric("crpki_probe_reachable", "Whether the server answered.", func(r monitored) (string, float64, bool) {
		return "", truth(r.status != probe.Unreachable), true
	})
	metric("crpki_probe_openssl_verify_code", "The verify return code of openssl s_client.", func(r monitored) (string, float64, bool) {
		return "", float64(r.openssl), r.openssl >= 0
	})
	metric("crpki_probe_certificate_not_after_timestamp_seconds", "When the server's certificate ends.", func(r monitored) (string, float64, bool) {
		return "", float64(r.notAfter.Unix()), !r.notAfter.IsZero()
	})
	metric("crpki_probe_tls_info", "Version and cipher of the connection.", func(r monitored) (string, float64, bool) {
		return fmt.Sprintf(",version=%s,cipher=%s", label(r.version), label(r.cipher)), 1, r.version != ""
	})
	return b.Flush()
}

// label quotes the value of a label.
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(pki.Printable(s)) + `"`
}
