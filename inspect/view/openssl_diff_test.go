package view

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	randv2 "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

// The tests below hold WriteOpenSSL against the real program, line by line.

// opensslProgram is OpenSSL 3.0, whose layout WriteOpenSSL follows. Later
// versions write "CN=x" for "CN = x", among other things.
func opensslProgram(t *testing.T) string {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CRPKI_INTEROP") == "require" {
		missing = t.Fatalf
	}
	path, err := exec.LookPath("openssl")
	if err != nil {
		missing("openssl is not installed")
	}
	version, err := exec.CommandContext(t.Context(), path, "version").Output()
	require.NoError(t, err)
	if !bytes.HasPrefix(version, []byte("OpenSSL 3.0.")) {
		missing("the layout is that of OpenSSL 3.0, this is %s", bytes.TrimSpace(version))
	}
	return path
}

// workshop runs openssl in a folder of its own.
type workshop struct {
	testing.TB
	program, dir string
}

func newWorkshop(t *testing.T) workshop {
	t.Helper()
	w := workshop{t, opensslProgram(t), t.TempDir()}
	w.write("openssl.cnf", opensslConfig+fmt.Sprintf("[scts]\n1.3.6.1.4.1.11129.2.4.2 = DER:%s\n1.3.6.1.4.1.11129.2.4.3 = critical,ASN1:NULL\n", hexLower(sctList(t), ":")))
	return w
}

func (w workshop) write(name, content string) {
	w.Helper()
	require.NoError(w, os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600))
}

// run gives what openssl prints. Arguments are split at blanks, "~" stands for
// one.
func (w workshop) run(input []byte, format string, args ...any) ([]byte, error) {
	w.Helper()
	list := strings.Fields(fmt.Sprintf(format, args...))
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], "~", " ")
	}
	cmd := exec.CommandContext(w.Context(), w.program, list...)
	cmd.Dir, cmd.Stdin = w.dir, bytes.NewReader(input)
	cmd.Env = append(os.Environ(), "OPENSSL_CONF="+filepath.Join(w.dir, "openssl.cnf"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("openssl %s: %w\n%s", strings.Join(list, " "), err, stderr.Bytes())
	}
	return out, err
}

func (w workshop) must(format string, args ...any) []byte {
	w.Helper()
	out, err := w.run(nil, format, args...)
	require.NoError(w, err)
	return out
}

// key makes a private key in key.pem.
func (w workshop) key(recipe string) {
	w.Helper()
	for step := range strings.SplitSeq(recipe, ";") {
		w.must("%s", strings.TrimSpace(step))
	}
}

// compareCertificate shows der both ways.
func (w workshop) compareCertificate(name string, der []byte) {
	w.Helper()
	want, err := w.run(der, "x509 -inform DER -text -noout")
	require.NoError(w, err, name)
	w.compare(name, string(want), pki.Material{Certs: []pki.Cert{pki.NewCert(pki.Origin{}, der)}})
}

// compareIfTaken passes over what openssl refuses, or shows with characters
// that drive a terminal, and reports whether it did not.
func (w workshop) compareIfTaken(name string, der []byte) bool {
	w.Helper()
	want, err := w.run(der, "x509 -inform DER -text -noout")
	if err != nil || !isHarmless(string(want)) || bytes.Contains(want, []byte("Unable to load Public Key")) {
		return false
	}
	w.compare(name, string(want), pki.Material{Certs: []pki.Cert{pki.NewCert(pki.Origin{}, der)}})
	return true
}

func (w workshop) compareRequest(name string, der []byte) {
	w.Helper()
	want, err := w.run(der, "req -inform DER -text -noout")
	require.NoError(w, err, name)
	w.compare(name, string(want), pki.Material{CSRs: []pki.CSR{pki.NewCSR(pki.Origin{}, der)}})
}

func (w workshop) compare(name, want string, m pki.Material) {
	w.Helper()
	var got bytes.Buffer
	require.NoError(w, WriteOpenSSL(&got, m))
	a, b := strings.Split(want, "\n"), strings.Split(got.String(), "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			from := max(0, i-3)
			assert.Fail(w, "not as openssl shows it", "%s, from line %d on, openssl:\n%s\ncrpki:\n%s", name, i+1,
				strings.Join(a[min(from, len(a)):min(i+4, len(a))], "\n"), strings.Join(b[min(from, len(b)):min(i+4, len(b))], "\n"))
			return
		}
	}
}

func derOf(t testing.TB, pemText []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(pemText)
	require.NotNil(t, block)
	return block.Bytes
}

