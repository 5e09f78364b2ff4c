package trust

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzRegistriesConf: no file makes the reader panic or loop, and what is taken
// can be looked up.
func FuzzRegistriesConf(f *testing.F) {
	for _, seed := range []string{
		"[[registry]]\nlocation = \"reg.example:5000\"\ninsecure = true\n[[registry.mirror]]\nlocation = \"m.example\"\npull-from-mirror = \"tag-only\"\n",
		"[[registry]]\nprefix = \"*.example.com\"\nblocked = true\n",
		"[registries.insecure]\nregistries = [\"reg.example\"]\n[registries.block]\nregistries = []\n",
		"unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"enforcing\"\n[aliases]\n\"a\" = \"reg.example/a\"\n",
		"registry = [{location = \"a\"}]", "\ufeff", "[[registry]\n", "registry = 1",
	} {
		f.Add([]byte(seed), 23)
		f.Add([]byte(seed), 40)
	}
	f.Fuzz(func(t *testing.T, data []byte, v int) {
		entries, line, err := parseRegistries("/etc/containers/registries.conf", data, imageVersion(v), v%2 == 0)
		if err != nil {
			assert.LessOrEqual(t, line, 2+strings.Count(string(data), "\n"), "the line is in the file")
			return
		}
		r := &registriesConf{entries: map[string]*registryEntry{}}
		r.merge(entries)
		for _, e := range entries {
			assert.NotEmpty(t, e.prefix)
			ref := plainRef{domain: "reg.example:5000", path: "team/hello", tag: "1"}
			if found := r.find(ref.name()); found != nil {
				_, _ = r.sources(ref) // an error is an answer too
			}
		}
	})
}

// FuzzDaemonJSON: no file makes the reader panic, and what is taken can be
// looked up.
func FuzzDaemonJSON(f *testing.F) {
	for _, seed := range []string{
		`{"insecure-registries": ["reg.example:5000", "10.0.0.0/8", "[fd00::1]:5000"], "registry-mirrors": ["https://m.example"]}`,
		`{"insecure-registries": "reg"}`, `{"insecure-registry": []}`, `null`, `[]`, ``, `{"features": {"containerd-snapshotter": true}}`,
		`{"insecure-registries": ["-"]}`, `{"registry-mirrors": ["ftp://x", "https://u:p@x", ":"]}`, "\ufeff{}",
	} {
		f.Add([]byte(seed), 20)
		f.Add([]byte(seed), 29)
	}
	f.Fuzz(func(t *testing.T, data []byte, major int) {
		n := NewNode(fstest.MapFS{"etc/docker/daemon.json": {Data: data}}, NodeOptions{})
		conf := n.dockerConf(major)
		if conf.failure != nil {
			assert.True(t, conf.failure.Daemon)
			assert.NotEmpty(t, conf.failure.Text)
			return
		}
		conf.insecure.match(n, "reg.example:5000")
		for _, m := range conf.mirrors {
			assert.NotContains(t, m.url.String(), "@", "no password is kept")
		}
	})
}

