package inspect

import (
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Config is what a project has decided about findings: .crpki.yaml as values.
type Config struct {
	// Severities overrides a rule's severity; 0 switches the rule off.
	Severities map[string]Severity
	Waivers    []Waiver
	// Folder is where patterns begin, as an absolute path.
	Folder string
}

// Waiver says that some findings of a rule do not count, why, and until when.
type Waiver struct {
	Rule string
	// Path is a pattern for files, see [MatchPath].
	Path   string
	Reason string
	// Expires is the last day, in UTC, on which the waiver works.
	Expires time.Time
	// Line is where in the file it stands, from 1.
	Line int
}

// Expired reports whether the waiver's last day is over.
func (w Waiver) Expired(now time.Time) bool { return !now.Before(w.Expires.AddDate(0, 0, 1)) }

// Waive gives the reason for which f does not count, "" when it does. It is
// safe for concurrent use.
func (c *Config) Waive(f Finding, now time.Time) string {
	for _, w := range c.Waivers {
		if w.Rule == f.Rule && !w.Expired(now) && MatchPath(w.Path, c.relative(f.Origin.Source)) {
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
