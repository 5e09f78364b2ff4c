package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/crpki/crpki/fixtures/port"
)

// opensslCA is a CA in openssl's files: an index, by which `openssl ocsp`
// answers and `openssl ca -gencrl` lists.
type opensslCA struct {
	dir  string
	root made
	t    *testing.T
}

func newOpenSSLCA(t *testing.T) *opensslCA {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	ca := &opensslCA{dir: t.TempDir(), t: t}
	ca.root = issue(t, nil, func(c *x509.Certificate) {
		authority("root")(c)
		now(c)
		c.KeyUsage |= x509.KeyUsageCRLSign
	})
	ca.write("ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.root.der}))
	key, err := x509.MarshalPKCS8PrivateKey(ca.root.key)
	require.NoError(t, err)
	ca.write("ca.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	ca.write("index", nil)
	ca.write("crlnumber", []byte("01\n"))
	ca.write("ca.conf", []byte("[ca]\ndefault_ca = x\n[x]\ndatabase = "+ca.path("index")+"\ncrlnumber = "+ca.path("crlnumber")+"\ndefault_md = sha256\n"))
	return ca
}

// now makes a certificate valid by the clock of the programs.
func now(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-day).Truncate(time.Second), time.Now().Add(90*day).Truncate(time.Second)
}

func (ca *opensslCA) path(name string) string { return filepath.Join(ca.dir, name) }

func (ca *opensslCA) write(name string, data []byte) {
	ca.t.Helper()
	require.NoError(ca.t, os.WriteFile(ca.path(name), data, 0o600))
}

// note adds a line to the index: V is valid, R revoked.
func (ca *opensslCA) note(state string, c *x509.Certificate) {
	ca.t.Helper()
	const layout = "060102150405Z"
	revoked := ""
	if state == "R" {
		revoked = time.Now().Add(-time.Hour).UTC().Format(layout) + ",keyCompromise"
	}
	file, err := os.OpenFile(ca.path("index"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(ca.t, err)
	defer file.Close()
	serial := fmt.Sprintf("%X", c.SerialNumber)
	if len(serial)%2 == 1 {
		serial = "0" + serial
	}
	fmt.Fprintf(file, "%s\t%s\t%s\t%s\tunknown\t/CN=%s\n", state, c.NotAfter.UTC().Format(layout), revoked, serial, c.SerialNumber)
}

// gencrl gives a list by `openssl ca -gencrl`, as PEM.
func (ca *opensslCA) gencrl(args ...string) []byte {
	ca.t.Helper()
	args = append([]string{"ca", "-gencrl", "-config", ca.path("ca.conf"), "-keyfile", ca.path("ca.key"), "-cert", ca.path("ca.crt")}, args...)
	cmd := exec.Command("openssl", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(ca.t, err, stderr.String())
	return out
}

// responder starts `openssl ocsp` and gives its URL.
func (ca *opensslCA) responder(port string) {
	ca.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	cmd := exec.CommandContext(ctx, "openssl", "ocsp", "-port", port, "-index", ca.path("index"), "-CA", ca.path("ca.crt"),
		"-rsigner", ca.path("ca.crt"), "-rkey", ca.path("ca.key"), "-ndays", "7")
	stderr, err := cmd.StderrPipe()
	require.NoError(ca.t, err)
	require.NoError(ca.t, cmd.Start())
	ca.t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	// It hangs for ever when somebody connects and goes again to see if it is there.
	for said := bufio.NewScanner(stderr); said.Scan(); {
		if strings.Contains(said.Text(), "waiting for OCSP client connections") {
			go io.Copy(io.Discard, stderr) //nolint:errcheck // until it ends
			return
		}
	}
	require.Fail(ca.t, "openssl ocsp does not answer")
}

// ask probes a server with this certificate.
func (ca *opensslCA) ask(leaf made, staple []byte) Result {
	ca.t.Helper()
	stapled := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.der}, PrivateKey: leaf.key, OCSPStaple: staple}}}
	address := serveTLS(ca.t, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return stapled, nil }}, leaf)
	target, err := ParseTarget(address)
	require.NoError(ca.t, err)
	return Probe(ca.t.Context(), target, Options{
		Trusted: trust(ca.root), Now: time.Now(), AuthLevel: 2, TLSOnly: true, Revocation: true,
	})
}

