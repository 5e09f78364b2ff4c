package explain

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// unwrap takes off what loggers, terminals and browsers put around a message:
// backslash escapes of JSON in JSON, percent and HTML encoding, colours, and
// typographic quotes. Lines that a terminal broke at its width are joined.
func unwrap(text []byte) []byte {
	if !bytes.ContainsAny(text, " \t") && bytes.Count(text, []byte("+")) > 2 && bytes.IndexByte(text, '%') >= 0 {
		text = bytes.ReplaceAll(text, []byte("+"), []byte(" ")) // the query of a URL
	}
	for range 3 { // JSON in JSON in a URL is what was seen
		if !bytes.ContainsAny(text, "\\%&") && !hasForeign(text) {
			break
		}
		next := decodeOnce(text)
		if bytes.Equal(next, text) {
			break
		}
		text = next
	}
	return joinWrapped(text)
}

// isPlain is true for text of which unwrap would change no more than quotes and
// blanks, which the squashed text leaves out anyway.
func isPlain(text []byte) bool {
	if bytes.ContainsAny(text, "%&\x1b") {
		return false
	}
	for from := 0; ; from++ {
		at := bytes.IndexByte(text[from:], '\\')
		if at < 0 {
			return true
		}
		if from += at; from+1 < len(text) && (text[from+1] == 'u' || text[from+1] == 'n' || text[from+1] == 't' || text[from+1] == 'r') {
			return false
		}
	}
}

// hasForeign is true for text with control characters or beyond ASCII.
func hasForeign(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 || c < ' ' && c != '\n' && c != '\t' {
			return true
		}
	}
	return false
}

func decodeOnce(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		decoded, n := decodeAt(text[i:])
		if n == 0 {
			out = append(out, text[i])
			i++
			continue
		}
		out = append(out, decoded...)
		i += n
	}
	return out
}

// decodeAt gives what the first n bytes of text stand for; n is 0 when they
// stand for themselves.
func decodeAt(text []byte) (decoded string, n int) {
	switch c := text[0]; {
	case c == '\\':
		return backslash(text)
	case c == '%':
		return percent(text)
	case c == '&':
		return entity(text)
	case c == 0x1b:
		return colour(text)
	case c == '\r':
		return " ", 1
	case c < ' ' && c != '\n' && c != '\t' || c == 0x7f:
		return `\x` + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]), 1
	case c >= utf8.RuneSelf:
		r, n := utf8.DecodeRune(text)
		switch r {
		case '‘', '’', '‚', '“', '”', '„', '«', '»', '′':
			return `"`, n
		case '\u00a0', '\u2007', '\u202f', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff', '│', '┃':
			return " ", n
		}
	}
	return "", 0
}

// backslash reads one or several, as nested quoting leaves them, and what they
// escape. \x is left: programs print bytes that way that are no text.
func backslash(text []byte) (string, int) {
	i := 0
	for i < len(text) && text[i] == '\\' {
		i++
	}
	if i == len(text) {
		return "", 0
	}
	switch text[i] {
	case '"', '\'', '/', '&', '`', '$':
		return string(text[i]), i + 1
	case 'n', 'r', 't':
		// No escape when a path goes on: C:\network.
		if i == 1 && i+2 < len(text) && isLower(text[i+1]) && isLower(text[i+2]) && text[i] != 'n' {
			return "", 0
		}
		return map[byte]string{'n': "\n", 'r': " ", 't': "\t"}[text[i]], i + 1
	case '\n':
		return " ", i + 1
	case 'u':
		if i+5 <= len(text) {
			if v, err := strconv.ParseUint(string(text[i+1:i+5]), 16, 32); err == nil && v != 0 {
				return string(rune(v)), i + 5
			}
		}
	}
	return "", 0
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func percent(text []byte) (string, int) {
	if len(text) < 3 {
		return "", 0
	}
	hi, lo := unhex(text[1]), unhex(text[2])
	v := hi<<4 | lo
	if hi > 15 || lo > 15 || v < ' ' && v != '\n' || v >= 0x7f {
		return "", 0
	}
	return string(rune(v)), 3
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// entities are the ones that templates and browsers make of what messages hold.
var entities = [...]struct{ name, text string }{
	{"&quot;", `"`},
	{"&apos;", `"`},
	{"&amp;", "&"},
	{"&lt;", "<"},
	{"&gt;", ">"},
	{"&nbsp;", " "},
	{"&rsquo;", `"`},
	{"&lsquo;", `"`},
	{"&ldquo;", `"`},
	{"&rdquo;", `"`},
	{"&hellip;", "…"},
}

func entity(text []byte) (string, int) {
	if len(text) > 3 && text[1] == '#' {
		end := bytes.IndexByte(text[:min(len(text), 10)], ';')
		if end > 2 {
			digits, base := string(text[2:end]), 10
			if digits[0] == 'x' || digits[0] == 'X' {
				digits, base = digits[1:], 16
			}
			if v, err := strconv.ParseUint(digits, base, 21); err == nil && v >= ' ' && utf8.ValidRune(rune(v)) {
				return string(rune(v)), end + 1
			}
		}
	}
	for _, e := range entities {
		if bytes.HasPrefix(text, []byte(e.name)) {
			return e.text, len(e.name)
		}
	}
	return "", 0
}

// colour passes over an ANSI sequence: ESC [ parameters letter.
func colour(text []byte) (string, int) {
	if len(text) < 2 || text[1] != '[' {
		return " ", 1
	}
	for i := 2; i < len(text) && i < 24; i++ {
		if c := text[i]; 0x40 <= c && c <= 0x7e {
			return "", i + 1
		}
	}
	return "", 2
}

// joinWrapped takes away line breaks that a terminal put where its width
// ended: two lines or more are as long as the longest, or one is and its
// length is that of a terminal.
func joinWrapped(text []byte) []byte {
	if bytes.IndexByte(text, '\n') < 0 {
		return text
	}
	longest, as := 0, 0
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\n")
		switch n := utf8.RuneCount(line); {
		case n > longest:
			longest, as = n, 1
		case n == longest:
			as++
		}
	}
	if longest < 40 || as < 2 && longest != 80 && longest != 100 && longest != 120 && longest != 132 {
		return text
	}
	out := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		bare := bytes.TrimRight(line, "\n")
		if utf8.RuneCount(bare) == longest {
			line = bare
		}
		out = append(out, line...)
	}
	return out
}

// squashed is text without what wrapping changes: letters are small, white
// space and quotes are gone. Phrases are looked for in it.
type squashed struct {
	text []byte
	// at is where in the unwrapped text each byte stands.
	at []int32
}

// squash gives the byte for the squashed text, 0 to leave it out.
var squash = func() (table [256]byte) {
	for c := range table {
		table[c] = byte(c)
	}
	for c := 'A'; c <= 'Z'; c++ {
		table[c] = byte(c - 'A' + 'a')
	}
	for _, c := range " \t\n\v\f\r\x00\"'`\\+" {
		table[c] = 0
	}
	return table
}()

func (s *squashed) set(text []byte) {
	s.text, s.at = make([]byte, 0, len(text)), make([]int32, 0, len(text))
	for i, c := range text {
		if c = squash[c]; c != 0 {
			s.text = append(s.text, c)
			s.at = append(s.at, int32(i))
		}
	}
}

// squashPhrase does to a phrase of a table what squashed does to text.
func squashPhrase(phrase string) string {
	out := make([]byte, 0, len(phrase))
	for i := range len(phrase) {
		if c := squash[phrase[i]]; c != 0 {
			out = append(out, c)
		}
	}
	return string(out)
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}
