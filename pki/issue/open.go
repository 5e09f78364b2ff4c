package issue

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloudflare/cfssl/helpers"

	"github.com/crpki/crpki/pki"
)

// Reasons why a certificate cannot serve as CA, inside a [*CAError].
var (
	ErrKeyMismatch = errors.New("the key is not the key of this certificate")
	ErrExpired     = errors.New("it has expired")
	ErrNotYetValid = errors.New("it is not valid yet")
	ErrNotCA       = errors.New("it is not a CA certificate")
	ErrNoCertSign  = errors.New("its key usage does not allow it to sign certificates")
	ErrPathLength  = errors.New("its path length forbids it")
	ErrUsage       = errors.New("its extended key usage forbids it")
	ErrNotIssued   = errors.New("it did not issue the certificate")
	ErrNoIssuer    = errors.New("its issuer is missing")
)

// CAError says which certificate cannot serve as CA, and why. Err wraps one of
// the reasons above.
type CAError struct {
	Cert *x509.Certificate
	Err  error
}

func (e *CAError) Error() string { return fmt.Sprintf("CA %q: %v", e.Cert.Subject, e.Err) }

// Unwrap gives the reason.
func (e *CAError) Unwrap() error { return e.Err }

func caError(c *x509.Certificate, reason error, format string, args ...any) error {
	return &CAError{c, fmt.Errorf("%w: %s", reason, fmt.Sprintf(format, args...))}
}

// OutlivesError says that a certificate would be valid for longer than the CA
// that signs it, or than one above.
type OutlivesError struct {
	NotAfter, CANotAfter time.Time
}

func (e *OutlivesError) Error() string {
	return fmt.Sprintf("validity: it would end on %s, after the CA's own on %s: ask for a shorter one, or renew the CA first",
		stamp(e.NotAfter), stamp(e.CANotAfter))
}

// OpenCA makes a CA of what was found. The CA's own certificate is the one in
// certs to which signer is the key; its issuers, as far as they are there,
// become the rest of the chain. Order does not matter, and what belongs to no
// chain is passed over. That it cannot sign is a [*CAError].
func OpenCA(certs []*x509.Certificate, signer crypto.Signer, now time.Time) (*CA, error) {
	if len(certs) == 0 || signer == nil {
		return nil, errors.New("CA: it takes a certificate and its key")
	}
	isOwn := func(c *x509.Certificate) bool { return pki.SamePublicKey(c.PublicKey, signer.Public()) }
	if !slices.ContainsFunc(certs, isOwn) {
		return nil, caError(certs[0], ErrKeyMismatch, "the certificate has %s, the key is %s",
			describeKey(certs[0].PublicKey), describeKey(signer.Public()))
	}
	chain, err := chainAbove(certs, isOwn, now)
	if err != nil {
		return nil, err
	}
	for depth, c := range chain {
		if err := checkCA(c, depth, now); err != nil {
			return nil, err
		}
	}
	return &CA{chain, signer}, nil
}

// chainAbove leads from the certificate that isOwn chooses as far up as certs
// reach.
func chainAbove(certs []*x509.Certificate, isOwn func(*x509.Certificate) bool, now time.Time) ([]*x509.Certificate, error) {
	var heap []pki.Cert
	for i, c := range certs {
		heap = append(heap, pki.Cert{Origin: pki.Origin{Source: "certificate", Index: i + 1}, Raw: c.Raw, X509: c})
	}
	found, err := pki.ChainOptions{Now: now, Leaf: isOwn}.Order(heap)
	if gap, ok := errors.AsType[*pki.GapError](err); ok {
		// Without any root the gap is where the file ends, which is common.
		if !slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return pki.Issued(c, c) }) {
			return wholeChain(found), nil
		}
		return nil, caError(gap.Child.X509, ErrNoIssuer, "%q is not the root that was given with it", gap.Child.X509.Issuer)
	}
	if err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	return wholeChain(found), nil
}

func wholeChain(found pki.Chain) []*x509.Certificate {
	var chain []*x509.Certificate
	for _, c := range found.Served() {
		chain = append(chain, c.X509)
	}
	if found.Root != nil {
		chain = append(chain, found.Root.X509)
	}
	return chain
}

