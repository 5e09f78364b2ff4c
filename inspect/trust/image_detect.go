package trust

import "path"

// Detect gives the program's installation.
func (c containersImage) Detect(n *Node) []Installation { return nil }

// Registries lists the registries with a directory or an entry.
func (c containersImage) Registries(n *Node, in Installation) []Configured {
	v, ok := c.version(in)
	if !ok {
		v = imageVersions[0].v
	}
	var all []Configured
	seen := map[string]bool{}
	add := func(name string, place Place, m []Mistake) {
		if !seen[name] {
			seen[name] = true
			all = append(all, Configured{Registry: name, Place: place, Mistakes: m})
		}
	}
	for _, base := range c.certBases(n, v) {
		entries, _ := n.ReadDir(base)
		for _, e := range entries {
			dir := path.Join(base, e.Name())
			if !n.IsDir(dir) {
				continue
			}
			certs, _ := c.certs(n, e.Name(), v)
			add(e.Name(), Place{File: dir}, certs.mistakes)
		}
	}
	conf := c.registries(n, v)
	for _, e := range sortedEntries(conf) {
		add(e.prefix, e.place, nil)
	}
	return all
}
