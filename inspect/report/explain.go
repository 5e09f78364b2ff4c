package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/crpki/crpki/inspect"
)

// Explain writes the page of a rule for reading on a terminal. Text is broken at
// o.Width, or 80 columns; commands and messages are not, so that they can be
// copied and searched for.
func Explain(w io.Writer, rule inspect.Rule, o Options) error {
	t := textWriter{bufio.NewWriter(w), o}
	if t.Width == 0 {
		t.Width = 80
	}
	d := rule.Doc
	fmt.Fprintf(t, "%s  %s  %s\n\n", t.paint(bold, rule.ID), strings.TrimSpace(t.severity(rule.Severity)), t.paint(faint, rule.Group))
	t.paragraph("", d.Title)
	fmt.Fprintln(t)
	t.paragraph("", plain(d.Why))
	if len(d.Refusals) > 0 {
		t.heading("Who refuses it")
		for i, r := range d.Refusals {
			if i == 0 || r.Client != d.Refusals[i-1].Client || r.Since != d.Refusals[i-1].Since {
				client := r.Client
				if r.Since != "" {
					client += ", since " + r.Since
				}
				t.paragraph("  ", client)
			}
			fmt.Fprintf(t, "    %s\n", r.Message)
		}
	}
	if commands := fixes(d); len(commands) > 0 {
		t.heading("How to mend it")
		for _, command := range commands {
			fmt.Fprintf(t, "  %s\n", command)
		}
	}
	if len(d.Sources) > 0 {
		t.heading("Sources")
		for _, source := range d.Sources {
			fmt.Fprintf(t, "  %s\n", source)
		}
	}
	return t.Flush()
}

func (t textWriter) heading(s string) { fmt.Fprintf(t, "\n%s\n", t.paint(bold, s)) }

func (t textWriter) paragraph(prefix, text string) {
	for _, line := range wrap(text, t.Width-len(prefix)) {
		fmt.Fprintf(t, "%s%s\n", prefix, line)
	}
}

// plain takes the marks of code out.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }

// List writes the rules, group by group: with a width, for a terminal, ID and
// title one below the other; without, in one line each, for grep.
func List(w io.Writer, rules []inspect.Rule, o Options) error {
	t := textWriter{bufio.NewWriter(w), o}
	longest := 0
	for _, r := range rules {
		longest = max(longest, len(r.ID))
	}
	group := ""
	for _, r := range rules {
		if r.Group != group && t.Width > 0 {
			if group != "" {
				fmt.Fprintln(t)
			}
			fmt.Fprintln(t, t.paint(bold, r.Group))
		}
		group = r.Group
		if t.Width == 0 {
			fmt.Fprintf(t, "%-7s  %-*s  %s\n", r.Severity, longest, r.ID, plain(r.Doc.Title))
			continue
		}
		fmt.Fprintf(t, "  %s  %s\n", t.severity(r.Severity), r.ID)
		for _, line := range wrap(plain(r.Doc.Title), t.Width-len(indent)) {
			fmt.Fprintf(t, "%s%s\n", indent, t.paint(faint, line))
		}
	}
	return t.Flush()
}