func one(t *testing.T, r Result) Revocation {
	t.Helper()
	require.Len(t, r.Revocation, 1, r.Verdict)
	return r.Revocation[0]
}

// TestRevocation asks the responder and the list of openssl.
func TestRevocation(t *testing.T) {
	ca := newOpenSSLCA(t)
	var list []byte
	lists := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(list) }))
	t.Cleanup(lists.Close)
	// The certificates name it before it listens, on all addresses.
	port := port.Free(t, "")
	leaf := func() made {
		return issue(t, &ca.root, func(c *x509.Certificate) {
			now(c)
			c.OCSPServer, c.CRLDistributionPoints = []string{"http://127.0.0.1:" + port}, []string{lists.URL + "/root.crl"}
		})
	}
	good, revoked, stranger := leaf(), leaf(), leaf()
	ca.note("V", good.cert)
	ca.note("R", revoked.cert)
	list = ca.gencrl("-crldays", "7")
	ca.responder(port)

	t.Run("good", func(t *testing.T) {
		r := ca.ask(good, nil)
		v := one(t, r)
		assert.Equal(t, Good, v.Status)
		require.Len(t, v.Sources, 2)
		for i, kind := range []string{"ocsp", "crl"} {
			assert.Equal(t, kind, v.Sources[i].Kind)
			assert.Equal(t, Good, v.Sources[i].Status, v.Sources[i].Error)
			assert.WithinDuration(t, time.Now().Add(7*day), v.Sources[i].NextUpdate, time.Hour)
		}
		assert.Equal(t, Trusted, r.Status)
	})
	t.Run("revoked", func(t *testing.T) {
		r := ca.ask(revoked, nil)
		v := one(t, r)
		assert.Equal(t, Revoked, v.Status)
		require.Len(t, v.Sources, 2)
		for _, s := range v.Sources {
			assert.Equal(t, Revoked, s.Status, s.Error)
			assert.Equal(t, "keyCompromise", s.Reason)
			assert.WithinDuration(t, time.Now().Add(-time.Hour), s.RevokedAt, time.Minute)
		}
		assert.Equal(t, Withdrawn, r.Status)
		assert.Contains(t, r.Verdict, "trusted by clients, who do not ask, but the certificate was revoked on ")
		assert.True(t, r.Go.OK, "Go's clients do not ask")
		assert.True(t, r.OpenSSL.OK)
	})
	t.Run("the responder does not know it", func(t *testing.T) {
		v := one(t, ca.ask(stranger, nil))
		assert.Equal(t, "the responder does not know the certificate", v.Sources[0].Error)
		assert.Equal(t, Good, v.Sources[1].Status, "what is not on the list is good")
	})
	t.Run("a list of yesterday", func(t *testing.T) {
		fresh := list
		list = ca.gencrl("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z")
		defer func() { list = fresh }()
		v := one(t, ca.ask(revoked, nil))
		assert.Equal(t, Revoked, v.Status, "the responder says so")
		assert.Contains(t, v.Sources[1].Error, "out of date since 2020-02-01")
	})
}

