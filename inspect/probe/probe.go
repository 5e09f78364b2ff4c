// Package probe connects to servers and tells what they show: TLS, the chain
// exactly as served, and what Go's clients and OpenSSL would say to it. It
// prints nothing, reads no file and trusts only what it is given.
//
// Start with [ParseTarget] and [Probe].
package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
)

// Timeouts bound how long a probe takes. Zero values are those of
// [DefaultTimeouts].
type Timeouts struct {
	// Connect is for a TCP connection, Handshake for TLS, Total for everything
	// that is done at one address.
	Connect, Handshake, Total time.Duration
}

// DefaultTimeouts are long enough for a slow link, and short enough for a
// person who waits.
var DefaultTimeouts = Timeouts{Connect: 5 * time.Second, Handshake: 5 * time.Second, Total: 10 * time.Second}

// Options say how to connect and by what to judge.
type Options struct {
	// Trusted are the certificates that the client trusts; TrustName says in
	// words which they are.
	Trusted   []pki.Cert
	TrustName string
	// ServerName takes the place of the target's host: it is sent as SNI, and is
	// the name that is verified.
	ServerName string
	// AuthLevel is the security level of OpenSSL: 2 is the default in Debian,
	// Ubuntu, and OpenSSL itself from 3.2.
	AuthLevel int
	// ClientCert is shown to a server that asks for one.
	ClientCert *tls.Certificate
	Timeouts   Timeouts
	// Now is the time for which certificates are judged.
	Now time.Time
	// TLSOnly leaves out GET /v2/.
	TLSOnly bool
	// Protocols finds out which versions of TLS the server takes.
	Protocols bool
	// Revocation asks those whom the certificates name whether they are revoked.
	Revocation bool
	// Ciphers finds out which cipher suites, version by version.
	Ciphers bool
	// WarnDays and FailDays are how many days a certificate should still be
	// valid; 0: until now is enough.
	WarnDays, FailDays int
	// Resolve gives addresses for hosts, or for host:port.
	Resolve map[string]string
	// Proxy gives the proxy for a URL with https or http and host:port, nil for
	// none.
	Proxy func(*url.URL) (*url.URL, error)
	// Dialer makes all connections and looks names up; nil: one without settings.
	Dialer *net.Dialer
	// Retries is how often to try again when no connection comes about.
	Retries int
	// Credentials gives what to log in with at a registry, host or host:port,
	// for a repository; nil: nobody logs in. It is asked when the registry
	// demands it and its TLS is verified.
	Credentials func(ctx context.Context, registry, repository string) (Credentials, error)
	// Login logs in also when no image is asked for.
	Login bool
	// Insecure sends credentials also where TLS is not verified.
	Insecure bool
	// Platform is the one that is taken of an image for several: "linux/amd64".
	Platform string

	// verifier judges by Trusted.
	verifier *verify.Verifier
	// sent is true for a host that another server named: sender is its address.
	sent   bool
	sender netip.Addr
}

func (o Options) withDefaults() Options {
	o.Timeouts.Connect = cmp.Or(o.Timeouts.Connect, DefaultTimeouts.Connect)
	o.Timeouts.Handshake = cmp.Or(o.Timeouts.Handshake, DefaultTimeouts.Handshake)
	o.Timeouts.Total = cmp.Or(o.Timeouts.Total, DefaultTimeouts.Total)
	if o.verifier == nil {
		o.verifier = verify.NewVerifier(o.Trusted)
	}
	return o
}

// Ready prepares options for many targets: what is trusted is read once.
func (o Options) Ready() Options { return o.withDefaults() }

// Probe looks at one target. It never fails: what went wrong is in the result.
func Probe(ctx context.Context, t Target, o Options) Result {
	o = o.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, o.Timeouts.Total)
	defer cancel()
	if t.Plain {
		r := newResult(t, o)
		r.plain(ctx, t, o)
		return r
	}
	r, h := observe(ctx, t, o)
	h.close()
	return r
}

func newResult(t Target, o Options) Result {
	return Result{
		Target: t.Text, Host: verifiedName(t, o), Port: t.Port, At: o.Now.UTC().Truncate(time.Second),
		Trust: o.TrustName, Chain: []Certificate{},
	}
}

// observe looks at one server that should speak TLS. The caller closes the
// connection.
func observe(ctx context.Context, t Target, o Options) (Result, *handshake) {
	r := newResult(t, o)
	h := o.shake(ctx, t, r.Host)
	r.Address, r.certs = h.address, h.certs
	r.describe(h)
	r.judge(h, o)
	switch {
	case h.err != nil && !h.permissive || h.conn == nil || !h.state.HandshakeComplete:
	case !o.TLSOnly:
		r.askRegistry(ctx, h, t, o)
	case h.asked != nil && h.state.Version == tls.VersionTLS13:
		if err := h.refusal(ctx, o.Timeouts.Handshake/10); err != nil {
			r.refuseClient(err)
		}
	}
	if o.Revocation {
		r.Revocation = o.revocation(ctx, &r, h.state.OCSPResponse)
	}
	if (o.Protocols || o.Ciphers) && h.dialed {
		h.close() // some servers serve one after the other
		r.Protocols = o.protocols(ctx, t, r.Host)
	}
	if offers := h.otherOffers(); len(offers) > 0 && r.Go != nil && !o.sent {
		h.close()
		r.askOthers(ctx, t, h, offers, o)
	}
	r.conclude(h, o)
	r.revoked()
	return r, h
}

// verifiedName is what the client takes for the server's name.
func verifiedName(t Target, o Options) string {
	name := cmp.Or(o.ServerName, t.Host)
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.WithZone("").String()
	}
	return strings.TrimSuffix(name, ".")
}

// judge asks both judges about the chain.
func (r *Result) judge(h *handshake, o Options) {
	if len(h.certs) == 0 {
		if h.err != nil && h.dialed {
			r.Go = goVerdict(h.err)
			r.goErr = h.err
		}
		return
	}
	chains, err := o.verifier.Go(verify.Go{Presented: h.certs, Host: r.Host, At: o.Now})
	r.goErr = err
	// What is verified comes before what is wrong with the rest of a handshake,
	// except for a protocol that keeps Go's clients from seeing a certificate.
	if h.err != nil && (r.goErr == nil || h.permissive || h.foreign || h.small) {
		r.goErr = h.err
	}
	r.Go = goVerdict(r.goErr)
	if openSSLReads(h.certs) && !h.sha1 { // OpenSSL 3 takes no SHA-1 either
		r.OpenSSL = openSSLVerdict(o.verifier.SClient(verify.OpenSSL{
			Presented: h.certs, Host: r.Host, At: o.Now, Purpose: verify.Server, AuthLevel: o.AuthLevel,
		}, chains))
	}
	if !isFlawless(h.certs, chains) {
		r.Faults = chainFaults(h.certs, o.Trusted)
	}
}

// refuseClient notes that the server wants another client certificate.
func (r *Result) refuseClient(err error) {
	r.clientErr = err
	if r.goErr == nil {
		r.goErr = err
		r.Go = goVerdict(err)
	}
}

// isTimeout is true when time ran out, whoever noticed first.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func printable(err error) string {
	if err == nil {
		return ""
	}
	const most = 1000 // a server can have a million names, and Go lists them
	text := pki.Printable(err.Error())
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}
