package pki

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ParseName reads one name and decides its kind from the value: an IP address,
// then an e-mail address, then a URI, then a DNS name. The prefixes DNS:, IP:
// (also "IP Address:"), URI: and email:, in any case, say the kind instead.
//
// What people paste is taken for the host in it: "https://reg:5000/v2/",
// "reg:5000", "[::1]:5000", "10.96.0.50/hello-world:latest". A URL of any other
// scheme (spiffe://…) is a URI. Whatever the parser changed it says in the
// remarks, each a sentence. Whatever clients would not find, or would take for
// something else, is an error that gives the reason.
func ParseName(text string) (Name, []string, error) { return ParseNameAs(0, text) }

// ParseNameAs reads one name that has to be of the given kind, or of any kind
// when that is zero.
func ParseNameAs(kind NameKind, text string) (Name, []string, error) {
	r := nameReader{text: text}
	name, err := r.read(kind)
	if err != nil {
		return Name{}, nil, fmt.Errorf("name %s: %w", quoteName(text), err)
	}
	return name, r.remarks(name), nil
}

// ParseNames reads names of one kind, or of any kind when that is zero. Each
// text may hold several, with commas between them (and blanks after those).
// Names that clients take for the same appear once. All wrong names are told
// together.
func ParseNames(kind NameKind, texts []string) (Names, []string, error) {
	var (
		names   Names
		remarks []string
		errs    []error
	)
	for _, text := range texts {
		for _, item := range strings.Split(text, ",") {
			if item == "" && text != "" {
				errs = append(errs, fmt.Errorf("names %s: empty item between commas", quoteName(text)))
				continue
			}
			name, more, err := ParseNameAs(kind, item)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			names, remarks = append(names, name), append(remarks, more...)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	return Names{}.With(names...), remarks, nil
}

// nameReader turns one text into a name and keeps account of what it changed.
type nameReader struct {
	text string
	// steps are what was done to the text, as clauses: "dropped the port".
	steps []string
	// warnings are sentences about the name itself.
	warnings []string
}

func (r *nameReader) step(clause string) { r.steps = append(r.steps, clause) }

func (r *nameReader) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

func (r *nameReader) remarks(n Name) []string {
	if len(r.steps) == 0 {
		return r.warnings
	}
	read := fmt.Sprintf("read %s as %s: %s", quoteName(r.text), n, strings.Join(r.steps, ", "))
	return append([]string{read}, r.warnings...)
}

// read parses the whole text.
func (r *nameReader) read(want NameKind) (Name, error) {
	body := strings.Trim(r.text, " \t")
	if body == "" {
		return Name{}, errors.New("empty; is a shell variable unset?")
	}
	if !utf8.ValidString(body) {
		return Name{}, errors.New("not valid UTF-8")
	}
	kind, body, prefixed := cutPrefix(body)
	if !prefixed {
		kind = guessKind(want, body)
	}
	if body == "" {
		return Name{}, fmt.Errorf("nothing behind the prefix %s:", kind)
	}
	name, err := r.readAs(kind, body)
	if err != nil {
		return Name{}, err
	}
	if prefixed && want == 0 {
		want = kind
	}
	return name, wrongKind(want, name)
}

func (r *nameReader) readAs(kind NameKind, body string) (Name, error) {
	switch kind {
	case URI:
		value, err := r.uri(body)
		return Name{URI, value}, err
	case Email:
		value, err := r.email(body)
		return Name{Email, value}, err
	default:
		return r.host(body)
	}
}

// wrongKind explains why name may not stand where want was asked for.
func wrongKind(want NameKind, name Name) error {
	if want == 0 || want == name.Kind {
		return nil
	}
	switch name.Kind {
	case IP:
		return fmt.Errorf("%s is an IP address, which clients look for among the IP names alone: use --ip or the prefix IP:", name.Value)
	case DNS:
		return fmt.Errorf("%s is a DNS name, no %s: use --dns or the prefix DNS:", name.Value, want.words())
	case URI:
		return fmt.Errorf("a URI, no %s: use --uri or the prefix URI:", want.words())
	default:
		return fmt.Errorf("an e-mail address, no %s: use --email or the prefix email:", want.words())
	}
}

// words names the kind in a sentence.
func (k NameKind) words() string {
	switch k {
	case DNS:
		return "DNS name"
	case IP:
		return "IP address"
	case URI:
		return "URI"
	default:
		return "e-mail address"
	}
}

// cutPrefix takes OpenSSL's prefix off ("IP Address:" is how it prints IP:).
func cutPrefix(text string) (NameKind, string, bool) {
	before, after, ok := strings.Cut(text, ":")
	if !ok {
		return 0, text, false
	}
	kinds := map[string]NameKind{"dns": DNS, "ip": IP, "ip address": IP, "uri": URI, "email": Email}
	kind, ok := kinds[strings.ToLower(before)]
	if !ok {
		return 0, text, false
	}
	return kind, strings.Trim(after, " \t"), true
}

// guessKind decides how to read a text without prefix. DNS stands for both
// kinds of host.
func guessKind(want NameKind, body string) NameKind {
	if want == URI || want == Email {
		return want
	}
	scheme, _, isURL := strings.Cut(body, "://")
	head, _, _ := strings.Cut(body, "/")
	switch {
	case isURL && isScheme(scheme):
		if isHostScheme(scheme) {
			return DNS
		}
		return URI
	case hasFold(body, "urn:"):
		return URI
	case hasFold(body, "mailto:"), strings.Contains(head, "@"):
		return Email
	default:
		return DNS
	}
}

// hasFold is strings.HasPrefix for an ASCII prefix in any case.
func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isScheme checks the syntax of RFC 3986, 3.1.
func isScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		other := '0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return s != ""
}

// isHostScheme tells the schemes by which people write a registry's address.
// Their URLs mean the host; those of others (spiffe) are names of their own.
func isHostScheme(scheme string) bool {
	switch strings.ToLower(scheme) {
	case "https", "http", "oci", "docker", "tcp", "tls":
		return true
	}
	return false
}

// maxQuoted keeps messages on one line whatever the input.
const maxQuoted = 80

// quoteName quotes text for a message: escaped, cut when long, and without the
// credentials that a URL may hold.
func quoteName(text string) string {
	text = hideCredentials(text)
	if len(text) <= maxQuoted {
		return fmt.Sprintf("%q", text)
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%q… (%d bytes)", text[:cut], len(text))
}

// hideCredentials replaces "user:password" before an @. A password may itself
// hold an @ or a slash, so everything up to the last @ goes, save where that
// belongs to the digest of an image.
func hideCredentials(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at >= 0 && (hasFold(text[at:], "@sha256:") || hasFold(text[at:], "@sha512:")) {
		at = strings.LastIndexByte(text[:at], '@')
	}
	if at < 0 {
		return text
	}
	start := 0
	if i := strings.Index(text[:at], "://"); i >= 0 {
		start = i + len("://")
	} else if _, _, ok := cutPrefix(text); ok || hasFold(text, "mailto:") {
		start = strings.IndexByte(text, ':') + 1
	}
	if !strings.Contains(text[start:at], ":") {
		return text
	}
	return text[:start] + "…" + text[at:]
}
