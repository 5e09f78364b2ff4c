package format

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/youmark/pkcs8"
)

// Labels of the PEM blocks that crpki writes (RFC 7468).
const (
	labelCert         = "CERTIFICATE"
	labelCSR          = "CERTIFICATE REQUEST"
	labelKey          = "PRIVATE KEY"
	labelEncryptedKey = "ENCRYPTED PRIVATE KEY"
)

// keyIterations is the PBKDF2-HMAC-SHA256 work factor for encrypted keys, as
// OWASP's password storage cheat sheet had it in 2023: a fifth of a second.
const keyIterations = 600_000

// EncodeCerts writes certs as PEM, in the order given.
func EncodeCerts(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, encodePEM(labelCert, c.Raw)...)
	}
	return out
}

// EncodeCSR writes csr as PEM (RFC 7468 section 7).
func EncodeCSR(csr *x509.CertificateRequest) []byte { return encodePEM(labelCSR, csr.Raw) }

// EncodeKey writes signer as PKCS#8 PEM, unencrypted (RFC 5208, label PRIVATE
// KEY). It refuses signers that hold no key of their own, such as hardware.
func EncodeKey(signer crypto.Signer) ([]byte, error) {
	if signer == nil {
		return nil, errNoKey
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return encodePEM(labelKey, der), nil
}

// EncodeKeyEncrypted writes signer as encrypted PKCS#8 PEM (label ENCRYPTED
// PRIVATE KEY): PBES2 of RFC 8018 with PBKDF2-HMAC-SHA256 and AES-256-CBC,
// which OpenSSL reads since 1.0.
func EncodeKeyEncrypted(signer crypto.Signer, password []byte) ([]byte, error) {
	if signer == nil {
		return nil, errNoKey
	}
	// The library writes the key in the clear when the password is empty.
	if len(password) == 0 {
		return nil, errors.New("encrypt private key: the password is empty")
	}
	der, err := pkcs8.MarshalPrivateKey(signer, password, &pkcs8.Opts{
		Cipher:  pkcs8.AES256CBC,
		KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 16, IterationCount: keyIterations, HMACHash: crypto.SHA256},
	})
	if err != nil {
		return nil, fmt.Errorf("encrypt private key: %w", err)
	}
	return encodePEM(labelEncryptedKey, der), nil
}

func encodePEM(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}
