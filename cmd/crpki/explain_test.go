package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect/explain"
)

// later are commands that explanations name and that are not here yet.
var later = []string{"trust"}

// What an explanation says to run can be typed, whatever the message put into
// it.
func TestExplainSaysWhatCanBeTyped(t *testing.T) {
	for _, host := range []string{"", "10.96.0.50", "[fd00::5]:5000", "reg.example.com:5000", "<registry>"} {
		for _, a := range explain.Details() {
			next := explain.Explanation{Detail: a.Detail, Host: host, Role: explain.Registry}.Next()
			if next == "" {
				continue
			}
			args := strings.Fields(strings.ReplaceAll(next, "'", ""))
			require.Equal(t, "crpki", args[0], a.Detail)
			if find(newApp(testEnv()).Commands, args[1]) == nil && slices.Contains(later, args[1]) {
				continue
			}
			_, err := parseArgs(newApp(testEnv()), args, noEnv)
			assert.NoError(t, err, "%s: %s", a.Detail, next)
		}
	}
}

const explainPage = "../../docs/explain.md"

// TestDocsExplain holds docs/explain.md against what crpki explain knows. With
// -update it writes it.
func TestDocsExplain(t *testing.T) {
	want := explainDoc()
	if *update {
		require.NoError(t, os.WriteFile(explainPage, want, 0o644))
	}
	got, err := os.ReadFile(explainPage)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got), "docs/explain.md says something else than inspect/explain: run make docs")
}

func explainDoc() []byte {
	var b bytes.Buffer
	b.WriteString(explainHead)
	byCause := map[string][]explain.Cause{}
	for _, c := range explain.Causes() {
		for _, d := range explain.DetailsOf(c) {
			byCause[d] = append(byCause[d], c)
		}
	}
	for _, c := range explain.Causes() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", c, explain.Word(c))
		for _, detail := range explain.DetailsOf(c) {
			if byCause[detail][0] != c {
				continue // told under the first
			}
			a := explain.Of(detail)
			fmt.Fprintf(&b, "\n### %s\n\n", detail)
			fmt.Fprintf(&b, "%s. %s %s\n", strings.ToUpper(a.Title[:1])+a.Title[1:], mdText(strings.ReplaceAll(a.Meaning, "HOST", "the host")), mdText(a.Remedy))
			if next := (explain.Explanation{Detail: detail, Host: "reg.example.com:5000", Role: explain.Registry}).Next(); next != "" {
				fmt.Fprintf(&b, "\n```text\n%s\n```\n", next)
			}
			if phrases := explain.Phrases(detail); len(phrases) > 0 {
				fmt.Fprintf(&b, "\nKnown by: `%s`", strings.Join(phrases[:min(4, len(phrases))], "`, `"))
				if len(phrases) > 4 {
					fmt.Fprintf(&b, " and %d more", len(phrases)-4)
				}
				b.WriteString(".")
				if a.Source != "" {
					fmt.Fprintf(&b, " Source: <%s>", a.Source)
				}
				b.WriteString("\n")
			}
		}
	}
	return b.Bytes()
}

const explainHead = `<!-- Generated from inspect/explain: make docs. -->

# What crpki explain says

` + "`crpki explain`" + ` takes the message of a client that could not pull an image or did not trust a server, and says why. It
reads text only: it asks no server. What it prints with ` + "`-o json`" + `, and for each line of ` + "`--stdin-jsonl`" + `:

| field | |
| --- | --- |
| ` + "`cause`" + ` | one of the words below |
| ` + "`detail`" + ` | the same more exactly: the headings of the third level |
| ` + "`alternatives`" + ` | other causes that the text allows as well |
| ` + "`host`" + ` | the host that failed, as the message writes it, with its port if it has one; "" when none is named |
| ` + "`role`" + ` | what that host is: ` + "`registry`, `token`, `blob`, `mirror`, `proxy`" + ` |
| ` + "`image`" + ` | the image that was to be pulled |
| ` + "`confidence`" + ` | ` + "`high`" + `: words that only this failure has, from a client that is known; ` + "`medium`" + `: other causes are possible, or who speaks is not known; ` + "`low`" + `: general words, or a message that was cut off; ` + "`none`" + `: nothing was recognised |
| ` + "`client`, `client_version`, `go_version`, `via`" + ` | who wrote the message, as far as its words give that away: ` + "`unknown`" + `, or ranges such as ` + "`>= 1.20`" + `; ` + "`via`" + ` is the kubelet that passed it on |
| ` + "`title`, `meaning`, `remedy`, `sources`" + ` | what this page says |
| ` + "`next`" + ` | a command that goes on from here, for a shell; HOST where the message names none; "" when crpki can do nothing more |
| ` + "`evidence`" + ` | the words that decided, without secrets |
| ` + "`also`" + ` | other failures in the same message: of mirrors, of a second attempt |
| ` + "`count`, `first_line`, `last_line`, `more`, `omitted`" + ` | of a file: how often, in which lines; further failures, the most frequent first; messages beyond 1000 different ones |

Of several failures in a log, the most frequent one is the object itself, and ` + "`more`" + ` has the others.
`
