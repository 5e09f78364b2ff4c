package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

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
