package probe

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// website serves handler over TLS, or in clear without a certificate, and gives
// its URL.
func website(t testing.TB, leaf *made, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	if leaf == nil {
		s.Start()
		return s.URL
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.der}, PrivateKey: leaf.key}}}
	s.EnableHTTP2 = true
	s.StartTLS()
	return s.URL
}

func ask(t testing.TB, target string, o Options) Result {
	t.Helper()
	parsed, err := ParseTarget(target)
	require.NoError(t, err)
	return lookFurther(t, parsed, o)
}

func TestRegistry(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	wrong := issue(t, &root, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"elsewhere"} })
	o := Options{Trusted: trust(root)}
	realm := website(t, &leaf, func(w http.ResponseWriter, r *http.Request) { t.Error("the realm was asked for something") })
	badRealm := website(t, &wrong, func(w http.ResponseWriter, r *http.Request) { t.Error("the realm was asked for something") })
	challenge := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			assert.Empty(t, r.Header.Get("Authorization"))
			assert.Equal(t, "/v2/", r.URL.Path)
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			w.Header().Set("WWW-Authenticate", text)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	tests := []struct {
		shows   string
		handler http.HandlerFunc
		status  Status
		verdict string // begins
		want    Registry
		roles   []string
	}{
		{"200", func(http.ResponseWriter, *http.Request) {}, Trusted, "trusted", Registry{Status: 200, OK: true}, nil},
		{
			"Basic", challenge(`Basic realm="Registry Realm"`), Trusted, "trusted",
			Registry{Status: 401, OK: true, Version: "registry/2.0", Challenge: &Challenge{Scheme: "Basic", Realm: "Registry Realm"}},
			nil,
		},
		{
			"Bearer", challenge(`Bearer realm="` + realm + `/token",service="reg.local",scope="repository:a/b:pull"`), Trusted, "trusted",
			Registry{Status: 401, OK: true, Version: "registry/2.0", Challenge: &Challenge{"Bearer", realm + "/token", "reg.local", "repository:a/b:pull"}},
			[]string{"token realm"},
		},
		{
			"the realm has another name", challenge(`Bearer realm="` + badRealm + `/token"`), Refused, "trusted, but its token realm 127.0.0.1:",
			Registry{Status: 401, OK: true, Version: "registry/2.0", Challenge: &Challenge{Scheme: "Bearer", Realm: badRealm + "/token"}},
			[]string{"token realm"},
		},
		{
			"the realm is nobody", challenge(`Bearer realm="https://127.0.0.1:1/token"`), Unreachable, "trusted, but its token realm 127.0.0.1:1 is not: unreachable",
			Registry{Status: 401, OK: true, Version: "registry/2.0", Challenge: &Challenge{Scheme: "Bearer", Realm: "https://127.0.0.1:1/token"}},
			[]string{"token realm"},
		},
		{
			"the realm is a metadata address", challenge(`Bearer realm="http://169.254.169.254/token"`), Unusable, "trusted, but the registry sends clients where they should not log in",
			Registry{
				Status: 401, OK: true, Version: "registry/2.0", Challenge: &Challenge{Scheme: "Bearer", Realm: "http://169.254.169.254/token"},
				Error:  "the realm of its challenge is 169.254.169.254, an address of this machine or of its link, as a cloud's metadata has: nobody should log in there",
				status: Unusable, evil: true,
			},
			nil,
		},
		{
			"the realm is plain HTTP", challenge(`Bearer realm="http://10.0.0.1/token"`), Unusable, "trusted, but the registry sends clients where they should not log in",
			Registry{
				Status: 401, OK: true, Version: "registry/2.0", Challenge: &Challenge{Scheme: "Bearer", Realm: "http://10.0.0.1/token"},
				Error: "the realm of its challenge is plain HTTP: credentials would be sent in clear", status: Unusable, evil: true,
			},
			nil,
		},
		{
			"a web page", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<!DOCTYPE html><h1>Welcome</h1>") },
			Trusted, "trusted",
			Registry{Status: 200, OK: true, WebPage: true},
			nil,
		},
		{
			"no registry", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, Trusted, "trusted, but no registry answers",
			Registry{Status: 404, Error: "GET /v2/ is answered with 404 Not Found: no registry, or a proxy in front of it"},
			nil,
		},
		{
			"a redirect to plain HTTP", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://127.0.0.1:1/v2/", http.StatusFound)
			}, Unusable, "trusted, but the registry sends clients to plain HTTP",
			Registry{Status: 302, Redirects: []string{"http://127.0.0.1:1/v2/"}, Error: errPlainRedirect.Error(), status: Unusable, plain: true},
			nil,
		},
		{
			"an endless body", func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := w.Write(make([]byte, 1<<20)); err != nil {
						return
					}
				}
			}, Unusable, "trusted, but no registry answers",
			Registry{Status: 200, Error: "its answer to GET /v2/ has no end: more than 64 KiB came", status: Unusable},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			address := website(t, &leaf, tt.handler)
			start := time.Now()
			r := ask(t, address, o)
			assert.Less(t, time.Since(start), ample, "it waits for more than there is")
			assert.Equal(t, tt.status, r.Status)
			assert.Truef(t, strings.HasPrefix(r.Verdict, tt.verdict), "%s", r.Verdict)
			require.NotNil(t, r.Registry)
			tt.want.URL = address + "/v2/"
			assert.Equal(t, tt.want, *r.Registry)
			var roles []string
			for _, e := range r.Endpoints {
				roles = append(roles, e.Role)
			}
			assert.Equal(t, tt.roles, roles)
			require.NotNil(t, r.TLS.SessionTicket, "it comes with the answer")
			assert.True(t, *r.TLS.SessionTicket)
			assert.Equal(t, "h2", r.TLS.ALPN)
		})
	}
}

