package trust

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// explain notes which files made the configuration.
func (c *daemonConfig) explain(d *Decision) {
	if len(c.files) == 0 && c.failure == nil {
		d.step(Place{File: c.main}, false, "is not there: the defaults apply, and no drop-in is read")
	}
	for _, f := range c.files {
		d.step(Place{File: f.path}, true, "part of containerd's configuration")
	}
	if c.failure != nil {
		return
	}
	at := c.registryPlace("config_path")
	switch r := c.registry; {
	case r.configPath == "":
		d.step(Place{File: c.main, Key: "registry.config_path"}, false, "is not set: no folder of registries is read")
	case at.Line == 0:
		d.step(Place{File: c.main, Key: "registry.config_path"}, true, "is "+r.configPath+" when nothing is said")
	default:
		d.step(at, true, "is "+r.configPath)
	}
	if c.release.from(2, 1, 0) {
		if why := c.registry.local; why != "" {
			d.step(Place{File: c.main}, true, "images are pulled by the CRI plugin's own client, because of "+why)
		} else {
			d.step(Place{File: c.main}, true, "images are pulled through the transfer service")
		}
	}
}

// configLint gathers the mistakes of a configuration.
type configLint struct {
	*daemonConfig
	node     *Node
	mistakes []Mistake
}

// mistakes are what in the configuration does not do what its author meant.
func (c *daemonConfig) mistakes(n *Node, ref Reference) []Mistake {
	l := configLint{daemonConfig: c, node: n}
	l.failures()
	l.tables()
	l.replaced()
	l.dropIns()
	if c.failure == nil {
		l.configPath()
		l.legacy(ref)
	}
	return l.mistakes
}

func (l *configLint) add(severity, id string, at Place, fix, format string, args ...any) {
	l.mistakes = append(l.mistakes, Mistake{ID: id, Place: at, Severity: severity, Fix: fix, Text: fmt.Sprintf(format, args...)})
}

// failures explains what keeps the daemon, or its CRI plugin, from starting.
func (l *configLint) failures() {
	f := l.failure
	switch {
	case f == nil:
	case strings.Contains(f.Text, "cannot be set when `config_path`"):
		l.add(severityError, "config-path-with-older-settings", f.Place, "delete this table: what it says belongs into a hosts.toml below config_path",
			"config_path and this older setting exclude each other: the CRI plugin does not load, and the kubelet finds no runtime")
	case strings.Contains(f.Text, "ImageService"), strings.Contains(f.Text, "no plugins registered"):
		l.add(severityError, "cri-disabled", f.Place, "take the CRI plugin out of disabled_plugins and restart containerd",
			"the CRI plugin is switched off: the kubelet finds no runtime. Docker's package of containerd comes so")
	case strings.Contains(f.Text, "config version"):
		l.add(severityError, "config-version", f.Place, fmt.Sprintf("write version = %d", l.newest()), "this release of containerd does not know the version of its configuration, and does not start")
	default:
		l.add(severityError, "config-broken", f.Place, "", "containerd does not start, or without its CRI plugin: %s", f.Text)
	}
}

// tables finds settings for registries in tables that the release does not read.
func (l *configLint) tables() {
	for _, f := range l.files {
		for _, table := range []string{criTableV1, criTableV2, criTableV3} {
			line := f.keys.line("plugins", table, "registry")
			if line == 0 || table == l.tableName() || l.carriedOver(f, table) {
				continue
			}
			l.add(severityError, "config-table-ignored", Place{File: f.path, Line: line, Key: "plugins." + table},
				fmt.Sprintf("write [plugins.%q.registry]", l.tableName()),
				"is not read: containerd %s reads the registries of a file of version %d from [plugins.%q]", l.release, max(f.version, 1), l.tableName())
		}
	}
}

// carriedOver is true when a release moves a file's table to where it is read.
func (l *configLint) carriedOver(f configFile, table string) bool {
	switch {
	case !l.release.from(2, 0, 0):
		return false
	case l.release.from(2, 3, 0):
		return f.version < l.newest() && (table == criTableV2 || table == criTableV1 && f.version < 2)
	}
	return table == criTableV2 && l.migrated
}

// replaced finds drop-ins that take away what a file before said: containerd 1
// replaces whole tables.
func (l *configLint) replaced() {
	if l.release.from(2, 0, 0) {
		return
	}
	table := l.tableName()
	var said *configFile
	for k, f := range l.files {
		here := f.keys.line("plugins", table)
		registry := f.keys.line("plugins", table, "registry")
		if here > 0 && registry == 0 && said != nil {
			l.add(severityError, "drop-in-replaces-table", Place{File: f.path, Line: here},
				fmt.Sprintf("copy the registry table of %s into this file", said.path),
				"containerd 1 replaces the whole table by this one: what %s says about registries is lost", said.path)
			said = nil
		}
		if registry > 0 {
			said = &l.files[k]
		}
	}
}

