package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What kubeconfigs mean is tested against client-go itself: whatever it takes
// from one, we take, and what it refuses, we refuse.

// facts are all that a kubeconfig says of a cluster and of who is asking, in
// words that both sides have.
type facts struct {
	Host, Namespace, ServerName, CAFile, CAData             string
	Insecure, DisableCompression                            bool
	CertFile, CertData, KeyFile, KeyData                    string
	Token, TokenFile, Username, Password, Proxy             string
	As, AsUID                                               string
	AsGroups                                                []string
	AsExtra                                                 map[string][]string
	AuthProvider                                            string
	Command, APIVersion, InstallHint, InteractiveMode, Info string
	Args, Env                                               []string
}

// normal makes nothing of what is empty.
func (f facts) normal() facts {
	if len(f.AsGroups) == 0 {
		f.AsGroups = nil
	}
	if len(f.Args) == 0 {
		f.Args = nil
	}
	for key, values := range f.AsExtra {
		if len(values) == 0 {
			f.AsExtra[key] = nil
		}
	}
	if len(f.AsExtra) == 0 {
		f.AsExtra = nil
	}
	return f
}

// ours is what Open does, as far as the first error.
func ours(o Options, p pod) (facts, error) {
	a, err := o.find(p)
	if err != nil {
		return facts{}, err
	}
	f := facts{
		Host: a.host, Namespace: a.namespace, ServerName: a.serverName, CAFile: a.caFile, CAData: string(a.caData), Insecure: a.insecure,
		DisableCompression: a.disableCompression, CertFile: a.certFile, CertData: string(a.certData), KeyFile: a.keyFile, KeyData: string(a.keyData),
		Token: a.token, TokenFile: a.tokenFile, Username: a.username, Password: a.password,
		As: a.as, AsUID: a.asUID, AsGroups: a.asGroups, AsExtra: a.asExtra,
	}
	if a.proxy != nil {
		f.Proxy = a.proxy.String()
	}
	if a.authProvider != nil {
		f.AuthProvider = "provider " + *a.authProvider
	}
	if a.exec != nil {
		f.Command, f.APIVersion, f.InstallHint, f.InteractiveMode = a.exec.command, a.exec.apiVersion, a.exec.installHint, a.exec.interactiveMode
		f.Args, f.Env = a.exec.args, a.exec.env
		info, err := json.Marshal([]any{a.exec.provideClusterInfo, a.execExtension})
		if err != nil {
			return f, err
		}
		f.Info = string(info)
	}
	_, err = newClient(&a, o)
	return f, err
}

// theirs is the same by client-go.
func theirs(o Options, home string) (facts, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.Context}
	var source clientcmd.ClientConfig
	if o.Kubeconfig == nil {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.MigrationRules, rules.WarnIfAllMissing = nil, false
		if os.Getenv("KUBECONFIG") == "" { // client-go has looked at HOME long ago
			rules.Precedence = []string{filepath.Join(home, ".kube", "config")}
		}
		source = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	} else {
		config, err := clientcmd.Load(o.Kubeconfig)
		if err != nil {
			return facts{}, err
		}
		for _, c := range config.Clusters {
			c.LocationOfOrigin = o.Path
		}
		for _, a := range config.AuthInfos {
			a.LocationOfOrigin = o.Path
		}
		if err := clientcmd.ResolveLocalPaths(config); err != nil {
			return facts{}, err
		}
		source = clientcmd.NewNonInteractiveClientConfig(*config, o.Context, overrides, nil)
	}
	c, err := source.ClientConfig()
	if err != nil {
		return facts{}, err
	}
	namespace, _, err := source.Namespace()
	if err != nil {
		return facts{}, err
	}
	f := facts{
		Host: c.Host, Namespace: namespace, ServerName: c.ServerName, CAFile: c.CAFile, CAData: string(c.CAData), Insecure: c.Insecure,
		DisableCompression: c.DisableCompression, CertFile: c.CertFile, CertData: string(c.CertData), KeyFile: c.KeyFile, KeyData: string(c.KeyData),
		Token: c.BearerToken, TokenFile: c.BearerTokenFile, Username: c.Username, Password: c.Password,
		As: c.Impersonate.UserName, AsUID: c.Impersonate.UID, AsGroups: c.Impersonate.Groups, AsExtra: c.Impersonate.Extra,
	}
	if c.Proxy != nil {
		proxy, err := c.Proxy(nil)
		if err != nil {
			return f, err
		}
		f.Proxy = proxy.String()
	}
	if c.AuthProvider != nil {
		f.AuthProvider = "provider " + c.AuthProvider.Name
	}
	if e := c.ExecProvider; e != nil {
		f.Command, f.APIVersion, f.InstallHint, f.InteractiveMode, f.Args = e.Command, e.APIVersion, e.InstallHint, string(e.InteractiveMode), e.Args
		for _, v := range e.Env {
			f.Env = append(f.Env, v.Name+"="+v.Value)
		}
		raw := []byte("null")
		if e.Config != nil {
			raw = e.Config.(*kruntime.Unknown).Raw
		}
		f.Info = fmt.Sprintf("[%v,%s]", e.ProvideClusterInfo, raw)
	}
	_, err = restClient(c)
	return f, err
}

