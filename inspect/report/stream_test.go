package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/pki"
)

// TestStreamWritesTheSame: a report in pieces reads like the whole one, in every
// format, also when a target comes in several.
func TestStreamWritesTheSame(t *testing.T) {
	finding := func(source string, line int) inspect.Finding {
		return inspect.Finding{Rule: "expired", Severity: inspect.Error, Origin: pki.Origin{Source: source, Line: line}, Message: "it ended"}
	}
	parts := []inspect.TargetReport{
		{Target: "clean.pem", Findings: []inspect.Finding{}, Certificates: 2},
		{Target: "big.pem", Findings: []inspect.Finding{finding("big.pem", 1)}, Certificates: 3},
		{Target: "big.pem", Findings: []inspect.Finding{finding("big.pem", 90)}, Certificates: 4},
		{Target: "big.pem", Findings: []inspect.Finding{}, Error: "line 99: cut off"},
		{Target: "last.pem", Findings: []inspect.Finding{finding("last.pem", 7)}, Certificates: 1},
	}
	head := inspect.Report{Schema: inspect.Schema, Tool: "crpki", Version: "v1", Time: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	whole := head
	whole.Targets = []inspect.TargetReport{
		parts[0],
		{Target: "big.pem", Findings: []inspect.Finding{finding("big.pem", 1), finding("big.pem", 90)}, Certificates: 7, Error: "line 99: cut off"},
		parts[4],
	}
	for _, format := range Formats() {
		for name, count := range map[string]int{"some": len(parts), "none": 0} {
			t.Run(format+" of "+name, func(t *testing.T) {
				want := whole
				if count == 0 {
					want.Targets = []inspect.TargetReport{}
				}
				var streamed, atOnce bytes.Buffer
				s, err := NewStream(&streamed, format, head, Options{})
				require.NoError(t, err)
				for _, p := range parts[:count] {
					require.NoError(t, s.Add(p))
				}
				require.NoError(t, s.Close())
				require.NoError(t, Write(&atOnce, format, want, Options{}))
				if format == "text" && count > 0 { // which tells at once what cannot be read
					assert.Contains(t, streamed.String(), "10 certificates, 3 targets: 3 errors")
					return
				}
				if format == "github" && count > 0 {
					assert.Equal(t, bytes.Count(atOnce.Bytes(), []byte("\n")), bytes.Count(streamed.Bytes(), []byte("\n")))
					return
				}
				assert.Equal(t, atOnce.String(), streamed.String())
			})
		}
	}
	_, err := NewStream(&bytes.Buffer{}, "xml", head, Options{})
	assert.ErrorContains(t, err, `format "xml" is none of`)
}
