package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
)

// x509Cert is a certificate as OpenSSL reads it (d2i_X509). OpenSSL's reader
// takes BER where RFC 5280 asks for DER, but has limits of its own
// (crypto/asn1/tasn_dec.c).
type x509Cert struct {
	der  []byte // the certificate alone
	rest []byte // what follows it
	tbs  []byte // what is signed
	// version as it stands there: 0 is version 1.
	version             int
	serial              []byte
	inner, outer        algorithm
	issuer, subject     distinguishedName
	notBefore, notAfter typed
	key                 subjectKey
	extensions          []extension
	signature           []byte // behind the octet that counts unused bits
	unusedBits          byte
}

// algorithm is an X509_ALGOR.
type algorithm struct {
	oid    string
	params *typed // nil: none
}

func (a algorithm) equal(b algorithm) bool {
	if a.oid != b.oid || (a.params == nil) != (b.params == nil) {
		return false
	}
	return a.params == nil || a.params.tag == b.params.tag && bytes.Equal(a.params.value, b.params.value)
}

// subjectKey is an X509_PUBKEY, of which no key has been made yet.
type subjectKey struct {
	raw       []byte
	algorithm algorithm
	bits      []byte
}

// extension is an X509_EXTENSION.
type extension struct {
	oid      string
	critical bool
	value    []byte
}

// readX509 is d2i_X509. What follows the certificate is no matter.
func readX509(der []byte) (*x509Cert, bool) { return (&decoder{rest: der}).x509() }

func (d *decoder) x509() (*x509Cert, bool) {
	der, c := d.rest, &x509Cert{}
	x := d.sequence()
	tbsAt := x.rest
	tbs := x.sequence()
	if version := tbs.optional(ctx(0)); version != nil {
		c.version = smallInt(version.primitive(tagInteger))
		tbs.end(version)
	}
	c.serial = tbs.primitive(tagInteger)
	c.inner = tbs.algorithm()
	c.issuer = tbs.name()
	validity := tbs.sequence()
	c.notBefore = validity.time()
	c.notAfter = validity.time()
	tbs.end(validity)
	c.subject = tbs.name()
	c.key = tbs.subjectKey()
	for _, tag := range []int{1, 2} { // issuerUniqueID, subjectUniqueID
		if tbs.is(classContext, tag) {
			tbs.implicit(tagBitString)
		}
	}
	if wrapped := tbs.optional(ctx(3)); wrapped != nil {
		list := wrapped.list(tagSequence)
		for !list.empty() {
			c.extensions = append(c.extensions, list.x509Extension())
		}
		wrapped.end(list)
		tbs.end(wrapped)
	}
	x.end(tbs)
	c.tbs = taken(tbsAt, x.rest)
	c.outer = x.algorithm()
	if bits := x.primitive(tagBitString); len(bits) > 0 {
		c.unusedBits, c.signature = bits[0], bits[1:]
	}
	d.end(x)
	if d.bad {
		return nil, false
	}
	c.der, c.rest = taken(der, d.rest), d.rest
	return c, true
}

// decodes reports whether OpenSSL reads a certificate at all.
func decodes(der []byte) bool {
	_, ok := readX509(der)
	return ok
}

// Unreadable reports whether OpenSSL reads no certificate in what c holds.
func Unreadable(c pki.Cert) bool { return !decodes(c.Raw) }

// taken gives the octets of from that are not in rest any more.
func taken(from, rest []byte) []byte {
	if len(rest) > len(from) {
		return nil
	}
	return from[:len(from)-len(rest)]
}

// smallInt gives an INTEGER's value, or -1 when it is negative or large.
func smallInt(content []byte) int {
	if len(content) == 0 || content[0]&0x80 != 0 {
		return -1
	}
	content = bytes.TrimLeft(content, "\x00")
	if len(content) > 4 || len(content) == 4 && content[0]&0x80 != 0 {
		return -1
	}
	n := 0
	for _, b := range content {
		n = n<<8 | int(b)
	}
	return n
}

