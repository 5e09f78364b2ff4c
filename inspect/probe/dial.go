package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/proxy"
)

// dial opens the connection, with as many further tries as o.Retries says. The
// text is the address that answers, or that a proxy was asked for.
func (o Options) dial(ctx context.Context, t Target) (net.Conn, string, error) {
	wait := 100 * time.Millisecond
	for try := 0; ; try++ {
		conn, address, err := o.dialOnce(ctx, t)
		if err == nil || try >= o.Retries || errors.Is(err, errLocal) {
			return conn, address, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, "", err
		case <-timer.C:
		}
		wait = min(2*wait, 2*time.Second)
	}
}

func (o Options) dialOnce(ctx context.Context, t Target) (net.Conn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeouts.Connect)
	defer cancel()
	address := o.connectAddress(t)
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, "", err
	}
	if address != t.Address() {
		o.sent = false // the user says where it is
	}
	if addr, err := netip.ParseAddr(host); err == nil && o.forbids(addr) {
		return nil, "", errLocal
	}
	through, err := o.proxyOf(t)
	if err != nil {
		return nil, "", err
	}
	if through != nil {
		if o.leadsHere(ctx, host) {
			return nil, "", errLocal
		}
		conn, err := o.dialProxy(ctx, through, address, o.relay(t) == nil)
		return conn, address, err
	}
	conn, err := o.dialer().DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, "", err
	}
	return conn, conn.RemoteAddr().String(), nil
}

// connectAddress is where to connect for a target.
func (o Options) connectAddress(t Target) string {
	address, host, port := t.Address(), t.Host, t.Port
	if t.Connect != "" {
		address = t.Connect
		var err error
		if host, port, err = net.SplitHostPort(address); err != nil {
			return address
		}
	}
	for _, key := range []string{address, host} {
		if to, ok := o.Resolve[key]; ok {
			return net.JoinHostPort(to, port)
		}
	}
	return address
}

// dialer is what connects: all connections of this package are made by it.
func (o Options) dialer() *net.Dialer {
	d := new(net.Dialer)
	if o.Dialer != nil {
		*d = *o.Dialer
	}
	if o.sent {
		next := d.ControlContext
		d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
			if to, err := netip.ParseAddrPort(address); err == nil && o.forbids(to.Addr()) {
				return errLocal
			}
			if next == nil {
				return nil
			}
			return next(ctx, network, address, c)
		}
	}
	return d
}

// resolver is what looks names up.
func (o Options) resolver() *net.Resolver {
	if o.Dialer != nil && o.Dialer.Resolver != nil {
		return o.Dialer.Resolver
	}
	return net.DefaultResolver
}

// errLocal is the answer to a server that sends us where it should not.
var errLocal = errors.New("the server names an address on this machine or this link, where crpki does not follow")

// elsewhere are the options for a host that the server at address names.
func (o Options) elsewhere(address string) Options {
	o.ServerName, o.TLSOnly, o.Protocols, o.Ciphers, o.Revocation = "", true, false, false, false
	o.sent, o.sender = true, netip.Addr{}
	if from, err := netip.ParseAddrPort(address); err == nil {
		o.sender = from.Addr().Unmap()
	}
	return o
}

// forbids is true for addresses to which a server may not send us, since they
// mean something else on each machine: loopback, unless the server is there
// itself, and the addresses at which clouds hand out their secrets.
func (o Options) forbids(a netip.Addr) bool {
	if !o.sent {
		return false
	}
	a = embedded(a.Unmap().WithZone(""))
	switch {
	case a == o.sender:
		return false
	case a.IsLoopback(), a.IsUnspecified():
		return !o.sender.IsLoopback()
	}
	return a.IsLinkLocalUnicast() || isMetadata(a)
}

// isMetadata knows the services that are not link-local: of AWS over IPv6,
// Alibaba Cloud, Azure's WireServer and Oracle.
func isMetadata(a netip.Addr) bool {
	switch a.String() {
	case "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192":
		return true
	}
	return false
}