// restClient is a client as client-go makes it.
func restClient(c *rest.Config) (*rest.RESTClient, error) {
	scheme := kruntime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	c.ContentType, c.AcceptContentTypes = kruntime.ContentTypeJSON, kruntime.ContentTypeJSON
	c.QPS = -1
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	return rest.UnversionedRESTClientFor(c)
}

// folder has the files that kubeconfigs of the tests name.
func folder(t testing.TB) string {
	t.Helper()
	silence()
	dir := t.TempDir()
	cert, key := pair(t, "admin")
	for name, data := range map[string]string{
		"ca.crt": cert, "client.crt": cert, "client.key": key, "token": "from-a-file\n", "empty": "",
		"sub/ca.crt": cert, "sub/token": "from-below", "get-token": "#!/bin/sh\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o700))
	}
	return dir
}

// pair is a certificate that vouches for itself, and its key, in PEM.
func pair(t testing.TB, name string) (cert, key string) {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(signer)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// filled puts the folder and the content of its files into a kubeconfig.
func filled(dir, text string) string {
	encoded := func(name string) string {
		data, _ := os.ReadFile(filepath.Join(dir, name))
		return base64.StdEncoding.EncodeToString(data)
	}
	return strings.NewReplacer("$DIR", dir, "$CA64", encoded("ca.crt"), "$CERT64", encoded("client.crt"), "$KEY64", encoded("client.key")).Replace(text)
}

// simple is a kubeconfig of one context.
func simple(cluster, user, more string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u, namespace: infra}}]\n"+
		"clusters: [{name: c, cluster: {%s}}]\nusers: [{name: u, user: {%s}}]\n%s", cluster, user, more)
}

const (
	https  = "server: 'https://api.example:6443'"
	plugIn = "exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, interactiveMode: Never"
)

