package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/inspect/trust"
	"github.com/crpki/crpki/pki"
)

func trustInstallCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "install",
		Usage: "make the runtimes of a node trust a CA for one registry",
		Description: `crpki trust install --ca certs/ca.crt reg.example.com:5000
# what would be written?
crpki trust install --ca certs/ca.crt reg.example.com:5000 --dry-run
# a new CA, while the registry still has a certificate of the old one
crpki trust install --ca new-ca.crt reg.example.com:5000 --keep-old
# every program of the node, for every registry
crpki trust install --ca certs/ca.crt reg.example.com:5000 --runtime system

Writes, for each runtime on the node, the files by which it trusts the CA for
this registry: certs.d, hosts.toml, registries.yaml, what that runtime reads. What
is there stays, and a file of one's own is never replaced: crpki adds a file
beside it, or a setting to it. All files are written, or none. A second run
changes nothing.

With --runtime system the CA goes into the system's store, and the command of the
distribution that updates it is run, when the node is this machine. Then
runtimes have to be restarted; which ones, and which for other reasons, is told.
Nothing is restarted without --restart.

What was done is noted in /var/lib/crpki/trust on the node, and crpki trust
uninstall takes exactly that away again.`,
		ArgsUsage: "REF",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "ca", Usage: "`FILE` or folder with the CA certificates to trust", TakesFile: true},
			&cli.BoolFlag{Name: "keep-old", Usage: "keep the CAs of an install before, beside the new ones"},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would be written as a diff, and write nothing"},
			&cli.BoolFlag{Name: "restart", Usage: "restart the services that see the change only then"},
			outputFlag("text", "json", "yaml"),
		}, installFlags()),
		Action: e.trustInstall,
	}
}

// installFlags say on which node, and for which runtimes.
func installFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "root", Value: "/", Usage: "the node's root `FOLDER`", TakesFile: true, Category: aboutNode},
		&cli.StringSliceFlag{Name: "runtime", Value: cli.NewStringSlice("auto"), Usage: "only this runtime: `NAME`, or NAME@VERSION; auto is all that are there, system the system's store", Category: aboutNode},
		&cli.StringFlag{Name: "user", Usage: "the user `NAME` who runs podman, skopeo, buildah or rootless docker (root if not given)", Category: aboutNode},
	}
}

func trustUninstallCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "uninstall",
		Usage: "take away again what trust install did for a registry",
		Description: `crpki trust uninstall reg.example.com:5000
# on a mounted copy of a node, and without writing
crpki trust uninstall reg.example.com:5000 --root node --dry-run

Takes away what the runs of crpki trust install for this registry wrote, and
nothing else: files that it made go, settings that it added are taken out of files
that others may have changed since. What cannot be told apart any more stays, and
is told.`,
		ArgsUsage: "REF",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would change as a diff, and write nothing"},
			&cli.BoolFlag{Name: "restart", Usage: "restart the services that see the change only then"},
			outputFlag("text", "json", "yaml"),
			&cli.StringFlag{Name: "root", Value: "/", Usage: "the node's root `FOLDER`", TakesFile: true, Category: aboutNode},
		},
		Action: e.trustUninstall,
	}
}

// recordDir is where a node keeps what installs did to it.
const recordDir = "/var/lib/crpki/trust"

// record is what the installs for one registry did, in their order.
type record struct {
	Registry string       `json:"registry"`
	Changes  []nodeChange `json:"changes"`
}

// nodeChange is what was done to one file.
type nodeChange struct {
	Path string `json:"path"`
	// Created: there was none. Otherwise Removed lines were replaced by Added, of
	// which the first and last Context lines are what was around.
	Created bool   `json:"created,omitempty"`
	Before  int    `json:"linesBefore,omitempty"`
	After   int    `json:"linesAfter,omitempty"`
	Removed string `json:"removed,omitempty"`
	Added   string `json:"added,omitempty"`
	// SHA256 is that of the whole file once it was written.
	SHA256  string      `json:"sha256"`
	Mode    fs.FileMode `json:"mode"`
	Dirs    []string    `json:"dirs,omitempty"` // made for it, the topmost first
	Run     []string    `json:"run,omitempty"`
	Restart []string    `json:"restart,omitempty"`
}

