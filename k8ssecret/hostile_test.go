package k8ssecret

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/crpki/crpki/pki/format"
)

// hostile are texts made to cost more than their size: each of some 2 MiB, or
// small and with a promise of more.
func hostile() map[string]struct{ name, text string } {
	const size = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	secret := "kind: Secret\ntype: kubernetes.io/tls\ndata:\n"
	bomb := "kind: Secret\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 30; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	merge := "kind: Secret\ntype: kubernetes.io/tls\nm0: &m0 {x: 1}\n"
	for i := 1; i < 200; i++ {
		merge += fmt.Sprintf("m%d: &m%d {<<: [*m%d, *m%d], k%d: 1}\n", i, i, i-1, i-1, i)
	}
	nested := "hello"
	for len(nested) < size {
		nested = b64(nested)
	}
	keys := secret + numbered("  k%d.crt: aGFsbG8=\n", 80_000)
	return map[string]struct{ name, text string }{
		"aliases of aliases":         {"x.yaml", bomb + "data: {tls.crt: *a29}\n"},
		"merges of merges":           {"x.yaml", merge},
		"an alias to itself":         {"x.yaml", secret + "  tls.crt: &a [*a]\n"},
		"brackets":                   {"x.yaml", secret + "  tls.crt: " + fill("[")},
		"braces":                     {"x.json", `{"kind":"Secret","type":"kubernetes.io/tls","data":` + fill("{\"a\":")},
		"deep indentation":           {"x.yaml", secret + deep(1500)},
		"dashes":                     {"x.yaml", secret + "  tls.crt:\n" + fill("- ")},
		"documents":                  {"x.yaml", fill("kind: Secret\ntype: kubernetes.io/tls\n---\n")},
		"markers":                    {"x.yaml", secret + fill("---\n")},
		"fields":                     {"x.yaml", keys},
		"one key again and again":    {"x.yaml", secret + fill("  tls.crt: a\n")},
		"base64 of base64 of base64": {"x.yaml", secret + "  tls.crt: " + nested},
		"one long value":             {"x.yaml", secret + "  tls.crt: " + fill("A")},
		"one value on many lines":    {"x.yaml", secret + "  tls.crt:\n" + fill("    LS0t\n")},
		"a block of blank lines":     {"x.yaml", secret + "  tls.crt: |\n" + fill("\n")},
		"open quotes":                {"x.yaml", secret + fill("  \"a: 'b\n")},
		"many keys on a line":        {"x.yaml", secret + "  " + fill("a: ")},
		"colons without blanks":      {"x.yaml", secret + "  " + fill("a:")},
		"PEM headers":                {"x.yaml", secret + "  tls.crt: |\n" + fill("    -----BEGIN CERTIFICATE-----\n")},
		"list of Secrets":            {"x.yaml", "kind: List\nitems:\n" + fill("- {kind: Secret, type: kubernetes.io/tls}\n")},
		"kind, kind, kind":           {"x.yaml", fill("kind: ConfigMap\n") + "tls.crt"},
		"values":                     {"values.yaml", "tls:\n" + fill("  crt: a\n")},
		"assignments":                {".env", fill("TLS_CRT=LS0t\n")},
		"open quotes in .env":        {".env", fill("TLS_CRT=\"LS0t\n")},
		"stray base64":               {".env", "TLS_CRT=" + b64(strings.Repeat("x", 100)) + "\n" + fill("LS0tLS0t\n")},
		"substitutions in quotes":    {"x.sh", "openssl req -x509 " + fill("\"$(\\\n")},
		"prompts":                    {"x.md", "```console\nopenssl req -addext\n" + fill("$ \"\n") + "```\n"},
		"substitutions":              {"x.sh", "openssl req -addext\n" + fill("$(")},
		"backticks":                  {"x.sh", "openssl req -addext\n" + fill("`a ")},
		"parentheses":                {"x.sh", "openssl req -addext\n" + fill("a=$(b) ")},
		"quotes":                     {"x.sh", "openssl req -addext\n" + fill("\"'")},
		"quotes on lines":            {"x.sh", "openssl req -addext\n" + fill("a \"b\n")},
		"apostrophes":                {"x.sh", "openssl req -addext\n" + fill("it's\n")},
		"here-documents":             {"x.sh", "openssl req -addext\n" + fill("cat <<A\n")},
		"here-documents on a line":   {"x.sh", "openssl req -addext\n" + fill("<<A ") + "\nx\n"},
		"here-documents inside":      {"x.sh", "openssl req -addext\n" + fill("cat <<A $(cat <<B\n")},
		"manifests in commands":      {"x.sh", "openssl req -addext\n" + fill("cat <<A\nkind: Secret\ntype: kubernetes.io/tls\nA\n")},
		"pipes":                      {"x.sh", "openssl req -addext\n" + fill("cat <<A|")},
		"pipes into pipes":           {"x.sh", "openssl req -addext\n" + fill("cat <<A|\nkind: Secret\ntls.crt\nA\n")},
		"extensions":                 {"x.sh", "openssl req -x509 " + fill("-addext subjectAltName=DNS:a.b.svc ")},
		"names":                      {"x.sh", "openssl req -addext subjectAltName=DNS:a.b.svc" + fill(",DNS:c.d.svc")},
		"namespaces":                 {"x.sh", "openssl req -addext subjectAltName=DNS:a.infra.svc" + fill(",DNS:c.dinfra.svc") + numbered("\nkubectl get -n ns%d", 2000)},
		"variables":                  {"x.sh", "openssl req -addext\n" + numbered("VARIABLE%da=1\n", 20000) + numbered("echo $VARIABLF%da\n", 20000)},
		"variables to variables":     {"x.sh", "openssl req -addext\n" + numbered("NAME%[1]d=$NAME%[1]d$NAME%[1]d\n", 40000) + "kubectl get -n $NAME1\n"},
		"--set":                      {"x.sh", "helm install connected-registry x --set " + fill("tls.crt=a,")},
		"--set, deep":                {"x.sh", "helm install connected-registry x --set " + fill("a.") + "=1"},
		"--set, many":                {"x.sh", "helm install connected-registry x" + numbered(" --set a%d=1", 30000)},
		"--set, parentheses":         {"x.sh", "helm install connected-registry x --set a='" + fill("$(,)") + "'"},
		"fences":                     {"x.md", "openssl req -addext\n" + fill("```\n")},
		"blocks":                     {"x.md", "openssl req -addext\n" + fill("```bash\nopenssl req\n```\n")},
		"backslashes":                {"x.sh", "openssl req -addext\n" + fill("\\ \n")},
		"typographic":                {"x.sh", "openssl req -addext\n" + fill("helm ”\n")},
		"a settings file of lists":   {"x.json", `{"tls.crt": ` + fill(`["a",`)},
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// deep nests mappings so many levels down, one blank further in each line.
func deep(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i+2) + "a:\n")
	}
	return b.String()
}

// Whatever a file holds, reading it takes time and memory in proportion to its
// size. The bounds are some twenty times what is needed, so that no slow machine
// fails, and far below what an input that costs its square would take.
func TestHostileInput(t *testing.T) {
	for name, in := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			Sniff(in.name, []byte(in.text))
			units, err := Read(in.name, []byte(in.text), format.Options{})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf("%s, %d KiB: %d units, %d notes, %v, %d MiB", name, len(in.text)>>10, len(units), len(rulesOf(units)), took, (after.TotalAlloc-before.TotalAlloc)>>20)
			if err != nil {
				assert.Less(t, len(err.Error()), 1<<20)
			}
			assert.Less(t, took, 10*time.Second)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<30))
		})
	}
}

func TestTooLarge(t *testing.T) {
	data := make([]byte, maxBytes+1)
	assert.Empty(t, Sniff("x.yaml", data))
	_, err := Read("x.yaml", data, format.Options{})
	assert.ErrorContains(t, err, "more than 32 MiB")
}
