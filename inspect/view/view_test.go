package view

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// story is something that people look at.
type story struct {
	name    string
	make    func(t testing.TB) pki.Material
	json    bool // compare the JSON as well
	openssl bool // and the layout of OpenSSL
}

func stories() []story {
	return []story{
		{"certificate", oneCertificate, true, true},
		{"chain", wholeChain, true, false},
		{"chain-without-issuer", missingIssuer, false, false},
		{"folder", longPaths, false, false},
		{"request", requestAndKey, true, true},
		{"key", keys, true, true},
		{"pkcs12", pkcs12, false, false},
		{"constraints", constraints, false, true},
		{"validity", validities, false, false},
		{"many-names", manyNames, false, false},
		{"all-kinds-of-names", allKinds, true, true},
		{"two-san", func(t testing.TB) pki.Material {
			root := newRoot(t, "Root CA")
			return new(heap).cert("tls.crt", twoSANs(t, &root)).cert("ca.crt", root).Material
		}, true, true},
		{"refused", refused, false, false},
		{"broken", broken, true, false},
		{"hostile", hostile, true, true},
		{"notes", notes, false, false},
	}
}

func TestStories(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			m := s.make(t)
			d := Describe(m, now)

			text := textOf(t, d, TextOptions{})
			golden(t, s.name+".txt", []byte(text))
			assertHarmless(t, text)

			if s.json {
				data, err := json.MarshalIndent(d, "", "  ")
				require.NoError(t, err)
				golden(t, s.name+".json", append(data, '\n'))
				assertHarmless(t, string(data))
			}
			if s.openssl {
				var b bytes.Buffer
				require.NoError(t, WriteOpenSSL(&b, m))
				golden(t, s.name+".openssl", b.Bytes())
				assertHarmless(t, b.String())
			}
		})
	}
}

func textOf(t testing.TB, d Document, o TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, d.WriteText(&b, o))
	return b.String()
}

// assertHarmless holds that text shown on a terminal does nothing but show.
func assertHarmless(t *testing.T, text string) {
	t.Helper()
	assert.True(t, utf8.ValidString(text))
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			assert.Fail(t, "a character that is not visible", "%q", r)
			return
		}
	}
}

// TestWidth holds that lines fit the terminal, but for words that cannot be
// broken without making them useless.
func TestWidth(t *testing.T) {
	for _, s := range stories() {
		d := Describe(s.make(t), now)
		for _, width := range []int{80, 120} {
			for line := range strings.Lines(textOf(t, d, TextOptions{Width: width})) {
				line = strings.TrimSuffix(line, "\n")
				if utf8.RuneCountInString(line) <= width {
					continue
				}
				words := strings.Fields(line)
				longest := 0
				for _, w := range words {
					longest = max(longest, utf8.RuneCountInString(w))
				}
				assert.Greater(t, longest, width-labelWidth-15, "%s at %d columns: %q", s.name, width, line)
			}
		}
	}
}

func TestColorAddsNothingButColor(t *testing.T) {
	escape := regexp.MustCompile("\x1b\\[[0-9]+m")
	for _, s := range stories() {
		d := Describe(s.make(t), now)
		plain, colored := textOf(t, d, TextOptions{}), textOf(t, d, TextOptions{Color: true})
		assert.Equal(t, plain, escape.ReplaceAllString(colored, ""), s.name)
		assert.NotEqual(t, plain, colored, s.name)
	}
}

// TestNoPrivateNumbers holds that of a key nothing comes out but its public
// part.
func TestNoPrivateNumbers(t *testing.T) {
	key := ecKey(t, "reg")
	m := new(heap).key("tls.key", key).Material
	scalar, err := key.Bytes()
	require.NoError(t, err)
	data, err := json.Marshal(Describe(m, now))
	require.NoError(t, err)
	var openssl bytes.Buffer
	require.NoError(t, WriteOpenSSL(&openssl, m))
	for _, out := range []string{string(data), textOf(t, Describe(m, now), TextOptions{}), openssl.String(), fmt.Sprintf("%#v", Describe(m, now))} {
		for _, form := range []string{hexLower(scalar, ""), hexLower(scalar, ":"), hexLower(scalar[:8], ""), new(big.Int).SetBytes(scalar).String(), "PRIVATE KEY"} {
			assert.NotContains(t, out, form)
		}
	}
}

