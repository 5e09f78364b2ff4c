package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// Status is the verdict in one word.
type Status string

// Statuses. Warning: trusted, but soon no more, or not by a few clients. Withdrawn: trusted by clients,
// who do not ask, and revoked by its CA.
const (
	Trusted     Status = "trusted"
	Warning     Status = "warning"
	Refused     Status = "refused"
	NotTLS      Status = "not-tls"
	Unreachable Status = "unreachable"
	// Unusable: the TLS is right, and still no client can pull.
	Unusable  Status = "unusable"
	Withdrawn Status = "revoked"
)

// Result is all that is shown of one target. Its JSON form is documented and
// stable. Texts from the server are printable.
type Result struct {
	// Target is what was given.
	Target string `json:"target"`
	Status Status `json:"status"`
	// Verdict says it in words, Cause why, Fix what to do: a command where
	// there is one.
	Verdict string `json:"verdict"`
	Cause   string `json:"cause,omitempty"`
	Fix     string `json:"fix,omitempty"`
	// Host is the name that was sent and verified, Address the one that answered.
	Host    string `json:"host"`
	Port    string `json:"port"`
	Address string `json:"address,omitempty"`
	// At is the time for which it was judged.
	At time.Time `json:"at"`
	// Trust says which certificates were trusted.
	Trust string `json:"trust,omitempty"`

	TLS     *TLS            `json:"tls,omitempty"`
	Go      *GoVerdict      `json:"go,omitempty"`
	OpenSSL *OpenSSLVerdict `json:"openssl,omitempty"`
	// Chain is what the server sent, in its order.
	Chain []Certificate `json:"chain"`
	// Faults are those of the chain as served.
	Faults []Fault `json:"faults,omitempty"`

	// Revocation is what the CAs say of their certificates, when that was asked.
	Revocation []Revocation `json:"revocation,omitempty"`
	// Protocols are the versions of TLS that were tried one by one.
	Protocols []Protocol `json:"protocols,omitempty"`
	// Registry is the answer to GET /v2/.
	Registry *Registry `json:"registry,omitempty"`
	// Image is what a pull met, where an image was asked for.
	Image *Image `json:"image,omitempty"`
	// Role says why an endpoint was looked at: "token realm", "redirect",
	// "manifest redirect", "blob redirect".
	Role string `json:"role,omitempty"`
	// Endpoints are the other hosts to which a client would go.
	Endpoints []Result `json:"endpoints,omitempty"`

	certs     []pki.Cert
	goErr     error
	clientErr error
	// others are clients that refuse what Go takes by itself; fewOthers: they are
	// a few of many.
	others    string
	fewOthers bool
}

// Certs are the certificates as served, those that Go refuses included.
func (r Result) Certs() []pki.Cert { return r.certs }

// ShowCerts puts the certificates themselves into the result, as PEM.
func (r *Result) ShowCerts() {
	for i, c := range r.certs {
		r.Chain[i].PEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	for i := range r.Endpoints {
		r.Endpoints[i].ShowCerts()
	}
}

// TLS says how the connection is protected.
type TLS struct {
	// Version is "1.3", Cipher the name in IANA's registry, Group that of the
	// key exchange.
	Version string `json:"version"`
	Cipher  string `json:"cipher"`
	Group   string `json:"group,omitempty"`
	// ALPN is the protocol that the server chose of h2 and http/1.1.
	ALPN       string `json:"alpn,omitempty"`
	ServerName string `json:"serverName,omitempty"`
	// SessionTicket is true when the server gave one; absent when nothing was
	// read behind the handshake in which it would have come.
	SessionTicket *bool `json:"sessionTicket,omitempty"`
	// OCSPStaple is true when the server sent a response with its certificate.
	OCSPStaple bool `json:"ocspStaple"`
	// ClientCertificate says whether the server asked for one.
	ClientCertificate *ClientRequest `json:"clientCertificate,omitempty"`
	// Outdated is true when the server takes nothing that Go's clients offer.
	Outdated bool `json:"outdated,omitempty"`
}

// ClientRequest is the server's request for a client certificate.
type ClientRequest struct {
	// CAs are the subjects of the authorities that it takes; none: it does not say.
	CAs []string `json:"cas"`
	// NotShown says why Go's clients do not show the client certificate that
	// they have: it is of another CA than those.
	NotShown string `json:"notShown,omitempty"`
	// Refused is what the server said to the certificate, or to none.
	Refused string `json:"refused,omitempty"`

	raw [][]byte
}

// RawCAs are the names of CAs as DER.
func (r ClientRequest) RawCAs() [][]byte { return r.raw }

// GoVerdict is what Go's clients say.
type GoVerdict struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	// Older is what those say that were built with Go 1.19, as Debian 12 builds
	// skopeo, podman, containerd and docker; absent when it is the same.
	Older string `json:"older,omitempty"`
	// Others are clients that say something else, since they offer other
	// versions, ciphers or signatures of TLS.
	Others []OtherClients `json:"others,omitempty"`
}

