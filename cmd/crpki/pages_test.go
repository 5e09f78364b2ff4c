package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

// pages are the documents whose commands are run, with what has to be there
// before.
var pages = map[string]string{
	"docs/spec.md":        "",
	"docs/lint-config.md": "",
	"docs/values.md":      "",
	"docs/verify.md":      "",
	"docs/howto/connected-registry.md": `
printf 'ConnectedRegistryName=edge01;SyncTokenName=edge01;SyncTokenPassword=x;ParentGatewayEndpoint=acme.westeurope.data.azurecr.io;ParentEndpointProtocol=https' > connection
`,
	"docs/howto/image-pull-backoff.md": "",
	"docs/trust.md": `
printf '{}\n' > docker.json
printf 'ID=debian\n' > os-release
`,
	"docs/howto/ci.md": `
crpki gen --ip 10.96.0.50
printf '# by hand\nkind: Secret\nmetadata:\n  name: registry-tls\n  namespace: infra\n  type: kubernetes.io/tls\n' > secret.yaml
printf 'data:\n  tls.key: %s\n' "$(base64 < certs/tls.key | tr -d '\n' | base64 | tr -d '\n')" >> secret.yaml
printf '  # for the server\n  # at 10.96.0.50,\n  # and its CA\n  tls.crt: %s\n' "$(base64 < certs/tls.crt | tr -d '\n')" >> secret.yaml
printf '  ca.crt: %s\n' "$(base64 < certs/ca.crt | tr -d '\n')" >> secret.yaml
`,
	"docs/probe.md": `
crpki gen --ip 10.96.0.50
printf 'sesame\n' > password
chmod 600 password
printf '10.96.0.50\nold.example.com\ndev.example.com:5000\n' > registries.txt
crpki gen --dns registry.old.example.com --out-dir old --ca certs/ca.crt
crpki gen --dns reg.example.com --out-dir reg --ca certs/ca.crt
crpki gen --dns auth.example.com --out-dir auth --ca certs/ca.crt
crpki gen --dns s3.example.com --out-dir store --ca certs/ca.crt
`,
	"README.md": `
mkdir -p node/etc/containerd/certs.d node/etc/ssl/certs node/var/lib/dpkg
printf 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n' > node/etc/containerd/config.toml
printf 'Package: containerd.io\nStatus: install ok installed\nVersion: 1.7.28-1\n\n' > node/var/lib/dpkg/status
printf 'Failed to pull image "10.96.0.50/app:1": failed to pull and unpack image "10.96.0.50/app:1": failed to resolve reference "10.96.0.50/app:1": failed to do request: Head "https://10.96.0.50/v2/app/manifests/1": tls: failed to verify certificate: x509: certificate signed by unknown authority\n' > messages.txt
printf 'a password\n' > secret
mkdir given
crpki gen --intermediate --dns other.example.com --out-dir given
crpki bundle given/tls.crt --out server.crt
crpki gen --dns old.example.com --out-dir old
cat given/intermediate.crt > intermediate.crt
cat given/ca.crt > root.crt
printf 'version: 1\ncas: [{name: root}]\ncerts: [{name: reg, ca: root, names: 10.96.0.50}]\n' > pki.yaml
`,
}

// pageServers are started before a page is run, in its folder.
var pageServers = map[string]func(*testing.T){"docs/probe.md": probePage}

// TestPages runs the documents: blocks of code with a file name are files, in
// those marked "sh" every command has to succeed, those marked "console" are
// sessions, whose output has to be what is printed there. -update writes it.
func TestPages(t *testing.T) {
	if _, err := exec.LookPath("sed"); err != nil {
		t.Skip("the sessions use sed")
	}
	for page, before := range pages {
		t.Run(page, func(t *testing.T) {
			doc, err := filepath.Abs(filepath.Join("../..", page))
			require.NoError(t, err)
			text, err := os.ReadFile(doc)
			require.NoError(t, err)
			t.Chdir(t.TempDir())
			succeed(t, before)
			if start := pageServers[page]; start != nil {
				start(t)
			}
			out := replay(t, string(text))
			if *update && masked(out) != masked(string(text)) {
				require.NoError(t, os.WriteFile(doc, []byte(out), 0o644))
				return
			}
			assert.Equal(t, strings.Split(masked(string(text)), "\n"), strings.Split(masked(out), "\n"), "%s is not what crpki does: go test ./cmd/crpki -run Pages -update", page)
		})
	}
}

