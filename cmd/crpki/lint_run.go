package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/crpki/crpki/inspect"
	findings "github.com/crpki/crpki/inspect/report"
)

// lintMemory is when lint, which has little in memory at a time, asks for more
// frequent collection, in bytes.
const lintMemory = 40 << 20

// lint judges what args name and writes what it finds, as it finds it.
func (l *linter) lint(args []string, outputs []output, all []inspect.Rule) error {
	debug.SetMemoryLimit(lintMemory)
	info, _ := debug.ReadBuildInfo()
	head := inspect.Report{Schema: inspect.Schema, Tool: "crpki", Version: newVersionInfo(version, commit, info).Version, Time: l.now.UTC()}
	paths, err := expandAll(args)
	if err != nil {
		return err
	}
	w, err := l.open(outputs, head, all)
	if err != nil {
		return err
	}
	t := &tally{progress: l.newProgress(outputs)}
	set, paths := l.withSets(paths)
	err = inOrder(l.c.Context, l.jobs(paths, set...), func(reports []inspect.TargetReport) error {
		for _, r := range reports {
			r.Findings = t.firstTime(r)
			t.add(r)
			if err := w.Add(r); err != nil {
				return err
			}
		}
		return nil
	})
	t.progress.end()
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return t.verdict(l.c.String("fail-on"))
}

// tally is what lint has to remember of the targets.
type tally struct {
	worst      inspect.Severity
	unreadable bool
	told       map[string]bool
	progress   *progress
}

func (t *tally) add(r inspect.TargetReport) {
	t.unreadable = t.unreadable || r.Error != ""
	found := 0
	for _, f := range r.Findings {
		if f.Waived == "" {
			t.worst = max(t.worst, f.Severity)
			found++
		}
	}
	t.progress.step(found)
}

// firstTime leaves out findings that another target told already: a CA file is
// judged by itself and beside each certificate that it signed. What a target
// says of itself alone need not be remembered.
func (t *tally) firstTime(r inspect.TargetReport) []inspect.Finding {
	return slices.DeleteFunc(r.Findings, func(f inspect.Finding) bool {
		if f.Origin.Source == r.Target && !isCAName(r.Target) {
			return false
		}
		if t.told == nil {
			t.told = map[string]bool{}
		}
		key := fmt.Sprint(f.Fingerprint(), f.Origin.Line, ":", f.Origin.Column, f.Message)
		again := t.told[key]
		t.told[key] = true
		return again
	})
}

// verdict is the exit code: unreadable input before findings.
func (t *tally) verdict(failOn string) error {
	if t.unreadable {
		return &exitError{exitUsage, errSilent}
	}
	if limit, err := inspect.ParseSeverity(failOn); err == nil && t.worst >= limit {
		return errBad
	}
	return nil
}

// reportWriters writes every -o.
type reportWriters []reportWriter

type reportWriter struct {
	findings.Stream
	file io.Closer
	name string
}

func (l *linter) open(outputs []output, head inspect.Report, all []inspect.Rule) (reportWriters, error) {
	var writers reportWriters
	for _, o := range outputs {
		w := reportWriter{name: "standard output"}
		out, color := l.stdout, l.color
		if o.file != "" {
			f, err := os.Create(o.file)
			if err != nil {
				return nil, errors.Join(usageErrorf("write %s: %w", o.file, pathCause(err)), writers.Close())
			}
			w.file, w.name = f, o.file
			out, color = f, false
		}
		var err error
		if w.Stream, err = l.stream(out, o, head, all, color); err != nil {
			return nil, errors.Join(err, writers.Close())
		}
		writers = append(writers, w)
	}
	return writers, nil
}

func (l *linter) stream(w io.Writer, o output, head inspect.Report, all []inspect.Rule, color bool) (findings.Stream, error) {
	options := findings.Options{Color: color, Width: l.width, Rules: all, DocURL: docURL, Line: lineReader()}
	if o.file != "" {
		options.Width = 0
	}
	if o.format != "yaml" {
		s, err := findings.NewStream(w, o.format, head, options)
		if o == (output{format: "text"}) && l.c.Bool("clients") {
			return &clientsStream{Stream: s, w: w}, err
		}
		return s, err
	}
	y := &yamlStream{w: w}
	var err error
	y.Stream, err = findings.NewStream(&y.json, "json", head, options)
	return y, err
}

// yamlStream turns JSON into YAML at the end.
type yamlStream struct {
	findings.Stream
	json bytes.Buffer
	w    io.Writer
}

func (y *yamlStream) Close() error {
	if err := y.Stream.Close(); err != nil {
		return err
	}
	return writeYAML(y.w, y.json.Bytes())
}

// clientsStream writes the verdicts of clients below the findings.
type clientsStream struct {
	findings.Stream
	w       io.Writer
	targets []inspect.TargetReport
}

func (s *clientsStream) Add(t inspect.TargetReport) error {
	s.targets = append(s.targets, inspect.TargetReport{Target: t.Target, Clients: t.Clients})
	return s.Stream.Add(t)
}

func (s *clientsStream) Close() error {
	return errors.Join(s.Stream.Close(), printClients(s.w, inspect.Report{Targets: s.targets}))
}

func (ws reportWriters) Add(t inspect.TargetReport) error {
	for _, w := range ws {
		if err := w.Stream.Add(t); err != nil {
			return usageErrorf("write %s: %w", w.name, err)
		}
	}
	return nil
}

// Close ends all reports; the first error is told.
func (ws reportWriters) Close() error {
	var errs []error
	for _, w := range ws {
		err := w.Stream.Close()
		if w.file != nil {
			err = errors.Join(err, w.file.Close())
		}
		if err != nil {
			errs = append(errs, usageErrorf("write %s: %w", w.name, err))
		}
	}
	return errors.Join(errs...)
}

// progress is a line on a terminal that says how far a long run is.
type progress struct {
	w              io.Writer
	out            *bufio.Writer // what shares the terminal, nil when nothing does
	begun, shown   time.Time
	visible        bool
	targets, found int
}

// newProgress gives nil when nobody would see it.
func (l *linter) newProgress(outputs []output) *progress {
	if !l.stderrTerminal || l.quiet {
		return nil
	}
	p := &progress{w: l.stderr, begun: time.Now()}
	if b, ok := l.stdout.(*bufio.Writer); ok && l.stdoutTerminal && slices.ContainsFunc(outputs, func(o output) bool { return o.file == "" }) {
		p.out = b
	}
	return p
}

// step counts a target. Before findings are written to the same terminal, the
// line is taken away.
func (p *progress) step(found int) {
	if p == nil {
		return
	}
	p.targets++
	p.found += found
	if found > 0 && p.out != nil {
		p.end()
		return
	}
	if now := time.Now(); now.Sub(p.begun) > time.Second && now.Sub(p.shown) > 100*time.Millisecond {
		if p.out != nil {
			p.out.Flush()
		}
		fmt.Fprintf(p.w, "\r\x1b[K%d targets, %d findings", p.targets, p.found)
		p.shown, p.visible = now, true
	}
}

// end takes the line away.
func (p *progress) end() {
	if p != nil && p.visible {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.visible = false
	}
}
