package probe

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/fixtures/port"
	"github.com/crpki/crpki/pki"
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
		{"ChaCha20 alone", ec, tls.VersionTLS12, []uint16{chacha}, Refused, "refused by docker up to release 28, podman, skopeo, buildah and CRI-O, accepted by Go's other clients: no cipher", []OtherClients{
			{"docker 29 for a login, or with a graph driver", false, "remote error: tls: handshake failure"},
			{"docker up to release 28, podman, skopeo, buildah and CRI-O", false, "remote error: tls: handshake failure"},
		}},
		{"CBC alone", ec, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}, Warning, "trusted, but not by docker 29 for a login, or with a graph driver: no cipher", []OtherClients{{"docker 29 for a login, or with a graph driver", false, "remote error: tls: handshake failure"}}},
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

// TestSHA1: what signs with SHA-1 alone is taken by clients of older releases of
// Go, which the Go of today cannot play itself.
func TestSHA1(t *testing.T) {
	root := issue(t, nil, authority("root"))
	ec := issue(t, &root, nil)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	classic := issueFor(t, key, &root, nil)
	const cause = ": no signature that they take, but with SHA-1"
	const today = "refused by Go clients of Go 1.25 and later" + cause
	all := []string{"podman, skopeo and buildah of Debian 12", "containerd built with Go before 1.22, as in Debian 12", "docker up to release 28", "containerd up to 2.2"}
	others := func(text, older string) (o []OtherClients) {
		for i, clients := range all {
			said := text
			if i < 2 {
				said = older
			}
			o = append(o, OtherClients{clients, said == "", said})
		}
		return o
	}
	const authority = "x509: certificate signed by unknown authority"
	const level = "ALL:@SECLEVEL=0"
	for _, tt := range []struct {
		shows   string
		leaf    made
		args    []string
		trusted []pki.Cert
		verdict string
		others  []OtherClients
	}{
		{"ECDSA", ec, []string{"-tls1_2", "-sigalgs", "ECDSA+SHA1", "-cipher", level}, trust(root), today, others("", "")},
		{"RSA", classic, []string{"-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher", level}, trust(root), today, others("", "")},
		{"not trusted", classic, []string{"-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher", level}, nil, "refused by Go clients" + cause, others("tls: failed to verify certificate: "+authority, authority)},
		{"an exchange by RSA", classic, []string{"-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher", "AES128-SHA:@SECLEVEL=0"}, trust(root), today, others("", "")[1:2]},
		{"of ChaCha20 alone", classic, []string{"-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305:@SECLEVEL=0"}, trust(root), today, []OtherClients{{all[1], true, ""}, {all[3], true, ""}}},
		{"a client certificate", classic, []string{"-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher", level, "-Verify", "1"}, trust(root), today, nil},
		// In TLS 1.3, which the server prefers, nobody takes it.
		{"and TLS 1.3", classic, []string{"-sigalgs", "RSA+SHA1", "-cipher", level}, trust(root), "refused: no TLS handshake: remote error: tls: handshake failure", nil},
		{"SHA-256 too", classic, []string{"-tls1_2", "-sigalgs", "RSA+SHA1:RSA+SHA256", "-cipher", level}, trust(root), "trusted", nil},
	} {
		t.Run(tt.shows, func(t *testing.T) {
			r := look(t, sServer(t, tt.leaf, tt.args...), Options{Trusted: tt.trusted})
			assert.Equal(t, tt.verdict, r.Verdict)
			assert.Equal(t, tt.others, r.Go.Others)
			if strings.Contains(tt.verdict, "SHA-1") {
				assert.Equal(t, "remote error: tls: handshake failure", r.Go.Error)
				require.Len(t, r.Certs(), 1)
				assert.Equal(t, tt.leaf.der, r.Certs()[0].Raw)
				assert.Nil(t, r.OpenSSL, "it does not come so far")
			}
		})
	}
	t.Run("unasked", func(t *testing.T) {
		// What a server makes of a client that offers SHA-1 in place of SHA-256.
		server := sServer(t, classic, "-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher", level)
		address := listen(t, func(client net.Conn) {
			to, err := net.Dial("tcp", server)
			if err != nil {
				return
			}
			defer to.Close()
			sent := make([]byte, 16<<10)
			n, _ := client.Read(sent)
			to.Write(bytes.Replace(sent[:n], []byte{0x04, 0x01, 0x05, 0x01}, []byte{0x02, 0x01, 0x05, 0x01}, 1))
			go io.Copy(client, to) //nolint:errcheck // until one is closed
			io.Copy(to, client)
		})
		r := look(t, address, Options{Trusted: trust(root)})
		assert.Equal(t, today, r.Verdict)
		assert.Equal(t, "tls: certificate used with invalid signature algorithm", r.Go.Error)
		assert.Equal(t, others("", ""), r.Go.Others)
	})
	t.Run("falls back to RSA", func(t *testing.T) {
		leaf := issueFor(t, key, &root, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment })
		const priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1"
		for _, asks := range []bool{false, true} {
			args, said := []string{"--disable-client-cert"}, others("", "")
			if asks { // what it says to none is seen where crypto/tls shakes hands
				args, said = nil, said[1:2]
			}
			r := look(t, gnuTLSServer(t, leaf, priority, args...), Options{Trusted: trust(root)})
			assert.Equal(t, today, r.Verdict)
			assert.Equal(t, said, r.Go.Others)
			require.NotNil(t, r.OpenSSL)
			assert.True(t, r.OpenSSL.OK, "it takes an exchange by RSA")
			assert.Equal(t, asks, r.TLS.ClientCertificate != nil)
		}
	})
}

