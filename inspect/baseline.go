package inspect

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// baselineVersion is the number of the file's shape.
const baselineVersion = 1

// Baseline is a set of known findings. They are known by rule and place, not by
// line or message: lines move, and messages count days. It is safe for
// concurrent use.
type Baseline struct {
	mu    sync.Mutex
	known map[string]known
}

// known is a finding as the file has it; all but the fingerprint is for people.
type known struct {
	Rule        string `json:"rule"`
	Source      string `json:"source"`
	Field       string `json:"field,omitempty"`
	Fingerprint string `json:"fingerprint"`
}

type baselineFile struct {
	Version  int     `json:"version"`
	Findings []known `json:"findings"`
}

// ReadBaseline reads what [Baseline.Encode] gave.
func ReadBaseline(data []byte) (*Baseline, error) {
	var file baselineFile
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("not a baseline: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a baseline: something follows behind it")
	}
	if file.Version != baselineVersion {
		return nil, fmt.Errorf("a baseline of version %d, and not of version %d", file.Version, baselineVersion)
	}
	b := &Baseline{}
	for _, k := range file.Findings {
		b.add(k)
	}
	return b, nil
}

// Add makes f known.
func (b *Baseline) Add(f Finding) {
	f = portable(f)
	b.add(known{Rule: f.Rule, Source: f.Origin.Source, Field: f.Origin.Field, Fingerprint: f.Fingerprint()})
}

// portable names the source the same however it was spelt, and on every system.
func portable(f Finding) Finding {
	f.Origin.Source = filepath.ToSlash(filepath.Clean(f.Origin.Source))
	return f
}

func (b *Baseline) add(k known) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil {
		b.known = map[string]known{}
	}
	b.known[k.Fingerprint] = k
}

// Has reports whether f is known.
func (b *Baseline) Has(f Finding) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.known[portable(f).Fingerprint()]
	return ok
}

// Len is how many findings are known.
func (b *Baseline) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.known)
}

// Encode gives the file: JSON in an order that only changes with what is known.
func (b *Baseline) Encode() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	file := baselineFile{Version: baselineVersion, Findings: slices.SortedFunc(maps.Values(b.known), func(x, y known) int {
		return cmp.Or(strings.Compare(x.Source, y.Source), strings.Compare(x.Rule, y.Rule), strings.Compare(x.Field, y.Field), strings.Compare(x.Fingerprint, y.Fingerprint))
	})}
	if file.Findings == nil {
		file.Findings = []known{}
	}
	data, err := json.MarshalIndent(file, "", "  ")
	return append(data, '\n'), err
}
