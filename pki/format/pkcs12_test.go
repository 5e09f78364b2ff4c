package format

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"go/build"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crpki/crpki/pki"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"
)

// fastP12 packs leaf, key and CA with few rounds, for tests that read often.
func fastP12(t testing.TB, w *world, e *pkcs12.Encoder, secret string) []byte {
	t.Helper()
	data, err := e.WithIterations(2).Encode(w.leafKey, w.leaf, []*x509.Certificate{w.ca}, secret)
	require.NoError(t, err)
	return data
}

// assertPair checks that m is the leaf's key, the leaf and the CA.
func assertPair(t *testing.T, w *world, m pki.Material) {
	t.Helper()
	assertSameKey(t, w.leafKey, m)
	require.Len(t, parsed(m.Certs), 2)
	assert.True(t, m.Certs[0].X509.Equal(w.leaf))
	assert.True(t, m.Certs[1].X509.Equal(w.ca))
	assert.Empty(t, m.Anchors)
}

func names(m pki.Material) []string {
	var out []string
	for _, n := range m.Notes {
		if n.Rule == NoteFriendlyName {
			out = append(out, n.Origin.String()+" "+n.Detail)
		}
	}
	return out
}

func TestPKCS12ComesBackAsItWent(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		o     P12Options
		pass  string
		names []string
		rules []string
	}{
		"modern":         {P12Options{}, "secret", nil, []string{NotePKCS12}},
		"legacy":         {P12Options{Legacy: true}, "secret", nil, []string{NotePKCS12Weak, NotePKCS12, NotePKCS12Weak}},
		"with a name":    {P12Options{FriendlyName: "Tomcat"}, "pässwörd", []string{"x.p12#1 Tomcat", "x.p12#3 Tomcat"}, []string{NotePKCS12, NoteFriendlyName, NoteFriendlyName}},
		"named, legacy":  {P12Options{Legacy: true, FriendlyName: "tömcat"}, "pässwörd", []string{"x.p12#1 tömcat", "x.p12#3 tömcat"}, []string{NotePKCS12Weak, NotePKCS12, NoteFriendlyName, NoteFriendlyName, NotePKCS12Weak}},
		"empty password": {P12Options{FriendlyName: "a"}, "", []string{"x.p12#1 a", "x.p12#3 a"}, []string{NotePKCS12, NoteFriendlyName, NoteFriendlyName}},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := EncodeP12(w.leafKey, w.leaf, []*x509.Certificate{w.ca}, c.pass, c.o)
			require.NoError(t, err)
			m, err := Decode("x.p12", data, password(c.pass))
			require.NoError(t, err)
			assertPair(t, w, m)
			assert.Equal(t, c.names, names(m))
			assert.ElementsMatch(t, c.rules, rules(m))
			assert.Equal(t, pki.Origin{Source: "x.p12", Index: 3}, m.Keys[0].Origin)

			key, leaf, chain, err := pkcs12.DecodeChain(data, c.pass)
			require.NoError(t, err, "the library reads what we named and sealed again")
			assert.True(t, key.(*ecdsa.PrivateKey).Equal(w.leafKey))
			assert.True(t, leaf.Equal(w.leaf))
			assert.Len(t, chain, 1)
		})
	}
}

func TestPKCS12EncoderRefuses(t *testing.T) {
	w := newWorld(t)
	_, err := EncodeP12(nil, w.leaf, nil, "x", P12Options{})
	assert.ErrorIs(t, err, errNoKey)
	_, err = EncodeP12(w.leafKey, nil, nil, "x", P12Options{})
	assert.ErrorContains(t, err, "no certificate for the key")
	_, err = EncodeP12(w.rsaKey, w.leaf, nil, "x", P12Options{})
	assert.ErrorContains(t, err, "the private key (RSA 2048) is not that of the certificate (ECDSA P-256)")
	_, err = EncodeP12TrustStore(nil, "x", P12Options{})
	assert.ErrorContains(t, err, "no certificate")
	_, err = EncodeP12(w.leafKey, w.leaf, nil, "😀hush", P12Options{})
	require.ErrorContains(t, err, "beyond U+FFFF")
	assert.NotContains(t, err.Error(), "hush")
	_, err = EncodeP12TrustStore([]*x509.Certificate{w.ca}, "h\xfcsh", P12Options{})
	require.ErrorContains(t, err, "not UTF-8")
}

