package main

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// passwordFlags gives the flags from which [env.password] learns where the
// password is: --<prefix>password-file and --<prefix>password-env. No flag
// takes the password itself: every user of the machine sees arguments.
func passwordFlags(prefix string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: prefix + "password-file", Usage: "take the password from the first line of `FILE`", TakesFile: true},
		&cli.StringFlag{Name: prefix + "password-env", Usage: "take the password from the environment variable `NAME`"},
	}
}

// password is the password of something that exists: from the file or the
// environment variable that the flags of passwordFlags(prefix) name, else from
// a prompt on the terminal. what says in messages what it opens:
// "the private key ca.key".
func (e *env) password(c *cli.Context, prefix, what string) ([]byte, error) {
	return e.findPassword(c, prefix, "password of "+what, false)
}

// newPassword is the password for something about to be made. A prompt asks
// for it twice.
func (e *env) newPassword(c *cli.Context, prefix, what string) ([]byte, error) {
	return e.findPassword(c, prefix, "new password for "+what, true)
}

func (e *env) findPassword(c *cli.Context, prefix, prompt string, twice bool) ([]byte, error) {
	file, name := c.String(prefix+"password-file"), c.String(prefix+"password-env")
	switch {
	case file != "":
		data, err := e.read(file)
		if err != nil {
			return nil, err
		}
		line, _, _ := bytes.Cut(data, []byte("\n"))
		return bytes.TrimSuffix(line, []byte("\r")), nil
	case name != "":
		if value := e.getenv(name); value != "" {
			return []byte(value), nil
		}
		return nil, usageErrorf("--%spassword-env: the environment variable %s is not set", prefix, name)
	case !e.stdinTerminal:
		return nil, usageErrorf("%s is needed, and there is no terminal to ask for it", prompt)
	}
	first, err := e.askPassword(prompt)
	if err != nil || !twice {
		return first, err
	}
	second, err := e.askPassword("repeat it")
	if err == nil && subtle.ConstantTimeCompare(first, second) == 0 {
		err = usageErrorf("the two passwords differ")
	}
	return first, err
}

// askTerminal is the askPassword of the real program.
func (e *env) askTerminal(prompt string) ([]byte, error) {
	fmt.Fprintf(e.stderr, "crpki: %s: ", prompt)
	defer fmt.Fprintln(e.stderr)
	return term.ReadPassword(int(os.Stdin.Fd()))
}
