package tree

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// reader reads one document by recursive descent, along YAML 1.2 and where
// programs differ from it as libyaml, by which kubectl and Helm read. A fault
// ends it with a panic that document catches.
type reader struct {
	src     string // up to the document's end
	pos     int
	bol     int // where the line of pos begins
	depth   int
	nodes   int
	anchors map[string]*Node
}

// fault is the panic by which a reader ends.
type fault struct {
	offset int
	msg    string
}

func (r *reader) fail(offset int, format string, args ...any) {
	panic(fault{offset, fmt.Sprintf(format, args...)})
}

// at gives the byte k behind pos, 0 beyond the end.
func (r *reader) at(k int) byte {
	if r.pos+k < len(r.src) {
		return r.src[r.pos+k]
	}
	return 0
}

func (r *reader) atEnd() bool { return r.pos >= len(r.src) }

func isBlank(c byte) bool        { return c == ' ' || c == '\t' }
func isBreak(c byte) bool        { return c == '\n' || c == '\r' }
func isBlankOrBreak(c byte) bool { return isBlank(c) || isBreak(c) }

// isFlow tells the characters that end a plain word inside brackets.
func isFlow(c byte) bool { return c == ',' || c == '[' || c == ']' || c == '{' || c == '}' }

// spaceAt reports whether a blank, a line break or the end is k behind pos.
func (r *reader) spaceAt(k int) bool {
	return r.pos+k >= len(r.src) || isBlankOrBreak(r.src[r.pos+k])
}

func (r *reader) blanks() {
	for !r.atEnd() && isBlank(r.src[r.pos]) {
		r.pos++
	}
}

// newline passes over a line break: LF, CR LF or CR.
func (r *reader) newline() {
	if r.at(0) == '\r' && r.at(1) == '\n' {
		r.pos++
	}
	r.pos++
	r.bol = r.pos
}

