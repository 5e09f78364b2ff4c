package format

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/crpki/crpki/pki"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goCerts are the certificates that Go's clients and servers read in data.
func goCerts(data []byte) (found []string) {
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return found
		}
		if _, err := x509.ParseCertificate(b.Bytes); err == nil && b.Type == "CERTIFICATE" && len(b.Headers) == 0 {
			found = append(found, string(b.Bytes))
		}
	}
}

func rawCerts(m pki.Material) (raws []string) {
	for _, c := range m.Certs {
		if c.X509 != nil {
			raws = append(raws, string(c.Raw))
		}
	}
	return raws
}

// Every way to spoil a file that is known to the reader is mended, or refused
// with a reason.
func TestRepairUndoesEveryMutation(t *testing.T) {
	// refused say why the file has to stay as it is.
	refused := map[string]string{
		"JSON of cfssl":                 "the value of a name",
		"text before BEGIN":             "value of a name in another document",
		"missing END, then a sentence":  "other text follows",
		"missing BEGIN":                 "END CERTIFICATE without a BEGIN",
		"wrong character":               `'*' is not base64`,
		"character missing":             "cut off",
		"DER cut off":                   "cut off",
		"text between BEGIN and END":    "not base64",
		"nothing between BEGIN and END": "the block is empty",
	}
	// stays are notes that are no fault of the PEM, or that say what was meant.
	stays := []string{
		NoteTextBefore, NoteTextBetween, NoteTextAfter, NoteCommentedOut, NoteMarkerInProse, NoteTrustedLabel,
		NoteTrailingBytes, NoteDER, NoteConcatenated,
	}
	w := newWorld(t)
	for _, c := range pemCases(w) {
		t.Run(c.name, func(t *testing.T) {
			r, err := Repair("x.pem", []byte(c.text), RepairOptions{})
			if why := refused[c.name]; why != "" {
				require.Error(t, err)
				assert.Contains(t, err.Error(), why)
				assert.Equal(t, c.text, string(r.After))
				return
			}
			require.NoError(t, err)
			was, _ := Decode("x.pem", []byte(c.text), Options{})
			is, err := Decode("x.pem", r.After, Options{})
			require.NoError(t, err)
			assert.Equal(t, rawCerts(was), rawCerts(is))
			for _, n := range is.Notes {
				if n.Rule != NoteSkippedByGo || !strings.Contains(c.name, "trusted") {
					assert.Contains(t, stays, n.Rule, n.Detail)
				}
			}
			if !strings.Contains(c.name, "DER") && !strings.Contains(c.name, "trusted") {
				assert.Equal(t, rawCerts(was), goCerts(r.After), "Go sees all of them")
			}
			assert.Equal(t, r.Changed(), !bytes.Equal(r.Before, r.After) || c.text != string(r.After))
			again, err := Repair("x.pem", r.After, RepairOptions{})
			require.NoError(t, err)
			assert.False(t, again.Changed(), "%v", again.Fixed)
		})
	}
}

func TestRepairOrdersAServedChain(t *testing.T) {
	w := newWorld(t)
	leaf, ca := string(EncodeCerts(w.leaf)), string(EncodeCerts(w.ca))
	key := pemBlock("PRIVATE KEY", pkcs8DER(t, w.leafKey))
	for _, c := range []struct {
		name, text, want string
		rules            []string
	}{
		{"root first", ca + leaf, leaf, []string{"chain-leaf-not-first", "chain-root-included"}},
		{"root last", leaf + ca, leaf, []string{"chain-root-included"}},
		{"twice", leaf + leaf, leaf, []string{"chain-duplicate"}},
		{"twice, and a root between", leaf + ca + leaf + ca, leaf, []string{"chain-duplicate", "chain-root-included"}},
		{"root alone", ca, ca, nil},
		{"leaf alone", leaf, leaf, nil},
		{"with its key between", ca + key + leaf, leaf + key, []string{"chain-leaf-not-first", "chain-root-included"}},
		{"comments stay", "# ours\n\n# CA\n" + ca + "# server\n" + leaf + "# end\n", "# ours\n\n# server\n" + leaf + "# CA\n# end\n", []string{"chain-leaf-not-first", "chain-root-included"}},
		{"with Windows line ends", strings.ReplaceAll(ca+leaf, "\n", "\r\n"), leaf, []string{NoteCRLF, "chain-leaf-not-first", "chain-root-included"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Repair("x.pem", []byte(c.text), RepairOptions{Served: true})
			require.NoError(t, err)
			assert.Equal(t, c.want, string(r.After))
			var got []string
			for _, n := range r.Fixed {
				got = append(got, n.Rule)
			}
			assert.Equal(t, c.rules, got)
		})
	}
}

// longChain is leaf, three intermediates and root.
func longChain(t testing.TB) []*x509.Certificate {
	t.Helper()
	w := newWorld(t)
	parent, signer := w.ca, w.caKey
	chain := []*x509.Certificate{w.ca}
	for i := range 4 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(100 + i)), Subject: pkix.Name{CommonName: fmt.Sprintf("level %d", i)},
			NotBefore: w.ca.NotBefore, NotAfter: w.ca.NotAfter, BasicConstraintsValid: true, IsCA: i < 3,
		}
		if i == 3 {
			c.DNSNames = []string{"reg.local"}
		}
		made, err := create(c, parent, key.Public(), signer)
		require.NoError(t, err)
		chain = slices.Insert(chain, 0, made)
		parent, signer = made, key
	}
	return chain
}

