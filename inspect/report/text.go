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

type textWriter struct {
	*bufio.Writer
	Options
}

func text(w io.Writer, r inspect.Report, o Options) error {
	t := textWriter{bufio.NewWriter(w), o}
	var count [4]int
	waived, certificates := 0, 0
	for _, target := range r.Targets {
		certificates += target.Certificates
		t.target(target)
		for _, f := range target.Findings {
			if f.Waived != "" {
				waived++
				continue
			}
			count[f.Severity]++
		}
	}
	t.summary(len(r.Targets), certificates, count, waived)
	return t.Flush()
}

func (t textWriter) paint(color, s string) string {
	if !t.Color {
		return s
	}
	return color + s + reset
}

func (t textWriter) target(target inspect.TargetReport) {
	if len(target.Findings) == 0 && target.Error == "" {
		return
	}
	fmt.Fprintln(t, t.paint(bold, printable(target.Target)))
	if target.Error != "" {
		fmt.Fprintf(t, "  %s  %s\n", t.paint(red, "unreadable"), printable(target.Error))
	}
	for _, f := range target.Findings {
		t.finding(target.Target, f)
	}
	fmt.Fprintln(t)
}

func (t textWriter) finding(target string, f inspect.Finding) {
	label := t.severity(f.Severity)
	if f.Waived != "" {
		label = t.paint(faint, "waived ")
	}
	fmt.Fprintf(t, "  %s  %s\n", label, t.paint(bold, f.Rule))
	if place := t.place(target, f); place != "" {
		fmt.Fprintf(t, "           %s\n", t.paint(faint, place))
	}
	fmt.Fprintf(t, "           %s\n", printable(f.Message))
	t.caret(f)
	if f.Waived != "" {
		fmt.Fprintf(t, "           waived: %s\n", printable(f.Waived))
	} else if f.Fix != "" {
		fmt.Fprintf(t, "           %s %s\n", t.paint(blue, "fix:"), printable(f.Fix))
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

// place is file:line:column and the part inside, as editors understand it.
func (t textWriter) place(target string, f inspect.Finding) string {
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
	text := t.Line(f.Origin.Source, f.Origin.Line)
	if text == "" {
		return
	}
	const most = 100
	if len(text) > most {
		text = text[:most] + "…"
	}
	number := fmt.Sprintf("%5d | ", f.Origin.Line)
	fmt.Fprintf(t, "      %s%s\n", t.paint(faint, number), printable(text))
	column := min(max(f.Origin.Column, 1), most)
	fmt.Fprintf(t, "      %s%s%s\n", t.paint(faint, "      | "), strings.Repeat(" ", column-1), t.paint(red, "^"))
}

func (t textWriter) summary(targets, certificates int, count [4]int, waived int) {
	counts := []string{
		plural(count[inspect.Error], "error"), plural(count[inspect.Warning], "warning"), plural(count[inspect.Info], "info"),
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

// printable keeps control characters and bidirectional overrides, which names in
// certificates may hold, away from the terminal.
func printable(s string) string {
	if strings.IndexFunc(s, unsafe) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unsafe(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unsafe(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || 0x200b <= r && r <= 0x200f || 0x202a <= r && r <= 0x202e ||
		0x2060 <= r && r <= 0x2069 || r == 0xfeff || r == 0xfffd
}
