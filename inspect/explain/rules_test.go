package explain

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A rule whose detail nobody describes would answer with an empty page.
func TestEveryDetailIsDescribed(t *testing.T) {
	used := map[string]bool{"unspecified": true, "unknown": true, "old_trust_store": true}
	for _, r := range rules {
		used[r.Detail] = true
		assert.NotEmpty(t, Of(r.Detail).Title, "%s: about.go", r.Detail)
	}
	for _, a := range abouts {
		assert.True(t, used[a.Detail], "%s is described, and no rule gives it", a.Detail)
	}
}