// embedded gives the IPv4 address to which NAT64 translates (RFC 6052, 2.1).
func embedded(a netip.Addr) netip.Addr {
	if !netip.MustParsePrefix("64:ff9b::/96").Contains(a) {
		return a
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// leadsHere is for names that a proxy looks up: those that lead to a forbidden
// address here as well. What only the proxy knows is up to the proxy.
func (o Options) leadsHere(ctx context.Context, host string) bool {
	if !o.sent {
		return false
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return !o.sender.IsLoopback()
	}
	addrs, err := o.resolver().LookupNetIP(ctx, "ip", host)
	return err == nil && slices.ContainsFunc(addrs, o.forbids)
}

// proxyError is why a proxy is no way to a server: not the server's fault. It
// names the proxy's host, not its credentials.
type proxyError struct {
	host string
	err  error
}

func (e *proxyError) Error() string { return "through the proxy " + e.host + ": " + e.err.Error() }

func (e *proxyError) Unwrap() error { return e.err }

// dialProxy connects through a proxy. Without a tunnel, it ends at one of HTTP.
func (o Options) dialProxy(ctx context.Context, through *url.URL, address string, tunnel bool) (net.Conn, error) {
	conn, err := o.dialThrough(ctx, through, address, tunnel)
	if err != nil {
		return nil, &proxyError{through.Host, err}
	}
	return conn, nil
}

func (o Options) dialThrough(ctx context.Context, through *url.URL, address string, tunnel bool) (net.Conn, error) {
	o.sent = false // the proxy is the user's choice
	port := through.Port()
	switch through.Scheme {
	case "socks5", "socks5h":
		if port == "" {
			port = "1080"
		}
		var auth *proxy.Auth
		if through.User != nil {
			password, _ := through.User.Password()
			auth = &proxy.Auth{User: through.User.Username(), Password: password}
		}
		d, err := proxy.SOCKS5("tcp", net.JoinHostPort(through.Hostname(), port), auth, o.dialer())
		if err != nil {
			return nil, err
		}
		return d.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
	case "http", "https":
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[through.Scheme]
		}
		conn, err := o.dialer().DialContext(ctx, "tcp", net.JoinHostPort(through.Hostname(), port))
		if err != nil {
			return nil, err
		}
		if through.Scheme == "https" {
			if conn, err = o.secure(ctx, conn, through.Hostname()); err != nil {
				return nil, err
			}
		}
		if !tunnel {
			return conn, nil
		}
		if err := connect(ctx, conn, through, address); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
	return nil, fmt.Errorf("its scheme %q is none of http, https, socks5", through.Scheme)
}

// secure shakes hands with a proxy, which Go's clients trust by the same
// certificates as the registry. It gets the proxy's password.
func (o Options) secure(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	roots := x509.NewCertPool()
	for _, c := range o.Trusted {
		if c.X509 != nil {
			roots.AddCert(c.X509)
		}
	}
	secured := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: host, Time: func() time.Time { return o.Now }})
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// obey ends what waits for conn when ctx ends. The function lets conn go.
func obey(ctx context.Context, conn net.Conn) (release func()) {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// proxyLogin is the line of a request that logs in at an HTTP proxy, "" for none.
func proxyLogin(through *url.URL) string {
	if through.User == nil {
		return ""
	}
	password, _ := through.User.Password()
	login := base64.StdEncoding.EncodeToString([]byte(through.User.Username() + ":" + password))
	return "Proxy-Authorization: Basic " + login + "\r\n"
}

// errProxyLogin is a proxy's answer to nobody, or to somebody else.
var errProxyLogin = errors.New("it wants a login: " + http.StatusText(http.StatusProxyAuthRequired))

// maxConnectAnswer bounds the answer to CONNECT, in bytes.
const maxConnectAnswer = 16 << 10

// connect asks an HTTP proxy for a tunnel (RFC 9110, 9.3.6).
func connect(ctx context.Context, conn net.Conn, through *url.URL, address string) error {
	defer obey(ctx, conn)()
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: crpki\r\n"
	if _, err := io.WriteString(conn, request+proxyLogin(through)+"\r\n"); err != nil {
		return err
	}
	// One octet at a time: what follows the answer is not for us.
	var answer bytes.Buffer
	for one := make([]byte, 1); !bytes.HasSuffix(answer.Bytes(), []byte("\r\n\r\n")); {
		if answer.Len() >= maxConnectAnswer {
			return errors.New("its answer has no end")
		}
		if _, err := io.ReadFull(conn, one); err != nil {
			return err
		}
		answer.Write(one)
	}
	line, _, _ := strings.Cut(answer.String(), "\r\n")
	protocol, status, _ := strings.Cut(line, " ")
	switch {
	case !strings.HasPrefix(protocol, "HTTP/"):
		return errors.New("it is no HTTP proxy")
	case strings.HasPrefix(status, "2"):
		return nil
	case strings.HasPrefix(status, "407"):
		return errProxyLogin
	}
	return fmt.Errorf("it answers %.100q", status)
}

// Addresses gives a target for each address that the host to connect to has, or
// t alone when it has none, or is one.
func (o Options) Addresses(ctx context.Context, t Target) []Target {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Timeouts.Total, DefaultTimeouts.Total))
	defer cancel()
	host, port, err := net.SplitHostPort(o.connectAddress(t))
	if _, isName := netip.ParseAddr(host); err != nil || isName == nil {
		return []Target{t}
	}
	addrs, err := o.resolver().LookupNetIP(ctx, "ip", host)
	if err != nil || len(addrs) == 0 {
		return []Target{t}
	}
	var all []Target
	seen := map[netip.Addr]bool{}
	for _, a := range addrs {
		a = a.Unmap()
		if seen[a] {
			continue
		}
		seen[a] = true
		one := t
		one.Text = t.Text + " at " + a.String()
		one.Connect = net.JoinHostPort(a.String(), port)
		all = append(all, one)
	}
	return all
}
