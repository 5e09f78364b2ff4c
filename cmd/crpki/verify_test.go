package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
)

// What OpenSSL has no code for is said in words.
func TestVerifyUnreadable(t *testing.T) {
	ca := (*madeCA)(nil).sign(t, "Own CA", nil)
	broken := bytes.Clone(ca.cert.Raw)
	broken[len(broken)-len(ca.cert.Signature)-1] = 0x80 // unused bits
	for name, tt := range map[string]struct {
		der    []byte
		reason string
	}{
		"whole":  {ca.cert.Raw, "ok"},
		"broken": {broken, "the certificate cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			trusted := []pki.Cert{pki.NewCert(pki.Origin{Source: "ca.crt"}, ca.cert.Raw)}
			r := judge("tls.crt", verify.OpenSSL{
				Presented: []pki.Cert{pki.NewCert(pki.Origin{Source: "tls.crt"}, tt.der)}, Trusted: trusted,
				At: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
			})
			assert.Equal(t, tt.reason, r.OpenSSL.Reason)
			assert.Equal(t, tt.reason == "ok", r.OpenSSL.OK)
		})
	}
}

// A line that is too long is answered, and the next one read.
func TestLongLine(t *testing.T) {
	long := io.LimitReader(zeros{}, maxLine+1)
	in := bufio.NewReader(io.MultiReader(long, strings.NewReader("\n {\"id\":2} \nlast")))
	_, err := readLine(in)
	assert.ErrorIs(t, err, errLongLine)
	line, err := readLine(in)
	assert.NoError(t, err)
	assert.Equal(t, `{"id":2}`, string(line))
	line, err = readLine(in)
	assert.ErrorIs(t, err, io.EOF)
	assert.Equal(t, "last", string(line))
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// One without an end ends it.
func TestEndlessLine(t *testing.T) {
	_, err := readLine(bufio.NewReaderSize(zeros{}, 1<<20))
	assert.ErrorContains(t, err, "longer than 1024 MiB")
	assert.NotErrorIs(t, err, errLongLine)
}

// Blocks of OpenSSL's own labels are certificates to OpenSSL, and none to Go's
// pools of roots; a server sends no trust settings.
func TestLineLabels(t *testing.T) {
	ca := (*madeCA)(nil).sign(t, "Own CA", nil)
	leaf := ca.sign(t, "leaf", func(c *x509.Certificate) {
		c.DNSNames, c.IsCA, c.KeyUsage = []string{"reg"}, false, x509.KeyUsageDigitalSignature
	})
	// X509_CERT_AUX that rejects TLS servers.
	oid := []byte{6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1}
	rejects := append([]byte{0x30, 12, 0xa0, 10}, oid...)
	text := func(label string, der ...[]byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: bytes.Join(der, nil)}))
	}
	for name, tt := range map[string]struct {
		leaf, root string
		ok         bool
		code       verify.Code
	}{
		"plain":                {text(certLabel, leaf.cert.Raw), text(certLabel, ca.cert.Raw), true, verify.CodeOK},
		"the old label":        {text(oldLabel, leaf.cert.Raw), text(oldLabel, ca.cert.Raw), false, verify.CodeOK},
		"trust settings":       {text(certLabel, leaf.cert.Raw), text(trustedLabel, ca.cert.Raw, rejects), false, verify.CodeCertRejected},
		"settings of the leaf": {text(trustedLabel, leaf.cert.Raw, rejects), text(certLabel, ca.cert.Raw), true, verify.CodeOK},
		"an unreadable root":   {text(certLabel, leaf.cert.Raw), text(certLabel, ca.cert.Raw) + text(certLabel, []byte{0x30, 0}), true, verify.CodeUnspecified},
	} {
		t.Run(name, func(t *testing.T) {
			line, err := json.Marshal(verifyCase{ID: json.RawMessage("1"), Chain: []string{tt.leaf}, Roots: []string{tt.root}, Host: "reg", At: "2026-06-01T00:00:00Z"})
			require.NoError(t, err)
			v := (&env{}).verifyLine(1, line)
			assert.Equal(t, tt.ok, v.OK, v.Error)
			assert.Equal(t, int(tt.code), v.Code, v.Reason)
		})
	}
}

