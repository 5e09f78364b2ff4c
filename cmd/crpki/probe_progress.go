package main

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/crpki/crpki/inspect/probe"
)

// probeProgress is a line on a terminal that says how far a long run is. nil:
// nobody would see it.
type probeProgress struct {
	w io.Writer
	// mixed: results go to the same terminal.
	mixed        bool
	begun, shown time.Time
	visible      bool

	total, done, bad int
}

// newProbeProgress gives nil where there is no terminal, or nothing to wait for.
func (e *env) newProbeProgress(targets int) *probeProgress {
	if !e.stderrTerminal || e.quiet || targets < 2 {
		return nil
	}
	return &probeProgress{w: e.stderr, mixed: e.stdoutTerminal, begun: time.Now(), total: targets}
}

// step counts a result.
func (p *probeProgress) step(r probe.Result) {
	if p == nil {
		return
	}
	p.done++
	if r.Status != probe.Trusted && r.Status != probe.Warning {
		p.bad++
	}
	if now := time.Now(); now.Sub(p.begun) > time.Second && now.Sub(p.shown) > 100*time.Millisecond {
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d targets, %d bad", p.done, p.total, p.bad)
		p.shown, p.visible = now, true
	}
}

// makeRoom takes the line away before a result is written to the same terminal.
func (p *probeProgress) makeRoom() {
	if p != nil && p.mixed {
		p.clear()
	}
}

// clear takes the line away.
func (p *probeProgress) clear() {
	if p != nil && p.visible {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.visible = false
	}
}

// flush brings out what was written: who waits for many targets reads results
// as they come.
func (e *env) flush() error {
	if b, ok := e.stdout.(*bufio.Writer); ok {
		return b.Flush()
	}
	return nil
}
