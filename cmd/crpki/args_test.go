package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

// call is what the library understood of a command line.
type call struct {
	command string
	args    []string
	flags   map[string]string
}

// sampleApp has a flag of each kind. ran tells what the library ran.
func sampleApp(ran *call) *cli.App {
	action := func(c *cli.Context) error {
		*ran = call{command: c.Command.Name, args: c.Args().Slice(), flags: map[string]string{}}
		for _, ctx := range c.Lineage() {
			if ctx.Command == nil {
				continue
			}
			for _, f := range ctx.Command.Flags {
				name := f.Names()[0]
				switch {
				case !c.IsSet(name):
				case isSlice(f):
					ran.flags[name] = strings.Join(c.StringSlice(name), "|")
				default:
					ran.flags[name] = fmt.Sprint(c.Value(name))
				}
			}
		}
		return nil
	}
	sign := &cli.Command{
		Name: "sign", Aliases: []string{"s"}, ArgsUsage: "[FILE...]", Action: action,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ca", Aliases: []string{"c"}, Usage: "the CA in `FILE`", TakesFile: true},
			&cli.StringSliceFlag{Name: "dns", Usage: "a `NAME`"},
			&cli.StringSliceFlag{Name: "subject", KeepSpace: true},
			&cli.IntFlag{Name: "days", Aliases: []string{"d"}, Usage: "`DAYS` to live"},
			&cli.DurationFlag{Name: "wait"},
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"V"}},
			&cli.BoolFlag{Name: "secret", Hidden: true},
			outputFlag("text", "json", "yaml"),
			&cli.StringFlag{Name: "out-dir", Usage: "into `FOLDER`"},
			choicesFlag(&cli.StringSliceFlag{Name: "preset"}, "harbor", "zot"),
		},
	}
	need := &cli.Command{
		Name: "need", ArgsUsage: "CSR [OUT]", Action: action,
		Flags: []cli.Flag{&cli.StringFlag{Name: "key", Usage: "the key in `FILE`", Required: true}},
	}
	tool := &cli.Command{
		Name: "tool", Flags: []cli.Flag{&cli.BoolFlag{Name: "loud"}},
		Subcommands: []*cli.Command{{Name: "up", Action: action, Flags: []cli.Flag{&cli.StringFlag{Name: "level"}}}, {Name: "down", Action: action}},
	}
	for _, c := range []*cli.Command{sign, need, tool, tool.Subcommands[0], tool.Subcommands[1]} {
		c.HideHelp = true // or the library takes an argument "help" for a command
	}
	return &cli.App{
		Name:     "crpki",
		Flags:    []cli.Flag{&cli.StringFlag{Name: "at", Usage: "`TIME`"}, &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}}},
		Commands: []*cli.Command{sign, need, tool},
		HideHelp: true, HideHelpCommand: true, HideVersion: true, DisableSliceFlagSeparator: true,
		ExitErrHandler: func(*cli.Context, error) {},
		Writer:         io.Discard, ErrWriter: io.Discard,
	}
}

// runLine runs the command that a line means.
func runLine(t *testing.T, app *cli.App, line commandLine) {
	t.Helper()
	c, err := line.context(context.Background(), app)
	require.NoError(t, err)
	require.NoError(t, c.Command.Action(c))
}

// argv is the line in the order that the library understands: its own parser
// stops looking for flags at the first argument.
func (l commandLine) argv(program string) []string {
	argv := []string{program}
	for depth := 0; depth <= len(l.path); depth++ {
		if depth > 0 {
			argv = append(argv, l.path[depth-1].Name)
		}
		for _, f := range l.flags {
			if f.depth == depth {
				argv = append(argv, "--"+namesOf(f.flag)[0]+"="+f.value)
			}
		}
	}
	if len(l.args) > 0 {
		argv = append(append(argv, "--"), l.args...)
	}
	return argv
}

func noEnv(string) string { return "" }

