package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// askMain is a program that asks for a password twice on its terminal, and
// shows what it got.
func askMain() {
	e := newEnv()
	ctx, listen := withSignals(context.Background(), new(watchedWriter))
	listen()
	e.interrupt = ctx.Done()
	password, err := e.askNew("ca.key")
	if err == nil {
		fmt.Printf("got <%s>\n", password)
	}
	os.Exit(report(ctx, e.stderr, err))
}

// terminal is a pseudo terminal with a program on it.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	ptmx   *os.File
	mu     sync.Mutex
	seen   bytes.Buffer
	more   chan struct{}
	result chan error
}

// onTerminal starts a program whose standard streams and controlling terminal
// are a new pseudo terminal.
func onTerminal(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	t.Cleanup(func() { ptmx.Close() })
	fd := int(ptmx.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	// At Ctrl-C a terminal throws away what is on its way to the screen, after it
	// has sent the signal (drivers/tty/n_tty.c, isig): what a quick program says to
	// the signal, too.
	state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	require.NoError(t, err)
	state.Lflag |= unix.NOFLSH
	require.NoError(t, unix.IoctlSetTermios(fd, unix.TCSETS, state))
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 120}))
	pts, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer pts.Close()

	term := &terminal{t: t, ptmx: ptmx, more: make(chan struct{}, 1), result: make(chan error, 1)}
	term.cmd = exec.Command(name, args...)
	term.cmd.Dir = t.TempDir()
	term.cmd.Env = append(os.Environ(), "TERM=dumb", "PS1=$ ", "PROMPT=$ ", "HISTFILE=", "HOME="+term.cmd.Dir)
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = pts, pts, pts
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, term.cmd.Start())
	t.Cleanup(func() { term.cmd.Process.Kill() })
	go func() { term.result <- term.cmd.Wait() }()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := ptmx.Read(buf)
			term.mu.Lock()
			term.seen.Write(buf[:n])
			term.mu.Unlock()
			select {
			case term.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	return term
}

// expect waits for text on the screen, and forgets the screen up to its end.
func (term *terminal) expect(text string) string {
	term.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		term.mu.Lock()
		seen := term.seen.String()
		before, after, ok := strings.Cut(seen, text)
		if ok {
			term.seen.Reset()
			term.seen.WriteString(after)
		}
		term.mu.Unlock()
		if ok {
			return before
		}
		select {
		case <-term.more:
		case <-deadline:
			require.FailNow(term.t, fmt.Sprintf("waited for %q, saw %q", text, seen))
		}
	}
}

func (term *terminal) send(keys string) {
	term.t.Helper()
	_, err := term.ptmx.WriteString(keys)
	require.NoError(term.t, err)
}

// exit waits for the end of the program.
func (term *terminal) exit() int {
	term.t.Helper()
	select {
	case <-term.result:
		return term.cmd.ProcessState.ExitCode()
	case <-time.After(20 * time.Second):
		require.FailNow(term.t, "the program does not end; the screen says "+term.seen.String())
		return 0
	}
}

// echoes is true when the terminal shows what is typed.
func (term *terminal) echoes() bool {
	term.t.Helper()
	state, err := unix.IoctlGetTermios(int(term.ptmx.Fd()), unix.TCGETS)
	require.NoError(term.t, err)
	return state.Lflag&unix.ECHO != 0
}

