package k8ssecret

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// Change is what is to become of values or settings.
type Change struct {
	// Set are the values that are to be there.
	Set []Value
	// Reset are values that something earlier may have set otherwise: they are
	// set where they are there, and else left out.
	Reset []Value
	// Drop are the paths of values that must not stay.
	Drop [][]string
}

// Merged is a file before and after a change. After is Before where nothing
// changes.
type Merged struct {
	Before, After []byte
	// Changed are the keys that have another value now, Dropped those that are
	// gone, and Added the new ones.
	Added, Changed, Dropped []string
}

// MergeValues makes the change in a file of Helm values, which may be empty.
// Comments, the order and the form of all else stay, and that every other value
// is the same is checked each time. An error says why the file cannot be
// changed, and where.
func MergeValues(source string, data []byte, c Change) (Merged, error) {
	return merge(source, data, c, false)
}

// MergeSettings is MergeValues for the protected settings of an Azure extension:
// flat JSON whose values are strings.
func MergeSettings(source string, data []byte, c Change) (Merged, error) {
	return merge(source, data, c, true)
}

func merge(source string, data []byte, c Change, settings bool) (Merged, error) {
	m := Merged{Before: data, After: data}
	fail := func(err error) (Merged, error) {
		origin := pki.Origin{Source: source}
		if e := (*tree.Error)(nil); errors.As(err, &e) {
			origin.Line, origin.Column, err = e.Line, e.Column, errors.New(e.Msg)
		}
		return Merged{Before: data, After: data}, &format.Error{Origin: origin, Err: err}
	}
	if len(data) > maxBytes {
		return m, tooLarge(source)
	}
	w := writer{text: toUTF8(data), settings: settings}
	if settings && strings.TrimSpace(w.text) == "" {
		w.text = "{}\n"
	} else if at, why := strictJSON(w.text); settings && why != "" {
		line, _ := (&tree.Source{Text: w.text}).Pos(at)
		return fail(fmt.Errorf("line %d: not JSON: %s", line, why))
	}
	before := w.text
	e := &merger{writer: &w, merged: &m, edited: map[string]bool{}}
	if err := e.change(c); err != nil {
		return fail(err)
	}
	if w.text == before && len(data) > 0 {
		return m, nil
	}
	if err := w.verify(before, c, e.edited); err != nil {
		return fail(err)
	}
	m.After = []byte(w.text)
	return m, nil
}

// merger makes a change and keeps account of it.
type merger struct {
	*writer
	merged *Merged
	// edited are the values that may be others now.
	edited map[string]bool
}

func (m *merger) change(c Change) error {
	for _, v := range c.Set {
		if err := m.put(v); err != nil {
			return err
		}
	}
	for _, v := range c.Reset {
		was, err := m.get(v.Path)
		if err == nil && was != nil && was.Kind != tree.Null {
			err = m.put(v)
		}
		if err != nil {
			return err
		}
	}
	for _, path := range c.Drop {
		if err := m.takeOut(path); err != nil {
			return err
		}
	}
	return nil
}

// put sets a value unless it is there already.
func (m *merger) put(v Value) error {
	was, err := m.get(v.Path)
	if err != nil {
		return err
	}
	m.edited[m.id(v.Path)] = true
	isThere := was != nil && was.Kind != tree.Null
	if isThere && m.same(was, v) {
		return nil
	}
	if err := m.set(v); err != nil {
		return fmt.Errorf("%s: %w", pki.Printable(v.Key()), err)
	}
	if isThere {
		m.merged.Changed = append(m.merged.Changed, v.Key())
	} else {
		m.merged.Added = append(m.merged.Added, v.Key())
	}
	return nil
}

// takeOut drops a value that is there.
func (m *merger) takeOut(path []string) error {
	was, err := m.get(path)
	if err != nil || was == nil {
		return err
	}
	m.edited[m.id(path)] = true
	key := strings.Join(path, ".")
	if err := m.drop(path); err != nil {
		return fmt.Errorf("%s: %w", pki.Printable(key), err)
	}
	m.merged.Dropped = append(m.merged.Dropped, key)
	return nil
}

// writer changes one text, a value at a time.
type writer struct {
	text string
	// settings: keys are flat, and every value is a string.
	settings bool
}

// keys are the keys that lead to a value in this kind of file.
func (w *writer) keys(path []string) []string {
	if w.settings {
		return []string{strings.Join(path, ".")}
	}
	return path
}

func (w *writer) id(path []string) string { return strings.Join(w.keys(path), "\x00") }

