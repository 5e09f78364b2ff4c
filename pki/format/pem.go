package format

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
)

// Reading PEM. encoding/pem skips, without a word, whatever it does not
// understand: a byte-order mark, or a missing line break, costs a certificate
// and nobody is told. So we look for BEGIN and END markers ourselves, account
// for each, name every fault with its line, and read what is clearly meant.
// encoding/pem is run beside, to say which blocks Go programs would lose.

// byteOrderMark is U+FEFF as UTF-8.
const byteOrderMark = "\xEF\xBB\xBF"

// pemReader walks over the markers of one text.
type pemReader struct {
	*decoder
	text  []byte
	depth int
	lines lineCounter
	goes  []goBlock
	tally tally
	// last is the previous marker; zero before the first. After a BEGIN without
	// END it is that BEGIN, with the end of its body.
	last      marker
	lastBlock pki.Origin
	found     int
}

// block is one BEGIN with what follows it.
type block struct {
	origin pki.Origin
	marker
	line int
	// body is between the markers, or up to the next one when END is missing.
	bodyEnd int
	end     *marker
	// prefix stands before BEGIN on its line.
	prefix []byte
}

// text reads PEM, or base64 without any marker.
func (d *decoder) text(data []byte, depth int) {
	origin := d.origin(0)
	text, was16 := fromUTF16(data)
	if was16 {
		d.note(NoteUTF16, origin, "the file is UTF-16, as PowerShell's > and Notepad's \"Unicode\" write it: save it as UTF-8")
	}
	first, ok := nextMarker(text, 0)
	if !ok {
		d.bareBase64(text, depth)
		return
	}
	r := pemReader{decoder: d, text: text, depth: depth, lines: lineCounter{text: text}}
	if depth == 0 {
		r.goes = goView(data)
	}
	r.read(first)
}

// decoded: the text is not the file's own, but what was decoded out of it, so
// that its lines are not those of the file.
func (r *pemReader) decoded() bool { return r.depth > 0 || r.inside }

// read goes from marker to marker.
func (r *pemReader) read(m marker) {
	for ok := true; ok; {
		if !m.begin {
			r.orphanEnd(m)
			m, ok = nextMarker(r.text, m.end)
			continue
		}
		if r.found == maxBlocks {
			r.note(NoteTooManyBlocks, at(r.origin(0), r.lines.at(m.start)), "more than %d blocks: the rest is not read", maxBlocks)
			r.fail(r.origin(0), fmt.Errorf("holds more than %d PEM blocks: the rest is not read", maxBlocks))
			break
		}
		r.found++
		b := block{marker: m, line: r.lines.at(m.start), bodyEnd: len(r.text)}
		m, ok = nextMarker(r.text, b.marker.end)
		if ok {
			b.bodyEnd = m.start
			if m.begin {
				// What stands before the next BEGIN on its line is not ours.
				if i := bytes.LastIndexAny(r.text[b.marker.end:m.start], "\n\r"); i >= 0 {
					b.bodyEnd = b.marker.end + i + 1
				}
			} else {
				end := m
				b.end = &end
				m, ok = nextMarker(r.text, end.end)
			}
		}
		until := len(r.text)
		if ok {
			until = m.start
		}
		r.block(&b, until)
	}
	r.afterLast()
	r.tally.write(r.decoder, r.decoded())
	if len(r.m.Certs) > 0 && len(r.m.Keys) > 0 {
		r.note(NoteKeyAmongCerts, r.m.Keys[0].Origin, "a private key stands in the same file as %s", count(len(r.m.Certs), "certificate"))
	}
}

