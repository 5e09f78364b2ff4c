package k8ssecret

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/format"
)

const secretHead = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: registry-tls\n  namespace: infra\n"

func TestRepairManifests(t *testing.T) {
	p := registry()
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for _, c := range []struct {
		name, file, text, want string
		rules                  []string
	}{
		{"nothing to mend", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n  ca.crt: @ca@\n", "", nil},
		{
			"no type", "s.yaml", secretHead + "# the data\ndata: # here\n  tls.crt: @crt@\n  tls.key: @key@\n",
			secretHead + "# the data\ntype: kubernetes.io/tls\ndata: # here\n  tls.crt: @crt@\n  tls.key: @key@\n",
			[]string{"secret-type-missing"},
		},
		{
			"type under metadata", "s.yaml", strings.Replace(secretHead, "  name", "  type: kubernetes.io/tls # for the pod\n  name", 1) + "data:\n  tls.crt: @crt@\n  tls.key: @key@\n",
			secretHead + "type: kubernetes.io/tls # for the pod\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n",
			[]string{"secret-type-misplaced"},
		},
		{
			"type misspelt, quoted", "s.yaml", secretHead + "type: \"kubernetes.io/tsl\"\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n",
			secretHead + "type: \"kubernetes.io/tls\"\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n",
			[]string{"secret-type-wrong"},
		},
		{
			"Opaque", "s.yaml", secretHead + "type: Opaque\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n",
			secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n",
			[]string{"secret-type-wrong"},
		},
		{
			"base64 of base64", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: '@crt2@' # ours\n  tls.key: \"@key2@\"\n",
			secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: '@crt@' # ours\n  tls.key: \"@key@\"\n",
			[]string{"base64-nested", "base64-nested"},
		},
		{
			"PEM in data", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: | # PEM\n    @crt.pem4@  tls.key: |-\n    @key.pem4@  # end\n",
			secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@ # PEM\n  tls.key: @keytrim@\n  # end\n",
			[]string{"base64-missing", "base64-missing"},
		},
		{
			"base64 in stringData", "s.yaml", secretHead + "type: kubernetes.io/tls\nstringData:\n  tls.crt: @crt@\n  tls.key: |\n    @key.pem4@",
			secretHead + "type: kubernetes.io/tls\nstringData:\n  tls.crt: |\n    @crt.pem4@  tls.key: |\n    @key.pem4@",
			[]string{"base64-of-pem"},
		},
		{
			"wrapped", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: |\n" + wrap(b64(p.crt), "    ") + "  tls.key: @key@\n",
			secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n",
			[]string{"base64-line-wrapped"},
		},
		{
			"wrapped by folding", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt:\n" + wrap(b64(p.crt), "    ") + "  tls.key: @key@\n",
			secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt:\n    @crt@\n  tls.key: @key@\n",
			[]string{"base64-line-wrapped"},
		},
		{
			"the root after the leaf, and in ca.crt", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @chain@\n  tls.key: @key@\n  ca.crt: @ca@\n",
			secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n  ca.crt: @ca@\n",
			[]string{"chain-root-included"},
		},
		{"the root after the leaf, and nowhere else", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @chain@\n  tls.key: @key@\n", "", nil},
		{
			"base64 of DER", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: " + b64(string(der(p.crt))) + "\n  tls.key: " + b64(string(der(p.key))) + "\n",
			secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n",
			[]string{"base64-of-der", "base64-of-der"},
		},
		{
			"a keystore is meant to be no PEM", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n  key.der: " + b64(string(der(p.key))) + "\n",
			"", nil,
		},
		{
			"Windows line ends in a value", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: " + b64(crlf(p.crt)) + "\n  tls.key: @key@\n",
			secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n",
			[]string{"pem-crlf"},
		},
		{
			"Windows line ends of the file", "s.yaml", crlf(secretHead + "data:\n  tls.crt: @crt@\n  tls.key: @key@\n"),
			crlf(secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n"),
			[]string{"secret-type-missing"},
		},
		{
			"JSON", "s.json", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","namespace":"n","type":"kubernetes.io/tls"},"data":{"tls.crt":"@crt2@","tls.key":"@key@"}}`,
			`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","namespace":"n"},"type": "kubernetes.io/tls", "data":{"tls.crt":"@crt@","tls.key":"@key@"}}`,
			[]string{"secret-type-misplaced", "base64-nested"},
		},
		{
			"JSON with stringData", "s.json", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","namespace":"n"},"type":"kubernetes.io/tls","stringData":{"tls.crt":"@crt@","tls.key":"@key.json@"}}`,
			`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","namespace":"n"},"type":"kubernetes.io/tls","stringData":{"tls.crt":"@crt.json@","tls.key":"@key.json@"}}`,
			[]string{"base64-of-pem"},
		},
		{
			"one of several documents", "s.yaml", "kind: Service\nmetadata:\n  name: x\n---\n" + secretHead + "data:\n  tls.crt: @crt@\n  tls.key: @key@\n---\nkind: Service\n",
			"kind: Service\nmetadata:\n  name: x\n---\n" + secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n---\nkind: Service\n",
			[]string{"secret-type-missing"},
		},
		{
			"a list", "s.yaml", "kind: List\nitems:\n- data:\n    tls.crt: @crt2@\n    tls.key: @key@\n  kind: Secret\n  metadata: {name: x, namespace: n}\n",
			"kind: List\nitems:\n- type: kubernetes.io/tls\n  data:\n    tls.crt: @crt@\n    tls.key: @key@\n  kind: Secret\n  metadata: {name: x, namespace: n}\n",
			[]string{"secret-type-missing", "base64-nested"},
		},
		{
			"values of the chart", "values.yaml", "# ours\nservice:\n  clusterIP: 10.96.0.50\ntls:\n  crt: |\n    @crt.pem4@  key: @key2@\n  cacrt: |\n" + wrap(b64(p.ca), "    ") + "cert-manager: {enabled: false, install: false}\n",
			"# ours\nservice:\n  clusterIP: 10.96.0.50\ntls:\n  crt: @crt@\n  key: @key@\n  cacrt: @ca@\ncert-manager: {enabled: false, install: false}\n",
			[]string{"base64-missing", "base64-nested", "base64-line-wrapped"},
		},
		{
			"settings", "protected-settings.json", "{\n  \"connectionString\": \"x\",\n  \"tls.crt\": \"@crt.json@\",\n  \"tls.key\": \"@key@\",\n  \"tls.cacrt\": \"@ca@\"\n}\n",
			"{\n  \"connectionString\": \"x\",\n  \"tls.crt\": \"@crt@\",\n  \"tls.key\": \"@key@\",\n  \"tls.cacrt\": \"@ca@\"\n}\n",
			[]string{"base64-missing"},
		},
		{
			".env", ".env", "# ours\nPASSWORD=x\nTLS_CRT=\"@crt2@\" # twice\nexport TLS_KEY=@key2@ # too\nCA_CRT=@ca@\n",
			"# ours\nPASSWORD=x\nTLS_CRT=\"@crt@\" # twice\nexport TLS_KEY=@key@ # too\nCA_CRT=@ca@\n",
			[]string{"base64-nested", "base64-nested"},
		},
		{
			"a ConfigMap", "c.yaml", "kind: ConfigMap\nmetadata:\n  name: ca\ndata:\n  ca.crt: @ca@\n  note: hello\n",
			"kind: ConfigMap\nmetadata:\n  name: ca\ndata:\n  ca.crt: |\n    @ca.pem4@  note: hello\n",
			[]string{"base64-of-pem"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			put := func(s string) string {
				return fill(strings.ReplaceAll(s, "@keytrim@", b64(strings.TrimRight(p.key, "\n"))), p)
			}
			r, err := Repair(c.file, []byte(put(c.text)))
			require.NoError(t, err)
			if c.want == "" {
				c.want = c.text
			}
			require.Equal(t, put(c.want), string(r.After), "%v", r.Left)
			var rules []string
			for _, n := range r.Fixed {
				rules = append(rules, n.Rule)
			}
			slices.Sort(rules)
			slices.Sort(c.rules)
			assert.Equal(t, c.rules, rules)
			again, err := Repair(c.file, r.After)
			require.NoError(t, err)
			assert.False(t, again.Changed())
		})
	}
}

// der is the content of the first block.
func der(text string) []byte {
	b, _ := pem.Decode([]byte(text))
	return b.Bytes
}

// Whatever is done to a Secret, its repair is one that the API server takes:
// strict base64 of PEM, and a key that fits.
func TestRepairedSecretsAreWhatTheAPIServerTakes(t *testing.T) {
	p := registry()
	values := func(pem string, stringData bool) []string {
		enc := b64(pem)
		if stringData {
			return []string{enc, "'" + enc + "'", ">-\n" + wrap(enc, "      "), "|\n" + indent(pem, "      ") + "      ", "|-\n" + indent(pem, "      "), `"` + strings.ReplaceAll(pem, "\n", `\n`) + `"`, `"` + strings.ReplaceAll(pem, "\n", `\r\n`) + `"`, b64(enc)}
		}
		return []string{
			enc, `"` + b64(enc) + `"`, "|\n" + wrap(enc, "      "), ">\n" + wrap(b64(enc), "      "), "\n" + wrap(enc, "      "), "|2\n" + indent(pem, "    "),
			b64(string(der(pem))), `"` + strings.ReplaceAll(pem, "\n", `\n`) + `"`, b64("\ufeff" + pem), b64(pem + pem),
		}
	}
	for _, section := range []string{"data", "stringData"} {
		text := section == "stringData"
		for i, crt := range values(p.crt, text) {
			for j, key := range values(p.key, text) {
				manifest := secretHead + section + ":\n  tls.crt: " + strings.TrimRight(crt, "\n") + "\n  tls.key: " + strings.TrimRight(key, "\n") + "\n"
				r, err := Repair("s.yaml", []byte(manifest))
				require.NoError(t, err)
				if strings.Contains(crt+key, b64(p.key+p.key)) { // two keys are not ours to choose from
					continue
				}
				var s struct {
					Type       string            `yaml:"type"`
					Data       map[string]string `yaml:"data"`
					StringData map[string]string `yaml:"stringData"`
				}
				require.NoError(t, yaml.Unmarshal(r.After, &s), "%s", r.After)
				for name, value := range s.Data {
					decoded, err := base64.StdEncoding.DecodeString(value)
					require.NoError(t, err)
					s.Data[name] = string(decoded)
				}
				if text {
					s.Data = s.StringData
				}
				_, err = tls.X509KeyPair([]byte(s.Data["tls.crt"]), []byte(s.Data["tls.key"]))
				require.NoErrorf(t, err, "%s %d %d\n%s\n%s", section, i, j, manifest, r.After)
				require.Equal(t, "kubernetes.io/tls", s.Type)
			}
		}
	}
}

func TestRepairLeavesWhatItCannotMend(t *testing.T) {
	p := registry()
	for _, c := range []struct{ name, file, text, left string }{
		{"a template", "s.yaml", secretHead + "data:\n  tls.crt: {{ .Values.crt | b64enc }}\n  tls.key: {{ .Values.key }}\n", ""},
		{"a variable", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: $CRT\n  tls.key: @key@\n", ""},
		{"broken base64", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: !!!!\n  tls.key: @key@\n", ""},
		{"an alias", "s.yaml", "x: &crt @crt2@\n" + secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: *crt\n  tls.key: @key@\n", "data.tls.crt: it is an alias"},
		{"a certificate cut off", "s.yaml", secretHead + "type: kubernetes.io/tls\ndata:\n  tls.crt: " + b64(p.crt[:200]) + "\n  tls.key: @key@\n", "data.tls.crt: line 1: "},
		{"not a manifest", "x.yaml", "a: 1\n", ""},
		{"type alone in metadata", "s.yaml", "kind: Secret\nmetadata:\n  type: kubernetes.io/tls\ndata:\n  tls.crt: @crt@\n  tls.key: @key@\n", "metadata.type: it stands there alone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := fill(c.text, p)
			r, err := Repair(c.file, []byte(text))
			require.NoError(t, err)
			assert.Equal(t, text, string(r.After))
			assert.False(t, r.Changed())
			assert.Contains(t, strings.Join(r.Left, "\n"), c.left)
		})
	}
}

func TestSpansHideWhatIsSecret(t *testing.T) {
	p := registry()
	for _, c := range []struct {
		name, file, text string
		shown, hidden    []string
	}{
		{
			"Secret", "s.yaml", secretHead + "data:\n  tls.crt: @crt@\n  tls.key: @key@\n  password: aHVudGVyMg==\nstringData:\n  token: hunter2\n",
			[]string{"registry-tls", b64(p.crt)},
			[]string{"aHVudGVyMg==", "hunter2", b64(p.key)[:60]},
		},
		{
			"values", "values.yaml", "connectionString: SyncTokenPassword=hunter2\nservice: {clusterIP: 10.96.0.50}\ntls: {crt: @crt@, key: @key@}\n",
			[]string{"10.96.0.50", b64(p.crt)},
			[]string{"hunter2", b64(p.key)[:60]},
		},
		{".env", ".env", "DB=hunter2\nTLS_CRT=@crt@\nTLS_KEY=@key@\n", []string{"DB=", b64(p.crt)}, []string{"hunter2", b64(p.key)[:60]}},
		{"ConfigMap", "c.yaml", "kind: ConfigMap\ndata:\n  ca.crt: |\n    @ca.pem4@  ca.key: |\n    @cakey.pem4@", []string{strings.Split(p.ca, "\n")[1]}, []string{strings.Split(p.caKey, "\n")[1]}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := fill(c.text, p)
			shown := []byte(text)
			for _, s := range slices.Backward(Spans(c.file, shown)) {
				if s.Secret {
					shown = slices.Delete(shown, s.Start, s.End)
				}
			}
			for _, want := range c.shown {
				assert.Contains(t, string(shown), want)
			}
			for _, secret := range c.hidden {
				assert.NotContains(t, string(shown), secret)
			}
		})
	}
}

// Repair never panics and never loses a certificate or a key, and what it
// writes is in order.
func FuzzRepair(f *testing.F) {
	p := registry()
	for _, text := range []string{
		secretHead + "data:\n  tls.crt: @crt2@\n  tls.key: |\n    @key.pem4@  ca.crt: >-\n    @ca@\n",
		strings.Replace(secretHead, "  name", "  type: kubernetes.io/tls\n  name", 1) + "stringData: {tls.crt: @crt@, tls.key: \"@key.json@\"}\n",
		"tls:\n  crt: @crt2@\n  key: @key@\n  cacrt: \"@ca@\"\n",
		"TLS_CRT='" + p.crt + "'\nTLS_KEY=@key2@\n",
	} {
		for _, file := range []string{"s.yaml", "s.json", ".env"} {
			f.Add(file, []byte(fill(text, p)))
		}
	}
	f.Fuzz(func(t *testing.T, file string, data []byte) {
		r, err := Repair(file, data)
		Spans(file, data)
		if err != nil || !r.Changed() {
			if string(r.After) != string(data) {
				t.Fatal("the text changed without a word")
			}
			return
		}
		again, err := Repair(file, r.After)
		if err != nil || again.Changed() {
			t.Fatalf("a second repair changes more: %v %v", err, again.Fixed)
		}
		keys := func(data []byte) (n int) {
			units, _ := Read(file, data, format.Options{})
			for _, u := range units {
				n += len(u.Material.Keys)
			}
			return n
		}
		if keys(data) > 0 && keys(r.After) == 0 {
			t.Fatal("a key is lost")
		}
	})
}
