package main

import (
	"bufio"
	"net"
	"os/exec"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// serverPatience ends a server that a script left behind.
const serverPatience = time.Minute

// cmdSServer is `s_server VARIABLE ARGS…`: openssl s_server on a free port of
// loopback until the script ends. The variable holds the port.
func cmdSServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: s_server VARIABLE ARGS…")
	}
	cmd := exec.Command("openssl", append([]string{"s_server", "-accept", "127.0.0.1:0"}, args[1:]...)...)
	cmd.Dir = ts.Getenv("WORK")
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	timer := time.AfterFunc(serverPatience, func() { cmd.Process.Kill() })
	ts.Defer(func() {
		timer.Stop()
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			_, port, err := net.SplitHostPort(strings.TrimSpace(address))
			ts.Check(err)
			ts.Setenv(args[0], port)
			go func() {
				for lines.Scan() { // a full pipe would stop it
				}
			}()
			return
		}
	}
	ts.Fatalf("openssl s_server does not listen: %s", strings.Join(args, " "))
}
