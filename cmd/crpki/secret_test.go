//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/fixtures/cluster"
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
