package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"
)

// commands lists the commands in the order in which help shows them.
func commands(e *env) []*cli.Command {
	return []*cli.Command{
		versionCommand(e),
		completionCommand(e),
	}
}

// newApp builds the tree of commands and flags. Everything that knows them
// reads this tree: the parser of the command line (args.go), help, man pages,
// docs and completions.
func newApp(e *env) *cli.App {
	return &cli.App{
		Name:        "crpki",
		Usage:       "certificates that a registry's clients accept",
		Description: "crpki gen --ip 10.96.0.50",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "at", Usage: "act as if it were `TIME`: 2027-01-31 or 2027-01-31T15:04:05Z"},
			&cli.BoolFlag{Name: "no-color", Usage: "no colour, also when standard output is a terminal (like NO_COLOR)"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print errors only on standard error, no notes and warnings"},
		},
		Commands: commands(e),
		Before:   e.applyGlobals,

		Reader: e.stdin, Writer: e.stdout, ErrWriter: e.stderr,
		// Help, --version and completion are ours: see help.go.
		HideHelp: true, HideHelpCommand: true, HideVersion: true,
		DisableSliceFlagSeparator: true,
		// The default prints the error and calls os.Exit from within Run.
		ExitErrHandler: func(*cli.Context, error) {},
	}
}

// execute understands args and runs the command that they mean.
func (e *env) execute(ctx context.Context, args []string) error {
	app := newApp(e)
	call, err := parseArgs(app, args, e.getenv)
	if err != nil {
		return err
	}
	return app.RunContext(ctx, call)
}

// applyGlobals carries the global flags into e before any command runs.
func (e *env) applyGlobals(c *cli.Context) error {
	e.quiet = c.Bool("quiet")
	e.color = e.stdoutTerminal && !c.Bool("no-color") && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
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
	return time.Time{}, usageErrorf("--at: %q is no time: write 2027-01-31 or 2027-01-31T15:04:05Z", text)
}
