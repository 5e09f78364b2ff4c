package verify

import (
	"crypto/sha3"
	"math/big"
	"slices"
)

// ed448 is edwards448 (RFC 8032 5.2), which Go has not: x² + y² = 1 + dx²y². It is
// not in constant time, which verifying does not need.
type ed448 struct{ p, d, order *big.Int }

// ed448Key is a public key: any octets, which need not be a point.
type ed448Key []byte

// edPoint is x/z, y/z.
type edPoint struct{ x, y, z *big.Int }

const (
	// ed448Size is the length of a key, and half that of a signature, in octets.
	ed448Size = 57
	// ed448Base is the base point, x and y.
	ed448Base = "4f1970c66bed0ded221d15a622bf36da9e146570470f1767ea6de324a3d3a46412ae1af72ab66511433b80e18b00938e2626a82bc70cc05e" +
		"693f46716eb6bc248876203756c9c7624bea73736ca3984087789c1e05a0c2d73ad3ff1ce67c39c4fdbd132c4ed7c8ad9808795bf230fa14"
)

func newEd448() ed448 {
	one := big.NewInt(1)
	power := func(n uint) *big.Int { return new(big.Int).Lsh(one, n) }
	p := power(448)
	p.Sub(p, power(224)).Sub(p, one)
	order, _ := new(big.Int).SetString("13818066809895115352007386748515426880336692474882178609894547503885", 10)
	return ed448{p: p, d: new(big.Int).Sub(p, big.NewInt(39081)), order: order.Sub(power(446), order)}
}

func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// point decodes a point (5.2.3).
func (c ed448) point(encoded []byte) (edPoint, bool) {
	if len(encoded) != ed448Size || encoded[ed448Size-1]&0x7f != 0 {
		return edPoint{}, false
	}
	one := big.NewInt(1)
	y := littleEndian(encoded[:ed448Size-1])
	if y.Cmp(c.p) >= 0 {
		return edPoint{}, false
	}
	square := new(big.Int).Mul(y, y)
	under := new(big.Int).Mul(square, c.d)
	under.Sub(under, one).Mod(under, c.p)
	x := square.Sub(square, one)
	x.Mul(x, under.ModInverse(under, c.p)).Mod(x, c.p)
	if x.ModSqrt(x, c.p) == nil {
		return edPoint{}, false
	}
	if sign := uint(encoded[ed448Size-1] >> 7); x.Bit(0) != sign {
		if x.Sign() == 0 {
			return edPoint{}, false
		}
		x.Sub(c.p, x)
	}
	return edPoint{x, y, one}, true
}

// add is complete: it doubles as well (5.2.4).
func (c ed448) add(p, q edPoint) edPoint {
	mul := func(a, b *big.Int) *big.Int {
		out := new(big.Int).Mul(a, b)
		return out.Mod(out, c.p)
	}
	z := mul(p.z, q.z)
	zz := mul(z, z)
	xx, yy := mul(p.x, q.x), mul(p.y, q.y)
	e := mul(mul(c.d, xx), yy)
	f, g := new(big.Int).Sub(zz, e), new(big.Int).Add(zz, e)
	h := mul(new(big.Int).Add(p.x, p.y), new(big.Int).Add(q.x, q.y))
	h.Sub(h, xx).Sub(h, yy)
	return edPoint{mul(mul(z, f), h), mul(mul(z, g), yy.Sub(yy, xx)), mul(f, g)}
}

// verify is Ed448 without a context (5.2.7).
func (c ed448) verify(key, message, signature []byte) bool {
	if len(signature) != 2*ed448Size || signature[2*ed448Size-1] != 0 {
		return false
	}
	a, ok := c.point(key)
	r, okR := c.point(signature[:ed448Size])
	s := littleEndian(signature[ed448Size:])
	if !ok || !okR || s.Cmp(c.order) >= 0 {
		return false
	}
	h := sha3.NewSHAKE256()
	h.Write([]byte("SigEd448\x00\x00"))
	h.Write(signature[:ed448Size])
	h.Write(key)
	h.Write(message)
	digest := make([]byte, 2*ed448Size)
	h.Read(digest)
	k := littleEndian(digest)
	k.Mod(k, c.order)
	x, _ := new(big.Int).SetString(ed448Base[:112], 16)
	y, _ := new(big.Int).SetString(ed448Base[112:], 16)
	one := big.NewInt(1)
	minus := edPoint{new(big.Int).Sub(c.p, a.x), a.y, a.z}
	sum := sumOfMultiples(c.add, edPoint{new(big.Int), one, one}, s, edPoint{x, y, one}, k, minus)
	same := func(a, b *big.Int) bool {
		b = new(big.Int).Mul(b, sum.z)
		return a.Cmp(b.Mod(b, c.p)) == 0
	}
	return same(sum.x, r.x) && same(sum.y, r.y)
}
