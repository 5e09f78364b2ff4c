package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

// testEnv is a world without a terminal, at a fixed time.
func testEnv() *env {
	return &env{
		stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard,
		now: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC), getenv: noEnv, width: 80, dialer: loopbackDialer(),
		askPassword: func(string) ([]byte, error) { return nil, errors.New("asked without a terminal") },
	}
}

// TestCommandsAreComplete holds each command to what commands (app.go) asks
// of it.
func TestCommandsAreComplete(t *testing.T) {
	app := newApp(testEnv())
	seen := map[string]string{} // flag → what kind it is
	check := func(t *testing.T, path []*cli.Command, flags []cli.Flag) {
		names := map[string]bool{}
		for _, f := range app.Flags {
			for _, n := range f.Names() {
				names[n] = len(path) > 0
			}
		}
		for _, f := range flags {
			name := f.Names()[0]
			d, ok := f.(cli.DocGenerationFlag)
			require.True(t, ok, "--%s has no usage text to show", name)
			assert.NotEmpty(t, d.GetUsage(), "--%s: Usage", name)
			assert.NotRegexp(t, `^[A-Z][a-z]|\.$`, d.GetUsage(), "--%s: Usage is no sentence", name)
			assert.Empty(t, d.GetEnvVars(), "--%s: its variable follows from its name", name)
			assert.Regexp(t, `^CRPKI_[A-Z0-9]+(_[A-Z0-9]+)*$`, envVar(f))
			if takesValue(f) {
				assert.NotEqual(t, "VALUE", placeholder(f), "--%s: Usage names its value in backquotes", name)
				assert.Equal(t, strings.ToUpper(placeholder(f)), placeholder(f), "--%s: the value's name is in capitals", name)
			}
			// A value that the flag cannot hold is told with the variable's name.
			if err := checkValue(setFlag{flag: f, value: "\x00", source: envVar(f)}); err != nil {
				assert.Contains(t, err.Error(), envVar(f)+": ")
				assert.Equal(t, exitUsage, exitCode(err))
			}
			for _, n := range f.Names() {
				assert.False(t, names[n], "--%s is also the name of another flag here", n)
				assert.NotContains(t, []string{"h", "help"}, n)
				names[n] = true
			}
			// One variable serves all commands that have the flag. lint alone writes
			// in several formats at once, and explains a rule where trust check
			// explains itself.
			kind := fmt.Sprintf("takes a value: %v, repeatable: %v", takesValue(f), isSlice(f) && name != "output")
			if seen[name] != "" && name != "explain" {
				assert.Equal(t, seen[name], kind, "--%s is of another kind in another command", name)
			}
			seen[name] = kind
		}
	}
	check(t, nil, app.Flags)
	var walkAll func(path, commands []*cli.Command)
	walkAll = func(path, commands []*cli.Command) {
		for _, c := range commands {
			path := append(path[:len(path):len(path)], c)
			t.Run(strings.TrimPrefix(commandName(app, path), "crpki "), func(t *testing.T) {
				assert.NotEmpty(t, c.Usage, "Usage")
				assert.NotRegexp(t, `\.$|\n`, c.Usage, "Usage is one line without a full stop")
				example, _ := splitDescription(c.Description)
				assert.NotEmpty(t, example, "Description begins with an example, a line that begins with %q", "crpki ")
				assert.Equal(t, c.Subcommands == nil || c.ArgsUsage != "", c.Action != nil, "a command acts, or has commands below it and takes no argument")
				assert.NotContains(t, []string{"help", completeWord}, c.Name)
				check(t, path, c.Flags)
			})
			walkAll(path, c.Subcommands)
		}
	}
	walkAll(nil, app.Commands)
}

// TestExamplesParse: what help shows can be typed.
func TestExamplesParse(t *testing.T) {
	walk(newApp(testEnv()), func(path []*cli.Command) {
		p := newPage(newApp(testEnv()), path)
		for _, line := range p.example {
			t.Run(line, func(t *testing.T) {
				line, _, _ = strings.Cut(line, " #")
				for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == '|' || r == '>' || r == '<' || r == '&' || r == ';' }) {
					fields := strings.Fields(part)
					if len(fields) == 0 || fields[0] != "crpki" || strings.ContainsAny(part, `'"\$(`) {
						continue
					}
					_, err := parseArgs(newApp(testEnv()), fields, noEnv)
					assert.NoError(t, err)
				}
			})
		}
	})
}

