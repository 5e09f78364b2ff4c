package format

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode/utf16"

	"github.com/crpki/crpki/pki"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Reading Java's own keystore, the default of keytool until Java 8 and still
// found in images (sun.security.provider.JavaKeyStore). Its certificates are
// open; each private key is encrypted, and a digest over all of it is salted
// with the password.

const (
	jksMagic = "\xFE\xED\xFE\xED"
	// jksWhitener stands between password and content under the digest.
	jksWhitener = "Mighty Aphrodite"

	jksKeyEntry, jksTrustedEntry = 1, 2
)

// oidJKSProtector is the algorithm of sun.security.provider.KeyProtector.
var oidJKSProtector = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}

var errBrokenJKS = errors.New("is a broken Java keystore (JKS): it ends within an entry, or is damaged")

// jks is one keystore.
type jks struct {
	*decoder
	version uint32
	in      cryptobyte.String
	signed  []byte // what the digest is taken over
	digest  []byte
	// password in Java's form, UTF-16; locked tells why it is missing.
	password []byte
	asked    bool
	locked   error
}

// jks reads a keystore: keys, the chains that belong to them, and as anchors
// the certificates that it trusts. A store without keys needs no password.
func (d *decoder) jks(data []byte) {
	origin := d.origin(0)
	s := &jks{decoder: d}
	var entries uint32
	if len(data) < len(jksMagic)+sha1.Size {
		d.fail(origin, errBrokenJKS)
		return
	}
	s.signed, s.digest = data[:len(data)-sha1.Size], data[len(data)-sha1.Size:]
	s.in = cryptobyte.String(s.signed[len(jksMagic):])
	if !s.in.ReadUint32(&s.version) || !s.in.ReadUint32(&entries) {
		d.fail(origin, errBrokenJKS)
		return
	}
	if s.version != 1 && s.version != 2 {
		d.fail(origin, fmt.Errorf("is a Java keystore (JKS) of version %d; versions 1 and 2 are known", s.version))
		return
	}
	if entries == 0 {
		d.why = "is a Java keystore (JKS) with nothing in it"
	}
	for i := range entries {
		if i == maxBlocks {
			d.fail(origin, fmt.Errorf("holds more than %d entries: the rest is not read", maxBlocks))
			return
		}
		if !s.entry() {
			d.fail(origin, errBrokenJKS)
			return
		}
	}
	if len(s.in) > 0 {
		d.fail(origin, errBrokenJKS)
	}
}

// entry reads one entry; false: the store is broken.
func (s *jks) entry() bool {
	var tag uint32
	var alias cryptobyte.String
	if !s.in.ReadUint32(&tag) || !s.in.ReadUint16LengthPrefixed(&alias) || !s.in.Skip(8) { // the time of its making
		return false
	}
	switch tag {
	case jksKeyEntry:
		return s.keyEntry(string(alias))
	case jksTrustedEntry:
		der, ok := s.certificate()
		if !ok {
			return false
		}
		origin := s.named(string(alias))
		if der != nil {
			s.m.Anchors = append(s.m.Anchors, pki.NewCert(origin, der))
		}
		return true
	}
	return false
}

// named is the place of the next item of an entry.
func (s *jks) named(alias string) pki.Origin {
	origin := s.next()
	if alias != "" {
		s.note(NoteFriendlyName, origin, "%s", alias)
	}
	return origin
}

// certificate reads one; nil for a kind other than X.509.
func (s *jks) certificate() (der []byte, ok bool) {
	kind := cryptobyte.String("X.509")
	if s.version == 2 && !s.in.ReadUint16LengthPrefixed(&kind) {
		return nil, false
	}
	if !s.block(&der) {
		return nil, false
	}
	if string(kind) != "X.509" {
		return nil, true
	}
	return der, true
}

// block reads bytes with their length in front.
func (s *jks) block(out *[]byte) bool {
	var length uint32
	return s.in.ReadUint32(&length) && uint64(length) <= uint64(len(s.in)) && s.in.ReadBytes(out, int(length))
}

func (s *jks) keyEntry(alias string) bool {
	var protected []byte
	var chain uint32
	if !s.block(&protected) {
		return false
	}
	s.key(s.named(alias), protected)
	if !s.in.ReadUint32(&chain) {
		return false
	}
	for range chain {
		der, ok := s.certificate()
		if !ok {
			return false
		}
		if der != nil {
			s.addCert(s.next(), der)
		}
	}
	return true
}

// key opens a private key.
func (s *jks) key(origin pki.Origin, protected []byte) {
	sealed, err := parseJKSKey(protected)
	if err != nil {
		s.keepLocked(origin, err, false)
		return
	}
	if !s.asked {
		s.unlock()
	}
	if s.locked != nil {
		s.keepLocked(origin, s.locked, false)
		return
	}
	plain, ok := sealed.open(s.password)
	if !ok {
		s.keepLocked(origin, fmt.Errorf("has another password than the keystore it is in: %w", ErrPasswordWrong), true)
		return
	}
	signer, err := parseKey(plain)
	s.addKey(pki.Key{Origin: origin, Signer: signer, Encrypted: true, Err: err})
}

// unlock asks for the password and holds the digest against it.
func (s *jks) unlock() {
	s.asked = true
	given, err := s.askPassword(s.origin(0))
	if err == nil {
		for _, unit := range utf16.Encode([]rune(string(given))) {
			s.password = append(s.password, byte(unit>>8), byte(unit))
		}
		h := sha1.New()
		h.Write(s.password)
		h.Write([]byte(jksWhitener))
		h.Write(s.signed)
		if subtle.ConstantTimeCompare(h.Sum(nil), s.digest) == 1 {
			return
		}
		err = ErrPasswordWrong
	}
	s.locked = err
	s.fail(s.origin(0), err)
}

// jksKey is a key under Sun's protector: the data is combined by XOR with a
// stream of SHA-1 digests, each over the password and the one before.
type jksKey struct{ salt, data, check []byte }

func parseJKSKey(der []byte) (jksKey, error) {
	if len(der) > 2*maxKeySize {
		return jksKey{}, fmt.Errorf("is an encrypted private key of %d bytes, more than RSA with 16384 bits takes", len(der))
	}
	in := cryptobyte.String(der)
	var seq, algorithm, sealed cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&algorithm, casn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&oid) || !seq.ReadASN1(&sealed, casn1.OCTET_STRING) {
		return jksKey{}, errors.New("is a broken key entry of a Java keystore (JKS)")
	}
	if !oid.Equal(oidJKSProtector) {
		return jksKey{}, fmt.Errorf("is encrypted in a way that crpki does not open in a Java keystore (%s)", oid)
	}
	if len(sealed) < 2*sha1.Size {
		return jksKey{}, errors.New("is a broken key entry of a Java keystore (JKS)")
	}
	end := len(sealed) - sha1.Size
	return jksKey{sealed[:sha1.Size], sealed[sha1.Size:end], sealed[end:]}, nil
}

// open gives the PKCS#8 key; false when the password does not fit.
func (k jksKey) open(password []byte) (plain []byte, ok bool) {
	stream := k.salt
	for at := 0; at < len(k.data); at += sha1.Size {
		digest := sha1.Sum(append(bytes.Clone(password), stream...))
		stream = digest[:]
		for i, b := range k.data[at:min(at+sha1.Size, len(k.data))] {
			plain = append(plain, b^stream[i])
		}
	}
	check := sha1.Sum(append(bytes.Clone(password), plain...))
	return plain, subtle.ConstantTimeCompare(check[:], k.check) == 1
}
