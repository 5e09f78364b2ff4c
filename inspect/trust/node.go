package trust

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
)

// What is read of a node at most. A node's configuration has some kilobytes,
// its roots some hundred; a copy of a node may hold anything.
const (
	maxFile    = 8 << 20
	maxTotal   = 256 << 20
	maxEntries = 20_000
	maxLinks   = 40 // as the kernel follows
	// keepBelow bounds the size of files that are kept in memory.
	keepBelow = 1 << 20
)

// Node is the file system of a node, from its / down, and the user whose
// configuration counts. Paths are the node's own, absolute and with slashes;
// symbolic links lead where they lead on the node, and never out of it. Only
// regular files are read, and only up to a limit.
//
// Errors read as those of a Go program on the node: "open /etc/x: permission
// denied". They are of type *fs.PathError, and errors.Is knows fs.ErrNotExist
// and fs.ErrPermission.
//
// What was read is kept. A Node is for one goroutine; several may share a Cache.
type Node struct {
	fsys    fs.FS
	user    User
	cache   *Cache
	stats   map[string]stat
	files   map[string]file
	dirs    map[string]dir
	memo    map[any]any
	total   int64
	blind   bool
	running []Process
	// denied are the paths that crpki may not read, where it is blind.
	denied []string
}

// User is the one whose home counts where a runtime looks there (podman,
// skopeo, rootless docker). The zero value is root.
type User struct {
	UID int
	// Home is /root when it is empty.
	Home string
	// Env holds XDG_CONFIG_HOME and the like.
	Env map[string]string
}

// NodeOptions choose how a node is read. The zero value is root's view.
type NodeOptions struct {
	User User
	// Blind: crpki runs as another user than the runtimes. What it may not read,
	// they may: that is ErrNotAllowed, and no error of the node.
	Blind bool
	// Running are the daemons that run on the node, where it is this machine.
	Running []Process
	// Cache is shared by nodes that have certificates in common; nil: one of
	// this node's own.
	Cache *Cache
}

// NewNode reads a node below fsys, whose root is the node's /. An fsys that is
// an [fs.ReadLinkFS] has symbolic links, and need not follow any itself.
func NewNode(fsys fs.FS, o NodeOptions) *Node {
	if o.Cache == nil {
		o.Cache = &Cache{}
	}
	if o.User.Home == "" {
		o.User.Home = "/root"
	}
	return &Node{
		fsys: fsys, user: o.User, cache: o.Cache, blind: o.Blind, running: o.Running,
		stats: map[string]stat{}, files: map[string]file{}, dirs: map[string]dir{}, memo: map[any]any{},
	}
}

// Anew is the node with nothing read of it yet.
func (n *Node) Anew(blind bool) *Node {
	return NewNode(n.fsys, NodeOptions{User: n.user, Cache: n.cache, Blind: blind, Running: n.running})
}

// NotAllowed says what crpki was not allowed to read, "" when nothing was kept
// from it.
func (n *Node) NotAllowed() string {
	if len(n.denied) == 0 {
		return ""
	}
	return notRead(n.denied[0], ErrNotAllowed)
}

// sight tells an error of the node from one of crpki's own.
func (n *Node) sight(real string, err error) error {
	if !n.blind || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if name := path.Join("/", real); !slices.Contains(n.denied, name) {
		n.denied = append(n.denied, name)
	}
	return ErrNotAllowed
}

type stat struct {
	info fs.FileInfo
	link string
	err  error
}

type file struct {
	data []byte
	err  error
}

type dir struct {
	entries []fs.DirEntry
	err     error
}

// errno is an error as a Linux system call words it, whatever system crpki
// runs on.
type errno struct {
	text string
	is   error
}

func (e *errno) Error() string        { return e.text }
func (e *errno) Is(target error) bool { return target == e.is && e.is != nil }

var (
	errNotExist   = &errno{"no such file or directory", fs.ErrNotExist}
	errPermission = &errno{"permission denied", fs.ErrPermission}
	errNotDir     = &errno{"not a directory", nil}
	errIsDir      = &errno{"is a directory", nil}
	errLoop       = &errno{"too many levels of symbolic links", nil}
)

// Errors that are not the node's but crpki's: what it does not read.
var (
	ErrTooLarge   = errors.New("is too large to be read here")
	ErrNotRegular = errors.New("is not a regular file and is not read here")
	ErrTooMuch    = errors.New("there is more on this node than is read")
	ErrNotAllowed = errors.New("may not be read by crpki, which runs as another user: run it as root")
)

