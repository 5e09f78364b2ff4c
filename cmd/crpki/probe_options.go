package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/net/http/httpproxy"

	"github.com/crpki/crpki/inspect/probe"
	"github.com/crpki/crpki/pki"
)

// probeOptions takes from the flags how to connect and by what to judge.
func (e *env) probeOptions(c *cli.Context) (o probe.Options, err error) {
	o = probe.Options{
		Now: e.now, Dialer: e.dialer, AuthLevel: c.Int("auth-level"), TLSOnly: c.Bool("tls-only"), Protocols: c.Bool("protocols"), Ciphers: c.Bool("ciphers"), Revocation: c.Bool("revocation"),
		WarnDays: c.Int("warn-days"), FailDays: c.Int("fail-days"), Retries: c.Int("retries"),
	}
	if o.AuthLevel < 0 || o.AuthLevel > 5 {
		return o, usageErrorf("--auth-level %d is none of 0 to 5", o.AuthLevel)
	}
	for _, name := range []string{"warn-days", "fail-days", "retries"} {
		if n := c.Int(name); n < 0 {
			return o, usageErrorf("--%s %d is below 0", name, n)
		}
	}
	if o.Timeouts, err = probeTimeouts(c); err != nil {
		return o, err
	}
	if o.ServerName, err = e.probeServerName(c); err != nil {
		return o, err
	}
	if o.Resolve, err = parseResolve(c.StringSlice("resolve")); err != nil {
		return o, err
	}
	if o.Proxy, err = e.probeProxy(c.String("proxy")); err != nil {
		return o, err
	}
	if o.ClientCert, err = e.clientCertificate(c); err != nil {
		return o, err
	}
	if err = e.registryOptions(c, &o); err != nil {
		return o, err
	}
	o.Trusted, o.TrustName, err = e.probeTrust(c)
	return o, err
}

func probeTimeouts(c *cli.Context) (t probe.Timeouts, err error) {
	for _, name := range []string{"timeout", "connect-timeout", "handshake-timeout"} {
		if d := c.Duration(name); d < 0 || d == 0 && (name == "timeout" || c.IsSet(name)) {
			return t, usageErrorf("--%s %v leaves no time: write 10s", name, d)
		}
	}
	t.Total = c.Duration("timeout")
	t.Connect = cmp.Or(c.Duration("connect-timeout"), t.Total)
	t.Handshake = cmp.Or(c.Duration("handshake-timeout"), t.Total)
	return t, nil
}

func (e *env) probeServerName(c *cli.Context) (string, error) {
	name := c.String("servername")
	if name == "" {
		return "", nil
	}
	n, remarks, err := pki.ParseName(name)
	if err == nil && n.Kind != pki.DNS && n.Kind != pki.IP {
		err = fmt.Errorf("%q is neither a DNS name nor an address", name)
	} else if err == nil && strings.Contains(n.Value, "*") {
		err = errors.New("a wildcard: name one host")
	}
	if err != nil {
		return "", usageErrorf("--servername: %w", err)
	}
	e.warnings(remarks)
	return n.Value, nil
}

// parseResolve reads HOST:ADDRESS and HOST:PORT:ADDRESS, as curl has it.
func parseResolve(texts []string) (map[string]string, error) {
	resolve := map[string]string{}
	for _, text := range texts {
		host, rest, _ := strings.Cut(text, ":")
		if strings.HasPrefix(text, "[") {
			host, rest, _ = strings.Cut(text, "]:")
			host += "]"
		}
		t, err := probe.ParseTarget(host)
		if err != nil {
			return nil, usageErrorf("--resolve %q is not HOST:ADDRESS or HOST:PORT:ADDRESS: %w", text, err)
		}
		address := rest
		key := t.Host
		if port, after, ok := strings.Cut(rest, ":"); ok && port != "" && strings.Trim(port, "0123456789") == "" {
			if _, err := netip.ParseAddr(strings.Trim(rest, "[]")); err != nil {
				key, address = net.JoinHostPort(key, port), after
			}
		}
		addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"))
		if err != nil {
			return nil, usageErrorf("--resolve %q is not HOST:ADDRESS or HOST:PORT:ADDRESS", text)
		}
		resolve[key] = addr.String()
	}
	return resolve, nil
}

