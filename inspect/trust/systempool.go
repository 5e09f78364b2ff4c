package trust

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"
)

// SystemFiles are the files in which Go looks for a system's roots on Linux: the
// first that can be read counts (crypto/x509, root_linux.go).
func SystemFiles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Alpine, Arch
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // CentOS, RHEL 7
		"/etc/ssl/cert.pem",                                 // Alpine
	}
}

// SystemDirs are the directories in which it looks after that, in all of each.
func SystemDirs() []string { return []string{"/etc/ssl/certs", "/etc/pki/tls/certs"} }

// SystemPool is what a Go program on the node has for its system's roots. It is
// shared: nobody changes it.
type SystemPool struct {
	// File is the one that was read, "" when none could be.
	File string
	// Dirs were read as well.
	Dirs []string
	// Anchors in the order read, each certificate once.
	Anchors []Anchor
	// Err is what x509.SystemCertPool returns, nil for a pool that is merely empty.
	Err error
	// Steps are the files and directories that were looked for.
	Steps []Step
	// Environment tells what set SSL_CERT_FILE or SSL_CERT_DIR, when one did.
	Environment []Place
}

type poolKey struct{ file, dirs string }

// SystemPool loads the roots as a Go program with this environment does; only
// SSL_CERT_FILE and SSL_CERT_DIR play a part.
func (n *Node) SystemPool(env Env) *SystemPool {
	file, filePlace := env.Lookup("SSL_CERT_FILE")
	dirs, dirPlace := env.Lookup("SSL_CERT_DIR")
	pool := Memo(n, poolKey{file, dirs}, func() *SystemPool { return n.loadPool(file, dirs) })
	if file == "" && dirs == "" {
		return pool
	}
	own := *pool
	for _, p := range []Place{filePlace, dirPlace} {
		if p != (Place{}) {
			own.Environment = append(own.Environment, p)
		}
	}
	return &own
}

func (n *Node) loadPool(file, dirs string) *SystemPool {
	p := &SystemPool{}
	files, folders := SystemFiles(), SystemDirs()
	if file != "" {
		files = []string{file}
	}
	if dirs != "" {
		folders = strings.Split(dirs, ":")
	}
	seen := map[string]bool{}
	var firstErr error
	note := func(err error) {
		if firstErr == nil && !errors.Is(err, fs.ErrNotExist) {
			firstErr = err
		}
	}
	for _, name := range files {
		f := n.CAFile(name)
		if f.Err != nil {
			note(f.Err)
			p.Steps = append(p.Steps, Step{Place: Place{File: name}, Why: reason(f.Err)})
			continue
		}
		p.File = name
		p.add(f, seen)
		p.Steps = append(p.Steps, Step{Place: Place{File: name}, Used: true, Why: "the system's roots: the first file that can be read, " + counted(len(f.Anchors), "certificate")})
		break
	}
	for _, folder := range folders {
		entries, err := n.ReadDir(folder)
		if err != nil {
			note(err)
			p.Steps = append(p.Steps, Step{Place: Place{File: folder}, Why: reason(err)})
			continue
		}
		before := len(p.Anchors)
		p.Dirs = append(p.Dirs, folder)
		for _, entry := range entries {
			name := path.Join(folder, entry.Name())
			if entry.IsDir() || n.isHashLink(name, entry) {
				continue
			}
			// Errors of single files are passed over, as Go does.
			if f := n.CAFile(name); f.Err == nil {
				p.add(f, seen)
			}
		}
		p.Steps = append(p.Steps, Step{Place: Place{File: folder}, Used: true, Why: "every file in it as well, " + counted(len(p.Anchors)-before, "certificate") + " more"})
	}
	if len(p.Anchors) == 0 {
		p.Err = firstErr
	}
	return p
}

// isHashLink is true for a link into its own directory, such as 3513523f.0:
// what it leads to is read by itself (root_unix.go, isSameDirSymlink).
func (n *Node) isHashLink(name string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return false
	}
	target, err := n.ReadLink(name)
	return err == nil && !strings.Contains(target, "/")
}

func (p *SystemPool) add(f *CAFile, seen map[string]bool) {
	for _, a := range f.Anchors {
		if !seen[string(a.Cert.Raw)] {
			seen[string(a.Cert.Raw)] = true
			a.System = true
			p.Anchors = append(p.Anchors, a)
		}
	}
}

// reason is why something could not be read, without the path.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// MarshalJSON gives where the roots are and how many, not each of them.
func (p *SystemPool) MarshalJSON() ([]byte, error) {
	text := ""
	if p.Err != nil {
		text = p.Err.Error()
	}
	return json.Marshal(struct {
		File         string   `json:"file,omitempty"`
		Dirs         []string `json:"dirs,omitempty"`
		Certificates int      `json:"certificates"`
		Environment  []Place  `json:"environment,omitempty"`
		Error        string   `json:"error,omitempty"`
	}{p.File, p.Dirs, len(p.Anchors), p.Environment, text})
}
