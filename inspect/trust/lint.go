package trust

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/crpki/crpki/pki"
)

// Lint says what is wrong with the material that a decision goes by: CAs that
// have expired or are none, keys that everybody can read, verification that is
// off. Mistakes of the configuration are in the decision already.
func (n *Node) Lint(d Decision, now time.Time) (found []Mistake) {
	add := func(m Mistake) {
		same := func(o Mistake) bool { return o.ID == m.ID && o.Place == m.Place }
		if !slices.ContainsFunc(found, same) && !slices.ContainsFunc(d.Mistakes, same) {
			found = append(found, m)
		}
	}
	for _, e := range d.Endpoints {
		if e.SkipVerify && !d.Reference.Loopback() {
			add(Mistake{ID: "verification-off", Place: e.Decided, Severity: "warning", Text: "any certificate is taken for " + e.Host + ", whoever made it"})
		}
		for _, a := range e.CAs {
			c := a.Cert.X509
			if c == nil {
				continue
			}
			name := pki.Printable(c.Subject.String())
			switch {
			case now.After(c.NotAfter):
				add(Mistake{ID: "ca-expired", Place: a.Place(), Severity: "error", Text: name + " expired on " + c.NotAfter.UTC().Format(time.DateOnly), Fix: "crpki trust install --ca NEW.crt " + d.Reference.Registry})
			case now.Before(c.NotBefore):
				add(Mistake{ID: "ca-not-yet-valid", Place: a.Place(), Severity: "error", Text: name + " is valid from " + c.NotBefore.UTC().Format(time.DateOnly) + " on"})
			case !mayIssue(c):
				add(Mistake{ID: "ca-is-leaf", Place: a.Place(), Severity: "warning", Text: name + " is not the certificate of a CA: it is trusted only when the server shows this very certificate"})
			}
		}
		for _, pair := range e.ClientCerts {
			info, err := n.Stat(pair.Key)
			if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
				add(Mistake{ID: "key-world-readable", Place: Place{File: pair.Key}, Severity: "warning", Text: "everybody on the node can read this private key", Fix: "chmod 600 " + quote(pair.Key)})
			}
		}
	}
	return found
}

// mayIssue is Go's rule for a parent (CheckSignatureFrom).
func mayIssue(c *x509.Certificate) bool {
	if c.Version == 3 && !c.BasicConstraintsValid || c.BasicConstraintsValid && !c.IsCA {
		return false
	}
	return c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageCertSign != 0
}
