package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/crpki/crpki"

// layers says which packages of ours each package may import: the picture in
// docs/architecture.md as a table. Test files may import what they like.
var layers = map[string][]string{
	"pki":         nil,
	"pki/lenient": nil,
	"pki/nearest": nil,
	"pki/format":  {"pki", "pki/lenient"},
	"pki/issue":   {"pki"},
	"pki/spec":    {"pki", "pki/format", "pki/issue", "pki/nearest"},

	"inspect":         {"pki", "pki/lenient"},
	"inspect/view":    {"pki", "pki/lenient"},
	"inspect/verify":  {"pki", "pki/lenient"},
	"inspect/rules":   {"inspect", "inspect/verify", "pki", "pki/format", "pki/lenient"},
	"inspect/clients": {"inspect", "inspect/rules", "inspect/verify", "pki", "pki/lenient"},
	"inspect/report":  {"inspect"},
	"inspect/probe":   {"inspect/verify", "pki", "pki/lenient"},
	"inspect/explain": nil,
	"inspect/trust":   {"inspect/verify", "k8ssecret/yamltree", "pki"},

	"k8ssecret":               {"k8ssecret/internal/tree", "pki", "pki/format", "pki/nearest"},
	"k8ssecret/internal/tree": nil,
	"k8ssecret/preflight":     {"k8ssecret", "k8ssecret/cluster", "pki", "pki/format"},
	"k8ssecret/yamltree":      {"k8ssecret/internal/tree"},
	"k8ssecret/cluster":       {"k8ssecret/internal/tree"},

	"cmd/crpki/internal/emit":  {"pki"},
	"cmd/crpki/internal/serve": {"pki", "pki/issue"},
	"cmd/crpki/internal/start": nil,
	"cmd/crpki": {
		"cmd/crpki/internal/emit", "cmd/crpki/internal/serve", "cmd/crpki/internal/start", "k8ssecret", "k8ssecret/cluster", "k8ssecret/preflight", "k8ssecret/yamltree",
		"inspect", "inspect/clients", "inspect/explain", "inspect/probe", "inspect/report", "inspect/rules", "inspect/trust", "inspect/verify", "inspect/view",
		"pki", "pki/format", "pki/issue", "pki/lenient", "pki/nearest", "pki/spec",
	},
}

// only says which package alone touches a library, and why it stays there.
var only = []struct {
	library string
	owners  []string
	reason  string
}{
	{"github.com/cloudflare/cfssl", []string{"pki/issue"}, "its types and its logging stop at one door"},
	{"software.sslmate.com/src/go-pkcs12", []string{"pki/format"}, "an encoding is read and written in one place"},
	{"github.com/youmark/pkcs8", []string{"pki/format"}, "an encoding is read and written in one place"},
	{"github.com/goccy/go-yaml", []string{"pki/spec"}, "only the spec is YAML; results are written by cmd/crpki/yaml.go"},
	{"github.com/urfave/cli/v2", []string{"cmd/crpki"}, "flags are the command line's affair: packages take values"},
	{"k8s.io/client-go", []string{"k8ssecret/cluster"}, "a cluster is reached through one door"},
	{"k8s.io/apimachinery", []string{"k8ssecret/cluster"}, "a cluster is reached through one door, and its types stop there"},
	{"golang.org/x/term", []string{"cmd/crpki", "k8ssecret/cluster"}, "a package below cmd knows no terminal and never prompts; the plug-in of a kubeconfig may, and is told whether there is one"},
	{"golang.org/x/net/idna", []string{"pki"}, "names are understood in one place"},
	{"log", []string{"cmd/crpki", "cmd/crpki/internal/serve"}, "libraries return errors, they do not log; serve has servers that speak through it, and probe silences net/http"},
	{"os", []string{"cmd/crpki", "cmd/crpki/internal/emit", "k8ssecret/cluster", "pki/spec"}, "packages below cmd take bytes and return files as values; a kubeconfig names files, variables and programs, and who obeys it reads them"},
	{"flag", []string{"cmd/crpki"}, "flags are the command line's affair: packages take values"},
}

