package format

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
)

// bodyScan is what stands between a BEGIN and its END.
type bodyScan struct {
	// headers are the RFC 1421 lines ("DEK-Info: …") before the data.
	headers map[string]string
	// der is the decoded data, as far as it goes when err is set.
	der []byte
	err error
	// lines counts line breaks.
	lines int
	// faults has the first line of each.
	faults []fault
}

type fault struct {
	rule string
	line int
	text string
}

func (s *bodyScan) fault(rule string, line int, text string) {
	for _, f := range s.faults {
		if f.rule == rule {
			return
		}
	}
	s.faults = append(s.faults, fault{rule, line, text})
}

// scanBody decodes b's body, leniently, and remembers what it had to forgive.
func (r *pemReader) scanBody(b *block) *bodyScan {
	s := &bodyScan{}
	body := r.text[b.marker.end:b.bodyEnd]
	if bytes.IndexByte(body, '\\') >= 0 {
		var escaped bool
		if body, escaped = breakEscapes(body); escaped {
			s.fault(NoteLiteralNewline, b.line, `the two characters \n stand where lines should break`)
		}
	}
	c := cleaner{bodyScan: s, line: b.line, lenient: b.end == nil}
	// A prefix of BEGIN's line that is repeated on each line (indentation, the
	// > of a quoted mail) is taken off.
	if n := len(b.prefix); n > 0 && !isBase64(b.prefix[n-1]) {
		c.prefix = b.prefix
	}
	c.clean(body)
	s.der, s.err = c.decode()
	if b.end == nil {
		// What follows a body without END may look like base64 as well.
		if e, ok := peek(s.der); ok && e.tag == tagSequence && e.length >= 0 && !e.truncated() {
			s.der, s.err = s.der[:e.size()], nil
		}
	}
	return s
}

// breakEscapes puts line breaks for literal \n.
func breakEscapes(text []byte) (out []byte, escaped bool) {
	out = make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if w := escape(text[i:]); w > 0 {
			out = append(out, '\n')
			escaped = true
			i += w - 1
			continue
		}
		out = append(out, text[i])
	}
	return out, escaped
}

// cleaner takes everything out of a body that is not base64.
type cleaner struct {
	*bodyScan
	prefix []byte
	// lenient ends the body quietly at the first character that is not
	// base64: it has no END that would say where it ends.
	lenient bool

	b64     []byte
	padding int
	line    int
	// Within the line: characters of base64, and whether blanks came last.
	width   int
	blank   bool
	prev    int // width of the data line before, 0 when there is none
	onBegin bool
	open    int // line number of a blank line, 0 when none is pending
}

func (c *cleaner) clean(body []byte) {
	c.b64 = make([]byte, 0, len(body))
	c.onBegin = true
	for i := 0; i < len(body) && c.err == nil; {
		ch := body[i]
		switch {
		case ch == '\n' || ch == '\r':
			i++
			if ch == '\r' && i < len(body) && body[i] == '\n' {
				i++
			}
			c.endLine()
			i += c.startLine(body[i:])
		case ch == ' ' || ch == '\t' || ch == '\v' || ch == '\f':
			c.blank = true
			i++
		case ch == '=':
			c.padding++
			c.width++
			i++
		case isBase64(ch):
			c.data(ch)
			i++
		case ch == '-' || ch == '_':
			c.fault(NoteBase64URL, c.line, "base64 for URLs, with - and _, stands where PEM has + and /")
			if ch == '-' {
				c.data('+')
			} else {
				c.data('/')
			}
			i++
		default:
			w, ok := c.foreign(body[i:])
			if !ok {
				return
			}
			i += w
		}
	}
	c.blank = false // before END on the same line
	if c.open > 0 && len(c.b64) > 0 && !c.lenient {
		c.blankLine()
	}
	c.endLine()
}

// blankLine notes one between two lines of data, or before END. One right behind
// BEGIN is the end of headers that are not there, and harms nobody.
func (c *cleaner) blankLine() {
	c.fault(NoteBlankLine, c.open, "a blank line stands inside the block, where OpenSSL gives up")
}

