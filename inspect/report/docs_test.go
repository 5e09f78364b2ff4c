package report_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect/report"
	"github.com/crpki/crpki/inspect/rules"
)

const generated = "<!-- Generated from inspect/rules: make docs. -->\n\n"

// docs/rules has a page for each rule, and no other. `make docs` writes them.
func TestDocs(t *testing.T) {
	folder := filepath.Join("..", "..", "docs", "rules")
	pages := map[string]string{"README.md": generated + report.Index(rules.All(), "")}
	for _, r := range rules.All() {
		pages[r.ID+".md"] = generated + report.Markdown(r)
	}
	found, _ := os.ReadDir(folder)
	for _, entry := range found {
		if _, ok := pages[entry.Name()]; !ok && *update {
			require.NoError(t, os.Remove(filepath.Join(folder, entry.Name())))
		} else {
			assert.True(t, ok, "%s is of no rule: make docs", entry.Name())
		}
	}
	for name, page := range pages {
		golden(t, filepath.Join(folder, name), page)
	}
}

func TestExplainFitsATerminal(t *testing.T) {
	for _, r := range rules.All() {
		var b strings.Builder
		require.NoError(t, report.Explain(&b, r, report.Options{}))
		quoted := append(slices.Clone(r.Doc.Sources), r.Doc.Fix, r.Doc.FixOpenSSL)
		for _, refusal := range r.Doc.Refusals {
			quoted = append(quoted, refusal.Message)
		}
		for _, line := range strings.Split(b.String(), "\n") {
			if !slices.Contains(quoted, strings.TrimSpace(line)) {
				assert.LessOrEqual(t, len([]rune(line)), 80, "%s: %s", r.ID, line)
			}
		}
	}
	t.Run("in colour", func(t *testing.T) {
		var b strings.Builder
		require.NoError(t, report.Explain(&b, testRules[0], report.Options{Color: true, Width: 60}))
		golden(t, filepath.Join("testdata", "explain.text"), b.String())
	})
}

func TestList(t *testing.T) {
	for name, o := range map[string]report.Options{"list.text": {}, "list.color.text": {Color: true, Width: 40}} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			require.NoError(t, report.List(&b, testRules, o))
			golden(t, filepath.Join("testdata", name), b.String())
		})
	}
}
