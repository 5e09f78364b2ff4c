package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/fixtures/cluster"
	"github.com/crpki/crpki/k8ssecret/preflight"
)

// preflightLab is a real API server and a folder with certificates.
type preflightLab struct {
	*cluster.Server
	dir        string
	kubeconfig string
}

// labTime is when the certificates of the lab are made and judged.
var labTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// crpki runs a command in the lab's folder.
func (l *preflightLab) crpki(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &talk, width: 100, getenv: func(string) string { return "" }, now: labTime}
	for i, arg := range args { // what names a file is in the folder
		if strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".json") || strings.HasPrefix(arg, "certs") || strings.HasSuffix(arg, ".txt") {
			args[i] = filepath.Join(l.dir, arg)
		}
	}
	code = run(context.Background(), append([]string{"crpki"}, args...), e)
	return code, out.String(), talk.String()
}

func (l *preflightLab) ok(t *testing.T, args ...string) {
	t.Helper()
	code, out, talk := l.crpki(t, args...)
	require.Equal(t, exitOK, code, "%v\n%s%s", args, out, talk)
}

func (l *preflightLab) file(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600))
}

// delete takes an object away again.
func (l *preflightLab) delete(t *testing.T, path string) {
	t.Helper()
	status, answer, err := l.Do(t.Context(), http.MethodDelete, path, "", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", answer)
}

// preflight runs the checks and gives them by ID.
func (l *preflightLab) preflight(t *testing.T, args ...string) (code int, checks map[string]preflight.Check, all string) {
	t.Helper()
	code, out, talk := l.crpki(t, append(args, "--kubeconfig", l.kubeconfig, "-o", "json")...)
	var r preflightReport
	require.NoError(t, json.Unmarshal([]byte(out), &r), "%s%s", out, talk)
	checks = map[string]preflight.Check{}
	for _, c := range r.Checks {
		checks[c.ID] = c
	}
	return code, checks, out + talk
}

const (
	labPassword = "hunter2-no-one-may-see-this"
	labString   = "ConnectedRegistryName=edge01;SyncTokenName=edge01;SyncTokenPassword=" + labPassword + "==;ParentGatewayEndpoint=acme.westeurope.data.azurecr.io;ParentEndpointProtocol=https"
)

func newPreflightLab(t *testing.T) *preflightLab {
	l := &preflightLab{Server: cluster.Start(t), dir: t.TempDir()}
	l.kubeconfig = l.Kubeconfig(t, cluster.Admin)
	l.file(t, "connection.txt", labString+"\n")
	l.ok(t, "gen", "--preset", "connected-registry", "--ha", "--ip", "10.96.0.50", "--out-dir", "certs")
	l.ok(t, "gen", "--ip", "10.96.0.51", "--out-dir", "certs-other")
	l.Create(t, "/apis/storage.k8s.io/v1/storageclasses", "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: disk, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: disk.csi.azure.com}")
	l.Create(t, "/apis/storage.k8s.io/v1/storageclasses", "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: files}, provisioner: file.csi.azure.com}")
	l.Create(t, "/apis/storage.k8s.io/v1/storageclasses", "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: strange}, provisioner: example.com/strange}")
	return l
}

// values writes a values file for a mode.
func (l *preflightLab) values(t *testing.T, args ...string) {
	t.Helper()
	l.ok(t, append([]string{"values", "--for", "connected-registry", "--connection-string-file", "connection.txt", "--out", "values.yaml", "--force"}, args...)...)
}

func TestPreflightInARealCluster(t *testing.T) {
	l := newPreflightLab(t)
	want := func(t *testing.T, checks map[string]preflight.Check, id string, v preflight.Verdict, says string) {
		t.Helper()
		assert.Equal(t, v, checks[id].Verdict, "%s: %s", id, checks[id].Message)
		assert.Contains(t, checks[id].Message, says, id)
		if v == preflight.Fail || v == preflight.Warn {
			assert.NotEmpty(t, checks[id].Fix, id)
		}
	}

	t.Run("all is well", func(t *testing.T) {
		l.values(t, "--from", "certs", "--cluster-ip", "10.96.0.50")
		code, checks, all := l.preflight(t, "preflight", "values.yaml")
		assert.Equal(t, exitOK, code, all)
		want(t, checks, "namespace", preflight.Pass, "not there yet")
		want(t, checks, "cluster-ip-range", preflight.Pass, "10.96.0.0/16 (ServiceCIDR kubernetes)")
		want(t, checks, "cluster-ip-free", preflight.Pass, "is free")
		want(t, checks, "cluster-ip-band", preflight.Pass, "between 10.96.0.1 and 10.96.1.0")
		want(t, checks, "certificate", preflight.Pass, "IP:10.96.0.50")
		want(t, checks, "service-names", preflight.Pass, "connected-registry.connected-registry.svc.cluster.local")
		want(t, checks, "storage-class", preflight.Pass, "disk is the default")
		want(t, checks, "connection-string", preflight.Pass, "registry edge01")
		assert.NotContains(t, all, labPassword)
		assert.NotContains(t, all, "LS0t")
	})

	t.Run("the address", func(t *testing.T) {
		l.Create(t, "/api/v1/namespaces/default/services", "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.60, ports: [{port: 80}]}}")
		for ip, wants := range map[string][3]string{
			"192.100.100.1": {"cluster-ip-range", "fail", "192.100.100.1 is not in 10.96.0.0/16"}, // the guide's own example
			"10.96.0.0":     {"cluster-ip-range", "fail", "the first or the last address"},
			"10.96.255.255": {"cluster-ip-range", "fail", "the first or the last address"},
			"10.96.0.60":    {"cluster-ip-free", "fail", "taken by the Service default/web"},
			"10.96.0.1":     {"cluster-ip-free", "fail", "taken by the Service default/kubernetes"},
			"10.96.1.1":     {"cluster-ip-band", "warn", "above 10.96.1.0"},
			"10.96.1.0":     {"cluster-ip-band", "pass", "between"},
			"fd00::50":      {"cluster-ip-range", "fail", "is not in 10.96.0.0/16"},
		} {
			l.values(t, "--cluster-ip", ip)
			_, checks, _ := l.preflight(t, "preflight", "values.yaml")
			want(t, checks, wants[0], preflight.Verdict(wants[1]), wants[2])
			// The API server says the same when the Service is made. (A dry run
			// would not do: with it 1.34 passes over addresses that are taken.)
			manifest := fmt.Sprintf("{apiVersion: v1, kind: Service, metadata: {name: trial}, spec: {clusterIP: %q, ports: [{port: 80}]}}", ip)
			status, answer, err := l.Do(t.Context(), http.MethodPost, "/api/v1/namespaces/default/services", "application/yaml", []byte(manifest))
			require.NoError(t, err)
			refused := checks["cluster-ip-range"].Verdict == preflight.Fail || checks["cluster-ip-free"].Verdict == preflight.Fail
			assert.Equal(t, refused, status != http.StatusCreated, "%s: %s", ip, answer)
			if status == http.StatusCreated {
				l.delete(t, "/api/v1/namespaces/default/services/trial")
			}
		}
	})

	t.Run("the certificate of another address", func(t *testing.T) {
		l.values(t, "--from", "certs-other", "--cluster-ip", "10.96.0.50")
		code, checks, _ := l.preflight(t, "preflight", "values.yaml")
		assert.Equal(t, exitBad, code)
		want(t, checks, "values", preflight.Fail, "san-ip-missing")
		want(t, checks, "certificate", preflight.Fail, "does not name IP:10.96.0.50 (service.clusterIP)")
		want(t, checks, "service-names", preflight.Warn, "connected-registry.connected-registry.svc.cluster.local")
	})

	t.Run("the Secret", func(t *testing.T) {
		l.values(t, "--secret", "reg-tls", "--cluster-ip", "10.96.0.50")
		_, checks, _ := l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "namespace", preflight.Fail, "the Secret reg-tls has to be in it before")
		want(t, checks, "secret", preflight.Fail, "is not there")
		l.Namespace(t, "connected-registry")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "namespace", preflight.Pass, "is there")
		want(t, checks, "secret", preflight.Fail, "is not there")

		const path = "/api/v1/namespaces/connected-registry/secrets"
		read := func(name string) string { return labBase64(t, filepath.Join(l.dir, name)) }
		secret := func(typ, crt, key, ca string) string {
			return fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: reg-tls}, type: %s, data: {tls.crt: %q, tls.key: %q, ca.crt: %q}}", typ, crt, key, ca)
		}
		for name, c := range map[string]struct {
			manifest string
			verdict  preflight.Verdict
			says     string
		}{
			"right":               {secret("kubernetes.io/tls", read("certs/tls.crt"), read("certs/tls.key"), read("certs/ca.crt")), preflight.Pass, "names all that clients dial"},
			"Opaque":              {secret("Opaque", read("certs/tls.crt"), read("certs/tls.key"), read("certs/ca.crt")), preflight.Fail, "of the type Opaque"},
			"no CA":               {secret("kubernetes.io/tls", read("certs/tls.crt"), read("certs/tls.key"), ""), preflight.Fail, "lacks ca.crt"},
			"the key of another":  {secret("kubernetes.io/tls", read("certs/tls.crt"), read("certs-other/tls.key"), read("certs/ca.crt")), preflight.Fail, "key-mismatch"},
			"of another address":  {secret("kubernetes.io/tls", read("certs-other/tls.crt"), read("certs-other/tls.key"), read("certs-other/ca.crt")), preflight.Fail, "10.96.0.50"},
			"the leaf for the CA": {secret("kubernetes.io/tls", read("certs/tls.crt"), read("certs/tls.key"), read("certs/tls.crt")), preflight.Fail, "ca-is-leaf"},
			"not a certificate":   {secret("kubernetes.io/tls", "aGVsbG8=", read("certs/tls.key"), read("certs/ca.crt")), preflight.Fail, "tls.crt"},
		} {
			l.Create(t, path, c.manifest)
			_, checks, all := l.preflight(t, "preflight", "values.yaml")
			assert.Equal(t, c.verdict, checks["secret"].Verdict, "%s: %s", name, checks["secret"].Message)
			assert.Contains(t, checks["secret"].Message, c.says, name)
			assert.NotContains(t, all, read("certs/tls.key")[40:80], name)
			l.delete(t, path+"/reg-tls")
		}
	})

	t.Run("the release's own Service", func(t *testing.T) {
		const path = "/api/v1/namespaces/connected-registry/services"
		l.values(t, "--from", "certs", "--cluster-ip", "10.96.0.50")
		l.Create(t, path, "{apiVersion: v1, kind: Service, metadata: {name: connected-registry}, spec: {clusterIP: 10.96.0.50, ports: [{port: 443}]}}")
		_, checks, _ := l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "cluster-ip-free", preflight.Pass, "the release's own")
		l.delete(t, path+"/connected-registry")

		l.Create(t, path, "{apiVersion: v1, kind: Service, metadata: {name: connected-registry}, spec: {clusterIP: 10.96.0.70, ports: [{port: 443}]}}")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "cluster-ip-free", preflight.Fail, "has 10.96.0.70, and the address of a Service cannot change")
		l.delete(t, path+"/connected-registry")

		l.Create(t, path, "{apiVersion: v1, kind: Service, metadata: {name: other, annotations: {meta.helm.sh/release-name: connected-registry}}, spec: {ports: [{port: 443}]}}")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "service-names", preflight.Warn, "other.connected-registry.svc.cluster.local")
		l.delete(t, path+"/other")
	})

	t.Run("storage for replicas", func(t *testing.T) {
		for class, c := range map[string]struct {
			verdict preflight.Verdict
			says    string
		}{
			"disk":    {preflight.Fail, "ReadWriteOnce"},
			"files":   {preflight.Pass, "can be ReadWriteMany"},
			"strange": {preflight.Warn, "is not known here"},
		} {
			l.values(t, "--from", "certs", "--cluster-ip", "10.96.0.50", "--replicas", "3", "--storage-class", class)
			_, checks, _ := l.preflight(t, "preflight", "values.yaml")
			want(t, checks, "storage-access", c.verdict, c.says)
			want(t, checks, "storage-class", preflight.Pass, class)
			want(t, checks, "certificate", preflight.Pass, "rstorage")
		}
		l.Create(t, "/api/v1/persistentvolumes", "{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {storageClassName: strange, accessModes: [ReadWriteMany], capacity: {storage: 1Gi}, hostPath: {path: /x}}}")
		_, checks, _ := l.preflight(t, "preflight", "values.yaml", "--set", "pvc.storageClassName=strange")
		want(t, checks, "storage-access", preflight.Pass, "has made volumes")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml", "--set", "pvc.storageClassName=nowhere")
		want(t, checks, "storage-class", preflight.Fail, "there is no storage class nowhere; there is disk, files, strange")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml", "--set", "pvc.storageRequest=250GB")
		want(t, checks, "storage-class", preflight.Fail, "no quantity")
		l.delete(t, "/apis/storage.k8s.io/v1/storageclasses/disk")
		l.values(t, "--from", "certs", "--cluster-ip", "10.96.0.50")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "storage-class", preflight.Fail, "no default storage class")
	})

	t.Run("the extension's settings", func(t *testing.T) {
		l.ok(t, "values", "--for", "arc", "--from", "certs", "--cluster-ip", "10.96.0.50", "--connection-string-file", "connection.txt", "--storage-class", "files", "--out", "settings.json")
		args := []string{
			"preflight", "settings.json", "--az-config", "cert-manager.enabled=false", "--az-config", "cert-manager.install=false",
			"--az-config", "pvc.storageClassName=files", "--az-config", "service.clusterIP=10.96.0.50",
		}
		code, checks, all := l.preflight(t, args...)
		assert.Equal(t, exitOK, code, all)
		want(t, checks, "certificate", preflight.Pass, "IP:10.96.0.50")
		args[1] = "settings.json"
		code, checks, _ = l.preflight(t, args[:len(args)-2]...)
		assert.Equal(t, exitBad, code)
		want(t, checks, "cluster-ip-range", preflight.Fail, "is not set")
	})

	t.Run("cert-manager", func(t *testing.T) {
		l.values(t, "--cluster-ip", "10.96.0.50", "--mode", "cert-manager", "--storage-class", "files")
		_, checks, _ := l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "cert-manager", preflight.Fail, "the cluster has no cert-manager")
		l.values(t, "--cluster-ip", "10.96.0.50", "--mode", "default", "--storage-class", "files")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "cert-manager", preflight.Pass, "the chart brings it")

		l.certManager(t, "cert-manager", "cert-manager")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "cert-manager", preflight.Fail, "the release cert-manager in cert-manager has brought it")
		code, checks, all := l.preflight(t, "preflight", "values.yaml", "--set", "cert-manager.install=false")
		want(t, checks, "cert-manager", preflight.Pass, "the cluster has it")
		want(t, checks, "cert-manager-ready", preflight.Warn, "no Deployment")
		assert.Equal(t, exitOK, code, all)
		l.certManagerDeployment(t, 0)
		_, checks, _ = l.preflight(t, "preflight", "values.yaml", "--set", "cert-manager.install=false")
		want(t, checks, "cert-manager-ready", preflight.Fail, "has no pod that is ready")
		l.certManagerDeployment(t, 1)
		_, checks, _ = l.preflight(t, "preflight", "values.yaml", "--set", "cert-manager.install=false")
		want(t, checks, "cert-manager-ready", preflight.Pass, "cert-manager/cert-manager runs")
	})

	t.Run("a namespace that is being deleted", func(t *testing.T) {
		l.Namespace(t, "going")
		l.values(t, "--cluster-ip", "10.96.0.50", "--mode", "default", "--storage-class", "files")
		l.delete(t, "/api/v1/namespaces/going") // stays Terminating: no controller finishes it
		_, checks, _ := l.preflight(t, "preflight", "values.yaml", "-n", "going")
		want(t, checks, "namespace", preflight.Fail, "is being deleted")
		want(t, checks, "names", preflight.Warn, "connected-registry only")
	})

	t.Run("who may see nothing is told what to ask for, and nothing passes by that", func(t *testing.T) {
		l.values(t, "--secret", "reg-tls", "--cluster-ip", "10.96.0.50", "--storage-class", "files")
		admin := l.kubeconfig
		defer func() { l.kubeconfig = admin }()
		l.kubeconfig = l.Kubeconfig(t, cluster.Nobody)
		code, checks, _ := l.preflight(t, "preflight", "values.yaml")
		assert.Equal(t, exitBad, code)
		for id, permission := range map[string]string{
			"namespace":        `get namespaces "connected-registry"`,
			"cluster-ip-range": "list servicecidrs.networking.k8s.io",
			"cluster-ip-free":  "list services in all namespaces",
			"secret":           `get secrets "reg-tls" in the namespace "connected-registry"`,
			"storage-class":    `get storageclasses.storage.k8s.io "files"`,
		} {
			want(t, checks, id, preflight.Unknown, "not permitted to")
			assert.Contains(t, checks[id].Permissions, permission, id)
		}
		code, _, all := l.preflight(t, "preflight", "values.yaml", "--disable", "namespace", "--disable", "cluster-ip-range", "--disable", "cluster-ip-free",
			"--disable", "cluster-ip-band", "--disable", "secret", "--disable", "storage-class")
		assert.Equal(t, exitOK, code, all)

		// With nothing but the right to make a Service in the namespace, the API
		// server itself says whether it takes the address.
		l.Allow(t, "services", "connected-registry", "", "services", "create")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "cluster-ip-range", preflight.Pass, "the API server says so")
		want(t, checks, "cluster-ip-free", preflight.Unknown, "not permitted to list services in all namespaces")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml", "--set", "service.clusterIP=192.100.100.1")
		want(t, checks, "cluster-ip-range", preflight.Fail, "10.96.0.0/16")
		var made struct {
			Items []struct{ Metadata struct{ Name string } }
		}
		l.Read(t, "/api/v1/namespaces/connected-registry/services", &made)
		assert.Empty(t, made.Items, "preflight changes nothing")
	})

	t.Run("who may see the addresses, and not the Services", func(t *testing.T) {
		l.values(t, "--cluster-ip", "10.96.0.50", "--mode", "default", "--storage-class", "files")
		admin := l.kubeconfig
		defer func() { l.kubeconfig = admin }()
		l.kubeconfig = l.Kubeconfig(t, cluster.Nobody)
		l.Allow(t, "addresses", "", "networking.k8s.io", "servicecidrs, ipaddresses", "get, list")
		_, checks, _ := l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "cluster-ip-range", preflight.Pass, "ServiceCIDR kubernetes")
		want(t, checks, "cluster-ip-free", preflight.Unknown, "whether the release has a Service with another address")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml", "--set", "service.clusterIP=10.96.0.60")
		want(t, checks, "cluster-ip-free", preflight.Fail, "taken by the Service default/web")
		l.delete(t, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/addresses")
	})

	t.Run("older clusters have no ServiceCIDR", func(t *testing.T) {
		l.values(t, "--cluster-ip", "10.96.0.50", "--mode", "default", "--storage-class", "files")
		admin := l.kubeconfig
		defer func() { l.kubeconfig = admin }()
		l.kubeconfig = l.Kubeconfig(t, cluster.Nobody) // who may not list them
		l.Allow(t, "old", "", "", "services, configmaps, pods", "get, list")
		l.Create(t, "/api/v1/namespaces/kube-system/pods", "{apiVersion: v1, kind: Pod, metadata: {name: kube-apiserver-x, labels: {component: kube-apiserver}}, spec: {containers: [{name: x, image: x, command: [kube-apiserver, --service-cluster-ip-range=10.96.0.0/20]}]}}")
		_, checks, _ := l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "cluster-ip-range", preflight.Pass, "10.96.0.0/20 (the flags of kube-apiserver)")
		want(t, checks, "cluster-ip-free", preflight.Pass, "is free")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml", "--set", "service.clusterIP=10.96.0.60")
		want(t, checks, "cluster-ip-free", preflight.Fail, "taken by the Service default/web")
		l.Create(t, "/api/v1/namespaces/kube-system/configmaps", "{apiVersion: v1, kind: ConfigMap, metadata: {name: kubeadm-config}, data: {ClusterConfiguration: \"networking:\\n  dnsDomain: cluster.local\\n  serviceSubnet: 10.96.0.0/18\\n\"}}")
		_, checks, _ = l.preflight(t, "preflight", "values.yaml")
		want(t, checks, "cluster-ip-range", preflight.Pass, "10.96.0.0/18 (kubeadm-config)")
	})

	t.Run("the examples of help", func(t *testing.T) {
		l.values(t, "--from", "certs", "--cluster-ip", "10.96.0.50", "--storage-class", "files")
		l.ok(t, "values", "--for", "arc", "--from", "certs", "--connection-string-file", "connection.txt", "--out", "protected-settings-extension.json")
		for _, line := range newPage(newApp(testEnv()), []*cli.Command{preflightCommand(testEnv())}).example {
			args, _, _ := strings.Cut(line, " > ")
			fields := strings.Fields(args)
			if fields[0] != "crpki" {
				continue
			}
			code, out, talk := l.crpki(t, append(fields[1:], "--kubeconfig", l.kubeconfig)...)
			assert.Contains(t, []int{exitOK, exitBad}, code, "%s\n%s%s", line, out, talk)
			assert.Contains(t, out, "cluster-ip-range", line)
		}
	})

	t.Run("formats", func(t *testing.T) {
		l.values(t, "--cluster-ip", "192.100.100.1", "--mode", "default", "--storage-class", "files")
		code, out, _ := l.crpki(t, "preflight", "values.yaml", "--kubeconfig", l.kubeconfig, "-o", "junit")
		assert.Equal(t, exitBad, code)
		var suite preflightSuite
		require.NoError(t, xml.Unmarshal([]byte(out), &suite))
		assert.Len(t, suite.Cases, len(preflight.Checks()))
		assert.Equal(t, len(suite.Cases), suite.Tests)
		assert.Positive(t, suite.Failures)
		_, out, _ = l.crpki(t, "preflight", "values.yaml", "--kubeconfig", l.kubeconfig)
		assert.Contains(t, out, "FAIL")
		assert.Contains(t, out, "fix: ")
		assert.NotContains(t, out, labPassword)
	})

	t.Run("a cluster that is gone", func(t *testing.T) {
		l.Kill()
		code, checks, all := l.preflight(t, "preflight", "values.yaml", "--request-timeout", "3s")
		assert.Equal(t, exitConnect, code, all)
		want(t, checks, "connection-string", preflight.Pass, "well-formed")
		assert.NotContains(t, checks, "secret", "nothing is said about what was not seen")
	})
}

