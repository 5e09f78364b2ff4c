// Command crpki makes certificates that the clients of a container registry
// accept, and tells why they refuse others.
//
// This package holds the flags, the streams, the exit codes and the writing of
// files; what is made and judged lives in the packages below it. The way in is
// [run], the commands are listed in app.go, one file each.
package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/crpki/crpki/cmd/crpki/internal/start"
)

// env is all that a command may touch of the world outside its arguments. It
// is made once, in main, and by each test.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// now is the moment for which everything is made and judged: the clock,
	// read once, or what --at says.
	now time.Time

	stdinTerminal, stdoutTerminal, stderrTerminal bool

	getenv func(string) string
	// askPassword shows prompt on the terminal and reads a line without echo.
	askPassword func(prompt string) ([]byte, error)

	// dialer makes the connections to servers; nil: one without settings. Tests
	// have one that stays on this machine.
	dialer *net.Dialer

	// interrupt is closed when a signal asks the program to stop. It frees a
	// read that blocks.
	interrupt <-chan struct{}

	// prepare is what settle does; nil: nothing.
	prepare func()

	// width is the number of columns of the terminal, 80 when there is none.
	width int

	// quiet (-q) silences everything on standard error but errors.
	quiet bool
	// color is true when standard output may carry colour.
	color bool

	// line is the command line as it was understood: the flags in the order in
	// which they were given, which the library forgets.
	line commandLine

	stdinTaken string // who has read standard input
	wrote      bool   // files are written, whatever comes after
	// passwordFiles are the passwords read so far: several things may have the
	// same, and a pipe can be read only once.
	passwordFiles map[string][]byte
}

func main() { begin(newEnv()) }

// quickRun is how long a run may take before it is prepared for more, see
// [env.settle].
const quickRun = 5 * time.Millisecond

// begin is main in a given world.
func begin(e *env) {
	out := &watchedWriter{to: e.stdout}
	e.stdout = out
	ctx, listen := withSignals(context.Background(), out)
	e.prepare = sync.OnceFunc(func() {
		listen()
		start.AllProcessors(os.Getenv("GOMAXPROCS") != "")
	})
	time.AfterFunc(quickRun, e.settle)
	os.Exit(run(ctx, os.Args, e))
}

// newEnv is the world of the real program.
func newEnv() *env {
	e := &env{
		stdin:          os.Stdin,
		stdout:         os.Stdout,
		stderr:         os.Stderr,
		now:            time.Now(),
		stdinTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		stdoutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		stderrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		getenv:         os.Getenv,
		width:          80,
	}
	e.askPassword = e.askTerminal
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 {
		e.width = w
	}
	return e
}

// watchedWriter lets others see whether a write goes on: who stopped to read a
// pipe keeps it for ever, and nothing frees it.
type watchedWriter struct {
	to io.Writer
	// steps are counted at the beginning and at the end of each write.
	steps atomic.Uint64
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.steps.Add(1)
	defer w.steps.Add(1)
	return w.to.Write(p)
}

// awaitStuck returns when a write does not come to an end.
func (w *watchedWriter) awaitStuck() {
	const patience = 100 * time.Millisecond
	for last := uint64(0); ; time.Sleep(patience) {
		steps := w.steps.Load()
		if steps%2 == 1 && steps == last {
			return
		}
		last = steps
	}
}

// withSignals ends the context with a [signalError] at the first Ctrl-C or
// SIGTERM after listen was called; before, and the second time, they kill, as
// does the first where the program is stuck in a write to out.
func withSignals(parent context.Context, out *watchedWriter) (ctx context.Context, listen func()) {
	ctx, cancel := context.WithCancelCause(parent)
	return ctx, func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
		go func() {
			s := <-signals
			signal.Stop(signals)
			cancel(signalError{s.(syscall.Signal)})
			out.awaitStuck()
			os.Exit(exitSignal + int(s.(syscall.Signal)))
		}()
	}
}

// settle prepares for more than a few milliseconds of work: signals are listened
// to, and all processors may work. It has to be called before a file is written;
// it costs as much as half of what a quick command does.
func (e *env) settle() {
	if e.prepare != nil {
		e.prepare()
	}
}

// errInterrupted is what [interruptible] returns when a signal came first.
var errInterrupted = errors.New("interrupted")

// interruptible returns what f returns, unless a signal asks the program to
// stop: then f is left behind. It is for what blocks or takes seconds and
// cannot be stopped otherwise: the reading of a pipe that nobody writes to, the
// search for the primes of a large key. f must not write files.
func interruptible[T any](e *env, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-e.interrupt:
		var none T
		return none, errInterrupted
	}
}

// run is the program: args[0] is its name, the result its exit code.
func run(ctx context.Context, args []string, e *env) int {
	e.interrupt = ctx.Done()
	stdout := bufio.NewWriter(e.stdout)
	e.stdout = stdout

	err := e.execute(ctx, args)
	if full := stdout.Flush(); full != nil {
		if errors.Is(err, full) {
			err = nil // the command met it first
		}
		told := usageErrorf("write standard output: %w", pathCause(full))
		if e.wrote {
			told = usageErrorf("write standard output: %w; the files are written all the same", pathCause(full))
		}
		err = errors.Join(err, told)
	}
	return report(ctx, e.stderr, err)
}
