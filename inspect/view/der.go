package view

import (
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// crypto/x509 is strict: it refuses certificates that OpenSSL shows, and drops
// what it does not need of those that it takes. So what is shown comes from the
// DER itself, taken apart here.

// parts are the pieces of a certificate (RFC 5280, 4.1) or request (RFC 2986).
// All bytes are slices of the DER.
type parts struct {
	// version as encoded: 0 stands for version 1. -1: none of the known ones.
	version              int
	serial               []byte // content of the INTEGER
	inner, outer         algorithm
	issuer, subject      []byte // elements
	notBefore, notAfter  derTime
	key                  []byte // subjectPublicKeyInfo, the element
	issuerUID            []byte
	subjectUID           []byte
	extensions           []extension
	attributes           []attribute // of a request
	signature            []byte      // content of the BIT STRING
	hasIssuerUID, hasUID bool
	// badExtensions: the request asks for extensions, in a malformed way.
	badExtensions bool
}

// algorithm is an AlgorithmIdentifier. params is the element behind the
// identifier, empty when there is none.
type algorithm struct {
	oid    string
	params []byte
}

type extension struct {
	oid      string
	critical bool
	value    []byte
}

// attribute is one of a request; values are elements.
type attribute struct {
	oid    string
	values []element
}

// element is an ASN.1 value: tag is its first octet, content what it holds, raw
// all of it.
type element struct {
	tag          asn1.Tag
	content, raw []byte
}

// derTime is a UTCTime or GeneralizedTime as it stands in the DER.
type derTime struct {
	tag  asn1.Tag
	text string
}

// parseCertificate takes a certificate apart as far as it can be. complete is
// false when it breaks off; what stands before that is there.
func parseCertificate(der []byte) (p parts, complete bool) {
	in := cryptobyte.String(der)
	var outer, tbs cryptobyte.String
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !outer.ReadASN1(&tbs, asn1.SEQUENCE) {
		return p, false
	}
	var version cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&version, &present, asn1.Tag(0).ContextSpecific().Constructed()) {
		return p, false
	}
	if present && !version.ReadASN1Integer(&p.version) {
		p.version = -1
	}
	complete = tbs.ReadASN1((*cryptobyte.String)(&p.serial), asn1.INTEGER) &&
		readAlgorithm(&tbs, &p.inner) &&
		tbs.ReadASN1Element((*cryptobyte.String)(&p.issuer), asn1.SEQUENCE) &&
		p.readValidity(&tbs) &&
		tbs.ReadASN1Element((*cryptobyte.String)(&p.subject), asn1.SEQUENCE) &&
		tbs.ReadASN1Element((*cryptobyte.String)(&p.key), asn1.SEQUENCE) &&
		readUID(&tbs, 1, &p.issuerUID, &p.hasIssuerUID) &&
		readUID(&tbs, 2, &p.subjectUID, &p.hasUID) &&
		p.readExtensions(&tbs)
	return p, complete && p.readSignature(&outer)
}

// parseRequest is parseCertificate for a signing request.
func parseRequest(der []byte) (p parts, complete bool) {
	in := cryptobyte.String(der)
	var outer, info cryptobyte.String
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !outer.ReadASN1(&info, asn1.SEQUENCE) {
		return p, false
	}
	var version cryptobyte.String
	if !info.ReadASN1Element(&version, asn1.INTEGER) {
		return p, false
	}
	if !version.ReadASN1Integer(&p.version) {
		p.version = -1
	}
	complete = info.ReadASN1Element((*cryptobyte.String)(&p.subject), asn1.SEQUENCE) &&
		info.ReadASN1Element((*cryptobyte.String)(&p.key), asn1.SEQUENCE) &&
		p.readAttributes(&info)
	return p, complete && p.readSignature(&outer)
}

func readAlgorithm(s *cryptobyte.String, a *algorithm) bool {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !readOID(&seq, &a.oid) {
		return false
	}
	a.params = seq
	return true
}

func readOID(s *cryptobyte.String, oid *string) bool {
	var content cryptobyte.String
	if !s.ReadASN1(&content, asn1.OBJECT_IDENTIFIER) {
		return false
	}
	*oid = oidText(content)
	return *oid != ""
}

func (p *parts) readValidity(tbs *cryptobyte.String) bool {
	var seq cryptobyte.String
	return tbs.ReadASN1(&seq, asn1.SEQUENCE) && readTime(&seq, &p.notBefore) && readTime(&seq, &p.notAfter)
}

func readTime(s *cryptobyte.String, t *derTime) bool {
	var content cryptobyte.String
	if !s.ReadAnyASN1(&content, &t.tag) {
		return false
	}
	t.text = string(content)
	return true
}

