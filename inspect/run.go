package inspect

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// Schema is the number of the report's shape; it changes when a field changes
// its meaning or goes away.
const Schema = 1

// Report is what one run found, for every target that it looked at.
type Report struct {
	Schema  int            `json:"schema"`
	Tool    string         `json:"tool"`
	Version string         `json:"version"`
	Time    time.Time      `json:"time"`
	Targets []TargetReport `json:"targets"`
}

// TargetReport is what was found in one target.
type TargetReport struct {
	Target   string    `json:"target"`
	Findings []Finding `json:"findings"`
	// Certificates counts what was judged.
	Certificates int `json:"certificates"`
	// Skipped are the rules that could not look, with what they were missing.
	Skipped []Skip `json:"skipped,omitempty"`
	// Clients says who would accept the target, when that was asked for.
	Clients []ClientVerdict `json:"clients,omitempty"`
	// Error says why the target could not be read, "" when it was.
	Error string `json:"error,omitempty"`
}

// ClientVerdict is what one client says of a target.
type ClientVerdict struct {
	Client string `json:"client"`
	// Versions says which of its versions do, "" when nothing is known of others.
	Versions string `json:"versions,omitempty"`
	// Host is the name or address dialled, "" when none was given.
	Host    string `json:"host,omitempty"`
	Accepts bool   `json:"accepts"`
	// Message is what it prints when it refuses.
	Message string `json:"message,omitempty"`
	// Basis is "measured" (computed by a judge that is proved against the client)
	// or "source".
	Basis string `json:"basis"`
}

// Skip is a rule that had nothing to look at.
type Skip struct {
	Rule    string `json:"rule"`
	Missing string `json:"missing"`
}

// Options select and weigh rules.
type Options struct {
	Rules []Rule
	// Severities overrides a rule's severity; 0 switches the rule off.
	Severities map[string]Severity
	// Waive gives the reason for which a finding does not count, "" when it does.
	// nil waives nothing.
	Waive func(Finding) string
}

// Run judges one piece of evidence. Whoever judges many makes a [Judge].
func Run(e *Evidence, o Options) TargetReport { return NewJudge(o).Run(e) }

// Judge holds the rules, prepared for many runs. It is safe for concurrent use.
type Judge struct {
	rules []weighed
	byID  map[string]*weighed
	waive func(Finding) string
	// skips has, for every set of needs that can be met, the rules that cannot
	// look: runs share these lists.
	skips [NeedHosts << 1][]Skip
}

type weighed struct {
	Rule
	severity Severity
	override bool
}

// NewJudge prepares the rules of o that are not switched off.
func NewJudge(o Options) *Judge {
	j := &Judge{waive: o.Waive, byID: make(map[string]*weighed, len(o.Rules))}
	for _, rule := range o.Rules {
		severity, override := o.Severities[rule.ID]
		if !override {
			severity = rule.Severity
		}
		if severity != 0 {
			j.rules = append(j.rules, weighed{rule, severity, override})
		}
	}
	for i := range j.rules {
		j.byID[j.rules[i].ID] = &j.rules[i]
	}
	for has := range j.skips {
		j.skips[has] = j.skipped(Need(has))
	}
	return j
}

func (j *Judge) skipped(has Need) (out []Skip) {
	for _, rule := range j.rules {
		if missing := rule.Needs &^ has; missing != 0 {
			out = append(out, Skip{Rule: rule.ID, Missing: missingText(missing)})
		}
	}
	return out
}

// Run judges the evidence by the rules. Findings come in the order of their
// places. A rule that panics becomes a finding that names it: one bad rule must
// not hide what the others see.
func (j *Judge) Run(e *Evidence) TargetReport { return j.run(e, true) }

// RunEach judges each certificate alone. It is for pieces of a heap that is too
// large to be looked at as a whole.
func (j *Judge) RunEach(e *Evidence) TargetReport { return j.run(e, false) }

func (j *Judge) run(e *Evidence, whole bool) TargetReport {
	r := run{Judge: j, evidence: e, whole: whole}
	has := e.has()
	subjects := e.Subjects()
	if !whole {
		byNature(subjects)
	}
	// The rules share what was read, in a copy: e is the caller's.
	shared := *e
	shared.subjects = subjects
	r.evidence, e = &shared, &shared
	r.report = TargetReport{Target: e.Target, Findings: []Finding{}, Certificates: len(subjects), Skipped: j.skips[has]}
	for i := range j.rules {
		if rule := &j.rules[i]; rule.Needs&^has == 0 {
			r.apply(rule, subjects)
		}
	}
	for _, n := range e.Material.Notes {
		if rule := j.byID[n.Rule]; rule != nil {
			r.add(rule, Finding{Origin: n.Origin, Message: n.Detail, Fix: cmp.Or(n.Fix, mend(cmp.Or(rule.Doc.Fix, rule.Doc.FixOpenSSL), n.Origin))})
		}
	}
	sortFindings(r.report.Findings)
	return r.report
}

type run struct {
	*Judge
	evidence *Evidence
	whole    bool
	report   TargetReport
}

func (r *run) apply(rule *weighed, subjects []Subject) {
	defer func() {
		if p := recover(); p != nil {
			r.add(rule, Finding{
				Severity: Error, Origin: pki.Origin{Source: r.evidence.Target},
				Message: fmt.Sprintf("the rule failed on this input (%v); please report it", p),
			})
		}
	}()
	if rule.Each != nil {
		for i := range subjects {
			r.addAll(rule, rule.Each(r.evidence, &subjects[i]))
		}
	}
	if rule.Check != nil && r.whole {
		r.addAll(rule, rule.Check(r.evidence))
	}
}