// describeKey tells keys of the same type apart by their identifier.
func describeKey(pub crypto.PublicKey) string {
	return fmt.Sprintf("%s %s…", pki.DescribePublicKey(pub), keyDigits(pub))
}

// checkCA holds a certificate of the chain, below which there are depth other
// CAs, against what clients demand of it.
func checkCA(c *x509.Certificate, depth int, now time.Time) error {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return caError(c, ErrNotCA, "its basic constraints do not say CA:TRUE")
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return caError(c, ErrNoCertSign, "keyCertSign is missing")
	case now.After(c.NotAfter):
		return caError(c, ErrExpired, "on %s", stamp(c.NotAfter))
	case now.Before(c.NotBefore):
		return caError(c, ErrNotYetValid, "it begins on %s", stamp(c.NotBefore))
	case pathLen(c) >= 0 && pathLen(c) < depth:
		return caError(c, ErrPathLength, "it allows %d CAs below it, there are %d", pathLen(c), depth)
	}
	return nil
}

// pathLen is the path length of a parsed CA certificate, -1 for none.
func pathLen(c *x509.Certificate) int {
	if c.MaxPathLen == 0 && !c.MaxPathLenZero {
		return -1
	}
	return c.MaxPathLen
}

// Remarks tells what is unusual about the CA though it can sign: some clients
// will refuse its certificates.
func (ca *CA) Remarks() []string {
	var remarks []string
	for _, c := range ca.Chain {
		add := func(format string, args ...any) {
			remarks = append(remarks, fmt.Sprintf("CA %q: ", c.Subject)+fmt.Sprintf(format, args...))
		}
		if err := CheckKey(c.PublicKey); err != nil {
			add("%v", err)
		}
		if c.KeyUsage == 0 {
			add("it has no key usage, which OpenSSL refuses in strict mode (Python 3.13 and newer)")
		}
		if len(c.SubjectKeyId) == 0 {
			add("it has no subject key identifier, which OpenSSL refuses in strict mode (Python 3.13 and newer)")
		}
	}
	if root := ca.Root(); !pki.Issued(root, root) {
		remarks = append(remarks, fmt.Sprintf("CA %q: its issuer %q is not given: OpenSSL clients (curl, Python) trust the certificates only if they have that one too", root.Subject, root.Issuer))
	}
	return remarks
}

// allowsCA refuses an intermediate that the path lengths above do not allow.
func (ca *CA) allowsCA(r CARequest) error {
	for i, c := range ca.Chain {
		if limit := pathLen(c); limit >= 0 && limit < i+1+max(r.PathLen, 0) {
			return caError(c, ErrPathLength, "it allows %d CAs below it, and an intermediate with path length %d makes %d",
				limit, max(r.PathLen, 0), i+1+max(r.PathLen, 0))
		}
	}
	return nil
}

// allowsUse refuses usages that a CA of the chain limits itself not to have
// (Go and OpenSSL hold a CA's extended key usage against the leaf's).
func (ca *CA) allowsUse(r Request) error {
	for _, use := range r.extKeyUsage() {
		for _, c := range ca.Chain {
			if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 &&
				!slices.Contains(c.ExtKeyUsage, use) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
				return caError(c, ErrUsage, "%s is not in it", usageName(use))
			}
		}
	}
	return nil
}

func usageName(use x509.ExtKeyUsage) string {
	if use == x509.ExtKeyUsageClientAuth {
		return "clientAuth"
	}
	return "serverAuth"
}

// limit holds the template's validity against that of the whole chain.
func (ca *CA) limit(t *x509.Certificate) error {
	if end := helpers.ExpiryTime(ca.Chain); t.NotAfter.After(end) {
		return &OutlivesError{t.NotAfter, end}
	}
	if start := chainStart(ca.Chain); t.NotBefore.Before(start) {
		t.NotBefore = start
	}
	if t.NotAfter.Before(t.NotBefore) {
		return caError(ca.Cert(), ErrNotYetValid, "it begins on %s", stamp(t.NotBefore))
	}
	return nil
}
