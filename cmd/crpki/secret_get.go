package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/rules"
	"github.com/crpki/crpki/inspect/view"
	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/k8ssecret/cluster"
	"github.com/crpki/crpki/pki"
)

func secretGetCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "get",
		Usage: "show, judge and export a Secret of a cluster",
		Description: `crpki secret get infra/registry-tls
# would clients that dial this address accept it?
crpki secret get infra/registry-tls --host 10.96.0.50
# its files, as the pods see them
crpki secret get infra/registry-tls --out-dir exported

Shows what is in the Secret as crpki inspect does, and judges it as crpki lint
does. Of a pull secret it shows registries and user names. Private keys and
passwords are never shown; --out-dir writes the fields to files, keys readable
by the owner alone.

Exits with 0 when nothing of --fail-on or worse was found, with 1 when something
was. It needs the permission to get this one Secret.`,
		ArgsUsage: "NAME",
		Flags: slices.Concat(judgeFlags(), []cli.Flag{
			choiceFlag(&cli.StringFlag{Name: "fail-on", Value: "error", Usage: "exit with 1 for findings of `SEVERITY` or worse"}, "error", "warning", "info", "none"),
			&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "it is in `NAMESPACE` (that of the context if not given), for a NAME without one", Category: aboutSecret},
			&cli.StringFlag{Name: "out-dir", Usage: "write its fields into `FOLDER`, which is made if need be", TakesFile: true, Category: aboutFiles},
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "replace existing files, and keep each as a backup beside it", Category: aboutFiles},
			outputFlag("text", "json", "yaml"),
		}, clusterFlags()),
		Action: e.secretGet,
	}
}

// secretFacts are what there is to say about a Secret of a cluster.
type secretFacts struct {
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	Type      string            `json:"type"`
	Immutable bool              `json:"immutable"`
	Created   time.Time         `json:"created"`
	Labels    map[string]string `json:"labels"`
	// Fields are the keys of its data, and their sizes in bytes.
	Fields []fieldFacts `json:"fields"`
	// Managers are the field managers that own something in it.
	Managers []string `json:"managers"`
	// Logins are those of a pull secret.
	Logins []loginFacts `json:"logins,omitempty"`
	// Content is as crpki inspect has it.
	Content *view.Document `json:"content,omitempty"`
	// Findings are those of crpki lint.
	Findings []inspect.Finding `json:"findings"`
	Files    []fileFacts       `json:"files,omitempty"`
}

type fieldFacts struct {
	Name string `json:"name"`
	Size int    `json:"size"`
}

type loginFacts struct {
	Registry string `json:"registry"`
	Username string `json:"username"`
}

func (e *env) secretGet(c *cli.Context) error {
	l, err := e.newLinter(c, rules.All())
	if err != nil {
		return err
	}
	k, err := e.openCluster(c)
	if err != nil {
		return err
	}
	namespace, name, err := objectName(c.Args().First(), c.String("namespace"), k)
	if err != nil {
		return err
	}
	s, err := cluster.Get[cluster.Secret](c.Context, k, cluster.Secrets, namespace, name)
	if err != nil {
		return clusterError(err)
	}
	facts := describeSecret(s)
	source := "secret/" + namespace + "/" + name
	units, err := readSecret(source, s)
	if err != nil {
		return err
	}
	var content pki.Material
	var reports []inspect.TargetReport
	for _, u := range units {
		content.Append(u.Material)
		r := l.unit(source, u)
		for i := range r.Findings {
			r.Findings[i].Origin.Line, r.Findings[i].Origin.Column = 0, 0 // nobody has seen the manifest
		}
		reports = append(reports, r)
		facts.Findings = append(facts.Findings, r.Findings...)
	}
	if !content.Empty() {
		d := view.Describe(content, e.now)
		facts.Content = &d
	}
	if dir := c.String("out-dir"); dir != "" {
		if facts.Files, err = e.exportSecret(c, dir, s); err != nil {
			return err
		}
	}
	err = e.print(c, facts, func(w io.Writer) error {
		if err := facts.text(w, e); err != nil || len(reports) == 0 {
			return err
		}
		return l.writeReports(w, reports)
	})
	if err != nil {
		return err
	}
	t := tally{}
	for _, r := range reports {
		t.add(r)
	}
	return t.verdict(c.String("fail-on"))
}

// objectName takes NAMESPACE/NAME apart.
func objectName(text, flag string, k *cluster.Client) (namespace, name string, err error) {
	namespace, name, ok := strings.Cut(text, "/")
	if !ok {
		namespace, name = flag, text
	} else if flag != "" && flag != namespace {
		return "", "", usageErrorf("%q and --namespace %s name different namespaces", text, flag)
	}
	if namespace == "" && !ok {
		namespace = k.Namespace()
	}
	if namespace == "" || name == "" || strings.Contains(name, "/") {
		return "", "", usageErrorf("%q: write NAMESPACE/NAME", text)
	}
	return namespace, name, nil
}