// block reads one block; until is where the next marker starts.
func (r *pemReader) block(b *block, until int) {
	gap := r.text[r.last.end:b.start]
	lineStart := bytes.LastIndexAny(gap, "\n\r") + 1
	b.prefix = gap[lineStart:]
	if commentedOut(b.prefix) {
		r.tally.add(NoteCommentedOut, b.line, "a block behind a comment sign is not read")
		r.setLast(b)
		return
	}
	raw := r.scanBody(b)
	if mentioned(b, raw) {
		r.tally.add(NoteMarkerInProse, b.line, "the text mentions BEGIN and END; there is no block")
		r.setLast(b)
		return
	}
	b.origin = r.next()
	if !r.decoded() {
		b.origin.Line, b.origin.Column = b.line, 1+utf8.RuneCount(b.prefix)
	}
	r.before(b, gap[:lineStart], lineStart == 0 && r.last.end > 0 && !r.last.begin)
	r.markers(b)
	r.body(b, raw)
	r.goVerdict(b, raw, until)
	r.lastBlock = b.origin
	r.setLast(b)
}

func (r *pemReader) setLast(b *block) {
	r.last = b.marker
	if b.end != nil {
		r.last = *b.end
	} else {
		r.last.end = b.bodyEnd
	}
}

// commentedOut reports whether prefix, which stands before BEGIN, is the sign
// of a comment.
func commentedOut(prefix []byte) bool {
	prefix = bytes.TrimSpace(prefix)
	return bytes.HasPrefix(prefix, []byte("#")) || bytes.HasPrefix(prefix, []byte(";")) || bytes.HasPrefix(prefix, []byte("//"))
}

// mentioned reports whether b is a sentence about markers ("put it between
// BEGIN and END") rather than a block.
func mentioned(b *block, raw *bodyScan) bool {
	return b.end != nil && b.bodyEnd-b.marker.end < 64 && raw.lines == 0 && len(bytes.TrimSpace(b.prefix)) > 0
}

// before notes what stands between the previous block and b.
func (r *pemReader) before(b *block, gap []byte, behindEnd bool) {
	first := r.last.end == 0
	tail := gap
	if !first && !r.last.begin {
		// The rest of END's own line has been judged by afterEnd.
		if i := bytes.IndexAny(gap, "\n\r"); i >= 0 {
			r.afterEnd(gap[:i])
			tail = gap[i:]
		}
	}
	if prose(tail) {
		line := r.lines.at(r.last.end) + bytes.Count(leadingBlank(gap), []byte("\n"))
		if first {
			r.tally.add(NoteTextBefore, line, "text before the first block")
		} else {
			r.tally.add(NoteTextBetween, line, "text between blocks")
		}
	}
	if bytes.IndexByte(gap, 0) >= 0 || bytes.IndexByte(b.prefix, 0) >= 0 {
		r.note(NoteNUL, at(b.origin, b.line), "a NUL byte stands before BEGIN")
	}
	r.linePrefix(b, behindEnd)
}

// linePrefix notes what stands before BEGIN on its own line.
func (r *pemReader) linePrefix(b *block, behindEnd bool) {
	p := b.prefix
	if i := bytes.Index(p, []byte(byteOrderMark)); i >= 0 {
		r.note(NoteByteOrderMark, at(b.origin, b.line), "a UTF-8 byte-order mark stands before BEGIN")
		p = append(bytes.Clone(p[:i]), p[i+len(byteOrderMark):]...)
	}
	if _, escaped := unescape(p); escaped {
		r.note(NoteLiteralNewline, at(b.origin, b.line), `the two characters \n stand where a line should break`)
	}
	bare := bytes.Trim(blankOut(p), " \x00")
	switch {
	case len(bare) > 0 && bytes.ContainsAny(bare[len(bare)-1:], `"'`):
		r.note(NoteQuoted, at(b.origin, b.line), "a quotation mark stands before BEGIN")
	case len(bare) > 0:
		r.note(NoteTextBeforeBegin, at(b.origin, b.line), "other text stands before BEGIN on the same line")
	case behindEnd && !bytes.ContainsRune(p, '\\'):
		r.note(NoteNoNewlineBetween, at(b.origin, b.line), "BEGIN stands on the line of the END before it; the files were joined without a line break")
	case len(bytes.Trim(p, "\x00")) > 0 && !bytes.ContainsRune(p, '\\'):
		r.note(NoteIndented, at(b.origin, b.line), "BEGIN is indented, as copied out of YAML")
	}
}

