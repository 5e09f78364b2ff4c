package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// job judges one thing, or a few files that belong together.
type job func() []inspect.TargetReport

// jobs turns the arguments into jobs, in the order of the arguments.
func (l *linter) jobs(args []string) ([]job, error) {
	var jobs []job
	var files []string
	flush := func() {
		jobs = append(jobs, l.grouped(files, !l.c.Bool("ignore-unknown"))...)
		files = nil
	}
	for _, arg := range args {
		if arg == "-" {
			flush()
			jobs = append(jobs, l.single("-", true))
			continue
		}
		paths, err := expand(arg)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil || !info.IsDir() {
				files = append(files, path) // an error is told by its job
				continue
			}
			flush()
			found, err := l.walk(path)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, found...)
		}
	}
	flush()
	return jobs, nil
}

// expand resolves a pattern that the shell left alone. A name that exists is
// never taken for a pattern.
func expand(arg string) ([]string, error) {
	if _, err := os.Lstat(arg); err == nil || !strings.ContainsAny(arg, "*?[") {
		return []string{arg}, nil
	}
	found, err := filepath.Glob(arg)
	if err != nil {
		return nil, usageErrorf("%s: the pattern is malformed", arg)
	}
	if len(found) == 0 {
		return nil, usageErrorf("%s: no file fits the pattern", arg)
	}
	return found, nil
}

// walk makes the jobs of a folder and all below it. Links are not followed, and
// folders of tools are passed over.
func (l *linter) walk(root string) ([]job, error) {
	var jobs []job
	var files []string
	folder := ""
	flush := func() {
		jobs = append(jobs, l.grouped(files, false)...)
		files = nil
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return usageErrorf("read %s: %w", path, pathCause(err))
		case d.IsDir():
			if path != root && (d.Name() == ".git" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
		case d.Type().IsRegular() && lintable(d.Name()):
			if dir := filepath.Dir(path); dir != folder {
				flush()
				folder = dir
			}
			files = append(files, path)
		}
		return nil
	})
	flush()
	return jobs, err
}

// lintable tells by its name whether a file in a folder is looked at. Files
// that are named on the command line always are.
func lintable(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".crt", ".pem", ".cer", ".cert", ".der", ".key", ".csr", ".req", ".p12", ".pfx", ".p7b", ".p7c", ".jks", ".chain", ".bundle":
		return true
	}
	return isTextName(name) || strings.HasPrefix(name, ".env.")
}

// grouped makes jobs of the files of folders: a certificate with its key, and
// with the CA beside it.
func (l *linter) grouped(files []string, named bool) []job {
	var jobs []job
	keys, anchors := map[string]string{}, map[string][]string{}
	paired := map[string]bool{}
	for _, path := range files {
		switch {
		case isKeyName(path):
			keys[stem(path)] = path
		case isCAName(path):
			anchors[filepath.Dir(path)] = append(anchors[filepath.Dir(path)], path)
		}
	}
	for _, path := range files {
		if hasCertName(path) && keys[stem(path)] != "" {
			paired[keys[stem(path)]] = true
		}
	}
	for _, path := range files {
		if paired[path] {
			continue // judged with its certificate
		}
		if !hasCertName(path) {
			jobs = append(jobs, l.single(path, named))
			continue
		}
		key, cas := keys[stem(path)], anchors[filepath.Dir(path)]
		if isCAName(path) {
			cas = nil
		}
		jobs = append(jobs, func() []inspect.TargetReport { return l.certificate(path, key, cas, named) })
	}
	return jobs
}

func stem(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }

func isKeyName(path string) bool { return strings.EqualFold(filepath.Ext(path), ".key") }

func hasCertName(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".crt", ".pem", ".cer", ".cert":
		return true
	}
	return false
}

