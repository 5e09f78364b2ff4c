package emit

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
)

// Names in a staging directory; the package comment draws it.
const (
	stagePrefix = ".crpki-"
	oldDir      = "old"
	newDir      = "new"
	linkDir     = "link" // detours that wait to be renamed over the files
	readyDir    = "put"  // the new files once more, to be renamed to their places
	pivot       = "now"  // leads to old or new
	nextPivot   = "next"
	// peerPrefix and a number, in old and in new, lead to the same part of a
	// stage that takes its pivot from this one.
	peerPrefix = stagePrefix
)

// stage is a staging directory, .crpki-STAMP-RANDOM in the directory whose files
// are to change: that of its disk. All that recovery must know is in its name
// and its entries.
type stage struct {
	disk
	name string
	// targets are the files to be brought to their places. Recovery has none,
	// and goes by the entries.
	targets []*target
}

func newStage(f *folder, stamp string) stage {
	return stage{f.disk, stagePrefix + stamp + "-" + randomID(), f.changed()}
}

const idLength = 8

func randomID() string {
	var b [idLength / 2]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func isID(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == idLength
}

// stamp is that of the backups, from the name; ok is false when the name is not
// a stage's.
func (s stage) stamp() (stamp string, ok bool) {
	name, ok := strings.CutPrefix(s.name, stagePrefix)
	dash := strings.LastIndexByte(name, '-')
	if !ok || dash < 0 {
		return "", false
	}
	stamp, id := name[:dash], name[dash+1:]
	return stamp, isStamp(stamp) && isID(id)
}

// at is something in the stage, relative to its disk.
func (s stage) at(elem ...string) string {
	return filepath.Join(s.name, filepath.Join(elem...))
}

// detour is the text of the link that is in name's place during the detour.
func (s stage) detour(name string) string { return s.at(pivot, name) }

// isDetour is true for what detour gives, of any stage.
func isDetour(text string) bool {
	parts := strings.Split(filepath.ToSlash(text), "/")
	_, ok := stage{name: parts[0]}.stamp()
	return ok && len(parts) == 3 && parts[1] == pivot
}

// isDetoured is true while our link is in name's place.
func (s stage) isDetoured(name string) bool {
	text, err := s.root.Readlink(name)
	return err == nil && text == s.detour(name)
}

// fill makes the stage, with the new files, fsynced, and what they replace.
func (s stage) fill() error {
	for _, dir := range []string{"", newDir, oldDir, linkDir, readyDir} {
		if err := s.mkdirPassable(s.at(dir)); err != nil {
			return s.errorf(err)
		}
	}
	for _, t := range s.targets {
		if err := s.create(s.at(newDir, t.name), t.Data, t.Mode.Perm(), t.old); err != nil {
			return t.errorf(err)
		}
	}
	for _, t := range s.targets {
		if t.old == nil {
			continue
		}
		if err := s.keep(t.name, s.at(oldDir, t.name), t.old); err != nil {
			return fmt.Errorf("keep a backup of %s: %w", t.Path, cause(err))
		}
	}
	return nil
}

// errorf tells what went wrong in the stage's directory, as the user spells it.
func (s stage) errorf(err error) error {
	return fmt.Errorf("write in %s: %w", s.targets[0].folder.shown, cause(err))
}

// names are the files in a part of the stage.
func (s stage) names(part string) []string {
	var names []string
	for _, e := range s.entries(s.at(part)) {
		if !strings.HasPrefix(e.Name(), stagePrefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// discard removes the stage. Its failure is no harm, for the next run tries
// again. The old files go first: see turned.
func (s stage) discard() {
	if s.removeAll(s.at(oldDir)) == nil {
		s.removeAll(s.at())
	}
}
