package probe

import (
	"testing"
	"time"
)

// BenchmarkProbe shakes hands with a server in the same process and asks both
// judges.
func BenchmarkProbe(b *testing.B) {
	root := issue(b, nil, authority("root"))
	leaf := issue(b, &root, nil)
	target, err := ParseTarget(serveTLS(b, nil, leaf))
	if err != nil {
		b.Fatal(err)
	}
	o := Options{Trusted: trust(root), Now: noon, AuthLevel: 2, TLSOnly: true, Timeouts: Timeouts{Total: 5 * time.Second}}
	b.ReportAllocs()
	for b.Loop() {
		if r := Probe(b.Context(), target, o); r.Status != Trusted {
			b.Fatal(r.Verdict)
		}
	}
}
