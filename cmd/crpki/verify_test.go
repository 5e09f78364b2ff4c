package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
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
