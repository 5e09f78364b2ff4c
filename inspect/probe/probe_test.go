package probe

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

// made is a certificate with its key.
type made struct {
	der  []byte
	cert *x509.Certificate
	key  crypto.Signer
}

// TestMain gives servers more time than people have who wait: where no test
// says how long, none is to fail because the machine does much else.
func TestMain(m *testing.M) {
	DefaultTimeouts = Timeouts{Connect: ample, Handshake: ample, Total: 2 * ample}
	os.Exit(m.Run())
}

// ample is more than anything takes that does not wait for ever.
const ample = 30 * time.Second

var (
	noon     = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	loopback = []net.IP{net.IPv4(127, 0, 0, 1)}
)

// issue makes a certificate signed by parent, or self-signed when that is nil.
func issue(t testing.TB, parent *made, change func(*x509.Certificate)) made {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return issueFor(t, key, parent, change)
}

func issueFor(t testing.TB, key crypto.Signer, parent *made, change func(*x509.Certificate)) made {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "server"},
		NotBefore: noon.Add(-day), NotAfter: noon.Add(90 * day),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: loopback, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	issuer, signer := template, key
	if parent != nil {
		issuer, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		cert = nil // made to be refused
	}
	return made{der, cert, key}
}

func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage = name, true, x509.KeyUsageCertSign
		c.ExtKeyUsage, c.IPAddresses = nil, nil
		c.SubjectKeyId = []byte(name)
	}
}

// twoSANs is what openssl 1.1.1 makes of a SAN in its configuration and another
// in -addext.
func twoSANs(c *x509.Certificate) {
	for _, ip := range []string{"\x7f\x00\x00\x01", "\x7f\x00\x00\x02"} {
		value, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 7, Bytes: []byte(ip)}})
		if err != nil {
			panic(err)
		}
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value})
	}
}

// listen hands each connection to serve, until the test ends.
func listen(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(4 * ample))
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// serveTLS serves a chain and answers nothing.
func serveTLS(t testing.TB, config *tls.Config, leaf made, more ...made) string {
	t.Helper()
	c := tls.Certificate{PrivateKey: leaf.key, Certificate: [][]byte{leaf.der}}
	for _, m := range more {
		c.Certificate = append(c.Certificate, m.der)
	}
	if config == nil {
		config = &tls.Config{}
	}
	config.Certificates = []tls.Certificate{c}
	return listen(t, func(conn net.Conn) {
		s := tls.Server(conn, config)
		if s.Handshake() == nil {
			io.Copy(io.Discard, s)
		}
	})
}

func trust(all ...made) (certs []pki.Cert) {
	for _, m := range all {
		certs = append(certs, pki.NewCert(pki.Origin{Source: "ca.crt"}, m.der))
	}
	return certs
}

func look(t testing.TB, address string, o Options) Result {
	t.Helper()
	target, err := ParseTarget(address)
	require.NoError(t, err)
	o.Now, o.AuthLevel, o.TLSOnly = noon, 2, true
	return lookFurther(t, target, o)
}

// lookFurther asks for /v2/ too.
func lookFurther(t testing.TB, target Target, o Options) Result {
	t.Helper()
	o.Now, o.AuthLevel = noon, 2
	ctx, cancel := context.WithTimeout(context.Background(), 4*ample)
	defer cancel()
	return Probe(ctx, target, o)
}

