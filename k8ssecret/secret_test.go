package k8ssecret

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/format"
)

func TestSecretNotes(t *testing.T) {
	p := registry()
	tests := map[string]struct {
		text string
		want []string // as places gives them
	}{
		"good":                 {goodSecret, []string{}},
		"good JSON":            {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"infra"},"type":"kubernetes.io/tls","data":{"tls.crt":"@crt@","tls.key":"@key@","ca.crt":"@ca@"}}`, []string{}},
		"good, stringData":     {"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: infra}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n    @crt.pem4@  tls.key: |\n    @key.pem4@  ca.crt: |\n    @ca.pem4@", []string{}},
		"good, Opaque, server": {"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: infra}\ntype: Opaque\ndata: {server.crt: @crt@, server.key: @key@, ca.crt: @ca@, password: aGFsbG8=}\n", []string{}},
		"good, CA alone":       {"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: infra}\ndata: {ca.crt: @ca@}\n", []string{}},

		"good JSON, two documents": {strings.Repeat(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"tls.crt"}}`+"\n", 2), []string{}},
		"good KYAML":               {"---\n{\n  kind: \"Secret\",\n  type: \"kubernetes.io/tls\",\n  metadata: {name: a, namespace: infra,},\n  data: {tls.crt: \"@crt@\", tls.key: \"@key@\", ca.crt: \"@ca@\",},\n}\n", []string{}},
		"no type, all empty":       {"kind: Secret\nmetadata: {name: a, namespace: infra}\ndata:\n  tls.crt: \"\"\n  tls.key: \"\"\n", []string{"secret-type-missing 1:1 type", "secret-value-empty 4:12 data.tls.crt", "secret-value-empty 5:12 data.tls.key"}},

		"type missing":          {strings.Replace(goodSecret, "type: kubernetes.io/tls\n", "", 1), []string{"secret-type-missing 2:1 type"}},
		"type under metadata":   {strings.Replace(goodSecret, "type:", "  type:", 1), []string{"secret-type-misplaced 6:3 metadata.type"}},
		"type Opaque":           {strings.Replace(goodSecret, "kubernetes.io/tls", "Opaque", 1), []string{"secret-type-wrong 6:7 type"}},
		"type misspelt":         {strings.Replace(goodSecret, "kubernetes.io/tls", "kubernets.io/tls", 1), []string{"secret-type-wrong 6:7 type"}},
		"type TLS":              {strings.Replace(goodSecret, "kubernetes.io/tls", "kubernetes.io/TLS", 1), []string{"secret-type-wrong 6:7 type"}},
		"tls.key missing":       {strings.Replace(goodSecret, "  tls.key: @key@\n", "", 1), []string{"secret-key-missing 2:1 data"}},
		"tls.crt missing":       {strings.Replace(goodSecret, "  tls.crt: @crt@\n", "", 1), []string{"secret-key-missing 2:1 data"}},
		"both missing":          {"kind: Secret\napiVersion: v1\nmetadata: {name: a, namespace: infra}\ntype: kubernetes.io/tls\n", []string{"secret-key-missing 1:1 data", "secret-key-missing 1:1 data"}},
		"other names":           {strings.NewReplacer("tls.crt:", "cert.pem:", "tls.key:", "key.pem:").Replace(goodSecret), []string{"secret-key-missing 2:1 data", "secret-key-missing 2:1 data"}},
		"ca.crt missing":        {strings.Replace(goodSecret, "  ca.crt: @ca@\n", "", 1), []string{"secret-ca-missing 2:1 data"}},
		"namespace missing":     {strings.Replace(goodSecret, "  namespace: infra\n", "", 1), []string{"secret-namespace-missing 3:1 metadata.namespace"}},
		"namespace misspelt":    {strings.Replace(goodSecret, ": infra", ": infrra", 1), []string{"san-namespace-typo 8:12 data.tls.crt"}},
		"empty key":             {strings.Replace(goodSecret, "@key@", `""`, 1), []string{"secret-value-empty 9:12 data.tls.key"}},
		"swapped":               {strings.NewReplacer("@crt@", "@key@", "@key@", "@crt@").Replace(goodSecret), []string{"secret-crt-key-swapped 8:12 data.tls.crt"}},
		"twice":                 {goodSecret + "  tls.crt: @crt@\n", []string{"manifest-duplicate-key 11:3 data.tls.crt"}},
		"data and stringData":   {goodSecret + "stringData:\n  ca.crt: |\n    @ca.pem4@", []string{"secret-key-twice 12:3 stringData.ca.crt"}},
		"bad field name":        {goodSecret + "  ca cert: @ca@\n", []string{"secret-key-name-invalid 11:3 data.ca cert"}},
		"key in ca.crt":         {strings.Replace(goodSecret, "@ca@", "@key@", 1), []string{"key-in-ca-file 10:11 data.ca.crt"}},
		"base64 of base64":      {strings.Replace(goodSecret, "@crt@", "@crt2@", 1), []string{"base64-nested 8:12 data.tls.crt"}},
		"base64 of DER":         {strings.Replace(goodSecret, "@crt@", b64(derOf(p.crt)), 1), []string{"base64-of-der 8:12 data.tls.crt"}},
		"base64 in lines":       {strings.Replace(goodSecret, "@crt@", "|\n"+wrap(b64(p.crt), "    "), 1), []string{"base64-line-wrapped 8:12 data.tls.crt"}},
		"base64 folded":         {strings.Replace(goodSecret, "@crt@", ">\n"+wrap(b64(p.crt), "    "), 1), []string{"base64-line-wrapped 8:12 data.tls.crt"}},
		"base64 in plain lines": {strings.Replace(goodSecret, "@crt@", "\n"+wrap(b64(p.crt), "    "), 1), []string{"base64-line-wrapped 9:5 data.tls.crt"}},
		"base64 cut off":        {strings.Replace(goodSecret, "@crt@", b64(p.crt)[:301], 1), []string{"base64-invalid 8:12 data.tls.crt"}},
		"base64 for URLs":       {strings.Replace(goodSecret, "@crt@", "LS0t_-8=", 1), []string{"base64-invalid 8:12 data.tls.crt"}},
		"PEM in data":           {strings.Replace(goodSecret, "@crt@", "|\n    "+"@crt.pem4@", 1), []string{"base64-missing 8:12 data.tls.crt"}},
		"base64 in stringData":  {strings.Replace(goodSecret, "\ndata:", "\nstringData:", 1), []string{"base64-of-pem 8:12 stringData.tls.crt", "base64-of-pem 9:12 stringData.tls.key", "base64-of-pem 10:11 stringData.ca.crt"}},
		"nonsense":              {strings.Replace(goodSecret, "@crt@", "aGFsbG8gd2VsdA==", 1), []string{"value-unreadable 8:12 data.tls.crt"}},
		"number":                {strings.Replace(goodSecret, "@crt@", "12", 1), []string{"value-not-a-string 8:12 data.tls.crt"}},
		"list":                  {strings.Replace(goodSecret, "@crt@", "[a]", 1), []string{"value-not-a-string 8:12 data.tls.crt"}},
		"variables":             {strings.NewReplacer("@crt@", "$TLS_CRT", "@key@", "${TLS_KEY}", "@ca@", "$TLS_CRT").Replace(goodSecret), []string{"value-placeholder 8:12 data.tls.crt", "value-placeholder 9:12 data.tls.key", "value-placeholder 10:11 data.ca.crt", "ca-crt-is-tls-crt 10:11 data.ca.crt"}},
		"template":              {strings.Replace(goodSecret, "@crt@", "{{ .Values.tls.crt | b64enc }}", 1), []string{"manifest-template 1:1"}},
		"too large":             {goodSecret + "  blob: " + b64(strings.Repeat("x", 1<<20)) + "\n", []string{"secret-too-large 2:1 data"}},
		"list of secrets":       {"apiVersion: v1\nkind: List\nitems:\n- kind: Secret\n  apiVersion: v1\n  metadata: {namespace: infra, name: a}\n  data: {tls.crt: @crt@, tls.key: @key@, ca.crt: @ca@}\n", []string{"secret-type-missing 4:3 items[0].type"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read("s.yaml", []byte(fill(tt.text, p)), format.Options{})
			require.NoError(t, err)
			assert.ElementsMatch(t, tt.want, places(units))
			for _, u := range units {
				for _, n := range u.Material.Notes {
					assert.NotContains(t, n.Detail, "\n")
					assert.NotContains(t, n.Detail, b64(p.key)[100:130])
				}
			}
		})
	}
}

