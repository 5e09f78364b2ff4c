package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
)

// buildkit is BuildKit's resolver, by which docker before 28 pulls into
// containerd's image store and builds
// (https://github.com/moby/buildkit/blob/v0.17.3/util/resolver/resolver.go).
func (c docker) buildkit(n *Node, d *Decision, conf *dockerConf, major int) {
	if !c.begin(d, conf) {
		return
	}
	d.Wrap = c.storeWords(d.Reference)
	registry := d.Reference.Registry
	if registry == DockerHub {
		for _, m := range conf.mirrors {
			if c.buildkitEndpoint(n, d, conf, m.url.Host, &m); d.Failure != nil {
				return
			}
		}
	}
	c.buildkitEndpoint(n, d, conf, registry, nil)
}

// buildkitEndpoint adds a registry, or a mirror.
func (c docker) buildkitEndpoint(n *Node, d *Decision, conf *dockerConf, registry string, mirror *dockerMirror) {
	e := Endpoint{Host: registry, Scheme: HTTPS, Path: "/v2", System: n.SystemPool(c.env(n))}
	e.Decided = Place{File: e.System.File}
	if registry == DockerHub {
		e.Host = "registry-1.docker.io"
	}
	if mirror != nil {
		e.Mirror, e.Decided, e.Path = true, mirror.place, path.Join("/v2", mirror.url.Path)
	}
	dir := path.Join(c.certsBase(n, conf), registry)
	if failure := c.buildkitCerts(n, d, &e, dir); failure != nil {
		text := fmt.Sprintf("failed to resolve reference %q: %s", d.Reference, failure.Text)
		d.Failure = &Failure{Text: failure.Text, Message: dockerSays + text, Place: failure.Place}
		return
	}
	answer := conf.insecure.match(n, registry)
	if answer.needs != "" && d.Needs == "" {
		d.Needs = answer.needs
	}
	switch {
	case answer.insecure:
		e.SkipVerify, e.Fallback, e.Decided = true, FallbackOnHTTP, answer.place
		d.Mistakes = addMistakes(d.Mistakes, conf.mistakesAt(answer.place))
	case loopback(registry):
		e.Scheme = HTTP
	}
	d.Endpoints = append(d.Endpoints, e)
}

// buildkitCerts reads a folder: other than the registry package, it takes every
// *.cert with a key of that name, and looks at no *.key by itself.
func (c docker) buildkitCerts(n *Node, d *Decision, e *Endpoint, dir string) *Failure {
	entries, err := n.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		d.Steps = append(d.Steps, Step{Place: Place{File: dir}, Why: reason(err)})
		return nil
	}
	if err != nil {
		return &Failure{Text: readDirAs(err, readDirOp(d.Installation)).Error(), Place: Place{File: dir}}
	}
	e.Decided = Place{File: dir}
	for _, entry := range entries {
		file := path.Join(dir, entry.Name())
		if !strings.HasSuffix(file, ".crt") {
			continue
		}
		if e.System.Err != nil {
			return &Failure{Text: "unable to get system cert pool: " + e.System.Err.Error()}
		}
		ca := n.CAFile(file)
		if notReadHere(ca.Err) {
			d.Needs = notRead(file, ca.Err)
			continue
		}
		if ca.Err != nil {
			return &Failure{Text: fmt.Sprintf("failed to read %s: %v", file, ca.Err), Place: Place{File: file}}
		}
		e.CAs = append(e.CAs, ca.Anchors...)
		d.Steps = append(d.Steps, Step{Place: Place{File: file}, Used: len(ca.Anchors) > 0, Why: counted(len(ca.Anchors), "certificate")})
	}
	for _, entry := range entries {
		file := path.Join(dir, entry.Name())
		base, ok := strings.CutSuffix(file, ".cert")
		if !ok {
			continue
		}
		pair := n.KeyPair(file, base+".key")
		if pair.Err != nil {
			return &Failure{Text: fmt.Sprintf("failed to load keypair for %s: %v", file, pair.Err), Place: Place{File: file}}
		}
		e.ClientCerts = append(e.ClientCerts, pair.ClientCert)
	}
	return nil
}

// containerdOf is the release of containerd whose code a release of docker has.
func containerdOf(in Installation, major int) release {
	if r, ok := parseRelease(strings.TrimPrefix(in.Modules["github.com/containerd/containerd/v2"], "v")); ok {
		return r
	}
	_, minor, _ := majorMinor(in.Version)
	switch {
	case major <= 28:
		return release{2, 1, 4}
	case major == 29 && minor < 3:
		return release{2, 1, 5}
	case major == 29 && minor < 7:
		return release{2, 2, 1}
	}
	return release{2, 3, 3}
}

