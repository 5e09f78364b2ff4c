package view

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// extension follows X509V3_extensions_print: a line with the name, then the
// value below it.
func (p *opensslPrinter) extension(e extension, indent int) {
	p.indent(indent)
	p.WriteString(longName(e.oid) + ": ")
	if e.critical {
		p.WriteString("critical")
	}
	p.WriteByte('\n')
	value := opensslPrinter{}
	if value.extensionValue(e, indent+4) {
		p.Write(value.Bytes())
	} else {
		p.indent(indent + 4)
		p.WriteString(asciiDots(e.value))
	}
	p.WriteByte('\n')
}

// extensionValue follows X509V3_EXT_print. false: OpenSSL does not know the
// kind, or the value is malformed.
func (p *opensslPrinter) extensionValue(e extension, indent int) bool {
	switch e.oid {
	case oidBasicConstraints:
		return p.basicConstraints(e.value, indent)
	case oidKeyUsage:
		return p.bitNames(e.value, indent, keyUsageLong[:])
	case oidNetscapeCertType:
		return p.bitNames(e.value, indent, netscapeCertTypes[:])
	case oidExtKeyUsage:
		return p.oids(e.value, indent)
	case oidSubjectKeyID:
		id, ok := decodeOctets(e.value)
		p.line(indent, hexUpper(id, ":"))
		return ok
	case oidAuthorityKeyID:
		return p.authorityKeyID(e.value, indent)
	case oidSubjectAltName, oidIssuerAltName:
		names, ok := decodeGeneralNames(e.value)
		values, good := nameValues(names)
		p.values(values, indent)
		return ok && good
	case oidNameConstraints:
		return p.nameConstraints(e.value, indent)
	case oidPolicies:
		return p.policies(e.value, indent)
	case oidPolicyMappings:
		return p.policyMappings(e.value, indent)
	case oidPolicyLimits:
		return p.policyLimits(e.value, indent)
	case oidInhibitAnyPolicy, oidCRLNumber:
		n, ok := decodeInteger(e.value)
		if ok {
			p.line(indent, integerText(n))
		}
		return ok
	case oidCRLPoints, oidFreshestCRL:
		return p.crlPoints(e.value, indent)
	case oidAuthorityInfo, oidSubjectInfo:
		return p.access(e.value, indent)
	case oidSCTs, oidOCSPSCTs:
		return p.scts(e.value, indent)
	case oidPoison:
		p.line(indent, "NULL")
		return isNull(e.value)
	case oidOCSPNoCheck:
		return isNull(e.value)
	case oidProxyCertInfo:
		return p.proxyInfo(e.value, indent)
	case oidTLSFeature:
		return p.tlsFeatures(e.value, indent)
	case oidKeyPeriod:
		return p.keyPeriod(e.value, indent)
	}
	if isNetscapeString(e.oid) {
		return p.ia5(e.value, indent)
	}
	return false
}

func (p *opensslPrinter) line(indent int, text string) {
	p.indent(indent)
	p.WriteString(text)
}

// values follows X509V3_EXT_val_prn for kinds that stand on one line.
func (p *opensslPrinter) values(values []string, indent int) {
	if len(values) == 0 {
		p.line(indent, "<EMPTY>\n")
		return
	}
	p.line(indent, strings.Join(values, ", "))
}

// lineByLine is values for kinds that have a line for each.
func (p *opensslPrinter) lineByLine(values []string, indent int) {
	if len(values) == 0 {
		p.line(indent, "<EMPTY>\n")
	}
	for i, v := range values {
		if i > 0 {
			p.WriteByte('\n')
		}
		p.line(indent, v)
	}
}

func isNull(der []byte) bool { return len(der) == 2 && der[0] == byte(asn1.NULL) && der[1] == 0 }