// asNode gives the error that a program on the node gets.
func asNode(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		err = errNotExist
	case errors.Is(err, fs.ErrPermission):
		err = errPermission
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// lstat looks at a path that has no symbolic link before its last part.
func (n *Node) lstat(real string) stat {
	if s, ok := n.stats[real]; ok {
		return s
	}
	var s stat
	if links, ok := n.fsys.(fs.ReadLinkFS); ok {
		s.info, s.err = links.Lstat(real)
		if s.err == nil && s.info.Mode()&fs.ModeSymlink != 0 {
			s.link, s.err = links.ReadLink(real)
		}
	} else {
		s.info, s.err = fs.Stat(n.fsys, real)
	}
	s.err = n.sight(real, s.err)
	n.stats[real] = s
	return s
}

// resolve follows symbolic links as the kernel does for a process whose root is
// the node's. The last part is followed too when last is true.
func (n *Node) resolve(name string, last bool) (real string, s stat, err error) {
	todo := splitPath(name)
	real, links := ".", 0
	s = n.lstat(".")
	for i := 0; i < len(todo); i++ {
		part := todo[i]
		if s.err != nil {
			return real, s, s.err
		}
		if !s.info.IsDir() {
			return real, s, errNotDir
		}
		if part == ".." {
			real = path.Dir(real)
			s = n.lstat(real)
			continue
		}
		next := path.Join(real, part)
		s = n.lstat(next)
		if s.err != nil {
			return next, s, s.err
		}
		if s.info.Mode()&fs.ModeSymlink == 0 || i == len(todo)-1 && !last {
			real = next
			continue
		}
		if links++; links > maxLinks {
			return next, s, errLoop
		}
		if strings.HasPrefix(s.link, "/") {
			real = "."
		}
		todo, i = append(splitPath(s.link), todo[i+1:]...), -1
		s = n.lstat(real)
	}
	return real, s, s.err
}

// splitPath gives the parts of a path, without those that stay where they are.
func splitPath(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(s string) bool { return s == "" || s == "." })
}

// ReadFile gives the content of a regular file.
func (n *Node) ReadFile(name string) ([]byte, error) {
	real, s, err := n.resolve(name, true)
	if err != nil {
		return nil, asNode("open", name, err)
	}
	if f, ok := n.files[real]; ok {
		return f.data, asNode(opOf(f.err), name, f.err)
	}
	f := n.read(real, s.info)
	if len(f.data) <= keepBelow {
		n.files[real] = f
	}
	return f.data, asNode(opOf(f.err), name, f.err)
}

// opOf is the system call that fails so.
func opOf(err error) string {
	switch err {
	case errIsDir, ErrTooLarge, ErrNotRegular, ErrTooMuch:
		return "read"
	}
	return "open"
}

func (n *Node) read(real string, info fs.FileInfo) file {
	switch {
	case info.IsDir():
		return file{err: errIsDir}
	case !info.Mode().IsRegular():
		return file{err: ErrNotRegular}
	case info.Size() > maxFile:
		return file{err: ErrTooLarge}
	case n.total+info.Size() > maxTotal:
		return file{err: ErrTooMuch}
	}
	opened, err := n.fsys.Open(real)
	if err != nil {
		return file{err: n.sight(real, err)}
	}
	defer opened.Close()
	// Between the look and the opening it may have become something else.
	if now, err := opened.Stat(); err != nil || !now.Mode().IsRegular() {
		return file{err: ErrNotRegular}
	}
	// The size is only a hint: files of /proc have none.
	var b bytes.Buffer
	b.Grow(int(info.Size()) + bytes.MinRead)
	_, err = b.ReadFrom(io.LimitReader(opened, maxFile+1))
	n.total += int64(b.Len())
	switch {
	case err != nil:
		return file{err: err}
	case b.Len() > maxFile:
		return file{err: ErrTooLarge}
	}
	return file{data: b.Bytes()}
}

// ReadDir gives the entries of a directory, sorted by name.
func (n *Node) ReadDir(name string) ([]fs.DirEntry, error) {
	real, s, err := n.resolve(name, true)
	if err != nil {
		return nil, asNode("open", name, err)
	}
	d, ok := n.dirs[real]
	if !ok {
		d.entries, d.err = n.readDir(real, s.info)
		n.dirs[real] = d
	}
	op := "open"
	if d.err == errNotDir {
		op = "readdirent"
	}
	return d.entries, asNode(op, name, d.err)
}

