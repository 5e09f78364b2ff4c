// Package inspect judges: evidence goes in, findings come out. It reads no
// file, opens no connection and prints nothing; the rules themselves are values
// in inspect/rules, the writers are in inspect/report.
package inspect

import (
	"fmt"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// Severity says how much a finding matters.
type Severity uint8

// Severities, in rising order. Error: a client refuses, or a deployment fails.
// Warning: some client refuses, or it breaks later. Info: worth knowing.
const (
	Info Severity = iota + 1
	Warning
	Error
)

var severityNames = [...]string{"", "info", "warning", "error"}

// String gives the word used in every format and in .crpki.yaml.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity(%d)", s)
}

// MarshalText writes the word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word; anything else is an error that lists them.
func (s *Severity) UnmarshalText(text []byte) error {
	v, err := ParseSeverity(string(text))
	*s = v
	return err
}

// ParseSeverity reads "info", "warning" or "error".
func ParseSeverity(text string) (Severity, error) {
	for i, name := range severityNames {
		if i > 0 && name == text {
			return Severity(i), nil
		}
	}
	return 0, fmt.Errorf("severity %q is none of info, warning, error", text)
}

// Need names what a rule must see before it can say anything. A rule whose need
// is not met is reported as skipped, so that silence is never taken for success.
type Need uint8

// Needs can be joined with |.
const (
	// NeedLeaf: a certificate that a server would present.
	NeedLeaf Need = 1 << iota
	// NeedKey: a readable private key.
	NeedKey
	// NeedAnchors: certificates that clients shall trust.
	NeedAnchors
	// NeedHosts: the names by which clients dial.
	NeedHosts
)

var needNames = []struct {
	need Need
	text string
}{
	{NeedLeaf, "no server certificate given"},
	{NeedKey, "no private key given"},
	{NeedAnchors, "no CA certificate given"},
	{NeedHosts, "no host given (--host)"},
}

// Host is a name by which clients will dial, and where that is known from.
type Host struct {
	Name pki.Name
	// From is "--host", "service.clusterIP", "metadata.namespace", …
	From string
	// Origin points to the place that says so; zero for a flag.
	Origin pki.Origin
}

// Limits are the thresholds that users set.
type Limits struct {
	// Warn and Fail: a certificate that ends within is a warning or an error.
	Warn, Fail Span
}

// Span is a length of time, absolute or as a share of a certificate's life.
type Span struct {
	Duration time.Duration
	// Percent of the certificate's lifetime, used when Duration is 0.
	Percent float64
}

// Of gives the span for a certificate that lives for life.
func (s Span) Of(life time.Duration) time.Duration {
	if s.Duration != 0 || s.Percent == 0 {
		return s.Duration
	}
	return time.Duration(float64(life) * s.Percent / 100)
}

// Evidence is all that a rule may look at: one target (a file, a Secret, a
// values file, a server).
type Evidence struct {
	// Target is what the user named, or where below it this was found.
	Target string
	// Material: Certs are what a server presents, leaf first; Anchors are what
	// clients shall trust (ca.crt, tls.cacrt).
	Material pki.Material
	Hosts    []Host
	Limits   Limits
	// Now is the time at which validity is judged.
	Now time.Time

	// subjects are read once for all rules.
	subjects []Subject
}

// Leaf is the certificate that is meant to be the server's own: the first one
// presented, unless that is a CA's and another is not. ok is false when none is
// presented.
func (e *Evidence) Leaf() (leaf pki.Cert, ok bool) {
	if len(e.Material.Certs) == 0 {
		return pki.Cert{}, false
	}
	return e.Material.Certs[e.leafIndex()], true
}

func (e *Evidence) leafIndex() int {
	certs := e.Material.Certs
	if certs[0].X509 == nil || !certs[0].X509.IsCA {
		return 0
	}
	for i, c := range certs {
		if c.X509 != nil && !c.X509.IsCA {
			return i
		}
	}
	return 0
}

func (e *Evidence) has() Need {
	var n Need
	if len(e.Material.Certs) > 0 {
		n |= NeedLeaf
	}
	for _, k := range e.Material.Keys {
		if k.Signer != nil {
			n |= NeedKey
		}
	}
	if len(e.Material.Anchors) > 0 {
		n |= NeedAnchors
	}
	if len(e.Hosts) > 0 {
		n |= NeedHosts
	}
	return n
}

// Finding is one fault, at one place.
type Finding struct {
	Rule     string     `json:"rule"`
	Severity Severity   `json:"severity"`
	Origin   pki.Origin `json:"origin"`
	// Part says which block of the source or field it is: "certificate 2",
	// "private key"; "" for the whole.
	Part string `json:"part,omitempty"`
	// Message is one sentence without a line break: what is wrong here.
	Message string `json:"message"`
	Got     string `json:"got,omitempty"`
	Want    string `json:"want,omitempty"`
	// Fix is a command with this case's values filled in, or "".
	Fix string `json:"fix,omitempty"`
	// Waived is the reason given in .crpki.yaml, "" when the finding counts.
	Waived string `json:"waived,omitempty"`
}

// Refusal says that a client refuses, with the message it prints and the
// version since which it does ("" when it always did).
type Refusal struct {
	Client  string `json:"client"`
	Since   string `json:"since,omitempty"`
	Message string `json:"message"`
}

// Doc is what a person reads about a rule at two in the morning. The rule's
// page, --explain, SARIF's rule table and JUnit's text are made of it.
type Doc struct {
	// Title is one sentence: "An IP address stands in a dNSName."
	Title string
	// Why says what happens to whom.
	Why string
	// Refusals: only what was tested or has a source.
	Refusals []Refusal
	// Fix is a crpki command, FixOpenSSL the same with openssl ("" when there is none).
	Fix, FixOpenSSL string
	// Sources are RFC sections, runtime source files, threads.
	Sources []string
	// Since is the version of crpki that brought the rule.
	Since string
}

// Rule is one check. The ID says the fault in words and outlives its severity.
type Rule struct {
	ID       string
	Group    string
	Severity Severity
	Needs    Need
	Doc      Doc
	// Each looks at one certificate alone; Check at the evidence as a whole. Both
	// are pure and say nothing when they do not apply. They may leave Rule and
	// Severity of a finding empty: the runner fills them in. A rule with neither
	// is a reader's: a note of the same ID is its finding.
	Each  func(*Evidence, *Subject) []Finding
	Check func(*Evidence) []Finding
}

// Subject is one certificate under judgement, read once for all rules.
type Subject struct {
	pki.Cert
	// View is the lenient reading, never nil when the DER begins like a
	// certificate; Faults are what it met.
	View   *lenient.Certificate
	Faults []lenient.Fault
	// Role is what the certificate is there for.
	Role Role
}

// Role is what a certificate is there for: the same certificate can be right as
// one and wrong as the other.
type Role uint8

// Roles.
const (
	// Leaf is the certificate that the server presents as its own.
	Leaf Role = iota + 1
	// Intermediate stands behind the leaf in what the server presents.
	Intermediate
	// Anchor is what clients shall trust (ca.crt).
	Anchor
)
