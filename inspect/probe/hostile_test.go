package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience is how long the tests let a server hold them that would do so for
// ever, and grace how much longer it may take until the result is there. Who is
// to be told by what he says, and not by the time that he takes, has ample time.
const (
	patience = time.Second
	// handshakeAnd is patience with a server that shakes hands before.
	handshakeAnd = 5 * time.Second
	grace        = ample
	// mostMemory is what may be held at any time, and be allocated altogether, in
	// bytes.
	mostMemory = 32 << 20
)

// hostile probes a server, and demands bounded time and memory, and a result
// that can be printed.
func hostile(t *testing.T, limit time.Duration, target string, o Options) Result {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := hostileStream(t, limit, target, o)
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(mostMemory), "it took too much memory")
	return r
}

// hostileStream is hostile for servers that send as fast as they can, until time
// is up: what is allocated for it altogether is the machine's speed.
func hostileStream(t *testing.T, limit time.Duration, target string, o Options) Result {
	t.Helper()
	parsed, err := ParseTarget(target)
	require.NoError(t, err)
	o.Now, o.AuthLevel = noon, 2
	o.Timeouts = Timeouts{limit, limit, limit}
	runtime.GC()
	held, start := heldMemory(), time.Now()
	done, most := make(chan struct{}), make(chan uint64)
	go func() { most <- mostHeld(done) }()
	r := Probe(t.Context(), parsed, o)
	assert.Less(t, time.Since(start), limit+grace, "it took too long")
	close(done)
	assert.Less(t, <-most, held+mostMemory, "it holds too much memory")
	shown, err := json.Marshal(r)
	require.NoError(t, err)
	assert.NotContains(t, string(shown), `\u001b`, "escape sequences reach the terminal")
	assert.Less(t, len(shown), 256<<10)
	return r
}

// heldMemory is what the heap's objects take, in bytes, those that nobody needs
// any more included.
func heldMemory() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// mostHeld is the most that is held until done.
func mostHeld(done <-chan struct{}) (most uint64) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		most = max(most, heldMemory())
		select {
		case <-done:
			return most
		case <-ticker.C:
		}
	}
}

// hangUp ends a connection with RST.
func hangUp(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// hear reads what the client says first.
func hear(c net.Conn) { c.Read(make([]byte, 4096)) }

// record is one of TLS.
func record(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind, 3, 3}, uint16(len(body))), body...)
}

// forever writes until the other end has enough.
func forever(c net.Conn, block []byte) {
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

// flight writes a handshake message of so many bytes in records, as slowly as
// the client takes them.
func flight(c net.Conn, kind byte, length int, fill func(i int) []byte) {
	left := append([]byte{kind}, byte(length>>16), byte(length>>8), byte(length))
	for i := 0; i < length; {
		more := fill(i)
		left, i = append(left, more...), i+len(more)
		for len(left) > 16000 {
			if _, err := c.Write(record(recordHandshake, left[:16000])); err != nil {
				return
			}
			left = left[16000:]
		}
	}
	c.Write(record(recordHandshake, left))
	io.Copy(io.Discard, c)
}

// serverHello is one of TLS 1.2, after which the certificates follow in clear.
func serverHello() []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0xc0, 0x2b, 0) // no session, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	return append([]byte{messageServerHello, 0, 0, byte(len(body))}, body...)
}

