package pki

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"iter"
	"slices"
)

// Issued reports whether parent's key signed child. Names are compared byte for
// byte, as Go's clients do: the same name in another string type is another
// name. Key identifiers are hints that Go does not go by, and so play no part.
// Whether parent was allowed to sign is another question; see
// [x509.Certificate.CheckSignatureFrom].
func Issued(parent, child *x509.Certificate) bool {
	return bytes.Equal(parent.RawSubject, child.RawIssuer) && checkSignature(parent, child) == signed
}

// SelfIssued reports whether subject and issuer of c are the same name, byte for
// byte (RFC 5280, 3.2). A self-signed certificate is self-issued; the reverse
// need not hold when a CA changes its key.
func SelfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// Link says who signed one certificate of a set, as far as the set shows.
type Link struct {
	// Issuers are the indices of the certificates whose name and key signed it,
	// in rising order: none when they are not in the set, several when their CA
	// is there more than once (renewed with the same key, or cross-signed). A
	// self-signed certificate is among its own issuers.
	Issuers []int
	// SelfSigned is true when its own key signed it.
	SelfSigned bool
	// Unchecked is true when names and key identifiers fit, and the signature
	// is of a kind that Go does not verify (MD5, RSA below 1024 bits, …).
	Unchecked bool
	// Namesakes are certificates, ten at most, that bear the issuer's name but
	// whose key did not sign, when no issuer was found: a CA that was made anew.
	Namesakes []int
}

// Links finds for each certificate the ones that signed it, by name and by
// verified signature. It takes about one signature check for each certificate,
// since key identifiers say which key to try first; where hostile input gives
// thousands of keys the same name, it stops trying after a while.
//
// A certificate that Go refuses has no link.
func Links(certs []Cert) []Link {
	g := newGraph(certs)
	links := make([]Link, len(certs))
	for i := range certs {
		a := g.authority[i]
		switch {
		case a != nil:
			links[i] = Link{Issuers: a.certs, SelfSigned: a == g.own[i], Unchecked: g.unchecked[i]}
		case certs[i].X509 != nil:
			links[i].Namesakes = g.namesakes(i)
		}
	}
	return links
}

// graph is who signed whom. Its nodes are authorities, its edges certificates:
// each leads from the authority that it names to the one that signed it.
//
//	             cert: Root by Root
//	Root ◀──────────────┐
//	 ▲  └───────────────┘
//	 │ cert: CA by Root
//	 │
//	CA ─────────────▶ Other Root     a cross-signed CA has two edges,
//	 ▲ cert: CA by Other             but its signatures need checking once
//	 │
//	leaf
type graph struct {
	certs []Cert
	// own is the authority that a certificate names, authority the one that
	// signed it; nil when that is not here, or Go refuses the certificate.
	own, authority []*authority
	unchecked      []bool

	authorities []*authority
	bySubject   map[string][]*authority
	byKeyID     map[string][]*authority
	// budget is the number of signature checks that may still be made, each of
	// hashedPerCheck bytes.
	budget int
}

// hashedPerCheck is how much a check of the budget may hash, in bytes: about as
// long as its public key operation takes.
const hashedPerCheck = 64 << 10

// authority is a name with a key: what signs.
type authority struct {
	// certs are the certificates that say so, in rising order.
	certs []int
	// signed are the certificates that it signed, its own not among them.
	signed []int
}

func newGraph(certs []Cert) *graph {
	g := &graph{
		certs:     certs,
		own:       make([]*authority, len(certs)),
		authority: make([]*authority, len(certs)),
		unchecked: make([]bool, len(certs)),
		bySubject: map[string][]*authority{},
		byKeyID:   map[string][]*authority{},
		// Honest sets need little more than one check each; ten CAs of one name
		// that all lack key identifiers still fit.
		budget: 1000 + 2*len(certs),
	}
	g.collect()
	first := make(map[string]int, len(certs)) // repeated certificates are checked once
	for i, c := range certs {
		if c.X509 == nil {
			continue
		}
		if n, seen := first[string(c.Raw)]; seen {
			g.authority[i], g.unchecked[i] = g.authority[n], g.unchecked[n]
		} else {
			first[string(c.Raw)] = i
			g.authority[i] = g.findAuthority(i)
		}
		if a := g.authority[i]; a != nil && a != g.own[i] {
			a.signed = append(a.signed, i)
		}
	}
	return g
}

