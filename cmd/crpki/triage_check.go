package main

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/crpki/crpki/inspect/explain"
	"github.com/crpki/crpki/inspect/probe"
	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/k8ssecret/cluster"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// triageProbe is what this machine sees at a host.
type triageProbe struct {
	Host    string       `json:"host"`
	Status  probe.Status `json:"status"`
	Verdict string       `json:"verdict"`
	Cause   string       `json:"cause,omitempty"`
	Fix     string       `json:"fix,omitempty"`
}

// servedSecret is a TLS Secret beside the Service of a registry, compared with
// the certificate that the registry serves.
type servedSecret struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Serves is true when the registry serves its certificate.
	Serves bool `json:"serves"`
	// CAVerifies: the chain that is served leads to its ca.crt, and so a node that
	// trusts that file would accept it. CA is true when there is one.
	CA         bool `json:"ca"`
	CAVerifies bool `json:"caVerifies"`
}

// Why a pull secret does not help.
const (
	pullSecretGood       = "ok"
	pullSecretMissing    = "missing"
	pullSecretForbidden  = "not permitted to read it"
	pullSecretWrongType  = "wrong type"
	pullSecretUnreadable = "unreadable"
	pullSecretNoLogin    = "no login for the host"
)

// pullSecretFact is what there is to say of a pull secret. It holds no
// password.
type pullSecretFact struct {
	Namespace string `json:"namespace"`
	// Name is "" for pods that name none.
	Name  string `json:"name,omitempty"`
	State string `json:"state"`
	// Hosts are those for which it has a login.
	Hosts  []string `json:"hosts,omitempty"`
	Detail string   `json:"detail,omitempty"`
}

// aboutCredentials are causes at which pull secrets are looked at.
var aboutCredentials = []explain.Cause{explain.Auth, explain.Forbidden, explain.NotFound, explain.RateLimited}

// checkPullSecrets looks at the pull secrets of pods that a registry did not
// let in.
func (t *triager) checkPullSecrets(ctx context.Context) {
	facts := map[string]pullSecretFact{} // namespace/name/host
	for i := range t.report.Groups {
		g := &t.report.Groups[i]
		if !slices.Contains(aboutCredentials, g.Cause) && !slices.ContainsFunc(g.Alternatives, func(c explain.Cause) bool { return slices.Contains(aboutCredentials, c) }) {
			continue
		}
		host := explain.RegistryOf(g.Image)
		for _, one := range g.troubles {
			namespace := one.pod.Metadata.Namespace
			names := one.pod.Spec.ImagePullSecrets
			if len(names) == 0 {
				g.addPullSecret(pullSecretFact{Namespace: namespace, State: pullSecretMissing, Detail: "the pods name no pull secret"})
			}
			for _, n := range names {
				key := namespace + "/" + n.Name + "/" + host
				fact, ok := facts[key]
				if !ok {
					fact = t.pullSecret(ctx, namespace, n.Name, host)
					facts[key] = fact
				}
				g.addPullSecret(fact)
			}
		}
		g.adviseLogin(host)
	}
}

func (g *triageGroup) addPullSecret(f pullSecretFact) {
	if !slices.ContainsFunc(g.PullSecrets, func(o pullSecretFact) bool { return o.Namespace == f.Namespace && o.Name == f.Name }) {
		g.PullSecrets = append(g.PullSecrets, f)
	}
}

// pullSecret reads one, and says whether it has a login for host.
func (t *triager) pullSecret(ctx context.Context, namespace, name, host string) pullSecretFact {
	f := pullSecretFact{Namespace: namespace, Name: name}
	s, err := cluster.Get[cluster.Secret](ctx, t.k, cluster.Secrets, namespace, name)
	switch cluster.KindOf(err) {
	case cluster.NotFound:
		f.State = pullSecretMissing
		return f
	case cluster.Forbidden:
		f.State = pullSecretForbidden
		return f
	}
	if err != nil {
		f.State, f.Detail = pullSecretUnreadable, printable(err.Error())
		return f
	}
	data := s.Data[k8ssecret.FieldDockerConfig]
	if s.Type == "kubernetes.io/dockercfg" {
		data = slices.Concat([]byte(`{"auths":`), s.Data[".dockercfg"], []byte(`}`))
	} else if s.Type != k8ssecret.TypeDockerConfig {
		f.State, f.Detail = pullSecretWrongType, "it is of the type "+printable(s.Type)
		return f
	}
	logins, _, err := k8ssecret.DecodeDockerConfig(data)
	if err != nil {
		f.State, f.Detail = pullSecretUnreadable, err.Error()
		return f
	}
	f.State = pullSecretNoLogin
	wanted, _ := k8ssecret.RegistryKey(host)
	for registry := range logins {
		f.Hosts = append(f.Hosts, printable(registry))
		if key, err := k8ssecret.RegistryKey(registry); err == nil && fitsRegistry(key, wanted) {
			f.State = pullSecretGood
		}
	}
	slices.Sort(f.Hosts)
	return f
}

