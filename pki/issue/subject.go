package issue

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
)

// subjectFor is the subject that r asks for: the first name that fits becomes
// the common name unless r has one.
func subjectFor(r Request) pkix.Name {
	s := r.Subject
	if s.CommonName == "" {
		s.CommonName = r.Names.CommonName()
	}
	return s
}

// distinguished adds the key's identifier to name as the attribute serialNumber,
// which is there to tell apart subjects that are otherwise called the same
// (X.520, 6.2.9). One that has a serialNumber stays as it is.
func distinguished(name pkix.Name, pub crypto.PublicKey) pkix.Name {
	if name.SerialNumber == "" {
		name.SerialNumber = keyDigits(pub)
	}
	return name
}

// chooseSubject sets the subject of a leaf such that it collides with no CA of
// the chain (OpenSSL takes a leaf with its issuer's name for self-signed) and
// that OpenSSL does not read a forbidden DNS name out of its common name: there,
// the subject goes without one.
func (ca *CA) chooseSubject(t *x509.Certificate, pub crypto.PublicKey, r Request) error {
	s := subjectFor(r)
	if err := ca.permitsCommonName(s.CommonName, r.Names); err != nil {
		if r.NoServer { // a client is known by it
			return err
		}
		s.CommonName = ""
	}
	if len(r.RawSubject) > 0 {
		if s.CommonName == r.Subject.CommonName && !ca.hasSubject(r.RawSubject) {
			return nil // as it stands in the template
		}
		s = rebuilt(s, s.CommonName)
	}
	raw, err := asn1.Marshal(s.ToRDNSequence())
	if err != nil {
		return fmt.Errorf("encode subject: %w", err)
	}
	if s.CommonName == "" || ca.hasSubject(raw) {
		s = distinguished(s, pub)
	}
	t.Subject, t.RawSubject = s, nil
	return nil
}

// hasSubject reports whether a CA of the chain is called so.
func (ca *CA) hasSubject(raw []byte) bool {
	name := foldedName(raw)
	for _, c := range ca.Chain {
		if foldedName(c.RawSubject) == name {
			return true
		}
	}
	return false
}

// foldedName is the same for names that OpenSSL takes for the same: it passes
// over case, surplus blanks and string types (X509_NAME_cmp, RFC 5280, 7.1).
func foldedName(raw []byte) string {
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &rdns); err != nil {
		return string(raw)
	}
	var b strings.Builder
	for _, rdn := range rdns {
		for _, a := range rdn {
			value := strings.Join(strings.Fields(strings.ToLower(fmt.Sprint(a.Value))), " ")
			fmt.Fprintf(&b, "%s=%q+", a.Type, value)
		}
		b.WriteByte(',')
	}
	return b.String()
}

// rebuilt is a parsed name that can be encoded again with another common name
// and loses no attribute on the way.
func rebuilt(parsed pkix.Name, commonName string) pkix.Name {
	name := pkix.Name{CommonName: commonName, SerialNumber: parsed.SerialNumber}
	for _, a := range parsed.Names {
		if !a.Type.Equal(oidCommonName()) && !a.Type.Equal(oidSerialNumber()) {
			name.ExtraNames = append(name.ExtraNames, a)
		}
	}
	return name
}

func oidCommonName() asn1.ObjectIdentifier   { return asn1.ObjectIdentifier{2, 5, 4, 3} }
func oidSerialNumber() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 4, 5} }

// checkSubject holds the parts of a name against the upper bounds of RFC 5280,
// appendix A.1, which OpenSSL and Windows enforce.
func checkSubject(s pkix.Name) error {
	errs := []error{
		checkPart("common name", 64, s.CommonName),
		checkPart("serial number", 64, s.SerialNumber),
		checkPart("organization", 64, s.Organization...),
		checkPart("organizational unit", 64, s.OrganizationalUnit...),
		checkPart("locality", 128, s.Locality...),
		checkPart("province", 128, s.Province...),
	}
	for _, c := range s.Country {
		if len(c) != 2 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			errs = append(errs, fmt.Errorf("subject: country %q is not two capital letters, such as DE", c))
		}
	}
	return errors.Join(errs...)
}

func checkPart(what string, limit int, values ...string) error {
	for _, v := range values {
		if !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
			return fmt.Errorf("subject: %s %q holds control characters", what, v)
		}
		if n := utf8.RuneCountInString(v); n > limit {
			return fmt.Errorf("subject: %s is %d characters long, at most %d are allowed", what, n, limit)
		}
	}
	return nil
}

// checkCommonName refuses a common name that is a host and not among the names.
// OpenSSL accepts it where there is no DNS name, Go does not: a certificate
// that works for some is worse than none.
func checkCommonName(r Request) error {
	if len(r.RawSubject) > 0 || r.NoServer || r.Subject.CommonName == "" {
		return nil
	}
	if name, ok := hostIn(r.Subject.CommonName); ok && !r.Names.Covers(name.Value) && !holds(r.Names, name) {
		return fmt.Errorf("subject: common name %q is not among the names: add it there, since clients look nowhere else", r.Subject.CommonName)
	}
	return nil
}

// hostIn reads a DNS name or IP address out of a common name.
func hostIn(commonName string) (pki.Name, bool) {
	name, _, err := pki.ParseName(commonName)
	return name, err == nil && (name.Kind == pki.DNS || name.Kind == pki.IP)
}

func holds(ns pki.Names, name pki.Name) bool {
	for _, n := range ns {
		if n == name {
			return true
		}
	}
	return false
}
