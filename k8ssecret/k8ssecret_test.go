package k8ssecret

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

var testTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// pems are a CA and a server's certificate and key, as PEM.
type pems struct{ ca, caKey, crt, key string }

// registry is one CA and one certificate for 10.96.0.50 and two Services,
// made once for all tests.
var registry = sync.OnceValue(func() pems {
	return makePEMs("IP:10.96.0.50", "DNS:registry.infra.svc.cluster.local")
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func makePEMs(names ...string) pems {
	valid := issue.ValidFrom(testTime, 90*24*time.Hour)
	caKey, key := must(issue.NewKey("ecdsa-p256")), must(issue.NewKey("ecdsa-p256"))
	ca := must(issue.NewRoot(caKey, issue.CARequest{Validity: issue.ValidFrom(testTime, 900*24*time.Hour), PathLen: -1}))
	parsed, _, err := pki.ParseNames(0, names)
	if err != nil {
		panic(err)
	}
	leaf := must(ca.Issue(key.Public(), issue.Request{Names: parsed, Validity: valid}))
	return pems{
		ca: string(format.EncodeCerts(ca.Chain...)), caKey: string(must(format.EncodeKey(caKey))),
		crt: string(format.EncodeCerts(leaf)), key: string(must(format.EncodeKey(key))),
	}
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// wrap breaks text into lines, each behind the indent.
func wrap(text, indent string) string {
	var b strings.Builder
	for i := 0; i < len(text); i += 76 {
		b.WriteString(indent + text[i:min(i+76, len(text))] + "\n")
	}
	return b.String()
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by) + "\n"
}

// fill puts the material into a text: CRT, KEY and CA stand for base64,
// PEM.crt and the like for PEM.
func fill(text string, p pems) string {
	return strings.NewReplacer(
		"@crt@", b64(p.crt), "@key@", b64(p.key), "@ca@", b64(p.ca),
		"@chain@", b64(p.crt+p.ca), "@crt2@", b64(b64(p.crt)), "@key2@", b64(b64(p.key)),
		"@crt.json@", strings.ReplaceAll(p.crt, "\n", `\n`), "@key.json@", strings.ReplaceAll(p.key, "\n", `\n`),
		"@crt.pem4@", strings.TrimPrefix(indent(p.crt, "    "), "    "), "@key.pem4@", strings.TrimPrefix(indent(p.key, "    "), "    "),
		"@ca.pem4@", strings.TrimPrefix(indent(p.ca, "    "), "    "), "@cakey.pem4@", strings.TrimPrefix(indent(p.caKey, "    "), "    "),
	).Replace(text)
}

// places gives "rule line:column field" of each note.
func places(units []Unit) []string {
	out := []string{}
	for _, u := range units {
		for _, n := range u.Material.Notes {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %d:%d %s", n.Rule, n.Origin.Line, n.Origin.Column, n.Origin.Field)))
		}
	}
	return out
}

// rules gives the rules of all notes.
func rulesOf(units []Unit) []string {
	out := []string{}
	for _, u := range units {
		for _, n := range u.Material.Notes {
			out = append(out, n.Rule)
		}
	}
	return out
}

const goodSecret = `apiVersion: v1
kind: Secret
metadata:
  name: registry-tls
  namespace: infra
type: kubernetes.io/tls
data:
  tls.crt: @crt@
  tls.key: @key@
  ca.crt: @ca@
`

func TestReadSecret(t *testing.T) {
	p := registry()
	units, err := Read("secret.yaml", []byte(fill(goodSecret, p)), format.Options{})
	require.NoError(t, err)
	require.Len(t, units, 1)
	u := units[0]
	assert.Equal(t, KindSecret, u.Kind)
	assert.Equal(t, "secret.yaml: Secret infra/registry-tls", u.Target)
	assert.Equal(t, "infra", u.Namespace)
	assert.Equal(t, "registry-tls", u.Name)
	assert.Empty(t, u.Material.Notes)
	require.Len(t, u.Material.Certs, 1)
	require.Len(t, u.Material.Keys, 1)
	require.Len(t, u.Material.Anchors, 1)
	assert.Equal(t, pki.Origin{Source: "secret.yaml", Field: "data.tls.crt", Index: 1, Line: 8, Column: 12}, u.Material.Certs[0].Origin)
	assert.Equal(t, pki.Origin{Source: "secret.yaml", Field: "data.tls.key", Index: 1, Line: 9, Column: 12}, u.Material.Keys[0].Origin)
	assert.Equal(t, pki.Origin{Source: "secret.yaml", Field: "data.ca.crt", Index: 1, Line: 10, Column: 11}, u.Material.Anchors[0].Origin)
	require.Len(t, u.Hosts, 1)
	assert.Equal(t, "DNS:registry.infra.svc.cluster.local", u.Hosts[0].Name.String())
	assert.Equal(t, "metadata.namespace", u.Hosts[0].From)
}

func TestTemplateFix(t *testing.T) {
	units, err := Read("kustomization.yaml", []byte("secretGenerator:\n- {name: a, files: [tls.crt, tls.key]}\n"), format.Options{})
	require.NoError(t, err)
	require.Len(t, units, 1)
	require.Len(t, units[0].Material.Notes, 1)
	assert.Equal(t, "kustomize build . | crpki lint -", units[0].Material.Notes[0].Fix)
}