// kubeconfigs are taken, or refused, as client-go does. says is what our error
// has to say, said what client-go's says.
var kubeconfigs = []struct {
	name, text, context string
	says, said          string
}{
	{name: "a token", text: simple(https, "token: abc", "")},
	{name: "no credentials", text: simple(https, "", "")},
	{name: "a user without anything", text: strings.Replace(simple(https, "", ""), "user: {}", "user:", 1)},
	{name: "a user that is not there", text: strings.Replace(simple(https, "token: abc", ""), "user: u,", "user: other,", 1)},
	{name: "a context without a user", text: strings.Replace(simple(https, "token: abc", ""), "user: u,", "", 1)},
	{name: "a token in a file", text: simple(https, "tokenFile: token", "")},
	{name: "a token in a file below", text: simple(https, "tokenFile: sub/../sub/token", "")},
	{name: "a token and a file", text: simple(https, "token: abc, tokenFile: token", "")},
	{name: "a token and a file that is not there", text: simple(https, "token: abc, tokenFile: gone", "")},
	{name: "a token file that is not there", text: simple(https, "tokenFile: gone", ""), says: "gone: no such file", said: "gone: no such file"},
	{name: "an empty token file", text: simple(https, "tokenFile: empty", ""), says: "empty token from file", said: "empty token from file"},
	{name: "a token file that is a folder", text: simple(https, "tokenFile: sub", ""), says: "is a directory", said: "is a directory"},
	{name: "a user name and a password", text: simple(https, "username: jane, password: abc", "")},
	{name: "a password alone", text: simple(https, "password: abc", "")},
	{name: "a token and a user name", text: simple(https, "token: abc, username: jane", ""), says: "both a token and a user name", said: "more than one authentication method"},
	{name: "a token file and a user name", text: simple(https, "tokenFile: token, username: jane", ""), says: "but not both", said: "but not both"},
	{name: "a client certificate in files", text: simple(https, "client-certificate: client.crt, client-key: client.key", "")},
	{name: "a client certificate in data", text: simple(https, "client-certificate-data: $CERT64, client-key-data: $KEY64", "")},
	{name: "a certificate in a file, its key in data", text: simple(https, "client-certificate: client.crt, client-key-data: $KEY64", "")},
	{name: "a certificate without a key", text: simple(https, "client-certificate: client.crt", ""), says: "no client-key", said: "client-key must be specified"},
	{name: "a key without a certificate", text: simple(https, "client-key: client.key", "")},
	{name: "a certificate twice", text: simple(https, "client-certificate: client.crt, client-certificate-data: $CERT64, client-key: client.key", ""), says: "both client-certificate and", said: "both specified"},
	{name: "a key twice", text: simple(https, "client-certificate: client.crt, client-key-data: $KEY64, client-key: client.key", ""), says: "both client-key and", said: "both specified"},
	{name: "a certificate that is not there", text: simple(https, "client-certificate: gone, client-key: client.key", ""), says: "gone: no such file", said: "unable to read client-cert"},
	{name: "a key that is not there", text: simple(https, "client-certificate: client.crt, client-key: gone", ""), says: "gone: no such file", said: "unable to read client-key"},
	{name: "a certificate that is none", text: simple(https, "client-certificate-data: YWJj, client-key-data: YWJj", ""), says: "failed to find any PEM", said: "failed to find any PEM"},
	{name: "no base64", text: simple(https, "client-certificate-data: '###', client-key-data: YWJj", ""), says: "client-certificate-data: no base64", said: "illegal base64"},
	{name: "base64 in lines", text: simple(https+", certificate-authority-data: \"$CA64\\n\"", "", "")},
	{name: "a certificate and a token", text: simple(https, "client-certificate-data: $CERT64, client-key-data: $KEY64, token: abc", "")},
	{name: "a CA in a file", text: simple(https+", certificate-authority: ca.crt", "", "")},
	{name: "a CA at an absolute path", text: simple(https+", certificate-authority: $DIR/sub/ca.crt", "", "")},
	{name: "a CA in data", text: simple(https+", certificate-authority-data: $CA64", "", "")},
	{name: "a CA twice", text: simple(https+", certificate-authority: ca.crt, certificate-authority-data: $CA64", "", ""), says: "both certificate-authority and", said: "both specified"},
	{name: "a CA that is not there", text: simple(https+", certificate-authority: gone", "", ""), says: "gone: no such file", said: "unable to read certificate-authority"},
	{name: "a CA that is none", text: simple(https+", certificate-authority: token", "", ""), says: "unable to parse bytes as PEM", said: "unable to parse bytes as PEM"},
	{name: "a CA that is a key", text: simple(https+", certificate-authority: client.key", "", ""), says: "no valid certificate authority data", said: "no valid certificate authority data"},
	{name: "an empty CA file", text: simple(https+", certificate-authority: empty", "", "")},
	{name: "another server name", text: simple(https+", tls-server-name: other.example", "", "")},
	{name: "whatever the server shows", text: simple(https+", insecure-skip-tls-verify: true", "token: abc", "")},
	{name: "whatever the server shows, and a CA", text: simple(https+", insecure-skip-tls-verify: true, certificate-authority-data: $CA64", "", ""), says: "insecure flag is not allowed", said: "insecure flag is not allowed"},
	{name: "a proxy", text: simple(https+", proxy-url: 'http://proxy.example:3128'", "", "")},
	{name: "a SOCKS proxy", text: simple(https+", proxy-url: 'socks5://jane:abc@proxy.example:1080/x?y'", "", "")},
	{name: "a proxy for a server in the clear", text: simple("server: 'http://api.example', proxy-url: 'https://proxy.example'", "", "")},
	{name: "a proxy without a scheme", text: simple(https+", proxy-url: 'proxy.example'", "", ""), says: "unsupported scheme", said: "unsupported scheme"},
	{name: "a proxy that is HOST:PORT", text: simple(https+", proxy-url: 'proxy.example:3128'", "", ""), says: "unsupported scheme", said: "unsupported scheme"},
	{name: "a proxy by SOCKS with names", text: simple(https+", proxy-url: 'socks5h://proxy.example'", "", ""), says: "unsupported scheme", said: "unsupported scheme"},
	{name: "a proxy that is no URL", text: simple(https+", proxy-url: 'http://[::1'", "", ""), says: "no URL", said: "could not parse"},
	{name: "no compression", text: simple(https+", disable-compression: true", "", "")},
	{name: "a server in the clear has no credentials", text: simple("server: 'http://api.example', certificate-authority-data: $CA64", "token: abc, client-certificate: client.crt, client-key: client.key", "")},
	{name: "a server without a scheme", text: simple("server: 'api.example:6443'", "token: abc", "")},
	{name: "a server without a scheme, and a CA", text: simple("server: 'api.example:6443', certificate-authority-data: $CA64", "token: abc", "")},
	{name: "a server that is an address", text: simple("server: 127.0.0.1", "token: abc", "")},
	{name: "a server with a path", text: simple("server: 'https://rancher.example/k8s/clusters/c-1'", "token: abc", "")},
	{name: "a server with a path, a query and a fragment", text: simple("server: 'https://rancher.example/k8s/?a=b#c'", "token: abc", "")},
	{name: "a server with a query", text: simple("server: 'https://rancher.example?a=b'", "token: abc", "")},
	{name: "a server with a user", text: simple("server: 'https://jane:abc@api.example/x'", "", "")},
	{name: "a server that is a path", text: simple("server: 'api.example/x'", "", ""), says: "neither a URL nor HOST:PORT", said: "URL or a host:port pair"},
	{name: "a server that is no URL", text: simple("server: 'https://a b'", "", ""), says: "neither a URL nor HOST:PORT", said: "URL or a host:port pair"},
	{name: "another scheme", text: simple("server: 'ftp://api.example'", "token: abc", "")},
	{name: "a cluster without a server", text: simple("tls-server-name: a", "", ""), says: `cluster "c" has no server`, said: `no server found for cluster "c"`},
	{name: "a cluster without anything", text: simple("", "token: abc", ""), says: `cluster "c" has no server`, said: `no server found for cluster "c"`},
	{name: "a cluster that is not there", text: strings.Replace(simple(https, "", ""), "cluster: c,", "cluster: other,", 1), says: "names no cluster", said: "no configuration has been provided"},
	{name: "a context without a cluster", text: strings.Replace(simple(https, "", ""), "cluster: c,", "", 1), says: "names no cluster", said: "no configuration has been provided"},
	{name: "no cluster, and a broken user", text: strings.Replace(simple(https, "client-certificate: client.crt", ""), "cluster: c,", "", 1), says: "no client-key", said: "cluster has no server defined"},
	{name: "no current context", text: strings.Replace(simple(https, "", ""), "current-context: c\n", "", 1), says: "names no cluster", said: "no configuration has been provided"},
	{name: "a current context that is not there", text: strings.Replace(simple(https, "", ""), "current-context: c", "current-context: other", 1), says: `"other" does not exist`, said: "context was not found for specified context: other"},
	{name: "a context by name", text: simple(https, "token: abc", "") + "# other\n", context: "c"},
	{name: "a context by name where the current one is not there", text: strings.Replace(simple(https, "token: abc", ""), "current-context: c", "current-context: other", 1), context: "c"},
	{name: "a context by name that is not there", text: simple(https, "", ""), context: "other", says: `context "other" does not exist`, said: `context "other" does not exist`},
	{name: "no namespace", text: strings.Replace(simple(https, "", ""), ", namespace: infra", "", 1)},
	{name: "the namespace default", text: strings.Replace(simple(https, "", ""), "namespace: infra", "namespace: default", 1)},
	{name: "a user to act as", text: simple(https, "token: abc, as: jane, as-uid: '7', as-groups: [a, b], as-user-extra: {scopes: [x, z], reason: []}", "")},
	{name: "a user to act as, in the clear", text: simple("server: 'http://a'", "as: jane, as-groups: [a]", "")},
	{name: "groups to act in without a user", text: simple(https, "as-groups: [a]", ""), says: "as is missing", said: "without impersonating a user"},
	{name: "a uid to act as without a user", text: simple(https, "as-uid: a", ""), says: "as is missing", said: "without impersonating a user"},
	{name: "an auth provider", text: simple(https, "auth-provider: {name: oidc, config: {id-token: abc}}", ""), says: `no Auth Provider found for name "oidc"`, said: `no Auth Provider found for name "oidc"`},
	{name: "an auth provider in the clear", text: simple("server: 'http://a'", "auth-provider: {name: oidc}", "")},
	{name: "an auth provider with a number", text: simple(https, "auth-provider: {name: oidc, config: {a: 1}}", ""), says: "config.a: a number", said: "cannot unmarshal number"},
	{name: "an auth provider and a plug-in", text: simple(https, plugIn+"}, auth-provider: {name: oidc}", ""), says: "both exec and auth-provider", said: "in combination with an exec plugin"},
	{name: "a plug-in", text: simple(https, plugIn+", args: [a, b], env: [{name: A, value: b}, {name: C}], installHint: \"get \\e[1mit\\n\"}", "")},
	{name: "a plug-in that gets the cluster", text: simple(https+", certificate-authority: ca.crt, extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: x, big: 12345678901234567890, n: 010, f: 1.50, y: yes, l: [1, null, ~]}}]", plugIn+", provideClusterInfo: true}", "")},
	{name: "a plug-in beside the kubeconfig", text: simple(https, strings.Replace(plugIn, "get-token", "./get-token", 1)+"}", "")},
	{name: "a plug-in at an absolute path", text: simple(https, strings.Replace(plugIn, "get-token", "/bin/get-token", 1)+"}", "")},
	{name: "a plug-in of v1beta1 need not say whether it asks", text: simple(https, "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: get-token}", "")},
	{name: "a plug-in of v1 has to", text: simple(https, "exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token}", ""), says: "no interactiveMode", said: "interactiveMode must be specified"},
	{name: "a plug-in that asks sometimes", text: simple(https, strings.Replace(plugIn, "Never", "Sometimes", 1)+"}", ""), says: "interactiveMode", said: "invalid interactiveMode"},
	{name: "a plug-in of v1alpha1", text: simple(https, "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: get-token}", ""), says: "invalid apiVersion", said: "invalid apiVersion"},
	{name: "a plug-in without a version", text: simple(https, "exec: {command: get-token, interactiveMode: Never}", ""), says: "no apiVersion", said: "apiVersion must be specified"},
	{name: "a plug-in without a command", text: simple(https, strings.Replace(plugIn, "get-token", "''", 1)+"}", ""), says: "no command", said: "command must be specified"},
	{name: "a plug-in with a variable without a name", text: simple(https, plugIn+", env: [{value: a}]}", ""), says: "env without a name", said: "env variable name must be specified"},
	{name: "a plug-in without anything", text: simple(https, "exec: {}", ""), says: "no command", said: "command must be specified"},
	{name: "a plug-in and a token", text: simple(https, plugIn+"}, token: abc", "")},
	{name: "a plug-in in the clear", text: simple("server: 'http://a'", plugIn+"}", "")},
	{name: "a plug-in that gets a CA that is not there", text: simple(https+", certificate-authority: gone", plugIn+", provideClusterInfo: true}", ""), says: "gone: no such file", said: "gone: no such file"},

	{name: "nothing", text: "", says: "names no cluster", said: "no configuration has been provided"},
	{name: "blanks", text: " \n\n", says: "names no cluster", said: "no configuration has been provided"},
	{name: "a comment", text: "# nothing\n", says: "names no cluster", said: "no configuration has been provided"},
	{name: "null", text: "null", says: "names no cluster", said: "no configuration has been provided"},
	{name: "an empty document before", text: "---\n---\n" + simple(https, "", ""), says: "names no cluster", said: "no configuration has been provided"},
	{name: "another document behind", text: simple(https, "token: abc", "") + "---\nkind: Secret\n"},
	{name: "neither kind nor version", text: strings.Replace(simple(https, "token: abc", ""), "apiVersion: v1\nkind: Config\n", "", 1)},
	{name: "another kind", text: strings.Replace(simple(https, "", ""), "Config", "Secret", 1), says: `a Secret of "v1"`, said: `no kind "Secret" is registered`},
	{name: "another version", text: strings.Replace(simple(https, "", ""), "apiVersion: v1", "apiVersion: v2", 1), says: `of "v2"`, said: "v2"},
	{name: "another group", text: strings.Replace(simple(https, "", ""), "apiVersion: v1", "apiVersion: apps/v1", 1), says: `of "apps/v1"`, said: "apps/v1"},
	{name: "Kind for kind", text: strings.Replace(simple(https, "", ""), "kind: Config", "Kind: Secret", 1), says: "Secret", said: "Secret"},
	{name: "names in another case are unknown", text: strings.Replace(simple(https, "Token: abc, tokenfile: gone", ""), "server", "Server: x, server", 1)},
	{name: "unknown names", text: simple(https+", colour: {a: [b]}", "token: abc, a: 1", "more: [x]\npreferences: {colors: true, a: b}\n")},
	{name: "the same name twice, the last counts", text: simple(https+", server: 'https://other.example'", "token: abc", "current-context: other\ncurrent-context: c\n")},
	{name: "two clusters of one name", text: simple(https, "", "") + "x: y\n" + "clusters: [{name: c}, {name: c}]\n", says: `"c" comes twice`, said: "duplicate name"},
	{name: "two users of one name", text: strings.Replace(simple(https, "", ""), "users: [", "users: [{name: u},", 1), says: `"u" comes twice`, said: "duplicate name"},
	{name: "two contexts of one name", text: strings.Replace(simple(https, "", ""), "contexts: [", "contexts: [{name: c},", 1), says: `"c" comes twice`, said: "duplicate name"},
	{name: "two extensions of one name", text: simple(https+", extensions: [{name: a, extension: 1}, {name: a}]", "", ""), says: `"a" comes twice`, said: "duplicate name"},
	{name: "two extensions of one name, the first without a value", text: simple(https+", extensions: [{name: a}, {name: a, extension: 1}]", "", "")},
	{name: "a token that is a number", text: simple(https, "token: 12345", ""), says: "users[0].user.token: a number where a text", said: "cannot unmarshal number"},
	{name: "a token that looks like a number, in quotes", text: simple(https, "token: '12345'", "")},
	{name: "a token that looks like a date", text: simple(https, "token: 2026-11-21", "")},
	{name: "a password that is yes", text: simple(https, "username: a, password: yes", ""), says: "password: true or false", said: "cannot unmarshal bool"},
	{name: "a password that is y", text: simple(https, "username: a, password: y", ""), says: "password: true or false", said: "cannot unmarshal bool"},
	{name: "a password that is 1e5", text: simple(https, "username: a, password: 1e5", ""), says: "password: a number", said: "cannot unmarshal number"},
	{name: "a password that is 1_000", text: simple(https, "username: a, password: 1_000", ""), says: "password: a number", said: "cannot unmarshal number"},
	{name: "a password that is 0o17", text: simple(https, "username: a, password: 0o17", ""), says: "password: a number", said: "cannot unmarshal number"},
	{name: "a password that is 1.2.3", text: simple(https, "username: a, password: 1.2.3", "")},
	{name: "a password that is 12:30", text: simple(https, "username: a, password: 12:30", "")},
	{name: "a password that is infinite", text: simple(https, "username: a, password: .inf", ""), says: "JSON does not have", said: "unsupported value"},
	{name: "a password that is null", text: simple(https, "username: a, password: ~", "")},
	{name: "a flag that is a text", text: simple(https+", insecure-skip-tls-verify: 'true'", "", ""), says: "insecure-skip-tls-verify: a text", said: "cannot unmarshal string"},
	{name: "a flag that is on", text: simple(https+", insecure-skip-tls-verify: on", "", "")},
	{name: "clusters by name", text: "clusters: {c: {server: a}}", says: "clusters: a mapping where a list", said: "cannot unmarshal object"},
	{name: "a cluster that is a text", text: "clusters: [c]", says: "clusters[0]: a text where a mapping", said: "cannot unmarshal string"},
	{name: "a list", text: "- a", says: "the document: a list", said: "cannot unmarshal array"},
	{name: "a word", text: "abc", says: "the document: a text", said: "cannot unmarshal string"},
	{name: "groups that are a text", text: simple(https, "as: a, as-groups: b", ""), says: "as-groups: a text", said: "cannot unmarshal string"},
	{name: "null in lists", text: simple(https, "token: abc, as: a, as-groups: [~, b]", "preferences:\nextensions:\n") + "x: [~]"},
	{name: "JSON", text: `{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
		"clusters": [{"name": "c", "cluster": {"server": "https://api.example\u002fx"}}], "users": [{"name": "u", "user": {"token": "a\"b"}}]}`},
	{name: "JSON with a slash escaped", text: simple(`server: "https:\/\/api.example"`, "", ""), says: "escape", said: "unknown escape"},
	{name: "an escape of half a character", text: simple(https, `token: "\ud83d\ude00"`, ""), says: "escape", said: "invalid Unicode character escape"},
	{name: "an anchor", text: simple("<<: *base, tls-server-name: c", "token: abc", "") + "", says: "anchor", said: "unknown anchor"},
	{name: "anchors and merged mappings", text: "base: &base {server: 'https://base.example', tls-server-name: base}\n" + simple("<<: *base, tls-server-name: c", "token: abc", "")},
	{name: "a merged mapping behind the name that it has too", text: "base: &base {server: 'https://base.example', tls-server-name: base}\n" + simple("tls-server-name: c, <<: *base", "token: abc", "")},
	{name: "several merged mappings", text: "one: &one {server: 'https://one.example'}\ntwo: &two {server: 'https://two.example', tls-server-name: two}\n" + simple("<<: [*one, *two]", "token: abc", "")},
	{name: "a merged text", text: simple("<<: abc", "", ""), says: "takes mappings only", said: "map merge requires map"},
	{name: "a tag of a text", text: simple(https, "token: !!str 123", "")},
	{name: "a byte-order mark", text: "\uFEFF" + simple(https, "token: abc", "")},
	{name: "CR LF", text: strings.ReplaceAll(simple(https, "token: abc", ""), "\n", "\r\n")},
	{name: "no UTF-8", text: simple(https, "token: \"\xff\"", ""), says: "UTF-8", said: "UTF-8"},
	{name: "a control character", text: simple(https, "token: \"\x01\"", ""), says: "control character", said: "control characters"},
	{name: "broken YAML", text: "a: b: c", says: "line 1", said: "mapping values are not allowed"},
	{name: "a tab", text: "a:\n\tb: c", says: "line 2: a tab", said: "cannot start any token"},
	{name: "a colon in place of a value", text: simple("server: :", "", ""), says: "cannot begin a value", said: "did not find expected node content"},
	{name: "a number sign in place of a name", text: "{#a: b}", says: "cannot begin a value", said: "did not find expected node content"},
	{name: "a question mark in brackets", text: simple("server: a?b", "", ""), says: "a question mark inside brackets", said: "did not find expected ',' or '}'"},
	{name: "a tag without a value", text: simple(https, "token: !abc", ""), says: "a tag", said: "did not find expected whitespace"},
	{name: "a tag of another type", text: simple(https, "token: !!int abc", ""), says: "a tag", said: "cannot decode"},
	{name: "a directive", text: "%abc\n---\n" + simple(https, "", ""), says: "a directive", said: "unknown directive"},
	{name: "a key that is a list", text: "? [a]\n: b\n", says: "key that is no text", said: "invalid map key"},
	{name: "a key that is null", text: "~: b\n", says: "key that is no text", said: "unsupported map key"},
	{name: "a key that is a number", text: "1: b\n" + simple(https, "token: abc, as: a, as-user-extra: {7: [x]}", "")},
	{name: "lines as kubectl writes them", text: "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority: ca.crt\n    server: https://api.example\n  name: c\ncontexts:\n- context:\n    cluster: c\n    user: u\n  name: c\n" +
		"current-context: c\nkind: Config\npreferences: {}\nusers:\n- name: u\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - eks\n      - get-token\n      command: aws\n      env: null\n      provideClusterInfo: false\n"},
}