func TestHelpIsForEveryCommand(t *testing.T) {
	app := newApp(testEnv())
	walk(app, func(path []*cli.Command) {
		name := commandName(app, path)
		for _, suffix := range []string{" --help", " -h", " help"} {
			t.Run(name+suffix, func(t *testing.T) {
				var stdout, stderr bytes.Buffer
				e := testEnv()
				e.stdout, e.stderr = &stdout, &stderr
				assert.Equal(t, exitOK, run(context.Background(), strings.Fields(name+suffix), e))
				assert.Empty(t, stderr.String())
				assert.NotContains(t, stdout.String(), "\x1b")
				text := stdout.String()
				require.Contains(t, text, name+" - ")
				require.Contains(t, text, "\nExample:\n")
				assert.Less(t, strings.Index(text, "\nExample:\n"), strings.Index(text, "lags:\n"), "the example comes first")
				for line := range strings.Lines(text) {
					if !strings.HasPrefix(line, "  ") { // examples are as long as they are
						assert.LessOrEqual(t, len([]rune(line)), 81, line)
					}
				}
			})
		}
	})
}

// TestRun shows which stream gets what, and with which exit code it ends.
func TestRun(t *testing.T) {
	const versionLine = "crpki devel (unknown commit) "
	tests := []struct {
		shows          string
		args           string
		code           int
		stdout, stderr string // what they begin with; "" for nothing at all
	}{
		{"a result", "version", 0, versionLine, ""},
		{"JSON", "version -o json", 0, "{\n  \"version\": \"devel\",\n", ""},
		{"YAML", "version -o yaml", 0, "version: devel\ncommit: \"\"\n", ""},
		{"help", "--help", 0, "crpki - ", ""},
		{"help on a topic", "help exit-codes", 0, "\nExit codes:\n  0 ", ""},
		{"help on variables", "help environment", 0, "Every flag can be set", ""},
		{"the version as a flag", "--version", 0, versionLine, ""},
		{"no command", "", 2, "", "crpki - "},
		{"no command below", "completion", 2, "", "crpki: crpki completion needs one of: bash, zsh, fish, powershell\n  hint: "},
		{"unknown command", "foo", 2, "", "crpki: \"foo\" is not a command of crpki\n  hint: crpki --help lists the commands\n"},
		{"misspelt command", "verison", 2, "", "crpki: \"verison\" is not a command of crpki\n  hint: did you mean \"crpki version\"?\n"},
		{"unknown flag", "version --jsno", 2, "", "crpki: --jsno is not a flag of crpki version\n  hint: did you mean --json?\n"},
		{"bad value of a flag", "version -o xml", 2, "", "crpki: -o: \"xml\" is not one of text, json, yaml\n"},
		{"bad time", "version --at yesterday", 2, "", "crpki: --at: \"yesterday\" is not a time"},
		{"too many arguments", "version a", 2, "", "crpki: crpki version takes no arguments, but got \"a\"\n"},
		{"control characters are shown, not sent", "\x1b[31mfoo", 2, "", "crpki: \"\\x1b[31mfoo\" is not a command of crpki\n"},
		{"completion by hand", "__complete", 2, "", "crpki: __complete is for completion scripts"},
		{"completion", "__complete vers", 0, ":none\nversion\t", ""},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			e := testEnv()
			e.stdout, e.stderr = &stdout, &stderr
			code := run(context.Background(), append([]string{"crpki"}, strings.Fields(tt.args)...), e)
			assert.Equal(t, tt.code, code)
			assertBegins(t, tt.stdout, stdout.String())
			assertBegins(t, tt.stderr, stderr.String())
			assert.NotContains(t, stderr.String(), "\x1b")
		})
	}
}

func assertBegins(t *testing.T, want, got string) {
	t.Helper()
	if want == "" {
		assert.Empty(t, got)
	} else if !strings.HasPrefix(got, want) {
		assert.Equal(t, want, got)
	}
}