// mostAlike bounds what one rule says of one certificate: a file with 50,000 bad
// names is no clearer for 50,000 findings.
const mostAlike = 20

func (r *run) addAll(rule *weighed, found []Finding) {
	if more := len(found) - mostAlike; more > 0 {
		found = found[:mostAlike]
		found[mostAlike-1].Message += fmt.Sprintf(" (and %d more like this)", more)
	}
	for _, f := range found {
		r.add(rule, f)
	}
}

func (r *run) add(rule *weighed, f Finding) {
	f.Rule = rule.ID
	if rule.override || f.Severity == 0 {
		f.Severity = rule.severity
	}
	if f.Fix == "" {
		f.Fix = mend(cmp.Or(rule.Doc.Fix, rule.Doc.FixOpenSSL), f.Origin)
	}
	if f.Part == "" && f.Origin.Index > 0 {
		f.Part = r.part(f.Origin)
	}
	if r.waive != nil {
		f.Waived = r.waive(f)
	}
	r.report.Findings = append(r.report.Findings, f)
}

// part names the block at o as people count it, which a piece of a heap does not
// tell.
func (r *run) part(o pki.Origin) string {
	block := fmt.Sprintf("block %d", o.Index)
	if !r.whole {
		return block
	}
	m := r.evidence.Material
	n, found := 0, false
	for _, certs := range [][]pki.Cert{m.Certs, m.Anchors} {
		for i := range certs {
			if c := &certs[i].Origin; c.Index <= o.Index && c.Source == o.Source && c.Field == o.Field {
				n++
				found = found || c.Index == o.Index
			}
		}
	}
	if found {
		return fmt.Sprintf("certificate %d", n)
	}
	at := func(other pki.Origin) bool {
		return other.Source == o.Source && other.Field == o.Field && other.Index == o.Index
	}
	switch {
	case slices.ContainsFunc(m.Keys, func(k pki.Key) bool { return at(k.Origin) }):
		return "private key"
	case slices.ContainsFunc(m.CSRs, func(c pki.CSR) bool { return at(c.Origin) }):
		return "signing request"
	}
	return block
}

func missingText(missing Need) string {
	var texts []string
	for _, n := range needNames {
		if missing&n.need != 0 {
			texts = append(texts, n.text)
		}
	}
	return strings.Join(texts, ", ")
}

// Subjects gives each certificate of the evidence with its role.
func (e *Evidence) Subjects() []Subject {
	if e.subjects != nil {
		return e.subjects
	}
	out := make([]Subject, 0, len(e.Material.Certs)+len(e.Material.Anchors))
	for i, c := range e.Material.Certs {
		role := Intermediate
		if i == e.leafIndex() {
			role = Leaf
		}
		out = append(out, NewSubject(c, role))
	}
	for _, c := range e.Material.Anchors {
		out = append(out, NewSubject(c, Anchor))
	}
	return out
}

// byNature takes each certificate of a heap for what it says of itself.
func byNature(subjects []Subject) {
	for i := range subjects {
		subjects[i].Role = Leaf
		if x := subjects[i].X509; x != nil && x.IsCA {
			subjects[i].Role = Anchor
		}
	}
}

// NewSubject reads a certificate for judgement.
func NewSubject(c pki.Cert, role Role) Subject {
	s := Subject{Cert: c, Role: role}
	s.View, s.Faults = lenient.Read(c.Raw)
	if s.View == nil {
		s.View = &lenient.Certificate{}
	}
	return s
}

// mend puts the name of the file at fault for those of the examples. What is
// said of a field is not about a file tls.crt.
func mend(fix string, o pki.Origin) string {
	if o.Source == "" || o.Source == "-" || strings.ContainsFunc(o.Source, unicode.IsControl) {
		return fix
	}
	ours := strings.HasPrefix(fix, "crpki lint --fix ") // which finds its way in documents and manifests
	words := strings.Split(fix, " ")
	for i, word := range words {
		if word == "secret.yaml" || word == "script.sh" && (ours || !strings.HasSuffix(o.Source, ".md")) || word == "tls.crt" && (ours || o.Field == "") {
			words[i] = ShellWord(o.Source)
		}
	}
	return strings.Join(words, " ")
}

// ShellWord quotes what a shell would take apart, for commands that are shown.
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+,:@%", r)
	}
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func sortFindings(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			strings.Compare(a.Origin.Source, b.Origin.Source),
			cmp.Compare(a.Origin.Line, b.Origin.Line),
			cmp.Compare(a.Origin.Column, b.Origin.Column),
			strings.Compare(a.Origin.Field, b.Origin.Field),
			cmp.Compare(a.Origin.Index, b.Origin.Index),
			cmp.Compare(b.Severity, a.Severity),
			strings.Compare(a.Rule, b.Rule),
		)
	})
}

// Fingerprint names the finding in a way that stays the same between runs, for
// baselines and for CI systems that track findings. The message is not part of
// it, since it may count days.
func (f Finding) Fingerprint() string {
	return Fingerprint(f.Rule, f.Origin.Source, f.Origin.Field, fmt.Sprint(f.Origin.Index))
}

// Fingerprint hashes the parts that name something, in hexadecimal.
func Fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}
