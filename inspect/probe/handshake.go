package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crpki/crpki/pki"
)

// handshake is one connection, as far as it came.
type handshake struct {
	conn    *tls.Conn
	address string   // of the other end, as ip:port
	through *url.URL // the proxy in between, nil for none
	// received are the first octets of the answer, when it is no TLS.
	received []byte
	hello    hello
	state    tls.ConnectionState
	certs    []pki.Cert
	// asked is the server's request for a client certificate.
	asked *tls.CertificateRequestInfo
	// notShown is why the client certificate was not shown.
	notShown error
	tickets  *ticketCache
	// permissive: the second try, with what Go's clients do not offer.
	permissive bool
	// foreign: the certificates are of no handshake of crypto/tls, but those that
	// openssl s_client gets, which can do more than any of Go's clients. sha1: with
	// SHA-1, the server would take what Go offers.
	foreign, sha1 bool
	// small: the second try, with a hello that fits into a packet.
	small bool
	// mute: not an octet came.
	mute bool
	// version is the one that is offered alone; 0: those of a Go client.
	version uint16
	// as is what is offered in place of what Go offers by itself.
	as offer

	dialed bool
	err    error
}

// close ends the connection without waiting for the other end.
func (h *handshake) close() {
	if h.conn != nil {
		h.conn.NetConn().Close()
	}
}

// shake dials and shakes hands as a Go client does, but takes any certificate.
// When the server wants an older protocol or cipher than Go's clients offer, a
// second connection says which; the error stays that of the first.
func (o Options) shake(ctx context.Context, t Target, serverName string) *handshake {
	first := o.shakeOnce(ctx, t, serverName, 0)
	if first.mute && isClosed(first.err) {
		return o.shakeSmall(ctx, t, serverName, first)
	}
	if first.err == nil || len(first.certs) > 0 || !isOutdated(first.err) {
		return first
	}
	first.close() // some servers serve one after the other
	second := o.shakeOnce(ctx, t, serverName, anyVersion)
	if len(second.certs) == 0 {
		second.close()
		if answer := o.askAsOpenSSL(ctx, t, serverName); len(answer.certs) > 0 {
			first.foreign, first.hello = true, answer
			first.certs = certsOf(t.Address(), answer.certs)
		} else if answer, err := o.askSHA1(ctx, t, serverName, slices.Concat(suitesGo(), suitesGone)); err == nil {
			first.foreign, first.sha1, first.hello = true, true, answer.hello
			first.certs = certsOf(t.Address(), answer.hello.certs)
		}
		return first
	}
	second.err = first.err
	return second
}

// groupsSmall are those of Go before 1.24. X25519MLKEM768, which came then, makes
// a hello of more than a packet, at which some servers and load balancers fail.
var groupsSmall = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// shakeSmall is for a server that went without a word.
func (o Options) shakeSmall(ctx context.Context, t Target, serverName string, first *handshake) *handshake {
	first.close()
	second := o.shakeHands(ctx, t, serverName, &handshake{as: offer{groups: groupsSmall}})
	defer second.close()
	if second.err != nil {
		return first
	}
	// One that goes a little later goes at anything.
	second.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := second.conn.Read(make([]byte, 1)); err != nil && !isTimeout(err) && !isRemoteAlert(err) {
		return first
	}
	second.close()
	if again := o.shakeOnce(ctx, t, serverName, 0); !isClosed(again.err) {
		return again // it was not that
	}
	second.small, second.err = true, first.err
	return second
}

// isOutdated is true for errors by which a server may ask for less than Go's
// clients offer.
func isOutdated(err error) bool {
	text := err.Error()
	return slices.ContainsFunc([]string{
		"tls: protocol version not supported", "tls: handshake failure", "tls: insufficient security level",
		"tls: server selected unsupported protocol version", "tls: server chose an unconfigured cipher suite",
	}, func(s string) bool { return strings.Contains(text, s) })
}

// anyVersion offers all versions that there are.
const anyVersion = 0xffff

func (o Options) shakeOnce(ctx context.Context, t Target, serverName string, version uint16) *handshake {
	return o.shakeHands(ctx, t, serverName, &handshake{permissive: version != 0, version: version})
}

