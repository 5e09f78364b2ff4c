package inspect

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crpki/crpki/pki"
)

// Config is what a project has decided about findings: .crpki.yaml as values.
type Config struct {
	// Severities overrides a rule's severity; 0 switches the rule off.
	Severities map[string]Severity
	Waivers    []Waiver
	// Expectations say what clients of some files do.
	Expectations []Expectation
	// Folder is where patterns begin, as an absolute path.
	Folder string
}

// Waiver says that some findings of a rule do not count, why, and until when.
type Waiver struct {
	Rule string
	// Path is a pattern for files, see [MatchPath].
	Path string
	// Fingerprint is the SHA-256 of a certificate's DER in hexadecimal, lower
	// case: only findings in this certificate are waived. "" waives them all.
	Fingerprint string
	Reason      string
	// Expires is the last day, in UTC, on which the waiver works.
	Expires time.Time
	// Line is where in the file it stands, from 1.
	Line int
}

// Expectation says what clients do that meet the files of a pattern.
type Expectation struct {
	Path string
	// Hosts are dialled, besides those known otherwise.
	Hosts []Host
	// CAFile holds what the clients trust, "" when that is not said. Anchors are
	// its certificates, for whoever can read files to fill in.
	CAFile  string
	Anchors []pki.Cert
	// Warn and Fail are nil where nothing is said.
	Warn, Fail *Span
}

// Apply adds to the evidence of the file at source all that is expected of it.
// Of several expectations for a file, the last to say something goes.
func (c *Config) Apply(source string, e *Evidence) {
	if len(c.Expectations) == 0 {
		return
	}
	name := c.relative(source)
	e.Hosts, e.Material.Anchors = slices.Clip(e.Hosts), slices.Clip(e.Material.Anchors)
	for _, x := range c.Expectations {
		if !MatchPath(x.Path, name) {
			continue
		}
		e.Hosts = append(e.Hosts, x.Hosts...)
		e.Material.Anchors = append(e.Material.Anchors, x.Anchors...)
		if x.Warn != nil {
			e.Limits.Warn = *x.Warn
		}
		if x.Fail != nil {
			e.Limits.Fail = *x.Fail
		}
	}
}

// Expired reports whether the waiver's last day is over.
func (w Waiver) Expired(now time.Time) bool { return !now.Before(w.Expires.AddDate(0, 0, 1)) }

// Waive gives the reason for which f does not count, "" when it does. Waivers
// of single certificates are for [Config.WaiveIn]. It is safe for concurrent
// use.
func (c *Config) Waive(f Finding, now time.Time) string {
	return c.waive(f, now, "")
}

// WaiveIn waives what is found in single certificates of the evidence.
func (c *Config) WaiveIn(e *Evidence, found []Finding) {
	if !slices.ContainsFunc(c.Waivers, func(w Waiver) bool { return w.Fingerprint != "" }) {
		return
	}
	for i := range found {
		f := &found[i]
		if der := e.certAt(f.Origin); f.Waived == "" && der != nil {
			f.Waived = c.waive(*f, e.Now, Fingerprint(string(der)))
		}
	}
}

// certAt gives the DER of the certificate at o, nil when there is none.
func (e *Evidence) certAt(o pki.Origin) []byte {
	for _, certs := range [][]pki.Cert{e.Material.Certs, e.Material.Anchors} {
		for i := range certs {
			if at := certs[i].Origin; at.Source == o.Source && at.Field == o.Field && at.Index == o.Index {
				return certs[i].Raw
			}
		}
	}
	return nil
}

func (c *Config) waive(f Finding, now time.Time, fingerprint string) string {
	for _, w := range c.Waivers {
		if w.Rule == f.Rule && w.Fingerprint == fingerprint && !w.Expired(now) && MatchPath(w.Path, c.relative(f.Origin.Source)) {
			return w.Reason
		}
	}
	return ""
}

// relative is a source as seen from the configuration's folder. What is no
// file there ("-") stays as it is.
func (c *Config) relative(source string) string {
	if source == "-" || c.Folder == "" {
		return source
	}
	abs, err := filepath.Abs(source)
	if err != nil {
		return source
	}
	rel, err := filepath.Rel(c.Folder, abs)
	if err != nil {
		return source
	}
	return filepath.ToSlash(rel)
}

// MatchPath reports whether name, with slashes, fits the pattern. * and ? stand
// for what is in a name, ** for any number of folders. A pattern without a
// slash fits a name in any folder.
func MatchPath(pattern, name string) bool {
	names := strings.Split(name, "/")
	if !strings.Contains(pattern, "/") && pattern != "**" {
		names = names[len(names)-1:]
	}
	return matchParts(strings.Split(strings.TrimPrefix(pattern, "./"), "/"), names)
}

// matchParts fits patterns to names part by part. It goes back to the last **
// only, which is enough and takes time in proportion to the product of both.
func matchParts(patterns, names []string) bool {
	p, n := 0, 0
	star, from := -1, 0
	for n < len(names) {
		switch {
		case p < len(patterns) && patterns[p] == "**":
			star, from = p, n
			p++
			continue
		case p < len(patterns) && matchPart(patterns[p], names[n]):
			p, n = p+1, n+1
			continue
		case star < 0:
			return false
		}
		from++
		p, n = star+1, from
	}
	for p < len(patterns) && patterns[p] == "**" {
		p++
	}
	return p == len(patterns)
}

func matchPart(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// CheckPattern says what is wrong with a pattern for [MatchPath].
func CheckPattern(pattern string) error {
	_, err := path.Match(pattern, "")
	return err
}
