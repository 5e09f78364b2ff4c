package emit

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/crpki/crpki/pki"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scenario is a set that is written over another one.
type scenario struct {
	name string
	old  []string // paths that exist before
	new  []string // paths of the set
	same []string // those of new that have the same content before
	keep []string // bystanders, directories end in a slash
	// refuses are steps that the file system does not know.
	refuses []string
	// torn is true when a reader may see a mixture until somebody recovers.
	torn bool
}

var scenarios = []scenario{
	{name: "new directory", new: []string{"p/q/ca.crt", "p/q/ca.key", "p/q/tls.crt", "p/q/sub/tls.key"}},
	{name: "one new file", new: []string{"d/tls.key"}, keep: []string{"d/"}},
	{name: "one replaced file", old: []string{"d/tls.key"}, new: []string{"d/tls.key"}, keep: []string{"d/other"}},
	{name: "four new files", new: inDir("d", fourNames), keep: []string{"d/other", "d/sub/"}},
	{name: "four replaced files", old: inDir("d", fourNames), new: inDir("d", fourNames), keep: []string{"d/other", "d/sub/other"}},
	{name: "two replaced, two new, one the same", old: []string{"d/a", "d/b", "d/e"}, new: []string{"d/a", "d/b", "d/c", "d/d", "d/e"}, same: []string{"d/e"}},
	{name: "one replaced, one the same", old: []string{"d/a", "d/b"}, new: []string{"d/a", "d/b"}, same: []string{"d/b"}},
	{name: "three directories", old: []string{"d/a", "e/b", "e/c"}, new: []string{"d/a", "e/b", "e/c", "e/d", "f/g/x"}},
	{name: "four replaced files without hard links", old: inDir("d", fourNames), new: inDir("d", fourNames), refuses: []string{"link"}},
	{name: "one new file without hard links", new: []string{"d/a"}, keep: []string{"d/"}, refuses: []string{"link"}},
	{name: "one replaced file without links", old: []string{"d/a"}, new: []string{"d/a"}, refuses: []string{"link", "symlink"}},
	{name: "four replaced files without symbolic links", old: inDir("d", fourNames), new: inDir("d", fourNames), refuses: []string{"symlink"}, torn: true},
	{name: "three directories without any links", old: []string{"d/a", "e/b"}, new: []string{"d/a", "e/b", "e/c", "f/x"}, refuses: []string{"link", "symlink"}, torn: true},
}