func TestTrustStores(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		o     P12Options
		pass  string
		names []string
	}{
		"modern":      {P12Options{}, "changeit", []string{"x.p12#1 Test CA", "x.p12#2 reg.local"}},
		"legacy":      {P12Options{Legacy: true}, "changeit", []string{"x.p12#1 Test CA", "x.p12#2 reg.local"}},
		"named":       {P12Options{FriendlyName: "Corp"}, "changeit", []string{"x.p12#1 Corp", "x.p12#2 Corp-2"}},
		"no password": {P12Options{}, "", []string{"x.p12#1 Test CA", "x.p12#2 reg.local"}},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := EncodeP12TrustStore([]*x509.Certificate{w.ca, w.leaf, w.ca}, c.pass, c.o)
			require.NoError(t, err)
			m, err := Decode("x.p12", data, password(c.pass))
			require.NoError(t, err)
			assert.Empty(t, m.Certs)
			assert.Empty(t, m.Keys)
			require.Len(t, parsed(m.Anchors), 2, "doubles are folded")
			assert.True(t, m.Anchors[0].X509.Equal(w.ca))
			assert.Equal(t, c.names, names(m))
		})
	}
}

func TestAliasesAreDistinct(t *testing.T) {
	w := newWorld(t)
	named := func(cn, org string) *x509.Certificate {
		c := *w.ca
		c.Raw = append(slices.Clone(c.Raw), cn+org...)
		c.Subject.CommonName, c.Subject.Organization = cn, nil
		if org != "" {
			c.Subject.Organization = []string{org}
		}
		return &c
	}
	var got []string
	for _, e := range trustEntries([]*x509.Certificate{
		named("Root", ""), named("root", ""), named("ROOT", "x"), named("", "Acme"), named("😀", "Smile"), named("", ""),
	}, "") {
		got = append(got, e.FriendlyName)
	}
	assert.Equal(t, []string{"Root", "root-2", "ROOT-3", "Acme", "Smile", "ca"}, got)
}

func TestPKCS12Passwords(t *testing.T) {
	w := newWorld(t)
	data := fastP12(t, w, pkcs12.Modern2023, "secret")

	t.Run("none", func(t *testing.T) {
		m, err := Decode("tls.p12", data, Options{})
		assert.ErrorIs(t, err, ErrPasswordNeeded)
		assert.EqualError(t, err, "tls.p12: is protected by a password, and none was given")
		assert.Empty(t, m.Certs)
		require.Len(t, m.Keys, 1, "a key is seen, and cannot be read")
		assert.ErrorIs(t, m.Keys[0].Err, ErrPasswordNeeded)
	})
	t.Run("wrong", func(t *testing.T) {
		_, err := Decode("tls.p12", data, password("Secret"))
		assert.ErrorIs(t, err, ErrPasswordWrong)
	})
	t.Run("asked once", func(t *testing.T) {
		var asked []string
		_, err := Decode("tls.p12", data, Options{Password: func(o pki.Origin) ([]byte, error) {
			asked = append(asked, o.String())
			return []byte("secret"), nil
		}})
		require.NoError(t, err)
		assert.Equal(t, []string{"tls.p12"}, asked)
	})
	t.Run("the empty one is found without asking", func(t *testing.T) {
		m, err := Decode("tls.p12", fastP12(t, w, pkcs12.Modern2023, ""), Options{Password: func(pki.Origin) ([]byte, error) {
			return nil, errors.New("no terminal")
		}})
		require.NoError(t, err)
		assertPair(t, w, m)
	})
	t.Run("not needed", func(t *testing.T) {
		m, err := Decode("tls.p12", fastP12(t, w, pkcs12.Passwordless, ""), Options{})
		require.NoError(t, err)
		assertPair(t, w, m)
		assert.False(t, m.Keys[0].Encrypted)
		assert.Contains(t, rules(m), NotePKCS12NoMAC)
	})
	t.Run("every encoder of go-pkcs12", func(t *testing.T) {
		for _, e := range []*pkcs12.Encoder{pkcs12.LegacyRC2, pkcs12.LegacyDES, pkcs12.Modern2023, pkcs12.Modern2026} {
			m, err := Decode("tls.p12", fastP12(t, w, e, "secret"), password("secret"))
			require.NoError(t, err)
			assertPair(t, w, m)
		}
	})
}

