package spec

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/issue"
)

// What `cfssl print-defaults csr` and `cfssl print-defaults config` give
// (1.6.5), with names of our own, and a request for a CA.
const (
	cfsslServer = `{
    "CN": "registry.example.net",
    "hosts": ["registry.example.net", "10.96.0.50"],
    "key": {"algo": "ecdsa", "size": 384},
    "names": [{"C": "US", "ST": "CA", "L": "San Francisco", "O": "Example"}]
}`
	cfsslCA = `{
    "CN": "Example CA",
    "key": {"algo": "rsa", "size": 2048},
    "names": [{"C": "US", "O": "Example"}],
    "ca": {"expiry": "43800h", "pathlen": 1}
}`
	cfsslConfig = `{
    "signing": {
        "default": {"expiry": "168h", "usages": ["signing", "key encipherment", "server auth"]},
        "profiles": {
            "www": {"expiry": "8760h", "usages": ["signing", "key encipherment", "server auth"]},
            "client": {"expiry": "8760h", "usages": ["signing", "key encipherment", "client auth"]},
            "peer": {"usages": ["signing", "key encipherment", "server auth", "client auth"]},
            "ca": {"expiry": "26280h", "usages": ["cert sign", "crl sign"], "ca_constraint": {"is_ca": true, "max_path_len_zero": true}}
        }
    }
}`
)

func cfsslFiles(path string) ([]byte, error) {
	files := map[string]string{
		"server.json": cfsslServer, "ca.json": cfsslCA, "config.json": cfsslConfig, "broken.json": `{"CN": 1}`,
		"bad.json": `{"hosts": ["10.0.0.0/8", "a b"]}`, "huge.json": strings.Repeat(" ", maxBytes+1),
	}
	text, ok := files[path]
	if !ok {
		return nil, fmt.Errorf("read %s: %w", path, fs.ErrNotExist)
	}
	return []byte(text), nil
}

func TestCFSSLFilesFillWhatAnEntryDoesNotSay(t *testing.T) {
	s, err := Read("certs.yaml", []byte(`version: 1
defaults: {cfssl-config: config.json, key-type: ed25519, validity: 30d}
cas:
- name: root
  cfssl: ca.json
- name: issuing
  ca: root
  profile: ca
certs:
- name: a
  ca: root
  cfssl: server.json
  profile: www
- name: b
  ca: issuing
  cfssl: server.json
  names: [b.example, 10.96.0.50]
  key-type: rsa-3072
  validity: 60d
  subject: {org: Other}
  client: true
- name: c
  ca: issuing
  names: c.example
  profile: client
- {name: d, ca: issuing, names: d.example, profile: peer}
- {name: e, ca: issuing, names: e.example}
`), ReadOptions{File: cfsslFiles})
	require.NoError(t, err)
	root, issuing := s.CAs[0], s.CAs[1]
	assert.Equal(t, issue.RSA2048, root.KeyType)
	assert.Equal(t, 43800*issue.Day/24, root.Lifetime)
	assert.Equal(t, 1, root.PathLen)
	assert.Equal(t, "CN=Example CA,O=Example,C=US", root.Subject.String())
	assert.Equal(t, 0, issuing.PathLen)
	assert.Equal(t, 26280*issue.Day/24, issuing.Lifetime)
	assert.Equal(t, issue.Ed25519, issuing.KeyType)

	a, b, c, d, e := s.Certs[0], s.Certs[1], s.Certs[2], s.Certs[3], s.Certs[4]
	assert.Equal(t, []string{"DNS:registry.example.net", "IP:10.96.0.50"}, a.Names.Strings())
	assert.Equal(t, issue.ECDSAP384, a.KeyType)
	assert.Equal(t, 8760*issue.Day/24, a.Lifetime)
	assert.Equal(t, "CN=registry.example.net,O=Example,L=San Francisco,ST=CA,C=US", a.Subject.String())
	assert.False(t, a.Client)

	assert.Equal(t, []string{"DNS:registry.example.net", "IP:10.96.0.50", "DNS:b.example"}, b.Names.Strings())
	assert.Equal(t, issue.RSA3072, b.KeyType)
	assert.Equal(t, 60*issue.Day, b.Lifetime)
	assert.Equal(t, "O=Other", b.Subject.String())
	assert.True(t, b.Client)
	assert.False(t, b.NoServer)

	assert.True(t, c.Client)
	assert.True(t, c.NoServer)
	assert.True(t, d.Client)
	assert.False(t, d.NoServer)
	assert.Equal(t, 7*issue.Day, d.Lifetime, "from the default profile")
	assert.Equal(t, 30*issue.Day, e.Lifetime, "no profile without saying so")
}

