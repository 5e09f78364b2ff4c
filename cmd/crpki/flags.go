package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// What the parser, help and completion ask of a flag's definition.

// envVar is the environment variable of a flag, by one rule for all: --out-dir
// is CRPKI_OUT_DIR, in every command that has it.
func envVar(f cli.Flag) string {
	return "CRPKI_" + strings.ToUpper(strings.ReplaceAll(namesOf(f)[0], "-", "_"))
}

// namesOf are the names of a flag, the first one is its own. It is f.Names
// without the regular expressions by which the library looks for names of its
// first version: they took longer than all else that is done with flags.
func namesOf(f cli.Flag) []string {
	switch f := f.(type) {
	case *cli.StringFlag:
		return withAliases(f.Name, f.Aliases)
	case *cli.BoolFlag:
		return withAliases(f.Name, f.Aliases)
	case *cli.StringSliceFlag:
		return withAliases(f.Name, f.Aliases)
	case *cli.IntFlag:
		return withAliases(f.Name, f.Aliases)
	case *choice:
		return withAliases(f.Name, f.Aliases)
	case *choiceSlice:
		return withAliases(f.Name, f.Aliases)
	}
	return f.Names()
}

func withAliases(name string, aliases []string) []string { return append([]string{name}, aliases...) }

// takesValue is false for flags that are on or off.
func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// isSlice is true for flags that may be repeated.
func isSlice(f cli.Flag) bool {
	s, ok := f.(cli.DocGenerationSliceFlag)
	return ok && s.IsSliceFlag()
}

func isVisible(f cli.Flag) bool {
	v, ok := f.(cli.VisibleFlag)
	return !ok || v.IsVisible()
}

// dashed is a flag's name as it is written.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// usage is how to write a flag: "--out-dir FOLDER".
func usage(f cli.Flag) string {
	s := dashed(namesOf(f)[0])
	if takesValue(f) {
		s += " " + placeholder(f)
	}
	return s
}

// placeholder is the word in backquotes in the flag's usage text.
func placeholder(f cli.Flag) string {
	if d, ok := f.(cli.DocGenerationFlag); ok {
		if parts := strings.SplitN(d.GetUsage(), "`", 3); len(parts) == 3 {
			return parts[1]
		}
	}
	return "VALUE"
}

// takesFile is true where completion should offer files.
func takesFile(f cli.Flag) bool {
	switch f := f.(type) {
	case *cli.StringFlag:
		return f.TakesFile
	case *cli.StringSliceFlag:
		return f.TakesFile
	case *cli.PathFlag:
		return true
	}
	return false
}

// shorthands are the formats that may be written as flags of their own: --json
// for --output json.
func shorthands(f cli.Flag) []string {
	if c, ok := f.(*choice); ok && c.Name == "output" {
		return slices.DeleteFunc(slices.Clone(c.values), func(v string) bool { return v == c.Value })
	}
	return nil
}

// choiceFlag makes f refuse every value but these, and help and completion show
// them.
func choiceFlag(f *cli.StringFlag, values ...string) cli.Flag { return &choice{f, values} }

// choicesFlag is choiceFlag for a flag that may be repeated, or hold several
// values with commas between.
func choicesFlag(f *cli.StringSliceFlag, values ...string) cli.Flag { return &choiceSlice{f, values} }

// valued is a flag with a fixed set of values.
type valued interface{ choices() []string }

type choice struct {
	*cli.StringFlag
	values []string
}

func (c *choice) choices() []string { return c.values }

type choiceSlice struct {
	*cli.StringSliceFlag
	values []string
}

func (c *choiceSlice) choices() []string { return c.values }

// checkValue refuses a value that the flag cannot hold.
func checkValue(s setFlag) error {
	if v, ok := s.flag.(valued); ok {
		if err := checkChoice(s, v.choices()); err != nil {
			return err
		}
	}
	scratch := flag.NewFlagSet("", flag.ContinueOnError)
	scratch.SetOutput(io.Discard)
	if err := s.flag.Apply(scratch); err != nil {
		return usageErrorf("%s: %w", s.source, err)
	}
	if err := scratch.Set(namesOf(s.flag)[0], s.value); err != nil {
		return usageErrorf("%s: %q is not %s", s.source, s.value, wanted(s.flag))
	}
	return nil
}

func checkChoice(s setFlag, choices []string) error {
	values := []string{s.value}
	if isSlice(s.flag) {
		values = strings.Split(s.value, ",")
	}
	for _, value := range values {
		if slices.Contains(choices, strings.TrimSpace(value)) {
			continue
		}
		err := usageErrorf("%s: %q is not one of %s", s.source, value, strings.Join(choices, ", "))
		if near := closest(value, choices); near != "" {
			err = withHint(err, fmt.Sprintf("did you mean %q?", near))
		}
		return err
	}
	return nil
}

// wanted says what a flag takes.
func wanted(f cli.Flag) string {
	switch f.(type) {
	case *cli.BoolFlag:
		return "true or false"
	case *cli.IntFlag, *cli.Int64Flag, *cli.UintFlag, *cli.Uint64Flag:
		return "a whole number in its range"
	case *cli.DurationFlag:
		return "a duration such as 30s or 5m"
	default:
		return "a value for it"
	}
}
