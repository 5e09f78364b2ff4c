package spec

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crpki/crpki/pki/issue"
)

// check holds the entries against each other.
func (r *reader) check() {
	s := r.spec
	if len(s.CAs)+len(s.Certs) == 0 && len(r.problems) == 0 {
		r.failf(Position{File: s.Source}, "the spec makes nothing: give entries under cas or certs")
		return
	}
	r.checkFileNames()
	for i := range s.CAs {
		r.checkIssuerOfCA(&s.CAs[i])
	}
	r.checkCycles()
	for i := range s.CAs {
		r.checkPathLen(&s.CAs[i])
		r.checkTimes(&s.CAs[i].Entry)
	}
	for i := range s.Certs {
		r.checkCert(&s.Certs[i])
		r.checkTimes(&s.Certs[i].Entry)
	}
}

// checkFileNames refuses names that are no plain file names on every system,
// and two that a file system without case takes for one.
func (r *reader) checkFileNames() {
	first := map[string]*Entry{}
	for _, e := range r.spec.entries() {
		if e.Name == "" {
			continue
		}
		pos := e.pos("name")
		if reason := badFileName(e.Name); reason != "" {
			r.failf(pos, "name %q: %s", printable(e.Name), reason)
			continue
		}
		other, taken := first[strings.ToLower(e.Name)]
		switch {
		case !taken:
			first[strings.ToLower(e.Name)] = e
		case other.Name == e.Name:
			r.failf(pos, "name %q is taken: by the entry in line %d", e.Name, other.pos("name").Line)
		default:
			r.failf(pos, "name %q differs from %q in line %d by case only, which is one file on many systems", e.Name, other.Name, other.pos("name").Line)
		}
	}
}

// entries lists all entries, CAs first.
func (s *Spec) entries() []*Entry {
	var all []*Entry
	for i := range s.CAs {
		all = append(all, &s.CAs[i].Entry)
	}
	for i := range s.Certs {
		all = append(all, &s.Certs[i].Entry)
	}
	return all
}

// maxFileName leaves room, in the 255 bytes of most file systems, for the
// ending and for what backups and temporary files have behind it.
const maxFileName = 128