func TestHostileHandshakes(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	entry := append([]byte{byte(len(leaf.der) >> 16), byte(len(leaf.der) >> 8), byte(len(leaf.der))}, leaf.der...)
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(128 + rand.IntN(128))
	}
	tests := []struct {
		shows   string
		serve   func(net.Conn)
		status  Status
		verdict string
	}{
		{"it never answers", func(c net.Conn) { io.Copy(io.Discard, c) }, Unreachable, "unreachable: connected, but no TLS answer in time"},
		{"it reads nothing", func(net.Conn) { <-t.Context().Done() }, Unreachable, "unreachable: connected, but no TLS answer in time"},
		{"it closes at once", func(net.Conn) {}, Unreachable, "unreachable: the connection was closed during the handshake"},
		{"it resets at once", hangUp, Unreachable, "unreachable: "},
		{"it resets when it has heard us", func(c net.Conn) { hear(c); hangUp(c) }, Unreachable, "unreachable: the connection was closed during the handshake"},
		{"noise", func(c net.Conn) { hear(c); c.Write(noise); io.Copy(io.Discard, c) }, NotTLS, "refused: not TLS"},
		{"noise without end", func(c net.Conn) { hear(c); forever(c, noise) }, NotTLS, "refused: not TLS"},
		{"noise as a handshake", func(c net.Conn) { hear(c); c.Write(record(recordHandshake, noise)); io.Copy(io.Discard, c) }, Refused, "refused: no TLS handshake: "},
		{"escape sequences", func(c net.Conn) { hear(c); forever(c, []byte("\x1b[2J\x1b]0;owned\x07\r\n")) }, NotTLS, "refused: not TLS"},
		{"alerts without end", func(c net.Conn) { hear(c); forever(c, record(recordAlert, []byte{1, 90})) }, Refused, "refused: no TLS handshake: "},
		{"empty records without end", func(c net.Conn) { hear(c); forever(c, record(recordHandshake, nil)) }, Refused, "refused: no TLS handshake: "},
		{"a record that does not end", func(c net.Conn) { hear(c); c.Write([]byte{recordHandshake, 3, 3, 0x40, 0}); io.Copy(io.Discard, c) }, Unreachable, "unreachable: connected, but no TLS answer in time"},
		{"a ServerHello of 16 MB", func(c net.Conn) {
			hear(c)
			flight(c, messageServerHello, 1<<24-1, func(int) []byte { return noise })
		}, Refused, "refused: no TLS handshake: "},
		{"a certificate of 10 MB", func(c net.Conn) {
			hear(c)
			c.Write(record(recordHandshake, serverHello()))
			const size = 10 << 20
			flight(c, messageCertificate, size+6, func(i int) []byte {
				if i == 0 {
					return []byte{(size + 3) >> 16, (size + 3) >> 8 & 0xff, (size + 3) & 0xff, size >> 16, size >> 8 & 0xff, size & 0xff}
				}
				return noise
			})
		}, Refused, "refused: no TLS handshake: "},
		{"an endless chain", func(c net.Conn) {
			hear(c)
			c.Write(record(recordHandshake, serverHello()))
			const size = 1<<24 - 4
			flight(c, messageCertificate, size, func(i int) []byte {
				if i == 0 {
					return []byte{(size - 3) >> 16, (size - 3) >> 8 & 0xff, (size - 3) & 0xff}
				}
				return entry
			})
		}, Refused, "refused: "},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			limit := ample
			if strings.Contains(tt.verdict, "in time") {
				limit = patience
			}
			r := hostile(t, limit, listen(t, tt.serve), Options{Trusted: trust(root)})
			assert.Equal(t, tt.status, r.Status)
			assert.Truef(t, strings.HasPrefix(r.Verdict, tt.verdict), "%s: %s", r.Verdict, r.Cause)
			assert.NotEmpty(t, r.Cause)
		})
	}
}

// cut is a connection that is reset when so many bytes were written, and that
// writes slowly when it is told to.
type cut struct {
	net.Conn
	left  int
	pause time.Duration
}

func (c *cut) Write(p []byte) (n int, err error) {
	if c.pause > 0 {
		for n < len(p) {
			time.Sleep(c.pause)
			if _, err := c.Conn.Write(p[n : n+1]); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	if len(p) < c.left {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	c.Conn.Write(p[:c.left])
	hangUp(c.Conn)
	return c.left, io.ErrClosedPipe
}

// TestHostileStages resets the connection at each stage: of the handshake, of
// the answer. The bytes of a whole visit are some 1500.
func TestHostileStages(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.der}, PrivateKey: leaf.key}}}
	serve := func(version uint16, c net.Conn) {
		config := config.Clone()
		config.MaxVersion = version
		s := tls.Server(c, config)
		if s.Handshake() != nil {
			return
		}
		hear(s)
		io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n{")
		io.WriteString(s, strings.Repeat(" ", 198)+"}")
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		trusted := 0
		for left := 1; left < 2600; left += 97 {
			r := hostile(t, ample, listen(t, func(c net.Conn) { serve(version, &cut{Conn: c, left: left}) }), Options{Trusted: trust(root)})
			switch {
			case r.Status == Trusted:
				trusted++
			case r.Status == Unreachable:
				assert.Zero(t, trusted, "more was sent, less was seen")
			default:
				t.Errorf("%s, reset behind %d bytes: %s: %s", tls.VersionName(version), left, r.Status, r.Verdict)
			}
		}
		assert.NotZero(t, trusted, "the last ones are whole")
	}
	t.Run("one byte a second", func(t *testing.T) {
		r := hostile(t, patience, listen(t, func(c net.Conn) { serve(0, &cut{Conn: c, pause: time.Second}) }), Options{Trusted: trust(root)})
		assert.Equal(t, Unreachable, r.Status)
		assert.Equal(t, "unreachable: connected, but no TLS answer in time", r.Verdict)
	})
}

