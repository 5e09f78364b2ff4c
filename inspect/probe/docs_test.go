package probe

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/probe.md anew")

// TestJSONDocs holds the tables of docs/probe.md against the types. With -update
// it writes fields and types; the words about them stay, and where there are
// none yet, somebody has to find some.
func TestJSONDocs(t *testing.T) {
	const doc, mark = "../../docs/probe.md", "\n<!-- tables -->\n"
	data, err := os.ReadFile(doc)
	require.NoError(t, err)
	prose, tables, ok := strings.Cut(string(data), mark)
	require.True(t, ok, "the mark before the tables")
	words := map[string]string{} // by "Section.field"
	section := ""
	for line := range strings.Lines(tables) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "### "); ok {
			section = name
		} else if cells := strings.Split(strings.Trim(line, "|"), " | "); len(cells) == 3 {
			words[section+"."+strings.Trim(cells[0], " `")] = strings.TrimSpace(cells[2])
		}
	}
	var want strings.Builder
	todo := []reflect.Type{reflect.TypeFor[Result]()}
	for i := 0; i < len(todo); i++ {
		fmt.Fprintf(&want, "\n### %s\n\n| field | | |\n| --- | --- | --- |\n", todo[i].Name())
		for f := range fieldsOf(todo[i]) {
			name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			kind, of := kindOf(f.Type)
			if option != "" {
				kind += ", or absent"
			}
			if of != nil && !slices.Contains(todo, of) {
				todo = append(todo, of)
			}
			about := words[todo[i].Name()+"."+name]
			assert.NotEmpty(t, about, "%s: %s.%s has no words about it", doc, todo[i].Name(), name)
			fmt.Fprintf(&want, "| `%s` | %s | %s |\n", name, kind, about)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(doc, []byte(prose+mark+want.String()), 0o644))
		return
	}
	assert.Equal(t, want.String(), tables, "go test ./inspect/probe -run JSONDocs -update")
	for _, status := range []Status{Trusted, Warning, Refused, NotTLS, Unusable, Unreachable} {
		assert.Contains(t, prose, "`"+string(status)+"`")
	}
	for _, code := range []string{FaultUnreadable, FaultDuplicate, FaultOrder, FaultRootSent, FaultIssuerMissing, FaultUnrelated} {
		assert.Contains(t, tables, "`"+code+"`")
	}
}

func fieldsOf(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if f := typ.Field(i); f.IsExported() && f.Tag.Get("json") != "-" && !yield(f) {
				return
			}
		}
	}
}

func kindOf(typ reflect.Type) (string, reflect.Type) {
	switch typ.Kind() {
	case reflect.String:
		return "text", nil
	case reflect.Bool:
		return "true or false", nil
	case reflect.Int, reflect.Int64:
		return "number", nil
	case reflect.Pointer:
		return kindOf(typ.Elem())
	case reflect.Slice:
		text, of := kindOf(typ.Elem())
		return "list of " + text, of
	}
	if typ == reflect.TypeFor[time.Time]() {
		return "time", nil
	}
	return fmt.Sprintf("[%s](#%s)", typ.Name(), strings.ToLower(typ.Name())), typ
}
