// Package explain understands the messages by which clients complain that they
// cannot pull an image, or cannot trust a server. It takes text and gives
// values: it asks no server and reads no file.
package explain

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Cause is why a pull failed, in a fixed vocabulary. Each has a section in
// docs/explain.md.
type Cause string

// The causes.
const (
	UnknownAuthority Cause = "unknown_authority"
	HostnameMismatch Cause = "hostname_mismatch"
	NoIPSAN          Cause = "no_ip_san"
	LegacyCN         Cause = "legacy_cn"
	Expired          Cause = "expired"
	NotYetValid      Cause = "not_yet_valid"
	EKU              Cause = "eku"
	NameConstraints  Cause = "name_constraints"
	SHA1             Cause = "sha1"
	NegativeSerial   Cause = "negative_serial"
	// HTTPOnHTTPS is a server that speaks plain HTTP to a client that wants TLS,
	// HTTPSOnHTTP the reverse.
	HTTPOnHTTPS      Cause = "http_on_https"
	HTTPSOnHTTP      Cause = "https_on_http"
	MTLSRequired     Cause = "mtls_required"
	ProtocolVersion  Cause = "protocol_version"
	HandshakeFailure Cause = "handshake_failure"
	DNS              Cause = "dns"
	Refused          Cause = "refused"
	Timeout          Cause = "timeout"
	Proxy            Cause = "proxy"
	Auth             Cause = "auth_401"
	Forbidden        Cause = "forbidden_403"
	NotFound         Cause = "not_found_404"
	RateLimited      Cause = "rate_limited"
	// Other is a failure for which the vocabulary has no word; the detail says
	// which, if it is known.
	Other Cause = "other"
	// Unknown is a text in which no failure to pull or to connect is recognised.
	Unknown Cause = "unknown"
)

// Causes lists them all.
func Causes() []Cause {
	return []Cause{
		UnknownAuthority, HostnameMismatch, NoIPSAN, LegacyCN, Expired, NotYetValid, EKU, NameConstraints, SHA1, NegativeSerial,
		HTTPOnHTTPS, HTTPSOnHTTP, MTLSRequired, ProtocolVersion, HandshakeFailure, DNS, Refused, Timeout, Proxy,
		Auth, Forbidden, NotFound, RateLimited, Other, Unknown,
	}
}

// Confidence says how much of the explanation the text bears out.
type Confidence string

// High is a phrase that only one failure has, in a message of a client that is
// known. None goes with [Unknown].
const (
	High   Confidence = "high"
	Medium Confidence = "medium"
	Low    Confidence = "low"
	None   Confidence = "none"
)

// strength says how far a phrase alone tells its cause.
type strength uint8

const (
	sure strength = iota
	likely
	weak // says only together with a sign of a pull
)

// A rule gives the cause of messages that hold one of its phrases.
type rule struct {
	// detail names the failure more exactly than the cause; abouts describes it.
	detail   string
	cause    Cause
	strength strength
	// or are other causes that the same words allow.
	or      []Cause
	phrases []string
}

// Explanation is what a message says.
type Explanation struct {
	Cause Cause
	// Detail names the failure more exactly: ca_other_key within
	// unknown_authority. It is never empty.
	Detail     string
	Confidence Confidence
	// Alternatives are other causes that the text allows as well.
	Alternatives []Cause
	// Host is the host that failed, as the message writes it, "" when it names
	// none. Role says what it is in the pull.
	Host string
	Role Role
	// Image is the image that was to be pulled, "" when none is named.
	Image string
	// Client is who wrote the message, "" when nothing tells; Version and Go
	// are ranges, such as ">= 1.20", as far as the words give them away.
	Client, Version, Go string
	// Via is the kubelet that passed the runtime's message on, and which.
	Via string
	// Evidence is the part of the message that decided, without secrets.
	Evidence string
	// Also are further failures in the same message: of mirrors, of a second
	// attempt.
	Also []Failure
}

// Failure is a cause and where.
type Failure struct {
	Cause  Cause
	Detail string
	Host   string
	Role   Role
}

// maxMessage bounds what is read of one message, in bytes: its beginning and
// its end.
const maxMessage = 64 << 10

