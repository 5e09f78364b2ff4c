package probe

import (
	"net/url"
	"strings"
)

// owner is somebody whose certificate is met where a registry's should be.
type owner struct {
	// has is part of the subject or the issuer, in lower case.
	has, name string
}

// defaults are the certificates that ingress controllers and appliances show
// for names of which they have none (the names are in their sources), and those
// of neighbours on other ports.
func defaults() []owner {
	return []owner{
		{"cn=traefik default cert", "Traefik"},
		{"kubernetes ingress controller fake certificate", "the Kubernetes ingress controller"},
		{"cn=ingress-operator@", "OpenShift's router"},
		{"cn=caddy local authority", "Caddy"},
		{"o=kong,", "Kong"},
		{"cn=kube-apiserver", "the Kubernetes API server"},
		{"cn=localhost.localdomain,ou=it,o=mycompany", "a BIG-IP load balancer"},
	}
}

// intercepting are proxies that open TLS and make certificates of their own.
func intercepting() []owner {
	return []owner{
		{"zscaler", "Zscaler"},
		{"goskope", "Netskope"},
		{"netskope", "Netskope"},
		{"o=fortinet", "FortiGate"},
		{"cisco umbrella", "Cisco Umbrella"},
		{"blue coat", "Blue Coat"},
		{"sophos", "Sophos"},
		{"barracuda", "Barracuda"},
		{"fireware https proxy", "WatchGuard"},
		{"dpi-ssl", "SonicWall"},
		{"mcafee web gateway", "McAfee Web Gateway"},
		{"eset ssl filter", "ESET"},
		{"kaspersky", "Kaspersky"},
		{"avast web/mail shield", "Avast"},
		{"mitmproxy", "mitmproxy"},
		{"portswigger", "Burp"},
		{"charles proxy", "Charles"},
		{"do_not_trust_fiddler", "Fiddler"},
	}
}

// services are load balancers and clouds, by the names in their certificates.
func services() []owner {
	return []owner{
		{".cloudfront.net", "CloudFront"},
		{".elb.amazonaws.com", "an AWS load balancer"},
		{".azureedge.net", "Azure CDN"},
		{".azurefd.net", "Azure Front Door"},
		{".azurewebsites.net", "Azure App Service"},
		{".cloudflaressl.com", "Cloudflare"},
		{".fastly.net", "Fastly"},
		{"a248.e.akamai.net", "Akamai"},
		{".herokuapp.com", "Heroku"},
		{"ingress.local", "the Kubernetes ingress controller"},
		{"kubernetes.default.svc", "the Kubernetes API server"},
	}
}

// recognize names the owner of a certificate that is refused, when it is no
// registry's: that says more than what is wrong with it.
func (r *Result) recognize(h *handshake) (reason, cause string) {
	leaf := h.certs[0].X509
	if leaf == nil || r.goErr == nil || r.goErr == h.err {
		return "", ""
	}
	names := strings.ToLower(leaf.Subject.String() + "\n" + leaf.Issuer.String())
	for _, o := range intercepting() {
		if strings.Contains(names, o.has) {
			return "the certificate of a proxy that opens TLS: " + o.name + "'s",
				"the proxy stands between: clients need its CA's certificate, or a way around it; the registry's own is not seen"
		}
	}
	const unset = "it has none for this name: the Secret is missing, is of another namespace, or is not named for the host; or this is not the registry's port"
	for _, o := range defaults() {
		if strings.Contains(names, o.has) {
			return o.name + "'s own certificate, not the registry's", unset
		}
	}
	if leaf.VerifyHostname(r.Host) != nil {
		for _, o := range services() {
			for _, n := range leaf.DNSNames {
				if n = strings.ToLower(n); n == o.has || strings.HasPrefix(o.has, ".") && strings.HasSuffix(n, o.has) {
					return o.name + "'s own certificate, not the registry's", unset
				}
			}
		}
	}
	if h.through != nil && leaf.VerifyHostname(h.through.Hostname()) == nil && leaf.VerifyHostname(r.Host) != nil {
		return "the proxy's own certificate, not the registry's", "the proxy answers itself instead of leading on to the registry"
	}
	return "", ""
}

// proxyOf is the proxy on the way to a target, nil for none. It is enough that
// the host is kept from it, or the address at which the user says that it is.
func (o Options) proxyOf(t Target) (*url.URL, error) {
	if o.Proxy == nil {
		return nil, nil
	}
	scheme := "https"
	if t.Plain {
		scheme = "http"
	}
	through, err := o.Proxy(&url.URL{Scheme: scheme, Host: t.Address()})
	if to := o.connectAddress(t); through != nil && err == nil && to != t.Address() {
		return o.Proxy(&url.URL{Scheme: scheme, Host: to})
	}
	return through, err
}

// relay is the HTTP proxy that gets the requests for a target itself, as Go's
// clients do it where there is no TLS; nil: there is none, or it makes a tunnel.
func (o Options) relay(t Target) *url.URL {
	through, err := o.proxyOf(t)
	if err != nil || through == nil || !t.Plain || !strings.HasPrefix(through.Scheme, "http") || o.connectAddress(t) != t.Address() {
		return nil
	}
	return through
}
