package trust

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/yamltree"
)

// Rancher models k3s and rke2. They carry a containerd of their own and make its
// configuration from registries.yaml, but only when their service starts.
type Rancher struct {
	// Product is "k3s" or "rke2".
	Product string
}

// K3s and RKE2 are the two products.
func K3s() Rancher  { return Rancher{"k3s"} }
func RKE2() Rancher { return Rancher{"rke2"} }

// Name is what --runtime takes.
func (r Rancher) Name() string { return r.Product }

// program is how it is found.
func (r Rancher) program() Program {
	return Program{
		Runtime: r.Product, Binaries: []string{r.Product}, Packages: []string{r.Product}, Units: r.units(),
		Modules: []string{containerdModule, containerdModule + "/v2"},
		Configs: []string{"/etc/rancher/" + r.Product, "/var/lib/rancher/" + r.Product},
	}
}

func (r Rancher) units() []string {
	if r.Product == "k3s" {
		return []string{"k3s", "k3s-agent"}
	}
	return []string{"rke2-server", "rke2-agent"}
}

// Detect gives the installation.
func (r Rancher) Detect(n *Node) []Installation { return n.Find(r.program()) }

// setting reads an option from the service's command line or its config.yaml.
func (r Rancher) setting(n *Node, fallback string, flags ...string) string {
	if v, ok := n.Unit(r.units()...).Flag(flags...); ok {
		return v
	}
	text, err := n.ReadFile("/etc/rancher/" + r.Product + "/config.yaml")
	if err != nil {
		return fallback
	}
	root, _, err := readYAML(text)
	if v := root.Get(strings.TrimPrefix(flags[0], "--")).Scalar(); err == nil && v != "" {
		return v
	}
	return fallback
}

// maxYAML bounds files of settings: a node names some registries, not thousands.
const maxYAML = 1 << 20

// readYAML reads the first document of a text; of an empty one the node is nil.
func readYAML(text []byte) (*yamltree.Node, *yamltree.Source, error) {
	if len(text) > maxYAML {
		return nil, nil, ErrTooLarge
	}
	src := &yamltree.Source{Text: string(text)}
	docs := yamltree.Read(src)
	if len(docs) == 0 {
		return nil, src, nil
	}
	return docs[0].Root, src, docs[0].Err
}

// registriesFile is the file that people write.
func (r Rancher) registriesFile(n *Node) string {
	return r.setting(n, "/etc/rancher/"+r.Product+"/registries.yaml", "--private-registry")
}

// rendered is the folder of the configuration that it makes for containerd.
func (r Rancher) rendered(n *Node) string {
	return path.Join(r.setting(n, "/var/lib/rancher/"+r.Product, "--data-dir", "-d"), "agent/etc/containerd")
}

// containerdInside is the containerd that it runs.
func (r Rancher) containerdInside(n *Node) Containerd {
	return Containerd{Product: r.Product, Config: path.Join(r.rendered(n), "config.toml"), Units: r.units()}
}

// Decide gives what containerd does with the configuration that is there, and
// what it will do when the service is started anew where that differs.
func (r Rancher) Decide(n *Node, i Installation, ref Reference) []Decision {
	inside := r.containerdInside(n)
	is := r.containerdRelease(n, i)
	if !n.Exists(inside.Config) {
		return r.annotate(n, []Decision{r.next(n, i, is, ref)})
	}
	now := i
	now.Version = ""
	if is != (release{}) {
		now.Version = is.String()
	}
	decisions := inside.Decide(n, now, ref)
	for k := range decisions {
		decisions[k].Installation = i
	}
	next := r.next(n, i, is, ref)
	if len(decisions) == 1 && !n.Exists(path.Join(r.rendered(n), "config.toml.tmpl")) && !n.Exists(path.Join(r.rendered(n), "config-v3.toml.tmpl")) && !next.like(decisions[0]) {
		decisions[0].Mistakes = append(decisions[0].Mistakes, Mistake{
			ID: "restart-needed", Severity: severityWarning, Place: Place{File: r.registriesFile(n)},
			Text: fmt.Sprintf("says something else than what %s made of it when it was started: it is read only then", r.Product),
			Fix:  "systemctl restart " + strings.TrimSuffix(cmp.Or(i.Unit, r.units()[0]), ".service"),
		})
		next.Way = "CRI pull after a restart"
		decisions = append(decisions, next)
	}
	return r.annotate(n, decisions)
}

