package explain

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sample is a message with what it says: real ones with the thread in which
// someone asked for help, and others that were made by a client on purpose.
type sample struct {
	Message string `json:"message"`
	Cause   Cause  `json:"cause"`
	// Ambiguous are other causes that the text alone allows.
	Ambiguous []Cause `json:"ambiguous"`
	Detail    string  `json:"detail"`
	Host      string  `json:"host"`
	Role      Role    `json:"role"`
	Client    string  `json:"client"`
	Source    string  `json:"source"`
}

func (s sample) says(c Cause) bool { return c == s.Cause || slices.Contains(s.Ambiguous, c) }

func samples(t testing.TB, path string) (all []sample) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var s sample
		require.NoError(t, json.Unmarshal(in.Bytes(), &s))
		all = append(all, s)
	}
	require.NoError(t, in.Err())
	return all
}

// TestPullErrors: real messages, of which none may be told wrongly. What is
// wrong here sends someone to mend what is not broken.
func TestPullErrors(t *testing.T) {
	all := samples(t, "testdata/pull-errors.jsonl")
	require.Greater(t, len(all), 110)
	for _, s := range all {
		e := Message(s.Message)
		assert.True(t, s.says(e.Cause), "%s, not %s: %s", e.Cause, s.Cause, s.Message)
		assert.Equal(t, s.Host, e.Host, s.Message)
		assert.Equal(t, s.Role, e.Role, s.Message)
		for _, a := range s.Ambiguous {
			assert.True(t, e.Cause == a || slices.Contains(e.Alternatives, a), "%s is possible too: %s", a, s.Message)
		}
	}
}

// TestMessages: what clients print that are in none of the threads, written
// down from their sources and from running them.
func TestMessages(t *testing.T) {
	for _, s := range samples(t, "testdata/messages.jsonl") {
		e := Message(s.Message)
		assert.True(t, s.says(e.Cause), "%s, not %s (%s): %s", e.Cause, s.Cause, e.Evidence, s.Message)
		assert.True(t, e.Cause == s.Cause || e.Confidence != High, "%s for sure: %s", e.Cause, s.Message)
		assert.Equal(t, s.Host, e.Host, s.Message)
		assert.Equal(t, s.Role, e.Role, s.Message)
		assert.Equal(t, s.Client, e.Client, s.Message)
		if s.Detail != "" {
			assert.Equal(t, s.Detail, e.Detail, s.Message)
		}
	}
}

// TestThreads: messages from threads that were looked up when the rules were
// done, and against which none of them was made.
func TestThreads(t *testing.T) {
	for _, s := range samples(t, "testdata/threads.jsonl") {
		e := Message(s.Message)
		assert.True(t, s.says(e.Cause), "%s, not %s (%s): %s", e.Cause, s.Cause, e.Evidence, s.Message)
		assert.Equal(t, s.Host, e.Host, s.Message)
	}
}
