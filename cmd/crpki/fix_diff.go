package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/crpki/crpki/pki/format"
)

// diffContext is how many equal lines a diff shows around a change.
const diffContext = 3

// maxDiff bounds the lines that are compared in the middle of two texts, after
// what they begin and end with alike, as the product of both. Beyond it all of
// the middle counts as changed: a bundle of 3,000 lines with other line ends is
// no diff that anybody reads.
const maxDiff = 4 << 20

// diffLine is one line of a text as it may be shown.
type diffLine struct {
	text string // with its line break
	// shown is the line with what is secret replaced. Of the lines of one secret
	// the first is shown, with what there is; the others have no text.
	shown  string
	hidden bool
}

// unifiedDiff writes how a file changes, as diff -u does. What spans hide is
// named and not shown; without them in the lines shown, patch(1) takes the
// result.
func unifiedDiff(name, before, after string, spansBefore, spansAfter []format.Span) string {
	if before == after {
		return ""
	}
	a, b := maskLines(before, spansBefore), maskLines(after, spansAfter)
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", printable(name), printable(name))
	for _, h := range hunks(compareLines(a, b)) {
		h.write(&out, a, b)
	}
	return out.String()
}

// maskLines splits a text, and hides what must not be shown: secret spans, and
// whatever looks like base64 and is not known to be public.
func maskLines(text string, spans []format.Span) []diffLine {
	var lines []diffLine
	spans = trimSpans(text, spans)
	start := 0
	for line := range strings.Lines(text) {
		for len(spans) > 0 && spans[0].End <= start {
			spans = spans[1:]
		}
		lines = append(lines, maskLine(text, line, start, spans))
		start += len(line)
	}
	return lines
}

// trimSpans takes the blanks at the ends of each span off it.
func trimSpans(text string, spans []format.Span) (trimmed []format.Span) {
	for _, s := range spans {
		inner := strings.TrimSpace(text[s.Start:s.End])
		s.Start += strings.Index(text[s.Start:s.End], inner)
		if s.End = s.Start + len(inner); s.End > s.Start {
			trimmed = append(trimmed, s)
		}
	}
	return trimmed
}

// maskLine is the line of text that begins at start. The spans begin with the
// first that reaches into it.
func maskLine(text, line string, start int, spans []format.Span) diffLine {
	l := diffLine{text: line}
	end := start + len(strings.TrimSuffix(line, "\n"))
	rest, told := "", false // what is not secret, and whether there is more to say
	at := start
	add := func(shown string) {
		l.shown += shown
		rest += strings.TrimSpace(shown)
	}
	for _, s := range spans {
		if s.Start >= end {
			break
		}
		from, to := max(s.Start, start), min(s.End, end)
		if from < at {
			continue
		}
		add(maskEncoded(text[at:from]))
		switch at = to; {
		case !s.Secret:
			add(text[from:to])
		case s.Start >= start:
			told = true
			l.shown += fmt.Sprintf("(%s, %s)", s.What, count(strings.Count(text[s.Start:s.End], "\n")+1, "line"))
		}
	}
	add(maskEncoded(text[at:end]))
	l.hidden = rest == "" && !told && strings.TrimSpace(text[start:end]) != ""
	return l
}

func maskEncoded(text string) string {
	if !looksEncoded(text) {
		return text
	}
	return fmt.Sprintf("(%s, not shown)", count(utf8.RuneCountInString(text), "character"))
}

// looksEncoded reports whether a line holds a run of base64 that is too long for
// a word. The lines of a key that nobody recognised are such.
func looksEncoded(line string) bool {
	run := 0
	for i := range len(line) {
		switch c := line[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/', c == '=':
			if run++; run >= 40 {
				return true
			}
		default:
			run = 0
		}
	}
	return false
}

// change is a stretch of lines that differ: of the first text from a to aEnd, of
// the second from b to bEnd.
type change struct{ a, aEnd, b, bEnd int }

// compareLines finds what differs, by the longest common subsequence.
func compareLines(a, b []diffLine) []change {
	start := 0
	for start < len(a) && start < len(b) && a[start].text == b[start].text {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && a[endA-1].text == b[endB-1].text {
		endA--
		endB--
	}
	n, m := endA-start, endB-start
	if n == 0 || m == 0 || n*m > maxDiff {
		return []change{{start, endA, start, endB}}
	}
	// common[i*(m+1)+j] is how many lines are common behind i and j.
	common := make([]int32, (n+1)*(m+1))
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if a[start+i].text == b[start+j].text {
				common[i*(m+1)+j] = common[(i+1)*(m+1)+j+1] + 1
			} else {
				common[i*(m+1)+j] = max(common[(i+1)*(m+1)+j], common[i*(m+1)+j+1])
			}
		}
	}
	var changes []change
	for i, j := 0, 0; i < n || j < m; {
		if i < n && j < m && a[start+i].text == b[start+j].text {
			i++
			j++
			continue
		}
		c := change{start + i, start + i, start + j, start + j}
		for i < n || j < m {
			switch {
			case i < n && j < m && a[start+i].text == b[start+j].text:
			case j == m || i < n && common[(i+1)*(m+1)+j] >= common[i*(m+1)+j+1]:
				i++
				continue
			default:
				j++
				continue
			}
			break
		}
		c.aEnd, c.bEnd = start+i, start+j
		changes = append(changes, c)
	}
	return changes
}

// hunk are changes that are shown together.
type hunk []change

// hunks joins changes whose surroundings touch.
func hunks(changes []change) []hunk {
	var all []hunk
	for _, c := range changes {
		if n := len(all); n > 0 && c.a-all[n-1][len(all[n-1])-1].aEnd <= 2*diffContext {
			all[n-1] = append(all[n-1], c)
			continue
		}
		all = append(all, hunk{c})
	}
	return all
}

func (h hunk) write(out *strings.Builder, a, b []diffLine) {
	first, last := h[0], h[len(h)-1]
	startA, startB := max(first.a-diffContext, 0), max(first.b-diffContext, 0)
	endA, endB := min(last.aEnd+diffContext, len(a)), min(last.bEnd+diffContext, len(b))
	fmt.Fprintf(out, "@@ -%s +%s @@\n", lineRange(startA, endA), lineRange(startB, endB))
	at := startA
	for _, c := range h {
		writeLines(out, ' ', a[at:c.a])
		writeLines(out, '-', a[c.a:c.aEnd])
		writeLines(out, '+', b[c.b:c.bEnd])
		at = c.aEnd
	}
	writeLines(out, ' ', a[at:endA])
}

// lineRange writes "3,5" for five lines from the third on.
func lineRange(start, end int) string {
	switch n := end - start; n {
	case 0:
		return fmt.Sprintf("%d,0", start)
	case 1:
		return fmt.Sprint(start + 1)
	default:
		return fmt.Sprintf("%d,%d", start+1, n)
	}
}

func writeLines(out *strings.Builder, sign byte, lines []diffLine) {
	for i, l := range lines {
		if l.hidden && i > 0 {
			continue // told with the first line of the secret
		}
		shown := l.shown
		if l.hidden {
			shown = "(…)"
		}
		out.WriteByte(sign)
		out.WriteString(printable(shown))
		out.WriteByte('\n')
		if !strings.HasSuffix(l.text, "\n") {
			out.WriteString("\\ No newline at end of file\n")
		}
	}
}
