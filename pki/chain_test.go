package pki

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var chainNow = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// testCert says what certificate to make. Keys are made from their names, so
// "same key" is written as the same name.
type testCert struct {
	subject, key string
	// issuer and its key; empty: self-signed.
	issuer, signer string
	leaf           bool
	noKeyIDs       bool
	notAfter       time.Time
	dns            string
	subjectBytes   []byte
}

func testKey(name string) ed25519.PrivateKey {
	seed := bytes.Repeat([]byte{0}, ed25519.SeedSize)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed)
}

func (s testCert) make(t testing.TB) *x509.Certificate {
	t.Helper()
	if s.issuer == "" {
		s.issuer = s.subject
	}
	if s.signer == "" {
		s.signer = s.key
	}
	if s.notAfter.IsZero() {
		s.notAfter = chainNow.AddDate(1, 0, 0)
	}
	name := func(cn string) pkix.Name { return pkix.Name{CommonName: cn} }
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name(s.subject), RawSubject: s.subjectBytes,
		NotBefore: chainNow.AddDate(-1, 0, 0), NotAfter: s.notAfter,
		BasicConstraintsValid: true, IsCA: !s.leaf,
	}
	if s.dns != "" {
		c.DNSNames = []string{s.dns}
	}
	parent := &x509.Certificate{Subject: name(s.issuer), SubjectKeyId: []byte("id of " + s.signer)}
	c.SubjectKeyId = []byte("id of " + s.key)
	if s.noKeyIDs {
		c.SubjectKeyId, parent.SubjectKeyId = nil, nil
	}
	der, err := x509.CreateCertificate(nil, c, parent, testKey(s.key).Public(), testKey(s.signer))
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return parsed
}

// heap makes certificates that are called a#1, a#2 and so on.
func makeHeap(t testing.TB, specs ...testCert) []Cert {
	var certs []Cert
	for _, s := range specs {
		certs = append(certs, NewCert(Origin{Source: "a", Index: len(certs) + 1}, s.make(t).Raw))
	}
	return certs
}

// show writes a chain as "leaf < intermediate < [root]" by the block numbers.
func show(c Chain) string {
	var parts []string
	for _, x := range c.Served() {
		parts = append(parts, fmt.Sprint(x.Origin.Index))
	}
	if c.Root != nil {
		parts = append(parts, fmt.Sprintf("[%d]", c.Root.Origin.Index))
	}
	return strings.Join(parts, " < ")
}

