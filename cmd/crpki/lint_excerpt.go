package main

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// safeLine gives of a line what may be shown in a log. Any line may hold a key,
// a password or a part of one, so only what is known to be harmless stays: the
// marker of a PEM block, the name before a value, and commands without secrets.
func safeLine(line string) string {
	line = strings.TrimRight(line, "\r")
	if marker := markerIn(line); marker != "" {
		return marker
	}
	if strings.Contains(line, "addext") && !maybeSecret(line) {
		return line
	}
	if at := strings.IndexAny(line, ":="); at > 0 && at < 60 && isFieldName(line[:at], line[at]) {
		if strings.TrimSpace(line[at+1:]) != "" {
			return line[:at+1] + " …"
		}
		return line[:at+1]
	}
	return ""
}

// pemWords are the words of labels.
var pemWords = [...]string{
	"CERTIFICATE", "TRUSTED", "X509", "NEW", "REQUEST", "PRIVATE", "PUBLIC", "KEY", "RSA", "EC", "DSA", "ENCRYPTED",
	"OPENSSH", "PKCS7", "CMS", "PARAMETERS", "CRL", "DH", "ANY",
}

// markerIn gives the first BEGIN or END marker of a line, also a misspelt one,
// with dots for what stands around it.
func markerIn(line string) string {
	upper := strings.ToUpper(line)
	if len(upper) != len(line) {
		return ""
	}
	for _, word := range []string{"BEGIN", "END"} {
		at := strings.Index(upper, word)
		if at < 0 {
			continue
		}
		start := 0
		if before := strings.LastIndexFunc(line[:at], notDash); before >= 0 {
			_, size := utf8.DecodeRuneInString(line[before:])
			start = before + size
		}
		rest := line[at+len(word):]
		end := strings.IndexFunc(rest, isDash)
		if start == at || end < 0 {
			continue
		}
		words := strings.FieldsFunc(strings.ToUpper(rest[:end]), unicode.IsSpace)
		if len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(pemWords[:], w) }) {
			continue
		}
		tail := strings.IndexFunc(rest[end:], notDash)
		if tail < 0 {
			tail = len(rest) - end
		}
		marker := line[start : at+len(word)+end+tail]
		if before := line[:start]; strings.TrimSpace(before) == "" {
			marker = before + marker
		} else {
			marker = "… " + marker
		}
		if strings.TrimSpace(rest[end+tail:]) != "" {
			marker += "…"
		}
		return marker
	}
	return ""
}

func isDash(r rune) bool { return unicode.Is(unicode.Pd, r) || r == '\u2212' }

func notDash(r rune) bool { return !isDash(r) }

// maybeSecret: a command with one of these words may hold a password.
func maybeSecret(line string) bool {
	line = strings.ToLower(line)
	return slices.ContainsFunc([]string{"pass", "secret", "token", "connectionstring", "@", "key="}, func(word string) bool {
		return strings.Contains(line, word)
	})
}

// isFieldName tells a name from the end of a line of base64, which has an equals
// sign, too.
func isFieldName(text string, separator byte) bool {
	name := strings.Trim(text, " \t\"'{,-")
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return !(r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-/", r)))
	}) {
		return false
	}
	if separator == ':' {
		return len(name) <= 40
	}
	lower, upper := strings.ToLower(name), strings.ToUpper(name)
	return len(name) <= 40 && (name == lower && strings.ContainsAny(name, "._-") || name == upper && strings.Contains(name, "_"))
}
