package main

import (
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// manCommand prints the manual to those who have no package that installed it.
func manCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "man",
		Usage:     "print the manual page of crpki or of a command",
		ArgsUsage: "[COMMAND...]",
		Hidden:    true,
		Description: `crpki man gen | man -l -

The page is in the man(7) format. Packages install all of them from docs/man.`,
		Action: func(c *cli.Context) error {
			app := newApp(e) // c.App has the commands that the line names, no more
			path, err := findCommand(app, c.Args().Slice())
			if err != nil {
				return err
			}
			return manPage(e.stdout, app, path)
		},
	}
}

// findCommand finds the command that names lead to.
func findCommand(app *cli.App, names []string) ([]*cli.Command, error) {
	p := &parser{app: app}
	for _, name := range names {
		if len(p.subcommands()) == 0 {
			return nil, usageErrorf("%s has no commands below it", p.name())
		}
		if err := p.word(name, true); err != nil {
			return nil, err
		}
	}
	return p.line.path, nil
}

// manPage writes the page of the command at the end of path in man(7).
func manPage(w io.Writer, app *cli.App, path []*cli.Command) error {
	p := newPage(app, path)
	m := &manWriter{}
	m.macro(".TH", strings.ToUpper(manName(p.name)), "1", "", "crpki", "crpki manual")

	m.macro(".nh") // no hyphens: in a flag nobody could tell them from its own
	m.macro(".ad", "l")

	m.macro(".SH", "NAME")
	m.text(manName(p.name) + " \\- " + roff(p.usage))

	m.macro(".SH", "SYNOPSIS")
	m.macro(".nf")
	for _, line := range p.synopsis {
		m.text(roff(line))
	}
	m.macro(".fi")

	if len(p.about) > 0 {
		m.macro(".SH", "DESCRIPTION")
		for i, par := range p.about {
			if i > 0 {
				m.macro(".PP")
			}
			m.paragraph(par)
		}
	}
	if len(p.commands) > 0 {
		m.macro(".SH", "COMMANDS")
		for _, c := range p.commands {
			m.macro(".TP")
			m.text("\\fB" + roff(c.name) + "\\fR")
			m.text(roff(c.usage))
		}
	}
	m.options(p)

	m.macro(".SH", "ENVIRONMENT")
	m.text(roff(environmentRule))

	m.macro(".SH", "EXIT STATUS")
	for _, row := range exitCodes {
		m.macro(".TP")
		m.text("\\fB" + roff(row.code) + "\\fR")
		m.text(roff(row.meaning))
	}
	if len(p.example) > 0 {
		m.macro(".SH", "EXAMPLES")
		m.fixed(p.example)
	}
	m.seeAlso(app, path)

	_, err := io.WriteString(w, m.b.String())
	return err
}

// manName is the page's name: "crpki-gen".
func manName(name string) string { return strings.ReplaceAll(name, " ", "-") }

type manWriter struct{ b strings.Builder }

// macro writes a request; an argument with spaces, or an empty one, is quoted.
func (m *manWriter) macro(name string, args ...string) {
	m.b.WriteString(name)
	for _, arg := range args {
		if arg == "" || strings.Contains(arg, " ") {
			arg = `"` + strings.ReplaceAll(arg, `"`, `""`) + `"`
		}
		m.b.WriteString(" " + arg)
	}
	m.b.WriteByte('\n')
}

// text writes a line of text, which a dot or quote at its head must not turn
// into a request.
func (m *manWriter) text(line string) {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}
	m.b.WriteString(line + "\n")
}

func (m *manWriter) paragraph(p paragraph) {
	if p.fixed {
		m.fixed(p.lines)
		return
	}
	m.text(roff(strings.Join(p.lines, " ")))
}

// fixed writes lines as they are, indented.
func (m *manWriter) fixed(lines []string) {
	m.macro(".RS", "4")
	m.macro(".nf")
	for _, line := range lines {
		if line == "" {
			m.macro(".sp")
			continue
		}
		m.text(roff(line))
	}
	m.macro(".fi")
	m.macro(".RE")
}

func (m *manWriter) options(p page) {
	m.macro(".SH", "OPTIONS")
	for _, g := range append(p.flags, p.global) {
		m.macro(".SS", g.title)
		for _, f := range g.flags {
			m.macro(".TP")
			m.text("\\fB" + roff(f.names) + "\\fR")
			m.text(roff(f.sentence()))
		}
	}
}

// seeAlso names the pages above, beside and below.
func (m *manWriter) seeAlso(app *cli.App, path []*cli.Command) {
	m.macro(".SH", "SEE ALSO")
	var pages []string
	if len(path) > 0 {
		pages = append(pages, manName(commandName(app, path[:len(path)-1])))
	}
	below := app.Commands
	if len(path) > 0 {
		below = path[len(path)-1].Subcommands
	}
	for _, c := range describeCommands(below) {
		pages = append(pages, manName(commandName(app, path)+" "+c.name))
	}
	for i, page := range pages {
		comma := ","
		if i == len(pages)-1 {
			comma = ""
		}
		m.macro(".BR", roff(page), "(1)"+comma)
	}
}

// roff escapes text for a man page.
func roff(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}