func inDir(dir string, names []string) (paths []string) {
	for _, name := range names {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

// trial is a scenario set up in a directory.
type trial struct {
	scenario
	root     string
	files    []pki.File
	old, new map[string]string // what a reader sees before and after
	steps    int               // done so far
}

func (s scenario) begin(t *testing.T) *trial {
	t.Helper()
	root := scratch(t)
	tr := &trial{scenario: s, root: root, files: set(root, "new", s.new...), old: map[string]string{}}
	put(t, set(root, "old", s.old...)...)
	put(t, set(root, "new", s.same...)...)
	for _, path := range s.keep {
		if dir, ok := strings.CutSuffix(path, "/"); ok {
			require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
		} else {
			put(t, set(root, "bystander", path)...)
		}
	}
	tr.old = view(t, root)
	tr.new = maps.Clone(tr.old)
	maps.Copy(tr.new, contents(t, root, tr.files...))
	return tr
}

// scratch is a temporary directory, in memory where possible: thousands of trials
// wait for no disk.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "crpki-emit-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

var errKilled = errors.New("killed")

// writer gives a writer on the scenario's file system for which fail decides,
// by its number from 1, the fate of each step.
func (tr *trial) writer(fail func(step int) error) writer {
	w := testWriter
	tr.steps = 0
	w.before = func(op, _ string) error {
		tr.steps++
		if err := fail(tr.steps); err != nil {
			return err
		}
		for _, refused := range tr.refuses {
			if op == refused {
				return syscall.EPERM
			}
		}
		return nil
	}
	return w
}

func (tr *trial) write(fail func(step int) error) (Result, error) {
	return tr.writer(fail).write(tr.files, Options{Force: true, Now: testTime})
}

// recoverAll runs recovery in all directories of the set, and in that above a
// directory that was missing.
func (tr *trial) recoverAll(fail func(step int) error) error {
	w := tr.writer(fail)
	dirs := []string{tr.root}
	for _, f := range tr.files {
		dirs = append(dirs, filepath.Dir(f.Path))
	}
	for _, dir := range dirs {
		if err := w.recoverDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func never(int) error { return nil }

// from kills at step n: none after it is done.
func from(n int) func(int) error {
	return func(step int) error {
		if step >= n {
			return errKilled
		}
		return nil
	}
}

// check demands that a reader sees one of the sets, and tells whether it is the
// new one.
func (tr *trial) check(t *testing.T) (isNew bool) {
	t.Helper()
	got := live(t, tr.root)
	if maps.Equal(got, tr.new) {
		return true
	}
	require.Equal(t, tr.old, got, "neither the new set nor the old one")
	return false
}

// checkEnd demands that all is as if nothing had happened: no stages, no links,
// and a backup of all that was replaced.
func (tr *trial) checkEnd(t *testing.T) {
	t.Helper()
	require.Empty(t, junk(t, tr.root))
	seen := view(t, tr.root)
	if tr.check(t) {
		for path, content := range tr.old {
			if tr.new[path] != content {
				require.Equal(t, content, seen[path+backupInfix+testStamp], "backup of %s", path)
			}
		}
	} else {
		require.Equal(t, tr.old, seen, "no backups of what was not replaced")
	}
	for _, f := range tr.files {
		if _, ok := seen[f.Path]; ok {
			require.Equal(t, f.Mode, modeOf(t, f.Path))
		}
	}
}

// TestKillAtEachStep ends the process ahead of each step in turn.
func TestKillAtEachStep(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var sawOld, sawNew bool
			for n := 1; ; n++ {
				tr := s.begin(t)
				_, err := tr.write(from(n))
				if tr.steps < n {
					require.NoError(t, err)
					break
				}
				var wasNew bool
				if !s.torn {
					wasNew = tr.check(t)
				}
				require.NoError(t, tr.recoverAll(never), "step %d", n)
				isNew := tr.check(t)
				if !s.torn {
					require.Equal(t, wasNew, isNew, "step %d: recovery changed what readers see", n)
				}
				sawOld, sawNew = sawOld || !isNew, sawNew || isNew
				tr.checkEnd(t)

				_, err = tr.write(never)
				require.NoError(t, err, "step %d: the next run", n)
				require.True(t, tr.check(t))
				require.Empty(t, junk(t, tr.root))
			}
			assert.True(t, sawOld && sawNew, "both outcomes happen")
		})
	}
}

// TestKillRecoveryAtEachStep ends each recovery from each kill as well.
func TestKillRecoveryAtEachStep(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for n, more := 1, true; more; n++ {
				for m := 1; ; m++ {
					tr := s.begin(t)
					_, _ = tr.write(from(n))
					if more = tr.steps >= n; !more {
						break
					}
					var was bool
					if !s.torn {
						was = tr.check(t)
					}
					_ = tr.recoverAll(from(m))
					done := tr.steps < m
					if !s.torn {
						require.Equal(t, was, tr.check(t), "steps %d, %d", n, m)
					}
					require.NoError(t, tr.recoverAll(never), "steps %d, %d", n, m)
					tr.checkEnd(t)
					if done {
						break
					}
				}
			}
		})
	}
}

// TestErrorAtEachStep lets each step in turn fail once, as on a full disk.
func TestErrorAtEachStep(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				tr := s.begin(t)
				_, err := tr.write(func(step int) error {
					if step == n {
						return syscall.ENOSPC
					}
					return nil
				})
				if tr.steps < n {
					break
				}
				if s.torn {
					require.NoError(t, tr.recoverAll(never))
				}
				isNew := tr.check(t)
				if err == nil {
					require.True(t, isNew, "step %d: no error", n)
				} else {
					require.ErrorIs(t, err, syscall.ENOSPC)
					require.NotContains(t, err.Error(), " of new", "contents in the error")
					if isNew {
						require.ErrorContains(t, err, "the files are written", "step %d", n)
					}
				}
				require.NoError(t, tr.recoverAll(never))
				tr.checkEnd(t)
			}
		})
	}
}

