package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/crpki/crpki/inspect"
)

// Stream writes a report while its targets become known. Text and GitHub's
// annotations are written at once and JSON target by target, so that a long
// report is never whole in memory; the other formats begin with their totals,
// and are written by Close.
type Stream interface {
	// Add takes the next target. A target with the name of the one before it goes
	// on with that one.
	Add(inspect.TargetReport) error
	// Close writes what is left. The underlying writer stays open.
	Close() error
}

// NewStream begins a report in the named format; head is the report without its
// targets.
func NewStream(w io.Writer, format string, head inspect.Report, o Options) (Stream, error) {
	head.Targets = nil
	switch format {
	case "text":
		return &textStream{textWriter: textWriter{bufio.NewWriter(w), o}}, nil
	case "json":
		return newJSONStream(w, head)
	case "github":
		return githubStream{w, o}, nil
	}
	for _, known := range writers {
		if known.name == format {
			return &wholeStream{w: w, write: known.write, report: head, options: o}, nil
		}
	}
	return nil, Write(w, format, head, o) // an unknown name
}

// wholeStream keeps the report until it is whole.
type wholeStream struct {
	w       io.Writer
	write   writer
	report  inspect.Report
	options Options
}

func (s *wholeStream) Add(t inspect.TargetReport) error {
	if last := len(s.report.Targets) - 1; last >= 0 && s.report.Targets[last].Target == t.Target {
		join(&s.report.Targets[last], t)
		return nil
	}
	s.report.Targets = append(s.report.Targets, t)
	return nil
}

func (s *wholeStream) Close() error {
	if s.report.Targets == nil {
		s.report.Targets = []inspect.TargetReport{}
	}
	return s.write(s.w, s.report, s.options)
}

// join puts what more was found in a target behind what is known.
func join(t *inspect.TargetReport, more inspect.TargetReport) {
	t.Findings = append(t.Findings, more.Findings...)
	t.Clients = append(t.Clients, more.Clients...)
	t.Certificates += more.Certificates
	if t.Error == "" {
		t.Error = more.Error
	}
}

type githubStream struct {
	w       io.Writer
	options Options
}

func (s githubStream) Add(t inspect.TargetReport) error {
	return github(s.w, inspect.Report{Targets: []inspect.TargetReport{t}}, s.options)
}

func (githubStream) Close() error { return nil }

// jsonStream writes what encoding/json writes of the whole report. Findings of
// a target are written as they come: one bundle may have a hundred thousand.
type jsonStream struct {
	w *bufio.Writer
	// last is the target that is being written, without its findings.
	last         *inspect.TargetReport
	found, wrote bool
	tail         []byte
}

func newJSONStream(w io.Writer, head inspect.Report) (Stream, error) {
	head.Targets = []inspect.TargetReport{}
	var b bytes.Buffer
	if err := asJSON(&b, head, Options{}); err != nil {
		return nil, err
	}
	// The empty list is where the targets go.
	before, after, found := bytes.Cut(b.Bytes(), []byte(`"targets": [`))
	if !found {
		return nil, fmt.Errorf("a report without targets")
	}
	s := &jsonStream{w: bufio.NewWriter(w), tail: after}
	s.w.Write(before)
	_, err := s.w.WriteString(`"targets": [`)
	return s, err
}

func (s *jsonStream) Add(t inspect.TargetReport) error {
	found := t.Findings
	t.Findings = []inspect.Finding{}
	if s.last != nil && s.last.Target == t.Target {
		join(s.last, t)
	} else {
		if err := s.end(); err != nil {
			return err
		}
		s.last = &t
		if err := s.begin(); err != nil {
			return err
		}
	}
	for _, f := range found {
		s.separate(&s.found, 8)
		if err := s.encode(f, 8); err != nil {
			return err
		}
	}
	return nil
}

// begin writes the target up to its findings, and end what follows them.
func (s *jsonStream) begin() error {
	head, _, err := s.aroundFindings()
	s.separate(&s.wrote, 4)
	s.w.Write(head)
	return err
}

func (s *jsonStream) end() error {
	if s.last == nil {
		return nil
	}
	if s.found {
		s.newline(6)
	}
	_, rest, err := s.aroundFindings()
	s.w.Write(rest)
	s.last, s.found = nil, false
	return err
}

// aroundFindings is the last target as JSON, cut where its findings go. No
// string holds the mark, for its quotes would be escaped.
func (s *jsonStream) aroundFindings() (head, rest []byte, err error) {
	mark := []byte(`"findings": [`)
	text, err := indented(s.last, 4)
	head, rest, _ = bytes.Cut(text, mark)
	return append(head[:len(head):len(head)], mark...), rest, err
}

func (s *jsonStream) encode(v any, indent int) error {
	text, err := indented(v, indent)
	s.w.Write(text)
	return err
}

// separate begins an item of a list.
func (s *jsonStream) separate(further *bool, indent int) {
	if *further {
		s.w.WriteByte(',')
	}
	*further = true
	s.newline(indent)
}

func (s *jsonStream) newline(indent int) {
	s.w.WriteByte('\n')
	s.w.WriteString(strings.Repeat(" ", indent))
}

// indented is v as it stands in the report, without the indent of its first line.
func indented(v any, indent int) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(strings.Repeat(" ", indent), "  ")
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

func (s *jsonStream) Close() error {
	if err := s.end(); err != nil {
		return err
	}
	if s.wrote {
		s.newline(2)
	}
	s.w.Write(s.tail)
	return s.w.Flush()
}

// textStream writes findings under the name of their target, and the totals at
// the end.
type textStream struct {
	textWriter
	count                         [4]int
	targets, certificates, waived int
	unreadable                    int
	last                          string
	// open is true while findings of the last target may follow.
	open bool
}

func (s *textStream) Add(t inspect.TargetReport) error {
	s.certificates += t.Certificates
	if s.targets == 0 || s.last != t.Target {
		s.targets++
		s.end()
	}
	s.last = t.Target
	if t.Error != "" {
		s.unreadable++
	}
	for _, f := range t.Findings {
		if f.Waived != "" {
			s.waived++
		} else {
			s.count[f.Severity]++
		}
	}
	if len(t.Findings) == 0 && t.Error == "" {
		return nil
	}
	if !s.open {
		fmt.Fprintln(s, s.paint(bold, printable(t.Target)))
		s.open = true
	}
	s.target(t)
	return s.Flush()
}

// end closes the last target with an empty line.
func (s *textStream) end() {
	if s.open {
		fmt.Fprintln(s)
	}
	s.open = false
}

func (s *textStream) Close() error {
	s.end()
	s.summary(s.targets, s.certificates, s.count, s.waived, s.unreadable)
	return s.Flush()
}