// Message explains one message.
func Message(text string) Explanation {
	return tables().explain(unwrap([]byte(clip(text))))
}

// clip keeps the ends of what is too long.
func clip(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return text[:maxMessage/2] + "\n" + text[len(text)-maxMessage/2:]
}

// maxGap bounds what "*" in a phrase stands for, in bytes of squashed text.
const maxGap = 400

// A phrase is one of a rule, a mark, or what stands before a name, in parts.
type phrase struct {
	parts  []string
	anchor int // the part that the automaton looks for
	kind   phraseKind
	of     int // index into the table of its kind
}

type phraseKind uint8

const (
	ofRule phraseKind = iota
	ofMark
	ofNaming
	ofIntro
)

// matcher is the tables made ready to be looked for.
type matcher struct {
	*automaton
	phrases []phrase
	// by gives the phrases that a word of the automaton anchors.
	by [][]int
	// ends gives where phrases begin and end, for texts that were cut.
	ends func() *phraseEnds
}

var tables = sync.OnceValue(newMatcher)

func newMatcher() *matcher {
	m := &matcher{}
	index := map[string]int{}
	var words []string
	var hot []bool
	add := func(text string, kind phraseKind, of int) {
		p := phrase{kind: kind, of: of}
		for part := range strings.SplitSeq(text, "*") {
			if part = squashPhrase(part); part != "" {
				p.parts = append(p.parts, part)
				if len(part) > len(p.parts[p.anchor]) {
					p.anchor = len(p.parts) - 1
				}
			}
		}
		word := p.parts[p.anchor]
		i, ok := index[word]
		if !ok {
			i = len(words)
			index[word] = i
			words = append(words, word)
			m.by, hot = append(m.by, nil), append(hot, false)
		}
		hot[i] = hot[i] || kind == ofRule && rules[of].strength != weak
		m.by[i] = append(m.by[i], len(m.phrases))
		m.phrases = append(m.phrases, p)
	}
	for i, r := range rules {
		for _, text := range r.phrases {
			add(text, ofRule, i)
		}
	}
	for i, k := range marks {
		for _, text := range k.phrases {
			add(text, ofMark, i)
		}
	}
	for i, n := range naming {
		add(n.words, ofNaming, i)
	}
	for i, intro := range intros {
		add(intro.words, ofIntro, i)
	}
	m.automaton = newAutomaton(words, hot)
	m.ends = sync.OnceValue(func() *phraseEnds { return newPhraseEnds(m.phrases) })
	return m
}

// span is a part of the unwrapped text.
type span struct{ from, to int }

// findings is what stands in a text.
type findings struct {
	rules  []ruleHit
	marks  []bool
	naming []wordsHit
	intros []wordsHit
}

// wordsHit are words before a name, by their index in their table.
type wordsHit struct {
	of int
	span
}

type ruleHit struct {
	rule int
	span
	// length is that of the phrase, squashed: short ones say little.
	length int
}

// scan looks for all phrases.
func (m *matcher) scan(clean []byte) findings {
	var s squashed
	s.set(clean)
	f := findings{marks: make([]bool, len(marks))}
	m.find(s.text, func(word, end int) {
		from := end - int(m.len[word])
		for _, i := range m.by[word] {
			p := &m.phrases[i]
			at, ok := p.match(s.text, from, end)
			if !ok || !s.bounded(clean, at) {
				continue
			}
			where := span{int(s.at[at.from]), int(s.at[at.to-1]) + 1}
			switch p.kind {
			case ofRule:
				f.rules = append(f.rules, ruleHit{p.of, where, p.length()})
			case ofNaming:
				f.naming = append(f.naming, wordsHit{p.of, where})
			case ofIntro:
				f.intros = append(f.intros, wordsHit{p.of, where})
			case ofMark:
				f.marks[p.of] = true
			}
		}
	})
	slices.SortStableFunc(f.intros, func(a, b wordsHit) int { return a.of - b.of })
	slices.SortStableFunc(f.rules, func(a, b ruleHit) int { return cmp.Or(a.rule-b.rule, b.length-a.length) })
	return f
}

