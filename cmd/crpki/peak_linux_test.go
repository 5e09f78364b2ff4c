package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// peakMemory watches a process until it ends, and gives the most memory that it
// had, in bytes. What the kernel counts for a child that has ended, includes
// what its parent had when it was made.
func peakMemory(pid int, ended <-chan struct{}) (peak int) {
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
			var kib int
			if _, err := fmt.Sscan(after, &kib); err == nil {
				peak = max(peak, kib<<10)
			}
		}
		select {
		case <-ended:
			tick.Stop()
			return peak
		case <-tick.C:
		}
	}
}
