package main

import (
	"bytes"
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect/probe"
)

// TestProbeProgress: a line on a terminal, which is gone in the end, and nothing
// where nobody would see it.
func TestProbeProgress(t *testing.T) {
	synctest.Test(t, testProbeProgress) // whose clock stands still while this works
}

func testProbeProgress(t *testing.T) {
	var stderr bytes.Buffer
	e := testEnv()
	e.stderr = &stderr
	assert.Nil(t, e.newProbeProgress(1000), "no terminal")
	e.stderrTerminal = true
	assert.Nil(t, e.newProbeProgress(1), "one target")
	e.quiet = true
	assert.Nil(t, e.newProbeProgress(1000), "-q")
	e.quiet = false

	p := e.newProbeProgress(1000)
	require.NotNil(t, p)
	p.step(probe.Result{Status: probe.Trusted})
	assert.Empty(t, stderr.String(), "the first second")
	p.begun = p.begun.Add(-2 * time.Second)
	p.step(probe.Result{Status: probe.Refused})
	assert.Equal(t, "\r\x1b[K2 of 1000 targets, 1 bad", stderr.String())
	p.step(probe.Result{Status: probe.Unreachable})
	assert.Equal(t, "\r\x1b[K2 of 1000 targets, 1 bad", stderr.String(), "not more than ten times a second")
	p.makeRoom()
	assert.True(t, p.visible, "results go elsewhere")
	p.end()
	assert.Equal(t, "\r\x1b[K2 of 1000 targets, 1 bad\r\x1b[K", stderr.String())
	(*probeProgress)(nil).step(probe.Result{})
	(*probeProgress)(nil).end()

	stderr.Reset()
	p = e.newProbeProgress(1000)
	p.begun = p.begun.Add(-2 * time.Second)
	p.tick()
	assert.Equal(t, "\r\x1b[K0 of 1000 targets, 0 bad", stderr.String(), "while nothing comes")
	p.mixed, p.shown = true, time.Time{}
	p.makeRoom()
	p.tick()
	assert.Equal(t, "\r\x1b[K0 of 1000 targets, 0 bad\r\x1b[K", stderr.String(), "not into a result")
	p.end()
}

// TestProbeWorkers: a limit of this machine is not taken for a server's fault.
func TestProbeWorkers(t *testing.T) {
	var stderr bytes.Buffer
	e := testEnv()
	e.stderr = &stderr
	assert.Equal(t, 16, e.workers(16, 1024))
	assert.Equal(t, 1000, e.workers(1000, 1<<20))
	assert.Empty(t, stderr.String())
	assert.Equal(t, 8, e.workers(200, 40))
	assert.Equal(t, "crpki: warning: --concurrency 200 becomes 8: the process may have no more than 40 files open (ulimit -n)\n", stderr.String())
	assert.Equal(t, 1, e.workers(16, 4))
}

// TestProbeInterrupted: what was not looked at to the end is not told, least of
// all as a server's fault.
func TestProbeInterrupted(t *testing.T) {
	for _, format := range []string{"text", "json", "yaml", "openssl", "nagios", "prometheus"} {
		t.Run(format, func(t *testing.T) {
			silent, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer silent.Close()
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				if c, err := silent.Accept(); err == nil {
					defer c.Close()
				}
				cancel(signalError{syscall.SIGINT})
			}()
			var stdout, stderr bytes.Buffer
			e := testEnv()
			e.stdout, e.stderr = &stdout, &stderr
			code := run(ctx, []string{"crpki", "probe", silent.Addr().String(), "--timeout", "1m", "-o", format}, e)
			assert.Equal(t, 130, code)
			assert.Empty(t, stdout.String())
			assert.Equal(t, "crpki: interrupted\n", stderr.String())
		})
	}
}
