package report

import (
	"fmt"
	"strings"

	"github.com/crpki/crpki/inspect"
)

// Markdown gives the page of a rule: what is wrong, who refuses it and with
// which message, how to mend it, where that is from.
func Markdown(rule inspect.Rule) string {
	var b strings.Builder
	d := rule.Doc
	fmt.Fprintf(&b, "# %s\n\n%s\n\nSeverity: %s. Group: %s. Since: crpki %s.\n\n%s\n", rule.ID, d.Title, rule.Severity, rule.Group, d.Since, d.Why)
	if len(d.Refusals) > 0 {
		b.WriteString("\n## Who refuses it\n\n| client | since | message |\n|---|---|---|\n")
		for _, r := range d.Refusals {
			fmt.Fprintf(&b, "| %s | %s | `%s` |\n", r.Client, r.Since, strings.ReplaceAll(r.Message, "|", "\\|"))
		}
	}
	if d.Fix != "" || d.FixOpenSSL != "" {
		b.WriteString("\n## How to mend it\n")
		for _, command := range []string{d.Fix, d.FixOpenSSL} {
			if command != "" {
				fmt.Fprintf(&b, "\n    %s\n", command)
			}
		}
	}
	if len(d.Sources) > 0 {
		b.WriteString("\n## Sources\n\n")
		for _, s := range d.Sources {
			fmt.Fprintf(&b, "- %s\n", s)
		}
	}
	return b.String()
}
