//go:build unix

package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect/trust"
	"github.com/crpki/crpki/pki"
)

// benchNode is a node with five runtimes and a store of 150 roots as Debian
// keeps it: a bundle, and a link for each.
func benchNode(tb testing.TB) string {
	tb.Helper()
	root := tb.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		require.NoError(tb, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(tb, os.WriteFile(path, []byte(text), 0o644))
	}
	var bundle []byte
	for i := range 150 {
		ca := benchCA(tb, fmt.Sprintf("Root %d", i))
		bundle = append(bundle, ca...)
		write(fmt.Sprintf("usr/share/ca-certificates/mozilla/root%d.crt", i), string(ca))
		require.NoError(tb, os.MkdirAll(filepath.Join(root, "etc/ssl/certs"), 0o755))
		require.NoError(tb, os.Symlink(fmt.Sprintf("/usr/share/ca-certificates/mozilla/root%d.crt", i), filepath.Join(root, fmt.Sprintf("etc/ssl/certs/root%d.pem", i))))
		require.NoError(tb, os.Symlink(fmt.Sprintf("root%d.pem", i), filepath.Join(root, fmt.Sprintf("etc/ssl/certs/%08x.0", i))))
	}
	write("etc/ssl/certs/ca-certificates.crt", string(bundle))
	write("etc/os-release", "ID=debian\n")
	write("etc/docker/daemon.json", "{}")
	write("etc/containerd/config.toml", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n")
	write("etc/containerd/certs.d/reg.example:5000/hosts.toml", "server = \"https://reg.example:5000\"\nca = \"ca.crt\"\n[host.\"https://mirror.example\"]\n")
	own := string(benchCA(tb, "Own"))
	write("etc/containerd/certs.d/reg.example:5000/ca.crt", own)
	write("etc/docker/certs.d/reg.example:5000/ca.crt", own)
	write("etc/containers/certs.d/reg.example:5000/ca.crt", own)
	write("etc/containers/registries.conf", "unqualified-search-registries = [\"docker.io\"]\n")
	write("etc/rancher/k3s/registries.yaml", "configs:\n  reg.example:5000:\n    tls:\n      ca_file: /etc/docker/certs.d/reg.example:5000/ca.crt\n")
	return root
}

// BenchmarkTrustNode opens a node, finds what five runtimes decide, and judges a
// chain by it: at most 15 ms.
func BenchmarkTrustNode(b *testing.B) {
	root := benchNode(b)
	e := testEnv()
	ref, err := trust.ParseReference("reg.example:5000/x")
	require.NoError(b, err)
	wanted := []string{"docker@28.0.1", "containerd@1.7.28", "cri-o@1.34.0", "podman@5.0.0", "k3s@1.30.4+k3s1"}
	chain := []pki.Cert{pki.NewCert(pki.Origin{}, benchDER(b, "Own"))}
	for b.Loop() {
		n, err := e.openRoot(root, trust.NodeOptions{})
		require.NoError(b, err)
		runtimes, err := e.surveyOf(n.Node, root, wanted)
		require.NoError(b, err)
		result := e.check(n, ref, decide(n, runtimes, ref), []trust.Presented{{Chain: chain}}, nil)
		require.GreaterOrEqual(b, len(result.Results), 5)
		n.Close()
	}
}

func benchDER(tb testing.TB, name string) []byte {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(tb, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"reg.example"},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(tb, err)
	return der
}

func benchCA(tb testing.TB, name string) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: benchDER(tb, name)})
}
