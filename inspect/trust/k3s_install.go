package trust

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/crpki/crpki/k8ssecret/yamltree"
)

// Plan names crpki's own file as the registry's ca_file in registries.yaml.
func (r Rancher) Plan(n *Node, i Installation, ref Reference, w Wanted) ([]Change, error) {
	file := r.registriesFile(n)
	y, err := r.readRegistries(n)
	if err != nil {
		return nil, fmt.Errorf("%s: %s; repair it first", file, firstLine(err.Error()))
	}
	own := path.Join("/etc/rancher", r.Product, "crpki-"+fileName(ref.Registry)+".crt")
	old := ""
	if tls := y.configs[ref.Registry].tls; tls != nil {
		old = tls.CAFile
	}
	if old != "" && old != own {
		ca := n.CAFile(old)
		if HoldsCAs(ca.Anchors, w.CAs) {
			return nil, nil
		}
		return nil, fmt.Errorf("%s names %s as the registry's ca_file, and there can be but one: add the CA to that file", file, old)
	}
	changes := n.Changed(own, n.OwnFileWith(own, w), "the CAs of "+ref.Registry)
	if old != own {
		text, _ := n.ReadFile(file)
		edited, err := r.withCAFile(string(text), ref.Registry, own)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		changes = append(changes, n.Changed(file, []byte(edited), "names "+own+" as the CA of "+ref.Registry)...)
	}
	for k := range changes {
		// It holds passwords.
		if changes[k].Path == file {
			changes[k].Mode = 0o600
		}
		changes[k].Restart = []string{cmp.Or(i.Unit, r.units()[0]+".service")}
	}
	if err := holds(n.With(changes), r, i, ref, w); err != nil {
		return nil, fmt.Errorf("no file that crpki would add makes it trust the CA: %w", err)
	}
	return changes, nil
}

// withCAFile sets configs."registry".tls.ca_file in a registries.yaml, and
// leaves the rest of the text as it is.
func (r Rancher) withCAFile(text, registry, file string) (string, error) {
	byHand := fmt.Errorf("write ca_file: %s into configs, %q, tls by hand", yamlWord(file), registry)
	root, src, err := readYAML([]byte(text))
	if err != nil {
		return "", byHand
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	keys := []string{"configs", registry, "tls", "ca_file"}
	// As far down as there is a mapping already, written in lines of its own.
	var above *yamltree.Pair
	at, indent, by, depth := root, -1, 2, 0
	for ; depth < len(keys); depth++ {
		p := at.Pair(keys[depth])
		if p == nil {
			break
		}
		inline := p.Value.Kind != yamltree.Null && (p.Value.Kind != yamltree.Map || text[p.Value.Start] == '{')
		if p.Merged || p.Value.Alias || inline {
			return "", byHand
		}
		_, column := src.Pos(p.KeyNode.Start)
		above, at, indent = p, p.Value, column-1
	}
	if depth == len(keys) {
		return "", byHand
	}
	if above != nil && len(at.Pairs) > 0 {
		_, column := src.Pos(at.Pairs[0].KeyNode.Start)
		by = column - 1 - indent
	}
	if above == nil {
		by, indent = 2, -2
	}
	var b strings.Builder
	for k := depth; k < len(keys); k++ {
		indent += by
		key := keys[k]
		if k == 1 {
			key = fmt.Sprintf("%q", key)
		}
		b.WriteString(strings.Repeat(" ", indent) + key + ":")
		if k == len(keys)-1 {
			b.WriteString(" " + yamlWord(file))
		}
		b.WriteString("\n")
	}
	out := text + b.String()
	if above != nil {
		line, _ := src.Pos(above.KeyNode.Start)
		lines := strings.SplitAfter(text, "\n")
		lines[line-1] += b.String()
		out = strings.Join(lines, "")
	}
	root, _, err = readYAML([]byte(out))
	if err != nil || root.At(keys...).Scalar() != file {
		return "", byHand
	}
	return out, nil
}

// yamlWord writes a path, with quotes where it needs them.
func yamlWord(s string) string {
	if only(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") {
		return s
	}
	return fmt.Sprintf("%q", s)
}
