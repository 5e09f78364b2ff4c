package k8ssecret

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// maxRounds bounds how often a script is read again: what one repair joins, the
// next may have to mend.
const maxRounds = 8

// repairScript mends, in a script or the blocks of a document, what has one
// right form: how lines go on, quotation marks, -addext given twice, names that
// miss another by a letter, and manifests in here-documents. What it means is
// not touched.
func repairScript(source string, data []byte) format.Repaired {
	before := toUTF8(data)
	same := format.Repaired{Before: data, After: data}
	if strings.EqualFold(filepath.Ext(source), ".ps1") {
		return same // PowerShell goes on with a backtick
	}
	text := before
	var fixed []pki.Note
	for range maxRounds {
		f := newScriptFixer(source, text)
		if len(f.edits) == 0 {
			same.Left = f.left
			break
		}
		text = f.apply()
		fixed = append(fixed, f.fixed...)
	}
	if text == before {
		return same
	}
	return format.Repaired{Before: []byte(before), After: []byte(text), Fixed: fixed, Left: same.Left}
}

// scriptFixer finds the edits of one round.
type scriptFixer struct {
	*scriptReader
	edits []edit
	fixed []pki.Note
	left  []string
	// made are the namespaces that this round makes earlier.
	made []string
}

func newScriptFixer(source, text string) *scriptFixer {
	r := newReader(source, text, format.Options{})
	f := &scriptFixer{scriptReader: r.readScript()}
	for _, n := range f.unit.Material.Notes {
		edits, why := f.mend(n)
		switch {
		case why != "":
			f.left = append(f.left, fmt.Sprintf("line %d: %s", n.Origin.Line, why))
		case edits != nil && !slices.ContainsFunc(edits, f.meets):
			f.edits = append(f.edits, edits...)
			f.fixed = append(f.fixed, n)
		}
	}
	return f
}

// meets reports whether another edit touches the same place: then this one
// waits for the next round.
func (f *scriptFixer) meets(e edit) bool {
	return slices.ContainsFunc(f.edits, func(o edit) bool { return e.start <= o.end && o.start <= e.end })
}

// apply makes the edits, the last first.
func (f *scriptFixer) apply() string {
	slices.SortFunc(f.edits, func(a, b edit) int { return b.start - a.start })
	text := f.src.Text
	for _, e := range f.edits {
		text = text[:e.start] + e.text + text[e.end:]
	}
	return text
}

// mend gives the edits that take a fault away, or why there are none although
// one might expect them.
func (f *scriptFixer) mend(n pki.Note) (edits []edit, why string) {
	at := f.offsetOf(n.Origin)
	switch n.Rule {
	case NoteBackslashBlank:
		return f.backslashBlank(at), ""
	case NoteBackslashMissing:
		return f.backslashMissing(at), ""
	case NoteUnclosedQuote:
		return f.strayQuote(at), ""
	case NoteTypographicQuotes:
		return f.plainQuotes(at), ""
	case NoteDuplicateAddext:
		return f.oneAddext(at), ""
	case NoteNamespaceTypo, NoteScriptVariable:
		return f.meantName(n), ""
	case NoteSecretTypeMisplaced:
		return f.moveType(at), ""
	case NoteSecretNamespaceMissing:
		return f.addNamespace(at), ""
	case NoteCAIsTLS:
		return f.otherCA(at)
	case NoteScriptBase64:
		return f.oneLine(at), ""
	case NoteJSONVariable:
		return f.quoteVariable(at)
	case NoteScriptNamespace:
		return f.namespaceFirst(), ""
	case NoteScriptManifest:
		return f.blanksForTabs(at), ""
	}
	return nil, ""
}

// offsetOf is the reverse of origin.
func (f *scriptFixer) offsetOf(o pki.Origin) int {
	at := f.src.Line(o.Line)
	for range o.Column - 1 {
		if at >= len(f.src.Text) || f.src.Text[at] == '\n' {
			break
		}
		_, size := utf8.DecodeRuneInString(f.src.Text[at:])
		at += size
	}
	return min(at, len(f.src.Text))
}

// endOfLine is the offset of the line break behind at, or of its CR.
func (f *scriptFixer) endOfLine(at int) int {
	end := len(f.src.Text)
	if i := strings.IndexByte(f.src.Text[at:], '\n'); i >= 0 {
		end = at + i
	}
	if end > at && f.src.Text[end-1] == '\r' {
		end--
	}
	return end
}

