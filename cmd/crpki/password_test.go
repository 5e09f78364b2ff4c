package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

func TestPassword(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	open := file("open", "secret\n")
	require.NoError(t, os.Chmod(open, 0o644))
	const noTerminalHint = "use --ca-password-file FILE or --ca-password-env NAME"

	tests := []struct {
		shows         string
		args          []string
		answers       []string // typed at the prompts; nil: no terminal
		creating      bool
		want          string
		err, hint     string
		stderr        string
		wantedPrompts []string
	}{
		{shows: "file", args: []string{"--ca-password-file", file("p", "secret\n")}, want: "secret"},
		{shows: "file without a last newline", args: []string{"--ca-password-file", file("p1", "secret")}, want: "secret"},
		{shows: "file with CRLF", args: []string{"--ca-password-file", file("p2", "secret\r\nmore\r\n")}, want: "secret"},
		{shows: "spaces belong to it", args: []string{"--ca-password-file", file("p3", " se cret \n")}, want: " se cret "},
		{shows: "standard input", args: []string{"--ca-password-file", "-"}, want: "piped"},
		{
			shows: "a file that all can read", args: []string{"--ca-password-file", open}, want: "secret",
			stderr: "crpki: warning: every user of this machine can read the password in " + open + ": chmod 600 " + open + "\n",
		},
		{shows: "variable", args: []string{"--ca-password-env", "PW"}, want: "from env"},
		{
			shows: "variable that is not set, and may be the password itself", args: []string{"--ca-password-env", "hunter2"},
			err: "--ca-password-env: that environment variable is not set, or is empty", hint: "give the name of an exported variable, not its value: --ca-password-env MY_PASSWORD",
		},
		{shows: "both", args: []string{"--ca-password-env", "PW", "--ca-password-file", "x"}, err: "--ca-password-file and --ca-password-env exclude each other"},
		{shows: "missing file", args: []string{"--ca-password-file", filepath.Join(dir, "nope")}, err: "read " + filepath.Join(dir, "nope") + ": no such file or directory"},
		{shows: "file with an empty first line", args: []string{"--ca-password-file", file("p4", "\r\nsecret")}, err: "--ca-password-file: the first line of " + filepath.Join(dir, "p4") + " is empty"},
		{shows: "no terminal", err: "ca.key needs a password, and standard input is no terminal to ask for it", hint: noTerminalHint},
		{shows: "no terminal, creating", creating: true, err: "ca.key needs a password, and standard input is no terminal to ask for it", hint: noTerminalHint},
		{shows: "prompt", answers: []string{"typed"}, want: "typed", wantedPrompts: []string{"password of ca.key"}},
		{shows: "prompts", answers: []string{"typed", "typed"}, creating: true, want: "typed", wantedPrompts: []string{"new password for ca.key", "the same again"}},
		{shows: "prompts that differ", answers: []string{"typed", "tped"}, creating: true, err: "the two passwords for ca.key differ", wantedPrompts: []string{"new password for ca.key", "the same again"}},
		{shows: "nothing typed", answers: []string{""}, err: "the password is empty", wantedPrompts: []string{"password of ca.key"}},
		{shows: "flags before the prompt", args: []string{"--ca-password-env", "PW"}, answers: []string{"typed"}, want: "from env"},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			var stderr strings.Builder
			var prompts []string
			e := testEnv()
			e.stdin, e.stderr = strings.NewReader("piped\n"), &stderr
			e.getenv = func(name string) string { return map[string]string{"PW": "from env"}[name] }
			e.stdinTerminal = tt.answers != nil
			e.askPassword = func(prompt string) ([]byte, error) {
				prompts = append(prompts, prompt)
				return []byte(tt.answers[len(prompts)-1]), nil
			}
			var got []byte
			app := &cli.App{Flags: passwordFlags("ca-"), ExitErrHandler: func(*cli.Context, error) {}}
			app.Action = func(c *cli.Context) (err error) {
				if tt.creating {
					got, err = e.newPassword(c, "ca-", "ca.key")
				} else {
					got, err = e.password(c, "ca-", "ca.key")
				}
				return err
			}
			err := app.Run(append([]string{"x"}, tt.args...))
			if tt.err != "" {
				require.Error(t, err)
				assert.Equal(t, tt.err, err.Error())
				assert.Equal(t, exitUsage, exitCode(err))
				assert.Equal(t, tt.hint, strings.Join(hints(err), "; "))
				assert.Empty(t, got)
			} else {
				require.NoError(t, err)
			}
			assert.Equal(t, tt.want, string(got))
			assert.Equal(t, tt.stderr, stderr.String())
			assert.Equal(t, tt.wantedPrompts, prompts)
		})
	}

	t.Run("a command without the flags names none", func(t *testing.T) {
		app := &cli.App{ExitErrHandler: func(*cli.Context, error) {}, Action: func(c *cli.Context) error {
			_, err := testEnv().password(c, "", "a.p12")
			assert.Empty(t, hints(err))
			return err
		}}
		assert.Error(t, app.Run([]string{"x"}))
	})
}
