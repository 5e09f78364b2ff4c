package trust

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Docker's three ways to a registry read the same folder differently.
func TestDockerWays(t *testing.T) {
	hostsTOML := map[string]string{"/etc/docker/certs.d/reg.example:5000/hosts.toml": "server = \"https://reg.example:5000\"\nskip_verify = true\n"}
	loneKey := map[string]string{"/etc/docker/certs.d/reg.example:5000/client.key": "x"}
	combined := map[string]string{"/etc/docker/certs.d/reg.example:5000/client.cert": "x"}
	garbage := map[string]string{"/etc/docker/certs.d/reg.example:5000/ca.crt": "not a certificate\n"}
	underscore := map[string]string{"/etc/docker/certs.d/reg.example_5000_/hosts.toml": "server = \"https://reg.example:5000\"\nskip_verify = true\n"}
	const store = `{"features": {"containerd-snapshotter": true}}`
	for _, c := range []struct {
		name, version, way string
		files              map[string]string
		json               string
		failure            string
		skips              bool
	}{
		{"hosts.toml is not read by the classic way", "28.5.2", dockerPull, hostsTOML, "", "", false},
		{"hosts.toml is read with containerd's store", "28.5.2", dockerPull, hostsTOML, store, "", true},
		{"which is the default of 29", "29.0.0", dockerPull, hostsTOML, "", "", true},
		{"hosts.toml is not read by BuildKit's resolver", "27.5.1", dockerPull, hostsTOML, store, "", false},
		{"hosts.toml is never read by login", "29.0.0", dockerLogin, hostsTOML, "", "", false},
		{"host_port_ by containerd's way", "29.0.0", dockerPull, underscore, "", "", true},
		{"host_port_ not by login", "29.0.0", dockerLogin, underscore, "", "", false},
		{"a key alone, classic, 20.10", "20.10.24", dockerPull, loneKey, "", "Missing client certificate client.cert for key client.key", false},
		{"a key alone, classic", "28.5.2", dockerPull, loneKey, "", "missing client certificate client.cert for key client.key", false},
		{"a key alone, BuildKit", "27.5.1", dockerPull, loneKey, store, "", false},
		{"a key alone, containerd", "29.0.0", dockerPull, loneKey, "", "", false},
		{"a key alone, login", "29.0.0", dockerLogin, loneKey, "", "missing client certificate client.cert for key client.key", false},
		{"no key, classic", "28.5.2", dockerPull, combined, "", "missing key client.key for client certificate client.cert. CA certificates must use the extension .crt", false},
		{"no key, BuildKit", "27.5.1", dockerPull, combined, store, "failed to load keypair for /etc/docker/certs.d/reg.example:5000/client.cert: open /etc/docker/certs.d/reg.example:5000/client.key: no such file or directory", false},
		{"garbage, classic", "28.5.2", dockerPull, garbage, "", "", false},
		{"garbage, containerd", "29.0.0", dockerPull, garbage, "", `unable to load CA cert "/etc/docker/certs.d/reg.example:5000/ca.crt"`, false},
		{"insecure, classic", "28.5.2", dockerPull, loneKey, `{"insecure-registries": ["reg.example:5000"]}`, "", true},
		{"insecure, BuildKit", "27.5.1", dockerPull, nil, `{"features": {"containerd-snapshotter": true}, "insecure-registries": ["reg.example:5000"]}`, "", true},
		{"insecure, containerd", "29.0.0", dockerPull, nil, `{"insecure-registries": ["reg.example:5000"]}`, "", true},
		{"insecure, BuildKit reads the folder all the same", "27.5.1", dockerPull, combined, `{"features": {"containerd-snapshotter": true}, "insecure-registries": ["reg.example:5000"]}`, "failed to load keypair for /etc/docker/certs.d/reg.example:5000/client.cert: open /etc/docker/certs.d/reg.example:5000/client.key: no such file or directory", false},
		{"the daemon does not start", "29.0.0", dockerLogin, nil, `{"insecure-registries": ["ftp://x"]}`, "failed to start daemon: insecure registry ftp://x should not contain '://'", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{}
			for name, text := range c.files {
				files[name] = text
			}
			if c.json != "" {
				files["/etc/docker/daemon.json"] = c.json
			}
			d := decideOne(t, textNode(files), Docker, c.version, c.way)
			if c.failure != "" {
				require.NotNil(t, d.Failure)
				assert.Equal(t, c.failure, d.Failure.Text)
				return
			}
			require.Nil(t, d.Failure)
			require.NotEmpty(t, d.Endpoints)
			assert.Equal(t, c.skips, d.Endpoints[len(d.Endpoints)-1].SkipVerify)
		})
	}
}

