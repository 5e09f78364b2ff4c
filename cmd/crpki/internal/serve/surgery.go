package serve

import (
	"crypto"
	"crypto/rand"
	_ "crypto/sha1" // for certificates that are signed with it
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"slices"

	"github.com/crpki/crpki/pki"
)

// certificate is a Certificate of RFC 5280, 4.1.
type certificate struct {
	TBS       asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

// tbsCertificate is the part of it that is signed, taken apart no further than
// faults need.
type tbsCertificate struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   asn1.RawValue
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
}

var (
	oidSAN              = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidComment          = asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 13} // Netscape's, which nobody judges
	oidECDSAWithSHA1    = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}
)

// index is where the extension of a kind stands; package issue puts it there.
func (t *tbsCertificate) index(id asn1.ObjectIdentifier) int {
	return slices.IndexFunc(t.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(id) })
}

// resign takes a certificate apart, changes it in ways that package issue would
// refuse, and signs it again with the key of an ECDSA CA.
func resign(der []byte, signer crypto.Signer, edit func(*tbsCertificate) error) ([]byte, error) {
	var whole certificate
	var tbs tbsCertificate
	if _, err := asn1.Unmarshal(der, &whole); err != nil {
		return nil, fmt.Errorf("take the certificate apart: %w", err)
	}
	if _, err := asn1.Unmarshal(whole.TBS.FullBytes, &tbs); err != nil {
		return nil, fmt.Errorf("take the certificate apart: %w", err)
	}
	if err := edit(&tbs); err != nil {
		return nil, err
	}
	signed, err := asn1.Marshal(tbs)
	if err != nil {
		return nil, fmt.Errorf("put the certificate together: %w", err)
	}
	hash := crypto.SHA256
	if tbs.Algorithm.Algorithm.Equal(oidECDSAWithSHA1) {
		hash = crypto.SHA1
	}
	h := hash.New()
	h.Write(signed)
	signature, err := signer.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate again: %w", err)
	}
	return asn1.Marshal(certificate{asn1.RawValue{FullBytes: signed}, tbs.Algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
}

// san is a subjectAltName extension (RFC 5280, 4.2.1.6).
func san(names pki.Names) (pkix.Extension, error) {
	const dnsName, ipAddress = 2, 7
	var list []asn1.RawValue
	for _, n := range names {
		v := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: dnsName, Bytes: []byte(n.Value)}
		if ip := net.ParseIP(n.Value); n.Kind == pki.IP && ip != nil {
			v.Tag, v.Bytes = ipAddress, ip.To16()
			if v4 := ip.To4(); v4 != nil {
				v.Bytes = v4
			}
		}
		list = append(list, v)
	}
	value, err := asn1.Marshal(list)
	return pkix.Extension{Id: oidSAN, Value: value}, err
}
