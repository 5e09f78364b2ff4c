package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

// outputFlag is -o/--output with the given formats, the first of which is the
// default. The parser takes --json for -o json, and so for each format.
func outputFlag(formats ...string) cli.Flag {
	return choiceFlag(&cli.StringFlag{
		Name: "output", Aliases: []string{"o"}, Value: formats[0],
		Usage: "print the result as `FORMAT`",
	}, formats...)
}

// print writes v to standard output as the -o flag of c asks: as JSON, as YAML
// with the same fields in the same order, or by text. All three say the same,
// for all come from v.
func (e *env) print(c *cli.Context, v any, text func(io.Writer) error) error {
	switch c.String("output") {
	case "json":
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "yaml":
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return writeYAML(e.stdout, data)
	default:
		return text(e.stdout)
	}
}

// notef says on standard error what crpki did or chose. -q silences it.
func (e *env) notef(format string, args ...any) {
	if e.quiet {
		return
	}
	// What was printed before is seen before; a failed write is told at the end.
	if b, ok := e.stdout.(*bufio.Writer); ok {
		b.Flush()
	}
	fmt.Fprintf(e.stderr, "crpki: %s\n", printable(fmt.Sprintf(format, args...)))
}

// warnf says on standard error what the user should know or mend. -q silences
// it.
func (e *env) warnf(format string, args ...any) { e.notef("warning: "+format, args...) }
