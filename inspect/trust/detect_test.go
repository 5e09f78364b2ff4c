package trust

import (
	"encoding/json"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUpstream(t *testing.T) {
	for text, want := range map[string]string{
		"1.6.20~ds1-1+deb12u3": "1.6.20", "5:28.0.1-1~debian.12~bookworm": "28.0.1", "20.10.24+dfsg1-1+b3": "20.10.24",
		"v2.3.7": "2.3.7", "v1.29.4+k3s1": "1.29.4+k3s1", "1.36.1-r20": "1.36.1", "4.3.1+ds1-8+b1": "4.3.1", "": "", "2.0.0-rc.1": "2.0.0-rc.1",
	} {
		assert.Equal(t, want, Upstream(text), text)
	}
}

func TestFindByPackageAndConfig(t *testing.T) {
	docker := Program{Runtime: "docker", Binaries: []string{"dockerd"}, Packages: []string{"docker-ce", "docker.io"}, Units: []string{"docker"}, Configs: []string{"/etc/docker"}}
	const status = "Package: docker.io\nStatus: install ok installed\nVersion: 20.10.24+dfsg1-1\n\nPackage: docker-ce\nStatus: deinstall ok config-files\nVersion: 5:28.0.0-1\n\n"
	n := node(map[string]string{"/var/lib/dpkg/status": status, "/usr/lib/systemd/system/docker.service": "[Service]\n"})
	assert.Equal(t, []Installation{{Runtime: "docker", Version: "20.10.24", Found: "/var/lib/dpkg/status", Unit: "docker.service"}}, n.Find(docker))

	n = node(map[string]string{"/etc/docker/daemon.json": "{}"})
	assert.Equal(t, []Installation{{Runtime: "docker", Found: "/etc/docker"}}, n.Find(docker))

	n = node(map[string]string{"/lib/apk/db/installed": "P:docker-ce\nV:28.3.3-r1\n\n"})
	assert.Equal(t, "28.3.3", n.Find(docker)[0].Version)

	assert.Empty(t, node(nil).Find(docker))
}

func TestFindByBinary(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	data, err := os.ReadFile(self)
	require.NoError(t, err)
	n := NewNode(fstest.MapFS{
		"usr/bin/dockerd":       {Data: data, Mode: 0o755},
		"usr/local/bin/dockerd": {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		"var/lib/dpkg/status":   {Data: []byte("Package: docker.io\nVersion: 20.10.24\n")},
	}, NodeOptions{})
	found := n.Find(Program{Runtime: "docker", Binaries: []string{"dockerd"}, Packages: []string{"docker.io"}})
	require.Len(t, found, 2)
	assert.Equal(t, Installation{Runtime: "docker", Found: "/usr/local/bin/dockerd"}, found[0], "a script of one's own: nothing is known")
	assert.Equal(t, "20.10.24", found[1].Version)
	assert.NotEmpty(t, found[1].GoVersion)
}

// What runs is what pulls: a binary elsewhere, or the one before an upgrade, of
// which the package's version says nothing.
func TestFindWhatRuns(t *testing.T) {
	containerd := Program{Runtime: "containerd", Binaries: []string{"containerd"}, Packages: []string{"containerd"}}
	files := map[string]string{
		"/var/lib/dpkg/status": "Package: containerd\nVersion: 1.6.20\n", "/usr/bin/containerd": "", "/usr/local/bin/containerd": "",
	}
	with := func(running ...Process) *Node {
		n := textNode(files)
		n.running = running
		return n
	}
	assert.Len(t, with().Find(containerd), 2, "nothing runs: each may")
	other := Process{Path: "/opt/new/containerd", Binary: &Binary{Version: "2.3.7"}}
	assert.Equal(t, []Installation{{Runtime: "containerd", Version: "2.3.7", Found: "/opt/new/containerd"}}, with(other, other).Find(containerd))
	before := Process{Path: "/usr/bin/containerd", Binary: &Binary{}, Replaced: true}
	assert.Equal(t, []Installation{{Runtime: "containerd", Found: "/usr/bin/containerd"}}, with(before).Find(containerd))
	before.Replaced = false
	assert.Equal(t, "1.6.20", with(before).Find(containerd)[0].Version)
	dockerd := Process{Path: "/usr/bin/dockerd", Binary: &Binary{Version: "20.10.24"}}
	assert.Len(t, with(dockerd).Find(containerd), 2, "another runs")

	seen, err := json.Marshal(with(other).Seen())
	require.NoError(t, err)
	assert.Equal(t, "2.3.7", node(map[string]string{SnapshotFile: string(seen)}).Find(containerd)[0].Version, "a snapshot tells it, too")
}

func TestSnapshotKeepsVersions(t *testing.T) {
	n := node(map[string]string{SnapshotFile: `{"binaries": {"/usr/bin/containerd": {"version": "1.7.28", "goVersion": "1.24.9"}}}`})
	b := n.Binary("/usr/bin/containerd")
	require.NotNil(t, b)
	assert.Equal(t, "1.7.28", b.Version)
}

func FuzzPackages(f *testing.F) {
	f.Add("Package: a\nVersion: 1\n\nPackage: b\nStatus: x\nVersion: 2")
	f.Fuzz(func(_ *testing.T, text string) {
		node(map[string]string{dpkgStatus: text, apkInstalled: text}).Package("a")
		Upstream(text)
		linkedVersion(text)
	})
}

func TestFindInASnapshot(t *testing.T) {
	n := node(map[string]string{SnapshotFile: `{"binaries": {"/usr/sbin/dockerd": {"version": "20.10.24", "goVersion": "1.19.8"}}}`})
	assert.Equal(t, []Installation{{Runtime: "docker", Version: "20.10.24", GoVersion: "1.19.8", Found: "/usr/sbin/dockerd"}},
		n.Find(Program{Runtime: "docker", Binaries: []string{"dockerd"}}))
}
