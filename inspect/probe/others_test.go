package probe

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOtherClients: what is true of Go by itself is not of each of its clients,
// which have lists of their own of what they offer. fixtures/matrix holds it
// against them.
func TestOtherClients(t *testing.T) {
	root := issue(t, nil, authority("root"))
	ec := issue(t, &root, nil)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	classic := issueFor(t, key, &root, nil)
	const chacha, gcm = tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	tests := []struct {
		shows   string
		leaf    made
		version uint16
		suites  []uint16
		status  Status
		verdict string
		others  []OtherClients
	}{
		{"TLS 1.0", ec, tls.VersionTLS10, nil, Refused, "refused by most Go clients: nothing newer than TLS 1.0", []OtherClients{{"podman, skopeo and buildah of Debian 12", true, ""}}},
		{"TLS 1.1", ec, tls.VersionTLS11, nil, Refused, "refused by most Go clients: nothing newer than TLS 1.1", []OtherClients{{"podman, skopeo and buildah of Debian 12", true, ""}}},
		{"an exchange of keys by RSA", classic, tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, Refused, "refused by most Go clients: no cipher that they offer", []OtherClients{{"containerd built with Go before 1.22, as in Debian 12", true, ""}}},
		{"what nobody offers", classic, tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}, Refused, "refused by Go clients: no cipher that they offer", nil},
		{"ChaCha20 alone", ec, tls.VersionTLS12, []uint16{chacha}, Refused, "refused by docker up to release 28, podman, skopeo, buildah and CRI-O, accepted by Go's other clients: no cipher", []OtherClients{{"docker up to release 28, podman, skopeo, buildah and CRI-O", false, "remote error: tls: handshake failure"}}},
		{"CBC alone", ec, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}, Warning, "trusted, but not by docker from release 29 on: no cipher", []OtherClients{{"docker from release 29 on", false, "remote error: tls: handshake failure"}}},
		{"AES-GCM too", ec, tls.VersionTLS12, []uint16{chacha, gcm}, Trusted, "trusted", nil},
		{"TLS 1.3", ec, tls.VersionTLS13, nil, Trusted, "trusted", nil},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			config := &tls.Config{MinVersion: tt.version, MaxVersion: tt.version, CipherSuites: tt.suites}
			r := look(t, serveTLS(t, config, tt.leaf), Options{Trusted: trust(root)})
			assert.Equal(t, tt.status, r.Status)
			assert.Contains(t, r.Verdict, tt.verdict)
			assert.Equal(t, tt.others, r.Go.Others)
		})
	}
	t.Run("not trusted", func(t *testing.T) {
		r := look(t, serveTLS(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, ec), Options{})
		assert.Contains(t, r.Verdict, "refused by Go clients: nothing newer than TLS 1.0")
		require.Len(t, r.Go.Others, 1)
		assert.Contains(t, r.Go.Others[0].Error, "x509: certificate signed by unknown authority", "they come so far")
	})
}
