package trust

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Plan writes the CAs beside the registry's other settings, in crpki's own file:
// as another *.crt or, where a hosts.toml rules, as another ca in it. Where
// containerd reads no folders of registries, its configuration is changed too.
func (c Containerd) Plan(n *Node, i Installation, r Reference, w Wanted) ([]Change, error) {
	if c.Product == "talos" {
		return nil, errors.New("Talos writes these files itself: add the CA to its machine configuration, as a TrustedRootsConfig or in machine.registries.config")
	}
	is, ok := parseRelease(i.Version)
	if !ok {
		is = containerdLines[len(containerdLines)-1].release
	}
	config := containerdConfig(n, is, c.mainConfig(n))
	if config.failure != nil {
		return nil, fmt.Errorf("containerd, or its CRI plugin, does not start with %s: %s; repair that first", config.main, config.failure.Text)
	}
	changes, err := c.plan(n, config, i, r, w)
	if err != nil {
		return nil, err
	}
	if err := holds(n.With(changes), c, i, r, w); err != nil {
		return nil, fmt.Errorf("no file that crpki would add makes it trust the CA: %w", err)
	}
	return changes, nil
}

func (c Containerd) plan(n *Node, config *daemonConfig, i Installation, r Reference, w Wanted) ([]Change, error) {
	if config.registry.configPath == "" && len(config.registryNames()) > 0 {
		return c.planLegacy(n, config, i, r, w)
	}
	roots, changes, err := c.planConfig(n, config)
	if err != nil {
		return nil, err
	}
	c.restarts(n, changes, i)
	folder, err := planFolder(n, hostsRulesOf(config.release), roots, r, w)
	return append(folder, changes...), err
}

// restarts notes that containerd reads its configuration when it starts.
func (c Containerd) restarts(n *Node, changes []Change, i Installation) {
	for k := range changes {
		changes[k].Restart = []string{cmp.Or(i.Unit, c.unit(n).Name, "containerd.service")}
	}
}

// planLegacy names crpki's own file in registry.configs, where registries are
// set in config.toml itself. Only containerd 1 reads TLS settings there.
func (c Containerd) planLegacy(n *Node, config *daemonConfig, i Installation, r Reference, w Wanted) ([]Change, error) {
	file := config.registryPlace("configs", r.Registry).File
	tls := config.registry.configs[r.Registry]
	own := path.Join(c.certsD(), r.Registry, OwnFile)
	if config.release.from(2, 0, 0) {
		return nil, fmt.Errorf("%s has registries in registry.mirrors or registry.configs, in which containerd 2 takes no CA and which exclude folders of registries: move them into hosts.toml files, set config_path = %q, and install again",
			file, c.certsD())
	}
	if tls != nil && tls.CAFile != "" && tls.CAFile != own {
		ca := n.CAFile(tls.CAFile)
		if HoldsCAs(ca.Anchors, w.CAs) {
			return nil, nil
		}
		for _, a := range ca.Anchors {
			w.CAs = append(w.CAs[:len(w.CAs):len(w.CAs)], a.Cert)
		}
	}
	changes := n.Changed(own, n.OwnFileWith(own, w), "the CAs of "+r.Registry)
	if tls != nil && tls.CAFile == own {
		return changes, nil
	}
	text, err := n.ReadFile(file)
	if err != nil {
		return nil, err
	}
	edited := tomlSet(string(text), []string{"plugins", config.tableName(), "registry", "configs", r.Registry, "tls"}, "ca_file", own)
	edit := n.Changed(file, []byte(edited), "names the CAs of "+r.Registry)
	c.restarts(n, edit, i)
	return append(changes, edit...), nil
}

// certsD is where a product's folders of registries are, when nothing is said.
func (c Containerd) certsD() string {
	if c.SnapData != "" {
		return c.SnapData + "/args/certs.d"
	}
	return "/etc/containerd/certs.d"
}

// planConfig gives the folders of registries' folders that containerd reads, or
// will read after a change of its configuration.
func (c Containerd) planConfig(n *Node, config *daemonConfig) (roots []string, changes []Change, err error) {
	r := config.registry
	if c.SnapData != "" {
		r.configPath = strings.ReplaceAll(r.configPath, "${SNAP_DATA}", c.SnapData)
	}
	list := strings.Contains(r.configPath, ":")
	if r.configPath != "" && (r.local != "" || !list) {
		return strings.Split(r.configPath, ":"), nil, nil
	}
	root := c.certsD()
	if list {
		root, _, _ = strings.Cut(r.configPath, ":")
	}
	change, err := config.setPath(n, root)
	return []string{root}, change, err
}