// gnuTLSServer starts gnutls-serv.
func gnuTLSServer(t *testing.T, leaf made, priority string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("gnutls-serv")
	if err != nil {
		t.Skip("gnutls-serv is not installed")
	}
	certFile, keyFile := filesOf(t, leaf)
	free := port.Free(t, "127.0.0.1")
	cmd := exec.Command(program, append([]string{"--http", "--port", free, "--x509certfile", certFile, "--x509keyfile", keyFile, "--priority", priority}, args...)...)
	address := net.JoinHostPort("127.0.0.1", free)
	port.Serve(t, cmd, address)
	return address
}

// TestLargeHello: servers that take a first message of one packet alone fail
// with the Go of today, and not with older releases.
func TestLargeHello(t *testing.T) {
	root := issue(t, nil, authority("root"))
	server := serveTLS(t, nil, issue(t, &root, nil))
	narrow := func(refuse func(hellos int32) bool) string {
		var hellos atomic.Int32
		return listen(t, func(client net.Conn) {
			sent := make([]byte, 1460)
			n, _ := client.Read(sent)
			if n > 5 && int(sent[3])<<8+int(sent[4])+5 > len(sent) && refuse(hellos.Add(1)) {
				return
			}
			to, err := net.Dial("tcp", server)
			if err != nil {
				return
			}
			defer to.Close()
			to.Write(sent[:n])
			go io.Copy(client, to) //nolint:errcheck // until one is closed
			io.Copy(to, client)
		})
	}
	always := func(int32) bool { return true }
	r := look(t, narrow(always), Options{Trusted: trust(root)})
	assert.Equal(t, "refused by Go clients of Go 1.24 and later: the server goes without a word at their first message", r.Verdict)
	assert.Equal(t, []OtherClients{
		{"podman, skopeo, buildah, containerd and docker of Debian 12", true, ""}, {"docker up to release 28, containerd up to 2.0", true, ""},
	}, r.Go.Others)
	assert.NotEmpty(t, r.Go.Error)
	require.NotNil(t, r.OpenSSL)
	assert.True(t, r.OpenSSL.OK)
	require.Len(t, r.Certs(), 1)

	r = look(t, narrow(always), Options{})
	assert.Contains(t, r.Verdict, "refused by Go clients: the server goes")
	require.Len(t, r.Go.Others, 2)
	assert.Equal(t, "x509: certificate signed by unknown authority", r.Go.Others[0].Error)

	once := func(hellos int32) bool { return hellos == 1 }
	assert.Equal(t, "trusted", look(t, narrow(once), Options{Trusted: trust(root)}).Verdict, "it was not the size")
}
