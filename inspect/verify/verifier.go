package verify

import (
	"bytes"
	"crypto/x509"
	"sync"

	"github.com/crpki/crpki/pki"
)

// Verifier asks both judges about chain after chain, by the same trusted
// certificates. What the two and all chains have in common, it does once: it
// says nothing else than [Go] and [OpenSSL] do by themselves.
type Verifier struct {
	trusted []pki.Cert
	pool    func() *x509.CertPool
	anchors func() []*certificate
}

// NewVerifier reads the trusted certificates, but not before a chain comes.
func NewVerifier(trusted []pki.Cert) *Verifier {
	return &Verifier{
		trusted: trusted,
		pool:    sync.OnceValue(func() *x509.CertPool { return poolOf(trusted) }),
		anchors: sync.OnceValue(func() []*certificate { return parseCertificates(trusted) }),
	}
}

// Go is [Go.Verify], and gives the chains that were found.
func (v *Verifier) Go(g Go) ([][]*x509.Certificate, error) {
	return g.chains(v.pool)
}

// SClient is [OpenSSL.SClient]. chains are those that [Verifier.Go] found: their
// signatures are not computed again.
func (v *Verifier) SClient(o OpenSSL, chains [][]*x509.Certificate) Verdict {
	o.Trusted = v.trusted
	o.anchors = v.anchors
	o.verified = chains
	return o.SClient()
}

func poolOf(certs []pki.Cert) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		if c.X509 != nil {
			pool.AddCert(c.X509)
		}
	}
	return pool
}

func parseCertificates(certs []pki.Cert) (all []*certificate) {
	for _, c := range certs {
		all = append(all, parseCertificate(c))
	}
	return all
}

// isVerified is true when crypto/x509 has verified subject's signature with
// issuer's key: [certificate.signedBy] would do the same with the same key, the
// same algorithm and the same octets. crypto/x509 accepts fewer algorithms and
// parameters, so that only what it has found good is taken over.
func (v *verification) isVerified(subject, issuer *certificate) bool {
	child, parent := subject.pki.X509, issuer.pki.X509
	if child == nil || parent == nil {
		return false
	}
	for _, chain := range v.verified {
		for i, c := range chain[1:] {
			if chain[i] == child && c == parent {
				return bytes.Equal(child.RawTBSCertificate, subject.tbs) && bytes.Equal(child.Signature, subject.signature) &&
					subject.inner.equal(subject.outer)
			}
		}
	}
	return false
}
