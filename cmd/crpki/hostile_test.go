//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

// ended is what a run of the real program left.
type ended struct {
	code           int
	stdout, stderr string
	elapsed        time.Duration
	cpu            time.Duration // which does not depend on what else is running
	memory         int64         // at most, in bytes
}

// patience is how long a run may take before it counts as one that hangs.
const patience = time.Minute

// crpki runs the real program in dir.
func crpki(t *testing.T, dir string, args ...string) ended {
	t.Helper()
	return finish(t, command(t, dir, args...))
}

// command is the real program, with nothing of the developer's environment.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "crpki", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.WaitDelay = patience // what it has written is read to its end, whoever has the processor meanwhile
	return cmd
}

func finish(t *testing.T, cmd *exec.Cmd) ended {
	t.Helper()
	var stdout, stderr strings.Builder
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	cmd.Stderr = &stderr
	start := time.Now()
	require.NoError(t, cmd.Start())
	gone, peak := make(chan struct{}), make(chan int)
	go func() { peak <- peakMemory(cmd.Process.Pid, gone) }()
	_ = cmd.Wait() // its exit code is looked at by the caller
	close(gone)
	memory := int64(<-peak)
	require.Less(t, time.Since(start), patience, "it hangs: %v", cmd.Args)
	return ended{
		code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(),
		elapsed: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory: memory,
	}
}

// mustRun is crpki that has to succeed.
func mustRun(t *testing.T, dir string, args ...string) ended {
	t.Helper()
	got := crpki(t, dir, args...)
	require.Equal(t, exitOK, got.code, "crpki %s: %s", strings.Join(args, " "), got.stderr)
	return got
}

// snapshot is all that is below dir: path → type, mode and content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		what := info.Mode().String()
		switch {
		case info.Mode().IsRegular() && info.Size() < 1<<20:
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			what += fmt.Sprintf(" %x", sha256.Sum256(data)) // a diff shows no kilobytes
		case info.Mode()&fs.ModeSymlink != 0:
			text, err := os.Readlink(path)
			require.NoError(t, err)
			what += " " + text
		}
		all[path[len(dir):]] = what
		return nil
	}))
	return all
}

