package explain

import "strings"

// hidden stands in place of a secret.
const hidden = "REDACTED"

// Redact takes out what could be a secret: the query of URLs that carry a
// signature or a token, passwords before an @, and what follows the names of
// secrets in headers, settings and JSON.
func Redact(text string) string {
	text = redactURLs(text)
	return redactNamed(text)
}

// redactURLs hides user, password and query of each URL.
func redactURLs(text string) string {
	var b strings.Builder
	for {
		i := strings.Index(text, "://")
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		i += len("://")
		b.WriteString(text[:i])
		text = text[i:]
		end := strings.IndexAny(text, " \t\n\"'`<>|")
		if end < 0 {
			end = len(text)
		}
		url := text[:end]
		text = text[end:]
		path, query, found := strings.Cut(url, "?")
		if at := strings.LastIndexByte(firstSegment(path), '@'); at >= 0 {
			path = hidden + path[at:]
		}
		b.WriteString(path)
		if found {
			b.WriteString("?" + redactQuery(query))
		}
	}
}

func firstSegment(path string) string {
	segment, _, _ := strings.Cut(path, "/")
	return segment
}

// plainKeys are the parameters of a query that hold no secret.
var plainKeys = []string{"scope", "service", "ns", "account", "client_id", "offline_token", "n", "last", "digest", "mount", "from", "state"}

func redactQuery(query string) string {
	tail := ""
	if trimmed := strings.TrimRight(query, ":;,.)]}"); trimmed != query {
		query, tail = trimmed, query[len(trimmed):]
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		switch {
		case !found && len(pair) > 16:
			pairs[i] = hidden
		case found && value != "" && !oneOf(plainKeys, strings.ToLower(key)):
			pairs[i] = key + "=" + hidden
		}
	}
	return strings.Join(pairs, "&") + tail
}

func oneOf(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

// secretNames stand before a secret, behind ":" or "=" and quotes. Behind
// "Bearer" and "Basic" it follows at once.
var secretNames = []string{
	"authorization", "proxy-authorization", "bearer", "basic", "password", "passwd", "pwd", "synctokenpassword", "token", "access_token", "accesstoken", "refresh_token", "refreshtoken", "id_token", "identitytoken", "registrytoken", "secret", "client_secret", "clientsecret", "apikey", "api_key", "api-key", "x-api-key", "sig", "signature",
	"x-amz-signature", "x-amz-security-token", "x-amz-credential", "x-goog-signature", "accountkey", "sharedaccesskey", "sharedaccesssignature", "awsaccesskeyid", "aws_secret_access_key", "aws_session_token", "auth", "cookie", "set-cookie", "private_key", "privatekey", "_password", "credential", "credentials", "_json_key",
}

// redactNamed hides values behind the names of secrets.
func redactNamed(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		if i > 0 && isName(text[i-1]) || !isName(text[i]) {
			b.WriteByte(text[i])
			i++
			continue
		}
		end := i
		for end < len(text) && isName(text[end]) {
			end++
		}
		name := strings.ToLower(text[i:end])
		b.WriteString(text[i:end])
		i = end
		if !oneOf(secretNames, name) && !strings.HasSuffix(name, "password") && !strings.HasSuffix(name, "secret") && !strings.HasSuffix(name, "_token") {
			continue
		}
		from, to := secretAfter(text[i:], name == "bearer" || name == "basic", strings.HasSuffix(name, "authorization") || strings.HasSuffix(name, "cookie"))
		if to > from {
			b.WriteString(text[i:i+from] + hidden)
			i += to
		}
	}
	return b.String()
}

func isName(c byte) bool { return isWord(c) || c == '-' }

// secretAfter says where in text, that stands behind a secret's name, the
// secret is.
func secretAfter(text string, direct, line bool) (from, to int) {
	separated := false
	for from < len(text) && strings.IndexByte(" \t\"'\\:=", text[from]) >= 0 {
		separated = separated || text[from] == ':' || text[from] == '='
		from++
	}
	if !separated && !direct {
		return 0, 0
	}
	stops := " \t\n\"'`,;&|<>)}]"
	if line { // a header goes on over blanks
		stops = "\n\"'`|<>)}]"
	}
	to = strings.IndexAny(text[from:], stops)
	if to < 0 {
		to = len(text) - from
	}
	value := text[from : from+to]
	// "failed to fetch oauth token: unexpected status", "Basic auth": words.
	if !separated && !looksSecret(value) || !line && !looksRandom(value) && separated && from > 0 && text[from-1] == ' ' && strings.HasPrefix(strings.TrimLeft(text, "\"'"), ": ") {
		return 0, 0
	}
	return from, from + to
}

// looksSecret is true for what is no word of a sentence.
func looksSecret(s string) bool { return len(s) >= 8 && looksRandom(s) }

// looksRandom is true for text with digits, capitals within, or signs.
func looksRandom(s string) bool {
	if len(s) > 20 {
		return true
	}
	for i := range len(s) {
		if c := s[i]; isDigit(c) || i > 0 && 'A' <= c && c <= 'Z' || strings.IndexByte("+/=._!#$%*", c) >= 0 {
			return true
		}
	}
	return false
}
