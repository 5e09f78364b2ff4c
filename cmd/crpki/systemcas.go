package main

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"

	"github.com/crpki/crpki/inspect/trust"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// systemCAs gives what this machine trusts, as a Go program finds it:
// SSL_CERT_FILE and SSL_CERT_DIR take the place of file and folders.
func (e *env) systemCAs() ([]pki.Cert, error) {
	var certs []pki.Cert
	seen := map[string]bool{}
	add := func(path string) bool {
		data, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		if allSeen(data, seen) {
			return true
		}
		m, err := format.Decode(path, data, format.Options{})
		if err != nil {
			return false
		}
		for _, c := range append(m.Certs, m.Anchors...) {
			if !seen[string(c.Raw)] {
				seen[string(c.Raw)] = true
				certs = append(certs, c)
			}
		}
		return true
	}
	files := append(trust.SystemFiles(), "/usr/local/etc/ssl/cert.pem") // FreeBSD (root_bsd.go)
	if file := e.getenv("SSL_CERT_FILE"); file != "" {
		files = []string{file}
	}
	for _, file := range files {
		if add(file) {
			break
		}
	}
	folders := trust.SystemDirs()
	if dirs := e.getenv("SSL_CERT_DIR"); dirs != "" {
		folders = strings.Split(dirs, ":")
	}
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			add(filepath.Join(folder, entry.Name()))
		}
	}
	if len(certs) == 0 {
		return nil, withHint(usageErrorf("--system: this machine has no CA certificates in %s, nor elsewhere that Go programs look",
			files[0]), "install ca-certificates, or use --ca-file")
	}
	return certs, nil
}

// allSeen is true for PEM of nothing but certificates that were read before:
// Debian has each CA in a bundle, in a file, and under the hash of its name.
func allSeen(data []byte, seen map[string]bool) bool {
	found := false
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return found && len(bytes.TrimSpace(rest)) == 0
		}
		if block.Type != "CERTIFICATE" || !seen[string(block.Bytes)] {
			return false
		}
		found, data = true, rest
	}
}
