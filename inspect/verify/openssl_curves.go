package verify

import (
	_ "embed" // curves
	"math/big"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// curve is y² = x³ + ax + b over the integers modulo a prime. It is not in constant
// time, which verifying does not need.
type curve struct{ p, a, b, gx, gy, n *big.Int }

// curvePoint is a point of a curve; x is nil for the one at infinity.
type curvePoint struct{ x, y *big.Int }

// curveKey is a public key on a curve.
type curveKey struct {
	curve *curve
	point curvePoint
}

// curves are the curves over prime fields that OpenSSL has and Go has not, a line
// each: OID, name, p, a, b, x and y of the base point, and its order (SEC 2,
// X9.62, RFC 5639, WAP WTLS).
//
//go:embed curves.txt
var curves string

// otherCurve gives the parameters by the OID, nil when it is none of these.
func otherCurve(oid string) *curve {
	for line := range strings.Lines(curves) {
		numbers, ok := strings.CutPrefix(line, oid+" ")
		if !ok {
			continue
		}
		fields := strings.Fields(numbers)
		c := &curve{}
		for i, into := range []**big.Int{&c.p, &c.a, &c.b, &c.gx, &c.gy, &c.n} {
			*into, _ = new(big.Int).SetString(fields[i+1], 16)
		}
		return c
	}
	return nil
}

// rightSide is x³ + ax + b.
func (c *curve) rightSide(x *big.Int) *big.Int {
	out := new(big.Int).Mul(x, x)
	out.Add(out, c.a).Mul(out, x).Add(out, c.b)
	return out.Mod(out, c.p)
}

// point reads an encoded point (SEC 1 2.3.4): compressed, as it is, or both.
func (c *curve) point(encoded []byte) (curvePoint, bool) {
	size := (c.p.BitLen() + 7) / 8
	if len(encoded) < 1+size {
		return curvePoint{}, false
	}
	form := encoded[0]
	x := new(big.Int).SetBytes(encoded[1 : 1+size])
	y := new(big.Int).SetBytes(encoded[1+size:])
	if x.Cmp(c.p) >= 0 {
		return curvePoint{}, false
	}
	want := c.rightSide(x)
	switch form {
	case 2, 3:
		if len(encoded) != 1+size || y.ModSqrt(want, c.p) == nil {
			return curvePoint{}, false
		}
		if y.Bit(0) != uint(form&1) {
			if y.Sign() == 0 {
				return curvePoint{}, false
			}
			y.Sub(c.p, y)
		}
		return curvePoint{x, y}, true
	case 4, 6, 7:
		if len(encoded) != 1+2*size || y.Cmp(c.p) >= 0 || form != 4 && y.Bit(0) != uint(form&1) {
			return curvePoint{}, false
		}
	default:
		return curvePoint{}, false
	}
	square := new(big.Int).Mul(y, y)
	return curvePoint{x, y}, square.Mod(square, c.p).Cmp(want) == 0
}

func (c *curve) add(a, b curvePoint) curvePoint {
	if a.x == nil {
		return b
	}
	if b.x == nil {
		return a
	}
	slope, under := new(big.Int), new(big.Int)
	if a.x.Cmp(b.x) == 0 {
		if a.y.Cmp(b.y) != 0 || a.y.Sign() == 0 {
			return curvePoint{}
		}
		slope.Mul(a.x, a.x)
		slope.Mul(slope, big.NewInt(3)).Add(slope, c.a)
		under.Lsh(a.y, 1)
	} else {
		slope.Sub(b.y, a.y)
		under.Sub(b.x, a.x)
	}
	slope.Mul(slope, under.ModInverse(under.Mod(under, c.p), c.p)).Mod(slope, c.p)
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, a.x).Sub(x, b.x).Mod(x, c.p)
	y := new(big.Int).Sub(a.x, x)
	y.Mul(y, slope).Sub(y, a.y).Mod(y, c.p)
	return curvePoint{x, y}
}

// verify is ECDSA (FIPS 186-5 6.4.2).
func (c *curve) verify(key curvePoint, digest, signature []byte) bool {
	r, s := new(big.Int), new(big.Int)
	in := cryptobyte.String(signature)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || !seq.ReadASN1Integer(r) || !seq.ReadASN1Integer(s) || !seq.Empty() {
		return false
	}
	if r.Sign() <= 0 || s.Sign() <= 0 || r.Cmp(c.n) >= 0 || s.Cmp(c.n) >= 0 {
		return false
	}
	e := new(big.Int).SetBytes(digest)
	if excess := len(digest)*8 - c.n.BitLen(); excess > 0 {
		e.Rsh(e, uint(excess))
	}
	w := new(big.Int).ModInverse(s, c.n)
	u1 := e.Mul(e, w)
	u1.Mod(u1, c.n)
	u2 := w.Mul(w, r)
	u2.Mod(u2, c.n)
	sum := sumOfMultiples(c.add, curvePoint{}, u1, curvePoint{c.gx, c.gy}, u2, key)
	return sum.x != nil && new(big.Int).Mod(sum.x, c.n).Cmp(r) == 0
}

// sumOfMultiples is m × p + n × q, for numbers that are not secret: bit by bit of
// both at once (Shamir's trick). none is the neutral point of add.
func sumOfMultiples[P any](add func(P, P) P, none P, m *big.Int, p P, n *big.Int, q P) P {
	both, sum := add(p, q), none
	for i := max(m.BitLen(), n.BitLen()) - 1; i >= 0; i-- {
		sum = add(sum, sum)
		switch m.Bit(i) | n.Bit(i)<<1 {
		case 1:
			sum = add(sum, p)
		case 2:
			sum = add(sum, q)
		case 3:
			sum = add(sum, both)
		}
	}
	return sum
}