func TestCFSSLFilesThatDoNotFit(t *testing.T) {
	const ca = "version: 1\ncas: [{name: root}]\ncerts:\n- {name: a, "
	for _, tt := range []struct{ name, text, want string }{
		{"missing", ca + "cfssl: nope.json}\n", "certs.yaml:4:20: read nope.json: file does not exist"},
		{"broken", ca + "cfssl: broken.json}\n", "certs.yaml:4:20: broken.json: cfssl certificate request: json:"},
		{"huge", ca + "cfssl: huge.json}\n", "certs.yaml:4:20: huge.json: the file has more than 1024 KiB"},
		{"bad names", ca + "cfssl: bad.json}\n", `certs.yaml:4:20: bad.json: cfssl certificate request: name "10.0.0.0/8"`},
		{"a CA's request for a server", ca + "names: a, cfssl: ca.json}\n", "certs.yaml:4:30: ca.json is a request for a CA: it belongs under cas"},
		{"a CA's profile for a server", ca + "names: a, profile: ca, cfssl-config: config.json}\n", `certs.yaml:4:32: the profile "ca" signs CAs: it belongs to an entry of cas`},
		{"no such profile", ca + "names: a, profile: web, cfssl-config: config.json}\n", `certs.yaml:4:32: profile "web" is not in config.json: there are ca, client, default, peer, www`},
		{"request for configuration", ca + "names: a, profile: web, cfssl-config: server.json}\n", `certs.yaml:4:32: server.json: cfssl signing configuration:`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read("certs.yaml", []byte(tt.text), ReadOptions{File: cfsslFiles})
			require.Error(t, err)
			assert.Contains(t, err.Error(), tt.want)
		})
	}
}

// cfssl reads and writes JSON: the same words in YAML are mistakes in a spec,
// and told with their place.
func TestYAMLIsNoCFSSLRequest(t *testing.T) {
	for text, want := range map[string]string{
		"ca: {name: root}\n":        `certs.yaml:1:1: unknown key "ca" in the spec: did you mean "cas"?`,
		"# mine\nnames: [a.com]\n":  `certs.yaml:2:1: unknown key "names" in the spec`,
		"hosts: [a.com]\n":          `certs.yaml:1:1: unknown key "hosts" in the spec`,
		"{CN: a.com, hosts: [b.c]}": `certs.yaml:1:2: unknown key "CN" in the spec`,
	} {
		_, err := Read("certs.yaml", []byte(text), ReadOptions{})
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, err.Error(), "cfssl")
	}
	for _, bom := range []string{"", "\xef\xbb\xbf"} {
		_, err := Read("csr.yaml", []byte(bom+cfsslServer), ReadOptions{})
		assert.NoError(t, err, "JSON is YAML, too")
	}
}

func TestCFSSLRequestInPlaceOfASpec(t *testing.T) {
	t.Run("a server and its CA", func(t *testing.T) {
		s, err := Read("dir/server.json", []byte(cfsslServer), ReadOptions{File: cfsslFiles})
		require.NoError(t, err)
		require.Len(t, s.CAs, 1)
		require.Len(t, s.Certs, 1)
		assert.Equal(t, "ca", s.CAs[0].Name)
		assert.Equal(t, "tls", s.Certs[0].Name)
		assert.Equal(t, "ca", s.Certs[0].Issuer)
		assert.Equal(t, issue.ECDSAP384, s.Certs[0].KeyType)
		assert.Zero(t, s.Certs[0].Lifetime)
	})
	t.Run("with a profile", func(t *testing.T) {
		s, err := Read("server.json", []byte(cfsslServer), ReadOptions{File: cfsslFiles, CFSSLConfig: "config.json", Profile: "peer"})
		require.NoError(t, err)
		assert.True(t, s.Certs[0].Client)
		assert.Equal(t, 7*issue.Day, s.Certs[0].Lifetime)
	})
	t.Run("signed by a CA that exists", func(t *testing.T) {
		s, err := Read("-", []byte(cfsslServer), ReadOptions{CA: &Files{Cert: "corp.pem"}})
		require.NoError(t, err)
		assert.Equal(t, "corp.pem", s.CAs[0].From.Cert)
	})
	t.Run("a CA", func(t *testing.T) {
		s, err := Read("ca.json", []byte(cfsslCA), ReadOptions{})
		require.NoError(t, err)
		require.Len(t, s.CAs, 1)
		assert.Empty(t, s.Certs)
		assert.Equal(t, 1, s.CAs[0].PathLen)
	})
	t.Run("no names", func(t *testing.T) {
		_, err := Read("ca.json", []byte(`{"CN": "My Server", "key": {"algo": "ecdsa", "size": 256}}`), ReadOptions{})
		require.Error(t, err)
		assert.Contains(t, err.Error(), "ca.json: tls has no names")
	})
	t.Run("nonsense in it", func(t *testing.T) {
		_, err := Read("csr.json", []byte(`{"CN": "a.example", "key": {"algo": "dsa", "size": 1024}}`), ReadOptions{})
		require.Error(t, err)
		assert.Contains(t, err.Error(), `csr.json: cfssl certificate request: key: algorithm "dsa" with size 1024`)
	})
	t.Run("the set is made and kept", func(t *testing.T) {
		w := newWorld(t)
		for range 2 {
			s, err := Read("server.json", []byte(cfsslServer), ReadOptions{File: cfsslFiles, CFSSLConfig: "config.json", Profile: "www"})
			require.NoError(t, err)
			w.applySpec(s)
			w.verify(s, w.roots(s)...)
		}
		assert.Len(t, w.files, 4)
	})
}