func TestParseArgs(t *testing.T) {
	none := map[string]string{}
	tests := []struct {
		shows string
		line  string // words, separated by spaces; "''" is an empty one
		want  call
	}{
		{"no flag", "sign a.csr", call{"sign", []string{"a.csr"}, none}},
		{"alias of a command", "s a.csr", call{"sign", []string{"a.csr"}, none}},
		{"flag behind the argument", "sign a.csr --output json", call{"sign", []string{"a.csr"}, map[string]string{"output": "json"}}},
		{"flag before the argument", "sign --output json a.csr", call{"sign", []string{"a.csr"}, map[string]string{"output": "json"}}},
		{"flags all over", "sign a --force b --ca x c -V", call{"sign", []string{"a", "b", "c"}, map[string]string{"force": "true", "ca": "x", "verbose": "true"}}},
		{"json for output json", "sign a --json", call{"sign", []string{"a"}, map[string]string{"output": "json"}}},
		{"one dash for a long flag", "sign a -json -ca x", call{"sign", []string{"a"}, map[string]string{"output": "json", "ca": "x"}}},
		{"equals sign", "sign a -o=json --ca=x=y", call{"sign", []string{"a"}, map[string]string{"output": "json", "ca": "x=y"}}},
		{"empty argument", "sign ''", call{"sign", []string{""}, none}},
		{"short flags together", "sign -fV a", call{"sign", []string{"a"}, map[string]string{"force": "true", "verbose": "true"}}},
		{"the last of them with its value", "sign -fo json a", call{"sign", []string{"a"}, map[string]string{"force": "true", "output": "json"}}},
		{"or with it attached", "sign a -fojson", call{"sign", []string{"a"}, map[string]string{"force": "true", "output": "json"}}},
		{"or behind an equals sign", "sign a -fo=json", call{"sign", []string{"a"}, map[string]string{"force": "true", "output": "json"}}},
		{"global short flag among them", "sign a -fq", call{"sign", []string{"a"}, map[string]string{"force": "true", "quiet": "true"}}},
		{"bool with a value", "sign --force=false a", call{"sign", []string{"a"}, map[string]string{"force": "false"}}},
		{"bool takes no value from the next word", "sign --force false", call{"sign", []string{"false"}, map[string]string{"force": "true"}}},
		{"global flag first", "--at 2027-01-01 -q sign a", call{"sign", []string{"a"}, map[string]string{"at": "2027-01-01", "quiet": "true"}}},
		{"global flag last", "sign a --at 2027-01-01", call{"sign", []string{"a"}, map[string]string{"at": "2027-01-01"}}},
		{"repeated flag", "sign --dns a x --dns b,c", call{"sign", []string{"x"}, map[string]string{"dns": "a|b,c"}}},
		{"commas in a value stay", "sign --subject O=Acme,\u00a0Inc", call{"sign", []string{}, map[string]string{"subject": "O=Acme,\u00a0Inc"}}},
		{"list with a fixed set", "sign --preset harbor,zot --preset zot", call{"sign", []string{}, map[string]string{"preset": "harbor,zot|zot"}}},
		{"last one counts", "sign --days 1 -d 2", call{"sign", []string{}, map[string]string{"days": "2"}}},
		{"standard input is an argument", "sign - --json", call{"sign", []string{"-"}, map[string]string{"output": "json"}}},
		{"standard input is a value", "sign --ca - a", call{"sign", []string{"a"}, map[string]string{"ca": "-"}}},
		{"negative number is a value", "sign --days -5 a", call{"sign", []string{"a"}, map[string]string{"days": "-5"}}},
		{"value that looks like an unknown flag", "sign --ca -x a", call{"sign", []string{"a"}, map[string]string{"ca": "-x"}}},
		{"value that looks like a flag, with =", "sign --ca=--json a", call{"sign", []string{"a"}, map[string]string{"ca": "--json"}}},
		{"two dashes end the flags", "sign a -- --json -f --", call{"sign", []string{"a", "--json", "-f", "--"}, none}},
		{"two dashes before the command", "-- sign a", call{"sign", []string{"a"}, none}},
		{"argument called like a command", "sign tool up", call{"sign", []string{"tool", "up"}, none}},
		{"argument called like a flag that is set", "sign --output json output", call{"sign", []string{"output"}, map[string]string{"output": "json"}}},
		{"file called help, behind dashes", "sign -- help", call{"sign", []string{"help"}, none}},
		{"file called help among others", "sign help a", call{"sign", []string{"help", "a"}, none}},
		{"hidden flag works", "sign --secret a", call{"sign", []string{"a"}, map[string]string{"secret": "true"}}},
		{"duration", "sign --wait 5m", call{"sign", []string{}, map[string]string{"wait": "5m0s"}}},
		{"command below a command", "tool up --level 3", call{"up", []string{}, map[string]string{"level": "3"}}},
		{"flags of the command above, anywhere", "tool --loud up --level 3 -q", call{"up", []string{}, map[string]string{"loud": "true", "level": "3", "quiet": "true"}}},
		{"flags of the command above, last", "tool up --loud", call{"up", []string{}, map[string]string{"loud": "true"}}},
		{"required flag", "need --key k a", call{"need", []string{"a"}, map[string]string{"key": "k"}}},
		{"optional argument", "need a b --key k", call{"need", []string{"a", "b"}, map[string]string{"key": "k"}}},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			var got call
			app := sampleApp(&got)
			line, err := parseArgs(app, words("crpki "+tt.line), noEnv)
			require.NoError(t, err)
			require.False(t, line.help)
			runLine(t, app, line)
			assert.Equal(t, tt.want, got)
		})
	}
}

