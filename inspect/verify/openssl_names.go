package verify

import (
	"bytes"
	"encoding/asn1"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// nameConstraints is a nameConstraints extension (RFC 5280 4.2.1.10).
type nameConstraints struct {
	permitted, excluded []subtree
}

type subtree struct {
	kind   byte // context tag of the GeneralName
	value  []byte
	minmax bool // a minimum other than 0, or a maximum
}

// Context tags of GeneralName.
const (
	gnOther = 0
	gnEmail = 1
	gnDNS   = 2
	gnDir   = 4
	gnURI   = 6
	gnIP    = 7
)

func readNameConstraints(in cryptobyte.String) (*nameConstraints, bool) {
	var seq, list cryptobyte.String
	var present bool
	nc := &nameConstraints{}
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return nil, false
	}
	for i, into := range []*[]subtree{&nc.permitted, &nc.excluded} {
		if !seq.ReadOptionalASN1(&list, &present, cbasn1.Tag(i).Constructed().ContextSpecific()) {
			return nil, false
		}
		if !present {
			continue
		}
		var ok bool
		if *into, ok = readSubtrees(list); !ok {
			return nil, false
		}
	}
	return nc, true
}

func readSubtrees(list cryptobyte.String) (out []subtree, ok bool) {
	for !list.Empty() {
		var tree, value cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadASN1(&tree, cbasn1.SEQUENCE) || !tree.ReadAnyASN1(&value, &tag) {
			return nil, false
		}
		out = append(out, subtree{kind: byte(tag) & 0x1f, value: value, minmax: minMax(tree)})
	}
	return out, true
}

func minMax(tree cryptobyte.String) bool {
	var value cryptobyte.String
	var present bool
	if tree.ReadOptionalASN1(&value, &present, cbasn1.Tag(0).ContextSpecific()) && present && !bytes.Equal(value, []byte{0}) {
		return true
	}
	return !tree.Empty()
}

// generalName is one name of a certificate to hold against the constraints.
type generalName struct {
	kind  byte
	value []byte
}

// allNames are the names that NAME_CONSTRAINTS_check looks at: the subject, its
// e-mail addresses and the SANs.
func (c *certificate) allNames() []generalName {
	var out []generalName
	if len(c.view.Subject) > 0 {
		out = append(out, generalName{gnDir, c.view.RawSubject})
		for _, a := range c.view.Subject {
			if a.OID == oidEmailAddress {
				out = append(out, generalName{gnEmail, []byte(a.Value)})
			}
		}
	}
	for _, n := range c.sans {
		out = append(out, effectiveName(generalName{kindOf(n.Kind), n.Raw}))
	}
	return out
}

// badName marks an otherName that cannot be held against a constraint.
const badName = 0xff

// effectiveName takes an internationalised mailbox (RFC 8398 3) for an e-mail address.
func effectiveName(n generalName) generalName {
	if n.kind != gnOther {
		return n
	}
	in := cryptobyte.String(n.value)
	var oid asn1.ObjectIdentifier
	var wrapped, text cryptobyte.String
	if !in.ReadASN1ObjectIdentifier(&oid) || oid.String() != "1.3.6.1.5.5.7.8.9" {
		return n
	}
	if !in.ReadASN1(&wrapped, cbasn1.Tag(0).Constructed().ContextSpecific()) || !wrapped.ReadASN1(&text, cbasn1.UTF8String) {
		return generalName{badName, n.value}
	}
	return generalName{gnEmail, text}
}

func kindOf(name string) byte {
	switch name {
	case "email":
		return gnEmail
	case "DNS":
		return gnDNS
	case "dirName":
		return gnDir
	case "URI":
		return gnURI
	case "IP":
		return gnIP
	case "otherName":
		return gnOther
	case "x400Address":
		return 3
	case "ediPartyName":
		return 5
	}
	return 8
}

func (c *certificate) hasSANOf(kind byte) bool {
	for _, n := range c.sans {
		if kindOf(n.Kind) == kind {
			return true
		}
	}
	return false
}

// maxComparisons is NAME_CHECK_MAX: OpenSSL gives up above it.
const maxComparisons = 1 << 20

// check is NAME_CONSTRAINTS_check.
func (nc *nameConstraints) check(names []generalName) Code {
	if trees := len(nc.permitted) + len(nc.excluded); trees > 0 && len(names) > maxComparisons/trees {
		return CodeUnspecified
	}
	for _, n := range names {
		if code := nc.match(n); code != CodeOK {
			return code
		}
	}
	return CodeOK
}

// checkCommonNames is NAME_CONSTRAINTS_check_CN: common names that look like
// host names count as dNSNames.
func (nc *nameConstraints) checkCommonNames(c *certificate) Code {
	for _, a := range c.view.Subject {
		if a.OID != oidCommonName || !looksLikeHost(a.Value) {
			continue
		}
		if code := nc.match(generalName{gnDNS, []byte(a.Value)}); code != CodeOK {
			return code
		}
	}
	return CodeOK
}

