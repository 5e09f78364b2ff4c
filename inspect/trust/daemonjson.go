package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// dockerConf is what counts here of dockerd's configuration: daemon.json and
// the flags on its command line.
type dockerConf struct {
	file string
	// rootless: another user's daemon, with its files in that home.
	rootless bool
	insecure insecureSet
	// listed is true when anybody wrote down an insecure registry.
	listed  bool
	mirrors []dockerMirror
	// store is the image store that is asked for: "containerd", "graphdriver", ""
	// for the default.
	store    string
	storeAt  Place
	dataRoot string
	failure  *Failure
	steps    []Step
	mistakes []Mistake
	// needs is what crpki did not read, for its size or kind.
	needs string
	// insecureLint is told of the registries that it is about.
	insecureLint []Mistake
}

// dockerMirror is a mirror of Docker Hub.
type dockerMirror struct {
	url   *url.URL
	place Place
}

// daemonJSON is the document. Its name stands in messages.
type daemonJSON struct {
	Insecure      []string        `json:"insecure-registries"`
	Mirrors       []string        `json:"registry-mirrors"`
	Features      map[string]bool `json:"features"`
	StorageDriver string          `json:"storage-driver"`
	DataRoot      string          `json:"data-root"`
	Graph         string          `json:"graph"`
	UsernsRemap   string          `json:"userns-remap"`
}

// dockerRootless is true for a user's own daemon.
func dockerRootless(n *Node) bool { return n.User().UID != 0 }

type dockerKey struct{ major int }

// dockerConf reads the daemon's configuration, once.
func (n *Node) dockerConf(major int) *dockerConf {
	return Memo(n, dockerKey{major}, func() *dockerConf { return n.loadDockerConf(major) })
}

func (n *Node) loadDockerConf(major int) *dockerConf {
	c := &dockerConf{file: "/etc/docker/daemon.json", rootless: dockerRootless(n), insecure: insecureSet{names: map[string]Place{}}}
	unit := &Unit{}
	if c.rootless {
		c.file = path.Join(n.ConfigHome(), "docker/daemon.json")
		c.dataRoot = path.Join(n.Getenv("HOME"), ".local/share/docker")
	} else {
		unit = n.Unit("docker")
		c.dataRoot = "/var/lib/docker"
	}
	named := false
	if file, ok := unit.Flag("--config-file"); ok {
		c.file, named = file, true
	}
	data, err := n.ReadFile(c.file)
	var doc daemonJSON
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		c.steps = append(c.steps, Step{Place: Place{File: c.file}, Why: "is not there"})
	case notReadHere(err):
		c.needs = notRead(c.file, err)
		c.steps = append(c.steps, Step{Place: Place{File: c.file}, Why: reason(err)})
	case err != nil:
		c.refuse(Place{File: c.file}, c.unable(err.Error()))
	default:
		var fault *confError
		doc, fault = parseDaemonJSON(data, major, unit)
		if fault != nil {
			c.refuse(Place{File: c.file, Line: fault.line}, c.unable(fault.text))
			break
		}
		c.steps = append(c.steps, Step{Place: Place{File: c.file}, Used: true, Why: "the daemon's configuration"})
		c.typos(data)
	}
	if c.failure != nil {
		return c
	}
	c.take(doc, linesOf(data), unit, major)
	return c
}

func (c *dockerConf) unable(text string) string {
	return "unable to configure the Docker daemon with file " + c.file + ": " + text
}

// refuse notes that the daemon does not start.
func (c *dockerConf) refuse(place Place, text string) {
	c.failure = &Failure{Text: text, Place: place, Daemon: true}
	c.mistakes = append(c.mistakes, Mistake{
		ID: "daemon-json-refused", Place: place, Severity: severityError,
		Text: "the daemon does not start: " + text, Fix: "edit " + place.File + ", then check it with dockerd --validate (since 23.0)",
	})
}

