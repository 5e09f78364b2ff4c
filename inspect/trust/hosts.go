package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
)

// hostsLookup is containerd's way from the name of a registry to the addresses
// that it asks (core/remotes/docker/config): folders of registries, hosts.toml
// in them, files laid out as Docker does otherwise. containerd, ctr, nerdctl and
// newer dockers share it.
type hostsLookup struct {
	node  *Node
	ref   Reference
	rules hostsRules
	// namespace is the name that is looked up, the reference's registry.
	namespace string
	// roots are folders of registries' folders; the first in which anything
	// is found is the only one that counts.
	roots  []string
	system *SystemPool
}

// hostsFound is what a registry's folder says.
type hostsFound struct {
	// dir is the registry's folder, file its hosts.toml if that counts.
	dir, file string
	entries   []hostEntry
	// broken is why a hosts.toml does not count.
	broken error
}

// decide fills in the decision's endpoints, or its failure.
func (l hostsLookup) decide(d *Decision) {
	found, failure := l.find(d)
	if failure == nil {
		failure = l.endpoints(d, found)
	}
	d.Failure = failure
	l.lint(d, found)
}

// fail makes the failure of a pull from an error of the operating system.
func fail(err error, file string) *Failure {
	return &Failure{Text: err.Error(), Place: Place{File: file}}
}

// find reads the registry's folder.
func (l hostsLookup) find(d *Decision) (hostsFound, *Failure) {
	dir, err := l.folder(d)
	if err != nil {
		return hostsFound{}, fail(err, pathOf(err))
	}
	if dir == "" {
		return hostsFound{}, nil
	}
	return l.readFolder(d, dir)
}

// readFolder reads a folder that was found.
func (l hostsLookup) readFolder(d *Decision, dir string) (hostsFound, *Failure) {
	found := hostsFound{dir: dir}
	file := path.Join(dir, "hosts.toml")
	text, err := l.node.ReadFile(file)
	switch {
	case notReadHere(err):
		d.Needs = notRead(file, err)
		return l.dockerFiles(d, found)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return found, fail(err, file)
	case len(text) == 0:
		return l.dockerFiles(d, found)
	}
	found.entries, found.broken = parseHosts(dir, text, l.rules)
	if notReadHere(found.broken) {
		d.Needs = notRead(file, found.broken)
	}
	if found.broken != nil {
		d.step(Place{File: file, Line: lineOf(found.broken)}, false,
			"not understood, passed over: "+firstLine(found.broken.Error()))
		return l.dockerFiles(d, found)
	}
	found.file = file
	d.step(Place{File: file}, true, "says which addresses to ask")
	return found, nil
}

// step notes what was looked at.
func (d *Decision) step(at Place, used bool, why string) {
	d.Steps = append(d.Steps, Step{Place: at, Used: used, Why: why})
}

// folder finds the registry's folder, "" when there is none. What is found by
// an earlier name hides the rest, even an empty folder.
func (l hostsLookup) folder(d *Decision) (string, error) {
	for _, root := range l.roots {
		for _, name := range folderNames(l.namespace) {
			dir := path.Join(root, name)
			_, err := l.node.Stat(dir)
			switch {
			case err == nil:
				d.step(Place{File: dir}, true, "the folder for "+l.namespace)
				return dir, nil
			case !errors.Is(err, fs.ErrNotExist):
				d.step(Place{File: dir}, false, reason(err))
				return "", err
			}
			d.step(Place{File: dir}, false, "is not there")
		}
	}
	return "", nil
}

// folderNames are the names that a registry's folder may have, in the order
// tried: reg.example_5000_, reg.example:5000, _default.
func folderNames(namespace string) []string {
	names := []string{namespace, "_default"}
	if i := strings.LastIndexByte(namespace, ':'); i > 0 {
		names = append([]string{namespace[:i] + "_" + namespace[i+1:] + "_"}, names...)
	}
	return names
}

// dockerFiles reads a folder as Docker lays it out: *.crt are CAs, *.cert with
// *.key client certificates.
func (l hostsLookup) dockerFiles(d *Decision, found hostsFound) (hostsFound, *Failure) {
	entries, err := l.node.ReadDir(found.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return found, fail(err, found.dir)
	}
	var h hostEntry
	for _, e := range entries {
		file := path.Join(found.dir, e.Name())
		switch {
		case e.IsDir():
		case strings.HasSuffix(e.Name(), ".crt"):
			h.ca = append(h.ca, file)
			d.step(Place{File: file}, true, "a CA, for it ends in .crt")
		case strings.HasSuffix(e.Name(), ".cert"):
			key := strings.TrimSuffix(file, ".cert") + ".key"
			switch _, err := l.node.Stat(key); {
			case errors.Is(err, fs.ErrNotExist):
				key = ""
			case err != nil:
				return found, fail(err, key)
			}
			h.client = append(h.client, [2]string{file, key})
			d.step(Place{File: file}, true, "a client certificate, for it ends in .cert")
		}
	}
	found.entries = []hostEntry{h}
	return found, nil
}

