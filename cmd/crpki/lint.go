package main

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect"
	findings "github.com/crpki/crpki/inspect/report"
	"github.com/crpki/crpki/inspect/rules"
	"github.com/crpki/crpki/pki"
)

// docURL is where the rules' pages are.
const docURL = "https://github.com/crpki/crpki/blob/main/docs/rules/"

func lintCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "lint",
		Usage: "find what would break pulls, before it is deployed",
		Description: `crpki lint certs --host 10.96.0.50
# a Secret, Helm values or protected settings, as they will be deployed
crpki lint secret.yaml values.yaml
# in CI: annotations, a report for code scanning, and only errors fail
crpki lint . -o github -o sarif=crpki.sarif --fail-on error
# mend what needs neither a key nor a CA; --diff shows it first
crpki lint --fix certs
# what a rule means, and who refuses what it finds
crpki lint --explain san-ip-missing

Reads certificates, chains, keys, PKCS#12, Java keystores, Secrets, Helm values
and settings by their content; folders are read with all that is in them, "-" is
standard input.
Files of one folder that belong together are judged together: tls.crt with
tls.key, and ca.crt as the CA that clients trust.

Exits with 0 when nothing of --fail-on or worse was found, with 1 when something
was, and with 2 when something could not be read; in every format alike.`,
		ArgsUsage: "[FILE...]",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringSliceFlag{Name: "host", Usage: "`NAME` or address by which clients dial; it must be among the names"},
			&cli.StringSliceFlag{Name: "ca-file", Usage: "`FILE` with CA certificates that clients trust, for all that is judged", TakesFile: true},
			&cli.StringFlag{Name: "warn-days", Value: "28", Usage: "warn when a certificate ends within `DAYS`, or within a share of its life: 33%"},
			&cli.StringFlag{Name: "fail-days", Value: "14", Usage: "the same, as an error: `DAYS` or a share"},
			choiceFlag(&cli.StringFlag{Name: "fail-on", Value: "error", Usage: "exit with 1 for findings of `SEVERITY` or worse"}, "error", "warning", "info", "none"),
			&cli.BoolFlag{Name: "ignore-unknown", Usage: "pass over files that hold nothing to judge even when they are named, as in folders: for hooks that name whatever has changed"},
			helmSetFlag(),
			&cli.StringSliceFlag{Name: "disable", Usage: "leave out the rule `ID`"},
			clientsFlag(),
			zlintFlag(),
			&cli.BoolFlag{Name: "list-rules", Usage: "list the rules"},
			&cli.StringFlag{Name: "explain", Usage: "print the page of the rule `ID`"},
			&cli.StringSliceFlag{
				Name: "output", Aliases: []string{"o"},
				Usage: "write the findings as `FORMAT`, or FORMAT=FILE: " + strings.Join(append(findings.Formats(), "yaml"), ", ") + " (text without it)",
			},
		}, configFlags(), fixFlags(), passwordFlags("")),
		Action: e.lint,
	}
}

func (e *env) lint(c *cli.Context) error {
	all := rules.All()
	switch {
	case c.Bool("list-rules"):
		return e.listRules(all)
	case c.String("explain") != "":
		return e.explainRule(all, c.String("explain"))
	case c.NArg() == 0 && len(c.StringSlice("set")) == 0:
		return withHint(usageErrorf("lint: nothing to judge is named"), "crpki lint .")
	}
	l, err := e.newLinter(c, all)
	if err != nil {
		return err
	}
	outputs, err := parseOutputs(c.StringSlice("output"))
	if err != nil {
		return err
	}
	if fixing(c) {
		if done, err := e.fix(c, c.Args().Slice(), outputs); done || err != nil {
			return err
		}
	}
	return errors.Join(l.lint(c.Args().Slice(), outputs, all), e.writeBaseline(c, l.decided))
}

// linter holds what is the same for all targets.
type linter struct {
	*env
	c       *cli.Context
	judge   *inspect.Judge
	hosts   []inspect.Host
	anchors []pki.Cert
	limits  inspect.Limits
	decided *decisions
	second  *zlint

	// anchorsNamed are the anchors by name, once many are asked for.
	anchorsNamed caIndex
	indexAnchors sync.Once
}

