package pki_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
)

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.96.0.0/16":          "10.96.0.0/16",
		"10.96.1.2/16":          "10.96.0.0/16",
		"10.96.0.50":            "10.96.0.50/32",
		"fd00::/8":              "fd00::/8",
		"fd00::1":               "fd00::1/128",
		"::ffff:10.0.0.1":       "10.0.0.1/32",
		"::ffff:10.0.0.0/104":   "10.0.0.0/8",
		"::ffff:10.1.2.3/104":   "10.0.0.0/8",
		"::ffff:0:0/96":         "0.0.0.0/0",
		"::ffff:10.96.0.50/128": "10.96.0.50/32",
		"0.0.0.0/0":             "0.0.0.0/0",
		"::/0":                  "::/0",
	} {
		p, err := pki.ParseNetwork(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, p.String(), text)
	}
	for text, want := range map[string]string{
		"":                   "not a network",
		"10.96/16":           "not a network",
		"10.96.0.0/33":       "not a network",
		"fe80::1%eth0":       "not a network",
		"reg.example.com":    "not a network",
		"::ffff:10.0.0.0/95": "reaches beyond the IPv4 addresses",
	} {
		_, err := pki.ParseNetwork(text)
		assert.ErrorContains(t, err, want, text)
	}
}
