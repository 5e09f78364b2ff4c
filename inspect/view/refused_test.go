package view

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// refusedCert is one that crypto/x509 does not parse.
type refusedCert struct {
	name string
	der  []byte
	rule string // of the fault
	at   string // where the fault is: bytes at its offset
}

func refusedCerts(t testing.TB) []refusedCert {
	root := newRoot(t, "Root CA")
	make := func(change func(c *x509.Certificate)) []byte {
		c := server("reg.example.com")
		c.Subject.Organization = []string{"Example"}
		change(&c)
		return newCert(t, c, edKey("reg"), &root).der
	}
	plain := make(func(*x509.Certificate) {})
	extensions := func(list ...pkix.Extension) []byte {
		return make(func(c *x509.Certificate) {
			c.DNSNames = nil
			c.ExtraExtensions = list
		})
	}
	changed := func(old, new string) []byte { return edit(t, plain, []byte(old), []byte(new)) }
	key := ecKey(t, "reg")
	ecLeaf := newCert(t, server("reg.example.com"), key, &root).der
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	ecPoint := string(point)
	extension := func(oid, value string) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, int(oid[2])}, Value: []byte(value)}
	}
	usage := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 7, 0x80}}
	return []refusedCert{
		{"two SANs", twoSANs(t, &root).der, lenient.DuplicateSAN, "\x30\x0f\x06\x03\x55\x1d\x11"},
		{"two key usages", extensions(usage, usage, names(t, dnsName("reg.example.com"))), lenient.DuplicateExtension, "\x30\x0b\x06\x03\x55\x1d\x0f"},
		{"negative serial", changed("\x02\x10\x4f\xa0", "\x02\x10\xcf\xa0"), lenient.SerialNegative, "\x02\x10\xcf\xa0"},
		{"version 4", changed("\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x03"), lenient.BadVersion, "\xa0\x03\x02\x01\x03"},
		{"underscore in a PrintableString", changed("\x13\x0freg.example.com", "\x13\x0freg_example.com"), lenient.BadString, "reg_example.com"},
		{"not UTF-8", changed("\x13\x0freg.example.com", "\x0c\x0freg\xffexample.com"), lenient.BadString, "reg\xffexample.com"},
		{"time with an offset", changed("\x17\x0d270101000000Z", "\x17\x0d2701010000+00"), lenient.BadTime, "\x17\x0d2701010000+00"},
		{"trailing data", append(bytes.Clone(plain), 0), lenient.TrailingData, "\x00"},
		{"IP of three octets", extensions(names(t, dnsName("reg.example.com"), ipName(10, 96, 0))), lenient.BadGeneralName, "\x87\x03\x0a\x60\x00"},
		{"name that is not ASCII", extensions(names(t, dnsName("rég.example.com"))), lenient.BadGeneralName, "\x82\x10r\xc3"},
		{"malformed purposes", extensions(names(t, dnsName("reg.example.com")), extension("\x55\x1d\x25", "\x30\x03\x05\x00\x00")), lenient.BadDER, "\x30\x0c\x06\x03\x55\x1d\x25"},
		{"URI with a blank host", extensions(names(t, dnsName("reg.example.com"), asn1.RawValue{Class: 2, Tag: kindURI, Bytes: []byte("https://a b/")})), lenient.BadDER, "\x30\x28\x06\x03\x55\x1d\x11"},
		{"point on no curve", edit(t, ecLeaf, []byte(ecPoint[:8]), []byte("\x04\x01\x02\x03\x04\x05\x06\x07")), lenient.BadDER, "\x30\x59\x30\x13"},
		{"other algorithm outside", changed("\x30\x05\x06\x03\x2b\x65\x70\x03\x41", "\x30\x05\x06\x03\x2b\x65\x71\x03\x41"), lenient.AlgorithmMismatch, "\x30\x05\x06\x03\x2b\x65\x71\x03\x41"},
	}
}

