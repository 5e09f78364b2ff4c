package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// certsStyle is how a program reads a directory of certificates in the style of
// docker: *.crt are roots, *.cert with *.key are client certificates.
type certsStyle struct {
	// noKey and noCert are the messages, with the names of what is missing and
	// what is there.
	noKey, noCert string
	// anyError: a directory that may not be read is an error too.
	anyError bool
	// dangling: a .crt that leads nowhere is passed over.
	dangling bool
	// readDirOp is the operation by which reading a file as a directory fails.
	readDirOp string
}

// certsDir is what such a directory gives.
type certsDir struct {
	dir     string
	exists  bool
	anchors []Anchor
	clients []ClientCert
	// hasCRT: a root was read, so that the pool is not the default one.
	hasCRT   bool
	failure  *Failure
	steps    []Step
	mistakes []Mistake
	// needs is what crpki did not read, for its size or kind.
	needs string
}

// readCerts reads a directory as docker and containers/image do: in the order
// of names, up to the first error.
func (n *Node) readCerts(dir string, style certsStyle) *certsDir {
	c := &certsDir{dir: dir}
	entries, err := n.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c
	case errors.Is(err, fs.ErrPermission) && !style.anyError:
		c.step(dir, false, "permission denied: passed over")
		return c
	case err != nil:
		c.fail(dir, readDirAs(err, style.readDirOp), "certs-dir-unreadable")
		return c
	}
	c.exists = true
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, name := range names {
		if c.read(n, name, names, style); c.failure != nil {
			break
		}
	}
	c.lint(n, names)
	return c
}

// read takes one file of the directory.
func (c *certsDir) read(n *Node, name string, names []string, style certsStyle) {
	file := path.Join(c.dir, name)
	if base, ok := strings.CutSuffix(name, ".cert"); ok {
		c.readPair(n, base, names, style)
	}
	if base, ok := strings.CutSuffix(name, ".key"); ok && !slices.Contains(names, base+".cert") {
		c.failure = &Failure{Text: fmt.Sprintf(style.noCert, base+".cert", name), Place: Place{File: file}}
	}
	if !strings.HasSuffix(name, ".crt") {
		return
	}
	ca := n.CAFile(file)
	switch {
	case errors.Is(ca.Err, fs.ErrNotExist) && style.dangling:
		c.step(file, false, "a link that leads nowhere: passed over")
		c.mistakes = append(c.mistakes, Mistake{
			ID: "ca-link-dangling", Place: Place{File: file}, Severity: severityWarning,
			Text: "the link leads nowhere, and is passed over without a word", Fix: "ln -sf /path/to/ca.crt " + shellWord(file),
		})
		return
	case notReadHere(ca.Err):
		c.needs = notRead(file, ca.Err)
		c.step(file, false, reason(ca.Err))
		return
	case ca.Err != nil:
		c.fail(file, ca.Err, "ca-unreadable")
		return
	}
	c.hasCRT = true
	c.anchors = append(c.anchors, ca.Anchors...)
	c.step(file, len(ca.Anchors) > 0, counted(len(ca.Anchors), "certificate"))
}

func (c *certsDir) readPair(n *Node, base string, names []string, style certsStyle) {
	cert, key := path.Join(c.dir, base+".cert"), path.Join(c.dir, base+".key")
	if !slices.Contains(names, base+".key") {
		c.failure = &Failure{Text: fmt.Sprintf(style.noKey, base+".key", base+".cert"), Place: Place{File: cert}}
		m := Mistake{ID: "cert-without-key", Place: Place{File: cert}, Severity: severityError}
		if ca := n.CAFile(cert); len(ca.Anchors) > 0 {
			m.Text = fmt.Sprintf("a file *.cert is a client certificate and needs %s.key; this one holds %s: a CA is called *.crt", base, ca.Anchors[0].Cert.Describe())
			m.Fix = "mv " + shellWord(cert) + " " + shellWord(path.Join(c.dir, base+".crt"))
		} else {
			m.Text, m.Fix = fmt.Sprintf("a file *.cert is a client certificate and needs %s.key beside it", base), "rm "+shellWord(cert)
		}
		c.mistakes = append(c.mistakes, m)
		return
	}
	pair := n.KeyPair(cert, key)
	if notReadHere(pair.Err) {
		c.needs = notRead(pair.ErrFile, pair.Err)
		c.step(pair.ErrFile, false, reason(pair.Err))
		return
	}
	if pair.Err != nil {
		place := pair.ErrFile
		if place == "" {
			place = key
		}
		c.fail(place, pair.Err, "client-pair-broken")
		return
	}
	c.clients = append(c.clients, pair.ClientCert)
	c.step(cert, true, "client certificate")
}

