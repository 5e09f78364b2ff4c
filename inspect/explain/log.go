package explain

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
)

// Group is a failure that a log tells of once or many times.
type Group struct {
	Explanation
	Count int
	// First and Last are line numbers, from 1.
	First, Last int
}

// Summary is what a log tells of.
type Summary struct {
	// Groups are the failures, the most frequent first.
	Groups []Group
	// Lines is how many lines the log has.
	Lines int
	// Omitted counts messages beyond [MaxGroups] different ones.
	Omitted int
}

// MaxGroups bounds how many different failures are kept of a log.
const MaxGroups = 1000

// blockSize is how much of a log one worker takes at a time, in bytes.
const blockSize = 256 << 10

// maxRecord bounds a record, in bytes: a longer line is looked at in pieces.
const maxRecord = 64 << 10

// key is what makes two messages tell of the same failure. The image and who
// says it differ: kubelet repeats what containerd says, for each pod.
type key struct {
	cause        Cause
	detail, host string
}

type found struct {
	line int
	Explanation
}

// Log explains all messages in a log of any length, in bounded memory and on
// all processors. When no line tells of a failure with some certainty, the
// beginning of the log is taken as one message, and is the only group.
func Log(ctx context.Context, r io.Reader) (Summary, error) {
	m := tables()
	type result struct {
		found []found
		lines int
	}
	type job struct {
		block []byte
		out   chan result
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	jobs, pending := make(chan job, workers), make(chan chan result, 2*workers)
	blocks := sync.Pool{New: func() any { return new([]byte) }}
	for range workers {
		go func() {
			for j := range jobs {
				var res result
				res.found, res.lines = m.block(j.block)
				j.out <- res
				blocks.Put(&j.block)
			}
		}()
	}
	var readErr error
	var head []byte
	go func() {
		defer close(pending)
		defer close(jobs)
		in := bufio.NewReaderSize(r, 64<<10)
		var rest []byte
		for {
			block := append((*blocks.Get().(*[]byte))[:0], rest...)
			var err error
			block, err = fill(in, block, len(rest)+blockSize)
			if err != nil && !errors.Is(err, io.EOF) {
				readErr = err
				return
			}
			if head == nil {
				head = bytes.Clone(block[:min(len(block), maxMessage)])
			}
			cut := len(block)
			if err == nil {
				cut = lastRecord(block)
			}
			rest = append(rest[:0], block[cut:]...)
			j := job{block[:cut], make(chan result, 1)}
			select {
			case pending <- j.out:
			case <-ctx.Done():
				readErr = context.Cause(ctx) // what was read is not the whole log
				return
			}
			jobs <- j
			if err != nil {
				return
			}
		}
	}()
	var s Summary
	groups := map[key]*Group{}
	for {
		var out chan result
		var more bool
		select {
		case out, more = <-pending:
		case <-ctx.Done():
			return s, context.Cause(ctx)
		}
		if !more {
			break
		}
		res := <-out
		for _, f := range res.found {
			k := key{f.Cause, f.Detail, f.Host}
			g, ok := groups[k]
			switch {
			case ok:
				g.add(f.Explanation)
				g.Last = s.Lines + f.line
			case len(groups) == MaxGroups:
				s.Omitted++
			default:
				groups[k] = &Group{f.Explanation, 1, s.Lines + f.line, s.Lines + f.line}
			}
		}
		s.Lines += res.lines
	}
	if len(groups) == 0 && readErr == nil {
		s.Groups = []Group{{m.explain(unwrap(head)), 1, 1, max(1, s.Lines)}}
	}
	for _, g := range groups {
		s.Groups = append(s.Groups, *g)
	}
	slices.SortFunc(s.Groups, func(a, b Group) int { return cmp.Or(b.Count-a.Count, a.First-b.First) })
	return s, readErr
}

// add counts another message, and takes from it what the others do not tell.
func (g *Group) add(e Explanation) {
	g.Count++
	if g.Confidence != High && e.Confidence == High {
		image := g.Image
		if g.Explanation = e; g.Image == "" {
			g.Image = image
		}
	}
	if g.Image == "" {
		g.Image = e.Image
	}
}

// fill reads until block is size long.
func fill(in io.Reader, block []byte, size int) ([]byte, error) {
	from := len(block)
	block = slices.Grow(block, size-from)[:size]
	n, err := io.ReadFull(in, block[from:])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return block[:from+n], err
}

// lastRecord is where the last record of block begins: what stands before can
// be looked at without it. A block without line breaks is taken as a whole.
func lastRecord(block []byte) int {
	end := len(block)
	for range 16 {
		at := bytes.LastIndexByte(block[:end], '\n')
		if at < 0 || len(block)-at > maxRecord {
			break
		}
		if !continues(block[:at], block[at+1:]) {
			return at + 1
		}
		end = at
	}
	if at := bytes.LastIndexByte(block, '\n'); at >= 0 {
		return at + 1
	}
	return len(block)
}

// continues is true when a line belongs to the one before: that one ends
// in the middle of something, or this one is indented.
func continues(before, line []byte) bool {
	before = before[bytes.LastIndexByte(before, '\n')+1:]
	if len(before) == 0 || len(line) == 0 || line[0] == '\n' {
		return false
	}
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	last := bytes.TrimRight(before, " \t\r")
	switch {
	case len(last) == 0:
		return false
	case starts(line):
		return false
	case len(before) == len(line) && len(before) >= 60, len(before) >= 60 && len(before) > len(line) && isTerminalWidth(len(before)):
		return true
	case len(last) < len(before) && last[len(last)-1] == ':', last[len(last)-1] == '\\':
		return true
	}
	return (line[0] == ' ' || line[0] == '\t') && len(bytes.TrimSpace(line)) > 0 && !starts(bytes.TrimSpace(line))
}

func isTerminalWidth(n int) bool { return n == 80 || n == 100 || n == 120 || n == 132 || n == 160 }

// starts is true for a line that looks like the first of a record: it begins
// with a time, a level or a brace.
func starts(line []byte) bool {
	if len(line) < 2 {
		return false
	}
	switch c := line[0]; {
	case c == '{' || c == '[':
		return true
	case isDigit(c) && isDigit(line[1]) && len(line) > 4 && (isDigit(line[2]) && isDigit(line[3]) || line[2] == ':' || line[2] == '/'):
		return true
	case (c == 'I' || c == 'W' || c == 'E' || c == 'F') && len(line) > 5 && isDigit(line[1]) && isDigit(line[2]) && isDigit(line[3]) && isDigit(line[4]):
		return true // klog: E1121
	}
	for _, p := range [...]string{"time=", "ts=", "level=", "msg=", "FATA", "ERRO", "WARN", "INFO", "DEBU", "Warning ", "Normal ", "Error", "curl: ", "docker: ", "ctr: ", "Failed to ", "fatal: ", "Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ", "Dec "} {
		if len(line) >= len(p) && string(line[:len(p)]) == p {
			return true
		}
	}
	return false
}

// block explains what stands in whole lines of a log, and counts them.
func (m *matcher) block(block []byte) (all []found, lines int) {
	for at := 0; at < len(block); {
		end, n := record(block[at:])
		text := block[at : at+end]
		if e, ok := m.record(text); ok {
			all = append(all, found{lines + 1, e})
		}
		at += end
		lines += n
	}
	return all, lines
}

// record gives the length of the first record of text, and its lines.
func record(text []byte) (length, lines int) {
	for length < len(text) {
		n := bytes.IndexByte(text[length:], '\n')
		if n < 0 {
			n = len(text) - length - 1
		}
		if length+n+1 > maxRecord {
			if length > 0 {
				break
			}
			return min(maxRecord, len(text)), btoi(n+1 <= maxRecord)
		}
		length += n + 1
		lines++
		if length == len(text) || !continues(text[:length-1], text[length:]) {
			break
		}
	}
	return length, lines
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// record explains one record, if it tells of a failure with some certainty.
func (m *matcher) record(text []byte) (Explanation, bool) {
	if !m.hasHot(text) {
		if isPlain(text) {
			return Explanation{}, false
		}
		if clean := unwrap(text); !m.hasHot(clean) {
			return Explanation{}, false
		}
	}
	e := m.explain(unwrap(text))
	return e, e.Confidence == High || e.Confidence == Medium
}
