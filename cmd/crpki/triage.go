package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/explain"
	"github.com/crpki/crpki/inspect/probe"
	"github.com/crpki/crpki/k8ssecret/cluster"
)

const aboutPods = "Pods"

func triageCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "triage",
		Usage: "say why pods cannot pull their images, and what to do",
		Description: `crpki triage -n infra
# the whole cluster, and the CA that its nodes should trust
crpki triage -A --ca-file certs/ca.crt
# one pod
crpki triage -n infra web-7d4b9

Looks for pods whose images cannot be pulled (ErrImagePull, ImagePullBackOff and
the like), whose sandbox cannot start, or whose volume is missing, and finds the
cause: in the message of the container, or in the pod's events where the kubelet
says no more than "Back-off pulling image", as it does before 1.32. What has the
same cause at the same host is told once, with its pods and nodes, as crpki
explain tells it.

Then it looks for itself. The host that failed is probed from here, as by crpki
probe, with the CAs of --ca-file, or those of this machine: this machine, not the
node, and its view may differ. Of a registry in this cluster, the certificate
that it serves is compared with the TLS Secrets beside its Service. Where it is a
matter of credentials, the pull secrets of the pods are looked at: whether they
are there, can be read, and have a login for the host. --no-probe and
--no-secrets leave that out.

Nothing in the cluster is changed. It needs the permission to list pods and
events; to get secrets and to list services adds what was said. What may not be
read is told.

Exits with 0 when no pod has such trouble, with 1 when one has.`,
		ArgsUsage: "[POD]",
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "all-namespaces", Aliases: []string{"A"}, Usage: "those of all namespaces", Category: aboutPods},
			&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "those of `NAMESPACE` (that of the context if not given)", Category: aboutPods},
			&cli.StringFlag{Name: "selector", Aliases: []string{"l"}, Usage: "those whose labels fit `SELECTOR`: app=registry,tier!=test", Category: aboutPods},
			&cli.BoolFlag{Name: "no-probe", Usage: "do not connect to any registry", Category: aboutTrust},
			&cli.BoolFlag{Name: "no-secrets", Usage: "do not read any Secret", Category: aboutPods},
			&cli.StringSliceFlag{Name: "ca-file", Usage: "`FILE` or folder with the certificates that the nodes trust", TakesFile: true, Category: aboutTrust},
			&cli.BoolFlag{Name: "system", Usage: "trust what this machine trusts, also with --ca-file", Category: aboutTrust},
			&cli.StringSliceFlag{Name: "resolve", Usage: "connect to an address for a host: `HOST:ADDRESS`, or HOST:PORT:ADDRESS", Category: aboutTrust},
			&cli.DurationFlag{Name: "timeout", Value: probe.DefaultTimeouts.Total, Usage: "`TIME` for each registry", Category: aboutTrust},
			outputFlag("text", "json", "yaml"),
		}, clusterFlags()),
		Action: e.triage,
	}
}

// trouble is a container that cannot start, and why.
type trouble struct {
	pod       cluster.Pod
	container cluster.Container
	// reason is what the kubelet calls it, message what it says to it.
	reason, message string
	cause           explain.Explanation
}

// settled is true when the message told the cause.
func (t trouble) settled() bool {
	return t.cause.Cause != explain.Unknown && t.cause.Detail != "unspecified"
}

// triageReport is all that triage tells.
type triageReport struct {
	Server string `json:"server"`
	// Pods counts those that were looked at, Failing those with trouble.
	Pods    int           `json:"pods"`
	Failing int           `json:"failing"`
	Groups  []triageGroup `json:"groups"`
	Notes   []string      `json:"notes"`
}

// triageGroup is one cause at one host.
type triageGroup struct {
	explained
	Pods  []triagePod `json:"pods"`
	Nodes []string    `json:"nodes"`
	// Probe is what this machine sees at the host; nil when it was not asked.
	Probe *triageProbe `json:"probe,omitempty"`
	// Served says what of the cluster's Secrets the host serves.
	Served []servedSecret `json:"served,omitempty"`
	// PullSecrets are those that the pods name.
	PullSecrets []pullSecretFact `json:"pullSecrets,omitempty"`

	troubles []trouble
}

type triagePod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Container string `json:"container,omitempty"`
	Image     string `json:"image,omitempty"`
	Node      string `json:"node,omitempty"`
	Reason    string `json:"reason"`
}