// A [host] table in hosts.toml switches daemon.json's list off.
func TestDockerInsecureAndHosts(t *testing.T) {
	d := decideOne(t, textNode(map[string]string{
		"/etc/docker/daemon.json":                         `{"insecure-registries": ["reg.example:5000"]}`,
		"/etc/docker/certs.d/reg.example:5000/hosts.toml": "[host.\"https://mirror.example\"]\n",
	}), Docker, "29.0.0", dockerPull)
	require.Len(t, d.Endpoints, 2)
	assert.False(t, d.Endpoints[1].SkipVerify)
	assert.Equal(t, "insecure-registry-ignored", d.Mistakes[len(d.Mistakes)-1].ID)
}

// Images of a graph driver keep docker 29 at it.
func TestDockerImageStore(t *testing.T) {
	hosts := map[string]string{"/etc/docker/certs.d/reg.example:5000/hosts.toml": "server = \"https://reg.example:5000\"\nskip_verify = true\n"}
	assert.True(t, decideOne(t, textNode(hosts), Docker, "29.1.0", dockerPull).Endpoints[0].SkipVerify)
	hosts["/var/lib/docker/overlay2/l/x"] = "x"
	assert.False(t, decideOne(t, textNode(hosts), Docker, "29.1.0", dockerPull).Endpoints[0].SkipVerify)
	delete(hosts, "/var/lib/docker/overlay2/l/x")
	hosts["/etc/docker/daemon.json"] = `{"storage-driver": "overlay2"}`
	assert.False(t, decideOne(t, textNode(hosts), Docker, "29.1.0", dockerPull).Endpoints[0].SkipVerify)
	hosts["/etc/docker/daemon.json"] = `{"data-root": "/data"}`
	hosts["/data/btrfs/x"] = "x"
	assert.False(t, decideOne(t, textNode(hosts), Docker, "29.1.0", dockerPull).Endpoints[0].SkipVerify)
}

// A network in the list needs the address of the registry, as the daemon sees it.
func TestDockerNetworks(t *testing.T) {
	files := map[string]string{"/etc/docker/daemon.json": "{\n  \"insecure-registries\": [\n    \"10.0.0.0/8\"\n  ]\n}\n"}
	d := decideOne(t, textNode(files), Docker, "28.5.2", dockerPull)
	assert.Contains(t, d.Needs, "the address of reg.example: 10.0.0.0/8 is insecure")
	assert.False(t, d.Endpoints[0].SkipVerify)

	files["/etc/hosts"] = "10.1.2.3 reg.example\n"
	d = decideOne(t, textNode(files), Docker, "28.5.2", dockerPull)
	assert.Empty(t, d.Needs)
	assert.True(t, d.Endpoints[0].SkipVerify)
	assert.Equal(t, Place{File: "/etc/docker/daemon.json", Line: 3, Key: "insecure-registries"}, d.Endpoints[0].Decided)
}

// The command line of the unit counts as daemon.json does, and not together
// with it.
func TestDockerUnit(t *testing.T) {
	files := map[string]string{"/etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd -H fd:// --insecure-registry reg.example:5000\n"}
	d := decideOne(t, textNode(files), Docker, "28.5.2", dockerPull)
	assert.True(t, d.Endpoints[0].SkipVerify)
	assert.Equal(t, "/etc/systemd/system/docker.service", d.Endpoints[0].Decided.File)

	files["/etc/docker/daemon.json"] = `{"insecure-registries": ["other.example"], "hosts": ["unix:///x"]}`
	d = decideOne(t, textNode(files), Docker, "28.5.2", dockerPull)
	require.NotNil(t, d.Failure)
	assert.Equal(t, "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives are specified both as a flag and in the configuration file: "+
		"hosts: (from flag: [fd://], from file: [unix:///x]), insecure-registries: (from flag: [reg.example:5000], from file: [other.example])", d.Failure.Text)
}

// Another user's daemon has its files at home.
func TestDockerRootless(t *testing.T) {
	files := textNode(map[string]string{"/home/u/.config/docker/daemon.json": `{"insecure-registries": ["reg.example:5000"]}`})
	assert.False(t, decideOne(t, files, Docker, "28.5.2", dockerPull).Endpoints[0].SkipVerify)
	user := NewNode(files.fsys, NodeOptions{User: User{UID: 1000, Home: "/home/u"}})
	assert.True(t, decideOne(t, user, Docker, "28.5.2", dockerPull).Endpoints[0].SkipVerify)
}

