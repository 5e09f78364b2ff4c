// Package lenient reads certificates that crypto/x509 refuses, so that their
// fault can be named with its place. It judges no chain and verifies no
// signature: it says what stands in the DER, element by element, and what of it
// breaks RFC 5280 or Go's parser.
//
// Start with [Read].
package lenient

import (
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Fault is one thing that is wrong in the encoding.
type Fault struct {
	// Rule is the ID of the lint rule that explains it.
	Rule string
	// Offset counts bytes from the start of the DER.
	Offset int
	// Field names the element: "tbsCertificate.serialNumber".
	Field  string
	Detail string
}

// String gives "serialNumber at byte 13: the serial number is negative".
func (f Fault) String() string {
	return fmt.Sprintf("%s at byte %d: %s", f.Field, f.Offset, f.Detail)
}

// Extension is one extension as it stands in the certificate, in its order.
type Extension struct {
	OID      string
	Critical bool
	Value    []byte
	Offset   int
}

// Attribute is one part of a distinguished name.
type Attribute struct {
	OID    string
	Value  string
	Tag    byte
	Offset int
}

// Certificate is what could be read. Fields behind a fault may be zero.
type Certificate struct {
	// Version as people count it: 1, 2 or 3.
	Version      int
	Serial       *big.Int
	SerialOctets int
	// InnerAlgorithm and OuterAlgorithm are the signature algorithm's OIDs.
	InnerAlgorithm, OuterAlgorithm string
	Issuer, Subject                []Attribute
	RawIssuer, RawSubject          []byte
	NotBefore, NotAfter            time.Time
	Key                            PublicKey
	Extensions                     []Extension
	// SANs holds the general names of each subjectAltName extension: more than
	// one list means that the extension stands there more than once.
	SANs [][]GeneralName
	// RawTBS is the signed part, RawKey the subjectPublicKeyInfo, Signature the
	// signature's octets, AlgorithmParameters what follows the OID in
	// signatureAlgorithm.
	RawTBS, RawKey, Signature, AlgorithmParameters []byte
	// Rest is what follows the certificate: OpenSSL's trust settings in a
	// TRUSTED CERTIFICATE, otherwise junk.
	Rest []byte
	// Whole is true when the walk reached the end of the certificate.
	Whole bool
}

// PublicKey describes subjectPublicKeyInfo without accepting it.
type PublicKey struct {
	Algorithm string // OID
	// Curve is the OID of a named curve, "explicit" for explicit parameters.
	Curve string
	Bits  int
}

// OIDs that the reader itself looks at (RFC 5280 4.2, RFC 5480 2).
const (
	OIDSubjectAltName   = "2.5.29.17"
	OIDBasicConstraints = "2.5.29.19"
	oidRSA              = "1.2.840.113549.1.1.1"
	oidRSAPSS           = "1.2.840.113549.1.1.10"
	oidEC               = "1.2.840.10045.2.1"
)

// IDs of the faults, which are the IDs of their lint rules.
const (
	DuplicateExtension = "extension-duplicate"
	// DuplicateSAN is a second subjectAltName: what people get who write
	// -addext for each name.
	DuplicateSAN      = "san-extension-duplicate"
	TrailingData      = "der-trailing-data"
	BadDER            = "der-malformed"
	BadVersion        = "version-invalid"
	SerialNegative    = "serial-negative"
	SerialZero        = "serial-zero"
	SerialTooLong     = "serial-too-long"
	AlgorithmMismatch = "signature-algorithm-mismatch"
	BadString         = "name-string-invalid"
	BadTime           = "time-malformed"
	ExplicitCurve     = "key-explicit-curve"
	BadGeneralName    = "san-malformed"
	EmptySAN          = "san-empty"
)

// Read walks der and reports what it holds and every fault that it meets. It
// never panics and reads each byte a bounded number of times. The certificate
// is nil when der does not even begin like one.
func Read(der []byte) (*Certificate, []Fault) {
	r := reader{base: der}
	return r.certificate()
}

type reader struct {
	base   []byte
	faults []Fault
}

// offset works because every element is a slice of base with base's capacity.
func (r *reader) offset(s []byte) int { return cap(r.base) - cap(s) }

func (r *reader) fault(rule, field string, at []byte, format string, args ...any) {
	r.faults = append(r.faults, Fault{Rule: rule, Field: field, Offset: r.offset(at), Detail: fmt.Sprintf(format, args...)})
}

func (r *reader) certificate() (*Certificate, []Fault) {
	in := cryptobyte.String(r.base)
	var outer cryptobyte.String
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) {
		r.fault(BadDER, "certificate", r.base, "does not begin with an ASN.1 SEQUENCE of %s", sizeHint(r.base))
		return nil, r.faults
	}
	c := &Certificate{Rest: in}
	if len(in) > 0 {
		r.fault(TrailingData, "certificate", in, "%s the certificate", follow(len(in)))
	}
	var raw, tbs cryptobyte.String
	tbsAt := outer
	if !outer.ReadASN1Element(&raw, cbasn1.SEQUENCE) {
		r.fault(BadDER, "tbsCertificate", tbsAt, "is not an ASN.1 SEQUENCE")
		return nil, r.faults
	}
	c.RawTBS = raw
	raw.ReadASN1(&tbs, cbasn1.SEQUENCE)
	if !r.tbs(c, tbs) {
		return c, r.faults
	}
	algAt := outer
	var ok bool
	var params cryptobyte.String
	if c.OuterAlgorithm, params, ok = readAlgorithm(&outer); !ok {
		r.fault(BadDER, "signatureAlgorithm", algAt, "is not an AlgorithmIdentifier")
		return c, r.faults
	}
	c.AlgorithmParameters = params
	if c.OuterAlgorithm != c.InnerAlgorithm {
		r.fault(AlgorithmMismatch, "signatureAlgorithm", algAt,
			"says %s, tbsCertificate.signature says %s", c.OuterAlgorithm, c.InnerAlgorithm)
	}
	sigAt := outer
	var sig cryptobyte.String
	if !outer.ReadASN1(&sig, cbasn1.BIT_STRING) {
		r.fault(BadDER, "signatureValue", sigAt, "is not a BIT STRING")
		return c, r.faults
	}
	if len(outer) > 0 {
		r.fault(TrailingData, "signatureValue", outer, "%s the signature inside the certificate", follow(len(outer)))
	}
	if len(sig) > 0 {
		c.Signature = sig[1:]
	}
	c.Whole = true
	return c, r.faults
}