func TestRedirects(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	o := Options{Trusted: trust(root)}
	t.Run("a loop", func(t *testing.T) {
		r := ask(t, website(t, &leaf, func(w http.ResponseWriter, r *http.Request) {
			to := map[string]string{"/v2/": "/a", "/a": "/v2/"}[r.URL.Path]
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		}), o)
		assert.Contains(t, r.Registry.Error, "a redirect loop")
		assert.Equal(t, "trusted, but no registry answers", r.Verdict)
	})
	t.Run("without end", func(t *testing.T) {
		r := ask(t, website(t, &leaf, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}), o)
		assert.Equal(t, "stopped after 10 redirects", r.Registry.Error)
		assert.Len(t, r.Registry.Redirects, 10)
	})
	t.Run("to another host, once", func(t *testing.T) {
		other := website(t, &leaf, func(http.ResponseWriter, *http.Request) {})
		r := ask(t, website(t, &leaf, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other+"/v2/", http.StatusMovedPermanently)
		}), o)
		assert.Equal(t, "trusted", r.Verdict)
		assert.Equal(t, other+"/v2/", r.Registry.URL)
		require.Len(t, r.Endpoints, 1)
		assert.Equal(t, "redirect", r.Endpoints[0].Role)
	})
}

// TestElsewhere: a server may not send us to this machine or its links.
func TestElsewhere(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "localhost", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
		"fd00:ec2::254", "100.100.100.200",
	} {
		o := Options{}.elsewhere("10.96.0.50:443").withDefaults()
		_, _, err := o.dial(t.Context(), Target{Host: host, Port: "1"})
		assert.ErrorIs(t, err, errLocal, host)
		o.Proxy = func(*url.URL) (*url.URL, error) { return url.Parse("http://127.0.0.1:1") }
		_, _, err = o.dial(t.Context(), Target{Host: host, Port: "1"})
		assert.ErrorIs(t, err, errLocal, "%s through a proxy", host)
	}
	here := Options{}.elsewhere("127.0.0.1:5000")
	for host, forbidden := range map[string]bool{"127.0.0.1": false, "::1": false, "169.254.169.254": true, "10.0.0.1": false} {
		assert.Equal(t, forbidden, here.forbids(netip.MustParseAddr(host)), "from a server on this machine to %s", host)
	}
	assert.False(t, Options{}.forbids(netip.MustParseAddr("127.0.0.1")), "the user may go anywhere")
}