func TestPasswordPrompt(t *testing.T) {
	t.Run("asks twice and shows nothing", func(t *testing.T) {
		term := onTerminal(t, "ask")
		term.expect("new password for ca.key: ")
		assert.Eventually(t, func() bool { return !term.echoes() }, 10*time.Second, time.Millisecond)
		term.send("hunter 2 \n")
		between := term.expect("the same again: ")
		assert.NotContains(t, between, "hunter")
		assert.Eventually(t, func() bool { return !term.echoes() }, 10*time.Second, time.Millisecond)
		term.send("hunter 2 \n")
		term.expect("got <hunter 2 >")
		assert.Equal(t, exitOK, term.exit())
	})
	t.Run("refuses two that differ", func(t *testing.T) {
		term := onTerminal(t, "ask")
		term.expect("new password for ca.key: ")
		term.send("one\n")
		term.expect("the same again: ")
		term.send("two\n")
		term.expect("crpki: the two passwords for ca.key differ")
		assert.Equal(t, exitUsage, term.exit())
	})
	t.Run("refuses an empty one", func(t *testing.T) {
		term := onTerminal(t, "ask")
		term.expect("new password for ca.key: ")
		term.send("\n")
		term.expect("crpki: the password is empty")
		assert.Equal(t, exitUsage, term.exit())
	})
	t.Run("ends at Ctrl-C, and the terminal echoes again", func(t *testing.T) {
		term := onTerminal(t, "ask")
		term.expect("new password for ca.key: ")
		assert.Eventually(t, func() bool { return !term.echoes() }, 10*time.Second, time.Millisecond)
		term.send("\x03")
		term.expect("crpki: interrupted")
		assert.Equal(t, 130, term.exit())
		assert.True(t, term.echoes())
	})
}

func TestPasswordOfRealKey(t *testing.T) {
	term := onTerminal(t, "crpki", "gen", "--ip", "10.96.0.50", "--encrypt-key")
	for _, prompt := range []string{"new password for ", "the same again: "} {
		term.expect(prompt)
		assert.Eventually(t, func() bool { return !term.echoes() }, 10*time.Second, time.Millisecond)
		term.send("hunter 2\n")
	}
	assert.NotContains(t, term.expect("crpki inspect"), "hunter")
	assert.Equal(t, exitOK, term.exit())
	key, err := os.ReadFile(filepath.Join(term.cmd.Dir, "certs", "tls.key"))
	require.NoError(t, err)
	assert.Contains(t, string(key), "ENCRYPTED PRIVATE KEY")

	again := exec.Command("crpki", "inspect", "--password-env", "PW", filepath.Join(term.cmd.Dir, "certs", "tls.key"))
	again.Env = append(os.Environ(), "PW=hunter 2")
	out, err := again.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "ECDSA P-256")
}

func TestColor(t *testing.T) {
	const bold = "\x1b[1mcrpki version\x1b[0m"
	tests := []struct {
		shows string
		args  []string
		want  bool
	}{
		{"on a terminal", []string{"TERM=xterm", "crpki", "version", "--help"}, true},
		{"not on a dumb one", []string{"TERM=dumb", "crpki", "version", "--help"}, false},
		{"not with NO_COLOR", []string{"TERM=xterm", "NO_COLOR=1", "crpki", "version", "--help"}, false},
		{"an empty NO_COLOR does not count", []string{"TERM=xterm", "NO_COLOR=", "crpki", "version", "--help"}, true},
		{"not with --no-color", []string{"TERM=xterm", "crpki", "--no-color", "version", "--help"}, false},
		{"not with CRPKI_NO_COLOR", []string{"TERM=xterm", "CRPKI_NO_COLOR=true", "crpki", "version", "--help"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			term := onTerminal(t, "env", tt.args...)
			assert.Equal(t, tt.want, strings.Contains(term.expect("Global flags"), bold))
			assert.Equal(t, exitOK, term.exit())
		})
	}
}

