package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"slices"
	"strconv"
	"strings"
)

const (
	tagBoolean    = 1
	tagInteger    = 2
	tagBitString  = 3
	tagOctets     = 4
	tagNull       = 5
	tagOID        = 6
	tagEnumerated = 10
	tagUTF8       = 12
	tagSequence   = 16
	tagSet        = 17
	tagNumeric    = 18
	tagPrintable  = 19
	tagT61        = 20
	tagIA5        = 22
	tagUTCTime    = 23
	tagTime       = 24
	tagVisible    = 26
	tagUniversal  = 28
	tagBMP        = 30

	// classContext is the class of context-specific tags; that of universal ones
	// is 0.
	classContext = 0x80
)

// decoder reads elements one by one. After the first fault it is bad, and reads
// nothing.
type decoder struct {
	rest []byte
	bad  bool
	// open: the length is indefinite, and two zeros end it.
	open bool
	// anyText takes strings of names whatever they hold, as GnuTLS does.
	anyText bool
}

// header is what ASN1_get_object gives.
type header struct {
	class, tag          int
	constructed, open   bool
	size, contentLength int
}

func ctx(tag int) header { return header{class: classContext, tag: tag} }

func (d *decoder) check(ok bool) {
	if !ok {
		d.bad, d.rest = true, nil
	}
}

func (d *decoder) empty() bool {
	return d.bad || len(d.rest) == 0 || d.open && bytes.HasPrefix(d.rest, []byte{0, 0})
}

// end closes inner, which must have been read to its end, and goes on behind it.
func (d *decoder) end(inner *decoder) {
	switch {
	case inner.bad:
		d.check(false)
	case inner.open:
		if !bytes.HasPrefix(inner.rest, []byte{0, 0}) {
			d.check(false)
			return
		}
		d.rest = inner.rest[2:]
	default:
		d.check(len(inner.rest) == 0)
	}
}

func (d *decoder) peek() (header, bool) {
	if d.empty() {
		return header{}, false
	}
	return readHeader(d.rest)
}

// next takes a header off. Two zeros end an indefinite length, and stand
// nowhere else.
func (d *decoder) next() header {
	h, ok := d.peek()
	if d.check(ok && !bytes.HasPrefix(d.rest, []byte{0, 0})); d.bad {
		return h
	}
	d.rest = d.rest[h.size:]
	return h
}

// is reports whether the next element has this class and tag.
func (d *decoder) is(class, tag int) bool {
	h, ok := d.peek()
	return ok && h.class == class && h.tag == tag
}

func readHeader(b []byte) (h header, ok bool) {
	first := b[0]
	h = header{class: int(first & 0xc0), tag: int(first & 0x1f), constructed: first&0x20 != 0, size: 1}
	if h.tag == 0x1f {
		h.tag = 0
		for {
			if h.size >= len(b) || h.tag > 1<<23 {
				return h, false
			}
			c := b[h.size]
			h.size++
			h.tag = h.tag<<7 | int(c&0x7f)
			if c&0x80 == 0 {
				break
			}
		}
	}
	if h.size >= len(b) {
		return h, false
	}
	n := int(b[h.size])
	h.size++
	switch {
	case n == 0x80:
		h.open = true
		return h, h.constructed
	case n > 0x80:
		octets := n & 0x7f
		if h.size+octets > len(b) {
			return h, false
		}
		value := bytes.TrimLeft(b[h.size:h.size+octets], "\x00")
		if len(value) > 4 {
			return h, false
		}
		h.size += octets
		n = 0
		for _, c := range value {
			n = n<<8 | int(c)
		}
	}
	h.contentLength = n
	return h, n <= len(b)-h.size
}

// inside gives what h, which was taken off, holds. Of a definite length, d goes
// on behind it at once.
func (d *decoder) inside(h header) *decoder {
	switch {
	case d.bad:
		return &decoder{bad: true}
	case h.open:
		return &decoder{rest: d.rest, open: true, anyText: d.anyText}
	}
	inner := &decoder{rest: d.rest[:h.contentLength:h.contentLength], anyText: d.anyText}
	d.rest = d.rest[h.contentLength:]
	return inner
}

func (d *decoder) sequence() *decoder {
	h := d.next()
	d.check(h.class == 0 && h.tag == tagSequence && h.constructed)
	return d.inside(h)
}

// list is a SEQUENCE OF or a SET OF, whose constructed bit is not looked at.
func (d *decoder) list(tag int) *decoder {
	h := d.next()
	d.check(h.class == 0 && h.tag == tag)
	return d.inside(h)
}