// TestPlain looks at targets that were given as http://.
func TestPlain(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	r := ask(t, website(t, nil, func(http.ResponseWriter, *http.Request) {}), Options{})
	assert.Equal(t, NotTLS, r.Status)
	assert.Contains(t, r.Verdict, "plain HTTP: nothing is encrypted")
	assert.True(t, r.Registry.OK)

	u, err := url.Parse(website(t, &leaf, func(http.ResponseWriter, *http.Request) {}))
	require.NoError(t, err)
	r = ask(t, "http://"+u.Host, Options{})
	assert.Equal(t, "HTTPS, not plain HTTP", r.Verdict)
	assert.Equal(t, "crpki probe "+u.Host, r.Fix)

	r = ask(t, "http://127.0.0.1:1", Options{})
	assert.Equal(t, Unreachable, r.Status)
}

func TestParseChallenge(t *testing.T) {
	tests := []struct {
		text string
		want *Challenge
	}{
		{`Bearer realm="https://a/token",service="s",scope="x:y:pull,push"`, &Challenge{"Bearer", "https://a/token", "s", "x:y:pull,push"}},
		{`basic realm=plain`, &Challenge{Scheme: "basic", Realm: "plain"}},
		{`Bearer  Realm="a\"b" , service="s"`, &Challenge{Scheme: "Bearer", Realm: `a"b`, Service: "s"}},
		// What skopeo and ctr make of it: they go to "https".
		{`Bearer realm=https://a/token,service="s"`, &Challenge{Scheme: "Bearer", Realm: "https"}},
		{`Bearer realm="https://a/token" service="s"`, &Challenge{Scheme: "Bearer", Realm: "https://a/token"}},
		{`Bearer realm = "https://a/token"`, &Challenge{Scheme: "Bearer"}},
		{`Basic realm="a", Bearer realm="https://a/token"`, &Challenge{Scheme: "Basic", Realm: "a"}},
		{`Bearer , realm="https://a/token"`, &Challenge{Scheme: "Bearer"}},
		{`Bearer realm="unclosed`, &Challenge{Scheme: "Bearer"}},
		{`Negotiate`, &Challenge{Scheme: "Negotiate"}},
		{``, nil},
		{`realm="x"`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) { assert.Equal(t, tt.want, parseChallenge(tt.text)) })
	}
}

func FuzzParseChallenge(f *testing.F) {
	f.Add(`Bearer realm="https://a/token",service="s",scope="x:y:pull"`)
	f.Add(`Basic realm="a\"`)
	f.Fuzz(func(t *testing.T, text string) {
		if c := parseChallenge(text); c != nil {
			require.NotEmpty(t, c.Scheme)
			require.NotContains(t, c.Realm+c.Service+c.Scope, "\x1b")
		}
	})
}

// TestRenegotiation: a server that shakes hands anew when it hears what is asked
// for, as Apache does for a client certificate in a directory.
func TestRenegotiation(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	certFile, keyFile := filesOf(t, leaf)
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	cmd := exec.Command(openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", certFile, "-key", keyFile, "-tls1_2")
	commands, err := cmd.StdinPipe()
	require.NoError(t, err)
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if at, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
				address <- at
			} else if strings.HasPrefix(lines.Text(), "GET /v2/") {
				io.WriteString(commands, "r\n")
			}
		}
	}()
	r := ask(t, "https://"+<-address, Options{Trusted: trust(root)})
	assert.Equal(t, Unusable, r.Status)
	assert.Contains(t, r.Cause, "it shakes hands anew")
	assert.Contains(t, r.Cause, "tls: no renegotiation")
}
