package format

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
	"software.sslmate.com/src/go-pkcs12"
)

// P12Options choose how a PKCS#12 file is written. The zero value is what
// OpenSSL 1.1.1, Java 12 and Windows Server 2019, and all newer, read: PBES2
// with AES-256-CBC, HMAC-SHA256 for the MAC.
type P12Options struct {
	// Legacy is for software older than that: 3DES and SHA-1.
	Legacy bool
	// FriendlyName is the entry's name, the "alias" of Java. In a trust store
	// with several certificates it is numbered. Empty takes the certificate's
	// own name there, and none for a key.
	FriendlyName string
}

// Rounds of password hashing. go-pkcs12 takes 2,048, or 1 for the MAC of
// legacy files; OpenSSL, Java and .NET take the numbers below (.NET's limit is
// 300,000), which Java itself wrote in its versions 8 to 11.
const (
	p12Rounds       = 100_000
	p12LegacyRounds = 50_000
)

// EncodeP12 packs a private key, its certificate and the chain behind it, leaf
// side first. An empty password encrypts with the empty password, as openssl
// does, which protects nothing.
func EncodeP12(signer crypto.Signer, leaf *x509.Certificate, chain []*x509.Certificate, password string, o P12Options) ([]byte, error) {
	switch {
	case signer == nil:
		return nil, errNoKey
	case leaf == nil:
		return nil, errors.New("encode PKCS#12: no certificate for the key")
	case !pki.SamePublicKey(signer.Public(), leaf.PublicKey):
		return nil, fmt.Errorf("encode PKCS#12: the private key (%s) is not that of the certificate (%s)",
			pki.DescribePublicKey(signer.Public()), pki.DescribePublicKey(leaf.PublicKey))
	}
	if err := checkP12Password(password); err != nil {
		return nil, err
	}
	out, err := o.encoder().Encode(signer, leaf, chain, password)
	if err == nil && o.FriendlyName != "" {
		out, err = nameKeyEntry(out, []byte(password), o.FriendlyName)
	}
	if err != nil {
		return nil, fmt.Errorf("encode PKCS#12: %w", err)
	}
	return out, nil
}

// EncodeP12TrustStore packs certificates with the mark by which Java trusts
// them; keytool lists each as trustedCertEntry. Doubles are folded. An empty
// password leaves the store in the open, without encryption and MAC, which
// Java 18 and newer read.
func EncodeP12TrustStore(certs []*x509.Certificate, password string, o P12Options) ([]byte, error) {
	if len(certs) == 0 {
		return nil, errors.New("encode PKCS#12 trust store: no certificate")
	}
	if err := checkP12Password(password); err != nil {
		return nil, err
	}
	encoder := o.encoder()
	if password == "" {
		encoder = pkcs12.Passwordless
	}
	out, err := encoder.EncodeTrustStoreEntries(trustEntries(certs, o.FriendlyName), password)
	if err != nil {
		return nil, fmt.Errorf("encode PKCS#12 trust store: %w", err)
	}
	return out, nil
}

// checkP12Password refuses what the format cannot hold: it writes passwords in
// UCS-2, and go-pkcs12 would put another character for a byte that is not
// UTF-8, so that nobody could open the file.
func checkP12Password(password string) error {
	if !utf8.ValidString(password) {
		return errors.New("encode PKCS#12: the password is not UTF-8 text")
	}
	if strings.IndexFunc(password, func(r rune) bool { return r > 0xFFFF }) >= 0 {
		return errors.New("encode PKCS#12: the password has a character beyond U+FFFF, such as an emoji, which most programs could not enter again")
	}
	return nil
}

func (o P12Options) encoder() *pkcs12.Encoder {
	if o.Legacy {
		return pkcs12.LegacyDES.WithIterations(p12LegacyRounds)
	}
	return pkcs12.Modern2023.WithIterations(p12Rounds)
}

// trustEntries gives each certificate a name of its own: Java keeps one entry
// for each name, and knows no case in them.
func trustEntries(certs []*x509.Certificate, name string) []pkcs12.TrustStoreEntry {
	var entries []pkcs12.TrustStoreEntry
	taken := map[string]bool{}
	seen := map[string]bool{}
	for _, c := range certs {
		if seen[string(c.Raw)] {
			continue
		}
		seen[string(c.Raw)] = true
		base := name
		if base == "" {
			base = aliasOf(c)
		}
		alias := base
		for n := 2; taken[strings.ToLower(alias)]; n++ {
			alias = fmt.Sprintf("%s-%d", base, n)
		}
		taken[strings.ToLower(alias)] = true
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: c, FriendlyName: alias})
	}
	return entries
}

// aliasOf names a certificate by what its subject says.
func aliasOf(c *x509.Certificate) string {
	for _, text := range append([]string{c.Subject.CommonName}, append(c.Subject.Organization, c.Subject.String(), "ca")...) {
		// PKCS#12 writes names in UCS-2, which has no characters beyond U+FFFF.
		text = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r > 0xFFFF || utf16.IsSurrogate(r) {
				return -1
			}
			return r
		}, text))
		if text != "" {
			return text
		}
	}
	return "ca"
}
