package view

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/crpki/crpki/pki"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// name follows X509_NAME_print_ex with XN_FLAG_ONELINE, which is what the
// commands of version 3.0 use: "C = DE, O = \"a, b\"". All of it is ASCII.
func (p *opensslPrinter) name(der []byte) {
	attributes, _ := parseName(der)
	p.attributes(attributes)
}

func (p *opensslPrinter) attributes(attributes []rdn) {
	for i, a := range attributes {
		if i > 0 {
			if a.set == attributes[i-1].set {
				p.WriteString(" + ")
			} else {
				p.WriteString(", ")
			}
		}
		p.WriteString(shortName(a.oid) + " = ")
		p.nameValue(a.value)
	}
}

// nameValue follows do_print_ex with ASN1_STRFLGS_RFC2253 and ESC_QUOTE.
func (p *opensslPrinter) nameValue(v element) {
	var chars []byte
	switch v.tag {
	case asn1.UTF8String:
		chars = v.content
	case asn1.PrintableString, asn1.T61String, asn1.IA5String, asn1.UTCTime, asn1.GeneralizedTime, tagNumeric, tagVisible:
		chars = []byte(latin1(v.content))
	case tagBMP, tagUniversal:
		width := 2
		if v.tag == tagUniversal {
			width = 4
		}
		if len(v.content)%width != 0 {
			return
		}
		chars = widened(v.content, width)
	default:
		p.WriteString("#" + hexUpper(v.raw, ""))
		return
	}
	var b strings.Builder
	quoted := false
	for i, c := range chars {
		if escapeNameChar(&b, c, i == 0 && len(chars) > 1, i == len(chars)-1) {
			quoted = true
		}
	}
	if quoted {
		p.WriteString(`"` + b.String() + `"`)
		return
	}
	p.WriteString(b.String())
}

// widened turns characters of width bytes each into UTF-8, surrogates and all.
func widened(b []byte, width int) []byte {
	var out []byte
	for ; len(b) >= width; b = b[width:] {
		var c uint32
		for _, octet := range b[:width] {
			c = c<<8 | uint32(octet)
		}
		out = appendUTF8(out, c)
	}
	return out
}

// appendUTF8 follows UTF8_putc, which refuses surrogates only.
func appendUTF8(b []byte, c uint32) []byte {
	switch {
	case c < 0x80:
		return append(b, byte(c))
	case c < 0x800:
		return append(b, 0xc0|byte(c>>6), 0x80|byte(c&0x3f))
	case c < 0x10000:
		return append(b, 0xe0|byte(c>>12), 0x80|byte(c>>6&0x3f), 0x80|byte(c&0x3f))
	default:
		return append(b, 0xf0|byte(c>>18&7), 0x80|byte(c>>12&0x3f), 0x80|byte(c>>6&0x3f), 0x80|byte(c&0x3f))
	}
}

