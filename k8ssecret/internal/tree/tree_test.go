package tree

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/assert/yaml"
	"github.com/stretchr/testify/require"
)

// plain turns a node into what encoding/json would make of it, with numbers
// and booleans as their text.
func plain(n *Node) any {
	switch n.Kind {
	case Null:
		return nil
	case List:
		items := []any{}
		for _, item := range n.Items {
			items = append(items, plain(item))
		}
		return items
	case Map:
		pairs := map[string]any{}
		for _, p := range n.Pairs {
			if !p.Merged {
				pairs[p.Key] = plain(p.Value)
			}
		}
		for _, p := range n.Pairs {
			if _, ok := pairs[p.Key]; p.Merged && !ok {
				pairs[p.Key] = plain(p.Value)
			}
		}
		delete(pairs, "<<")
		return pairs
	}
	return n.Text
}

func one(t *testing.T, text string) *Node {
	t.Helper()
	docs := Read(&Source{Text: text})
	require.Len(t, docs, 1)
	require.NoError(t, docs[0].Err)
	return docs[0].Root
}

func TestReadValues(t *testing.T) {
	tests := map[string]struct {
		text string
		want string // JSON
	}{
		"mapping":                  {"a: b\nc: d\n", `{"a":"b","c":"d"}`},
		"nested":                   {"a:\n  b:\n    c: d\n  e: f\ng: h", `{"a":{"b":{"c":"d"},"e":"f"},"g":"h"}`},
		"list below its key":       {"a:\n- b\n- c\nd: e\n", `{"a":["b","c"],"d":"e"}`},
		"list indented":            {"a:\n  - b\n  - c\n", `{"a":["b","c"]}`},
		"mappings in a list":       {"- a: b\n  c: d\n-   e: f\n    g: h\n-\n  i: j\n", `[{"a":"b","c":"d"},{"e":"f","g":"h"},{"i":"j"}]`},
		"lists in a list":          {"- - a\n  - b\n- - c\n", `[["a","b"],["c"]]`},
		"nothing":                  {"a:\nb: ~\nc: null\nd:\n", `{"a":null,"b":null,"c":null,"d":null}`},
		"numbers keep their text":  {"a: 007\nb: 1.50\nc: 0x1F\nd: 1e3\n", `{"a":"007","b":"1.50","c":"0x1F","d":"1e3"}`},
		"booleans keep their text": {"a: yes\nb: False\n", `{"a":"yes","b":"False"}`},
		"quoted":                   {`{a: "x\ty\n", b: 'it''s', "c": ""}`, `{"a":"x\ty\n","b":"it's","c":""}`},
		"quoted over lines":        {"a: \"one\n  two\n\n  three \\\n  four\"\n", `{"a":"one two\nthree four"}`},
		"escapes":                  {`"\x41\u00e9\U0001F600\ud83d\ude00\/\\\e"`, `"Aé😀😀/\\\u001b"`},
		"escaped blank stays":      {"\"a\\ \n  b\"", `"a  b"`},
		"plain over lines":         {"a: one\n  two\n\n  three\nb: c\n", `{"a":"one two\nthree","b":"c"}`},
		"literal":                  {"a: |\n  one\n   two\n\n  three\nb: c\n", `{"a":"one\n two\n\nthree\n","b":"c"}`},
		"literal stripped":         {"a: |-\n  one\n\nb: c\n", `{"a":"one","b":"c"}`},
		"literal kept":             {"a: |+\n  one\n\nb: c\n", `{"a":"one\n\n","b":"c"}`},
		"literal with indent":      {"a: |2\n    one\n   two\n", `{"a":"  one\n two\n"}`},
		"literal at the end":       {"a: |\n  one", `{"a":"one"}`},
		"literal in a list":        {"- |\n one\n- |-\n two\n", `["one\n","two"]`},
		"literal that is empty":    {"a: |\nb: c\n", `{"a":"","b":"c"}`},
		"folded":                   {"a: >\n  one\n  two\n\n  three\n   four\n  five\n", `{"a":"one two\nthree\n four\nfive\n"}`},
		"CR LF":                    {"a: |\r\n  one\r\n  two\r\nb: c\r\n", `{"a":"one\ntwo\n","b":"c"}`},
		"comments":                 {"# x\na: b # y\n# z\nc: d#e\n  # f\n", `{"a":"b","c":"d#e"}`},
		"flow":                     {"a: [b, {c: d, e}, 'f', [g]]\n", `{"a":["b",{"c":"d","e":null},"f",["g"]]}`},
		"flow over lines":          {"a: [b, # c\n  d,\n]\ne: {\n}\n", `{"a":["b","d"],"e":{}}`},
		"pair in a flow list":      {"[a: b, c]", `[{"a":"b"},"c"]`},
		"JSON":                     {"{\n\t\"a\":1,\"b\":[true,null],\"c\":{\"d\":\"e\"}\n}\n", `{"a":"1","b":["true",null],"c":{"d":"e"}}`},
		"URL":                      {"a: https://x:5000/y?z#q\n", `{"a":"https://x:5000/y?z#q"}`},
		"colons inside":            {"a: b:c\nd:e: f\n", `{"a":"b:c","d:e":"f"}`},
		"quoted keys":              {"\"a b\": c\n'd': e\n\"f\" : g\n", `{"a b":"c","d":"e","f":"g"}`},
		"dotted key":               {"tls.crt: x\n", `{"tls.crt":"x"}`},
		"explicit key":             {"? a\n: b\n? c\n", `{"a":"b","c":null}`},
		"alias":                    {"a: &x\n  b: c\nd: *x\ne: &y f\ng: *y\n", `{"a":{"b":"c"},"d":{"b":"c"},"e":"f","g":"f"}`},
		"merge":                    {"a: &x {b: c, d: e}\nf:\n  <<: *x\n  d: g\n", `{"a":{"b":"c","d":"e"},"f":{"b":"c","d":"g"}}`},
		"merge of a list":          {"a: &x {b: c}\nd: &y {b: e, f: g}\nh:\n  <<: [*x, *y]\n", `{"a":{"b":"c"},"d":{"b":"e","f":"g"},"h":{"b":"c","f":"g"}}`},
		"tags":                     {"a: !!str 12\nb: !secret x\nc: !!map\n  d: e\n", `{"a":"12","b":"x","c":{"d":"e"}}`},
		"last duplicate wins":      {"a: b\na: c\n", `{"a":"c"}`},
		"PEM on the line of a key": {"a: -----BEGIN X-----\n  abc\n  -----END X-----\n", `{"a":"-----BEGIN X----- abc -----END X-----"}`},
		"typographic quotes":       {"{\"a\": “b”, \"c\": $D}", `{"a":"“b”","c":"$D"}`},
		"byte-order mark":          {"\uFEFFa: b\n", `{"a":"b"}`},
		"directive and marker":     {"%YAML 1.2\n---\na: b\n...\n", `{"a":"b"}`},
		"value behind the marker":  {"--- {a: b}\n", `{"a":"b"}`},
		"template":                 {"a: {{ .Values.b }}\n", `{"a":{"{ .Values.b }":null}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(plain(one(t, tt.text)))
			require.NoError(t, err)
			assert.JSONEq(t, tt.want, string(got))
		})
	}
}

func TestReadKinds(t *testing.T) {
	n := one(t, `{s: x, q: "false", b: false, n: 12, z: , l: [], m: {}, t: "12", d: 2026-01-01, v: 1.2.3, w: .inf, o: on}`)
	want := map[string]Kind{"s": String, "q": String, "b": Bool, "n": Number, "z": Null, "l": List, "m": Map, "t": String, "d": String, "v": String, "w": String, "o": Bool}
	for key, kind := range want {
		assert.Equal(t, kind, n.Get(key).Kind, key)
	}
}

func TestReadPlaces(t *testing.T) {
	src := &Source{Text: "a:\n  é: \"x\"\n  pem: |\n    one\n    two\n  list:\n  - y\n  flow: {k: [v]}\n"}
	root := Read(src)[0].Root
	at := func(offset int) string {
		line, column := src.Pos(offset)
		return fmt.Sprint(line, ":", column)
	}
	a := root.Get("a")
	assert.Equal(t, "2:3", at(a.Start))
	assert.Equal(t, "2:6", at(a.Get("é").Start))
	assert.Equal(t, `"x"`, src.Text[a.Get("é").Start:a.Get("é").End])
	pem := a.Get("pem")
	assert.Equal(t, "3:8", at(pem.Start))
	assert.Equal(t, "4:1", at(pem.Body))
	assert.Equal(t, 4, pem.Indent)
	assert.Equal(t, "|\n    one\n    two", src.Text[pem.Start:pem.End])
	assert.Equal(t, "3:3", at(a.Pair("pem").KeyNode.Start))
	assert.Equal(t, "7:5", at(a.Get("list").Items[0].Start))
	assert.Equal(t, "8:14", at(a.At("flow", "k").Items[0].Start))
	assert.Equal(t, "{k: [v]}", src.Text[a.Get("flow").Start:a.Get("flow").End])
	assert.Nil(t, a.At("flow", "nothing", "below"))
	assert.Equal(t, "", a.At("flow", "nothing").Scalar())
}

func TestReadDocuments(t *testing.T) {
	t.Run("a broken one does not hide the others", func(t *testing.T) {
		docs := Read(&Source{Text: "a: b\n---\n- c\nd\n---\n# nothing\n---\ne: f\n"})
		require.Len(t, docs, 3)
		assert.Equal(t, "b", docs[0].Root.Get("a").Text)
		assert.EqualError(t, docs[1].Err, "line 4: this does not belong to the value above it")
		assert.Equal(t, "f", docs[2].Root.Get("e").Text)
	})
	t.Run("JSON documents in a row", func(t *testing.T) {
		docs := Read(&Source{Text: "{\"a\":1}\n{\"b\":2} {\"c\":3}"})
		require.Len(t, docs, 3)
		assert.Equal(t, "3", docs[2].Root.Get("c").Text)
	})
	t.Run("PEM is no marker", func(t *testing.T) {
		docs := Read(&Source{Text: "a: |\n -----BEGIN X-----\n -----END X-----\n...\nb: c"})
		require.Len(t, docs, 2)
	})
	t.Run("empty", func(t *testing.T) {
		assert.Empty(t, Read(&Source{Text: ""}))
		assert.Empty(t, Read(&Source{Text: "# only a comment\n---\n"}))
	})
}

func TestReadErrors(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"tab":                     {"a:\n\tb: c\n", "line 2: a tab indents this line, and YAML takes blanks alone"},
		"tab behind blanks":       {"a:\n  b: c\n  \td: e\n", "line 3: a tab indents this line, and YAML takes blanks alone"},
		"too deep":                {"a:\n  b: c\n   d: e\n", "line 3: indented deeper than the key above, this line carries on that key's value"},
		"too deep behind a block": {"a:\n  b:\n    c: d\n   e: f\n", "line 4: the line is indented by 3 blanks, where those above it are by 2"},
		"block not indented":      {"data:\n  tls.crt: |\n  -----BEGIN CERTIFICATE-----\n", `line 3: the lines below "tls.crt: |" belong to it when they are indented deeper than the key`},
		"PEM at the margin":       {"data:\n  tls.crt: |\n-----BEGIN CERTIFICATE-----\nMIIB\n", `line 3: the lines below "tls.crt: |" belong to it when they are indented deeper than the key`},
		"no blank behind a colon": {"a: b\nc:d\n", "line 2: no blank behind the colon of a key"},
		"no key":                  {"data:\n  a: LS0t\n  LS0t\n", `line 3: a line without a key: lines that belong to the value above are indented deeper than "a"`},
		"two colons":              {"a: b: c\n", `line 1: a second ": " in one line: put the value between quotes`},
		"list behind its key":     {"a: - b\n", "line 1: a list begins on the line of its key: put it on the lines below"},
		"list where a key is due": {"a: b\n- c\n", "line 2: an item of a list where a key is due"},
		"double quote open":       {"a: \"b\nc: d\n", `line 1: a quotation mark " that is never closed`},
		"single quote open":       {"a: 'b\nc: d\n", "line 1: a quotation mark ' that is never closed"},
		"quote open in document":  {"a: 'b\n...\nc: d'\n", "line 1: a quotation mark that is not closed within its document"},
		"text behind a quote":     {`a: "b" c`, "line 1: text behind the closing quotation mark"},
		"bracket open":            {"a: [b\n", "line 1: a bracket [ that is never closed"},
		"bracket closed":          {"a: ]\n", `line 1: ']' has no opening bracket`},
		"no comma":                {"a: ['b' 'c']\n", "line 1: expected a comma or ]"},
		"comma alone":             {"a: [b,,c]\n", "line 1: a comma without a value before it"},
		"reserved":                {"a: @b\n", `line 1: '@' cannot begin a value in YAML: put it between quotes`},
		"unknown alias":           {"a: *b\n", "line 1: in YAML a leading * refers to an anchor, and there is no &b above: put the value between quotes"},
		"alias of itself":         {"a: &b [*b]\n", "line 1: in YAML a leading * refers to an anchor, and there is no &b above: put the value between quotes"},
		"escape":                  {`a: "\d"`, `line 1: the escape \d is none; a backslash between double quotes is \\`},
		"short escape":            {`a: "\u12"`, `line 1: an escape \u takes 4 hexadecimal digits`},
		"text behind |":           {"a: | b\n", "line 1: text behind |, whose value begins on the next line"},
		"control character":       {"a: b\x00c\n", "line 1: a control character (0x00), which no text holds"},
		"template":                {"{{- if .Values.a }}\na: b\n{{- end }}\n", "line 2: this does not belong to the value above it"},
		"deep flow":               {strings.Repeat("[", 200), "line 1: nested more than 100 deep"},
		"deep block":              {strings.Repeat("- ", 200), "line 1: nested more than 100 deep"},
		"many values":             {"[" + strings.Repeat("a,", 600_000) + "]", "line 1: more than 500000 values, with aliases expanded"},
		"alias bomb":              {bomb(), "line 6: more than 500000 values, with aliases expanded"},
		"merge bomb":              {"a: &a {" + strings.Repeat("? a,", 10) + "}\n" + strings.Repeat("- x\n", 2), "line 2: an item of a list where a key is due"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			docs := Read(&Source{Text: tt.text})
			require.NotEmpty(t, docs)
			assert.EqualError(t, docs[0].Err, tt.want)
		})
	}
}

