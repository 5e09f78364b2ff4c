package cluster

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
)

// yamlValue reads the first document of a text, YAML or JSON, as client-go's
// reader does (sigs.k8s.io/yaml v1.6.0 over go.yaml.in/yaml/v2 v2.4.2): into
// nil, bool, string, a number, []any or map[string]any. What that reader would
// read otherwise than package tree does is refused: directives, tags, punctuation
// that begins words, and line breaks other than those of ASCII. Its errors repeat nothing of the text but keys.
func yamlValue(data []byte) (any, error) {
	if err := printable(data); err != nil {
		return nil, err
	}
	src := &tree.Source{Text: string(data)}
	docs := tree.Read(src)
	if len(docs) == 0 || firstIsEmpty(src.Text[:docs[0].Start]) {
		return nil, nil
	}
	if e, ok := errors.AsType[*tree.Error](docs[0].Err); ok && strings.HasPrefix(src.Text[e.Offset:], "*") {
		e.Msg = "a leading * refers to an anchor, which is not there: put the value between quotes" // without the value
		return nil, e
	} else if docs[0].Err != nil {
		return nil, docs[0].Err
	}
	root := docs[0].Root
	if strings.Contains("\n"+src.Text[:root.Start], "\n%") {
		return nil, reader{src: src}.fail(root, "a directive (%%…) stands before the document, which has no place here")
	}
	return reader{src: src}.value(root)
}

// printable refuses what YAML takes for no character of a text (yaml_is_printable
// and the reader of go.yaml.in/yaml/v2), and the line breaks that YAML 1.1 has
// beside those of ASCII.
func printable(data []byte) error {
	text := strings.TrimPrefix(string(data), "\uFEFF")
	if !utf8.ValidString(text) {
		return errors.New("it is no UTF-8 text")
	}
	for _, c := range text {
		switch {
		case c == '\t', c == '\n', c == '\r', ' ' <= c && c <= '~', c >= 0xA0 && c != '\u2028' && c != '\u2029' && c != '\uFEFF' && c != '\uFFFE' && c != '\uFFFF':
		default:
			return fmt.Errorf("it has the control character %U, which no YAML holds", c)
		}
	}
	return nil
}

// firstIsEmpty: a marker stands before the document that tree found first, and
// so a document without content comes before it.
func firstIsEmpty(before string) bool {
	for line := range strings.Lines(before) {
		line = strings.TrimRight(line, "\r\n")
		if line == "---" || strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "---\t") {
			return true
		}
	}
	return false
}

// reader turns nodes into values.
type reader struct {
	src  *tree.Source
	flow bool // inside brackets
}

func (r reader) fail(n *tree.Node, format string, args ...any) error {
	line, column := r.src.Pos(n.Start)
	return &tree.Error{Line: line, Column: column, Offset: n.Start, Msg: fmt.Sprintf(format, args...)}
}

func (r reader) value(n *tree.Node) (any, error) {
	if r.tagged(n) {
		return nil, r.fail(n, "a tag (!…) before a value, which has no place here")
	}
	r.flow = r.flow || n.Style == tree.Flow
	switch n.Kind {
	case tree.List:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			v, err := r.value(item)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case tree.Map:
		m := map[string]any{}
		return m, r.pairs(n, m)
	}
	if n.Style == tree.Double && !n.Alias && hasNewEscape(r.src.Text[n.Start:n.End]) {
		return nil, r.fail(n, "an escape that YAML 1.1 does not have: \\/, or half a character")
	}
	if n.Style != tree.Plain {
		return n.Text, nil
	}
	if why := r.unclear(n); why != "" {
		return nil, r.fail(n, "%s: put it between quotes", why)
	}
	if r.tag(n) != "" {
		return n.Text, nil
	}
	v := scalar(n.Text)
	if f, ok := v.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return nil, r.fail(n, "a number that JSON does not have")
	}
	return v, nil
}

