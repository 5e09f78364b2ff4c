package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/report"
	"github.com/crpki/crpki/inspect/rules"
	"github.com/crpki/crpki/pki"
)

var update = flag.Bool("update", false, "write the golden files and docs/rules anew")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run: go test ./inspect/report -update")
	assert.Equal(t, string(want), got, "run: go test ./inspect/report -update")
}

// hostile is what a certificate's names and a file's name may hold: sequences
// that drive terminals, ends of lines with commands to CI systems, links,
// reversed text, invalid UTF-8, what XML cannot hold.
const hostile = "x\x1b[2J\x07\u202etxt\n::error::owned\r\n##[add-mask]x ##vso[task.complete] [pull](https://evil.example) <&]]> %0A # SKIP \\ \x00\xff\ufffe\u2028|{0}"

var testRules = []inspect.Rule{
	{ID: "san-ip-missing", Group: "names", Severity: inspect.Error, Doc: inspect.Doc{
		Title: "An address that clients dial is not in the certificate.", Why: "Clients that dial it refuse.",
		Refusals: []inspect.Refusal{{Client: "Go clients", Since: "Go 1.15", Message: "x509: cannot validate certificate for A because it doesn't contain any IP SANs"}},
		Fix:      "crpki gen --ip 10.96.0.50", FixOpenSSL: "openssl req …", Sources: []string{"RFC 9525 6.5"}, Since: "0.1.0",
	}},
	{ID: "expires-soon", Group: "time", Severity: inspect.Warning, Doc: inspect.Doc{Title: "It ends soon.", Why: "Then pulls fail.", Fix: "crpki renew tls.crt", Sources: []string{"RFC 5280"}, Since: "0.1.0"}},
	{ID: "pem-crlf", Group: "encoding", Severity: inspect.Info, Doc: inspect.Doc{Title: "Lines end as on Windows.", Why: "Harmless.", FixOpenSSL: "tr -d '\\r'", Sources: []string{"RFC 7468"}, Since: "0.1.0"}},
}

func testReport(targets ...inspect.TargetReport) inspect.Report {
	return inspect.Report{
		Schema: inspect.Schema, Tool: "crpki", Version: "v0.1.0", Targets: targets,
		Time: time.Date(2027, 1, 31, 15, 4, 5, 0, time.FixedZone("", 3600)),
	}
}

// ordinary has all that a report can hold.
func ordinary() inspect.Report {
	crt := pki.Origin{Source: "./deploy/tls.crt", Index: 1, Line: 2, Column: 1}
	missing := inspect.Finding{
		Rule: "san-ip-missing", Severity: inspect.Error, Origin: crt, Part: "certificate 1", Fix: "crpki gen --ip 10.96.0.50",
		Message: "10.96.0.50 is not among the addresses of the certificate, which clients that pull from 10.96.0.50 are going to refuse",
		Got:     "DNS:registry.example.com", Want: "IP:10.96.0.50",
	}
	again := missing
	again.Message = "10.96.0.51 is not among the addresses of the certificate"
	return testReport(
		inspect.TargetReport{
			Target: "./deploy/tls.crt", Certificates: 2,
			Findings: []inspect.Finding{
				missing, again,
				{Rule: "pem-crlf", Severity: inspect.Info, Origin: pki.Origin{Source: "./deploy/tls.crt"}, Message: "40 line breaks as on Windows (CR LF)"},
			},
			Skipped: []inspect.Skip{{Rule: "key-mismatch", Missing: "no private key given"}},
		},
		inspect.TargetReport{
			Target: "deploy/secret.yaml: Secret infra/tls", Certificates: 1,
			Findings: []inspect.Finding{
				{Rule: "expires-soon", Severity: inspect.Warning, Origin: pki.Origin{Source: "deploy/secret.yaml", Field: "data.tls.crt", Index: 2, Line: 7, Column: 12}, Part: "certificate 2", Message: "ends in 9 days", Fix: "crpki renew tls.crt"},
				{Rule: "expires-soon", Severity: inspect.Warning, Origin: pki.Origin{Source: "deploy/secret.yaml", Field: "data.ca.crt", Index: 1, Line: 8}, Message: "ends in 20 days", Waived: "the CA is replaced in March", Fix: "crpki renew tls.crt"},
			},
		},
		inspect.TargetReport{Target: "good 100%.crt", Findings: []inspect.Finding{}, Certificates: 1},
		inspect.TargetReport{Target: "-", Findings: []inspect.Finding{}, Error: "-: is no certificate, key or PKCS#12 file"},
	)
}

