package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect/trust"
)

// The daemon itself counts, and not a shim of it, which outlives it: by that one's
// start a daemon that was just restarted would have to be restarted again.
func TestStartOfDaemon(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	sleep, err = filepath.EvalSymlinks(sleep)
	require.NoError(t, err)
	data, err := os.ReadFile(sleep)
	require.NoError(t, err)
	dir := t.TempDir()
	start := func(name string) *exec.Cmd {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o755))
		cmd := exec.Command(path, "60")
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return cmd
	}
	shim := start("containerd-shim")
	// Nor does one that has ended and that nobody has waited for: it tells of no
	// program any more.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "ended"), 0o755))
	ended := start("ended/containerd")
	require.NoError(t, ended.Process.Kill())
	require.Eventually(t, func() bool { return statOf(fmt.Sprint("/proc/", ended.Process.Pid))[0] == "Z" }, 20*time.Second, time.Millisecond)
	time.Sleep(100 * time.Millisecond)
	before := time.Now()
	daemon := start("containerd")
	at := trust.Installation{Runtime: "containerd", Found: daemon.Path}
	require.Eventually(t, func() bool { _, ok := startOf(processes(), []string{"containerd"}, at); return ok }, 5*time.Second, 10*time.Millisecond)
	started, _ := startOf(processes(), []string{"containerd"}, at)
	assert.True(t, started.After(before.Add(-50*time.Millisecond)), "of the daemon, to less than a second")
	var paths []string
	for _, p := range processes() {
		paths = append(paths, p.Path)
	}
	assert.Contains(t, paths, daemon.Path)
	assert.NotContains(t, paths, shim.Path)
	// An upgrade replaces the binary; what runs is still the old one.
	require.NoError(t, os.Remove(daemon.Path))
	replaced := false
	for _, p := range runningDaemons(processes()) {
		replaced = replaced || p.Path == daemon.Path && p.Replaced
	}
	assert.True(t, replaced)
}
