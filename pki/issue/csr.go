package issue

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
)

// NewCSR makes a signing request for another CA. Beside the names it asks for
// the usages that the certificate needs, as cert-manager does; a CA that sets
// its own passes over them. Validity is the CA's business.
func NewCSR(key crypto.Signer, r Request) (*x509.CertificateRequest, error) {
	if len(r.Names) == 0 && !r.NoServer {
		return nil, ErrNoNames
	}
	if err := errors.Join(CheckKey(key.Public()), checkSubject(r.Subject), checkCommonName(r)); err != nil {
		return nil, err
	}
	usages, err := usageExtensions(leafKeyUsage(key.Public()), r)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: subjectFor(r), RawSubject: r.RawSubject,
		DNSNames: r.Names.DNS(), IPAddresses: r.Names.IPs(), EmailAddresses: r.Names.Emails(), URIs: r.Names.URIs(),
		ExtraExtensions: usages,
	}, key)
	if err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	return judgeCSR(der, r)
}

// judgeCSR parses the request back and demands what was asked for.
func judgeCSR(der []byte, r Request) (*x509.CertificateRequest, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("parse the request just signed: %w", err)
	}
	got := pki.NamesOfCSR(csr)
	if err := csr.CheckSignature(); err != nil || len(without(got, r.Names))+len(without(r.Names, got)) > 0 {
		return nil, fmt.Errorf("request for %q is not handed out: its names or its signature came out wrong: %w", csr.Subject, err)
	}
	return csr, nil
}

// usageExtensions encodes key usage and extended key usage, which
// CreateCertificateRequest does not.
func usageExtensions(ku x509.KeyUsage, r Request) ([]pkix.Extension, error) {
	// KeyUsage counts bits from the most significant on (RFC 5280, 4.2.1.3):
	// digitalSignature is 0, keyEncipherment is 2.
	bits := asn1.BitString{Bytes: []byte{0x80}, BitLength: 1}
	if ku&x509.KeyUsageKeyEncipherment != 0 {
		bits = asn1.BitString{Bytes: []byte{0xa0}, BitLength: 3}
	}
	var purposes []asn1.ObjectIdentifier
	for _, use := range r.extKeyUsage() {
		purposes = append(purposes, usageOID(use))
	}
	kuDER, err := asn1.Marshal(bits)
	ekuDER, err2 := asn1.Marshal(purposes)
	return []pkix.Extension{
		{Id: oidKeyUsage(), Critical: true, Value: kuDER},
		{Id: oidExtKeyUsage(), Value: ekuDER},
	}, errors.Join(err, err2)
}

func oidKeyUsage() asn1.ObjectIdentifier         { return asn1.ObjectIdentifier{2, 5, 29, 15} }
func oidSubjectAltName() asn1.ObjectIdentifier   { return asn1.ObjectIdentifier{2, 5, 29, 17} }
func oidBasicConstraints() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 19} }
func oidExtKeyUsage() asn1.ObjectIdentifier      { return asn1.ObjectIdentifier{2, 5, 29, 37} }

// usageOID is id-kp-serverAuth or id-kp-clientAuth.
func usageOID(use x509.ExtKeyUsage) asn1.ObjectIdentifier {
	if use == x509.ExtKeyUsageClientAuth {
		return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	}
	return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
}

// SignOptions say what the signer of a CSR makes of it. The zero value, but for
// Validity, grants the names that the CSR asks for.
type SignOptions struct {
	Validity Validity
	// Client grants clientAuth as well, whatever the CSR asks for.
	Client bool
	// Add are names that the certificate gets in addition.
	Add pki.Names
	// Refuse are names that it does not get though the CSR asks for them,
	// however they are written there. A wildcard in the CSR that stands for one
	// of them is refused, and so is what a wildcard among them stands for.
	Refuse pki.Names
	// Only and OnlyIP, if set, are all that a CSR may ask for: a wildcard
	// allows the names that it stands for, a network its addresses. A CSR that
	// asks for more is not signed: [*NotAllowedError].
	Only   pki.Names
	OnlyIP []netip.Prefix
}

// NotAllowedError lists names in a CSR that the signer does not allow.
type NotAllowedError struct{ Names pki.Names }