// bomb doubles tenfold in each line.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		ref := fmt.Sprintf("*a%d, ", i-1)
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Repeat(ref, 10))
	}
	return b.String()
}

// TestReadTime: what takes other readers of YAML minutes takes this one
// milliseconds a megabyte.
func TestReadTime(t *testing.T) {
	const size = 4 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	tests := map[string]string{
		"blank lines":      "a: |\n" + fill("\n"),
		"quoted lines":     "a: \"" + fill("b \n") + "\"\n",
		"plain lines":      "a: b\n" + fill("  b\n"),
		"comments":         fill("# c\n"),
		"open quotes":      fill("'a"),
		"colons":           "a: " + fill(":"),
		"one key":          fill("k: |\n"),
		"brackets":         fill("[]\n"),
		"JSON documents":   fill("{}\n"),
		"documents":        fill("---\na: b\n"),
		"markers":          fill("---\n"),
		"broken documents": fill("---\n\t@\n"),
		"anchors":          fill("&a "),
		"dashes":           fill("-"),
		"one line":         "a: " + fill("b c "),
		"many keys":        fill("key: value\n"),
		"lists in lists":   strings.Repeat("- ", 90) + fill("a: "),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			Read(&Source{Text: text})
			assert.Less(t, time.Since(start), 30*time.Second)
		})
	}
}

