package trust

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// The tables of config.toml in which the registries' settings are.
const (
	criTableV1 = "cri"
	criTableV2 = "io.containerd.grpc.v1.cri"
	criTableV3 = "io.containerd.cri.v1.images"
)

// defaultConfigPath is what containerd 2.2 and later take when nothing is said.
const defaultConfigPath = "/etc/containerd/certs.d:/etc/docker/certs.d"

// maxConfigFiles bounds how many files a configuration may import.
const maxConfigFiles = 500

// criRegistry is what the CRI plugin makes of config.toml.
type criRegistry struct {
	// configPath lists folders with colons between them.
	configPath string
	// mirrors and configs are the older way to say it.
	mirrors map[string][]string
	configs map[string]*criTLS
	// local is why the plugin pulls by itself and not through the transfer
	// service; "" when it does not. Only from 2.1 on is there a choice.
	local string
}

// setTLS notes a table of registry.configs; tls is nil when it has none.
func (r *criRegistry) setTLS(name string, tls *criTLS) {
	if r.configs == nil {
		r.configs = map[string]*criTLS{}
	}
	if tls != nil || r.configs[name] == nil {
		r.configs[name] = tls
	}
}

// imageTable is what of the CRI plugin's table matters here. The names of these
// types and of their fields are part of containerd's messages: see asContainerd.
type imageTable struct {
	Registry                   registryTable `toml:"registry"`
	DisableSnapshotAnnotations *bool         `toml:"disable_snapshot_annotations"`
	DiscardUnpackedLayers      bool          `toml:"discard_unpacked_layers"`
	MaxConcurrentDownloads     *int          `toml:"max_concurrent_downloads"`
	ImagePullWithSyncFs        bool          `toml:"image_pull_with_sync_fs"`
	UseLocalImagePull          bool          `toml:"use_local_image_pull"`
}

type registryTable struct {
	ConfigPath *string                `toml:"config_path"`
	Mirrors    map[string]mirrorTable `toml:"mirrors"`
	Configs    map[string]any         `toml:"configs"`
	Auths      map[string]any         `toml:"auths"`
}

type mirrorTable struct {
	Endpoints []string `toml:"endpoint"`
}

// tlsTables is what containerd 1 reads besides.
type tlsTables struct {
	Registry struct {
		Configs map[string]struct {
			TLS *criTLS `toml:"tls"`
		} `toml:"configs"`
	} `toml:"registry"`
}

// asContainerd puts containerd's names into an error for those of our types.
func asContainerd(text string) string {
	return strings.NewReplacer("trust.serverConfig.", "config.Config.", "trust.registryTable.", "config.Registry.", "trust.mirrorTable.", "config.Mirror.",
		"trust.imageTable.", "config.ImageConfig.", "of type *", "of type ").Replace(text)
}

// criTLS is registry.configs."…".tls.
type criTLS struct {
	CAFile             string `toml:"ca_file"`
	CertFile           string `toml:"cert_file"`
	KeyFile            string `toml:"key_file"`
	InsecureSkipVerify bool   `toml:"insecure_skip_verify"`
}

// configFile is one file of the configuration.
type configFile struct {
	path    string
	version int
	keys    tomlKeys
	plugins map[string]any
}

// daemonConfig is the whole configuration as one release reads it.
type daemonConfig struct {
	release release
	files   []configFile
	// main is the first file, whether it exists or not.
	main string
	// version is that of the merged configuration.
	version int
	plugins map[string]any
	// migrated: the CRI's older table was moved into the newer one.
	migrated bool
	disabled []string
	registry criRegistry
	// failure keeps the daemon or its CRI plugin from starting.
	failure *Failure
	// needs is what crpki did not read, for its size or kind.
	needs string
}

// serverConfig is what of config.toml matters here.
type serverConfig struct {
	Version  int            `toml:"version"`
	Disabled []string       `toml:"disabled_plugins"`
	Required []string       `toml:"required_plugins"`
	Plugins  map[string]any `toml:"plugins"`
	Imports  []string       `toml:"imports"`
}

type configKey struct {
	release release
	main    string
}

// containerdConfig reads a configuration as a release of containerd does.
func containerdConfig(n *Node, r release, main string) *daemonConfig {
	return Memo(n, configKey{r, main}, func() *daemonConfig {
		c := &daemonConfig{release: r, main: main, version: 1, plugins: map[string]any{}}
		if r.from(2, 0, 0) {
			c.version = c.newest()
		}
		// Without a configuration, the daemon has its defaults; a drop-in is
		// not looked for.
		if n.Exists(main) {
			c.failure = c.load(n)
		}
		if c.failure == nil {
			c.failure = c.migrate()
		}
		if c.failure == nil {
			c.failure = c.readRegistry()
		}
		return c
	})
}

