package main

import (
	"slices"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
)

// fewAnchors is how many of --ca-file are judged with everything. Of a bundle
// that a system trusts only those that a chain can lead to are: the others'
// faults are not this target's.
const fewAnchors = 8

// anchorsFor gives the CAs of --ca-file that may have signed what is presented,
// or another CA among them. When none has, one stands for all, so that this is
// told.
func (l *linter) anchorsFor(presented []pki.Cert) []pki.Cert {
	if len(l.anchors) <= fewAnchors {
		return l.anchors
	}
	var near []pki.Cert
	taken := make([]bool, len(l.anchors))
	for todo := slices.Clone(presented); len(todo) > 0; todo = todo[1:] {
		if todo[0].X509 == nil {
			continue
		}
		for i, a := range l.anchors {
			if !taken[i] && a.X509 != nil && verify.SameName(a.X509.RawSubject, todo[0].X509.RawIssuer) {
				taken[i] = true
				near = append(near, a)
				todo = append(todo, a)
			}
		}
	}
	if len(near) == 0 && len(presented) > 0 {
		return l.anchors[:1]
	}
	return near
}