func (p *phrase) length() (n int) {
	for _, part := range p.parts {
		n += len(part)
	}
	return n
}

// match looks for the other parts around the anchor.
func (p *phrase) match(text []byte, from, to int) (span, bool) {
	whole := span{from, to}
	for i := p.anchor - 1; i >= 0; i-- {
		start := max(0, whole.from-maxGap)
		at := bytes.LastIndex(text[start:whole.from], []byte(p.parts[i]))
		if at < 0 {
			return span{}, false
		}
		whole.from = start + at
	}
	for _, part := range p.parts[p.anchor+1:] {
		at := bytes.Index(text[whole.to:min(len(text), whole.to+maxGap)], []byte(part))
		if at < 0 {
			return span{}, false
		}
		whole.to += at + len(part)
	}
	return whole, true
}

// bounded is true when a phrase begins and ends where words do.
func (s *squashed) bounded(clean []byte, at span) bool {
	first, last := int(s.at[at.from]), int(s.at[at.to-1])
	return (first == 0 || !isWord(clean[first]) || !isWord(clean[first-1])) &&
		(last+1 >= len(clean) || !isWord(clean[last]) || !isWord(clean[last+1]))
}

// explain is [Message] for unwrapped text.
func (m *matcher) explain(clean []byte) Explanation {
	parts := attempts(clean)
	e := m.attempt(parts[0])
	for _, part := range parts[1:] {
		other := m.attempt(part)
		switch {
		case other.Confidence == None || other.Cause == Other && other.Detail == "unspecified":
		case e.Confidence == None || e.Cause == Other && e.Detail == "unspecified":
			image := e.Image
			if e = other; e.Image == "" {
				e.Image = image
			}
			e.doubt() // what became of the first is not told
		case other.Cause != e.Cause || other.Host != e.Host:
			e.Also = appendFailure(e.Also, Failure{other.Cause, other.Detail, other.Host, other.Role})
		}
	}
	return e
}

func appendFailure(all []Failure, f Failure) []Failure {
	if slices.Contains(all, f) {
		return all
	}
	return append(all, f)
}

// attempts splits a message that tells of several: containers/image puts the
// mirrors before the registry itself, CRI-O what it was as an artifact behind
// what it was as an image. The one that counts comes first.
func attempts(clean []byte) [][]byte {
	if from := bytes.Index(clean, []byte("(Mirrors also failed: [")); from >= 0 {
		if to := bytes.Index(clean[from:], []byte("]): ")); to >= 0 {
			mirrors := clean[from+len("(Mirrors also failed: [") : from+to]
			own := slices.Concat(clean[:from], clean[from+to+len("]): "):])
			return append([][]byte{own}, bytes.Split(mirrors, []byte("] ["))...)
		}
	}
	if i := bytes.Index(clean, []byte("; artifact err:")); i >= 0 {
		return [][]byte{clean[:i], clean[i:]}
	}
	return [][]byte{clean}
}

// attempt explains a text that tells of one attempt.
func (m *matcher) attempt(clean []byte) Explanation {
	f := m.scan(clean)
	e := Explanation{Cause: Unknown, Detail: "unknown", Confidence: None, Image: f.image(clean)}
	f.client(clean, &e)
	refs := f.references(clean)
	context := e.Client != "" || e.Image != "" || len(refs) > 0
	hit, found := f.first(context)
	if !found {
		hit, found = m.cut(clean, context, &e)
	} else {
		e.grade(rules[hit.rule], hit, context)
		if brokenOff(clean[hit.to:]) {
			// What was found may be the beginning of words that mean something else.
			cut := e
			if longer, ok := m.cut(clean, context, &cut); ok && longer.from <= hit.from && longer.to > hit.to && cut.Cause == e.Cause {
				hit, e = longer, cut
			}
		}
	}
	switch {
	case found:
		e.Evidence = evidence(clean, hit.span)
	case context && signOfFailure(clean):
		e.Cause, e.Detail, e.Confidence = Other, "unspecified", Low
		hit.span = span{len(clean), len(clean)}
	default:
		e.Host, e.Role = "", ""
		return e
	}
	e.locate(clean, refs, hit.span)
	e.refine(clean)
	e.Also = f.others(&e, hit.span, clean, refs)
	return e
}

