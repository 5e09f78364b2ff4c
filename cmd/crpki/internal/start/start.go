// Package start keeps short runs short. A run of a few milliseconds gains nothing
// from a second processor: waking it, its threads and their memory cost more than
// they do. So a program that imports this package begins on one processor, with a
// stack that need not grow, and asks for [AllProcessors] when there is work for
// them.
//
// It depends on package runtime alone, so that it is initialised before the
// libraries: that is a third of such a run (Go specification, "Program
// initialization").
package start

import "runtime"

// processors is what the variable GOMAXPROCS, the machine and its control groups
// allow.
var processors = runtime.GOMAXPROCS(1)

var _ = deepen(0)

// deepen makes the stack of the main goroutine as large as it becomes: each time
// it doubles, all frames on it are adjusted.
//
//go:noinline
func deepen(i int) byte {
	var frame [40 << 10]byte
	return frame[i]
}

// AllProcessors lets the program use all processors that it may use; asSet: the
// variable GOMAXPROCS says how many. Otherwise Go follows the limit of the control
// group, also later on.
func AllProcessors(asSet bool) {
	if asSet {
		runtime.GOMAXPROCS(processors)
	} else {
		runtime.SetDefaultGOMAXPROCS()
	}
}