func nasty() inspect.Report {
	f := inspect.Finding{
		Rule: "san-ip-missing", Severity: inspect.Error, Message: hostile, Got: hostile, Want: hostile, Fix: "crpki gen --ip " + hostile, Part: "certificate 1",
		Origin: pki.Origin{Source: "dir/" + hostile, Field: hostile, Index: 1, Line: 1, Column: 1000},
	}
	waived := f
	waived.Waived = hostile
	command := f
	command.Message, command.Origin, command.Fix = "::stop-commands::x", pki.Origin{Source: "::error::a:b", Line: 3, Column: 2}, ""
	return testReport(
		inspect.TargetReport{Target: "dir/" + hostile, Findings: []inspect.Finding{f, waived, command}},
		inspect.TargetReport{Target: hostile, Findings: []inspect.Finding{}},
		inspect.TargetReport{Target: "::error::" + hostile, Findings: []inspect.Finding{}, Error: hostile},
	)
}

func write(t *testing.T, format string, r inspect.Report, o report.Options) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.Write(&b, format, r, o))
	return b.String()
}

func lines(source string, n int) string {
	switch {
	case source == "./deploy/tls.crt" && n == 2:
		return "-----BEGIN CERTIFICATE-----"
	case source == "deploy/secret.yaml" && n == 7:
		return "  tls.crt:\t…" + strings.Repeat("ü", 80)
	case source == "::error::a:b":
		return "\x1b[31m::error::"
	}
	return ""
}

func TestFormats(t *testing.T) {
	options := report.Options{Rules: testRules, DocURL: "https://example.com/rules/", Line: lines}
	for name, r := range map[string]inspect.Report{"ordinary": ordinary(), "hostile": nasty(), "empty": testReport()} {
		for _, format := range report.Formats() {
			t.Run(name+" "+format, func(t *testing.T) {
				golden(t, filepath.Join("testdata", name+"."+format), write(t, format, r, options))
			})
		}
	}
	t.Run("text on a terminal", func(t *testing.T) {
		wide := options
		wide.Color, wide.Width = true, 80
		golden(t, filepath.Join("testdata", "ordinary.color.text"), write(t, "text", ordinary(), wide))
	})
	t.Run("unknown", func(t *testing.T) {
		assert.ErrorContains(t, report.Write(io.Discard, "html", testReport(), options), `format "html" is none of text, json, `)
	})
}

// What strangers wrote into names reaches neither a terminal nor a CI system as
// more than text.
func TestNothingHostileGetsThrough(t *testing.T) {
	command := regexp.MustCompile(`(?m)^\s*::`)
	for _, format := range report.Formats() {
		t.Run(format, func(t *testing.T) {
			got := write(t, format, nasty(), report.Options{Rules: testRules, Line: lines})
			for _, bad := range []string{"\x1b", "\x07", "\x00", "\r", "\u202e", "\u2028"} {
				if format == "json" && bad > "\x7f" {
					continue // JSON gives what is there; it is for programs
				}
				assert.False(t, strings.Contains(got, bad), "%q got through", bad)
			}
			switch format {
			case "json":
			case "github":
				for _, line := range strings.Split(strings.TrimSpace(got), "\n") {
					assert.Regexp(t, `^::(error|warning|notice) file=[^:,]*(,(line|col)=\d+)*,title=[a-z-]+::`, line)
				}
			default:
				assert.Empty(t, command.FindAllString(got, -1))
				assert.False(t, strings.Contains(got, "##["))
				assert.False(t, strings.Contains(got, "##vso["))
			}
		})
	}
}

