package cluster

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// access.go takes from a kubeconfig which API server to speak to, and as whom
// (client-go 0.34.4, tools/clientcmd/client_config.go, DirectClientConfig).

// access is how to reach one API server. It is what client-go has as rest.Config.
type access struct {
	host      string // URL, or HOST:PORT
	namespace string

	caFile     string
	caData     []byte
	serverName string
	insecure   bool

	identity
	execExtension any // what the cluster has for the plug-in

	proxy              *url.URL
	disableCompression bool
}

// errEmpty: nothing names a cluster.
var errEmpty = errors.New("it names no cluster")

// access takes what the context says, or the current one when that is empty.
// explicit: it names a namespace. A context that is not there is an error; one
// whose user is not there is nobody's, and one whose cluster is not there has no
// server.
func (c configFile) access(context string) (a access, explicit bool, err error) {
	name := context
	if name == "" {
		name = c.current
	}
	in, there := c.contexts[name]
	if !there && context != "" {
		return a, false, fmt.Errorf("context %q does not exist", context)
	}
	var faults []error
	if !there && name != "" {
		faults = append(faults, fmt.Errorf("the current context %q does not exist", name))
	}
	cluster, user := c.clusters[in.cluster].resolved(), c.users[in.user].resolved()
	faults = append(faults, user.check(in.user)...)
	faults = append(faults, cluster.check(in.cluster)...)
	if len(faults) == 1 && errors.Is(faults[0], errEmpty) {
		return a, false, errEmpty
	}
	if err := together(faults); err != nil {
		return a, false, err
	}
	a.namespace = in.namespace
	if a.namespace == "" {
		a.namespace = "default"
	}
	return a, in.namespace != "", a.take(cluster, user)
}

// take fills a. Who is asking, and which CA counts, matters with TLS only: a
// server without a scheme is spoken to in the clear, as by kubectl.
func (a *access) take(cluster clusterEntry, user userEntry) error {
	a.host, a.disableCompression = cluster.server, cluster.disableCompression
	if u, err := url.ParseRequestURI(a.host); err == nil && u.Opaque == "" && len(u.Path) > 1 {
		u.RawQuery, u.Fragment = "", ""
		a.host = u.String()
	}
	if cluster.proxyURL != "" {
		proxy, err := parseProxy(cluster.proxyURL)
		if err != nil {
			return err
		}
		a.proxy = proxy
	}
	if user.as != "" {
		a.as, a.asUID, a.asGroups, a.asExtra = user.as, user.asUID, user.asGroups, user.asExtra
	}
	if base, err := a.base(); err != nil || base.Scheme != "https" {
		return nil
	}
	a.caFile, a.caData, a.insecure, a.serverName = cluster.caFile, cluster.caData, cluster.insecure, cluster.serverName
	a.username, a.password, a.token, a.tokenFile = user.username, user.password, user.token, user.tokenFile
	if a.token == "" && a.tokenFile != "" {
		token, err := readFile(a.tokenFile)
		if err != nil {
			return err
		}
		a.token = string(token)
	}
	if user.certFile != "" || len(user.certData) > 0 {
		a.certFile, a.certData, a.keyFile, a.keyData = user.certFile, user.certData, user.keyFile, user.keyData
	}
	a.authProvider, a.exec = user.authProvider, user.exec
	if a.exec != nil {
		a.execExtension = cluster.extensions[execExtension]
	}
	return nil
}

// base is the URL of the API server (client-go, rest/url_utils.go).
func (a *access) base() (*url.URL, error) {
	u, err := url.Parse(a.host)
	if err == nil && u.Scheme != "" && u.Host != "" {
		return u, nil
	}
	scheme := "http://"
	if a.caFile != "" || len(a.caData) > 0 || a.certFile != "" || len(a.certData) > 0 || a.insecure {
		scheme = "https://"
	}
	u, err = url.Parse(scheme + a.host)
	if err != nil || u.Path != "" && u.Path != "/" {
		return nil, errors.New("the server's address is neither a URL nor HOST:PORT")
	}
	return u, nil
}

func parseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is no URL")
	}
	if !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
		return nil, fmt.Errorf("unsupported scheme %q, must be http, https, or socks5", u.Scheme)
	}
	return u, nil
}
