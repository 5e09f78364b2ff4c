package format

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
)

// RepairOptions say what a text is for. The zero value is a file with
// certificates whose order means nothing, such as a bundle of CAs.
type RepairOptions struct {
	// Served: a server sends the certificates. They are put in order, the leaf
	// first, and the root is left out.
	Served bool
	// KeepRoot: the root stays, at the end.
	KeepRoot bool
	// Value: the text is a value inside another document, and need not end with
	// a line break.
	Value bool
}

// Repaired is a text before and after its repair.
type Repaired struct {
	// Before is the text as UTF-8, After what it should be. They are equal, and
	// After is the very input, when nothing is to be mended.
	Before, After []byte
	// Fixed are the faults that After no longer has.
	Fixed []pki.Note
	// Left says what was left alone, and why.
	Left []string
}

// Changed reports whether there is anything to be written.
func (r Repaired) Changed() bool { return len(r.Fixed) > 0 }

// Repair mends what can be mended of a PEM text without a key or a CA: how its
// lines break, byte-order marks, blanks, markers and base64, layers of base64
// around all of it, certificates that are there twice and their order. Text
// around the blocks stays. What is in order is not touched, so that a second
// repair changes nothing.
//
// After holds the same certificates, requests and keys as Before, save for
// duplicates and a served root; that is checked each time. An error says why
// the text has to stay as it is: a block that cannot be read, or blocks that
// are part of another document (an indented block of YAML), whose form is not
// PEM's to change.
func Repair(source string, data []byte, o RepairOptions) (Repaired, error) {
	same := Repaired{Before: data, After: data}
	fail := func(err error) (Repaired, error) {
		return same, &Error{Origin: pki.Origin{Source: source}, Err: err}
	}
	if looksDER(data) {
		return same, nil
	}
	text, was16 := fromUTF16(data)
	r := repairer{RepairOptions: o}
	after, err := r.text(text, 0)
	if err != nil {
		return fail(err)
	}
	if bytes.Equal(after, data) {
		same.Left = r.left
		return same, nil
	}
	again := repairer{RepairOptions: o}
	if twice, err := again.text(after, 0); err != nil || !bytes.Equal(twice, after) {
		return fail(errors.New("holds faults in a combination that repair does not master"))
	}
	was, _ := Decode(source, data, Options{})
	is, _ := Decode(source, after, Options{})
	if err := r.sameMaterial(was, is); err != nil {
		return fail(err)
	}
	fixed := append(gone(was.Notes, is.Notes, o), r.fixed(source)...)
	if len(fixed) == 0 { // nothing that a reader stumbles over
		return same, nil
	}
	if !was16 {
		text = data
	}
	return Repaired{Before: text, After: after, Fixed: fixed, Left: r.left}, nil
}

// gone are the notes before whose rule does not apply any more.
func gone(before, after []pki.Note, o RepairOptions) (fixed []pki.Note) {
	for _, n := range before {
		switch n.Rule {
		case NoteTextBefore, NoteTextBetween, NoteTextAfter:
			continue // it stays, wherever its block goes
		}
		same := func(m pki.Note) bool { return m.Rule == n.Rule }
		if slices.ContainsFunc(after, same) || slices.ContainsFunc(fixed, same) || o.Value && n.Rule == NoteNoFinalNewline {
			continue
		}
		fixed = append(fixed, n)
	}
	return fixed
}

// repairer mends one text.
type repairer struct {
	RepairOptions
	pieces []piece
	// tail is the text behind the last block, kept that of blocks which go.
	tail, kept []byte
	// wrapped is the line of the first block that is indented or quoted, 0 when
	// none is; worded that there is text around the blocks.
	wrapped int
	worded  bool
	// duplicates and roots are the certificates that go, in DER.
	duplicates, roots [][]byte
	// moved is the place, from 1, of the first certificate that was put elsewhere;
	// leafMoved: the leaf was not the first.
	moved     int
	leafMoved bool
	left      []string
}

