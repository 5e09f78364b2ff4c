package rules

import (
	"fmt"
	"time"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/pki"
)

const day = 24 * time.Hour

func validity() []inspect.Rule {
	return []inspect.Rule{
		{
			ID: "expired", Group: Time, Severity: inspect.Error, Each: expired,
			Doc: inspect.Doc{
				Title: "A certificate has expired.",
				Why:   "Every client refuses it, and an expired CA takes all its certificates with it: Go's message then does not say that it is the CA that expired.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate has expired or is not yet valid: current time T is after T"},
					{Client: openssl, Message: "error 10: certificate has expired"},
					{Client: gnutls, Message: "The certificate chain uses expired certificate."},
				},
				Fix: "crpki renew tls.crt", FixOpenSSL: "openssl x509 -req … -days 397",
				Sources: []string{"RFC 5280 6.1.3 (a)(2)"}, Since: since,
			},
		},
		{
			ID: "not-yet-valid", Group: Time, Severity: inspect.Error, Each: notYetValid,
			Doc: inspect.Doc{
				Title: "A certificate is not valid yet.",
				Why:   "Often the clock of the machine that made it runs ahead, or that of the node runs behind.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate has expired or is not yet valid: current time T is before T"},
					{Client: openssl, Message: "error 9: certificate is not yet valid"},
					{Client: gnutls, Message: "The certificate chain uses not yet valid certificate."},
				},
				Fix: "crpki renew tls.crt", Sources: []string{"RFC 5280 6.1.3 (a)(2)"}, Since: since,
			},
		},
		{
			ID: "expires-soon", Group: Time, Severity: inspect.Warning, Each: expiresSoon,
			Doc: inspect.Doc{
				Title: "A certificate expires soon.",
				Why:   "Within --warn-days (28) it is a warning, within --fail-days (14) an error. Both take a share of the lifetime too: 33%.",
				Fix:   "crpki renew tls.crt", Sources: []string{"RFC 5280 4.1.2.5"}, Since: since,
			},
		},
		{
			ID: "not-after-before-not-before", Group: Time, Severity: inspect.Error, Each: reversed,
			Doc: inspect.Doc{
				Title: "The validity ends before it begins.",
				Why:   "At no moment does any client accept the certificate.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate has expired or is not yet valid: current time T is before T"},
					{Client: openssl, Message: "error 9: certificate is not yet valid"},
				},
				Fix: "crpki renew tls.crt", Sources: []string{"RFC 5280 4.1.2.5"}, Since: since,
			},
		},
		{
			ID: "validity-too-long", Group: Time, Severity: inspect.Warning, Each: tooLong,
			Doc: inspect.Doc{
				Title: "A server certificate is valid for longer than clients accept.",
				Why:   "Apple's clients refuse server certificates of more than 825 days, private CAs included. Go, OpenSSL and GnuTLS set no limit.",
				Refusals: []inspect.Refusal{
					{Client: "macOS (Safari, and Go programs with the system's trust)", Since: "macOS 10.15; Go 1.18", Message: "x509: “reg.example.com” certificate is not standards compliant"},
				},
				Fix: "crpki renew tls.crt --days 397", FixOpenSSL: "openssl x509 -req … -days 397",
				Sources: []string{"https://support.apple.com/en-us/103769", "https://github.com/golang/go/issues/51991"}, Since: since,
			},
		},
		{
			ID: "validity-never-ends", Group: Time, Severity: inspect.Warning, Each: neverEnds,
			Doc: inspect.Doc{
				Title: "A certificate has no real end (the year 9999).",
				Why:   "It can never be retired by waiting, and date arithmetic of some software overflows.",
				Fix:   "crpki renew tls.crt --days 397", Sources: []string{"RFC 5280 4.1.2.5"}, Since: since,
			},
		},
		{
			ID: "ca-expires-before-leaf", Group: Time, Severity: inspect.Warning, Needs: inspect.NeedLeaf, Check: caEndsFirst,
			Doc: inspect.Doc{
				Title: "A certificate outlives the CA that signed it.",
				Why:   "From the day on which the CA ends the certificate is refused, whatever its own dates say.",
				Fix:   "crpki renew tls.crt", Sources: []string{"RFC 5280 6.1.3 (a)(2)"}, Since: since,
			},
		},
	}
}