func derOf(pem string) string {
	m := must(format.Decode("", []byte(pem), format.Options{}))
	return string(m.Certs[0].Raw)
}

// What a document holds beside certificates is nobody's business here.
func TestReadPassesOver(t *testing.T) {
	p := registry()
	for name, text := range map[string]string{
		"password":      "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {password: aGFsbG8=}\n",
		"pull secret":   "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: e30=}\n",
		"deployment":    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {volumes: [{name: tls, secret: {secretName: x}}]}}}\n",
		"config":        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  readme: |\n    A certificate begins with -----BEGIN CERTIFICATE-----\n",
		"other secret":  "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: a}\nspec: {encryptedData: {tls.crt: AgBy}}\n",
		"empty":         "",
		"values":        "image: {repository: nginx, tag: \"1\"}\nservice: {type: ClusterIP, port: 80}\ningress: {enabled: false, tls: []}\n",
		"package.json":  `{"name": "x", "dependencies": {"tls": "1"}}`,
		"Certificate o": "apiVersion: example.com/v1\nkind: Certificate\nmetadata: {name: a}\n",
	} {
		t.Run(name, func(t *testing.T) {
			units, err := Read("x.yaml", []byte(fill(text, p)), format.Options{})
			require.NoError(t, err)
			assert.Empty(t, units)
		})
	}
}

