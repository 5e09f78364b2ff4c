package trust

import (
	"path"
	"slices"
)

// Nerdctl models nerdctl pull. It reads folders of registries itself, from a
// list of its own, and not the daemon's configuration.
type Nerdctl struct{}

// Name is what --runtime takes.
func (Nerdctl) Name() string { return "nerdctl" }

// Detect gives its binaries.
func (Nerdctl) Detect(n *Node) []Installation {
	return n.Find(Program{Runtime: "nerdctl", Binaries: []string{"nerdctl"}, Packages: []string{"nerdctl"}, Modules: []string{containerdModule + "/v2"}, Configs: []string{"/etc/nerdctl/nerdctl.toml"}})
}

// configFile is nerdctl.toml of root, or of the user of a rootless one.
func (Nerdctl) configFile(n *Node) string {
	if n.User().UID != 0 {
		return path.Join(n.ConfigHome(), "nerdctl/nerdctl.toml")
	}
	return "/etc/nerdctl/nerdctl.toml"
}

// hostsDirs are the folders of registries that it looks into.
func (c Nerdctl) hostsDirs(n *Node) ([]string, Place) {
	file := c.configFile(n)
	text, err := n.ReadFile(file)
	var t struct {
		HostsDir []string `toml:"hosts_dir"`
	}
	if err == nil {
		if keys, err := decodeTOML(text, &t, false); err == nil && len(t.HostsDir) > 0 {
			return t.HostsDir, Place{File: file, Line: keys.line("hosts_dir"), Key: "hosts_dir"}
		}
	}
	base := "/etc"
	if n.User().UID != 0 {
		base = n.ConfigHome()
	}
	return []string{path.Join(base, "containerd/certs.d"), path.Join(base, "docker/certs.d")}, Place{}
}

// Decide tells pulls by a daemon from 2.0 on, which go through its transfer
// service, from those by nerdctl's own client, which also serves logins.
func (c Nerdctl) Decide(n *Node, i Installation, ref Reference) []Decision {
	var ways []Decision
	for _, daemon := range releasesOf(ContainerdItself().Detect(n)) {
		d := c.decide(n, i, ref, daemon)
		if !slices.ContainsFunc(ways, d.like) {
			ways = append(ways, d)
		}
	}
	if len(ways) > 1 {
		for k := range ways {
			ways[k].Needs = "the version of containerd"
		}
	}
	return ways
}

// releasesOf are the releases that may be meant.
func releasesOf(found []Installation) []release {
	var all []release
	for _, i := range found {
		if r, ok := parseRelease(i.Version); ok && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return []release{{2, 3, 7}, {1, 7, 34}}
	}
	return all
}

func (c Nerdctl) decide(n *Node, i Installation, ref Reference, daemon release) Decision {
	d := Decision{Installation: i, Way: "pull", Reference: ref}
	dirs, place := c.hostsDirs(n)
	p := puller{node: n, release: daemon, ref: ref, system: n.SystemPool(nil), ctr: true, transfer: daemon.from(2, 0, 0)}
	if p.transfer {
		// Only the first folder is passed on.
		for _, dir := range dirs[1:] {
			d.step(Place{File: dir, Line: 0, Key: place.Key}, false, "not passed to containerd's transfer service, which takes one folder")
		}
		d.Versions = "with containerd from 2.0 on"
		p.hosts(&d, dirs[:1])
	} else {
		d.Versions = "with containerd before 2.0"
		c.resolve(&d, p, dirs)
	}
	d.Wrap = p.wrap
	if d.Failure != nil {
		d.Failure.Message = p.prefix() + d.Failure.Text
	}
	return d
}

// resolve is nerdctl's own way: the name with its port in every folder and, for
// port 443, without it.
func (c Nerdctl) resolve(d *Decision, p puller, dirs []string) {
	names := []string{p.ref.Registry}
	if p.ref.Port == "443" && p.ref.Registry != DockerHub {
		host := p.ref.Registry
		if p.ref.Registry != p.ref.Address() {
			names = []string{p.ref.Address(), host}
		} else {
			names = []string{host, p.ref.Host}
		}
	}
	for _, dir := range dirs {
		for _, name := range names {
			l := hostsLookup{node: p.node, ref: p.ref, rules: hostsRulesOf(p.release), namespace: name, roots: []string{dir}, system: p.system}
			steps := len(d.Steps)
			folder, err := l.folder(d)
			if folder == "" && err == nil {
				continue
			}
			d.Steps = d.Steps[:steps]
			l.decide(d)
			return
		}
	}
	p.hosts(d, nil)
}

// Registries lists the folders of all its roots.
func (c Nerdctl) Registries(n *Node, _ Installation) []Configured {
	dirs, _ := c.hostsDirs(n)
	return registriesIn(n, dirs, hostsRulesOf(releasesOf(ContainerdItself().Detect(n))[0]))
}
