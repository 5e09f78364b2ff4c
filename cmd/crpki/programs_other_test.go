//go:build !linux

package main

// askMain needs the pseudo terminals of terminal_linux_test.go.
func askMain() {}
