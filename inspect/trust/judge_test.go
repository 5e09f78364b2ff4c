package trust

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

func mustReference(t testing.TB, text string) Reference {
	t.Helper()
	r, err := ParseReference(text)
	require.NoError(t, err)
	return r
}

// decision is a registry that is verified with the given anchors.
func decision(t testing.TB, ref string, cas ...testCA) Decision {
	t.Helper()
	r := mustReference(t, ref)
	e := Endpoint{Host: r.Registry, Scheme: HTTPS, System: &SystemPool{}, Decided: Place{File: "/setting"}}
	for i, ca := range cas {
		e.CAs = append(e.CAs, Anchor{Cert: pki.NewCert(pki.Origin{}, ca.cert.Raw), File: fmt.Sprintf("/ca%d.crt", i), Line: 1})
	}
	return Decision{Reference: r, Endpoints: []Endpoint{e}, Wrap: func(a []Attempt) string { return `Get "` + a[0].URL("/v2/") + `": ` + a[0].Error }}
}

func TestJudge(t *testing.T) {
	ca, other := newCA(t, "A", nil), newCA(t, "B", nil)
	again := newCA(t, "A", nil)
	expired := newCA(t, "A", func(c *x509.Certificate) { c.NotAfter = testNow.AddDate(0, -1, 0) })
	leaf := ca.server(t, nil, "reg.example", "10.0.0.5")
	self := issue(t, nil, &x509.Certificate{DNSNames: []string{"reg.example"}}, nil)
	const failed = "tls: failed to verify certificate: x509: "
	for name, test := range map[string]struct {
		decision Decision
		chain    []pki.Cert
		verdict  Verdict
		cause    string
		decided  string
	}{
		"trusted":               {decision(t, "reg.example", other, ca), chainOf(leaf), Trusted, "", "/ca1.crt"},
		"address":               {decision(t, "10.0.0.5:5000/x", ca), chainOf(leaf), Trusted, "", "/ca0.crt"},
		"the leaf is an anchor": {decision(t, "reg.example", self), chainOf(self), Trusted, "", "/ca0.crt"},
		"unknown":               {decision(t, "reg.example", other), chainOf(leaf), Untrusted, failed + "certificate signed by unknown authority", "/setting"},
		"same name, other key":  {decision(t, "reg.example", again), chainOf(leaf), Untrusted, failed + `certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "A")`, "/setting"},
		"other name":            {decision(t, "other.example", ca), chainOf(leaf), Untrusted, failed + "certificate is valid for reg.example, not other.example", "/setting"},
		"expired CA":            {decision(t, "reg.example", expired), chainOf(expired.server(t, nil, "reg.example")), Untrusted, failed + "certificate has expired or is not yet valid: current time 2026-11-21T00:00:00Z is after 2026-10-21T00:00:00Z", "/setting"},
		"nothing was sent":      {decision(t, "reg.example", ca), nil, Untrusted, "tls: received empty certificates message", "/setting"},
	} {
		t.Run(name, func(t *testing.T) {
			j := Judge(test.decision, []Presented{{Chain: test.chain}}, testNow)
			assert.Equal(t, test.verdict, j.Verdict)
			assert.Equal(t, test.cause, j.Cause)
			assert.Equal(t, test.decided, j.Decided.File)
			if test.cause != "" {
				assert.Equal(t, `Get "https://`+test.decision.Endpoints[0].Host+`/v2/": `+test.cause, j.Message)
			}
			assert.Equal(t, test.verdict == Trusted, j.Anchor != nil)
			if name == "expired CA" {
				assert.Equal(t, "CN=A in /ca0.crt", j.Culprit)
			}
		})
	}
}