// restOfLine gives what is left of the line.
func (r *reader) restOfLine() string {
	rest := r.src[r.pos:]
	if i := strings.IndexAny(rest, "\n\r"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// skip passes over blanks, comments and line breaks, and reports whether it
// came to another line.
func (r *reader) skip() (fresh bool) {
	for {
		r.blanks()
		if r.comment() {
			r.pos += len(r.restOfLine())
		}
		if r.atEnd() || !isBreak(r.at(0)) {
			return fresh
		}
		r.newline()
		fresh = true
	}
}

// comment reports whether a comment begins at pos.
func (r *reader) comment() bool {
	return r.at(0) == '#' && (r.pos == r.bol || isBlank(r.src[r.pos-1]))
}

// column is the indentation of pos when only blanks, or the dashes of lists,
// stand before it.
func (r *reader) column() int { return r.pos - r.bol }

// indent is column at the start of a line, where tabs have no place.
func (r *reader) indent() int {
	if i := strings.IndexByte(r.src[r.bol:r.pos], '\t'); i >= 0 && strings.Trim(r.src[r.bol:r.bol+i], " ") == "" {
		r.fail(r.bol+i, "a tab indents this line, and YAML takes blanks alone")
	}
	return r.column()
}

// make counts a node in.
func (r *reader) make(kind Kind, style Style, start int) *Node {
	r.nodes++
	if r.nodes > maxNodes {
		r.fail(start, "more than %d values, with aliases expanded", maxNodes)
	}
	return &Node{Kind: kind, Style: style, Start: start, End: start, size: 1}
}

// enter counts one more level; leave goes back up.
func (r *reader) enter() {
	r.depth++
	if r.depth > maxDepth {
		r.fail(r.pos, "nested more than %d deep", maxDepth)
	}
}

func (r *reader) leave() { r.depth-- }

// prologue passes over the byte-order mark, directives and the marker.
func (r *reader) prologue() {
	if r.pos == 0 && strings.HasPrefix(r.src, "\uFEFF") {
		r.pos, r.bol = len("\uFEFF"), len("\uFEFF")
	}
	for {
		r.skip()
		if r.at(0) != '%' || r.pos != r.bol {
			break
		}
		r.pos += len(r.restOfLine())
	}
	if r.pos == r.bol && strings.HasPrefix(r.src[r.pos:], "---") && isMarker(r.src[r.pos:]) {
		r.pos += 3
	}
}

func (r *reader) root() *Node {
	r.skip()
	if r.atEnd() || r.pos == r.bol && isMarker(r.src[r.pos:]) {
		return nil
	}
	return r.node(-1, place{compact: true})
}

// place is where a node may begin.
type place struct {
	// compact: a list or mapping may begin in this very line, behind a dash.
	compact bool
	// listAtParent: the dashes of a list may stand as far left as its key.
	listAtParent bool
}

// node reads the node at pos or on the lines that follow. Those lines are
// indented deeper than parent.
func (r *reader) node(parent int, p place) *Node {
	r.enter()
	defer r.leave()
	start := r.pos
	block := r.skip() || p.compact
	if !r.here(parent, p) {
		return r.make(Null, Plain, start)
	}
	before := r.pos
	anchor, tag := r.properties()
	if r.pos > before {
		if r.skip() {
			block = true
		} else if block && r.keyAhead() {
			r.pos, anchor, tag = before, "", "" // they are the key's
		}
	}
	var n *Node
	switch c := r.at(0); {
	case !r.here(parent, p):
		n = r.make(Null, Plain, before)
	case r.dash() && block:
		n = r.list()
	case r.dash():
		r.fail(r.pos, "a list begins on the line of its key: put it on the lines below")
	case block && (r.question() || r.keyAhead()):
		n = r.mapping()
	case c == '|' || c == '>':
		n = r.blockScalar(parent)
	default:
		n = r.inline(parent)
		r.lineEnd(n)
	}
	r.finish(n, anchor, tag)
	return n
}

// here reports whether the node is there at all: not at the end, and deep
// enough when it is the first of its line.
func (r *reader) here(parent int, p place) bool {
	switch {
	case r.atEnd():
		return false
	case strings.Trim(r.src[r.bol:r.pos], " \t") != "":
		return true
	}
	if r.pos == r.bol && isMarker(r.src[r.pos:]) {
		return false
	}
	col := r.indent()
	return col > parent || p.listAtParent && col == parent && r.dash()
}

// finish gives n its anchor and tag.
func (r *reader) finish(n *Node, anchor, tag string) {
	if tag == "!!str" || tag == "!" {
		if n.Kind == Null || n.Kind == Number || n.Kind == Bool {
			n.Kind = String
		}
	}
	if anchor != "" {
		if r.anchors == nil {
			r.anchors = map[string]*Node{}
		}
		r.anchors[anchor] = n
	}
}

// lineEnd refuses what follows a value on its line.
func (r *reader) lineEnd(n *Node) {
	r.blanks()
	switch c := r.at(0); {
	case r.atEnd(), isBreak(c):
		return
	case r.comment():
		r.pos += len(r.restOfLine())
		return
	case c == ':' && r.bol > n.Start && n.Style == Plain:
		r.fail(r.bol, "indented deeper than the key above, this line carries on that key's value")
	case c == ':':
		r.fail(r.pos, `a second ": " in one line: put the value between quotes`)
	case n.Style == Double || n.Style == Single:
		r.fail(r.pos, "text behind the closing quotation mark")
	case n.Style == Flow && (c == '{' || c == '['):
		return // JSON documents in a row; document knows
	}
	r.fail(r.pos, "text behind the value")
}

func (r *reader) dash() bool     { return r.at(0) == '-' && r.spaceAt(1) }
func (r *reader) question() bool { return r.at(0) == '?' && r.spaceAt(1) }

// properties reads "&anchor" and "!tag" and the blanks behind them.
func (r *reader) properties() (anchor, tag string) {
	for r.at(0) == '&' || r.at(0) == '!' {
		if r.at(0) == '&' {
			anchor = r.anchorName()
		} else {
			start := r.pos
			verbatim := r.at(1) == '<' // !<tag:yaml.org,2002:str>
			for !r.spaceAt(0) && (verbatim || !isFlow(r.at(0))) {
				r.pos++
			}
			tag = r.src[start:r.pos]
		}
		r.blanks()
	}
	return anchor, tag
}

// anchorName reads the name behind & or *.
func (r *reader) anchorName() string {
	start := r.pos
	for r.pos++; isNameByte(r.at(0)); {
		r.pos++
	}
	if r.pos == start+1 || !r.spaceAt(0) && strings.IndexByte("?:,]}%@`", r.at(0)) < 0 {
		r.fail(start, "in YAML a leading %c refers to an anchor, and no name of one follows: put the value between quotes", r.src[start])
	}
	return r.src[start+1 : r.pos]
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// keyAhead reports whether the line goes on with a key: a word, ": " behind it.
func (r *reader) keyAhead() bool {
	rest := r.restOfLine()
	i := 0
	for i < len(rest) && (rest[i] == '&' || rest[i] == '!' || rest[i] == '*') {
		for i < len(rest) && !isBlank(rest[i]) {
			i++
		}
		for i < len(rest) && isBlank(rest[i]) {
			i++
		}
		if i < len(rest) && rest[i] == ':' {
			return i+1 == len(rest) || isBlank(rest[i+1])
		}
	}
	if i == len(rest) {
		return false
	}
	switch rest[i] {
	case '"', '\'', '[', '{':
		end := bracketEnd(rest[i:])
		if end < 0 {
			return false
		}
		rest = strings.TrimLeft(rest[i+end:], " \t")
		return strings.HasPrefix(rest, ":") && (len(rest) == 1 || isBlank(rest[1]))
	case '#', '|', '>', '@', '`', '%', ',', ']', '}':
		return false
	}
	for ; i < len(rest); i++ {
		switch {
		case rest[i] == ':' && (i+1 == len(rest) || isBlank(rest[i+1])):
			return true
		case rest[i] == '#' && i > 0 && isBlank(rest[i-1]):
			return false
		}
	}
	return false
}

// bracketEnd gives the length of the quoted text or of the brackets that line
// begins with, -1 when they do not end within it.
func bracketEnd(line string) int {
	open := 0
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '"', '\'':
			n := quoteEnd(line[i:], c)
			if n < 0 {
				return -1
			}
			i += n - 1
		case '[', '{':
			open++
		case ']', '}':
			open--
		}
		if open == 0 {
			return i + 1
		}
	}
	return -1
}

// quoteEnd gives the length of the quoted text that line begins with, or -1.
func quoteEnd(line string, quote byte) int {
	for i := 1; i < len(line); i++ {
		switch {
		case line[i] == '\\' && quote == '"':
			i++
		case line[i] != quote:
		case quote == '\'' && strings.HasPrefix(line[i:], "''"):
			i++
		default:
			return i + 1
		}
	}
	return -1
}

// list reads a list by dashes.
func (r *reader) list() *Node {
	n, col := r.make(List, Block, r.pos), r.column()
	for {
		r.pos++
		r.addItem(n, r.node(col, place{compact: true}))
		r.skip()
		if r.blockEnds(col) || !r.dash() {
			return n
		}
	}
}

func (r *reader) addItem(n, item *Node) {
	n.Items = append(n.Items, item)
	n.size += item.size
	n.End = max(n.End, item.End)
}

// blockEnds reports whether the collection at column col ends before the line
// of pos.
func (r *reader) blockEnds(col int) bool {
	if r.atEnd() || r.pos == r.bol && isMarker(r.src[r.pos:]) {
		return true
	}
	at := r.indent()
	if at > col {
		r.fail(r.pos, "the line is indented by %d blanks, where those above it are by %d", at, col)
	}
	return at < col
}

// mapping reads "key: value" lines.
func (r *reader) mapping() *Node {
	n, col := r.make(Map, Block, r.pos), r.column()
	for {
		r.addPair(n, r.pair(col))
		r.skip()
		if r.blockEnds(col) {
			break
		}
		if !r.question() && !r.keyAhead() {
			r.noKey(n)
		}
	}
	r.merge(n)
	return n
}

// noKey says what is wrong with a line where a key is due.
func (r *reader) noKey(n *Node) {
	last := n.Pairs[len(n.Pairs)-1]
	for len(last.Value.Pairs) > 0 && last.Value.Style == Block {
		last = last.Value.Pairs[len(last.Value.Pairs)-1]
	}
	switch {
	case r.dash():
		r.fail(r.pos, "an item of a list where a key is due")
	case last.Value.Body > 0 && last.Value.Text == "":
		r.fail(r.pos, "the lines below %q belong to it when they are indented deeper than the key", pairLine(last))
	case strings.Contains(r.restOfLine(), ":"):
		r.fail(r.pos, "no blank behind the colon of a key")
	default:
		r.fail(r.pos, "a line without a key: lines that belong to the value above are indented deeper than %q", last.Key)
	}
}

// pairLine writes the line that begins a block scalar: "tls.crt: |".
func pairLine(p Pair) string {
	if p.Value.Style == Folded {
		return p.Key + ": >"
	}
	return p.Key + ": |"
}

func (r *reader) addPair(n *Node, p Pair) {
	n.Pairs = append(n.Pairs, p)
	n.size += p.Value.size + 1
	n.End = max(n.End, p.Value.End, p.KeyNode.End)
}

// pair reads one entry of a mapping whose keys stand at column col.
func (r *reader) pair(col int) Pair {
	if r.question() {
		r.pos++
		key := r.node(col, place{compact: true})
		p := r.keyed(key)
		r.skip()
		if !r.atEnd() && r.indent() == col && r.at(0) == ':' && r.spaceAt(1) {
			r.pos++
			p.Value = r.node(col, place{compact: true})
		} else {
			p.Value = r.make(Null, Plain, key.End)
		}
		return p
	}
	anchor, tag := r.properties()
	key := r.inline(col)
	r.finish(key, anchor, tag)
	p := r.keyed(key)
	r.blanks()
	if r.at(0) != ':' {
		r.fail(r.pos, "no colon behind the key %q", p.Key)
	}
	r.pos++
	p.Value = r.node(col, place{listAtParent: true})
	return p
}

// keyed makes a pair of a key. One that is no scalar keeps its own text.
func (r *reader) keyed(key *Node) Pair {
	p := Pair{Key: key.Text, KeyNode: key}
	if key.Kind == List || key.Kind == Map {
		p.Key = r.src[key.Start:key.End]
	}
	return p
}

// merge adds what "<<: *base" brings in, which never replaces a key.
func (r *reader) merge(n *Node) {
	var bases []*Node
	for _, p := range n.Pairs {
		if p.Key != "<<" || p.KeyNode.Style != Plain {
			continue
		}
		switch p.Value.Kind {
		case Map:
			bases = append(bases, p.Value)
		case List:
			bases = append(bases, p.Value.Items...)
		}
	}
	if bases == nil {
		return
	}
	have := make(map[string]bool, len(n.Pairs))
	for _, p := range n.Pairs {
		have[p.Key] = true
	}
	for _, base := range bases {
		for _, p := range base.Pairs {
			if have[p.Key] {
				continue
			}
			have[p.Key], p.Merged = true, true
			n.Pairs = append(n.Pairs, p)
			n.size += p.Value.size
			r.nodes += p.Value.size
		}
	}
	if r.nodes > maxNodes {
		r.fail(n.Start, "more than %d values, with aliases expanded", maxNodes)
	}
}

// inline reads a value that begins in this line and is no block.
func (r *reader) inline(parent int) *Node {
	switch c := r.at(0); c {
	case '*':
		return r.alias()
	case '"':
		return r.double()
	case '\'':
		return r.single()
	case '[', '{':
		return r.flow()
	case '@', '`', '%':
		r.fail(r.pos, "%q cannot begin a value in YAML: put it between quotes", c)
	case ',', ']', '}':
		r.fail(r.pos, "%q has no opening bracket", c)
	}
	return r.plain(parent, false)
}

func (r *reader) alias() *Node {
	start := r.pos
	name := r.anchorName()
	original := r.anchors[name]
	if original == nil {
		r.fail(start, "in YAML a leading * refers to an anchor, and there is no &%s above: put the value between quotes", name)
	}
	r.nodes += original.size
	if r.nodes > maxNodes {
		r.fail(start, "more than %d values, with aliases expanded", maxNodes)
	}
	n := *original
	n.Alias, n.Start, n.End = true, start, r.pos
	n.Body, n.Indent = 0, 0
	return &n
}

// plain reads a value without quotes. The lines after its first are indented
// deeper than parent, unless it stands in brackets.
func (r *reader) plain(parent int, flow bool) *Node {
	n := r.make(String, Plain, r.pos)
	text, folded := r.plainLine(flow), []string(nil)
	for n.End = r.pos; ; n.End = r.pos {
		pos, bol := r.pos, r.bol
		r.blanks()
		breaks := 0
		for !r.atEnd() && isBreak(r.at(0)) {
			r.newline()
			breaks++
			r.blanks()
		}
		if breaks == 0 || r.plainEnds(parent, flow) {
			r.pos, r.bol = pos, bol
			break
		}
		more := r.plainLine(flow)
		if more == "" {
			r.pos, r.bol = pos, bol
			break
		}
		if folded == nil {
			folded = []string{text}
		}
		folded = append(folded, fold(breaks), more)
	}
	n.Text = text
	if folded != nil {
		n.Text = strings.Join(folded, "")
		return n
	}
	n.Kind = resolve(text)
	return n
}

// plainEnds reports whether the line of pos does not carry a plain value on.
func (r *reader) plainEnds(parent int, flow bool) bool {
	switch {
	case r.atEnd() || r.at(0) == '#' || r.pos == r.bol && isMarker(r.src[r.pos:]):
		return true
	case flow:
		return false
	}
	if i := strings.IndexByte(r.src[r.bol:r.pos], '\t'); i >= 0 && i <= parent {
		r.indent()
	}
	return r.column() <= parent
}

// plainLine reads what one line has of a plain value.
func (r *reader) plainLine(flow bool) string {
	start, end := r.pos, r.pos
	for !r.atEnd() {
		c := r.src[r.pos]
		switch {
		case isBreak(c):
			r.pos = end
			return r.src[start:end]
		case c == ':' && r.spaceAt(1),
			c == '#' && r.pos > start && isBlank(r.src[r.pos-1]),
			flow && isFlow(c):
			r.pos = end
			return r.src[start:end]
		}
		if c < ' ' && c != '\t' || c == 0x7F {
			r.fail(r.pos, "a control character (0x%02x), which no text holds", c)
		}
		r.pos++
		if !isBlank(c) {
			end = r.pos
		}
	}
	r.pos = end
	return r.src[start:end]
}

// fold writes so many line breaks of a folded text.
func fold(breaks int) string {
	if breaks == 1 {
		return " "
	}
	return strings.Repeat("\n", breaks-1)
}

// resolve tells what kubectl and Helm take a plain word for.
func resolve(text string) Kind {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE",
		"yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF":
		return Bool
	}
	if isNumber(text) {
		return Number
	}
	return String
}