func (e *env) newLinter(c *cli.Context, all []inspect.Rule) (*linter, error) {
	l := &linter{env: e, c: c}
	var err error
	if l.limits.Warn, err = parseSpan("warn-days", cmp.Or(c.String("warn-days"), "0")); err != nil {
		return nil, err
	}
	if l.limits.Fail, err = parseSpan("fail-days", cmp.Or(c.String("fail-days"), "0")); err != nil {
		return nil, err
	}
	if l.second, err = findZlint(c); err != nil {
		return nil, err
	}
	names, remarks, err := pki.ParseNames(0, c.StringSlice("host"))
	if err != nil {
		return nil, usageErrorf("--host: %w", err)
	}
	e.warnings(remarks)
	for _, n := range names {
		l.hosts = append(l.hosts, inspect.Host{Name: n, From: "--host"})
	}
	for _, path := range c.StringSlice("ca-file") {
		m, err := e.decode(c, path)
		if err != nil {
			return nil, err
		}
		l.anchors = append(l.anchors, append(m.Certs, m.Anchors...)...)
	}
	severities, err := disabled(all, c.StringSlice("disable"))
	if err != nil {
		return nil, err
	}
	if l.decided, err = e.decide(c, all); err != nil {
		return nil, err
	}
	l.judge = inspect.NewJudge(inspect.Options{Rules: all, Severities: l.decided.severities(severities), Waive: l.decided.waive})
	return l, nil
}

func disabled(all []inspect.Rule, ids []string) (map[string]inspect.Severity, error) {
	severities := map[string]inspect.Severity{}
	for _, id := range ids {
		if _, err := findRule(all, id); err != nil {
			return nil, err
		}
		severities[id] = 0
	}
	return severities, nil
}

// parseSpan reads "28" days, "672h" or "33%" of the lifetime.
func parseSpan(flag, text string) (inspect.Span, error) {
	if share, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(share, 64)
		if err != nil || p < 0 || p > 100 {
			return inspect.Span{}, usageErrorf("--%s %s: a share is a number from 0%% to 100%%", flag, text)
		}
		return inspect.Span{Percent: p}, nil
	}
	if days, err := strconv.Atoi(strings.TrimSuffix(text, "d")); err == nil && days >= 0 {
		return inspect.Span{Duration: time.Duration(days) * 24 * time.Hour}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return inspect.Span{Duration: d}, nil
	}
	return inspect.Span{}, usageErrorf("--%s %s: neither days nor a share of the lifetime (28, 33%%)", flag, text)
}

// output is one -o.
type output struct{ format, file string }

func parseOutputs(texts []string) ([]output, error) {
	if len(texts) == 0 {
		return []output{{format: "text"}}, nil
	}
	var outputs []output
	toStdout := 0
	for _, text := range texts {
		format, file, _ := strings.Cut(text, "=")
		if format != "yaml" && !slices.Contains(findings.Formats(), format) {
			return nil, usageErrorf("--output %s: the format is none of %s, yaml", text, strings.Join(findings.Formats(), ", "))
		}
		if file == "" {
			if toStdout++; toStdout > 1 {
				return nil, withHint(usageErrorf("--output: only one format can go to standard output"), "give the others a file: -o sarif=crpki.sarif")
			}
		}
		outputs = append(outputs, output{format, file})
	}
	return outputs, nil
}

// lineReader gives lines of files that are safe to show: PEM markers and what
// stands before a value. A line may hold a key or a password; it is cut behind
// the name.
func lineReader() func(string, int) string {
	var last string
	var lines []string
	return func(source string, n int) string {
		if source != last {
			last, lines = source, nil
			if info, err := os.Stat(source); err == nil && info.Mode().IsRegular() && info.Size() < 1<<20 {
				if data, err := os.ReadFile(source); err == nil {
					lines = strings.Split(string(data), "\n")
				}
			}
		}
		if n > len(lines) {
			return ""
		}
		return safeLine(lines[n-1])
	}
}

// listRules lists for people on a terminal, and for grep elsewhere.
func (e *env) listRules(all []inspect.Rule) error {
	options := findings.Options{Color: e.color}
	if e.stdoutTerminal {
		options.Width = e.width
	}
	return findings.List(e.stdout, all, options)
}

func (e *env) explainRule(all []inspect.Rule, id string) error {
	r, err := findRule(all, id)
	if err != nil {
		return err
	}
	return findings.Explain(e.stdout, r, findings.Options{Color: e.color, Width: min(e.width, 80)})
}

func findRule(all []inspect.Rule, id string) (inspect.Rule, error) {
	for _, r := range all {
		if r.ID == id {
			return r, nil
		}
	}
	return inspect.Rule{}, withHint(usageErrorf("there is no rule %q", id), "crpki lint --list-rules")
}