// piece is a block and the text before it, which ends with a line break unless
// it is empty.
type piece struct {
	text, block []byte
	// cert is the certificate that the block holds, nil when it is another block.
	cert *pki.Cert
}

// text mends PEM, or base64 of it.
func (r *repairer) text(data []byte, depth int) ([]byte, error) {
	if _, ok := nextMarker(data, 0); !ok {
		return r.bare(data, depth)
	}
	ends := len(data) > 0 && (data[len(data)-1] == '\n' || data[len(data)-1] == '\r')
	text := bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	if err := r.split(text, depth); err != nil {
		return nil, err
	}
	if len(r.pieces) == 0 {
		return data, nil // the text only speaks of PEM
	}
	if r.wrapped > 0 && r.worded {
		return nil, fmt.Errorf("line %d: the block is indented or quoted as a part of another document", r.wrapped)
	}
	r.fold()
	if r.Served {
		r.order()
	}
	out := r.join()
	if r.Value && !ends {
		out = bytes.TrimSuffix(out, []byte("\n"))
	}
	return out, nil
}

// bare mends text without markers: base64 of PEM or of DER. Anything else
// stays.
func (r *repairer) bare(text []byte, depth int) ([]byte, error) {
	data, ok := plainBase64(text)
	if !ok || depth+1 >= maxDepth {
		return text, nil
	}
	if looksDER(data) {
		label := labelOf(data)
		if label == "" {
			return text, nil
		}
		return encodePEM(label, data), nil
	}
	inner := repairer{RepairOptions: r.RepairOptions}
	out, err := inner.text(data, depth+1)
	if err != nil {
		return nil, err
	}
	if _, ok := nextMarker(out, 0); !ok {
		return text, nil
	}
	*r = inner
	return out, nil
}

// split takes text apart, and mends each block on the way.
func (r *repairer) split(text []byte, depth int) error {
	p := pemReader{decoder: &decoder{}, text: text, lines: lineCounter{text: text}}
	from := 0 // where the text before the next block begins
	for m, ok := nextMarker(text, 0); ok; {
		line := p.lines.at(m.start)
		prefix := text[p.last.end:m.start]
		prefix = prefix[bytes.LastIndexByte(prefix, '\n')+1:]
		if !m.begin {
			if !commentedOut(prefix) {
				return fmt.Errorf("line %d: END %s without a BEGIN before it", line, m.label)
			}
			p.last = m
			m, ok = nextMarker(text, m.end)
			continue
		}
		b := block{marker: m, line: line, bodyEnd: len(text), prefix: prefix}
		if m, ok = nextMarker(text, b.marker.end); ok {
			b.bodyEnd = m.start
			if m.begin {
				if i := bytes.LastIndexByte(text[b.marker.end:m.start], '\n'); i >= 0 {
					b.bodyEnd = b.marker.end + i + 1
				}
			} else {
				end := m
				b.end = &end
				m, ok = nextMarker(text, end.end)
			}
		}
		raw := p.scanBody(&b)
		p.setLast(&b)
		if commentedOut(prefix) || mentioned(&b, raw) {
			continue // it is text
		}
		if len(r.pieces) == maxBlocks {
			return fmt.Errorf("line %d: more than %d blocks", line, maxBlocks)
		}
		if err := r.add(text, &b, raw, from, depth); err != nil {
			return err
		}
		from = p.last.end
	}
	r.tail = r.between(text[from:], len(r.pieces) > 0, p.lines.at(from))
	return nil
}

