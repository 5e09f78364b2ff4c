package trust

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
)

// Judge says what becomes of the chains at the given time. It is pure.
//
// Endpoints are tried in their order until one answers. Of a mirror that
// nobody looked at nothing is known: it is named in Unjudged, and the verdict is
// about the others.
func Judge(d Decision, presented []Presented, now time.Time) Judgement {
	if d.Failure != nil {
		return Judgement{
			Verdict: ConfigError, Message: cmp.Or(d.Failure.Message, d.Failure.Text), Cause: d.Failure.Text,
			Decided: d.Failure.Place,
		}
	}
	j := Judgement{Verdict: NotContacted}
	known := false
	for _, e := range d.Endpoints {
		if e.Failure != nil {
			known = true
			j.failed(e)
			continue
		}
		p, ok := presentedAt(d.Reference, e, presented)
		if !ok {
			j.Unjudged = append(j.Unjudged, e.Host)
			continue
		}
		known = true
		done := j.try(d, e, p, now)
		if done {
			j.Message, j.Cause, j.Culprit, j.Fix = "", "", "", ""
			return j
		}
	}
	if !known {
		if len(d.Endpoints) > 0 {
			j.Decided = d.Endpoints[0].Decided
		}
		if d.Needs != "" {
			j.Verdict = Indeterminate
		}
		return j
	}
	j.Message = j.Cause
	if d.Wrap != nil && len(j.Attempts) > 0 {
		j.Message = d.Wrap(j.Attempts)
	}
	return j
}

// failed notes an endpoint that the runtime gives up before it dials it.
func (j *Judgement) failed(e Endpoint) {
	if len(j.Attempts) == 0 || !e.Mirror && j.Attempts[0].Endpoint.Mirror {
		j.Verdict, j.Cause, j.Decided = ConfigError, e.Failure.Text, e.Failure.Place
	}
	j.Attempts = append(j.Attempts, Attempt{Endpoint: e, Error: e.Failure.Text})
}

// presentedAt finds what was seen at an endpoint.
func presentedAt(r Reference, e Endpoint, all []Presented) (Presented, bool) {
	own := SameHost(e.Host, r.Address())
	for _, p := range all {
		if p.Host == "" && own || p.Host != "" && SameHost(p.Host, e.Host) {
			return p, true
		}
	}
	return Presented{}, false
}

// SameHost compares two of host, host:port and [v6]:port; 443 is the port that
// is not written.
func SameHost(a, b string) bool {
	hostA, portA := SplitHost(a)
	hostB, portB := SplitHost(b)
	return strings.EqualFold(hostA, hostB) && portA == portB
}

// SplitHost splits host or host:port, with 443 for a port that is not written.
// Brackets around IPv6 are taken off.
func SplitHost(s string) (host, port string) {
	if host, port, err := net.SplitHostPort(s); err == nil {
		return host, cmp.Or(port, "443")
	}
	return strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), "443"
}

// fail notes an attempt, and is true when it is the one that is told: the first
// one, where the registry's own counts above that of a mirror.
func (j *Judgement) fail(v Verdict, e Endpoint, scheme Scheme, text string, status int) bool {
	first := len(j.Attempts) == 0 || !e.Mirror && j.Attempts[0].Endpoint.Mirror && j.told.Mirror
	j.Attempts = append(j.Attempts, Attempt{Endpoint: e, Scheme: scheme, Error: text, Status: status})
	if !first {
		return false
	}
	j.Verdict, j.Cause, j.told, j.Decided = v, text, e, e.Decided
	if e.Failure != nil {
		j.Decided = e.Failure.Place
	}
	return true
}

