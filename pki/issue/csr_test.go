package issue_test

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

func TestNewCSR(t *testing.T) {
	r := leafRequest(names(t, "reg.example.com", "10.96.0.50"))
	r.Subject.Organization, r.Client = []string{"Acme"}, true
	csr, err := issue.NewCSR(newKey(t, issue.RSA2048), r)
	require.NoError(t, err)

	assert.NoError(t, csr.CheckSignature())
	assert.Equal(t, "CN=reg.example.com,O=Acme", csr.Subject.String())
	assert.ElementsMatch(t, r.Names, pki.NamesOfCSR(csr))
	ids := map[string][]byte{}
	for _, e := range csr.Extensions {
		ids[e.Id.String()] = e.Value
	}
	assert.Len(t, ids, 3)
	assert.Equal(t, []byte{3, 2, 5, 0xa0}, ids["2.5.29.15"], "digitalSignature, keyEncipherment")
	assert.Contains(t, ids, "2.5.29.37")
	assert.Contains(t, ids, "2.5.29.17")
}

func TestNewCSRRefuses(t *testing.T) {
	_, err := issue.NewCSR(freshKey(t), leafRequest(nil))
	assert.ErrorIs(t, err, issue.ErrNoNames)
	r := leafRequest(names(t, "reg.local"))
	r.Subject.CommonName = "other.local"
	_, err = issue.NewCSR(freshKey(t), r)
	assert.ErrorContains(t, err, "not among the names")
}

// makeCSR signs a template as other programs would.
func makeCSR(t testing.TB, template *x509.CertificateRequest) *x509.CertificateRequest {
	t.Helper()
	der, err := x509.CreateCertificateRequest(nil, template, newKey(t, issue.ECDSAP256))
	require.NoError(t, err)
	csr, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	return csr
}

