package k8ssecret

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/format"
)

// The faults that documents about registries have are all found, and each in
// its place.
func TestBrokenDocument(t *testing.T) {
	data, err := os.ReadFile("testdata/broken.md")
	require.NoError(t, err)
	require.Equal(t, KindScript, Sniff("broken.md", data))
	units, err := Read("broken.md", data, format.Options{})
	require.NoError(t, err)
	require.Len(t, units, 1)
	assert.Equal(t, []string{
		"script-backslash-blank 33:45",
		"script-duplicate-addext 36:11",
		"san-namespace-typo 36:28",
		"script-base64-wrapped 42:8",
		"secret-type-misplaced 54:3 metadata.type",
		"ca-crt-is-tls-crt 56:11 data.ca.crt",
		"values-cluster-ip-missing 64:1 service.clusterIP",
		"script-backslash-blank 69:43",
		"script-backslash-blank 71:38",
		"script-unclosed-quote 72:34",
		"script-variable-typo 77:75",
		"json-unquoted-variable 86:15 tls.crt",
		"typographic-quotes 87:18 tls.secret",
		"values-secret-and-cert 87:18 tls.secret",
		"typographic-quotes 97:34",
		"script-backslash-missing 99:4",
	}, places(units))
}

func TestScriptNotes(t *testing.T) {
	const req = "openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=reg "
	const chart = " connected-registry oci://mcr.microsoft.com/acr/connected-registry/chart "
	const apply = "cat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  namespace: infra\ntype: kubernetes.io/tls\ndata:\n  tls.crt: $TLS_CRT\n  tls.key: $TLS_KEY\n  ca.crt: $CA_CRT\nEOF\n"
	tests := map[string]struct {
		text string
		want []string
	}{
		"certificate":            {req + "-addext \"subjectAltName=IP:10.0.0.1,DNS:reg.infra.svc\"\n", []string{}},
		"two extensions":         {req + "-addext subjectAltName=IP:10.0.0.1 -addext 'extendedKeyUsage = serverAuth'\n", []string{}},
		"CA":                     {"openssl req -x509 -newkey rsa:2048 -keyout ca.key -out ca.crt -subj '/CN=My Root CA'\n", []string{}},
		"CA by constraint":       {req + "-addext basicConstraints=critical,CA:TRUE\n", []string{}},
		"names in a file":        {"openssl x509 -req -in a.csr -CA ca.crt -CAkey ca.key -extfile <(echo subjectAltName=DNS:a) -out a.crt\n", []string{}},
		"looking":                {"openssl x509 -in tls.crt -noout -text\n", []string{}},
		"request":                {"openssl req -new -key k.pem -out c.csr -subj /CN=reg\n", []string{}},
		"Secret":                 {apply, []string{}},
		"Secret to a file":       {"TLS_CRT=$(base64 -w0 < tls.crt)\nTLS_KEY=$(cat tls.key | base64 | tr -d '\\n')\n" + strings.Replace(apply, "| kubectl apply -f -", "> s.yaml", 1), []string{}},
		"helm":                   {"helm install" + chart + "-f values.yaml --set cert-manager.enabled=false\n", []string{}},
		"another chart":          {"helm install x bitnami/nginx --set-string tls.enabled=true,tls.crt=x --namespace a\n", []string{}},
		"continued":              {req + "\\\n  -addext subjectAltName=IP:10.0.0.1\n", []string{}},
		"continued, CR LF":       {req + "\\\r\n  -addext subjectAltName=IP:10.0.0.1\r\n", []string{}},
		"prose about typography": {"# “openssl”\necho “done”\nopenssl x509 -noout -in tls.crt\n", []string{}},
		"numbered variables":     {"SERVER1=a\nSERVER2=b\nopenssl x509 -noout -in tls.crt $SERVER3\n", []string{}},
		"names of CAs":           {"openssl req -new -x509 -key root-ca.key -out root.pem\n", []string{}},
		"namespace first":        {"kubectl create namespace infra\n" + apply + "helm install -n infra --create-namespace --set service.clusterIP=10.0.0.1,tls.secret=a,cert-manager.enabled=false,cert-manager.install=false" + chart + "\n", []string{}},
		"PEM of a script":        {"kubectl create secret tls a -n infra --cert=tls.crt --key=tls.key\n", []string{}},

		"ANSI-C quotes":                      {"echo $'don\\'t'\nopenssl x509 -noout -in tls.crt\n", []string{}},
		"continued in PowerShell":            {"openssl req -x509 -keyout tls.key -out tls.crt `\n  -addext subjectAltName=DNS:a.example.com\n", []string{}},
		"one open quote, many substitutions": {"helm list\nopenssl req " + strings.Repeat("\"$(\\\n", 100), []string{"script-unclosed-quote 2:13"}},

		"elided":                     {"openssl req -x509 … -out tls.crt\nhelm install" + chart + "... --set cert-manager.enabled=false,cert-manager.install=false\n", []string{}},
		"cert-manager's certificate": {req + "-addext subjectAltName=DNS:a.b\nhelm install" + chart + "--set service.clusterIP=10.0.0.1\n", []string{}},
		"namespace of the registry":  {req + "-addext subjectAltName=DNS:reg.conected-registry.svc.cluster.local\n", []string{"san-namespace-typo 1:105"}},

		"no names":                 {req + "\n# registry\n", []string{"script-san-missing 1:9"}},
		"names dropped":            {"openssl x509 -req -in a.csr -CA ca.crt -CAkey ca.key -out tls.crt\n", []string{"script-san-missing 1:9"}},
		"repeated":                 {req + "-addext subjectAltName=IP:10.0.0.1 -addext subjectAltName=DNS:a.b\n", []string{"script-duplicate-addext 1:125"}},
		"repeated with blanks":     {req + "-addext 'subjectAltName = IP:10.0.0.1' -addext \"subjectAltName=DNS:a.b\"\n", []string{"script-duplicate-addext 1:129"}},
		"address as DNS":           {req + "-addext subjectAltName=DNS:10.0.0.1\n", []string{"san-ip-as-dns 1:105"}},
		"host as IP":               {req + "-addext subjectAltName=IP:reg.local\n", []string{"san-dns-as-ip 1:105"}},
		"port, URL, twice":         {req + "-addext subjectAltName=DNS:a.b:5000,DNS:https://a.b,DNS:a.b,DNS:a.b\n", []string{"san-port 1:105", "san-url 1:118", "san-duplicate-name 1:142"}},
		"cluster domain":           {req + "-addext subjectAltName=DNS:a.infra.svc.cluser.local\n", []string{"san-cluster-name-typo 1:105"}},
		"namespace":                {"NS=infra\n" + req + "-addext subjectAltName=DNS:reg.inffra.svc\nkubectl get pods -n $NS\n", []string{"san-namespace-typo 2:105"}},
		"backslash, blank":         {req + "\\ \n  -addext subjectAltName=IP:10.0.0.1\n", []string{"script-backslash-blank 1:82"}},
		"no backslash":             {"helm upgrade" + chart + "\n  --set service.clusterIP=10.0.0.1\n", []string{"script-backslash-missing 2:3"}},
		"base64 wrapped":           {"TLS_CRT=`base64 tls.crt`\nhelm list\n", []string{"script-base64-wrapped 1:1"}},
		"openssl base64":           {"TLS_CRT=$(openssl base64 -in tls.crt)\n", []string{"script-base64-wrapped 1:1"}},
		"quote":                    {"helm install --set tls.secret=a\" x y\n", []string{"script-unclosed-quote 1:32"}},
		"no namespace":             {strings.Replace(apply, "  namespace: infra\n", "", 1), []string{"secret-namespace-missing 3:1"}},
		"namespace of kubectl":     {strings.NewReplacer("  namespace: infra\n", "", "apply", "apply -n infra").Replace(apply), []string{}},
		"type under metadata":      {strings.Replace(apply, "type:", "  type:", 1), []string{"secret-type-misplaced 7:3 metadata.type"}},
		"CA is the certificate":    {strings.Replace(apply, "$CA_CRT", "$TLS_CRT", 1), []string{"ca-crt-is-tls-crt 11:11 data.ca.crt"}},
		"literal":                  {strings.Replace(apply, "<<EOF", "<<'EOF'", 1), []string{"script-heredoc-literal 3:1"}},
		"tabs":                     {strings.Replace(apply, "  name:", "\tname:", 1), []string{"script-manifest-invalid 5:1"}},
		"namespace too late":       {"helm repo update\n" + apply + "helm install -n infra --create-namespace --set service.clusterIP=10.0.0.1,tls.secret=a,cert-manager.enabled=false,cert-manager.install=false" + chart + "\n", []string{"script-namespace-too-late 14:1"}},
		"another namespace":        {apply + "helm install -n other --set service.clusterIP=10.0.0.1,tls.secret=a,cert-manager.enabled=false,cert-manager.install=false" + chart + "\n", []string{"secret-namespace-wrong 3:1"}},
		"created without -n":       {"kubectl create secret tls a --cert=tls.crt --key=tls.key\n", []string{"secret-namespace-missing 1:9"}},
		"booleans":                 {"helm install" + chart + "--set-string cert-manager.enabled=false,cert-manager.install=false --set tls.secret=a,service.clusterIP=10.0.0.1\n", []string{"values-bool-as-string 1:99 cert-manager.enabled", "values-bool-as-string 1:99 cert-manager.install"}},
		"escaped dot":              {"helm install" + chart + "--set service.clusterIP=10.0.0.1 --set 'tls\\.crt=$A' --set-file tls.key=k.b64,tls.cacrt=c.b64 --set cert-manager.enabled=false,cert-manager.install=false\n", []string{"values-flat-key 1:125 tls.crt"}},
		"key as argument":          {"helm install" + chart + "--set service.clusterIP=10.0.0.1,tls.crt=$A,tls.cacrt=$C,cert-manager.enabled=false,cert-manager.install=false,tls.key=$B\n", []string{"script-key-on-command-line 1:92 tls.key"}},
		"address not in names":     {req + "-addext subjectAltName=IP:10.0.0.2\nhelm install" + chart + "--set service.clusterIP=10.0.0.1,tls.secret=a,cert-manager.enabled=false,cert-manager.install=false\n", []string{"values-cluster-ip-not-in-san 2:92 service.clusterIP"}},
		"az":                       {"az k8s-extension create --extension-type Microsoft.ContainerRegistry.ConnectedRegistry --config cert-manager.enabled=false cert-manager.install=true service.clusterIP=10.96 --config-protected-file f.json\n", []string{"values-cert-manager-combination 1:97 cert-manager.enabled", "values-cluster-ip-invalid 1:150 service.clusterIP"}},
		"settings in the script":   {"helm version # tls.crt\ncat > s.json <<EOF\n{\"connectionString\": \"$CS\", \"tls.crt\": $TLS_CRT}\nEOF\n", []string{"json-unquoted-variable 3:40 tls.crt"}},
		"values in the script":     {"helm version # tls.crt\ncat > v.yaml <<EOF\ntls.crt: $TLS_CRT\ntls.key: $TLS_KEY\ncert-manager: {enabled: false, install: false}\nEOF\n", []string{"values-flat-key 3:1 tls.crt", "values-flat-key 4:1 tls.key", "values-ca-missing 3:10 tls.crt"}},
		"only words that are ours": {"make openssl TLS_=1\n", []string{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read("x.sh", []byte(tt.text), format.Options{})
			require.NoError(t, err)
			assert.ElementsMatch(t, tt.want, places(units))
		})
	}
}