// shakeAs is shakeOnce as some of Go's clients do it.
func (o Options) shakeAs(ctx context.Context, t Target, serverName string, as offer) *handshake {
	return o.shakeHands(ctx, t, serverName, &handshake{as: as})
}

func (o Options) shakeHands(ctx context.Context, t Target, serverName string, h *handshake) *handshake {
	h.tickets = new(ticketCache)
	raw, address, err := o.dial(ctx, t)
	if err != nil {
		h.err = err
		return h
	}
	h.dialed, h.address = true, address
	h.through, _ = o.proxyOf(t) // of an error, dial has told
	if deadline, ok := ctx.Deadline(); ok {
		raw.SetDeadline(deadline)
	}
	recorded := &recorder{Conn: raw}
	var keyLog bytes.Buffer
	h.conn = tls.Client(recorded, o.config(h, serverName, &keyLog))
	shakeCtx, cancel := context.WithTimeout(ctx, o.Timeouts.Handshake)
	defer cancel()
	h.err = h.conn.HandshakeContext(shakeCtx)
	h.state = h.conn.ConnectionState()
	h.mute = recorded.received.Len() == 0
	h.readCerts(t.Address(), recorded.received.Bytes(), keyLog.Bytes())
	recorded.stop()
	return h
}

// readCerts keeps the chain exactly as served.
func (h *handshake) readCerts(source string, received, keyLog []byte) {
	for i, c := range h.state.PeerCertificates {
		h.certs = append(h.certs, pki.Cert{Origin: pki.Origin{Source: source, Index: i + 1}, Raw: c.Raw, X509: c})
	}
	h.hello = hello{version: h.state.Version, cipher: h.state.CipherSuite, group: h.state.CurveID}
	if h.err == nil {
		return
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](h.err); ok || len(received) > 0 && received[0] != recordHandshake && received[0] != recordAlert {
		h.received = bytes.Clone(received[:min(len(received), 512)])
		return
	}
	h.hello = readHello(received, keyLog)
	if len(h.certs) == 0 {
		h.certs = certsOf(source, h.hello.certs)
	}
}

func certsOf(source string, all [][]byte) (certs []pki.Cert) {
	for i, der := range all {
		certs = append(certs, pki.NewCert(pki.Origin{Source: source, Index: i + 1}, der))
	}
	return certs
}

// config is that of a Go client (net/http), except that it takes any
// certificate.
func (o Options) config(h *handshake, serverName string, keyLog *bytes.Buffer) *tls.Config {
	c := &tls.Config{
		InsecureSkipVerify: true, // what was served is judged afterwards, and said
		ServerName:         serverName,
		NextProtos:         []string{"h2", "http/1.1"},
		KeyLogWriter:       keyLog,
		ClientSessionCache: h.tickets,
		GetClientCertificate: func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			h.asked = asked
			if o.ClientCert == nil {
				return new(tls.Certificate), nil
			}
			// Go's clients have it in [tls.Config.Certificates], from which they show
			// none that is of other CAs than the server names.
			if h.notShown = asked.SupportsCertificate(o.ClientCert); h.notShown != nil {
				return new(tls.Certificate), nil
			}
			return o.ClientCert, nil
		},
	}
	if h.as.suites != nil {
		c.MinVersion, c.CipherSuites = h.as.least, h.as.suites
	}
	c.CurvePreferences = h.as.groups
	if h.permissive {
		c.MinVersion = tls.VersionTLS10
		if h.version != anyVersion {
			c.MinVersion, c.MaxVersion = h.version, h.version
		}
		for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
			c.CipherSuites = append(c.CipherSuites, s.ID)
		}
	}
	return c
}

// ticketCache learns that the server gave a session ticket, and keeps none.
type ticketCache struct{ given atomic.Bool }

func (c *ticketCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (c *ticketCache) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.given.Store(true)
	}
}

// refusal reads what a server of TLS 1.3 has to say to the client certificate,
// or to the want of one: it comes behind the handshake (RFC 8446, 4.4.2.4).
func (h *handshake) refusal(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer obey(ctx, h.conn)()
	_, err := h.conn.Read(make([]byte, 1))
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return err
	}
	return nil
}