// data takes one character of base64.
func (c *cleaner) data(ch byte) {
	if c.padding > 0 {
		if !c.lenient {
			c.err = &lineError{c.line, "base64 goes on behind its padding"}
		}
		return
	}
	if c.width == 0 {
		c.startData()
	}
	if c.blank {
		if c.width > 0 {
			c.fault(NoteBlanksInBody, c.line, "blanks stand inside the base64")
		} else if !c.onBegin {
			c.fault(NoteIndented, c.line, "the base64 is indented")
		}
		c.blank = false
	}
	c.width++
	c.b64 = append(c.b64, ch)
}

// startData is called at the first character of data in a line.
func (c *cleaner) startData() {
	if c.onBegin {
		c.fault(NoteOneLine, c.line, "the base64 begins on the line of BEGIN")
	}
	if c.open > 0 && len(c.b64) > 0 {
		c.blankLine()
	}
	c.open = 0
	if c.prev > 0 && c.prev != 64 {
		c.fault(NoteLineLength, c.line-1, fmt.Sprintf("a line of %d characters; PEM has 64", c.prev))
	}
}

func (c *cleaner) endLine() {
	switch {
	case c.width == 0 && !c.onBegin:
		if c.open == 0 {
			c.open = c.line
		}
	case c.width > 0 && c.blank:
		c.fault(NoteTrailingBlanks, c.line, "blanks at the end of a line")
	}
	if c.width > 64 {
		c.fault(NoteLineLength, c.line, fmt.Sprintf("a line of %d characters; PEM has 64", c.width))
	}
	if c.width > 0 {
		c.prev = c.width
	}
}

// startLine begins a new line and gives the bytes to pass over: the repeated
// prefix, or a whole header.
func (c *cleaner) startLine(rest []byte) int {
	c.lines++
	c.line++
	c.width, c.blank, c.onBegin = 0, false, false
	skip := 0
	if len(c.prefix) > 0 && bytes.HasPrefix(rest, c.prefix) {
		skip = len(c.prefix)
	}
	if len(c.b64) > 0 {
		return skip
	}
	line := rest[skip:]
	if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	if key, value, ok := header(line); ok {
		if c.headers == nil {
			c.headers = map[string]string{}
		}
		c.headers[key] = value
		c.open = 0
		// The line counts as one with data, and its blank line after it as
		// what RFC 1421 section 4.4 asks for.
		c.width, c.prev = -1, 0
		return skip + len(line)
	}
	if len(c.headers) > 0 && len(bytes.TrimSpace(line)) == 0 {
		c.width = -1
	}
	return skip
}

// header reads "Key: value". A colon is not base64, so any line with one is a
// header, as for encoding/pem.
func header(line []byte) (key, value string, ok bool) {
	k, v, ok := bytes.Cut(line, []byte(":"))
	return string(bytes.TrimSpace(k)), string(bytes.TrimSpace(v)), ok
}

// foreign takes one character that is not base64, and reports whether to go on.
func (c *cleaner) foreign(rest []byte) (width int, ok bool) {
	if w := invisible(rest); w > 0 {
		c.fault(NoteNonBreakingSpace, c.line, "an invisible character (a non-breaking or zero-width space) stands inside the base64")
		return w, true
	}
	switch rest[0] {
	case 0:
		c.fault(NoteNUL, c.line, "a NUL byte stands inside the base64")
		return 1, true
	case '"', '\'', ',', '\\':
		c.fault(NoteQuoted, c.line, "quotation marks, commas or backslashes of a program or a JSON file stand inside the block")
		return 1, true
	}
	if c.lenient {
		return 0, false
	}
	ch, _ := utf8.DecodeRune(rest)
	c.err = &lineError{c.line, fmt.Sprintf("%q is not base64", ch)}
	return 0, false
}

