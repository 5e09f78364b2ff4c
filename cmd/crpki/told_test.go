//go:build unix

package main

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/fixtures/cluster"
	"github.com/crpki/crpki/pki/format"
)

// quietUses are uses of every command, on files of newPlantation. Before the
// arguments, separated by a colon, stands the exit code when it is not 0, and
// "key" when a private key or a password is asked for, on standard output.
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
	"1: probe REGISTRY --ca-file other/ca.crt --cert certs/tls.crt --key certs/tls.key OUT",
	"probe REGISTRY/team/app:1.2 --ca-file certs/ca.crt --servername 10.96.0.50 --username puller --login-password-file secret OUT",
	"1: probe REGISTRY/team/app:1.2 --ca-file certs/ca.crt --servername 10.96.0.50 --username other --login-password-file secret OUT",
	"serve --cert certs/tls.crt --for 1ms --listen 127.0.0.1:0 OUT",
	"serve --cert tls.p12 --password-file secret --for 1ms --listen 127.0.0.1:0 OUT",
	"trust install reg.local --root node --runtime podman --ca certs/ca.crt OUT",
	"1: trust check reg.local --root node --runtime podman --cert certs/tls.crt OUT",
	"2: trust check reg.local --roots-from certs/tls.key --runtime podman --cert certs/tls.crt",
	"trust show reg.local --root node OUT",
	"trust list --root node OUT",
	"trust render reg.local --root node --runtime podman --ca certs/ca.crt",
	"trust snapshot --root node --out new8.tar OUT",
	"trust snapshot --root node --out -",
	"trust uninstall reg.local --root node -o json",
	"key: secret registry-tls --from certs -n infra YAML",
	"key: secret registry-tls --from locked --password-file secret -n infra YAML",
	"1: secret registry-tls --cert certs/tls.crt --key legacy.key --ca certs/tls.crt",
	"key: pull-secret pull --registry reg --username puller --password-file secret YAML",
	"key: pull-secret pull --docker-config node/root/.docker/config.json YAML",
	"values --for helm --from certs --out new9.yaml OUT",
	"values --for connected-registry --from certs --cluster-ip 10.96.0.50 --connection-string-file connection --out values.yaml --force OUT",
	"values --for connected-registry --from certs --cluster-ip 10.96.0.50 --into values.yaml OUT",
	"values --for helm-set --from certs --value db.password=sesame-open --out new10 OUT",
	"values --for arc --from certs --cluster-ip 10.96.0.50 --connection-string-file connection --out new11.json OUT",
	"values --for env --from certs --out new12.env OUT",
	"values --for cert-manager --cert certs/tls.crt --out new13.yml OUT",
	"values --for trust-manager --cert certs/tls.crt --out new14.yml OUT",
	"key: values --for helm --from certs --out -",
	"2: values --for connected-registry --from certs --cluster-ip 10.96.0.50 --connection-string-file secret",
	"3: preflight values.yaml --kubeconfig nowhere OUT",
	"3: triage -A --kubeconfig nowhere OUT",
	"3: secret list -A --kubeconfig nowhere OUT",
	"2: secret list -A --kubeconfig proxy OUT",
	"explain failure.log OUT",
	"version OUT",
	"completion bash",
	"completion zsh",
	"completion fish",
	"completion powershell",
}

// clusterUses are those of commands that speak to a cluster, in a real one.
var clusterUses = []string{
	"secret registry-tls --from certs -n infra --apply --create-namespace OUT",
	"secret registry-tls --from certs -n infra --apply --dry-run=server OUT",
	"2: secret taken --from certs -n infra --apply",
	"2: secret registry-tls --from certs -n infra --apply --kubeconfig nobody",
	"3: secret registry-tls --from certs -n infra --apply --kubeconfig expired",
	"secret get infra/registry-tls OUT",
	"secret get infra/registry-tls --out-dir new1 OUT",
	"1: secret get infra/taken OUT",
	"secret list -A --any-type OUT",
	"pull-secret registry-pull --registry reg.local --username puller --password-file secret -n infra --apply OUT",
	"pull-secret registry-pull --docker-config node/root/.docker/config.json -n infra --apply --merge --service-account default OUT",
	"2: pull-secret registry-tls --registry reg.local --username puller --password-file secret -n infra --apply",
	"secret get infra/registry-pull OUT",
	"gen --ip 10.0.0.1 --key legacy.key --apply --secret made --namespace infra --out-dir new2 --force OUT",
	"values --for connected-registry --from certs --cluster-ip 10.96.0.50 --connection-string-file connection --out values.yaml OUT",
	"1: preflight values.yaml OUT",
	"1: preflight values.yaml -o junit",
	"1: triage -n infra --ca-file certs/ca.crt --no-probe OUT",
}