func (f *scriptFixer) startOfLine(at int) int {
	return strings.LastIndexByte(f.src.Text[:at], '\n') + 1
}

// backslashBlank takes the blanks behind a backslash away.
func (f *scriptFixer) backslashBlank(at int) []edit {
	end := f.endOfLine(at)
	if !strings.HasPrefix(f.src.Text[at:], `\`) || strings.TrimSpace(f.src.Text[at+1:end]) != "" || at+1 == end {
		return nil
	}
	return []edit{{at + 1, end, ""}}
}

// backslashMissing joins a line with the one above.
func (f *scriptFixer) backslashMissing(at int) []edit {
	start := f.startOfLine(at)
	if start == 0 {
		return nil
	}
	above := strings.TrimRight(f.src.Text[:start], " \t\r\n")
	end := f.endOfLine(len(above))
	if end < len(above) || strings.Count(f.src.Text[len(above):start], "\n") != 1 {
		return nil
	}
	return []edit{{len(above), end, ` \`}}
}

// strayQuote takes a quotation mark away behind which the line ends.
func (f *scriptFixer) strayQuote(at int) []edit {
	if at >= f.endOfLine(at) {
		return nil
	}
	rest := strings.TrimSpace(f.src.Text[at+1 : f.endOfLine(at)])
	if rest != "" && rest != `\` || at == 0 || strings.IndexByte(" \t\n=", f.src.Text[at-1]) >= 0 {
		return nil
	}
	return []edit{{at, at + 1, ""}}
}

// plainQuotes replaces the typographic quotation marks of a line, which have to
// be pairs.
func (f *scriptFixer) plainQuotes(at int) []edit {
	start, end := f.startOfLine(at), f.endOfLine(at)
	var edits []edit
	for i, c := range f.src.Text[start:end] {
		if strings.ContainsRune("“”„‟", c) {
			if strings.Count(f.src.Text[start:start+i], `"`)%2 != 0 {
				return nil // part of a value
			}
			edits = append(edits, edit{start + i, start + i + len(string(c)), `"`})
		}
	}
	if len(edits)%2 != 0 || strings.Contains(f.src.Text[start:end], `"`) && !strings.Contains(f.src.Text[start:end], `":`) {
		return nil
	}
	return edits
}

// addext is one -addext with its value.
type addext struct {
	start, end int // of the option and its value
	quote      string
	value      string
}

// oneAddext puts the names of a second -addext subjectAltName into the first.
func (f *scriptFixer) oneAddext(at int) []edit {
	from := f.startOfLine(at)
	for from > 0 && continues(f.src.Text[:from-1]) {
		from = f.startOfLine(from - 1)
	}
	to := f.endOfLine(at)
	var first, second *addext
	for _, a := range findAddexts(f.src.Text, from, to) {
		name, _, _ := strings.Cut(a.value, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "subjectAltName") {
			continue
		}
		if a.start <= at && at < a.end {
			second = &a
			break
		}
		if first == nil {
			first = &a
		}
	}
	if first == nil || second == nil || first.quote == "'" && second.quote != "'" && strings.Contains(second.value, "$") {
		return nil
	}
	_, names, _ := strings.Cut(second.value, "=")
	if names = strings.TrimSpace(names); names == "" || first.quote == "" && strings.ContainsAny(names, " \t") {
		return nil
	}
	insert := first.end - len(first.quote)
	return append(f.withoutWords(second.start, second.end), edit{insert, insert, "," + names})
}

