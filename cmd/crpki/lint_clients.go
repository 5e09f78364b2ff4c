package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/clients"
	"github.com/crpki/crpki/pki"
)

// clientsFlag is --clients of lint.
func clientsFlag() cli.Flag {
	return &cli.BoolFlag{Name: "clients", Usage: "say for each client that trusts the CA (ca.crt beside it, or --ca-file) whether it accepts, and with which message it refuses"}
}

// clients asks every client for every host, or without a name when none is
// known.
func (l *linter) clients(e *inspect.Evidence) []inspect.ClientVerdict {
	if !l.c.Bool("clients") {
		return nil
	}
	hosts := e.Hosts
	if len(hosts) == 0 {
		hosts = []inspect.Host{{}}
	}
	var out []inspect.ClientVerdict
	asked := map[pki.Name]bool{}
	for _, h := range hosts {
		if !asked[h.Name] {
			asked[h.Name] = true
			out = append(out, clients.Judge(e, h.Name)...)
		}
	}
	return out
}

// printClients writes the verdicts below the findings. In JSON and YAML they
// are part of the report.
func printClients(w io.Writer, r inspect.Report) error {
	var b strings.Builder
	for _, t := range r.Targets {
		host := "?"
		for _, v := range t.Clients {
			if v.Host != host {
				host = v.Host
				fmt.Fprintf(&b, "\n%s, %s\n", printable(t.Target), cmp.Or(dialling(host), "whatever the name"))
			}
			verdict := "refuses"
			if v.Accepts {
				verdict = "accepts"
			}
			fmt.Fprintf(&b, "  %s  %s\n", verdict, v.Client)
			for _, detail := range []string{v.Versions, v.Message} {
				if detail != "" {
					fmt.Fprintf(&b, "             %s\n", printable(detail))
				}
			}
			if v.Basis == clients.Sourced {
				b.WriteString("             (from its source, not measured)\n")
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func dialling(host string) string {
	if host == "" {
		return ""
	}
	return "dialled as " + printable(host)
}
