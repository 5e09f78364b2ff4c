package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a real API server does is tested in fixtures/kube; here is what one
// cannot be brought to do.

// open is a client of a server of our own.
func open(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := Open(Options{Kubeconfig: kubeconfig(server.URL), Timeout: ample})
	require.NoError(t, err)
	return c
}

func kubeconfig(url string) []byte {
	return fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u, namespace: infra}}],
  clusters: [{name: c, cluster: {server: %q}}], users: [{name: u, user: {token: sesame-open}}]}`, url)
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}
}

func TestAnswersOfOthers(t *testing.T) {
	const api = "application/json"
	status := func(reason string, code int, more string) string {
		return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"words","reason":%q,"code":%d%s}`, reason, code, more)
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   Kind
		says   string
	}{
		{"a page", answer(200, "text/html", "<html>log in</html>"), Unreachable, "none of a Kubernetes API server"},
		{"JSON of something else", answer(200, api, `{"hello": "world"}`), Unreachable, "none of a Kubernetes API server"},
		{"a list of something else", answer(200, api, `[1, 2]`), Unreachable, "none of a Kubernetes API server"},
		{"items that are none", answer(200, api, `{"items": {"a": 1}}`), Unreachable, "none of a Kubernetes API server"},
		{"an item of another shape", answer(200, api, `{"items": [{"metadata": 5}]}`), Unreachable, "none of a Kubernetes API server"},
		{"half a list", answer(200, api, `{"items": [{"metadata": {"name": "a"}}, {"metad`), Unreachable, "broke in the middle"},
		{"nothing", answer(200, api, ``), Unreachable, "broke in the middle"},
		{"a web server's 404", answer(404, "text/html", "<html>not found</html>"), Unreachable, "HTTP status 404"},
		{"a proxy's 502", answer(502, "text/html", "<html>bad gateway</html>"), Unreachable, "HTTP status 502"},
		{"a proxy's 403", answer(403, "text/html", "<html>no</html>"), Unreachable, "HTTP status 403"},
		{"the API server has trouble", answer(500, api, status("InternalError", 500, "")), Unreachable, "words"},
		{"no leader", answer(503, api, status("ServiceUnavailable", 503, "")), Unreachable, "words"},
		{"a quota", answer(403, api, status("Forbidden", 403, "")), Forbidden, "words"},
		{"a redirect to nowhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, Unreachable, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := List[Secret](t.Context(), open(t, c.answer), Secrets, "", ListOptions{})
			require.Error(t, err)
			assert.Equal(t, c.want, KindOf(err), err)
			assert.Contains(t, err.Error(), c.says)
			assert.True(t, strings.HasPrefix(err.Error(), "list secrets in all namespaces: "), err)
			assert.NotContains(t, err.Error(), "sesame")
		})
	}
}

// A list whose token has expired goes on with the one that the API server
// gives instead.
func TestExpiredContinue(t *testing.T) {
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "500", r.URL.Query().Get("limit"))
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Query().Get("continue") {
		case "":
			fmt.Fprint(w, `{"kind":"SecretList","metadata":{"continue":"old"},"items":[{"metadata":{"name":"a"}}]}`)
		case "old":
			w.WriteHeader(http.StatusGone)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","metadata":{"continue":"new"},"status":"Failure","reason":"Expired","message":"too old","code":410}`)
		case "new":
			fmt.Fprint(w, `{"items":[{"metadata":{"name":"b"}}],"metadata":{}}`)
		}
	})
	all, err := List[Object](t.Context(), c, Secrets, "infra", ListOptions{})
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, "b", all[1].Metadata.Name)
}

