package spec

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/issue"
)

const full = `# a whole set
version: 1
out-dir: out
defaults: {key-type: ecdsa-p384, validity: 90d, ca-validity: 5y, renew-before: 20d, client: true}
x-names: &lan [10.96.0.50, registry.example.internal]
cas:
  - name: issuing
    ca: root
    path-len: 0
    validity: 1y
  - name: root
    subject: {cn: Example Registry CA, org: [Example, Example Two], org-unit: U, country: DE, state: S, locality: L}
    key-type: rsa-3072
    permit-dns: [example.internal, svc.cluster.local]
    permit-ip: 10.0.0.0/8
    allow-replace: true
  - name: corp
    from: {cert: ../corp.pem, key: /etc/corp.key}
certs:
  - name: a
    ca: issuing
    names: *lan
    dns: "*.example.internal"
    ip: [10.0.0.1, 10.0.0.2]
    uri: spiffe://example.internal/a
    email: a@example.internal
    preset: connected-registry
    service: infra/registry
    ha: true
  - name: b
    self-signed: true
    names: "10.1.1.1, b.example"
    client: false
    subject: {cn: b.example}
    validity: 30d
    renew-before: 5d
`

func mustRead(t *testing.T, text string) *Spec {
	t.Helper()
	s, err := Read("certs.yaml", []byte(text), ReadOptions{})
	require.NoError(t, err)
	return s
}

func TestReadTakesEveryField(t *testing.T) {
	s := mustRead(t, full)
	assert.Equal(t, "out", s.OutDir)
	require.Len(t, s.CAs, 3)
	require.Len(t, s.Certs, 2)

	issuing, root, corp := s.CAs[0], s.CAs[1], s.CAs[2]
	assert.Equal(t, "root", issuing.Issuer)
	assert.Equal(t, 0, issuing.PathLen)
	assert.Equal(t, issue.ECDSAP384, issuing.KeyType, "from defaults")
	assert.Equal(t, 365*issue.Day, issuing.Lifetime)
	assert.Equal(t, -1, root.PathLen)
	assert.Equal(t, 5*365*issue.Day, root.Lifetime, "defaults.ca-validity")
	assert.Equal(t, issue.RSA3072, root.KeyType)
	assert.Equal(t, "CN=Example Registry CA,OU=U,O=Example+O=Example Two,L=L,ST=S,C=DE", root.Subject.String())
	assert.Equal(t, []string{"example.internal", "svc.cluster.local"}, root.Constraints.PermitDNS)
	assert.Equal(t, "[10.0.0.0/8]", fmt.Sprint(root.Constraints.PermitIP))
	assert.True(t, root.AllowReplace)
	assert.Equal(t, &Files{"../corp.pem", "/etc/corp.key"}, corp.From)

	a, b := s.Certs[0], s.Certs[1]
	assert.Equal(t, "issuing", a.Issuer)
	assert.Equal(t, []string{
		"IP:10.96.0.50", "DNS:registry.example.internal", "DNS:*.example.internal", "IP:10.0.0.1", "IP:10.0.0.2",
		"URI:spiffe://example.internal/a", "email:a@example.internal",
		"DNS:connected-registry.connected-registry.svc.cluster.local", "DNS:connected-registry.connected-registry.svc",
		"DNS:connected-registry-rstorage.connected-registry.svc.cluster.local", "DNS:connected-registry-rstorage.connected-registry.svc",
		"DNS:registry", "DNS:registry.infra", "DNS:registry.infra.svc", "DNS:registry.infra.svc.cluster.local",
	}, a.Names.Strings())
	assert.True(t, a.Client, "from defaults")
	assert.False(t, a.ReuseKey)
	assert.Equal(t, 90*issue.Day, a.Lifetime)
	assert.Equal(t, 20*issue.Day, a.RenewBefore)
	assert.True(t, b.SelfSigned)
	assert.False(t, b.Client)
	assert.True(t, b.ReuseKey, "a self-signed certificate is trusted by its key")
	assert.Equal(t, []string{"IP:10.1.1.1", "DNS:b.example"}, b.Names.Strings())
	assert.Equal(t, 5*issue.Day, b.RenewBefore)
}

