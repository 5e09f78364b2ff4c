package k8ssecret

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/format"
)

const goodCertificate = `apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: registry
  namespace: infra
spec:
  secretName: registry-tls
  issuerRef: {name: ca, kind: Issuer}
  dnsNames: [registry.infra.svc.cluster.local]
  ipAddresses: [10.96.0.50]
  usages: [digital signature, key encipherment, server auth]
  duration: 2160h
  renewBefore: 720h
  privateKey: {algorithm: RSA, size: 2048, rotationPolicy: Always}
`

func TestReadCertificate(t *testing.T) {
	change := func(old, changed string) string {
		require.Contains(t, goodCertificate, old)
		return strings.Replace(goodCertificate, old, changed, 1)
	}
	tests := map[string]struct {
		text string
		want []string
	}{
		"good":             {goodCertificate, []string{}},
		"address alone":    {change("  dnsNames: [registry.infra.svc.cluster.local]\n", ""), []string{}},
		"client":           {strings.NewReplacer("server auth", "client auth", "  dnsNames: [registry.infra.svc.cluster.local]\n", "  commonName: client\n", "  ipAddresses: [10.96.0.50]\n", "").Replace(goodCertificate), []string{}},
		"CA":               {change("  usages: [digital signature, key encipherment, server auth]\n", "  isCA: true\n"), []string{}},
		"another issuer":   {change("kind: Issuer", "kind: AWSPCAIssuer, group: awspca.cert-manager.io"), []string{}},
		"no spec":          {goodCertificate[:strings.Index(goodCertificate, "spec")], []string{"certificate-refused 2:1 spec"}},
		"no secret":        {change("  secretName: registry-tls\n", ""), []string{"certificate-refused 7:3 spec.secretName"}},
		"no issuer":        {change("name: ca, ", ""), []string{"certificate-refused 7:3 spec.issuerRef.name"}},
		"unknown issuer":   {change("kind: Issuer", "kind: Isuer"), []string{"certificate-refused 8:31 spec.issuerRef.kind"}},
		"no names":         {change("  dnsNames: [registry.infra.svc.cluster.local]\n  ipAddresses: [10.96.0.50]\n", ""), []string{"certificate-refused 7:3 spec.dnsNames"}},
		"common name only": {change("  dnsNames: [registry.infra.svc.cluster.local]\n  ipAddresses: [10.96.0.50]\n", "  commonName: registry.local\n"), []string{"certificate-only-common-name 9:15 spec.commonName"}},
		"long common name": {change("  duration", "  commonName: "+strings.Repeat("a", 65)+"\n  duration"), []string{"certificate-refused 12:15 spec.commonName"}},
		"address as name":  {change("registry.infra.svc.cluster.local", "10.0.0.1"), []string{"san-ip-as-dns 9:14 spec.dnsNames[0]"}},
		"name as address":  {change("10.96.0.50", "registry.local"), []string{"san-dns-as-ip 10:17 spec.ipAddresses[0]"}},
		"no address":       {change("10.96.0.50", "10.96.0.500"), []string{"san-ip-invalid 10:17 spec.ipAddresses[0]"}},
		"range":            {change("10.96.0.50", "10.96.0.0/16"), []string{"san-ip-invalid 10:17 spec.ipAddresses[0]"}},
		"unspecified":      {change("10.96.0.50", "0.0.0.0"), []string{"san-unspecified-address 10:17 spec.ipAddresses[0]"}},
		"URL":              {change("registry.infra.svc.cluster.local", "https://registry.local"), []string{"san-url 9:14 spec.dnsNames[0]"}},
		"port":             {change("[registry.infra.svc.cluster.local]", `["registry.local:5000"]`), []string{"san-port 9:14 spec.dnsNames[0]"}},
		"blank":            {change("registry.infra.svc.cluster.local", "'reg istry.local'"), []string{"san-blank 9:14 spec.dnsNames[0]"}},
		"trailing dot":     {change("cluster.local]", "cluster.local.]"), []string{"san-trailing-dot 9:14 spec.dnsNames[0]"}},
		"wildcard inside":  {change("registry.infra", "a.*"), []string{"san-wildcard-misplaced 9:14 spec.dnsNames[0]"}},
		"twice":            {change("[registry.infra.svc.cluster.local]", "[a.b, A.b]"), []string{"san-duplicate-name 9:19 spec.dnsNames[1]"}},
		"cluster domain":   {change("svc.cluster.local", "svc.cluster.locl"), []string{"san-cluster-name-typo 9:14 spec.dnsNames[0]"}},
		"namespace":        {change("registry.infra.", "registry.infrra."), []string{"san-namespace-typo 9:14 spec.dnsNames[0]"}},
		"default usages":   {change("  usages: [digital signature, key encipherment, server auth]\n", ""), []string{"certificate-server-auth-missing 7:3 spec.usages"}},
		"other usages":     {change("server auth", "code signing"), []string{"certificate-server-auth-missing 11:3 spec.usages"}},
		"days":             {change("2160h", "90d"), []string{"certificate-refused 12:13 spec.duration"}},
		"too short":        {change("2160h\n  renewBefore: 720h", "30m"), []string{"certificate-refused 12:13 spec.duration"}},
		"renewed too soon": {change("720h", "2160h"), []string{"certificate-refused 13:16 spec.renewBefore"}},
		"both renewals":    {change("  privateKey", "  renewBeforePercentage: 30\n  privateKey"), []string{"certificate-refused 13:16 spec.renewBefore"}},
		"small key":        {change("2048", "1024"), []string{"certificate-refused 14:38 spec.privateKey.size"}},
		"odd curve":        {change("RSA, size: 2048", "ECDSA, size: 224"), []string{"certificate-refused 14:40 spec.privateKey.size"}},
		"rotation":         {change(", rotationPolicy: Always", ""), []string{"certificate-rotation-policy-unset 14:15 spec.privateKey.rotationPolicy"}},
		"key twice":        {goodCertificate + "  secretName: other\n", []string{"manifest-duplicate-key 15:3 spec.secretName"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read("c.yaml", []byte(tt.text), format.Options{})
			require.NoError(t, err)
			require.Len(t, units, 1)
			assert.Equal(t, KindCertificate, units[0].Kind)
			assert.Equal(t, "c.yaml: Certificate infra/registry", units[0].Target)
			assert.ElementsMatch(t, tt.want, places(units))
		})
	}
	units, err := Read("c.yaml", []byte(goodCertificate), format.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"DNS:registry.infra.svc.cluster.local", "IP:10.96.0.50"}, units[0].Names.Strings())
}
