package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/urfave/cli/v2"
)

// commands are the commands in the order in which help shows them. All that
// is said about a command comes from its definition, so each one gives
//
//   - Usage: one line, lower case, no full stop.
//   - Description: first the example, one or more lines that begin with
//     "crpki " (or "# " to explain), then a blank line and the prose. Indented
//     paragraphs are printed as they are.
//   - ArgsUsage: what its arguments are: "CSR", "[FILE]", "FILE...", empty for
//     none. Their number is checked by it.
//   - Flags, each with a Usage that holds the word for its value in backquotes;
//     TakesFile where that is a path, [choiceFlag] where only some values are
//     valid, Category where help should group them. The variable CRPKI_<FLAG>,
//     help, man page, docs and completion follow by themselves. A flag that
//     several commands have means the same in each.
//
// Their names stand beside them, so that only the one that is asked for is built:
// all of them together take longer than most take to run.
func commands() []namedCommand {
	return []namedCommand{
		{"gen", genCommand, working},
		{"csr", csrCommand, working},
		{"sign", signCommand, working},
		{"renew", renewCommand, working},
		{"bundle", bundleCommand, working},
		{"p12", p12Command, working},
		{"inspect", inspectCommand, quick},
		{"lint", lintCommand, working},
		{"verify", verifyCommand, quick},
		{"probe", probeCommand, quick},
		{"trust", trustCommand, working},
		{"serve", serveCommand, working},
		{"secret", secretCommand, working},
		{"pull-secret", pullSecretCommand, working},
		{"values", valuesCommand, working},
		{"preflight", preflightCommand, working},
		{"explain", explainCommand, working},
		{"triage", triageCommand, working},
		{"version", versionCommand, quick},
		{"completion", completionCommand, working},
		{"man", manCommand, working},
	}
}

type namedCommand struct {
	name  string
	build func(*env) *cli.Command
	// quick: it writes no file and has work for one processor, for a few
	// milliseconds. What does more at times says so itself, by [env.settle].
	quick bool
}

const quick, working = true, false

func isQuick(name string) bool {
	return slices.ContainsFunc(commands(), func(c namedCommand) bool { return c.name == name && c.quick })
}

// newApp builds the tree of commands and flags. Everything that knows them
// reads this tree: the parser of the command line (args.go), help, man pages,
// docs and completions.
func newApp(e *env) *cli.App {
	var all []*cli.Command
	for _, c := range commands() {
		all = append(all, c.build(e))
	}
	return appOf(e, all...)
}

// appFor builds as much of the tree as a command line seems to need: the command
// that is the first to be named in it. Where parseArgs fails on it, or finds that
// help is wanted, the whole tree is needed.
func appFor(e *env, args []string) *cli.App {
	for _, word := range args[min(1, len(args)):] {
		for _, c := range commands() {
			if c.name == word {
				return appOf(e, c.build(e))
			}
		}
	}
	return newApp(e)
}

// appOf builds the tree of these commands.
func appOf(e *env, commands ...*cli.Command) *cli.App {
	return &cli.App{
		Name:  "crpki",
		Usage: "make, check, deploy and explain the TLS of container registries",
		Description: `# a CA and a server certificate, ready to serve and to trust, in ./certs
crpki gen --ip 10.96.0.50
# what would break pulls, before it is deployed
crpki lint certs
# is a live registry right, for whom, and if not, why?
crpki probe 10.96.0.50 --ca-file certs/ca.crt
# would the runtimes of this node trust it, and which file decides?
crpki trust check 10.96.0.50
# a pull failed: what does the message mean?
crpki explain messages.txt

Results go to standard output, everything else to standard error. Flags may
stand before or behind the arguments, global ones also before the command.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "at", Usage: "act as if it were `TIME`: 2027-01-31 or 2027-01-31T15:04:05Z"},
			&cli.BoolFlag{Name: "no-color", Usage: "no colour, also when standard output is a terminal (like NO_COLOR)"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print errors only on standard error, no notes and warnings"},
		},
		Commands: commands,

		Reader: e.stdin, Writer: e.stdout, ErrWriter: e.stderr,
	}
}

// execute understands args and runs the command that they mean.
func (e *env) execute(ctx context.Context, args []string) error {
	switch {
	case len(args) > 1 && args[1] == completeWord:
		return e.complete(newApp(e), args[2:])
	case len(args) == 2 && args[1] == "--version": // what every program understands
		args = []string{args[0], "version"}
	}
	app := appFor(e, args)
	line, err := parseArgs(app, args, e.getenv)
	if err != nil || line.help {
		app = newApp(e)
		line, err = parseArgs(app, args, e.getenv)
	}
	switch {
	case errors.Is(err, errNoCommand):
		return e.noCommand(app, line.path)
	case err != nil:
		return err
	case line.help:
		return e.help(app, line)
	}
	e.line = line
	c, err := line.context(ctx, app)
	if err != nil {
		return err
	}
	if err := e.applyGlobals(c); err != nil {
		return line.tellVariables(err)
	}
	if !isQuick(line.path[0].Name) {
		e.settle()
	}
	return line.tellVariables(c.Command.Action(c))
}

// applyGlobals carries the global flags into e before any command runs.
func (e *env) applyGlobals(c *cli.Context) error {
	e.quiet = c.Bool("quiet")
	e.color = !c.Bool("no-color") && e.colorWanted()
	if at := c.String("at"); at != "" {
		now, err := parseTime(at)
		if err != nil {
			return err
		}
		e.now = now
	}
	return nil
}

// parseTime reads the value of --at: RFC 3339, or a date, which means its
// first moment in UTC.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageErrorf("--at: %q is not a time: write 2027-01-31 or 2027-01-31T15:04:05Z", text)
}

// colorWanted is true when standard output is a terminal that shows colour, to
// a user who has not said NO_COLOR (no-color.org).
func (e *env) colorWanted() bool {
	return e.stdoutTerminal && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}
