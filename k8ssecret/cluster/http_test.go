package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What is sent, and what comes of the answers, is tested against client-go: both
// do the same to servers of one kind.

// asked is one request that a server got, as far as it matters.
type asked struct {
	Method, Path, Proto string
	Peer                string // who the client's certificate names
	Query               url.Values
	Header              http.Header
	Body                string
}

// record is what a server was asked.
type record struct {
	mu  sync.Mutex
	all []asked
}

// add notes a request and gives its number, from 0.
func (s *record) add(r *http.Request) int {
	body, _ := io.ReadAll(r.Body)
	header := http.Header{}
	for name, values := range r.Header {
		switch name {
		case "Content-Length", "Traceparent": // in HTTP/2 it is there or not
		case "Referer":
			header[name] = []string{portless(values[0])}
		default:
			header[name] = values
		}
	}
	peer := ""
	if len(r.TLS.PeerCertificates) > 0 {
		peer = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, asked{r.Method, r.URL.EscapedPath(), r.Proto, peer, r.URL.Query(), header, string(body)})
	return len(s.all) - 1
}

// list is all that was asked until now.
func (s *record) list() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// portless makes what names a server of ours the same for all of them.
func portless(text string) string {
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "HOST")
}

const (
	// ample is more than anything takes that does not wait for ever.
	ample = time.Minute
	// slow is how long who never answers is waited for. The request has to have
	// arrived by then.
	slow = 4 * time.Second
)

// handler answers the request with the number try.
type handler func(w http.ResponseWriter, r *http.Request, try int)

// outcome is what came of a call.
type outcome struct {
	Body     string
	Created  bool
	Warnings []string
	Kind     Kind
	Detail   string // of answers; what Go says of connections has ports in it
	Owners   []Owner
	Fields   []string
	Needed   Op
	Missing  string
}

func outcomeOf(body []byte, created bool, err error) outcome {
	o := outcome{Body: string(body), Created: created}
	if e, ok := errors.AsType[*Error](err); ok {
		o = outcome{Kind: e.Kind, Owners: e.Owners, Fields: e.Fields, Needed: e.Needed, Missing: e.Missing.Resource + " " + e.Missing.Name}
		if _, ok := errors.AsType[*status](err); ok {
			o.Detail = e.Detail
		} else if strings.HasPrefix(e.Detail, "getting credentials") {
			o.Detail, _, _ = strings.Cut(e.Detail, "decoding stdout") // each reader has its own words
			o.Detail = strings.TrimSuffix(strings.TrimSuffix(o.Detail, " none"), " version client.authentication.k8s.io/__internal")
		}
	}
	return o
}

// call is one of the things that are asked for.
type call struct {
	op   Op
	ours func(context.Context, *Client) ([]byte, bool, error)
	rest func(*rest.RESTClient) *rest.Request
}

const secretText = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a b"}}`

func getCall() call {
	return call{
		op: Op{"get", Secrets, "infra", "a b"},
		ours: func(ctx context.Context, c *Client) ([]byte, bool, error) {
			got, err := Get[json.RawMessage](ctx, c, Secrets, "infra", "a b")
			return got, false, err
		},
		rest: func(c *rest.RESTClient) *rest.Request {
			return c.Get().AbsPath("/api", "v1", "namespaces", "infra", "secrets", "a b")
		},
	}
}

func createCall() call {
	return call{
		op: Op{"create", Deployments, "infra", ""},
		ours: func(ctx context.Context, c *Client) ([]byte, bool, error) {
			done, err := c.Create(ctx, Deployments, "infra", []byte(secretText), ApplyOptions{DryRun: true})
			return done.Object, done.Created, err
		},
		rest: func(c *rest.RESTClient) *rest.Request {
			return c.Post().AbsPath("/apis", "apps", "v1", "namespaces", "infra", "deployments").Param("fieldManager", "crpki").Param("fieldValidation", "Strict").
				Param("dryRun", "All").Body([]byte(secretText)).SetHeader("Content-Type", "application/json")
		},
	}
}

func applyCall() call {
	return call{
		op: Op{"patch", Secrets, "infra", "a"},
		ours: func(ctx context.Context, c *Client) ([]byte, bool, error) {
			done, err := c.Apply(ctx, Secrets, "infra", "a", []byte(secretText), ApplyOptions{Force: true})
			return done.Object, done.Created, err
		},
		rest: func(c *rest.RESTClient) *rest.Request {
			return c.Patch(types.ApplyPatchType).AbsPath("/api", "v1", "namespaces", "infra", "secrets", "a").Param("fieldManager", "crpki").Param("fieldValidation", "Strict").
				Param("force", "true").Body([]byte(secretText))
		},
	}
}