// integerText follows i2s_ASN1_INTEGER: decimal, and hexadecimal when long.
func integerText(n *big.Int) string {
	if n.BitLen() < 128 {
		return n.String()
	}
	text := fmt.Sprintf("%X", new(big.Int).Abs(n))
	if len(text)%2 != 0 {
		text = "0" + text
	}
	if n.Sign() < 0 {
		return "-0x" + text
	}
	return "0x" + text
}

func (p *opensslPrinter) basicConstraints(der []byte, indent int) bool {
	c, ok := decodeBasicConstraints(der)
	if !ok {
		return false
	}
	values := []string{"CA:FALSE"}
	if c.ca {
		values[0] = "CA:TRUE"
	}
	if c.pathLen != nil {
		values = append(values, "pathlen:"+integerText(c.pathLen))
	}
	p.values(values, indent)
	return true
}

var keyUsageLong = [...]string{
	"Digital Signature", "Non Repudiation", "Key Encipherment", "Data Encipherment",
	"Key Agreement", "Certificate Sign", "CRL Sign", "Encipher Only", "Decipher Only",
}

var netscapeCertTypes = [...]string{"SSL Client", "SSL Server", "S/MIME", "Object Signing", "Unused", "SSL CA", "S/MIME CA", "Object Signing CA"}

var crlReasons = [...]string{
	"Unused", "Key Compromise", "CA Compromise", "Affiliation Changed", "Superseded",
	"Cessation Of Operation", "Certificate Hold", "Privilege Withdrawn", "AA Compromise",
}

// named lists the names of the bits that are set.
func (b bits) named(names []string) []string {
	var set []string
	for i, name := range names {
		if b.has(i) {
			set = append(set, name)
		}
	}
	return set
}

func (p *opensslPrinter) bitNames(der []byte, indent int, names []string) bool {
	b, ok := decodeBits(der)
	set := b.named(names)
	if !ok || len(set) == 0 {
		return false // OpenSSL takes an empty list for a failure here
	}
	p.values(set, indent)
	return true
}

func (p *opensslPrinter) oids(der []byte, indent int) bool {
	oids, ok := decodeOIDs(der)
	if !ok || len(oids) == 0 {
		return false
	}
	names := make([]string, len(oids))
	for i, oid := range oids {
		names[i] = clip(longName(oid))
	}
	p.values(names, indent)
	return true
}

// clip cuts a name to what OpenSSL's buffer of 80 bytes holds.
func clip(s string) string { return s[:min(len(s), 79)] }

func (p *opensslPrinter) authorityKeyID(der []byte, indent int) bool {
	a, ok := decodeAuthorityKeyID(der)
	if !ok {
		return false
	}
	var values []string
	if a.hasKeyID {
		id := hexUpper(a.keyID, ":")
		if a.hasIssuer || a.hasSerial {
			id = "keyid:" + id
		}
		values = append(values, id)
	}
	issuer, ok := nameValues(a.issuer)
	if !ok {
		return false
	}
	values = append(values, issuer...)
	if a.hasSerial {
		values = append(values, "serial:"+hexUpper(magnitude(a.serial), ":"))
	}
	if len(values) == 0 {
		return false
	}
	p.lineByLine(values, indent)
	return true
}

// magnitude is the absolute value of an INTEGER, in at least one octet.
func magnitude(content []byte) []byte {
	b := signedInt(content).Bytes()
	if len(b) == 0 {
		return []byte{0}
	}
	return b
}

// nameConstraints follows i2r_NAME_CONSTRAINTS.
func (p *opensslPrinter) nameConstraints(der []byte, indent int) bool {
	c, ok := decodeNameConstraints(der)
	if !ok {
		return false
	}
	p.subtrees("Permitted", c.permitted, indent)
	if c.hasPermitted && c.hasExcluded {
		p.WriteByte('\n')
	}
	p.subtrees("Excluded", c.excluded, indent)
	return true
}

