package emit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/crpki/crpki/pki"
)

// plan is a set of files, sorted by where they go.
type plan struct {
	// targets are all files, in the order given.
	targets []*target
	// folders are the directories of the targets, sorted by path.
	folders []*folder
	// missing are the folders that do not exist, with their parents, each
	// behind its own parent.
	missing []string
	// tree is a directory that does not exist and will hold all targets. Empty
	// when there is none.
	tree string
}

// folder is a directory and the targets in it.
type folder struct {
	// disk is the directory, once it is open; before, or while it does not
	// exist, its root is nil.
	disk
	// dir is its path, absolute and free of symbolic links, shown is how the
	// user spells it.
	dir, shown string
	targets    []*target
}

// target is a file of the set.
type target struct {
	pki.File
	folder *folder
	name   string
	// old is what is in its place; nil when nothing is.
	old fs.FileInfo
	// same is true when that has the same content.
	same bool
}

// backup is the user's spelling of its backup's path.
func (t *target) backup(stamp string) string { return t.Path + backupInfix + stamp }

// errorf tells what went wrong with t.
func (t *target) errorf(err error) error { return fmt.Errorf("write %s: %w", t.Path, cause(err)) }

// newPlan sorts files by their directories. It looks at directories only.
func newPlan(files []pki.File) (*plan, error) {
	p := &plan{}
	var wrong []error
	told := map[string]bool{} // directories in which nothing can be
	for _, file := range files {
		err := p.add(file)
		if dir, ok := errors.AsType[*dirError](err); ok {
			if told[dir.dir] {
				continue
			}
			told[dir.dir] = true
		}
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	slices.SortFunc(p.folders, func(a, b *folder) int { return strings.Compare(a.dir, b.dir) })
	p.tree = p.commonMissing()
	return p, nil
}

func (p *plan) add(file pki.File) error {
	name := filepath.Base(file.Path)
	if file.Path == "" || os.IsPathSeparator(file.Path[len(file.Path)-1]) || name == "." || name == ".." {
		return fmt.Errorf("write %q: that is not the name of a file", file.Path)
	}
	if strings.HasPrefix(name, stagePrefix) {
		return fmt.Errorf("write %s: names that begin with %s are kept for staging", file.Path, stagePrefix)
	}
	if file.Mode == 0 {
		file.Mode = pki.ModePrivate
	}
	dir, missing, err := resolve(filepath.Dir(file.Path))
	if err != nil {
		return fmt.Errorf("write %s: %w", file.Path, &dirError{filepath.Dir(file.Path), err})
	}
	for _, m := range missing {
		if !slices.Contains(p.missing, m) {
			p.missing = append(p.missing, m)
		}
	}
	t := &target{File: file, folder: p.folder(dir, filepath.Dir(file.Path)), name: name}
	for _, other := range t.folder.targets {
		if other.name == name {
			return fmt.Errorf("write %s: the same file is to be written twice", file.Path)
		}
	}
	t.folder.targets = append(t.folder.targets, t)
	p.targets = append(p.targets, t)
	return nil
}

// dirError is a directory in which nothing can be written: all its files fail
// for the same reason.
type dirError struct {
	dir string
	err error
}

func (e *dirError) Error() string { return e.err.Error() }
func (e *dirError) Unwrap() error { return e.err }

func (p *plan) folder(dir, shown string) *folder {
	for _, f := range p.folders {
		if f.dir == dir {
			return f
		}
	}
	f := &folder{dir: dir, shown: shown}
	p.folders = append(p.folders, f)
	return f
}

// resolve makes dir absolute and frees it from symbolic links. missing are the
// directories on the way that do not exist.
func resolve(dir string) (path string, missing []string, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	path, err = filepath.EvalSymlinks(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if text, err := os.Readlink(abs); err == nil {
			return "", nil, fmt.Errorf("the directory %s is a symbolic link to %s, which does not exist", dir, text)
		}
		parent, missing, err := resolve(filepath.Dir(abs))
		path = filepath.Join(parent, filepath.Base(abs))
		return path, append(missing, path), err
	case errors.Is(err, syscall.ENOTDIR):
		return "", nil, fmt.Errorf("a part of %s is not a directory", dir)
	case err != nil:
		return "", nil, fmt.Errorf("%s: %w", dir, cause(err))
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", dir, cause(err))
	}
	if !info.IsDir() {
		return "", nil, fmt.Errorf("%s is not a directory", dir)
	}
	return path, nil, nil
}

// commonMissing finds a missing directory that holds all targets.
func (p *plan) commonMissing() string {
	for _, top := range p.missing {
		if !slices.ContainsFunc(p.folders, func(f *folder) bool { return !within(f.dir, top) }) {
			return top // the first is the highest, for parents come first
		}
	}
	return ""
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+string(filepath.Separator))
}

