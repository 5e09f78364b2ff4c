package inspect_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/pki"
)

func TestBaseline(t *testing.T) {
	f := inspect.Finding{Rule: "expired", Origin: pki.Origin{Source: "a.crt", Index: 1, Line: 3}, Message: "since 3 days"}
	b := &inspect.Baseline{}
	empty, err := b.Encode()
	require.NoError(t, err)
	assert.Equal(t, "{\n  \"version\": 1,\n  \"findings\": []\n}\n", string(empty))
	b.Add(f)
	b.Add(f)
	assert.Equal(t, 1, b.Len())
	data, err := b.Encode()
	require.NoError(t, err)

	read, err := inspect.ReadBaseline(data)
	require.NoError(t, err)
	again, err := read.Encode()
	require.NoError(t, err)
	assert.Equal(t, string(data), string(again))

	moved := f
	moved.Origin.Line, moved.Message = 40, "since 9 days"
	assert.True(t, read.Has(moved), "lines and messages change")
	moved.Origin.Source = "./b/../a.crt"
	assert.True(t, read.Has(moved), "the same file by another name")
	for name, change := range map[string]func(*inspect.Finding){
		"another rule":        func(f *inspect.Finding) { f.Rule = "key-weak" },
		"another file":        func(f *inspect.Finding) { f.Origin.Source = "b.crt" },
		"another field":       func(f *inspect.Finding) { f.Origin.Field = "data.ca.crt" },
		"another certificate": func(f *inspect.Finding) { f.Origin.Index = 2 },
	} {
		other := f
		change(&other)
		assert.False(t, read.Has(other), name)
	}

	for _, bad := range []string{"", "[]", "{}", `{"version":2,"findings":[]}`, `{"version":1,"findings":[],"x":1}`, `{"version":1,"findings":[]}{}`} {
		_, err := inspect.ReadBaseline([]byte(bad))
		assert.Error(t, err, bad)
	}
}
