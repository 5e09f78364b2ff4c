package trust

import (
	"bytes"
	"path"
	"strings"

	"github.com/crpki/crpki/pki"
)

// Store is how a distribution keeps the CAs that are added to a system: files
// in a folder, from which a command makes what programs read.
type Store struct {
	// Distribution is "Debian", "Alpine", "RHEL", "SUSE" or "Flatcar".
	Distribution string
	// Dir is where files are added.
	Dir string
	// Suffix is what their names must end with, "" for any.
	Suffix string
	// Update is the command that makes the rest of them.
	Update string
	// recursive: folders below Dir count as well. authorities: only certificates
	// of CAs come through (p11-kit's filter ca-anchors). der: DER will do.
	recursive, authorities, der bool
	// more are further folders that are read likewise.
	more []string
	// block holds certificates that are distrusted.
	block []string
}

var (
	debianStore = Store{Distribution: "Debian", Dir: "/usr/local/share/ca-certificates", Suffix: ".crt", Update: "update-ca-certificates", recursive: true}
	alpineStore = Store{Distribution: "Alpine", Dir: "/usr/local/share/ca-certificates", Update: "update-ca-certificates"}
	rhelStore   = Store{
		Distribution: "RHEL", Dir: "/etc/pki/ca-trust/source/anchors", Update: "update-ca-trust", authorities: true, der: true,
		more:  []string{"/usr/share/pki/ca-trust-source/anchors"},
		block: []string{"/etc/pki/ca-trust/source/blocklist", "/etc/pki/ca-trust/source/blacklist", "/usr/share/pki/ca-trust-source/blocklist", "/usr/share/pki/ca-trust-source/blacklist"},
	}
	suseStore = Store{
		Distribution: "SUSE", Dir: "/etc/pki/trust/anchors", Update: "update-ca-certificates", authorities: true, der: true,
		more:  []string{"/usr/share/pki/trust/anchors"},
		block: []string{"/etc/pki/trust/blocklist", "/etc/pki/trust/blacklist", "/usr/share/pki/trust/blocklist", "/usr/share/pki/trust/blacklist"},
	}
	flatcarStore = Store{Distribution: "Flatcar", Dir: "/etc/ssl/certs", Suffix: ".pem", Update: "update-ca-certificates"}
)

type storeKey struct{}

// Store is the one of the node's distribution; nil when it is not known.
func (n *Node) Store() *Store {
	return Memo(n, storeKey{}, func() *Store {
		ids := n.osRelease()
		is := func(names ...string) bool {
			for _, name := range names {
				if ids[name] {
					return true
				}
			}
			return false
		}
		switch {
		case is("flatcar", "coreos"):
			return &flatcarStore
		case is("alpine", "wolfi", "chainguard"):
			return &alpineStore
		case is("debian", "ubuntu"):
			return &debianStore
		case is("rhel", "fedora", "centos", "amzn", "azurelinux", "mariner"):
			return &rhelStore
		case is("suse", "opensuse", "sles"):
			return &suseStore
		// A copy of a node that has no /etc/os-release.
		case n.IsDir("/etc/pki/ca-trust"):
			return &rhelStore
		case n.IsDir("/etc/pki/trust"):
			return &suseStore
		case n.Exists("/lib/apk/db/installed"):
			return &alpineStore
		case n.Exists("/etc/debian_version"), n.IsDir(debianStore.Dir), n.Exists("/etc/ca-certificates.conf"):
			return &debianStore
		}
		return nil
	})
}

// osRelease gives the words of ID and ID_LIKE (os-release(5)).
func (n *Node) osRelease() map[string]bool {
	data, err := n.ReadFile("/etc/os-release")
	if err != nil {
		data, _ = n.ReadFile("/usr/lib/os-release")
	}
	ids := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name == "ID" || name == "ID_LIKE" {
			for _, id := range strings.Fields(unquote(value)) {
				ids[id] = true
			}
		}
	}
	return ids
}

// Added is a file of a store, and what is wrong with it.
type Added struct {
	File  string
	Certs []pki.Cert
	// Mistake is nil when the file does what its author meant.
	Mistake *Mistake
}

type addedKey struct{}

// Added are the files that somebody added to the system's store, each with why
// it does not reach Go programs, if it does not.
func (n *Node) Added() []Added {
	return Memo(n, addedKey{}, func() []Added {
		s := n.Store()
		if s == nil || s == &flatcarStore { // Go reads that folder as it is
			return nil
		}
		pool := map[string]bool{}
		for _, a := range n.SystemPool(nil).Anchors {
			pool[string(a.Cert.Raw)] = true
		}
		blocked := map[string]bool{}
		for _, dir := range s.block {
			for _, f := range n.storeFiles(dir, false, 0) {
				for _, c := range n.certsOf(f) {
					blocked[string(c.Raw)] = true
				}
			}
		}
		var all []Added
		for _, dir := range append([]string{s.Dir}, s.more...) {
			for _, f := range n.storeFiles(dir, s.recursive, 0) {
				a := Added{File: f, Certs: n.certsOf(f)}
				a.Mistake = s.judge(n, a, pool, blocked)
				all = append(all, a)
			}
		}
		return all
	})
}

