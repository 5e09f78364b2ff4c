// Package tree reads YAML and JSON into nodes that know where they stand.
//
// It is a reader for a linter, where a library for programs does not serve: it
// goes on behind a broken document, says the line of a fault and not that of
// the mapping around it, keeps duplicate keys and the style of each value,
// takes time and memory in proportion to the input whatever that holds, and
// reads JSON as leniently as YAML, so that a variable without quotes is a value
// that can be pointed at. It judges nothing and writes nothing.
package tree

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// Bounds on one document. Manifests of Kubernetes nest some 40 deep; a dump of
// all Secrets of a large cluster has some 100,000 values.
const (
	maxDepth = 100
	maxNodes = 500_000 // with aliases expanded
	// maxDocuments bounds one source.
	maxDocuments = 20_000
)

// Kind is what a node is, as kubectl and Helm read it.
type Kind uint8

// Kinds. The zero value is that of a value which is not there.
const (
	Null Kind = iota
	String
	Number
	Bool
	List
	Map
)

// String names the kind in a sentence.
func (k Kind) String() string {
	return [...]string{"nothing", "a string", "a number", "a boolean", "a list", "a mapping"}[k]
}

// Style is how a value is written.
type Style uint8

// Styles.
const (
	Plain   Style = iota // as it is, without quotes
	Single               // 'in single quotes'
	Double               // "in double quotes"
	Literal              // | and the lines below
	Folded               // > and the lines below
	Block                // a collection by indentation
	Flow                 // a collection in brackets
)

// Node is one value. One that an alias stands for has the alias's place and
// shares what is below it with the original.
type Node struct {
	Kind  Kind
	Style Style
	// Alias is true for *name.
	Alias bool
	// Text is the value of a scalar, with its escapes and folds undone. Numbers
	// and booleans keep the text that they were written with.
	Text  string
	Items []*Node
	Pairs []Pair
	// Start and End are offsets in the source: of the opening quote, bracket or
	// block indicator, and behind the last character that belongs to it.
	Start, End int
	// Body is the offset of the first line below the indicator of a Literal or
	// Folded value, 0 for others, and Indent the number of blanks before each
	// of its lines.
	Body, Indent int

	size int // nodes below and with it
}

// Pair is one entry of a mapping.
type Pair struct {
	Key string
	// KeyNode says where and how the key is written.
	KeyNode *Node
	Value   *Node
	// Merged is true when << brought it in.
	Merged bool
}

// Get gives the value under key, nil when there is none. Of several, the last
// counts, as for the programs that read the file.
func (n *Node) Get(key string) *Node {
	if p := n.Pair(key); p != nil {
		return p.Value
	}
	return nil
}

// Pair is Get with the key.
func (n *Node) Pair(key string) *Pair {
	if n == nil {
		return nil
	}
	for i := len(n.Pairs) - 1; i >= 0; i-- {
		if n.Pairs[i].Key == key && !n.Pairs[i].Merged {
			return &n.Pairs[i]
		}
	}
	for i := range n.Pairs {
		if n.Pairs[i].Key == key {
			return &n.Pairs[i]
		}
	}
	return nil
}

// At follows keys down from n; nil when one is missing.
func (n *Node) At(keys ...string) *Node {
	for _, key := range keys {
		n = n.Get(key)
	}
	return n
}

// Scalar is the text of a scalar that is there, and "" for everything else.
func (n *Node) Scalar() string {
	if n == nil {
		return ""
	}
	return n.Text
}

// Source is a text with its lines. It is not for several goroutines at once.
type Source struct {
	Text  string
	lines []int // offset of each line's first byte, made at the first call of Pos
	// last is what Pos was asked for last, so that a line with many places in it
	// is counted through once.
	last struct{ line, offset, column int }
}

