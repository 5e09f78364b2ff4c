package main

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/k8ssecret/preflight"
	"github.com/crpki/crpki/pki/format"
)

func preflightCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "preflight",
		Usage: "ask the cluster what it would refuse of a deployment",
		Description: `crpki preflight values.yaml
# with the arguments that helm is going to get, too
crpki preflight values.yaml --set service.clusterIP=10.96.0.50
# settings of the Azure extension, and what is not in them
crpki preflight protected-settings-extension.json --az-config service.clusterIP=10.96.0.50
# in a pipeline
crpki preflight values.yaml -o junit > preflight.xml

Run it before "helm upgrade" or "az k8s-extension create": what is wrong shows
then only as a pod that stays Pending, or in the logs of one. Several values
files count as behind helm's -f, the last the most. The cluster is read, and
changed in nothing; the connection string is checked, and shown nowhere.

The checks:

` + preflightChecks() + `
Exits with 0 when all checks pass, also with warnings; with 1 when one fails, or
could not be made for want of a permission, which is then named (--disable
leaves a check out); with 2 when the file cannot be read, and with 3 when the
cluster could not be asked.`,
		ArgsUsage: "[FILE...]",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringSliceFlag{Name: "set", Usage: "count `KEY=VALUE` too, as helm --set has it"},
			&cli.StringSliceFlag{Name: "az-config", Usage: "count `KEY=VALUE` too, as az k8s-extension --config has it"},
			&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "`NAMESPACE` of the Helm release", Value: "connected-registry"},
			&cli.StringFlag{Name: "release", Usage: "`NAME` of the Helm release", Value: "connected-registry"},
			&cli.StringSliceFlag{Name: "disable", Usage: "leave out the check `ID`"},
			outputFlag("text", "json", "yaml", "junit"),
		}, clusterFlags()),
		Action: e.preflight,
	}
}

func preflightChecks() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range preflight.Checks() {
		for i, line := range strings.Split(wrapWords(c.About, 56), "\n") {
			id := c.ID
			if i > 0 {
				id = ""
			}
			fmt.Fprintf(t, "  %s\t%s\n", id, line)
		}
	}
	t.Flush()
	return b.String()
}

// preflightReport is what preflight tells.
type preflightReport struct {
	// Targets are the files, and --set or --az-config.
	Targets   []string  `json:"targets"`
	Namespace string    `json:"namespace"`
	Release   string    `json:"release"`
	Server    string    `json:"server"`
	Time      time.Time `json:"time"`
	// Verdict is the worst of the checks': pass, warn, unknown or fail.
	Verdict preflight.Verdict `json:"verdict"`
	Checks  []preflight.Check `json:"checks"`
	// Error says why there are no more checks.
	Error string `json:"error,omitempty"`
}

func (e *env) preflight(c *cli.Context) error {
	for _, id := range c.StringSlice("disable") {
		if !slices.ContainsFunc(preflight.Checks(), func(i preflight.CheckInfo) bool { return i.ID == id }) {
			return withHint(usageErrorf("there is no check %q", id), "crpki preflight --help lists them")
		}
	}
	plan, targets, err := e.readDeployment(c)
	if err != nil {
		return err
	}
	client, err := e.openCluster(c)
	if err != nil {
		return err
	}
	r := preflightReport{
		Targets: targets, Namespace: c.String("namespace"), Release: c.String("release"), Server: client.Server(), Time: e.now.UTC(),
	}
	checks, failed := preflight.Run(c.Context, client, plan, preflight.Options{
		Namespace: r.Namespace, Release: r.Release, Skip: c.StringSlice("disable"),
		Lint: func(units []k8ssecret.Unit) []preflight.Fault { return lintFaults(e, units) },
	})
	if c.Context.Err() != nil {
		return errInterrupted
	}
	r.Checks = append([]preflight.Check{}, checks...)
	r.Verdict = worst(checks)
	if failed != nil {
		r.Error = failed.Error()
	}
	if err := e.printPreflight(c, r); err != nil {
		return err
	}
	switch {
	case failed != nil:
		return clusterError(failed)
	case r.Verdict == preflight.Fail || r.Verdict == preflight.Unknown:
		return errBad
	}
	return nil
}

// readDeployment reads the files that the arguments name, and --set or --az-config.
func (e *env) readDeployment(c *cli.Context) (plan k8ssecret.Deployment, targets []string, err error) {
	sets, configs := c.StringSlice("set"), c.StringSlice("az-config")
	if c.NArg()+len(sets)+len(configs) == 0 {
		return plan, nil, withHint(usageErrorf("preflight: no values are named"), "crpki preflight values.yaml")
	}
	var files []k8ssecret.Input
	for _, path := range c.Args().Slice() {
		data, err := e.read(path)
		if err != nil {
			return plan, nil, err
		}
		files = append(files, k8ssecret.Input{Source: path, Data: data})
		targets = append(targets, path)
	}
	if len(sets) > 0 {
		targets = append(targets, "--set")
	}
	if len(configs) > 0 {
		targets = append(targets, "--az-config")
	}
	plan, err = k8ssecret.ReadDeployment(files, sets, configs, format.Options{})
	if err != nil {
		if _, known := errors.AsType[*format.Error](err); !known {
			err = fmt.Errorf("%s: %w", strings.Join(targets, ", "), err)
		}
		return plan, nil, withHint(usageErrorf("%w", err), "crpki lint says more about the file")
	}
	return plan, targets, nil
}