func TestReadTakesOneCAForGranted(t *testing.T) {
	s := mustRead(t, "version: 1\ncas: [{name: root}]\ncerts: [{name: a, names: a.example}]\n")
	assert.Equal(t, "root", s.Certs[0].Issuer)
	assert.Equal(t, DefaultOutDir, s.OutDir)
}

func TestReadRemarksOnWhatItNormalises(t *testing.T) {
	s := mustRead(t, "version: 1\ncas: [{name: root}]\ncerts:\n- name: a\n  names: https://reg.example:5000/v2/\n")
	require.Len(t, s.Remarks, 1)
	assert.Equal(t, "certs.yaml:5:10", s.Remarks[0].Pos.String())
	assert.Contains(t, s.Remarks[0].Message, "reg.example")
}

// problem is the text of the only problem of a spec, or of all of them.
func problems(t *testing.T, source, text string) string {
	t.Helper()
	_, err := Read(source, []byte(text), ReadOptions{})
	require.Error(t, err)
	require.ErrorAs(t, err, new(Problems))
	return err.Error()
}

func TestReadTellsWhatIsWrongAndWhere(t *testing.T) {
	const ca = "version: 1\ncas:\n- name: root\n"
	const cert = ca + "certs:\n- name: a\n  names: [a.example]\n"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "certs.yaml: the file is empty"},
		{"comments only", "# nothing\n", "certs.yaml: the file is empty"},
		{"a list", "- a\n", "certs.yaml:1:1: a spec begins with version: 1, but this is a list"},
		{"a text", "hello\n", `certs.yaml:1:1: a spec begins with version: 1, but this is "hello"`},
		{"a private key", "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBpTjMF0\n-----END EC PRIVATE KEY-----\n", "certs.yaml:1:1: a spec begins with version: 1, but this is PEM"},
		{"binary", "\x30\x82\x01\x0a", "certs.yaml: line 1 holds the byte 0x82: this is not a text file in UTF-8"},
		{"UTF-16", "\xff\xfev\x00", "certs.yaml: the file is UTF-16: save it as UTF-8"},
		{"not YAML", "version: 1\n\tcas: []\n", "certs.yaml:2:1: not YAML: found character '\t' that cannot start any token"},
		{"unclosed list", "version: 1\ncas: [a\n", "certs.yaml:2:6: not YAML: sequence end token ']' not found"},
		{"two documents", ca + "---\n" + ca, "certs.yaml:4:1: a second YAML document begins here: a spec is one document"},
		{"no version", "cas:\n- name: root\n", "certs.yaml:1:1: version is missing: begin the file with version: 1"},
		{"version 2", "version: 2\ncas:\n- name: root\n", `certs.yaml:1:10: version "2" is not known: this program reads version 1`},
		{"nothing to make", "version: 1\n", "certs.yaml: the spec makes nothing: give entries under cas or certs"},
		{"misspelt key", cert + "  nmaes: x\n", `certs.yaml:7:3: unknown key "nmaes" in an entry of certs: did you mean "names"?`},
		{"camel case", cert + "  keyType: rsa-2048\n", `certs.yaml:7:3: unknown key "keyType" in an entry of certs: did you mean "key-type"?`},
		{"another tool's word", cert + "  sans: x\n", `certs.yaml:7:3: unknown key "sans" in an entry of certs: did you mean "names"?`},
		{"key at the wrong level", ca + "validity: 1y\n", `certs.yaml:4:1: unknown key "validity" in the spec: it belongs under defaults or cas or certs`},
		{"a CA for CAs", "version: 1\nca: {name: r}\n", `certs.yaml:2:1: unknown key "ca" in the spec: did you mean "cas"?`},
		{"unlike any key", ca + "from-where: 1y\n", `certs.yaml:4:1: unknown key "from-where" in the spec: it takes version, out-dir, defaults, cas, certs`},
		{"duplicate key", cert + "  name: b\n", "certs.yaml:7:3: name is given twice: first in line 5"},
		{"merge key is no duplicate, but a list is no base", "version: 1\nx-a: &a [1]\ncas:\n- <<: *a\n  name: root\n", "certs.yaml:4:3: << takes a mapping, or a list of them"},
		{"star without quotes", ca + "certs:\n- name: a\n  names: [*.example.com]\n", "certs.yaml:6:11: in YAML a leading * refers to an anchor, and there is no &.example.com above: put quotes around the value: \"*.example.com\""},
		{"tag", ca + "certs:\n- name: !!str a\n  names: a\n", `certs.yaml:5:9: the tag "!!str" has no place in a spec`},
		{"cas is a mapping", "version: 1\ncas: {name: root}\n", "certs.yaml:2:7: cas has to be a list (- name: …), but this is a mapping"},
		{"an entry is a text", "version: 1\ncas: [root]\n", `certs.yaml:2:7: an entry of cas has to be a mapping (key: value), but this is "root"`},
		{"empty entry", "version: 1\ncas:\n-\n", "certs.yaml:3:3: an entry of cas is empty"},
		{"no name", "version: 1\ncas:\n- path-len: 0\n", "certs.yaml:3:3: name is missing: it becomes the name of the files"},
		{"a misspelt name is not missing", "version: 1\ncas: [{name: r}, {name: s}]\ncerts:\n- nmae: a\n", `certs.yaml:4:3: unknown key "nmae" in an entry of certs: did you mean "name"?`},
		{"name without value", "version: 1\ncas:\n- name:\n", "certs.yaml:3:9: the value is missing"},
		{"boolean for a name", "version: 1\ncas:\n- name: true\n", `certs.yaml:3:9: true stands for a truth value: put quotes around it if it is a word ("true")`},
		{"path as a name", "version: 1\ncas:\n- name: ../root\n", `certs.yaml:3:9: name "../root": it is the name of a file, not a path: the folder is out-dir`},
		{"backslash in a name", `{"version": 1, "cas": [{"name": "a\\b"}]}`, `certs.yaml:1:33: name "a\\b": it is the name of a file, not a path: the folder is out-dir`},
		{"dots as a name", "version: 1\ncas:\n- name: ..\n", `certs.yaml:3:9: name "..": it is the name of a file, not a path: the folder is out-dir`},
		{"host as a name", "version: 1\ncas:\n- name: '*.example'\n", `certs.yaml:3:9: name "*.example": use letters a to z, digits, - _ and . only; the names that clients dial go under names`},
		{"hidden file", "version: 1\ncas:\n- name: .root\n", `certs.yaml:3:9: name ".root": it must begin with a letter or digit, or the files are hidden or taken for flags`},
		{"Windows device", "version: 1\ncas:\n- name: CON.a\n", `certs.yaml:3:9: name "CON.a": Windows keeps it for a device`},
		{"numbered device", "version: 1\ncas:\n- name: lpt1\n", `certs.yaml:3:9: name "lpt1": Windows keeps it for a device`},
		{"long name", "version: 1\ncas:\n- name: " + strings.Repeat("a", 129) + "\n", `certs.yaml:3:9: name "` + strings.Repeat("a", 60) + `…": it has more than 128 characters`},
		{"duplicate name", ca + "- name: root\n", `certs.yaml:4:9: name "root" is taken: by the entry in line 3`},
		{"CA and certificate of one name", ca + "certs: [{name: root, names: a}]\n", `certs.yaml:4:16: name "root" is taken: by the entry in line 3`},
		{"names that differ by case", ca + "- name: Root\n", `certs.yaml:4:9: name "Root" differs from "root" in line 3 by case only, which is one file on many systems`},
		{"unknown CA", cert + "  ca: issuing\n", `certs.yaml:7:7: ca "issuing" is not in the spec: there are root`},
		{"misspelt CA", cert + "  ca: rot\n", `certs.yaml:7:7: ca "rot" is not in the spec: did you mean "root"?`},
		{"certificate as CA", cert + "- {name: b, names: b, ca: a}\n", `certs.yaml:7:27: ca "a" is an entry of certs: only those of cas can sign`},
		{"no CA at all", "version: 1\ncerts: [{name: a, names: a}]\n", "certs.yaml:2:10: a has no CA: add one under cas, or write self-signed: true"},
		{"which CA", ca + "- name: other\ncerts: [{name: a, names: a}]\n", "certs.yaml:5:10: which CA signs a? Write ca: with one of root, other"},
		{"self-signed with a CA", cert + "  self-signed: true\n  ca: root\n", "certs.yaml:8:7: a is self-signed and has a CA: leave one of them out"},
		{"own CA", "version: 1\ncas: [{name: root, ca: root}]\n", "certs.yaml:2:24: root names itself as its CA: leave ca out, and it is a root"},
		{"circle", "version: 1\ncas:\n- {name: a, ca: b}\n- {name: b, ca: c}\n- {name: c, ca: b}\n", "certs.yaml:4:17: the CAs sign each other in a circle: b ← c ← b"},
		{"path length", "version: 1\ncas:\n- {name: a, path-len: 0}\n- {name: b, ca: a}\n", "certs.yaml:4:17: b stands below a, whose path-len 0 allows no CA below it"},
		{"path length further up", "version: 1\ncas:\n- {name: a, path-len: 1}\n- {name: b, ca: a}\n- {name: c, ca: b}\n", "certs.yaml:5:17: c stands below a, whose path-len 1 allows one CA below it"},
		{"path length of a CA below", "version: 1\ncas:\n- {name: a, path-len: 2}\n- {name: b, ca: a, path-len: 2}\n", "certs.yaml:4:17: b with path-len 2 stands below a, whose path-len 2 allows 2 CAs below it"},
		{"a tower", "version: 1\ncas: [{name: a}, {name: b, ca: a}, {name: c, ca: b}, {name: d, ca: c}, {name: e, ca: d}, {name: f, ca: e}, {name: g, ca: f}, {name: h, ca: g}, {name: i, ca: h}]\n", "certs.yaml:2:158: i has 8 CAs or more above it: clients do not follow such a chain"},
		{"path-len in words", ca + "  path-len: none\n", `certs.yaml:4:13: this is "none": it has to be a whole number from 0 to 100`},
		{"negative path-len", ca + "  path-len: -1\n", `certs.yaml:4:13: this is "-1": it has to be a whole number from 0 to 100`},
		{"key type", ca + "  key-type: rsa\n", `certs.yaml:4:13: key type "rsa": not one of ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096, ed25519`},
		{"duration without unit", ca + "  validity: 90\n", `certs.yaml:4:13: lifetime "90": 90 of what?: write it like 90d, 2160h, 12w or 1y`},
		{"duration of nothing", ca + "  validity: 0d\n", `certs.yaml:4:13: lifetime "0d": it must be longer than nothing: write it like 90d, 2160h, 12w or 1y`},
		{"truth value", cert + "  client: yes\n", `certs.yaml:7:11: this is "yes": it has to be true or false`},
		{"renewal as long as the life", cert + "  validity: 30d\n  renew-before: 30d\n", "certs.yaml:8:17: a: renew-before 30d is not shorter than its validity 30d: every run would renew it"},
		{"the same by defaults", "version: 1\ndefaults: {validity: 10d, renew-before: 30d}\ncas: [{name: root}]\n", "certs.yaml:2:41: renew-before is not shorter than validity: every run would renew"},
		{"longer than the CA", ca + "  validity: 30d\ncerts: [{name: a, names: a, validity: 31d}]\n", "certs.yaml:5:39: a: validity 31d is longer than that of its CA root (30d)"},
		{"no names", ca + "certs: [{name: a}]\n", "certs.yaml:4:10: a has no names: list the DNS names and IP addresses by which clients dial it under names"},
		{"empty names", ca + "certs: [{name: a, names: []}]\n", "certs.yaml:4:10: a has no names: list the DNS names and IP addresses by which clients dial it under names"},
		{"bad name", ca + "certs: [{name: a, names: [a.example, 10.0.0.0/8]}]\n", `certs.yaml:4:38: name "10.0.0.0/8":`},
		{"wrong kind of name", ca + "certs: [{name: a, dns: 10.0.0.1}]\n", `certs.yaml:4:24: name "10.0.0.1":`},
		{"list in a list", ca + "certs: [{name: a, names: [[a]]}]\n", "certs.yaml:4:27: this is a list: it has to be a single value"},
		{"unknown preset", cert + "  preset: harbour\n", `certs.yaml:7:11: preset "harbour" is unknown: there are`},
		{"preset's input without preset", cert + "  namespace: infra\n", "certs.yaml:7:14: namespace has no effect: it is for a preset that reads it"},
		{"input that the preset does not read", cert + "  preset: harbor\n  ha: true\n", "certs.yaml:8:7: ha has no effect: it is for a preset that reads it"},
		{"preset lacks input", cert + "  preset: in-cluster-service\n", "certs.yaml:7:11: preset in-cluster-service: which Service?"},
		{"network", ca + "  permit-ip: 10.0.0.0/99\n", `certs.yaml:4:14: permit-ip "10.0.0.0/99": it is not a network such as 10.96.0.0/16`},
		{"from without file", "version: 1\ncas: [{name: root, from: {key: a}}]\n", "certs.yaml:2:27: from needs cert: the file with the CA's certificate"},
		{"wishes for a CA from elsewhere", "version: 1\ncas: [{name: root, from: {cert: a}, path-len: 0}]\n", "certs.yaml:2:47: path-len says how to make a CA, but this one is taken from a file as it is"},
		{"profile without configuration", cert + "  profile: server\n", `certs.yaml:7:12: profile "server": of which configuration? Give cfssl-config: the file with cfssl's signing profiles`},
		{"cfssl's configuration as spec", `{"signing": {"default": {}}}`, "certs.yaml:1:2: this is a signing configuration of cfssl's: give the certificate request with --spec, and this file with --spec-config"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := problems(t, "certs.yaml", tt.text)
			assert.True(t, strings.HasPrefix(got, tt.want), "got  %s\nwant %s", got, tt.want)
			assert.NotContains(t, got, "\n", "one problem only")
		})
	}
}

