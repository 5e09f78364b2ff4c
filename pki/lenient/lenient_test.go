package lenient

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var day = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(4711),
		Subject:      pkix.Name{CommonName: "reg.example.com", Organization: []string{"Example"}},
		NotBefore:    day, NotAfter: day.AddDate(1, 0, 0),
		DNSNames:    []string{"reg.example.com", "*.example.com"},
		IPAddresses: []net.IP{net.ParseIP("10.96.0.50").To4(), net.ParseIP("fd00::5")},
	}
}

func sign(t testing.TB, c *x509.Certificate) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	return der
}

// edit replaces the first occurrence of old, which must be there; equal lengths
// keep the DER's own lengths right.
func edit(t *testing.T, der, old, new []byte) []byte {
	t.Helper()
	require.Equal(t, len(old), len(new))
	require.True(t, bytes.Contains(der, old), "the bytes to edit are in the certificate")
	return bytes.Replace(der, old, new, 1)
}

func TestGoodCertificateHasNoFaults(t *testing.T) {
	c, faults := Read(sign(t, template()))
	require.NotNil(t, c)
	assert.Empty(t, faults)
	assert.True(t, c.Whole)
	assert.Equal(t, 3, c.Version)
	assert.Equal(t, "4711", c.Serial.String())
	assert.Equal(t, "CN=reg.example.com,O=Example", DN(c.Subject))
	assert.Equal(t, day, c.NotBefore)
	assert.Equal(t, PublicKey{Algorithm: oidEC, Curve: "1.2.840.10045.3.1.7", Bits: 256}, c.Key)
	require.Len(t, c.SANs, 1)
	var names []string
	for _, n := range c.SANs[0] {
		names = append(names, n.String())
	}
	assert.Equal(t, []string{"DNS:reg.example.com", "DNS:*.example.com", "IP:10.96.0.50", "IP:fd00::5"}, names)
}

func TestEachFaultIsNamedWithItsPlace(t *testing.T) {
	secondSAN, err := asn1.Marshal([]asn1.RawValue{{Class: 2, Tag: 7, Bytes: []byte{10, 0, 0, 1}}})
	require.NoError(t, err)
	emptySAN, err := asn1.Marshal([]asn1.RawValue{})
	require.NoError(t, err)
	san := func(value []byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value})
		}
	}
	plain := sign(t, template())
	tests := []struct {
		name string
		der  func(t *testing.T) []byte
		rule string
		want string // in the detail
	}{
		{"trailing data", func(*testing.T) []byte { return append(bytes.Clone(plain), 1, 2, 3) }, TrailingData, "3 bytes follow"},
		{"truncated", func(*testing.T) []byte { return plain[:len(plain)-4] }, BadDER, "SEQUENCE"},
		{"negative serial", func(t *testing.T) []byte {
			return edit(t, plain, []byte{2, 2, 0x12, 0x67}, []byte{2, 2, 0xff, 0x67})
		}, SerialNegative, "negative"},
		{"version 4", func(t *testing.T) []byte {
			return edit(t, plain, []byte{0xa0, 3, 2, 1, 2}, []byte{0xa0, 3, 2, 1, 3})
		}, BadVersion, "none of v1, v2, v3"},
		{"extensions in version 1", func(t *testing.T) []byte {
			return edit(t, plain, []byte{0xa0, 3, 2, 1, 2}, []byte{0xa0, 3, 2, 1, 0})
		}, BadVersion, "they need version 3"},
		{"PrintableString abuse", func(t *testing.T) []byte {
			return edit(t, plain, []byte("\x13\x07Example"), []byte("\x13\x07Ex_mple"))
		}, BadString, "'_' (character 3)"},
		{"not UTF-8", func(t *testing.T) []byte {
			return edit(t, plain, []byte("\x13\x07Example"), []byte("\x0c\x07Exa\xffple"))
		}, BadString, "not valid UTF-8"},
		{"time with an offset", func(t *testing.T) []byte {
			return edit(t, plain, []byte("\x17\x0d260101000000Z"), []byte("\x17\x0d2601010000+01"))
		}, BadTime, "2601010000+01"},
		{"second SAN extension", func(t *testing.T) []byte {
			c := template()
			c.DNSNames, c.IPAddresses = nil, nil
			first, err := asn1.Marshal([]asn1.RawValue{{Class: 2, Tag: 2, Bytes: []byte("a.b")}})
			require.NoError(t, err)
			san(first)(c)
			san(secondSAN)(c)
			return sign(t, c)
		}, DuplicateSAN, "second subjectAltName"},
		{"empty SAN", func(t *testing.T) []byte {
			c := template()
			c.DNSNames, c.IPAddresses = nil, nil
			san(emptySAN)(c)
			return sign(t, c)
		}, EmptySAN, "empty"},
		{"IP of five octets", func(t *testing.T) []byte {
			c := template()
			c.IPAddresses = nil
			return edit(t, sign(t, c), []byte("\x82\x0freg.example.com"), []byte("\x87\x0freg.example.com"))
		}, BadGeneralName, "15 octets"},
		{"not ASN.1", func(*testing.T) []byte { return []byte("hello") }, BadDER, "SEQUENCE"},
		{"empty", func(*testing.T) []byte { return nil }, BadDER, "SEQUENCE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			der := tt.der(t)
			_, faults := Read(der)
			require.NotEmpty(t, faults)
			var text []string
			for _, f := range faults {
				text = append(text, f.Rule+": "+f.String())
				assert.GreaterOrEqual(t, f.Offset, 0)
				assert.LessOrEqual(t, f.Offset, len(der))
			}
			all := strings.Join(text, "\n")
			assert.Contains(t, all, tt.rule+": ")
			assert.Contains(t, all, tt.want)
		})
	}
}

