// Package cluster reads and applies what crpki needs of a live Kubernetes
// cluster. It finds, reads and obeys a kubeconfig and speaks to an API server
// as kubectl does, which the tests hold it against; of client-go it has the
// transport alone, for what else that has costs every command 1.5 ms at its
// start. Objects are decoded into the few fields that are looked at (types.go),
// one at a time: a list of 20,000 Secrets needs no more memory than one of ten.
//
// It knows no certificate: what is in a Secret is read by package k8ssecret.
package cluster

import (
	"net/http"
	"net/url"
	"time"
)

// FieldManager is the name under which crpki owns the fields that it applies.
const FieldManager = "crpki"

// DefaultTimeout bounds a request when [Options] does not.
const DefaultTimeout = 30 * time.Second

// Options say which cluster, and as whom.
type Options struct {
	// Kubeconfig is the content of a kubeconfig, and Path where it was read:
	// files that it names are looked for beside it. Without one, those that the
	// variable KUBECONFIG lists count, then ~/.kube/config, then the service
	// account of the pod.
	Kubeconfig []byte
	Path       string
	// Context is the name of a context in it; without one, the current one counts.
	Context string
	// Timeout bounds each request; 0 means [DefaultTimeout].
	Timeout time.Duration
	// UserAgent tells the API server who asks.
	UserAgent string
	// Warn takes the warnings that the API server sends beside an answer. nil
	// drops them.
	Warn func(text string)
}

// Client speaks to one API server. It may be used by several goroutines.
type Client struct {
	http      *http.Client
	base      *url.URL
	warn      func(text string)
	namespace string
}

// Open finds the kubeconfig, or the service account of the pod it runs in, and
// connects to nothing yet. Its errors are of type *[Error], [BadConfig].
func Open(o Options) (*Client, error) {
	a, err := o.find(pod{serviceAccountDir})
	if err != nil {
		return nil, configError(o, err)
	}
	c, err := newClient(&a, o)
	if err != nil {
		return nil, configError(o, err)
	}
	return c, nil
}

func newClient(a *access, o Options) (*Client, error) {
	base, err := a.base()
	if err != nil {
		return nil, err
	}
	rt, err := a.roundTripper(o.UserAgent)
	if err != nil {
		return nil, err
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return &Client{http: &http.Client{Transport: rt, Timeout: timeout}, base: base, warn: o.Warn, namespace: a.namespace}, nil
}

// Server is the URL of the API server.
func (c *Client) Server() string { return c.base.Redacted() }

// Namespace is that of the context, or of the pod; "default" when it has none.
func (c *Client) Namespace() string { return c.namespace }
