package trust

// Runtimes are all that are known, in the order in which they are told: daemons
// first, then the commands.
func Runtimes() []Runtime {
	return []Runtime{
		Docker, ContainerdItself(), K3s(), RKE2(), MicroK8s(), Talos(), CRIO, Podman, Skopeo, Buildah, Ctr{}, Nerdctl{},
	}
}
