package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/cmd/crpki/internal/serve"
)

// probeTimeout is what probe gets for a server that it waits for in vain, and
// probePatience for one that lets it come to an end: a machine that does other
// things besides must not be what decides. Whoever takes longer than probeHangs
// does not end at all.
const (
	probeTimeout  = 2 * time.Second
	probePatience = 30 * time.Second
	probeHangs    = time.Minute
)

// TestProbeFaults shows what the program says to each fault that crpki serve
// can play, whose CA it trusts: the exit code and the verdict. A fault without
// a line here fails.
func TestProbeFaults(t *testing.T) {
	inVain := []string{"silent", "slow", "slow-body"}
	verdicts := map[string]struct {
		code    int
		verdict string
	}{
		"expired":              {1, "refused: the certificate expired on "},
		"not-yet-valid":        {1, "refused: the certificate is not valid before "},
		"wrong-host":           {1, "refused: no IP SAN"},
		"no-san":               {1, "refused: no IP SAN"},
		"ip-in-dns-name":       {1, "refused: no IP SAN"},
		"two-san":              {1, "refused: two subjectAltName extensions"},
		"self-signed":          {1, "refused: a self-signed certificate that is not trusted"},
		"unknown-ca":           {1, "refused: "},
		"missing-intermediate": {1, "refused: the issuer is not known: "},
		"expired-intermediate": {1, "refused: "},
		"not-a-ca":             {1, "refused: "},
		"constrained-ca":       {1, "refused: "},
		"wrong-usage":          {1, "refused: "},
		"sha1":                 {1, "refused: "},
		"ca-first":             {1, "refused: the server sends its CA's certificate first"},
		"wrong-order":          {0, "trusted"},
		"root-sent":            {0, "trusted"},
		"wrong-key":            {1, "refused by Go clients: the server's key is not that of its certificate"},
		"huge-certificate":     {1, "refused: no TLS handshake: "},

		"mtls":        {1, "refused by the server: it wants a client certificate"},
		"tls1.0":      {1, "refused by most Go clients: nothing newer than TLS 1.0"},
		"tls1.1":      {1, "refused by most Go clients: nothing newer than TLS 1.1"},
		"tls1.2":      {0, "trusted"},
		"tls1.3":      {0, "trusted"},
		"weak-cipher": {1, "refused by Go clients: no cipher that they offer"},
		"alert":       {1, "refused: no TLS handshake: "},

		"http":          {1, "refused by Go clients: plain HTTP, not HTTPS"},
		"ssh":           {1, "refused: not TLS but SSH"},
		"garbage":       {1, "refused: not TLS"},
		"silent":        {3, "unreachable: connected, but no TLS answer in time"},
		"slow":          {3, "unreachable: connected, but no TLS answer in time"},
		"close":         {3, "unreachable: the connection was closed during the handshake"},
		"reset":         {3, "unreachable: the connection was closed during the handshake"},
		"reset-at-once": {3, "unreachable: "},

		"no-answer":      {3, "trusted, but no registry answers"},
		"reset-body":     {3, "trusted, but no registry answers"},
		"redirect-loop":  {1, "trusted, but no registry answers"},
		"endless-body":   {1, "trusted, but no registry answers"},
		"endless-header": {1, "trusted, but no registry answers"},
		"slow-body":      {3, "trusted, but no registry answers"},
		"unauthorized":   {1, "trusted, but hello-world:latest cannot be pulled"},
		"evil-realm":     {1, "trusted, but the registry sends clients where they should not log in"},
		"unavailable":    {1, "trusted, but no registry answers"},
		"not-a-registry": {1, "trusted, but hello-world:latest cannot be pulled"},
		"corrupt-blob":   {0, "trusted"}, // of which one byte is asked for
	}
	for _, f := range serve.Faults() {
		t.Run(f.Name, func(t *testing.T) {
			want, known := verdicts[f.Name]
			require.True(t, known, "what does probe say to it?")
			s, err := startServe(t.TempDir(), append(os.Environ(), "TMPDIR="+t.TempDir()), "--fault", f.Name)
			require.NoError(t, err)
			defer s.stop()
			timeout := probePatience
			if slices.Contains(inVain, f.Name) {
				timeout = probeTimeout
			}
			ctx, cancel := context.WithTimeout(t.Context(), probeHangs)
			defer cancel()
			cmd := exec.CommandContext(ctx, "crpki", "probe", s.Image, "--ca-file", s.CAFile, "--timeout", timeout.String(), "--anonymous")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			require.NoError(t, cmd.Start())
			ended, peak := make(chan struct{}), make(chan int)
			go func() { peak <- peakMemory(cmd.Process.Pid, ended) }()
			cmd.Wait()
			close(ended)
			assert.Less(t, <-peak, 64<<20, "bytes at its peak")
			require.NoError(t, ctx.Err(), "it hangs")
			assert.Equal(t, want.code, cmd.ProcessState.ExitCode(), &stdout)
			assert.Truef(t, strings.HasPrefix(stdout.String(), s.Image+": "+want.verdict), "%s", &stdout)
			assert.Empty(t, stderr.String(), "all is said on standard output")
			assert.NotContains(t, stdout.String(), "\x1b")
		})
	}
	for name := range verdicts {
		_, ok := serve.Find(name)
		assert.True(t, ok, "%s is no fault any more", name)
	}
}
