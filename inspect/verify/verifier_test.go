package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

// assertSharedSaysTheSame: what the two judges share changes no verdict.
func assertSharedSaysTheSame(t *testing.T, name string, o OpenSSL) {
	t.Helper()
	shared := NewVerifier(o.Trusted)
	for _, source := range []string{"a server", "another"} { // the second time, all has been read
		o.Presented = slices.Clone(o.Presented)
		for i := range o.Presented {
			o.Presented[i].Origin.Source = source
		}
		g := Go{Presented: o.Presented, Host: o.Host, At: o.At}
		chains, err := shared.Go(g)
		g.Trusted = o.Trusted
		assert.Equal(t, g.Verify(), err, name)
		assert.Equal(t, o.SClient(), shared.SClient(o, chains), name)
	}
}

// TestVerifier shares signatures, and none but those of the very same octets.
func TestVerifier(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	make := func(template, parent *x509.Certificate) pki.Cert {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), at.Add(-time.Hour), at.Add(time.Hour)
		template.BasicConstraintsValid = true
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
		require.NoError(t, err)
		return pki.NewCert(pki.Origin{}, der)
	}
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	root := make(ca, ca)
	leaf := make(&x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, DNSNames: []string{"reg"}}, root.X509)
	o := OpenSSL{Presented: []pki.Cert{leaf}, Trusted: []pki.Cert{root}, Host: "reg", At: at, Purpose: Server, AuthLevel: 2}
	shared := NewVerifier(o.Trusted)
	chains, err := shared.Go(Go{Presented: o.Presented, Host: o.Host, At: o.At})
	require.NoError(t, err)
	child, parent := parseCertificate(leaf), parseCertificate(root)

	t.Run("what Go has verified is not computed again", func(t *testing.T) {
		v := &verification{OpenSSL: OpenSSL{verified: chains}}
		assert.True(t, v.isVerified(child, parent))
		assert.False(t, v.isVerified(parent, child))
		assert.False(t, v.isVerified(child, parseCertificate(make(ca, ca))), "another issuer")
		assert.False(t, (&verification{}).isVerified(child, parent), "no chain")
	})
	t.Run("verdicts are the same", func(t *testing.T) {
		assertSharedSaysTheSame(t, "good", o)
		assert.Equal(t, CodeOK, shared.SClient(o, chains).Last())
	})
	t.Run("what was said of a chain is not said of another question", func(t *testing.T) {
		for range 2 {
			_, err := shared.Go(Go{Presented: o.Presented, Host: "other", At: o.At})
			assert.ErrorContains(t, err, "not other")
			_, err = shared.Go(Go{Presented: o.Presented, Host: o.Host, At: at.Add(2 * time.Hour)})
			assert.ErrorContains(t, err, "expired")
			_, err = shared.Go(Go{Presented: []pki.Cert{root, leaf}, Host: o.Host, At: o.At})
			assert.ErrorContains(t, err, "not valid for any names")
			_, err = shared.Go(Go{Presented: o.Presented, Host: o.Host, At: o.At})
			assert.NoError(t, err)
		}
	})
	t.Run("only so much is kept", func(t *testing.T) {
		for i := range 3 * mostKept {
			shared.Go(Go{Presented: o.Presented, Host: strconv.Itoa(i), At: o.At})
			shared.parse(make(&x509.Certificate{}, root.X509))
		}
		assert.LessOrEqual(t, len(shared.found), mostKept)
		assert.LessOrEqual(t, len(shared.read), mostKept)
	})
	t.Run("other octets beside the same certificate", func(t *testing.T) {
		forged := leaf
		forged.Raw = bytes.Clone(leaf.Raw)
		forged.Raw[len(forged.Raw)-1] ^= 1
		o := o
		o.Presented = []pki.Cert{forged}
		assert.Equal(t, CodeCertSignatureFailure, shared.SClient(o, chains).Last())
	})
}

func BenchmarkBothJudges(b *testing.B) {
	at := time.Now()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	self := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := *self
	leaf.Subject.CommonName, leaf.IsCA, leaf.KeyUsage, leaf.DNSNames = "leaf", false, 0, []string{"reg"}
	var certs [2]pki.Cert
	for i, c := range []*x509.Certificate{self, &leaf} {
		der, err := x509.CreateCertificate(rand.Reader, c, self, key.Public(), key)
		require.NoError(b, err)
		certs[i] = pki.NewCert(pki.Origin{}, der)
	}
	shared := NewVerifier(certs[:1])
	b.ReportAllocs()
	for b.Loop() {
		chains, err := shared.Go(Go{Presented: certs[1:], Host: "reg", At: at})
		if v := shared.SClient(OpenSSL{Presented: certs[1:], Host: "reg", At: at, Purpose: Server, AuthLevel: 2}, chains); err != nil || !v.OK() {
			b.Fatal(err, v)
		}
	}
}
