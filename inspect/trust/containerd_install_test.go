package trust

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// apply puts changes into a node's files.
func apply(files map[string]string, changes []Change) map[string]string {
	files = maps.Clone(files)
	for _, c := range changes {
		files[c.Path] = string(c.Data)
	}
	return files
}

// TestContainerdInstall: on nodes of all kinds, what Plan writes makes every
// release trust the CA, changes nothing else, and is not written again.
func TestContainerdInstall(t *testing.T) {
	ca, other := newCA(t, "Wanted", nil), newCA(t, "Other", nil)
	server := ca.server(t, nil, "reg.example")
	ref := reference(t, testRegistry+"/a:1")
	w := Wanted{CAs: chainOf(ca)}
	nodes := map[string]map[string]string{
		"no configuration":          {},
		"empty configuration":       {"/etc/containerd/config.toml": ""},
		"one folder":                with(),
		"a table to add to":         {"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  # nothing\n[x]\ny = 1\n"},
		"a list":                    {"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d:/etc/docker/certs.d\" # both\n"},
		"docker's layout":           with(certsFolder+"other.crt", other.pem()),
		"hosts.toml without a CA":   with(certsFolder+"hosts.toml", "server = \"https://reg.example:5000\"\n\n[host.\"https://reg.example:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n"),
		"hosts.toml with a CA":      with(certsFolder+"hosts.toml", "ca = \"other.pem\" # ours\n[host.\"https://reg.example:5000\"]\n  ca = [\"other.pem\"]\n", certsFolder+"other.pem", other.pem()),
		"hosts.toml of a mirror":    with(certsFolder+"hosts.toml", "[host.\"https://mirror.example\"]\n  ca = [\"other.pem\"]\n", certsFolder+"other.pem", other.pem()),
		"hosts.toml without [host]": with(certsFolder+"hosts.toml", "server = \"https://reg.example:5000\"\n"),
		"broken hosts.toml":         with(certsFolder+"hosts.toml", "server = x\n"),
		"underscores":               with("/etc/containerd/certs.d/reg.example_5000_/ca.crt", other.pem()),
		"registries in config.toml": {"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.x]\nendpoint = [\"https://x\"]\n"},
		"version 3":                 {"/etc/containerd/config.toml": "version = 3\n[plugins]\n  [plugins.'io.containerd.cri.v1.images']\n    snapshotter = \"native\"\n"},
	}
	for name, files := range nodes {
		for _, line := range containerdLines {
			i := Installation{Version: line.release.String(), Unit: "containerd.service"}
			if name == "version 3" && !line.release.from(2, 0, 0) || name == "registries in config.toml" && line.release.from(2, 0, 0) {
				continue
			}
			t.Run(name+" on "+i.Version, func(t *testing.T) {
				changes, err := ContainerdItself().Plan(node(files), i, ref, w)
				require.NoError(t, err)
				require.NotEmpty(t, changes)
				after := apply(files, changes)
				d := ContainerdItself().Decide(node(after), i, ref)[0]
				require.Nil(t, d.Failure)
				shown := []Presented{{Host: testRegistry, Chain: chainOf(server)}, {Host: "mirror.example", Error: "dial tcp: no"}}
				j := Judge(d, shown, testNow)
				assert.Equal(t, Trusted, j.Verdict, "%s\n%v", j.Message, after)

				again, err := ContainerdItself().Plan(node(after), i, ref, w)
				require.NoError(t, err)
				assert.Empty(t, again, "a second time there is nothing to do")
			})
		}
	}

	for name, files := range map[string]map[string]string{
		"_default":          with("/etc/containerd/certs.d/_default/ca.crt", other.pem()),
		"another server":    with(certsFolder+"hosts.toml", "server = \"https://elsewhere.example\"\n[host]\n"),
		"CRI switched off":  {"/etc/containerd/config.toml": "disabled_plugins = [\"cri\"]\n"},
		"a list over lines": with(certsFolder+"hosts.toml", "ca = [\n\"x\",\n]\n[host]\n", certsFolder+"x", other.pem()),
	} {
		_, err := ContainerdItself().Plan(node(files), Installation{Version: "1.7.34"}, ref, w)
		assert.Error(t, err, name)
	}
	_, err := Talos().Plan(node(nil), Installation{}, ref, w)
	assert.Error(t, err)
}

// TestContainerdInstallChangesLittle: the text around stays as it was written.
func TestContainerdInstallChangesLittle(t *testing.T) {
	ca := newCA(t, "Wanted", nil)
	ref := reference(t, testRegistry+"/a:1")
	files := with(certsFolder+"hosts.toml", "# mine\nserver = \"https://reg.example:5000\"\n\n[host.\"https://reg.example:5000\"] # first\n    ca = \"x.pem\" # theirs\n", certsFolder+"x.pem", ca.pem())
	changes, err := ContainerdItself().Plan(node(files), Installation{Version: "2.3.7"}, ref, Wanted{CAs: chainOf(ca)})
	require.NoError(t, err)
	require.Len(t, changes, 2)
	assert.Equal(t, "# mine\nserver = \"https://reg.example:5000\"\nca = \"crpki.crt\"\n\n[host.\"https://reg.example:5000\"] # first\n    ca = [\"x.pem\", \"crpki.crt\"] # theirs\n", string(changes[1].Data))
	assert.Empty(t, changes[1].Restart, "folders of registries are read with every pull")
}

// TestRancherInstall: registries.yaml in all shapes that people write.
func TestRancherInstall(t *testing.T) {
	ca := newCA(t, "Wanted", nil)
	server := ca.server(t, nil, "reg.example")
	ref := reference(t, testRegistry+"/a:1")
	const file = "/etc/rancher/k3s/registries.yaml"
	for name, text := range map[string]string{
		"empty":           "",
		"mirrors only":    "mirrors:\n  docker.io:\n    endpoint:\n      - https://m.example\n",
		"another":         "configs:\n  other.example:\n    tls:\n      ca_file: /x # theirs\n",
		"with auth":       "# ours\nconfigs:\n  \"reg.example:5000\":\n    auth:\n      username: u\n",
		"with tls":        "configs:\n  reg.example:5000:\n    tls:\n      insecure_skip_verify: false\nmirrors: {}\n",
		"no last newline": "mirrors:\n  x:\n    endpoint: [\"https://y\"]",
		"a comment":       "configs: # all\n  # none yet\n",
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{file: text, "/etc/old.pem": newCA(t, "Old", nil).pem()}
			changes, err := K3s().Plan(node(files), Installation{}, ref, Wanted{CAs: chainOf(ca)})
			require.NoError(t, err)
			require.Len(t, changes, 2)
			assert.Equal(t, []string{"k3s.service"}, changes[1].Restart)
			after := apply(files, changes)
			j := Judge(K3s().Decide(node(after), Installation{}, ref)[0], []Presented{{Chain: chainOf(server)}}, testNow)
			assert.Equal(t, Trusted, j.Verdict, "%s\n%s", j.Message, after[file])
			again, err := K3s().Plan(node(after), Installation{}, ref, Wanted{CAs: chainOf(ca)})
			require.NoError(t, err)
			assert.Empty(t, again)
		})
	}
	for name, text := range map[string]string{
		"inline": "configs: {\"reg.example:5000\": {auth: {username: u}}}\n", "broken": "configs: [\n",
		"a file of one's own": "configs:\n  'reg.example:5000':\n    tls:\n      ca_file: /etc/old.pem\n",
	} {
		_, err := K3s().Plan(node(map[string]string{file: text}), Installation{}, ref, Wanted{CAs: chainOf(ca)})
		assert.Error(t, err, name)
	}
}