// TestKubeconfigs reads each as a file that was given, and through KUBECONFIG.
func TestKubeconfigs(t *testing.T) {
	dir := folder(t)
	t.Setenv("HOME", dir)
	path := filepath.Join(dir, "config")
	for _, c := range kubeconfigs {
		t.Run(c.name, func(t *testing.T) {
			text := filled(dir, c.text)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			t.Setenv("KUBECONFIG", path)
			for way, o := range map[string]Options{
				"a file": {Kubeconfig: []byte(text), Path: path, Context: c.context}, "KUBECONFIG": {Context: c.context},
			} {
				same(t, way, o, dir, c.says, c.said)
			}
		})
	}
}

// same holds us against client-go.
func same(t *testing.T, way string, o Options, home, says, said string) {
	t.Helper()
	want, refused := theirs(o, home)
	got, err := ours(o, pod{serviceAccountDir})
	if said == "" {
		require.NoError(t, refused, "%s: client-go", way)
		require.NoError(t, err, way)
		assert.Equal(t, want.normal(), got.normal(), way)
		return
	}
	require.ErrorContains(t, refused, said, "%s: client-go", way)
	require.ErrorContains(t, err, says, way)
}

// TestErrorsKeepSecrets: no error repeats a value.
func TestErrorsKeepSecrets(t *testing.T) {
	for _, user := range []string{
		"token: *sesame", "token: !sesame x", "token: [sesame", "token: \"sesame", "token: 'sesame", "token: sesame: x", "token: |sesame", "token: @sesame", "token: {sesame: x}", "token: [sesame]",
		"token: \"sesame\\q\"", "token: sesame\n   x: y", "token: sesame\n  x", "token: >-\n\tsesame", "client-key-data: sesame#", "client-certificate-data: c2VzYW1l, client-key-data: c2VzYW1l",
		"token: &sesame", "? sesame", "username: sesame, token: sesame", "password: sesame\x01",
	} {
		for _, text := range []string{simple(https, user, ""), "users:\n- name: u\n  user:\n    " + strings.ReplaceAll(user, "\n", "\n    ") + "\n"} {
			_, err := Open(Options{Kubeconfig: []byte(text), Path: "bad"})
			if err != nil {
				assert.NotContains(t, err.Error(), "sesame", text)
				assert.NotContains(t, err.Error(), "c2VzYW1l", text)
			}
			_, err = parseCredential([]byte("status: {"+user+"}"), "v1")
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "sesame", user)
		}
	}
}