// badFileName says why name cannot be the name of a file, or "".
func badFileName(name string) string {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	switch {
	case strings.ContainsAny(name, `/\`) || name == "." || name == "..":
		return "it is the name of a file, not a path: the folder is out-dir"
	case strings.Trim(name, allowed) != "" || strings.ContainsFunc(name, func(c rune) bool { return !strings.ContainsRune(allowed, c) }):
		return "use letters a to z, digits, - _ and . only; the names that clients dial go under names"
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-"):
		return "it must begin with a letter or digit, or the files are hidden or taken for flags"
	case strings.HasSuffix(name, "."):
		return "it must not end in a dot, which Windows drops"
	case len(name) > maxFileName:
		return fmt.Sprintf("it has more than %d characters", maxFileName)
	}
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	if slices.Contains([]string{"con", "prn", "aux", "nul"}, stem) ||
		len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) && stem[3] >= '0' && stem[3] <= '9' {
		return "Windows keeps it for a device"
	}
	return ""
}

func (r *reader) checkIssuerOfCA(ca *CA) {
	if ca.Issuer == "" {
		return
	}
	if ca.Issuer == ca.Name {
		r.failf(ca.pos("ca"), "%s names itself as its CA: leave ca out, and it is a root", ca.Name)
		return
	}
	r.knownCA(&ca.Entry)
}

// knownCA complains of an issuer that is no CA of the spec.
func (r *reader) knownCA(e *Entry) bool {
	if r.spec.ca(e.Issuer) != nil {
		return true
	}
	for _, c := range r.spec.Certs {
		if c.Name == e.Issuer {
			r.failf(e.pos("ca"), "ca %q is an entry of certs: only those of cas can sign", e.Issuer)
			return false
		}
	}
	names := r.caNames()
	hint := fmt.Sprintf(": there are %s", strings.Join(names, ", "))
	if guess := closest(e.Issuer, names); guess != "" {
		hint = fmt.Sprintf(": did you mean %q?", guess)
	} else if len(names) == 0 {
		hint = ": the spec has no cas"
	}
	r.failf(e.pos("ca"), "ca %q is not in the spec%s", printable(e.Issuer), hint)
	return false
}

// caNames lists the names of the CAs for messages: at most ten.
func (r *reader) caNames() []string {
	var names []string
	for i, ca := range r.spec.CAs {
		if i == 10 {
			return append(names, "…")
		}
		names = append(names, ca.Name)
	}
	return names
}

// checkCycles tells each circle of issuers once, at its first entry.
func (r *reader) checkCycles() {
	const open, closed = 1, 2
	state := map[string]int{}
	for i := range r.spec.CAs {
		var path []string
		ca := &r.spec.CAs[i]
		for ca != nil && state[ca.Name] == 0 {
			state[ca.Name] = open
			path = append(path, ca.Name)
			ca = r.spec.ca(ca.Issuer)
		}
		if ca != nil && state[ca.Name] == open && ca.Issuer != ca.Name {
			circle := path[slices.Index(path, ca.Name):]
			r.failf(ca.pos("ca"), "the CAs sign each other in a circle: %s", strings.Join(append(circle, ca.Name), " ← "))
			r.breakCircle(circle)
		}
		for _, name := range path {
			state[name] = closed
		}
	}
}

// breakCircle lets the checks that walk upwards come to an end.
func (r *reader) breakCircle(names []string) {
	for _, name := range names {
		r.spec.ca(name).Issuer = ""
	}
}

// maxChain bounds how many CAs stand above each other. Clients give up at about
// ten certificates.
const maxChain = 8

// checkPathLen refuses a CA that one above does not allow to be there, or to
// promise as many CAs below it as it does.
func (r *reader) checkPathLen(ca *CA) {
	below := 1 + max(ca.PathLen, 0) // CAs below the one looked at
	height := 1
	for up := r.issuerOf(&ca.Entry); up != nil; up = r.issuerOf(&up.Entry) {
		if height++; height > maxChain {
			r.failf(ca.pos("ca"), "%s has %d CAs or more above it: clients do not follow such a chain", ca.Name, maxChain)
			return
		}
		if up.PathLen >= 0 && up.PathLen < below {
			with := ""
			if ca.PathLen > 0 {
				with = fmt.Sprintf(" with path-len %d", ca.PathLen)
			}
			r.failf(ca.pos("ca"), "%s%s stands below %s, whose path-len %d allows %s below it", ca.Name, with, up.Name, up.PathLen, countCAs(up.PathLen))
			return
		}
		below++
	}
}

func countCAs(n int) string {
	switch n {
	case 0:
		return "no CA"
	case 1:
		return "one CA"
	}
	return fmt.Sprintf("%d CAs", n)
}

func (r *reader) issuerOf(e *Entry) *CA {
	if e.Issuer == "" || e.Issuer == e.Name {
		return nil
	}
	return r.spec.ca(e.Issuer)
}

// checkTimes refuses lifetimes that can never be.
func (r *reader) checkTimes(e *Entry) {
	if e.RenewBefore > 0 && e.Lifetime > 0 && e.RenewBefore >= e.Lifetime {
		r.failf(e.pos("renew-before"), "%s: renew-before %s is not shorter than its validity %s: every run would renew it",
			e.Name, days(e.RenewBefore), days(e.Lifetime))
	}
	up := r.issuerOf(e)
	if up != nil && e.Lifetime > 0 && up.Lifetime > 0 && e.Lifetime > up.Lifetime {
		r.failf(e.pos("validity"), "%s: validity %s is longer than that of its CA %s (%s)", e.Name, days(e.Lifetime), up.Name, days(up.Lifetime))
	}
}

func (r *reader) checkCert(c *Cert) {
	if len(c.Names) == 0 && !c.NoServer && !c.broken {
		r.failf(c.Pos, "%s has no names: list the DNS names and IP addresses by which clients dial it under names", c.Name)
	}
	switch {
	case c.SelfSigned && c.Issuer != "":
		r.failf(c.pos("ca"), "%s is self-signed and has a CA: leave one of them out", c.Name)
	case c.SelfSigned:
	case c.Issuer != "":
		r.knownCA(&c.Entry)
	case c.broken:
	case len(r.spec.CAs) == 1:
		c.Issuer = r.spec.CAs[0].Name
	case len(r.spec.CAs) == 0:
		r.failf(c.Pos, "%s has no CA: add one under cas, or write self-signed: true", c.Name)
	default:
		r.failf(c.Pos, "which CA signs %s? Write ca: with one of %s", c.Name, strings.Join(r.caNames(), ", "))
	}
}

// days writes a duration as specs do, in the largest unit that is exact.
func days(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{issue.Day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for _, u := range units {
		if d >= u.size && d%u.size == 0 {
			return fmt.Sprintf("%d%s", d/u.size, u.name)
		}
	}
	return d.String()
}
