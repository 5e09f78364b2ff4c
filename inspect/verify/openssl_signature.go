package verify

import (
	"bytes"
	"crypto"
	"crypto/dsa" //lint:ignore SA1019 OpenSSL still verifies such signatures
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	_ "crypto/md5" // OpenSSL verifies what Go refuses
	"crypto/rsa"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"math"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	_ "golang.org/x/crypto/ripemd160" //lint:ignore SA1019 OpenSSL still verifies such signatures
)

const (
	oidKeyRSA     = "1.2.840.113549.1.1.1"
	oidKeyRSAPSS  = "1.2.840.113549.1.1.10"
	oidKeyEC      = "1.2.840.10045.2.1"
	oidKeyDSA     = "1.2.840.10040.4.1"
	oidKeyEd25519 = "1.3.101.112"
	oidKeyEd448   = "1.3.101.113"
	oidKeyRSAOld  = "2.5.8.1.1" // X.500's rsa, which OpenSSL takes for the same
	oidSigPSS     = "1.2.840.113549.1.1.10"
)

// keyOfSignature gives the OID of the key that makes signatures of this
// algorithm (OBJ_find_sigid_algs).
func keyOfSignature(oid string) (string, bool) {
	switch oid {
	case "1.2.840.113549.1.1.2", "1.2.840.113549.1.1.3", "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.113549.1.1.14",
		"1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12", "1.2.840.113549.1.1.13",
		"1.3.14.3.2.3", "1.3.14.3.2.15", "1.3.14.3.2.29", "1.3.36.3.3.1.2", "2.5.8.3.100", // of the time before PKCS #1
		"2.16.840.1.101.3.4.3.13", "2.16.840.1.101.3.4.3.14", "2.16.840.1.101.3.4.3.15", "2.16.840.1.101.3.4.3.16":
		return oidKeyRSA, true
	case oidSigPSS:
		return oidKeyRSA, true
	case "1.2.840.10045.4.1", "1.2.840.10045.4.3.1", "1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3", "1.2.840.10045.4.3.4":
		return oidKeyEC, true
	case "1.2.840.10040.4.3", "2.16.840.1.101.3.4.3.1", "2.16.840.1.101.3.4.3.2":
		return oidKeyDSA, true
	case oidKeyEd25519, oidKeyEd448:
		return oid, true
	}
	return "", false
}

func hashOfSignature(oid string) crypto.Hash {
	switch oid {
	case "1.2.840.113549.1.1.4", "1.3.14.3.2.3":
		return crypto.MD5
	case "1.2.840.113549.1.1.5", "1.3.14.3.2.29", "1.2.840.10045.4.1", "1.2.840.10040.4.3":
		return crypto.SHA1
	case "1.3.36.3.3.1.2":
		return crypto.RIPEMD160
	case "1.2.840.113549.1.1.14", "1.2.840.10045.4.3.1", "2.16.840.1.101.3.4.3.1":
		return crypto.SHA224
	case "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2", "2.16.840.1.101.3.4.3.2":
		return crypto.SHA256
	case "1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3":
		return crypto.SHA384
	case "1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4":
		return crypto.SHA512
	case "2.16.840.1.101.3.4.3.13":
		return crypto.SHA3_224
	case "2.16.840.1.101.3.4.3.14":
		return crypto.SHA3_256
	case "2.16.840.1.101.3.4.3.15":
		return crypto.SHA3_384
	case "2.16.840.1.101.3.4.3.16":
		return crypto.SHA3_512
	}
	return 0
}

