package issue

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/crpki/crpki/pki"
)

// Preset knows the names by which the parts of one well-known registry, and
// the pods beside it, dial it inside a cluster. It only adds names. The address
// or host by which clients outside dial the registry is the user's to give.
type Preset struct {
	// Name is what stands behind --preset.
	Name string
	// Summary says in one line what it is for.
	Summary string
	// About tells which names and why, and what is uncertain. It is plain text
	// in lines of at most 78 characters.
	About string
	// Source is where the names come from.
	Source string
	// Example is a command.
	Example string
	// Reads are the fields of PresetInput that matter, by the names of their
	// flags: "namespace", "release", "ha", "service", "cluster-domain".
	Reads []string
	// Namespace and Release are the defaults, empty where there is none.
	Namespace, Release string

	texts func(PresetInput) ([]string, error)
}

// PresetInput says how the registry was installed. Empty fields take the
// preset's defaults; fields that a preset does not read are passed over.
type PresetInput struct {
	// Namespace and Release are those of "helm install RELEASE -n NAMESPACE".
	Namespace, Release string
	// Service is "namespace/name", or "name" beside Namespace. Several stand
	// with commas between them.
	Service string
	// ClusterDomain is the cluster's DNS domain, "cluster.local" when empty.
	ClusterDomain string
	// HA asks for the names that replicas need among themselves.
	HA bool
}