// tbs reads TBSCertificate (RFC 5280 4.1.2). false: the walk can't go on.
func (r *reader) tbs(c *Certificate, tbs cryptobyte.String) bool {
	r.version(c, &tbs)
	if !r.serial(c, &tbs) {
		return false
	}
	at := tbs
	var ok bool
	if c.InnerAlgorithm, _, ok = readAlgorithm(&tbs); !ok {
		r.fault(BadDER, "tbsCertificate.signature", at, "is not an AlgorithmIdentifier")
		return false
	}
	if c.RawIssuer, c.Issuer, ok = r.name("issuer", &tbs); !ok {
		return false
	}
	if !r.validity(c, &tbs) {
		return false
	}
	if c.RawSubject, c.Subject, ok = r.name("subject", &tbs); !ok {
		return false
	}
	if !r.publicKey(c, &tbs) {
		return false
	}
	for _, tag := range []cbasn1.Tag{cbasn1.Tag(1).ContextSpecific(), cbasn1.Tag(2).ContextSpecific()} {
		tbs.SkipOptionalASN1(tag) // issuerUniqueID, subjectUniqueID
	}
	return r.extensions(c, &tbs)
}

func (r *reader) version(c *Certificate, tbs *cryptobyte.String) {
	c.Version = 1
	at := *tbs
	var wrapped cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&wrapped, &present, cbasn1.Tag(0).Constructed().ContextSpecific()) || !present {
		return
	}
	var v int
	if !wrapped.ReadASN1Integer(&v) || !wrapped.Empty() || v < 0 || v > 2 {
		r.fault(BadVersion, "tbsCertificate.version", at, "is none of v1, v2, v3")
		return
	}
	c.Version = v + 1
}