// optional gives what an explicit tag holds, nil when it is not there.
func (d *decoder) optional(want header) *decoder {
	h, ok := d.peek()
	if !ok || h.class != want.class || h.tag != want.tag {
		return nil
	}
	h = d.next()
	d.check(h.constructed)
	return d.inside(h)
}

// maxNesting is how deep constructed strings may nest (ASN1_MAX_STRING_NEST).
const maxNesting = 5

// content takes off what h holds, pieces of a constructed string joined.
func (d *decoder) content(h header) []byte {
	if !h.constructed {
		return d.inside(h).rest
	}
	var out []byte
	inner := d.inside(h)
	inner.collect(&out, 0)
	d.end(inner)
	return out
}

func (d *decoder) collect(out *[]byte, depth int) {
	d.check(depth <= maxNesting)
	for !d.empty() {
		h := d.next()
		inner := d.inside(h)
		if h.constructed {
			inner.collect(out, depth+1)
			d.end(inner)
		} else {
			*out = append(*out, inner.rest...)
		}
	}
}

func (d *decoder) primitive(tag int) []byte {
	h := d.next()
	d.check(h.class == 0 && h.tag == tag)
	return d.value(h)
}

// value takes off the content of h by its universal tag.
func (d *decoder) value(h header) []byte {
	switch h.tag {
	case tagNull, tagBoolean, tagOID, tagInteger, tagEnumerated:
		d.check(!h.constructed)
	}
	content := d.content(h)
	d.check(contentOK(h.tag, content))
	return content
}

func contentOK(tag int, c []byte) bool {
	switch tag {
	case tagNull:
		return len(c) == 0
	case tagBoolean:
		return len(c) == 1
	case tagInteger, tagEnumerated:
		return integerOK(c)
	case tagOID:
		return oidOK(c)
	case tagBitString:
		return len(c) > 0 && c[0] <= 7
	case tagBMP:
		return len(c)%2 == 0
	case tagUniversal:
		return len(c)%4 == 0
	}
	return true
}

// integerOK is c2i_ibuf: not empty, and no octet too many.
func integerOK(c []byte) bool {
	switch {
	case len(c) == 0:
		return false
	case len(c) == 1:
		return true
	case c[0] == 0:
		return c[1]&0x80 != 0
	case c[0] == 0xff && bytes.ContainsFunc(c[1:], func(r rune) bool { return r != 0 }):
		return c[1]&0x80 == 0
	}
	return true
}

// oidOK is ossl_c2i_ASN1_OBJECT: the last arc ends, and none begins with 0x80.
func oidOK(c []byte) bool {
	if len(c) == 0 || c[len(c)-1]&0x80 != 0 {
		return false
	}
	for i, b := range c {
		if b == 0x80 && (i == 0 || c[i-1]&0x80 == 0) {
			return false
		}
	}
	return true
}

// any takes off an element of any type; those of universal types are looked at.
// Of SEQUENCEs, SETs and other classes it gives the whole element.
func (d *decoder) any() typed {
	whole := d.rest
	h := d.next()
	if h.class != 0 || h.tag == tagSequence || h.tag == tagSet {
		d.check(h.class != 0 || h.constructed)
		d.skip(h, 0)
		return typed{h.tag | h.class<<8, whole[:len(whole)-len(d.rest)]}
	}
	return typed{h.tag, d.value(h)}
}

// typed is an ASN1_TYPE or an ASN1_STRING: a tag and the content.
type typed struct {
	tag   int
	value []byte
}

// skip passes over what h holds; only an indefinite length makes it look inside.
func (d *decoder) skip(h header, depth int) {
	inner := d.inside(h)
	if !h.open {
		return
	}
	d.check(depth < 64)
	for !d.bad && !inner.empty() {
		inner.skip(inner.next(), depth+1)
	}
	d.end(inner)
}

