package view

import (
	"encoding/binary"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Each decode function reads the value of one kind of extension. ok is false
// when it is malformed.

// context is the first octet of a context-specific tag.
func context(n asn1.Tag) asn1.Tag { return n.ContextSpecific() }

type basicConstraints struct {
	ca      bool
	pathLen *big.Int // nil: no limit
}

// decodeBasicConstraints gives what it understood also when something is wrong
// behind it, which Go passes over.
func decodeBasicConstraints(der []byte) (c basicConstraints, ok bool) {
	in := cryptobyte.String(der)
	var seq, n cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || seq.PeekASN1Tag(asn1.BOOLEAN) && !readBool(&seq, &c.ca) {
		return basicConstraints{}, false
	}
	if seq.PeekASN1Tag(asn1.INTEGER) {
		if !seq.ReadASN1(&n, asn1.INTEGER) {
			return c, false
		}
		c.pathLen = signedInt(n)
	}
	return c, seq.Empty() && in.Empty()
}

// bits are the content of a BIT STRING, without the leading octet.
type bits []byte

// has reports whether bit n is set, counted from the first.
func (b bits) has(n int) bool { return n/8 < len(b) && b[n/8]&(0x80>>(n%8)) != 0 }

func decodeBits(der []byte) (bits, bool) {
	in := cryptobyte.String(der)
	var content cryptobyte.String
	if !in.ReadASN1(&content, asn1.BIT_STRING) || !in.Empty() {
		return nil, false
	}
	return bitContent(content)
}

func bitContent(content []byte) (bits, bool) {
	if len(content) == 0 || content[0] > 7 || len(content) == 1 && content[0] != 0 {
		return nil, false
	}
	b := append(bits(nil), content[1:]...)
	if len(b) > 0 {
		b[len(b)-1] &= 0xff << content[0]
	}
	return b, true
}

func decodeOctets(der []byte) ([]byte, bool) {
	in := cryptobyte.String(der)
	var content cryptobyte.String
	ok := in.ReadASN1(&content, asn1.OCTET_STRING) && in.Empty()
	return content, ok
}

// decodeInteger gives the content of an INTEGER.
func decodeInteger(der []byte) (*big.Int, bool) {
	in := cryptobyte.String(der)
	var content cryptobyte.String
	if !in.ReadASN1(&content, asn1.INTEGER) || !in.Empty() || len(content) == 0 {
		return nil, false
	}
	return signedInt(content), true
}

func decodeOIDs(der []byte) ([]string, bool) {
	elements, ok := readSequence(der)
	if !ok {
		return nil, false
	}
	var oids []string
	for _, e := range elements {
		if e.tag != asn1.OBJECT_IDENTIFIER || oidText(e.content) == "" {
			return nil, false
		}
		oids = append(oids, oidText(e.content))
	}
	return oids, true
}

type authorityKeyID struct {
	keyID  []byte
	issuer []generalName
	serial []byte
	// which of them are there
	hasKeyID, hasIssuer, hasSerial bool
}

func decodeAuthorityKeyID(der []byte) (a authorityKeyID, ok bool) {
	elements, ok := readSequence(der)
	for _, e := range elements {
		switch e.tag {
		case context(0):
			a.keyID, a.hasKeyID = e.content, true
		case context(1).Constructed():
			if a.issuer, ok = readGeneralNames(e.content); !ok {
				return a, false
			}
			a.hasIssuer = true
		case context(2):
			a.serial, a.hasSerial = e.content, true
		default:
			return a, false
		}
	}
	return a, ok
}

// generalName is one name of RFC 5280, 4.2.1.6, as it stands there.
type generalName struct {
	// kind is the number of its tag: 0 otherName … 8 registeredID.
	kind    int
	content []byte
}

const (
	kindOther = iota
	kindEmail
	kindDNS
	kindX400
	kindDir
	kindEDI
	kindURI
	kindIP
	kindRegistered
)

func decodeGeneralNames(der []byte) ([]generalName, bool) {
	in := cryptobyte.String(der)
	var list cryptobyte.String
	if !in.ReadASN1(&list, asn1.SEQUENCE) || !in.Empty() {
		return nil, false
	}
	return readGeneralNames(list)
}

func readGeneralNames(list []byte) ([]generalName, bool) {
	elements, ok := readElements(list)
	if !ok {
		return nil, false
	}
	names := make([]generalName, 0, len(elements))
	for _, e := range elements {
		n, ok := toGeneralName(e)
		if !ok {
			return names, false
		}
		names = append(names, n)
	}
	return names, true
}

func toGeneralName(e element) (generalName, bool) {
	kind := int(e.tag & 0x1f)
	ok := e.tag&0xc0 == 0x80 && kind <= kindRegistered
	switch kind {
	case kindOther, kindX400, kindDir, kindEDI:
		ok = ok && e.tag&0x20 != 0
	default:
		ok = ok && e.tag&0x20 == 0
	}
	return generalName{kind, e.content}, ok
}

// otherName is identifier and value of a name of that kind.
func (n generalName) otherName() (oid string, value element, ok bool) {
	in := cryptobyte.String(n.content)
	var wrapped cryptobyte.String
	if !readOID(&in, &oid) || !in.ReadASN1(&wrapped, context(0).Constructed()) {
		return "", element{}, false
	}
	value, ok = readElement(&wrapped)
	return oid, value, ok
}

type nameConstraints struct {
	permitted, excluded       []generalName
	hasPermitted, hasExcluded bool
}

func decodeNameConstraints(der []byte) (c nameConstraints, ok bool) {
	elements, ok := readSequence(der)
	for _, e := range elements {
		names, good := readSubtrees(e.content)
		if !good {
			return c, false
		}
		switch e.tag {
		case context(0).Constructed():
			c.permitted, c.hasPermitted = names, true
		case context(1).Constructed():
			c.excluded, c.hasExcluded = names, true
		default:
			return c, false
		}
	}
	return c, ok
}

func readSubtrees(list []byte) ([]generalName, bool) {
	trees, ok := readElements(list)
	if !ok {
		return nil, false
	}
	var names []generalName
	for _, tree := range trees {
		in := cryptobyte.String(tree.content)
		base, ok := readElement(&in)
		if !ok || tree.tag != asn1.SEQUENCE {
			return nil, false
		}
		n, ok := toGeneralName(base)
		if !ok {
			return nil, false
		}
		names = append(names, n)
	}
	return names, true
}

type policy struct {
	oid           string
	qualifiers    []qualifier
	hasQualifiers bool
}

// qualifier is a CPS pointer or user notice. value is the element behind its
// identifier.
type qualifier struct {
	oid   string
	value element
}

func decodePolicies(der []byte) ([]policy, bool) {
	elements, ok := readSequence(der)
	if !ok {
		return nil, false
	}
	var all []policy
	for _, e := range elements {
		in := cryptobyte.String(e.content)
		var p policy
		if e.tag != asn1.SEQUENCE || !readOID(&in, &p.oid) {
			return nil, false
		}
		if !in.Empty() {
			if p.qualifiers, ok = readQualifiers(in); !ok {
				return nil, false
			}
			p.hasQualifiers = true
		}
		all = append(all, p)
	}
	return all, true
}

func readQualifiers(der []byte) ([]qualifier, bool) {
	elements, ok := readSequence(der)
	if !ok {
		return nil, false
	}
	var all []qualifier
	for _, e := range elements {
		in := cryptobyte.String(e.content)
		var q qualifier
		if e.tag != asn1.SEQUENCE || !readOID(&in, &q.oid) {
			return nil, false
		}
		if q.value, ok = readElement(&in); !ok {
			return nil, false
		}
		all = append(all, q)
	}
	return all, true
}

type accessDescription struct {
	method   string
	location generalName
}

func decodeAccess(der []byte) ([]accessDescription, bool) {
	elements, ok := readSequence(der)
	if !ok {
		return nil, false
	}
	var all []accessDescription
	for _, e := range elements {
		in := cryptobyte.String(e.content)
		var a accessDescription
		if e.tag != asn1.SEQUENCE || !readOID(&in, &a.method) {
			return nil, false
		}
		location, ok := readElement(&in)
		if !ok {
			return nil, false
		}
		if a.location, ok = toGeneralName(location); !ok {
			return nil, false
		}
		all = append(all, a)
	}
	return all, true
}

type crlPoint struct {
	hasName   bool
	full      []generalName
	relative  []byte // content of the RelativeDistinguishedName; nil: full counts
	reasons   bits
	hasReason bool
	issuer    []generalName
	hasIssuer bool
}

func decodeCRLPoints(der []byte) ([]crlPoint, bool) {
	elements, ok := readSequence(der)
	if !ok {
		return nil, false
	}
	var all []crlPoint
	for _, e := range elements {
		fields, ok := readElements(e.content)
		if !ok || e.tag != asn1.SEQUENCE {
			return nil, false
		}
		var p crlPoint
		for _, f := range fields {
			if !p.read(f) {
				return nil, false
			}
		}
		all = append(all, p)
	}
	return all, true
}

func (p *crlPoint) read(f element) (ok bool) {
	switch f.tag {
	case context(0).Constructed():
		in := cryptobyte.String(f.content)
		name, ok := readElement(&in)
		if !ok {
			return false
		}
		p.hasName = true
		if name.tag == context(1).Constructed() {
			p.relative = name.content
			return true
		}
		p.full, ok = readGeneralNames(name.content)
		return ok && name.tag == context(0).Constructed()
	case context(1):
		p.reasons, ok = bitContent(f.content)
		p.hasReason = true
	case context(2).Constructed():
		p.issuer, ok = readGeneralNames(f.content)
		p.hasIssuer = true
	}
	return ok
}

// sct is a SignedCertificateTimestamp (RFC 6962, 3.2).
type sct struct {
	raw        []byte
	version    uint8
	logID      []byte
	timestamp  uint64 // milliseconds since 1970
	extensions []byte
	hash, alg  uint8
	signature  []byte
}

func (s sct) time() time.Time { return time.UnixMilli(int64(s.timestamp)).UTC() }

// decodeSCTs reads a SignedCertificateTimestampList.
func decodeSCTs(der []byte) ([]sct, bool) {
	list, ok := decodeOctets(der)
	if !ok {
		return nil, false
	}
	in, body := cryptobyte.String(list), cryptobyte.String(nil)
	if !in.ReadUint16LengthPrefixed(&body) || !in.Empty() {
		return nil, false
	}
	var all []sct
	for !body.Empty() {
		var item cryptobyte.String
		if !body.ReadUint16LengthPrefixed(&item) || item.Empty() {
			return nil, false
		}
		s := sct{raw: item, version: item[0]}
		if s.version == 0 && !s.read(item[1:]) {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

func (s *sct) read(in cryptobyte.String) bool {
	var timestamp []byte
	if !in.ReadBytes(&s.logID, 32) || !in.ReadBytes(&timestamp, 8) {
		return false
	}
	s.timestamp = binary.BigEndian.Uint64(timestamp)
	return in.ReadUint16LengthPrefixed((*cryptobyte.String)(&s.extensions)) &&
		in.ReadUint8(&s.hash) && in.ReadUint8(&s.alg) &&
		in.ReadUint16LengthPrefixed((*cryptobyte.String)(&s.signature)) && in.Empty()
}