func (r Rancher) annotate(n *Node, decisions []Decision) []Decision {
	mistakes := r.mistakes(n)
	for k := range decisions {
		decisions[k].Mistakes = append(decisions[k].Mistakes, mistakes...)
	}
	return decisions
}

const containerdModule = "github.com/containerd/containerd"

// containerdRelease finds the containerd inside from the modules of the binary
// or, without it, from the version of the configuration that was made for it.
func (r Rancher) containerdRelease(n *Node, i Installation) release {
	for _, module := range []string{containerdModule + "/v2", containerdModule} {
		if v, ok := parseRelease(i.Modules[module]); ok && v != (release{}) {
			return v
		}
	}
	bin := path.Join(path.Dir(path.Dir(path.Dir(r.rendered(n)))), "data/current/bin/containerd")
	if b := n.Binary(bin); b != nil {
		if v, ok := parseRelease(b.Version); ok {
			return v
		}
	}
	text, _ := n.ReadFile(path.Join(r.rendered(n), "config.toml"))
	var s serverConfig
	if _, err := decodeTOML(text, &s, false); err == nil && len(text) > 0 {
		if s.Version >= 3 {
			return release{2, 1, 9}
		}
		return release{1, 7, 34}
	}
	return release{}
}

// registriesYAML is registries.yaml.
type registriesYAML struct {
	mirrors map[string]mirrorYAML
	configs map[string]configYAML
	// lines are where a registry's name stands, in configs if it is there.
	lines map[string]int
}

type mirrorYAML struct {
	endpoints []string
	rewrites  bool
}

type configYAML struct {
	auth bool
	tls  *criTLS
}

// names are all registries in it.
func (y registriesYAML) names() []string {
	names := slices.Concat(slices.Collect(maps.Keys(y.mirrors)), slices.Collect(maps.Keys(y.configs)))
	slices.Sort(names)
	return slices.Compact(names)
}

// readRegistries reads registries.yaml; one that is not there is empty.
func (r Rancher) readRegistries(n *Node) (registriesYAML, error) {
	y := registriesYAML{mirrors: map[string]mirrorYAML{}, configs: map[string]configYAML{}, lines: map[string]int{}}
	text, err := n.ReadFile(r.registriesFile(n))
	if errors.Is(err, fs.ErrNotExist) {
		return y, nil
	}
	if err != nil {
		return y, err
	}
	root, src, err := readYAML(text)
	if err != nil {
		return y, err
	}
	wrong := func(n *yamltree.Node, what string) error {
		line, _ := src.Pos(n.Start)
		return fmt.Errorf("line %d: %s expected", line, what)
	}
	tables := map[string]*yamltree.Node{"mirrors": root.Get("mirrors"), "configs": root.Get("configs")}
	for _, name := range []string{"mirrors", "configs"} {
		if t := tables[name]; t != nil && t.Kind != yamltree.Map && t.Kind != yamltree.Null {
			return y, wrong(t, "a mapping of registries")
		}
	}
	if m := tables["mirrors"]; m != nil {
		for _, p := range m.Pairs {
			endpoints := p.Value.Get("endpoint")
			mirror := mirrorYAML{rewrites: p.Value.Get("rewrite") != nil}
			if endpoints != nil && endpoints.Kind != yamltree.List && endpoints.Kind != yamltree.Null {
				return y, wrong(endpoints, "a list of endpoints")
			}
			if endpoints != nil {
				for _, item := range endpoints.Items {
					mirror.endpoints = append(mirror.endpoints, item.Scalar())
				}
			}
			y.mirrors[p.Key] = mirror
			y.lines[p.Key], _ = src.Pos(p.KeyNode.Start)
		}
	}
	if c := tables["configs"]; c != nil {
		for _, p := range c.Pairs {
			config := configYAML{auth: p.Value.Get("auth") != nil}
			if tls := p.Value.Get("tls"); tls != nil && tls.Kind == yamltree.Map {
				config.tls = &criTLS{
					CAFile: tls.Get("ca_file").Scalar(), CertFile: tls.Get("cert_file").Scalar(), KeyFile: tls.Get("key_file").Scalar(),
					InsecureSkipVerify: tls.Get("insecure_skip_verify").Scalar() == "true",
				}
			}
			y.configs[p.Key] = config
			y.lines[p.Key], _ = src.Pos(p.KeyNode.Start)
		}
	}
	return y, nil
}