func (n *Node) readDir(real string, info fs.FileInfo) ([]fs.DirEntry, error) {
	if !info.IsDir() {
		return nil, errNotDir
	}
	f, err := n.fsys.Open(real)
	if err != nil {
		return nil, n.sight(real, err)
	}
	defer f.Close()
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil, errNotDir
	}
	entries, err := d.ReadDir(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(entries) == maxEntries {
		return nil, ErrTooMuch
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Stat describes what name leads to.
func (n *Node) Stat(name string) (fs.FileInfo, error) {
	_, s, err := n.resolve(name, true)
	if err != nil {
		return nil, asNode("stat", name, err)
	}
	return s.info, nil
}

// Lstat describes name itself, which may be a symbolic link.
func (n *Node) Lstat(name string) (fs.FileInfo, error) {
	_, s, err := n.resolve(name, false)
	if err != nil {
		return nil, asNode("lstat", name, err)
	}
	return s.info, nil
}

// ReadLink gives the text of a symbolic link.
func (n *Node) ReadLink(name string) (string, error) {
	_, s, err := n.resolve(name, false)
	if err == nil && s.info.Mode()&fs.ModeSymlink == 0 {
		err = fs.ErrInvalid
	}
	if err != nil {
		return "", asNode("readlink", name, err)
	}
	return s.link, nil
}

// Resolve gives the path that name leads to when no link is left in it. Two
// names for one file resolve to the same.
func (n *Node) Resolve(name string) (string, error) {
	real, _, err := n.resolve(name, true)
	if err != nil {
		return "", asNode("lstat", name, err)
	}
	return path.Join("/", real), nil
}

// Exists is true when something is there, whatever it is.
func (n *Node) Exists(name string) bool {
	_, err := n.Stat(name)
	return err == nil
}

// IsDir is true for a directory, or a link to one.
func (n *Node) IsDir(name string) bool {
	info, err := n.Stat(name)
	return err == nil && info.IsDir()
}

// Bounds of Glob: a pattern may have many stars, and a folder may link to itself.
const (
	maxMatches = 2000
	maxLooked  = 200_000
)

// Glob gives the paths that match, sorted, as filepath.Glob does on the node:
// what cannot be read matches nothing. The error is path.ErrBadPattern, or
// ErrTooMuch.
func (n *Node) Glob(pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	found, looked := []string{"/"}, 0
	for _, part := range splitPath(path.Clean(pattern)) {
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(part, `*?[\`) {
				if name := path.Join(dir, part); n.is(name) {
					next = append(next, name)
				}
				continue
			}
			entries, err := n.ReadDir(dir)
			if err != nil {
				continue
			}
			looked += len(entries)
			for _, e := range entries {
				if ok, _ := path.Match(part, e.Name()); ok {
					next = append(next, path.Join(dir, e.Name()))
				}
			}
			if len(next) > maxMatches || looked > maxLooked {
				return nil, ErrTooMuch
			}
		}
		found = next
	}
	return found, nil
}

// is true when something has this name, be it a link that leads nowhere.
func (n *Node) is(name string) bool {
	_, err := n.Lstat(name)
	return err == nil
}

// User is the one whose configuration counts.
func (n *Node) User() User { return n.user }

// Getenv gives a variable of the user's environment. HOME is always set.
func (n *Node) Getenv(name string) string {
	if v, ok := n.user.Env[name]; ok {
		return v
	}
	if name == "HOME" {
		return n.user.Home
	}
	return ""
}

// ConfigHome is $XDG_CONFIG_HOME, or .config in the user's home.
func (n *Node) ConfigHome() string {
	if dir := n.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir
	}
	return path.Join(n.Getenv("HOME"), ".config")
}

// Hosts gives the addresses that /etc/hosts has for a name.
func (n *Node) Hosts(name string) []netip.Addr {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	table := Memo(n, hostsKey{}, func() map[string][]netip.Addr {
		table := map[string][]netip.Addr{}
		data, _ := n.ReadFile("/etc/hosts")
		for line := range strings.Lines(string(data)) {
			line, _, _ = strings.Cut(line, "#")
			fields := strings.Fields(line)
			if len(fields) < 2 {
				continue
			}
			addr, err := netip.ParseAddr(fields[0])
			if err != nil {
				continue
			}
			for _, f := range fields[1:] {
				f = strings.ToLower(f)
				table[f] = append(table[f], addr)
			}
		}
		return table
	})
	return table[name]
}

type hostsKey struct{}

// Memo gives what make made for key the first time: a configuration is parsed
// once for a node. A key is of a type of its user's own.
func Memo[T any](n *Node, key any, make func() T) T {
	if v, ok := n.memo[key]; ok {
		return v.(T)
	}
	v := make()
	n.memo[key] = v
	return v
}

// Cache holds parsed certificates for nodes that have them in common. It is
// bounded, and safe for use by several goroutines. The zero value is ready.
type Cache struct {
	mu    sync.Mutex
	certs map[string]parsed
}
