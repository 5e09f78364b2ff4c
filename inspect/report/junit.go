package report

import (
	"encoding/xml"
	"io"

	"github.com/crpki/crpki/inspect"
)

// The shapes of JUnit's XML that both the schema of Apache Ant and those of
// Jenkins have.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Package    string      `xml:"package,attr"`
		ID         int         `xml:"id,attr"`
		Name       string      `xml:"name,attr"`
		Timestamp  string      `xml:"timestamp,attr"`
		Hostname   string      `xml:"hostname,attr"`
		Tests      int         `xml:"tests,attr"`
		Failures   int         `xml:"failures,attr"`
		Errors     int         `xml:"errors,attr"`
		Skipped    int         `xml:"skipped,attr"`
		Time       string      `xml:"time,attr"`
		Properties []property  `xml:"properties>property"`
		Cases      []junitCase `xml:"testcase"`
		SystemOut  string      `xml:"system-out"`
		SystemErr  string      `xml:"system-err"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr"`
		Skipped   *junitSkipped `xml:"skipped"`
		Error     *junitFailure `xml:"error"`
		Failure   *junitFailure `xml:"failure"`
	}
	property struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitSkipped struct {
		Reason string `xml:",chardata"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit writes one suite for each target and one case for each finding. A target
// without findings has one case that passes. Findings of severity info pass:
// JUnit knows no other way to say that something is worth knowing.
func junit(w io.Writer, r inspect.Report, _ Options) error {
	var doc junitSuites
	for i, t := range r.Targets {
		s := junitSuite{
			Package: r.Tool, ID: i, Name: junitText(path(t.Target)), Hostname: "localhost", Time: "0",
			Timestamp: r.Time.UTC().Format("2006-01-02T15:04:05"), Properties: []property{{"version", r.Version}},
		}
		if t.Error != "" {
			s.add(junitCase{Name: "readable", Error: &junitFailure{Message: junitText(t.Error), Type: "unreadable"}})
		}
		for _, f := range t.Findings {
			s.add(junitFinding(f))
		}
		if len(s.Cases) == 0 {
			s.add(junitCase{Name: "no findings"})
		}
		doc.Suites = append(doc.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(c junitCase) {
	c.Classname, c.Time = s.Name, "0"
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func junitFinding(f inspect.Finding) junitCase {
	c := junitCase{Name: f.Rule}
	if place := where(f); place != "" {
		c.Name += " (" + junitText(place) + ")"
	}
	switch {
	case f.Waived != "":
		c.Skipped = &junitSkipped{Reason: junitText(f.Waived)}
	case f.Severity >= inspect.Warning:
		body := junitText(position(f))
		if f.Fix != "" {
			body += "\nfix: " + junitText(f.Fix)
		}
		c.Failure = &junitFailure{Message: junitText(f.Message), Type: f.Severity.String(), Text: body}
	}
	return c
}

// junitText is one line that XML can hold.
func junitText(s string) string { return xmlText(printable(s)) }
