package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// page is what there is to say about a command, read from its definition.
// --help, the man page and docs/commands print it, each in its own markup.
type page struct {
	name     string // "crpki gen"
	usage    string // one line, no full stop
	synopsis []string
	// example is the session with which the page opens; lines with "#" explain.
	example []string
	// about is the rest of the description. A paragraph whose lines are
	// indented is printed as it is.
	about    []paragraph
	commands []commandDoc
	flags    []flagGroup
	// global is the group of flags that every command takes.
	global flagGroup
	root   bool
}

type paragraph struct {
	lines []string
	fixed bool
}

type commandDoc struct{ name, usage string }

type flagGroup struct {
	title string
	flags []flagDoc
}

type flagDoc struct {
	// names is "-o, --output FORMAT".
	names string
	text  string
	notes []string // what values it takes, its default
	env   string
}

// newPage describes the command at the end of path, or the program itself.
func newPage(app *cli.App, path []*cli.Command) page {
	p := page{name: commandName(app, path), global: flagGroup{title: "Global flags", flags: describe(globalFlags(app))}}
	if len(path) == 0 {
		p.root = true
		p.usage = app.Usage
		p.example, p.about = splitDescription(app.Description)
		p.commands = describeCommands(app.Commands)
		p.synopsis = []string{p.name + " COMMAND [flags]"}
		return p
	}
	c := path[len(path)-1]
	p.usage = c.Usage
	p.example, p.about = splitDescription(c.Description)
	p.commands = describeCommands(c.Subcommands)
	p.flags = groups(c.Flags)
	p.synopsis = synopsis(p.name, c)
	return p
}

// walk visits the program and all commands that help shows.
func walk(app *cli.App, visit func(path []*cli.Command)) {
	var down func(path, commands []*cli.Command)
	down = func(path, commands []*cli.Command) {
		visit(path)
		for _, c := range commands {
			if !c.Hidden {
				down(append(path[:len(path):len(path)], c), c.Subcommands)
			}
		}
	}
	down(nil, app.Commands)
}

func synopsis(name string, c *cli.Command) []string {
	if c.UsageText != "" {
		return strings.Split(strings.TrimSpace(c.UsageText), "\n")
	}
	s := name
	if len(c.Subcommands) > 0 {
		s += " COMMAND"
	}
	if len(c.Flags) > 0 {
		s += " [flags]"
	}
	return []string{strings.TrimSpace(s + " " + c.ArgsUsage)}
}

// splitDescription takes a description apart into the example at its head, one
// or more commands with their comments up to the first blank line, and the
// paragraphs behind it.
func splitDescription(text string) (example []string, about []paragraph) {
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(strings.Trim(block, "\n"), "\n")
		if len(about) == 0 && isExample(lines) {
			if len(example) > 0 {
				example = append(example, "")
			}
			for _, line := range lines {
				example = append(example, strings.TrimPrefix(strings.TrimSpace(line), "$ "))
			}
			continue
		}
		about = append(about, newParagraph(lines))
	}
	return example, about
}

// newParagraph takes the indentation off, which the first line has too.
func newParagraph(lines []string) paragraph {
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " \t"))]
	if indent == "" {
		return paragraph{lines: lines}
	}
	p := paragraph{fixed: true}
	for _, line := range lines {
		p.lines = append(p.lines, strings.TrimPrefix(line, indent))
	}
	return p
}

func isExample(lines []string) bool {
	for _, line := range lines {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		if strings.HasPrefix(line, "#") {
			continue
		}
		return strings.HasPrefix(line, "crpki ") || strings.Contains(line, "| crpki ")
	}
	return false
}

func describeCommands(commands []*cli.Command) []commandDoc {
	var docs []commandDoc
	for _, c := range commands {
		if !c.Hidden {
			docs = append(docs, commandDoc{c.Name, c.Usage})
		}
	}
	return docs
}

// helpFlag is understood by the parser, at every place; here it is only shown.
var helpFlag = &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show this help"}

func globalFlags(app *cli.App) []cli.Flag {
	return append([]cli.Flag{helpFlag}, app.Flags...)
}

// groups sorts flags into their categories, in the order in which these first
// come up. Those without one are last.
func groups(flags []cli.Flag) []flagGroup {
	var all []flagGroup
	var rest []cli.Flag
	for _, f := range flags {
		c, ok := f.(cli.CategorizableFlag)
		if !ok || c.GetCategory() == "" {
			rest = append(rest, f)
			continue
		}
		i := slices.IndexFunc(all, func(g flagGroup) bool { return g.title == c.GetCategory() })
		if i < 0 {
			i, all = len(all), append(all, flagGroup{title: c.GetCategory()})
		}
		all[i].flags = append(all[i].flags, describe([]cli.Flag{f})...)
	}
	title := "Flags"
	if len(all) > 0 {
		title = "Other flags"
	}
	all = append(all, flagGroup{title, describe(rest)})
	return slices.DeleteFunc(all, func(g flagGroup) bool { return len(g.flags) == 0 })
}

