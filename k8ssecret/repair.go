package k8ssecret

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// Repair mends how certificates and keys are packed in manifests, values,
// settings and .env files: base64 that is missing, doubled, wrapped or around
// DER, the PEM inside (see [format.Repair]), and the type of a Secret. It
// changes the values alone; comments, order and spelling of all else stay.
//
// After holds the same certificates and keys as Before, save for duplicates and
// a root that ca.crt has too, and every other value is the same; that is
// checked each time. An error says why the file has to stay as it is.
func Repair(source string, data []byte) (format.Repaired, error) {
	same := format.Repaired{Before: data, After: data}
	if len(data) > maxBytes {
		return same, tooLarge(source)
	}
	if Sniff(source, data) == KindScript {
		return repairScript(source, data), nil
	}
	m := mend(source, data)
	same.Left = m.left
	if len(m.edits) == 0 {
		return same, nil
	}
	after, err := m.apply()
	if err == nil {
		err = m.verify(after)
	}
	if err != nil {
		return same, &format.Error{Origin: pki.Origin{Source: source}, Err: err}
	}
	fixed := append(m.gone(after), m.fixed...)
	if len(fixed) == 0 { // nothing that a reader stumbles over
		return same, nil
	}
	return format.Repaired{Before: []byte(m.src.Text), After: []byte(after), Fixed: fixed, Left: m.left}, nil
}

// gone are the notes that the text had and after has not.
func (m *mender) gone(after string) (fixed []pki.Note) {
	is := notes(m.source, after)
	for _, n := range notes(m.source, m.src.Text) {
		same := func(o pki.Note) bool { return o.Rule == n.Rule && o.Origin.Field == n.Origin.Field }
		if !isProse(n.Rule) && !slices.ContainsFunc(is, same) && !slices.ContainsFunc(fixed, same) {
			fixed = append(fixed, n)
		}
	}
	return fixed
}

func notes(source, text string) (all []pki.Note) {
	units, _ := Read(source, []byte(text), format.Options{})
	for _, u := range units {
		all = append(all, u.Material.Notes...)
	}
	return all
}

// mender collects the edits of one source.
type mender struct {
	*reader
	// places tells how each value is embedded.
	places map[*tree.Node]embedding
	edits  []edit
	// edited are the paths of values that change, by document.
	edited map[string]bool
	fixed  []pki.Note
	left   []string
	// public are the values that hold certificates and nothing else, secret what
	// the others may be.
	public map[*tree.Node]bool
	secret map[*tree.Node]string
	// envs are the values of a .env file.
	envs []part
}

// edit replaces a part of the source.
type edit struct {
	start, end int
	text       string
}

// embedding is where a value stands.
type embedding struct {
	flow bool // in brackets: JSON
	key  *tree.Node
	// hidden: somewhere in the data of a Secret.
	hidden bool
}

// mend finds out what is to be changed.
func mend(source string, data []byte) *mender {
	m := &mender{
		reader: &reader{source: source, src: &tree.Source{Text: toUTF8(data)}},
		places: map[*tree.Node]embedding{}, edited: map[string]bool{}, public: map[*tree.Node]bool{}, secret: map[*tree.Node]string{},
	}
	switch kind := Sniff(source, data); kind {
	case KindSecret, KindConfigMap, KindHelmValues, KindAzureSettings:
		for i, d := range tree.Read(m.src) {
			if d.Err != nil || d.Root == nil {
				continue // the reader tells
			}
			m.place(d.Root, embedding{}, 0)
			doc := fmt.Sprintf("%d/", i)
			switch kind {
			case KindHelmValues:
				m.values(doc, d.Root, false)
			case KindAzureSettings:
				m.values(doc, d.Root, true)
			default:
				m.object(doc, d.Root, "")
			}
		}
	case KindEnv:
		m.env()
	}
	return m
}

