package k8ssecret

import (
	"strings"
)

// Bounds on what a lexer of shell follows.
const (
	maxNesting = 16 // $( inside $(
	// maxSubstitution is how much of a $(…) stands in a word, in bytes: each is
	// part of those around it too.
	maxSubstitution = 64 << 10
	maxOpen         = 20 // quotation marks that are never closed, before the rest counts as text
	// maxExpansion is the length of ${…}, in bytes.
	maxExpansion = 1024
)

// word is a word of a command line, without its quotes. Variables and command
// substitutions stand in it as they are written.
type word struct {
	text  string
	start int // offset
	// bare: no part of it is quoted.
	bare bool
}

// command is one simple command.
type command struct {
	words []word
	// assigns are the NAME=value before it, or all there is.
	assigns  []word
	heredocs []heredoc
	// fed: its input comes from a pipe, a file or a here-document.
	fed bool
	// piped: its output goes to the command that follows.
	piped bool
	start int
	// ended is true when a line break ends it.
	ended bool
}

// heredoc is the text behind <<WORD.
type heredoc struct {
	start, end int
	// literal: WORD is quoted, and no variable is filled in.
	literal bool
	// tabs: <<-, which drops leading tabs.
	tabs bool
	// open: its last line is missing.
	open bool
}

// shellFault is what the lexer trips over.
type shellFault struct {
	rule   string
	offset int
}

// shell splits text into commands as bash would, with two differences: it goes
// on behind what bash stops at, and takes a backslash with blanks behind it for
// the continuation that was meant.
type shell struct {
	text     string
	end      int
	pos      int
	commands []command
	faults   []shellFault
	pending  []pendingHeredoc
	nesting  int
	opened   int
	// quotes counts the double quotes that are open around pos: "$(a "$(b)")".
	quotes int
	// unclosed is the offset of a quotation mark that is never closed, -1 when
	// there is none.
	unclosed int
}

type pendingHeredoc struct {
	delimiter string
	literal   bool
	tabs      bool
	command   int // index of its command
}

// lexShell reads the script that stands in text from start to end.
func lexShell(text string, start, end int) *shell {
	s := &shell{text: text, pos: start, end: end, unclosed: -1}
	s.list(0)
	return s
}

func (s *shell) at(k int) byte {
	if s.pos+k < s.end {
		return s.text[s.pos+k]
	}
	return 0
}

// list reads commands up to the closing character, which is ) or `, or to the
// end when that is 0.
func (s *shell) list(closing byte) {
	var c command
	c.start = s.pos
	finish := func(piped, ended bool) {
		c.piped, c.ended = piped, ended
		if len(c.words)+len(c.assigns)+len(c.heredocs) > 0 {
			s.commands = append(s.commands, c)
		}
		for i := len(s.pending) - 1; i >= 0 && s.pending[i].command < 0; i-- {
			s.pending[i].command = len(s.commands) - 1
		}
		c = command{fed: piped, start: s.pos}
	}
	for s.pos < s.end {
		ch := s.at(0)
		switch {
		case closing != 0 && ch == closing:
			finish(false, false)
			return
		case ch == ' ' || ch == '\t' || ch == '\r':
			s.pos++
		case ch == '\\' && s.continuation():
		case ch == '`' && s.backtick():
		case ch == '\n':
			s.pos++
			finish(false, true)
			s.bodies()
		case ch == '#':
			s.skipLine()
		case ch == '|':
			s.pos++
			piped := s.at(0) != '|'
			if !piped || s.at(0) == '&' {
				s.pos++
			}
			finish(piped, false)
		case ch == ';' || ch == '&' || ch == '(' || ch == ')':
			s.pos++
			finish(false, false)
		case ch == '<' || ch == '>':
			s.redirect(&c)
		default:
			w := s.word(closing)
			s.addWord(&c, w)
			if s.unclosed >= 0 {
				finish(false, true)
				s.resume()
			}
		}
	}
	finish(false, true)
	s.bodies()
}

func (s *shell) addWord(c *command, w word) {
	name, _, ok := strings.Cut(w.text, "=")
	if len(c.words) == 0 {
		c.start = min(c.start+len(s.text), w.start) // the first word's place
		if len(c.assigns) > 0 {
			c.start = c.assigns[0].start
		}
	}
	if ok && isName(strings.TrimSuffix(name, "+")) && (len(c.words) == 0 || isExport(c.words[0].text)) {
		c.assigns = append(c.assigns, w)
		if len(c.words) == 0 {
			return
		}
	}
	c.words = append(c.words, w)
}

func isExport(name string) bool {
	switch name {
	case "export", "readonly", "local", "declare", "typeset", "set":
		return true
	}
	return false
}

func (s *shell) skipLine() {
	i := strings.IndexByte(s.text[s.pos:s.end], '\n')
	if i < 0 {
		s.pos = s.end
		return
	}
	s.pos += i
}

