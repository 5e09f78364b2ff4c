package verify

import (
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// curve is y² = x³ + ax + b over the integers modulo a prime: those in use that
// Go has not. It is not in constant time, which verifying does not need.
type curve struct{ p, a, b, gx, gy, n *big.Int }

// curvePoint is a point of a curve; x is nil for the one at infinity.
type curvePoint struct{ x, y *big.Int }

// otherCurve gives the parameters by the OID (SEC 2 2.4.1, RFC 5639 3), nil when
// it is none of these.
func otherCurve(oid string) *curve {
	var text [6]string
	switch oid {
	case "1.2.840.10045.3.1.1": // prime192v1
		text = [6]string{
			"fffffffffffffffffffffffffffffffeffffffffffffffff", "fffffffffffffffffffffffffffffffefffffffffffffffc",
			"64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1", "188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012",
			"07192b95ffc8da78631011ed6b24cdd573f977a11e794811", "ffffffffffffffffffffffff99def836146bc9b1b4d22831",
		}
	case "1.3.132.0.10": // secp256k1
		text = [6]string{
			"fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f", "0", "7",
			"79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
			"483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
			"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
		}
	case "1.3.36.3.3.2.8.1.1.7": // brainpoolP256r1
		text = [6]string{
			"a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377",
			"7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9",
			"26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6",
			"8bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262",
			"547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997",
			"a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
		}
	case "1.3.36.3.3.2.8.1.1.11": // brainpoolP384r1
		text = [6]string{
			"8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53",
			"7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826",
			"04a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11",
			"1d1c64f068cf45ffa2a63a81b7c13f6b8847a3e77ef14fe3db7fcafe0cbd10e8e826e03436d646aaef87b2e247d4af1e",
			"8abe1d7520f9c2a45cb1eb8e95cfd55262b70b29feec5864e19c054ff99129280e4646217791811142820341263c5315",
			"8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565",
		}
	case "1.3.36.3.3.2.8.1.1.13": // brainpoolP512r1
		text = [6]string{
			"aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3",
			"7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94ca",
			"3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94cadc083e67984050b75ebae5dd2809bd638016f723",
			"81aee4bdd82ed9645a21322e9c4c6a9385ed9f70b5d916c1b43b62eef4d0098eff3b1f78e2d0d48d50d1687b93b97d5f7c6d5047406a5e688b352209bcb9f822",
			"7dde385d566332ecc0eabfa9cf7822fdf209f70024a57b1aa000c55b881f8111b2dcde494a5f485e5bca4bd88a2763aed1ca2b2fa8f0540678cd1e0f3ad80892",
			"aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069",
		}
	default:
		return nil
	}
	c := &curve{}
	for i, into := range []**big.Int{&c.p, &c.a, &c.b, &c.gx, &c.gy, &c.n} {
		*into, _ = new(big.Int).SetString(text[i], 16)
	}
	return c
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
	base := curvePoint{c.gx, c.gy}
	both := c.add(base, key)
	var sum curvePoint
	for i := c.n.BitLen() - 1; i >= 0; i-- {
		sum = c.add(sum, sum)
		switch u1.Bit(i) | u2.Bit(i)<<1 {
		case 1:
			sum = c.add(sum, base)
		case 2:
			sum = c.add(sum, key)
		case 3:
			sum = c.add(sum, both)
		}
	}
	return sum.x != nil && new(big.Int).Mod(sum.x, c.n).Cmp(r) == 0
}