// place notes how every value below n is embedded.
func (m *mender) place(n *tree.Node, e embedding, depth int) {
	if n == nil || n.Alias || depth > 64 {
		return
	}
	m.places[n] = e
	flow := e.flow || n.Style == tree.Flow
	secret := n.Get("kind").Scalar() == "Secret"
	for _, p := range n.Pairs {
		if !p.Merged {
			hidden := e.hidden || secret && (p.Key == "data" || p.Key == "stringData")
			m.place(p.Value, embedding{flow, p.KeyNode, hidden}, depth+1)
		}
	}
	for _, item := range n.Items {
		m.place(item, embedding{flow, nil, e.hidden}, depth+1)
	}
}

// object mends a Secret or a ConfigMap, or each of a list.
func (m *mender) object(doc string, n *tree.Node, prefix string) {
	if n.Kind != tree.Map {
		return
	}
	kind, api := n.Get("kind").Scalar(), n.Get("apiVersion").Scalar()
	switch {
	case strings.HasSuffix(kind, "List") && n.Get("items") != nil:
		for i, item := range n.Get("items").Items {
			m.object(doc, item, fmt.Sprintf("%sitems[%d]", dotted(prefix), i))
		}
	case api != "" && api != "v1" || m.templated(n, 0):
	case kind == "Secret":
		s := &secretReader{reader: m.reader, n: n, meta: readMeta(n), prefix: prefix, typ: n.Get("type").Scalar()}
		s.values("data", asBase64)
		s.values("stringData", asPEM)
		if s.ours() {
			m.parts(doc, s.parts)
			m.secretType(doc, s)
		}
	case kind == "ConfigMap":
		var u Unit
		var parts []part
		for _, section := range []struct {
			name string
			enc  encoding
		}{{"data", asPEM}, {"binaryData", asBase64}} {
			if values := n.Get(section.name); values != nil && values.Kind == tree.Map {
				for _, p := range values.Pairs {
					parts = append(parts, m.read(&u, field{path: join(join(prefix, section.name), p.Key), name: p.Key, node: p.Value, enc: section.enc, role: roleOf(p.Key)}))
				}
			}
		}
		m.parts(doc, parts)
	}
}

// values mends the values of a chart, or settings.
func (m *mender) values(doc string, root *tree.Node, settings bool) {
	if root.Kind != tree.Map {
		return
	}
	v := &valuesReader{reader: m.reader, root: root, dotted: settings, texts: settings}
	enc := asOneLine
	if !settings && !v.ours() {
		enc = asEither
		for _, p := range root.Pairs {
			below := &valuesReader{reader: m.reader, root: p.Value, prefix: p.Key}
			if p.Value.Kind == tree.Map && (below.ours() || p.Key == "connected-registry") {
				v, enc = below, asOneLine
				break
			}
		}
	}
	var parts []part
	for _, key := range []string{"crt", "key", "cacrt", "cert", "certificate", "ca", "caCert", "caCertificate"} {
		known := key == "crt" || key == "key" || key == "cacrt"
		if n := v.get("tls." + key); n != nil && (known || enc == asEither) {
			parts = append(parts, m.read(&v.unit, field{path: v.path("tls." + key), name: "tls." + key, node: n, enc: enc, role: roleOf(key), known: known && enc != asEither}))
		}
	}
	m.parts(doc, parts)
}

// env mends the values of a .env file.
func (m *mender) env() {
	var u Unit
	e := &envReader{reader: m.reader, unit: &u}
	for e.pos < len(m.src.Text) {
		e.line()
	}
	for _, n := range u.Material.Notes {
		if n.Rule == NoteBase64Wrapped && strings.Contains(n.Detail, "in a line of its own") {
			m.leave(n.Origin.Field, errors.New("its base64 goes on in lines of their own"))
			return
		}
	}
	m.envs = e.parts
	m.parts("", e.parts)
}

// leave says why a value stays as it is.
func (m *mender) leave(path string, why error) {
	if e := (*format.Error)(nil); errors.As(why, &e) {
		why = e.Err
	}
	m.left = append(m.left, fmt.Sprintf("%s: %v", pki.Printable(path), why))
}