// TestKubeconfigLists: what several files say together.
func TestKubeconfigLists(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths are joined by colons here")
	}
	dir := folder(t)
	for name, text := range map[string]string{
		"one":     simple(https, "token: one", ""),
		"two":     strings.Replace(simple("server: 'https://two.example'", "token: two", ""), "current-context: c", "current-context: d", 1) + "x: y",
		"cluster": "clusters: [{name: c, cluster: {server: 'https://three.example', certificate-authority: ca.crt}}, {name: d, cluster: {server: 'https://four.example'}}]",
		"user":    "users: [{name: u, user: {tokenFile: token}}]",
		"context": "current-context: d\ncontexts: [{name: d, context: {cluster: d, user: u}}, {name: c, context: {cluster: c, user: u}}]",
		"current": "current-context: c",
		"nothing": "",
		"broken":  "a: b: c",
		"typed":   "clusters: 1",
		"sub/rel": simple(https+", certificate-authority: ca.crt", "tokenFile: token", ""),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".kube"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".kube", "config"), []byte(simple("server: 'https://home.example'", "tokenFile: ../token", "")), 0o600))
	for _, c := range []struct {
		list, home string
		context    string
		says, said string
	}{
		{list: "", home: dir},
		{list: "", home: filepath.Join(dir, "nobody"), says: "names no cluster", said: "no configuration"},
		{list: ":", home: dir, says: "names no cluster", said: "no configuration"},
		{list: "one"},
		{list: "one:two"},
		{list: "two:one", says: `"d" does not exist`, said: "context was not found for specified context: d"},
		{list: "two:one", context: "c"},
		{list: "one:one"},
		{list: "gone:one"},
		{list: "gone", says: "names no cluster", said: "no configuration"},
		{list: "nothing:one"},
		{list: "cluster:user:context:current"},
		{list: "current:context:user:cluster"},
		{list: "one:cluster", context: "c"},
		{list: "cluster:one", context: "c"},
		{list: "user:sub/rel"},
		{list: "sub/rel:user"},
		{list: "sub/rel"},
		{list: "one:broken", says: "broken: line 1", said: "broken"},
		{list: "broken:typed", says: "typed: clusters: a number", said: "typed"},
		{list: "one:sub", says: "is a directory", said: "is a directory"},
		{list: "one/x", says: "one/x: not a directory", said: "not a directory"},
		{list: "cluster:user:context:current", context: "d"},
		{list: "cluster:user", says: "names no cluster", said: "no configuration"},
	} {
		t.Run(c.list+" "+c.context, func(t *testing.T) {
			var list []string
			for _, name := range strings.Split(c.list, ":") {
				if name != "" {
					name = filepath.Join(dir, name)
				}
				list = append(list, name)
			}
			t.Setenv("KUBECONFIG", strings.Join(list, ":"))
			t.Setenv("HOME", c.home)
			same(t, "", Options{Context: c.context}, c.home, c.says, c.said)
		})
	}
	t.Run("from the folder", func(t *testing.T) {
		t.Chdir(dir)
		t.Setenv("KUBECONFIG", "gone:sub/rel")
		same(t, "", Options{}, dir, "", "")
		t.Setenv("KUBECONFIG", "")
		t.Setenv("HOME", "")
		same(t, "no home", Options{}, "", "", "")
	})
}