func readUID(tbs *cryptobyte.String, tag asn1.Tag, uid *[]byte, present *bool) bool {
	var content cryptobyte.String
	if !tbs.ReadOptionalASN1(&content, present, tag.ContextSpecific()) {
		return false
	}
	if len(content) > 0 {
		*uid = content[1:]
	}
	return true
}

func (p *parts) readExtensions(tbs *cryptobyte.String) bool {
	var wrapped cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&wrapped, &present, asn1.Tag(3).ContextSpecific().Constructed()) {
		return false
	}
	if !present {
		return true
	}
	var ok bool
	p.extensions, ok = readExtensions(wrapped)
	return ok
}

func readExtensions(in cryptobyte.String) ([]extension, bool) {
	var list cryptobyte.String
	if !in.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, false
	}
	var found []extension
	for !list.Empty() {
		var seq, value cryptobyte.String
		var e extension
		if !list.ReadASN1(&seq, asn1.SEQUENCE) || !readOID(&seq, &e.oid) ||
			seq.PeekASN1Tag(asn1.BOOLEAN) && !readBool(&seq, &e.critical) ||
			!seq.ReadASN1(&value, asn1.OCTET_STRING) {
			return found, false
		}
		e.value = value
		found = append(found, e)
	}
	return found, true
}

// readBool takes what BER allows: every octet but 0 is true.
func readBool(s *cryptobyte.String, v *bool) bool {
	var content cryptobyte.String
	if !s.ReadASN1(&content, asn1.BOOLEAN) || len(content) != 1 {
		return false
	}
	*v = content[0] != 0
	return true
}

func (p *parts) readSignature(outer *cryptobyte.String) bool {
	var bits cryptobyte.String
	if !readAlgorithm(outer, &p.outer) || !outer.ReadASN1(&bits, asn1.BIT_STRING) || len(bits) == 0 {
		return false
	}
	p.signature = bits[1:]
	return true
}

func (p *parts) readAttributes(info *cryptobyte.String) bool {
	var list cryptobyte.String
	var present bool
	if !info.ReadOptionalASN1(&list, &present, asn1.Tag(0).ContextSpecific().Constructed()) {
		return false
	}
	for !list.Empty() {
		var seq, set cryptobyte.String
		var a attribute
		if !list.ReadASN1(&seq, asn1.SEQUENCE) || !readOID(&seq, &a.oid) || !seq.ReadASN1(&set, asn1.SET) {
			return false
		}
		var ok bool
		if a.values, ok = readElements(set); !ok {
			return false
		}
		p.attributes = append(p.attributes, a)
		if isExtensionRequest(a.oid) && len(a.values) > 0 && p.extensions == nil {
			var good bool
			p.extensions, good = readExtensions(cryptobyte.String(a.values[0].raw))
			p.badExtensions = !good
		}
	}
	return true
}

func isExtensionRequest(oid string) bool {
	return oid == oidExtensionRequest || oid == oidMSExtensionRequest
}

// readElements takes s apart into the elements that stand one behind the other.
func readElements(s cryptobyte.String) ([]element, bool) {
	var all []element
	for !s.Empty() {
		e, ok := readElement(&s)
		if !ok {
			return nil, false
		}
		all = append(all, e)
	}
	return all, true
}

func readElement(s *cryptobyte.String) (element, bool) {
	var raw, content cryptobyte.String
	var e element
	if !s.ReadAnyASN1Element(&raw, &e.tag) {
		return e, false
	}
	e.raw = raw
	if !raw.ReadAnyASN1(&content, &e.tag) {
		return e, false
	}
	e.content = content
	return e, true
}

// readSequence takes the elements of a SEQUENCE that is all of der.
func readSequence(der []byte) ([]element, bool) {
	in := cryptobyte.String(der)
	var list cryptobyte.String
	if !in.ReadASN1(&list, asn1.SEQUENCE) || !in.Empty() {
		return nil, false
	}
	return readElements(list)
}

// signedInt reads the content of an INTEGER.
func signedInt(content []byte) *big.Int {
	n := new(big.Int).SetBytes(content)
	if len(content) > 0 && content[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(content))*8))
	}
	return n
}

// time gives the moment, false when the text is not in a form of RFC 5280,
// 4.1.2.5. Fractions of a second, which that forbids, are dropped.
func (t derTime) time() (time.Time, bool) {
	layout := "20060102150405Z"
	switch t.tag {
	case asn1.UTCTime:
		layout = "060102150405Z"
	case asn1.GeneralizedTime:
	default:
		return time.Time{}, false
	}
	at, err := time.Parse(layout, t.text)
	if err != nil {
		return time.Time{}, false
	}
	if t.tag == asn1.UTCTime && at.Year() >= 2050 {
		at = at.AddDate(-100, 0, 0)
	}
	return at, true
}
