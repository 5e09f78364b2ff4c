package inspect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/pki"
)

func TestMatchPath(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"tls.crt", "tls.crt", true},
		{"tls.crt", "a/b/tls.crt", true},
		{"*.crt", "a/tls.crt", true},
		{"a/*.crt", "a/tls.crt", true},
		{"./a/*.crt", "a/tls.crt", true},
		{"a/*.crt", "b/a/tls.crt", false},
		{"a/*.crt", "a/b/tls.crt", false},
		{"a/**", "a/b/c/tls.crt", true},
		{"a/**/*.crt", "a/tls.crt", true},
		{"a/**/c/**/*.crt", "a/b/c/d/c/e/tls.crt", true},
		{"a/**/c/*.crt", "a/c/b/c/tls.crt", true},
		{"a/**/c/*.crt", "a/c/b/tls.crt", false},
		{"**", "a/b", true},
		{"a/**", "ab/c", false},
		{"-", "-", true},
		{"[", "[", false},
	} {
		assert.Equal(t, tt.want, inspect.MatchPath(tt.pattern, tt.name), "%s against %s", tt.pattern, tt.name)
	}
	assert.Error(t, inspect.CheckPattern("a/[b"))
}

func TestWaiverWorksThroughItsLastDay(t *testing.T) {
	w := inspect.Waiver{Rule: "expired", Path: "old/*.crt", Reason: "goes in May", Expires: time.Date(2027, 4, 30, 0, 0, 0, 0, time.UTC)}
	c := &inspect.Config{Waivers: []inspect.Waiver{w}, Folder: "/repo"}
	f := inspect.Finding{Rule: "expired", Origin: pki.Origin{Source: "/repo/old/tls.crt"}}
	last := time.Date(2027, 4, 30, 23, 59, 59, 0, time.UTC)
	assert.Equal(t, "goes in May", c.Waive(f, last))
	assert.Empty(t, c.Waive(f, last.Add(time.Second)))
	f.Origin.Source = "/repo/new/tls.crt"
	assert.Empty(t, c.Waive(f, last), "another file")
	f.Origin.Source, f.Rule = "/repo/old/tls.crt", "key-weak"
	assert.Empty(t, c.Waive(f, last), "another rule")
}
