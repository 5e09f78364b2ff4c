package view

import (
	"strings"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
)

// tree shows how the certificates hang together, the issuer above what it
// signed:
//
//	Root CA             3649 days left  ca.crt#1
//	└─ Intermediate CA  1824 days left  tls.crt#2
//	   └─ reg.local     364 days left   tls.crt#1
//
// An issuer that is not here has a line all the same. A single certificate
// needs no tree.
func (t *textWriter) tree(certs []Certificate) {
	f := newForest(certs)
	if f.distinct < 2 {
		return
	}
	f.grow()
	middle, right := f.columns()
	what := ""
	if t.Width < f.left()+middle+right+6 {
		if folder := commonFolder(certs); folder != "" {
			what = "all in " + pki.Printable(folder)
			f.cut(folder)
			middle, right = f.columns()
		}
	}
	t.section("Chain", what, plain)
	left := min(f.left(), max(t.Width-middle-right-6, leastLeft))
	for _, n := range f.lines {
		name := n.rails + shorten(n.name, max(left-utf8.RuneCountInString(n.rails), leastName))
		line := "  " + name + pad(name, left) + "  " + t.styled(n.style, n.state)
		if n.id != "" {
			line += pad(n.state, middle) + "  " + n.id
		}
		t.WriteString(line + "\n")
	}
}

// Columns that names keep, even if the line then is too long for the terminal.
const (
	leastLeft = 24
	leastName = 12
)

// left is the width of the first column.
func (f *forest) left() int {
	width := 0
	for _, n := range f.lines {
		width = max(width, utf8.RuneCountInString(n.rails)+utf8.RuneCountInString(n.name))
	}
	return width
}

// columns are the widths of the others.
func (f *forest) columns() (middle, right int) {
	for _, n := range f.lines {
		if n.id != "" {
			middle = max(middle, utf8.RuneCountInString(n.state))
			right = max(right, utf8.RuneCountInString(n.id))
		}
	}
	return middle, right
}

// cut leaves folder out of the IDs, for which it stands in the heading.
func (f *forest) cut(folder string) {
	for i := range f.lines {
		f.lines[i].id = strings.TrimLeft(strings.TrimPrefix(f.lines[i].id, pki.Printable(folder)), " ")
	}
}

// commonFolder is the source of all certs, or the folder in which all sources
// are, with the slash at its end. It is "" when there is none.
func commonFolder(certs []Certificate) string {
	common := string(certs[0].Origin.Source)
	same := true
	for _, c := range certs {
		for !strings.HasPrefix(string(c.Origin.Source), common) {
			same = false
			common = common[:strings.LastIndexByte(common[:len(common)-1], '/')+1]
		}
		same = same && string(c.Origin.Source) == common
	}
	if !same {
		common = common[:strings.LastIndexByte(common, '/')+1]
	}
	return common
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
	rails, name, state, id string
	style                  style
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
		f.lines = append(f.lines, treeLine{name: shorten(name, mostName), state: "not here"})
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
	line := treeLine{rails: b.String(), name: shorten(treeName(c), mostName), id: pki.Printable(string(c.ID))}
	if again {
		line.state = "(see above)"
	} else {
		line.state, line.style = validityShort(c.Validity)
	}
	f.lines = append(f.lines, line)
}

// validityShort is validityText in fewer words.
func validityShort(v Validity) (string, style) {
	text, s := validityText(v)
	switch v.State {
	case NotYetValid:
		return "valid in " + days(v.secondsToStart), s
	case Expired:
		return "expired " + days(-v.SecondsLeft) + " ago", s
	case Valid:
		if left, ok := strings.CutPrefix(text, duration(v.SecondsLeft)); ok {
			return days(v.SecondsLeft) + left, s
		}
	}
	return text, s
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

// mostName is how much of a name a line of the tree shows.
const mostName = 48

// shorten keeps a name to most characters.
func shorten(name string, most int) string {
	runes := []rune(pki.Printable(name))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}
