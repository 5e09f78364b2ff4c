//go:build !linux

package main

// peakMemory is not known here.
func peakMemory(_ int, ended <-chan struct{}) int {
	<-ended
	return 0
}
