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
	fmt.Fprintf(&b, "# %s\n\n**%s**\n\n%s · %s · since crpki %s\n\n%s\n", rule.ID, markdown(d.Title), rule.Severity, rule.Group, d.Since, markdown(d.Why))
	if len(d.Refusals) > 0 {
		b.WriteString("\n## Who refuses it\n\n| client | since | message |\n| --- | --- | --- |\n")
		for _, r := range d.Refusals {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(r.Client), cell(r.Since), codeCell(r.Message))
		}
	}
	if commands := fixes(d); len(commands) > 0 {
		b.WriteString("\n## How to mend it\n")
		for _, command := range commands {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", command)
		}
	}
	if len(d.Sources) > 0 {
		b.WriteString("\n## Sources\n\n")
		for _, s := range d.Sources {
			if strings.HasPrefix(s, "https://") {
				s = "<" + s + ">"
			}
			fmt.Fprintf(&b, "- %s\n", s)
		}
	}
	return b.String()
}

// fixes are the commands that mend, crpki's first.
func fixes(d inspect.Doc) (commands []string) {
	for _, command := range []string{d.Fix, d.FixOpenSSL} {
		if command != "" {
			commands = append(commands, command)
		}
	}
	return commands
}

// Index gives the page that lists the rules by their groups. url is put before
// the ID of a rule, ".md" behind it.
func Index(rules []inspect.Rule, url string) string {
	var b strings.Builder
	b.WriteString("# Rules of crpki lint\n\nAn error is what a client refuses or what keeps a deployment from working, a\nwarning what some client refuses or what breaks later; information is worth\nknowing. `crpki lint --explain ID` prints a page.\n")
	group := ""
	for _, r := range rules {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&b, "\n## %s\n\n| rule | severity | |\n| --- | --- | --- |\n", group)
		}
		fmt.Fprintf(&b, "| [%s](%s%s.md) | %s | %s |\n", r.ID, url, r.ID, r.Severity, cell(r.Doc.Title))
	}
	return b.String()
}

// markdown escapes what Markdown would take for something else, outside of
// code.
func markdown(s string) string {
	parts := strings.Split(s, "`")
	if len(parts)%2 == 0 {
		return escapeMarkdown(s)
	}
	for i := 0; i < len(parts); i += 2 {
		parts[i] = escapeMarkdown(parts[i])
	}
	return strings.Join(parts, "`")
}

func escapeMarkdown(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", "&lt;", "[", `\[`).Replace(s)
}

func cell(s string) string { return strings.ReplaceAll(markdown(s), "|", `\|`) }

func codeCell(s string) string {
	fence := "`"
	if strings.Contains(s, fence) {
		fence = "``"
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}