// next decides as containerd will once the service has made its configuration.
func (r Rancher) next(n *Node, i Installation, is release, ref Reference) Decision {
	d := Decision{Installation: i, Way: "CRI pull", Reference: ref}
	y, err := r.readRegistries(n)
	file := r.registriesFile(n)
	if err != nil {
		d.Failure = &Failure{Text: firstLine(err.Error()), Place: Place{File: file}, Daemon: true}
		return d
	}
	if is == (release{}) {
		is = release{2, 1, 9}
	}
	l := hostsLookup{
		node: n, ref: ref, rules: hostsRulesOf(is), namespace: ref.Registry, system: n.SystemPool(r.containerdInside(n).env(n)),
	}
	found := hostsFound{}
	trees := r.render(y)
	for _, name := range folderNames(ref.Registry) {
		if text, ok := trees[name]; ok {
			found.dir = path.Join(r.rendered(n), "certs.d", name)
			found.file = file
			d.step(r.place(n, name), true, "becomes "+path.Join(found.dir, "hosts.toml")+" when the service starts")
			found.entries, found.broken = parseHosts(found.dir, []byte(text), l.rules)
			break
		}
	}
	if found.dir == "" {
		d.step(Place{File: file}, false, "says nothing about "+ref.Registry)
	}
	p := puller{node: n, release: is, ref: ref, system: l.system, transfer: is.from(2, 1, 0)}
	d.Wrap = p.wrap
	if d.Failure = l.endpoints(&d, found); d.Failure != nil {
		d.Failure.Message = p.prefix() + d.Failure.Text
	}
	for k := range d.Endpoints {
		d.Endpoints[k].Decided = r.place(n, ref.Registry)
	}
	return d
}

// place is the registry's line in registries.yaml.
func (r Rancher) place(n *Node, registry string) Place {
	y, _ := r.readRegistries(n)
	if _, ok := y.lines[registry]; !ok {
		registry = "*"
	}
	return Place{File: r.registriesFile(n), Line: y.lines[registry]}
}

// render makes the hosts.toml files of registries.yaml, by the names of their
// folders.
func (r Rancher) render(y registriesYAML) map[string]string {
	out := map[string]string{}
	for _, name := range y.names() {
		mirror, config := y.mirrors[name], y.configs[name]
		tls := config.tls
		if name == DockerHub && tls == nil {
			tls = y.configs["registry-1.docker.io"].tls
		}
		if len(mirror.endpoints) == 0 && !mirror.rewrites && tls == nil && !config.auth {
			continue
		}
		var b strings.Builder
		b.WriteString("# File generated by " + r.Product + ". DO NOT EDIT.\n\n")
		dir := name
		if name == "*" {
			dir = "_default"
		} else {
			fmt.Fprintf(&b, "server = %q\n", serverOf(name))
		}
		b.WriteString("capabilities = [\"pull\", \"resolve\", \"push\"]\n")
		writeTLS(&b, tls)
		b.WriteString("\n[host]\n")
		for _, endpoint := range mirror.endpoints {
			u, override, ok := endpointURL(endpoint)
			if !ok {
				continue
			}
			fmt.Fprintf(&b, "\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", u.String())
			if override {
				b.WriteString("  override_path = true\n")
			}
			writeTLS(&b, y.configs[u.Host].tls)
		}
		out[dir] = b.String()
	}
	return out
}

