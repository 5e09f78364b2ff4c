package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/trust"
)

func trustListCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list what a node is configured for, and the mistakes in it",
		Description: `crpki trust list
# a node that is not this one
crpki trust list --root node.tar -o json
# as another version would have it
crpki trust list --runtime podman@5.8.0

For each runtime on the node it lists the registries that the node has
configuration for, and the mistakes in there: files that are silently passed
over, folders that hide others, keys without certificates, CAs that have expired,
settings that switch verification off. Then those of the system's own store.

Exits with 0 when there is none that keeps something from working, with 1 when
there is.`,
		Flags:  slices.Concat([]cli.Flag{outputFlag("text", "json", "yaml")}, nodeFlags()),
		Action: e.trustList,
	}
}

// listed is what trust list tells.
type listed struct {
	Root     string          `json:"root"`
	Runtimes []listedRuntime `json:"runtimes"`
	// System are the mistakes of the system's store of CAs.
	System []trust.Mistake `json:"system"`
	Errors int             `json:"errors"`
}

type listedRuntime struct {
	trust.Installation
	Registries []trust.Configured `json:"registries"`
}

func (e *env) trustList(c *cli.Context) error {
	n, err := e.openNode(c)
	if err != nil {
		return err
	}
	defer n.Close()
	runtimes, err := e.survey(c, n.Node)
	if err != nil {
		return err
	}
	list := listed{Root: c.String("root"), Runtimes: []listedRuntime{}, System: append([]trust.Mistake{}, n.StoreMistakes(nil)...)}
	for _, r := range runtimes {
		one := listedRuntime{Installation: r.at, Registries: []trust.Configured{}}
		own := n.seenBy(r)
		for _, registry := range r.Registries(own, r.at) {
			registry.Mistakes = append(registry.Mistakes, e.mistakesFor(n, r, registry)...)
			one.Registries = append(one.Registries, registry)
		}
		if needs := own.NotAllowed(); needs != "" {
			e.warnf("%s: not known is %s", r.Name(), needs)
		}
		list.Runtimes = append(list.Runtimes, one)
	}
	list.count()
	if err := e.print(c, list, list.write); err != nil {
		return err
	}
	if list.Errors > 0 {
		return errBad
	}
	return nil
}

// mistakesFor are those that show only when a registry is asked for: which file
// counts, and what is in it.
func (e *env) mistakesFor(n *node, r surveyed, registry trust.Configured) (more []trust.Mistake) {
	ref, err := trust.ParseReference(registry.Registry + "/")
	if err != nil {
		return nil // _default, or a pattern
	}
	add := func(m trust.Mistake) {
		m.Fix = n.command(m.Fix)
		same := func(o trust.Mistake) bool { return o.ID == m.ID && o.Place == m.Place }
		if !slices.ContainsFunc(more, same) && !slices.ContainsFunc(registry.Mistakes, same) {
			more = append(more, m)
		}
	}
	for _, d := range n.decide(r, ref) {
		for _, m := range slices.Concat(d.Mistakes, n.Lint(d, e.now)) {
			add(m)
		}
		if f := d.Failure; f != nil {
			add(trust.Mistake{ID: "fails", Place: f.Place, Text: "nothing can be pulled: " + f.Text, Severity: "error"})
		}
	}
	return more
}

func (l *listed) count() {
	each := func(all []trust.Mistake) {
		for _, m := range all {
			if m.Severity == "error" {
				l.Errors++
			}
		}
	}
	each(l.System)
	for _, r := range l.Runtimes {
		for _, registry := range r.Registries {
			each(registry.Mistakes)
		}
	}
}

func (l listed) write(w io.Writer) error {
	p := func(format string, args ...any) { fmt.Fprintln(w, printable(fmt.Sprintf(format, args...))) }
	mistakes := func(all []trust.Mistake) {
		for _, m := range all {
			p("    %s: %s: %s [%s]", m.Severity, m.Place, m.Text, m.ID)
			if m.Fix != "" {
				p("      fix: %s", m.Fix)
			}
		}
	}
	for i, r := range l.Runtimes {
		if i > 0 {
			p("")
		}
		p("%s: %s", named(trust.Decision{Installation: r.Installation}), registriesIn(len(r.Registries)))
		for _, registry := range r.Registries {
			p("  %s  %s", registry.Registry, registry.Place)
			mistakes(registry.Mistakes)
		}
	}
	if len(l.System) > 0 {
		p("")
		p("the system's store of CAs")
		mistakes(l.System)
	}
	return nil
}

func registriesIn(n int) string {
	if n == 1 {
		return "1 registry"
	}
	return fmt.Sprintf("%d registries", n)
}
