//go:build unix

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heap writes n certificates into one file, and each into one of its own.
func heap(t *testing.T, dir string, n int) (bundle, tree string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	bundle, tree = filepath.Join(dir, fmt.Sprintf("bundle-%d.pem", n)), filepath.Join(dir, fmt.Sprintf("tree-%d", n))
	var all bytes.Buffer
	for i := range n {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(int64(i) + 1<<62), DNSNames: []string{fmt.Sprintf("reg%d.example.com", i)},
			NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
		require.NoError(t, err)
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		all.Write(block)
		folder := filepath.Join(tree, fmt.Sprint(i/500))
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.pem", i)), block, 0o600))
	}
	require.NoError(t, os.WriteFile(bundle, all.Bytes(), 0o600))
	return bundle, tree
}

// TestLintHeap: in a large bundle and in a tree, each certificate is found in
// its place, and the memory does not grow with their number.
func TestLintHeap(t *testing.T) {
	dir := t.TempDir()
	const n = 12_000 // as a bundle, above what is read at once
	bundle, tree := heap(t, dir, n)
	lint := func(args ...string) (out string, memory int64) {
		got := crpki(t, dir, append([]string{"lint", "--at", "2026-11-21"}, args...)...)
		require.Equal(t, exitBad, got.code, got.stderr)
		return got.stdout, got.memory
	}

	out, memory := lint(bundle, "-o", "json")
	var report struct {
		Targets []struct {
			Certificates int
			Findings     []struct {
				Rule   string
				Origin struct{ Index, Line int }
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Targets, 1)
	assert.Equal(t, n, report.Targets[0].Certificates)
	lines := bytes.Count(must(os.ReadFile(bundle)), []byte("\n"))
	expired := 0
	for _, f := range report.Targets[0].Findings {
		if f.Rule == "expired" {
			expired++
			assert.Equal(t, expired, f.Origin.Index)
			assert.InDelta(t, (f.Origin.Index-1)*lines/n+1, f.Origin.Line, float64(n), "its line")
		}
	}
	assert.Equal(t, n, expired)
	t.Logf("a bundle of %d certificates as JSON: %d MiB", n, memory>>20)

	// What Linux tells of a process begins with what its parent had.
	least := crpki(t, dir, "version").memory
	for _, what := range []string{bundle, tree} {
		out, memory := lint(what)
		assert.Equal(t, n, strings.Count(out, "  expired\n"))
		assert.Less(t, memory, max(least+16<<20, 64<<20), "%s: memory", what)
		t.Logf("%s: %d MiB", filepath.Base(what), memory>>20)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
