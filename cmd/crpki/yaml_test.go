package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteYAML(t *testing.T) {
	tests := map[string]struct{ json, want string }{
		"fields keep their order":        {`{"z":1,"a":2}`, "z: 1\na: 2\n"},
		"empty collections":              {`{"a":[],"b":{}}`, "a: []\nb: {}\n"},
		"top-level list":                 {`["a","b"]`, "- a\n- b\n"},
		"list of objects":                {`{"certs":[{"a":1,"b":[2]},{"a":3}]}`, "certs:\n  - a: 1\n    b:\n      - 2\n  - a: 3\n"},
		"list of lists":                  {`[["a","b"],[]]`, "- - a\n  - b\n- []\n"},
		"object in object":               {`{"a":{"b":{"c":null}}}`, "a:\n  b:\n    c: null\n"},
		"PEM is a literal block":         {`{"pem":"-----BEGIN X-----\nAA\n-----END X-----\n"}`, "pem: |\n  -----BEGIN X-----\n  AA\n  -----END X-----\n"},
		"block without a last newline":   {`["a\nb"]`, "- |-\n  a\n  b\n"},
		"hexadecimal that is a number":   {`["12E5","0A","1e3"]`, "- \"12E5\"\n- \"0A\"\n- \"1e3\"\n"},
		"old sexagesimal number":         {`"10:20:30"`, "\"10:20:30\"\n"},
		"words that are not strings":     {`["no","On","null","y"]`, "- \"no\"\n- \"On\"\n- \"null\"\n- \"y\"\n"},
		"control characters are escaped": {`"\u001b[31m\u009b"`, `"\u001b[31m\u009b"` + "\n"},
		"carriage returns survive":       {`"a\r\nb\r\n"`, `"a\u000d\nb\u000d\n"` + "\n"},
		"large numbers stay exact":       {`340282366920938463463374607431768211455`, "340282366920938463463374607431768211455\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, writeYAML(&out, []byte(tt.json)))
			assert.Equal(t, tt.want, out.String())
		})
	}
	t.Run("what is not one JSON document is refused", func(t *testing.T) {
		for _, bad := range []string{"", "{", `{"a":1} 2`} {
			assert.Error(t, writeYAML(&bytes.Buffer{}, []byte(bad)), bad)
		}
	})
}

// hardStrings are taken for something else by one reader of YAML or another.
var hardStrings = []string{
	"", " ", "a ", " a", "~", "=", "<<", "!tag", "&a", "*a", "a: b", "a #b", "#", "-", "- a", "?", "? a", "[", "{a}", "`", "@", "%",
	"1", "1.5", "1_000", "0x1F", "0b1", "0o7", "0777", "1e3", "12E5", "+1", ".5", ".inf", "-.INF", ".nan", "1:2", "10:20:30", "190:20:30.15",
	"2026-01-01", "2026-01-01T00:00:00Z", "true", "Yes", "OFF", "NULL", "y", "N",
	"it's", `"`, `\`, "a\tb", "\ta", "a\n", "a\nb", "a\nb\n", "a\n\nb", "a\n b", "\n", "\na", "a\r\nb", "a\nb\n\n", "a\n\tb", "---\nb", "a\n...\n",
	"\x00", "\x1b[31m", "\u0085", "\u2028", "\ufeff", "é", "名", "😀", "\u202e", "O=Acme, Inc", "CN=*.reg.local", "a,b", "(a)",
}

// TestYAMLReaders has other programs read what we write.
func TestYAMLReaders(t *testing.T) {
	list, err := json.Marshal(hardStrings)
	require.NoError(t, err)
	byKey := map[string]int{}
	for i, s := range hardStrings {
		byKey[s] = i
	}
	keys, err := json.Marshal(byKey)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, writeYAML(&out, []byte(`{"list":`+string(list)+`,"keys":`+string(keys)+`}`)))

	t.Run("goccy", func(t *testing.T) {
		var got struct {
			List []string
			Keys map[string]int
		}
		require.NoError(t, yaml.Unmarshal(out.Bytes(), &got))
		assert.Equal(t, hardStrings, got.List)
		assert.Equal(t, byKey, got.Keys)
	})
	t.Run("PyYAML", func(t *testing.T) {
		if exec.Command("python3", "-c", "import yaml").Run() != nil {
			t.Skip("no python3 with yaml")
		}
		cmd := exec.Command("python3", "-c", "import json,sys,yaml; d=yaml.safe_load(sys.stdin.buffer.read().decode()); json.dump([d['list'],d['keys']], sys.stdout)")
		cmd.Stdin = bytes.NewReader(out.Bytes())
		var stderr strings.Builder
		cmd.Stderr = &stderr
		data, err := cmd.Output()
		require.NoError(t, err, stderr.String())
		assert.JSONEq(t, `[`+string(list)+`,`+string(keys)+`]`, string(data))
	})
}

func FuzzWriteYAML(f *testing.F) {
	for _, s := range hardStrings {
		data, _ := json.Marshal(map[string]any{"key": s, s: []any{s, []any{s}, map[string]any{s: s}}})
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want any
		if json.Unmarshal(data, &want) != nil || hasNumber(want) {
			return
		}
		data, err := json.Marshal(want) // no key twice
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, writeYAML(&out, data))
		var got any
		require.NoError(t, yaml.Unmarshal(out.Bytes(), &got), out.String())
		back, err := json.Marshal(got)
		require.NoError(t, err)
		assert.JSONEq(t, string(data), string(back), out.String())
	})
}

// hasNumber: the readers differ in how they hold numbers; ours are integers.
func hasNumber(v any) bool {
	switch v := v.(type) {
	case float64:
		return true
	case []any:
		for _, item := range v {
			if hasNumber(item) {
				return true
			}
		}
	case map[string]any:
		for _, item := range v {
			if hasNumber(item) {
				return true
			}
		}
	}
	return false
}