// others are failures that a message tells of other servers than e.Host: what
// stands behind another URL.
func (f *findings) others(e *Explanation, at span, clean []byte, refs []reference) (also []Failure) {
	own := nearest(refs, at, asked)
	if own == nil || own.from > at.from || e.Cause == Proxy {
		return nil
	}
	for _, hit := range f.rules {
		r := rules[hit.rule]
		where := nearest(refs, hit.span, asked)
		if r.strength != sure || r.cause == e.Cause || where.host == own.host || where.from > hit.from {
			continue
		}
		also = appendFailure(also, Failure{r.cause, r.detail, where.host, roleOf(*where, clean, e.Image)})
	}
	return also
}

// generic is the length below which a phrase may stand in any text.
const generic = 15

// first is the rule that counts.
func (f *findings) first(context bool) (ruleHit, bool) {
	for _, hit := range f.rules {
		if rules[hit.rule].strength == weak && !context {
			continue
		}
		return hit, true
	}
	return ruleHit{}, false
}

// grade takes cause and confidence from a rule.
func (e *Explanation) grade(r rule, hit ruleHit, context bool) {
	e.Cause, e.Detail, e.Alternatives = r.cause, r.detail, slices.Clone(r.or)
	grades := []Confidence{High, Medium, Low}
	g := int(r.strength)
	if len(r.or) > 0 {
		g = max(g, 1)
	}
	if !context {
		if g++; hit.length < generic {
			g++
		}
	}
	e.Confidence = grades[min(g, 2)]
}

// brokenOff is true when a few words follow what was found, and then the text
// ends.
func brokenOff(rest []byte) bool {
	rest = bytes.Trim(rest, " \n\"'\\)]}.,;")
	return len(rest) > 0 && len(rest) < 60 && bytes.IndexByte(rest, '\n') < 0
}

// How much of a phrase must be left for it to be recognised, in bytes of
// squashed text: where a mark says that the text was cut, and where none does.
const (
	minCut      = 12
	minUnmarked = 18
)

// cut looks for a phrase of which the text holds only the beginning, at its
// end, or only the end, at its beginning.
func (m *matcher) cut(clean []byte, context bool, e *Explanation) (ruleHit, bool) {
	var s squashed
	s.set(clean)
	text := s.text
	tail := bytes.TrimRight(text, ".…)]},")
	head := bytes.TrimLeft(text, ".…([{,")
	offset := len(text) - len(head)
	minTail, minHead := minUnmarked, minUnmarked
	if marked(text[len(tail):]) {
		minTail = minCut
	}
	if marked(text[:offset]) {
		minHead = minCut
	}
	var best ruleHit
	var causes []Cause
	for _, c := range m.ends().cuts(m.phrases, tail, head, minTail, minHead) {
		n, at, of := c.to-c.from, c.span, m.phrases[c.phrase].of
		if c.atHead {
			at = span{offset + c.from, offset + c.to}
		}
		if n < best.length {
			continue
		}
		if n > best.length {
			best, causes = ruleHit{of, span{int(s.at[at.from]), int(s.at[at.to-1]) + 1}, n}, nil
		}
		r := rules[of]
		for _, c := range append([]Cause{r.cause}, r.or...) {
			if !slices.Contains(causes, c) {
				causes = append(causes, c)
			}
		}
		best.rule = min(best.rule, of)
	}
	if best.length == 0 || !context && best.length < minUnmarked {
		return ruleHit{}, false
	}
	r := rules[best.rule]
	e.Cause, e.Detail, e.Confidence, e.Alternatives = r.cause, r.detail, Low, nil
	if len(causes) == 1 && context {
		e.Confidence = Medium
	}
	for _, c := range causes {
		if c != e.Cause {
			e.Alternatives = append(e.Alternatives, c)
		}
	}
	return best, true
}

// marked is true when the end of a text has the dots of what was left out.
func marked(end []byte) bool {
	return bytes.Contains(end, []byte("…")) || bytes.Contains(end, []byte(".."))
}

