package format

import (
	"crypto"
	"crypto/x509"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"
)

// P12Options choose how a PKCS#12 file is written. The zero value is what
// OpenSSL 1.1.1, Java 12 and Windows Server 2019, and all newer, read.
type P12Options struct {
	// Legacy uses 3DES and SHA-1 for software older than that.
	Legacy bool
	// FriendlyName is what keytool calls the alias.
	FriendlyName string
}

// EncodeP12 packs a key, its certificate and the chain behind it.
func EncodeP12(signer crypto.Signer, leaf *x509.Certificate, chain []*x509.Certificate, password string, o P12Options) ([]byte, error) {
	out, err := o.encoder().Encode(signer, leaf, chain, password)
	if err != nil {
		return nil, fmt.Errorf("encode PKCS#12: %w", err)
	}
	return out, nil
}

// EncodeP12TrustStore packs certificates that Java then trusts.
func EncodeP12TrustStore(certs []*x509.Certificate, password string, o P12Options) ([]byte, error) {
	out, err := o.encoder().EncodeTrustStore(certs, password)
	if err != nil {
		return nil, fmt.Errorf("encode PKCS#12 trust store: %w", err)
	}
	return out, nil
}

func (o P12Options) encoder() *pkcs12.Encoder {
	if o.Legacy {
		return pkcs12.LegacyDES
	}
	return pkcs12.Modern2023
}