// parseDaemonJSON reads daemon.json as dockerd does.
func parseDaemonJSON(data []byte, major int, unit *Unit) (daemonJSON, *confError) {
	var doc daemonJSON
	fault := func(err error) (daemonJSON, *confError) {
		return doc, &confError{jsonLine(data, err), jsonText(err, major)}
	}
	unmarshal := func(v any) error { return json.NewDecoder(bytes.NewReader(data)).Decode(v) }
	if major >= 23 {
		data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
		if len(data) == 0 {
			return doc, nil
		}
		unmarshal = func(v any) error { return json.Unmarshal(data, v) }
	}
	var all map[string]any
	if err := unmarshal(&all); err != nil {
		return fault(err)
	}
	lines := linesOf(data)
	var unknown []string
	flat := flattenJSON(all)
	for key := range flat {
		if !slices.Contains(dockerKeys(), key) || key == "graph" && major >= 23 {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown) // the daemon's order is that of a map
		return doc, &confError{lines.of(strconv.Quote(unknown[0]), 1), "the following directives don't match any configuration option: " + strings.Join(unknown, ", ")}
	}
	if twice := dockerTwice(flat, unit); len(twice) > 0 {
		return doc, &confError{0, "the following directives are specified both as a flag and in the configuration file: " + strings.Join(twice, ", ")}
	}
	if err := unmarshal(&doc); err != nil {
		return fault(err)
	}
	if doc.Graph != "" {
		if doc.DataRoot != "" {
			return doc, &confError{lines.of(`"graph"`, 1), `cannot specify both "graph" and "data-root" config file options`}
		}
		doc.DataRoot = doc.Graph
	}
	return doc, nil
}

// dockerTwice are the settings that both the command line and the file have,
// in the order of the flags' names.
func dockerTwice(flat map[string]any, unit *Unit) (twice []string) {
	seen := map[string]bool{}
	for _, arg := range unit.Args {
		flag, _, _ := strings.Cut(arg, "=")
		switch flag {
		case "-H":
			flag = "--host"
		case "-g":
			flag = "--data-root"
		}
		name, ok := strings.CutPrefix(flag, "--")
		if !ok || seen[name] {
			continue
		}
		seen[name] = true
		key, list := name, false
		for _, plural := range []string{name + "s", strings.TrimSuffix(name, "y") + "ies"} {
			if slices.Contains(dockerKeys(), plural) && plural != name {
				key, list = plural, true
			}
		}
		value, there := flat[key]
		if !there {
			continue
		}
		values := unit.Flags("--"+name, map[string]string{"host": "-H", "data-root": "-g"}[name])
		if list {
			twice = append(twice, fmt.Sprintf("%s: (from flag: %v, from file: %v)", key, values, value))
			continue
		}
		twice = append(twice, fmt.Sprintf("%s: (from flag: %s, from file: %v)", key, strings.Join(values, " "), value))
	}
	slices.Sort(twice)
	return twice
}

// flattenJSON lifts the settings of tables, as dockerd does before it looks at
// their names.
func flattenJSON(all map[string]any) map[string]any {
	flat := map[string]any{}
	for k, v := range all {
		table, ok := v.(map[string]any)
		if ok && !slices.Contains([]string{"cluster-store-opts", "log-opts", "runtimes", "default-ulimits", "features", "builder", "default-network-opts"}, k) {
			for k, v := range table {
				flat[k] = v
			}
			continue
		}
		flat[k] = v
	}
	return flat
}

// jsonText is the decoder's message with dockerd's names. Go tells the way to a
// field through embedded structures since 1.24.
func jsonText(err error, major int) string {
	text := err.Error()
	if major < 29 {
		return strings.ReplaceAll(text, "daemonJSON.", "Config.")
	}
	for _, list := range []string{"insecure-registries", "registry-mirrors"} {
		text = strings.ReplaceAll(text, "daemonJSON."+list, "Config.CommonConfig.ServiceOptions."+list)
	}
	return strings.ReplaceAll(text, "daemonJSON.", "Config.CommonConfig.")
}

func jsonLine(data []byte, err error) int {
	offset := -1
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = int(e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = int(e.Offset)
	}
	if offset < 0 || offset > len(data) {
		return 0
	}
	return 1 + bytes.Count(data[:offset], []byte{'\n'})
}

// typos notes settings that are names of flags, and thus read by nobody.
func (c *dockerConf) typos(data []byte) {
	lines := linesOf(data)
	for _, t := range []struct{ wrong, right string }{{"insecure-registry", "insecure-registries"}, {"registry-mirror", "registry-mirrors"}} {
		if line := lines.of(strconv.Quote(t.wrong), 1); line > 0 {
			c.mistakes = append(c.mistakes, Mistake{
				ID: "daemon-json-key-ignored", Place: Place{File: c.file, Line: line, Key: t.wrong}, Severity: severityWarning,
				Text: fmt.Sprintf("%q is the name of a flag: in the file it is accepted and has no effect", t.wrong),
				Fix:  fmt.Sprintf("write %q", t.right),
			})
		}
	}
}

