package pki

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// host reads a host in any of the forms in which people paste one: bare, with
// a port, as a URL, as an image reference.
func (r *nameReader) host(text string) (Name, error) {
	authority, err := r.authority(text)
	if err != nil {
		return Name{}, err
	}
	host, port, err := splitPort(authority)
	if err != nil {
		return Name{}, err
	}
	if port != "" {
		r.step("dropped the port")
	}
	return r.hostName(host)
}

// authority cuts "host" or "host:port" out of a URL or an image reference.
func (r *nameReader) authority(text string) (string, error) {
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if !isHostScheme(scheme) {
			return "", errors.New("a URI, not a host: use --uri or the prefix URI:")
		}
		r.step("took the host out of the URL")
		authority, _ := cutAuthority(rest)
		if i := strings.LastIndexByte(authority, '@'); i >= 0 {
			r.step("left out its credentials")
			authority = authority[i+1:]
		}
		return authority, nil
	}
	authority, path, ok := strings.Cut(text, "/")
	switch {
	case strings.Contains(authority, "@"):
		return "", errors.New("an e-mail address, or a host with credentials: use --email, or give the host alone")
	case !ok:
		return authority, nil
	case isNetwork(authority, path):
		return "", fmt.Errorf("a network: a certificate names single addresses, so give each that clients dial (%s)", authority)
	case path == "":
		r.step("dropped the slash")
		return authority, nil
	case !isRegistry(authority):
		return "", fmt.Errorf("no host in front of the first slash that container clients would take for one (they would ask Docker Hub for %q): give the registry's host alone", text)
	}
	r.step("took the host out of the image reference")
	return authority, nil
}

