package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
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
	assert.Equal(t, exitBad, <-done)
}