// signedBy verifies c's signature with issuer's key as OpenSSL does: weak
// hashes and short keys are no reason to refuse. decodable is false when the
// key cannot be read.
func (c *certificate) signedBy(issuer *certificate) (ok, decodable bool) {
	key := issuer.publicKey()
	if key == nil {
		return false, false
	}
	if !c.inner.equal(c.outer) || c.unusedBits != 0 {
		return false, true
	}
	algorithm := c.inner.oid
	switch pub := key.(type) {
	case ed25519.PublicKey:
		return algorithm == oidKeyEd25519 && ed25519.Verify(pub, c.tbs, c.signature), true
	case ed448Key:
		return algorithm == oidKeyEd448 && newEd448().verify(pub, c.tbs, c.signature), true
	case rsaKey:
		if algorithm == oidSigPSS {
			return c.signedByPSS(issuer, pub), true
		}
	}
	hash := hashOfSignature(algorithm)
	if hash == 0 || !hash.Available() {
		return false, true
	}
	h := hash.New()
	h.Write(c.tbs)
	digest := h.Sum(nil)
	switch pub := key.(type) {
	case rsaKey:
		return pub.verifyPKCS1v15(hash, digest, c.signature), true
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(pub, digest, c.signature), true
	case curveKey:
		return pub.curve.verify(pub.point, digest, c.signature), true
	case *dsa.PublicKey:
		var sig struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(c.signature, &sig); err != nil {
			return false, true
		}
		size := (pub.Q.BitLen() + 7) / 8
		return dsa.Verify(pub, digest[:min(len(digest), size)], sig.R, sig.S), true
	}
	return false, true
}

// publicKey gives an rsaKey, an ed448Key, a curveKey, or what crypto/x509 makes of
// the other kinds; nil when nothing here computes with it.
func (c *certificate) publicKey() any {
	switch c.key.algorithm.oid {
	case oidKeyRSA, oidKeyRSAPSS, oidKeyRSAOld:
		return c.key.rsa()
	case oidKeyEd448:
		return ed448Key(c.key.bits)
	}
	if x := c.pki.X509; x != nil && x.PublicKey != nil {
		return x.PublicKey
	}
	if key, err := x509.ParsePKIXPublicKey(c.key.raw); err == nil {
		return key
	}
	if c.key.algorithm.oid == oidKeyEC {
		return c.key.ec()
	}
	return nil
}

// infinity is an EC key with which no signature is good.
type infinity struct{}

// ec reads an EC key of a form or a curve that crypto/x509 does not read.
func (k subjectKey) ec() any {
	oid := k.curve()
	nist, other := nistCurve(oid), otherCurve(oid)
	switch {
	case oid == "explicit":
		return k.explicitEC()
	case isInfinity(k.bits) && knownCurve(oid):
		return infinity{}
	case nist != nil:
		if pub, err := ecdsa.ParseUncompressedPublicKey(nist, uncompressed(nist, k.bits)); err == nil {
			return pub
		}
	case other != nil:
		if point, ok := other.point(k.bits); ok {
			return curveKey{other, point}
		}
	}
	return nil
}

// explicitEC reads an EC key whose curve is one of NIST's, written out in full.
func (k subjectKey) explicitEC() any {
	in := cryptobyte.String(k.raw)
	var spki, alg, params, field, curve, point cryptobyte.String
	var oid, kind asn1.ObjectIdentifier
	var version int
	prime := new(big.Int)
	var bits asn1.BitString
	if !in.ReadASN1(&spki, cbasn1.SEQUENCE) || !spki.ReadASN1(&alg, cbasn1.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&oid) ||
		!alg.ReadASN1(&params, cbasn1.SEQUENCE) || !params.ReadASN1Integer(&version) ||
		!params.ReadASN1(&field, cbasn1.SEQUENCE) || !field.ReadASN1ObjectIdentifier(&kind) || !field.ReadASN1Integer(prime) ||
		!params.ReadASN1(&curve, cbasn1.SEQUENCE) || !params.ReadASN1(&point, cbasn1.OCTET_STRING) ||
		!spki.ReadASN1BitString(&bits) {
		return nil
	}
	for _, known := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		if known.Params().P.Cmp(prime) == 0 {
			pub, err := ecdsa.ParseUncompressedPublicKey(known, bits.Bytes)
			if err != nil {
				return nil
			}
			return pub
		}
	}
	return nil
}

// rsaKey is an RSA key of any size and exponent: OpenSSL has other limits than
// crypto/rsa.
type rsaKey struct{ n, e *big.Int }