// isCAName: ca.crt, ca.pem, ca-bundle.crt, cacert.pem, root.crt, registry-ca.crt.
func isCAName(path string) bool {
	if !hasCertName(path) {
		return false
	}
	name := strings.ToLower(filepath.Base(stem(path)))
	switch name {
	case "ca", "cacert", "ca-bundle", "ca-certificates", "root", "root-ca", "rootca":
		return true
	}
	return strings.HasSuffix(name, "-ca") || strings.HasSuffix(name, "_ca") || strings.HasSuffix(name, ".ca")
}

// certificate judges a certificate file with its key and the CAs beside it.
func (l *linter) certificate(path, key string, cas []string, named bool) []inspect.TargetReport {
	if large(path) {
		return l.stream(path)
	}
	m, err := l.load(path)
	if err != nil {
		return l.unrecognised(path, err, named)
	}
	if key != "" {
		if km, err := l.load(key); err == nil {
			m.Append(km)
		} else {
			return append(l.evidence(path, m), failed(key, err)...)
		}
	}
	for _, ca := range cas {
		if cm, err := l.load(ca); err == nil {
			m.Anchors = append(m.Anchors, append(cm.Certs, cm.Anchors...)...)
		}
	}
	return l.evidence(path, m)
}

// single judges a file by itself.
func (l *linter) single(path string, named bool) job {
	return func() []inspect.TargetReport {
		if large(path) && !isTextName(path) {
			return l.stream(path)
		}
		data, err := l.read(path)
		if err != nil {
			return l.unrecognised(path, err, named)
		}
		if k8ssecret.Sniff(path, data) != "" {
			return l.manifest(path, data)
		}
		m, err := l.material(path, data)
		if err != nil {
			return l.unrecognised(path, err, named)
		}
		return l.evidence(path, m)
	}
}

// manifest judges what a Secret, a values file, a script and the like hold. The
// hosts that it names itself are dialled by clients.
func (l *linter) manifest(path string, data []byte) []inspect.TargetReport {
	units, err := k8ssecret.Read(path, data, l.formatOptions())
	var reports []inspect.TargetReport
	for _, u := range units {
		m, hosts := u.Material, slices.Clip(l.hosts)
		m.Anchors = append(slices.Clip(m.Anchors), l.anchors...)
		for _, h := range u.Hosts {
			hosts = append(hosts, inspect.Host(h))
		}
		reports = append(reports, l.judge.Run(&inspect.Evidence{Target: u.Target, Material: m, Hosts: hosts, Limits: l.limits, Now: l.now}))
	}
	if err != nil {
		reports = append(reports, failed(path, err)...)
	}
	return reports
}

// isTextName: what is written by hand is read as a whole, however large.
func isTextName(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json", ".env", ".sh", ".bash", ".zsh", ".ps1", ".md", ".markdown":
		return true
	}
	return false
}

// unrecognised: a file in a folder may be anything; one that was named, or that
// looks like ours, must be readable.
func (l *linter) unrecognised(path string, err error, named bool) []inspect.TargetReport {
	if !named && !hasCertName(path) && !errors.Is(err, format.ErrPasswordNeeded) {
		return nil
	}
	return failed(path, err)
}

func failed(path string, err error) []inspect.TargetReport {
	return []inspect.TargetReport{{Target: path, Findings: []inspect.Finding{}, Error: err.Error()}}
}

func (l *linter) load(path string) (pki.Material, error) {
	data, err := l.read(path)
	if err != nil {
		return pki.Material{}, err
	}
	return l.material(path, data)
}

// large files are judged piece by piece.
func large(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() > largeFile
}

func (l *linter) material(path string, data []byte) (pki.Material, error) {
	return format.Decode(path, data, l.formatOptions())
}

func (l *linter) formatOptions() format.Options {
	return format.Options{
		Password: func(origin pki.Origin) ([]byte, error) { return l.password(l.c, "", origin.String()) },
	}
}