func (e *env) triage(c *cli.Context) error {
	if c.Bool("all-namespaces") && (c.String("namespace") != "" || c.NArg() > 0) {
		return usageErrorf("--all-namespaces excludes --namespace and POD")
	}
	k, err := e.openCluster(c)
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(lintMemory)
	t := &triager{env: e, c: c, k: k, report: triageReport{Server: k.Server(), Groups: []triageGroup{}, Notes: []string{}}}
	if !c.Bool("all-namespaces") {
		t.namespace = cmp.Or(c.String("namespace"), k.Namespace())
	}
	if err := t.run(c.Context); err != nil {
		return clusterError(err)
	}
	if err := e.print(c, t.report, func(w io.Writer) error { return t.report.text(w) }); err != nil {
		return err
	}
	if t.report.Failing > 0 {
		return errBad
	}
	return nil
}

// triager looks through one cluster.
type triager struct {
	*env
	c         *cli.Context
	k         *cluster.Client
	namespace string // "" for all
	report    triageReport
}

func (t *triager) run(ctx context.Context) error {
	troubles, err := t.find(ctx)
	if err != nil {
		return err
	}
	if err := t.askEvents(ctx, troubles); err != nil {
		return err
	}
	t.group(troubles)
	if !t.c.Bool("no-secrets") {
		t.checkPullSecrets(ctx)
	}
	if t.c.Bool("no-probe") {
		return nil
	}
	return t.checkHosts(ctx)
}

// pods are those to look at, in pages.
func (t *triager) pods(ctx context.Context) iter.Seq2[cluster.Pod, error] {
	name := t.c.Args().First()
	if name == "" {
		// Pods that have ended pull nothing any more.
		return cluster.Each[cluster.Pod](ctx, t.k, cluster.Pods, t.namespace, cluster.ListOptions{
			Labels: t.c.String("selector"), Fields: "status.phase!=Succeeded,status.phase!=Failed",
		})
	}
	return func(yield func(cluster.Pod, error) bool) {
		name := strings.TrimPrefix(strings.TrimPrefix(name, "pods/"), "pod/")
		if namespace, rest, ok := strings.Cut(name, "/"); ok {
			t.namespace, name = namespace, rest
		}
		yield(cluster.Get[cluster.Pod](ctx, t.k, cluster.Pods, t.namespace, name))
	}
}

// find gives the containers in trouble.
func (t *triager) find(ctx context.Context) (all []trouble, err error) {
	for pod, err := range t.pods(ctx) {
		if err != nil {
			return nil, err
		}
		t.report.Pods++
		all = append(all, troublesOf(pod)...)
	}
	return all, nil
}

// pullReasons are what the kubelet calls a container whose image it cannot have.
var pullReasons = []string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"}

// troublesOf looks at one pod: at its containers, and where none of them has a
// word, at why it was not scheduled or has no sandbox.
func troublesOf(pod cluster.Pod) (all []trouble) {
	specs := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers, pod.Spec.Ephemeral)
	waits := false
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses) {
		w := s.State.Waiting
		if w == nil {
			continue
		}
		waits = waits || w.Reason == "ContainerCreating" || w.Reason == "PodInitializing"
		if !slices.Contains(pullReasons, w.Reason) {
			continue
		}
		one := trouble{pod: slim(pod), reason: w.Reason, message: w.Message, container: cluster.Container{Name: s.Name, Image: s.Image}}
		if i := slices.IndexFunc(specs, func(c cluster.Container) bool { return c.Name == s.Name }); i >= 0 {
			one.container = specs[i] // the status has the image's name as the runtime completed it
		}
		one.cause = explain.Message(w.Reason + ": " + w.Message)
		all = append(all, one)
	}
	if len(all) > 0 {
		return all
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == "PodScheduled" && condition.Status == "False" {
			one := trouble{pod: slim(pod), reason: condition.Reason, message: condition.Message, cause: explain.Message(condition.Message)}
			if one.cause.Detail == "pvc_pending" {
				return []trouble{one}
			}
		}
	}
	if waits {
		return []trouble{{pod: slim(pod), reason: "ContainerCreating", cause: explain.Message("")}}
	}
	return nil
}

// slim keeps of a pod what is told of it: there may be thousands.
func slim(pod cluster.Pod) cluster.Pod {
	var s cluster.Pod
	s.Metadata.Namespace, s.Metadata.Name, s.Metadata.UID = pod.Metadata.Namespace, pod.Metadata.Name, pod.Metadata.UID
	s.Spec.NodeName, s.Spec.ServiceAccountName, s.Spec.ImagePullSecrets = pod.Spec.NodeName, pod.Spec.ServiceAccountName, pod.Spec.ImagePullSecrets
	return s
}

// manyPods is from how many pods on the events of a namespace are listed as a
// whole, and not of each pod by itself.
const manyPods = 10

