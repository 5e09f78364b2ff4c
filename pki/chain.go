package pki

import (
	"bytes"
	"cmp"
	"container/heap"
	"crypto/x509"
	"slices"
	"time"
)

// Chain is a heap of certificates, put in order.
type Chain struct {
	// Leaf is the certificate that a server presents as its own.
	Leaf Cert
	// Intermediates lead from the leaf towards the root, each signed by the
	// next.
	Intermediates []Cert
	// Root is the self-signed certificate at the end. It is nil when it was not
	// given, and when the leaf is self-signed.
	Root *Cert
	// Rest is what is not part of the chain, in the order given.
	Rest []Unused
	// Unchecked are the parts of the chain whose signature is of a kind that Go
	// does not verify, and whose place was found by name and key identifier.
	Unchecked []Cert
}

// Served are the certificates that a server sends: the leaf, then the
// intermediates. The root is not among them, since clients go by their own
// copy.
func (c Chain) Served() []Cert { return slices.Concat([]Cert{c.Leaf}, c.Intermediates) }

// Top is the last certificate of the chain: the root, or where it ends.
func (c Chain) Top() Cert {
	switch n := len(c.Intermediates); {
	case c.Root != nil:
		return *c.Root
	case n > 0:
		return c.Intermediates[n-1]
	default:
		return c.Leaf
	}
}

// Unused is a certificate that is no part of the chain, and why.
type Unused struct {
	Cert   Cert
	Reason Reason
	// Of is the certificate in the chain that has its place, for [Duplicate] and
	// [Alternative].
	Of Origin
}

// Reason says why a certificate is no part of a chain.
type Reason uint8

// Reasons for being left out.
const (
	// Unreadable: Go refuses it.
	Unreadable Reason = iota + 1
	// Duplicate: the same certificate is in the chain already.
	Duplicate
	// Alternative: another certificate with the same name and key is in the
	// chain, since it is valid for longer or leads to a root that was given.
	Alternative
	// OtherPath: it is above the leaf on another way than the one taken.
	OtherPath
	// OtherLeaf: it is an end entity's, but not this chain's.
	OtherLeaf
	// Unrelated: it is a CA's that has not signed anything in the chain.
	Unrelated
)

// String says it in the words of the messages: "not related to the leaf".
func (r Reason) String() string {
	switch r {
	case Unreadable:
		return "unreadable"
	case Duplicate:
		return "a duplicate"
	case Alternative:
		return "another certificate for the same name and key"
	case OtherPath:
		return "on another path to a root"
	case OtherLeaf:
		return "another leaf"
	case Unrelated:
		return "not related to the leaf"
	default:
		return "unused"
	}
}

// ChainOptions tune the ordering. The zero value takes the only leaf there is
// and lets validity play no part.
type ChainOptions struct {
	// Now is the time at which certificates should be valid. Among alternatives,
	// those that are valid then come first. One without alternative is taken
	// even when it has expired: judging is up to others.
	Now time.Time
	// Leaf chooses the leaf; it is asked for each certificate. nil: the one that
	// signed no other, end entities before CAs.
	Leaf func(*x509.Certificate) bool
}

// OrderChain is [ChainOptions.Order] with zero options.
func OrderChain(certs []Cert) (Chain, error) { return ChainOptions{}.Order(certs) }

// Order puts certificates, given in any order, into the chain from the leaf
// through the intermediates to the root. Everything else ends up in Rest.
//
// Where a CA has several certificates for the same key (cross-signed, or
// renewed), the one is taken by which the whole chain is valid, then the one
// that leads to a root which was given, then the shorter way, then the one that
// ends last.
//
// The error is a [*LeafError] when no certificate or more than one could be the
// leaf, and a [*GapError] when a link is missing; the chain is then returned as
// far as it goes. A chain that ends in an intermediate has no gap, for a root
// usually stays at home, unless a root was given to which nothing leads.
func (o ChainOptions) Order(certs []Cert) (Chain, error) {
	g := newGraph(certs)
	p := newPaths(g, o.Now)
	leaf, err := p.leaf(o.Leaf)
	if err != nil {
		return Chain{}, err
	}
	order, looped := p.up(leaf)
	chain := Chain{Leaf: certs[leaf], Rest: g.rest(order)}
	for _, i := range order {
		if g.unchecked[i] {
			chain.Unchecked = append(chain.Unchecked, certs[i])
		}
		switch {
		case i == leaf:
		case g.selfSigned(i):
			chain.Root = &certs[i]
		default:
			chain.Intermediates = append(chain.Intermediates, certs[i])
		}
	}
	if top := order[len(order)-1]; looped || g.isGap(top, len(order)) {
		return chain, g.gap(top, looped)
	}
	return chain, nil
}

func (g *graph) selfSigned(i int) bool { return g.own[i] != nil && g.own[i] == g.authority[i] }

