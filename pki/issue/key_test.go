package issue_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

func TestKeyTypes(t *testing.T) {
	described := map[issue.KeyType]string{
		issue.ECDSAP256: "ECDSA P-256", issue.ECDSAP384: "ECDSA P-384",
		issue.RSA2048: "RSA 2048", issue.RSA3072: "RSA 3072", issue.RSA4096: "RSA 4096", issue.Ed25519: "Ed25519",
	}
	assert.Len(t, issue.KeyTypes(), len(described))
	assert.Equal(t, issue.ECDSAP256, issue.KeyTypes()[0], "the default comes first")
	for _, kind := range issue.KeyTypes() {
		t.Run(string(kind), func(t *testing.T) {
			key := newKey(t, kind)
			assert.Equal(t, described[kind], pki.DescribePublicKey(key.Public()))
			assert.NoError(t, issue.CheckKey(key.Public()))
			got, ok := issue.KeyTypeOf(key.Public())
			assert.True(t, ok)
			assert.Equal(t, kind, got)
			parsed, err := issue.ParseKeyType(string(kind))
			assert.NoError(t, err)
			assert.Equal(t, kind, parsed)
			assert.Equal(t, kind == issue.Ed25519, kind.Warning() != "", "only ed25519 has those who cannot use it")
		})
	}
}

func TestParseKeyType(t *testing.T) {
	kind, err := issue.ParseKeyType("")
	require.NoError(t, err)
	assert.Equal(t, issue.ECDSAP256, kind)
	kind, err = issue.ParseKeyType(" RSA-4096 ")
	require.NoError(t, err)
	assert.Equal(t, issue.RSA4096, kind)
	_, err = issue.ParseKeyType("rsa-1024")
	assert.EqualError(t, err, `key type "rsa-1024": not one of ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096, ed25519`)
	_, err = issue.NewKey("dsa")
	assert.ErrorContains(t, err, `key type "dsa"`)
}

func TestKeysThatCrpkiDoesNotMake(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), nil)
	require.NoError(t, err)
	assert.ErrorIs(t, issue.CheckKey(p224.Public()), issue.ErrUnusableKey, "Go's TLS refuses the handshake")
	_, ok := issue.KeyTypeOf(p224.Public())
	assert.False(t, ok)

	p521, err := ecdsa.GenerateKey(elliptic.P521(), nil)
	require.NoError(t, err)
	assert.NoError(t, issue.CheckKey(p521.Public()), "a user may bring one")
	_, ok = issue.KeyTypeOf(p521.Public())
	assert.False(t, ok)

	assert.ErrorIs(t, issue.CheckKey(nil), issue.ErrUnusableKey)
	assert.ErrorIs(t, issue.CheckKey("no key"), issue.ErrUnusableKey)
}
