package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
)

const (
	// maxHeader and maxBody bound what is read of an answer, in bytes.
	maxHeader = 64 << 10
	maxBody   = 64 << 10
	// maxRedirects is how many Go's clients follow.
	maxRedirects = 10
)

// visit is what a client does at a registry, request by request. Each one has a
// connection of its own, which is judged before anything is sent.
type visit struct {
	ctx context.Context
	r   *Result
	t   Target
	o   Options
	// base is the registry, with the path /.
	base *url.URL
	// first is the connection that is there already.
	first *handshake
	// trusted is true when Go's clients trust the registry.
	trusted bool
	// seen are the hosts that were looked at, by host:port.
	seen map[string]bool

	// asked: the credentials were asked for.
	asked       bool
	credentials Credentials
	// authorization is for the registry itself, and no other host.
	authorization string
	// secret is true when it is more than what nobody gets.
	secret bool
	// secrets are hidden in what servers say.
	secrets []string
}

// call is one thing to ask for.
type call struct {
	url *url.URL
	// role says why a host is looked at that was not seen before.
	role   string
	accept string
	// firstOctet asks for the first octet alone.
	firstOctet bool
	// form is sent by POST.
	form string
	// limit bounds the body, in bytes.
	limit int64
	// authorization is for this call, in place of the registry's. secret is true
	// when it, or the form, is.
	authorization string
	secret        bool
	// stay follows no redirect to another host.
	stay bool
}

// trail is the way to an answer.
type trail struct {
	at *url.URL
	// hops are the redirects, as they are shown.
	hops []string
	// trusted is true when Go's clients trust all hosts on it.
	trusted bool
}

func (t trail) last() string { return shownURL(t.at) }

// answer is an HTTP response, as much of it as is looked at.
type answer struct {
	status int
	header http.Header
	body   []byte
	// trusted is true when Go's clients trust who gave it.
	trusted bool
}

// misbehaviour is an error with the verdict that follows.
type misbehaviour struct {
	status Status
	text   string
}

func (m misbehaviour) Error() string { return m.text }

func unusable(format string, args ...any) error {
	return misbehaviour{Unusable, fmt.Sprintf(format, args...)}
}

// errPlainRedirect is for what clients follow, and should not.
var errPlainRedirect error = misbehaviour{Unusable, "it redirects to plain HTTP, where clients follow: nothing is encrypted there, and nobody knows who answers"}

// statusOf is the verdict on a server whose TLS is right.
func statusOf(err error) Status {
	if m, ok := errors.AsType[misbehaviour](err); ok {
		return m.status
	}
	return Unreachable
}

// fetch asks, and follows redirects. Where there is an error, the answer is as
// much of it as came.
func (v *visit) fetch(c call) (a answer, way trail, err error) {
	way.at, way.trusted = c.url, true
	seen := []string{c.url.String()}
	for {
		a, err = v.ask(c, way.at)
		way.trusted = way.trusted && a.trusted
		if err != nil {
			return a, way, err
		}
		next, err := redirection(a, way.at)
		if next == nil || err != nil {
			return a, way, err
		}
		if slices.Contains(seen, next.String()) {
			return a, way, unusable("a redirect loop: %s comes again", shownURL(next))
		}
		if len(seen) > maxRedirects {
			return a, way, unusable("stopped after %d redirects", maxRedirects)
		}
		seen = append(seen, next.String())
		way.hops = append(way.hops, shownURL(next))
		switch {
		case next.Scheme != "https":
			return a, way, errPlainRedirect
		case c.stay && dialKey(next) != dialKey(c.url):
			return a, way, unusable("it redirects to %s, where nothing is sent", dialKey(next))
		}
		way.at = next
	}
}

// redirection is where an answer leads, nil for nowhere.
func redirection(a answer, at *url.URL) (*url.URL, error) {
	location := a.header.Get("Location")
	if location == "" || a.status < 300 || a.status > 399 {
		return nil, nil
	}
	u, err := at.Parse(location)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, unusable("it redirects to what is no URL")
	}
	u.User, u.Fragment = nil, ""
	return u, nil
}

// shownURL leaves out what follows the question mark: it can be a signature that
// lets its bearer in.
func shownURL(u *url.URL) string {
	shown := *u
	shown.User, shown.RawQuery, shown.ForceQuery = nil, "", false
	text := pki.Printable(shown.String())
	if u.RawQuery != "" {
		text += "?…"
	}
	return text
}

