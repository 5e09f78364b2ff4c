package format

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/crpki/crpki/pki"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// signers are one key of each type that crpki makes.
func signers(t *testing.T, w *world) map[string]crypto.Signer {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	return map[string]crypto.Signer{"ECDSA P-256": w.leafKey, "ECDSA P-384": p384, "RSA 2048": w.rsaKey, "Ed25519": w.edKey}
}

func assertSameKey(t *testing.T, want crypto.Signer, m pki.Material) {
	t.Helper()
	require.Len(t, m.Keys, 1)
	require.NoError(t, m.Keys[0].Err)
	equal, ok := want.(interface{ Equal(crypto.PrivateKey) bool })
	require.True(t, ok)
	assert.True(t, equal.Equal(m.Keys[0].Signer), "the same private key")
}

func TestKeysComeBackAsTheyWent(t *testing.T) {
	for name, signer := range signers(t, newWorld(t)) {
		t.Run(name, func(t *testing.T) {
			data, err := EncodeKey(signer)
			require.NoError(t, err)
			m, err := Decode("tls.key", data, Options{})
			require.NoError(t, err)
			assertSameKey(t, signer, m)
			assert.False(t, m.Keys[0].Encrypted)
			assert.Empty(t, m.Notes)
			again, err := EncodeKey(m.Keys[0].Signer)
			require.NoError(t, err)
			assert.Equal(t, data, again)
		})
		t.Run(name+" encrypted", func(t *testing.T) {
			data, err := EncodeKeyEncrypted(signer, []byte("pässword"))
			require.NoError(t, err)
			m, err := Decode("tls.key", data, password("pässword"))
			require.NoError(t, err)
			assertSameKey(t, signer, m)
			assert.True(t, m.Keys[0].Encrypted)
			assert.Empty(t, m.Notes)
		})
	}
}

func TestEncodersRefuse(t *testing.T) {
	w := newWorld(t)
	_, err := EncodeKey(nil)
	assert.ErrorIs(t, err, errNoKey)
	_, err = EncodeKeyEncrypted(nil, []byte("x"))
	assert.ErrorIs(t, err, errNoKey)
	_, err = EncodeKeyEncrypted(w.leafKey, nil)
	assert.ErrorContains(t, err, "the password is empty", "the library would write the key in the clear")
	_, err = EncodeKey(hardware{w.leafKey})
	assert.ErrorContains(t, err, "encode private key")
}

// hardware is a signer that does not give its key away.
type hardware struct{ crypto.Signer }

func TestPasswords(t *testing.T) {
	w := newWorld(t)
	locked, err := EncodeKeyEncrypted(w.leafKey, []byte("right"))
	require.NoError(t, err)
	data := append(EncodeCerts(w.leaf), locked...)
	prompt := errors.New("standard input is not a terminal")

	for name, c := range map[string]struct {
		opt  Options
		want error
	}{
		"none":    {Options{}, ErrPasswordNeeded},
		"wrong":   {password("wrong"), ErrPasswordWrong},
		"empty":   {password(""), ErrPasswordWrong},
		"refused": {Options{Password: func(pki.Origin) ([]byte, error) { return nil, prompt }}, prompt},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Decode("tls.pem", data, c.opt)
			require.ErrorIs(t, err, c.want)
			if c.want == prompt {
				assert.Equal(t, prompt.Error(), err.Error(), "left as it is")
			} else {
				var e *Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, pki.Origin{Source: "tls.pem", Index: 2, Line: 1 + strings.Count(string(EncodeCerts(w.leaf)), "\n"), Column: 1}, e.Origin)
			}
			assert.NotContains(t, err.Error(), "wrong password", "the password itself stays out")
			assert.Len(t, parsed(m.Certs), 1, "what is open is read all the same")
			require.Len(t, m.Keys, 1)
			assert.ErrorIs(t, m.Keys[0].Err, c.want)
			assert.True(t, m.Keys[0].Encrypted)
		})
	}

	t.Run("asked once for each item, with its place", func(t *testing.T) {
		var asked []string
		_, err := Decode("tls.pem", append(data, locked...), Options{Password: func(o pki.Origin) ([]byte, error) {
			asked = append(asked, o.String())
			return []byte("right"), nil
		}})
		require.NoError(t, err)
		assert.Equal(t, []string{"tls.pem#2", "tls.pem#3"}, asked)
	})
}

