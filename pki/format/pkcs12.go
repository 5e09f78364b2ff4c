package format

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/crpki/crpki/pki"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Reading PKCS#12 (RFC 7292). go-pkcs12, which writes our files, reads key and
// chain, or a store whose certificates are all marked as trusted by Java; it
// refuses a CA certificate that openssl or Windows exported, keystores with
// several entries, BER, and a whole file for one broken certificate in it, and
// it starts to hash a password before anybody could look at the number of
// rounds. So the reader is ours; tests hold it against go-pkcs12, openssl and
// keytool.

// Object identifiers of RFC 7292 and of what Java adds.
const (
	oidData          = "1.2.840.113549.1.7.1"
	oidEncryptedData = "1.2.840.113549.1.7.6"

	oidKeyBag          = "1.2.840.113549.1.12.10.1.1"
	oidShroudedKeyBag  = "1.2.840.113549.1.12.10.1.2"
	oidCertBag         = "1.2.840.113549.1.12.10.1.3"
	oidCRLBag          = "1.2.840.113549.1.12.10.1.4"
	oidSecretBag       = "1.2.840.113549.1.12.10.1.5"
	oidSafeContentsBag = "1.2.840.113549.1.12.10.1.6"

	oidX509Certificate = "1.2.840.113549.1.9.22.1"
	oidFriendlyName    = "1.2.840.113549.1.9.20"
	oidJavaTrust       = "2.16.840.1.113894.746875.1.1"

	oidPBMAC1 = "1.2.840.113549.1.5.14"
)

var tagExplicit0 = casn1.Tag(0).ContextSpecific().Constructed()

// pfx is a PKCS#12 file taken apart as far as it goes without a password.
type pfx struct {
	authSafe []byte // what the MAC is taken over
	mac      *pfxMAC
	safes    []safe
}

// safe is one of its parts: bags in the open, or encrypted.
type safe struct {
	plain []byte
	enc   *encrypted
}

// pfxMAC checks password and integrity at once.
type pfxMAC struct {
	name   string
	work   *pbe // for the budget
	digest []byte
	key    func(password []byte) ([]byte, error)
	hash   func() hash.Hash
}

func (m *pfxMAC) fits(password, data []byte) (bool, error) {
	key, err := m.key(password)
	if err != nil {
		return false, err
	}
	return hmac.Equal(m.digest, hmacSum(m.hash, key, data)), nil
}

var errBrokenPFX = errors.New("is a broken PKCS#12 file")

func brokenPFX(what string) error {
	return fmt.Errorf("%w: %s cannot be read", errBrokenPFX, what)
}

// parsePFX reads the PFX structure (RFC 7292 section 4).
func parsePFX(der []byte) (*pfx, error) {
	in := cryptobyte.String(der)
	var seq, info, content, auth cryptobyte.String
	var version int
	var oid string
	if !in.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1Integer(&version) || version != 3 ||
		!seq.ReadASN1(&info, casn1.SEQUENCE) || !readOID(&info, &oid) {
		return nil, brokenPFX("its head")
	}
	if oid != oidData {
		return nil, fmt.Errorf("is a PKCS#12 file protected by a certificate in place of a password (%s), which crpki does not open", contentTypeName(oid))
	}
	if !info.ReadASN1(&content, tagExplicit0) || !content.ReadASN1(&auth, casn1.OCTET_STRING) {
		return nil, brokenPFX("its content")
	}
	p := &pfx{authSafe: auth}
	if !seq.Empty() {
		var err error
		if p.mac, err = parseMAC(&seq); err != nil {
			return nil, err
		}
	}
	safes, err := sequence(auth)
	if err != nil {
		return nil, brokenPFX("the list of its parts")
	}
	for !safes.Empty() {
		s, err := parseSafe(&safes)
		if err != nil {
			return nil, err
		}
		p.safes = append(p.safes, s)
	}
	return p, nil
}

