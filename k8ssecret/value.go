package k8ssecret

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// encoding is how a value has to be written.
type encoding uint8

const (
	asBase64  encoding = iota // base64 of PEM: data of a Secret
	asOneLine                 // base64 of PEM, without line breaks: the chart's values, settings
	asPEM                     // PEM: stringData, data of a ConfigMap
	asEither                  // .env
)

// role is what a value is there for.
type role uint8

const (
	anyRole role = iota // decided by content
	certRole
	keyRole
	anchorRole
)

// field is one value that may hold certificates or a key.
type field struct {
	path string // "data.tls.crt"
	name string // "tls.crt"
	node *tree.Node
	enc  encoding
	role role
	// known: by its name it cannot be anything else, so that a value which holds
	// neither certificate nor key is a fault.
	known bool
}

// part is what a field held.
type part struct {
	field
	pki.Material
	// open: something else is to fill the value in.
	open bool
}

// found reports whether the part holds material.
func (p part) found() bool { return !p.Material.Empty() }

// read takes the material out of a field. What it notes goes to the unit when
// the field turns out to hold any.
func (r *reader) read(u *Unit, f field) part {
	p := part{field: f}
	switch {
	case f.node.Kind == tree.Map || f.node.Kind == tree.List || isPlaceholder(f.node.Text):
		p.open = true
		if f.known && !r.quiet && (hasTemplate(r.text(f.node)) || isPlaceholder(f.node.Text)) {
			r.note(u, NotePlaceholder, f.path, f.node.Start, "%s is for something else to fill in; what that makes is not judged", f.path)
		} else if f.known && !r.quiet {
			r.note(u, NoteValueType, f.path, f.node.Start, "%s is %s where a string is due", f.path, f.node.Kind)
		}
		return p
	case f.node.Kind != tree.String && f.node.Kind != tree.Null:
		if f.known {
			r.note(u, NoteValueType, f.path, f.node.Start, "%s is %s where a string is due: put quotes around it", f.path, f.node.Kind)
		}
		return p
	case strings.TrimSpace(f.node.Text) == "":
		return p
	}
	data, layers := takeLayer(f.node.Text)
	m, err := format.Decode(r.source, data, r.opt)
	if m.Empty() || !f.known && f.role == anyRole && !sound(m) {
		r.unreadable(u, f, err)
		return p
	}
	more, der := layersOf(m.Notes)
	m.Notes = withoutLayers(m.Notes, more > 0)
	p.Material = r.place(f, m)
	r.encoded(u, f, layers+more, der)
	if f.role == anchorRole && len(m.Keys) > 0 && len(m.Certs)+len(m.Anchors) == 0 {
		r.note(u, NoteKeyInCA, f.path, f.node.Start, "%s holds a private key and no certificate, and all clients get it", f.path)
	}
	u.Material.Notes = append(u.Material.Notes, p.Material.Notes...)
	p.Material.Notes = nil
	return p
}

// sound reports whether at least one item could be read. A text that merely
// mentions BEGIN CERTIFICATE holds none.
func sound(m pki.Material) bool {
	for _, c := range slices.Concat(m.Certs, m.Anchors) {
		if c.X509 != nil {
			return true
		}
	}
	for _, k := range m.Keys {
		if k.Signer != nil || k.Encrypted {
			return true
		}
	}
	return false
}

// unreadable notes that a field which must hold material holds none.
func (r *reader) unreadable(u *Unit, f field, err error) {
	if !f.known || r.quiet {
		return
	}
	text := f.node.Text
	if q := typographicQuote(text); q != "" {
		if !slices.ContainsFunc(u.Material.Notes, func(n pki.Note) bool { return n.Rule == NoteTypographicQuotes && n.Origin.Field == f.path }) {
			r.note(u, NoteTypographicQuotes, f.path, f.node.Start, "%s holds the quotation mark %s, which is a typographic one: type a plain one", f.path, q)
		}
		return
	}
	if f.enc == asBase64 || f.enc == asOneLine {
		if _, bad := strictBase64(text); bad != "" {
			r.note(u, NoteBase64Invalid, f.path, f.node.Start, "%s is not base64: %s", f.path, bad)
			return
		}
	}
	reason := "holds neither a certificate nor a key"
	if e := (*format.Error)(nil); errors.As(err, &e) {
		reason = e.Err.Error()
	}
	r.note(u, NoteValueUnreadable, f.path, f.node.Start, "%s %s", f.path, reason)
}

