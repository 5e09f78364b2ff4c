package probe

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRecognize: whose certificate it is says more than what is wrong with it.
func TestRecognize(t *testing.T) {
	root := issue(t, nil, authority("root"))
	named := func(subject pkix.Name, names ...string) *made {
		c := issue(t, nil, func(c *x509.Certificate) { c.Subject, c.DNSNames, c.IPAddresses = subject, names, nil })
		return &c
	}
	zscaler := issue(t, nil, func(c *x509.Certificate) {
		authority("Zscaler Intermediate Root CA (zscaler.net)")(c)
		c.Subject.Organization = []string{"Zscaler Inc."}
	})
	opened := issue(t, &zscaler, nil)
	ours := issue(t, &root, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"localhost"}, nil })
	tests := []struct {
		shows, verdict string
		leaf           *made
	}{
		{"Traefik", "refused: Traefik's own certificate, not the registry's", named(pkix.Name{CommonName: "TRAEFIK DEFAULT CERT"}, "e5d1.traefik.default")},
		{
			"ingress-nginx", "refused: the Kubernetes ingress controller's own certificate, not the registry's",
			named(pkix.Name{Organization: []string{"Acme Co"}, CommonName: "Kubernetes Ingress Controller Fake Certificate"}, "ingress.local"),
		},
		{"a CDN", "refused: CloudFront's own certificate, not the registry's", named(pkix.Name{CommonName: "*.cloudfront.net"}, "cloudfront.net", "*.cloudfront.net")},
		{"the API server", "refused: the Kubernetes API server's own certificate, not the registry's", named(pkix.Name{CommonName: "apiserver"}, "kubernetes", "kubernetes.default.svc")},
		{"a proxy that opens TLS", "refused: the certificate of a proxy that opens TLS: Zscaler's", &opened},
		{"nobody in particular", "refused: no IP SAN", named(pkix.Name{CommonName: "kong.example.com"}, "notcloudfront.net")},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			r := look(t, serveTLS(t, nil, *tt.leaf), Options{Trusted: trust(root, ours)})
			assert.Equal(t, tt.verdict, r.Verdict)
			assert.NotEmpty(t, r.Fix)
		})
	}
	t.Run("the proxy that is asked for a tunnel", func(t *testing.T) {
		proxy := httpProxy(t)
		_, port, err := net.SplitHostPort(proxy)
		require.NoError(t, err)
		through, err := url.Parse("http://user:sesame@localhost:" + port)
		require.NoError(t, err)
		r := look(t, serveTLS(t, nil, ours), Options{Trusted: trust(root), Proxy: func(*url.URL) (*url.URL, error) { return through, nil }})
		assert.Equal(t, "refused: the proxy's own certificate, not the registry's", r.Verdict)
	})
	t.Run("trusted is trusted", func(t *testing.T) {
		r := look(t, serveTLS(t, nil, opened), Options{Trusted: trust(zscaler)})
		assert.Equal(t, "trusted", r.Verdict)
	})
}