// endpoints makes the addresses to ask of what the folder says. Certificates
// are loaded for all of them before the first is asked.
func (l hostsLookup) endpoints(d *Decision, found hostsFound) *Failure {
	entries := found.entries
	if entries == nil {
		entries = []hostEntry{{}}
	}
	if last := &entries[len(entries)-1]; last.host == "" {
		l.implicit(last)
	}
	for _, h := range entries {
		e, failure := l.endpoint(d, h, found)
		if failure != nil {
			return failure
		}
		if !h.pull || !h.resolve && l.ref.Digest == "" {
			d.step(e.Decided, false, e.Host+" may not be asked for this: capabilities")
			continue
		}
		d.Endpoints = append(d.Endpoints, e)
	}
	if len(d.Endpoints) == 0 {
		return &Failure{Text: "no resolve hosts: not found", Place: Place{File: found.file, Key: "capabilities"}}
	}
	return nil
}

// implicit makes an entry without a server one for the registry itself.
func (l hostsLookup) implicit(h *hostEntry) {
	h.scheme, h.host, h.path = "https", l.namespace, "/v2"
	h.pull, h.resolve = true, true
	if l.namespace == DockerHub {
		h.host = "registry-1.docker.io"
		return
	}
	if l.rules.strictLocalhost || !loopback(l.namespace) {
		return
	}
	_, port, _ := net.SplitHostPort(l.namespace)
	if l.rules.plainLocalhost || port != "" && port != "443" {
		h.scheme = "http"
	}
	if l.rules.plainLocalhost || port != "80" {
		skip := true
		h.skipVerify = &skip
	}
}

// loopback is true for names of the machine itself as they are written.
func loopback(host string) bool {
	switch host {
	case "::1", "[::1]":
		return true
	}
	name, port, err := net.SplitHostPort(host)
	switch {
	case err != nil && strings.Contains(err.Error(), "missing port in address"):
		name = host
	case err != nil || port == "":
		return false
	}
	return name == "localhost" || net.ParseIP(name).IsLoopback()
}

func (l hostsLookup) endpoint(d *Decision, h hostEntry, found hostsFound) (Endpoint, *Failure) {
	e := Endpoint{
		Host: h.host, Scheme: Scheme(h.scheme), Path: h.path,
		Mirror:  h.host != l.namespace && (l.namespace != DockerHub || h.host != "registry-1.docker.io"),
		Decided: Place{File: found.file, Line: h.line},
		System:  l.system,
	}
	if found.file == "" {
		e.Decided = Place{File: found.dir}
	}
	if h.host == "" || h.scheme == "" {
		u := h.scheme + "://" + h.host + l.manifest(e)
		_, err := url.Parse(u)
		e.Failure = &Failure{Text: fmt.Sprint(err), Place: e.Decided}
	}
	if h.skipVerify != nil {
		e.SkipVerify = *h.skipVerify
	}
	for _, name := range h.ca {
		if l.system.Err != nil {
			return e, &Failure{Text: "unable to initialize cert pool: " + l.system.Err.Error()}
		}
		ca := l.node.CAFile(name)
		switch {
		case notReadHere(ca.Err):
			d.Needs = notRead(name, ca.Err)
			continue
		case ca.Err != nil:
			return e, &Failure{Text: fmt.Sprintf("unable to read CA cert %q: %v", name, ca.Err), Place: Place{File: name}}
		case len(ca.Anchors) == 0:
			return e, &Failure{Text: fmt.Sprintf("unable to load CA cert %q", name), Place: Place{File: name}}
		}
		// Shared where there is one file: a thousand mirrors may name it.
		e.CAs = append(slices.Clip(e.CAs), ca.Anchors...)
		if len(h.ca) == 1 {
			e.CAs = slices.Clip(ca.Anchors)
		}
	}
	for _, pair := range h.client {
		if failure := l.clientCert(d, &e, pair); failure != nil {
			return e, failure
		}
	}
	if _, port, _ := net.SplitHostPort(h.host); h.scheme == "http" && l.rules.httpsFirst && h.tls() && port != "80" {
		e.Scheme, e.Fallback = "https", FallbackOnHTTP
	}
	return e, nil
}

// manifest is what is asked of an endpoint: the path of the image's manifest
// and, of a mirror, the name of the registry.
func (l hostsLookup) manifest(e Endpoint) string { return manifestOf(e, l.ref, l.namespace) }

func manifestOf(e Endpoint, r Reference, namespace string) string {
	at := path.Join("/", e.Path, r.Path(), "manifests", r.Object())
	if e.Mirror {
		at += "?ns=" + url.QueryEscape(namespace)
	}
	return at
}

func (l hostsLookup) clientCert(d *Decision, e *Endpoint, files [2]string) *Failure {
	cert, key := files[0], files[1]
	if key == "" {
		key = cert
	}
	p := l.node.KeyPair(cert, key)
	switch {
	case notReadHere(p.Err):
		d.Needs = notRead(p.ErrFile, p.Err)
		return nil
	case p.Err != nil && p.ErrFile != "":
		return &Failure{Text: fmt.Sprintf("unable to read CERT file %q: %v", p.ErrFile, p.Err), Place: Place{File: p.ErrFile}}
	case p.Err != nil:
		return &Failure{Text: "failed to load X509 key pair: " + p.Err.Error(), Place: Place{File: cert}}
	}
	e.ClientCerts = append(e.ClientCerts, p.ClientCert)
	return nil
}

// pathOf is the file that an error of the operating system is about.
func pathOf(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Path
	}
	return ""
}

// lineOf is the line that an error of a parser is about, 0 when it has none.
func lineOf(err error) int {
	if t, ok := errors.AsType[*tomlError](err); ok {
		return t.line
	}
	return 0
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