// afterEnd notes text on the line of the END before.
func (r *pemReader) afterEnd(rest []byte) {
	line := r.lines.at(r.last.end)
	bare := bytes.Trim(blankOut(rest), " \x00")
	switch {
	case len(bare) == 0:
	case bytes.ContainsAny(bare[:1], `"'`):
		r.note(NoteQuoted, at(r.lastBlock, line), "a quotation mark stands behind END")
	default:
		r.note(NoteTextAfterEnd, at(r.lastBlock, line), "other text stands behind END on the same line")
	}
}

// afterLast notes what follows the last block, and how the file ends.
func (r *pemReader) afterLast() {
	rest := r.text[min(r.last.end, len(r.text)):]
	line := r.lines.at(r.last.end)
	own := rest
	if i := bytes.IndexAny(rest, "\n\r"); i >= 0 {
		own = rest[:i]
		if prose(rest[i:]) {
			r.tally.add(NoteTextAfter, line+bytes.Count(leadingBlank(rest), []byte("\n")), "text after the last block")
		}
	}
	if r.lastBlock.Index > 0 {
		r.afterEnd(own)
	}
	if bytes.IndexByte(rest, 0) >= 0 {
		r.tally.add(NoteNUL, line, "a NUL byte after the last block")
	}
	if n := len(r.text); n > 0 && r.text[n-1] != '\n' && r.text[n-1] != '\r' {
		r.tally.add(NoteNoFinalNewline, r.lines.at(n), "the file does not end with a line break: what is appended to it lands on the same line")
	}
	r.lineEnds()
}

// lineEnds notes how the file breaks its lines.
func (r *pemReader) lineEnds() {
	crlf := bytes.Count(r.text, []byte("\r\n"))
	cr := bytes.Count(r.text, []byte("\r")) - crlf
	if crlf > 0 {
		r.note(NoteCRLF, r.origin(0), "%s as on Windows (CR LF)", count(crlf, "line break"))
	}
	if cr > 0 {
		r.note(NoteCROnly, r.origin(0), "%s as on old Macs (CR alone), which is none for Go and OpenSSL", count(cr, "line break"))
	}
}

// orphanEnd notes an END without BEGIN.
func (r *pemReader) orphanEnd(m marker) {
	line := r.lines.at(m.start)
	gap := r.text[r.last.end:m.start]
	prefix := gap[bytes.LastIndexAny(gap, "\n\r")+1:]
	if commentedOut(prefix) {
		return // the end of a block that is commented out line by line
	}
	r.tally.add(NoteMissingBegin, line, "END "+m.label+" without a BEGIN before it")
	r.last = m
}

// markers notes how b's BEGIN and END lines are spelt and what they say.
func (r *pemReader) markers(b *block) {
	odd := b.odd
	if b.end == nil {
		r.note(NoteMissingEnd, at(b.origin, b.line), "BEGIN %s has no END", b.label)
	} else {
		odd |= b.end.odd
		if b.end.label != b.label {
			r.note(NoteEndMismatch, at(b.origin, b.line), "BEGIN says %s, END says %s", b.label, b.end.label)
		}
	}
	for _, o := range []struct {
		odd  oddity
		rule string
		text string
	}{
		{oddDashCount, NoteDashCount, "BEGIN and END need five dashes on each side"},
		{oddTypographic, NoteTypographicDash, "BEGIN or END has dashes that a word processor made; they need five hyphens on each side"},
		{oddNBSP, NoteNonBreakingSpace, "BEGIN or END has a non-breaking space, as copied from a web page"},
		{oddCase, NoteMarkerCase, "BEGIN and END are written in capitals, and so are their labels"},
		{oddBlanks, NoteMarkerBlanks, "BEGIN or END has blanks too many"},
	} {
		if odd&o.odd != 0 {
			r.note(o.rule, at(b.origin, b.line), "%s", o.text)
		}
	}
	switch b.label {
	case "X509 CERTIFICATE", "NEW CERTIFICATE REQUEST":
		r.note(NoteOldLabel, at(b.origin, b.line), "the label %s is an old one", b.label)
	case "ED25519 PRIVATE KEY":
		r.note(NoteKeyLabel, at(b.origin, b.line), "the label is cfssl's own; OpenSSL reads this key as PRIVATE KEY")
	}
}

