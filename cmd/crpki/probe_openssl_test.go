package main

import (
	"crypto/tls"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestOpenSSLCipher: names and versions are those of openssl ciphers, for every
// suite that crypto/tls knows and OpenSSL has.
func TestOpenSSLCipher(t *testing.T) {
	out, err := exec.Command("openssl", "ciphers", "-v", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	if err != nil {
		t.Skip("openssl is not installed")
	}
	known := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line) // TLS_… - ECDHE-… TLSv1.2 …
		// s_client says TLSv1.0 where this list has TLSv1.
		known[fields[0]] = []string{fields[2], strings.Replace(fields[3]+"$", "TLSv1$", "TLSv1.0$", 1)}
	}
	seen := 0
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if want := known[s.Name]; want != nil {
			seen++
			own, since := openSSLCipher(s.Name)
			assert.Equal(t, want, []string{own, since + "$"}, s.Name)
		}
	}
	assert.Greater(t, seen, 15)
}
