package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/k8ssecret/yamltree"
	"github.com/crpki/crpki/pki"
)

// configName is the file in which a project says what lint is to think of it.
const configName = ".crpki.yaml"

// maxConfig bounds the file, in bytes.
const maxConfig = 1 << 20

// configFlags are those of lint that say what a project has decided before.
func configFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "what the project has decided, from `FILE`, in place of " + configName + " here or in a folder above", TakesFile: true},
		&cli.BoolFlag{Name: "no-config", Usage: "look for no " + configName},
		&cli.StringFlag{Name: "baseline", Usage: "findings in `FILE` are known and do not count", TakesFile: true},
		&cli.StringFlag{Name: "write-baseline", Usage: "write all that is found to `FILE` for --baseline; findings do not count", TakesFile: true},
	}
}

// decisions is what a project and its users have decided about findings.
type decisions struct {
	config *inspect.Config
	known  *inspect.Baseline // nil without --baseline
	file   string            // of --baseline
	// found is what --write-baseline writes, nil without it.
	found *inspect.Baseline
	now   time.Time
}

// decide reads the configuration and the baseline that c asks for.
func (e *env) decide(c *cli.Context, all []inspect.Rule) (*decisions, error) {
	d := &decisions{config: &inspect.Config{}, now: e.now}
	if c.Bool("no-config") && c.String("config") != "" {
		return nil, usageErrorf("--config and --no-config exclude each other")
	}
	file := c.String("config")
	if file == "" && !c.Bool("no-config") {
		file = e.findConfig()
	}
	if file != "" {
		data, err := e.read(file)
		if err != nil {
			return nil, err
		}
		if d.config, err = readConfig(file, data, all); err != nil {
			return nil, err
		}
	}
	for i := range d.config.Expectations {
		x := &d.config.Expectations[i]
		if c.IsSet("warn-days") { // what is typed goes before what is written down
			x.Warn = nil
		}
		if c.IsSet("fail-days") {
			x.Fail = nil
		}
		if x.CAFile == "" {
			continue
		}
		m, err := e.decode(c, x.CAFile)
		if err != nil {
			return nil, err
		}
		x.Anchors = append(m.Certs, m.Anchors...)
	}
	for _, w := range d.config.Waivers {
		if w.Expired(e.now) {
			e.warnf("%s:%d: the waiver of %s for %s ended on %s: its findings count", file, w.Line, w.Rule, w.Path, w.Expires.Format(time.DateOnly))
		}
	}
	if d.file = c.String("baseline"); d.file != "" {
		data, err := e.read(d.file)
		if err != nil {
			return nil, err
		}
		if d.known, err = inspect.ReadBaseline(data); err != nil {
			return nil, withHint(usageErrorf("%s: %w", d.file, err), "crpki lint . --write-baseline "+d.file)
		}
	}
	if c.String("write-baseline") != "" {
		d.found = &inspect.Baseline{}
	}
	return d, nil
}

// waive is [inspect.Options.Waive]: what has a reason in the configuration
// needs no place in the baseline.
func (d *decisions) waive(f inspect.Finding) string {
	if reason := d.config.Waive(f, d.now); reason != "" {
		return reason
	}
	if d.found != nil {
		d.found.Add(f)
		return "written to the baseline"
	}
	if d.known != nil && d.known.Has(f) {
		return "known: in " + d.file
	}
	return ""
}

// severities are those of the configuration, and none for what is disabled.
func (d *decisions) severities(disabled map[string]inspect.Severity) map[string]inspect.Severity {
	for id, s := range d.config.Severities {
		if _, ok := disabled[id]; !ok {
			disabled[id] = s
		}
	}
	return disabled
}

// writeBaseline writes what was found, when that was asked for.
func (e *env) writeBaseline(c *cli.Context, d *decisions) error {
	if d.found == nil {
		return nil
	}
	data, err := d.found.Encode()
	if err != nil {
		return err
	}
	path := c.String("write-baseline")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return usageErrorf("write %s: %w", path, pathCause(err))
	}
	e.notef("wrote %s: %d known", path, d.found.Len())
	return nil
}

// findConfig looks for the project's file from the working folder up to where
// its repository or the user's home begins; "" when there is none.
func (e *env) findConfig() string {
	folder, err := os.Getwd()
	if err != nil {
		return ""
	}
	home := filepath.Clean(cmp.Or(e.getenv("HOME"), e.getenv("USERPROFILE"), "."))
	for up := ""; ; up = filepath.Join(up, "..") {
		file := filepath.Join(up, configName)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
		parent := filepath.Dir(folder)
		if folder == home || parent == folder || isRepository(folder) {
			return ""
		}
		folder = parent
	}
}

// isRepository: .git is a file in worktrees and submodules.
func isRepository(folder string) bool {
	return slices.ContainsFunc([]string{".git", ".hg", ".svn", ".jj"}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(folder, name))
		return !errors.Is(err, fs.ErrNotExist)
	})
}

