package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// The library stops looking for flags at the first argument: in `crpki inspect
// a.pem --json` it would take --json for a file. So the command line is
// understood here, by the library's own definitions. The same pass takes values
// from the environment, checks them, and finds what the user meant with a misspelt
// word.

// commandLine is an argument list, understood.
type commandLine struct {
	// path leads from below the root to the command meant; empty for the root.
	path  []*cli.Command
	flags []setFlag
	args  []string
	// help is true when help was asked for; topic is a word behind `help` that
	// is no command.
	help  bool
	topic string
}

// setFlag is a flag with one value, from the command line or the environment.
type setFlag struct {
	flag  cli.Flag
	value string
	// source is how the user said it: "--days" or "CRPKI_DAYS".
	source string
	// depth is 0 for a global flag, else the length of the path to its command.
	depth int
}

// errNoCommand is a command line that ends before it names a command.
var errNoCommand = errors.New("no command given")

// parseArgs understands args (args[0] is the program) by the definitions in
// app. Flags may stand before or behind the arguments, global ones anywhere;
// "--" ends the flags. A flag that is not given takes its value from getenv.
func parseArgs(app *cli.App, args []string, getenv func(string) string) (commandLine, error) {
	p := &parser{app: app, tokens: args[min(1, len(args)):]}
	err := p.parse()
	if p.line.help || err != nil && slices.ContainsFunc(p.tokens, isHelpFlag) {
		p.line.help = true
		return p.line, p.topicError()
	}
	if err == nil {
		err = p.complete(getenv)
	}
	return p.line, err
}

// context is what the command's action gets: the library's view of the line. Its
// own way there parses the line again, prepares help and compares each flag with
// each, which takes longer than most commands run.
func (l commandLine) context(ctx context.Context, app *cli.App) (*cli.Context, error) {
	parent := &cli.Context{Context: ctx}
	root := &cli.Command{Name: app.Name, Flags: app.Flags}
	for depth, command := range append([]*cli.Command{root}, l.path...) {
		set := flag.NewFlagSet(command.Name, flag.ContinueOnError)
		set.SetOutput(io.Discard)
		for _, f := range command.Flags {
			l.fill(f)
			if err := f.Apply(set); err != nil {
				return nil, usageErrorf("%s: %w", dashed(namesOf(f)[0]), err)
			}
		}
		for _, f := range l.flags {
			if f.depth != depth || isSlice(f.flag) {
				continue
			}
			if err := set.Set(namesOf(f.flag)[0], f.value); err != nil {
				return nil, usageErrorf("%s: %w", f.source, err)
			}
		}
		if depth == len(l.path) {
			if err := set.Parse(append([]string{"--"}, l.args...)); err != nil {
				return nil, err
			}
		}
		parent = cli.NewContext(app, set, parent)
		parent.Command = command
	}
	return parent, nil
}

// fill gives a flag that may be repeated its values: the library would take
// commas in them for separators.
func (l commandLine) fill(f cli.Flag) {
	var slice *cli.StringSliceFlag
	switch f := f.(type) {
	case *cli.StringSliceFlag:
		slice = f
	case *choiceSlice:
		slice = f.StringSliceFlag
	default:
		return
	}
	var values []string
	for _, set := range l.flags {
		if set.flag != f {
			continue
		}
		if !slice.KeepSpace {
			set.value = strings.TrimSpace(set.value)
		}
		values = append(values, set.value)
	}
	if values != nil {
		slice.Value, slice.HasBeenSet = cli.NewStringSlice(values...), true
	}
}

// tellVariables adds to an error that speaks of a flag from which environment
// variable its value came: the user may not remember having set it.
func (l commandLine) tellVariables(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, f := range l.flags {
		name := "--" + namesOf(f.flag)[0]
		if f.source != envVar(f.flag) || !mentions(text, name) {
			continue
		}
		err = withHint(err, fmt.Sprintf("%s is set by the environment variable %s", name, f.source))
	}
	return err
}

// mentions reports whether text holds word, and not as the beginning of a
// longer one (--ca, but not --ca-key).
func mentions(text, word string) bool {
	for {
		_, rest, ok := strings.Cut(text, word)
		if !ok {
			return false
		}
		if rest == "" || rest[0] != '-' && (rest[0] < 'a' || rest[0] > 'z') {
			return true
		}
		text = rest
	}
}

