package k8ssecret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
)

// Value is one value of a chart.
type Value struct {
	// Path are the keys that lead to it: tls, crt.
	Path []string
	// Value is a string, a bool or an int.
	Value any
	// Secret: it is nobody's business, and stands in no argument and no report.
	Secret bool
	// Base64: it is encoded.
	Base64 bool
}

// Key is the path in one word: "tls.crt".
func (v Value) Key() string { return strings.Join(v.Path, ".") }

// Text is the value as settings and arguments have it.
func (v Value) Text() string { return fmt.Sprint(v.Value) }

func value(key string, v any) Value { return Value{Path: strings.Split(key, "."), Value: v} }

// ParseValue reads "registry.replicas=3". A dot that belongs to a key stands
// behind a backslash. What is behind the equals sign is taken as it is: true,
// false and whole numbers that are no password as such, all else as text.
func ParseValue(text string) (Value, error) {
	key, word, ok := strings.Cut(text, "=")
	switch {
	case !ok:
		return Value{}, fmt.Errorf("there is no = in it: write KEY=VALUE")
	case strings.ContainsAny(key, " \t\r\n\"'{}[],:#&*!|>%@`"):
		return Value{}, fmt.Errorf("%q is no path of keys with dots between them", pki.Printable(key))
	case !utf8.ValidString(text) || strings.IndexFunc(word, isControl) >= 0:
		return Value{}, fmt.Errorf("the value of %s is no text: it holds a control character, or is not UTF-8", pki.Printable(key))
	}
	v := Value{Path: splitPath(key), Value: word, Secret: soundsSecret(key)}
	if slices.Contains(v.Path, "") {
		return Value{}, fmt.Errorf("%q is no path of keys with dots between them", pki.Printable(key))
	}
	// What is secret reaches helm by --set-file, as text, and the text "false" is
	// true for a template. So neither auth.enabled nor auth.port are secret, and a
	// password of digits stays text for every target.
	switch n, err := strconv.Atoi(word); {
	case word == "true" || word == "false":
		v.Value, v.Secret = word == "true", false
	case err == nil && strconv.Itoa(n) == word && !soundsSecret(v.Path[len(v.Path)-1]):
		v.Value, v.Secret = n, false
	}
	return v, nil
}

// isControl leaves line breaks and tabs, which values may have.
func isControl(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7F }

// splitPath takes a path apart at the dots without a backslash.
func splitPath(key string) []string {
	var path []string
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		switch {
		case key[i] == '\\' && i+1 < len(key):
			i++
			b.WriteByte(key[i])
		case key[i] == '.':
			path = append(path, b.String())
			b.Reset()
		default:
			b.WriteByte(key[i])
		}
	}
	return append(path, b.String())
}

// Argument is one argument of helm or az, before the shell's quoting.
type Argument struct {
	// Flag is --set, --set-string, --set-file or --config.
	Flag string
	Word string
	// File is what --set-file refers to, with its path.
	File *pki.File
}

// HelmSet gives the arguments by which helm sets values. What is secret goes
// into files in dir, for all users of a machine see the arguments of a program.
// There, and behind --set, helm finds the value and nothing else: its rules for
// commas, backslashes, braces, numbers and null (helm.sh/helm pkg/strvals) are
// heeded.
func HelmSet(values []Value, dir string) []Argument {
	var args []Argument
	for _, v := range values {
		keys := make([]string, len(v.Path))
		for i, key := range v.Path {
			keys[i] = setEscaper(`.=,[\`).Replace(key)
		}
		key := strings.Join(keys, ".")
		text, isText := v.Value.(string)
		switch {
		case v.Secret:
			name := v.Key()
			if v.Base64 {
				name += ".b64"
			}
			path := strings.TrimSuffix(dir, "/") + "/" + name
			args = append(args, Argument{
				Flag: "--set-file", Word: key + "=" + setValue(path),
				File: &pki.File{Path: path, Mode: pki.ModePrivate, Data: []byte(v.Text())},
			})
		case isText && setKind(text) != tree.String:
			args = append(args, Argument{Flag: "--set-string", Word: key + "=" + setValue(text)})
		default:
			args = append(args, Argument{Flag: "--set", Word: key + "=" + setValue(v.Text())})
		}
	}
	return args
}

// setEscaper puts a backslash before each of the characters.
func setEscaper(special string) *strings.Replacer {
	var pairs []string
	for _, c := range special {
		pairs = append(pairs, string(c), `\`+string(c))
	}
	return strings.NewReplacer(pairs...)
}

// setValue writes a value so that helm --set takes it as it is.
func setValue(text string) string {
	text = setEscaper(`\,`).Replace(text)
	if strings.HasPrefix(text, "{") { // else a list
		text = `\` + text
	}
	return text
}

// AzureConfig gives the --config arguments of az k8s-extension for what need
// not be protected, and the settings that do.
func AzureConfig(values []Value) (args []Argument, settings []Value) {
	for _, v := range values {
		if v.Secret || v.Path[0] == "tls" || v.Path[0] == "connectionString" {
			settings = append(settings, v)
			continue
		}
		args = append(args, Argument{Flag: "--config", Word: v.Key() + "=" + v.Text()})
	}
	return args, settings
}

// envNames are the variables that the guides of the connected registry use.
var envNames = [...]struct{ key, name string }{
	{"connectionString", "CONNECTION_STRING"},
	{"service.clusterIP", "CLUSTER_IP"},
	{"pvc.storageClassName", "STORAGE_CLASS"},
	{"registry.replicas", "REPLICAS"},
	{"registry.uploadSecret", "SECRET_STRING"},
	{"tls.crt", "TLS_CRT"},
	{"tls.key", "TLS_KEY"},
	{"tls.cacrt", "CA_CRT"},
	{"tls.secret", "SECRET_NAME"},
}

// Env gives the export commands for a shell, of values that the guides keep in
// variables. left are the keys of those that they write out.
func Env(values []Value) (script []byte, left []string) {
	var b bytes.Buffer
	for _, v := range values {
		i := slices.IndexFunc(envNames[:], func(n struct{ key, name string }) bool { return n.key == v.Key() })
		if i < 0 {
			left = append(left, v.Key())
			continue
		}
		fmt.Fprintf(&b, "export %s='%s'\n", envNames[i].name, strings.ReplaceAll(v.Text(), "'", `'\''`))
	}
	return b.Bytes(), left
}

// yamlScalar writes a value so that YAML 1.1 and 1.2 read it as what it is.
func yamlScalar(v any) string {
	text, ok := v.(string)
	if !ok {
		return fmt.Sprint(v)
	}
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=_.-"
	if text != "" && strings.Trim(text, plain) == "" && isLetter(text[0]) && isYAMLText(text) {
		return text
	}
	return jsonString(text)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// isYAMLText reports whether a word that begins with a letter is a text, and no
// boolean or null of YAML 1.1.
func isYAMLText(word string) bool {
	switch strings.ToLower(word) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return false
	}
	return true
}

// jsonString writes a string for JSON, which between double quotes is YAML too.
func jsonString(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(text) // a string cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}