func mergeCall() call {
	return call{
		op: Op{"patch", ServiceAccounts, "infra", "a"},
		ours: func(ctx context.Context, c *Client) ([]byte, bool, error) {
			done, err := c.Merge(ctx, ServiceAccounts, "infra", "a", []byte(secretText), ApplyOptions{})
			return done.Object, done.Created, err
		},
		rest: func(c *rest.RESTClient) *rest.Request {
			return c.Patch(types.StrategicMergePatchType).AbsPath("/api", "v1", "namespaces", "infra", "serviceaccounts", "a").
				Param("fieldManager", "crpki").Param("fieldValidation", "Strict").Body([]byte(secretText))
		},
	}
}

func listCall() call {
	return call{
		op: Op{"list", Secrets, "", ""},
		ours: func(ctx context.Context, c *Client) ([]byte, bool, error) {
			all, err := List[json.RawMessage](ctx, c, Secrets, "", ListOptions{Labels: "app=registry,tier!=a b", Fields: "type=kubernetes.io/tls", PageSize: 7})
			if err != nil {
				return nil, false, err
			}
			return bytes.Join(rawBytes(all), []byte("\n")), false, nil
		},
		rest: func(c *rest.RESTClient) *rest.Request {
			return c.Get().AbsPath("/api", "v1", "secrets").Param("limit", "7").Param("labelSelector", "app=registry,tier!=a b").Param("fieldSelector", "type=kubernetes.io/tls")
		},
	}
}

func rawBytes(all []json.RawMessage) (data [][]byte) {
	for _, one := range all {
		data = append(data, one)
	}
	return data
}

// theirCall is what client-go makes of a call, in our words.
func theirCall(ctx context.Context, c *rest.RESTClient, k call) ([]byte, bool, error) {
	var code int
	result := k.rest(c).Do(ctx).StatusCode(&code)
	err := result.Error()
	var body []byte
	if err == nil {
		body, err = result.Raw()
	}
	if err == nil && k.op.Verb == "get" {
		var object json.RawMessage
		err = k.op.decode(body, &object)
	}
	if err == nil && k.op.Verb == "list" {
		var all []json.RawMessage
		_, err = items(bytes.NewReader(body), func(one json.RawMessage) bool {
			all = append(all, one)
			return true
		})
		body = bytes.Join(rawBytes(all), []byte("\n"))
	}
	if answer, ok := errors.AsType[*apierrors.StatusError](err); ok {
		data, _ := json.Marshal(answer.ErrStatus)
		var s status
		json.Unmarshal(data, &s)
		err = &s
	}
	return body, code == http.StatusCreated && k.op.Verb != "get", k.op.explain(ctx, err)
}

// server is one of our own, over TLS, and a kubeconfig for it.
func server(t *testing.T, h handler, http2 bool, user string) (*record, []byte) {
	t.Helper()
	var seen record
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r, seen.add(r)) }))
	s.EnableHTTP2 = http2
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	config, err := json.Marshal(map[string]any{
		"current-context": "c", "contexts": []any{map[string]any{"name": "c", "context": map[string]string{"cluster": "c", "user": "u"}}},
		"clusters": []any{map[string]any{"name": "c", "cluster": map[string]any{"server": s.URL + "/prefix", "certificate-authority-data": ca}}},
		"users":    []any{map[string]any{"name": "u", "user": json.RawMessage(user)}},
	})
	require.NoError(t, err)
	return &seen, config
}

const tokenUser = `{"token": "sesame", "as": "jane", "as-groups": ["a", "b"], "as-user-extra": {"Scope/x": ["y"]}}`