// parser reads tokens from left to right.
type parser struct {
	app    *cli.App
	tokens []string
	next   int
	line   commandLine
}

func (p *parser) parse() error {
	for p.next < len(p.tokens) {
		token := p.tokens[p.next]
		p.next++
		var err error
		switch {
		case token == "--":
			for _, rest := range p.tokens[p.next:] {
				if err = p.word(rest, true); err != nil {
					return err
				}
			}
			p.next = len(p.tokens)
		case isHelpFlag(token):
			p.line.help = true
		case len(token) > 1 && token[0] == '-':
			err = p.flag(token)
		default:
			err = p.word(token, false)
		}
		if err != nil {
			return err
		}
	}
	// `crpki gen help`; a file of that name is ./help.
	if len(p.line.args) == 1 && p.line.args[0] == "help" && !slices.Contains(p.tokens, "--") {
		p.line.help, p.line.args = true, nil
	}
	return nil
}

func isHelpFlag(token string) bool { return token == "--help" || token == "-h" || token == "-help" }

// subcommands are the commands that may come next; none behind an argument.
func (p *parser) subcommands() []*cli.Command {
	if len(p.line.args) > 0 {
		return nil
	}
	if n := len(p.line.path); n > 0 {
		return p.line.path[n-1].Subcommands
	}
	return p.app.Commands
}

// name is how the command meant so far is called: "crpki gen".
func (p *parser) name() string { return commandName(p.app, p.line.path) }

func commandName(app *cli.App, path []*cli.Command) string {
	name := app.Name
	for _, c := range path {
		name += " " + c.Name
	}
	return name
}

// word takes a token that is no flag: the next command, or an argument.
func (p *parser) word(token string, behindDashes bool) error {
	commands := p.subcommands()
	switch i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(token) }); {
	case i >= 0:
		p.line.path = append(p.line.path, commands[i])
	case len(commands) > 0 && token == "help" && !behindDashes:
		p.line.help = true
	case p.line.help:
		p.line.topic = token
	case len(commands) > 0 && !p.takesArgument():
		return p.unknownCommand(token)
	default:
		p.line.args = append(p.line.args, token)
	}
	return nil
}

// takesArgument: a command with others below it may take arguments of its own
// (crpki secret NAME, crpki secret list).
func (p *parser) takesArgument() bool {
	n := len(p.line.path)
	return n > 0 && p.line.path[n-1].ArgsUsage != ""
}