// configReader makes a configuration of a tree and collects what is wrong.
type configReader struct {
	file   string
	src    *yamltree.Source
	rules  []inspect.Rule
	config *inspect.Config
	wrong  []configError
}

// configError is what is wrong at one place.
type configError struct {
	offset int
	error
}

// configField is a key of a mapping and what reads its value.
type configField struct {
	name     string
	required bool
	read     func(*yamltree.Node)
}

// readConfig reads .crpki.yaml strictly. The error tells all that is wrong,
// each with file, line and column.
func readConfig(file string, data []byte, all []inspect.Rule) (*inspect.Config, error) {
	r := &configReader{file: file, src: &yamltree.Source{Text: string(data)}, rules: all, config: &inspect.Config{}}
	switch {
	case len(data) > maxConfig:
		return nil, usageErrorf("%s has more than %d KiB: this is no configuration", file, maxConfig>>10)
	case !utf8.Valid(data):
		return nil, usageErrorf("%s is not UTF-8", file)
	}
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	r.config.Folder = folder
	docs := yamltree.Read(r.src)
	switch {
	case len(docs) == 0 || docs[0].Root == nil && docs[0].Err == nil:
		return nil, usageErrorf("%s is empty: begin it with version: 1", file)
	case docs[0].Err != nil:
		if at, ok := errors.AsType[*yamltree.Error](docs[0].Err); ok {
			return nil, usageErrorf("%s:%d:%d: %s", file, at.Line, at.Column, at.Msg)
		}
		return nil, usageErrorf("%s: %w", file, docs[0].Err)
	case len(docs) > 1:
		r.fail(docs[1].Start, "a second document: there is one configuration in a file")
	}
	r.mapping(docs[0].Root, "the configuration", r.topFields())
	return r.config, r.problems()
}

// problems tells all that is wrong, in the order of the file.
func (r *configReader) problems() error {
	if len(r.wrong) == 0 {
		return nil
	}
	slices.SortStableFunc(r.wrong, func(a, b configError) int { return cmp.Compare(a.offset, b.offset) })
	errs := make([]error, len(r.wrong))
	for i, e := range r.wrong {
		errs[i] = e.error
	}
	return usageErrorf("%w", errors.Join(errs...))
}

func (r *configReader) fail(offset int, format string, args ...any) {
	line, column := r.src.Pos(offset)
	r.wrong = append(r.wrong, configError{offset, fmt.Errorf("%s:%d:%d: %s", r.file, line, column, fmt.Sprintf(format, args...))})
}

func (r *configReader) topFields() []configField {
	return []configField{
		{"version", true, func(n *yamltree.Node) {
			if n.Text != "1" {
				r.fail(n.Start, "the version is 1, and not %q", n.Text)
			}
		}},
		{"severities", false, r.severities},
		{"waivers", false, func(n *yamltree.Node) {
			r.list(n, "waivers", func(item *yamltree.Node) {
				var w inspect.Waiver
				w.Line, _ = r.src.Pos(item.Start)
				r.mapping(item, "a waiver", r.waiverFields(&w))
				r.config.Waivers = append(r.config.Waivers, w)
			})
		}},
		{"files", false, func(n *yamltree.Node) {
			r.list(n, "files", func(item *yamltree.Node) {
				var x inspect.Expectation
				r.mapping(item, "an entry of files", r.fileFields(&x))
				r.config.Expectations = append(r.config.Expectations, x)
			})
		}},
	}
}

func (r *configReader) waiverFields(w *inspect.Waiver) []configField {
	return []configField{
		{"rule", true, func(n *yamltree.Node) {
			if w.Rule = r.text(n); w.Rule != "" {
				r.rule(n.Start, w.Rule)
			}
		}},
		{"path", true, r.pattern(&w.Path)},
		{"fingerprint", false, func(n *yamltree.Node) {
			w.Fingerprint = strings.ToLower(strings.ReplaceAll(r.text(n), ":", ""))
			if len(w.Fingerprint) != 64 || strings.Trim(w.Fingerprint, "0123456789abcdef") != "" {
				r.fail(n.Start, "a fingerprint is the SHA-256 of a certificate, as crpki inspect prints it: 64 hexadecimal digits")
			}
		}},
		{"reason", true, func(n *yamltree.Node) { w.Reason = strings.Join(strings.Fields(r.text(n)), " ") }},
		{"expires", true, func(n *yamltree.Node) {
			var err error
			if w.Expires, err = time.Parse(time.DateOnly, n.Text); err != nil {
				r.fail(n.Start, "expires is the last day of the waiver, as in 2027-01-31, and not %q", n.Text)
			}
		}},
	}
}

