package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/crpki/crpki/inspect/probe"
	"github.com/crpki/crpki/pki"
)

// nagiosState is what a plugin for Nagios and its heirs says, in words and as
// its exit code (Monitoring Plugins Development Guidelines, 2.3).
func nagiosState(r probe.Result) (string, int) {
	switch r.Status {
	case probe.Trusted:
		return "OK", 0
	case probe.Warning:
		return "WARNING", 1
	default:
		return "CRITICAL", 2
	}
}

// writeNagios prints one line for one target, or a summary and a line each.
func writeNagios(w io.Writer, all []probe.Result, warn, fail int) int {
	worst, bad, state := 0, 0, "OK"
	var lines strings.Builder
	for _, r := range all {
		s, code := nagiosState(r)
		if code > 0 {
			bad++
		}
		if code > worst {
			worst, state = code, s
		}
		// A "|" begins the figures.
		fmt.Fprintf(&lines, "TLS %s - %s: %s", s, pki.Printable(r.Target), strings.ReplaceAll(r.Verdict, "|", "/"))
		if len(r.Chain) > 0 {
			fmt.Fprintf(&lines, " | '%s days'=%d;%s;%s", quoteNagios(r.Target), r.DaysLeft(), limit(warn), limit(fail))
		}
		lines.WriteByte('\n')
	}
	if len(all) != 1 {
		fmt.Fprintf(w, "TLS %s - %d of %s not trusted\n", state, bad, count(len(all), "target"))
	}
	io.WriteString(w, lines.String())
	return worst
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
func writePrometheus(w io.Writer, all []probe.Result) error {
	b := bufio.NewWriter(w)
	metric := func(name, help string, value func(probe.Result) (labels string, v float64, ok bool)) {
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
		for _, r := range all {
			if labels, v, ok := value(r); ok {
				fmt.Fprintf(b, "%s{target=%s%s} %s\n", name, label(r.Target), labels, strconv.FormatFloat(v, 'f', -1, 64))
			}
		}
	}
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	metric("crpki_probe_trusted", "Whether Go's clients and OpenSSL's accept the server.", func(r probe.Result) (string, float64, bool) {
		return "", truth(r.Status == probe.Trusted || r.Status == probe.Warning), true
	})
	metric("crpki_probe_reachable", "Whether the server answered.", func(r probe.Result) (string, float64, bool) {
		return "", truth(r.Status != probe.Unreachable), true
	})
	metric("crpki_probe_openssl_verify_code", "The verify return code of openssl s_client.", func(r probe.Result) (string, float64, bool) {
		if r.OpenSSL == nil {
			return "", 0, false
		}
		return "", float64(r.OpenSSL.Code), true
	})
	metric("crpki_probe_certificate_not_after_timestamp_seconds", "When the server's certificate ends.", func(r probe.Result) (string, float64, bool) {
		if len(r.Chain) == 0 || r.Chain[0].NotAfter.IsZero() {
			return "", 0, false
		}
		return "", float64(r.Chain[0].NotAfter.Unix()), true
	})
	metric("crpki_probe_tls_info", "Version and cipher of the connection.", func(r probe.Result) (string, float64, bool) {
		if r.TLS == nil {
			return "", 0, false
		}
		return fmt.Sprintf(",version=%s,cipher=%s", label(r.TLS.Version), label(r.TLS.Cipher)), 1, true
	})
	return b.Flush()
}

// label quotes the value of a label.
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(pki.Printable(s)) + `"`
}
