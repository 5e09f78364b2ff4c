package spec

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// Each function here holds one aspect of an existing certificate against what
// the spec wants, and says in words what differs.

// reasons makes a list of a reason that may be empty.
func reasons(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// mismatch is true when the key is at hand and not the certificate's.
func mismatch(p *present) bool {
	return p.cert() != nil && p.key != nil && !pki.SamePublicKey(p.cert().PublicKey, p.key.Public())
}

// wrongKeyType goes by the key, or by the certificate when that is not at
// hand.
func wrongKeyType(s *step) string {
	pub := any(nil)
	switch {
	case s.have.key != nil:
		pub = s.have.key.Public()
	case s.have.cert() != nil:
		pub = s.have.cert().PublicKey
	}
	if s.KeyType == "" || pub == nil {
		return ""
	}
	has, ok := issue.KeyTypeOf(pub)
	if ok && has == s.KeyType {
		return ""
	}
	return fmt.Sprintf("key type is %s, the spec wants %s", cmp.Or(string(has), pki.DescribePublicKey(pub)), s.KeyType)
}

// wrongSubject compares the parts that the spec gives. Where it gives parts
// but no common name, any will do: it was chosen by the program.
func wrongSubject(want pkix.Name, c *x509.Certificate) string {
	has := c.Subject
	parts := []struct{ want, has []string }{
		{want.Organization, has.Organization},
		{want.OrganizationalUnit, has.OrganizationalUnit},
		{want.Country, has.Country},
		{want.Province, has.Province},
		{want.Locality, has.Locality},
	}
	given, same := want.CommonName != "", want.CommonName == "" || want.CommonName == has.CommonName
	for _, p := range parts {
		given = given || len(p.want) > 0
		same = same && slices.Equal(p.want, p.has)
	}
	if !given || same {
		return ""
	}
	return fmt.Sprintf("subject is %q, the spec wants %q", has, want)
}

// wrongNames tells what is missing with + and what is too much with -.
func wrongNames(want pki.Names, c *x509.Certificate) []string {
	has := pki.NamesOf(c)
	var diff []string
	for _, n := range want {
		if !slices.Contains(has, n) {
			diff = append(diff, "+"+n.String())
		}
	}
	for _, n := range has {
		if !slices.Contains(want, n) {
			diff = append(diff, "-"+n.String())
		}
	}
	return differ("names differ", diff)
}

// differ shows at most a handful.
func differ(what string, diff []string) []string {
	const most = 6
	if len(diff) == 0 {
		return nil
	}
	if len(diff) > most {
		diff = append(slices.Clone(diff[:most-1]), fmt.Sprintf("and %d more", len(diff)-most+1))
	}
	return []string{what + ": " + strings.Join(diff, " ")}
}

func wrongUse(want *Cert, c *x509.Certificate) []string {
	var diff []string
	has := func(use x509.ExtKeyUsage) bool { return slices.Contains(c.ExtKeyUsage, use) }
	note := func(name string, want, has bool) {
		switch {
		case want && !has:
			diff = append(diff, "+"+name)
		case has && !want:
			diff = append(diff, "-"+name)
		}
	}
	note("serverAuth", !want.NoServer, has(x509.ExtKeyUsageServerAuth))
	note("clientAuth", want.Client, has(x509.ExtKeyUsageClientAuth))
	out := differ("usages differ", diff)
	if c.IsCA && !want.SelfSigned {
		out = append(out, "it is a CA certificate")
	}
	return out
}

// wrongPathLen compares the path length that the spec gives; if it gives none,
// any will do that leaves room for the CAs below.
func wrongPathLen(s *step, c *x509.Certificate) []string {
	has := c.MaxPathLen
	if has == 0 && !c.MaxPathLenZero {
		has = -1
	}
	switch {
	case has == s.ca.PathLen, s.ca.PathLen < 0 && (has < 0 || has >= s.below):
		return nil
	case s.ca.PathLen < 0:
		return []string{fmt.Sprintf("path-len is %d, which leaves no room for the CAs below it", has)}
	case has < 0:
		return []string{fmt.Sprintf("path-len is unlimited, the spec wants %d", s.ca.PathLen)}
	}
	return []string{fmt.Sprintf("path-len is %d, the spec wants %d", has, s.ca.PathLen)}
}

func wrongConstraints(want issue.Constraints, c *x509.Certificate) []string {
	var nets, ranges []string
	for _, p := range want.PermitIP {
		nets = append(nets, p.Masked().String())
	}
	for _, n := range c.PermittedIPRanges {
		text := n.String()
		if p, err := netip.ParsePrefix(text); err == nil {
			text = p.String()
		}
		ranges = append(ranges, text)
	}
	return slices.Concat(
		differ("permit-dns differs", difference(domains(want.PermitDNS), domains(c.PermittedDNSDomains))),
		differ("permit-ip differs", difference(nets, ranges)),
	)
}

func domains(list []string) []string {
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = strings.ToLower(strings.TrimSuffix(d, "."))
	}
	return out
}

