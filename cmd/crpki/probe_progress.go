package main

import (
	"bufio"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/crpki/crpki/inspect/probe"
)

// probeProgress is a line on a terminal that says how far a long run is. nil:
// nobody would see it.
type probeProgress struct {
	mu sync.Mutex
	w  io.Writer
	// mixed: results go to the same terminal.
	mixed        bool
	begun, shown time.Time
	visible      bool
	// writing: a result is on its way there.
	writing bool
	// ticker shows the line also while nothing comes.
	ticker *time.Timer

	total, done, bad int
}

// progressPause is how long nothing has to be said before the line is shown.
const progressPause = time.Second

// newProbeProgress gives nil where there is no terminal, or nothing to wait for.
func (e *env) newProbeProgress(targets int) *probeProgress {
	if !e.stderrTerminal || e.quiet || targets < 2 {
		return nil
	}
	p := &probeProgress{w: e.stderr, mixed: e.stdoutTerminal, begun: time.Now(), total: targets}
	p.ticker = time.AfterFunc(progressPause+time.Millisecond, p.tick)
	return p
}

func (p *probeProgress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show()
	p.ticker.Reset(progressPause)
}

func (p *probeProgress) show() {
	if now := time.Now(); !p.writing && now.Sub(p.begun) > progressPause && now.Sub(p.shown) > 100*time.Millisecond {
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d targets, %d bad", p.done, p.total, p.bad)
		p.shown, p.visible = now, true
	}
}

// step counts a result.
func (p *probeProgress) step(r probe.Result) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writing = false
	p.done++
	if r.Status != probe.Trusted && r.Status != probe.Warning {
		p.bad++
	}
	p.show()
}

// makeRoom takes the line away before a result is written to the same terminal.
func (p *probeProgress) makeRoom() {
	if p == nil || !p.mixed {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.writing = true
}

// end takes the line away for good.
func (p *probeProgress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.writing = true
	p.ticker.Stop()
}

func (p *probeProgress) clear() {
	if p.visible {
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
