// Package format reads and writes every encoding in which certificates, keys
// and signing requests are found: PEM, DER, PKCS#7, PKCS#8, PKCS#12 and base64
// around them. Start with [Decode], which goes by content and never by file
// name.
//
// It reads no file, asks no terminal and judges nothing: what it sees and the
// parsed values no longer show becomes a [pki.Note].
package format

import (
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/crpki/crpki/pki"
)

// PasswordFunc gives the password of the protected item at origin. Decode calls
// it at most once for each item. An error of its own is returned as it is.
type PasswordFunc func(origin pki.Origin) ([]byte, error)

// Options tune Decode. The zero value has no password to offer.
type Options struct {
	Password PasswordFunc
}

// Errors that callers decide by, always inside an [Error] that says where.
var (
	ErrPasswordNeeded = errors.New("is protected by a password, and none was given")
	ErrPasswordWrong  = errors.New("the password is wrong")
)

// Error says where in the input something could not be read.
type Error struct {
	Origin pki.Origin
	Err    error
}

func (e *Error) Error() string { return e.Origin.String() + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// Decode reads all that data holds, in the order found.
func Decode(source string, data []byte, opt Options) (pki.Material, error) {
	var m pki.Material
	index := 0
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			break
		}
		index++
		origin := pki.Origin{Source: source, Index: index}
		switch block.Type {
		case "CERTIFICATE":
			m.Certs = append(m.Certs, pki.NewCert(origin, block.Bytes))
		case "CERTIFICATE REQUEST":
			m.CSRs = append(m.CSRs, pki.NewCSR(origin, block.Bytes))
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			k := pki.Key{Origin: origin}
			k.Signer, k.Err = parseKey(block.Bytes)
			m.Keys = append(m.Keys, k)
		}
	}
	if m.Empty() {
		return m, &Error{pki.Origin{Source: source}, fmt.Errorf("no certificate, key or request in it")}
	}
	return m, nil
}