func (r *configReader) fileFields(x *inspect.Expectation) []configField {
	return []configField{
		{"path", true, r.pattern(&x.Path)},
		{"hosts", false, func(n *yamltree.Node) {
			r.list(n, "hosts", func(item *yamltree.Node) {
				name, _, err := pki.ParseName(r.text(item))
				if err != nil {
					r.fail(item.Start, "%v", err)
					return
				}
				x.Hosts = append(x.Hosts, inspect.Host{Name: name, From: r.file})
			})
		}},
		{"ca-file", false, func(n *yamltree.Node) {
			if x.CAFile = r.text(n); !filepath.IsAbs(x.CAFile) {
				x.CAFile = filepath.Join(filepath.Dir(r.file), x.CAFile)
			}
		}},
		{"warn-days", false, r.span("warn-days", &x.Warn)},
		{"fail-days", false, r.span("fail-days", &x.Fail)},
	}
}

func (r *configReader) pattern(to *string) func(*yamltree.Node) {
	return func(n *yamltree.Node) {
		if *to = r.text(n); inspect.CheckPattern(*to) != nil {
			r.fail(n.Start, "the pattern %q is malformed", *to)
		}
	}
}

// span reads what the flag of the same name takes.
func (r *configReader) span(name string, to **inspect.Span) func(*yamltree.Node) {
	return func(n *yamltree.Node) {
		s, err := parseSpan(name, n.Text)
		if err != nil {
			r.fail(n.Start, "%s is a number of days or a share of the lifetime (28, 33%%), and not %q", name, n.Text)
			return
		}
		*to = &s
	}
}

func (r *configReader) list(n *yamltree.Node, name string, read func(*yamltree.Node)) {
	if n.Kind != yamltree.List {
		r.fail(n.Start, "%s has to be a list, but this is %s", name, n.Kind)
		return
	}
	for _, item := range n.Items {
		read(item)
	}
}

// severityOff switches a rule off.
const severityOff = "off"

func (r *configReader) severities(n *yamltree.Node) {
	if n.Kind != yamltree.Map {
		r.fail(n.Start, "severities are a mapping of rules, but this is %s", n.Kind)
		return
	}
	r.config.Severities = map[string]inspect.Severity{}
	for _, p := range n.Pairs {
		r.rule(p.KeyNode.Start, p.Key)
		r.once(n, p)
		severity, err := inspect.ParseSeverity(p.Value.Text)
		if err != nil && p.Value.Text != severityOff {
			r.fail(p.Value.Start, "a severity is error, warning, info or off, and not %q", p.Value.Text)
		}
		r.config.Severities[p.Key] = severity
	}
}

// rule refuses the ID of a rule that there is not.
func (r *configReader) rule(offset int, id string) {
	ids := make([]string, 0, len(r.rules))
	for _, rule := range r.rules {
		if rule.ID == id {
			return
		}
		ids = append(ids, rule.ID)
	}
	r.fail(offset, "there is no rule %q%s", id, meant(id, ids))
}

// text is a value that is one and not empty.
func (r *configReader) text(n *yamltree.Node) string {
	switch {
	case n.Kind == yamltree.List || n.Kind == yamltree.Map:
		r.fail(n.Start, "a text is due here, but this is %s", n.Kind)
		return ""
	case strings.TrimSpace(n.Text) == "":
		r.fail(n.Start, "this is empty")
	}
	return n.Text
}

// mapping reads the pairs of n, and complains of keys that are unknown, missing
// or come twice.
func (r *configReader) mapping(n *yamltree.Node, where string, fields []configField) {
	if n.Kind != yamltree.Map {
		r.fail(n.Start, "%s is a mapping (key: value), but this is %s", where, n.Kind)
		return
	}
	for _, p := range n.Pairs {
		if !r.once(n, p) {
			continue
		}
		at := slices.IndexFunc(fields, func(f configField) bool { return f.name == p.Key })
		if at < 0 {
			r.fail(p.KeyNode.Start, "unknown key %q in %s%s", p.Key, where, meant(p.Key, fieldNames(fields)))
			continue
		}
		fields[at].read(p.Value)
	}
	for _, f := range fields {
		if f.required && n.Get(f.name) == nil {
			r.fail(n.Start, "%s has no %s", where, f.name)
		}
	}
}

// once reports whether p is the first with its key, and complains when not.
func (r *configReader) once(n *yamltree.Node, p yamltree.Pair) bool {
	first := slices.IndexFunc(n.Pairs, func(other yamltree.Pair) bool { return other.Key == p.Key })
	if n.Pairs[first].KeyNode == p.KeyNode {
		return true
	}
	line, _ := r.src.Pos(n.Pairs[first].KeyNode.Start)
	r.fail(p.KeyNode.Start, "%s is given twice: first in line %d", p.Key, line)
	return false
}

func fieldNames(fields []configField) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// meant asks for the word that a wrong one is near to.
func meant(word string, words []string) string {
	if best := closest(word, words); best != "" {
		return fmt.Sprintf(": did you mean %q?", best)
	}
	return ""
}
