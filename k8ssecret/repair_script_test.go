package k8ssecret

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/format"
)

// The mistakes of the connected registry's guides (quickstart-connected-registry-ha.md
// of Azure/acr@0b8d85c7; tutorial-connected-registry-arc.md, …-arc-cli.md and
// troubleshoot-connected-registry-arc.md of azure-management-docs@d923d588), each
// as it stands there, and put right.
func TestRepairOfTheGuides(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"a blank behind the backslash": {
			"openssl req -newkey rsa:4096 -nodes -x509 -days 365 \\ \n  -keyout a.key -addext subjectAltName=IP:10.0.0.1\n",
			"openssl req -newkey rsa:4096 -nodes -x509 -days 365 \\\n  -keyout a.key -addext subjectAltName=IP:10.0.0.1\n",
		},
		"two blanks, CRLF": {
			"az k8s-extension create \\  \r\n  --name a\r\n", "az k8s-extension create \\\r\n  --name a\r\n",
		},
		"no backslash": {
			"az k8s-extension create --name a \\\n  --config-protected-file protected-settings-extension.json\n  --auto-upgrade-minor-version false\n",
			"az k8s-extension create --name a \\\n  --config-protected-file protected-settings-extension.json \\\n  --auto-upgrade-minor-version false\n",
		},
		"-addext twice, at the end": {
			"openssl req -x509 \\\n  -keyout a.key \\\n  -addext \"subjectAltName = IP:$CLUSTER_IP\" \\\n  -addext \"subjectAltName = DNS:connected-registry-rstorage.connected-registry.svc.cluster.local\"\n",
			"openssl req -x509 \\\n  -keyout a.key \\\n  -addext \"subjectAltName = IP:$CLUSTER_IP,DNS:connected-registry-rstorage.connected-registry.svc.cluster.local\"\n",
		},
		"-addext twice, in the middle": {
			"openssl req -x509 -addext \"subjectAltName = IP:10.0.0.1\" \\\n  -addext \"subjectAltName = DNS:a.b\" \\\n  -out tls.crt\n",
			"openssl req -x509 -addext \"subjectAltName = IP:10.0.0.1,DNS:a.b\" \\\n  -out tls.crt\n",
		},
		"-addext twice in one line": {
			"openssl req -x509 -addext subjectAltName=IP:10.0.0.1 -addext subjectAltName=DNS:a.b -out tls.crt\n",
			"openssl req -x509 -addext subjectAltName=IP:10.0.0.1,DNS:a.b -out tls.crt\n",
		},
		"-addext three times": {
			"openssl req -x509 -addext subjectAltName=IP:10.0.0.1 -addext subjectAltName=DNS:a.b -addext subjectAltName=DNS:c.d -out tls.crt\n",
			"openssl req -x509 -addext subjectAltName=IP:10.0.0.1,DNS:a.b,DNS:c.d -out tls.crt\n",
		},
		"the namespace misspelt": {
			"openssl req -x509 -addext \"subjectAltName=IP:10.0.0.1,DNS:connected-registry-rstorage.conncted-registry.svc.cluster.local\"\n",
			"openssl req -x509 -addext \"subjectAltName=IP:10.0.0.1,DNS:connected-registry-rstorage.connected-registry.svc.cluster.local\"\n",
		},
		"type below metadata": {
			"cat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  namespace: x\n  type: kubernetes.io/tls\ndata:\n  tls.crt: $A\n  tls.key: $B\nEOF\n",
			"cat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  namespace: x\ntype: kubernetes.io/tls\ndata:\n  tls.crt: $A\n  tls.key: $B\nEOF\n",
		},
		"no namespace": {
			"az k8s-extension create --extension-type Microsoft.ContainerRegistry.ConnectedRegistry --config service.clusterIP=10.0.0.1 --config-protected-file f\ncat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata:\n  name: k8secret\ndata:\n  tls.crt: $A\n  tls.key: $B\n  ca.crt: $C\nEOF\n",
			"az k8s-extension create --extension-type Microsoft.ContainerRegistry.ConnectedRegistry --config service.clusterIP=10.0.0.1 --config-protected-file f\ncat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata:\n  name: k8secret\n  namespace: connected-registry\ndata:\n  tls.crt: $A\n  tls.key: $B\n  ca.crt: $C\nEOF\n",
		},
		"CA_CRT is exported and not used": {
			"export TLS_CRT=$(base64 -w0 a.crt)\nexport CA_CRT=$(base64 -w0 a.crt)\ncat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: a, namespace: x}\ndata:\n  ca.crt: $TLS_CRT\n  tls.crt: $TLS_CRT\n  tls.key: $TLS_KEY\nEOF\n",
			"export TLS_CRT=$(base64 -w0 a.crt)\nexport CA_CRT=$(base64 -w0 a.crt)\ncat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: a, namespace: x}\ndata:\n  ca.crt: $CA_CRT\n  tls.crt: $TLS_CRT\n  tls.key: $TLS_KEY\nEOF\n",
		},
		"the Secret before its namespace": {
			"# helm\ncat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: a, namespace: connected-registry}\ndata: {tls.crt: $A, tls.key: $B, ca.crt: $C}\nEOF\nhelm upgrade --install -n connected-registry --create-namespace --set service.clusterIP=10.0.0.1,tls.secret=a,cert-manager.enabled=false,cert-manager.install=false connected-registry oci://x\n",
			"# helm\nkubectl create namespace connected-registry\ncat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: a, namespace: connected-registry}\ndata: {tls.crt: $A, tls.key: $B, ca.crt: $C}\nEOF\nhelm upgrade --install -n connected-registry --create-namespace --set service.clusterIP=10.0.0.1,tls.secret=a,cert-manager.enabled=false,cert-manager.install=false connected-registry oci://x\n",
		},
		"a stray quotation mark": {
			"helm upgrade --set tls.secret=$SECRET_NAME\" \\\n  x y\n", "helm upgrade --set tls.secret=$SECRET_NAME \\\n  x y\n",
		},
		"a variable misspelt": {
			"CONNECTED_REGISTRY_NAME=a\naz acr connected-registry show --name $CONNECTED_REGSITRY_NAME\nopenssl x509 -noout -in a.crt\n",
			"CONNECTED_REGISTRY_NAME=a\naz acr connected-registry show --name $CONNECTED_REGISTRY_NAME\nopenssl x509 -noout -in a.crt\n",
		},
		"typographic quotes in a command": {
			"az k8s-extension update --config pvc.storageClassName=”standard”\n", "az k8s-extension update --config pvc.storageClassName=\"standard\"\n",
		},
		"typographic quotes in JSON": {
			"cat > s.json <<EOF # helm\n{\"connectionString\": \"$A\", \"tls.secret\": “k8secret”}\nEOF\nhelm list\n",
			"cat > s.json <<EOF # helm\n{\"connectionString\": \"$A\", \"tls.secret\": \"k8secret\"}\nEOF\nhelm list\n",
		},
		"variables in JSON": {
			"helm list\ncat > s.json <<EOF\n{\"connectionString\": \"$A\", \"tls.crt\": $TLS_CRT, \"tls.key\": $TLS_KEY}\nEOF\n",
			"helm list\ncat > s.json <<EOF\n{\"connectionString\": \"$A\", \"tls.crt\": \"$TLS_CRT\", \"tls.key\": \"$TLS_KEY\"}\nEOF\n",
		},
		"base64 over several lines": {
			"export TLS_KEY=$(sudo cat /certs/mycert.key | base64)\nhelm list\n", "export TLS_KEY=$(sudo cat /certs/mycert.key | base64 -w0)\nhelm list\n",
		},
		"tabs in YAML": {
			"kubectl apply -f - <<EOF\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata:\n\tname: a\n\tnamespace: x\ndata:\n\ttls.crt: $A\n\ttls.key: $B\n\tca.crt: $C\nEOF\n",
			"kubectl apply -f - <<EOF\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata:\n  name: a\n  namespace: x\ndata:\n  tls.crt: $A\n  tls.key: $B\n  ca.crt: $C\nEOF\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			named, err := Read("guide.sh", []byte(test.text), format.Options{})
			require.NoError(t, err)
			require.NotEmpty(t, named)
			r, err := Repair("guide.sh", []byte(test.text))
			require.NoError(t, err)
			assert.Equal(t, test.want, string(r.After))
			assert.NotEmpty(t, r.Fixed)
			for _, n := range r.Fixed {
				left, err := Read("guide.sh", r.After, format.Options{})
				require.NoError(t, err)
				for _, u := range left {
					for _, other := range u.Material.Notes {
						assert.NotEqual(t, n.Rule, other.Rule, "it is mended")
					}
				}
			}
			again, err := Repair("guide.sh", r.After)
			require.NoError(t, err)
			assert.Equal(t, test.want, string(again.After), "a second time changes nothing")
		})
	}
}