// isNumber tells integers and decimal fractions. Words such as .inf and dates,
// which nobody means as a number here, are texts.
func isNumber(text string) bool {
	digits := text
	if text[0] == '+' || text[0] == '-' {
		digits = text[1:]
	}
	if len(digits) > 2 && digits[0] == '0' {
		set := ""
		switch digits[1] {
		case 'x':
			set = "0123456789abcdefABCDEF_"
		case 'o':
			set = "01234567_"
		case 'b':
			set = "01_"
		}
		if set != "" {
			return strings.Trim(digits[2:], set) == ""
		}
	}
	mantissa, exponent, ok := strings.Cut(strings.ToLower(digits), "e")
	if ok {
		exponent = strings.TrimPrefix(strings.TrimPrefix(exponent, "+"), "-")
		if exponent == "" || strings.Trim(exponent, "0123456789") != "" {
			return false
		}
	}
	return strings.Count(mantissa, ".") <= 1 && strings.Trim(mantissa, "0123456789._") == "" &&
		strings.ContainsAny(mantissa, "0123456789") && mantissa[0] != '_'
}

// blockScalar reads "|" or ">" and the lines below, which are indented deeper
// than parent.
func (r *reader) blockScalar(parent int) *Node {
	n := r.make(String, Literal, r.pos)
	if r.at(0) == '>' {
		n.Style = Folded
	}
	r.pos++
	chomp, indent := byte(0), -1
	for {
		c := r.at(0)
		switch {
		case (c == '-' || c == '+') && chomp == 0:
			chomp = c
		case c >= '1' && c <= '9' && indent < 0:
			indent = max(parent, 0) + int(c-'0')
		default:
			return r.blockBody(n, parent, indent, chomp)
		}
		r.pos++
	}
}

