package trust

// The programs that people start, of those that pull by containers/image.
var (
	// Podman is podman, as the node's user starts it.
	Podman Runtime = containersImage{name: "podman"}
	// Skopeo is skopeo.
	Skopeo Runtime = containersImage{name: "skopeo"}
	// Buildah is buildah.
	Buildah Runtime = containersImage{name: "buildah"}
	// CRIO is CRI-O, the daemon of OpenShift's nodes and others.
	CRIO Runtime = containersImage{name: "cri-o", unit: "crio"}
)

// env is the environment in which the program runs.
func (c containersImage) env(n *Node) Env {
	if c.unit != "" {
		return n.Unit(c.unit).Env
	}
	var env Env
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v := n.Getenv(name); v != "" {
			env = append(env, Variable{Name: name, Value: v})
		}
	}
	return env
}

// namedConfig is the registries.conf that the environment names. Before 5.40 it
// was podman and buildah themselves who looked.
func (c containersImage) namedConfig(n *Node, v imageVersion) string {
	itself := c.name == "podman" || c.name == "buildah"
	if name := n.Getenv("CONTAINERS_REGISTRIES_CONF"); name != "" && (itself || v >= 40) {
		return name
	}
	if itself {
		return n.Getenv("REGISTRIES_CONFIG_PATH")
	}
	return ""
}
