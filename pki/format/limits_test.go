package format

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
	"software.sslmate.com/src/go-pkcs12"
)

// within runs f, which must not take longer than limit. The limits are far
// above what the work takes, even on a machine that does much else, and far below
// what hostile input asks for.
func within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	assert.Less(t, time.Since(start), limit, "took too long")
}

// encryptedKeyDER is an EncryptedPrivateKeyInfo that asks for rounds.
func encryptedKeyDER(rounds string) []byte {
	n, _ := new(big.Int).SetString(rounds, 10)
	var b cryptobyte.Builder
	algorithm := func(b *cryptobyte.Builder, oid string, params func(*cryptobyte.Builder)) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, oid)
			params(b)
		})
	}
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		algorithm(b, "1.2.840.113549.1.5.13", func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				algorithm(b, "1.2.840.113549.1.5.12", func(b *cryptobyte.Builder) {
					b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1OctetString([]byte("saltsalt"))
						b.AddASN1BigInt(n)
					})
				})
				algorithm(b, "2.16.840.1.101.3.4.1.42", func(b *cryptobyte.Builder) {
					b.AddASN1OctetString(make([]byte, 16))
				})
			})
		})
		b.AddASN1OctetString(make([]byte, 160))
	})
	return b.BytesOrPanic()
}

func TestHostileRoundsAreRefusedBeforeTheyAreRun(t *testing.T) {
	w := newWorld(t)
	for _, rounds := range []string{"10000001", "2147483648", "9223372036854775807", "99999999999999999999999999"} {
		t.Run("PKCS#8, "+rounds, func(t *testing.T) {
			within(t, 20*time.Second, func() {
				m, err := Decode("x", []byte(pemBlock("ENCRYPTED PRIVATE KEY", encryptedKeyDER(rounds))), password("x"))
				require.NoError(t, err)
				require.Len(t, m.Keys, 1)
				assert.ErrorContains(t, m.Keys[0].Err, "rounds of password hashing; more than 10000000 are refused")
			})
		})
	}
	for _, rounds := range []string{"0", "-1"} {
		t.Run("PKCS#8, "+rounds, func(t *testing.T) {
			m, err := Decode("x", encryptedKeyDER(rounds), password("x"))
			require.NoError(t, err)
			require.Len(t, m.Keys, 1)
			assert.ErrorContains(t, m.Keys[0].Err, "parameters are broken")
		})
	}
	for name, e := range map[string]*pkcs12.Encoder{"modern": pkcs12.Modern2023, "legacy": pkcs12.LegacyDES, "PBMAC1": pkcs12.Modern2026} {
		t.Run("PKCS#12, "+name, func(t *testing.T) {
			small, err := e.WithIterations(2).Encode(w.leafKey, w.leaf, nil, "secret")
			require.NoError(t, err)
			hostile := setRounds(t, small, 2, 1<<31-1)
			within(t, 20*time.Second, func() {
				_, err := Decode("x.p12", hostile, password("secret"))
				assert.ErrorContains(t, err, "asks for 2147483647 rounds of password hashing")
				assert.NotErrorIs(t, err, ErrPasswordWrong)
			})
		})
	}
	t.Run("many keys that each ask for what is allowed", func(t *testing.T) {
		one := pemBlock("ENCRYPTED PRIVATE KEY", encryptedKeyDER("1000000"))
		within(t, 30*time.Second, func() {
			m, _ := Decode("x", []byte(strings.Repeat(one, 500)), locked)
			require.Len(t, m.Keys, 500)
			assert.ErrorContains(t, m.Keys[499].Err, "with what comes before it, for more than 20000000 rounds")
		})
	})
	t.Run("scrypt", func(t *testing.T) {
		for _, p := range []struct{ n, r, p int64 }{{1 << 40, 8, 1}, {1 << 21, 8, 1}, {16384, 1 << 20, 1}, {16384, 8, 1 << 30}, {3, 8, 1}, {16384, 0, 1}} {
			var b cryptobyte.Builder
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1OctetString([]byte("salt"))
				b.AddASN1Int64(p.n)
				b.AddASN1Int64(p.r)
				b.AddASN1Int64(p.p)
			})
			_, err := parseScrypt(b.BytesOrPanic(), 32)
			assert.Error(t, err, "%+v", p)
		}
	})
}