// TestHostileAnswers: the handshake is good, and what follows is not.
func TestHostileAnswers(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		shows  string
		answer func(net.Conn)
		status Status
		error  string
	}{
		{"it never answers", func(c net.Conn) { io.Copy(io.Discard, c) }, Unreachable, "no whole answer in time"},
		{"it closes", func(net.Conn) {}, Unreachable, "the connection was closed before the answer was there"},
		{"it resets", func(c net.Conn) { hangUp(c.(*tls.Conn).NetConn()) }, Unreachable, "the connection was reset before the answer was there"},
		{"it resets in the header", func(c net.Conn) { io.WriteString(c, ok+"Server: x"); hangUp(c.(*tls.Conn).NetConn()) }, Unreachable, "the connection was "},
		{"it resets in the body", func(c net.Conn) {
			io.WriteString(c, ok+"Content-Length: 100\r\n\r\n{")
			hangUp(c.(*tls.Conn).NetConn())
		}, Unreachable, "the connection was "},
		{"one byte a second in the header", func(c net.Conn) {
			for _, b := range []byte(ok + "Server: x\r\n") {
				time.Sleep(patience / 4)
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		}, Unreachable, "no whole answer in time"},
		{"one byte a second in the body", func(c net.Conn) {
			io.WriteString(c, ok+"\r\n")
			for {
				time.Sleep(patience / 4)
				if _, err := c.Write([]byte{' '}); err != nil {
					return
				}
			}
		}, Unreachable, "no whole answer in time"},
		{"noise", func(c net.Conn) { forever(c, append(bytes.Repeat([]byte{0xff}, 1024), '\n')) }, Unusable, "malformed HTTP"},
		{"escape sequences", func(c net.Conn) { io.WriteString(c, "\x1b[2J\r\n\r\n") }, Unusable, "malformed HTTP"},
		{"a header without end", func(c net.Conn) { io.WriteString(c, ok); forever(c, []byte("X: "+strings.Repeat("x", 4096)+"\r\n")) }, Unusable, "exceeded"},
		{"a line without end", func(c net.Conn) { io.WriteString(c, ok+"X: "); forever(c, bytes.Repeat([]byte{'x'}, 4096)) }, Unusable, "exceeded"},
		{"answers that are none, without end", func(c net.Conn) { forever(c, []byte("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n")) }, Unusable, "exceeded"},
		{"a body without end", func(c net.Conn) { io.WriteString(c, ok+"\r\n"); forever(c, make([]byte, 4096)) }, Unusable, "its answer to GET /v2/ has no end"},
		{"chunks without end", func(c net.Conn) {
			io.WriteString(c, ok+"Transfer-Encoding: chunked\r\n\r\n")
			forever(c, []byte("1\r\n \r\n"))
		}, Unusable, "its answer to GET /v2/ has no end"},
		{"a chunk that is none", func(c net.Conn) {
			io.WriteString(c, ok+"Transfer-Encoding: chunked\r\n\r\n")
			forever(c, []byte("0;x="+strings.Repeat("x", 1024)))
		}, Unusable, "its answer breaks HTTP: "},
		{"a length below nothing", func(c net.Conn) { io.WriteString(c, ok+"Content-Length: -1\r\n\r\n") }, Unusable, "bad Content-Length"},
		{"a redirect to nowhere", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: https://\r\n\r\n") }, Unusable, "it redirects to what is no URL"},
		{"a redirect to a file", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n")
		}, Unusable, "it redirects to what is no URL"},
		{"a redirect to a name with escapes", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: https://a%1b[2Jb/\r\n\r\n")
		}, Unusable, "it redirects to what is no URL"},
		{"a redirect to a port that is none", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: https://a:99999/\r\n\r\n")
		}, Unusable, "redirect a:99999"},
		{"a redirect to a metadata address", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: https://169.254.169.254/\r\n\r\n")
		}, Unusable, "not followed to an address of this machine"},
		{"a redirect to itself", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /v2/\r\n\r\n") }, Unusable, "a redirect loop"},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.der}, PrivateKey: leaf.key}}}
			address := listen(t, func(c net.Conn) {
				s := tls.Server(c, config)
				if s.Handshake() == nil {
					hear(s)
					tt.answer(s)
					s.CloseWrite()
				}
			})
			limit := ample
			if strings.Contains(tt.error, "in time") {
				limit = handshakeAnd
			}
			r := hostile(t, limit, address, Options{Trusted: trust(root)})
			assert.Equal(t, tt.status, r.Status)
			require.NotNil(t, r.Registry, r.Verdict)
			assert.Contains(t, r.Registry.Error, tt.error)
			assert.True(t, strings.HasPrefix(r.Verdict, "trusted, but "), r.Verdict)
		})
	}
	t.Run("HTTP/2 that is none", func(t *testing.T) {
		config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.der}, PrivateKey: leaf.key}}, NextProtos: []string{"h2"}}
		for _, block := range []string{"noise without a frame, ", "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678"} {
			r := hostileStream(t, handshakeAnd, listen(t, func(c net.Conn) {
				s := tls.Server(c, config)
				if s.Handshake() == nil {
					go io.Copy(io.Discard, s)
					forever(s, []byte(block))
				}
			}), Options{Trusted: trust(root)})
			assert.Contains(t, []Status{Unusable, Unreachable}, r.Status)
			require.NotNil(t, r.Registry, r.Verdict)
			assert.NotEmpty(t, r.Registry.Error)
		}
	})
	t.Run("from host to host", func(t *testing.T) {
		next := "https://127.0.0.1:1/"
		for range maxRedirects + 2 {
			to := next
			next = website(t, &leaf, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
		}
		r := hostile(t, ample, next, Options{Trusted: trust(root)})
		assert.Equal(t, Unusable, r.Status)
		assert.Equal(t, "stopped after 10 redirects", r.Registry.Error)
		assert.Len(t, r.Endpoints, maxRedirects)
	})
}