// TestForeignChangesSurvive lets another program put a file into a target's
// place while a killed run has not been cleaned up.
func TestForeignChangesSurvive(t *testing.T) {
	for n := 1; ; n++ {
		s := scenario{old: inDir("d", fourNames), new: inDir("d", append(fourNames, "extra.crt"))}
		tr := s.begin(t)
		_, _ = tr.write(from(n))
		if tr.steps < n {
			break
		}
		for _, name := range []string{"tls.crt", "extra.crt"} {
			path := filepath.Join(tr.root, "d", name)
			require.NoError(t, os.RemoveAll(path))
			put(t, file(path, "theirs"))
		}
		require.NoError(t, tr.recoverAll(never))
		seen := live(t, tr.root)
		for _, name := range []string{"d/tls.crt", "d/extra.crt"} {
			require.Equal(t, "theirs", seen[name], "step %d", n)
		}
		require.Empty(t, junk(t, tr.root))
	}
}

// TestPivotLost removes the stage that the others take their pivot from, as
// nobody should.
func TestPivotLost(t *testing.T) {
	s := scenario{old: []string{"d/a", "e/b", "e/c"}, new: []string{"d/a", "e/b", "e/c", "e/new"}}
	for n := 1; ; n++ {
		tr := s.begin(t)
		_, _ = tr.write(from(n))
		if tr.steps < n {
			break
		}
		require.NoError(t, os.RemoveAll(filepath.Join(tr.root, "d")))
		require.NoError(t, Recover(filepath.Join(tr.root, "e")))
		require.Empty(t, junk(t, tr.root))
		got := live(t, tr.root)
		for _, path := range s.old[1:] {
			require.Contains(t, got, path, "step %d: nothing is lost", n)
		}
	}
}

// TestOrderOfSteps checks what outlives a power failure: nothing is shown before
// its data are on the disk, and success is not told before the directory is.
func TestOrderOfSteps(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			tr := s.begin(t)
			var log []string
			w := tr.writer(never)
			refuse := w.before
			w.before = func(op, path string) error {
				err := refuse(op, path)
				if err == nil {
					log = append(log, op+" "+path)
				}
				return err
			}
			_, err := w.write(tr.files, Options{Force: true, Now: testTime})
			require.NoError(t, err)

			created, synced := map[string]bool{}, map[string]bool{}
			shown := false
			var unsynced string // the last change of what readers see
			for _, line := range log {
				op, path, _ := strings.Cut(line, " ")
				inStage := strings.Contains(path, stagePrefix)
				switch {
				case op == "create":
					created[path] = true
				case op == "fsync":
					synced[path] = true
					if !inStage {
						unsynced = ""
					}
				case !inStage && (op == "rename" || op == "link" || op == "symlink"):
					if !shown {
						for path := range created {
							require.True(t, synced[path], "%s is not on the disk before %s", path, line)
						}
					}
					shown = true
					unsynced = line
				case op == "removeall":
					require.Empty(t, unsynced, "before the stage goes")
				}
			}
			require.True(t, shown)
			require.Empty(t, unsynced)
			if strings.HasPrefix(s.name, "three directories") {
				joined := strings.Join(log, "\n")
				turn := slices.IndexFunc(log, func(line string) bool {
					return strings.HasPrefix(line, "rename ") && strings.HasSuffix(line, "/"+pivot)
				})
				require.Positive(t, turn)
				require.True(t, strings.HasPrefix(log[turn+1], "fsync "), "the turn is on the disk before the detour ends:\n%s", joined)
				for _, dir := range []string{"d", "e"} {
					require.Contains(t, log[:turn], "fsync "+filepath.Join(tr.root, dir), "the detours are on the disk before the turn:\n%s", joined)
				}
			}
		})
	}
}
