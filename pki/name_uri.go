package pki

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// uri reads a URI for a uniformResourceIdentifier: absolute, ASCII, and with a
// host that is a name or an address (RFC 5280, 4.2.1.6). URNs have no host.
func (r *nameReader) uri(text string) (string, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || !isScheme(scheme) {
		return "", errors.New("not an absolute URI: it begins with a scheme, as in spiffe://prod/registry")
	}
	canonical := strings.ToLower(scheme)
	if hier, ok := strings.CutPrefix(rest, "//"); ok {
		authority, path := cutAuthority(hier)
		authority, err := r.uriAuthority(authority)
		if err != nil {
			return "", err
		}
		canonical, rest = canonical+"://"+authority, path
	} else if nid, nss, ok := strings.Cut(rest, ":"); ok && canonical == "urn" {
		canonical, rest = "urn:"+strings.ToLower(nid)+":", nss // RFC 8141, 3.1
	} else {
		return "", errors.New("not a URI with a host, scheme://host/…, nor a URN, urn:namespace:name")
	}
	rest, err := r.uriCharacters(rest)
	if err != nil {
		return "", err
	}
	return r.stableURI(text, canonical+rest)
}

// uriAuthority puts the host into canonical form and keeps user and port.
func (r *nameReader) uriAuthority(authority string) (string, error) {
	user := ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	if strings.Contains(user, ":") {
		return "", errors.New("holds a password, and a certificate is public: leave it out")
	}
	if _, err := r.uriCharacters(user); err != nil {
		return "", err
	}
	if authority == "" {
		return "", errors.New("a URI without a host (RFC 5280, 4.2.1.6)")
	}
	host, port, err := splitPort(authority)
	if err != nil {
		return "", err
	}
	name, err := r.hostName(host)
	if err != nil {
		return "", fmt.Errorf("its host: %w", err)
	}
	r.warnings = nil // those about hosts that clients dial
	switch {
	case strings.Contains(name.Value, "*"):
		return "", errors.New("a wildcard in a URI, which no client matches")
	case strings.Contains(name.Value, ":"):
		host = "[" + name.Value + "]"
	default:
		host = name.Value
	}
	if port != "" {
		host += ":" + port
	}
	return user + host, nil
}

// uriCharacters percent-encodes what is beyond ASCII (RFC 3987, 3.1) and
// refuses what RFC 3986 lets stand nowhere.
func (r *nameReader) uriCharacters(s string) (string, error) {
	const punctuation = "-._~:/?#[]@!$&'()*+,;="
	var b strings.Builder
	for i, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		switch {
		case letter, strings.IndexByte(punctuation, c) >= 0:
			b.WriteByte(c)
		case c == '%':
			if len(s) < i+3 || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", errors.New(`"%" without two hexadecimal digits behind it`)
			}
			b.WriteByte(c)
		case c >= utf8.RuneSelf:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			return "", fmt.Errorf("has %q in it, which a URI writes as %%%02X", c, c)
		}
	}
	if b.Len() != len(s) {
		r.step("percent-encoded what is not ASCII")
	}
	return b.String(), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// stableURI makes sure that crypto/x509, which keeps URIs as url.URL, writes
// the text that was checked.
func (r *nameReader) stableURI(text, uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		// Only the cause: the error of url.Parse repeats the whole text.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return "", fmt.Errorf("not a URI: %w", err)
	}
	if u.Host == "" && u.Opaque == "" {
		return "", errors.New("neither a host nor a URN in it")
	}
	value := u.String()
	again, err := url.Parse(value)
	if err != nil || again.String() != value {
		return "", errors.New("not a URI that can be written in one way")
	}
	if value != text && len(r.steps) == 0 {
		r.step("put it into canonical form")
	}
	return value, nil
}

// Limits of RFC 5321, 4.5.3.1, in octets.
const (
	maxLocalPart = 64
	maxMailbox   = 254
)

// email reads an addr-spec (RFC 5322, 3.4.1) of the plain kind: a dot-atom, @,
// and a DNS name. Other local parts would need an SmtpUTF8Mailbox (RFC 9598) or
// quotes, and matching clients for them are not to be found.
func (r *nameReader) email(text string) (string, error) {
	if hasFold(text, "mailto:") {
		r.step("dropped mailto:")
		text = text[len("mailto:"):]
	}
	i := strings.LastIndexByte(text, '@')
	if i < 0 {
		return "", errors.New("not an e-mail address: it has no @")
	}
	local, domain := text[:i], text[i+1:]
	if hasFold(domain, "sha256:") {
		return "", errors.New("an image reference without a registry's host")
	}
	if len(local) > maxLocalPart {
		return "", fmt.Errorf("%d characters before the @: at most %d", len(local), maxLocalPart)
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" {
			return "", errors.New("not an e-mail address: nothing, or dots at the wrong place, before the @")
		}
		for _, c := range atom {
			if !isAtomText(c) {
				return "", fmt.Errorf("not an e-mail address of the form name@host: has %q before the @ (of a host with credentials, give the host alone)", c)
			}
		}
	}
	name, err := r.hostName(domain)
	switch {
	case err != nil:
		return "", fmt.Errorf("its host: %w", err)
	case name.Kind != DNS || strings.Contains(name.Value, "*"):
		return "", errors.New("an e-mail address whose host is no plain DNS name")
	case len(local)+1+len(name.Value) > maxMailbox:
		return "", fmt.Errorf("longer than %d characters", maxMailbox)
	}
	r.warnings = nil // those about hosts that clients dial
	return local + "@" + name.Value, nil
}

// isAtomText is atext of RFC 5322, 3.2.3.
func isAtomText(c rune) bool {
	letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	return letter || c > 0 && c < utf8.RuneSelf && strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", c)
}
