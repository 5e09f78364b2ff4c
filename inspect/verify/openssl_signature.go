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
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"math"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
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
		"1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12", "1.2.840.113549.1.1.13":
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
	case "1.2.840.113549.1.1.4":
		return crypto.MD5
	case "1.2.840.113549.1.1.5", "1.2.840.10045.4.1", "1.2.840.10040.4.3":
		return crypto.SHA1
	case "1.2.840.113549.1.1.14", "1.2.840.10045.4.3.1", "2.16.840.1.101.3.4.3.1":
		return crypto.SHA224
	case "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2", "2.16.840.1.101.3.4.3.2":
		return crypto.SHA256
	case "1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3":
		return crypto.SHA384
	case "1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4":
		return crypto.SHA512
	}
	return 0
}

// signedBy verifies c's signature with issuer's key as OpenSSL does: weak
// hashes and short keys are no reason to refuse. decodable is false when the
// key cannot be read.
func (c *certificate) signedBy(issuer *certificate) (ok, decodable bool) {
	if issuer.key.algorithm.oid == oidKeyEC && isInfinity(issuer.key.bits) {
		return false, true
	}
	key := issuer.publicKey()
	if key == nil {
		return false, false
	}
	if !c.inner.equal(c.outer) || c.unusedBits != 0 {
		return false, true
	}
	if c.inner.oid == oidKeyEd25519 {
		pub, is := key.(ed25519.PublicKey)
		return is && ed25519.Verify(pub, c.tbs, c.signature), true
	}
	hash := hashOfSignature(c.inner.oid)
	var pss pssParameters
	if c.inner.oid == oidSigPSS {
		pss = readPSS(c.outer.raw())
		hash = pss.hash
	}
	if hash == 0 || !hash.Available() {
		return false, true
	}
	h := hash.New()
	h.Write(c.tbs)
	digest := h.Sum(nil)
	switch pub := key.(type) {
	case *rsa.PublicKey:
		if c.inner.oid == oidSigPSS {
			return rsa.VerifyPSS(pub, hash, digest, c.signature, &rsa.PSSOptions{SaltLength: pss.salt, Hash: hash}) == nil, true
		}
		return verifyPKCS1v15(pub, hash, digest, c.signature), true
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(pub, digest, c.signature), true
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

func (c *certificate) publicKey() any {
	if x := c.pki.X509; x != nil && x.PublicKey != nil {
		return x.PublicKey
	}
	if key, err := x509.ParsePKIXPublicKey(c.key.raw); err == nil {
		return key
	}
	switch c.key.algorithm.oid {
	case oidKeyRSAPSS, oidKeyRSAOld:
		return c.plainRSAKey()
	}
	return c.explicitKey()
}

// plainRSAKey reads an RSA key whose algorithm Go has no parser for.
func (c *certificate) plainRSAKey() any {
	in := cryptobyte.String(c.key.raw)
	var spki, alg cryptobyte.String
	var bits asn1.BitString
	if !in.ReadASN1(&spki, cbasn1.SEQUENCE) || !spki.ReadASN1(&alg, cbasn1.SEQUENCE) || !spki.ReadASN1BitString(&bits) {
		return nil
	}
	key, err := x509.ParsePKCS1PublicKey(bits.Bytes)
	if err != nil {
		return nil
	}
	return key
}

// explicitKey reads an EC key whose curve is one of NIST's, written out in full.
func (c *certificate) explicitKey() any {
	in := cryptobyte.String(c.key.raw)
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

// verifyPKCS1v15 does RSASSA-PKCS1-v1_5 (RFC 8017 8.2.2) for keys that
// crypto/rsa holds for too short; longer ones go to crypto/rsa.
func verifyPKCS1v15(pub *rsa.PublicKey, hash crypto.Hash, digest, sig []byte) bool {
	if pub.N.BitLen() >= 1024 {
		return rsa.VerifyPKCS1v15(pub, hash, digest, sig) == nil
	}
	prefix := digestPrefix(hash)
	size := pub.Size()
	if prefix == nil || len(sig) != size || size < len(prefix)+len(digest)+11 {
		return false
	}
	want := make([]byte, size)
	want[1] = 1
	tail := append(append([]byte{}, prefix...), digest...)
	for i := 2; i < size-len(tail)-1; i++ {
		want[i] = 0xff
	}
	copy(want[size-len(tail):], tail)
	m := new(big.Int).Exp(new(big.Int).SetBytes(sig), big.NewInt(int64(pub.E)), pub.N)
	return bytes.Equal(m.FillBytes(make([]byte, size)), want)
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
	case crypto.SHA224:
		return nist(4, 28)
	case crypto.SHA256:
		return nist(1, 32)
	case crypto.SHA384:
		return nist(2, 48)
	case crypto.SHA512:
		return nist(3, 64)
	}
	return nil
}

type pssParameters struct {
	hash crypto.Hash
	salt int
}

// readPSS reads RSASSA-PSS-params (RFC 4055 3.1), whose defaults are SHA-1 and 20.
func readPSS(params []byte) pssParameters {
	out := pssParameters{hash: crypto.SHA1, salt: 20}
	in := cryptobyte.String(params)
	var seq, value, alg cryptobyte.String
	var present bool
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return out
	}
	if seq.ReadOptionalASN1(&value, &present, cbasn1.Tag(0).Constructed().ContextSpecific()) && present {
		var oid asn1.ObjectIdentifier
		if value.ReadASN1(&alg, cbasn1.SEQUENCE) && alg.ReadASN1ObjectIdentifier(&oid) {
			out.hash = hashOfOID(oid.String())
		}
	}
	seq.ReadOptionalASN1(&value, &present, cbasn1.Tag(1).Constructed().ContextSpecific())
	if seq.ReadOptionalASN1(&value, &present, cbasn1.Tag(2).Constructed().ContextSpecific()) && present {
		value.ReadASN1Integer(&out.salt)
	}
	return out
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
		case "1.2.840.10045.3.1.7", "1.3.132.0.10":
			return 256
		case "1.3.132.0.34":
			return 384
		case "1.3.132.0.35":
			return 521
		case "1.2.840.10045.3.1.1":
			return 192
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
		hash = readPSS(c.outer.raw()).hash
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
	p := readPSS(params)
	if p.hash == 0 {
		return p.salt, 0
	}
	return p.salt, p.hash.Size()
}
