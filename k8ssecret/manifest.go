package k8ssecret

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
)

// maxObjects bounds the objects that one document lists.
const maxObjects = 100_000

// manifests reads every document of a YAML or JSON file. A document that
// cannot be read hides no other.
func (r *reader) manifests() {
	docs := tree.Read(r.src)
	for _, d := range docs {
		if d.Err == nil {
			r.issuer(d.Root, true)
		}
	}
	defer r.notJSON(len(r.units))
	for _, d := range docs {
		text := r.src.Text[d.Start:d.End]
		switch {
		case d.Err == nil:
			r.object(d.Root, "")
		case !promises(text):
			// Not ours to complain about.
		case hasTemplate(text):
			r.template(d.Start, "a template: render it first (helm template …) and lint what comes out")
		default:
			r.broken(d.Err)
		}
	}
}

// maxIssuers bounds what every Secret is compared with.
const maxIssuers = 100

// issuer keeps which Secret an Issuer or ClusterIssuer of cert-manager signs
// with. Of a list, its items are looked at.
func (r *reader) issuer(n *tree.Node, list bool) {
	if n.Kind != tree.Map || len(r.issuers) >= maxIssuers {
		return
	}
	switch kind := n.Get("kind").Scalar(); {
	case strings.HasSuffix(kind, "List") && list && n.Get("items") != nil:
		for _, item := range n.Get("items").Items {
			r.issuer(item, false)
		}
	case kind == "Issuer" || kind == "ClusterIssuer":
		if name := n.At("spec", "ca", "secretName").Scalar(); name != "" {
			r.issuers = append(r.issuers, name)
		}
	}
}

// promises reports whether a document that cannot be read would be ours: a
// ConfigMap is only when it holds certificates, and mostly it does not.
func promises(text string) bool {
	kind := (sniffer{text: []byte(text)}).manifest()
	return kind != "" && kind != KindConfigMap
}

// broken keeps the error of a document that cannot be read.
func (r *reader) broken(err error) {
	offset := 0
	if e, ok := err.(*tree.Error); ok {
		offset = e.Offset
		at := r.origin("", offset)
		err = fmt.Errorf("line %d: %s", at.Line, e.Msg)
	}
	r.fail(offset, err)
}

// template adds a unit for what is recognised and passed over.
func (r *reader) template(offset int, why string) {
	u := r.unit(KindTemplate, offset)
	r.note(&u, NoteTemplate, "", offset, "not judged: %s", why)
	r.units = append(r.units, u)
}

// object reads one object; prefix is its path in the document.
func (r *reader) object(n *tree.Node, prefix string) {
	if n.Kind != tree.Map || len(r.units) >= maxObjects {
		return
	}
	kind, api := n.Get("kind").Scalar(), n.Get("apiVersion").Scalar()
	core := api == "" || api == "v1"
	switch {
	case strings.HasSuffix(kind, "List") && n.Get("items") != nil:
		for i, item := range n.Get("items").Items {
			r.object(item, fmt.Sprintf("%sitems[%d]", dotted(prefix), i))
		}
	case n.Get("secretGenerator") != nil:
		r.generator(n)
	case kind == "Secret" && core, kind == "ConfigMap" && core, kind == "Certificate" && strings.HasPrefix(api, "cert-manager.io/"):
		if r.templated(n, 0) {
			if kind == "ConfigMap" {
				return
			}
			r.template(n.Start, "a template: render it first (helm template …) and lint what comes out")
			return
		}
		switch kind {
		case "Secret":
			r.secret(n, prefix)
		case "ConfigMap":
			r.configMap(n, prefix)
		default:
			r.certificate(n, prefix)
		}
	}
}

func dotted(prefix string) string {
	if prefix == "" {
		return ""
	}
	return prefix + "."
}

// templated reports whether a value of n is to be filled in by Helm or Jinja:
// an action without quotes, or in quotes and nothing else.
func (r *reader) templated(n *tree.Node, depth int) bool {
	if depth > 4 { // deeper than any field that we read
		return false
	}
	switch n.Kind {
	case tree.Map:
		if n.Style == tree.Flow && strings.HasPrefix(r.text(n), "{{") {
			return true
		}
		return slices.ContainsFunc(n.Pairs, func(p tree.Pair) bool {
			return strings.HasPrefix(p.Key, "{{") || r.templated(p.Value, depth+1)
		})
	case tree.List:
		return slices.ContainsFunc(n.Items, func(item *tree.Node) bool { return r.templated(item, depth+1) })
	}
	text := strings.TrimSpace(n.Text)
	if n.Style == tree.Plain {
		return hasTemplate(text)
	}
	return strings.HasPrefix(text, "{{") && strings.HasSuffix(text, "}}")
}

// generator passes over a kustomization that makes Secrets of certificates.
func (r *reader) generator(n *tree.Node) {
	text := r.text(n.Get("secretGenerator"))
	if strings.Contains(text, "kubernetes.io/tls") || strings.Contains(text, ".crt") || strings.Contains(text, ".key") || strings.Contains(text, ".pem") {
		r.template(n.Pair("secretGenerator").KeyNode.Start, "kustomize makes the Secret: lint the files that it takes, or what comes out (kustomize build …)")
		notes := r.units[len(r.units)-1].Material.Notes
		notes[len(notes)-1].Fix = "kustomize build . | crpki lint -"
	}
}

// meta are the fields that all objects have.
type meta struct {
	name, namespace string
	node            *tree.Node // metadata
}

func readMeta(n *tree.Node) meta {
	m := n.Get("metadata")
	return meta{name: m.Get("name").Scalar(), namespace: m.Get("namespace").Scalar(), node: m}
}

// target names the object among others.
func (r *reader) target(kind string, m meta) string {
	name := m.name
	if m.namespace != "" {
		name = m.namespace + "/" + name
	}
	if name == "" {
		return r.source
	}
	return r.source + ": " + kind + " " + name
}

// head is where an object is pointed to as a whole: its kind.
func head(n *tree.Node) int {
	if p := n.Pair("kind"); p != nil {
		return p.KeyNode.Start
	}
	return n.Start
}

// duplicates notes keys that stand twice in a mapping. Programs take the last,
// and kubectl with strict validation refuses.
func (r *reader) duplicates(u *Unit, n *tree.Node, path string) {
	if n == nil || n.Kind != tree.Map {
		return
	}
	seen := make(map[string]bool, len(n.Pairs))
	for _, p := range n.Pairs {
		if p.Merged {
			break
		}
		if seen[p.Key] {
			r.note(u, NoteDuplicateKey, join(path, p.Key), p.KeyNode.Start, "the key %q stands twice in %s: programs take one of them, kubectl refuses both", p.Key, orRoot(path))
		}
		seen[p.Key] = true
	}
}

func orRoot(path string) string {
	if path == "" {
		return "the same mapping"
	}
	return path
}
