package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

func selfSigned(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x1234567890), Subject: pkix.Name{CommonName: "registry.local"}, DNSNames: []string{"registry.local"},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return der
}

// changed gives der with one byte changed: the one at offset behind the last
// occurrence of mark.
func changed(t *testing.T, der, mark []byte, offset int, to byte) []byte {
	t.Helper()
	at := bytes.LastIndex(der, mark)
	require.GreaterOrEqual(t, at, 0)
	out := bytes.Clone(der)
	out[at+offset] = to
	return out
}

// The verdicts are OpenSSL 3.0's: "Could not read certificate". One whose key it
// cannot read is nobody's issuer, its own neither; told to trust it as it is, it
// says "unable to get certs public key".
func TestUnreadableByOpenSSL(t *testing.T) {
	der := selfSigned(t)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	bits := append([]byte{0}, cert.Signature...)
	name := []byte("registry.local") // the last is the subjectAltName's
	subject := append([]byte{0x0c, byte(len(name))}, name...)
	if !bytes.Contains(der, subject) {
		subject[0] = 0x13
	}
	curve := []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}
	for name, tt := range map[string]struct {
		der             []byte
		unreadable, key bool
	}{
		"as it should be":                  {der: der},
		"bytes behind it":                  {der: append(bytes.Clone(der), 1, 2, 3)},
		"cut short":                        {der: der[:len(der)-1], unreadable: true},
		"empty":                            {unreadable: true},
		"128 unused bits":                  {der: changed(t, der, bits, 0, 0x80), unreadable: true},
		"a serial padded":                  {der: bytes.Replace(der, []byte{0x12, 0x34, 0x56}, []byte{0, 0x34, 0x56}, 1), unreadable: true},
		"a name that is an OCTET STRING":   {der: changed(t, der, subject, 0, 4), unreadable: true},
		"an OID that does not end":         {der: changed(t, der, curve, 7, 0x87), unreadable: true},
		"an unknown curve":                 {der: changed(t, der, curve, 7, 0x77), key: true},
		"a point that is not on the curve": {der: changed(t, der, append([]byte{0x42, 0, 4}, cert.RawSubjectPublicKeyInfo[27:30]...), 4, ^cert.RawSubjectPublicKeyInfo[28]), key: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := []pki.Cert{pki.NewCert(pki.Origin{}, tt.der)}
			o := OpenSSL{Presented: c, Trusted: c, At: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
			v := o.Verify()
			assert.Equal(t, tt.unreadable, len(v.Unreadable) > 0, "unreadable")
			want := CodeOK
			if tt.unreadable {
				want = CodeUnspecified
			} else if tt.key {
				want = CodeUnableToGetIssuerCertLocally
			}
			assert.Equal(t, want, v.First())
			if o.PartialChain = true; tt.key {
				v = o.Verify()
				assert.Equal(t, CodeUnspecified, v.First())
				assert.True(t, v.UndecodableKey)
			}
		})
	}
}

// Every byte of a certificate is changed, and OpenSSL itself asked what it can
// read.
func TestDecodesLikeOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CRPKI_INTEROP") == "require" {
			t.Fatal("openssl is not there")
		}
		t.Skip("openssl is not there")
	}
	der := selfSigned(t)
	dir := t.TempDir()
	var args []string
	mutants := map[string][]byte{}
	for i := 0; i < len(der); i += 2 {
		mutant := bytes.Clone(der)
		mutant[i] ^= []byte{0x80, 0x20, 0xff, 0x01}[i/2%4]
		path := filepath.Join(dir, "m"+big.NewInt(int64(i)).String()+".pem")
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: mutant}), 0o600))
		mutants[path] = mutant
		args = append(args, path)
	}
	require.NotEmpty(t, args)
	for path, mutant := range mutants {
		out, _ := exec.Command(openssl, "verify", "-CAfile", path, path).CombinedOutput()
		text := string(out)
		refused := strings.Contains(text, "Could not") || strings.Contains(text, "Unable to load") || strings.Contains(text, "Error loading file")
		assert.Equal(t, !refused, decodes(mutant), "%s: %s", filepath.Base(path), text)
	}
}

func FuzzDecodes(f *testing.F) {
	f.Add(selfSigned(f))
	f.Fuzz(func(_ *testing.T, der []byte) {
		decodes(der)
		if c := parseCertificate(pki.Cert{Raw: der}); c != nil {
			c.keyDecodes()
		}
	})
}