// parts mends the fields that belong together.
func (m *mender) parts(doc string, parts []part) {
	anchors := map[string]bool{}
	for _, p := range parts {
		if p.found() && p.roleHere() == anchorRole {
			for _, c := range p.Certs {
				anchors[string(c.Raw)] = true
			}
		}
	}
	for _, p := range parts {
		switch {
		case len(p.Keys) > 0:
			m.secret[p.node] = "private key"
		case len(p.Certs)+len(p.Anchors)+len(p.CSRs) == 0:
			m.secret[p.node] = "value"
		default:
			m.public[p.node] = true
		}
		if !p.found() || p.open || p.node.Text == "" {
			continue
		}
		if err := m.part(doc, p, anchors); err != nil {
			m.leave(p.path, err)
		}
	}
}

// part mends one field.
func (m *mender) part(doc string, p part, anchors map[string]bool) error {
	want, fixed, left, err := packed(m.source, p, anchors)
	for _, text := range left {
		m.leave(p.path, errors.New(text))
	}
	if err != nil || want == p.node.Text {
		return err
	}
	if p.node.Alias {
		return errors.New("it is an alias (*): mend what it refers to")
	}
	e, err := m.rewrite(p, want)
	if err != nil {
		return err
	}
	m.edits = append(m.edits, e)
	m.edited[doc+p.path] = true
	for _, n := range fixed {
		if strings.HasPrefix(n.Rule, "chain-") { // no reader notes it
			n.Origin = m.origin(p.path, p.node.Start)
			m.fixed = append(m.fixed, n)
		}
	}
	return nil
}

// isProse tells notes about text that stays.
func isProse(rule string) bool {
	switch rule {
	case format.NoteTextBefore, format.NoteTextBetween, format.NoteTextAfter, format.NoteKeyAmongCerts, NotePlaceholder:
		return true
	}
	return false
}

// packed gives the value of p as it should be.
func packed(source string, p part, anchors map[string]bool) (want string, fixed []pki.Note, left []string, err error) {
	text := p.node.Text
	content, layers := peel(text)
	if format.IsPEM(content) {
		o := format.RepairOptions{Value: true, Served: p.roleHere() == certRole && serves(p.Certs), KeepRoot: true}
		for _, c := range p.Certs {
			o.KeepRoot = o.KeepRoot && !(anchors[string(c.Raw)] && c.X509 != nil && pki.SelfIssued(c.X509))
		}
		r, err := format.Repair(source, content, o)
		if err != nil {
			return text, nil, nil, err
		}
		content, fixed, left = r.After, r.Fixed, r.Left
	} else if !isBinaryName(p.name) {
		r, err := format.Repair(source, []byte(text), format.RepairOptions{Value: true})
		if err != nil || !format.IsPEM(r.After) {
			return unwrapped(p, text), nil, nil, err
		}
		content, fixed = r.After, r.Fixed
	} else {
		return unwrapped(p, text), nil, nil, nil
	}
	if p.enc == asPEM || p.enc == asEither && layers == 0 && format.IsPEM([]byte(text)) {
		if strings.TrimRight(string(content), "\n") == strings.TrimRight(text, "\n") {
			return text, nil, left, nil
		}
		return string(content), fixed, left, nil
	}
	want = base64.StdEncoding.EncodeToString(content)
	if strings.TrimRight(text, "\r\n") == want {
		return text, nil, left, nil
	}
	return want, fixed, left, nil
}

// unwrapped puts base64 into one line, whatever it holds.
func unwrapped(p part, text string) string {
	if p.enc == asPEM {
		return text
	}
	one := strings.Join(strings.Fields(text), "")
	if _, bad := strictBase64(one); bad != "" || one == strings.TrimRight(text, "\r\n") {
		return text
	}
	return one
}

// serves: a server's certificate is among them.
func serves(certs []pki.Cert) bool {
	return slices.ContainsFunc(certs, func(c pki.Cert) bool {
		return c.X509 != nil && (!c.X509.IsCA || len(c.X509.DNSNames)+len(c.X509.IPAddresses) > 0)
	})
}