func TestBothSANListsAreKept(t *testing.T) {
	c := template()
	c.DNSNames, c.IPAddresses = nil, nil
	for _, raw := range []asn1.RawValue{{Class: 2, Tag: 2, Bytes: []byte("reg.example.com")}, {Class: 2, Tag: 7, Bytes: []byte{10, 96, 0, 50}}} {
		value, err := asn1.Marshal([]asn1.RawValue{raw})
		require.NoError(t, err)
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value})
	}
	der := sign(t, c)
	_, err := x509.ParseCertificate(der)
	require.Error(t, err, "Go refuses two SAN extensions; if it no longer does, this reader has one reason less")
	got, _ := Read(der)
	require.Len(t, got.SANs, 2)
	assert.Equal(t, "DNS:reg.example.com", got.SANs[0][0].String())
	assert.Equal(t, "IP:10.96.0.50", got.SANs[1][0].String())
}

// FuzzRead: no panic, and where Go accepts a certificate the lenient view
// agrees with it.
func FuzzRead(f *testing.F) {
	f.Add(sign(f, template()))
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		got, faults := Read(der)
		strict, err := x509.ParseCertificate(der)
		for _, fault := range faults {
			if fault.Offset < 0 || fault.Offset > len(der) {
				t.Fatalf("offset %d of %d bytes: %v", fault.Offset, len(der), fault)
			}
		}
		if err != nil {
			return
		}
		if got == nil || !got.Whole {
			t.Fatalf("Go reads it, we do not: %v", faults)
		}
		if got.Serial.Cmp(strict.SerialNumber) != 0 || got.Version != strict.Version ||
			!got.NotAfter.Equal(strict.NotAfter) || !got.NotBefore.Equal(strict.NotBefore) ||
			!bytes.Equal(got.RawSubject, strict.RawSubject) || len(got.Extensions) != len(strict.Extensions) {
			t.Fatalf("we read %+v, Go reads %+v", got, strict)
		}
	})
}
