package main

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/inspect/trust"
	"github.com/crpki/crpki/pki"
)

func trustSnapshotCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "snapshot",
		Usage: "pack what decides on a node into a tar file, without keys",
		Description: `crpki trust snapshot --out node.tar
# elsewhere
crpki trust check reg.example.com:5000 --root node.tar --cert certs/tls.crt
# without a file on the node
ssh node crpki trust snapshot --out - > node.tar

Packs the configuration of the container runtimes, the certificates that they
and the system have, and the versions of what is installed. Every other
subcommand of crpki trust takes the file in place of the node, and says the same.

Private keys stay behind, and in their place is a line that says so; of each the
public half is noted, so that it can be told whether it fits its certificate.
Passwords and tokens in settings that are known to hold some are replaced by the
word "removed". What else is in those files goes along: have a look at it, with
tar tf, before you send it away.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Value: "node.tar", Usage: "write to `FILE`; - is standard output", TakesFile: true},
			&cli.BoolFlag{Name: "force", Usage: "replace a file that exists, and keep it as a backup"},
			outputFlag("text", "json", "yaml"),
			&cli.StringFlag{Name: "root", Value: "/", Usage: "the node's root `FOLDER`", TakesFile: true, Category: aboutNode},
			&cli.StringFlag{Name: "user", Usage: "the user `NAME` whose configuration goes along (root if not given)", Category: aboutNode},
		},
		Action: e.trustSnapshot,
	}
}

// snapshotPaths are the files and folders that runtimes read, besides those in
// the home of a user.
func snapshotPaths() []string {
	paths := []string{
		"/etc/os-release", "/usr/lib/os-release", "/etc/debian_version", "/etc/hosts", "/etc/ca-certificates.conf",
		"/etc/ssl", "/etc/pki/tls", "/etc/pki/ca-trust", "/etc/pki/trust", "/usr/share/pki", "/var/lib/ca-certificates",
		"/usr/local/share/ca-certificates", "/etc/docker", "/etc/containerd", "/etc/containers", "/usr/share/containers",
		"/etc/crio", "/etc/cri", "/etc/nerdctl", "/etc/rancher", "/var/lib/rancher/k3s/agent/etc", "/var/lib/rancher/rke2/agent/etc",
		"/var/snap/microk8s/current", "/var/snap/microk8s/current/args", "/etc/systemd/system.conf", "/etc/systemd/system.conf.d",
	}
	for _, name := range []string{"docker", "k3s", "rke2-server", "rke2-agent", "crio", "containerd"} {
		paths = append(paths, "/etc/default/"+name, "/etc/sysconfig/"+name)
	}
	for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
		paths = append(paths, dir+"/service.d")
		for _, unit := range []string{"docker", "containerd", "crio", "k3s", "k3s-agent", "rke2-server", "rke2-agent", "snap.microk8s.daemon-containerd"} {
			paths = append(paths, dir+"/"+unit+".service", dir+"/"+unit+".service.d", dir+"/"+unit+".service.env")
		}
	}
	return paths
}

// snapshotted is what trust snapshot tells.
type snapshotted struct {
	Out   string   `json:"out"`
	Files int      `json:"files"`
	Keys  []string `json:"keysLeftOut"`
	// LeftOut are files that are too large or cannot be read, or may hold a key.
	LeftOut []string `json:"leftOut"`
}

func (e *env) trustSnapshot(c *cli.Context) error {
	n, err := e.openFolder(c)
	if err != nil {
		return err
	}
	defer n.Close()
	s := &snapshotter{node: n, files: map[string]tarHeader{}, data: map[string][]byte{}, keys: map[string][]byte{}}
	for _, name := range append(snapshotPaths(), homePaths(n.Node)...) {
		s.take(name, 0)
	}
	for _, r := range trust.Runtimes() {
		for _, i := range r.Detect(n.Node) {
			r.Registries(n.Node, i)
		}
	}
	data, err := s.tar(e.now)
	if err != nil {
		return err
	}
	result := snapshotted{Out: c.String("out"), Files: len(s.data), Keys: slices.Sorted(maps.Keys(s.keys)), LeftOut: append([]string{}, s.leftOut...)}
	if result.Keys == nil {
		result.Keys = []string{}
	}
	if result.Out == "-" {
		_, err := e.stdout.Write(data)
		return err
	}
	_, err = e.emit([]pki.File{{Path: result.Out, Mode: pki.ModePrivate, Data: data}}, emit.Options{Force: c.Bool("force"), Now: e.now})
	if err != nil {
		return existsHint(err)
	}
	return e.print(c, result, func(w io.Writer) error {
		p := func(text string) { io.WriteString(w, printable(text)+"\n") }
		p("wrote " + result.Out + ": " + count(result.Files, "file"))
		for _, k := range result.Keys {
			p("  left out the private key in " + k)
		}
		for _, l := range result.LeftOut {
			p("  left out " + l)
		}
		return nil
	})
}

// homePaths are those in the user's home.
func homePaths(n *trust.Node) (paths []string) {
	for _, name := range []string{"containers", "docker", "nerdctl", "containerd"} {
		paths = append(paths, path.Join(n.ConfigHome(), name))
	}
	return paths
}

type snapshotter struct {
	*node
	files   map[string]tarHeader
	data    map[string][]byte
	keys    map[string][]byte
	leftOut []string
	total   int
}

// maxDepth bounds how deep folders are packed.
const maxDepth = 8

// take packs a file, a folder with what is in it, or a link with what it leads to.
func (s *snapshotter) take(name string, depth int) {
	if _, there := s.files[name]; there || depth > maxDepth {
		return
	}
	info, err := s.Lstat(name)
	if err != nil {
		return
	}
	// The way to it may have links in it.
	if real, err := s.Resolve(path.Dir(name)); err == nil && real != path.Dir(name) {
		s.links(path.Dir(name))
		s.take(path.Join(real, path.Base(name)), depth)
		return
	}
	h := tarHeader{name: strings.TrimPrefix(name, "/"), mode: info.Mode(), time: info.ModTime()}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := s.ReadLink(name)
		if err != nil {
			return
		}
		h.kind, h.link = tarSymlink, target
		s.files[name] = h
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		s.take(path.Clean(target), depth+1)
	case info.IsDir():
		entries, err := s.ReadDir(name)
		h.kind, h.name = tarFolder, h.name+"/"
		s.files[name] = h
		if err != nil {
			s.leave(name, err.Error())
			return
		}
		for _, entry := range entries {
			if !strings.HasPrefix(entry.Name(), ".crpki-") {
				s.take(path.Join(name, entry.Name()), depth+1)
			}
		}
	case info.Mode().IsRegular():
		s.takeFile(name, h)
	}
}

// links packs the links on the way to a folder.
func (s *snapshotter) links(dir string) {
	for dir != "/" && dir != "." {
		if info, err := s.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			if _, there := s.files[dir]; !there {
				target, _ := s.ReadLink(dir)
				s.files[dir] = tarHeader{kind: tarSymlink, name: strings.TrimPrefix(dir, "/"), link: target, mode: 0o777, time: info.ModTime()}
			}
		}
		dir = path.Dir(dir)
	}
}

func (s *snapshotter) leave(name, why string) {
	if len(s.leftOut) < 1000 {
		s.leftOut = append(s.leftOut, name+": "+why)
	}
}

func (s *snapshotter) takeFile(name string, h tarHeader) {
	switch path.Base(name) {
	case "auth.json", "config.json", "key.json", "htpasswd":
		s.leave(name, "is where passwords are kept")
		return
	}
	data, err := s.ReadFile(name)
	if err != nil {
		s.leave(name, string(pathCause(err).Error()))
		return
	}
	public, key, ok := trust.WithoutKeys(data)
	if !ok {
		s.leave(name, "is neither text nor a certificate, and may hold a private key")
		return
	}
	if s.total += len(public); s.total > maxSnapshot {
		s.leave(name, "there is too much")
		return
	}
	if key != nil {
		s.keys[name] = key
	}
	if !bytes.Contains(public, []byte("-----BEGIN")) {
		public = []byte(withoutPasswords(string(public)))
	}
	h.kind = tarRegular
	s.files[name], s.data[name] = h, public
}

// secrets finds settings that hold passwords or tokens.
var secrets = sync.OnceValue(func() (s struct{ setting, json, variable, headers, flag, url *regexp.Regexp }) {
	const words = `(?:password|passwd|secret|token|authorization|credential|api[-_]?key|access[-_]?key)[\w-]*|\bauth|\bheaders?`
	s.setting = regexp.MustCompile(`(?i)^(.*?(?:` + words + `)["']?[ \t]*[:=][ \t]*)(\S.*)$`)
	s.json = regexp.MustCompile(`(?i)("[^"]*(?:` + words + `)"\s*:\s*)"(?:[^"\\]|\\.)*"`)
	s.variable = regexp.MustCompile(`(?i)((?:` + words + `)=)[^\s"']+`)
	s.headers = regexp.MustCompile(`(?i)^\[.*\bheaders?["']?\]`)
	s.flag = regexp.MustCompile(`(?i)(--?[a-z-]*(?:token|password|secret)[= ])\S+`)
	s.url = regexp.MustCompile(`://[^/@\s"']+@`)
	return s
})

