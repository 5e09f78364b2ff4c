package nearest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEdits(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"tls.crt", "tls.crt", 0},
		{"conected-registry", "connected-registry", 1},
		{"inpsect", "inspect", 1}, // neighbours swapped
		{"locl", "local", 1},
		{"ca", "abc", 3}, // a swapped pair is not edited again
		{"kitten", "sitting", 3},
	} {
		assert.Equal(t, tt.want, Edits(tt.a, tt.b), "%s → %s", tt.a, tt.b)
		assert.Equal(t, tt.want, Edits(tt.b, tt.a), "%s → %s", tt.b, tt.a)
	}
}
