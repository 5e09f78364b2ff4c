package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/k8ssecret/cluster"
)

// What the commands that speak to a cluster have in common.

const (
	aboutCluster = "Cluster"
	aboutApply   = "Applying"
)

// clusterFlags say which cluster.
func clusterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "kubeconfig", Usage: "take the cluster from the kubeconfig in `FILE` (KUBECONFIG, ~/.kube/config, or the pod's service account if not given)", TakesFile: true, Category: aboutCluster},
		&cli.StringFlag{Name: "context", Usage: "the `CONTEXT` of the kubeconfig (the current one if not given)", Category: aboutCluster},
		&cli.DurationFlag{Name: "request-timeout", Usage: "wait no longer than `DURATION` for an answer of the API server", Value: cluster.DefaultTimeout, Category: aboutCluster},
	}
}

// openCluster connects to nothing yet.
func (e *env) openCluster(c *cli.Context) (*cluster.Client, error) {
	timeout := c.Duration("request-timeout")
	if timeout <= 0 {
		return nil, usageErrorf("--request-timeout %v leaves no time: write 30s", timeout)
	}
	path := c.String("kubeconfig")
	var kubeconfig []byte
	if path != "" {
		var err error
		if kubeconfig, err = e.readFor("--kubeconfig", path); err != nil {
			return nil, err
		}
	}
	info, _ := debug.ReadBuildInfo()
	k, err := cluster.Open(cluster.Options{
		Kubeconfig: kubeconfig, Path: path, Context: c.String("context"), Timeout: timeout,
		UserAgent: "crpki/" + newVersionInfo(version, commit, info).Version,
		Warn:      func(text string) { e.warnf("the API server says: %s", text) },
	})
	return k, clusterError(err)
}

// clusterError gives an error of a cluster its exit code, and says what to do
// about it.
func clusterError(err error) error {
	failed, ok := errors.AsType[*cluster.Error](err)
	if !ok {
		return err
	}
	switch failed.Kind {
	case cluster.Unreachable, cluster.Untrusted, cluster.Unauthorized, cluster.Throttled:
		err = connectErrorf("%w", err)
	default:
		err = usageErrorf("%w", err)
	}
	return withHint(err, clusterHint(failed))
}

func clusterHint(e *cluster.Error) string {
	switch e.Kind {
	case cluster.BadConfig:
		return "--kubeconfig FILE and --context NAME say which cluster; kubectl config get-contexts lists them"
	case cluster.Unreachable:
		return "does the API server run, and is it reached from here? kubectl cluster-info"
	case cluster.Untrusted:
		return "the kubeconfig's certificate-authority is not what signed the API server's certificate, or the address is not among its names: fetch the kubeconfig anew"
	case cluster.Unauthorized:
		return "log in again, or fetch the kubeconfig anew; kubectl auth whoami shows who you are"
	case cluster.Forbidden:
		return permissionHint(e)
	case cluster.Throttled:
		return "wait a while; the API server has more to do than it is allowed to take on"
	case cluster.NotFound:
		if e.Missing.Resource == "namespaces" {
			return "--create-namespace makes it, or choose another: -n NAMESPACE"
		}
		if e.Missing.Resource == cluster.Secrets.Name {
			return "crpki secret list --any-type -n " + e.Op.Namespace + " shows what is there"
		}
	case cluster.Invalid:
		if e.Op.Verb == "list" {
			return "selectors are written as for kubectl: -l app=registry,tier!=test, --field-selector metadata.name=registry-tls"
		}
	}
	return ""
}

// permissionHint gives the commands that grant the least that was missing.
func permissionHint(e *cluster.Error) string {
	if e.User == "" { // an admission plugin or a quota, whose words say what it wants
		if strings.Contains(e.Detail, "because it is being terminated") {
			return "wait until it is gone: kubectl wait --for=delete namespace/" + e.Op.Namespace + "; or choose another: -n NAMESPACE"
		}
		return ""
	}
	who := "--user=" + shellQuote(e.User)
	if account, ok := strings.CutPrefix(e.User, "system:serviceaccount:"); ok {
		who = "--serviceaccount=" + shellQuote(account)
	}
	need := e.Needed
	kind, where := "role", " -n "+need.Namespace
	if need.Namespace == "" {
		kind, where = "clusterrole", ""
	}
	name := "crpki-" + need.Verb + "-" + need.Resource.Name
	hint := fmt.Sprintf("somebody who may grant it: kubectl create %s %s --verb=%s --resource=%s%s; kubectl create %sbinding %s --%s=%s %s%s",
		kind, name, need.Verb, need.Resource, where, kind, name, kind, name, who, where)
	if need.Verb == "list" && need.Namespace == "" && !need.Resource.ClusterScoped {
		hint += "; or name one namespace: -n NAMESPACE"
	}
	return hint
}