// lineError is a fault in a line of the source, counted from 1.
type lineError struct {
	line int
	text string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

// decode turns the cleaned characters into bytes.
func (c *cleaner) decode() ([]byte, error) {
	usable := len(c.b64)
	cut := usable%4 == 1
	if cut {
		usable--
	}
	der := make([]byte, base64.RawStdEncoding.DecodedLen(usable))
	n, err := base64.RawStdEncoding.Decode(der, c.b64[:usable])
	der = der[:n]
	switch {
	case c.err != nil:
		return der, c.err
	case err != nil:
		return der, err
	case cut:
		return der, &lineError{c.line, fmt.Sprintf("the base64 is cut off after %d characters", len(c.b64))}
	}
	if want := (4 - usable%4) % 4; c.padding != want {
		c.fault(NotePadding, c.line, fmt.Sprintf("the base64 ends with %d = signs where %d belong", c.padding, want))
	}
	return der, nil
}

func isBase64(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
}

// body turns b's data into material.
func (r *pemReader) body(b *block, s *bodyScan) {
	for _, f := range s.faults {
		switch f.rule {
		case NoteTrailingBlanks, NoteLineLength:
			r.tally.add(f.rule, f.line, f.text)
		default:
			r.note(f.rule, at(b.origin, f.line), "%s", f.text)
		}
	}
	want := labelKind(b.label)
	if want == kindOther || want == kindUnknown && (s.err != nil || sniff(s.der) == kindUnknown) {
		r.other(b.origin, fmt.Sprintf("a block labelled %q (line %d)", b.label, b.line))
		return
	}
	if s.err != nil {
		if e, ok := errors.AsType[*lineError](s.err); ok {
			r.note(NoteBadBase64, at(b.origin, e.line), "%s", e.text)
		} else {
			r.note(NoteBadBase64, b.origin, "%v", s.err)
		}
		r.addBroken(want, b.origin, s.der, s.err)
		return
	}
	_, encrypted := s.headers["DEK-Info"]
	encrypted = encrypted || strings.HasSuffix(s.headers["Proc-Type"], "ENCRYPTED")
	if len(s.headers) > 0 && !encrypted {
		r.note(NoteHeaders, at(b.origin, b.line), "the block has headers, as e-mail had them")
	}
	switch {
	case len(s.der) == 0:
		r.addBroken(want, b.origin, nil, fmt.Errorf("line %d: the block is empty", b.line))
	case encrypted:
		r.legacyKey(b.origin, s)
	case b.label == "OPENSSH PRIVATE KEY":
		r.addKey(pki.Key{Origin: b.origin, Err: errOpenSSH})
	case r.nested(b, s.der):
	default:
		r.item(s.der, b.origin, want, b.label)
	}
}

// nested reads a body that is text again: base64 of PEM, or base64 twice.
func (r *pemReader) nested(b *block, data []byte) bool {
	if looksDER(data) || r.depth+1 >= maxDepth {
		return false
	}
	if _, ok := nextMarker(data, 0); !ok {
		if _, ok := plainBase64(data); !ok {
			return false
		}
	}
	r.note(NoteBase64Nested, at(b.origin, b.line), "the block holds base64 of text: it was encoded once too often")
	inner := *r.decoder
	inner.inside = true
	inner.text(data, r.depth+1)
	inner.inside = r.inside
	*r.decoder = inner
	return true
}

// bareBase64 reads text without any marker: base64 of DER, of PEM, or of
// base64.
func (d *decoder) bareBase64(text []byte, depth int) {
	if depth >= maxDepth {
		d.why = fmt.Sprintf("is base64 in more than %d layers", maxDepth)
		return
	}
	data, ok := plainBase64(text)
	if !ok {
		return
	}
	switch _, marked := nextMarker(data, 0); {
	case looksDER(data):
		d.note(NoteBase64OfDER, d.origin(0), "the data is bare base64 without BEGIN and END")
	case marked:
		d.note(NoteBase64OfPEM, d.origin(0), "the data is base64 of PEM, as the values of a Kubernetes Secret are: decode it once more")
	default:
		if _, ok := plainBase64(data); !ok {
			return // any word of four letters is base64
		}
		d.note(NoteBase64Nested, d.origin(0), "the data is base64 of base64")
	}
	d.any(data, depth+1)
}

// plainBase64 decodes text that is base64 and nothing else, line breaks, quotes
// and escapes aside.
func plainBase64(text []byte) ([]byte, bool) {
	c := cleaner{bodyScan: &bodyScan{}}
	if bytes.IndexByte(text, '\\') >= 0 {
		text, _ = breakEscapes(text)
	}
	c.clean(text)
	data, err := c.decode()
	return data, err == nil && len(data) > 2
}
