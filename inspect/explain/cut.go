package explain

import (
	"cmp"
	"slices"
)

// phraseEnds finds phrases of which only one end is in a text, by the first and
// the last bytes of the phrases of rules.
type phraseEnds struct {
	first, last map[[minCut]byte][]int
	// longest is that of the parts that are looked for, in bytes.
	longest int
}

// A cutPhrase is a phrase of which a text holds the beginning, at its end, or
// the end, at its beginning.
type cutPhrase struct {
	phrase int
	atHead bool
	span
}

func newPhraseEnds(phrases []phrase) *phraseEnds {
	e := &phraseEnds{first: map[[minCut]byte][]int{}, last: map[[minCut]byte][]int{}}
	for i, p := range phrases {
		if p.kind != ofRule || rules[p.of].strength == weak {
			continue
		}
		if part := p.parts[0]; len(part) > minCut {
			k := [minCut]byte([]byte(part[:minCut]))
			e.first[k] = append(e.first[k], i)
			e.longest = max(e.longest, len(part))
		}
		if part := p.parts[0]; len(p.parts) == 1 && len(part) > minCut {
			k := [minCut]byte([]byte(part[len(part)-minCut:]))
			e.last[k] = append(e.last[k], i)
		}
	}
	return e
}

// cuts gives, in the order of the phrases, the longest piece of each that tail
// ends with or head begins with.
func (e *phraseEnds) cuts(phrases []phrase, tail, head []byte, minTail, minHead int) []cutPhrase {
	var all []cutPhrase
	for from := max(0, len(tail)-e.longest); from+minTail <= len(tail); from++ {
		for _, i := range e.first[[minCut]byte(tail[from:])] {
			if part, piece := phrases[i].parts[0], tail[from:]; len(piece) < len(part) && part[:len(piece)] == string(piece) {
				all = append(all, cutPhrase{i, false, span{from, len(tail)}})
			}
		}
	}
	for to := minHead; to <= min(len(head), e.longest); to++ {
		for _, i := range e.last[[minCut]byte(head[to-minCut:])] {
			if part, piece := phrases[i].parts[0], head[:to]; len(piece) < len(part) && part[len(part)-len(piece):] == string(piece) {
				all = append(all, cutPhrase{i, true, span{0, to}})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b cutPhrase) int {
		return cmp.Or(a.phrase-b.phrase, (b.to-b.from)-(a.to-a.from))
	})
	return slices.CompactFunc(all, func(a, b cutPhrase) bool { return a.phrase == b.phrase })
}
