package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// Exit codes, the same for every command. `crpki help exit-codes` prints
// [exitCodes].
const (
	exitOK      = 0
	exitBad     = 1
	exitUsage   = 2
	exitConnect = 3
	// exitSignal is added to the number of the signal that ended the program,
	// as shells do: 130 for Ctrl-C, 143 for SIGTERM.
	exitSignal = 128
)

// exitCodes is the table that help, man pages and docs show.
var exitCodes = [...]struct{ code, meaning string }{
	{"0", "good: done, or nothing wrong with what was judged"},
	{"1", "the thing judged is bad: findings, a failed verification, a certificate to be renewed"},
	{"2", "wrong usage, input that could not be read, or output that could not be written"},
	{"3", "could not connect"},
	{"130, 143", "ended by Ctrl-C, by SIGTERM"},
}

// exitError carries the exit code with which an error ends the program.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usageErrorf is a wrong command line, or input that cannot be read: exit 2.
func usageErrorf(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// badErrorf is the verdict that the thing judged is bad: exit 1.
func badErrorf(format string, args ...any) error {
	return &exitError{exitBad, fmt.Errorf(format, args...)}
}

// errBad is the same verdict when standard output has told it already: exit 1
// without another word.
var errBad error = &exitError{exitBad, errSilent}

// connectErrorf is a server that could not be reached: exit 3.
func connectErrorf(format string, args ...any) error {
	return &exitError{exitConnect, fmt.Errorf(format, args...)}
}

// errSilent ends the program without a message.
var errSilent = errors.New("silent")

// hintError adds to an error what to do about it.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// withHint adds the next thing to do, best as a command to type; it is printed
// below the message. The exit code stays that of err. A nil err stays nil.
func withHint(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	return &hintError{err, hint}
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string {
	if e.signal == syscall.SIGINT {
		return "interrupted"
	}
	return "terminated"
}

// exitCode decides with what code err ends the program.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if sig, ok := errors.AsType[signalError](err); ok {
		return exitSignal + int(sig.signal)
	}
	// A reader that went away ("| head") is told as the shell tells it.
	if errors.Is(err, syscall.EPIPE) {
		return exitSignal + int(syscall.SIGPIPE)
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return exitUsage
}

// report prints err and its hints to w and returns the exit code.
func report(ctx context.Context, w io.Writer, err error) int {
	// Whatever a command made of the cancelled context, the cause is the signal.
	if sig, ok := errors.AsType[signalError](context.Cause(ctx)); ok && err != nil {
		err = sig
	}
	code := exitCode(err)
	if err == nil || errors.Is(err, errSilent) || errors.Is(err, syscall.EPIPE) {
		return code
	}
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(err.Error(), "\n")) {
		if line = strings.TrimRight(line, "\r\n"); !strings.HasPrefix(line, " ") {
			line = "crpki: " + line
		}
		b.WriteString(printable(line) + "\n")
	}
	for _, hint := range hints(err) {
		b.WriteString("  hint: " + printable(hint) + "\n")
	}
	io.WriteString(w, b.String()) // there is nowhere left to tell a failure
	return code
}

// hints collects the hints of err and of all errors that it joins, each once.
func hints(err error) []string {
	var found []string
	var walk func(error)
	walk = func(err error) {
		if h, ok := err.(*hintError); ok {
			if !slices.Contains(found, h.hint) {
				found = append(found, h.hint)
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				walk(err)
			}
		}
	}
	walk(err)
	return found
}

// printable shows control characters, invisible ones and broken UTF-8 as
// escapes, so that a name taken from a file cannot drive the terminal.
func printable(s string) string {
	if strings.IndexFunc(s, notPrintable) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && s[i] != "\ufffd"[0]:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case notPrintable(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func notPrintable(r rune) bool {
	return r != '\t' && !unicode.IsPrint(r) || r == utf8.RuneError
}

// pathCause is the reason alone, without the operation and the path: "no such
// file or directory".
func pathCause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
