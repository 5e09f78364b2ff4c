//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostileNode is a node of which every place that is looked at holds something
// that nobody wants to read. outside is a folder that no link may reach.
func hostileNode(t *testing.T, outside string) string {
	t.Helper()
	root := t.TempDir()
	at := func(name string) string {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		return path
	}
	write := func(name, text string) { require.NoError(t, os.WriteFile(at(name), []byte(text), 0o644)) }
	link := func(name, target string) { require.NoError(t, os.Symlink(target, at(name))) }
	huge := func(name string) {
		write(name, "-----BEGIN CERTIFICATE-----\n")
		require.NoError(t, os.Truncate(at(name), 1<<30))
	}
	pipe := func(name string) { require.NoError(t, syscall.Mkfifo(at(name), 0o644)) }

	// Links out of the node, by every way.
	link("etc/docker/certs.d/reg.example:5000/ca.crt", filepath.Join(outside, "ca.crt"))
	link("etc/containers/certs.d/reg.example:5000", outside)
	link("etc/containerd/certs.d/reg.example:5000/ca.crt", strings.Repeat("../", 40)+strings.TrimPrefix(outside, "/")+"/ca.crt")
	link("etc/ssl/certs/out.pem", filepath.Join(outside, "ca.crt"))
	link("etc/pki", outside)
	// Links that go round, and a long row of them.
	link("etc/ssl/certs/loop.pem", "/etc/ssl/certs/loop2.pem")
	link("etc/ssl/certs/loop2.pem", "loop.pem")
	link("etc/rancher", "/etc/rancher")
	for i := range 60 {
		link(fmt.Sprintf("etc/ssl/certs/row%d", i), fmt.Sprintf("/etc/ssl/certs/row%d", i+1))
	}
	// What blocks, and what does not end.
	pipe("etc/docker/daemon.json")
	pipe("etc/ssl/certs/ca-certificates.crt")
	pipe("etc/hosts")
	pipe("etc/containers/registries.conf.d/a.conf")
	link("etc/ssl/certs/zero", "/dev/zero")
	_ = syscall.Mknod(at("dev/zero"), syscall.S_IFCHR|0o666, 1<<8|5) // as root
	_ = syscall.Mknod(at("etc/ssl/certs/device.pem"), syscall.S_IFCHR|0o666, 1<<8|5)
	huge("etc/ssl/certs/huge.pem")
	huge("var/lib/dpkg/status")
	huge("etc/containers/registries.conf")
	huge("usr/bin/dockerd")
	huge("usr/bin/podman")
	for i := range 50 { // 400 GB, if somebody read all of it
		require.NoError(t, os.WriteFile(at(fmt.Sprintf("etc/ssl/certs/big%d.pem", i)), nil, 0o644))
		require.NoError(t, os.Truncate(at(fmt.Sprintf("etc/ssl/certs/big%d.pem", i)), 8<<20-1))
	}
	// Imports that go round and breed.
	var imports strings.Builder
	for i := range 40 {
		fmt.Fprintf(&imports, "%q, ", fmt.Sprintf("/etc/containerd/c%d.toml", i))
	}
	config := "version = 2\nimports = [" + imports.String() + "\"/etc/containerd/*.toml\"]\n"
	write("etc/containerd/config.toml", config)
	for i := range 40 {
		write(fmt.Sprintf("etc/containerd/c%d.toml", i), config)
	}
	// Text that is none, and nesting without end.
	write("etc/nerdctl/nerdctl.toml", strings.Repeat("[", 100_000))
	write("etc/docker/certs.d/x/hosts.toml", strings.Repeat("a.", 100_000)+"b = 1")
	write("etc/crio/crio.conf", string(noise(100_000)))
	require.NoError(t, os.MkdirAll(at("etc/docker/certs.d/reg.example:5000/dir.crt"), 0o755))
	write("etc/systemd/system/docker.service", "[Service]\nEnvironment="+strings.Repeat("A=$A ", 10_000)+"\nEnvironmentFile=/etc/ssl/certs/*\nExecStart=/usr/bin/dockerd $A ${B\n")
	return root
}

