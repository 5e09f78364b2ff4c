package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/trust"
)

// node is a node that was opened by --root.
type node struct {
	*trust.Node
	root string
	// user is that of --user.
	user string
	// folder is nil for a snapshot, which is only read.
	folder *os.Root
	// live: it is the running system.
	live bool
	// processes are its daemons, where it is.
	processes []process
	close     func() error
}

func (n *node) Close() { n.close() }

// openNode opens the node of --root, as the user of --user.
func (e *env) openNode(c *cli.Context) (*node, error) {
	return e.openAs(c, c.String("root"), nil)
}

func (e *env) openAs(c *cli.Context, root string, cache *trust.Cache) (*node, error) {
	o := trust.NodeOptions{Cache: cache}
	n, err := e.openRoot(root, o)
	if err != nil {
		return nil, err
	}
	name := c.String("user")
	if name == "" {
		return n, nil
	}
	o.User, err = userOf(n.Node, name)
	n.Close()
	if err != nil {
		return nil, err
	}
	if n, err = e.openRoot(root, o); err == nil {
		n.user = name
	}
	return n, err
}

func (e *env) openRoot(root string, o trust.NodeOptions) (*node, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, usageErrorf("--root %s: %w", root, pathCause(err))
	}
	if info.IsDir() {
		opened, err := os.OpenRoot(root)
		if err != nil {
			return nil, usageErrorf("--root %s: %w", root, pathCause(err))
		}
		uid := os.Geteuid()
		o.Blind = uid > 0 && uid != o.User.UID
		var daemons []process
		if isLive(root) {
			daemons = processes()
			o.Running = runningDaemons(daemons)
		}
		n := trust.NewNode(rootFS{opened, opened.FS().(fs.ReadLinkFS)}, o)
		return &node{Node: n, root: root, folder: opened, live: isLive(root), processes: daemons, close: opened.Close}, nil
	}
	if !info.Mode().IsRegular() {
		return nil, usageErrorf("--root %s: neither a folder nor a tar file", root)
	}
	f, err := os.Open(root)
	if err != nil {
		return nil, usageErrorf("--root %s: %w", root, pathCause(err))
	}
	defer f.Close()
	tree, err := readTar(f)
	if err != nil {
		return nil, withHint(usageErrorf("--root %s: %w", root, err), "it has to be a folder, or a tar file such as crpki trust snapshot makes")
	}
	return &node{Node: trust.NewNode(tree, o), root: root, close: func() error { return nil }}, nil
}

// decide asks a runtime. Of what crpki may not read and the runtime may, nothing
// is known: it is not taken for the runtime's failure.
func (n *node) decide(r surveyed, ref trust.Reference) []trust.Decision {
	own := n.seenBy(r)
	all := r.Decide(own, r.at, ref)
	if needs := own.NotAllowed(); needs != "" {
		for i := range all {
			all[i].Needs, all[i].Failure, all[i].Endpoints, all[i].Mistakes = needs, nil, nil, nil
		}
	}
	return all
}

// seenBy is the node for one runtime: where crpki is blind, with nothing read
// yet, so that NotAllowed is about this runtime. Daemons run as root.
func (n *node) seenBy(r surveyed) *trust.Node {
	uid := os.Geteuid()
	if n.folder == nil || uid <= 0 {
		return n.Node
	}
	switch r.Name() {
	case "podman", "skopeo", "buildah", "nerdctl", "docker": // without root, too
		return n.Anew(uid != n.User().UID)
	}
	return n.Anew(true)
}

// command is a fix as it has to be typed here: "crpki trust install" is for this
// node, and this user.
func (n *node) command(fix string) string {
	if !strings.HasPrefix(fix, "crpki trust install ") {
		return fix
	}
	if n.folder != nil && !n.live {
		fix += " --root " + shellQuote(n.root)
	}
	if n.user != "" {
		fix += " --user " + shellQuote(n.user)
	}
	return fix
}

// isLive is true for the running system's root.
func isLive(root string) bool {
	abs, err := filepath.Abs(root)
	return err == nil && abs == "/"
}

// rootFS opens what is below a root without waiting: a named pipe that nobody
// writes to would hold up the open otherwise.
type rootFS struct {
	root *os.Root
	fs.ReadLinkFS
}

func (r rootFS) Open(name string) (fs.File, error) {
	return r.root.OpenFile(name, os.O_RDONLY|openNoWait, 0)
}

// userOf finds a user in the node's /etc/passwd.
func userOf(n *trust.Node, name string) (trust.User, error) {
	data, err := n.ReadFile("/etc/passwd")
	if err != nil {
		return trust.User{}, usageErrorf("--user %s: %w", name, err)
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 7 || fields[0] != name {
			continue
		}
		uid, err := strconv.Atoi(fields[2])
		if err != nil {
			break
		}
		return trust.User{UID: uid, Home: fields[5]}, nil
	}
	return trust.User{}, usageErrorf("--user %s: the node's /etc/passwd has no such user", name)
}

