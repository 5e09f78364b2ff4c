package trust

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// lint adds what is in the registry's folder and does not do what its author
// meant.
func (l hostsLookup) lint(d *Decision, found hostsFound) {
	if found.dir == "" {
		for _, root := range l.roots {
			d.Mistakes = append(d.Mistakes, l.otherNames(root)...)
		}
		return
	}
	d.Mistakes = append(d.Mistakes, lintFolder(l.node, found, l.rules)...)
	d.Mistakes = append(d.Mistakes, l.lintHosts(found)...)
	d.Mistakes = append(d.Mistakes, l.hidden(found.dir)...)
	if path.Base(found.dir) == "_default" {
		d.Mistakes = append(d.Mistakes, l.otherNames(path.Dir(found.dir))...)
	}
}

// otherNames finds folders that were meant for the registry and are not read
// for it: the same host with another port, or none, or written differently.
func (l hostsLookup) otherNames(root string) []Mistake {
	entries, err := l.node.ReadDir(root)
	if err != nil {
		return nil
	}
	own := folderNames(l.namespace)
	var all []Mistake
	for _, e := range entries {
		name := e.Name()
		plain := strings.TrimRight(strings.ReplaceAll(name, "_", ":"), ":")
		host := hostOf(plain)
		if slices.Contains(own, name) || !strings.EqualFold(plain, l.namespace) && !strings.EqualFold(host, hostOf(l.namespace)) {
			continue
		}
		if inside, err := l.node.ReadDir(path.Join(root, name)); err != nil || len(inside) == 0 {
			continue
		}
		all = append(all, Mistake{
			ID: "registry-dir-name", Severity: severityWarning, Place: Place{File: path.Join(root, name)},
			Text: fmt.Sprintf("is not read for %s: the folder has the registry's name as the image's name has it, the port included", l.namespace),
			Fix:  "mv " + shellWord(path.Join(root, name)) + " " + shellWord(path.Join(root, l.namespace)),
		})
	}
	return all
}

// hidden finds folders that an earlier name or an earlier root hides.
func (l hostsLookup) hidden(dir string) []Mistake {
	empty := true
	entries, err := l.node.ReadDir(dir)
	for _, e := range entries {
		empty = empty && e.Name() != "hosts.toml" && !strings.HasSuffix(e.Name(), ".crt") && !strings.HasSuffix(e.Name(), ".cert")
	}
	var all []Mistake
	after := false
	for _, root := range l.roots {
		for _, name := range folderNames(l.namespace) {
			other := path.Join(root, name)
			switch {
			case other == dir:
				after = true
			case !after, !l.node.Exists(other):
			case name != "_default" && path.Base(dir) == "_default":
				all = append(all, Mistake{
					ID: "registry-dir-hidden", Severity: severityError, Place: Place{File: other},
					Text: fmt.Sprintf("is never read: %s in the folder before it hides it", dir),
					Fix:  "move it to " + shellWord(path.Join(path.Dir(dir), l.namespace)),
				})
			case name != "_default" || empty && err == nil:
				all = append(all, Mistake{
					ID: "registry-dir-hidden", Severity: severityWarning, Place: Place{File: other},
					Text: fmt.Sprintf("is not read for %s: %s is found first, and only one folder counts", l.namespace, dir),
					Fix:  "keep one of the two",
				})
			}
		}
	}
	if empty && err == nil && len(all) > 0 {
		all = append(all, Mistake{
			ID: "registry-dir-empty", Severity: severityError, Place: Place{File: dir},
			Text: "holds nothing that containerd reads, and hides other folders all the same",
			Fix:  "rm -r " + shellWord(dir),
		})
	}
	return all
}

// lintHosts looks at the meaning of a hosts.toml for the registry.
func (l hostsLookup) lintHosts(found hostsFound) []Mistake {
	if found.file == "" {
		return nil
	}
	var all []Mistake
	own, mirrorCA := false, hostEntry{}
	for _, h := range found.entries {
		same := h.host == l.namespace || SameHost(h.host, l.namespace)
		if same && (len(h.ca) > 0 || h.skipVerify != nil && *h.skipVerify) {
			own = true
		}
		if !same && len(h.ca) > 0 && mirrorCA.host == "" {
			mirrorCA = h
		}
	}
	last := found.entries[len(found.entries)-1]
	if mirrorCA.host != "" && !own && SameHost(last.host, l.namespace) && !last.tls() {
		all = append(all, Mistake{
			ID: "ca-of-another-host", Severity: severityWarning, Place: Place{File: found.file, Line: mirrorCA.line},
			Text: fmt.Sprintf("the ca below this line is that of %s alone: for %s only the system's roots count", mirrorCA.host, l.namespace),
			Fix:  "write ca = … for the registry above the first line with a bracket",
		})
	}
	return all
}

