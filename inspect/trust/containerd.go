package trust

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Containerd models containerd's CRI plugin, by which Kubernetes pulls, in the
// products that ship it. Releases 1.6 to 2.3 are told apart.
type Containerd struct {
	// Product is "containerd", or what ships it: "k3s", "rke2", "microk8s".
	Product string
	// Config is the file that the daemon is started with.
	Config string
	// Environment holds SSL_CERT_FILE and the like, where a product has a file
	// for them.
	Environment string
	// Units are the services that may start it, the likeliest first.
	Units []string
	// Programs are where the daemon may be.
	Programs []string
	// Packages hold it.
	Packages []string
	// Marker is a file without which the product is not there.
	Marker string
	// SnapData is what stands for ${SNAP_DATA} in the configuration.
	SnapData string
}

// ContainerdItself is containerd as distributions, Docker and the projects'
// own archives install it.
func ContainerdItself() Containerd {
	return Containerd{
		Product: "containerd", Config: "/etc/containerd/config.toml", Units: []string{"containerd"},
		Programs: []string{"containerd"}, Packages: []string{"containerd", "containerd.io"},
	}
}

// Detect gives the installations of this product.
func (c Containerd) Detect(n *Node) []Installation {
	if c.Marker != "" && !n.Exists(c.Marker) {
		return nil
	}
	found := n.Find(Program{
		Runtime: c.Product, Binaries: c.Programs, Packages: c.Packages, Units: c.Units, Configs: []string{path.Dir(c.Config)},
	})
	return slices.DeleteFunc(found, func(i Installation) bool { return c.onlyForDocker(n, i) })
}

// onlyForDocker is true for a containerd that nobody pulls through: Docker's
// package switches its CRI plugin off, and here is a docker and no kubelet.
func (c Containerd) onlyForDocker(n *Node, i Installation) bool {
	if c.Product != "containerd" || n.Exists("/var/lib/kubelet") || len(Docker.Detect(n)) == 0 {
		return false
	}
	r, ok := parseRelease(i.Version)
	if !ok {
		r = containerdLines[len(containerdLines)-1].release
	}
	config := containerdConfig(n, r, c.mainConfig(n))
	return config.criDisabled() != nil
}

// Name is what --runtime takes.
func (c Containerd) Name() string { return c.Product }

// Decide says how the CRI plugin would pull.
func (c Containerd) Decide(n *Node, i Installation, ref Reference) []Decision {
	return byRelease(i, func(r release) Decision {
		d := Decision{Installation: i, Way: "CRI pull", Reference: ref}
		c.decide(n, r, &d)
		return d
	})
}

// byRelease decides for the installation's release, or for each that may be
// meant when it is not known; those that decide alike are told together.
func byRelease(i Installation, decide func(release) Decision) []Decision {
	if r, ok := parseRelease(i.Version); ok {
		return []Decision{decide(r)}
	}
	var (
		all   []Decision
		lines [][]int
	)
	for k, line := range containerdLines {
		d := decide(line.release)
		same := slices.IndexFunc(all, d.like)
		if same < 0 {
			all, lines, same = append(all, d), append(lines, nil), len(all)
		}
		lines[same] = append(lines[same], k)
	}
	for k := range all {
		if len(all) > 1 {
			all[k].Versions, all[k].Needs = linesText(lines[k]), cmp.Or(all[k].Needs, "the version of containerd")
		}
	}
	return all
}

// like is true when two releases decide the same, whatever words they use.
func (d Decision) like(o Decision) bool {
	if (d.Failure == nil) != (o.Failure == nil) || len(d.Endpoints) != len(o.Endpoints) {
		return false
	}
	for k, e := range d.Endpoints {
		p := o.Endpoints[k]
		if e.Host != p.Host || e.Scheme != p.Scheme || e.Path != p.Path || e.SkipVerify != p.SkipVerify ||
			e.Fallback != p.Fallback || !slices.EqualFunc(e.CAs, p.CAs, func(a, b Anchor) bool { return a.File == b.File && a.Line == b.Line }) ||
			!slices.Equal(e.ClientCerts, p.ClientCerts) || (e.Failure == nil) != (p.Failure == nil) {
			return false
		}
	}
	return true
}

// unit is the service that starts the daemon.
func (c Containerd) unit(n *Node) *Unit { return n.Unit(c.Units...) }

// mainConfig is the configuration that the daemon is started with.
func (c Containerd) mainConfig(n *Node) string {
	if file, ok := c.unit(n).Flag("--config", "-c"); ok && c.Product == "containerd" {
		return file
	}
	return c.Config
}

// env is the daemon's environment.
func (c Containerd) env(n *Node) Env {
	env := c.unit(n).Env
	if c.Environment != "" {
		env = append(slices.Clone(env), n.EnvironmentFile(c.Environment)...)
	}
	return env
}

