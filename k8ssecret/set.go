package k8ssecret

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// Input is a values file.
type Input struct {
	Source string
	Data   []byte
}

// ReadSet reads strings as they stand behind helm's --set, and the values files
// below them (those behind -f, of which the last counts most), as one unit. The
// line of a position in a string is the string's number, from 1.
func ReadSet(files []Input, sets []string, opt format.Options) (Unit, error) {
	v, err := readSets(files, "--set", sets, opt)
	if err != nil {
		return Unit{}, err
	}
	v.judge()
	return v.unit, nil
}

// readSets puts files and strings together, of which flag is the origin. Those
// behind az's --config are simple: flat keys, and texts alone.
func readSets(files []Input, flag string, sets []string, opt format.Options) (*valuesReader, error) {
	// All texts in one, the strings behind the files.
	var text strings.Builder
	var pieces []piece
	for _, f := range files {
		if len(f.Data) > maxBytes {
			return nil, tooLarge(f.Source)
		}
		pieces = append(pieces, piece{text.Len(), f.Source})
		text.WriteString(toUTF8(f.Data) + "\n---\n")
	}
	start := text.Len()
	pieces = append(pieces, piece{start, flag})
	text.WriteString(strings.Join(sets, "\n"))
	r := &reader{source: flag, src: &tree.Source{Text: text.String()}, opt: opt, pieces: pieces}

	v := &valuesReader{reader: r, root: &tree.Node{Kind: tree.Map, Style: tree.Block, Start: start}}
	v.unit = r.unit(KindSet, start)
	how := setString{simple: flag == azConfig}
	v.dotted, v.texts = how.simple, how.simple
	for _, set := range sets {
		v.set(set, start, how)
		start += len(set) + 1
	}
	docs := tree.Read(&tree.Source{Text: r.src.Text[:pieces[len(pieces)-1].start]})
	for i := len(docs) - 1; i >= 0; i-- {
		if docs[i].Err != nil {
			r.broken(docs[i].Err)
		} else if docs[i].Root.Kind == tree.Map {
			underlay(v.root, docs[i].Root)
		}
	}
	if r.errs != nil {
		return nil, r.errs[0]
	}
	return v, nil
}

// piece is where a text begins that was joined with others.
type piece struct {
	start  int
	source string
}

// underlay adds to n what below has and n has not.
func underlay(n, below *tree.Node) {
	for _, p := range below.Pairs {
		switch have := n.Get(p.Key); {
		case have == nil:
			n.Pairs = append(n.Pairs, p)
		case have.Kind == tree.Map && p.Value.Kind == tree.Map:
			underlay(have, p.Value)
		}
	}
}

// setString says how to read one string.
type setString struct {
	// text: --set-string, where every value is one.
	text bool
	// still: the string is part of a shell word, and all in it is pointed to at
	// the word's beginning.
	still bool
	// simple: "key=value" without commas and escapes, as az has it.
	simple bool
}

// setReader reads one --set string by the rules of helm.sh/helm pkg/strvals.
type setReader struct {
	*valuesReader
	setString
	text     string
	pos      int
	base     int // offset of the string in the source
	previous string
	// nested is how many more $( than ) stand before counted.
	nested, counted int
}

// set adds what one string sets to the values.
func (v *valuesReader) set(text string, base int, how setString) {
	s := &setReader{valuesReader: v, setString: how, text: text, base: base}
	for s.pos < len(text) && s.pair() {
	}
}

func (s *setReader) offset(pos int) int {
	if s.still {
		return s.base
	}
	return s.base + pos
}

// pair reads "key.key=value" and the comma behind it.
func (s *setReader) pair() (more bool) {
	start := s.pos
	keys, found := s.keys()
	if !found {
		s.noValue(start)
		return s.pos < len(s.text)
	}
	path := strings.Join(keys, ".")
	at := s.pos
	value := s.value(path)
	value.Start, value.End = s.offset(at), s.offset(at)
	if !s.still {
		value.End = s.offset(s.pos)
	}
	s.put(keys, value, s.offset(start))
	s.previous = path
	s.pos++ // the comma
	return s.pos <= len(s.text)
}

// keys reads up to the equals sign; found is false when there is none.
func (s *setReader) keys() (keys []string, found bool) {
	var b strings.Builder
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '\\' && !s.simple && s.pos < len(s.text):
			b.WriteByte(s.text[s.pos])
			s.pos++
		case c == '.' && !s.simple:
			keys = append(keys, b.String())
			b.Reset()
		case c == '[' && !s.simple:
			keys = append(keys, b.String())
			b.Reset()
			b.WriteByte('[')
		case c == '=':
			return append(keys, b.String()), true
		case c == ',' && !s.simple:
			return nil, false
		default:
			b.WriteByte(c)
		}
	}
	return nil, false
}

