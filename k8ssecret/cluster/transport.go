package cluster

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/transport"
	"k8s.io/client-go/util/connrotation"
	"k8s.io/klog/v2"
)

// transport.go is all that is left of client-go in crpki: TLS with files that
// are read anew, tokens from files, proxies, HTTP/2 and its health checks. Its
// packages for kubeconfigs and requests, clientcmd and rest, cost each command
// 1.5 ms at its start and 5.6 MB, whether it speaks to a cluster or not.

// roundTripper is what requests go through.
func (a *access) roundTripper(userAgent string) (http.RoundTripper, error) {
	silence()
	c := &transport.Config{
		UserAgent: userAgent, DisableCompression: a.disableCompression,
		Username: a.username, Password: a.password, BearerToken: a.token, BearerTokenFile: a.tokenFile,
		Impersonate: transport.ImpersonationConfig{UserName: a.as, UID: a.asUID, Groups: a.asGroups, Extra: a.asExtra},
		TLS: transport.TLSConfig{
			Insecure: a.insecure, ServerName: a.serverName, CAFile: a.caFile, CAData: a.caData,
			CertFile: a.certFile, CertData: a.certData, KeyFile: a.keyFile, KeyData: a.keyData,
		},
	}
	if a.proxy != nil {
		c.Proxy = http.ProxyURL(a.proxy)
	}
	p, err := newPlugin(a)
	if err != nil {
		return nil, err
	}
	if a.authProvider != nil {
		return nil, fmt.Errorf("no Auth Provider found for name %q", *a.authProvider)
	}
	if p != nil && !c.HasTokenAuth() && !c.HasBasicAuth() && !c.HasCertAuth() {
		// Connections that were made with the certificate before are of no use.
		dialer := connrotation.NewDialer((&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext)
		p.changed = dialer.CloseAll
		c.Wrap(p.wrap)
		c.TLS.GetCertHolder = &transport.GetCertHolder{GetCert: func() (*tls.Certificate, error) { return p.certificate() }}
		c.DialHolder = &transport.DialHolder{Dial: dialer.DialContext}
	}
	return transport.New(c)
}

var silenced sync.Once

// silence keeps the transport from logging what its errors say as well.
func silence() { silenced.Do(func() { klog.SetLogger(klog.Logger{}) }) }

// warningsIn gives the texts of Warning headers of the one code that Kubernetes
// sends (RFC 7234, section 5.5.7).
func warningsIn(header http.Header) (texts []string) {
	const miscellaneous = 299
	warnings, _ := utilnet.ParseWarningHeaders(header["Warning"])
	for _, w := range warnings {
		if w.Code == miscellaneous && w.Text != "" {
			texts = append(texts, w.Text)
		}
	}
	return texts
}

// isBroken reports whether a connection broke, or was closed, before an answer
// came: what client-go asks again for (rest/request.go, request).
func isBroken(err error) bool {
	return utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
}
