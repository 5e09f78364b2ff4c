package issue_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/issue"
)

// caTemplate is a CA as it should be, for tests to spoil.
func caTemplate(cn string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(1000 * issue.Day),
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1, KeyUsage: x509.KeyUsageCertSign,
	}
}

func TestOpenCARefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil  func(*x509.Certificate)
		reason error
		want   string
	}{
		"expired": {
			func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) },
			issue.ErrExpired, `CA "CN=spoilt": it has expired: on ` + now.Add(-time.Minute).Format("2006-01-02 15:04:05 MST"),
		},
		"not yet valid": {
			func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) },
			issue.ErrNotYetValid, `CA "CN=spoilt": it is not valid yet: it begins on ` + now.Add(time.Minute).Format("2006-01-02 15:04:05 MST"),
		},
		"CA:FALSE": {
			func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature },
			issue.ErrNotCA, `CA "CN=spoilt": it is not a CA certificate: its basic constraints do not say CA:TRUE`,
		},
		"no basic constraints": {
			func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA, c.MaxPathLen = false, false, 0 },
			issue.ErrNotCA, "not a CA certificate",
		},
		"no keyCertSign": {
			func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature },
			issue.ErrNoCertSign, `CA "CN=spoilt": its key usage does not allow it to sign certificates: keyCertSign is missing`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			key, template := freshKey(t), caTemplate("spoilt")
			tc.spoil(template)
			_, err := issue.OpenCA([]*x509.Certificate{createCert(t, template, template, key.Public(), key)}, key, now)
			assert.ErrorIs(t, err, tc.reason)
			assert.ErrorContains(t, err, tc.want)
			var caErr *issue.CAError
			assert.ErrorAs(t, err, &caErr)
		})
	}
}

func TestOpenCARefusesTheWrongKey(t *testing.T) {
	ca := newRoot(t)
	_, err := issue.OpenCA(ca.Chain, newKey(t, issue.RSA2048), now)
	assert.ErrorIs(t, err, issue.ErrKeyMismatch)
	assert.Regexp(t, `the certificate has ECDSA P-256 [0-9a-f]{8}…, the key is RSA 2048 [0-9a-f]{8}…$`, err.Error())

	_, err = issue.OpenCA(nil, newKey(t, issue.RSA2048), now)
	assert.EqualError(t, err, "CA: it takes a certificate and its key")
	_, err = issue.OpenCA(ca.Chain, nil, now)
	assert.EqualError(t, err, "CA: it takes a certificate and its key")
}

func TestOpenCAFindsItsChainInAHeap(t *testing.T) {
	root, other := newRoot(t), newRoot(t)
	key := freshKey(t)
	sub, err := root.NewIntermediate(key, issue.CARequest{Validity: issue.ValidFrom(now, issue.DefaultCALifetime)})
	require.NoError(t, err)

	ca, err := issue.OpenCA([]*x509.Certificate{other.Cert(), root.Cert(), sub.Cert()}, key, now)
	require.NoError(t, err)
	assert.Equal(t, []*x509.Certificate{sub.Cert(), root.Cert()}, ca.Chain)
	assert.Equal(t, []*x509.Certificate{sub.Cert()}, ca.Intermediates())
	assert.Empty(t, ca.Remarks())
}

func TestOpenCAWithoutItsRoot(t *testing.T) {
	root := newRoot(t)
	sub, err := root.NewIntermediate(freshKey(t), issue.CARequest{Validity: issue.ValidFrom(now, issue.DefaultCALifetime)})
	require.NoError(t, err)

	ca, err := issue.OpenCA(sub.Chain[:1], sub.Signer, now)
	require.NoError(t, err)
	assert.Equal(t, sub.Chain[:1], ca.Intermediates(), "the server sends it, since nobody has it")
	require.Len(t, ca.Remarks(), 1)
	assert.Contains(t, ca.Remarks()[0], "its issuer \"CN=crpki CA ")
	_, err = ca.Issue(freshKey(t).Public(), leafRequest(names(t, "reg.local")))
	assert.NoError(t, err)
}