// TestVerifyLinesAnswersAtOnce: who asks line by line gets each answer before the
// next question.
func TestVerifyLinesAnswersAtOnce(t *testing.T) {
	questions, ask := io.Pipe()
	answers, answer := io.Pipe()
	e := testEnv()
	e.stdin, e.stdout = questions, answer
	done := make(chan int, 1)
	go func() {
		done <- run(t.Context(), []string{"crpki", "verify", "--stdin-jsonl"}, e)
		answer.Close()
	}()
	timer := time.AfterFunc(20*time.Second, func() { answer.CloseWithError(errors.New("no answer in time")) })
	defer timer.Stop()
	lines := bufio.NewScanner(answers)
	for _, id := range []string{"1", "2", "3"} {
		_, err := io.WriteString(ask, `{"id":`+id+`,"chain":["x"],"roots":[]}`+"\n")
		require.NoError(t, err)
		require.True(t, lines.Scan(), lines.Err())
		assert.Contains(t, lines.Text(), `{"id":`+id+`,`)
	}
	require.NoError(t, ask.Close())
	assert.False(t, lines.Scan())
	assert.Equal(t, exitUsage, <-done)
}

// TestVerifyOpenSSLSuite runs OpenSSL's own cases through the program, flag by
// flag, and through the openssl on this machine: the codes must be the same.
// CRPKI_SUITES is as for inspect/verify.
func TestVerifyOpenSSLSuite(t *testing.T) {
	dir := os.Getenv("CRPKI_SUITES")
	if dir == "" {
		t.Skip("CRPKI_SUITES names no folder with OpenSSL's test cases")
	}
	cases, err := os.ReadFile(filepath.Join(dir, "tv-3.0.22.jsonl"))
	require.NoError(t, err)
	dir = filepath.Join(dir, "openssl-3.0.22")
	problem := regexp.MustCompile(`error (\d+) at`)
	ran := 0
	for line := range strings.Lines(string(cases)) {
		var c struct {
			Name string   `json:"name"`
			Args []string `json:"args"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		args, ok := verifyArgs(dir, c.Args[1:])
		if !ok {
			continue
		}
		ran++
		cmd := exec.Command("openssl", c.Args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		want := "0"
		if m := problem.FindSubmatch(out); err != nil {
			require.NotNil(t, m, "%s", out)
			want = string(m[1])
		}
		e := testEnv()
		e.now = time.Now()
		var stdout, stderr bytes.Buffer
		e.stdout, e.stderr = &stdout, &stderr
		run(t.Context(), append([]string{"crpki", "verify", "-o", "json"}, args...), e)
		var got []verifyResult
		require.NoError(t, json.Unmarshal(stdout.Bytes(), &got), "%s: %s", c.Name, &stderr)
		assert.Equal(t, want, strconv.Itoa(got[0].OpenSSL.Code), "%s: %q", c.Name, c.Args)
	}
	assert.Greater(t, ran, 140)
}

// verifyArgs are the flags for those of openssl verify; not ok: there are none.
func verifyArgs(dir string, given []string) (args []string, ok bool) {
	args = []string{"--purpose", "any"}
	flags := map[string]string{
		"-trusted": "--ca-file", "-CAfile": "--ca-file", "-untrusted": "--untrusted", "-purpose": "--purpose", "-auth_level": "--auth-level",
	}
	for i := 0; i < len(given); i++ {
		flag, value := flags[given[i]], ""
		if i+1 < len(given) {
			value = given[i+1]
		}
		switch {
		case given[i] == "-partial_chain":
			args = append(args, "--partial-chain")
			continue
		case given[i] == "-x509_strict":
			args = append(args, "--strict")
			continue
		case given[i] == "-attime":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return nil, false
			}
			args = append(args, "--at", time.Unix(seconds, 0).UTC().Format(time.RFC3339))
		case flag == "--ca-file" || flag == "--untrusted" || flag == "" && given[i][0] != '-':
			path := filepath.Join(dir, value)
			if flag == "" {
				path = filepath.Join(dir, given[i])
			}
			if _, err := os.Stat(path); err != nil {
				return nil, false // made by the recipe itself
			}
			if flag == "" {
				args = append(args, path)
				continue
			}
			args = append(args, flag, path)
		case flag == "--purpose" && value != "any" && value != "sslserver" && value != "sslclient" || flag == "":
			return nil, false
		default:
			args = append(args, flag, value)
		}
		i++
	}
	return args, strings.Contains(strings.Join(args, " "), "--ca-file")
}