// add mends b, before which text stands from offset from on.
func (r *repairer) add(text []byte, b *block, raw *bodyScan, from, depth int) error {
	before := text[from : b.start-len(b.prefix)]
	switch prefix := b.prefix; {
	case len(prefix) == 0:
	case !prose(prefix):
		if bytes.ContainsAny(withoutMarks(prefix), "\"' \t\\,|>[]{}-") {
			r.wrap(b.line)
		}
	default:
		if last := bytes.TrimRight(prefix, " \t\"'"); bytes.HasSuffix(last, []byte("=")) || bytes.HasSuffix(last, []byte(":")) {
			return fmt.Errorf("line %d: the block is the value of a name in another document", b.line)
		}
		before = slices.Concat(before, prefix, []byte("\n"))
	}
	for _, f := range raw.faults {
		if f.rule == NoteLiteralNewline || f.rule == NoteQuoted || f.rule == NoteIndented {
			r.wrap(b.line)
		}
	}
	before = r.between(before, len(r.pieces) > 0, b.line)
	if !raw.encrypted() {
		before = append(before, headerLines(raw.headers)...)
	}
	end := b.bodyEnd
	if b.end != nil {
		end = b.end.end
	}
	pieces, err := r.block(b, raw, text[b.start:end], depth)
	if err != nil {
		return err
	}
	pieces[0].text = slices.Concat(before, pieces[0].text)
	r.pieces = append(r.pieces, pieces...)
	return nil
}

func (r *repairer) wrap(line int) {
	if r.wrapped == 0 {
		r.wrapped = line
	}
}

// withoutMarks takes byte-order marks and NUL bytes off, which speak of no
// document around.
func withoutMarks(prefix []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(prefix, []byte(byteOrderMark), nil), []byte{0}, nil)
}

// between mends the text between two blocks, of which the first line is the
// rest of an END line when behind is true. It ends with a line break, or is
// empty.
func (r *repairer) between(text []byte, behind bool, line int) []byte {
	text = bytes.ReplaceAll(text, []byte{0}, nil)
	if behind {
		own, rest, _ := bytes.Cut(text, []byte("\n"))
		if prose(own) {
			text = bytes.TrimLeft(text, " \t")
		} else {
			text = rest
			if len(bytes.Trim(blankOut(own), " ")) > 0 {
				r.wrap(line)
			}
		}
	}
	switch {
	case prose(text):
		r.worded = true
	case r.wrapped > 0:
		return nil // what is left of the quotes and brackets around
	}
	text = bytes.Clone(text)
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	return text
}

// headerLines writes what stands before the data of a block as text above it,
// which is where readers pass over it.
func headerLines(headers map[string]string) []byte {
	var out []byte
	for _, key := range slices.Sorted(maps.Keys(headers)) {
		out = fmt.Appendf(out, "%s: %s\n", key, headers[key])
	}
	return out
}

// encrypted reports whether the headers say that the data is.
func (s *bodyScan) encrypted() bool {
	_, dek := s.headers["DEK-Info"]
	return dek || strings.HasSuffix(s.headers["Proc-Type"], "ENCRYPTED")
}

// block gives b as it should be: one piece, or more when there is PEM inside.
// What is none of ours stays as it is.
func (r *repairer) block(b *block, raw *bodyScan, asIs []byte, depth int) ([]piece, error) {
	switch labelKind(b.label) {
	case kindCert, kindCSR, kindKey, kindEncryptedKey, kindPKCS7:
	case kindCRL, kindPublicKey, kindParameters:
		if raw.err == nil && b.end != nil && len(raw.headers) == 0 && len(raw.der) > 0 {
			return []piece{{block: encodePEM(b.label, raw.der)}}, nil
		}
		return r.other(b, asIs)
	default:
		return r.other(b, asIs)
	}
	switch {
	case b.label == "OPENSSH PRIVATE KEY":
		return r.other(b, asIs)
	case raw.err != nil:
		return nil, raw.err
	case len(raw.der) == 0:
		return nil, fmt.Errorf("line %d: the block is empty", b.line)
	case raw.encrypted():
		out := pem.EncodeToMemory(&pem.Block{Type: b.label, Headers: raw.headers, Bytes: raw.der})
		if out == nil {
			return nil, fmt.Errorf("line %d: a header of the encrypted key is malformed", b.line)
		}
		return []piece{{block: out}}, nil
	case !looksDER(raw.der):
		return r.nested(b, raw.der, depth)
	}
	if b.end == nil && !onlyBase64(asIs, raw.der) {
		return nil, fmt.Errorf("line %d: BEGIN %s has no END, and other text follows", b.line, b.label)
	}
	return r.der(b, raw.der)
}