// sequence gives the content of the SEQUENCE that data is, in DER or BER.
func sequence(data []byte) (cryptobyte.String, error) {
	data, _, err := fromBER(data)
	if err != nil {
		return nil, err
	}
	in, seq := cryptobyte.String(data), cryptobyte.String(nil)
	if !in.ReadASN1(&seq, casn1.SEQUENCE) {
		return nil, errors.New("is no sequence")
	}
	return seq, nil
}

// parseSafe reads one ContentInfo of the AuthenticatedSafe.
func parseSafe(in *cryptobyte.String) (safe, error) {
	var info, content cryptobyte.String
	var oid string
	if !in.ReadASN1(&info, casn1.SEQUENCE) || !readOID(&info, &oid) || !info.ReadASN1(&content, tagExplicit0) {
		return safe{}, brokenPFX("one of its parts")
	}
	switch oid {
	case oidData:
		var plain cryptobyte.String
		if !content.ReadASN1(&plain, casn1.OCTET_STRING) {
			return safe{}, brokenPFX("one of its parts")
		}
		return safe{plain: plain}, nil
	case oidEncryptedData:
		enc, err := parseEncryptedData(content)
		return safe{enc: enc}, err
	}
	return safe{}, fmt.Errorf("is a PKCS#12 file with %s in it, which crpki does not open", contentTypeName(oid))
}

// parseEncryptedData reads EncryptedData (RFC 2315 section 13).
func parseEncryptedData(content cryptobyte.String) (*encrypted, error) {
	var seq, info, algorithm, data cryptobyte.String
	var version int
	var oid string
	if !content.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1Integer(&version) ||
		!seq.ReadASN1(&info, casn1.SEQUENCE) || !readOID(&info, &oid) || !info.ReadASN1(&algorithm, casn1.SEQUENCE) {
		return nil, brokenPFX("an encrypted part")
	}
	a, err := parsePBE(algorithm)
	if err != nil {
		return nil, err
	}
	// [0] IMPLICIT OCTET STRING; in BER it may come in pieces.
	if info.ReadASN1(&data, casn1.Tag(0).ContextSpecific()) {
		return &encrypted{a, data}, nil
	}
	var pieces cryptobyte.String
	if !info.ReadASN1(&pieces, tagExplicit0) {
		return nil, brokenPFX("an encrypted part")
	}
	var joined []byte
	for !pieces.Empty() {
		if !pieces.ReadASN1(&data, casn1.OCTET_STRING) {
			return nil, brokenPFX("an encrypted part")
		}
		joined = append(joined, data...)
	}
	return &encrypted{a, joined}, nil
}

// parseMAC reads MacData, with PBMAC1 of RFC 9579.
func parseMAC(in *cryptobyte.String) (*pfxMAC, error) {
	var seq, info, algorithm, digest, salt cryptobyte.String
	if !in.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&info, casn1.SEQUENCE) ||
		!info.ReadASN1(&algorithm, casn1.SEQUENCE) || !info.ReadASN1(&digest, casn1.OCTET_STRING) ||
		!seq.ReadASN1(&salt, casn1.OCTET_STRING) {
		return nil, brokenPFX("its checksum (MAC)")
	}
	oid, params, err := readAlgorithm(algorithm)
	if err != nil {
		return nil, brokenPFX("its checksum (MAC)")
	}
	if oid == oidPBMAC1 {
		return parsePBMAC1(params, digest)
	}
	rounds := 1
	if !seq.Empty() {
		if rounds, err = readRounds(&seq); err != nil {
			return nil, brokenPFX("its checksum (MAC)")
		}
	}
	m := &pfxMAC{digest: digest, work: &pbe{rounds: rounds, work: rounds}}
	var name string
	switch oid {
	case "1.2.840.113549.2.5":
		name, m.hash = "MD5", md5.New
	case "1.3.14.3.2.26":
		name, m.hash = "SHA1", sha1.New
	case "2.16.840.1.101.3.4.2.4":
		name, m.hash = "SHA224", sha256.New224
	case "2.16.840.1.101.3.4.2.1":
		name, m.hash = "SHA256", sha256.New
	case "2.16.840.1.101.3.4.2.2":
		name, m.hash = "SHA384", sha512.New384
	case "2.16.840.1.101.3.4.2.3":
		name, m.hash = "SHA512", sha512.New
	default:
		return nil, fmt.Errorf("is a PKCS#12 file with a checksum that crpki does not know (%s)", oid)
	}
	m.name = "HMAC-" + name
	m.key = func(password []byte) ([]byte, error) {
		return pkcs12KDF(m.hash, 3, bmpPassword(password), salt, rounds, m.hash().Size()), nil
	}
	return m, nil
}

