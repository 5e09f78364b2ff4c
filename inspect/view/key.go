package view

import (
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// publicKey is a subjectPublicKeyInfo (RFC 5280, 4.1.2.7) taken apart.
type publicKey struct {
	alg algorithm
	// bits is the content of the BIT STRING: the key in the algorithm's encoding.
	bits []byte
}

func parsePublicKey(spki []byte) (k publicKey, ok bool) {
	in := cryptobyte.String(spki)
	var seq, content cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !readAlgorithm(&seq, &k.alg) ||
		!seq.ReadASN1(&content, asn1.BIT_STRING) || len(content) == 0 {
		return k, false
	}
	k.bits = content[1:]
	return k, true
}

// rsa gives modulus and exponent of an RSA key (RFC 8017, A.1.1).
func (k publicKey) rsa() (n, e *big.Int, ok bool) {
	fields, ok := readSequence(k.bits)
	if !ok || len(fields) != 2 || fields[0].tag != asn1.INTEGER || fields[1].tag != asn1.INTEGER {
		return nil, nil, false
	}
	return signedInt(fields[0].content), signedInt(fields[1].content), true
}

// dsa gives the public value and the parameters p, q, g, which are nil when the
// issuer's count (RFC 3279, 2.3.2).
func (k publicKey) dsa() (y *big.Int, params []*big.Int, ok bool) {
	if y, ok = decodeInteger(k.bits); !ok {
		return nil, nil, false
	}
	fields, ok := readSequence(k.alg.params)
	if !ok || len(fields) != 3 {
		return y, nil, true
	}
	for _, f := range fields {
		params = append(params, signedInt(f.content))
	}
	return y, params, true
}

// curveOID is the identifier of the named curve of an elliptic curve key
// (RFC 5480, 2.1.1), "" when its parameters are explicit or missing.
func (k publicKey) curveOID() string {
	in := cryptobyte.String(k.alg.params)
	var oid string
	if !readOID(&in, &oid) {
		return ""
	}
	return oid
}

// explicitCurve is what ECParameters of a prime field hold (X9.62; SEC 1, C.2).
type explicitCurve struct {
	prime, a, b, order, cofactor *big.Int
	generator, seed              []byte
	hasSeed                      bool
}

func (k publicKey) explicitCurve() (c explicitCurve, ok bool) {
	fields, ok := readSequence(k.alg.params)
	if !ok || len(fields) < 5 {
		return c, false
	}
	field, ok := readElements(fields[1].content)
	if !ok || len(field) != 2 || oidText(field[0].content) != "1.2.840.10045.1.1" || field[1].tag != asn1.INTEGER {
		return c, false
	}
	ab, ok := readElements(fields[2].content)
	if !ok || len(ab) < 2 {
		return c, false
	}
	c.prime = signedInt(field[1].content)
	c.a, c.b = new(big.Int).SetBytes(ab[0].content), new(big.Int).SetBytes(ab[1].content)
	if len(ab) > 2 && len(ab[2].content) > 0 {
		c.seed, c.hasSeed = ab[2].content[1:], true
	}
	c.generator, c.order = fields[3].content, signedInt(fields[4].content)
	if len(fields) > 5 {
		c.cofactor = signedInt(fields[5].content)
	}
	return c, true
}

// edwards names the algorithms whose keys are plain octets, with their length.
func edwards(oid string) (name string, size int, ok bool) {
	switch oid {
	case oidEd25519:
		return "Ed25519", 32, true
	case oidEd448:
		return "Ed448", 57, true
	case oidX25519:
		return "X25519", 32, true
	case oidX448:
		return "X448", 56, true
	}
	return "", 0, false
}

// describe gives the family of the algorithm ("ECDSA"), its curve where it has
// one, and its size in bits (0: not known).
func (k publicKey) describe() (family, curve string, size int) {
	switch oid := k.alg.oid; oid {
	case oidRSA, oidX500RSA, oidRSAPSS:
		family = "RSA"
		if oid == oidRSAPSS {
			family = "RSA-PSS"
		}
		if n, _, ok := k.rsa(); ok {
			size = n.BitLen()
		}
	case oidEC:
		return k.describeEC()
	case oidDSA:
		family = "DSA"
		if _, params, ok := k.dsa(); ok && params != nil {
			size = params[0].BitLen()
		}
	default:
		if name, octets, ok := edwards(oid); ok {
			return name, "", octets * 8
		}
		return modernName(oid), "", 0
	}
	return family, "", size
}

func (k publicKey) describeEC() (family, name string, size int) {
	oid := k.curveOID()
	if oid == "" {
		size = 0
		if c, ok := k.explicitCurve(); ok {
			size = c.prime.BitLen()
		}
		return "ECDSA", "explicit parameters", size
	}
	c, ok := findCurve(oid)
	switch {
	case !ok:
		return "ECDSA", oid, 0
	case c.nist != "":
		return "ECDSA", c.nist, c.bits
	default:
		return "ECDSA", c.name, c.bits
	}
}

// text gives the words of pki.DescribePublicKey: "RSA 2048", "ECDSA P-256".
func (k publicKey) text() string {
	family, curve, size := k.describe()
	switch {
	case curve != "":
		return family + " " + curve
	case size > 0 && (family == "RSA" || family == "RSA-PSS" || family == "DSA"):
		return fmt.Sprintf("%s %d", family, size)
	default:
		return family
	}
}

// modernName names algorithms that are younger than the table of objects.
func modernName(oid string) string {
	switch oid {
	case "2.16.840.1.101.3.4.3.17":
		return "ML-DSA-44"
	case "2.16.840.1.101.3.4.3.18":
		return "ML-DSA-65"
	case "2.16.840.1.101.3.4.3.19":
		return "ML-DSA-87"
	}
	return longName(oid)
}

// signatureName says how something is signed, in Go's words where it has some:
// "ECDSA-SHA256", "SHA256-RSA".
func signatureName(a algorithm) string {
	switch a.oid {
	case "1.2.840.113549.1.1.2":
		return "MD2-RSA"
	case "1.2.840.113549.1.1.4":
		return "MD5-RSA"
	case "1.2.840.113549.1.1.5":
		return "SHA1-RSA"
	case "1.2.840.113549.1.1.11":
		return "SHA256-RSA"
	case "1.2.840.113549.1.1.12":
		return "SHA384-RSA"
	case "1.2.840.113549.1.1.13":
		return "SHA512-RSA"
	case "1.2.840.10045.4.1":
		return "ECDSA-SHA1"
	case "1.2.840.10045.4.3.2":
		return "ECDSA-SHA256"
	case "1.2.840.10045.4.3.3":
		return "ECDSA-SHA384"
	case "1.2.840.10045.4.3.4":
		return "ECDSA-SHA512"
	case oidRSAPSS:
		if p, ok := decodePSS(a.params); ok && p.hash != "" {
			return "RSA-PSS-" + p.hash
		}
		return "RSA-PSS-sha1"
	}
	if name, _, ok := edwards(a.oid); ok {
		return name
	}
	return modernName(a.oid)
}

// pssParams are RSASSA-PSS-params (RFC 8017, A.2.3). Empty fields stand for the
// default: SHA-1, MGF1 with SHA-1, 20 octets, 1.
type pssParams struct {
	hash, mask, maskHash  string // object names
	saltLength, trailer   []byte // content of the INTEGER
	hasMask, maskHashGood bool
}

func decodePSS(der []byte) (p pssParams, ok bool) {
	fields, ok := readSequence(der)
	for _, f := range fields {
		in := cryptobyte.String(f.content)
		var a algorithm
		var n cryptobyte.String
		switch f.tag {
		case context(0).Constructed():
			ok = ok && readAlgorithm(&in, &a)
			p.hash = longName(a.oid)
		case context(1).Constructed():
			ok = ok && readAlgorithm(&in, &a)
			p.mask, p.hasMask = longName(a.oid), true
			params := cryptobyte.String(a.params)
			var h algorithm
			if a.oid == oidMGF1 && readAlgorithm(&params, &h) {
				p.maskHash, p.maskHashGood = longName(h.oid), true
			}
		case context(2).Constructed():
			ok = ok && in.ReadASN1(&n, asn1.INTEGER)
			p.saltLength = n
		case context(3).Constructed():
			ok = ok && in.ReadASN1(&n, asn1.INTEGER)
			p.trailer = n
		default:
			return p, false
		}
	}
	return p, ok
}