// withoutPasswords takes the values off settings that hold passwords or tokens,
// and off all HTTP headers, in TOML, YAML, JSON and files of variables. Lines
// keep their numbers.
func withoutPasswords(text string) string {
	find := secrets()
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		text = find.json.ReplaceAllString(text, `${1}"removed"`)
		text = find.variable.ReplaceAllString(text, "${1}removed")
	} else {
		text = withoutSecretLines(text)
	}
	text = find.flag.ReplaceAllString(text, "${1}removed")
	return find.url.ReplaceAllString(text, "://removed@")
}

func withoutSecretLines(text string) string {
	find := secrets()
	var out strings.Builder
	headers := false        // in a table of HTTP headers
	until, deeper := "", -1 // in a value of several lines: up to this, or all that is indented more
	for line := range strings.Lines(text) {
		whole := line
		line = strings.TrimRight(whole, "\r\n")
		end := whole[len(line):]
		bare := strings.TrimSpace(line)
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		switch {
		case until != "":
			if strings.Contains(line, until) {
				until = ""
			}
			out.WriteString(end)
			continue
		case deeper >= 0 && (bare == "" || indent > deeper):
			out.WriteString(end)
			continue
		}
		deeper = -1
		if strings.HasPrefix(bare, "[") && !strings.Contains(bare, "=") {
			headers = find.headers.MatchString(bare)
		}
		m := find.setting.FindStringSubmatch(line)
		if key, value, ok := strings.Cut(line, "="); ok && headers {
			m = []string{line, key + "= ", strings.TrimSpace(value)}
		}
		switch {
		case strings.HasPrefix(bare, "Environment=") || strings.HasPrefix(bare, "DefaultEnvironment="):
			line = find.variable.ReplaceAllString(line, "${1}removed")
		case m != nil:
			line, until = m[1]+removed(m[2]), unclosed(m[2])
			if strings.HasPrefix(m[2], "|") || strings.HasPrefix(m[2], ">") {
				deeper = indent
			}
		}
		out.WriteString(line + end)
	}
	return out.String()
}