// minPBMAC1Key is the shortest key of the MAC that RFC 9579 section 9 lets
// pass: with a shorter one anybody could make a file that fits.
const minPBMAC1Key = 20

// parsePBMAC1 reads PBMAC1-params (RFC 8018 appendix A.5).
func parsePBMAC1(params cryptobyte.String, digest []byte) (*pfxMAC, error) {
	var seq, kdf, mac cryptobyte.String
	if !params.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&kdf, casn1.SEQUENCE) || !seq.ReadASN1(&mac, casn1.SEQUENCE) {
		return nil, brokenPFX("its checksum (PBMAC1)")
	}
	k, err := parseKDF(kdf, 0)
	if err != nil {
		return nil, brokenPFX("its checksum (PBMAC1)")
	}
	if k.size < minPBMAC1Key {
		return nil, fmt.Errorf("is a PKCS#12 file whose checksum (PBMAC1) has a key of %s; fewer than %d are refused, as anybody could forge it", count(k.size, "byte"), minPBMAC1Key)
	}
	name, newHash, err := parseHMAC(mac)
	if err != nil {
		return nil, brokenPFX("its checksum (PBMAC1)")
	}
	return &pfxMAC{
		name: "PBMAC1 (HMAC-" + name + ", " + k.name + ")", digest: digest, hash: newHash, key: k.derive,
		work: &pbe{rounds: k.rounds, work: k.work},
	}, nil
}

// protected reports whether a password is needed for anything but the bags.
func (p *pfx) protected() bool {
	return p.mac != nil || slices.ContainsFunc(p.safes, func(s safe) bool { return s.enc != nil })
}

// errDamaged: the password is right and the content is not.
var errDamaged = errors.New("is damaged: the password fits a part of it and its checksum (MAC) does not; somebody or something changed the file")

// try finds out whether password fits, and gives it in the form that does. A
// file that protects nothing but its keys is tried on one of them.
func (p *pfx) try(password []byte, key *encrypted) ([]byte, error) {
	parts := []*encrypted{}
	if key != nil {
		parts = append(parts, key)
	}
	for _, s := range p.safes {
		if s.enc != nil {
			parts = append(parts, s.enc)
		}
	}
	forms := [][]byte{password}
	if len(password) == 0 {
		forms = [][]byte{{}, nil}
	}
	for _, form := range forms {
		if p.mac != nil {
			fits, err := p.mac.fits(form, p.authSafe)
			if err != nil {
				return nil, err
			}
			if fits {
				return form, nil
			}
		}
		for _, part := range parts {
			if _, err := part.decrypt(form); err == nil {
				if p.mac != nil {
					return nil, errDamaged
				}
				return form, nil
			} else if !errors.Is(err, ErrPasswordWrong) {
				return nil, err
			}
		}
	}
	return nil, ErrPasswordWrong
}

// pkcs12 reads a PKCS#12 file: its keys, the certificates presented, and as
// anchors those that Java marks as trusted.
func (d *decoder) pkcs12(origin pki.Origin, der []byte) {
	p, err := parsePFX(der)
	if err == nil {
		err = d.reservePFX(p)
	}
	if err != nil {
		d.fail(origin, err)
		return
	}
	r := pfxReader{decoder: d, container: origin, pfx: p}
	r.describe()
	if p.protected() {
		r.unlock(nil)
	}
	before := len(d.m.Certs)
	keys, anchors := len(d.m.Keys), len(d.m.Anchors)
	for _, s := range p.safes {
		r.safe(s)
	}
	if r.locked == nil && len(d.m.Keys) == keys && len(d.m.Anchors) == anchors && len(d.m.Certs) > before {
		d.note(NotePKCS12NoTrust, origin, "no key, and no certificate bears Java's mark of trust: keytool shows this file as empty")
	}
	if r.locked == nil && r.bags == 0 {
		d.why = "is a PKCS#12 file with nothing in it"
	}
}

