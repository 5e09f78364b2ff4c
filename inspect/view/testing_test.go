package view

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"flag"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

// update rewrites testdata/*.golden: go test ./inspect/view -update.
var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./inspect/view -update makes it")
	assert.Equal(t, string(want), string(got), "if this is meant: go test ./inspect/view -update")
}

// The tests' certificates are the same in each run: whoever signs has an
// Ed25519 key, whose signatures have no random part, made from a name.

var (
	now   = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func edKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func ecKey(t testing.TB, name string) *ecdsa.PrivateKey {
	t.Helper()
	scalar := sha256.Sum256([]byte(name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	require.NoError(t, err)
	return key
}

// rsaPublic is a number of that size. Nobody knows its factors.
func rsaPublic(bits int) *rsa.PublicKey {
	n := make([]byte, 0, bits/8)
	for i := byte(0); len(n) < bits/8; i++ {
		sum := sha256.Sum256([]byte{i})
		n = append(n, sum[:]...)
	}
	n[0] |= 0x80
	n[bits/8-1] |= 1
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n[:bits/8]), E: 65537}
}

type testCert struct {
	der []byte
	key crypto.Signer
	x   *x509.Certificate
}

// newCert signs c with parent, or with key itself when parent is nil.
func newCert(t testing.TB, c x509.Certificate, pub any, parent *testCert) testCert {
	t.Helper()
	if c.SerialNumber == nil {
		c.SerialNumber = big.NewInt(4711)
	}
	if c.NotBefore.IsZero() {
		c.NotBefore, c.NotAfter = start, start.AddDate(1, 0, 0)
	}
	signer, _ := pub.(crypto.Signer)
	key := signer
	if signer != nil {
		pub = signer.Public()
	}
	issuer := &c
	if parent != nil {
		issuer, signer = parent.x, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, issuer, pub, signer)
	require.NoError(t, err)
	x, _ := x509.ParseCertificate(der) // nil where a test wants that
	return testCert{der, key, x}
}

func authority(cn string) x509.Certificate {
	return x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: cn, Organization: []string{"Example"}},
		NotBefore:    start, NotAfter: start.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func server(cn string) x509.Certificate {
	return x509.Certificate{
		SerialNumber: new(big.Int).SetBytes([]byte{0x4f, 0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}),
		Subject:      pkix.Name{CommonName: cn},
		DNSNames:     []string{cn},
		KeyUsage:     x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
}

func newRoot(t testing.TB, cn string) testCert {
	t.Helper()
	return newCert(t, authority(cn), edKey(cn), nil)
}

// rich has something of all that is shown.
func rich(t testing.TB) x509.Certificate {
	t.Helper()
	c := server("reg.example.com")
	c.Subject = pkix.Name{CommonName: "reg.example.com", Organization: []string{"Müller, Söhne & Co"}, OrganizationalUnit: []string{"a", "b"}, Country: []string{"DE"}}
	c.DNSNames = []string{"reg.example.com", "*.reg.example.com", "reg.default.svc.cluster.local"}
	c.IPAddresses = []net.IP{net.IPv4(10, 96, 0, 50), net.ParseIP("fd00::5")}
	c.EmailAddresses = []string{"ops@example.com"}
	c.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.com", Path: "/reg"}}
	c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 99999, 1}}
	c.OCSPServer = []string{"http://ocsp.example.com"}
	c.IssuingCertificateURL = []string{"http://ca.example.com/ca.crt"}
	c.CRLDistributionPoints = []string{"http://ca.example.com/ca.crl"}
	policy, err := x509.OIDFromInts([]uint64{2, 23, 140, 1, 2, 1})
	require.NoError(t, err)
	c.Policies = []x509.OID{policy}
	c.ExtraExtensions = []pkix.Extension{
		{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: sctList(t)},
		{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 2}, Critical: true, Value: []byte{5, 0}},
		{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 3, 2, 1, 5}},
	}
	return c
}

// sctList is a SignedCertificateTimestampList of two logs (RFC 6962, 3.3).
func sctList(t testing.TB) []byte {
	t.Helper()
	var list []byte
	for i := range byte(2) {
		sct := append([]byte{0}, bytes.Repeat([]byte{0xa0 + i}, 32)...)
		sct = append(sct, 0, 0, 0x01, 0x9b, 0x76, 0xda, 0x88, i) // 2026-01-01 00:00:00
		sct = append(sct, 0, 0, 4, 3, 0, 8, 0x30, 6, 2, 1, 1, 2, 1, 2)
		list = append(append(list, 0, byte(len(sct))), sct...)
	}
	der, err := asn1.Marshal(append([]byte{0, byte(len(list))}, list...))
	require.NoError(t, err)
	return der
}

func names(t testing.TB, list ...asn1.RawValue) pkix.Extension {
	t.Helper()
	value, err := asn1.Marshal(list)
	require.NoError(t, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}
}

func dnsName(name string) asn1.RawValue {
	return asn1.RawValue{Class: 2, Tag: kindDNS, Bytes: []byte(name)}
}

func ipName(ip ...byte) asn1.RawValue { return asn1.RawValue{Class: 2, Tag: kindIP, Bytes: ip} }

// twoSANs is what openssl makes of two -addext subjectAltName, where it does.
func twoSANs(t testing.TB, parent *testCert) testCert {
	t.Helper()
	c := server("reg.example.com")
	c.DNSNames = nil
	c.ExtraExtensions = []pkix.Extension{names(t, dnsName("reg.example.com"), dnsName("reg")), names(t, ipName(10, 96, 0, 50))}
	return newCert(t, c, ecKey(t, "reg"), parent)
}

// heap makes certificates of files of the names given, in that order.
type heap struct{ pki.Material }

func (h *heap) cert(source string, certs ...testCert) *heap {
	for i, c := range certs {
		h.Certs = append(h.Certs, pki.NewCert(pki.Origin{Source: source, Index: i + 1, Line: 1}, c.der))
	}
	return h
}

func (h *heap) key(source string, key crypto.Signer) *heap {
	h.Keys = append(h.Keys, pki.Key{Origin: pki.Origin{Source: source, Index: 1}, Signer: key})
	return h
}

func (h *heap) csr(source string, der []byte) *heap {
	h.CSRs = append(h.CSRs, pki.NewCSR(pki.Origin{Source: source, Index: 1}, der))
	return h
}

// edit replaces old, which must be there once, by as many bytes.
func edit(t testing.TB, der, old, changed []byte) []byte {
	t.Helper()
	require.Len(t, changed, len(old))
	require.Equal(t, 1, bytes.Count(der, old), "the bytes to edit are in the certificate, once")
	return bytes.Replace(der, old, changed, 1)
}
