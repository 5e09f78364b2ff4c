// Package serve is a small container registry that keeps one tiny image in
// memory, so that a certificate can be tried with real clients before the real
// registry exists. It also plays faults: certificates that clients refuse, and
// servers that misbehave in a known way.
//
// It is no registry to run in production: nothing is kept on disk, and nobody
// is asked for a password.
package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options say what is served, and how.
type Options struct {
	// Listen is the address as host:port; port 0 is a free one.
	Listen string
	// Certificate is the chain as clients get it, fit or not, and its key.
	Certificate tls.Certificate
	// ClientCA signs the client certificates that a fault demands.
	ClientCA *x509.Certificate
	Fault    Fault
	// Writable takes pushes.
	Writable bool
	// Once ends the server behind its first connection.
	Once bool
	// Log gets a line for each request, and for each handshake that failed. It
	// may be called by several connections at once. Nil is silence.
	Log func(line string)
}

// Server is a registry that is being served.
type Server struct {
	listener *listener
	http     *http.Server
	// ctx ends with the server, and with it what its connections play.
	ctx     context.Context
	end     context.CancelFunc
	stopped chan error
	close   func() error
}

const (
	// A client that sends nothing any more holds its connection for so long.
	idle = time.Minute
	// grace is how long [Server.Close] waits for what is under way.
	grace = time.Second
)

// Start serves. Connections are accepted from the moment it returns until
// [Server.Close].
func Start(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	handler, err := newHandler(o)
	if err != nil {
		return nil, err
	}
	tcp, err := new(net.ListenConfig).Listen(context.Background(), "tcp", o.Listen)
	if err != nil {
		return nil, err
	}
	s := &Server{stopped: make(chan error, 1)}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.close = sync.OnceValue(s.shutDown)
	s.listener = &listener{Listener: tcp, fault: o.Fault, once: o.Once, log: o.Log, ctx: s.ctx, drained: make(chan struct{})}
	s.http = &http.Server{
		Handler:           s.endWith(handler),
		TLSConfig:         tlsConfig(o),
		ErrorLog:          log.New(plainer(o.Log), "", 0),
		ReadHeaderTimeout: idle,
		IdleTimeout:       idle,
	}
	if o.Fault.Name != "" { // faults are written for HTTP/1.1
		s.http.Protocols = new(http.Protocols)
		s.http.Protocols.SetHTTP1(true)
	}
	if o.Once { // a client that keeps its connection for later shall not hold the end up
		s.http.IdleTimeout = time.Second
	}
	go func() {
		if o.Fault.plain {
			s.stopped <- s.http.Serve(s.listener)
		} else {
			s.stopped <- s.http.ServeTLS(s.listener, "", "")
		}
	}()
	return s, nil
}

// endWith ends what next does when the server ends. A handshake that is under
// way goes on: the client may be saying why it refuses the certificate.
func (s *Server) endWith(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.ctx, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func tlsConfig(o Options) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{o.Certificate}, MinVersion: tls.VersionTLS12}
	if o.Fault.tls != nil {
		o.Fault.tls(c)
	}
	if c.ClientAuth != tls.NoClientCert && o.ClientCA != nil {
		c.ClientCAs = x509.NewCertPool()
		c.ClientCAs.AddCert(o.ClientCA)
	}
	return c
}

// Addr is where the server listens.
func (s *Server) Addr() *net.TCPAddr { return s.listener.Addr().(*net.TCPAddr) }

// Drained is closed when, with Once, the only connection has ended.
func (s *Server) Drained() <-chan struct{} { return s.listener.drained }

// Close stops listening, gives handshakes and requests that are under way a
// second to end, and then ends all connections. It may be called more than once.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutDown() error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	s.end()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if stopped := <-s.stopped; !errors.Is(stopped, http.ErrServerClosed) && !errors.Is(stopped, net.ErrClosed) {
		err = errors.Join(err, stopped)
	}
	s.listener.playing.Wait()
	return err
}

// plainer takes the messages of net/http, and says them in fewer words.
type plainer func(line string)

func (p plainer) Write(message []byte) (int, error) {
	text := strings.TrimSpace(string(message))
	if failed, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		address, why, _ := strings.Cut(failed, ": ")
		if alert, ok := strings.CutPrefix(why, "remote error: tls: "); ok {
			why = "the client says: " + alert
		}
		// OpenSSL's clients send their alert unencrypted in TLS 1.3, and Go takes
		// it for a broken record.
		if strings.HasSuffix(why, "tls: bad record MAC") {
			why += ", as when a client of OpenSSL refuses the certificate"
		}
		text = address + " handshake failed: " + why
	}
	p(text)
	return len(message), nil
}