func (d *decoder) reservePFX(p *pfx) error {
	if p.mac != nil {
		if err := d.work.reserve(p.mac.work); err != nil {
			return err
		}
	}
	for _, s := range p.safes {
		if s.enc != nil {
			if err := d.work.reserve(s.enc.algorithm); err != nil {
				return err
			}
		}
	}
	return nil
}

// pfxReader takes the bags out of one file.
type pfxReader struct {
	*decoder
	*pfx
	container pki.Origin
	// password is in the form that fits; asked tells whether it was looked
	// for, locked why it is missing.
	password []byte
	asked    bool
	locked   error
	bags     int
}

// describe notes how the file is protected.
func (r *pfxReader) describe() {
	var how []string
	for _, s := range r.safes {
		if s.enc == nil {
			continue
		}
		a := s.enc.algorithm
		if text := fmt.Sprintf("%s, %s", a.name, count(a.rounds, "round")); !slices.Contains(how, text) {
			how = append(how, text)
		}
		if a.weak {
			r.note(NotePKCS12Weak, r.container, "encrypted with %s", a.name)
		}
	}
	if len(how) == 0 {
		how = append(how, "certificates not encrypted")
	}
	if r.mac == nil {
		r.note(NotePKCS12NoMAC, r.container, "no checksum (MAC): changes to the file go unnoticed")
	} else {
		how = append(how, fmt.Sprintf("MAC %s, %s", r.mac.name, count(r.mac.work.rounds, "round")))
	}
	r.note(NotePKCS12, r.container, "PKCS#12: %s", strings.Join(how, "; "))
}

// unlock asks for the password, at most once, and tries it. Where there is
// none, the empty one is tried.
func (r *pfxReader) unlock(key *encrypted) {
	r.asked = true
	given, err := r.askPassword(r.container)
	if err != nil {
		if form, e := r.try(nil, key); e == nil {
			r.password = form
			return
		}
		r.lock(err)
		return
	}
	if r.password, err = r.try(given, key); err != nil {
		r.lock(err)
	}
}

func (r *pfxReader) lock(err error) {
	r.locked = err
	r.fail(r.container, err)
}

// safe reads one part of the file.
func (r *pfxReader) safe(s safe) {
	content := s.plain
	if s.enc != nil {
		if r.locked != nil {
			return
		}
		var err error
		if content, err = s.enc.decrypt(r.password); err != nil {
			if errors.Is(err, ErrPasswordWrong) {
				err = errors.New("is damaged, or a part of it has another password than the rest")
			}
			r.fail(r.container, err)
			return
		}
	}
	r.contents(content, 0)
}

// contents reads SafeContents (RFC 7292 section 4.2).
func (r *pfxReader) contents(data []byte, depth int) {
	bags, err := sequence(data)
	if err != nil {
		r.fail(r.container, brokenPFX("the content of a part"))
		return
	}
	for !bags.Empty() {
		var bag, value, attributes cryptobyte.String
		var oid string
		var has bool
		if !bags.ReadASN1(&bag, casn1.SEQUENCE) || !readOID(&bag, &oid) || !bag.ReadASN1(&value, tagExplicit0) ||
			!bag.ReadOptionalASN1(&attributes, &has, casn1.SET) {
			r.fail(r.container, brokenPFX("the content of a part"))
			return
		}
		if r.bags == maxBlocks {
			r.fail(r.container, fmt.Errorf("holds more than %d entries: the rest is not read", maxBlocks))
			return
		}
		r.bags++
		if oid == oidSafeContentsBag && depth < maxDepth {
			r.contents(value, depth+1)
			continue
		}
		r.bag(oid, value, parseBagAttributes(attributes))
	}
}