// Who has seen enough asks for no more pages.
func TestEachStops(t *testing.T) {
	pages := 0
	c := open(t, func(w http.ResponseWriter, _ *http.Request) {
		pages++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"metadata":{"continue":"more"},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}`)
	})
	for range Each[Object](t.Context(), c, Secrets, "", ListOptions{}) {
		break
	}
	assert.Equal(t, 1, pages)
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	told := errors.New("a signal")
	c := open(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(told)
		<-r.Context().Done()
	})
	_, err := List[Object](ctx, c, Secrets, "", ListOptions{})
	assert.ErrorIs(t, err, told)
}

func TestSlowServer(t *testing.T) {
	block := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	defer server.Close()
	defer close(block)
	c, err := Open(Options{Kubeconfig: kubeconfig(server.URL), Timeout: 50 * time.Millisecond})
	require.NoError(t, err)
	_, err = Get[Secret](t.Context(), c, Secrets, "infra", "a")
	assert.Equal(t, Unreachable, KindOf(err))
	assert.Contains(t, err.Error(), "no answer in time")
}

// Names that would lead to another path never reach it.
func TestNamesStayNames(t *testing.T) {
	c := open(t, func(_ http.ResponseWriter, r *http.Request) { t.Error("asked for", r.URL) })
	for _, name := range []string{"..", ".", "a/b", "a%2fb", "a?b", "a#b"} {
		_, err := Get[Secret](t.Context(), c, Secrets, "infra", name)
		assert.Equal(t, Invalid, KindOf(err), name)
		_, err = List[Secret](t.Context(), c, Secrets, name, ListOptions{})
		assert.Equal(t, Invalid, KindOf(err), name)
		_, err = c.Apply(t.Context(), Secrets, "infra", name, []byte("{}"), ApplyOptions{})
		assert.Equal(t, Invalid, KindOf(err), name)
	}
}

func TestOpen(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	c, err := Open(Options{Kubeconfig: kubeconfig("https://user:sesame-open@reg.example.com:6443")})
	require.NoError(t, err)
	assert.Equal(t, "infra", c.Namespace())
	assert.NotContains(t, c.Server(), "sesame")
	c, err = Open(Options{Kubeconfig: kubeconfig("user:sesame-open@127.0.0.1:6443")})
	require.NoError(t, err, "kubectl takes an address without a scheme")
	assert.NotContains(t, c.Server(), "sesame")
	assert.Contains(t, c.Server(), "127.0.0.1:6443")
	proxy := func(url string) Options {
		return Options{Kubeconfig: []byte(strings.Replace(string(kubeconfig("https://a")), "cluster: {server", fmt.Sprintf("cluster: {proxy-url: %q, server", url), 1)), Path: "bad"}
	}
	for name, o := range map[string]Options{
		"none":                  {},
		"no YAML":               {Kubeconfig: []byte("a: b: c"), Path: "bad"},
		"another kind":          {Kubeconfig: []byte("{apiVersion: v1, kind: Secret}"), Path: "bad"},
		"no cluster":            {Kubeconfig: []byte("{apiVersion: v1, kind: Config}"), Path: "bad"},
		"no such context":       {Kubeconfig: kubeconfig("https://a"), Context: "x", Path: "bad"},
		"no URL":                {Kubeconfig: kubeconfig("https://a b/%zz"), Path: "bad"},
		"neither URL nor host":  {Kubeconfig: kubeconfig("127.0.0.1:1/sesame"), Path: "bad"},
		"a proxy by ftp":        proxy("ftp://user:sesame@127.0.0.1:9"),
		"a proxy that is none":  proxy("http://user:sesame@127.0 .0.1:9"),
		"a slash in a password": proxy("http://user:sesame/sesame@127.0.0.1:9"),
		"a plug-in that is not": {Kubeconfig: []byte(strings.Replace(string(kubeconfig("https://a")), "{token: sesame-open}", "{auth-provider: {name: oidc}}", 1)), Path: "bad"},
		"a CA that is none":     {Kubeconfig: []byte(strings.Replace(string(kubeconfig("https://a")), "cluster: {server", "cluster: {certificate-authority-data: c2VzYW1lLW9wZW4=, server", 1)), Path: "bad"},
		"a CA that is not there": {
			Kubeconfig: []byte(strings.Replace(string(kubeconfig("https://a")), "cluster: {server", "cluster: {certificate-authority: gone.crt, server", 1)), Path: "bad",
		},
	} {
		_, err := Open(o)
		require.Error(t, err, name)
		assert.Equal(t, BadConfig, KindOf(err), name)
		assert.NotContains(t, err.Error(), "sesame", name)
		assert.NotContains(t, err.Error(), "\n", name)
	}
}

// TestPlugInFails: that the API server could not be reached would send people
// to look in the wrong place.
func TestPlugInFails(t *testing.T) {
	exec := `{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: "false"}}`
	c, err := Open(Options{Kubeconfig: []byte(strings.Replace(string(kubeconfig("https://127.0.0.1:1")), "{token: sesame-open}", exec, 1))})
	require.NoError(t, err)
	_, err = List[Secret](t.Context(), c, Secrets, "", ListOptions{})
	assert.Equal(t, Unauthorized, KindOf(err), err)
	assert.ErrorContains(t, err, "getting credentials")
}

// FuzzItems: whatever a server answers, reading it ends, and hands out nothing
// behind what take wanted.
func FuzzItems(f *testing.F) {
	f.Add([]byte(`{"kind":"SecretList","metadata":{"continue":"x"},"items":[{"metadata":{"name":"a"},"data":{"tls.crt":"TUE="}}]}`), 1)
	f.Add([]byte(`{"items":null,"metadata":{}}`), 0)
	f.Add([]byte(`{"items":[[]],"items":[{}]}`), 3)
	f.Fuzz(func(t *testing.T, data []byte, most int) {
		taken := 0
		items(strings.NewReader(string(data)), func(Secret) bool {
			taken++
			return taken < most
		})
		assert.LessOrEqual(t, taken, max(most, 1))
	})
}