func TestSignCSR(t *testing.T) {
	ca := newRoot(t)
	caTrue, err := asn1.Marshal(struct{ IsCA bool }{true})
	require.NoError(t, err)
	codeSigning, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 1}, {1, 3, 6, 1, 5, 5, 7, 3, 2}, {1, 3, 6, 1, 5, 5, 7, 3, 3}})
	require.NoError(t, err)

	for name, tc := range map[string]struct {
		csr     x509.CertificateRequest
		options issue.SignOptions
		names   []string
		subject string
		remarks []string
	}{
		"keeps names and subject": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local", Organization: []string{"Acme"}}, DNSNames: []string{"reg.local", "b.local"}},
			names:   []string{"reg.local", "b.local"},
			subject: "CN=reg.local,O=Acme",
		},
		"adds names": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local"}},
			options: issue.SignOptions{Add: names(t, "10.96.0.50", "reg.local")},
			names:   []string{"reg.local", "10.96.0.50"},
			subject: "CN=reg.local",
		},
		"leaves a name out": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local", "evil.local"}},
			options: issue.SignOptions{Refuse: names(t, "evil.local")},
			names:   []string{"reg.local"},
			subject: "CN=reg.local",
			remarks: []string{"DNS:evil.local is refused"},
		},
		"leaves a name out that could not be signed": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local", "10.0.0.1"}},
			options: issue.SignOptions{Refuse: pki.Names{{Kind: pki.DNS, Value: "10.0.0.1"}}, Add: names(t, "10.0.0.1")},
			names:   []string{"reg.local", "10.0.0.1"},
			subject: "CN=reg.local",
			remarks: []string{"DNS:10.0.0.1 is refused"},
		},
		"leaves a name out however it is written": {
			csr: x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local", "Old.Local.", "xn--bcher-kva.local"}},
			options: issue.SignOptions{Refuse: pki.Names{
				{Kind: pki.DNS, Value: "OLD.local"}, {Kind: pki.DNS, Value: "bücher.local."},
			}},
			names:   []string{"reg.local"},
			subject: "CN=reg.local",
			remarks: []string{"DNS:Old.Local. is refused", "DNS:xn--bcher-kva.local is refused"},
		},
		"leaves out a wildcard, and counts every name that refuses it": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local", "*.Example.com", "*.a.example.com"}},
			options: issue.SignOptions{Refuse: names(t, "old.example.com", "older.example.com", "*.example.com")},
			names:   []string{"reg.local", "*.a.example.com"},
			subject: "CN=reg.local",
			remarks: []string{"DNS:*.Example.com is refused"},
		},
		"leaves out a wildcard that stands for several": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local", "*.Example.com"}},
			options: issue.SignOptions{Refuse: names(t, "old.example.com", "older.example.com")},
			names:   []string{"reg.local"},
			subject: "CN=reg.local",
			remarks: []string{"DNS:*.Example.com is refused: it stands for DNS:old.example.com, too"},
		},
		"leaves out what a refused wildcard stands for": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local", "a.example.com", "b.a.example.com"}},
			options: issue.SignOptions{Refuse: names(t, "*.example.com")},
			names:   []string{"reg.local", "b.a.example.com"},
			subject: "CN=reg.local",
			remarks: []string{"DNS:a.example.com is refused: DNS:*.example.com stands for it"},
		},
		"tells what refuses nothing": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local"}},
			options: issue.SignOptions{Refuse: names(t, "nosuch.example.com")},
			names:   []string{"reg.local"},
			subject: "CN=reg.local",
			remarks: []string{"DNS:nosuch.example.com is to be refused, but the CSR does not ask for it"},
		},
		"takes the common name of an old program's CSR": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}},
			names:   []string{"reg.local"},
			subject: "CN=reg.local",
			remarks: []string{"the CSR has no subject alternative names: its common name became DNS:reg.local"},
		},
		"does not let a host in by the common name": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "evil.org", Organization: []string{"Acme"}}, IPAddresses: ipsOf("10.0.0.1")},
			names:   []string{"10.0.0.1"},
			subject: "CN=10.0.0.1,O=Acme",
			remarks: []string{`the common name "evil.org" is not among the names: it became "10.0.0.1"`},
		},
		"does not let a host in by a common name before the last": {
			csr: x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local", ExtraNames: []pkix.AttributeTypeAndValue{
				{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "evil.org"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "reg.local"},
			}}, DNSNames: []string{"reg.local"}},
			names:   []string{"reg.local"},
			subject: "CN=reg.local",
			remarks: []string{`the common name "evil.org" is not among the names: it became "reg.local"`},
		},
		"keeps a common name that is no host": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "Registry of Acme, 2nd floor"}, DNSNames: []string{"reg.local"}},
			names:   []string{"reg.local"},
			subject: `CN=Registry of Acme\, 2nd floor`,
		},
		"gives a subject to a CSR without": {
			csr:     x509.CertificateRequest{DNSNames: []string{"reg.local"}},
			names:   []string{"reg.local"},
			subject: "CN=reg.local",
		},
		"brings names into their canonical form": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "Reg.Local"}, DNSNames: []string{"Reg.Local."}},
			names:   []string{"reg.local"},
			subject: "CN=Reg.Local",
		},
		"never grants CA:TRUE, other usages or extensions": {
			csr: x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local"}, ExtraExtensions: []pkix.Extension{
				{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: caTrue},
				{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: codeSigning},
				{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2}, Value: []byte{5, 0}},
			}},
			names:   []string{"reg.local"},
			subject: "CN=reg.local",
			remarks: []string{
				"the CSR asks to become a CA: that is not granted",
				"the CSR asks for the usage clientAuth: it is left out, since it was not granted",
				"the CSR asks for the usage 1.3.6.1.5.5.7.3.3: it is left out",
				"the CSR asks for the extension 1.3.6.1.4.1.311.20.2: it is left out",
			},
		},
		"allows what a wildcard and a network allow": {
			csr:     x509.CertificateRequest{Subject: pkix.Name{CommonName: "a.reg.local"}, DNSNames: []string{"a.reg.local"}, IPAddresses: ipsOf("10.96.0.50")},
			options: issue.SignOptions{Only: names(t, "*.reg.local"), OnlyIP: prefixes("10.96.0.0/12")},
			names:   []string{"a.reg.local", "10.96.0.50"},
			subject: "CN=a.reg.local",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.options.Validity = issue.ValidFrom(now, issue.DefaultLeafLifetime)
			csr := makeCSR(t, &tc.csr)
			review, err := issue.ReviewCSR(csr, tc.options)
			require.NoError(t, err)
			if tc.remarks != nil {
				assert.Equal(t, tc.remarks, review.Remarks)
			}
			cert, err := ca.SignCSR(csr, tc.options)
			require.NoError(t, err)
			assert.ElementsMatch(t, names(t, tc.names...), pki.NamesOf(cert))
			assert.Equal(t, tc.subject, cert.Subject.String())
			assert.False(t, cert.IsCA)
			assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, cert.ExtKeyUsage)
			assert.True(t, pki.SamePublicKey(csr.PublicKey, cert.PublicKey))
			for _, e := range cert.Extensions {
				assert.NotEqual(t, "1.3.6.1.4.1.311.20.2", e.Id.String())
			}
		})
	}
}