// goVerdict gives the words of err, nil for none.
func goVerdict(err error) *GoVerdict {
	v := &GoVerdict{OK: err == nil, Error: printable(err)}
	if older := verify.Go119(v.Error); older != v.Error {
		v.Older = older
	}
	return v
}

// OpenSSLVerdict is what `openssl s_client` says. It says nothing, "no peer
// certificate available", of a chain that it cannot read: then there is none.
type OpenSSLVerdict struct {
	OK bool `json:"ok"`
	// Code and Reason are those behind "Verify return code:", which are of the
	// last problem.
	Code     int       `json:"code"`
	Reason   string    `json:"reason"`
	Problems []Problem `json:"problems"`
}

// Problem is one that OpenSSL reports on its way.
type Problem struct {
	Code    int    `json:"code"`
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Depth   int    `json:"depth"`
	Subject string `json:"subject"`
}

// Certificate is one of the chain.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	// DaysLeft counts whole days of 24 hours to NotAfter, negative when it has
	// passed.
	DaysLeft int    `json:"daysLeft"`
	Key      string `json:"key,omitempty"`
	// SHA256 is the fingerprint of the DER, in lower-case hexadecimal.
	SHA256     string `json:"sha256"`
	SelfSigned bool   `json:"selfSigned,omitempty"`
	// Error says why Go refuses to read it, Faults where.
	Error  string   `json:"error,omitempty"`
	Faults []string `json:"faults,omitempty"`
	// PEM is the certificate itself, where [Result.ShowCerts] was called.
	PEM string `json:"pem,omitempty"`
}

// describe fills in what the handshake showed.
func (r *Result) describe(h *handshake) {
	for _, c := range h.certs {
		r.Chain = append(r.Chain, describeCert(c, r.At))
	}
	if h.hello.version == 0 {
		return
	}
	r.TLS = &TLS{
		Version: versionName(h.hello.version), Cipher: suiteName(h.hello.cipher), ServerName: h.state.ServerName,
		ALPN: pki.Printable(h.state.NegotiatedProtocol), OCSPStaple: len(h.state.OCSPResponse) > 0, Outdated: h.permissive || h.foreign,
	}
	if h.hello.group != 0 {
		r.TLS.Group = h.hello.group.String()
	}
	if !h.foreign && h.state.Version < tls.VersionTLS13 || h.tickets.given.Load() {
		given := h.tickets.given.Load()
		r.TLS.SessionTicket = &given
	}
	if h.asked != nil {
		r.TLS.ClientCertificate = &ClientRequest{CAs: distinguishedNames(h.asked.AcceptableCAs), NotShown: printable(h.notShown), raw: h.asked.AcceptableCAs}
	}
}

// versionName gives "1.3".
func versionName(v uint16) string { return strings.TrimPrefix(tls.VersionName(v), "TLS ") }

// maxClientCAs bounds how many names of authorities are kept.
const maxClientCAs = 200

