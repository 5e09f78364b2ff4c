// Package emit writes the files that crpki makes, and nothing else does. It
// knows nothing of certificates; "-" and standard output are its callers'
// business.
//
// # The promise
//
// [Write] takes a set of files that belong together. Whatever ends it (an
// error, a full disk, kill -9) a reader who opens the files by their paths
// finds the old set or the new one, never a mixture. Nothing is overwritten
// without Force, and with Force what was there stays as a backup beside it.
//
// # How it is kept
//
// All files are staged first, in the file system of their destination, and
// fsynced. What follows depends on what is there:
//
// A directory that does not exist is staged whole beside its place, with its
// missing parents, and renamed to it.
//
// A single file is renamed, or linked where nothing may be overwritten, from
// its staging place to its own.
//
// Several files in directories that exist cannot be renamed in one step. They
// take a detour of steps that each change either nothing that a reader sees, or
// everything:
//
//	tls.key                                 the old file
//	.crpki-ID/old/tls.key                   a hard link of the old file
//	.crpki-ID/new/tls.key                   the new file
//	.crpki-ID/now -> old
//	tls.key -> .crpki-ID/now/tls.key        1. for each file: still the old content
//	.crpki-ID/now -> new                    2. one rename: all files are new
//	tls.key                                 3. for each file: new/tls.key, renamed to its place
//	tls.key.bak-20261121T091500Z            4. for each file: old/tls.key, renamed
//
// A file that is not there yet is a link that leads nowhere until step 2.
// Steps 1 to 3 take some tens of microseconds. Where they led stays for 50 ms
// more, for readers who were stopped on the way. A process killed within them
// leaves links that lead to a whole set. The next Write to the directory, or
// [Recover], goes on to the end, or back to the beginning, by what "now" says.
//
// When the files are in several directories, each has a staging directory, and
// all of them take their "now" from the one of the first: the set changes in
// one step even across file systems.
//
// The directory itself stays what it is, with its owner, mode, labels, mounts
// and the other files in it: a container that has mounted it sees the new set
// at once. That is why it is not exchanged for another as a whole, which would
// be atomic as well (renameat2 with RENAME_EXCHANGE) but leave containers,
// watches and shells in a directory that is no more.
//
// # Limits
//
//   - Where there are no symbolic links (FAT, Windows), steps 1 and 2 are
//     missing and several files are renamed one after another: a process killed
//     between two renames leaves a mixture until the next Write or Recover.
//   - Across several directories a reader in a container that has mounted only
//     one of them cannot follow the links of steps 1 to 3, which lead out of it.
//   - A reader who opens one file before step 2 and another one after it has
//     read two sets; no way of writing can prevent that. A watcher that is woken
//     by the first change of a file reads a whole set.
//   - After a power failure the promise rests on a file system that keeps
//     directory operations in order, as the ones in use do (ext4, XFS, Btrfs,
//     ZFS, APFS). Across several directories the order is kept by fsync.
//
// # Modes and owners
//
// A file gets exactly the mode it asks for, whatever the umask or the mode of
// what it replaces. Directories are made 0755, less the umask. What replaces a
// file belongs to the same owner and group, where the user may do that (root);
// other files belong to who runs crpki, with the group that a setgid directory
// gives.
//
// # What is refused
//
// A symbolic link, directory, pipe or device in the place of a file: crpki
// writes neither through it nor over it. A directory on the way may be a
// symbolic link.
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

	"github.com/crpki/crpki/pki"
)

// Options say how Write treats what exists. The zero value writes new files
// only.
type Options struct {
	// Force replaces existing files and keeps them as backups.
	Force bool
	// DryRun checks all that can be checked, writes nothing, and says in the
	// Result what would be written.
	DryRun bool
	// Now dates the backups. The zero value takes the clock's time.
	Now time.Time
	// Check is asked once the directories are locked, before a file is written in
	// them: is what the files were made from still so? Its error is Write's.
	Check func() error
}

// Result says what was done, or with DryRun would be done. Paths are spelled as
// in the files given.
type Result struct {
	// Written are the files that are new or have a new content.
	Written []string
	// Unchanged are the files that had this very content: they are left alone,
	// and neither need Force nor get a backup.
	Unchanged []string
	// Backups tells for each replaced file where its old content is now:
	// "tls.key" → "tls.key.bak-20261121T091500Z".
	Backups map[string]string
	// Pruned are older backups that were removed, see [KeptBackups].
	Pruned []string
	// Narrowed are the replaced files that fewer users may read now: a key that
	// was 0640 for a service's group is 0600.
	Narrowed []string
}

// ExistsError are the files that exist with another content, all of them, and
// would be replaced with Force. Nothing was written.
type ExistsError struct {
	Paths []string
}