// rsa reads an RSAPublicKey, which OpenSSL does not ask for parameters.
func (k subjectKey) rsa() any {
	d := &decoder{rest: k.bits}
	seq := d.sequence()
	key := rsaKey{n: new(big.Int).SetBytes(seq.primitive(tagInteger)), e: new(big.Int).SetBytes(seq.primitive(tagInteger))}
	if d.end(seq); d.bad {
		return nil
	}
	return key
}

// Limits of crypto/rsa/rsa_ossl.c, in bits: above smallModulus, exponents are
// limited as well.
const (
	maxModulus   = 16384
	smallModulus = 3072
	maxExponent  = 64
)

// open gives what was signed, as long as the modulus; nil when the key or the
// signature is out of range.
func (k rsaKey) open(signature []byte) []byte {
	bits := k.n.BitLen()
	size := (bits + 7) / 8
	s := new(big.Int).SetBytes(signature)
	if bits > maxModulus || k.n.Cmp(k.e) <= 0 || bits > smallModulus && k.e.BitLen() > maxExponent ||
		k.n.Bit(0) == 0 || len(signature) != size || s.Cmp(k.n) >= 0 {
		return nil
	}
	return s.Exp(s, k.e, k.n).FillBytes(make([]byte, size))
}

// std gives the key to crypto/rsa, which is faster, when it takes it.
func (k rsaKey) std() (*rsa.PublicKey, bool) {
	if k.n.BitLen() < 1024 || k.n.BitLen() > maxModulus || k.e.BitLen() > 31 || k.e.Cmp(big.NewInt(1)) <= 0 || k.e.Bit(0) == 0 || k.n.Bit(0) == 0 {
		return nil, false
	}
	return &rsa.PublicKey{N: k.n, E: int(k.e.Int64())}, true
}

// verifyPKCS1v15 does RSASSA-PKCS1-v1_5 (RFC 8017 8.2.2).
func (k rsaKey) verifyPKCS1v15(hash crypto.Hash, digest, signature []byte) bool {
	// crypto/rsa knows RIPEMD-160 by another OID.
	if pub, ok := k.std(); ok && hash != crypto.RIPEMD160 {
		return rsa.VerifyPKCS1v15(pub, hash, digest, signature) == nil
	}
	prefix := digestPrefix(hash)
	message := k.open(signature)
	if prefix == nil || message == nil || len(message) < len(prefix)+len(digest)+11 {
		return false
	}
	want := make([]byte, len(message))
	want[1] = 1
	tail := slices.Concat(prefix, digest)
	for i := 2; i < len(want)-len(tail)-1; i++ {
		want[i] = 0xff
	}
	copy(want[len(want)-len(tail):], tail)
	return bytes.Equal(message, want)
}

// signedByPSS does RSASSA-PSS (RFC 8017 8.1.2). A key of the kind RSASSA-PSS may
// have parameters of its own, which bind its signatures (RFC 4055 1.2).
func (c *certificate) signedByPSS(issuer *certificate, pub rsaKey) bool {
	params, ok := readPSS(c.outer.raw())
	if !ok || !params.hash.Available() || !params.mask.Available() || params.salt < 0 {
		return false
	}
	if own := issuer.key.algorithm; own.oid == oidKeyRSAPSS && own.params != nil {
		bound, ok := readPSS(own.raw())
		if !ok || bound.hash != params.hash || bound.mask != params.mask || params.salt < bound.salt {
			return false
		}
	}
	h := params.hash.New()
	h.Write(c.tbs)
	return params.verify(pub.open(c.signature), pub.n.BitLen()-1, h.Sum(nil))
}

