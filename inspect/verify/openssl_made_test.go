package verify

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	mathrand "math/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMadeChains: what OpenSSL 3.0 says of chains with one thing strange in each.
// The real one is asked as well where there is one.
func TestMadeChains(t *testing.T) {
	keys := newMadeKeys(t)
	ext := func(cert int, oid string, value []byte) func(c [3]*made) {
		return func(c [3]*made) { c[cert].set(oid, value) }
	}
	crit := func(cert int, oid string) func(c [3]*made) {
		return func(c [3]*made) { c[cert].critical(oid) }
	}
	names := func(all ...[]byte) func(c [3]*made) { return ext(madeLeaf, oidSAN, seq(all...)) }
	permitted := func(bases ...[]byte) func(c [3]*made) {
		var trees [][]byte
		for _, b := range bases {
			trees = append(trees, seq(b))
		}
		return ext(madeCA, oidNameConstraint, seq(tlv(0xa0, trees...)))
	}
	excluded := func(base []byte) func(c [3]*made) {
		return ext(madeCA, oidNameConstraint, seq(tlv(0xa1, seq(base))))
	}
	both := func(all ...func(c [3]*made)) func(c [3]*made) {
		return func(c [3]*made) {
			for _, f := range all {
				f(c)
			}
		}
	}
	dns := general(gnDNS, "reg.example.com")
	other := func(oid string, value []byte) []byte { return tlv(0xa0, oidDER(oid), tlv(0xa0, value)) }
	mailbox := func(text string) []byte { return other(oidSmtpUTF8Mailbox, tlv(12, []byte(text))) }
	longArc := []byte{6, 11, 0x69, 0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	for name, tt := range map[string]struct {
		change func(c [3]*made)
		host   string
		want   Code
	}{
		"good": {func([3]*made) {}, "reg.example.com", CodeOK},

		// Extensions that it cannot read make an issuer of nobody.
		"a general name of kind 15":       {names(dns, tlv(0x8f, []byte("x"))), "", CodeUnableToGetIssuerCertLocally},
		"an otherName without a value":    {names(dns, tlv(0xa0, oidDER("1.2.3"))), "", CodeUnableToGetIssuerCertLocally},
		"a dNSName in pieces":             {names(tlv(0xa2, tlv(4, []byte("reg.")), tlv(4, []byte("example.com")))), "reg.example.com", CodeOK},
		"an EDI party name":               {names(dns, tlv(0xa5, tlv(0xa1, tlv(12, []byte("x"))))), "", CodeOK},
		"an EDI party name of IA5":        {names(dns, tlv(0xa5, tlv(0xa1, tlv(22, []byte("x"))))), "", CodeUnableToGetIssuerCertLocally},
		"bytes behind a SAN":              {ext(madeLeaf, oidSAN, append(seq(dns), 5, 0)), "reg.example.com", CodeOK},
		"a purpose with a long arc":       {ext(madeLeaf, oidEKU, seq(longArc, oidDER(oidServerAuth))), "", CodeOK},
		"a purpose with a padded arc":     {ext(madeLeaf, oidEKU, seq(oidDER(oidServerAuth), tlv(6, []byte{0x80, 1}))), "", CodeUnableToGetIssuerCertLocally},
		"a set of purposes":               {ext(madeLeaf, oidEKU, tlv(0x31, oidDER(oidServerAuth))), "", CodeUnableToGetIssuerCertLocally},
		"a true that is 1":                {ext(madeCA, oidBasicConstraints, seq([]byte{1, 1, 1})), "", CodeOK},
		"a length of indefinite form":     {ext(madeCA, oidBasicConstraints, []byte{0x30, 0x80, 1, 1, 0xff, 0, 0}), "", CodeOK},
		"a negative path length":          {ext(madeCA, oidBasicConstraints, seq(critical, tlv(2, []byte{0xff}))), "", CodeUnableToGetIssuerCertLocally},
		"a usage in two octets":           {ext(madeCA, oidKeyUsage, tlv(3, []byte{7, 6, 0x80})), "", CodeOK},
		"a usage with bits unused":        {ext(madeCA, oidKeyUsage, tlv(3, []byte{2, 4})), "", CodeOK},
		"a usage of no bits":              {ext(madeCA, oidKeyUsage, tlv(3, []byte{3, 7})), "", CodeUnableToGetIssuerCertLocally},
		"a key identifier in pieces":      {ext(madeCA, oidSKI, tlv(0x24, tlv(4, []byte{1}))), "", CodeOK},
		"a distribution point of nothing": {ext(madeLeaf, oidCRLPoints, seq(seq())), "", CodeUnableToGetIssuerCertLocally},
		"a distribution point":            {ext(madeLeaf, oidCRLPoints, seq(seq(tlv(0xa0, tlv(0xa0, general(gnURI, "http://x")))))), "", CodeOK},
		"only reasons":                    {ext(madeLeaf, oidCRLPoints, seq(seq(tlv(0x81, []byte{1, 6})))), "", CodeUnableToGetIssuerCertLocally},
		"a proxy certificate with a SAN":  {ext(madeLeaf, oidProxyCertInfo, seq(seq(oidDER("1.3.6.1.5.5.7.21.1")))), "", CodeUnableToGetIssuerCertLocally},
		"a proxy certificate": {both(ext(madeLeaf, oidProxyCertInfo, seq(seq(oidDER("1.3.6.1.5.5.7.21.1")))), func(c [3]*made) {
			c[madeLeaf].remove(oidSAN)
		}), "", CodeProxyCertificatesNotAllowed},
		"a critical key identifier":       {crit(madeLeaf, oidSKI), "", CodeUnhandledCriticalExtension},
		"a critical authority identifier": {crit(madeRoot, oidAKI), "", CodeUnhandledCriticalExtension},
		"a critical SAN":                  {crit(madeLeaf, oidSAN), "", CodeOK},

		// Name constraints.
		"a constraint of an odd size on addresses": {permitted(general(gnIP, "\x0a\x00\x00\x01")), "", CodeUnsupportedNameSyntax},
		"an address within":                        {permitted(general(gnIP, "\x0a\x00\x00\x00\xff\x00\x00\x00")), "10.0.0.1", CodeOK},
		"a maximum":                                {ext(madeCA, oidNameConstraint, seq(tlv(0xa0, seq(general(gnDNS, "example.com"), tlv(0x81, []byte{0}))))), "", CodeSubtreeMinmax},
		"a minimum of 0":                           {ext(madeCA, oidNameConstraint, seq(tlv(0xa0, seq(general(gnDNS, "example.com"), tlv(0x80, []byte{0}))))), "", CodeOK},
		"otherNames of different kinds":            {both(names(dns, other("1.2.3", tlv(5))), permitted(other("1.2.4", tlv(5)))), "", CodeOK},
		"otherNames of one kind":                   {both(names(dns, other("1.2.3", tlv(5))), permitted(other("1.2.3", tlv(5)))), "", CodeUnsupportedConstraintType},
		"a mailbox within":                         {both(names(dns, mailbox("ü@Bücher.de")), permitted(general(gnEmail, "xn--bcher-kva.de"))), "", CodeOK},
		"a mailbox in U-labels":                    {both(names(dns, mailbox("ü@bücher.de")), permitted(general(gnEmail, "xn--bcher-kva.de"))), "", CodeOK},
		"a mailbox below":                          {both(names(dns, mailbox("ü@a.bücher.de")), excluded(general(gnEmail, ".xn--bcher-kva.de"))), "", CodeOK}, // two dots are looked for
		"a mailbox below two dots":                 {both(names(dns, mailbox("ü@a..bücher.de")), excluded(general(gnEmail, ".xn--bcher-kva.de"))), "", CodeExcludedViolation},
		"a mailbox that is none":                   {both(names(dns, mailbox("nobody")), excluded(general(gnEmail, "x.de"))), "", CodeUnsupportedNameSyntax},
		"an A-label that is none":                  {both(names(dns, mailbox("ü@x.de")), excluded(general(gnEmail, "xn--\x80"))), "", CodeUnspecified},
		"an address with a NUL":                    {both(names(dns, general(gnEmail, "a\x00@x.de")), permitted(general(gnEmail, "a\x00@x.de"))), "", CodeUnsupportedNameSyntax},
		"an e-mail address of another type": {both(permitted(dns), func(c [3]*made) {
			c[madeLeaf].subject = attribute(oidEmailAddress, 12, "a@x.de")
		}), "", CodeUnsupportedNameSyntax},
		"a common name with a NUL": {both(permitted(dns), func(c [3]*made) {
			c[madeLeaf].subject = commonName("reg.example.com\x00.evil")
			c[madeLeaf].set(oidSAN, seq(general(gnIP, "\x0a\x00\x00\x01")))
		}), "", CodeUnsupportedNameSyntax},
		"a directory name's beginning": {both(permitted(tlv(0xa4, attribute("2.5.4.10", 19, "ORG  x"))), func(c [3]*made) {
			c[madeLeaf].subject = seq(attribute("2.5.4.10", 12, " org x")[2:], commonName("leaf")[2:])
		}), "", CodeOK},
		"part of a set": {both(permitted(tlv(0xa4, commonName("leaf"))), func(c [3]*made) {
			c[madeLeaf].subject = seq(tlv(0x31, seq(oidDER(oidCommonName), tlv(12, []byte("leaf"))), seq(oidDER("2.5.4.10"), tlv(12, []byte("x")))))
		}), "", CodePermittedViolation},

		// Names of issuers.
		"a set in another order": {func(c [3]*made) {
			a, b := seq(oidDER(oidCommonName), tlv(12, []byte("ca"))), seq(oidDER("2.5.4.10"), tlv(12, []byte("x")))
			c[madeCA].subject, c[madeLeaf].issuer = seq(tlv(0x31, a, b)), seq(tlv(0x31, b, a))
		}, "", CodeOK},
		"an issuer in UTF-32": {func(c [3]*made) {
			c[madeLeaf].issuer = attribute(oidCommonName, 28, "\x00\x00\x00C\x00\x00\x00A")
		}, "", CodeOK},
		"an attribute with a long arc": {func(c [3]*made) {
			c[madeLeaf].subject = seq(tlv(0x31, seq(longArc, tlv(12, []byte("x")))))
		}, "", CodeOK},

		// Hosts.
		"a name with a dot at its end":    {func([3]*made) {}, "reg.example.com.", CodeHostnameMismatch},
		"a mapped address":                {func([3]*made) {}, "::ffff:10.0.0.1", CodeIpAddressMismatch},
		"an address in brackets":          {func([3]*made) {}, "[10.0.0.1]", CodeOK},
		"an address with a zone":          {func([3]*made) {}, "fe80::1%eth0", CodeHostnameMismatch},
		"a domain with a dot before it":   {func([3]*made) {}, ".example.com", CodeOK},
		"the same domain with a dot":      {names(general(gnDNS, ".example.com")), ".example.com", CodeOK},
		"an underscore below a star":      {names(general(gnDNS, "*.example.com")), "a_b.example.com", CodeHostnameMismatch},
		"an underscore beside a star":     {names(general(gnDNS, "*.a_b.example.com")), "x.a_b.example.com", CodeHostnameMismatch},
		"a star in an IDN":                {names(general(gnDNS, "xn--*.example.com")), "xn--bcher-kva.example.com", CodeHostnameMismatch},
		"part of a label":                 {names(general(gnDNS, "r*.example.com")), "reg.example.com", CodeOK},
		"a common name beside an address": {both(names(general(gnIP, "\x0a\x00\x00\x01")), func(c [3]*made) { c[madeLeaf].subject = commonName("reg") }), "reg", CodeOK},
		"a common name that is no text": {both(names(general(gnIP, "\x0a\x00\x00\x01")), func(c [3]*made) {
			c[madeLeaf].subject = seq(attribute(oidCommonName, 3, "\x00x")[2:], commonName("reg")[2:])
		}), "reg", CodeHostnameMismatch},

		// Times.
		"a time without seconds":      {func(c [3]*made) { c[madeLeaf].notBefore = tlv(23, []byte("2501010000Z")) }, "", CodeErrorInCertNotBeforeField},
		"a time with an offset":       {func(c [3]*made) { c[madeLeaf].notAfter = tlv(23, []byte("300101000000+0100")) }, "", CodeErrorInCertNotAfterField},
		"a time with a fraction":      {func(c [3]*made) { c[madeCA].notAfter = tlv(24, []byte("20300101000000.5Z")) }, "", CodeErrorInCertNotAfterField},
		"the 30th of February":        {func(c [3]*made) { c[madeLeaf].notBefore = tlv(23, []byte("250230000000Z")) }, "", CodeErrorInCertNotBeforeField},
		"the year 0":                  {func(c [3]*made) { c[madeLeaf].notBefore = tlv(24, []byte("00000101000000Z")) }, "", CodeOK},
		"the year 1":                  {func(c [3]*made) { c[madeLeaf].notBefore = tlv(24, []byte("00010101000000Z")) }, "", CodeOK},
		"the second at which it ends": {func(c [3]*made) { c[madeLeaf].notAfter = tlv(23, []byte("260601120000Z")) }, "", CodeCertHasExpired},

		// Signatures and keys.
		"a parameter outside alone":    {func(c [3]*made) { c[madeLeaf].outer = seq(oidDER("1.2.840.10045.4.3.2"), tlv(5)) }, "", CodeCertSignatureFailure},
		"a parameter inside and out":   {func(c [3]*made) { c[madeLeaf].inner = seq(oidDER("1.2.840.10045.4.3.2"), tlv(5)) }, "", CodeOK},
		"bits unused in the signature": {func(c [3]*made) { c[madeLeaf].unused = 1 }, "", CodeCertSignatureFailure},
		"a leaf's key at infinity": {func(c [3]*made) {
			c[madeLeaf].key = seq(seq(oidDER(oidKeyEC), oidDER("1.2.840.10045.3.1.7")), tlv(3, []byte{0, 0}))
		}, "", CodeOK},
		"a leaf's key of no known kind": {func(c [3]*made) {
			c[madeLeaf].key = seq(seq(oidDER("1.2.3")), tlv(3, []byte{0, 1}))
		}, "", CodeUnspecified},
		"a leaf's key of no known kind, and no issuer": {func(c [3]*made) {
			c[madeLeaf].key = seq(seq(oidDER("1.2.3")), tlv(3, []byte{0, 1}))
			c[madeLeaf].issuer = commonName("nobody")
		}, "", CodeUnableToGetIssuerCertLocally},
		"a CA's key of no known kind": {func(c [3]*made) {
			c[madeCA].key = seq(seq(oidDER("1.2.3")), tlv(3, []byte{0, 1}))
		}, "", CodeUnableToGetIssuerCertLocally},
		"a CA's key at infinity": {func(c [3]*made) {
			c[madeCA].key = seq(seq(oidDER(oidKeyEC), oidDER("1.2.840.10045.3.1.7")), tlv(3, []byte{0, 0}))
		}, "", CodeCertSignatureFailure},
		"a version 1 with extensions": {func(c [3]*made) { c[madeCA].version = nil }, "", CodeOK},
		"a version 4":                 {func(c [3]*made) { c[madeCA].version = tlv(0xa0, tlv(2, []byte{3})) }, "", CodeOK},
		"a serial in a long length":   {func(c [3]*made) { c[madeLeaf].serial = []byte{2, 0x82, 0, 1, 7} }, "", CodeOK},
		"an identifier of the issuer": {func(c [3]*made) { c[madeLeaf].ids = tlv(0x81, []byte{0, 1}) }, "", CodeOK},
	} {
		t.Run(name, func(t *testing.T) {
			certs := keys.chain()
			tt.change(certs)
			o := asked(certs, tt.host)
			got := o.Verify().First()
			assert.Equal(t, tt.want, got, "want %q, got %q", tt.want.Text(), got.Text())
			if code, ok := realOpenSSL(t, o); ok {
				assert.Equal(t, tt.want, code, "openssl says %q", code.Text())
			}
		})
	}
}

// TestOtherCurves: OpenSSL verifies signatures by curves that Go has not.
func TestOtherCurves(t *testing.T) {
	keys := newMadeKeys(t)
	for name, oid := range map[string]string{
		"prime192v1": "1.2.840.10045.3.1.1", "secp256k1": "1.3.132.0.10", "secp128r2": "1.3.132.0.29",
		"brainpoolP384t1": "1.3.36.3.3.2.8.1.1.12", "brainpoolP512r1": "1.3.36.3.3.2.8.1.1.13",
	} {
		t.Run(name, func(t *testing.T) {
			c := otherCurve(oid)
			secret := big.NewInt(4711)
			public := c.times(secret)
			size := (c.p.BitLen() + 7) / 8
			x := public.x.FillBytes(make([]byte, size))
			y := public.y.FillBytes(make([]byte, size))
			sign := byte(public.y.Bit(0))
			for form, point := range map[string][]byte{
				"uncompressed": append([]byte{4}, append(x, y...)...), "compressed": append([]byte{2 + sign}, x...),
				"hybrid": append([]byte{6 + sign}, append(x, y...)...),
			} {
				certs := keys.chain()
				certs[madeRoot].key = seq(seq(oidDER(oidKeyEC), oidDER(oid)), tlv(3, []byte{0}, point))
				certs[madeCA].sign = func(tbs []byte) []byte { return c.signWith(secret, tbs) }
				assertBoth(t, asked(certs, ""), CodeOK, form)
				certs[madeCA].sign = func([]byte) []byte { return c.signWith(secret, []byte("other")) }
				assertBoth(t, asked(certs, ""), CodeCertSignatureFailure, form)
			}
			_, ok := c.point(append([]byte{4}, append(x, x...)...))
			assert.False(t, ok, "not on the curve")
		})
	}
}

// TestCurveTable: each base point is on its curve and has its order.
func TestCurveTable(t *testing.T) {
	for line := range strings.Lines(curves) {
		oid, _, _ := strings.Cut(line, " ")
		c := otherCurve(oid)
		require.NotNil(t, c, oid)
		size := (c.p.BitLen() + 7) / 8
		_, ok := c.point(append([]byte{4}, append(c.gx.FillBytes(make([]byte, size)), c.gy.FillBytes(make([]byte, size))...)...))
		assert.True(t, ok, line)
		assert.Nil(t, c.times(c.n).x, line)
		assert.True(t, knownCurve(oid))
	}
	assert.True(t, knownCurve("1.3.132.0.39"))
	assert.False(t, knownCurve("1.3.132.0.40"))
	assert.False(t, knownCurve("1"))
	assert.False(t, knownCurve(""))
}

// TestEd448 is RFC 8032 7.4: a message of one octet.
func TestEd448(t *testing.T) {
	key, err := hex.DecodeString("43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c235160627b4c3a9480")
	require.NoError(t, err)
	signature, err := hex.DecodeString("26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccdf633fc1bf037ab7cd779805e0dbcc0aae1cb" +
		"cee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0ff3348ab21aa4adafd1d234441cf807c03a00")
	require.NoError(t, err)
	c := newEd448()
	assert.True(t, c.verify(key, []byte{3}, signature))
	assert.False(t, c.verify(key, []byte{4}, signature))
	for _, at := range []int{0, 56, 57, 113} {
		other := bytes.Clone(signature)
		other[at] ^= 1
		assert.False(t, c.verify(key, []byte{3}, other), "octet %d", at)
	}
	assert.False(t, c.verify(bytes.Repeat([]byte{0xff}, ed448Size), []byte{3}, signature))
	assert.False(t, c.verify(nil, []byte{3}, nil))
}

// TestRSA: OpenSSL's limits are others than those of crypto/rsa.
func TestRSA(t *testing.T) {
	keys := newMadeKeys(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	spki := func(algorithm []byte, e *big.Int) []byte {
		public, err := asn1.Marshal(struct{ N, E *big.Int }{key.N, e})
		require.NoError(t, err)
		return seq(algorithm, tlv(3, []byte{0}, public))
	}
	pss := func(salt byte) []byte {
		hash := seq(oidDER("2.16.840.1.101.3.4.2.1"))
		return seq(oidDER(oidSigPSS), seq(tlv(0xa0, hash), tlv(0xa1, seq(oidDER("1.2.840.113549.1.1.8"), hash)), tlv(0xa2, tlv(2, []byte{salt}))))
	}
	signPSS := func(salt int) func([]byte) []byte {
		return func(tbs []byte) []byte {
			digest := sha256.Sum256(tbs)
			out, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
			require.NoError(t, err)
			return out
		}
	}
	signPKCS := func(tbs []byte) []byte {
		digest := sha256.Sum256(tbs)
		out, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		require.NoError(t, err)
		return out
	}
	// An exponent that crypto/rsa finds too large.
	large := new(big.Int).Lsh(big.NewInt(1), 40)
	large.Add(large, big.NewInt(15))
	phi := new(big.Int).Mul(new(big.Int).Sub(key.Primes[0], big.NewInt(1)), new(big.Int).Sub(key.Primes[1], big.NewInt(1)))
	for new(big.Int).GCD(nil, nil, large, phi).Cmp(big.NewInt(1)) != 0 {
		large.Add(large, big.NewInt(2))
	}
	secret := new(big.Int).ModInverse(large, phi)
	signLarge := func(tbs []byte) []byte {
		opened := rsaKey{key.N, big.NewInt(int64(key.E))}.open(signPKCS(tbs))
		return new(big.Int).Exp(new(big.Int).SetBytes(opened), secret, key.N).FillBytes(make([]byte, 256))
	}
	sha256RSA := seq(oidDER("1.2.840.113549.1.1.11"), tlv(5))
	e := big.NewInt(int64(key.E))
	for name, tt := range map[string]struct {
		key, algorithm []byte
		sign           func([]byte) []byte
		want           Code
	}{
		"no parameters of the key":        {spki(seq(oidDER(oidKeyRSA)), e), sha256RSA, signPKCS, CodeOK},
		"X.500's rsa":                     {spki(seq(oidDER(oidKeyRSAOld)), e), sha256RSA, signPKCS, CodeOK},
		"a large exponent":                {spki(seq(oidDER(oidKeyRSA)), large), sha256RSA, signLarge, CodeOK},
		"another exponent":                {spki(seq(oidDER(oidKeyRSA)), large), sha256RSA, signPKCS, CodeCertSignatureFailure},
		"PSS":                             {spki(seq(oidDER(oidKeyRSA)), e), pss(32), signPSS(32), CodeOK},
		"PSS with another salt":           {spki(seq(oidDER(oidKeyRSA)), e), pss(20), signPSS(32), CodeCertSignatureFailure},
		"PSS that says no salt, with one": {spki(seq(oidDER(oidKeyRSA)), e), pss(0), signPSS(32), CodeCertSignatureFailure},
		"PSS without parameters":          {spki(seq(oidDER(oidKeyRSA)), e), seq(oidDER(oidSigPSS)), signPSS(20), CodeCertSignatureFailure},
		"a PSS key":                       {spki(seq(oidDER(oidKeyRSAPSS)), e), pss(32), signPSS(32), CodeOK},
		"a PSS key with a salt too short": {spki(pss(33), e), pss(32), signPSS(32), CodeCertSignatureFailure},
	} {
		t.Run(name, func(t *testing.T) {
			certs := keys.chain()
			certs[madeRoot].key, certs[madeRoot].inner = tt.key, tt.algorithm
			certs[madeCA].inner, certs[madeCA].sign = tt.algorithm, tt.sign
			assertBoth(t, asked(certs, ""), tt.want, name)
		})
	}
}

func assertBoth(t *testing.T, o OpenSSL, want Code, name string) {
	t.Helper()
	got := o.Verify().First()
	assert.Equal(t, want, got, "%s: %s", name, got.Text())
	if code, ok := realOpenSSL(t, o); ok {
		assert.Equal(t, want, code, "%s: openssl says %q", name, code.Text())
	}
}

// TestRandomExtensions changes octets of extensions, signs the certificate, and
// asks the real openssl.
func TestRandomExtensions(t *testing.T) {
	keys := newMadeKeys(t)
	random := mathrand.New(mathrand.NewSource(1))
	for i := range 60 {
		certs := keys.chain()
		certs[madeCA].set(oidNameConstraint, seq(tlv(0xa0, seq(general(gnDNS, "example.com")), seq(general(gnIP, "\x0a\x00\x00\x00\xff\x00\x00\x00")))))
		certs[madeLeaf].set(oidCRLPoints, seq(seq(tlv(0xa0, tlv(0xa0, general(gnURI, "http://x"))))))
		at := random.Intn(len(certs))
		extensions := certs[at].extensions
		e := &extensions[random.Intn(len(extensions))]
		value := bytes.Clone(e.value)
		switch place := random.Intn(len(value)); random.Intn(3) {
		case 0:
			value[place] ^= 1 << random.Intn(8)
		case 1:
			value = append(value[:place], value[place+1:]...)
		default:
			value = append(value[:place], append([]byte{byte(random.Intn(256))}, value[place:]...)...)
		}
		e.value = value
		o := asked(certs, "reg.example.com")
		want, ok := realOpenSSL(t, o)
		if !ok {
			t.Skip("there is no openssl to compare with")
		}
		got := o.Verify().First()
		assert.Equal(t, want, got, "%d: certificate %d, extension %x is %x: openssl says %q", i, at, e.oid, value, want.Text())
	}
}

// TestManyConstraints: constraints that are looked up say what they say one by
// one.
func TestManyConstraints(t *testing.T) {
	bases := []string{"example.com", ".example.org", "a.b", "EXAMPLE.net", "x..y"}
	for len(bases) < fewTrees {
		bases = append(bases, "more"+strings.Repeat("x", len(bases)))
	}
	var trees []subtree
	for _, b := range bases {
		trees = append(trees, subtree{base: generalName{kind: gnDNS, value: []byte(b)}})
	}
	index := indexDNS(trees)
	require.NotNil(t, index)
	assert.Nil(t, indexDNS(trees[:fewTrees-1]))
	assert.True(t, indexDNS(append(trees, subtree{})).match([]byte("anything")), "the empty one is for all")
	for _, name := range []string{
		"example.com", "reg.example.com", "EXAMPLE.COM", "xexample.com", "example.org", "a.example.org", ".example.org", "x.example.org.",
		"b", "a.b", "a.a.b", "example.net", "", ".", "x..y", "z.x..y", "..", ".a.b",
	} {
		one := false
		for i := range trees {
			one = one || trees[i].matchDNS([]byte(name)) == CodeOK
		}
		assert.Equal(t, one, index.match([]byte(name)), name)
	}
}

// TestPunycode: RFC 3492 7.1 and what is none.
func TestPunycode(t *testing.T) {
	for text, want := range map[string]string{
		"bcher-kva": "bücher", "ihqwcrb4cv8a8dqg056pqjye": "他们为什么不说中文", "Hello-Another-Way--fc4qua05auwb3674vfr0b": "Hello-Another-Way-それぞれの場所",
		"": "", "a-": "a", "\x80": "", "kva-": "kva", "99999999": "", "a\x80-kva": "",
	} {
		got, ok := decodePunycode(text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, want != "" || text == "", ok, text)
	}
}
