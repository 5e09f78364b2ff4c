package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// atTerminal is a world in which a user answers prompts, one after another.
func atTerminal(t *testing.T, answers ...string) (e *env, asked *[]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	e, asked = testEnv(), &[]string{}
	e.stdinTerminal, e.stderrTerminal = true, true
	e.askPassword = func(prompt string) ([]byte, error) {
		*asked = append(*asked, prompt)
		if len(answers) == 0 {
			return nil, errors.New("asked once too often")
		}
		answer := answers[0]
		answers = answers[1:]
		return []byte(answer), nil
	}
	return e, asked
}

func TestGenAsksForPasswords(t *testing.T) {
	e, asked := atTerminal(t, "horse", "horse", "staple", "staple")
	require.Equal(t, exitOK, run(context.Background(), strings.Fields("crpki gen --ip 10.0.0.1 --encrypt-key --encrypt-ca-key"), e))
	assert.Equal(t, []string{"new password for ca.key", "the same again", "new password for tls.key", "the same again"}, *asked)
	for name, password := range map[string]string{"ca.key": "horse", "tls.key": "staple"} {
		data, err := os.ReadFile(filepath.Join("certs", name))
		require.NoError(t, err)
		_, err = format.Decode(name, data, format.Options{Password: func(pki.Origin) ([]byte, error) { return []byte(password), nil }})
		assert.NoError(t, err, name)
	}

	e, asked = atTerminal(t, "horse", "house")
	var stderr bytes.Buffer
	e.stderr = &stderr
	assert.Equal(t, exitUsage, run(context.Background(), strings.Fields("crpki gen --ip 10.0.0.1 --encrypt-key"), e))
	assert.Contains(t, stderr.String(), "the two passwords for tls.key differ")
	assert.NotContains(t, stderr.String(), "horse")
	assert.Len(t, *asked, 2)
	_, err := os.Stat("certs")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestRenewAsksOnceForEachPassword(t *testing.T) {
	e, _ := atTerminal(t, "horse", "horse", "staple", "staple")
	require.Equal(t, exitOK, run(context.Background(), strings.Fields("crpki gen --ip 10.0.0.1 --encrypt-key --encrypt-ca-key --out-dir ."), e))

	folder, err := os.Getwd()
	require.NoError(t, err)
	e, asked := atTerminal(t, "horse", "staple")
	t.Chdir(folder)
	require.Equal(t, exitOK, run(context.Background(), strings.Fields("crpki renew tls.crt"), e))
	assert.Equal(t, []string{"password of ca.key#1", "password of tls.key#1"}, *asked)
}

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{
		"certs/tls.crt": "certs/tls.crt",
		"my certs":      "'my certs'",
		"it's":          `'it'\''s'`,
		"":              "''",
		"$(reboot)":     "'$(reboot)'",
		"*.example.com": "'*.example.com'",
		"a\nb":          "'a\nb'",
	} {
		assert.Equal(t, want, shellQuote(word))
	}
}

// TestGenNeverWritesTwoSANs draws flags at random. Whatever the combination,
// what comes out has one subjectAltName extension.
func TestGenNeverWritesTwoSANs(t *testing.T) {
	random := rand.New(rand.NewPCG(17, 4))
	flags := [][]string{
		{"--ip", "10.96.0.50"},
		{"--ip", "fd00::50,10.0.0.1"},
		{"--dns", "reg.example.com"},
		{"--dns", "*.example.com,reg"},
		{"--san", "https://reg.example.com:5000"},
		{"--san", "IP:10.96.0.50,DNS:bücher.example"},
		{"--uri", "spiffe://prod/reg"},
		{"--email", "ops@example.com"},
		{"--preset", "harbor"},
		{"--service", "infra/registry"},
		{"--client"},
		{"--org", "Acme"},
		{"--intermediate"},
		{"--self-signed"},
		{"--permit-dns", "com,example"},
		{"--permit-ip", "10.0.0.0/8"},
		{"--days", "30"},
		{"--cn", "reg.example.com"},
		{"--namespace", "infra"},
	}
	made := 0
	for range 150 {
		args := []string{"crpki", "gen", "--out-dir", "-", "-q"}
		for _, i := range random.Perm(len(flags))[:1+random.IntN(7)] {
			args = append(args, flags[i]...)
		}
		var stdout, stderr bytes.Buffer
		e := testEnv()
		e.stdout, e.stderr = &stdout, &stderr
		if run(context.Background(), args, e) != exitOK {
			assert.NotEmpty(t, stderr.String(), args)
			assert.Empty(t, stdout.String(), args)
			continue
		}
		made++
		m, err := format.Decode("-", stdout.Bytes(), format.Options{})
		require.NoError(t, err)
		oid := []byte{0x06, 0x03, 0x55, 0x1d, 0x11} // id-ce-subjectAltName
		assert.Equal(t, 1, bytes.Count(m.Certs[0].Raw, oid), args)
		assert.NotEmpty(t, pki.NamesOf(m.Certs[0].X509), args)
	}
	assert.Greater(t, made, 50)
}

// A signal while keys are made ends the program at once, and leaves no file.
func TestGenIsInterrupted(t *testing.T) {
	e, _ := atTerminal(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(signalError{syscall.SIGINT})
	var stderr bytes.Buffer
	e.stderr = &stderr
	assert.Equal(t, exitSignal+int(syscall.SIGINT), run(ctx, strings.Fields("crpki gen --ip 10.0.0.1 --key-type rsa-4096"), e))
	assert.Equal(t, "crpki: interrupted\n", stderr.String())
	_, err := os.Stat("certs")
	assert.ErrorIs(t, err, os.ErrNotExist)
}
