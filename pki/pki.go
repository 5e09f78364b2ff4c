// Package pki holds the nouns of crpki: certificates, keys and signing
// requests as they were found, the names by which clients dial, and files to
// be written. It reads no file, knows no command and repairs nothing.
//
// Start with [Material], the one shape in which every source (a file, a
// Secret, a server, a node) hands over what it holds, and with [ParseName].
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
)

// Origin says where something was found, so that every message can point
// there.
type Origin struct {
	// Source is a path, "-" for standard input, "host:port", or "secret/ns/name".
	Source string `json:"source"`
	// Field is the part of the source: "tls.crt" in a Secret. Empty when there is none.
	Field string `json:"field,omitempty"`
	// Index counts blocks from 1 within source and field. 0 means the whole.
	Index int `json:"index,omitempty"`
	// Line and Column count from 1 and point to where the block or value begins
	// in the source as it lies on disk. 0: not known, or not a text.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
}

// String prints "server.pem#2" or "secret.yaml tls.crt#1".
func (o Origin) String() string {
	s := o.Source
	if o.Field != "" {
		s += " " + o.Field
	}
	if o.Index > 0 {
		s += fmt.Sprintf("#%d", o.Index)
	}
	return s
}

// Cert is a certificate as it was found. One that Go refuses to parse is still
// material: then X509 is nil and Err says why.
type Cert struct {
	Origin Origin
	// Raw is the DER as found, trailing bytes included.
	Raw  []byte
	X509 *x509.Certificate
	Err  error
}

// NewCert parses der strictly, as Go clients do, and keeps it either way.
func NewCert(origin Origin, der []byte) Cert {
	c := Cert{Origin: origin, Raw: der}
	c.X509, c.Err = x509.ParseCertificate(der)
	return c
}

// CSR is a certificate signing request (RFC 2986) as it was found. One that Go
// refuses to parse has a nil X509 and an Err.
type CSR struct {
	Origin Origin
	Raw    []byte
	X509   *x509.CertificateRequest
	Err    error
}

// NewCSR parses der and keeps it either way.
func NewCSR(origin Origin, der []byte) CSR {
	c := CSR{Origin: origin, Raw: der}
	c.X509, c.Err = x509.ParseCertificateRequest(der)
	return c
}

// Key is a private key as it was found. It never prints itself: every way of
// formatting it gives its type and size alone.
type Key struct {
	Origin Origin
	// Signer is nil when the key could not be read; then Err says why.
	Signer crypto.Signer
	// Encrypted is true when a password protected it where it was found.
	Encrypted bool
	Err       error
}

// Public is the public half, or nil when the key could not be read.
func (k Key) Public() crypto.PublicKey {
	if k.Signer == nil {
		return nil
	}
	return k.Signer.Public()
}

// String gives type and size: "ECDSA P-256".
func (k Key) String() string {
	if k.Signer == nil {
		return "unreadable key"
	}
	return DescribePublicKey(k.Signer.Public())
}

// Format keeps the private numbers out of every fmt verb, %#v included.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue keeps the private numbers out of structured logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText keeps the private numbers out of JSON and YAML documents.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Note is what a reader saw and the parsed values no longer show: a byte-order
// mark, a doubly encoded value, text behind the last block. Readers note, rules
// judge.
type Note struct {
	// Rule is the ID of the rule that judges it: "pem-byte-order-mark".
	Rule   string
	Origin Origin
	Detail string
	// Fix is the command that mends it, where the rule's own would name other
	// things than this place does; "" otherwise.
	Fix string
}

// Material is all that one source yields, in the order found: nothing is
// sorted, folded or repaired on the way in.
type Material struct {
	// Certs are the certificates presented, in the order found.
	Certs []Cert
	Keys  []Key
	CSRs  []CSR
	// Anchors are certificates that the source itself offers as trust anchors
	// (a Secret's ca.crt, a PKCS#12 trust store).
	Anchors []Cert
	Notes   []Note
}

// Append adds other's material behind m's.
func (m *Material) Append(other Material) {
	m.Certs = append(m.Certs, other.Certs...)
	m.Keys = append(m.Keys, other.Keys...)
	m.CSRs = append(m.CSRs, other.CSRs...)
	m.Anchors = append(m.Anchors, other.Anchors...)
	m.Notes = append(m.Notes, other.Notes...)
}

// Empty is true when nothing was found.
func (m Material) Empty() bool {
	return len(m.Certs)+len(m.Keys)+len(m.CSRs)+len(m.Anchors) == 0
}

// File is something to be written. Whatever makes a file returns it as a
// value; one function in cmd/crpki writes.
type File struct {
	Path string
	// Mode is 0o600 for keys and 0o644 for certificates.
	Mode fs.FileMode
	Data []byte
}

// Modes of the files that crpki writes.
const (
	ModePrivate fs.FileMode = 0o600
	ModePublic  fs.FileMode = 0o644
)

// DescribePublicKey gives algorithm and size in the words that users know:
// "RSA 2048", "ECDSA P-256", "Ed25519".
func DescribePublicKey(pub crypto.PublicKey) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	case nil:
		return "no key"
	default:
		return fmt.Sprintf("%T", pub)
	}
}

// SamePublicKey reports whether a and b are the same public key.
func SamePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && b != nil && k.Equal(b)
}