// signs are words of texts that tell of a failure, however little they say.
var signs = []string{"error", "fail", "unable", "cannot", "could not", "couldn't", "refused", "denied", "invalid", "fatal", "back-off", "backoff", "errimagepull", "not "}

func signOfFailure(clean []byte) bool {
	lower := bytes.ToLower(clean)
	return slices.ContainsFunc(signs, func(sign string) bool { return bytes.Contains(lower, []byte(sign)) })
}

// client fills in who wrote the message, and which release.
func (f *findings) client(clean []byte, e *Explanation) {
	for i, k := range marks {
		if f.marks[i] {
			e.Client = k.client
			break
		}
	}
	kubelet := ""
	for _, r := range releases {
		to := &e.Version
		switch {
		case r.of == "go":
			to = &e.Go
		case r.of == "kubelet" && e.Client != "kubelet":
			to = &kubelet
		case r.of != e.Client:
			continue
		}
		if *to == "" && bytes.Contains(clean, []byte(r.phrase)) && (r.without == "" || !bytes.Contains(clean, []byte(r.without))) {
			*to = r.says
		}
	}
	if i := slices.IndexFunc(marks, func(k mark) bool { return k.client == "kubelet" }); f.marks[i] && e.Client != "kubelet" {
		e.Via = strings.TrimSpace("kubelet " + kubelet)
	}
}

// refine looks at what only the whole message tells.
func (e *Explanation) refine(clean []byte) {
	switch name := hostOnly(e.Host); {
	case e.Cause == HostnameMismatch && e.Detail == "wrong_name" && isIP(name) && !bytes.Contains(clean, []byte("is valid for")):
		// Clients other than Go's do not say whether any address is in it.
		e.doubt(NoIPSAN)
	case e.Cause == Expired && bytes.Contains(clean, []byte("is after 2021-09-30T14:01:15Z")):
		e.Detail = "old_trust_store"
	case e.Detail == "expired" && bytes.Contains(clean, []byte("x509: ")) && !bytes.Contains(clean, []byte("is after")) && !bytes.Contains(clean, []byte("is expired")):
		e.doubt(NotYetValid) // Go says the same of both, but for the times
	case e.Detail == "unknown_authority" && bytes.Contains(clean, []byte("authority (")):
		e.doubt(SHA1) // Go's reason is in brackets, and this one was not understood
	case e.Detail == "unknown_authority" && bytes.Contains(clean, []byte("certificate is NOT trusted")) && !bytes.Contains(clean, []byte("issuer")):
		e.doubt(Expired, NotYetValid, HostnameMismatch) // GnuTLS says so before it says why
	case (e.Detail == "refused" || e.Detail == "timeout") && bytes.Contains(clean, []byte("dial tcp")) && !bytes.Contains(clean, []byte("://")) && e.Image == "":
		e.doubt(Proxy) // who was dialled for whom is not told
	}
}

// doubt lowers the confidence, for the text allows other causes too.
func (e *Explanation) doubt(causes ...Cause) {
	for _, c := range causes {
		if c != e.Cause && !slices.Contains(e.Alternatives, c) {
			e.Alternatives = append(e.Alternatives, c)
		}
	}
	if e.Confidence == High {
		e.Confidence = Medium
	}
}

// maxEvidence bounds what is shown of a message, in bytes.
const maxEvidence = 240

// isNextField is true where a log goes on with another field: `" image="x"`,
// `","detail":"x"`.
func isNextField(text []byte) bool {
	if len(text) < 3 || text[0] != '"' {
		return false
	}
	if text[1] == ',' && text[2] == '"' {
		return true
	}
	end := 2
	for end < len(text) && isWord(text[end]) {
		end++
	}
	return text[1] == ' ' && end > 2 && end < len(text) && text[end] == '='
}

// evidence is the line of the message from the words that decided on.
func evidence(clean []byte, at span) string {
	to := at.to
	for to < len(clean) && to-at.from < maxEvidence && clean[to] != '\n' && clean[to] != '}' && !isNextField(clean[to:]) {
		to++
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(clean[at.from:to]), "\ufffd")), " ")
	text = Redact(strings.TrimRight(text, "\"'\\ "))
	if len(text) > maxEvidence {
		cut := maxEvidence
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return text
}
