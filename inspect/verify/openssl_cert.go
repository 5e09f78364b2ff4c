package verify

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// Bits of keyUsage (RFC 5280 4.2.1.3), numbered as there.
const (
	kuDigitalSignature = 1 << iota
	kuNonRepudiation
	kuKeyEncipherment
	kuDataEncipherment
	kuKeyAgreement
	kuCertSign
	kuCRLSign
)

const (
	oidAnyEKU         = "2.5.29.37.0"
	oidServerAuth     = "1.3.6.1.5.5.7.3.1"
	oidClientAuth     = "1.3.6.1.5.5.7.3.2"
	oidCodeSigning    = "1.3.6.1.5.5.7.3.3"
	oidEmail          = "1.3.6.1.5.5.7.3.4"
	oidTimeStamping   = "1.3.6.1.5.5.7.3.8"
	oidMicrosoftSGC   = "1.3.6.1.4.1.311.10.3.3"
	oidNetscapeSGC    = "2.16.840.1.113730.4.1"
	oidNetscapeType   = "2.16.840.1.113730.1.1"
	oidProxyCertInfo  = "1.3.6.1.5.5.7.1.14"
	oidOCSPNoCheck    = "1.3.6.1.5.5.7.48.1.5"
	oidSKI            = "2.5.29.14"
	oidKeyUsage       = "2.5.29.15"
	oidNameConstraint = "2.5.29.30"
	oidAKI            = "2.5.29.35"
	oidEKU            = "2.5.29.37"
	oidEmailAddress   = "1.2.840.113549.1.9.1"
	oidCommonName     = "2.5.4.3"
)

// supportedCritical are the extensions that OpenSSL handles when they are
// critical (crypto/x509/v3_purp.c, X509_supported_extension).
func supportedCritical(oid string) bool {
	switch oid {
	case oidNetscapeType, oidSKI, oidKeyUsage, lenient.OIDSubjectAltName, lenient.OIDBasicConstraints,
		"2.5.29.32", "2.5.29.31", oidAKI, oidEKU, oidOCSPNoCheck, "2.5.29.36", oidProxyCertInfo,
		oidNameConstraint, "2.5.29.33", "2.5.29.54", "1.3.6.1.5.5.7.1.7", "1.3.6.1.5.5.7.1.8":
		return true
	}
	return false
}

// certificate is a certificate as OpenSSL caches it (ossl_x509v3_cache_extensions).
type certificate struct {
	pki     pki.Cert
	der     []byte // without trust settings
	view    *lenient.Certificate
	issuer  []byte // canonical, for comparison
	subject []byte

	invalid           bool // OpenSSL's EXFLAG_INVALID: never an issuer
	hasBC, isCA       bool
	bcCritical        bool
	pathLen           int // -1: none
	hasKU             bool
	ku                int
	hasEKU            bool
	ekuCritical       bool
	eku               map[string]bool
	hasNS             bool
	ns                byte
	skid              []byte
	hasSKID           bool
	skidCritical      bool
	hasAKID           bool
	akidCritical      bool
	akidKeyID         []byte
	akidSerial        *big.Int
	akidIssuer        []byte // canonical
	hasSAN            bool
	sanCritical       bool
	sans              []lenient.GeneralName
	constraints       *nameConstraints
	unknownCritical   bool
	proxy             bool
	selfIssued        bool
	selfSigned        bool
	trusted, rejected []string // trust settings of a TRUSTED CERTIFICATE
	hasTrust          bool
}

func parseCertificate(c pki.Cert) *certificate {
	view, _ := lenient.Read(c.Raw)
	if view == nil {
		return &certificate{pki: c, view: &lenient.Certificate{}, invalid: true, pathLen: -1}
	}
	out := &certificate{
		pki: c, view: view, der: c.Raw[:len(c.Raw)-len(view.Rest)], pathLen: -1,
		issuer: canonicalName(view.RawIssuer), subject: canonicalName(view.RawSubject),
		eku: map[string]bool{}, invalid: !view.Whole,
	}
	seen := map[string]bool{}
	for _, e := range view.Extensions {
		if seen[e.OID] && cached(e.OID) {
			out.invalid = true
		}
		seen[e.OID] = true
		out.extension(e)
	}
	out.selfIssued = bytes.Equal(out.issuer, out.subject)
	out.selfSigned = out.selfIssued && out.akidMatches(out) && out.algorithmFits(out)
	out.trustSettings(view.Rest)
	return out
}

// cached extensions are those that OpenSSL reads with X509_get_ext_d2i, which
// refuses a second one of the kind.
func cached(oid string) bool {
	switch oid {
	case lenient.OIDBasicConstraints, oidKeyUsage, oidEKU, oidNetscapeType, oidSKI, oidAKI,
		lenient.OIDSubjectAltName, oidNameConstraint, oidProxyCertInfo, "2.5.29.31":
		return true
	}
	return false
}