// newest is the configuration version that the release calls its own.
func (c *daemonConfig) newest() int {
	switch {
	case c.release.from(2, 3, 0):
		return 4
	case c.release.from(2, 0, 0):
		return 3
	}
	return 2
}

// load reads the files, the imported ones after those that import them. Each
// is merged over what was read before.
func (c *daemonConfig) load(n *Node) *Failure {
	pending, loaded := []string{c.main}, map[string]bool{}
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		if loaded[name] {
			continue
		}
		if len(c.files) == maxConfigFiles {
			c.needs = notRead(c.main, ErrTooMuch)
			break
		}
		imports, failure := c.loadFile(n, name)
		if failure != nil {
			return failure
		}
		loaded[name] = true
		more, err := c.resolveImports(n, name, imports)
		if err != nil {
			return c.fails(err.Error(), Place{File: name, Key: "imports"})
		}
		pending = append(pending, more...)
	}
	return c.validate()
}

// fails is a daemon that does not start.
func (c *daemonConfig) fails(text string, at Place) *Failure {
	return &Failure{Text: text, Place: at, Daemon: true}
}

func (c *daemonConfig) loadFile(n *Node, name string) (imports []string, failure *Failure) {
	text, err := n.ReadFile(name)
	if notReadHere(err) {
		c.needs = notRead(name, err)
		return nil, nil
	}
	if err != nil {
		if !c.release.from(2, 0, 0) {
			return nil, c.fails(fmt.Sprintf("failed to load TOML: %s: %v", name, err), Place{File: name})
		}
		text := err.Error()
		if n.Exists(name) {
			text = "failed to unmarshal TOML: toml: " + text
		}
		return nil, c.fails(text, Place{File: name})
	}
	var s serverConfig
	keys, err := decodeTOML(text, &s, !c.release.from(2, 0, 0))
	if notReadHere(err) {
		c.needs = notRead(name, err)
		return nil, nil
	}
	if err != nil {
		return nil, c.fails(asContainerd(c.decodeError(name, err)), Place{File: name, Line: lineOf(err)})
	}
	if s.Version < 0 && c.release.from(2, 0, 0) {
		return nil, c.fails("panic: runtime error: index out of range ["+fmt.Sprint(s.Version)+"]", Place{File: name, Line: keys.line("version"), Key: "version"})
	}
	f := configFile{path: name, version: s.Version, keys: keys, plugins: s.Plugins}
	c.files = append(c.files, f)
	if c.release.from(2, 0, 0) {
		s = c.migrateFile(s)
		c.plugins = mergeTables(c.plugins, s.Plugins)
	} else {
		maps.Copy(c.plugins, s.Plugins)
	}
	if s.Version != 0 {
		c.version = s.Version
	}
	c.disabled = append(c.disabled, s.Disabled...)
	return s.Imports, nil
}

// decodeError is how the daemon words a file that is no TOML.
func (c *daemonConfig) decodeError(name string, err error) string {
	if t, ok := errors.AsType[*tomlTypeError](err); ok && !c.release.from(2, 0, 0) {
		return "failed to unmarshal TOML: " + t.Error()
	}
	if !c.release.from(2, 0, 0) {
		return fmt.Sprintf("failed to load TOML: %s: %v", name, err)
	}
	if d, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, column := d.Position()
		return fmt.Sprintf("failed to unmarshal TOML at row %d column %d: %v", row, column, err)
	}
	return fmt.Sprintf("failed to unmarshal TOML: %v", err)
}

// migrateFile brings a file of 2.x to the version that the daemon keeps. From
// 2.3 on every file is brought to the newest one by itself; before, only files
// of version 1, and of those only the names of plugins.
func (c *daemonConfig) migrateFile(s serverConfig) serverConfig {
	if !c.release.from(2, 3, 0) && s.Version > 1 {
		return s
	}
	if s.Version >= c.newest() {
		return s
	}
	if s.Version <= 1 {
		plugins := map[string]any{}
		for name, value := range s.Plugins {
			plugins[pluginURI(name)] = value
		}
		s.Plugins = plugins
		for i, name := range s.Disabled {
			s.Disabled[i] = pluginURI(name)
		}
	}
	if c.release.from(2, 3, 0) {
		migrateCRI(s.Plugins)
	}
	s.Version = c.newest()
	return s
}

// pluginURI is the full name of a plugin of version 1, as far as they matter.
func pluginURI(name string) string {
	switch {
	case strings.Contains(name, "."):
		return name
	case name == criTableV1:
		return criTableV2
	}
	return "io.containerd.grpc.v1." + name
}

// mergeTables merges as containerd 2 does: tables by their keys, all else is
// replaced, except by an empty array.
func mergeTables(to, from map[string]any) map[string]any {
	for key, value := range from {
		old, there := to[key]
		switch v := value.(type) {
		case map[string]any:
			if o, ok := old.(map[string]any); ok {
				to[key] = mergeTables(o, v)
				continue
			}
			// A copy, for later files are merged into it.
			value = mergeTables(map[string]any{}, v)
		case []any:
			if there && len(v) == 0 {
				continue
			}
		}
		to[key] = value
	}
	return to
}