func difference(want, has []string) []string {
	var diff []string
	for _, w := range want {
		if !slices.Contains(has, w) {
			diff = append(diff, "+"+w)
		}
	}
	for _, h := range has {
		if !slices.Contains(want, h) {
			diff = append(diff, "-"+h)
		}
	}
	return diff
}

// wrongIssuer says why what is there is not signed by whom the spec says.
func (p *planner) wrongIssuer(s *step) []string {
	c := s.have.cert()
	if s.up == nil {
		if isRoot(c) {
			return nil
		}
		return []string{fmt.Sprintf("is issued by %q, the spec wants it self-signed", c.Issuer)}
	}
	if s.up.replaced != "" {
		return []string{fmt.Sprintf("its CA %s %s", s.up.Name, s.up.replaced)}
	}
	parent := s.up.have.cert()
	switch {
	case parent == nil: // its file is broken, which is refused
		return nil
	case (&issue.CA{Chain: []*x509.Certificate{parent}}).CheckIssued(c) != nil:
		return []string{fmt.Sprintf("is issued by %q, not by %s", c.Issuer, s.up.Name)}
	case len(c.AuthorityKeyId) > 0 && len(parent.SubjectKeyId) > 0 && !bytes.Equal(c.AuthorityKeyId, parent.SubjectKeyId):
		return []string{fmt.Sprintf("its authority key identifier is not that of %s, so OpenSSL refuses it", s.up.Name)}
	}
	return nil
}

func isRoot(c *x509.Certificate) bool {
	return (&issue.CA{Chain: []*x509.Certificate{c}}).CheckIssued(c) == nil
}

// wrongValidity compares lengths when the spec gives one. It passes over what
// comes of rounding, setting notBefore back, and ending with the CA.
func (p *planner) wrongValidity(s *step) []string {
	if s.Lifetime == 0 {
		return nil
	}
	c := s.have.cert()
	has := issue.ValidityOf(c).Lifetime()
	slack := issue.Backdate + min(issue.Day, s.Lifetime/50)
	switch {
	case (has - s.Lifetime).Abs() <= slack:
		return nil
	case has < s.Lifetime && s.up != nil && !c.NotAfter.Before(s.up.end):
		return nil
	}
	return []string{fmt.Sprintf("validity is %s, the spec wants %s", days(rounded(has)), days(s.Lifetime))}
}

// rounded leaves out what nobody wrote into a spec.
func rounded(d time.Duration) time.Duration {
	if d > 2*issue.Day {
		return d.Round(issue.Day)
	}
	return d.Round(time.Minute)
}

// ordered gives a CA's own certificate and what of its file leads from there
// towards the root.
func ordered(p *present) []*x509.Certificate {
	own := 0
	if p.key != nil {
		own = max(0, slices.IndexFunc(p.chain, func(c *x509.Certificate) bool { return pki.SamePublicKey(c.PublicKey, p.key.Public()) }))
	}
	chain := []*x509.Certificate{p.chain[own]}
	for {
		last := chain[len(chain)-1]
		next := slices.IndexFunc(p.chain, func(c *x509.Certificate) bool {
			return !slices.Contains(chain, c) && (&issue.CA{Chain: []*x509.Certificate{c}}).CheckIssued(last) == nil
		})
		if next < 0 {
			return chain
		}
		chain = append(chain, p.chain[next])
	}
}
