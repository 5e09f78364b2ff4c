// Package issue makes certificates: roots, intermediates, server and client
// certificates, signing requests, and the renewal of what is there. Start with
// [NewRoot] and [CA.Issue].
//
// It reads no file, no clock and no flag, and encodes nothing. No certificate
// leaves it unjudged: each is parsed back and verified as a Go client would,
// for every name that was asked for.
//
// Of cfssl it takes what is sound and cheap: key generation and the JSON of
// its requests (package csr), the end of a chain (package helpers). Names are
// sorted by [pki.ParseName] and certificates signed by crypto/x509, since
// cfssl 1.6.5 turns "[::1]" and "10.0.0.0/8" into DNS names, lets a leaf
// outlive its CA, knows no name constraints, and its signer and initca bring
// zlint along, which would treble the time to start.
package issue

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/crpki/crpki/pki"
)

// CARequest says what a CA certificate shall be.
type CARequest struct {
	// Subject is made unique by its common name. Left empty, that becomes
	// "crpki CA " and a few digits of the key's identifier, so that no two CAs
	// are ever mistaken for each other: clients find an issuer by its name.
	Subject  pkix.Name
	Validity Validity
	// PathLen is how many CAs may stand between this one and a leaf; -1 means
	// any number (RFC 5280, 4.2.1.9).
	PathLen     int
	Constraints Constraints
}

// Request says what a server or client certificate, or a CSR for one, shall be.
type Request struct {
	// Names are the subject alternative names, all in one extension.
	Names pki.Names
	// Subject gets the first name that fits as its common name if it has none.
	Subject pkix.Name
	// RawSubject, if set, is the DER of the subject, which then stays as it is
	// byte for byte. Subject must hold the same, parsed.
	RawSubject []byte
	// Client adds the extended key usage clientAuth.
	Client bool
	// NoServer leaves serverAuth out: with Client, a certificate for clients
	// alone, which may be without names.
	NoServer bool
	Validity Validity
}

// CA is a certificate that may sign others, and its key.
type CA struct {
	// Chain begins with the CA's own certificate and goes on towards the root,
	// as far as it is known.
	Chain  []*x509.Certificate
	Signer crypto.Signer
}

// Cert is the CA's own certificate.
func (ca *CA) Cert() *x509.Certificate { return ca.Chain[0] }

// Root is the certificate that clients are to trust: the last of the chain.
func (ca *CA) Root() *x509.Certificate { return ca.Chain[len(ca.Chain)-1] }

// Intermediates are what a server has to send behind a leaf of this CA: the
// chain without the root, if that is known.
func (ca *CA) Intermediates() []*x509.Certificate {
	if root := ca.Root(); pki.Issued(root, root) {
		return ca.Chain[:len(ca.Chain)-1]
	}
	return ca.Chain
}

// NewRoot makes a CA that signs itself.
func NewRoot(key crypto.Signer, r CARequest) (*CA, error) {
	t, err := caTemplate(key.Public(), r, "crpki CA")
	if err != nil {
		return nil, err
	}
	// RFC 5280 (4.2.1.1) leaves it out of self-signed certificates at will;
	// with it, tools that look for nothing else find the root as well.
	t.AuthorityKeyId = t.SubjectKeyId
	cert, err := signed{template: t, pub: key.Public(), signer: key}.certificate()
	if err != nil {
		return nil, err
	}
	return &CA{[]*x509.Certificate{cert}, key}, nil
}

// NewIntermediate makes a CA for key that stands below ca.
func (ca *CA) NewIntermediate(key crypto.Signer, r CARequest) (*CA, error) {
	t, err := caTemplate(key.Public(), r, "crpki intermediate CA")
	if err != nil {
		return nil, err
	}
	if err := ca.allowsCA(r); err != nil {
		return nil, err
	}
	if err := ca.limit(t); err != nil {
		return nil, err
	}
	raw, err := asn1.Marshal(t.Subject.ToRDNSequence())
	if err != nil {
		return nil, fmt.Errorf("encode subject: %w", err)
	}
	if ca.hasSubject(raw) {
		return nil, fmt.Errorf("intermediate CA %q: a CA above has the same subject, and clients find an issuer by it: choose another", t.Subject)
	}
	cert, err := signed{template: t, pub: key.Public(), signer: ca.Signer, chain: ca.Chain}.certificate()
	if err != nil {
		return nil, err
	}
	return &CA{append([]*x509.Certificate{cert}, ca.Chain...), key}, nil
}

// Issue makes a certificate for pub. It refuses what the CA may not sign:
// [*ConstraintError], [*OutlivesError], [*CAError]. A notBefore ahead of the
// CA's own is moved to it, since no client accepts the one without the other.
func (ca *CA) Issue(pub crypto.PublicKey, r Request) (*x509.Certificate, error) {
	t, err := leafTemplate(pub, r)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(ca.limit(t), ca.allowsUse(r), ca.permits(r.Names)); err != nil {
		return nil, err
	}
	if err := ca.chooseSubject(t, pub, r); err != nil {
		return nil, err
	}
	return signed{template: t, pub: pub, signer: ca.Signer, chain: ca.Chain, names: r.Names}.certificate()
}

// SelfSigned makes one certificate that is the server's and that clients trust
// as it is. OpenSSL wants keyCertSign for the one, digitalSignature for the
// other; GnuTLS takes only a CA for its own issuer.
func SelfSigned(key crypto.Signer, r Request) (*x509.Certificate, error) {
	t, err := leafTemplate(key.Public(), r)
	if err != nil {
		return nil, err
	}
	t.IsCA, t.MaxPathLenZero = true, true
	t.KeyUsage |= x509.KeyUsageCertSign
	t.AuthorityKeyId = t.SubjectKeyId
	if len(t.RawSubject) == 0 {
		t.Subject = distinguished(subjectFor(r), key.Public())
	}
	return signed{template: t, pub: key.Public(), signer: key, names: r.Names}.certificate()
}

// signed is a certificate about to be made.
type signed struct {
	template *x509.Certificate
	pub      crypto.PublicKey
	signer   crypto.Signer
	// chain begins with the issuer; without one the certificate signs itself.
	chain []*x509.Certificate
	// names are all that the certificate shall be good for.
	names pki.Names
}

// certificate signs, parses what came out, and judges it.
func (s signed) certificate() (*x509.Certificate, error) {
	parent := s.template
	if len(s.chain) > 0 {
		parent = s.chain[0]
	}
	der, err := x509.CreateCertificate(rand.Reader, s.template, parent, s.pub, s.signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the certificate just signed: %w", err)
	}
	if err := s.judge(cert); err != nil {
		return nil, fmt.Errorf("certificate for %q is not handed out, since clients would refuse it: %w", cert.Subject, err)
	}
	return cert, nil
}
