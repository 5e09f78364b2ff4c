package main

import "strings"

// closest is the word that a mistyped one most likely means: the nearest in
// edits when they are few for its length, else one that it begins or is begun
// by. "" when nothing is near.
func closest(word string, words []string) string {
	best, distance := "", 1+max(1, len(word)/3)
	for _, w := range words {
		if d := edits(word, w); d < distance && len(w) > 1 {
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

// edits counts the insertions, deletions, replacements and swaps of neighbours
// that turn a into b (optimal string alignment).
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
