package serve

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

var loopback = pki.Names{{Kind: pki.IP, Value: "127.0.0.1"}, {Kind: pki.DNS, Value: "localhost"}}

// logbook is what a server told.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logbook) note(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// start serves with a certificate that is made for it.
func start(t *testing.T, o Options) (*Server, Identity) {
	t.Helper()
	id, err := NewIdentity(o.Fault, loopback, time.Now())
	require.NoError(t, err)
	o.Listen, o.Certificate = "127.0.0.1:0", id.Certificate
	if o.Fault.WantsClientCertificate() {
		id.Client, err = NewClient(time.Now())
		require.NoError(t, err)
		o.ClientCA = id.Client.CA
	}
	s, err := Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s, id
}

// ample is more than anything takes that has an end.
const ample = time.Minute

// client trusts the CA of id, and nothing else.
func client(t *testing.T, id Identity) *http.Transport {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(id.CA)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: ample,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func get(t *testing.T, rt http.RoundTripper, url string, patience time.Duration) (*http.Response, []byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: rt}).Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	// Of what has no end, as much comes as the machine can send.
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", resp.Status)
	}
	return resp, body, err
}

// TestFaults: each fault is what the table says that Go's clients say.
func TestFaults(t *testing.T) {
	for _, f := range Faults() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			s, id := start(t, Options{Fault: f})
			rt, patience := client(t, id), ample
			switch { // it has no end
			case strings.Contains(f.Go, "deadline"):
				patience = 3 * time.Second
			case strings.Contains(f.Go, "handshake timeout"):
				rt.TLSHandshakeTimeout = time.Second
			}
			_, _, err := get(t, rt, "https://"+s.Addr().String()+"/v2/", patience)
			if f.Go == "" {
				assert.NoError(t, err)
			} else {
				require.ErrorContains(t, err, f.Go)
			}
			t.Log(err)
		})
	}
}

func TestNamesOfFaultsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Faults() {
		assert.False(t, seen[f.Name], f.Name)
		seen[f.Name] = true
		assert.NotEmpty(t, f.Does, f.Name)
		found, ok := Find(f.Name)
		assert.True(t, ok)
		assert.Equal(t, f.Does, found.Does)
	}
	_, ok := Find("no such fault")
	assert.False(t, ok)
}

// TestImage pulls the image for each platform, and checks all digests.
func TestImage(t *testing.T) {
	s, id := start(t, Options{})
	ref, err := name.ParseReference(s.Addr().String() + "/hello-world:latest")
	require.NoError(t, err)
	index, err := remote.Index(ref, remote.WithTransport(client(t, id)), remote.WithContext(t.Context()))
	require.NoError(t, err)
	digest, err := index.Digest()
	require.NoError(t, err)
	assert.Equal(t, ImageDigest(), digest.String())

	content, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, content.Manifests, 6)
	for _, m := range content.Manifests {
		image, err := remote.Image(ref, remote.WithTransport(client(t, id)), remote.WithPlatform(*m.Platform))
		require.NoError(t, err)
		assertWhole(t, image)
	}
}

// assertWhole reads all of the image; the reader checks digests and sizes. What
// is packed in its layer has to have the digest that the configuration names.
func assertWhole(t *testing.T, image v1.Image) {
	t.Helper()
	config, err := image.ConfigFile()
	require.NoError(t, err)
	layers, err := image.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	r, err := layers[0].Uncompressed()
	require.NoError(t, err)
	defer r.Close()
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, config.RootFS.DiffIDs[0].String(), digest(plain))
	archive := tar.NewReader(bytes.NewReader(plain))
	file, err := archive.Next()
	require.NoError(t, err)
	assert.Equal(t, "hello.txt", file.Name)
	assert.EqualValues(t, 0o644, file.Mode)
	text, err := io.ReadAll(archive)
	require.NoError(t, err)
	assert.Equal(t, greeting, string(text))
	_, err = archive.Next()
	assert.ErrorIs(t, err, io.EOF)
}

