//go:build unix

package main

import (
	"crypto/ecdsa"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/fixtures/cluster"
	"github.com/crpki/crpki/pki/format"
)

// TestExamplesInARealCluster runs what help shows, where there is what the
// examples name.
func TestExamplesInARealCluster(t *testing.T) {
	api := cluster.Start(t)
	api.Namespace(t, "infra")
	api.Create(t, "/api/v1/namespaces/infra/services", "{apiVersion: v1, kind: Service, metadata: {name: registry}, spec: {clusterIP: 10.96.0.50, ports: [{port: 443}]}}")
	api.Create(t, "/api/v1/namespaces/infra/serviceaccounts", "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}")
	api.Create(t, "/apis/apps/v1/namespaces/infra/deployments", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: registry},
  spec: {selector: {matchLabels: {app: r}}, template: {metadata: {labels: {app: r}}, spec: {containers: [{name: r, image: "registry:2"}]}}}}`)
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", api.Kubeconfig(t, cluster.Admin))
	succeed(t, `
printf 'a password\n' > secret
chmod 600 secret
crpki gen --ip 10.96.0.50
crpki secret registry-tls --from certs -n infra --apply
crpki secret short --from certs -n infra --apply --label app.kubernetes.io/instance=registry
`)
	t.Setenv("CRPKI_FORCE", "true")
	ran := 0
	walk(newApp(testEnv()), func(path []*cli.Command) {
		p := newPage(newApp(testEnv()), path)
		lines := p.example
		for _, about := range p.about {
			lines = append(lines, about.lines...)
		}
		for _, line := range lines {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "crpki ") && needsCluster(line) {
				ran++
				out, err := exec.Command("sh", "-ec", line).CombinedOutput()
				assert.NoError(t, err, "%s\n%s", line, out)
			}
		}
	})
	assert.Greater(t, ran, 8)
}

// TestPageInARealCluster runs docs/secret.md from top to bottom.
func TestPageInARealCluster(t *testing.T) {
	kubectl := cluster.Installed(t, "kubectl")
	api := cluster.Start(t)
	page, err := filepath.Abs("../../docs/secret.md")
	require.NoError(t, err)
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	t.Setenv("PATH", os.Getenv("PATH")+":"+filepath.Dir(kubectl))
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", api.Kubeconfig(t, cluster.Admin))
	t.Setenv("CRPKI_AT", "2026-11-21T12:00:00Z")
	out := replay(t, string(text))
	if *update && masked(out) != masked(string(text)) {
		require.NoError(t, os.WriteFile(page, []byte(out), 0o644))
		return
	}
	assert.Equal(t, strings.Split(masked(string(text)), "\n"), strings.Split(masked(out), "\n"))
}

// TestSecretsAreRefusedAsLintDoes: what secret refuses, and lint finds in the
// manifest that --force prints, are the same.
func TestSecretsAreRefusedAsLintDoes(t *testing.T) {
	dir := goodFiles(t)
	mustRun(t, dir, "gen", "--intermediate", "--ip", "10.96.0.60", "--out-dir", "chain")
	data, err := os.ReadFile(dir + "/chain/tls.crt")
	require.NoError(t, err)
	leaf, _, _ := strings.Cut(string(data), "-----END CERTIFICATE-----\n")
	require.NoError(t, os.WriteFile(dir+"/lonely.crt", []byte(leaf+"-----END CERTIFICATE-----\n"), 0o600))
	for use, rule := range map[string]string{
		"--from certs": "",
		"--from chain": "",
		"--from self":  "",
		"--cert certs/tls.crt --key other/tls.key --ca certs/ca.crt":  "key-mismatch",
		"--cert certs/tls.crt --key certs/tls.key --ca certs/tls.crt": "ca-is-leaf",
		"--cert lonely.crt --key chain/tls.key --ca chain/ca.crt":     "chain-intermediate-missing",
		"--cert certs/ca.crt --key certs/ca.key":                      "",
	} {
		args := append([]string{"secret", "registry-tls", "-n", "infra"}, strings.Fields(use)...)
		got := crpki(t, dir, args...)
		forced := mustRun(t, dir, append(args, "--force")...)
		require.NoError(t, os.WriteFile(dir+"/secret.yaml", []byte(forced.stdout), 0o600))
		lint := crpki(t, dir, "lint", "secret.yaml")
		assert.Equal(t, lint.code, got.code, "%s: %s%s", use, lint.stdout, got.stderr)
		if rule != "" {
			assert.Equal(t, exitBad, got.code, use)
			assert.Contains(t, got.stderr, "["+rule+"]", use)
			assert.Contains(t, lint.stdout, rule, use)
			assert.Empty(t, got.stdout, use)
			continue
		}
		assert.Equal(t, exitOK, got.code, "%s: %s", use, got.stderr)
		assert.Equal(t, forced.stdout, got.stdout)
	}
}

// quietUses are uses of every command that go well, on files of goodFiles with
// planted secrets. Those behind "key:" print a private key or a password, for
// which they were asked, on standard output.
var quietUses = []string{
	"gen --ip 10.0.0.1 --out-dir new1 OUT",
	"gen --ip 10.0.0.1 --ca locked/ca.crt --ca-key-password-file secret --key locked/tls.key --key-password-file secret --out-dir new2 OUT",
	"key: gen --ip 10.0.0.1 --key legacy.key --out-dir -",
	"csr --ip 10.0.0.1 --key legacy.key --out-dir new3 OUT",
	"sign asked/tls.csr --ca certs/ca.crt --out-dir new4 OUT",
	"renew certs/tls.crt --reuse-key OUT",
	"bundle certs/tls.crt certs/ca.crt OUT",
	"bundle certs/tls.crt certs/ca.crt --key certs/tls.key",
	"p12 pack certs/tls.crt certs/tls.key --password-file secret --out new5.p12 OUT",
	"p12 trust certs/ca.crt --password-file secret --out new6.p12 OUT",
	"p12 unpack tls.p12 --password-file secret --out-dir new7 OUT",
	"inspect certs OUT",
	"inspect tls.p12 locked/tls.key --password-file secret OUT",
	"inspect certs/tls.crt -o openssl",
	"lint certs legacy.key --fail-on none OUT",
	"verify certs/tls.crt --ca-file certs/ca.crt --host 10.96.0.50 OUT",
	"key: secret registry-tls --from certs -n infra OUT",
	"key: secret registry-tls --from locked --password-file secret -n infra OUT",
	"key: pull-secret pull --registry reg --username puller --password-file secret OUT",
	"version OUT",
}

// TestNothingIsTold plants keys and passwords and looks for them, plain and in
// base64, in all that the commands say.
func TestNothingIsTold(t *testing.T) {
	dir := goodFiles(t)
	planted := []string{"sesame-open"}
	// plant adds b in base64, at whatever place of a longer text it stands.
	plant := func(b []byte) {
		for shift := range 3 {
			coded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), b...))
			planted = append(planted, coded[4:len(coded)-4])
		}
	}
	plant([]byte("sesame-open"))
	for _, name := range []string{"certs/tls.key", "certs/ca.key", "legacy.key"} {
		data, err := os.ReadFile(dir + "/" + name)
		require.NoError(t, err)
		m, err := format.Decode(name, data, format.Options{})
		require.NoError(t, err)
		private, err := m.Keys[0].Signer.(*ecdsa.PrivateKey).Bytes()
		require.NoError(t, err)
		planted = append(planted, fmt.Sprintf("%x", private))
		plant(private)
		// Of the first line of PEM, what holds the number: in PKCS#8, in SEC 1.
		line := strings.Index(string(data), "\n") + 1
		number := data[line+49 : line+64]
		if name == "legacy.key" {
			number = data[line+12 : line+48]
		}
		planted = append(planted, string(number)) // a line of PEM
		plant(number)                             // PEM in base64
	}
	formats := map[string][]string{"version OUT": {"", "-o json"}, "lint": {"", "-o json", "-o sarif", "-o junit"}}
	for _, use := range quietUses {
		line, ownKey := strings.CutPrefix(use, "key: ")
		all := []string{"", "-o json", "-o yaml"}
		for prefix, some := range formats {
			if strings.HasPrefix(line, prefix) {
				all = some
			}
		}
		if !strings.Contains(line, "OUT") {
			all = []string{""}
		}
		for i, format := range all {
			args := strings.Fields(strings.Replace(line, "OUT", format, 1))
			if i > 0 {
				for j := range args {
					if strings.HasPrefix(args[j], "new") {
						args[j] = format[3:] + args[j]
					}
				}
			}
			got := crpki(t, dir, args...)
			assert.Equal(t, exitOK, got.code, "%v: %s", args, got.stderr)
			told := got.stderr
			if !ownKey {
				told += got.stdout
			}
			seen := false
			for _, text := range planted {
				assert.NotContains(t, told, text, "%v", args)
				seen = seen || strings.Contains(got.stdout, text)
			}
			if ownKey && !strings.Contains(line, "locked") { // a key that nobody planted
				assert.True(t, seen, "%v: what is looked for can be found", args)
			}
		}
	}
}
