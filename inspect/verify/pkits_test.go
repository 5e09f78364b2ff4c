package verify

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

// pkitsExceptions are the paths of NIST's suite of which we say something else
// than openssl, with the reason.
var pkitsExceptions = map[string]string{}

// TestPKITS gives the paths of NIST's PKI test suite, which the Go distribution
// ships, to openssl and to this package: numbers and depths must be the same.
// Policies and revocation are not asked for, by neither.
func TestPKITS(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	dir := filepath.Join(strings.TrimSpace(string(goroot)), "src/crypto/x509/testdata/nist-pkits")
	data, readErr := os.ReadFile(filepath.Join(dir, "vectors.json"))
	if err != nil || readErr != nil {
		t.Skip("this Go distribution comes without NIST's suite")
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("there is no openssl to compare with")
	}
	var cases []struct {
		Name     string
		CertPath []string
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	tmp := t.TempDir()
	agreed, ran := 0, 0
	for _, c := range cases {
		var chain []pki.Cert
		for _, name := range c.CertPath {
			der, err := os.ReadFile(filepath.Join(dir, "certs", name))
			require.NoError(t, err)
			chain = append(chain, pki.NewCert(pki.Origin{Source: name}, der))
		}
		if len(chain) < 2 {
			continue
		}
		root, leaf := chain[0], chain[len(chain)-1]
		presented := []pki.Cert{leaf}
		for i := len(chain) - 2; i > 0; i-- {
			presented = append(presented, chain[i])
		}
		write := func(name string, certs ...pki.Cert) string {
			var b strings.Builder
			for _, x := range certs {
				b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.Raw}))
			}
			path := filepath.Join(tmp, name)
			require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
			return path
		}
		args := []string{"verify", "-attime", strconv.FormatInt(at.Unix(), 10), "-CAfile", write("root.pem", root)}
		if len(presented) > 1 {
			args = append(args, "-untrusted", write("more.pem", presented[1:]...))
		}
		args = append(args, write("leaf.pem", leaf))
		ran++
		want := runOpenSSL(t, tmp, args)
		got := numbers(OpenSSL{Presented: presented, Trusted: []pki.Cert{root}, At: at}.Verify().Problems)
		if reason := pkitsExceptions[c.Name]; reason != "" {
			assert.NotEqual(t, want, got, "%s: the exception is stale: %s", c.Name, reason)
			continue
		}
		if assert.Equal(t, want, got, c.Name) {
			agreed++
		}
		assertGoSays(t, c.Name, presented, root, at)
		assertSharedSaysTheSame(t, c.Name, OpenSSL{Presented: presented, Trusted: []pki.Cert{root}, At: at, AuthLevel: 2})
	}
	t.Logf("%d of %d paths agree", agreed, ran)
	assert.Greater(t, ran, 200)
}

// assertGoSays compares with crypto/x509 itself, as a client calls it.
func assertGoSays(t *testing.T, name string, presented []pki.Cert, root pki.Cert, at time.Time) {
	t.Helper()
	got := Go{Presented: presented, Trusted: []pki.Cert{root}, At: at}.Verify()
	if presented[0].X509 == nil || root.X509 == nil {
		return
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root.X509)
	for _, c := range presented[1:] {
		if c.X509 == nil {
			assert.Error(t, got, name)
			return
		}
		between.AddCert(c.X509)
	}
	_, want := presented[0].X509.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at})
	assert.Equal(t, want == nil, got == nil, name)
}