// A broken document is told, and hides none of the others.
func TestReadGoesOnBehindABrokenDocument(t *testing.T) {
	text := fill(goodSecret+"---\nkind: Secret\ndata: {tls.crt: @crt@\n---\n"+strings.Replace(goodSecret, "registry-tls", "other", 1), registry())
	units, err := Read("s.yaml", []byte(text), format.Options{})
	require.ErrorContains(t, err, "line 13")
	require.Len(t, units, 2)
	assert.Equal(t, "other", units[1].Name)
	assert.Equal(t, 22, units[1].Material.Certs[0].Origin.Line)
}

func TestPlacesInsidePEM(t *testing.T) {
	p := registry()
	text := fill("kind: Secret\nstringData:\n  tls.crt: |\n    @crt.pem4@    @ca.pem4@", p)
	units, err := Read("s.yaml", []byte(text), format.Options{})
	require.NoError(t, err)
	require.Len(t, units, 1)
	require.Len(t, units[0].Material.Certs, 2)
	first, second := units[0].Material.Certs[0].Origin, units[0].Material.Certs[1].Origin
	assert.Equal(t, [2]int{4, 5}, [2]int{first.Line, first.Column})
	assert.Equal(t, 2, second.Index)
	assert.Equal(t, 4+strings.Count(p.crt, "\n"), second.Line)
	assert.Equal(t, 5, second.Column)
}

func TestSecretWithSeveralCertificates(t *testing.T) {
	other := makePEMs("DNS:other.example.com")
	text := fill("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\ndata: {web.crt: @crt@, web.key: @key@, ca.crt: @ca@,", registry()) +
		fill(" api.crt: @crt@, api.key: @key@}\n", other)
	units, err := Read("s.yaml", []byte(text), format.Options{})
	require.NoError(t, err)
	require.Len(t, units, 2)
	for i, name := range []string{"s.yaml: Secret b/a web", "s.yaml: Secret b/a api"} {
		assert.Equal(t, name, units[i].Target)
		assert.Len(t, units[i].Material.Certs, 1)
		assert.Len(t, units[i].Material.Keys, 1)
		assert.Len(t, units[i].Material.Anchors, 1)
	}
}

func TestConfigMap(t *testing.T) {
	p := registry()
	head := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n"
	tests := map[string]struct {
		text string
		want []string
	}{
		"CA":            {head + "data:\n  ca.crt: |\n    @ca.pem4@", []string{}},
		"key":           {head + "data:\n  tls.key: |\n    @key.pem4@", []string{"configmap-private-key 6:5 data.tls.key"}},
		"base64 in it":  {head + "data:\n  ca.crt: @ca@\n", []string{"base64-of-pem 5:11 data.ca.crt"}},
		"binaryData":    {head + "binaryData:\n  ca.crt: @ca@\n", []string{}},
		"too large":     {head + "data:\n  ca.crt: |\n    @ca.pem4@  x: " + strings.Repeat("y", 1<<20) + "\n", []string{"configmap-too-large 2:1 data"}},
		"keys together": {head + "data:\n  both.pem: |\n    @key.pem4@    @crt.pem4@", []string{"configmap-private-key 6:5 data.both.pem", "key-among-certificates 6:5 data.both.pem"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read("c.yaml", []byte(fill(tt.text, p)), format.Options{})
			require.NoError(t, err)
			require.Len(t, units, 1)
			assert.Equal(t, KindConfigMap, units[0].Kind)
			assert.ElementsMatch(t, tt.want, places(units))
		})
	}
}

