//go:build unix

package emit

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	haveSymlinks = true
	canSyncDirs  = true
)

// lockName is the file that stands for its directory where directories cannot
// be locked.
const lockName = stagePrefix + "lock"

// tryLock locks the directory of d against other processes that do the same. It
// leaves nothing behind, however the process ends, except where the directory
// cannot be locked but only a file in it (NFS).
func tryLock(d disk) (unlock func(), err error) {
	unlock, err = tryLockDir(d, ".")
	if errors.Is(err, errors.ErrUnsupported) {
		return tryLockFile(d, lockName)
	}
	return unlock, err
}

// tryLockDir locks a directory itself.
func tryLockDir(d disk, dir string) (unlock func(), err error) {
	f, err := d.root.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := flock(f, d.path(dir)); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// tryLockFile locks a file that it makes for that, and removes when unlocked.
func tryLockFile(d disk, path string) (unlock func(), err error) {
	f, err := d.root.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, d.path(path)); err != nil {
		f.Close()
		return nil, err
	}
	return func() { d.root.Remove(path); f.Close() }, nil
}

// flock locks f, and makes sure that it still is what path leads to: whoever
// held the lock before may have removed or renamed it.
func flock(f *os.File, path string) error {
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
	case nil:
	case unix.EWOULDBLOCK, unix.EINTR:
		return errBusy
	case unix.EBADF, unix.EINVAL, unix.ENOLCK: // how NFS and others say that they cannot
		return errors.ErrUnsupported
	default:
		return err
	}
	is, err := f.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Lstat(path); err != nil || !os.SameFile(is, named) {
		return errBusy
	}
	return nil
}

// keepOwner gives f to the owner and the group of like, as far as this user may.
func keepOwner(f *os.File, like fs.FileInfo) error {
	if like == nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	is, want := info.Sys().(*syscall.Stat_t), like.Sys().(*syscall.Stat_t)
	if is.Uid == want.Uid && is.Gid == want.Gid {
		return nil
	}
	if err := f.Chown(int(want.Uid), int(want.Gid)); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// writable tells why the user may not make files in dir.
func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
