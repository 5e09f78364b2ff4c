package probe

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// Fault is one thing that is wrong with a chain as served.
type Fault struct {
	// Code is one of the constants below.
	Code string `json:"code"`
	// Index counts the certificates from 0, as openssl s_client does.
	Index int    `json:"index"`
	Text  string `json:"text"`
}

// Codes of faults.
const (
	FaultUnreadable    = "unreadable"
	FaultDuplicate     = "duplicate"
	FaultOrder         = "wrong-order"
	FaultRootSent      = "root-sent"
	FaultIssuerMissing = "issuer-missing"
	FaultUnrelated     = "unrelated"
)

// isFlawless is true for what [chainFaults] finds no fault with: Go has built a
// chain of the certificates as they came, and put a trusted one behind them.
func isFlawless(certs []pki.Cert, chains [][]*x509.Certificate) bool {
	return slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		if len(chain) <= len(certs) {
			return false
		}
		for i, c := range certs {
			if c.X509 != chain[i] || pki.SelfIssued(c.X509) {
				return false
			}
		}
		return true
	})
}

// chainFaults looks at the order of a chain as served (RFC 8446, 4.4.2: the
// sender's certificate first, each following one certifies the one before it).
func chainFaults(certs, trusted []pki.Cert) (faults []Fault) {
	add := func(code string, i int, format string, args ...any) {
		faults = append(faults, Fault{Code: code, Index: i, Text: pki.Printable(fmt.Sprintf(format, args...))})
	}
	used := make([]bool, len(certs))
	for i, c := range certs {
		if c.X509 == nil {
			add(FaultUnreadable, i, "Go's clients cannot read it: %s", unreadable(c))
			used[i] = true
		}
		if first := slices.IndexFunc(certs[:i], func(o pki.Cert) bool { return bytes.Equal(o.Raw, c.Raw) }); first >= 0 {
			add(FaultDuplicate, i, "it is certificate %d again", first)
			used[i] = true
		}
	}
	if len(certs) == 0 || certs[0].X509 == nil {
		return faults
	}
	links := linksOf(certs)
	at := 0
	for used[0] = true; ; {
		link := links[at]
		if link.SelfSigned {
			break
		}
		next := slices.IndexFunc(link.Issuers, func(i int) bool { return !used[i] })
		if next < 0 {
			if !slices.ContainsFunc(link.Issuers, func(i int) bool { return i != at }) && !issuerTrusted(certs[at], trusted) {
				add(FaultIssuerMissing, at, "its issuer %s is neither sent nor trusted", certs[at].X509.Issuer)
			}
			break
		}
		issuer := link.Issuers[next]
		for i := at + 1; i < issuer; i++ {
			if !used[i] {
				add(FaultOrder, issuer, "it signed certificate %d, and should follow it", at)
				break
			}
		}
		if issuer < at {
			add(FaultOrder, issuer, "it signed certificate %d, and should follow it", at)
		}
		used[issuer], at = true, issuer
		if links[issuer].SelfSigned {
			add(FaultRootSent, issuer, "the root is sent, which clients do not need: they go by their own copy")
		}
	}
	for i := range certs {
		if !used[i] {
			add(FaultUnrelated, i, "it did not sign anything here")
		}
	}
	return faults
}

// linksOf is [pki.Links], which a single certificate can do without.
func linksOf(certs []pki.Cert) []pki.Link {
	if c := certs[0].X509; len(certs) == 1 && !pki.SelfIssued(c) {
		return make([]pki.Link, 1)
	}
	return pki.Links(certs)
}

// issuerTrusted is true when c is trusted itself, or a trusted certificate has
// the issuer's name: what else is wrong with it, the judges say.
func issuerTrusted(c pki.Cert, trusted []pki.Cert) bool {
	return slices.ContainsFunc(trusted, func(t pki.Cert) bool {
		return t.X509 != nil && (bytes.Equal(t.X509.RawSubject, c.X509.RawIssuer) || bytes.Equal(t.Raw, c.Raw))
	})
}

// unreadable says what keeps Go from reading a certificate.
func unreadable(c pki.Cert) string {
	if hasTwoSANs(c) {
		return "it has two subjectAltName extensions"
	}
	return c.Err.Error()
}

// hasTwoSANs is true for what openssl 1.1.1 makes of a SAN in the configuration
// and another in -addext.
func hasTwoSANs(c pki.Cert) bool {
	view, _ := lenient.Read(c.Raw)
	return view != nil && len(view.SANs) > 1
}

// openSSLReads is false when OpenSSL ends the handshake at one of the
// certificates: it wants one whole certificate and nothing behind it, and true
// UTF-8 in the names (tls_process_server_certificate, d2i_X509).
func openSSLReads(certs []pki.Cert) bool {
	return !slices.ContainsFunc(certs, func(c pki.Cert) bool {
		if c.Err == nil {
			return false // what Go reads, OpenSSL reads
		}
		view, faults := lenient.Read(c.Raw)
		return view == nil || slices.ContainsFunc(faults, func(f lenient.Fault) bool {
			return f.Rule == lenient.TrailingData && (f.Field == "certificate" || f.Field == "signatureValue") ||
				f.Rule == lenient.BadString && strings.Contains(f.Detail, "UTF-8")
		})
	})
}
