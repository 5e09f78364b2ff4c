package trust

import (
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tree makes a node's files. A value that begins with "-> " is a symbolic link.
func tree(files map[string]string) fstest.MapFS {
	t := fstest.MapFS{}
	for name, text := range files {
		name = strings.TrimPrefix(name, "/")
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			t[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
			continue
		}
		t[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return t
}

func node(files map[string]string) *Node { return NewNode(tree(files), NodeOptions{}) }

func TestLinksStayOnTheNode(t *testing.T) {
	n := node(map[string]string{
		"/etc/real":             "content",
		"/etc/abs":              "-> /etc/real",
		"/etc/rel":              "-> real",
		"/etc/up":               "-> ../../../../../etc/real",
		"/a/dir":                "-> /etc",
		"/a/deep":               "-> dir/../etc/abs",
		"/loop/1":               "-> /loop/2",
		"/loop/2":               "-> 1",
		"/dangling":             "-> /nowhere/at/all",
		"/etc/ssl/certs/x":      "-> /usr/share/x",
		"/usr/share/x":          "x",
		"/etc/physical":         "-> /usr/share/sub",
		"/usr/share/sub/y":      "y",
		"/etc/ssl/certs/parent": "-> ../../physical/../x",
	})
	for name, want := range map[string]string{
		"/etc/abs": "content", "/etc/rel": "content", "/etc/up": "content", "/a/dir/real": "content", "/a/deep": "content",
		"/etc/ssl/certs/x": "x", "/../../etc/real": "content", "/etc/ssl/certs/parent": "x",
	} {
		data, err := n.ReadFile(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, string(data), name)
	}
	for name, want := range map[string]string{
		"/loop/1": "open /loop/1: too many levels of symbolic links", "/dangling": "open /dangling: no such file or directory",
		"/etc/real/x": "open /etc/real/x: not a directory", "/etc": "read /etc: is a directory",
	} {
		_, err := n.ReadFile(name)
		assert.EqualError(t, err, want)
	}
	real, err := n.Resolve("/a/deep")
	require.NoError(t, err)
	assert.Equal(t, "/etc/real", real)
	_, err = n.Stat("/dangling")
	assert.EqualError(t, err, "stat /dangling: no such file or directory")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = n.Lstat("/dangling")
	assert.NoError(t, err)
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	files := tree(nil)
	for name, mode := range map[string]fs.FileMode{"fifo": fs.ModeNamedPipe, "dev": fs.ModeDevice | fs.ModeCharDevice, "sock": fs.ModeSocket} {
		files[name] = &fstest.MapFile{Mode: mode | 0o644}
	}
	files["huge"] = &fstest.MapFile{Data: make([]byte, maxFile+1), Mode: 0o644}
	n := NewNode(files, NodeOptions{})
	for _, name := range []string{"/fifo", "/dev", "/sock"} {
		_, err := n.ReadFile(name)
		assert.ErrorIs(t, err, ErrNotRegular, name)
	}
	_, err := n.ReadFile("/huge")
	assert.ErrorIs(t, err, ErrTooLarge)
}

func TestGlobAndHosts(t *testing.T) {
	n := node(map[string]string{
		"/etc/conf.d/b.toml": "", "/etc/conf.d/a.toml": "", "/etc/conf.d/c.txt": "", "/etc/link": "-> /etc/conf.d",
		"/etc/hosts": "127.0.0.1 localhost loop.example # x\n\n10.0.0.5\tReg.Example\n",
	})
	found, err := n.Glob("/etc/conf.d/*.toml")
	require.NoError(t, err)
	assert.Equal(t, []string{"/etc/conf.d/a.toml", "/etc/conf.d/b.toml"}, found)
	found, err = n.Glob("/etc/link/*.toml")
	require.NoError(t, err)
	assert.Equal(t, []string{"/etc/link/a.toml", "/etc/link/b.toml"}, found)
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("10.0.0.5")}, n.Hosts("reg.example."))
	assert.Empty(t, n.Hosts("other.example"))
}

func TestEnvironmentOfAUnit(t *testing.T) {
	n := node(map[string]string{
		"/etc/systemd/system.conf":                            "[Manager]\nDefaultEnvironment=A=manager \"B=of all\"\n",
		"/usr/lib/systemd/system/docker.service":              "[Unit]\nEnvironment=NO=1\n[Service]\nEnvironment=A=unit C=1 'D=two words'\nEnvironmentFile=-/etc/default/docker\nExecStart=/usr/bin/dockerd -H fd:// \\\n  $DOCKER_OPTS --config-file=${CONF}\n",
		"/etc/systemd/system/docker.service.d/10-ca.conf":     "[Service]\nEnvironment=SSL_CERT_FILE=/opt/ca.pem\n",
		"/usr/lib/systemd/system/docker.service.d/10-ca.conf": "[Service]\nEnvironment=SSL_CERT_FILE=/hidden\n",
		"/usr/lib/systemd/system/docker.service.d/20-x.conf":  "[Service]\nEnvironment=E=drop\n",
		"/etc/default/docker":                                 "# comment\nC=file\nexport DOCKER_OPTS=\"--insecure-registry a --insecure-registry=b\"\nCONF=/etc/d.json\n",
	})
	u := n.Unit("nothing", "docker")
	require.Equal(t, "/usr/lib/systemd/system/docker.service", u.File)
	for name, want := range map[string]string{"A": "unit", "B": "of all", "C": "file", "D": "two words", "E": "drop", "SSL_CERT_FILE": "/opt/ca.pem", "NO": ""} {
		assert.Equal(t, want, u.Env.Get(name), name)
	}
	_, at := u.Env.Lookup("SSL_CERT_FILE")
	assert.Equal(t, Place{File: "/etc/systemd/system/docker.service.d/10-ca.conf", Line: 2, Key: "SSL_CERT_FILE"}, at)
	assert.Equal(t, []string{"/usr/bin/dockerd", "-H", "fd://", "--insecure-registry", "a", "--insecure-registry=b", "--config-file=/etc/d.json"}, u.Args)
	assert.Equal(t, []string{"a", "b"}, u.Flags("--insecure-registry"))
	assert.Empty(t, n.Unit("nothing").File)
}

// Words as systemd splits them: no input may make it loop or panic.
func FuzzUnit(f *testing.F) {
	f.Add("[Service]\nEnvironment='A=b c' D=\"e\\\"f\"\nExecStart=/x $A ${B}\n")
	f.Add("[Service]\nEnvironment=\\\n\\\nExecStart=@/x ${")
	f.Fuzz(func(t *testing.T, text string) {
		n := node(map[string]string{"/etc/systemd/system/x.service": text})
		u := n.Unit("x")
		if u.File == "" {
			t.Fatal("the unit is there")
		}
	})
}