// masked hides what is random: identifiers and hashes.
func masked(text string) string {
	return regexp.MustCompile(`\b([0-9a-f]{64}|[0-9a-f]{8})\b`).ReplaceAllString(text, "…")
}

// replay gives the document with the output that its sessions have now.
func replay(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	for i, part := range strings.Split(text, "```") {
		if i > 0 {
			out.WriteString("```")
		}
		info, body, _ := strings.Cut(part, "\n")
		switch _, name, isFile := strings.Cut(info, " "); {
		case i%2 == 0: // prose
		case isFile:
			require.NoError(t, os.WriteFile(name, []byte(body), 0o644))
		case info == "console":
			part = info + "\n" + session(t, body)
		case info == "sh":
			succeed(t, body)
		}
		out.WriteString(part)
	}
	return out.String()
}

// succeed runs each line, all of which have to succeed.
func succeed(t *testing.T, commands string) {
	t.Helper()
	for line := range strings.Lines(commands) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			var b bytes.Buffer
			assert.Equal(t, exitOK, shell(&b, line), "%s\n%s", line, &b)
		}
	}
}

// session runs the lines of body that begin with "$ " and gives them with
// their output.
func session(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	for line := range strings.Lines(body) {
		if command, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ "); ok {
			b.WriteString(line)
			code := shell(&b, command)
			if !strings.HasPrefix(command, "crpki ") {
				require.Equal(t, exitOK, code, "%s\n%s", command, &b)
			}
		}
	}
	return b.String()
}

// pageEnv is the environment of a page: nothing of the developer's.
func pageEnv(name string) string {
	if name == "CRPKI_PROXY" {
		return os.Getenv(name)
	}
	return ""
}

// shell runs a command line, on a day that stays the same when it is crpki's.
func shell(w io.Writer, line string) int {
	if args, ours := strings.CutPrefix(line, "crpki "); ours && !strings.ContainsAny(line, "|>") {
		e := &env{
			stdin: strings.NewReader(""), stdout: w, stderr: w, width: 80, getenv: pageEnv, dialer: loopbackDialer(),
			now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
		}
		return run(context.Background(), append([]string{"crpki"}, strings.Fields(args)...), e)
	}
	cmd := exec.Command("sh", "-c", line)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		io.WriteString(w, err.Error())
		return exitUsage
	}
	return cmd.ProcessState.ExitCode()
}

// needsCluster: an example of help speaks to a cluster.
func needsCluster(line string) bool {
	return strings.HasPrefix(line, "crpki secret get ") || strings.HasPrefix(line, "crpki secret list ") || strings.Contains(line, " --apply")
}

// judges: an example gives a verdict on a server or a node.
func judges(line string) bool {
	return strings.HasPrefix(line, "crpki probe ") || strings.HasPrefix(line, "crpki trust check ")
}