// try judges one endpoint. It is true when the runtime gets through.
func (j *Judgement) try(d Decision, e Endpoint, p Presented, now time.Time) bool {
	fail := func(v Verdict, scheme Scheme, text string, status int) bool {
		return j.fail(v, e, scheme, text, status)
	}
	if e.Scheme == HTTP {
		switch {
		case p.Error != "":
			fail(Indeterminate, HTTP, p.Error, 0)
		case p.PlainHTTP:
			j.Verdict, j.Decided = PlainHTTP, e.Decided
			return true
		default:
			fail(PlainHTTP, HTTP, httpToTLS, 400)
		}
		return false
	}
	switch {
	case p.Error != "":
		fail(Indeterminate, HTTPS, p.Error, 0)
		if e.Fallback == FallbackAlways {
			fail(Indeterminate, HTTP, p.Error, 0)
		}
		return false
	case p.PlainHTTP:
		if e.Fallback != NoFallback {
			j.Verdict, j.Decided = PlainHTTP, e.Decided
			return true
		}
		fail(Untrusted, HTTPS, "http: server gave HTTP response to HTTPS client", 0)
		return false
	}
	release := goRelease(d.Installation)
	anchor, culprit, err := e.verify(p.Chain, now, release)
	if err != nil {
		// A chain that cannot be read ends the handshake also where nobody
		// verifies it.
		if fail(Untrusted, HTTPS, err.Error(), 0) {
			j.Culprit, j.Fix = culprit, remedy(d, e, err)
		}
		if e.Fallback == FallbackAlways {
			fail(Untrusted, HTTP, httpToTLS, 400)
		}
		return false
	}
	if p.Refusal != "" && len(e.ClientCerts) == 0 {
		fail(Untrusted, HTTPS, p.Refusal, 0)
		if e.Fallback == FallbackAlways {
			fail(Untrusted, HTTP, httpToTLS, 400)
		}
		return false
	}
	if e.SkipVerify {
		j.Verdict, j.Decided = SkipsVerify, e.Decided
		return true
	}
	j.Verdict, j.Anchor, j.Decided = Trusted, anchor, e.Decided
	if anchor != nil {
		j.Decided = anchor.Place()
	}
	return true
}

// httpToTLS is the body of a Go server's answer to HTTP on its TLS port.
const httpToTLS = "Client sent an HTTP request to an HTTPS server."

// verify holds the chain against the endpoint's anchors. anchor is the one at
// the end of the chain that was found, culprit the certificate above the leaf
// that an error is about.
func (e Endpoint) verify(chain []pki.Cert, now time.Time, release goVersion) (anchor *Anchor, culprit string, err error) {
	if e.SkipVerify {
		return nil, "", unreadable(chain, release)
	}
	// Without CAs of its own, the runtime leaves the system's to Go, which may
	// have failed to load them.
	if e.System != nil && e.System.Err != nil && len(e.CAs) == 0 {
		if err := unreadable(chain, release); err != nil {
			return nil, "", err
		}
		return nil, "", release.words(fmt.Errorf("tls: failed to verify certificate: %w", x509.SystemRootsError{Err: e.System.Err}))
	}
	host, _ := SplitHost(e.Host)
	anchors := e.anchorsFor(chain)
	g := verify.Go{Presented: release.readable(chain), Host: host, At: now}
	for _, a := range anchors {
		g.Trusted = append(g.Trusted, a.Cert)
	}
	err = g.Verify()
	if err == nil {
		return e.anchorOf(anchors, chain, g), "", nil
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Cert != nil &&
		len(chain) > 0 && !bytes.Equal(invalid.Cert.Raw, chain[0].Raw) {
		culprit = describeCulprit(invalid.Cert, anchors)
	}
	return nil, culprit, release.words(err)
}

// anchorsFor are the anchors that can play a part: those that have the name of
// an issuer in the chain, or are in it. Go looks up roots by that name, so that
// no other changes its verdict or its words.
func (e Endpoint) anchorsFor(chain []pki.Cert) []*Anchor {
	names, raws := map[string]bool{}, map[string]bool{}
	for _, c := range chain {
		raws[string(c.Raw)] = true
		if c.X509 != nil {
			names[string(c.X509.RawIssuer)] = true
		}
	}
	var found []*Anchor
	seen := map[string]bool{}
	each := func(all []Anchor) {
		for i := range all {
			a := &all[i]
			if x := a.Cert.X509; x != nil && !seen[string(a.Cert.Raw)] && (names[string(x.RawSubject)] || raws[string(a.Cert.Raw)]) {
				seen[string(a.Cert.Raw)] = true
				found = append(found, a)
			}
		}
	}
	// The system's come first in a pool, the registry's are appended.
	if e.System != nil {
		each(e.System.Anchors)
	}
	each(e.CAs)
	return found
}

// anchorOf finds the anchor that verified the chain. Where the registry's own
// and the system's both do, it is the registry's.
func (e Endpoint) anchorOf(anchors []*Anchor, chain []pki.Cert, g verify.Go) *Anchor {
	var found *Anchor
	for _, a := range anchors {
		g.Trusted = []pki.Cert{a.Cert}
		if g.Verify() != nil {
			continue
		}
		if found == nil || found.System && !a.System {
			found = a
		}
	}
	return e.ownCopy(found)
}

// ownCopy prefers the registry's own file where it has the same certificate as
// the system.
func (e Endpoint) ownCopy(a *Anchor) *Anchor {
	if a == nil || !a.System {
		return a
	}
	for i := range e.CAs {
		if bytes.Equal(e.CAs[i].Cert.Raw, a.Cert.Raw) {
			return &e.CAs[i]
		}
	}
	return a
}

func describeCulprit(c *x509.Certificate, anchors []*Anchor) string {
	name := pki.Printable(c.Subject.String())
	for _, a := range anchors {
		if bytes.Equal(a.Cert.Raw, c.Raw) {
			return name + " in " + a.File
		}
	}
	return name + ", sent by the server"
}

// unreadable is the error of a handshake without verification: certificates
// are parsed all the same.
func unreadable(chain []pki.Cert, release goVersion) error {
	if len(chain) == 0 {
		return errors.New("tls: received empty certificates message")
	}
	for _, c := range release.readable(chain) {
		if c.Err != nil {
			return fmt.Errorf("tls: failed to parse certificate from server: %w", verify.Unparsed(c))
		}
	}
	return nil
}

// goVersion is the release that built a runtime, and the language version of
// its main module, which sets GODEBUG defaults: 21 for go1.21.
type goVersion struct{ release, line int }

// goRelease reads an installation's. A release that is not known counts as the
// newest.
func goRelease(i Installation) goVersion {
	v := goVersion{release: minor(i.GoVersion), line: minor(i.GoLine)}
	if v.line == unknownGo {
		v.line = v.release
	}
	return v
}

const unknownGo = 1 << 20

func minor(version string) int {
	version, ok := strings.CutPrefix(strings.TrimPrefix(version, "go"), "1.")
	if !ok {
		return unknownGo
	}
	digits, _, _ := strings.Cut(version, ".")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return unknownGo
	}
	return n
}

