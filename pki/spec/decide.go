package spec

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/crpki/crpki/pki/issue"
)

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
	case s.up.external():
		s.refuse(OtherKeyMissing, append(s.reasons, missing+", which has to sign it"))
	case p.force:
		p.lost[s.up.Name] = s.Name
		p.again = true
	default:
		s.refuse(CADamaged, append(s.reasons, missing+", which has to sign it"))
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
	damage  []string // of a CA: its files are not what they should be
	replace []string // of a CA: the spec wants another key or name
	reissue []string
	renew   []string
	newKey  bool
	told    string // to what the CA has signed, when it is replaced
}

// lose makes a new key necessary.
func (f *findings) lose(list *[]string, reason string) {
	*list, f.newKey, f.told = append(*list, reason), true, "gets a new key"
}

func (p *planner) decideCA(s *step) {
	f := p.lookAtCA(s)
	c := s.have.cert()
	if needed := p.lost[s.Name]; needed != "" {
		f.lose(&f.damage, fmt.Sprintf("%s, and %s has to be signed", s.have.keyIsMissing(), needed))
	}
	if p.cannotSignItself(s, &f) {
		s.reasons = f.renew
		s.keepInstead(s.have.keyIsMissing())
		return
	}
	switch breaking := slices.Concat(f.damage, f.replace); {
	case len(f.damage) > 0 && !p.force:
		s.refuse(CADamaged, slices.Concat(breaking, f.reissue))
	case len(f.replace) > 0 && !p.force && !s.ca.AllowReplace:
		s.refuse(TrustAtStake, slices.Concat(breaking, f.reissue))
	case len(breaking) > 0:
		s.verdict, s.newKey, s.replaced = Reissue, f.newKey || c == nil && !s.have.hasKey, f.told
		s.reasons = slices.Concat(breaking, f.reissue, f.renew)
	case c == nil:
		s.verdict, s.newKey, s.replaced = Create, !s.have.hasKey, "is new"
		if s.have.hasKey {
			s.reasons = []string{fmt.Sprintf("%s is missing; %s is kept", s.have.certFile, s.have.keyFile)}
		}
	default:
		s.settle(f)
	}
}

// cannotSignItself looks at a root whose key is away. It reports true when the
// root should be renewed and still serves; if more has to be done, the missing
// key is damage.
func (p *planner) cannotSignItself(s *step, f *findings) bool {
	c := s.have.cert()
	if c == nil || s.have.hasKey || s.up != nil || f.newKey {
		return false
	}
	must := len(f.damage)+len(f.replace)+len(f.reissue) > 0 || p.now.After(c.NotAfter)
	if must {
		f.lose(&f.damage, s.have.keyIsMissing())
	}
	return !must && len(f.renew) > 0
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
		f.lose(&f.damage, have.keyErr.Error())
	}
	if have.certErr != nil {
		f.damage, f.told = append(f.damage, have.certErr.Error()), "is made anew"
	}
	if reason := wrongKeyType(s); reason != "" {
		f.lose(&f.replace, reason)
	}
	if c == nil {
		return f
	}
	if !c.IsCA {
		f.damage, f.told = append(f.damage, have.certFile+" is not a CA certificate"), "is made anew"
		return f
	}
	if reason := wrongSubject(s.Subject, c); reason != "" {
		f.replace, f.told = append(f.replace, reason), "gets another subject"
	}
	if mismatch(have) {
		f.damage, f.told = append(f.damage, fmt.Sprintf("%s is not the key of %s", have.keyFile, have.certFile)), "gets a new key"
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
