package format

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCertificatesAndRequestsComeBackAsTheyWent(t *testing.T) {
	w := newWorld(t)
	data := append(EncodeCerts(w.leaf, w.ca, w.leaf), EncodeCSR(w.csr)...)
	m, err := Decode("all.pem", data, Options{})
	require.NoError(t, err)
	assert.Empty(t, m.Notes)
	require.Len(t, m.Certs, 3, "doubles stay, and so does the order")
	require.Len(t, m.CSRs, 1)
	line := 1 + strings.Count(string(EncodeCerts(w.leaf, w.ca)), "\n")
	assert.Equal(t, pki.Origin{Source: "all.pem", Index: 3, Line: line, Column: 1}, m.Certs[2].Origin)
	assert.Equal(t, "all.pem#4", m.CSRs[0].Origin.String())
	again := append(EncodeCerts(parsed(m.Certs)...), EncodeCSR(m.CSRs[0].X509)...)
	assert.Equal(t, string(data), string(again))
	assert.Empty(t, EncodeCerts())
}

func TestRequests(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		text  string
		rules []string
	}{
		"PEM":       {string(EncodeCSR(w.csr)), []string{}},
		"old label": {pemBlock("NEW CERTIFICATE REQUEST", w.csr.Raw), []string{NoteOldLabel}},
		"DER":       {string(w.csr.Raw), []string{NoteDER}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Decode("x.csr", []byte(c.text), Options{})
			require.NoError(t, err)
			require.Len(t, m.CSRs, 1)
			require.NoError(t, m.CSRs[0].Err)
			assert.Equal(t, w.csr.Raw, m.CSRs[0].X509.Raw)
			assert.Equal(t, c.rules, rules(m))
		})
	}
	m, err := Decode("x.csr", []byte(pemBlock("CERTIFICATE REQUEST", w.csr.Raw[:100])), Options{})
	require.NoError(t, err)
	require.Len(t, m.CSRs, 1)
	assert.ErrorContains(t, m.CSRs[0].Err, "is cut off")
}

// A certificate that Go refuses is material all the same: here one with two
// subjectAltName extensions, as two -addext make it.
func TestCertificateThatGoRefuses(t *testing.T) {
	w := newWorld(t)
	san, err := asn1.Marshal([]asn1.RawValue{{Class: 2, Tag: 2, Bytes: []byte("b.local")}})
	require.NoError(t, err)
	template := *w.leaf
	template.ExtraExtensions = append(template.Extensions, template.Extensions[0])
	for i, e := range template.ExtraExtensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			double := e
			double.Value = san
			template.ExtraExtensions[i] = e
			template.ExtraExtensions[len(template.ExtraExtensions)-1] = double
		}
	}
	der, err := x509.CreateCertificate(nil, &template, w.ca, w.leaf.PublicKey, w.caKey)
	require.NoError(t, err)

	m, err := Decode("tls.crt", append([]byte(pemBlock("CERTIFICATE", der)), EncodeCerts(w.ca)...), Options{})
	require.NoError(t, err)
	require.Len(t, m.Certs, 2)
	assert.Nil(t, m.Certs[0].X509)
	assert.ErrorContains(t, m.Certs[0].Err, "duplicate extension")
	assert.Equal(t, der, m.Certs[0].Raw)
	assert.NotNil(t, m.Certs[1].X509)
}

func TestRevocationListIsNoMaterial(t *testing.T) {
	w := newWorld(t)
	der, err := x509.CreateRevocationList(nil, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Unix(0, 0), NextUpdate: time.Unix(1, 0)}, &x509.Certificate{
		Subject: w.ca.Subject, SubjectKeyId: []byte{1}, KeyUsage: x509.KeyUsageCRLSign,
	}, w.caKey)
	require.NoError(t, err)
	for _, data := range [][]byte{der, []byte(pemBlock("X509 CRL", der))} {
		m, err := Decode("ca.crl", data, Options{})
		assert.ErrorContains(t, err, "holds a revocation list, and no certificate")
		assert.Contains(t, rules(m), NoteOtherBlock)
	}
}

func TestTrustedCertificatesOfOpenSSL(t *testing.T) {
	tool(t, "openssl")
	w := newWorld(t)
	dir := t.TempDir()
	write(t, dir, "ca.pem", EncodeCerts(w.ca))
	inDir(t, dir, "openssl", "x509", "-in", "ca.pem", "-addtrust", "serverAuth", "-setalias", "corp", "-trustout", "-out", "trusted.pem")
	text := read(t, dir, "trusted.pem")
	block, _ := pem.Decode(text)
	require.Greater(t, len(block.Bytes), len(w.ca.Raw), "trust settings follow")

	m, err := Decode("trusted.pem", text, Options{})
	require.NoError(t, err)
	require.Len(t, parsed(m.Certs), 1)
	assert.True(t, m.Certs[0].X509.Equal(w.ca))
	assert.Equal(t, []string{NoteTrustedLabel, NoteSkippedByGo}, rules(m))

	m, err = Decode("trusted.der", block.Bytes, Options{})
	require.NoError(t, err)
	assert.Len(t, m.Certs, 1, "as DER, nothing says that these are trust settings")
	assert.True(t, bytes.HasPrefix(m.Certs[0].Raw, w.ca.Raw))
}

func BenchmarkDecodeOneCertificate(b *testing.B) {
	data := EncodeCerts(newWorld(b).leaf)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Decode("x", data, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeTrustBundle(b *testing.B) {
	data := bytes.Repeat(EncodeCerts(newWorld(b).leaf), 150)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Decode("x", data, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
