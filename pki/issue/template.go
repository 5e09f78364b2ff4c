package issue

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// ErrNoNames refuses a server certificate without subject alternative names:
// no client would accept it for anything.
var ErrNoNames = errors.New("no names: a server certificate needs the DNS names and IP addresses by which clients dial")

// leafTemplate is the part of a certificate that all leaves have in common.
func leafTemplate(pub crypto.PublicKey, r Request) (*x509.Certificate, error) {
	if len(r.Names) == 0 && !r.NoServer {
		return nil, ErrNoNames
	}
	t, err := template(pub, r.Validity)
	if err := errors.Join(err, checkSubject(r.Subject), checkCommonName(r)); err != nil {
		return nil, err
	}
	t.Subject, t.RawSubject = r.Subject, r.RawSubject
	t.KeyUsage, t.ExtKeyUsage = leafKeyUsage(pub), r.extKeyUsage()
	t.DNSNames, t.IPAddresses = r.Names.DNS(), r.Names.IPs()
	t.EmailAddresses, t.URIs = r.Names.Emails(), r.Names.URIs()
	return t, nil
}

// caTemplate is the part of a certificate that all CAs have in common.
func caTemplate(pub crypto.PublicKey, r CARequest, label string) (*x509.Certificate, error) {
	t, err := template(pub, r.Validity)
	if err := errors.Join(err, checkSubject(r.Subject), r.check()); err != nil {
		return nil, err
	}
	t.Subject = r.Subject
	if t.Subject.CommonName == "" {
		t.Subject.CommonName = CAName(label, pub)
	}
	t.IsCA = true
	t.MaxPathLen, t.MaxPathLenZero = r.PathLen, r.PathLen == 0
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	r.Constraints.apply(t)
	return t, nil
}

func (r CARequest) check() error {
	if r.PathLen < -1 {
		return fmt.Errorf("path length %d: it is 0 or more, or -1 for none", r.PathLen)
	}
	return r.Constraints.check()
}

func template(pub crypto.PublicKey, v Validity) (*x509.Certificate, error) {
	if err := errors.Join(CheckKey(pub), v.check()); err != nil {
		return nil, err
	}
	id, err := keyID(pub)
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          newSerial(),
		NotBefore:             v.NotBefore.UTC().Truncate(time.Second),
		NotAfter:              v.NotAfter.UTC().Truncate(time.Second),
		SubjectKeyId:          id,
		BasicConstraintsValid: true,
	}, nil
}

// leafKeyUsage: RSA keys also decrypt the premaster secret of TLS 1.2's older
// suites. Other keys cannot, and RFC 8813 (3) forbids them to claim it.
func leafKeyUsage(pub crypto.PublicKey) x509.KeyUsage {
	if _, ok := pub.(*rsa.PublicKey); ok {
		return x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	}
	return x509.KeyUsageDigitalSignature
}

func (r Request) extKeyUsage() []x509.ExtKeyUsage {
	var usages []x509.ExtKeyUsage
	if !r.NoServer {
		usages = append(usages, x509.ExtKeyUsageServerAuth)
	}
	if r.Client {
		usages = append(usages, x509.ExtKeyUsageClientAuth)
	}
	return usages
}

// newSerial is random in 128 bits and never zero: 17 octets at most, of the 20
// that RFC 5280 (4.1.2.2) allows.
func newSerial() *big.Int {
	b := make([]byte, 16)
	serial := new(big.Int)
	for serial.Sign() == 0 {
		_, _ = rand.Read(b) // never fails, by its documentation
		serial.SetBytes(b)
	}
	return serial
}

// keyID is the subject key identifier by method 1 of RFC 7093: the first 160
// bits of the SHA-256 of the key's bits, as crypto/x509 has it for CAs.
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("identify public key: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("identify public key: %w", err)
	}
	sum := sha256.Sum256(info.Key.Bytes)
	return sum[:20], nil
}

// CAName is the common name of a CA that is called label: a few digits of its
// key's identifier follow. Clients find an issuer by its name, so two CAs that
// share one (the second made anew with other keys) are mistaken for each other.
func CAName(label string, pub crypto.PublicKey) string { return label + " " + keyDigits(pub) }

// keyDigits is the beginning of the key's identifier, for names that people
// tell apart: "3f9a1c2b".
func keyDigits(pub crypto.PublicKey) string {
	id, err := keyID(pub)
	if err != nil {
		return "unknown"
	}
	return hex.EncodeToString(id[:4])
}