// Pos gives line and column of the byte at offset, both from 1. Columns count
// characters.
func (s *Source) Pos(offset int) (line, column int) {
	s.index()
	offset = max(0, min(offset, len(s.Text)))
	line = sort.SearchInts(s.lines, offset+1)
	from, column := s.lines[line-1], 1
	if s.last.line == line && s.last.offset <= offset {
		from, column = s.last.offset, s.last.column
	}
	column += utf8.RuneCountInString(s.Text[from:offset])
	s.last.line, s.last.offset, s.last.column = line, offset, column
	return line, column
}

// Line gives the offset at which line begins, counted from 1.
func (s *Source) Line(line int) int {
	s.index()
	return s.lines[max(0, min(line-1, len(s.lines)-1))]
}

func (s *Source) index() {
	if s.lines != nil {
		return
	}
	s.lines = append(make([]int, 0, 1+strings.Count(s.Text, "\n")), 0)
	for i := 0; ; {
		next := strings.IndexByte(s.Text[i:], '\n')
		if next < 0 {
			return
		}
		i += next + 1
		s.lines = append(s.lines, i)
	}
}

// Error says where a document cannot be read.
type Error struct {
	Line, Column int
	Offset       int
	Msg          string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// Document is one of the documents of a source. Root is nil when it is empty
// or Err is set.
type Document struct {
	Root       *Node
	Start, End int
	Err        error
}

// Read reads all documents of a source, each for itself.
func Read(src *Source) []Document {
	var docs []Document
	for start, end := 0, 0; start < len(src.Text); start = end {
		if len(docs) >= maxDocuments {
			return append(docs, tooMany(src, start))
		}
		end = start + documentEnd(src.Text[start:])
		docs = append(docs, readDocuments(src, start, end, maxDocuments-len(docs))...)
	}
	return docs
}

func tooMany(src *Source, start int) Document {
	e := &Error{Offset: start, Msg: fmt.Sprintf("more than %d documents: the rest is not read", maxDocuments)}
	e.Line, e.Column = src.Pos(start)
	return Document{Start: start, End: len(src.Text), Err: e}
}

// documentEnd finds the next line that begins a document: "---" at its very
// start cannot be anything else, not even within a quoted or block scalar.
func documentEnd(text string) int {
	for i := 0; ; {
		next := strings.Index(text[i:], "\n---")
		if next < 0 {
			return len(text)
		}
		i += next + 1
		if isMarker(text[i:]) {
			return i
		}
	}
}

// isMarker tells "---" and "..." from a word that begins so ("-----BEGIN").
func isMarker(text string) bool {
	if !strings.HasPrefix(text, "---") && !strings.HasPrefix(text, "...") {
		return false
	}
	return len(text) == 3 || isBlankOrBreak(text[3])
}

// readDocuments reads the document in src from start to end. There are several,
// of which it reads up to most, when it is JSON and another value follows, or
// when "..." ends one.
func readDocuments(src *Source, start, end, most int) []Document {
	var docs []Document
	r := &reader{src: src.Text[:end], pos: start, bol: start}
	for more := true; more; {
		if len(docs) == most {
			return append(docs, tooMany(src, r.pos))
		}
		d := Document{Start: r.pos, End: end}
		more = r.document(src, &d)
		if d.Root != nil || d.Err != nil {
			docs = append(docs, d)
		}
	}
	return docs
}

// document reads one document and reports whether another follows behind it.
func (r *reader) document(src *Source, d *Document) (more bool) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case fault:
			e := &Error{Offset: p.offset, Msg: p.msg}
			e.Line, e.Column = src.Pos(p.offset)
			d.Root, d.Err, more = nil, e, false
		default:
			panic(p)
		}
	}()
	r.anchors, r.nodes, r.depth = nil, 0, 0
	r.prologue()
	d.Root = r.root()
	if d.Root == nil {
		return false
	}
	d.End = r.pos
	r.skip()
	switch {
	case r.atEnd():
		d.End = len(r.src)
		return false
	case r.pos == r.bol && isMarker(r.src[r.pos:]):
		r.pos += 3
		return true
	case d.Root.Style == Flow && (r.at(0) == '{' || r.at(0) == '['):
		return true
	}
	r.fail(r.pos, "this does not belong to the value above it")
	return false
}
