package verify

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
)

// nameConstraints is a nameConstraints extension (RFC 5280 4.2.1.10): subtrees by
// the kind of their names, each kind in the order of the extension.
type nameConstraints struct {
	permitted, excluded       [gnRID + 1][]subtree
	trees                     int
	permittedDNS, excludedDNS dnsIndex
}

// dnsIndex holds dNSNames, in lower case, for many names to be looked up in many
// constraints; nil when there are few.
type dnsIndex map[string]bool

// Below fewTrees, and for names above longName, in octets, it is quicker to look
// at one constraint after another.
const (
	fewTrees = 16
	longName = 1000
)

func indexDNS(trees []subtree) dnsIndex {
	if len(trees) < fewTrees || slices.ContainsFunc(trees, func(t subtree) bool { return t.minmax }) {
		return nil
	}
	x := dnsIndex{}
	for _, t := range trees {
		x[lowerASCII(string(t.base.value))] = true
	}
	return x
}

// match says what [subtree.matchDNS] says to at least one of the constraints.
func (x dnsIndex) match(name []byte) bool {
	text := lowerASCII(string(name))
	if x[""] || x[text] {
		return true
	}
	for i := range text {
		if text[i] == '.' && (x[text[i:]] || x[text[i+1:]]) {
			return true
		}
	}
	return false
}

type subtree struct {
	base   generalName
	minmax bool // a minimum other than 0, or a maximum
}

func (d *decoder) nameConstraints() *nameConstraints {
	nc := &nameConstraints{}
	seq := d.sequence()
	for tag, into := range []*[gnRID + 1][]subtree{&nc.permitted, &nc.excluded} {
		if !seq.is(classContext, tag) {
			continue
		}
		list := seq.listAs(tag)
		for !list.empty() {
			if t := list.subtree(); !list.bad {
				into[t.base.kind] = append(into[t.base.kind], t)
				nc.trees++
			}
		}
		seq.end(list)
	}
	d.end(seq)
	nc.permittedDNS, nc.excludedDNS = indexDNS(nc.permitted[gnDNS]), indexDNS(nc.excluded[gnDNS])
	return nc
}

func (d *decoder) subtree() (t subtree) {
	seq := d.sequence()
	t.base = seq.generalName()
	if seq.is(classContext, 0) {
		minimum := seq.implicit(tagInteger)
		t.minmax = !bytes.Equal(minimum, []byte{0})
	}
	if seq.is(classContext, 1) {
		seq.implicit(tagInteger)
		t.minmax = true
	}
	d.end(seq)
	return t
}

// oidSmtpUTF8Mailbox is the otherName that holds an internationalised mailbox
// (RFC 8398 3): constraints on e-mail addresses are for it too.
const oidSmtpUTF8Mailbox = "1.3.6.1.5.5.7.8.9"

func (n *generalName) constrainedAs() byte {
	if n.kind == gnOther && n.oid == oidSmtpUTF8Mailbox {
		return gnEmail
	}
	return n.kind
}

func (c *certificate) hasSANOf(kind byte) bool {
	return slices.ContainsFunc(c.sans, func(n generalName) bool { return n.kind == kind })
}

// maxComparisons is NAME_CHECK_MAX: OpenSSL gives up above it.
const maxComparisons = 1 << 20

// check is NAME_CONSTRAINTS_check: the subject, its e-mail addresses and the
// SANs are held against the constraints.
func (nc *nameConstraints) check(c *certificate) Code {
	names := len(c.subject.entries) + len(c.sans)
	if names > 0 && nc.trees > maxComparisons/names {
		return CodeUnspecified
	}
	if len(c.subject.entries) > 0 {
		if code := nc.match(&generalName{kind: gnDir, dir: c.subject}); code != CodeOK {
			return code
		}
	}
	for _, e := range c.subject.entries {
		if e.oid != oidEmailAddress {
			continue
		}
		if e.value.tag != tagIA5 {
			return CodeUnsupportedNameSyntax
		}
		if code := nc.match(&generalName{kind: gnEmail, value: e.value.value}); code != CodeOK {
			return code
		}
	}
	for i := range c.sans {
		if code := nc.match(&c.sans[i]); code != CodeOK {
			return code
		}
	}
	return CodeOK
}