// mutations spoil a PEM file and leave its material whole.
var mutations = []struct {
	name  string
	spoil func(*mathrand.Rand, []string) []string
	whole func(string) string
}{
	{name: "shuffled", spoil: func(r *mathrand.Rand, b []string) []string {
		r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
		return b
	}},
	{name: "repeated", spoil: func(r *mathrand.Rand, b []string) []string { return append(b, b[r.IntN(len(b))]) }},
	{name: "indented body", spoil: eachBlock(func(s string) string { return strings.ReplaceAll(s, "\nM", "\n M") })},
	{name: "old label", spoil: eachBlock(func(s string) string { return strings.ReplaceAll(s, " CERT", " X509 CERT") })},
	{name: "lower case", spoil: eachBlock(func(s string) string { return strings.ReplaceAll(s, "BEGIN", "begin") })},
	{name: "four dashes", spoil: eachBlock(func(s string) string { return strings.TrimPrefix(s, "-") })},
	{name: "typographic dashes", spoil: eachBlock(func(s string) string { return strings.ReplaceAll(s, "-----END", "—————END") })},
	{name: "other width", spoil: eachBlock(func(s string) string {
		at := strings.Index(s, "\n") + 1
		return s[:at+20] + "\n" + s[at+20:]
	})},
	{name: "blank line", spoil: eachBlock(func(s string) string { return strings.Replace(s, "\n", "\n\n", 2) })},
	{name: "mark before each", spoil: eachBlock(func(s string) string { return byteOrderMark + s })},
	{name: "NUL before each", spoil: eachBlock(func(s string) string { return "\x00" + s })},
	{name: "trailing blanks", whole: func(s string) string { return strings.ReplaceAll(s, "\n", " \n") }},
	{name: "joined", whole: func(s string) string { return strings.ReplaceAll(s, "-----\n-----", "----------") }},
	{name: "Windows", whole: func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }},
	{name: "Mac", whole: func(s string) string { return strings.ReplaceAll(s, "\n", "\r") }},
	{name: "no end", whole: func(s string) string { return strings.TrimRight(s, "\r\n") }},
	{name: "base64", whole: func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
}

func eachBlock(f func(string) string) func(*mathrand.Rand, []string) []string {
	return func(r *mathrand.Rand, blocks []string) []string {
		i := r.IntN(len(blocks))
		blocks[i] = f(blocks[i])
		return blocks
	}
}

// However a served chain is spoilt, repair gives the very file back that a
// server should have: the leaf, then each intermediate.
func TestRepairGivesTheOriginalBack(t *testing.T) {
	chain := longChain(t)
	want := EncodeCerts(chain[:4]...)
	for seed := range uint64(400) {
		r := mathrand.New(mathrand.NewPCG(seed, 0))
		blocks := []string{}
		for _, c := range chain[:4+r.IntN(2)] {
			blocks = append(blocks, string(EncodeCerts(c)))
		}
		var names []string
		var whole []func(string) string
		for i := range mutations {
			if m := mutations[i]; r.IntN(4) == 0 && (m.name != "Mac" || !slices.Contains(names, "Windows")) {
				names = append(names, m.name)
				if m.spoil != nil {
					blocks = m.spoil(r, blocks)
				} else {
					whole = append(whole, m.whole)
				}
			}
		}
		text := strings.Join(blocks, "")
		for _, f := range whole {
			text = f(text)
		}
		got, err := Repair("x.pem", []byte(text), RepairOptions{Served: true})
		require.NoError(t, err, "%d %v\n%q", seed, names, text)
		require.Equal(t, string(want), string(got.After), "%d %v", seed, names)
		again, err := Repair("x.pem", got.After, RepairOptions{Served: true})
		require.NoError(t, err)
		require.False(t, again.Changed(), "%d %v", seed, names)
	}
}

func TestRepairKeepsKeys(t *testing.T) {
	w := newWorld(t)
	locked, err := EncodeKeyEncrypted(w.leafKey, []byte("x"))
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(w.leafKey.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	legacy := "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566770011223344556677\n\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END EC PRIVATE KEY-----\n"
	pkcs8 := pemBlock("PRIVATE KEY", pkcs8DER(t, w.leafKey))
	for _, c := range []struct{ name, text, want string }{
		{"PKCS#8", byteOrderMark + pkcs8, pkcs8},
		{"encrypted", strings.ReplaceAll(string(locked), "\n", "\r\n"), string(locked)},
		{"encrypted in the old way", strings.ReplaceAll(legacy, "\n", "\r\n"), legacy},
		{
			"SEC 1 with its parameters", strings.ReplaceAll(pemBlock("EC PARAMETERS", []byte{6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7})+pemBlock("EC PRIVATE KEY", sec1), "\n", " \n"),
			pemBlock("EC PARAMETERS", []byte{6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7}) + pemBlock("EC PRIVATE KEY", sec1),
		},
		{"cfssl's label", pemBlock("Ed25519 PRIVATE KEY", pkcs8DER(t, w.edKey)), pemBlock("PRIVATE KEY", pkcs8DER(t, w.edKey))},
		{"a request", strings.ReplaceAll(string(EncodeCSR(w.csr)), "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"), string(EncodeCSR(w.csr))},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Repair("x.key", []byte(c.text), RepairOptions{})
			require.NoError(t, err)
			assert.Equal(t, strings.ReplaceAll(c.want, " \n", "\n"), string(r.After))
		})
	}
}

