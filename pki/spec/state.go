package spec

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// Endings of the two files of an entry.
const (
	certExt = ".crt"
	keyExt  = ".key"
)

// Sources are where [Spec.Load] reads.
type Sources struct {
	// Out is the folder of the certificates; nil when it does not exist yet.
	Out fs.FS
	// OutName is what messages put before the names of its files: "certs".
	OutName string
	// File gives the content of a CA's files that lie elsewhere; see
	// [ReadOptions.File].
	File func(path string) ([]byte, error)
	// CA and Cert open protected keys of CAs and of certificates.
	CA, Cert Passwords
}

// Passwords open protected keys. The zero value has none.
type Passwords struct {
	// Given is asked while loading; nil when the user gave no password.
	Given format.PasswordFunc
	// Ask is asked when a key is needed that Given did not open.
	Ask format.PasswordFunc
}

// State is what the files of a spec hold at present.
type State struct {
	entries map[string]*present
	// Strays are certificates and keys in the folder of which the spec says
	// nothing.
	Strays []string
}

// present is what the files of one entry hold.
type present struct {
	certFile, keyFile string // as messages call them

	chain   []*x509.Certificate // of the certificate's file, its own first
	hasCert bool
	certErr error

	key    crypto.Signer // nil when there is none, or it is locked
	hasKey bool
	keyErr error
	// unlock asks for the password of a protected key; nil when there is no
	// need.
	unlock    func() (crypto.Signer, error)
	passwords Passwords
}

// cert is the entry's own certificate, or nil.
func (p *present) cert() *x509.Certificate {
	if len(p.chain) == 0 {
		return nil
	}
	return p.chain[0]
}

// keyIsMissing says so, in words.
func (p *present) keyIsMissing() string {
	return p.keyFile + " is missing"
}

// signer is the key, unlocked if need be.
func (p *present) signer() (crypto.Signer, error) {
	if p.key != nil || p.unlock == nil {
		return p.key, p.keyErr
	}
	key, err := p.unlock()
	if err != nil {
		return nil, err
	}
	p.key, p.unlock = key, nil
	return key, nil
}

// Load reads the files of the spec. An error is what kept it from looking, all
// files together; what can be read and makes no sense is for [Spec.Plan] to
// tell.
func (s *Spec) Load(src Sources) (*State, error) {
	st := &State{entries: map[string]*present{}}
	l := &loader{src: src}
	for _, e := range s.entries() {
		p := &present{passwords: src.Cert}
		if s.ca(e.Name) != nil {
			p.passwords = src.CA
		}
		if ca := s.ca(e.Name); ca != nil && ca.From != nil {
			l.from(p, ca)
		} else {
			l.pair(p, e.Name)
		}
		st.entries[e.Name] = p
	}
	st.Strays = l.strays(s)
	return st, errors.Join(l.errs...)
}

type loader struct {
	src  Sources
	errs []error
}

func (l *loader) fail(err error) { l.errs = append(l.errs, err) }

func (l *loader) display(name string) string { return path.Join(l.src.OutName, name) }

// pair reads name.crt and name.key.
func (l *loader) pair(p *present, name string) {
	p.certFile, p.keyFile = l.display(name+certExt), l.display(name+keyExt)
	if data, ok := l.read(name + certExt); ok {
		l.takeCerts(p, data)
	}
	if data, ok := l.read(name + keyExt); ok {
		l.takeKey(p, data)
	}
}

// from reads a CA that lies elsewhere. One file may hold certificate and key,
// or ca.key is beside ca.crt. The key may be away (an offline CA) while nothing
// has to be signed.
func (l *loader) from(p *present, ca *CA) {
	p.certFile, p.keyFile = ca.From.Cert, ca.From.Key
	data, err := l.src.File(ca.From.Cert)
	switch {
	case err != nil:
		l.fail(err)
	case p.keyFile == "":
		if p.keyFile = p.certFile; l.takeBoth(p, data) {
			return
		}
		p.keyFile = strings.TrimSuffix(p.certFile, filepath.Ext(p.certFile)) + keyExt
	default:
		l.takeCerts(p, data)
	}
	if p.keyFile == p.certFile {
		return
	}
	switch data, err := l.src.File(p.keyFile); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		l.fail(err)
	default:
		l.takeKey(p, data)
	}
}

