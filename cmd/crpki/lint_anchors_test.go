package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// madeCA signs certificates for tests; edit changes what it signs.
type madeCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (ca *madeCA) sign(t *testing.T, name string, edit func(*x509.Certificate)) *madeCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if edit != nil {
		edit(template)
	}
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &madeCA{cert, key}
}

func TestCAFolder(t *testing.T) {
	dir := t.TempDir()
	f := &caFolder{}
	save := func(ca *madeCA) {
		path := filepath.Join(dir, fmt.Sprintf("%d-ca.crt", len(f.paths)))
		require.NoError(t, os.WriteFile(path, format.EncodeCerts(ca.cert), 0o600))
		f.paths = append(f.paths, path)
	}
	root := (*madeCA)(nil).sign(t, "Root", nil)
	middle := root.sign(t, "Middle", nil)
	for i := range 2 * fewAnchors {
		save((*madeCA)(nil).sign(t, fmt.Sprint("Stranger ", i), nil))
		save((*madeCA)(nil).sign(t, "Middle", nil)) // by name alone
	}
	save(middle)
	save(root)
	leaf := middle.sign(t, "leaf", func(c *x509.Certificate) { c.IsCA = false })

	l := &linter{env: &env{}}
	presented := []pki.Cert{pki.NewCert(pki.Origin{}, leaf.cert.Raw)}
	near := f.anchorsFor(l, presented)
	require.LessOrEqual(t, len(near), fewAnchors+1)
	assert.Equal(t, middle.cert.Raw, near[0].Raw, "the key identifier decides among namesakes")
	assert.Equal(t, root.cert.Raw, near[len(near)-1].Raw, "the chain is followed to its root")
	assert.NotNil(t, near[0].X509)

	for _, path := range f.paths {
		require.NoError(t, os.Remove(path))
	}
	assert.Equal(t, near, f.anchorsFor(l, presented), "the files are read once")

	stranger := (*madeCA)(nil).sign(t, "Nobody", nil)
	assert.Len(t, f.anchorsFor(l, []pki.Cert{pki.NewCert(pki.Origin{}, stranger.cert.Raw)}), 1, "one stands for all")
}

func TestIsAuthority(t *testing.T) {
	for name, tt := range map[string]struct {
		edit     func(*x509.Certificate)
		keyOf    string
		field    string
		expected bool
	}{
		"a CA with its key":                   {keyOf: "own", field: "data.tls.crt", expected: true},
		"a CA with another key":               {keyOf: "other", field: "data.tls.crt"},
		"a CA in tls.crt without a key":       {field: "data.tls.crt"},
		"a CA elsewhere without a key":        {field: "data.cert-chain.pem", expected: true},
		"a server that signs itself":          {edit: func(c *x509.Certificate) { c.DNSNames = []string{"registry.local"} }, keyOf: "own"},
		"a server known by its common name":   {edit: func(c *x509.Certificate) { c.Subject.CommonName = "registry.local" }, keyOf: "own"},
		"what openssl req -x509 makes":        {edit: func(c *x509.Certificate) { c.KeyUsage, c.Subject.CommonName = 0, "registry" }, keyOf: "own"},
		"no CA":                               {edit: func(c *x509.Certificate) { c.IsCA = false }, keyOf: "own"},
		"a CA by the name of one word, keyed": {edit: func(c *x509.Certificate) { c.Subject.CommonName = "kubernetes" }, keyOf: "own", expected: true},
	} {
		t.Run(name, func(t *testing.T) {
			ca := (*madeCA)(nil).sign(t, "Own CA", tt.edit)
			m := pki.Material{Certs: []pki.Cert{pki.NewCert(pki.Origin{Source: "s.yaml", Field: tt.field}, ca.cert.Raw)}}
			switch tt.keyOf {
			case "own":
				m.Keys = []pki.Key{{Signer: ca.key}}
			case "other":
				m.Keys = []pki.Key{{Signer: (*madeCA)(nil).sign(t, "Other", nil).key}}
			}
			assert.Equal(t, tt.expected, isAuthority(m))
			if tt.keyOf == "own" {
				assert.Equal(t, tt.expected, isBundle(m, "issuer.crt"))
			}
		})
	}
	assert.False(t, isAuthority(pki.Material{}))
}

// The Secret of a cert-manager Issuer holds its CA where servers have theirs.
func TestSecretOfIssuer(t *testing.T) {
	ca := (*madeCA)(nil).sign(t, "Own CA", nil)
	key, err := format.EncodeKey(ca.key)
	require.NoError(t, err)
	secret, err := k8ssecret.Read("s.yaml", fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: ca}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: %q\n  tls.key: %q\n",
		format.EncodeCerts(ca.cert), key), format.Options{})
	require.NoError(t, err)
	require.Len(t, secret, 1)
	assert.Equal(t, k8ssecret.KindSecret, secret[0].Kind)
	assert.True(t, isAuthority(secret[0].Material))
}