func (e *NotAllowedError) Error() string {
	return "the CSR asks for names that are not allowed: " + strings.Join(e.Names.Strings(), ", ")
}

// Review is what a CSR asks for and what it would get.
type Review struct {
	// Asked are the names as they stand in the CSR.
	Asked pki.Names
	// Request is what would be signed.
	Request Request
	// Remarks say what was changed, left out or not granted.
	Remarks []string
}

// SignCSR makes the certificate that [ReviewCSR] describes.
func (ca *CA) SignCSR(csr *x509.CertificateRequest, o SignOptions) (*x509.Certificate, error) {
	review, err := ReviewCSR(csr, o)
	if err != nil {
		return nil, err
	}
	return ca.Issue(csr.PublicKey, review.Request)
}

// ReviewCSR checks the CSR's signature and says what would be signed. Of what a
// CSR asks for, only names and subject are granted: never CA:TRUE, no usage
// that the signer did not choose, no other extension. A common name that is a
// host counts as a name asked for.
func ReviewCSR(csr *x509.CertificateRequest, o SignOptions) (Review, error) {
	if err := csr.CheckSignature(); err != nil {
		return Review{}, fmt.Errorf("CSR for %q: its signature is wrong, so whoever made it may not hold the key: %w", csr.Subject, err)
	}
	asked := pki.NamesOfCSR(csr)
	rv := Review{Asked: asked, Remarks: passedOver(csr, len(asked), o)}
	names, err := rv.names(csr, o)
	if err != nil {
		return Review{}, err
	}
	if len(names) == 0 {
		return Review{}, fmt.Errorf("CSR for %q: %w", csr.Subject, ErrNoNames)
	}
	rv.Request = Request{Names: names, Client: o.Client, Validity: o.Validity}
	rv.Request.Subject, rv.Request.RawSubject = rv.subject(csr.Subject, csr.RawSubject, names)
	return rv, nil
}

// names are those that the certificate gets.
func (rv *Review) names(csr *x509.CertificateRequest, o SignOptions) (pki.Names, error) {
	refused := newRefusal(o.Refuse)
	var granted pki.Names
	for _, n := range rv.Asked {
		if why := refused.refuses(n); why != "" {
			rv.remark("%s", why)
			continue
		}
		granted = append(granted, n)
	}
	if cn, ok := hostIn(csr.Subject.CommonName); ok && len(rv.Asked) == 0 {
		if why := refused.refuses(cn); why != "" {
			rv.remark("%s", why)
		} else {
			granted = granted.With(cn)
			rv.remark("the CSR has no subject alternative names: its common name became %s", cn)
		}
	}
	for _, n := range refused.unmet() {
		rv.remark("%s is to be refused, but the CSR does not ask for it", n)
	}
	names, remarks, err := granted.Canonical()
	if err != nil {
		return nil, fmt.Errorf("CSR for %q: %w", csr.Subject, err)
	}
	rv.Remarks = append(rv.Remarks, remarks...)
	if bad := notAllowed(names, o); len(bad) > 0 {
		return nil, &NotAllowedError{bad}
	}
	return names.With(o.Add...), nil
}

func notAllowed(names pki.Names, o SignOptions) pki.Names {
	if len(o.Only)+len(o.OnlyIP) == 0 {
		return nil
	}
	var bad pki.Names
	for _, n := range names {
		if !allowed(n, o) {
			bad = append(bad, n)
		}
	}
	return bad
}

func allowed(n pki.Name, o SignOptions) bool {
	if slices.Contains(o.Only, n) {
		return true
	}
	switch n.Kind {
	case pki.DNS: // never a wildcard by a wildcard: *.a.example is no name below *.example
		return !strings.HasPrefix(n.Value, "*.") && o.Only.Covers(n.Value)
	case pki.IP:
		addr, err := netip.ParseAddr(n.Value)
		return err == nil && slices.ContainsFunc(o.OnlyIP, func(p netip.Prefix) bool { return p.Contains(addr) })
	}
	return false
}