// installed is what install and uninstall tell.
type installed struct {
	Registry string `json:"registry"`
	DryRun   bool   `json:"dryRun"`
	// Files are those that were written or removed; none when all was there.
	Files []installedFile `json:"files"`
	// Run are the commands that were run, or with DryRun or on another root have
	// to be.
	Run []string `json:"run,omitempty"`
	// Restart are the services that have to be restarted, Restarted those that were.
	Restart   []string `json:"restart,omitempty"`
	Restarted []string `json:"restarted,omitempty"`
	// Left is what could not be taken away.
	Left []string `json:"left,omitempty"`
	// Cannot says which runtimes could not be configured or do not verify, and why.
	Cannot []string `json:"cannot,omitempty"`
	// idle says why there is nothing to do.
	idle string
}

type installedFile struct {
	Path    string `json:"path"`
	Why     string `json:"why,omitempty"`
	Removed bool   `json:"removed,omitempty"`
	diff    string
}

func (e *env) trustInstall(c *cli.Context) error {
	ref, err := e.reference(c)
	if err != nil {
		return err
	}
	wanted, err := e.wantedCAs(c)
	if err != nil {
		return err
	}
	n, err := e.openFolder(c)
	if err != nil {
		return err
	}
	defer func() { n.Close() }()
	var out installed
	for range maxAttempts {
		out = installed{Registry: ref.Registry, DryRun: c.Bool("dry-run"), Files: []installedFile{}}
		if n, err = e.tryInstall(c, n, ref, wanted, &out); !errors.Is(err, errChangedMeanwhile) {
			break
		}
	}
	if err != nil {
		return err
	}
	return e.finishInstall(c, n, out)
}

// maxAttempts bounds how often an install or uninstall begins anew because
// another one, for another registry, was faster.
const maxAttempts = 100

var errChangedMeanwhile = errors.New("files of the node are changed by another program all the time")

// tryInstall plans and writes. It gives the node as it was when that was done.
func (e *env) tryInstall(c *cli.Context, n *node, ref trust.Reference, wanted trust.Wanted, out *installed) (*node, error) {
	changes, err := e.planInstall(c, n, ref, wanted, out)
	if err != nil {
		return n, err
	}
	if !out.DryRun && len(changes) > 0 {
		// What a killed run left is put in order before the last look.
		paths := []string{recordPath(ref.Registry)}
		for _, ch := range changes {
			paths = append(paths, ch.Path)
		}
		if err := n.recover(paths); err != nil {
			return n, err
		}
		if n, err = e.again(c, n); err != nil {
			return n, err
		}
		out.Cannot = nil
		if changes, err = e.planInstall(c, n, ref, wanted, out); err != nil {
			return n, err
		}
	}
	err = e.applyInstall(n, ref, changes, out)
	if errors.Is(err, errChangedMeanwhile) {
		var opened error
		if n, opened = e.again(c, n); opened != nil {
			return n, opened
		}
	}
	return n, err
}

// again opens the node anew, with nothing read of it yet.
func (e *env) again(c *cli.Context, n *node) (*node, error) {
	opened, err := e.openFolder(c)
	if err != nil {
		return n, err
	}
	n.Close()
	return opened, nil
}

// unchanged is for emit: it says whether the files are still as they were when
// this node was read.
func (n *node) unchanged(names []string) func() error {
	return func() error {
		now := n.Anew(false)
		for _, name := range names {
			was, errWas := n.ReadFile(name)
			is, errIs := now.ReadFile(name)
			if (errWas == nil) != (errIs == nil) || !bytes.Equal(was, is) {
				return errChangedMeanwhile
			}
		}
		return nil
	}
}

// wantedCAs reads --ca.
func (e *env) wantedCAs(c *cli.Context) (trust.Wanted, error) {
	w := trust.Wanted{KeepOld: c.Bool("keep-old")}
	file := c.String("ca")
	if file == "" {
		return w, withHint(usageErrorf("there is no --ca"), "--ca FILE names the certificates to trust")
	}
	certs, err := e.certsIn(c, file)
	if err != nil {
		return w, err
	}
	for _, cert := range certs {
		switch x := cert.X509; {
		case x == nil:
			return w, usageErrorf("%s: Go's clients cannot read it: %w", cert.Origin, cert.Err)
		case e.now.After(x.NotAfter):
			return w, badErrorf("%s expired on %s: no runtime would accept it", cert.Describe(), x.NotAfter.UTC().Format(time.DateOnly))
		case !x.IsCA:
			e.warnf("%s is not the certificate of a CA: it is trusted only when the registry shows this very certificate", cert.Describe())
		}
	}
	w.CAs = certs
	return w, nil
}