func oneCertificate(t testing.TB) pki.Material {
	root := newRoot(t, "Root CA")
	return new(heap).cert("tls.crt", newCert(t, rich(t), ecKey(t, "reg"), &root)).Material
}

func wholeChain(t testing.TB) pki.Material {
	root := newRoot(t, "Root CA")
	ica := authority("Intermediate CA")
	ica.SerialNumber, ica.NotAfter, ica.MaxPathLenZero = big.NewInt(2), start.AddDate(5, 0, 0), true
	intermediate := newCert(t, ica, edKey("Intermediate CA"), &root)
	leaf := newCert(t, server("reg.example.com"), ecKey(t, "reg"), &intermediate)
	other := newCert(t, server("mirror.example.com"), rsaPublic(2048), &intermediate)
	return new(heap).cert("certs/tls.crt", leaf, intermediate, leaf).cert("certs/mirror.crt", other).
		cert("certs/ca.crt", root).key("certs/tls.key", leaf.key).Material
}

func missingIssuer(t testing.TB) pki.Material {
	root, anew := newRoot(t, "Root CA"), newCert(t, authority("Root CA"), edKey("made anew"), nil)
	a := newCert(t, server("a.example.com"), edKey("a"), &root)
	b := newCert(t, server("b.example.com"), edKey("b"), &root)
	self := newCert(t, server("self.example.com"), edKey("self"), nil)
	return new(heap).cert("heap.pem", a, self, b, anew).Material
}

// longPaths is a chain in files whose paths leave no room on a line.
func longPaths(t testing.TB) pki.Material {
	const folder = "/var/snap/microk8s/common/etc/containerd/certs.d/"
	root := newRoot(t, strings.Repeat("A Root with a Name that is too long ", 3))
	leaf := newCert(t, server("reg.example.com"), edKey("reg"), &root)
	return new(heap).cert(folder+"registry/tls.crt", leaf).cert(folder+"ca.crt", root).Material
}

func requestAndKey(t testing.TB) pki.Material {
	key := edKey("reg")
	constraints, err := asn1.Marshal(struct{ CA bool }{true})
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:     pkix.Name{CommonName: "reg.example.com", Organization: []string{"Example"}},
		DNSNames:    []string{"reg.example.com"},
		IPAddresses: []net.IP{net.IPv4(10, 96, 0, 50)},
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 7, 0x80}},
			{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: []byte{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1}},
			{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Value: constraints},
		},
	}, key)
	require.NoError(t, err)
	bare, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, edKey("bare"))
	require.NoError(t, err)
	bare[len(bare)-1] ^= 1 // its signature is another's
	root := newRoot(t, "Root CA")
	return new(heap).csr("tls.csr", der).csr("bare.csr", bare).csr("broken.csr", der[:60]).
		key("tls.key", key).cert("tls.crt", newCert(t, server("reg.example.com"), key, &root)).Material
}

func keys(t testing.TB) pki.Material {
	h := new(heap).key("ec.key", ecKey(t, "ec")).key("ed.key", edKey("ed"))
	h.Keys[1].Encrypted = true
	h.Keys = append(h.Keys, pki.Key{Origin: pki.Origin{Source: "locked.key", Index: 1}, Encrypted: true, Err: errors.New("a password is needed")})
	return h.Material
}

// pkcs12 goes through the real format, for what is read there is shown here.
func pkcs12(t testing.TB) pki.Material {
	root := newRoot(t, "Root CA")
	leaf := newCert(t, server("reg.example.com"), ecKey(t, "reg"), &root)
	data, err := format.EncodeP12(leaf.key, leaf.x, []*x509.Certificate{root.x}, "sesame-open", format.P12Options{FriendlyName: "my registry"})
	require.NoError(t, err)
	store, err := format.EncodeP12TrustStore([]*x509.Certificate{root.x}, "sesame-open", format.P12Options{})
	require.NoError(t, err)
	password := format.Options{Password: func(pki.Origin) ([]byte, error) { return []byte("sesame-open"), nil }}
	m, err := format.Decode("tls.p12", data, password)
	require.NoError(t, err)
	trust, err := format.Decode("trust.p12", store, password)
	require.NoError(t, err)
	m.Append(trust)
	return m
}

