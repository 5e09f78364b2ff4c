package verify

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crpki/crpki/pki"
)

// Go is a verification as Go's crypto/tls does it for a client: thus docker's,
// containerd's, podman's, CRI-O's and kubelet's.
type Go struct {
	// Presented is what the server sent, leaf first.
	Presented []pki.Cert
	Trusted   []pki.Cert
	// Host is the name or address dialled; "" checks none.
	Host string
	At   time.Time
}

// Unparsed is what Go says of a certificate that it does not read, nil when it
// does: a reader of files may have had words of its own for it.
func Unparsed(c pki.Cert) error {
	if c.X509 != nil {
		return nil
	}
	_, err := x509.ParseCertificate(c.Raw)
	return err
}

// Verify gives nil, or the error in the words of the Go release that crpki was
// built with: "tls: failed to verify certificate: x509: …".
func (g Go) Verify() error {
	_, err := g.chains(func() *x509.CertPool { return poolOf(g.Trusted) })
	return err
}

// maxRSABits is the largest RSA key that crypto/tls takes from a server.
const maxRSABits = 8192

// chains verifies by the roots, which are not asked for when nothing depends on
// them.
func (g Go) chains(roots func() *x509.CertPool) ([][]*x509.Certificate, error) {
	if len(g.Presented) == 0 {
		return nil, errors.New("tls: received empty certificates message")
	}
	// crypto/tls refuses the whole handshake when one certificate of the message
	// does not parse (handshake_client.go, verifyServerCertificate).
	intermediates := x509.NewCertPool()
	for i, c := range g.Presented {
		if c.Err != nil {
			return nil, fmt.Errorf("tls: failed to parse certificate from server: %w", Unparsed(c))
		}
		if key, ok := c.X509.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
			return nil, fmt.Errorf("tls: server sent certificate containing RSA key larger than %d bits", maxRSABits)
		}
		if i > 0 {
			intermediates.AddCert(c.X509)
		}
	}
	if g.At.IsZero() {
		g.At = g.At.Add(1) // the zero time would be that of the clock
	}
	chains, err := g.Presented[0].X509.Verify(x509.VerifyOptions{
		DNSName: g.Host, Roots: roots(), Intermediates: intermediates, CurrentTime: g.At,
	})
	if err != nil {
		return nil, fmt.Errorf("tls: failed to verify certificate: %w", err)
	}
	return chains, nil
}

// Go119 gives an error of Go's TLS in the words of Go 1.19, with which Debian 12
// builds skopeo, podman, containerd and docker.
func Go119(text string) string {
	// Go 1.20 put in front what it was doing (crypto/tls, CertificateVerificationError).
	text = strings.TrimPrefix(text, "tls: failed to verify certificate: ")
	before, _, ok := strings.Cut(text, "certificate contains duplicate extension with OID ")
	if ok {
		text = before + "certificate contains duplicate extensions"
	}
	const insecure, hint = "cannot verify signature: insecure algorithm ", " (temporarily override with GODEBUG=x509sha1=1)"
	for _, algorithm := range []string{"SHA1-RSA", "ECDSA-SHA1"} {
		text = strings.Replace(text, insecure+algorithm, insecure+algorithm+hint, 1)
	}
	return text
}
