// Package spec makes whole sets of certificates (a CA, its intermediates, the
// servers below) from one description, again and again: a second run changes
// only what must change.
//
// [Read] turns YAML or JSON into a [Spec] and tells everything that is wrong
// with it, by line and column. [Spec.Load] reads what the files hold at
// present, [Spec.Plan] compares the two and says what has to be done and why,
// and [Plan.Build] does it in memory. The package writes nothing: what it makes
// leaves it as [pki.File] values.
package spec

import (
	"crypto/x509/pkix"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// Spec is a set of certificates as they should be.
type Spec struct {
	// Source is the file that it was read from, for messages.
	Source string
	// OutDir is the folder of the certificates as it was written, relative to
	// the spec's own folder; [DefaultOutDir] when nothing was said.
	OutDir string
	// CAs are in the order of the file; an issuer may stand below what it signs.
	CAs   []CA
	Certs []Cert
	// FromCFSSL is true when a certificate request of cfssl's stood in place of
	// a spec.
	FromCFSSL bool
	// Remarks say what was normalised ("took the host out of the URL …") and
	// what was passed over.
	Remarks []Problem

	byName map[string]*CA
}

// DefaultOutDir is where the files go when the spec does not say it.
const DefaultOutDir = "certs"

// Entry is what CAs and certificates have in common.
type Entry struct {
	// Name is the file name without its ending: name.crt and name.key.
	Name string
	Pos  Position
	// Issuer is the name of the CA that signs; empty for roots and self-signed
	// certificates.
	Issuer string
	// Subject holds what the spec says. Parts that it leaves out are not
	// compared.
	Subject pkix.Name
	// KeyType is empty when the spec does not say it: then any key that exists
	// is kept, and new ones are of the default type.
	KeyType issue.KeyType
	// Lifetime is 0 when the spec does not say it: then that of an existing
	// certificate is kept until it is renewed.
	Lifetime time.Duration
	// RenewBefore is how long before its end a certificate is renewed. 0 stands
	// for the default: see [Entry.renewBefore].
	RenewBefore time.Duration

	// at is where the values stand, by key.
	at map[string]Position
	// broken marks an entry in which something was wrong already.
	broken bool
}

// pos is the place of the value under key, or of the entry.
func (e *Entry) pos(key string) Position {
	if p, ok := e.at[key]; ok {
		return p
	}
	return e.Pos
}

// CA is a certificate authority of the set.
type CA struct {
	Entry
	// PathLen is how many CAs may stand below; -1 when the spec does not say it:
	// then a root sets no limit, and an intermediate allows what the spec has
	// below it.
	PathLen     int
	Constraints issue.Constraints
	// AllowReplace permits what breaks the trust in a CA: a new key or a new
	// subject.
	AllowReplace bool
	// From names the files of a CA that exists elsewhere and is used as it is.
	From *Files
}

// Files are where a CA lies that the spec does not make, relative to the
// spec's folder. Key is empty when Cert holds both.
type Files struct {
	Cert, Key string
}

// Cert is the certificate of a server or client.
type Cert struct {
	Entry
	Names      pki.Names
	SelfSigned bool
	// Client adds the usage clientAuth, NoServer leaves serverAuth out.
	Client   bool
	NoServer bool
	// ReuseKey keeps the key when the certificate is renewed or re-issued.
	ReuseKey bool
}

// defaultIntermediateLifetime is that of gen --intermediate.
const defaultIntermediateLifetime = 1825 * issue.Day

// Renewal where the spec does not say it: a third of the
// lifetime before the end, but no more than this.
const (
	defaultRenewBefore   = 30 * issue.Day
	defaultCARenewBefore = 365 * issue.Day
)

// renewBefore is how long before its end a certificate with the given lifetime
// is renewed. CAs are early: what they sign should not have to end with them,
// and clients need time to get the new one.
func (e *Entry) renewBefore(isCA bool, lifetime time.Duration) time.Duration {
	switch {
	case e.RenewBefore > 0:
		return e.RenewBefore
	case isCA:
		return min(defaultCARenewBefore, lifetime/3)
	}
	return min(defaultRenewBefore, lifetime/3)
}

// ca gives the CA of that name, or nil.
func (s *Spec) ca(name string) *CA {
	if s.byName == nil {
		s.index()
	}
	return s.byName[name]
}

// index makes the CAs known by name; of two with one name the first.
func (s *Spec) index() {
	s.byName = map[string]*CA{}
	for i := range s.CAs {
		if ca := &s.CAs[i]; s.byName[ca.Name] == nil {
			s.byName[ca.Name] = ca
		}
	}
}

// levelsBelow counts for each CA how deep the CAs below it go.
func (s *Spec) levelsBelow() map[*CA]int {
	levels := map[*CA]int{}
	for i := range s.CAs {
		below := 0
		for up := s.ca(s.CAs[i].Issuer); up != nil && below < maxChain; up = s.ca(up.Issuer) {
			below++
			levels[up] = max(levels[up], below)
		}
	}
	return levels
}
