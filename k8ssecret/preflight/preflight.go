// Package preflight tells before a connected registry is deployed whether the
// cluster takes what its values say: the address, the certificate, the Secret,
// the storage, cert-manager. It reads the cluster, changes nothing in it, and
// judges neither certificates nor files itself: [Options.Lint] does.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/k8ssecret/cluster"
	"github.com/crpki/crpki/pki"
)

// Verdict is what a check came to.
type Verdict string

// Verdicts, the best first.
const (
	Pass Verdict = "pass"
	// Skip: the values do not need it.
	Skip Verdict = "skip"
	// Warn: it may go wrong.
	Warn Verdict = "warn"
	// Unknown: it could not be looked at, which is no pass.
	Unknown Verdict = "unknown"
	// Fail: it will go wrong.
	Fail Verdict = "fail"
)

// Check is one check and its result. The texts hold no password, no key and no
// connection string.
type Check struct {
	ID      string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Message says what was found, in one sentence.
	Message string `json:"message"`
	// Fix is what to do, best as a command.
	Fix string `json:"fix,omitempty"`
	// Permissions are those that were missing: "get servicecidrs.networking.k8s.io".
	Permissions []string `json:"permissions,omitempty"`
}

// CheckInfo describes a check.
type CheckInfo struct{ ID, About string }

// check is one of the checks, with how it is made.
type check struct {
	CheckInfo
	make func(*preflight) Check
}

// all are the checks in the order in which they are made.
func all() []check {
	return []check{
		{CheckInfo{"values", "what lint calls an error or a warning in the file"}, (*preflight).values},
		{CheckInfo{"names", "names of release and namespace"}, (*preflight).names},
		{CheckInfo{"connection-string", "the connection string is whole, and its registry's name one that Azure takes"}, (*preflight).connectionString},
		{CheckInfo{"namespace", "the namespace is there, or will be made, and is not being deleted"}, (*preflight).namespace},
		{CheckInfo{"cluster-ip-range", "service.clusterIP is in the range of the cluster's Services"}, (*preflight).ipRange},
		{CheckInfo{"cluster-ip-free", "no other Service has it, and the release's own has no other"}, (*preflight).ipFree},
		{CheckInfo{"cluster-ip-band", "it is in the band from which no Service gets an address by itself"}, (*preflight).ipBand},
		{CheckInfo{"certificate", "the certificate in the values names all that clients dial"}, (*preflight).certificate},
		{CheckInfo{"service-names", "it names the Services by which pods dial as well"}, (*preflight).serviceNames},
		{CheckInfo{"secret", "the Secret of tls.secret is there, of the right type, and lint finds no error in it"}, (*preflight).secret},
		{CheckInfo{"storage-class", "the storage class is there, or there is a default one"}, (*preflight).storageClass},
		{CheckInfo{"storage-access", "it makes volumes that several nodes write to, for replicas"}, (*preflight).storageAccess},
		{CheckInfo{"cert-manager", "cert-manager is there or not, as the values say"}, (*preflight).certManager},
		{CheckInfo{"cert-manager-ready", "its controller runs"}, (*preflight).certManagerReady},
	}
}

// Checks lists all checks in the order in which they are made.
func Checks() (infos []CheckInfo) {
	for _, c := range all() {
		infos = append(infos, c.CheckInfo)
	}
	return infos
}

// Fault is something that lint found.
type Fault struct {
	Rule, Message, Fix string
	// Error: lint calls it one; else it is a warning.
	Error bool
}

// Options say what is deployed where.
type Options struct {
	Namespace, Release string
	// Lint judges units. Origins and texts are its affair.
	Lint func([]k8ssecret.Unit) []Fault
	// Skip are the IDs of checks that are not made.
	Skip []string
}

// preflight is one run.
type preflight struct {
	Options
	ctx    context.Context
	client *cluster.Client
	plan   k8ssecret.Deployment
	checks []Check
	// fatal ends it: nothing more can be asked.
	fatal error

	ip ipFacts
	// services are those of the namespace, read once.
	services     []cluster.Service
	servicesErr  error
	servicesSeen bool
}

// servicesHere lists the Services of the namespace.
func (p *preflight) servicesHere() ([]cluster.Service, error) {
	if !p.servicesSeen {
		p.services, p.servicesErr = cluster.List[cluster.Service](p.ctx, p.client, cluster.Services, p.Namespace, cluster.ListOptions{})
		p.servicesSeen = true
	}
	return p.services, p.servicesErr
}

