package format

// kind is what a piece of DER holds.
type kind uint8

const (
	kindUnknown kind = iota
	kindCert
	kindCSR
	kindCRL
	kindKey          // PKCS#8, PKCS#1 or SEC 1, unencrypted
	kindEncryptedKey // PKCS#8
	kindPublicKey
	kindParameters
	kindPKCS7
	kindPKCS12
	kindOther // recognised, and nothing that crpki uses
)

func (k kind) String() string {
	switch k {
	case kindCert:
		return "a certificate"
	case kindCSR:
		return "a certificate signing request"
	case kindCRL:
		return "a revocation list"
	case kindKey:
		return "a private key"
	case kindEncryptedKey:
		return "an encrypted private key"
	case kindPublicKey:
		return "a public key"
	case kindParameters:
		return "key parameters"
	case kindPKCS7:
		return "a PKCS#7 bundle"
	case kindPKCS12:
		return "a PKCS#12 file"
	default:
		return "something else"
	}
}

// ASN.1 identifier octets (X.690) that tell structures apart.
const (
	tagInteger     = 0x02
	tagBitString   = 0x03
	tagOctetString = 0x04
	tagOID         = 0x06
	tagUTCTime     = 0x17
	tagGenTime     = 0x18
	tagSequence    = 0x30
	tagSet         = 0x31
	tagContext0    = 0xA0 // [0], constructed
)

// element is one tag-length-value of BER or DER, which may reach beyond the
// bytes at hand.
type element struct {
	tag byte
	// head is the length of tag and length octets.
	head int
	// length is that of the value as its header has it, -1 for BER's
	// indefinite form.
	length int
	// value is the part of it that is there.
	value []byte
}

// size is the whole element's length; what lies behind it is not part of it.
func (e element) size() int { return e.head + e.length }

// truncated reports whether the header promises more than there is.
func (e element) truncated() bool { return e.length > len(e.value) }

// peek reads the header of the element that b begins with and as much of its
// value as there is. It knows only tags of one byte, as all our structures
// have.
func peek(b []byte) (element, bool) {
	if len(b) < 2 || b[0]&0x1F == 0x1F {
		return element{}, false
	}
	e := element{tag: b[0], head: 2, length: int(b[1])}
	if b[1] >= 0x80 {
		n := int(b[1] & 0x7F)
		if n == 0 {
			e.length, e.value = -1, b[2:]
			return e, true
		}
		if n > 4 || len(b) < 2+n {
			return element{}, false
		}
		e.head, e.length = 2+n, 0
		for _, octet := range b[2 : 2+n] {
			e.length = e.length<<8 | int(octet)
		}
		if e.length < 0 { // 2 GiB and more where int has 32 bits
			return element{}, false
		}
	}
	e.value = b[e.head:]
	if len(e.value) > e.length {
		e.value = e.value[:e.length]
	}
	return e, true
}

// children lists up to limit elements inside e, the last of which may be cut
// off.
func (e element) children(limit int) []element {
	var out []element
	rest := e.value
	for len(rest) > 0 && len(out) < limit {
		child, ok := peek(rest)
		if !ok {
			break
		}
		out = append(out, child)
		if child.length < 0 || child.size() >= len(rest) {
			break
		}
		rest = rest[child.size():]
	}
	return out
}

// looksDER reports whether data begins as all our binary structures do, with a
// SEQUENCE. Its tag is the digit 0 in ASCII, so that a short length, which is
// a character too, must be borne out by what follows.
func looksDER(data []byte) bool {
	if len(data) < 2 || data[0] != tagSequence {
		return false
	}
	if data[1] >= 0x80 {
		return data[1] <= 0x84
	}
	return sniff(data) != kindUnknown
}

// sniff tells what der holds from the shape of its first elements. It works on
// cut-off and BER-encoded input too.
func sniff(der []byte) kind {
	outer, ok := peek(der)
	if !ok {
		return kindUnknown
	}
	if outer.tag == tagOID {
		return kindParameters // a named curve
	}
	if outer.tag != tagSequence {
		return kindUnknown
	}
	in := outer.children(10)
	if len(in) == 0 {
		return kindUnknown
	}
	switch in[0].tag {
	case tagOID:
		return kindPKCS7
	case tagInteger:
		return sniffVersioned(in)
	case tagSequence:
		return sniffSigned(in)
	}
	return kindUnknown
}

// sniffVersioned tells the structures apart that begin with an INTEGER.
func sniffVersioned(in []element) kind {
	if len(in) < 2 {
		return kindUnknown
	}
	switch in[1].tag {
	case tagOctetString:
		return kindKey // SEC 1
	case tagSequence:
		if len(in[0].value) == 1 && in[0].value[0] == 3 {
			return kindPKCS12
		}
		return kindKey // PKCS#8
	case tagInteger:
		if len(in) == 2 {
			return kindPublicKey // PKCS#1
		}
		return kindKey // PKCS#1; with six integers, DSA
	}
	return kindUnknown
}

// sniffSigned tells the structures apart that begin with a SEQUENCE.
func sniffSigned(in []element) kind {
	first := in[0].children(4)
	if len(first) == 0 {
		return kindUnknown
	}
	switch first[0].tag {
	case tagContext0:
		return kindCert // [0] EXPLICIT version
	case tagSequence:
		if alg := first[0].children(1); len(alg) == 1 && alg[0].tag == tagOID {
			return kindCRL // version 1: begins with the algorithm
		}
	case tagOID:
		if len(in) < 2 {
			return kindUnknown
		}
		switch in[1].tag {
		case tagOctetString, tagOctetString | 0x20:
			return kindEncryptedKey
		case tagBitString:
			return kindPublicKey
		}
	case tagInteger:
		if len(first) < 2 || first[1].tag != tagSequence {
			return kindUnknown
		}
		if inner := first[1].children(1); len(inner) == 0 || inner[0].tag != tagOID {
			return kindCSR // the version is followed by a name
		}
		if len(first) > 3 && (first[3].tag == tagUTCTime || first[3].tag == tagGenTime) {
			return kindCRL
		}
		return kindCert // version 1
	}
	return kindUnknown
}