// theirs reads text as the library does that Kubernetes reads with.
func theirs(text string) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	err = yaml.Unmarshal([]byte(text), &v)
	return v, err
}

// sameValue compares a node with what the other library has read. Numbers,
// booleans and dates, which it has turned into values, are not compared.
func sameValue(n *Node, v any) bool {
	switch v := v.(type) {
	case map[string]any:
		if n.Kind != Map {
			return false
		}
		for key, value := range v {
			if p := n.Pair(key); p == nil || !sameValue(p.Value, value) {
				return false
			}
		}
		return true
	case []any:
		if n.Kind != List || len(n.Items) != len(v) {
			return false
		}
		for i, item := range v {
			if !sameValue(n.Items[i], item) {
				return false
			}
		}
		return true
	case string:
		return n.Text == v && n.Kind != List && n.Kind != Map
	case nil:
		return n.Kind == Null
	case map[any]any:
		return n.Kind == Map
	}
	return n.Kind != List && n.Kind != Map
}

// FuzzRead: nothing panics, places lie inside the text, and what both read
// both read alike.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"a: b\nc:\n- d\n- e: f\n", "{\"a\": [1, true, null]}", "a: |\n  x\n y\n", "a: >-\n  x\n\n   y\n  z\n", "- 'a''b'\n- \"c\\n\"\n",
		"a: &x {b: c}\nd: {<<: *x}\n", "? a\n: b\n", "--- |\n a\n...\n---\nb", "a:\n  b\n  c: d", "a: b #c\n#d\ne: f", "[a, b: c, {d}]", "a: 'b\n\n  c'\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs := Read(&Source{Text: text})
		for _, d := range docs {
			if d.Root != nil {
				check(t, text, d.Root)
			}
		}
		if len(docs) != 1 || docs[0].Err != nil || !comparable(text) {
			return
		}
		if v, err := theirs(text); err == nil && !sameValue(docs[0].Root, v) {
			t.Errorf("%q: ours %#v, theirs %#v", text, plain(docs[0].Root), v)
		}
	})
}

// comparable leaves out where the other library follows YAML 1.1 or its own
// ways: line breaks beyond ASCII, tags, tabs; and several documents, of which we
// pass over the empty ones.
func comparable(text string) bool {
	return !strings.Contains(text, "\n---") && utf8.ValidString(text) && !strings.ContainsAny(text, "!\t\u0085\u2028\u2029\uFEFF\x7f%") && !strings.Contains(text, "\r") && !strings.Contains(text, "<<")
}

func check(t *testing.T, text string, n *Node) {
	if n.Start < 0 || n.End < n.Start || n.End > len(text) {
		t.Fatalf("%q: node from %d to %d of %d", text, n.Start, n.End, len(text))
	}
	for _, item := range n.Items {
		check(t, text, item)
	}
	for _, p := range n.Pairs {
		check(t, text, p.KeyNode)
		check(t, text, p.Value)
	}
}