// goBlock is what encoding/pem makes of one block.
type goBlock struct {
	end     int // offset behind the END line
	label   string
	headers bool
	der     []byte
}

// goView runs encoding/pem over data as Go programs do.
func goView(data []byte) []goBlock {
	var out []goBlock
	for rest := data; len(out) < maxBlocks; {
		var b *pem.Block
		b, rest = pem.Decode(rest)
		if b == nil {
			break
		}
		out = append(out, goBlock{end: len(data) - len(rest), label: b.Type, headers: len(b.Headers) > 0, der: b.Bytes})
	}
	return out
}

// goVerdict notes that Go programs do not see b. until is where the next
// marker starts.
func (r *pemReader) goVerdict(b *block, raw *bodyScan, until int) {
	k := labelKind(b.label)
	if k != kindCert && k != kindCSR && k != kindKey {
		return
	}
	for len(r.goes) > 0 && r.goes[0].end <= b.marker.end {
		r.goes = r.goes[1:]
	}
	seen := len(r.goes) > 0 && r.goes[0].end <= max(until, b.bodyEnd) && bytes.Equal(r.goes[0].der, raw.der)
	switch {
	case !seen:
		r.note(NoteSkippedByGo, at(b.origin, b.line), "Go programs pass over this %s without a word", strings.ToLower(b.label))
	case k == kindCert && r.goes[0].label != labelCert:
		r.note(NoteSkippedByGo, at(b.origin, b.line), "Go programs load blocks named CERTIFICATE and pass over this one")
	case k == kindCert && r.goes[0].headers:
		r.note(NoteSkippedByGo, at(b.origin, b.line), "Go programs pass over certificates with headers")
	}
}

// prose reports whether text says anything: more than blanks, byte-order marks
// and the brackets, quotes and escapes of the file around.
func prose(text []byte) bool {
	return len(bytes.Trim(blankOut(text), " \x00\"',|>[]{}-")) > 0
}

// leadingBlank gives the blank part that text begins with.
func leadingBlank(text []byte) []byte {
	for i, c := range text {
		if c > ' ' {
			return text[:i]
		}
	}
	return text
}

// blankOut copies text with every kind of blank, and literal \n, as spaces.
func blankOut(text []byte) []byte {
	plain, _ := unescape(text)
	out := make([]byte, 0, len(plain))
	for i := 0; i < len(plain); {
		if w := invisible(plain[i:]); w > 0 {
			out = append(out, ' ')
			i += w
			continue
		}
		c := plain[i]
		if c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r' {
			c = ' '
		}
		out = append(out, c)
		i++
	}
	return out
}

// unescape copies text with the escapes \n, \r and \t as spaces.
func unescape(text []byte) (plain []byte, escaped bool) {
	if bytes.IndexByte(text, '\\') < 0 {
		return text, false
	}
	plain = make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if w := escape(text[i:]); w > 0 {
			plain = append(plain, ' ')
			escaped = true
			i += w - 1
			continue
		}
		plain = append(plain, text[i])
	}
	return plain, escaped
}

