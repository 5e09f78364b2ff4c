package trust

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A plan is made by trial: for each runtime there are a few sets of files that
// may do, the smallest first, and the first is taken with which the runtime's
// own model says that the CAs are trusted.

// firstThatHolds gives the first set of changes after which every decision of
// the runtime holds the CAs for the registry.
func firstThatHolds(n *Node, run Runtime, i Installation, r Reference, w Wanted, candidates [][]Change) ([]Change, error) {
	why := holds(n, run, i, r, w)
	if why == nil && (len(candidates) == 0 || !slices.ContainsFunc(candidates[0], func(c Change) bool { return n.Exists(c.Path) })) {
		return nil, nil // they are trusted already, without crpki
	}
	for _, changes := range candidates {
		then := holds(n.With(changes), run, i, r, w)
		if then == nil {
			return slices.DeleteFunc(changes, func(c Change) bool {
				old, err := n.ReadFile(c.Path)
				return err == nil && string(old) == string(c.Data)
			}), nil
		}
		why = then
	}
	if why == nil {
		return nil, nil
	}
	return nil, fmt.Errorf("no file that crpki would add makes it trust the CA: %w", why)
}

// holds says why a runtime does not trust the CAs for the registry.
func holds(n *Node, run Runtime, i Installation, r Reference, w Wanted) error {
	decisions := run.Decide(n, i, r)
	for k, d := range decisions {
		// What is so only until a restart need not hold.
		if k+1 < len(decisions) && strings.HasSuffix(decisions[k+1].Way, afterRestart) {
			continue
		}
		if d.Failure != nil {
			return errors.New(d.Failure.Text)
		}
		asked := false
		for _, e := range d.Endpoints {
			if !SameHost(e.Host, r.Address()) {
				continue
			}
			asked = true
			if e.Failure != nil {
				return errors.New(e.Failure.Text)
			}
			if e.Scheme == HTTP || e.SkipVerify {
				continue
			}
			anchors := e.CAs
			if e.System != nil {
				anchors = slices.Concat(anchors, e.System.Anchors)
			}
			if !HoldsCAs(anchors, w.CAs) {
				return notHeld(d, e)
			}
		}
		if !asked {
			return fmt.Errorf("%s is never asked, its mirrors are", r.Registry)
		}
	}
	return nil
}

const afterRestart = "after a restart"

// notHeld points to what is in the way.
func notHeld(d Decision, e Endpoint) error {
	for _, m := range d.Mistakes {
		return fmt.Errorf("%s %s", m.Place, m.Text)
	}
	if e.Decided.File != "" {
		return fmt.Errorf("%s decides", e.Decided)
	}
	return errors.New("it does not look there")
}

// ownIn is crpki's own file in a registry's folder.
func ownIn(n *Node, dir string, r Reference, w Wanted) Change {
	name := path.Join(dir, OwnFile)
	return Change{Path: name, Data: n.OwnFileWith(name, w), Why: "the CAs that are trusted for " + r.Registry}
}

// inFolder are the changes by which a registry's folder gets the CAs: a file in
// it, and a line in its hosts.toml where that counts.
func inFolder(n *Node, dir string, r Reference, w Wanted) [][]Change {
	own := ownIn(n, dir, r, w)
	candidates := [][]Change{{own}}
	file := path.Join(dir, "hosts.toml")
	if text, err := n.ReadFile(file); err == nil && len(text) > 0 {
		if edited := hostsWithCA(string(text), r); edited != string(text) {
			candidates = append(candidates, []Change{own, {Path: file, Data: []byte(edited), Why: "names " + OwnFile}})
		}
	}
	return candidates
}

// Plan adds a file to the registry's folder below certs.d.
func (c docker) Plan(n *Node, i Installation, r Reference, w Wanted) ([]Change, error) {
	dir := "/etc/docker/certs.d"
	if n.User().UID != 0 {
		dir = path.Join(n.ConfigHome(), "docker/certs.d")
	}
	return firstThatHolds(n, c, i, r, w, inFolder(n, path.Join(dir, r.Registry), r, w))
}

