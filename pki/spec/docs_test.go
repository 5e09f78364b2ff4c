package spec

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/issue"
)

// accepted are the keys that each level takes.
func accepted() map[string][]string {
	all := map[string][]string{}
	for _, l := range (&reader{spec: &Spec{}}).levels() {
		for _, f := range l.fields {
			all[l.name] = append(all[l.name], f.name)
		}
		slices.Sort(all[l.name])
	}
	return all
}

// schemaNode is the part of JSON Schema that docs/spec.schema.json uses.
type schemaNode struct {
	Description string                `json:"description"`
	Ref         string                `json:"$ref"`
	Properties  map[string]schemaNode `json:"properties"`
	Additional  *bool                 `json:"additionalProperties"`
	Enum        []string              `json:"enum"`
	Pattern     string                `json:"pattern"`
	MaxLength   int                   `json:"maxLength"`
	Defs        map[string]schemaNode `json:"$defs"`
}

func schema(t *testing.T) schemaNode {
	t.Helper()
	data, err := os.ReadFile("../../docs/spec.schema.json")
	require.NoError(t, err)
	var s schemaNode
	require.NoError(t, json.Unmarshal(data, &s))
	return s
}

func TestSchemaTakesWhatReadTakes(t *testing.T) {
	s := schema(t)
	levels := map[string]schemaNode{
		"top": s, "defaults": s.Defs["defaults"], "cas": s.Defs["ca"], "certs": s.Defs["cert"],
		"subject": s.Defs["subject"], "from": s.Defs["ca"].Properties["from"],
	}
	want := accepted()
	require.Len(t, want, len(levels))
	for name, level := range levels {
		var keys []string
		for key, property := range level.Properties {
			keys = append(keys, key)
			assert.True(t, property.Description != "" || property.Ref != "", "%s: %s is described", name, key)
		}
		slices.Sort(keys)
		assert.Equal(t, want[name], keys, name)
		require.NotNil(t, level.Additional, name)
		assert.False(t, *level.Additional, "%s takes no other keys", name)
	}
	var types, presets []string
	for _, k := range issue.KeyTypes() {
		types = append(types, string(k))
	}
	for _, p := range issue.Presets() {
		presets = append(presets, p.Name)
	}
	assert.Equal(t, types, s.Defs["key-type"].Enum)
	assert.Equal(t, presets, s.Defs["preset"].Enum)
	assert.Equal(t, maxFileName, s.Defs["name"].MaxLength)
}

func TestSchemaAgreesOnLengthsOfTimeAndNames(t *testing.T) {
	s := schema(t)
	duration := regexp.MustCompile(s.Defs["duration"].Pattern)
	for _, text := range []string{"90d", "2160h", "1y30d", "10s", "90", "d", "1.5d", "1d 2h", "-1d", ""} {
		_, err := issue.ParseLifetime(text)
		assert.Equal(t, err == nil, duration.MatchString(text), "%q", text)
	}
	name := regexp.MustCompile(s.Defs["name"].Pattern)
	for _, text := range []string{"root", "a.b-c_d", "0", "a/b", "..", ".a", "-a", "a b", "ä", "*.a", ""} {
		assert.Equal(t, badFileName(text) == "" && text != "", name.MatchString(text), "%q", text)
	}
}

// TestReferenceNamesEveryField looks for the keys in the first column of the
// tables of docs/spec.md, section by section.
func TestReferenceNamesEveryField(t *testing.T) {
	data, err := os.ReadFile("../../docs/spec.md")
	require.NoError(t, err)
	documented := map[string][]string{}
	section := ""
	for line := range strings.Lines(string(data)) {
		if title, ok := strings.CutPrefix(line, "#"); ok {
			section = strings.TrimSpace(strings.TrimLeft(title, "#"))
			continue
		}
		first, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		for i, word := range strings.Split("`"+first[:strings.Index(first, " |")], "`") {
			if i%2 == 1 {
				documented[section] = append(documented[section], word)
			}
		}
	}
	sorted := func(sections ...string) []string {
		var all []string
		for _, s := range sections {
			require.NotEmpty(t, documented[s], "section %q", s)
			all = append(all, documented[s]...)
		}
		slices.Sort(all)
		return all
	}
	const both = "Entries of `cas` and of `certs`"
	want := accepted()
	assert.Equal(t, slices.Sorted(slices.Values(append(want["top"], "x-…"))), sorted("Top level"))
	assert.Equal(t, want["defaults"], sorted("`defaults`"))
	assert.Equal(t, want["cas"], sorted(both, "Entries of `cas` only"))
	assert.Equal(t, want["certs"], sorted(both, "Entries of `certs` only"))
	assert.Equal(t, want["from"], sorted("`from`"))
	assert.Equal(t, want["subject"], sorted("`subject`"))
}