// evidence judges material: certificates of CAs alone are a bundle of anchors.
func (l *linter) evidence(path string, m pki.Material) []inspect.TargetReport {
	if isBundle(m, path) {
		m.Anchors = append(m.Certs, m.Anchors...)
		m.Certs = nil
	}
	m.Anchors = append(slices.Clip(m.Anchors), l.anchors...)
	e := &inspect.Evidence{Target: path, Material: m, Hosts: l.hosts, Limits: l.limits, Now: l.now}
	r := l.judge.Run(e)
	r.Clients = l.clients(e)
	return []inspect.TargetReport{r}
}

// isBundle: nothing but CAs, none of which names a host, is for clients.
func isBundle(m pki.Material, path string) bool {
	if isCAName(path) {
		return true
	}
	for _, c := range m.Certs {
		if c.X509 == nil || !c.X509.IsCA || len(c.X509.DNSNames)+len(c.X509.IPAddresses) > 0 {
			return false
		}
	}
	return len(m.Certs) > 0
}

// Large bundles are judged in pieces of pieceSize, in bytes, which keeps the
// memory flat however large the file is.
const (
	largeFile = 4 << 20
	pieceSize = 1 << 20
)

// piece is a part of a large file, and how many blocks and lines stand before it.
type piece struct {
	data          []byte
	blocks, lines int
}

// stream judges a large bundle piece by piece on all processors. Rules that look
// at a whole chain do not apply to such a heap.
func (l *linter) stream(path string) []inspect.TargetReport {
	f, err := os.Open(path)
	if err != nil {
		return failed(path, readError(path, err))
	}
	defer f.Close()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	var parts []*inspect.TargetReport
	err = pieces(f, func(p piece) {
		part := new(inspect.TargetReport)
		parts = append(parts, part)
		g.Go(func() (err error) {
			*part, err = l.piece(path, p)
			return err
		})
	})
	if err := errors.Join(err, g.Wait()); err != nil {
		return failed(path, fmt.Errorf("%s: %w", path, err))
	}
	total := inspect.TargetReport{Target: path, Findings: []inspect.Finding{}}
	for _, part := range parts {
		total.Certificates += part.Certificates
		total.Findings = append(total.Findings, part.Findings...)
	}
	return []inspect.TargetReport{total}
}

// pieces cuts what r holds where blocks end.
func pieces(r io.Reader, yield func(piece)) error {
	p := piece{}
	var left []byte
	for {
		buf := make([]byte, pieceSize)
		n := copy(buf, left)
		more, err := io.ReadFull(r, buf[n:])
		buf = buf[:n+more]
		end := len(buf)
		if err == nil {
			if end = lastEnd(buf); end == 0 {
				return fmt.Errorf("line %d: a block of more than %d KiB is no certificate", p.lines+1, pieceSize>>10)
			}
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		p.data, left = buf[:end], buf[end:]
		if len(bytes.TrimSpace(p.data)) > 0 {
			yield(p)
		}
		if err != nil {
			return nil
		}
		p.blocks += bytes.Count(p.data, []byte("-----BEGIN "))
		p.lines += bytes.Count(p.data, []byte{'\n'})
	}
}

// lastEnd is the place behind the last whole END line, 0 when there is none.
func lastEnd(data []byte) int {
	for end := len(data); ; {
		at := bytes.LastIndex(data[:end], []byte("-----END "))
		if at < 0 {
			return 0
		}
		if newline := bytes.IndexByte(data[at:], '\n'); newline >= 0 {
			return at + newline + 1
		}
		end = at
	}
}

func (l *linter) piece(path string, p piece) (inspect.TargetReport, error) {
	m, err := l.material(path, p.data)
	if err != nil {
		return inspect.TargetReport{}, err
	}
	shift := func(o *pki.Origin) {
		if o.Index > 0 {
			o.Index += p.blocks
		}
		if o.Line > 0 {
			o.Line += p.lines
		}
	}
	for i := range m.Certs {
		shift(&m.Certs[i].Origin)
	}
	for i := range m.Notes {
		shift(&m.Notes[i].Origin)
	}
	return l.judge.RunEach(&inspect.Evidence{Target: path, Material: m, Limits: l.limits, Now: l.now}), nil
}
