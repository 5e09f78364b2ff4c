package cluster

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// access.go finds the kubeconfig and takes from it which API server to speak
// to, and as whom, in the order and with the checks of client-go 0.34.4
// (tools/clientcmd: loader.go, merge.go, client_config.go, validation.go,
// merged_client_builder.go).

// access is how to reach one API server. It is what client-go has as rest.Config.
type access struct {
	host      string // URL, or HOST:PORT
	namespace string

	caFile     string
	caData     []byte
	serverName string
	insecure   bool

	certFile, keyFile  string
	certData, keyData  []byte
	token, tokenFile   string
	username, password string
	as, asUID          string
	asGroups           []string
	asExtra            map[string][]string
	authProvider       *string
	exec               *execConfig
	execExtension      any // what the cluster has for the plug-in

	proxy              *url.URL
	disableCompression bool
}

// errEmpty: nothing names a cluster.
var errEmpty = errors.New("it names no cluster")

// serviceAccountDir is where a pod finds the files of its service account.
const serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// find is ClientConfig and Namespace of client-go's
// DeferredLoadingClientConfig, or of its DirectClientConfig when o has a
// kubeconfig. p is where a pod finds what it has.
func (o Options) find(p pod) (access, error) {
	if o.Kubeconfig != nil {
		c, err := parseConfig(o.Kubeconfig, o.Path)
		if err != nil {
			return access{}, err
		}
		a, _, err := c.access(o.Context)
		return a, err
	}
	c, err := loadConfigs(kubeconfigPaths())
	if err != nil {
		return access{}, err
	}
	a, explicit, err := c.access(o.Context)
	switch {
	case errors.Is(err, errEmpty) && p.exists():
		return p.access()
	case err == nil && !explicit && p.exists():
		a.namespace = p.namespace()
	}
	return a, err
}

// kubeconfigPaths are the files that count: those that KUBECONFIG lists, each
// once, or the one in the home folder.
func kubeconfigPaths() []string {
	if list := os.Getenv("KUBECONFIG"); list != "" {
		var paths []string
		for _, path := range filepath.SplitList(list) {
			if path != "" && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
		return paths
	}
	return []string{filepath.Join(homeDir(), ".kube", "config")}
}

// homeDir is client-go's (util/homedir): HOME, and on Windows the first of three
// folders that has a kubeconfig, or else that is there.
func homeDir() string {
	home := os.Getenv("HOME")
	if runtime.GOOS != "windows" {
		return home
	}
	drive, profile := "", os.Getenv("USERPROFILE")
	if d, p := os.Getenv("HOMEDRIVE"), os.Getenv("HOMEPATH"); d != "" && p != "" {
		drive = d + p
	}
	isThere := func(path ...string) bool {
		_, err := os.Stat(filepath.Join(path...))
		return path[0] != "" && err == nil
	}
	for _, dir := range []string{home, drive, profile} {
		if isThere(dir, ".kube", "config") {
			return dir
		}
	}
	dirs := []string{home, profile, drive}
	if i := slices.IndexFunc(dirs, func(dir string) bool { return isThere(dir) }); i >= 0 {
		return dirs[i]
	}
	return home + profile
}

// loadConfigs merges the files that are there. What the first of them says of a
// cluster, a user or a context, or as the current context, counts.
func loadConfigs(paths []string) (configFile, error) {
	merged, _ := parseConfig(nil, "")
	var faults []error
	for _, path := range paths {
		data, err := readFile(path)
		if os.IsNotExist(err) {
			continue
		}
		var c configFile
		if err == nil {
			c, err = parseConfig(data, path)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, withoutPath(err)))
			continue
		}
		if merged.current == "" {
			merged.current = c.current
		}
		addMissing(merged.clusters, c.clusters)
		addMissing(merged.users, c.users)
		addMissing(merged.contexts, c.contexts)
	}
	return merged, together(faults)
}

func addMissing[V any](to, from map[string]V) {
	for name, v := range from {
		if _, there := to[name]; !there {
			to[name] = v
		}
	}
}

// maxFile bounds a file that a kubeconfig names, and itself, in bytes.
const maxFile = 32 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("read %s: it is larger than %d MiB", path, maxFile>>20)
	}
	return data, err
}

// withoutPath is what is wrong with a file whose name is told already.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