// implicit takes off an element whose own tag stands for a universal one.
func (d *decoder) implicit(universal int) []byte {
	h := d.next()
	switch universal {
	case tagOID, tagInteger:
		d.check(!h.constructed)
	}
	content := d.content(h)
	d.check(contentOK(universal, content))
	if d.bad {
		return nil
	}
	return content
}

func (d *decoder) oid() string { return oidText(d.primitive(tagOID)) }

// oidText writes an OBJECT IDENTIFIER's content with dots. Arcs of more than 63
// bits, which nothing here knows, are left as they are.
func oidText(content []byte) string {
	var out []byte
	var arc uint64
	for _, b := range content {
		if arc>>56 != 0 {
			return "0x" + base64.RawStdEncoding.EncodeToString(content)
		}
		if arc = arc<<7 | uint64(b&0x7f); b&0x80 != 0 {
			continue
		}
		if len(out) == 0 {
			first := min(arc/40, 2)
			out = append(strconv.AppendUint(out, first, 10), '.')
			arc -= 40 * first
		} else {
			out = append(out, '.')
		}
		out = strconv.AppendUint(out, arc, 10)
		arc = 0
	}
	return string(out)
}

// algorithm takes off an AlgorithmIdentifier.
func (d *decoder) algorithm() (a algorithm) {
	seq := d.sequence()
	a.oid = seq.oid()
	if !seq.empty() {
		params := seq.any()
		a.params = &params
	}
	d.end(seq)
	return a
}

func (d *decoder) subjectKey() (k subjectKey) {
	at := d.rest
	key := d.sequence()
	k.algorithm = key.algorithm()
	if bits := key.primitive(tagBitString); len(bits) > 0 {
		k.bits = bits[1:]
	}
	d.end(key)
	k.raw = taken(at, d.rest)
	return k
}

// time takes off a Time, whose text is not looked at until it is needed.
func (d *decoder) time() typed {
	h := d.next()
	d.check(h.class == 0 && (h.tag == tagUTCTime || h.tag == tagTime))
	return typed{h.tag, d.content(h)}
}

// timeOf is what X509_cmp_time reads: the two forms of RFC 5280 4.1.2.5, and no
// other.
func timeOf(t typed) (time.Time, bool) {
	text := string(t.value)
	if t.tag == tagUTCTime && len(text) == 13 {
		century := "20"
		if text >= "5" {
			century = "19"
		}
		text = century + text
	} else if t.tag != tagTime || len(text) != 15 {
		return time.Time{}, false
	}
	out, err := time.Parse("20060102150405Z", text)
	return out, err == nil
}

func (d *decoder) x509Extension() (out extension) {
	e := d.sequence()
	out.oid = e.oid()
	if e.is(0, tagBoolean) {
		content := e.primitive(tagBoolean)
		out.critical = len(content) == 1 && content[0] != 0
	}
	out.value = e.primitive(tagOctets)
	d.end(e)
	return out
}

// distinguishedName is an X509_NAME.
type distinguishedName struct {
	entries []nameEntry
	// canonical is the same for names that OpenSSL holds for equal
	// (x509_name_canon): case and blanks of string types are folded, and the order
	// in a set does not count. The canonical form of a name's beginning is the
	// beginning of its canonical form.
	canonical []byte
}

type nameEntry struct {
	oid   string
	value typed
	set   int
}

// maxName is X509_NAME_MAX.
const maxName = 1 << 20

// name takes off a Name, of whose strings OpenSSL makes a canonical form.
func (d *decoder) name() (n distinguishedName) {
	at := d.rest
	rdns := d.list(tagSequence)
	for set := 0; !rdns.empty(); set++ {
		list := rdns.list(tagSet)
		var entries [][]byte
		for !list.empty() {
			entry, canonical := list.nameEntry()
			entry.set = set
			n.entries = append(n.entries, entry)
			entries = append(entries, canonical)
		}
		rdns.end(list)
		if len(entries) > 0 {
			slices.SortFunc(entries, bytes.Compare)
			n.canonical = appendElement(n.canonical, 0x31, entries...)
		}
	}
	d.end(rdns)
	d.check(len(taken(at, d.rest)) <= maxName)
	return n
}