// strictBase64 decodes as the API server does, which passes over line breaks
// and nothing else. bad says what it stumbles over.
func strictBase64(text string) (data []byte, bad string) {
	data, err := base64.StdEncoding.DecodeString(text)
	var at base64.CorruptInputError
	switch {
	case err == nil:
		return data, ""
	case !errors.As(err, &at) || int(at) >= len(text):
		return nil, "it is cut off, or the = signs at its end are missing"
	}
	what := "a character that is none of base64"
	switch c := text[at]; c {
	case ' ', '\t':
		what = "a blank"
	case '-', '_':
		what = "a - or _, as base64 for URLs has"
	case '=':
		what = "an = before the end"
	case '"', '\'':
		what = "a quotation mark"
	case '\n', '\r':
		what = "the end comes too early"
	}
	return nil, fmt.Sprintf("byte %d is %s", int(at), what)
}

// takeLayer takes the layer of base64 off that values mostly have, layers telling
// whether there was one. What is left of that goes to format.Decode.
func takeLayer(text string) (data []byte, layers int) {
	if strings.Contains(text, "-----") {
		return []byte(text), 0
	}
	bare := strings.Map(func(c rune) rune {
		switch c {
		case ' ', '\t', '\r', '\n', '=':
			return -1
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return c
	}, text)
	data, err := base64.RawStdEncoding.DecodeString(bare)
	if err != nil || len(data) == 0 {
		return []byte(text), 0
	}
	return data, 1
}

// layersOf counts the layers of base64 that format.Decode has taken off; der
// reports that there was DER inside.
func layersOf(notes []pki.Note) (layers int, der bool) {
	for _, n := range notes {
		switch n.Rule {
		case format.NoteBase64OfPEM:
			layers++
		case format.NoteBase64OfDER:
			layers++
			der = true
		case format.NoteDER:
			der = true
		case format.NoteBase64Nested:
			if n.Origin.Index == 0 { // else it is within one PEM block
				layers++
			}
		}
	}
	return layers, der
}

// withoutLayers leaves out what encoded says better, and what is said of a value
// only because of its layers.
func withoutLayers(notes []pki.Note, nested bool) []pki.Note {
	return slices.DeleteFunc(notes, func(n pki.Note) bool {
		switch n.Rule {
		case format.NoteBase64OfPEM, format.NoteBase64OfDER, format.NoteDER:
			return true
		case format.NoteBase64Nested:
			return n.Origin.Index == 0
		case format.NoteSkippedByGo:
			return nested
		case format.NoteNoFinalNewline:
			return true // nothing is appended to a value
		}
		return false
	})
}

// encoded notes how a value is written, with so many layers of base64, against
// how it should be.
func (r *reader) encoded(u *Unit, f field, layers int, der bool) {
	note := func(rule, format string, args ...any) {
		r.note(u, rule, f.path, f.node.Start, "%s "+format, append([]any{f.path}, args...)...)
	}
	want := 1
	if f.enc == asPEM {
		want = 0
	}
	switch {
	case f.enc == asEither && layers <= 1:
	case layers == 0 && want == 1:
		note(NoteBase64Missing, "holds PEM where base64 of it is due")
		return
	case layers == 1 && want == 0 && !der:
		note(format.NoteBase64OfPEM, "holds base64 where PEM itself is due")
	case layers > want && layers > 1:
		note(format.NoteBase64Nested, "was encoded %s: once the base64 is undone there is base64 again", times(layers))
	}
	if der && !isBinaryName(f.name) {
		note(format.NoteBase64OfDER, "is base64 of DER; inside, TLS servers look for PEM")
	}
	if want == 1 && layers > 0 {
		r.wrapped(u, f)
	}
}

func times(n int) string {
	if n == 2 {
		return "twice"
	}
	return strconv.Itoa(n) + " times"
}

// wrapped notes base64 that is not in one piece.
func (r *reader) wrapped(u *Unit, f field) {
	text := strings.TrimRight(f.node.Text, "\r\n")
	_, bad := strictBase64(text)
	switch {
	case bad != "" && strings.ContainsAny(text, " \t") && r.overLines(f.node):
		r.note(u, NoteBase64Wrapped, f.path, f.node.Start, "%s is base64 in several lines, of which YAML makes blanks: %s, where the API server stops", f.path, bad)
	case bad != "":
		r.note(u, NoteBase64Invalid, f.path, f.node.Start, "%s is not base64 as the API server reads it: %s", f.path, bad)
	case strings.ContainsAny(text, "\r\n"):
		r.note(u, NoteBase64Wrapped, f.path, f.node.Start, "%s is base64 in several lines, as base64 without -w0 writes it", f.path)
	}
}

// overLines reports whether a value stands on more than one line.
func (r *reader) overLines(n *tree.Node) bool {
	return strings.ContainsAny(r.text(n), "\r\n")
}

// isBinaryName tells fields that hold DER by their names: key.der, keystore.p12.
func isBinaryName(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".der", ".p12", ".pfx", ".jks", ".bcfks":
		return true
	}
	return false
}

