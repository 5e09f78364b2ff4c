package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// ownMounts is set in the test that runs in a mount namespace of its own.
const ownMounts = "CRPKI_TEST_OWN_MOUNTS"

// inOwnMounts runs the test once more where it may mount, and where nothing of
// that is left behind whatever ends it. It is true there.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownMounts) != "" {
		return true
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), ownMounts+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Skipf("needs a mount namespace: %v", err)
	}
	require.NoError(t, err, "%s", out)
	return false
}

// TestFullDisk runs all that writes on a small disk that is full, and once more
// when there is room.
func TestFullDisk(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	dir := smallDisk(t, "size=512k")
	filler := filepath.Join(dir, "filler")
	assert.ErrorIs(t, os.WriteFile(filler, make([]byte, 1<<20), 0o600), unix.ENOSPC)
	before := snapshot(t, dir)
	for _, use := range allWritingUses() {
		got := crpki(t, dir, strings.Fields(use)...)
		assert.Equal(t, exitUsage, got.code, "%s: %s", use, got.stdout)
		assert.Regexp(t, `(?m)^crpki: (write|make the directory) .*: no space left on device; nothing was changed\n  hint: make room on that disk$`, got.stderr, use)
		assert.Empty(t, got.stdout, use)
		assertNoPanic(t, got, use)
		require.Equal(t, before, snapshot(t, dir), use)
	}
	require.NoError(t, os.Remove(filler))
	for _, use := range newFileUses {
		mustRun(t, dir, strings.Fields(use)...)
	}
}

// TestReadOnlyDisk runs all that writes on a disk that was mounted for reading.
func TestReadOnlyDisk(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	dir := smallDisk(t, "size=512k")
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	before := snapshot(t, dir)
	for _, use := range allWritingUses() {
		got := crpki(t, dir, strings.Fields(use)...)
		assert.Equal(t, exitUsage, got.code, "%s: %s", use, got.stdout)
		assert.Regexp(t, `(?m)^crpki: .*: read-only file system.*\n  hint: that disk is mounted for reading only$`, got.stderr, use)
		assert.Empty(t, got.stdout, use)
		assertNoPanic(t, got, use)
		require.Equal(t, before, snapshot(t, dir), use)
	}
}

func allWritingUses() []string {
	uses := slices.Clone(newFileUses)
	for use := range writingUses {
		uses = append(uses, use)
	}
	return slices.Sorted(slices.Values(uses))
}

// smallDisk is a file system in memory, with good files.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.Mkdir(dir, 0o755))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	require.NoError(t, exec.Command("cp", "-a", goodFiles(t)+"/.", dir).Run())
	return dir
}

// TestFullStdout writes keys, certificates and reports to a standard output that
// takes nothing.
func TestFullStdout(t *testing.T) {
	dir := goodFiles(t)
	before := snapshot(t, dir)
	for _, use := range []string{
		"gen --ip 10.0.0.1 --out-dir -",
		"csr --ip 10.0.0.1 --out-dir -",
		"sign asked/tls.csr --ca certs/ca.crt --out-dir -",
		"bundle certs/tls.crt certs/ca.crt",
		"inspect certs/tls.crt",
		"inspect certs/tls.crt --json",
		"inspect certs/tls.crt -o openssl",
		"gen --ip 10.0.0.1 --out-dir new --dry-run",
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		cmd := command(t, dir, strings.Fields(use)...)
		cmd.Stdout = full
		got := finish(t, cmd)
		full.Close()
		assert.Equal(t, exitUsage, got.code, use)
		assert.Regexp(t, `(?m)^crpki: write standard output: no space left on device\n\z`, got.stderr, use)
		assertNoPanic(t, got, use)
		require.Equal(t, before, snapshot(t, dir), use)
	}

	// What is written by then stays, and that is said.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	cmd := command(t, dir, "gen", "--ip", "10.0.0.1", "--out-dir", "new")
	cmd.Stdout = full
	got := finish(t, cmd)
	assert.Equal(t, exitUsage, got.code)
	assert.Equal(t, "crpki: write standard output: no space left on device; the files are written all the same\n", got.stderr)
	assert.FileExists(t, filepath.Join(dir, "new", "tls.crt"))
}