func (r *reader) serial(c *Certificate, tbs *cryptobyte.String) bool {
	const field = "tbsCertificate.serialNumber"
	at := *tbs
	var raw cryptobyte.String
	if !tbs.ReadASN1(&raw, cbasn1.INTEGER) || len(raw) == 0 {
		r.fault(BadDER, field, at, "is not an INTEGER")
		return false
	}
	c.Serial = new(big.Int).SetBytes(raw)
	if raw[0]&0x80 != 0 {
		c.Serial.Sub(c.Serial, new(big.Int).Lsh(big.NewInt(1), uint(len(raw))*8))
	}
	c.SerialOctets = len(raw)
	// RFC 5280 4.1.2.2: positive, at most 20 octets.
	switch {
	case c.Serial.Sign() < 0:
		r.fault(SerialNegative, field, at, "the serial number is negative")
	case c.Serial.Sign() == 0:
		r.fault(SerialZero, field, at, "the serial number is zero")
	case len(raw) > 20:
		r.fault(SerialTooLong, field, at, "the serial number has %d octets; 20 are allowed", len(raw))
	}
	if len(raw) > 1 && (raw[0] == 0 && raw[1]&0x80 == 0 || raw[0] == 0xff && raw[1]&0x80 != 0) {
		r.fault(BadDER, field, at, "the serial number is not minimally encoded")
	}
	return true
}

func (r *reader) name(which string, tbs *cryptobyte.String) (raw []byte, attrs []Attribute, ok bool) {
	field := "tbsCertificate." + which
	at := *tbs
	var whole, rdns cryptobyte.String
	if !tbs.ReadASN1Element(&whole, cbasn1.SEQUENCE) {
		r.fault(BadDER, field, at, "is not a SEQUENCE of relative distinguished names")
		return nil, nil, false
	}
	raw = whole
	whole.ReadASN1(&rdns, cbasn1.SEQUENCE)
	for !rdns.Empty() {
		var set cryptobyte.String
		setAt := rdns
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			r.fault(BadDER, field, setAt, "holds something that is not a SET")
			return raw, attrs, true
		}
		for !set.Empty() {
			a, good := r.attribute(field, &set)
			if !good {
				return raw, attrs, true
			}
			attrs = append(attrs, a)
		}
	}
	return raw, attrs, true
}

func (r *reader) attribute(field string, set *cryptobyte.String) (Attribute, bool) {
	at := *set
	var seq, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag cbasn1.Tag
	if !set.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&oid) || !seq.ReadAnyASN1(&value, &tag) {
		r.fault(BadDER, field, at, "holds a malformed attribute")
		return Attribute{}, false
	}
	text, err := decodeString(tag, value)
	if err != nil {
		r.fault(BadString, field, value, "%s: %v", attributeName(oid.String()), err)
	}
	return Attribute{OID: oid.String(), Value: text, Tag: byte(tag), Offset: r.offset(value)}, true
}

// decodeString gives the text of a DirectoryString (X.520, RFC 5280 4.1.2.4)
// and says what the type does not allow. The text comes back either way.
func decodeString(tag cbasn1.Tag, value []byte) (string, error) {
	switch tag {
	case cbasn1.PrintableString:
		for i, b := range value {
			// Go's parser lets '*' and '&' pass (encoding/asn1 parsePrintableString).
			if !isPrintable(b) {
				return latin1(value), fmt.Errorf("a PrintableString may not hold %q (character %d)", rune(b), i+1)
			}
		}
	case cbasn1.UTF8String:
		if !utf8.Valid(value) {
			return latin1(value), fmt.Errorf("the UTF8String is not valid UTF-8")
		}
		return string(value), nil
	case cbasn1.IA5String:
		for i, b := range value {
			if b >= 0x80 {
				return latin1(value), fmt.Errorf("an IA5String may not hold byte 0x%02x (character %d)", b, i+1)
			}
		}
	case cbasn1.Tag(30): // BMPString
		return decodeBMP(value)
	case cbasn1.T61String, cbasn1.Tag(18), cbasn1.Tag(26), cbasn1.Tag(28):
		return latin1(value), nil
	default:
		return latin1(value), fmt.Errorf("tag %d is no string type", byte(tag))
	}
	return latin1(value), nil
}