// blockBody reads the lines of a block scalar. An indent of -1 is that of the
// first line that says something.
func (r *reader) blockBody(n *Node, parent, indent int, chomp byte) *Node {
	r.blanks()
	if r.comment() {
		r.pos += len(r.restOfLine())
	}
	if !r.atEnd() && !isBreak(r.at(0)) {
		r.fail(r.pos, "text behind %c, whose value begins on the next line", r.src[n.Start])
	}
	if !r.atEnd() {
		r.newline()
	}
	n.Body, n.End = r.pos, r.pos
	text := blockText{folded: n.Style == Folded}
	lead := max(parent, 0) + 1 // the least that the first line is indented by
	for !r.atEnd() && !isMarker(r.src[r.pos:]) {
		line := r.restOfLine()
		blanks := len(line) - len(strings.TrimLeft(line, " "))
		if blanks < len(line) {
			if indent < 0 && blanks >= lead {
				indent = blanks
			}
			if indent < 0 || blanks < indent {
				break
			}
		}
		if indent >= 0 && len(line) > indent {
			text.add(line[indent:])
			n.End = r.pos + len(line)
		} else {
			lead = max(lead, blanks)
			text.breaks++
		}
		r.pos += len(line)
		if r.atEnd() {
			text.open = len(line) > 0
			break
		}
		r.newline()
	}
	n.Indent = max(indent, 0)
	n.Text = text.end(chomp)
	return n
}