// Presets lists all presets, in the order in which they are shown.
func Presets() []Preset {
	return []Preset{
		{
			Name:    "connected-registry",
			Summary: "Azure Container Registry connected registry (Arc extension and Helm charts)",
			About: `Clients dial the Service by its address, so give that too: --ip with the
value of service.clusterIP. The preset adds the Service's name as the
certificate of the extension's own cert-manager has it:
  RELEASE.NAMESPACE.svc.cluster.local, RELEASE.NAMESPACE.svc
With --ha also the name by which the internal services talk to each other:
  RELEASE-rstorage.NAMESPACE.svc.cluster.local
  RELEASE-rstorage.NAMESPACE.svc
If registryLoginServer is set, add it with --dns.
Uncertain: the charts cannot be read in public, and the documents show these
Services only for a release and a namespace called connected-registry. That
they follow the name of another release is an assumption, and so is the use
of the forms that end in .svc.`,
			Source:    "Azure/acr@0b8d85c7 and @09f7497e, docs/preview/connected-registry: quickstart-connected-registry-ha.md, managed-identity-connected-registry.md; MicrosoftDocs/azure-management-docs@d923d588, tutorial-connected-registry-arc.md",
			Example:   "crpki gen --preset connected-registry --ip 10.96.0.50",
			Reads:     []string{"namespace", "release", "ha", "cluster-domain"},
			Namespace: "connected-registry",
			Release:   "connected-registry",
			texts:     connectedRegistry,
		},
		{
			Name:    "harbor",
			Summary: "Harbor, installed by its Helm chart goharbor/harbor",
			About: `Clients dial the host of externalURL, so give that too: --dns, or --ip for
a node's address. The preset adds the Service that the chart exposes, which
is called harbor whatever the release (expose.clusterIP.name, …):
  harbor, harbor.NAMESPACE, harbor.NAMESPACE.svc,
  harbor.NAMESPACE.svc.cluster.local
the names by which the components dial one another when internalTLS is on:
  FULLNAME-core, -jobservice, -registry, -portal, -trivy
and localhost and 127.0.0.1, at which core dials itself. FULLNAME is the
release when that contains "harbor", else RELEASE-harbor. So one certificate
serves for expose.tls.secret and for each internalTLS.*.secretName.
Uncertain: names that nameOverride, fullnameOverride or expose.*.name
change. Add those with --dns.`,
			Source:    "goharbor/harbor-helm@70564d52: values.yaml, templates/_helpers.tpl, templates/nginx/service.yaml, templates/internal/auto-tls.yaml, templates/core/core-cm.yaml",
			Example:   "crpki gen --preset harbor --namespace harbor --dns harbor.example.com",
			Reads:     []string{"namespace", "release", "cluster-domain"},
			Namespace: "default",
			Release:   "harbor",
			texts:     harbor,
		},
		{
			Name:    "zot",
			Summary: "zot, installed by its Helm chart project-zot/zot",
			About: `The chart makes a Service of type NodePort: give the address or host that
clients dial with --ip or --dns. The preset adds the Service's names:
  FULLNAME, FULLNAME.NAMESPACE, FULLNAME.NAMESPACE.svc,
  FULLNAME.NAMESPACE.svc.cluster.local
FULLNAME is the release when that contains "zot", else RELEASE-zot. With
--ha also a wildcard over the pods of the headless Service (persistence and
serviceHeadless.enabled), by which members of a cluster can dial one another:
  *.FULLNAME-headless.NAMESPACE, and the same with .svc and
  .svc.cluster.local behind it
Uncertain: how the members are listed in zot's own configuration. Addresses
there need --ip for each; a fullnameOverride needs --dns.`,
			Source:    "project-zot/helm-charts@b4760c26, charts/zot 0.1.122: templates/_helpers.tpl, templates/service.yaml, templates/headless-service.yaml, templates/statefulset.yaml",
			Example:   "crpki gen --preset zot --namespace registry --ip 192.168.1.20",
			Reads:     []string{"namespace", "release", "ha", "cluster-domain"},
			Namespace: "default",
			Release:   "zot",
			texts:     zot,
		},
		{
			Name:    "distribution",
			Summary: "CNCF Distribution (registry:2, registry:3), installed by the Helm chart twuni/docker-registry",
			About: `Give the address or host that clients dial with --ip or --dns. The preset
adds the Service's names:
  FULLNAME, FULLNAME.NAMESPACE, FULLNAME.NAMESPACE.svc,
  FULLNAME.NAMESPACE.svc.cluster.local
FULLNAME is the release when that contains "docker-registry", else
RELEASE-docker-registry. The Secret goes into tlsSecretName.
Uncertain: other charts and plain manifests call the Service as they like.
For those use the preset in-cluster-service.`,
			Source:    "twuni/docker-registry.helm@ab431e80, 3.0.0: templates/_helpers.tpl, templates/service.yaml",
			Example:   "crpki gen --preset distribution --release registry --namespace infra --ip 10.96.0.50",
			Reads:     []string{"namespace", "release", "cluster-domain"},
			Namespace: "default",
			Release:   "docker-registry",
			texts:     distribution,
		},
		{
			Name:    "in-cluster-service",
			Summary: "any Service: every name by which pods can dial it",
			About: `Give the Service with --service NAMESPACE/NAME. The preset adds
  NAME, NAME.NAMESPACE, NAME.NAMESPACE.svc, NAME.NAMESPACE.svc.cluster.local
of which the first is for pods of the same namespace. --cluster-domain
replaces cluster.local. Nodes do not resolve these names as a rule, so images
that the kubelet pulls need the Service's address or a host that the nodes'
DNS knows: --ip, --dns.`,
			Source:  "kubernetes.io/docs/concepts/services-networking/dns-pod-service",
			Example: "crpki gen --preset in-cluster-service --service infra/registry --ip 10.96.0.50",
			Reads:   []string{"service", "namespace", "cluster-domain"},
			texts:   inClusterService,
		},
	}
}