func decodeBMP(value []byte) (string, error) {
	if len(value)%2 != 0 {
		return latin1(value), fmt.Errorf("the BMPString has an odd length")
	}
	runes := make([]rune, 0, len(value)/2)
	for i := 0; i < len(value); i += 2 {
		runes = append(runes, rune(value[i])<<8|rune(value[i+1]))
	}
	return string(runes), nil
}

func isPrintable(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	switch b {
	case ' ', '\'', '(', ')', '+', ',', '-', '.', '/', ':', '=', '?', '*', '&':
		return true
	}
	return false
}

// latin1 keeps every byte visible.
func latin1(b []byte) string {
	for _, c := range b {
		if c >= 0x80 {
			runes := make([]rune, len(b))
			for i, c := range b {
				runes[i] = rune(c)
			}
			return string(runes)
		}
	}
	return string(b)
}

func (r *reader) validity(c *Certificate, tbs *cryptobyte.String) bool {
	const field = "tbsCertificate.validity"
	at := *tbs
	var seq cryptobyte.String
	if !tbs.ReadASN1(&seq, cbasn1.SEQUENCE) {
		r.fault(BadDER, field, at, "is not a SEQUENCE")
		return false
	}
	c.NotBefore = r.time(field+".notBefore", &seq)
	c.NotAfter = r.time(field+".notAfter", &seq)
	return true
}

func (r *reader) time(field string, seq *cryptobyte.String) time.Time {
	at := *seq
	var value cryptobyte.String
	var tag cbasn1.Tag
	if !seq.ReadAnyASN1(&value, &tag) {
		r.fault(BadTime, field, at, "is missing")
		return time.Time{}
	}
	t, err := parseTime(tag, string(value))
	if err != nil {
		r.fault(BadTime, field, at, "%v", err)
	}
	return t
}

// parseTime takes the two forms of RFC 5280 4.1.2.5, and for the message's sake
// also the ones that it forbids.
func parseTime(tag cbasn1.Tag, text string) (time.Time, error) {
	var layouts []string
	switch tag {
	case cbasn1.UTCTime:
		layouts = []string{"060102150405Z", "0601021504Z", "060102150405Z0700", "0601021504Z0700"}
	case cbasn1.GeneralizedTime:
		layouts = []string{"20060102150405Z", "20060102150405.999Z", "20060102150405Z0700", "20060102150405", "200601021504Z"}
	default:
		return time.Time{}, fmt.Errorf("tag %d is neither UTCTime nor GeneralizedTime", byte(tag))
	}
	for i, layout := range layouts {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if tag == cbasn1.UTCTime && t.Year() >= 2050 {
			t = t.AddDate(-100, 0, 0)
		}
		if i > 0 || len(text) != len(layouts[0]) {
			return t, fmt.Errorf("%q is not in the form %s that RFC 5280 asks for", text, layouts[0])
		}
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time of the form %s", text, layouts[0])
}

func (r *reader) publicKey(c *Certificate, tbs *cryptobyte.String) bool {
	const field = "tbsCertificate.subjectPublicKeyInfo"
	at := *tbs
	var whole, spki, bits cryptobyte.String
	if !tbs.ReadASN1Element(&whole, cbasn1.SEQUENCE) {
		r.fault(BadDER, field, at, "is not a SEQUENCE")
		return false
	}
	c.RawKey = whole
	whole.ReadASN1(&spki, cbasn1.SEQUENCE)
	oid, params, ok := readAlgorithm(&spki)
	if !ok || !spki.ReadASN1(&bits, cbasn1.BIT_STRING) || len(bits) == 0 {
		r.fault(BadDER, field, at, "is not an algorithm and a BIT STRING")
		return true
	}
	c.Key = PublicKey{Algorithm: oid}
	switch key := bits[1:]; oid {
	case oidRSA, oidRSAPSS:
		c.Key.Bits = rsaBits(key)
	case oidEC:
		r.curve(c, field, params)
		if c.Key.Bits = ecBits(c.Key.Curve); c.Key.Bits == 0 {
			c.Key.Bits = (len(key) - 1) / 2 * 8
		}
	default:
		c.Key.Bits = len(key) * 8
	}
	return true
}

func (r *reader) curve(c *Certificate, field string, params cryptobyte.String) {
	var oid asn1.ObjectIdentifier
	switch {
	case params.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER) && params.ReadASN1ObjectIdentifier(&oid):
		c.Key.Curve = oid.String()
	case params.PeekASN1Tag(cbasn1.SEQUENCE):
		c.Key.Curve = "explicit"
		r.fault(ExplicitCurve, field, params, "the curve is given by explicit parameters instead of its name (RFC 5480 2.1.1)")
	default:
		r.fault(BadDER, field, params, "the elliptic curve is missing")
	}
}

