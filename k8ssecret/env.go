package k8ssecret

import (
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
)

// envFile reads NAME=value lines, with export before them or not, and values
// in quotes over several lines.
func (r *reader) envFile() {
	u := r.unit(KindEnv, 0)
	e := &envReader{reader: r, unit: &u}
	for e.pos < len(r.src.Text) {
		e.line()
	}
	if slices.ContainsFunc(e.parts, func(p part) bool { return p.found() || p.known }) {
		r.units = append(r.units, assemble(u, e.parts)...)
	}
}

type envReader struct {
	*reader
	unit  *Unit
	pos   int
	parts []part
	// last is the assignment before, for base64 that goes on below it.
	last *part
	// unclosed is a quotation mark that does not occur any more.
	unclosed byte
}

// line reads one line, or one assignment of several.
func (e *envReader) line() {
	start := e.pos
	text := e.src.Text[start:]
	line := text
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		line = text[:i]
	}
	e.pos += len(line) + 1
	line = strings.TrimRight(line, "\r")
	trimmed := strings.TrimLeft(line, " \t")
	indent := len(line) - len(trimmed)
	if trimmed == "" || trimmed[0] == '#' {
		return
	}
	if rest, ok := strings.CutPrefix(trimmed, "export "); ok {
		indent += len("export ")
		trimmed = strings.TrimLeft(rest, " \t")
		indent += len(rest) - len(trimmed)
	}
	name, value, ok := strings.Cut(trimmed, "=")
	if !ok || !isName(name) {
		e.stray(trimmed, start+indent)
		return
	}
	at := start + indent + len(name) + 1
	n := e.value(value, at)
	role := envRole(name)
	if role == anyRole && len(n.Text) < 64 {
		e.last = nil
		return
	}
	f := field{path: name, name: strings.ToLower(name), node: n, enc: asEither, role: role}
	f.known = role != anyRole && len(n.Text) >= 64
	e.parts = append(e.parts, e.read(e.unit, f))
	e.last = &e.parts[len(e.parts)-1]
}

// value reads what stands behind the equals sign, as dotenv does: in double
// quotes \n is a line break, in single ones nothing is special.
func (e *envReader) value(rest string, at int) *tree.Node {
	n := &tree.Node{Kind: tree.String, Start: at, End: at + len(rest)}
	text := e.src.Text[at:]
	quote := byte(0)
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		quote = text[0]
	}
	end := -1
	for i := 1; quote != 0 && quote != e.unclosed && i < len(text); i++ {
		if text[i] == '\\' && quote == '"' {
			i++
		} else if text[i] == quote {
			end = i
			break
		}
	}
	if end < 0 {
		if quote != 0 {
			e.unclosed = quote
		}
		n.Text = strings.TrimSpace(rest)
		if i := strings.Index(n.Text, " #"); i >= 0 {
			n.Text = strings.TrimSpace(n.Text[:i])
		}
		return n
	}
	n.End = at + end + 1
	n.Text = strings.ReplaceAll(text[1:end], "\r\n", "\n")
	if quote == '"' {
		n.Style = tree.Double
		n.Text = strings.NewReplacer(`\n`, "\n", `\r`, "", `\"`, `"`, `\\`, `\`).Replace(n.Text)
	}
	if strings.Contains(text[:end], "\n") { // each of its lines stands in a line of its own
		n.Style, n.Body = tree.Literal, at+1
	}
	if i := strings.IndexByte(text[end:], '\n'); i >= 0 {
		e.pos = max(e.pos, at+end+i+1)
	} else {
		e.pos = len(e.src.Text)
	}
	return n
}

// stray notes a line that belongs to the base64 above it.
func (e *envReader) stray(line string, at int) {
	if e.last == nil || e.last.role == anyRole || len(line) < 4 {
		return
	}
	if _, bad := strictBase64(strings.TrimRight(line, "=")); bad != "" && strings.Contains(bad, " is ") {
		return
	}
	e.note(e.unit, NoteBase64Wrapped, e.last.path, at, "the base64 of %s goes on in a line of its own, which does not belong to the variable: write it in one line (base64 -w0)", pki.Printable(e.last.path))
	e.last = nil
}

// envRole tells by a variable's name what it holds.
func envRole(name string) role {
	switch low := strings.ToLower(name); {
	case strings.HasSuffix(low, "_file"), strings.HasSuffix(low, "_path"), strings.HasSuffix(low, "_dir"), strings.HasSuffix(low, "_name"):
		return anyRole
	case strings.HasSuffix(low, "_crt"), strings.HasSuffix(low, "_cert"), strings.HasSuffix(low, "_certificate"), low == "cacrt",
		strings.HasSuffix(low, "tls_key"), strings.HasSuffix(low, "private_key"), strings.HasSuffix(low, "_chain"):
		return roleOf(low)
	}
	return anyRole
}
