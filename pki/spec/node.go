package spec

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Bounds on what is read. A spec of a thousand certificates has some 100 KB and
// 25,000 tokens; the YAML parser takes quadratic time on hostile input, and at
// these bounds that is at most about three seconds.
const (
	maxBytes  = 1 << 20
	maxTokens = 100_000
	maxNodes  = 200_000 // after aliases are expanded
	maxDepth  = 32
)

// kind is what a node is. Numbers keep the text they were written with, so
// that "name: 007" stays 007.
type kind uint8

const (
	isNull kind = iota
	isText
	isNumber
	isBool
	isList
	isMap
)

func (k kind) String() string {
	return [...]string{"nothing", "a text", "a number", "true or false", "a list", "a mapping"}[k]
}

// node is one value of a YAML or JSON document with its place. Nodes that
// come from aliases are shared, not copied.
type node struct {
	kind  kind
	text  string // of a scalar
	items []*node
	pairs []pair
	pos   Position
	size  int // nodes below and with it, aliases expanded
}

type pair struct {
	key   string
	pos   Position // of the key
	value *node
}

// get gives the value under key, or nil.
func (n *node) get(key string) *node {
	for _, p := range n.pairs {
		if p.key == key {
			return p.value
		}
	}
	return nil
}

// grow counts child in; it reports false when the document has become too
// large.
func (n *node) grow(child *node) bool {
	n.size += child.size
	return n.size <= maxNodes
}

// merge adds the pairs of bases whose keys n lacks.
func (n *node) merge(bases []*node) {
	if len(bases) == 0 {
		return
	}
	have := map[string]bool{}
	for _, p := range n.pairs {
		have[p.key] = true
	}
	for _, base := range bases {
		for _, p := range base.pairs {
			if !have[p.key] {
				have[p.key] = true
				n.pairs = append(n.pairs, p)
			}
		}
	}
}

// parse makes a tree of data. Files ending in .json, and others that start
// with "{" but do not end in .yaml or .yml, are JSON.
func parse(source string, data []byte) (*node, error) {
	whole := Position{File: source}
	if len(data) > maxBytes {
		return nil, Problem{Pos: whole, Message: fmt.Sprintf("the file has more than %d KiB: this is not a spec", maxBytes>>10)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if err := plainText(source, data); err != nil {
		return nil, err
	}
	// The YAML lexer counts the line of a CRLF twice.
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, Problem{Pos: whole, Message: "the file is empty"}
	}
	if isJSONSource(source, data) {
		return parseJSON(source, data)
	}
	return parseYAML(source, data)
}

func isJSONSource(source string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(source)) {
	case ".json":
		return true
	case ".yaml", ".yml":
		return false
	}
	return bytes.HasPrefix(bytes.TrimSpace(data), []byte("{"))
}

// plainText refuses what is not UTF-8 text.
func plainText(source string, data []byte) error {
	whole := Position{File: source}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return Problem{Pos: whole, Message: "the file is UTF-16: save it as UTF-8"}
	}
	for i, line := 0, 1; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return Problem{Pos: whole, Message: fmt.Sprintf("line %d holds the byte 0x%02x: this is not a text file in UTF-8", line, data[i])}
		}
		if r == '\n' {
			line++
		}
		i += n
	}
	return nil
}
