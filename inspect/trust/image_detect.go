package trust

import "path"

// Detect finds the program.
func (c containersImage) Detect(n *Node) []Installation {
	p := Program{
		Runtime: c.name, Binaries: []string{c.name}, Packages: []string{c.name},
		Modules: []string{"go.podman.io/image/v5", "github.com/containers/image/v5"},
	}
	switch c.name {
	case "cri-o":
		p.Binaries, p.Packages, p.Units = []string{"crio"}, []string{"cri-o", "crio"}, []string{c.unit}
		p.Configs = []string{"/etc/crio/crio.conf", "/etc/crio/crio.conf.d"}
	case "podman": // of a copy of /etc alone, this is the likeliest
		p.Configs = []string{"/etc/containers/registries.conf", "/etc/containers/certs.d"}
	}
	return n.Find(p)
}

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
			certs, _ := c.certs(n, &Decision{Installation: in}, e.Name(), v)
			add(e.Name(), Place{File: dir}, certs.mistakes)
		}
	}
	conf := c.registries(n, v)
	for _, e := range sortedEntries(conf) {
		add(e.prefix, e.place, nil)
	}
	return all
}
