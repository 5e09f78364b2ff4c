package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/cmd/crpki/internal/serve"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// served is `crpki serve` in a process of its own.
type served struct {
	serving
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// startServe runs `crpki serve` on a free port and waits until it is ready.
func startServe(dir string, env []string, args ...string) (*served, error) {
	s := &served{cmd: exec.Command("crpki", append([]string{"serve", "--listen", "127.0.0.1:0", "--for", "1m", "-o", "json"}, args...)...)}
	s.cmd.Dir, s.cmd.Env, s.cmd.Stderr = dir, env, &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.serving)
	}
	if err != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
	return s, err
}

// stop ends it as Ctrl-C does.
func (s *served) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// cmdServe is `serve ARGS…`, which starts a server until the end of the script,
// on a free port, and sets ADDRESS, IMAGE, CA, CERT_DIR and PID; and `serve
// -stop`, which ends it and shows what it said.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: serve ARGS… | serve -stop")
	}
	if len(args) == 1 && args[0] == "-stop" {
		s := ts.Value(running).(*stack).pop()
		ts.Check(s.stop())
		ts.Logf("%s", s.stderr.String())
		ts.Check(os.WriteFile(ts.MkAbs("said"), s.stderr.Bytes(), 0o644))
		return
	}
	s, err := startServe(ts.MkAbs("."), []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "TMPDIR=" + ts.Getenv("TMPDIR")}, args...)
	if err != nil {
		ts.Fatalf("%v: %s", err, s.stderr.String())
	}
	ts.Value(running).(*stack).push(s)
	for name, value := range map[string]string{
		"ADDRESS": s.Address, "IMAGE": s.Image, "CA": s.CAFile, "CERT_DIR": s.CertDir, "PID": strconv.Itoa(s.PID),
	} {
		ts.Setenv(name, value)
	}
}

// running is where a script keeps its servers.
const running = "served"

// stack are the servers of a script.
type stack struct{ servers []*served }

func (s *stack) push(v *served) { s.servers = append(s.servers, v) }

func (s *stack) pop() *served {
	last := s.servers[len(s.servers)-1]
	s.servers = s.servers[:len(s.servers)-1]
	return last
}

func (s *stack) stopAll() {
	for len(s.servers) > 0 {
		s.pop().stop()
	}
}

// TestServeStops: what asks it to stop, does, and with it goes what is
// temporary.
func TestServeStops(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			s, err := startServe(t.TempDir(), append(os.Environ(), "TMPDIR="+t.TempDir()))
			require.NoError(t, err, &s.stderr)
			assert.Equal(t, s.cmd.Process.Pid, s.PID)
			assert.FileExists(t, s.CAFile)
			require.NoError(t, s.cmd.Process.Signal(signal))
			require.NoError(t, s.cmd.Wait())
			assert.NoDirExists(t, s.ClientDir)
		})
	}
}

// TestServeSkopeo: a real client pulls the image and pushes it back.
func TestServeSkopeo(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
	dir := t.TempDir()
	gen := exec.CommandContext(t.Context(), "crpki", "gen", "--ip", "127.0.0.1", "--intermediate", "-q")
	gen.Dir = dir
	require.NoError(t, gen.Run())
	s, err := startServe(dir, append(os.Environ(), "TMPDIR="+t.TempDir()), "--cert", "certs/tls.crt", "--writable")
	require.NoError(t, err, &s.stderr)
	t.Cleanup(func() { assert.NoError(t, s.stop()) })
	require.NoError(t, os.WriteFile(filepath.Join(dir, "signatures.yaml"), []byte("default-docker: {sigstore: file://"+dir+"}\n"), 0o644))
	skopeo := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "skopeo", append([]string{"--insecure-policy", "--registries.d", dir}, args...)...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	out, err := skopeo("inspect", "--cert-dir", s.CertDir, "docker://"+s.Image)
	require.NoError(t, err, out)
	assert.Contains(t, out, `"Digest": "`+serve.ImageDigest()+`"`)
	out, err = skopeo("copy", "--all", "--src-cert-dir", s.CertDir, "docker://"+s.Image, "dir:pulled")
	require.NoError(t, err, out)
	pushed := "docker://" + s.Address + "/pushed:1"
	out, err = skopeo("copy", "--dest-cert-dir", s.CertDir, "dir:pulled", pushed)
	require.NoError(t, err, out)
	out, err = skopeo("copy", "--src-cert-dir", s.CertDir, pushed, "oci:again")
	require.NoError(t, err, out)
	out, err = skopeo("inspect", "docker://"+s.Image)
	require.Error(t, err)
	assert.Contains(t, out, "x509: certificate signed by unknown authority")
}

