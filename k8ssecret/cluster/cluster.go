// Package cluster reads and applies what crpki needs of a live Kubernetes
// cluster. It alone imports client-go, of which it takes what finds, reads and
// obeys a kubeconfig and what speaks HTTP to an API server; the full clientset
// would cost each command 7 ms at its start. Objects are decoded into the few
// fields that are looked at (types.go), one at a time: a list of 20,000
// Secrets needs no more memory than one of ten.
//
// It knows no certificate: what is in a Secret is read by package k8ssecret.
package cluster

import (
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
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
	rest      *rest.RESTClient
	server    string
	namespace string
}

// Open finds the kubeconfig, or the service account of the pod it runs in, and
// connects to nothing yet. Its errors are of type *[Error], [BadConfig].
func Open(o Options) (*Client, error) {
	// client-go logs what its errors say as well.
	klog.SetLogger(klog.Logger{})

	source, err := o.source()
	if err != nil {
		return nil, configError(o, err)
	}
	cfg, err := source.ClientConfig()
	if err != nil {
		return nil, configError(o, err)
	}
	namespace, _, err := source.Namespace()
	if err != nil {
		return nil, configError(o, err)
	}
	c, err := newClient(cfg, o)
	if err != nil {
		return nil, configError(o, err)
	}
	c.namespace = namespace
	return c, nil
}

// source is where client-go takes the cluster from.
func (o Options) source() (clientcmd.ClientConfig, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.Context}
	if o.Kubeconfig == nil {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.MigrationRules, rules.WarnIfAllMissing = nil, false
		return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides), nil
	}
	config, err := clientcmd.Load(o.Kubeconfig)
	if err != nil {
		return nil, err
	}
	for _, c := range config.Clusters {
		c.LocationOfOrigin = o.Path
	}
	for _, a := range config.AuthInfos {
		a.LocationOfOrigin = o.Path
	}
	if err := clientcmd.ResolveLocalPaths(config); err != nil {
		return nil, err
	}
	return clientcmd.NewNonInteractiveClientConfig(*config, o.Context, overrides, nil), nil
}

func newClient(cfg *rest.Config, o Options) (*Client, error) {
	// Only Status, in which errors come, is decoded by client-go.
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	cfg.UserAgent = o.UserAgent
	cfg.Timeout = o.Timeout
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	// The API server says when it is too much, by 429 and Retry-After, which
	// rest obeys; a limit of the client's own would only add to that.
	cfg.QPS = -1
	cfg.WarningHandler = warnings(o.Warn)
	server, _, err := rest.DefaultServerUrlFor(cfg) // which takes HOST:PORT too
	if err != nil {
		return nil, errors.New("the server's address is neither a URL nor HOST:PORT")
	}
	client, err := rest.UnversionedRESTClientFor(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{rest: client, server: server.Redacted()}, nil
}

// Server is the URL of the API server.
func (c *Client) Server() string { return c.server }

// Namespace is that of the context, or of the pod; "default" when it has none.
func (c *Client) Namespace() string { return c.namespace }

// warnings hands the warnings of the API server on.
type warnings func(string)

func (w warnings) HandleWarningHeader(code int, _ string, text string) {
	const miscellaneous = 299 // RFC 7234, section 5.5.7; all that Kubernetes sends
	if w != nil && code == miscellaneous && text != "" {
		w(text)
	}
}