// TestUnreadable: files that are there and may not be read.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("who may read everything is refused nothing")
	}
	dir := folder(t)
	path := filepath.Join(dir, "config")
	for _, name := range []string{"ca.crt", "client.key", "token"} {
		require.NoError(t, os.Chmod(filepath.Join(dir, name), 0))
	}
	for _, text := range []string{
		simple(https+", certificate-authority: ca.crt", "", ""), simple(https, "tokenFile: token", ""), simple(https, "client-certificate: client.crt, client-key: client.key", ""),
	} {
		same(t, text, Options{Kubeconfig: []byte(text), Path: path}, dir, "permission denied", "permission denied")
	}
}

// TestPod runs itself where a pod's files are at their place.
func TestPod(t *testing.T) {
	if os.Getenv("CRPKI_TEST_POD") != "" {
		pods(t)
		return
	}
	if err := exec.Command("unshare", "-rm", "true").Run(); err != nil {
		t.Skip("this needs a file system of its own: unshare: ", err)
	}
	dir := folder(t)
	cmd := exec.Command("unshare", "-rm", "sh", "-c", `mount -t tmpfs none /run && mkdir -p `+serviceAccountDir+` && exec "$0" -test.run '^TestPod$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "CRPKI_TEST_POD="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "--- PASS: TestPod/", string(out))
}

func pods(t *testing.T) {
	source := os.Getenv("CRPKI_TEST_POD")
	t.Setenv("HOME", source)
	ca, err := os.ReadFile(filepath.Join(source, "ca.crt"))
	require.NoError(t, err)
	for _, c := range []struct {
		name, token, ca, namespace string
		env                        map[string]string
		says, said                 string
	}{
		{name: "a pod", token: "abc\n", ca: string(ca), namespace: "infra\n", env: map[string]string{}},
		{name: "IPv6", token: "abc", ca: string(ca), namespace: "infra", env: map[string]string{"KUBERNETES_SERVICE_HOST": "fd00::1"}},
		{name: "no CA", token: "abc", namespace: "infra"},
		{name: "a CA that is none", token: "abc", ca: "abc", namespace: "infra"},
		{name: "a CA with a broken one behind", token: "abc", ca: string(ca) + "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"},
		{name: "a CA with headers", token: "abc", ca: strings.Replace(string(ca), "CERTIFICATE-----\n", "CERTIFICATE-----\nA: b\n\n", 1)},
		{name: "no namespace", token: "abc", ca: string(ca)},
		{name: "a namespace in the environment", token: "abc", ca: string(ca), namespace: "infra", env: map[string]string{"POD_NAMESPACE": "other"}},
		{name: "no token", ca: string(ca), says: "names no cluster", said: "no configuration"},
		{name: "no port", token: "abc", env: map[string]string{"KUBERNETES_SERVICE_PORT": ""}, says: "names no cluster", said: "no configuration"},
		{name: "a kubeconfig goes before", token: "abc", namespace: "infra", env: map[string]string{"KUBECONFIG": write(t, simple(https, "token: abc", ""))}},
		{
			name: "a kubeconfig without a namespace", token: "abc", namespace: "infra",
			env: map[string]string{"KUBECONFIG": write(t, strings.Replace(simple(https, "token: abc", ""), ", namespace: infra", "", 1))},
		},
		{
			name: "a kubeconfig with the namespace default", token: "abc", namespace: "infra",
			env: map[string]string{"KUBECONFIG": write(t, strings.Replace(simple(https, "token: abc", ""), "namespace: infra", "namespace: default", 1))},
		},
		{name: "a broken kubeconfig", token: "abc", env: map[string]string{"KUBECONFIG": write(t, "a: b: c")}, says: "line 1", said: "mapping values"},
		{name: "a kubeconfig that names no cluster", token: "abc", namespace: "infra", env: map[string]string{"KUBECONFIG": write(t, "kind: Config")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, data := range map[string]string{"token": c.token, "ca.crt": c.ca, "namespace": c.namespace} {
				path := filepath.Join(serviceAccountDir, name)
				os.Remove(path)
				if data != "" {
					require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
				}
			}
			for name, value := range map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", "KUBECONFIG": "/gone", "POD_NAMESPACE": ""} {
				if other, ok := c.env[name]; ok {
					value = other
				}
				t.Setenv(name, value)
			}
			same(t, c.name, Options{}, source, c.says, c.said)
		})
	}
}

func write(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// FuzzKubeconfig: reading one never panics, and what we take, client-go takes
// with the same result.
func FuzzKubeconfig(f *testing.F) {
	dir := folder(f)
	for _, c := range kubeconfigs {
		f.Add([]byte(filled(dir, c.text)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o := Options{Kubeconfig: data, Path: filepath.Join(dir, "config")}
		if data == nil {
			o.Kubeconfig = []byte{}
		}
		got, err := ours(o, pod{serviceAccountDir})
		if err != nil {
			return
		}
		want, err := theirs(o, dir)
		require.NoError(t, err, "client-go")
		assert.Equal(t, want.normal(), got.normal())
	})
}
