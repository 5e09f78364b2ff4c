package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
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
