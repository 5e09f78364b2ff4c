package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// job judges one thing, or a few files that belong together.
type job = func() []inspect.TargetReport

// jobs makes jobs of files and folders, in their order, while they are done;
// those in first come before.
func (l *linter) jobs(paths []string, first ...job) iter.Seq[job] {
	return func(yield func(job) bool) {
		for _, j := range first {
			if !yield(j) {
				return
			}
		}
		var files []string
		flush := func() bool {
			more := l.grouped(files, !l.c.Bool("ignore-unknown"), yield)
			files = nil
			return more
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if path != "-" && (err != nil || !info.IsDir()) {
				files = append(files, path) // an error is told by its job
				continue
			}
			if !flush() {
				return
			}
			if path == "-" {
				if !l.single(path, true, yield) {
					return
				}
			} else if !l.walk(path, yield) {
				return
			}
		}
		flush()
	}
}

// expandAll resolves patterns.
func expandAll(args []string) ([]string, error) {
	var paths []string
	for _, arg := range args {
		if arg == "-" {
			paths = append(paths, arg)
			continue
		}
		found, err := expand(arg)
		if err != nil {
			return nil, err
		}
		paths = append(paths, found...)
	}
	return paths, nil
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
func (l *linter) walk(root string, yield func(job) bool) bool {
	var files []string
	folder := ""
	more := true
	flush := func() bool {
		more = l.grouped(files, false, yield)
		files = nil
		return more
	}
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			if err := readError(path, err); !flush() || !yield(func() []inspect.TargetReport { return failed(path, err) }) {
				more = false
				return fs.SkipAll
			}
		case d.IsDir():
			if path != root && (d.Name() == ".git" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
		case d.Type().IsRegular() && lintable(d.Name()):
			if dir := filepath.Dir(path); dir != folder {
				if !flush() {
					return fs.SkipAll
				}
				folder = dir
			}
			files = append(files, path)
		}
		return nil
	})
	return more && flush()
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
// with the CA beside it. false: no more jobs are wanted.
func (l *linter) grouped(files []string, named bool, yield func(job) bool) bool {
	keys, folders := map[string]string{}, map[string]*caFolder{}
	paired := map[string]bool{}
	for _, path := range files {
		switch {
		case isKeyName(path):
			keys[stem(path)] = path
		case isCAName(path):
			dir := filepath.Dir(path)
			if folders[dir] == nil {
				folders[dir] = &caFolder{}
			}
			folders[dir].paths = append(folders[dir].paths, path)
		}
	}
	for _, path := range files {
		if hasCertName(path) && keys[stem(path)] != "" {
			paired[keys[stem(path)]] = true
		}
	}
	for _, path := range files {
		switch {
		case paired[path]: // judged with its certificate
		case !hasCertName(path) || large(path):
			if !l.single(path, named, yield) {
				return false
			}
		default:
			key, cas := keys[stem(path)], folders[filepath.Dir(path)]
			if isCAName(path) {
				cas = nil
			}
			if !yield(func() []inspect.TargetReport { return l.certificate(path, key, cas, named) }) {
				return false
			}
		}
	}
	return true
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
func (l *linter) certificate(path, key string, cas *caFolder, named bool) []inspect.TargetReport {
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
	m.Anchors = append(m.Anchors, cas.anchorsFor(l, m.Certs)...)
	return l.evidence(path, m)
}

// single judges a file by itself.
func (l *linter) single(path string, named bool, yield func(job) bool) bool {
	if large(path) && !isTextName(path) {
		return l.pieces(path, yield)
	}
	return yield(func() []inspect.TargetReport {
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
	})
}

// manifest judges what a Secret, a values file, a script and the like hold. The
// hosts that it names itself are dialled by clients.
func (l *linter) manifest(path string, data []byte) []inspect.TargetReport {
	units, err := k8ssecret.Read(path, data, l.formatOptions())
	var reports []inspect.TargetReport
	for _, u := range units {
		reports = append(reports, l.unit(path, u))
	}
	if err != nil {
		reports = append(reports, failed(path, err)...)
	}
	return reports
}

// unit judges one unit that the file at path gave.
func (l *linter) unit(path string, u k8ssecret.Unit) inspect.TargetReport {
	m, hosts := u.Material, slices.Clip(l.hosts)
	if u.Kind == k8ssecret.KindSecret && isAuthority(m) {
		m = asAnchors(m)
	}
	m.Anchors = append(slices.Clip(m.Anchors), l.anchorsFor(m.Certs)...)
	for _, h := range u.Hosts {
		hosts = append(hosts, inspect.Host(h))
	}
	return l.run(path, &inspect.Evidence{Target: u.Target, Material: m, Hosts: hosts})
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
		m = asAnchors(m)
	}
	m.Anchors = append(slices.Clip(m.Anchors), l.anchorsFor(m.Certs)...)
	return []inspect.TargetReport{l.run(path, &inspect.Evidence{Target: path, Material: m, Hosts: l.hosts})}
}