// readable gives certificates that this release reads and crpki's does not:
// before 1.23 Go took negative serial numbers.
func (v goVersion) readable(chain []pki.Cert) []pki.Cert {
	if v.line >= 23 {
		return chain
	}
	out := chain
	for i, c := range chain {
		if c.X509 != nil {
			continue
		}
		if x := withNegativeSerial(c.Raw); x != nil {
			if &out[0] == &chain[0] {
				out = append([]pki.Cert(nil), chain...)
			}
			out[i].X509, out[i].Err = x, nil
		}
	}
	return out
}

// words puts an error into those of the release.
func (v goVersion) words(err error) error {
	text := err.Error()
	if v.release < 20 {
		text = strings.TrimPrefix(text, "tls: failed to verify certificate: ")
	}
	if v.release < 24 && v.release >= 18 {
		text = strings.ReplaceAll(text, "insecure algorithm SHA1-RSA", "insecure algorithm SHA1-RSA (temporarily override with GODEBUG=x509sha1=1)")
		text = strings.ReplaceAll(text, "insecure algorithm ECDSA-SHA1", "insecure algorithm ECDSA-SHA1 (temporarily override with GODEBUG=x509sha1=1)")
	}
	if v.release < 26 {
		if host, ok := errors.AsType[x509.HostnameError](err); ok {
			text = strings.Replace(text, host.Error(), allNames(host), 1)
		}
	}
	return &goError{text, err}
}

// goError keeps the error below other words.
type goError struct {
	text string
	err  error
}

func (e *goError) Error() string { return e.text }
func (e *goError) Unwrap() error { return e.err }

// allNames is the text of releases that list the names however many they are.
func allNames(h x509.HostnameError) string {
	c := h.Certificate
	var names []string
	if ip := net.ParseIP(strings.Trim(h.Host, "[]")); ip != nil {
		if len(c.IPAddresses) < 100 {
			return h.Error()
		}
		for _, ip := range c.IPAddresses {
			names = append(names, ip.String())
		}
	} else {
		if len(c.DNSNames) < 100 {
			return h.Error()
		}
		names = c.DNSNames
	}
	return "x509: certificate is valid for " + strings.Join(names, ", ") + ", not " + h.Host
}

// withNegativeSerial parses a certificate whose serial number is negative, as
// Go did before 1.23; nil when that is not what is wrong with it.
func withNegativeSerial(der []byte) *x509.Certificate {
	at := serialAt(der)
	if at < 0 || der[at]&0x80 == 0 {
		return nil
	}
	// A number of the same length that is not negative; the bytes that were
	// signed are put back.
	changed := bytes.Clone(der)
	changed[at] = 0x40
	c, err := x509.ParseCertificate(changed)
	if err != nil {
		return nil
	}
	tbs := bytes.Index(changed, c.RawTBSCertificate)
	c.Raw, c.RawTBSCertificate = der, der[tbs:tbs+len(c.RawTBSCertificate)]
	return c
}
