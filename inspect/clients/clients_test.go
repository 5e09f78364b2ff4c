package clients_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/fixtures/corpus"
	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/clients"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// verdicts judges a case of the corpus. That the words are the programs' own is
// held by the tests of fixtures/corpus and fixtures/interop.
func verdicts(t *testing.T, id string) (out map[string]clients.Verdict) {
	t.Helper()
	cases, err := corpus.Make(corpus.Clock())
	require.NoError(t, err)
	for _, c := range cases {
		if c.ID() != id {
			continue
		}
		m, err := format.Decode(corpus.CertFile, c.File(corpus.CertFile), format.Options{})
		require.NoError(t, err)
		ca, err := format.Decode(corpus.CAFile, c.File(corpus.CAFile), format.Options{})
		require.NoError(t, err)
		m.Anchors = ca.Certs
		out = map[string]clients.Verdict{}
		host := pki.Name{Kind: pki.DNS, Value: "reg.example.com"}
		for _, v := range clients.Judge(&inspect.Evidence{Material: m, Now: corpus.Clock()}, host) {
			assert.Equal(t, v.Accepts, v.Message == "", "%s says why, or nothing", v.Client)
			out[v.Client+", "+v.Versions] = v
		}
		return out
	}
	t.Fatalf("the corpus has no case %s", id)
	return nil
}

func TestGoReleasesThatDiffer(t *testing.T) {
	old, accepting := 0, 0
	for _, v := range verdicts(t, "serial-negative/bad/-5") {
		if v.Client == clients.GoClients {
			old++
			if v.Accepts {
				accepting++
				assert.Contains(t, v.Versions, "before Go 1.23")
				assert.Equal(t, clients.Sourced, v.Basis)
			} else {
				assert.Equal(t, "tls: failed to parse certificate from server: x509: negative serial number", v.Message)
			}
		}
	}
	assert.Equal(t, 2, old)
	assert.Equal(t, 1, accepting)
}

// Of clients that are not measured, only those are named that a rule's page
// names.
func TestClientsFromSources(t *testing.T) {
	sourced := func(id string) (out []string) {
		for _, v := range verdicts(t, id) {
			if v.Basis == clients.Sourced {
				out = append(out, v.Client)
			}
		}
		return out
	}
	assert.Empty(t, sourced("expired/good/in-thirty-days"))
	assert.Len(t, sourced("validity-too-long/bad/826-days"), 1)
}

func TestNobodyIsAskedWithoutACA(t *testing.T) {
	assert.Empty(t, clients.Judge(&inspect.Evidence{Now: corpus.Clock()}, pki.Name{}))
}

// Every program that is built on OpenSSL stops where it reads, before it looks
// for an issuer or a name.
func TestUnreadableForOpenSSL(t *testing.T) {
	for _, id := range []string{"der-malformed/bad/a-SEQUENCE-cut-short", "name-string-invalid/bad/Latin-1-as-UTF-8"} {
		asked := 0
		for _, v := range verdicts(t, id) {
			if v.Client == clients.OpenSSL || v.Client == clients.OpenSSLLevel2 {
				asked++
				assert.Equal(t, "Unable to load certificate", v.Message, id)
			}
		}
		assert.Equal(t, 2, asked)
	}
}
