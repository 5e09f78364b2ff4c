package trust

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/goccy/go-yaml"
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
	if tls := y.Configs[ref.Registry].TLS; tls != nil {
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
	setting := "ca_file: " + yamlWord(file)
	byHand := fmt.Errorf("write %s into configs, %q, tls by hand", setting, registry)
	if strings.Contains(text, "\t") || strings.Contains(text, "---") {
		return "", byHand
	}
	lines := strings.SplitAfter(text, "\n")
	if len(lines) > 0 && !strings.HasSuffix(lines[len(lines)-1], "\n") {
		lines[len(lines)-1] += "\n"
		if lines[len(lines)-1] == "\n" {
			lines = lines[:len(lines)-1]
		}
	}
	// Down the path configs, registry, tls, ca_file as far as it is there.
	want := []string{"configs", registry, "tls", "ca_file"}
	at, depth, indents := -1, 0, []int{-1}
	for k := 0; k < len(lines) && depth < len(want); k++ {
		trimmed := strings.TrimSpace(lines[k])
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		indent := len(lines[k]) - len(strings.TrimLeft(lines[k], " "))
		if indent <= indents[depth] {
			break // the end of what is above
		}
		key, value, ok := yamlKey(trimmed)
		if !ok || key != want[depth] || depth > 0 && len(indents) > depth+1 && indent != indents[depth+1] {
			continue
		}
		if depth < 3 && value != "" && value[0] != '#' {
			return "", byHand // written inline
		}
		at = k
		depth++
		indents = append(indents, indent)
	}
	pad := func(n int) string { return strings.Repeat(" ", n) }
	switch depth {
	case 4:
		lines[at] = pad(indents[4]) + setting + "\n"
	default:
		var b strings.Builder
		step, by := indents[depth], 2
		for k := at + 1; k < len(lines) && at >= 0; k++ {
			child := len(lines[k]) - len(strings.TrimLeft(lines[k], " "))
			if t := strings.TrimSpace(lines[k]); t != "" && t[0] != '#' {
				if child > step {
					by = child - step
				}
				break
			}
		}
		for k := depth; k < len(want)-1; k++ {
			step += by
			if k == 0 {
				step = 0
			}
			key := want[k]
			if k == 1 {
				key = fmt.Sprintf("%q", key)
			}
			b.WriteString(pad(step) + key + ":\n")
		}
		b.WriteString(pad(step+by) + setting + "\n")
		if at < 0 {
			lines = append(lines, b.String())
		} else {
			lines[at] += b.String()
		}
	}
	out := strings.Join(lines, "")
	var y registriesYAML
	if err := yaml.Unmarshal([]byte(out), &y); err != nil {
		return "", byHand
	}
	if tls := y.Configs[registry].TLS; tls == nil || tls.CAFile != file {
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

// yamlKey splits "key: value".
func yamlKey(line string) (key, value string, ok bool) {
	if line[0] == '"' || line[0] == '\'' {
		end := strings.IndexByte(line[1:], line[0])
		if end < 0 || !strings.HasPrefix(line[end+2:], ":") {
			return "", "", false
		}
		return line[1 : end+1], strings.TrimSpace(line[end+3:]), true
	}
	if key, ok := strings.CutSuffix(line, ":"); ok {
		return key, "", true
	}
	key, value, ok = strings.Cut(line, ": ")
	return key, strings.TrimSpace(value), ok
}