// lintFolder looks at the files of one registry's folder.
func lintFolder(n *Node, found hostsFound, rules hostsRules) []Mistake {
	entries, err := n.ReadDir(found.dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	f := folderLint{node: n, found: found, rules: rules, names: names}
	f.hostsFile()
	for _, h := range found.entries {
		f.entry(h)
	}
	for _, name := range names {
		f.file(name)
	}
	return f.mistakes
}

// maxMistakes bounds what is told about one folder.
const maxMistakes = 200

type folderLint struct {
	node     *Node
	found    hostsFound
	rules    hostsRules
	names    []string
	mistakes []Mistake
}

func (f *folderLint) add(severity, id string, at Place, fix, format string, args ...any) {
	if len(f.mistakes) == maxMistakes {
		return
	}
	f.mistakes = append(f.mistakes, Mistake{ID: id, Place: at, Severity: severity, Fix: fix, Text: fmt.Sprintf(format, args...)})
}

func (f *folderLint) path(name string) string { return path.Join(f.found.dir, name) }

// hostsFile looks at hosts.toml, understood or not.
func (f *folderLint) hostsFile() {
	file := f.path("hosts.toml")
	if f.found.broken != nil {
		at := Place{File: file, Line: lineOf(f.found.broken)}
		text := "containerd does not understand it and passes it over without an error, as if it were not there"
		if slices.ContainsFunc(f.names, func(s string) bool { return strings.HasSuffix(s, ".crt") }) {
			text += "; the *.crt beside it count instead"
		}
		if strings.Contains(f.found.broken.Error(), "invalid `host` tree") {
			f.add(severityError, "hosts-toml-no-host-table", at, "echo '[host]' >> "+shellWord(file),
				"has no [host] table, without which this release takes it for broken (fixed in 1.7.32): %s", text)
			return
		}
		f.add(severityError, "hosts-toml-broken", at, "", "%s: %s", text, firstLine(f.found.broken.Error()))
		return
	}
	if f.found.file == "" {
		return
	}
	text, _ := f.node.ReadFile(file)
	f.keys(file, keysOf(text))
}

// settings are what containerd knows in a table of hosts.toml.
var settings = []string{"server", "capabilities", "ca", "client", "skip_verify", "override_path", "dial_timeout", "header", "host"}

// meant are keys that people write, and what they mean.
func meant(key string) string {
	switch strings.ToLower(strings.NewReplacer("-", "_", "skipverify", "skip_verify").Replace(key)) {
	case "insecure", "insecure_skip_verify", "tls_skip_verify", "insecureskipverify", "skip_verify", "skip_tls_verify":
		return "skip_verify"
	case "ca_file", "cafile", "cacert", "ca_cert", "cacerts", "ca_certs", "tlscacert", "root_ca":
		return "ca"
	case "cert_file", "key_file", "cert", "key", "client_cert", "clients":
		return "client"
	case "endpoint", "endpoints", "url":
		return "server"
	}
	return ""
}

// keys finds settings that are none, and hosts that are never tried.
func (f *folderLint) keys(file string, keys tomlKeys) {
	bracketed := map[string]bool{}
	for _, k := range keys.list {
		if k.table && len(k.path) > 1 && k.path[0] == "host" {
			bracketed[k.path[1]] = true
		}
	}
	for _, k := range keys.list {
		at := Place{File: file, Line: k.line, Key: strings.Join(k.path, ".")}
		depth := 0
		if k.path[0] == "host" {
			depth = 2
		}
		switch {
		case k.path[0] == "hosts" && len(k.path) == 1+btoi(k.table):
			f.add(severityError, "hosts-toml-unknown-key", at, `write [host."…"]`, "containerd knows no table hosts: it is called host")
		case len(k.path) == depth+1 && !k.table:
			key := k.path[depth]
			if instead := meant(key); instead != "" && key != instead && !slices.Contains(settings, key) {
				f.add(severityError, "hosts-toml-unknown-key", at, "write "+instead+" instead of "+key, "containerd knows no %q and passes it over without a word", key)
			} else if instead == "" && !slices.Contains(settings, strings.ToLower(key)) {
				f.add(severityWarning, "hosts-toml-unknown-key", at, "", "containerd knows no %q and passes it over without a word", key)
			}
		}
		if !f.rules.tomlV1 && !k.table && k.path[0] == "host" && len(k.path) > 1 && !bracketed[k.path[1]] {
			bracketed[k.path[1]] = true
			f.add(severityError, "hosts-toml-inline-host", at, fmt.Sprintf("write [host.%q] on a line of its own", k.path[1]),
				"this host is never asked: containerd 2 finds only hosts in brackets, [host.%q]", k.path[1])
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// entry looks at the settings of one host.
func (f *folderLint) entry(h hostEntry) {
	at := Place{File: f.found.file, Line: h.line}
	if f.found.file == "" {
		at = Place{File: f.found.dir}
	}
	if h.skipVerify != nil && *h.skipVerify {
		f.add(severityWarning, "verification-off", at, "give the registry's CA in ca instead", "skip_verify: whoever answers is believed")
	}
	if f.found.file != "" && (h.table != "" && h.host == "" || h.scheme != "" && h.scheme != "http" && h.scheme != "https") {
		f.add(severityError, "hosts-toml-url", at, "write https:// in front of the name", "%q is taken for a URL, because it begins with http, and has no host", h.table)
	}
	if h.scheme == "http" && h.tls() && !strings.HasSuffix(h.host, ":80") && f.rules.httpsFirst {
		f.add(severityWarning, "http-with-tls", at, "write https:// when the registry speaks TLS, or take the TLS settings away",
			"an http address with TLS settings is asked over HTTPS first")
	}
	for _, name := range h.ca {
		f.ca(name)
	}
	for _, pair := range h.client {
		f.pair(pair)
	}
}

// ca looks at a file of CAs.
func (f *folderLint) ca(name string) {
	ca := f.node.CAFile(name)
	at := Place{File: name}
	switch {
	case ca.Err != nil:
		f.add(severityError, "ca-not-read", at, "repair the file, or take its name out", "nothing can be pulled from this registry, nor from its mirrors: %v", ca.Err)
	case len(ca.Anchors) == 0:
		why := "holds no certificate"
		if len(ca.Skipped) > 0 {
			why = ca.Skipped[0].Why
			at.Line = ca.Skipped[0].Line
		}
		fix := ""
		if strings.Contains(why, "DER") {
			fix = "openssl x509 -inform der -in " + shellWord(name) + " -out " + shellWord(name)
		}
		f.add(severityError, "ca-no-certificate", at, fix, "nothing can be pulled from this registry: %s", why)
	}
	for _, a := range ca.Anchors {
		if c := a.Cert.X509; c != nil && c.BasicConstraintsValid && !c.IsCA {
			f.add(severityWarning, "ca-is-leaf", a.Place(), "put the CA that issued it here",
				"%s is no CA: it is trusted only where a server shows this very certificate", a.Cert.Describe())
		}
	}
}

// pair looks at a client certificate and its key.
func (f *folderLint) pair(files [2]string) {
	cert, key := files[0], files[1]
	alone := key == ""
	if alone {
		key = cert
	}
	p := f.node.KeyPair(cert, key)
	if p.Err != nil {
		base := strings.TrimSuffix(cert, ".cert")
		if alone && base != cert && f.found.file == "" {
			f.add(severityError, "cert-without-key", Place{File: cert}, "mv "+shellWord(cert)+" "+shellWord(base+".crt"),
				"a file *.cert is a client certificate and needs %s.key beside it; a CA is called *.crt. Nothing can be pulled from this registry: %v", path.Base(base), p.Err)
			return
		}
		f.add(severityError, "client-pair-broken", Place{File: cert}, "", "nothing can be pulled from this registry: %v", p.Err)
	}
	if info, err := f.node.Stat(key); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
		f.add(severityWarning, "key-world-readable", Place{File: key}, "chmod 0600 "+shellWord(key),
			"everybody on the node may read this private key (mode %04o)", info.Mode().Perm())
	}
}

// used is true for a file that one of the entries names.
func (f *folderLint) used(file string) bool {
	for _, h := range f.found.entries {
		if slices.Contains(h.ca, file) || slices.ContainsFunc(h.client, func(p [2]string) bool { return p[0] == file || p[1] == file }) {
			return true
		}
	}
	return false
}

// file looks at one file of the folder that nothing names.
func (f *folderLint) file(name string) {
	file := f.path(name)
	at := Place{File: file}
	if name == "hosts.toml" || f.used(file) {
		return
	}
	extension := strings.ToLower(path.Ext(name))
	switch {
	case f.found.file != "" && (strings.HasSuffix(name, ".crt") || strings.HasSuffix(name, ".cert")):
		f.add(severityWarning, "crt-beside-hosts-toml", at, fmt.Sprintf("write ca = %q into %s, above its first line with a bracket", name, f.found.file),
			"is not read: beside a hosts.toml only files count that it names")
	case strings.EqualFold(name, "hosts.toml") || name == "host.toml" || name == "hosts.yaml" || name == "hosts.yml":
		f.add(severityError, "hosts-toml-name", at, "mv "+shellWord(file)+" "+shellWord(f.path("hosts.toml")), "is not read: the file is called hosts.toml")
	case f.found.file == "" && strings.HasSuffix(name, ".key"):
		base := strings.TrimSuffix(name, ".key")
		if slices.Contains(f.names, base+".cert") {
			return
		}
		text := fmt.Sprintf("is not read: it needs %s.cert beside it", base)
		if slices.Contains(f.names, base+".crt") {
			text += fmt.Sprintf("; %s.crt is read as a CA", base)
		}
		f.add(severityWarning, "key-without-cert", at, "", "%s", text)
	case slices.Contains([]string{".pem", ".cer", ".crt", ".cert", ".der", ".ca", ".p7b"}, extension) && len(f.node.CAFile(file).Anchors) > 0:
		fix := "mv " + shellWord(file) + " " + shellWord(f.path(strings.TrimSuffix(name, path.Ext(name))+".crt"))
		if f.found.file != "" {
			fix = fmt.Sprintf("write ca = %q into %s, above its first line with a bracket", name, f.found.file)
		}
		f.add(severityWarning, "ca-extension", at, fix, "holds a certificate and is not read: without a hosts.toml that names it, a CA is called *.crt")
	}
}

// registriesIn lists the folders of registries in these roots.
func registriesIn(n *Node, roots []string, rules hostsRules) []Configured {
	var all []Configured
	seen := map[string]string{}
	for _, root := range roots {
		entries, err := n.ReadDir(root)
		if err != nil {
			continue
		}
		for _, e := range entries {
			dir := path.Join(root, e.Name())
			if !n.IsDir(dir) {
				continue
			}
			name := registryOf(e.Name())
			c := Configured{Registry: name, Place: Place{File: dir}}
			l := hostsLookup{node: n, rules: rules, namespace: name, roots: []string{root}}
			var d Decision
			if found, failure := l.readFolder(&d, dir); failure == nil {
				c.Mistakes = append(lintFolder(n, found, rules), l.lintHosts(found)...)
			} else {
				c.Mistakes = []Mistake{{ID: "registry-dir-unreadable", Severity: severityError, Place: failure.Place, Text: "nothing can be pulled from this registry: " + failure.Text}}
			}
			if other := seen[name]; other != "" {
				c.Mistakes = append(c.Mistakes, Mistake{
					ID: "registry-dir-hidden", Severity: severityWarning, Place: c.Place,
					Text: other + " may be found first, and only one folder counts", Fix: "keep one of the two",
				})
			}
			seen[name] = dir
			all = append(all, c)
		}
	}
	return all
}

// registryOf is the registry that a folder is for: host_port_ is host:port.
func registryOf(folder string) string {
	if rest, ok := strings.CutSuffix(folder, "_"); ok {
		if i := strings.LastIndexByte(rest, '_'); i > 0 {
			return rest[:i] + ":" + rest[i+1:]
		}
	}
	return folder
}
