package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// fixFlags are those of lint that mend what it finds.
func fixFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "fix", Usage: "mend what needs neither a key nor a CA: chains, PEM, base64, types of Secrets, commands in scripts and documents; the files before are kept as backups"},
		&cli.BoolFlag{Name: "diff", Usage: "show what --fix would change, and write nothing; exits with 1 when there is anything"},
		&cli.BoolFlag{Name: "dry-run", Usage: "with --fix: the same as --diff"},
		&cli.BoolFlag{Name: "no-backup", Usage: "with --fix: do not keep the files before, as where git has them"},
	}
}

// errFixDiffers ends a dry run that would have changed files.
var errFixDiffers = errBad

// fixing reports whether lint is to mend, and dryRun whether only to show how.
func fixing(c *cli.Context) bool { return c.Bool("fix") || c.Bool("diff") }

func fixDryRun(c *cli.Context) bool { return c.Bool("diff") || c.Bool("dry-run") }

// fix mends what args name, and tells what it did: diffs on w, the rest on
// standard error. done is true when lint has nothing more to do.
func (e *env) fix(c *cli.Context, args []string, outputs []output) (done bool, err error) {
	if slices.Contains(args, "-") {
		return e.fixStdin(c, args, outputs)
	}
	paths, err := fixable(args)
	if err != nil {
		return true, err
	}
	w := e.stdout
	if slices.ContainsFunc(outputs, func(o output) bool { return o.file == "" && o.format != "text" }) {
		w = e.stderr // standard output is for a program that reads the report
	}
	changes := false
	var failed []error
	for _, path := range paths {
		if c.Context.Err() != nil {
			return true, errInterrupted
		}
		changed, err := e.fixFile(c, w, path)
		if err != nil {
			failed = append(failed, err)
		}
		changes = changes || changed
	}
	switch err := errors.Join(failed...); {
	case err != nil:
		return true, err
	case fixDryRun(c) && changes:
		return true, errFixDiffers
	}
	return fixDryRun(c), nil
}

// fixFile mends the file at path.
func (e *env) fixFile(c *cli.Context, w io.Writer, path string) (changed bool, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false, nil // lint tells
	}
	if info.Size() > maxInput {
		e.notef("not fixed: %s is larger than %d MiB", path, maxInput>>20)
		return false, nil
	}
	data, err := e.readAll(path)
	if err != nil {
		return false, nil // lint tells
	}
	r, err := repair(path, data)
	e.tellLeft(path, r, err)
	if err != nil || !r.Changed() {
		return false, nil
	}
	if err := e.showDiff(w, path, r); err != nil {
		return false, err
	}
	if fixDryRun(c) {
		return true, nil
	}
	result, err := emit.Write([]pki.File{{Path: path, Mode: info.Mode().Perm(), Data: r.After}}, emit.Options{Force: true, Now: e.now})
	if err != nil {
		return false, err
	}
	e.tellImmutable(path, r)
	backup := result.Backups[path]
	if !c.Bool("no-backup") {
		e.notef("fixed %s: %s (the file before is %s)", path, fixedRules(r), backup)
		return true, nil
	}
	e.notef("fixed %s: %s", path, fixedRules(r))
	if err := os.Remove(backup); err != nil {
		return true, usageErrorf("remove the backup: %w", err)
	}
	return true, nil
}

// tellImmutable says what comes of another type where the Secret is deployed.
func (e *env) tellImmutable(path string, r format.Repaired) {
	if slices.ContainsFunc(r.Fixed, func(n pki.Note) bool { return strings.HasPrefix(n.Rule, "secret-type-") }) {
		e.notef("%s: a cluster that has the Secret already takes no other type: delete it there before you apply it", path)
	}
}

