package pki

import (
	"crypto/x509"
	"fmt"
	"strings"
)

// LeafError says that a heap of certificates does not tell which one is the
// leaf.
type LeafError struct {
	// Candidates could all be the leaf; none when no certificate could.
	Candidates []Cert
	// Among is the number of certificates given.
	Among int
	// Chosen is true when [ChainOptions.Leaf] chose the candidates.
	Chosen bool
	// Unreadable are the certificates that Go refuses.
	Unreadable []Cert
}

// Error names the candidates, the first few of many.
func (e *LeafError) Error() string {
	switch {
	case e.Among == 0:
		return "there is no certificate to put in order"
	case e.Among == len(e.Unreadable):
		return "none of the certificates can be read: " + listUnreadable(e.Unreadable)
	case len(e.Candidates) > 0:
		return fmt.Sprintf("%d certificates could be the leaf: %s", len(e.Candidates), list(e.Candidates))
	case e.Chosen:
		return fmt.Sprintf("none of the %s is the leaf asked for", plural(e.Among, "certificate"))
	default:
		return fmt.Sprintf("none of the %s is a leaf: they sign each other in a circle", plural(e.Among, "certificate"))
	}
}

// GapError says which link a chain lacks.
type GapError struct {
	// Child is the certificate whose issuer is missing.
	Child Cert
	// Among is the number of certificates given.
	Among int
	// Loop is true when the issuer is there, but below the child already.
	Loop bool
	// Namesakes bear the issuer's name, but their keys did not sign the child.
	Namesakes []Cert
	// SpelledAlike bear a name that reads like the issuer's and is encoded in
	// another way, which makes it another name to Go's clients.
	SpelledAlike []Cert
	// Unreadable are the certificates that Go refuses; the issuer may be one.
	Unreadable []Cert
}

// Issuer is the name of the missing certificate.
func (e *GapError) Issuer() string { return nameOr(e.Child.X509.Issuer.String(), "(empty name)") }

// Error says what is missing where, and what comes near.
func (e *GapError) Error() string {
	if e.Loop {
		return fmt.Sprintf("issuer %s of %s is below it already: the certificates sign each other in a circle", Printable(e.Issuer()), e.Child.Origin)
	}
	msg := fmt.Sprintf("issuer %s of %s is not among the %d certificates", Printable(e.Issuer()), e.Child.Origin, e.Among)
	if e.Among == 1 {
		msg = fmt.Sprintf("issuer %s of %s is missing: no other certificate is given", Printable(e.Issuer()), e.Child.Origin)
	}
	switch {
	case len(e.Namesakes) > 0:
		msg += fmt.Sprintf(": %s has that name, but another key (a CA made anew?)", e.Namesakes[0].Origin)
	case len(e.SpelledAlike) > 0:
		msg += fmt.Sprintf(": the name of %s reads the same, but is encoded in another way, which Go's clients do not accept", e.SpelledAlike[0].Origin)
	case len(e.Unreadable) > 0:
		msg += ", unless it is one that cannot be read: " + listUnreadable(e.Unreadable)
	}
	return msg
}

func list(certs []Cert) string {
	return join(len(certs), func(i int) string { return certs[i].Describe() })
}

func listUnreadable(certs []Cert) string {
	return join(len(certs), func(i int) string { return fmt.Sprintf("%s (%v)", certs[i].Origin, certs[i].Err) })
}

// join lists the first few of n.
func join(n int, item func(int) string) string {
	const most = 5
	var parts []string
	for i := range min(n, most) {
		parts = append(parts, item(i))
	}
	if n > most {
		parts = append(parts, fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func nameOr(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

// Describe names the certificate for a message, in one line: "CN=reg.local
// (tls.crt#1)".
func (c Cert) Describe() string {
	if c.X509 == nil {
		return c.Origin.String()
	}
	return fmt.Sprintf("%s (%s)", Printable(describeSubject(c.X509)), c.Origin)
}

// describeSubject is the subject, or the first alternative name of a
// certificate without one.
func describeSubject(c *x509.Certificate) string {
	if subject := c.Subject.String(); subject != "" {
		return subject
	}
	if names := NamesOf(c); len(names) > 0 {
		return names[0].String()
	}
	return "(no name)"
}
