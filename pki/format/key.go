package format

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"

	"github.com/crpki/crpki/pki"
)

// maxKeySize bounds a private key's DER in bytes. RSA with 16384 bits takes
// 9,300; the time to check a key grows faster than its size.
const maxKeySize = 12 << 10

var (
	errNoKey   = errors.New("no key to encode")
	errOpenSSH = errors.New("is an OpenSSH private key, which TLS programs do not read: convert a copy of it with ssh-keygen -p -m PKCS8 -f COPY")
)

// parseKey reads an unencrypted private key: PKCS#8 (RFC 5958), PKCS#1 (RFC
// 8017) or SEC 1 (RFC 5915), told apart by their structure.
func parseKey(der []byte) (crypto.Signer, error) {
	if len(der) > maxKeySize {
		return nil, fmt.Errorf("is a private key of %d bytes; the limit is %d, more than RSA with 16384 bits takes", len(der), maxKeySize)
	}
	outer, _ := peek(der)
	in := outer.children(10)
	if len(in) < 2 {
		return nil, errors.New("is not a private key")
	}
	var key any
	var err error
	switch in[1].tag {
	case tagOctetString:
		key, err = x509.ParseECPrivateKey(der)
	case tagInteger:
		if len(in) == 6 {
			return nil, errors.New("is a DSA key, which TLS no longer knows")
		}
		key, err = x509.ParsePKCS1PrivateKey(der)
	default:
		key, err = x509.ParsePKCS8PrivateKey(der)
	}
	if err != nil {
		return nil, explainKey(der, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("is a key for key agreement (X25519), which cannot sign")
	}
	return signer, nil
}

// explainKey names the algorithm or curve that Go's parser knows only by its
// number, or not at all.
func explainKey(der []byte, err error) error {
	for _, a := range []struct {
		oid  asn1.ObjectIdentifier
		name string
	}{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, "an RSA-PSS key, which Go cannot use: make a plain RSA key"},
		{asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}, "a DSA key, which TLS no longer knows"},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 3, 1}, "a Diffie-Hellman key, which cannot sign"},
		{asn1.ObjectIdentifier{1, 3, 101, 111}, "an X448 key, which cannot sign"},
		{asn1.ObjectIdentifier{1, 3, 101, 113}, "an Ed448 key, which Go cannot use"},
		{asn1.ObjectIdentifier{1, 3, 132, 0, 10}, "a key on the curve secp256k1, which TLS clients do not know"},
		{asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 7}, "a key on the curve brainpoolP256r1, which Go does not know"},
		{asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 11}, "a key on the curve brainpoolP384r1, which Go does not know"},
		{asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 13}, "a key on the curve brainpoolP512r1, which Go does not know"},
		{asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}, "a key on the curve SM2, which Go does not know"},
	} {
		// A key is short, and the encoding of these numbers does not occur by
		// chance.
		if oid, e := asn1.Marshal(a.oid); e == nil && strings.Contains(string(der), string(oid)) {
			return errors.New("is " + a.name)
		}
	}
	return fmt.Errorf("is not a usable private key: %w", err)
}

// askPassword gets the password for the item at origin.
func (d *decoder) askPassword(origin pki.Origin) ([]byte, error) {
	if d.password == nil {
		return nil, ErrPasswordNeeded
	}
	password, err := d.password(origin)
	if err != nil {
		return nil, askError{err}
	}
	return password, nil
}

// askError is what a PasswordFunc had to say.
type askError struct{ error }

func (e askError) Unwrap() error { return e.error }

// keepLocked keeps an encrypted key that could not be opened. Wrong and missing
// passwords are errors of the whole reading; a broken key is only its own.
func (d *decoder) keepLocked(origin pki.Origin, err error, ofPassword bool) {
	d.addKey(pki.Key{Origin: origin, Encrypted: true, Err: err})
	if ofPassword {
		d.fail(origin, err)
	}
}

// encryptedKey reads PKCS#8's EncryptedPrivateKeyInfo (RFC 5958 section 3).
func (d *decoder) encryptedKey(origin pki.Origin, der []byte) {
	e, err := parseEncrypted(der)
	if err == nil {
		err = d.work.reserve(e.algorithm)
	}
	if err != nil {
		d.keepLocked(origin, err, false)
		return
	}
	password, err := d.askPassword(origin)
	if err != nil {
		d.keepLocked(origin, err, true)
		return
	}
	plain, err := e.decrypt(password)
	if err != nil {
		d.keepLocked(origin, err, errors.Is(err, ErrPasswordWrong))
		return
	}
	signer, err := parseKey(plain)
	d.addKey(pki.Key{Origin: origin, Signer: signer, Encrypted: true, Err: err})
}

// legacyKey reads a key encrypted as OpenSSL did before 1.0: PEM headers
// Proc-Type and DEK-Info (RFC 1421 section 4.6).
func (d *decoder) legacyKey(origin pki.Origin, s *bodyScan) {
	name, iv, ok := strings.Cut(s.headers["DEK-Info"], ",")
	if !ok {
		d.keepLocked(origin, errors.New("is encrypted as its Proc-Type header says, but has no DEK-Info header that says how"), false)
		return
	}
	algorithm, err := parseDEK(strings.TrimSpace(name), strings.TrimSpace(iv))
	if err != nil {
		d.keepLocked(origin, err, false)
		return
	}
	d.note(NoteLegacyEncryption, origin, "the key is encrypted in OpenSSL's old way (DEK-Info, %s): the password is hashed once, with MD5", name)
	password, err := d.askPassword(origin)
	if err != nil {
		d.keepLocked(origin, err, true)
		return
	}
	plain, err := (&encrypted{algorithm: algorithm, data: s.der}).decrypt(password)
	if err != nil {
		d.keepLocked(origin, err, errors.Is(err, ErrPasswordWrong))
		return
	}
	signer, err := parseKey(plain)
	d.addKey(pki.Key{Origin: origin, Signer: signer, Encrypted: true, Err: err})
}
