package spec

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crpki/crpki/pki/issue"
)

// Verdict says what is to be done with an entry.
type Verdict string

// The verdicts.
const (
	Keep    Verdict = "keep"    // no file is touched
	Create  Verdict = "create"  // there is no certificate yet
	Renew   Verdict = "renew"   // the same again, since it ends soon
	Reissue Verdict = "reissue" // another certificate, since it has to say something else
	// Rebundle writes the same certificate with another chain behind it.
	Rebundle Verdict = "rebundle"
	// Refuse is a change that would break trust, or overwrite what is not
	// understood, and that was not permitted. With one of these nothing is done
	// at all.
	Refuse Verdict = "refuse"
)

// Action is what a plan does with one entry, and why.
type Action struct {
	Name string `json:"name"`
	// Kind is "ca" or "cert".
	Kind    string   `json:"kind"`
	Verdict Verdict  `json:"verdict"`
	Reasons []string `json:"reasons"`
	NewKey  bool     `json:"newKey"`
	// Anchor is true for what clients trust: roots and self-signed
	// certificates. NewAnchor says that what they trust so far will not do for
	// the certificate that is made, or for those below it.
	Anchor    bool `json:"anchor"`
	NewAnchor bool `json:"newAnchor"`
	// Files are the files that are written, by name in the folder.
	Files []string `json:"files"`
	// NotAfter is the end of the certificate: of the one that stays, or of the
	// one that would be made now.
	NotAfter time.Time `json:"notAfter"`
}

// Plan is what has to be done to make the files what the spec says.
type Plan struct {
	// Actions are in the order of the spec, CAs first.
	Actions []Action
	// Strays are files in the folder of which the spec says nothing. They are
	// left alone.
	Strays []string

	spec  *Spec
	now   time.Time
	steps []*step // issuers before what they sign
}

// PlanOptions tune [Spec.Plan].
type PlanOptions struct {
	// Force permits what is refused otherwise: to replace the key or subject of
	// a CA, and files that cannot be read as what they should be.
	Force bool
}

// step is an entry on its way from what is to what shall be.
type step struct {
	*Entry
	ca   *CA   // one of these two
	cert *Cert //
	up   *step // the issuer, nil for roots and self-signed certificates
	have *present

	verdict Verdict
	reasons []string
	cause   Cause // of a refusal
	newKey  bool
	// replaced says of a CA what children have to be told: "gets a new key".
	replaced string
	// pathLen is what a new certificate of a CA says, -1 for no limit; below is
	// how deep the CAs below it go.
	pathLen, below int
	// end is until when certificate and chain will be valid.
	end time.Time
}

// signs reports whether the step makes a new certificate.
func (s *step) signs() bool {
	return s.verdict == Create || s.verdict == Renew || s.verdict == Reissue
}

// canSign reports whether the CA's key will be at hand.
func (s *step) canSign() bool { return s.newKey || s.have.hasKey }

// external is true for CAs that are used as they are.
func (s *step) external() bool { return s.ca != nil && s.ca.From != nil }

// Plan compares the spec with what the files hold, for the given moment. It
// reads and changes nothing.
func (s *Spec) Plan(st *State, now time.Time, o PlanOptions) *Plan {
	p := &Plan{spec: s, now: now, Strays: st.Strays}
	// A CA whose key is gone shows as such only when something below has to be
	// signed; if it may be replaced, all is looked at again.
	lost, levels := map[string]string{}, s.levelsBelow()
	for {
		pl := planner{spec: s, state: st, now: now, force: o.Force, lost: lost, byName: map[string]*step{}, levels: levels}
		if pl.run() {
			p.steps = pl.steps
			break
		}
	}
	for _, s := range p.inOrder() {
		p.Actions = append(p.Actions, s.action())
	}
	return p
}