// other keeps a block that TLS programs do not use.
func (r *repairer) other(b *block, asIs []byte) ([]piece, error) {
	if b.end == nil {
		return nil, fmt.Errorf("line %d: BEGIN %s has no END", b.line, b.label)
	}
	return []piece{{block: append(bytes.Clone(asIs), '\n')}}, nil
}

// onlyBase64 reports whether a block without END holds der and nothing more.
func onlyBase64(block, der []byte) bool {
	_, body, _ := bytes.Cut(block, []byte("\n"))
	return string(bytes.Join(bytes.Fields(body), nil)) == base64.StdEncoding.EncodeToString(der)
}

// der writes a block anew, under the label that its content has.
func (r *repairer) der(b *block, der []byte) ([]piece, error) {
	if e, ok := peek(der); !ok || e.length < 0 || e.truncated() {
		return nil, fmt.Errorf("line %d: the %s is cut off, or not DER", b.line, strings.ToLower(b.label))
	}
	label := b.label
	if got := labelOf(der); label != "TRUSTED CERTIFICATE" && got != "" {
		label = got
	}
	p := piece{block: encodePEM(label, der)}
	if label == labelCert {
		cert := pki.NewCert(pki.Origin{Index: len(r.pieces) + 1, Line: b.line}, der)
		p.cert = &cert
	}
	return []piece{p}, nil
}

// nested gives what stands in a block in place of DER: PEM or base64, encoded
// once more.
func (r *repairer) nested(b *block, data []byte, depth int) ([]piece, error) {
	if depth+1 < maxDepth {
		if inner, ok := plainBase64(data); ok && looksDER(inner) {
			return r.der(b, inner)
		}
		inner := repairer{}
		if _, err := inner.text(data, depth+1); err == nil && len(inner.pieces) > 0 && !prose(inner.tail) && len(inner.duplicates) == 0 {
			return inner.pieces, nil
		}
	}
	return nil, fmt.Errorf("line %d: the block holds something else than DER", b.line)
}

// labelOf is the label under which RFC 7468 and its readers have der, "" when
// it is nothing that a PEM file for TLS holds.
func labelOf(der []byte) string {
	switch sniff(der) {
	case kindCert:
		return labelCert
	case kindCSR:
		return labelCSR
	case kindEncryptedKey:
		return labelEncryptedKey
	case kindPKCS7:
		return "PKCS7"
	case kindKey:
		return keyLabel(der)
	}
	return ""
}

// keyLabel tells PKCS#8, PKCS#1 and SEC 1 apart.
func keyLabel(der []byte) string {
	outer, _ := peek(der)
	in := outer.children(10)
	switch {
	case len(in) < 2:
		return ""
	case in[1].tag == tagOctetString:
		return "EC PRIVATE KEY"
	case in[1].tag == tagSequence:
		return labelKey
	case len(in) == 6:
		return "DSA PRIVATE KEY"
	}
	return "RSA PRIVATE KEY"
}

// fold leaves out certificates that are there twice.
func (r *repairer) fold() {
	seen := map[string]bool{}
	r.pieces = slices.DeleteFunc(r.pieces, func(p piece) bool {
		if p.cert == nil {
			return false
		}
		again := seen[string(p.cert.Raw)]
		seen[string(p.cert.Raw)] = true
		if again {
			r.duplicates = append(r.duplicates, p.cert.Raw)
			r.keep(p.text)
		}
		return again
	})
}

// keep moves the text of a block that goes to the end.
func (r *repairer) keep(text []byte) {
	if prose(text) {
		r.kept = append(r.kept, text...)
	}
}

