package issue

import (
	"fmt"
	"strings"

	"github.com/crpki/crpki/pki"
)

// refusal decides which names of a CSR are refused. A name counts in every way
// that it may be written, and so does a wildcard on either side: who refuses
// old.example.com does not want *.example.com signed, which stands for it.
type refusal struct {
	names pki.Names
	// exact and below lead to places in names: by a name itself, and by what
	// stands behind the first label of a DNS name that is no wildcard.
	exact map[pki.Name][]int
	below map[string][]int
	// met are the names that refused something.
	met []bool
}

func newRefusal(names pki.Names) *refusal {
	r := &refusal{names: names, exact: map[pki.Name][]int{}, below: map[string][]int{}, met: make([]bool, len(names))}
	for i, n := range names {
		for _, form := range forms(n) {
			r.exact[form] = append(r.exact[form], i)
			if first, parent, ok := strings.Cut(form.Value, "."); ok && form.Kind == pki.DNS && first != "*" {
				r.below[parent] = append(r.below[parent], i)
			}
		}
	}
	return r
}

// forms are a name as it stands, which may be one that nobody could sign, and
// as it would be signed.
func forms(n pki.Name) pki.Names {
	canonical, _, err := pki.ParseNameAs(n.Kind, n.Value)
	if err != nil || canonical == n {
		return pki.Names{n}
	}
	return pki.Names{n, canonical}
}

// refuses says why n is not signed, or "" when it may be.
func (r *refusal) refuses(n pki.Name) string {
	why := ""
	hit := func(places []int, reason func(pki.Name) string) {
		if len(places) == 0 {
			return
		}
		if why == "" {
			why = fmt.Sprintf("%s is refused%s", n, reason(r.names[places[0]]))
		}
		for _, i := range places {
			r.met[i] = true
		}
	}
	for _, form := range forms(n) {
		hit(r.exact[form], func(pki.Name) string { return "" })
		first, parent, ok := strings.Cut(form.Value, ".")
		switch {
		case !ok || form.Kind != pki.DNS:
		case first == "*":
			hit(r.below[parent], func(by pki.Name) string { return fmt.Sprintf(": it stands for %s, too", by) })
		default:
			hit(r.exact[pki.Name{Kind: pki.DNS, Value: "*." + parent}], func(by pki.Name) string { return fmt.Sprintf(": %s stands for it", by) })
		}
	}
	return why
}

// unmet are the names that refused nothing: misspelt, perhaps.
func (r *refusal) unmet() pki.Names {
	var rest pki.Names
	for i, n := range r.names {
		if !r.met[i] {
			rest = append(rest, n)
		}
	}
	return rest
}