func describe(flags []cli.Flag) []flagDoc {
	var docs []flagDoc
	for _, f := range flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok || !isVisible(f) {
			continue
		}
		doc := flagDoc{names: flagNames(f), text: strings.ReplaceAll(d.GetUsage(), "`", "")}
		if v, ok := f.(valued); ok {
			doc.notes = append(doc.notes, "one of "+strings.Join(v.choices(), ", "))
		}
		if isSlice(f) {
			doc.notes = append(doc.notes, "repeatable")
		}
		if def := strings.Trim(d.GetDefaultText(), `"`); takesValue(f) && !slices.Contains([]string{"", "0", "0s"}, def) {
			doc.notes = append(doc.notes, "default "+def)
		}
		if s := shorthands(f); len(s) > 0 {
			doc.notes = append(doc.notes, "--"+s[0]+" is short for --output "+s[0])
		}
		if f != helpFlag {
			doc.env = envVar(f)
		}
		docs = append(docs, doc)
	}
	return docs
}

// flagNames is "-o, --output FORMAT": short names first.
func flagNames(f cli.Flag) string {
	var short, long []string
	for _, name := range namesOf(f) {
		if len(name) == 1 {
			short = append(short, "-"+name)
		} else {
			long = append(long, "--"+name)
		}
	}
	names := strings.Join(append(short, long...), ", ")
	if takesValue(f) {
		names += " " + placeholder(f)
	}
	return names
}

// help answers --help, -h and `crpki help …` on standard output.
func (e *env) help(app *cli.App, line commandLine) error {
	// The other flags are not looked at: they may be what help is needed for.
	noColor := slices.ContainsFunc(line.flags, func(f setFlag) bool { return namesOf(f.flag)[0] == "no-color" })
	w := &helpWriter{w: e.stdout, width: min(max(e.width, 60), 100)}
	w.color = e.colorWanted() && !noColor && e.getenv("CRPKI_NO_COLOR") == ""
	if topic := helpTopic(line.topic); topic != nil {
		topic(w, app)
	} else {
		w.page(newPage(app, line.path))
	}
	return nil // a failed write is found when standard output is flushed
}

// noCommand answers a line that stops before a command: the whole help for the
// bare program, one line for a command that has commands below it.
func (e *env) noCommand(app *cli.App, path []*cli.Command) error {
	if len(path) > 0 {
		var names []string
		for _, c := range describeCommands(path[len(path)-1].Subcommands) {
			names = append(names, c.name)
		}
		name := commandName(app, path)
		return withHint(usageErrorf("%s needs one of: %s", name, strings.Join(names, ", ")), name+" --help shows an example")
	}
	w := &helpWriter{w: e.stderr, width: min(max(e.width, 60), 100)}
	w.page(newPage(app, nil))
	return &exitError{exitUsage, errSilent}
}

// helpTopic finds the page that `crpki help TOPIC` prints for a topic that is
// no command.
func helpTopic(name string) func(*helpWriter, *cli.App) {
	switch name {
	case "exit-codes":
		return func(w *helpWriter, _ *cli.App) { w.exitCodes() }
	case "environment":
		return func(w *helpWriter, app *cli.App) { w.environment(app) }
	}
	return nil
}

// helpTopics are the names that helpTopic knows.
var helpTopics = [...]string{"exit-codes", "environment"}

const environmentRule = "Every flag can be set by an environment variable: CRPKI_ and the flag's long name in " +
	"capitals, with _ for each -. A flag on the command line wins over it. An empty variable counts as unset. " +
	"Flags that may be repeated take several values, separated by commas; flags that are on or off take true or false."

// helpWriter prints pages on a terminal.
type helpWriter struct {
	w     io.Writer
	width int
	color bool
}

func (w *helpWriter) page(p page) {
	w.printf("%s - %s\n", w.bold(p.name), p.usage)
	if len(p.example) > 0 {
		w.title("Example")
		for _, line := range p.example {
			w.printf("%s\n", strings.TrimRight("  "+line, " "))
		}
	}
	for _, par := range p.about {
		w.printf("\n")
		w.paragraph(par)
	}
	w.title("Usage")
	for _, line := range p.synopsis {
		w.printf("  %s\n", line)
	}
	if len(p.commands) > 0 {
		w.title("Commands")
		var rows [][2]string
		for _, c := range p.commands {
			rows = append(rows, [2]string{c.name, c.usage})
		}
		w.table(rows)
	}
	var all [][2]string // so that all groups have the same columns
	for _, g := range append(p.flags, p.global) {
		all = append(all, g.rows()...)
	}
	for _, g := range append(p.flags, p.global) {
		w.title(g.title)
		w.rows(g.rows(), w.column(all))
	}
	if p.root {
		w.exitCodes()
		w.printf("\n")
		w.wrap("", "See "+p.name+" COMMAND --help, and "+p.name+" help environment for the variables that set flags.")
	}
}

