package view

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crpki/crpki/pki"
)

func TestDuration(t *testing.T) {
	const day = secondsPerDay
	tests := []struct {
		seconds int64
		want    string
	}{
		{0, "0 seconds"},
		{1, "1 second"},
		{119, "119 seconds"},
		{120, "2 minutes"},
		{7199, "119 minutes"},
		{7200, "2 hours"},
		{2*day - 1, "47 hours"},
		{2 * day, "2 days"},
		{3*365*day - 1, "1094 days"},
		{3 * 365 * day, "1095 days (3 years)"},
		{3652 * day, "3652 days (10 years)"},
		{3468 * day, "3468 days (9 years)"},
		{2912000 * day, "2912000 days (7973 years)"},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, duration(tt.seconds))
	}
}

// TestValidity holds that both ends of the validity belong to it (RFC 5280,
// 4.1.2.5) and that days are counted towards zero.
func TestValidity(t *testing.T) {
	utc := func(text string) derTime { return derTime{asn1.UTCTime, text} }
	general := func(text string) derTime { return derTime{asn1.GeneralizedTime, text} }
	tests := []struct {
		name     string
		from, to derTime
		state    State
		days     int64
		seconds  int64
	}{
		{"in the middle", utc("260101000000Z"), utc("270101000000Z"), Valid, 199, 199*secondsPerDay + 43200},
		{"the first second", utc("260615120000Z"), utc("260616120000Z"), Valid, 1, 86400},
		{"the last second", utc("260101000000Z"), utc("260615120000Z"), Valid, 0, 0},
		{"a second too late", utc("260101000000Z"), utc("260615115959Z"), Expired, 0, -1},
		{"a day and more too late", utc("260101000000Z"), utc("260614115959Z"), Expired, -1, -86401},
		{"a second too early", utc("260615120001Z"), utc("260615120002Z"), NotYetValid, 0, 2},
		{"the last century", utc("500101000000Z"), utc("991231235959Z"), Expired, -9662, -834840001},
		{"the end of time", general("20260101000000Z"), general("99991231235959Z"), Valid, 2912277, 251620775999},
		{"with an offset, which RFC 5280 forbids", utc("260101000000Z"), utc("260615130000+0100"), Valid, 0, 0},
		{"no time", utc("260101000000Z"), utc("never"), Unknown, 0, 0},
		{"no such day", utc("260101000000Z"), utc("260231000000Z"), Unknown, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := describeValidity(tt.from, tt.to, now)
			assert.Equal(t, tt.state, v.State)
			assert.Equal(t, tt.days, v.DaysLeft)
			assert.Equal(t, tt.seconds, v.SecondsLeft)
		})
	}
	fraction := describeValidity(utc("260101000000Z"), utc("260615120000Z"), now.Add(time.Millisecond))
	assert.Equal(t, Expired, fraction.State)
}

func TestWrap(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"fits", "one two", []string{"one two"}},
		{"as much as fits", "one two three four", []string{"one two", "three four"}},
		{"a word that is too long", "a 0123456789abcdef b", []string{"a", "0123456789abcdef", "b"}},
		{"characters, not bytes", "äöüäöü ßßß x", []string{"äöüäöü ßßß", "x"}},
		{"nothing", "", []string{""}},
		{"blanks stay", "a  b", []string{"a  b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, wrapWords(tt.text, 10))
		})
	}
}

func TestEscapedValues(t *testing.T) {
	// RFC 4514, 2.4
	for text, want := range map[string]string{
		"plain": "plain", "a,b": `a\,b`, `a"b\c`: `a\"b\\c`, "a+b;c<d>e": `a\+b\;c\<d\>e`, "#1": `\#1`, "a#1": "a#1",
		" a ": `\ a\ `, " ": `\ `, "a\x00b": `a\00b`, "": "",
	} {
		assert.Equal(t, want, escapeValue(text))
	}
}

func TestObjectIdentifiers(t *testing.T) {
	tests := []struct {
		name, content, want string
	}{
		{"of the first kind", "\x2a\x86\x48\x86\xf7\x0d", "1.2.840.113549"},
		{"zero", "\x00", "0.0"},
		{"below 2, beyond 40", "\x88\x37", "2.999"},
		{"larger than 64 bits", "\x69\x83\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "2.25.4722366482869645213695"},
		{"cut off", "\x2a\x86", ""},
		{"nothing", "", ""},
		{"longer than any real one", string(bytes.Repeat([]byte{1}, maxOID+1)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, oidText([]byte(tt.content)))
		})
	}
}

