package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/k8ssecret/cluster"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

func secretListCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:    "list",
		Aliases: []string{"ls"},
		Usage:   "list a cluster's TLS Secrets, their names and expiry",
		Description: `crpki secret list -A
# from cron: fails when one has expired or ends within 14 days
crpki secret list -A --warn-days 28 --fail-days 14 --due
# one namespace, and what a chart has made there
crpki secret list -n infra -l app.kubernetes.io/instance=registry

Lists the Secrets of the type kubernetes.io/tls; --any-type looks at all that
have a tls.crt. The state of each is that of its first certificate: ok, due
(within --warn-days), ending (within --fail-days), expired, not yet valid,
unreadable, empty.

Exits with 1 when one is ending, expired, not yet valid, unreadable or empty.
They are read page by page. It needs the permission to list Secrets, in the
namespace or with -A in all.`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "all-namespaces", Aliases: []string{"A"}, Usage: "those of all namespaces", Category: aboutSecret},
			&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "those of `NAMESPACE` (that of the context if not given)", Category: aboutSecret},
			&cli.StringFlag{Name: "selector", Aliases: []string{"l"}, Usage: "those whose labels fit `SELECTOR`: app=registry,tier!=test", Category: aboutSecret},
			&cli.StringFlag{Name: "field-selector", Usage: "those whose fields fit `SELECTOR`: metadata.name=registry-tls", Category: aboutSecret},
			&cli.BoolFlag{Name: "any-type", Usage: "also those of other types that have a tls.crt", Category: aboutSecret},
			&cli.BoolFlag{Name: "due", Usage: "only those that are not ok"},
			&cli.IntFlag{Name: "warn-days", Value: 28, Usage: "say so when a certificate ends within `DAYS`"},
			&cli.IntFlag{Name: "fail-days", Value: 0, Usage: "exit with 1 when a certificate ends within `DAYS`"},
			outputFlag("text", "json", "yaml"),
		}, clusterFlags()),
		Action: e.secretList,
	}
}

// States of a Secret in a list.
const (
	stateOK          = "ok"
	stateDue         = "due"
	stateEnding      = "ending"
	stateExpired     = "expired"
	stateNotYetValid = "not yet valid"
	stateUnreadable  = "unreadable"
	stateEmpty       = "empty"
)

// secretRow is a Secret in a list.
type secretRow struct {
	Namespace string     `json:"namespace"`
	Name      string     `json:"name"`
	Type      string     `json:"type"`
	Names     []string   `json:"names"`
	Issuer    string     `json:"issuer,omitempty"`
	NotBefore *time.Time `json:"notBefore,omitempty"`
	NotAfter  *time.Time `json:"notAfter,omitempty"`
	// DaysLeft is negative when it has expired.
	DaysLeft *int   `json:"daysLeft,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	// CA is true when there is a ca.crt.
	CA    bool   `json:"ca"`
	State string `json:"state"`
}

// secretTable is what secret list tells.
type secretTable struct {
	Server  string      `json:"server"`
	Total   int         `json:"total"`
	Secrets []secretRow `json:"secrets"`
}

func (e *env) secretList(c *cli.Context) error {
	warn, fail := c.Int("warn-days"), c.Int("fail-days")
	switch {
	case warn < 0 || fail < 0:
		return usageErrorf("--warn-days and --fail-days are not below 0")
	case c.Bool("all-namespaces") && c.String("namespace") != "":
		return usageErrorf("--all-namespaces and --namespace exclude each other")
	}
	k, err := e.openCluster(c)
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(lintMemory)
	namespace := c.String("namespace")
	if namespace == "" && !c.Bool("all-namespaces") {
		namespace = k.Namespace()
	}
	options := cluster.ListOptions{Labels: c.String("selector"), Fields: c.String("field-selector")}
	if !c.Bool("any-type") {
		options.Fields = strings.TrimPrefix(options.Fields+",type="+k8ssecret.TypeTLS, ",")
	}
	table := secretTable{Server: k.Server(), Secrets: []secretRow{}}
	bad := false
	for s, err := range cluster.Each[cluster.Secret](c.Context, k, cluster.Secrets, namespace, options) {
		if err != nil {
			return clusterError(err)
		}
		if _, ok := s.Data[k8ssecret.FieldCert]; !ok && s.Type != k8ssecret.TypeTLS {
			continue
		}
		row := e.secretRow(s, warn, fail)
		table.Total++
		bad = bad || row.State != stateOK && row.State != stateDue
		if row.State != stateOK || !c.Bool("due") {
			table.Secrets = append(table.Secrets, row)
		}
	}
	if err := e.print(c, table, func(w io.Writer) error { return table.text(w, c.Bool("all-namespaces")) }); err != nil {
		return err
	}
	if bad {
		return errBad
	}
	return nil
}

// secretRow looks at the first certificate: it is the server's.
func (e *env) secretRow(s cluster.Secret, warn, fail int) secretRow {
	row := secretRow{Namespace: s.Metadata.Namespace, Name: s.Metadata.Name, Type: s.Type, Names: []string{}, State: stateUnreadable}
	row.CA = len(s.Data[k8ssecret.FieldCA]) > 0
	data := s.Data[k8ssecret.FieldCert]
	if len(data) == 0 {
		row.State = stateEmpty
		return row
	}
	m, err := format.Decode("", data, noPassword())
	if err != nil || len(m.Certs) == 0 || m.Certs[0].X509 == nil {
		return row
	}
	leaf := m.Certs[0].X509
	left := int(leaf.NotAfter.Sub(e.now) / issue.Day)
	if leaf.NotAfter.Before(e.now) {
		left--
	}
	row.Names, row.Issuer, row.SHA256 = nonNil(pki.NamesOf(leaf).Strings()), leaf.Issuer.String(), fingerprint(leaf)
	begins, ends := leaf.NotBefore, leaf.NotAfter // a pointer into leaf would keep all of it
	row.NotBefore, row.NotAfter, row.DaysLeft = &begins, &ends, &left
	within := func(days int) bool { return leaf.NotAfter.Before(e.now.AddDate(0, 0, days)) }
	switch {
	case leaf.NotAfter.Before(e.now):
		row.State = stateExpired
	case leaf.NotBefore.After(e.now):
		row.State = stateNotYetValid
	case within(fail):
		row.State = stateEnding
	case within(warn):
		row.State = stateDue
	default:
		row.State = stateOK
	}
	return row
}

// noPassword: what is in a cluster has none.
func noPassword() format.Options { return format.Options{} }

func (t secretTable) text(w io.Writer, namespaces bool) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "NAME\tSTATE\tEXPIRES\tDAYS\tNAMES\n"
	if namespaces {
		head = "NAMESPACE\t" + head
	}
	if len(t.Secrets) > 0 {
		io.WriteString(out, head)
	}
	for _, r := range t.Secrets {
		if namespaces {
			fmt.Fprintf(out, "%s\t", r.Namespace)
		}
		ends, left := "-", "-"
		if r.NotAfter != nil {
			ends, left = r.NotAfter.UTC().Format(time.DateOnly), fmt.Sprint(*r.DaysLeft)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", r.Name, r.State, ends, left, printable(someOf(r.Names)))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if len(t.Secrets) == 0 {
		_, err := fmt.Fprintf(w, "%s, and nothing to tell\n", count(t.Total, "TLS Secret"))
		return err
	}
	return nil
}