func (c *certificate) extension(e lenient.Extension) {
	if e.Critical && !supportedCritical(e.OID) {
		c.unknownCritical = true
	}
	ok := true
	in := cryptobyte.String(e.Value)
	switch e.OID {
	case lenient.OIDBasicConstraints:
		c.hasBC, c.bcCritical = true, e.Critical
		ok = c.basicConstraints(in)
	case oidKeyUsage:
		c.hasKU = true
		c.ku, ok = readBits(in)
		ok = ok && c.ku != 0
	case oidEKU:
		c.hasEKU, c.ekuCritical = true, e.Critical
		ok = readOIDs(in, c.eku)
	case oidNetscapeType:
		var bits int
		bits, ok = readBits(in)
		c.hasNS, c.ns = true, byte(bits)
	case oidSKI:
		var id cryptobyte.String
		ok = in.ReadASN1(&id, cbasn1.OCTET_STRING)
		c.hasSKID, c.skid, c.skidCritical = true, id, e.Critical
	case oidAKI:
		c.hasAKID, c.akidCritical = true, e.Critical
		ok = c.authorityKeyID(in)
	case lenient.OIDSubjectAltName:
		c.hasSAN, c.sanCritical = true, e.Critical
		if len(c.view.SANs) > 0 {
			c.sans = c.view.SANs[0]
		}
	case oidNameConstraint:
		c.constraints, ok = readNameConstraints(in)
	case oidProxyCertInfo:
		c.proxy = true
	}
	if !ok {
		c.invalid = true
	}
}

func (c *certificate) basicConstraints(in cryptobyte.String) bool {
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return false
	}
	if seq.PeekASN1Tag(cbasn1.BOOLEAN) && !seq.ReadASN1Boolean(&c.isCA) {
		return false
	}
	if seq.PeekASN1Tag(cbasn1.INTEGER) {
		n := new(big.Int)
		if !seq.ReadASN1Integer(n) || n.Sign() < 0 {
			return false
		}
		if n.IsInt64() && n.Int64() < 1<<31 {
			c.pathLen = int(n.Int64())
		}
	}
	return true
}

func (c *certificate) authorityKeyID(in cryptobyte.String) bool {
	var seq, value cryptobyte.String
	var present bool
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return false
	}
	if !seq.ReadOptionalASN1(&value, &present, cbasn1.Tag(0).ContextSpecific()) {
		return false
	}
	if present {
		c.akidKeyID = append([]byte{}, value...)
	}
	if !seq.ReadOptionalASN1(&value, &present, cbasn1.Tag(1).Constructed().ContextSpecific()) {
		return false
	}
	if present {
		c.akidIssuer = firstDirectoryName(value)
	}
	if !seq.ReadOptionalASN1(&value, &present, cbasn1.Tag(2).ContextSpecific()) {
		return false
	}
	if present {
		c.akidSerial = signedInteger(value)
	}
	return true
}

func firstDirectoryName(list cryptobyte.String) []byte {
	for !list.Empty() {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadAnyASN1(&value, &tag) {
			return nil
		}
		if tag == cbasn1.Tag(4).Constructed().ContextSpecific() {
			return canonicalName(value)
		}
	}
	return nil
}

func signedInteger(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return n
}

func readBits(in cryptobyte.String) (int, bool) {
	var bits asn1.BitString
	if !in.ReadASN1BitString(&bits) {
		return 0, false
	}
	out := 0
	for i := range min(bits.BitLength, 16) {
		if bits.At(i) == 1 {
			out |= 1 << i
		}
	}
	return out, true
}

func readOIDs(in cryptobyte.String, into map[string]bool) bool {
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return false
	}
	for !seq.Empty() {
		var oid asn1.ObjectIdentifier
		if !seq.ReadASN1ObjectIdentifier(&oid) {
			return false
		}
		into[oid.String()] = true
	}
	return true
}

// trustSettings reads X509_CERT_AUX behind the certificate (crypto/x509/x_x509a.c).
func (c *certificate) trustSettings(rest []byte) {
	in := cryptobyte.String(rest)
	var aux, list cryptobyte.String
	if len(rest) == 0 || !in.ReadASN1(&aux, cbasn1.SEQUENCE) {
		return
	}
	read := func(list cryptobyte.String) (oids []string) {
		for !list.Empty() {
			var oid asn1.ObjectIdentifier
			if !list.ReadASN1ObjectIdentifier(&oid) {
				return oids
			}
			oids = append(oids, oid.String())
		}
		return oids
	}
	if aux.PeekASN1Tag(cbasn1.SEQUENCE) && aux.ReadASN1(&list, cbasn1.SEQUENCE) {
		c.hasTrust = true
		c.trusted = read(list)
	}
	var present bool
	if aux.ReadOptionalASN1(&list, &present, cbasn1.Tag(0).Constructed().ContextSpecific()) && present {
		c.rejected = read(list)
	}
}

// akidMatches is X509_check_akid: do the identifiers in c's AKI fit issuer?
func (c *certificate) akidMatches(issuer *certificate) bool {
	if !c.hasAKID {
		return true
	}
	if c.akidKeyID != nil && issuer.hasSKID && !bytes.Equal(c.akidKeyID, issuer.skid) {
		return false
	}
	if c.akidSerial != nil && issuer.view.Serial != nil && c.akidSerial.Cmp(issuer.view.Serial) != 0 {
		return false
	}
	return c.akidIssuer == nil || bytes.Equal(c.akidIssuer, issuer.issuer)
}

