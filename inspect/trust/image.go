package trust

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// containersImage is a program that pulls by the library containers/image,
// today go.podman.io/image: podman, skopeo, buildah and CRI-O.
type containersImage struct {
	name string
	// unit is its systemd unit when it is a daemon, "" when it is a command.
	unit string
}

// imageVersion is the minor version of containers/image v5.
type imageVersion int

// imageVersions stands for the versions that are told apart where the version
// is not known: the last before the search for files was changed, and the first
// with the new one.
var imageVersions = [...]struct {
	v     imageVersion
	named string
}{{38, "containers/image < 5.40"}, {40, "containers/image ≥ 5.40"}}

// Name is that of the program.
func (c containersImage) Name() string { return c.name }

// Decide gives one decision, or one for each version that decides otherwise.
func (c containersImage) Decide(n *Node, in Installation, r Reference) []Decision {
	if v, ok := c.version(in); ok {
		return []Decision{c.decide(n, in, r, v)}
	}
	var all []Decision
	for _, v := range imageVersions {
		d := c.decide(n, in, r, v.v)
		d.Versions = v.named
		all = append(all, d)
	}
	if sameDecision(all[0], all[1]) {
		all[0].Versions = ""
		return all[:1]
	}
	return all
}

// sameDecision is true when two decisions differ in nothing that decides.
func sameDecision(a, b Decision) bool {
	text := func(d Decision) string {
		text, _ := json.Marshal([]any{d.Endpoints, d.Failure, d.Needs})
		return string(text)
	}
	return text(a) == text(b)
}

// version is that of containers/image in an installation; false when it is not
// known.
func (c containersImage) version(in Installation) (imageVersion, bool) {
	for _, module := range []string{"go.podman.io/image/v5", "github.com/containers/image/v5"} {
		if major, minor, ok := majorMinor(strings.TrimPrefix(in.Modules[module], "v")); ok && major == 5 {
			return imageVersion(minor), true
		}
	}
	major, minor, ok := majorMinor(in.Version)
	if !ok {
		return 0, false
	}
	return imageVersionOf(c.name, major, minor)
}

// imageVersionOf is the library of a release, from the releases' go.mod files.
// Releases between two that are listed have the older one's or a later one; no
// border of behaviour lies there.
func imageVersionOf(program string, major, minor int) (imageVersion, bool) {
	type release struct {
		major, minor int
		v            imageVersion
	}
	var table []release
	switch program {
	case "podman":
		table = []release{{3, 0, 10}, {4, 0, 19}, {4, 3, 23}, {4, 4, 24}, {4, 6, 27}, {4, 9, 29}, {5, 0, 30}, {5, 2, 32}, {5, 3, 33}, {5, 4, 34}, {5, 5, 35}, {5, 6, 37}, {5, 7, 38}, {5, 8, 39}}
	case "skopeo":
		table = []release{{1, 0, 5}, {1, 9, 22}, {1, 10, 23}, {1, 11, 24}, {1, 14, 29}, {1, 15, 30}, {1, 16, 32}, {1, 17, 33}, {1, 18, 34}, {1, 19, 35}, {1, 20, 36}, {1, 21, 38}}
	case "buildah":
		table = []release{{1, 0, 5}, {1, 28, 23}, {1, 29, 24}, {1, 33, 29}, {1, 35, 30}, {1, 37, 32}, {1, 38, 33}, {1, 39, 34}, {1, 40, 35}, {1, 41, 36}, {1, 42, 38}}
	case "cri-o":
		table = []release{{1, 20, 7}, {1, 26, 23}, {1, 27, 24}, {1, 28, 27}, {1, 29, 29}, {1, 30, 30}, {1, 31, 32}, {1, 32, 33}, {1, 33, 35}, {1, 34, 36}, {1, 35, 38}, {1, 36, 38}}
	}
	for i := len(table) - 1; i >= 0; i-- {
		if t := table[i]; major > t.major || major == t.major && minor >= t.minor {
			last := i == len(table)-1 && (major != t.major || minor != t.minor)
			return t.v, !last // nobody knows the releases to come
		}
	}
	return 0, false
}