// escape gives the length of the escape sequence for a line break or tab that
// text begins with: \n, and \\n where it was escaped twice.
func escape(text []byte) int {
	n := 0
	for n < len(text) && n < 4 && text[n] == '\\' {
		n++
	}
	if n > 0 && n < len(text) && (text[n] == 'n' || text[n] == 'r' || text[n] == 't') {
		return n + 1
	}
	return 0
}

// invisible gives the length of the blank beyond ASCII that text begins with:
// non-breaking and typographic spaces, zero-width characters, byte-order mark.
func invisible(text []byte) int {
	if len(text) == 0 || text[0] < utf8.RuneSelf {
		return 0
	}
	r, w := utf8.DecodeRune(text)
	switch {
	case r == 0xA0, r == 0x85, r == 0xAD, r >= 0x2000 && r <= 0x200D, r == 0x2028, r == 0x2029,
		r == 0x202F, r == 0x205F, r == 0x2060, r == 0x3000, r == 0xFEFF:
		return w
	}
	return 0
}

// fromUTF16 gives data as UTF-8 when it is UTF-16: by its byte-order mark, or
// by the NUL bytes between the dashes.
func fromUTF16(data []byte) ([]byte, bool) {
	var little bool
	switch {
	case bytes.HasPrefix(data, []byte("\xFF\xFE")):
		little, data = true, data[2:]
	case bytes.HasPrefix(data, []byte("\xFE\xFF")):
		data = data[2:]
	case bytes.Contains(data, []byte("-\x00-\x00-\x00")):
		little = bytes.Index(data, []byte("-\x00-\x00-\x00"))%2 == 0
	default:
		return data, false
	}
	text := make([]byte, 0, len(data)/2)
	unit := func(i int) rune {
		if little {
			return rune(data[i]) | rune(data[i+1])<<8
		}
		return rune(data[i])<<8 | rune(data[i+1])
	}
	for i := 0; i+1 < len(data); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) && i+3 < len(data) {
			if pair := utf16.DecodeRune(r, unit(i+2)); pair != utf8.RuneError {
				r, i = pair, i+2
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return text, true
}

// lineCounter tells line numbers. Asked in ascending order, it reads the text
// once.
type lineCounter struct {
	text []byte
	pos  int
	line int // breaks before pos
}

// at gives the line, counted from 1, of the byte at offset.
func (l *lineCounter) at(offset int) int {
	offset = min(offset, len(l.text))
	if offset < l.pos {
		return l.line + 1 - breaks(l.text[offset:l.pos])
	}
	l.line += breaks(l.text[l.pos:offset])
	l.pos = offset
	return l.line + 1
}

// breaks counts line breaks: LF, CR LF, CR alone.
func breaks(text []byte) int {
	n := bytes.Count(text, []byte("\n"))
	for i := bytes.IndexByte(text, '\r'); i >= 0 && i < len(text); {
		if i+1 == len(text) || text[i+1] != '\n' {
			n++
		}
		next := bytes.IndexByte(text[i+1:], '\r')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return n
}

// tally gathers what is said once for the whole file.
type tally []struct {
	rule string
	line int
	n    int
	text string
}

// add counts one more place where rule applies.
func (t *tally) add(rule string, line int, text string) {
	for i := range *t {
		if (*t)[i].rule == rule {
			(*t)[i].n++
			return
		}
	}
	*t = append(*t, struct {
		rule string
		line int
		n    int
		text string
	}{rule, line, 1, text})
}

// write turns the tally into notes on the whole file. In what was decoded,
// lines are not those of the file.
func (t tally) write(d *decoder, decoded bool) {
	for _, e := range t {
		origin := d.origin(0)
		if !decoded {
			origin.Line = e.line
		}
		if e.n == 1 {
			d.note(e.rule, at(origin, e.line), "%s", e.text)
		} else {
			d.note(e.rule, at(origin, e.line), "%s; %d more further down", e.text, e.n-1)
		}
	}
}