func (g flagGroup) rows() [][2]string {
	var rows [][2]string
	for _, f := range g.flags {
		rows = append(rows, [2]string{alignShort(f.names), f.sentence()})
	}
	return rows
}

// alignShort leaves room where a flag has no short name, so that the long ones
// stand below each other.
func alignShort(names string) string {
	if strings.HasPrefix(names, "--") {
		return "    " + names
	}
	return names
}

// sentence is the flag's text with all notes.
func (f flagDoc) sentence() string {
	s := f.text
	if len(f.notes) > 0 {
		s += " (" + strings.Join(f.notes, "; ") + ")"
	}
	if f.env != "" {
		s += " [" + f.env + "]"
	}
	return s
}

func (w *helpWriter) exitCodes() {
	w.title("Exit codes")
	var rows [][2]string
	for _, row := range exitCodes {
		rows = append(rows, [2]string{row.code, row.meaning})
	}
	w.table(rows)
}

func (w *helpWriter) environment(app *cli.App) {
	w.wrap("", environmentRule)
	w.title("Variables of every command")
	var rows [][2]string
	for _, f := range describe(app.Flags) {
		rows = append(rows, [2]string{f.env, f.text})
	}
	w.table(rows)
	w.title("Variables of single commands")
	w.table(variables(app))
	w.title("Others that crpki heeds")
	w.table([][2]string{{"NO_COLOR", "no colour when set to anything (no-color.org)"}})
}

// variables says of each variable in which commands it sets which flag.
func variables(app *cli.App) [][2]string {
	var names []string
	flags, commands := map[string]string{}, map[string][]string{}
	walk(app, func(path []*cli.Command) {
		if len(path) == 0 {
			return
		}
		for _, f := range path[len(path)-1].Flags {
			if !isVisible(f) {
				continue
			}
			name := envVar(f)
			if commands[name] == nil {
				names = append(names, name)
			}
			flags[name] = usage(f)
			commands[name] = append(commands[name], strings.TrimPrefix(commandName(app, path), app.Name+" "))
		}
	})
	slices.Sort(names)
	var rows [][2]string
	for _, name := range names {
		rows = append(rows, [2]string{name, flags[name] + " of " + strings.Join(commands[name], ", ")})
	}
	return rows
}

func (w *helpWriter) title(text string) { w.printf("\n%s\n", w.bold(text+":")) }

func (w *helpWriter) bold(text string) string {
	if w.color {
		return "\x1b[1m" + text + "\x1b[0m"
	}
	return text
}

// printf ignores a failed write: standard output remembers it until it is
// flushed, and there it counts.
func (w *helpWriter) printf(format string, args ...any) { fmt.Fprintf(w.w, format, args...) }

// table prints rows in two columns.
func (w *helpWriter) table(rows [][2]string) { w.rows(rows, w.column(rows)) }

// column is the width of the first column: that of the widest text which
// leaves enough for the second.
func (w *helpWriter) column(rows [][2]string) int {
	column := 0
	for _, row := range rows {
		if n := utf8.RuneCountInString(row[0]); n <= w.width/3 {
			column = max(column, n)
		}
	}
	return column
}

// rows prints two columns; a text that is too long goes on below itself. Where
// the first is too wide, the second begins on the next line.
func (w *helpWriter) rows(rows [][2]string, column int) {
	indent := strings.Repeat(" ", column+4)
	for _, row := range rows {
		head := "  " + row[0]
		if n := utf8.RuneCountInString(head); n+2 <= len(indent) {
			head += strings.Repeat(" ", len(indent)-n)
		} else {
			head += "\n" + indent
		}
		w.printf("%s%s\n", head, strings.TrimLeft(fill(indent, row[1], w.width), " "))
	}
}

func (w *helpWriter) paragraph(p paragraph) {
	if p.fixed {
		w.printf("  %s\n", strings.Join(p.lines, "\n  "))
		return
	}
	w.wrap("", strings.Join(p.lines, " "))
}

func (w *helpWriter) wrap(indent, text string) { w.printf("%s\n", fill(indent, text, w.width)) }

// fill breaks text into lines of at most width, each begun with indent. A word
// that is longer stays whole.
func fill(indent, text string, width int) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
