package main

import (
	"bytes"
	"slices"
	"sync"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
)

// fewAnchors is how many CAs are judged with everything. Of a bundle that a
// system trusts, or a folder full of CAs, only those that a chain can lead to
// are: the others' faults are not this target's.
const fewAnchors = 8

// anchorsFor gives the CAs of --ca-file that may have signed what is presented,
// or another CA among them. When none has, one stands for all, so that this is
// told.
func (l *linter) anchorsFor(presented []pki.Cert) []pki.Cert {
	if len(l.anchors) <= fewAnchors {
		return l.anchors
	}
	l.indexAnchors.Do(func() {
		l.anchorsNamed = caIndex{}
		for _, c := range l.anchors {
			l.anchorsNamed.add(c, c)
		}
	})
	near := l.anchorsNamed.leadTo(presented)
	if len(near) == 0 && len(presented) > 0 {
		return l.anchors[:1]
	}
	return near
}

// caIndex finds CAs by the name that a certificate has for its issuer.
type caIndex map[string][]caEntry

type caEntry struct {
	cert  pki.Cert
	keyID []byte
}

// add notes kept, which may be without its parsed form, for parsed.
func (x caIndex) add(parsed, kept pki.Cert) {
	if c := parsed.X509; c != nil {
		key := verify.NameKey(c.RawSubject)
		x[key] = append(x[key], caEntry{kept, bytes.Clone(c.SubjectKeyId)})
	}
}

// named gives at most fewAnchors CAs of a name, those whose key identifier fits
// first.
func (x caIndex) named(rawName, keyID []byte) []pki.Cert {
	var fit, other []pki.Cert
	for _, e := range x[verify.NameKey(rawName)] {
		switch {
		case len(fit) == fewAnchors:
		case bytes.Equal(e.keyID, keyID):
			fit = append(fit, e.cert)
		case len(other) < fewAnchors:
			other = append(other, e.cert)
		}
	}
	all := append(fit, other...)
	return all[:min(len(all), fewAnchors)]
}

// leadTo walks up from what is presented.
func (x caIndex) leadTo(presented []pki.Cert) (near []pki.Cert) {
	taken := map[string]bool{}
	for todo := slices.Clone(presented); len(todo) > 0; todo = todo[1:] {
		child := todo[0].X509
		if child == nil {
			continue
		}
		for _, c := range x.named(child.RawIssuer, child.AuthorityKeyId) {
			if taken[string(c.Raw)] {
				continue
			}
			taken[string(c.Raw)] = true
			if c.X509 == nil {
				c = pki.NewCert(c.Origin, c.Raw)
			}
			near = append(near, c)
			if c.X509 != nil && !bytes.Equal(c.X509.RawIssuer, c.X509.RawSubject) {
				todo = append(todo, c)
			}
		}
	}
	return near
}

// caFolder are the CA files of one folder, for the certificates beside them.
// They are read once; when they are many, they are kept as DER.
type caFolder struct {
	paths []string

	once  sync.Once
	few   []pki.Cert // all, or what stands for all
	index caIndex    // nil when they are few
}

// anchorsFor gives the CAs beside a certificate that may have signed what is
// presented; of a few, all. A nil folder has none.
func (f *caFolder) anchorsFor(l *linter, presented []pki.Cert) []pki.Cert {
	if f == nil {
		return nil
	}
	f.once.Do(func() { f.read(l) })
	if f.index != nil {
		if near := f.index.leadTo(presented); len(near) > 0 {
			return near
		}
	}
	return slices.Clip(f.few)
}

func (f *caFolder) read(l *linter) {
	for _, path := range f.paths {
		m, err := l.load(path)
		if err != nil {
			continue // its own job tells
		}
		for _, c := range slices.Concat(m.Certs, m.Anchors) {
			f.add(c)
		}
	}
}

func (f *caFolder) add(c pki.Cert) {
	if f.index == nil {
		if f.few = append(f.few, c); len(f.few) <= fewAnchors {
			return
		}
		all := f.few
		f.few, f.index = all[:1:1], caIndex{}
		for _, c := range all {
			f.index.add(c, unparsed(c))
		}
		return
	}
	f.index.add(c, unparsed(c))
}

// unparsed is c in as little memory as it takes.
func unparsed(c pki.Cert) pki.Cert {
	return pki.Cert{Origin: c.Origin, Raw: bytes.Clone(c.Raw)}
}
