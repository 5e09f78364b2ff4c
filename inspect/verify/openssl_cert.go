package verify

import (
	"bytes"
	"time"

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
	oidAnyEKU           = "2.5.29.37.0"
	oidServerAuth       = "1.3.6.1.5.5.7.3.1"
	oidClientAuth       = "1.3.6.1.5.5.7.3.2"
	oidCodeSigning      = "1.3.6.1.5.5.7.3.3"
	oidEmail            = "1.3.6.1.5.5.7.3.4"
	oidTimeStamping     = "1.3.6.1.5.5.7.3.8"
	oidMicrosoftSGC     = "1.3.6.1.4.1.311.10.3.3"
	oidNetscapeSGC      = "2.16.840.1.113730.4.1"
	oidNetscapeType     = "2.16.840.1.113730.1.1"
	oidProxyCertInfo    = "1.3.6.1.5.5.7.1.14"
	oidIPBlocks         = "1.3.6.1.5.5.7.1.7"
	oidASBlocks         = "1.3.6.1.5.5.7.1.8"
	oidOCSPNoCheck      = "1.3.6.1.5.5.7.48.1.5"
	oidSKI              = "2.5.29.14"
	oidKeyUsage         = "2.5.29.15"
	oidSAN              = lenient.OIDSubjectAltName
	oidIssuerAltName    = "2.5.29.18"
	oidBasicConstraints = lenient.OIDBasicConstraints
	oidNameConstraint   = "2.5.29.30"
	oidCRLPoints        = "2.5.29.31"
	oidAKI              = "2.5.29.35"
	oidEKU              = "2.5.29.37"
	oidEmailAddress     = "1.2.840.113549.1.9.1"
	oidCommonName       = "2.5.4.3"
)

// supportedCritical are the extensions that OpenSSL handles when they are
// critical (crypto/x509/v3_purp.c, X509_supported_extension).
func supportedCritical(oid string) bool {
	switch oid {
	case oidNetscapeType, oidKeyUsage, oidSAN, oidBasicConstraints, "2.5.29.32", oidCRLPoints, oidEKU,
		oidIPBlocks, oidASBlocks, oidOCSPNoCheck, "2.5.29.36", oidProxyCertInfo, oidNameConstraint, "2.5.29.33", "2.5.29.54":
		return true
	}
	return false
}

// certificate is a certificate as OpenSSL caches it (ossl_x509v3_cache_extensions).
type certificate struct {
	pki pki.Cert
	*x509Cert
	// view is how GnuTLS reads it; nil for OpenSSL.
	view *lenient.Certificate

	decodes           bool // OpenSSL reads it at all
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
	akidSerial        []byte
	akidIssuer        []byte // canonical
	hasSAN            bool
	sanCritical       bool
	sans              []generalName
	constraints       *nameConstraints
	unknownCritical   bool
	proxy             bool
	selfIssued        bool
	selfSigned        bool
	trusted, rejected []string // trust settings of a TRUSTED CERTIFICATE
	hasTrust          bool
}

func parseCertificate(c pki.Cert) *certificate {
	x, ok := readX509(c.Raw)
	return certificateOf(c, x, ok)
}

func certificateOf(c pki.Cert, x *x509Cert, ok bool) *certificate {
	if !ok {
		return &certificate{pki: c, x509Cert: &x509Cert{}, invalid: true, pathLen: -1}
	}
	out := &certificate{pki: c, x509Cert: x, decodes: true, pathLen: -1, eku: map[string]bool{}}
	seen := map[string]bool{}
	for _, e := range x.extensions {
		if seen[e.oid] && cached(e.oid) {
			out.invalid = true
		}
		seen[e.oid] = true
		out.extension(e)
	}
	if out.proxy && (out.isCA || seen[oidSAN] || seen[oidIssuerAltName]) {
		out.invalid = true
	}
	out.selfIssued = bytes.Equal(x.issuer.canonical, x.subject.canonical)
	out.selfSigned = out.selfIssued && out.akidMatches(out) && out.algorithmFits(out)
	out.trustSettings(x.rest)
	return out
}

// cached extensions are those that OpenSSL reads with X509_get_ext_d2i, which
// refuses a second one of the kind.
func cached(oid string) bool {
	switch oid {
	case oidBasicConstraints, oidKeyUsage, oidEKU, oidNetscapeType, oidSKI, oidAKI, oidSAN, oidNameConstraint,
		oidProxyCertInfo, oidCRLPoints, oidIPBlocks, oidASBlocks:
		return true
	}
	return false
}

// trustSettings reads X509_CERT_AUX behind the certificate (crypto/x509/x_x509a.c).
func (c *certificate) trustSettings(rest []byte) {
	d := &decoder{rest: rest}
	if d.empty() {
		return
	}
	oids := func(list *decoder) (out []string) {
		for !list.empty() {
			out = append(out, list.oid())
		}
		return out
	}
	aux := d.sequence()
	if aux.is(0, tagSequence) {
		c.hasTrust = true
		list := aux.list(tagSequence)
		c.trusted = oids(list)
		aux.end(list)
	}
	if aux.is(classContext, 0) {
		list := aux.listAs(0)
		c.rejected = oids(list)
		aux.end(list)
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
	if c.akidSerial != nil && !bytes.Equal(c.akidSerial, issuer.serial) {
		return false
	}
	return c.akidIssuer == nil || bytes.Equal(c.akidIssuer, issuer.issuer.canonical)
}

// algorithmFits is check_sig_alg_match: can issuer's kind of key have made c's
// kind of signature?
func (c *certificate) algorithmFits(issuer *certificate) bool {
	want, ok := keyOfSignature(c.inner.oid)
	if !ok {
		return false
	}
	have := issuer.key.algorithm.oid
	if have == oidKeyRSAOld {
		have = oidKeyRSA
	}
	// A DSA key that inherits its parameters is of no use by itself.
	if !issuer.keyDecodes() || have == oidKeyDSA && issuer.publicKey() == nil {
		return false
	}
	return want == have || want == oidKeyRSA && have == oidKeyRSAPSS && c.inner.oid == oidSigPSS
}

// likelyIssued is ossl_x509_likely_issued: names, identifiers and algorithms,
// but no signature.
func (c *certificate) likelyIssued(issuer *certificate) bool {
	return bytes.Equal(issuer.subject.canonical, c.issuer.canonical) && !issuer.invalid && !c.invalid &&
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
	case c.version == 0 && c.selfSigned:
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

// validAt gives CodeOK or what is wrong with the time (ossl_x509_check_cert_time).
// OpenSSL refuses at the very second of notAfter (X509_cmp_time).
func (c *certificate) validAt(t time.Time) Code {
	if from, ok := timeOf(c.notBefore); !ok {
		return CodeErrorInCertNotBeforeField
	} else if from.After(t) {
		return CodeCertNotYetValid
	}
	if until, ok := timeOf(c.notAfter); !ok {
		return CodeErrorInCertNotAfterField
	} else if !until.After(t) {
		return CodeCertHasExpired
	}
	return CodeOK
}

// endsAfter reports whether c is valid longer than other.
func (c *certificate) endsAfter(other *certificate) bool {
	mine, ok := timeOf(c.notAfter)
	theirs, too := timeOf(other.notAfter)
	return ok && too && mine.After(theirs)
}
