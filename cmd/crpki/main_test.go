package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// update rewrites what the scripts and the generated docs expect:
// go test ./cmd/crpki -update.
var update = flag.Bool("update", false, "rewrite expectations and generated docs")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"crpki": main, "ask": askMain})
}

// TestScript runs testdata/script/*.txtar, each a session in a shell-like
// language (see testscript's documentation) in a folder of its own.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// Home is an empty folder, and no CRPKI_ variable of the developer's is seen.
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("CRPKI_TEST_UID", strconv.Itoa(os.Getuid()))
			servers := new(stack)
			env.Values[running] = servers
			env.Defer(servers.stopAll)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": cmdExits, "s_server": cmdSServer, "serve": cmdServe},
	})
}

// cmdExits is `exits CODE PROGRAM ARGS…`: exec that demands this very exit
// code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
