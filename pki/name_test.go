package pki

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var nameTestKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func nameTemplate(names Names) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:   big.NewInt(1),
		Subject:        pkix.Name{CommonName: names.CommonName()},
		NotBefore:      time.Unix(1_800_000_000, 0),
		NotAfter:       time.Unix(1_900_000_000, 0),
		DNSNames:       names.DNS(),
		IPAddresses:    names.IPs(),
		EmailAddresses: names.Emails(),
		URIs:           names.URIs(),
	}
}

// certify makes a real certificate with names and parses it as clients do.
func certify(t testing.TB, names Names) *x509.Certificate {
	t.Helper()
	template := nameTemplate(names)
	der, err := x509.CreateCertificate(rand.Reader, template, template, nameTestKey.Public(), nameTestKey)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

func mustNames(t testing.TB, texts ...string) Names {
	t.Helper()
	names, _, err := ParseNames(0, texts)
	require.NoError(t, err)
	return names
}

// extensionsWithSAN counts subjectAltName extensions.
func extensionsWithSAN(extensions []pkix.Extension) int {
	n := 0
	for _, e := range extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			n++
		}
	}
	return n
}

func TestNamesWith(t *testing.T) {
	a, b := Name{DNS, "a.b"}, Name{IP, "10.0.0.1"}
	base := make(Names, 0, 8)
	base = append(base, a)
	assert.Equal(t, Names{a, b}, base.With(b, a, b))
	assert.Equal(t, Names{a}, base, "base is not changed")
	assert.Equal(t, Names{b}, Names(nil).With(b))
	assert.Empty(t, Names(nil).With())
}

func TestNamesByKind(t *testing.T) {
	names := mustNames(t, "reg.local", "10.0.0.1", "2001:db8::1", "spiffe://prod/x", "ops@reg.local")
	assert.Equal(t, []string{"reg.local"}, names.DNS())
	assert.Equal(t, []net.IP{{10, 0, 0, 1}, net.ParseIP("2001:db8::1")}, names.IPs())
	assert.Equal(t, []*url.URL{{Scheme: "spiffe", Host: "prod", Path: "/x"}}, names.URIs())
	assert.Equal(t, []string{"ops@reg.local"}, names.Emails())
	assert.Equal(t, []string{"DNS:reg.local", "IP:10.0.0.1", "IP:2001:db8::1", "URI:spiffe://prod/x", "email:ops@reg.local"}, names.Strings())
	assert.Equal(t, "name", NameKind(0).String())
}

func TestCommonName(t *testing.T) {
	long := strings.Repeat("a", 60) + ".example.com"
	exact := strings.Repeat("b", 56) + ".example"
	require.Len(t, exact, 64)
	assert.Equal(t, "10.0.0.1", mustNames(t, "10.0.0.1", "reg.local").CommonName(), "the first name")
	assert.Equal(t, "reg.local", mustNames(t, long, "reg.local").CommonName(), "the first that fits")
	assert.Equal(t, exact, mustNames(t, exact).CommonName(), "64 characters fit")
	assert.Equal(t, "", mustNames(t, long).CommonName(), "none fits")
	assert.Equal(t, "", Names(nil).CommonName())
}

func TestNamesOfKeepsTheCertificatesOrder(t *testing.T) {
	value, err := asn1.Marshal([]asn1.RawValue{
		{Class: asn1.ClassContextSpecific, Tag: 7, Bytes: []byte{10, 0, 0, 1}},
		{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("b.local")},
		{Class: asn1.ClassContextSpecific, Tag: 8, Bytes: []byte{42, 3}}, // a registered ID, which is passed over
		{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte("spiffe://prod/x")},
		{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("A.local")},
		{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte("ops@reg.local")},
		{Class: asn1.ClassContextSpecific, Tag: 7, Bytes: net.ParseIP("10.0.0.2")}, // mapped, in 16 bytes
	})
	require.NoError(t, err)
	san := []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}}
	want := []string{"IP:10.0.0.1", "DNS:b.local", "URI:spiffe://prod/x", "DNS:A.local", "email:ops@reg.local", "IP:::ffff:10.0.0.2"}

	template := nameTemplate(nil)
	template.ExtraExtensions = san
	der, err := x509.CreateCertificate(rand.Reader, template, template, nameTestKey.Public(), nameTestKey)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	assert.Equal(t, want, NamesOf(c).Strings(), "as found, not made canonical")

	der, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{ExtraExtensions: san}, nameTestKey)
	require.NoError(t, err)
	r, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	assert.Equal(t, want, NamesOfCSR(r).Strings())

	names, remarks, err := NamesOf(c).Canonical()
	require.NoError(t, err)
	assert.Equal(t, []string{"IP:10.0.0.1", "DNS:b.local", "URI:spiffe://prod/x", "DNS:a.local", "email:ops@reg.local", "IP:10.0.0.2"}, names.Strings())
	assert.Len(t, remarks, 2)
}

