package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	t.Run("file", func(t *testing.T) {
		got, err := testEnv().read(file("a", "hello\n"))
		require.NoError(t, err)
		assert.Equal(t, "hello\n", string(got))
	})
	t.Run("standard input", func(t *testing.T) {
		e := testEnv()
		e.stdin = strings.NewReader("hello\n")
		got, err := e.read("-")
		require.NoError(t, err)
		assert.Equal(t, "hello\n", string(got))
	})
	t.Run("symbolic link", func(t *testing.T) {
		link := filepath.Join(dir, "link")
		require.NoError(t, os.Symlink(file("target", "x"), link))
		got, err := testEnv().read(link)
		require.NoError(t, err)
		assert.Equal(t, "x", string(got))
	})
	t.Run("as much as fits", func(t *testing.T) {
		got, err := testEnv().read(file("full", strings.Repeat("x", maxInput)))
		require.NoError(t, err)
		assert.Len(t, got, maxInput)
	})

	refused := []struct{ shows, path, stdin, message, hint string }{
		{"missing", filepath.Join(dir, "nope"), "", "read " + filepath.Join(dir, "nope") + ": no such file or directory", ""},
		{"folder", dir, "", "read " + dir + ": is a directory", "name the files in it"},
		{"below a file", filepath.Join(file("f", "x"), "y"), "", "read " + filepath.Join(dir, "f", "y") + ": not a directory", ""},
		{"no name", "", "", "read: the path is empty", ""},
		{"empty", file("empty", ""), "", "read " + filepath.Join(dir, "empty") + ": it is empty", ""},
		{"blank", file("blank", " \r\n\t\n"), "", "read " + filepath.Join(dir, "blank") + ": it holds nothing but white space", ""},
		{"too large", file("large", strings.Repeat("x", maxInput+1)), "", "read " + filepath.Join(dir, "large") + ": it is larger than 32 MiB", "certificates and keys are a few kilobytes: is it the right file?"},
		{"endless", "/dev/zero", "", "read /dev/zero: it is larger than 32 MiB", "certificates and keys are a few kilobytes: is it the right file?"},
		{"empty standard input", "-", "", "read standard input: it is empty", ""},
		{"too large a standard input", "-", strings.Repeat("x", maxInput+1), "read standard input: it is larger than 32 MiB", "certificates and keys are a few kilobytes: is it the right file?"},
		{"NUL in the name", "a\x00b", "", "read a\x00b: invalid argument", ""},
	}
	for _, tt := range refused {
		t.Run(tt.shows, func(t *testing.T) {
			e := testEnv()
			e.stdin = strings.NewReader(tt.stdin)
			_, err := e.read(tt.path)
			require.Error(t, err)
			assert.Equal(t, tt.message, err.Error())
			assert.Equal(t, exitUsage, exitCode(err))
			assert.Equal(t, tt.hint, strings.Join(hints(err), "; "))
		})
	}

	t.Run("not readable", func(t *testing.T) {
		path := file("secret", "x")
		require.NoError(t, os.Chmod(path, 0))
		if _, err := os.ReadFile(path); err == nil {
			t.Skip("root reads everything")
		}
		_, err := testEnv().read(path)
		assert.ErrorContains(t, err, "permission denied")
		assert.NotEmpty(t, hints(err))
	})
	t.Run("standard input twice", func(t *testing.T) {
		e := testEnv()
		e.stdin = strings.NewReader("x")
		_, err := e.readFor("--ca", "-")
		require.NoError(t, err)
		_, err = e.readFor("--ca-password-file", "-")
		assert.EqualError(t, err, `"-" (standard input) can be read once only, and both --ca and --ca-password-file name it`)
	})
	t.Run("a signal frees a read that blocks", func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		interrupt := make(chan struct{})
		close(interrupt)
		e := testEnv()
		e.stdin, e.interrupt = r, interrupt
		_, err := e.read("-")
		assert.ErrorIs(t, err, errInterrupted)
	})
	t.Run("a terminal is told what to do", func(t *testing.T) {
		var out strings.Builder
		e := testEnv()
		e.stdin, e.stderr, e.stdinTerminal = strings.NewReader("x"), &out, true
		_, err := e.read("-")
		require.NoError(t, err)
		assert.Equal(t, "crpki: reading from the terminal; end with Ctrl-D\n", out.String())
	})
}
