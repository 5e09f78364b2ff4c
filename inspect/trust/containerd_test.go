package trust

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	testRegistry = "reg.example:5000"
	certsFolder  = "/etc/containerd/certs.d/" + testRegistry + "/"
	onePath      = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n"
)

// with is a node with a configuration of one folder, and more files.
func with(files ...string) map[string]string {
	m := map[string]string{"/etc/containerd/config.toml": onePath}
	for k := 0; k < len(files); k += 2 {
		m[files[k]] = files[k+1]
	}
	return m
}

func reference(t testing.TB, text string) Reference {
	ref, err := ParseReference(text)
	require.NoError(t, err)
	return ref
}

// TestContainerdMistakes: each mistake is found where it is, in the file and
// line that is to be changed.
func TestContainerdMistakes(t *testing.T) {
	ca := testRoot(t)
	for _, c := range []struct {
		name, version string
		files         map[string]string
		id            string
		place         Place
	}{
		{"a hosts.toml that is no TOML", "2.3.7", with(certsFolder+"hosts.toml", "server = \"x\"\nca = ca.crt\n"), "hosts-toml-broken", Place{File: certsFolder + "hosts.toml", Line: 2}},
		{"a hosts.toml without [host] before 1.7.32", "1.7.28", with(certsFolder+"hosts.toml", "ca = \"ca.pem\"\n"), "hosts-toml-no-host-table", Place{File: certsFolder + "hosts.toml"}},
		{"a .crt beside a hosts.toml", "2.3.7", with(certsFolder+"hosts.toml", "server = \"https://x\"\n", certsFolder+"ca.crt", ca), "crt-beside-hosts-toml", Place{File: certsFolder + "ca.crt"}},
		{"a .pem", "2.3.7", with(certsFolder+"ca.pem", ca), "ca-extension", Place{File: certsFolder + "ca.pem"}},
		{"a CA as .cert", "2.3.7", with(certsFolder+"ca.cert", ca), "cert-without-key", Place{File: certsFolder + "ca.cert"}},
		{"a key alone", "2.3.7", with(certsFolder+"c.key", "x"), "key-without-cert", Place{File: certsFolder + "c.key"}},
		{"ca below another host", "2.3.7", with(certsFolder+"hosts.toml", "server = \"https://reg.example:5000\"\n[host.\"https://m\"]\nca = \"ca.pem\"\n", certsFolder+"ca.pem", ca), "ca-of-another-host", Place{File: certsFolder + "hosts.toml", Line: 2}},
		{"an unknown key", "2.3.7", with(certsFolder+"hosts.toml", "[host.\"https://m\"]\n  insecure = true\n"), "hosts-toml-unknown-key", Place{File: certsFolder + "hosts.toml", Line: 2, Key: "host.https://m.insecure"}},
		{"an inline host", "2.3.7", with(certsFolder+"hosts.toml", "host.\"https://m\".ca = \"x\"\n"), "hosts-toml-inline-host", Place{File: certsFolder + "hosts.toml", Line: 1, Key: "host.https://m.ca"}},
		{"verification switched off", "2.3.7", with(certsFolder+"hosts.toml", "skip_verify = true\n"), "verification-off", Place{File: certsFolder + "hosts.toml"}},
		{"a CA that is not there", "2.3.7", with(certsFolder+"hosts.toml", "ca = \"x.pem\"\n"), "ca-not-read", Place{File: certsFolder + "x.pem"}},
		{"a CA of garbage", "2.3.7", with(certsFolder+"ca.crt", "x"), "ca-no-certificate", Place{File: certsFolder + "ca.crt"}},
		{"a folder without the port", "2.3.7", with("/etc/containerd/certs.d/reg.example/ca.crt", ca), "registry-dir-name", Place{File: "/etc/containerd/certs.d/reg.example"}},
		{"a folder in capitals", "2.3.7", with("/etc/containerd/certs.d/REG.example:5000/ca.crt", ca), "registry-dir-name", Place{File: "/etc/containerd/certs.d/REG.example:5000"}},
		{"two folders", "2.3.7", with("/etc/containerd/certs.d/reg.example_5000_/ca.crt", ca, certsFolder+"ca.crt", ca), "registry-dir-hidden", Place{File: strings.TrimSuffix(certsFolder, "/")}},
		{"a list and the transfer service", "2.3.7", map[string]string{"/etc/containerd/config.toml": strings.Replace(onePath, "certs.d\"", "certs.d:/etc/docker/certs.d\"", 1)}, "config-path-list", Place{File: "/etc/containerd/config.toml", Line: 3, Key: "registry.config_path"}},
		{"the default list", "2.3.7", map[string]string{"/etc/containerd/config.toml": "version = 3\n"}, "config-path-list", Place{File: "/etc/containerd/config.toml", Key: "registry.config_path"}},
		{"no config_path", "1.7.28", map[string]string{"/etc/containerd/config.toml": "version = 2\n", certsFolder + "ca.crt": ca}, "config-path-missing", Place{File: "/etc/containerd/certs.d"}},
		{"mirrors beside config_path", "2.3.7", map[string]string{"/etc/containerd/config.toml": onePath + "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.x]\nendpoint = []\n"}, "config-path-with-older-settings", Place{File: "/etc/containerd/config.toml", Line: 4, Key: "registry.mirrors"}},
		{"configs.tls on containerd 2", "2.0.5", map[string]string{"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"reg.example:5000\".tls]\nca_file = \"/x\"\n"}, "configs-tls-ignored", Place{File: "/etc/containerd/config.toml", Line: 2, Key: "registry.configs.reg.example:5000.tls"}},
		{"the table of another version", "1.7.28", map[string]string{"/etc/containerd/config.toml": strings.Replace(onePath, criTableV2, criTableV3, 1)}, "config-table-ignored", Place{File: "/etc/containerd/config.toml", Line: 2, Key: "plugins." + criTableV3}},
		{"a version 3 file with the table of 2", "2.1.4", map[string]string{"/etc/containerd/config.toml": strings.Replace(onePath, "version = 2", "version = 3", 1)}, "config-table-ignored", Place{File: "/etc/containerd/config.toml", Line: 2, Key: "plugins." + criTableV2}},
		{"a drop-in that replaces the table", "1.7.28", with("/etc/containerd/config.toml", "imports = [\"/etc/containerd/conf.d/*.toml\"]\n"+onePath, "/etc/containerd/conf.d/a.toml", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nx = 1\n"), "drop-in-replaces-table", Place{File: "/etc/containerd/conf.d/a.toml", Line: 2}},
		{"a drop-in that is not imported", "2.3.7", with("/etc/containerd/conf.d/a.toml", onePath), "drop-in-not-imported", Place{File: "/etc/containerd/conf.d/a.toml"}},
		{"Docker's package", "1.7.28", map[string]string{"/etc/containerd/config.toml": "disabled_plugins = [\"cri\"]\n"}, "cri-disabled", Place{File: "/etc/containerd/config.toml", Line: 1, Key: "disabled_plugins"}},
		{"a name without the port in configs", "1.7.28", map[string]string{"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"reg.example\".tls]\nca_file = \"/x\"\n"}, "configs-name", Place{File: "/etc/containerd/config.toml", Line: 2, Key: "registry.configs.reg.example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := ContainerdItself().Decide(node(c.files), Installation{Version: c.version}, reference(t, testRegistry+"/a:1"))
			require.Len(t, d, 1)
			var ids []string
			for _, m := range d[0].Mistakes {
				ids = append(ids, m.ID)
				if m.ID == c.id {
					assert.Equal(t, c.place, m.Place)
					assert.NotEmpty(t, m.Text)
					return
				}
			}
			assert.Contains(t, ids, c.id)
		})
	}
}

// TestContainerdGoodNodesHaveNoMistakes: what containerd's documentation tells
// people to write is praised by silence.
func TestContainerdGoodNodesHaveNoMistakes(t *testing.T) {
	ca := testRoot(t)
	for _, version := range []string{"1.6.20", "1.7.34", "2.0.11", "2.1.9", "2.2.7", "2.3.7"} {
		for name, files := range map[string]map[string]string{
			"docker's layout": with(certsFolder+"ca.crt", ca),
			"hosts.toml":      with(certsFolder+"hosts.toml", "server = \"https://reg.example:5000\"\nca = \"ca.crt\"\n\n[host.\"https://reg.example:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n  ca = \"ca.crt\"\n", certsFolder+"ca.crt", ca),
			"mirror":          with(certsFolder+"hosts.toml", "[host.\"https://mirror.example\"]\n  ca = \"/etc/ca.pem\"\n[host.\"https://reg.example:5000\"]\n  ca = \"/etc/ca.pem\"\n", "/etc/ca.pem", ca),
		} {
			d := ContainerdItself().Decide(node(files), Installation{Version: version}, reference(t, testRegistry))
			require.Len(t, d, 1)
			assert.Empty(t, d[0].Mistakes, "%s, containerd %s", name, version)
			assert.Nil(t, d[0].Failure)
			assert.NotEmpty(t, d[0].Endpoints[len(d[0].Endpoints)-2+btoi(len(d[0].Endpoints) == 1)].CAs)
		}
	}
}

// TestContainerdOfUnknownVersion: where releases decide alike there is one
// answer, else one for each, and it says for which.
func TestContainerdOfUnknownVersion(t *testing.T) {
	ca := testRoot(t)
	ref := reference(t, testRegistry)
	same := ContainerdItself().Decide(node(with(certsFolder+"ca.crt", ca)), Installation{}, ref)
	require.Len(t, same, 1)
	assert.Empty(t, same[0].Versions)
	assert.Empty(t, same[0].Needs)

	split := ContainerdItself().Decide(node(with(certsFolder+"hosts.toml", "ca = \"ca.pem\"\n", certsFolder+"ca.pem", ca)), Installation{}, ref)
	require.Len(t, split, 2)
	assert.Equal(t, "before 1.7.32", split[0].Versions)
	assert.Empty(t, split[0].Endpoints[0].CAs)
	assert.Equal(t, "from 1.7.32 on", split[1].Versions)
	assert.NotEmpty(t, split[1].Endpoints[0].CAs)
	assert.NotEmpty(t, split[0].Needs)
}

// TestContainerdRegistries: a list of the node has the folders that nothing
// reads too, for that is what somebody looks for.
func TestContainerdRegistries(t *testing.T) {
	ca := testRoot(t)
	list := strings.Replace(onePath, "certs.d\"", "certs.d:/etc/docker/certs.d\"", 1)
	all := ContainerdItself().Registries(node(map[string]string{"/etc/containerd/config.toml": list, certsFolder + "ca.crt": ca}), Installation{Version: "2.3.7"})
	require.Len(t, all, 1)
	assert.Equal(t, testRegistry, all[0].Registry)
	assert.Equal(t, "config-path-list", all[0].Mistakes[0].ID)

	all = ContainerdItself().Registries(node(map[string]string{"/etc/containerd/config.toml": "version = 2\n", "/etc/containerd/certs.d/a.example_5000_/ca.crt": ca}), Installation{Version: "1.7.28"})
	require.Len(t, all, 1)
	assert.Equal(t, "a.example:5000", all[0].Registry)
	assert.Equal(t, "config-path-missing", all[0].Mistakes[0].ID)

	all = ContainerdItself().Registries(node(map[string]string{"/etc/containerd/config.toml": "disabled_plugins = [\"cri\"]\n"}), Installation{Version: "1.7.28"})
	require.Len(t, all, 1)
	assert.Equal(t, "cri-disabled", all[0].Mistakes[0].ID)

	assert.Empty(t, ContainerdItself().Registries(node(with()), Installation{Version: "1.7.28"})[0].Mistakes[1:], "config_path leads to a folder that is not there")
	assert.Empty(t, ContainerdItself().Registries(node(nil), Installation{}), "nothing is set and nothing is wrong")
}

// TestContainerdOnlyForDocker: on a host of Docker's packages nobody pulls
// through containerd, and a CRI plugin that is switched off is no fault there.
func TestContainerdOnlyForDocker(t *testing.T) {
	files := map[string]string{"/etc/containerd/config.toml": "disabled_plugins = [\"cri\"]\n", "/etc/docker/daemon.json": "{}"}
	assert.Empty(t, ContainerdItself().Detect(node(files)))
	files["/var/lib/kubelet/config.yaml"] = ""
	assert.Len(t, ContainerdItself().Detect(node(files)), 1, "a kubelet wants the CRI")
	assert.Len(t, ContainerdItself().Detect(node(with("/etc/docker/daemon.json", "{}"))), 1, "the CRI is there")
}

// TestRancher: what k3s makes of registries.yaml, and that it makes it only
// when it starts.
func TestRancher(t *testing.T) {
	ca := testRoot(t)
	const file, rendered = "/etc/rancher/k3s/registries.yaml", "/var/lib/rancher/k3s/agent/etc/containerd/"
	own := "configs:\n  \"reg.example:5000\":\n    tls:\n      ca_file: /etc/ca.pem\n"
	config := "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"" + rendered + "certs.d\"\n"
	hosts := "# File generated by k3s. DO NOT EDIT.\n\nserver = \"https://reg.example:5000/v2\"\ncapabilities = [\"pull\", \"resolve\", \"push\"]\nca = [\"/etc/ca.pem\"]\n\n[host]\n"
	ref := reference(t, testRegistry)
	decide := func(files map[string]string) []Decision {
		files["/etc/ca.pem"] = ca
		return K3s().Decide(node(files), Installation{Runtime: "k3s"}, ref)
	}

	d := decide(map[string]string{file: own})
	require.Len(t, d, 1, "not started yet")
	require.Len(t, d[0].Endpoints, 1)
	assert.Len(t, d[0].Endpoints[0].CAs, 1)
	assert.Equal(t, Place{File: file, Line: 2}, d[0].Endpoints[0].Decided)

	d = decide(map[string]string{file: own, rendered + "config.toml": config, rendered + "certs.d/reg.example:5000/hosts.toml": hosts})
	require.Len(t, d, 1, "as it was started")
	assert.Len(t, d[0].Endpoints[0].CAs, 1)
	assert.Empty(t, d[0].Mistakes)

	d = decide(map[string]string{file: own, rendered + "config.toml": config})
	require.Len(t, d, 2, "changed since")
	assert.Empty(t, d[0].Endpoints[0].CAs)
	assert.Equal(t, "restart-needed", d[0].Mistakes[len(d[0].Mistakes)-1].ID)
	assert.Equal(t, "CRI pull after a restart", d[1].Way)
	assert.Len(t, d[1].Endpoints[0].CAs, 1)

	star := "configs:\n  \"*\":\n    tls:\n      ca_file: /etc/ca.pem\n"
	assert.Len(t, decide(map[string]string{file: star})[0].Endpoints[0].CAs, 1, "the wildcard")
	hidden := decide(map[string]string{file: star + "mirrors:\n  \"reg.example:5000\":\n    endpoint: [\"https://m.example\"]\n"})[0]
	assert.Empty(t, hidden.Endpoints[1].CAs, "a registry with an entry of its own never sees the wildcard's TLS")
	assert.Equal(t, "wildcard-tls-hidden", hidden.Mistakes[0].ID)

	broken := decide(map[string]string{file: "configs: [\n"})[0]
	require.NotNil(t, broken.Failure)
	assert.True(t, broken.Failure.Daemon)
}

func TestMicroK8sAndTalosAndNerdctl(t *testing.T) {
	ca := testRoot(t)
	ref := reference(t, testRegistry)
	micro := MicroK8s().Decide(node(map[string]string{
		"/var/snap/microk8s/current/args/containerd.toml":                     strings.Replace(onePath, "/etc/containerd", "${SNAP_DATA}/args", 1),
		"/var/snap/microk8s/current/args/certs.d/reg.example:5000/hosts.toml": "server = \"https://reg.example:5000\"\nca = \"ca.pem\"\n[host]\n",
		"/var/snap/microk8s/current/args/certs.d/reg.example:5000/ca.pem":     ca,
	}), Installation{Version: "1.7.28"}, ref)
	assert.Len(t, micro[0].Endpoints[0].CAs, 1)

	talos := node(map[string]string{
		"/etc/cri/containerd.toml":                           "version = 3\nimports = [\"/etc/cri/conf.d/cri.toml\"]\n",
		"/etc/cri/conf.d/cri.toml":                           "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/etc/cri/conf.d/hosts\"\n",
		"/etc/cri/conf.d/hosts/reg.example_5000_/hosts.toml": "server = \"https://reg.example:5000\"\nca = \"/etc/ca.pem\"\n",
		"/etc/ca.pem":                                        ca,
	})
	require.Len(t, Talos().Detect(talos), 1)
	assert.Len(t, Talos().Decide(talos, Installation{Version: "2.1.4"}, ref)[0].Endpoints[0].CAs, 1)

	only := node(map[string]string{"/etc/docker/certs.d/reg.example:5000/ca.crt": ca})
	ways := Nerdctl{}.Decide(only, Installation{}, ref)
	require.Len(t, ways, 2, "the daemon's version is not known")
	assert.Empty(t, ways[0].Endpoints[0].CAs, "the transfer service gets the first folder only")
	assert.Len(t, ways[1].Endpoints[0].CAs, 1)
}

// TestParseRelease: versions as packagers write them.
func TestParseRelease(t *testing.T) {
	for text, want := range map[string]string{"1.6.20~ds1": "1.6.20", "v2.3.7": "2.3.7", "2.1.4-k3s1": "2.1.4", "1.7": "1.7.0", "2.0.0-rc.1": "2.0.0"} {
		r, ok := parseRelease(text)
		assert.True(t, ok, text)
		assert.Equal(t, want, r.String())
	}
	for _, text := range []string{"", "x", "2", "(devel)", "v"} {
		_, ok := parseRelease(text)
		assert.False(t, ok, text)
	}
}

// TestNewerTOML: what TOML 1.1 allows and containerd's parsers refuse.
func TestNewerTOML(t *testing.T) {
	for text, want := range map[string]int{
		"a = 1\nb = {\n}": 2, "a = {b = 1,}": 1, "a = \"\\e\"": 1, "a = \"\\x41\"": 1, "x = 1\na = {b = [\n1,\n]}": 0,
		"a = '\\e'": 0, "a = \"\"\"\n\n\"\"\"\nb = {\n}": 4, "# {\na = [\n1,\n]": 0, "a = \"{\"\n": 0, "a = {b = \"}\", c = 1}\n": 0, "a = \"\\\"{\"\n": 0,
	} {
		assert.Equal(t, want, newerTOML([]byte(text)), "%q", text)
	}
}

func FuzzHostsTOML(f *testing.F) {
	for _, text := range []string{
		"server = \"https://x\"\nca = [\"a\"]\n[host.\"https://y\"]\nclient = [[\"a\", \"b\"]]\n[host.\"https://y\".header]\nx = [\"y\"]\n",
		"host = {\"x\" = {ca = 1}}", "[[host]]", "\ufeffa", "ca = \"\"\"\n", "a.b = 1\n[a]\n", "capabilities = [\"pull\"]\ndial_timeout = \"1s\"",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, line := range containerdLines {
			hosts, err := parseHosts("/d", text, hostsRulesOf(line.release))
			if err == nil && len(hosts) == 0 {
				t.Fatal("an understood file has at least the registry itself")
			}
		}
		n := node(map[string]string{"/etc/containerd/config.toml": onePath, certsFolder + "hosts.toml": string(text)})
		for _, d := range ContainerdItself().Decide(n, Installation{}, Reference{Registry: testRegistry, Host: "reg.example", Port: "5000"}) {
			if d.Failure == nil && len(d.Endpoints) == 0 {
				t.Fatal("neither endpoints nor a failure")
			}
		}
	})
}

func FuzzContainerdConfig(f *testing.F) {
	for _, text := range []string{onePath, "imports = [\"*.toml\", \"config.toml\"]\nversion = 3", "version = -5", "plugins = 1", "[plugins]\ncri = 1", "[plugins.cri]\nregistry = 1", "[plugins.\"io.containerd.grpc.v1.cri\"]\ncontainerd = 5\nregistry = []"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n := node(map[string]string{"/etc/containerd/config.toml": string(text), "/etc/containerd/conf.d/a.toml": onePath})
		for _, line := range containerdLines {
			i := Installation{Version: line.release.String()}
			for _, d := range ContainerdItself().Decide(n, i, Reference{Registry: testRegistry, Host: "reg.example", Port: "5000"}) {
				if d.Failure == nil && len(d.Endpoints) == 0 {
					t.Fatal("neither endpoints nor a failure")
				}
			}
			ContainerdItself().Registries(n, i)
		}
	})
}

func FuzzRegistriesYAML(f *testing.F) {
	f.Add([]byte("mirrors:\n  \"*\":\n    endpoint: [\"http://x:1/y\", \"%zz\"]\nconfigs:\n  a:\n    tls:\n      ca_file: /x\n"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		n := node(map[string]string{"/etc/rancher/k3s/registries.yaml": string(text)})
		K3s().Decide(n, Installation{}, Reference{Registry: testRegistry, Host: "reg.example", Port: "5000"})
		K3s().Registries(n, Installation{})
	})
}

// testRoot is a CA in PEM.
func testRoot(t testing.TB) string { return newCA(t, "Root", nil).pem() }