// openFolder opens a node that can be written to.
func (e *env) openFolder(c *cli.Context) (*node, error) {
	n, err := e.openNode(c)
	if err == nil && n.folder == nil {
		n.Close()
		return nil, usageErrorf("--root %s: a snapshot is only read: name the node's root folder", c.String("root"))
	}
	return n, err
}

// planInstall asks each runtime what it needs.
func (e *env) planInstall(c *cli.Context, n *node, ref trust.Reference, w trust.Wanted, out *installed) ([]trust.Change, error) {
	names := c.StringSlice("runtime")
	var changes []trust.Change
	add := func(more []trust.Change) error {
		for _, m := range more {
			i := slices.IndexFunc(changes, func(o trust.Change) bool { return o.Path == m.Path })
			if i < 0 {
				changes = append(changes, m)
				continue
			}
			if !bytes.Equal(changes[i].Data, m.Data) {
				return fmt.Errorf("%s: two runtimes need it to be different: install for one after the other, with --runtime", m.Path)
			}
			changes[i].Restart = append(changes[i].Restart, m.Restart...)
			changes[i].Run = append(changes[i].Run, m.Run...)
		}
		return nil
	}
	system := slices.Contains(names, "system")
	if system {
		names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "system" })
		more, err := trust.System{}.Plan(n.Node, ref, w)
		if err != nil {
			return nil, err
		}
		for i := range more {
			more[i].Restart = daemonUnits(n.Node)
		}
		if err := add(more); err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return changes, nil
		}
	}
	runtimes, err := e.surveyOf(n.Node, n.root, names)
	if err != nil {
		return nil, err
	}
	able := 0
	for _, r := range runtimes {
		installer, ok := r.Runtime.(trust.Installer)
		if !ok {
			out.Cannot = append(out.Cannot, r.Name()+": has no configuration of its own for a registry")
			continue
		}
		own := n.seenBy(r)
		more, err := installer.Plan(own, r.at, ref, w)
		if needs := own.NotAllowed(); needs != "" {
			err = errors.New("not known is " + needs)
		}
		if err != nil {
			out.Cannot = append(out.Cannot, r.Name()+": "+err.Error())
			continue
		}
		able++
		if at := unverified(r.Decide(own.With(more), r.at, ref), ref); at != nil {
			out.Cannot = append(out.Cannot, fmt.Sprintf("%s: does not verify what %s shows, whatever CA is there: %s", r.Name(), ref.Registry, strings.TrimSpace(at.String()+" "+at.Key)))
		}
		if err := add(more); err != nil {
			return nil, err
		}
	}
	if able == 0 && len(changes) == 0 {
		return nil, withHint(badErrorf("%s", strings.Join(out.Cannot, "\n")), "--runtime system installs the CA for every program of the node")
	}
	return changes, nil
}

// unverified is the place by which a runtime goes to the registry over plain HTTP
// or takes any certificate; nil where it verifies.
func unverified(decisions []trust.Decision, ref trust.Reference) *trust.Place {
	for _, d := range decisions {
		for _, at := range d.Endpoints {
			if trust.SameHost(at.Host, ref.Address()) && (at.SkipVerify || at.Scheme == trust.HTTP) {
				return &at.Decided
			}
		}
	}
	return nil
}

// daemonUnits are the services of the runtimes that are there: each has read the
// system's roots when it was started.
func daemonUnits(n *trust.Node) (units []string) {
	for _, r := range trust.Runtimes() {
		for _, at := range r.Detect(n) {
			if at.Unit != "" && !slices.Contains(units, at.Unit) {
				units = append(units, at.Unit)
			}
		}
	}
	return units
}