// TestNothingIsTold plants keys and passwords and looks for them, plain and in
// base64, in all that the commands say and in what they write for others to
// read.
func TestNothingIsTold(t *testing.T) {
	p := newPlantation(t)
	server, err := startRegistry(p.dir+"/certs", map[string]string{"basic": "puller:sesame-open"})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	require.NoError(t, os.WriteFile(p.dir+"/nowhere", kubeconfigOf("https://user:sesame-open@127.0.0.1:1", "sesame-open"), 0o600))
	require.NoError(t, os.WriteFile(p.dir+"/proxy", bytes.Replace(kubeconfigOf("https://127.0.0.1:1", "sesame-open"),
		[]byte("cluster: {server"), []byte("cluster: {proxy-url: 'ftp://user:sesame-open@127.0.0.1:1', server"), 1), 0o600))
	for _, use := range quietUses {
		p.use(t, strings.ReplaceAll(use, "REGISTRY", server.Listener.Addr().String()))
	}
}

// TestNothingIsToldInARealCluster does so where there is something to talk to,
// and looks at what was left in the cluster beside the data of Secrets.
func TestNothingIsToldInARealCluster(t *testing.T) {
	api := cluster.Start(t)
	p := newPlantation(t)
	t.Setenv("KUBECONFIG", api.Kubeconfig(t, cluster.Admin))
	for name, from := range map[string]string{"nobody": api.Kubeconfig(t, cluster.Nobody), "expired": api.KubeconfigOf(t, api.URL, api.CAFile, "sesame-open")} {
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, name), data, 0o600))
	}
	api.Namespace(t, "infra")
	api.Create(t, "/api/v1/namespaces/infra/serviceaccounts", "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}")
	api.Create(t, "/api/v1/namespaces/infra/secrets", "{apiVersion: v1, kind: Secret, metadata: {name: taken}, type: Opaque, stringData: {tls.key: sesame-open, password: sesame-open}}")
	api.Create(t, "/api/v1/namespaces/infra/pods", "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {imagePullSecrets: [{name: registry-pull}], containers: [{name: web, image: 'reg.local/app:1'}]}}")
	status, answer, err := api.Do(t.Context(), http.MethodPatch, "/api/v1/namespaces/infra/pods/web/status", "application/merge-patch+json",
		[]byte(`{"status":{"containerStatuses":[{"name":"web","image":"reg.local/app:1","imageID":"","ready":false,"restartCount":0,"state":{"waiting":{"reason":"ErrImagePull",
		"message":"failed to authorize: failed to fetch oauth token: Post \"https://puller:sesame-open@reg.local/token\": unexpected status: 401 Unauthorized"}}}]}}`))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", answer)
	p.env = []string{"KUBECONFIG=" + os.Getenv("KUBECONFIG")}
	for _, use := range clusterUses {
		p.use(t, use)
	}
	for _, kind := range []string{"events", "serviceaccounts", "configmaps"} {
		status, answer, err := api.Do(t.Context(), http.MethodGet, "/api/v1/"+kind, "", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		p.assertNone(t, string(answer), kind)
	}
	var secrets struct {
		Items []struct {
			Metadata map[string]any
			Data     map[string]string
		}
	}
	api.Read(t, "/api/v1/namespaces/infra/secrets", &secrets)
	found := false
	for _, s := range secrets.Items {
		p.assertNone(t, fmt.Sprint(s.Metadata), fmt.Sprintf("what is said of the Secret %v", s.Metadata["name"]))
		found = found || p.in(fmt.Sprint(s.Data)) != ""
	}
	assert.True(t, found, "what is looked for can be found in the data")
}

// TestNothingIsToldOfAnyCommand demands a use of every command.
func TestNothingIsToldOfAnyCommand(t *testing.T) {
	all := slices.Concat(quietUses, clusterUses)
	walk(newApp(testEnv()), func(path []*cli.Command) {
		if len(path) == 0 || path[len(path)-1].Action == nil {
			return
		}
		var words []string
		for _, c := range path {
			words = append(words, c.Name)
		}
		name := strings.Join(words, " ")
		assert.True(t, slices.ContainsFunc(all, func(use string) bool {
			_, line := parseUse(use)
			return strings.HasPrefix(line+" ", name+" ")
		}), "crpki %s has no use among those that are looked at", name)
	})
}

// parseUse takes what stands before the arguments off.
func parseUse(use string) (head, line string) {
	if head, line, ok := strings.Cut(use, ": "); ok {
		return head, line
	}
	return "", use
}

// plantation is a folder with keys and passwords that nobody is to be told.
type plantation struct {
	dir     string
	env     []string
	planted []string
}