// Whoever gets an error must know whether to look for another password or for
// another file.
func TestPKCS12BrokenIsNotWrongPassword(t *testing.T) {
	w := newWorld(t)
	data := fastP12(t, w, pkcs12.Modern2023, "secret")
	flip := func(at int) []byte {
		out := bytes.Clone(data)
		out[at] ^= 1
		return out
	}
	mac := bytes.LastIndex(data, []byte{0x04, 0x20}) + 2 // the digest of HMAC-SHA256
	sealed := bytes.Index(data, []byte{0x80, 0x82})      // the encrypted certificates

	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"cut off":                   {data[:len(data)-10], "is cut off: its header announces"},
		"cut off in its head":       {data[:20], "is cut off"},
		"checksum changed":          {flip(mac), "is damaged: the password fits a part of it and its checksum"},
		"certificate bytes changed": {flip(sealed + 100), "is damaged"},
		"structure changed":         {flip(8), "is a broken PKCS#12 file: its head cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := false
			m, err := Decode("tls.p12", c.data, Options{Password: func(pki.Origin) ([]byte, error) {
				asked = true
				return []byte("secret"), nil
			}})
			require.ErrorContains(t, err, c.want)
			assert.NotErrorIs(t, err, ErrPasswordWrong)
			assert.NotErrorIs(t, err, ErrPasswordNeeded)
			assert.Empty(t, m.Certs)
			assert.Equal(t, strings.Contains(c.want, "damaged"), asked, "a broken structure is told before a password is asked for")
		})
	}
}

func TestPKCS12InBER(t *testing.T) {
	w := newWorld(t)
	for _, e := range []*pkcs12.Encoder{pkcs12.LegacyDES, pkcs12.Modern2023} {
		data := toBER(t, fastP12(t, w, e, "secret"))
		_, _, err := pkcs12.Decode(data, "secret")
		require.ErrorContains(t, err, "indefinite length", "what Go programs say of it")
		m, err := Decode("x.p12", data, password("secret"))
		require.NoError(t, err)
		assertPair(t, w, m)
		assert.Contains(t, rules(m), NoteBER)
		_, err = Decode("x.p12", data, password("Secret"))
		assert.ErrorIs(t, err, ErrPasswordWrong)
		_, err = Decode("x.p12", data[:len(data)-3], password("secret"))
		assert.ErrorContains(t, err, "is BER-encoded and cut off")
	}
}

// toBER writes der with open lengths, and octet strings in pieces.
func toBER(t testing.TB, der []byte) []byte {
	e, ok := peek(der)
	require.True(t, ok)
	end := []byte{0, 0}
	switch {
	case e.tag == tagOctetString && len(e.value) > 32, e.tag == 0x80 && len(e.value) > 32:
		out := []byte{e.tag | 0x20, 0x80}
		for piece := range slices.Chunk(e.value, 1000) {
			out = append(appendHeader(out, tagOctetString, len(piece)), piece...)
		}
		return append(out, end...)
	case e.tag&0x20 == 0:
		return der[:e.size()]
	}
	out := []byte{e.tag, 0x80}
	for rest := e.value; len(rest) > 0; {
		child, ok := peek(rest)
		require.True(t, ok)
		out = append(out, toBER(t, rest[:child.size()])...)
		rest = rest[child.size():]
	}
	return append(out, end...)
}