// applyInstall writes the record of the changes, then the changes.
func (e *env) applyInstall(n *node, ref trust.Reference, changes []trust.Change, out *installed) error {
	if len(changes) == 0 {
		return nil
	}
	recordPath, r, err := n.readRecord(ref.Registry)
	if err != nil {
		return err
	}
	had := r
	var files []pki.File
	for _, ch := range changes {
		host, err := n.place(ch.Path)
		if err != nil {
			return err
		}
		before, readErr := n.ReadFile(ch.Path)
		if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
			return usageErrorf("%w", readErr)
		}
		mode := ch.Mode
		if mode == 0 {
			mode = pki.ModePublic
		}
		if info, err := n.Stat(ch.Path); err == nil {
			mode = info.Mode().Perm()
		}
		files = append(files, pki.File{Path: host, Mode: mode, Data: ch.Data})
		out.Files = append(out.Files, installedFile{Path: ch.Path, Why: ch.Why, diff: nodeDiff(ch.Path, before, ch.Data)})
		out.Run = appendNew(out.Run, ch.Run...)
		out.Restart = appendNew(out.Restart, ch.Restart...)
		noted := n.changeOf(ch, before, readErr != nil)
		noted.Mode = mode
		r.Changes = append(r.Changes, noted)
	}
	if out.DryRun {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	host, err := n.place(recordPath)
	if err != nil {
		return err
	}
	// The record goes first: what a run that is killed has made can be taken away.
	// 0600: the lines around a setting may hold a password.
	noted := pki.File{Path: host, Mode: pki.ModePrivate, Data: append(data, '\n')}
	var names []string
	for _, ch := range changes {
		names = append(names, ch.Path)
	}
	result, err := e.emit([]pki.File{noted}, emit.Options{Force: true, Now: e.now, Check: n.unchanged(append(names, recordPath))})
	if err != nil {
		return placeHint(err)
	}
	dropBackups(result)
	result, err = e.emit(files, emit.Options{Force: true, Now: e.now, Check: n.unchanged(names)})
	if errors.Is(err, errChangedMeanwhile) {
		// What was noted is not done, and will be planned anew.
		return errors.Join(err, n.writeRecord(e, had, host))
	}
	if err != nil {
		return placeHint(err)
	}
	dropBackups(result)
	return nil
}

// dropBackups removes the backups: the record knows what was there, and a
// directory of which every file is read would go on trusting what was replaced.
func dropBackups(result emit.Result) {
	for _, backup := range result.Backups {
		os.Remove(backup)
	}
}

// removeBackups removes those that runs left which were killed before they could.
func removeBackups(host string) {
	entries, _ := os.ReadDir(filepath.Dir(host))
	for _, entry := range entries {
		stamp, ok := strings.CutPrefix(entry.Name(), filepath.Base(host)+".bak-")
		stamp, _, _ = strings.Cut(stamp, "-") // the second of one second is …Z-2
		if _, err := time.Parse("20060102T150405Z", stamp); ok && err == nil {
			os.Remove(filepath.Join(filepath.Dir(host), entry.Name()))
		}
	}
}

func pathsOf(changes []nodeChange) (paths []string) {
	for _, ch := range changes {
		paths = append(paths, ch.Path)
	}
	return paths
}

