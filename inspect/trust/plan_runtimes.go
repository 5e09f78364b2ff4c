package trust

import (
	"errors"
	"fmt"
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
	if edit, err := hostsWithCA(n, dir, newestHostsRules(), r); err == nil && edit != nil {
		candidates = append(candidates, append([]Change{own}, edit...))
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
