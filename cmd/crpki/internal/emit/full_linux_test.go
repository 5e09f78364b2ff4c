package emit

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mountTmpfs gives a file system in memory of this size.
func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.Mkdir(dir, 0o755))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// TestFullDisk leaves room for nothing, for a little more, and so on.
func TestFullDisk(t *testing.T) {
	const page = 4096
	large := strings.Repeat("x", page+1)
	for what, disk := range map[string]struct {
		options string
		fill    func(dir string, free int) error
	}{
		"no space": {"size=512k", func(dir string, free int) error {
			return os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 512*1024-(8+free)*page), 0o600)
		}},
		"no inodes": {"size=4m,nr_inodes=64", func(dir string, free int) error {
			for n := range 64 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("filler", n)), nil, 0o600); err != nil {
					for m := range min(free, n) {
						if err := os.Remove(filepath.Join(dir, fmt.Sprint("filler", m))); err != nil {
							return err
						}
					}
					return nil
				}
			}
			return fmt.Errorf("the disk is not full")
		}},
	} {
		t.Run(what, func(t *testing.T) {
			for name, dirs := range map[string][2]string{
				"new directory":   {"old", "new"},
				"four replaced":   {"d", "d"},
				"two directories": {"d", "."},
			} {
				t.Run(name, func(t *testing.T) {
					var failed, done int
					for free := 0; done == 0; free++ {
						require.Less(t, free, 50)
						root := mountTmpfs(t, disk.options)
						put(t, set(filepath.Join(root, dirs[0]), "old"+large, fourNames...)...)
						require.NoError(t, disk.fill(root, free))
						before := view(t, root)
						files := set(filepath.Join(root, dirs[0]), "new"+large, fourNames[:2]...)
						files = append(files, set(filepath.Join(root, dirs[1]), "new"+large, fourNames[2:]...)...)
						if dirs[1] == "new" {
							files = set(filepath.Join(root, dirs[1]), "new"+large, fourNames...)
						}

						got, err := Write(files, Options{Force: true, Now: testTime})
						if err != nil {
							failed++
							require.ErrorIs(t, err, syscall.ENOSPC)
							require.ErrorContains(t, err, root)
							require.NotContains(t, err.Error(), large[:100])
							require.Equal(t, before, view(t, root), "%d free", free)
						} else {
							done++
							want := maps.Clone(before)
							for path, backup := range got.Backups {
								rel, err := filepath.Rel(root, path)
								require.NoError(t, err)
								relBackup, err := filepath.Rel(root, backup)
								require.NoError(t, err)
								want[relBackup] = want[rel]
							}
							maps.Copy(want, contents(t, root, files...))
							require.Equal(t, want, view(t, root))
						}
						require.Empty(t, junk(t, root))
					}
					assert.Positive(t, failed)
					t.Logf("failed %d times", failed)
				})
			}
		})
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	root := mountTmpfs(t, "size=64k")
	put(t, set(root, "old", fourNames...)...)
	require.NoError(t, unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	for _, dir := range []string{root, filepath.Join(root, "sub")} {
		for _, dry := range []bool{false, true} {
			_, err := Write(set(dir, "new", fourNames...), Options{Force: true, DryRun: dry})
			require.ErrorIs(t, err, unix.EROFS)
			require.ErrorContains(t, err, root)
		}
	}
}

// TestMountPoint replaces files in a directory that cannot be renamed.
func TestMountPoint(t *testing.T) {
	root := mountTmpfs(t, "size=256k")
	put(t, set(root, "old", fourNames...)...)
	_, err := Write(set(root, "new", fourNames...), Options{Force: true})
	require.NoError(t, err)
	assert.Equal(t, contents(t, root, set(root, "new", fourNames...)...), live(t, root))
}

// TestAcrossFileSystems replaces a set that is on two disks.
func TestAcrossFileSystems(t *testing.T) {
	disk, root := mountTmpfs(t, "size=256k"), t.TempDir()
	for _, generation := range []string{"old", "new"} {
		files := append(set(disk, generation, "tls.key", "ca.key"), set(root, generation, "tls.crt", "ca.crt")...)
		_, err := Write(files, Options{Force: true})
		require.NoError(t, err)
	}
	assert.Equal(t, contents(t, disk, set(disk, "new", "tls.key", "ca.key")...), live(t, disk))
	assert.Equal(t, contents(t, root, set(root, "new", "tls.crt", "ca.crt")...), live(t, root))
	assert.Empty(t, append(junk(t, disk), junk(t, root)...))
}