// peel takes layers of base64 off until PEM shows. Without PEM inside it gives
// the text.
func peel(text string) (content []byte, layers int) {
	content = []byte(text)
	for layers < 4 && !format.IsPEM(content) {
		plain := strings.TrimRight(strings.Join(strings.Fields(string(content)), ""), "=")
		plain = strings.NewReplacer("-", "+", "_", "/").Replace(plain)
		inner, err := base64.RawStdEncoding.DecodeString(plain)
		if err != nil || len(inner) == 0 {
			return []byte(text), 0
		}
		content = inner
		layers++
	}
	return content, layers
}

// rewrite gives the edit by which p's value becomes want, in the style that it
// has, or in one that can hold it.
func (m *mender) rewrite(p part, want string) (edit, error) {
	n := p.node
	e := edit{start: n.Start, end: n.End}
	at, known := m.places[n]
	switch {
	case !known: // .env
		return m.rewriteEnv(n, want)
	case !strings.Contains(want, "\n"):
		e.text = quoted(n.Style, want)
		if at.flow && n.Style == tree.Plain {
			e.text = `"` + want + `"`
		}
		if n.Body > 0 { // the comment behind | or > stays
			if i := strings.IndexByte(m.src.Text[n.Start:n.Body], '#'); i >= 0 {
				e.text += " " + strings.TrimRight(m.src.Text[n.Start+i:n.Body], "\r\n")
			}
		}
	case at.flow || n.Style == tree.Double:
		e.text = `"` + strings.ReplaceAll(want, "\n", `\n`) + `"`
	case n.Style == tree.Literal && n.Indent > 0:
		e.start = n.Body
		e.text = m.indented(want, n.Indent)
	case at.key != nil:
		line, _ := m.src.Pos(at.key.Start)
		e.text = "|" + m.eol() + m.indented(want, at.key.Start-m.src.Line(line)+2)
	default:
		return e, errors.New("it is no value of a key")
	}
	return e, nil
}

// indented writes text as the lines of a block, without the last line break.
func (m *mender) indented(text string, by int) string {
	blanks := strings.Repeat(" ", by)
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		if strings.TrimRight(line, "\n") != "" {
			b.WriteString(blanks)
		}
		b.WriteString(strings.ReplaceAll(line, "\n", m.eol()))
	}
	return b.String()
}

