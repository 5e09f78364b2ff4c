//go:build !unix

package main

// openNoWait: there are no named pipes among files.
const openNoWait = 0