// applyFlags say what becomes of a Secret.
func applyFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.BoolFlag{Name: "apply", Usage: "apply it to the cluster, on the server's side, in place of printing it", Category: aboutApply},
		&cli.BoolFlag{Name: "force-conflicts", Usage: "take fields over that another field manager owns", Category: aboutApply},
		&cli.BoolFlag{Name: "create-namespace", Usage: "make the namespace if it is not there", Category: aboutApply},
		&cli.StringSliceFlag{Name: "rollout-restart", Usage: "restart `WORKLOAD` after a change, for programs that read the files once: deploy/registry, sts/registry, ds/registry", Category: aboutApply},
	}, clusterFlags())
}

// trialFlag is --dry-run as kubectl has it. Without a value it means client.
func trialFlag() cli.Flag {
	return &trial{&cli.GenericFlag{
		Name: "dry-run", Value: new(trialValue), Category: aboutApply,
		Usage: "change nothing, and print the manifest; --dry-run=server lets the API server check it instead",
	}}
}

type trial struct{ *cli.GenericFlag }

// TakesValue: --dry-run alone means something, as in all commands.
func (t *trial) TakesValue() bool  { return false }
func (t *trial) choices() []string { return []string{"client", "server", "true", "false"} }

// trialValue is "client", "server" or "".
type trialValue string

func (v *trialValue) String() string { return string(*v) }

func (v *trialValue) Set(text string) error {
	switch text {
	case "client", "server":
		*v = trialValue(text)
	case "true":
		*v = "client"
	case "false":
		*v = ""
	default:
		return errors.New("neither client nor server")
	}
	return nil
}

// needsApply refuses flags that only mean something with --apply.
func (e *env) needsApply(c *cli.Context, more ...string) error {
	if c.Bool("apply") {
		return nil
	}
	for _, name := range append([]string{"force-conflicts", "create-namespace", "rollout-restart", "kubeconfig", "context", "request-timeout"}, more...) {
		if e.typed(name) {
			return usageErrorf("--%s has no effect without --apply", name)
		}
	}
	if c.String("dry-run") == "server" {
		return usageErrorf("--dry-run=server asks the API server, and --apply is missing")
	}
	return nil
}

// applied is what --apply tells about an object.
type applied struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Server    string `json:"server"`
	// Action is "created", "changed" or "unchanged"; of a dry run by a user who
	// may not read the object, "applied".
	Action string `json:"action"`
	// DryRun is true when the API server checked everything and changed nothing.
	DryRun bool `json:"dryRun"`
	// NamespaceCreated is true when the namespace was made.
	NamespaceCreated bool     `json:"namespaceCreated,omitempty"`
	ServiceAccounts  []string `json:"serviceAccounts,omitempty"`
	Restarted        []string `json:"restarted,omitempty"`
}

// application is one object on its way into a cluster.
type application struct {
	*env
	client    *cluster.Client
	namespace string
	name      string
	object    []byte
	options   cluster.ApplyOptions
	// makeNamespace: it may be made.
	makeNamespace bool
	workloads     []workload
	accounts      []string
	// hint is the way out of an error, "" for the usual one.
	hint func(*cluster.Error) string
	// before is called when the API server has agreed, before anything is changed.
	before func(context.Context) error
}

func (e *env) newApplication(c *cli.Context, k *cluster.Client, namespace, name string, object []byte) (*application, error) {
	a := &application{
		env: e, client: k, namespace: namespace, name: name, object: object, makeNamespace: c.Bool("create-namespace"),
		options: cluster.ApplyOptions{Force: c.Bool("force-conflicts"), DryRun: c.String("dry-run") == "server"},
	}
	for _, text := range c.StringSlice("rollout-restart") {
		w, err := parseWorkload(text)
		if err != nil {
			return nil, err
		}
		a.workloads = append(a.workloads, w)
	}
	return a, nil
}