// In a transcript, what has no prompt is output.
func TestTranscript(t *testing.T) {
	const req = "$ openssl req -x509 -keyout tls.key -out tls.crt -subj /CN=a"
	tests := map[string]struct {
		text string
		want []string
	}{
		"output":        {req + " -addext subjectAltName=DNS:a.b\nIt's done, don't worry about \"quotes\nopenssl req -x509\n", []string{}},
		"continued":     {req + " \\\n  -addext subjectAltName=DNS:a.b\nIt's done\n", []string{}},
		"several lines": {"$ kubectl apply -f - <<EOF\n# it's\nEOF\nIt's done\n" + req + " -passin 'pass:a\nb' -addext subjectAltName=DNS:10.0.0.1\n", []string{"san-ip-as-dns 7:27"}},
		"a fault":       {"Don't\n" + req + "\n", []string{"script-san-missing 3:11"}},
		"open quote":    {req + " -addext subjectAltName=DNS:a.b -days \"9\nfine\n$ helm list\n", []string{"script-unclosed-quote 2:99"}},
		"no prompts":    {strings.TrimPrefix(req, "$ ") + " -addext subjectAltName=DNS:a.b -days \"9\n", []string{"script-unclosed-quote 2:97"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			units, err := Read("x.md", []byte("```console\n"+tt.text+"```\n"), format.Options{})
			require.NoError(t, err)
			assert.Equal(t, tt.want, places(units))
		})
	}
}