// blockText puts the lines of a block scalar together.
type blockText struct {
	folded bool
	b      strings.Builder
	// breaks counts the empty lines that have come since the last other one.
	breaks int
	// began is true behind the first line, deep when the last one began with a
	// blank, which keeps ">" from folding it.
	began, deep bool
	// open is true when the source ends without a line break.
	open bool
}

// add takes a line that is not empty.
func (t *blockText) add(line string) {
	deep := isBlank(line[0])
	switch {
	case !t.began:
	case !t.folded || t.deep || deep:
		t.breaks++
	case t.breaks == 0:
		t.b.WriteByte(' ')
	}
	t.b.WriteString(strings.Repeat("\n", t.breaks))
	t.b.WriteString(line)
	t.breaks, t.began, t.deep = 0, true, deep
}

// end adds the line breaks at the end: one, or with "+" all, or with "-" none.
// As for libyaml, a line that the source does not end has none.
func (t *blockText) end(chomp byte) string {
	switch {
	case t.open && t.breaks == 0:
	case chomp == '+' && t.began:
		t.b.WriteString(strings.Repeat("\n", t.breaks+1))
	case chomp == '+':
		t.b.WriteString(strings.Repeat("\n", t.breaks))
	case chomp == 0 && t.began:
		t.b.WriteByte('\n')
	}
	return t.b.String()
}