// take puts file and flags together, in the order in which the daemon checks
// them.
func (c *dockerConf) take(doc daemonJSON, lines fileLines, unit *Unit, major int) {
	at := func(key, value string) Place {
		line := 0
		for i, l := range lines {
			if strings.Contains(l, strconv.Quote(value)) {
				line = i + 1
				break
			}
		}
		return Place{File: c.file, Line: line, Key: key}
	}
	for _, m := range doc.Mirrors {
		c.addMirror(m, at("registry-mirrors", m), major)
	}
	for _, m := range unit.Flags("--registry-mirror") {
		c.addMirror(m, Place{File: unit.ArgsPlace.File, Line: unit.ArgsPlace.Line, Key: "--registry-mirror"}, major)
	}
	for _, r := range doc.Insecure {
		c.addInsecure(r, at("insecure-registries", r), major)
	}
	for _, r := range unit.Flags("--insecure-registry") {
		c.addInsecure(r, Place{File: unit.ArgsPlace.File, Line: unit.ArgsPlace.Line, Key: "--insecure-registry"}, major)
	}
	c.insecure.addNet("127.0.0.0/8", Place{Key: "127.0.0.0/8, built in"}, true)
	if major >= 28 {
		c.insecure.addNet("::1/128", Place{Key: "::1/128, built in"}, true)
	}
	if on, ok := doc.Features["containerd-snapshotter"]; ok {
		c.store = map[bool]string{true: "containerd", false: "graphdriver"}[on]
		c.storeAt = at("features", "containerd-snapshotter")
	} else if slices.Contains([]string{"overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs", "devicemapper", "aufs", "overlay"}, doc.StorageDriver) {
		c.store, c.storeAt = "graphdriver", at("storage-driver", doc.StorageDriver)
	} else if doc.UsernsRemap != "" {
		c.store, c.storeAt = "graphdriver", at("userns-remap", doc.UsernsRemap)
	}
	if doc.DataRoot != "" {
		c.dataRoot = doc.DataRoot
	}
	if root, ok := unit.Flag("--data-root", "-g"); ok {
		c.dataRoot = root
	}
}

func (c *dockerConf) failToStart(place Place, text string) {
	if c.failure == nil {
		c.refuse(place, "failed to start daemon: "+text)
	}
}

// badMirror words a mirror that is refused, which newer releases find with the
// configuration.
func (c *dockerConf) badMirror(place Place, major int, text string) {
	if major < 28 {
		c.failToStart(place, text)
	} else if c.failure == nil {
		c.refuse(place, c.unable("merged configuration validation from file and command line flags failed: "+text))
	}
}

func (c *dockerConf) addMirror(text string, place Place, major int) {
	u, err := url.Parse(text)
	scheme, _, hasScheme := strings.Cut(text, "://")
	switch {
	case major >= 28 && (!hasScheme || scheme == ""):
		c.badMirror(place, major, fmt.Sprintf("invalid mirror: no scheme specified for %q: must use either 'https://' or 'http://'", text))
	case err != nil && major >= 23:
		c.badMirror(place, major, fmt.Sprintf("invalid mirror: %q is not a valid URI: %v", text, err))
	case err != nil:
		c.badMirror(place, major, fmt.Sprintf("invalid mirror: %q is not a valid URI", text))
	case u.Scheme != "http" && u.Scheme != "https" && major >= 28:
		c.badMirror(place, major, fmt.Sprintf("invalid mirror: unsupported scheme %q in %q: must use either 'https://' or 'http://'", u.Scheme, u))
	case u.Scheme != "http" && u.Scheme != "https":
		c.badMirror(place, major, fmt.Sprintf("invalid mirror: unsupported scheme %q in %q", u.Scheme, u))
	case major < 23 && (u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != ""):
		c.badMirror(place, major, fmt.Sprintf("invalid mirror: path, query, or fragment at end of the URI %q", u))
	case u.RawQuery != "" || u.Fragment != "":
		c.badMirror(place, major, fmt.Sprintf("invalid mirror: query or fragment at end of the URI %q", u))
	case u.User != nil:
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
		c.badMirror(place, major, fmt.Sprintf("invalid mirror: username/password not allowed in URI %q", u))
	default:
		for _, m := range c.mirrors {
			if strings.TrimSuffix(m.url.String(), "/") == strings.TrimSuffix(u.String(), "/") {
				return
			}
		}
		c.mirrors = append(c.mirrors, dockerMirror{u, place})
	}
}

