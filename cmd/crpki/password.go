package main

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// passwordFlags gives the flags from which [env.password] learns where the
// password is: --<prefix>password-file and --<prefix>password-env. No flag
// takes the password itself: every user of the machine sees arguments.
func passwordFlags(prefix string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: prefix + "password-file", Usage: "take the password from the first line of `FILE` (- is standard input)", TakesFile: true},
		&cli.StringFlag{Name: prefix + "password-env", Usage: "take the password from the environment variable called `NAME`"},
	}
}

// password is the password of something that exists: from the file or the
// environment variable that the flags of passwordFlags(prefix) name, else from
// a prompt on the terminal. what says in messages what it opens: "ca.key". It
// is never empty.
func (e *env) password(c *cli.Context, prefix, what string) ([]byte, error) {
	password, err := e.passwordFromFlags(c, prefix)
	if err != nil || password != nil {
		return password, err
	}
	if !e.stdinTerminal {
		return nil, noTerminal(c, prefix, what)
	}
	return e.prompt("password of " + what)
}

// newPassword is the password for something about to be made. A prompt asks
// for it twice.
func (e *env) newPassword(c *cli.Context, prefix, what string) ([]byte, error) {
	password, err := e.passwordFromFlags(c, prefix)
	if err != nil || password != nil {
		return password, err
	}
	if !e.stdinTerminal {
		return nil, noTerminal(c, prefix, what)
	}
	return e.askNew(what)
}

// askNew asks twice, since nobody sees what is typed.
func (e *env) askNew(what string) ([]byte, error) {
	first, err := e.prompt("new password for " + what)
	if err != nil {
		return nil, err
	}
	second, err := e.prompt("the same again")
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(first, second) == 0 {
		return nil, usageErrorf("the two passwords for %s differ", what)
	}
	return first, nil
}

// passwordFromFlags is nil when no flag says where the password is.
func (e *env) passwordFromFlags(c *cli.Context, prefix string) ([]byte, error) {
	fileFlag, envFlag := prefix+"password-file", prefix+"password-env"
	file, name := c.String(fileFlag), c.String(envFlag)
	switch {
	case file != "" && name != "":
		return nil, usageErrorf("--%s and --%s exclude each other", fileFlag, envFlag)
	case file != "":
		return e.passwordFile(fileFlag, file)
	case name != "":
		if value := e.getenv(name); value != "" {
			return []byte(value), nil
		}
		// The name is not shown: who wrote "$PW" for PW gave the password.
		return nil, withHint(usageErrorf("--%s: that environment variable is not set, or is empty", envFlag),
			"give the name of an exported variable, not its value: --"+envFlag+" MY_PASSWORD")
	}
	return nil, nil
}

// passwordFile takes the first line, without its end, be that LF or CRLF. Each
// file is read once.
func (e *env) passwordFile(flag, path string) ([]byte, error) {
	key := path
	if path == "-" {
		key += flag // of two flags that name it, the second is refused
	}
	if password, ok := e.passwordFiles[key]; ok {
		return bytes.Clone(password), nil
	}
	data, err := e.readFor("--"+flag, path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
		e.warnf("every user of this machine can read the password in %s: chmod 600 %s", path, path)
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, usageErrorf("--%s: the first line of %s is empty", flag, path)
	}
	if e.passwordFiles == nil {
		e.passwordFiles = map[string][]byte{}
	}
	e.passwordFiles[key] = bytes.Clone(line)
	return line, nil
}

func noTerminal(c *cli.Context, prefix, what string) error {
	err := usageErrorf("%s needs a password, and standard input is no terminal to ask for it", what)
	hasFlag := func(f cli.Flag) bool { return slices.Contains(namesOf(f), prefix+"password-file") }
	if !slices.ContainsFunc(c.Command.Flags, hasFlag) {
		return err
	}
	return withHint(err, fmt.Sprintf("use --%[1]spassword-file FILE or --%[1]spassword-env NAME", prefix))
}

// prompt asks until a signal interrupts.
func (e *env) prompt(text string) ([]byte, error) {
	password, err := e.askPassword(text)
	switch {
	case err != nil:
		return nil, err
	case len(password) == 0:
		return nil, usageErrorf("the password is empty")
	}
	return password, nil
}

// askTerminal is the askPassword of the real program. After a signal the
// terminal echoes again, for the shell that comes next.
func (e *env) askTerminal(text string) ([]byte, error) {
	fd := int(os.Stdin.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, usageErrorf("ask for the %s: %w", text, err)
	}
	var tty io.Writer = os.Stdin // a terminal can be written to, too
	if e.stderrTerminal {
		tty = e.stderr
	}
	fmt.Fprintf(tty, "crpki: %s: ", printable(text))
	defer fmt.Fprintln(tty)
	password, err := interruptible(e, func() ([]byte, error) { return term.ReadPassword(fd) })
	if errors.Is(err, errInterrupted) {
		term.Restore(fd, state)
		return nil, err
	}
	if err != nil {
		return nil, usageErrorf("read the %s: %w", text, err)
	}
	return password, nil
}