func ecBits(curve string) int {
	switch curve {
	case "1.3.132.0.33":
		return 224
	case "1.2.840.10045.3.1.7", "1.3.132.0.10":
		return 256
	case "1.3.132.0.34":
		return 384
	case "1.3.132.0.35":
		return 521
	case "1.2.840.10045.3.1.1":
		return 192
	}
	return 0
}

func rsaBits(key []byte) int {
	in := cryptobyte.String(key)
	var seq cryptobyte.String
	n := new(big.Int)
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1Integer(n) {
		return 0
	}
	return n.BitLen()
}

func (r *reader) extensions(c *Certificate, tbs *cryptobyte.String) bool {
	const field = "tbsCertificate.extensions"
	at := *tbs
	var wrapped, list cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&wrapped, &present, cbasn1.Tag(3).Constructed().ContextSpecific()) {
		r.fault(BadDER, field, at, "is malformed")
		return true
	}
	if !present {
		return true
	}
	if c.Version != 3 {
		r.fault(BadVersion, field, at, "extensions stand in a version %d certificate; they need version 3", c.Version)
	}
	if !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) {
		r.fault(BadDER, field, at, "is not a SEQUENCE")
		return true
	}
	first := map[string]int{}
	for !list.Empty() {
		extAt := list
		e, ok := r.extension(&list)
		if !ok {
			r.fault(BadDER, field, extAt, "extension %d is malformed", len(c.Extensions)+1)
			return true
		}
		if n, seen := first[e.OID]; seen {
			rule := DuplicateExtension
			if e.OID == OIDSubjectAltName {
				rule = DuplicateSAN
			}
			r.fault(rule, field, extAt, "extension %d is a second %s (%s); the first is extension %d",
				len(c.Extensions)+1, ExtensionName(e.OID), e.OID, n)
		} else {
			first[e.OID] = len(c.Extensions) + 1
		}
		c.Extensions = append(c.Extensions, e)
		if e.OID == OIDSubjectAltName {
			c.SANs = append(c.SANs, r.generalNames(e.Value))
		}
	}
	return true
}

func (r *reader) extension(list *cryptobyte.String) (Extension, bool) {
	e := Extension{Offset: r.offset(*list)}
	var seq, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !list.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&oid) {
		return e, false
	}
	if seq.PeekASN1Tag(cbasn1.BOOLEAN) && !seq.ReadASN1Boolean(&e.Critical) {
		return e, false
	}
	if !seq.ReadASN1(&value, cbasn1.OCTET_STRING) {
		return e, false
	}
	e.OID, e.Value = oid.String(), value
	return e, true
}

func readAlgorithm(s *cryptobyte.String) (oid string, params cryptobyte.String, ok bool) {
	var seq cryptobyte.String
	var id asn1.ObjectIdentifier
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&id) {
		return "", nil, false
	}
	return id.String(), seq, true
}

func sizeHint(der []byte) string {
	return fmt.Sprintf("the right length (%d bytes given)", len(der))
}

// follow is the beginning of a sentence on n bytes too many.
func follow(n int) string {
	if n == 1 {
		return "1 byte follows"
	}
	return fmt.Sprintf("%d bytes follow", n)
}
