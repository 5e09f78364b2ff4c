package trust

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// docker is the Docker Engine. By which code it reaches a registry depends on
// the operation, the release and the image store: the registry package of old,
// BuildKit's resolver, or containerd's.
type docker struct{}

// Docker is the Docker Engine: dockerd, asked by the docker command.
var Docker Runtime = docker{}

// The ways of docker.
const (
	dockerPull  = "pull"
	dockerLogin = "login"
)

// dockerReleases stand for those that are told apart where the release is not
// known.
var dockerReleases = [...]struct {
	major int
	named string
}{{27, "docker < 28"}, {28, "docker 28"}, {29, "docker ≥ 29"}}

// Name is what --runtime takes.
func (docker) Name() string { return "docker" }

// Detect finds dockerd.
func (docker) Detect(n *Node) []Installation {
	return n.Find(Program{
		Runtime: "docker", Binaries: []string{"dockerd", "/snap/docker/current/bin/dockerd"},
		Packages: []string{"docker-ce", "docker.io", "docker", "moby-engine"}, Units: []string{"docker"},
		Modules: []string{"github.com/containerd/containerd/v2"}, Configs: []string{"/etc/docker/daemon.json", "/etc/docker/certs.d"},
	})
}

// Decide gives a decision for pull and one for login.
func (c docker) Decide(n *Node, in Installation, r Reference) []Decision {
	if major, _, ok := majorMinor(in.Version); ok {
		if in.GoVersion == "" {
			in.GoVersion = dockerGo(major)
			if major <= 28 { // built without a go.mod, and so with Go 1.20's defaults
				in.GoLine = "1.20"
			}
		}
		return []Decision{c.pull(n, in, r, major), c.login(n, in, r, major)}
	}
	var all []Decision
	for _, way := range []func(*Node, Installation, Reference, int) Decision{c.pull, c.login} {
		all = append(all, c.eachRelease(func(major int) Decision { return way(n, in, r, major) })...)
	}
	return all
}

// dockerGo is the release of Go with which the last releases of Docker's own were
// built; it words their errors.
func dockerGo(major int) string {
	switch {
	case major < 24:
		return "1.19"
	case major < 25:
		return "1.20"
	case major < 27:
		return "1.21"
	case major < 28:
		return "1.22"
	case major < 29:
		return "1.24"
	}
	return ""
}

// eachRelease decides for all releases, and joins those that decide alike.
func (docker) eachRelease(decide func(int) Decision) []Decision {
	var all []Decision
	for _, release := range dockerReleases {
		d := decide(release.major)
		d.Versions = release.named
		if last := len(all) - 1; last >= 0 && all[last].like(d) {
			all[last].Versions += ", " + release.named
			continue
		}
		all = append(all, d)
	}
	if len(all) == 1 {
		all[0].Versions = ""
	}
	return all
}

// login works by the registry package in all releases.
func (c docker) login(n *Node, in Installation, r Reference, major int) Decision {
	d := Decision{Installation: in, Way: dockerLogin, Reference: r}
	c.classic(n, &d, n.dockerConf(major), major)
	return d
}

func (c docker) pull(n *Node, in Installation, r Reference, major int) Decision {
	d := Decision{Installation: in, Way: dockerPull, Reference: r}
	conf := n.dockerConf(major)
	store, step := c.store(n, conf, major)
	d.Steps = append(d.Steps, step)
	switch {
	case store == "graphdriver":
		c.classic(n, &d, conf, major)
	case major < 28:
		c.buildkit(n, &d, conf, major)
	default:
		c.containerd(n, &d, conf, major)
	}
	return d
}

// store is the image store: containerd's is the default since 29, except where
// images of the old one are there.
func (docker) store(n *Node, conf *dockerConf, major int) (string, Step) {
	switch {
	case conf.store == "containerd" && major < 23:
		return "graphdriver", Step{Place: conf.storeAt, Why: "this release has no containerd image store"}
	case conf.store == "graphdriver" && (major >= 29 || conf.storeAt.Key == "features"):
		return conf.store, Step{Place: conf.storeAt, Used: true, Why: "images are kept by a graph driver"}
	case conf.store == "containerd":
		return conf.store, Step{Place: conf.storeAt, Used: true, Why: "images are kept by containerd"}
	case major < 29:
		return "graphdriver", Step{Place: Place{File: conf.file}, Why: "images are kept by a graph driver, the default before 29"}
	}
	for _, driver := range []string{"overlay2", "fuse-overlayfs", "btrfs", "zfs", "devicemapper", "aufs", "overlay"} {
		dir := path.Join(conf.dataRoot, driver)
		if entries, err := n.ReadDir(dir); err == nil && len(entries) > 0 {
			return "graphdriver", Step{Place: Place{File: dir}, Used: true, Why: "holds images of a graph driver, which is then kept"}
		}
	}
	return "containerd", Step{Place: Place{File: conf.file}, Why: "images are kept by containerd, the default since 29"}
}

// certsBase is the folder of the registries' folders.
func (docker) certsBase(n *Node, conf *dockerConf) string {
	if conf.rootless {
		return path.Join(n.ConfigHome(), "docker/certs.d")
	}
	return "/etc/docker/certs.d"
}

