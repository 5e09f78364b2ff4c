//go:build unix

package emit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestModesAreExact(t *testing.T) {
	for _, umask := range []int{0o000, 0o022, 0o077, 0o777} {
		for _, old := range []fs.FileMode{0, 0o400, 0o640, 0o666} {
			t.Run(fmt.Sprintf("umask %03o over %03o", umask, old), func(t *testing.T) {
				root := t.TempDir()
				if old != 0 {
					put(t, set(root, "old", fourNames...)...)
					for _, name := range fourNames {
						require.NoError(t, os.Chmod(filepath.Join(root, name), old))
					}
				}
				files := set(root, "new", fourNames...)
				restore := syscall.Umask(umask)
				got, err := Write(files, Options{Force: true, Now: testTime})
				syscall.Umask(restore)
				require.NoError(t, err)
				for _, f := range files {
					assert.Equal(t, f.Mode, modeOf(t, f.Path), f.Path)
					if old != 0 {
						assert.Equal(t, old, modeOf(t, got.Backups[f.Path]))
					}
				}
				switch old {
				case 0o640:
					assert.Equal(t, []string{files[1].Path, files[3].Path}, got.Narrowed)
				case 0o666:
					assert.Equal(t, paths(files), got.Narrowed)
				default:
					assert.Empty(t, got.Narrowed)
				}
			})
		}
	}
}

func TestWriteRefusesPipesAndSockets(t *testing.T) {
	root := t.TempDir()
	pipe, socket := filepath.Join(root, "pipe"), filepath.Join(root, "socket")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	require.NoError(t, unix.Mknod(socket, unix.S_IFSOCK|0o600, 0))
	for path, want := range map[string]string{pipe: "a named pipe", socket: "a socket"} {
		_, err := Write(set(root, "new", filepath.Base(path), "tls.crt"), Options{Force: true})
		assert.ErrorContains(t, err, "it is "+want)
	}
	assert.NoFileExists(t, filepath.Join(root, "tls.crt"))
}

func TestDirectoriesFollowTheUmask(t *testing.T) {
	root := t.TempDir()
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	_, err := Write(set(root, "new", "a/b/tls.crt"), Options{})
	require.NoError(t, err)
	_, err = Write(set(root, "new", "tls.crt", "c/tls.crt"), Options{})
	require.NoError(t, err)
	for _, dir := range []string{"a", "a/b", "c"} {
		assert.Equal(t, fs.ModeDir|0o750, modeOf(t, filepath.Join(root, dir)), dir)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give files to other users and to be another user")
	}
}

func ownerOf(t *testing.T, path string) (uid, gid uint32) {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	stat := info.Sys().(*syscall.Stat_t)
	return stat.Uid, stat.Gid
}

func TestOwners(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	put(t, set(root, "old", "tls.crt", "tls.key")...)
	for _, name := range []string{"tls.crt", "tls.key"} {
		require.NoError(t, os.Chown(filepath.Join(root, name), 1234, 2345))
	}
	require.NoError(t, os.Chown(root, 3456, 4567))
	require.NoError(t, os.Chmod(root, fs.ModeSetgid|0o755))
	before := modeOf(t, root)

	got, err := Write(set(root, "new", fourNames...), Options{Force: true, Now: testTime})
	require.NoError(t, err)
	for path, want := range map[string][2]uint32{
		"tls.crt": {1234, 2345},
		"tls.key": {1234, 2345},
		got.Backups[root+"/tls.key"][len(root)+1:]: {1234, 2345},
		"ca.crt": {0, 4567}, // the directory's setgid bit
		"ca.key": {0, 4567},
	} {
		uid, gid := ownerOf(t, filepath.Join(root, path))
		assert.Equal(t, want, [2]uint32{uid, gid}, path)
	}
	assert.Equal(t, before, modeOf(t, root))
	uid, gid := ownerOf(t, root)
	assert.Equal(t, [2]uint32{3456, 4567}, [2]uint32{uid, gid})
}

// asNobody runs do as a user without rights, as far as files are concerned.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	needRoot(t)
	runAsNobody(t, do)
}

