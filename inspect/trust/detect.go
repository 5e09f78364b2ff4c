package trust

import (
	"debug/buildinfo"
	"encoding/json"
	"io"
	"path"
	"slices"
	"strings"
)

// Program is how a runtime is found on a node.
type Program struct {
	Runtime string
	// Binaries are names ("dockerd") or absolute paths.
	Binaries []string
	// Packages are those of Debian, Alpine and RPM distributions that hold it.
	Packages []string
	// Units are its systemd services, without ".service"; the first that is there counts.
	Units []string
	// Modules are recorded in the Installation when the binary names them.
	Modules []string
	// Configs are files or folders by which it is known where no binary is: a
	// copy of /etc.
	Configs []string
}

// binDirs are searched for binaries; the first outrank the others in a PATH.
var binDirs = [...]string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/bin"}

// Process is a daemon that runs: it may be another than the one that is
// installed, or the one that was before an upgrade.
type Process struct {
	// Path is that of its binary.
	Path   string  `json:"path"`
	Binary *Binary `json:"binary"`
	// Replaced: another binary is there by now, or none.
	Replaced bool `json:"replaced,omitempty"`
}

// Find gives the installations of a program: one for each binary that runs, or
// else for each that is there, or one for its package or configuration where
// there is no binary.
func (n *Node) Find(p Program) []Installation {
	var found []Installation
	unit := ""
	for _, name := range p.Units {
		if u := n.Unit(name); u.File != "" {
			unit = u.Name
			break
		}
	}
	seen := map[string]bool{}
	add := func(name, real string, b *Binary, replaced bool) {
		seen[real] = true
		i := Installation{
			Runtime: p.Runtime, Found: name, Unit: unit, Version: b.Version, GoVersion: b.GoVersion, GoLine: b.GoLine,
		}
		for _, m := range p.Modules {
			if v, ok := b.Modules[m]; ok {
				if i.Modules == nil {
					i.Modules = map[string]string{}
				}
				i.Modules[m] = v
			}
		}
		if i.Version == "" && packaged(real) && !replaced {
			i.Version, _ = n.Package(p.Packages...)
		}
		found = append(found, i)
	}
	running := n.running
	if s := n.Snapshot(); s != nil {
		running = s.Running
	}
	for _, r := range running {
		if r.Binary != nil && !seen[r.Path] && slices.Contains(p.Binaries, path.Base(r.Path)) {
			add(r.Path, r.Path, r.Binary, r.Replaced)
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, name := range p.paths() {
		real, err := n.Resolve(name)
		if err != nil {
			real = name // a snapshot has no binaries, only what they told
		}
		if seen[real] {
			continue
		}
		if b := n.Binary(name); b != nil {
			add(name, real, b, false)
		}
	}
	if len(found) > 0 {
		return found
	}
	if version, file := n.Package(p.Packages...); file != "" {
		return []Installation{{Runtime: p.Runtime, Version: version, Found: file, Unit: unit}}
	}
	for _, name := range p.Configs {
		if n.Exists(name) {
			return []Installation{{Runtime: p.Runtime, Found: name, Unit: unit}}
		}
	}
	return nil
}

// packaged is true where packages put programs.
func packaged(file string) bool {
	for _, dir := range []string{"/usr/", "/bin/", "/sbin/"} {
		if strings.HasPrefix(file, dir) && !strings.HasPrefix(file, "/usr/local/") {
			return true
		}
	}
	return false
}

func (p Program) paths() (paths []string) {
	for _, b := range p.Binaries {
		if path.IsAbs(b) {
			paths = append(paths, b)
			continue
		}
		for _, dir := range binDirs {
			paths = append(paths, path.Join(dir, b))
		}
	}
	return paths
}

// Binary is what a Go binary tells of itself.
type Binary struct {
	// Version is that of the main module, or what the linker set as the version;
	// "" when neither is there.
	Version string `json:"version,omitempty"`
	// GoVersion is "1.24.9", GoLine the language version that its defaults of
	// GODEBUG are those of.
	GoVersion string `json:"goVersion,omitempty"`
	GoLine    string `json:"goLine,omitempty"`
	// Modules are the modules in it, with their versions.
	Modules map[string]string `json:"modules,omitempty"`
}

// SnapshotFile holds, in a snapshot, what its binaries told.
const SnapshotFile = "/.crpki/node.json"

// Snapshot is the content of [SnapshotFile].
type Snapshot struct {
	// Binaries by path.
	Binaries map[string]*Binary `json:"binaries,omitempty"`
	// Running are the daemons that ran when it was taken.
	Running []Process `json:"running,omitempty"`
	// Packages by name, with their versions.
	Packages map[string]string `json:"packages,omitempty"`
	// Keys are the public halves (PKIX) of the private keys that are left out, by
	// path: they say whether a pair fits.
	Keys map[string][]byte `json:"publicKeys,omitempty"`
}

type (
	binaryKey   string
	snapshotKey struct{}
	packagesKey struct{}
)

// Snapshot is what a snapshot says of the node that it was taken of; nil for a
// node itself.
func (n *Node) Snapshot() *Snapshot {
	return Memo(n, snapshotKey{}, func() *Snapshot {
		data, err := n.ReadFile(SnapshotFile)
		var s Snapshot
		if err != nil || json.Unmarshal(data, &s) != nil {
			return nil
		}
		return &s
	})
}

// Binary reads the build information of a program; nil when it is not there.
// What is no Go program has an empty one.
func (n *Node) Binary(name string) *Binary {
	return Memo(n, binaryKey(name), func() *Binary {
		if s := n.Snapshot(); s != nil && s.Binaries[name] != nil {
			return s.Binaries[name]
		}
		real, st, err := n.resolve(name, true)
		if err != nil || !st.info.Mode().IsRegular() {
			return nil
		}
		f, err := n.fsys.Open(real)
		if err != nil {
			return &Binary{}
		}
		defer f.Close()
		r, ok := f.(io.ReaderAt)
		if !ok {
			return &Binary{}
		}
		return ReadBinary(r)
	})
}

// ReadBinary reads the build information of a program. What is not made by Go
// gives an empty one.
func ReadBinary(r io.ReaderAt) *Binary {
	b := &Binary{}
	info, err := buildinfo.Read(r)
	if err != nil {
		return b
	}
	b.GoVersion, _, _ = strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	b.GoLine = b.GoVersion
	if v := strings.TrimPrefix(info.Main.Version, "v"); v != "(devel)" && !strings.HasPrefix(v, "0.0.0-") {
		b.Version = Upstream(v)
	}
	for _, m := range info.Deps {
		if b.Modules == nil {
			b.Modules = map[string]string{}
		}
		if m.Replace != nil && m.Replace.Version != "" {
			b.Modules[m.Path] = m.Replace.Version
			continue
		}
		b.Modules[m.Path] = m.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "DefaultGODEBUG":
			b.GoLine = lineOfDefaults(s.Value, b.GoVersion)
		case "-ldflags":
			if v := linkedVersion(s.Value); b.Version == "" {
				b.Version = Upstream(v)
			}
		}
	}
	return b
}

// lineOfDefaults tells from the settings that differ from the release's own
// which language version they are for (https://go.dev/doc/godebug).
func lineOfDefaults(settings, release string) string {
	on := strings.Split(settings, ",")
	switch {
	case slices.Contains(on, "x509negativeserial=1"):
		return "1.22"
	case slices.Contains(on, "rsa1024min=0"):
		return "1.23"
	case slices.Contains(on, "tlssha1=1"):
		return "1.24"
	}
	return release
}

// linkedVersion finds -X …Version=1.2.3 among the linker's flags.
func linkedVersion(flags string) string {
	for _, word := range splitWords(flags) {
		name, value, ok := strings.Cut(word, "=")
		if ok && value != "" && (strings.HasSuffix(name, "/version.Version") || strings.HasSuffix(name, "dockerversion.Version") || strings.HasSuffix(name, "pkg/version.Version")) {
			return value
		}
	}
	return ""
}

// Upstream is the version that the makers of a program gave it, without what
// packagers put around: "5:28.0.1-1~debian.12" is 28.0.1. What follows a plus
// sign or a dash stays out; k3s' releases, v1.29.4+k3s1, keep theirs.
func Upstream(version string) string {
	if _, after, ok := strings.Cut(version, ":"); ok {
		version = after
	}
	version = strings.TrimPrefix(version, "v")
	end := strings.IndexFunc(version, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		return strings.TrimRight(version, ".")
	}
	if strings.HasPrefix(version[end:], "+k3s") || strings.HasPrefix(version[end:], "+rke2") || strings.HasPrefix(version[end:], "-rc") ||
		strings.HasPrefix(version[end:], "-beta") || strings.HasPrefix(version[end:], "-alpha") {
		return version
	}
	return strings.TrimRight(version[:end], ".")
}

// Package gives the version of the first of these packages that is installed,
// and the database that says so. RPM's database is not read: the version of
// one that an RPM holds stays unknown unless its binary tells it.
func (n *Node) Package(names ...string) (version, file string) {
	all := Memo(n, packagesKey{}, n.packages)
	for _, name := range names {
		if p, ok := all[name]; ok {
			return Upstream(p.version), p.file
		}
	}
	return "", ""
}

type installedPackage struct{ version, file string }

const (
	dpkgStatus   = "/var/lib/dpkg/status"
	apkInstalled = "/lib/apk/db/installed"
)

func (n *Node) packages() map[string]installedPackage {
	all := map[string]installedPackage{}
	if s := n.Snapshot(); s != nil {
		for name, version := range s.Packages {
			all[name] = installedPackage{version, SnapshotFile}
		}
	}
	stanzas(n, dpkgStatus, "Package: ", "Version: ", all)
	stanzas(n, apkInstalled, "P:", "V:", all)
	return all
}

// stanzas reads a database of paragraphs with a name and a version each.
func stanzas(n *Node, file, nameKey, versionKey string, all map[string]installedPackage) {
	data, _ := n.ReadFile(file)
	name, version, installed := "", "", true
	flush := func() {
		if name != "" && version != "" && installed {
			all[name] = installedPackage{version, file}
		}
		name, version, installed = "", "", true
	}
	rest := string(data)
	for rest != "" {
		line, after, _ := strings.Cut(rest, "\n")
		rest = after
		switch {
		case line == "":
			flush()
		case strings.HasPrefix(line, nameKey):
			name = line[len(nameKey):]
		case strings.HasPrefix(line, versionKey):
			version = line[len(versionKey):]
		case strings.HasPrefix(line, "Status: "):
			installed = strings.HasSuffix(line, " installed")
		}
	}
	flush()
}
