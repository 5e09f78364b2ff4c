package main

import (
	"os/exec"
	"syscall"
)

// peakMemory is the most memory that a process had, in bytes.
func peakMemory(cmd *exec.Cmd) int {
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int(usage.Maxrss) << 10
}