// subject keeps the subject byte for byte unless a common name in it is a host
// for which the certificate is not: OpenSSL goes by any of them when there is
// no DNS name.
func (rv *Review) subject(s pkix.Name, raw []byte, names pki.Names) (pkix.Name, []byte) {
	for _, a := range s.Names {
		cn, _ := a.Value.(string)
		if !a.Type.Equal(oidCommonName()) {
			continue
		}
		if host, ok := hostIn(cn); ok && !slices.Contains(names, host) && !names.Covers(host.Value) {
			fit := names.CommonName()
			rv.remark("the common name %q is not among the names: it became %q", cn, fit)
			return rebuilt(s, fit), nil
		}
	}
	if s.CommonName == "" {
		return rebuilt(s, names.CommonName()), nil
	}
	return s, raw
}

func (rv *Review) remark(format string, args ...any) {
	rv.Remarks = append(rv.Remarks, fmt.Sprintf(format, args...))
}

// passedOver lists what the CSR asks for and does not get.
func passedOver(csr *x509.CertificateRequest, names int, o SignOptions) []string {
	var rv Review
	for _, e := range csr.Extensions {
		switch {
		case e.Id.Equal(oidSubjectAltName()):
			if n := countNames(e.Value); n > names {
				rv.remark("%s", foreignNames(n-names))
			}
		case e.Id.Equal(oidKeyUsage()):
			rv.Remarks = append(rv.Remarks, keyUsagesNotGranted(e.Value, leafKeyUsage(csr.PublicKey))...)
		case e.Id.Equal(oidExtKeyUsage()):
			rv.Remarks = append(rv.Remarks, usagesNotGranted(e.Value, o)...)
		case e.Id.Equal(oidBasicConstraints()):
			var bc struct {
				IsCA    bool `asn1:"optional"`
				PathLen int  `asn1:"optional,default:-1"`
			}
			if _, err := asn1.Unmarshal(e.Value, &bc); err != nil || bc.IsCA {
				rv.remark("the CSR asks to become a CA: that is not granted")
			}
		default:
			rv.remark("the CSR asks for the extension %s: it is left out", e.Id)
		}
	}
	return rv.Remarks
}

// foreignNames tells of names that are left out for their kind.
func foreignNames(n int) string {
	if n == 1 {
		return "the CSR asks for a name of a kind that no server is dialled by (such as otherName): it is left out"
	}
	return fmt.Sprintf("the CSR asks for %d names of kinds that no server is dialled by (such as otherName): they are left out", n)
}

// keyUsagesNotGranted tells when a CSR asks for key usages that it does not get.
func keyUsagesNotGranted(der []byte, granted x509.KeyUsage) []string {
	var bits asn1.BitString
	if rest, err := asn1.Unmarshal(der, &bits); err != nil || len(rest) > 0 {
		return []string{"the CSR's key usage cannot be read: it is left out"}
	}
	// RFC 5280, 4.2.1.3, in the order of the bits, which is that of x509.KeyUsage.
	names := []string{
		"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
		"keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
	}
	var left []string
	for i, name := range names {
		if bits.At(i) == 1 && granted&(1<<i) == 0 {
			left = append(left, name)
		}
	}
	switch len(left) {
	case 0:
		return nil
	case 1:
		return []string{"the CSR asks for the key usage " + left[0] + ": it is left out"}
	}
	return []string{"the CSR asks for the key usages " + strings.Join(left, ", ") + ": they are left out"}
}

// usagesNotGranted tells when a CSR asks for usages that it does not get.
func usagesNotGranted(der []byte, o SignOptions) []string {
	var rv Review
	var purposes []asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(der, &purposes); err != nil {
		return []string{"the CSR's extended key usage cannot be read: it is left out"}
	}
	for _, p := range purposes {
		switch {
		case p.Equal(usageOID(x509.ExtKeyUsageServerAuth)):
		case p.Equal(usageOID(x509.ExtKeyUsageClientAuth)):
			if !o.Client {
				rv.remark("the CSR asks for the usage clientAuth: it is left out, since it was not granted")
			}
		default:
			rv.remark("the CSR asks for the usage %s: it is left out", p)
		}
	}
	return rv.Remarks
}

// countNames counts the GeneralNames of every kind in a SAN extension.
func countNames(der []byte) int {
	var list, item asn1.RawValue
	if _, err := asn1.Unmarshal(der, &list); err != nil {
		return 0
	}
	count := 0
	for rest := list.Bytes; len(rest) > 0; count++ {
		var err error
		if rest, err = asn1.Unmarshal(rest, &item); err != nil {
			return count
		}
	}
	return count
}