// single reads 'text'.
func (r *reader) single() *Node {
	n := r.make(String, Single, r.pos)
	var q quoted
	for r.pos++; ; {
		r.verbatim(n, &q, "'\n\r")
		if isBreak(r.at(0)) {
			r.foldQuoted(n, &q)
			continue
		}
		r.pos++
		if r.at(0) != '\'' {
			break
		}
		q.text = append(q.text, '\'')
		r.pos++
	}
	n.Text, n.End = string(q.text), r.pos
	return n
}

// double reads "text" with its escapes.
func (r *reader) double() *Node {
	n := r.make(String, Double, r.pos)
	var q quoted
	for r.pos++; ; {
		r.verbatim(n, &q, "\"\\\n\r")
		switch c := r.at(0); {
		case c == '"':
			r.pos++
			n.Text, n.End = string(q.text), r.pos
			return n
		case c == '\\' && r.pos+1 < len(r.src) && isBreak(r.at(1)):
			r.pos++
			r.newline()
			r.blanks()
			q.kept = len(q.text)
		case c == '\\':
			q.text = utf8.AppendRune(q.text, r.escape())
			q.kept = len(q.text)
		default:
			r.foldQuoted(n, &q)
		}
	}
}

// quoted is what has been read of a text between quotes.
type quoted struct {
	text []byte
	// kept is the length of what stays when blanks at a line's end go: those
	// that an escape stands for do not.
	kept int
}

