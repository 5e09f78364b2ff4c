package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/crpki/crpki/inspect/explain"
)

// maxNamed is how many pods or nodes a line of text names.
const maxNamed = 5

func (r triageReport) text(w io.Writer) error {
	b := bufio.NewWriter(w)
	if r.Failing == 0 {
		fmt.Fprintf(b, "%s: none has trouble with its images\n", count(r.Pods, "pod"))
	} else {
		fmt.Fprintf(b, "%d of %s cannot start for want of an image or a volume\n", r.Failing, count(r.Pods, "pod"))
	}
	for _, g := range r.Groups {
		fmt.Fprintln(b)
		g.write(b)
	}
	if len(r.Notes) > 0 {
		fmt.Fprintln(b)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(b, "note: %s\n", printable(n))
	}
	return b.Flush()
}

func (g triageGroup) write(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", g.Cause, g.Title)
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-11s  %s\n", name, printable(value))
		}
	}
	var pods, images []string
	for _, p := range g.Pods {
		name := p.Namespace + "/" + p.Name
		if !slices.Contains(pods, name) {
			pods = append(pods, name)
		}
		if p.Image != "" && !slices.Contains(images, p.Image) {
			images = append(images, p.Image)
		}
	}
	field("Pods", some(pods))
	field("Nodes", some(g.Nodes))
	field("Images", some(images))
	host := g.Host
	if host != "" && g.Role != "" && g.Role != explain.Registry {
		host += " (" + roleWords[g.Role] + ")"
	}
	field("Host", host)
	field("Message", g.Evidence)
	field("Client", g.who())
	field("Confidence", string(g.Confidence)+g.allows())
	for _, f := range g.Also {
		field("Also", fmt.Sprintf("%s at %s: %s", f.Cause, f.Host, explain.Of(f.Detail).Title))
	}
	if p := g.Probe; p != nil {
		text := p.Host + ": " + p.Verdict
		if p.Cause != "" {
			text += "; " + p.Cause
		}
		field("From here", text)
	}
	for _, s := range g.Served {
		field("Secret", s.Namespace+"/"+s.Name+": "+s.words())
	}
	for _, s := range g.PullSecrets {
		field("Pull secret", s.words())
	}
	field("Meaning", g.Meaning)
	field("Remedy", g.Remedy)
	field("Next", g.Next)
	field("See", strings.Join(g.Sources, " "))
}

// some names a few, and says how many more there are.
func some(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}

func (s servedSecret) words() string {
	text := "has another certificate for this host than the one served"
	if s.Serves {
		text = "its certificate is the one served"
	}
	switch {
	case !s.CA:
		return text + "; it has no ca.crt"
	case s.CAVerifies:
		return text + ", and leads to its ca.crt"
	}
	return text + "; what is served does not lead to its ca.crt"
}

func (f pullSecretFact) words() string {
	text := f.Namespace + "/" + f.Name + ": " + f.State
	if f.Name == "" {
		return f.Namespace + ": " + f.Detail
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	if f.State == pullSecretNoLogin {
		text += ": it has those for " + some(f.Hosts)
	}
	return text
}
