package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/urfave/cli/v2"
)

func TestReport(t *testing.T) {
	bad := badErrorf("the chain is broken")
	tests := []struct {
		shows string
		err   error
		code  int
		want  string
	}{
		{"nothing", nil, 0, ""},
		{"usage", usageErrorf("no %s", "file"), 2, "crpki: no file\n"},
		{"verdict", bad, 1, "crpki: the chain is broken\n"},
		{"verdict that is told already", errBad, 1, ""},
		{"no connection", connectErrorf("dial reg:5000: refused"), 3, "crpki: dial reg:5000: refused\n"},
		{"any other error", errors.New("boom"), 2, "crpki: boom\n"},
		{"wrapped", fmt.Errorf("inspect a.pem: %w", bad), 1, "crpki: inspect a.pem: the chain is broken\n"},
		{"hint", withHint(bad, "crpki bundle"), 1, "crpki: the chain is broken\n  hint: crpki bundle\n"},
		{"hint inside", fmt.Errorf("x: %w", withHint(bad, "crpki bundle")), 1, "crpki: x: the chain is broken\n  hint: crpki bundle\n"},
		{"no hint", withHint(bad, ""), 1, "crpki: the chain is broken\n"},
		{
			"several", errors.Join(withHint(usageErrorf("one"), "h1"), withHint(errors.New("two"), "h2"), withHint(errors.New("three"), "h1")), 2,
			"crpki: one\ncrpki: two\ncrpki: three\n  hint: h1\n  hint: h2\n",
		},
		{"continued line", usageErrorf("wrong:\n  a.pem\n  b.pem\n"), 2, "crpki: wrong:\n  a.pem\n  b.pem\n"},
		{"control characters", usageErrorf("read a\x1b]0;x\x07\u202e.pem"), 2, `crpki: read a\x1b]0;x\a\u202e.pem` + "\n"},
		{"invalid UTF-8", usageErrorf("read \xff"), 2, "crpki: read \\xff\n"},
		{"Ctrl-C", fmt.Errorf("read: %w", signalError{syscall.SIGINT}), 130, "crpki: read: interrupted\n"},
		{"SIGTERM", signalError{syscall.SIGTERM}, 143, "crpki: terminated\n"},
		{"reader that went away", fmt.Errorf("write: %w", syscall.EPIPE), 141, ""},
		{"exit codes of the library do not count", cli.Exit("x", 3), 2, "crpki: x\n"},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			var out bytes.Buffer
			assert.Equal(t, tt.code, report(context.Background(), &out, tt.err))
			assert.Equal(t, tt.want, out.String())
		})
	}
	t.Run("a signal is the cause of whatever failed", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(signalError{syscall.SIGTERM})
		var out bytes.Buffer
		assert.Equal(t, 143, report(ctx, &out, usageErrorf("dial: %w", context.Canceled)))
		assert.Equal(t, "crpki: terminated\n", out.String())
		assert.Equal(t, 0, report(ctx, &out, nil), "what was done before it stays done")
	})
	assert.NoError(t, withHint(nil, "x"))
}

// TestExitCodeTable: help shows the codes that the program has.
func TestExitCodeTable(t *testing.T) {
	var codes []string
	for _, row := range exitCodes {
		codes = append(codes, row.code)
	}
	assert.Equal(t, []string{
		fmt.Sprint(exitOK), fmt.Sprint(exitBad), fmt.Sprint(exitUsage), fmt.Sprint(exitConnect),
		fmt.Sprintf("%d, %d", exitSignal+int(syscall.SIGINT), exitSignal+int(syscall.SIGTERM)),
	}, codes)
}

func TestPathCause(t *testing.T) {
	assert.Equal(t, syscall.ENOENT, pathCause(&fs.PathError{Op: "open", Path: "a", Err: syscall.ENOENT}))
	assert.Equal(t, "x", pathCause(errors.New("x")).Error())
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "a\tb", "\x1b[31m", "é\u202e", "\xff\xfe", "\u009b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		assert.Equal(t, -1, strings.IndexFunc(got, notPrintable))
		assert.Equal(t, got, printable(got))
	})
}