// What a snapshot holds at most. It is read into memory.
const (
	maxSnapshot        = 64 << 20
	maxSnapshotEntries = 50_000
)

// readTar reads a tar file, which may be compressed by gzip.
func readTar(r io.Reader) (tarFS, error) {
	b := bufio.NewReader(r)
	r = b
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		r = z
	}
	tree := tarFS{".": {name: ".", mode: fs.ModeDir | 0o755}}
	entries := &tarReader{r: io.LimitReader(r, 4*maxSnapshot)}
	total := int64(0)
	for {
		h, err := entries.next()
		if errors.Is(err, io.EOF) {
			if len(tree) == 1 {
				return nil, errors.New("an empty tar file")
			}
			return tree, nil
		}
		if err != nil {
			return nil, err
		}
		if len(tree) > maxSnapshotEntries {
			return nil, fmt.Errorf("more than %d files", maxSnapshotEntries)
		}
		name := strings.TrimPrefix(path.Clean("/"+h.name), "/")
		if name == "" {
			continue
		}
		entry := &tarEntry{name: path.Base(name), time: h.time, mode: h.mode, size: h.size}
		switch h.kind {
		case tarRegular, tarFile0:
			if total += h.size; total > maxSnapshot {
				return nil, fmt.Errorf("more than %d MiB", maxSnapshot>>20)
			}
			if entry.data, err = entries.content(); err != nil {
				return nil, err
			}
		case tarSymlink:
			entry.link = h.link
		case tarHardLink:
			old := tree[strings.TrimPrefix(path.Clean("/"+h.link), "/")]
			if old == nil || !old.mode.IsRegular() {
				continue
			}
			linked := *old
			entry = &linked
			entry.name = path.Base(name)
		}
		tree.put(name, entry)
	}
}

// tarFS is a tar file in memory: path → entry.
type tarFS map[string]*tarEntry

// put adds an entry, and the folders above it.
func (t tarFS) put(name string, entry *tarEntry) {
	if old := t[name]; old != nil && old.mode.IsDir() {
		if entry.mode.IsDir() {
			old.mode, old.time = entry.mode, entry.time
		}
		return // what was unpacked below it stays
	}
	parent := path.Dir(name)
	if t[parent] == nil {
		t.put(parent, &tarEntry{name: path.Base(parent), mode: fs.ModeDir | 0o755})
	}
	if !t[parent].mode.IsDir() {
		return // it would lie below a file or a link
	}
	if t[name] == nil {
		t[parent].below = append(t[parent].below, name)
	}
	t[name] = entry
}

type tarEntry struct {
	name  string
	mode  fs.FileMode
	time  time.Time
	size  int64
	data  []byte
	link  string
	below []string
}

func (e *tarEntry) Name() string               { return e.name }
func (e *tarEntry) Size() int64                { return e.size }
func (e *tarEntry) Mode() fs.FileMode          { return e.mode }
func (e *tarEntry) ModTime() time.Time         { return e.time }
func (e *tarEntry) IsDir() bool                { return e.mode.IsDir() }
func (e *tarEntry) Sys() any                   { return nil }
func (e *tarEntry) Type() fs.FileMode          { return e.mode.Type() }
func (e *tarEntry) Info() (fs.FileInfo, error) { return e, nil }

func (t tarFS) entry(op, name string) (*tarEntry, error) {
	if e := t[name]; e != nil {
		return e, nil
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

func (t tarFS) Lstat(name string) (fs.FileInfo, error) { return t.entry("lstat", name) }

func (t tarFS) ReadLink(name string) (string, error) {
	e, err := t.entry("readlink", name)
	if err != nil {
		return "", err
	}
	return e.link, nil
}

// Open opens a file or folder. Symbolic links are the node's to follow.
func (t tarFS) Open(name string) (fs.File, error) {
	e, err := t.entry("open", name)
	if err != nil {
		return nil, err
	}
	return &tarFile{entry: e, Reader: bytes.NewReader(e.data), tree: t}, nil
}

type tarFile struct {
	*bytes.Reader
	entry *tarEntry
	tree  tarFS
	read  bool
}

func (f *tarFile) Stat() (fs.FileInfo, error) { return f.entry, nil }
func (f *tarFile) Close() error               { return nil }

// ReadDir gives all entries at once.
func (f *tarFile) ReadDir(int) (entries []fs.DirEntry, err error) {
	if f.read {
		return nil, io.EOF
	}
	f.read = true
	for _, name := range f.entry.below {
		entries = append(entries, f.tree[name])
	}
	return entries, nil
}