// algorithmFits is check_sig_alg_match: can issuer's kind of key have made c's
// kind of signature?
func (c *certificate) algorithmFits(issuer *certificate) bool {
	want, ok := keyOfSignature(c.view.InnerAlgorithm)
	if !ok {
		return false
	}
	have := issuer.view.Key.Algorithm
	if have == oidKeyRSAOld {
		have = oidKeyRSA
	}
	// A DSA key that inherits its parameters is of no use by itself.
	if !issuer.keyDecodes() || have == oidKeyDSA && issuer.publicKey() == nil {
		return false
	}
	return want == have || want == oidKeyRSA && have == oidKeyRSAPSS && c.view.InnerAlgorithm == oidSigPSS
}

// likelyIssued is ossl_x509_likely_issued: names, identifiers and algorithms,
// but no signature.
func (c *certificate) likelyIssued(issuer *certificate) bool {
	return bytes.Equal(issuer.subject, c.issuer) && !issuer.invalid && !c.invalid &&
		c.akidMatches(issuer) && c.algorithmFits(issuer)
}

func (c *certificate) kuRejects(bits int) bool { return c.hasKU && c.ku&bits == 0 }

func (c *certificate) ekuRejects(oids ...string) bool {
	if !c.hasEKU {
		return false
	}
	for _, oid := range oids {
		if c.eku[oid] {
			return false
		}
	}
	return true
}

// caKind is check_ca of crypto/x509/v3_purp.c: 0 no CA, 1 CA by
// basicConstraints, 3 a version 1 root, 4 by keyUsage alone, 5 by Netscape's type.
func (c *certificate) caKind() int {
	switch {
	case c.kuRejects(kuCertSign):
		return 0
	case c.hasBC:
		if c.isCA {
			return 1
		}
		return 0
	case c.view.Version == 1 && c.selfSigned:
		return 3
	case c.hasKU:
		return 4
	case c.hasNS && c.ns&nsAnyCA != 0:
		return 5
	}
	return 0
}

// Bits of Netscape's certificate type, as readBits numbers them.
const (
	nsSSLClient = 1 << 0
	nsSSLServer = 1 << 1
	nsSSLCA     = 1 << 5
	nsAnyCA     = 1<<5 | 1<<6 | 1<<7
)

func (c *certificate) nsRejects(bit byte) bool { return c.hasNS && c.ns&bit == 0 }

// validAt gives 0, CodeCertNotYetValid or CodeCertHasExpired. OpenSSL refuses
// at the very second of notAfter (X509_cmp_time).
func (c *certificate) validAt(t time.Time) Code {
	if c.view.NotBefore.After(t) {
		return CodeCertNotYetValid
	}
	if !c.view.NotAfter.After(t) {
		return CodeCertHasExpired
	}
	return CodeOK
}

// canonicalName encodes a name so that names which OpenSSL holds for equal are
// byte-equal (x509_name_canon: case and blanks of string types are folded).
func canonicalName(raw []byte) []byte {
	in := cryptobyte.String(raw)
	var rdns cryptobyte.String
	if !in.ReadASN1(&rdns, cbasn1.SEQUENCE) {
		return raw
	}
	var out bytes.Buffer
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			return raw
		}
		out.WriteByte('/')
		for !set.Empty() {
			var seq, value cryptobyte.String
			var oid asn1.ObjectIdentifier
			var tag cbasn1.Tag
			if !set.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&oid) || !seq.ReadAnyASN1(&value, &tag) {
				return raw
			}
			out.WriteString(oid.String())
			out.WriteByte('=')
			out.WriteString(canonicalValue(tag, value))
			out.WriteByte(0)
		}
	}
	return out.Bytes()
}

func canonicalValue(tag cbasn1.Tag, value []byte) string {
	text := string(value)
	switch tag {
	case cbasn1.UTF8String, cbasn1.PrintableString, cbasn1.IA5String, cbasn1.Tag(26):
	case cbasn1.T61String:
		runes := make([]rune, len(value))
		for i, b := range value {
			runes[i] = rune(b)
		}
		text = string(runes)
	case cbasn1.Tag(30), cbasn1.Tag(28): // BMPString, UniversalString
		width := 2
		if tag == cbasn1.Tag(28) {
			width = 4
		}
		var b strings.Builder
		for i := 0; i+width <= len(value); i += width {
			r := rune(0)
			for _, c := range value[i : i+width] {
				r = r<<8 | rune(c)
			}
			b.WriteRune(r)
		}
		text = b.String()
	default:
		return string(rune(tag)) + text
	}
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' })
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, strings.Join(fields, " "))
}

// SameName reports whether OpenSSL takes two DER-encoded names for the same
// (X509_NAME_cmp). Go asks for equal bytes.
func SameName(a, b []byte) bool { return bytes.Equal(canonicalName(a), canonicalName(b)) }

// NameKey is the same for names that are the same by [SameName], and for no
// others.
func NameKey(raw []byte) string { return string(canonicalName(raw)) }