// continues reports whether a text, without its last line break, ends with a
// backslash, blanks behind it or not.
func continues(text string) bool { return strings.HasSuffix(strings.TrimRight(text, " \t\r"), `\`) }

// findAddexts finds -addext and its value, quoted or not.
func findAddexts(text string, from, to int) (found []addext) {
	const option = "-addext"
	for at := from; ; {
		i := strings.Index(text[at:to], option)
		if i < 0 {
			return found
		}
		a := addext{start: at + i}
		v := a.start + len(option)
		for v < to && (text[v] == ' ' || text[v] == '\t' || text[v] == '=') {
			v++
		}
		at = v
		if v >= to {
			return found
		}
		a.end = v
		if q := text[v]; q == '"' || q == '\'' {
			end := strings.IndexByte(text[v+1:to], q)
			if end < 0 {
				return found
			}
			a.quote, a.value, a.end = string(q), text[v+1:v+1+end], v+1+end+1
		} else {
			for a.end < to && strings.IndexByte(" \t\r\n\\", text[a.end]) < 0 {
				a.end++
			}
			a.value = text[v:a.end]
		}
		at = a.end
		found = append(found, a)
	}
}

// withoutWords takes words out of a command: with their line when nothing else
// is in it, and then with the backslash above when they end the command.
func (f *scriptFixer) withoutWords(start, end int) []edit {
	text := f.src.Text
	lineStart, lineEnd := f.startOfLine(start), f.endOfLine(end)
	before, behind := strings.TrimSpace(text[lineStart:start]), strings.TrimSpace(text[end:lineEnd])
	switch {
	case before != "" || behind != "" && behind != `\`:
		for start > lineStart && (text[start-1] == ' ' || text[start-1] == '\t') {
			start--
		}
		return []edit{{start, end, ""}}
	case behind == `\`:
		next := lineEnd
		if i := strings.IndexByte(text[lineEnd:], '\n'); i >= 0 {
			next = lineEnd + i + 1
		}
		return []edit{{lineStart, next, ""}}
	case lineStart == 0:
		return nil
	}
	above := strings.TrimRight(text[:lineStart], " \t\r\n")
	above = strings.TrimRight(strings.TrimSuffix(above, `\`), " \t")
	return []edit{{len(above), lineEnd, ""}}
}

// meantName writes a name as it was meant.
func (f *scriptFixer) meantName(n pki.Note) []edit {
	i := slices.IndexFunc(f.meant, func(m meaning) bool { return m.rule == n.Rule && f.origin("", m.offset) == n.Origin })
	if i < 0 {
		return nil
	}
	m := f.meant[i]
	at := strings.Index(f.src.Text[m.offset:f.endOfLine(m.offset)], m.written)
	if at < 0 {
		return nil
	}
	at += m.offset
	return []edit{{at, at + len(m.written), m.meant}}
}

// moveType puts "type:" of a Secret beside "data:".
func (f *scriptFixer) moveType(at int) []edit {
	text := f.src.Text
	start, end := f.startOfLine(at), f.endOfLine(at)
	indent := at - start
	if strings.TrimSpace(text[start:at]) != "" || !strings.HasPrefix(text[at:], "type:") {
		return nil
	}
	next := end
	if i := strings.IndexByte(text[end:], '\n'); i >= 0 {
		next = end + i + 1
	}
	for pos := next; pos < len(text); pos = lineEnd(text, pos, len(text)) {
		line := text[pos:f.endOfLine(pos)]
		word := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(word, "```"), strings.HasPrefix(word, "---"), word == "EOF":
			return nil
		case (strings.HasPrefix(word, "data:") || strings.HasPrefix(word, "stringData:")) && len(line)-len(word) < indent:
			return []edit{{start, next, ""}, {pos, pos, line[:len(line)-len(word)] + text[at:next]}}
		}
	}
	return nil
}

// addNamespace puts a Secret where all else of the script is.
func (f *scriptFixer) addNamespace(at int) []edit {
	known := slices.Compact(slices.Sorted(slices.Values(f.namespaces)))
	if len(known) != 1 || !IsLabel(known[0]) {
		return nil
	}
	text := f.src.Text
	metadata := -1 // its indentation
	for pos := f.startOfLine(at); pos < len(text); pos = lineEnd(text, pos, len(text)) {
		line := text[pos:f.endOfLine(pos)]
		word := strings.TrimLeft(line, " ")
		indent := len(line) - len(word)
		switch {
		case strings.HasPrefix(word, "```"), strings.HasPrefix(word, "---"), word == "EOF":
			return nil
		case strings.TrimSpace(word) == "metadata:":
			metadata = indent
		case metadata >= 0 && indent > metadata && strings.HasPrefix(word, "name:"):
			end := f.endOfLine(pos)
			return []edit{{end, end, "\n" + line[:indent] + "namespace: " + known[0]}}
		}
	}
	return nil
}

// otherCA fills ca.crt in with the variable that holds the CA, if there is one.
func (f *scriptFixer) otherCA(at int) (edits []edit, why string) {
	name, length := "", 0
	if strings.HasPrefix(f.src.Text[at:], "$") {
		name, length = variableAt(f.src.Text[at:])
	}
	if name == "" {
		return nil, ""
	}
	var cas []string
	for other := range f.vars {
		if envRole(other) == anchorRole {
			cas = append(cas, other)
		}
	}
	if len(cas) != 1 {
		return nil, "no variable holds the CA: give the CA's certificate one, as CA_CRT=$(base64 -w0 ca.crt)"
	}
	return []edit{{at, at + length, "$" + cas[0]}}, ""
}