func TestSignCSRKeepsTheSubjectsBytes(t *testing.T) {
	// A subject in T61String, as very old programs write it, and in an order of its own.
	raw := []byte{
		0x30, 0x1e,
		0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x14, 0x04, 'A', 'c', 'm', 'e',
		0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x04, 'a', '.', 'b', 'c',
	}
	csr := makeCSR(t, &x509.CertificateRequest{RawSubject: raw, DNSNames: []string{"a.bc"}})
	cert, err := newRoot(t).SignCSR(csr, issue.SignOptions{Validity: issue.ValidFrom(now, issue.Day)})
	require.NoError(t, err)
	assert.Equal(t, raw, cert.RawSubject)
}

func TestSignCSRRefuses(t *testing.T) {
	ca := newRoot(t)
	plain := makeCSR(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local", "*.reg.local"}, IPAddresses: ipsOf("10.1.0.1")})
	tampered := *plain
	tampered.RawTBSCertificateRequest = append([]byte{}, plain.RawTBSCertificateRequest...)
	tampered.RawTBSCertificateRequest[len(tampered.RawTBSCertificateRequest)-1] ^= 1

	for name, tc := range map[string]struct {
		csr     *x509.CertificateRequest
		options issue.SignOptions
		want    string
	}{
		"a wrong signature": {
			csr:  &tampered,
			want: `CSR for "CN=reg.local": its signature is wrong, so whoever made it may not hold the key`,
		},
		"no names at all": {
			csr:  makeCSR(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Registry of Acme"}}),
			want: `CSR for "CN=Registry of Acme": no names`,
		},
		"every name refused": {
			csr:     makeCSR(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local"}}),
			options: issue.SignOptions{Refuse: names(t, "reg.local")},
			want:    "no names",
		},
		"names that are not allowed, all of them told": {
			csr:     plain,
			options: issue.SignOptions{Only: names(t, "*.reg.local"), OnlyIP: prefixes("10.96.0.0/12")},
			want:    "the CSR asks for names that are not allowed: DNS:reg.local, IP:10.1.0.1",
		},
		"a wildcard allowed by a wider one": {
			csr:     makeCSR(t, &x509.CertificateRequest{DNSNames: []string{"*.a.reg.local"}}),
			options: issue.SignOptions{Only: names(t, "*.reg.local")},
			want:    "not allowed: DNS:*.a.reg.local",
		},
		"a common name that is not allowed, where it is the only name": {
			csr:     makeCSR(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "evil.org"}}),
			options: issue.SignOptions{Only: names(t, "reg.local")},
			want:    "not allowed: DNS:evil.org",
		},
		"an IP address as DNS name": {
			csr:  makeCSR(t, &x509.CertificateRequest{DNSNames: []string{"10.0.0.1"}}),
			want: "10.0.0.1 is an IP address",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.options.Validity = issue.ValidFrom(now, issue.Day)
			_, err := ca.SignCSR(tc.csr, tc.options)
			assert.ErrorContains(t, err, tc.want)
		})
	}
}