// Plan adds a file to the folder of the registry that counts, or makes one.
func (c containersImage) Plan(n *Node, i Installation, r Reference, w Wanted) ([]Change, error) {
	var candidates [][]Change
	bases := []string{"/etc/containers/certs.d"}
	if n.User().UID != 0 && c.unit == "" {
		bases = []string{path.Join(n.ConfigHome(), "containers/certs.d"), "/etc/containers/certs.d"}
	}
	v, ok := c.version(i)
	if !ok {
		v = imageVersions[0].v
	}
	for _, base := range c.certBases(n, v) {
		if dir := path.Join(base, r.Registry); n.IsDir(dir) {
			candidates = append(candidates, []Change{ownIn(n, dir, r, w)})
			break
		}
	}
	for _, base := range bases {
		candidates = append(candidates, []Change{ownIn(n, path.Join(base, r.Registry), r, w)})
	}
	return firstThatHolds(n, c, i, r, w, candidates)
}

// Plan adds a file to the first of nerdctl's folders.
func (c Nerdctl) Plan(n *Node, i Installation, r Reference, w Wanted) ([]Change, error) {
	dirs, _ := c.hostsDirs(n)
	var candidates [][]Change
	for _, dir := range dirs {
		candidates = append(candidates, inFolder(n, folderIn(n, dir, r), r, w)...)
	}
	return firstThatHolds(n, c, i, r, w, candidates)
}

// folderIn is the folder of the registry in a root: the one that is there, or
// the one to be made.
func folderIn(n *Node, root string, r Reference) string {
	for _, name := range folderNames(r.Registry) {
		if dir := path.Join(root, name); name != "_default" && n.Exists(dir) {
			return dir
		}
	}
	return path.Join(root, r.Registry)
}

// Plan adds a file to the registry's folder below config_path. Where there is no
// config_path that works, the setting is added.
func (c Containerd) Plan(n *Node, i Installation, r Reference, w Wanted) ([]Change, error) {
	if c.Product == "talos" {
		return nil, errors.New("Talos makes its files from the machine configuration: add a RegistryTLSConfig (or machine.registries.config) with the CA")
	}
	is, known := parseRelease(i.Version)
	if !known {
		is = containerdLines[len(containerdLines)-1].release
	}
	main := c.mainConfig(n)
	config := containerdConfig(n, is, main)
	configPath := config.registry.configPath
	if c.SnapData != "" {
		configPath = strings.ReplaceAll(configPath, "${SNAP_DATA}", c.SnapData)
	}
	var candidates [][]Change
	for root := range strings.SplitSeq(configPath, ":") {
		if root != "" {
			candidates = append(candidates, inFolder(n, folderIn(n, root, r), r, w)...)
		}
	}
	if c.Product == "containerd" {
		const root = "/etc/containerd/certs.d"
		own := ownIn(n, folderIn(n, root, r), r, w)
		text, _ := n.ReadFile(main)
		unit := i.Unit
		if unit == "" {
			unit = "containerd.service"
		}
		edit := func(data, why string) Change {
			return Change{Path: main, Data: []byte(data), Why: why, Restart: []string{unit}}
		}
		table := registryTableOf(string(text), config, is)
		withPath := edit(tomlSet(tomlFile(string(text), is), table, "config_path", root), "config_path says that "+root+" is read")
		for _, c := range inFolder(n, folderIn(n, root, r), r, w) {
			candidates = append(candidates, append(c, withPath))
		}
		tls := slices.Concat(table, []string{"configs", r.Registry, "tls"})
		candidates = append(candidates, []Change{own, edit(tomlSet(tomlFile(string(text), is), tls, "ca_file", own.Path), "names the CAs of "+r.Registry)})
	}
	return firstThatHolds(n, c, i, r, w, candidates)
}