// cutAuthority splits what follows "//" into authority and rest (RFC 3986, 3.2).
func cutAuthority(s string) (authority, rest string) {
	if i := strings.IndexAny(s, `/?#\`); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// isNetwork recognises 10.0.0.0/8, 10.0.0.0/255.0.0.0 and their IPv6 cousins.
func isNetwork(addr, mask string) bool {
	if _, err := netip.ParseAddr(strings.Trim(addr, "[]")); err != nil {
		return false
	}
	if _, err := netip.ParseAddr(mask); err == nil {
		return true
	}
	return mask != "" && strings.Trim(mask, "0123456789") == ""
}

// isRegistry applies the rule by which image references are read: the first
// component is a host only when it has a dot, a port or an upper-case letter,
// or is localhost (github.com/distribution/reference, splitDockerDomain).
func isRegistry(component string) bool {
	return strings.ContainsAny(component, ".:") || component == "localhost" || strings.ToLower(component) != component
}

// splitPort splits host:port. The host of "[::1]" is "::1", and so is that of
// a bare "::1".
func splitPort(s string) (host, port string, err error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host, rest, ok := strings.Cut(inner, "]")
		if !ok {
			return "", "", errors.New(`"[" without "]"`)
		}
		if _, err := netip.ParseAddr(host); err != nil {
			return "", "", errors.New("no IP address between the brackets")
		}
		if rest == "" {
			return host, "", nil
		}
		port, ok := strings.CutPrefix(rest, ":")
		if !ok {
			return "", "", errors.New(`only ":" and a port may follow "]"`)
		}
		return host, port, checkPort(port)
	}
	switch strings.Count(s, ":") {
	case 0:
		return s, "", nil
	case 1:
		host, port, _ := strings.Cut(s, ":")
		if host == "" {
			return "", "", errors.New("no host in front of the colon")
		}
		return host, port, checkPort(port)
	}
	if _, err := netip.ParseAddr(s); err != nil {
		return "", "", errors.New("not an IPv6 address; with a port it is written [2001:db8::1]:5000")
	}
	return s, "", nil
}

// checkPort does not repeat the port: in a mistyped URL it may be a password.
func checkPort(port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("what follows the colon is no port: a number from 1 to 65535 (an image's tag needs the image's name before it)")
	}
	return nil
}

// hostName reads a host without port: an address or a DNS name.
func (r *nameReader) hostName(host string) (Name, error) {
	if host == "" {
		return Name{}, errors.New("no host in it")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return Name{IP, r.address(host, addr)}, nil
	}
	value, err := r.dnsName(host)
	if err == nil && strings.Contains(value, "_") {
		r.warn("%s has an underscore: TLS clients match it, but docker, podman and Kubernetes allow none in the registry of an image reference", value)
	}
	return Name{DNS, value}, err
}

// address gives the one text of an address: no zone, no IPv4 in IPv6, RFC 5952.
func (r *nameReader) address(text string, addr netip.Addr) string {
	if addr.Zone() != "" {
		r.step("dropped the zone")
		r.warn("an IP name is the bare address (RFC 5280, 4.2.1.6): clients built on Go that dial %s with its zone accept no certificate", addr.WithZone(""))
		addr = addr.WithZone("")
	}
	if addr.Is4In6() {
		r.step("unmapped the IPv4 address, since OpenSSL and GnuTLS do not find a mapped one")
		addr = addr.Unmap()
	} else if bare, _, _ := strings.Cut(text, "%"); bare != addr.String() {
		r.step("shortened the address (RFC 5952)")
	}
	switch {
	case addr.IsUnspecified():
		r.warn("%s is an address to listen on: clients dial another one", addr)
	case addr.IsMulticast():
		r.warn("%s is a multicast address: no TLS client dials it", addr)
	}
	if host, port, ok := ambiguousPort(text); ok && !strings.Contains(r.text, "[") {
		r.warn("read %s as one address; if %s is a port, write [%s]:%s", text, port, host, port)
	}
	return addr.String()
}

// ambiguousPort tells addresses such as 2001:db8::1:5000, which without their
// last group are an address too, and whose last group is a port of registries.
func ambiguousPort(addr string) (host, port string, ok bool) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return "", "", false
	}
	host, port = addr[:i], addr[i+1:]
	if _, err := netip.ParseAddr(host); err != nil {
		return "", "", false
	}
	switch port {
	case "443", "5000", "5001", "5443", "6443", "8443":
		return host, port, true
	}
	return "", "", false
}

// Limits of RFC 1035, 2.3.4, in characters as written, without a trailing dot.
const (
	maxLabel = 63
	maxHost  = 253
)

// dnsName reads a DNS name in the preferred syntax of RFC 1034, 3.5 as
// modified by RFC 1123, 2.1, plus underscores and a left-most wildcard.
func (r *nameReader) dnsName(text string) (string, error) {
	if len(text) > 8*maxHost { // before any work that grows with it
		return "", fmt.Errorf("%d bytes: a DNS name has at most %d", len(text), maxHost)
	}
	name, err := r.toASCII(text)
	if err != nil {
		return "", err
	}
	if dotless := strings.TrimSuffix(name, "."); dotless != name && dotless != "" {
		r.step("dropped the trailing dot")
		name = dotless
	}
	if err := notAnAddress(name); err != nil {
		return "", err
	}
	if err := checkLabels(name); err != nil {
		return "", err
	}
	return name, checkWildcard(name)
}

// toASCII lower-cases text, converts international labels and refuses every
// character that no host name holds.
func (r *nameReader) toASCII(text string) (string, error) {
	for _, c := range text {
		if reason := badCharacter(c); reason != "" {
			return "", errors.New("has " + reason)
		}
	}
	name := strings.ToLower(text)
	international := strings.IndexFunc(text, func(c rune) bool { return c >= utf8.RuneSelf }) >= 0
	if !international && !strings.HasPrefix(name, "xn--") && !strings.Contains(name, ".xn--") {
		if name != text {
			r.step("wrote it in lower case")
		}
		return name, nil
	}
	// Built here and not once per process: most runs have no such name. It is
	// idna.Lookup, by which clients convert, with two rules left to
	// checkLabels: which ASCII characters may stand, and where hyphens.
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false),
		idna.StrictDomainName(false), idna.CheckHyphens(false))
	name, err := profile.ToASCII(text)
	if err != nil {
		return "", fmt.Errorf("not a valid international domain name: %s", strings.TrimPrefix(err.Error(), "idna: "))
	}
	for _, c := range name { // characters that the mapping has brought in
		if reason := badCharacter(c); reason != "" {
			return "", errors.New("as an international domain name has " + reason)
		}
	}
	switch {
	case international:
		r.step("wrote it in ASCII, as clients do (IDNA)")
	case name != text:
		r.step("wrote it in lower case")
	}
	return name, nil
}

// badCharacter says what is wrong with a character, or "". Of those beyond
// ASCII it leaves letters, marks and digits to IDNA, which would make names out
// of dashes and quotes too that a word processor has put there.
func badCharacter(c rune) string {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune("-._*", c):
		return ""
	case c == ' ', c == '\t':
		return "a blank in it"
	case c == '\n', c == '\r':
		return "a line break in it; between names goes a comma"
	case c == 0:
		return "a NUL character in it"
	case c < ' ', c == 0x7f:
		return fmt.Sprintf("a control character (%U) in it", c)
	case c < utf8.RuneSelf:
		return fmt.Sprintf("%q in it, which no host name has", c)
	case unicode.IsLetter(c), unicode.IsMark(c), unicode.Is(unicode.Nd, c):
		return ""
	case strings.ContainsRune("\u3002\uff0e\uff61", c): // full stops, UTS 46
		return ""
	case strings.ContainsRune("\u200c\u200d\u00b7\u0375\u05f3\u05f4\u30fb", c): // in context, RFC 5892, A
		return ""
	case unicode.Is(unicode.Pd, c), c == '\u2212':
		return fmt.Sprintf("the typographic dash %q (%U) in it: type a plain -", c, c)
	case unicode.In(c, unicode.Pi, unicode.Pf), c == '\u201a', c == '\u201e':
		return fmt.Sprintf("the typographic quotation mark %q (%U) around or in it", c, c)
	case unicode.IsSpace(c), unicode.Is(unicode.Z, c):
		return fmt.Sprintf("an unusual blank (%U) in it", c)
	case unicode.Is(unicode.Cf, c):
		return fmt.Sprintf("an invisible character (%U) in it", c)
	default:
		return fmt.Sprintf("%q (%U) in it, which is neither a letter nor a digit", c, c)
	}
}

// notAnAddress refuses names that some clients dial as an IP address. The rule
// is that of the URL standard (host parsing, "ends in a number"), which curl
// and browsers follow; Go takes the same text for a name.
func notAnAddress(name string) error {
	if addr, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("the IP address %s, but not in plain notation: write %s", addr, addr)
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if !isNumber(last) {
		return nil
	}
	if addr, ok := legacyIPv4(name); ok {
		return fmt.Errorf("not a plain IP address: curl and browsers dial it as %s, Go takes it for a name; write the address that you mean", addr)
	}
	return fmt.Errorf("neither an IP address nor a DNS name: its last part %q is a number, by which clients tell an address", last)
}

// isNumber tells a label that is a number to inet_aton and the URL standard.
func isNumber(label string) bool {
	digits, hex := strings.CutPrefix(label, "0x")
	if hex {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

// legacyIPv4 reads IPv4 as inet_aton does: one to four numbers, decimal, octal
// after 0 or hexadecimal after 0x, of which the last fills the bytes that are
// left.
func legacyIPv4(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var ip uint64
	for i, part := range parts {
		n, ok := legacyNumber(part)
		room := 8
		if i == len(parts)-1 {
			room = 8 * (5 - len(parts))
		}
		if !ok || n>>room != 0 {
			return netip.Addr{}, false
		}
		ip = ip<<room | n
	}
	return netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}), true
}

func legacyNumber(s string) (uint64, bool) {
	base := 10
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		s, base = "0"+hex, 16
	} else if len(s) > 1 && s[0] == '0' {
		s, base = s[1:], 8
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}

// checkLabels checks lengths, empty labels and hyphens.
func checkLabels(name string) error {
	if len(name) > maxHost {
		return fmt.Errorf("%d characters: a DNS name has at most %d", len(name), maxHost)
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return errors.New("has an empty part: a dot at the start or two in a row")
		case len(label) > maxLabel:
			return fmt.Errorf("its part %s has %d characters: at most %d between two dots", quoteName(label), len(label), maxLabel)
		case label[0] == '-', label[len(label)-1] == '-':
			return fmt.Errorf("its part %q begins or ends with a hyphen, which no host name does (RFC 1123, 2.1)", label)
		}
	}
	return nil
}

// checkWildcard allows the one wildcard that Go, OpenSSL and GnuTLS all match:
// a whole left-most label above at least two others.
func checkWildcard(name string) error {
	stars := strings.Count(name, "*")
	if stars == 0 {
		return nil
	}
	first, rest, _ := strings.Cut(name, ".")
	switch {
	case name == "*":
		return errors.New("a bare wildcard, which no client matches: name the hosts")
	case !strings.Contains(first, "*"):
		return errors.New("a wildcard that is not the first part, which no client matches")
	case first != "*":
		return fmt.Errorf("a wildcard that is only a part of %q, which Go and GnuTLS clients do not match: it must be the whole first part, *.%s", first, rest)
	case stars > 1:
		return errors.New("two wildcards, which no client matches")
	case !strings.Contains(rest, "."):
		return fmt.Errorf("a wildcard right above %q, which OpenSSL and GnuTLS clients (curl, Python) do not match: at least two parts must follow it", rest)
	}
	return nil
}