// verify is EMSA-PSS-VERIFY (RFC 8017 9.1.2) of a message of so many bits.
func (p pssParameters) verify(message []byte, bits int, digest []byte) bool {
	if size := (bits + 7) / 8; len(message) > size { // the modulus has one octet more
		if message[0] != 0 {
			return false
		}
		message = message[1:]
	}
	if len(message) < len(digest)+p.salt+2 || message[len(message)-1] != 0xbc {
		return false
	}
	at := len(message) - len(digest) - 1
	masked, seed := bytes.Clone(message[:at]), message[at:len(message)-1]
	spare := 8*len(message) - bits
	if masked[0]&^(0xff>>spare) != 0 {
		return false
	}
	h := p.mask.New()
	for i, counter := 0, uint32(0); i < len(masked); counter++ {
		h.Reset()
		h.Write(seed)
		h.Write(binary.BigEndian.AppendUint32(nil, counter))
		for _, b := range h.Sum(nil) {
			if i < len(masked) {
				masked[i] ^= b
				i++
			}
		}
	}
	masked[0] &= 0xff >> spare
	salt := len(masked) - p.salt
	if masked[salt-1] != 1 || bytes.ContainsFunc(masked[:salt-1], func(r rune) bool { return r != 0 }) {
		return false
	}
	h = p.hash.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	h.Write(masked[salt:])
	return bytes.Equal(h.Sum(nil), seed)
}

// digestPrefix is the DER before the digest in RFC 8017 9.2, note 1.
func digestPrefix(hash crypto.Hash) []byte {
	nist := func(last, length byte) []byte {
		return []byte{0x30, 0x11 + length, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last, 0x05, 0x00, 0x04, length}
	}
	switch hash {
	case crypto.MD5:
		return []byte{0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05, 0x05, 0x00, 0x04, 0x10}
	case crypto.SHA1:
		return []byte{0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14}
	case crypto.RIPEMD160:
		return []byte{0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x24, 0x03, 0x02, 0x01, 0x05, 0x00, 0x04, 0x14}
	case crypto.SHA224:
		return nist(4, 28)
	case crypto.SHA256:
		return nist(1, 32)
	case crypto.SHA384:
		return nist(2, 48)
	case crypto.SHA512:
		return nist(3, 64)
	case crypto.SHA3_224:
		return nist(7, 28)
	case crypto.SHA3_256:
		return nist(8, 32)
	case crypto.SHA3_384:
		return nist(9, 48)
	case crypto.SHA3_512:
		return nist(10, 64)
	}
	return nil
}

type pssParameters struct {
	hash, mask crypto.Hash
	salt       int
}

// readPSS reads RSASSA-PSS-params (RFC 4055 3.1), whose defaults are SHA-1 and 20.
func readPSS(params []byte) (out pssParameters, ok bool) {
	out = pssParameters{hash: crypto.SHA1, mask: crypto.SHA1, salt: 20}
	d := &decoder{rest: params}
	seq := d.sequence()
	if wrapped := seq.optional(ctx(0)); wrapped != nil {
		out.hash = hashOfOID(wrapped.algorithm().oid)
		seq.end(wrapped)
	}
	if wrapped := seq.optional(ctx(1)); wrapped != nil {
		mask := wrapped.algorithm()
		seq.end(wrapped)
		inner := &decoder{rest: mask.raw()}
		out.mask = hashOfOID(inner.algorithm().oid)
		seq.check(mask.oid == "1.2.840.113549.1.1.8" && !inner.bad) // id-mgf1
	}
	if wrapped := seq.optional(ctx(2)); wrapped != nil {
		out.salt = smallInt(wrapped.primitive(tagInteger))
		seq.end(wrapped)
	}
	if wrapped := seq.optional(ctx(3)); wrapped != nil {
		seq.check(smallInt(wrapped.primitive(tagInteger)) == 1) // trailerFieldBC
		seq.end(wrapped)
	}
	d.end(seq)
	return out, !d.bad
}

func hashOfOID(oid string) crypto.Hash {
	switch oid {
	case "1.2.840.113549.2.5":
		return crypto.MD5
	case "1.3.14.3.2.26":
		return crypto.SHA1
	case "2.16.840.1.101.3.4.2.4":
		return crypto.SHA224
	case "2.16.840.1.101.3.4.2.1":
		return crypto.SHA256
	case "2.16.840.1.101.3.4.2.2":
		return crypto.SHA384
	case "2.16.840.1.101.3.4.2.3":
		return crypto.SHA512
	case "2.16.840.1.101.3.4.2.5":
		return crypto.SHA512_224
	case "2.16.840.1.101.3.4.2.6":
		return crypto.SHA512_256
	case "2.16.840.1.101.3.4.2.7":
		return crypto.SHA3_224
	case "2.16.840.1.101.3.4.2.8":
		return crypto.SHA3_256
	case "2.16.840.1.101.3.4.2.9":
		return crypto.SHA3_384
	case "2.16.840.1.101.3.4.2.10":
		return crypto.SHA3_512
	}
	return 0
}