// goodFiles makes, in a new folder, one of each thing that commands read.
func goodFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{
		"secret":    "sesame-open\n",
		"wrong":     "sesame-shut\n",
		"spec.json": `{"CN": "reg.local", "hosts": ["reg.local"]}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600))
	}
	for _, args := range []string{
		"gen --ip 10.96.0.50",
		"gen --ip 10.96.0.51 --out-dir other",
		"gen --ip 10.96.0.52 --out-dir locked --encrypt-key --key-password-file secret --encrypt-ca-key --ca-key-password-file secret",
		"csr --ip 10.96.0.53 --out-dir asked",
		"p12 pack certs/tls.crt certs/ca.crt --password-file secret --out tls.p12",
		"gen --self-signed --ip 10.96.0.54 --out-dir self",
	} {
		mustRun(t, dir, strings.Fields(args)...)
	}
	data, err := os.ReadFile(filepath.Join(dir, "certs/tls.key"))
	require.NoError(t, err)
	key, err := x509.ParsePKCS8PrivateKey(der(data))
	require.NoError(t, err)
	legacy, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "legacy.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: legacy}), 0o600))
	return dir
}

// assertNoSecrets demands that text holds no part of a key or password in dir,
// which comes from goodFiles.
func assertNoSecrets(t *testing.T, dir, text, use string) {
	t.Helper()
	assert.NotContains(t, text, "sesame", use)
	for _, name := range []string{"certs/tls.key", "certs/ca.key", "locked/tls.key", "legacy.key"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		for _, line := range strings.Split(string(data), "\n") {
			const part = 8 // characters of Base64
			for i := 0; i+part <= len(line) && !strings.HasPrefix(line, "-----"); i++ {
				if !assert.NotContains(t, text, line[i:i+part], "%s tells of %s", use, name) {
					return
				}
			}
		}
	}
}

// hostileUses are all places where a command takes a file to read: BAD.
var hostileUses = []string{
	"inspect BAD",
	"inspect certs/tls.crt BAD --json",
	"inspect tls.p12 --password-file BAD",
	"bundle BAD",
	"bundle certs/tls.crt BAD",
	"bundle certs/tls.crt --key BAD",
	"bundle BAD --out new.crt",
	"bundle locked/tls.crt locked/tls.key tls.p12 --password-file BAD",
	"csr --ip 10.0.0.1 --key BAD --out-dir new",
	"csr --ip 10.0.0.1 --key locked/tls.key --key-password-file BAD --out-dir new",
	"sign BAD --ca certs/ca.crt --out-dir new",
	"sign asked/tls.csr --ca BAD --out-dir new",
	"sign asked/tls.csr --ca certs/ca.crt --ca-key BAD --out-dir new",
	"sign asked/tls.csr --ca locked/ca.crt --ca-key-password-file BAD --out-dir new",
	"gen --ip 10.0.0.1 --ca BAD --out-dir new",
	"gen --ip 10.0.0.1 --ca certs/ca.crt --ca-key BAD --out-dir new",
	"gen --ip 10.0.0.1 --ca locked/ca.crt --ca-key-password-file BAD --out-dir new",
	"gen --ip 10.0.0.1 --key BAD --out-dir new",
	"gen --ip 10.0.0.1 --key locked/tls.key --key-password-file BAD --out-dir new",
	"gen --ip 10.0.0.1 --apply --secret registry-tls --kubeconfig BAD --out-dir new",
	"gen --spec BAD --out-dir new",
	"gen --spec spec.json --spec-config BAD --out-dir new",
	"renew BAD",
	"renew certs/tls.crt --ca BAD",
	"renew certs/tls.crt --ca certs/ca.crt --ca-key BAD",
	"renew certs/tls.crt --key BAD --reuse-key",
	"renew locked/tls.crt --reuse-key --key-password-file BAD --ca-key-password-file secret",
	"renew locked/tls.crt --key-password-file secret --ca-key-password-file BAD",
	"p12 pack BAD --password-file secret",
	"p12 pack certs/tls.crt BAD --password-file secret --out new.p12",
	"p12 pack certs/tls.crt --password-file BAD --out new.p12",
	"p12 pack locked/tls.crt --key-password-file BAD --password-file secret --out new.p12",
	"p12 trust BAD --password-file secret",
	"p12 trust certs/ca.crt --password-file BAD",
	"p12 trust tls.p12 --in-password-file BAD --password-file secret",
	"p12 trust certs/ca.crt BAD --password-file secret",
	"p12 unpack BAD --password-file secret --out-dir new",
	"p12 unpack tls.p12 --password-file BAD --out-dir new",
	"p12 unpack tls.p12 --password-file secret --encrypt-key --key-password-file BAD --out-dir new",
	"verify BAD --ca-file certs/ca.crt",
	"verify certs/tls.crt --ca-file BAD",
	"verify certs/tls.crt --ca-file certs/ca.crt --untrusted BAD",
	"verify tls.p12 --ca-file certs/ca.crt --password-file BAD",
	"probe 127.0.0.1:1 --ca-file BAD",
	"probe 127.0.0.1:1 --ca-file tls.p12 --password-file BAD",
	"probe 127.0.0.1:1 --ca-file certs/ca.crt --cert BAD",
	"probe 127.0.0.1:1 --ca-file certs/ca.crt --cert certs/tls.crt --key BAD",
	"probe 127.0.0.1:1 --ca-file certs/ca.crt --username u --login-password-file BAD",
	"probe --targets-from BAD --ca-file certs/ca.crt",
	"values --for helm --cert BAD",
	"values --for helm --cert certs/tls.crt --key BAD",
	"values --for helm --cert certs/tls.crt --ca BAD",
	"values --for helm --cert locked/tls.crt --key-password-file BAD",
	"values --for connected-registry --cluster-ip 10.96.0.50 --connection-string-file BAD",
	"values --for helm --from certs --into BAD",
	"values --for arc --from certs --into BAD",
	"preflight BAD",
	"preflight --set service.clusterIP=10.96.0.50 --set cert-manager.install=false --kubeconfig BAD",
	"trust check reg.local --root . --runtime podman --cert BAD",
	"trust check reg.local --roots-from BAD --runtime podman --cert certs/tls.crt",
	"trust install reg.local --root . --runtime podman --dry-run --ca BAD",
	"trust render reg.local --runtime podman --ca BAD",
	"serve --cert BAD --for 1ms --listen 127.0.0.1:0",
	"serve --cert certs/tls.crt --key BAD --for 1ms --listen 127.0.0.1:0",
	"serve --cert certs/tls.crt --ca-file BAD --for 1ms --listen 127.0.0.1:0",
	"serve --cert tls.p12 --password-file BAD --for 1ms --listen 127.0.0.1:0",
	"secret registry-tls --from BAD",
	"secret registry-tls --cert BAD --key certs/tls.key",
	"secret registry-tls --cert certs/tls.crt --key BAD",
	"secret registry-tls --cert certs/tls.crt --key certs/tls.key --ca BAD",
	"secret registry-tls --cert locked/tls.crt --key locked/tls.key --password-file BAD",
	"secret registry-tls --from certs --apply --kubeconfig BAD",
	"secret get infra/registry-tls --kubeconfig BAD",
	"secret list --kubeconfig BAD",
	"triage --kubeconfig BAD",
	"pull-secret registry-pull --docker-config BAD",
	"pull-secret registry-pull --registry reg --username puller --password-file BAD",
	"pull-secret registry-pull --registry reg --username puller --password-file secret --apply --kubeconfig BAD",
}

// told are the commands that tell in their report, on standard output, what they
// cannot read.
var told = []string{"lint", "explain"}

// TestHostileUsesAreComplete demands a place in hostileUses for each flag that
// takes a file, and each command that takes one as its argument.
func TestHostileUsesAreComplete(t *testing.T) {
	var walk func(name string, commands []*cli.Command)
	walk = func(name string, commands []*cli.Command) {
		for _, c := range commands {
			name := strings.TrimSpace(name + " " + c.Name)
			uses := slices.DeleteFunc(slices.Clone(hostileUses), func(use string) bool { return !strings.HasPrefix(use, name+" ") })
			all := strings.Join(uses, "\n")
			if c.Hidden || slices.Contains(told, name) {
				continue
			}
			if c.ArgsUsage != "" && c.ArgsUsage != "[-]" && c.ArgsUsage != "REF" {
				assert.NotEmpty(t, uses, name)
			}
			for _, f := range c.Flags {
				if s, ok := f.(*cli.StringFlag); ok && s.TakesFile && placeholder(f) == "FILE" && s.Name != "out" {
					assert.Contains(t, all, "--"+s.Name+" BAD", "crpki %s --%s", name, s.Name)
				}
			}
			walk(name, c.Subcommands)
		}
	}
	walk("", newApp(testEnv()).Commands)
}

// hostileFile is a file that nobody wants to be given.
type hostileFile struct {
	// make makes it at path, with good files in the folder dir.
	make func(t *testing.T, dir, path string)
	// says is in the message of every command.
	says string
	// fits are the uses for which it is not hostile.
	fits func(use string) bool
}

func content(data []byte) func(*testing.T, string, string) {
	return func(t *testing.T, _, path string) { require.NoError(t, os.WriteFile(path, data, 0o600)) }
}

// from makes a file of what change makes of another.
func from(name string, change func([]byte) []byte) func(*testing.T, string, string) {
	return func(t *testing.T, dir, path string) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, change(data), 0o600))
	}
}

func half(data []byte) []byte { return data[:len(data)/2] }

func der(data []byte) []byte {
	block, _ := pem.Decode(data)
	return block.Bytes
}

func noise(n int) []byte {
	random := rand.NewChaCha8([32]byte{1})
	data := make([]byte, n)
	random.Read(data)
	return data
}

// sparse is a file that takes no room on the disk.
func sparse(begin string, size int64) func(*testing.T, string, string) {
	return func(t *testing.T, _, path string) {
		require.NoError(t, os.WriteFile(path, []byte(begin), 0o600))
		require.NoError(t, os.Truncate(path, size))
	}
}

func takesPassword(use string) bool { return strings.Contains(use, "password-file BAD") }

var hostileFiles = map[string]hostileFile{
	"missing":             {make: func(*testing.T, string, string) {}, says: "no such file or directory"},
	"empty":               {make: content(nil), says: "it is empty"},
	"white space":         {make: content([]byte(" \r\n\t\n")), says: "it holds nothing but white space"},
	"half a certificate":  {make: from("certs/tls.crt", half), fits: takesPassword},
	"half a key":          {make: from("certs/tls.key", half), fits: takesPassword},
	"half a request":      {make: from("asked/tls.csr", half), fits: takesPassword},
	"half a DER":          {make: from("certs/tls.crt", func(b []byte) []byte { return half(der(b)) }), fits: takesPassword},
	"half a PKCS#12":      {make: from("tls.p12", half), fits: takesPassword},
	"random bytes":        {make: content(noise(5000)), fits: takesPassword},
	"zeros":               {make: content(make([]byte, 5000)), fits: takesPassword},
	"a broken PEM block":  {make: content([]byte("-----BEGIN CERTIFICATE-----\nMIIB!!!!\n-----END CERTIFICATE-----\n")), fits: takesPassword},
	"PEM with no content": {make: content([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")), fits: takesPassword},
	"a nest of DER":       {make: content(bytes.Repeat([]byte{0x30, 0x80}, 100_000)), fits: takesPassword},
	"a length that lies":  {make: content([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x30, 0x03}), fits: takesPassword},
	"100 MB of zeros":     {make: sparse("", 100<<20), says: "larger than 32 MiB"},
	"100 MB behind a PEM": {make: sparse("-----BEGIN CERTIFICATE-----\n", 100<<20), says: "larger than 32 MiB"},
	"without end": {make: func(t *testing.T, _, path string) {
		require.NoError(t, os.Symlink("/dev/zero", path))
	}, says: "larger than 32 MiB", fits: func(use string) bool { // all read alike, and this one takes its time
		return !strings.HasPrefix(use, "inspect ") && !strings.HasPrefix(use, "gen ")
	}},
	"a folder": {make: func(t *testing.T, _, path string) {
		require.NoError(t, os.Mkdir(path, 0o755))
	}},
	"a link to nothing": {make: func(t *testing.T, _, path string) {
		require.NoError(t, os.Symlink("nowhere", path))
	}, says: "no such file or directory"},
	"a link to itself": {make: func(t *testing.T, _, path string) {
		require.NoError(t, os.Symlink(filepath.Base(path), path))
	}, says: "too many levels of symbolic links"},
}

// judged is true when a chain was found to be bad: that is no misuse of bundle
// and verify, which say which certificates cannot be read.
func judged(use string, got ended) bool {
	return (strings.HasPrefix(use, "bundle ") || strings.HasPrefix(use, "verify ")) && got.code == exitBad
}

func assertNoPanic(t *testing.T, got ended, use string) {
	t.Helper()
	assert.NotRegexp(t, `panic|goroutine|runtime error`, got.stdout+got.stderr, use)
	assert.NotEqual(t, -1, got.code, "%s: ended by a signal", use)
}

// TestHostileFiles gives each hostile file to each command that reads one: it
// says so and exits with 2, changes nothing, and takes neither long nor much.
func TestHostileFiles(t *testing.T) {
	good := goodFiles(t)
	for name, file := range hostileFiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, exec.Command("cp", "-a", good+"/.", dir).Run())
			bad := filepath.Join(dir, "bad")
			file.make(t, dir, bad)
			before := snapshot(t, dir)
			for _, use := range hostileUses {
				if file.fits != nil && file.fits(use) {
					continue
				}
				got := crpki(t, dir, strings.Fields(strings.ReplaceAll(use, "BAD", "bad"))...)
				if !judged(use, got) {
					assert.Equal(t, exitUsage, got.code, "%s: %s%s", use, got.stdout, got.stderr)
					assert.Contains(t, got.stderr, "bad", use)
				}
				assert.Regexp(t, `^crpki: `, got.stderr, use)
				assert.Contains(t, got.stderr, file.says, use)
				assertNoPanic(t, got, use)
				assertNoSecrets(t, dir, got.stderr, use)
				assert.Less(t, len(got.stderr), 2000, "%s: %s", use, got.stderr)
				if !strings.HasPrefix(use, "inspect") { // which shows what can be read
					assert.Empty(t, got.stdout, use)
				}
				assert.Less(t, got.cpu, 5*time.Second, use)
				assert.Less(t, got.memory, int64(300<<20), use)
				require.Equal(t, before, snapshot(t, dir), use)
			}
		})
	}
}

// endless is a stream of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestEndlessStdin gives a stream without end to each command that reads one.
func TestEndlessStdin(t *testing.T) {
	dir := goodFiles(t)
	before := snapshot(t, dir)
	for _, use := range []string{
		"inspect -",
		"bundle -",
		"sign - --ca certs/ca.crt",
		"csr --ip 10.0.0.1 --key -",
		"gen --ip 10.0.0.1 --ca - --out-dir new",
		"gen --ip 10.0.0.1 --key locked/tls.key --key-password-file - --out-dir new",
		"gen --spec - --out-dir new",
		"p12 pack - --password-file secret --out new.p12",
		"p12 trust - --password-file secret --out new.p12",
		"p12 unpack - --password-file secret --out-dir new",
	} {
		cmd := command(t, dir, strings.Fields(use)...)
		cmd.Stdin = endless{}
		got := finish(t, cmd)
		assert.Equal(t, exitUsage, got.code, use)
		assert.Regexp(t, `^crpki: .*read standard input: it is larger than 32 MiB\n  hint: `, got.stderr, use)
		assert.Empty(t, got.stdout, use)
		assertNoPanic(t, got, use)
		assert.Less(t, got.memory, int64(300<<20), use)
		require.Equal(t, before, snapshot(t, dir), use)
	}
}

// TestWrongSecrets gives passwords and keys that do not fit. The message says
// which file is meant, and nothing of what is in it.
func TestWrongSecrets(t *testing.T) {
	dir := goodFiles(t)
	before := snapshot(t, dir)
	for use, says := range map[string]string{
		"csr --ip 10.0.0.1 --key locked/tls.key --key-password-file wrong --out-dir new":           "locked/tls.key#1: the password is wrong",
		"gen --ip 10.0.0.1 --key locked/tls.key --key-password-file wrong --out-dir new":           "locked/tls.key#1: the password is wrong",
		"gen --ip 10.0.0.1 --ca locked/ca.crt --ca-key-password-file wrong --out-dir new":          "locked/ca.key#1: the password is wrong",
		"gen --ip 10.0.0.1 --ca tls.p12 --ca-key-password-file wrong --out-dir new":                "tls.p12: the password is wrong",
		"sign asked/tls.csr --ca locked/ca.crt --ca-key-password-file wrong --out-dir new":         "locked/ca.key#1: the password is wrong",
		"renew locked/tls.crt --reuse-key --key-password-file wrong --ca-key-password-file secret": "locked/tls.key#1: the password is wrong",
		"renew locked/tls.crt --key-password-file secret --ca-key-password-file wrong":             "locked/ca.key#1: the password is wrong",
		"p12 pack locked/tls.crt --key-password-file wrong --password-file secret --out new.p12":   "locked/tls.key#1: the password is wrong",
		"p12 unpack tls.p12 --password-file wrong --out-dir new":                                   "tls.p12: the password is wrong",
		"p12 trust tls.p12 --in-password-file wrong --password-file secret --out new.p12":          "tls.p12: the password is wrong",
		"inspect tls.p12 --password-file wrong":                                                    "tls.p12: the password is wrong",
		"bundle tls.p12 --password-file wrong":                                                     "tls.p12: the password is wrong",

		"csr --ip 10.0.0.1 --key locked/tls.key --out-dir new":                      "locked/tls.key#1 needs a password.*\n  hint: use --key-password-file FILE",
		"gen --ip 10.0.0.1 --ca locked/ca.crt --out-dir new":                        "locked/ca.key#1 needs a password.*\n  hint: use --ca-key-password-file FILE",
		"p12 unpack tls.p12 --out-dir new":                                          "tls.p12 needs a password.*\n  hint: use --password-file FILE",
		"p12 unpack tls.p12 --password-env sesame --out-dir new":                    "--password-env: that environment variable is not set.*\n  hint: give the name",
		"p12 unpack tls.p12 --password-file gone --out-dir new":                     "read gone: no such file or directory",
		"gen --ip 10.0.0.1 --ca certs/ca.crt --ca-key other/ca.key":                 "certs/ca.crt: .*the key is not the key of this certificate.*\n  hint: the key is in other/ca.key",
		"sign asked/tls.csr --ca certs/ca.crt --ca-key other/ca.key --out-dir new":  "certs/ca.crt: .*the key is not the key of this certificate.*\n  hint: the key is in other/ca.key",
		"renew certs/tls.crt --key other/tls.key --reuse-key":                       "other/tls.key is not the key of certs/tls.crt\n  hint: say where the key is: --key FILE",
		"renew certs/tls.crt --key other/tls.key":                                   "other/tls.key is not the key of certs/tls.crt\n  hint: say where the key is: --key FILE",
		"renew certs/tls.crt --ca other/ca.crt":                                     "other/ca.crt: .*\n  hint: to take a certificate from another CA: crpki gen --ca other/ca.crt",
		"p12 pack certs/tls.crt other/tls.key --password-file secret --out new.p12": "the private key .*belongs to no certificate: there is .*certs/tls.crt#1.*\n  hint: is the certificate, or the key, an older one",
		"bundle certs/tls.crt certs/ca.crt --key other/tls.key":                     "the private key other/tls.key belongs to none of the certificates",

		"gen --ip 10.0.0.1 --ca certs/tls.crt --ca-key certs/tls.key --out-dir new": "certs/tls.crt: .*it is not a CA certificate",
		"gen --ip 10.0.0.1 --ca certs/ca.key --out-dir new":                         "certs/ca.key: there is no certificate in it",
		"gen --ip 10.0.0.1 --key certs/tls.crt --out-dir new":                       "certs/tls.crt: there is no private key in it",
		"gen --spec certs/tls.key --out-dir new":                                    "certs/tls.key:1:1: .*this is PEM",
		"gen --spec legacy.key --out-dir new":                                       "legacy.key:1:1: .*this is PEM",
		"gen --spec spec.json --spec-config legacy.key --out-dir new":               "spec.json: legacy.key: ",
		"csr --ip 10.0.0.1 --key certs/tls.crt --out-dir new":                       "certs/tls.crt: there is no private key in it",
		"sign certs/tls.crt --ca certs/ca.crt --out-dir new":                        "certs/tls.crt: it holds a certificate, and no signing request\n  hint: .*crpki renew certs/tls.crt",
		"sign certs/tls.key --ca certs/ca.crt --out-dir new":                        "certs/tls.key: .*no signing request",
		"renew certs/tls.key":                                                       "certs/tls.key: there is no certificate in it",
		"renew asked/tls.csr":                                                       "asked/tls.csr: there is no certificate in it",
		"p12 trust certs/ca.key --password-file secret --out new.p12":               "certs/ca.key: there is no certificate to trust",
		"p12 unpack certs/tls.crt --password-file secret --out-dir new":             "certs/tls.crt is not PKCS#12\n  hint: crpki inspect certs/tls.crt",
		"bundle certs/ca.key":                                                       "certs/ca.key",
	} {
		got := crpki(t, dir, strings.Fields(use)...)
		if !judged(use, got) {
			assert.Equal(t, exitUsage, got.code, "%s: %s%s", use, got.stdout, got.stderr)
		}
		assert.Regexp(t, `^crpki: `, got.stderr, use)
		assert.Regexp(t, says, got.stderr, use)
		assertNoPanic(t, got, use)
		assertNoSecrets(t, dir, got.stdout+got.stderr, use)
		require.Equal(t, before, snapshot(t, dir), use)
	}
}

// TestPasswordFromPipe opens two things with a password from a pipe, as
// --password-file <(pass registry) gives it.
func TestPasswordFromPipe(t *testing.T) {
	dir := goodFiles(t)
	cmd := command(t, dir, "bundle", "locked/tls.crt", "locked/tls.key", "locked/ca.key", "locked/ca.crt", "--password-file", "/dev/fd/3")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	_, err = w.WriteString("sesame-open\n")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	defer r.Close()
	cmd.ExtraFiles = []*os.File{r}
	got := finish(t, cmd)
	assert.Equal(t, exitOK, got.code, got.stderr)
	assert.Contains(t, got.stdout, "-----BEGIN CERTIFICATE-----")
}

// target is a file that a command replaces. What the command also reads, it has
// opened before it looks at what it may write.
type target struct {
	path   string
	isRead bool
}

func written(paths ...string) (targets []target) {
	for _, path := range paths {
		targets = append(targets, target{path: path})
	}
	return targets
}

// writingUses are all commands that write files, with the files of goodFiles
// that each replaces.
var writingUses = map[string][]target{
	"gen --ip 10.0.0.1 --force":                                           written("certs/tls.crt", "certs/tls.key", "certs/ca.crt", "certs/ca.key"),
	"gen --ip 10.0.0.1 --self-signed --force":                             written("certs/tls.crt", "certs/tls.key", "certs/ca.crt"),
	"gen --ip 10.0.0.1 --ca other/ca.crt --force":                         written("certs/tls.crt", "certs/tls.key"),
	"csr --ip 10.0.0.1 --out-dir asked --force":                           written("asked/tls.csr", "asked/tls.key"),
	"sign asked/tls.csr --ca other/ca.crt --out-dir certs --force":        written("certs/tls.crt", "certs/ca.crt"),
	"renew certs/tls.crt":                                                 {{"certs/tls.key", true}},
	"renew certs/tls.crt --key certs/new.key":                             {{"certs/new.key", true}},
	"bundle other/tls.crt other/ca.crt --out certs/tls.crt --force":       written("certs/tls.crt"),
	"p12 pack certs/tls.crt --password-file secret --out tls.p12 --force": written("tls.p12"),
	"p12 trust certs/ca.crt --password-file secret --out tls.p12 --force": written("tls.p12"),
	"p12 unpack tls.p12 --password-file secret --out-dir other --force":   written("other/tls.crt", "other/tls.key"),
}

// TestHostileTargets puts, in the place of each file that a command would
// replace, something that it must not write to.
func TestHostileTargets(t *testing.T) {
	for what, obstacle := range map[string]struct {
		put  func(path string) error
		says string
	}{
		"a link to another file": {func(path string) error { return os.Symlink("../precious", path) }, "it is a symbolic link to ../precious; name that file itself, or remove the link"},
		"a link to nothing":      {func(path string) error { return os.Symlink("nowhere", path) }, "it is a symbolic link to nowhere; name that file itself, or remove the link"},
		"a folder":               {func(path string) error { return os.Mkdir(path, 0o755) }, "it is a directory, not a file"},
		"a pipe":                 {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "it is a named pipe, not a file"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := goodFiles(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "precious"), []byte("precious"), 0o600))
			for use, targets := range writingUses {
				for _, target := range targets {
					if what == "a pipe" && target.isRead {
						continue // it waits for what somebody may write to the pipe
					}
					path := filepath.Join(dir, target.path)
					saved := path + ".saved"
					if err := os.Rename(path, saved); !errors.Is(err, fs.ErrNotExist) {
						require.NoError(t, err)
					}
					require.NoError(t, obstacle.put(path))
					before := snapshot(t, dir)
					got := crpki(t, dir, strings.Fields(use)...)
					assert.Equal(t, exitUsage, got.code, "%s over %s: %s", use, target.path, got.stdout)
					if !target.isRead {
						assert.Contains(t, got.stderr, "write "+target.path+": "+obstacle.says, use)
					}
					assert.Contains(t, got.stderr, target.path, use)
					assert.Empty(t, got.stdout, use)
					assertNoPanic(t, got, use)
					require.Equal(t, before, snapshot(t, dir), use)
					require.NoError(t, os.Remove(path))
					if err := os.Rename(saved, path); !errors.Is(err, fs.ErrNotExist) {
						require.NoError(t, err)
					}
				}
			}
		})
	}
}

// TestReadOnlyFolder runs, as a user who may not write there, all that writes.
func TestReadOnlyFolder(t *testing.T) {
	dir := goodFiles(t)
	as := unprivileged(t, dir)
	folders := []string{"certs", "other", "asked", "."}
	for _, folder := range folders {
		require.NoError(t, os.Chmod(filepath.Join(dir, folder), 0o555))
	}
	t.Cleanup(func() { // for the removal of the folder
		for _, folder := range folders {
			assert.NoError(t, os.Chmod(filepath.Join(dir, folder), 0o755))
		}
	})
	before := snapshot(t, dir)
	for _, use := range slices.Concat(slices.Collect(maps.Keys(writingUses)), newFileUses) {
		for _, dry := range []string{"", " --dry-run"} {
			if dry != "" && !hasDryRun(use) {
				continue
			}
			cmd := command(t, dir, strings.Fields(use+dry)...)
			cmd.SysProcAttr = as
			got := finish(t, cmd)
			assert.Equal(t, exitUsage, got.code, "%s: %s", use+dry, got.stdout)
			assert.Regexp(t, `(?m)^crpki: .*: permission denied.*\n  hint: run crpki as a user who may write there$`, got.stderr, use+dry)
			assert.Empty(t, got.stdout, use+dry)
			assertNoPanic(t, got, use+dry)
			require.Equal(t, before, snapshot(t, dir), use+dry)
		}
	}
}

// newFileUses write to where nothing is.
var newFileUses = []string{
	"gen --ip 10.0.0.1 --out-dir new",
	"gen --ip 10.0.0.1 --ca certs/ca.crt --name second",
	"gen --spec spec.json --out-dir specified",
	"csr --ip 10.0.0.1 --out-dir new/deep",
	"bundle other/tls.crt other/ca.crt --out new.crt",
	"p12 pack certs/tls.crt --password-file secret --out new.p12",
	"p12 unpack tls.p12 --password-file secret --out-dir unpacked",
}

func hasDryRun(use string) bool {
	return strings.HasPrefix(use, "gen ") || strings.HasPrefix(use, "renew ")
}

// unprivileged makes dir belong to a user without rights, and lets a command run
// as that one: root may write everywhere.
func unprivileged(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	const nobody = 65534
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		require.NoError(t, err)
		return os.Lchown(path, nobody, nobody)
	}))
	program, err := exec.LookPath("crpki")
	require.NoError(t, err)
	for _, path := range []string{dir, program} {
		for temp := filepath.Clean(os.TempDir()); strings.HasPrefix(path, temp+"/"); path = filepath.Dir(path) {
			require.NoError(t, os.Chmod(path, 0o755)) // folders of this run, for its user alone
		}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}
