package trust

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// With is the node as it would be after the changes. It shares nothing with n
// but parsed certificates.
func (n *Node) With(changes []Change) *Node {
	o := &overlay{base: n.fsys, entries: map[string]*overlaid{}}
	for _, c := range changes {
		o.put(n.realPlace(c.Path), c)
	}
	return NewNode(o, NodeOptions{User: n.user, Cache: n.cache})
}

// realPlace is where a file will be that is written to name: links on the way
// are followed.
func (n *Node) realPlace(name string) string {
	dir, rest := path.Dir(path.Clean(name)), path.Base(name)
	for dir != "/" && dir != "." {
		if real, _, err := n.resolve(dir, true); err == nil {
			return path.Join(real, rest)
		}
		dir, rest = path.Dir(dir), path.Join(path.Base(dir), rest)
	}
	return strings.TrimPrefix(rest, "/")
}

// overlay is a file system with some files laid over it.
type overlay struct {
	base    fs.FS
	entries map[string]*overlaid
}

type overlaid struct {
	name    string
	mode    fs.FileMode
	data    []byte
	removed bool
	below   []string
}

func (o *overlaid) Name() string               { return o.name }
func (o *overlaid) Size() int64                { return int64(len(o.data)) }
func (o *overlaid) Mode() fs.FileMode          { return o.mode }
func (o *overlaid) ModTime() time.Time         { return time.Time{} }
func (o *overlaid) IsDir() bool                { return o.mode.IsDir() }
func (o *overlaid) Sys() any                   { return nil }
func (o *overlaid) Type() fs.FileMode          { return o.mode.Type() }
func (o *overlaid) Info() (fs.FileInfo, error) { return o, nil }

func (o *overlay) put(name string, c Change) {
	o.entries[name] = &overlaid{name: path.Base(name), mode: 0o644, data: c.Data, removed: c.Remove}
	for child := name; child != "."; child = path.Dir(child) {
		dir := path.Dir(child)
		if o.entries[dir] == nil {
			o.entries[dir] = &overlaid{name: path.Base(dir), mode: fs.ModeDir | 0o755}
		}
		o.entries[dir].below = append(o.entries[dir].below, child)
	}
}

func (o *overlay) Lstat(name string) (fs.FileInfo, error) {
	e := o.entries[name]
	switch {
	case e != nil && e.removed:
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	case e != nil && !e.IsDir():
		return e, nil
	}
	var info fs.FileInfo
	var err error
	if links, ok := o.base.(fs.ReadLinkFS); ok {
		info, err = links.Lstat(name)
	} else {
		info, err = fs.Stat(o.base, name)
	}
	if e != nil && errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	return info, err
}

func (o *overlay) ReadLink(name string) (string, error) {
	if links, ok := o.base.(fs.ReadLinkFS); ok {
		return links.ReadLink(name)
	}
	return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
}

func (o *overlay) Open(name string) (fs.File, error) {
	e := o.entries[name]
	switch {
	case e == nil:
		return o.base.Open(name)
	case e.removed:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case !e.IsDir():
		return &overlaidFile{Reader: bytes.NewReader(e.data), info: e}, nil
	}
	d := &overlaidFile{Reader: bytes.NewReader(nil), info: e}
	seen := map[string]bool{}
	for _, child := range e.below {
		if c := o.entries[child]; !seen[c.name] {
			seen[c.name] = true
			if !c.removed {
				d.entries = append(d.entries, c)
			}
		}
	}
	base, err := o.base.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return d, nil
		}
		return nil, err
	}
	defer base.Close()
	if lister, ok := base.(fs.ReadDirFile); ok {
		entries, err := lister.ReadDir(maxEntries)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		for _, b := range entries {
			if !seen[b.Name()] {
				d.entries = append(d.entries, b)
			}
		}
	}
	return d, nil
}

type overlaidFile struct {
	*bytes.Reader
	info    *overlaid
	entries []fs.DirEntry
}

func (f *overlaidFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *overlaidFile) Close() error               { return nil }

// ReadDir gives all entries at once.
func (f *overlaidFile) ReadDir(int) ([]fs.DirEntry, error) {
	entries := f.entries
	f.entries = nil
	if entries == nil {
		return nil, io.EOF
	}
	return entries, nil
}