func showRest(c Chain) string {
	var parts []string
	for _, u := range c.Rest {
		text := fmt.Sprintf("%d %s", u.Cert.Origin.Index, u.Reason)
		if u.Of.Index > 0 {
			text += fmt.Sprintf(" of %d", u.Of.Index)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func TestOrderChain(t *testing.T) {
	var (
		root  = testCert{subject: "Root", key: "root"}
		root2 = testCert{subject: "Root 2", key: "root2"}
		inter = testCert{subject: "CA", key: "ca", issuer: "Root", signer: "root"}
		leaf  = testCert{subject: "leaf", key: "leaf", issuer: "CA", signer: "ca", leaf: true}
		other = testCert{subject: "other", key: "other", issuer: "CA", signer: "ca", leaf: true}

		expired = func(s testCert) testCert { s.notAfter = chainNow.AddDate(0, 0, -1); return s }
		noIDs   = func(s testCert) testCert { s.noKeyIDs = true; return s }
		by      = func(s testCert, issuer, signer string) testCert { s.issuer, s.signer = issuer, signer; return s }
	)
	broken := NewCert(Origin{Source: "a", Index: 99}, []byte{0x30, 0})
	tests := []struct {
		name  string
		certs []testCert
		extra []Cert
		opt   ChainOptions

		want, rest, err string
	}{
		{name: "in order", certs: []testCert{leaf, inter, root}, want: "1 < 2 < [3]"},
		{name: "reversed", certs: []testCert{root, inter, leaf}, want: "3 < 2 < [1]"},
		{name: "without the root", certs: []testCert{inter, leaf}, want: "2 < 1"},
		{name: "without key identifiers", certs: []testCert{noIDs(root), noIDs(inter), noIDs(leaf)}, want: "3 < 2 < [1]"},
		{name: "a leaf that is its own root", certs: []testCert{{subject: "self", key: "self", leaf: true}}, want: "1"},
		{name: "a server certificate that says CA:TRUE", certs: []testCert{{subject: "self", key: "self"}}, want: "1"},
		{name: "a CA's own chain", certs: []testCert{root, inter}, want: "2 < [1]"},
		{
			name: "duplicates", certs: []testCert{leaf, root, inter, leaf, inter, root},
			want: "1 < 3 < [2]", rest: "4 a duplicate of 1; 5 a duplicate of 3; 6 a duplicate of 2",
		},
		{
			name: "unrelated certificates", certs: []testCert{root2, leaf, inter, root},
			want: "2 < 3 < [4]", rest: "1 not related to the leaf",
		},
		{
			name: "an unreadable block beside", certs: []testCert{leaf, inter, root}, extra: []Cert{broken},
			want: "1 < 2 < [3]", rest: "99 unreadable",
		},
		{
			name: "two leaves", certs: []testCert{leaf, other, inter, root},
			err: "2 certificates could be the leaf: CN=leaf (a#1), CN=other (a#2)",
		},
		{
			name: "two leaves, one asked for", certs: []testCert{leaf, other, inter, root},
			opt:  ChainOptions{Leaf: func(c *x509.Certificate) bool { return c.Subject.CommonName == "other" }},
			want: "2 < 3 < [4]", rest: "1 another leaf",
		},
		{
			name: "a leaf asked for that is not there", certs: []testCert{leaf, inter},
			opt: ChainOptions{Leaf: func(*x509.Certificate) bool { return false }},
			err: "none of the 2 certificates is the leaf asked for",
		},
		{
			name: "the leaf was renewed with the same key", certs: []testCert{expired(leaf), leaf, inter, root},
			opt:  ChainOptions{Now: chainNow},
			want: "2 < 3 < [4]", rest: "1 another certificate for the same name and key of 2",
		},
		{
			name:  "the same subject and key for other names are two leaves",
			certs: []testCert{{subject: "x", key: "x", issuer: "CA", signer: "ca", leaf: true, dns: "a"}, {subject: "x", key: "x", issuer: "CA", signer: "ca", leaf: true, dns: "b"}, inter, root},
			err:   "2 certificates could be the leaf: CN=x (a#1), CN=x (a#2)",
		},
		{
			name: "a trust store has no leaf", certs: []testCert{root, root2},
			err: "2 certificates could be the leaf: CN=Root (a#1), CN=Root 2 (a#2)",
		},
		{
			name: "cross-signed, one root given", certs: []testCert{by(inter, "Gone", "gone"), inter, leaf, root},
			want: "3 < 2 < [4]", rest: "1 another certificate for the same name and key of 2",
		},
		{
			name: "cross-signed, one root expired", certs: []testCert{inter, by(inter, "Root 2", "root2"), leaf, expired(root), root2},
			opt:  ChainOptions{Now: chainNow},
			want: "3 < 2 < [5]", rest: "1 another certificate for the same name and key of 2; 4 on another path to a root",
		},
		{
			name:  "cross-signed root: the shorter way",
			certs: []testCert{by(root, "Root 2", "root2"), root2, inter, leaf, root},
			want:  "4 < 3 < [5]", rest: "1 another certificate for the same name and key of 5; 2 on another path to a root",
		},
		{
			name: "cross-signed, no way valid: still in order", certs: []testCert{expired(leaf), expired(inter), expired(root)},
			opt: ChainOptions{Now: chainNow}, want: "1 < 2 < [3]",
		},
		{
			name:  "the CA was renewed with the same key: the one that ends last",
			certs: []testCert{leaf, inter, {subject: "CA", key: "ca", issuer: "Root", signer: "root", notAfter: chainNow.AddDate(5, 0, 0)}, root},
			want:  "1 < 3 < [4]", rest: "2 another certificate for the same name and key of 3",
		},
		{
			name:  "two CAs of the same name, told apart by their keys",
			certs: []testCert{noIDs(testCert{subject: "CA", key: "old", issuer: "Root", signer: "root"}), noIDs(inter), noIDs(leaf), noIDs(root)},
			want:  "3 < 2 < [4]", rest: "1 not related to the leaf",
		},
		{
			name: "leaf and CA of the same name", certs: []testCert{{subject: "CA", key: "leaf", issuer: "CA", signer: "ca", leaf: true}, inter, root},
			want: "1 < 2 < [3]",
		},
		{
			name: "the intermediate is missing", certs: []testCert{leaf, root},
			want: "1", rest: "2 not related to the leaf",
			err: "issuer CN=CA of a#1 is not among the 2 certificates",
		},
		{
			name: "an upper intermediate is missing", certs: []testCert{leaf, by(inter, "Upper", "upper"), root},
			want: "1 < 2", rest: "3 not related to the leaf",
			err: "issuer CN=Upper of a#2 is not among the 3 certificates",
		},
		{
			name: "a leaf alone", certs: []testCert{leaf},
			want: "1", err: "issuer CN=CA of a#1 is missing: no other certificate is given",
		},
		{
			name: "the CA was made anew", certs: []testCert{leaf, {subject: "CA", key: "new"}},
			want: "1", rest: "2 not related to the leaf",
			err: "issuer CN=CA of a#1 is not among the 2 certificates: a#2 has that name, but another key (a CA made anew?)",
		},
		{
			name: "the CA's name is encoded in another way", certs: []testCert{leaf, {subject: "CA", subjectBytes: utf8Name(t, "CA"), key: "ca", issuer: "Root", signer: "root"}},
			want: "1", rest: "2 not related to the leaf",
			err: "issuer CN=CA of a#1 is not among the 2 certificates: the name of a#2 reads the same, but is encoded in another way, which Go's clients do not accept",
		},
		{
			name: "the issuer may be the unreadable one", certs: []testCert{leaf}, extra: []Cert{broken},
			want: "1", rest: "99 unreadable",
			err: "issuer CN=CA of a#1 is not among the 2 certificates, unless it is one that cannot be read: a#99 (x509: malformed tbs certificate)",
		},
		{
			name: "a circle", certs: []testCert{by(root, "Root 2", "root2"), by(root2, "Root", "root")},
			err: "none of the 2 certificates is a leaf: they sign each other in a circle",
		},
		{
			name: "a circle above the leaf", certs: []testCert{by(leaf, "Root", "root"), by(root, "Root 2", "root2"), by(root2, "Root", "root")},
			want: "1 < 2 < 3", err: "issuer CN=Root of a#3 is below it already: the certificates sign each other in a circle",
		},
		{
			name: "a circle with a way out", certs: []testCert{by(leaf, "Root", "root"), by(root, "Root 2", "root2"), by(root2, "Root", "root"), root2},
			want: "1 < 2 < [4]", rest: "3 another certificate for the same name and key of 4",
		},
		{
			name: "a root that belongs to another leaf is no gap", certs: []testCert{leaf, inter, root2, by(other, "Root 2", "root2")},
			opt:  ChainOptions{Leaf: func(c *x509.Certificate) bool { return c.Subject.CommonName == "leaf" }},
			want: "1 < 2", rest: "3 not related to the leaf; 4 another leaf",
		},
		{name: "nothing", err: "there is no certificate to put in order"},
		{name: "nothing readable", extra: []Cert{broken}, err: "none of the certificates can be read: a#99 (x509: malformed tbs certificate)"},
		{
			name: "a name that is no plain text", certs: []testCert{{subject: "x", key: "x", issuer: "evil\x1b[31m\ncrpki: fine", signer: "y", leaf: true}},
			want: "1", err: `issuer CN=evil\x1b[31m\ncrpki: fine of a#1 is missing: no other certificate is given`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chain, err := tt.opt.Order(append(makeHeap(t, tt.certs...), tt.extra...))
			if tt.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tt.err)
			}
			if tt.want == "" {
				assert.Zero(t, chain)
				return
			}
			assert.Equal(t, tt.want, show(chain))
			assert.Equal(t, tt.rest, showRest(chain))
		})
	}
}