func (c *certsDir) step(file string, used bool, why string) {
	c.steps = append(c.steps, Step{Place: Place{File: file}, Used: used, Why: why})
}

func (c *certsDir) fail(file string, err error, id string) {
	c.failure = &Failure{Text: err.Error(), Place: Place{File: file}}
	c.mistakes = append(c.mistakes, Mistake{
		ID: id, Place: Place{File: file}, Severity: severityError,
		Text: "nothing can be pulled from this registry: " + err.Error(), Fix: "repair or remove " + file,
	})
}

// lint looks at what is in the directory and not what its author thinks.
func (c *certsDir) lint(n *Node, names []string) {
	for _, name := range names {
		file := path.Join(c.dir, name)
		switch ext := path.Ext(name); {
		case ext == ".crt":
			c.lintCA(n, file)
		case ext == ".key":
			c.lintKey(n, name, file, names)
		case ext == ".cert":
		case name == "hosts.toml":
			c.mistakes = append(c.mistakes, Mistake{
				ID: "hosts-toml-not-read", Place: Place{File: file}, Severity: severityWarning,
				Text: "only containerd, and docker where it works through containerd, read hosts.toml",
				Fix:  "put the CA into " + path.Join(c.dir, "ca.crt"),
			})
		default:
			if ca := n.CAFile(file); ca.Err == nil && len(ca.Anchors) > 0 {
				c.mistakes = append(c.mistakes, Mistake{
					ID: "ca-extension", Place: Place{File: file}, Severity: severityWarning,
					Text: "holds a certificate, but only names that end in .crt are read, in small letters",
					Fix:  "mv " + shellWord(file) + " " + shellWord(strings.TrimSuffix(file, ext)+".crt"),
				})
			}
		}
	}
}

func (c *certsDir) lintCA(n *Node, file string) {
	ca := n.CAFile(file)
	if ca.Err != nil {
		return
	}
	for _, s := range ca.Skipped {
		m := Mistake{
			ID: "ca-not-taken", Place: Place{File: file, Line: s.Line}, Severity: severityWarning,
			Text: "passed over without a word: " + s.Why, Fix: "put the CA's certificate there, in PEM",
		}
		word := shellWord(file)
		switch {
		case strings.Contains(s.Why, "in DER"):
			m.ID, m.Fix = "ca-der", fmt.Sprintf("openssl x509 -inform DER -in %[1]s -out %[1]s.pem && mv %[1]s.pem %[1]s", word)
		case strings.Contains(s.Why, "TRUSTED"), strings.Contains(s.Why, "headers"):
			m.Fix = fmt.Sprintf("openssl x509 -in %[1]s -out %[1]s.pem && mv %[1]s.pem %[1]s", word)
		}
		c.mistakes = append(c.mistakes, m)
	}
	for _, a := range ca.Anchors {
		if x := a.Cert.X509; x != nil && x.BasicConstraintsValid && !x.IsCA {
			c.mistakes = append(c.mistakes, Mistake{
				ID: "ca-is-leaf", Place: Place{File: file, Line: a.Line}, Severity: severityWarning,
				Text: a.Cert.Describe() + " is no CA: it is trusted only where a server shows this very certificate",
				Fix:  "put the CA that issued it here",
			})
		}
	}
}