func TestOpenCARefusesAnExpiredRootAboveIt(t *testing.T) {
	rootKey, key := freshKey(t), freshKey(t)
	top := caTemplate("top")
	top.NotAfter = now.Add(-time.Minute)
	root := createCert(t, top, top, rootKey.Public(), rootKey)
	sub := createCert(t, caTemplate("sub"), root, key.Public(), rootKey)
	_, err := issue.OpenCA([]*x509.Certificate{sub, root}, key, now)
	assert.ErrorIs(t, err, issue.ErrExpired)
	assert.ErrorContains(t, err, `"CN=top"`)
}

func TestPathLength(t *testing.T) {
	rootKey, key := freshKey(t), freshKey(t)
	top := caTemplate("top")
	top.MaxPathLen, top.MaxPathLenZero = 0, true
	root := createCert(t, top, top, rootKey.Public(), rootKey)

	t.Run("an existing CA below one that allows none", func(t *testing.T) {
		sub := createCert(t, caTemplate("sub"), root, key.Public(), rootKey)
		_, err := issue.OpenCA([]*x509.Certificate{sub, root}, key, now)
		assert.ErrorIs(t, err, issue.ErrPathLength)
		assert.ErrorContains(t, err, `CA "CN=top": its path length forbids it: it allows 0 CAs below it, there are 1`)
	})
	t.Run("a new intermediate below one that allows none", func(t *testing.T) {
		_, err := open(t, root, rootKey).NewIntermediate(key, issue.CARequest{Validity: issue.ValidFrom(now, issue.Day)})
		assert.ErrorIs(t, err, issue.ErrPathLength)
	})
	t.Run("a new intermediate with a path length that is too long", func(t *testing.T) {
		root := newRoot(t, func(r *issue.CARequest) { r.PathLen = 1 })
		_, err := root.NewIntermediate(key, issue.CARequest{Validity: issue.ValidFrom(now, issue.Day), PathLen: 1})
		assert.ErrorIs(t, err, issue.ErrPathLength)
		_, err = root.NewIntermediate(key, issue.CARequest{Validity: issue.ValidFrom(now, issue.Day), PathLen: 0})
		assert.NoError(t, err)
	})
	t.Run("a path length that is none", func(t *testing.T) {
		_, err := issue.NewRoot(key, issue.CARequest{Validity: issue.ValidFrom(now, issue.Day), PathLen: -2})
		assert.ErrorContains(t, err, "path length -2: it is 0 or more, or -1 for none")
	})
}

func TestIntermediateRefuses(t *testing.T) {
	root := newRoot(t, func(r *issue.CARequest) { r.Subject.CommonName = "Acme CA" })
	t.Run("the subject of the CA above", func(t *testing.T) {
		_, err := root.NewIntermediate(freshKey(t), issue.CARequest{
			Subject: pkix.Name{CommonName: "Acme CA"}, Validity: issue.ValidFrom(now, issue.Day),
		})
		assert.ErrorContains(t, err, "a CA above has the same subject")
	})
	t.Run("a longer life than the CA above", func(t *testing.T) {
		_, err := root.NewIntermediate(freshKey(t), issue.CARequest{Validity: issue.ValidFrom(now, 2*issue.DefaultCALifetime)})
		var outlives *issue.OutlivesError
		assert.ErrorAs(t, err, &outlives)
	})
}

func TestCAWithUsages(t *testing.T) {
	key, template := freshKey(t), caTemplate("limited")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	ca := open(t, createCert(t, template, template, key.Public(), key), key)

	_, err := ca.Issue(freshKey(t).Public(), leafRequest(names(t, "reg.local")))
	assert.NoError(t, err)
	r := leafRequest(names(t, "reg.local"))
	r.Client = true
	_, err = ca.Issue(freshKey(t).Public(), r)
	assert.ErrorIs(t, err, issue.ErrUsage)
	assert.ErrorContains(t, err, `CA "CN=limited": its extended key usage forbids it: clientAuth is not in it`)
}

// A critical extension that Go does not know makes Go refuse everything below.
func TestNothingLeavesThatGoWouldRefuse(t *testing.T) {
	key, template := freshKey(t), caTemplate("odd")
	template.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	ca := open(t, createCert(t, template, template, key.Public(), key), key)
	leaf, err := ca.Issue(freshKey(t).Public(), leafRequest(names(t, "reg.local")))
	assert.ErrorContains(t, err, `certificate for "CN=reg.local" is not handed out, since clients would refuse it: x509: unhandled critical extension`)
	assert.Nil(t, leaf)
}