// run judges the evidence that the file at path gave. Certificates of other
// files, such as the CA beside it, are counted with their own.
func (l *linter) run(path string, e *inspect.Evidence) inspect.TargetReport {
	e.Limits, e.Now = l.limits, l.now
	l.decided.config.Apply(path, e)
	r := l.judge.Run(e)
	more, err := l.second.judge(l.c.Context, path, e)
	if err != nil {
		r.Error = err.Error()
	}
	r.Findings = append(r.Findings, more...)
	l.decided.config.WaiveIn(e, r.Findings)
	r.Clients = l.clients(e)
	r.Certificates = 0
	for _, certs := range [][]pki.Cert{e.Material.Certs, e.Material.Anchors} {
		for _, c := range certs {
			if c.Origin.Source == path {
				r.Certificates++
			}
		}
	}
	return r
}

// asAnchors takes all certificates for what clients trust.
func asAnchors(m pki.Material) pki.Material {
	m.Anchors = slices.Concat(m.Certs, m.Anchors)
	m.Certs = nil
	return m
}

// isBundle: nothing but CAs, none of which names a host, is for clients. With
// its key it may also be what a server presents.
func isBundle(m pki.Material, path string) bool {
	if isCAName(path) {
		return true
	}
	if hasOwnKey(m) {
		return isAuthority(m)
	}
	for _, c := range m.Certs {
		if c.X509 == nil || !c.X509.IsCA || len(c.X509.DNSNames)+len(c.X509.IPAddresses) > 0 {
			return false
		}
	}
	return len(m.Certs) > 0
}

// isAuthority: the certificates are CAs' that sign and name no host, and the
// first is the key's own, or stands in a field that is no server's. This is what
// an issuer signs with. Servers that sign themselves have CA:TRUE too, but they
// name a host or leave keyCertSign out.
func isAuthority(m pki.Material) bool {
	for _, c := range m.Certs {
		if c.X509 == nil || !c.X509.IsCA || c.X509.KeyUsage&x509.KeyUsageCertSign == 0 || namesHost(c.X509) {
			return false
		}
	}
	if len(m.Certs) == 0 {
		return false
	}
	if len(m.Keys) == 0 {
		return !strings.HasSuffix(m.Certs[0].Origin.Field, "tls.crt")
	}
	return hasOwnKey(m)
}

// hasOwnKey: a key of the first certificate is there.
func hasOwnKey(m pki.Material) bool {
	return len(m.Certs) > 0 && m.Certs[0].X509 != nil && slices.ContainsFunc(m.Keys, func(k pki.Key) bool {
		return k.Signer != nil && pki.SamePublicKey(k.Public(), m.Certs[0].X509.PublicKey)
	})
}

// namesHost: a certificate names a host in its subjectAltName, or in a common
// name that looks like nothing else.
func namesHost(c *x509.Certificate) bool {
	if len(c.DNSNames)+len(c.IPAddresses)+len(c.URIs)+len(c.EmailAddresses) > 0 {
		return true
	}
	n, _, err := pki.ParseName(c.Subject.CommonName)
	return err == nil && (n.Kind == pki.IP || n.Kind == pki.DNS && strings.Contains(n.Value, "."))
}

// Large bundles are judged in pieces, in bytes, which keeps the memory flat
// however large the file is. A piece grows to maxBlock when a block asks for it.
const (
	largeFile = 4 << 20
	pieceSize = 128 << 10
	maxBlock  = 8 << 20
)

// piece is a part of a large file, and how many blocks and lines stand before it.
type piece struct {
	data          []byte
	blocks, lines int
}

// pieces makes a job of each part of a large bundle. Rules that look at a whole
// chain do not apply to such a heap.
func (l *linter) pieces(path string, yield func(job) bool) bool {
	fail := func(err error) bool { return yield(func() []inspect.TargetReport { return failed(path, err) }) }
	f, err := os.Open(path)
	if err != nil {
		return fail(readError(path, err))
	}
	defer f.Close()
	more := true
	err = cutPieces(f, func(p piece) bool {
		more = yield(func() []inspect.TargetReport {
			r, err := l.piece(path, p)
			if err != nil {
				return failed(path, err)
			}
			return []inspect.TargetReport{r}
		})
		return more
	})
	if err != nil && more {
		return fail(usageErrorf("%s: %w", path, err))
	}
	return more
}

// cutPieces cuts what r holds where blocks end.
func cutPieces(r io.Reader, yield func(piece) bool) error {
	p := piece{}
	var left []byte
	for size := pieceSize; ; {
		buf := make([]byte, max(size, 2*len(left)))
		n := copy(buf, left)
		more, err := io.ReadFull(r, buf[n:])
		buf = buf[:n+more]
		end := len(buf)
		if err == nil {
			if end = lastEnd(buf); end == 0 {
				if len(buf) >= maxBlock {
					return fmt.Errorf("line %d: a block of more than %d MiB is no certificate", p.lines+1, maxBlock>>20)
				}
				left = buf
				continue
			}
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		p.data, left = buf[:end], buf[end:]
		if len(bytes.TrimSpace(p.data)) > 0 && !yield(p) {
			return nil
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
