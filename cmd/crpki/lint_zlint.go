package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// zlintFlag is --zlint of lint. zlint is a program of its own: linked in, it
// would cost 5 ms at each start.
func zlintFlag() cli.Flag {
	return &cli.BoolFlag{Name: "zlint", Usage: "ask the program zlint too, for its lints of RFC 5280; what it finds is info"}
}

// zlint is the second opinion.
type zlint struct{ program string }

// findZlint looks for the program when it is asked for.
func findZlint(c *cli.Context) (*zlint, error) {
	if !c.Bool("zlint") {
		return nil, nil
	}
	program, err := exec.LookPath("zlint")
	if err != nil {
		return nil, withHint(usageErrorf("--zlint: there is no program zlint on the PATH"), "go install github.com/zmap/zlint/v3/cmd/zlint@latest")
	}
	return &zlint{program}, nil
}

// zlintTime is how long zlint may take for one certificate.
const zlintTime = 30 * time.Second

// judge asks zlint about each certificate of the file at path. An error says
// what kept zlint from answering.
func (z *zlint) judge(ctx context.Context, path string, e *inspect.Evidence) (found []inspect.Finding, err error) {
	if z == nil {
		return nil, nil
	}
	for _, certs := range [][]pki.Cert{e.Material.Certs, e.Material.Anchors} {
		for _, c := range certs {
			if c.X509 == nil || c.Origin.Source != path {
				continue // zlint reads no more than Go does
			}
			one, err := z.ask(ctx, c)
			if err != nil {
				return found, fmt.Errorf("%s: %w", c.Origin, err)
			}
			found = append(found, one...)
		}
	}
	return found, nil
}

func (z *zlint) ask(ctx context.Context, c pki.Cert) ([]inspect.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, zlintTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, z.program, "-includeSources", "RFC5280")
	cmd.Stdin = bytes.NewReader(format.EncodeCerts(c.X509))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("zlint: %w: %s", err, firstLine(stderr.String()))
	}
	var results map[string]struct{ Result, Details string }
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, fmt.Errorf("zlint answered something else than its JSON: %w", err)
	}
	var found []inspect.Finding
	for lint, r := range results {
		switch r.Result {
		case "notice", "info", "warn", "error", "fatal":
			message := "zlint says " + r.Result
			if r.Details != "" {
				message += ": " + printable(r.Details)
			}
			found = append(found, inspect.Finding{
				Rule: "zlint-" + strings.ReplaceAll(lint, "_", "-"), Severity: inspect.Info, Origin: c.Origin, Message: message,
			})
		}
	}
	slices.SortFunc(found, func(a, b inspect.Finding) int { return strings.Compare(a.Rule, b.Rule) })
	return found, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return printable(s)
}
