package k8ssecret

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

const goodValues = `connectionString: "ConnectedRegistryName=reg;SyncTokenName=t;SyncTokenPassword=p=;ParentGatewayEndpoint=a.westeurope.data.azurecr.io;ParentEndpointProtocol=https"
service:
  clusterIP: 10.96.0.50
cert-manager:
  enabled: false
  install: false
tls:
  crt: @crt@
  key: @key@
  cacrt: @ca@
`

func TestReadValues(t *testing.T) {
	units, err := Read("values.yaml", []byte(fill(goodValues, registry())), format.Options{})
	require.NoError(t, err)
	require.Len(t, units, 1)
	u := units[0]
	assert.Equal(t, KindHelmValues, u.Kind)
	assert.Equal(t, "values.yaml", u.Target)
	assert.Empty(t, u.Material.Notes)
	require.Len(t, u.Material.Certs, 1)
	require.Len(t, u.Material.Keys, 1)
	require.Len(t, u.Material.Anchors, 1)
	assert.Equal(t, pki.Origin{Source: "values.yaml", Field: "tls.crt", Index: 1, Line: 8, Column: 8}, u.Material.Certs[0].Origin)
	assert.Equal(t, pki.Origin{Source: "values.yaml", Field: "tls.cacrt", Index: 1, Line: 10, Column: 10}, u.Material.Anchors[0].Origin)
	require.Len(t, u.Hosts, 1)
	assert.Equal(t, Host{
		Name: pki.Name{Kind: pki.IP, Value: "10.96.0.50"}, From: "service.clusterIP",
		Origin: pki.Origin{Source: "values.yaml", Field: "service.clusterIP", Line: 3, Column: 14},
	}, u.Hosts[0])
}

