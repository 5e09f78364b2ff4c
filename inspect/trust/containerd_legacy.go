package trust

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// legacy decides by registry.mirrors and registry.configs of config.toml, which
// count only without a config_path.
func (p puller) legacy(d *Decision, c *daemonConfig) {
	endpoints, failure := p.legacyEndpoints(c)
	if failure != nil {
		d.Failure = failure
		return
	}
	for _, text := range endpoints {
		u, err := url.Parse(text)
		if err != nil {
			d.Failure = &Failure{Text: fmt.Sprintf("parse registry endpoint %q from mirrors: %v", text, err)}
			return
		}
		e := Endpoint{
			Host: u.Host, Scheme: Scheme(u.Scheme), Path: u.Path, System: p.system,
			Mirror:  u.Host != p.ref.Registry && u.Host != p.ref.Host,
			Decided: c.legacyPlace(p.ref.Registry, u.Host),
		}
		if e.Path == "" {
			e.Path = "/v2"
		}
		if tls := c.registry.configs[u.Host]; tls != nil {
			if failure := p.legacyTLS(d, &e, *tls, text); failure != nil {
				d.Failure = failure
				return
			}
		}
		d.Endpoints = append(d.Endpoints, e)
	}
}

// legacyPlace is the setting that decides about an endpoint.
func (c *daemonConfig) legacyPlace(registry, host string) Place {
	for _, key := range [][]string{{"configs", host}, {"mirrors", registry}, {"mirrors", "*"}} {
		if at := c.registryPlace(key...); at.Line > 0 {
			return at
		}
	}
	return Place{File: c.main}
}

// legacyEndpoints are the mirrors, and the registry itself at their end unless
// it is among them.
func (p puller) legacyEndpoints(c *daemonConfig) ([]string, *Failure) {
	mirrors, ok := c.registry.mirrors[p.ref.Registry]
	if !ok {
		mirrors = c.registry.mirrors["*"]
	}
	host := p.ref.Registry
	if host == DockerHub {
		host = "registry-1.docker.io"
	}
	var endpoints []string
	for _, m := range mirrors {
		if !strings.Contains(m, "://") {
			u, err := url.Parse("dummy://" + m)
			if err != nil {
				return nil, p.badEndpoint(c, err)
			}
			m = defaultScheme(u.Host) + "://" + m
		}
		endpoints = append(endpoints, m)
	}
	for _, e := range endpoints {
		u, err := url.Parse(e)
		if err != nil {
			return nil, p.badEndpoint(c, err)
		}
		if u.Host == p.ref.Registry {
			return endpoints, nil
		}
	}
	return append(endpoints, defaultScheme(host)+"://"+host), nil
}

func (p puller) badEndpoint(c *daemonConfig, err error) *Failure {
	return &Failure{Text: fmt.Sprintf("get registry endpoints: parse endpoint url: %v", err), Place: c.registryPlace("mirrors")}
}

func defaultScheme(host string) string {
	if loopback(host) {
		return "http"
	}
	return "https"
}

// legacyTLS loads what registry.configs."…".tls names. Only containerd 1 does.
func (p puller) legacyTLS(d *Decision, e *Endpoint, t criTLS, endpoint string) *Failure {
	fails := func(file, format string, args ...any) *Failure {
		return &Failure{Text: fmt.Sprintf("get TLSConfig for registry %q: ", endpoint) + fmt.Sprintf(format, args...), Place: Place{File: file}}
	}
	at := e.Decided.File
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		return fails(at, "cert file %q was specified, but no corresponding key file was specified", t.CertFile)
	case t.CertFile == "" && t.KeyFile != "":
		return fails(at, "key file %q was specified, but no corresponding cert file was specified", t.KeyFile)
	case t.CertFile != "":
		pair := p.node.KeyPair(t.CertFile, t.KeyFile)
		if notReadHere(pair.Err) {
			d.Needs = notRead(pair.ErrFile, pair.Err)
			break
		}
		if pair.Err != nil {
			return fails(t.CertFile, "failed to load cert file: %v", pair.Err)
		}
		e.ClientCerts = append(e.ClientCerts, pair.ClientCert)
	}
	e.SkipVerify = t.InsecureSkipVerify
	if t.CAFile != "" {
		if p.system.Err != nil {
			return fails(t.CAFile, "failed to get system cert pool: %v", p.system.Err)
		}
		ca := p.node.CAFile(t.CAFile)
		if notReadHere(ca.Err) {
			d.Needs = notRead(t.CAFile, ca.Err)
			return nil
		}
		if ca.Err != nil {
			return fails(t.CAFile, "failed to load CA file: %v", ca.Err)
		}
		e.CAs = append(e.CAs, ca.Anchors...)
	}
	return nil
}

// registryNames are the registries of the older settings.
func (c *daemonConfig) registryNames() []string {
	names := slices.Concat(slices.Collect(maps.Keys(c.registry.mirrors)), slices.Collect(maps.Keys(c.registry.configs)))
	slices.Sort(names)
	return slices.Compact(names)
}
