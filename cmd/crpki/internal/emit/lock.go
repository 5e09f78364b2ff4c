package emit

import (
	"errors"
	"fmt"
	"time"
)

// lockPatience is how long one process waits for another, which is done within
// milliseconds unless its disk is slow.
const lockPatience = 10 * time.Second

// readerGrace is what a reader is given to get from a link to the file behind
// it: several times what a busy machine makes a process wait for its turn.
const readerGrace = 50 * time.Millisecond

// errBusy is a lock that another process holds.
var errBusy = errors.New("another process is writing there")

// locks are the directories that this process has locked, by their paths. A lock
// ends with its process.
type locks map[string]locked

type locked struct {
	disk
	unlock func()
}

func (l locks) release() {
	for _, dir := range l {
		dir.unlock()
		dir.root.Close()
	}
}

// lock gives the directory at path, which the user calls shown, locked.
func (w writer) lock(held locks, path, shown string) (disk, error) {
	if dir, ok := held[path]; ok {
		return dir.disk, nil
	}
	deadline := time.Now().Add(w.patience)
	for {
		d, err := w.open(path)
		if err != nil {
			return disk{}, fmt.Errorf("open the directory %s: %w", shown, cause(err))
		}
		unlock, err := tryLock(d)
		if err == nil {
			held[path] = locked{d, unlock}
			return d, nil
		}
		d.root.Close()
		switch {
		case !errors.Is(err, errBusy):
			return disk{}, fmt.Errorf("lock the directory %s: %w", shown, cause(err))
		case time.Now().After(deadline):
			return disk{}, fmt.Errorf("lock the directory %s: %w, and was not done after %v", shown, err, w.patience)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