func (c *certsDir) lintKey(n *Node, name, file string, names []string) {
	if base := strings.TrimSuffix(name, ".key"); !slices.Contains(names, base+".cert") {
		m := Mistake{
			ID: "key-without-cert", Place: Place{File: file}, Severity: severityError,
			Text: fmt.Sprintf("a file *.key needs %s.cert beside it, or nothing can be pulled from this registry", base),
			Fix:  "mv " + shellWord(file) + " elsewhere",
		}
		if slices.Contains(names, base+".crt") {
			m.Text += fmt.Sprintf("; %s.crt is read as a CA", base)
		}
		c.mistakes = append(c.mistakes, m)
	}
	if info, err := n.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
		c.mistakes = append(c.mistakes, Mistake{
			ID: "key-world-readable", Place: Place{File: file}, Severity: severityWarning,
			Text: fmt.Sprintf("everybody on the node may read this private key (mode %04o)", info.Mode().Perm()),
			Fix:  "chmod 0600 " + shellWord(file),
		})
	}
}

// near looks beside dir for what was meant for the registry: the same host with
// another port or none.
func (n *Node) near(base, registry string) []Mistake {
	entries, err := n.ReadDir(base)
	if err != nil {
		return nil
	}
	host := hostOf(registry)
	var found []Mistake
	for _, e := range entries {
		name := e.Name()
		if name == registry || hostOf(name) != host && !strings.EqualFold(name, registry) && name != strings.ReplaceAll(registry, ":", "_")+"_" {
			continue
		}
		if inside, err := n.ReadDir(path.Join(base, name)); err != nil || len(inside) == 0 {
			continue
		}
		to := path.Join(base, registry)
		fix := fmt.Sprintf("mv %s %s", shellWord(path.Join(base, name)), shellWord(to))
		if n.Exists(to) {
			fix = fmt.Sprintf("cp %s/* %s/", shellWord(path.Join(base, name)), shellWord(to))
		}
		found = append(found, Mistake{
			ID: "registry-dir-name", Place: Place{File: path.Join(base, name)}, Severity: severityWarning,
			Text: fmt.Sprintf("is not read for %s: the name of the directory must be the registry's as it is written in the image's name, the port included", registry),
			Fix:  fix,
		})
	}
	return found
}

// notReadHere is true for an error that is crpki's own: the runtime reads on.
func notReadHere(err error) bool {
	return errors.Is(err, ErrTooLarge) || errors.Is(err, ErrNotRegular) || errors.Is(err, ErrTooMuch) || errors.Is(err, ErrNotAllowed)
}

// notRead says what is not known because of that.
func notRead(file string, err error) string {
	return "what " + file + " holds: it " + reason(err)
}

// hostOf is a registry's name without its port.
func hostOf(registry string) string {
	if i := strings.LastIndexByte(registry, ':'); i >= 0 && !strings.HasSuffix(registry, "]") {
		return registry[:i]
	}
	return registry
}

// opAs words an error of one system call as that of another.
func opAs(err error, op, as string) error {
	var p *fs.PathError
	if errors.As(err, &p) && p.Op == op {
		return &fs.PathError{Op: as, Path: p.Path, Err: p.Err}
	}
	return err
}

// readDirAs words the error of reading what is no directory as a release does.
func readDirAs(err error, as string) error {
	return opAs(opAs(err, "fdopendir", as), "readdirent", as)
}

// readDirOp is the system call by which os.ReadDir fails on a file: Go opens
// with O_DIRECTORY since 1.23.
func readDirOp(in Installation) string {
	if goRelease(in).release < 23 {
		return "readdirent"
	}
	return "open"
}

// shellWord quotes a path for a shell, where it needs that.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// The severities of a mistake.
const (
	severityError   = "error"
	severityWarning = "warning"
)