// words splits a line at spaces; ” stands for an empty word.
func words(line string) []string {
	w := strings.Split(line, " ")
	for i := range w {
		if w[i] == "''" {
			w[i] = ""
		}
	}
	return w
}

func TestParseArgsRefuses(t *testing.T) {
	tests := []struct{ shows, line, message, hint string }{
		{"misspelt command", "sing a", `"sing" is not a command of crpki`, `did you mean "crpki sign"?`},
		{"command that resembles none", "frobnicate", `"frobnicate" is not a command of crpki`, "crpki --help lists the commands"},
		{"file without a command", "server.pem", `"server.pem" is not a command of crpki`, "crpki --help lists the commands"},
		{"misspelt command below", "tool upp", `"upp" is not a command of crpki tool`, `did you mean "crpki tool up"?`},
		{"misspelt flag", "sign --forse", "--forse is not a flag of crpki sign", "did you mean --force?"},
		{"misspelt flag with a value", "sign --outptu=json", "--outptu is not a flag of crpki sign", "did you mean --output?"},
		{"misspelt shorthand", "sign --jsno", "--jsno is not a flag of crpki sign", "did you mean --json?"},
		{"misspelt global flag", "sign --quite", "--quite is not a flag of crpki sign", "did you mean --quiet?"},
		{"abbreviated flag", "sign --verb", "--verb is not a flag of crpki sign", "did you mean --verbose?"},
		{"misspelt help", "sign --hepl", "--hepl is not a flag of crpki sign", "did you mean --help?"},
		{"hidden flag is not suggested", "sign --secretx", "--secretx is not a flag of crpki sign", "crpki sign --help lists the flags"},
		{"unknown short flag", "sign -x", "-x is not a flag of crpki sign", "crpki sign --help lists the flags"},
		{"unknown short flag among others", "sign -fx", "-fx is not a flag of crpki sign", "crpki sign --help lists the flags"},
		{"dash with nothing", "sign --=x", "-- is not a flag of crpki sign", "crpki sign --help lists the flags"},
		{"three dashes", "sign ---force", "---force is not a flag of crpki sign", "did you mean --force?"},
		{"the value of a wrong flag is not shown", "sign --password=hunter2", "--password is not a flag of crpki sign", "crpki sign --help lists the flags"},
		{"flag of a command before it", "--ca x sign", "--ca is not a global flag: write it behind the command", "for example: crpki sign --ca x"},
		{"short flag of a command before it", "-o json sign", "-o is not a global flag: write it behind the command", "for example: crpki sign -o json"},
		{"with its value in one word", "--ca=x sign", "--ca is not a global flag: write it behind the command", "for example: crpki sign --ca x"},
		{"without a value", "--ca sign", "--ca is not a global flag: write it behind the command", "for example: crpki sign --ca FILE"},
		{"shorthand before the command", "--json sign", "--json is not a global flag: write it behind the command", "for example: crpki sign --json"},
		{"flag without its value", "sign --ca", "--ca needs a value: --ca FILE", ""},
		{"flag without its value, dashes follow", "sign --ca -- x", "--ca needs a value: --ca FILE", ""},
		{"flag without its value, a flag follows", "sign --ca --json", "--ca needs a value, but the flag --json follows", "if --json is meant as its value, write --ca=--json"},
		{"empty value", "sign a --ca=", "--ca: empty; is a shell variable unset?", ""},
		{"empty word as a value", "sign a --ca ''", "--ca: empty; is a shell variable unset?", ""},
		{"empty value of a short flag", "sign a -c ''", "-c: empty; is a shell variable unset?", ""},
		{"blank value", "sign a --ca=\t", "--ca: empty; is a shell variable unset?", ""},
		{"empty list", "sign a --dns ''", "--dns: empty; is a shell variable unset?", ""},
		{"list of nothing but commas", "sign a --dns=,\t,", "--dns: empty; is a shell variable unset?", ""},
		{"empty value of a fixed set", "sign a --output ''", "--output: empty; is a shell variable unset?", ""},
		{"empty number", "sign a --days=", "--days: empty; is a shell variable unset?", ""},
		{"empty global flag", "sign a --at=", "--at: empty; is a shell variable unset?", ""},
		{"shorthand with a value", "sign --json=true", "--json takes no value: it means --output json", ""},
		{"not a number", "sign --days x", `--days: "x" is not a whole number in its range`, ""},
		{"too large a number", "sign -d 99999999999999999999", `-d: "99999999999999999999" is not a whole number in its range`, ""},
		{"not a bool", "sign --force=maybe", `--force: "maybe" is not true or false`, ""},
		{"not a duration", "sign --wait 5", `--wait: "5" is not a duration such as 30s or 5m`, ""},
		{"not in the set", "sign -o jsn", `-o: "jsn" is not one of text, json, yaml`, `did you mean "json"?`},
		{"not in the set, one of several", "sign --preset harbor,foo", `--preset: "foo" is not one of harbor, zot`, ""},
		{"too many arguments", "need a b c --key k", `crpki need takes CSR [OUT], but got "a" "b" "c"`, ""},
		{"too few arguments", "need --key k", `crpki need needs CSR [OUT]`, "crpki need --help shows an example"},
		{"arguments where none are taken", "tool up a", `crpki tool up takes no arguments, but got "a"`, "crpki tool up --help shows an example"},
		{"required flag is missing", "need a", "--key FILE is missing", "crpki need --help shows an example"},
		{"help on nothing", "help foo", `"foo" is not a command of crpki`, "crpki --help lists the commands"},
		{"help on a misspelt command", "help sing", `"sing" is not a command of crpki`, `did you mean "crpki sign"?`},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			_, err := parseArgs(sampleApp(new(call)), words("crpki "+tt.line), noEnv)
			require.Error(t, err)
			assert.Equal(t, tt.message, err.Error())
			assert.Equal(t, exitUsage, exitCode(err))
			assert.Equal(t, tt.hint, strings.Join(hints(err), "; "))
		})
	}
	for _, line := range []string{"", "-q", "tool", "tool --loud"} {
		t.Run("no command: "+line, func(t *testing.T) {
			_, err := parseArgs(sampleApp(new(call)), append([]string{"crpki"}, strings.Fields(line)...), noEnv)
			assert.ErrorIs(t, err, errNoCommand)
		})
	}
}

