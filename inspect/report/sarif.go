package report

import (
	"cmp"
	"encoding/json"
	"io"
	"net/url"
	"strings"

	"github.com/crpki/crpki/inspect"
)

// The shapes of SARIF 2.1.0 (OASIS, 27 March 2020) that code-scanning services
// read.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string              `json:"id"`
		ShortDescription     sarifText           `json:"shortDescription"`
		FullDescription      sarifText           `json:"fullDescription"`
		Help                 sarifHelp           `json:"help"`
		HelpURI              string              `json:"helpUri,omitempty"`
		DefaultConfiguration sarifConfiguration  `json:"defaultConfiguration"`
		Properties           sarifRuleProperties `json:"properties"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifHelp struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown"`
	}
	sarifConfiguration struct {
		Level string `json:"level"`
	}
	sarifRuleProperties struct {
		Tags      []string `json:"tags"`
		Precision string   `json:"precision"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifResult struct {
		RuleID              string             `json:"ruleId"`
		RuleIndex           *int               `json:"ruleIndex,omitempty"`
		Level               string             `json:"level"`
		Message             sarifText          `json:"message"`
		Locations           []sarifLocation    `json:"locations"`
		PartialFingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions        []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPhysicalLocation  `json:"physicalLocation"`
		LogicalLocations []sarifLogicalLocation `json:"logicalLocations,omitempty"`
	}
	sarifPhysicalLocation struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogicalLocation struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

func sarif(w io.Writer, r inspect.Report, o Options) error {
	run := sarifRun{
		Tool: sarifTool{Driver: sarifDriver{
			Name: r.Tool, Version: r.Version, InformationURI: "https://github.com/crpki/crpki", Rules: []sarifRule{},
		}},
		Results: []sarifResult{}, ColumnKind: "unicodeCodePoints",
	}
	index := map[string]int{}
	fingerprint := fingerprints()
	for i, rule := range o.Rules {
		index[rule.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, describe(rule, o))
	}
	invocation := sarifInvocation{ExecutionSuccessful: true}
	for _, t := range r.Targets {
		if t.Error != "" {
			invocation.ExecutionSuccessful = false
			invocation.Notifications = append(invocation.Notifications, sarifNotification{
				Level: "error", Message: sarifText{message(t.Error)},
				Locations: []sarifLocation{{PhysicalLocation: sarifPhysicalLocation{ArtifactLocation: sarifArtifact{uri(t.Target)}}}},
			})
		}
		for _, f := range t.Findings {
			run.Results = append(run.Results, result(f, index, fingerprint(f)))
		}
	}
	run.Invocations = []sarifInvocation{invocation}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func describe(rule inspect.Rule, o Options) sarifRule {
	return sarifRule{
		ID: rule.ID, ShortDescription: sarifText{rule.Doc.Title}, FullDescription: sarifText{rule.Doc.Why},
		Help:    sarifHelp{Text: help(rule), Markdown: Markdown(rule)},
		HelpURI: o.docURL(rule.ID), DefaultConfiguration: sarifConfiguration{level(rule.Severity)},
		Properties: sarifRuleProperties{Tags: []string{"tls", rule.Group}, Precision: "very-high"},
	}
}

func help(rule inspect.Rule) string {
	text := rule.Doc.Why
	if fix := cmp.Or(rule.Doc.Fix, rule.Doc.FixOpenSSL); fix != "" {
		text += " Fix: " + fix
	}
	return text
}

// uri is a source as a URI reference (RFC 3986 4.1), which a file's name need
// not be.
func uri(source string) string {
	return (&url.URL{Path: path(source)}).String()
}

// message keeps what certificates say from becoming a link (SARIF 2.1.0,
// 3.11.6).
func message(s string) string {
	return strings.ReplaceAll(printable(s), "](", "] (")
}

func result(f inspect.Finding, index map[string]int, fingerprint string) sarifResult {
	location := sarifLocation{PhysicalLocation: sarifPhysicalLocation{
		ArtifactLocation: sarifArtifact{uri(f.Origin.Source)},
		Region:           &sarifRegion{StartLine: line(f), StartColumn: f.Origin.Column},
	}}
	if place := where(f); place != "" {
		location.LogicalLocations = []sarifLogicalLocation{{printable(place)}}
	}
	out := sarifResult{
		RuleID: f.Rule, Level: level(f.Severity), Message: sarifText{message(sentence(f))}, Locations: []sarifLocation{location},
		PartialFingerprints: map[string]string{"crpki/v1": fingerprint},
	}
	if i, ok := index[f.Rule]; ok {
		out.RuleIndex = &i
	}
	if f.Waived != "" {
		out.Suppressions = []sarifSuppression{{Kind: "external", Justification: message(f.Waived)}}
	}
	return out
}

func level(s inspect.Severity) string {
	switch s {
	case inspect.Error:
		return "error"
	case inspect.Warning:
		return "warning"
	}
	return "note"
}
