package cluster

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// exec.go runs the credential plug-in of a kubeconfig, as client-go 0.34.4 does
// (plugin/pkg/client/auth/exec/exec.go, pkg/apis/clientauthentication): a
// program that prints an ExecCredential with a token or a client certificate.

// execExtension is the name under which a cluster has what is passed on to the
// plug-in.
const execExtension = "client.authentication.k8s.io/exec"

// execGroup begins the versions of what goes to the plug-in and comes back.
const execGroup = "client.authentication.k8s.io/"

// execConfig is the plug-in as the kubeconfig has it.
type execConfig struct {
	command            string
	args               []string
	env                []string // NAME=value
	apiVersion         string
	installHint        string
	provideClusterInfo bool
	interactiveMode    string // Never, IfAvailable, Always

	unnamed bool // there is a variable without a name in env
}

func (f *fault) exec(o object) *execConfig {
	e := f.object(o.get("exec"), o.at("exec"))
	if e.fields == nil {
		return nil
	}
	c := &execConfig{
		command: f.text(e, "command"), args: f.texts(e, "args"), apiVersion: f.text(e, "apiVersion"), installHint: withoutControls(f.text(e, "installHint")),
		provideClusterInfo: f.flag(e, "provideClusterInfo"), interactiveMode: f.text(e, "interactiveMode"),
	}
	if c.interactiveMode == "" && (c.apiVersion == execGroup+"v1beta1" || c.apiVersion == execGroup+"v1alpha1") {
		c.interactiveMode = "IfAvailable"
	}
	for i, item := range f.list(e, "env") {
		v := f.object(item, fmt.Sprintf("%s[%d]", e.at("env"), i))
		name := f.text(v, "name")
		c.unnamed = c.unnamed || name == ""
		c.env = append(c.env, name+"="+f.text(v, "value"))
	}
	return c
}

// check says what is wrong with the plug-in of a user.
func (c *execConfig) check(user string) (faults []error) {
	fail := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.command == "" {
		fail("the plug-in of the user %q has no command", user)
	}
	if c.apiVersion == "" {
		fail("the plug-in of the user %q has no apiVersion", user)
	}
	if c.unnamed {
		fail("the plug-in of the user %q has an env without a name", user)
	}
	switch c.interactiveMode {
	case "":
		fail("the plug-in of the user %q has no interactiveMode", user)
	case "Never", "IfAvailable", "Always":
	default:
		fail("the plug-in of the user %q has the interactiveMode %q, and not Never, IfAvailable or Always", user, c.interactiveMode)
	}
	return faults
}

// withoutControls spells out what would change the state of a terminal.
func withoutControls(text string) string {
	var b strings.Builder
	for _, c := range text {
		if unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z) || '\t' <= c && c <= '\r' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, "%U", c)
		}
	}
	return b.String()
}

// execCredential is what the plug-in is told, in KUBERNETES_EXEC_INFO.
type execCredential struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Spec       execSpec `json:"spec"`
}

type execSpec struct {
	Cluster     *execCluster `json:"cluster,omitempty"`
	Interactive bool         `json:"interactive"`
}

type execCluster struct {
	Server             string `json:"server"`
	ServerName         string `json:"tls-server-name,omitempty"`
	Insecure           bool   `json:"insecure-skip-tls-verify,omitempty"`
	CAData             []byte `json:"certificate-authority-data,omitempty"`
	ProxyURL           string `json:"proxy-url,omitempty"`
	DisableCompression bool   `json:"disable-compression,omitempty"`
	Config             any    `json:"config"`
}

// credentials are what the plug-in gave.
type credentials struct {
	token   string
	cert    *tls.Certificate
	expires time.Time // zero: never
}

// plugin gets credentials, and gets them anew when they have expired or the API
// server takes them no more. It may be used by several goroutines; the program
// runs once at a time.
type plugin struct {
	execConfig
	cluster *execCluster // nil unless the plug-in wants it
	// changed is called when a client certificate is replaced.
	changed func()

	mu   sync.Mutex
	last *credentials
}

// newPlugin is nil for an access without one.
func newPlugin(a *access) (*plugin, error) {
	if a.exec == nil {
		return nil, nil
	}
	p := &plugin{execConfig: *a.exec, changed: func() {}}
	if p.provideClusterInfo {
		p.cluster = &execCluster{
			Server: a.host, ServerName: a.serverName, Insecure: a.insecure, CAData: a.caData,
			DisableCompression: a.disableCompression, Config: a.execExtension,
		}
		if len(a.caData) == 0 && a.caFile != "" {
			data, err := readFile(a.caFile)
			if err != nil {
				return nil, err
			}
			p.cluster.CAData = data
		}
		if a.proxy != nil {
			p.cluster.ProxyURL = a.proxy.String()
		}
	}
	if p.apiVersion != execGroup+"v1" && p.apiVersion != execGroup+"v1beta1" {
		return nil, fmt.Errorf("exec plugin: invalid apiVersion %q", p.apiVersion)
	}
	return p, nil
}

