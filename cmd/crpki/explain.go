package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/explain"
)

func explainCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "explain",
		Usage: "say why a pull failed, from the message or the log of a client",
		Description: `crpki explain 'Get "https://10.96.0.50/v2/": x509: certificate signed by unknown authority'
# the log of a runtime, of any length
journalctl -u containerd | crpki explain -
# what a pod's events say
kubectl describe pod web | crpki explain -
# many messages in one process, a line of JSON each
crpki explain --stdin-jsonl < messages.jsonl

MESSAGE is what docker, containerd, CRI-O, podman, kubelet, helm, curl, openssl,
Python, Java and others print when they cannot pull an image or do not trust a
server, as it is or in whatever it was wrapped: a log line, JSON, escapes, or
cut off. Several words are one message. A FILE, or - for standard input, may
hold a whole log: what is alike is told once, with how often, and where.

Told are the cause, the host that failed (the registry, the host of its tokens or
of its layers, a mirror, a proxy), what it means, and what to run next. How sure
that is, is told too, with the other causes that the text allows; what crpki does
not know is "unknown". Nothing is asked of any server. Secrets in the message are
left out. docs/explain.md has all causes.

With --stdin-jsonl each line of standard input is {"message", "id"}; for each
comes a line as -o json prints it, in the same order.

Exits with 0 when a failure was recognised, with 1 when not.`,
		ArgsUsage: "[MESSAGE...]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "stdin-jsonl", Usage: "explain a line of JSON after another"},
			outputFlag("text", "json", "yaml"),
		},
		Action: e.explain,
	}
}

// explained is an explanation as JSON and YAML have it.
type explained struct {
	ID           json.RawMessage    `json:"id,omitempty"`
	Cause        explain.Cause      `json:"cause"`
	Detail       string             `json:"detail"`
	Alternatives []explain.Cause    `json:"alternatives"`
	Host         string             `json:"host"`
	Role         explain.Role       `json:"role,omitempty"`
	Image        string             `json:"image,omitempty"`
	Confidence   explain.Confidence `json:"confidence"`
	Client       string             `json:"client"`
	// Version and Go are ranges such as ">= 1.20".
	Version  string         `json:"client_version,omitempty"`
	Go       string         `json:"go_version,omitempty"`
	Via      string         `json:"via,omitempty"`
	Title    string         `json:"title"`
	Meaning  string         `json:"meaning"`
	Remedy   string         `json:"remedy"`
	Next     string         `json:"next"`
	Sources  []string       `json:"sources"`
	Evidence string         `json:"evidence,omitempty"`
	Also     []otherFailure `json:"also,omitempty"`
	Count    int            `json:"count,omitempty"`
	First    int            `json:"first_line,omitempty"`
	Last     int            `json:"last_line,omitempty"`
	More     []explained    `json:"more,omitempty"`
	Omitted  int            `json:"omitted,omitempty"`
	Error    string         `json:"error,omitempty"`
}

type otherFailure struct {
	Cause  explain.Cause `json:"cause"`
	Detail string        `json:"detail"`
	Host   string        `json:"host"`
	Role   explain.Role  `json:"role,omitempty"`
}

func newExplained(x explain.Explanation) explained {
	about := explain.Of(x.Detail)
	r := explained{
		Cause: x.Cause, Detail: x.Detail, Alternatives: x.Alternatives, Host: x.Host, Role: x.Role, Image: x.Image, Confidence: x.Confidence,
		Client: x.Client, Version: x.Version, Go: x.Go, Via: x.Via, Title: about.Title, Meaning: x.Meaning(), Remedy: about.Remedy, Next: x.Next(),
		Sources: []string{}, Evidence: x.Evidence,
	}
	if r.Alternatives == nil {
		r.Alternatives = []explain.Cause{}
	}
	if r.Client == "" {
		r.Client = "unknown"
	}
	if about.Source != "" {
		r.Sources = append(r.Sources, about.Source)
	}
	for _, f := range x.Also {
		r.Also = append(r.Also, otherFailure(f))
	}
	return r
}

func (e *env) explain(c *cli.Context) error {
	if c.Bool("stdin-jsonl") {
		if c.NArg() > 0 {
			return usageErrorf("--stdin-jsonl takes its messages from standard input, not from %q", c.Args().First())
		}
		return e.explainLines(c.Context)
	}
	if c.NArg() == 0 {
		return withHint(usageErrorf("crpki explain needs MESSAGE, FILE or -"), "crpki explain --help shows an example")
	}
	s, err := e.explainArgs(c)
	if err != nil {
		return err
	}
	r := newExplainedLog(s)
	if err := e.print(c, r, func(w io.Writer) error { return writeExplained(w, r) }); err != nil {
		return err
	}
	if r.Confidence == explain.None {
		return errBad
	}
	return nil
}

// explainArgs explains a message, or what is in a file.
func (e *env) explainArgs(c *cli.Context) (explain.Summary, error) {
	args := c.Args().Slice()
	if len(args) == 1 {
		if args[0] == "-" {
			if err := e.takeStdin("MESSAGE"); err != nil {
				return explain.Summary{}, err
			}
			return e.explainLog(c.Context, "standard input", e.stdin)
		}
		if _, err := os.Stat(args[0]); err == nil || isPath(args[0]) {
			return interruptible(e, func() (explain.Summary, error) {
				f, err := os.Open(args[0])
				if err != nil {
					return explain.Summary{}, readError(args[0], err)
				}
				defer f.Close()
				return e.explainLog(c.Context, args[0], f)
			})
		}
	}
	message := strings.Join(args, " ")
	if strings.TrimSpace(message) == "" {
		return explain.Summary{}, usageErrorf("the message is empty")
	}
	return explain.Summary{Groups: []explain.Group{{Explanation: explain.Message(message)}}}, nil
}

