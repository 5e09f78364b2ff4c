package rules

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/crpki/crpki/fixtures/corpus"
)

// Every rule can be explained: its page says what is wrong, why it matters, how
// to mend it and where that is from.
func TestEveryRuleExplainsItself(t *testing.T) {
	id := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$|^expired$`)
	seen := map[string]bool{}
	for _, r := range All() {
		t.Run(r.ID, func(t *testing.T) {
			assert.Regexp(t, id, r.ID)
			assert.False(t, seen[r.ID], "the ID is taken")
			seen[r.ID] = true
			assert.NotZero(t, r.Severity)
			assert.NotEmpty(t, r.Group)
			assert.Regexp(t, `^[A-Z].*\.$`, r.Doc.Title)
			assert.Regexp(t, `\.$`, r.Doc.Why)
			assert.Regexp(t, `^(crpki |$)`, r.Doc.Fix)
			assert.NotEmpty(t, r.Doc.Sources)
			assert.NotEmpty(t, r.Doc.Since)
			for _, refusal := range r.Doc.Refusals {
				assert.NotEmpty(t, refusal.Client)
				assert.NotEmpty(t, refusal.Message)
			}
		})
	}
}

// No rule is without a case that breaks it and one that comes close and does
// not; what lint finds in them is held by the tests of fixtures/corpus.
func TestEveryRuleHasABadAndAGoodCase(t *testing.T) {
	bad, good := corpus.Covered()
	for _, r := range All() {
		assert.True(t, bad[r.ID], "no bad case of %s in fixtures/corpus", r.ID)
		assert.True(t, good[r.ID], "no good case of %s in fixtures/corpus", r.ID)
		delete(bad, r.ID)
	}
	for id := range bad {
		assert.Fail(t, "fixtures/corpus has cases of an unknown rule", id)
	}
}
