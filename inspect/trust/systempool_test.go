package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"net"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

var testNow = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// testCA is a CA, or a certificate that signs itself.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t testing.TB, name string, change func(*x509.Certificate)) testCA {
	t.Helper()
	return issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, change)
}

// server signs a certificate for names and addresses.
func (ca testCA) server(t testing.TB, change func(*x509.Certificate), names ...string) testCA {
	t.Helper()
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "server"}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	return issue(t, &ca, c, change)
}

func issue(t testing.TB, ca *testCA, c *x509.Certificate, change func(*x509.Certificate)) testCA {
	t.Helper()
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), testNow.AddDate(-1, 0, 0), testNow.AddDate(1, 0, 0)
	if change != nil {
		change(c)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	parent, signer := c, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return testCA{parsed, key}
}

func (ca testCA) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
}

func chainOf(all ...testCA) (chain []pki.Cert) {
	for _, c := range all {
		chain = append(chain, pki.NewCert(pki.Origin{Source: "server"}, c.cert.Raw))
	}
	return chain
}

func anchorFiles(p *SystemPool) (files []string) {
	for _, a := range p.Anchors {
		files = append(files, a.File)
	}
	return files
}

func TestSystemPool(t *testing.T) {
	a, b := newCA(t, "A", nil), newCA(t, "B", nil)
	trusted := string(pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: a.cert.Raw}))
	headers := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Headers: map[string]string{"Proc-Type": "x"}, Bytes: a.cert.Raw}))
	const debian, rhel = "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
	for name, test := range map[string]struct {
		files map[string]string
		env   Env
		want  []string
	}{
		"S1 bundle":                    {map[string]string{debian: b.pem() + a.pem()}, nil, []string{debian, debian}},
		"S2 any name beside it":        {map[string]string{debian: b.pem(), "/etc/ssl/certs/x.txt": a.pem()}, nil, []string{debian, "/etc/ssl/certs/x.txt"}},
		"S3 update was not run":        {map[string]string{debian: b.pem(), "/usr/local/share/ca-certificates/a.crt": a.pem()}, nil, []string{debian}},
		"S5 absolute link":             {map[string]string{"/etc/ssl/certs/a.pem": "-> /usr/local/share/ca-certificates/a.crt", "/usr/local/share/ca-certificates/a.crt": a.pem()}, nil, []string{"/etc/ssl/certs/a.pem"}},
		"S6 hash link to nothing":      {map[string]string{debian: b.pem(), "/etc/ssl/certs/3513523f.0": "-> a.pem"}, nil, []string{debian}},
		"hash link is not read":        {map[string]string{"/etc/ssl/certs/3513523f.0": "-> ../a.pem", "/etc/ssl/a.pem": a.pem(), "/etc/ssl/certs/0.0": "-> b.pem", "/etc/ssl/certs/b.pem": b.pem()}, nil, []string{"/etc/ssl/certs/3513523f.0", "/etc/ssl/certs/b.pem"}},
		"S7 an empty file stops":       {map[string]string{debian: "", rhel: a.pem()}, nil, nil},
		"S8 RHEL":                      {map[string]string{rhel: a.pem()}, nil, []string{rhel}},
		"S11 TRUSTED CERTIFICATE":      {map[string]string{debian: trusted + headers + b.pem()}, nil, []string{debian}},
		"S12 SSL_CERT_FILE":            {map[string]string{"/opt/ca.pem": a.pem(), debian: b.pem()}, Env{{Name: "SSL_CERT_FILE", Value: "/opt/ca.pem"}}, []string{"/opt/ca.pem", debian}},
		"SSL_CERT_DIR takes the place": {map[string]string{"/x/a": a.pem(), debian: b.pem(), "/etc/ssl/certs/a.pem": a.pem()}, Env{{Name: "SSL_CERT_DIR", Value: "/none:/x"}}, []string{debian, "/x/a"}},
		"folders are not searched":     {map[string]string{"/etc/ssl/certs/sub/a.pem": a.pem()}, nil, nil},
		"S13 no store at all":          {nil, nil, nil},
		"same certificate twice":       {map[string]string{debian: a.pem(), "/etc/ssl/certs/a.pem": a.pem(), "/etc/pki/tls/certs/x": a.pem()}, nil, []string{debian}},
	} {
		t.Run(name, func(t *testing.T) {
			p := node(test.files).SystemPool(test.env)
			assert.Equal(t, test.want, anchorFiles(p))
			assert.NoError(t, p.Err)
		})
	}
}

func TestAnchorsHaveLines(t *testing.T) {
	a, b := newCA(t, "A", nil), newCA(t, "B", nil)
	n := node(map[string]string{"/ca.crt": "# A\n" + a.pem() + "text\n" + b.pem() + "-----BEGIN X-----\nAAAA\n-----END X-----\n"})
	f := n.CAFile("/ca.crt")
	require.Len(t, f.Anchors, 2)
	assert.Equal(t, 2, f.Anchors[0].Line)
	lines := len(splitPathLines(a.pem()))
	assert.Equal(t, 2+lines+1, f.Anchors[1].Line)
	assert.Equal(t, []Skipped{{2 + 2*lines + 1, "the block is X, Go takes only CERTIFICATE"}}, f.Skipped)
	assert.Same(t, f, n.CAFile("/ca.crt"), "read once")
}

func splitPathLines(s string) (lines []string) {
	for i, line := 0, ""; i < len(s); i++ {
		if s[i] == '\n' {
			lines, line = append(lines, line), ""
			continue
		}
		line += string(s[i])
	}
	return lines
}

func TestPoolThatCannotBeRead(t *testing.T) {
	n := NewNode(lockedFS{tree(map[string]string{"/etc/ssl/certs/ca-certificates.crt": "x"})}, NodeOptions{})
	p := n.SystemPool(nil)
	assert.EqualError(t, p.Err, "open /etc/ssl/certs/ca-certificates.crt: permission denied")
}

// lockedFS refuses to open what is there.
type lockedFS struct{ fstest.MapFS }

func (u lockedFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}