// checkCommonNames is NAME_CONSTRAINTS_check_CN: common names that look like
// host names count as dNSNames.
func (nc *nameConstraints) checkCommonNames(c *certificate) Code {
	for _, e := range c.subject.entries {
		if e.oid != oidCommonName {
			continue
		}
		text, ok := utf8Of(e.value)
		if text = strings.TrimRight(text, "\x00"); !ok || strings.ContainsRune(text, 0) {
			return CodeUnsupportedNameSyntax
		}
		if !looksLikeHost(text) {
			continue
		}
		if code := nc.match(&generalName{kind: gnDNS, value: []byte(text)}); code != CodeOK {
			return code
		}
	}
	return CodeOK
}

// looksLikeHost is cn2dnsid of crypto/x509/v3_ncons.c: letters, digits, inner
// hyphens and underscores, and at least one dot.
func looksLikeHost(cn string) bool {
	dots := false
	for i := 0; i < len(cn); i++ {
		ch := cn[i]
		switch {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', ch == '_':
			continue
		}
		if i == 0 || i == len(cn)-1 {
			return false
		}
		if ch == '-' {
			continue
		}
		if ch == '.' && cn[i+1] != '-' && cn[i-1] != '-' && cn[i+1] != '.' {
			dots = true
			continue
		}
		return false
	}
	return dots
}

// match is nc_match.
func (nc *nameConstraints) match(n *generalName) Code {
	kind := n.constrainedAs()
	concerned := func(t *subtree) bool { return kind != gnOther || t.base.oid == n.oid }
	permitted, excluded := nc.permitted[kind], nc.excluded[kind]
	if kind == gnDNS && len(n.value) < longName {
		if nc.permittedDNS != nil {
			if !nc.permittedDNS.match(n.value) {
				return CodePermittedViolation
			}
			permitted = nil
		}
		if nc.excludedDNS != nil && !nc.excludedDNS.match(n.value) {
			excluded = nil
		}
	}
	matched := 0 // 0: no subtree of this kind, 1: some but none fits, 2: fits
	for i := range permitted {
		t := &permitted[i]
		if !concerned(t) {
			continue
		}
		if t.minmax {
			return CodeSubtreeMinmax
		}
		if matched == 2 {
			continue
		}
		matched = 1
		switch code := t.match(n); code {
		case CodeOK:
			matched = 2
		case CodePermittedViolation:
		default:
			return code
		}
	}
	if matched == 1 {
		return CodePermittedViolation
	}
	for i := range excluded {
		t := &excluded[i]
		if !concerned(t) {
			continue
		}
		if t.minmax {
			return CodeSubtreeMinmax
		}
		switch code := t.match(n); code {
		case CodeOK:
			return CodeExcludedViolation
		case CodePermittedViolation:
		default:
			return code
		}
	}
	return CodeOK
}

// match is nc_match_single: CodeOK fits, CodePermittedViolation does not.
func (t *subtree) match(n *generalName) Code {
	switch n.kind {
	case gnDir:
		return fits(bytes.HasPrefix(n.dir.canonical, t.base.dir.canonical))
	case gnDNS:
		return t.matchDNS(n.value)
	case gnEmail:
		return t.matchEmail(n.value)
	case gnURI:
		return t.matchURI(n.value)
	case gnIP:
		return t.matchIP(n.value)
	}
	if n.constrainedAs() == gnEmail {
		return t.matchMailbox(n.other)
	}
	return CodeUnsupportedConstraintType
}

func fits(ok bool) Code {
	if ok {
		return CodeOK
	}
	return CodePermittedViolation
}

func (t *subtree) matchDNS(name []byte) Code {
	base := t.base.value
	if len(base) == 0 {
		return CodeOK
	}
	if len(name) < len(base) {
		return CodePermittedViolation
	}
	tail := name[len(name)-len(base):]
	if len(name) > len(base) && base[0] != '.' && name[len(name)-len(base)-1] != '.' {
		return CodePermittedViolation
	}
	return fits(equalNoCase(tail, base))
}