// inspect looks at what is in the place of each target, and refuses what may
// not be replaced.
func (p *plan) inspect(force bool) error {
	var wrong []error
	var existing []string
	for _, t := range p.targets {
		if err := t.inspect(); err != nil {
			wrong = append(wrong, err)
		} else if t.old != nil && !t.same && !force {
			existing = append(existing, t.Path)
		}
	}
	if len(existing) > 0 {
		wrong = append(wrong, &ExistsError{existing})
	}
	return errors.Join(wrong...)
}

func (t *target) inspect() error {
	if t.folder.root == nil {
		return nil
	}
	info, err := t.folder.root.Lstat(t.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return t.errorf(err)
	}
	if text, err := t.folder.root.Readlink(t.name); err == nil {
		if !isDetour(text) {
			return fmt.Errorf("write %s: it is a symbolic link to %s; name that file itself, or remove the link", t.Path, text)
		}
		// A killed run's, as good as what it leads to. Only a dry run comes
		// across one: the others have cleaned up before.
		if info, err = os.Stat(t.folder.path(t.name)); err != nil {
			return nil
		}
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("write %s: it is %s, not a file", t.Path, kind(info.Mode()))
	}
	t.old = info
	t.same = info.Size() == int64(len(t.Data)) && t.folder.holds(t.name, t.Data)
	return nil
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	default:
		return "something special"
	}
}

// holds is true when the file at path has this content, and may be read.
func (d disk) holds(path string, data []byte) bool {
	got, err := d.root.ReadFile(path)
	return err == nil && bytes.Equal(got, data)
}

// sameContent compares two files.
func (d disk) sameContent(a, b string) bool {
	data, err := d.root.ReadFile(a)
	return err == nil && d.holds(b, data)
}

// changed are the targets that need writing.
func (f *folder) changed() []*target {
	return slices.DeleteFunc(slices.Clone(f.targets), func(t *target) bool { return t.same })
}

// dryRun gives the Result that writing p would have, or the error that would
// come of it, as far as one can tell without writing.
func (w writer) dryRun(p *plan, o Options) (Result, error) {
	for _, f := range p.folders {
		above := f.dir
		for slices.Contains(p.missing, above) {
			above = filepath.Dir(above)
		}
		d, err := w.open(above)
		if err == nil {
			defer d.root.Close()
			err = writable(above)
		}
		if err != nil {
			return Result{}, fmt.Errorf("write in %s: %w", above, cause(err))
		}
		if above == f.dir {
			f.disk = d
		}
	}
	if err := p.inspect(o.Force); err != nil {
		return Result{}, err
	}
	stamp, err := p.stamp(o.Now)
	if err != nil {
		return Result{}, err
	}
	return p.result(stamp), nil
}

// result is what the user learns when all went well.
func (p *plan) result(stamp string) Result {
	r := Result{Backups: map[string]string{}}
	for _, t := range p.targets {
		if t.same {
			r.Unchanged = append(r.Unchanged, t.Path)
			continue
		}
		r.Written = append(r.Written, t.Path)
		if t.old == nil {
			continue
		}
		r.Backups[t.Path] = t.backup(stamp)
		if t.old.Mode().Perm()&^t.Mode.Perm() != 0 {
			r.Narrowed = append(r.Narrowed, t.Path)
		}
	}
	return r
}
