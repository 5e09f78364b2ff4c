package probe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/crpki/crpki/pki"
)

// Registry is what the server says to GET /v2/, by which clients know a
// registry (OCI distribution specification, end-1).
type Registry struct {
	// URL is where the answer came from, redirects followed.
	URL string `json:"url"`
	// Status is that of HTTP; 0: there was no answer.
	Status int `json:"status"`
	// OK is true for 200 and for a 401 with a challenge: both mean that a client
	// came through to a registry.
	OK bool `json:"ok"`
	// WebPage is true when the answer is HTML, as no registry has it, but the
	// login page of a proxy. Clients do not mind, before they ask for an image.
	WebPage bool `json:"webPage,omitempty"`
	// Version is the header Docker-Distribution-Api-Version: "registry/2.0".
	Version string `json:"apiVersion,omitempty"`
	// Server is the header of that name: it may be a proxy's.
	Server    string     `json:"server,omitempty"`
	Challenge *Challenge `json:"challenge,omitempty"`
	// Redirects are the URLs in between, without what follows a question mark.
	Redirects []string `json:"redirects,omitempty"`
	// Login is how a client logs in, when an image is asked for or somebody wants
	// to.
	Login *Login `json:"login,omitempty"`
	// Error says why there was no answer, or what is wrong with it.
	Error string `json:"error,omitempty"`

	// status is the verdict that follows from Error; empty: the TLS is right, and
	// it is no registry.
	status Status
	// evil: the challenge is what is wrong; plain: a redirect without TLS.
	evil, plain bool
}

// askRegistry does what a client does before it pulls: GET /v2/ over the
// connection, without credentials, then a look at the host that gives tokens.
// Where an image is asked for, the login and the pull follow.
func (r *Result) askRegistry(ctx context.Context, h *handshake, t Target, o Options) {
	r.Registry = new(Registry)
	v := &visit{
		ctx: ctx, r: r, t: t, o: o, first: h, trusted: r.goErr == nil,
		base: &url.URL{Scheme: "https", Host: httpHost(r.Host, t.Port, "443"), Path: "/"},
	}
	v.seen = map[string]bool{dialKey(v.base): true}
	if !v.ping(h) || r.clientErr != nil {
		return
	}
	var err error
	if c := r.Registry.Challenge; c != nil && c.Scheme == "Bearer" {
		err = v.visitRealm(c)
	}
	switch {
	case t.Repository != "" && err != nil:
		r.Image = &Image{Name: t.image(), Error: printable(err), status: statusOf(err)}
	case t.Repository != "":
		v.pull()
	case o.Login && err == nil:
		v.logIn()
	}
	if o.Login && r.Registry.Challenge == nil && r.Registry.Login == nil {
		r.Registry.Login = &Login{SentTo: []string{}, OK: true}
	}
}

// ping sends GET /v2/ and notes what comes. It is false when no answer does.
func (v *visit) ping(h *handshake) bool {
	g := v.r.Registry
	a, trail, err := v.fetch(call{url: v.base.JoinPath("v2/"), limit: maxBody, role: "redirect"})
	v.r.noteTicket(h)
	g.URL, g.Redirects, v.trusted = trail.last(), trail.hops, v.trusted && trail.trusted
	if err != nil {
		g.Error, g.status, g.plain = printable(err), statusOf(err), errors.Is(err, errPlainRedirect)
		if h.asked != nil && isRemoteAlert(err) && len(g.Redirects) == 0 {
			v.r.refuseClient(err)
		}
	}
	if a.status != 0 {
		g.read(a)
	}
	return err == nil
}

// read keeps what an answer to GET /v2/ says.
func (g *Registry) read(a answer) {
	g.Status = a.status
	g.Version = headerText(a.header, "Docker-Distribution-Api-Version")
	g.Server = headerText(a.header, "Server")
	if a.status == http.StatusUnauthorized {
		g.Challenge = bestChallenge(a.header.Values("WWW-Authenticate"))
	}
	g.WebPage = a.status == http.StatusOK && strings.HasPrefix(a.header.Get("Content-Type"), "text/html")
	g.OK = g.Error == "" && (a.status == http.StatusOK || g.Challenge != nil)
	switch {
	case g.Error != "" || g.OK:
	case a.status == http.StatusUnauthorized:
		g.Error = "GET /v2/ is answered with 401 Unauthorized, and asks for no login by Basic or Bearer: no registry, or a proxy in front of it"
	default:
		g.Error = fmt.Sprintf("GET /v2/ is answered with %d %s: no registry, or a proxy in front of it", a.status, http.StatusText(a.status))
	}
}