// place gives every item and note of m its place in the source, and leaves out
// notes that say nothing about a value.
func (r *reader) place(f field, m pki.Material) pki.Material {
	for i := range m.Certs {
		m.Certs[i].Origin = r.within(f, m.Certs[i].Origin)
	}
	for i := range m.Anchors {
		m.Anchors[i].Origin = r.within(f, m.Anchors[i].Origin)
	}
	for i := range m.Keys {
		m.Keys[i].Origin = r.within(f, m.Keys[i].Origin)
	}
	for i := range m.CSRs {
		m.CSRs[i].Origin = r.within(f, m.CSRs[i].Origin)
	}
	var notes []pki.Note
	for _, n := range m.Notes {
		switch n.Rule {
		case format.NoteKeyAmongCerts:
			if isCombined(f.name) {
				continue
			}
		case format.NotePKCS12:
			if isBinaryName(f.name) {
				continue
			}
		}
		notes = append(notes, r.placeNote(f, n))
	}
	m.Notes = notes
	return m
}

// isCombined tells fields that hold key and certificates together by design
// (cert-manager's CombinedPEM).
func isCombined(name string) bool { return strings.Contains(strings.ToLower(name), "combined") }

// placeNote moves a note on a line of the value to that line of the source, or
// says that the line is the value's.
func (r *reader) placeNote(f field, n pki.Note) pki.Note {
	line := n.Origin.Line
	if line > 0 && f.node.Body == 0 {
		n.Detail = fmt.Sprintf("line %d of the decoded value: %s", line, n.Detail)
	}
	n.Origin = r.within(f, n.Origin)
	return n
}

// within moves the origin of something inside the value to its place in the
// source: the line, where each line of the value has one of its own.
func (r *reader) within(f field, o pki.Origin) pki.Origin {
	at := r.origin(f.path, f.node.Start)
	at.Index = o.Index
	if f.node.Style != tree.Literal || f.node.Body == 0 || f.enc != asPEM && !strings.Contains(f.node.Text, "-----") {
		return at
	}
	if o.Line == 0 {
		o.Line = r.blockLine(f.node, o.Index)
	}
	at.Line = r.origin("", f.node.Body).Line + max(o.Line, 1) - 1
	at.Column = max(o.Column, 1) + f.node.Indent + r.indent
	return at
}

// blockLine gives the line of the block of that number in a value.
func (r *reader) blockLine(n *tree.Node, index int) int {
	if r.blocksOf != n {
		r.blocksOf, r.blocks = n, blockLines(n.Text)
	}
	if len(r.blocks) == 0 {
		return 1
	}
	return r.blocks[max(0, min(index, len(r.blocks))-1)]
}

// blockLines gives the lines, from 1, on which the PEM blocks of a text begin.
func blockLines(text string) (lines []int) {
	line := 0
	for l := range strings.Lines(text) {
		line++
		if strings.Contains(l, "-----BEGIN ") {
			lines = append(lines, line)
		}
	}
	return lines
}