// isPath is true for what is meant as a file, whether it is there or not.
func isPath(arg string) bool {
	return !strings.ContainsAny(arg, " \t\n\":") && (strings.HasSuffix(arg, ".log") || strings.HasSuffix(arg, ".txt") || strings.HasSuffix(arg, ".jsonl") || strings.HasSuffix(arg, ".json") || strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, "./") || strings.HasPrefix(arg, "../"))
}

func (e *env) explainLog(ctx context.Context, name string, r io.Reader) (explain.Summary, error) {
	debug.SetMemoryLimit(lintMemory)
	s, err := interruptible(e, func() (explain.Summary, error) { return explain.Log(ctx, r) })
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, errInterrupted):
		return s, err
	case err != nil:
		return s, readError(name, err)
	case s.Lines == 0:
		return s, usageErrorf("read %s: it is empty", name)
	}
	return s, nil
}

// newExplainedLog puts the most frequent failure first, and the others below it.
func newExplainedLog(s explain.Summary) explained {
	var r explained
	for i, g := range s.Groups {
		one := newExplained(g.Explanation)
		if one.Count, one.First, one.Last = g.Count, g.First, g.Last; i == 0 {
			r = one
		} else {
			r.More = append(r.More, one)
		}
	}
	r.Omitted = s.Omitted
	return r
}

// maxTold is how many failures of a log are printed as text.
const maxTold = 20

func writeExplained(w io.Writer, r explained) error {
	b := bufio.NewWriter(w)
	many := len(r.More) > 0
	r.write(b, many)
	for i, more := range r.More {
		if i+1 == maxTold {
			fmt.Fprintf(b, "\nand %d more; -o json has them\n", len(r.More)-i+r.Omitted)
			break
		}
		fmt.Fprintln(b)
		more.write(b, many)
	}
	return b.Flush()
}

// write prints one of several failures, or the only one.
func (r explained) write(w io.Writer, many bool) {
	fmt.Fprintf(w, "%s: %s\n", r.Cause, r.Title)
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-10s  %s\n", name, printable(value))
		}
	}
	switch {
	case r.Count > 1:
		field("Found", fmt.Sprintf("%d times, in lines %d to %d", r.Count, r.First, r.Last))
	case r.Count == 1 && many:
		field("Found", fmt.Sprintf("in line %d", r.First))
	}
	host := r.Host
	if host != "" && r.Role != "" {
		host += " (" + roleWords[r.Role] + ")"
	}
	field("Host", host)
	field("Image", r.Image)
	field("Client", r.who())
	field("Message", r.Evidence)
	if r.Confidence != explain.None {
		field("Confidence", string(r.Confidence)+r.allows())
	}
	for _, f := range r.Also {
		field("Also", fmt.Sprintf("%s at %s: %s", f.Cause, f.Host, explain.Of(f.Detail).Title))
	}
	field("Meaning", r.Meaning)
	field("Remedy", r.Remedy)
	field("Next", r.Next)
	field("See", strings.Join(r.Sources, " "))
}

var roleWords = map[explain.Role]string{
	explain.Registry: "registry", explain.Token: "gives tokens", explain.Blob: "has the layers", explain.Mirror: "mirror", explain.ProxyHop: "proxy",
}

// who is the client and what is known of it.
func (r explained) who() string {
	var parts []string
	if r.Client != "unknown" {
		parts = append(parts, strings.TrimSpace(r.Client+" "+r.Version))
	}
	if r.Go != "" {
		parts = append(parts, "built with Go "+r.Go)
	}
	if r.Via != "" {
		parts = append(parts, "told by "+r.Via)
	}
	return strings.Join(parts, ", ")
}

func (r explained) allows() string {
	if len(r.Alternatives) == 0 {
		return ""
	}
	var words []string
	for _, a := range r.Alternatives {
		words = append(words, string(a))
	}
	return "; possible too: " + strings.Join(words, ", ")
}

// explainLines answers each line of standard input with one.
func (e *env) explainLines(ctx context.Context) error {
	if err := e.takeStdin("--stdin-jsonl"); err != nil {
		return err
	}
	in := bufio.NewReaderSize(e.stdin, 1<<20)
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	unreadable := 0
	lines := func(yield func(func() explained) bool) {
		for n := 1; ; n++ {
			line, err := readLine(in)
			if len(line) > 0 && !yield(func() explained { return explainLine(n, line) }) {
				return
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					yield(func() explained {
						return explained{Cause: explain.Unknown, Error: fmt.Sprintf("line %d: %v", n, err)}
					})
				}
				return
			}
		}
	}
	err := inOrder(ctx, lines, func(r explained) error {
		if r.Error != "" {
			unreadable++
		}
		return enc.Encode(r)
	})
	if err == nil && unreadable > 0 {
		return usageErrorf("%d lines could not be read", unreadable)
	}
	return err
}

func explainLine(n int, line []byte) explained {
	var in struct {
		ID      json.RawMessage `json:"id"`
		Message *string         `json:"message"`
	}
	err := json.Unmarshal(line, &in)
	if err == nil && in.Message == nil {
		err = errors.New(`there is no "message"`)
	}
	if err != nil {
		r := newExplained(explain.Message(""))
		r.ID, r.Error = in.ID, fmt.Sprintf("line %d: %v", n, err)
		return r
	}
	r := newExplained(explain.Message(*in.Message))
	r.ID = in.ID
	return r
}
