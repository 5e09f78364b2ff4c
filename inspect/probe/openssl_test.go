package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	cmd := exec.CommandContext(ctx, openssl, append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", certFile, "-key", keyFile, "-www"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cancel(); cmd.Wait() })
	for said := bufio.NewScanner(stdout); said.Scan(); {
		if address, ok := strings.CutPrefix(said.Text(), "ACCEPT "); ok {
			go io.Copy(io.Discard, stdout) //nolint:errcheck // until it ends
			return address
		}
	}
	cancel()
	cmd.Wait()
	require.Fail(t, "openssl s_server does not listen", stderr.String())
	return ""
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
