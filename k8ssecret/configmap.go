package k8ssecret

import (
	"slices"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
)

// configMap reads the certificates in a ConfigMap. One without gives no unit.
func (r *reader) configMap(n *tree.Node, prefix string) {
	m := readMeta(n)
	u := r.unit(KindConfigMap, head(n))
	u.Name, u.Namespace, u.Target = m.name, m.namespace, r.target("ConfigMap", m)
	var parts []part
	for _, section := range []struct {
		name string
		enc  encoding
	}{{"data", asPEM}, {"binaryData", asBase64}} {
		values := n.Get(section.name)
		if values == nil || values.Kind != tree.Map {
			continue
		}
		for _, p := range values.Pairs {
			f := field{path: join(join(prefix, section.name), p.Key), name: p.Key, node: p.Value, enc: section.enc, role: roleOf(p.Key)}
			parts = append(parts, r.read(&u, f))
		}
	}
	if !slices.ContainsFunc(parts, part.found) {
		return
	}
	if sum := sizeOf(parts); sum > maxSecret {
		r.note(&u, NoteConfigMapTooLarge, join(prefix, "data"), head(n), "the values have %d bytes together; a ConfigMap holds at most %d", sum, maxSecret)
	}
	for _, p := range parts {
		for _, k := range p.Keys {
			u.Material.Notes = append(u.Material.Notes, pki.Note{
				Rule: NoteConfigMapKey, Origin: k.Origin,
				Detail: p.path + " holds a private key: whoever may read ConfigMaps has it; it belongs into a Secret",
			})
		}
	}
	r.units = append(r.units, assemble(u, parts)...)
}