func (c *dockerConf) addInsecure(text string, place Place, major int) {
	name := text
	if name == "index.docker.io" {
		name = DockerHub
	}
	if strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-") {
		c.failToStart(place, fmt.Sprintf("invalid index name (%s). Cannot begin or end with a hyphen", name))
		return
	}
	entry := text
	switch lower := strings.ToLower(text); {
	case strings.HasPrefix(lower, "http://"):
		entry = text[len("http://"):]
	case strings.HasPrefix(lower, "https://"):
		entry = text[len("https://"):]
	case strings.Contains(text, "://"):
		c.failToStart(place, fmt.Sprintf("insecure registry %s should not contain '://'", text))
		return
	}
	c.listed = true
	if c.insecure.addNet(entry, place, false) {
		c.lintInsecure(entry, place)
		return
	}
	if err := validateHostPort(entry); err != nil {
		c.failToStart(place, fmt.Sprintf("insecure registry %s is not valid: %v", entry, err))
		return
	}
	if entry != DockerHub { // which is set to be secure behind all entries
		c.insecure.names[entry] = place
	}
	c.lintInsecure(entry, place)
}

func (c *dockerConf) lintInsecure(entry string, place Place) {
	fix := "put its CA into certs.d/" + entry + "/ca.crt and remove the entry"
	if strings.Contains(entry, "/") {
		fix = "put the CA into certs.d/HOST:PORT/ca.crt for each registry there and remove the entry"
	}
	c.insecureLint = append(c.insecureLint, Mistake{
		ID: "verification-off", Place: place, Severity: severityWarning,
		Text: fmt.Sprintf("%s: any certificate is accepted, plain HTTP too, and its folder in certs.d is not read, client certificates included", entry),
		Fix:  fix,
	})
}

// validateHostPort is dockerd's check of an insecure registry.
func validateHostPort(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, ""
	}
	if !domainPattern().MatchString(s) && net.ParseIP(host) == nil {
		return fmt.Errorf("invalid host %q", host)
	}
	if port == "" {
		return nil
	}
	v, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	if v < 0 || v > 65535 {
		return fmt.Errorf("invalid port %q", port)
	}
	return nil
}

// dockerKeys are the settings that some release of dockerd knows, from the flags of
// 20.10 to 29: names of flags, and the names that lists have in the file.
func dockerKeys() []string {
	return strings.Fields(`add-host add-runtime allow-direct-routing allow-nondistributable-artifacts api-cors-header authorization-plugin authorization-plugins
bip bip6 bridge bridge-accept-fwmark builder cdi-spec-dir cdi-spec-dirs cgroup-parent cluster-advertise cluster-store cluster-store-opt cluster-store-opts config-file containerd containerd-namespace
containerd-plugin-namespace containerd-plugins-namespace cpu-rt-period cpu-rt-runtime cri-containerd data-root debug default-address-pool default-address-pools
default-cgroupns-mode default-gateway default-gateway-v6 default-ipc-mode default-network-opt default-network-opts default-runtime
default-shm-size default-ulimit default-ulimits deprecated-key-path dns dns-opt dns-opts dns-search exec-opt exec-opts exec-root
experimental feature features firewall-backend fixed-cidr fixed-cidr-v6 graph group help host host-gateway-ip host-gateway-ips hosts http-proxy
https-proxy icc init init-path insecure-registries insecure-registry ip ip-forward ip-forward-no-drop ip-masq ip6tables iptables ipv6
label labels live-restore log-driver log-format log-level log-opt log-opts max-concurrent-downloads max-concurrent-uploads
max-download-attempts metrics-addr min-api-version mtu network-control-plane-mtu network-diagnostic-port no-new-privileges no-proxy
node-generic-resource node-generic-resources oom-score-adjust pidfile proxies raw-logs registry-mirror registry-mirrors rootless runtimes
seccomp-profile selinux-enabled shutdown-timeout storage-driver storage-opt storage-opts swarm-default-advertise-addr
swarm-raft-election-tick swarm-raft-heartbeat-tick time-namespaces tls tlscacert tlscert tlskey tlsverify userland-proxy userland-proxy-path userns-remap
validate version`)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