// majorMinor reads "4.3.1+ds1", "1:20.10.24~rc" and the like.
func majorMinor(version string) (major, minor int, ok bool) {
	if _, after, epoch := strings.Cut(version, ":"); epoch {
		version = after
	}
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return 0, 0, false
	}
	digits := len(parts[1]) - len(strings.TrimLeft(parts[1], "0123456789"))
	minor, err = strconv.Atoi(parts[1][:digits])
	return major, minor, err == nil
}

// noRepository stands for the repository of a reference that names a registry
// alone, where the library needs one.
const noRepository = "repository-not-named"

// pullSource is where the library goes for a reference.
type pullSource struct {
	ref      plainRef
	insecure bool
	place    Place
}

func (c containersImage) decide(n *Node, in Installation, r Reference, v imageVersion) Decision {
	d := Decision{Installation: in, Reference: r}
	d.Wrap = func(all []Attempt) string { return c.words(d, v, all) }
	conf := c.registries(n, v)
	d.Steps = append(d.Steps, conf.steps...)
	d.Mistakes = append(d.Mistakes, conf.mistakes...)
	if conf.failure != nil {
		d.Failure = c.failure(d, v, "loading registries configuration: "+conf.failure.Text, conf.failure.Place)
		if c.name == "podman" || c.name == "buildah" { // they read it for themselves first
			d.Failure.Message = "Error: " + conf.failure.Text
		}
		return d
	}
	logical := plainRef{domain: r.Registry, path: r.Repository, tag: r.Tag, digest: r.Digest}
	if logical.path == "" {
		logical.path = noRepository
	}
	if logical.digest != "" {
		logical.tag = ""
	} else if logical.tag == "" {
		logical.tag = "latest"
	}
	sources, err := conf.sources(logical)
	if err != nil {
		d.Failure = c.failure(d, v, err.Error(), conf.find(logical.name()).place)
		return d
	}
	skipAll := c.insecureList(n, in, r, v)
	d.Steps = append(d.Steps, skipAll.steps...)
	d.Mistakes = append(d.Mistakes, skipAll.mistakes...)
	d.Needs = cmp.Or(conf.needs, skipAll.needs)
	seen := map[string]bool{}
	for _, s := range sources {
		if skipAll.insecure {
			s.insecure, s.place = true, skipAll.place
		}
		c.endpoint(n, &d, s, conf, v, seen)
	}
	return d
}

// failure is what the program prints when it fails before it dials.
func (c containersImage) failure(d Decision, v imageVersion, text string, place Place) *Failure {
	return &Failure{Text: text, Message: c.wrap(d, v, text), Place: place}
}

// words are what the program prints when all endpoints have failed.
func (c containersImage) words(d Decision, v imageVersion, all []Attempt) string {
	type failed struct{ ref, why string }
	var each []failed
	for _, a := range all {
		why := a.Error
		if a.Endpoint.Failure == nil {
			why = pinging(a, v)
		}
		f := failed{a.Endpoint.Reference, why}
		if a.Scheme == HTTP && len(each) > 0 { // the same endpoint, once more
			each[len(each)-1] = f
			continue
		}
		each = append(each, f)
	}
	last := each[len(each)-1]
	if len(d.Endpoints) == 1 {
		return c.wrap(d, v, last.why)
	}
	var mirrors []string
	for _, e := range d.Endpoints[:len(d.Endpoints)-1] {
		why := "…" // nobody looked at it
		if i := slices.IndexFunc(each, func(f failed) bool { return f.ref == e.Reference }); i >= 0 {
			why = each[i].why
		}
		mirrors = append(mirrors, fmt.Sprintf("[%s: %s]", e.Reference, why))
	}
	return c.wrap(d, v, fmt.Sprintf("(Mirrors also failed: %s): %s: %s", strings.Join(mirrors, "\n"), last.ref, last.why))
}