// setRounds writes der again with value for each INTEGER that is old; the
// lengths around are put right.
func setRounds(t *testing.T, der []byte, old, value int64) []byte {
	t.Helper()
	from, err := asn1.Marshal(big.NewInt(old))
	require.NoError(t, err)
	to, err := asn1.Marshal(big.NewInt(value))
	require.NoError(t, err)
	var walk func(in []byte) []byte
	walk = func(in []byte) []byte {
		var out []byte
		for len(in) > 0 {
			e, ok := peek(in)
			if !ok || e.truncated() || e.length < 0 {
				return append(out, in...)
			}
			switch {
			case bytes.Equal(in[:e.size()], from):
				out = append(out, to...)
			case e.tag&0x20 != 0, e.tag == tagOctetString && len(e.value) > 2 && e.value[0] == tagSequence:
				inner := walk(e.value)
				out = append(appendHeader(out, e.tag, len(inner)), inner...)
			default:
				out = append(out, in[:e.size()]...)
			}
			in = in[e.size():]
		}
		return out
	}
	return walk(der)
}

func TestManyBlocks(t *testing.T) {
	w := newWorld(t)
	one := string(EncodeCerts(w.leaf))
	within(t, 20*time.Second, func() {
		m, err := Decode("x", []byte(strings.Repeat(one, 10_000)), Options{})
		require.NoError(t, err)
		assert.Len(t, m.Certs, 10_000)
		assert.Empty(t, m.Notes)
	})
	within(t, 20*time.Second, func() {
		empty := "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
		m, err := Decode("x", []byte(strings.Repeat(empty, maxBlocks+5)), Options{})
		assert.ErrorContains(t, err, "holds more than 50000 PEM blocks")
		assert.Len(t, m.Certs, maxBlocks)
	})
}

// Time and memory grow with the size of the input and not with its shape.
func TestHostileShapesAreLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("reads two hundred megabytes")
	}
	const size = 6 << 20
	w := newWorld(t)
	fill := func(piece string) []byte { return []byte(strings.Repeat(piece, size/len(piece)+1)[:size]) }
	nested := "x"
	for len(nested) < size/2 {
		nested = base64.StdEncoding.EncodeToString([]byte(nested))
	}
	deep := strings.Repeat("\x30\x80", size/2)
	for name, data := range map[string][]byte{
		"zeros":                  make([]byte, size),
		"dashes":                 fill("-"),
		"typographic dashes":     fill("—"),
		"dashes and blanks":      fill("-    "),
		"line breaks":            fill("\n"),
		"CR alone":               fill("\r"),
		"blanks":                 fill(" "),
		"text":                   fill("the quick brown fox\n"),
		"base64":                 fill("AAAA"),
		"base64 of base64 of …":  []byte(nested),
		"BEGIN without end":      fill("-----BEGIN CERTIFICATE-----\n"),
		"BEGIN, no label":        fill("-----BEGIN "),
		"BEGIN of all kinds":     fill("-----BEGIN A-----\n-----END B-----\n"),
		"END without BEGIN":      fill("-----END CERTIFICATE-----\n"),
		"one BEGIN, then base64": append([]byte("-----BEGIN CERTIFICATE-----\n"), fill("AAAA\n")...),
		"one BEGIN, then junk":   append([]byte("-----BEGIN CERTIFICATE-----\n"), fill("\x00")...),
		"headers":                append([]byte("-----BEGIN CERTIFICATE-----\n"), fill("a: b\n")...),
		"commented out":          fill("# -----BEGIN CERTIFICATE-----\n"),
		"NUL before BEGIN":       fill("\x00-----BEGIN CERTIFICATE-----\n"),
		"backslashes":            fill(`\`),
		"UTF-16":                 append([]byte("\xFF\xFE"), fill("-\x00")...),
		"open lengths":           []byte(deep),
		"PKCS#12 of lengths":     append([]byte("\x30\x80\x02\x01\x03"), deep...),
		"short sequences":        fill("\x30\x00"),
		"small certificates":     bytes.Repeat(w.leaf.Raw, size/len(w.leaf.Raw)/4),
		"one huge certificate":   append([]byte("\x30\x84\x00\x5F\xFF\xFA\x30\x84\x00\x5F\xFF\xF4\xA0\x03\x02\x01\x02"), make([]byte, size)...),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			within(t, 20*time.Second, func() { _, _ = Decode("x", data, password("x")) })
			runtime.ReadMemStats(&after)
			ratio := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(data))
			assert.Less(t, ratio, 60.0, "bytes allocated for each byte read")
		})
	}
}

func TestLayersOfBase64(t *testing.T) {
	w := newWorld(t)
	data := w.bundle()
	for layers := 1; layers <= 6; layers++ {
		data = base64.StdEncoding.EncodeToString([]byte(data))
		t.Run(fmt.Sprint(layers), func(t *testing.T) {
			m, err := Decode("x", []byte(data), Options{})
			if layers <= maxDepth {
				require.NoError(t, err)
				assert.Len(t, parsed(m.Certs), 2)
				assert.Len(t, m.Notes, layers+2, "one for each layer, one for each block that Go does not see")
			} else {
				assert.ErrorContains(t, err, "base64 in more than 4 layers")
			}
		})
	}
}