// A node may be a copy that somebody else made. Nothing in it leads out of it,
// blocks, or takes more than a bounded amount of memory and time.
func TestHostileNode(t *testing.T) {
	dir, outside := goodFiles(t), t.TempDir()
	ca, err := os.ReadFile(filepath.Join(dir, "certs/ca.crt"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(outside, "ca.crt"), ca, 0o644))
	root := hostileNode(t, outside)
	runtimes := []string{"docker@20.10.24", "docker@29.0.0", "containerd@1.7.28", "containerd@2.2.0", "cri-o@1.34.0", "podman@5.0.0", "k3s@1.30.4+k3s1", "nerdctl@2.0.0"}
	all := ""
	for _, r := range runtimes {
		all += " --runtime " + r
	}
	for _, args := range []string{
		"trust check reg.local:5000 --root ROOT --cert certs/tls.crt --explain" + all,
		"trust check reg.example:5000 --root ROOT --cert certs/tls.crt --explain" + all,
		"trust check reg.example:5000 --root ROOT --cert certs/tls.crt",
		"trust show reg.example:5000 --all --root ROOT" + all,
		"trust list --root ROOT" + all,
		"trust snapshot --root ROOT --out new.tar",
		"trust install --ca certs/ca.crt reg.example:5000 --root ROOT --runtime podman --runtime containerd@1.7.28",
		"trust install --ca certs/ca.crt reg.example:5000 --root ROOT --runtime docker@20.10.24",
		"trust uninstall reg.example:5000 --root ROOT",
	} {
		t.Run(args, func(t *testing.T) {
			before := snapshot(t, outside)
			got := crpki(t, dir, strings.Fields(strings.ReplaceAll(args, "ROOT", root))...)
			assert.Contains(t, []int{exitOK, exitBad, exitUsage}, got.code, got.stderr)
			assert.NotContains(t, got.stderr, "panic")
			assert.NotContains(t, got.stderr+got.stdout, "goroutine ")
			assert.Less(t, got.cpu, 10*time.Second)
			assert.Less(t, got.memory, int64(400<<20), "memory")
			assert.Equal(t, before, snapshot(t, outside), "nothing outside of the node is changed")
			if strings.HasPrefix(args, "trust show") {
				assert.NotContains(t, got.stdout, "crpki CA", "the CA is outside of the node")
			}
		})
	}
	// What was packed holds nothing of outside.
	packed, err := os.ReadFile(filepath.Join(dir, "new.tar"))
	require.NoError(t, err)
	assert.NotContains(t, string(packed), string(ca[30:90]))
}

// A snapshot may be made by anybody, too.
func TestHostileSnapshot(t *testing.T) {
	dir := goodFiles(t)
	for name, data := range map[string][]byte{"noise": noise(100_000), "half": half(noise(2000)), "empty": nil, "zeros": make([]byte, 10_240)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.tar"), data, 0o600))
		got := crpki(t, dir, "trust", "list", "--root", "bad.tar")
		assert.Equal(t, exitUsage, got.code, name)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.tar"), nil, 0o600))
	require.NoError(t, os.Truncate(filepath.Join(dir, "bad.tar"), 10<<30))
	got := crpki(t, dir, "trust", "list", "--root", "bad.tar")
	assert.Equal(t, exitUsage, got.code)
	assert.Less(t, got.memory, int64(200<<20))
}

// What crpki may not read, as another user than root, the daemons of the node may:
// it is not known, and is not foretold as their failure.
func TestNodeOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a test of root, who gives up its rights")
	}
	dir := goodFiles(t)
	user := unprivileged(t, dir)
	for name, text := range map[string]string{
		"etc/containerd/config.toml": "version = 2\n", "etc/docker/daemon.json": "{}", "etc/containers/registries.conf": "", "etc/rancher/k3s/registries.yaml": "",
	} {
		path := filepath.Join(dir, "node", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	run := func(use string) ended {
		t.Helper()
		use += " --root node --runtime containerd@1.7.28 --runtime docker@20.10.24 --runtime podman@4.3.1 --runtime k3s@1.30.4+k3s1"
		cmd := command(t, dir, append([]string{"trust"}, strings.Fields(use)...)...)
		cmd.SysProcAttr = user
		return finish(t, cmd)
	}
	got := run("check reg.example:5000 --cert certs/tls.crt")
	assert.Equal(t, exitBad, got.code, got.stderr)
	assert.Equal(t, 5, strings.Count(got.stdout, ": not known\n"), got.stdout)
	assert.NotContains(t, got.stdout, "permission denied")
	assert.Contains(t, got.stdout, "what /etc/docker/daemon.json holds: it may not be read by crpki")
	assert.Contains(t, run("show reg.example:5000").stdout, "not known is what /etc/rancher/k3s/registries.yaml holds")
	got = run("list")
	assert.NotContains(t, got.stdout, "config-broken")
	assert.Contains(t, got.stderr, "containerd: not known is what /etc/containerd/config.toml holds")
	got = run("install reg.example:5000 --ca certs/ca.crt")
	assert.Equal(t, exitBad, got.code)
	assert.Contains(t, got.stderr, "podman: not known is what /etc/containers/registries.conf holds")
}

// Installs for several registries at once, as a playbook or a DaemonSet may start
// them: each that says that it succeeded did, though they change the same file.
func TestTrustInstallsAtOnce(t *testing.T) {
	dir := goodFiles(t)
	for round := range 5 {
		root := fmt.Sprintf("node%d", round)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, root, "etc/rancher/k3s"), 0o755))
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				got := crpki(t, dir, "trust", "install", "--ca", "certs/ca.crt", fmt.Sprintf("reg%d.example:5000", i), "--root", root, "--runtime", "k3s@1.30.4+k3s1")
				assert.Equal(t, exitOK, got.code, got.stderr)
			})
		}
		all.Wait()
		text, err := os.ReadFile(filepath.Join(dir, root, "etc/rancher/k3s/registries.yaml"))
		require.NoError(t, err)
		require.Equal(t, 4, strings.Count(string(text), "ca_file: "), "%s", text)
	}
}

