package trust

import (
	"bytes"
	"encoding/pem"
	"errors"
	"path"
	"strings"

	"github.com/crpki/crpki/pki"
)

// OwnFileWith gives the content of crpki's own file at name: w's CAs and, when
// old ones are kept, those in it now. It is the content that is there when that
// says the same already.
func (n *Node) OwnFileWith(name string, w Wanted) []byte {
	certs := w.CAs
	old := n.CAFile(name)
	if w.KeepOld {
		for _, a := range old.Anchors {
			certs = append(certs[:len(certs):len(certs)], a.Cert)
		}
	}
	var out []byte
	seen := map[string]bool{}
	for _, c := range certs {
		if !seen[string(c.Raw)] {
			seen[string(c.Raw)] = true
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
	}
	if data, err := n.ReadFile(name); err == nil && len(old.Anchors) == len(seen) {
		same := true
		for _, a := range old.Anchors {
			same = same && seen[string(a.Cert.Raw)]
		}
		if same && bytes.Count(data, []byte("-----BEGIN")) == len(seen) {
			return data
		}
	}
	return out
}

// Changed is a Change to what is at name, and nothing when that is data already.
func (n *Node) Changed(name string, data []byte, why string) []Change {
	if old, err := n.ReadFile(name); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return []Change{{Path: name, Data: data, Why: why}}
}

// HoldsCAs is true when every one of the CAs is among the anchors.
func HoldsCAs(anchors []Anchor, cas []pki.Cert) bool {
	have := map[string]bool{}
	for _, a := range anchors {
		have[string(a.Cert.Raw)] = true
	}
	for _, c := range cas {
		if !have[string(c.Raw)] {
			return false
		}
	}
	return true
}

// System is the system's own store of CAs: what --runtime system installs to.
// Every program on the node trusts what is there, for every registry.
type System struct{}

// Plan gives the file that goes to the distribution's store.
func (System) Plan(n *Node, r Reference, w Wanted) ([]Change, error) {
	s := n.Store()
	if s == nil {
		return nil, errors.New("the node's distribution is not known: no /etc/os-release says Debian, Alpine, RHEL, SUSE or Flatcar")
	}
	suffix := s.Suffix
	if suffix == "" {
		suffix = ".crt"
	}
	name := path.Join(s.Dir, "crpki-"+fileName(r.Registry)+suffix)
	changes := n.Changed(name, n.OwnFileWith(name, w), "the CAs of "+r.Registry+" go to the system's store ("+s.Distribution+")")
	for i := range changes {
		changes[i].Run = []string{s.Update}
	}
	return changes, nil
}

// fileName makes a file's name of a registry's.
func fileName(registry string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && only(string(r), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") {
			return r
		}
		return '_'
	}, registry)
}
