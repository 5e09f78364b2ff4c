package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/cmd/crpki/internal/serve"
)

// neighbours are servers on loopback that are reached by other names, through a
// proxy: by host:port. What has the name "" is at all the others.
type neighbours map[string]string

// settle has all that crpki probe dials go to them, until the test ends.
func (n neighbours) settle(t *testing.T) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address, ok := n[r.Host]
		if !ok {
			address = n[""]
		}
		to, err := net.Dial("tcp", address)
		if r.Method != http.MethodConnect || err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer to.Close()
		from, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		done := make(chan struct{}, 2)
		for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
			go func() {
				io.Copy(pair[0], pair[1])
				done <- struct{}{}
			}()
		}
		<-done
	}))
	t.Cleanup(s.Close)
	t.Setenv("CRPKI_PROXY", s.URL)
}

// serveFrom is `crpki serve` with the certificate in a folder.
func serveFrom(t *testing.T, dir string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	require.NoError(t, err)
	s, err := serve.Start(serve.Options{Listen: "127.0.0.1:0", Certificate: pair})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s.Addr().String()
}

// registryFrom is a registry with settings (see cmdRegistry).
func registryFrom(t *testing.T, dir string, settings map[string]string) string {
	t.Helper()
	s, err := startRegistry(dir, settings)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// probePage are the servers of docs/probe.md.
func probePage(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	neighbours{
		"10.96.0.50:443":       serveFrom(t, "certs"),
		"old.example.com:443":  serveFrom(t, "old"),
		"dev.example.com:5000": plain.Listener.Addr().String(),
		"reg.example.com:443": registryFrom(t, "reg", map[string]string{
			"tokens": "auth.example.com", "blobs": "store.example.com",
		}),
		"auth.example.com:443":  registryFrom(t, "auth", map[string]string{"gives": "ci:sesame"}),
		"store.example.com:443": registryFrom(t, "store", nil),
	}.settle(t)
	t.Setenv("CRPKI_AT", "2026-11-21T12:00:00Z") // for what runs in a pipe
}