// eol is how the source breaks its lines.
func (m *mender) eol() string {
	if i := strings.IndexByte(m.src.Text, '\n'); i > 0 && m.src.Text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

func quoted(style tree.Style, text string) string {
	switch style {
	case tree.Double:
		return `"` + text + `"`
	case tree.Single:
		return "'" + text + "'"
	}
	return text
}

// rewriteEnv keeps the quotes that a value of a .env file has.
func (m *mender) rewriteEnv(n *tree.Node, want string) (edit, error) {
	e := edit{n.Start, n.End, want}
	old := m.text(n)
	quote := ""
	if old != "" && (old[0] == '"' || old[0] == '\'') {
		quote = old[:1]
	}
	switch {
	case strings.Contains(want, "\n") && quote == "":
		return e, errors.New("PEM without quotation marks around it")
	case strings.Contains(want, "\n") && quote == `"` && strings.Contains(old, `\n`):
		want = strings.ReplaceAll(want, "\n", `\n`)
	}
	e.text = quote + want + quote
	if quote == "" { // blanks and a comment behind it
		e.end = n.Start + strings.Index(old, n.Text) + len(n.Text)
		e.start = n.Start + strings.Index(old, n.Text)
	}
	return e, nil
}

// secretType puts the type where it belongs.
func (m *mender) secretType(doc string, s *secretReader) {
	below := s.meta.node.Pair("type")
	p := s.n.Pair("type")
	pair := s.part("tls.crt") != nil && s.part("tls.key") != nil
	m.edited[doc+join(s.prefix, "metadata.type")] = true
	m.edited[doc+join(s.prefix, "type")] = true
	switch {
	case below != nil:
		typ := below.Value.Text
		if isNearTLS(typ) {
			typ = typeTLS
		}
		if below.Merged || below.Value.Kind != tree.String || isPlaceholder(typ) || typ == typeTLS && !pair {
			m.leave("metadata.type", errors.New("it is not clear what is meant"))
			return
		}
		cut, moved, err := m.cut(s.meta.node, *below)
		if err != nil {
			m.leave("metadata.type", err)
			return
		}
		m.edits = append(m.edits, cut)
		if p == nil {
			m.insertType(s, strings.Replace(moved, below.Value.Text, typ, 1), typ)
		}
	case p == nil && pair:
		m.insertType(s, "type: "+typeTLS, typeTLS)
	case p == nil || p.Merged || p.Value.Alias || s.typ == typeTLS || p.Value.Kind != tree.String || !pair || isPlaceholder(s.typ):
	case isNearTLS(s.typ) || s.typ == "Opaque":
		m.edits = append(m.edits, edit{p.Value.Start, p.Value.End, quoted(p.Value.Style, typeTLS)})
	}
}

// insertType writes the type before data. block is its line in YAML.
func (m *mender) insertType(s *secretReader, block, typ string) {
	at := s.n.Pair("data")
	if text := s.n.Pair("stringData"); at == nil || text != nil && text.KeyNode.Start < at.KeyNode.Start {
		at = text
	}
	start := at.KeyNode.Start
	line, _ := m.src.Pos(start)
	before := m.src.Text[m.src.Line(line):start]
	gap := m.eol() + strings.Repeat(" ", len(before))
	if s.n.Style == tree.Flow {
		block = `"type": "` + typ + `",`
		if strings.TrimSpace(before) != "" {
			gap = " "
		} else {
			gap = m.eol() + before
		}
	}
	m.edits = append(m.edits, edit{start, start, block + gap})
}

// cut takes an entry out of a mapping, and gives the text of its line.
func (m *mender) cut(n *tree.Node, p tree.Pair) (e edit, moved string, err error) {
	i := slices.IndexFunc(n.Pairs, func(q tree.Pair) bool { return q.KeyNode == p.KeyNode })
	only := len(n.Pairs) == 1
	text := m.src.Text
	switch {
	case only || p.Value.Body > 0:
		return e, "", errors.New("it stands there alone, or over several lines")
	case n.Style == tree.Flow && i+1 < len(n.Pairs):
		return edit{p.KeyNode.Start, n.Pairs[i+1].KeyNode.Start, ""}, "type: " + p.Value.Text, nil
	case n.Style == tree.Flow:
		return edit{n.Pairs[i-1].Value.End, p.Value.End, ""}, "type: " + p.Value.Text, nil
	}
	line, _ := m.src.Pos(p.KeyNode.Start)
	start, end := m.src.Line(line), len(text)
	if j := strings.IndexByte(text[start:], '\n'); j >= 0 {
		end = start + j + 1
	}
	if strings.TrimSpace(text[start:p.KeyNode.Start]) != "" || p.Value.End > end {
		return e, "", errors.New("it shares its line with something else")
	}
	return edit{start, end, ""}, strings.TrimRight(text[p.KeyNode.Start:end], "\r\n"), nil
}

// apply makes the edits, the last first.
func (m *mender) apply() (string, error) {
	slices.SortStableFunc(m.edits, func(a, b edit) int { return b.start - a.start })
	text, limit := m.src.Text, len(m.src.Text)
	for _, e := range m.edits {
		if e.end > limit || e.start > e.end {
			return "", errors.New("two repairs meet in one place")
		}
		text = text[:e.start] + e.text + text[e.end:]
		limit = e.start
	}
	return text, nil
}

// verify reads what came out, and compares it with what was.
func (m *mender) verify(after string) error {
	if again := mend(m.source, []byte(after)); len(again.edits) > 0 {
		return errors.New("holds faults in a combination that repair does not master")
	}
	was, is := m.held(m.src.Text), m.held(after)
	for item := range was {
		if !is[item] {
			kind, _, _ := strings.Cut(item, " ")
			return fmt.Errorf("the repair would lose a %s", kind)
		}
		delete(is, item)
	}
	if len(is) > 0 {
		return errors.New("the repair would add something")
	}
	if Sniff(m.source, []byte(after)) == KindEnv {
		return nil
	}
	before, now := m.others(m.src.Text), m.others(after)
	if !maps.Equal(before, now) {
		return errors.New("the repair would change another value")
	}
	return nil
}

// held is what the units of a text hold.
func (m *mender) held(text string) map[string]bool {
	items := map[string]bool{}
	units, _ := Read(m.source, []byte(text), format.Options{})
	for _, u := range units {
		for _, c := range slices.Concat(u.Material.Certs, u.Material.Anchors) {
			items["certificate "+string(c.Raw)] = true
		}
		for _, k := range u.Material.Keys {
			items[fmt.Sprintf("key %v %t", k.Public(), k.Encrypted)] = true
		}
		for _, r := range u.Material.CSRs {
			items["request "+string(r.Raw)] = true
		}
	}
	return items
}

// others are the values of a text that are not to change, by their paths.
func (m *mender) others(text string) map[string]string {
	values := map[string]string{}
	var walk func(*tree.Node, string, string, int)
	walk = func(n *tree.Node, doc, path string, depth int) {
		if m.edited[doc+path] || n == nil || depth > 64 {
			return
		}
		switch n.Kind {
		case tree.Map:
			values[doc+path] = "map"
			for _, p := range n.Pairs {
				walk(p.Value, doc, join(path, p.Key), depth+1)
			}
		case tree.List:
			values[doc+path] = fmt.Sprint(len(n.Items))
			for i, item := range n.Items {
				walk(item, doc, fmt.Sprintf("%s[%d]", path, i), depth+1)
			}
		default:
			values[doc+path] = n.Kind.String() + n.Text
		}
	}
	for i, d := range tree.Read(&tree.Source{Text: text}) {
		walk(d.Root, fmt.Sprintf("%d/", i), "", 0)
		if d.Err != nil {
			values[fmt.Sprint(i)] = "unreadable"
		}
	}
	return values
}

// Spans tells what of a text must not be shown, private keys and all else that
// may be secret, and which values are public however secret they look. The text
// has to be one that [Repair] reads.
func Spans(source string, data []byte) []format.Span {
	if Sniff(source, data) == KindScript {
		return scriptSpans(toUTF8(data))
	}
	m := mend(source, data)
	var spans []format.Span
	if m.envs != nil {
		return m.envSpans()
	}
	for n, at := range m.places {
		switch {
		case m.public[n]:
			spans = append(spans, format.Span{Start: n.Start, End: n.End, What: "certificate"})
		case m.secret[n] != "" && len(n.Pairs)+len(n.Items) == 0:
			spans = append(spans, format.Span{Start: n.Start, End: n.End, Secret: true, What: m.secret[n]})
		case n.Kind == tree.String && (at.hidden || at.key != nil && soundsSecret(at.key.Text)):
			spans = append(spans, format.Span{Start: n.Start, End: n.End, Secret: true, What: "value"})
		}
	}
	slices.SortFunc(spans, func(a, b format.Span) int { return a.Start - b.Start })
	return spans
}

// envSpans hides the value of every line but those of certificates.
func (m *mender) envSpans() (spans []format.Span) {
	for _, p := range m.envs {
		spans = append(spans, format.Span{Start: p.node.Start, End: p.node.End, Secret: !m.public[p.node], What: cmp.Or(m.secret[p.node], "certificate")})
	}
	for start, text := 0, m.src.Text; start < len(text); {
		end := len(text)
		if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
			end = start + i
		}
		known := func(s format.Span) bool { return s.Start < end && s.End > start }
		if i := strings.IndexByte(text[start:end], '='); i >= 0 && !slices.ContainsFunc(spans, known) {
			spans = append(spans, format.Span{Start: start + i + 1, End: end, Secret: true, What: "value"})
		}
		start = end + 1
	}
	slices.SortFunc(spans, func(a, b format.Span) int { return a.Start - b.Start })
	return spans
}

// soundsSecret tells by its name what is nobody's business.
func soundsSecret(name string) bool {
	low := strings.ToLower(name)
	for _, word := range []string{"password", "passwd", "token", "secret", "key", "credential", "connectionstring", "auth", "value", "last-applied"} {
		if strings.Contains(low, word) {
			return true
		}
	}
	return false
}