// order puts the certificates into the order in which a server sends them. The
// other blocks keep their places.
func (r *repairer) order() {
	var slots []int
	var certs []pki.Cert
	for i, p := range r.pieces {
		if p.cert != nil {
			slots = append(slots, i)
			certs = append(certs, *p.cert)
		}
	}
	if len(certs) < 2 {
		return
	}
	chain, err := pki.OrderChain(certs)
	_, gap := errors.AsType[*pki.GapError](err)
	switch unread := slices.IndexFunc(certs, func(c pki.Cert) bool { return c.X509 == nil }); {
	case unread >= 0:
		r.left = append(r.left, fmt.Sprintf("the order of the certificates: Go cannot read certificate %d", unread+1))
		return
	case err != nil && !gap:
		return // a heap, which no server sends
	}
	want := chain.Served()
	if chain.Root != nil && (err != nil || r.KeepRoot) {
		want = append(want, *chain.Root)
	}
	for _, u := range chain.Rest {
		want = append(want, u.Cert)
	}
	if chain.Root != nil && err == nil && !r.KeepRoot {
		r.roots = append(r.roots, chain.Root.Raw)
	}
	r.permute(slots, certs, want)
}

// permute fills the slots with the certificates that are wanted, each with the
// text above it, and takes away what is left over.
func (r *repairer) permute(slots []int, have, want []pki.Cert) {
	byRaw := map[string]piece{}
	for _, i := range slots {
		byRaw[string(r.pieces[i].cert.Raw)] = r.pieces[i]
	}
	for i, c := range want {
		if !bytes.Equal(c.Raw, have[i].Raw) && r.moved == 0 && !slices.ContainsFunc(r.roots, func(der []byte) bool { return bytes.Equal(der, have[i].Raw) && i > 0 }) {
			r.moved, r.leafMoved = i+1, i == 0
		}
	}
	head := r.heading(slots)
	if len(head) > 0 {
		first := byRaw[string(have[0].Raw)]
		first.text = first.text[len(head):]
		byRaw[string(have[0].Raw)] = first
	}
	for i, c := range want {
		r.pieces[slots[i]] = byRaw[string(c.Raw)]
		delete(byRaw, string(c.Raw))
	}
	for _, c := range have {
		if p, over := byRaw[string(c.Raw)]; over {
			r.keep(p.text)
		}
	}
	gone := slots[len(want):]
	kept := r.pieces[:0]
	for i, p := range r.pieces {
		if !slices.Contains(gone, i) {
			kept = append(kept, p)
		}
	}
	r.pieces = kept
	if len(head) > 0 {
		r.pieces[0].text = slices.Concat(head, r.pieces[0].text)
	}
}

// heading is the text at the top of the file that is not about its first
// block: a blank line stands below it.
func (r *repairer) heading(slots []int) []byte {
	if slots[0] != 0 {
		return nil
	}
	text := r.pieces[0].text
	if i := bytes.LastIndex(text, []byte("\n\n")); i >= 0 {
		return text[:i+2]
	}
	return nil
}

func (r *repairer) join() []byte {
	var out []byte
	for _, p := range r.pieces {
		out = append(append(out, p.text...), p.block...)
	}
	return append(append(out, r.kept...), r.tail...)
}

// Rules whose findings the order of certificates mends; inspect/rules has their
// pages.
const (
	ruleLeafNotFirst = "chain-leaf-not-first"
	ruleOrder        = "chain-order"
	ruleRoot         = "chain-root-included"
	ruleDuplicate    = "chain-duplicate"
)

