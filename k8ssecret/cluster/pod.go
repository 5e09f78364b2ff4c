package cluster

import (
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// serviceAccountDir is where a pod finds the files of its service account.
const serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// pod is where a pod has its service account (client-go, rest.InClusterConfig
// and inClusterClientConfig).
type pod struct{ dir string }

func (p pod) file(name string) string { return filepath.Join(p.dir, name) }

func (p pod) exists() bool {
	info, err := os.Stat(p.file("token"))
	return os.Getenv("KUBERNETES_SERVICE_HOST") != "" && os.Getenv("KUBERNETES_SERVICE_PORT") != "" && err == nil && !info.IsDir()
}

func (p pod) access() (access, error) {
	token, err := readFile(p.file("token"))
	if err != nil {
		return access{}, err
	}
	a := access{
		host:      "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")),
		namespace: p.namespace(), identity: identity{token: string(token), tokenFile: p.file("token")},
	}
	// Without a CA that can be read, those of the system count.
	if data, err := readFile(p.file("ca.crt")); err == nil && areCertificates(data) {
		a.caFile = p.file("ca.crt")
	}
	return a, nil
}

func (p pod) namespace() string {
	if name := os.Getenv("POD_NAMESPACE"); name != "" {
		return name
	}
	data, _ := readFile(p.file("namespace"))
	if name := strings.TrimSpace(string(data)); name != "" {
		return name
	}
	return "default"
}

// areCertificates: PEM with at least one certificate, and none that is broken
// (client-go, util/cert/pem.go, ParseCertsPEM).
func areCertificates(data []byte) (some bool) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return some
		}
		if block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return false
		}
		some = true
	}
}