// inOrder gives the steps in the order of the spec.
func (p *Plan) inOrder() []*step {
	of := map[*Entry]*step{}
	for _, s := range p.steps {
		of[s.Entry] = s
	}
	var steps []*step
	for _, e := range p.spec.entries() {
		steps = append(steps, of[e])
	}
	return steps
}

func (s *step) action() Action {
	a := Action{Name: s.Name, Kind: "cert", Verdict: s.verdict, Reasons: s.reasons, NewKey: s.newKey && s.signs(), NotAfter: s.end, Files: []string{}}
	if s.ca != nil {
		a.Kind = "ca"
	}
	a.Anchor = s.up == nil && !s.external()
	a.NewAnchor = a.Anchor && s.signs() && s.have.hasCert && (s.replaced != "" || s.cert != nil)
	if c := s.have.cert(); s.verdict == Refuse && c != nil {
		a.NotAfter = c.NotAfter
	}
	if a.Reasons == nil {
		a.Reasons = []string{}
	}
	if s.signs() || s.verdict == Rebundle {
		a.Files = append(a.Files, s.Name+certExt)
	}
	if a.NewKey {
		a.Files = append(a.Files, s.Name+keyExt)
	}
	return a
}

// Changes reports whether the plan writes anything.
func (p *Plan) Changes() bool {
	return slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Verdict != Keep })
}

// RefusedError lists what a plan would have to do and was not permitted to.
type RefusedError struct {
	Problems []Problem
	Causes   []Cause
}

// Cause says what would help against a refusal.
type Cause uint8

// The causes.
const (
	// BadInput cannot be forced: a CA from elsewhere is not what it should be.
	BadInput Cause = iota
	// BadFile is a file that is not understood. Force replaces it.
	BadFile
	// TrustAtStake is the key or name of a CA. Force replaces it.
	TrustAtStake
	// KeyMissing is the key of a CA, which is needed to sign. Force makes a new
	// CA.
	KeyMissing
	// OtherKeyMissing is that of a CA from elsewhere.
	OtherKeyMissing
)

// Has reports whether c is among the causes.
func (e *RefusedError) Has(c Cause) bool { return slices.Contains(e.Causes, c) }

func (e *RefusedError) Error() string { return Problems(e.Problems).Error() }