// utf8Name is a name whose text is a UTF8String, where Go writes a
// PrintableString.
func utf8Name(t testing.TB, cn string) []byte {
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value string `asn1:"utf8"`
	}
	der, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassUniversal, Tag: asn1.TagSet, IsCompound: true, Bytes: func() []byte {
		der, err := asn1.Marshal(attribute{asn1.ObjectIdentifier{2, 5, 4, 3}, cn})
		require.NoError(t, err)
		return der
	}()}})
	require.NoError(t, err)
	return der
}

// Whatever the order of the heap, the chain is the same.
func TestOrderChainAnyOrder(t *testing.T) {
	certs := makeHeap(t,
		testCert{subject: "leaf", key: "leaf", issuer: "CA 3", signer: "ca3", leaf: true},
		testCert{subject: "CA 3", key: "ca3", issuer: "CA 2", signer: "ca2"},
		testCert{subject: "CA 2", key: "ca2", issuer: "CA 1", signer: "ca1"},
		testCert{subject: "CA 1", key: "ca1", issuer: "Root", signer: "root"},
		testCert{subject: "Root", key: "root"},
		testCert{subject: "CA 1", key: "ca1", issuer: "Old Root", signer: "old", notAfter: chainNow.AddDate(-1, 0, 1)},
		testCert{subject: "Old Root", key: "old"},
	)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		rng.Shuffle(len(certs), func(i, j int) { certs[i], certs[j] = certs[j], certs[i] })
		chain, err := ChainOptions{Now: chainNow}.Order(certs)
		require.NoError(t, err)
		require.Equal(t, "1 < 2 < 3 < 4 < [5]", show(chain))
		require.Len(t, chain.Rest, 2)
	}
}