// bagAttributes are the PKCS12Attributes that we use.
type bagAttributes struct {
	name    string
	trusted bool
}

// parseBagAttributes reads what it can; a broken attribute spoils no bag.
func parseBagAttributes(in cryptobyte.String) bagAttributes {
	var a bagAttributes
	for !in.Empty() {
		var seq, set, value cryptobyte.String
		var oid string
		if !in.ReadASN1(&seq, casn1.SEQUENCE) || !readOID(&seq, &oid) || !seq.ReadASN1(&set, casn1.SET) {
			return a
		}
		switch oid {
		case oidJavaTrust:
			a.trusted = true
		case oidFriendlyName:
			if set.ReadASN1(&value, casn1.Tag(30)) { // BMPString
				a.name = fromBMP(value)
			}
		}
	}
	return a
}

// fromBMP reads UTF-16, high byte first.
func fromBMP(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	return string(utf16.Decode(units))
}

// bag files one entry with the material.
func (r *pfxReader) bag(oid string, value cryptobyte.String, a bagAttributes) {
	origin := r.within(r.container)
	if a.name != "" {
		r.note(NoteFriendlyName, origin, "%s", a.name)
	}
	switch oid {
	case oidCertBag:
		r.certBag(origin, value, a.trusted)
	case oidKeyBag:
		signer, err := parseKey(value)
		r.addKey(pki.Key{Origin: origin, Signer: signer, Err: err})
	case oidShroudedKeyBag:
		r.shroudedKey(origin, value)
	case oidCRLBag:
		r.note(NotePKCS12OtherBag, origin, "a revocation list")
	case oidSecretBag:
		r.note(NotePKCS12OtherBag, origin, "a secret that is no private key, such as a password or an AES key")
	default:
		r.note(NotePKCS12OtherBag, origin, "an entry of a kind that crpki does not know (%s)", oid)
	}
}

// certBag reads CertBag (RFC 7292 section 4.2.3).
func (r *pfxReader) certBag(origin pki.Origin, value cryptobyte.String, trusted bool) {
	var seq, content, der cryptobyte.String
	var oid string
	if !value.ReadASN1(&seq, casn1.SEQUENCE) || !readOID(&seq, &oid) ||
		!seq.ReadASN1(&content, tagExplicit0) || !content.ReadASN1(&der, casn1.OCTET_STRING) {
		r.addBroken(kindCert, origin, value, errors.New("is a broken certificate entry of a PKCS#12 file"))
		return
	}
	if oid != oidX509Certificate {
		r.note(NotePKCS12OtherBag, origin, "a certificate other than X.509")
		return
	}
	if trusted {
		r.m.Anchors = append(r.m.Anchors, pki.NewCert(origin, der))
		return
	}
	r.addCert(origin, der)
}

// shroudedKey reads an encrypted private key.
func (r *pfxReader) shroudedKey(origin pki.Origin, value []byte) {
	e, err := parseEncrypted(value)
	if err == nil {
		err = r.work.reserve(e.algorithm)
	}
	if err != nil {
		r.keepLocked(origin, err, false)
		return
	}
	if e.algorithm.weak {
		r.note(NotePKCS12Weak, origin, "the key is encrypted with %s", e.algorithm.name)
	}
	if !r.asked {
		r.unlock(e)
	}
	if r.locked != nil {
		r.keepLocked(origin, r.locked, false)
		return
	}
	plain, err := e.decrypt(r.password)
	if errors.Is(err, ErrPasswordWrong) && r.protected() {
		err = fmt.Errorf("has another password than the file it is in: %w", ErrPasswordWrong)
	}
	if err != nil {
		r.keepLocked(origin, err, errors.Is(err, ErrPasswordWrong))
		return
	}
	signer, err := parseKey(plain)
	r.addKey(pki.Key{Origin: origin, Signer: signer, Encrypted: true, Err: err})
}