func TestParseArgsHelp(t *testing.T) {
	for line, want := range map[string]string{
		"--help":                 "crpki",
		"-h":                     "crpki",
		"help":                   "crpki",
		"help help":              "crpki",
		"sign --help":            "crpki sign",
		"sign -h a":              "crpki sign",
		"sign a b --json --help": "crpki sign",
		"sign help":              "crpki sign",
		"help sign":              "crpki sign",
		"--help sign":            "crpki sign",
		"sign --bogus --help":    "crpki sign",
		"sign --days x -h":       "crpki sign",
		"sign --ca --help":       "crpki sign",
		"need --help":            "crpki need",
		"tool help":              "crpki tool",
		"tool up --help":         "crpki tool up",
		"help tool up":           "crpki tool up",
		"tool help up":           "crpki tool up",
		"help sign a.csr":        "crpki sign",
		"help exit-codes":        "crpki",
	} {
		t.Run(line, func(t *testing.T) {
			app := sampleApp(new(call))
			l, err := parseArgs(app, words("crpki "+line), noEnv)
			require.NoError(t, err)
			assert.True(t, l.help)
			assert.Equal(t, want, commandName(app, l.path))
		})
	}
}

func TestParseArgsEnvironment(t *testing.T) {
	tests := []struct {
		shows, line string
		env         map[string]string
		want        map[string]string
	}{
		{"string", "sign", map[string]string{"CRPKI_CA": "x"}, map[string]string{"ca": "x"}},
		{"flag wins", "sign --ca y", map[string]string{"CRPKI_CA": "x"}, map[string]string{"ca": "y"}},
		{"flag wins by its short name", "sign -c y", map[string]string{"CRPKI_CA": "x"}, map[string]string{"ca": "y"}},
		{"flag wins over the whole list", "sign --dns c", map[string]string{"CRPKI_DNS": "a,b"}, map[string]string{"dns": "c"}},
		{"shorthand wins", "sign --json", map[string]string{"CRPKI_OUTPUT": "yaml"}, map[string]string{"output": "json"}},
		{"list", "sign", map[string]string{"CRPKI_DNS": "a, b,,c,"}, map[string]string{"dns": "a|b|c"}},
		{"comma in a single value", "sign", map[string]string{"CRPKI_CA": "a,b"}, map[string]string{"ca": "a,b"}},
		{"bool", "sign", map[string]string{"CRPKI_FORCE": "1"}, map[string]string{"force": "true"}},
		{"bool off", "sign", map[string]string{"CRPKI_FORCE": "false"}, map[string]string{"force": "false"}},
		{"empty counts as unset", "sign", map[string]string{"CRPKI_FORCE": "", "CRPKI_DNS": "", "CRPKI_DAYS": ""}, map[string]string{}},
		{"global", "sign", map[string]string{"CRPKI_AT": "2027-01-01"}, map[string]string{"at": "2027-01-01"}},
		{"command above", "tool up", map[string]string{"CRPKI_LOUD": "true"}, map[string]string{"loud": "true"}},
		{"other commands' flags do not count", "tool down", map[string]string{"CRPKI_DAYS": "x"}, map[string]string{}},
		{"required flag", "need a", map[string]string{"CRPKI_KEY": "k"}, map[string]string{"key": "k"}},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			var got call
			app := sampleApp(&got)
			line, err := parseArgs(app, words("crpki "+tt.line), func(name string) string { return tt.env[name] })
			require.NoError(t, err)
			runLine(t, app, line)
			assert.Equal(t, tt.want, got.flags)
		})
	}
	for name, value := range map[string]string{"CRPKI_DAYS": "x", "CRPKI_FORCE": "maybe", "CRPKI_OUTPUT": "xml", "CRPKI_WAIT": "1", "CRPKI_PRESET": "zot,foo", "CRPKI_DNS": " , ", "CRPKI_CA": " "} {
		t.Run("bad "+name, func(t *testing.T) {
			_, err := parseArgs(sampleApp(new(call)), words("crpki sign"), func(n string) string { return map[string]string{name: value}[n] })
			require.Error(t, err)
			assert.Contains(t, err.Error(), name+": ")
			assert.Equal(t, exitUsage, exitCode(err))
		})
	}
}