// TestChains shows the verdict on what is served.
func TestChains(t *testing.T) {
	root := issue(t, nil, authority("root"))
	sub := issue(t, &root, authority("sub"))
	stranger := issue(t, nil, authority("stranger"))
	leaf := issue(t, &sub, nil)
	direct := issue(t, &root, nil)
	expiredSub := issue(t, &root, func(c *x509.Certificate) {
		authority("old")(c)
		c.NotAfter = noon.Add(-time.Hour)
	})
	expiredLeaf := issue(t, &expiredSub, nil)
	tests := []struct {
		shows   string
		chain   []made
		trusted []made
		status  Status
		verdict string
		code    int
		faults  []Fault
	}{
		{shows: "leaf and intermediate", chain: []made{leaf, sub}, trusted: []made{root}, status: Trusted, verdict: "trusted"},
		{shows: "leaf alone", chain: []made{direct}, trusted: []made{root}, status: Trusted, verdict: "trusted"},
		{
			shows: "root sent", chain: []made{leaf, sub, root}, trusted: []made{root}, status: Trusted, verdict: "trusted",
			faults: []Fault{{FaultRootSent, 2, "the root is sent, which clients do not need: they go by their own copy"}},
		},
		{
			shows: "intermediate missing", chain: []made{leaf}, trusted: []made{root}, status: Refused, code: 21,
			verdict: "refused: the issuer is not known: CN=sub",
			faults:  []Fault{{FaultIssuerMissing, 0, "its issuer CN=sub is neither sent nor trusted"}},
		},
		{
			shows: "wrong order", chain: []made{leaf, root, sub}, trusted: []made{root}, status: Trusted, verdict: "trusted",
			faults: []Fault{
				{FaultOrder, 2, "it signed certificate 0, and should follow it"},
				{FaultOrder, 1, "it signed certificate 2, and should follow it"},
				{FaultRootSent, 1, "the root is sent, which clients do not need: they go by their own copy"},
			},
		},
		{
			shows: "duplicate", chain: []made{leaf, sub, sub}, trusted: []made{root}, status: Trusted, verdict: "trusted",
			faults: []Fault{{FaultDuplicate, 2, "it is certificate 1 again"}},
		},
		{
			shows: "unrelated", chain: []made{leaf, sub, stranger}, trusted: []made{root}, status: Trusted, verdict: "trusted",
			faults: []Fault{{FaultUnrelated, 2, "it did not sign anything here"}},
		},
		{
			shows: "CA not trusted, and sent", chain: []made{leaf, sub, root}, trusted: []made{stranger}, status: Refused, code: 19,
			verdict: "refused: signed by a CA that is not trusted",
			faults:  []Fault{{FaultRootSent, 2, "the root is sent, which clients do not need: they go by their own copy"}},
		},
		{shows: "self-signed", chain: []made{issue(t, nil, nil)}, trusted: []made{root}, status: Refused, code: 18, verdict: "refused: a self-signed certificate that is not trusted"},
		{
			shows: "expired", chain: []made{issue(t, &root, func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Hour) })}, trusted: []made{root},
			status: Refused, code: 10, verdict: "refused: the certificate expired on 2026-11-21",
		},
		{
			shows: "not yet valid", chain: []made{issue(t, &root, func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Hour) })}, trusted: []made{root},
			status: Refused, code: 9, verdict: "refused: the certificate is not valid before 2026-11-21 13:00:00 UTC",
		},
		{
			shows: "no IP SAN", chain: []made{issue(t, &root, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"127.0.0.1"} })}, trusted: []made{root},
			status: Refused, code: 64, verdict: "refused: no IP SAN",
		},
		{
			shows: "another address", chain: []made{issue(t, &root, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1)} })}, trusted: []made{root},
			status: Refused, code: 64, verdict: "refused: the certificate is for other names than 127.0.0.1",
		},
		{
			shows: "two SANs", chain: []made{issue(t, &root, twoSANs)}, trusted: []made{root}, status: Refused, code: 21,
			verdict: "refused: two subjectAltName extensions",
			faults:  []Fault{{FaultUnreadable, 0, "Go's clients cannot read it: it has two subjectAltName extensions"}},
		},
		{
			shows: "CA first", chain: []made{root, direct}, trusted: []made{root}, status: Refused, code: 64,
			verdict: "refused: the server sends its CA's certificate first",
			faults:  []Fault{{FaultUnrelated, 1, "it did not sign anything here"}},
		},
		{
			shows: "CA made anew", chain: []made{direct}, trusted: []made{issue(t, nil, authority("root"))}, status: Refused, code: 7,
			verdict: "refused: another CA of the same name is trusted",
		},
		{
			shows: "expired intermediate", chain: []made{expiredLeaf, expiredSub}, trusted: []made{root}, status: Refused, code: 10,
			verdict: "refused: CN=old expired on 2026-11-21",
		},
		{
			shows: "OpenSSL alone refuses", chain: []made{leaf, sub}, trusted: []made{sub}, status: Refused, code: 2,
			verdict: "refused by OpenSSL clients, accepted by Go's: unable to get issuer certificate",
		},
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tt := range tests {
			t.Run(tls.VersionName(version)+"/"+tt.shows, func(t *testing.T) {
				r := look(t, serveTLS(t, &tls.Config{MaxVersion: version}, tt.chain[0], tt.chain[1:]...), Options{Trusted: trust(tt.trusted...)})
				assert.Equal(t, tt.status, r.Status)
				assert.Equal(t, tt.verdict, r.Verdict)
				assert.Equal(t, tt.faults, r.Faults)
				require.NotNil(t, r.OpenSSL)
				assert.Equal(t, tt.code, r.OpenSSL.Code)
				assert.Equal(t, tt.status != Trusted, r.Cause+r.Fix != "", "a refusal has a cause or a fix")
				require.Len(t, r.Chain, len(tt.chain), "exactly as served")
				for i, m := range tt.chain {
					assert.Equal(t, m.der, r.Certs()[i].Raw)
				}
				assert.Equal(t, versionName(version), r.TLS.Version)
				assert.NotEmpty(t, r.TLS.Cipher)
			})
		}
	}
}

// TestReadHello reads the chain that crypto/tls keeps to itself.
func TestReadHello(t *testing.T) {
	broken := issue(t, nil, twoSANs)
	r := look(t, serveTLS(t, nil, broken), Options{})
	require.Len(t, r.Chain, 1)
	assert.Equal(t, []string{"IP:127.0.0.1", "IP:127.0.0.2"}, r.Chain[0].Names)
	assert.Equal(t, "CN=server", r.Chain[0].Subject)
	assert.Contains(t, r.Go.Error, "tls: failed to parse certificate from server: x509: certificate contains duplicate extension")
	assert.NotEmpty(t, r.TLS.Cipher)
}

