package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect/probe"
)

// TestProbeProgress: a line on a terminal, which is gone in the end, and nothing
// where nobody would see it.
func TestProbeProgress(t *testing.T) {
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
	p.clear()
	assert.Equal(t, "\r\x1b[K2 of 1000 targets, 1 bad\r\x1b[K", stderr.String())
	(*probeProgress)(nil).step(probe.Result{})
	(*probeProgress)(nil).clear()
}