// ofRelease reports whether Helm has written the release's name on an object.
func (p *preflight) ofRelease(m cluster.Meta) bool {
	return m.Annotations["meta.helm.sh/release-name"] == p.Release
}

// Run makes all checks. An error means that the cluster could not be asked; the
// checks made so far are returned with it.
func Run(ctx context.Context, client *cluster.Client, plan k8ssecret.Deployment, o Options) ([]Check, error) {
	p := &preflight{Options: o, ctx: ctx, client: client, plan: plan}
	for _, check := range all() {
		if slices.Contains(o.Skip, check.ID) {
			continue
		}
		c := check.make(p)
		if p.fatal != nil {
			return p.checks, p.fatal
		}
		c.ID = check.ID
		p.checks = append(p.checks, c)
	}
	return p.checks, nil
}

func passed(format string, args ...any) Check {
	return Check{Verdict: Pass, Message: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) Check {
	return Check{Verdict: Skip, Message: fmt.Sprintf(format, args...)}
}

func warned(fix, format string, args ...any) Check {
	return Check{Verdict: Warn, Message: fmt.Sprintf(format, args...), Fix: fix}
}

func failed(fix, format string, args ...any) Check {
	return Check{Verdict: Fail, Message: fmt.Sprintf(format, args...), Fix: fix}
}

// unseen is a check that could not be made. What keeps all others from being
// made too ends the run.
func (p *preflight) unseen(what string, errs ...error) Check {
	c := Check{Verdict: Unknown, Message: what}
	for _, err := range errs {
		e, ok := errors.AsType[*cluster.Error](err)
		switch {
		case ok && e.Kind == cluster.Forbidden:
			c.Permissions = append(c.Permissions, e.Op.String())
		case ok && (e.Kind == cluster.NoAPI || e.Kind == cluster.NotFound || e.Kind == cluster.Invalid):
			c.Message += ": " + e.Detail
		default:
			p.fatal = err
		}
	}
	if len(c.Permissions) > 0 {
		c.Message += ": not permitted to " + strings.Join(c.Permissions, ", or to ")
		c.Fix = "ask for that permission, or check it another way and leave this check out"
	}
	return c
}

// is reports whether an error of the cluster is of a kind.
func is(err error, kind cluster.Kind) bool { return err != nil && cluster.KindOf(err) == kind }

// lint is the check that the worst of lint's findings make; clean when it finds
// nothing.
func (p *preflight) lint(units []k8ssecret.Unit) (c Check, clean bool) {
	var wrong, doubtful []Fault
	for _, f := range p.Lint(units) {
		if f.Error {
			wrong = append(wrong, f)
		} else {
			doubtful = append(doubtful, f)
		}
	}
	switch {
	case len(wrong) > 0:
		return faults(Fail, wrong), false
	case len(doubtful) > 0:
		return faults(Warn, doubtful), false
	}
	return Check{}, true
}

// values is what lint says about the file.
func (p *preflight) values() Check {
	if c, clean := p.lint([]k8ssecret.Unit{p.plan.Unit}); !clean {
		return c
	}
	if p.plan.HTTP {
		return warned("use one of the modes with a certificate: crpki values --help", "plain HTTP: whoever is on the network reads what is pulled, and can change it")
	}
	return passed("lint finds nothing wrong")
}

// faults puts what lint found into one check.
func faults(v Verdict, all []Fault) Check {
	var texts []string
	c := Check{Verdict: v}
	for _, f := range all {
		if text := f.Rule + ": " + f.Message; !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
		if c.Fix == "" {
			c.Fix = f.Fix
		}
	}
	const most = 4
	if more := len(texts) - most; more > 0 {
		texts = append(texts[:most], fmt.Sprintf("%d more (crpki lint lists them)", more))
	}
	c.Message = strings.Join(texts, "; ")
	return c
}

// names judges what Kubernetes and Helm take for names.
func (p *preflight) names() Check {
	switch {
	case !k8ssecret.IsLabel(p.Namespace):
		return failed("--namespace connected-registry", "%q is no name that a namespace can have", pki.Printable(p.Namespace))
	case !k8ssecret.IsObjectName(p.Release) || len(p.Release) > 53: // helm.sh/helm pkg/chartutil, maxReleaseNameLen
		return failed("--release connected-registry", "%q is no name that a Helm release can have: lower-case letters, digits, - and ., at most 53", pki.Printable(p.Release))
	case p.Namespace != "connected-registry":
		return warned("--namespace connected-registry", "the documents know the connected registry in the namespace connected-registry only, not in %s", p.Namespace)
	}
	return passed("release %s in the namespace %s", p.Release, p.Namespace)
}

func (p *preflight) connectionString() Check {
	const fix = "az acr connected-registry get-settings --name NAME --registry REGISTRY --parent-protocol https --generate-password 1 --yes --query ACR_REGISTRY_CONNECTION_STRING --output tsv"
	if faults := p.plan.ConnectionFaults; len(faults) > 0 {
		return failed(fix, "%s", strings.ReplaceAll(strings.Join(faults, "; "), "; the connection string ", "; it "))
	}
	c := p.plan.ConnectionString
	if c.HTTP {
		return warned("use https, unless the parent is a connected registry that speaks HTTP", "well-formed, but the parent %s is dialled over plain HTTP", c.Gateway)
	}
	return passed("well-formed: registry %s, parent %s", c.Registry, c.Gateway)
}

// namespace: one that is missing is made by helm, but then nothing can be in it.
func (p *preflight) namespace() Check {
	ns, err := cluster.Get[cluster.Namespace](p.ctx, p.client, cluster.Namespaces, "", p.Namespace)
	switch {
	case is(err, cluster.NotFound) && p.plan.Secret != "":
		return failed("kubectl create namespace "+p.Namespace, "the namespace %s is not there, and the Secret %s has to be in it before the chart comes", p.Namespace, p.plan.Secret)
	case is(err, cluster.NotFound):
		return passed("%s is not there yet: helm makes it with --create-namespace, az by itself", p.Namespace)
	case err != nil:
		return p.unseen("whether the namespace "+p.Namespace+" is there", err)
	case ns.Status.Phase == "Terminating" || ns.Metadata.DeletionTimestamp != nil:
		return failed("wait until it is gone: kubectl wait --for=delete namespace/"+p.Namespace, "the namespace %s is being deleted, and takes nothing new", p.Namespace)
	}
	return passed("%s is there", p.Namespace)
}

// hosts are the names that a certificate of one's own has to have.
func (p *preflight) hosts() (hosts []k8ssecret.Host) {
	add := func(kind pki.NameKind, text, from string) {
		if n, _, err := pki.ParseNameAs(kind, text); text != "" && err == nil {
			hosts = append(hosts, k8ssecret.Host{Name: n, From: from})
		}
	}
	add(pki.IP, p.plan.ClusterIP, "service.clusterIP")
	add(pki.DNS, p.plan.LoginServer, "registryLoginServer")
	if p.plan.HA {
		add(pki.DNS, p.Release+"-rstorage."+p.Namespace+".svc.cluster.local", "the services of the high-availability chart")
	}
	return hosts
}

// certificate judges the one in the values, with its chain.
func (p *preflight) certificate() Check {
	switch {
	case p.plan.HTTP:
		return skipped("plain HTTP needs none")
	case p.plan.Issued && !p.plan.Own:
		return skipped("cert-manager issues it")
	case !p.plan.Own:
		return skipped("it is in the Secret %s", p.plan.Secret)
	}
	return p.covers(p.plan.Unit.Material, "the certificate in the values")
}

// covers compares a certificate with the names that clients dial.
func (p *preflight) covers(m pki.Material, what string) Check {
	if len(m.Certs) == 0 || m.Certs[0].X509 == nil {
		return failed("crpki lint FILE", "%s cannot be read", what)
	}
	names := pki.NamesOf(m.Certs[0].X509)
	var missing []string
	for _, h := range p.hosts() {
		if !names.Covers(h.Name.Value) {
			missing = append(missing, fmt.Sprintf("%s (%s)", h.Name, h.From))
		}
	}
	if len(missing) > 0 {
		return failed("crpki gen "+flagsFor(p.hosts()), "%s does not name %s; its names are %s", what, strings.Join(missing, ", "), strings.Join(names.Strings(), ", "))
	}
	return passed("%s names all that clients dial: %s", what, strings.Join(names.Strings(), ", "))
}

// flagsFor writes names as the flags of gen.
func flagsFor(hosts []k8ssecret.Host) string {
	var flags []string
	for _, h := range hosts {
		flags = append(flags, "--"+strings.ToLower(h.Name.Kind.String())+" "+h.Name.Value)
	}
	return strings.Join(flags, " ")
}