func TestValuesNotes(t *testing.T) {
	const modes = "trustDistribution: {enabled: true}\nservice: {clusterIP: 10.0.0.1}\n"
	tests := map[string]struct {
		text string
		want []string
	}{
		"own certificate":        {goodValues, []string{}},
		"default":                {modes, []string{}},
		"address alone":          {"service: {clusterIP: 10.0.0.1}\n", []string{}},
		"cert-manager installed": {modes + "cert-manager: {install: false}\n", []string{}},
		"Secret":                 {modes + "cert-manager: {enabled: false, install: false}\ntls: {secret: registry-tls}\n", []string{}},
		"HTTP":                   {"httpEnabled: true\ncert-manager: {enabled: false, install: false}\ntrustDistribution: {enabled: false}\n", []string{}},
		"of a parent chart":      {"replicas: 1\nconnected-registry:\n" + indent(goodValues, "  "), []string{}},
		"another chart's":        {"replicas: 1\ntls:\n  crt: |\n    @crt.pem4@  key: |\n    @key.pem4@", []string{}},

		"flat keys":                 {strings.NewReplacer("tls:\n", "", "  crt:", "tls.crt:", "  key:", "tls.key:", "  cacrt:", "tls.cacrt:").Replace(goodValues), []string{"values-flat-key 7:1 tls.crt", "values-flat-key 8:1 tls.key", "values-flat-key 9:1 tls.cacrt"}},
		"flat cert-manager":         {modes + "cert-manager.enabled: true\n", []string{"values-flat-key 3:1 cert-manager.enabled"}},
		"tls.ca":                    {strings.Replace(goodValues, "  cacrt:", "  ca:", 1), []string{"values-key-typo 10:3 tls.ca", "values-ca-missing 8:8 tls.crt"}},
		"tls.ca.crt":                {strings.Replace(goodValues, "  cacrt:", "  ca.crt:", 1), []string{"values-key-typo 10:3 tls.ca.crt", "values-ca-missing 8:8 tls.crt"}},
		"boolean in quotes":         {modes + "cert-manager: {enabled: \"false\", install: 'false'}\ntls: {secret: x}\n", []string{"values-bool-as-string 3:25 cert-manager.enabled", "values-bool-as-string 3:43 cert-manager.install"}},
		"install without enabled":   {modes + "cert-manager: {enabled: false, install: true}\ntls: {secret: x}\n", []string{"values-cert-manager-combination 3:25 cert-manager.enabled"}},
		"enabled off, default else": {modes + "cert-manager: {enabled: false}\ntls: {secret: x}\n", []string{"values-cert-manager-combination 3:25 cert-manager.enabled"}},
		"no certificate":            {modes + "cert-manager: {enabled: false, install: false}\n", []string{"values-certificate-missing 3:25 cert-manager.enabled"}},
		"secret and crt":            {strings.Replace(goodValues, "tls:\n", "tls:\n  secret: x\n", 1), []string{"values-secret-and-cert 8:11 tls.secret"}},
		"crt without key":           {strings.Replace(goodValues, "  key: @key@\n", "", 1), []string{"values-cert-or-key-missing 8:8 tls.crt"}},
		"key without crt":           {strings.Replace(goodValues, "  crt: @crt@\n", "", 1), []string{"values-cert-or-key-missing 8:8 tls.key"}},
		"no CA":                     {strings.Replace(goodValues, "  cacrt: @ca@\n", "", 1), []string{"values-ca-missing 8:8 tls.crt"}},
		"own, and cert-manager on":  {strings.NewReplacer("enabled: false", "enabled: true").Replace(goodValues), []string{"values-cert-and-cert-manager 8:8 tls.crt"}},
		"no trust distribution":     {"trustDistribution: {enabled: false}\n", []string{"values-trust-distribution-combination 1:30 trustDistribution.enabled"}},
		"HTTP, and all else":        {"httpEnabled: true\nservice: {clusterIP: 10.0.0.1}\n", []string{"values-http-combination 1:14 httpEnabled"}},
		"cluster IP a name":         {strings.Replace(goodValues, "10.96.0.50", "registry.local", 1), []string{"values-cluster-ip-invalid 3:14 service.clusterIP"}},
		"cluster IP a range":        {strings.Replace(goodValues, "10.96.0.50", "10.96.0.0/16", 1), []string{"values-cluster-ip-invalid 3:14 service.clusterIP"}},
		"cluster IP loopback":       {strings.Replace(goodValues, "10.96.0.50", "127.0.0.1", 1), []string{"values-cluster-ip-invalid 3:14 service.clusterIP"}},
		"cluster IP a number":       {strings.Replace(goodValues, "10.96.0.50", "10.96", 1), []string{"values-cluster-ip-invalid 3:14 service.clusterIP"}},
		"PEM":                       {strings.Replace(goodValues, "@crt@", "|\n    @crt.pem4@", 1), []string{"base64-missing 8:8 tls.crt"}},
		"base64 in lines":           {strings.Replace(goodValues, "@crt@", "|\n"+wrap(b64(registry().crt), "    "), 1), []string{"base64-line-wrapped 8:8 tls.crt"}},
		"base64 twice":              {strings.Replace(goodValues, "@crt@", "@crt2@", 1), []string{"base64-nested 8:8 tls.crt"}},
		"same variable":             {"tls: {crt: $TLS_CRT, key: $TLS_KEY, cacrt: $TLS_CRT}\ncert-manager: {enabled: false, install: false}\n", []string{"value-placeholder 1:12 tls.crt", "value-placeholder 1:27 tls.key", "value-placeholder 1:44 tls.cacrt", "ca-crt-is-tls-crt 1:44 tls.cacrt"}},
		"key twice":                 {modes + "tls: {secret: a, secret: b}\ncert-manager: {enabled: false, install: false}\n", []string{"manifest-duplicate-key 3:18 tls.secret"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read("values.yaml", []byte(fill(tt.text, registry())), format.Options{})
			require.NoError(t, err)
			require.Len(t, units, 1)
			assert.Equal(t, KindHelmValues, units[0].Kind)
			assert.ElementsMatch(t, tt.want, places(units))
		})
	}
}

func TestValuesHosts(t *testing.T) {
	text := "service: {clusterIP: 10.0.0.1}\nregistryLoginServer: reg.example.com\nregistry: {replicas: 3}\n"
	units, err := Read("values.yaml", []byte(text+"trustDistribution: {enabled: true}\n"), format.Options{})
	require.NoError(t, err)
	var got []string
	for _, h := range units[0].Hosts {
		got = append(got, h.Name.String())
	}
	assert.Equal(t, []string{"IP:10.0.0.1", "DNS:reg.example.com", "DNS:connected-registry-rstorage.connected-registry.svc.cluster.local"}, got)
}

