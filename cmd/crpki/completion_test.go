package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCompleteWords(t *testing.T) {
	tests := []struct {
		shows, words, current string
		offer, want           string
	}{
		{"commands", "", "", offerNone, "sign need tool help"},
		{"commands that begin so", "", "s", offerNone, "sign"},
		{"no command", "", "x", offerNone, ""},
		{"global flags before a command", "", "--", offerNone, "--at --quiet --help"},
		{"commands behind a global flag", "--at x -q", "t", offerNone, "tool"},
		{"commands behind help", "help", "", offerNone, "sign need tool exit-codes environment"},
		{"commands below", "tool", "", offerNone, "up down help"},
		{"commands below, behind a flag", "tool --loud", "u", offerNone, "up"},
		{"flags", "sign", "--d", offerNone, "--dns --days"},
		{"shorthands", "sign", "--j", offerNone, "--json"},
		{"flags, short and long", "sign", "-", offerFiles, "--ca -c --dns --subject --days -d --wait --force -f --verbose -V --output -o --json --yaml --out-dir --preset --at --quiet -q --help"},
		{"given flags no more, lists again", "sign --days 1 --dns a", "--d", offerNone, "--dns"},
		{"flags behind arguments", "sign a b", "--fo", offerNone, "--force"},
		{"flags behind nonsense", "sign --nope --days x", "--fo", offerNone, "--force"},
		{"flags where no argument is taken", "tool up", "", offerNone, "--level --loud --at --quiet -q --help"},
		{"files as arguments", "sign", "", offerFiles, ""},
		{"files that begin so", "sign a", "b", offerFiles, ""},
		{"no more files than are taken", "need a b", "c", offerNone, ""},
		{"files as a value", "sign --ca", "", offerFiles, ""},
		{"files behind an equals sign", "sign", "--ca=x", offerFiles, ""},
		{"folders as a value", "sign --out-dir", "x", offerDirs, ""},
		{"folders behind an equals sign", "sign", "--out-dir=", offerDirs, ""},
		{"a value from the set", "sign --output", "", offerNone, "text json yaml"},
		{"a value from the set, by the short name", "sign -o", "j", offerNone, "json"},
		{"a value behind an equals sign", "sign", "--output=j", offerNone, "--output=json"},
		{"a value of a list", "sign --preset", "z", offerNone, "zot"},
		{"on or off", "sign", "--force=", offerNone, "--force=true --force=false"},
		{"free value", "sign --days", "", offerNone, ""},
		{"unknown flag with a value", "sign", "--nope=", offerNone, ""},
		{"only arguments behind dashes", "sign --", "-", offerFiles, ""},
		{"a value that looks like a flag is one", "sign --ca --json", "--fo", offerNone, "--force"},
		{"behind an unknown command", "foo", "", offerNone, "sign need tool help"},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			c := completeWords(sampleApp(new(call)), strings.Fields(tt.words), tt.current)
			var got []string
			for _, cand := range c.candidates {
				got = append(got, cand.word)
			}
			assert.Equal(t, tt.offer, c.offer)
			assert.ElementsMatch(t, strings.Fields(tt.want), got)
		})
	}
}

func FuzzCompleteWords(f *testing.F) {
	f.Add("sign --ca --json -o j")
	f.Add("help tool -- x")
	f.Fuzz(func(t *testing.T, text string) {
		w := words(text)
		last := len(w) - 1
		for _, cand := range completeWords(sampleApp(new(call)), w[:last], w[last]).candidates {
			assert.True(t, strings.HasPrefix(cand.word, w[last]))
			assert.NotContains(t, cand.word+cand.about, "\n")
		}
	})
}