// brokenWriter fails as a full disk, or a reader that went away.
type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestRunWithBrokenOutput(t *testing.T) {
	for _, args := range []string{"version", "version -o json", "version -o yaml", "--help", "completion bash", "man gen", "gen --help", "gen --list-presets", "gen --list-presets -o json"} {
		t.Run("full disk: "+args, func(t *testing.T) {
			var stderr bytes.Buffer
			e := testEnv()
			e.stdout, e.stderr = brokenWriter{syscall.ENOSPC}, &stderr
			assert.Equal(t, exitUsage, run(context.Background(), append([]string{"crpki"}, strings.Fields(args)...), e))
			assert.Equal(t, "crpki: write standard output: no space left on device\n", stderr.String())
		})
	}
	t.Run("and another error", func(t *testing.T) {
		var stderr bytes.Buffer
		e := testEnv()
		e.stdout, e.stderr = brokenWriter{syscall.ENOSPC}, &stderr
		assert.Equal(t, exitUsage, run(context.Background(), []string{"crpki", "inspect", "../../LICENSE", "../../docs/man/crpki.1", "nope"}, e))
		assert.Contains(t, stderr.String(), "crpki: read nope: no such file or directory\n")
	})
	t.Run("reader that went away", func(t *testing.T) {
		var stderr bytes.Buffer
		e := testEnv()
		e.stdout, e.stderr = brokenWriter{syscall.EPIPE}, &stderr
		assert.Equal(t, exitSignal+13, run(context.Background(), []string{"crpki", "version"}, e))
		assert.Empty(t, stderr.String())
	})
	t.Run("stderr too", func(t *testing.T) {
		e := testEnv()
		e.stdout, e.stderr = brokenWriter{syscall.ENOSPC}, brokenWriter{syscall.ENOSPC}
		assert.Equal(t, exitUsage, run(context.Background(), []string{"crpki", "version"}, e))
	})
}

func TestAt(t *testing.T) {
	for text, want := range map[string]string{
		"2027-01-31":                "2027-01-31T00:00:00Z",
		"2027-01-31T15:04:05Z":      "2027-01-31T15:04:05Z",
		"2027-01-31T15:04:05+01:00": "2027-01-31T15:04:05+01:00",
	} {
		e := testEnv()
		require.NoError(t, e.execute(context.Background(), []string{"crpki", "version", "--at", text}))
		assert.Equal(t, want, e.now.Format(time.RFC3339))
	}
	for _, bad := range []string{"now", "2027-13-01", "2027-02-30", "31.1.2027", "2027-01-31 15:04"} {
		err := testEnv().execute(context.Background(), []string{"crpki", "version", "--at=" + bad})
		assert.ErrorContains(t, err, "--at")
		assert.Equal(t, exitUsage, exitCode(err), bad)
	}
}

func TestNotes(t *testing.T) {
	var out bytes.Buffer
	e := testEnv()
	stdout := bufio.NewWriter(&out)
	e.stdout, e.stderr = stdout, &out
	io.WriteString(e.stdout, "result\n")
	e.warnf("%s is %d", "a\x1b[31m", 1)
	e.notef("wrote it")
	assert.Equal(t, "result\ncrpki: warning: a\\x1b[31m is 1\ncrpki: wrote it\n", out.String(), "in the order in which they were said")

	out.Reset()
	e.quiet = true
	e.warnf("hush")
	assert.Empty(t, out.String())
}

func TestPrint(t *testing.T) {
	type result struct {
		Name string   `json:"name"`
		List []string `json:"list"`
	}
	v := result{"a<b>&c", []string{"1", "x"}}
	for format, want := range map[string]string{
		"text": "a<b>&c, 2\n",
		"json": "{\n  \"name\": \"a<b>&c\",\n  \"list\": [\n    \"1\",\n    \"x\"\n  ]\n}\n",
		"yaml": "name: \"a<b>&c\"\nlist:\n  - \"1\"\n  - x\n",
	} {
		var out bytes.Buffer
		e := testEnv()
		e.stdout = &out
		app := &cli.App{Flags: []cli.Flag{outputFlag("text", "json", "yaml")}, Action: func(c *cli.Context) error {
			return e.print(c, v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s, %d\n", v.Name, len(v.List))
				return err
			})
		}}
		require.NoError(t, app.Run([]string{"x", "-o", format}))
		assert.Equal(t, want, out.String())
	}
}
