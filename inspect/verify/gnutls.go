package verify

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// GnuTLS is a verification as GnuTLS 3.7 does it (lib/x509/verify.c), by the
// default of its tools, which refuse MD5 and SHA-1 and no short key.
type GnuTLS struct {
	// Presented is what the server sent, leaf first.
	Presented []pki.Cert
	Trusted   []pki.Cert
	// Host is the name or address dialled; "" checks none.
	Host string
	At   time.Time
}

// gnutlsStatus are the bits of gnutls_certificate_status_t that this package
// raises.
type gnutlsStatus uint16

const (
	gnutlsSignerNotFound gnutlsStatus = 1 << iota
	gnutlsSignerNotCA
	gnutlsInsecureAlgorithm
	gnutlsSignerConstraints
	gnutlsNotActivated
	gnutlsExpired
	gnutlsSignatureFailure
	gnutlsUnexpectedOwner
	gnutlsPurposeMismatch
	gnutlsUnknownCritical
)

// gnutlsTexts are in the order of gnutls_certificate_verification_status_print.
var gnutlsTexts = []struct {
	bit  gnutlsStatus
	text string
}{
	{gnutlsSignerNotFound, "The certificate issuer is unknown."},
	{gnutlsSignerNotCA, "The certificate issuer is not a CA."},
	{gnutlsInsecureAlgorithm, "The certificate chain uses insecure algorithm."},
	{gnutlsSignerConstraints, "The certificate chain violates the signer's constraints."},
	{gnutlsNotActivated, "The certificate chain uses not yet valid certificate."},
	{gnutlsExpired, "The certificate chain uses expired certificate."},
	{gnutlsSignatureFailure, "The signature in the certificate is invalid."},
	{gnutlsUnexpectedOwner, "The name in the certificate does not match the expected."},
	{gnutlsPurposeMismatch, "The certificate chain does not match the intended purpose."},
	{gnutlsUnknownCritical, "The certificate contains an unknown critical extension."},
}

// Verify gives nil, or an error with everything that GnuTLS has to say: "The
// certificate is NOT trusted. The certificate issuer is unknown."
func (g GnuTLS) Verify() error {
	if len(g.Presented) == 0 {
		return errors.New("no certificate was found")
	}
	var presented, trusted []*certificate
	for _, c := range g.Presented {
		parsed, err := parseGnuTLS(c)
		if err != nil {
			return err
		}
		presented = append(presented, parsed)
	}
	for _, c := range g.Trusted {
		if parsed, err := parseGnuTLS(c); err == nil {
			trusted = append(trusted, parsed)
		}
	}
	status := g.chain(presented, trusted)
	leaf := presented[0]
	if leaf.hasEKU && !leaf.eku[oidServerAuth] && !leaf.eku[oidAnyEKU] {
		status |= gnutlsPurposeMismatch
	}
	if g.Host != "" && !leaf.gnutlsHost(g.Host) {
		status |= gnutlsUnexpectedOwner
	}
	return status.err()
}

func (s gnutlsStatus) err() error {
	if s == 0 {
		return nil
	}
	texts := []string{"The certificate is NOT trusted."}
	for _, t := range gnutlsTexts {
		if s&t.bit != 0 {
			texts = append(texts, t.text)
		}
	}
	return errors.New(strings.Join(texts, " "))
}

// parseGnuTLS is gnutls_x509_crt_import: it refuses less than Go does.
func parseGnuTLS(c pki.Cert) (*certificate, error) {
	view, faults := lenient.Read(c.Raw)
	strange := false
	for _, f := range faults {
		switch f.Rule {
		case lenient.DuplicateExtension, lenient.DuplicateSAN:
			return nil, errors.New("error parsing CRTs: Duplicate extension in X.509 certificate.")
		case lenient.BadVersion:
			// It reads a version 4, but no extensions in a version 1.
			strange = strange || f.Field == "tbsCertificate.version"
			if !strange {
				return nil, errors.New("error parsing CRTs: Error in the certificate.")
			}
		case lenient.AlgorithmMismatch:
			return nil, errors.New("error parsing CRTs: Error in the certificate.")
		case lenient.BadTime:
			return nil, errors.New("error parsing CRTs: The DER time encoding is invalid.")
		case lenient.BadDER, lenient.TrailingData:
			return nil, errors.New("error parsing CRTs: ASN1 parser: Error in DER parsing.")
		}
	}
	x, ok := (&decoder{rest: c.Raw, anyText: true}).x509()
	parsed := certificateOf(c, x, ok)
	parsed.view = view
	for _, n := range parsed.sans {
		if n.kind == gnDNS && len(n.value) == 0 {
			return nil, errors.New("error parsing CRTs: Unknown Subject Alternative name in X.509 certificate.")
		}
	}
	return parsed, nil
}

