package cluster

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/term"
)

// plugin.go runs the credential plug-in (client-go 0.34.4,
// plugin/pkg/client/auth/exec/exec.go).

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
			keep(answer)
			p.replace(used) // what fails now fails again at the next request, which tells
		}
		return answer, err
	})
}

// keep reads an answer before its connection is closed for another certificate:
// the end of it may still be on its way.
func keep(answer *http.Response) {
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxObject))
	answer.Body.Close()
	answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data), ended{cmp.Or(err, io.EOF)}))
}

// ended is where a body ends, or breaks.
type ended struct{ err error }

func (e ended) Read([]byte) (int, error) { return 0, e.err }

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
