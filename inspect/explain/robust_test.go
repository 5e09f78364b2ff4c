package explain

import (
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// wrappings are what loggers, tools and people put around a message.
var wrappings = map[string]func(string) string{
	"JSON":         func(m string) string { return `{"level":"error","ts":1763719200.1,"msg":` + quoted(m) + `}` },
	"JSON in JSON": func(m string) string { return `{"log":` + quoted(`{"message":`+quoted(m)+`}`) + `,"stream":"stderr"}` },
	"three deep":   func(m string) string { return quoted(quoted(quoted(m))) },
	"journald": func(m string) string {
		return "Nov 21 10:00:00 node1 containerd[812]: time=\"2026-11-21T10:00:00Z\" level=error msg=" + quoted(m)
	},
	"klog": func(m string) string {
		return "E1121 10:00:00.000000    1234 pod_workers.go:1301] \"Error syncing pod\" err=" + quoted(m)
	},
	"zap": func(m string) string {
		return "2026-11-21T10:00:00.000Z\tERROR\tcontroller/controller.go:266\tReconciler error\t{\"error\": " + quoted(m) + "}"
	},
	"logfmt":        func(m string) string { return "ts=2026-11-21T10:00:00Z caller=main.go:1 level=error err=" + quoted(m) },
	"HTML":          func(m string) string { return "<pre>" + html.EscapeString(m) + "</pre>" },
	"percent":       url.PathEscape,
	"query":         url.QueryEscape,
	"kubectl":       func(m string) string { return "  Warning  Failed     5m (x4 over 7m)   kubelet            " + m },
	"colour":        func(m string) string { return "\x1b[31mERRO\x1b[0m " + m },
	"typographic":   func(m string) string { return strings.NewReplacer(`"`, "”", "'", "’").Replace(m) },
	"wrapped":       func(m string) string { return wrap(m, 80) },
	"wrapped at 61": func(m string) string { return wrap(m, 61) },
	"brackets":      func(m string) string { return "[" + m + ", " + m + "]" },
	"capitals":      func(m string) string { return "ERROR: " + m + "." },
	"CRLF":          func(m string) string { return strings.ReplaceAll(m, "\n", "\r\n") + "\r\n" },
	"Karbon":        func(m string) string { return "2026-11-21T10:00:00.849Z registry.go:79: [DEBUG] err: " + m },
}

func wrap(text string, width int) string {
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + "\n")
		text = text[width:]
	}
	return b.String() + text
}

// TestWrapped: what stands around a message changes nothing in what it says.
func TestWrapped(t *testing.T) {
	all := append(samples(t, "testdata/pull-errors.jsonl"), samples(t, "testdata/messages.jsonl")...)
	for name, f := range wrappings {
		t.Run(name, func(t *testing.T) {
			wrong, hosts := 0, 0
			for _, s := range all {
				e := Message(f(s.Message))
				if !s.says(e.Cause) {
					wrong++
					t.Logf("%s, not %s: %s", e.Cause, s.Cause, f(s.Message))
				}
				if e.Host != s.Host {
					hosts++
					t.Logf("%q, not %q: %s", e.Host, s.Host, f(s.Message))
				}
			}
			assert.LessOrEqual(t, wrong, len(all)/100, "wrong cause")
			assert.LessOrEqual(t, hosts, len(all)/33, "wrong host")
		})
	}
}

// TestNoWrongCertainty: a message of which a part is missing or garbled may be
// told as what it was, or as unknown, but not with certainty as something else.
func TestNoWrongCertainty(t *testing.T) {
	all := append(samples(t, "testdata/pull-errors.jsonl"), samples(t, "testdata/messages.jsonl")...)
	random := rand.New(rand.NewPCG(1, 2))
	wrong, tries := 0, 0
	check := func(s sample, text, how string) {
		tries++
		e := Message(text)
		if e.Confidence == High && !s.says(e.Cause) && e.Cause != Other && !slices.Contains(Message(s.Message).Alternatives, e.Cause) {
			wrong++
			t.Logf("%s: %s/%s, not %s: %s", how, e.Cause, e.Detail, s.Cause, text)
		}
	}
	for _, s := range all {
		for range 20 {
			at := random.IntN(len(s.Message))
			check(s, s.Message[:at], "cut at the end")
			check(s, s.Message[:at]+"…", "cut at the end with dots")
			check(s, s.Message[at:], "cut at the beginning")
			b := []byte(s.Message)
			for range 1 + len(b)/40 {
				b[random.IntN(len(b))] = byte(' ' + random.IntN(95))
			}
			check(s, string(b), "garbled")
		}
	}
	t.Logf("%d of %d told wrongly with certainty", wrong, tries)
	assert.LessOrEqual(t, wrong, tries/500)
}

func FuzzMessage(f *testing.F) {
	for _, path := range []string{"testdata/pull-errors.jsonl", "testdata/messages.jsonl"} {
		for _, s := range samples(f, path) {
			f.Add(s.Message)
		}
	}
	f.Add("\\u0000\\u00")
	f.Add("%%%2525&#x;&#99999999999;&quot\x1b[")
	known := Causes()
	f.Fuzz(func(t *testing.T, text string) {
		e := Message(text)
		assert.Contains(t, known, e.Cause)
		assert.NotEmpty(t, Of(e.Detail).Title, e.Detail)
		assert.NotContains(t, e.Alternatives, e.Cause, fmt.Sprint(e))
		e.Next()
		e.Meaning()
		// High needs words that only a failure has.
		if e.Confidence == High {
			assert.NotEmpty(t, e.Evidence)
		}
		if e.Cause == Unknown {
			assert.Equal(t, None, e.Confidence)
			assert.Empty(t, e.Host)
		}
	})
}
