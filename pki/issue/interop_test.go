package issue_test

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// need finds a real client. Without it the test is skipped, or fails where
// CRPKI_INTEROP=require says that none may be missing.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CRPKI_INTEROP") == "require" {
		t.Fatalf("%s is not installed, and CRPKI_INTEROP=require", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}

// served is what a server would send, and what its clients would trust.
type served struct {
	leaf          *x509.Certificate
	intermediates []*x509.Certificate
	root          *x509.Certificate
}

// scenarios are the ways to a certificate.
func scenarios(t *testing.T, kind issue.KeyType, ns pki.Names) map[string]served {
	t.Helper()
	caKey, subKey, key := newKey(t, kind), freshKey(t), newKey(t, kind)
	root, err := issue.NewRoot(caKey, issue.CARequest{Validity: issue.ValidFrom(now, issue.DefaultCALifetime), PathLen: -1})
	require.NoError(t, err)
	sub, err := root.NewIntermediate(subKey, issue.CARequest{Validity: issue.ValidFrom(now, issue.DefaultCALifetime)})
	require.NoError(t, err)
	limited, err := issue.NewRoot(caKey, issue.CARequest{
		Validity: issue.ValidFrom(now, issue.DefaultCALifetime), PathLen: 0,
		Constraints: issue.Constraints{PermitDNS: []string{"example.com"}, PermitIP: prefixes("10.96.0.0/12", "fd00::/8")},
	})
	require.NoError(t, err)
	opened, err := issue.OpenCA([]*x509.Certificate{root.Cert()}, caKey, now)
	require.NoError(t, err)

	all := map[string]served{}
	for name, ca := range map[string]*issue.CA{"new CA": root, "existing CA": opened, "intermediate": sub, "name constraints": limited} {
		leaf, err := ca.Issue(key.Public(), leafRequest(ns))
		require.NoError(t, err, name)
		all[name] = served{leaf, ca.Intermediates(), ca.Root()}
	}
	csr, err := issue.NewCSR(key, leafRequest(ns))
	require.NoError(t, err)
	leaf, err := sub.SignCSR(csr, issue.SignOptions{Validity: issue.ValidFrom(now, issue.DefaultLeafLifetime)})
	require.NoError(t, err)
	all["signed CSR"] = served{leaf, sub.Intermediates(), sub.Root()}
	renewed, err := sub.Reissue(leaf, freshKey(t).Public(), issue.ValidFrom(now, issue.DefaultLeafLifetime))
	require.NoError(t, err)
	all["renewed"] = served{renewed, sub.Intermediates(), sub.Root()}
	self, err := issue.SelfSigned(key, leafRequest(ns))
	require.NoError(t, err)
	all["self-signed"] = served{leaf: self, root: self}
	return all
}

// eachScenario runs judge for every key type and every way to a certificate.
func eachScenario(t *testing.T, judge func(t *testing.T, s served, ns pki.Names)) {
	ns := names(t, "reg.example.com", "*.apps.example.com", "10.96.0.50", "fd00::50", "xn--bcher-kva.example.com")
	for _, kind := range issue.KeyTypes() {
		for name, s := range scenarios(t, kind, ns) {
			t.Run(string(kind)+"/"+name, func(t *testing.T) { judge(t, s, ns) })
		}
	}
}

func TestGoAccepts(t *testing.T) {
	eachScenario(t, func(t *testing.T, s served, ns pki.Names) {
		roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(s.root)
		for _, c := range s.intermediates {
			intermediates.AddCert(c)
		}
		for _, n := range ns {
			_, err := s.leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now, DNSName: dialled(n)})
			assert.NoError(t, err, n)
		}
	})
}

func TestOpenSSLAccepts(t *testing.T) {
	openssl := need(t, "openssl")
	eachScenario(t, func(t *testing.T, s served, ns pki.Names) {
		for _, n := range ns {
			out, err := opensslVerify(t, openssl, s, n)
			assert.NoError(t, err, "%s: %s", n, out)
		}
	})
}

func TestGnuTLSAccepts(t *testing.T) {
	certtool := need(t, "certtool")
	eachScenario(t, func(t *testing.T, s served, ns pki.Names) {
		for _, n := range ns {
			out, err := gnutlsVerify(t, certtool, s, n)
			assert.NoError(t, err, "%s: %s", n, out)
		}
	})
}

// dialled is a host that a client may dial to reach n.
func dialled(n pki.Name) string { return strings.Replace(n.Value, "*", "a", 1) }

func opensslVerify(t *testing.T, openssl string, s served, n pki.Name) (string, error) {
	t.Helper()
	dir := t.TempDir()
	match := "-verify_hostname"
	if n.Kind == pki.IP {
		match = "-verify_ip"
	}
	args := []string{
		"verify", "-x509_strict", "-purpose", "sslserver", "-auth_level", "2", "-attime", strconv.FormatInt(now.Unix(), 10),
		"-no-CApath", "-no-CAstore", "-CAfile", writePEM(t, dir, "ca.crt", s.root), match, dialled(n),
	}
	if len(s.intermediates) > 0 {
		args = append(args, "-untrusted", writePEM(t, dir, "untrusted.crt", s.intermediates...))
	}
	out, err := exec.Command(openssl, append(args, writePEM(t, dir, "tls.crt", s.leaf))...).CombinedOutput()
	return string(out), err
}