// setPath changes the configuration so that config_path is one folder.
func (c *daemonConfig) setPath(n *Node, root string) ([]Change, error) {
	line := fmt.Sprintf("config_path = %q", root)
	if at := c.registryPlace("config_path"); at.Line > 0 {
		text, err := n.ReadFile(at.File)
		if err != nil {
			return nil, err
		}
		lines := strings.SplitAfter(string(text), "\n")
		old := lines[at.Line-1]
		if strings.HasPrefix(strings.TrimSpace(old), "config_path") {
			lines[at.Line-1] = old[:strings.Index(old, "config_path")] + line + "\n"
			return c.checked(n, at.File, strings.Join(lines, ""), root)
		}
		return nil, fmt.Errorf("%s:%d: write %s there", at.File, at.Line, line)
	}
	file := configFile{path: c.main}
	for _, f := range c.files {
		if f.path == c.main || f.keys.line("plugins", c.editTable(f)) > 0 {
			file = f
		}
	}
	text, err := n.ReadFile(file.path)
	if err != nil && len(c.files) > 0 {
		return nil, err
	}
	if len(c.files) == 0 {
		file.version = 2
		if c.release.from(2, 0, 0) {
			file.version = 3
		}
		text = []byte(fmt.Sprintf("version = %d\n", file.version))
	}
	table := c.editTable(file)
	head := fmt.Sprintf("[plugins.%q.registry]", table)
	if table == criTableV1 {
		head = "[plugins.cri.registry]"
	}
	for _, k := range file.keys.list {
		if k.table && slices.Equal(k.path, []string{"plugins", table, "registry"}) {
			lines := strings.SplitAfter(string(text), "\n")
			lines[k.line-1] = strings.TrimRight(lines[k.line-1], "\n") + "\n  " + line + "\n"
			return c.checked(n, file.path, strings.Join(lines, ""), root)
		}
	}
	whole := strings.TrimRight(string(text), "\n")
	return c.checked(n, file.path, strings.TrimLeft(whole+"\n\n"+head+"\n  "+line+"\n", "\n"), root)
}

// editTable is the table of the CRI plugin that the release reads of a file.
func (c *daemonConfig) editTable(f configFile) string {
	switch {
	case f.version >= 3 && c.release.from(2, 0, 0):
		return criTableV3
	case f.version >= 2:
		if c.release.from(2, 0, 0) && f.keys.line("plugins", criTableV3, "registry") > 0 && f.keys.line("plugins", criTableV2, "registry") == 0 {
			return criTableV3
		}
		return criTableV2
	case c.release.from(2, 0, 0):
		return criTableV3
	}
	return criTableV1
}

// checked makes a change of a text that says what it is to say.
func (c *daemonConfig) checked(n *Node, file, text, root string) ([]Change, error) {
	var s serverConfig
	_, err := decodeTOML([]byte(text), &s, !c.release.from(2, 0, 0))
	if err == nil && !strings.Contains(text, fmt.Sprintf("%q", root)) {
		err = errors.New("the line is not there")
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be changed by machine (%w): set config_path = %q in the registry table of the CRI plugin by hand", file, err, root)
	}
	return n.Changed(file, []byte(text), "containerd looks for registries' settings in "+root), nil
}

// planFolder adds the CAs to the folder of a registry.
func planFolder(n *Node, rules hostsRules, roots []string, r Reference, w Wanted) ([]Change, error) {
	l := hostsLookup{node: n, ref: r, rules: rules, namespace: r.Registry, roots: roots, system: &SystemPool{}}
	var d Decision
	dir, err := l.folder(&d)
	if err != nil {
		return nil, err
	}
	if path.Base(dir) == "_default" {
		entries, _ := n.ReadDir(dir)
		if len(entries) > 0 {
			return nil, fmt.Errorf("%s serves this registry, and a folder of its own would hide it: cp -r %s %s, and install again",
				dir, shellWord(dir), shellWord(path.Join(path.Dir(dir), r.Registry)))
		}
		dir = ""
	}
	if dir == "" {
		dir = path.Join(roots[0], r.Registry)
	}
	found, failure := l.readFolder(&d, dir)
	if failure != nil {
		return nil, errors.New(failure.Text)
	}
	own := path.Join(dir, OwnFile)
	if failure := l.endpoints(&d, found); failure == nil && !n.Exists(own) && l.trusts(d, w) {
		return nil, nil
	}
	changes := n.Changed(own, n.OwnFileWith(own, w), "the CAs of "+r.Registry)
	edit, err := hostsWithCA(n, dir, rules, r)
	return append(changes, edit...), err
}

