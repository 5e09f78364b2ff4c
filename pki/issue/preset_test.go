package issue

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPresetNames(t *testing.T) {
	for _, tt := range []struct {
		name, preset string
		in           PresetInput
		want         []string
	}{
		{
			"connected registry by default", "connected-registry",
			PresetInput{},
			[]string{"DNS:connected-registry.connected-registry.svc.cluster.local", "DNS:connected-registry.connected-registry.svc"},
		},
		{
			"connected registry with replicas", "connected-registry",
			PresetInput{HA: true},
			[]string{
				"DNS:connected-registry.connected-registry.svc.cluster.local", "DNS:connected-registry.connected-registry.svc",
				"DNS:connected-registry-rstorage.connected-registry.svc.cluster.local", "DNS:connected-registry-rstorage.connected-registry.svc",
			},
		},
		{
			"connected registry elsewhere", "connected-registry",
			PresetInput{Release: "edge", Namespace: "shop-1", HA: true, ClusterDomain: "k8s.example."},
			[]string{
				"DNS:edge.shop-1.svc.k8s.example", "DNS:edge.shop-1.svc",
				"DNS:edge-rstorage.shop-1.svc.k8s.example", "DNS:edge-rstorage.shop-1.svc",
			},
		},
		{
			"harbor", "harbor",
			PresetInput{Namespace: "registry"},
			[]string{
				"DNS:harbor", "DNS:harbor.registry", "DNS:harbor.registry.svc", "DNS:harbor.registry.svc.cluster.local",
				"DNS:harbor-core", "DNS:harbor-jobservice", "DNS:harbor-registry", "DNS:harbor-portal", "DNS:harbor-trivy",
				"DNS:localhost", "IP:127.0.0.1",
			},
		},
		{
			"harbor under another release", "harbor",
			PresetInput{Release: "my-release"},
			[]string{
				"DNS:harbor", "DNS:harbor.default", "DNS:harbor.default.svc", "DNS:harbor.default.svc.cluster.local",
				"DNS:my-release-harbor-core", "DNS:my-release-harbor-jobservice", "DNS:my-release-harbor-registry", "DNS:my-release-harbor-portal", "DNS:my-release-harbor-trivy",
				"DNS:localhost", "IP:127.0.0.1",
			},
		},
		{
			"zot", "zot",
			PresetInput{},
			[]string{"DNS:zot", "DNS:zot.default", "DNS:zot.default.svc", "DNS:zot.default.svc.cluster.local"},
		},
		{
			"zot with replicas", "zot",
			PresetInput{Release: "r", Namespace: "infra", HA: true},
			[]string{
				"DNS:r-zot", "DNS:r-zot.infra", "DNS:r-zot.infra.svc", "DNS:r-zot.infra.svc.cluster.local",
				"DNS:*.r-zot-headless.infra", "DNS:*.r-zot-headless.infra.svc", "DNS:*.r-zot-headless.infra.svc.cluster.local",
			},
		},
		{
			"distribution", "distribution",
			PresetInput{Release: "registry", Namespace: "infra"},
			[]string{
				"DNS:registry-docker-registry", "DNS:registry-docker-registry.infra", "DNS:registry-docker-registry.infra.svc",
				"DNS:registry-docker-registry.infra.svc.cluster.local",
			},
		},
		{
			"service", "in-cluster-service",
			PresetInput{Service: "infra/registry"},
			[]string{"DNS:registry", "DNS:registry.infra", "DNS:registry.infra.svc", "DNS:registry.infra.svc.cluster.local"},
		},
		{
			"service and namespace apart, in another domain", "in-cluster-service",
			PresetInput{Service: "registry", Namespace: "infra", ClusterDomain: "corp.example"},
			[]string{"DNS:registry", "DNS:registry.infra", "DNS:registry.infra.svc", "DNS:registry.infra.svc.corp.example"},
		},
		{
			"two services", "in-cluster-service",
			PresetInput{Service: "a/registry,b/registry"},
			[]string{
				"DNS:registry", "DNS:registry.a", "DNS:registry.a.svc", "DNS:registry.a.svc.cluster.local",
				"DNS:registry.b", "DNS:registry.b.svc", "DNS:registry.b.svc.cluster.local",
			},
		},
		{
			"namespace that is a number", "in-cluster-service",
			PresetInput{Service: "2048/registry"},
			[]string{"DNS:registry", "DNS:registry.2048.svc", "DNS:registry.2048.svc.cluster.local"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := FindPreset(tt.preset)
			require.NoError(t, err)
			got, err := p.Names(tt.in)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.Strings())
		})
	}
}

func TestPresetNamesRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, preset string
		in           PresetInput
		reason       string
	}{
		{"upper case", "connected-registry", PresetInput{Namespace: "Infra"}, `namespace "Infra": has 'I'`},
		{"underscore", "harbor", PresetInput{Release: "my_release"}, `release "my_release": has '_'`},
		{"dot", "zot", PresetInput{Release: "a.b"}, `has '.'`},
		{"line break", "zot", PresetInput{Namespace: "a\nb"}, `namespace "a\nb": has '\n'`},
		{"hyphen", "distribution", PresetInput{Namespace: "-a"}, "hyphen"},
		{"long release", "distribution", PresetInput{Release: strings.Repeat("r", 54)}, "at most 53"},
		{"long namespace", "distribution", PresetInput{Namespace: strings.Repeat("r", 64)}, "at most 63"},
		{"several at once", "zot", PresetInput{Namespace: "A", Release: "B"}, "release"},
		{"no service", "in-cluster-service", PresetInput{}, "--service NAMESPACE/NAME"},
		{"no namespace", "in-cluster-service", PresetInput{Service: "registry"}, "--service NAMESPACE/registry"},
		{"no name", "in-cluster-service", PresetInput{Service: "infra/"}, "service: empty"},
		{"too many slashes", "in-cluster-service", PresetInput{Service: "a/b/c"}, `has '/'`},
		{"cluster domain with a blank", "in-cluster-service", PresetInput{Service: "a/b", ClusterDomain: "x y"}, "a blank"},
		{"cluster domain as wildcard", "in-cluster-service", PresetInput{Service: "a/b", ClusterDomain: "*.a.b"}, "wildcard"},
		{"cluster domain as address", "in-cluster-service", PresetInput{Service: "a/b", ClusterDomain: "10.0.0.1"}, "an IP address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := FindPreset(tt.preset)
			require.NoError(t, err)
			got, err := p.Names(tt.in)
			assert.Empty(t, got)
			assert.ErrorContains(t, err, tt.reason)
			assert.ErrorContains(t, err, "preset "+tt.preset+": ")
		})
	}
	_, err := FindPreset("habor")
	assert.ErrorContains(t, err, `preset "habor" is unknown: there are connected-registry, harbor`)
}

func TestPresetsExplainThemselves(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Presets() {
		t.Run(p.Name, func(t *testing.T) {
			assert.False(t, seen[p.Name])
			seen[p.Name] = true
			for _, text := range []string{p.Summary, p.About, p.Source} {
				assert.NotEmpty(t, text)
			}
			assert.Contains(t, p.Example, "crpki gen --preset "+p.Name+" ")
			for line := range strings.Lines(p.About) {
				assert.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 78, line)
			}
			for _, flag := range p.Reads {
				assert.Contains(t, []string{"namespace", "release", "ha", "service", "cluster-domain"}, flag)
			}
			assert.Equal(t, p.Release != "", strings.Contains(strings.Join(p.Reads, " "), "release"))
		})
	}
}