// bothDo lets both sides do the calls, each to a server of its own.
func bothDo(t *testing.T, h handler, http2 bool, ourUser, theirUser string, timeout time.Duration, calls ...call) []asked {
	t.Helper()
	silence()
	type side struct {
		seen *record
		outs []outcome
	}
	var we, they side
	var running sync.WaitGroup
	running.Go(func() {
		var config []byte
		they.seen, config = server(t, h, http2, theirUser)
		c, err := clientcmd.RESTConfigFromKubeConfig(config)
		if !assert.NoError(t, err) {
			return
		}
		var told []string
		c.Timeout, c.UserAgent = timeout, "crpki/1"
		c.WrapTransport = keeping
		c.WarningHandler = warningFunc(func(text string) { told = append(told, text) })
		client, err := restClient(c)
		if !assert.NoError(t, err) {
			return
		}
		for _, k := range calls {
			told = nil
			o := outcomeOf(theirCall(t.Context(), client, k))
			o.Warnings = told
			they.outs = append(they.outs, o)
		}
	})
	running.Go(func() {
		var config []byte
		we.seen, config = server(t, h, http2, ourUser)
		var told []string
		client, err := Open(Options{Kubeconfig: config, Timeout: timeout, UserAgent: "crpki/1", Warn: func(text string) { told = append(told, text) }})
		if !assert.NoError(t, err) {
			return
		}
		for _, k := range calls {
			told = nil
			o := outcomeOf(k.ours(t.Context(), client))
			o.Warnings = told
			we.outs = append(we.outs, o)
			assert.NotContains(t, fmt.Sprint(o), "sesame")
		}
	})
	running.Wait()
	assert.Equal(t, they.outs, we.outs)
	assert.Equal(t, they.seen.list(), we.seen.list())
	return we.seen.list()
}

// keeping reads the answer by which client-go sees that it needs another
// certificate. It closes the connection then, with the end of that answer still
// on its way, or not.
func keeping(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err == nil && answer.StatusCode == http.StatusUnauthorized {
			keep(answer)
		}
		return answer, err
	})
}

type warningFunc func(string)

func (f warningFunc) HandleWarningHeader(code int, _, text string) {
	if code == 299 && text != "" {
		f(text)
	}
}