func gnutlsVerify(t *testing.T, certtool string, s served, n pki.Name) (string, error) {
	t.Helper()
	dir := t.TempDir()
	chain := writePEM(t, dir, "tls.crt", append([]*x509.Certificate{s.leaf}, s.intermediates...)...)
	out, err := exec.Command(certtool, "--verify", "--load-ca-certificate", writePEM(t, dir, "ca.crt", s.root),
		"--verify-purpose", "1.3.6.1.5.5.7.3.1", "--verify-hostname", dialled(n), "--infile", chain).CombinedOutput()
	return string(out), err
}

func writePEM(t *testing.T, dir, name string, certs ...*x509.Certificate) string {
	t.Helper()
	var data []byte
	for _, c := range certs {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// TestConstraintsAsClientsHaveThem draws constraints and names at random from a
// small stock, so that they meet often. What Issue grants, Go and OpenSSL must
// accept; what it refuses, one of the two must refuse.
func TestConstraintsAsClientsHaveThem(t *testing.T) {
	openssl, _ := exec.LookPath("openssl")
	random := rand.New(rand.NewPCG(20261121, 7))
	stock := []string{
		"a.example.com", "example.com", "b.a.example.com", "*.example.com", "*.a.example.com", "xexample.com", "com", "reg",
		"10.96.0.50", "10.97.0.1", "192.0.2.1", "fd00::1", "2001:db8::1",
	}
	domains := []string{"example.com", ".example.com", "a.example.com", "com", "reg", ".com", "other.org"}
	networks := prefixes("10.96.0.0/16", "10.96.0.50/32", "0.0.0.0/0", "fd00::/8", "::/0", "10.0.0.0/8")
	granted, refused := 0, 0
	for i := range 150 {
		c := issue.Constraints{PermitDNS: some(random, domains), PermitIP: some(random, networks)}
		ca := newRoot(t, func(r *issue.CARequest) { r.Constraints = c })
		if i%3 == 0 {
			ca = handmadeRoot(t, some(random, domains), some(random, domains), some(random, networks), some(random, networks))
		}
		for _, text := range some(random, stock) {
			ns := names(t, text)
			leaf, err := ca.Issue(newKey(t, issue.ECDSAP256).Public(), leafRequest(ns))
			if err == nil {
				granted++
				if openssl != "" && i%5 == 0 {
					out, err := opensslVerify(t, openssl, served{leaf: leaf, root: ca.Root()}, ns[0])
					assert.NoError(t, err, "%v under %v: %s", text, c, out)
				}
				continue
			}
			refused++
			var forbidden *issue.ConstraintError
			require.ErrorAs(t, err, &forbidden, "%v under %v", text, c)
			leaf = regardless(t, ca, ns)
			if goRefuses(ca, leaf) {
				continue
			}
			require.NotEmpty(t, openssl, "%v under %v is refused, and Go accepts it", text, c)
			out, err := opensslVerify(t, openssl, served{leaf: leaf, root: ca.Root()}, ns[0])
			assert.Error(t, err, "%v under %v is refused, and both accept it: %s", text, c, out)
		}
	}
	t.Logf("%d names granted, %d refused", granted, refused)
	assert.Greater(t, granted, 50)
	assert.Greater(t, refused, 50)
}

func some[T any](random *rand.Rand, stock []T) []T {
	var all []T
	for range random.IntN(4) {
		all = append(all, stock[random.IntN(len(stock))])
	}
	return all
}

// handmadeRoot has permitted and excluded subtrees such as crpki never writes.
func handmadeRoot(t *testing.T, permitDNS, excludeDNS []string, permitIP, excludeIP []netip.Prefix) *issue.CA {
	t.Helper()
	key := freshKey(t)
	template := *newRoot(t).Cert()
	template.SubjectKeyId, template.AuthorityKeyId, template.PublicKey, template.RawSubject = nil, nil, key.Public(), nil
	template.Subject.CommonName = "handmade CA"
	template.PermittedDNSDomains, template.ExcludedDNSDomains = permitDNS, excludeDNS
	template.PermittedIPRanges, template.ExcludedIPRanges = ipNets(permitIP), ipNets(excludeIP)
	return open(t, createCert(t, &template, &template, key.Public(), key), key)
}

// regardless signs what Issue refused.
func regardless(t *testing.T, ca *issue.CA, ns pki.Names) *x509.Certificate {
	t.Helper()
	template := *mustIssue(t, newRoot(t), ns)
	template.AuthorityKeyId = nil
	return createCert(t, &template, ca.Cert(), newKey(t, issue.ECDSAP256).Public(), ca.Signer)
}

func goRefuses(ca *issue.CA, leaf *x509.Certificate) bool {
	roots := x509.NewCertPool()
	roots.AddCert(ca.Root())
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now})
	return err != nil
}

