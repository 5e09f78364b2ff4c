package issue_test

import (
	"crypto/x509/pkix"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/issue"
)

func TestParseCFSSLRequest(t *testing.T) {
	r, err := issue.ParseCFSSLRequest([]byte(`{
		"CN": "Reg.example.net",
		"hosts": ["reg.example.net", "[::1]", "10.96.0.50", "a.b", "a.b", "https://www.example.net:5000/v2/"],
		"key": {"algo": "rsa", "size": 3072},
		"names": [{"C": "US", "ST": "CA", "L": "San Francisco", "O": "Acme, Inc", "OU": "Infra"}],
		"crl_url": "http://x"
	}`))
	require.NoError(t, err)
	assert.Equal(t, issue.RSA3072, r.KeyType)
	assert.Equal(t, names(t, "reg.example.net", "::1", "10.96.0.50", "a.b", "www.example.net"), r.Request.Names,
		"an IP address never becomes a DNS name, the common name is among the names, duplicates fold")
	assert.Equal(t, pkix.Name{
		CommonName: "reg.example.net", Country: []string{"US"}, Province: []string{"CA"}, Locality: []string{"San Francisco"},
		Organization: []string{"Acme, Inc"}, OrganizationalUnit: []string{"Infra"},
	}, r.Request.Subject)
	assert.Nil(t, r.CA)
	assert.Contains(t, r.Remarks, `field "crl_url" is passed over`)

	r.Request.Validity = issue.ValidFrom(now, issue.Day)
	_, err = newRoot(t).Issue(freshKey(t).Public(), r.Request)
	assert.NoError(t, err)
}

func TestParseCFSSLRequestWithEmptyHosts(t *testing.T) {
	r, err := issue.ParseCFSSLRequest([]byte(`{"CN": "reg.local", "hosts": [""]}`))
	require.NoError(t, err)
	assert.Equal(t, names(t, "reg.local"), r.Request.Names)
	assert.Equal(t, []string{`the common name "reg.local" became one of the names`}, r.Remarks)
	r, err = issue.ParseCFSSLRequest([]byte(`{"CN": "Acme CA", "hosts": ["acme.example"], "ca": {}}`))
	require.NoError(t, err)
	assert.Equal(t, []string{"hosts are passed over: a CA has none"}, r.Remarks)
}

func TestParseCFSSLRequestOfACA(t *testing.T) {
	r, err := issue.ParseCFSSLRequest([]byte(`{"CN": "Acme CA", "key": {"algo": "ecdsa", "size": 384}, "ca": {"expiry": "87600h", "pathlen": 1}}`))
	require.NoError(t, err)
	assert.Equal(t, issue.ECDSAP384, r.KeyType)
	assert.Equal(t, 3650*issue.Day, r.Lifetime)
	require.NotNil(t, r.CA)
	assert.Equal(t, 1, r.CA.PathLen)
	assert.Equal(t, "Acme CA", r.CA.Subject.CommonName)

	for text, want := range map[string]int{`{}`: -1, `{"pathlen": 0}`: -1, `{"pathlen": 0, "pathlenzero": true}`: 0} {
		r, err := issue.ParseCFSSLRequest([]byte(`{"CN": "Acme CA", "ca": ` + text + `}`))
		require.NoError(t, err)
		assert.Equal(t, want, r.CA.PathLen, text)
		assert.Equal(t, issue.ECDSAP256, r.KeyType)
	}
}

func TestParseCFSSLRequestRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "cfssl certificate request: unexpected end of JSON input",
		`[]`:                                  "cannot unmarshal array",
		`{"hosts": "a"}`:                      "cannot unmarshal string",
		`{"hosts": ["10.0.0.0/8"]}`:           `"10.0.0.0/8"`,
		`{"key": {"algo": "rsa", "size": 1}}`: `key: algorithm "rsa" with size 1: not one of`,
		`{"key": {"algo": "dsa"}}`:            `key: algorithm "dsa"`,
		`{"ca": {"expiry": "soon"}}`:          "ca.expiry: lifetime",
		`{"names": [{"OID": {"1.x": "y"}}]}`:  "names: ",
	} {
		_, err := issue.ParseCFSSLRequest([]byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

func TestParseCFSSLConfig(t *testing.T) {
	// The output of cfssl print-defaults config, and an intermediate profile.
	profiles, err := issue.ParseCFSSLConfig([]byte(`{"signing": {"default": {"expiry": "168h"}, "profiles": {
		"www": {"expiry": "8760h", "usages": ["signing", "key encipherment", "server auth"]},
		"client": {"usages": ["signing", "key encipherment", "client auth", "code signing"]},
		"intermediate": {"expiry": "43800h", "usages": ["cert sign", "crl sign"], "ca_constraint": {"is_ca": true, "max_path_len": 0, "max_path_len_zero": true}}
	}}}`))
	require.NoError(t, err)
	assert.Equal(t, map[string]issue.CFSSLProfile{
		"default":      {Lifetime: 7 * issue.Day, PathLen: -1},
		"www":          {Lifetime: 365 * issue.Day, Server: true, PathLen: -1},
		"client":       {Lifetime: 7 * issue.Day, Client: true, PathLen: -1, Remarks: []string{`usage "code signing" is passed over: crpki makes certificates of servers and clients`}},
		"intermediate": {Lifetime: 1825 * issue.Day, CA: true},
	}, profiles)

	for text, want := range map[string]string{
		``:   "unexpected end of JSON input",
		`{}`: `it has no "signing" section with profiles`,
		`{"signing": {"profiles": {"a": {"expiry": "x"}, "b": null}}}`: `profile "a": lifetime "x"`,
	} {
		_, err := issue.ParseCFSSLConfig([]byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

func FuzzParseCFSSL(f *testing.F) {
	f.Add([]byte(`{"CN": "a", "hosts": ["b"], "key": {"algo": "rsa", "size": 2048}, "ca": {"expiry": "1h"}}`))
	f.Add([]byte(`{"signing": {"default": {"expiry": "168h"}, "profiles": {"www": {"usages": ["server auth"]}}}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = issue.ParseCFSSLRequest(data)
		_, _ = issue.ParseCFSSLConfig(data)
	})
}