func FuzzReadHello(f *testing.F) {
	f.Add([]byte("\x16\x03\x03\x00\x04\x0b\x00\x00\x00"), []byte("SERVER_HANDSHAKE_TRAFFIC_SECRET 00 00\n"))
	f.Fuzz(func(t *testing.T, received, keyLog []byte) { readHello(received, keyLog) })
}

// TestClientCertificate shows that a server asks for one, and what comes of it.
func TestClientCertificate(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	client := issue(t, &root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	pool := x509.NewCertPool()
	pool.AddCert(root.cert)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			required := &tls.Config{MaxVersion: version, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, Time: func() time.Time { return noon }}
			address := serveTLS(t, required, leaf)
			r := look(t, address, Options{Trusted: trust(root)})
			assert.Equal(t, Refused, r.Status)
			assert.Equal(t, "refused by the server: it wants a client certificate", r.Verdict)
			require.NotNil(t, r.TLS.ClientCertificate)
			assert.Equal(t, []string{"CN=root"}, r.TLS.ClientCertificate.CAs)

			r = look(t, address, Options{Trusted: trust(root), ClientCert: &tls.Certificate{Certificate: [][]byte{client.der}, PrivateKey: client.key}})
			assert.Equal(t, Trusted, r.Status, r.Verdict)

			optional := &tls.Config{MaxVersion: version, ClientAuth: tls.RequestClientCert}
			r = look(t, serveTLS(t, optional, leaf), Options{Trusted: trust(root)})
			assert.Equal(t, Trusted, r.Status, r.Verdict)
			require.NotNil(t, r.TLS.ClientCertificate)
		})
	}
}

// TestOutdated shows a server that offers only what Go's clients have given up.
func TestOutdated(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	r := look(t, serveTLS(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, leaf), Options{Trusted: trust(root)})
	assert.Equal(t, Refused, r.Status)
	assert.Contains(t, r.Verdict, "nothing newer than TLS 1.0")
	assert.Contains(t, r.Go.Error, "tls: ")
	assert.Equal(t, 0, r.OpenSSL.Code)
	assert.True(t, r.TLS.Outdated)
}

// TestNotTLS shows what else can answer.
func TestNotTLS(t *testing.T) {
	greet := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			c.Read(make([]byte, 1024))
			io.WriteString(c, text)
		}
	}
	tests := []struct {
		shows   string
		address string
		status  Status
		verdict string
	}{
		{"HTTP", listen(t, greet("HTTP/1.0 400 Bad Request\r\n\r\n")), NotTLS, "refused by Go clients: plain HTTP, not HTTPS"},
		{"SSH", listen(t, greet("SSH-2.0-OpenSSH_9.2\r\n")), NotTLS, "refused: not TLS but SSH"},
		{"something else", listen(t, greet("hello there\r\n")), NotTLS, "refused: not TLS"},
		{"an alert", listen(t, greet("\x15\x03\x01\x00\x02\x02\x70")), Refused, "refused: no TLS handshake: remote error: tls: unrecognized name"},
		{"garbage in TLS", listen(t, greet("\x16\x03\x03\x00\x04\x02\x00\x00\x00")), Refused, "refused: no TLS handshake: "},
		{"nothing", listen(t, func(c net.Conn) { c.Read(make([]byte, 1024)) }), Unreachable, "unreachable: the connection was closed during the handshake"},
		{"silence", listen(t, func(c net.Conn) { io.Copy(io.Discard, c) }), Unreachable, "unreachable: connected, but no TLS answer in time"},
		{"a reset", listen(t, func(c net.Conn) { hear(c); hangUp(c) }), Unreachable, "unreachable: the connection was closed during the handshake"},
		{"nobody", "127.0.0.1:1", Unreachable, "unreachable: connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			t.Parallel()
			var o Options
			if tt.shows == "silence" {
				o.Timeouts.Handshake = patience
			}
			start := time.Now()
			r := look(t, tt.address, o)
			assert.Equal(t, tt.status, r.Status)
			assert.Contains(t, r.Verdict, tt.verdict)
			assert.NotEmpty(t, r.Cause)
			assert.Less(t, time.Since(start), ample, "it waits for more than there is")
		})
	}
}

// TestServerName verifies by another name than the one that is dialled.
func TestServerName(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, func(c *x509.Certificate) { c.DNSNames = []string{"reg.local"} })
	var sni string
	config := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		sni = h.ServerName
		return nil, nil
	}, NextProtos: []string{"http/1.1"}}
	r := look(t, serveTLS(t, config, leaf), Options{Trusted: trust(root), ServerName: "reg.local"})
	assert.Equal(t, Trusted, r.Status, r.Verdict)
	assert.Equal(t, "reg.local", sni)
	assert.Equal(t, "reg.local", r.TLS.ServerName)
	assert.Equal(t, "http/1.1", r.TLS.ALPN)
}
