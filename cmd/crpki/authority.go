package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// What the files of a CA are called.
const (
	caBase           = "ca"
	intermediateBase = "intermediate"
)

// openCA reads the CA of --ca and --ca-key.
func (e *env) openCA(c *cli.Context) (*issue.CA, error) {
	path := c.String("ca")
	if path == "" {
		return nil, withHint(usageErrorf("which CA is to sign? --ca is missing"), "for example: "+commandPath(c)+" --ca certs/ca.crt")
	}
	return e.openCAFiles(c, path, c.String("ca-key"))
}

// openCAFiles reads a CA's certificate, with what it finds of its chain, and
// its key: in the same file, in keyPath, or beside the certificate.
func (e *env) openCAFiles(c *cli.Context, path, keyPath string) (*issue.CA, error) {
	opened := &passwordKeeper{env: e, c: c, prefix: "ca-key-"}
	m, err := opened.decode(path)
	if err != nil {
		return nil, err
	}
	certs, err := parsedCerts(path, m)
	if err != nil {
		return nil, err
	}
	if keyPath != "" || len(m.Keys) == 0 {
		keyPath, m, err = e.caKey(opened, path, keyPath)
		if err != nil {
			return nil, err
		}
	} else {
		keyPath = path
	}
	key, err := oneKey(keyPath, m)
	if err != nil {
		return nil, err
	}
	ca, err := issue.OpenCA(e.withRoot(path, certs), key, e.now)
	if err != nil {
		return nil, caHint(usageErrorf("%s: %w", path, err), keyPath)
	}
	e.warnings(ca.Remarks())
	return ca, nil
}

func caHint(err error, keyPath string) error {
	if errors.Is(err, issue.ErrKeyMismatch) {
		return withHint(err, fmt.Sprintf("the key is in %s: is it of another CA, or older?", keyPath))
	}
	if errors.Is(err, issue.ErrExpired) {
		return withHint(err, "make a new CA, and give clients both until all servers have new certificates")
	}
	return err
}

// caKey finds the key of the CA certificate in path: ca.key for ca.crt.
func (e *env) caKey(opened *passwordKeeper, path, keyPath string) (string, pki.Material, error) {
	if keyPath == "" {
		keyPath = besideKey(path)
		if path == "-" || !exists(keyPath) {
			return "", pki.Material{}, withHint(usageErrorf("%s: the CA's key is not in it, and there is no %s", path, keyPath), "say where the key is: --ca-key FILE")
		}
	}
	m, err := opened.decode(keyPath)
	return keyPath, m, err
}

// besideKey is the customary place of the key to a certificate.
func besideKey(certPath string) string {
	return strings.TrimSuffix(certPath, filepath.Ext(certPath)) + ".key"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// parsedCerts are the certificates of m. Among those of a CA none may be
// broken: which one it is cannot be known.
func parsedCerts(path string, m pki.Material) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	var errs []error
	for _, cert := range append(m.Certs[:len(m.Certs):len(m.Certs)], m.Anchors...) {
		if cert.Err != nil {
			errs = append(errs, usageErrorf("%s: %w", cert.Origin, cert.Err))
			continue
		}
		certs = append(certs, cert.X509)
	}
	if len(certs)+len(errs) == 0 {
		return nil, usageErrorf("%s: there is no certificate in it", path)
	}
	return certs, errors.Join(errs...)
}

// withRoot adds, to an intermediate without its root, the ca.crt beside it.
func (e *env) withRoot(path string, certs []*x509.Certificate) []*x509.Certificate {
	root := filepath.Join(filepath.Dir(path), caBase+".crt")
	if path == "-" || sameFile(path, root) || !exists(root) {
		return certs
	}
	opened := &passwordKeeper{env: e}
	m, err := opened.decode(root)
	if err != nil {
		return certs
	}
	more, err := parsedCerts(root, m)
	if err != nil {
		return certs
	}
	for _, candidate := range more {
		for _, c := range certs {
			if !pki.Issued(c, c) && pki.Issued(candidate, c) {
				return append(certs, candidate)
			}
		}
	}
	return certs
}