// probeProxy gives the proxy of --proxy, or those of the environment, which
// NO_PROXY keeps from some hosts.
func (e *env) probeProxy(flag string) (func(*url.URL) (*url.URL, error), error) {
	if flag != "" {
		if !strings.Contains(flag, "://") {
			flag = "http://" + flag
		}
		u, err := url.Parse(flag)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			return nil, usageErrorf("--proxy is no URL with http, https or socks5: write http://HOST:PORT") // it may hold a password
		}
		return func(*url.URL) (*url.URL, error) { return u, nil }, nil
	}
	variable := func(names ...string) (name, value string) {
		for _, name := range names {
			for _, name := range []string{name, strings.ToLower(name)} {
				if value := e.getenv(name); value != "" {
					return name, value
				}
			}
		}
		return "", ""
	}
	secureName, secure := variable("HTTPS_PROXY", "ALL_PROXY")
	plainName, plain := variable("HTTP_PROXY", "ALL_PROXY")
	if secure == "" && plain == "" {
		return nil, nil
	}
	e.warnBrokenProxy(secureName, secure)
	if plainName != secureName {
		e.warnBrokenProxy(plainName, plain)
	}
	_, not := variable("NO_PROXY")
	return (&httpproxy.Config{HTTPSProxy: secure, HTTPProxy: plain, NoProxy: not, CGI: e.getenv("REQUEST_METHOD") != ""}).ProxyFunc(), nil
}

// warnBrokenProxy tells of what Go's clients pass over, or take for another host,
// without a word. It shows no value: there may be a password in it.
func (e *env) warnBrokenProxy(name, value string) {
	if value == "" {
		return
	}
	u, _ := (&httpproxy.Config{HTTPSProxy: value}).ProxyFunc()(&url.URL{Scheme: "https", Host: "registry.invalid"})
	switch {
	case u == nil:
		e.warnf("%s holds no URL of a proxy: Go's clients go without one, and so does crpki; curl gives up", name)
	case u.Hostname() == "" || strings.HasSuffix(u.Host, ":"):
		e.warnf("%s holds no URL of a proxy: Go's clients take it for a proxy at %q, and so does crpki; curl gives up", name, u.Host)
	}
}

// clientCertificate reads --cert and --key.
func (e *env) clientCertificate(c *cli.Context) (*tls.Certificate, error) {
	path := c.String("cert")
	if path == "" {
		if c.String("key") != "" {
			return nil, usageErrorf("--key without --cert: both are shown to the server")
		}
		return nil, nil
	}
	m, err := e.decode(c, path)
	if err != nil {
		return nil, err
	}
	if key := c.String("key"); key != "" {
		more, err := e.decode(c, key)
		if err != nil {
			return nil, err
		}
		m.Keys = more.Keys
	}
	if len(m.Certs) == 0 {
		return nil, usageErrorf("%s: holds no certificate", path)
	}
	if m.Certs[0].X509 == nil {
		return nil, usageErrorf("%s: %w", m.Certs[0].Origin, m.Certs[0].Err)
	}
	for _, k := range m.Keys {
		if pki.SamePublicKey(k.Public(), m.Certs[0].X509.PublicKey) {
			shown := &tls.Certificate{PrivateKey: k.Signer, Leaf: m.Certs[0].X509}
			for _, cert := range m.Certs {
				shown.Certificate = append(shown.Certificate, cert.Raw)
			}
			return shown, nil
		}
	}
	for _, k := range m.Keys {
		if k.Err != nil {
			return nil, usageErrorf("%s: %w", k.Origin, k.Err)
		}
	}
	if key := c.String("key"); key != "" {
		return nil, usageErrorf("%s: holds no private key for the first certificate of %s", key, path)
	}
	return nil, withHint(usageErrorf("%s: there is no private key for its first certificate", path), "--key FILE names the file with the key")
}

// probeTrust gives what the client trusts, and says which it is.
func (e *env) probeTrust(c *cli.Context) (trusted []pki.Cert, name string, err error) {
	files := c.StringSlice("ca-file")
	var names []string
	if len(files) > 0 {
		if trusted, err = e.anchorsIn(c, files...); err != nil {
			return nil, "", err
		}
		names = append(names, fmt.Sprintf("%s (%s)", strings.Join(files, ", "), count(len(trusted), "certificate")))
	}
	if c.Bool("system") || len(files) == 0 {
		system, err := e.systemCAs()
		if err != nil && c.Bool("system") {
			return nil, "", err
		}
		if err != nil {
			return nil, "nothing: this machine has no CA certificates, and there is no --ca-file", nil
		}
		trusted = append(trusted, system...)
		names = append(names, fmt.Sprintf("this machine's CAs (%s)", count(len(system), "certificate")))
	}
	return trusted, strings.Join(names, " and "), nil
}