// askEvents looks for the causes that the containers' messages do not tell.
func (t *triager) askEvents(ctx context.Context, troubles []trouble) error {
	open := map[string][]int{} // namespace → troubles
	for i, one := range troubles {
		if !one.settled() {
			open[one.pod.Metadata.Namespace] = append(open[one.pod.Metadata.Namespace], i)
		}
	}
	for namespace, some := range open {
		byPod := map[string][]int{}
		for _, i := range some {
			byPod[troubles[i].pod.Metadata.Name] = append(byPod[troubles[i].pod.Metadata.Name], i)
		}
		fields := []string{"involvedObject.kind=Pod,type=Warning"}
		if len(byPod) < manyPods {
			fields = fields[:0]
			for name := range byPod {
				fields = append(fields, "involvedObject.kind=Pod,type=Warning,involvedObject.name="+name)
			}
		}
		for _, f := range fields {
			err := t.events(ctx, namespace, f, func(event cluster.Event) {
				for _, i := range byPod[event.InvolvedObject.Name] {
					troubles[i].hear(event)
				}
			})
			if cluster.KindOf(err) == cluster.Forbidden {
				t.note("%v: the causes that only events tell are missing", err)
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *triager) events(ctx context.Context, namespace, fields string, take func(cluster.Event)) error {
	for event, err := range cluster.Each[cluster.Event](ctx, t.k, cluster.Events, namespace, cluster.ListOptions{Fields: fields}) {
		if err != nil {
			return err
		}
		take(event)
	}
	return nil
}

// hear takes an event for the cause, when it tells one, and one that is no less
// certain than what was heard before.
func (t *trouble) hear(event cluster.Event) {
	if uid := event.InvolvedObject.UID; uid != "" && uid != t.pod.Metadata.UID {
		return // of a pod of the same name, that is gone
	}
	switch {
	case t.container.Name == "" && event.Reason != "FailedCreatePodSandBox" && event.Reason != "FailedMount" && event.Reason != "FailedAttachVolume" && event.Reason != "FailedScheduling":
		return
	case t.container.Name != "" && event.InvolvedObject.FieldPath != "" && !strings.Contains(event.InvolvedObject.FieldPath, "{"+t.container.Name+"}"):
		return
	}
	x := explain.Message(event.Message)
	if x.Cause == explain.Unknown || x.Detail == "unspecified" || t.settled() && rank(x) < rank(t.cause) {
		return
	}
	if t.container.Name == "" {
		t.reason = event.Reason
	}
	t.cause, t.message = x, event.Message
}

// rank orders explanations by how much they say. That a pull secret is missing
// is told beside the reason for which the pull failed, and says less than that.
func rank(x explain.Explanation) int {
	r := map[explain.Confidence]int{explain.High: 6, explain.Medium: 4, explain.Low: 2}[x.Confidence]
	if x.Detail == "secret_missing" {
		r = 1
	}
	return r
}

// group puts what has the same cause at the same host together.
func (t *triager) group(troubles []trouble) {
	index := map[string]int{}
	failing := map[string]bool{}
	for _, one := range troubles {
		if one.container.Name == "" && !one.settled() {
			continue // it may just be starting
		}
		x := one.cause
		if x.Cause == explain.Unknown {
			x.Cause, x.Detail, x.Confidence = explain.Other, "unspecified", explain.Low
		}
		if x.Image = cmp.Or(one.container.Image, x.Image); x.Host == "" && one.container.Image != "" {
			x.Host, x.Role = explain.RegistryOf(one.container.Image), explain.Registry
		}
		key := string(x.Cause) + "\x00" + x.Detail + "\x00" + x.Host
		i, ok := index[key]
		if !ok {
			i = len(t.report.Groups)
			index[key] = i
			t.report.Groups = append(t.report.Groups, triageGroup{explained: newExplained(x), Nodes: []string{}})
		}
		g := &t.report.Groups[i]
		g.troubles = append(g.troubles, one)
		g.Pods = append(g.Pods, triagePod{
			one.pod.Metadata.Namespace, one.pod.Metadata.Name, one.container.Name, one.container.Image, one.pod.Spec.NodeName, one.reason,
		})
		if node := one.pod.Spec.NodeName; node != "" && !slices.Contains(g.Nodes, node) {
			g.Nodes = append(g.Nodes, node)
		}
		failing[one.pod.Metadata.Namespace+"/"+one.pod.Metadata.Name] = true
	}
	t.report.Failing = len(failing)
	for i := range t.report.Groups {
		slices.Sort(t.report.Groups[i].Nodes)
	}
	slices.SortStableFunc(t.report.Groups, func(a, b triageGroup) int { return len(b.Pods) - len(a.Pods) })
}

func (t *triager) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(t.report.Notes, text) {
		t.report.Notes = append(t.report.Notes, text)
	}
}