// raw gives the parameters as they stand there.
func (a algorithm) raw() []byte {
	if a.params == nil || a.params.tag != tagSequence {
		return nil
	}
	return a.params.value
}

// size is the length of the key in bits as people count it.
func (k subjectKey) size() int {
	switch k.algorithm.oid {
	case oidKeyRSA, oidKeyRSAOld, oidKeyRSAPSS:
		d := &decoder{rest: k.bits}
		return new(big.Int).SetBytes(d.sequence().primitive(tagInteger)).BitLen()
	case oidKeyEC:
		switch k.curve() {
		case "1.3.132.0.33":
			return 224
		case "1.2.840.10045.3.1.7":
			return 256
		case "1.3.132.0.34":
			return 384
		case "1.3.132.0.35":
			return 521
		}
		if other := otherCurve(k.curve()); other != nil {
			return other.n.BitLen()
		}
		return (len(k.bits) - 1) / 2 * 8
	}
	return len(k.bits) * 8
}

// keyBits is the strength of the key in bits as OpenSSL counts it
// (EVP_PKEY_get_security_bits, NIST SP 800-57).
func (c *certificate) keyBits() int {
	bits := c.key.size()
	switch c.key.algorithm.oid {
	case oidKeyEC:
		switch {
		case bits >= 512:
			return 256
		case bits >= 384:
			return 192
		case bits >= 256:
			return 128
		case bits >= 224:
			return 112
		case bits >= 160:
			return 80
		}
		return bits / 2
	case oidKeyEd25519, "1.3.101.110": // X25519
		return 128
	case oidKeyEd448, "1.3.101.111": // X448
		return 224
	}
	if c.key.algorithm.oid == oidKeyDSA {
		if pub, ok := c.publicKey().(*dsa.PublicKey); ok {
			return min(ifcBits(pub.P.BitLen()), pub.Q.BitLen()/2)
		}
	}
	return ifcBits(bits)
}

// ifcBits gives the strength of RSA and DSA moduli (crypto/rsa/rsa_lib.c,
// ossl_ifc_ffc_compute_security_bits: SP 800-56B rev 2, appendix D, rounded to
// a multiple of 8).
func ifcBits(bits int) int {
	switch bits {
	case 2048:
		return 112
	case 3072:
		return 128
	case 4096:
		return 152
	case 6144:
		return 176
	case 7680:
		return 192
	case 8192:
		return 200
	case 15360:
		return 256
	}
	if bits < 8 {
		return 0
	}
	limit := 1200
	if bits <= 7680 {
		limit = 192
	} else if bits <= 15360 {
		limit = 256
	}
	x := float64(bits) * math.Ln2
	lx := math.Log(x)
	y := int((1.923*math.Cbrt(x*lx*lx) - 4.69) / math.Ln2)
	return min((y+4)&^7, limit)
}

// signatureBits is the strength of the signature's digest (X509_get_signature_info).
func (c *certificate) signatureBits() int {
	hash := hashOfSignature(c.outer.oid)
	if c.outer.oid == oidSigPSS {
		params, _ := readPSS(c.outer.raw())
		hash = params.hash
	}
	switch hash {
	case crypto.MD5:
		return 39 // 2^39 for a chosen-prefix collision
	case crypto.SHA1:
		return 63
	case 0:
		if c.outer.oid == oidKeyEd448 {
			return 224
		}
		if c.outer.oid == oidKeyEd25519 {
			return 128
		}
		return -1
	}
	return hash.Size() * 4
}

// PSSSalt gives the lengths of salt and digest, in bytes, that RSASSA-PSS
// parameters (RFC 4055 3.1) ask for.
func PSSSalt(params []byte) (salt, digest int) {
	p, _ := readPSS(params)
	if p.hash == 0 {
		return p.salt, 0
	}
	return p.salt, p.hash.Size()
}
