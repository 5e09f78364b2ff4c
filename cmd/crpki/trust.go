package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/trust"
	"github.com/crpki/crpki/pki"
)

const aboutNode = "Node"

func trustCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "trust",
		Usage: "say whether a node's runtimes trust a registry, and why",
		Description: `# what would the runtimes of this node do with that image?
crpki trust check reg.example.com:5000/team/app:1.2
# a copy of a node, and the certificate that the registry has
crpki trust check reg.example.com:5000 --root node --cert certs/tls.crt
# every registry that the node has configuration for, and what is wrong with it
crpki trust list --root node.tar
# make all runtimes of this node trust a CA for one registry
crpki trust install --ca certs/ca.crt reg.example.com:5000

A node is its root file system: the running one, a mounted copy, or a snapshot
that "crpki trust snapshot" made. Nothing of it is run, and no link in it leads
out of it.`,
		Subcommands: []*cli.Command{
			trustCheckCommand(e), trustShowCommand(e), trustListCommand(e), trustInstallCommand(e), trustUninstallCommand(e),
			trustSnapshotCommand(e), trustRenderCommand(e),
		},
	}
}

// nodeFlags say which node is read, as whom, and which runtimes of it.
func nodeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "root", Value: "/", Usage: "the node's root: `FOLDER`, or a tar file from trust snapshot", TakesFile: true, Category: aboutNode},
		&cli.StringSliceFlag{Name: "runtime", Usage: "only this runtime, installed or not: `NAME`, or NAME@VERSION", Category: aboutNode},
		&cli.StringFlag{Name: "user", Usage: "the user `NAME` who runs podman, skopeo, buildah or rootless docker (root if not given)", Category: aboutNode},
	}
}

// surveyed is a runtime of the node.
type surveyed struct {
	trust.Runtime
	at trust.Installation
}

// survey finds the runtimes that --runtime names, or all that are there.
func (e *env) survey(c *cli.Context, n *trust.Node) ([]surveyed, error) {
	return e.surveyOf(n, c.String("root"), c.StringSlice("runtime"))
}

func (e *env) surveyOf(n *trust.Node, root string, wanted []string) ([]surveyed, error) {
	var found []surveyed
	if len(wanted) == 0 || len(wanted) == 1 && wanted[0] == "auto" {
		for _, r := range trust.Runtimes() {
			if r.Name() == "ctr" {
				continue // a tool without configuration: it says nothing about the node
			}
			for _, i := range r.Detect(n) {
				found = append(found, surveyed{r, i})
			}
		}
		if len(found) == 0 {
			return nil, withHint(usageErrorf("%s has no container runtime that crpki knows", root),
				"--runtime NAME takes one as if it were there: "+strings.Join(runtimeNames(), ", "))
		}
		return found, nil
	}
	for _, text := range wanted {
		name, version, versioned := strings.Cut(text, "@")
		i := slices.IndexFunc(trust.Runtimes(), func(r trust.Runtime) bool { return r.Name() == name })
		if i < 0 {
			err := usageErrorf("--runtime: %q is not one of %s", name, strings.Join(runtimeNames(), ", "))
			if near := closest(name, runtimeNames()); near != "" {
				err = withHint(err, fmt.Sprintf("did you mean %q?", near))
			}
			return nil, err
		}
		if versioned && trust.Upstream(version) == "" {
			return nil, usageErrorf("--runtime %s: %q is not a version", text, version)
		}
		r := trust.Runtimes()[i]
		installed := r.Detect(n)
		if len(installed) == 0 {
			installed = []trust.Installation{{Runtime: name}}
		}
		if versioned && trust.Upstream(version) != installed[0].Version {
			// Another version than the one that is there: what the binary tells does
			// not hold for it.
			installed = []trust.Installation{{Runtime: name, Version: trust.Upstream(version), Unit: installed[0].Unit}}
		}
		for _, at := range installed {
			found = append(found, surveyed{r, at})
		}
	}
	return found, nil
}

func runtimeNames() (names []string) {
	for _, r := range trust.Runtimes() {
		names = append(names, r.Name())
	}
	return names
}