// TestStaple reads the response that the server sends, and compares our lines
// with those of openssl s_client -status.
func TestStaple(t *testing.T) {
	ca := newOpenSSLCA(t)
	leaf := issue(t, &ca.root, now)
	other := issue(t, &ca.root, now)
	// The issuer's name and another key, which signs for itself.
	impostor := issue(t, nil, func(c *x509.Certificate) { authority("root")(c); now(c) })
	forOCSP := func(eku x509.ExtKeyUsage, edit func(*x509.Certificate)) made {
		return issue(t, &ca.root, func(c *x509.Certificate) {
			now(c)
			c.Subject.CommonName, c.ExtKeyUsage = "responder", []x509.ExtKeyUsage{eku}
			if edit != nil {
				edit(c)
			}
		})
	}
	make := func(about made, issuer *x509.Certificate, by made, edit func(*ocsp.Response)) []byte {
		response := ocsp.Response{
			Status: ocsp.Good, SerialNumber: about.cert.SerialNumber,
			ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour), Certificate: by.cert,
		}
		if by.cert == ca.root.cert {
			response.Certificate = nil
		}
		if edit != nil {
			edit(&response)
		}
		der, err := ocsp.CreateResponse(issuer, by.cert, response, by.key)
		require.NoError(t, err)
		return der
	}
	root := ca.root.cert
	delegate := forOCSP(x509.ExtKeyUsageOCSPSigning, nil)
	good := make(leaf, root, ca.root, nil)
	forged := bytes.Clone(good)
	forged[len(forged)-3] ^= 1
	for _, tt := range []struct {
		name   string
		staple []byte
		status RevocationStatus
		error  string
	}{
		{"of the issuer", good, Good, ""},
		{"of whom the issuer has appointed", make(leaf, root, delegate, nil), Good, ""},
		{"revoked", make(leaf, root, ca.root, func(r *ocsp.Response) {
			r.Status, r.RevokedAt, r.RevocationReason = ocsp.Revoked, time.Now().Add(-day), ocsp.Superseded
		}), Revoked, ""},
		{"unknown", make(leaf, root, ca.root, func(r *ocsp.Response) { r.Status = ocsp.Unknown }), Unknown, "does not know"},
		{"about another certificate", make(other, root, ca.root, nil), Unknown, "no response matching"},
		{"about a certificate of another issuer", make(leaf, impostor.cert, ca.root, nil), Unknown, "of another issuer"},
		{"forged", forged, Unknown, "not signed by the issuer"},
		{"of another key", make(leaf, root, impostor, nil), Unknown, "not appointed"},
		{"of a server of the same CA", make(leaf, root, forOCSP(x509.ExtKeyUsageServerAuth, nil), nil), Unknown, "not for OCSP"},
		{"of a responder that has expired", make(leaf, root, forOCSP(x509.ExtKeyUsageOCSPSigning, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-3*day), time.Now().Add(-day)
		}), nil), Unknown, "not valid now"},
		{"of yesterday", make(leaf, root, ca.root, func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(-time.Minute) }), Unknown, "out of date"},
		{"of tomorrow", make(leaf, root, ca.root, func(r *ocsp.Response) { r.ThisUpdate = time.Now().Add(day) }), Unknown, "not yet"},
		{"none at all", []byte("not a response"), Unknown, "asn1"},
		{"try later", []byte{0x30, 3, 0x0a, 1, 3}, Unknown, "try later"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := one(t, ca.ask(leaf, tt.staple))
			require.Len(t, v.Sources, 1)
			assert.Equal(t, "staple", v.Sources[0].Kind)
			assert.Equal(t, tt.status, v.Status, v.Sources[0].Error)
			if tt.error == "" {
				assert.Empty(t, v.Sources[0].Error)
			} else {
				assert.Contains(t, v.Sources[0].Error, tt.error)
			}
		})
	}
	t.Run("nobody to ask", func(t *testing.T) {
		v := one(t, ca.ask(leaf, nil))
		assert.Equal(t, Unknown, v.Status)
		assert.Empty(t, v.Sources)
	})
}

