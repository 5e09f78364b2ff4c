//go:build unix

package main

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSecretAndValuesTakeTheSameFiles: who has read how one of them finds
// certificate, key and CA knows it of the other.
func TestSecretAndValuesTakeTheSameFiles(t *testing.T) {
	dir := goodFiles(t)
	var all []byte
	file := map[string][]byte{}
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		data, err := os.ReadFile(dir + "/certs/" + name)
		require.NoError(t, err)
		file[name] = data
		all = append(all, data...)
	}
	require.NoError(t, os.MkdirAll(dir+"/named", 0o755))
	for name, data := range map[string][]byte{"all.pem": all, "named/reg.crt": file["tls.crt"], "named/reg.key": file["tls.key"], "named/ca.crt": file["ca.crt"], "alone.crt": file["tls.crt"]} {
		require.NoError(t, os.WriteFile(dir+"/"+name, data, 0o600))
	}
	for _, use := range []string{
		"--from certs", "--from all.pem", "--from named", "--cert all.pem", "--cert certs/tls.crt", "--cert named/reg.crt",
		"--cert alone.crt --key certs/tls.key --ca certs/ca.crt",
		"--cert alone.crt --from certs",
		"--from certs --ca named/ca.crt",
	} {
		var secret struct{ Data map[string]string }
		require.NoError(t, yaml.Unmarshal([]byte(mustRun(t, dir, append([]string{"secret", "x"}, strings.Fields(use)...)...).stdout), &secret), use)
		var values struct{ TLS map[string]string }
		require.NoError(t, yaml.Unmarshal([]byte(mustRun(t, dir, append([]string{"values", "--for", "helm", "--out", "-"}, strings.Fields(use)...)...).stdout), &values), use)
		for name, key := range map[string]string{"tls.crt": "crt", "tls.key": "key", "ca.crt": "cacrt"} {
			want := base64.StdEncoding.EncodeToString(file[name])
			assert.Equal(t, want, secret.Data[name], "%s of secret %s", name, use)
			assert.Equal(t, want, values.TLS[key], "%s of values %s", name, use)
		}
	}
	for _, use := range []string{"--from .", "--cert alone.crt", "--from nowhere", "--key certs/tls.key"} {
		secret := crpki(t, dir, append([]string{"secret", "x"}, strings.Fields(use)...)...)
		values := crpki(t, dir, append([]string{"values", "--for", "helm"}, strings.Fields(use)...)...)
		assert.Equal(t, exitUsage, secret.code, use)
		assert.Equal(t, exitUsage, values.code, use)
	}
}
