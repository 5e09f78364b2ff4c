package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/crpki/crpki/inspect"
)

// ANSI sequences of the text format.
const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	blue   = "\x1b[34m"
	bold   = "\x1b[1m"
	faint  = "\x1b[2m"
	reset  = "\x1b[0m"
)

// indent is where a finding's text begins, behind the severity.
const indent = "           "

type textWriter struct {
	*bufio.Writer
	Options
}

func text(w io.Writer, r inspect.Report, o Options) error {
	s := &textStream{textWriter: textWriter{bufio.NewWriter(w), o}}
	for _, target := range r.Targets {
		if err := s.Add(target); err != nil {
			return err
		}
	}
	return s.Close()
}

func (t textWriter) paint(color, s string) string {
	if !t.Color {
		return s
	}
	return color + s + reset
}

func (t textWriter) target(target inspect.TargetReport) {
	if target.Error != "" {
		fmt.Fprintf(t, "  %s  %s\n", t.paint(red, "unreadable"), printable(target.Error))
	}
	for _, f := range target.Findings {
		t.finding(target.Target, f)
	}
}

func (t textWriter) finding(target string, f inspect.Finding) {
	label := t.severity(f.Severity)
	if f.Waived != "" {
		label = t.paint(faint, "waived ")
	}
	fmt.Fprintf(t, "  %s  %s\n", label, t.paint(bold, f.Rule))
	if place := t.place(target, f); place != "" {
		fmt.Fprintf(t, "%s%s\n", indent, t.paint(faint, place))
	}
	for _, line := range wrap(printable(f.Message), t.Width-len(indent)) {
		fmt.Fprintf(t, "%s%s\n", indent, line)
	}
	t.caret(f)
	if f.Waived != "" {
		fmt.Fprintf(t, "%swaived: %s\n", indent, printable(f.Waived))
	} else if f.Fix != "" {
		fmt.Fprintf(t, "%s%s %s\n", indent, t.paint(blue, "fix:"), printable(f.Fix))
	}
}

func (t textWriter) severity(s inspect.Severity) string {
	word := fmt.Sprintf("%-7s", s)
	switch s {
	case inspect.Error:
		return t.paint(red, word)
	case inspect.Warning:
		return t.paint(yellow, word)
	}
	return t.paint(blue, word)
}

// place is where to look, when that is more than the target.
func (t textWriter) place(target string, f inspect.Finding) string {
	place := position(f)
	if place == target {
		return ""
	}
	return printable(place)
}

// caret shows the line at fault.
func (t textWriter) caret(f inspect.Finding) {
	if t.Line == nil || f.Origin.Line == 0 {
		return
	}
	line := []rune(strings.ReplaceAll(t.Line(f.Origin.Source, f.Origin.Line), "\t", " "))
	if len(line) == 0 {
		return
	}
	// The caret stays below its character only while each takes one column.
	const most = 66
	column := max(f.Origin.Column, 1)
	shown := printable(string(line[:min(len(line), most)]))
	if len(line) > most {
		shown += "…"
	}
	fmt.Fprintf(t, "      %s%s\n", t.paint(faint, fmt.Sprintf("%5d | ", f.Origin.Line)), shown)
	if column <= min(len(line), most) && strings.HasPrefix(shown, string(line[:column-1])) {
		fmt.Fprintf(t, "      %s%s%s\n", t.paint(faint, "      | "), strings.Repeat(" ", column-1), t.paint(red, "^"))
	}
}

func (t textWriter) summary(targets, certificates int, count [4]int, waived, unreadable int) {
	counts := []string{
		plural(count[inspect.Error], "error"), plural(count[inspect.Warning], "warning"), plural(count[inspect.Info], "info"),
	}
	if unreadable > 0 {
		counts = append(counts, fmt.Sprintf("%d unreadable", unreadable))
	}
	if waived > 0 {
		counts = append(counts, fmt.Sprintf("%d waived", waived))
	}
	fmt.Fprintf(t, "%s, %s: %s\n", plural(certificates, "certificate"), plural(targets, "target"), strings.Join(counts, ", "))
}

func plural(n int, word string) string {
	if n == 1 || word == "info" {
		return fmt.Sprintf("%d %s", n, word)
	}
	return fmt.Sprintf("%d %ss", n, word)
}