// FindPreset returns the preset of that name.
func FindPreset(name string) (Preset, error) {
	var known []string
	for _, p := range Presets() {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	return Preset{}, fmt.Errorf("preset %q is unknown: there are %s", name, strings.Join(known, ", "))
}

// Names returns the names that the preset adds.
func (p Preset) Names(in PresetInput) (pki.Names, error) {
	names, err := p.names(in)
	if err != nil {
		return nil, fmt.Errorf("preset %s: %w", p.Name, err)
	}
	return names, nil
}

func (p Preset) names(in PresetInput) (pki.Names, error) {
	in.Namespace = cmp.Or(in.Namespace, p.Namespace)
	in.Release = cmp.Or(in.Release, p.Release)
	in.ClusterDomain = cmp.Or(in.ClusterDomain, "cluster.local")
	domain, _, err := pki.ParseNameAs(pki.DNS, in.ClusterDomain)
	if err == nil && strings.Contains(domain.Value, "*") {
		err = fmt.Errorf("cluster domain %q: a wildcard", in.ClusterDomain)
	}
	in.ClusterDomain = domain.Value
	if in.Namespace != "" {
		err = errors.Join(err, checkLabel("namespace", in.Namespace, maxLabel))
	}
	if p.Release != "" {
		err = errors.Join(err, checkLabel("release", in.Release, maxRelease))
	}
	if err != nil {
		return nil, err
	}
	texts, err := p.texts(in)
	if err != nil {
		return nil, err
	}
	names, _, err := pki.ParseNames(0, texts)
	return names, err
}

func connectedRegistry(in PresetInput) ([]string, error) {
	texts := qualifiedNames(in.Release, in)
	if in.HA {
		texts = append(texts, qualifiedNames(in.Release+"-rstorage", in)...)
	}
	return texts, nil
}

func harbor(in PresetInput) ([]string, error) {
	texts := serviceNames("harbor", in)
	full := fullName(in.Release, "harbor")
	for _, component := range []string{"core", "jobservice", "registry", "portal", "trivy"} {
		texts = append(texts, full+"-"+component)
	}
	return append(texts, "localhost", "127.0.0.1"), nil
}

func zot(in PresetInput) ([]string, error) {
	full := fullName(in.Release, "zot")
	texts := serviceNames(full, in)
	if in.HA {
		// Without the shortest form, *.zot-headless, which only Go would match.
		texts = append(texts, serviceNames("*."+full+"-headless", in)[1:]...)
	}
	return texts, nil
}

func distribution(in PresetInput) ([]string, error) {
	return serviceNames(fullName(in.Release, "docker-registry"), in), nil
}

func inClusterService(in PresetInput) ([]string, error) {
	if in.Service == "" {
		return nil, errors.New("which Service? Give --service NAMESPACE/NAME")
	}
	var texts []string
	for service := range strings.SplitSeq(in.Service, ",") {
		namespace, name, ok := strings.Cut(service, "/")
		if !ok {
			namespace, name = in.Namespace, service
		}
		if namespace == "" {
			return nil, fmt.Errorf("service %q: in which namespace? Give --service NAMESPACE/%s", service, name)
		}
		err := errors.Join(checkLabel("namespace", namespace, maxLabel), checkLabel("service", name, maxLabel))
		if err != nil {
			return nil, err
		}
		in.Namespace = namespace
		texts = append(texts, serviceNames(name, in)...)
	}
	return texts, nil
}

// serviceNames gives the names that the search list of a pod's resolver makes
// work for a Service, the shortest first.
func serviceNames(service string, in PresetInput) []string {
	texts := []string{service}
	// In a namespace that is a number, clients take this form for an address.
	if _, _, err := pki.ParseNameAs(pki.DNS, service+"."+in.Namespace); err == nil {
		texts = append(texts, service+"."+in.Namespace)
	}
	return append(texts, service+"."+in.Namespace+".svc", service+"."+in.Namespace+".svc."+in.ClusterDomain)
}

// qualifiedNames gives the two names that say that they mean a Service, the
// full one first.
func qualifiedNames(service string, in PresetInput) []string {
	svc := service + "." + in.Namespace + ".svc"
	return []string{svc + "." + in.ClusterDomain, svc}
}

// fullName is the "fullname" template that charts made by helm create share.
func fullName(release, chart string) string {
	name := release
	if !strings.Contains(release, chart) {
		name = release + "-" + chart
	}
	return strings.TrimSuffix(name[:min(len(name), maxLabel)], "-")
}

const (
	maxLabel   = 63 // RFC 1123, 2.1
	maxRelease = 53 // Helm's limit, which leaves room for suffixes
)

// checkLabel checks that Kubernetes would take value as a name of its own: an
// RFC 1123 label.
func checkLabel(what, value string, limit int) error {
	for _, c := range []byte(value) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%s %q: has %q in it; a name in Kubernetes is of lower-case letters, digits and hyphens (RFC 1123)", what, value, c)
		}
	}
	switch {
	case value == "":
		return fmt.Errorf("%s: empty", what)
	case len(value) > limit:
		return fmt.Errorf("%s %q: %d characters, at most %d are allowed", what, value[:limit]+"…", len(value), limit)
	case value[0] == '-', value[len(value)-1] == '-':
		return fmt.Errorf("%s %q: begins or ends with a hyphen", what, value)
	}
	return nil
}
