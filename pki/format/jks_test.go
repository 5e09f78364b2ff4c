package format

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crpki/crpki/pki"
)

func javaPassword(text string) (b []byte) {
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.BigEndian.AppendUint16(b, unit)
	}
	return b
}

// sealJKSKey encrypts as sun.security.provider.KeyProtector does.
func sealJKSKey(t testing.TB, plain []byte, password string) []byte {
	salt := sha1.Sum([]byte("salt"))
	check := sha1.Sum(append(javaPassword(password), plain...))
	sealed := append([]byte(nil), salt[:]...)
	stream := salt
	for at := 0; at < len(plain); at += sha1.Size {
		stream = sha1.Sum(append(javaPassword(password), stream[:]...))
		for i, b := range plain[at:min(at+sha1.Size, len(plain))] {
			sealed = append(sealed, b^stream[i])
		}
	}
	sealed = append(sealed, check[:]...)
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidJKSProtector)
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(sealed)
	})
	der, err := b.Bytes()
	require.NoError(t, err)
	return der
}

// jksBuilder makes keystores.
type jksBuilder struct {
	version, entries uint32
	body             []byte
}

func (j *jksBuilder) begin(tag uint32, alias string) {
	j.entries++
	j.body = binary.BigEndian.AppendUint32(j.body, tag)
	j.text(alias)
	j.body = append(j.body, make([]byte, 8)...)
}

func (j *jksBuilder) text(s string) {
	j.body = append(binary.BigEndian.AppendUint16(j.body, uint16(len(s))), s...)
}

func (j *jksBuilder) block(b []byte) {
	j.body = append(binary.BigEndian.AppendUint32(j.body, uint32(len(b))), b...)
}

func (j *jksBuilder) cert(der []byte) {
	if j.version == 2 {
		j.text("X.509")
	}
	j.block(der)
}

func (j *jksBuilder) key(alias string, sealed []byte, chain ...[]byte) {
	j.begin(jksKeyEntry, alias)
	j.block(sealed)
	j.body = binary.BigEndian.AppendUint32(j.body, uint32(len(chain)))
	for _, der := range chain {
		j.cert(der)
	}
}

func (j *jksBuilder) bytes(password string) []byte {
	out := binary.BigEndian.AppendUint32([]byte(jksMagic), j.version)
	out = append(binary.BigEndian.AppendUint32(out, j.entries), j.body...)
	sum := sha1.Sum([]byte(string(javaPassword(password)) + jksWhitener + string(out)))
	return append(out, sum[:]...)
}

func keystore(t testing.TB, version uint32, password string) []byte {
	w := newWorld(t)
	j := jksBuilder{version: version}
	j.key("server", sealJKSKey(t, pkcs8DER(t, w.leafKey), password), w.leaf.Raw, w.ca.Raw)
	j.begin(jksTrustedEntry, "ca")
	j.cert(w.ca.Raw)
	return j.bytes(password)
}

func withPassword(text string) Options {
	return Options{Password: func(pki.Origin) ([]byte, error) { return []byte(text), nil }}
}