func TestNamesOfTemplate(t *testing.T) {
	template := &x509.Certificate{DNSNames: []string{"reg.local"}, IPAddresses: []net.IP{net.ParseIP("10.0.0.1")}}
	assert.Equal(t, []string{"DNS:reg.local", "IP:10.0.0.1"}, NamesOf(template).Strings())
	assert.Empty(t, NamesOf(&x509.Certificate{}))
	broken := &x509.Certificate{
		DNSNames:   []string{"reg.local"},
		Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{0x30, 0x05, 0x82}}},
	}
	assert.Equal(t, []string{"DNS:reg.local"}, NamesOf(broken).Strings())
}

func TestCanonicalRefusesWhatMustNotBeCarriedOn(t *testing.T) {
	_, _, err := Names{{DNS, "10.0.0.1"}, {DNS, "reg.local"}, {DNS, "r*.x.y"}}.Canonical()
	assert.ErrorContains(t, err, "use --ip")
	assert.ErrorContains(t, err, "Go and GnuTLS")
}

func TestCoversAsGoDoes(t *testing.T) {
	sets := []Names{
		mustNames(t, "reg.local", "10.0.0.1", "*.apps.example.com"),
		mustNames(t, "my_reg.local", "2001:db8::1", "fe80::1"),
		mustNames(t, "bücher.example", "*.xn--bcher-kva.example"),
		mustNames(t, "ops@reg.local", "spiffe://reg.local/x"),
		nil,
		// As found in certificates, not made by ParseName.
		{{DNS, "*.com"}, {DNS, "r*.example.com"}, {DNS, "*"}, {DNS, "a.*.b"}, {DNS, "REG.local."}},
		{{DNS, "10.0.0.1"}, {DNS, " x"}, {DNS, "-a.b"}, {IP, "::ffff:10.0.0.9"}},
	}
	hosts := []string{
		"reg.local", "REG.local", "reg.local.", "reg.local..", "x.reg.local", "reg", "",
		"10.0.0.1", "[10.0.0.1]", "10.0.0.1.", "010.0.0.1", "::ffff:10.0.0.1", "10.0.0.9", "10.0.0.1:5000",
		"2001:db8::1", "[2001:db8::1]", "2001:DB8:0::1", "fe80::1", "fe80::1%eth0", "[fe80::1%eth0]",
		"a.apps.example.com", "a.b.apps.example.com", "apps.example.com", "*.apps.example.com", "-a.apps.example.com",
		"my_reg.local", "xn--bcher-kva.example", "bücher.example", "a.xn--bcher-kva.example",
		"x.com", "reg.example.com", "r*.example.com", "*", "a.*.b", "a.x.b", " x", "-a.b", "ops@reg.local", ".", "a..b",
	}
	for _, names := range sets {
		c := certify(t, names)
		for _, host := range hosts {
			assert.Equal(t, c.VerifyHostname(host) == nil, names.Covers(host), "%s covers %q", names.Strings(), host)
		}
	}
	assert.True(t, sets[1].Covers("fe80::1"))
	assert.False(t, sets[1].Covers("[fe80::1%eth0]"), "the remark about zones is true")
}

// randomNames makes up names of every kind, in forms that are not canonical too.
func randomNames(rnd *mathrand.Rand) []string {
	label := func() string {
		alphabets := []string{"abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghij-ABC", "äöüßéñçøå", "日本語例中文", "абвгдежз", "αβγδε"}
		letters := []rune(alphabets[rnd.IntN(len(alphabets))])
		runes := make([]rune, 1+rnd.IntN(12))
		for i := range runes {
			runes[i] = letters[rnd.IntN(len(letters))]
		}
		return "x" + string(runes) + "z"
	}
	host := func() string {
		labels := make([]string, 1+rnd.IntN(5))
		for i := range labels {
			labels[i] = label()
		}
		return strings.Join(labels, ".")
	}
	v4 := func() string {
		u := rnd.Uint32()
		return netip.AddrFrom4([4]byte{byte(u >> 24), byte(u >> 16), byte(u >> 8), byte(u)}).String()
	}
	texts := make([]string, 1+rnd.IntN(20))
	for i := range texts {
		switch rnd.IntN(9) {
		case 0:
			texts[i] = v4()
		case 1:
			texts[i] = "::ffff:" + v4()
		case 2:
			var raw [16]byte
			for j := range raw {
				raw[j] = byte(rnd.Uint32()) * byte(rnd.IntN(2))
			}
			texts[i] = netip.AddrFrom16(raw).String()
		case 3:
			texts[i] = "*." + host() + "." + label()
		case 4:
			texts[i] = fmt.Sprintf("https://%s:%d/v2/", host(), 1+rnd.IntN(65535))
		case 5:
			texts[i] = "spiffe://" + host() + "/ns/" + label()
		case 6:
			texts[i] = "ops@" + host()
		default:
			texts[i] = host()
		}
	}
	return texts
}