func TestTellVariables(t *testing.T) {
	env := map[string]string{"CRPKI_CA": "x", "CRPKI_DAYS": "3"}
	line, err := parseArgs(sampleApp(new(call)), words("crpki sign --days 4"), func(n string) string { return env[n] })
	require.NoError(t, err)
	for text, want := range map[string][]string{
		"--ca: no such file":              {"--ca is set by the environment variable CRPKI_CA"},
		"no --ca":                         {"--ca is set by the environment variable CRPKI_CA"},
		"--ca-key and --case":             nil,
		"--ca-key without --ca":           {"--ca is set by the environment variable CRPKI_CA"},
		"--days: given on the line":       nil,
		"--dns is not set anywhere, ca x": nil,
	} {
		err := line.tellVariables(usageErrorf("%s", text))
		assert.Equal(t, want, hints(err), text)
		assert.Equal(t, exitUsage, exitCode(err))
	}
	assert.NoError(t, line.tellVariables(nil))
}

func TestClosest(t *testing.T) {
	names := []string{"gen", "csr", "sign", "renew", "bundle", "inspect", "version", "o", "out-dir", "output"}
	for word, want := range map[string]string{
		"sing": "sign", "verison": "version", "inspekt": "inspect", "insp": "inspect", "out": "out-dir", "outdir": "out-dir",
		"gne": "gen", "generate": "gen", "x": "", "": "", "zzzzzzz": "", "o": "", "é": "", "sïgn": "",
	} {
		assert.Equal(t, want, closest(word, names), word)
	}
}

