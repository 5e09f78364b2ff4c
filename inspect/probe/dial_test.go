package probe

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pipe carries everything between a and b.
func pipe(a, b net.Conn) {
	go func() {
		io.Copy(a, b)
		a.Close()
	}()
	io.Copy(b, a)
	b.Close()
}

// httpProxy is one that wants a login.
func httpProxy(t *testing.T) string { return listen(t, tunnel) }

// httpsProxy is the same behind TLS.
func httpsProxy(t *testing.T, leaf made) string {
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.der}, PrivateKey: leaf.key}}}
	return listen(t, func(c net.Conn) { tunnel(tls.Server(c, config)) })
}

func tunnel(c net.Conn) {
	request, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil || request.Method != http.MethodConnect {
		return
	}
	if request.Header.Get("Proxy-Authorization") != "Basic dXNlcjpzZXNhbWU=" { // user:sesame
		io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
		return
	}
	to, err := net.Dial("tcp", request.Host)
	if err != nil {
		io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	io.WriteString(c, "HTTP/1.1 200 OK\r\nVia: test\r\n\r\n")
	pipe(c, to)
}

// socks5 is one for IPv4 addresses, without login (RFC 1928).
func socks5(t *testing.T) string {
	return listen(t, func(c net.Conn) {
		hello := make([]byte, 2)
		io.ReadFull(c, hello)
		io.ReadFull(c, make([]byte, hello[1]))
		c.Write([]byte{5, 0})
		request := make([]byte, 10)
		if _, err := io.ReadFull(c, request); err != nil || request[3] != 1 {
			return
		}
		port := strconv.Itoa(int(binary.BigEndian.Uint16(request[8:])))
		to, err := net.Dial("tcp", net.JoinHostPort(net.IP(request[4:8]).String(), port))
		if err != nil {
			return
		}
		c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		pipe(c, to)
	})
}

func TestProxy(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	server := serveTLS(t, nil, leaf)
	through := func(u string) Options {
		parsed, err := url.Parse(u)
		require.NoError(t, err)
		return Options{Trusted: trust(root), Proxy: func(*url.URL) (*url.URL, error) { return parsed, nil }}
	}
	for _, u := range []string{"http://user:sesame@" + httpProxy(t), "https://user:sesame@" + httpsProxy(t, leaf), "socks5://" + socks5(t)} {
		r := look(t, server, through(u))
		assert.Equal(t, "trusted", r.Verdict)
		assert.Equal(t, server, r.Address)
	}
	tests := []struct{ shows, proxy, target, cause string }{
		{"wrong password", "http://user:wrong@" + httpProxy(t), server, "it wants a login"},
		{"nobody there", "http://user:sesame@127.0.0.1:1", server, "connection refused"},
		{"no SOCKS proxy there", "socks5://user:sesame@127.0.0.1:1", server, "connection refused"},
		{"whose name is none", "http://user:sesame@proxy.invalid:1", server, "lookup proxy.invalid"},
		{"nobody behind it", "http://user:sesame@" + httpProxy(t), "127.0.0.1:1", `it answers "502 Bad Gateway"`},
		{"no proxy", "http://user:sesame@" + listen(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-x\r\n\r\n") }), server, "it is no HTTP proxy"},
		{"an answer without end", "http://" + listen(t, func(c net.Conn) {
			for {
				if _, err := c.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}), server, "its answer has no end"},
		{"of an unknown kind", "gopher://127.0.0.1:1", server, "is none of http, https, socks5"},
		{"whose certificate is not trusted", "https://user:sesame@" + httpsProxy(t, issue(t, nil, nil)), server, "signed by unknown authority"},
		{"without the TLS that it should have", "https://user:sesame@" + httpProxy(t), server, "through the proxy"},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			r := look(t, tt.target, through(tt.proxy))
			assert.Equal(t, Unreachable, r.Status)
			assert.Contains(t, r.Cause, tt.cause)
			assert.Contains(t, r.Verdict, "through the proxy", "the server is not to blame")
			assert.NotContains(t, r.Cause+r.Verdict, "sesame")
			assert.NotContains(t, r.Cause+r.Verdict, "wrong@")
		})
	}
}

// TestPlainProxy: without TLS, an HTTP proxy gets the request itself, as from
// net/http, and one of another kind a connection.
func TestPlainProxy(t *testing.T) {
	asked := make(chan *http.Request, 1)
	relay := listen(t, func(c net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		asked <- request
		if request.Header.Get("Proxy-Authorization") != "Basic dXNlcjpzZXNhbWU=" {
			io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	})
	probe := func(target, proxy, connect string) Result {
		through, err := url.Parse(proxy)
		require.NoError(t, err)
		to, err := ParseTarget(target)
		require.NoError(t, err)
		to.Connect = connect
		return Probe(t.Context(), to, Options{Now: noon, Proxy: func(*url.URL) (*url.URL, error) { return through, nil }})
	}
	r := probe("http://reg.example:5000", "http://user:sesame@"+relay, "")
	request := <-asked
	assert.Equal(t, []string{"GET", "http://reg.example:5000/v2/", "reg.example:5000"}, []string{request.Method, request.RequestURI, request.Host})
	assert.Equal(t, NotTLS, r.Status)
	assert.Equal(t, 200, r.Registry.Status)
	r = probe("http://reg.example", "http://user:other@"+relay, "")
	assert.Equal(t, "http://reg.example/v2/", (<-asked).RequestURI)
	assert.Equal(t, "unreachable through the proxy "+relay, r.Verdict)
	assert.Contains(t, r.Cause, "it wants a login")
	probe("http://reg.example", "http://user:sesame@"+relay, "10.0.0.1:80")
	assert.Equal(t, "CONNECT", (<-asked).Method, "it would look the name up by itself")
	plain := listen(t, func(c net.Conn) {
		if request, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			asked <- request
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	r = probe("http://"+plain, "socks5://"+socks5(t), "")
	assert.Equal(t, "/v2/", (<-asked).RequestURI)
	assert.Equal(t, 200, r.Registry.Status)
}

// TestProxyOf: a proxy is kept from a host by its name, and by the address at
// which the user says that it is.
func TestProxyOf(t *testing.T) {
	o := Options{Proxy: func(u *url.URL) (*url.URL, error) {
		if strings.HasPrefix(u.Host, "here.") || strings.HasPrefix(u.Host, "127.") {
			return nil, nil
		}
		return &url.URL{Scheme: "http", Host: "proxy:1", Path: u.Scheme}, nil
	}}
	for _, tt := range []struct {
		target, connect string
		proxied         bool
	}{
		{"there.example", "", true},
		{"there.example", "10.0.0.1:443", true},
		{"there.example", "127.0.0.1:443", false},
		{"here.example", "", false},
		{"here.example", "10.0.0.1:443", false},
		{"http://there.example", "", true},
		{"http://there.example", "127.0.0.1:443", false},
	} {
		target, err := ParseTarget(tt.target)
		require.NoError(t, err)
		target.Connect = tt.connect
		through, err := o.proxyOf(target)
		require.NoError(t, err)
		assert.Equal(t, tt.proxied, through != nil, "%s at %s", tt.target, tt.connect)
		if tt.proxied {
			assert.Equal(t, target.Plain, through.Path == "http", tt.target)
		}
	}
}

func TestConnectAddress(t *testing.T) {
	o := Options{Resolve: map[string]string{"reg.local": "10.0.0.1", "reg.local:5000": "10.0.0.2", "v6.local": "::1"}}
	for text, want := range map[string]string{
		"reg.local": "10.0.0.1:443", "reg.local:5000": "10.0.0.2:5000", "v6.local": "[::1]:443", "other:1": "other:1",
	} {
		target, err := ParseTarget(text)
		require.NoError(t, err)
		assert.Equal(t, want, o.connectAddress(target), text)
	}
	for connect, want := range map[string]string{"a:1": "a:1", "reg.local:1": "10.0.0.1:1", "reg.local:5000": "10.0.0.2:5000", "[::1]:1": "[::1]:1", "a": "a"} {
		assert.Equal(t, want, o.connectAddress(Target{Host: "reg.local", Port: "443", Connect: connect}), connect)
	}
}

func TestProtocols(t *testing.T) {
	root := issue(t, nil, authority("root"))
	r := look(t, serveTLS(t, nil, issue(t, &root, nil)), Options{Trusted: trust(root), Protocols: true})
	accepted := map[string]bool{}
	for _, p := range r.Protocols {
		accepted[p.Version] = p.Accepted
		assert.Equal(t, p.Accepted, p.Error == "")
	}
	assert.Equal(t, map[string]bool{"1.0": false, "1.1": false, "1.2": true, "1.3": true}, accepted)
}
