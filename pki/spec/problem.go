package spec

import (
	"fmt"
	"strings"
)

// Position is a place in a spec file. Line and Column count from 1, columns in
// characters; a Line of 0 means the file as a whole.
type Position struct {
	File   string
	Line   int
	Column int
}

// String gives "certs.yaml:12:5", the form that editors jump to.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing that is wrong at one place.
type Problem struct {
	Pos     Position
	Message string
	// Err is the error that Message tells of, if there is one.
	Err error
}

func (p Problem) Error() string { return p.Pos.String() + ": " + p.Message }

// Unwrap gives the error behind the problem.
func (p Problem) Unwrap() error { return p.Err }

// Problems is everything that is wrong with a spec, in the order of the file.
// It is the error that [Read] returns.
type Problems []Problem

// maxShown keeps a hostile or hopeless file from filling the terminal.
const maxShown = 40

func (ps Problems) Error() string {
	if len(ps) == 1 {
		return ps[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems in the spec", len(ps))
	for i, p := range ps {
		if i == maxShown {
			fmt.Fprintf(&b, "\n… and %d more", len(ps)-maxShown)
			break
		}
		b.WriteString("\n" + p.Error())
	}
	return b.String()
}

// Unwrap lets errors.As find a single problem.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}