func TestReadTellsEverythingTogether(t *testing.T) {
	got := problems(t, "certs.yaml", `version: 1
cas:
  - name: root
    key-type: rsa
    validty: 1y
certs:
  - name: a/b
    ca: rooot
    names: [a.example, "a b"]
`)
	assert.Equal(t, 5, strings.Count(got, "\n"))
	for _, want := range []string{"5 problems in the spec", "certs.yaml:4:15: key type", "certs.yaml:5:5: unknown key", "certs.yaml:7:11: name", "certs.yaml:8:9: ca", "certs.yaml:9:24: name"} {
		assert.Contains(t, got, want)
	}
}

func TestReadJSON(t *testing.T) {
	const good = `{
	"version": 1,
	"cas": [{"name": "root", "subject": {"cn": "Gr\u00fc\u00dfe \ud83d\ude00"}}],
	"certs": [{"name": "a", "names": ["a.example"], "client": true}]
}`
	s, err := Read("certs.json", []byte("\xef\xbb\xbf"+strings.ReplaceAll(good, "\n", "\r\n")), ReadOptions{})
	require.NoError(t, err)
	assert.Equal(t, "Grüße 😀", s.CAs[0].Subject.CommonName)

	for _, tt := range []struct{ name, text, want string }{
		{"cut off", `{"version": 1, "cas": [`, "certs.json:1:24: the JSON document is cut off"},
		{"no JSON", `{"version": 1, cas: []}`, "certs.json:1:16: not JSON: invalid character 'c'"},
		{"text behind", "{\"version\": 1}\n{}", "certs.json:2:1: there is text behind the end of the JSON document"},
		{"unknown key", "{\"version\": 1,\n \"é\": 1, \"casa\": []}", `certs.json:2:10: unknown key "casa"`},
		{"duplicate key", "{\"version\": 1,\n \"version\": 1}", "certs.json:2:2: version is given twice: first in line 1"},
		{"deep", `{"version": 1, "cas": ` + strings.Repeat("[", 100), "certs.json:1:55: nested more than 32 deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Contains(t, problems(t, "certs.json", tt.text), tt.want)
		})
	}
}