// continuation passes over a backslash and the line break behind it. Blanks
// between them make a fault.
func (s *shell) continuation() bool {
	i := s.pos + 1
	for i < s.end && (s.text[i] == ' ' || s.text[i] == '\t') {
		i++
	}
	blanks := i > s.pos+1
	if i < s.end && s.text[i] == '\r' {
		i++
	}
	if i < s.end && s.text[i] != '\n' || i == s.end && !blanks {
		return false
	}
	if blanks {
		s.faults = append(s.faults, shellFault{NoteBackslashBlank, s.pos})
	}
	s.pos = min(i+1, s.end)
	return true
}

// backtick passes over a blank's backtick and the line break behind it, by which
// PowerShell goes on in the next line.
func (s *shell) backtick() bool {
	rest := strings.TrimPrefix(s.text[s.pos+1:s.end], "\r")
	if !strings.HasPrefix(rest, "\n") || s.pos == 0 || s.text[s.pos-1] != ' ' && s.text[s.pos-1] != '\t' {
		return false
	}
	s.pos = s.end - len(rest) + 1
	return true
}

// word reads one word.
func (s *shell) word(closing byte) word {
	w := word{start: s.pos, bare: true}
	var b strings.Builder
	for s.pos < s.end && s.unclosed < 0 {
		ch := s.at(0)
		switch {
		case closing != 0 && ch == closing:
			w.text = b.String()
			return w
		case strings.IndexByte(" \t\r\n;&|<>()", ch) >= 0:
			w.text = b.String()
			return w
		case ch == '\\':
			if s.continuation() {
				continue
			}
			s.pos++
			if s.pos < s.end {
				b.WriteByte(s.text[s.pos])
				s.pos++
			}
		case ch == '\'' && s.opened <= maxOpen:
			w.bare = false
			s.single(&b)
		case ch == '"' && s.opened <= maxOpen:
			w.bare = false
			s.double(&b)
		case ch == '$' && s.at(1) == '\'' && s.opened <= maxOpen:
			w.bare = false
			s.ansi(&b)
		case ch == '$':
			s.dollar(&b)
		case ch == '`' && closing != '`' && s.closes('`'):
			s.substitution(&b, 1, '`')
		default:
			b.WriteByte(ch)
			s.pos++
		}
	}
	w.text = b.String()
	return w
}

// closes reports whether the character closes again in the same line.
func (s *shell) closes(ch byte) bool {
	rest := s.text[s.pos+1 : s.end]
	i := strings.IndexByte(rest, ch)
	return i >= 0 && strings.IndexByte(rest[:i], '\n') < 0
}

func (s *shell) single(b *strings.Builder) {
	i := strings.IndexByte(s.text[s.pos+1:s.end], '\'')
	if i < 0 {
		s.open(b)
		return
	}
	b.WriteString(s.text[s.pos+1 : s.pos+1+i])
	s.pos += i + 2
}

// ansi reads $'…', in which a backslash goes before a quotation mark (ANSI-C
// quoting).
func (s *shell) ansi(b *strings.Builder) {
	s.pos++
	start := s.pos
	for s.pos++; s.pos < s.end; s.pos++ {
		switch ch := s.at(0); {
		case ch == '\'':
			s.pos++
			return
		case ch == '\\' && s.pos+1 < s.end:
			s.pos++
			switch ch = s.at(0); ch {
			case 'n':
				ch = '\n'
			case 't':
				ch = '\t'
			case 'r':
				ch = '\r'
			}
			b.WriteByte(ch)
		default:
			b.WriteByte(ch)
		}
	}
	s.pos = start
	s.open(b)
}

// open notes a quotation mark that is never closed, and takes the rest of the
// line for the rest of the word.
func (s *shell) open(b *strings.Builder) {
	s.unclosed = s.pos
	s.opened++
	start := s.pos + 1
	s.skipLine()
	b.WriteString(strings.TrimRight(s.text[min(start, s.pos):s.pos], " \t\r"))
}

// resume goes on behind the line of an open quotation mark.
func (s *shell) resume() {
	s.faults = append(s.faults, shellFault{NoteUnclosedQuote, s.unclosed})
	s.pos = s.unclosed
	s.unclosed = -1
	s.skipLine()
}

func (s *shell) double(b *strings.Builder) {
	start, commands, faults := s.pos, len(s.commands), len(s.faults)
	s.quotes++
	defer func() { s.quotes-- }()
	for s.pos++; s.pos < s.end; {
		switch ch := s.at(0); ch {
		case '"':
			s.pos++
			return
		case '\\':
			if s.at(1) == '\n' {
				s.pos += 2
				continue
			}
			if strings.IndexByte("$`\"\\", s.at(1)) < 0 {
				b.WriteByte('\\')
			}
			s.pos++
			if s.pos < s.end {
				b.WriteByte(s.text[s.pos])
				s.pos++
			}
		case '$':
			s.dollar(b)
		default:
			b.WriteByte(ch)
			s.pos++
		}
		if s.unclosed >= 0 {
			return
		}
	}
	if s.quotes > 1 { // then the one around it is open too, and told
		s.opened = maxOpen
		return
	}
	// All from here is read again.
	s.commands, s.faults = s.commands[:commands], s.faults[:faults]
	s.pos = start
	s.open(b)
}