// containerd is containerd's way with its hosts.toml, by which docker pulls into
// containerd's image store since 28, and what is added of daemon.json.
func (c docker) containerd(n *Node, d *Decision, conf *dockerConf, major int) {
	if !c.begin(d, conf) {
		return
	}
	d.Wrap = c.storeWords(d.Reference)
	registry := d.Reference.Registry
	hostsLookup{
		node: n, ref: d.Reference, rules: hostsRulesOf(containerdOf(d.Installation, major)), namespace: registry,
		roots: []string{c.certsBase(n, conf)}, system: n.SystemPool(c.env(n)),
	}.decide(d)
	if d.Failure != nil {
		d.Failure.Message = fmt.Sprintf("%sfailed to resolve reference %q: %s", dockerSays, d.Reference, d.Failure.Text)
		return
	}
	if !conf.listed && len(conf.mirrors) == 0 {
		return
	}
	if len(d.Endpoints) != 1 {
		if a := conf.insecure.match(n, registry); a.insecure {
			d.Mistakes = append(d.Mistakes, Mistake{
				ID: "insecure-registry-ignored", Place: a.place, Severity: severityWarning,
				Text: "has no effect on " + registry + ": its hosts.toml names hosts, and then docker adds nothing to it",
				Fix:  "write skip_verify into hosts.toml, or better its ca",
			})
		}
		return
	}
	c.merge(n, d, conf)
}

// merge adds the mirrors and the insecure registries of daemon.json.
func (docker) merge(n *Node, d *Decision, conf *dockerConf) {
	own := d.Endpoints[0]
	if d.Reference.Registry == DockerHub && len(conf.mirrors) > 0 {
		d.Endpoints = nil
		for _, m := range conf.mirrors {
			e := own
			e.Host, e.Scheme, e.Mirror, e.Decided = m.url.Host, Scheme(m.url.Scheme), true, m.place
			if e.Path = strings.TrimSuffix(m.url.Path, "/"); !strings.HasSuffix(e.Path, "/v2") {
				e.Path += "/v2"
			}
			d.Endpoints = append(d.Endpoints, e)
		}
		d.Endpoints = append(d.Endpoints, own)
	}
	for i := range d.Endpoints {
		e := &d.Endpoints[i]
		answer := conf.insecure.match(n, e.Host)
		if answer.needs != "" && d.Needs == "" {
			d.Needs = answer.needs
		}
		if answer.insecure {
			e.SkipVerify, e.Fallback, e.Decided = true, FallbackOnHTTP, answer.place
			d.Mistakes = addMistakes(d.Mistakes, conf.mistakesAt(answer.place))
		}
	}
}

// storeWords tells the first endpoint's error, as containerd's resolver does, or
// that of the first that answered.
func (docker) storeWords(r Reference) func([]Attempt) string {
	return func(all []Attempt) string {
		a := all[0]
		if i := slices.IndexFunc(all, func(a Attempt) bool { return a.Status != 0 }); i >= 0 {
			a = all[i]
			return fmt.Sprintf("%sunknown: failed to resolve reference %q: unexpected status from HEAD request to %s: %d %s",
				dockerSays, r, a.URL(manifestOf(a.Endpoint, r, r.Registry)), a.Status, http.StatusText(a.Status))
		}
		return fmt.Sprintf("%sfailed to resolve reference %q: failed to do request: Head %q: %s",
			dockerSays, r, a.URL(manifestOf(a.Endpoint, r, r.Registry)), a.Error)
	}
}

// Registries lists what certs.d and daemon.json name.
func (c docker) Registries(n *Node, in Installation) []Configured {
	major, _, ok := majorMinor(in.Version)
	if !ok {
		major = 29
	}
	conf := n.dockerConf(major)
	var all []Configured
	base := c.certsBase(n, conf)
	entries, _ := n.ReadDir(base)
	for _, e := range entries {
		dir := path.Join(base, e.Name())
		if !n.IsDir(dir) {
			continue
		}
		configured := Configured{Registry: e.Name(), Place: Place{File: dir}}
		if r, err := ParseReference(e.Name() + "/"); err == nil {
			for _, d := range c.Decide(n, in, r) {
				configured.Mistakes = addMistakes(configured.Mistakes, d.Mistakes)
			}
		}
		all = append(all, configured)
	}
	for _, name := range sortedKeys(conf.insecure.names) {
		all = append(all, Configured{Registry: name, Place: conf.insecure.names[name], Mistakes: conf.mistakesAt(conf.insecure.names[name])})
	}
	for _, net := range conf.insecure.nets {
		if !net.builtIn {
			all = append(all, Configured{Registry: net.prefix.String(), Place: net.place, Mistakes: conf.mistakesAt(net.place)})
		}
	}
	if conf.failure != nil {
		all = append(all, Configured{Registry: "", Place: conf.failure.Place, Mistakes: conf.mistakes})
	}
	return all
}

func (c *dockerConf) mistakesAt(place Place) (found []Mistake) {
	for _, m := range slices.Concat(c.mistakes, c.insecureLint) {
		if m.Place == place {
			found = append(found, m)
		}
	}
	return found
}

// addMistakes adds those that are not there yet.
func addMistakes(all, more []Mistake) []Mistake {
	seen := map[Mistake]bool{}
	for _, m := range all {
		seen[m] = true
	}
	for _, m := range more {
		if !seen[m] {
			seen[m] = true
			all = append(all, m)
		}
	}
	return all
}
