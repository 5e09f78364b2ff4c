package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/crpki/crpki/inspect"
)

// github writes workflow commands, which become annotations on the lines of a
// pull request. Waived findings are left out.
func github(w io.Writer, r inspect.Report, _ Options) error {
	b := bufio.NewWriter(w)
	for _, t := range r.Targets {
		if t.Error != "" {
			fmt.Fprintf(b, "::error file=%s,title=unreadable::%s\n", githubProperty(printable(path(t.Target))), githubData(printable(t.Error)))
		}
		for _, f := range t.Findings {
			if f.Waived != "" {
				continue
			}
			command := level(f.Severity)
			if command == "note" {
				command = "notice"
			}
			place := fmt.Sprintf("file=%s,line=%d", githubProperty(printable(path(f.Origin.Source))), line(f))
			if f.Origin.Column > 0 {
				place += fmt.Sprintf(",col=%d", f.Origin.Column)
			}
			message := printable(sentence(f))
			if f.Fix != "" {
				message += "\nfix: " + printable(f.Fix)
			}
			fmt.Fprintf(b, "::%s %s,title=%s::%s\n", command, place, githubProperty(f.Rule), githubData(message))
		}
	}
	return b.Flush()
}

// githubData and githubProperty escape as actions/toolkit does
// (packages/core/src/command.ts).
func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func githubProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

// gitlabIssue is one entry of GitLab's code quality report.
type gitlabIssue struct {
	Description string         `json:"description"`
	CheckName   string         `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"`
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path  string `json:"path"`
	Lines struct {
		Begin int `json:"begin"`
	} `json:"lines"`
}

// gitlab writes a code quality report. Waived findings are left out.
func gitlab(w io.Writer, r inspect.Report, _ Options) error {
	issues := []gitlabIssue{}
	fingerprint := fingerprints()
	for _, t := range r.Targets {
		if t.Error != "" {
			issue := gitlabIssue{Description: printable(t.Error), CheckName: "unreadable", Severity: "blocker", Location: gitlabLocation{Path: printable(path(t.Target))}}
			issue.Location.Lines.Begin = 1
			issue.Fingerprint = inspect.Fingerprint("unreadable", t.Target)
			issues = append(issues, issue)
		}
		for _, f := range t.Findings {
			if f.Waived != "" {
				continue
			}
			issue := gitlabIssue{
				Description: printable(sentence(f)), CheckName: f.Rule, Fingerprint: fingerprint(f),
				Severity: gitlabSeverity(f.Severity), Location: gitlabLocation{Path: printable(path(f.Origin.Source))},
			}
			if f.Fix != "" {
				issue.Description += " (fix: " + printable(f.Fix) + ")"
			}
			issue.Location.Lines.Begin = line(f)
			issues = append(issues, issue)
		}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(issues)
}

func gitlabSeverity(s inspect.Severity) string {
	switch s {
	case inspect.Error:
		return "critical"
	case inspect.Warning:
		return "minor"
	}
	return "info"
}

// tap writes TAP version 14: a test for each finding, and one that passes for
// each target without any.
func tap(w io.Writer, r inspect.Report, _ Options) error {
	var lines []string
	add := func(ok bool, format string, args ...any) {
		word := "not ok"
		if ok {
			word = "ok"
		}
		lines = append(lines, fmt.Sprintf("%s %d - %s", word, len(lines)+1, fmt.Sprintf(format, args...)))
	}
	for _, t := range r.Targets {
		switch {
		case t.Error != "":
			add(false, "%s unreadable: %s", tapText(path(t.Target)), tapText(t.Error))
		case len(t.Findings) == 0:
			add(true, "%s", tapText(path(t.Target)))
		}
		for _, f := range t.Findings {
			what := fmt.Sprintf("%s %s: %s", tapText(path(f.Origin.Source)), f.Rule, tapText(sentence(f)))
			if f.Waived != "" {
				add(true, "%s # SKIP %s", what, tapText(f.Waived))
			} else {
				add(f.Severity < inspect.Warning, "%s", what)
			}
		}
	}
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "TAP version 14\n1..%d\n", len(lines))
	if len(lines) == 0 {
		fmt.Fprintln(b, "# nothing was judged")
	}
	for _, l := range lines {
		fmt.Fprintln(b, l)
	}
	return b.Flush()
}

// tapText is one line in which # begins no directive.
func tapText(s string) string {
	return strings.NewReplacer("\\", "\\\\", "#", "\\#").Replace(printable(s))
}