func TestReadSettings(t *testing.T) {
	const good = `{
  "connectionString": "ConnectedRegistryName=a;SyncTokenName=b",
  "tls.crt": "@crt@",
  "tls.key": "@key@",
  "tls.cacrt": "@ca@"
}
`
	tests := map[string]struct {
		text string
		want []string
	}{
		"good":              {good, []string{}},
		"Secret":            {`{"connectionString": "ConnectedRegistryName=a", "tls.secret": "x"}`, []string{}},
		"default":           {`{"connectionString": "ConnectedRegistryName=a"}`, []string{}},
		"nested":            {`{"tls": {"crt": "@crt@", "key": "@key@"}}`, []string{"settings-nested-key 1:2 tls"}},
		"PEM":               {strings.Replace(good, "@crt@", "@crt.json@", 1), []string{"base64-missing 3:14 tls.crt"}},
		"boolean":           {strings.Replace(good, "{\n", "{\n  \"cert-manager.enabled\": false,\n", 1), []string{"settings-value-not-string 2:27 cert-manager.enabled"}},
		"unquoted variable": {strings.Replace(good, `"@crt@"`, "$TLS_CRT", 1), []string{"json-unquoted-variable 3:14 tls.crt", "value-placeholder 3:14 tls.crt"}},
		"typographic":       {strings.Replace(good, `"@key@"`, "“k8secret”", 1), []string{"typographic-quotes 4:14 tls.key"}},
		"typographic key":   {strings.Replace(good, `"tls.key"`, "“tls.key”", 1), []string{"typographic-quotes 4:3 “tls.key”"}},
		"trailing comma":    {strings.Replace(good, "@ca@\"", "@ca@\",", 1), []string{"json-invalid 6:1"}},
		"no comma":          {strings.Replace(good, "@crt@\",", "@crt@\"", 1), nil},
		"secret and crt":    {strings.Replace(good, "{\n", "{\n  \"tls.secret\": \"a\",\n", 1), []string{"values-secret-and-cert 2:17 tls.secret"}},
		"key twice":         {strings.Replace(good, "{\n", "{\n  \"tls.crt\": \"a\",\n", 1), []string{"manifest-duplicate-key 4:3 tls.crt"}},
		"CA from tls.crt":   {strings.NewReplacer(`"@crt@"`, `"$TLS_CRT"`, `"@ca@"`, `"$TLS_CRT"`).Replace(good), []string{"value-placeholder 3:14 tls.crt", "value-placeholder 5:16 tls.cacrt", "ca-crt-is-tls-crt 5:16 tls.cacrt"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read("protected-settings.json", []byte(fill(tt.text, registry())), format.Options{})
			if tt.want == nil {
				assert.ErrorContains(t, err, "line 4")
				return
			}
			require.NoError(t, err)
			require.Len(t, units, 1)
			assert.Equal(t, KindAzureSettings, units[0].Kind)
			assert.ElementsMatch(t, tt.want, places(units))
		})
	}
}

func TestReadSet(t *testing.T) {
	p := registry()
	tests := map[string]struct {
		files, sets []string
		want        []string
	}{
		"good":                {nil, []string{"cert-manager.enabled=false,cert-manager.install=false", "tls.crt=@crt@", "tls.key=@key@", "tls.cacrt=@ca@", "service.clusterIP=10.96.0.50"}, []string{}},
		"flat":                {nil, []string{`tls\.crt=@crt@`}, []string{"values-flat-key 1:1 tls.crt", "values-cert-or-key-missing 1:10 tls.crt", "values-cert-and-cert-manager 1:10 tls.crt"}},
		"comma":               {nil, []string{"connectionString=a,b"}, []string{"values-set-syntax 1:20 connectionString"}},
		"a list without end":  {nil, []string{"tls.secret=x,cert-manager.enabled=false,cert-manager.install=false", "pods={a"}, []string{"values-set-syntax 2:6 pods"}},
		"null takes it away":  {[]string{"service: {clusterIP: x}\n"}, []string{"service.clusterIP=null"}, []string{}},
		"overrides a file":    {[]string{"tls: {secret: x}\ncert-manager: {enabled: true, install: true}\n"}, []string{"cert-manager.enabled=false,cert-manager.install=false"}, []string{}},
		"fault in the file":   {[]string{"tls: {secret: x}\n"}, []string{"cert-manager.enabled=false"}, []string{"values-cert-manager-combination 1:22 cert-manager.enabled"}},
		"the files tell more": {[]string{"service: {clusterIP: x}\n"}, nil, []string{"values-cluster-ip-invalid 1:22 service.clusterIP"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var files []Input
			for _, text := range tt.files {
				files = append(files, Input{"values.yaml", []byte(fill(text, p))})
			}
			sets := make([]string, len(tt.sets))
			for i := range sets {
				sets[i] = fill(tt.sets[i], p)
			}
			u, err := ReadSet(files, sets, format.Options{})
			require.NoError(t, err)
			assert.ElementsMatch(t, tt.want, places([]Unit{u}))
		})
	}
}

func TestValuesFix(t *testing.T) {
	units, err := Read("values.yaml", []byte("httpEnabled: \"false\"\ntrustDistribution: {enabled: \"yes\"}\n"), format.Options{})
	require.NoError(t, err)
	require.Len(t, units, 1)
	var fixes []string
	for _, n := range units[0].Material.Notes {
		if n.Rule == NoteValuesBoolString {
			fixes = append(fixes, n.Fix)
		}
	}
	assert.ElementsMatch(t, []string{
		"helm upgrade --install connected-registry … --set httpEnabled=false",
		"helm upgrade --install connected-registry … --set trustDistribution.enabled=true",
	}, fixes)
}