// verbatim copies up to one of the stops, which is there when n is closed.
func (r *reader) verbatim(n *Node, q *quoted, stops string) {
	i := strings.IndexAny(r.src[r.pos:], stops)
	if i < 0 {
		r.fail(n.Start, "a quotation mark %c that is never closed", stops[0])
	}
	q.text = append(q.text, r.src[r.pos:r.pos+i]...)
	r.pos += i
}

// foldQuoted takes the line breaks inside a quoted text, and the blanks around
// them, for what they stand for.
func (r *reader) foldQuoted(n *Node, q *quoted) {
	for len(q.text) > q.kept && isBlank(q.text[len(q.text)-1]) {
		q.text = q.text[:len(q.text)-1]
	}
	breaks := 0
	for !r.atEnd() && isBreak(r.at(0)) {
		r.newline()
		if isMarker(r.src[r.pos:]) {
			r.fail(n.Start, "a quotation mark that is not closed within its document")
		}
		breaks++
		r.blanks()
	}
	q.text = append(q.text, fold(breaks)...)
}

// escapes are the letters that stand behind a backslash, and escaped what they
// stand for (YAML 1.2, 5.7).
const (
	escapes = "0abt\tnvfre \"/\\N_LP"
	escaped = "\x00\a\b\t\t\n\v\f\r\x1b \"/\\\u0085\u00a0\u2028\u2029"
)

// escape reads one escape sequence.
func (r *reader) escape() rune {
	c := r.at(1)
	if i := strings.IndexByte(escapes, c); c != 0 && i >= 0 {
		r.pos += 2
		return []rune(escaped)[i]
	}
	digits := 0
	switch c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		r.fail(r.pos, `the escape \%c is none; a backslash between double quotes is \\`, c)
	}
	code := r.hex(2, digits)
	r.pos += 2 + digits
	if utf16.IsSurrogate(code) && r.at(0) == '\\' && r.at(1) == 'u' { // JSON's two halves
		if both := utf16.DecodeRune(code, r.hex(2, 4)); both != utf8.RuneError {
			r.pos += 6
			return both
		}
	}
	return code
}