func TestRemarksAboutOldCAs(t *testing.T) {
	key, template := freshKey(t), caTemplate("old")
	template.KeyUsage = 0
	ca := open(t, createCert(t, template, template, key.Public(), key), key)
	assert.Equal(t, []string{`CA "CN=old": it has no key usage, which OpenSSL refuses in strict mode (Python 3.13 and newer)`}, ca.Remarks())
}

func TestWithin(t *testing.T) {
	ca := newRoot(t, func(r *issue.CARequest) { r.Validity = issue.ValidAt(now, 30*issue.Day) })
	v, cut := issue.ValidFrom(now, issue.DefaultLeafLifetime).Within(ca)
	assert.True(t, cut)
	assert.Equal(t, issue.ValidityOf(ca.Cert()), v)
	v, cut = issue.ValidFrom(now, issue.Day).Within(ca)
	assert.False(t, cut)
	assert.Equal(t, now, v.NotBefore)

	r := leafRequest(names(t, "reg.local"))
	r.Validity, _ = r.Validity.Within(ca)
	_, err := ca.Issue(freshKey(t).Public(), r)
	assert.NoError(t, err)
}

func TestConstraintsRefuse(t *testing.T) {
	for text, want := range map[string]string{
		"*.example.com": `permitted domain "*.example.com": leave out the *: "example.com" permits all names below it`,
		"10.0.0.0":      `permitted domain "10.0.0.0"`,
		"":              `permitted domain ""`,
		"a b":           `permitted domain "a b"`,
	} {
		_, err := issue.NewRoot(freshKey(t), issue.CARequest{
			Validity: issue.ValidFrom(now, issue.Day), Constraints: issue.Constraints{PermitDNS: []string{text}},
		})
		assert.ErrorContains(t, err, want)
	}
	_, err := issue.NewRoot(freshKey(t), issue.CARequest{
		Validity: issue.ValidFrom(now, issue.Day), Constraints: issue.Constraints{PermitIP: prefixes("10.0.0.0/8")[:0:0]},
	})
	assert.NoError(t, err)
}

func TestConstraintsInTheCertificate(t *testing.T) {
	c := newRoot(t, func(r *issue.CARequest) {
		r.Constraints = issue.Constraints{PermitDNS: []string{"Example.COM."}, PermitIP: prefixes("10.96.1.2/12")}
	}).Cert()
	assert.True(t, critical(c, "2.5.29.30"))
	assert.Equal(t, []string{"example.com"}, c.PermittedDNSDomains)
	assert.Equal(t, "10.96.0.0/12", c.PermittedIPRanges[0].String())
	assert.Empty(t, c.ExcludedDNSDomains)
	assert.Empty(t, c.ExcludedIPRanges)

	c = newRoot(t, func(r *issue.CARequest) { r.Constraints.PermitDNS = []string{"example.com"} }).Cert()
	assert.Len(t, c.ExcludedIPRanges, 2, "a CA for DNS names signs for no address")
	c = newRoot(t, func(r *issue.CARequest) { r.Constraints.PermitIP = prefixes("10.0.0.0/8") }).Cert()
	assert.Equal(t, []string{""}, c.ExcludedDNSDomains, "a CA for addresses signs for no DNS name")
}

func TestOpenCABesideAForeignRoot(t *testing.T) {
	root, other, key := newRoot(t), newRoot(t), freshKey(t)
	sub, err := root.NewIntermediate(key, issue.CARequest{Validity: issue.ValidFrom(now, issue.DefaultCALifetime)})
	require.NoError(t, err)
	_, err = issue.OpenCA([]*x509.Certificate{sub.Cert(), other.Cert()}, key, now)
	assert.ErrorIs(t, err, issue.ErrNoIssuer)
	assert.ErrorContains(t, err, "is not the root that was given with it")
}

func TestOpenCATakesTheRenewedOfTwo(t *testing.T) {
	key, before, after := freshKey(t), caTemplate("renewed"), caTemplate("renewed")
	before.NotAfter = now.Add(-time.Minute)
	ca, err := issue.OpenCA([]*x509.Certificate{
		createCert(t, before, before, key.Public(), key), createCert(t, after, after, key.Public(), key),
	}, key, now)
	require.NoError(t, err)
	assert.Equal(t, after.NotAfter, ca.Cert().NotAfter)
}