func TestSARIFIsValid(t *testing.T) {
	file, err := os.Open("testdata/schemas/sarif-2.1.0-rtm.5.json")
	require.NoError(t, err)
	defer file.Close()
	document, err := jsonschema.UnmarshalJSON(file)
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("sarif.json", document))
	schema, err := compiler.Compile("sarif.json")
	require.NoError(t, err)

	for name, r := range map[string]inspect.Report{"ordinary": ordinary(), "hostile": nasty(), "empty": testReport()} {
		for names, list := range map[string][]inspect.Rule{"few rules": testRules, "all rules": rules.All(), "no rules": nil} {
			t.Run(name+", "+names, func(t *testing.T) {
				got, err := jsonschema.UnmarshalJSON(strings.NewReader(write(t, "sarif", r, report.Options{Rules: list, DocURL: "https://example.com/rules/"})))
				require.NoError(t, err)
				assert.NoError(t, schema.Validate(got))
			})
		}
	}
	t.Run("the schema refuses what is not SARIF", func(t *testing.T) {
		assert.Error(t, schema.Validate(map[string]any{"version": "2.1.0", "runs": "none"}))
	})
}

func TestJUnitIsValid(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CRPKI_INTEROP") != "require" {
		t.Skip("no xmllint (libxml2-utils)")
	}
	require.NoError(t, err)
	for name, r := range map[string]inspect.Report{"ordinary": ordinary(), "hostile": nasty(), "empty": testReport()} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(xmllint, "--noout", "--nonet", "--schema", "testdata/schemas/junit-4.xsd", "-")
			cmd.Stdin = strings.NewReader(write(t, "junit", r, report.Options{}))
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
}

func TestJUnitCounts(t *testing.T) {
	var doc struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Cases    []struct {
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal([]byte(write(t, "junit", ordinary(), report.Options{})), &doc))
	require.Len(t, doc.Suites, 4)
	for _, s := range doc.Suites {
		failures, errs := 0, 0
		for _, c := range s.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errs++
			}
		}
		assert.Equal(t, []int{len(s.Cases), failures, errs}, []int{s.Tests, s.Failures, s.Errors})
	}
}

// GitLab drops an entry whose fingerprint another one has.
func TestGitLabFields(t *testing.T) {
	var issues []struct {
		Description string `json:"description"`
		CheckName   string `json:"check_name"`
		Fingerprint string `json:"fingerprint"`
		Severity    string `json:"severity"`
		Location    struct {
			Path  string `json:"path"`
			Lines struct {
				Begin int `json:"begin"`
			} `json:"lines"`
		} `json:"location"`
	}
	for name, r := range map[string]inspect.Report{"ordinary": ordinary(), "hostile": nasty()} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, json.Unmarshal([]byte(write(t, "gitlab", r, report.Options{})), &issues))
			seen := map[string]bool{}
			for _, i := range issues {
				assert.False(t, seen[i.Fingerprint], "the fingerprint is taken: %s", i.Description)
				seen[i.Fingerprint] = true
				assert.Contains(t, []string{"info", "minor", "major", "critical", "blocker"}, i.Severity)
				assert.NotEmpty(t, i.Description)
				assert.NotEmpty(t, i.CheckName)
				assert.Positive(t, i.Location.Lines.Begin)
				assert.False(t, strings.HasPrefix(i.Location.Path, "./"))
			}
			assert.Equal(t, write(t, "gitlab", r, report.Options{}), write(t, "gitlab", r, report.Options{}), "not the same twice")
		})
	}
	assert.Equal(t, "[]\n", write(t, "gitlab", testReport(), report.Options{}))
}

func TestTAPPlan(t *testing.T) {
	for name, r := range map[string]inspect.Report{"ordinary": ordinary(), "hostile": nasty(), "empty": testReport()} {
		t.Run(name, func(t *testing.T) {
			all := strings.Split(strings.TrimSpace(write(t, "tap", r, report.Options{})), "\n")
			require.Equal(t, "TAP version 14", all[0])
			tests := 0
			for _, line := range all[2:] {
				if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "not ok ") {
					tests++
				}
			}
			assert.Equal(t, fmt.Sprintf("1..%d", tests), all[1])
		})
	}
}
