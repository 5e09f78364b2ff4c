package trust

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// containerd 1 reads its files with go-toml v1, containerd 2 with v2 up to 2.3.
// Here both are read with a later v2; what differs is made up for below.

// tomlError is why a file was not understood.
type tomlError struct {
	line int
	err  error
}

func (e *tomlError) Error() string { return e.err.Error() }
func (e *tomlError) Unwrap() error { return e.err }

// tomlTypeError is go-toml v1's word for a value of the wrong type.
type tomlTypeError struct{ text string }

func (e *tomlTypeError) Error() string { return e.text }

// tomlKey is a key or the head of a table where it is written.
type tomlKey struct {
	// path is the whole path, that of the table included.
	path         []string
	line, column int
	// table is true for [head] and false for key = value, date for a value that
	// is a date without a time.
	table, date bool
}

// tomlKeys are the keys of a file.
type tomlKeys struct {
	// list is in the file's order.
	list []tomlKey
	// first is the first key at or below a path of up to indexed parts.
	first map[string]int
	// err is set when there is more than is read here.
	err error
}

// maxPath bounds how deep tables may lie in one another, maxKeys how many keys
// there may be: the parser's time grows with their square.
const (
	maxPath = 64
	maxKeys = 4000
)

// indexed is the longest path that is looked up often: plugins, a plugin,
// registry, configs, a name, tls.
const indexed = 6

func (keys *tomlKeys) add(k tomlKey) {
	switch {
	case len(k.path) > maxPath:
		keys.err = fmt.Errorf("%w: tables in tables in tables", ErrTooMuch)
	case len(keys.list) == maxKeys:
		keys.err = fmt.Errorf("%w: thousands of settings", ErrTooMuch)
	}
	if keys.err != nil {
		return
	}
	if keys.first == nil {
		keys.first = map[string]int{}
	}
	name := ""
	for _, part := range k.path[:min(len(k.path), indexed)] {
		name += part + "\x00"
		if _, ok := keys.first[name]; !ok {
			keys.first[name] = len(keys.list)
		}
	}
	keys.list = append(keys.list, k)
}

// find gives the key, or the first one below it.
func (keys tomlKeys) find(path ...string) (tomlKey, bool) {
	if len(path) <= indexed {
		k, ok := keys.first[strings.Join(path, "\x00")+"\x00"]
		if !ok {
			return tomlKey{}, false
		}
		return keys.list[k], true
	}
	for _, k := range keys.list {
		if len(k.path) >= len(path) && slices.Equal(k.path[:len(path)], path) {
			return k, true
		}
	}
	return tomlKey{}, false
}

// line is where the key, or the first key below it, stands; 0 when nowhere.
func (keys tomlKeys) line(path ...string) int {
	k, _ := keys.find(path...)
	return k.line
}

// maxTOML bounds files of settings: those of nodes have some kilobytes.
const maxTOML = 512 << 10

// decodeTOML decodes text into v, a pointer to a struct, and gives its keys. With
// v1 it does so as go-toml v1.
func decodeTOML(text []byte, v any, v1 bool) (tomlKeys, error) {
	if len(text) > maxTOML {
		return tomlKeys{}, &tomlError{err: ErrTooLarge}
	}
	if v1 {
		text = tomlV1Dialect(text)
	} else if line := newerTOML(text); line > 0 {
		return keysOf(text), &tomlError{line: line, err: errors.New("toml: this is of TOML 1.1, containerd reads 1.0")}
	}
	keys := keysOf(text)
	if keys.err != nil {
		return keys, &tomlError{err: keys.err}
	}
	if !v1 {
		return keys, withLine(toml.Unmarshal(text, v))
	}
	for _, k := range keys.list {
		if k.date {
			return keys, &tomlError{line: k.line, err: fmt.Errorf("(%d, %d): parsing error: incorrect date/time separation character", k.line, k.column)}
		}
	}
	var m map[string]any
	if err := toml.Unmarshal(text, &m); err != nil {
		return keys, withLine(err)
	}
	return keys, bindTOML(m, v, true, func(path []string) (line, column int) {
		k, _ := keys.find(path...)
		return k.line, k.column
	})
}

// withLine keeps the line of go-toml's error.
func withLine(err error) error {
	if err == nil {
		return nil
	}
	line := 0
	if d, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ = d.Position()
	}
	return &tomlError{line: line, err: err}
}

// bindTOML puts a table into v, a pointer to a struct. where finds a key for
// the words of go-toml v1.
func bindTOML(m map[string]any, v any, v1 bool, where func(path []string) (line, column int)) error {
	if v1 {
		m = tomlV1Names(m)
	}
	text, err := toml.Marshal(m)
	if err != nil {
		return err
	}
	err = toml.Unmarshal(text, v)
	d, ok := errors.AsType[*toml.DecodeError](err)
	if !ok || !v1 {
		return err
	}
	line, column := where(d.Key())
	return &tomlError{line: line, err: &tomlTypeError{fmt.Sprintf("(%d, %d): %s", line, column, cannotConvert(valueAt(m, d.Key()), d.Error()))}}
}

// cannotConvert words a wrong type as go-toml v1 does.
func cannotConvert(value any, v2 string) string {
	_, to, _ := strings.Cut(v2, " of type ")
	to = strings.TrimPrefix(to, "*")
	switch _, list := value.([]any); {
	case list:
		to = "a slice"
		return fmt.Sprintf("Can't convert %v(%T) to %s", value, value, to)
	case strings.HasPrefix(to, "[]"):
		to += "(slice)"
	}
	return fmt.Sprintf("Can't convert %v(%T) to %s", value, value, to)
}