// Every mistake points to a file and says what to do.
func TestMistakesOfDirectories(t *testing.T) {
	const docker = "/etc/docker/certs.d/reg.example:5000"
	const containers = "/etc/containers/certs.d/reg.example:5000"
	for _, c := range []struct {
		id    string
		run   Runtime
		files map[string]string
		place string
		fix   string
	}{
		{"cert-without-key", Docker, map[string]string{docker + "/x.cert": "x"}, docker + "/x.cert", "rm " + docker + "/x.cert"},
		{"key-without-cert", Docker, map[string]string{docker + "/x.key": "x", docker + "/x.crt": "x"}, docker + "/x.key", ""},
		{"key-world-readable", Podman, map[string]string{containers + "/x.key": "x", containers + "/x.cert": "x"}, containers + "/x.key", "chmod 0600 " + containers + "/x.key"},
		{"client-pair-broken", Podman, map[string]string{containers + "/x.key": "x", containers + "/x.cert": "x"}, containers + "/x.key", ""},
		{"ca-not-taken", Docker, map[string]string{docker + "/ca.crt": "text"}, docker + "/ca.crt", ""},
		{"hosts-toml-not-read", Podman, map[string]string{containers + "/hosts.toml": "x"}, containers + "/hosts.toml", ""},
		{"registry-dir-name", Docker, map[string]string{"/etc/docker/certs.d/reg.example/ca.crt": "x"}, "/etc/docker/certs.d/reg.example", "mv /etc/docker/certs.d/reg.example " + docker},
		{"registry-dir-name", Podman, map[string]string{"/etc/containers/certs.d/reg.example_5000_/ca.crt": "x"}, "/etc/containers/certs.d/reg.example_5000_", ""},
		{"certs-dir-shadowed", Podman, map[string]string{containers + "/README": "", docker + "/ca.crt": "x"}, docker, ""},
		{"registries-conf-hidden", Podman, map[string]string{"/root/.config/containers/registries.conf": "", "/etc/containers/registries.conf": "x"}, "/etc/containers/registries.conf", ""},
		{"verification-off", Docker, map[string]string{"/etc/docker/daemon.json": `{"insecure-registries": ["reg.example:5000"]}`}, "/etc/docker/daemon.json:1", ""},
		{"insecure-entry-port", Docker, map[string]string{"/etc/docker/daemon.json": `{"insecure-registries": ["reg.example"]}`}, "/etc/docker/daemon.json:1", ""},
		{"daemon-json-key-ignored", Docker, map[string]string{"/etc/docker/daemon.json": "{\n\"insecure-registry\": [\"reg.example:5000\"]}"}, "/etc/docker/daemon.json:2", ""},
		{"daemon-json-refused", Docker, map[string]string{"/etc/docker/daemon.json": "{\n\"a\": 1}"}, "/etc/docker/daemon.json:2", ""},
		{"certs-dir-of-insecure", Docker, map[string]string{"/etc/docker/daemon.json": `{"insecure-registries": ["reg.example:5000"]}`, docker + "/ca.crt": "x"}, docker, ""},
	} {
		t.Run(c.id, func(t *testing.T) {
			version, way := "4.3.1", ""
			if c.run == Docker {
				version, way = "28.5.2", dockerPull
			}
			d := decideOne(t, textNode(c.files), c.run, version, way)
			for _, m := range d.Mistakes {
				assert.NotEmpty(t, m.Text)
				assert.NotEmpty(t, m.Fix, "%s: what to do", m.ID)
				if m.ID == c.id {
					assert.Contains(t, m.Place.String(), c.place)
					if c.fix != "" {
						assert.Equal(t, c.fix, m.Fix)
					}
					return
				}
			}
			t.Fatalf("not among %+v", d.Mistakes)
		})
	}
}

// Two directories that hold the same, as after an install for docker and podman,
// need no word.
func TestSameDirectoryTwice(t *testing.T) {
	n := textNode(map[string]string{"/etc/docker/certs.d/reg.example:5000/crpki.crt": "x", "/etc/containers/certs.d/reg.example:5000/crpki.crt": "x"})
	for _, m := range decideOne(t, n, Podman, "4.3.1", "").Mistakes {
		assert.NotEqual(t, "certs-dir-shadowed", m.ID)
	}
}

// What crpki does not read for its size is not told as the runtime's failure.
func TestNotReadHere(t *testing.T) {
	large := fstest.MapFS{
		"etc/docker/certs.d/reg.example:5000/ca.crt":     {Data: make([]byte, maxFile+1)},
		"etc/containers/certs.d/reg.example:5000/ca.crt": {Mode: fs.ModeNamedPipe},
		"home/registries.conf":                           {Data: make([]byte, maxFile+1)},
	}
	n := NewNode(large, NodeOptions{})
	for _, run := range []Runtime{Docker, Podman} {
		version, way := "28.5.2", dockerPull
		if run == Podman {
			version, way = "4.3.1", ""
		}
		d := decideOne(t, n, run, version, way)
		assert.Nil(t, d.Failure)
		assert.Nil(t, d.Endpoints[0].Failure)
		assert.Contains(t, d.Needs, "ca.crt holds", run.Name())
	}
	large["etc/docker/daemon.json"] = large["home/registries.conf"]
	large["etc/containers/registries.conf"] = large["home/registries.conf"]
	n = NewNode(large, NodeOptions{})
	assert.Contains(t, decideOne(t, n, Docker, "28.5.2", dockerPull).Needs, "daemon.json")
	assert.Contains(t, decideOne(t, n, Podman, "4.3.1", "").Needs, "registries.conf")
}
