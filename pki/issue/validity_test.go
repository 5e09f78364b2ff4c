package issue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/issue"
)

func TestParseLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90d": 90 * issue.Day, "2160h": 90 * issue.Day, "12w": 84 * issue.Day, "1y": 365 * issue.Day,
		"1y30d": 395 * issue.Day, "1h30m": 90 * time.Minute, "45s": 45 * time.Second, "292y": 292 * 365 * issue.Day,
	} {
		got, err := issue.ParseLifetime(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"":                      "must be longer than nothing",
		"0d":                    "must be longer than nothing",
		"90":                    "90 of what?: write it like 90d, 2160h, 12w or 1y",
		"d":                     "a number and a unit are needed",
		"-5d":                   "a number and a unit are needed",
		"1.5y":                  `".5y" is no unit`,
		"3 days":                `" days" is no unit`,
		"90d ":                  "a number and a unit are needed",
		"293y":                  "longer than 292 years",
		"292y292y":              "longer than 292 years",
		"99999999999999999999h": "longer than 292 years",
		"90D":                   `"D" is no unit`,
	} {
		_, err := issue.ParseLifetime(text)
		assert.ErrorContains(t, err, want, text)
	}
}

func FuzzParseLifetime(f *testing.F) {
	for _, text := range []string{"90d", "1y30d", "2160h", "0s", "9223372036854775807s", "1w1w"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := issue.ParseLifetime(text); err == nil {
			assert.Positive(t, d)
		}
	})
}

func TestValidFrom(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 30, 0, 123, time.FixedZone("", 3600))
	v := issue.ValidFrom(at, 825*issue.Day)
	assert.Equal(t, time.Date(2026, 11, 21, 8, 25, 0, 0, time.UTC), v.NotBefore)
	assert.Equal(t, 825*issue.Day, v.NotAfter.Sub(v.NotBefore)+time.Second, "both ends count: Apple sees 825 days")
	assert.Equal(t, 825*issue.Day, v.Lifetime())
	assert.Equal(t, v, issue.ValidAt(v.NotBefore, v.Lifetime()))

	short := issue.ValidFrom(at, 10*time.Minute)
	assert.Equal(t, at.Add(-time.Minute).UTC().Truncate(time.Second), short.NotBefore, "a short life is not spent before it begins")
}

// The encoding changes in 2050 (RFC 5280, 4.1.2.5).
func TestValidityBeyond2050(t *testing.T) {
	ca := newRoot(t, func(r *issue.CARequest) {
		r.Validity = issue.Validity{NotBefore: now, NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}
	})
	assert.Equal(t, 9999, ca.Cert().NotAfter.Year())
	r := leafRequest(names(t, "reg.local"))
	r.Validity = issue.Validity{NotBefore: time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), NotAfter: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)}
	leaf, err := ca.Issue(freshKey(t).Public(), r)
	require.NoError(t, err)
	assert.Equal(t, r.Validity, issue.ValidityOf(leaf))
}