func TestProtocol(t *testing.T) {
	var said logbook
	s, id := start(t, Options{Log: said.note})
	url := "https://" + s.Addr().String()
	for _, c := range []struct {
		method, path string
		header       [2]string
		status       int
		wantHeader   [2]string
		body         string
	}{
		{method: "GET", path: "/v2/", status: 200, wantHeader: [2]string{"Docker-Distribution-Api-Version", "registry/2.0"}},
		{method: "HEAD", path: "/v2/hello-world/manifests/latest", status: 200, wantHeader: [2]string{"Docker-Content-Digest", ImageDigest()}},
		{method: "GET", path: "/v2/hello-world/manifests/latest", status: 200, wantHeader: [2]string{"Content-Type", typeIndex}},
		{method: "GET", path: "/v2/hello-world/manifests/" + ImageDigest(), status: 200, wantHeader: [2]string{"Docker-Content-Digest", ImageDigest()}},
		{method: "GET", path: "/v2/hello-world/tags/list", status: 200, body: `{"name":"hello-world","tags":["latest"]}`},
		{method: "GET", path: "/v2/_catalog", status: 200, body: `{"repositories":["hello-world"]}`},
		{method: "GET", path: "/v2/hello-world/manifests/none", status: 404, body: "MANIFEST_UNKNOWN"},
		{method: "GET", path: "/v2/none/manifests/latest", status: 404, body: "NAME_UNKNOWN"},
		{method: "GET", path: "/v2/hello-world/blobs/sha256:" + strings.Repeat("0", 64), status: 404, body: "BLOB_UNKNOWN"},
		{method: "POST", path: "/v2/hello-world/blobs/uploads/", status: 405, wantHeader: [2]string{"Allow", "GET, HEAD"}, body: "read-only"},
		{method: "DELETE", path: "/v2/hello-world/manifests/latest", status: 405, body: "UNSUPPORTED"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, nil)
			require.NoError(t, err)
			resp, err := client(t, id).RoundTrip(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, c.status, resp.StatusCode, "%s", body)
			assert.Contains(t, string(body), c.body)
			if c.wantHeader[0] != "" {
				assert.Equal(t, c.wantHeader[1], resp.Header.Get(c.wantHeader[0]))
			}
			assert.Equal(t, "HTTP/2.0", resp.Proto)
			assert.Contains(t, said.String(), fmt.Sprintf("%s %s: %d", c.method, c.path, c.status))
		})
	}
}

func TestRange(t *testing.T) {
	img, err := newImage()
	require.NoError(t, err)
	s, id := start(t, Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addr().String()+"/v2/hello-world/blobs/"+digest(img.blobs[0]), nil)
	require.NoError(t, err)
	r.Header.Set("Range", "bytes=2-5")
	resp, err := client(t, id).RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusPartialContent, resp.StatusCode)
	assert.Equal(t, img.blobs[0][2:6], body)
}

func TestTheImageIsTheSameEachTime(t *testing.T) {
	a, err := newImage()
	require.NoError(t, err)
	b, err := newImage()
	require.NoError(t, err)
	assert.Equal(t, a, b)
	var config struct{ OS, Architecture string }
	require.NoError(t, json.Unmarshal(a.blobs[1], &config))
	assert.Equal(t, "linux", config.OS)
	assert.Equal(t, "amd64", config.Architecture)
}

func TestWritable(t *testing.T) {
	s, id := start(t, Options{Writable: true})
	rt := remote.WithTransport(client(t, id))
	from, err := name.ParseReference(s.Addr().String() + "/hello-world:latest")
	require.NoError(t, err)
	to, err := name.ParseReference(s.Addr().String() + "/copy:1")
	require.NoError(t, err)
	index, err := remote.Index(from, rt)
	require.NoError(t, err)
	require.NoError(t, remote.WriteIndex(to, index, rt))
	copied, err := remote.Index(to, rt)
	require.NoError(t, err)
	digest, err := copied.Digest()
	require.NoError(t, err)
	assert.Equal(t, ImageDigest(), digest.String())
}

