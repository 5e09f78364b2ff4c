package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// printable makes text of strangers harmless for terminals and logs: names in
// certificates and names of files may hold control characters, overrides of the
// writing direction, and commands to CI systems.
func printable(s string) string {
	if strings.IndexFunc(s, unsafe) >= 0 {
		var b strings.Builder
		for _, r := range s {
			if unsafe(r) {
				fmt.Fprintf(&b, "\\u%04x", r)
			} else {
				b.WriteRune(r)
			}
		}
		s = b.String()
	}
	return inert(s)
}

func unsafe(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || 0x200b <= r && r <= 0x200f || 0x2028 <= r && r <= 0x202e ||
		0x2060 <= r && r <= 0x2069 || r == 0xfeff || 0xfff9 <= r && r <= 0xffff
}

// inert breaks what CI systems take for commands when it stands in a log:
// GitHub's "::error::" at the start of a line and "##[…]" anywhere in it
// (actions/runner ActionCommand.cs), Azure's "##vso[…]".
func inert(s string) string {
	if strings.Contains(s, "##") {
		s = strings.NewReplacer("##[", `#\u0023[`, "##vso[", `#\u0023vso[`).Replace(s)
	}
	if strings.HasPrefix(strings.TrimSpace(s), "::") {
		s = strings.Replace(s, "::", `\u003a:`, 1)
	}
	return s
}

// xmlText drops what XML 1.0 cannot hold.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', ' ' <= r && r <= 0xd7ff, 0xe000 <= r && r < utf8.RuneError, 0x10000 <= r:
			return r
		}
		return '?'
	}, s)
}

// wrap breaks text at blanks into lines of at most width characters; with a
// width below 20 it leaves it alone. A word that is longer stays whole.
func wrap(text string, width int) []string {
	if width < 20 || utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	var lines []string
	line, n := "", 0
	for _, word := range strings.Split(text, " ") {
		w := utf8.RuneCountInString(word)
		if n > 0 && n+1+w > width {
			lines = append(lines, line)
			line, n = word, w
			continue
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		line, n = line+word, n+w
	}
	return append(lines, line)
}