// textNode is a node of text files.
func textNode(files map[string]string) *Node {
	m := fstest.MapFS{}
	for name, text := range files {
		m[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return NewNode(m, NodeOptions{})
}

// decideOne is the one decision of a runtime for a registry.
func decideOne(t *testing.T, n *Node, run Runtime, version, way string) Decision {
	t.Helper()
	r, err := ParseReference("reg.example:5000/team/hello:1")
	require.NoError(t, err)
	for _, d := range run.Decide(n, Installation{Runtime: run.Name(), Version: version}, r) {
		if d.Way == way {
			return d
		}
	}
	t.Fatalf("no decision for %q", way)
	return Decision{}
}

func TestPlacesOfRegistriesConf(t *testing.T) {
	n := textNode(map[string]string{"/etc/containers/registries.conf": `# the registries
[[registry]]
location = "other.example"

[[registry]]
prefix = "reg.example"
location = "reg.example"
insecure = true

[[registry.mirror]]
location = "mirror.example"
`})
	d := decideOne(t, n, Podman, "4.3.1", "")
	require.Len(t, d.Endpoints, 2)
	assert.Equal(t, Place{File: "/etc/containers/registries.conf", Line: 10, Key: "registry.mirror"}, d.Endpoints[0].Decided, "the mirror")
	assert.Equal(t, "mirror.example:5000", d.Endpoints[0].Host, "what stands behind the prefix is kept, a port as well")
	assert.True(t, d.Endpoints[0].Mirror)
	assert.Equal(t, Place{File: "/etc/containers/registries.conf", Line: 8, Key: "registry.insecure"}, d.Endpoints[1].Decided, "the setting that decides")
	assert.True(t, d.Endpoints[1].SkipVerify)

	n = textNode(map[string]string{"/etc/containers/registries.conf": "\n[[registry]]\nlocation = \"https://reg.example\"\n"})
	d = decideOne(t, n, Podman, "4.3.1", "")
	require.NotNil(t, d.Failure)
	assert.Equal(t, 2, d.Failure.Place.Line)
}

func TestVersionsOfContainersImage(t *testing.T) {
	for _, c := range []struct {
		program, version string
		want             imageVersion
		known            bool
	}{
		{"podman", "4.3.1+ds1", 23, true},
		{"podman", "5.4.2", 34, true},
		{"podman", "9.0.0", 39, false},
		{"skopeo", "1.9.3", 22, true},
		{"cri-o", "1.34.1", 36, true},
		{"cri-o", "1.99.0", 38, false},
		{"podman", "", 0, false},
		{"podman", "rubbish", 0, false},
	} {
		t.Run(c.program+" "+c.version, func(t *testing.T) {
			v, known := containersImage{name: c.program}.version(Installation{Version: c.version})
			assert.Equal(t, c.known, known)
			if known {
				assert.Equal(t, c.want, v)
			}
		})
	}
}

// Of a release that is not known, both answers are told where they differ.
func TestUnknownRelease(t *testing.T) {
	v1 := textNode(map[string]string{"/etc/containers/registries.conf": "[registries.insecure]\nregistries = [\"reg.example:5000\"]\n"})
	r, err := ParseReference("reg.example:5000/team/hello:1")
	require.NoError(t, err)
	decisions := Podman.Decide(v1, Installation{Runtime: "podman"}, r)
	require.Len(t, decisions, 2)
	assert.True(t, decisions[0].Endpoints[0].SkipVerify)
	assert.NotNil(t, decisions[1].Failure)
	assert.Contains(t, decisions[1].Versions, "5.40")

	assert.Len(t, Podman.Decide(textNode(nil), Installation{Runtime: "podman"}, r), 1, "both decide alike")
}

func TestCRIO(t *testing.T) {
	files := map[string]string{"/etc/crio/crio.conf.d/10-x.conf": "[crio.image]\n# ours\ninsecure_registries = [\"reg.example:5000\"]\n"}
	d := decideOne(t, textNode(files), CRIO, "1.34.2", "")
	assert.True(t, d.Endpoints[0].SkipVerify)
	assert.Equal(t, Place{File: "/etc/crio/crio.conf.d/10-x.conf", Line: 3, Key: "crio.image.insecure_registries"}, d.Endpoints[0].Decided)

	d = decideOne(t, textNode(files), CRIO, "1.35.0", "")
	assert.False(t, d.Endpoints[0].SkipVerify, "the list has no effect any more")
	assert.Equal(t, "crio-insecure-registries-ignored", d.Mistakes[0].ID)

	loop, err := ParseReference("127.0.0.1:5000/x:1")
	require.NoError(t, err)
	assert.True(t, CRIO.Decide(textNode(nil), Installation{Version: "1.34.2"}, loop)[0].Endpoints[0].SkipVerify, "loopback was built in")
	assert.False(t, CRIO.Decide(textNode(nil), Installation{Version: "1.35.0"}, loop)[0].Endpoints[0].SkipVerify)

	network := textNode(map[string]string{"/etc/crio/crio.conf": "[crio.image]\ninsecure_registries = [\"10.0.0.0/8\"]\n"})
	assert.Contains(t, decideOne(t, network, CRIO, "1.34.2", "").Needs, "reg.example", "the address is not known here")
}