func appendNew(all []string, more ...string) []string {
	for _, m := range more {
		if m != "" && !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// finishInstall runs what has to follow, and tells.
func (e *env) finishInstall(c *cli.Context, n *node, out installed) error {
	if !out.DryRun && n.live && len(out.Files) > 0 {
		for _, command := range out.Run {
			if err := e.runCommand(strings.Fields(command)); err != nil {
				return withHint(usageErrorf("%s: %w; the files are written", command, err), "run it by hand: "+command)
			}
		}
		if c.Bool("restart") {
			for _, unit := range out.Restart {
				if err := e.runCommand([]string{"systemctl", "restart", unit}); err != nil {
					return withHint(usageErrorf("systemctl restart %s: %w; the files are written", unit, err), "systemctl status "+unit)
				}
			}
			out.Restarted, out.Restart = out.Restart, nil
		}
	}
	if err := e.print(c, out, func(w io.Writer) error { return out.write(w, n.live) }); err != nil {
		return err
	}
	for _, text := range out.Cannot {
		e.warnf("%s", text)
	}
	if len(out.Left) > 0 {
		return badErrorf("%s", strings.Join(out.Left, "\n"))
	}
	return nil
}

// runCommand runs a program of this machine; what it prints is talk.
func (e *env) runCommand(args []string) error {
	e.notef("%s", strings.Join(args, " "))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = e.stderr, e.stderr
	return cmd.Run()
}

func (o installed) write(w io.Writer, live bool) error {
	p := func(format string, args ...any) { fmt.Fprintln(w, printable(fmt.Sprintf(format, args...))) }
	if len(o.Files) == 0 {
		if len(o.Left) == 0 && len(o.Cannot) == 0 {
			p("%s: nothing to do, %s", o.Registry, cmp.Or(o.idle, "all is in place"))
		}
		return nil
	}
	for _, f := range o.Files {
		switch {
		case o.DryRun:
			io.WriteString(w, f.diff)
		case f.Removed:
			p("removed %s", f.Path)
		default:
			p("wrote %s: %s", f.Path, f.Why)
		}
	}
	done := live && !o.DryRun
	for _, command := range o.Run {
		if !done {
			p("then run: %s", command)
		}
	}
	for _, unit := range o.Restarted {
		p("restarted %s", unit)
	}
	for _, unit := range o.Restart {
		p("then restart: systemctl restart %s", strings.TrimSuffix(unit, ".service"))
	}
	return nil
}

// place is where a path of the node is on this machine. Links on the way lead
// where they do on the node, never out of it; the last part must not be one.
func (n *node) place(name string) (string, error) {
	dir, rest := path.Dir(path.Clean(name)), path.Base(name)
	for {
		real, err := n.Resolve(dir)
		if err == nil {
			return filepath.Join(n.root, filepath.FromSlash(path.Join(real, rest))), nil
		}
		if _, lerr := n.Lstat(dir); dir == "/" || !errors.Is(err, fs.ErrNotExist) || lerr == nil {
			return "", usageErrorf("write %s: %w", name, err)
		}
		dir, rest = path.Dir(dir), path.Join(path.Base(dir), rest)
	}
}

// recover puts in order what a killed run left where the files are.
func (n *node) recover(paths []string) error {
	var done []string
	for _, name := range paths {
		host, err := n.place(name)
		if err != nil {
			return err
		}
		dir := filepath.Dir(host)
		for _, err := os.Stat(dir); err != nil && dir != filepath.Dir(dir); _, err = os.Stat(dir) {
			dir = filepath.Dir(dir)
		}
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if slices.Contains(done, d) || !strings.HasPrefix(d, filepath.Clean(n.root)) {
				continue
			}
			done = append(done, d)
			if err := emit.Recover(d); err != nil {
				return placeHint(usageErrorf("%w", err))
			}
		}
	}
	return nil
}

// recovered is the node again, once that is done for all that is in the record.
func (e *env) recovered(c *cli.Context, n *node, ref trust.Reference) (*node, error) {
	paths := []string{recordPath(ref.Registry)}
	if err := n.recover(paths); err != nil {
		return n, err
	}
	again, err := e.openFolder(c)
	if err != nil {
		return n, err
	}
	n.Close()
	_, r, err := again.readRecord(ref.Registry)
	if err != nil || len(r.Changes) == 0 {
		return again, err
	}
	for _, ch := range r.Changes {
		paths = append(paths, ch.Path)
	}
	if err := again.recover(paths); err != nil {
		return again, err
	}
	n, err = e.openFolder(c)
	if err != nil {
		return again, err
	}
	again.Close()
	return n, nil
}

// recordPath names the record of a registry.
func recordPath(registry string) string {
	return path.Join(recordDir, strings.NewReplacer("/", "_", "\\", "_").Replace(registry)+".json")
}

func (n *node) readRecord(registry string) (name string, r record, err error) {
	name, r = recordPath(registry), record{Registry: registry}
	data, err := n.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return name, r, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return name, r, usageErrorf("%s: %w", name, err)
	}
	return name, r, nil
}

// contextLines are kept around a change, to find it again.
const contextLines = 2