func TestClientCertificateIsTaken(t *testing.T) {
	f, _ := Find("mtls")
	s, id := start(t, Options{Fault: f})
	rt := client(t, id)
	rt.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{id.Client.Certificate.Raw}, PrivateKey: id.Client.Key}}
	_, _, err := get(t, rt, "https://"+s.Addr().String()+"/v2/", ample)
	assert.NoError(t, err)
}

func TestCorruptBlob(t *testing.T) {
	f, _ := Find("corrupt-blob")
	s, id := start(t, Options{Fault: f})
	img, err := newImage()
	require.NoError(t, err)
	_, body, err := get(t, client(t, id), "https://"+s.Addr().String()+"/v2/hello-world/blobs/"+digest(img.blobs[0]), ample)
	require.NoError(t, err)
	assert.Len(t, body, len(img.blobs[0]))
	assert.False(t, bytes.Equal(body, img.blobs[0]))
}

// TestRefusalIsTold: the server says why a client went away.
func TestRefusalIsTold(t *testing.T) {
	var said logbook
	f, _ := Find("expired")
	s, id := start(t, Options{Fault: f, Log: said.note})
	_, _, err := get(t, client(t, id), "https://"+s.Addr().String()+"/v2/", ample)
	require.Error(t, err)
	assert.Eventually(t, func() bool { return strings.Contains(said.String(), " handshake failed: the client says: ") }, ample, 10*time.Millisecond)
}

// TestRefusalAtTheEnd: also a client that is in its handshake when the server is
// told to end gets to say why it went away.
func TestRefusalAtTheEnd(t *testing.T) {
	var said logbook
	s, _ := start(t, Options{Log: said.note})
	ended := make(chan error, 1)
	_, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error {
		go func() { ended <- s.Close() }()
		<-s.ctx.Done() // the server is about to end, and waits for our answer
		return errors.New("not this one")
	}})
	require.ErrorContains(t, err, "not this one")
	require.NoError(t, <-ended)
	assert.Contains(t, said.String(), " handshake failed: the client says: bad certificate")
}

func TestOnce(t *testing.T) {
	for _, fault := range []string{"", "reset", "http"} {
		t.Run(fault, func(t *testing.T) {
			f, _ := Find(fault)
			s, id := start(t, Options{Fault: f, Once: true})
			rt := client(t, id)
			get(t, rt, "https://"+s.Addr().String()+"/v2/", ample) // refused or not
			rt.CloseIdleConnections()
			select {
			case <-s.Drained():
			case <-time.After(ample):
				assert.Fail(t, "the server waits for more")
			}
			_, err := net.DialTimeout("tcp", s.Addr().String(), ample)
			assert.Error(t, err)
		})
	}
}

// TestCloseFreesClients: whatever is being played, the server ends.
func TestCloseFreesClients(t *testing.T) {
	for _, name := range []string{"", "silent", "slow", "endless-body", "endless-header", "slow-body", "garbage"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := Find(name)
			s, _ := start(t, Options{Fault: f})
			patience := ample
			if name == "silent" || name == "slow" {
				patience = time.Second
			}
			c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true})
			if err == nil {
				defer c.Close()
				_, err = io.WriteString(c, "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
				require.NoError(t, err)
			}
			begin := time.Now()
			require.NoError(t, s.Close())
			assert.Less(t, time.Since(begin), ample/2)
		})
	}
}

func TestAddressInUse(t *testing.T) {
	s, id := start(t, Options{})
	_, err := Start(Options{Listen: s.Addr().String(), Certificate: id.Certificate})
	assert.ErrorContains(t, err, "address already in use")
}