// reference reads the argument REF.
func (e *env) reference(c *cli.Context) (trust.Reference, error) {
	if c.NArg() == 0 {
		command := "crpki trust " + c.Command.Name
		return trust.Reference{}, withHint(usageErrorf("%s needs REF", command), command+" --help shows an example")
	}
	text := c.Args().First()
	r, err := trust.ParseReference(text)
	if err != nil {
		return r, usageErrorf("%q: %w", text, err)
	}
	if r.Registry == trust.DockerHub && !strings.Contains(text, "/") && strings.Contains(text, ":") {
		e.notef("%s is taken for an image of Docker Hub, as runtimes do; for a registry write %s/", text, text)
	}
	return r, nil
}

// named is "docker 28.0.1 pull", and for what is not known "containerd (< 2.0)".
func named(d trust.Decision) string {
	parts := []string{d.Installation.Runtime}
	switch {
	case d.Versions != "":
		parts = append(parts, "("+d.Versions+")")
	case d.Installation.Version != "":
		parts = append(parts, d.Installation.Version)
	}
	if way := strings.TrimPrefix(d.Way, d.Installation.Runtime+" "); way != "" {
		parts = append(parts, way)
	}
	return strings.Join(parts, " ")
}

func trustCheckCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "say what the runtimes of a node would do with a registry",
		Description: `crpki trust check 10.96.0.50/hello-world:latest
# with the certificate at hand, of a node that is not this one
crpki trust check reg.example.com:5000 --root node.tar --cert certs/tls.crt
# after an upgrade
crpki trust check reg.example.com:5000 --runtime containerd@1.7.28 --runtime containerd@2.2.0
# every file that was looked for, and why it counts or does not
crpki trust check reg.example.com:5000 --runtime docker --explain

For each runtime on the node it says whether it would pull, the file that
decides, the message that it would print, and what to change. REF is an image, or
a registry alone.

The certificate is that of --cert, a file with what the server sends, leaf first.
Without it crpki connects to the registry, and to the mirrors that the node has
for it, from where it runs.

With --roots-from many nodes are checked in one run, in order; -o json then writes
an object on a line for each.

Where the version of a runtime is not known and matters, each answer is told.

Exits with 0 when every runtime would pull and verifies what it pulls from, with
1 otherwise, with 3 when the registry could not be reached.`,
		ArgsUsage: "REF",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "cert", Usage: "`FILE` with the chain that the registry serves, leaf first", TakesFile: true, Category: aboutConnection},
			&cli.BoolFlag{Name: "connect", Usage: "take the chain from the registry itself, as without --cert", Category: aboutConnection},
			&cli.StringFlag{Name: "connect-to", Usage: "connect to `HOST:PORT` in place of the registry", Category: aboutConnection},
			&cli.StringSliceFlag{Name: "resolve", Usage: "connect to an address for a host: `HOST:ADDRESS`, or HOST:PORT:ADDRESS", Category: aboutConnection},
			&cli.DurationFlag{Name: "timeout", Value: defaultTrustTimeout, Usage: "`TIME` for each connection", Category: aboutConnection},
			&cli.BoolFlag{Name: "explain", Usage: "tell every file that was looked for, and every address that is tried", Category: aboutReport},
			outputFlag("text", "json", "yaml"),
			&cli.StringFlag{Name: "roots-from", Usage: "`FILE` with the roots of many nodes, one on a line; # begins a comment, - is standard input", TakesFile: true, Category: aboutNode},
		}, nodeFlags()),
		Action: e.trustCheck,
	}
}

// checked is what trust check tells.
type checked struct {
	Reference trust.Reference `json:"reference"`
	Root      string          `json:"root"`
	// OK: every runtime would pull, and verifies what it pulls from.
	OK      bool           `json:"ok"`
	Servers []servedBy     `json:"servers"`
	Results []checkedByOne `json:"results"`
	// Error is why the node could not be read, one of many.
	Error   string `json:"error,omitempty"`
	reached bool
}