// isGap reports whether a chain of n certificates that ends in top should have
// gone on.
func (g *graph) isGap(top, n int) bool {
	if g.selfSigned(top) {
		return false
	}
	return n == 1 || slices.ContainsFunc(g.authorities, func(a *authority) bool {
		// A root that signed nothing here was given for this chain; one that did
		// belongs to another.
		return len(a.signed) == 0 && slices.ContainsFunc(a.certs, func(i int) bool {
			return g.selfSigned(i) && actsAsCA(g.certs[i].X509)
		})
	})
}

// actsAsCA is true for CA certificates, and for self-issued ones from before
// version 3, which cannot say that they are.
func actsAsCA(c *x509.Certificate) bool {
	return c.BasicConstraintsValid && c.IsCA || c.Version < 3 && SelfIssued(c)
}

// rest tells why each certificate outside of order is not in it.
func (g *graph) rest(order []int) []Unused {
	inOrder := make(map[int]bool, len(order))
	byRaw := make(map[string]int, len(order))
	byAuthority := make(map[*authority]int, len(order))
	for _, i := range order {
		inOrder[i] = true
		byRaw[string(g.certs[i].Raw)] = i
		byAuthority[g.own[i]] = i
	}
	above := g.above(order[0])
	var rest []Unused
	for i, c := range g.certs {
		if inOrder[i] {
			continue
		}
		u := Unused{Cert: c, Reason: Unrelated}
		same, isSame := byRaw[string(c.Raw)]
		alternative, isAlternative := byAuthority[g.own[i]]
		switch {
		case isSame:
			u.Reason, u.Of = Duplicate, g.certs[same].Origin
		case c.X509 == nil:
			u.Reason = Unreadable
		case isAlternative:
			u.Reason, u.Of = Alternative, g.certs[alternative].Origin
		case above[g.own[i]]:
			u.Reason = OtherPath
		case !actsAsCA(c.X509) && len(g.own[i].signed) == 0:
			u.Reason = OtherLeaf
		}
		rest = append(rest, u)
	}
	return rest
}

// above are the authorities to which any way leads up from certificate i.
func (g *graph) above(i int) map[*authority]bool {
	seen := map[*authority]bool{}
	todo := []*authority{g.authority[i]}
	for len(todo) > 0 {
		a := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if a == nil || seen[a] {
			continue
		}
		seen[a] = true
		for _, i := range a.certs {
			todo = append(todo, g.authority[i])
		}
	}
	return seen
}

// paths knows the best way up from every authority.
type paths struct {
	*graph
	now  time.Time
	best map[*authority]step
}

// step is the first certificate of a way up, and what the whole way costs.
type step struct {
	cert int
	cost cost
}

// cost compares ways: by the certificates on it that are not valid, then by
// whether it ends without a root, then by its length.
type cost struct{ invalid, rootless, length int }

func (c cost) compare(d cost) int {
	return cmp.Or(cmp.Compare(c.invalid, d.invalid), cmp.Compare(c.rootless, d.rootless), cmp.Compare(c.length, d.length))
}

// newPaths finds the ways by Dijkstra's algorithm, from the ends down. An
// authority that only circles lead up from gets none.
func newPaths(g *graph, now time.Time) *paths {
	p := &paths{graph: g, now: now, best: make(map[*authority]step, len(g.authorities))}
	todo := &stepHeap{p: p}
	for i, c := range g.certs {
		switch {
		case c.X509 == nil:
		case g.selfSigned(i):
			todo.steps = append(todo.steps, step{i, p.extend(cost{}, i)})
		case g.authority[i] == nil:
			todo.steps = append(todo.steps, step{i, p.extend(cost{rootless: 1}, i)})
		}
	}
	heap.Init(todo)
	for todo.Len() > 0 {
		s := heap.Pop(todo).(step)
		a := g.own[s.cert]
		if _, done := p.best[a]; done {
			continue
		}
		p.best[a] = s
		for _, i := range a.signed {
			heap.Push(todo, step{i, p.extend(s.cost, i)})
		}
	}
	return p
}

// extend is the cost of a way with certificate i before it.
func (p *paths) extend(c cost, i int) cost {
	c.length++
	if x := p.certs[i].X509; !p.now.IsZero() && (p.now.Before(x.NotBefore) || p.now.After(x.NotAfter)) {
		c.invalid++
	}
	return c
}

// costOf is the cost of the best way up that begins with certificate i.
func (p *paths) costOf(i int) cost {
	switch a := p.authority[i]; {
	case a == nil:
		return p.extend(cost{rootless: 1}, i)
	case a == p.own[i]:
		return p.extend(cost{}, i)
	default:
		if next, ok := p.best[a]; ok {
			return p.extend(next.cost, i)
		}
		return p.extend(cost{rootless: 1, length: len(p.certs)}, i) // a circle
	}
}

