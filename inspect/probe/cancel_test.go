package probe

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCancel: whoever gives up does not wait for a server's time to be over, at
// whatever stage it is.
func TestCancel(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	config := func(ask tls.ClientAuthType) *tls.Config {
		return &tls.Config{ClientAuth: ask, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.der}, PrivateKey: leaf.key}}}
	}
	silent := func(c net.Conn) { c.Read(make([]byte, 4096)) }
	secured := func(ask tls.ClientAuthType) func(net.Conn) {
		return func(c net.Conn) { tls.Server(c, config(ask)).Handshake() }
	}
	tests := []struct {
		shows  string
		scheme string
		// before is done until the server says nothing more.
		before func(net.Conn)
		change func(*Options, string)
	}{
		{"the handshake", "https://", silent, nil},
		{"plain HTTP", "http://", silent, nil},
		{"a proxy's answer", "https://", silent, func(o *Options, address string) {
			o.Proxy = func(*url.URL) (*url.URL, error) { return &url.URL{Scheme: "http", Host: address}, nil }
		}},
		{"the answer to GET /v2/", "https://", secured(tls.NoClientCert), nil},
		{"the refusal of a client certificate", "https://", secured(tls.RequestClientCert), func(o *Options, _ string) { o.TLSOnly = true }},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			release := make(chan struct{})
			defer close(release)
			address := listen(t, func(c net.Conn) {
				tt.before(c)
				cancel()
				<-release
			})
			const long = 10 * time.Minute
			o := Options{Trusted: trust(root), Now: noon, AuthLevel: 2, Timeouts: Timeouts{Connect: long, Handshake: long, Total: long}}
			if tt.change != nil {
				tt.change(&o, address)
			}
			target, err := ParseTarget(tt.scheme + address)
			require.NoError(t, err)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				Probe(ctx, target, o)
			}()
			select {
			case <-ended:
			case <-time.After(2 * ample):
				assert.Fail(t, "it waits on")
			}
		})
	}
}

// TestUnreachable: what is told of is what was dialled.
func TestUnreachable(t *testing.T) {
	r := Result{Host: "sent.example", Port: "443"}
	r.unreachable(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "dialled.example", IsNotFound: true}})
	assert.Equal(t, "getent hosts dialled.example", r.Fix)

	r = Result{Host: "fe80::1", Port: "443"}
	r.unreachable(&net.OpError{Op: "dial", Err: syscall.EINVAL})
	assert.Equal(t, "a link-local address goes with an interface that there is: fe80::1%eth0", r.Cause)

	target, err := ParseTarget("sent.example")
	require.NoError(t, err)
	target.Connect = "127.0.0.1:1"
	r = lookFurther(t, target, Options{})
	assert.Equal(t, "nothing listens on port 1", r.Cause)
}

// TestAddresses: where the user says how to get to a host, its own addresses do
// not matter.
func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		shows, target, connect string
		resolve                map[string]string
		want                   []string
	}{
		{"an address", "127.0.0.1:5000", "", nil, []string{"127.0.0.1:5000"}},
		{"--resolve", "localhost:5000", "", map[string]string{"localhost": "127.0.0.9"}, []string{"127.0.0.9:5000"}},
		{"--connect-to an address", "localhost:5000", "127.0.0.9:1", nil, []string{"127.0.0.9:1"}},
		{"--connect-to a name", "reg.invalid:5000", "localhost:1", nil, []string{"127.0.0.1:1"}},
		{"--connect-to a name, and --resolve", "reg.invalid:5000", "other.invalid:1", map[string]string{"reg.invalid": "127.0.0.9"}, []string{"other.invalid:1"}},
	} {
		t.Run(tt.shows, func(t *testing.T) {
			target, err := ParseTarget(tt.target)
			require.NoError(t, err)
			target.Connect = tt.connect
			o := Options{Resolve: tt.resolve}
			var got []string
			for _, a := range o.Addresses(t.Context(), target) {
				if to := o.connectAddress(a); to != "[::1]:1" { // which not every machine has
					got = append(got, to)
				}
			}
			assert.Equal(t, tt.want, got)
		})
	}
}