func (p *opensslPrinter) subtrees(label string, names []generalName, indent int) {
	if len(names) > 0 {
		p.line(indent, label+":\n")
	}
	for i, n := range names {
		if i > 0 {
			p.WriteByte('\n')
		}
		p.indent(indent + 2)
		if n.kind != kindIP {
			p.generalName(n)
			continue
		}
		half := len(n.content)
		switch {
		case half >= 16:
			half = 16
		case half >= 4:
			half = 4
		}
		p.WriteString("IP:" + opensslIP(n.content[:half]) + "/" + opensslIP(n.content[half:]))
	}
}

// policies follows i2r_certpol.
func (p *opensslPrinter) policies(der []byte, indent int) bool {
	policies, ok := decodePolicies(der)
	if !ok {
		return false
	}
	for _, policy := range policies {
		for _, q := range policy.qualifiers {
			if q.oid == oidUserNotice && !q.isNotice() || q.oid == oidCPS && q.value.tag != asn1.IA5String {
				return false
			}
		}
	}
	for i, policy := range policies {
		if i > 0 {
			p.WriteByte('\n')
		}
		p.line(indent, "Policy: "+longName(policy.oid))
		if !policy.hasQualifiers {
			continue
		}
		p.WriteByte('\n')
		for i, q := range policy.qualifiers {
			if i > 0 {
				p.WriteByte('\n')
			}
			p.qualifier(q, indent+2)
		}
	}
	return true
}

func (p *opensslPrinter) qualifier(q qualifier, indent int) {
	switch q.oid {
	case oidCPS:
		p.line(indent, "CPS: "+pki.Printable(cString(q.value.content)))
	case oidUserNotice:
		p.line(indent, "User Notice:\n")
		p.notice(q.value.content, indent+2)
	default:
		p.line(indent+2, "Unknown Qualifier: "+longName(q.oid))
	}
}

// isNotice reports whether the qualifier is a well-formed UserNotice (RFC 5280,
// 4.2.1.4), since OpenSSL shows the whole extension as unknown when it is not.
func (q qualifier) isNotice() bool {
	fields, ok := readElements(q.value.content)
	if !ok || q.value.tag != asn1.SEQUENCE {
		return false
	}
	if len(fields) > 0 && fields[0].tag == asn1.SEQUENCE {
		reference, ok := readElements(fields[0].content)
		if !ok || len(reference) != 2 || !isDisplayText(reference[0].tag) || reference[1].tag != asn1.SEQUENCE {
			return false
		}
		numbers, ok := readElements(reference[1].content)
		if !ok || slices.ContainsFunc(numbers, func(n element) bool { return n.tag != asn1.INTEGER }) {
			return false
		}
		fields = fields[1:]
	}
	return len(fields) == 0 || len(fields) == 1 && isDisplayText(fields[0].tag)
}

func isDisplayText(tag asn1.Tag) bool {
	return tag == asn1.IA5String || tag == tagVisible || tag == tagBMP || tag == asn1.UTF8String
}

// notice follows print_notice.
func (p *opensslPrinter) notice(content []byte, indent int) {
	fields, _ := readElements(content)
	if len(fields) > 0 && fields[0].tag == asn1.SEQUENCE {
		p.noticeReference(fields[0].content, indent)
		if fields = fields[1:]; len(fields) > 0 {
			p.WriteByte('\n')
		}
	}
	if len(fields) > 0 {
		p.line(indent, "Explicit Text: "+pki.Printable(cString(fields[0].content)))
	}
}

func (p *opensslPrinter) noticeReference(content []byte, indent int) {
	fields, _ := readElements(content)
	if len(fields) != 2 {
		return
	}
	p.line(indent, "Organization: "+pki.Printable(cString(fields[0].content))+"\n")
	numbers, _ := readElements(fields[1].content)
	label := "Number: "
	if len(numbers) > 1 {
		label = "Numbers: "
	}
	var texts []string
	for _, n := range numbers {
		texts = append(texts, integerText(signedInt(n.content)))
	}
	p.line(indent, label+strings.Join(texts, ", "))
}

