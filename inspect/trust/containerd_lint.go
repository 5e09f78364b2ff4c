package trust

// explain notes which files made the configuration.
func (c *daemonConfig) explain(d *Decision) {
	if len(c.files) == 0 && c.failure == nil {
		d.step(Place{File: c.main}, false, "is not there: the defaults apply, and no drop-in is read")
	}
	for _, f := range c.files {
		d.step(Place{File: f.path}, true, "part of containerd's configuration")
	}
}

func (c *daemonConfig) mistakes(n *Node, ref Reference) []Mistake { return nil }