func (d *decoder) nameEntry() (e nameEntry, canonical []byte) {
	seq := d.sequence()
	content := seq.primitive(tagOID)
	e.oid = oidText(content)
	e.value = seq.directoryString()
	d.end(seq)
	if d.bad {
		return e, nil
	}
	value, ok := canonicalValue(e.value)
	d.check(ok || d.anyText)
	canonical = appendElement(appendElement(nil, tagOID, content), byte(value.tag), value.value)
	return e, appendElement(nil, 0x30, canonical)
}

// appendElement writes an element in a form of its own: the length takes four
// octets always.
func appendElement(to []byte, tag byte, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	to = binary.BigEndian.AppendUint32(append(to, tag), uint32(size))
	for _, p := range parts {
		to = append(to, p...)
	}
	return to
}

// directoryString takes off a string of a name (B_ASN1_PRINTABLE).
func (d *decoder) directoryString() typed {
	h := d.next()
	switch h.tag {
	case 0, tagBoolean, tagInteger, tagOctets, tagNull, tagOID, tagEnumerated, tagSet, 21, tagUTCTime, tagTime, 25, 26, 27:
		d.check(false) // no part of B_ASN1_PRINTABLE by tag2bit
	}
	d.check(h.class == 0 && h.tag < 31)
	if h.tag == tagSequence {
		d.check(h.constructed)
		before := d.rest
		d.skip(h, 0)
		return typed{h.tag, taken(before, d.rest)}
	}
	return typed{h.tag, d.value(h)}
}

// canonicalValue is asn1_string_canon.
func canonicalValue(t typed) (typed, bool) {
	switch t.tag {
	case tagUTF8, tagBMP, tagUniversal, tagPrintable, tagT61, tagIA5, tagVisible:
	default:
		return t, true
	}
	text, ok := utf8Of(t)
	if !ok {
		return t, false
	}
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' })
	return typed{tagUTF8, []byte(lowerASCII(strings.Join(fields, " ")))}, true
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, ch := range b {
		b[i] = lower(ch)
	}
	return string(b)
}

// utf8Of is ASN1_STRING_to_UTF8.
func utf8Of(t typed) (string, bool) {
	runes := make([]rune, 0, len(t.value))
	switch t.tag {
	case tagUTF8:
		return string(t.value), utf8.Valid(t.value)
	case tagNumeric, tagPrintable, tagT61, tagIA5, tagUTCTime, tagTime, tagVisible:
		for _, b := range t.value {
			runes = append(runes, rune(b))
		}
	case tagBMP:
		for c := range slices.Chunk(t.value, 2) {
			runes = append(runes, rune(binary.BigEndian.Uint16(c)))
		}
	case tagUniversal:
		for c := range slices.Chunk(t.value, 4) {
			runes = append(runes, rune(binary.BigEndian.Uint32(c)))
		}
	default:
		return "", false
	}
	for _, r := range runes {
		if utf16.IsSurrogate(r) || !utf8.ValidRune(r) {
			return "", false
		}
	}
	return string(runes), true
}

// canonicalName gives the canonical form of a DER-encoded name; of what is none,
// the octets themselves.
func canonicalName(raw []byte) []byte {
	d := &decoder{rest: raw}
	if n := d.name(); !d.bad {
		return n.canonical
	}
	return raw
}

// SameName reports whether OpenSSL takes two DER-encoded names for the same
// (X509_NAME_cmp). Go asks for equal bytes.
func SameName(a, b []byte) bool { return bytes.Equal(canonicalName(a), canonicalName(b)) }

// NameKey is the same for names that are the same by [SameName], and for no
// others.
func NameKey(raw []byte) string { return string(canonicalName(raw)) }
