package issue

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/crpki/crpki/pki"
)

// Reissue makes a certificate like old for pub: same names, subject and usages.
// It refuses a certificate that this CA did not issue.
func (ca *CA) Reissue(old *x509.Certificate, pub crypto.PublicKey, v Validity) (*x509.Certificate, error) {
	if err := ca.CheckIssued(old); err != nil {
		return nil, err
	}
	rv, err := RequestOf(old)
	if err != nil {
		return nil, err
	}
	rv.Request.Validity = v
	return ca.Issue(pub, rv.Request)
}

// CheckIssued refuses, with a [*CAError] of [ErrNotIssued], a certificate that
// this CA did not sign.
func (ca *CA) CheckIssued(cert *x509.Certificate) error {
	if pki.Issued(ca.Cert(), cert) {
		return nil
	}
	if string(ca.Cert().RawSubject) == string(cert.RawIssuer) {
		return caError(ca.Cert(), ErrNotIssued, "the name is right, but the signature is of another key: the CA was made anew under the same name")
	}
	return caError(ca.Cert(), ErrNotIssued, "that was %q", cert.Issuer)
}

// RequestOf is the request that would make old again, without its validity.
// Remarks say what cannot be kept.
func RequestOf(old *x509.Certificate) (Review, error) {
	rv := Review{Asked: pki.NamesOf(old)}
	if old.IsCA && !slices.Contains(old.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && len(rv.Asked) == 0 {
		return Review{}, fmt.Errorf("certificate of %q: it is a CA, which is not renewed but made anew, since clients have to be given it again", old.Subject)
	}
	names, remarks, err := rv.Asked.Canonical()
	if err != nil {
		return Review{}, fmt.Errorf("certificate of %q: %w", old.Subject, err)
	}
	rv.Remarks = remarks
	rv.usages(old)
	if cn, ok := hostIn(old.Subject.CommonName); ok && len(names) == 0 && !rv.Request.NoServer {
		names = pki.Names{cn}
		rv.remark("the certificate has no subject alternative names: its common name became %s", cn)
	}
	rv.Request.Names = names
	rv.Request.Subject, rv.Request.RawSubject = old.Subject, old.RawSubject
	return rv, nil
}

// usages keeps server and client usage. A certificate without any is good for
// both, and for servers it was used.
func (rv *Review) usages(old *x509.Certificate) {
	rv.Request.Client = slices.Contains(old.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	rv.Request.NoServer = rv.Request.Client && !slices.Contains(old.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	for _, use := range old.ExtKeyUsage {
		if use != x509.ExtKeyUsageServerAuth && use != x509.ExtKeyUsageClientAuth {
			rv.remark("the extended key usage %d is not kept", use)
		}
	}
	for _, oid := range old.UnknownExtKeyUsage {
		rv.remark("the extended key usage %s is not kept", oid)
	}
}

// ReissueSelfSigned makes a self-signed certificate like old. With another key
// it is another certificate to trust, and gets another subject if the subject
// bore the old key's digits.
func ReissueSelfSigned(old *x509.Certificate, key crypto.Signer, r Request) (*x509.Certificate, error) {
	if !pki.Issued(old, old) {
		return nil, fmt.Errorf("certificate of %q: it is not self-signed", old.Subject)
	}
	if r.Subject.SerialNumber == keyDigits(old.PublicKey) && !pki.SamePublicKey(old.PublicKey, key.Public()) {
		r.Subject, r.RawSubject = rebuilt(r.Subject, r.Subject.CommonName), nil
		r.Subject.SerialNumber = keyDigits(key.Public())
	}
	return SelfSigned(key, r)
}