// oneLine keeps base64 from breaking its output into lines.
func (f *scriptFixer) oneLine(at int) []edit {
	const program = "base64"
	end := f.endOfLine(at)
	i := strings.LastIndex(f.src.Text[at:end], program)
	if i < 0 || strings.Count(f.src.Text[at:end], program) != 1 {
		return nil
	}
	from := at + i + len(program)
	flag := " -w0"
	if strings.HasSuffix(strings.TrimRight(f.src.Text[at:at+i], " \t"), "openssl") {
		flag = " -A"
	}
	return []edit{{from, from, flag}}
}

// quoteVariable puts quotation marks around a variable in JSON that a shell fills
// in. A file of JSON nobody fills in.
func (f *scriptFixer) quoteVariable(at int) (edits []edit, why string) {
	if !strings.HasPrefix(f.src.Text[at:], "$") {
		return nil, ""
	}
	_, length := variableAt(f.src.Text[at:])
	inside := slices.ContainsFunc(f.commands, func(c command) bool {
		return slices.ContainsFunc(c.heredocs, func(h heredoc) bool { return h.start <= at && at < h.end && !h.literal })
	})
	if !inside {
		return nil, "nobody fills a variable in, in a file of JSON: crpki values --for arc writes the settings"
	}
	return []edit{{at, at, `"`}, {at + length, at + length, `"`}}, ""
}

// namespaceFirst makes the namespace before the first Secret that goes into it.
func (f *scriptFixer) namespaceFirst() []edit {
	for _, secret := range f.secrets {
		at := f.offsetOf(secret.origin)
		if !secret.applied || !IsLabel(secret.namespace) || slices.Contains(f.made, secret.namespace) {
			continue
		}
		for _, c := range f.commands {
			holds := func(h heredoc) bool { return h.start <= at && at < h.end }
			if c.start != at && !slices.ContainsFunc(c.heredocs, holds) || len(c.words) == 0 {
				continue
			}
			start := f.startOfLine(c.words[0].start)
			indent := f.src.Text[start:c.words[0].start]
			if strings.TrimSpace(indent) != "" || start > 0 && continues(f.src.Text[:start-1]) {
				return nil
			}
			f.made = append(f.made, secret.namespace)
			return []edit{{start, start, indent + "kubectl create namespace " + secret.namespace + "\n"}}
		}
	}
	return nil
}

// blanksForTabs indents the YAML of a here-document by blanks, as YAML wants it.
func (f *scriptFixer) blanksForTabs(at int) (edits []edit) {
	for _, c := range f.commands {
		for _, h := range c.heredocs {
			if at < h.start || at >= h.end || h.tabs {
				continue
			}
			for pos := h.start; pos < h.end; pos = lineEnd(f.src.Text, pos, h.end) {
				line := f.src.Text[pos:f.endOfLine(pos)]
				if tabs := len(line) - len(strings.TrimLeft(line, "\t")); tabs > 0 {
					edits = append(edits, edit{pos, pos + tabs, strings.Repeat("  ", tabs)})
				}
			}
		}
	}
	return edits
}

// scriptSpans tells what of a script must not be shown: PEM, and what stands
// behind a word for a password, unless it is a variable.
func scriptSpans(text string) []format.Span {
	spans := format.Spans([]byte(text))
	start := 0
	for line := range strings.Lines(text) {
		low := strings.ToLower(line)
		for _, word := range []string{"password", "passwd", "token", "connectionstring", "connection_string", "pass:", "--docker-password"} {
			i := strings.Index(low, word)
			if i < 0 {
				continue
			}
			rest := line[i+len(word):]
			value := strings.TrimLeft(rest, "=: \t\"'")
			if at := start + len(line) - len(value); value != "" && len(value) < len(rest) && !strings.ContainsAny(value[:1], "$<[\\`") {
				spans = append(spans, format.Span{Start: at, End: start + len(strings.TrimRight(line, "\r\n")), Secret: true, What: "value"})
				break
			}
		}
		start += len(line)
	}
	slices.SortFunc(spans, func(a, b format.Span) int { return a.Start - b.Start })
	return spans
}