// matchMailbox is nc_email_eai: the mailbox is in UTF-8, the constraint's domain
// may be in Punycode.
func (t *subtree) matchMailbox(mailbox typed) Code {
	if bytes.IndexByte(t.base.value, 0) >= 0 || mailbox.tag != tagUTF8 {
		return CodeUnsupportedNameSyntax
	}
	name := string(mailbox.value)
	at := strings.LastIndexByte(name, '@')
	if at < 0 {
		return CodeUnsupportedNameSyntax
	}
	domain, ok := unicodeLabels(string(t.base.value))
	if !ok {
		return CodeUnspecified
	}
	if strings.HasPrefix(domain, ".") {
		// OpenSSL 3.0 puts a second dot before the first.
		domain = "." + domain
		return fits(len(name) > len(domain) && equalNoCase(name[len(name)-len(domain):], domain))
	}
	return fits(equalNoCase(name[at+1:], domain))
}

func (t *subtree) matchEmail(name []byte) Code {
	base := string(t.base.value)
	at := bytes.LastIndexByte(name, '@')
	if at < 0 {
		return CodeUnsupportedNameSyntax
	}
	baseAt := strings.LastIndexByte(base, '@')
	if baseAt < 0 && strings.HasPrefix(base, ".") {
		return fits(len(name) > len(base) && equalNoCase(name[len(name)-len(base):], base))
	}
	if baseAt >= 0 {
		if baseAt > 0 {
			if baseAt != at {
				return CodePermittedViolation
			}
			if strings.IndexByte(base[:baseAt], 0) >= 0 || bytes.IndexByte(name[:at], 0) >= 0 {
				return CodeUnsupportedNameSyntax
			}
			if base[:baseAt] != string(name[:at]) {
				return CodePermittedViolation
			}
		}
		base = base[baseAt+1:]
	}
	return fits(equalNoCase(base, name[at+1:]))
}

func (t *subtree) matchURI(name []byte) Code {
	text := string(name)
	_, rest, ok := strings.Cut(text, ":")
	if !ok || !strings.HasPrefix(rest, "//") {
		return CodeUnsupportedNameSyntax
	}
	host := rest[2:]
	if i := strings.IndexByte(host, ':'); i >= 0 {
		host = host[:i]
	} else if i := strings.IndexByte(host, '/'); i >= 0 {
		host = host[:i]
	}
	if host == "" {
		return CodeUnsupportedNameSyntax
	}
	base := string(t.base.value)
	if strings.HasPrefix(base, ".") {
		return fits(len(host) > len(base) && equalNoCase(host[len(host)-len(base):], base))
	}
	return fits(equalNoCase(host, base))
}

func (t *subtree) matchIP(name []byte) Code {
	base := t.base.value
	if len(name) != 4 && len(name) != 16 || len(base) != 8 && len(base) != 32 {
		return CodeUnsupportedNameSyntax
	}
	if len(base) != 2*len(name) {
		return CodePermittedViolation
	}
	for i := range name {
		if (name[i]^base[i])&base[len(name)+i] != 0 {
			return CodePermittedViolation
		}
	}
	return CodeOK
}

// equalNoCase compares as OpenSSL does: the case of ASCII letters alone is no
// matter.
func equalNoCase[T, U string | []byte](a T, b U) bool {
	if len(a) != len(b) {
		return false
	}
	for i := len(a) - 1; i >= 0; i-- { // names differ rather at the end
		if x, y := a[i], b[i]; x != y && lower(x) != lower(y) {
			return false
		}
	}
	return true
}

func lower(ch byte) byte {
	if 'A' <= ch && ch <= 'Z' {
		ch += 'a' - 'A'
	}
	return ch
}