func TestTextInJSON(t *testing.T) {
	for text, want := range map[string]string{
		"plain":         `"plain"`,
		"ä→€😀":          `"ä→€😀"`,
		"\x1b[31m\n\"":  `"\u001b[31m\n\""`,
		"\u202e\u200b":  `"\u202e\u200b"`,
		"\u009b\u00ad":  `"\u009b\u00ad"`,
		"\U000e0041":    `"\udb40\udc41"`,
		"bad \xff byte": `"bad \ufffd byte"`,
	} {
		got, err := json.Marshal(Text(text))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
		var back string
		require.NoError(t, json.Unmarshal(got, &back))
		assert.Equal(t, string(bytes.ToValidUTF8([]byte(text), []byte("\ufffd"))), back)
	}
}

func TestCommonFolder(t *testing.T) {
	tests := []struct {
		name    string
		sources []string
		want    string
	}{
		{"one source", []string{"a/b.pem", "a/b.pem"}, "a/b.pem"},
		{"one folder", []string{"a/b.pem", "a/c.pem"}, "a/"},
		{"a folder above", []string{"/x/a/b.pem", "/x/b/c.pem", "/x/d.pem"}, "/x/"},
		{"one begins like the other", []string{"a/b", "a/bc"}, "a/"},
		{"no folder", []string{"a.pem", "b.pem"}, ""},
		{"the root alone", []string{"/a.pem", "/b/c.pem"}, "/"},
		{"a file and standard input", []string{"-", "a/b.pem"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var certs []Certificate
			for _, s := range tt.sources {
				certs = append(certs, Certificate{Item: Item{Origin: Origin{Source: Text(s)}}})
			}
			assert.Equal(t, tt.want, commonFolder(certs))
		})
	}
}

// TestPKCS7 holds that the certificates of one block have IDs of their own.
func TestPKCS7(t *testing.T) {
	root := newRoot(t, "Root CA")
	leaf := newCert(t, server("reg.example.com"), edKey("reg"), &root)
	h := new(heap).cert("tls.p7b", leaf, root)
	h.Certs[1].Origin.Index = 1
	d := Describe(h.Material, now)
	assert.Equal(t, Text("tls.p7b#1.2"), d.Certificates[1].ID)
	assert.Equal(t, []Text{"tls.p7b#1.2"}, d.Certificates[0].Issuers)
}

// TestNoNulls holds that lists are lists in JSON, empty or not.
func TestNoNulls(t *testing.T) {
	for _, s := range stories() {
		data, err := json.Marshal(Describe(s.make(t), now))
		require.NoError(t, err)
		assert.NotContains(t, string(data), "null", s.name)
	}
}

// TestHeaps holds that what is shown grows with the input, not with its square.
func TestHeaps(t *testing.T) {
	root := newRoot(t, "Root CA")
	h := new(heap)
	for range 3000 {
		h.cert("heap.pem", root).key("heap.key", root.key)
	}
	d := Describe(h.Material, now)
	assert.Len(t, d.Keys[0].Certificates, maxIDs)
	assert.Len(t, d.Certificates[2999].Keys, maxIDs)
	assert.Equal(t, Text("heap.pem#1"), d.Certificates[2999].SameAs)
	assert.Less(t, len(textOf(t, d, TextOptions{})), 3000*1000)
}

// FuzzDescribe feeds anything in: no panic, nothing that drives a terminal, and
// JSON that can be read.
func FuzzDescribe(f *testing.F) {
	for _, s := range stories() {
		m := s.make(f)
		for _, c := range m.Certs {
			f.Add(c.Raw, []byte{})
		}
		for _, r := range m.CSRs {
			f.Add([]byte{}, r.Raw)
		}
	}
	f.Fuzz(func(t *testing.T, cert, csr []byte) {
		m := pki.Material{
			Certs: []pki.Cert{pki.NewCert(pki.Origin{Source: "a", Index: 1}, cert)},
			CSRs:  []pki.CSR{pki.NewCSR(pki.Origin{Source: "b", Index: 1}, csr)},
		}
		d := Describe(m, now)
		assertHarmless(t, textOf(t, d, TextOptions{Width: 40}))
		data, err := json.Marshal(d)
		require.NoError(t, err)
		assertHarmless(t, string(data))
		require.True(t, json.Valid(data))
		var b bytes.Buffer
		require.NoError(t, WriteOpenSSL(&b, m))
		assertHarmless(t, b.String())
		c := d.Certificates[0]
		for _, fault := range c.Faults {
			require.LessOrEqual(t, fault.Offset, len(cert))
		}
		if x := m.Certs[0].X509; x != nil {
			assert.Equal(t, x.NotAfter.UTC(), c.Validity.NotAfter)
			if x.Version == 3 { // of older ones Go does not read the extensions
				assert.Equal(t, x.IsCA, c.IsCA)
			}
			assert.Equal(t, x.Version, c.Version)
		}
	})
}
