package inspect

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

// A note's fix names the file at fault, so that it can be typed as it is.
func TestFixNamesTheFile(t *testing.T) {
	const fix = "crpki bundle tls.crt --out tls.crt --force"
	for source, want := range map[string]string{
		"certs/a.pem":    "crpki bundle certs/a.pem --out certs/a.pem --force",
		"my certs/a.pem": "crpki bundle 'my certs/a.pem' --out 'my certs/a.pem' --force",
		"it's; reboot":   `crpki bundle 'it'\''s; reboot' --out 'it'\''s; reboot' --force`,
		"-rf":            "crpki bundle ./-rf --out ./-rf --force",
		"-":              fix,
		"":               fix,
		"a\x1bb":         fix,
	} {
		assert.Equal(t, want, mend(fix, pki.Origin{Source: source}))
	}
	field := pki.Origin{Source: "all.yaml", Field: "data.tls.crt"}
	assert.Equal(t, "crpki lint --fix all.yaml", mend("crpki lint --fix tls.crt", field))
	assert.Equal(t, "kubectl apply -n infra -f all.yaml", mend("kubectl apply -n infra -f secret.yaml", field))
	assert.Equal(t, fix, mend(fix, field))
	assert.Equal(t, "bash -n deploy.sh", mend("bash -n script.sh", pki.Origin{Source: "deploy.sh"}))
	assert.Equal(t, "bash -n script.sh", mend("bash -n script.sh", pki.Origin{Source: "README.md"}), "a document is no script")
	assert.Equal(t, "crpki lint --fix README.md", mend("crpki lint --fix script.sh", pki.Origin{Source: "README.md"}), "--fix finds the script in it")
	judge := NewJudge(Options{Rules: []Rule{{ID: "pem-crlf", Severity: Info, Doc: Doc{Fix: fix}}}})
	report := judge.Run(&Evidence{Material: pki.Material{Notes: []pki.Note{{Rule: "pem-crlf", Origin: pki.Origin{Source: "a.crt"}}}}})
	require.Len(t, report.Findings, 1)
	assert.Equal(t, "crpki bundle a.crt --out a.crt --force", report.Findings[0].Fix)
	report = judge.Run(&Evidence{Material: pki.Material{Notes: []pki.Note{{Rule: "pem-crlf", Fix: "base64 -w0 tls.crt", Origin: pki.Origin{Source: "a.sh"}}}}})
	assert.Equal(t, "base64 -w0 tls.crt", report.Findings[0].Fix, "a note's own command goes before the rule's")
}

// A finding says of which block it speaks, as people count.
func TestParts(t *testing.T) {
	at := func(index int) pki.Origin { return pki.Origin{Source: "all.pem", Index: index} }
	m := pki.Material{
		Keys: []pki.Key{{Origin: at(1)}}, CSRs: []pki.CSR{{Origin: at(4)}},
		Certs: []pki.Cert{{Origin: at(2)}}, Anchors: []pki.Cert{{Origin: at(3)}, {Origin: pki.Origin{Source: "ca.crt", Index: 1}}},
	}
	want := []string{"", "private key", "certificate 1", "certificate 2", "signing request", "block 5"}
	for index := range want {
		m.Notes = append(m.Notes, pki.Note{Rule: "note-taken", Origin: at(index)})
	}
	judge := NewJudge(Options{Rules: []Rule{{ID: "note-taken", Severity: Info}}})
	var got []string
	for _, f := range judge.Run(&Evidence{Material: m}).Findings {
		got = append(got, f.Part)
	}
	assert.Equal(t, want, got)
	for _, f := range judge.RunEach(&Evidence{Material: m}).Findings[1:] {
		assert.Contains(t, f.Part, "block ", "a piece of a heap cannot count what stands before it")
	}
}