func TestReadGoesByNameThenContent(t *testing.T) {
	const flow = "{version: 1, cas: [{name: root}]}"
	_, err := Read("certs.yml", []byte(flow), ReadOptions{})
	assert.NoError(t, err)
	assert.Contains(t, problems(t, "-", flow), "not JSON", "what begins with { and has no name")
	_, err = Read("-", []byte("version: 1\ncas: [{name: root}]"), ReadOptions{})
	assert.NoError(t, err)
}

func TestReadIsBounded(t *testing.T) {
	bomb := "version: 1\nx-0: &a0 [" + strings.Repeat("x,", 9) + "x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("x-%d: &a%d [%sa%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9)+"*", i)
	}
	var many, keys, certs strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&keys, "k%d: v\n", i)
	}
	for range 12 {
		many.WriteString("- {name: a, names: *n}\n")
	}
	tower := strings.Builder{}
	tower.WriteString("version: 1\ncas:\n- {name: c0}\n")
	for i := range 8000 {
		fmt.Fprintf(&tower, "- {name: c%d, ca: c%d}\n", i+1, i)
	}
	for i := range 4000 {
		fmt.Fprintf(&certs, "- name: c%d\n  ca: root\n  names: [a%d.example, 10.0.0.1]\n  client: true\n", i, i)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"alias bomb", bomb + "cas: *a9\n", "more than 200000 values once aliases are expanded"},
		{"long list many times", "version: 1\nx-n: &n [" + strings.Repeat("a, ", 20_000) + "a]\ncas: [{name: r}]\ncerts:\n" + many.String(), "more than 200000 values once aliases are expanded"},
		{"too large", "version: 1\n" + strings.Repeat("# x\n", 300_000), "the file has more than 1024 KiB: this is not a spec"},
		{"many words", keys.String(), "more than 100000 words: this is not a spec"},
		{"flow nesting", "version: 1\ncas: " + strings.Repeat("[", 50_000), "nested more than 32 deep"},
		{"row of dashes", "version: 1\ncas:\n" + strings.Repeat("- ", 50_000) + "a\n", "nested more than 32 deep"},
		{"row of question marks", "version: 1\ncas:\n" + strings.Repeat("? ", 50_000) + "a\n", "nested more than 32 deep"},
		{"row of anchors", "version: 1\ncas: " + strings.Repeat("&a ", 30_000) + "a\n", "nested more than 32 deep"},
		{"row of keys", "version: 1\ncas: " + strings.Repeat("a: ", 40_000), "not YAML"},
		{"tower", tower.String(), "7993 problems"},
		{"recursion", "version: 1\ncas: &a [*a]\n", "there is no &a above"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			got := problems(t, "certs.yaml", tt.text)
			assert.Contains(t, got, tt.want)
			assert.Less(t, len(got), 10_000, "no flood of messages")
			assert.Less(t, time.Since(start), 10*time.Second)
		})
	}
	t.Run("four thousand certificates are no hostile file", func(t *testing.T) {
		s, err := Read("certs.yaml", []byte("version: 1\ncas: [{name: root}]\ncerts:\n"+certs.String()), ReadOptions{})
		require.NoError(t, err)
		assert.Len(t, s.Certs, 4000)
	})
}

