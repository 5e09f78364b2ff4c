package view

import (
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

const jsonDocs = "../../docs/inspect-json.md"

// TestJSONDocs holds the tables of docs/inspect-json.md against the types. With
// -update it writes fields and types; the words about them stay, and where
// there are none yet, somebody has to find some.
func TestJSONDocs(t *testing.T) {
	data, err := os.ReadFile(jsonDocs)
	require.NoError(t, err)
	prose, tables, ok := strings.Cut(string(data), "\n<!-- tables -->\n")
	require.True(t, ok, "the mark before the tables")
	assert.Contains(t, prose, fmt.Sprintf("`\"schema\": %d`", SchemaVersion))

	words := map[string]string{} // by "Section.field"
	section := ""
	for line := range strings.Lines(tables) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = name
		} else if cells := strings.Split(strings.Trim(line, "|"), " | "); len(cells) == 3 {
			words[section+"."+strings.Trim(cells[0], " `")] = strings.TrimSpace(cells[2])
		}
	}
	var want strings.Builder
	for _, typ := range documentTypes() {
		fmt.Fprintf(&want, "\n## %s\n\n| field | | |\n| --- | --- | --- |\n", typ.Name())
		for _, f := range jsonFields(typ) {
			about := words[typ.Name()+"."+f.name]
			assert.NotEmpty(t, about, "%s: %s.%s has no words about it", jsonDocs, typ.Name(), f.name)
			fmt.Fprintf(&want, "| `%s` | %s | %s |\n", f.name, f.typ, about)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(jsonDocs, []byte(prose+"\n<!-- tables -->\n"+want.String()), 0o644))
		return
	}
	assert.Equal(t, want.String(), tables, "go test ./inspect/view -run JSONDocs -update")
	for _, word := range []string{
		string(Valid), string(Expired), string(NotYetValid), string(Unknown),
		string(Leaf), string(Intermediate), string(Root), string(SelfSigned), string(UnknownPosition),
	} {
		assert.Contains(t, tables, "`"+word+"`", "every value is told")
	}
	for _, kind := range nameKinds {
		assert.Contains(t, tables, "`"+kind+"`", "every kind of name is told")
	}
}

// documentTypes are the structures of the document, each before those in it.
func documentTypes() []reflect.Type {
	todo := []reflect.Type{reflect.TypeFor[Document]()}
	for i := 0; i < len(todo); i++ {
		for _, f := range jsonFields(todo[i]) {
			if f.of != nil && !slices.Contains(todo, f.of) {
				todo = append(todo, f.of)
			}
		}
	}
	return todo
}

type jsonField struct {
	name, typ string
	of        reflect.Type // the structure in it, or nil
}

func jsonFields(typ reflect.Type) []jsonField {
	var fields []jsonField
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			fields = append(fields, jsonFields(f.Type)...)
		case f.IsExported():
			text, of := jsonType(f.Type)
			if option != "" {
				text += ", or absent"
			}
			fields = append(fields, jsonField{name, text, of})
		}
	}
	return fields
}

func jsonType(typ reflect.Type) (string, reflect.Type) {
	switch typ.Kind() {
	case reflect.String:
		return "text", nil
	case reflect.Bool:
		return "true or false", nil
	case reflect.Int, reflect.Int64:
		return "number", nil
	case reflect.Pointer:
		return jsonType(typ.Elem())
	case reflect.Slice:
		text, of := jsonType(typ.Elem())
		return "list of " + text, of
	}
	if typ == reflect.TypeFor[time.Time]() {
		return "time", nil
	}
	return fmt.Sprintf("[%s](#%s)", typ.Name(), strings.ToLower(typ.Name())), typ
}