// dropIns finds files in conf.d that nothing imports.
func (l *configLint) dropIns() {
	found, err := l.node.Glob(path.Join(path.Dir(l.main), "conf.d/*.toml"))
	if err != nil {
		return
	}
	for _, name := range found {
		if slices.ContainsFunc(l.files, func(f configFile) bool { return f.path == name }) {
			continue
		}
		text, err := l.node.ReadFile(name)
		if err != nil || !strings.Contains(string(text), "registry") {
			continue
		}
		fix := fmt.Sprintf("write imports = [%q] at the top of %s", path.Join(path.Dir(l.main), "conf.d/*.toml"), l.main)
		if len(l.files) == 0 && l.failure == nil {
			fix = "containerd config default > " + shellWord(l.main)
		}
		l.add(severityError, "drop-in-not-imported", Place{File: name}, fix, "is not read: %s does not import it", l.main)
	}
}

// configPath looks at the folders of registries.
func (l *configLint) configPath() {
	r, at := l.registry, l.registryPlace("config_path")
	if r.configPath == "" {
		l.noConfigPath()
		return
	}
	if r.local == "" && strings.Contains(r.configPath, ":") {
		first, _, _ := strings.Cut(r.configPath, ":")
		text := fmt.Sprintf("is a list, %q, and the transfer service of containerd %s takes it for one folder, which is not there: no folder of a registry is read", r.configPath, l.release)
		if at.Line == 0 {
			text = "config_path is not set, and what stands for it " + text
		}
		fix := fmt.Sprintf("write config_path = %q there, and restart containerd", first)
		if at.Line == 0 {
			fix = fmt.Sprintf("write config_path = %q into [plugins.%q.registry] of %s, and restart containerd", first, l.writeTable(), l.main)
		}
		l.add(severityError, "config-path-list", at, fix, "%s", text)
		return
	}
	missing := at.Line > 0
	for dir := range strings.SplitSeq(r.configPath, ":") {
		missing = missing && !l.node.IsDir(dir) && !strings.Contains(dir, "${")
		if dir != "" && at.Line > 0 && !path.IsAbs(dir) && !strings.Contains(dir, "${") {
			l.add(severityError, "config-path-relative", at, "", "%q is taken from the folder in which the daemon runs", dir)
		}
	}
	if missing {
		first, _, _ := strings.Cut(r.configPath, ":")
		l.add(severityWarning, "config-path-missing-dir", at, "mkdir -p "+shellWord(first), "%s is not there", r.configPath)
	}
}

// writeTable is the table to write registries' settings into.
func (l *configLint) writeTable() string {
	f := configFile{version: l.newest()}
	if len(l.files) > 0 {
		f = l.files[0]
	}
	return l.editTable(f)
}

// noConfigPath says so where folders of registries wait to be read.
func (l *configLint) noConfigPath() {
	for _, dir := range strings.Split(defaultConfigPath, ":") {
		if entries, err := l.node.ReadDir(dir); err != nil || len(entries) == 0 || dir != "/etc/containerd/certs.d" {
			continue
		}
		l.add(severityError, "config-path-missing", Place{File: dir},
			fmt.Sprintf("write config_path = %q into [plugins.%q.registry] of %s, and restart containerd", dir, l.writeTable(), l.main),
			"is not read: config_path is not set, and this release has no default for it")
	}
}

// legacy looks at the older settings.
func (l *configLint) legacy(ref Reference) {
	for _, name := range slices.Sorted(maps.Keys(l.registry.configs)) {
		at := l.registryPlace("configs", name)
		if l.release.from(2, 0, 0) {
			if line := l.registryPlace("configs", name, "tls"); line.Line > 0 {
				l.add(severityError, "configs-tls-ignored", line, fmt.Sprintf("put the CA into %s and config_path = \"/etc/containerd/certs.d\" here, and take this table out", path.Join("/etc/containerd/certs.d", name, "ca.crt")),
					"containerd 2 no longer reads TLS settings here and says so only in its log")
			}
			continue
		}
		tls := l.registry.configs[name]
		if tls == nil {
			continue
		}
		if tls.InsecureSkipVerify {
			l.add(severityWarning, "verification-off", at, "give the registry's CA in ca_file instead", "insecure_skip_verify: whoever answers for %s is believed", name)
		}
		if strings.Contains(name, "://") || name != ref.Registry && hostOf(name) == hostOf(ref.Registry) {
			l.add(severityWarning, "configs-name", at, fmt.Sprintf("write configs.%q", ref.Registry),
				"does not count for %s: the name is that of the endpoint with its port, and without a scheme", ref.Registry)
		}
		if tls.CAFile != "" {
			if ca := l.node.CAFile(tls.CAFile); ca.Err == nil && len(ca.Anchors) == 0 {
				l.add(severityError, "ca-no-certificate", Place{File: tls.CAFile}, "", "containerd passes over it without a word: %s", ca.Skipped[0].Why)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.registry.mirrors)) {
		for _, endpoint := range l.registry.mirrors[name] {
			_, after, _ := strings.Cut(endpoint, "://")
			_, rest, ok := strings.Cut(after, "/")
			if ok && !strings.Contains("/"+rest+"/", "/v2/") {
				l.add(severityWarning, "mirror-without-v2", l.registryPlace("mirrors", name), "take the path away, or write it with its /v2",
					"%s has a path, to which containerd adds no /v2: a registry has nothing there", endpoint)
			}
		}
	}
}