func TestKeyLabelsAndStructures(t *testing.T) {
	w := newWorld(t)
	pkcs1 := x509.MarshalPKCS1PrivateKey(w.rsaKey)
	sec1, err := x509.MarshalECPrivateKey(w.leafKey.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	curve := "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
	cfssl := strings.ReplaceAll(pemBlock("PRIVATE KEY", pkcs8DER(t, w.edKey)), "PRIVATE KEY", "Ed25519 PRIVATE KEY")

	for name, c := range map[string]struct {
		text  string
		want  crypto.Signer
		rules []string
	}{
		"PKCS#1":                       {pemBlock("RSA PRIVATE KEY", pkcs1), w.rsaKey, nil},
		"PKCS#1 under PKCS#8's label":  {pemBlock("PRIVATE KEY", pkcs1), w.rsaKey, nil},
		"SEC 1":                        {pemBlock("EC PRIVATE KEY", sec1), w.leafKey, nil},
		"SEC 1 behind its parameters":  {curve + pemBlock("EC PRIVATE KEY", sec1), w.leafKey, []string{NoteOtherBlock}},
		"PKCS#8 under SEC 1's label":   {pemBlock("EC PRIVATE KEY", pkcs8DER(t, w.leafKey)), w.leafKey, nil},
		"cfssl's Ed25519":              {cfssl, w.edKey, []string{NoteKeyLabel}},
		"DER PKCS#8":                   {string(pkcs8DER(t, w.rsaKey)), w.rsaKey, []string{NoteDER}},
		"DER PKCS#8 of 48 bytes":       {string(pkcs8DER(t, w.edKey)), w.edKey, []string{NoteDER}},
		"the same with a line break":   {string(pkcs8DER(t, w.edKey)) + "\n", w.edKey, []string{NoteDER, NoteTrailingBytes}},
		"DER PKCS#1":                   {string(pkcs1), w.rsaKey, []string{NoteDER}},
		"DER SEC 1":                    {string(sec1), w.leafKey, []string{NoteDER}},
		"bytes behind the key":         {pemBlock("PRIVATE KEY", append(pkcs8DER(t, w.leafKey), 0)), w.leafKey, []string{NoteTrailingBytes}},
		"under a certificate's label":  {pemBlock("CERTIFICATE", pkcs8DER(t, w.leafKey)), w.leafKey, []string{NoteLabelMismatch}},
		"under a label for encryption": {pemBlock("ENCRYPTED PRIVATE KEY", pkcs8DER(t, w.leafKey)), w.leafKey, []string{NoteLabelMismatch}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Decode("tls.key", []byte(c.text), Options{})
			require.NoError(t, err)
			assertSameKey(t, c.want, m)
			assert.ElementsMatch(t, c.rules, rules(m))
		})
	}
}

func TestKeysWeCannotUse(t *testing.T) {
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	xDER, err := x509.MarshalPKCS8PrivateKey(x25519)
	require.NoError(t, err)
	openssh := "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
	huge := make([]byte, 1<<20)
	huge[0] = 1

	for name, c := range map[string]struct{ text, want string }{
		"OpenSSH":   {openssh, "ssh-keygen -p -m PKCS8"},
		"X25519":    {pemBlock("PRIVATE KEY", xDER), "cannot sign"},
		"garbage":   {pemBlock("PRIVATE KEY", []byte("\x30\x05\x02\x01\x00\x30\x00")), "is not a usable private key"},
		"too large": {pemBlock("RSA PRIVATE KEY", rsaDER(huge)), "the limit is 12288"},
		"text":      {pemBlock("PRIVATE KEY", []byte("no key")), "holds text, not DER"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Decode("tls.key", []byte(c.text), Options{})
			require.NoError(t, err)
			require.Len(t, m.Keys, 1)
			assert.ErrorContains(t, m.Keys[0].Err, c.want)
			assert.Nil(t, m.Keys[0].Signer)
		})
	}
}

// rsaDER is PKCS#1 with n in every place.
func rsaDER(n []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		for range 8 {
			b.AddASN1(casn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(n) })
		}
	})
	return b.BytesOrPanic()
}

func TestKeysThatOpenSSLMakesAndGoCannotUse(t *testing.T) {
	tool(t, "openssl")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"Ed448":     {[]string{"-algorithm", "ED448"}, "an Ed448 key"},
		"RSA-PSS":   {[]string{"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"}, "an RSA-PSS key"},
		"secp256k1": {[]string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"}, "secp256k1"},
		"brainpool": {[]string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"}, "brainpoolP256r1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			inDir(t, dir, "openssl", append([]string{"genpkey", "-out", "key.pem"}, c.args...)...)
			m, err := Decode("key.pem", read(t, dir, "key.pem"), Options{})
			require.NoError(t, err)
			require.Len(t, m.Keys, 1)
			assert.ErrorContains(t, m.Keys[0].Err, c.want)
		})
	}
}

func TestOpenSSLReadsOurKeys(t *testing.T) {
	tool(t, "openssl")
	for name, signer := range signers(t, newWorld(t)) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			open, err := EncodeKey(signer)
			require.NoError(t, err)
			locked, err := EncodeKeyEncrypted(signer, []byte("päss word"))
			require.NoError(t, err)
			write(t, dir, "open.pem", open)
			write(t, dir, "locked.pem", locked)
			write(t, dir, "password", []byte("päss word\n"))
			inDir(t, dir, "openssl", "pkey", "-in", "locked.pem", "-passin", "file:password", "-out", "again.pem")
			assert.Equal(t, string(open), string(read(t, dir, "again.pem")))
			details := inDir(t, dir, "openssl", "asn1parse", "-in", "locked.pem")
			for _, want := range []string{"PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", "0927C0"} {
				assert.Contains(t, details, want, "0x0927C0 is 600,000 rounds")
			}
		})
	}
}

