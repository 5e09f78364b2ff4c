package issue

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloudflare/cfssl/csr"

	"github.com/crpki/crpki/pki"
)

// KeyType names an algorithm and size: "ecdsa-p256". The zero value stands for
// the default.
type KeyType string

// The key types that crpki makes.
const (
	ECDSAP256 KeyType = "ecdsa-p256" // the default: small, fast, accepted everywhere
	ECDSAP384 KeyType = "ecdsa-p384"
	RSA2048   KeyType = "rsa-2048"
	RSA3072   KeyType = "rsa-3072"
	RSA4096   KeyType = "rsa-4096"
	Ed25519   KeyType = "ed25519"
)

// keyKinds lists the key types, and how cfssl calls them.
func keyKinds() []keyKind {
	return []keyKind{
		{ECDSAP256, "ecdsa", 256},
		{ECDSAP384, "ecdsa", 384},
		{RSA2048, "rsa", 2048},
		{RSA3072, "rsa", 3072},
		{RSA4096, "rsa", 4096},
		{Ed25519, "ed25519", 0},
	}
}

type keyKind struct {
	name KeyType
	algo string
	size int
}

// KeyTypes lists all key types, the default first.
func KeyTypes() []KeyType {
	var all []KeyType
	for _, k := range keyKinds() {
		all = append(all, k.name)
	}
	return all
}

// ParseKeyType takes a key type as users write it; "" is the default.
func ParseKeyType(text string) (KeyType, error) {
	if text == "" {
		return ECDSAP256, nil
	}
	if t := KeyType(strings.ToLower(strings.TrimSpace(text))); slices.Contains(KeyTypes(), t) {
		return t, nil
	}
	return "", fmt.Errorf("key type %q: not one of %s", text, joinKeyTypes())
}

func joinKeyTypes() string {
	var all []string
	for _, t := range KeyTypes() {
		all = append(all, string(t))
	}
	return strings.Join(all, ", ")
}

// Warning names the clients and servers that cannot use keys of this type, or
// is "" when all can.
func (t KeyType) Warning() string {
	if t != Ed25519 {
		return ""
	}
	return "ed25519 certificates are refused by .NET programs (the connected registry is one), Windows, browsers and Java before 15; " +
		"ecdsa-p256 works with all of them"
}

// NewKey makes a private key.
func NewKey(t KeyType) (crypto.Signer, error) {
	t, err := ParseKeyType(string(t))
	if err != nil {
		return nil, err
	}
	kinds := keyKinds()
	kind := kinds[slices.IndexFunc(kinds, func(k keyKind) bool { return k.name == t })]
	key, err := (&csr.KeyRequest{A: kind.algo, S: kind.size}).Generate()
	if err != nil {
		return nil, fmt.Errorf("make %s key: %w", t, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("make %s key: got a %T, which cannot sign", t, key)
	}
	return signer, nil
}

// KeyTypeOf is the type of an existing key, or false for one that crpki would
// not make.
func KeyTypeOf(pub crypto.PublicKey) (KeyType, bool) {
	var name string
	switch k := pub.(type) {
	case *rsa.PublicKey:
		name = fmt.Sprintf("rsa-%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		name = "ecdsa-" + strings.ToLower(strings.Replace(k.Params().Name, "-", "", 1))
	case ed25519.PublicKey:
		name = "ed25519"
	}
	t := KeyType(name)
	return t, slices.Contains(KeyTypes(), t)
}

// ErrUnusableKey is in every error about a public key that some client or
// server would refuse.
var ErrUnusableKey = errors.New("clients and servers refuse such a key")

// CheckKey refuses public keys with which a certificate would pass for good
// and the handshake still fail, or that are weak: RSA below 2048 bits (OpenSSL's
// security level 2), RSA above 8192 bits and P-224 (Go's crypto/tls).
func CheckKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= 2048 && bits <= 8192 {
			return nil
		}
	case *ecdsa.PublicKey:
		if bits := k.Params().BitSize; bits == 256 || bits == 384 || bits == 521 {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("%s key: %w: use RSA 2048 to 8192, ECDSA P-256, P-384, P-521 or Ed25519", pki.DescribePublicKey(pub), ErrUnusableKey)
}
