package emit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// commit brings the changed targets to their places. The folders are locked.
func commit(p *plan, stamp string) error {
	var t transaction
	for _, f := range p.folders {
		if len(f.changed()) > 0 {
			t = append(t, newStage(f, stamp))
		}
	}
	if len(t) == 0 {
		return nil
	}
	err := t.run()
	written := err == nil || t[0].turned()
	ended := end(t)
	switch {
	case written && (err != nil || ended != nil):
		return fmt.Errorf("the files are written, but that is not finished: %w; the next run there will do it", errors.Join(err, ended))
	case ended != nil:
		return fmt.Errorf("%w; undo it: %w; the next run there will do it", err, ended)
	case err != nil:
		return unchanged(err)
	}
	return nil
}

// unchanged adds to an error what its reader will ask next.
func unchanged(err error) error { return fmt.Errorf("%w; nothing was changed", err) }

// transaction is a set on its way: a stage for each directory, of which the
// first holds the pivot that the others take theirs from.
type transaction []stage

// run goes as far as to the step that makes the new set the one that readers
// see.
func (t transaction) run() error {
	for _, s := range t {
		if err := s.fill(); err != nil {
			return err
		}
	}
	first := t[0]
	if len(t) == 1 && len(first.targets) == 1 {
		return first.swap()
	}
	linked, err := t.preparePivots()
	if err != nil {
		return first.errorf(err)
	}
	if linked {
		for _, s := range t {
			if err := s.takeDetour(); err != nil {
				return err
			}
		}
	}
	if err := t.turn(); err != nil {
		return first.errorf(err)
	}
	return nil
}

// swap brings a single file to its place.
func (s stage) swap() error {
	t := s.targets[0]
	from := s.at(newDir, t.name)
	err := t.unmoved()
	switch {
	case err != nil:
	case t.old != nil:
		err = s.rename(from, t.name)
	default:
		// link(2) never overwrites; where there is none, we have looked.
		if err = s.link(from, t.name); isUnsupported(err) {
			err = s.rename(from, t.name)
		}
	}
	return t.placed(err)
}

// unmoved makes sure that in t's place is what was looked at.
func (t *target) unmoved() error {
	info, err := t.folder.root.Lstat(t.name)
	switch {
	case t.old == nil && errors.Is(err, fs.ErrNotExist):
		return nil
	case t.old == nil || err != nil || !os.SameFile(info, t.old):
		return errMoved
	}
	return nil
}

// placed gives the outcome of bringing something to t's place.
func (t *target) placed(err error) error {
	if errors.Is(err, fs.ErrExist) {
		err = errMoved
	}
	if err != nil {
		return t.errorf(err)
	}
	return nil
}

// preparePivots makes all stages depend on one pivot. linked is false when a
// file system among theirs has no symbolic links.
func (t transaction) preparePivots() (linked bool, err error) {
	linked = true
	refer := func(s stage, path, text string) {
		if err == nil {
			var ok bool
			ok, err = s.refer(path, text)
			linked = linked && ok
		}
	}
	first := t[0]
	refer(first, first.at(pivot), oldDir)
	refer(first, first.at(nextPivot), newDir)
	for i, peer := range t[1:] {
		name := peerPrefix + strconv.Itoa(i)
		for _, part := range []string{oldDir, newDir} {
			refer(first, first.at(part, name), relative(first.path(first.at(part)), peer.path(peer.at(part))))
		}
		refer(peer, peer.at(pivot), relative(peer.path(peer.at()), first.path(first.at(pivot, name))))
	}
	for _, s := range t {
		for _, target := range s.targets {
			if err == nil && linked {
				err = s.prepareDetour(target)
			}
		}
	}
	return linked, err
}

// prepareDetour makes all that needs only a rename later. What readers may be on
// their way to stays where it is until the end: it gets a second name.
func (s stage) prepareDetour(t *target) error {
	if t.old != nil {
		if err := s.symlink(s.detour(t.name), s.at(linkDir, t.name)); err != nil {
			return err
		}
	}
	if err := s.link(s.at(newDir, t.name), s.at(readyDir, t.name)); !isUnsupported(err) {
		return err
	}
	return nil
}

// relative leads from dir to path, or is path itself where nothing does
// (another drive).
func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil {
		return rel
	}
	return path
}

// takeDetour puts a link in the place of each target. It leads to what is there
// already.
func (s stage) takeDetour() error {
	for _, t := range s.targets {
		err := t.unmoved()
		switch {
		case err != nil:
		case t.old != nil:
			err = s.rename(s.at(linkDir, t.name), t.name)
		default:
			err = s.symlink(s.detour(t.name), t.name) // never overwrites
		}
		if err := t.placed(err); err != nil {
			return err
		}
	}
	return nil
}

// turn makes all detours lead to the new files. File systems keep the order of
// operations in one directory and below, but not always across several.
func (t transaction) turn() error {
	first, across := t[0], len(t) > 1
	for _, s := range t {
		for _, dir := range []string{s.at(newDir), s.at(oldDir), s.at(), "."} {
			if across {
				if err := s.sync(dir); err != nil {
					return err
				}
			}
		}
	}
	if err := first.rename(first.at(nextPivot), first.at(pivot)); err != nil {
		return err
	}
	if across {
		return first.sync(first.at())
	}
	return nil
}