// newestHostsRules are those of the newest release.
func newestHostsRules() hostsRules {
	return hostsRulesOf(containerdLines[len(containerdLines)-1].release)
}

// hostsWithCA names crpki's own file in a folder's hosts.toml; nothing where
// none counts.
func hostsWithCA(n *Node, dir string, rules hostsRules, r Reference) ([]Change, error) {
	l := hostsLookup{node: n, ref: r, rules: rules, namespace: r.Registry}
	found, failure := l.readFolder(&Decision{}, dir)
	if failure != nil || found.file == "" {
		return nil, nil
	}
	text, err := n.ReadFile(found.file)
	if err != nil {
		return nil, err
	}
	edited, err := l.addCA(string(text), found)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", found.file, err)
	}
	return n.Changed(found.file, []byte(edited), "names "+OwnFile+" as a CA of "+r.Registry), nil
}

// trusts is true when every endpoint of the registry itself has the CAs.
func (l hostsLookup) trusts(d Decision, w Wanted) bool {
	some := false
	for _, e := range d.Endpoints {
		if SameHost(e.Host, l.namespace) {
			some = true
			if !HoldsCAs(e.CAs, w.CAs) {
				return false
			}
		}
	}
	return some
}

// addCA names crpki's own file in a hosts.toml as a CA of each entry for the
// registry itself.
func (l hostsLookup) addCA(text string, found hostsFound) (string, error) {
	keys := keysOf([]byte(text))
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n")+"\n", "\n")
	lines = lines[:len(lines)-1]
	insert := map[int]string{} // behind a line
	some := false
	for _, h := range found.entries {
		last := h.table == ""
		if !(last && h.host == "") && !SameHost(h.host, l.namespace) && h.host != l.namespace {
			continue
		}
		some = true
		at := []string{"ca"}
		if !last {
			at = []string{"host", h.table, "ca"}
		}
		if k, ok := keys.find(at...); ok {
			line, err := caLineWith(lines[k.line-1])
			if err != nil {
				return "", fmt.Errorf("line %d: add %q to ca by hand", k.line, OwnFile)
			}
			lines[k.line-1] = line
			continue
		}
		line, indent := 0, ""
		for _, k := range keys.list {
			if last && slices.Equal(k.path, []string{"server"}) || k.table && !last && slices.Equal(k.path, at[:2]) {
				line = k.line
			}
		}
		if !last {
			indent = "  "
			if line == 0 {
				return "", fmt.Errorf("write %s into the table of %s by hand", OwnFile, h.table)
			}
		}
		insert[line] += indent + fmt.Sprintf("ca = %q\n", OwnFile)
	}
	if !some {
		return "", fmt.Errorf("sends every pull from %s to another host, which is to be trusted: install for that one", l.namespace)
	}
	out := insert[0]
	for k, line := range lines {
		out += line + insert[k+1]
	}
	if l.rules.needsHostTable && keys.line("host") == 0 {
		out += "\n[host]\n"
	}
	hosts, err := parseHosts(found.dir, []byte(out), l.rules)
	if err != nil || len(hosts) != len(found.entries) {
		return "", fmt.Errorf("add ca = %q by hand", OwnFile)
	}
	return out, nil
}

// caLineWith adds crpki's own file to the list on a line "ca = …".
func caLineWith(line string) (string, error) {
	before, value, ok := strings.Cut(line, "=")
	if !ok {
		return "", errors.New("no value")
	}
	var t struct {
		CA any `toml:"ca"`
	}
	if err := toml.Unmarshal([]byte("ca ="+value), &t); err != nil {
		return "", err
	}
	files, err := caFiles(t.CA, func(p string) string { return p })
	if err != nil || slices.Contains(files, OwnFile) {
		return line, err
	}
	comment := ""
	if i := strings.LastIndexAny(value, `]"'`); i >= 0 {
		comment = strings.TrimRight(value[i+1:], "\n")
	}
	quoted := make([]string, 0, len(files)+1)
	for _, f := range append(files, OwnFile) {
		quoted = append(quoted, fmt.Sprintf("%q", f))
	}
	return before + "= [" + strings.Join(quoted, ", ") + "]" + comment + "\n", nil
}