// up is the best way from certificate leaf. looped: it ends where it would come
// by an authority again.
func (p *paths) up(leaf int) (order []int, looped bool) {
	order = []int{leaf}
	seen := map[*authority]bool{p.own[leaf]: true}
	for i := leaf; !p.selfSigned(i) && p.authority[i] != nil; {
		a := p.authority[i]
		if next, ok := p.best[a]; ok {
			i = next.cert
		} else if !seen[a] {
			i = a.certs[0]
		} else {
			return order, true
		}
		seen[a] = true
		order = append(order, i)
	}
	return order, false
}

// leaf finds the leaf among those that choose takes.
func (p *paths) leaf(choose func(*x509.Certificate) bool) (int, error) {
	candidates := p.bottoms()
	if choose != nil {
		candidates = nil
		for i, c := range p.certs {
			if c.X509 != nil && choose(c.X509) {
				candidates = append(candidates, i)
			}
		}
	}
	leaves := p.foldRenewed(candidates)
	if len(leaves) == 1 {
		return leaves[0], nil
	}
	err := &LeafError{Among: len(p.certs), Chosen: choose != nil, Unreadable: p.unreadable()}
	for _, i := range leaves {
		err.Candidates = append(err.Candidates, p.certs[i])
	}
	return 0, err
}

// bottoms are the certificates that signed no other: those of end entities, or
// when there are none of CAs, or when there are none of roots.
func (p *paths) bottoms() []int {
	var byRank [3][]int
	for i, c := range p.certs {
		if c.X509 == nil || len(p.own[i].signed) > 0 {
			continue
		}
		rank := 0
		if actsAsCA(c.X509) {
			rank = 1
			if p.selfSigned(i) {
				rank = 2
			}
		}
		byRank[rank] = append(byRank[rank], i)
	}
	for _, found := range byRank {
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// foldRenewed leaves, of the certificates for the same subject, names and key,
// the best: the one with a valid way to a root, then the one that ends last.
func (p *paths) foldRenewed(candidates []int) []int {
	type identity struct {
		authority *authority
		names     string
	}
	var leaves []int
	place := map[identity]int{}
	for _, i := range candidates {
		id := identity{p.own[i], string(sanValue(p.certs[i].X509))}
		n, seen := place[id]
		if !seen {
			place[id] = len(leaves)
			leaves = append(leaves, i)
		} else if p.better(i, leaves[n]) {
			leaves[n] = i
		}
	}
	return leaves
}

func (p *paths) better(i, j int) bool {
	a, b := p.costOf(i), p.costOf(j)
	a.length, b.length = 0, 0
	return cmp.Or(a.compare(b), p.endsLater(i, j)) < 0
}

// endsLater is negative when certificate i is valid for longer than j.
func (p *paths) endsLater(i, j int) int {
	return p.certs[j].X509.NotAfter.Compare(p.certs[i].X509.NotAfter)
}

// sanValue is the subjectAltName extension as it stands in c.
func sanValue(c *x509.Certificate) []byte {
	for _, e := range c.Extensions {
		if e.Id.Equal([]int{2, 5, 29, 17}) {
			return e.Value
		}
	}
	return nil
}

// stepHeap yields the cheapest step first.
type stepHeap struct {
	p     *paths
	steps []step
}

func (h *stepHeap) Len() int { return len(h.steps) }
func (h *stepHeap) Less(i, j int) bool {
	a, b := h.steps[i], h.steps[j]
	return cmp.Or(a.cost.compare(b.cost), h.p.endsLater(a.cert, b.cert), cmp.Compare(a.cert, b.cert)) < 0
}
func (h *stepHeap) Swap(i, j int) { h.steps[i], h.steps[j] = h.steps[j], h.steps[i] }
func (h *stepHeap) Push(s any)    { h.steps = append(h.steps, s.(step)) }
func (h *stepHeap) Pop() any {
	last := len(h.steps) - 1
	s := h.steps[last]
	h.steps = h.steps[:last]
	return s
}

// unreadable are the certificates that Go refuses.
func (g *graph) unreadable() []Cert {
	var found []Cert
	for _, c := range g.certs {
		if c.X509 == nil {
			found = append(found, c)
		}
	}
	return found
}

// gap describes what is missing above certificate top.
func (g *graph) gap(top int, looped bool) *GapError {
	c := g.certs[top].X509
	e := &GapError{Child: g.certs[top], Among: len(g.certs), Loop: looped, Unreadable: g.unreadable()}
	if looped {
		return e
	}
	for _, i := range g.namesakes(top) {
		e.Namesakes = append(e.Namesakes, g.certs[i])
	}
	for _, other := range g.certs {
		if x := other.X509; x != nil && !bytes.Equal(x.RawSubject, c.RawIssuer) && x.Subject.String() == c.Issuer.String() {
			e.SpelledAlike = append(e.SpelledAlike, other)
		}
	}
	return e
}