// try lets the API server check everything, and changes nothing but that it
// makes the namespace, without which a Secret cannot be checked. It returns the
// Secret as it would be.
func (a *application) try(ctx context.Context, result *applied) (cluster.Applied, error) {
	trial := a.options
	trial.DryRun = true
	checked, err := a.apply(ctx, trial)
	if a.makeNamespace && isMissingNamespace(err) {
		if err := a.createNamespace(ctx); err != nil {
			return checked, err
		}
		result.NamespaceCreated = true
		if a.options.DryRun { // the namespace is not there, and nothing more can be checked
			return cluster.Applied{Created: true}, nil
		}
		checked, err = a.apply(ctx, trial)
	}
	if err != nil {
		return checked, err
	}
	for _, w := range a.workloads {
		if err := a.restart(ctx, w, trial); err != nil {
			return checked, err
		}
	}
	for _, name := range a.accounts {
		if err := a.attach(ctx, name, trial); err != nil {
			return checked, err
		}
	}
	return checked, nil
}

// run applies the object, and what hangs on it. Whatever the API server would
// refuse, it refuses before anything is changed.
func (a *application) run(ctx context.Context) (applied, error) {
	result := applied{Kind: "Secret", Namespace: a.namespace, Name: a.name, Server: a.client.Server(), DryRun: a.options.DryRun}
	before, err := a.current(ctx)
	if err != nil {
		return result, err
	}
	checked, err := a.try(ctx, &result)
	if err != nil {
		return result, err
	}
	if a.before != nil {
		if err := a.before(ctx); err != nil {
			return result, err
		}
	}
	after := checked
	if !a.options.DryRun {
		if after, err = a.apply(ctx, a.options); err != nil {
			return result, err
		}
	}
	switch {
	case after.Created:
		result.Action = "created"
	case a.options.DryRun && before == nil:
		result.Action = "applied"
	case a.options.DryRun && sameSecret(before, after.Object), !a.options.DryRun && sameVersion(checked.Object, after.Object):
		result.Action = "unchanged"
	default:
		result.Action = "changed"
	}
	for _, name := range a.accounts {
		if err := a.attach(ctx, name, a.options); err != nil {
			return result, fmt.Errorf("%w; the Secret is applied all the same", err)
		}
		result.ServiceAccounts = append(result.ServiceAccounts, name)
	}
	if result.Action == "unchanged" {
		return result, nil
	}
	return result, a.restartAll(ctx, &result)
}

// restartAll restarts the workloads. The next run would find nothing changed, so
// that what fails here has to be made good by hand.
func (a *application) restartAll(ctx context.Context, result *applied) error {
	for _, w := range a.workloads {
		if !a.options.DryRun {
			if err := a.restart(ctx, w, a.options); err != nil {
				return withHint(fmt.Errorf("%w; the Secret is applied all the same", err),
					fmt.Sprintf("kubectl rollout restart -n %s %s", a.namespace, shellQuote(w.String())))
			}
		}
		result.Restarted = append(result.Restarted, w.String())
	}
	return nil
}

// current is the Secret as it is, nil when it is not there or may not be read.
// Only a dry run has to know it.
func (a *application) current(ctx context.Context) (*cluster.Secret, error) {
	if !a.options.DryRun {
		return nil, nil
	}
	now, err := cluster.Get[cluster.Secret](ctx, a.client, cluster.Secrets, a.namespace, a.name)
	switch cluster.KindOf(err) {
	case cluster.NotFound, cluster.Forbidden:
		return nil, nil
	}
	return &now, a.explain(err)
}

// sameVersion reports whether an apply changed nothing. A trial has the version
// that is there, and so this needs no permission to read.
func sameVersion(trial, after []byte) bool {
	version := func(data []byte) string {
		var o cluster.Object
		json.Unmarshal(data, &o) // what cannot be read has no version
		return o.Metadata.ResourceVersion
	}
	before := version(trial)
	return before != "" && version(after) == before
}

// sameSecret reports whether a trial would change nothing.
func sameSecret(now *cluster.Secret, trial []byte) bool {
	var then cluster.Secret
	return json.Unmarshal(trial, &then) == nil && now.Type == then.Type && now.Immutable == then.Immutable &&
		maps.EqualFunc(now.Data, then.Data, bytes.Equal) &&
		maps.Equal(now.Metadata.Labels, then.Metadata.Labels) && maps.Equal(now.Metadata.Annotations, then.Metadata.Annotations)
}

func (a *application) apply(ctx context.Context, o cluster.ApplyOptions) (cluster.Applied, error) {
	done, err := a.client.Apply(ctx, cluster.Secrets, a.namespace, a.name, a.object, o)
	return done, a.explain(err)
}

func (a *application) explain(err error) error {
	if failed, ok := errors.AsType[*cluster.Error](err); ok && a.hint != nil {
		if hint := a.hint(failed); hint != "" {
			return withHint(usageErrorf("%w", err), hint)
		}
	}
	return clusterError(err)
}

