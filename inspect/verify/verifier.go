package verify

import (
	"bytes"
	"crypto/x509"
	"sync"
	"time"

	"github.com/crpki/crpki/pki"
)

// Verifier asks both judges about chain after chain, by the same trusted
// certificates. What the two and all chains have in common, it does once: it
// says nothing else than [Go] and [OpenSSL] do by themselves.
type Verifier struct {
	trusted []pki.Cert
	pool    func() *x509.CertPool
	anchors func() []*certificate

	mu    sync.Mutex
	found map[question]answer
	read  map[*x509.Certificate]*certificate
}

// question is what [Go] depends on beside the trusted certificates. crypto/tls
// gives the same certificate for the same octets as long as somebody has it, and
// many servers, or the addresses of one, have the same chain.
type question struct {
	host  string
	at    time.Time
	chain [4]*x509.Certificate
}

type answer struct {
	chains [][]*x509.Certificate
	err    error
}

// mostKept bounds what is kept of chains, of which there may be millions.
const mostKept = 64

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
	q := question{host: g.Host, at: g.At}
	if len(g.Presented) > len(q.chain) {
		return g.chains(v.pool)
	}
	for i, c := range g.Presented {
		if c.X509 == nil {
			return g.chains(v.pool)
		}
		q.chain[i] = c.X509
	}
	v.mu.Lock()
	a, ok := v.found[q]
	v.mu.Unlock()
	if !ok {
		a.chains, a.err = g.chains(v.pool)
		v.mu.Lock()
		v.found = keep(v.found, q, a)
		v.mu.Unlock()
	}
	return a.chains, a.err
}

func keep[K comparable, V any](kept map[K]V, key K, value V) map[K]V {
	if kept == nil || len(kept) >= mostKept {
		kept = map[K]V{}
	}
	kept[key] = value
	return kept
}

// parse is [parseCertificate], with what was read of the same octets before.
func (v *Verifier) parse(c pki.Cert) *certificate {
	if c.X509 == nil || !bytes.Equal(c.Raw, c.X509.Raw) {
		return parseCertificate(c)
	}
	v.mu.Lock()
	known := v.read[c.X509]
	v.mu.Unlock()
	if known != nil {
		again := *known
		again.pki = c // it comes from elsewhere
		return &again
	}
	read := parseCertificate(c)
	v.mu.Lock()
	v.read = keep(v.read, c.X509, read)
	v.mu.Unlock()
	return read
}

// SClient is [OpenSSL.SClient]. chains are those that [Verifier.Go] found: their
// signatures are not computed again.
func (v *Verifier) SClient(o OpenSSL, chains [][]*x509.Certificate) Verdict {
	o.Trusted = v.trusted
	o.anchors, o.parse = v.anchors, v.parse
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
