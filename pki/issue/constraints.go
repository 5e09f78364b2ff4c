package issue

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/crpki/crpki/pki"
)

// Constraints limit the names for which a CA, and all CAs below it, may sign
// (RFC 5280, 4.2.1.10). The zero value limits nothing.
//
// By the RFC a list of DNS names says nothing about IP addresses: a CA that is
// permitted example.com might still sign for 10.96.0.1. Who limits a CA does
// not mean that, so a kind without a list of its own is excluded as soon as the
// other has one. E-mail addresses and URIs, which name no server, stay free.
type Constraints struct {
	// PermitDNS are domains: "example.com" permits itself and all below it,
	// ".example.com" only what is below.
	PermitDNS []string
	PermitIP  []netip.Prefix
}

func (c Constraints) empty() bool { return len(c.PermitDNS)+len(c.PermitIP) == 0 }

// check refuses what is no domain or network.
func (c Constraints) check() error {
	var errs []error
	for _, d := range c.PermitDNS {
		name, _, err := pki.ParseNameAs(pki.DNS, strings.TrimPrefix(d, "."))
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("permitted domain %q: %w", d, err))
		case strings.HasPrefix(name.Value, "*."):
			errs = append(errs, fmt.Errorf("permitted domain %q: leave out the *: %q permits all names below it", d, name.Value[2:]))
		}
	}
	for _, p := range c.PermitIP {
		if !p.IsValid() {
			errs = append(errs, errors.New("permitted network: not a network such as 10.96.0.0/16"))
		}
	}
	return errors.Join(errs...)
}

// apply writes the constraints into a CA's template. They are critical: a
// client that does not know them must not pass over them.
func (c Constraints) apply(t *x509.Certificate) {
	if c.empty() {
		return
	}
	t.PermittedDNSDomainsCritical = true
	for _, d := range c.PermitDNS {
		t.PermittedDNSDomains = append(t.PermittedDNSDomains, strings.ToLower(strings.TrimSuffix(d, ".")))
	}
	for _, p := range c.PermitIP {
		t.PermittedIPRanges = append(t.PermittedIPRanges, ipNet(p))
	}
	if len(c.PermitDNS) == 0 {
		t.ExcludedDNSDomains = []string{""} // matches every name
	}
	if len(c.PermitIP) == 0 {
		t.ExcludedIPRanges = []*net.IPNet{
			ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0)),
			ipNet(netip.PrefixFrom(netip.IPv6Unspecified(), 0)),
		}
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	p = p.Masked()
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// ConstraintError says which name a CA may not sign for, and what it may.
type ConstraintError struct {
	Name pki.Name
	// CA is the certificate that forbids it, the issuer itself or one above.
	CA *x509.Certificate
	// Excluded is the subtree that forbids the name. Else Permitted are those
	// of which it is in none.
	Excluded  string
	Permitted []string
}

func (e *ConstraintError) Error() string {
	why := "permits only " + strings.Join(e.Permitted, ", ")
	switch {
	case e.Excluded == "" && len(e.Permitted) == 0:
		why = fmt.Sprintf("permits no %s names at all", e.Name.Kind)
	case e.Excluded != "":
		why = "excludes " + e.Excluded
	}
	return fmt.Sprintf("%s: CA %q may not sign for it: its name constraints say that it %s", e.Name, e.CA.Subject, why)
}

// permits refuses names that a client would not accept under this chain, each
// with an error of its own.
func (ca *CA) permits(ns pki.Names) error {
	var errs []error
	for _, n := range ns {
		for _, c := range ca.Chain {
			if err := permitted(c, n); err != nil {
				errs = append(errs, err)
				break
			}
		}
	}
	return errors.Join(errs...)
}