// tomlFile is the configuration to begin with where there is none.
func tomlFile(text string, r release) string {
	if strings.TrimSpace(text) != "" {
		return text
	}
	if r.from(2, 0, 0) {
		return "version = 3\n"
	}
	return "version = 2\n"
}

// registryTableOf is the table in which a configuration has its registries.
func registryTableOf(text string, config *daemonConfig, r release) []string {
	version := 0
	if len(config.files) > 0 {
		version = config.files[0].version
	}
	switch {
	case strings.TrimSpace(text) == "" && r.from(2, 0, 0), version >= 3:
		return []string{"plugins", criTableV3, "registry"}
	case strings.TrimSpace(text) == "", version == 2:
		return []string{"plugins", criTableV2, "registry"}
	}
	return []string{"plugins", criTableV1, "registry"}
}

// Plan adds the CA to registries.yaml, from which the service makes the rest
// when it is started.
func (r Rancher) Plan(n *Node, i Installation, ref Reference, w Wanted) ([]Change, error) {
	own := Change{
		Path: path.Join("/etc/rancher", r.Product, "crpki-"+fileName(ref.Registry)+".crt"),
		Why:  "the CAs that are trusted for " + ref.Registry,
	}
	own.Data = n.OwnFileWith(own.Path, w)
	file := r.registriesFile(n)
	text, _ := n.ReadFile(file)
	unit := i.Unit
	if unit == "" {
		unit = r.units()[0] + ".service"
	}
	own.Restart = []string{unit}
	edited := registriesWithCA(string(text), ref, own.Path)
	return firstThatHolds(n, r, i, ref, w, [][]Change{{own, {
		Path: file, Data: []byte(edited), Why: "names the CAs of " + ref.Registry, Restart: []string{unit},
	}}})
}

// registriesWithCA adds configs.REGISTRY.tls.ca_file. Where there is an entry
// for the registry already the text stays as it is, for a person to edit.
func registriesWithCA(text string, r Reference, file string) string {
	if strings.Contains(text, file) {
		return text
	}
	entry := func(indent string) string {
		return fmt.Sprintf("%s%q:\n%s%stls:\n%s%s%sca_file: %s\n", indent, r.Registry, indent, indent, indent, indent, indent, file)
	}
	lines := strings.SplitAfter(text, "\n")
	for k, line := range lines {
		if strings.TrimRight(line, " \t\r\n") != "configs:" {
			continue
		}
		indent := "  "
		for _, next := range lines[k+1:] {
			if t := strings.TrimLeft(next, " "); t != "" && t[0] != '#' && t[0] != '\n' {
				if len(t) < len(next) {
					indent = next[:len(next)-len(t)]
				}
				break
			}
		}
		return strings.Join(lines[:k+1], "") + entry(indent) + strings.Join(lines[k+1:], "")
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + "configs:\n" + entry("  ")
}

// hostsWithCA adds crpki's file to what a hosts.toml trusts for the registry: to
// its own table and, where the last endpoint is the registry, to the root.
func hostsWithCA(text string, r Reference) string {
	type section struct{ from, to int }
	lines := strings.SplitAfter(text, "\n")
	root := section{0, len(lines)}
	var sections []section
	own := true
	for k, line := range lines {
		t := strings.TrimSpace(line)
		if strings.HasPrefix(t, "[") {
			if root.to == len(lines) {
				root.to = k
			}
			if len(sections) > 0 && sections[len(sections)-1].to == -1 {
				sections[len(sections)-1].to = k
			}
			if hostOfTable(t, r) {
				sections = append(sections, section{k + 1, -1})
			}
			continue
		}
		if name, value, ok := strings.Cut(t, "="); ok && strings.TrimSpace(name) == "server" && root.to == len(lines) {
			own = hostOfURL(strings.Trim(strings.TrimSpace(value), `"'`), r)
		}
	}
	if n := len(sections); n > 0 && sections[n-1].to == -1 {
		sections[n-1].to = len(lines)
	}
	if own {
		sections = append([]section{root}, sections...)
	}
	for _, s := range slices.Backward(sections) {
		lines = withCA(lines, s.from, s.to)
	}
	return strings.Join(lines, "")
}

// withCA adds crpki's file to the ca of lines from to to.
func withCA(lines []string, from, to int) []string {
	for k := from; k < to && k < len(lines); k++ {
		name, value, ok := strings.Cut(lines[k], "=")
		if !ok || strings.TrimSpace(name) != "ca" {
			continue
		}
		value = strings.TrimSpace(value)
		switch {
		case strings.Contains(value, OwnFile):
		case strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]"):
			inner := strings.TrimSuffix(strings.TrimSpace(value[1:len(value)-1]), ",")
			if inner != "" {
				inner += ", "
			}
			lines[k] = name + "= [" + inner + strconv.Quote(OwnFile) + "]\n"
		case len(value) > 1 && (value[0] == '"' || value[0] == '\''):
			lines[k] = name + "= [" + value + ", " + strconv.Quote(OwnFile) + "]\n"
		}
		return lines
	}
	line := fmt.Sprintf("ca = [%q]\n", OwnFile)
	if from > 0 && from <= len(lines) && !strings.HasSuffix(lines[from-1], "\n") {
		lines[from-1] += "\n"
	}
	return slices.Insert(lines, from, line)
}

