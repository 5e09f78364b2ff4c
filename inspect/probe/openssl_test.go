package probe

import (
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sServer starts openssl s_server with a certificate, on a free port, until the
// test ends.
func sServer(t *testing.T, leaf made, args ...string) string {
	t.Helper()
	certFile, keyFile := filesOf(t, leaf)
	return sServerOf(t, certFile, keyFile, args...)
}

// filesOf writes a certificate and its key.
func filesOf(t *testing.T, leaf made) (certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(leaf.key)
	require.NoError(t, err)
	files := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.der})
	files = append(files, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	path := filepath.Join(t.TempDir(), "both.pem")
	require.NoError(t, os.WriteFile(path, files, 0o600))
	return path, path
}

// sServerOf is sServer for files.
func sServerOf(t *testing.T, certFile, keyFile string, args ...string) string {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	free.Close()
	return started(t, exec.Command(openssl, append([]string{"s_server", "-accept", address, "-cert", certFile, "-key", keyFile, "-www", "-quiet"}, args...)...), address)
}

// started starts a server, until the test ends, and waits for it to listen.
func started(t *testing.T, cmd *exec.Cmd, address string) string {
	t.Helper()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return address
}

// TestCiphersOfTLS13 reads a chain that Go refuses, whichever cipher hides it.
func TestCiphersOfTLS13(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, twoSANs)
	for _, suite := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"} {
		t.Run(suite, func(t *testing.T) {
			r := look(t, sServer(t, leaf, "-tls1_3", "-ciphersuites", suite), Options{Trusted: trust(root)})
			require.NotNil(t, r.TLS, r.Verdict)
			assert.Equal(t, suite, r.TLS.Cipher)
			require.Len(t, r.Certs(), 1)
			assert.Equal(t, leaf.der, r.Certs()[0].Raw)
		})
	}
	t.Run("TLS 1.0", func(t *testing.T) {
		r := look(t, sServer(t, issue(t, &root, nil), "-tls1", "-cipher", "ALL:@SECLEVEL=0"), Options{Trusted: trust(root)})
		assert.Equal(t, Refused, r.Status)
		assert.Contains(t, r.Verdict, "refused by most Go clients: nothing newer than TLS 1.0")
	})
}