func constraints(t testing.TB) pki.Material {
	c := authority("Limited CA")
	c.MaxPathLen = 2
	c.PermittedDNSDomainsCritical = true
	c.PermittedDNSDomains = []string{"example.com", ".svc.cluster.local"}
	c.PermittedIPRanges = []*net.IPNet{{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}, {IP: net.ParseIP("fd00::"), Mask: net.CIDRMask(8, 128)}}
	c.ExcludedDNSDomains = []string{"secret.example.com"}
	c.ExcludedEmailAddresses = []string{"root@example.com"}
	c.PermittedURIDomains = []string{"example.com"}
	return new(heap).cert("ca.crt", newCert(t, c, edKey("Limited CA"), nil)).Material
}

func validities(t testing.TB) pki.Material {
	h := new(heap)
	root := newRoot(t, "Root CA")
	for _, v := range []struct{ name, from, to string }{
		{"expired long ago", "1951-01-01T00:00:00Z", "1999-12-31T23:59:59Z"},
		{"expired a second ago", "2026-01-01T00:00:00Z", "2026-06-15T11:59:59Z"},
		{"valid for this second", "2026-06-15T12:00:00Z", "2026-06-15T12:00:00Z"},
		{"ends within the hour", "2026-01-01T00:00:00Z", "2026-06-15T12:59:00Z"},
		{"ends tomorrow", "2026-01-01T00:00:00Z", "2026-06-16T20:00:00Z"},
		{"ends in 29 days", "2026-01-01T00:00:00Z", "2026-07-15T11:00:00Z"},
		{"ends in 31 days", "2026-01-01T00:00:00Z", "2026-07-16T13:00:00Z"},
		{"begins tomorrow", "2026-06-16T13:00:00Z", "2027-06-16T12:00:00Z"},
		{"lasts forever", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z"},
	} {
		c := server("x.example.com")
		c.Subject.CommonName = v.name
		var err error
		c.NotBefore, err = time.Parse(time.RFC3339, v.from)
		require.NoError(t, err)
		c.NotAfter, err = time.Parse(time.RFC3339, v.to)
		require.NoError(t, err)
		h.cert(strings.ReplaceAll(v.name, " ", "-")+".pem", newCert(t, c, edKey(v.name), &root))
	}
	return h.Material
}

func manyNames(t testing.TB) pki.Material {
	c := server("reg.example.com")
	for i := range 40 {
		c.DNSNames = append(c.DNSNames, fmt.Sprintf("node-%d.example.com", i))
		c.IPAddresses = append(c.IPAddresses, net.IPv4(10, 0, 0, byte(i)))
	}
	root := newRoot(t, "Root CA")
	return new(heap).cert("tls.crt", newCert(t, c, edKey("reg"), &root)).Material
}

// allKinds has a name of each kind that RFC 5280 knows.
func allKinds(t testing.TB) pki.Material {
	dn, err := asn1.Marshal(pkix.Name{CommonName: "reg", Organization: []string{"An Organisation whose name takes more room than there is on a line of it"}}.ToRDNSequence())
	require.NoError(t, err)
	upn := []byte("\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03\xa0\x0d\x0c\x0bops@example")
	c := server("reg.example.com")
	c.DNSNames = nil
	c.ExtraExtensions = []pkix.Extension{names(t,
		asn1.RawValue{Class: 2, Tag: kindOther, IsCompound: true, Bytes: upn},
		asn1.RawValue{Class: 2, Tag: kindEmail, Bytes: []byte("ops@example.com")},
		dnsName("reg.example.com"), dnsName(""),
		asn1.RawValue{Class: 2, Tag: kindX400, IsCompound: true, Bytes: []byte{0x30, 0}},
		asn1.RawValue{Class: 2, Tag: kindDir, IsCompound: true, Bytes: dn},
		asn1.RawValue{Class: 2, Tag: kindEDI, IsCompound: true, Bytes: []byte{0xa1, 3, 0x0c, 1, 'x'}},
		asn1.RawValue{Class: 2, Tag: kindURI, Bytes: []byte("https://reg.example.com:5000/v2/")},
		ipName(10, 96, 0, 50), ipName(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5),
		asn1.RawValue{Class: 2, Tag: kindRegistered, Bytes: []byte{0x2a, 3, 4}},
	)}
	root := newRoot(t, "Root CA")
	return new(heap).cert("tls.crt", newCert(t, c, edKey("reg"), &root)).Material
}

// refused are certificates that Go does not parse and that can be shown all the
// same.
func refused(t testing.TB) pki.Material {
	h := new(heap)
	for _, r := range refusedCerts(t) {
		h.cert(strings.ReplaceAll(r.name, " ", "-")+".crt", testCert{der: r.der})
	}
	return h.Material
}

// broken is what cannot be shown as far as its names.
func broken(t testing.TB) pki.Material {
	root := newRoot(t, "Root CA")
	return new(heap).
		cert("cut.crt", testCert{der: root.der[:len(root.der)/2]}).
		cert("garbage.crt", testCert{der: []byte("no certificate")}).
		cert("nothing.crt", testCert{}).
		cert("long.crt", testCert{der: append(bytes.Clone(root.der), "something else"...)}).
		csr("cut.csr", []byte{0x30, 0x82, 1, 0, 0x30, 3}).Material
}

// hostile holds what would drive a terminal, pass for another line, or turn
// the direction of writing.
func hostile(t testing.TB) pki.Material {
	const evil = "x\x1b[2J\x1b]0;owned\x07\r\nSubject: CN=fine\u202egnp.\u200b\u009b31m\x00"
	c := server("reg.example.com")
	c.DNSNames = nil
	c.Subject = pkix.Name{CommonName: evil, ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("O\u202e" + "\x1b[31m")}},
	}}
	c.ExtraExtensions = []pkix.Extension{
		names(t, dnsName("a\x1b[31m.example.com"), dnsName("b\n  IP   10.0.0.1"), dnsName("c\xff\u202e"), ipName(1, 2, 3),
			asn1.RawValue{Class: 2, Tag: kindURI, Bytes: []byte("http://x/\x9b2J\u2028")}),
		{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 2}, Value: []byte("\x1b[2J\r\nX509v3 Basic Constraints:\n CA:TRUE\x9b")},
	}
	ca := authority("CA\x1b[8m")
	root := newCert(t, ca, edKey("evil"), nil)
	h := new(heap).cert("evil\x1b[2J\n.crt", newCert(t, c, edKey("evil leaf"), &root), root).key("k\x1b[2J.key", edKey("evil leaf"))
	h.Notes = []pki.Note{
		{Rule: "pem-text", Origin: h.Certs[0].Origin, Detail: "says \x1b[2J\u202e"},
		{Rule: friendlyName, Origin: h.Certs[1].Origin, Detail: "called \x1b[2J\u202e"},
	}
	return h.Material
}

func notes(t testing.TB) pki.Material {
	h := new(heap).cert("windows.crt", newRoot(t, "Root CA"))
	h.Notes = []pki.Note{
		{Rule: "pem-byte-order-mark", Origin: pki.Origin{Source: "windows.crt", Line: 1}, Detail: "the file begins with a byte-order mark"},
		{Rule: "pem-line-length", Origin: h.Certs[0].Origin, Detail: "the lines of its base64 are not all 64 characters long, which OpenSSL 1.0 and some other programs insist on, so that they would find nothing here"},
	}
	return h.Material
}

func TestFriendlyNamesAreThoseThatFormatNotes(t *testing.T) {
	assert.Equal(t, format.NoteFriendlyName, friendlyName)
}
