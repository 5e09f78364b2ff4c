package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/urfave/cli/v2"
)

// maxInput bounds what is read from one source. The largest trust bundles in
// use are below 1 MiB; 32 MiB leaves room and keeps a wrong path (a disk image,
// /dev/zero) from filling the memory.
const maxInput = 32 << 20

// read returns the content of the file at path, or of standard input for "-".
// What is larger than [maxInput], empty or not readable is an error that names
// the path and says what to do. An interrupt frees a read that blocks.
func (e *env) read(path string) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	if path == "-" {
		if err := e.takeStdin("the input"); err != nil {
			return nil, err
		}
	}
	done := make(chan result, 1)
	go func() {
		data, err := e.readAll(path)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-e.interrupt:
		return nil, errInterrupted
	}
}

// errInterrupted is what a blocked read returns when a signal ended it.
var errInterrupted = errors.New("interrupted")

func (e *env) readAll(path string) ([]byte, error) {
	name, r := "standard input", e.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, readError(path, err)
		}
		defer f.Close()
		name, r = path, f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	switch {
	case err != nil:
		return nil, readError(name, err)
	case len(data) > maxInput:
		return nil, usageErrorf("read %s: larger than %d MiB", name, maxInput>>20)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, usageErrorf("read %s: it is empty", name)
	}
	return data, nil
}

// takeStdin notes who reads standard input: it can be read only once.
func (e *env) takeStdin(who string) error {
	if e.stdinTaken != "" {
		return usageErrorf(`standard input ("-") can be read only once: %s has it, %s wants it too`, e.stdinTaken, who)
	}
	e.stdinTaken = who
	return nil
}

func readError(name string, err error) error {
	wrapped := usageErrorf("read %s: %w", name, pathCause(err))
	if errors.Is(err, fs.ErrPermission) {
		return withHint(wrapped, "run as a user who may read it")
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
	data, err := e.read(path)
	if err != nil {
		return pki.Material{}, err
	}
	return format.Decode(path, data, format.Options{
		Password: func(origin pki.Origin) ([]byte, error) { return e.password(c, prefix, origin.String()) },
	})
}
