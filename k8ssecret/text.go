package k8ssecret

import (
	"bytes"
	"strings"
	"unicode/utf16"

	"github.com/crpki/crpki/pki/nearest"
)

// toUTF8 gives data as UTF-8. Windows PowerShell's > writes UTF-16, which
// kubectl, Helm and we read by its byte-order mark.
func toUTF8(data []byte) string {
	little := bytes.HasPrefix(data, []byte("\xFF\xFE"))
	if !little && !bytes.HasPrefix(data, []byte("\xFE\xFF")) {
		return string(data)
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 2; i+1 < len(data); i += 2 {
		a, b := uint16(data[i]), uint16(data[i+1])
		if little {
			a, b = b, a
		}
		units = append(units, a<<8|b)
	}
	return string(utf16.Decode(units))
}

// isPlaceholder tells values that something else is to fill in: variables of
// the shell and of envsubst, templates, what sops has encrypted, and the dots
// and angle brackets of examples.
func isPlaceholder(text string) bool {
	text = strings.TrimSpace(text)
	switch {
	case isVariable(text), hasTemplate(text), strings.HasPrefix(text, "ENC[AES256_GCM,"):
		return true
	case len(text) < 2:
		return text == "…"
	case text[0] == '<' && text[len(text)-1] == '>', text[0] == '[' && text[len(text)-1] == ']':
		return true
	}
	return strings.HasPrefix(text, "...") || strings.HasSuffix(text, "...") || strings.HasSuffix(text, "…") || strings.Contains(text, "${")
}

// isVariable tells $NAME, ${NAME…} and $(command).
func isVariable(text string) bool {
	if len(text) < 2 || text[0] != '$' {
		return false
	}
	switch last := text[len(text)-1]; {
	case text[1] == '{':
		return last == '}'
	case text[1] == '(':
		return last == ')'
	}
	return isName(text[1:])
}

// variable gives the name in $NAME and ${NAME}, "" for anything else.
func variable(text string) string {
	if !isVariable(text) || text[1] == '(' {
		return ""
	}
	name := strings.TrimSuffix(strings.TrimPrefix(text[1:], "{"), "}")
	if !isName(name) {
		return ""
	}
	return name
}

// isName tells names of variables.
func isName(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}

// hasTemplate tells text with the actions of Go templates or Jinja.
func hasTemplate(text string) bool {
	return strings.Contains(text, "{{") || strings.Contains(text, "{%")
}

// typographicQuote gives the first quotation mark in text that a word processor
// has put there, or "".
func typographicQuote(text string) string {
	i := strings.IndexAny(text, "“”„‟‘’‚‛«»＂")
	if i < 0 {
		return ""
	}
	for _, r := range text[i:] {
		return string(r)
	}
	return ""
}

// distance is that of two words. Long ones, which nobody misspells as a whole,
// count as far apart.
func distance(a, b string) int {
	const long = 64
	if len(a) > long || len(b) > long {
		return long
	}
	return nearest.Edits(a, b)
}

// misspelt reports whether word is likely meant to be right: one or two letters
// differ, and not only in numbers (node1, node2).
func misspelt(word, right string) bool {
	if word == right || len(right) < 4 || withoutDigits(word) == withoutDigits(right) {
		return false
	}
	return distance(word, right) <= min(2, len(right)/4)
}

func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}