// opensslKeys make key.pem.
var opensslKeys = []struct{ name, recipe string }{
	{"RSA", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem"},
	{"RSA with exponent 3", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -pkeyopt rsa_keygen_pubexp:3 -out key.pem"},
	{"RSA-PSS", "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1024 -out key.pem"},
	{"RSA-PSS for SHA-256 alone", "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1024 -pkeyopt rsa_pss_keygen_md:sha256 -pkeyopt rsa_pss_keygen_mgf1_md:sha384 -pkeyopt rsa_pss_keygen_saltlen:32 -out key.pem"},
	{"P-256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem"},
	{"P-224", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-224 -out key.pem"},
	{"P-384", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem"},
	{"P-521", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out key.pem"},
	{"secp256k1", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out key.pem"},
	{"prime192v1", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime192v1 -out key.pem"},
	{"brainpool", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP320t1 -out key.pem"},
	{"explicit curve", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -out key.pem"},
	{"compressed point", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out long.pem; ec -in long.pem -conv_form compressed -out key.pem"},
	{"Ed25519", "genpkey -algorithm ED25519 -out key.pem"},
	{"Ed448", "genpkey -algorithm ED448 -out key.pem"},
	{"DSA", "genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out dsa.pem; genpkey -paramfile dsa.pem -out key.pem"},
}

func TestOpenSSLKeys(t *testing.T) {
	w := newWorkshop(t)
	for _, k := range opensslKeys {
		w.key(k.recipe)
		w.compareCertificate(k.name, derOf(t, w.must("req -x509 -new -key key.pem -subj /CN=reg -extensions names")))
		w.compareRequest(k.name, derOf(t, w.must("req -new -key key.pem -subj /CN=reg -reqexts names")))
	}
}

func TestOpenSSLSignatures(t *testing.T) {
	w := newWorkshop(t)
	w.key(opensslKeys[0].recipe)
	for _, how := range []string{
		"-md5", "-sha1", "-sha224", "-sha384", "-sha512", "-sha512-256", "-sha3-256", "-ripemd160",
		"-sigopt rsa_padding_mode:pss", "-sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20",
		"-sha1 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20",
		"-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_mgf1_md:sha1 -sigopt rsa_pss_saltlen:-1",
	} {
		w.compareCertificate(how, derOf(t, w.must("req -x509 -new -key key.pem -subj /CN=reg %s", how)))
	}
}

// opensslConfig has a section for each group of extensions.
const opensslConfig = `
[req]
distinguished_name = dn
[dn]
[names]
subjectAltName = DNS:reg.example.com, DNS:*.example.com, IP:10.96.0.50, IP:fd00::5, IP:::, URI:https://reg.example.com/v2/, email:ops@example.com, RID:1.2.3.4, RID:2.5.4.3, dirName:dir, otherName:1.2.3.4;UTF8:hello, otherName:1.2.3.5;INTEGER:7, otherName:msUPN;UTF8:ops@example, otherName:1.3.6.1.5.5.7.8.5;UTF8:ops@xmpp, otherName:1.3.6.1.5.5.7.8.7;IA5:_reg.example.com
issuerAltName = DNS:ca.example.com
[dir]
C = DE
O = Example / Sons
CN = reg + two
[usages]
keyUsage = critical, digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, keyAgreement, keyCertSign, cRLSign, encipherOnly, decipherOnly
extendedKeyUsage = serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning, ipsecIKE, msSGC, anyExtendedKeyUsage, 1.3.6.1.4.1.99999.1
nsCertType = client, server, email, objsign, sslCA, emailCA, objCA
nsComment = "made by hand"
nsBaseUrl = http://example.com
[ca]
basicConstraints = critical, CA:TRUE, pathlen:3
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always, issuer:always
[leaf]
basicConstraints = CA:FALSE
extendedKeyUsage = critical, serverAuth
keyUsage = keyAgreement
[constraints]
nameConstraints = critical, permitted;DNS:.example.com, permitted;DNS:example.org, permitted;IP:10.0.0.0/255.0.0.0, permitted;IP:fd00::/ff00::, permitted;dirName:dir, excluded;email:example.com, excluded;URI:.example.com, excluded;IP:10.1.0.0/255.255.0.0
[permitted]
nameConstraints = permitted;DNS:example.org
[excluded]
nameConstraints = excluded;DNS:example.org
[points]
crlDistributionPoints = URI:http://example.com/a.crl, point1, point2, point3
freshestCRL = URI:http://example.com/delta.crl
[point1]
fullname = URI:http://example.com/b.crl, URI:ldap://example.com/b
CRLissuer = dirName:dir
reasons = keyCompromise, CACompromise
[point2]
relativename = relative
[point3]
fullname = dirName:dir
[relative]
CN = a point
[access]
authorityInfoAccess = OCSP;URI:http://ocsp.example.com, caIssuers;URI:http://example.com/ca.crt, 1.2.3.4;DNS:example.com, caIssuers;dirName:dir
subjectInfoAccess = caRepository;URI:http://example.com/repo, 1.2.3.4;email:ops@example.com
[policies]
certificatePolicies = 1.2.3.4, 2.23.140.1.2.1, anyPolicy, @policy
policyMappings = 1.2.3.4:1.2.3.5, 1.2.3.6:1.2.3.7
policyConstraints = requireExplicitPolicy:3, inhibitPolicyMapping:0
inhibitAnyPolicy = 2
[policy]
policyIdentifier = 1.2.3.8
CPS.1 = http://example.com/cps
CPS.2 = http://example.com/cps2
userNotice.1 = @notice
userNotice.2 = @short
[notice]
explicitText = UTF8:Gelesen und verstanden
organization = Example
noticeNumbers = 1, 2, 300
[short]
explicitText = a notice
[others]
tlsfeature = status_request, status_request_v2, 99
noCheck = ignored
1.2.3.4.5 = ASN1:UTF8String:hello
1.2.3.4.6 = critical, DER:01:02:0a:1b:7f:80:ff
1.2.3.4.7 = DER:30
2.5.29.16 = DER:30:22:80:0f:32:30:32:36:30:31:30:31:30:30:30:30:30:30:5a:81:0f:32:30:32:37:30:31:30:31:30:30:30:30:30:30:5a
2.5.29.9 = DER:30:00
[proxy]
proxyCertInfo = language:id-ppl-anyLanguage, pathlen:3, policy:text:AB
[half-limits]
policyConstraints = inhibitPolicyMapping:1
certificatePolicies = anyPolicy
[malformed]
keyUsage = DER:05:00
extendedKeyUsage = DER:30:02:05:00
subjectAltName = DER:30:03:82:05:61
basicConstraints = DER:30:03:02:01
authorityKeyIdentifier = DER:04:00
nameConstraints = DER:30:02:a0:05
crlDistributionPoints = DER:30:02:30:05
authorityInfoAccess = DER:30:02:30:05
certificatePolicies = DER:02:01:01
tlsfeature = DER:30:02:04:00
1.3.6.1.4.1.11129.2.4.2 = DER:04:03:00:05:01
[empty]
keyUsage = DER:03:01:00
extendedKeyUsage = DER:30:00
subjectAltName = DER:30:00
basicConstraints = DER:30:00
authorityKeyIdentifier = DER:30:00
nameConstraints = DER:30:00
crlDistributionPoints = DER:30:00
authorityInfoAccess = DER:30:00
certificatePolicies = DER:30:00
tlsfeature = DER:30:00
subjectKeyIdentifier = DER:04:00
1.3.6.1.4.1.11129.2.4.2 = DER:04:02:00:00
`

func TestOpenSSLExtensions(t *testing.T) {
	w := newWorkshop(t)
	w.key(opensslKeys[4].recipe)
	for _, section := range []string{
		"names", "usages", "ca", "leaf", "constraints", "permitted", "excluded", "points", "access", "policies",
		"others", "proxy", "half-limits", "malformed", "empty", "scts",
	} {
		w.compareCertificate(section, derOf(t, w.must("req -x509 -new -key key.pem -subj /CN=reg -extensions %s", section)))
		if section != "ca" { // a request has no issuer to name
			w.compareRequest(section, derOf(t, w.must("req -new -key key.pem -subj /CN=reg -reqexts %s", section)))
		}
	}
}

func TestOpenSSLNames(t *testing.T) {
	w := newWorkshop(t)
	w.key(opensslKeys[4].recipe)
	for _, subject := range []string{
		"/", "/CN=reg", "/C=DE/ST=Bayern/L=München/O=Müller,~Söhne~&~Co/OU=a+OU=b/CN=reg/emailAddress=ops@example.com",
		"/CN=~blank~/O=#hash/OU=a#b/L=quo\"te/ST=back\\\\slash/street=a;b<c>d=e", "/DC=com/DC=example/UID=ops/serialNumber=1/SN=Last/GN=First/title=Dr/dnQualifier=q",
		"/1.2.3.4.5=unknown/CN=😀/O=日本", "/businessCategory=Private~Organization/jurisdictionC=DE/postalCode=80331/organizationIdentifier=VATDE-1",
	} {
		w.compareCertificate(subject, derOf(t, w.must("req -x509 -new -key key.pem -utf8 -subj %s", subject)))
		w.compareRequest(subject, derOf(t, w.must("req -new -key key.pem -utf8 -subj %s", subject)))
	}
}

func TestOpenSSLSerials(t *testing.T) {
	w := newWorkshop(t)
	w.key(opensslKeys[4].recipe)
	for _, serial := range []string{
		"0", "1", "127", "128", "-1", "-2", "-128", "0x7fffffffffffffff", "0x8000000000000000", "0xffffffffffffffff", "-0x7fffffffffffffff", "-0x8000000000000000", "-0x8000000000000001",
		"0x10000000000000000", "0x4fa00102030405060708090a0b0c0d0e", "0xff00112233445566778899aabbccddeeff00112233", "-0x4fa00102030405060708090a0b0c0d0e",
	} {
		w.compareCertificate(serial, derOf(t, w.must("req -x509 -new -key key.pem -subj /CN=reg -set_serial %s", serial)))
	}
}

// TestOpenSSLStories shows the certificates of the other tests, which Go makes.
// Those with control characters are meant to differ.
func TestOpenSSLStories(t *testing.T) {
	w := newWorkshop(t)
	for _, s := range stories() {
		if s.name == "hostile" || s.name == "broken" {
			continue
		}
		m := s.make(t)
		for _, c := range m.Certs {
			w.compareIfTaken(s.name+" "+c.Origin.String(), c.Raw)
		}
		for _, r := range m.CSRs {
			if r.X509 != nil {
				w.compareRequest(s.name+" "+r.Origin.String(), r.Raw)
			}
		}
	}
}

// TestOpenSSLStrings has each type of string in names, valid or not.
func TestOpenSSLStrings(t *testing.T) {
	w := newWorkshop(t)
	for tag, values := range map[int][]string{
		asn1.TagUTF8String:      {"Müller", "a,b", ""},
		asn1.TagPrintableString: {"plain", "under_score", "M\xfcller"},
		asn1.TagT61String:       {"M\xfcller", "plain"},
		asn1.TagIA5String:       {"ops@example.com", "M\xfcller"},
		asn1.TagBMPString:       {"\x00M\x00\xfc\x20\xac", "\x00a\x00,", "odd"},
		28:                      {"\x00\x00\x00M\x00\x01\xf6\x00"},
		asn1.TagNumericString:   {"12 3"},
		26:                      {"visible"},
		asn1.TagOctetString:     {"octets"},
		asn1.TagInteger:         {"\x07"},
	} {
		for _, value := range values {
			attribute, err := asn1.Marshal(struct {
				OID   asn1.ObjectIdentifier
				Value asn1.RawValue
			}{asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.RawValue{Tag: tag, Bytes: []byte(value)}})
			require.NoError(t, err)
			set, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: attribute})
			require.NoError(t, err)
			dn, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: set})
			require.NoError(t, err)
			c := server("reg.example.com")
			c.RawSubject = dn
			root := newRoot(t, "Root CA")
			w.compareIfTaken(fmt.Sprintf("tag %d: %q", tag, value), newCert(t, c, edKey("reg"), &root).der)
		}
	}
}

// TestOpenSSLRequestAttributes has what requests hold besides extensions.
func TestOpenSSLRequestAttributes(t *testing.T) {
	w := newWorkshop(t)
	w.key(opensslKeys[4].recipe)
	w.write("attributes.cnf", "[req]\nprompt = no\ndistinguished_name = dn\nattributes = attributes\n[dn]\nCN = reg\n[attributes]\nchallengePassword = not a secret\nunstructuredName = a name\n1.2.3.4.5 = something\n")
	w.compareRequest("attributes", derOf(t, w.must("req -new -key key.pem -config attributes.cnf")))
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "reg"}}, edKey("reg"))
	require.NoError(t, err)
	w.compareRequest("none", der)
}

// TestOpenSSLMutations changes bytes of a certificate that has something of
// everything. Keys that are on no curve are passed over: OpenSSL checks that.
func TestOpenSSLMutations(t *testing.T) {
	w := newWorkshop(t)
	root := newRoot(t, "Root CA")
	der := newCert(t, rich(t), ecKey(t, "reg"), &root).der
	random := randv2.New(randv2.NewPCG(1, 2))
	const rounds = 50
	shown := 0
	for i := range rounds {
		changed := bytes.Clone(der)
		at := random.IntN(len(changed) - 64)
		if changed[at] = byte(random.IntN(256)); changed[at] == '\n' {
			continue // openssl lets it pass, crpki does not
		}
		if w.compareIfTaken(fmt.Sprintf("round %d: byte %d is 0x%02x", i, at, changed[at]), changed) {
			shown++
		}
	}
	assert.Greater(t, shown, rounds/10)
}

func isHarmless(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) < 0
}