// storeFiles lists the files of a folder, not deeper than eight folders.
func (n *Node) storeFiles(dir string, recursive bool, depth int) (files []string) {
	entries, err := n.ReadDir(dir)
	if err != nil || depth > 8 {
		return nil
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		info, err := n.Stat(name)
		switch {
		case err != nil || strings.HasPrefix(e.Name(), "."):
		case info.IsDir() && recursive:
			files = append(files, n.storeFiles(name, true, depth+1)...)
		case info.Mode().IsRegular():
			files = append(files, name)
		}
		if len(files) > 1000 {
			return files
		}
	}
	return files
}

// certsOf reads certificates in PEM or DER, whatever surrounds them.
func (n *Node) certsOf(file string) (certs []pki.Cert) {
	for _, a := range n.CAFile(file).Anchors {
		certs = append(certs, a.Cert)
	}
	if data, err := n.ReadFile(file); err == nil && len(certs) == 0 && len(data) > 0 && data[0] == 0x30 {
		if c, err := n.cache.parse(data); err == nil {
			certs = append(certs, pki.Cert{Origin: pki.Origin{Source: file}, Raw: data, X509: c})
		}
	}
	return certs
}

// judge says why a file does not reach the system's roots.
func (s *Store) judge(n *Node, a Added, pool, blocked map[string]bool) *Mistake {
	m := &Mistake{Place: Place{File: a.File}, Severity: "error"}
	missing := false
	for _, c := range a.Certs {
		missing = missing || !pool[string(c.Raw)]
	}
	suffix := s.Suffix != "" && !strings.HasSuffix(a.File, s.Suffix)
	isDER := false
	if data, err := n.ReadFile(a.File); err == nil && len(data) > 0 {
		isDER = data[0] == 0x30
	}
	switch {
	case len(a.Certs) == 0:
		if n.CAFile(a.File).Err != nil || suffix {
			return nil // README and the like
		}
		m.ID, m.Text, m.Severity = "system-ca-empty", "holds no certificate that can be used", "warning"
		if skipped := n.CAFile(a.File).Skipped; len(skipped) > 0 {
			m.Text += ": " + skipped[0].Why
		}
	case !missing:
		return nil
	case suffix:
		base := strings.TrimSuffix(a.File, path.Ext(a.File)) + s.Suffix
		m.ID = "system-ca-extension"
		m.Text = s.Update + " passes over it: its name does not end with " + s.Suffix
		m.Fix = "mv " + quote(a.File) + " " + quote(base) + " && " + s.Update
	case isDER && !s.der:
		m.ID, m.Text = "system-ca-der", "is in DER, which "+s.Update+" copies and Go programs cannot read: it has to be PEM"
		m.Fix = "openssl x509 -inform DER -in " + quote(a.File) + " -out " + quote(a.File) + " && " + s.Update
	case anyCert(a.Certs, func(c pki.Cert) bool { return blocked[string(c.Raw)] }):
		m.ID, m.Text = "system-ca-blocked", "is distrusted by a file in "+s.block[0]
	case s.authorities && !anyCert(a.Certs, func(c pki.Cert) bool { return c.X509.IsCA && !pool[string(c.Raw)] }):
		m.ID, m.Text = "system-ca-not-a-ca", s.Update+" leaves it out: it is not the certificate of a CA (no CA:TRUE)"
		m.Fix = "put it into the registry's own folder, /etc/containers/certs.d/REGISTRY/ca.crt, or make a CA: crpki gen"
	default:
		m.ID, m.Text = "system-ca-update-not-run", s.Update+" has not been run since: the file is there, and not among the system's roots"
		m.Fix = s.Update
	}
	return m
}

func anyCert(certs []pki.Cert, f func(pki.Cert) bool) bool {
	for _, c := range certs {
		if f(c) {
			return true
		}
	}
	return false
}

// StoreMistakes are those of files in the system's store; with a chain, only of
// files that would verify it.
func (n *Node) StoreMistakes(chain []pki.Cert) (found []Mistake) {
	for _, a := range n.Added() {
		if a.Mistake != nil && (len(chain) == 0 || anyCert(a.Certs, func(c pki.Cert) bool { return signedAny(c, chain) })) {
			found = append(found, *a.Mistake)
		}
	}
	return found
}

// signedAny is true for a certificate that is in the chain, or signed a part of it.
func signedAny(ca pki.Cert, chain []pki.Cert) bool {
	return anyCert(chain, func(c pki.Cert) bool {
		return bytes.Equal(c.Raw, ca.Raw) || c.X509 != nil && ca.X509 != nil && pki.Issued(ca.X509, c.X509)
	})
}

// quote puts a path into quotes for a shell, where it needs some.
func quote(s string) string {
	if only(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
