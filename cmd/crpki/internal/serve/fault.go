package serve

import (
	"crypto/tls"
	"net/http"
	"slices"
)

// Fault is a way in which a server is known to fail. The zero value is a server
// without fault.
type Fault struct {
	Name string
	// Does says what is wrong with the server.
	Does string
	// Go is in the error of Go's clients (docker, containerd, podman, kubelet),
	// empty where they accept the server.
	Go string

	// chain makes the certificates, of good ones when it is nil.
	chain func(*maker) error
	// tls changes how TLS is spoken.
	tls func(*tls.Config)
	// plain speaks no TLS.
	plain bool
	// play takes the place of TLS and all above it.
	play func(*conn)
	// trickles sends one byte a second.
	trickles bool
	// http takes the place of the registry, or stands before it.
	http func(registry http.Handler) http.Handler
}

// MakesCertificate is true for a fault of the certificate, which has to be made
// for it.
func (f Fault) MakesCertificate() bool { return f.chain != nil }

// WantsClientCertificate is true for a fault that refuses clients without a
// certificate.
func (f Fault) WantsClientCertificate() bool {
	if f.tls == nil {
		return false
	}
	var c tls.Config
	f.tls(&c)
	return c.ClientAuth != tls.NoClientCert
}

// Find is the fault of a name.
func Find(name string) (Fault, bool) {
	faults := Faults()
	i := slices.IndexFunc(faults, func(f Fault) bool { return f.Name == name })
	if i < 0 {
		return Fault{}, false
	}
	return faults[i], true
}