// The house's promise: whatever the names, the certificate has one
// subjectAltName extension and holds those names, no other.
func TestNamesSurviveACertificate(t *testing.T) {
	rnd := mathrand.New(mathrand.NewPCG(1, 2))
	for range 300 {
		texts := randomNames(rnd)
		names, _, err := ParseNames(0, texts)
		require.NoError(t, err, "%q", texts)

		c := certify(t, names)
		require.Equal(t, 1, extensionsWithSAN(c.Extensions), "%q", texts)
		require.ElementsMatch(t, names, NamesOf(c), "%q", texts)

		again, remarks, err := NamesOf(c).Canonical()
		require.NoError(t, err)
		for _, remark := range remarks {
			require.NotContains(t, remark, "read \"", "what crpki writes needs no change")
		}
		require.ElementsMatch(t, names, again)

		for _, n := range names {
			host := n.Value
			if n.Kind == URI || n.Kind == Email {
				continue
			}
			host = strings.Replace(host, "*", "any", 1)
			require.True(t, names.Covers(host), "%s", host)
			require.NoError(t, c.VerifyHostname(host))
		}
	}
}

// FuzzParseName holds the parser to its promises: it does not panic; what it
// returns is canonical, is what clients take it for, and fits a certificate.
func FuzzParseName(f *testing.F) {
	for _, seed := range []string{
		"10.96.0.50", "::ffff:10.0.0.1", "fe80::1%eth0", "[::1]:5000", "2001:db8::1:5000", "010.0.0.1", "0x7f.1", "10.0.0.1.", "１０.０.０.１",
		"https://user:pw@REG.local:5000/v2/?q#f", "oci://reg/x", "10.96.0.50/hello-world:latest", "reg.local/x@sha256:abc", "10.0.0.0/8",
		"*.example.com", "*.*.a.b", "r*.a.b", "bücher.example", "xn--bcher-kva.example", "xn--a", "אבג.ישראל", "a\u200cb.c", "ｒｅｇ．local", "my_reg",
		"spiffe://prod/a%20b?x=é#y", "URI:https://[::1]:443/", "urn:uuid:1", "ldap://u@h:1/", "ops@Bücher.Example", "mailto:a@b",
		"IP Address: 10.0.0.1", "DNS:reg", "email:a@b", "uri:x://y", "reg.local.", "\x00", "\xff", ",", "%", "[", "//", "@", ":", "*",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, remarks, err := ParseName(text)
		if err != nil {
			if n != (Name{}) || err.Error() == "" {
				t.Fatalf("%q: %v together with %v", text, n, err)
			}
			return
		}
		for _, s := range append(remarks, n.Value) {
			if s == "" || strings.ContainsAny(s, "\x00\r\n\x1b") {
				t.Fatalf("%q: unprintable %q", text, s)
			}
		}
		again, remarks, err := ParseName(n.String())
		if err != nil || again != n {
			t.Fatalf("%q became %s, which becomes %s (%v)", text, n, again, err)
		}
		for _, r := range remarks {
			if strings.HasPrefix(r, "read \"") {
				t.Fatalf("%q became %s, in which there is still something to change: %s", text, n, r)
			}
		}
		if n.Kind == DNS {
			if _, err := netip.ParseAddr(n.Value); err == nil || net.ParseIP(n.Value) != nil {
				t.Fatalf("%q became the DNS name %s, an address", text, n)
			}
			if _, ok := legacyIPv4(n.Value); ok {
				t.Fatalf("%q became the DNS name %s, an address to inet_aton", text, n)
			}
		}
		names := Names{n}
		c := certify(t, names)
		if found := NamesOf(c); len(found) != 1 || found[0] != n {
			t.Fatalf("%q became %s, in a certificate %s", text, n, found)
		}
		if n.Kind == DNS || n.Kind == IP {
			host := strings.Replace(n.Value, "*", "any", 1)
			if err := c.VerifyHostname(host); err != nil {
				t.Fatalf("%q became %s, and a client that dials it says %v", text, n, err)
			}
		}
	})
}