func TestWeReadKeysThatOpenSSLEncrypted(t *testing.T) {
	tool(t, "openssl")
	w := newWorld(t)
	for name, c := range map[string]struct {
		args []string
		rule string
		// want is the algorithm that an error names; none when it opens.
		want string
	}{
		"default":            {[]string{"pkcs8", "-topk8"}, "", ""},
		"HMAC-SHA1":          {[]string{"pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"}, "", ""},
		"HMAC-SHA512":        {[]string{"pkcs8", "-topk8", "-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA512"}, "", ""},
		"many rounds":        {[]string{"pkcs8", "-topk8", "-iter", "200000"}, "", ""},
		"3DES":               {[]string{"pkcs8", "-topk8", "-v2", "des3"}, "", ""},
		"scrypt":             {[]string{"pkcs8", "-topk8", "-scrypt"}, "", ""},
		"PBE-SHA1-3DES":      {[]string{"pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"}, "", ""},
		"PBE-SHA1-2DES":      {[]string{"pkcs8", "-topk8", "-v1", "PBE-SHA1-2DES"}, "", ""},
		"PBE-MD5-DES":        {[]string{"pkcs8", "-topk8", "-v1", "PBE-MD5-DES", "-provider", "legacy", "-provider", "default"}, "", ""},
		"PBE-SHA1-DES":       {[]string{"pkcs8", "-topk8", "-v1", "PBE-SHA1-DES", "-provider", "legacy", "-provider", "default"}, "", ""},
		"PBE-SHA1-RC2-128":   {[]string{"pkcs8", "-topk8", "-v1", "PBE-SHA1-RC2-128", "-provider", "legacy", "-provider", "default"}, "", ""},
		"PBE-SHA1-RC2-40":    {[]string{"pkcs8", "-topk8", "-v1", "PBE-SHA1-RC2-40", "-provider", "legacy", "-provider", "default"}, "", ""},
		"PBE-SHA1-RC4-128":   {[]string{"pkcs8", "-topk8", "-v1", "PBE-SHA1-RC4-128", "-provider", "legacy", "-provider", "default"}, "", "PBE-SHA1-RC4-128"},
		"Camellia":           {[]string{"pkcs8", "-topk8", "-v2", "camellia-256-cbc"}, "", "Camellia"},
		"DEK-Info, AES-256":  {[]string{"rsa", "-traditional", "-aes256"}, NoteLegacyEncryption, ""},
		"DEK-Info, AES-128":  {[]string{"rsa", "-traditional", "-aes128"}, NoteLegacyEncryption, ""},
		"DEK-Info, 3DES":     {[]string{"rsa", "-traditional", "-des3"}, NoteLegacyEncryption, ""},
		"DEK-Info, Camellia": {[]string{"rsa", "-traditional", "-camellia256"}, "", `"CAMELLIA-256-CBC"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if slices.Contains(c.args, "legacy") {
				legacyOpenSSL(t)
			}
			open, err := EncodeKey(w.rsaKey)
			require.NoError(t, err)
			write(t, dir, "open.pem", open)
			inDir(t, dir, "openssl", append(c.args, "-in", "open.pem", "-passout", "pass:secret", "-out", "locked.pem")...)
			locked := read(t, dir, "locked.pem")
			if c.want != "" {
				m, err := Decode("x", locked, password("secret"))
				require.NoError(t, err, "the password is not the trouble")
				require.Len(t, m.Keys, 1)
				assert.ErrorContains(t, m.Keys[0].Err, c.want)
				assert.ErrorContains(t, m.Keys[0].Err, "openssl pkcs8 -topk8")
				return
			}
			m, err := Decode("x", locked, password("secret"))
			require.NoError(t, err)
			assertSameKey(t, w.rsaKey, m)
			if c.rule != "" {
				assert.Contains(t, rules(m), c.rule)
			}
			_, err = Decode("x", locked, password("Secret"))
			assert.ErrorIs(t, err, ErrPasswordWrong)
			_, err = Decode("x", locked, Options{})
			assert.ErrorIs(t, err, ErrPasswordNeeded)

			// The same as DER, and the same in JSON.
			if !strings.Contains(string(locked), "DEK-Info") {
				block, _ := pem.Decode(locked)
				m, err := Decode("x.der", block.Bytes, password("secret"))
				require.NoError(t, err)
				assertSameKey(t, w.rsaKey, m)
			}
			m, err = Decode("x.json", []byte(`{"key":"`+strings.ReplaceAll(string(locked), "\n", `\n`)+`"}`), password("secret"))
			require.NoError(t, err)
			assertSameKey(t, w.rsaKey, m)
		})
	}
}

func TestBrokenEncryption(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no DEK-Info":       {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "no DEK-Info header"},
		"short vector":      {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "vector in its DEK-Info header is broken"},
		"vector of 8 bytes": {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0011223344556677\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "vector of 8 bytes in place of 16"},
		"no whole block":    {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,0011223344556677\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "no multiple of 8 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Decode("x", []byte(c.text), password("x"))
			require.NoError(t, err)
			require.Len(t, m.Keys, 1)
			assert.ErrorContains(t, m.Keys[0].Err, c.want)
		})
	}
}
