package k8ssecret

import (
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"
	"unicode/utf8"
)

// notJSON notes that a file with JSON manifests is none, which is read as YAML
// here and by nobody else. The note goes to the first unit from the given one on.
func (r *reader) notJSON(first int) {
	ext := strings.ToLower(path.Ext(r.source))
	if first >= len(r.units) || r.quiet || r.pieces != nil || ext == ".yaml" || ext == ".yml" {
		return
	}
	text := strings.TrimPrefix(r.src.Text, "\uFEFF")
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return
	}
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var v json.RawMessage
		err := d.Decode(&v)
		if err == io.EOF {
			return
		}
		if err == nil {
			continue
		}
		at, why := int(d.InputOffset()), "the document is cut off"
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at, why = int(syntax.Offset)-1, syntax.Error()
		}
		at = max(0, min(at, len(text)-1))
		if strings.IndexByte("$<", text[at]) >= 0 {
			return // something else is to fill it in
		}
		r.note(&r.units[first], NoteJSONInvalid, "", at+len(r.src.Text)-len(text), "not JSON, and kubectl refuses it: %s", why)
		notes := r.units[first].Material.Notes
		notes[len(notes)-1].Fix = strings.TrimSuffix("jq . "+plainFile(r.source), " ")
		return
	}
}

// strictJSON says where and why text is no JSON document, "" when it is one.
func strictJSON(text string) (offset int, why string) {
	text = strings.TrimPrefix(text, "\uFEFF")
	if json.Valid([]byte(text)) {
		return 0, ""
	}
	var v json.RawMessage
	err := json.Unmarshal([]byte(text), &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at := max(0, min(int(syntax.Offset), len(text))-1)
		if c, _ := utf8.DecodeRuneInString(text[at:]); c >= utf8.RuneSelf && c != utf8.RuneError { // of which it names the first byte
			return at, strings.Replace(syntax.Error(), string(rune(text[at])), string(c), 1)
		}
		return at, syntax.Error()
	}
	return 0, "the document is cut off"
}

// plainFile gives the name of a file that a command can take as it stands, ""
// for others.
func plainFile(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-"
	if strings.HasPrefix(name, "-") || strings.Trim(name, plain) != "" {
		return ""
	}
	return name
}