// What has no one right form stays, and is told.
func TestRepairLeavesScripts(t *testing.T) {
	for name, test := range map[string]struct{ file, text, says string }{
		"JSON in a file":            {"a.md", "openssl x509\n```json\n{\"connectionString\": \"x\", \"tls.crt\": $TLS_CRT}\n```\n", "crpki values --for arc"},
		"no variable for the CA":    {"a.sh", "cat <<EOF | kubectl apply -f -\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: a, namespace: x}\ndata:\n  ca.crt: $TLS_CRT\n  tls.crt: $TLS_CRT\n  tls.key: $K\nEOF\n", "no variable holds the CA"},
		"quotation marks in quotes": {"a.sh", "helm list\ncat > s.json <<EOF\n{\"connectionString\": \"“x”\", \"tls.crt\": \"“LS0t”\"}\nEOF\n", ""},
		"PowerShell":                {"a.ps1", "az k8s-extension create \\ \n --name x\n", ""},
		"different quotation marks": {"a.sh", "openssl req -x509 -addext 'subjectAltName=IP:10.0.0.1' -addext \"subjectAltName=DNS:$A\"\n", ""},
		"a quote that opens a text": {"a.sh", "helm install --set a=\"b c x y\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Repair(test.file, []byte(test.text))
			require.NoError(t, err)
			assert.Equal(t, test.text, string(r.After))
			assert.Contains(t, strings.Join(r.Left, "\n"), test.says)
		})
	}
}

