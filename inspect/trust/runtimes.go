package trust

// Runtimes are all that are known, in the order in which they are told.
func Runtimes() []Runtime {
	return []Runtime{
		CRIO, Podman, Skopeo, Buildah,
	}
}
