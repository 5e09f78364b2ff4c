package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// The scripts for the shells know no command and no flag. At each TAB they ask
// the program: `crpki __complete WORD… =CURRENT`, where the words are those
// between the program and the cursor. It answers with a line that says what
// else the shell should offer (":none", ":files" or ":dirs") and a line for
// each candidate: the word, a tab, what it means. The "=" before the current
// word keeps an empty one from getting lost (PowerShell drops those).

var (
	//go:embed completion/crpki.bash
	bashScript string
	//go:embed completion/crpki.zsh
	zshScript string
	//go:embed completion/crpki.fish
	fishScript string
	//go:embed completion/crpki.ps1
	powershellScript string
)

// completeWord is the command by which the scripts ask.
const completeWord = "__complete"

// shells are the shells with a script, and how to load it: now, and for good.
var shells = [...]struct {
	name         string
	script       *string
	once, always string
}{
	{
		"bash", &bashScript,
		"source <(crpki completion bash)",
		"crpki completion bash > ~/.local/share/bash-completion/completions/crpki",
	},
	{
		"zsh", &zshScript,
		"source <(crpki completion zsh)",
		`crpki completion zsh > "${fpath[1]}/_crpki"`,
	},
	{
		"fish", &fishScript,
		"crpki completion fish | source",
		"crpki completion fish > ~/.config/fish/completions/crpki.fish",
	},
	{
		"powershell", &powershellScript,
		"crpki completion powershell | Out-String | Invoke-Expression",
		"crpki completion powershell >> $PROFILE",
	},
}

func completionCommand(e *env) *cli.Command {
	group := &cli.Command{
		Name:  "completion",
		Usage: "print the completion script for a shell",
		Description: `crpki completion bash > ~/.local/share/bash-completion/completions/crpki

The script completes commands, flags, the values of flags that have a fixed
set of them, and files.`,
	}
	for _, shell := range shells {
		group.Subcommands = append(group.Subcommands, &cli.Command{
			Name:  shell.name,
			Usage: "print the completion script for " + shell.name,
			Description: "# for good, in every new shell\n" + shell.always + "\n\n" +
				"To try it in the current shell only:\n\n    " + shell.once,
			Action: func(*cli.Context) error {
				_, err := io.WriteString(e.stdout, *shell.script)
				return err
			},
		})
	}
	return group
}

// What a shell offers besides the candidates.
const (
	offerNone  = ":none"
	offerFiles = ":files"
	offerDirs  = ":dirs"
)

// completion is the answer to a TAB.
type completion struct {
	offer      string
	candidates []candidate
}

type candidate struct{ word, about string }

// complete answers words, of which the last is the current one.
func (e *env) complete(app *cli.App, words []string) error {
	if len(words) == 0 {
		return usageErrorf("%s is for completion scripts: see crpki completion --help", completeWord)
	}
	last := len(words) - 1
	c := completeWords(app, words[:last], strings.TrimPrefix(words[last], "="))
	fmt.Fprintln(e.stdout, c.offer)
	for _, cand := range c.candidates {
		fmt.Fprintf(e.stdout, "%s\t%s\n", cand.word, cand.about)
	}
	return nil // a failed write is found when standard output is flushed
}

// completeWords finds what may stand where current is, behind words.
func completeWords(app *cli.App, words []string, current string) completion {
	p := &parser{app: app, tokens: words}
	pending := p.parseUnfinished()
	name, value, hasValue := strings.Cut(strings.TrimLeft(current, "-"), "=")
	switch {
	case pending != nil:
		return flagValues(pending, "", current)
	case slices.Contains(words, "--"):
		return p.completeArg()
	case current == "-": // a flag, or standard input
		c := p.completeFlag(current)
		c.offer = p.completeArg().offer
		return c
	case strings.HasPrefix(current, "-") && hasValue:
		if found, ok := p.lookup(name); ok && found.value == "" {
			return flagValues(found.flag, strings.TrimSuffix(current, value), value)
		}
		return completion{offer: offerNone}
	case strings.HasPrefix(current, "-"):
		return p.completeFlag(current)
	case len(p.subcommands()) > 0:
		return p.completeCommand(current)
	case current == "" && !p.takesFiles():
		return p.completeFlag(current)
	default:
		return p.completeArg()
	}
}

// parseUnfinished reads all words and passes over what is wrong in them. When
// the last one is a flag that needs a value, it returns that.
func (p *parser) parseUnfinished() (pending cli.Flag) {
	for p.next < len(p.tokens) {
		v, ok := errors.AsType[*valueError](p.parse())
		if ok && p.next == len(p.tokens) && p.tokens[p.next-1] != "--" {
			pending = v.flag
		}
	}
	return pending
}

// takesFiles is true when the command takes arguments that are files, or more
// of them.
func (p *parser) takesFiles() bool {
	if len(p.line.path) == 0 {
		return false
	}
	argsUsage := p.line.path[len(p.line.path)-1].ArgsUsage
	_, most := arity(argsUsage)
	return len(p.line.args) < most && argsUsage != "[-]" && !strings.Contains(argsUsage, "COMMAND")
}

// completeArg leaves arguments to the shell.
func (p *parser) completeArg() completion {
	if p.takesFiles() {
		return completion{offer: offerFiles}
	}
	return completion{offer: offerNone}
}

func (p *parser) completeCommand(current string) completion {
	c := completion{offer: offerNone}
	for _, command := range p.subcommands() {
		if !command.Hidden {
			c.add(current, command.Name, command.Usage)
		}
	}
	if p.line.help && len(p.line.path) == 0 {
		for _, topic := range helpTopics {
			c.add(current, topic, "")
		}
	} else {
		c.add(current, "help", "show help")
	}
	return c
}

// completeFlag offers the flags that the command takes, less those that are
// given and count once.
func (p *parser) completeFlag(current string) completion {
	c := completion{offer: offerNone}
	for depth := len(p.line.path); depth >= 0; depth-- {
		for _, f := range p.flagsAt(depth) {
			given := slices.ContainsFunc(p.line.flags, func(s setFlag) bool { return s.flag == f })
			d, ok := f.(cli.DocGenerationFlag)
			if !ok || !isVisible(f) || given && !isSlice(f) {
				continue
			}
			about := strings.ReplaceAll(d.GetUsage(), "`", "")
			for _, name := range namesOf(f) {
				c.add(current, dashed(name), about)
			}
			for _, name := range shorthands(f) {
				c.add(current, dashed(name), "short for --output "+name)
			}
		}
	}
	c.add(current, "--help", helpFlag.Usage)
	return c
}

// flagValues offers the values of f; prefix ("--output=") stands before each.
func flagValues(f cli.Flag, prefix, current string) completion {
	c := completion{offer: offerNone}
	switch v := f.(type) {
	case valued:
		for _, value := range v.choices() {
			c.add(prefix+current, prefix+value, "")
		}
	case *cli.BoolFlag:
		c.add(prefix+current, prefix+"true", "")
		c.add(prefix+current, prefix+"false", "")
	default:
		if placeholder(f) == "FOLDER" {
			c.offer = offerDirs
		} else if takesFile(f) {
			c.offer = offerFiles
		}
	}
	return c
}

// add offers word if it goes on from current.
func (c *completion) add(current, word, about string) {
	if strings.HasPrefix(word, current) {
		about, _, _ = strings.Cut(about, "\n")
		c.candidates = append(c.candidates, candidate{word, about})
	}
}