// read reads a regular file of the folder: a pipe would never end. It reports
// whether there is one.
func (l *loader) read(name string) ([]byte, bool) {
	if l.src.Out == nil {
		return nil, false
	}
	data, err := readRegular(l.src.Out, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		l.fail(fmt.Errorf("read %s: %w", l.display(name), cause(err)))
		return nil, false
	}
	return data, true
}

func readRegular(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if len(data) > maxBytes {
		return nil, fmt.Errorf("it has more than %d KiB: that is no certificate or key", maxBytes>>10)
	}
	return data, err
}

// cause takes the path off an error, since messages have it already.
func cause(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func (l *loader) takeCerts(p *present, data []byte) {
	p.hasCert = true
	m, err := format.Decode(p.certFile, data, format.Options{})
	if err != nil && len(m.Certs) == 0 {
		p.certErr = err
		return
	}
	p.chain, p.certErr = certsOf(p.certFile, m.Certs)
}

// certsOf demands that every certificate can be read.
func certsOf(file string, certs []pki.Cert) ([]*x509.Certificate, error) {
	if len(certs) == 0 {
		return nil, fmt.Errorf("%s: there is no certificate in it", file)
	}
	var chain []*x509.Certificate
	for _, c := range certs {
		if c.X509 == nil {
			return nil, fmt.Errorf("%s: %w", c.Origin, c.Err)
		}
		chain = append(chain, c.X509)
	}
	return chain, nil
}

func (l *loader) takeKey(p *present, data []byte) {
	p.hasKey = true
	key, err := decodeKey(p.keyFile, data, p.passwords.Given)
	switch {
	case err == nil:
		p.key = key
	case errors.Is(err, format.ErrPasswordNeeded) && p.passwords.Ask != nil:
		p.unlock = func() (crypto.Signer, error) { return decodeKey(p.keyFile, data, p.passwords.Ask) }
	case isPasswordError(err):
		l.fail(err)
	default:
		p.keyErr = err
	}
}

// isPasswordError is true for keys that are sound, as far as can be seen.
func isPasswordError(err error) bool {
	return errors.Is(err, format.ErrPasswordNeeded) || errors.Is(err, format.ErrPasswordWrong)
}

func decodeKey(file string, data []byte, password format.PasswordFunc) (crypto.Signer, error) {
	m, err := format.Decode(file, data, format.Options{Password: password})
	if err != nil {
		return nil, err
	}
	return oneKey(file, m.Keys)
}

func oneKey(file string, keys []pki.Key) (crypto.Signer, error) {
	switch {
	case len(keys) == 0:
		return nil, fmt.Errorf("%s: there is no private key in it", file)
	case len(keys) > 1:
		return nil, fmt.Errorf("%s: there are %d private keys in it, and one is wanted", file, len(keys))
	case keys[0].Signer == nil:
		return nil, fmt.Errorf("%s: %w", keys[0].Origin, keys[0].Err)
	}
	return keys[0].Signer, nil
}

// takeBoth reads a file that may hold certificate and key: PKCS#12, or PEM. Its
// password may be needed to see even the certificate. It reports false when
// there was no key in it.
func (l *loader) takeBoth(p *present, data []byte) bool {
	password := p.passwords.Given
	if password == nil {
		password = p.passwords.Ask
	}
	m, err := format.Decode(p.certFile, data, format.Options{Password: password})
	if err != nil {
		l.fail(err)
		return true
	}
	p.hasCert = true
	p.chain, p.certErr = certsOf(p.certFile, m.Certs)
	if len(m.Keys) == 0 {
		return false
	}
	p.hasKey = true
	p.key, p.keyErr = oneKey(p.certFile, m.Keys)
	return true
}

// strays lists files of the folder that look like an entry's and are none's.
func (l *loader) strays(s *Spec) []string {
	if l.src.Out == nil {
		return nil
	}
	files, err := fs.ReadDir(l.src.Out, ".")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.fail(fmt.Errorf("read the folder %s: %w", l.src.OutName, cause(err)))
	}
	known := map[string]bool{}
	for _, e := range s.entries() {
		known[e.Name+certExt], known[e.Name+keyExt] = true, true
	}
	for _, ca := range s.CAs {
		if ca.From != nil { // perhaps in this very folder
			known[filepath.Base(ca.From.Cert)], known[filepath.Base(ca.From.Key)] = true, true
		}
	}
	var strays []string
	for _, f := range files {
		ext := path.Ext(f.Name())
		if (ext == certExt || ext == keyExt) && !f.IsDir() && !known[f.Name()] {
			strays = append(strays, l.display(f.Name()))
		}
	}
	return strays
}
