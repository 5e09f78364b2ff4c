package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

// madeAt is when made certificates are valid.
var madeAt = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// made is a certificate of which every part can be any octets: crypto/x509 makes
// none that is wrong.
type made struct {
	version, serial, inner, outer, issuer, notBefore, notAfter, subject, key, ids []byte
	extensions                                                                    []madeExtension
	unused                                                                        byte // bits of the signature
	sign                                                                          func(tbs []byte) []byte
}

type madeExtension struct{ oid, critical, value []byte }

// tlv is an element of DER.
func tlv(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	out, err := asn1.Marshal(asn1.RawValue{Class: int(tag >> 6), Tag: int(tag & 0x1f), IsCompound: tag&0x20 != 0, Bytes: content})
	if err != nil {
		panic(err)
	}
	return out
}

func seq(parts ...[]byte) []byte { return tlv(0x30, parts...) }

func oidDER(text string) []byte {
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(arc)
		if err != nil {
			panic(err)
		}
		oid = append(oid, n)
	}
	out, err := asn1.Marshal(oid)
	if err != nil {
		panic(err)
	}
	return out
}

// attribute is a name of one attribute.
func attribute(oid string, tag byte, value string) []byte {
	return seq(tlv(0x31, seq(oidDER(oid), tlv(tag, []byte(value)))))
}

func commonName(text string) []byte { return attribute(oidCommonName, 12, text) }

// general is a GeneralName of a primitive kind.
func general(kind byte, value string) []byte { return tlv(0x80|kind, []byte(value)) }

var critical = []byte{1, 1, 0xff}

// set puts an extension in, in place of the one that is there.
func (m *made) set(oid string, value []byte) {
	m.remove(oid)
	m.extensions = append(m.extensions, madeExtension{oid: oidDER(oid), value: value})
}

func (m *made) remove(oid string) {
	m.extensions = slices.DeleteFunc(m.extensions, func(e madeExtension) bool { return bytes.Equal(e.oid, oidDER(oid)) })
}

func (m *made) critical(oid string) {
	for i, e := range m.extensions {
		if bytes.Equal(e.oid, oidDER(oid)) {
			m.extensions[i].critical = critical
		}
	}
}

func (m *made) der() []byte {
	var all [][]byte
	for _, e := range m.extensions {
		all = append(all, seq(e.oid, e.critical, tlv(4, e.value)))
	}
	var extensions []byte
	if len(all) > 0 {
		extensions = tlv(0xa3, seq(all...))
	}
	tbs := seq(m.version, m.serial, m.inner, m.issuer, seq(m.notBefore, m.notAfter), m.subject, m.key, m.ids, extensions)
	outer := m.outer
	if outer == nil {
		outer = m.inner
	}
	return seq(tbs, outer, tlv(3, []byte{m.unused}, m.sign(tbs)))
}

// madeKeys are made once: signing is what is slow here.
type madeKeys [3]*ecdsa.PrivateKey

func newMadeKeys(t testing.TB) (keys madeKeys) {
	for i := range keys {
		var err error
		keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
	}
	return keys
}

const (
	madeLeaf = iota
	madeCA
	madeRoot
)

var ecdsaSHA256 = seq(oidDER("1.2.840.10045.4.3.2"))

