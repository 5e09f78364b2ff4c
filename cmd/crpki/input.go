package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// maxInput bounds what is read from one source, in bytes. The largest trust
// bundles in use are below 1 MiB; 32 MiB leaves room, and keeps a wrong path (a
// disk image, /dev/zero) from filling the memory.
const maxInput = 32 << 20

// read returns the content of the file at path, or of standard input for "-".
// What is larger than [maxInput], empty or not readable is an error that names
// the path. A signal frees a read that blocks.
func (e *env) read(path string) ([]byte, error) { return e.readFor("the input", path) }

// readFor is read; what says who wants standard input, in case two do.
func (e *env) readFor(what, path string) ([]byte, error) {
	if path == "-" {
		if err := e.takeStdin(what); err != nil {
			return nil, err
		}
	} else if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return e.readAll(path) // which does not block
	}
	return interruptible(e, func() ([]byte, error) { return e.readAll(path) })
}

func (e *env) readAll(path string) ([]byte, error) {
	name, r := "standard input", e.stdin
	var buf bytes.Buffer
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, readError(path, err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Size() > maxInput {
			return nil, tooLarge(path)
		} else if err == nil && info.Mode().IsRegular() {
			buf.Grow(int(info.Size()) + bytes.MinRead)
		}
		name, r = path, f
	}
	_, err := buf.ReadFrom(io.LimitReader(r, maxInput+1))
	data := buf.Bytes()
	switch {
	case err != nil:
		return nil, readError(name, err)
	case len(data) > maxInput:
		return nil, tooLarge(name)
	case len(data) == 0:
		return nil, usageErrorf("read %s: it is empty", name)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, usageErrorf("read %s: it holds nothing but white space", name)
	}
	return data, nil
}

// takeStdin notes who reads standard input, for it can be read only once.
func (e *env) takeStdin(what string) error {
	if e.stdinTaken != "" {
		if e.stdinTaken == what {
			return usageErrorf(`"-" (standard input) can be read once only, and it is named twice`)
		}
		return usageErrorf(`"-" (standard input) can be read once only, and both %s and %s name it`, e.stdinTaken, what)
	}
	e.stdinTaken = what
	if e.stdinTerminal {
		e.notef("reading from the terminal; end with Ctrl-D")
	}
	return nil
}

func tooLarge(name string) error {
	return withHint(usageErrorf("read %s: it is larger than %d MiB", name, maxInput>>20),
		"certificates and keys are a few kilobytes: is it the right file?")
}

func readError(name string, err error) error {
	if name == "" {
		return usageErrorf("read: the path is empty")
	}
	wrapped := usageErrorf("read %s: %w", name, pathCause(err))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return withHint(wrapped, "run crpki as a user who may read it, or pipe it in: sudo cat FILE | crpki … -")
	case errors.Is(err, syscall.EISDIR):
		return withHint(wrapped, "name the files in it")
	}
	return wrapped
}

// decode reads path and everything in it, whatever its encoding. What a
// password protects is opened with the one that --password-file or
// --password-env gives, or that the user types.
func (e *env) decode(c *cli.Context, path string) (pki.Material, error) {
	return e.decodeWith(c, "", path)
}

// decodeWith is decode with the flags of passwordFlags(prefix).
func (e *env) decodeWith(c *cli.Context, prefix, path string) (pki.Material, error) {
	return e.decodeBy(path, format.Options{
		Password: func(origin pki.Origin) ([]byte, error) { return e.password(c, prefix, origin.String()) },
	})
}

func (e *env) decodeBy(path string, o format.Options) (pki.Material, error) {
	data, err := e.read(path)
	if err != nil {
		return pki.Material{}, err
	}
	return format.Decode(path, data, o)
}
