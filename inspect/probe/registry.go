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
	"net/netip"
	"net/url"
	"slices"
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
	// Version is the header Docker-Distribution-Api-Version: "registry/2.0".
	Version string `json:"apiVersion,omitempty"`
	// Server is the header of that name: it may be a proxy's.
	Server    string     `json:"server,omitempty"`
	Challenge *Challenge `json:"challenge,omitempty"`
	// Redirects are the URLs in between.
	Redirects []string `json:"redirects,omitempty"`
	// Error says why there was no answer, or what is wrong with it.
	Error string `json:"error,omitempty"`
}

// Challenge says how a client has to log in (RFC 9110, 11.6.1).
type Challenge struct {
	// Scheme is "Basic" or "Bearer".
	Scheme string `json:"scheme"`
	// Realm is where a token comes from, for Bearer a URL.
	Realm   string `json:"realm,omitempty"`
	Service string `json:"service,omitempty"`
	Scope   string `json:"scope,omitempty"`
}

const (
	// maxHeader and maxBody bound what is read of an answer, in bytes.
	maxHeader = 64 << 10
	maxBody   = 4 << 10
	// maxRedirects is how many Go's clients follow.
	maxRedirects = 10
)

// askRegistry sends GET /v2/ over the connection, without credentials, and
// looks at every other host that a client would then go to.
func (r *Result) askRegistry(ctx context.Context, h *handshake, t Target, o Options) {
	r.Registry = new(Registry)
	at := &url.URL{Scheme: "https", Host: httpHost(r.Host, t.Port, "443"), Path: "/v2/"}
	seen := []string{at.String()}
	visited := map[string]bool{dialKey(at): true}
	for {
		r.Registry.URL = at.String()
		answer, err := get(ctx, h, at)
		if r.noteTicket(h); err != nil {
			r.Registry.Error = printable(err)
			if h.asked != nil && isRemoteAlert(err) && len(seen) == 1 {
				r.refuseClient(err)
			}
			return
		}
		next := r.readAnswer(answer, at)
		if next == nil {
			break
		}
		if slices.Contains(seen, next.String()) {
			r.Registry.Error = "a redirect loop: " + pki.Printable(next.String()) + " comes again"
			return
		}
		if len(seen) > maxRedirects {
			r.Registry.Error = fmt.Sprintf("stopped after %d redirects", maxRedirects)
			return
		}
		seen = append(seen, next.String())
		r.Registry.Redirects = append(r.Registry.Redirects, pki.Printable(next.String()))
		if next.Scheme != "https" {
			r.Registry.Error = "it redirects to plain HTTP"
			return
		}
		hop, following := r.follow(ctx, next, "redirect", o, visited)
		if following == nil {
			return
		}
		defer following.close()
		visited[dialKey(next)] = true
		h, at = following, hop
	}
	if c := r.Registry.Challenge; c != nil && c.Scheme == "Bearer" {
		r.visitRealm(ctx, c, o, visited)
	}
}

// follow opens a connection to where a redirect leads. A host that was not
// looked at before is judged, as an endpoint.
func (r *Result) follow(ctx context.Context, next *url.URL, role string, o Options, visited map[string]bool) (*url.URL, *handshake) {
	o = o.elsewhere(r.Address)
	target, err := ParseTarget(next.Scheme + "://" + next.Host)
	if err != nil {
		r.Registry.Error = "it redirects to " + pki.Printable(next.Host) + ": " + err.Error()
		return nil, nil
	}
	if visited[dialKey(next)] && target.Host == r.Host {
		o.ServerName = r.Host
	}
	endpoint, h := observe(ctx, target, o)
	if !visited[dialKey(next)] {
		endpoint.Role = role
		r.Endpoints = append(r.Endpoints, endpoint)
	}
	if h.err != nil {
		r.Registry.Error = fmt.Sprintf("it redirects to %s: %s", target.Address(), endpoint.Verdict)
		h.close()
		return nil, nil
	}
	return next, h
}

// visitRealm looks at the TLS of the host that gives tokens. Nothing is sent
// there.
func (r *Result) visitRealm(ctx context.Context, c *Challenge, o Options, visited map[string]bool) {
	realm, err := url.Parse(c.Realm)
	if err != nil || realm.Host == "" || realm.Scheme != "https" && realm.Scheme != "http" {
		r.Registry.Error = "the realm of its challenge is no URL"
		return
	}
	if realm.Scheme == "http" {
		r.Registry.Error = "the realm of its challenge is plain HTTP: credentials would be sent in clear"
		return
	}
	if visited[dialKey(realm)] {
		return
	}
	target, err := ParseTarget("https://" + realm.Host)
	if err != nil {
		r.Registry.Error = "the realm of its challenge: " + err.Error()
		return
	}
	endpoint, h := observe(ctx, target, o.elsewhere(r.Address))
	h.close()
	endpoint.Role = "token realm"
	r.Endpoints = append(r.Endpoints, endpoint)
}