// keyDecodes reports whether OpenSSL makes a key of the subjectPublicKeyInfo
// (X509_get0_pubkey). Without one it neither verifies this certificate nor takes
// it for an issuer.
func (c *certificate) keyDecodes() bool {
	if len(c.key.raw) == 0 {
		return true // not a matter of the key
	}
	params, bits := c.key.algorithm.params, c.key.bits
	switch oid := c.key.algorithm.oid; oid {
	case oidKeyRSA, oidKeyRSAOld, oidKeyRSAPSS:
		d := &decoder{rest: bits}
		key := d.sequence()
		key.primitive(tagInteger)
		key.primitive(tagInteger)
		d.end(key)
		return !d.bad
	case oidKeyEC:
		// Go takes fewer curves and forms, and has looked for the point already.
		if x := c.pki.X509; x != nil && x.PublicKey != nil && bytes.Equal(x.RawSubjectPublicKeyInfo, c.key.raw) {
			return true
		}
		return pointDecodes(c.key.curve(), bits)
	case oidKeyDSA:
		return params == nil || c.publicKey() != nil
	case oidKeyEd25519, "1.3.101.110":
		return params == nil && len(bits) == 32
	case oidKeyEd448:
		return params == nil && len(bits) == 57
	case "1.3.101.111":
		return params == nil && len(bits) == 56
	case "1.2.840.113549.1.3.1", "1.2.840.10046.2.1", "1.2.156.10197.1.301": // DH, X9.42 DH, SM2
		return true
	}
	return false
}

// curve gives the OID of a named curve, "explicit" for parameters written out.
func (k subjectKey) curve() string {
	switch params := k.algorithm.params; {
	case params == nil:
		return ""
	case params.tag == tagOID:
		return oidText(params.value)
	case params.tag == tagSequence:
		return "explicit"
	}
	return ""
}

func (k subjectKey) explicitCurve() bool {
	return k.algorithm.oid == oidKeyEC && k.curve() == "explicit"
}

// pointDecodes is o2i_ECPublicKey. Of curves that nothing here computes on, the
// form is all that is looked at.
func pointDecodes(curve string, point []byte) bool {
	if !knownCurve(curve) {
		return false
	}
	if isInfinity(point) {
		return true
	}
	if len(point) < 2 {
		return false
	}
	if !slices.Contains([]byte{2, 3, 4, 6, 7}, point[0]) {
		return false
	}
	if nist := nistCurve(curve); nist != nil {
		encoded := uncompressed(nist, point)
		if encoded == nil {
			return false
		}
		_, err := ecdsa.ParseUncompressedPublicKey(nist, encoded)
		return err == nil
	}
	if other := otherCurve(curve); other != nil {
		_, ok := other.point(point)
		return ok
	}
	return true
}

// nistCurve gives a curve that Go computes on, or nil.
func nistCurve(oid string) elliptic.Curve {
	switch oid {
	case "1.3.132.0.33":
		return elliptic.P224()
	case "1.2.840.10045.3.1.7":
		return elliptic.P256()
	case "1.3.132.0.34":
		return elliptic.P384()
	case "1.3.132.0.35":
		return elliptic.P521()
	}
	return nil
}

// uncompressed gives a point in the form that Go reads, or nil.
func uncompressed(c elliptic.Curve, point []byte) []byte {
	if len(point) == 0 {
		return nil
	}
	size := (c.Params().BitSize + 7) / 8
	switch point[0] {
	case 2, 3:
		x, y := elliptic.UnmarshalCompressed(c, point)
		if x == nil {
			return nil
		}
		return slices.Concat([]byte{4}, x.FillBytes(make([]byte, size)), y.FillBytes(make([]byte, size)))
	case 6, 7: // hybrid: both coordinates, and the sign of one
		if len(point) != 1+2*size || point[len(point)-1]&1 != point[0]&1 {
			return nil
		}
		return slices.Concat([]byte{4}, point[1:])
	}
	return point
}

// isInfinity: a point that OpenSSL takes for a key, with which no signature is
// good.
func isInfinity(point []byte) bool { return len(point) == 1 && point[0] == 0 }

// knownCurve: the curves that OpenSSL has (crypto/ec/ec_curve.c), and any that is
// written out.
func knownCurve(oid string) bool {
	return oid == "explicit" || oid == "1.2.156.10197.1.301" || nistCurve(oid) != nil || binaryCurve(oid) || otherCurve(oid) != nil
}

// binaryCurve: the curves over binary fields, on which nothing here computes.
func binaryCurve(oid string) bool {
	at := strings.LastIndexByte(oid, '.')
	n, err := strconv.Atoi(oid[at+1:])
	if at < 0 || err != nil {
		return false
	}
	in := func(from, to int) bool { return from <= n && n <= to }
	switch oid[:at] {
	case "1.2.840.10045.3.0":
		return in(1, 7) || in(10, 13) || in(16, 20)
	case "1.3.132.0":
		return in(1, 5) || in(15, 17) || in(22, 27) || in(36, 39)
	case "2.23.43.1.4":
		return n == 1 || in(3, 5) || in(10, 11)
	}
	return false
}
