package emit

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// KeptBackups is how many backups of a file are kept: the one just made and the
// newest of those before it. A key that was replaced is not to lie around for
// ever, and an accident is noticed before it has happened five times.
const KeptBackups = 5

// A backup of tls.key is tls.key.bak-20261121T091500Z; all files of a set carry
// the same stamp. The second set in one second has "-2" behind it, and so on.
const (
	backupInfix = ".bak-"
	stampLayout = "20060102T150405Z"
)

// replaced are the targets that will have a backup.
func (f *folder) replaced() []*target {
	return slices.DeleteFunc(f.changed(), func(t *target) bool { return t.old == nil })
}

// stamp is the stamp for backups made now, later than those there are.
func (p *plan) stamp(now time.Time) (string, error) {
	stamp := now.UTC().Format(stampLayout)
	number := 0
	for _, f := range p.folders {
		for _, t := range f.replaced() {
			for _, s := range t.stamps() {
				if base, n, _ := splitStamp(s); base == stamp {
					number = max(number, n)
				}
			}
		}
	}
	if number > 0 {
		stamp = fmt.Sprintf("%s-%d", stamp, number+1)
	}
	for _, f := range p.folders {
		for _, t := range f.replaced() {
			// The name may be too long, which must not come out later.
			if _, err := f.root.Lstat(t.name + backupInfix + stamp); !errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("keep a backup of %s: %w", t.Path, cmp.Or(cause(err), fs.ErrExist))
			}
		}
	}
	return stamp, nil
}

// stamps are those of the backups of t, the oldest first.
func (t *target) stamps() []string {
	var stamps []string
	for _, e := range t.folder.entries(".") {
		stamp, ok := strings.CutPrefix(e.Name(), t.name+backupInfix)
		if ok && e.Type().IsRegular() && isStamp(stamp) {
			stamps = append(stamps, stamp)
		}
	}
	slices.SortFunc(stamps, compareStamps)
	return stamps
}

// prune removes the oldest backups of the targets that got one with stamp, and
// tells which. A backup that cannot be removed stays.
func (p *plan) prune(stamp string) (removed []string) {
	for _, f := range p.folders {
		for _, t := range f.replaced() {
			older := slices.DeleteFunc(t.stamps(), func(s string) bool { return s == stamp })
			for len(older) > KeptBackups-1 {
				if f.remove(t.name+backupInfix+older[0]) == nil {
					removed = append(removed, t.backup(older[0]))
				}
				older = older[1:]
			}
		}
	}
	return removed
}

// splitStamp takes "20261121T091500Z-2" apart.
func splitStamp(stamp string) (base string, n int, ok bool) {
	base, number, numbered := strings.Cut(stamp, "-")
	n = 1
	if numbered {
		var err error
		if n, err = strconv.Atoi(number); err != nil || n < 2 {
			return "", 0, false
		}
	}
	_, err := time.Parse(stampLayout, base)
	return base, n, err == nil
}

func isStamp(stamp string) bool {
	_, _, ok := splitStamp(stamp)
	return ok
}

func compareStamps(a, b string) int {
	baseA, nA, _ := splitStamp(a)
	baseB, nB, _ := splitStamp(b)
	return cmp.Or(strings.Compare(baseA, baseB), cmp.Compare(nA, nB))
}
