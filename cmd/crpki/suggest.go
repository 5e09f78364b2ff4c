package main

import (
	"strings"

	"github.com/crpki/crpki/pki/nearest"
)

// closest is the word that a mistyped one most likely means: the nearest in
// edits when they are few for its length, else one that it begins or is begun
// by. "" when nothing is near.
func closest(word string, words []string) string {
	best, distance := "", 1+max(1, len(word)/3)
	for _, w := range words {
		if d := nearest.Edits(word, w); d < distance && len(w) > 1 {
			best, distance = w, d
		}
	}
	if best == "" && len(word) > 1 {
		for _, w := range words {
			if strings.HasPrefix(w, word) || len(w) > 2 && strings.HasPrefix(word, w) {
				return w
			}
		}
	}
	return best
}