// matchesHost is X509_check_host without flags, and X509_check_ip for
// addresses (crypto/x509/v3_utl.c).
func (c *certificate) matchesHost(host string) Code {
	if ip := addressOf(host); ip != nil {
		fits := func(n generalName) bool { return n.kind == gnIP && bytes.Equal(n.value, ip) }
		if slices.ContainsFunc(c.sans, fits) {
			return CodeOK
		}
		return CodeIpAddressMismatch
	}
	dns := false
	for _, n := range c.sans {
		if n.kind != gnDNS {
			continue
		}
		dns = true
		if equalHost(string(n.value), host) {
			return CodeOK
		}
	}
	if dns {
		return CodeHostnameMismatch
	}
	for _, e := range c.subject.entries {
		if e.oid != oidCommonName {
			continue
		}
		if text, ok := utf8Of(e.value); !ok {
			break // for OpenSSL an error, which ends the search
		} else if equalHost(text, host) {
			return CodeOK
		}
	}
	return CodeHostnameMismatch
}

// addressOf gives the octets of an IP address, which may stand in brackets as in
// a URL; nil for what is none. An address of IPv6 that stands for one of IPv4 is
// one of IPv6 to OpenSSL.
func addressOf(host string) []byte {
	if inside, ok := strings.CutPrefix(host, "["); ok {
		if inside, ok = strings.CutSuffix(inside, "]"); ok {
			host = inside
		}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return nil
	}
	return addr.AsSlice()
}

// equalHost is equal_wildcard: the star may be part of the left-most label
// unless the label is an IDN's, and two dots must follow it.
func equalHost(pattern, host string) bool {
	if pattern == "" {
		return false
	}
	if strings.HasPrefix(host, ".") && len(host) > 1 {
		// A leading dot asks for the domain and any name below it.
		skip := len(pattern) - len(host)
		return skip >= 0 && strings.IndexByte(pattern, 0) < 0 && equalNoCase(pattern[skip:], host)
	}
	star := validStar(pattern)
	if star < 0 {
		return strings.IndexByte(pattern, 0) < 0 && equalNoCase(pattern, host)
	}
	prefix, suffix := pattern[:star], pattern[star+1:]
	if len(host) < len(prefix)+len(suffix) ||
		!equalNoCase(host[:len(prefix)], prefix) || !equalNoCase(host[len(host)-len(suffix):], suffix) {
		return false
	}
	middle := host[len(prefix) : len(host)-len(suffix)]
	whole := prefix == "" && strings.HasPrefix(suffix, ".")
	if whole && middle == "" {
		return false
	}
	if !whole && strings.HasPrefix(lowerASCII(host), "xn--") {
		return false
	}
	if middle == "*" {
		return true
	}
	for i := 0; i < len(middle); i++ {
		ch := middle[i]
		if !('0' <= ch && ch <= '9' || 'A' <= ch && ch <= 'Z' || 'a' <= ch && ch <= 'z' || ch == '-') {
			return false
		}
	}
	return true
}

// validStar gives the place of the one star that may stand in pattern, or -1
// (valid_star of v3_utl.c).
func validStar(p string) int {
	const (
		labelStart = 1 << iota
		labelHyphen
		labelIDNA
	)
	star, dots := -1, 0
	state := labelStart
	for i := 0; i < len(p); i++ {
		switch ch := p[i]; {
		case ch == '*':
			atStart := state&labelStart != 0
			atEnd := i == len(p)-1 || p[i+1] == '.'
			if star >= 0 || state&labelIDNA != 0 || dots > 0 {
				return -1
			}
			if !atStart && !atEnd {
				return -1
			}
			star = i
			state &^= labelStart
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9':
			if state&labelStart != 0 && len(p)-i >= 4 && equalNoCase(p[i:i+4], "xn--") {
				state |= labelIDNA
			}
			state &^= labelHyphen | labelStart
		case ch == '.':
			if state&(labelHyphen|labelStart) != 0 {
				return -1
			}
			state = labelStart
			dots++
		case ch == '-':
			if state&labelStart != 0 {
				return -1
			}
			state |= labelHyphen
		default:
			return -1
		}
	}
	if state&(labelStart|labelHyphen) != 0 || dots < 2 {
		return -1
	}
	return star
}
