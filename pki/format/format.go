// Package format reads and writes every encoding in which certificates, keys
// and signing requests are found: PEM, DER, PKCS#7, PKCS#8, PKCS#12 and base64
// around them. Start with [Decode], which goes by content and never by file
// name.
//
// It reads no file, asks no terminal and judges nothing: what it sees and the
// parsed values no longer show becomes a [pki.Note].
package format

import (
	"errors"

	"github.com/crpki/crpki/pki"
)

// PasswordFunc gives the password of the protected item at origin. Decode calls
// it at most once for each item, and only when everything about the item but
// its password is known to be in order. Its own errors are returned as they
// are: they should say what was to be opened.
type PasswordFunc func(origin pki.Origin) ([]byte, error)

// Options tune Decode. The zero value has no password to offer.
type Options struct {
	Password PasswordFunc
	// Anchors is for what clients trust. Blocks that are OpenSSL's own, TRUSTED
	// CERTIFICATE and X509 CERTIFICATE, give certificates without X509, since Go's
	// clients pass them over, and with all of the block in Raw: it may say for whom
	// OpenSSL trusts them.
	Anchors bool
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
