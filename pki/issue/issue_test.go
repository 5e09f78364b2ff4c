package issue_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// now is when everything in these tests happens. It is the real time because
// GnuTLS's certtool verifies at no other.
var now = time.Now().UTC().Truncate(time.Second)

// newKey makes a key once per type for all tests, since RSA takes its time.
func newKey(t testing.TB, kind issue.KeyType) crypto.Signer {
	t.Helper()
	keysMu.Lock()
	defer keysMu.Unlock()
	if keys[kind] == nil {
		key, err := issue.NewKey(kind)
		require.NoError(t, err)
		keys[kind] = key
	}
	return keys[kind]
}

var (
	keysMu sync.Mutex
	keys   = map[issue.KeyType]crypto.Signer{}
)

// freshKey makes an ECDSA key of its own.
func freshKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := issue.NewKey(issue.ECDSAP256)
	require.NoError(t, err)
	return key
}

func names(t testing.TB, texts ...string) pki.Names {
	t.Helper()
	ns, _, err := pki.ParseNames(0, texts)
	require.NoError(t, err)
	return ns
}

func newRoot(t testing.TB, change ...func(*issue.CARequest)) *issue.CA {
	t.Helper()
	r := issue.CARequest{Validity: issue.ValidFrom(now, issue.DefaultCALifetime), PathLen: -1}
	for _, f := range change {
		f(&r)
	}
	ca, err := issue.NewRoot(freshKey(t), r)
	require.NoError(t, err)
	return ca
}

func leafRequest(ns pki.Names) issue.Request {
	return issue.Request{Names: ns, Validity: issue.ValidFrom(now, issue.DefaultLeafLifetime)}
}

func TestNewRoot(t *testing.T) {
	ca := newRoot(t)
	c := ca.Cert()

	assert.Equal(t, 3, c.Version)
	assert.True(t, c.BasicConstraintsValid && c.IsCA)
	assert.Equal(t, -1, c.MaxPathLen)
	assert.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, c.KeyUsage)
	assert.Empty(t, c.ExtKeyUsage, "an extended key usage on a CA limits all below it")
	assert.Len(t, c.SubjectKeyId, 20)
	assert.Equal(t, c.SubjectKeyId, c.AuthorityKeyId)
	assert.Regexp(t, `^CN=crpki CA [0-9a-f]{8}$`, c.Subject.String())
	assert.Equal(t, now.Add(-5*time.Minute), c.NotBefore)
	assert.Equal(t, now.Add(3650*issue.Day-5*time.Minute-time.Second), c.NotAfter)
	assert.True(t, critical(c, "2.5.29.19"), "basic constraints are critical")
	assert.True(t, critical(c, "2.5.29.15"), "key usage is critical")
	assert.False(t, critical(c, "2.5.29.14"), "subject key identifier is not")
	assert.False(t, critical(c, "2.5.29.35"), "authority key identifier is not")
}

func TestTwoRootsNeverShareASubject(t *testing.T) {
	assert.NotEqual(t, newRoot(t).Cert().RawSubject, newRoot(t).Cert().RawSubject)
}

func TestIssue(t *testing.T) {
	ca := newRoot(t)
	r := leafRequest(names(t, "10.96.0.50", "reg.example.com", "*.reg.example.com", "fd00::1", "spiffe://prod/reg", "ops@example.com"))
	leaf, err := ca.Issue(freshKey(t).Public(), r)
	require.NoError(t, err)

	assert.False(t, leaf.IsCA)
	assert.True(t, leaf.BasicConstraintsValid)
	assert.True(t, critical(leaf, "2.5.29.19"))
	assert.Equal(t, x509.KeyUsageDigitalSignature, leaf.KeyUsage)
	assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, leaf.ExtKeyUsage)
	assert.Equal(t, ca.Cert().SubjectKeyId, leaf.AuthorityKeyId)
	assert.Len(t, leaf.SubjectKeyId, 20)
	assert.Equal(t, "CN=10.96.0.50", leaf.Subject.String(), "the first name is the common name")
	assert.False(t, critical(leaf, "2.5.29.17"))
	assert.ElementsMatch(t, r.Names, pki.NamesOf(leaf))
	assert.Equal(t, 397*issue.Day, issue.ValidityOf(leaf).Lifetime())
	assert.Empty(t, leaf.PermittedDNSDomains)
}