// changeOf notes how a file is changed, so that it can be undone even when
// others have changed the file elsewhere.
func (n *node) changeOf(ch trust.Change, before []byte, created bool) nodeChange {
	c := nodeChange{Path: ch.Path, Created: created, SHA256: sum(ch.Data), Run: ch.Run, Restart: ch.Restart}
	if created {
		for dir := path.Dir(ch.Path); dir != "/" && !n.Exists(dir); dir = path.Dir(dir) {
			c.Dirs = append([]string{dir}, c.Dirs...)
		}
		return c
	}
	a, b := slices.Collect(strings.Lines(string(before))), slices.Collect(strings.Lines(string(ch.Data)))
	first := 0
	for first < len(a) && first < len(b) && a[first] == b[first] {
		first++
	}
	last := 0
	for last < len(a)-first && last < len(b)-first && a[len(a)-1-last] == b[len(b)-1-last] {
		last++
	}
	c.Before, c.After = min(contextLines, first), min(contextLines, last)
	c.Removed = strings.Join(a[first-c.Before:len(a)-last+c.After], "")
	c.Added = strings.Join(b[first-c.Before:len(b)-last+c.After], "")
	return c
}

// undo gives the file as it was before the change. ok is false when that cannot
// be told any more.
func (c nodeChange) undo(now []byte) (was []byte, ok bool) {
	text := string(now)
	if c.Added != "" && strings.Count(text, c.Added) == 1 {
		return []byte(strings.Replace(text, c.Added, c.Removed, 1)), true
	}
	// The lines around it have changed: the added ones alone.
	added, removed := trimLines(c.Added, c.Before, c.After), trimLines(c.Removed, c.Before, c.After)
	if added != "" && strings.Count(text, added) == 1 {
		return []byte(strings.Replace(text, added, removed, 1)), true
	}
	// Others have put theirs between the lines: those above stay with them.
	if lines := slices.Collect(strings.Lines(added)); removed == "" {
		for i := 1; i < len(lines) && strings.Contains(text, lines[i-1]); i++ {
			if rest := strings.Join(lines[i:], ""); strings.Count(text, rest) == 1 {
				return []byte(strings.Replace(text, rest, "", 1)), true
			}
		}
	}
	// A run that was killed had undone it already.
	return now, text == "" || c.Removed != "" && strings.Contains(text, c.Removed) && !strings.Contains(text, longestLine(added))
}

// longestLine is the one that is least likely to stand elsewhere.
func longestLine(s string) (longest string) {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); len(line) > len(longest) {
			longest = line
		}
	}
	return longest
}

// trimLines takes lines off the beginning and the end.
func trimLines(s string, before, after int) string {
	lines := slices.Collect(strings.Lines(s))
	if before+after >= len(lines) {
		return ""
	}
	return strings.Join(lines[before:len(lines)-after], "")
}

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// nodeDiff shows a change as diff -u does, with certificates in words and
// passwords hidden.
func nodeDiff(name string, before, after []byte) string {
	return unifiedDiff(name, diffText(before), diffText(after), nil, nil)
}

func diffText(data []byte) string {
	var out strings.Builder
	for len(data) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		taken := data[:len(data)-len(rest)]
		begin := max(bytes.LastIndex(taken, []byte("-----BEGIN")), 0)
		out.WriteString(hidePasswords(string(taken[:begin])))
		what := "(" + strings.ToLower(block.Type) + ")"
		if block.Type == "CERTIFICATE" {
			c := pki.NewCert(pki.Origin{}, block.Bytes)
			what = subjectOf(c)
			if c.X509 != nil {
				what += ", until " + c.X509.NotAfter.UTC().Format(time.DateOnly) + ", sha256 " + fingerprint(c.X509)[:16] + "…"
			}
		}
		fmt.Fprintf(&out, "-----BEGIN %s----- %s\n", block.Type, what)
		data = rest
	}
	out.WriteString(hidePasswords(string(data)))
	return out.String()
}