func mustIssue(t *testing.T, ca *issue.CA, ns pki.Names) *x509.Certificate {
	t.Helper()
	leaf, err := ca.Issue(newKey(t, issue.ECDSAP256).Public(), leafRequest(ns))
	require.NoError(t, err)
	return leaf
}

func open(t *testing.T, cert *x509.Certificate, key crypto.Signer) *issue.CA {
	t.Helper()
	ca, err := issue.OpenCA([]*x509.Certificate{cert}, key, now)
	require.NoError(t, err)
	return ca
}

func createCert(t *testing.T, template, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(nil, template, parent, pub, signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// TestOneSANExtension is the pitfall that started it all: whatever names in
// whatever order and way, there is one extension, and the names come back.
func TestOneSANExtension(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 5))
	root := newRoot(t)
	for range 300 {
		ns := randomNames(t, random)
		leaf := mustIssue(t, root, ns)
		self, err := issue.SelfSigned(newKey(t, issue.ECDSAP256), leafRequest(ns))
		require.NoError(t, err)
		csr, err := issue.NewCSR(newKey(t, issue.ECDSAP256), leafRequest(ns))
		require.NoError(t, err)
		signed, err := root.SignCSR(csr, issue.SignOptions{Validity: leafRequest(ns).Validity, Add: ns, Client: random.IntN(2) == 0})
		require.NoError(t, err)
		renewed, err := root.Reissue(signed, freshKey(t).Public(), leafRequest(ns).Validity)
		require.NoError(t, err)
		for way, c := range map[string]*x509.Certificate{"issued": leaf, "self-signed": self, "signed": signed, "renewed": renewed} {
			assert.Equal(t, 1, countSAN(c), "%s for %s", way, ns.Strings())
			assert.ElementsMatch(t, ns, pki.NamesOf(c), way)
		}
	}
}

func countSAN(c *x509.Certificate) int {
	count := 0
	for _, e := range c.Extensions {
		if e.Id.String() == "2.5.29.17" {
			count++
		}
	}
	return count
}

// randomNames draws one to eight names of all kinds.
func randomNames(t *testing.T, random *rand.Rand) pki.Names {
	t.Helper()
	var texts []string
	for range 1 + random.IntN(8) {
		label := fmt.Sprintf("h%x", random.Uint32())
		texts = append(texts, []string{
			label,
			label + ".example.com",
			"*." + label + ".example.com",
			label + ".bücher.example",
			"https://" + label + ".example.com:5000/v2/",
			netip.AddrFrom4([4]byte{10, byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())}).String(),
			fmt.Sprintf("[2001:db8::%x]:5000", random.Uint32()&0xffff),
			fmt.Sprintf("::ffff:10.0.0.%d", random.IntN(256)),
			"spiffe://example.org/" + label,
			label + "@example.com",
		}[random.IntN(10)])
	}
	return names(t, texts...)
}

// TestOpenSSLReadsTheCommonName shows what chooseSubject is careful about.
func TestOpenSSLReadsTheCommonName(t *testing.T) {
	openssl := need(t, "openssl")
	ca := newRoot(t, func(r *issue.CARequest) { r.Constraints.PermitIP = prefixes("10.96.0.0/12") })
	ns := names(t, "10.96.0.50")
	good := mustIssue(t, ca, ns)
	out, err := opensslVerify(t, openssl, served{leaf: good, root: ca.Root()}, ns[0])
	assert.NoError(t, err, out)

	naive := *good
	naive.RawSubject, naive.Subject = nil, pkix.Name{CommonName: "10.96.0.50"}
	bad := createCert(t, &naive, ca.Cert(), newKey(t, issue.ECDSAP256).Public(), ca.Signer)
	out, err = opensslVerify(t, openssl, served{leaf: bad, root: ca.Root()}, ns[0])
	assert.Error(t, err, "OpenSSL does not read the common name any more: chooseSubject can be simpler")
	assert.Contains(t, out, "excluded subtree violation")
}

func TestClientsAcceptConstraintsOfOneKind(t *testing.T) {
	openssl, certtool := need(t, "openssl"), need(t, "certtool")
	for name, tc := range map[string]struct {
		constraints issue.Constraints
		names       []string
	}{
		"addresses alone": {issue.Constraints{PermitIP: prefixes("10.96.0.0/12", "fd00::/8")}, []string{"10.96.0.50", "fd00::1"}},
		"domains alone":   {issue.Constraints{PermitDNS: []string{"example.com", ".corp"}}, []string{"reg.example.com", "reg.corp"}},
	} {
		t.Run(name, func(t *testing.T) {
			ca := newRoot(t, func(r *issue.CARequest) { r.Constraints = tc.constraints })
			ns := names(t, tc.names...)
			s := served{leaf: mustIssue(t, ca, ns), root: ca.Root()}
			for _, n := range ns {
				out, err := opensslVerify(t, openssl, s, n)
				assert.NoError(t, err, out)
				out, err = gnutlsVerify(t, certtool, s, n)
				assert.NoError(t, err, out)
			}
		})
	}
}
