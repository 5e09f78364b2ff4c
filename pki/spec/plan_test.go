package spec

import (
	"context"
	"crypto/x509"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

// world is a folder of certificates and a clock.
type world struct {
	t     *testing.T
	files fstest.MapFS
	other map[string][]byte // files beside the spec
	now   time.Time
	force bool
}

func newWorld(t *testing.T) *world {
	return &world{t: t, files: fstest.MapFS{}, other: map[string][]byte{}, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
}

func (w *world) read(path string) ([]byte, error) {
	if data, ok := w.other[path]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("read %s: %w", path, fs.ErrNotExist)
}

func (w *world) parse(text string) *Spec {
	w.t.Helper()
	s, err := Read("certs.yaml", []byte(text), ReadOptions{File: w.read})
	require.NoError(w.t, err)
	return s
}

func (w *world) plan(text string) *Plan { return w.planSpec(w.parse(text)) }

func (w *world) planSpec(s *Spec) *Plan {
	w.t.Helper()
	st, err := s.Load(Sources{Out: w.files, OutName: "certs", File: w.read})
	require.NoError(w.t, err)
	return s.Plan(st, w.now, PlanOptions{Force: w.force})
}

func (w *world) apply(text string) *Plan { return w.applySpec(w.parse(text)) }

// applySpec does what the plan says, and demands that a second run finds
// nothing to do.
func (w *world) applySpec(s *Spec) *Plan {
	w.t.Helper()
	p := w.planSpec(s)
	files, err := p.Build(context.Background(), BuildOptions{})
	require.NoError(w.t, err)
	var names []string
	for _, f := range files {
		w.files[f.Path] = &fstest.MapFile{Data: f.Data}
		names = append(names, f.Path)
	}
	var announced []string
	for _, a := range p.Actions {
		announced = append(announced, a.Files...)
	}
	assert.ElementsMatch(w.t, announced, names, "the plan announces the files that are written")
	again := w.planSpec(s)
	assert.False(w.t, again.Changes(), "a second run changes nothing, but: %v", summary(again))
	return p
}

func (w *world) cert(name string) *x509.Certificate {
	w.t.Helper()
	return w.chain(name)[0]
}

func (w *world) chain(name string) []*x509.Certificate {
	w.t.Helper()
	m, err := format.Decode(name, w.files[name+".crt"].Data, format.Options{})
	require.NoError(w.t, err)
	chain, err := certsOf(name, m.Certs)
	require.NoError(w.t, err)
	return chain
}

// summary is one line for each entry: "root keep", "a reissue key: reason; …".
func summary(p *Plan) []string {
	var lines []string
	for _, a := range p.Actions {
		line := a.Name + " " + string(a.Verdict)
		if a.NewKey {
			line += " key"
		}
		if len(a.Reasons) > 0 {
			line += ": " + strings.Join(a.Reasons, "; ")
		}
		lines = append(lines, line)
	}
	return lines
}

const three = `version: 1
cas:
- name: root
  subject: {cn: Root, org: Example}
  validity: 10y
- name: issuing
  ca: root
  path-len: 0
  validity: 5y
certs:
- name: a
  ca: issuing
  names: [10.96.0.50, a.example]
  validity: 90d
- name: b
  ca: issuing
  names: [b.example]
  validity: 90d
`

func TestPlanReasons(t *testing.T) {
	swap := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	later := func(d time.Duration) func(*world) { return func(w *world) { w.now = w.now.Add(d) } }
	remove := func(names ...string) func(*world) {
		return func(w *world) {
			for _, n := range names {
				delete(w.files, n)
			}
		}
	}
	copyFile := func(from, to string) func(*world) {
		return func(w *world) { w.files[to] = w.files[from] }
	}
	junk := func(name string) func(*world) {
		return func(w *world) { w.files[name] = &fstest.MapFile{Data: []byte("junk\n")} }
	}
	forced := func(f func(*world)) func(*world) {
		return func(w *world) { f(w); w.force = true }
	}
	nothing := func(*world) {}

	for _, tt := range []struct {
		name   string
		change func(*world)
		spec   func(string) string
		want   []string // of root, issuing, a, b; "" stands for keep
	}{
		{"nothing to do", nothing, nil, nil},
		{"nothing to do before renew-before", later(59 * issue.Day), nil, nil},
		{
			"renewal in time", later(61 * issue.Day), nil,
			[]string{"", "", "a renew key: expires in 28 days, renew-before is 30d", "b renew key: expires in 28 days, renew-before is 30d"},
		},
		{
			"renewal with the same key", later(80 * issue.Day), func(s string) string { return s + "  reuse-key: true\n" },
			[]string{"", "", "a renew key: expires in 9 days, renew-before is 30d", "b renew: expires in 9 days, renew-before is 30d"},
		},
		{
			"hours left", later(90*issue.Day - 3*time.Hour), nil,
			[]string{"", "", "a renew key: expires in 2h, renew-before is 30d", "b renew key: expires in 2h, renew-before is 30d"},
		},
		{
			"expired", later(91 * issue.Day), nil,
			[]string{"", "", "a renew key: expired on 2027-02-19", "b renew key: expired on 2027-02-19"},
		},
		{
			"clock set back", later(-time.Hour), nil,
			[]string{"root renew: is not valid before 2026-11-21", "issuing renew: is not valid before 2026-11-21", "a renew key: is not valid before 2026-11-21", "b renew key: is not valid before 2026-11-21"},
		},
		{
			"own renew-before", later(50 * issue.Day), func(s string) string { return s + "  renew-before: 41d\n" },
			[]string{"", "", "", "b renew key: expires in 39 days, renew-before is 41d"},
		},
		{
			"names", nothing, swap("10.96.0.50", "10.96.0.51, b.example"),
			[]string{"", "", "a reissue key: names differ: +IP:10.96.0.51 +DNS:b.example -IP:10.96.0.50", ""},
		},
		{
			"many names", nothing, swap("10.96.0.50", "10.96.0.50, c1.example, c2.example, c3.example, c4.example, c5.example, c6.example, c7.example"),
			[]string{"", "", "a reissue key: names differ: +DNS:c1.example +DNS:c2.example +DNS:c3.example +DNS:c4.example +DNS:c5.example and 2 more", ""},
		},
		{"order of names", nothing, swap("10.96.0.50, a.example", "a.example, 10.96.0.50"), nil},
		{
			"usage", nothing, func(s string) string { return s + "  client: true\n" },
			[]string{"", "", "", "b reissue key: usages differ: +clientAuth"},
		},
		{
			"subject", nothing, func(s string) string { return s + "  subject: {org: Example}\n" },
			[]string{"", "", "", `b reissue key: subject is "CN=b.example", the spec wants "O=Example"`},
		},
		{
			"key type", nothing, func(s string) string { return s + "  key-type: ecdsa-p384\n  reuse-key: true\n" },
			[]string{"", "", "", "b reissue key: key type is ecdsa-p256, the spec wants ecdsa-p384"},
		},
		{
			"validity", nothing, swap("[b.example]\n  validity: 90d", "[b.example]\n  validity: 100d"),
			[]string{"", "", "", "b reissue key: validity is 90d, the spec wants 100d"},
		},
		{"validity no longer said", nothing, swap("[b.example]\n  validity: 90d", "[b.example]"), nil},
		{
			"several reasons", later(70 * issue.Day), swap("[b.example]", "[c.example]"),
			[]string{"", "", "a renew key: expires in 19 days, renew-before is 30d", "b reissue key: names differ: +DNS:c.example -DNS:b.example; expires in 19 days, renew-before is 30d"},
		},
		{
			"another CA", nothing, swap("- name: b\n  ca: issuing", "- name: b\n  ca: root"),
			[]string{"", "", "", "b reissue key: is issued by \"CN=crpki intermediate CA DIGITS\", not by root"},
		},
		{
			"self-signed from now on", nothing, swap("- name: b\n  ca: issuing", "- name: b\n  self-signed: true"),
			[]string{"", "", "", "b reissue: is issued by \"CN=crpki intermediate CA DIGITS\", the spec wants it self-signed"},
		},
		{"certificate gone", remove("b.crt"), nil, []string{"", "", "", "b create: certs/b.crt is missing; certs/b.key is kept"}},
		{"key gone", remove("b.key"), nil, []string{"", "", "", "b reissue key: certs/b.key is missing"}},
		{"both gone", remove("b.key", "b.crt"), nil, []string{"", "", "", "b create key"}},
		{"foreign key", copyFile("a.key", "b.key"), nil, []string{"", "", "", "b reissue key: certs/b.key is not the key of certs/b.crt"}},
		{
			"foreign certificate", copyFile("a.crt", "b.crt"), nil,
			[]string{"", "", "", "b reissue key: certs/b.key is not the key of certs/b.crt; names differ: +DNS:b.example -DNS:a.example -IP:10.96.0.50"},
		},
		{
			"CA in the place of a certificate", copyFile("issuing.crt", "b.crt"), nil,
			[]string{"", "", "", "b reissue key: certs/b.key is not the key of certs/b.crt; is issued by \"CN=Root,O=Example\", not by issuing; names differ: +DNS:b.example; usages differ: +serverAuth; it is a CA certificate; validity is 1825d, the spec wants 90d"},
		},
		{"junk for a certificate", junk("b.crt"), nil, []string{"", "", "", "b refuse: certs/b.crt: JUNK"}},
		{"junk for a certificate, forced", forced(junk("b.crt")), nil, []string{"", "", "", "b reissue key: certs/b.crt: JUNK"}},
		{"junk for a key", junk("b.key"), nil, []string{"", "", "", "b refuse: certs/b.key: JUNK"}},
		{"junk for a key, forced", forced(junk("b.key")), nil, []string{"", "", "", "b reissue key: certs/b.key: JUNK"}},
		{
			"chain incomplete", func(w *world) { w.files["b.crt"] = &fstest.MapFile{Data: format.EncodeCerts(w.cert("b"))} }, nil,
			[]string{"", "", "", "b rebundle: the chain behind it is not that of its CA"},
		},
		{
			"new entry", nothing, func(s string) string { return s + "- {name: c, ca: issuing, names: c.example}\n" },
			[]string{"", "", "", "", "c create key"},
		},
		{"force changes nothing by itself", forced(nothing), nil, nil},

		{
			"intermediate in time", later(5*365*issue.Day - 364*issue.Day), swap("validity: 90d\n- name: b", "validity: 5y\n- name: b"),
			[]string{
				"", "issuing renew: expires in 363 days, renew-before is 365d",
				"a reissue key: validity is 90d, the spec wants 1825d; expired on 2027-02-19", "b renew key: expired on 2027-02-19",
			},
		},
		{
			"root in time, which changes nothing below", func(w *world) {
				w.now = w.now.Add(9*365*issue.Day + 10*issue.Day)
			}, nil,
			[]string{
				"root renew: expires in 354 days, renew-before is 365d", "issuing renew: expired on 2031-11-20",
				"a renew key: expired on 2027-02-19", "b renew key: expired on 2027-02-19",
			},
		},
		{
			"path length of a CA", nothing, swap("path-len: 0", "path-len: 1"),
			[]string{"", "issuing reissue: path-len is 0, the spec wants 1", "a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new"},
		},
		{"path length no longer said", nothing, swap("  path-len: 0\n", ""), nil},
		{
			"a CA below needs room", nothing, func(s string) string {
				return strings.Replace(strings.Replace(s, "  path-len: 0\n", "", 1), "certs:\n", "- {name: low, ca: issuing}\ncerts:\n", 1)
			},
			[]string{
				"", "issuing reissue: path-len is 0, which leaves no room for the CAs below it", "low create key",
				"a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new",
			},
		},
		{
			"name constraints", nothing, swap("  path-len: 0\n", "  path-len: 0\n  permit-dns: example\n  permit-ip: [10.0.0.0/8]\n"),
			[]string{"", "issuing reissue: permit-dns differs: +example; permit-ip differs: +10.0.0.0/8", "a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new"},
		},
		{
			"root's own content", nothing, swap("org: Example}\n", "org: Example}\n  path-len: 3\n"),
			[]string{"root reissue: path-len is unlimited, the spec wants 3", "issuing rebundle: its chain changes: root.crt is new", "", ""},
		},
		{
			"another CA above a CA", nothing, swap("cas:\n", "cas:\n- {name: other}\n"),
			[]string{"other create key", "", "", "", ""},
		},

		{
			"CA's subject", nothing, swap("cn: Root", "cn: Other"),
			[]string{`root refuse: subject is "CN=Root,O=Example", the spec wants "CN=Other,O=Example"`, "", "", ""},
		},
		{
			"CA's subject, permitted", nothing, swap("cn: Root, org: Example}", "cn: Other}\n  allow-replace: true"),
			[]string{
				`root reissue: subject is "CN=Root,O=Example", the spec wants "CN=Other"`, "issuing reissue: its CA root gets another subject",
				"a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new",
			},
		},
		{
			"CA's key type", nothing, swap("org: Example}\n", "org: Example}\n  key-type: rsa-2048\n"),
			[]string{"root refuse: key type is ecdsa-p256, the spec wants rsa-2048", "", "", ""},
		},
		{
			"CA's key type, permitted", nothing, swap("org: Example}\n", "org: Example}\n  key-type: ecdsa-p384\n  allow-replace: true\n"),
			[]string{
				"root reissue key: key type is ecdsa-p256, the spec wants ecdsa-p384", "issuing reissue: its CA root gets a new key",
				"a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new",
			},
		},
		{
			"intermediate's key type, forced", forced(nothing), swap("path-len: 0", "path-len: 0\n  key-type: ecdsa-p384"),
			[]string{
				"", "issuing reissue key: key type is ecdsa-p256, the spec wants ecdsa-p384",
				"a reissue key: its CA issuing gets a new key", "b reissue key: its CA issuing gets a new key",
			},
		},
		{
			"CA's key is another", copyFile("a.key", "issuing.key"), nil,
			[]string{"", "issuing refuse: certs/issuing.key is not the key of certs/issuing.crt", "", ""},
		},
		{
			"CA's key is another, forced", forced(copyFile("a.key", "issuing.key")), nil,
			[]string{
				"", "issuing reissue: certs/issuing.key is not the key of certs/issuing.crt",
				"a reissue key: its CA issuing gets a new key", "b reissue key: its CA issuing gets a new key",
			},
		},
		{"junk for a CA's key", junk("root.key"), nil, []string{"root refuse: certs/root.key: JUNK", "", "", ""}},
		{"junk for a CA's certificate", junk("root.crt"), nil, []string{"root refuse: certs/root.crt: JUNK", "", "", ""}},
		{
			"junk for a CA's certificate, forced", forced(junk("root.crt")), nil,
			[]string{
				"root reissue: certs/root.crt: JUNK", "issuing reissue: its CA root is made anew",
				"a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new",
			},
		},
		{
			"no CA in the place of a CA", copyFile("a.crt", "root.crt"), nil,
			[]string{"root refuse: certs/root.crt is not a CA certificate", `issuing reissue: is issued by "CN=Root,O=Example", not by root`, "a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new"},
		},
		{
			"CA's certificate gone", remove("root.crt"), nil,
			[]string{
				"root create: certs/root.crt is missing; certs/root.key is kept", "issuing reissue: its CA root is new",
				"a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new",
			},
		},
		{
			"CA gone", remove("root.crt", "root.key"), nil,
			[]string{
				"root create key", "issuing reissue: its CA root is new",
				"a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new",
			},
		},
		{"an offline root does no harm", remove("root.key"), nil, nil},
		{
			"an offline root is not needed to add a server", remove("root.key"), swap("[b.example]", "[c.example]"),
			[]string{"", "", "", "b reissue key: names differ: +DNS:c.example -DNS:b.example"},
		},
		{
			"an offline root is needed", remove("root.key"), swap("path-len: 0", "path-len: 1"),
			[]string{"", "issuing refuse: path-len is 0, the spec wants 1; certs/root.key is missing, which has to sign it", "", ""},
		},
		{
			"an offline root is needed, forced", forced(remove("root.key")), swap("path-len: 0", "path-len: 1"),
			[]string{
				"root reissue key: certs/root.key is missing, and issuing has to be signed", "issuing reissue: its CA root gets a new key; path-len is 0, the spec wants 1",
				"a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new",
			},
		},
		{
			"an offline intermediate cannot renew", func(w *world) { remove("issuing.key")(w); later(70 * issue.Day)(w) }, nil,
			[]string{"", "", "a refuse: expires in 19 days, renew-before is 30d; certs/issuing.key is missing, which has to sign it", "b refuse: expires in 19 days, renew-before is 30d; certs/issuing.key is missing, which has to sign it"},
		},
		{
			"a root that ends and is offline stays while it serves", func(w *world) {
				remove("root.key")(w)
				later(9*365*issue.Day + 10*issue.Day)(w)
			}, swap("- name: issuing\n  ca: root\n  path-len: 0\n  validity: 5y", "- name: issuing\n  ca: root\n  path-len: 0"),
			[]string{
				"root keep: expires in 354 days, renew-before is 365d; but certs/root.key is missing, so it stays for now",
				"issuing refuse: expired on 2031-11-20; certs/root.key is missing, which has to sign it", "a renew key: expired on 2027-02-19", "b renew key: expired on 2027-02-19",
			},
		},
		{
			"intermediate without its own key can be signed again", remove("issuing.key"), swap("path-len: 0", "path-len: 1"),
			[]string{"", "issuing reissue: path-len is 0, the spec wants 1", "a rebundle: its chain changes: issuing.crt is new", "b rebundle: its chain changes: issuing.crt is new"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(three)
			tt.change(w)
			text := three
			if tt.spec != nil {
				text = tt.spec(text)
			}
			p := w.plan(text)
			got := summary(p)
			names := []string{"root", "issuing", "a", "b"}
			want := tt.want
			if want == nil {
				want = make([]string, len(names))
			}
			if len(want) != 4 {
				names = strings.Fields(strings.Join(mapWords(got), " "))
			}
			for i := range want {
				if want[i] == "" {
					want[i] = names[i] + " keep"
				}
				want[i] = strings.ReplaceAll(want[i], "JUNK", junkReason(want[i]))
			}
			assert.Equal(t, strings.Join(want, "\n"), withoutDigits(strings.Join(got, "\n")))
			if p.Err() == nil {
				w.apply(text)
			}
		})
	}
}

func mapWords(lines []string) []string {
	var names []string
	for _, l := range lines {
		name, _, _ := strings.Cut(l, " ")
		names = append(names, name)
	}
	return names
}

// junkReason is what package format says of the word "junk".
func junkReason(line string) string {
	_, err := format.Decode("x", []byte("junk\n"), format.Options{})
	return strings.TrimPrefix(err.Error(), "x: ")
}

// withoutDigits hides the digits of a key in the name of a CA.
func withoutDigits(text string) string {
	const mark = "intermediate CA "
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, mark)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(mark + "DIGITS")
		text = after[8:]
	}
}
