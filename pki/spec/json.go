package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"unicode/utf8"
)

// jsonReader makes nodes from JSON tokens (RFC 8259). JSON goes its own way,
// not through the YAML parser, because that misreads escapes.
type jsonReader struct {
	source string
	data   []byte
	dec    *json.Decoder
	lines  []int // offset of each line's first byte
}

func parseJSON(source string, data []byte) (*node, error) {
	r := &jsonReader{source: source, data: data, dec: json.NewDecoder(bytes.NewReader(data)), lines: []int{0}}
	r.dec.UseNumber()
	for i, c := range data {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	n, err := r.value(0)
	if err != nil {
		return nil, err
	}
	behind := r.next()
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, Problem{Pos: behind, Message: "there is text behind the end of the JSON document"}
	}
	return n, nil
}

// next is the place of the token that comes next: separators and white space
// before it are passed over.
func (r *jsonReader) next() Position {
	i := int(r.dec.InputOffset())
	for i < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[i]) >= 0 {
		i++
	}
	return r.at(i)
}

func (r *jsonReader) at(offset int) Position {
	offset = min(offset, len(r.data))
	line := sort.SearchInts(r.lines, offset+1)
	return Position{r.source, line, 1 + utf8.RuneCount(r.data[r.lines[line-1]:offset])}
}

func (r *jsonReader) token() (json.Token, Position, error) {
	pos := r.next()
	t, err := r.dec.Token()
	if err == nil {
		return t, pos, nil
	}
	if bad := (*json.SyntaxError)(nil); errors.As(err, &bad) {
		pos = r.at(r.wrong(int(bad.Offset)))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, pos, Problem{Pos: r.at(len(r.data)), Message: "the JSON document is cut off"}
	}
	return nil, pos, Problem{Pos: pos, Message: "not JSON: " + err.Error()}
}

// wrong finds the character that the decoder stumbled over: the last that it
// read or, between tokens, the next.
func (r *jsonReader) wrong(offset int) int {
	last := max(0, offset-1)
	if last < len(r.data) && bytes.IndexByte([]byte(" \t\r\n"), r.data[last]) >= 0 {
		return offset
	}
	return last
}

func (r *jsonReader) value(depth int) (*node, error) {
	t, pos, err := r.token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, Problem{Pos: pos, Message: fmt.Sprintf("nested more than %d deep", maxDepth)}
	}
	n := &node{pos: pos, size: 1}
	switch t := t.(type) {
	case nil:
	case string:
		n.kind, n.text = isText, t
	case json.Number:
		n.kind, n.text = isNumber, t.String()
	case bool:
		n.kind, n.text = isBool, fmt.Sprint(t)
	case json.Delim:
		if t == '[' {
			return n, r.list(n, depth)
		}
		return n, r.object(n, depth)
	}
	return n, nil
}

func (r *jsonReader) list(n *node, depth int) error {
	n.kind = isList
	for r.dec.More() {
		child, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		if !n.grow(child) {
			return Problem{Pos: n.pos, Message: fmt.Sprintf("more than %d values: this is not a spec", maxNodes)}
		}
		n.items = append(n.items, child)
	}
	_, _, err := r.token()
	return err
}

func (r *jsonReader) object(n *node, depth int) error {
	n.kind = isMap
	for r.dec.More() {
		t, pos, err := r.token()
		if err != nil {
			return err
		}
		child, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		if !n.grow(child) {
			return Problem{Pos: n.pos, Message: fmt.Sprintf("more than %d values: this is not a spec", maxNodes)}
		}
		n.pairs = append(n.pairs, pair{key: t.(string), pos: pos, value: child})
	}
	_, _, err := r.token()
	return err
}