func TestLinks(t *testing.T) {
	certs := makeHeap(t,
		testCert{subject: "leaf", key: "leaf", issuer: "CA", signer: "ca", leaf: true},
		testCert{subject: "CA", key: "ca", issuer: "Root", signer: "root"},
		testCert{subject: "CA", key: "ca", issuer: "Gone", signer: "gone"},
		testCert{subject: "Root", key: "root"},
		testCert{subject: "late", key: "late", issuer: "Root", signer: "old root", leaf: true},
	)
	certs = append(certs, NewCert(Origin{}, []byte("junk")))
	assert.Equal(t, []Link{
		{Issuers: []int{1, 2}},
		{Issuers: []int{3}},
		{},
		{Issuers: []int{3}, SelfSigned: true},
		{Namesakes: []int{3}},
		{},
	}, Links(certs))

	assert.True(t, Issued(certs[1].X509, certs[0].X509))
	assert.True(t, Issued(certs[3].X509, certs[3].X509))
	assert.False(t, Issued(certs[3].X509, certs[4].X509), "the name fits, the key does not")
	assert.False(t, Issued(certs[3].X509, certs[0].X509))
	assert.True(t, SelfIssued(certs[3].X509))
	assert.False(t, SelfIssued(certs[0].X509))
}

// Repeated certificates have the links of the first, and cost no check.
func TestLinksOfRepeated(t *testing.T) {
	certs := makeHeap(t,
		testCert{subject: "leaf", key: "leaf", issuer: "CA", signer: "ca", leaf: true},
		testCert{subject: "CA", key: "ca"},
	)
	once := newGraph(certs).budget - 2*len(certs)
	for range 10 {
		certs = append(certs, certs[:2]...)
	}
	g := newGraph(certs)
	assert.Equal(t, once, g.budget-2*len(certs))
	links := Links(certs)
	assert.Equal(t, links[0], links[20])
	assert.Equal(t, links[1], links[21])
	assert.Len(t, g.own[1].signed, 11)
}

// A signature that Go does not verify is told by the key identifiers, and said
// to be unchecked.
func TestLinksUnchecked(t *testing.T) {
	certs := makeHeap(t,
		testCert{subject: "leaf", key: "leaf", issuer: "CA", signer: "ca", leaf: true},
		testCert{subject: "CA", key: "other"},
		testCert{subject: "CA", key: "ca"},
	)
	certs[0].X509.SignatureAlgorithm = x509.MD5WithRSA
	assert.Equal(t, Link{Issuers: []int{2}, Unchecked: true}, Links(certs)[0])
	chain, err := OrderChain(certs)
	require.NoError(t, err)
	assert.Equal(t, "1 < [3]", show(chain))
	assert.Equal(t, []Cert{certs[0]}, chain.Unchecked)

	t.Run("a modulus of a million bits is not tried", func(t *testing.T) {
		certs[2].X509.PublicKey = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1<<20), E: 3}
		certs[0].X509.SignatureAlgorithm = x509.SHA256WithRSA
		assert.Equal(t, Link{Issuers: []int{2}, Unchecked: true}, Links(certs)[0])
	})
}