func TestJudgeWithoutVerification(t *testing.T) {
	leaf := newCA(t, "A", nil).server(t, nil, "reg.example")
	d := decision(t, "reg.example")
	d.Endpoints[0].SkipVerify, d.Endpoints[0].Fallback = true, FallbackAlways
	assert.Equal(t, SkipsVerify, Judge(d, []Presented{{Chain: chainOf(leaf)}}, testNow).Verdict)
	assert.Equal(t, PlainHTTP, Judge(d, []Presented{{PlainHTTP: true}}, testNow).Verdict)
	j := Judge(d, []Presented{{Chain: chainOf(leaf), Refusal: "remote error: tls: certificate required"}}, testNow)
	assert.Equal(t, Untrusted, j.Verdict)
	require.Len(t, j.Attempts, 2)
	assert.Equal(t, HTTP, j.Attempts[1].Scheme)

	d = decision(t, "reg.example")
	j = Judge(d, []Presented{{PlainHTTP: true}}, testNow)
	assert.Equal(t, Untrusted, j.Verdict)
	assert.Equal(t, `Get "https://reg.example/v2/": http: server gave HTTP response to HTTPS client`, j.Message)
	d.Endpoints[0].Scheme = HTTP
	assert.Empty(t, Judge(d, []Presented{{PlainHTTP: true}}, testNow).Message)
	assert.NotEmpty(t, Judge(d, []Presented{{Chain: chainOf(leaf)}}, testNow).Message, "HTTP to a TLS server")
}

func TestJudgeInOrder(t *testing.T) {
	ca := newCA(t, "A", nil)
	leaf, mirror := ca.server(t, nil, "reg.example"), ca.server(t, nil, "mirror.example")
	d := decision(t, "reg.example/x", ca)
	m := d.Endpoints[0]
	m.Host, m.Mirror, m.CAs = "mirror.example:5000", true, nil
	d.Endpoints = []Endpoint{m, d.Endpoints[0]}

	j := Judge(d, []Presented{{Chain: chainOf(leaf)}}, testNow)
	assert.Equal(t, Trusted, j.Verdict, "the mirror was not looked at")
	assert.Equal(t, []string{"mirror.example:5000"}, j.Unjudged)

	j = Judge(d, []Presented{{Chain: chainOf(leaf)}, {Host: "mirror.example:5000", Chain: chainOf(mirror)}}, testNow)
	assert.Equal(t, Trusted, j.Verdict, "the next endpoint serves")
	assert.Empty(t, j.Message)
	require.Len(t, j.Attempts, 1)

	d.Endpoints[1].Failure = &Failure{Text: "broken", Place: Place{File: "/broken"}}
	j = Judge(d, []Presented{{Host: "mirror.example:5000", Chain: chainOf(mirror)}}, testNow)
	assert.Equal(t, ConfigError, j.Verdict, "of two failures the registry's own counts")
	assert.Equal(t, "/broken", j.Decided.File)

	d.Endpoints = d.Endpoints[:1]
	j = Judge(d, []Presented{{Chain: chainOf(leaf)}}, testNow)
	assert.Equal(t, NotContacted, j.Verdict)

	d.Failure = &Failure{Text: "missing key", Message: "Error: missing key", Place: Place{File: "/x.cert"}}
	j = Judge(d, nil, testNow)
	assert.Equal(t, ConfigError, j.Verdict)
	assert.Equal(t, "Error: missing key", j.Message)
}

func TestGoReleasesDiffer(t *testing.T) {
	ca := newCA(t, "A", nil)
	var names []string
	for i := range 120 {
		names = append(names, fmt.Sprintf("n%d.example", i))
	}
	leaf := ca.server(t, nil, names...)
	d := decision(t, "reg.example", ca)
	j := Judge(d, []Presented{{Chain: chainOf(leaf)}}, testNow)
	assert.Equal(t, "tls: failed to verify certificate: x509: certificate is valid for 120 names, but none matched reg.example", j.Cause)
	d.Installation.GoVersion = "1.19.8"
	j = Judge(d, []Presented{{Chain: chainOf(leaf)}}, testNow)
	assert.Equal(t, "x509: certificate is valid for "+strings.Join(names, ", ")+", not reg.example", j.Cause)

	// A negative serial number: made by hand, for Go makes none.
	bad := append([]byte(nil), ca.server(t, nil, "reg.example").cert.Raw...)
	at := serialAt(bad)
	require.Equal(t, byte(1), bad[at], "the serial number is 1")
	bad[at] = 0x81
	chain := []pki.Cert{pki.NewCert(pki.Origin{}, bad)}
	require.Error(t, chain[0].Err)
	d.Installation.GoVersion = "1.23.1"
	assert.Equal(t, "tls: failed to parse certificate from server: x509: negative serial number", Judge(d, []Presented{{Chain: chain}}, testNow).Cause)
	d.Installation.GoLine = "1.22.0"
	assert.Contains(t, Judge(d, []Presented{{Chain: chain}}, testNow).Cause, "certificate signed by unknown authority", "it is read, and its signature does not fit")
}
