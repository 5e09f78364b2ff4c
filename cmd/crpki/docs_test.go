package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

// TestDocs holds docs/commands and docs/man against the definitions of the
// commands. With -update it writes them.
func TestDocs(t *testing.T) {
	want := map[string][]byte{}
	app := newApp(&env{})
	walk(app, func(path []*cli.Command) {
		name := manName(commandName(app, path))
		var man bytes.Buffer
		require.NoError(t, manPage(&man, app, path))
		want["../../docs/man/"+name+".1"] = man.Bytes()
		want["../../docs/commands/"+name+".md"] = markdown(app, path)
	})

	files, err := filepath.Glob("../../docs/man/*.1")
	require.NoError(t, err)
	pages, err := filepath.Glob("../../docs/commands/*.md")
	require.NoError(t, err)
	var stale []string
	for _, file := range append(files, pages...) {
		if want[file] == nil && *update {
			require.NoError(t, os.Remove(file))
		} else if want[file] == nil {
			stale = append(stale, file)
		}
	}
	for file, content := range want {
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, content, 0o644))
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(content, got) {
			stale = append(stale, file)
		}
	}
	slices.Sort(stale)
	assert.Empty(t, stale, "they say something else than the commands: run make docs")
}

// markdown is the page of a command in docs/commands.
func markdown(app *cli.App, path []*cli.Command) []byte {
	p := newPage(app, path)
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!-- Generated from the definition of the command: make docs. -->\n\n# %s\n\n%s.\n", p.name, strings.ToUpper(p.usage[:1])+p.usage[1:])
	if len(p.example) > 0 {
		fmt.Fprintf(&b, "\n```sh\n%s\n```\n", strings.Join(p.example, "\n"))
	}
	for _, par := range p.about {
		if par.fixed {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.Join(par.lines, "\n"))
		} else {
			fmt.Fprintf(&b, "\n%s\n", mdText(strings.Join(par.lines, "\n")))
		}
	}
	fmt.Fprintf(&b, "\n## Usage\n\n```\n%s\n```\n", strings.Join(p.synopsis, "\n"))
	if len(p.commands) > 0 {
		b.WriteString("\n## Commands\n\n| command | |\n| --- | --- |\n")
		for _, c := range p.commands {
			fmt.Fprintf(&b, "| [`%s`](%s.md) | %s |\n", c.name, manName(p.name+" "+c.name), mdCell(c.usage))
		}
	}
	for _, g := range append(p.flags, p.global) {
		fmt.Fprintf(&b, "\n## %s\n\n| flag | meaning | variable |\n| --- | --- | --- |\n", g.title)
		for _, f := range g.flags {
			variable := ""
			if f.env != "" {
				variable = "`" + f.env + "`"
			}
			meaning := f
			meaning.env = ""
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(f.names, "|", `\|`), mdCell(meaning.sentence()), variable)
		}
	}
	if p.root {
		b.WriteString("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n")
		for _, row := range exitCodes {
			fmt.Fprintf(&b, "| %s | %s |\n", row.code, row.meaning)
		}
		fmt.Fprintf(&b, "\n## Environment\n\n%s\n", mdText(environmentRule))
	}
	return b.Bytes()
}

// mdText keeps names and patterns from being read as markup.
func mdText(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`).Replace(s)
}

func mdCell(s string) string { return strings.ReplaceAll(mdText(s), "|", `\|`) }

// TestManPages has the programs that show man pages check them.
func TestManPages(t *testing.T) {
	app := newApp(&env{})
	dir := t.TempDir()
	var files []string
	walk(app, func(path []*cli.Command) {
		file := filepath.Join(dir, manName(commandName(app, path))+".1")
		var page bytes.Buffer
		require.NoError(t, manPage(&page, app, path))
		require.NoError(t, os.WriteFile(file, page.Bytes(), 0o600))
		files = append(files, file)
	})
	t.Run("groff", func(t *testing.T) {
		if _, err := exec.LookPath("groff"); err != nil {
			t.Skip("no groff")
		}
		for _, file := range files {
			out, err := exec.Command("groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-z", file).CombinedOutput()
			assert.NoError(t, err)
			assert.Empty(t, string(out), file)
		}
	})
	t.Run("mandoc", func(t *testing.T) {
		if _, err := exec.LookPath("mandoc"); err != nil {
			t.Skip("no mandoc")
		}
		for _, file := range files {
			out, _ := exec.Command("mandoc", "-Tlint", "-Wwarning", file).CombinedOutput()
			for line := range strings.Lines(string(out)) {
				// Generated pages have no date: it would change with each run.
				if !strings.Contains(line, "missing date") {
					assert.Fail(t, line)
				}
			}
		}
	})
}