// TestServeTwoSAN: a certificate that Go's parser refuses is served all the same.
func TestServeTwoSAN(t *testing.T) {
	fault, _ := serve.Find("two-san")
	id, err := serve.NewIdentity(fault, pki.Names{{Kind: pki.IP, Value: "127.0.0.1"}}, time.Now())
	require.NoError(t, err)
	dir := t.TempDir()
	var chain []byte
	for _, der := range id.Certificate.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, err := format.EncodeKey(id.Certificate.PrivateKey.(crypto.Signer))
	require.NoError(t, err)
	for name, data := range map[string][]byte{"tls.crt": chain, "tls.key": key, "ca.crt": format.EncodeCerts(id.CA)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	s, err := startServe(dir, append(os.Environ(), "TMPDIR="+t.TempDir()), "--cert", "tls.crt")
	require.NoError(t, err, &s.stderr)
	t.Cleanup(func() { assert.NoError(t, s.stop()) })

	_, err = tls.Dial("tcp", s.Address, &tls.Config{InsecureSkipVerify: true})
	assert.ErrorContains(t, err, "certificate contains duplicate extension")
	assert.FileExists(t, s.CAFile)
}

// TestServePrintsWhatWorks runs the commands that are printed.
func TestServePrintsWhatWorks(t *testing.T) {
	for _, args := range []string{"--host 127.0.0.1", "--host reg.example.com", "--fault mtls"} {
		t.Run(args, func(t *testing.T) {
			s, err := startServe(t.TempDir(), append(os.Environ(), "TMPDIR="+t.TempDir()), strings.Fields(args)...)
			require.NoError(t, err, &s.stderr)
			t.Cleanup(func() { assert.NoError(t, s.stop()) })
			for _, c := range s.Commands {
				limit := map[string]string{"curl": " --max-time 20", "crpki": " --timeout 20s"}[c.Client]
				if _, err := exec.LookPath(c.Client); limit == "" || err != nil {
					continue // the others need rights, or a policy, that not every machine has
				}
				out, err := exec.CommandContext(t.Context(), "sh", "-c", c.Command+limit).CombinedOutput()
				assert.NoError(t, err, "%s\n%s", c.Command, out)
			}
		})
	}
}

func TestListenAddress(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:5000": "127.0.0.1:5000", "localhost:0": "127.0.0.1:0", ":5000": "[::]:5000",
		"[::1]:443": "[::1]:443", "0.0.0.0:5000": "0.0.0.0:5000",
	} {
		got, err := listenAddress(text)
		require.NoError(t, err, text)
		assert.Equal(t, netip.MustParseAddrPort(want), got)
	}
	for _, text := range []string{"", "5000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:https", "127.0.0.1:65536", "reg.example.com:5000", "[::1", "127.0.0.1:-1"} {
		_, err := listenAddress(text)
		assert.Error(t, err, text)
		assert.Equal(t, exitUsage, exitCode(err), text)
	}
}

// TestServingText: what is printed for people.
func TestServingText(t *testing.T) {
	var out, errs strings.Builder
	e := testEnv()
	e.stdout, e.stderr = &out, &errs
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	t.Setenv("TMPDIR", t.TempDir())
	code := run(ctx, []string{"crpki", "serve", "--fault", "mtls", "--host", "reg.example.com", "--listen", "127.0.0.1:0", "--for", "10ms"}, e)
	require.Equal(t, exitOK, code, errs.String())
	for _, want := range []string{
		"Serving https://reg.example.com:", " (read-only) until 10ms have passed",
		"mtls: clients have to show a certificate", "tls: certificate required",
		"reg.example.com has to lead here", "docker and ctr verify no certificate on loopback",
		"curl --resolve reg.example.com:", "--cert ", "client.key", "skopeo copy --src-cert-dir ", "ctr images pull --hosts-dir ",
	} {
		assert.Contains(t, out.String(), want)
	}
	assert.NotContains(t, out.String(), "PRIVATE KEY")
	assert.NotContains(t, out.String(), "%!")
}
