package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/pki/format"
)

// facts are notes that tell what a file is, and no fault of it: `crpki inspect`
// shows them, and there is nothing to be judged.
var facts = map[string]string{
	format.NotePKCS12:       "how a PKCS#12 file is protected",
	format.NoteFriendlyName: "the name of an entry",
}

// What a reader notes must not get lost, and a rule for notes that nobody takes
// would look as if something were judged.
func TestEveryNoteHasARule(t *testing.T) {
	byID := map[string]inspect.Rule{}
	for _, r := range All() {
		byID[r.ID] = r
	}
	noted := map[string]bool{}
	for _, file := range []string{"../../pki/format/notes.go", "../../pki/lenient/lenient.go", "../../k8ssecret/notes.go"} {
		ids := constants(t, file)
		require.NotEmpty(t, ids, file)
		for name, id := range ids {
			noted[id] = true
			_, isRule := byID[id]
			if _, isFact := facts[id]; isFact {
				assert.False(t, isRule, "%s is a fact, and has a rule", id)
				continue
			}
			assert.True(t, isRule, "%s: %s (%s) has no rule", filepath.Base(filepath.Dir(file)), name, id)
		}
	}
	for _, r := range All() {
		if r.Each == nil && r.Check == nil {
			assert.True(t, noted[r.ID], "%s has no check, and no reader notes it", r.ID)
		}
	}
}

// constants gives the IDs among a file's exported constants: those that are no
// numbers with dots.
func constants(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	ids := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING || !spec.Names[i].IsExported() || strings.HasPrefix(spec.Names[i].Name, "OID") {
				continue
			}
			id, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			ids[spec.Names[i].Name] = id
		}
		return false
	})
	return ids
}
