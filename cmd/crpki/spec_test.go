package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSpecDocs runs docs/spec.md: blocks of code with a file name are files,
// those marked "console" are sessions, whose output has to be what is printed
// there. -update writes it.
func TestSpecDocs(t *testing.T) {
	if _, err := exec.LookPath("sed"); err != nil {
		t.Skip("the sessions use sed")
	}
	doc, err := filepath.Abs("../../docs/spec.md")
	require.NoError(t, err)
	text, err := os.ReadFile(doc)
	require.NoError(t, err)
	t.Chdir(t.TempDir())

	var out strings.Builder
	for i, part := range strings.Split(string(text), "```") {
		if i > 0 {
			out.WriteString("```")
		}
		info, body, _ := strings.Cut(part, "\n")
		switch _, name, isFile := strings.Cut(info, " "); {
		case i%2 == 0: // prose
		case isFile:
			require.NoError(t, os.WriteFile(name, []byte(body), 0o644))
		case info == "console":
			part = info + "\n" + session(t, body)
		}
		out.WriteString(part)
	}
	if *update {
		require.NoError(t, os.WriteFile(doc, []byte(out.String()), 0o644))
		return
	}
	assert.Equal(t, string(text), out.String(), "docs/spec.md is not what crpki does: go test ./cmd/crpki -run SpecDocs -update")
}

// session runs the lines of body that begin with "$ " and gives them with
// their output.
func session(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	for line := range strings.Lines(body) {
		command, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ ")
		if !ok {
			continue
		}
		b.WriteString(line)
		if args, ours := strings.CutPrefix(command, "crpki "); ours {
			e := &env{
				stdin: strings.NewReader(""), stdout: &b, stderr: &b, width: 80, getenv: func(string) string { return "" },
				now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
			}
			run(context.Background(), append([]string{"crpki"}, strings.Fields(args)...), e)
			continue
		}
		out, err := exec.Command("sh", "-c", command).CombinedOutput()
		require.NoError(t, err, "%s: %s", command, out)
		b.Write(out)
	}
	return b.String()
}
