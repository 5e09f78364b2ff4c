package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/rules"
)

// What a rule says to do can be typed: the command and its flags exist.
func TestRulesSayWhatCanBeTyped(t *testing.T) {
	app := newApp(testEnv())
	for _, r := range rules.All() {
		if r.Doc.Fix == "" {
			continue
		}
		words := strings.Fields(r.Doc.Fix)[1:]
		commands, known := app.Commands, map[string]bool{}
		for len(words) > 0 {
			c := find(commands, words[0])
			if c == nil {
				break
			}
			known = map[string]bool{}
			for _, f := range c.Flags {
				for _, name := range f.Names() {
					known[name] = true
				}
			}
			words, commands = words[1:], c.Subcommands
		}
		assert.NotEmpty(t, known, "%s: %s: no such command", r.ID, r.Doc.Fix)
		for _, word := range words {
			if name, ok := strings.CutPrefix(word, "--"); ok {
				name, _, _ = strings.Cut(name, "=")
				assert.True(t, known[name], "%s: %s: no flag --%s", r.ID, r.Doc.Fix, name)
			}
		}
	}
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}