// An otherName (a Windows user) is passed over by Go without a word.
func TestSignCSRTellsOfNamesItPassesOver(t *testing.T) {
	otherName := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: []byte{6, 1, 42}}
	dns := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("reg.local")}
	san, err := asn1.Marshal([]asn1.RawValue{otherName, dns})
	require.NoError(t, err)
	csr := makeCSR(t, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}}})
	review, err := issue.ReviewCSR(csr, issue.SignOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"the CSR asks for a name of a kind that no server is dialled by (such as otherName): it is left out"}, review.Remarks)
	assert.Equal(t, names(t, "reg.local"), review.Request.Names)
}

func TestReissue(t *testing.T) {
	ca := newRoot(t)
	r := leafRequest(names(t, "10.96.0.50", "reg.local"))
	r.Client, r.Subject.Organization = true, []string{"Acme"}
	old, err := ca.Issue(freshKey(t).Public(), r)
	require.NoError(t, err)

	key := freshKey(t)
	cert, err := ca.Reissue(old, key.Public(), issue.ValidFrom(now.Add(30*issue.Day), issue.ValidityOf(old).Lifetime()))
	require.NoError(t, err)
	assert.Equal(t, old.RawSubject, cert.RawSubject)
	assert.Equal(t, pki.NamesOf(old), pki.NamesOf(cert))
	assert.Equal(t, old.ExtKeyUsage, cert.ExtKeyUsage)
	assert.Equal(t, issue.ValidityOf(old).Lifetime(), issue.ValidityOf(cert).Lifetime())
	assert.NotEqual(t, old.SerialNumber, cert.SerialNumber)
	assert.True(t, pki.SamePublicKey(key.Public(), cert.PublicKey))
}

func TestReissueRefusesTheWrongCA(t *testing.T) {
	named := func(r *issue.CARequest) { r.Subject.CommonName = "Acme CA" }
	ca, namesake, other := newRoot(t, named), newRoot(t, named), newRoot(t)
	old := mustIssue(t, ca, names(t, "reg.local"))

	_, err := namesake.Reissue(old, freshKey(t).Public(), issue.ValidFrom(now, issue.Day))
	assert.ErrorIs(t, err, issue.ErrNotIssued)
	assert.ErrorContains(t, err, "the CA was made anew under the same name")
	_, err = other.Reissue(old, freshKey(t).Public(), issue.ValidFrom(now, issue.Day))
	assert.ErrorIs(t, err, issue.ErrNotIssued)
	assert.ErrorContains(t, err, `it did not issue the certificate: that was "CN=Acme CA"`)
}

func TestRequestOf(t *testing.T) {
	ca := newRoot(t)
	sign := func(t *testing.T, template x509.Certificate) *x509.Certificate {
		template.SerialNumber, template.NotBefore, template.NotAfter = ca.Cert().SerialNumber, now, now.Add(issue.Day)
		return createCert(t, &template, ca.Cert(), freshKey(t).Public(), ca.Signer)
	}
	t.Run("a certificate with nothing but a common name", func(t *testing.T) {
		review, err := issue.RequestOf(sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "reg.local"}}))
		require.NoError(t, err)
		assert.Equal(t, names(t, "reg.local"), review.Request.Names)
		assert.Equal(t, []string{"the certificate has no subject alternative names: its common name became DNS:reg.local"}, review.Remarks)
	})
	t.Run("a certificate for clients alone", func(t *testing.T) {
		review, err := issue.RequestOf(sign(t, x509.Certificate{
			Subject: pkix.Name{CommonName: "alice"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}))
		require.NoError(t, err)
		assert.True(t, review.Request.Client && review.Request.NoServer)
		assert.Empty(t, review.Request.Names)
	})
	t.Run("usages that are not kept", func(t *testing.T) {
		review, err := issue.RequestOf(sign(t, x509.Certificate{
			DNSNames: []string{"reg.local"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageCodeSigning},
		}))
		require.NoError(t, err)
		assert.Len(t, review.Remarks, 1)
	})
	t.Run("an IP address as DNS name", func(t *testing.T) {
		_, err := issue.RequestOf(sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"10.0.0.1"}}))
		assert.ErrorContains(t, err, `certificate of "CN=x": `)
		assert.ErrorContains(t, err, "10.0.0.1 is an IP address")
	})
	t.Run("a CA", func(t *testing.T) {
		_, err := issue.RequestOf(ca.Cert())
		assert.ErrorContains(t, err, "it is a CA")
	})
}

