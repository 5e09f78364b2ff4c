package format

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/stretchr/testify/require"
)

// world is a small PKI that the tests share: making keys takes time.
type world struct {
	ca, leaf       *x509.Certificate
	caKey, leafKey crypto.Signer
	rsaKey         *rsa.PrivateKey
	edKey          ed25519.PrivateKey
	csr            *x509.CertificateRequest
}

var theWorld = sync.OnceValues(func() (*world, error) {
	w := &world{}
	// Signatures of Ed25519 have one length, so that the certificates' base64
	// ends in the same way each time.
	_, caKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	w.caKey, w.leafKey = caKey, leafKey
	if w.rsaKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	if _, w.edKey, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"},
		NotBefore: start, NotAfter: start.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if w.ca, err = create(ca, ca, caKey.Public(), caKey); err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "reg.local"},
		NotBefore: start, NotAfter: start.AddDate(20, 0, 0),
		DNSNames: []string{"reg.local"}, IPAddresses: []net.IP{net.IPv4(10, 96, 0, 50)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if w.leaf, err = create(leaf, w.ca, leafKey.Public(), caKey); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: leaf.Subject, DNSNames: leaf.DNSNames}, leafKey)
	if err != nil {
		return nil, err
	}
	w.csr, err = x509.ParseCertificateRequest(der)
	return w, err
})

func create(template, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w, err := theWorld()
	require.NoError(t, err)
	return w
}

// bundle is leaf and CA as PEM.
func (w *world) bundle() string { return string(EncodeCerts(w.leaf, w.ca)) }

// password answers every question with text.
func password(text string) Options {
	return Options{Password: func(pki.Origin) ([]byte, error) { return []byte(text), nil }}
}

// pkcs8 is signer as PKCS#8 DER.
func pkcs8DER(t testing.TB, signer crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	require.NoError(t, err)
	return der
}

func pemBlock(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

// rules gives the IDs of m's notes, in order.
func rules(m pki.Material) []string {
	out := []string{}
	for _, n := range m.Notes {
		out = append(out, n.Rule)
	}
	return out
}

// noted reports whether m has a note of rule on the block with this number.
func noted(m pki.Material, rule string, index int) bool {
	for _, n := range m.Notes {
		if n.Rule == rule && n.Origin.Index == index {
			return true
		}
	}
	return false
}

// parsed gives the certificates that Go's parser took.
func parsed(certs []pki.Cert) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range certs {
		if c.X509 != nil {
			out = append(out, c.X509)
		}
	}
	return out
}

// tool skips the test when a program is missing, or fails it where the
// environment says that all must be there.
func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CRPKI_INTEROP") == "require" {
			t.Fatalf("%s is not installed, and CRPKI_INTEROP=require", name)
		}
		t.Skipf("%s is not installed: the comparison with it is skipped", name)
	}
}

// legacyOpenSSL skips the test where OpenSSL comes without its old ciphers.
func legacyOpenSSL(t *testing.T) {
	t.Helper()
	tool(t, "openssl")
	if out, err := exec.CommandContext(t.Context(), "openssl", "list", "-providers", "-provider", "legacy").CombinedOutput(); err != nil {
		t.Skipf("openssl has no legacy provider: %s", out)
	}
}

// inDir runs a program in dir and gives its output; it must succeed.
func inDir(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "%s %q:\n%s", name, args, out)
	return string(out)
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return data
}

// publicPEM is the leaf's public key.
func publicPEM(t testing.TB, w *world) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(w.leafKey.Public())
	require.NoError(t, err)
	return pemBlock("PUBLIC KEY", der)
}