func TestSpansHideKeys(t *testing.T) {
	w := newWorld(t)
	key := pemBlock("PRIVATE KEY", pkcs8DER(t, w.leafKey))
	leaf := string(EncodeCerts(w.leaf))
	secret := strings.Split(key, "\n")[1]
	for _, c := range []struct {
		name, text string
		what       []string
	}{
		{"certificate, then key", leaf + key, []string{"certificate", "private key"}},
		{"commented out", "#" + strings.ReplaceAll(key, "\n", "\n#") + "\n" + leaf, []string{"private key", "certificate"}},
		{"key under the label of a certificate", strings.ReplaceAll(key, "PRIVATE KEY", "CERTIFICATE"), []string{"private key"}},
		{"without END", strings.Replace(key, "-----END PRIVATE KEY-----", "", 1), []string{"private key"}},
		{"unknown", strings.ReplaceAll(key, "PRIVATE KEY", "SECRET"), []string{"block"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var what []string
			shown := []byte(c.text)
			for _, s := range slices.Backward(Spans([]byte(c.text))) {
				what = append([]string{s.What}, what...)
				if s.Secret {
					shown = slices.Delete(shown, s.Start, s.End)
				}
			}
			assert.Equal(t, c.what, what)
			assert.NotContains(t, string(shown), secret)
		})
	}
}

// Repair never panics and never loses a certificate or a key, and what it
// writes is in order.
func FuzzRepair(f *testing.F) {
	w := newWorld(f)
	for i, c := range pemCases(w) {
		f.Add([]byte(c.text), i%2 == 0)
	}
	f.Add(slices.Concat(EncodeCerts(w.ca, w.leaf, w.ca), []byte(pemBlock("PRIVATE KEY", pkcs8DER(f, w.leafKey)))), true)
	f.Fuzz(func(t *testing.T, data []byte, served bool) {
		o := RepairOptions{Served: served}
		r, err := Repair("x", data, o)
		if err != nil || !r.Changed() {
			if !bytes.Equal(r.After, data) {
				t.Fatal("the text changed without a word")
			}
			return
		}
		was, _ := Decode("x", data, Options{})
		is, _ := Decode("x", r.After, Options{})
		after := inventory(is)
		root := 0
		for item := range inventory(was) {
			if after[item] == 0 {
				root++
			}
		}
		if root > 1 || root == 1 && !served {
			t.Fatalf("%d items are lost", root)
		}
		if again, err := Repair("x", r.After, o); err != nil || again.Changed() {
			t.Fatalf("a second repair changes more: %v %v", err, again.Fixed)
		}
	})
}

// What was mended is read by OpenSSL and GnuTLS, with as many certificates as
// we found.
func TestOpenSSLAndGnuTLSReadWhatWasRepaired(t *testing.T) {
	tool(t, "openssl")
	tool(t, "certtool")
	for i, c := range pemCases(newWorld(t)) {
		r, err := Repair("x.pem", []byte(c.text), RepairOptions{})
		if err != nil || !r.Changed() || strings.Contains(c.name, "request") || c.found == 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			dir, name := t.TempDir(), fmt.Sprintf("%d.pem", i)
			write(t, dir, name, r.After)
			assert.Contains(t, inDir(t, dir, "openssl", "storeutl", "-noout", "-certs", name), fmt.Sprintf("Total found: %d", c.found))
			out := inDir(t, dir, "certtool", "--certificate-info", "--infile", name)
			assert.Equal(t, c.found, strings.Count(out, "X.509 Certificate Information"))
		})
	}
}

// A shuffled chain, mended, is one that OpenSSL verifies with nothing but the
// root; as it was, the first certificate is a CA's.
func TestOpenSSLVerifiesARepairedChain(t *testing.T) {
	tool(t, "openssl")
	chain := longChain(t)
	dir := t.TempDir()
	write(t, dir, "root.crt", EncodeCerts(chain[4]))
	r, err := Repair("tls.crt", EncodeCerts(chain[2], chain[4], chain[1], chain[0], chain[3]), RepairOptions{Served: true})
	require.NoError(t, err)
	write(t, dir, "tls.crt", r.After)
	assert.Equal(t, "tls.crt: OK\n", inDir(t, dir, "openssl", "verify", "-attime", "1790000000", "-verify_hostname", "reg.local", "-CAfile", "root.crt", "-untrusted", "tls.crt", "tls.crt"))
}
