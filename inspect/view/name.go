package view

import (
	"net"
	"net/netip"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// rdn is one attribute of a distinguished name. Attributes with the same set
// make up one relative distinguished name.
type rdn struct {
	set   int
	oid   string
	value element
}

// parseName takes a Name apart; what stands before a fault is there.
func parseName(der []byte) ([]rdn, bool) {
	in := cryptobyte.String(der)
	var list cryptobyte.String
	if !in.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, false
	}
	var all []rdn
	for set := 0; !list.Empty(); set++ {
		var content cryptobyte.String
		if !list.ReadASN1(&content, asn1.SET) {
			return all, false
		}
		found, ok := parseRDN(content, set)
		all = append(all, found...)
		if !ok {
			return all, false
		}
	}
	return all, true
}

func parseRDN(content cryptobyte.String, set int) ([]rdn, bool) {
	var all []rdn
	for !content.Empty() {
		var seq cryptobyte.String
		r := rdn{set: set}
		if !content.ReadASN1(&seq, asn1.SEQUENCE) || !readOID(&seq, &r.oid) {
			return all, false
		}
		var ok bool
		if r.value, ok = readElement(&seq); !ok {
			return all, false
		}
		all = append(all, r)
	}
	return all, true
}

const (
	tagNumeric   = asn1.Tag(18)
	tagVisible   = asn1.Tag(26)
	tagUniversal = asn1.Tag(28)
	tagBMP       = asn1.Tag(30)
)

// text is the content of a string type; false when it is none, or not valid.
func (e element) text() (string, bool) {
	switch e.tag {
	case asn1.UTF8String:
		return string(e.content), utf8.Valid(e.content)
	case asn1.PrintableString, asn1.IA5String, asn1.T61String, tagNumeric, tagVisible:
		return latin1(e.content), true
	case tagBMP:
		if len(e.content)%2 != 0 {
			return "", false
		}
		units := make([]uint16, 0, len(e.content)/2)
		for i := 0; i < len(e.content); i += 2 {
			units = append(units, uint16(e.content[i])<<8|uint16(e.content[i+1]))
		}
		return string(utf16.Decode(units)), true
	case tagUniversal:
		if len(e.content)%4 != 0 {
			return "", false
		}
		var b strings.Builder
		for i := 0; i < len(e.content); i += 4 {
			b.WriteRune(rune(uint32(e.content[i])<<24 | uint32(e.content[i+1])<<16 | uint32(e.content[i+2])<<8 | uint32(e.content[i+3])))
		}
		return b.String(), true
	}
	return "", false
}

// latin1 keeps every byte.
func latin1(b []byte) string {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			var s strings.Builder
			s.Write(b[:i])
			for _, c := range b[i:] {
				s.WriteRune(rune(c))
			}
			return s.String()
		}
	}
	return string(b)
}

// String gives "CN=reg.local": the value as RFC 4514 writes it, or its DER in
// hexadecimal when it is no string.
func (r rdn) String() string {
	text, ok := r.value.text()
	if !ok {
		return shortName(r.oid) + "=#" + hexLower(r.value.raw, "")
	}
	return shortName(r.oid) + "=" + escapeValue(text)
}

// escapeValue escapes what RFC 4514, 2.4 wants escaped.
func escapeValue(text string) string {
	if !strings.ContainsAny(text, "\",+;<>\\\x00") && !strings.HasPrefix(text, "#") && strings.TrimSpace(text) == text {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case strings.ContainsRune(`",+;<>\`, r), r == '#' && i == 0, r == ' ' && (i == 0 || i == len(text)-1):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == 0:
			b.WriteString(`\00`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// dnText writes a distinguished name with the most specific part first:
// "CN=reg.local, O=Example".
func dnText(attributes []rdn) string {
	var parts []string
	for end := len(attributes); end > 0; {
		start := end - 1
		for start > 0 && attributes[start-1].set == attributes[end-1].set {
			start--
		}
		var joined []string
		for _, a := range attributes[start:end] {
			joined = append(joined, a.String())
		}
		parts = append(parts, strings.Join(joined, "+"))
		end = start
	}
	return strings.Join(parts, ", ")
}

// nameKinds are the words for the kinds of a generalName: the prefixes that
// OpenSSL reads where it has one, else the field names of RFC 5280.
var nameKinds = [...]string{"otherName", "email", "DNS", "x400Address", "dirName", "ediPartyName", "URI", "IP", "registeredID"}

// text is the name as text, as it stands there: nothing is lower-cased, trimmed
// or decoded.
func (n generalName) text() string {
	switch n.kind {
	case kindEmail, kindDNS, kindURI:
		if utf8.Valid(n.content) {
			return string(n.content)
		}
		return latin1(n.content)
	case kindIP:
		if addr, ok := netip.AddrFromSlice(n.content); ok {
			return addr.String()
		}
	case kindDir:
		if attributes, ok := parseName(n.content); ok {
			return dnText(attributes)
		}
	case kindRegistered:
		return oidText(n.content)
	case kindOther:
		if oid, value, ok := n.otherName(); ok {
			if text, ok := value.text(); ok {
				return oid + ":" + text
			}
			return oid + ":#" + hexLower(value.raw, "")
		}
	}
	return "#" + hexLower(n.content, "")
}

// subtree is the name as a name constraint, in which an IP address has a mask.
func (n generalName) subtree() string {
	if n.kind != kindIP || len(n.content) != 8 && len(n.content) != 32 {
		return n.text()
	}
	half := len(n.content) / 2
	network := net.IPNet{IP: n.content[:half], Mask: n.content[half:]}
	return network.String()
}
