package view

import (
	"crypto/x509"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crpki/crpki/pki/lenient"
)

// faultsOf are the places at which Go stumbles over a certificate: those that
// the lenient reader knows by name, and the elements that Go refuses for other
// reasons.
func faultsOf(der []byte) []lenient.Fault {
	_, faults := lenient.Read(der)
	for _, p := range refusedPieces(der) {
		inside := func(f lenient.Fault) bool {
			return p.offset <= f.Offset && f.Offset < p.offset+len(p.raw)
		}
		if !slices.ContainsFunc(faults, inside) {
			faults = append(faults, lenient.Fault{
				Rule: lenient.BadDER, Offset: p.offset, Field: p.field, Detail: "Go cannot read it: " + p.reason,
			})
		}
	}
	return faults
}

// piece is an element of a certificate.
type piece struct {
	field  string
	raw    []byte
	offset int
	reason string // why Go refuses it
	// put sets it into a certificate that Go reads.
	put func(c *donor, raw []byte)
}

// refusedPieces finds out which elements Go cannot read, by setting each alone
// into a certificate that it can. Go itself stops at the first and does not say
// where that is. All of it takes time in proportion to the length of der, for
// Go reads each element once more.
func refusedPieces(der []byte) []piece {
	var refused []piece
	for _, p := range pieces(der) {
		c := newDonor()
		p.put(&c, p.raw)
		if _, err := x509.ParseCertificate(c.encode()); err != nil {
			p.reason = strings.TrimPrefix(err.Error(), "x509: ")
			refused = append(refused, p)
		}
	}
	return refused
}

// mostPieces bounds how many elements are tried; real certificates have some
// twenty.
const mostPieces = 1000

// pieces takes a certificate apart (RFC 5280, 4.1); behind a fault in the
// structure, of which the lenient reader tells, there is nothing.
func pieces(der []byte) []piece {
	in := cryptobyte.String(der)
	var outer, tbs cryptobyte.String
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !outer.ReadASN1(&tbs, asn1.SEQUENCE) {
		return nil
	}
	var all []piece
	take := func(from *cryptobyte.String, field string, put func(c *donor, raw []byte)) bool {
		var raw cryptobyte.String
		var tag asn1.Tag
		if !from.ReadAnyASN1Element(&raw, &tag) {
			return false
		}
		if put != nil {
			// The element is a slice of der with the capacity of what is left of it.
			all = append(all, piece{field: field, raw: raw, offset: cap(der) - cap(raw), put: put})
		}
		return true
	}
	tbs.SkipOptionalASN1(asn1.Tag(0).ContextSpecific().Constructed()) // the version
	ok := take(&tbs, "tbsCertificate.serialNumber", func(c *donor, raw []byte) { c.serial = raw }) &&
		take(&tbs, "tbsCertificate.signature", func(c *donor, raw []byte) { c.algorithm = raw }) &&
		take(&tbs, "tbsCertificate.issuer", func(c *donor, raw []byte) { c.issuer = raw }) &&
		take(&tbs, "tbsCertificate.validity", func(c *donor, raw []byte) { c.validity = raw }) &&
		take(&tbs, "tbsCertificate.subject", func(c *donor, raw []byte) { c.subject = raw }) &&
		take(&tbs, "tbsCertificate.subjectPublicKeyInfo", func(c *donor, raw []byte) { c.key = raw })
	if !ok {
		return all
	}
	for !tbs.Empty() && !tbs.PeekASN1Tag(asn1.Tag(3).ContextSpecific().Constructed()) {
		field, rest := "tbsCertificate.subjectUniqueID", tbs
		if tbs.PeekASN1Tag(asn1.Tag(1).ContextSpecific()) {
			field = "tbsCertificate.issuerUniqueID"
		}
		put := func(c *donor, raw []byte) { c.uniqueID = raw }
		if !take(&tbs, field, put) {
			return append(all, piece{field: field, raw: rest, offset: cap(der) - cap(rest), put: put})
		}
	}
	var wrapped, list cryptobyte.String
	if tbs.ReadASN1(&wrapped, asn1.Tag(3).ContextSpecific().Constructed()) && wrapped.ReadASN1(&list, asn1.SEQUENCE) {
		for !list.Empty() && len(all) < mostPieces {
			field, whole := "tbsCertificate.extensions", list
			var seq cryptobyte.String
			var oid string
			if whole.ReadASN1(&seq, asn1.SEQUENCE) && readOID(&seq, &oid) {
				field = lenient.ExtensionName(oid)
			}
			if !take(&list, field, func(c *donor, raw []byte) { c.extension = raw }) {
				return all
			}
		}
	}
	if take(&outer, "signatureAlgorithm", nil) {
		take(&outer, "signatureValue", func(c *donor, raw []byte) { c.signature = raw })
	}
	return all
}

// donor is a certificate that Go reads, without names, as elements in DER.
type donor struct {
	serial, algorithm, issuer, validity, subject, key, uniqueID, extension, signature []byte
}

func newDonor() donor {
	ed25519 := []byte("\x30\x05\x06\x03\x2b\x65\x70")
	return donor{
		serial:    []byte("\x02\x01\x01"),
		algorithm: ed25519,
		issuer:    []byte("\x30\x00"),
		validity:  []byte("\x30\x1e\x17\x0d260101000000Z\x17\x0d270101000000Z"),
		subject:   []byte("\x30\x00"),
		key:       append([]byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"), make([]byte, 32)...),
		signature: []byte("\x03\x02\x00\x00"),
	}
}

func (c donor) encode() []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes([]byte("\xa0\x03\x02\x01\x02")) // version 3
			for _, element := range [][]byte{c.serial, c.algorithm, c.issuer, c.validity, c.subject, c.key, c.uniqueID} {
				b.AddBytes(element)
			}
			if c.extension != nil {
				b.AddASN1(asn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(c.extension) })
				})
			}
		})
		b.AddBytes(c.algorithm)
		b.AddBytes(c.signature)
	})
	return b.BytesOrPanic()
}