func known(s *inspect.Subject) bool { return !s.View.NotBefore.IsZero() && !s.View.NotAfter.IsZero() }

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// days counts whole days for people: "3 days", "1 day", "less than a day".
func days(d time.Duration) string {
	switch n := int(d / day); {
	case n == 1:
		return "1 day"
	case n > 1:
		return fmt.Sprintf("%d days", n)
	}
	return "less than a day"
}

func expired(e *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if !known(s) || !e.Now.After(s.View.NotAfter) {
		return nil
	}
	return say(s, fmt.Sprintf("expired on %s, %s ago", date(s.View.NotAfter), days(e.Now.Sub(s.View.NotAfter))))
}

func notYetValid(e *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if !known(s) || !e.Now.Before(s.View.NotBefore) || s.View.NotAfter.Before(s.View.NotBefore) {
		return nil
	}
	return say(s, fmt.Sprintf("valid only from %s on, in %s", date(s.View.NotBefore), days(s.View.NotBefore.Sub(e.Now))))
}

func expiresSoon(e *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if !known(s) || e.Now.After(s.View.NotAfter) {
		return nil
	}
	life, left := s.View.NotAfter.Sub(s.View.NotBefore), s.View.NotAfter.Sub(e.Now)
	severity := inspect.Severity(0)
	switch {
	case left <= e.Limits.Fail.Of(life):
		severity = inspect.Error
	case left <= e.Limits.Warn.Of(life):
		severity = inspect.Warning
	default:
		return nil
	}
	return []inspect.Finding{{
		Severity: severity, Origin: s.Origin,
		Message: fmt.Sprintf("expires on %s, in %s", date(s.View.NotAfter), days(left)),
	}}
}

func reversed(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if !known(s) || !s.View.NotAfter.Before(s.View.NotBefore) {
		return nil
	}
	return say(s, fmt.Sprintf("ends on %s, before it begins on %s", date(s.View.NotAfter), date(s.View.NotBefore)))
}

// appleLimit is the longest life that Apple's clients accept.
const appleLimit = 825 * day

func tooLong(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	life := s.View.NotAfter.Sub(s.View.NotBefore)
	if !known(s) || s.Role != inspect.Leaf || life <= appleLimit || s.View.NotAfter.Year() >= 9999 || selfIssued(s) {
		return nil
	}
	return say(s, fmt.Sprintf("valid for %s; Apple's clients accept 825", days(life)))
}

func neverEnds(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if s.View.NotAfter.Year() < 9999 {
		return nil
	}
	return say(s, "valid until "+date(s.View.NotAfter)+", which means for ever")
}

func selfIssued(s *inspect.Subject) bool {
	return len(s.View.RawSubject) > 0 && string(s.View.RawSubject) == string(s.View.RawIssuer)
}

func caEndsFirst(e *inspect.Evidence) (out []inspect.Finding) {
	subjects := e.Subjects()
	for i := range subjects {
		child := &subjects[i]
		if child.Role == inspect.Anchor || child.X509 == nil {
			continue
		}
		for j := range subjects {
			issuer := &subjects[j]
			if i == j || issuer.X509 == nil || !issuer.X509.NotAfter.Before(child.X509.NotAfter) || !pki.Issued(issuer.X509, child.X509) {
				continue
			}
			out = append(out, inspect.Finding{
				Origin: child.Origin,
				Message: fmt.Sprintf("ends on %s, but its CA (%s) already on %s",
					date(child.X509.NotAfter), issuer.Origin, date(issuer.X509.NotAfter)),
			})
			break
		}
	}
	return out
}
