package probe

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
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
	if addr, err := netip.ParseAddr(host); err == nil && o.noLocal && isLocal(addr) {
		return nil, "", errLocal
	}
	if o.Proxy != nil {
		through, err := o.Proxy(address)
		if err != nil {
			return nil, "", err
		}
		if through != nil {
			conn, err := o.dialProxy(ctx, through, address)
			return conn, address, err
		}
	}
	conn, err := o.dialer().DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, "", err
	}
	return conn, conn.RemoteAddr().String(), nil
}

// connectAddress is where to connect for a target.
func (o Options) connectAddress(t Target) string {
	if t.Connect != "" {
		return t.Connect
	}
	for _, key := range []string{t.Address(), t.Host} {
		if to, ok := o.Resolve[key]; ok {
			return net.JoinHostPort(to, t.Port)
		}
	}
	return t.Address()
}

// dialer is what connects: all connections of this package are made by it.
func (o Options) dialer() *net.Dialer {
	d := new(net.Dialer)
	if o.Dialer != nil {
		*d = *o.Dialer
	}
	if o.noLocal {
		next := d.ControlContext
		d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
			if err := refuseLocal(address); err != nil || next == nil {
				return err
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

// isLocal is true for addresses that mean something else on each machine:
// loopback, and link-local ones, where clouds have their metadata.
func isLocal(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified()
}

// refuseLocal is called with the address before a connection is made.
func refuseLocal(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err == nil && isLocal(to.Addr()) {
		return errLocal
	}
	return nil
}

// dialProxy connects through a proxy. Its errors name its host, not its
// credentials.
func (o Options) dialProxy(ctx context.Context, through *url.URL, address string) (net.Conn, error) {
	conn, err := o.dialThrough(ctx, through, address)
	if err != nil {
		return nil, fmt.Errorf("through the proxy %s: %w", through.Host, err)
	}
	return conn, nil
}

func (o Options) dialThrough(ctx context.Context, through *url.URL, address string) (net.Conn, error) {
	o.noLocal = false // the proxy is the user's choice
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
	case "http":
		if port == "" {
			port = "80"
		}
		conn, err := o.dialer().DialContext(ctx, "tcp", net.JoinHostPort(through.Hostname(), port))
		if err != nil {
			return nil, err
		}
		if err := connect(ctx, conn, through, address); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
	return nil, fmt.Errorf("its scheme %q is none of http, socks5", through.Scheme)
}

// maxConnectAnswer bounds the answer to CONNECT, in bytes.
const maxConnectAnswer = 16 << 10

// connect asks an HTTP proxy for a tunnel (RFC 9110, 9.3.6).
func connect(ctx context.Context, conn net.Conn, through *url.URL, address string) error {
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	defer conn.SetDeadline(time.Time{})
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: crpki\r\n"
	if through.User != nil {
		password, _ := through.User.Password()
		login := base64.StdEncoding.EncodeToString([]byte(through.User.Username() + ":" + password))
		request += "Proxy-Authorization: Basic " + login + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
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
		return errors.New("it wants a login: " + http.StatusText(http.StatusProxyAuthRequired))
	}
	return fmt.Errorf("it answers %.100q", status)
}

// Addresses gives a target for each address that the host has, or t alone when
// it has none, or is one.
func (o Options) Addresses(ctx context.Context, t Target) []Target {
	if _, err := netip.ParseAddr(t.Host); err == nil || t.Connect != "" {
		return []Target{t}
	}
	addrs, err := o.resolver().LookupNetIP(ctx, "ip", t.Host)
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
		one.Connect = net.JoinHostPort(a.String(), t.Port)
		all = append(all, one)
	}
	return all
}
