package view

import (
	"strings"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
)

// tree shows how the certificates hang together, the issuer above what it
// signed:
//
//	Root CA             3649 days (10 years) left  ca.crt#1
//	└─ Intermediate CA  1824 days (5 years) left   tls.crt#2
//	   └─ reg.local     364 days left              tls.crt#1
//
// An issuer that is not here has a line all the same. A single certificate
// needs no tree.
func (t *textWriter) tree(certs []Certificate) {
	f := newForest(certs)
	if f.distinct < 2 {
		return
	}
	f.grow()
	t.section("Chain", "", plain)
	var left, middle int
	for _, n := range f.lines {
		left = max(left, utf8.RuneCountInString(n.left))
		if n.id != "" {
			middle = max(middle, utf8.RuneCountInString(n.state))
		}
	}
	for _, n := range f.lines {
		line := "  " + n.left + pad(n.left, left) + "  " + t.styled(n.style, n.state)
		if n.id != "" {
			line += pad(n.state, middle) + "  " + n.id
		}
		t.WriteString(line + "\n")
	}
}

func pad(s string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

type forest struct {
	certs []Certificate
	// distinct counts the certificates that do not repeat another.
	distinct int
	signed   [][]int
	seen     []bool
	lines    []treeLine
}

type treeLine struct {
	left, state, id string
	style           style
}

func newForest(certs []Certificate) *forest {
	f := &forest{certs: certs, signed: make([][]int, len(certs)), seen: make([]bool, len(certs))}
	for i, c := range certs {
		if !f.stands(i) {
			continue
		}
		f.distinct++
		if c.SelfSigned { // its issuers are the same CA once more
			continue
		}
		for _, n := range c.issuers {
			f.signed[n] = append(f.signed[n], i)
		}
	}
	return f
}

// stands is false for certificates that have no place in the tree: repeated and
// unreadable ones.
func (f *forest) stands(i int) bool {
	return f.certs[i].SameAs == "" && f.certs[i].Error == ""
}

// grow writes the trees: first those of roots, then those whose issuer is not
// here, gathered by its name, then what only circles lead to.
func (f *forest) grow() {
	var issuers []string
	orphans := map[string][]int{}
	for i, c := range f.certs {
		switch {
		case !f.stands(i):
		case c.SelfSigned:
			f.branch(i, nil)
		case len(c.issuers) == 0:
			name := nameText(c.Issuer)
			if orphans[name] == nil {
				issuers = append(issuers, name)
			}
			orphans[name] = append(orphans[name], i)
		}
	}
	for _, name := range issuers {
		f.lines = append(f.lines, treeLine{left: shorten(name), state: "not here"})
		for n, i := range orphans[name] {
			f.branch(i, []bool{n < len(orphans[name])-1})
		}
	}
	for i := range f.certs {
		if f.stands(i) && !f.seen[i] {
			f.branch(i, nil)
		}
	}
}

// node is a certificate still to be written.
type node struct {
	cert, depth int
	// rails tell for each level, its own the last, whether more follows there.
	rails []bool
}

// maxDepth is how far lines are indented: a chain of thousands would otherwise
// take memory with the square of its length.
const maxDepth = 12

// branch writes certificate i and all below it, without recursion, for chains
// may be long.
func (f *forest) branch(i int, rails []bool) {
	todo := []node{{i, len(rails), rails}}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		again := f.seen[n.cert]
		f.write(n, again)
		if again {
			continue
		}
		f.seen[n.cert] = true
		below := f.signed[n.cert]
		for k := len(below) - 1; k >= 0; k-- {
			rails := n.rails
			if n.depth < maxDepth {
				rails = append(rails[:len(rails):len(rails)], k < len(below)-1)
			}
			todo = append(todo, node{below[k], n.depth + 1, rails})
		}
	}
}

func (f *forest) write(n node, again bool) {
	var b strings.Builder
	if n.depth > 0 {
		for _, more := range n.rails[:len(n.rails)-1] {
			if more {
				b.WriteString("│  ")
			} else {
				b.WriteString("   ")
			}
		}
		switch {
		case n.depth > maxDepth:
			b.WriteString("⋮  ")
		case n.rails[len(n.rails)-1]:
			b.WriteString("├─ ")
		default:
			b.WriteString("└─ ")
		}
	}
	c := f.certs[n.cert]
	b.WriteString(shorten(treeName(c)))
	line := treeLine{left: b.String(), id: pki.Printable(string(c.ID))}
	if again {
		line.state = "(see above)"
	} else {
		line.state, line.style = validityText(c.Validity)
	}
	f.lines = append(f.lines, line)
}

// treeName is by what a reader knows the certificate: the common name, or else
// the first name.
func treeName(c Certificate) string {
	for _, a := range c.Subject.Attributes {
		if a.Name == "CN" && a.Value != "" {
			return string(a.Value)
		}
	}
	switch {
	case c.Subject.Text != "":
		return string(c.Subject.Text)
	case len(c.Names) > 0:
		return string(c.Names[0].Value)
	default:
		return "(no name)"
	}
}

// shorten keeps a name to what a line of the tree has room for.
func shorten(name string) string {
	const most = 48
	runes := []rune(pki.Printable(name))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}
