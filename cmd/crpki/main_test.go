package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"

	"github.com/crpki/crpki/cmd/crpki/internal/start"
)

// update rewrites what the scripts and the generated docs expect:
// go test ./cmd/crpki -update.
var update = flag.Bool("update", false, "rewrite expectations and generated docs")

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "crpki" { // which begins as it does for users
		start.AllProcessors(os.Getenv("GOMAXPROCS") != "")
	}
	testscript.Main(m, map[string]func(){"crpki": guardedMain, "ask": askMain})
}

// guardedMain is main, but that it connects to this machine alone: no test, no
// script and no example reaches for another.
func guardedMain() {
	e := newEnv()
	e.dialer = loopbackDialer()
	begin(e)
}

// loopbackDialer refuses to connect to anything but loopback, and to ask a name
// server. What /etc/hosts says is known.
func loopbackDialer() *net.Dialer {
	return &net.Dialer{
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().IsLoopback() {
				return fmt.Errorf("tests do not connect to %s", address)
			}
			return nil
		},
		Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("tests ask no name server")
		}},
	}
}

// TestNothingButLoopbackIsDialled shows that the guard is in place: without it,
// the documentation's addresses would be asked (RFC 5737, RFC 6761).
func TestNothingButLoopbackIsDialled(t *testing.T) {
	for _, target := range []string{"192.0.2.1", "registry.invalid", "[2001:db8::1]:5000"} {
		e := testEnv()
		var stdout strings.Builder
		e.stdout = &stdout
		assert.Equal(t, exitConnect, run(t.Context(), []string{"crpki", "probe", target, "--timeout", "5s"}, e))
		assert.Contains(t, stdout.String(), "tests ")
	}
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": cmdExits, "s_server": cmdSServer, "serve": cmdServe, "registry": cmdRegistry},
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
