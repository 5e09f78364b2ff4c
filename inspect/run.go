package inspect

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

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
	// Error says why the target could not be read, "" when it was.
	Error string `json:"error,omitempty"`
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

// Run judges the evidence by the rules. Findings come in the order of their
// places. A rule that panics becomes a finding that names it: one bad rule must
// not hide what the others see.
func Run(e *Evidence, o Options) TargetReport {
	r := runner{Options: o, evidence: e, has: e.has()}
	r.report.Target = e.Target
	subjects := e.Subjects()
	r.report.Certificates = len(subjects)
	for i := range o.Rules {
		r.apply(&o.Rules[i], subjects)
	}
	r.notes()
	sortFindings(r.report.Findings)
	return r.report
}

type runner struct {
	Options
	evidence *Evidence
	has      Need
	report   TargetReport
}

func (r *runner) severity(rule *Rule) Severity {
	if s, ok := r.Severities[rule.ID]; ok {
		return s
	}
	return rule.Severity
}

func (r *runner) apply(rule *Rule, subjects []Subject) {
	if rule.Each == nil && rule.Check == nil || r.severity(rule) == 0 {
		return
	}
	if missing := rule.Needs &^ r.has; missing != 0 {
		r.report.Skipped = append(r.report.Skipped, Skip{Rule: rule.ID, Missing: missingText(missing)})
		return
	}
	for _, f := range r.findings(rule, subjects) {
		r.add(rule, f)
	}
}

// findings runs one rule.
func (r *runner) findings(rule *Rule, subjects []Subject) (found []Finding) {
	defer func() {
		if p := recover(); p != nil {
			found = append(found, Finding{
				Severity: Error, Origin: pki.Origin{Source: r.evidence.Target},
				Message: fmt.Sprintf("the rule failed on this input (%v); please report it", p),
			})
		}
	}()
	if rule.Each != nil {
		for i := range subjects {
			found = append(found, rule.Each(r.evidence, &subjects[i])...)
		}
	}
	if rule.Check != nil {
		found = append(found, rule.Check(r.evidence)...)
	}
	return found
}

func (r *runner) add(rule *Rule, f Finding) {
	f.Rule = rule.ID
	if s, ok := r.Severities[rule.ID]; ok {
		f.Severity = s
	} else if f.Severity == 0 {
		f.Severity = rule.Severity
	}
	if f.Fix == "" {
		f.Fix = rule.Doc.Fix
	}
	if r.Waive != nil {
		f.Waived = r.Waive(f)
	}
	r.report.Findings = append(r.report.Findings, f)
}

// notes turns what readers noted into findings of the rules of the same ID.
func (r *runner) notes() {
	byID := make(map[string]*Rule, len(r.Rules))
	for i := range r.Rules {
		byID[r.Rules[i].ID] = &r.Rules[i]
	}
	for _, n := range r.evidence.Material.Notes {
		if rule := byID[n.Rule]; rule != nil && r.severity(rule) != 0 {
			r.add(rule, Finding{Origin: n.Origin, Message: n.Detail})
		}
	}
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

// NewSubject reads a certificate for judgement.
func NewSubject(c pki.Cert, role Role) Subject {
	s := Subject{Cert: c, Role: role}
	s.View, s.Faults = lenient.Read(c.Raw)
	if s.View == nil {
		s.View = &lenient.Certificate{}
	}
	return s
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

// Worst is the highest severity among the findings that count, 0 when there is
// none.
func (r Report) Worst() Severity {
	var worst Severity
	for _, t := range r.Targets {
		for _, f := range t.Findings {
			if f.Waived == "" {
				worst = max(worst, f.Severity)
			}
		}
	}
	return worst
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
