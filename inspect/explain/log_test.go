package explain

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bigLog is a log of a node of some size, in bytes: one line in every tells of
// a failure.
func bigLog(size, every int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		if i%every == every-1 {
			fmt.Fprintf(&b, "time=\"2026-11-21T10:%02d:%02d.123456789Z\" level=error msg=\"PullImage \\\"reg%d.local:5000/team/app:%d\\\" failed\" error=\"failed to pull and unpack image \\\"reg%d.local:5000/team/app:1\\\": failed to resolve reference \\\"reg%d.local:5000/team/app:1\\\": failed to do request: Head \\\"https://reg%d.local:5000/v2/team/app/manifests/1\\\": tls: failed to verify certificate: x509: certificate signed by unknown authority\"\n", i/60%60, i%60, i%7, i, i%7, i%7, i%7)
			continue
		}
		fmt.Fprintf(&b, "time=\"2026-11-21T10:%02d:%02d.123456789Z\" level=info msg=\"StartContainer for \\\"%064x\\\" returns successfully\" namespace=k8s.io pod=web-%d\n", i/60%60, i%60, i, i)
	}
	return b.Bytes()
}

func TestLog(t *testing.T) {
	text := strings.Join([]string{
		"I1121 10:00:00.000000 1 main.go:1] all is well",
		`E1121 10:00:01.000000 1 remote_image.go:180] "PullImage from image service failed" err="rpc error: code = Unknown desc = failed to pull and unpack image \"reg.local/a:1\": failed to resolve reference \"reg.local/a:1\": failed to do request: Head \"https://reg.local/v2/a/manifests/1\": x509: certificate signed by unknown authority" image="reg.local/a:1"`,
		"I1121 10:00:02.000000 1 main.go:1] unauthorized people are not admitted, timeouts may occur, see 404",
		`E1121 10:00:03.000000 1 remote_image.go:180] "PullImage from image service failed" err="rpc error: code = Unknown desc = failed to pull and unpack image \"reg.local/a:1\": failed to resolve reference \"reg.local/a:1\": failed to do request: Head \"https://reg.local/v2/a/manifests/1\": x509: certificate signed by unknown authority" image="reg.local/a:1"`,
		`E1121 10:00:04.000000 1 remote_image.go:180] "PullImage from image service failed" err="Get \"https://other.local/v2/\": dial tcp: lookup other.local on 10.0.0.10:53: no such host"`,
		"",
	}, "\n")
	s, err := Log(context.Background(), strings.NewReader(text))
	require.NoError(t, err)
	assert.Equal(t, 5, s.Lines)
	require.Len(t, s.Groups, 2)
	assert.Equal(t, UnknownAuthority, s.Groups[0].Cause)
	assert.Equal(t, [3]int{2, 2, 4}, [3]int{s.Groups[0].Count, s.Groups[0].First, s.Groups[0].Last})
	assert.Equal(t, DNS, s.Groups[1].Cause)
	assert.Equal(t, "other.local", s.Groups[1].Host)
	assert.Equal(t, [3]int{1, 5, 5}, [3]int{s.Groups[1].Count, s.Groups[1].First, s.Groups[1].Last})
}

func BenchmarkLog(b *testing.B) {
	for _, every := range []int{1000, 10, 1} {
		b.Run(fmt.Sprintf("10MB, one line in %d", every), func(b *testing.B) {
			data := bigLog(10<<20, every)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := Log(context.Background(), bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTables(b *testing.B) {
	for b.Loop() {
		newMatcher()
	}
}

// No line is lost or counted twice where one block ends and the next begins.
func TestLogInBlocks(t *testing.T) {
	const every = 5
	data := bigLog(3<<20, every)
	lines := bytes.Count(data, []byte("\n"))
	for name, r := range map[string]io.Reader{"at once": bytes.NewReader(data), "in pieces": iotest.HalfReader(bytes.NewReader(data))} {
		t.Run(name, func(t *testing.T) {
			s, err := Log(context.Background(), r)
			require.NoError(t, err)
			assert.Equal(t, lines, s.Lines)
			count, first, last := 0, lines, 0
			for _, g := range s.Groups {
				count += g.Count
				first, last = min(first, g.First), max(last, g.Last)
			}
			assert.Equal(t, lines/every, count)
			assert.Equal(t, [2]int{every, lines / every * every}, [2]int{first, last})
			assert.Len(t, s.Groups, 7)
		})
	}
}

// A log of which no line ends, or that never ends, takes no more memory, and a
// reader that fails is told.
func TestLogWithoutEnd(t *testing.T) {
	for name, r := range map[string]io.Reader{"zeros": zeros{}, "lines": lines{}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, err := Log(ctx, r)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			runtime.GC()
			runtime.ReadMemStats(&after)
			assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(32<<20))
		})
	}
	_, err := Log(context.Background(), iotest.ErrReader(io.ErrClosedPipe))
	assert.ErrorIs(t, err, io.ErrClosedPipe)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type lines struct{}

func (lines) Read(p []byte) (int, error) {
	const line = "Get \"https://reg.local/v2/\": x509: certificate signed by unknown authority\n"
	n := 0
	for n+len(line) <= len(p) {
		n += copy(p[n:], line)
	}
	return max(n, copy(p, line)), nil
}

func FuzzLog(f *testing.F) {
	f.Add([]byte("a\nb\n"))
	f.Add(bigLog(2000, 2))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Log(context.Background(), bytes.NewReader(data))
		require.NoError(t, err)
		for _, g := range s.Groups {
			assert.Positive(t, g.Count)
			assert.LessOrEqual(t, g.First, g.Last)
			assert.LessOrEqual(t, g.Last, max(1, s.Lines))
		}
	})
}
