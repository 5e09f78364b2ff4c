package trust

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestContainerdHostileNodes: none of these takes long, takes much memory or
// leads astray.
func TestContainerdHostileNodes(t *testing.T) {
	loops := map[string]string{"/etc/containerd/config.toml": "imports = [\"/x" + strings.Repeat("/*", 40) + ".toml\"]\n" + onePath}
	for k := range 50 {
		loops[fmt.Sprintf("/x/l%d", k)] = "-> ."
	}
	many := with()
	var b strings.Builder
	for k := range 5000 {
		fmt.Fprintf(&b, "[host.\"https://m%d\"]\nca = \"big.pem\"\nhost.x%d.y = 1\n", k, k)
	}
	many[certsFolder+"hosts.toml"] = b.String()
	chain := map[string]string{}
	for k := range 3000 {
		chain[fmt.Sprintf("/etc/containerd/%d.toml", k)] = fmt.Sprintf("imports = [\"/etc/containerd/%d.toml\"]\n", k+1)
	}
	chain["/etc/containerd/config.toml"] = "imports = [\"/etc/containerd/0.toml\"]\n"
	for name, files := range map[string]map[string]string{
		"patterns over folders that link to themselves": loops,
		"thousands of mirrors":                          many,
		"thousands of imports":                          chain,
		"a config of comments":                          {"/etc/containerd/config.toml": strings.Repeat("#\n", 200_000)},
		"a config of megabytes":                         {"/etc/containerd/config.toml": strings.Repeat("#\n", 3<<20)},
		"a hosts.toml of megabytes":                     with(certsFolder+"hosts.toml", strings.Repeat("a=1\n", 1<<20)),
		"deep tables":                                   {"/etc/containerd/config.toml": "x = " + strings.Repeat("[", 100_000)},
		"deep keys":                                     {"/etc/containerd/config.toml": strings.Repeat("a.", 100_000) + "a = 1\n"},
		"a circle":                                      {"/etc/containerd/config.toml": "imports = [\"config.toml\", \"a.toml\"]\n", "/etc/containerd/a.toml": "imports = [\"config.toml\"]\n"},
		"a folder that links to itself":                 with("/etc/containerd/certs.d/"+testRegistry, "-> "+testRegistry),
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			d := ContainerdItself().Decide(node(files), Installation{}, reference(t, testRegistry+"/a:1"))
			require.NotEmpty(t, d)
			ContainerdItself().Registries(node(files), Installation{})
			assert.Less(t, time.Since(begin), 10*time.Second)
		})
	}
}

// TestContainerdNotReadHere: what crpki does not read for its size or its kind
// is not told as a failure of containerd's.
func TestContainerdNotReadHere(t *testing.T) {
	large := strings.Repeat("#\n", maxFile/2+1)
	for name, files := range map[string]map[string]string{
		"config.toml": {"/etc/containerd/config.toml": large},
		"hosts.toml":  with(certsFolder+"hosts.toml", large),
		"hosts":       with(certsFolder+"hosts.toml", strings.Repeat("a = 1\n", maxKeys+1)),
		"ca.crt":      with(certsFolder+"ca.crt", large),
		"a pair":      with(certsFolder+"c.cert", large),
		"ca_file":     {"/etc/ca.pem": large, "/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"reg.example:5000\".tls]\nca_file = \"/etc/ca.pem\"\n"},
	} {
		d := ContainerdItself().Decide(node(files), Installation{Version: "1.7.34"}, reference(t, testRegistry))[0]
		assert.Nil(t, d.Failure, name)
		assert.Contains(t, d.Needs, "what /etc/", name)
	}
}