// lintFaults is lint, for what preflight wants to know.
func lintFaults(e *env, units []k8ssecret.Unit) (faults []preflight.Fault) {
	for _, f := range lintUnits(e, units) {
		if f.Severity >= inspect.Warning {
			faults = append(faults, preflight.Fault{Rule: f.Rule, Message: f.Message, Fix: f.Fix, Error: f.Severity >= inspect.Error})
		}
	}
	return faults
}

// worst is the verdict on all.
func worst(checks []preflight.Check) preflight.Verdict {
	order := []preflight.Verdict{preflight.Skip, preflight.Pass, preflight.Warn, preflight.Unknown, preflight.Fail}
	w := preflight.Pass
	for _, c := range checks {
		if slices.Index(order, c.Verdict) > slices.Index(order, w) {
			w = c.Verdict
		}
	}
	return w
}

func (e *env) printPreflight(c *cli.Context, r preflightReport) error {
	if c.String("output") == "junit" {
		return r.junit(e.stdout)
	}
	return e.print(c, r, func(w io.Writer) error { return r.text(w, e.width) })
}

// text is the table for people.
func (r preflightReport) text(w io.Writer, width int) error {
	fmt.Fprintf(w, "%s → %s in %s, %s\n", printable(strings.Join(r.Targets, ", ")), printable(r.Release), printable(r.Namespace), printable(r.Server))
	const indent = 31
	room := max(40, min(cmp.Or(width, 120), 120)-indent)
	made := map[preflight.Verdict]int{}
	for _, c := range r.Checks {
		made[c.Verdict]++
		verdict := string(c.Verdict)
		if c.Verdict == preflight.Fail || c.Verdict == preflight.Unknown {
			verdict = strings.ToUpper(verdict)
		}
		fmt.Fprintf(w, "  %-19s %-8s %s\n", c.ID, verdict, below(c.Message, room, indent-1))
		if c.Fix != "" && c.Verdict != preflight.Pass && c.Verdict != preflight.Skip {
			fmt.Fprintf(w, "%*sfix: %s\n", indent-1, "", printable(c.Fix))
		}
	}
	_, err := fmt.Fprintf(w, "%s: %d passed, %d with a warning, %d failed, %d not made for want of a permission, %d not needed\n",
		count(len(r.Checks), "check"), made[preflight.Pass], made[preflight.Warn], made[preflight.Fail], made[preflight.Unknown], made[preflight.Skip])
	return err
}

// below wraps text, whose lines after the first are indented.
func below(text string, width, indent int) string {
	return strings.ReplaceAll(wrapWords(printable(text), width), "\n", "\n"+strings.Repeat(" ", indent))
}

// Shapes of JUnit's XML, of which every reader takes these.
type (
	preflightSuite struct {
		XMLName   xml.Name        `xml:"testsuite"`
		Name      string          `xml:"name,attr"`
		Timestamp string          `xml:"timestamp,attr"`
		Hostname  string          `xml:"hostname,attr"`
		Tests     int             `xml:"tests,attr"`
		Failures  int             `xml:"failures,attr"`
		Errors    int             `xml:"errors,attr"`
		Skipped   int             `xml:"skipped,attr"`
		Time      string          `xml:"time,attr"`
		Cases     []preflightCase `xml:"testcase"`
	}
	preflightCase struct {
		Name      string          `xml:"name,attr"`
		Classname string          `xml:"classname,attr"`
		Time      string          `xml:"time,attr"`
		Skipped   *preflightText  `xml:"skipped"`
		Error     *preflightFault `xml:"error"`
		Failure   *preflightFault `xml:"failure"`
		Output    string          `xml:"system-out,omitempty"`
	}
	preflightText struct {
		Text string `xml:",chardata"`
	}
	preflightFault struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit writes a suite with a case for each check. A check that could not be
// made is an error there, and a warning passes with its words.
func (r preflightReport) junit(w io.Writer) error {
	s := preflightSuite{
		Name: printable(strings.Join(r.Targets, ", ")), Timestamp: r.Time.Format("2006-01-02T15:04:05"), Hostname: "localhost", Time: "0", Cases: []preflightCase{},
	}
	for _, check := range r.Checks {
		message := printable(check.Message)
		c := preflightCase{Name: check.ID, Classname: "crpki.preflight", Time: "0"}
		fault := &preflightFault{Message: message, Type: string(check.Verdict), Text: printable(check.Fix)}
		switch check.Verdict {
		case preflight.Fail:
			c.Failure = fault
			s.Failures++
		case preflight.Unknown:
			c.Error = fault
			s.Errors++
		case preflight.Skip:
			c.Skipped = &preflightText{message}
			s.Skipped++
		default:
			c.Output = string(check.Verdict) + ": " + message
		}
		s.Cases = append(s.Cases, c)
	}
	if r.Error != "" {
		s.Errors++
		s.Cases = append(s.Cases, preflightCase{Name: "cluster", Classname: "crpki.preflight", Time: "0", Error: &preflightFault{Message: printable(r.Error), Type: "connection"}})
	}
	s.Tests = len(s.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
