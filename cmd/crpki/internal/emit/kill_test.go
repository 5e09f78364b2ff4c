//go:build unix

package emit

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// helperEnv makes the test binary a process that writes sets: "once" or "loop",
// a space, the scenario's name, a space, a directory.
const helperEnv = "CRPKI_EMIT_HELPER"

func TestMain(m *testing.M) {
	if job := os.Getenv(helperEnv); job != "" {
		os.Exit(help(job))
	}
	os.Exit(m.Run())
}

func help(job string) int {
	var how, dir string
	var index int
	if _, err := fmt.Sscanf(job, "%s %d %s", &how, &index, &dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	s := killScenarios[index]
	runtime.LockOSThread() // strace counts the calls of each thread
	fmt.Println("ready")
	for {
		id := fmt.Sprintf("%d-%d", os.Getpid(), rand.Uint64())
		w := writer{patience: lockPatience}
		if s.weak {
			w.before = noSymlinks
		}
		if _, err := w.write(set(s.dir(dir, id), id, s.names...), Options{Force: true}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if how == "once" {
			return 0
		}
	}
}

func noSymlinks(op, _ string) error {
	if op == "symlink" {
		return syscall.EPERM
	}
	return nil
}

type killScenario struct {
	name  string
	names []string
	// fresh writes each set to a directory of its own.
	fresh bool
	// weak is a file system without symbolic links.
	weak bool
}

func (s killScenario) dir(root, id string) string {
	if s.fresh {
		return filepath.Join(root, "sets", id)
	}
	return filepath.Join(root, "certs")
}

var killScenarios = []killScenario{
	{name: "new directory", names: fourNames, fresh: true},
	{name: "one file", names: fourNames[:1]},
	{name: "four files", names: fourNames},
	{name: "three directories", names: []string{"a/ca.crt", "a/tls.crt", "b/tls.key", "b/c/ca.key"}},
	{name: "four files without symbolic links", names: fourNames, weak: true},
}

// command runs the helper.
func command(t *testing.T, how string, index int, dir string, wrapper ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	args := append(wrapper, self)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", helperEnv, how, index, dir))
	return cmd
}

// checkWhole demands that what a reader sees in each set's directory is one
// set.
func (s killScenario) checkWhole(t *testing.T, root string) {
	t.Helper()
	seen := live(t, root)
	byDir := map[string]map[string]string{}
	for path, content := range seen {
		dir := "certs"
		if s.fresh {
			dir = strings.Join(strings.Split(path, "/")[:2], "/")
		}
		if byDir[dir] == nil {
			byDir[dir] = map[string]string{}
		}
		byDir[dir][strings.TrimPrefix(path, dir+"/")] = content
	}
	for dir, files := range byDir {
		_, id, _ := strings.Cut(files[s.names[0]], " of ")
		want := contents(t, "certs", set("certs", id, s.names...)...)
		require.Equal(t, want, files, "in %s", dir)
	}
	entries, err := os.ReadDir(filepath.Join(root, "sets"))
	if err == nil {
		for _, e := range entries {
			_, whole := byDir["sets/"+e.Name()]
			require.True(t, whole || strings.HasPrefix(e.Name(), stagePrefix), "%s is empty", e.Name())
		}
	}
}

// recoverAll does what the next command does.
func (s killScenario) recoverAll(t *testing.T, root string) {
	t.Helper()
	dirs := []string{root, filepath.Join(root, "sets")}
	for _, name := range s.names {
		dirs = append(dirs, filepath.Dir(filepath.Join(root, "certs", name)))
	}
	for _, dir := range dirs {
		require.NoError(t, Recover(dir))
	}
}

// TestKill9 kills a process that writes without a pause, at a random moment,
// 200 times for each way of writing.
func TestKill9(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 20
	}
	for i, s := range killScenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			var interrupted int
			for range runs {
				cmd := command(t, "loop", i, root)
				out, err := cmd.StdoutPipe()
				require.NoError(t, err)
				var stderr strings.Builder
				cmd.Stderr = &stderr
				require.NoError(t, cmd.Start())
				_, err = bufio.NewReader(out).ReadString('\n')
				require.NoError(t, err, stderr.String())
				time.Sleep(time.Duration(rand.IntN(6000)) * time.Microsecond)
				require.NoError(t, cmd.Process.Kill())
				_, _ = io.Copy(io.Discard, out)
				require.Error(t, cmd.Wait())
				require.Empty(t, stderr.String())

				left := junk(t, root)
				if len(left) > 0 {
					interrupted++
				}
				if !s.weak {
					s.checkWhole(t, root)
				}
				// Every other time the next process finds what this one left.
				if rand.IntN(2) == 0 {
					s.recoverAll(t, root)
					s.checkWhole(t, root)
					require.Empty(t, junk(t, root))
				}
			}
			require.NoError(t, command(t, "once", i, root).Run())
			s.checkWhole(t, root)
			assert.Empty(t, junk(t, root), "the next run leaves nothing behind")
			if !s.fresh {
				assert.LessOrEqual(t, len(view(t, root)), len(s.names)*(1+KeptBackups), "backups are pruned")
			}
			assert.Greater(t, interrupted, runs/10, "kills hit the writing")
			t.Logf("%d of %d kills hit a write", interrupted, runs)
		})
	}
}

// TestKillAtEachSystemCall lets strace kill the process at the first system call
// that may change files, at the second, and so on, until it gets through.
func TestKillAtEachSystemCall(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a thousand processes")
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	if out, err := exec.Command(strace, "-o", os.DevNull, "-e", "inject=exit_group:signal=KILL", "true").CombinedOutput(); err == nil || len(out) > 0 {
		t.Skipf("needs an strace that may inject signals: %s", out)
	}
	calls := []string{
		"openat", "write", "fsync", "fchmod", "fchmodat", "mkdirat", "linkat", "symlinkat", "renameat", "unlinkat", "flock", "close",
	}
	for i, s := range killScenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			outcomes := map[bool]int{}
			for _, call := range calls {
				for n, killed := 1, true; killed; n++ {
					root := scratch(t)
					_, err := Write(set(s.dir(root, "old"), "old", s.names...), Options{})
					require.NoError(t, err)
					before := live(t, root)

					err = command(t, "once", i, root, strace, "-f", "-o", os.DevNull, "-e", "trace="+call,
						"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n)).Run()
					killed = err != nil
					if !s.weak {
						s.checkWhole(t, root)
					}
					s.recoverAll(t, root)
					s.checkWhole(t, root)
					require.Empty(t, junk(t, root), "%s %d", call, n)
					outcomes[maps.Equal(before, live(t, root))]++
					require.Less(t, n, 1000, "%s: it does not end: %v", call, err)
				}
			}
			assert.Positive(t, outcomes[true], "old sets")
			assert.Positive(t, outcomes[false], "new sets")
			t.Logf("killed at %d system calls: old set %d times, new set %d times",
				outcomes[true]+outcomes[false]-len(calls), outcomes[true], outcomes[false]-len(calls))
		})
	}
}