func (p *opensslPrinter) policyMappings(der []byte, indent int) bool {
	elements, ok := readSequence(der)
	if !ok || len(elements) == 0 {
		return false
	}
	var values []string
	for _, e := range elements {
		in := cryptobyte.String(e.content)
		var from, to string
		if !readOID(&in, &from) || !readOID(&in, &to) {
			return false
		}
		values = append(values, clip(longName(from))+":"+clip(longName(to)))
	}
	p.values(values, indent)
	return true
}

func (p *opensslPrinter) policyLimits(der []byte, indent int) bool {
	elements, ok := readSequence(der)
	if !ok || len(elements) == 0 {
		return false
	}
	var values []string
	for _, e := range elements {
		label := "Require Explicit Policy:"
		switch e.tag {
		case context(0):
		case context(1):
			label = "Inhibit Policy Mapping:"
		default:
			return false
		}
		values = append(values, label+integerText(signedInt(e.content)))
	}
	p.values(values, indent)
	return true
}

// crlPoints follows i2r_crldp.
func (p *opensslPrinter) crlPoints(der []byte, indent int) bool {
	points, ok := decodeCRLPoints(der)
	if !ok {
		return false
	}
	for i, point := range points {
		if i > 0 {
			p.WriteByte('\n')
		}
		if point.hasName {
			p.pointName(point, indent)
		}
		if point.hasReason {
			p.line(indent, "Reasons:\n")
			p.indent(indent + 2)
			if set := point.reasons.named(crlReasons[:]); len(set) > 0 {
				p.WriteString(strings.Join(set, ", ") + "\n")
			} else {
				p.WriteString("<EMPTY>\n")
			}
		}
		if point.hasIssuer {
			p.line(indent, "CRL Issuer:\n")
			p.nameLines(point.issuer, indent+2)
		}
	}
	return true
}

func (p *opensslPrinter) pointName(point crlPoint, indent int) {
	if point.relative == nil {
		p.line(indent, "Full Name:\n")
		p.nameLines(point.full, indent+2)
		return
	}
	p.line(indent, "Relative Name:\n")
	p.indent(indent + 2)
	attributes, _ := parseRDN(point.relative, 0)
	p.attributes(attributes)
	p.WriteByte('\n')
}

// nameLines follows print_gens.
func (p *opensslPrinter) nameLines(names []generalName, indent int) {
	for i, n := range names {
		if i > 0 {
			p.WriteByte('\n')
		}
		p.indent(indent)
		p.generalName(n)
	}
}

func (p *opensslPrinter) access(der []byte, indent int) bool {
	descriptions, ok := decodeAccess(der)
	if !ok {
		return false
	}
	var values []string
	for _, d := range descriptions {
		v, ok := nameAsValue(d.location)
		if !ok {
			return false
		}
		values = append(values, clip(longName(d.method))+" - "+v)
	}
	p.lineByLine(values, indent)
	return true
}

// scts follows SCT_LIST_print.
func (p *opensslPrinter) scts(der []byte, indent int) bool {
	list, ok := decodeSCTs(der)
	unknown := func(s sct) bool { // o2i_SCT takes no list with such a signature
		return s.version == 0 && (s.hash != 4 || s.alg != 1 && s.alg != 3)
	}
	if !ok || slices.ContainsFunc(list, unknown) {
		return false
	}
	for i, s := range list {
		if i > 0 {
			p.WriteByte('\n')
		}
		p.sct(s, indent)
	}
	return true
}

func (p *opensslPrinter) sct(s sct, indent int) {
	p.line(indent, "Signed Certificate Timestamp:")
	field := func(label string) {
		p.WriteByte('\n')
		p.line(indent+4, label)
	}
	field("Version   : ")
	if s.version != 0 {
		p.WriteString("unknown\n")
		p.indent(indent + 16)
		p.hexBlock(s.raw, indent+16)
		return
	}
	p.WriteString("v1 (0x0)")
	field("Log ID    : ")
	p.hexBlock(s.logID, indent+16)
	field("Timestamp : ")
	if at := s.time(); s.timestamp <= maxTimestamp {
		p.printf("%s %2d %02d:%02d:%02d.%03d %d GMT", at.Month().String()[:3], at.Day(), at.Hour(), at.Minute(), at.Second(), s.timestamp%1000, at.Year())
	}
	field("Extensions: ")
	if len(s.extensions) == 0 {
		p.WriteString("none")
	} else {
		p.hexBlock(s.extensions, indent+16)
	}
	field("Signature : ")
	if s.alg == 3 {
		p.WriteString("ecdsa-with-SHA256")
	} else {
		p.WriteString("sha256WithRSAEncryption")
	}
	field("            ")
	p.hexBlock(s.signature, indent+16)
}