// ask connects to the host of u and sends one request.
func (v *visit) ask(c call, u *url.URL) (answer, error) {
	h, trusted, err := v.connect(u, c.role)
	defer h.close()
	if err != nil {
		return answer{}, err
	}
	request, err := http.NewRequestWithContext(v.ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, unusable("%v", err)
	}
	if c.form != "" {
		request.Method = http.MethodPost
		request.Body, request.ContentLength = io.NopCloser(strings.NewReader(c.form)), int64(len(c.form))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.Header.Set("User-Agent", "crpki")
	if c.accept != "" {
		request.Header.Set("Accept", c.accept)
	}
	if c.firstOctet {
		request.Header.Set("Range", "bytes=0-0")
	}
	authorization, secret := c.authorization, c.secret
	if authorization == "" && dialKey(u) == dialKey(v.base) {
		authorization, secret = v.authorization, v.secret
	}
	if secret && !trusted && !v.o.Insecure {
		return answer{}, unusable("nothing secret is sent to %s, whose TLS is not trusted", dialKey(u))
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	a, err := exchange(request, h, c.limit)
	a.trusted = trusted
	return a, err
}

// connect opens a connection to the host of u and judges it. A host that was
// not seen before is shown, as an endpoint. The caller closes the connection,
// whatever the error.
func (v *visit) connect(u *url.URL, role string) (h *handshake, trusted bool, err error) {
	key := dialKey(u)
	target, o := v.t, v.o
	if key != dialKey(v.base) {
		if target, err = ParseTarget("https://" + u.Host); err != nil {
			return new(handshake), false, unusable("%s %s: %v", role, pki.Printable(u.Host), err)
		}
		o = o.elsewhere(v.r.Address)
	} else if v.first != nil {
		h, v.first = v.first, nil
		return h, v.trusted, nil
	}
	if !v.seen[key] {
		v.seen[key] = true
		endpoint, h := observe(v.ctx, target, o)
		endpoint.Role = role
		v.r.Endpoints = append(v.r.Endpoints, endpoint)
		return h, endpoint.goErr == nil, endpoint.failure(h)
	}
	h = o.shake(v.ctx, target, verifiedName(target, o))
	if h.err != nil {
		return h, false, h.err
	}
	_, refusal := o.verifier.Go(verify.Go{Presented: h.certs, Host: verifiedName(target, o), At: o.Now})
	return h, refusal == nil, nil
}

// failure is why nothing can be sent to a host.
func (r *Result) failure(h *handshake) error {
	if h.err == nil {
		return nil
	}
	return misbehaviour{r.Status, fmt.Sprintf("%s %s: %s", r.Role, net.JoinHostPort(r.Host, r.Port), r.Verdict)}
}

// exchange sends one request over a connection, by the protocol that ALPN chose.
func exchange(request *http.Request, h *handshake, limit int64) (answer, error) {
	transport := &http.Transport{
		DialTLSContext:         func(context.Context, string, string) (net.Conn, error) { return h.conn, nil },
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, silence(request.Context(), err)
	}
	defer response.Body.Close()
	defer h.close() // before the body is closed, which might drain it
	a := answer{status: response.StatusCode, header: response.Header}
	if a.header.Get("Location") != "" && a.status >= 300 && a.status < 400 {
		return a, nil
	}
	a.body, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case a.status >= 300 && a.status != http.StatusUnauthorized:
		return a, nil // the status says it all
	case int64(len(a.body)) > limit && request.Header.Get("Range") == "":
		a.body = nil
		return a, unusable("its answer to GET %s has no end: more than %d KiB came", request.URL.Path, limit>>10)
	case err != nil && int64(len(a.body)) <= limit:
		return a, silence(request.Context(), err)
	}
	return a, nil
}

// silence says what kept an answer from coming.
func silence(ctx context.Context, err error) error {
	deadline, limited := ctx.Deadline()
	switch text := err.Error(); {
	case isRemoteAlert(err):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return misbehaviour{Unreachable, "interrupted"}
	case isTimeout(err), limited && !time.Now().Before(deadline): // net/http may take what came for all
		return misbehaviour{Unreachable, "no whole answer in time"}
	case strings.HasSuffix(text, "tls: no renegotiation"):
		return unusable("it shakes hands anew, as servers do that ask for a client certificate by path, and Go's clients do not: %s", text)
	case errors.Is(err, syscall.ECONNRESET):
		return misbehaviour{Unreachable, "the connection was reset before the answer was there"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE), strings.Contains(text, "server closed"):
		return misbehaviour{Unreachable, "the connection was closed before the answer was there"}
	default:
		return unusable("its answer breaks HTTP: %s", strings.TrimPrefix(text, "net/http: HTTP/1.x transport connection broken: "))
	}
}

func dialKey(u *url.URL) string {
	port := cmp.Or(u.Port(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// dialName is the registry as references to images and Docker's configuration
// have it: without the usual port.
func dialName(t Target) string { return httpHost(t.Host, t.Port, "443") }

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