// permitted holds one name against the constraints of one CA. Where Go and
// OpenSSL differ (a wildcard above an excluded name), the stricter counts.
func permitted(c *x509.Certificate, n pki.Name) error {
	switch n.Kind {
	case pki.IP:
		return permittedIn(c, n, cidrs(c.PermittedIPRanges), cidrs(c.ExcludedIPRanges), inNetwork)
	case pki.DNS:
		if err := permittedIn(c, n, c.PermittedDNSDomains, c.ExcludedDNSDomains, inDomain); err != nil {
			return err
		}
		return wildcardExcluded(c, n)
	case pki.Email:
		return permittedIn(c, n, c.PermittedEmailAddresses, c.ExcludedEmailAddresses, inMailDomain)
	case pki.URI:
		return permittedIn(c, n, c.PermittedURIDomains, c.ExcludedURIDomains, inURIDomain)
	}
	return nil
}

func permittedIn(c *x509.Certificate, n pki.Name, permit, exclude []string, in func(name, subtree string) bool) error {
	for _, subtree := range exclude {
		if in(n.Value, subtree) {
			if isEverything(subtree) {
				return &ConstraintError{Name: n, CA: c}
			}
			return &ConstraintError{Name: n, CA: c, Excluded: subtree}
		}
	}
	for _, subtree := range permit {
		if in(n.Value, subtree) {
			return nil
		}
	}
	if len(permit) == 0 {
		return nil
	}
	return &ConstraintError{Name: n, CA: c, Permitted: permit}
}

// isEverything tells the subtrees that leave nothing of a kind.
func isEverything(subtree string) bool {
	return subtree == "" || subtree == "0.0.0.0/0" || subtree == "::/0"
}

// inDomain: a subtree holds itself and what is below it; one that begins with
// a dot only what is below; the empty one all.
func inDomain(name, subtree string) bool {
	name, subtree = strings.ToLower(name), strings.ToLower(subtree)
	if subtree == "" || strings.HasPrefix(subtree, ".") {
		return strings.HasSuffix(name, subtree)
	}
	return name == subtree || strings.HasSuffix(name, "."+subtree)
}

// wildcardExcluded: *.example.com would stand for the excluded a.example.com
// too (Go since 1.25.5; OpenSSL compares the texts only).
func wildcardExcluded(c *x509.Certificate, n pki.Name) error {
	parent, wildcard := strings.CutPrefix(n.Value, "*.")
	for _, subtree := range c.ExcludedDNSDomains {
		if _, below, ok := strings.Cut(subtree, "."); wildcard && ok && strings.EqualFold(below, parent) {
			return &ConstraintError{Name: n, CA: c, Excluded: subtree}
		}
	}
	return nil
}

func inNetwork(name, subtree string) bool {
	addr, err := netip.ParseAddr(name)
	prefix, err2 := netip.ParsePrefix(subtree)
	return err == nil && err2 == nil && prefix.Contains(addr)
}

func inMailDomain(name, subtree string) bool {
	if strings.Contains(subtree, "@") {
		return strings.EqualFold(name, subtree)
	}
	return inDomain(name[strings.LastIndex(name, "@")+1:], subtree)
}

func inURIDomain(name, subtree string) bool {
	u, err := url.Parse(name)
	return err == nil && inDomain(u.Hostname(), subtree)
}

func cidrs(nets []*net.IPNet) []string {
	var all []string
	for _, n := range nets {
		all = append(all, n.String())
	}
	return all
}

// permitsCommonName holds the common name against the constraints on DNS names
// when there is no DNS name beside it: OpenSSL then reads it as one, IPv4
// addresses included (cn2dnsid in crypto/x509/v3_ncons.c, 3.0 to 3.5).
func (ca *CA) permitsCommonName(commonName string, ns pki.Names) error {
	if len(ns.DNS()) > 0 || !looksLikeDNS(commonName) {
		return nil
	}
	return ca.permits(pki.Names{{Kind: pki.DNS, Value: commonName}})
}

// looksLikeDNS is OpenSSL's view of it: letters, digits, underscores, inner
// hyphens, and at least one inner dot.
func looksLikeDNS(s string) bool {
	const word = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || strings.Trim(label, word) != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(labels) > 1
}