// chain gives leaf, intermediate and root, good as they are.
func (keys madeKeys) chain() (certs [3]*made) {
	for i := range certs {
		signer := keys[min(i+1, madeRoot)]
		spki, err := x509.MarshalPKIXPublicKey(keys[i].Public())
		if err != nil {
			panic(err)
		}
		m := &made{
			version: tlv(0xa0, tlv(2, []byte{2})), serial: tlv(2, []byte{byte(i + 1)}), inner: ecdsaSHA256,
			subject: commonName([]string{"leaf", "ca", "root"}[i]), issuer: commonName([]string{"ca", "root", "root"}[i]),
			notBefore: tlv(23, []byte("250101000000Z")), notAfter: tlv(23, []byte("300101000000Z")), key: spki,
			sign: func(tbs []byte) []byte {
				digest := sha256.Sum256(tbs)
				signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
				if err != nil {
					panic(err)
				}
				return signature
			},
		}
		m.set(oidSKI, tlv(4, []byte{byte(i)}))
		m.set(oidAKI, seq(tlv(0x80, []byte{byte(min(i+1, madeRoot))})))
		if i == madeLeaf {
			m.set(oidSAN, seq(general(gnDNS, "reg.example.com"), general(gnIP, "\x0a\x00\x00\x01")))
			m.set(oidBasicConstraints, seq())
			m.set(oidEKU, seq(oidDER(oidServerAuth)))
		} else {
			m.set(oidBasicConstraints, seq(critical))
			m.set(oidKeyUsage, tlv(3, []byte{1, 6}))
		}
		certs[i] = m
	}
	return certs
}

// asked is what both OpenSSLs, the real one and ours, are asked.
func asked(certs [3]*made, host string) OpenSSL {
	var all []pki.Cert
	for _, m := range certs {
		all = append(all, pki.NewCert(pki.Origin{Source: "made"}, m.der()))
	}
	return OpenSSL{Presented: all[:madeRoot], Trusted: all[madeRoot:], Host: host, At: madeAt, Purpose: Server}
}

// realOpenSSL gives the first code that `openssl verify` reports; ok is false
// when there is no openssl here.
func realOpenSSL(t testing.TB, o OpenSSL) (code Code, ok bool) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CRPKI_INTEROP") == "require" {
			t.Fatal("openssl is not there")
		}
		return 0, false
	}
	dir := t.TempDir()
	write := func(name string, certs []pki.Cert) string {
		var out []byte
		for _, c := range certs {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, out, 0o600))
		return path
	}
	args := []string{
		"verify", "-purpose", string(o.Purpose), "-attime", strconv.FormatInt(o.At.Unix(), 10), "-no-CApath",
		"-CAfile", write("ca.pem", o.Trusted),
	}
	if len(o.Presented) > 1 {
		args = append(args, "-untrusted", write("more.pem", o.Presented[1:]))
	}
	if o.Host != "" {
		flag := "-verify_hostname"
		if addressOf(o.Host) != nil {
			flag = "-verify_ip"
		}
		args = append(args, flag, strings.Trim(o.Host, "[]"))
	}
	out, _ := exec.Command(openssl, append(args, write("leaf.pem", o.Presented[:1]))...).CombinedOutput()
	if m := problemLine.FindStringSubmatch(string(out)); m != nil {
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		return Code(n), true
	}
	if strings.Contains(string(out), ": OK") {
		return CodeOK, true
	}
	return CodeUnspecified, true // it read nothing, or says no more than "failed"
}

// signWith gives an ECDSA signature by a curve of ours.
func (c *curve) signWith(d *big.Int, tbs []byte) []byte {
	digest := sha256.Sum256(tbs)
	k := new(big.Int).SetBytes(digest[:20]) // the same message has the same one
	r := new(big.Int).Mod(c.times(k).x, c.n)
	e := new(big.Int).SetBytes(digest[:])
	if excess := 256 - c.n.BitLen(); excess > 0 {
		e.Rsh(e, uint(excess))
	}
	s := new(big.Int).Mul(r, d)
	s.Add(s, e).Mul(s, new(big.Int).ModInverse(k, c.n)).Mod(s, c.n)
	out, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		panic(err)
	}
	return out
}

func (c *curve) times(k *big.Int) (sum curvePoint) {
	for i := k.BitLen() - 1; i >= 0; i-- {
		if sum = c.add(sum, sum); k.Bit(i) == 1 {
			sum = c.add(sum, curvePoint{c.gx, c.gy})
		}
	}
	return sum
}
