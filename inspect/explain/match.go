package explain

// automaton finds all of many words in one pass (Aho and Corasick, 1975). Bytes
// are folded into few classes so that its table stays small.
type automaton struct {
	class   [256]uint8
	classes int
	// folded is the class of the byte that squash makes of each.
	folded [256]uint8
	// next is state × class → state.
	next []uint16
	// out is the first of the words that end in a state, as an index into words
	// plus one; more says which others do: the longest shorter one.
	out  []uint16
	more []uint16 // state → state of the longest suffix that is a word's end
	len  []uint16 // word → length
	hot  []bool   // state → a word of the marked ones ends here
}

// newAutomaton builds one for words, none of which is empty and each of which
// occurs once. Word i is reported as i; [automaton.hasHot] looks for the hot.
func newAutomaton(words []string, hot []bool) *automaton {
	a := &automaton{classes: 1}
	states := 1
	for _, w := range words {
		a.len = append(a.len, uint16(len(w)))
		states += len(w)
		for i := range len(w) {
			if a.class[w[i]] == 0 {
				a.class[w[i]] = uint8(a.classes)
				a.classes++
			}
		}
	}
	a.next = make([]uint16, states*a.classes)
	a.out, a.more, a.hot = make([]uint16, states), make([]uint16, states), make([]bool, states)
	used := uint16(1)
	for i, w := range words {
		state := uint16(0)
		for j := range len(w) {
			to := &a.next[int(state)*a.classes+int(a.class[w[j]])]
			if *to == 0 {
				*to = used
				used++
			}
			state = *to
		}
		a.out[state], a.hot[state] = uint16(i+1), hot[i]
	}
	a.link(used)
	for c := range a.folded {
		if a.folded[c] = a.class[squash[c]]; squash[c] == 0 {
			a.folded[c] = skipped
		}
	}
	return a
}

// link adds, level by level, where to go when no word goes on.
func (a *automaton) link(used uint16) {
	fail := make([]uint16, used)
	queue := make([]uint16, 0, used)
	for c := range a.classes {
		if to := a.next[c]; to != 0 {
			queue = append(queue, to)
		}
	}
	for i := 0; i < len(queue); i++ {
		state := queue[i]
		if f := fail[state]; a.out[f] != 0 {
			a.more[state] = f
		} else {
			a.more[state] = a.more[f]
		}
		a.hot[state] = a.hot[state] || a.hot[fail[state]]
		row, failRow := int(state)*a.classes, int(fail[state])*a.classes
		for c := range a.classes {
			if to := a.next[row+c]; to != 0 {
				fail[to] = a.next[failRow+c]
				queue = append(queue, to)
			} else {
				a.next[row+c] = a.next[failRow+c]
			}
		}
	}
}

// find calls found with each occurrence of a word, by its end.
func (a *automaton) find(text []byte, found func(word, end int)) {
	state := uint16(0)
	for i, c := range text {
		state = a.next[int(state)*a.classes+int(a.class[c])]
		for s := state; s != 0; s = a.more[s] {
			if w := a.out[s]; w != 0 {
				found(int(w)-1, i+1)
			}
		}
	}
}

// hasHot is true when text, squashed, holds one of the hot words.
func (a *automaton) hasHot(text []byte) bool {
	state := uint16(0)
	for _, c := range text {
		if k := a.folded[c]; k != skipped {
			if state = a.next[int(state)*a.classes+int(k)]; a.hot[state] {
				return true
			}
		}
	}
	return false
}

// skipped is the class of bytes that the squashed text leaves out.
const skipped = 0xff
