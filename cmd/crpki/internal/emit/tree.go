package emit

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// treePrefix begins the name of a directory that becomes, by a rename, the one
// that was missing. Its maker holds a lock on it.
const treePrefix = stagePrefix + "tree-"

// writeTree writes all targets into a directory that does not exist, and shows
// it when it is whole.
func (w writer) writeTree(p *plan) (Result, error) {
	shown := p.targets[0].folder.shown
	fail := func(err error) (Result, error) {
		return Result{}, fmt.Errorf("make the directory %s: %w", shown, cause(err))
	}
	parent, err := w.open(filepath.Dir(p.tree))
	if err != nil {
		return fail(err)
	}
	defer parent.root.Close()
	for _, name := range parent.leftovers() {
		parent.sweepTree(name)
	}

	tree := treePrefix + randomID()
	if err := parent.mkdir(tree, 0o755); err != nil {
		return fail(err)
	}
	unlock, err := tryLockDir(parent, tree)
	switch {
	case err == nil:
		defer unlock()
	case errors.Is(err, errBusy), errors.Is(err, fs.ErrNotExist):
		return fail(errMoved) // another process has taken it for a leftover
	case !errors.Is(err, errors.ErrUnsupported):
		return fail(err)
	}
	if err = parent.fillTree(p, tree); err == nil {
		if err = parent.rename(tree, filepath.Base(p.tree)); isTaken(err) {
			err = errMoved
		}
		if err != nil {
			_, err = fail(err)
		}
	}
	if err != nil {
		parent.removeAll(tree)
		return Result{}, unchanged(err)
	}
	if err := parent.sync("."); err != nil {
		return Result{}, fmt.Errorf("the files are written, but may not outlive a power failure: %s: %w", parent.path(), cause(err))
	}
	return p.result(""), nil
}

// isTaken is true when a rename failed because something is in the place.
func isTaken(err error) bool {
	return errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.ENOTDIR)
}

// fillTree writes the targets into tree, where they will be in p.tree.
func (d disk) fillTree(p *plan, tree string) error {
	staged := func(path string) string { return tree + strings.TrimPrefix(path, p.tree) }
	dirs := []string{tree}
	for _, dir := range p.missing {
		if dir == p.tree || !within(dir, p.tree) {
			continue
		}
		if err := d.mkdir(staged(dir), 0o755); err != nil {
			return fmt.Errorf("make the directory %s: %w", dir, cause(err))
		}
		dirs = append(dirs, staged(dir))
	}
	for _, t := range p.targets {
		if err := d.create(staged(filepath.Join(t.folder.dir, t.name)), t.Data, t.Mode.Perm(), nil); err != nil {
			return t.errorf(err)
		}
	}
	for _, dir := range slices.Backward(dirs) {
		if err := d.sync(dir); err != nil {
			return fmt.Errorf("write in %s: %w", p.tree, cause(err))
		}
	}
	return nil
}

// abandoned is the age at which a tree that cannot be locked has no living
// maker.
const abandoned = time.Hour

// sweepTree removes the directory called name if it is a tree and its maker is
// dead. What cannot be removed stays: it is in nobody's way.
func (d disk) sweepTree(name string) {
	id, ok := strings.CutPrefix(name, treePrefix)
	if !ok || !isID(id) {
		return
	}
	switch unlock, err := tryLockDir(d, name); {
	case err == nil:
		d.removeAll(name)
		unlock()
	case errors.Is(err, errors.ErrUnsupported):
		if info, err := d.root.Lstat(name); err == nil && time.Since(info.ModTime()) > abandoned {
			d.removeAll(name)
		}
	}
}
