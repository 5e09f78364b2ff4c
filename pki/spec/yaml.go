package spec

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// yamlReader makes nodes from the syntax tree of a YAML document. Anchors,
// aliases and merge keys are followed; tags are refused.
type yamlReader struct {
	source  string
	anchors map[string]*node
	errs    []Problem
}

func parseYAML(source string, data []byte) (n *node, err error) {
	// The parser is not ours: should it stumble over hostile text, that is a
	// file which cannot be read, not an end of the program.
	defer func() {
		if p := recover(); p != nil {
			n, err = nil, Problem{Pos: Position{File: source}, Message: "not YAML that can be read"}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	r := &yamlReader{source: source, anchors: map[string]*node{}}
	if err := r.bound(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, r.syntax(err)
	}
	return r.document(file)
}

// bound refuses token lists that would cost the parser, which recurses and
// has no limits of its own, its stack or minutes of time.
func (r *yamlReader) bound(tokens token.Tokens) error {
	if len(tokens) > maxTokens {
		return Problem{Pos: Position{File: r.source}, Message: fmt.Sprintf("more than %d words: this is not a spec", maxTokens)}
	}
	brackets, row, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			row, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			row++
		case token.StringType:
			// An anchor's name, not an end of the row: "&a &a &a".
		default:
			row = 0
		}
		if brackets > maxDepth || row > maxDepth {
			return Problem{Pos: r.at(t), Message: fmt.Sprintf("nested more than %d deep", maxDepth)}
		}
	}
	return nil
}

func (r *yamlReader) at(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{File: r.source}
	}
	return Position{r.source, t.Position.Line, max(1, t.Position.Column)}
}

// syntax keeps message and place of the parser's error, without the excerpt
// of the file that its text has.
func (r *yamlReader) syntax(err error) error {
	var e interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if !errors.As(err, &e) {
		return Problem{Pos: Position{File: r.source}, Message: "not YAML: " + err.Error()}
	}
	return Problem{Pos: r.at(e.GetToken()), Message: "not YAML: " + e.GetMessage()}
}

func (r *yamlReader) document(file *ast.File) (*node, error) {
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			t := d.Start
			if t == nil {
				t = d.Body.GetToken()
			}
			return nil, Problem{Pos: r.at(t), Message: "a second YAML document begins here: a spec is one document"}
		}
		body = d.Body
	}
	if body == nil {
		return nil, Problem{Pos: Position{File: r.source}, Message: "the file is empty"}
	}
	n := r.value(body, 0)
	if len(r.errs) > 0 {
		return nil, Problems(r.errs)
	}
	return n, nil
}

func (r *yamlReader) fail(t *token.Token, format string, args ...any) *node {
	r.errs = append(r.errs, Problem{Pos: r.at(t), Message: fmt.Sprintf(format, args...)})
	return &node{pos: r.at(t), size: 1}
}

func (r *yamlReader) value(v ast.Node, depth int) *node {
	if v == nil {
		return &node{pos: Position{File: r.source}, size: 1}
	}
	t := v.GetToken()
	if depth > maxDepth {
		return r.fail(t, "nested more than %d deep", maxDepth)
	}
	n := &node{pos: r.at(t), size: 1}
	switch v := v.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		n.kind, n.text = isText, v.Value
	case *ast.LiteralNode:
		n.kind, n.text = isText, v.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = isNumber, t.Value
	case *ast.BoolNode:
		n.kind, n.text = isBool, fmt.Sprint(v.Value)
	case *ast.SequenceNode:
		r.list(n, v, depth)
	case *ast.MappingNode:
		r.mapping(n, v.Values, depth)
	case *ast.MappingValueNode:
		r.mapping(n, []*ast.MappingValueNode{v}, depth)
	case *ast.AnchorNode:
		n = r.value(v.Value, depth+1)
		r.anchors[v.Name.GetToken().Value] = n
	case *ast.AliasNode:
		return r.alias(v, t)
	case *ast.TagNode:
		return r.fail(t, "the tag %q has no place in a spec", t.Value)
	default:
		return r.fail(t, "this kind of YAML has no place in a spec")
	}
	return n
}

func (r *yamlReader) alias(v *ast.AliasNode, t *token.Token) *node {
	name := v.Value.GetToken().Value
	if n, ok := r.anchors[name]; ok {
		return n
	}
	return r.fail(t, `in YAML a leading * refers to an anchor, and there is no &%s above: put quotes around the value: "*%s"`, name, name)
}

func (r *yamlReader) list(n *node, v *ast.SequenceNode, depth int) {
	n.kind = isList
	for _, item := range v.Values {
		child := r.value(item, depth+1)
		if !n.grow(child) {
			r.tooLarge(item.GetToken())
			return
		}
		n.items = append(n.items, child)
	}
}

func (r *yamlReader) tooLarge(t *token.Token) {
	r.fail(t, "more than %d values once aliases are expanded: this is not a spec", maxNodes)
}

// mapping keeps duplicate keys, for the caller to complain of; pairs that a
// merge key brings in ("<<: *base") come last and never replace one.
func (r *yamlReader) mapping(n *node, values []*ast.MappingValueNode, depth int) {
	n.kind = isMap
	n.pos = r.at(values0(values, n))
	var merged []*node
	for _, v := range values {
		key := v.Key.GetToken()
		child := r.value(v.Value, depth+1)
		if child.pos.Line == 0 {
			child.pos = r.at(key)
		}
		if !n.grow(child) {
			r.tooLarge(key)
			return
		}
		switch k := v.Key.(type) {
		case *ast.MergeKeyNode:
			merged = append(merged, r.bases(child, key)...)
		case *ast.StringNode:
			n.pairs = append(n.pairs, pair{k.Value, r.at(key), child})
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
			n.pairs = append(n.pairs, pair{key.Value, r.at(key), child})
		default:
			r.fail(key, "a key has to be a word")
		}
	}
	n.merge(merged)
}

// values0 is the first key's token: a mapping's own is its first colon, which
// is not where people look.
func values0(values []*ast.MappingValueNode, n *node) *token.Token {
	if len(values) == 0 {
		return &token.Token{Position: &token.Position{Line: n.pos.Line, Column: n.pos.Column}}
	}
	return values[0].Key.GetToken()
}

func (r *yamlReader) bases(n *node, key *token.Token) []*node {
	if n.kind == isMap {
		return []*node{n}
	}
	var all []*node
	for _, item := range n.items {
		if item.kind != isMap {
			break
		}
		all = append(all, item)
	}
	if n.kind != isList || len(all) < len(n.items) {
		r.fail(key, "<< takes a mapping, or a list of them")
	}
	return all
}
