package main

import (
	"context"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/probe"
	"github.com/crpki/crpki/inspect/trust"
	"github.com/crpki/crpki/pki"
)

const defaultTrustTimeout = 10 * time.Second

// maxConnections bounds the mirrors that are connected to.
const maxConnections = 16

// presented is what servers show: the chain of --cert, or what the registry and
// its mirrors send.
func (e *env) presented(c *cli.Context, ref trust.Reference, decisions []trust.Decision) ([]trust.Presented, []servedBy, error) {
	if path := c.String("cert"); path != "" {
		if c.Bool("connect") || c.String("connect-to") != "" {
			return nil, nil, usageErrorf("--cert and --connect: the chain comes from a file or from the registry")
		}
		chain, err := e.chainFrom(c, path)
		if err != nil {
			return nil, nil, err
		}
		return []trust.Presented{{Chain: chain}}, []servedBy{describeServed(ref.Registry, path, chain)}, nil
	}
	if d := c.Duration("timeout"); d <= 0 {
		return nil, nil, usageErrorf("--timeout %v leaves no time: write 10s", d)
	}
	resolve, err := parseResolve(c.StringSlice("resolve"))
	if err != nil {
		return nil, nil, err
	}
	var presented []trust.Presented
	var servers []servedBy
	for _, host := range hostsToAsk(ref, decisions) {
		p, s, err := e.ask(c, ref, host, resolve)
		if err != nil {
			return nil, nil, err
		}
		presented, servers = append(presented, p), append(servers, s)
	}
	return presented, servers, nil
}

// hostsToAsk are the registry and all mirrors of it, each once. A registry that
// nobody contacts is looked at all the same: its certificate says whether that
// matters.
func hostsToAsk(ref trust.Reference, decisions []trust.Decision) []string {
	hosts := []string{ref.Address()}
	for _, d := range decisions {
		for _, at := range d.Endpoints {
			known := false
			for _, h := range hosts {
				known = known || trust.SameHost(h, at.Host)
			}
			if !known && len(hosts) < maxConnections {
				hosts = append(hosts, at.Host)
			}
		}
	}
	return hosts
}

// ask connects to a host as Go's clients do.
func (e *env) ask(c *cli.Context, ref trust.Reference, host string, resolve map[string]string) (trust.Presented, servedBy, error) {
	own := trust.SameHost(host, ref.Address())
	p := trust.Presented{Host: host}
	target, err := probe.ParseTarget(host)
	if err != nil {
		p.Error = err.Error()
		return p, servedBy{Host: host, Error: p.Error}, nil
	}
	if to := c.String("connect-to"); to != "" && own {
		other, err := probe.ParseTarget(to)
		if err != nil {
			return p, servedBy{}, usageErrorf("--connect-to %q: %w", to, err)
		}
		target.Connect = other.Address()
	}
	total := c.Duration("timeout")
	r := probe.Probe(c.Context, target, probe.Options{
		Now: e.now, Dialer: e.dialer, TLSOnly: true, Resolve: resolve, TrustName: "nothing",
		Timeouts: probe.Timeouts{Connect: total, Handshake: total, Total: total},
	})
	if err := context.Cause(c.Context); err != nil {
		return p, servedBy{}, err
	}
	if own {
		p.Host = ""
	}
	shown := host
	if own {
		shown = ref.Registry
	}
	p.Chain = r.Certs()
	if len(p.Chain) > 0 {
		if r.TLS != nil && r.TLS.ClientCertificate != nil {
			p.Refusal = r.TLS.ClientCertificate.Refused
		}
		return p, describeServed(shown, r.Address, p.Chain), nil
	}
	if r.Go != nil && r.Go.Error == "http: server gave HTTP response to HTTPS client" {
		p.PlainHTTP = true
		return p, servedBy{Host: shown, From: r.Address, Error: "speaks plain HTTP"}, nil
	}
	p.Error = strings.TrimPrefix(r.Verdict, "unreachable: ")
	return p, servedBy{Host: shown, From: r.Address, Error: p.Error}, nil
}

func describeServed(host, from string, chain []pki.Cert) servedBy {
	s := servedBy{Host: host, From: from}
	if x := chain[0].X509; x != nil {
		s.Subject, s.Names = pki.Printable(x.Subject.String()), pki.NamesOf(x).Strings()
	} else {
		s.Subject = "a certificate that Go cannot read"
	}
	return s
}
