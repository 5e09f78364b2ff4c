package verify

import (
	"bufio"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

// suiteCase is one line of OpenSSL's own verification cases (test/recipes/25-test_verify.t).
type suiteCase struct {
	Name   string   `json:"name"`
	Args   []string `json:"args"`
	Expect string   `json:"expect"`
}

// TestOpenSSLSuite runs OpenSSL's own cases through the openssl on this machine
// and through this package: the numbers must be the same. CRPKI_SUITES names the
// folder with tv-3.0.22.jsonl and the unpacked openssl-3.0.22/test/certs.
func TestOpenSSLSuite(t *testing.T) {
	dir := os.Getenv("CRPKI_SUITES")
	if dir == "" {
		t.Skip("CRPKI_SUITES names no folder with OpenSSL's test cases")
	}
	file, err := os.Open(filepath.Join(dir, "tv-3.0.22.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	ran, agreed := 0, 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var c suiteCase
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		o, ok := options(t, filepath.Join(dir, "openssl-3.0.22"), c.Args)
		if !ok {
			continue
		}
		ran++
		want := runOpenSSL(t, filepath.Join(dir, "openssl-3.0.22"), c.Args)
		if assert.Equal(t, want, numbers(o.Verify().Problems), "%s: %s", c.Name, strings.Join(c.Args, " ")) {
			agreed++
		}
	}
	t.Logf("%d of %d cases agree", agreed, ran)
}

var problemLine = regexp.MustCompile(`error (\d+) at (\d+) depth lookup`)

func runOpenSSL(t *testing.T, dir string, args []string) string {
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput()
	var codes []string
	for _, m := range problemLine.FindAllStringSubmatch(string(out), -1) {
		codes = append(codes, m[1]+"@"+m[2])
	}
	return strings.Join(codes, " ")
}

func options(t *testing.T, dir string, args []string) (OpenSSL, bool) {
	o := OpenSSL{At: time.Now()}
	read := func(name string) []pki.Cert { return readPEM(t, filepath.Join(dir, name)) }
	var untrusted []pki.Cert
	for i := 1; i < len(args); i++ {
		switch arg := args[i]; arg {
		case "-trusted", "-CAfile":
			i++
			if _, err := os.Stat(filepath.Join(dir, args[i])); err != nil {
				return o, false // made by the recipe itself
			}
			o.Trusted = append(o.Trusted, read(args[i])...)
		case "-untrusted":
			i++
			untrusted = append(untrusted, read(args[i])...)
		case "-purpose":
			i++
			o.Purpose = Purpose(args[i])
		case "-auth_level":
			i++
			o.AuthLevel, _ = strconv.Atoi(args[i])
		case "-verify_depth":
			i++
			n, _ := strconv.Atoi(args[i])
			o.MaxDepth = &n
		case "-attime":
			i++
			n, _ := strconv.ParseInt(args[i], 10, 64)
			o.At = time.Unix(n, 0)
		case "-partial_chain":
			o.PartialChain = true
		case "-x509_strict":
			o.Strict = true
		case "-no_check_time":
			o.IgnoreTime = true
		case "-check_ss_sig":
			o.CheckSelfSigned = true
		default:
			if _, err := os.Stat(filepath.Join(dir, arg)); err != nil {
				return o, false
			}
			o.Presented = append(read(arg)[:1], untrusted...)
		}
	}
	return o, true
}

// TestPitfalls holds the judges against what Go 1.26, OpenSSL 3.0 and GnuTLS 3.7
// said of a hundred made certificates on the day they were made.
func TestPitfalls(t *testing.T) {
	dir := os.Getenv("CRPKI_SUITES")
	if dir == "" {
		t.Skip("CRPKI_SUITES names no folder with the certificates")
	}
	data, err := os.ReadFile(filepath.Join(dir, "pitfall-matrix.jsonl"))
	require.NoError(t, err)
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for line := range strings.Lines(string(data)) {
		var c struct{ Case, Name, Go, GnuTLS, Ossl, Ossl_l2, Ossl_partial, Ossl_strict string }
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		chain, anchors := readPEM(t, filepath.Join(dir, "pitfall", c.Case, "chain.pem")), readPEM(t, filepath.Join(dir, "pitfall", c.Case, "ca.pem"))
		base := OpenSSL{Presented: chain, Trusted: anchors, Host: c.Name, At: at, Purpose: Server}
		l2, partial, strict := base, base, base
		l2.AuthLevel, partial.PartialChain, strict.Strict = 2, true, true
		strict.AuthLevel = 2 // as the column was made
		assertGnuTLS(t, c.Case, c.GnuTLS, GnuTLS{Presented: chain, Trusted: anchors, Host: c.Name, At: at})
		assertGo(t, c.Case, c.Go, Go{Presented: chain, Trusted: anchors, Host: c.Name, At: at})
		for mode, o := range map[string]struct {
			o    OpenSSL
			want string
		}{"plain": {base, c.Ossl}, "level 2": {l2, c.Ossl_l2}, "partial": {partial, c.Ossl_partial}, "strict": {strict, c.Ossl_strict}} {
			got := "ok"
			if problems := o.o.Verify().Problems; len(problems) > 0 {
				got = numbers(problems)
			}
			assert.Equal(t, o.want, got, "%s, %s", c.Case, mode)
		}
	}
}

func numbers(problems []Problem) string {
	var out []string
	for _, p := range problems {
		out = append(out, strconv.Itoa(int(p.Code))+"@"+strconv.Itoa(p.Depth))
	}
	return strings.Join(out, " ")
}

func readPEM(t *testing.T, name string) (out []pki.Cert) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return out
		}
		if strings.HasSuffix(b.Type, "CERTIFICATE") {
			out = append(out, pki.NewCert(pki.Origin{Source: name}, b.Bytes))
		}
	}
}

// assertGo compares as far as the recorded text goes: it was cut off.
func assertGo(t *testing.T, name, want string, g Go) {
	t.Helper()
	got := "ok"
	if err := g.Verify(); err != nil {
		got = err.Error()
		for _, prefix := range []string{"tls: failed to verify certificate: ", "tls: failed to parse certificate from server: "} {
			got = strings.TrimPrefix(got, prefix)
		}
	}
	want = strings.TrimSpace(strings.TrimPrefix(want, "PARSE "))
	want = strings.TrimSuffix(want, "…") // the time was left out
	assert.True(t, strings.HasPrefix(got, want) || strings.HasPrefix(want, got), "%s: Go said %q, we say %q", name, want, got)
}

func assertGnuTLS(t *testing.T, name, want string, g GnuTLS) {
	t.Helper()
	got := "ok"
	if err := g.Verify(); err != nil {
		got = err.Error()
	}
	want = strings.TrimSpace(strings.TrimPrefix(want, "Not verified. "))
	assert.True(t, got == want || want != "" && strings.HasPrefix(got, want), "%s: GnuTLS said %q, we say %q", name, want, got)
}