// Time must grow with the number of certificates, not with its square.
func TestOrderChainLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 12,000 certificates")
	}
	const n = 3_000
	build := func(t *testing.T, spec func(i int) testCert) []Cert {
		certs := makeHeap(t,
			testCert{subject: "leaf", key: "leaf", issuer: "CA", signer: "ca", leaf: true},
			testCert{subject: "CA", key: "ca", issuer: "Root", signer: "root"},
			testCert{subject: "Root", key: "root"})
		for i := range n {
			certs = append(certs, makeHeap(t, spec(i))...)
		}
		return certs
	}
	isLeaf := func(c *x509.Certificate) bool { return c.Subject.CommonName == "leaf" }
	for name, spec := range map[string]func(i int) testCert{
		"siblings": func(i int) testCert {
			return testCert{subject: fmt.Sprint("s", i), key: "sibling", issuer: "CA", signer: "ca", leaf: true}
		},
		"a long chain": func(i int) testCert {
			return testCert{subject: fmt.Sprint("c", i), key: fmt.Sprint("c", i), issuer: fmt.Sprint("c", i+1), signer: fmt.Sprint("c", i+1)}
		},
		"CAs of the same name without key identifiers": func(i int) testCert {
			return testCert{subject: "CA", key: fmt.Sprint("k", i), issuer: "CA", signer: "nobody", noKeyIDs: true}
		},
		"renewals of the same CA": func(i int) testCert {
			return testCert{subject: "CA", key: "ca", issuer: "Root", signer: "root", notAfter: chainNow.AddDate(0, 0, -i)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			certs := build(t, spec)
			start := time.Now()
			chain, err := ChainOptions{Now: chainNow, Leaf: isLeaf}.Order(certs)
			took := time.Since(start)
			require.NoError(t, err)
			assert.Equal(t, "1 < 2 < [3]", show(chain))
			assert.Len(t, chain.Rest, n)
			// 9,000 signature checks take about half a second; their square, an hour.
			assert.Less(t, took, time.Minute)
			t.Log(took)
		})
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"CN=reg.local, O=Größe 例え": "CN=reg.local, O=Größe 例え",
		"a\x1b[31mb":               `a\x1b[31mb`,
		"a\nb\tc\rd\x00":           `a\nb\tc\rd\x00`,
		"evil\u202egnp.exe":        `evil\u202egnp.exe`,
		"\xff\xc3":                 `\xff\xc3`,
		"a\u00a0b\u200b":           `a\u00a0b\u200b`,
		"\U000e0041":               `\U000e0041`,
		`back\slash`:               `back\slash`,
	} {
		assert.Equal(t, want, Printable(in))
	}
}

// Any web of signatures comes out in order: what is served is a chain, and
// nothing gets lost.
func FuzzOrderChain(f *testing.F) {
	f.Add([]byte{0x12, 0x22, 0x21, 0x11, 0x83})
	f.Add([]byte{0x01, 0x12, 0x20})
	made := map[byte]*x509.Certificate{}
	f.Fuzz(func(t *testing.T, recipe []byte) {
		var certs []Cert
		for i, b := range recipe[:min(len(recipe), 40)] {
			if made[b] == nil {
				subject, signer := fmt.Sprint(b&3), fmt.Sprint(b>>2&3)
				made[b] = testCert{
					subject: subject, key: subject, issuer: signer, signer: signer, leaf: b&64 != 0, noKeyIDs: b&128 != 0,
					notAfter: chainNow.AddDate(int(b>>4&3)-1, 0, 0),
				}.make(t)
			}
			certs = append(certs, NewCert(Origin{Source: "a", Index: i + 1}, made[b].Raw))
		}
		chain, err := ChainOptions{Now: chainNow}.Order(certs)
		if chain.Leaf.X509 == nil {
			require.Error(t, err)
			return
		}
		line := chain.Served()
		if chain.Root != nil {
			line = append(line, *chain.Root)
			assert.True(t, Issued(chain.Root.X509, chain.Root.X509))
		}
		for i := range line[1:] {
			assert.True(t, Issued(line[i+1].X509, line[i].X509))
		}
		assert.Len(t, chain.Rest, len(certs)-len(line))
	})
}