// Faults are all that can be played.
func Faults() []Fault {
	const unknown = "x509: certificate signed by unknown authority"
	return []Fault{
		// Certificates.
		{
			Name: "expired", Does: "the certificate ended yesterday", chain: expired,
			Go: "x509: certificate has expired or is not yet valid: current time",
		},
		{
			Name: "not-yet-valid", Does: "the certificate begins tomorrow", chain: notYetValid,
			Go: "x509: certificate has expired or is not yet valid: current time",
		},
		{
			Name: "wrong-host", Does: "the certificate is for other.example.com", chain: wrongHost,
			Go: "x509: ",
		},
		{
			Name: "no-san", Does: "the certificate has its name as common name only", chain: noSAN,
			Go: "x509: ",
		},
		{
			Name: "ip-in-dns-name", Does: "the IP address stands as a DNS name in the certificate", chain: ipInDNSName,
			Go: "because it doesn't contain any IP SANs",
		},
		{
			Name: "two-san", Does: "the certificate has two subjectAltName extensions", chain: twoSAN,
			Go: "x509: certificate contains duplicate extension",
		},
		{
			Name: "self-signed", Does: "the certificate is signed by itself, and not the CA that clients trust", chain: selfSigned,
			Go: unknown,
		},
		{
			Name: "unknown-ca", Does: "the certificate is of another CA than the one that clients trust", chain: unknownCA,
			Go: unknown,
		},
		{
			Name: "missing-intermediate", Does: "the certificate is sent without the intermediate CA", chain: missingIntermediate,
			Go: unknown,
		},
		{
			Name: "expired-intermediate", Does: "the intermediate CA ended yesterday", chain: expiredIntermediate,
			Go: "x509: certificate has expired or is not yet valid: current time",
		},
		{
			Name: "not-a-ca", Does: "the intermediate is no CA", chain: notACA,
			Go: "x509: ",
		},
		{
			Name: "constrained-ca", Does: "the intermediate CA may sign for other names only", chain: constrainedCA,
			Go: "x509: a root or intermediate certificate is not authorized to sign for this name",
		},
		{
			Name: "wrong-usage", Does: "the certificate is for clients, not for servers", chain: wrongUsage,
			Go: "x509: certificate specifies an incompatible key usage",
		},
		{
			Name: "sha1", Does: "the certificate is signed with SHA-1", chain: sha1Signed,
			Go: "x509: ",
		},
		{
			Name: "ca-first", Does: "the intermediate is sent before the server's certificate", chain: caFirst,
			Go: "x509: ",
		},
		{Name: "wrong-order", Does: "two intermediates are sent in the wrong order: accepted by all but strict clients", chain: wrongOrder},
		{Name: "root-sent", Does: "the root is sent as well: needless, and accepted", chain: rootSent},
		{
			Name: "wrong-key", Does: "the private key is not that of the certificate", chain: wrongKey,
			Go: "tls: invalid signature by the server certificate",
		},
		{
			Name: "huge-certificate", Does: "the certificate has 1 MB", chain: hugeCertificate,
			Go: "tls: handshake message of length",
		},

		// TLS.
		{
			Name: "mtls", Does: "clients have to show a certificate; one is made for them", tls: func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert },
			Go: "remote error: tls: certificate required",
		},
		{
			Name: "tls1.0", Does: "TLS 1.0 is the only version: accepted by podman and skopeo of Debian 12", tls: onlyVersion(tls.VersionTLS10),
			Go: "tls: protocol version not supported",
		},
		{
			Name: "tls1.1", Does: "TLS 1.1 is the only version: accepted by podman and skopeo of Debian 12", tls: onlyVersion(tls.VersionTLS11),
			Go: "tls: protocol version not supported",
		},
		{Name: "tls1.2", Does: "TLS 1.2 is the only version: accepted", tls: onlyVersion(tls.VersionTLS12)},
		{Name: "tls1.3", Does: "TLS 1.3 is the only version: refused by clients before 2018", tls: onlyVersion(tls.VersionTLS13)},
		{
			Name: "weak-cipher", Does: "RC4 is the only cipher", tls: onlyRC4,
			Go: "remote error: tls: handshake failure",
		},
		{
			Name: "alert", Does: "the handshake is answered with an alert: no such name here", play: playAlert,
			Go: "remote error: tls: unrecognized name",
		},

		// Connections.
		{
			Name: "http", Does: "plain HTTP where HTTPS is expected", plain: true,
			Go: "http: server gave HTTP response to HTTPS client",
		},
		{
			Name: "ssh", Does: "SSH where HTTPS is expected", play: playSSH,
			Go: "tls: first record does not look like a TLS handshake",
		},
		{
			Name: "garbage", Does: "the handshake is answered with random bytes", play: playGarbage,
			Go: "tls: first record does not look like a TLS handshake",
		},
		{
			Name: "silent", Does: "connections are taken, and nothing is ever said", play: playSilence,
			Go: "TLS handshake timeout",
		},
		{
			Name: "slow", Does: "one byte a second", trickles: true,
			Go: "TLS handshake timeout",
		},
		{
			Name: "close", Does: "the connection is closed in the handshake", play: playClose,
			Go: "EOF",
		},
		{
			Name: "reset", Does: "the connection is reset in the handshake", play: playReset,
			Go: "connection reset by peer",
		},
		{
			Name: "reset-at-once", Does: "the connection is reset as soon as it is there", play: playResetAtOnce,
			Go: "connection reset by peer",
		},

		// HTTP.
		{
			Name: "no-answer", Does: "the connection is closed when a request comes", http: noAnswer,
			Go: "EOF",
		},
		{
			Name: "reset-body", Does: "the connection is reset in the middle of an answer", http: resetBody,
			Go: "connection reset by peer",
		},
		{
			Name: "redirect-loop", Does: "each request is redirected to itself", http: redirectLoop,
			Go: "stopped after 10 redirects",
		},
		{
			Name: "endless-body", Does: "answers have no end", http: endlessBody,
			Go: "context deadline exceeded",
		},
		{
			Name: "endless-header", Does: "the header of answers has no end", http: endlessHeader,
			Go: "server response headers exceeded",
		},
		{
			Name: "slow-body", Does: "answers come at one byte a second", http: slowBody,
			Go: "context deadline exceeded",
		},
		{
			Name: "unauthorized", Does: "a password is asked for, and none is right", http: challenge(`Basic realm="crpki serve"`),
			Go: "401 Unauthorized",
		},
		{
			Name: "evil-realm", Does: "tokens are to be had from a cloud's metadata address", http: challenge(`Bearer realm="http://169.254.169.254/latest/meta-data/",service="registry"`),
			Go: "401 Unauthorized",
		},
		{
			Name: "unavailable", Does: "a proxy whose registry is down: 503", http: unavailable,
			Go: "503 Service Unavailable",
		},
		{Name: "not-a-registry", Does: "a web page for whatever is asked for", http: webPage},
		{Name: "corrupt-blob", Does: "blobs that do not have their digest", http: corruptBlob},
	}
}

func onlyVersion(v uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MinVersion, c.MaxVersion = v, v }
}

func onlyRC4(c *tls.Config) {
	c.MaxVersion = tls.VersionTLS12
	c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}
}
