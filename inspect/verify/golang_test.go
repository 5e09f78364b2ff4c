package verify

import (
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// TestGoAsked: what crypto/tls asks beside crypto/x509, and how it hands the host on.
func TestGoAsked(t *testing.T) {
	keys := newMadeKeys(t)
	large, err := asn1.Marshal(struct{ N, E *big.Int }{new(big.Int).SetBit(big.NewInt(1), maxRSABits, 1), big.NewInt(65537)})
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		change func(c [3]*made)
		host   string
		at     time.Time
		want   string
	}{
		"good": {host: "reg.example.com", at: madeAt},
		"a key that is too large": {
			change: func(c [3]*made) {
				c[madeCA].key = seq(seq(oidDER(oidKeyRSA), tlv(5)), tlv(3, []byte{0}, large))
			},
			at: madeAt, want: "tls: server sent certificate containing RSA key larger than 8192 bits",
		},
		"an intermediate that it does not parse": {
			change: func(c [3]*made) { c[madeCA].serial = tlv(2, []byte{0xff}) },
			at:     madeAt, want: "tls: failed to parse certificate from server: x509: negative serial number",
		},
		"an address in brackets": {host: "[10.0.0.1]", at: madeAt},
		"a name in brackets": {
			host: "[reg.example.com]", at: madeAt,
			want: "tls: failed to verify certificate: x509: certificate is valid for reg.example.com, not [reg.example.com]",
		},
		"a dot at the end":  {host: "reg.example.com.", at: madeAt},
		"a mapped address":  {host: "::ffff:10.0.0.1", at: madeAt},
		"the first instant": {want: "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 0001-01-01T00:00:00Z is before 2025-01-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			certs := keys.chain()
			if tt.change != nil {
				tt.change(certs)
			}
			o := asked(certs, tt.host)
			err := Go{Presented: o.Presented, Trusted: o.Trusted, Host: tt.host, At: tt.at}.Verify()
			if tt.want == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, tt.want)
			}
		})
	}
}

// TestTrustedCircle: certificates that trust one another end at the limit of the
// depth, as in OpenSSL, and no later.
func TestTrustedCircle(t *testing.T) {
	keys := newMadeKeys(t)
	certs := keys.chain()
	certs[madeRoot].issuer = commonName("ca") // the root's issuer is the CA, whose issuer is the root
	certs[madeRoot].set(oidAKI, seq())
	o := asked(certs, "")
	o.Trusted = append(o.Trusted, o.Presented[1])
	assertBoth(t, o, CodeCertChainTooLong, "circle")
}