func valueAt(m map[string]any, path []string) any {
	var v any = m
	for _, key := range path {
		table, ok := v.(map[string]any)
		if !ok {
			break
		}
		v = table[key]
	}
	return v
}

// tomlNames are the names of settings that matter here, one a line.
const tomlNames = "\nca\nclient\ncapabilities\nskip_verify\nheader\noverride_path\nserver\nhost\n" +
	"version\nimports\nplugins\ndisabled_plugins\nregistry\nconfig_path\nmirrors\nendpoint\nconfigs\nauths\ntls\n" +
	"ca_file\ncert_file\nkey_file\ninsecure_skip_verify\n"

// tomlV1Names keeps what go-toml v1 takes for a setting: its name in small or
// in capital letters. v2 takes any case.
func tomlV1Names(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for key, value := range m {
		if table, ok := value.(map[string]any); ok {
			value = tomlV1Names(table)
		}
		small := strings.ToLower(key)
		switch {
		case key == small || !strings.Contains(tomlNames, "\n"+small+"\n"):
			out[key] = value
		case key == strings.ToUpper(key):
			if _, ok := m[small]; !ok {
				out[small] = value
			}
		}
	}
	return out
}

// tomlV1Dialect rewrites what go-toml v1 takes and v2 does not: a byte order
// mark, bytes that are no UTF-8, a carriage return as the end of a line.
func tomlV1Dialect(text []byte) []byte {
	s := strings.ToValidUTF8(strings.TrimPrefix(string(text), "\ufeff"), "\ufffd")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return []byte(strings.ReplaceAll(s, "\r", "\n"))
}

// newerTOML finds the first line that is of TOML 1.1 only, which containerd does
// not read: an inline table over several lines or with a comma at its end, and
// the escapes \e and \x. It is 0 when there is none.
func newerTOML(text []byte) int {
	var (
		open    []byte // of { and [
		line    = 1
		comma   bool
		comment bool
		s       = string(text)
	)
	for len(s) > 0 {
		c := s[0]
		switch {
		case comment && c != '\n':
			s = s[1:]
			continue
		case c == '"' || c == '\'':
			body, rest, newer := tomlString(s)
			if newer {
				return line
			}
			line += strings.Count(body, "\n")
			s, comma = rest, false
			continue
		case c == '#':
			comment = true
		case c == '\n':
			if len(open) > 0 && open[len(open)-1] == '{' {
				return line
			}
			comment = false
			line++
		case c == '{' || c == '[':
			open = append(open, c)
		case c == '}' && comma:
			return line
		case (c == '}' || c == ']') && len(open) > 0:
			open = open[:len(open)-1]
		}
		comma = c == ',' || comma && (c == ' ' || c == '\t')
		s = s[1:]
	}
	return 0
}

// tomlString takes a string off the front of s. newer is true for escapes of
// TOML 1.1 in it.
func tomlString(s string) (body, rest string, newer bool) {
	quote := s[:1]
	if strings.HasPrefix(s, quote+quote+quote) {
		quote = s[:3]
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], quote):
			return s[:i], s[i+len(quote):], newer
		case len(quote) == 1 && s[i] == '\n': // it was never closed
			return s[:i], s[i:], newer
		case s[i] == '\\' && quote[0] == '"' && i+1 < len(s):
			i++
			newer = newer || s[i] == 'e' || s[i] == 'x'
		}
	}
	return s, "", newer
}

// keysOf lists the keys up to the first error of syntax.
func keysOf(text []byte) tomlKeys {
	var (
		p     unstable.Parser
		keys  tomlKeys
		table []string
	)
	p.Reset(text)
	at := lines{text: text, line: 1}
	for keys.err == nil && p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			k := at.key(e)
			table, k.table = k.path, e.Kind == unstable.Table
			keys.add(k)
		case unstable.KeyValue:
			at.addKeyValue(&keys, table, e)
		}
	}
	return keys
}

// lines counts lines of a text from front to back.
type lines struct {
	text       []byte
	offset     int
	line       int
	lineBegins int
}

func (l *lines) at(offset int) (line, column int) {
	for ; l.offset < offset && l.offset < len(l.text); l.offset++ {
		if l.text[l.offset] == '\n' {
			l.line++
			l.lineBegins = l.offset + 1
		}
	}
	return l.line, offset - l.lineBegins + 1
}

// addKeyValue goes into inline tables too.
func (l *lines) addKeyValue(keys *tomlKeys, table []string, e *unstable.Node) {
	k := l.key(e)
	k.path = append(slices.Clone(table), k.path...)
	v := e.Value()
	k.date = v.Kind == unstable.LocalDate
	keys.add(k)
	if v.Kind == unstable.InlineTable && keys.err == nil {
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				l.addKeyValue(keys, k.path, it.Node())
			}
		}
	}
}

func (l *lines) key(e *unstable.Node) tomlKey {
	var k tomlKey
	for it := e.Key(); it.Next(); {
		n := it.Node()
		if k.line == 0 {
			k.line, k.column = l.at(int(n.Raw.Offset))
		}
		if k.path = append(k.path, string(n.Data)); len(k.path) > maxPath {
			break
		}
	}
	return k
}