// read gives the one mapping of the text, nil when that is empty.
func (w *writer) read() (*tree.Source, *tree.Node, error) {
	src := &tree.Source{Text: w.text}
	var root *tree.Node
	for i, d := range tree.Read(src) {
		switch {
		case d.Err != nil:
			return nil, nil, d.Err
		case i > 0:
			return nil, nil, errors.New("there are several documents in it, and which is meant?")
		case d.Root.Kind == tree.Null:
		case d.Root.Kind != tree.Map:
			return nil, nil, fmt.Errorf("it holds %s and no mapping", d.Root.Kind)
		default:
			root = d.Root
		}
	}
	return src, root, nil
}

func (w *writer) get(path []string) (*tree.Node, error) {
	_, root, err := w.read()
	if err != nil || root == nil {
		return nil, err
	}
	return root.At(w.keys(path)...), nil
}

// same reports whether the node holds the value already.
func (w *writer) same(n *tree.Node, v Value) bool {
	if w.settings {
		return n.Kind == tree.String && n.Text == v.Text()
	}
	kind := tree.String
	switch v.Value.(type) {
	case bool:
		kind = tree.Bool
	case int:
		kind = tree.Number
	}
	return n.Kind == kind && n.Text == v.Text()
}

// scalar writes the value; in brackets as JSON has it.
func (w *writer) scalar(v Value, flow bool) string {
	text, isText := v.Value.(string)
	switch {
	case w.settings:
		return jsonString(v.Text())
	case flow && isText:
		return jsonString(text)
	}
	return yamlScalar(v.Value)
}

// set puts the value at its path.
func (w *writer) set(v Value) error {
	src, root, err := w.read()
	if err != nil {
		return err
	}
	keys := w.keys(v.Path)
	if root == nil {
		if !saysNothing(w.text) {
			return errors.New("it holds something that is no mapping")
		}
		w.text = appendLines(w.text, w.eol(), w.block(keys, v, 0))
		return nil
	}
	n := root
	for i, key := range keys {
		p := n.Pair(key)
		switch {
		case p == nil:
			return w.insert(src, n, keys[i:], v)
		case p.Merged:
			return fmt.Errorf("%s comes from another place by <<: write it out there", pki.Printable(key))
		case i == len(keys)-1:
			return w.replace(p, v, n.Style == tree.Flow)
		case p.Value.Alias:
			return fmt.Errorf("%s is an alias (*), which others refer to: write it out there", pki.Printable(key))
		case p.Value.Kind == tree.Null:
			return w.fill(src, n, p, keys[i+1:], v)
		case p.Value.Kind != tree.Map:
			return fmt.Errorf("%s is %s, where a mapping is due", pki.Printable(key), p.Value.Kind)
		}
		n = p.Value
	}
	return nil
}

// block writes "tls:" and "  crt: …" below it, as lines without the last break.
func (w *writer) block(keys []string, v Value, indent int) string {
	var b strings.Builder
	for i, key := range keys {
		if i > 0 {
			b.WriteString(w.eol())
		}
		b.WriteString(strings.Repeat(" ", indent+2*i) + yamlScalar(key) + ":")
	}
	b.WriteString(" " + w.scalar(v, false))
	return b.String()
}

// flow writes "tls": {"crt": "…"}.
func (w *writer) flow(keys []string, v Value) string {
	text := w.scalar(v, true)
	for i := len(keys) - 1; i >= 0; i-- {
		text = jsonString(keys[i]) + ": " + text
		if i > 0 {
			text = "{" + text + "}"
		}
	}
	return text
}

// insert adds an entry to the mapping n, behind its last.
func (w *writer) insert(src *tree.Source, n *tree.Node, keys []string, v Value) error {
	if n.Style == tree.Flow {
		return w.insertFlow(src, n, keys, v)
	}
	first, last := ownPairs(n)
	if first == nil {
		return errors.New("there is nothing to write it beside")
	}
	indent := w.indent(src, first)
	if strings.TrimLeft(indent, " ") != "" {
		return errors.New("the first key of its mapping shares its line with something else")
	}
	at := w.lineEnd(endOf(last))
	w.text = w.text[:at] + w.eol() + w.block(keys, v, len(indent)) + w.text[at:]
	return nil
}

// indent is what stands before the key of an entry in its line, but for a
// byte-order mark.
func (w *writer) indent(src *tree.Source, p *tree.Pair) string {
	line, _ := src.Pos(p.KeyNode.Start)
	return strings.TrimPrefix(w.text[src.Line(line):p.KeyNode.Start], "\uFEFF")
}