func says(code int, contentType, body string, header ...string) handler {
	return func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Content-Type", contentType)
		if contentType == "" {
			w.Header()["Content-Type"] = nil
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// then answers with first for the first n requests, and with next after them.
func then(n int, first, next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, try int) {
		if try < n {
			first(w, r, try)
		} else {
			next(w, r, try)
		}
	}
}

func statusText(reason string, code int, details string) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"User \"jane\" cannot get resource \"secrets\" in API group \"\" in the namespace \"infra\"","reason":%q,"details":%s,"code":%d}`, reason, details, code)
}

// hijack ends a connection of HTTP/1.1 after writing text.
func hijack(text string, reset bool) handler {
	return func(w http.ResponseWriter, _ *http.Request, _ int) {
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		buffer.WriteString(text)
		buffer.Flush()
		if under, ok := conn.(interface{ NetConn() net.Conn }); ok && reset {
			under.NetConn().(*net.TCPConn).SetLinger(0)
			under.NetConn().Close()
			return
		}
		conn.Close()
	}
}

func TestRequests(t *testing.T) {
	const api = "application/json"
	ok := says(200, api, secretText)
	for _, c := range []struct {
		name    string
		answer  handler
		http1   bool
		timeout time.Duration
		calls   []call
	}{
		{name: "200", answer: ok},
		{name: "200 by HTTP/1.1", answer: ok, http1: true},
		{name: "201", answer: says(201, api, secretText)},
		{name: "202", answer: says(202, api, secretText)},
		{name: "207", answer: says(207, api, secretText)},
		{name: "304", answer: says(304, api, "")},
		{name: "warnings", answer: says(200, api, secretText,
			"Warning", `299 - "first \"quoted\"", 299 - "second" "Sat, 21 Nov 2026 10:00:00 GMT"`, "Warning", `199 - "other"`, "Warning", `299 - third`, "Warning", `299 agent "=?utf-8?q?f=C3=B6urth?="`, "Warning", `299 - ""`)},
		{name: "warnings with a refusal", answer: says(403, api, statusText("Forbidden", 403, "{}"), "Warning", `299 - "beware"`)},
		{name: "warnings of a page", answer: says(403, "text/html", "<html>", "Warning", `299 - "beware"`)},
		{name: "401", answer: says(401, api, statusText("Unauthorized", 401, "{}"))},
		{name: "403", answer: says(403, api, statusText("Forbidden", 403, `{"name":"a","kind":"secrets"}`))},
		{name: "404", answer: says(404, api, statusText("NotFound", 404, `{"name":"infra","kind":"namespaces"}`))},
		{name: "404 without a name", answer: says(404, api, statusText("NotFound", 404, "{}"))},
		{name: "404 of the mux", answer: says(404, "text/plain; charset=utf-8", "404 page not found\n")},
		{name: "409 of fields", answer: says(409, api, statusText("Conflict", 409, `{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl-create\" using v1","field":".data.a"}]}`))},
		{name: "409 of names", answer: says(409, api, statusText("AlreadyExists", 409, "null"))},
		{name: "410", answer: says(410, api, statusText("Expired", 410, "{}"))},
		{name: "422", answer: says(422, api, statusText("Invalid", 422, `{"causes":[{"reason":"FieldValueInvalid","message":"field is immutable","field":"type"}]}`))},
		{name: "a Status with a charset", answer: says(422, "application/json; charset=utf-8", statusText("Invalid", 422, "{}"))},
		{name: "a Status of no type", answer: says(422, "", statusText("Invalid", 422, "{}"))},
		{name: "a Status as text", answer: says(422, "text/plain", statusText("Invalid", 422, "{}"))},
		{name: "a Status of success", answer: says(422, api, strings.Replace(statusText("Invalid", 422, "{}"), "Failure", "Success", 1))},
		{name: "a Status of no version", answer: says(422, api, strings.Replace(statusText("Invalid", 422, "{}"), `"apiVersion":"v1",`, "", 1))},
		{name: "a Status of another version", answer: says(422, api, strings.Replace(statusText("Invalid", 422, "{}"), `"v1"`, `"v2"`, 1))},
		{name: "a Status of other types", answer: says(422, api, strings.Replace(statusText("Invalid", 422, "{}"), `"code":422`, `"code":"422"`, 1))},
		{name: "a Status with another code than the answer", answer: says(403, api, statusText("Invalid", 422, "{}"))},
		{name: "another kind", answer: says(422, api, secretText)},
		{name: "half a Status", answer: says(422, api, statusText("Invalid", 422, "{}")[:50])},
		{name: "no body", answer: says(500, api, "")},
		{name: "a list", answer: says(200, api, `{"metadata": {}, "items": [{"a": 1}, {"b": 2}]}`, "Warning", `299 - "old"`), calls: []call{listCall()}},
		{name: "a list after 429", answer: then(3, says(429, api, statusText("TooManyRequests", 429, "{}"), "Retry-After", "0"), says(200, api, `{"items": [{"a": 1}]}`)), calls: []call{listCall()}},
		{name: "a list over a connection that breaks", answer: then(1, hijack("", true), says(200, api, `{"items": [{"a": 1}]}`)), http1: true, calls: []call{listCall()}},
		{name: "a list that is refused", answer: says(403, api, statusText("Forbidden", 403, "{}")), calls: []call{listCall()}},
		{name: "a list that is none", answer: says(200, api, "[]"), calls: []call{listCall()}},
		{name: "a page of a proxy", answer: says(200, "text/html", "<html>log in</html>")},
		{name: "502 of a proxy", answer: says(502, "text/html", "<html>bad gateway</html>")},
		{name: "401 of a proxy", answer: says(401, "text/html", "<html>log in</html>")},
		{name: "429 of a proxy", answer: says(429, "text/html", "<html>too much</html>")},
		{name: "413", answer: says(413, "text/plain", "too large")},
		{name: "429 and then not", answer: then(3, says(429, api, statusText("TooManyRequests", 429, "{}"), "Retry-After", "0"), ok)},
		{name: "429 and a second later not", answer: then(1, says(429, api, statusText("TooManyRequests", 429, "{}"), "Retry-After", "1"), ok)},
		{name: "429 for ever", answer: says(429, api, statusText("TooManyRequests", 429, "{}"), "Retry-After", "0")},
		{name: "429 without a time", answer: says(429, api, statusText("TooManyRequests", 429, "{}"))},
		{name: "429 with a date", answer: says(429, api, statusText("TooManyRequests", 429, "{}"), "Retry-After", "Sat, 21 Nov 2026 10:00:00 GMT")},
		{name: "500", answer: says(500, api, statusText("InternalError", 500, "{}"))},
		{name: "500 and then not", answer: then(2, says(500, api, statusText("InternalError", 500, "{}"), "Retry-After", "0"), ok)},
		{name: "503", answer: says(503, api, statusText("ServiceUnavailable", 503, "{}"))},
		{name: "503 and then not", answer: then(2, says(503, "text/html", strings.Repeat("<html>", 10000), "Retry-After", "0"), ok)},
		{name: "503 for ever", answer: says(503, "text/html", "<html>", "Retry-After", "0")},
		{name: "404 with a time", answer: says(404, api, statusText("NotFound", 404, "{}"), "Retry-After", "0")},
		{name: "a redirect", answer: func(w http.ResponseWriter, r *http.Request, try int) {
			if !strings.HasSuffix(r.URL.Path, "/moved") {
				http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
				return
			}
			ok(w, r, try)
		}},
		{name: "a redirect that changes what is asked", answer: func(w http.ResponseWriter, r *http.Request, try int) {
			if !strings.HasSuffix(r.URL.Path, "/moved") {
				http.Redirect(w, r, "/moved?a=b", http.StatusFound)
				return
			}
			ok(w, r, try)
		}},
		{name: "redirects in a circle", answer: func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
		}},
		{name: "a redirect to nowhere", answer: says(302, "text/html", "<html>")},
		{name: "a connection that breaks", answer: then(1, hijack("", true), ok), http1: true},
		{name: "a connection that ends", answer: then(1, hijack("", false), ok), http1: true},
		{name: "connections that break for ever", answer: hijack("", true), http1: true, timeout: ample, calls: []call{getCall()}},
		{name: "a body that is cut", answer: hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a\": ", false), http1: true},
		{name: "a refusal that is cut", answer: hijack("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a\": ", false), http1: true},
		{name: "no HTTP", answer: hijack("SSH-2.0-OpenSSH\r\n", false), http1: true},
		{name: "too slow", answer: func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }, timeout: slow},
		{name: "too slow in the middle", answer: func(w http.ResponseWriter, r *http.Request, _ int) {
			io.WriteString(w, "{")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, timeout: slow},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.timeout == 0 {
				c.timeout = ample
			}
			if c.calls == nil {
				c.calls = []call{getCall(), createCall(), applyCall(), mergeCall()}
			}
			for _, k := range c.calls { // each has its own servers, and so its own numbers
				assert.NotEmpty(t, bothDo(t, c.answer, !c.http1, tokenUser, tokenUser, c.timeout, k))
			}
		})
	}
}

// script is a plug-in that prints what lines say, a line at each call, and then
// the last one.
func script(t *testing.T, apiVersion string, more string, lines ...string) (path, user string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "plug-in")
	for i, line := range lines {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i+1)), []byte(line), 0o600))
	}
	text := fmt.Sprintf("#!/bin/sh\ncd %s\necho x >> calls\nprintf '%%s\\n' \"$KUBERNETES_EXEC_INFO\" \"$A\" \"$*\" >> told\nn=$(wc -l < calls)\n[ -f $n ] || n=%d\ncat $n\n", dir, len(lines))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o700))
	return path, fmt.Sprintf(`{"exec": {"apiVersion": %q, "command": %q, "interactiveMode": "Never", "args": ["x", "y"], "env": [{"name": "A", "value": "b"}]%s}}`, apiVersion, path, more)
}

func credential(version, status string) string {
	return fmt.Sprintf(`{"apiVersion": %q, "kind": "ExecCredential", "status": %s}`, version, status)
}

// TestPlugIns: what plug-ins are told, how often they run, and what is made of
// what they print.
func TestPlugIns(t *testing.T) {
	const v1, v1beta1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"
	cert, key := pair(t, "jane")
	certAndKey, err := json.Marshal(map[string]string{"clientCertificateData": cert, "clientKeyData": key})
	require.NoError(t, err)
	second, secondKey := pair(t, "june")
	another, err := json.Marshal(map[string]string{"clientCertificateData": second, "clientKeyData": secondKey})
	require.NoError(t, err)
	// The server takes the token "two", and the certificate of june.
	accept := func(w http.ResponseWriter, r *http.Request, try int) {
		june := len(r.TLS.PeerCertificates) > 0 && r.TLS.PeerCertificates[0].Subject.CommonName == "june"
		if r.Header.Get("Authorization") != "Bearer two" && !june {
			says(401, "application/json", statusText("Unauthorized", 401, "{}"))(w, r, try)
			return
		}
		says(200, "application/json", secretText)(w, r, try)
	}
	one, two := credential(v1, `{"token": "one"}`), credential(v1, `{"token": "two"}`)
	for _, c := range []struct {
		name, version, more string
		lines               []string
	}{
		{"a token", v1, "", []string{two}},
		{"a token of v1beta1", v1beta1, "", []string{credential(v1beta1, `{"token": "two"}`)}},
		{"a token that is refused, and another", v1, "", []string{one, two}},
		{"a token that is refused for ever", v1, "", []string{one}},
		{"a token that has expired", v1, "", []string{credential(v1, `{"token": "two", "expirationTimestamp": "2020-01-01T00:00:00Z"}`)}},
		{"a token that holds", v1, "", []string{credential(v1, `{"token": "two", "expirationTimestamp": "2099-01-01T00:00:00+01:00"}`)}},
		{"no time", v1, "", []string{credential(v1, `{"token": "two", "expirationTimestamp": "tomorrow"}`)}},
		{"an empty time", v1, "", []string{credential(v1, `{"token": "two", "expirationTimestamp": ""}`)}},
		{"the cluster", v1, `, "provideClusterInfo": true`, []string{two}},
		{"YAML", v1, "", []string{"apiVersion: " + v1 + "\nkind: ExecCredential\nstatus:\n  token: two\n"}},
		{"no kind", v1, "", []string{strings.Replace(two, `"kind": "ExecCredential", `, "", 1)}},
		{"another kind", v1, "", []string{strings.Replace(two, "ExecCredential", "Secret", 1)}},
		{"another version", v1, "", []string{strings.Replace(two, v1, v1beta1, 1)}},
		{"no version", v1, "", []string{`{"kind": "ExecCredential", "status": {"token": "two"}}`}},
		{"no status", v1, "", []string{`{"apiVersion": "` + v1 + `", "kind": "ExecCredential"}`}},
		{"an empty status", v1, "", []string{credential(v1, "{}")}},
		{"a token that is a number", v1, "", []string{credential(v1, `{"token": 2}`)}},
		{"nothing", v1, "", []string{""}},
		{"words", v1, "", []string{"log in first\n"}},
		{"a certificate", v1, "", []string{credential(v1, string(certAndKey))}},
		{"a certificate that is refused, and another", v1, "", []string{credential(v1, string(certAndKey)), credential(v1, string(another))}},
		{"a certificate that is refused, and a token", v1, "", []string{credential(v1, string(certAndKey)), two}},
		{"a certificate and a token", v1, "", []string{credential(v1, strings.Replace(string(another), "{", `{"token": "two", `, 1))}},
		{"a certificate without a key", v1, "", []string{credential(v1, `{"clientCertificateData": "abc"}`)}},
		{"a certificate that is none", v1, "", []string{credential(v1, `{"clientCertificateData": "abc", "clientKeyData": "def"}`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ourPath, ourUser := script(t, c.version, c.more, c.lines...)
			theirPath, theirUser := script(t, c.version, c.more, c.lines...)
			// What is only asked for is asked for again when it met a connection that
			// was just closed.
			bothDo(t, accept, true, ourUser, theirUser, ample, getCall(), getCall(), createCall())
			var told []string
			for _, path := range []string{ourPath, theirPath} {
				calls, err := os.ReadFile(filepath.Join(filepath.Dir(path), "calls"))
				require.NoError(t, err)
				data, err := os.ReadFile(filepath.Join(filepath.Dir(path), "told"))
				require.NoError(t, err)
				told = append(told, string(calls)+portless(string(data)))
			}
			assert.Equal(t, told[0], told[1], "what they were told, and how often")
		})
	}
}

// TestRefusalIsReadToItsEnd: the connection over which a refusal comes is closed
// for another certificate, but not before all of it is there.
func TestRefusalIsReadToItsEnd(t *testing.T) {
	const v1 = "client.authentication.k8s.io/v1"
	var lines []string
	for _, name := range []string{"jane", "june"} {
		cert, key := pair(t, name)
		status, err := json.Marshal(map[string]string{"clientCertificateData": cert, "clientKeyData": key})
		require.NoError(t, err)
		lines = append(lines, credential(v1, string(status)))
	}
	_, user := script(t, v1, "", lines...)
	_, config := server(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done(): // the client has gone
		case <-time.After(time.Second):
			io.WriteString(w, statusText("Unauthorized", 401, "{}"))
		}
	}, true, user)
	c, err := Open(Options{Kubeconfig: config, Timeout: ample})
	require.NoError(t, err)
	_, err = Get[Secret](t.Context(), c, Secrets, "infra", "a")
	assert.Equal(t, Unauthorized, KindOf(err), err)
}

// TestPlugInsThatFail: the same words as client-go has.
func TestPlugInsThatFail(t *testing.T) {
	for _, more := range []string{
		`"command": "false"`, `"command": "no-such-plug-in"`, `"command": "no-such-plug-in", "installHint": "get \u001bit\n"`, `"command": "/"`, `"command": "./no-such"`,
	} {
		user := `{"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", ` + more + `}}`
		seen := bothDo(t, says(200, "application/json", secretText), true, user, user, ample, getCall(), createCall())
		assert.Empty(t, seen, "who has no credentials asks nothing")
	}
	user := `{"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Always", "command": "true"}}`
	bothDo(t, says(200, "application/json", secretText), true, user, user, ample, getCall())
}

// TestPlugInsNotNeeded: who has other credentials needs none of a plug-in.
func TestPlugInsNotNeeded(t *testing.T) {
	cert, key := pair(t, "jane")
	for _, other := range []map[string]any{
		{"token": "abc"}, {"username": "jane", "password": "abc"}, {"client-certificate-data": []byte(cert), "client-key-data": []byte(key)},
	} {
		other["exec"] = map[string]string{"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "false"}
		user, err := json.Marshal(other)
		require.NoError(t, err)
		seen := bothDo(t, says(200, "application/json", secretText), true, string(user), string(user), ample, getCall())
		assert.Len(t, seen, 1)
	}
}

// TestProxy: what the kubeconfig names is asked in place of the server.
func TestProxy(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		says(200, "application/json", secretText)(w, r, 0)
	}))
	defer proxy.Close()
	through := strings.Replace(proxy.URL, "http://", "http://jane:sesame@", 1)
	for _, scheme := range []string{"http", "https"} {
		c, err := Open(Options{Kubeconfig: fmt.Appendf(nil, `{current-context: c, contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "%s://api.example", proxy-url: %q}}]}`, scheme, through)})
		require.NoError(t, err)
		_, err = Get[Object](t.Context(), c, Secrets, "infra", "a")
		if scheme == "http" {
			require.NoError(t, err)
		} else {
			assert.Equal(t, Unreachable, KindOf(err), "the proxy speaks no TLS")
		}
	}
	const login = " Basic amFuZTpzZXNhbWU="
	assert.Equal(t, []string{"GET http://api.example/api/v1/namespaces/infra/secrets/a?timeout=30s" + login, "CONNECT api.example:443" + login}, asked)
}

// TestProxyOfEnvironment runs itself with proxies in the environment, which Go
// reads once: for each server both sides go through the same one, or none.
func TestProxyOfEnvironment(t *testing.T) {
	if os.Getenv("CRPKI_TEST_PROXY") == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestProxyOfEnvironment$", "-test.v")
		cmd.Env = append(os.Environ(), "CRPKI_TEST_PROXY=1", "HTTPS_PROXY=http://proxy.example:3128", "HTTP_PROXY=http://other.example:3128", "NO_PROXY=10.0.0.0/8,.internal,192.168.7.7,fd00::/8")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Contains(t, string(out), "--- PASS: TestProxyOfEnvironment/", string(out))
		return
	}
	for server, want := range map[string]string{
		"https://api.example:6443": "http://proxy.example:3128", "https://10.96.0.1": "", "https://11.96.0.1": "http://proxy.example:3128", "https://api.internal": "",
		"https://192.168.7.7": "", "https://192.168.7.8": "http://proxy.example:3128", "https://[fd00::1]:6443": "", "http://api.example": "http://other.example:3128", "https://127.0.0.1": "",
	} {
		t.Run(server, func(t *testing.T) {
			text := []byte(simple(fmt.Sprintf("server: '%s', insecure-skip-tls-verify: true", server), "token: abc", ""))
			c, err := Open(Options{Kubeconfig: text})
			require.NoError(t, err)
			config, err := clientcmd.RESTConfigFromKubeConfig(text)
			require.NoError(t, err)
			other, err := restClient(config)
			require.NoError(t, err)
			assert.Equal(t, want, proxyOf(t, c.http.Transport, server))
			assert.Equal(t, want, proxyOf(t, other.Client.Transport, server), "client-go")
		})
	}
}

func proxyOf(t *testing.T, rt http.RoundTripper, server string) string {
	t.Helper()
	for {
		wrapped, ok := rt.(interface{ WrappedRoundTripper() http.RoundTripper })
		if !ok {
			break
		}
		rt = wrapped.WrappedRoundTripper()
	}
	r, err := http.NewRequest(http.MethodGet, server, nil)
	require.NoError(t, err)
	proxy, err := rt.(*http.Transport).Proxy(r)
	require.NoError(t, err)
	if proxy == nil {
		return ""
	}
	return proxy.String()
}

// TestPatience: where client-go waits longer than anybody has allowed, we say
// what we know.
func TestPatience(t *testing.T) {
	seen, config := server(t, says(429, "application/json", statusText("TooManyRequests", 429, "{}"), "Retry-After", "3600"), true, tokenUser)
	c, err := Open(Options{Kubeconfig: config, Timeout: ample})
	require.NoError(t, err)
	start := time.Now()
	_, err = Get[Secret](t.Context(), c, Secrets, "infra", "a")
	assert.Equal(t, Throttled, KindOf(err), err)
	_, err = c.Apply(t.Context(), Secrets, "infra", "a", []byte("{}"), ApplyOptions{})
	assert.Equal(t, Throttled, KindOf(err), err)
	assert.Less(t, time.Since(start), ample)
	assert.Len(t, seen.list(), 2)
}

// TestPatienceWithBrokenConnections: a server whose connections break is asked
// again while there is time. A second is between two times.
func TestPatienceWithBrokenConnections(t *testing.T) {
	seen, config := server(t, hijack("", true), false, tokenUser)
	c, err := Open(Options{Kubeconfig: config, Timeout: 2500 * time.Millisecond})
	require.NoError(t, err)
	_, err = Get[Secret](t.Context(), c, Secrets, "infra", "a")
	assert.Equal(t, Unreachable, KindOf(err), err)
	assert.LessOrEqual(t, len(seen.list()), 3, "it goes on when time is up")
}

// TestWaitEnds: who is told to stop does not wait for the API server.
func TestWaitEnds(t *testing.T) {
	told := errors.New("a signal")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, config := server(t, func(w http.ResponseWriter, r *http.Request, try int) {
		says(429, "application/json", statusText("TooManyRequests", 429, "{}"), "Retry-After", "3600")(w, r, try)
		time.AfterFunc(50*time.Millisecond, func() { cancel(told) })
	}, true, tokenUser)
	c, err := Open(Options{Kubeconfig: config, Timeout: 2 * time.Hour})
	require.NoError(t, err)
	start := time.Now()
	_, err = Get[Secret](ctx, c, Secrets, "infra", "a")
	assert.ErrorIs(t, err, told)
	assert.Less(t, time.Since(start), ample)
}

// TestLongAnswers: who answers without end is not read without end.
func TestLongAnswers(t *testing.T) {
	for _, code := range []int{200, 403} {
		_, config := server(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			for range 10_000 {
				if _, err := io.WriteString(w, strings.Repeat(" ", 10_000)); err != nil {
					return
				}
			}
		}, true, tokenUser)
		c, err := Open(Options{Kubeconfig: config})
		require.NoError(t, err)
		_, err = Get[Secret](t.Context(), c, Secrets, "infra", "a")
		assert.Equal(t, Unreachable, KindOf(err))
		assert.ErrorContains(t, err, "none of a Kubernetes API server")
	}
}

// FuzzCredential: whatever a plug-in prints, reading it gives credentials or
// says why not, and repeats none of it.
func FuzzCredential(f *testing.F) {
	const version = "client.authentication.k8s.io/v1"
	for _, status := range []string{`{"token": "two"}`, `{"clientCertificateData": "a", "clientKeyData": "b"}`, `{"token": "a", "expirationTimestamp": "2020-01-01T00:00:00Z"}`, "null"} {
		f.Add([]byte(credential(version, status)))
	}
	f.Add([]byte("apiVersion: " + version + "\nstatus: {token: two}\n"))
	f.Fuzz(func(t *testing.T, output []byte) {
		c, err := parseCredential(output, version)
		if err == nil && c.token == "" && c.cert == nil {
			t.Error("neither credentials nor an error")
		}
	})
}