// resolveImports gives the files that an imports line names.
func (c *daemonConfig) resolveImports(n *Node, from string, imports []string) ([]string, error) {
	var files []string
	for _, name := range imports {
		glob := strings.Contains(name, "*")
		name = path.Clean(name)
		if !path.IsAbs(name) && (!glob || c.release.fixed(31, 16)) {
			name = path.Join(path.Dir(from), name)
		}
		// Before, a pattern is one below the folder in which the daemon runs,
		// which is / for a service.
		if !strings.Contains(name, "*") {
			files = append(files, name)
			continue
		}
		found, err := n.Glob(name)
		if notReadHere(err) {
			c.needs = notRead(name, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// validate checks what the daemon checks before it starts.
func (c *daemonConfig) validate() *Failure {
	at := Place{File: c.main, Key: "version"}
	if c.release.from(2, 0, 0) {
		if c.version > c.newest() {
			return c.fails(fmt.Sprintf("failed to load TOML from %s: expected containerd config version equal to or less than `%d`, got `%d`",
				c.main, c.newest(), c.version), c.place("version"))
		}
		for _, name := range c.disabled {
			if !strings.Contains(name, ".") {
				return c.fails(fmt.Sprintf("failed to load TOML from %s: invalid disabled plugin URI %q expect io.containerd.x.vx", c.main, name), c.place("disabled_plugins"))
			}
		}
		return nil
	}
	if c.version < 2 {
		return nil
	}
	for _, name := range c.disabled {
		if strings.Count(name, ".") < 3 {
			return c.fails(fmt.Sprintf("failed to load TOML from %s: invalid disabled plugin URI %q expect io.containerd.x.vx", c.main, name), c.place("disabled_plugins"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.plugins)) {
		if strings.Count(name, ".") < 3 {
			at.Key = "plugins." + name
			return c.fails(fmt.Sprintf("failed to load TOML from %s: invalid plugin key URI %q expect io.containerd.x.vx", c.main, name), c.place("plugins", name))
		}
	}
	return nil
}

// migrate is the step of 2.0 to 2.2 that moves the CRI's older table into the
// newer one. A configuration that is of version 3 already keeps both.
func (c *daemonConfig) migrate() *Failure {
	if c.release.from(2, 0, 0) && !c.release.from(2, 3, 0) && c.version < 3 {
		c.migrated = true
		migrateCRI(c.plugins)
	}
	return nil
}

// migrateCRI moves what concerns images from the older table to the newer.
func migrateCRI(plugins map[string]any) {
	from, ok := plugins[criTableV2].(map[string]any)
	if !ok {
		return
	}
	to, ok := plugins[criTableV3].(map[string]any)
	if !ok {
		to = map[string]any{}
	}
	move := func(from map[string]any, keys ...string) {
		for _, key := range keys {
			if v, ok := from[key]; ok {
				to[key] = v
			}
		}
	}
	move(from, "registry", "max_concurrent_downloads", "image_pull_progress_timeout", "image_pull_with_sync_fs")
	c, _ := from["containerd"].(map[string]any)
	// Without runtimes, containerd goes no further here.
	if _, ok := c["runtimes"].(map[string]any); ok {
		move(c, "snapshotter", "disable_snapshot_annotations", "discard_unpacked_layers")
	}
	plugins[criTableV3] = to
}

// tableName is the table of the merged configuration that the CRI plugin reads.
func (c *daemonConfig) tableName() string {
	switch {
	case c.release.from(2, 0, 0):
		return criTableV3
	case c.version == 1:
		return criTableV1
	}
	return criTableV2
}

// readRegistry decodes the CRI plugin's table and checks it as the plugin does.
func (c *daemonConfig) readRegistry() *Failure {
	if failure := c.criDisabled(); failure != nil {
		return failure
	}
	var t imageTable
	table, _ := c.plugins[c.tableName()].(map[string]any)
	v1 := !c.release.from(2, 0, 0)
	if v1 {
		var tls tlsTables
		if err := bindTOML(table, &tls, true, c.where(c.tableName())); err != nil {
			return c.fails(err.Error(), c.place("plugins", c.tableName()))
		}
		for name, config := range tls.Registry.Configs {
			c.registry.setTLS(name, config.TLS)
		}
	}
	if err := bindTOML(table, &t, v1, c.where(c.tableName())); err != nil {
		return c.fails(asContainerd(err.Error()), c.place("plugins", c.tableName()))
	}
	r := &c.registry
	r.mirrors = map[string][]string{}
	for name, m := range t.Registry.Mirrors {
		r.mirrors[name] = m.Endpoints
	}
	for name := range t.Registry.Configs {
		r.setTLS(name, nil)
	}
	if t.Registry.ConfigPath != nil {
		r.configPath = *t.Registry.ConfigPath
	}
	c.defaultPath(t.Registry.ConfigPath != nil)
	r.local = c.whyLocal(t)
	return c.checkRegistry()
}

// defaultPath sets what 2.2 and later take for a config_path that is not set.
// 2.2.0 and 2.2.1 take it even beside mirrors.
func (c *daemonConfig) defaultPath(set bool) {
	r := &c.registry
	switch {
	case !c.release.from(2, 2, 0) || r.configPath != "":
	case c.release.from(2, 2, 2) && len(r.mirrors) == 0, !c.release.from(2, 2, 2) && (!set || c.migrated):
		r.configPath = defaultConfigPath
	}
}

// whyLocal says why containerd 2.1 and later pull by the CRI plugin's own
// client, which takes a list of folders, and not through the transfer service,
// which does not.
func (c *daemonConfig) whyLocal(t imageTable) string {
	r := c.registry
	switch {
	case !c.release.from(2, 1, 0):
		return "before containerd 2.1 there is no other way"
	case t.UseLocalImagePull:
		return "use_local_image_pull"
	case t.DisableSnapshotAnnotations != nil && !*t.DisableSnapshotAnnotations:
		return "disable_snapshot_annotations = false"
	case t.DiscardUnpackedLayers:
		return "discard_unpacked_layers"
	case len(r.mirrors) > 0:
		return "registry.mirrors"
	case len(r.configs) > 0:
		return "registry.configs"
	case len(t.Registry.Auths) > 0:
		return "registry.auths"
	case t.MaxConcurrentDownloads != nil && *t.MaxConcurrentDownloads != 3:
		return "max_concurrent_downloads"
	case t.ImagePullWithSyncFs:
		return "image_pull_with_sync_fs"
	}
	return ""
}

// checkRegistry finds what keeps the CRI plugin from loading.
func (c *daemonConfig) checkRegistry() *Failure {
	if c.registry.configPath == "" {
		return nil
	}
	what := ""
	if len(c.registry.mirrors) > 0 {
		what = "mirrors"
	}
	for _, name := range slices.Sorted(maps.Keys(c.registry.configs)) {
		if what == "" && c.registry.configs[name] != nil {
			what = "configs.tls"
		}
	}
	if what == "" {
		return nil
	}
	prefix := "invalid plugin config: "
	if c.release.from(2, 0, 0) {
		prefix = "invalid cri image config: "
	}
	table, _, _ := strings.Cut(what, ".")
	return c.fails(prefix+"`"+what+"` cannot be set when `config_path` is provided", c.registryPlace(table))
}

// criDisabled is the failure of every pull where the CRI plugin is switched off.
func (c *daemonConfig) criDisabled() *Failure {
	for _, name := range c.disabled {
		full := name
		if !c.release.from(2, 0, 0) && c.version == 1 {
			full = pluginURI(name)
		}
		switch {
		case full == criTableV2:
			return c.fails("unknown service runtime.v1.ImageService", c.place("disabled_plugins"))
		case full == criTableV3 && c.release.from(2, 0, 0):
			return c.fails("unable to load CRI image service plugin dependency: no plugins registered for io.containerd.cri.v1.images: plugin: not found",
				c.place("disabled_plugins"))
		}
	}
	return nil
}

// place finds the last file that sets a key, which is the one that counts.
func (c *daemonConfig) place(key ...string) Place {
	name := strings.Join(key, ".")
	for _, f := range slices.Backward(c.files) {
		if line := f.keys.line(key...); line > 0 {
			return Place{File: f.path, Line: line, Key: name}
		}
	}
	return Place{File: c.main, Key: name}
}

// where finds the line and column of a key below a plugin's table.
func (c *daemonConfig) where(table string) func(path []string) (line, column int) {
	return func(path []string) (line, column int) {
		path = append([]string{"plugins", table}, path...)
		for _, f := range slices.Backward(c.files) {
			if k, ok := f.keys.find(path...); ok {
				return k.line, k.column
			}
		}
		return 1, 1
	}
}

// registryPlace is place for a key of the registry table, in whichever table
// of the CRI plugin it stands.
func (c *daemonConfig) registryPlace(key ...string) Place {
	for _, f := range slices.Backward(c.files) {
		for _, table := range []string{c.tableName(), criTableV3, criTableV2, criTableV1} {
			if line := f.keys.line(append([]string{"plugins", table, "registry"}, key...)...); line > 0 {
				return Place{File: f.path, Line: line, Key: "registry." + strings.Join(key, ".")}
			}
		}
	}
	return Place{File: c.main, Key: "registry." + strings.Join(key, ".")}
}