// pinging is the error of a registry that was dialled.
func pinging(a Attempt, v imageVersion) string {
	why := fmt.Sprintf("pinging container registry %s: Get %q: %s", a.Endpoint.Host, a.URL("/v2/"), a.Error)
	if a.Status != 0 {
		why = fmt.Sprintf("pinging container registry %s: StatusCode: %d, %s", a.Endpoint.Host, a.Status, a.Error)
	}
	if v < 40 {
		return why
	}
	name, object, ok := strings.Cut(a.Endpoint.Reference, "@")
	if i := strings.LastIndexByte(name, ':'); !ok && i > strings.LastIndexByte(name, '/') {
		name, object = name[:i], name[i+1:]
	}
	return fmt.Sprintf("fetching manifest %s in %s: %s", object, name, why)
}

// wrap puts what the program prints around the library's error.
func (c containersImage) wrap(d Decision, v imageVersion, text string) string {
	ref := d.Reference.String()
	if c.name == "skopeo" {
		return fmt.Sprintf("Error parsing image name %q: %s", "docker://"+ref, text)
	}
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, DockerHub+"/"), "library/")
	switch c.name {
	case "cri-o":
		return crioWrap(d.Installation, ref, text)
	}
	text = fmt.Sprintf("initializing source docker://%s: %s", ref, text)
	switch { // containers/common 0.63 of the same spring, and later ones
	case v == 35:
		text = fmt.Sprintf("internal error: unable to copy from source docker://%s: %s", ref, text)
	case v > 35:
		text = fmt.Sprintf("unable to copy from source docker://%s: %s", ref, text)
	}
	return "Error: " + text
}

// sources are the mirrors that count for the reference, and the registry.
func (r *registriesConf) sources(ref plainRef) ([]pullSource, error) {
	e := r.find(ref.name())
	if e == nil {
		return []pullSource{{ref: ref}}, nil
	}
	var sources []pullSource
	add := func(location string, insecure bool, place Place) error {
		to, err := e.rewrite(ref, location)
		if err != nil {
			return err
		}
		sources = append(sources, pullSource{ref: to, insecure: insecure, place: place})
		return nil
	}
	for _, m := range e.mirrors {
		if e.digestOnly && ref.digest == "" || m.pullFrom == "digest-only" && ref.digest == "" || m.pullFrom == "tag-only" && ref.digest != "" {
			continue
		}
		if err := add(m.location, m.insecure, m.place); err != nil {
			return nil, err
		}
	}
	place := e.place
	if e.insecure {
		place = e.insecurePlace
	}
	return sources, add(e.location, e.insecure, place)
}

// rewrite puts a location in the place of the entry's prefix.
func (e *registryEntry) rewrite(ref plainRef, location string) (plainRef, error) {
	if location == "" {
		return ref, nil
	}
	text := ref.String()
	to, err := parseNamed(location + text[matchPrefix(text, e.prefix):])
	if err != nil {
		return plainRef{}, fmt.Errorf("rewriting reference: %w", err)
	}
	return to, nil
}

// endpoint adds a source to the decision.
func (c containersImage) endpoint(n *Node, d *Decision, s pullSource, conf *registriesConf, v imageVersion, seen map[string]bool) {
	certs, steps := c.certs(n, d, s.ref.domain, v)
	if !seen[s.ref.domain] {
		seen[s.ref.domain] = true
		d.Steps = append(d.Steps, steps...)
		d.Steps = append(d.Steps, certs.steps...)
		d.Mistakes = append(d.Mistakes, certs.mistakes...)
	}
	d.Needs = cmp.Or(d.Needs, certs.needs)
	pool := n.SystemPool(c.env(n))
	e := Endpoint{
		Host: s.ref.domain, Scheme: HTTPS, Path: "/v2", Mirror: s.ref.domain != d.Reference.Registry,
		Reference: strings.ReplaceAll(s.ref.String(), noRepository, unnamed),
		CAs:       certs.anchors, System: pool, ClientCerts: certs.clients, Failure: certs.failure,
	}
	if e.Host == DockerHub {
		e.Host = "registry-1.docker.io"
	}
	if e.Failure == nil && certs.hasCRT && pool.Err != nil {
		e.Failure = &Failure{Text: "unable to get system cert pool: " + pool.Err.Error()}
	}
	switch blocking := conf.find(s.ref.name()); {
	case e.Failure != nil:
	case blocking != nil && blocking.blocked:
		e.Failure = &Failure{Text: fmt.Sprintf("registry %s is blocked in %s", blocking.prefix, conf.blockedIn), Place: blocking.blockedAt}
	}
	switch {
	case s.insecure:
		e.SkipVerify, e.Fallback, e.Decided = true, FallbackAlways, s.place
	case certs.exists:
		e.Decided = Place{File: certs.dir}
	case s.place != (Place{}):
		e.Decided = s.place
	default:
		e.Decided = Place{File: pool.File}
	}
	d.Endpoints = append(d.Endpoints, e)
}

