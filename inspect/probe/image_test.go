package probe

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func digestOf(data string) string {
	sum := sha256.Sum256([]byte(data))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// shop is a registry with one image, an index for two platforms.
type shop struct {
	// basic is USER:PASSWORD, token what Bearer has to bring; both empty: anyone.
	basic, token, challenge string
	// pingOpen lets everyone have /v2/.
	pingOpen bool
	// blobs, manifests are where they are redirected to.
	blobs, manifests string
	// change spoils an answer.
	change func(path, body string) string

	lock sync.Mutex
	// heard are the requests: method, path and Authorization.
	heard []string
}

const shopLayer = "the layer"

func (s *shop) files() map[string]string {
	config := `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`
	one := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"digest":%q,"size":%d},"layers":[{"digest":%q,"size":%d}]}`,
		typeOCIManifest, digestOf(config), len(config), digestOf(shopLayer), len(shopLayer))
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[
		{"digest":%q,"platform":{"os":"linux","architecture":"s390x"}},
		{"digest":%q,"platform":{"os":"linux","architecture":"amd64"}}]}`, typeOCIIndex, digestOf("absent"), digestOf(one))
	return map[string]string{
		"/v2/team/app/manifests/1.2":                index,
		"/v2/team/app/manifests/" + digestOf(one):   one,
		"/v2/team/app/blobs/" + digestOf(shopLayer): shopLayer,
	}
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.lock.Lock()
	s.heard = append(s.heard, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")))
	s.lock.Unlock()
	want := ""
	switch {
	case s.basic != "":
		want = "Basic " + base64.StdEncoding.EncodeToString([]byte(s.basic))
	case s.token != "":
		want = "Bearer " + s.token
	}
	if r.Header.Get("Authorization") != want && (!s.pingOpen || r.URL.Path != "/v2/") {
		w.Header().Set("WWW-Authenticate", s.challenge)
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"you sent `+r.Header.Get("Authorization")+`"}]}`)
		return
	}
	body, found := s.files()[r.URL.Path]
	if s.change != nil {
		body = s.change(r.URL.Path, body)
	}
	switch {
	case r.URL.Path == "/v2/":
		io.WriteString(w, "{}")
	case !found:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
	case strings.Contains(r.URL.Path, "/blobs/") && s.blobs != "":
		http.Redirect(w, r, s.blobs+r.URL.Path+"?signature=geheim", http.StatusTemporaryRedirect)
	case strings.Contains(r.URL.Path, "/manifests/") && s.manifests != "":
		http.Redirect(w, r, s.manifests+r.URL.Path, http.StatusTemporaryRedirect)
	default:
		http.ServeContent(w, r, "", noon, strings.NewReader(body))
	}
}

func (s *shop) requests() []string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.heard
}

// tokens gives out a token to who has the password, or to everyone, and notes
// what it is asked.
type tokens struct {
	basic, refresh, token string
	redirect, answer      string
	lock                  sync.Mutex
	heard                 []string
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.lock.Lock()
	s.heard = append(s.heard, strings.TrimSpace(r.Method+" "+r.URL.RawQuery+string(body)+" "+r.Header.Get("Authorization")))
	s.lock.Unlock()
	form, _ := url.ParseQuery(string(body))
	switch user, password, _ := r.BasicAuth(); {
	case s.redirect != "":
		http.Redirect(w, r, s.redirect, http.StatusTemporaryRedirect)
	case s.basic != "" && user+":"+password != s.basic, s.refresh != "" && form.Get("refresh_token") != s.refresh:
		w.WriteHeader(http.StatusUnauthorized)
		json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": "UNAUTHORIZED", "message": password + " is wrong, " + r.Header.Get("Authorization")}}})
	case s.answer != "":
		io.WriteString(w, s.answer)
	default:
		json.NewEncoder(w).Encode(map[string]string{"access_token": s.token})
	}
}

// as logs in as one user, whatever the registry is.
func as(c Credentials) func(context.Context, string, string) (Credentials, error) {
	return func(context.Context, string, string) (Credentials, error) {
		c.Source = "the test"
		return c, nil
	}
}

// TestTokenAnswers: what clients make of a realm's answer (skopeo and containerd
// say it in the words of encoding/json).
func TestTokenAnswers(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	for answer, want := range map[string]string{
		`{"token":"t0ken","expires_in":60,"issued_at":"2026-11-21T12:00:00Z"}`: "",
		`{"Token":"t0ken"}`:                     "",
		`{"token":"","access_token":"t0ken"}`:   "",
		`{"token":"t|0:ken{}"}`:                 "",
		`{"token":"t0ken","expires_in":"60"}`:   "has a string in expires_in, and clients read none of it",
		`{"token":"t0ken","issued_at":"today"}`: "has no time in issued_at, and clients read none of it",
		`{"token":5}`:                           "has a number in token, and clients read none of it",
		`["t0ken"]`:                             "is no JSON object",
		`t0ken`:                                 "is no JSON",
		`{"token":null}`:                        "holds no token",
		`{"token":"t0ken\r\nX: y"}`:             "holds no token",
		"{\"token\":\"t\\u001b[31m0ken\"}":      "holds no token",
	} {
		t.Run(answer, func(t *testing.T) {
			realm := website(t, &leaf, (&tokens{answer: answer}).ServeHTTP)
			token := "t0ken"
			if strings.Contains(answer, "t|0") {
				token = "t|0:ken{}"
			}
			s := &shop{token: token, challenge: `Bearer realm="` + realm + `/t",service="s"`}
			r := ask(t, strings.TrimPrefix(website(t, &leaf, s.ServeHTTP), "https://")+"/team/app:1.2", Options{Trusted: trust(root), Platform: "linux/amd64"})
			require.NotNil(t, r.Registry.Login, r.Verdict)
			assert.Equal(t, want == "", r.Registry.Login.OK, r.Registry.Login.Error)
			assert.True(t, strings.HasSuffix(r.Registry.Login.Error, want), r.Registry.Login.Error)
			if want == "" {
				assert.Equal(t, "trusted", r.Verdict)
			}
		})
	}
}

func TestPull(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	wrong := issue(t, &root, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"elsewhere"} })
	o := Options{Trusted: trust(root), Platform: "linux/amd64"}
	pull := func(t *testing.T, s *shop, o Options) Result {
		t.Helper()
		r := ask(t, strings.TrimPrefix(website(t, &leaf, s.ServeHTTP), "https://")+"/team/app:1.2", o)
		require.NotNil(t, r.Image)
		return r
	}
	t.Run("all is well", func(t *testing.T) {
		s := new(shop)
		r := pull(t, s, o)
		assert.Equal(t, Trusted, r.Status)
		assert.Equal(t, "trusted", r.Verdict)
		files := s.files()
		assert.Equal(t, &Image{
			Name: "team/app:1.2", OK: true, Digest: digestOf(files["/v2/team/app/manifests/1.2"]), MediaType: "text/plain",
			Platform: "linux/amd64", Manifest: r.Image.Manifest, Layers: 1,
			Blob: &Blob{
				Digest: digestOf(shopLayer), Size: int64(len(shopLayer)), Status: http.StatusPartialContent,
				URL: r.Registry.URL + "team/app/blobs/" + digestOf(shopLayer),
			},
		}, r.Image)
		assert.NotEqual(t, digestOf("absent"), r.Image.Manifest)
		assert.Len(t, s.requests(), 4)
		assert.Nil(t, r.Registry.Login)
	})
	t.Run("the layer is elsewhere", func(t *testing.T) {
		store := &shop{}
		s := &shop{blobs: website(t, &leaf, store.ServeHTTP), basic: "user:sesame", challenge: `Basic realm="shop"`}
		o := o
		o.Credentials = as(Credentials{Username: "user", Password: "sesame"})
		r := pull(t, s, o)
		assert.Equal(t, "trusted", r.Verdict)
		require.Len(t, r.Endpoints, 1)
		assert.Equal(t, "blob redirect", r.Endpoints[0].Role)
		assert.Equal(t, []string{"GET /v2/team/app/blobs/" + digestOf(shopLayer)}, store.requests(), "the password went along")
		shown, err := json.Marshal(r)
		require.NoError(t, err)
		assert.NotContains(t, string(shown), "geheim", "the signature lets anyone in")
		assert.Equal(t, s.blobs+"/v2/team/app/blobs/"+digestOf(shopLayer)+"?…", r.Image.Blob.URL)
	})
	t.Run("the layer is elsewhere, under another name", func(t *testing.T) {
		r := pull(t, &shop{blobs: website(t, &wrong, new(shop).ServeHTTP)}, o)
		assert.Equal(t, Refused, r.Status)
		assert.Contains(t, r.Verdict, "trusted, but its blob redirect 127.0.0.1:")
		assert.Contains(t, r.Verdict, "no IP SAN")
	})
	tests := []struct {
		shows  string
		shop   *shop
		status Status
		error  string
	}{
		{"the layer is elsewhere, in clear", &shop{blobs: "http://127.0.0.1:1"}, Unusable, "it redirects to plain HTTP"},
		{"the layer is nowhere", &shop{blobs: "https://127.0.0.1:1"}, Unreachable, "connection refused"},
		{"the layer is at a metadata address", &shop{blobs: "https://169.254.169.254"}, Unusable, "not followed to an address of this machine"},
		{"manifests go round in circles", &shop{manifests: "/x/.."}, Unusable, "a redirect loop: "},
		{"a manifest of another digest", &shop{change: func(path, body string) string {
			if strings.Contains(path, "manifests/sha256") {
				return body + " "
			}
			return body
		}}, Unusable, "what comes for its manifest sha256:"},
		{"a manifest that is a web page", &shop{change: func(string, string) string { return "<h1>Hello</h1>" }}, Unusable, "its manifest is no JSON"},
		{"a manifest of version 1", &shop{change: func(string, string) string { return `{"schemaVersion":1}` }}, Unusable, "is of a kind that clients do not pull"},
		{"a layer of another size", &shop{change: func(path, body string) string {
			if strings.Contains(path, "/blobs/") {
				return body + "!"
			}
			return body
		}}, Unusable, "has 10 bytes, and should have 9"},
		{"an index of nothing", &shop{change: func(string, string) string { return `{"manifests":[{"digest":"../../x"}]}` }}, Unusable, "its index names no manifest by a digest"},
		{"an endless manifest", &shop{change: func(path, body string) string { return body + strings.Repeat(" ", maxManifest) }}, Unusable, "has no end"},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			r := pull(t, tt.shop, o)
			assert.Equal(t, tt.status, r.Status)
			assert.Contains(t, r.Image.Error, tt.error)
			assert.False(t, r.Image.OK)
			assert.True(t, strings.HasPrefix(r.Verdict, "trusted, but "), r.Verdict)
		})
	}
	t.Run("no such image", func(t *testing.T) {
		r := ask(t, strings.TrimPrefix(website(t, &leaf, new(shop).ServeHTTP), "https://")+"/team/app:9", o)
		assert.Equal(t, Unusable, r.Status)
		assert.Equal(t, "trusted, but team/app:9 cannot be pulled", r.Verdict)
		assert.Equal(t, "its manifest does not come: 404 Not Found: MANIFEST_UNKNOWN: manifest unknown", r.Cause)
	})
	t.Run("a URL of the web is no image", func(t *testing.T) {
		s := new(shop)
		r := ask(t, website(t, &leaf, s.ServeHTTP)+"/harbor/projects", o)
		assert.Nil(t, r.Image)
		assert.Equal(t, []string{"GET /v2/"}, s.requests())
	})
}

// TestLogin shows where passwords and tokens go, and where they do not.
func TestLogin(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	wrong := issue(t, &root, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"elsewhere"} })
	user := Credentials{Username: "user", Password: "sesame"}
	const basic = "Basic dXNlcjpzZXNhbWU=" // user:sesame
	const scope = "scope=repository%3Ateam%2Fapp%3Apull&service=shop"

	tests := []struct {
		shows       string
		shop        *shop
		tokens      *tokens
		shopLeaf    *made
		tokensLeaf  *made
		credentials Credentials
		insecure    bool

		verdict   string
		login     Login
		shopHeard string // in the request for the manifest
		asked     string // what the token realm heard
	}{
		{
			shows: "Basic", shop: &shop{basic: "user:sesame", challenge: `Basic realm="shop"`}, credentials: user,
			verdict: "trusted", login: Login{User: "user", Source: "the test", SentTo: []string{"shop"}, OK: true}, shopHeard: basic,
		},
		{
			shows: "Basic, and the password is wrong", shop: &shop{basic: "user:other", challenge: `Basic realm="shop"`}, credentials: user,
			verdict: "trusted, but team/app:1.2 cannot be pulled: its manifest does not come: 401 Unauthorized: UNAUTHORIZED: you sent Basic (hidden)",
			login:   Login{User: "user", Source: "the test", SentTo: []string{"shop"}, Error: "the registry does not take it"}, shopHeard: basic,
		},
		{
			shows: "Basic, and there is no password", shop: &shop{basic: "user:sesame", challenge: `Basic realm="shop"`},
			verdict: "trusted, but team/app:1.2 cannot be pulled: the registry wants a password, and there is none for it",
			login:   Login{SentTo: []string{}, Error: "the registry wants a password, and there is none for it"},
		},
		{
			shows: "Basic, and the registry is not trusted", shop: &shop{basic: "user:sesame", challenge: `Basic realm="shop"`}, shopLeaf: &wrong, credentials: user,
			verdict: "refused: no IP SAN", login: Login{SentTo: []string{}, Error: "no password is sent, since the server's TLS is not trusted"},
		},
		{
			shows: "Basic, and the registry is not trusted, but who cares", shop: &shop{basic: "user:sesame", challenge: `Basic realm="shop"`}, shopLeaf: &wrong,
			credentials: user, insecure: true,
			verdict: "refused: no IP SAN", login: Login{User: "user", Source: "the test", SentTo: []string{"shop"}, OK: true}, shopHeard: basic,
		},
		{
			shows: "Bearer", shop: &shop{token: "t0ken"}, tokens: &tokens{basic: "user:sesame", token: "t0ken"}, credentials: user,
			verdict: "trusted", login: Login{User: "user", Source: "the test", SentTo: []string{"tokens"}, OK: true},
			shopHeard: "Bearer t0ken", asked: "GET account=user&" + scope + " " + basic,
		},
		{
			shows: "Bearer, as nobody", shop: &shop{token: "t0ken"}, tokens: &tokens{token: "t0ken"},
			verdict: "trusted", login: Login{SentTo: []string{"tokens"}, OK: true}, shopHeard: "Bearer t0ken", asked: "GET " + scope,
		},
		{
			shows: "Bearer, with a token for tokens", shop: &shop{token: "t0ken"}, tokens: &tokens{refresh: "r3fresh", token: "t0ken"},
			credentials: Credentials{IdentityToken: "r3fresh"},
			verdict:     "trusted", login: Login{Source: "the test", SentTo: []string{"tokens"}, OK: true}, shopHeard: "Bearer t0ken",
			asked: "POST client_id=crpki&grant_type=refresh_token&refresh_token=r3fresh&" + scope,
		},
		{
			shows: "Bearer, with a token of old", shop: &shop{token: "t0ken"}, tokens: &tokens{},
			credentials: Credentials{RegistryToken: "t0ken"},
			verdict:     "trusted", login: Login{Source: "the test", SentTo: []string{"shop"}, OK: true}, shopHeard: "Bearer t0ken",
		},
		{
			shows: "Bearer, and the password is wrong", shop: &shop{token: "t0ken"}, tokens: &tokens{basic: "user:other", token: "t0ken"}, credentials: user,
			verdict: "trusted, but team/app:1.2 cannot be pulled: token realm tokens: 401 Unauthorized: UNAUTHORIZED: (hidden) is wrong, Basic (hidden)",
			login: Login{
				User: "user", Source: "the test", SentTo: []string{"tokens"},
				Error: "token realm tokens: 401 Unauthorized: UNAUTHORIZED: (hidden) is wrong, Basic (hidden)",
			},
			asked: "GET account=user&" + scope + " " + basic,
		},
		{
			shows: "Bearer, and the realm is not trusted", shop: &shop{token: "t0ken"}, tokens: &tokens{token: "t0ken"}, tokensLeaf: &wrong, credentials: user,
			verdict: "trusted, but its token realm tokens is not: refused: no IP SAN",
			login: Login{
				User: "user", Source: "the test", SentTo: []string{},
				Error: "token realm tokens: nothing secret is sent to tokens, whose TLS is not trusted",
			},
		},
		{
			shows: "Bearer, and the registry is not trusted: as nobody", shop: &shop{token: "t0ken"}, tokens: &tokens{token: "t0ken"}, shopLeaf: &wrong, credentials: user,
			verdict: "refused: no IP SAN",
			login:   Login{SentTo: []string{"tokens"}, OK: true, Error: "no password is sent, since the server's TLS is not trusted"},
			asked:   "GET " + scope, shopHeard: "Bearer t0ken",
		},
		{
			shows: "Bearer, and the realm sends us on", shop: &shop{token: "t0ken"}, tokens: &tokens{redirect: "https://127.0.0.1:1/"}, credentials: user,
			verdict: "trusted, but team/app:1.2 cannot be pulled: token realm tokens: it redirects to 127.0.0.1:1, where nothing is sent",
			login: Login{
				User: "user", Source: "the test", SentTo: []string{"tokens"},
				Error: "token realm tokens: it redirects to 127.0.0.1:1, where nothing is sent",
			},
			asked: "GET account=user&" + scope + " " + basic,
		},
		{
			shows: "Bearer, and there is no token", shop: &shop{token: "t0ken"}, tokens: &tokens{token: "bad\r\nX: y"}, credentials: user,
			verdict: "trusted, but team/app:1.2 cannot be pulled: token realm tokens: its answer holds no token",
			login: Login{
				User: "user", Source: "the test", SentTo: []string{"tokens"}, Error: "token realm tokens: its answer holds no token",
			},
			asked: "GET account=user&" + scope + " " + basic,
		},
		{
			shows: "Bearer, when the image is asked for and not before", shop: &shop{token: "t0ken", pingOpen: true}, tokens: &tokens{token: "t0ken"}, credentials: user,
			verdict: "trusted", login: Login{User: "user", Source: "the test", SentTo: []string{"tokens"}, OK: true},
			shopHeard: "Bearer t0ken", asked: "GET account=user&" + scope + " " + basic,
		},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			or := func(a, b *made) *made {
				if a != nil {
					return a
				}
				return b
			}
			names := []string{}
			if tt.tokens != nil {
				realm := website(t, or(tt.tokensLeaf, &leaf), tt.tokens.ServeHTTP)
				tt.shop.challenge = `Bearer realm="` + realm + `/token",service="shop",scope="repository:team/app:pull,push,delete"`
				names = append(names, strings.TrimPrefix(realm, "https://"), "tokens")
			}
			address := strings.TrimPrefix(website(t, or(tt.shopLeaf, &leaf), tt.shop.ServeHTTP), "https://")
			plain := strings.NewReplacer(append(names, address, "shop")...)
			r := ask(t, address+"/team/app:1.2", Options{
				Trusted: trust(root), Platform: "linux/amd64", Credentials: as(tt.credentials), Insecure: tt.insecure,
			})
			verdict := r.Verdict
			if strings.HasSuffix(verdict, "pulled") {
				verdict += ": " + r.Cause
			}
			assert.Equal(t, tt.verdict, plain.Replace(verdict))
			require.NotNil(t, r.Registry.Login)
			login := *r.Registry.Login
			login.Error = plain.Replace(login.Error)
			for i := range login.SentTo {
				login.SentTo[i] = plain.Replace(login.SentTo[i])
			}
			assert.Equal(t, tt.login, login)
			heard := tt.shop.requests()
			last := strings.Join(heard, "\n")
			if tt.shopHeard != "" {
				assert.Contains(t, last, "/manifests/1.2 "+tt.shopHeard)
			} else {
				assert.NotContains(t, last, "Basic ")
				assert.NotContains(t, last, "Bearer ")
			}
			if tt.tokens != nil {
				assert.Equal(t, tt.asked, strings.Join(tt.tokens.heard, "\n"))
			}
			shown, err := json.Marshal(r)
			require.NoError(t, err)
			for _, secret := range []string{"sesame", "dXNlcjpzZXNhbWU", "t0ken", "r3fresh"} {
				assert.NotContains(t, string(shown), secret)
			}
		})
	}
	t.Run("without an image", func(t *testing.T) {
		s := &shop{basic: "user:sesame", challenge: `Basic realm="shop"`}
		address := website(t, &leaf, s.ServeHTTP)
		o := Options{Trusted: trust(root), Credentials: as(user)}
		r := ask(t, address, o)
		assert.Nil(t, r.Registry.Login, "nobody wants to log in")
		assert.Equal(t, []string{"GET /v2/"}, s.requests())
		o.Login = true
		r = ask(t, address, o)
		assert.Equal(t, "trusted", r.Verdict)
		assert.True(t, r.Registry.Login.OK)
		o.Credentials = as(Credentials{Username: "user", Password: "wrong"})
		r = ask(t, address, o)
		assert.Equal(t, Unusable, r.Status)
		assert.Equal(t, "trusted, but the login fails", r.Verdict)
		assert.Contains(t, r.Cause, "the registry does not take it: 401 Unauthorized")
	})
	// Who is not trusted may not say where to log in, not even by a realm that is.
	t.Run("on the way to the challenge, somebody is not trusted", func(t *testing.T) {
		thief := &tokens{token: "t0ken"}
		realm := website(t, &leaf, thief.ServeHTTP)
		between := website(t, &wrong, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`/token",service="shop"`)
			w.WriteHeader(http.StatusUnauthorized)
		})
		for _, path := range []string{"/v2/", "/v2/team/app/manifests/1.2"} {
			thief.heard = nil
			address := website(t, &leaf, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == path {
					http.Redirect(w, r, between+"/", http.StatusFound)
				}
			})
			r := ask(t, strings.TrimPrefix(address, "https://")+"/team/app:1.2", Options{Trusted: trust(root), Credentials: as(user)})
			assert.Equal(t, Refused, r.Status)
			assert.NotEmpty(t, thief.heard)
			for _, heard := range thief.heard {
				assert.NotContains(t, heard, "Basic", "%s: the password was stolen", path)
				assert.NotContains(t, heard, "user")
			}
		}
	})
	t.Run("nobody knows the password", func(t *testing.T) {
		s := &shop{basic: "user:sesame", challenge: `Basic realm="shop"`}
		r := ask(t, strings.TrimPrefix(website(t, &leaf, s.ServeHTTP), "https://")+"/team/app:1.2", Options{
			Trusted: trust(root), Credentials: func(_ context.Context, registry, repository string) (Credentials, error) {
				assert.Equal(t, "team/app", repository)
				return Credentials{}, errors.New("the keyring is locked")
			},
		})
		assert.Equal(t, "the keyring is locked", r.Cause)
	})
}

// TestCredentialsDoNotPrintThemselves keeps them out of logs, whoever logs.
func TestCredentialsDoNotPrintThemselves(t *testing.T) {
	c := Credentials{Username: "user", Password: "sesame", IdentityToken: "r3fresh", RegistryToken: "t0ken", Source: "a test"}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c), fmt.Sprintf("%v %+v", &c, []Credentials{c})} {
		assert.NotContains(t, text, "sesame")
		assert.NotContains(t, text, "r3fresh")
		assert.NotContains(t, text, "t0ken")
	}
}
