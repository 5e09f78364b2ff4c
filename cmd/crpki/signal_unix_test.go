//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestSignals ends crpki while it waits for a pipe that nobody writes to.
func TestSignals(t *testing.T) {
	for signal, want := range map[syscall.Signal]struct {
		code    int
		message string
	}{
		syscall.SIGINT:  {130, "crpki: interrupted\n"},
		syscall.SIGTERM: {143, "crpki: terminated\n"},
	} {
		t.Run(signal.String(), func(t *testing.T) {
			dir := t.TempDir()
			pipe := filepath.Join(dir, "pipe")
			require.NoError(t, unix.Mkfifo(pipe, 0o600))
			var stdout, stderr strings.Builder
			cmd := exec.Command("crpki", "gen", "--ip", "10.96.0.50", "--key", pipe, "--out-dir", filepath.Join(dir, "certs"))
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			require.NoError(t, cmd.Start())
			t.Cleanup(func() { cmd.Process.Kill() })

			w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits for crpki to open it
			require.NoError(t, err)
			defer w.Close()
			require.NoError(t, cmd.Process.Signal(signal))
			assert.Error(t, cmd.Wait())
			assert.Equal(t, want.code, cmd.ProcessState.ExitCode())
			assert.Equal(t, want.message, stderr.String())
			assert.Empty(t, stdout.String())
			assert.NoDirExists(t, filepath.Join(dir, "certs"))
		})
	}
}

// TestSignalsStuck ends crpki while it writes to a pipe that nobody reads.
func TestSignalsStuck(t *testing.T) {
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(signal.String(), func(t *testing.T) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer r.Close()
			defer w.Close()
			cmd := exec.Command("crpki", "probe", "-o", "json", "--targets-from", "-")
			cmd.Stdin, cmd.Stdout = strings.NewReader(strings.Repeat("127.0.0.1:1\n", 5000)), w
			require.NoError(t, cmd.Start())
			late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
			defer late.Stop()
			require.Eventually(t, func() bool {
				room := []unix.PollFd{{Fd: int32(w.Fd()), Events: unix.POLLOUT}}
				n, err := unix.Poll(room, 0)
				return err == nil && n == 0
			}, time.Minute, 10*time.Millisecond, "the pipe is never full")
			require.NoError(t, cmd.Process.Signal(signal))
			assert.Error(t, cmd.Wait())
			assert.Equal(t, code, cmd.ProcessState.ExitCode(), "%v", cmd.ProcessState)
		})
	}
}

// TestReaderWentAway: `crpki … | head -1` ends as other programs do there.
func TestReaderWentAway(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	defer w.Close()
	var stderr strings.Builder
	cmd := exec.Command("crpki", "completion", "bash")
	cmd.Stdout, cmd.Stderr = w, &stderr
	require.Error(t, cmd.Run())
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	assert.True(t, status.Signaled() && status.Signal() == syscall.SIGPIPE, "%v", cmd.ProcessState)
	assert.Empty(t, stderr.String())
}