// chain goes up from the leaf: each certificate is held against its issuer,
// until the issuer is one that is trusted.
func (g GnuTLS) chain(presented, trusted []*certificate) (status gnutlsStatus) {
	c := presented[0]
	pool := presented[1:]
	below := []*certificate{c}
	for {
		status |= g.alone(c)
		issuer := issuerOf(c, trusted)
		anchored := issuer != nil
		if issuer == nil {
			issuer = issuerOf(c, pool)
		}
		if issuer == nil || slices.Contains(below, issuer) && !anchored {
			return status | gnutlsSignerNotFound
		}
		status |= signed(c, issuer, below)
		if anchored {
			if !bytes.Equal(issuer.der, c.der) {
				status |= g.alone(issuer)
			}
			return status
		}
		c = issuer
		below = append(below, c)
	}
}

// issuerOf finds the issuer by its name and, when both have one, by the key
// identifier (is_issuer).
func issuerOf(c *certificate, pool []*certificate) *certificate {
	for _, candidate := range pool {
		if !bytes.Equal(candidate.view.RawSubject, c.view.RawIssuer) {
			continue
		}
		if c.akidKeyID != nil && candidate.skid != nil && !bytes.Equal(c.akidKeyID, candidate.skid) {
			continue
		}
		return candidate
	}
	return nil
}

// alone checks what does not depend on the issuer.
func (g GnuTLS) alone(c *certificate) (status gnutlsStatus) {
	if c.view.NotBefore.After(g.At) {
		status |= gnutlsNotActivated
	}
	if g.At.After(c.view.NotAfter) {
		status |= gnutlsExpired
	}
	for _, e := range c.view.Extensions {
		if e.Critical && !gnutlsKnows(e.OID) {
			status |= gnutlsUnknownCritical
		}
	}
	return status
}

// gnutlsKnows lists the extensions that GnuTLS handles (check_for_unknown_exts).
func gnutlsKnows(oid string) bool {
	switch oid {
	case lenient.OIDSubjectAltName, lenient.OIDBasicConstraints, oidKeyUsage, oidEKU, oidAKI, oidSKI, oidNameConstraint,
		"2.5.29.32", "2.5.29.31", "2.5.29.54", "2.5.29.16", oidProxyCertInfo, "1.3.6.1.5.5.7.1.24":
		return true
	}
	return false
}

// signed holds c against its issuer; below are the certificates from the leaf to
// c.
func signed(c, issuer *certificate, below []*certificate) (status gnutlsStatus) {
	if issuer.hasBC && !issuer.isCA {
		status |= gnutlsSignerNotCA
	}
	intermediates := 0
	for _, b := range below[1:] {
		if !b.selfIssued {
			intermediates++
		}
	}
	if issuer.kuRejects(kuCertSign) || issuer.isCA && issuer.pathLen >= 0 && intermediates > issuer.pathLen {
		status |= gnutlsSignerConstraints
	}
	if issuer.constraints != nil && issuer.constraints.check(below[0]) != CodeOK {
		status |= gnutlsSignerConstraints
	}
	algorithm := c.view.OuterAlgorithm
	if salt, digest := PSSSalt(c.view.AlgorithmParameters); algorithm == oidSigPSS && salt != digest {
		return status | gnutlsSignatureFailure
	}
	if ok, decodable := c.signedBy(issuer); decodable && !ok {
		return status | gnutlsSignatureFailure
	}
	switch algorithm {
	case "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1", "1.2.840.10040.4.3":
		status |= gnutlsInsecureAlgorithm
	}
	return status
}

// gnutlsHost is gnutls_x509_crt_check_hostname2, as certtool has it.
func (c *certificate) gnutlsHost(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	for _, n := range c.sans {
		switch {
		case err == nil && n.kind == gnIP && bytes.Equal(n.value, addr.AsSlice()):
			return true
		case err != nil && n.kind == gnDNS && gnutlsName(string(n.value), host):
			return true
		}
	}
	if err == nil || len(c.sans) > 0 {
		return false
	}
	for _, a := range c.view.Subject {
		if a.OID == oidCommonName {
			return gnutlsName(a.Value, host)
		}
	}
	return false
}

// gnutlsName is _gnutls_hostname_compare: a star stands for one label, before at
// least two others.
func gnutlsName(pattern, host string) bool {
	rest, wildcard := strings.CutPrefix(pattern, "*.")
	if !wildcard {
		return strings.EqualFold(pattern, host)
	}
	_, parent, ok := strings.Cut(host, ".")
	return ok && strings.Contains(rest, ".") && strings.EqualFold(rest, parent)
}
