package view

import (
	"bytes"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/crpki/crpki/pki"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// WriteOpenSSL writes all of m in the layout of OpenSSL 3.0: certificates as
// `openssl x509 -text` prints them, then requests as `openssl req -text`, then
// the public part of keys as `openssl pkey -text_pub`. Several things follow
// each other with an empty line between.
//
// It differs from OpenSSL where that would pass bytes of the certificate on to
// the terminal: control characters and invisible ones come out as escapes
// ("\x1b"). Extensions of kinds that OpenSSL itself does not know are shown as
// OpenSSL shows them, each byte as a character or a dot.
//
// What cannot be taken apart is left out; see [Document] for why.
func WriteOpenSSL(w io.Writer, m pki.Material) error {
	var sections [][]byte
	add := func(print func(*opensslPrinter) bool) {
		var p opensslPrinter
		if print(&p) {
			sections = append(sections, p.Bytes())
		}
	}
	for _, certs := range [][]pki.Cert{m.Certs, m.Anchors} {
		for _, c := range certs {
			add(func(p *opensslPrinter) bool { return p.certificate(c.Raw) })
		}
	}
	for _, r := range m.CSRs {
		add(func(p *opensslPrinter) bool { return p.request(r.Raw) })
	}
	for _, k := range m.Keys {
		add(func(p *opensslPrinter) bool { return p.key(k) })
	}
	_, err := w.Write(bytes.Join(sections, []byte("\n")))
	return err
}

// opensslPrinter prints in the layout of OpenSSL. Its methods follow the C
// functions that their comments name, of version 3.0.
type opensslPrinter struct{ bytes.Buffer }

func (p *opensslPrinter) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

func (p *opensslPrinter) indent(n int) { p.WriteString(strings.Repeat(" ", n)) }

// certificate follows X509_print_ex.
func (p *opensslPrinter) certificate(der []byte) bool {
	c, complete := parseCertificate(der)
	if !complete {
		return false
	}
	p.WriteString("Certificate:\n    Data:\n")
	p.version(c.version, 2)
	p.serial(c.serial)
	p.WriteString("    ")
	p.signature(c.inner, nil)
	p.WriteString("        Issuer: ")
	p.name(c.issuer)
	p.WriteString("\n        Validity\n            Not Before: ")
	p.time(c.notBefore)
	p.WriteString("\n            Not After : ")
	p.time(c.notAfter)
	p.WriteString("\n        Subject: ")
	p.name(c.subject)
	p.WriteByte('\n')
	p.publicKeyInfo(c.key)
	if c.hasIssuerUID {
		p.WriteString("        Issuer Unique ID: ")
		p.dump(c.issuerUID, 12)
	}
	if c.hasUID {
		p.WriteString("        Subject Unique ID: ")
		p.dump(c.subjectUID, 12)
	}
	if len(c.extensions) > 0 {
		p.WriteString("        X509v3 extensions:\n")
		for _, e := range c.extensions {
			p.extension(e, 12)
		}
	}
	p.signature(c.outer, c.signature)
	return true
}

// request follows X509_REQ_print_ex.
func (p *opensslPrinter) request(der []byte) bool {
	r, complete := parseRequest(der)
	if !complete {
		return false
	}
	p.WriteString("Certificate Request:\n    Data:\n")
	p.version(r.version, 0)
	p.WriteString("        Subject: ")
	p.name(r.subject)
	p.WriteByte('\n')
	p.publicKeyInfo(r.key)
	p.WriteString("        Attributes:\n")
	if len(r.attributes) == 0 {
		p.WriteString("            (none)\n")
	}
	for _, a := range r.attributes {
		if !isExtensionRequest(a.oid) {
			p.attribute(a)
		}
	}
	if !r.badExtensions {
		p.WriteString("            Requested Extensions:\n")
		for _, e := range r.extensions {
			p.extension(e, 16)
		}
	}
	p.signature(r.outer, r.signature)
	return true
}

func (p *opensslPrinter) attribute(a attribute) {
	name := longName(a.oid)
	p.indent(12)
	p.WriteString(name)
	p.indent(max(0, 25-len(name)))
	for i, v := range a.values {
		if i > 0 {
			p.indent(25 - len(name))
		}
		p.WriteByte(':')
		switch v.tag {
		case asn1.PrintableString, asn1.T61String, tagNumeric, asn1.UTF8String, asn1.IA5String:
			p.WriteString(pki.Printable(string(v.content)))
			p.WriteByte('\n')
		default:
			p.WriteString("unable to print attribute\n")
		}
	}
}

// key prints the public part of k, as EVP_PKEY_print_public does.
func (p *opensslPrinter) key(k pki.Key) bool {
	spki, err := marshalPublicKey(k)
	if err != nil {
		return false
	}
	p.publicKey(spki, 0)
	return true
}

func (p *opensslPrinter) version(v, most int) {
	if v < 0 || v > most {
		p.printf("        Version: Unknown (%d)\n", v)
		return
	}
	p.printf("        Version: %d (0x%x)\n", v+1, v)
}

func (p *opensslPrinter) serial(content []byte) {
	n := signedInt(content)
	p.WriteString("        Serial Number:")
	// A long holds it, and it is not -1, which stands for failure there.
	if magnitude := n.Bytes(); len(magnitude) <= 8 && n.IsInt64() && n.Int64() != -1 {
		neg := ""
		if n.Sign() < 0 {
			neg = "-"
		}
		abs := new(big.Int).Abs(n)
		p.printf(" %s%d (%s0x%x)\n", neg, abs, neg, abs)
		return
	}
	p.WriteString("\n            ")
	if n.Sign() < 0 {
		p.WriteString(" (Negative)")
	}
	p.WriteString(hexLower(n.Bytes(), ":"))
	p.WriteByte('\n')
}

// hexLower and hexUpper write each byte with two digits, and sep between.
func hexLower(b []byte, sep string) string { return hexDigits(b, sep, "0123456789abcdef") }
func hexUpper(b []byte, sep string) string { return hexDigits(b, sep, "0123456789ABCDEF") }

func hexDigits(b []byte, sep, digits string) string {
	var s strings.Builder
	s.Grow((2 + len(sep)) * len(b))
	for i, c := range b {
		if i > 0 {
			s.WriteString(sep)
		}
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// signature follows X509_signature_print; without value it prints the algorithm
// alone.
func (p *opensslPrinter) signature(a algorithm, value []byte) {
	p.WriteString("    Signature Algorithm: " + longName(a.oid))
	if value != nil {
		p.WriteString("\n    Signature Value:")
	}
	switch {
	case a.oid == oidRSAPSS:
		p.pss(a.params)
	case value != nil && isDSASignature(a.oid):
		p.dsaSignature(value)
		return
	default:
		p.WriteByte('\n')
	}
	if value != nil {
		p.dump(value, 8)
	}
}

func isDSASignature(oid string) bool {
	switch oid {
	case "1.2.840.10040.4.3", "2.16.840.1.101.3.4.3.1", "2.16.840.1.101.3.4.3.2", "2.16.840.1.101.3.4.3.3", "2.16.840.1.101.3.4.3.4", "1.3.14.3.2.27", "1.3.14.3.2.13":
		return true
	}
	return false
}

// pss follows rsa_pss_param_print of the signature, which indents the first
// line only by what is left of the line before.
func (p *opensslPrinter) pss(der []byte) {
	params, ok := decodePSS(der)
	p.indent(8)
	if !ok {
		p.WriteString("(INVALID PSS PARAMETERS)\n")
		return
	}
	hash, mask := "sha1 (default)", "mgf1 with sha1 (default)"
	if params.hash != "" {
		hash = params.hash
	}
	if params.hasMask {
		mask = params.mask + " with INVALID"
		if params.maskHashGood {
			mask = params.mask + " with " + params.maskHash
		}
	}
	salt, trailer := "14 (default)", "01 (default)"
	if params.saltLength != nil {
		salt = integerHex(params.saltLength)
	}
	if params.trailer != nil {
		trailer = integerHex(params.trailer)
	}
	p.printf("\n        Hash Algorithm: %s\n        Mask Algorithm: %s\n         Salt Length: 0x%s\n        Trailer Field: 0x%s\n",
		hash, mask, salt, trailer)
}

// integerHex follows i2a_ASN1_INTEGER.
func integerHex(content []byte) string {
	n := signedInt(content)
	if n.Sign() == 0 {
		return "00"
	}
	neg := ""
	if n.Sign() < 0 {
		neg = "-"
	}
	return neg + hexUpper(n.Bytes(), "")
}

// dsaSignature follows dsa_sig_print.
func (p *opensslPrinter) dsaSignature(value []byte) {
	p.WriteByte('\n')
	in := cryptobyte.String(value)
	var body cryptobyte.String
	in.ReadASN1(&body, asn1.SEQUENCE)
	rs, ok := readElements(body)
	if !ok || len(rs) != 2 {
		p.dump(value, 8)
		return
	}
	for i, label := range []string{"r:   ", "s:   "} {
		n := signedInt(rs[i].content)
		p.indent(8)
		if len(n.Bytes()) <= 8 {
			p.printf("%s %d (0x%x)\n", label, n, n)
			continue
		}
		p.WriteString(label + "\n")
		p.lines(signBit(n), 15, 12)
	}
}

// signBit is n's magnitude with a zero before it when its first bit is set.
func signBit(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return b
}

// dump follows X509_signature_dump.
func (p *opensslPrinter) dump(b []byte, indent int) {
	for i, c := range b {
		if i%18 == 0 {
			if i > 0 {
				p.WriteByte('\n')
			}
			p.indent(indent)
		}
		p.WriteString(hexLower([]byte{c}, ""))
		if i+1 < len(b) {
			p.WriteByte(':')
		}
	}
	p.WriteByte('\n')
}

// lines writes width bytes on each line, with a colon behind each but the last.
func (p *opensslPrinter) lines(b []byte, width, indent int) {
	for i := 0; i < len(b); i += width {
		end := min(i+width, len(b))
		p.indent(indent)
		p.WriteString(hexLower(b[i:end], ":"))
		if end < len(b) {
			p.WriteByte(':')
		}
		p.WriteByte('\n')
	}
}

// time follows ASN1_TIME_print.
func (p *opensslPrinter) time(t derTime) {
	text, fraction := t.text, ""
	if len(text) > 15 && t.tag == asn1.GeneralizedTime && text[14] == '.' {
		end := 15
		for end < len(text) && '0' <= text[end] && text[end] <= '9' {
			end++
		}
		fraction, text = text[14:end], text[:14]+text[end:]
	}
	at, ok := lenientTime(derTime{t.tag, text})
	if !ok {
		p.WriteString("Bad time value")
		return
	}
	at = at.UTC()
	p.printf("%s %2d %02d:%02d:%02d%s %d GMT", at.Month().String()[:3], at.Day(), at.Hour(), at.Minute(), at.Second(), fraction, at.Year())
}

// lenientTime also takes the forms that RFC 5280 forbids and OpenSSL shows:
// without seconds, with an offset.
func lenientTime(t derTime) (time.Time, bool) {
	if at, ok := t.time(); ok {
		return at, true
	}
	layouts := []string{"20060102150405-0700", "20060102150405", "200601021504Z", "200601021504-0700"}
	if t.tag == asn1.UTCTime {
		layouts = []string{"060102150405-0700", "0601021504Z", "0601021504-0700"}
	}
	for _, layout := range layouts {
		at, err := time.Parse(layout, t.text)
		if err != nil {
			continue
		}
		if t.tag == asn1.UTCTime && at.Year() >= 2050 {
			at = at.AddDate(-100, 0, 0)
		}
		return at, true
	}
	return time.Time{}, false
}

// publicKeyInfo prints the heading and the key below it.
func (p *opensslPrinter) publicKeyInfo(spki []byte) {
	p.WriteString("        Subject Public Key Info:\n            Public Key Algorithm: ")
	if k, ok := parsePublicKey(spki); ok {
		p.WriteString(longName(k.alg.oid))
	}
	p.WriteByte('\n')
	p.publicKey(spki, 16)
}

// publicKey follows EVP_PKEY_print_public: each line is indented.
func (p *opensslPrinter) publicKey(spki []byte, indent int) {
	var key opensslPrinter
	k, ok := parsePublicKey(spki)
	if !ok || !key.anyKey(k) {
		p.WriteString("            Unable to load Public Key\n")
		return
	}
	for line := range bytes.Lines(key.Bytes()) {
		p.indent(indent)
		p.Write(line)
	}
}

func (p *opensslPrinter) anyKey(k publicKey) bool {
	switch k.alg.oid {
	case oidRSA, oidX500RSA, oidRSAPSS:
		return p.rsaKey(k)
	case oidEC:
		return p.ecKey(k)
	case oidDSA:
		return p.dsaKey(k)
	}
	name, size, ok := edwards(k.alg.oid)
	if !ok || len(k.bits) != size {
		return false
	}
	p.WriteString(strings.ToUpper(name) + " Public-Key:\npub:\n")
	p.lines(k.bits, 15, 4)
	return true
}

// rsaKey follows rsa_to_text.
func (p *opensslPrinter) rsaKey(k publicKey) bool {
	n, e, ok := k.rsa()
	if !ok {
		return false
	}
	p.printf("Public-Key: (%d bit)\n", n.BitLen())
	p.bignum("Modulus:", n)
	p.bignum("Exponent:", e)
	if k.alg.oid == oidRSAPSS {
		p.pssRestrictions(k.alg.params)
	}
	return true
}

func (p *opensslPrinter) pssRestrictions(der []byte) {
	if len(der) == 0 {
		p.WriteString("No PSS parameter restrictions\n")
		return
	}
	params, _ := decodePSS(der)
	hash, maskHash := "SHA1 (default)", "SHA1 (default)"
	if params.hash != "" && params.hash != "sha1" {
		hash = digestName(params.hash)
	}
	if params.maskHashGood && params.maskHash != "sha1" {
		maskHash = digestName(params.maskHash)
	}
	salt, trailer := int64(20), int64(1)
	if params.saltLength != nil {
		salt = signedInt(params.saltLength).Int64()
	}
	if params.trailer != nil {
		trailer = signedInt(params.trailer).Int64()
	}
	p.printf("PSS parameter restrictions:\n  Hash Algorithm: %s\n  Mask Algorithm: MGF1 with %s\n", hash, maskHash)
	p.printf("  Minimum Salt Length: %d%s\n  Trailer Field: 0x%x%s\n", salt, defaultIf(salt == 20), trailer, defaultIf(trailer == 1))
}

func defaultIf(is bool) string {
	if is {
		return " (default)"
	}
	return ""
}

// digestName turns "sha256" into "SHA2-256".
func digestName(object string) string {
	if size, ok := strings.CutPrefix(object, "sha"); ok && len(size) >= 3 {
		return "SHA2-" + strings.Replace(size, "-", "/", 1)
	}
	return strings.ToUpper(object)
}

// ecKey follows ec_to_text.
func (p *opensslPrinter) ecKey(k publicKey) bool {
	if oid := k.curveOID(); oid != "" {
		c, ok := findCurve(oid)
		if !ok || len(k.bits) == 0 {
			return false
		}
		p.printf("Public-Key: (%d bit)\npub:\n", c.bits)
		p.lines(k.bits, 15, 4)
		p.WriteString("ASN1 OID: " + c.name + "\n")
		if c.nist != "" {
			p.WriteString("NIST CURVE: " + c.nist + "\n")
		}
		return true
	}
	c, ok := k.explicitCurve()
	if !ok || len(c.generator) == 0 {
		return false
	}
	p.printf("Public-Key: (%d bit)\npub:\n", c.order.BitLen())
	p.lines(k.bits, 15, 4)
	p.WriteString("Field Type: prime-field\n")
	p.bignum("Prime:", c.prime)
	p.bignum("A:   ", c.a)
	p.bignum("B:   ", c.b)
	form := "hybrid"
	switch c.generator[0] {
	case 2, 3:
		form = "compressed"
	case 4:
		form = "uncompressed"
	}
	p.WriteString("Generator (" + form + "):\n")
	p.lines(c.generator, 15, 4)
	p.bignum("Order: ", c.order)
	if c.cofactor != nil {
		p.bignum("Cofactor: ", c.cofactor)
	}
	if c.hasSeed {
		p.WriteString("Seed:\n")
		p.lines(c.seed, 15, 4)
	}
	return true
}

// dsaKey follows dsa_to_text.
func (p *opensslPrinter) dsaKey(k publicKey) bool {
	y, params, ok := k.dsa()
	if !ok || params == nil {
		return false
	}
	p.printf("Public-Key: (%d bit)\n", params[0].BitLen())
	p.bignum("pub: ", y)
	p.bignum("P:   ", params[0])
	p.bignum("Q:   ", params[1])
	p.bignum("G:   ", params[2])
	return true
}

// bignum follows print_labeled_bignum.
func (p *opensslPrinter) bignum(label string, n *big.Int) {
	b := signBit(n)
	switch {
	case n.Sign() == 0:
		p.WriteString(label + " 0\n")
	case len(n.Bytes()) <= 8:
		p.printf("%s %d (0x%x)\n", label, n, n)
	default:
		p.WriteString(label + "\n")
		p.lines(b, 15, 4)
	}
}