// hostOfTable is true for [host."https://registry"].
func hostOfTable(header string, r Reference) bool {
	text, ok := strings.CutPrefix(header, "[host.")
	if !ok {
		return false
	}
	text, _, _ = strings.Cut(text, "]")
	if i := strings.LastIndexAny(header, `"'`); i > 0 { // an IPv6 address has brackets
		text = header[len("[host."):i]
	}
	return hostOfURL(strings.Trim(text, `"'`), r)
}

func hostOfURL(text string, r Reference) bool {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	return err == nil && SameHost(u.Host, r.Address())
}

// tomlSet sets a key to a string: in the table's own lines where it has some,
// otherwise in a table at the end.
func tomlSet(text string, table []string, key, value string) string {
	lines := strings.SplitAfter(text, "\n")
	setting := fmt.Sprintf("%s = %q\n", key, value)
	for k, line := range lines {
		if !sameTable(line, table) {
			continue
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))] + "  "
		if !strings.HasSuffix(line, "\n") {
			lines[k] += "\n"
		}
		for j := k + 1; j < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[j]), "["); j++ {
			if name, _, ok := strings.Cut(lines[j], "="); ok && strings.TrimSpace(name) == key {
				lines[j] = name[:len(name)-len(strings.TrimLeft(name, " \t"))] + setting
				return strings.Join(lines, "")
			}
		}
		return strings.Join(slices.Insert(lines, k+1, indent+setting), "")
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + "\n[" + tomlName(table) + "]\n  " + setting
}

// sameTable is true for the header of a table, whatever its quotes and blanks.
func sameTable(line string, table []string) bool {
	line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "[") || !strings.HasSuffix(line, "]") {
		return false
	}
	line = line[1 : len(line)-1]
	for i, part := range table {
		line = strings.TrimLeft(line, " \t")
		rest, ok := strings.CutPrefix(line, strconv.Quote(part))
		if !ok {
			rest, ok = strings.CutPrefix(line, "'"+part+"'")
		}
		if !ok && !strings.ContainsAny(part, ".:[") {
			rest, ok = strings.CutPrefix(line, part)
		}
		if !ok {
			return false
		}
		rest = strings.TrimLeft(rest, " \t")
		if i == len(table)-1 {
			return rest == ""
		}
		if line, ok = strings.CutPrefix(rest, "."); !ok {
			return false
		}
	}
	return false
}

// tomlName writes the name of a table.
func tomlName(table []string) string {
	parts := make([]string, len(table))
	for i, part := range table {
		parts[i] = part
		if !only(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") {
			parts[i] = strconv.Quote(part)
		}
	}
	return strings.Join(parts, ".")
}
