package emit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func (w writer) recoverDir(dir string) error {
	path, missing, err := resolve(dir)
	if err != nil || len(missing) > 0 {
		return err
	}
	d, err := w.open(path)
	if err != nil {
		return fmt.Errorf("open the directory %s: %w", dir, cause(err))
	}
	left := d.leftovers()
	d.root.Close()
	if len(left) == 0 {
		return nil
	}
	held := locks{}
	defer held.release()
	if d, err = w.lock(held, path, dir); err != nil {
		return err
	}
	return w.recover(held, d)
}

// leftovers are the names of the stages and trees in d.
func (d disk) leftovers() []string {
	var names []string
	for _, e := range d.entries(".") {
		if e.IsDir() && strings.HasPrefix(e.Name(), stagePrefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// recover ends what killed processes have left in d. It is locked, so none of
// the stages there belongs to a process that is at work.
func (w writer) recover(held locks, d disk) error {
	for _, name := range d.leftovers() {
		s := stage{disk: d, name: name}
		if _, ok := s.stamp(); !ok {
			d.sweepTree(name)
			continue
		}
		stages := []stage{s}
		for _, path := range s.peers() {
			peer, err := w.lock(held, filepath.Dir(path), filepath.Dir(path))
			if err != nil {
				return err
			}
			stages = append(stages, stage{disk: peer, name: filepath.Base(path)})
		}
		if err := end(stages); err != nil {
			return err
		}
	}
	return nil
}

// end brings files to their places from all stages, and removes those. The
// first holds the pivot and goes last.
func end(stages []stage) error {
	var errs []error
	for _, s := range stages {
		errs = append(errs, s.resolve())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	stages[0].letReadersPass()
	for _, s := range slices.Backward(stages) {
		s.discard()
	}
	return nil
}

// letReadersPass waits for readers who found the link of step 1 and are on
// their way through the stage: on a busy machine they may have been stopped
// there.
func (s stage) letReadersPass() {
	if _, err := s.root.Lstat(s.at(pivot)); err == nil {
		time.Sleep(s.grace)
	}
}

// peers are the paths of the stages that take their pivot from s.
func (s stage) peers() []string {
	var peers []string
	for _, e := range s.entries(s.at(oldDir)) {
		if !strings.HasPrefix(e.Name(), peerPrefix) {
			continue
		}
		old := reference(s.path(s.at(oldDir, e.Name())))
		if !filepath.IsAbs(old) {
			old = s.path(s.at(oldDir, old))
		}
		path := filepath.Dir(old)
		_, ok := stage{name: filepath.Base(path)}.stamp()
		if _, err := os.Lstat(path); ok && err == nil && path != s.path(s.name) {
			peers = append(peers, path)
		}
	}
	return peers
}

// turned is true when the new set is the one that readers see.
func (s stage) turned() bool {
	text := reference(s.path(s.at(pivot)))
	if filepath.Dir(text) != "." { // by way of another stage's pivot
		if !filepath.IsAbs(text) {
			text = s.path(s.at(text))
		}
		text = reference(filepath.Dir(text))
	}
	if text != "" {
		return text == newDir
	}
	// A single file takes no detour: it is at its place when it is not here.
	return len(s.names(newDir)) == 0 && len(s.names(oldDir)) > 0
}

// resolve brings the new files to their places when the pivot has turned, else
// the old ones. It may be repeated.
func (s stage) resolve() error {
	if !s.exists(s.name) {
		return nil
	}
	bring := s.bringOld
	if s.turned() {
		bring = s.bringNew
	}
	names := append(s.names(newDir), s.names(oldDir)...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if err := bring(name); err != nil {
			return fmt.Errorf("%s: %w", s.path(name), cause(err))
		}
	}
	if err := s.sync("."); err != nil {
		return fmt.Errorf("%s: %w", s.path(), cause(err))
	}
	return nil
}

// bringNew brings the new file called name to its place, and the old one to
// that of its backup. What somebody else has put there meanwhile stays.
func (s stage) bringNew(name string) error {
	from := s.at(readyDir, name)
	if !s.exists(from) {
		from = s.at(newDir, name)
	}
	if s.exists(from) && s.isOurs(name) {
		if err := s.rename(from, name); err != nil {
			return err
		}
	}
	old := s.at(oldDir, name)
	if !s.exists(old) {
		return nil
	}
	stamp, _ := s.stamp()
	backup := name + backupInfix + stamp
	if s.link(old, backup) == nil || s.isSame(old, backup) {
		return nil
	}
	return s.rename(old, backup)
}

// isSame is true when both are names of one file.
func (d disk) isSame(a, b string) bool {
	infoA, errA := d.root.Lstat(a)
	infoB, errB := d.root.Lstat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// isOurs is true when in the place of name is our link, still the old file, or
// nothing.
func (s stage) isOurs(name string) bool {
	info, err := s.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), s.isDetoured(name):
		return true
	case err != nil, !info.Mode().IsRegular():
		return false
	}
	old := s.at(oldDir, name) // a copy, where there are no hard links
	return s.isSame(name, old) || s.sameContent(name, old)
}

// bringOld brings the old file called name back to its place, or removes the
// link that leads nowhere.
func (s stage) bringOld(name string) error {
	switch {
	case !s.isDetoured(name):
		return nil
	case s.exists(s.at(oldDir, name)):
		return s.rename(s.at(oldDir, name), name)
	default:
		return s.remove(name)
	}
}