func TestDecodeJKS(t *testing.T) {
	w := newWorld(t)
	for _, version := range []uint32{1, 2} {
		data := keystore(t, version, "chängeit")
		m, err := Decode("x.jks", data, withPassword("chängeit"))
		require.NoError(t, err)
		require.Len(t, m.Keys, 1)
		assert.True(t, pki.SamePublicKey(w.leaf.PublicKey, m.Keys[0].Public()))
		assert.True(t, m.Keys[0].Encrypted)
		require.Len(t, m.Certs, 2)
		assert.Equal(t, w.leaf.Raw, m.Certs[0].Raw)
		assert.Equal(t, "x.jks#2", m.Certs[0].Origin.String())
		require.Len(t, m.Anchors, 1, "what the store trusts")
		assert.Equal(t, w.ca.Raw, m.Anchors[0].Raw)

		// Certificates are open, keys are not.
		for name, c := range map[string]struct {
			with Options
			want error
		}{"none": {Options{}, ErrPasswordNeeded}, "wrong": {withPassword("changeit"), ErrPasswordWrong}} {
			m, err = Decode("x.jks", data, c.with)
			assert.ErrorIs(t, err, c.want, name)
			assert.Len(t, m.Certs, 2, name)
			require.Len(t, m.Keys, 1, name)
			assert.Nil(t, m.Keys[0].Signer, name)
		}
	}

	t.Run("a store of trusted certificates needs no password", func(t *testing.T) {
		j := jksBuilder{version: 2}
		j.begin(jksTrustedEntry, "ca")
		j.cert(w.ca.Raw)
		m, err := Decode("x.jks", j.bytes("changeit"), Options{})
		require.NoError(t, err)
		assert.Len(t, m.Anchors, 1)
	})
	t.Run("a key with a password of its own", func(t *testing.T) {
		j := jksBuilder{version: 2}
		j.key("server", sealJKSKey(t, pkcs8DER(t, w.leafKey), "other"), w.leaf.Raw)
		m, err := Decode("x.jks", j.bytes("changeit"), withPassword("changeit"))
		assert.ErrorContains(t, err, "has another password than the keystore it is in")
		assert.Len(t, m.Certs, 1)
	})
	t.Run("cut off anywhere", func(t *testing.T) {
		data := keystore(t, 2, "changeit")
		for n := range data {
			if n < len(jksMagic) {
				continue
			}
			m, err := Decode("x.jks", data[:n], Options{})
			require.Error(t, err, "%d bytes", n)
			checkSound(t, m, err)
		}
	})
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":               {(&jksBuilder{version: 2}).bytes("x"), "with nothing in it"},
		"version":             {(&jksBuilder{version: 3}).bytes("x"), "of version 3"},
		"promises too much":   {(&jksBuilder{version: 2, entries: 1<<32 - 1}).bytes("x"), "broken Java keystore"},
		"entry of a new kind": {(&jksBuilder{version: 2, entries: 1, body: make([]byte, 64)}).bytes("x"), "broken Java keystore"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode("x.jks", c.data, Options{})
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// TestJKSOfKeytool reads what Java writes.
func TestJKSOfKeytool(t *testing.T) {
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		if os.Getenv("CRPKI_INTEROP") == "require" {
			t.Fatal(err)
		}
		t.Skip("no keytool here")
	}
	file := filepath.Join(t.TempDir(), "x.jks")
	out, err := exec.Command(keytool, "-genkeypair", "-storetype", "JKS", "-keystore", file, "-storepass", "changeit", "-keypass", "changeit",
		"-alias", "server", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=reg.local", "-ext", "san=dns:reg.local").CombinedOutput()
	require.NoError(t, err, "%s", out)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, jksMagic, string(data[:4]))
	m, err := Decode("x.jks", data, withPassword("changeit"))
	require.NoError(t, err)
	require.Len(t, m.Certs, 1)
	require.Len(t, m.Keys, 1)
	assert.True(t, pki.SamePublicKey(m.Certs[0].X509.PublicKey, m.Keys[0].Public()))

	// And Java reads what the tests above are made of.
	require.NoError(t, os.WriteFile(file, keystore(t, 2, "changeit"), 0o600))
	out, err = exec.Command(keytool, "-list", "-keystore", file, "-storepass", "changeit").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "2 entries")
}

func FuzzDecodeJKS(f *testing.F) {
	for version := range uint32(4) {
		f.Add(keystore(f, version, "x"))
	}
	f.Add([]byte(jksMagic))
	open := withPassword("x")
	f.Fuzz(func(t *testing.T, data []byte) {
		data = append([]byte(jksMagic), data[min(len(data), 4):]...)
		for _, o := range []Options{{}, locked, open} {
			m, err := Decode("x", data, o)
			checkSound(t, m, err)
			if errors.Is(err, ErrPasswordNeeded) && o.Password != nil {
				t.Fatal("there was a password")
			}
		}
	})
}