func (p *parser) unknownCommand(token string) error {
	var names []string
	for _, c := range p.subcommands() {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	err := usageErrorf("%q is not a command of %s", token, p.name())
	if near := closest(token, names); near != "" {
		return withHint(err, fmt.Sprintf("did you mean %q?", p.name()+" "+near))
	}
	return withHint(err, fmt.Sprintf("%s --help lists the commands", p.name()))
}

// topicError tells of a word behind `help` that names nothing.
func (p *parser) topicError() error {
	topic := p.line.topic
	if topic == "" || len(p.line.path) == 0 && helpTopic(topic) != nil {
		return nil
	}
	if len(p.subcommands()) == 0 { // `crpki gen a.pem --help` is a wish for help
		p.line.topic = ""
		return nil
	}
	return p.unknownCommand(topic)
}

// flag takes a token that begins with a dash, and the next one when the flag
// needs a value that the token does not hold.
func (p *parser) flag(token string) error {
	body := strings.TrimPrefix(strings.TrimPrefix(token, "-"), "-")
	name, value, hasValue := strings.Cut(body, "=")
	if found, ok := p.lookup(name); ok {
		return p.set(found, token[:len(token)-len(body)]+name, value, hasValue)
	}
	if strings.HasPrefix(token, "--") || !p.isCluster(body) {
		return p.unknownFlag(token, name)
	}
	// -qo json, -ojson, -qo=json
	for body != "" {
		found, _ := p.lookup(body[:1])
		source := "-" + body[:1]
		body = body[1:]
		if takesValue(found.flag) && body != "" {
			return p.set(found, source, strings.TrimPrefix(body, "="), true)
		}
		if err := p.set(found, source, "", false); err != nil {
			return err
		}
	}
	return nil
}

// isCluster reports whether body is a row of one-letter flags, of which the
// last may take a value.
func (p *parser) isCluster(body string) bool {
	for i := range body {
		found, ok := p.lookup(body[i : i+1])
		if !ok {
			return false
		}
		if takesValue(found.flag) {
			return true
		}
	}
	return body != ""
}

// flagName is a name by which a flag may be called.
type flagName struct {
	flag  cli.Flag
	depth int
	// value is what the name alone stands for: "json" for --json.
	value string
}

// lookup finds the flag that name means here: one of the command, or of the
// commands above it.
func (p *parser) lookup(name string) (flagName, bool) {
	for depth := len(p.line.path); depth >= 0; depth-- {
		for _, f := range p.flagsAt(depth) {
			if slices.Contains(namesOf(f), name) {
				return flagName{flag: f, depth: depth}, true
			}
		}
	}
	for depth := len(p.line.path); depth >= 0; depth-- {
		for _, f := range p.flagsAt(depth) {
			if slices.Contains(shorthands(f), name) {
				return flagName{f, depth, name}, true
			}
		}
	}
	return flagName{}, false
}

func (p *parser) flagsAt(depth int) []cli.Flag {
	if depth == 0 {
		return p.app.Flags
	}
	return p.line.path[depth-1].Flags
}

// set notes the flag's value, which may be the next token.
func (p *parser) set(found flagName, source, value string, hasValue bool) error {
	switch {
	case found.value != "":
		if hasValue {
			return usageErrorf("%s takes no value: it means --output %s", source, found.value)
		}
		value = found.value
	case !takesValue(found.flag):
		if !hasValue {
			value = "true"
		}
	case !hasValue:
		if p.next == len(p.tokens) || p.tokens[p.next] == "--" {
			return &valueError{found.flag, usageErrorf("%s needs a value: %s %s", source, source, placeholder(found.flag))}
		}
		value = p.tokens[p.next]
		if p.isFlag(value) {
			return withHint(usageErrorf("%s needs a value, but the flag %s follows", source, value),
				fmt.Sprintf("if %s is meant as its value, write %s=%s", value, source, value))
		}
		p.next++
	}
	f := setFlag{found.flag, value, source, found.depth}
	if isBlank(found.flag, value) {
		return emptyError(f)
	}
	if err := checkValue(f); err != nil {
		return err
	}
	p.line.flags = append(p.line.flags, f)
	return nil
}

// isBlank reports whether a value says nothing. What says nothing is never taken
// for "no restriction" or "the default": most often it is a shell variable that
// is not set, in --only "$NAMES".
func isBlank(f cli.Flag, value string) bool {
	blank := " \t\r\n"
	if isSlice(f) {
		blank += ","
	}
	return takesValue(f) && strings.Trim(value, blank) == ""
}

func emptyError(f setFlag) error {
	return usageErrorf("%s: empty; is a shell variable unset?", f.source)
}

// valueError is a flag at the end of the line that lacks its value.
type valueError struct {
	flag cli.Flag
	err  error
}

func (e *valueError) Error() string { return e.err.Error() }
func (e *valueError) Unwrap() error { return e.err }

// isFlag reports whether token would be taken for a flag.
func (p *parser) isFlag(token string) bool {
	if len(token) < 2 || token[0] != '-' {
		return false
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(token[1:], "-"), "=")
	_, ok := p.lookup(name)
	return ok || isHelpFlag(token)
}

func (p *parser) unknownFlag(token, name string) error {
	written, _, _ := strings.Cut(token, "=")
	if len(p.line.path) == 0 {
		err := usageErrorf("%s is not a global flag: write it behind the command", written)
		return withHint(err, p.owner(token, name))
	}
	var names []string
	for depth := len(p.line.path); depth >= 0; depth-- {
		for _, f := range p.flagsAt(depth) {
			if isVisible(f) {
				names = append(append(names, namesOf(f)...), shorthands(f)...)
			}
		}
	}
	err := usageErrorf("%s is not a flag of %s", written, p.name())
	if near := closest(name, append(names, "help")); near != "" {
		return withHint(err, fmt.Sprintf("did you mean %s?", dashed(near)))
	}
	return withHint(err, fmt.Sprintf("%s --help lists the flags", p.name()))
}

// owner shows the flag in its place, with the value that it has: behind the
// command that the rest of the line names, else behind one that has it.
func (p *parser) owner(token, name string) string {
	example := ""
	for _, c := range p.subcommands() {
		written := ""
		for _, f := range c.Flags {
			if slices.Contains(namesOf(f), name) {
				written = p.rewritten(f, token, name)
			} else if slices.Contains(shorthands(f), name) {
				written = dashed(name)
			}
		}
		if written == "" || c.Hidden {
			continue
		}
		if named := slices.ContainsFunc(p.tokens[p.next:], c.HasName); named || example == "" {
			example = fmt.Sprintf("for example: %s %s %s", p.name(), c.Name, written)
			if named {
				break
			}
		}
	}
	if example == "" {
		return p.name() + " --help lists the commands and the global flags"
	}
	return example
}

// rewritten is a flag as the user wrote it, with a placeholder where the value
// is missing.
func (p *parser) rewritten(f cli.Flag, token, name string) string {
	_, value, ok := strings.Cut(token, "=")
	if !ok && p.next < len(p.tokens) {
		value = p.tokens[p.next]
		isCommand := slices.ContainsFunc(p.subcommands(), func(c *cli.Command) bool { return c.HasName(value) })
		ok = !isCommand && !strings.HasPrefix(value, "-")
	}
	switch {
	case !takesValue(f):
		return dashed(name)
	case !ok || value == "":
		return usage(f)
	}
	return dashed(name) + " " + shellQuote(value)
}

// complete adds what the environment says, and refuses a line that lacks
// something or has too much.
func (p *parser) complete(getenv func(string) string) error {
	if len(p.subcommands()) > 0 && !p.takesArgument() {
		return errNoCommand
	}
	if err := p.checkArgs(); err != nil {
		return err
	}
	for depth := 0; depth <= len(p.line.path); depth++ {
		for _, f := range p.flagsAt(depth) {
			if slices.ContainsFunc(p.line.flags, func(s setFlag) bool { return s.flag == f }) {
				continue
			}
			if err := p.fromEnv(f, depth, getenv); err != nil {
				return err
			}
		}
	}
	return nil
}

// fromEnv takes the value of a flag that is not on the command line from its
// environment variable. An empty variable counts as unset; commas separate the
// values of a flag that may be repeated.
func (p *parser) fromEnv(f cli.Flag, depth int, getenv func(string) string) error {
	name := envVar(f)
	value := getenv(name)
	if value == "" {
		if r, ok := f.(cli.RequiredFlag); ok && r.IsRequired() {
			return withHint(usageErrorf("%s is missing", usage(f)), p.name()+" --help shows an example")
		}
		return nil
	}
	if s := (setFlag{f, value, name, depth}); isBlank(f, value) {
		return emptyError(s)
	}
	values := []string{value}
	if isSlice(f) {
		values = strings.Split(value, ",")
	}
	for _, v := range values {
		if v = strings.TrimSpace(v); v == "" {
			continue
		}
		s := setFlag{f, v, name, depth}
		if err := checkValue(s); err != nil {
			return err
		}
		p.line.flags = append(p.line.flags, s)
	}
	return nil
}

// checkArgs holds the number of arguments against ArgsUsage: "CSR" is one,
// "[FILE]" one or none, "FILE..." one or more, "" none.
func (p *parser) checkArgs() error {
	command := p.line.path[len(p.line.path)-1]
	least, most := arity(command.ArgsUsage)
	given := p.line.args
	switch {
	case len(given) > most && most == 0:
		return withHint(usageErrorf("%s takes no arguments, but got %s", p.name(), quoted(given)), p.name()+" --help shows an example")
	case len(given) > most:
		return usageErrorf("%s takes %s, but got %s", p.name(), command.ArgsUsage, quoted(given))
	case len(given) < least:
		return withHint(usageErrorf("%s needs %s", p.name(), command.ArgsUsage), p.name()+" --help shows an example")
	}
	return nil
}

// arity reads ArgsUsage.
func arity(argsUsage string) (least, most int) {
	for word := range strings.FieldsSeq(argsUsage) {
		most++
		if !strings.HasPrefix(word, "[") {
			least++
		}
		if strings.Contains(word, "...") {
			most = 1 << 20
		}
	}
	return least, most
}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = strconv.Quote(w)
	}
	return strings.Join(q, " ")
}
