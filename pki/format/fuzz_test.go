package format

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"testing"

	"github.com/crpki/crpki/pki"
	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"
)

// locked has no password to give, so that no fuzzer spends its time hashing.
var locked = Options{Password: func(pki.Origin) ([]byte, error) { return nil, errors.New("none") }}

// mustHave checks that der is among the certificates found.
func mustHave(t *testing.T, m pki.Material, der []byte) {
	t.Helper()
	for _, c := range slices.Concat(m.Certs, m.Anchors) {
		if bytes.Equal(c.Raw, der) {
			return
		}
	}
	t.Fatalf("a certificate that Go reads is not among the %d found", len(m.Certs)+len(m.Anchors))
}

// checkSound checks what holds for any input.
func checkSound(t *testing.T, m pki.Material, err error) {
	t.Helper()
	if m.Empty() && err == nil {
		t.Fatal("neither material nor an error")
	}
	for _, c := range slices.Concat(m.Certs, m.Anchors) {
		if (c.X509 == nil) == (c.Err == nil) {
			t.Fatalf("%s: either a certificate or the reason why not", c.Origin)
		}
	}
	for _, k := range m.Keys {
		if (k.Signer == nil) == (k.Err == nil) {
			t.Fatalf("%s: either a key or the reason why not", k.Origin)
		}
	}
	for _, n := range m.Notes {
		if n.Rule == "" || n.Detail == "" {
			t.Fatalf("an empty note: %+v", n)
		}
	}
}

// What encoding/pem and crypto/x509 read together, Decode reads as well.
func FuzzDecodePEM(f *testing.F) {
	w := newWorld(f)
	for _, c := range pemCases(w) {
		f.Add([]byte(c.text))
	}
	key, err := EncodeKeyEncrypted(w.leafKey, []byte("x"))
	require.NoError(f, err)
	f.Add(append(key, EncodeCSR(w.csr)...))
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566770011223344556677\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode("x", data, locked)
		checkSound(t, m, err)
		for rest := data; ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				return
			}
			if block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
				continue
			}
			if _, err := x509.ParseCertificate(block.Bytes); err == nil {
				mustHave(t, m, block.Bytes)
			}
		}
	})
}

// What crypto/x509 parses, Decode finds.
func FuzzDecodeDER(f *testing.F) {
	w := newWorld(f)
	for _, der := range [][]byte{w.leaf.Raw, w.ca.Raw, w.csr.Raw, pkcs8DER(f, w.leafKey), pkcs8DER(f, w.edKey), x509.MarshalPKCS1PrivateKey(w.rsaKey), encryptedKeyDER("2000"), toBER(f, w.leaf.Raw)} {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode("x", data, locked)
		checkSound(t, m, err)
		if _, err := x509.ParseCertificate(data); err == nil {
			mustHave(t, m, data)
		}
		if _, err := x509.ParseCertificateRequest(data); err == nil && len(m.CSRs) != 1 {
			t.Fatal("a request that Go reads is not found")
		}
		if key, err := x509.ParsePKCS8PrivateKey(data); err == nil && len(data) <= maxKeySize {
			if _, signs := key.(crypto.Signer); signs && (len(m.Keys) != 1 || m.Keys[0].Err != nil) {
				t.Fatal("a key that Go reads is not found")
			}
		}
	})
}

// What go-pkcs12 opens, Decode opens with the same content.
func FuzzDecodePKCS12(f *testing.F) {
	w := newWorld(f)
	for _, e := range []*pkcs12.Encoder{pkcs12.LegacyRC2, pkcs12.LegacyDES, pkcs12.Modern2023, pkcs12.Modern2026} {
		data := fastP12(f, w, e, "x")
		f.Add(data)
		f.Add(toBER(f, data))
		store, err := e.WithIterations(2).EncodeTrustStore([]*x509.Certificate{w.ca, w.leaf}, "x")
		require.NoError(f, err)
		f.Add(store)
	}
	f.Add(fastP12(f, w, pkcs12.Passwordless, ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		if asksFor(data) > 10_000 {
			t.Skip("hashing takes time")
		}
		m, err := Decode("x", data, password("x"))
		checkSound(t, m, err)
		if errors.Is(err, errBrokenPFX) {
			// go-pkcs12 looks past wrong tags, as in a UTF8String for the content;
			// OpenSSL and we do not. TestWeReadPKCS12OfOpenSSL says what must be read.
			return
		}
		if key, leaf, chain, err := pkcs12.DecodeChain(data, "x"); err == nil {
			for _, c := range append(chain, leaf) {
				mustHave(t, m, c.Raw)
			}
			if _, signs := key.(crypto.Signer); signs && (len(m.Keys) != 1 || m.Keys[0].Err != nil) {
				t.Fatal("the key that go-pkcs12 reads is not found")
			}
		}
		if certs, err := pkcs12.DecodeTrustStore(data, "x"); err == nil {
			for _, c := range certs {
				mustHave(t, m, c.Raw)
			}
		}
	})
}

// asksFor adds up the rounds that a PKCS#12 file asks for on its outside.
func asksFor(data []byte) int {
	p, err := parsePFX(data)
	if err != nil {
		return 0
	}
	n := 0
	if p.mac != nil {
		n += p.mac.work.work
	}
	for _, s := range p.safes {
		if s.enc != nil {
			n += s.enc.algorithm.work
		} else if i := bytes.Index(s.plain, []byte("\x02\x03")); i > 0 {
			n += 1 << 20 // an INTEGER of three bytes may be a count
		}
	}
	return n
}
