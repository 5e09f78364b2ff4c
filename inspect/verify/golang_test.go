package verify

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestGo119: the matrix of servers holds these words against programs that were
// built with Go 1.19; here they are, one by one.
func TestGo119(t *testing.T) {
	for now, then := range map[string]string{
		"": "",
		"tls: failed to verify certificate: x509: certificate signed by unknown authority":                                  "x509: certificate signed by unknown authority",
		`tls: failed to parse certificate from server: x509: certificate contains duplicate extension with OID "2.5.29.17"`: "tls: failed to parse certificate from server: x509: certificate contains duplicate extensions",
		"tls: failed to verify certificate: x509: cannot verify signature: insecure algorithm ECDSA-SHA1":                   "x509: cannot verify signature: insecure algorithm ECDSA-SHA1 (temporarily override with GODEBUG=x509sha1=1)",
		"tls: failed to verify certificate: x509: cannot verify signature: insecure algorithm MD5-RSA":                      "x509: cannot verify signature: insecure algorithm MD5-RSA",
		"remote error: tls: handshake failure": "remote error: tls: handshake failure",
	} {
		assert.Equal(t, then, Go119(now))
	}
}