func TestIssueUsages(t *testing.T) {
	ca := newRoot(t)
	ns := names(t, "reg.example.com")

	t.Run("RSA keys may encipher keys, others may not", func(t *testing.T) {
		leaf, err := ca.Issue(newKey(t, issue.RSA2048).Public(), leafRequest(ns))
		require.NoError(t, err)
		assert.Equal(t, x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment, leaf.KeyUsage)
	})
	t.Run("client authentication is added", func(t *testing.T) {
		r := leafRequest(ns)
		r.Client = true
		leaf, err := ca.Issue(freshKey(t).Public(), r)
		require.NoError(t, err)
		assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, leaf.ExtKeyUsage)
	})
	t.Run("a certificate for clients alone needs no names", func(t *testing.T) {
		r := leafRequest(nil)
		r.Client, r.NoServer, r.Subject.CommonName = true, true, "node-1"
		leaf, err := ca.Issue(freshKey(t).Public(), r)
		require.NoError(t, err)
		assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, leaf.ExtKeyUsage)
		assert.Equal(t, "CN=node-1", leaf.Subject.String())
	})
}

func TestSerialNumbers(t *testing.T) {
	ca := newRoot(t)
	seen := map[string]bool{}
	sum := new(big.Int)
	for range 200 {
		leaf, err := ca.Issue(newKey(t, issue.ECDSAP256).Public(), leafRequest(names(t, "a.example")))
		require.NoError(t, err)
		s := leaf.SerialNumber
		assert.Equal(t, 1, s.Sign())
		assert.LessOrEqual(t, s.BitLen(), 128)
		assert.False(t, seen[s.String()], "serial numbers never repeat")
		seen[s.String()] = true
		sum.Or(sum, s)
	}
	assert.Equal(t, 128, sum.BitLen(), "all 128 bits are used")
}

func TestSelfSigned(t *testing.T) {
	for _, kind := range []issue.KeyType{issue.ECDSAP256, issue.RSA2048} {
		t.Run(string(kind), func(t *testing.T) {
			c, err := issue.SelfSigned(newKey(t, kind), leafRequest(names(t, "10.96.0.50", "reg.local")))
			require.NoError(t, err)

			assert.True(t, c.IsCA, "GnuTLS takes only a CA for its own issuer")
			assert.True(t, c.MaxPathLenZero)
			assert.NotZero(t, c.KeyUsage&x509.KeyUsageCertSign, "OpenSSL error 79 otherwise")
			assert.NotZero(t, c.KeyUsage&x509.KeyUsageDigitalSignature, "OpenSSL error 26 otherwise")
			assert.Equal(t, kind == issue.RSA2048, c.KeyUsage&x509.KeyUsageKeyEncipherment != 0)
			assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, c.ExtKeyUsage)
			assert.Equal(t, c.SubjectKeyId, c.AuthorityKeyId)
			assert.Regexp(t, `^SERIALNUMBER=[0-9a-f]{8},CN=10.96.0.50$`, c.Subject.String(), "so that the next one is not taken for this one")
		})
	}
}

func TestNewIntermediate(t *testing.T) {
	root := newRoot(t)
	sub, err := root.NewIntermediate(freshKey(t), issue.CARequest{Validity: issue.ValidFrom(now, 1825*issue.Day)})
	require.NoError(t, err)

	c := sub.Cert()
	assert.True(t, c.IsCA && c.MaxPathLen == 0 && c.MaxPathLenZero)
	assert.Equal(t, root.Cert().SubjectKeyId, c.AuthorityKeyId)
	assert.Regexp(t, `^CN=crpki intermediate CA [0-9a-f]{8}$`, c.Subject.String())
	assert.Equal(t, root.Cert(), sub.Root())
	assert.Equal(t, []*x509.Certificate{c}, sub.Intermediates())

	leaf, err := sub.Issue(freshKey(t).Public(), leafRequest(names(t, "reg.local")))
	require.NoError(t, err)
	assert.Equal(t, c.Subject.String(), leaf.Issuer.String())

	_, err = sub.NewIntermediate(freshKey(t), issue.CARequest{Validity: issue.ValidFrom(now, issue.Day)})
	assert.ErrorIs(t, err, issue.ErrPathLength)
}

func TestIssueRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		ca     func(*issue.CARequest)
		change func(*testing.T, *issue.Request)
		want   string
	}{
		"no names": {
			change: func(_ *testing.T, r *issue.Request) { r.Names = nil },
			want:   "no names: a server certificate needs the DNS names and IP addresses by which clients dial",
		},
		"no validity": {
			change: func(_ *testing.T, r *issue.Request) { r.Validity = issue.Validity{} },
			want:   "validity: none given",
		},
		"a validity that ends before it begins": {
			change: func(_ *testing.T, r *issue.Request) { r.Validity.NotAfter = r.Validity.NotBefore.Add(-time.Hour) },
			want:   "before it begins",
		},
		"the year 10000": {
			change: func(_ *testing.T, r *issue.Request) { r.Validity.NotAfter = now.AddDate(7974, 0, 0) },
			want:   "not within the years 1950 to 9999",
		},
		"a leaf that outlives its CA": {
			ca:   func(r *issue.CARequest) { r.Validity = issue.ValidFrom(now, 30*issue.Day) },
			want: "after the CA's own on " + now.Add(30*issue.Day-5*time.Minute-time.Second).Format("2006-01-02 15:04:05 MST"),
		},
		"a DNS name that the CA is not permitted": {
			ca:   func(r *issue.CARequest) { r.Constraints.PermitDNS = []string{"example.com", "corp.example"} },
			want: `DNS:reg.local: CA "CN=test CA" may not sign for it: its name constraints say that it permits only example.com, corp.example`,
		},
		"an IP address under a CA that is permitted DNS names alone": {
			ca:     func(r *issue.CARequest) { r.Constraints.PermitDNS = []string{"local"} },
			change: func(t *testing.T, r *issue.Request) { r.Names = names(t, "reg.local", "10.96.0.50") },
			want:   `IP:10.96.0.50: CA "CN=test CA" may not sign for it: its name constraints say that it permits no IP names at all`,
		},
		"a DNS name under a CA that is permitted IP addresses alone": {
			ca:   func(r *issue.CARequest) { r.Constraints.PermitIP = prefixes("10.96.0.0/12") },
			want: `DNS:reg.local: CA "CN=test CA" may not sign for it: its name constraints say that it permits no DNS names at all`,
		},
		"IPv6 under a CA that is permitted IPv4 alone": {
			ca:     func(r *issue.CARequest) { r.Constraints.PermitIP = prefixes("10.96.0.0/12") },
			change: func(t *testing.T, r *issue.Request) { r.Names = names(t, "fd00::1") },
			want:   "IP:fd00::1",
		},
		"a common name that is a host but no name": {
			change: func(_ *testing.T, r *issue.Request) { r.Subject.CommonName = "other.local" },
			want:   `subject: common name "other.local" is not among the names`,
		},
		"a common name that is too long": {
			change: func(_ *testing.T, r *issue.Request) { r.Subject.CommonName = string(make([]byte, 65)) },
			want:   "subject: common name",
		},
		"a country that is none": {
			change: func(_ *testing.T, r *issue.Request) { r.Subject.Country = []string{"Germany"} },
			want:   `subject: country "Germany" is not two capital letters, such as DE`,
		},
		"an organization with a line break": {
			change: func(_ *testing.T, r *issue.Request) { r.Subject.Organization = []string{"Acme\nInc"} },
			want:   `subject: organization "Acme\nInc" holds control characters`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			ca := newRoot(t, func(r *issue.CARequest) { r.Subject.CommonName = "test CA" }, func(r *issue.CARequest) {
				if tc.ca != nil {
					tc.ca(r)
				}
			})
			r := leafRequest(names(t, "reg.local"))
			if tc.change != nil {
				tc.change(t, &r)
			}
			leaf, err := ca.Issue(freshKey(t).Public(), r)
			assert.ErrorContains(t, err, tc.want)
			assert.Nil(t, leaf)
		})
	}
}

func TestIssueNamesAllForbiddenNames(t *testing.T) {
	ca := newRoot(t, func(r *issue.CARequest) {
		r.Constraints = issue.Constraints{PermitDNS: []string{"example.com"}, PermitIP: prefixes("10.96.0.0/12")}
	})
	_, err := ca.Issue(freshKey(t).Public(), leafRequest(names(t, "reg.example.com", "10.96.0.50", "evil.org", "192.0.2.1")))
	assert.ErrorContains(t, err, "DNS:evil.org")
	assert.ErrorContains(t, err, "IP:192.0.2.1")
	assert.NotContains(t, err.Error(), "DNS:reg.example.com")
	var forbidden *issue.ConstraintError
	require.ErrorAs(t, err, &forbidden)
	assert.Equal(t, "evil.org", forbidden.Name.Value)
}

func TestIssueRefusesKeys(t *testing.T) {
	ca := newRoot(t)
	small, err := rsa.GenerateKey(nil, 1024)
	if err != nil {
		t.Skip("this Go makes no RSA key of 1024 bits: ", err)
	}
	_, err = ca.Issue(small.Public(), leafRequest(names(t, "reg.local")))
	assert.ErrorIs(t, err, issue.ErrUnusableKey)
	assert.ErrorContains(t, err, "RSA 1024")
}

func TestIssueMovesNotBeforeToTheCAs(t *testing.T) {
	ca := newRoot(t, func(r *issue.CARequest) { r.Validity = issue.ValidAt(now, issue.DefaultCALifetime) })
	leaf, err := ca.Issue(freshKey(t).Public(), leafRequest(names(t, "reg.local")))
	require.NoError(t, err)
	assert.Equal(t, now, leaf.NotBefore)
}

