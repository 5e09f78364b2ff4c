package format

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// RFC 2268 section 5, the vectors whose effective length is that of the key.
func TestRC2Vectors(t *testing.T) {
	for _, v := range []struct{ key, plain, sealed string }{
		{"ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49"},
		{"3000000000000000", "1000000000000001", "30649edf9be7d2c2"},
		{"88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"},
	} {
		key, err := hex.DecodeString(v.key)
		require.NoError(t, err)
		plain, err := hex.DecodeString(v.plain)
		require.NoError(t, err)
		c, err := newRC2(key)
		require.NoError(t, err)
		out := make([]byte, 8)
		c.Encrypt(out, plain)
		assert.Equal(t, v.sealed, hex.EncodeToString(out))
		c.Decrypt(out, out)
		assert.Equal(t, plain, out)
	}
}
