package lenient

import (
	"net/netip"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// GeneralName is one name of a subjectAltName (RFC 5280 4.2.1.6) as it stands
// there: not lower-cased, not trimmed, not validated.
type GeneralName struct {
	// Kind is "DNS", "IP", "URI", "email", "dirName", "otherName", "registeredID",
	// "x400Address" or "ediPartyName".
	Kind  string
	Value string
	// Raw is the content of the name.
	Raw    []byte
	Offset int
}

// String gives "DNS:reg.local".
func (n GeneralName) String() string { return n.Kind + ":" + n.Value }

var generalNameKinds = [...]string{"otherName", "email", "DNS", "x400Address", "dirName", "ediPartyName", "URI", "IP", "registeredID"}

func (r *reader) generalNames(value []byte) []GeneralName {
	const field = "subjectAltName"
	in := cryptobyte.String(value)
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) {
		r.fault(BadGeneralName, field, value, "is not a SEQUENCE of names")
		return nil
	}
	if len(in) > 0 {
		r.fault(TrailingData, field, in, "%s the list of names", follow(len(in)))
	}
	if list.Empty() {
		r.fault(EmptySAN, field, value, "the list of names is empty")
	}
	var names []GeneralName
	for !list.Empty() {
		at := list
		var raw cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadAnyASN1(&raw, &tag) || byte(tag)&0xc0 != 0x80 || int(tag&0x1f) >= len(generalNameKinds) {
			r.fault(BadGeneralName, field, at, "name %d is malformed", len(names)+1)
			return names
		}
		n := GeneralName{Kind: generalNameKinds[tag&0x1f], Raw: raw, Offset: r.offset(at)}
		n.Value = r.generalNameText(n, at)
		names = append(names, n)
	}
	return names
}

func (r *reader) generalNameText(n GeneralName, at []byte) string {
	const field = "subjectAltName"
	switch n.Kind {
	case "DNS", "URI", "email":
		for i, b := range n.Raw {
			if b >= 0x80 {
				r.fault(BadGeneralName, field, at, "the %s name holds byte 0x%02x at character %d; only ASCII is allowed (write IDNs as xn--…)", n.Kind, b, i+1)
				break
			}
		}
		return latin1(n.Raw)
	case "IP":
		addr, ok := netip.AddrFromSlice(n.Raw)
		if !ok {
			r.fault(BadGeneralName, field, at, "the IP address has %d octets; 4 or 16 are allowed", len(n.Raw))
			return hexOf(n.Raw)
		}
		return addr.String()
	default:
		return hexOf(n.Raw)
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for i, c := range b {
		if i > 0 {
			s.WriteByte(':')
		}
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// ExtensionName gives the name that RFC 5280 has for an extension's OID, or the
// OID itself.
func ExtensionName(oid string) string {
	switch oid {
	case "2.5.29.14":
		return "subjectKeyIdentifier"
	case "2.5.29.15":
		return "keyUsage"
	case OIDSubjectAltName:
		return "subjectAltName"
	case "2.5.29.18":
		return "issuerAltName"
	case OIDBasicConstraints:
		return "basicConstraints"
	case "2.5.29.30":
		return "nameConstraints"
	case "2.5.29.31":
		return "cRLDistributionPoints"
	case "2.5.29.32":
		return "certificatePolicies"
	case "2.5.29.33":
		return "policyMappings"
	case "2.5.29.35":
		return "authorityKeyIdentifier"
	case "2.5.29.36":
		return "policyConstraints"
	case "2.5.29.37":
		return "extKeyUsage"
	case "2.5.29.54":
		return "inhibitAnyPolicy"
	case "1.3.6.1.5.5.7.1.1":
		return "authorityInfoAccess"
	}
	return oid
}

// DN gives a distinguished name as people write it: "CN=reg,O=Example".
func DN(attrs []Attribute) string {
	parts := make([]string, len(attrs))
	for i, a := range attrs {
		parts[len(attrs)-1-i] = attributeName(a.OID) + "=" + a.Value
	}
	return strings.Join(parts, ",")
}

func attributeName(oid string) string {
	switch oid {
	case "2.5.4.3":
		return "CN"
	case "2.5.4.5":
		return "SERIALNUMBER"
	case "2.5.4.6":
		return "C"
	case "2.5.4.7":
		return "L"
	case "2.5.4.8":
		return "ST"
	case "2.5.4.9":
		return "STREET"
	case "2.5.4.10":
		return "O"
	case "2.5.4.11":
		return "OU"
	case "2.5.4.17":
		return "POSTALCODE"
	case "1.2.840.113549.1.9.1":
		return "emailAddress"
	case "0.9.2342.19200300.100.1.25":
		return "DC"
	}
	return oid
}
