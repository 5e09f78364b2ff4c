package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/trust"
	"github.com/crpki/crpki/pki"
)

func trustShowCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "show",
		Usage: "show the roots that a node's runtimes have for a registry",
		Description: `crpki trust show reg.example.com:5000
# the system's roots as well
crpki trust show reg.example.com:5000 --runtime docker --all
# which file holds the CA that is about to be replaced?
crpki trust show reg.example.com:5000 --all -o json

For each address that a runtime tries, it lists the certificates that it
trusts there: subject, SHA-256 fingerprint, end, and the file with the line. Those
of the system's roots are counted, and listed with --all.`,
		ArgsUsage: "REF",
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "list the system's roots, too"},
			outputFlag("text", "json", "yaml"),
		}, nodeFlags()),
		Action: e.trustShow,
	}
}

// shownRoots is what one runtime trusts at one address.
type shownRoots struct {
	Runtime trust.Installation `json:"runtime"`
	Way     string             `json:"way,omitempty"`
	// Versions are those that it holds for, where the version is not known.
	Versions string         `json:"versions,omitempty"`
	Host     string         `json:"host"`
	Mirror   bool           `json:"mirror,omitempty"`
	Scheme   trust.Scheme   `json:"scheme"`
	Skip     bool           `json:"skipVerify,omitempty"`
	Failure  *trust.Failure `json:"failure,omitempty"`
	// Unknown is what would have to be known.
	Unknown string      `json:"unknown,omitempty"`
	Roots   []shownRoot `json:"roots"`
	// SystemRoots is the number of the system's, which are among Roots with --all.
	SystemRoots int    `json:"systemRoots"`
	SystemFile  string `json:"systemFile,omitempty"`
	name        string
}

type shownRoot struct {
	Subject  string    `json:"subject"`
	SHA256   string    `json:"sha256"`
	NotAfter time.Time `json:"notAfter"`
	Expired  bool      `json:"expired,omitempty"`
	File     string    `json:"file"`
	Line     int       `json:"line,omitempty"`
	System   bool      `json:"system,omitempty"`
}

func (e *env) trustShow(c *cli.Context) error {
	ref, err := e.reference(c)
	if err != nil {
		return err
	}
	n, err := e.openNode(c)
	if err != nil {
		return err
	}
	defer n.Close()
	runtimes, err := e.survey(c, n.Node)
	if err != nil {
		return err
	}
	all := []shownRoots{}
	for _, r := range runtimes {
		for _, d := range n.decide(r, ref) {
			all = append(all, e.rootsOf(d, c.Bool("all"))...)
		}
	}
	return e.print(c, all, func(w io.Writer) error {
		for i, s := range all {
			if i > 0 {
				fmt.Fprintln(w)
			}
			s.write(w, c.Bool("all"))
		}
		return nil
	})
}

func (e *env) rootsOf(d trust.Decision, all bool) (shown []shownRoots) {
	if d.Failure != nil {
		return []shownRoots{{Runtime: d.Installation, Way: d.Way, Versions: d.Versions, Failure: d.Failure, Roots: []shownRoot{}, name: named(d)}}
	}
	if len(d.Endpoints) == 0 && d.Needs != "" {
		return []shownRoots{{Runtime: d.Installation, Way: d.Way, Versions: d.Versions, Unknown: d.Needs, Roots: []shownRoot{}, name: named(d)}}
	}
	for _, at := range d.Endpoints {
		s := shownRoots{
			Runtime: d.Installation, Way: d.Way, Versions: d.Versions, Host: at.Host, Mirror: at.Mirror, Scheme: at.Scheme,
			Skip: at.SkipVerify, Failure: at.Failure, Roots: []shownRoot{}, name: named(d),
		}
		anchors := at.CAs
		if at.System != nil {
			s.SystemRoots, s.SystemFile = len(at.System.Anchors), at.System.File
			if all {
				anchors = append(slices.Clone(anchors), at.System.Anchors...)
			}
		}
		for _, a := range anchors {
			x := a.Cert.X509
			if x == nil {
				continue
			}
			s.Roots = append(s.Roots, shownRoot{
				Subject: pki.Printable(x.Subject.String()), SHA256: fingerprint(x), NotAfter: x.NotAfter,
				Expired: e.now.After(x.NotAfter), File: a.File, Line: a.Line, System: a.System,
			})
		}
		shown = append(shown, s)
	}
	return shown
}

func (s shownRoots) write(w io.Writer, all bool) {
	p := func(format string, args ...any) { fmt.Fprintln(w, printable(fmt.Sprintf(format, args...))) }
	if s.Failure != nil {
		p("%s: fails before it connects: %s", s.name, s.Failure.Text)
		return
	}
	if s.Unknown != "" {
		p("%s: not known is %s", s.name, s.Unknown)
		return
	}
	what := string(s.Scheme) + "://" + s.Host
	if s.Mirror {
		what += " (mirror)"
	}
	switch {
	case s.Scheme == trust.HTTP:
		p("%s, %s: plain HTTP, no certificate is looked at", s.name, what)
		return
	case s.Skip:
		p("%s, %s: any certificate is taken", s.name, what)
		return
	}
	p("%s, %s: %s", s.name, what, count(len(s.Roots)+s.SystemRoots*zeroIf(all), "root"))
	for _, r := range s.Roots {
		p("  %s", r.Subject)
		ends := "until "
		if r.Expired {
			ends = "EXPIRED "
		}
		p("    %s%s  sha256 %s  %s", ends, r.NotAfter.UTC().Format(time.DateOnly), r.SHA256, trust.Place{File: r.File, Line: r.Line})
	}
	if !all && s.SystemRoots > 0 {
		p("  and the system's %d, from %s (--all lists them)", s.SystemRoots, orDirs(s.SystemFile))
	}
	if len(s.Roots)+s.SystemRoots == 0 {
		p("  none: every certificate is refused")
	}
}

func zeroIf(b bool) int {
	if b {
		return 0
	}
	return 1
}

func orDirs(file string) string {
	if file == "" {
		return "/etc/ssl/certs"
	}
	return file
}