func TestClusterHosts(t *testing.T) {
	tests := map[string]struct {
		names []string
		ns    string
		want  []string
	}{
		"in its namespace":     {[]string{"DNS:a.infra.svc", "DNS:a.infra.svc.cluster.local"}, "infra", []string{"DNS:a.infra.svc", "DNS:a.infra.svc.cluster.local"}},
		"in another":           {[]string{"DNS:a.prod.svc.cluster.local"}, "infra", []string{"DNS:a.infra.svc.cluster.local"}},
		"in both":              {[]string{"DNS:a.prod.svc", "DNS:a.infra.svc"}, "infra", []string{"DNS:a.infra.svc"}},
		"public":               {[]string{"DNS:reg.example.com", "IP:10.0.0.1"}, "infra", nil},
		"wildcard":             {[]string{"DNS:*.infra.svc.cluster.local"}, "infra", nil},
		"headless, pod behind": {[]string{"DNS:p-0.a.prod.svc"}, "infra", []string{"DNS:p-0.a.infra.svc"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := fill(strings.Replace(goodSecret, "infra", tt.ns, 1), makePEMs(tt.names...))
			units, err := Read("s.yaml", []byte(text), format.Options{})
			require.NoError(t, err)
			var got []string
			for _, h := range units[0].Hosts {
				got = append(got, h.Name.String())
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// kubectl takes a file that begins with a brace for JSON; we read more.
func TestManifestIsNoJSON(t *testing.T) {
	const secret = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"infra"},"type":"kubernetes.io/tls","data":{"tls.crt":"@crt@","tls.key":"@key@","ca.crt":"@ca@"}}`
	tests := map[string]struct {
		name, text string
		want       []string
	}{
		"JSON":              {"s.json", secret, []string{}},
		"two objects":       {"s.json", secret + "\n" + `{"kind":"ConfigMap"}` + "\n", []string{}},
		"comma at the end":  {"s.json", strings.Replace(secret, "}}", ",}}", 1), []string{"json-invalid"}},
		"standard input":    {"-", strings.Replace(secret, "}}", ",}}", 1), []string{"json-invalid"}},
		"YAML by its name":  {"s.yaml", strings.Replace(secret, "}}", ",}}", 1), []string{}},
		"no quotation mark": {"s.json", strings.Replace(secret, `"v1"`, "v1", 1), []string{"json-invalid"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read(tt.name, []byte(fill(tt.text, registry())), format.Options{})
			require.NoError(t, err)
			assert.Equal(t, tt.want, rulesOf(units))
			if len(tt.want) > 0 {
				assert.Equal(t, strings.TrimSuffix("jq . "+plainFile(tt.name), " "), units[0].Material.Notes[0].Fix)
			}
		})
	}
}

// What an issuer signs with is no server's certificate.
func TestSecretOfIssuer(t *testing.T) {
	p := registry()
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: ca-key-pair, namespace: infra}\ntype: kubernetes.io/tls\ndata: {tls.crt: @ca@, tls.key: " + b64(p.caKey) + "}\n"
	const issuer = "---\napiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: ca}\nspec: {ca: {secretName: ca-key-pair}}\n"
	tests := map[string]struct {
		text          string
		certs, anchor int
	}{
		"alone":        {secret, 1, 0},
		"with issuer":  {secret + issuer, 0, 1},
		"issuer first": {issuer + "---\n" + secret, 0, 1},
		"other issuer": {secret + strings.Replace(issuer, "ca-key-pair", "other", 1), 1, 0},
		"Istio":        {strings.NewReplacer("kubernetes.io/tls", "Opaque", "tls.crt", "ca-cert.pem", "tls.key: ", "cert-chain.pem: @ca@, ca-key.pem: ").Replace(secret), 0, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read("s.yaml", []byte(fill(tt.text, p)), format.Options{})
			require.NoError(t, err)
			require.Len(t, units, 1)
			assert.Empty(t, places(units))
			assert.Len(t, units[0].Material.Certs, tt.certs)
			assert.Len(t, units[0].Material.Anchors, tt.anchor)
			assert.Len(t, units[0].Material.Keys, 1)
		})
	}
}

// A command that makes the Secret anew makes this one.
func TestSecretFix(t *testing.T) {
	for text, want := range map[string]string{
		strings.Replace(goodSecret, "  ca.crt: @ca@\n", "", 1):                            "kubectl create secret generic registry-tls --type=kubernetes.io/tls --from-file=tls.crt --from-file=tls.key --from-file=ca.crt -n infra --dry-run=client -o yaml",
		strings.NewReplacer("@key@", "''", "registry-tls", "other").Replace(goodSecret):   "kubectl create secret generic other --type=kubernetes.io/tls --from-file=tls.crt --from-file=tls.key --from-file=ca.crt -n infra --dry-run=client -o yaml",
		strings.NewReplacer("@key@", "''", "registry-tls", "'$(id)'").Replace(goodSecret): "",
	} {
		units, err := Read("s.yaml", []byte(fill(text, registry())), format.Options{})
		require.NoError(t, err)
		require.Len(t, units, 1)
		require.Len(t, units[0].Material.Notes, 1)
		assert.Equal(t, want, units[0].Material.Notes[0].Fix)
	}
}