func (e *ExistsError) Error() string {
	if len(e.Paths) == 1 {
		return e.Paths[0] + " exists already"
	}
	last := len(e.Paths) - 1
	return strings.Join(e.Paths[:last], ", ") + " and " + e.Paths[last] + " exist already"
}

// Is makes errors.Is(err, fs.ErrExist) true.
func (e *ExistsError) Is(target error) bool { return target == fs.ErrExist }

// Write writes the whole set of files, or none. Without o.Force it returns an
// [*ExistsError] when one exists with another content. Missing directories are
// made. Of two processes that write in the same directory one waits for the
// other. An error tells what was being written, never its content.
func Write(files []pki.File, o Options) (Result, error) {
	return writer{patience: lockPatience, grace: readerGrace}.write(files, o)
}

// Recover finishes or undoes what a killed process left in dir, and waits for a
// process that is at work there. [Write] does it by itself. A reader needs it
// only where there are no symbolic links: elsewhere it sees a whole set
// anyway. There is nothing to do in a directory that does not exist.
func Recover(dir string) error {
	return writer{patience: lockPatience, grace: readerGrace}.recoverDir(dir)
}

// writer is the one that writes; tests give it disks that fail.
type writer struct {
	// patience is how long it waits for another process.
	patience time.Duration
	// before is that of the disks.
	before func(op, path string) error
	// grace is that of the disks.
	grace time.Duration
}

// errMoved is a directory in which another process got ahead of this one.
var errMoved = errors.New("another program is writing there at the same time")

func (w writer) write(files []pki.File, o Options) (Result, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	// Of several that make the same directory, one gets ahead at each attempt.
	deadline := time.Now().Add(w.patience)
	for attempt := 1; ; attempt++ {
		result, err := w.try(files, o)
		if !errors.Is(err, errMoved) || attempt >= 3 && time.Now().After(deadline) {
			return result, err
		}
		time.Sleep(time.Duration(min(attempt, 10)) * time.Millisecond)
	}
}

func (w writer) try(files []pki.File, o Options) (Result, error) {
	p, err := newPlan(files)
	switch {
	case err != nil:
		return Result{}, err
	case o.DryRun:
		return w.dryRun(p, o)
	case p.tree != "":
		return w.writeTree(p)
	default:
		return w.writeFolders(p, o)
	}
}

// open gives the directory at path.
func (w writer) open(path string) (disk, error) {
	root, err := os.OpenRoot(path)
	return disk{root, w.before, w.grace}, err
}

// writeFolders writes files into directories that exist, or are made empty.
func (w writer) writeFolders(p *plan, o Options) (Result, error) {
	made, err := w.makeMissing(p)
	var result Result
	if err == nil {
		result, err = w.writeLocked(p, o)
	}
	if err != nil {
		w.unmake(made)
	}
	return result, err
}

func (w writer) writeLocked(p *plan, o Options) (Result, error) {
	held := locks{}
	defer held.release()
	for _, f := range p.folders {
		var err error
		if f.disk, err = w.lock(held, f.dir, f.shown); err != nil {
			return Result{}, err
		}
	}
	for _, f := range p.folders {
		if err := w.recover(held, f.disk); err != nil {
			return Result{}, fmt.Errorf("clean up in %s behind a run that was killed: %w", f.shown, err)
		}
	}
	if err := p.inspect(o.Force); err != nil {
		return Result{}, err
	}
	if o.Check != nil {
		if err := o.Check(); err != nil {
			return Result{}, err
		}
	}
	stamp, err := p.stamp(o.Now)
	if err != nil {
		return Result{}, err
	}
	if err := commit(p, stamp); err != nil {
		return Result{}, err
	}
	result := p.result(stamp)
	result.Pruned = p.prune(stamp)
	return result, nil
}

// makeMissing makes the directories that are missing and returns them.
func (w writer) makeMissing(p *plan) (made []string, err error) {
	for _, dir := range p.missing {
		parent, err := w.open(filepath.Dir(dir))
		if err == nil {
			defer parent.root.Close()
			err = parent.mkdir(filepath.Base(dir), 0o755)
		}
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			made = append(made, dir)
			err = parent.sync(".")
		}
		if err != nil {
			return made, fmt.Errorf("make the directory %s: %w", dir, cause(err))
		}
	}
	return made, nil
}

// unmake removes directories that were made in vain, unless somebody uses them.
func (w writer) unmake(made []string) {
	for _, dir := range slices.Backward(made) {
		if parent, err := w.open(filepath.Dir(dir)); err == nil {
			parent.remove(filepath.Base(dir)) // fails when it is not empty, as it should
			parent.root.Close()
		}
	}
}