// TestShellCompletion types in real shells.
func TestShellCompletion(t *testing.T) {
	lines := []struct{ shows, typed, want string }{
		{"command", "crpki versi\t", "crpki|version"},
		{"flag", "crpki version --outp\t", "crpki|version|--output"},
		{"value", "crpki version --output y\t", "crpki|version|--output|yaml"},
		{"value behind an equals sign", "crpki version --output=y\t", "crpki|version|--output=yaml"},
		{"flag behind a value with a colon", "crpki version --at 2027-01-01T10:00:00Z --outp\t", "crpki|version|--at|2027-01-01T10:00:00Z|--output"},
		{"command below a command", "crpki completion power\t", "crpki|completion|powershell"},
		{"global flag before the command", "crpki --quiet versi\t", "crpki|--quiet|version"},
		{"help", "crpki help versi\t", "crpki|help|version"},
		{"key type", "crpki gen --key-type ed\t", "crpki|gen|--key-type|ed25519"},
		{"file", "crpki sign my\t", "crpki|sign|my key.pem"},
		{"file as a value", "crpki gen --ca my\t", "crpki|gen|--ca|my key.pem"},
		{"file behind an equals sign", "crpki gen --ca=my\t", "crpki|gen|--ca=my key.pem"},
		{"file behind a colon", "crpki sign a:\t", "crpki|sign|a:b.pem"},
		{"folder, not the file that begins so", "crpki gen --out-dir re\t", "crpki|gen|--out-dir|requests"},
	}
	files := func(dir string) {
		for _, name := range []string{"my key.pem", "a:b.pem", "req"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		}
		require.NoError(t, os.Mkdir(filepath.Join(dir, "requests"), 0o700))
	}
	start := map[string]func(*testing.T) *terminal{
		"bash": func(t *testing.T) *terminal {
			term := onTerminal(t, "bash", "--norc", "--noprofile", "-i")
			term.send("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; source <(crpki completion bash); echo rea''dy\n")
			return term
		},
		"zsh": func(t *testing.T) *terminal {
			term := onTerminal(t, "zsh", "-f", "-i")
			term.send("PS1='$ '; unsetopt zle_bracketed_paste beep; bindkey -e; autoload -Uz compinit; compinit -u -D; source <(crpki completion zsh); echo rea''dy\n")
			return term
		},
		"zsh, from a folder in fpath": func(t *testing.T) *terminal {
			term := onTerminal(t, "zsh", "-f", "-i")
			term.send("PS1='$ '; unsetopt zle_bracketed_paste beep; bindkey -e; fpath=($PWD/functions $fpath); mkdir functions; crpki completion zsh > functions/_crpki; autoload -Uz compinit; compinit -u -D; echo rea''dy\n")
			return term
		},
	}
	for shell, start := range start {
		t.Run(shell, func(t *testing.T) {
			program, _, _ := strings.Cut(shell, ",")
			if _, err := exec.LookPath(program); err != nil {
				t.Skip("no " + program)
			}
			term := start(t)
			files(term.cmd.Dir)
			term.expect("ready")
			for _, line := range lines {
				t.Run(line.shows, func(t *testing.T) {
					// Ctrl-A and Ctrl-E turn the completed line into one that shows its words.
					term.send(line.typed + "\x01printf '%s|' \x05 ; echo e''nd\n")
					screen := term.expect("end")
					_, result, _ := strings.Cut(screen, "\n")
					assert.Contains(t, strings.TrimSuffix(result, "|"), line.want)
				})
			}
		})
	}
	t.Run("fish", func(t *testing.T) {
		if _, err := exec.LookPath("fish"); err != nil {
			t.Skip("no fish")
		}
		for _, line := range lines {
			t.Run(line.shows, func(t *testing.T) {
				cmd := exec.Command("fish", "--no-config", "-c", "crpki completion fish | source; complete -C "+fmt.Sprintf("%q", strings.TrimSuffix(line.typed, "\t")))
				cmd.Dir = t.TempDir()
				files(cmd.Dir)
				cmd.Env = append(os.Environ(), "HOME="+cmd.Dir)
				out, err := cmd.Output()
				require.NoError(t, err)
				words := strings.Split(line.want, "|")
				got, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\t")
				assert.Equal(t, words[len(words)-1], strings.TrimSuffix(got, "/"), string(out))
			})
		}
	})
}