func TestOpenSSLReadsOurPKCS12(t *testing.T) {
	tool(t, "openssl")
	w := newWorld(t)
	for name, o := range map[string]P12Options{
		"modern": {}, "legacy": {Legacy: true}, "named": {FriendlyName: "tomcat"}, "named, legacy": {Legacy: true, FriendlyName: "tomcat"},
	} {
		for _, secret := range []string{"pässwort", ""} {
			t.Run(name+" "+secret, func(t *testing.T) {
				dir := t.TempDir()
				data, err := EncodeP12(w.leafKey, w.leaf, []*x509.Certificate{w.ca}, secret, o)
				require.NoError(t, err)
				write(t, dir, "tls.p12", data)
				out := inDir(t, dir, "openssl", "pkcs12", "-in", "tls.p12", "-passin", "pass:"+secret, "-nodes", "-info")
				assert.Equal(t, 2, strings.Count(out, "BEGIN CERTIFICATE"))
				assert.Equal(t, 1, strings.Count(out, "BEGIN PRIVATE KEY"))
				if o.FriendlyName != "" {
					assert.Equal(t, 2, strings.Count(out, "friendlyName: "+o.FriendlyName), "key and leaf")
				}
				rounds := "Iteration 100000"
				if o.Legacy {
					rounds = "Iteration 50000"
				}
				assert.Contains(t, out, rounds)
				m, err := Decode("out.pem", []byte(out), Options{})
				require.NoError(t, err)
				assertPair(t, w, m)
			})
		}
	}
}

func TestKeytoolReadsOurPKCS12(t *testing.T) {
	tool(t, "keytool")
	w := newWorld(t)
	for name, o := range map[string]P12Options{"modern": {}, "legacy": {Legacy: true}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			named := P12Options{Legacy: o.Legacy, FriendlyName: "Tomcat"}
			data, err := EncodeP12(w.leafKey, w.leaf, []*x509.Certificate{w.ca}, "changeit", named)
			require.NoError(t, err)
			write(t, dir, "tls.p12", data)
			out := inDir(t, dir, "keytool", "-list", "-v", "-keystore", "tls.p12", "-storepass", "changeit")
			assert.Contains(t, out, "Alias name: tomcat")
			assert.Contains(t, out, "Entry type: PrivateKeyEntry")
			assert.Contains(t, out, "Certificate chain length: 2")
			// To use the key, Java must open it too.
			inDir(t, dir, "keytool", "-importkeystore", "-noprompt", "-srckeystore", "tls.p12", "-srcstorepass", "changeit",
				"-destkeystore", "copy.p12", "-deststorepass", "changeit")
			m, err := Decode("copy.p12", read(t, dir, "copy.p12"), password("changeit"))
			require.NoError(t, err)
			assertSameKey(t, w.leafKey, m)
		})
		for _, secret := range []string{"changeit", ""} {
			t.Run(name+" trust store "+secret, func(t *testing.T) {
				dir := t.TempDir()
				data, err := EncodeP12TrustStore([]*x509.Certificate{w.ca, w.leaf}, secret, o)
				require.NoError(t, err)
				write(t, dir, "trust.p12", data)
				out := inDir(t, dir, "keytool", "-list", "-keystore", "trust.p12", "-storepass", secret)
				assert.Equal(t, 2, strings.Count(out, "trustedCertEntry"), out)
				assert.Contains(t, out, "test ca, ")
			})
		}
	}
}