// hidePasswords hides the values of settings that may be secret.
func hidePasswords(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		low := strings.ToLower(line)
		secret := false
		for _, word := range []string{"password", "auth", "token", "secret", "credential"} {
			secret = secret || strings.Contains(low, word)
		}
		if i := strings.IndexAny(line, ":="); secret && i >= 0 && strings.TrimSpace(line[i+1:]) != "" {
			line = line[:i+1] + " (hidden)\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

func (e *env) trustUninstall(c *cli.Context) error {
	ref, err := e.reference(c)
	if err != nil {
		return err
	}
	n, err := e.openFolder(c)
	if err != nil {
		return err
	}
	defer func() { n.Close() }()
	var out installed
	for range maxAttempts {
		out = installed{Registry: ref.Registry, DryRun: c.Bool("dry-run"), Files: []installedFile{}, idle: "all of it is gone already"}
		if n, err = e.tryUninstall(c, n, ref, &out); !errors.Is(err, errChangedMeanwhile) {
			break
		}
	}
	if err != nil {
		return err
	}
	return e.finishInstall(c, n, out)
}

func (e *env) tryUninstall(c *cli.Context, n *node, ref trust.Reference, out *installed) (*node, error) {
	var err error
	if !out.DryRun {
		if n, err = e.recovered(c, n, ref); err != nil {
			return n, err
		}
	}
	name, r, err := n.readRecord(ref.Registry)
	if err != nil {
		return n, err
	}
	if len(r.Changes) == 0 {
		return n, withHint(usageErrorf("%s: nothing was installed for it by crpki trust install", ref.Registry), "crpki trust list shows what the node has")
	}
	u := undoing{node: n, out: out, others: n.otherRecords(name), content: map[string][]byte{}, was: map[string][]byte{}, gone: map[string]bool{}}
	for _, ch := range slices.Backward(r.Changes) {
		if err := u.take(ch); err != nil {
			return n, err
		}
	}
	return n, u.apply(e, r, name)
}

// undoing is an uninstall under way: files as they are to be.
type undoing struct {
	*node
	out     *installed
	content map[string][]byte
	was     map[string][]byte
	gone    map[string]bool
	order   []string
	left    []nodeChange
	others  []*otherRecord
}

// otherRecord is that of another registry, which takes over what it needs.
type otherRecord struct {
	record
	name    string
	changed bool
}

func (n *node) otherRecords(own string) (all []*otherRecord) {
	entries, _ := n.ReadDir(recordDir)
	for _, entry := range entries {
		name := path.Join(recordDir, entry.Name())
		data, err := n.ReadFile(name)
		o := &otherRecord{name: name}
		if name != own && strings.HasSuffix(name, ".json") && err == nil && json.Unmarshal(data, &o.record) == nil {
			all = append(all, o)
		}
	}
	return all
}

// handOver gives a change to a registry that needs it too: the setting names a
// folder in which that one has its files. It goes with the last of them.
func (u *undoing) handOver(ch nodeChange, text string) bool {
	for _, o := range u.others {
		for _, theirs := range o.Changes {
			for dir := path.Dir(theirs.Path); dir != "/"; dir = path.Dir(dir) {
				if theirs.Path == ch.Path || !strings.Contains(text, `"`+dir+`"`) {
					continue
				}
				o.Changes, o.changed = append([]nodeChange{ch}, o.Changes...), true
				return true
			}
		}
	}
	return false
}

// handOverDirs gives folders that stay to the registry whose files are in them.
func (u *undoing) handOverDirs(dirs []string) {
	for _, o := range u.others {
		for i, theirs := range o.Changes {
			for _, dir := range slices.Backward(dirs) {
				if strings.HasPrefix(theirs.Path, dir+"/") && !slices.Contains(theirs.Dirs, dir) {
					o.Changes[i].Dirs, o.changed = append([]string{dir}, o.Changes[i].Dirs...), true
				}
			}
		}
	}
}

// take undoes one change, the last first.
func (u *undoing) take(ch nodeChange) error {
	now, known := u.content[ch.Path]
	if !known {
		data, err := u.ReadFile(ch.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it is gone already
		case err != nil:
			return usageErrorf("%w", err)
		}
		now = data
		u.content[ch.Path], u.was[ch.Path] = data, data
		u.order = append(u.order, ch.Path)
	}
	switch {
	case u.gone[ch.Path]:
	case ch.Created && sum(now) == ch.SHA256:
		if by := u.namedIn(ch.Path); by != "" {
			u.leave(ch, "stays, for "+by+" names it")
			return nil
		}
		if u.handOver(ch, string(now)) {
			return nil
		}
		u.gone[ch.Path] = true
	case ch.Created:
		u.leave(ch, "was changed since, and stays: take out by hand what is for "+u.out.Registry)
	case u.handOver(ch, ch.Added):
		return nil
	default:
		was, ok := ch.undo(now)
		if !ok {
			u.leave(ch, "was changed since where crpki had changed it, and stays: take out by hand what is for "+u.out.Registry)
			return nil
		}
		u.content[ch.Path] = was
	}
	if !slices.ContainsFunc(u.left, func(l nodeChange) bool { return l.Path == ch.Path }) {
		for _, command := range ch.Run {
			if store := u.Store(); store != nil && store.Distribution == "Debian" && command == store.Update {
				command += " --fresh" // without, the links in /etc/ssl/certs stay
			}
			u.out.Run = appendNew(u.out.Run, command)
		}
		u.out.Restart = appendNew(u.out.Restart, ch.Restart...)
	}
	return nil
}

// namedIn is a file that stays and names this one: without it, the runtime would
// fail.
func (u *undoing) namedIn(name string) string {
	for _, l := range u.left {
		if bytes.Contains(u.content[l.Path], []byte(name)) {
			return l.Path
		}
	}
	return ""
}

func (u *undoing) leave(ch nodeChange, why string) {
	u.left = append([]nodeChange{ch}, u.left...)
	u.out.Left = append(u.out.Left, ch.Path+" "+why)
}

// apply writes what is to be. The record goes last: a run that was killed is
// taken up again by the next.
func (u *undoing) apply(e *env, r record, recordName string) error {
	var files []pki.File
	var remove []string
	for _, name := range u.order {
		if !u.gone[name] && bytes.Equal(u.content[name], u.was[name]) {
			continue
		}
		host, err := u.place(name)
		if err != nil {
			return err
		}
		f := installedFile{Path: name, Removed: u.gone[name], Why: "without what the install wrote"}
		if u.gone[name] {
			remove = append(remove, host)
			f.diff = nodeDiff(name, u.was[name], nil)
		} else {
			info, err := u.Stat(name)
			if err != nil {
				return usageErrorf("%w", err)
			}
			files = append(files, pki.File{Path: host, Mode: info.Mode().Perm(), Data: u.content[name]})
			f.diff = nodeDiff(name, u.was[name], u.content[name])
		}
		u.out.Files = append(u.out.Files, f)
	}
	for _, ch := range r.Changes {
		u.handOverDirs(ch.Dirs)
	}
	if u.out.DryRun {
		return nil
	}
	for _, o := range u.others {
		if !o.changed {
			continue
		}
		host, err := u.place(o.name)
		if err != nil {
			return err
		}
		data, err := json.MarshalIndent(o.record, "", "  ")
		if err != nil {
			return err
		}
		files = append(files, pki.File{Path: host, Mode: pki.ModePrivate, Data: append(data, '\n')})
	}
	if len(files) > 0 {
		names := slices.Clone(u.order)
		for _, o := range u.others {
			names = append(names, o.name)
		}
		result, err := e.emit(files, emit.Options{Force: true, Now: e.now, Check: u.unchanged(names)})
		if err != nil {
			return placeHint(err)
		}
		dropBackups(result)
	}
	for _, host := range remove {
		if err := os.Remove(host); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return usageErrorf("remove %s: %w", host, pathCause(err))
		}
	}
	for _, name := range append(pathsOf(r.Changes), recordName) {
		if host, err := u.place(name); err == nil {
			removeBackups(host)
		}
	}
	for _, ch := range slices.Backward(r.Changes) {
		for _, dir := range slices.Backward(ch.Dirs) {
			if host, err := u.place(dir); err == nil {
				os.Remove(host) // only when it is empty
			}
		}
	}
	return u.dropRecord(e, r, recordName)
}

func (u *undoing) dropRecord(e *env, r record, recordName string) error {
	host, err := u.place(recordName)
	if err != nil {
		return err
	}
	r.Changes = u.left
	return u.writeRecord(e, r, host)
}

// writeRecord writes what is noted of a registry, and removes the file when that
// is nothing.
func (n *node) writeRecord(e *env, r record, host string) error {
	if len(r.Changes) > 0 {
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		result, err := e.emit([]pki.File{{Path: host, Mode: pki.ModePrivate, Data: append(data, '\n')}}, emit.Options{Force: true, Now: e.now})
		dropBackups(result)
		return placeHint(err)
	}
	if err := os.Remove(host); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usageErrorf("remove %s: %w", host, pathCause(err))
	}
	for _, dir := range []string{recordDir, path.Dir(recordDir)} {
		if host, err := n.place(dir); err == nil {
			os.Remove(host)
		}
	}
	return nil
}