func TestReadOnlyFolder(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o755))
	dir := filepath.Join(root, "certs")
	put(t, set(dir, "old", fourNames...)...)
	before := view(t, root)
	asNobody(t, func() {
		for name, files := range map[string][]string{"one": {"tls.key"}, "four": fourNames, "new": {"x.crt"}, "below": {"sub/x.crt"}} {
			for _, dry := range []bool{false, true} {
				_, err := Write(set(dir, "new", files...), Options{Force: true, DryRun: dry})
				assert.ErrorIs(t, err, fs.ErrPermission, name)
				assert.ErrorContains(t, err, dir, name)
			}
		}
	})
	assert.Equal(t, before, view(t, root))
	assert.Empty(t, junk(t, root))
}

func TestFilesOfOthers(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o755))
	require.NoError(t, os.Chmod(root, 0o777))
	put(t, set(root, "old", "tls.crt", "tls.key")...)
	before := view(t, root)
	var err error
	asNobody(t, func() { _, err = Write(set(root, "new", "tls.crt", "tls.key"), Options{Force: true}) })
	if err == nil {
		t.Skip("this system lets everybody link to the files of others: fs.protected_hardlinks is 0")
	}
	require.EqualError(t, err, "keep a backup of "+filepath.Join(root, "tls.key")+": permission denied; nothing was changed")
	assert.Equal(t, before, view(t, root))
	assert.Empty(t, junk(t, root))

	asNobody(t, func() { _, err = Write(set(root, "new", "tls.crt"), Options{Force: true, Now: testTime}) })
	require.NoError(t, err, "what can be read can be copied")
	after := view(t, root)
	assert.Equal(t, "tls.crt of new", after["tls.crt"])
	assert.Equal(t, "tls.crt of old", after["tls.crt.bak-"+testStamp])
}

func TestLockFile(t *testing.T) {
	d, err := testWriter.open(t.TempDir())
	require.NoError(t, err)
	unlock, err := tryLockFile(d, lockName)
	require.NoError(t, err)
	_, err = tryLockFile(d, lockName)
	assert.ErrorIs(t, err, errBusy)
	unlock()
	assert.Empty(t, d.entries("."))
	unlock, err = tryLockFile(d, lockName)
	require.NoError(t, err)

	t.Run("one that was removed is none", func(t *testing.T) {
		f, err := os.OpenFile(d.path("other"), os.O_CREATE|os.O_RDWR, 0o600)
		require.NoError(t, err)
		require.NoError(t, os.Remove(d.path("other")))
		assert.ErrorIs(t, flock(f, d.path("other")), errBusy)
	})
	t.Run("nor what cannot be locked", func(t *testing.T) {
		f, err := os.Open(d.path())
		require.NoError(t, err)
		f.Close()
		assert.True(t, errors.Is(flock(f, d.path()), errors.ErrUnsupported))
	})
	unlock()
}

// TestPlantedStage lets another user plant a stage that leads out of the
// directory.
func TestPlantedStage(t *testing.T) {
	for name, plant := range map[string]func(stage, victim string) error{
		"new leads out": func(stage, victim string) error { return os.Symlink(victim, filepath.Join(stage, newDir)) },
		"a peer leads out": func(stage, victim string) error {
			if err := os.Mkdir(filepath.Join(stage, oldDir), 0o755); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(victim, newDir), filepath.Join(stage, oldDir, peerPrefix+"0"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			dir, victim := filepath.Join(root, "dir"), filepath.Join(root, "victim")
			put(t, set(victim, "precious", "a", "new/b", "old/c")...)
			before := view(t, victim)
			stage := filepath.Join(dir, ".crpki-"+testStamp+"-01234567")
			require.NoError(t, os.MkdirAll(stage, 0o755))
			require.NoError(t, os.Symlink(newDir, filepath.Join(stage, pivot)))
			require.NoError(t, plant(stage, victim))
			_, err := Write(set(dir, "new", fourNames...), Options{Force: true})
			require.NoError(t, err)
			assert.Equal(t, before, view(t, victim))
			assert.Len(t, view(t, dir), 4)
			assert.Empty(t, junk(t, dir))
		})
	}
}
