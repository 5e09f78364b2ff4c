package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSafeLine: what is shown of a line helps to find it, and holds nothing of a
// key or a password.
func TestSafeLine(t *testing.T) {
	const secret = "MHcCAQEEIG2CKUcZ2wv35RqFLBvxe31EooUPs3cr3t"
	for line, want := range map[string]string{
		"-----BEGIN CERTIFICATE-----":                                                 "-----BEGIN CERTIFICATE-----",
		"  -----END CERTIFICATE-----":                                                 "  -----END CERTIFICATE-----",
		"----BEGIN CERTIFICATE----\r":                                                 "----BEGIN CERTIFICATE----",
		"-----begin certificate-----":                                                 "-----begin certificate-----",
		"—–BEGIN CERTIFICATE—–":                                                       "—–BEGIN CERTIFICATE—–",
		"-----BEGIN EC PRIVATE KEY-----" + secret:                                     "-----BEGIN EC PRIVATE KEY-----…",
		`-----BEGIN PRIVATE KEY-----\n` + secret + `\n-----END`:                       "-----BEGIN PRIVATE KEY-----…",
		`{"connectionString": "` + secret + `", "k": "-----BEGIN CERTIFICATE-----MII`: "… -----BEGIN CERTIFICATE-----…",
		"-----BEGIN PRIVATE KEY " + secret:                                            "",
		"-----BEGIN " + secret + "-----":                                              "",
		secret:                                                                        "",
		secret + "=":                                                                  "",
		"c2VjcmV0==":                                                                  "",
		"ab=":                                                                         "",
		"  tls.key: " + secret:                                                        "  tls.key: …",
		`  "tls.key": "` + secret + `"`:                                               `  "tls.key": …`,
		`{"connectionString": "` + secret + `"}`:                                      `{"connectionString": …`,
		"TLS_KEY=" + secret:                                                           "TLS_KEY= …",
		"tls.key=" + secret:                                                           "tls.key= …",
		"data:":                                                                       "data:",
		`  -addext "subjectAltName=IP:10.0.0.1" \ `:                                   `  -addext "subjectAltName=IP:10.0.0.1" \ `,
		"openssl req -passout pass:" + secret + " -addext x=y":                        "",
		"curl https://user:" + secret + "@host -addext":                               "",
		"": "",
	} {
		got := safeLine(line)
		assert.Equal(t, want, got, line)
		assert.NotContains(t, got, secret, line)
		for i := 0; i+8 <= len(secret); i++ {
			assert.False(t, strings.Contains(got, secret[i:i+8]), "%s: a part of the secret", line)
		}
	}
}
