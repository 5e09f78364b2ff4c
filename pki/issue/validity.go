package issue

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/cloudflare/cfssl/helpers"
)

// Lifetimes where none is asked for. 397 days are what public CAs keep to, and
// less than the 825 that Apple's clients want of private ones; what bounds a
// root is how long its key can be kept.
const (
	DefaultLeafLifetime = 397 * Day
	DefaultCALifetime   = 3650 * Day
)

// MaxAppleLifetime is the longest life of a server certificate that Apple's
// systems accept from a private CA (support.apple.com/en-us/103769).
const MaxAppleLifetime = 825 * Day

// Day is 24 hours: certificates know no daylight saving time.
const Day = 24 * time.Hour

// Backdate is how far notBefore lies before the moment of issue, for clients
// whose clock is behind: as cfssl does. Nodes that are further off than five
// minutes break Kerberos and tokens too.
const Backdate = 5 * time.Minute

// Validity is the period in which a certificate is valid, both ends included
// (RFC 5280, 4.1.2.5).
type Validity struct {
	NotBefore, NotAfter time.Time
}

// ValidFrom begins a little before now, for clocks that are behind: by
// [Backdate], or a tenth of lifetime when that is less.
func ValidFrom(now time.Time, lifetime time.Duration) Validity {
	return ValidAt(now.Add(-min(Backdate, lifetime/10)), lifetime)
}

// ValidAt begins at start. Since both ends count, notAfter is one second short
// of start plus lifetime: with 825 days asked for, it is 825 days that a client
// counts.
func ValidAt(start time.Time, lifetime time.Duration) Validity {
	start = start.UTC().Truncate(time.Second)
	return Validity{start, start.Add(lifetime - time.Second).Truncate(time.Second)}
}

// Lifetime is the length of the period, such that ValidAt(v.NotBefore,
// v.Lifetime()) is v.
func (v Validity) Lifetime() time.Duration { return v.NotAfter.Sub(v.NotBefore) + time.Second }

// ValidityOf is the period of cert.
func ValidityOf(cert *x509.Certificate) Validity { return Validity{cert.NotBefore, cert.NotAfter} }

// Within cuts v to the time in which all of ca's chain is valid, and reports
// whether it had to end sooner for that.
func (v Validity) Within(ca *CA) (Validity, bool) {
	if start := chainStart(ca.Chain); v.NotBefore.Before(start) {
		v.NotBefore = start
	}
	end := helpers.ExpiryTime(ca.Chain)
	if !v.NotAfter.After(end) {
		return v, false
	}
	v.NotAfter = end
	return v, true
}

// chainStart is when the last certificate of the chain becomes valid.
func chainStart(chain []*x509.Certificate) time.Time {
	var start time.Time
	for _, c := range chain {
		if c.NotBefore.After(start) {
			start = c.NotBefore
		}
	}
	return start
}

// check refuses periods that no certificate can hold.
func (v Validity) check() error {
	switch {
	case v.NotAfter.IsZero():
		return errors.New("validity: none given")
	case v.NotAfter.Before(v.NotBefore):
		return fmt.Errorf("validity: it ends on %s, before it begins on %s", stamp(v.NotAfter), stamp(v.NotBefore))
	case v.NotBefore.Year() < 1950 || v.NotAfter.Year() > 9999:
		return fmt.Errorf("validity: %s to %s is not within the years 1950 to 9999, which is all that a certificate can say", stamp(v.NotBefore), stamp(v.NotAfter))
	}
	return nil
}

// stamp writes a time in messages.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// ParseLifetime takes "90d", "2160h", "12w", "1y" (365 days) and sums of them,
// "1y30d". Every number needs its unit.
func ParseLifetime(text string) (time.Duration, error) {
	var sum time.Duration
	rest := text
	for rest != "" {
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		if digits == 0 {
			return 0, lifetimeError(text, "a number and a unit are needed")
		}
		if digits == len(rest) {
			return 0, lifetimeError(text, fmt.Sprintf("%s of what?", rest))
		}
		unit, ok := lifetimeUnit(rest[digits])
		if !ok {
			return 0, lifetimeError(text, fmt.Sprintf("%q is no unit", rest[digits:]))
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil || n > int64(math.MaxInt64-sum)/int64(unit) {
			return 0, lifetimeError(text, "longer than 292 years")
		}
		sum += time.Duration(n) * unit
		rest = rest[digits+1:]
	}
	if sum <= 0 {
		return 0, lifetimeError(text, "it must be longer than nothing")
	}
	return sum, nil
}

func lifetimeUnit(letter byte) (time.Duration, bool) {
	switch letter {
	case 's':
		return time.Second, true
	case 'm':
		return time.Minute, true
	case 'h':
		return time.Hour, true
	case 'd':
		return Day, true
	case 'w':
		return 7 * Day, true
	case 'y':
		return 365 * Day, true
	}
	return 0, false
}

func lifetimeError(text, reason string) error {
	return fmt.Errorf("lifetime %q: %s: write it like 90d, 2160h, 12w or 1y", text, reason)
}