// TestRevocationIsBounded: a certificate names whom to ask, and anybody can
// make one.
func TestRevocationIsBounded(t *testing.T) {
	ca := newOpenSSLCA(t)
	asked := 0
	var answer func(w http.ResponseWriter, r *http.Request)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked++; answer(w, r) }))
	t.Cleanup(server.Close)
	with := func(urls ...string) made {
		return issue(t, &ca.root, func(c *x509.Certificate) { now(c); c.CRLDistributionPoints = urls })
	}
	for _, tt := range []struct {
		name, error string
		urls        []string
		answer      func(w http.ResponseWriter, r *http.Request)
	}{
		{"LDAP", `neither http nor https`, []string{"ldap://127.0.0.1/cn=root"}, nil},
		{"a file", `neither http nor https`, []string{"file:///etc/passwd"}, nil},
		{"a login", "a login", []string{"http://user:secret@127.0.0.1/"}, nil},
		{"the cloud's metadata", "does not follow", []string{"http://169.254.169.254/latest/meta-data/"}, nil},
		{"redirected to the metadata", "does not follow", []string{server.URL}, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}},
		{"redirected in a circle", "after 10 redirects", []string{server.URL}, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/", http.StatusFound)
		}},
		{"without an end", "longer than 16 MiB", []string{server.URL}, func(w http.ResponseWriter, r *http.Request) {
			for block := make([]byte, 1<<20); r.Context().Err() == nil; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}},
		{"an error", "404", []string{server.URL}, func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }},
		{"no list", "x509", []string{server.URL}, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer = tt.answer
			r := ca.ask(with(tt.urls...), nil)
			v := one(t, r)
			assert.Equal(t, Unknown, v.Status)
			assert.Contains(t, v.Sources[0].Error, tt.error)
			assert.NotContains(t, v.Sources[0].Error, "secret")
			assert.Equal(t, Trusted, r.Status, "who is not known to be revoked is not refused for it")
		})
	}
	t.Run("many addresses", func(t *testing.T) {
		asked, answer = 0, http.NotFound
		urls := strings.Fields(strings.Repeat(server.URL+" ", 100))
		assert.Len(t, one(t, ca.ask(with(urls...), nil)).Sources, maxSources)
		assert.Equal(t, maxSources, asked)
	})
	t.Run("only when asked", func(t *testing.T) {
		asked = 0
		look(t, serveTLS(t, nil, with(server.URL)), Options{Trusted: trust(ca.root)})
		assert.Zero(t, asked)
	})
}

// TestListCovers: a list that is about others says nothing.
func TestListCovers(t *testing.T) {
	root := issue(t, nil, func(c *x509.Certificate) { authority("root")(c); now(c); c.KeyUsage |= x509.KeyUsageCRLSign })
	leaf := issue(t, &root, now)
	point := func(tag int, content ...byte) []byte {
		der, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: content}})
		require.NoError(t, err)
		return der
	}
	for _, tt := range []struct {
		name  string
		oid   asn1.ObjectIdentifier
		value []byte
		error string
	}{
		{"servers alone", asn1.ObjectIdentifier{2, 5, 29, 28}, point(1, 0xff), ""},
		{"CAs alone", asn1.ObjectIdentifier{2, 5, 29, 28}, point(2, 0xff), "about CAs alone"},
		{"some reasons", asn1.ObjectIdentifier{2, 5, 29, 28}, point(3, 6, 0x40), "some reasons"},
		{"indirect", asn1.ObjectIdentifier{2, 5, 29, 28}, point(4, 0xff), "some reasons"},
		{"unreadable", asn1.ObjectIdentifier{2, 5, 29, 28}, []byte{1, 2}, "cannot be read"},
		{"changes", asn1.ObjectIdentifier{2, 5, 29, 27}, []byte{2, 1, 1}, "changes only"},
		{"something new", asn1.ObjectIdentifier{1, 2, 3}, []byte{5, 0}, "not understood"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der, err := x509.CreateRevocationList(nil, &x509.RevocationList{
				Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(day),
				ExtraExtensions: []pkix.Extension{{Id: tt.oid, Critical: true, Value: tt.value}},
			}, root.cert, root.key)
			require.NoError(t, err)
			s, err := readCRL(der, leaf.cert, root.cert, time.Now())
			if tt.error == "" {
				require.NoError(t, err)
				assert.Equal(t, Good, s.Status)
				return
			}
			assert.ErrorContains(t, err, tt.error)
		})
	}
	t.Run("signed by another key", func(t *testing.T) {
		other := issue(t, nil, func(c *x509.Certificate) { authority("root")(c); now(c); c.KeyUsage |= x509.KeyUsageCRLSign })
		der, err := x509.CreateRevocationList(nil, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(day)}, other.cert, other.key)
		require.NoError(t, err)
		_, err = readCRL(der, leaf.cert, root.cert, time.Now())
		assert.ErrorContains(t, err, "not signed by the issuer")
	})
}
