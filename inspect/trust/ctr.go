package trust

// Ctr models containerd's own command line client, ctr images pull. It never
// reads the daemon's configuration: what it trusts is said on its command line.
type Ctr struct {
	// HostsDir is the folder of --hosts-dir; empty: only the system's roots.
	HostsDir string
}

// Name is what --runtime takes.
func (Ctr) Name() string { return "ctr" }

// Detect gives its binaries, which come with containerd.
func (Ctr) Detect(n *Node) []Installation {
	return n.Find(Program{Runtime: "ctr", Binaries: []string{"ctr"}, Packages: []string{"containerd", "containerd.io"}})
}

// Decide says how ctr images pull would.
func (c Ctr) Decide(n *Node, i Installation, ref Reference) []Decision {
	return byRelease(i, func(r release) Decision {
		d := Decision{Installation: i, Way: "ctr pull", Reference: ref}
		p := puller{node: n, release: r, ref: ref, system: n.SystemPool(nil), ctr: true, transfer: r.from(2, 0, 0)}
		p.hosts(&d, oneRoot(c.HostsDir))
		d.Wrap = p.wrap
		if d.Failure != nil {
			d.Failure.Message = p.prefix() + d.Failure.Text
		}
		return d
	})
}

// Registries is empty: ctr has no configuration of its own.
func (Ctr) Registries(*Node, Installation) []Configured { return nil }