func TestWeReadPKCS12OfOpenSSL(t *testing.T) {
	tool(t, "openssl")
	w := newWorld(t)
	pack := []string{"pkcs12", "-export", "-inkey", "key.pem", "-in", "all.pem", "-name", "tomcat"}
	for name, c := range map[string]struct {
		args   []string
		secret string
		rule   string
	}{
		"default":             {pack, "secret", NotePKCS12},
		"legacy (RC2)":        {append(slices.Clone(pack), "-legacy"), "secret", NotePKCS12Weak},
		"3DES":                {append(slices.Clone(pack), "-descert"), "secret", NotePKCS12Weak},
		"certificates open":   {append(slices.Clone(pack), "-certpbe", "NONE"), "secret", NotePKCS12},
		"nothing encrypted":   {append(slices.Clone(pack), "-certpbe", "NONE", "-keypbe", "NONE"), "secret", NotePKCS12},
		"no MAC":              {append(slices.Clone(pack), "-nomac"), "secret", NotePKCS12NoMAC},
		"only the key closed": {append(slices.Clone(pack), "-nomac", "-certpbe", "NONE"), "secret", NotePKCS12NoMAC},
		"MAC with SHA-512":    {append(slices.Clone(pack), "-macalg", "sha512"), "secret", NotePKCS12},
		"MAC with SHA-384":    {append(slices.Clone(pack), "-macalg", "sha384"), "secret", NotePKCS12},
		"many rounds":         {append(slices.Clone(pack), "-iter", "300000"), "secret", NotePKCS12},
		"one round":           {append(slices.Clone(pack), "-noiter", "-nomaciter"), "secret", NotePKCS12},
		"umlauts":             {pack, "pässwörd €", NotePKCS12},
		"beyond U+FFFF":       {pack, "😀", NotePKCS12},
		"empty password":      {pack, "", NotePKCS12},
	} {
		t.Run(name, func(t *testing.T) {
			if slices.Contains(c.args, "-legacy") {
				legacyOpenSSL(t)
			}
			dir := t.TempDir()
			key, err := EncodeKey(w.leafKey)
			require.NoError(t, err)
			write(t, dir, "key.pem", key)
			write(t, dir, "all.pem", EncodeCerts(w.leaf, w.ca))
			inDir(t, dir, "openssl", append(c.args, "-passout", "pass:"+c.secret, "-out", "tls.p12")...)
			data := read(t, dir, "tls.p12")
			m, err := Decode("tls.p12", data, password(c.secret))
			require.NoError(t, err)
			assertPair(t, w, m)
			assert.Contains(t, rules(m), c.rule)
			assert.Len(t, names(m), 2)
			if c.secret != "" && name != "nothing encrypted" {
				m, err = Decode("tls.p12", data, password("not it"))
				assert.ErrorIs(t, err, ErrPasswordWrong)
				// OpenSSL leaves the certificates open when it leaves out the MAC.
				open := slices.Contains(c.args, "-nomac") || slices.Contains(c.args, "NONE")
				assert.Equal(t, open, len(m.Certs) == 2, "what lies in the open is read")
			}
		})
	}

	t.Run("a CA certificate alone", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "ca.pem", EncodeCerts(w.ca))
		inDir(t, dir, "openssl", "pkcs12", "-export", "-nokeys", "-in", "ca.pem", "-passout", "pass:secret", "-out", "ca.p12")
		data := read(t, dir, "ca.p12")
		_, err := pkcs12.DecodeTrustStore(data, "secret")
		require.Error(t, err, "the library does not read it")
		m, err := Decode("ca.p12", data, password("secret"))
		require.NoError(t, err)
		assert.Len(t, parsed(m.Certs), 1)
		assert.Contains(t, rules(m), NotePKCS12NoTrust)
	})
}