// Registries that share a file come and go in any order: an uninstall leaves the
// settings of the others, and none of its own.
func TestTrustUninstallsInAnyOrder(t *testing.T) {
	dir := goodFiles(t)
	const file = "node/etc/rancher/k3s/registries.yaml"
	for _, order := range []string{"abc", "acb", "bac", "bca", "cab", "cba"} {
		t.Run(order, func(t *testing.T) {
			path := filepath.Join(dir, file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte("mirrors: {}\n"), 0o644))
			for _, r := range "abc" {
				mustRun(t, dir, "trust", "install", "--ca", "certs/ca.crt", string(r)+".example:5000", "--root", "node", "--runtime", "k3s@v1.30.4+k3s1")
			}
			for i, r := range order {
				mustRun(t, dir, "trust", "uninstall", string(r)+".example:5000", "--root", "node")
				left, err := os.ReadFile(path)
				require.NoError(t, err)
				for j, other := range order {
					names := []string{string(other) + ".example:5000", "crpki-" + string(other) + ".example"}
					for _, name := range names {
						assert.Equal(t, j > i, strings.Contains(string(left), name), "%s after %s was taken away:\n%s", name, string(r), left)
					}
				}
			}
			assert.NoDirExists(t, filepath.Join(dir, "node/var/lib/crpki"))
		})
	}
}

// Installs that are killed at any moment lose nothing: every file is the old
// one or the new one, the next run goes on, and uninstall leaves what was there.
func TestTrustInstallKill9(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, dir, "gen", "--dns", "reg.example", "--out-dir", "a")
	mustRun(t, dir, "gen", "--dns", "reg.example", "--out-dir", "b")
	root := filepath.Join(dir, "node")
	config := "# by hand\nversion = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"pause\"\n"
	registries := "configs:\n  other.example:\n    auth:\n      password: x\n"
	for name, text := range map[string]string{
		"etc/containerd/config.toml": config, "etc/docker/daemon.json": "{}\n", "etc/rancher/k3s/registries.yaml": registries,
		"etc/containers/registries.conf": "", "var/lib/keep": "",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	original := snapshot(t, root)
	install := func(ca string) []string {
		return []string{"trust", "install", "--ca", ca + "/ca.crt", "reg.example:5000", "--root", "node"}
	}
	took := mustRun(t, dir, install("a")...).elapsed
	mustRun(t, dir, "trust", "uninstall", "reg.example:5000", "--root", "node")
	require.Equal(t, original, snapshot(t, root))

	runs := 100
	if testing.Short() {
		runs = 10
	}
	killed := 0
	for i := range runs {
		args := install([]string{"a", "b"}[i%2])
		if i%5 == 4 {
			args = []string{"trust", "uninstall", "reg.example:5000", "--root", "node"}
		}
		cmd := command(t, dir, args...)
		require.NoError(t, cmd.Start())
		time.Sleep(rand.N(took))
		require.NoError(t, cmd.Process.Kill())
		if cmd.Wait() != nil {
			killed++
		}
		// What a runtime finds is whole.
		text, err := os.ReadFile(filepath.Join(root, "etc/containerd/config.toml"))
		require.NoError(t, err)
		require.True(t, string(text) == config || strings.HasPrefix(string(text), config) && strings.Contains(string(text), "config_path = "), "%s", text)
		own, err := os.ReadFile(filepath.Join(root, "etc/docker/certs.d/reg.example:5000/crpki.crt"))
		if err == nil {
			require.True(t, strings.HasSuffix(string(own), "-----END CERTIFICATE-----\n"), "%s", own)
		} else {
			require.ErrorIs(t, err, fs.ErrNotExist)
		}
	}
	t.Logf("%d of %d runs were killed", killed, runs)
	mustRun(t, dir, install("b")...)
	mustRun(t, dir, "trust", "check", "reg.example:5000", "--root", "node", "--cert", "b/tls.crt")
	mustRun(t, dir, "trust", "uninstall", "reg.example:5000", "--root", "node")
	assert.Equal(t, original, snapshot(t, root), "all of it is as it was")
}
