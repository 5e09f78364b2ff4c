package trust

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"

	"github.com/crpki/crpki/pki"
)

// maxCached is the number of certificates that a Cache keeps: the roots of a
// few distributions.
const maxCached = 4096

type parsed struct {
	cert *x509.Certificate
	err  error
}

// parse is x509.ParseCertificate, once for each certificate.
func (c *Cache) parse(der []byte) (*x509.Certificate, error) {
	c.mu.Lock()
	p, ok := c.certs[string(der)]
	c.mu.Unlock()
	if ok {
		return p.cert, p.err
	}
	p.cert, p.err = x509.ParseCertificate(der)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.certs == nil || len(c.certs) >= maxCached {
		c.certs = map[string]parsed{}
	}
	c.certs[string(der)] = p
	return p.cert, p.err
}

// CAFile is a file of CA certificates as Go's CertPool.AppendCertsFromPEM takes
// it, and what it passes over without a word.
type CAFile struct {
	Path    string
	Anchors []Anchor
	// Skipped are the PEM blocks, or the whole, that are not taken, and why.
	Skipped []Skipped
	// Err is why the file cannot be read: "open /x: no such file or directory".
	Err error
}

// Skipped is a part of a file that Go does not take for a certificate.
type Skipped struct {
	// Line is where it begins; 0: the whole file.
	Line int
	Why  string
}

type caKey string

// CAFile reads the file at name, once.
func (n *Node) CAFile(name string) *CAFile {
	return Memo(n, caKey(name), func() *CAFile {
		data, err := n.ReadFile(name)
		if err != nil {
			return &CAFile{Path: name, Err: err}
		}
		return n.caFile(name, data)
	})
}

func (n *Node) caFile(name string, data []byte) *CAFile {
	f := &CAFile{Path: name}
	line, rest := 1, data
	seen := map[string]bool{}
	for index := 1; len(rest) > 0; index++ {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		begin := line + beginLine(rest[:len(rest)-len(after)])
		line += bytes.Count(rest[:len(rest)-len(after)], []byte{'\n'})
		rest = after
		switch {
		case block.Type != "CERTIFICATE":
			f.skip(begin, "the block is "+pki.Printable(block.Type)+", Go takes only CERTIFICATE")
			continue
		case len(block.Headers) != 0:
			f.skip(begin, "the block has headers, Go takes none")
			continue
		}
		cert, err := n.cache.parse(block.Bytes)
		if err != nil {
			f.skip(begin, pki.Printable(err.Error()))
			continue
		}
		if seen[string(block.Bytes)] {
			continue
		}
		seen[string(block.Bytes)] = true
		f.Anchors = append(f.Anchors, Anchor{
			File: name, Line: begin,
			Cert: pki.Cert{Origin: pki.Origin{Source: name, Index: index, Line: begin}, Raw: block.Bytes, X509: cert},
		})
	}
	if len(f.Anchors) == 0 && len(f.Skipped) == 0 {
		f.skip(0, whyNoPEM(data))
	}
	return f
}

func (f *CAFile) skip(line int, why string) {
	if len(f.Skipped) < 100 {
		f.Skipped = append(f.Skipped, Skipped{line, why})
	}
}

// beginLine counts the line breaks before the last BEGIN in the text of one
// block: text may stand above it.
func beginLine(text []byte) int {
	i := bytes.LastIndex(text, []byte("-----BEGIN"))
	return bytes.Count(text[:max(i, 0)], []byte{'\n'})
}

// whyNoPEM says what a file is that holds no PEM block.
func whyNoPEM(data []byte) string {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return "the file is empty"
	case data[0] == 0x30:
		if _, err := x509.ParseCertificate(data); err == nil {
			return "the certificate is in DER, not in PEM"
		}
		return "the file is binary (DER or PKCS#12), not PEM"
	case bytes.HasPrefix(data, []byte{0xef, 0xbb, 0xbf}):
		return "the file begins with a byte order mark, behind which Go finds no PEM block"
	case bytes.Contains(data, []byte("-----BEGIN")):
		return "the PEM block is damaged: Go finds no whole one"
	}
	return "the file holds no PEM block"
}

// Pair is a client certificate and its key as tls.X509KeyPair takes them.
type Pair struct {
	ClientCert
	// Err is what Go says: "tls: private key does not match public key", or why
	// a file cannot be read. ErrFile is the file that Err is about, "" for both.
	Err     error
	ErrFile string
}

type pairKey struct{ cert, key string }

// KeyPair reads a pair of files as tls.LoadX509KeyPair does, the certificate
// first. The key is dropped again.
func (n *Node) KeyPair(cert, key string) Pair {
	return Memo(n, pairKey{cert, key}, func() Pair {
		p := Pair{ClientCert: ClientCert{Cert: cert, Key: key}}
		certPEM, err := n.ReadFile(cert)
		if err != nil {
			p.Err, p.ErrFile = err, cert
			return p
		}
		keyPEM, err := n.ReadFile(key)
		if err != nil {
			p.Err, p.ErrFile = err, key
			return p
		}
		if s := n.Snapshot(); s != nil && s.Keys[key] != nil {
			p.Err = s.keyPairOf(certPEM, s.Keys[key])
			return p
		}
		_, p.Err = tls.X509KeyPair(certPEM, keyPEM)
		return p
	})
}
