package spec

import (
	"slices"
	"strings"
	"time"
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
	// TrustAtStake is the key or name of a CA, which the spec wants to be
	// another. Force, or the spec itself, permits it.
	TrustAtStake
	// CADamaged is a CA whose files do not fit each other, or whose key is
	// missing and needed to sign. Force makes it anew.
	CADamaged
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