// servedBy is a server whose certificate was judged.
type servedBy struct {
	Host string `json:"host"`
	// From is the file, or the address that answered.
	From    string   `json:"from"`
	Subject string   `json:"subject,omitempty"`
	Names   []string `json:"names,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// checkedByOne is what one runtime would do.
type checkedByOne struct {
	trust.Decision
	trust.Judgement
	OK bool `json:"ok"`
}

func (e *env) trustCheck(c *cli.Context) error {
	ref, err := e.reference(c)
	if err != nil {
		return err
	}
	if c.String("roots-from") != "" {
		return e.trustCheckMany(c, ref)
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
	decisions := decide(n, runtimes, ref)
	presented, servers, err := e.presented(c, ref, decisions)
	if err != nil {
		return err
	}
	result := e.check(n, ref, decisions, presented, servers)
	if err := e.print(c, result, func(w io.Writer) error { return result.write(w, c.Bool("explain")) }); err != nil {
		return err
	}
	return result.exit()
}

func decide(n *node, runtimes []surveyed, ref trust.Reference) (decisions []trust.Decision) {
	for _, r := range runtimes {
		decisions = append(decisions, n.decide(r, ref)...)
	}
	return decisions
}

func (e *env) check(n *node, ref trust.Reference, decisions []trust.Decision, presented []trust.Presented, servers []servedBy) checked {
	result := checked{Reference: ref, Root: n.root, OK: true, Servers: servers, Results: []checkedByOne{}}
	for _, p := range presented {
		result.reached = result.reached || p.Error == ""
	}
	for _, d := range decisions {
		result.add(n, d, presented, e)
	}
	return result
}

// exit is 0 for good, 1 for bad, 3 where no server could be reached.
func (r *checked) exit() error {
	switch {
	case r.OK:
		return nil
	case !r.reached && slices.ContainsFunc(r.Results, func(one checkedByOne) bool { return one.Verdict == trust.Indeterminate }):
		return &exitError{exitConnect, errSilent}
	}
	return errBad
}

// trustCheckMany checks the nodes of --roots-from, several at a time, and tells
// of each in its turn.
func (e *env) trustCheckMany(c *cli.Context, ref trust.Reference) error {
	if c.IsSet("root") {
		return usageErrorf("--root and --roots-from: one node or many")
	}
	roots, err := e.rootsFrom(c.String("roots-from"))
	if err != nil {
		return err
	}
	// One look at the registry serves all nodes; their mirrors are not connected to.
	presented, servers, err := e.presented(c, ref, nil)
	if err != nil {
		return err
	}
	cache := &trust.Cache{}
	worst, count := exitOK, 0
	jobs := func(yield func(func() checked) bool) {
		for _, root := range roots {
			if !yield(func() checked { return e.checkRoot(c, root, cache, ref, presented, servers) }) {
				return
			}
		}
	}
	err = inOrder(c.Context, jobs, func(r checked) error {
		switch code := exitCode(r.exit()); {
		case r.Error != "":
			worst = exitUsage
		case code != exitOK && worst != exitUsage:
			worst = code
		}
		if count++; count > 1 && c.String("output") == "text" {
			fmt.Fprintln(e.stdout)
		}
		return e.writeOneOfMany(c, r)
	})
	if err != nil || worst == exitOK {
		return err
	}
	return &exitError{worst, errSilent}
}

func (e *env) writeOneOfMany(c *cli.Context, r checked) error {
	switch c.String("output") {
	case "json":
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	case "yaml":
		fmt.Fprintln(e.stdout, "---")
		return e.print(c, r, nil)
	}
	fmt.Fprintf(e.stdout, "%s: ", printable(r.Root))
	return r.write(e.stdout, c.Bool("explain"))
}

// checkRoot checks one node of many. What is wrong with the node itself is part
// of the result.
func (e *env) checkRoot(c *cli.Context, root string, cache *trust.Cache, ref trust.Reference, presented []trust.Presented, servers []servedBy) checked {
	failed := func(err error) checked {
		return checked{Reference: ref, Root: root, Error: err.Error(), Servers: servers, Results: []checkedByOne{}}
	}
	n, err := e.openAs(c, root, cache)
	if err != nil {
		return failed(err)
	}
	defer n.Close()
	runtimes, err := e.surveyOf(n.Node, root, c.StringSlice("runtime"))
	if err != nil {
		return failed(err)
	}
	return e.check(n, ref, decide(n, runtimes, ref), presented, servers)
}

// rootsFrom reads a file with a node's root on each line.
func (e *env) rootsFrom(path string) (roots []string, err error) {
	data, err := e.readFor("--roots-from", path)
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		// A key that is given by mistake would be told line by line.
		if strings.HasPrefix(line, "-----BEGIN ") || !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) {
			return nil, usageErrorf("--roots-from %s: line %d is the path of no node", path, number)
		}
		roots = append(roots, line)
	}
	if len(roots) == 0 {
		return nil, usageErrorf("--roots-from %s: names no node", path)
	}
	return roots, nil
}

func (r *checked) add(n *node, d trust.Decision, presented []trust.Presented, e *env) {
	j := trust.Judge(d, presented, e.now)
	if j.Verdict == trust.Untrusted {
		for _, p := range presented {
			for _, m := range n.StoreMistakes(p.Chain) {
				if len(p.Chain) > 0 {
					d.Mistakes = append(d.Mistakes, m)
				}
			}
		}
	}
	if j.Verdict == trust.Indeterminate && j.Cause != "" {
		// The words of its connection are not those that the runtime would have.
		d.Needs, j.Message = "what the server shows: "+j.Cause, ""
	}
	if j.Restart == "" {
		j.Restart = n.stale(d, j)
	}
	j.Fix = n.command(j.Fix)
	one := checkedByOne{Decision: d, Judgement: j, OK: j.Verdict == trust.Trusted && j.Message == ""}
	r.OK = r.OK && one.OK
	r.Results = append(r.Results, one)
}

func (r *checked) write(w io.Writer, explain bool) error {
	if r.Error != "" {
		_, err := fmt.Fprintln(w, printable(r.Error))
		return err
	}
	good := 0
	width := 0
	for _, one := range r.Results {
		if one.OK {
			good++
		}
		width = max(width, len([]rune(named(one.Decision))))
	}
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-8s %s\n", label, printable(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(w, "%s: %s\n", r.Reference.Registry, summary(good, len(r.Results)))
	for _, s := range r.Servers {
		switch {
		case s.Error != "":
			line("Server", "%s: %s", s.Host, s.Error)
		default:
			line("Server", "%s shows %s for %s (%s)", s.Host, cmp.Or(s.Subject, "a certificate without a subject"), cmp.Or(someOf(s.Names), "no name"), s.From)
		}
	}
	fmt.Fprintln(w)
	for _, one := range r.Results {
		name := named(one.Decision)
		fmt.Fprintf(w, "%s%s  %-19s  %s\n", name, strings.Repeat(" ", width-len([]rune(name))), one.word(), printable(one.where()))
	}
	for _, one := range r.Results {
		if !one.hasMore() && !explain {
			continue
		}
		fmt.Fprintf(w, "\n%s: %s\n", named(one.Decision), one.word())
		one.writeMore(line)
		if explain {
			one.explain(line)
		}
	}
	return nil
}

// summary is "1 of 3 runtimes would pull and verify".
func summary(good, all int) string {
	switch {
	case good == all && all == 1:
		return "trusted"
	case good == all:
		return fmt.Sprintf("trusted by all %d", all)
	case good == 0 && all == 1:
		return "not trusted"
	case good == 0:
		return fmt.Sprintf("trusted by none of %d", all)
	}
	return fmt.Sprintf("trusted by %d of %d", good, all)
}

func (o checkedByOne) word() string {
	if o.Restart != "" && o.OK {
		return "trusted, restart"
	}
	if o.Message != "" && (o.Verdict == trust.SkipsVerify || o.Verdict == trust.PlainHTTP) {
		return string(o.Verdict) + ", fails"
	}
	return string(o.Verdict)
}

// where is the place that decides, and what stands there.
func (o checkedByOne) where() string {
	place := o.Decided.String()
	switch {
	case o.Anchor != nil:
		return fmt.Sprintf("%s (%s)", place, subjectOf(o.Anchor.Cert))
	case o.Decided.Key != "":
		return strings.TrimSpace(place + " " + o.Decided.Key)
	case place == "" && (o.Verdict == trust.SkipsVerify || o.Verdict == trust.PlainHTTP) && o.Reference.Loopback():
		return "built in, for addresses of the machine itself"
	}
	return cmp.Or(place, "-")
}

func (o checkedByOne) hasMore() bool {
	return o.Message != "" || o.Fix != "" || o.Restart != "" || o.Needs != "" || len(o.Mistakes) > 0 || len(o.Unjudged) > 0 || !o.OK
}

func (o checkedByOne) writeMore(line func(label, format string, args ...any)) {
	if o.Message != "" {
		line("Says", "%s", o.Message)
	}
	if o.Culprit != "" {
		line("About", "%s", o.Culprit)
	}
	switch {
	case o.Verdict == trust.SkipsVerify && o.Message == "":
		line("Why", "any certificate is taken, whoever made it: %s", o.where())
	case o.Verdict == trust.NotContacted:
		line("Why", "the registry itself is never asked: %s", o.where())
	case o.Verdict == trust.PlainHTTP && o.Message == "":
		line("Why", "nothing is encrypted or verified: %s", o.where())
	}
	if o.Needs != "" {
		line("Unknown", "%s", o.Needs)
	}
	for i, m := range o.Mistakes {
		label := ""
		if i == 0 {
			label = "Mistake"
		}
		line(label, "%s: %s [%s]", m.Place, m.Text, m.ID)
		if m.Fix != "" {
			line("", "  fix: %s", m.Fix)
		}
	}
	if len(o.Unjudged) > 0 {
		line("Mirrors", "not looked at: %s", strings.Join(o.Unjudged, ", "))
	}
	if o.Restart != "" {
		line("Restart", "%s", o.Restart)
	}
	if o.Fix != "" {
		line("Fix", "%s", o.Fix)
	}
}

// explain tells the whole decision.
func (o checkedByOne) explain(line func(label, format string, args ...any)) {
	if o.Installation.Found != "" {
		text := "found by " + o.Installation.Found
		if o.Installation.GoVersion != "" {
			text += ", built with Go " + o.Installation.GoVersion
		}
		if o.Installation.Unit != "" {
			text += ", started by " + o.Installation.Unit
		}
		line("Runtime", "%s", text)
	}
	for i, s := range o.Steps {
		label, mark := "", "passed over"
		if i == 0 {
			label = "Looked"
		}
		if s.Used {
			mark = "used"
		}
		place := s.Place.String()
		if s.Place.Key != "" {
			place = strings.TrimSpace(place + " " + s.Place.Key)
		}
		line(label, "%-11s %s: %s", mark, place, s.Why)
	}
	for i, at := range o.Endpoints {
		label := ""
		if i == 0 {
			label = "Tries"
		}
		line(label, "%s", describeEndpoint(at))
		for _, a := range at.CAs {
			line("", "  trusts %s: %s", a.Place(), subjectOf(a.Cert))
		}
		if p := at.System; p != nil && !at.SkipVerify && at.Scheme == trust.HTTPS {
			from := slices.DeleteFunc(append([]string{p.File}, p.Dirs...), func(s string) bool { return s == "" })
			line("", "  trusts the system's roots: %s from %s", count(len(p.Anchors), "certificate"), cmp.Or(strings.Join(from, ", "), "nowhere"))
		}
		for _, cert := range at.ClientCerts {
			line("", "  shows %s, key %s", cert.Cert, cert.Key)
		}
	}
}

func describeEndpoint(at trust.Endpoint) string {
	text := string(at.Scheme) + "://" + at.Host + at.Path
	if at.Mirror {
		text += ", a mirror"
	}
	if at.SkipVerify {
		text += ", any certificate"
	}
	if at.Fallback != trust.NoFallback {
		text += ", plain HTTP " + string(at.Fallback)
	}
	if at.Failure != nil {
		text += ", fails: " + at.Failure.Text
	}
	if p := at.Decided.String(); p != "" {
		text += " (" + p + ")"
	}
	return text
}

// chainFrom reads what a server sends from a file, in the order in which it is there.
func (e *env) chainFrom(c *cli.Context, path string) ([]pki.Cert, error) {
	certs, err := e.certsIn(c, path)
	if err != nil {
		return nil, err
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate")
	}
	return certs, nil
}