// noValue notes what stands between two commas without an equals sign: mostly
// the rest of a value that held a comma.
func (s *setReader) noValue(start int) {
	if s.previous != "" {
		s.note(&s.unit, NoteSetSyntax, s.previous, s.offset(start), `the value of %s holds a comma, where --set begins the next key: write \,`, pki.Printable(s.previous))
		return
	}
	s.note(&s.unit, NoteSetSyntax, "", s.offset(start), "no = behind the key: it has no value")
}

// value reads up to the comma.
func (s *setReader) value(path string) *tree.Node {
	n := &tree.Node{Kind: tree.String, Style: tree.Plain}
	if !s.simple && s.pos < len(s.text) && s.text[s.pos] == '{' && !strings.HasPrefix(s.text[s.pos:], "{{") {
		n.Kind, n.Style = tree.List, tree.Flow
		if isChartKey(path) {
			s.note(&s.unit, NoteSetSyntax, path, s.offset(s.pos), `the value of %s begins with {, of which --set makes a list: write \{`, path)
		}
		start := s.pos
		for s.pos < len(s.text) && s.text[s.pos] != '}' {
			s.pos++
		}
		if s.pos == len(s.text) && !s.still {
			s.note(&s.unit, NoteSetSyntax, path, s.offset(start), `the list of %s has no } at its end, and helm refuses all of it: write \{ where none is meant`, pki.Printable(path))
		}
		s.pos = min(s.pos+1, len(s.text))
		return n
	}
	var b strings.Builder
	dropped := false
	for ; s.pos < len(s.text) && (s.text[s.pos] != ',' || s.simple || s.inside()); s.pos++ {
		c := s.text[s.pos]
		if c == '\\' && !s.simple && s.pos+1 < len(s.text) {
			s.pos++
			c = s.text[s.pos]
			dropped = dropped || c != ',' && c != '\\' && c != '{' && c != '}' && c != '.' && c != '='
		}
		b.WriteByte(c)
	}
	if dropped && isChartKey(path) {
		s.note(&s.unit, NoteSetSyntax, path, s.offset(s.pos), `the value of %s holds a backslash, which --set drops: write \\`, path)
	}
	n.Text = b.String()
	if !s.setString.text && !s.simple {
		if n.Kind = setKind(n.Text); n.Kind == tree.Null { // which takes the value away
			n.Text = ""
		}
	}
	return n
}

// inside reports whether pos is within $(…), whose commas are the shell's.
func (s *setReader) inside() bool {
	if !s.still {
		return false
	}
	for ; s.counted < s.pos; s.counted++ {
		switch s.text[s.counted] {
		case '(':
			if s.counted > 0 && s.text[s.counted-1] == '$' {
				s.nested++
			}
		case ')':
			s.nested--
		}
	}
	return s.nested > 0
}

// isChartKey reports whether a value is one of ours, whose faults are worth a
// word.
func isChartKey(path string) bool { return slices.Contains(chartKeys[:], path) }

// setKind is the type that --set gives a value (strvals, typedVal).
func setKind(text string) tree.Kind {
	switch strings.ToLower(text) {
	case "true", "false":
		return tree.Bool
	case "null":
		return tree.Null
	}
	if text != "" && strings.Trim(text, "0123456789") == "" && (text[0] != '0' || text == "0") {
		return tree.Number
	}
	return tree.String
}

// maxSetKeys bounds the keys of one mapping.
const maxSetKeys = 500

// put sets the value at a path, making the mappings on the way.
func (s *setReader) put(keys []string, value *tree.Node, offset int) {
	n := s.root
	if s.simple {
		keys = []string{strings.Join(keys, ".")}
	}
	for _, key := range keys[:len(keys)-1] {
		below := n.Get(key)
		if below == nil || below.Kind != tree.Map {
			if len(n.Pairs) >= maxSetKeys {
				return
			}
			below = &tree.Node{Kind: tree.Map, Style: tree.Block, Start: offset, End: offset}
			n.Pairs = append(n.Pairs, tree.Pair{Key: key, KeyNode: below, Value: below})
		}
		n = below
	}
	key := &tree.Node{Kind: tree.String, Text: keys[len(keys)-1], Start: offset, End: offset}
	if p := n.Pair(key.Text); p != nil { // the last counts, and that is no fault
		p.KeyNode, p.Value = key, value
		return
	}
	if len(n.Pairs) < maxSetKeys {
		n.Pairs = append(n.Pairs, tree.Pair{Key: key.Text, KeyNode: key, Value: value})
	}
}

func tooLarge(source string) error {
	return &format.Error{Origin: pki.Origin{Source: source}, Err: fmt.Errorf("has more than %d MiB: no manifest is that large", maxBytes>>20)}
}