// hexBlock follows BIO_hex_string with 16 bytes on a line; the first line is
// already indented.
func (p *opensslPrinter) hexBlock(b []byte, indent int) {
	for i := 0; i < len(b); i += 16 {
		end := min(i+16, len(b))
		if i > 0 {
			p.indent(indent)
		}
		p.WriteString(hexUpper(b[i:end], ":"))
		if end < len(b) {
			p.WriteString(":\n")
		}
	}
}

func (p *opensslPrinter) tlsFeatures(der []byte, indent int) bool {
	elements, ok := readSequence(der)
	if !ok || len(elements) == 0 {
		return false
	}
	var values []string
	for _, e := range elements {
		if e.tag != asn1.INTEGER {
			return false
		}
		switch n := integerText(signedInt(e.content)); n {
		case "5":
			values = append(values, "status_request")
		case "17":
			values = append(values, "status_request_v2")
		default:
			values = append(values, n)
		}
	}
	p.values(values, indent)
	return true
}

// keyPeriod follows i2r_PKEY_USAGE_PERIOD.
func (p *opensslPrinter) keyPeriod(der []byte, indent int) bool {
	elements, ok := readSequence(der)
	if !ok {
		return false
	}
	p.indent(indent)
	for i, e := range elements {
		if i > 0 {
			p.WriteString(", ")
		}
		switch e.tag {
		case context(0):
			p.WriteString("Not Before: ")
		case context(1):
			p.WriteString("Not After: ")
		default:
			return false
		}
		p.time(derTime{asn1.GeneralizedTime, string(e.content)})
	}
	return true
}

// isNetscapeString is true for the extensions of Netscape that hold a text.
func isNetscapeString(oid string) bool {
	switch oid {
	case "2.16.840.1.113730.1.2", "2.16.840.1.113730.1.3", "2.16.840.1.113730.1.4", "2.16.840.1.113730.1.7",
		"2.16.840.1.113730.1.8", "2.16.840.1.113730.1.12", "2.16.840.1.113730.1.13":
		return true
	}
	return false
}

func (p *opensslPrinter) ia5(der []byte, indent int) bool {
	in := cryptobyte.String(der)
	var text cryptobyte.String
	if !in.ReadASN1(&text, asn1.IA5String) || len(text) == 0 {
		return false
	}
	p.line(indent, pki.Printable(cString(text)))
	return true
}

// proxyInfo follows i2r_pci (RFC 3820, 3.8).
func (p *opensslPrinter) proxyInfo(der []byte, indent int) bool {
	fields, ok := readSequence(der)
	if !ok || len(fields) == 0 {
		return false
	}
	limit := "infinite"
	if fields[0].tag == asn1.INTEGER {
		limit, fields = integerHex(fields[0].content), fields[1:]
	}
	if len(fields) != 1 || fields[0].tag != asn1.SEQUENCE {
		return false
	}
	in := cryptobyte.String(fields[0].content)
	var language string
	if !readOID(&in, &language) {
		return false
	}
	p.line(indent, "Path Length Constraint: "+limit+"\n")
	p.line(indent, "Policy Language: "+longName(language))
	var text cryptobyte.String
	if in.ReadASN1(&text, asn1.OCTET_STRING) {
		p.WriteByte('\n')
		p.line(indent, "Policy Text: "+pki.Printable(cString(text)))
	}
	return true
}
