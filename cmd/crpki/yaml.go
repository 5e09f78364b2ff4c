package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// writeYAML writes the JSON document data as YAML: the same fields in the same
// order, PEM in literal blocks.
//
// It is written here because of hexadecimal numbers and fingerprints. Every
// string that some YAML reader takes for something else is quoted: 12E5 is a
// number, 10:20:30 was one until YAML 1.1, "no" a boolean. The YAML libraries
// for Go let the one or the other pass.
func writeYAML(w io.Writer, data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	y := yamlWriter{dec: dec}
	if err := y.value(0, ""); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON document")
	}
	_, err := w.Write(y.out.Bytes())
	return err
}

type yamlWriter struct {
	dec *json.Decoder
	out bytes.Buffer
}

// value writes the next value. lead is what stands between the key or dash
// before it and a scalar; a non-empty collection begins on a new line where it
// is a newline, and on the same one after a dash.
func (y *yamlWriter) value(indent int, lead string) error {
	token, err := y.dec.Token()
	if err != nil {
		return err
	}
	switch t := token.(type) {
	case json.Delim:
		return y.collection(t, indent, lead)
	case string:
		y.out.WriteString(space(lead))
		y.scalar(t, indent)
	case json.Number:
		y.out.WriteString(space(lead) + t.String() + "\n")
	case bool:
		y.out.WriteString(space(lead) + strconv.FormatBool(t) + "\n")
	default:
		y.out.WriteString(space(lead) + "null\n")
	}
	return nil
}

func space(lead string) string {
	if lead == "" {
		return ""
	}
	return " "
}

func (y *yamlWriter) collection(open json.Delim, indent int, lead string) error {
	if !y.dec.More() {
		y.out.WriteString(space(lead) + map[json.Delim]string{'{': "{}\n", '[': "[]\n"}[open])
		_, err := y.dec.Token()
		return err
	}
	y.out.WriteString(lead)
	// A list stands as deep as the key that holds it; the lead of a list in a
	// list is " ", and so its first item follows the dash.
	for first := true; y.dec.More(); first = false {
		if !first || lead == "\n" {
			y.out.WriteString(strings.Repeat(" ", indent))
		}
		var err error
		if open == '[' {
			y.out.WriteByte('-')
			err = y.value(indent+2, " ")
		} else {
			err = y.entry(indent)
		}
		if err != nil {
			return err
		}
	}
	_, err := y.dec.Token()
	return err
}

// entry writes a key and its value.
func (y *yamlWriter) entry(indent int) error {
	key, err := y.dec.Token()
	if err != nil {
		return err
	}
	y.out.WriteString(yamlString(key.(string)) + ":")
	return y.value(indent+2, "\n")
}

// scalar writes a string on the current line, or as a literal block below it.
func (y *yamlWriter) scalar(s string, indent int) {
	if !literal(s) {
		y.out.WriteString(yamlString(s) + "\n")
		return
	}
	head := "|\n"
	if !strings.HasSuffix(s, "\n") {
		head = "|-\n"
	}
	y.out.WriteString(head)
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		y.out.WriteString(strings.Repeat(" ", max(indent, 2)) + line + "\n")
	}
}

// literal is true for text of several lines that a block holds as it is: no
// line is empty, has white space at an end, or holds what must be escaped.
func literal(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(body, "\n") {
		return false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if line == "" || line != strings.TrimSpace(line) || strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
			return false
		}
	}
	return true
}

// yamlString is s plain where every YAML reader sees a string in it, else in
// double quotes.
func yamlString(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			b.WriteString(`\u` + hex(r, 4))
		default:
			b.WriteString(`\U` + hex(r, 8))
		}
	}
	b.WriteByte('"')
	return b.String()
}

func hex(r rune, digits int) string {
	h := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", digits-len(h)) + h
}

func plain(s string) bool {
	if s == "" || s[0]|0x20 < 'a' || s[0]|0x20 > 'z' || s[len(s)-1] == ' ' {
		return false
	}
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune(" -_./+@=(),*", r):
		default:
			return false
		}
	}
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		return false
	}
	return true
}