// fitsRegistry is how the kubelet looks for a login: by the host, with globs in
// its parts, and with the port when the key has one. A key with a path is for
// images below it, and counts.
func fitsRegistry(key, host string) bool {
	key, _, _ = strings.Cut(key, "/")
	host, _, _ = strings.Cut(host, "/")
	keyHost, keyPort, _ := strings.Cut(key, ":")
	name, port, _ := strings.Cut(host, ":")
	if keyPort != "" && keyPort != port || keyPort == "" && port != "" {
		return false
	}
	a, b := strings.Split(keyHost, "."), strings.Split(name, ".")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && a[i] != "*" {
			return false
		}
	}
	return true
}

// adviseLogin gives the command that makes the login that is missing.
func (g *triageGroup) adviseLogin(host string) {
	for _, f := range g.PullSecrets {
		command := "crpki pull-secret " + shellQuote(orDefault(f.Name, "registry-pull")) + " --registry " + shellQuote(orDefault(host, "HOST")) +
			" --username USER --password-file FILE -n " + shellQuote(f.Namespace) + " --apply"
		switch {
		case f.State == pullSecretMissing && f.Name == "":
			g.Next = command + " --service-account default"
		case f.State == pullSecretMissing:
			g.Next = command
		case f.State == pullSecretNoLogin:
			g.Next = command + " --merge"
		default:
			continue
		}
		return
	}
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// maxHosts bounds how many hosts are probed.
const maxHosts = 50

// checkHosts probes the hosts that failed, each once, and compares what those
// in the cluster serve with its Secrets.
func (t *triager) checkHosts(ctx context.Context) error {
	trusted, name, err := t.probeTrust(t.c)
	if err != nil {
		return err
	}
	proxy, err := t.probeProxy("")
	if err != nil {
		return err
	}
	resolve, err := parseResolve(t.c.StringSlice("resolve"))
	if err != nil {
		return err
	}
	o := probe.Options{Resolve: resolve, Now: t.now, Dialer: t.dialer, AuthLevel: 2, Trusted: trusted, TrustName: name, Proxy: proxy}
	if o.Timeouts.Total = t.c.Duration("timeout"); o.Timeouts.Total <= 0 {
		return usageErrorf("--timeout %v leaves no time: write 10s", o.Timeouts.Total)
	}
	o.Timeouts.Connect, o.Timeouts.Handshake = o.Timeouts.Total, o.Timeouts.Total
	var targets []probe.Target
	for i := range t.report.Groups {
		target, ok := t.report.Groups[i].target()
		if ok && !slices.ContainsFunc(targets, func(seen probe.Target) bool { return seen.Address() == target.Address() }) {
			targets = append(targets, target)
		}
	}
	if len(targets) > maxHosts {
		t.note("only %d of %d hosts were probed", maxHosts, len(targets))
		targets = targets[:maxHosts]
	}
	results := map[string]probe.Result{}
	jobs := func(yield func(func() probe.Result) bool) {
		for _, target := range targets {
			if !yield(func() probe.Result { return probe.Probe(ctx, target, o) }) {
				return
			}
		}
	}
	i := 0
	if err := inOrderBy(ctx, 16, jobs, func(r probe.Result) error {
		results[targets[i].Address()] = r
		i++
		return nil
	}); err != nil {
		return err
	}
	for i := range t.report.Groups {
		g := &t.report.Groups[i]
		target, ok := g.target()
		r, probed := results[target.Address()]
		if !ok || !probed {
			continue
		}
		g.Probe = &triageProbe{target.Text, r.Status, r.Verdict, r.Cause, r.Fix}
		if len(r.Certs()) > 0 && !t.c.Bool("no-secrets") {
			g.Served = t.served(ctx, target, r.Certs())
			g.adviseCA()
		}
	}
	return nil
}

// target is what to probe: the host that failed, for Docker Hub the one that
// answers in its place.
func (g *triageGroup) target() (probe.Target, bool) {
	host := g.Host
	switch host {
	case "", "<":
		return probe.Target{}, false
	case "docker.io", "index.docker.io":
		host = "registry-1.docker.io"
	}
	if g.Role == explain.ProxyHop {
		return probe.Target{}, false
	}
	target, err := probe.ParseTarget(host)
	return target, err == nil
}

// served compares the certificates that host serves with the TLS Secrets in the
// namespace of its Service.
func (t *triager) served(ctx context.Context, target probe.Target, chain []pki.Cert) (all []servedSecret) {
	namespace := t.namespaceOf(ctx, target.Host)
	if namespace == "" {
		return nil
	}
	for s, err := range cluster.Each[cluster.Secret](ctx, t.k, cluster.Secrets, namespace, cluster.ListOptions{Fields: "type=" + k8ssecret.TypeTLS}) {
		if err != nil {
			t.note("%v: what %s serves is not compared with the Secrets beside it", err, target.Host)
			return all
		}
		own := certsOf(s, k8ssecret.FieldCert)
		if len(own) == 0 {
			continue
		}
		one := servedSecret{Namespace: namespace, Name: s.Metadata.Name, Serves: bytes.Equal(own[0].Raw, chain[0].Raw)}
		fits := own[0].X509 != nil && pki.NamesOf(own[0].X509).Covers(target.Host)
		if !one.Serves && !fits {
			continue // another server's
		}
		if ca := certsOf(s, k8ssecret.FieldCA); len(ca) > 0 {
			one.CA = true
			// Not for the name: that is a matter of its own.
			one.CAVerifies = verify.Go{Presented: chain, Trusted: ca, At: t.now}.Verify() == nil
		}
		all = append(all, one)
	}
	return all
}

func certsOf(s cluster.Secret, field string) []pki.Cert {
	m, err := format.Decode(s.Metadata.Namespace+"/"+s.Metadata.Name, s.Data[field], format.Options{})
	if err != nil {
		return nil
	}
	return append(m.Certs, m.Anchors...)
}

// namespaceOf is where the Service with this address or name is, "" for hosts
// that are none of the cluster's.
func (t *triager) namespaceOf(ctx context.Context, host string) string {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		parts := strings.Split(strings.TrimSuffix(host, "."), ".")
		if len(parts) >= 3 && parts[2] == "svc" {
			return parts[1]
		}
		return ""
	}
	fields := cluster.ListOptions{Fields: "spec.clusterIP=" + addr.String()}
	services, err := cluster.List[cluster.Service](ctx, t.k, cluster.Services, "", fields)
	if cluster.KindOf(err) == cluster.Forbidden && t.namespace != "" {
		services, err = cluster.List[cluster.Service](ctx, t.k, cluster.Services, t.namespace, fields)
	}
	if err != nil {
		t.note("%v: whether %s is a Service is not known", err, host)
		return ""
	}
	if len(services) == 0 {
		return ""
	}
	return services[0].Metadata.Namespace
}

// adviseCA: where only the nodes' trust is missing, the CA is in the Secret.
func (g *triageGroup) adviseCA() {
	for _, s := range g.Served {
		if g.Cause == explain.UnknownAuthority && s.CAVerifies {
			g.Remedy = "Its CA is the ca.crt of the Secret " + s.Namespace + "/" + s.Name + ": get it with crpki secret get " + shellQuote(s.Namespace+"/"+s.Name) +
				" --out-dir registry-ca, and install it on each of the nodes."
			g.Next = "crpki trust install --ca registry-ca/ca.crt " + shellQuote(g.Host)
			return
		}
	}
	for _, s := range g.Served {
		if !s.Serves && !slices.ContainsFunc(g.Served, func(o servedSecret) bool { return o.Serves }) {
			g.Remedy += " The Secret " + s.Namespace + "/" + s.Name + " has another certificate for this host than the one served: was the registry restarted since it changed?"
			return
		}
	}
}