// fixed are the faults in the chain that were mended.
func (r *repairer) fixed(source string) (fixed []pki.Note) {
	note := func(rule, format string, args ...any) {
		fixed = append(fixed, pki.Note{Rule: rule, Origin: pki.Origin{Source: source}, Detail: fmt.Sprintf(format, args...)})
	}
	if r.leafMoved {
		note(ruleLeafNotFirst, "the server's certificate is not the first")
	} else if r.moved > 0 {
		note(ruleOrder, "certificate %d is not where it belongs in the chain", r.moved)
	}
	if n := len(r.duplicates); n > 0 {
		note(ruleDuplicate, "%s there twice", map[bool]string{true: "a certificate is", false: count(n, "certificate") + " are"}[n == 1])
	}
	if len(r.roots) > 0 {
		note(ruleRoot, "the root is among what the server sends")
	}
	return fixed
}

// sameMaterial compares what two texts hold. It is the last thing that keeps a
// fault in Repair from costing somebody a key.
func (r *repairer) sameMaterial(was, is pki.Material) error {
	have, want := inventory(is), inventory(was)
	for _, der := range r.duplicates {
		want["certificate "+string(der)]--
	}
	for _, der := range r.roots {
		want["certificate "+string(der)]--
	}
	for item, n := range want {
		kind, _, _ := strings.Cut(item, " ")
		if have[item] != n {
			return fmt.Errorf("the repair would change a %s", kind)
		}
		delete(have, item)
	}
	for item, n := range have {
		if kind, _, _ := strings.Cut(item, " "); n != 0 {
			return fmt.Errorf("the repair would add a %s", kind)
		}
	}
	return nil
}

// inventory counts each item of m.
func inventory(m pki.Material) map[string]int {
	items := map[string]int{}
	for _, c := range slices.Concat(m.Certs, m.Anchors) {
		items["certificate "+string(c.Raw)]++
	}
	for _, c := range m.CSRs {
		items["request "+string(c.Raw)]++
	}
	for _, k := range m.Keys {
		items["key "+fingerprintOf(k)]++
	}
	for _, n := range m.Notes {
		if n.Rule == NoteOtherBlock {
			what, _, _ := strings.Cut(n.Detail, " (line ")
			items["block "+what]++
		}
	}
	return items
}

// fingerprintOf tells keys apart by their public halves, and those that cannot
// be read by the reason.
func fingerprintOf(k pki.Key) string {
	if k.Signer == nil {
		return fmt.Sprintf("encrypted %t", k.Encrypted)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return err.Error()
	}
	return string(der)
}

// IsPEM reports whether text has a BEGIN line, however it is spelt.
func IsPEM(text []byte) bool {
	for m, ok := nextMarker(text, 0); ok; m, ok = nextMarker(text, m.end) {
		if m.begin {
			return true
		}
	}
	return false
}

// Span is a part of a text.
type Span struct {
	Start, End int
	// Secret: what a log must not show. The others are known to be public.
	Secret bool
	// What is there: "private key", "certificate".
	What string
}

// Spans tells of each PEM block in text whether it may be shown: the lines
// between BEGIN and END, of blocks that are commented out too. What is in no
// span may be anything.
func Spans(text []byte) []Span {
	var spans []Span
	for m, ok := nextMarker(text, 0); ok; {
		if !m.begin {
			m, ok = nextMarker(text, m.end)
			continue
		}
		s := Span{Start: m.end, End: len(text), Secret: true, What: "private key"}
		label := m.label
		if m, ok = nextMarker(text, m.end); ok {
			s.End = m.start
		}
		switch labelKind(label) {
		case kindKey, kindEncryptedKey:
		case kindCert, kindCSR, kindCRL, kindPublicKey, kindParameters, kindPKCS7:
			if s.Secret = !public(text[s.Start:s.End]); !s.Secret {
				s.What = strings.ToLower(label)
			}
		default:
			s.What = "block"
		}
		spans = append(spans, s)
	}
	return spans
}

// public reports whether the body of a block that claims to hold nothing secret
// is true to it.
func public(body []byte) bool {
	der, ok := plainBase64(body)
	if !ok {
		return false
	}
	switch sniff(der) {
	case kindCert, kindCSR, kindCRL, kindPublicKey, kindParameters, kindPKCS7:
		return true
	}
	return false
}
