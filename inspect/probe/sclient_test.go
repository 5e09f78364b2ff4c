package probe

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
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
)

// TestForeign: of a server with which Go cannot shake hands, and openssl s_client
// can, both judges say what the real ones say, and the chain is shown as served.
func TestForeign(t *testing.T) {
	root := issue(t, nil, func(c *x509.Certificate) {
		authority("root")(c)
		c.NotAfter = time.Now().Add(24 * time.Hour)
	})
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	key, err := x509.MarshalPKCS8PrivateKey(root.key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(in("ca.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.der}), 0o600))
	require.NoError(t, os.WriteFile(in("ca.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	openssl := func(args ...string) string {
		out, err := exec.Command("openssl", args...).CombinedOutput()
		if err != nil {
			t.Skipf("openssl %s: %v %s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	server := func(t *testing.T, kind []string, args ...string) string {
		t.Helper()
		openssl(append([]string{"genpkey", "-out", in("tls.key")}, kind...)...)
		openssl("req", "-new", "-key", in("tls.key"), "-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1", "-out", in("tls.csr"))
		openssl("x509", "-req", "-in", in("tls.csr"), "-CA", in("ca.crt"), "-CAkey", in("ca.key"), "-copy_extensions", "copy", "-days", "1", "-out", in("tls.crt"))
		return sServerOf(t, in("tls.crt"), in("tls.key"), args...)
	}
	verifyCode := regexp.MustCompile(`(?m)^ *Verify return code: (\d+) \((.*)\)$`)
	rsa := []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
	ec := []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}
	for _, tt := range []struct {
		shows  string
		kind   []string
		args   []string
		reason string
	}{
		{"an RSASSA-PSS key", []string{"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"}, nil, "the server's key is of a kind that they do not know"},
		{"an RSASSA-PSS key in TLS 1.2", []string{"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"}, []string{"-tls1_2"}, "the server's key is of a kind that they do not know"},
		{"an Ed448 key", []string{"-algorithm", "ED448"}, nil, "the server's key is of a kind that they do not know"},
		{"an Ed448 key in TLS 1.3", []string{"-algorithm", "ED448"}, []string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, "the server's key is of a kind that they do not know"},
		{"a finite field", rsa, []string{"-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"}, "nothing that they offer, but TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"},
		{"X448", ec, []string{"-groups", "X448"}, "nothing that they offer, but TLS_ECDHE_ECDSA_WITH_"},
	} {
		t.Run(tt.shows, func(t *testing.T) {
			address := server(t, tt.kind, tt.args...)
			der, _ := pem.Decode([]byte(readFile(t, in("tls.crt"))))
			for _, trusted := range []struct {
				name  string
				certs []made
				flag  []string
			}{{"trusted", []made{root}, []string{"-CAfile", in("ca.crt")}}, {"not trusted", nil, []string{"-no-CAfile", "-no-CApath", "-no-CAstore"}}} {
				target, err := ParseTarget(address)
				require.NoError(t, err)
				r := Probe(t.Context(), target, Options{Trusted: trust(trusted.certs...), Now: time.Now(), AuthLevel: 2, TLSOnly: true})
				assert.Equal(t, "refused by Go clients: "+tt.reason, r.Verdict[:min(len(r.Verdict), len("refused by Go clients: "+tt.reason))])
				assert.Equal(t, "remote error: tls: handshake failure", r.Go.Error)
				require.Len(t, r.Certs(), 1)
				assert.Equal(t, der.Bytes, r.Certs()[0].Raw)
				cmd := exec.Command("openssl", append([]string{"s_client", "-connect", address, "-verify_ip", "127.0.0.1"}, trusted.flag...)...)
				out, _ := cmd.CombinedOutput()
				said := verifyCode.FindStringSubmatch(string(out))
				require.NotNil(t, said, "%s", out)
				require.NotNil(t, r.OpenSSL, trusted.name)
				assert.Equal(t, said[1:], []string{strconv.Itoa(r.OpenSSL.Code), r.OpenSSL.Reason})
			}
		})
	}
	t.Run("nothing for anybody", func(t *testing.T) {
		r := look(t, server(t, ec, "-tls1_2", "-cipher", "ECDHE-ECDSA-ARIA128-GCM-SHA256"), Options{Trusted: trust(root)})
		assert.Equal(t, "refused: no TLS handshake: remote error: tls: handshake failure", r.Verdict)
		assert.Nil(t, r.OpenSSL)
	})
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

// TestForeignGarbage: what answers the second hello is no server to rely on.
func TestForeignGarbage(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"an alert": func(c net.Conn) { c.Write(record(recordAlert, []byte{2, byte(tls.AlertError(40))})) },
		"a share that is none": func(c net.Conn) {
			body := append([]byte{3, 3}, make([]byte, 32)...)
			body = append(body, 0, 0x13, 0x02, 0, 0, 17, 0, 43, 0, 2, 3, 4, 0, 51, 0, 7, 0, 29, 0, 3, 1, 2, 3)
			c.Write(record(recordHandshake, append([]byte{messageServerHello, 0, 0, byte(len(body))}, body...)))
			forever(c, record(recordApplication, make([]byte, 100)))
		},
		"warnings without end": func(c net.Conn) { forever(c, record(recordAlert, []byte{1, 90})) },
		"records of nothing":   func(c net.Conn) { forever(c, record(recordHandshake, nil)) },
		"half a record":        func(c net.Conn) { c.Write([]byte{22, 3, 3, 255, 255, 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			target, err := ParseTarget(listen(t, func(c net.Conn) { hear(c); serve(c) }))
			require.NoError(t, err)
			o := Options{Timeouts: Timeouts{Handshake: time.Second}}.withDefaults()
			assert.Empty(t, o.askAsOpenSSL(t.Context(), target, "").certs)
		})
	}
}
