package format

import (
	"errors"

	"github.com/crpki/crpki/pki"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// pkcs7 reads the certificates out of PKCS#7 SignedData (RFC 2315 section 9.1),
// the ".p7b" of Windows and of many CAs.
func (d *decoder) pkcs7(origin pki.Origin, der []byte) {
	certs, err := pkcs7Certs(der)
	if err != nil {
		d.addBroken(kindPKCS7, origin, der, err)
		return
	}
	d.note(NotePKCS7, origin, "a PKCS#7 bundle of %s; servers and trust stores want PEM", count(len(certs), "certificate"))
	if len(certs) == 0 {
		d.why = "is a PKCS#7 bundle without a certificate in it"
	}
	for _, c := range certs {
		d.addCert(d.within(origin), c)
	}
}

// within gives the origin of an item in a container: the container's block, or
// a number of its own where the container is the whole source.
func (d *decoder) within(container pki.Origin) pki.Origin {
	if container.Index > 0 {
		return container
	}
	return d.next()
}

func pkcs7Certs(der []byte) ([][]byte, error) {
	in := cryptobyte.String(der)
	var info, content, signed, skip, set cryptobyte.String
	var oid string
	broken := errors.New("is a broken PKCS#7 bundle: its structure cannot be read")
	if !in.ReadASN1(&info, casn1.SEQUENCE) || !readOID(&info, &oid) {
		return nil, broken
	}
	if oid != "1.2.840.113549.1.7.2" {
		return nil, errors.New("is PKCS#7 of a kind that holds no certificates (" + contentTypeName(oid) + ")")
	}
	tag0 := casn1.Tag(0).ContextSpecific().Constructed()
	var has bool
	if !info.ReadASN1(&content, tag0) || !content.ReadASN1(&signed, casn1.SEQUENCE) ||
		!signed.ReadASN1(&skip, casn1.INTEGER) || !signed.ReadASN1(&skip, casn1.SET) ||
		!signed.ReadASN1(&skip, casn1.SEQUENCE) || !signed.ReadOptionalASN1(&set, &has, tag0) {
		return nil, broken
	}
	var certs [][]byte
	for !set.Empty() {
		var one cryptobyte.String
		var tag casn1.Tag
		if !set.ReadAnyASN1Element(&one, &tag) {
			return nil, broken
		}
		if tag == casn1.SEQUENCE { // the other choices are attribute certificates
			certs = append(certs, one)
		}
	}
	return certs, nil
}

// readOID reads an OBJECT IDENTIFIER as dotted text.
func readOID(in *cryptobyte.String, oid *string) bool {
	var raw cryptobyte.String
	if !in.ReadASN1Element(&raw, casn1.OBJECT_IDENTIFIER) {
		return false
	}
	id, _, err := readAlgorithm(raw)
	*oid = id
	return err == nil
}

// contentTypeName names PKCS#7's content types.
func contentTypeName(oid string) string {
	switch oid {
	case "1.2.840.113549.1.7.1":
		return "plain data"
	case "1.2.840.113549.1.7.3":
		return "data encrypted to a certificate"
	case "1.2.840.113549.1.7.5":
		return "a digest"
	case "1.2.840.113549.1.7.6":
		return "encrypted data"
	}
	return "content type " + oid
}