// pairs adds the entries of n to m. Of a key that comes twice the last counts,
// and what << brings in counts at its place, as go.yaml.in/yaml/v2 has it
// (decode.go, mapping and merge).
func (r reader) pairs(n *tree.Node, m map[string]any) error {
	for _, p := range n.Pairs {
		if p.Merged {
			continue
		}
		if p.Key == "<<" && p.KeyNode.Style == tree.Plain {
			if err := r.merge(p.Value, m); err != nil {
				return err
			}
			continue
		}
		key, err := r.key(p.KeyNode)
		if err != nil {
			return err
		}
		if m[key], err = r.value(p.Value); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) merge(base *tree.Node, m map[string]any) error {
	switch base.Kind {
	case tree.Map:
		return r.pairs(base, m)
	case tree.List:
		for i := len(base.Items) - 1; i >= 0; i-- { // the first counts most
			if base.Items[i].Kind != tree.Map {
				return r.fail(base, "<< takes mappings only")
			}
			if err := r.pairs(base.Items[i], m); err != nil {
				return err
			}
		}
		return nil
	}
	return r.fail(base, "<< takes mappings only")
}

// key is the text of a key. Numbers and booleans are taken as they are written
// when client-go's reader would write them so too.
func (r reader) key(n *tree.Node) (string, error) {
	if n.Kind == tree.List || n.Kind == tree.Map {
		return "", r.fail(n, "a key that is no text")
	}
	v, err := r.value(n)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	return "", r.fail(n, "a key that is no text: put it between quotes")
}

// tagged reports whether an explicit tag other than that of texts stands before
// n on its line.
func (r reader) tagged(n *tree.Node) bool {
	tag := r.tag(n)
	return tag != "" && !(tag == "!!str" && n.Style == tree.Plain && n.Text != "")
}

// tag is the word that begins with an exclamation mark before n.
func (r reader) tag(n *tree.Node) string {
	if n.Alias { // its place is that of the alias
		return ""
	}
	before := strings.TrimRight(r.src.Text[:n.Start], " \t")
	word := before[strings.LastIndexAny(before, " \t\r\n,[{")+1:]
	if strings.HasPrefix(word, "&") { // an anchor between tag and value
		before = strings.TrimRight(strings.TrimSuffix(before, word), " \t")
		word = before[strings.LastIndexAny(before, " \t\r\n,[{")+1:]
	}
	if strings.HasPrefix(word, "!") {
		return word
	}
	return ""
}

// unclear says why a word without quotes is none for client-go's reader, which
// is stricter with punctuation and with lines that go on inside brackets.
func (r reader) unclear(n *tree.Node) string {
	if n.Text == "" || n.Alias {
		return ""
	}
	switch first := n.Text[0]; {
	case strings.IndexByte(":?#", first) >= 0, n.Text == "-":
		return fmt.Sprintf("%q cannot begin a value here", first)
	case r.flow && strings.ContainsRune(n.Text, '?'):
		return "a question mark inside brackets"
	case r.flow && strings.ContainsAny(r.src.Text[n.Start:n.End], "\r\n"):
		return "a value inside brackets that goes on in the next line"
	}
	return ""
}

// hasNewEscape reports whether a text between quotes has an escape that came
// with YAML 1.2 and JSON.
func hasNewEscape(quoted string) bool {
	for i := 0; i+1 < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		i++
		// \uD800 to \uDFFF are halves.
		code := quoted[i+1 : min(i+3, len(quoted))]
		if quoted[i] == '/' || quoted[i] == 'u' && len(code) == 2 && code[0]|0x20 == 'd' && code[1] >= '8' {
			return true
		}
	}
	return false
}

// scalar is what a plain word means by YAML 1.1 (go.yaml.in/yaml/v2, resolve.go):
// nil, bool, int64, uint64, float64, or the word itself. Dates are texts.
func scalar(word string) any {
	switch word {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false
	case ".nan", ".NaN", ".NAN":
		return math.NaN()
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
		return math.Inf(1)
	}
	switch c := word[0]; {
	case c == '.':
		if f, err := strconv.ParseFloat(word, 64); err == nil {
			return f
		}
	case c == '+' || c == '-' || '0' <= c && c <= '9':
		return number(word)
	}
	return word
}

// number is the part of scalar for words that begin with a sign or a digit.
func number(word string) any {
	digits := strings.ReplaceAll(word, "_", "")
	if i, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(digits, 0, 64); err == nil {
		return u
	}
	if strings.Trim(digits, "0123456789.eE+-") == "" {
		if f, err := strconv.ParseFloat(digits, 64); err == nil {
			return f
		}
	}
	if binary, ok := strings.CutPrefix(digits, "0b"); ok { // with a sign behind it
		if i, err := strconv.ParseInt(binary, 2, 64); err == nil {
			return i
		}
	}
	return word
}
