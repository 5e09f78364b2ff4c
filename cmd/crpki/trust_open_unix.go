//go:build unix

package main

import "syscall"

// openNoWait keeps the opening of a named pipe from waiting for a writer.
const openNoWait = syscall.O_NONBLOCK