func TestReissueSelfSigned(t *testing.T) {
	key := freshKey(t)
	old, err := issue.SelfSigned(key, leafRequest(names(t, "reg.local")))
	require.NoError(t, err)
	review, err := issue.RequestOf(old)
	require.NoError(t, err)
	review.Request.Validity = issue.ValidFrom(now, issue.Day)

	same, err := issue.ReissueSelfSigned(old, key, review.Request)
	require.NoError(t, err)
	assert.Equal(t, old.RawSubject, same.RawSubject)
	assert.Equal(t, old.SubjectKeyId, same.SubjectKeyId)

	renewed, err := issue.ReissueSelfSigned(old, freshKey(t), review.Request)
	require.NoError(t, err)
	assert.NotEqual(t, old.RawSubject, renewed.RawSubject)
	assert.Regexp(t, `^SERIALNUMBER=[0-9a-f]{8},CN=reg.local$`, renewed.Subject.String())

	leaf := mustIssue(t, newRoot(t), names(t, "reg.local"))
	_, err = issue.ReissueSelfSigned(leaf, key, review.Request)
	assert.ErrorContains(t, err, "it is not self-signed")
}

// FuzzReviewCSR: whatever a CSR holds, it is signed with one SAN extension and
// never as a CA, or refused.
func FuzzReviewCSR(f *testing.F) {
	for _, template := range []x509.CertificateRequest{
		{Subject: pkix.Name{CommonName: "reg.local"}, DNSNames: []string{"reg.local"}},
		{Subject: pkix.Name{CommonName: "x"}, IPAddresses: ipsOf("10.0.0.1"), EmailAddresses: []string{"a@b.c"}},
	} {
		f.Add(makeCSR(f, &template).RawTBSCertificateRequest)
	}
	ca := newRoot(f)
	key := newKey(f, issue.ECDSAP256)
	f.Fuzz(func(t *testing.T, tbs []byte) {
		csr, err := x509.ParseCertificateRequest(signTBS(t, tbs, key))
		if err != nil {
			return
		}
		cert, err := ca.SignCSR(csr, issue.SignOptions{Validity: issue.ValidFrom(now, issue.Day)})
		if err != nil {
			return
		}
		assert.False(t, cert.IsCA)
		assert.Equal(t, 1, countSAN(cert))
		assert.NotEqual(t, cert.RawIssuer, cert.RawSubject)
	})
}

// signTBS signs the body of a CSR, whatever it is.
func signTBS(t *testing.T, tbs []byte, key crypto.Signer) []byte {
	t.Helper()
	hash := crypto.SHA256.New()
	hash.Write(tbs)
	signature, err := key.Sign(nil, hash.Sum(nil), crypto.SHA256)
	require.NoError(t, err)
	if len(tbs) == 0 || tbs[0] != 0x30 {
		tbs = []byte{0x30, 0}
	}
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{
		asn1.RawValue{FullBytes: tbs},
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}},
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
	require.NoError(t, err)
	return der
}

// TestManyNames: the time grows with the number of names, not with its square,
// which took a minute here.
func TestManyNames(t *testing.T) {
	var all pki.Names
	for i := range 20_000 {
		all = append(all, pki.Name{Kind: pki.DNS, Value: fmt.Sprintf("host-%d.example.com", i)})
	}
	start := time.Now()
	csr, err := issue.NewCSR(newKey(t, issue.ECDSAP256), leafRequest(all))
	require.NoError(t, err)
	cert, err := newRoot(t).SignCSR(csr, issue.SignOptions{Validity: leafRequest(all).Validity, Refuse: all[:10_000], Only: names(t, "*.example.com")})
	require.NoError(t, err)
	assert.Len(t, cert.DNSNames, 10_000)
	assert.Less(t, time.Since(start), 10*time.Second)
}