// fixStdin mends standard input. The result goes to standard output, and what
// is left to be said to standard error.
func (e *env) fixStdin(c *cli.Context, args []string, outputs []output) (done bool, err error) {
	if len(args) > 1 {
		return true, usageErrorf(`--fix: "-" (standard input) goes to standard output, and no file can be named beside it`)
	}
	for _, o := range outputs {
		if o.file == "" && o.format != "text" {
			return true, withHint(usageErrorf("--fix -: standard output is for what was mended, and cannot hold %s too", o.format), "-o "+o.format+"=FILE")
		}
	}
	data, err := e.read("-")
	if err != nil {
		return true, err
	}
	r, err := repair("-", data)
	e.tellLeft("-", r, err)
	if fixDryRun(c) {
		if !r.Changed() {
			return true, nil
		}
		if err := e.showDiff(e.stdout, "-", r); err != nil {
			return true, err
		}
		return true, errFixDiffers
	}
	if _, err := e.stdout.Write(r.After); err != nil {
		return true, usageErrorf("write standard output: %w", err)
	}
	// Lint reads what came out, and reports beside it.
	e.stdin, e.stdinTaken, e.stdinTerminal = bytes.NewReader(r.After), "", false
	e.stdout, e.color = e.stderr, false
	return false, nil
}

// repair mends data by its content: a manifest and its like, or PEM.
func repair(path string, data []byte) (format.Repaired, error) {
	if kind := k8ssecret.Sniff(path, data); kind != "" {
		return k8ssecret.Repair(path, data)
	}
	same := format.Repaired{Before: data, After: data}
	if otherDocument(path) || !format.IsPEM(data) && !holdsPEM(path) {
		return same, nil
	}
	m, _ := format.Decode(path, data, format.Options{})
	if m.Empty() {
		return same, nil
	}
	return format.Repair(path, data, format.RepairOptions{Served: !isBundle(m, path)})
}

// otherDocument tells by its name a file in which PEM is a part of something
// else.
func otherDocument(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json", ".env", ".sh", ".bash", ".zsh", ".ps1", ".md", ".markdown", ".html", ".go", ".py", ".toml", ".tf", ".xml":
		return true
	}
	return false
}

// holdsPEM tells by its name a file that has to hold PEM, so that base64 in it
// is a mistake.
func holdsPEM(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".crt", ".pem", ".cert", ".key", ".csr", ".chain", ".bundle":
		return true
	}
	return path == "-"
}

// tellLeft says what was left alone.
func (e *env) tellLeft(path string, r format.Repaired, err error) {
	if f := (*format.Error)(nil); errors.As(err, &f) {
		err = f.Err
	}
	if err != nil {
		e.notef("not fixed: %s stays as it is: %v", path, err)
	}
	for _, left := range r.Left {
		e.notef("not fixed: %s: %s", path, left)
	}
}

// fixedRules lists the rules that found something before.
func fixedRules(r format.Repaired) string {
	var ids []string
	for _, n := range r.Fixed {
		if n.Rule != format.NoteSkippedByGo && !slices.Contains(ids, n.Rule) { // that is what came of the others
			ids = append(ids, n.Rule)
		}
	}
	return strings.Join(ids, ", ")
}

func (e *env) showDiff(w io.Writer, path string, r format.Repaired) error {
	if _, err := io.WriteString(w, diffOf(path, r)); err != nil {
		return fmt.Errorf("write the diff: %w", err)
	}
	return nil
}

// diffOf is how the file at path changes, without its secrets.
func diffOf(path string, r format.Repaired) string {
	spans := func(data []byte) []format.Span {
		if k8ssecret.Sniff(path, data) != "" {
			return k8ssecret.Spans(path, data)
		}
		return format.Spans(data)
	}
	return unifiedDiff(path, string(r.Before), string(r.After), spans(r.Before), spans(r.After))
}

// fixable lists the files that args name, each once. What cannot be read is left
// to lint to tell.
func fixable(args []string) ([]string, error) {
	var files []string
	seen := map[string]bool{}
	add := func(path string) {
		if path = filepath.Clean(path); !seen[path] {
			seen[path] = true
			files = append(files, path)
		}
	}
	for _, arg := range args {
		paths, err := expand(arg)
		if err != nil {
			return nil, err
		}
		for _, root := range paths {
			if info, err := os.Stat(root); err != nil || !info.IsDir() {
				add(root)
				continue
			}
			err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				switch {
				case err != nil:
					return usageErrorf("read %s: %w", path, pathCause(err))
				case d.IsDir():
					if path != root && (d.Name() == ".git" || d.Name() == "node_modules") {
						return filepath.SkipDir
					}
				case d.Type().IsRegular() && lintable(d.Name()):
					add(path)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}