// collect groups the certificates by name and key.
func (g *graph) collect() {
	byNameAndKey := map[string]*authority{}
	for i, cert := range g.certs {
		c := cert.X509
		if c == nil {
			continue
		}
		subject := string(c.RawSubject)
		a := byNameAndKey[subject+string(c.RawSubjectPublicKeyInfo)]
		if a == nil {
			a = &authority{}
			byNameAndKey[subject+string(c.RawSubjectPublicKeyInfo)] = a
			g.authorities = append(g.authorities, a)
			g.bySubject[subject] = append(g.bySubject[subject], a)
		}
		a.certs = append(a.certs, i)
		g.own[i] = a
		if id := keyID(c.RawSubject, c.SubjectKeyId); len(c.SubjectKeyId) > 0 && !slices.Contains(g.byKeyID[id], a) {
			g.byKeyID[id] = append(g.byKeyID[id], a)
		}
	}
}

func keyID(name, id []byte) string { return string(name) + string(id) }

// findAuthority is the authority that signed certificate i: nil when it is not
// there. A signature fits one key only, so the first that fits is the one.
func (g *graph) findAuthority(i int) *authority {
	var unchecked *authority
	for a := range g.candidates(i) {
		if g.budget -= 1 + len(g.certs[i].Raw)/hashedPerCheck; g.budget < 0 {
			break
		}
		switch parent := g.certs[a.certs[0]].X509; checkSignature(parent, g.certs[i].X509) {
		case signed:
			return a
		case unknown:
			if unchecked == nil && keyIDsAgree(parent, g.certs[i].X509) {
				unchecked = a
			}
		}
	}
	g.unchecked[i] = unchecked != nil
	return unchecked
}

// candidates are the authorities that bear the name of i's issuer: first those
// that its key identifier points to, then itself, then the others.
func (g *graph) candidates(i int) iter.Seq[*authority] {
	c := g.certs[i].X509
	likely := g.byKeyID[keyID(c.RawIssuer, c.AuthorityKeyId)]
	if SelfIssued(c) && !slices.Contains(likely, g.own[i]) {
		likely = append(slices.Clip(likely), g.own[i])
	}
	return func(yield func(*authority) bool) {
		for _, a := range likely {
			if !yield(a) {
				return
			}
		}
		for _, a := range g.bySubject[string(c.RawIssuer)] {
			if !slices.Contains(likely, a) && !yield(a) {
				return
			}
		}
	}
}

// namesakes are certificates that bear the name of i's issuer.
func (g *graph) namesakes(i int) []int {
	const most = 10
	var found []int
	for _, a := range g.bySubject[string(g.certs[i].X509.RawIssuer)] {
		if len(found) < most {
			found = append(found, a.certs[0])
		}
	}
	return found
}

// keyIDsAgree is true unless both identifiers are there and differ.
func keyIDsAgree(parent, child *x509.Certificate) bool {
	return len(parent.SubjectKeyId) == 0 || len(child.AuthorityKeyId) == 0 ||
		bytes.Equal(parent.SubjectKeyId, child.AuthorityKeyId)
}

// verdict is what a signature check yields.
type verdict uint8

const (
	notSigned verdict = iota
	signed
	// unknown: of a kind that Go does not verify.
	unknown
)

// RSA moduli outside these bounds, in bits, are not tried: Go refuses short
// ones, and a long one keeps the processor busy for as long as its maker likes.
const (
	minRSABits = 1024
	maxRSABits = 16384
)

func checkSignature(parent, child *x509.Certificate) verdict {
	if key, ok := parent.PublicKey.(*rsa.PublicKey); ok {
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return unknown
		}
	}
	err := parent.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature)
	_, insecure := errors.AsType[x509.InsecureAlgorithmError](err)
	switch {
	case err == nil:
		return signed
	case insecure, errors.Is(err, x509.ErrUnsupportedAlgorithm):
		return unknown
	default:
		return notSigned
	}
}