func describeSecret(s cluster.Secret) secretFacts {
	f := secretFacts{
		Namespace: s.Metadata.Namespace, Name: s.Metadata.Name, Type: s.Type, Immutable: s.Immutable,
		Created: s.Metadata.CreationTimestamp, Labels: s.Metadata.Labels, Fields: []fieldFacts{}, Managers: []string{}, Findings: []inspect.Finding{},
	}
	if f.Labels == nil {
		f.Labels = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		f.Fields = append(f.Fields, fieldFacts{key, len(s.Data[key])})
	}
	for _, m := range s.Metadata.ManagedFields {
		if !slices.Contains(f.Managers, m.Manager) {
			f.Managers = append(f.Managers, m.Manager)
		}
	}
	if data, ok := s.Data[k8ssecret.FieldDockerConfig]; ok {
		logins, _, err := k8ssecret.DecodeDockerConfig(data)
		if err == nil {
			for _, registry := range slices.Sorted(maps.Keys(logins)) {
				f.Logins = append(f.Logins, loginFacts{registry, logins[registry].Username})
			}
		}
	}
	return f
}

// readSecret reads a Secret of a cluster as lint reads its manifest.
func readSecret(source string, s cluster.Secret) ([]k8ssecret.Unit, error) {
	manifest, err := json.Marshal(struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   cluster.Meta      `json:"metadata"`
		Type       string            `json:"type"`
		Data       map[string][]byte `json:"data"`
	}{"v1", "Secret", cluster.Meta{Name: s.Metadata.Name, Namespace: s.Metadata.Namespace}, s.Type, s.Data})
	if err != nil {
		return nil, err
	}
	return k8ssecret.Read(source, manifest, noPassword())
}

// exportSecret writes every field to a file.
func (e *env) exportSecret(c *cli.Context, dir string, s cluster.Secret) ([]fileFacts, error) {
	var files []pki.File
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		mode := pki.ModePrivate
		if key == k8ssecret.FieldCert || key == k8ssecret.FieldCA {
			mode = pki.ModePublic
		}
		files = append(files, pki.File{Path: filepath.Join(dir, key), Mode: mode, Data: s.Data[key]})
	}
	if len(files) == 0 {
		return nil, usageErrorf("--out-dir: the Secret has no data, and nothing was written")
	}
	result, err := e.emit(files, emit.Options{Force: c.Bool("force"), Now: e.now})
	if err != nil {
		return nil, existsHint(err)
	}
	var facts []fileFacts
	for _, f := range files {
		facts = append(facts, fileFacts{Path: f.Path, What: "as in the Secret", Unchanged: slices.Contains(result.Unchanged, f.Path), Backup: result.Backups[f.Path]})
	}
	return facts, nil
}

func (f secretFacts) text(w io.Writer, e *env) error {
	kind := f.Type
	if f.Immutable {
		kind += ", immutable"
	}
	fmt.Fprintf(w, "Secret %s/%s (%s)\n", f.Namespace, f.Name, printable(kind))
	var fields []string
	for _, field := range f.Fields {
		fields = append(fields, fmt.Sprintf("%s (%s)", field.Name, count(field.Size, "byte")))
	}
	fmt.Fprintf(w, "  created  %s\n  fields   %s\n", f.Created.UTC().Format("2006-01-02 15:04 MST"), printable(strings.Join(fields, ", ")))
	if len(f.Managers) > 0 {
		fmt.Fprintf(w, "  managers %s\n", printable(strings.Join(f.Managers, ", ")))
	}
	for _, login := range f.Logins {
		fmt.Fprintf(w, "  login    %s as %s\n", printable(login.Registry), printable(login.Username))
	}
	for _, file := range f.Files {
		fmt.Fprintf(w, "  file     %s %s\n", file.Path, file.note(false))
	}
	if f.Content == nil {
		return nil
	}
	fmt.Fprintln(w)
	if err := f.Content.WriteText(w, view.TextOptions{Width: e.width, Color: e.color}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// writeReports writes findings as crpki lint does.
func (l *linter) writeReports(w io.Writer, reports []inspect.TargetReport) error {
	info, _ := debug.ReadBuildInfo()
	head := inspect.Report{Schema: inspect.Schema, Tool: "crpki", Version: newVersionInfo(version, commit, info).Version, Time: l.now.UTC()}
	s, err := l.stream(w, output{format: "text"}, head, rules.All(), l.color)
	if err != nil {
		return err
	}
	for _, r := range reports {
		if err := s.Add(r); err != nil {
			return err
		}
	}
	return s.Close()
}