// TestHostileRealms: a registry that is not on this machine names realms that
// are, and worse. Through a proxy it seems to be elsewhere; the proxy notes whom
// it is asked for. Nobody else hears anything, with or without a password.
func TestHostileRealms(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, func(c *x509.Certificate) { c.DNSNames = []string{"reg.example.com"} })
	secret := listen(t, func(net.Conn) { t.Error("somebody came") })
	_, port, err := net.SplitHostPort(secret)
	require.NoError(t, err)
	tests := []struct{ shows, realm, error string }{
		{"metadata", "http://169.254.169.254/latest/meta-data/", "an address of this machine or of its link"},
		{"metadata over TLS", "https://169.254.169.254/", "an address of this machine or of its link"},
		{"metadata, written otherwise", "https://[::ffff:169.254.169.254]/", "an address of this machine or of its link"},
		{"metadata through NAT64", "https://[64:ff9b::a9fe:a9fe]/", "an address of this machine or of its link"},
		{"metadata as a number", "https://2852039166/", "token realm"},
		{"metadata of Alibaba", "https://100.100.100.200/", "an address of this machine or of its link"},
		{"loopback", "https://127.0.0.1:" + port + "/", "an address of this machine or of its link"},
		{"loopback of version 6", "https://[::1]:" + port + "/", "an address of this machine or of its link"},
		{"loopback by name", "https://localhost:" + port + "/", "not followed to an address of this machine"},
		{"nowhere in particular", "https://0.0.0.0:" + port + "/", "an address of this machine or of its link"},
		{"a link", "https://[fe80::1%25lo]:" + port + "/", "an address of this machine or of its link"},
		{"in clear", "http://auth.example.com/token", "plain HTTP"},
		{"a file", "file:///etc/passwd", "is no URL"},
		{"nothing", "", "is no URL"},
		{"with a password in it", "http://root:toor@auth.example.com/", "plain HTTP"},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			registry := strings.TrimPrefix(website(t, &leaf, func(w http.ResponseWriter, r *http.Request) {
				assert.Empty(t, r.Header.Get("Authorization"))
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+tt.realm+`",service="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}), "https://")
			through, err := url.Parse("http://" + onlyProxy(t, "reg.example.com:443", registry))
			require.NoError(t, err)
			o := Options{
				Trusted: trust(root), Proxy: func(*url.URL) (*url.URL, error) { return through, nil },
				Credentials: func(context.Context, string, string) (Credentials, error) {
					t.Error("a password was looked up")
					return Credentials{Username: "user", Password: "sesame"}, nil
				},
			}
			r := hostile(t, ample, "reg.example.com/team/app:1.2", o)
			assert.Contains(t, []Status{Unusable, Unreachable}, r.Status, r.Verdict)
			assert.Contains(t, r.Verdict+r.Cause, tt.error)
			require.NotNil(t, r.Image)
			assert.False(t, r.Image.OK)
		})
	}
}

// onlyProxy is a proxy that goes to one place, whatever it is called.
func onlyProxy(t *testing.T, name, to string) string {
	return listen(t, func(c net.Conn) {
		request := make([]byte, 512)
		n, _ := c.Read(request)
		asked, _, _ := strings.Cut(strings.TrimPrefix(string(request[:n]), "CONNECT "), " ")
		if asked != name {
			if ip := net.ParseIP(strings.Trim(strings.TrimSuffix(asked, ":443"), "[]")); ip != nil {
				t.Errorf("the proxy was asked for %s", asked)
			}
			io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		pipe(c, server)
	})
}