// TestExamplesRun runs what help shows, in a folder where the files are that
// the examples name. Each one starts afresh.
func TestExamplesRun(t *testing.T) {
	given := filepath.Join(t.TempDir(), "given")
	require.NoError(t, os.Mkdir(given, 0o755))
	t.Chdir(given)
	succeed(t, `
mkdir -p home/.local/share/bash-completion/completions home/.config/fish/completions downloads
printf 'a password\n' > secret
chmod 600 secret
crpki gen --ip 10.96.0.50 --dns a.example.com --dns reg.example.com --san old.example.com
crpki gen --intermediate --dns reg.example.com --out-dir other
crpki csr --dns reg.example.com --out-dir request
cp request/tls.csr .
cp other/intermediate.crt intermediate.crt
cp other/ca.crt root.crt
cp other/tls.crt tls.crt
cat other/ca.crt other/tls.crt certs/ca.crt certs/tls.crt > heap.pem
cp other/tls.crt downloads/a.pem
cp other/ca.crt new-ca.crt
mkdir -p node/etc/docker/certs.d/reg.example.com:5000
cp certs/ca.crt node/etc/docker/certs.d/reg.example.com:5000/ca.crt
printf '{}' > node/etc/docker/daemon.json
printf 'ID=debian' > node/etc/os-release
crpki trust snapshot --root node
crpki trust install --ca other/ca.crt reg.example.com:5000 --root node
cp other/intermediate.crt downloads/b.pem
cp other/ca.crt old.p7b
crpki p12 pack certs/tls.crt certs/tls.key --password-file secret --alias tomcat --out keystore.p12
cp keystore.p12 tls.p12
printf 'version: 1\ncas: [{name: root}]\ncerts: [{name: reg, ca: root, names: 10.96.0.50}]\n' > certs.yaml
printf '10.96.0.50\nreg.example.com:5000\n' > registries.txt
printf '{"id":1,"chain":["%s"],"roots":["%s"],"host":"10.96.0.50"}\n' "$(awk '{printf "%s\\n", $0}' certs/tls.crt)" "$(awk '{printf "%s\\n", $0}' certs/ca.crt)" > cases.jsonl
printf '{"message":"dial tcp: lookup reg.local: no such host"}\n' > messages.jsonl
printf 'dial tcp: lookup reg.local: no such host\n' > messages.txt
printf '{"auths": {"quay.io": {"auth": "dTpw"}}}' > config.json
printf '# ours\nservice: {type: ClusterIP}\n' > my-values.yaml
printf 'service:\n  clusterIP: 10.96.0.50\ntls:\n  crt: %s\n  key: %s\n' $(base64 -w0 certs/tls.crt) $(base64 -w0 certs/tls.key) > values.yaml
printf 'apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: registry-tls, namespace: registry}\ndata:\n  tls.crt: %s\n  tls.key: %s\n  ca.crt: %s\n' $(base64 -w0 certs/tls.crt) $(base64 -w0 certs/tls.key) $(base64 -w0 certs/ca.crt) > secret.yaml
`)
	neighbours{
		"": serveFrom(t, "certs"), "reg.example.com:443": registryFrom(t, "other", nil), "reg.example.com:5000": serveFrom(t, "other"),
		"127.0.0.1:5000": serveFrom(t, "other"),
	}.settle(t)
	walk(newApp(testEnv()), func(path []*cli.Command) {
		for _, line := range newPage(newApp(testEnv()), path).example {
			if strings.HasPrefix(line, "crpki trust check ") && !strings.Contains(line, "--cert ") {
				continue // it would connect; trust_check.txtar does, on loopback
			}
			if strings.HasPrefix(line, "crpki triage ") {
				continue // fixtures/kube runs it
			}
			if strings.HasPrefix(line, "crpki preflight ") {
				continue // TestPreflightInARealCluster runs them
			}
			if needsCluster(line) {
				continue // TestExamplesInARealCluster runs them
			}
			if strings.HasPrefix(line, "crpki ") && !strings.Contains(line, " /etc/") && !strings.Contains(line, " /mnt/") && !strings.Contains(line, "$") {
				t.Run(line, func(t *testing.T) {
					dir := t.TempDir()
					require.NoError(t, os.CopyFS(dir, os.DirFS(given)))
					t.Chdir(dir)
					t.Setenv("HOME", filepath.Join(dir, "home"))
					t.Setenv("CRPKI_AT", "2026-11-21T12:00:00Z")
					t.Setenv("CRPKI_ROOT", "node") // the node is never this machine
					t.Setenv("CRPKI_FORCE", "true")
					t.Setenv("CRPKI_PASSWORD_FILE", "secret")
					t.Setenv("CRPKI_KEY_PASSWORD_FILE", "secret")
					t.Setenv("CRPKI_LISTEN", "127.0.0.1:0")
					t.Setenv("CRPKI_FOR", "50ms")
					line, _, _ := strings.Cut(line, " && ") // what others do then
					var b bytes.Buffer
					cmd := exec.Command("sh", "-ec", line)
					cmd.Stdout, cmd.Stderr = &b, &b
					if err := cmd.Run(); err != nil && judges(line) && cmd.ProcessState.ExitCode() == exitBad {
						return // a verdict, and not on the example
					} else {
						assert.NoError(t, err, &b)
					}
				})
			}
		}
	})
}
