package trust

// microk8sData is where the snap keeps what it writes.
const microk8sData = "/var/snap/microk8s/current"

// MicroK8s is Canonical's, with a containerd in its snap.
func MicroK8s() Containerd {
	return Containerd{
		Product: "microk8s", Config: microk8sData + "/args/containerd.toml", Environment: microk8sData + "/args/containerd-env",
		Units: []string{"snap.microk8s.daemon-containerd"}, Programs: []string{"/snap/microk8s/current/bin/containerd"},
		SnapData: microk8sData,
	}
}