func isMissingNamespace(err error) bool {
	failed, ok := errors.AsType[*cluster.Error](err)
	return ok && failed.Kind == cluster.NotFound && failed.Missing.Resource == "namespaces"
}

// createNamespace makes the namespace, unless somebody has made it meanwhile.
func (a *application) createNamespace(ctx context.Context) error {
	object := cluster.Object{APIVersion: "v1", Kind: "Namespace", Metadata: cluster.Meta{Name: a.namespace}}
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	_, err = a.client.Create(ctx, cluster.Namespaces, "", data, a.options)
	if cluster.KindOf(err) == cluster.Exists {
		return nil
	}
	return clusterError(err)
}

// workload is what runs pods: deploy/registry.
type workload struct {
	resource cluster.Resource
	name     string
}

func (w workload) String() string { return strings.ToLower(w.resource.Kind) + "/" + w.name }

func parseWorkload(text string) (workload, error) {
	kind, name, ok := strings.Cut(text, "/")
	w := workload{name: name}
	switch strings.TrimSuffix(strings.ToLower(kind), ".apps") {
	case "deploy", "deployment", "deployments":
		w.resource = cluster.Deployments
	case "sts", "statefulset", "statefulsets":
		w.resource = cluster.StatefulSets
	case "ds", "daemonset", "daemonsets":
		w.resource = cluster.DaemonSets
	default:
		ok = false
	}
	if !ok || name == "" || strings.Contains(name, "/") {
		return w, usageErrorf("--rollout-restart %q: write deploy/NAME, sts/NAME or ds/NAME", text)
	}
	return w, nil
}

// restart replaces the pods one by one, as kubectl rollout restart does: the
// controller sees a template that has changed.
func (a *application) restart(ctx context.Context, w workload, o cluster.ApplyOptions) error {
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, a.now.UTC().Format(time.RFC3339))
	_, err := a.client.Merge(ctx, w.resource, a.namespace, w.name, []byte(patch), cluster.ApplyOptions{DryRun: o.DryRun})
	return clusterError(err)
}

// attempts at what others may change between reading and writing.
const attempts = 5

// attach lets the pods of a service account pull with the Secret. The API knows
// no way to add to that list, and so it is read and written whole, unless
// somebody has changed it in between.
func (a *application) attach(ctx context.Context, account string, o cluster.ApplyOptions) error {
	for range attempts {
		now, err := cluster.Get[cluster.ServiceAccount](ctx, a.client, cluster.ServiceAccounts, a.namespace, account)
		if err != nil {
			return clusterError(err)
		}
		if slices.Contains(now.ImagePullSecrets, cluster.LocalObjectName{Name: a.name}) {
			return nil
		}
		patch, err := json.Marshal(map[string]any{
			"metadata":         map[string]string{"resourceVersion": now.Metadata.ResourceVersion},
			"imagePullSecrets": append(now.ImagePullSecrets, cluster.LocalObjectName{Name: a.name}),
		})
		if err != nil {
			return err
		}
		_, err = a.client.Merge(ctx, cluster.ServiceAccounts, a.namespace, account, patch, cluster.ApplyOptions{DryRun: o.DryRun})
		if cluster.KindOf(err) != cluster.Conflict {
			return clusterError(err)
		}
	}
	return usageErrorf("the service account %s/%s changes all the time: try again", a.namespace, account)
}

// lines say what was done.
func (r applied) lines() []string {
	done := func(text string) string {
		if r.DryRun {
			return strings.Replace("would be "+text, "would be unchanged", "would be left as it is", 1)
		}
		return text
	}
	var all []string
	if r.NamespaceCreated {
		all = append(all, fmt.Sprintf("Namespace %s: %s", r.Namespace, done("created")))
	}
	all = append(all, fmt.Sprintf("%s %s/%s: %s", r.Kind, r.Namespace, r.Name, done(r.Action)))
	for _, name := range r.ServiceAccounts {
		all = append(all, fmt.Sprintf("ServiceAccount %s/%s: %s", r.Namespace, name, done("pulls with "+r.Name)))
	}
	for _, name := range r.Restarted {
		all = append(all, fmt.Sprintf("%s: %s", name, done("restarted")))
	}
	return all
}

// typed is true when a flag was given on the command line, and not by its
// environment variable.
func (e *env) typed(name string) bool {
	return slices.ContainsFunc(e.line.flags, func(f setFlag) bool {
		return slices.Contains(namesOf(f.flag), name) && strings.HasPrefix(f.source, "-")
	})
}