// insertFlow adds an entry to a mapping in brackets.
func (w *writer) insertFlow(src *tree.Source, n *tree.Node, keys []string, v Value) error {
	entry := w.flow(keys, v)
	_, last := ownPairs(n)
	if last == nil {
		at := n.Start + 1
		if inner := w.text[at : n.End-1]; strings.TrimSpace(inner) != "" {
			return errors.New("there is nothing to write it beside")
		}
		if w.settings {
			entry = w.eol() + "  " + entry + w.eol()
		}
		w.text = w.text[:at] + entry + w.text[n.End-1:]
		return nil
	}
	gap := ", "
	line, _ := src.Pos(last.KeyNode.Start)
	if before := w.text[src.Line(line):last.KeyNode.Start]; strings.TrimSpace(before) == "" {
		gap = "," + w.eol() + before
	}
	at := endOf(last)
	w.text = w.text[:at] + gap + entry + w.text[at:]
	return nil
}

// replace gives an entry another value. A comment behind | or > stays.
func (w *writer) replace(p *tree.Pair, v Value, flow bool) error {
	n, text := p.Value, w.scalar(v, flow)
	switch {
	case len(n.Pairs)+len(n.Items) > 0:
		return fmt.Errorf("it is %s", n.Kind)
	case n.Kind == tree.Null && n.Start == n.End:
		at, err := w.colon(p)
		if err != nil {
			return err
		}
		w.text = w.text[:at] + " " + text + w.text[at:]
		return nil
	case n.Body > 0:
		if i := strings.IndexByte(w.text[n.Start:n.Body], '#'); i >= 0 {
			text += " " + strings.TrimRight(w.text[n.Start+i:n.Body], "\r\n")
		}
	case n.Kind == tree.String && (n.Style == tree.Single || n.Style == tree.Double) && text[0] != '"':
		if _, isText := v.Value.(string); isText { // the quotation marks stay
			text = quoted(n.Style, text)
		}
	}
	w.text = w.text[:n.Start] + text + w.text[n.End:]
	return nil
}

// colon gives the offset behind the colon of an entry.
func (w *writer) colon(p *tree.Pair) (int, error) {
	rest := w.text[p.KeyNode.End:]
	blanks := len(rest) - len(strings.TrimLeft(rest, " \t"))
	if !strings.HasPrefix(rest[blanks:], ":") {
		return 0, errors.New("it has no colon")
	}
	return p.KeyNode.End + blanks + 1, nil
}

// fill makes a mapping of an entry that has no value.
func (w *writer) fill(src *tree.Source, n *tree.Node, p *tree.Pair, keys []string, v Value) error {
	if n.Style == tree.Flow {
		if p.Value.Start == p.Value.End {
			return errors.New("it has no value")
		}
		w.text = w.text[:p.Value.Start] + "{" + w.flow(keys, v) + "}" + w.text[p.Value.End:]
		return nil
	}
	if p.Value.Start < p.Value.End { // ~ or null
		w.text = w.text[:p.Value.Start] + w.text[p.Value.End:]
	}
	at := w.lineEnd(p.KeyNode.End)
	w.text = strings.TrimRight(w.text[:at], " ") + w.eol() + w.block(keys, v, len(w.indent(src, p))+2) + w.text[at:]
	return nil
}

// drop takes a value out, and the mapping around it when nothing else is in it:
// a mapping without a value would take away the chart's defaults.
func (w *writer) drop(path []string) error {
	src, root, err := w.read()
	if err != nil {
		return err
	}
	keys := w.keys(path)
	for len(keys) > 1 && len(root.At(keys[:len(keys)-1]...).Pairs) == 1 {
		keys = keys[:len(keys)-1]
	}
	n := root.At(keys[:len(keys)-1]...)
	p := n.Pair(keys[len(keys)-1])
	i := slices.IndexFunc(n.Pairs, func(q tree.Pair) bool { return q.KeyNode == p.KeyNode })
	switch {
	case p.Merged || n.Alias:
		return errors.New("it comes from another place by << or *: take it out there")
	case n.Style == tree.Flow && i+1 < len(n.Pairs) && !n.Pairs[i+1].Merged:
		w.text = w.text[:p.KeyNode.Start] + w.text[n.Pairs[i+1].KeyNode.Start:]
	case n.Style == tree.Flow && i > 0:
		w.text = w.text[:endOf(&n.Pairs[i-1])] + w.text[endOf(p):]
	case n.Style == tree.Flow:
		w.text = w.text[:p.KeyNode.Start] + w.text[endOf(p):]
	default:
		indent := w.indent(src, p)
		start, end := p.KeyNode.Start-len(indent), w.lineEnd(endOf(p))
		if strings.TrimSpace(indent) != "" {
			return errors.New("it shares its line with something else")
		}
		if strings.HasPrefix(w.text[end:], "\r") {
			end++
		}
		if strings.HasPrefix(w.text[end:], "\n") {
			end++
		}
		w.text = w.text[:start] + w.text[end:]
	}
	return nil
}