// The band that preflight advises is the one that a real API server leaves alone
// when it chooses addresses itself.
func TestPreflightBandInARealCluster(t *testing.T) {
	l := &preflightLab{Server: cluster.Start(t, "--service-cluster-ip-range", "10.97.0.0/26"), dir: t.TempDir()}
	l.kubeconfig = l.Kubeconfig(t, cluster.Admin)
	l.file(t, "connection.txt", labString)
	l.values(t, "--mode", "default", "--cluster-ip", "10.97.0.16")
	_, checks, _ := l.preflight(t, "preflight", "values.yaml")
	assert.Equal(t, preflight.Pass, checks["cluster-ip-band"].Verdict, checks["cluster-ip-band"].Message)
	_, checks, _ = l.preflight(t, "preflight", "values.yaml", "--set", "service.clusterIP=10.97.0.17")
	assert.Equal(t, preflight.Warn, checks["cluster-ip-band"].Verdict, checks["cluster-ip-band"].Message)
	for i := range 30 {
		name := fmt.Sprintf("auto-%d", i)
		l.Create(t, "/api/v1/namespaces/default/services", "{apiVersion: v1, kind: Service, metadata: {name: "+name+"}, spec: {ports: [{port: 80}]}}")
		var s struct {
			Spec struct{ ClusterIP netip.Addr }
		}
		l.Read(t, "/api/v1/namespaces/default/services/"+name, &s)
		assert.Positive(t, s.Spec.ClusterIP.Compare(netip.MustParseAddr("10.97.0.16")), "%s got %s by itself", name, s.Spec.ClusterIP)
	}
}