func TestRepairOfADocument(t *testing.T) {
	data, err := os.ReadFile("testdata/broken.md")
	require.NoError(t, err)
	r, err := Repair("broken.md", data)
	require.NoError(t, err)
	units, err := Read("broken.md", r.After, format.Options{})
	require.NoError(t, err)
	var left []string
	for _, n := range units[0].Material.Notes {
		left = append(left, n.Rule)
	}
	assert.Equal(t, []string{"values-cluster-ip-missing", "json-unquoted-variable", "values-secret-and-cert"}, left)
	assert.Len(t, r.Left, 1)
}

// A diff of a script shows no password.
func TestScriptSpans(t *testing.T) {
	const text = "openssl x509 -noout -in a.crt\ndocker login -u a --password hunter2 reg\nexport PASSWORD='hunter2'\ncurl -H \"token: hunter2\"\nPASSWORD=$OTHER\nconnectionString=ConnectedRegistryName=a;SyncTokenPassword=hunter2\n"
	out := text
	spans := Spans("a.sh", []byte(text))
	require.Len(t, spans, 4)
	for i := len(spans) - 1; i >= 0; i-- {
		s := spans[i]
		require.True(t, s.Secret)
		out = out[:s.Start] + out[s.End:]
	}
	assert.NotContains(t, out, "hunter2")
	assert.Contains(t, out, "PASSWORD=$OTHER")
}

// FuzzRepairScript: it comes to an end, a second repair changes nothing more than
// the rounds allow, and no line with material is lost.
func FuzzRepairScript(f *testing.F) {
	data, err := os.ReadFile("testdata/broken.md")
	require.NoError(f, err)
	f.Add("```sh\n" + string(data) + "\n```\n")
	for _, text := range []string{"openssl req -x509 -addext a=b -addext 'subjectAltName=IP:1' -addext subjectAltName=", "helm x \\ \n--set a=“b”\n--set c", "cat <<EOF|kubectl apply -f -\nkind: Secret\nmetadata:\n name: a\n type: kubernetes.io/tls\ndata:\n tls.crt: $A\nEOF\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"a.sh", "a.md"} {
			r := repairScript(name, []byte(text))
			if len(r.Fixed) == 0 && string(r.After) != text {
				t.Fatalf("changed without a word: %q → %q", text, r.After)
			}
			scriptSpans(text)
		}
	})
}