// looksLikeHost is cn2dnsid of crypto/x509/v3_ncons.c: letters, digits, inner
// hyphens and underscores, and at least one dot.
func looksLikeHost(cn string) bool {
	cn = strings.TrimRight(cn, "\x00")
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

func (nc *nameConstraints) match(n generalName) Code {
	if n.kind == badName {
		return nc.matchBadName()
	}
	matched := 0 // 0: no subtree of this kind, 1: some but none fits, 2: fits
	for _, t := range nc.permitted {
		if t.kind != n.kind {
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
	for _, t := range nc.excluded {
		if t.kind != n.kind {
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

// matchBadName: only a constraint on e-mail addresses makes OpenSSL look at it.
func (nc *nameConstraints) matchBadName() Code {
	for _, t := range slices.Concat(nc.permitted, nc.excluded) {
		if t.kind == gnEmail {
			return CodeUnsupportedNameSyntax
		}
	}
	return CodeOK
}

// match is nc_match_single: CodeOK fits, CodePermittedViolation does not.
func (t subtree) match(n generalName) Code {
	switch n.kind {
	case gnDir:
		return fits(bytes.HasPrefix(canonicalName(n.value), canonicalName(t.value)))
	case gnDNS:
		return t.matchDNS(n.value)
	case gnEmail:
		return t.matchEmail(n.value)
	case gnURI:
		return t.matchURI(n.value)
	case gnIP:
		return t.matchIP(n.value)
	}
	return CodeUnsupportedConstraintType
}

func fits(ok bool) Code {
	if ok {
		return CodeOK
	}
	return CodePermittedViolation
}

func (t subtree) matchDNS(name []byte) Code {
	base := t.value
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
	return fits(bytes.EqualFold(tail, base))
}

func (t subtree) matchEmail(name []byte) Code {
	base := string(t.value)
	at := bytes.LastIndexByte(name, '@')
	if at < 0 {
		return CodeUnsupportedNameSyntax
	}
	baseAt := strings.LastIndexByte(base, '@')
	if baseAt < 0 && strings.HasPrefix(base, ".") {
		return fits(len(name) > len(base) && strings.EqualFold(string(name[len(name)-len(base):]), base))
	}
	if baseAt >= 0 {
		if baseAt > 0 && (baseAt != at || base[:baseAt] != string(name[:at])) {
			return CodePermittedViolation
		}
		base = base[baseAt+1:]
	}
	return fits(strings.EqualFold(base, string(name[at+1:])))
}

func (t subtree) matchURI(name []byte) Code {
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
	base := string(t.value)
	if strings.HasPrefix(base, ".") {
		return fits(len(host) > len(base) && strings.EqualFold(host[len(host)-len(base):], base))
	}
	return fits(strings.EqualFold(host, base))
}

func (t subtree) matchIP(name []byte) Code {
	if len(name) != 4 && len(name) != 16 {
		return CodeUnsupportedNameSyntax
	}
	if len(t.value) != 8 && len(t.value) != 32 {
		return CodeUnsupportedConstraintSyntax
	}
	if len(t.value) != 2*len(name) {
		return CodePermittedViolation
	}
	for i := range name {
		if (name[i]^t.value[i])&t.value[len(name)+i] != 0 {
			return CodePermittedViolation
		}
	}
	return CodeOK
}

// matchesHost is X509_check_host without flags, and X509_check_ip for
// addresses (crypto/x509/v3_utl.c).
func (c *certificate) matchesHost(host string) Code {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if addr, err := netip.ParseAddr(host); err == nil {
		want := addr.AsSlice()
		for _, n := range c.sans {
			if n.Kind == "IP" && bytes.Equal(n.Raw, want) {
				return CodeOK
			}
		}
		return CodeIpAddressMismatch
	}
	dns := false
	for _, n := range c.sans {
		if n.Kind != "DNS" {
			continue
		}
		dns = true
		if equalHost(string(n.Raw), host) {
			return CodeOK
		}
	}
	if dns {
		return CodeHostnameMismatch
	}
	for _, a := range c.view.Subject {
		if a.OID == oidCommonName && equalHost(a.Value, host) {
			return CodeOK
		}
	}
	return CodeHostnameMismatch
}

// equalHost is equal_wildcard: the star may be part of the left-most label
// unless the label is an IDN's, and two dots must follow it.
func equalHost(pattern, host string) bool {
	if strings.HasPrefix(host, ".") && len(host) > 1 {
		// A leading dot asks for any name below the domain.
		return len(pattern) > len(host) && strings.EqualFold(pattern[len(pattern)-len(host):], host)
	}
	star := validStar(pattern)
	if star < 0 {
		return strings.EqualFold(pattern, host)
	}
	prefix, suffix := pattern[:star], pattern[star+1:]
	if len(host) < len(prefix)+len(suffix) ||
		!strings.EqualFold(host[:len(prefix)], prefix) || !strings.EqualFold(host[len(host)-len(suffix):], suffix) {
		return false
	}
	middle := host[len(prefix) : len(host)-len(suffix)]
	whole := prefix == "" && strings.HasPrefix(suffix, ".")
	if whole && middle == "" {
		return false
	}
	idna := strings.HasPrefix(strings.ToLower(host), "xn--")
	if !whole && idna {
		return false
	}
	if middle == "*" {
		return true
	}
	for i := 0; i < len(middle); i++ {
		ch := middle[i]
		if !('0' <= ch && ch <= '9' || 'A' <= ch && ch <= 'Z' || 'a' <= ch && ch <= 'z' || ch == '-' ||
			whole && ch == '_') {
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
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', ch == '_':
			if state&labelStart != 0 && len(p)-i >= 4 && strings.EqualFold(p[i:i+4], "xn--") {
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
