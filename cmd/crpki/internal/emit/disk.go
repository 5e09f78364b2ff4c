package emit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// disk does all that changes the file system, one step by each method, and only
// in one directory and below: whatever links somebody has put there, none leads
// out of it. Paths are relative to that directory.
type disk struct {
	root *os.Root
	// before, when set, is asked ahead of each step. Its error is the step's:
	// tests let a step fail, or all of them from one on, as kill -9 would.
	before func(op, path string) error
	// grace is how long a detour stays after nobody is sent that way any more.
	grace time.Duration
}

// path is the directory itself, or something in it.
func (d disk) path(elem ...string) string {
	return filepath.Join(d.root.Name(), filepath.Join(elem...))
}

func (d disk) step(op, path string, do func() error) error {
	if d.before != nil {
		if err := d.before(op, d.path(path)); err != nil {
			return &fs.PathError{Op: op, Path: path, Err: err}
		}
	}
	return do()
}

// mkdir makes a directory; mode is cut by the umask.
func (d disk) mkdir(path string, mode fs.FileMode) error {
	return d.step("mkdir", path, func() error { return d.root.Mkdir(path, mode) })
}

// passable lets everybody through a directory who may come through the one that
// it is in. The files in it keep their own modes.
const passable fs.FileMode = 0o711

// mkdirPassable makes such a directory, whatever the umask. A setgid bit stays:
// it hands down the group of the files' destination.
func (d disk) mkdirPassable(path string) error {
	if err := d.mkdir(path, passable); err != nil {
		return err
	}
	return d.step("chmod", path, func() error {
		info, err := d.root.Lstat(path)
		if err != nil || info.Mode().Perm() == passable {
			return err
		}
		return d.root.Chmod(path, info.Mode()&^fs.ModePerm|passable)
	})
}

// create makes a new file with all that it should have, and fsyncs it. The file
// belongs to the owner of like, if that is not nil and we may say so.
func (d disk) create(path string, data []byte, mode fs.FileMode, like fs.FileInfo) error {
	var f *os.File
	err := d.step("create", path, func() (err error) {
		f, err = d.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range []struct {
		op string
		do func() error
	}{
		{"write", func() error { _, err := f.Write(data); return err }},
		{"chown", func() error { return keepOwner(f, like) }},
		{"chmod", func() error { return f.Chmod(mode) }},
		{"fsync", f.Sync},
	} {
		if err := d.step(s.op, path, s.do); err != nil {
			f.Close()
			return err
		}
	}
	return d.step("close", path, f.Close)
}

// keep makes to hold what the file from holds: as another link to it or, where
// that is not possible, as a copy with its mode and owner.
func (d disk) keep(from, to string, info fs.FileInfo) error {
	if d.link(from, to) == nil {
		return nil
	}
	data, err := d.root.ReadFile(from)
	if err != nil {
		return err
	}
	return d.create(to, data, info.Mode().Perm(), info)
}

func (d disk) link(from, to string) error {
	return d.step("link", to, func() error { return d.root.Link(from, to) })
}

func (d disk) symlink(text, path string) error {
	return d.step("symlink", path, func() error {
		if !haveSymlinks {
			return errors.ErrUnsupported
		}
		return d.root.Symlink(text, path)
	})
}

func (d disk) rename(from, to string) error {
	return d.step("rename", to, func() error { return d.root.Rename(from, to) })
}

func (d disk) remove(path string) error {
	return d.step("remove", path, func() error { return d.root.Remove(path) })
}

func (d disk) removeAll(path string) error {
	return d.step("removeall", path, func() error { return d.root.RemoveAll(path) })
}

// sync makes the entries of a directory outlive a power failure, where the
// system can do that.
func (d disk) sync(dir string) error {
	return d.step("fsync", dir, func() error {
		if !canSyncDirs {
			return nil
		}
		f, err := d.root.Open(dir)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Sync(); err != nil && !isUnsupported(err) && !errors.Is(err, syscall.EINVAL) {
			return err
		}
		return nil
	})
}

// refer makes path say text: by a symbolic link or, where there are none, by a
// small file. linked tells which.
func (d disk) refer(path, text string) (linked bool, err error) {
	err = d.symlink(text, path)
	if isUnsupported(err) {
		return false, d.create(path, []byte(text), 0o644, nil)
	}
	return err == nil, err
}

// reference is what refer made the file at path, which is absolute, say. Empty
// when there is nothing.
func reference(path string) string {
	if text, err := os.Readlink(path); err == nil {
		return text
	}
	data, _ := os.ReadFile(path)
	return string(data)
}

func (d disk) exists(path string) bool {
	_, err := d.root.Lstat(path)
	return err == nil
}

// entries are those of a directory; none when it cannot be read.
func (d disk) entries(dir string) []fs.DirEntry {
	entries, _ := fs.ReadDir(d.root.FS(), filepath.ToSlash(dir))
	return entries
}

// isUnsupported is true when err says that the file system cannot do this at
// all. EPERM is how FAT answers symlink(2) and link(2).
func isUnsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM)
}

// cause is what the system said, without the path of a staging place that
// would tell the user nothing.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