// never says what must not be linked into crpki, directly or through others.
var never = []struct{ prefix, reason string }{
	{"k8s.io/client-go/kubernetes", "the full clientset and its scheme cost 7 ms at each start and 25 MB; k8ssecret/cluster needs neither"},
	{"k8s.io/client-go/tools/clientcmd", "1 ms at each start and 5 MB, with rest; k8ssecret/cluster reads kubeconfigs itself"},
	{"k8s.io/client-go/rest", "it comes with clientcmd; k8ssecret/cluster sends its few requests itself"},
	{"k8s.io/client-go/pkg/apis", "its types register themselves at each start; k8ssecret/cluster decodes what a plug-in prints itself"},
	{"k8s.io/client-go/plugin", "it registers those types; k8ssecret/cluster runs plug-ins itself"},
	{"k8s.io/client-go/applyconfigurations", "it comes with the clientset, and brings the schema of every type"},
	{"k8s.io/client-go/discovery", "it brings OpenAPI models; k8ssecret/cluster asks for the one list that it needs"},
	{"k8s.io/apimachinery/pkg/apis", "its types register themselves at each start; it comes with rest"},
	{"k8s.io/apimachinery/pkg/runtime", "0.1 ms at each start; it comes with rest"},
	{"k8s.io/apimachinery/pkg/api", "it comes with rest, and brings the types"},
	{"k8s.io/api/", "its types register themselves at each start; k8ssecret/cluster decodes the fields that it looks at"},
	{"k8s.io/kube-openapi", "it comes with discovery and the clientset"},
	{"sigs.k8s.io/structured-merge-diff/v6", "0.5 ms at each start; it comes with rest and applyconfigurations"},
	{"sigs.k8s.io/yaml", "k8ssecret's own reader says where a fault is, and is linked anyway"},
	{"sigs.k8s.io/json", "it comes with rest"},
	{"go.yaml.in/yaml", "it comes with sigs.k8s.io/yaml, and compiles patterns at each start"},
	{"github.com/json-iterator/go", "0.1 ms at each start; it comes with rest"},
	{"github.com/davecgh/go-spew", "it comes with rest"},
	{"github.com/fxamacker/cbor", "0.1 ms at each start; it comes with rest"},
	{"github.com/zmap/zlint", "5 ms at each start; it comes with cfssl's signer, config and initca"},
	{"github.com/zmap/zcrypto", "it comes with zlint"},
	{"github.com/weppos/publicsuffix-go", "4 ms at each start; it comes with zlint"},
	{"github.com/cloudflare/cfssl/signer", "brings zlint; see pki/issue for what signs instead"},
	{"github.com/cloudflare/cfssl/initca", "brings zlint"},
	{"github.com/cloudflare/cfssl/config", "brings zlint"},
	{"github.com/russross/blackfriday", "0.4 ms at each start: build with -tags urfave_cli_no_docs"},
	{"github.com/cpuguy83/go-md2man", "comes with blackfriday: build with -tags urfave_cli_no_docs"},
	{"github.com/google/go-containerregistry/pkg/v1/remote", "its client brings Docker's configuration and more; serve links pkg/registry alone"},
	{"github.com/google/go-containerregistry/pkg/v1/mutate", "images are made for tests and the demo; serve writes its own by hand"},
	{"github.com/stretchr/testify", "tests only"},
	{"github.com/rogpeppe/go-internal", "tests only"},
	{"html/template", "nothing here is HTML"},
	{"testing", "tests only"},
	{module + "/fixtures", "fixtures are for tests and the demo"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// goList lists packages as they are built for a release.
func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-tags", "urfave_cli_no_docs", "-json=ImportPath,Imports,Standard"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var packages []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			require.NoError(t, err)
		}
		packages = append(packages, p)
	}
}

func TestLayers(t *testing.T) {
	for _, p := range goList(t, module+"/...") {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if strings.HasPrefix(name, "fixtures/") || name == "cmd/demo" {
			continue // for tests and the demo, never part of crpki
		}
		t.Run(name, func(t *testing.T) {
			allowed, known := layers[name]
			require.True(t, known, "a new package: give it its place in layers, and in the picture in docs/architecture.md")
			for _, path := range p.Imports {
				if ours, ok := strings.CutPrefix(path, module+"/"); ok {
					assert.Contains(t, allowed, ours, "%s may not import %s: imports go one way (docs/architecture.md)", name, ours)
				}
				for _, o := range only {
					if path == o.library || strings.HasPrefix(path, o.library+"/") && strings.Contains(o.library, ".") {
						assert.Contains(t, o.owners, name, "%s may not import %s: %s", name, path, o.reason)
					}
				}
			}
		})
	}
}

// TestStartComesFirst: what package start does has to happen before libraries are
// initialised, so it may depend on nothing that is initialised late.
func TestStartComesFirst(t *testing.T) {
	for _, p := range goList(t, module+"/cmd/crpki/internal/start") {
		assert.Equal(t, []string{"runtime"}, p.Imports)
	}
}

func TestPKINeedsTheStandardLibraryOnly(t *testing.T) {
	for _, p := range goList(t, module+"/pki") {
		for _, path := range p.Imports {
			first, _, _ := strings.Cut(path, "/")
			if strings.Contains(first, ".") {
				assert.Contains(t, []string{"golang.org/x/net/idna", module + "/pki/lenient"}, path, "the nouns depend on nothing that moves")
			}
		}
	}
}

func TestWhatIsLinked(t *testing.T) {
	linked := goList(t, "-deps", module+"/cmd/crpki")
	importers := func(path string) (found []string) {
		for _, p := range linked {
			if slices.Contains(p.Imports, path) {
				found = append(found, p.ImportPath)
			}
		}
		return found
	}
	for _, p := range linked {
		for _, n := range never {
			if p.ImportPath == strings.TrimSuffix(n.prefix, "/") || strings.HasPrefix(p.ImportPath, strings.TrimSuffix(n.prefix, "/")+"/") {
				assert.Fail(t, "crpki links "+p.ImportPath+": "+n.reason, "imported by %v", importers(p.ImportPath))
			}
		}
	}
}