// together joins errors in one line.
func together(all []error) error {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	var texts []string
	for _, err := range all {
		if text := err.Error(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return errors.New(strings.Join(texts, "; "))
}

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

// resolved makes paths absolute: those that are relative begin in the folder of
// the file that names them. In one without a name they stay as they are.
func (c clusterEntry) resolved() clusterEntry {
	resolve(c.origin, &c.caFile)
	return c
}

func (u userEntry) resolved() userEntry {
	resolve(u.origin, &u.certFile, &u.keyFile, &u.tokenFile)
	if u.exec != nil && strings.ContainsRune(u.exec.command, filepath.Separator) { // PATH has the others
		exec := *u.exec
		resolve(u.origin, &exec.command)
		u.exec = &exec
	}
	return u
}

func resolve(origin string, paths ...*string) {
	dir, err := filepath.Abs(filepath.Dir(origin))
	if origin == "" || err != nil {
		return
	}
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}

// check says what is wrong with a cluster (validateClusterInfo).
func (c clusterEntry) check(name string) (faults []error) {
	fail := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.isEmpty() {
		return []error{errEmpty}
	}
	if c.server == "" {
		fail("the cluster %q has no server", name)
	}
	if c.proxyURL != "" {
		if _, err := parseProxy(c.proxyURL); err != nil {
			fail("the proxy-url of the cluster %q: %w", name, err)
		}
	}
	if c.caFile != "" && len(c.caData) > 0 {
		fail("the cluster %q has both certificate-authority and certificate-authority-data", name)
	}
	faults = append(faults, readable("certificate-authority", c.caFile)...)
	return faults
}

// isEmpty: nothing at all is said of it, not even in an empty entry of a file.
func (c clusterEntry) isEmpty() bool {
	return c.origin == "" && c.server == "" && c.serverName == "" && !c.insecure && c.caFile == "" && c.caData == nil &&
		c.proxyURL == "" && !c.disableCompression && len(c.extensions) == 0
}

// check says what is wrong with a user (validateAuthInfo).
func (u userEntry) check(name string) (faults []error) {
	fail := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if u.certFile != "" || len(u.certData) > 0 {
		if u.certFile != "" && len(u.certData) > 0 {
			fail("the user %q has both client-certificate and client-certificate-data", name)
		}
		if u.keyFile != "" && len(u.keyData) > 0 {
			fail("the user %q has both client-key and client-key-data", name)
		}
		if u.keyFile == "" && len(u.keyData) == 0 {
			fail("the user %q has a client certificate and no client-key", name)
		}
		faults = append(faults, readable("client-certificate", u.certFile)...)
		faults = append(faults, readable("client-key", u.keyFile)...)
	}
	if u.exec != nil {
		if u.authProvider != nil {
			fail("the user %q has both exec and auth-provider", name)
		}
		faults = append(faults, u.exec.check(name)...)
	}
	if u.token != "" && (u.username != "" || u.password != "") {
		fail("the user %q has both a token and a user name", name)
	}
	if u.as == "" && (u.asUID != "" || len(u.asGroups) > 0 || len(u.asExtra) > 0) {
		fail("the user %q impersonates a uid, groups or extra fields, and no user: as is missing", name)
	}
	return faults
}

// readable opens a file, if one is named.
func readable(field, path string) []error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", field, err)}
	}
	f.Close()
	return nil
}

// pod is where a pod has its service account (client-go, rest.InClusterConfig
// and inClusterClientConfig).
type pod struct{ dir string }

func (p pod) file(name string) string { return filepath.Join(p.dir, name) }

func (p pod) exists() bool {
	info, err := os.Stat(p.file("token"))
	return os.Getenv("KUBERNETES_SERVICE_HOST") != "" && os.Getenv("KUBERNETES_SERVICE_PORT") != "" && err == nil && !info.IsDir()
}

func (p pod) access() (access, error) {
	token, err := readFile(p.file("token"))
	if err != nil {
		return access{}, err
	}
	a := access{
		host:  "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")),
		token: string(token), tokenFile: p.file("token"), namespace: p.namespace(),
	}
	// Without a CA that can be read, those of the system count.
	if data, err := readFile(p.file("ca.crt")); err == nil && areCertificates(data) {
		a.caFile = p.file("ca.crt")
	}
	return a, nil
}

func (p pod) namespace() string {
	if name := os.Getenv("POD_NAMESPACE"); name != "" {
		return name
	}
	data, _ := readFile(p.file("namespace"))
	if name := strings.TrimSpace(string(data)); name != "" {
		return name
	}
	return "default"
}