func distinguishedNames(raws [][]byte) []string {
	names := []string{}
	for _, raw := range raws[:min(len(raws), maxClientCAs)] {
		var rdns pkix.RDNSequence
		if rest, err := asn1.Unmarshal(raw, &rdns); err != nil || len(rest) > 0 {
			names = append(names, "unreadable: "+hex.EncodeToString(raw[:min(len(raw), 32)]))
			continue
		}
		names = append(names, pki.Printable(rdns.String()))
	}
	return names
}

const day = 24 * time.Hour

func describeCert(c pki.Cert, now time.Time) Certificate {
	sum := sha256.Sum256(c.Raw)
	out := Certificate{SHA256: hex.EncodeToString(sum[:]), Names: []string{}}
	if c.X509 != nil {
		out.Subject, out.Issuer = pki.Printable(c.X509.Subject.String()), pki.Printable(c.X509.Issuer.String())
		out.NotBefore, out.NotAfter = c.X509.NotBefore.UTC(), c.X509.NotAfter.UTC()
		out.Key = pki.DescribePublicKey(c.X509.PublicKey)
		for _, n := range pki.NamesOf(c.X509).Strings() {
			out.Names = append(out.Names, pki.Printable(n))
		}
		out.SelfSigned = pki.Issued(c.X509, c.X509)
	} else {
		out.readLenient(c)
	}
	if !out.NotAfter.IsZero() {
		out.DaysLeft = daysUntil(out.NotAfter, now)
	}
	return out
}

// daysUntil rounds down: what has passed is negative.
func daysUntil(end, now time.Time) int {
	left := end.Sub(now)
	days := int(left / day)
	if left < 0 && left%day != 0 {
		days--
	}
	return days
}

// readLenient describes a certificate that Go refuses.
func (c *Certificate) readLenient(cert pki.Cert) {
	c.Error = printable(cert.Err)
	view, faults := lenient.Read(cert.Raw)
	for _, f := range faults {
		c.Faults = append(c.Faults, pki.Printable(f.String()))
	}
	if view == nil {
		return
	}
	c.Subject, c.Issuer = attributes(view.Subject), attributes(view.Issuer)
	c.NotBefore, c.NotAfter = view.NotBefore, view.NotAfter
	for _, names := range view.SANs {
		for _, n := range names {
			c.Names = append(c.Names, pki.Printable(n.String()))
		}
	}
}

// shortNames are those of the attributes that CAs of registries use.
var shortNames = [...]struct{ oid, name string }{
	{"2.5.4.3", "CN"}, {"2.5.4.6", "C"}, {"2.5.4.7", "L"}, {"2.5.4.8", "ST"}, {"2.5.4.10", "O"}, {"2.5.4.11", "OU"},
}

// attributes writes a name as crypto/x509 does: the last attribute first.
func attributes(all []lenient.Attribute) string {
	var parts []string
	for _, a := range all {
		name := a.OID
		for _, s := range shortNames {
			if s.oid == a.OID {
				name = s.name
			}
		}
		parts = append([]string{name + "=" + a.Value}, parts...)
	}
	return pki.Printable(strings.Join(parts, ","))
}

func openSSLVerdict(v verify.Verdict) *OpenSSLVerdict {
	out := &OpenSSLVerdict{OK: v.OK(), Code: int(v.Last()), Reason: v.Last().Text(), Problems: []Problem{}}
	for _, p := range v.Problems {
		subject := p.Cert.Origin.String()
		if p.Cert.X509 != nil {
			subject = pki.Printable(p.Cert.X509.Subject.String())
		}
		out.Problems = append(out.Problems, Problem{
			Code: int(p.Code), Name: p.Code.Name(), Reason: p.Code.Text(), Depth: p.Depth, Subject: subject,
		})
	}
	return out
}

// String gives "Verify return code: 0 (ok)".
func (v OpenSSLVerdict) String() string {
	return fmt.Sprintf("Verify return code: %d (%s)", v.Code, v.Reason)
}