// TestRefused holds that of what Go refuses subject and names are shown, and
// the fault with the byte at which it is.
func TestRefused(t *testing.T) {
	for _, tt := range refusedCerts(t) {
		t.Run(tt.name, func(t *testing.T) {
			c := pki.NewCert(pki.Origin{Source: "tls.crt", Index: 1}, tt.der)
			require.Nil(t, c.X509, "Go refuses it; if it no longer does, this case has lost its sense")
			v := Describe(pki.Material{Certs: []pki.Cert{c}}, now).Certificates[0]
			assert.NotEmpty(t, v.Error)
			assert.True(t, strings.HasPrefix(string(v.Subject.Text), "CN="), v.Subject.Text)
			assert.NotEmpty(t, v.Names)
			at := map[string][]string{}
			for _, f := range v.Faults {
				rest := tt.der[f.Offset:]
				at[f.Rule] = append(at[f.Rule], string(rest[:min(len(tt.at), len(rest))]))
			}
			assert.Contains(t, at[tt.rule], tt.at, "what is at the fault's offset")
		})
	}
}

// TestEveryRefusalHasAPlace changes bytes of certificates that have something
// of everything: whatever Go refuses, at least one fault says where.
func TestEveryRefusalHasAPlace(t *testing.T) {
	root := newRoot(t, "Root CA")
	for name, der := range map[string][]byte{
		"of an elliptic curve": newCert(t, rich(t), ecKey(t, "reg"), &root).der,
		"RSA":                  newCert(t, rich(t), rsaPublic(1024), &root).der,
		"CA":                   constraints(t).Certs[0].Raw,
		"all kinds of names":   allKinds(t).Certs[0].Raw,
	} {
		refused := 0
		for i := range der {
			for _, b := range []byte{0x80, 0xff, der[i] ^ 1} {
				changed := bytes.Clone(der)
				changed[i] = b
				if _, err := x509.ParseCertificate(changed); err != nil {
					refused++
					require.NotEmpty(t, faultsOf(changed), "%s: byte %d is 0x%02x: %v", name, i, b, err)
				}
			}
		}
		assert.Greater(t, refused, len(der), name)
		assert.Empty(t, faultsOf(der), name)
	}
}

// TestManyExtensions holds that the search for faults ends.
func TestManyExtensions(t *testing.T) {
	c := server("reg.example.com")
	for i := range 20000 {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, i}})
	}
	c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}})
	root := newRoot(t, "Root CA")
	der := newCert(t, c, edKey("reg"), &root).der
	assert.Less(t, len(pieces(der)), 2*mostPieces)
	assert.Len(t, faultsOf(der), 1)
}

func TestBothSANsAreShown(t *testing.T) {
	root := newRoot(t, "Root CA")
	d := Describe(new(heap).cert("tls.crt", twoSANs(t, &root)).Material, now)
	first := []Name{{"DNS", "reg.example.com"}, {"DNS", "reg"}}
	second := []Name{{"IP", "10.96.0.50"}}
	c := d.Certificates[0]
	assert.Equal(t, [][]Name{first, second}, c.NameLists)
	assert.Equal(t, append(first, second...), c.Names)
	text := textOf(t, d, TextOptions{})
	assert.Contains(t, text, "a second\n               subjectAltName (2.5.29.17); the first is extension 5")
	assert.Contains(t, text, "  First SAN    DNS  reg.example.com, reg\n  Second SAN   IP  10.96.0.50\n")
}

// TestManySANs holds that the text does not grow without bound with faults.
func TestManySANs(t *testing.T) {
	c := server("reg.example.com")
	c.DNSNames = nil
	for range 1000 {
		c.ExtraExtensions = append(c.ExtraExtensions, names(t, dnsName("a.b")))
	}
	root := newRoot(t, "Root CA")
	text := textOf(t, Describe(new(heap).cert("tls.crt", newCert(t, c, edKey("reg"), &root)).Material, now), TextOptions{})
	assert.Contains(t, text, "and 989 more")
	assert.Contains(t, text, "  Third SAN    DNS  a.b\n  SAN 4        DNS  a.b\n")
	assert.Less(t, strings.Count(text, "\n"), 1100)
}