// ownPairs gives the first and the last entry that stand in the mapping itself.
func ownPairs(n *tree.Node) (first, last *tree.Pair) {
	for i := range n.Pairs {
		if n.Pairs[i].Merged {
			continue
		}
		if first == nil {
			first = &n.Pairs[i]
		}
		last = &n.Pairs[i]
	}
	return first, last
}

// endOf is the offset behind the last character of an entry.
func endOf(p *tree.Pair) int {
	v := p.Value
	if v.Alias || v.Style == tree.Flow {
		return v.End
	}
	end := max(p.KeyNode.End, v.End)
	if v.Kind == tree.Null && v.Start == v.End {
		end = p.KeyNode.End
	}
	if _, last := ownPairs(v); last != nil {
		end = max(end, endOf(last))
	}
	for _, item := range v.Items {
		end = max(end, endOf(&tree.Pair{KeyNode: item, Value: item}))
	}
	return end
}

// lineEnd is the offset of the line break behind at.
func (w *writer) lineEnd(at int) int {
	i := strings.IndexByte(w.text[at:], '\n')
	if i < 0 {
		return len(w.text)
	}
	if i > 0 && w.text[at+i-1] == '\r' {
		i--
	}
	return at + i
}

func (w *writer) eol() string {
	if i := strings.IndexByte(w.text, '\n'); i > 0 && w.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// saysNothing: comments and markers, and nothing else.
func saysNothing(text string) bool {
	for line := range strings.Lines(strings.TrimPrefix(text, "\uFEFF")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line != "---" {
			return false
		}
	}
	return true
}

// appendLines adds lines at the end of a text without values, which may hold
// comments and "---".
func appendLines(text, eol, lines string) string {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += eol
	}
	return text + lines + eol
}

// verify reads what came out: the change is in it, and nothing else is another.
func (w *writer) verify(before string, c Change, edited map[string]bool) error {
	_, root, err := w.read()
	if err != nil {
		return errors.New("the change would break it; it stays as it is")
	}
	for _, v := range c.Set {
		if n := root.At(w.keys(v.Path)...); n == nil || !w.same(n, v) {
			return fmt.Errorf("%s would not be what it is to be; the file stays as it is", pki.Printable(v.Key()))
		}
	}
	for _, path := range c.Drop {
		if root != nil && root.At(w.keys(path)...) != nil {
			return fmt.Errorf("%s cannot be taken out; the file stays as it is", pki.Printable(strings.Join(path, ".")))
		}
	}
	_, old, err := (&writer{text: before}).read()
	if err != nil {
		return err
	}
	was, is := map[string]string{}, map[string]string{}
	leaves(old, "", 0, edited, was)
	leaves(root, "", 0, edited, is)
	for path, text := range was {
		if now, ok := is[path]; ok && now != text || !ok && text != "nothing" {
			return errors.New("the change would touch another value; the file stays as it is")
		}
		delete(is, path)
	}
	if len(is) > 0 {
		return errors.New("the change would add another value; the file stays as it is")
	}
	return nil
}

// maxNested is more than the tree nests.
const maxNested = 101

// leaves collects the values below n by their paths, save for those of skip.
func leaves(n *tree.Node, path string, depth int, skip map[string]bool, into map[string]string) {
	if n == nil || skip[path] || depth > maxNested {
		return
	}
	below := func(key string) string {
		if path == "" && depth == 0 {
			return key
		}
		return path + "\x00" + key
	}
	switch {
	case n.Kind == tree.Null || n.Kind == tree.Map && len(n.Pairs) == 0:
		into[path] = "nothing"
	case len(n.Pairs) > 0:
		for _, p := range n.Pairs {
			leaves(p.Value, below(p.Key), depth+1, skip, into)
		}
	case len(n.Items) > 0:
		for i, item := range n.Items {
			leaves(item, below(fmt.Sprintf("[%d]", i)), depth+1, skip, into)
		}
	default:
		into[path] = n.Kind.String() + " " + n.Text
	}
}

// HasValue reports whether the values in data have the key, with something in
// it.
func HasValue(data []byte, key string) bool {
	n, err := (&writer{text: toUTF8(data)}).get(strings.Split(key, "."))
	return err == nil && n != nil && n.Text != ""
}