func writeTLS(b *strings.Builder, tls *criTLS) {
	if tls == nil {
		return
	}
	if tls.CAFile != "" {
		fmt.Fprintf(b, "ca = [%q]\n", tls.CAFile)
	}
	if tls.CertFile != "" || tls.KeyFile != "" {
		fmt.Fprintf(b, "client = [[%q, %q]]\n", tls.CertFile, tls.KeyFile)
	}
	if tls.InsecureSkipVerify {
		b.WriteString("skip_verify = true\n")
	}
}

func serverOf(name string) string {
	if name == DockerHub {
		return "https://registry-1.docker.io/v2"
	}
	return schemeOf(name) + "://" + name + "/v2"
}

// schemeOf is http for a port of the machine itself other than 443.
func schemeOf(host string) string {
	if _, port, err := net.SplitHostPort(host); err == nil && port != "443" && loopback(host) {
		return "http"
	}
	return "https"
}

func endpointURL(text string) (u *url.URL, override, ok bool) {
	if !strings.Contains(text, "://") {
		text = schemeOf(text) + "://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, false, false
	}
	switch u.Path {
	case "", "/", "/v2":
		u.Path = "/v2"
		return u, false, true
	}
	return u, true, true
}

// mistakes are those of registries.yaml itself.
func (r Rancher) mistakes(n *Node) []Mistake {
	y, err := r.readRegistries(n)
	file := r.registriesFile(n)
	if err != nil {
		return []Mistake{{
			ID: "registries-yaml-broken", Severity: severityError, Place: Place{File: file},
			Text: "is no YAML that " + r.Product + " understands, and it does not start with it: " + firstLine(err.Error()),
		}}
	}
	var all []Mistake
	for _, name := range slices.Sorted(maps.Keys(y.configs)) {
		tls := y.configs[name].tls
		if tls == nil {
			continue
		}
		at := r.place(n, name)
		if tls.InsecureSkipVerify {
			all = append(all, Mistake{
				ID: "verification-off", Severity: severityWarning, Place: at,
				Text: "insecure_skip_verify: whoever answers for " + name + " is believed", Fix: "give its CA in ca_file instead",
			})
		}
		if (tls.CertFile == "") != (tls.KeyFile == "") {
			all = append(all, Mistake{ID: "cert-without-key", Severity: severityError, Place: at, Text: "has one of cert_file and key_file, and needs both or none"})
		}
		if tls.CAFile != "" {
			if ca := n.CAFile(tls.CAFile); ca.Err != nil {
				all = append(all, Mistake{ID: "ca-not-read", Severity: severityError, Place: at, Text: "ca_file: " + ca.Err.Error()})
			}
		}
		if _, ok := y.mirrors[name]; name == "*" && (len(y.mirrors) > 0 || len(y.configs) > 1) && !ok {
			all = append(all, Mistake{
				ID: "wildcard-tls-hidden", Severity: severityWarning, Place: at,
				Text: "the TLS settings of \"*\" do not reach a registry that is named in this file: it has a folder of its own, and containerd looks no further",
				Fix:  "write the same tls into the configs of each registry that is named",
			})
		}
	}
	return all
}

// Registries lists those of registries.yaml and of the folders that were made.
func (r Rancher) Registries(n *Node, i Installation) []Configured {
	y, _ := r.readRegistries(n)
	var all []Configured
	for _, name := range y.names() {
		c := Configured{Registry: name, Place: r.place(n, name)}
		for _, m := range r.mistakes(n) {
			if m.Place == c.Place {
				c.Mistakes = append(c.Mistakes, m)
			}
		}
		all = append(all, c)
	}
	rules := hostsRulesOf(r.containerdRelease(n, i))
	for _, c := range registriesIn(n, []string{path.Join(r.rendered(n), "certs.d")}, rules) {
		text, _ := n.ReadFile(path.Join(c.Place.File, "hosts.toml"))
		if !strings.HasPrefix(string(text), "# File generated by") {
			all = append(all, c)
		}
	}
	return all
}
