package trust

// Talos is Sidero's operating system. Its machine configuration becomes files
// below /etc/cri/conf.d, which containerd imports; nobody writes them by hand.
func Talos() Containerd {
	return Containerd{
		Product: "talos", Config: "/etc/cri/containerd.toml", Programs: []string{"/usr/bin/containerd", "/bin/containerd"},
		Marker: "/etc/cri/containerd.toml",
	}
}