// What an example leaves out may be there.
func TestElidedExamples(t *testing.T) {
	for name, text := range map[string]string{
		"values":      "```yaml\ntls:\n  crt: <base64 of the certificate>\n  key: <base64 of the key>\n  cacrt: ...\n```\n",
		"Secret":      "```yaml\nkind: Secret\ntype: kubernetes.io/tls\ndata:\n  tls.crt: …\n```\n",
		"Certificate": "```yaml\napiVersion: cert-manager.io/v1\nkind: Certificate\nspec:\n  # …\n  dnsNames: [a.b]\n```\n",
		"commands":    "```sh\nopenssl req -x509 -out tls.crt\n# ...\n```\n",
	} {
		t.Run(name, func(t *testing.T) {
			units, err := Read("x.md", []byte("openssl x509, tls.crt\n\n"+text), format.Options{})
			require.NoError(t, err)
			require.NotEmpty(t, units)
			assert.Empty(t, places(units))
			units, err = Read("x.md", []byte("openssl x509, tls.crt\n\n"+strings.NewReplacer("…", "", "...", "").Replace(text)), format.Options{})
			require.NoError(t, err)
			assert.NotEmpty(t, places(units), "without the ellipsis something is missing")
		})
	}
}

func TestScriptFix(t *testing.T) {
	for text, want := range map[string]string{
		"TLS_KEY=$(cat certs/tls.key | base64)\n": "TLS_KEY=$(base64 -w0 certs/tls.key)",
		"kubectl create secret tls a -n x --cert=tls.crt --key=tls.key\nhelm upgrade connected-registry x -n y --set tls.secret=a\n": "kubectl create secret generic a --type=kubernetes.io/tls --from-file=tls.crt --from-file=tls.key --from-file=ca.crt -n y --dry-run=client -o yaml",
		"TLS_CRT=`base64 \"$DIR/tls.crt\"`\n": "TLS_CRT=$(base64 -w0 tls.crt)",
	} {
		units, err := Read("x.sh", []byte("# helm install\n"+text), format.Options{})
		require.NoError(t, err)
		require.Len(t, units, 1)
		require.Len(t, units[0].Material.Notes, 1)
		assert.Equal(t, want, units[0].Material.Notes[0].Fix)
	}
}
