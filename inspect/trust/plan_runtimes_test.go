package trust

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each plan is tried on the model of its runtime; the text of what is written is
// here so that a person sees what it looks like.
func TestPlans(t *testing.T) {
	a, other := newCA(t, "A", nil), newCA(t, "B", nil)
	containerd := ContainerdItself()
	for name, test := range map[string]struct {
		run     Runtime
		version string
		ref     string
		files   map[string]string
		want    map[string]string // path → content, OWN for the CA
	}{
		"docker":                   {Docker, "20.10.24", "reg.example:5000", nil, map[string]string{"/etc/docker/certs.d/reg.example:5000/crpki.crt": a.pem()}},
		"docker 29 and hosts.toml": {Docker, "29.0.0", "reg.example:5000", map[string]string{"/etc/docker/certs.d/reg.example:5000/hosts.toml": "server = \"https://reg.example:5000\"\n"}, map[string]string{"/etc/docker/certs.d/reg.example:5000/crpki.crt": a.pem(), "/etc/docker/certs.d/reg.example:5000/hosts.toml": "server = \"https://reg.example:5000\"\nca = \"crpki.crt\"\n"}},
		"podman":                   {Podman, "4.3.1", "reg.example", nil, map[string]string{"/etc/containers/certs.d/reg.example/crpki.crt": a.pem()}},
		"podman, folder is there":  {Podman, "4.3.1", "reg.example", map[string]string{"/etc/docker/certs.d/reg.example/x.crt": other.pem()}, map[string]string{"/etc/docker/certs.d/reg.example/crpki.crt": a.pem()}},
		"trusted already":          {Podman, "4.3.1", "reg.example", map[string]string{"/etc/docker/certs.d/reg.example/x.crt": a.pem()}, nil},
		"containerd without configuration": {containerd, "1.6.20", "reg.example", nil, map[string]string{
			"/etc/containerd/certs.d/reg.example/crpki.crt": a.pem(),
			"/etc/containerd/config.toml":                   "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n",
		}},
		"containerd with config_path": {containerd, "1.7.28", "reg.example", map[string]string{"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/x\"\n"}, map[string]string{"/etc/x/reg.example/crpki.crt": a.pem()}},
		"containerd with hosts.toml": {containerd, "1.7.28", "reg.example", map[string]string{
			"/etc/containerd/config.toml":   "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/x\"\n",
			"/etc/x/reg.example/hosts.toml": "server = \"https://reg.example\"\n\n[host.\"https://mirror.example\"]\n  ca = \"m.crt\"\n[host.\"https://reg.example\"]\n  ca = [\"old.crt\"]\n",
			"/etc/x/reg.example/m.crt":      other.pem(), "/etc/x/reg.example/old.crt": other.pem(),
		}, map[string]string{
			"/etc/x/reg.example/crpki.crt":  a.pem(),
			"/etc/x/reg.example/hosts.toml": "server = \"https://reg.example\"\nca = \"crpki.crt\"\n\n[host.\"https://mirror.example\"]\n  ca = \"m.crt\"\n[host.\"https://reg.example\"]\n  ca = [\"old.crt\", \"crpki.crt\"]\n",
		}},
		"containerd with settings of old": {containerd, "1.7.28", "reg.example", map[string]string{"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"reg.example\"]\nendpoint = [\"https://reg.example\"]\n"}, map[string]string{
			"/etc/containerd/certs.d/reg.example/crpki.crt": a.pem(),
			"/etc/containerd/config.toml":                   "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"reg.example\"]\nendpoint = [\"https://reg.example\"]\n\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"reg.example\".tls]\n  ca_file = \"/etc/containerd/certs.d/reg.example/crpki.crt\"\n",
		}},
		"containerd 2.2, whose list is not read": {containerd, "2.2.0", "reg.example", map[string]string{"/etc/containerd/config.toml": "version = 3\n"}, map[string]string{
			"/etc/containerd/certs.d/reg.example/crpki.crt": a.pem(),
			"/etc/containerd/config.toml":                   "version = 3\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n",
		}},
		"k3s": {K3s(), "1.30.4+k3s1", "reg.example:5000", nil, map[string]string{
			"/etc/rancher/k3s/crpki-reg.example_5000.crt": a.pem(),
			"/etc/rancher/k3s/registries.yaml":            "configs:\n  \"reg.example:5000\":\n    tls:\n      ca_file: /etc/rancher/k3s/crpki-reg.example_5000.crt\n",
		}},
		"k3s, with others": {K3s(), "1.30.4+k3s1", "reg.example:5000", map[string]string{"/etc/rancher/k3s/registries.yaml": "mirrors: {}\nconfigs:\n    other.example:\n        auth:\n            username: u\n"}, map[string]string{
			"/etc/rancher/k3s/crpki-reg.example_5000.crt": a.pem(),
			"/etc/rancher/k3s/registries.yaml":            "mirrors: {}\nconfigs:\n    \"reg.example:5000\":\n        tls:\n            ca_file: /etc/rancher/k3s/crpki-reg.example_5000.crt\n    other.example:\n        auth:\n            username: u\n",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n := node(test.files)
			r := mustReference(t, test.ref)
			i := Installation{Runtime: test.run.Name(), Version: test.version}
			w := Wanted{CAs: chainOf(a)}
			changes, err := test.run.(Installer).Plan(n, i, r, w)
			require.NoError(t, err)
			got := map[string]string{}
			for _, c := range changes {
				got[c.Path] = string(c.Data)
			}
			if test.want == nil {
				test.want = map[string]string{}
			}
			assert.Equal(t, test.want, got)

			after := n.With(changes)
			require.NoError(t, holds(after, test.run, i, r, w))
			again, err := test.run.(Installer).Plan(after, i, r, w)
			require.NoError(t, err)
			assert.Empty(t, again, "a second install changes nothing")
		})
	}
}

func TestWhatCannotBePlanned(t *testing.T) {
	a := newCA(t, "A", nil)
	w := Wanted{CAs: chainOf(a)}
	n := node(map[string]string{"/etc/rancher/k3s/registries.yaml": "configs:\n  reg.example:\n    tls: {ca_file: /etc/ca.pem}\n"})
	_, err := K3s().Plan(n, Installation{Runtime: "k3s", Version: "1.30.4+k3s1"}, mustReference(t, "reg.example"), w)
	assert.Error(t, err, "an entry that a person made is theirs to edit")
	n = node(map[string]string{"/etc/docker/daemon.json": "{"})
	_, err = Docker.(Installer).Plan(n, Installation{Runtime: "docker", Version: "20.10.24"}, mustReference(t, "reg.example"), w)
	assert.Error(t, err, "the daemon does not start")
}