func (c Containerd) decide(n *Node, r release, d *Decision) {
	config := containerdConfig(n, r, c.mainConfig(n))
	config.explain(d)
	d.Needs = config.needs
	p := puller{release: r, ref: d.Reference, system: n.SystemPool(c.env(n)), node: n}
	d.Mistakes = append(d.Mistakes, config.mistakes(n, d.Reference)...)
	if d.Failure = config.failure; d.Failure != nil {
		return
	}
	registry := config.registry
	if c.SnapData != "" {
		registry.configPath = strings.ReplaceAll(registry.configPath, "${SNAP_DATA}", c.SnapData)
	}
	switch {
	case registry.local == "":
		p.transfer = true
		p.hosts(d, oneRoot(registry.configPath))
	case registry.configPath != "":
		p.hosts(d, strings.Split(registry.configPath, ":"))
	default:
		p.legacy(d, config)
	}
	d.Wrap = p.wrap
	if d.Failure != nil {
		d.Failure.Message = p.prefix() + d.Failure.Text
	}
}

// oneRoot is a config_path as the transfer service takes it: one folder,
// whatever colons are in its name.
func oneRoot(configPath string) []string {
	if configPath == "" {
		return nil
	}
	return []string{configPath}
}

// puller is one of containerd's ways to pull: which decides the words around
// an error.
type puller struct {
	node    *Node
	release release
	ref     Reference
	system  *SystemPool
	// transfer: by the transfer service.
	transfer bool
	// ctr: by ctr, which puts less around its errors.
	ctr bool
}

// hosts decides by folders of registries.
func (p puller) hosts(d *Decision, roots []string) {
	hostsLookup{
		node: p.node, ref: p.ref, rules: hostsRulesOf(p.release), namespace: p.ref.Registry,
		roots: roots, system: p.system,
	}.decide(d)
}

// prefix stands before every error of a pull.
func (p puller) prefix() string {
	text := ""
	if !p.ctr {
		text = fmt.Sprintf("failed to pull and unpack image %q: ", p.ref.String())
	}
	if p.transfer {
		return text + "failed to resolve image: "
	}
	return text + fmt.Sprintf("failed to resolve reference %q: ", p.ref.String())
}

// wrap gives the message of a pull whose attempts have all failed: that of the
// first one or, from 1.7 on, of the first one that had an answer.
func (p puller) wrap(attempts []Attempt) string {
	told := attempts[0]
	if p.release.from(1, 7, 0) {
		for _, a := range attempts {
			if a.Status != 0 {
				told = a
				break
			}
		}
	}
	return p.prefix() + p.words(told)
}

// words are containerd's for one failed attempt.
func (p puller) words(a Attempt) string {
	e := a.Endpoint
	if e.Failure != nil {
		return e.Failure.Text
	}
	e.Host = strings.TrimSuffix(e.Host, ":")
	a.Endpoint = e
	at := a.URL(manifestOf(e, p.ref, p.ref.Registry))
	status := fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))
	switch {
	case a.Status != 0 && p.release.from(1, 7, 0):
		return fmt.Sprintf("unexpected status from HEAD request to %s: %s", at, status)
	case a.Status != 0:
		return fmt.Sprintf("pulling from host %s failed with status code [manifests %s]: %s", e.Host, p.ref.Object(), status)
	}
	return fmt.Sprintf("failed to do request: Head %q: %s", p.redact(at), a.Error)
}

// redact hides queries as the CRI plugin does since patches of late 2025.
func (p puller) redact(at string) string {
	before, query, ok := strings.Cut(at, "?")
	if !ok || p.ctr || !p.redacts() {
		return at
	}
	name, _, _ := strings.Cut(query, "=")
	return before + "?" + name + "=" + url.QueryEscape("[REDACTED]")
}

func (p puller) redacts() bool {
	r := p.release
	switch {
	case r.from(2, 2, 0):
		return r.from(2, 2, 1)
	case r.from(2, 1, 0):
		return r.from(2, 1, 6)
	case r.from(2, 0, 0):
		return r.from(2, 0, 9)
	}
	return r.from(1, 7, 30)
}

// Registries lists what the node has configuration for. Folders that nothing
// reads are listed as well, with the reason.
func (c Containerd) Registries(n *Node, i Installation) []Configured {
	r, ok := parseRelease(i.Version)
	if !ok {
		r = containerdLines[len(containerdLines)-1].release
	}
	config := containerdConfig(n, r, c.mainConfig(n))
	configPath := config.registry.configPath
	if c.SnapData != "" {
		configPath = strings.ReplaceAll(configPath, "${SNAP_DATA}", c.SnapData)
	}
	if configPath == "" && len(config.registryNames()) == 0 {
		configPath = c.certsD()
	}
	all := registriesIn(n, strings.Split(configPath, ":"), hostsRulesOf(r))
	for _, name := range config.registryNames() {
		key := config.registryPlace("mirrors", name)
		if key.Line == 0 {
			key = config.registryPlace("configs", name)
		}
		all = append(all, Configured{Registry: name, Place: key})
	}
	slices.SortStableFunc(all, func(a, b Configured) int { return cmp.Compare(a.Registry, b.Registry) })
	mistakes := config.mistakes(n, Reference{})
	if !ok {
		// Which of them are the node's depends on its version.
		mistakes = slices.DeleteFunc(mistakes, func(m Mistake) bool { return m.ID == "config-path-list" && m.Place.Line == 0 })
	}
	if len(mistakes) > 0 && len(all) == 0 {
		all = []Configured{{Registry: "*", Place: Place{File: config.main}}}
	}
	for k := range all {
		all[k].Mistakes = append(all[k].Mistakes, mistakes...)
	}
	return all
}