// hasMore is true when dir holds a file that other does not hold as well.
func (n *Node) hasMore(dir, other string) bool {
	entries, err := n.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		a, err := n.ReadFile(path.Join(dir, e.Name()))
		b, errOther := n.ReadFile(path.Join(other, e.Name()))
		return err != nil || errOther != nil || !bytes.Equal(a, b)
	})
}

// certs finds and reads the directory of a registry: the first that is there,
// and no other.
func (c containersImage) certs(n *Node, d *Decision, registry string, v imageVersion) (*certsDir, []Step) {
	style := certsStyle{
		noKey:     "missing key %s for client certificate %s. Note that CA certificates should use the extension .crt",
		noCert:    "missing client certificate %s for key %s",
		dangling:  true,
		readDirOp: readDirOp(d.Installation),
	}
	var steps []Step
	var found *certsDir
	for _, base := range c.certBases(n, v) {
		dir := path.Join(base, registry)
		if found != nil {
			if n.hasMore(dir, found.dir) {
				steps = append(steps, Step{Place: Place{File: dir}, Why: "is not read: " + found.dir + " is there, and the first directory alone counts"})
				found.mistakes = append(found.mistakes, Mistake{
					ID: "certs-dir-shadowed", Place: Place{File: dir}, Severity: severityWarning,
					Text: "is not read, for " + found.dir + " is there: directories are not merged",
					Fix:  fmt.Sprintf("cp -n %s/* %s/", shellWord(dir), shellWord(found.dir)),
				})
			}
			continue
		}
		_, err := n.Stat(dir)
		switch {
		case err == nil:
			found = n.readCerts(dir, style)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			steps = append(steps, Step{Place: Place{File: dir}, Why: reason(err)})
		default:
			found = &certsDir{dir: dir}
			if v >= 32 {
				err = opAs(err, "stat", "faccessat")
			}
			found.fail(dir, err, "certs-dir-unreadable")
		}
	}
	if found == nil {
		found = &certsDir{}
	}
	if len(found.anchors) == 0 && d.Reference.Registry != "" {
		for _, base := range c.certBases(n, v) {
			found.mistakes = append(found.mistakes, n.near(base, registry)...)
		}
	}
	return found, steps
}

// certBases are the places of certs.d, from the strongest.
func (c containersImage) certBases(n *Node, v imageVersion) []string {
	if v < 40 {
		return []string{path.Join(n.Getenv("HOME"), ".config/containers/certs.d"), "/etc/containers/certs.d", "/etc/docker/certs.d"}
	}
	var bases []string
	for _, dir := range imageConfigDirs(n) {
		for _, special := range imageSpecials(n, dir) {
			bases = append(bases, path.Join(dir, "certs"+special+".d"+imageUIDOf(n, special)))
			if special == ".rootless" {
				bases = append(bases, path.Join(dir, "certs.rootless.d"))
			}
		}
	}
	return append(bases, "/etc/docker/certs.d")
}

// hidden notes what the system has configured and this user's file hides.
func (r *registriesConf) hidden(n *Node, v imageVersion, used string) {
	if v >= 40 || used == "" || strings.HasPrefix(used, "/etc/") {
		return
	}
	for _, file := range []string{"/etc/containers/registries.conf", "/etc/containers/registries.conf.d"} {
		if !n.Exists(file) {
			continue
		}
		r.mistakes = append(r.mistakes, Mistake{
			ID: "registries-conf-hidden", Place: Place{File: file}, Severity: severityWarning,
			Text: "is not read, for " + used + " is there", Fix: "put what counts into " + used + ".d, or remove " + used,
		})
	}
}
