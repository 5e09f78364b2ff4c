package spec

import (
	"crypto/x509/pkix"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// field is a key of a mapping and what reads its value.
type field struct {
	name string
	read func(*node)
}

// level is one kind of mapping in a spec, under the name that messages use.
type level struct {
	name   string
	fields []field
}

// levels lists every kind of mapping with its keys, filling throw-away values.
// Reading, the hint for a misplaced key and the tests of schema and
// documentation all go by the same lists.
func (r *reader) levels() []level {
	return []level{
		{"top", r.topFields()},
		{"defaults", r.defaultFields()},
		{"cas", r.caFields(&caEntry{})},
		{"certs", r.certFields(&certEntry{})},
		{"subject", r.subjectFields(&pkix.Name{})},
		{"from", r.fromFields(&Files{})},
	}
}

func (r *reader) topFields() []field {
	return []field{
		{"version", r.version},
		{"out-dir", r.text(&r.spec.OutDir)},
		{"defaults", func(*node) {}}, // read before everything else
		{"cas", func(n *node) { r.entries(n, "cas", r.ca) }},
		{"certs", func(n *node) { r.entries(n, "certs", r.cert) }},
	}
}

func (r *reader) defaultFields() []field {
	d := &r.defaults
	return []field{
		{"key-type", r.keyType(&d.keyType)},
		{"validity", r.lifetime(&d.lifetime)},
		{"ca-validity", r.lifetime(&d.caLifetime)},
		{"renew-before", r.lifetime(&d.renewBefore)},
		{"client", r.boolean(&d.client)},
		{"reuse-key", r.boolean(&d.reuseKey)},
		{"cfssl-config", r.text(&d.cfsslConfig)},
	}
}

// common are the keys of CAs and certificates alike.
func (r *reader) commonFields(e *Entry, c *cfsslRef) []field {
	return []field{
		{"name", r.text(&e.Name)},
		{"ca", r.text(&e.Issuer)},
		{"subject", func(n *node) { r.mapping(n, "subject", r.subjectFields(&e.Subject)) }},
		{"key-type", r.keyType(&e.KeyType)},
		{"validity", r.lifetime(&e.Lifetime)},
		{"renew-before", r.lifetime(&e.RenewBefore)},
		{"cfssl", r.text(&c.request)},
		{"cfssl-config", r.text(&c.config)},
		{"profile", r.text(&c.profile)},
	}
}

// caEntry is a CA while it is read.
type caEntry struct {
	CA
	cfssl cfsslRef
}

func (r *reader) caFields(e *caEntry) []field {
	return append(r.commonFields(&e.Entry, &e.cfssl),
		field{"path-len", r.number(&e.PathLen)},
		field{"permit-dns", r.textList(&e.Constraints.PermitDNS)},
		field{"permit-ip", r.texts(func(pos Position, text string) { r.prefix(&e.Constraints, pos, text) })},
		field{"allow-replace", r.boolean(&e.AllowReplace)},
		field{"from", func(n *node) {
			e.From = &Files{}
			r.mapping(n, "from", r.fromFields(e.From))
		}},
	)
}

func (r *reader) fromFields(f *Files) []field {
	return []field{{"cert", r.text(&f.Cert)}, {"key", r.text(&f.Key)}}
}

// certEntry is a certificate while it is read.
type certEntry struct {
	Cert
	presets []placed
	preset  issue.PresetInput
	cfssl   cfsslRef
}

// placed is a text with its place.
type placed struct {
	text string
	pos  Position
}

func (r *reader) certFields(e *certEntry) []field {
	return append(r.commonFields(&e.Entry, &e.cfssl),
		field{"names", r.names(0, &e.Names)},
		field{"dns", r.names(pki.DNS, &e.Names)},
		field{"ip", r.names(pki.IP, &e.Names)},
		field{"uri", r.names(pki.URI, &e.Names)},
		field{"email", r.names(pki.Email, &e.Names)},
		field{"preset", r.texts(func(pos Position, text string) { e.presets = append(e.presets, placed{text, pos}) })},
		field{"namespace", r.text(&e.preset.Namespace)},
		field{"release", r.text(&e.preset.Release)},
		field{"service", r.text(&e.preset.Service)},
		field{"cluster-domain", r.text(&e.preset.ClusterDomain)},
		field{"ha", r.boolean(&e.preset.HA)},
		field{"self-signed", r.boolean(&e.SelfSigned)},
		field{"client", r.boolean(&e.Client)},
		field{"reuse-key", r.boolean(&e.ReuseKey)},
	)
}

// mapping reads the pairs of n, and complains of keys that are unknown or
// come twice. It returns where the values stand.
func (r *reader) mapping(n *node, where string, fields []field) map[string]Position {
	if n.kind == isNull {
		return nil
	}
	if n.kind != isMap {
		r.failf(n.pos, "%s has to be a mapping (key: value), but this is %s", where, n.describe())
		return nil
	}
	at, keys := map[string]Position{}, map[string]Position{}
	for _, p := range n.pairs {
		if first, ok := keys[p.key]; ok {
			r.failf(p.pos, "%s is given twice: first in line %d", printable(p.key), first.Line)
			continue
		}
		at[p.key], keys[p.key] = p.value.pos, p.pos
		if where == "the spec" && strings.HasPrefix(p.key, "x-") {
			continue // a place for anchors
		}
		if f := find(fields, p.key); f != nil {
			f.read(p.value)
			continue
		}
		r.failf(p.pos, "unknown key %q in %s%s", printable(p.key), where, r.hint(p.key, fields))
	}
	return at
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// hint says what an unknown key may have been meant to be: one of this
// level's, another tool's word for one of them, or a key that stands at the
// wrong level.
func (r *reader) hint(key string, fields []field) string {
	var known []string
	for _, f := range fields {
		known = append(known, f.name)
	}
	for _, guess := range []string{synonym(key), closest(key, known)} {
		if guess != "" && find(fields, guess) != nil {
			return fmt.Sprintf(": did you mean %q?", guess)
		}
	}
	var homes []string
	scratch := &reader{spec: &Spec{}}
	for _, l := range scratch.levels() {
		if find(l.fields, key) != nil && l.name != "top" {
			homes = append(homes, l.name)
		}
	}
	if len(homes) > 0 {
		return ": it belongs under " + strings.Join(homes, " or ")
	}
	return ": it takes " + strings.Join(known, ", ")
}

// printable shortens what a hostile file may hold.
func printable(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

func (r *reader) entries(n *node, where string, read func(*node)) {
	switch n.kind {
	case isNull:
	case isList:
		for _, item := range n.items {
			read(item)
		}
	default:
		r.failf(n.pos, "%s has to be a list (- name: …), but this is %s", where, n.describe())
	}
}

func (r *reader) version(n *node) {
	if n.text != "1" {
		r.failf(n.pos, "version %q is not known: this program reads version 1", printable(n.text))
	}
}

// scalar gives the text of a single value. Numbers are taken as written; true,
// false and nothing are more often a slip than a name.
func (r *reader) scalar(n *node) (string, bool) {
	switch {
	case n.kind == isText && n.text == "", n.kind == isNull:
		r.failf(n.pos, "the value is missing")
	case n.kind == isText || n.kind == isNumber:
		return n.text, true
	case n.kind == isBool:
		r.failf(n.pos, `%s stands for a truth value: put quotes around it if it is a word ("%[1]s")`, n.text)
	default:
		r.failf(n.pos, "this is %s: it has to be a single value", n.kind)
	}
	return "", false
}

func (r *reader) text(dst *string) func(*node) {
	return func(n *node) {
		if text, ok := r.scalar(n); ok {
			*dst = text
		}
	}
}

func (r *reader) boolean(dst *bool) func(*node) {
	return func(n *node) {
		if n.kind != isBool {
			r.failf(n.pos, "this is %s: it has to be true or false", n.describe())
			return
		}
		*dst = n.text == "true"
	}
}

// describe quotes a scalar and names anything else.
func (n *node) describe() string {
	if strings.Contains(n.text, "-----BEGIN ") {
		return "PEM" // which may be a private key
	}
	if n.kind == isText || n.kind == isNumber {
		return strconv.Quote(printable(n.text))
	}
	return n.kind.String()
}

func (r *reader) number(dst *int) func(*node) {
	return func(n *node) {
		v, err := strconv.Atoi(n.text)
		if n.kind != isNumber || err != nil || v < 0 || v > 100 {
			r.failf(n.pos, "this is %s: it has to be a whole number from 0 to 100", n.describe())
			return
		}
		*dst = v
	}
}

func (r *reader) lifetime(dst *time.Duration) func(*node) {
	return func(n *node) {
		text, ok := r.scalar(n)
		if !ok {
			return
		}
		d, err := issue.ParseLifetime(text)
		if err != nil {
			r.fail(n.pos, err)
			return
		}
		*dst = d
	}
}

func (r *reader) keyType(dst *issue.KeyType) func(*node) {
	return func(n *node) {
		text, ok := r.scalar(n)
		if !ok {
			return
		}
		t, err := issue.ParseKeyType(text)
		if err != nil {
			r.fail(n.pos, err)
			return
		}
		*dst = t
	}
}

// texts takes a single value or a list of them.
func (r *reader) texts(take func(Position, string)) func(*node) {
	return func(n *node) {
		items := []*node{n}
		if n.kind == isList {
			items = n.items
		}
		for _, item := range items {
			if text, ok := r.scalar(item); ok {
				take(item.pos, text)
			}
		}
	}
}

// names reads names of one kind, or of any (0). Commas separate, as they do in
// flags.
func (r *reader) names(kind pki.NameKind, dst *pki.Names) func(*node) {
	return r.texts(func(pos Position, text string) {
		names, remarks, err := pki.ParseNames(kind, []string{text})
		if err != nil {
			r.fail(pos, err)
		}
		r.remark(pos, remarks)
		*dst = append(*dst, names...)
	})
}

// prefix reads an address range of a name constraint: 10.96.0.0/16, or one
// address.
func (r *reader) prefix(c *issue.Constraints, pos Position, text string) {
	p, err := pki.ParseNetwork(text)
	if err != nil {
		r.failf(pos, "permit-ip %q: %s", printable(text), err)
		return
	}
	c.PermitIP = append(c.PermitIP, p)
}

// subjectFields are the parts of a distinguished name. All but the common name
// may be lists.
func (r *reader) subjectFields(s *pkix.Name) []field {
	return []field{
		{"cn", r.text(&s.CommonName)},
		{"org", r.textList(&s.Organization)},
		{"org-unit", r.textList(&s.OrganizationalUnit)},
		{"country", r.textList(&s.Country)},
		{"state", r.textList(&s.Province)},
		{"locality", r.textList(&s.Locality)},
	}
}

func (r *reader) textList(dst *[]string) func(*node) {
	return r.texts(func(_ Position, text string) { *dst = append(*dst, text) })
}
