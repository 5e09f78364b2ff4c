package explain

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A rule whose detail nobody describes would answer with an empty page.
func TestEveryDetailIsDescribed(t *testing.T) {
	used := map[string]bool{"unspecified": true, "unknown": true, "old_trust_store": true}
	for _, r := range rules {
		used[r.detail] = true
		assert.NotEmpty(t, Of(r.detail).Title, "%s: about.go", r.detail)
	}
	for _, a := range abouts {
		assert.True(t, used[a.Detail], "%s is described, and no rule gives it", a.Detail)
	}
}

// Each phrase is of some length, for short ones are in every text, and none is
// in two rules: the second would never count.
func TestPhrases(t *testing.T) {
	seen := map[string]string{}
	states := 0
	for _, r := range rules {
		assert.NotEmpty(t, r.phrases, r.detail)
		assert.NotContains(t, r.or, r.cause, r.detail)
		for _, text := range r.phrases {
			p := squashPhrase(text)
			assert.GreaterOrEqual(t, len(p), 4, "%s: %q", r.detail, text)
			assert.Empty(t, seen[p], "%q of %s is also one of %s", text, r.detail, seen[p])
			seen[p] = r.detail
			states += len(p)
		}
	}
	assert.Less(t, states, 1<<16-1<<14, "the automaton counts its states in 16 bits")
}