func TestProblemsAreCutOff(t *testing.T) {
	got := problems(t, "certs.yaml", "version: 1\ncas: ["+strings.Repeat("a, ", 100)+"a]\n")
	assert.Contains(t, got, "101 problems in the spec")
	assert.Contains(t, got, "… and 61 more")
}

func FuzzRead(f *testing.F) {
	f.Add("a.yaml", full)
	f.Add("a.json", `{"version": 1, "cas": [{"name": "root"}], "certs": [{"name": "a", "names": ["a"]}]}`)
	f.Add("-", `{"CN": "a.example", "hosts": ["10.0.0.1"], "key": {"algo": "rsa", "size": 2048}, "names": [{"O": "x"}]}`)
	f.Add("a.yaml", "version: 1\nx: &a {b: c}\ncas:\n- <<: *a\n  name: !!str |\n   x\n? y\n: z\n---\n- 1\n")
	f.Fuzz(func(t *testing.T, source, text string) {
		s, err := Read(source, []byte(text), ReadOptions{File: func(string) ([]byte, error) { return nil, os.ErrNotExist }})
		if err != nil {
			require.ErrorAs(t, err, new(Problems), "every error has a place")
			return
		}
		for _, e := range s.entries() {
			assert.NotContains(t, e.Name, "/")
			assert.NotEqual(t, "..", e.Name)
		}
	})
}