// escapeNameChar follows do_esc_char; quotes is true when the whole value then
// stands in quotation marks.
func escapeNameChar(b *strings.Builder, c byte, first, last bool) (quotes bool) {
	switch {
	case strings.IndexByte("+,;<>", c) >= 0, c == ' ' && (first || last), c == '#' && first:
		b.WriteByte(c)
		return true
	case c == '"', c == '\\':
		b.WriteString(`\` + string(rune(c)))
	case c < ' ', c >= 0x7f:
		fmt.Fprintf(b, `\%02X`, c)
	default:
		b.WriteByte(c)
	}
	return false
}

// oneline follows X509_NAME_oneline with a buffer of 256 bytes: "/C=DE/O=x".
func oneline(der []byte) string {
	const room = 255
	attributes, _ := parseName(der)
	var s string
	for i, a := range attributes {
		sep := "/"
		if i > 0 && a.set == attributes[i-1].set {
			sep = "+"
		}
		var b strings.Builder
		b.WriteString(sep + shortOrLong(a.oid) + "=")
		for _, c := range a.value.content {
			switch {
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, `\x%02X`, c)
			case c == '/' || c == '+':
				b.WriteString(`\` + string(rune(c)))
			default:
				b.WriteByte(c)
			}
		}
		if len(s)+b.Len() > room {
			break
		}
		s += b.String()
	}
	return s
}

func shortOrLong(oid string) string {
	if o, ok := findObject(oid); ok {
		return o.short
	}
	return oid
}

// nameValues follows i2v_GENERAL_NAMES: "DNS:a" and so on. ok is false where
// OpenSSL gives up.
func nameValues(names []generalName) (values []string, ok bool) {
	for _, n := range names {
		v, ok := nameAsValue(n)
		if !ok {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

func nameAsValue(n generalName) (string, bool) {
	switch n.kind {
	case kindOther:
		return otherNameValue(n)
	case kindX400:
		return "X400Name:<unsupported>", true
	case kindEDI:
		return "EdiPartyName:<unsupported>", true
	case kindDir:
		return "DirName:" + oneline(n.content), true
	case kindIP:
		return "IP Address:" + opensslIP(n.content), true
	case kindRegistered:
		return "Registered ID:" + longName(oidText(n.content)), true
	default:
		return nameKinds[n.kind] + ":" + pki.Printable(string(n.content)), !hasNUL(n.content)
	}
}

func hasNUL(b []byte) bool { return bytes.IndexByte(b, 0) >= 0 }

// otherNameKinds are the names of this kind that OpenSSL knows. All are of type
// UTF8String, but SRVName is an IA5String.
func otherNameKind(oid string) (name string, tag asn1.Tag, ok bool) {
	switch oid {
	case "1.3.6.1.5.5.7.8.9":
		return "SmtpUTF8Mailbox", asn1.UTF8String, true
	case "1.3.6.1.5.5.7.8.5":
		return "XmppAddr", asn1.UTF8String, true
	case "1.3.6.1.5.5.7.8.7":
		return "SRVName", asn1.IA5String, true
	case "1.3.6.1.4.1.311.20.2.3":
		return "UPN", asn1.UTF8String, true
	case "1.3.6.1.5.5.7.8.8":
		return "NAIRealm", asn1.UTF8String, true
	}
	return "", 0, false
}

func otherNameValue(n generalName) (string, bool) {
	oid, value, ok := n.otherName()
	if !ok {
		return "", false
	}
	if kind, tag, known := otherNameKind(oid); known {
		return "othername: " + kind + "::" + pki.Printable(string(value.content)), value.tag == tag && !hasNUL(value.content)
	}
	text := "<unsupported>"
	if (value.tag == asn1.IA5String || value.tag == asn1.UTF8String) && !hasNUL(value.content) {
		text = pki.Printable(string(value.content))
	}
	return "othername: " + longName(oid) + "::" + text, true
}

// opensslIP follows ossl_ipaddr_to_asc.
func opensslIP(ip []byte) string {
	switch len(ip) {
	case 4:
		return fmt.Sprintf("%d.%d.%d.%d", ip[0], ip[1], ip[2], ip[3])
	case 16:
		var groups []string
		for i := 0; i < 16; i += 2 {
			groups = append(groups, fmt.Sprintf("%X", int(ip[i])<<8|int(ip[i+1])))
		}
		return strings.Join(groups, ":")
	default:
		return fmt.Sprintf("<invalid length=%d>", len(ip))
	}
}

// generalName follows GENERAL_NAME_print.
func (p *opensslPrinter) generalName(n generalName) {
	switch n.kind {
	case kindOther:
		p.WriteString("othername:" + otherNameText(n))
	case kindX400:
		p.WriteString("X400Name:<unsupported>")
	case kindEDI:
		p.WriteString("EdiPartyName:<unsupported>")
	case kindDir:
		p.WriteString("DirName:")
		p.name(n.content)
	case kindIP:
		p.WriteString("IP Address:" + opensslIP(n.content))
	case kindRegistered:
		p.WriteString("Registered ID:" + longName(oidText(n.content)))
	default:
		p.WriteString(nameKinds[n.kind] + ":" + asciiDots(n.content))
	}
}

func otherNameText(n generalName) string {
	oid, value, ok := n.otherName()
	kind, tag, known := otherNameKind(oid)
	if !ok || !known || value.tag != tag {
		return "<unsupported>"
	}
	return kind + ":" + pki.Printable(cString(value.content))
}

// cString is what "%.*s" prints: up to the first NUL.
func cString(b []byte) string {
	before, _, _ := bytes.Cut(b, []byte{0})
	return string(before)
}

// asciiDots follows ASN1_STRING_print: what is not ASCII is a dot. Line feeds
// stay; carriage returns, which OpenSSL lets pass, do not.
func asciiDots(b []byte) string {
	s := make([]byte, len(b))
	for i, c := range b {
		if c > '~' || c < ' ' && c != '\n' {
			c = '.'
		}
		s[i] = c
	}
	return string(s)
}
