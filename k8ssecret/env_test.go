package k8ssecret

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/format"
)

func TestReadEnv(t *testing.T) {
	p := registry()
	tests := map[string]struct {
		text               string
		certs, keys, roots int
		want               []string
	}{
		"base64":            {"# x\nTLS_CRT=@crt@\nexport TLS_KEY=@key@\nCA_CRT=@ca@\nOTHER=1\n", 1, 1, 1, []string{}},
		"PEM in quotes":     {"TLS_CRT=\"" + p.crt + "\"\nTLS_KEY='" + p.key + "'\n", 1, 1, 0, []string{}},
		"PEM with \\n":      {"TLS_CRT=\"@crt.json@\"\nTLS_KEY=\"@key.json@\"\n", 1, 1, 0, []string{}},
		"CR LF":             {"TLS_CRT=@crt@\r\nTLS_KEY=@key@\r\n", 1, 1, 0, []string{}},
		"file names":        {"TLS_CRT=/etc/tls.crt\nTLS_KEY_FILE=/etc/tls.key\n", 0, 0, 0, []string{}},
		"twice encoded":     {"TLS_CRT=@crt2@\n", 1, 0, 0, []string{"base64-nested 1:9 TLS_CRT"}},
		"DER":               {"TLS_CRT=" + b64(derOf(p.crt)) + "\n", 1, 0, 0, []string{"base64-of-der 1:9 TLS_CRT"}},
		"on several lines":  {"TLS_CRT=" + strings.TrimLeft(wrap(b64(p.crt), ""), " "), 1, 0, 0, []string{"pem-missing-end 1:9 TLS_CRT", "pem-bad-base64 1:9 TLS_CRT", "pem-skipped-by-go 1:9 TLS_CRT", "base64-line-wrapped 2:1 TLS_CRT"}},
		"nonsense":          {"TLS_CRT=" + strings.Repeat("hello ", 20) + "\n", 0, 0, 0, []string{"value-unreadable 1:9 TLS_CRT"}},
		"key among the CAs": {"CA_CRT=@key@\n", 0, 1, 0, []string{"key-in-ca-file 1:8 CA_CRT"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read("prod.env", []byte(fill(tt.text, p)), format.Options{})
			require.NoError(t, err)
			certs, keys, roots := 0, 0, 0
			for _, u := range units {
				assert.Equal(t, KindEnv, u.Kind)
				certs, keys, roots = certs+len(u.Material.Certs), keys+len(u.Material.Keys), roots+len(u.Material.Anchors)
			}
			assert.Equal(t, [3]int{tt.certs, tt.keys, tt.roots}, [3]int{certs, keys, roots})
			assert.ElementsMatch(t, tt.want, places(units))
		})
	}
}

func TestSniff(t *testing.T) {
	p := registry()
	tests := map[string]struct{ name, text, want string }{
		"Secret":                      {"a.yaml", goodSecret, KindSecret},
		"Secret without an extension": {"a", goodSecret, KindSecret},
		"Secret from standard input":  {"-", goodSecret, KindSecret},
		"Secret in JSON":              {"a.json", `{"kind": "Secret", "data": {"tls.crt": ""}}`, KindSecret},
		"Secret in UTF-16":            {"a.yaml", utf16LE(goodSecret), KindSecret},
		"Secret behind others":        {"a.yaml", "kind: Deployment\n---\n" + goodSecret, KindSecret},
		"Secret of passwords":         {"a.yaml", "kind: Secret\ndata: {password: eA==}\n", ""},
		"ConfigMap":                   {"a.yaml", "kind: ConfigMap\ndata: {ca.crt: x}\n", KindConfigMap},
		"ConfigMap of settings":       {"a.yaml", "kind: ConfigMap\ndata: {a: b}\n", ""},
		"Certificate":                 {"a.yaml", goodCertificate, KindCertificate},
		"values":                      {"values.yaml", goodValues, KindHelmValues},
		"values with flat keys":       {"v.yaml", "tls.crt: x\n", KindHelmValues},
		"values of others":            {"values.yaml", "image: {tag: a}\n", ""},
		"settings":                    {"p.json", `{"tls.crt": "x"}`, KindAzureSettings},
		"other JSON":                  {"package.json", `{"name": "tls"}`, ""},
		"environment":                 {".env", "A=b\n", KindEnv},
		"environment, other name":     {"deploy.vars", "TLS_CRT=x\n", KindEnv},
		"script":                      {"a.sh", "openssl req -x509\n", KindScript},
		"script by its first line":    {"deploy", "#!/bin/sh\nhelm upgrade --set tls.crt=x\n", KindScript},
		"document":                    {"README.md", "```\nopenssl req -x509\n```\n", KindScript},
		"document with an excerpt":    {"README.md", "```\n  1 | -----BEGIN CERTIFICATE-----\n    | ^\n```\n", KindScript},
		"document with a certificate": {"README.md", "```\n" + p.crt + "```\n", ""},
		"Secret with a zero byte":     {"a.yaml", goodSecret + "  a: \x00\n", KindSecret},
		"other document":              {"README.md", "# Hello\n", ""},
		"workflow":                    {"ci.yaml", "jobs: {a: {steps: [{run: openssl req -x509}]}}\n", ""},
		"PEM":                         {"a.pem", p.crt, ""},
		"PEM behind text":             {"a.crt", "subject=CN=a\n" + p.crt, ""},
		"DER":                         {"a.der", derOf(p.crt), ""},
		"nothing":                     {"a.yaml", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, Sniff(tt.name, []byte(tt.text)))
		})
	}
}

// utf16LE writes text as Windows PowerShell does.
func utf16LE(text string) string {
	b := []byte("\xFF\xFE")
	for _, c := range []byte(text) {
		b = append(b, c, 0)
	}
	return string(b)
}