// hex reads n hexadecimal digits, k behind pos.
func (r *reader) hex(k, n int) (code rune) {
	for i := range n {
		c := r.at(k + i)
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || c == 0 {
			r.fail(r.pos, `an escape \%c takes %d hexadecimal digits`, r.at(1), n)
		}
		code = code<<4 | rune(d)
	}
	return code
}

// flow reads a list or mapping in brackets.
func (r *reader) flow() *Node {
	r.enter()
	defer r.leave()
	n, end := r.make(List, Flow, r.pos), byte(']')
	if r.at(0) == '{' {
		n.Kind, end = Map, '}'
	}
	for r.pos++; ; {
		r.skip()
		switch c := r.at(0); {
		case r.atEnd() || r.pos == r.bol && isMarker(r.src[r.pos:]):
			r.fail(n.Start, "a bracket %c that is never closed", r.src[n.Start])
		case c == end:
			r.pos++
			n.End = r.pos
			r.merge(n)
			return n
		case c == ',':
			r.fail(r.pos, "a comma without a value before it")
		case n.Kind == Map:
			r.addPair(n, r.flowPair())
		default:
			r.addItem(n, r.flowItem())
		}
		r.skip()
		switch {
		case r.at(0) == ',':
			r.pos++
		case r.at(0) != end && !r.atEnd():
			r.fail(r.pos, "expected a comma or %c", end)
		}
	}
}

// flowItem reads an item of a list in brackets; "a: b" there is a mapping.
func (r *reader) flowItem() *Node {
	start := r.pos
	if r.question() {
		n := r.make(Map, Flow, start)
		r.addPair(n, r.flowPair())
		return n
	}
	n := r.flowNode()
	pos, bol := r.pos, r.bol
	if r.skip(); r.at(0) != ':' || !r.colonHere(n) {
		r.pos, r.bol = pos, bol
		return n
	}
	m := r.make(Map, Flow, start)
	r.addPair(m, r.flowValue(n))
	return m
}

// flowPair reads an entry of a mapping in brackets.
func (r *reader) flowPair() Pair {
	if r.question() {
		r.pos++
		r.skip()
	}
	key := r.flowNode()
	pos, bol := r.pos, r.bol
	if r.skip(); r.at(0) == ':' && r.colonHere(key) {
		return r.flowValue(key)
	}
	r.pos, r.bol = pos, bol
	p := r.keyed(key)
	p.Value = r.make(Null, Plain, r.pos)
	return p
}

// colonHere reports whether the colon at pos ends a key: behind a quoted one
// no blank is needed.
func (r *reader) colonHere(key *Node) bool {
	return r.spaceAt(1) || key.Style != Plain
}

func (r *reader) flowValue(key *Node) Pair {
	p := r.keyed(key)
	r.pos++
	r.skip()
	p.Value = r.flowNode()
	return p
}

// flowNode reads a node inside brackets.
func (r *reader) flowNode() *Node {
	anchor, tag := r.properties()
	r.skip()
	var n *Node
	switch c := r.at(0); {
	case r.atEnd(), c == ',', c == ']', c == '}', c == ':' && r.spaceAt(1):
		n = r.make(Null, Plain, r.pos)
	case c == '|' || c == '>' || c == '@' || c == '`' || c == '%':
		r.fail(r.pos, "%q cannot begin a value in brackets: put it between quotes", c)
	case c == '*' || c == '"' || c == '\'' || c == '[' || c == '{':
		n = r.inline(-1)
	default:
		n = r.plain(-1, true)
		if n.Text == "" {
			r.fail(r.pos, "expected a value")
		}
	}
	r.finish(n, anchor, tag)
	return n
}