// FuzzParseArgs: no panic; what is accepted is understood by the library as by
// us; and no word gets lost.
func FuzzParseArgs(f *testing.F) {
	for _, line := range []string{
		"sign a --output json", "sign -fojson -- --x", "--at 2027-01-01 sign --dns a --dns=b c -q", "tool --loud up --level 3",
		"help sign", "sign --ca --json", "need a b --key=k", "sign --days -5 - -", "sign --preset harbor,zot ''", "sign -c=-o=-- -V help",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args := append([]string{"crpki"}, words(text)...)
		var ran call
		app := sampleApp(&ran)
		line, err := parseArgs(app, args, noEnv)
		if err != nil || line.help {
			return
		}
		argv := line.argv("crpki")

		again, err := parseArgs(sampleApp(new(call)), argv, noEnv)
		require.NoError(t, err, "%q", argv)
		assert.Equal(t, argv, again.argv("crpki"), "the order is stable")

		require.NoError(t, app.RunContext(context.Background(), argv), "%q", argv)
		var ours call
		ourApp := sampleApp(&ours)
		line, err = parseArgs(ourApp, args, noEnv)
		require.NoError(t, err)
		runLine(t, ourApp, line)
		assert.Equal(t, ran, ours, "the library's own parser and ours give the command the same: %q", argv)
		assert.Equal(t, line.path[len(line.path)-1].Name, ran.command)
		assert.Equal(t, append([]string{}, line.args...), ran.args)

		// Each word is the command, an argument, or part of a flag.
		kept := strings.Join(argv, "\x00")
		for _, word := range args {
			if word == "--" || strings.HasPrefix(word, "-") && len(word) > 1 {
				continue
			}
			if word != "s" { // the alias of sign
				assert.Contains(t, kept, word)
			}
		}
		if i := slices.Index(args, "--"); i >= 0 && len(line.args) > 0 && !strings.Contains(kept, "=--\x00") {
			behind := args[i+1:]
			if len(line.args) >= len(behind) && slices.Index(args, "sign") < i && slices.Index(args, "sign") > 0 {
				assert.Equal(t, behind, line.args[len(line.args)-len(behind):])
			}
		}
	})
}
