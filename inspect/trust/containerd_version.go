package trust

import (
	"fmt"
	"strconv"
	"strings"
)

// release is a version of containerd: major, minor, patch.
type release [3]int

// parseRelease reads "1.7.28", "v2.3.7" and "1.6.20~ds1"; false for what has no
// major and minor number.
func parseRelease(text string) (release, bool) {
	var r release
	parts := strings.SplitN(strings.TrimPrefix(text, "v"), ".", 3)
	for i, part := range parts {
		digits := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil {
			return r, i == 2
		}
		r[i] = n
	}
	return r, len(parts) > 1
}

func (r release) String() string { return fmt.Sprintf("%d.%d.%d", r[0], r[1], r[2]) }

// from is true from the given release on.
func (r release) from(major, minor, patch int) bool {
	for i, n := range [3]int{major, minor, patch} {
		if r[i] != n {
			return r[i] > n
		}
	}
	return true
}

// fixed is true where a change is in that was made in 2.0 and brought back to
// the 1.6 and 1.7 lines with these patches; a patch below 0 is never.
func (r release) fixed(patch16, patch17 int) bool {
	switch {
	case r.from(2, 0, 0):
		return true
	case r.from(1, 7, 0):
		return patch17 >= 0 && r.from(1, 7, patch17)
	default:
		return patch16 >= 0 && r.from(1, 6, patch16)
	}
}

// containerdLines are the releases that stand for the ones that decide alike,
// for nodes whose version is not known, with the first of each kind.
var containerdLines = []struct {
	release release
	first   string
}{
	{release{1, 6, 20}, "1.6"},
	{release{1, 6, 39}, "1.6.32"},
	{release{1, 7, 15}, "1.7"},
	{release{1, 7, 31}, "1.7.16"},
	{release{1, 7, 34}, "1.7.32"},
	{release{2, 0, 11}, "2.0"},
	{release{2, 1, 9}, "2.1"},
	{release{2, 2, 1}, "2.2"},
	{release{2, 2, 7}, "2.2.2"},
	{release{2, 3, 7}, "2.3"},
}

// linesText names some of containerdLines by their indices, which ascend:
// "before 1.7.32; from 2.1 on".
func linesText(indices []int) string {
	var parts []string
	for k := 0; k < len(indices); {
		from := indices[k]
		until := from + 1
		for k++; k < len(indices) && indices[k] == until; k++ {
			until++
		}
		switch {
		case from == 0 && until == len(containerdLines):
			parts = append(parts, "all")
		case from == 0:
			parts = append(parts, "before "+containerdLines[until].first)
		case until == len(containerdLines):
			parts = append(parts, "from "+containerdLines[from].first+" on")
		default:
			parts = append(parts, "from "+containerdLines[from].first+" on, before "+containerdLines[until].first)
		}
	}
	return strings.Join(parts, "; ")
}