// begin takes what all ways have in common; false when the daemon does not start.
func (docker) begin(d *Decision, conf *dockerConf) bool {
	d.Steps = append(d.Steps, conf.steps...)
	d.Mistakes = append(d.Mistakes, conf.mistakes...)
	d.Needs = conf.needs
	if conf.failure != nil {
		d.Failure = conf.failure
	}
	return conf.failure == nil
}

// env is the daemon's environment.
func (docker) env(n *Node) Env {
	if dockerRootless(n) {
		return nil
	}
	return n.Unit("docker").Env
}

// classic is the registry package.
func (c docker) classic(n *Node, d *Decision, conf *dockerConf, major int) {
	if !c.begin(d, conf) {
		return
	}
	d.Wrap = c.classicWords
	registry := d.Reference.Registry
	if registry == DockerHub {
		if d.Way == dockerPull || major < 28 {
			for _, m := range conf.mirrors {
				if c.classicEndpoint(n, d, conf, major, m.url.Host, m.url, m.place); d.Failure != nil {
					return
				}
			}
		}
		if d.Way == dockerLogin { // mirrors are looked up before 28, and then left out
			d.Endpoints = nil
		}
		d.Endpoints = append(d.Endpoints, Endpoint{Host: "registry-1.docker.io", Scheme: HTTPS, Path: "/v2", System: n.SystemPool(c.env(n)), Decided: Place{File: n.SystemPool(c.env(n)).File}})
		return
	}
	c.classicEndpoint(n, d, conf, major, registry, nil, Place{})
	d.Mistakes = append(d.Mistakes, conf.insecure.nearNames(registry, "insecure-entry-port")...)
}

// classicEndpoint adds a registry, or a mirror by its URL.
func (c docker) classicEndpoint(n *Node, d *Decision, conf *dockerConf, major int, registry string, mirror *url.URL, place Place) {
	e := Endpoint{Host: registry, Scheme: HTTPS, Path: "/v2", System: n.SystemPool(c.env(n)), Decided: place}
	if mirror != nil {
		e.Mirror, e.Scheme = true, Scheme(mirror.Scheme)
		e.Path = strings.TrimSuffix(mirror.Path, "/") + "/v2"
	}
	answer := conf.insecure.match(n, registry)
	if answer.needs != "" && d.Needs == "" {
		d.Needs = answer.needs
	}
	if answer.insecure {
		e.SkipVerify, e.Decided = true, answer.place
		d.Mistakes = addMistakes(d.Mistakes, conf.mistakesAt(answer.place))
		if mirror == nil {
			e.Fallback = FallbackAlways
		}
		d.Endpoints = append(d.Endpoints, e)
		if dir := path.Join(c.certsBase(n, conf), registry); n.Exists(dir) {
			d.Steps = append(d.Steps, Step{Place: Place{File: dir}, Why: "is not read, for the registry is insecure"})
			d.Mistakes = append(d.Mistakes, Mistake{
				ID: "certs-dir-of-insecure", Place: Place{File: dir}, Severity: severityWarning,
				Text: "is not read, not for client certificates either: the registry is insecure by " + answer.place.String(), Fix: "remove the entry",
			})
		}
		return
	}
	style := certsStyle{
		noKey:    "missing key %s for client certificate %s. Note that CA certificates should use the extension .crt",
		noCert:   "missing client certificate %s for key %s",
		anyError: true, readDirOp: readDirOp(d.Installation),
	}
	switch {
	case major < 23:
		style.noCert = "Missing client certificate %s for key %s"
	case major >= 23:
		style.noKey = "missing key %s for client certificate %s. CA certificates must use the extension .crt"
	}
	certs := n.readCerts(path.Join(c.certsBase(n, conf), registry), style)
	d.Steps = append(d.Steps, certs.steps...)
	d.Mistakes = append(d.Mistakes, certs.mistakes...)
	d.Needs = cmp.Or(d.Needs, certs.needs)
	if len(certs.anchors) == 0 {
		d.Mistakes = append(d.Mistakes, n.near(c.certsBase(n, conf), registry)...)
	}
	if certs.failure != nil {
		d.Failure = &Failure{Text: certs.failure.Text, Message: dockerSays + certs.failure.Text, Place: certs.failure.Place}
		return
	}
	if certs.hasCRT && e.System.Err != nil {
		text := "unable to get system cert pool: " + e.System.Err.Error()
		d.Failure = &Failure{Text: text, Message: dockerSays + text}
		return
	}
	e.CAs, e.ClientCerts = certs.anchors, certs.clients
	switch {
	case certs.exists:
		e.Decided = Place{File: certs.dir}
	case place == (Place{}):
		e.Decided = Place{File: e.System.File}
	}
	d.Endpoints = append(d.Endpoints, e)
}

// dockerSays is what the docker command puts before the daemon's words.
const dockerSays = "Error response from daemon: "

// classicWords tells the last endpoint's error.
func (docker) classicWords(all []Attempt) string {
	a := all[len(all)-1]
	if a.Endpoint.Failure != nil {
		return dockerSays + a.Error
	}
	if a.Status != 0 {
		return dockerSays + a.Error
	}
	return fmt.Sprintf("%sGet %q: %s", dockerSays, a.URL(a.Endpoint.Path+"/"), a.Error)
}