// elsewhere are the options for a host that the server at address names: it
// may not send us to this machine or its links, unless it is there itself.
func (o Options) elsewhere(address string) Options {
	o.ServerName, o.TLSOnly, o.Protocols = "", true, false
	from, err := netip.ParseAddrPort(address)
	if err != nil || !isLocal(from.Addr()) {
		o.noLocal = true
	}
	return o
}

func dialKey(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// httpHost is what a client writes behind "Host:".
func httpHost(host, port, usual string) string {
	if port != usual {
		return net.JoinHostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// answer is an HTTP response, as much of it as is looked at.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get sends one request over the connection of h, by the protocol that ALPN
// chose.
func get(ctx context.Context, h *handshake, u *url.URL) (answer, error) {
	transport := &http.Transport{
		DialTLSContext:         func(context.Context, string, string) (net.Conn, error) { return h.conn, nil },
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("User-Agent", "crpki")
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	h.close() // before the body is closed, which might drain it
	response.Body.Close()
	return answer{status: response.StatusCode, header: response.Header}, nil
}

// readAnswer keeps what an answer says, and gives where it redirects to.
func (r *Result) readAnswer(a answer, at *url.URL) (next *url.URL) {
	g := r.Registry
	g.Status = a.status
	g.Version = headerText(a.header, "Docker-Distribution-Api-Version")
	g.Server = headerText(a.header, "Server")
	if location := a.header.Get("Location"); location != "" && a.status >= 300 && a.status < 400 {
		u, err := at.Parse(location)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			g.Error = "it redirects to what is no URL"
			return nil
		}
		u.User, u.Fragment = nil, ""
		return u
	}
	if a.status == http.StatusUnauthorized {
		g.Challenge = bestChallenge(a.header.Values("WWW-Authenticate"))
	}
	g.OK = a.status == http.StatusOK || g.Challenge != nil
	if !g.OK {
		g.Error = fmt.Sprintf("GET /v2/ is answered with %d %s: no registry, or a proxy in front of it", a.status, http.StatusText(a.status))
	}
	return nil
}

// headerText is a header as it can be shown.
func headerText(h http.Header, name string) string {
	const most = 200
	text := h.Get(name)
	return pki.Printable(text[:min(len(text), most)])
}

// bestChallenge takes Bearer before Basic, as clients do.
func bestChallenge(values []string) *Challenge {
	var best *Challenge
	for _, v := range values {
		c := parseChallenge(v)
		switch {
		case c == nil:
		case strings.EqualFold(c.Scheme, "bearer"):
			c.Scheme = "Bearer"
			return c
		case strings.EqualFold(c.Scheme, "basic") && best == nil:
			c.Scheme = "Basic"
			best = c
		}
	}
	return best
}

// parseChallenge reads one challenge: a scheme, then name="value" pairs. What
// follows the first fault is left out.
func parseChallenge(text string) *Challenge {
	text = text[:min(len(text), maxBody)]
	scheme, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if scheme == "" || strings.ContainsAny(scheme, `",=`) {
		return nil
	}
	c := &Challenge{Scheme: scheme}
	for {
		name, after, ok := strings.Cut(strings.TrimLeft(rest, ", \t"), "=")
		if !ok {
			return c
		}
		var value string
		if value, rest, ok = challengeValue(after); !ok {
			return c
		}
		value = pki.Printable(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "realm":
			c.Realm = value
		case "service":
			c.Service = value
		case "scope":
			c.Scope = value
		}
	}
}

// challengeValue takes a token or a quoted string off s (RFC 9110, 5.6.4).
func challengeValue(s string) (value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ", \t")
		if i < 0 {
			i = len(s)
		}
		return s[:i], s[i:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
			fallthrough
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
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
	r.Address = address
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	at := &url.URL{Scheme: "http", Host: httpHost(r.Host, t.Port, "80"), Path: "/v2/"}
	a, first, err := getPlain(conn, at)
	again := "crpki probe " + net.JoinHostPort(t.Host, t.Port)
	switch {
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
	r.readAnswer(a, at)
	r.Status, r.Verdict = NotTLS, "plain HTTP: nothing is encrypted, and nobody knows who answers"
	r.Cause = "Go's clients take such a registry only where their configuration says so for its host"
	r.Fix = "crpki gen --" + r.nameFlag() + " " + r.Host + ", then give the server its certificate and key"
}

// getPlain sends the request in clear. first is how the answer begins.
func getPlain(conn net.Conn, u *url.URL) (a answer, first []byte, err error) {
	request := "GET " + u.Path + " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: crpki\r\nConnection: close\r\n\r\n"
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
	return answer{response.StatusCode, response.Header, body}, first, nil
}
