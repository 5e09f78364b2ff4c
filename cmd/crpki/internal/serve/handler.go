package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// maxUpload is how large a pushed layer may be: all is kept in memory.
const maxUpload = 256 << 20

// newHandler is a registry with the image in it, and the fault before it.
//
// The registry is go-containerregistry's. Linking it costs crpki 0.14 MB and
// two initialisers of some 10 µs in all beyond net/http's server, which has
// 1.8 MB and is needed anyway: measured with GODEBUG=inittrace=1 and hyperfine,
// `crpki version` is no slower. A registry of our own would be 150 lines to
// keep up with a specification, and no gain.
func newHandler(o Options) (http.Handler, error) {
	img, err := newImage()
	if err != nil {
		return nil, err
	}
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if err := img.push(h); err != nil {
		return nil, err
	}
	if o.Writable {
		h = http.MaxBytesHandler(h, maxUpload)
	} else {
		h = readOnly(h)
	}
	h = versioned(h)
	if o.Fault.http != nil {
		h = o.Fault.http(h)
	}
	return logged(h, o.Log), nil
}

// ImageDigest is the digest of the image: of what a client gets by the tag.
func ImageDigest() string {
	img, err := newImage()
	if err != nil {
		return ""
	}
	return img.digest()
}

// versioned names the version of the protocol in each answer, by which old
// clients know a registry.
func versioned(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		next.ServeHTTP(w, r)
	})
}

func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry is read-only; crpki serve --writable takes pushes")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers with an error as the distribution specification has it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": code, "message": message}}}) // the client may have gone
}

// logged tells of each request.
func logged(next http.Handler, tell func(string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: w}
		defer func() {
			status := "no answer"
			if s.status != 0 {
				status = fmt.Sprint(s.status)
			}
			tell(fmt.Sprintf("%s %s %s: %s", r.RemoteAddr, r.Method, r.URL.RequestURI(), status))
		}()
		next.ServeHTTP(s, r)
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// What faults answer. Each one takes the place of the registry, or stands
// before it.

func redirectLoop(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
}

func unavailable(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "the service is not available")
	})
}

// challenge asks for credentials and takes none.
func challenge(scheme string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			w.Header().Set("WWW-Authenticate", scheme)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		})
	}
}

func webPage(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!DOCTYPE html><title>Sign in</title><h1>Sign in to the proxy</h1>\n")
	})
}

func noAnswer(http.Handler) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

func endlessBody(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		block := []byte(strings.Repeat(" ", 32<<10))
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				break
			}
		}
		panic(http.ErrAbortHandler) // to return would end the answer well
	})
}

func slowBody(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for pause(r.Context(), time.Second) == nil {
			if _, err := io.WriteString(w, " "); err != nil {
				break
			}
			http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler) // to return would end the answer well
	})
}

func endlessHeader(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		defer context.AfterFunc(r.Context(), func() { c.Close() })()
		field := []byte("X-Endless: " + strings.Repeat("x", 32<<10) + "\r\n")
		_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for err == nil {
			_, err = c.Write(field)
		}
	})
}

// resetBody promises more than it sends, and resets the connection.
func resetBody(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
		if t, ok := c.(interface{ NetConn() net.Conn }); ok {
			if bare, ok := t.NetConn().(*conn); ok {
				bare.reset()
			}
		}
	})
}

// corruptBlob changes a byte of each blob.
func corruptBlob(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			w = &corruptWriter{ResponseWriter: w}
		}
		next.ServeHTTP(w, r)
	})
}

type corruptWriter struct {
	http.ResponseWriter
	done bool
}

func (c *corruptWriter) Write(p []byte) (int, error) {
	if !c.done && len(p) > 0 {
		c.done = true
		p = append([]byte(nil), p...)
		p[len(p)-1] ^= 1
	}
	return c.ResponseWriter.Write(p)
}