func labBase64(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	encoded, err := json.Marshal(data)
	require.NoError(t, err)
	return strings.Trim(string(encoded), `"`)
}

// certManager makes the CRD that cert-manager brings.
func (l *preflightLab) certManager(t *testing.T, release, namespace string) {
	t.Helper()
	l.Create(t, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fmt.Sprintf(`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition,
metadata: {name: certificates.cert-manager.io, annotations: {meta.helm.sh/release-name: %s, meta.helm.sh/release-namespace: %s}},
spec: {group: cert-manager.io, scope: Namespaced, names: {plural: certificates, singular: certificate, kind: Certificate, listKind: CertificateList},
versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`, release, namespace))
	require.Eventually(t, func() bool {
		status, _, err := l.Do(t.Context(), http.MethodGet, "/apis/cert-manager.io/v1", "", nil)
		return err == nil && status == http.StatusOK
	}, 20*time.Second, 100*time.Millisecond, "the API server serves the CRD")
}

// certManagerDeployment makes its controller, with so many pods that are ready.
func (l *preflightLab) certManagerDeployment(t *testing.T, ready int) {
	t.Helper()
	const path = "/apis/apps/v1/namespaces/cert-manager/deployments"
	if ready == 0 {
		l.Namespace(t, "cert-manager")
		l.Create(t, path, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, labels: {app.kubernetes.io/name: cert-manager}},
spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: {containers: [{name: x, image: x}]}}}}`)
		return
	}
	status, answer, err := l.Do(t.Context(), http.MethodPatch, path+"/cert-manager/status", "application/merge-patch+json",
		fmt.Appendf(nil, `{"status":{"replicas":%d,"readyReplicas":%d}}`, ready, ready))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", answer)
}
