package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

// fixtureTLS is a CA's certificate, and a server's with its key, as PEM.
func fixtureTLS(t *testing.T) (ca, crt, key string) {
	t.Helper()
	valid := issue.ValidFrom(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 24*time.Hour)
	caKey, err := issue.NewKey("ecdsa-p256")
	require.NoError(t, err)
	root, err := issue.NewRoot(caKey, issue.CARequest{Validity: issue.ValidFrom(valid.NotBefore, 240*time.Hour), PathLen: -1})
	require.NoError(t, err)
	signer, err := issue.NewKey("ecdsa-p256")
	require.NoError(t, err)
	leaf, err := root.Issue(signer.Public(), issue.Request{Names: pki.Names{{Kind: pki.IP, Value: "10.96.0.50"}}, Validity: valid})
	require.NoError(t, err)
	data, err := format.EncodeKey(signer)
	require.NoError(t, err)
	return string(format.EncodeCerts(root.Chain...)), string(format.EncodeCerts(leaf)), string(data)
}

func TestUnifiedDiff(t *testing.T) {
	for _, c := range []struct{ name, before, after, want string }{
		{"equal", "a\n", "a\n", ""},
		{"a line more", "a\nb\n", "a\nx\nb\n", "@@ -1,2 +1,3 @@\n a\n+x\n b\n"},
		{"a line less", "a\nx\nb\n", "a\nb\n", "@@ -1,3 +1,2 @@\n a\n-x\n b\n"},
		{"all new", "", "a\n", "@@ -0,0 +1 @@\n+a\n"},
		{"no line break at the end", "a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{"two places far apart", "1\na\nb\nc\nd\ne\nf\ng\n2\n", "x\na\nb\nc\nd\ne\nf\ng\ny\n", "@@ -1,4 +1,4 @@\n-1\n+x\n a\n b\n c\n@@ -6,4 +6,4 @@\n e\n f\n g\n-2\n+y\n"},
		{"two places close by", "1\na\n2\n", "x\na\ny\n", "@@ -1,3 +1,3 @@\n-1\n+x\n a\n-2\n+y\n"},
		{"what cannot be seen", "\ufeffa\r\n", "a\n", "@@ -1 +1 @@\n-\\ufeffa\\r\n+a\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want != "" {
				c.want = "--- x\n+++ x\n" + c.want
			}
			assert.Equal(t, c.want, unifiedDiff("x", c.before, c.after, nil, nil))
		})
	}
}

// Whatever two texts are compared, patch(1) makes the one of the other.
func TestPatchTakesTheDiff(t *testing.T) {
	if _, err := exec.LookPath("patch"); err != nil {
		t.Skip("patch is not installed")
	}
	dir := t.TempDir()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 0))
		text := func() string {
			var b strings.Builder
			for range r.IntN(30) {
				fmt.Fprintf(&b, "line %d\n", r.IntN(8))
			}
			return b.String()
		}
		before, after := text(), text()
		path := filepath.Join(dir, "x")
		require.NoError(t, os.WriteFile(path, []byte(before), 0o600))
		cmd := exec.CommandContext(t.Context(), "patch", "-s", "-p0")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(unifiedDiff("x", before, after, nil, nil))
		out, err := cmd.CombinedOutput()
		require.NoErrorf(t, err, "%d: %s", seed, out)
		got, _ := os.ReadFile(path) // patch removes a file that becomes empty
		require.Equal(t, after, string(got), "seed %d", seed)
	}
}

// However a key is written in a file, the diff shows no part of it.
func TestDiffShowsNoKey(t *testing.T) {
	ca, crt, key := fixtureTLS(t)
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	commented := "#" + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n#") + "\n"
	head := "kind: Secret\nmetadata: {name: x, namespace: n}\n"
	for _, c := range []struct{ name, file, text string }{
		{"key", "x.key", crlf(key)},
		{"byte-order mark", "x.key", "\ufeff" + key},
		{"between certificates", "x.pem", crt + crt + key + ca},
		{"all in one line", "x.key", strings.ReplaceAll(strings.TrimSpace(key), "\n", " ") + "\n"},
		{"without END", "x.key", strings.Replace(key, "-----END PRIVATE KEY-----\n", "", 1)},
		{"under another label", "x.pem", strings.ReplaceAll(crt+key, "PRIVATE KEY", "CERTIFICATE")},
		{"in capitals and not", "x.pem", strings.ReplaceAll(key, "BEGIN", "begin")},
		{"commented out, beside what changes", "x.pem", commented + ca + crt},
		{"base64 of it", "x.key", b64(key)},
		{"twice", "x.key", b64(b64(key))},
		{"in a Secret", "s.yaml", head + "data:\n  tls.key: " + b64(b64(key)) + "\n  tls.crt: " + b64(crt) + "\n"},
		{"in a Secret, wrapped", "s.yaml", head + "data:\n  tls.key: |\n    " + b64(key)[:76] + "\n    " + b64(key)[76:] + "\n  tls.crt: " + b64(crt) + "\n"},
		{"in a Secret, as PEM", "s.yaml", head + "data:\n  tls.key: |\n    " + strings.ReplaceAll(key, "\n", "\n    ") + "\n  tls.crt: " + b64(crt) + "\n"},
		{"in a Secret, under another name", "s.yaml", head + "data:\n  x: " + b64(key) + "\n  tls.key: " + b64(key) + "\n  tls.crt: " + b64(crt) + "\n"},
		{"in a Secret's comment", "s.yaml", head + "data:\n  # " + b64(key) + "\n  tls.key: " + b64(key) + "\n  tls.crt: " + b64(crt) + "\n"},
		{"in the annotation of kubectl", "s.yaml", strings.Replace(head, "name: x", `name: x, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"data":{"tls.key":"`+b64(key)+`"}}'}`, 1) + "data:\n  tls.key: " + b64(key) + "\n  tls.crt: " + b64(crt) + "\n"},
		{"in settings", "protected-settings.json", `{"tls.crt":"` + strings.ReplaceAll(crt, "\n", `\n`) + `","tls.key":"` + strings.ReplaceAll(key, "\n", `\n`) + `"}`},
		{"in values", "values.yaml", "tls:\n  crt: " + b64(b64(crt)) + "\n  key: >-\n    " + b64(key) + "\n  cacrt: " + b64(ca) + "\n"},
		{"in .env", ".env", "TLS_KEY=" + b64(b64(key)) + "\nTLS_CRT=" + b64(crt) + "\nX='" + key + "'\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := repair(c.file, []byte(c.text))
			require.NoError(t, err)
			require.True(t, r.Changed(), "%v", r.Left)
			diff := diffOf(c.file, r)
			assert.NotEmpty(t, diff)
			// The private number is in the bytes 36 to 67 of such a key; around it
			// stand what all keys have, and the public half.
			body := strings.Join(strings.Split(key, "\n")[1:4], "")
			for _, secret := range []string{body[48:90], b64(key)[104:158], b64(b64(key))[140:210]} {
				for i := 0; i+8 <= len(secret); i++ {
					if part := secret[i : i+8]; strings.Contains(diff, part) {
						t.Fatalf("%q is in\n%s", part, diff)
					}
				}
			}
		})
	}
}