// Err is a [*RefusedError] when something is refused, nil otherwise.
func (p *Plan) Err() error {
	e := &RefusedError{}
	for _, s := range p.steps {
		if s.verdict == Refuse {
			e.Causes = append(e.Causes, s.cause)
			e.Problems = append(e.Problems, Problem{Pos: s.Pos, Message: s.Name + ": " + strings.Join(s.reasons, "; ")})
		}
	}
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

// planner decides, issuers first.
type planner struct {
	spec   *Spec
	state  *State
	now    time.Time
	force  bool
	lost   map[string]string // CAs that are replaced because their key is gone → what needs them
	byName map[string]*step
	levels map[*CA]int
	steps  []*step
	again  bool
}

// run reports false when it has to be run once more.
func (p *planner) run() bool {
	for i := range p.spec.CAs {
		p.addCA(&p.spec.CAs[i])
	}
	for i := range p.spec.Certs {
		c := &p.spec.Certs[i]
		s := &step{Entry: &c.Entry, cert: c, up: p.byName[c.Issuer], have: p.state.entries[c.Name]}
		p.decideCert(s)
		p.finish(s)
	}
	return !p.again
}

func (p *planner) addCA(ca *CA) *step {
	if s, ok := p.byName[ca.Name]; ok {
		return s
	}
	s := &step{Entry: &ca.Entry, ca: ca, have: p.state.entries[ca.Name]}
	s.pathLen, s.below = ca.PathLen, p.levels[ca]
	if ca.Issuer != "" {
		s.up = p.addCA(p.spec.ca(ca.Issuer))
		s.pathLen = max(s.pathLen, s.below)
	}
	p.byName[ca.Name] = s
	if s.external() {
		p.decideExternal(s)
	} else {
		p.decideCA(s)
	}
	p.finish(s)
	return s
}

// finish adds the step once it is decided, after what its chain demands.
func (p *planner) finish(s *step) {
	p.needIssuer(s)
	if s.verdict == Keep && !s.external() {
		p.checkChain(s)
	}
	if s.end.IsZero() {
		s.end = p.endOf(s)
	}
	if s.signs() && s.end.Before(issue.ValidFrom(p.now, s.lifetime()).NotAfter) {
		s.reasons = append(s.reasons, fmt.Sprintf("ends with its CA %s on %s", s.up.Name, s.end.UTC().Format(time.DateOnly)))
	}
	p.steps = append(p.steps, s)
}

// needIssuer sees to it that there is a key to sign with.
func (p *planner) needIssuer(s *step) {
	if !s.signs() || s.up == nil || s.up.verdict == Refuse || s.up.canSign() {
		return
	}
	switch missing := s.up.have.keyIsMissing(); {
	case s.verdict == Renew && s.ca != nil && p.now.Before(s.have.cert().NotAfter):
		s.keepInstead(missing)
	case p.mayReplace(s.up):
		p.lost[s.up.Name] = s.Name
		p.again = true
	case s.up.external():
		s.refuse(OtherKeyMissing, append(s.reasons, missing+", which has to sign it"))
	default:
		s.refuse(KeyMissing, append(s.reasons, missing+", which has to sign it"))
	}
}

// keepInstead leaves a CA that should be renewed as it is, since the key for
// it is elsewhere: it still serves.
func (s *step) keepInstead(why string) {
	s.verdict, s.newKey = Keep, false
	s.reasons = append(s.reasons, "but "+why+", so it stays for now")
}

func (s *step) refuse(c Cause, reasons []string) {
	s.verdict, s.newKey, s.cause, s.reasons = Refuse, false, c, reasons
}

func (p *planner) mayReplace(s *step) bool {
	return s.ca != nil && !s.external() && (p.force || s.ca.AllowReplace)
}

// lifetime is what a new certificate gets, before its CA's end cuts it.
func (s *step) lifetime() time.Duration {
	switch {
	case s.Lifetime > 0:
		return s.Lifetime
	case s.ca == nil:
		return issue.DefaultLeafLifetime
	case s.up != nil:
		return defaultIntermediateLifetime
	}
	return issue.DefaultCALifetime
}

// newEnd is when a certificate made now would end.
func (p *planner) newEnd(s *step) time.Time {
	end := issue.ValidFrom(p.now, s.lifetime()).NotAfter
	if s.up != nil && s.up.end.Before(end) {
		return s.up.end
	}
	return end
}

func (p *planner) endOf(s *step) time.Time {
	c := s.have.cert()
	if s.signs() || s.verdict == Refuse || c == nil {
		return p.newEnd(s)
	}
	if s.up != nil && s.up.end.Before(c.NotAfter) {
		return s.up.end
	}
	return c.NotAfter
}

func (p *planner) decideExternal(s *step) {
	s.verdict = Keep
	if err := s.have.certErr; err != nil {
		s.refuse(BadInput, []string{err.Error()})
		return
	}
	s.have.chain = ordered(s.have)
	for _, c := range s.have.chain {
		if s.end.IsZero() || c.NotAfter.Before(s.end) {
			s.end = c.NotAfter
		}
	}
	switch c := s.have.cert(); {
	case !c.IsCA:
		s.refuse(BadInput, []string{s.have.certFile + " is not a CA certificate"})
	case s.have.keyErr != nil:
		s.refuse(BadInput, []string{s.have.keyErr.Error()})
	case mismatch(s.have):
		s.refuse(BadInput, []string{fmt.Sprintf("%s is not the key of %s", s.have.keyFile, s.have.certFile)})
	}
}

// findings are what was found about an existing certificate.
type findings struct {
	replace []string // breaks the trust in a CA
	reissue []string
	renew   []string
	newKey  bool
	told    string // to children, when replaced
}

func (p *planner) decideCA(s *step) {
	f := p.lookAtCA(s)
	c := s.have.cert()
	if needed := p.lost[s.Name]; needed != "" {
		f.lose(fmt.Sprintf("%s, and %s has to be signed", s.have.keyIsMissing(), needed))
	}
	if c != nil && !s.have.hasKey && s.up == nil && len(f.replace) == 0 {
		switch {
		case len(f.reissue) > 0 || len(f.renew) > 0 && !p.now.Before(c.NotAfter):
			f.lose(s.have.keyIsMissing())
		case len(f.renew) > 0:
			s.reasons = f.renew
			s.keepInstead(s.have.keyIsMissing())
			return
		}
	}
	switch {
	case len(f.replace) > 0 && !p.mayReplace(s):
		s.refuse(TrustAtStake, slices.Concat(f.replace, f.reissue))
	case len(f.replace) > 0:
		s.verdict, s.newKey, s.replaced = Reissue, f.newKey || c == nil && !s.have.hasKey, f.told
		s.reasons = slices.Concat(f.replace, f.reissue, f.renew)
	case c == nil:
		s.verdict, s.newKey, s.replaced = Create, !s.have.hasKey, "is new"
		if s.have.hasKey {
			s.reasons = []string{fmt.Sprintf("%s is missing; %s is kept", s.have.certFile, s.have.keyFile)}
		}
	default:
		s.settle(f)
	}
}

// lose makes a new key necessary.
func (f *findings) lose(reason string) {
	f.replace, f.newKey, f.told = append(f.replace, reason), true, "gets a new key"
}

// settle decides by what was found, when nothing breaks.
func (s *step) settle(f findings) {
	switch {
	case len(f.reissue) > 0:
		s.verdict, s.reasons = Reissue, slices.Concat(f.reissue, f.renew)
	case len(f.renew) > 0:
		s.verdict, s.reasons = Renew, f.renew
	default:
		s.verdict = Keep
	}
}

// lookAtCA compares a CA's files with its entry.
func (p *planner) lookAtCA(s *step) findings {
	var f findings
	have, c := s.have, s.have.cert()
	if have.keyErr != nil {
		f.lose(have.keyErr.Error())
	}
	if have.certErr != nil {
		f.replace, f.told = append(f.replace, have.certErr.Error()), "is made anew"
	}
	if reason := wrongKeyType(s); reason != "" {
		f.lose(reason)
	}
	if c == nil {
		return f
	}
	if !c.IsCA {
		f.replace, f.told = append(f.replace, have.certFile+" is not a CA certificate"), "is made anew"
		return f
	}
	if reason := wrongSubject(s.Subject, c); reason != "" {
		f.replace, f.told = append(f.replace, reason), "gets another subject"
	}
	if mismatch(have) {
		f.replace, f.told = append(f.replace, fmt.Sprintf("%s is not the key of %s", have.keyFile, have.certFile)), "gets a new key"
	}
	f.reissue = slices.Concat(p.wrongIssuer(s), wrongPathLen(s, c), wrongConstraints(s.ca.Constraints, c), p.wrongValidity(s))
	f.renew = p.ending(s)
	return f
}

func (p *planner) decideCert(s *step) {
	have, c := s.have, s.have.cert()
	if reason := s.unusable(); reason != "" && !p.force {
		s.refuse(BadFile, []string{reason})
		return
	}
	keyType := wrongKeyType(s)
	switch {
	case !have.hasCert && !have.hasKey:
		s.verdict, s.newKey = Create, true
	case c == nil && have.certErr == nil:
		s.verdict, s.newKey = Create, have.keyErr != nil || keyType != ""
		s.reasons = append(reasons(keyType), fmt.Sprintf("%s is missing", have.certFile))
		if !s.newKey {
			s.reasons[0] += "; " + have.keyFile + " is kept"
		}
	default:
		s.settle(p.lookAtCert(s, keyType))
		s.newKey = s.signs() && (!s.cert.ReuseKey || !have.hasKey || have.keyErr != nil || keyType != "")
	}
}

// unusable says what stands in the place of the entry's files and would be
// lost if they were written.
func (s *step) unusable() string {
	switch have := s.have; {
	case have.certErr != nil:
		return have.certErr.Error()
	case have.keyErr != nil:
		return have.keyErr.Error()
	case !have.hasCert && have.hasKey && wrongKeyType(s) != "":
		return wrongKeyType(s) + ", and a key without certificate is not replaced: something may wait for it"
	}
	return ""
}

func (p *planner) lookAtCert(s *step, keyType string) findings {
	var f findings
	have, c := s.have, s.have.cert()
	switch {
	case have.certErr != nil:
		return findings{reissue: []string{have.certErr.Error()}}
	case have.keyErr != nil:
		f.reissue = append(f.reissue, have.keyErr.Error())
	case !have.hasKey:
		f.reissue = append(f.reissue, have.keyIsMissing())
	case mismatch(have):
		f.reissue = append(f.reissue, fmt.Sprintf("%s is not the key of %s", have.keyFile, have.certFile))
	}
	f.reissue = slices.Concat(f.reissue, reasons(keyType), p.wrongIssuer(s), wrongNames(s.cert.Names, c),
		reasons(wrongSubject(s.Subject, c)), wrongUse(s.cert, c), p.wrongValidity(s))
	f.renew = p.ending(s)
	return f
}

// ending says when a certificate has to be renewed.
func (p *planner) ending(s *step) []string {
	c := s.have.cert()
	life := s.Lifetime
	if life == 0 {
		life = issue.ValidityOf(c).Lifetime()
	}
	before := s.renewBefore(s.ca != nil, life)
	left := c.NotAfter.Sub(p.now)
	switch {
	case left < 0:
		return []string{"expired on " + c.NotAfter.UTC().Format(time.DateOnly)}
	case p.now.Before(c.NotBefore):
		return []string{"is not valid before " + c.NotBefore.UTC().Format(time.DateOnly)}
	case left >= before || !p.newEnd(s).After(c.NotAfter):
		return nil // in the latter case a new one would end no later: it ends with its CA
	}
	return []string{fmt.Sprintf("expires in %s, renew-before is %s", inDays(left), days(before))}
}

// inDays tells a span to people.
func inDays(d time.Duration) string {
	switch n := int(d / issue.Day); {
	case n > 1:
		return fmt.Sprintf("%d days", n)
	case n == 1:
		return "1 day"
	}
	if d > time.Hour {
		return days(d.Truncate(time.Hour))
	}
	return days(d.Truncate(time.Second))
}

// checkChain looks at what stands behind a certificate that is kept.
func (p *planner) checkChain(s *step) {
	var above []*x509.Certificate
	for up := s.up; up != nil; up = up.up {
		if up.verdict == Refuse {
			return
		}
		if up.signs() && (up.up != nil || s.ca != nil) {
			s.verdict, s.reasons = Rebundle, append(s.reasons, fmt.Sprintf("its chain changes: %s is new", up.Name+certExt))
			return
		}
		if up.external() {
			above = append(above, up.have.chain...)
		} else if c := up.have.cert(); c != nil {
			above = append(above, c)
		}
	}
	if !slices.EqualFunc(s.have.chain[1:], s.behind(above), (*x509.Certificate).Equal) {
		s.verdict, s.reasons = Rebundle, append(s.reasons, "the chain behind it is not that of its CA")
	}
}

// behind is what of the chain above stands in the file of an entry. A server
// does not send the root: clients have it, or do not trust it. An intermediate
// has it behind, so that its file is all that is needed to sign.
func (s *step) behind(above []*x509.Certificate) []*x509.Certificate {
	if n := len(above); s.cert != nil && n > 0 && isRoot(above[n-1]) {
		return above[:n-1]
	}
	return above
}
