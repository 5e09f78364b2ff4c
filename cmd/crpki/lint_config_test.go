package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/rules"
)

// The schema takes the keys that are read, and demands those that are.
func TestLintConfigSchema(t *testing.T) {
	type object struct {
		Required   []string
		Additional *bool `json:"additionalProperties"`
		Properties map[string]struct{ Description string }
	}
	var schema struct {
		object
		Defs struct{ Waiver, File object } `json:"$defs"`
	}
	data, err := os.ReadFile("../../docs/lint-config.schema.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &schema))
	r := &configReader{}
	for name, level := range map[string]struct {
		fields []configField
		schema object
	}{
		"the configuration": {r.topFields(), schema.object},
		"a waiver":          {r.waiverFields(&inspect.Waiver{}), schema.Defs.Waiver},
		"an entry of files": {r.fileFields(&inspect.Expectation{}), schema.Defs.File},
	} {
		var required []string
		for _, f := range level.fields {
			if f.required {
				required = append(required, f.name)
			}
			assert.NotEmpty(t, level.schema.Properties[f.name].Description, "%s: %s", name, f.name)
		}
		assert.ElementsMatch(t, fieldNames(level.fields), slices.Collect(maps.Keys(level.schema.Properties)), name)
		assert.ElementsMatch(t, required, level.schema.Required, name)
		require.NotNil(t, level.schema.Additional, name)
		assert.False(t, *level.schema.Additional, name)
	}
}

func FuzzReadConfig(f *testing.F) {
	f.Add("version: 1\nseverities: {expired: off}\nwaivers:\n- {rule: expired, path: '*', reason: r, expires: 2027-01-31}\n")
	f.Add("{version: 1, waivers: [{rule: *a}], severities: &a {<<: *a}}")
	f.Add("version: 1\nversion: 1\n---\nx")
	all := rules.All()
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readConfig("x.yaml", []byte(text), all)
		if err != nil {
			assert.True(t, strings.HasPrefix(err.Error(), "x.yaml"), err)
			return
		}
		for _, w := range c.Waivers {
			assert.NotEmpty(t, w.Rule)
			assert.NotEmpty(t, w.Reason)
			assert.NotEmpty(t, w.Path)
			assert.False(t, w.Expires.IsZero() && w.Line == 0)
		}
	})
}
