package trust

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/crpki/crpki/pki"
)

// Seen is what the binaries told that were looked at so far, and the versions of
// the packages that may be a runtime's.
func (n *Node) Seen() Snapshot {
	s := Snapshot{Binaries: map[string]*Binary{}, Running: n.running, Packages: map[string]string{}, Keys: map[string][]byte{}}
	for key, value := range n.memo {
		if name, ok := key.(binaryKey); ok {
			if b := value.(*Binary); b != nil {
				s.Binaries[string(name)] = b
			}
		}
	}
	for name, p := range Memo(n, packagesKey{}, n.packages) {
		for _, part := range []string{"docker", "moby", "containerd", "podman", "skopeo", "buildah", "cri-o", "crio", "k3s", "rke2", "nerdctl"} {
			if strings.Contains(name, part) {
				s.Packages[name] = p.version
				break
			}
		}
	}
	return s
}

// keyOf gives the public half of the first private key in a PEM text, as PKIX,
// as tls.X509KeyPair would take it; nil when there is none that can be read.
func keyOf(data []byte) []byte {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil
		}
		data = rest
		if block.Type != "PRIVATE KEY" && !strings.HasSuffix(block.Type, " PRIVATE KEY") {
			continue
		}
		key := parseKey(block.Bytes)
		if key == nil {
			return nil
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return nil
		}
		return public
	}
}

func parseKey(der []byte) crypto.Signer {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		signer, _ := key.(crypto.Signer)
		return signer
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	return nil
}

// KeyLeftOut stands in a snapshot where a private key was.
const KeyLeftOut = "# a private key, left out by crpki trust snapshot\n"

// WithoutKeys gives a file's content without the private keys in it, and the
// public half of the first one. ok is false for content that may hold a key that
// cannot be told apart: it has no place in a snapshot.
func WithoutKeys(data []byte) (public, private []byte, ok bool) {
	private = keyOf(data)
	if isBinary(data) {
		if _, err := x509.ParseCertificate(data); err != nil {
			return nil, nil, false
		}
		return data, nil, true
	}
	var out []byte
	rest := data
	for {
		begin := bytes.Index(rest, []byte("-----BEGIN "))
		if begin < 0 {
			break
		}
		line, _, _ := bytes.Cut(rest[begin:], []byte("\n"))
		if !bytes.Contains(line, []byte("PRIVATE")) {
			out = append(out, rest[:begin+len("-----BEGIN ")]...)
			rest = rest[begin+len("-----BEGIN "):]
			continue
		}
		out = append(append(out, rest[:begin]...), KeyLeftOut...)
		end := bytes.Index(rest[begin:], []byte("-----END "))
		if end < 0 {
			rest = nil // a key without an end: nothing behind it is taken
			break
		}
		rest = rest[begin+end:]
		_, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
	}
	out = append(out, rest...)
	if bytes.Contains(bytes.ToUpper(out), []byte("PRIVATE KEY-----")) {
		return nil, nil, false // spelt so that only a lenient reader finds it
	}
	return out, private, true
}

func isBinary(data []byte) bool {
	return bytes.IndexByte(data, 0) >= 0 || len(data) > 0 && data[0] == 0x30 && !bytes.HasPrefix(data, []byte("0 "))
}

// keyPairOf is KeyPair in a snapshot, where of the key only its public half is
// known.
func (s *Snapshot) keyPairOf(certPEM []byte, key []byte) error {
	var leaf *x509.Certificate
	for rest := certPEM; leaf == nil; {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		rest = after
		if block.Type == "CERTIFICATE" {
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return err
			}
			leaf = c
		}
	}
	if leaf == nil {
		_, err := tls.X509KeyPair(certPEM, nil)
		return err
	}
	public, err := x509.ParsePKIXPublicKey(key)
	if err != nil {
		return err
	}
	if !pki.SamePublicKey(leaf.PublicKey, public) {
		return errors.New("tls: private key does not match public key")
	}
	return nil
}