func TestWeReadPKCS12OfKeytool(t *testing.T) {
	tool(t, "keytool")
	w := newWorld(t)
	dir := t.TempDir()
	write(t, dir, "ca.pem", EncodeCerts(w.ca))
	pair := func(alias string, more ...string) {
		inDir(t, dir, "keytool", append([]string{
			"-genkeypair", "-alias", alias, "-keyalg", "EC", "-dname", "CN=" + alias,
			"-keystore", "store.p12", "-storetype", "PKCS12", "-storepass", "changeit",
		}, more...)...)
	}
	pair("one")
	pair("two")
	inDir(t, dir, "keytool", "-importcert", "-noprompt", "-alias", "corp", "-file", "ca.pem", "-keystore", "store.p12", "-storepass", "changeit")

	data := read(t, dir, "store.p12")
	_, _, _, err := pkcs12.DecodeChain(data, "changeit")
	require.Error(t, err, "the library reads one key only")
	m, err := Decode("store.p12", data, password("changeit"))
	require.NoError(t, err)
	assert.Len(t, m.Keys, 2)
	assert.Len(t, parsed(m.Certs), 2)
	require.Len(t, m.Anchors, 1)
	assert.True(t, m.Anchors[0].X509.Equal(w.ca))

	inDir(t, dir, "keytool", "-genseckey", "-alias", "aes", "-keyalg", "AES", "-keysize", "256", "-keystore", "store.p12", "-storepass", "changeit")
	m, err = Decode("store.p12", read(t, dir, "store.p12"), password("changeit"))
	require.NoError(t, err)
	assert.Contains(t, rules(m), NotePKCS12OtherBag)

	require.NoError(t, os.Remove(filepath.Join(dir, "store.p12")))
	pair("old", "-J-Dkeystore.pkcs12.legacy")
	m, err = Decode("store.p12", read(t, dir, "store.p12"), password("changeit"))
	require.NoError(t, err)
	require.Len(t, m.Keys, 1)
	assert.NoError(t, m.Keys[0].Err)
	assert.Contains(t, rules(m), NotePKCS12Weak)
}

// The vectors of RFC 9579 appendix A are PBMAC1 files as others make them; the
// library's own copy of them is read here.
func TestPBMAC1Vectors(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(moduleCache(), "software.sslmate.com/src/go-pkcs12@*/testdata"))
	require.NoError(t, err)
	if len(dirs) == 0 {
		t.Skip("go-pkcs12 is not in the module cache: its test vectors are not there")
	}
	dir := dirs[len(dirs)-1]
	for name, good := range map[string]bool{
		"rfc9579-a1.txt": true, "rfc9579-a2.txt": true, "rfc9579-a3.txt": true,
		"rfc9579-a4.txt": false, "rfc9579-a5.txt": false, "rfc9579-a6.txt": false,
		"pbmac1-short-key-bypass.txt": false,
	} {
		t.Run(name, func(t *testing.T) {
			text := read(t, dir, name)
			m, err := Decode(name, text, password("1234"))
			if !good {
				assert.Error(t, err)
				return
			}
			require.NoError(t, err)
			assert.NotEmpty(t, m.Certs)
			for _, k := range m.Keys {
				assert.NoError(t, k.Err)
			}
		})
	}
}

func moduleCache() string {
	if dir := os.Getenv("GOMODCACHE"); dir != "" {
		return dir
	}
	return filepath.Join(build.Default.GOPATH, "pkg", "mod")
}

func TestPKCS7(t *testing.T) {
	tool(t, "openssl")
	w := newWorld(t)
	dir := t.TempDir()
	write(t, dir, "all.pem", EncodeCerts(w.leaf, w.ca))
	inDir(t, dir, "openssl", "crl2pkcs7", "-nocrl", "-certfile", "all.pem", "-out", "all.p7b")
	text := read(t, dir, "all.p7b")
	block, _ := pem.Decode(text)
	require.NotNil(t, block)

	for name, data := range map[string][]byte{
		"PEM": text, "DER": block.Bytes, "BER": toBER(t, block.Bytes),
		"under CMS's label":           bytes.ReplaceAll(text, []byte("PKCS7"), []byte("CMS")),
		"under a certificate's label": bytes.ReplaceAll(text, []byte("PKCS7"), []byte("CERTIFICATE")),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Decode("all.p7b", data, Options{})
			require.NoError(t, err)
			require.Len(t, parsed(m.Certs), 2)
			assert.True(t, m.Certs[0].X509.Equal(w.leaf) || m.Certs[1].X509.Equal(w.leaf))
			assert.Contains(t, rules(m), NotePKCS7)
		})
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"cut off":   {block.Bytes[:100], "is cut off"},
		"encrypted": {[]byte("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x00")[:15], "data encrypted to a certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Decode("all.p7b", []byte(pemBlock("PKCS7", c.data)), Options{})
			require.NoError(t, err)
			require.Len(t, m.Certs, 1)
			assert.ErrorContains(t, m.Certs[0].Err, c.want)
		})
	}
}