// visitRealm looks at the TLS of the host that gives tokens. Nothing is sent
// there.
func (v *visit) visitRealm(c *Challenge) error {
	g := v.r.Registry
	realm, err := v.realm(c)
	if err != nil {
		g.Error, g.status, g.evil = printable(err), Unusable, true
		return err
	}
	if v.seen[dialKey(realm)] {
		return nil
	}
	h, _, err := v.connect(realm, "token realm")
	h.close()
	if err != nil && !v.seen[dialKey(realm)] { // a host that cannot be
		g.Error, g.status, g.evil = printable(err), Unusable, true
	}
	return err
}

// headerText is a header as it can be shown.
func headerText(h http.Header, name string) string {
	const most = 200
	text := h.Get(name)
	return pki.Printable(text[:min(len(text), most)])
}

func isRemoteAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// noteTicket is for the session tickets of TLS 1.3, which come with the answer.
func (r *Result) noteTicket(h *handshake) {
	if r.TLS != nil && r.TLS.SessionTicket == nil {
		given := h.tickets.given.Load()
		r.TLS.SessionTicket = &given
	}
}

// plain looks at a target for which TLS was not asked: a URL with http.
func (r *Result) plain(ctx context.Context, t Target, o Options) {
	conn, address, err := o.dial(ctx, t)
	if err != nil {
		r.unreachable(err)
		return
	}
	defer conn.Close()
	defer obey(ctx, conn)()
	r.Address = address
	at := &url.URL{Scheme: "http", Host: httpHost(r.Host, t.Port, "80"), Path: "/v2/"}
	through := o.relay(t)
	a, first, err := getPlain(conn, at, through)
	again := "crpki probe " + net.JoinHostPort(t.Host, t.Port)
	switch {
	case through != nil && a.status == http.StatusProxyAuthRequired:
		r.unreachable(&proxyError{through.Host, errProxyLogin})
		return
	case bytes.HasPrefix(first, []byte{recordAlert, 3}) || a.status == http.StatusBadRequest && bytes.Contains(a.body, []byte("HTTPS")):
		r.Status, r.Verdict = NotTLS, "HTTPS, not plain HTTP"
		r.Cause, r.Fix = "the server wants TLS on this port: write https://, or nothing", again
		return
	case err != nil && isTimeout(err):
		r.Status, r.Verdict, r.Cause = Unreachable, "unreachable: connected, but no answer in time", printable(err)
		return
	case err != nil:
		r.Status, r.Verdict, r.Cause = NotTLS, "neither HTTP nor TLS", printable(err)
		if name := protocolOf(first); name != "" {
			r.Verdict += " but " + name
		}
		return
	}
	r.Registry = &Registry{URL: at.String()}
	r.Registry.read(a)
	r.Status, r.Verdict = NotTLS, "plain HTTP: nothing is encrypted, and nobody knows who answers"
	if t.Repository != "" {
		r.Image = &Image{Name: t.image(), Error: "not asked for without TLS", status: NotTLS}
	}
	r.Cause = "Go's clients take such a registry only where their configuration says so for its host"
	r.Fix = "crpki gen --" + r.nameFlag() + " " + r.Host + ", then give the server its certificate and key"
}

// getPlain sends the request in clear, to an HTTP proxy where there is one in
// between (RFC 9112, 3.2.2). first is how the answer begins.
func getPlain(conn net.Conn, u, through *url.URL) (a answer, first []byte, err error) {
	what, login := u.Path, ""
	if through != nil {
		what, login = u.String(), proxyLogin(through)
	}
	request := "GET " + what + " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: crpki\r\n" + login + "Connection: close\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return a, nil, err
	}
	in := bufio.NewReader(io.LimitReader(conn, maxHeader))
	if first, err = in.Peek(8); len(first) == 0 {
		return a, nil, err
	}
	first = bytes.Clone(first)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return a, first, err
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxBody))
	return answer{status: response.StatusCode, header: response.Header, body: body}, first, nil
}