// wrap adds the token to requests. Those that the API server refuses are
// answered so; the next one has new credentials.
func (p *plugin) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") != "" {
			return next.RoundTrip(r)
		}
		used, err := p.credentials()
		if err != nil {
			return nil, fmt.Errorf("getting credentials: %w", err)
		}
		if used.token != "" {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+used.token)
		}
		answer, err := next.RoundTrip(r)
		if err == nil && answer.StatusCode == http.StatusUnauthorized {
			p.replace(used) // what fails now fails again at the next request, which tells
		}
		return answer, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// certificate is that for TLS, nil when there is none.
func (p *plugin) certificate() (*tls.Certificate, error) {
	c, err := p.credentials()
	if err != nil {
		return nil, err
	}
	return c.cert, nil
}

// credentials are the last ones, or new ones when there are none that hold.
func (p *plugin) credentials() (*credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && (p.last.expires.IsZero() || !time.Now().After(p.last.expires)) {
		return p.last, nil
	}
	err := p.refresh()
	return p.last, err
}

// replace gets new credentials in place of used, unless that has been done.
func (p *plugin) replace(used *credentials) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != used {
		return nil
	}
	return p.refresh()
}

// refresh runs the program. p.mu is held.
func (p *plugin) refresh() error {
	output, err := p.run()
	if err != nil {
		return err
	}
	c, err := parseCredential(output, p.apiVersion)
	if err != nil {
		return err
	}
	before := p.last
	p.last = c
	if before != nil && !sameCertificate(before.cert, c.cert) {
		p.changed()
	}
	return nil
}

// run gives what the program printed. Its messages go where ours go, and so does
// its input when it asks people.
func (p *plugin) run() ([]byte, error) {
	interactive := false
	if isTerminal := term.IsTerminal(int(os.Stdin.Fd())); p.interactiveMode == "Always" && !isTerminal {
		return nil, errors.New("exec plugin cannot support interactive mode: standard input is not a terminal")
	} else if p.interactiveMode != "Never" {
		interactive = isTerminal
	}
	info, err := json.Marshal(execCredential{"ExecCredential", p.apiVersion, execSpec{p.cluster, interactive}})
	if err != nil {
		return nil, err
	}
	var output bytes.Buffer
	cmd := exec.Command(p.command, p.args...)
	cmd.Env = append(append(os.Environ(), p.env...), "KUBERNETES_EXEC_INFO="+string(info)+"\n")
	cmd.Stdout, cmd.Stderr = &output, os.Stderr
	if interactive {
		cmd.Stdin = os.Stdin
	}
	err = cmd.Run()
	return output.Bytes(), p.explain(err)
}

// explain says what kept the program from running.
func (p *plugin) explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*exec.Error](err); ok {
		text := fmt.Sprintf("exec: executable %s not found\n\n"+
			"It looks like you are trying to use a client-go credential plugin that is not installed.\n\n"+
			"To learn more about this feature, consult the documentation available at:\n"+
			"      https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins", p.command)
		if p.installHint != "" {
			text += "\n\n" + p.installHint
		}
		return errors.New(text)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("exec: executable %s failed with exit code %d", p.command, exit.ExitCode())
	}
	return fmt.Errorf("exec: %w", err)
}

// parseCredential reads what the program printed. Its errors repeat none of it.
func parseCredential(output []byte, version string) (*credentials, error) {
	var value any
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(output), []byte("{")) {
		if json.Unmarshal(output, &value) != nil {
			err = errors.New("it is no JSON")
		}
	} else {
		value, err = yamlValue(output)
	}
	var f fault
	top := f.object(value, "")
	status := f.object(top.get("status"), "status")
	token, expires := f.text(status, "token"), f.text(status, "expirationTimestamp")
	cert, key := f.text(status, "clientCertificateData"), f.text(status, "clientKeyData")
	if err == nil && f.err == nil && top.get("kind") != nil && top.get("kind") != "ExecCredential" {
		f.fail("kind", "it is no ExecCredential")
	}
	returned := f.text(top, "apiVersion")
	switch {
	case err != nil || f.err != nil:
		return nil, fmt.Errorf("decoding stdout: %w", errors.Join(err, f.err))
	case returned == "":
		return nil, fmt.Errorf("exec plugin is configured to use API version %s, plugin returned none", version)
	case returned != version:
		return nil, fmt.Errorf("exec plugin is configured to use API version %s, plugin returned version %s", version, returned)
	case status.fields == nil:
		return nil, errors.New("exec plugin didn't return a status field")
	case token == "" && cert == "" && key == "":
		return nil, errors.New("exec plugin didn't return a token or cert/key pair")
	case (cert == "") != (key == ""):
		return nil, errors.New("exec plugin returned only certificate or key, not both")
	}
	c := &credentials{token: token}
	if status.get("expirationTimestamp") != nil {
		if c.expires, err = time.Parse(time.RFC3339, expires); err != nil {
			return nil, errors.New("decoding stdout: status.expirationTimestamp: no time as RFC 3339 has it")
		}
	}
	if cert != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			return nil, fmt.Errorf("failed parsing client key/certificate: %w", err)
		}
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("failed parsing client leaf certificate: %w", err)
		}
		c.cert = &pair
	}
	return c, nil
}

func sameCertificate(a, b *tls.Certificate) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.Certificate[0], b.Certificate[0])
}