// dollar reads what $ begins: a substitution of commands, which are read too,
// ${…}, or else the $ alone.
func (s *shell) dollar(b *strings.Builder) {
	switch {
	case s.at(1) == '(' && s.nesting < maxNesting:
		s.substitution(b, 2, ')')
	case s.at(1) == '{':
		i := strings.IndexAny(s.text[s.pos:min(s.end, s.pos+maxExpansion)], "}\n")
		if i < 0 || s.text[s.pos+i] == '\n' {
			i = 1
		}
		b.WriteString(s.text[s.pos : s.pos+i+1])
		s.pos += i + 1
	default:
		b.WriteByte('$')
		s.pos++
	}
}

// substitution reads the commands in $(…) or `…`, which come before the one
// that uses them.
func (s *shell) substitution(b *strings.Builder, open int, closing byte) {
	start := s.pos
	s.pos += open
	s.nesting++
	pending := s.pending
	s.pending = nil
	s.list(closing)
	s.pending = pending
	s.nesting--
	if s.pos < s.end {
		s.pos++
	}
	b.WriteString(s.text[start:min(s.pos, s.end, start+maxSubstitution)])
}

// redirect reads <, >, <<, <<< and what they take.
func (s *shell) redirect(c *command) {
	op := s.at(0)
	in := op == '<'
	s.pos++
	if in && s.at(0) == '<' {
		s.pos++
		if s.at(0) != '<' {
			s.heredoc(c)
			return
		}
	}
	for s.at(0) == '<' || s.at(0) == '>' || s.at(0) == '&' || s.at(0) == '|' {
		s.pos++
	}
	if s.at(0) == '(' { // <(…)
		return
	}
	for s.at(0) == ' ' || s.at(0) == '\t' {
		s.pos++
	}
	if s.pos < s.end && strings.IndexByte("\n;|&()", s.at(0)) < 0 {
		s.word(0)
		if s.unclosed >= 0 {
			s.resume()
		}
	}
	c.fed = c.fed || in
}

// heredoc reads the word behind <<; its text begins on the next line.
func (s *shell) heredoc(c *command) {
	h := pendingHeredoc{command: -1}
	if s.at(0) == '-' {
		h.tabs = true
		s.pos++
	}
	for s.at(0) == ' ' || s.at(0) == '\t' {
		s.pos++
	}
	start := s.pos
	w := s.word(0)
	if s.unclosed >= 0 {
		s.resume()
		return
	}
	h.delimiter = w.text
	h.literal = !w.bare || strings.ContainsAny(s.text[start:s.pos], `\`)
	c.fed = true
	if h.delimiter == "" {
		return
	}
	s.pending = append(s.pending, h)
	if len(c.words) == 0 && len(c.assigns) == 0 { // "<<EOF cat"
		c.words = append(c.words, word{start: start, bare: true})
	}
}

// bodies reads the here-documents that were announced in the line before.
func (s *shell) bodies() {
	pending := s.pending
	s.pending = nil
	for _, p := range pending {
		h := heredoc{start: s.pos, end: s.pos, literal: p.literal, tabs: p.tabs, open: true}
		for s.pos < s.end {
			line := s.text[s.pos:s.end]
			if i := strings.IndexByte(line, '\n'); i >= 0 {
				line = line[:i]
			}
			h.end = s.pos
			s.pos = min(s.pos+len(line)+1, s.end)
			// A block of code in a list is indented as a whole, its end too.
			if strings.TrimSpace(line) == p.delimiter {
				h.open = false
				break
			}
			h.end = s.pos
		}
		if p.command >= 0 && p.command < len(s.commands) {
			s.commands[p.command].heredocs = append(s.commands[p.command].heredocs, h)
		}
		if !h.literal {
			s.nested(h)
		}
	}
}

// nested reads the commands in $(…) inside a here-document.
func (s *shell) nested(h heredoc) {
	if s.nesting >= maxNesting {
		return
	}
	inner := &shell{text: s.text, end: h.end, pos: h.start, unclosed: -1, nesting: s.nesting + 1}
	for inner.pos < inner.end {
		i := strings.Index(inner.text[inner.pos:inner.end], "$(")
		if i < 0 {
			break
		}
		inner.pos += i
		var b strings.Builder
		inner.substitution(&b, 2, ')')
	}
	s.commands = append(s.commands, inner.commands...)
	s.faults = append(s.faults, inner.faults...)
}
