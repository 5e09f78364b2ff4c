// Package report writes a report of findings in the formats that people and CI
// systems read: one file each, all from the same values. It decides nothing:
// what counts and what exit code follows is the same in every format.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/crpki/crpki/inspect"
)

// Options tell a writer what it cannot see in the report.
type Options struct {
	// Color is for text on a terminal, Width its columns: text is broken there.
	// With 0, every message is one line.
	Color bool
	Width int
	// Line gives line n, counted from 1, of a source, for the text format to show
	// under a finding. Only lines that hold no secret may be given; "" shows none.
	Line func(source string, n int) string
	// Rules are those that ran, for formats that describe them.
	Rules []inspect.Rule
	// DocURL is where the rules' pages are; the ID and ".md" are put behind it.
	DocURL string
}

type writer func(io.Writer, inspect.Report, Options) error

var writers = []struct {
	name  string
	write writer
}{
	{"text", text},
	{"json", asJSON},
	{"sarif", sarif},
	{"junit", junit},
	{"github", github},
	{"gitlab", gitlab},
	{"tap", tap},
}

// Formats lists the names that [Write] knows.
func Formats() []string {
	var names []string
	for _, w := range writers {
		names = append(names, w.name)
	}
	return names
}

// Write writes r in the named format. An unknown name is an error that lists
// the known ones.
func Write(w io.Writer, format string, r inspect.Report, o Options) error {
	for _, known := range writers {
		if known.name == format {
			return known.write(w, r, o)
		}
	}
	return fmt.Errorf("format %q is none of %s", format, strings.Join(Formats(), ", "))
}

func asJSON(w io.Writer, r inspect.Report, _ Options) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// path is how CI systems want to have a file named: with slashes, relative.
func path(source string) string {
	if source == "-" {
		return "stdin"
	}
	return strings.TrimPrefix(filepath.ToSlash(source), "./")
}

// line is the place in the file, 1 when only the file is known.
func line(f inspect.Finding) int { return max(f.Origin.Line, 1) }

// position is file:line:column, as editors understand it, and the part inside.
func position(f inspect.Finding) string {
	place := f.Origin.Source
	if f.Origin.Line > 0 {
		place += fmt.Sprintf(":%d", f.Origin.Line)
		if f.Origin.Column > 0 {
			place += fmt.Sprintf(":%d", f.Origin.Column)
		}
	}
	if inner := where(f); inner != "" {
		place += " " + inner
	}
	return place
}

// where names the part of the source in words: "data.tls.crt → certificate 2".
func where(f inspect.Finding) string {
	var parts []string
	if f.Origin.Field != "" {
		parts = append(parts, f.Origin.Field)
	}
	if f.Part != "" {
		parts = append(parts, f.Part)
	}
	return strings.Join(parts, " → ")
}

// sentence is the message with the place inside the source before it.
func sentence(f inspect.Finding) string {
	if place := where(f); place != "" {
		return place + ": " + f.Message
	}
	return f.Message
}

// fingerprints gives each finding a name that it keeps between runs and shares
// with no other. Those that are alike in rule and place are counted.
func fingerprints() func(inspect.Finding) string {
	seen := map[string]int{}
	return func(f inspect.Finding) string {
		fp := f.Fingerprint()
		seen[fp]++
		if n := seen[fp]; n > 1 {
			return inspect.Fingerprint(fp, fmt.Sprint(n))
		}
		return fp
	}
}

// docURL is the page of a rule, "" when there is no site.
func (o Options) docURL(id string) string {
	if o.DocURL == "" {
		return ""
	}
	return o.DocURL + id + ".md"
}