func newPlantation(t *testing.T) *plantation {
	t.Helper()
	dir := goodFiles(t)
	p := &plantation{dir: dir, planted: []string{"sesame-open"}}
	p.plant([]byte("sesame-open"))
	for _, name := range []string{"certs/tls.key", "certs/ca.key", "legacy.key"} {
		data, err := os.ReadFile(dir + "/" + name)
		require.NoError(t, err)
		m, err := format.Decode(name, data, format.Options{})
		require.NoError(t, err)
		private, err := m.Keys[0].Signer.(*ecdsa.PrivateKey).Bytes()
		require.NoError(t, err)
		p.planted = append(p.planted, fmt.Sprintf("%x", private))
		p.plant(private)
		// Of the first line of PEM, what holds the number: in PKCS#8, in SEC 1.
		line := strings.Index(string(data), "\n") + 1
		number := data[line+49 : line+64]
		if name == "legacy.key" {
			number = data[line+12 : line+48]
		}
		p.planted = append(p.planted, string(number)) // a line of PEM
		p.plant(number)                               // PEM in base64
	}
	key, err := os.ReadFile(dir + "/certs/tls.key")
	require.NoError(t, err)
	cert, err := os.ReadFile(dir + "/certs/tls.crt")
	require.NoError(t, err)
	login := base64.StdEncoding.EncodeToString([]byte("puller:sesame-open"))
	for name, data := range map[string]string{
		"connection": "ConnectedRegistryName=edge01;SyncTokenName=edge01;SyncTokenPassword=sesame-open;ParentGatewayEndpoint=acme.westeurope.data.azurecr.io;ParentEndpointProtocol=https\n",
		"failure.log": "Authorization: Basic " + login + "\n" + string(key) +
			`Get "https://puller:sesame-open@10.96.0.50/v2/": x509: certificate signed by unknown authority` + "\n",
		"node/etc/os-release":                               "ID=debian\nVERSION_ID=\"12\"\n",
		"node/etc/containers/certs.d/reg.local/client.key":  string(key),
		"node/etc/containers/certs.d/reg.local/client.cert": string(cert),
		"node/etc/containers/registries.conf":               "unqualified-search-registries = [\"reg.local\"]\n",
		"node/root/.docker/config.json":                     `{"auths": {"reg.local": {"auth": "` + login + `"}}}`,
		"node/etc/containerd/config.toml":                   "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"reg.local\".auth]\n  username = \"puller\"\n  password = \"sesame-open\"\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
	}
	return p
}

// plant adds b in base64, at whatever place of a longer text it stands.
func (p *plantation) plant(b []byte) {
	for shift := range 3 {
		coded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), b...))
		p.planted = append(p.planted, coded[4:len(coded)-4])
	}
}

// in is what is planted of all that stands in text, "" for nothing.
func (p *plantation) in(text string) string {
	for _, secret := range p.planted {
		if strings.Contains(text, secret) {
			return secret
		}
	}
	return ""
}

func (p *plantation) assertNone(t *testing.T, text, what string) {
	t.Helper()
	assert.Empty(t, p.in(text), "%s tells it", what)
}

// use runs a command in every format that it has.
func (p *plantation) use(t *testing.T, use string) {
	t.Helper()
	head, line := parseUse(use)
	want, ownKey := exitOK, head == "key"
	if head != "" && !ownKey {
		_, err := fmt.Sscan(head, &want)
		require.NoError(t, err)
	}
	all := []string{""}
	switch {
	case strings.HasPrefix(line, "version"), strings.HasPrefix(line, "serve"):
		all = []string{"", "-o json"}
	case strings.HasPrefix(line, "lint"):
		all = []string{"", "-o json", "-o sarif", "-o junit"}
	case strings.HasSuffix(line, " OUT"), strings.HasSuffix(line, " YAML"):
		all = []string{"", "-o json", "-o yaml"}
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, " OUT"), " YAML")
	for _, format := range all {
		args := strings.Fields(line + " " + format)
		for j := range args {
			if strings.HasPrefix(args[j], "new") {
				args[j] = strings.TrimPrefix(format, "-o ") + args[j]
			}
		}
		cmd := command(t, p.dir, args...)
		cmd.Env = append(cmd.Env, p.env...)
		got := finish(t, cmd)
		assert.Equal(t, want, got.code, "%v: %s%s", args, got.stdout, got.stderr)
		p.assertNone(t, got.stderr, fmt.Sprint(args))
		if !ownKey {
			p.assertNone(t, got.stdout, fmt.Sprint(args))
		} else if !strings.Contains(line, "locked") { // a key that nobody planted
			assert.NotEmpty(t, p.in(got.stdout), "%v: what is looked for can be found", args)
		}
		p.assertFiles(t, fmt.Sprint(args))
	}
}

// assertFiles demands that what holds a secret is for its owner alone, and that
// no certificate, request or tar file of a node holds one.
func (p *plantation) assertFiles(t *testing.T, what string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || p.in(string(data)) == "" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		assert.Zero(t, info.Mode().Perm()&0o077, "%s: %s may be read by others", what, path)
		assert.NotContains(t, []string{".crt", ".csr", ".tar", ".yml"}, filepath.Ext(path), "%s: %s holds it", what, path)
		return nil
	}))
}

// kubeconfigOf is one for a server that nothing is known of.
func kubeconfigOf(server, token string) []byte {
	return fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
  clusters: [{name: c, cluster: {server: %q}}], users: [{name: u, user: {token: %q}}]}`, server, token)
}