// removed stands for a value of the same kind.
func removed(value string) string {
	switch {
	case strings.HasPrefix(value, "["):
		return `["removed"]`
	case strings.HasPrefix(value, "{"):
		return "{}"
	}
	return `"removed"`
}

// unclosed is what ends a value that goes on in the next lines, "" when it does not.
func unclosed(value string) string {
	for _, pair := range [][2]string{{`"""`, `"""`}, {"'''", "'''"}, {"[", "]"}, {"{", "}"}} {
		if rest, ok := strings.CutPrefix(value, pair[0]); ok && !strings.Contains(rest, pair[1]) {
			return pair[1]
		}
	}
	return ""
}

// tar packs it all, sorted, so that the same node gives the same bytes.
func (s *snapshotter) tar(now time.Time) ([]byte, error) {
	seen := s.Seen()
	seen.Keys = s.keys
	about, err := json.MarshalIndent(seen, "", "  ")
	if err != nil {
		return nil, err
	}
	s.files[trust.SnapshotFile] = tarHeader{kind: tarRegular, name: strings.TrimPrefix(trust.SnapshotFile, "/"), mode: 0o644, time: now}
	s.data[trust.SnapshotFile] = append(about, '\n')
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		writeTar(&out, s.files[name], s.data[name])
	}
	endTar(&out)
	return out.Bytes(), nil
}