// OpenSSL takes a leaf that bears its issuer's name for a self-signed one.
func TestLeafNeverHasTheSubjectOfItsCA(t *testing.T) {
	key := freshKey(t)
	root := newRoot(t, func(r *issue.CARequest) { r.Subject.CommonName = "reg.local" })
	for name, change := range map[string]func(*issue.Request){
		"chosen by crpki":   func(*issue.Request) {},
		"asked for":         func(r *issue.Request) { r.Subject.CommonName = "reg.local" },
		"taken over as DER": func(r *issue.Request) { r.Subject, r.RawSubject = root.Cert().Subject, root.Cert().RawSubject },
	} {
		t.Run(name, func(t *testing.T) {
			r := leafRequest(names(t, "reg.local"))
			change(&r)
			leaf, err := root.Issue(key.Public(), r)
			require.NoError(t, err)
			assert.NotEqual(t, root.Cert().RawSubject, leaf.RawSubject)
			assert.Regexp(t, `^SERIALNUMBER=[0-9a-f]{8},CN=reg.local$`, leaf.Subject.String())
		})
	}
}

// OpenSSL compares names without regard to case, blanks and string types: a CA
// that it made itself has its name in a UTF8String.
func TestLeafNeverHasNearlyTheSubjectOfItsCA(t *testing.T) {
	utf8Name := []byte{0x30, 0x14, 0x31, 0x12, 0x30, 0x10, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x09, 'R', 'e', 'g', '.', 'L', 'o', 'c', 'a', 'l'}
	key, template := freshKey(t), caTemplate("")
	template.RawSubject = utf8Name
	ca := open(t, createCert(t, template, template, key.Public(), key), key)
	leaf := mustIssue(t, ca, names(t, "reg.local"))
	assert.Regexp(t, `^SERIALNUMBER=[0-9a-f]{8},CN=reg.local$`, leaf.Subject.String())
}

// With only IP names, OpenSSL reads the common name 10.96.0.50 as a DNS name
// and holds it against the constraints on those.
func TestCommonNameUnderNameConstraints(t *testing.T) {
	ca := newRoot(t, func(r *issue.CARequest) { r.Constraints.PermitIP = prefixes("10.96.0.0/12") })

	leaf, err := ca.Issue(freshKey(t).Public(), leafRequest(names(t, "10.96.0.50")))
	require.NoError(t, err)
	assert.Empty(t, leaf.Subject.CommonName)
	assert.NotEmpty(t, leaf.Subject.SerialNumber)

	r := leafRequest(nil)
	r.Client, r.NoServer, r.Subject.CommonName = true, true, "node.example"
	_, err = ca.Issue(freshKey(t).Public(), r)
	var forbidden *issue.ConstraintError
	assert.ErrorAs(t, err, &forbidden, "a client is known by its common name: it cannot be left out")
}

func TestSubject(t *testing.T) {
	ca := newRoot(t)
	r := leafRequest(names(t, "reg.local"))
	r.Subject = pkix.Name{Organization: []string{"Müller & Söhne, GmbH"}, Country: []string{"DE"}}
	leaf, err := ca.Issue(freshKey(t).Public(), r)
	require.NoError(t, err)
	assert.Equal(t, "reg.local", leaf.Subject.CommonName)
	assert.Equal(t, []string{"Müller & Söhne, GmbH"}, leaf.Subject.Organization)

	long := "a-name-that-is-longer-than-sixty-four-characters.registry.example.com"
	leaf, err = ca.Issue(freshKey(t).Public(), leafRequest(names(t, long, "reg.local")))
	require.NoError(t, err)
	assert.Equal(t, "reg.local", leaf.Subject.CommonName, "the first that fits")

	leaf, err = ca.Issue(freshKey(t).Public(), leafRequest(names(t, long)))
	require.NoError(t, err, "no name fits: the subject must not be empty all the same")
	assert.NotEmpty(t, leaf.Subject.String())
}

func critical(c *x509.Certificate, oid string) bool {
	for _, e := range c.Extensions {
		if e.Id.String() == oid {
			return e.Critical
		}
	}
	return false
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

func ipNets(ps []netip.Prefix) []*net.IPNet {
	var all []*net.IPNet
	for _, p := range ps {
		_, n, _ := net.ParseCIDR(p.String())
		all = append(all, n)
	}
	return all
}

func ipsOf(texts ...string) []net.IP {
	var all []net.IP
	for _, t := range texts {
		all = append(all, net.ParseIP(t).To4())
	}
	return all
}
