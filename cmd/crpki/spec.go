package main

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
	"github.com/crpki/crpki/pki/spec"
)

const aboutSpec = "Many certificates"

// specFlags make gen work from a file.
func specFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "spec", Usage: "make the certificates that `FILE` describes (YAML, JSON, or cfssl's csr.json), and change only what must change", TakesFile: true, Category: aboutSpec},
		&cli.StringFlag{Name: "spec-config", Usage: "for a csr.json: cfssl's signing configuration in `FILE`", TakesFile: true, Category: aboutSpec},
		&cli.StringFlag{Name: "profile", Usage: "for a csr.json: which `PROFILE` of the configuration to use (default if not given)", Category: aboutSpec},
	}
}

// genFromSpec is gen --spec: read the spec, compare it with the files, and
// write what differs.
func genFromSpec(c *cli.Context, e *env, path string) error {
	if err := checkSpecFlags(c, e); err != nil {
		return err
	}
	r := &specRun{env: e, c: c, base: filepath.Dir(path)}
	if path == "-" {
		r.base = "."
	}
	if err := r.read(path); err != nil {
		return err
	}
	plan, err := r.plan()
	if err != nil {
		return err
	}
	o := r.outcome(plan)
	if err := plan.Err(); err != nil {
		o.Refused, o.Files, o.Next = true, []fileFacts{}, []string{}
		return errors.Join(e.print(c, o, o.text), refusedHint(err))
	}
	files, err := r.make(plan)
	if err != nil {
		return err
	}
	if err := r.write(files, &o); err != nil {
		return err
	}
	r.warn(plan, o)
	return e.print(c, o, o.text)
}

// checkSpecFlags refuses flags that say what a spec says. A variable of the
// environment, which is meant for other runs as well, is no such flag.
func checkSpecFlags(c *cli.Context, e *env) error {
	allowed := []string{
		"spec", "spec-config", "profile", "ca", "ca-key", "out-dir", "force", "dry-run", "output",
		"encrypt-key", "key-password-file", "key-password-env", "encrypt-ca-key", "ca-key-password-file", "ca-key-password-env",
	}
	for _, f := range e.line.flags {
		if name := namesOf(f.flag)[0]; f.depth > 0 && !slices.Contains(allowed, name) && strings.HasPrefix(f.source, "-") {
			return withHint(usageErrorf("%s and --spec exclude each other", f.source), "write it into the spec, where it has the same name")
		}
	}
	if toStdout(c) {
		return usageErrorf("--spec writes into a folder, not to standard output")
	}
	return nil
}

// specRun is one run of gen --spec.
type specRun struct {
	*env
	c    *cli.Context
	base string // the spec's folder
	// named are paths that flags give: relative to the working folder, while
	// those in the spec are relative to its own.
	named []string
	spec  *spec.Spec
	dir   string // the folder of the certificates
	// absent are files to be written that did not exist when it was decided.
	absent map[string]bool
}

func (r *specRun) read(path string) error {
	data, err := r.readFor("--spec", path)
	if err != nil {
		return err
	}
	name := path
	if path == "-" {
		name = "standard input"
	}
	r.spec, err = spec.Read(name, data, spec.ReadOptions{
		File: r.file, CFSSLConfig: r.flagPath("spec-config"), Profile: r.c.String("profile"), CA: r.existingCA(),
	})
	if err != nil {
		return asUsage(err)
	}
	if !r.spec.FromCFSSL {
		why := "it goes with a certificate request of cfssl's; a spec says it itself"
		if err := exclude(r.c, "spec", why, []string{"spec-config", "profile", "ca", "ca-key"}); err != nil {
			return err
		}
	}
	for _, remark := range r.spec.Remarks {
		r.notef("%s", remark.Error())
	}
	r.dir = r.resolve(r.spec.OutDir)
	if r.c.IsSet("out-dir") {
		r.dir = r.c.String("out-dir")
	}
	return nil
}

// flagPath is the value of a flag that names a file.
func (r *specRun) flagPath(flag string) string {
	path := r.c.String(flag)
	r.named = append(r.named, path)
	return path
}

// existingCA are the files of --ca and --ca-key, the key beside the
// certificate if no flag says where it is.
func (r *specRun) existingCA() *spec.Files {
	f := spec.Files{Cert: r.flagPath("ca"), Key: r.flagPath("ca-key")}
	if f.Cert == "" {
		return nil
	}
	if beside := besideKey(f.Cert); f.Key == "" && beside != f.Cert && exists(beside) {
		f.Key = beside
		r.named = append(r.named, beside)
	}
	return &f
}

// resolve gives the path of what the spec names.
func (r *specRun) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.base, path)
}

// file reads what the spec, or a flag, refers to.
func (r *specRun) file(path string) ([]byte, error) {
	if slices.Contains(r.named, path) {
		return r.env.read(path)
	}
	return r.env.read(r.resolve(path))
}

// plan compares the spec with the files.
func (r *specRun) plan() (*spec.Plan, error) {
	out, err := r.openDir()
	if err != nil {
		return nil, err
	}
	state, err := r.spec.Load(spec.Sources{
		Out: out, OutName: filepath.ToSlash(r.dir), File: r.file, CA: r.passwords("ca-key-"), Cert: r.passwords("key-"),
	})
	if err != nil {
		return nil, asUsage(err)
	}
	return r.spec.Plan(state, r.now, spec.PlanOptions{Force: r.c.Bool("force")}), nil
}

// openDir is the folder of the certificates, nil when it is not there yet.
func (r *specRun) openDir() (fs.FS, error) {
	switch info, err := os.Stat(r.dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, usageErrorf("the folder %s: %w", r.dir, pathCause(err))
	case !info.IsDir():
		return nil, usageErrorf("the folder %s: it is a file", r.dir)
	}
	if !r.c.Bool("dry-run") { // a run that was killed may have left work to finish
		if err := emit.Recover(r.dir); err != nil {
			return nil, asUsage(err)
		}
	}
	return os.DirFS(r.dir), nil
}

// passwords open the keys that are there: by the flags with prefix for all of
// them, else by a prompt for each that has to sign.
func (r *specRun) passwords(prefix string) spec.Passwords {
	ask := func(o pki.Origin) ([]byte, error) { return r.password(r.c, prefix, o.String()) }
	if r.c.String(prefix+"password-file") == "" && r.c.String(prefix+"password-env") == "" {
		return spec.Passwords{Ask: ask}
	}
	keeper := &passwordKeeper{env: r.env, c: r.c, prefix: prefix} // standard input can be read once
	return spec.Passwords{Given: keeper.ask}
}

// make makes the files, or with --dry-run says what would keep it from doing
// so.
func (r *specRun) make(plan *spec.Plan) ([]pki.File, error) {
	if r.c.Bool("dry-run") {
		return r.announced(plan), specHint(asUsage(plan.Rehearse()))
	}
	ca, err := r.encoder(plan, "ca", "ca-key-", "the keys of the new CAs")
	if err != nil {
		return nil, err
	}
	cert, err := r.encoder(plan, "cert", "key-", "the keys of the new certificates")
	if err != nil {
		return nil, err
	}
	files, err := plan.Build(r.c.Context, spec.BuildOptions{Dir: r.dir, EncodeCAKey: ca, EncodeKey: cert})
	return files, specHint(asUsage(err))
}

// encoder writes new keys, encrypted if the flags say so.
func (r *specRun) encoder(plan *spec.Plan, kind, prefix, what string) (func(crypto.Signer) ([]byte, error), error) {
	makesKeys := slices.ContainsFunc(plan.Actions, func(a spec.Action) bool { return a.Kind == kind && a.NewKey })
	if !makesKeys || !wantsPassword(r.c, prefix) {
		return format.EncodeKey, nil
	}
	password, err := r.newPassword(r.c, prefix, what)
	if err != nil {
		return nil, err
	}
	return func(key crypto.Signer) ([]byte, error) { return format.EncodeKeyEncrypted(key, password) }, nil
}

// announced are the files of a plan without their content, for a dry run.
func (r *specRun) announced(plan *spec.Plan) []pki.File {
	var files []pki.File
	for _, a := range plan.Actions {
		for _, name := range a.Files {
			mode := pki.ModePublic
			if filepath.Ext(name) == ".key" {
				mode = pki.ModePrivate
			}
			files = append(files, pki.File{Path: filepath.Join(r.dir, name), Mode: mode})
		}
	}
	return files
}

// write writes the files, or with --dry-run finds out whether it could.
func (r *specRun) write(files []pki.File, o *specOutcome) error {
	if len(files) == 0 {
		return nil
	}
	replaces := false
	for _, f := range files {
		there := exists(f.Path)
		if there && r.absent[f.Path] {
			return usageErrorf("%s was not there a moment ago: is another crpki at work? Nothing was written", f.Path)
		}
		replaces = replaces || there
	}
	result, err := r.emit(files, emit.Options{Force: replaces, DryRun: o.DryRun, Now: r.now})
	if errors.Is(err, fs.ErrExist) {
		return usageErrorf("%w by now: is another crpki at work? Nothing was written", err)
	}
	if err != nil {
		return placeHint(asUsage(err))
	}
	for i := range o.Files {
		o.Files[i].Backup = result.Backups[o.Files[i].Path]
	}
	for _, path := range result.Narrowed {
		r.warnf("%s could be read by more users before: it is %04o now", path, pki.ModePrivate)
	}
	return nil
}

// refusedHint tells how a plan gets permission.
func refusedHint(err error) error {
	refused, ok := errors.AsType[*spec.RefusedError](err)
	if !ok {
		return err
	}
	err = usageErrorf("nothing was written:\n%w", err)
	for _, h := range []struct {
		cause spec.Cause
		hint  string
	}{
		{spec.OtherKeyMissing, "say under from, with key, where the CA's private key is"},
		{spec.CADamaged, "put the CA's own files back, for this run at least; to make a new CA in their place, which clients then have to be given: --force"},
		{spec.BadFile, "put the right files in their place; or --force, which makes new ones and keeps backups"},
		{spec.TrustAtStake, "clients that trust the CA as it is would refuse what is signed afterwards. If that is meant: --force, or allow-replace: true in the spec"},
	} {
		if refused.Has(h.cause) {
			err = withHint(err, h.hint)
		}
	}
	return err
}

// specHint tells how a CA of the spec gets to sign for a name.
func specHint(err error) error {
	forbidden, ok := errors.AsType[*issue.ConstraintError](err)
	switch {
	case !ok:
		return err
	case forbidden.Name.Kind == pki.IP:
		return withHint(err, "permit it in the entry of the CA: permit-ip: "+forbidden.Name.Value)
	}
	return withHint(err, "permit it in the entry of the CA: permit-dns: "+strings.TrimPrefix(forbidden.Name.Value, "*."))
}

// specOutcome is what gen --spec tells. Text, JSON and YAML come from it.
type specOutcome struct {
	// DryRun is true when nothing was written.
	DryRun bool `json:"dryRun"`
	// Refused is true when something was not permitted, and so nothing done.
	Refused bool `json:"refused"`
	// Changed is false when everything is as the spec says.
	Changed bool          `json:"changed"`
	OutDir  string        `json:"outDir"`
	Actions []spec.Action `json:"actions"`
	// Files are those that were written, or would be.
	Files []fileFacts `json:"files"`
	// NotInSpec are certificates and keys in the folder that belong to no entry.
	// They are left alone.
	NotInSpec []string `json:"notInSpec"`
	// Next are commands to go on with.
	Next []string `json:"next"`

	now time.Time
}

func (r *specRun) outcome(plan *spec.Plan) specOutcome {
	o := specOutcome{
		DryRun: r.c.Bool("dry-run"), Changed: plan.Changes(), OutDir: r.dir, now: r.now,
		Actions: plan.Actions, NotInSpec: nonNil(plan.Strays), Files: []fileFacts{}, Next: []string{},
	}
	r.absent = map[string]bool{}
	for _, a := range plan.Actions {
		for _, name := range a.Files {
			path := filepath.Join(r.dir, name)
			r.absent[path] = !exists(path)
			o.Files = append(o.Files, fileFacts{Path: path, What: whatFile(a, name)})
		}
	}
	if !o.DryRun {
		o.Next = r.next(plan)
	}
	return o
}

func whatFile(a spec.Action, name string) string {
	switch key := filepath.Ext(name) == ".key"; {
	case key && a.Kind == "ca":
		return "private key of the CA: no server needs it"
	case key:
		return "private key"
	case a.Anchor && a.Kind == "ca":
		return "certificate that clients are to trust"
	case a.Kind == "ca":
		return "intermediate CA and what is above it"
	case a.Anchor:
		return "certificate of the server, and what clients are to trust"
	}
	return "certificate of the server, and the chain to the CA"
}

// next is what to do with the first certificate that was made.
func (r *specRun) next(plan *spec.Plan) []string {
	for _, cert := range r.spec.Certs {
		i := slices.IndexFunc(plan.Actions, func(a spec.Action) bool { return a.Name == cert.Name })
		if plan.Actions[i].Verdict == spec.Keep {
			continue
		}
		next := nextForServer(filepath.Join(r.dir, cert.Name+".crt"), r.trusted(cert), cert.Names)
		if r.trusted(cert) == "" {
			next = next[:1]
		}
		return next
	}
	return []string{}
}

// trusted is the file of the root above a certificate, "" if the spec did not
// make it.
func (r *specRun) trusted(cert spec.Cert) string {
	name, issuer := cert.Name, cert.Issuer
	for issuer != "" {
		i := slices.IndexFunc(r.spec.CAs, func(ca spec.CA) bool { return ca.Name == issuer })
		ca := r.spec.CAs[i]
		if ca.From != nil {
			return ""
		}
		name, issuer = ca.Name, ca.Issuer
	}
	return filepath.Join(r.dir, name+".crt")
}

// warn tells what has to be done elsewhere, and who cannot use the keys.
func (r *specRun) warn(plan *spec.Plan, o specOutcome) {
	for _, a := range plan.Actions {
		file := filepath.Join(r.dir, a.Name+".crt")
		switch {
		case a.NewAnchor && o.DryRun:
			r.warnf("clients that trust %s as it is would need the new one: they would refuse what is signed then", file)
		case a.NewAnchor:
			r.warnf("clients that trust %s as it was need the new one: they refuse what is signed from now on", file)
		case a.Anchor && len(a.Files) > 0 && a.Verdict != spec.Create && !o.DryRun:
			r.notef("%s is new and has the same key: clients can go on with the one before until that ends", file)
		}
	}
	warned := map[issue.KeyType]bool{"": true}
	for _, kind := range r.newKeyTypes(plan) {
		if text := kind.Warning(); text != "" && !warned[kind] {
			r.warnf("%s", text)
		}
		warned[kind] = true
	}
}

// newKeyTypes are the types of the keys that the plan makes.
func (r *specRun) newKeyTypes(plan *spec.Plan) []issue.KeyType {
	types := map[string]issue.KeyType{}
	for _, ca := range r.spec.CAs {
		types[ca.Name] = ca.KeyType
	}
	for _, cert := range r.spec.Certs {
		types[cert.Name] = cert.KeyType
	}
	var made []issue.KeyType
	for _, a := range plan.Actions {
		if a.NewKey {
			made = append(made, types[a.Name])
		}
	}
	return made
}

// text is the outcome for people: a line for each entry, then what became of
// it.
func (o specOutcome) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tKIND\tACTION\tWHY")
	for _, a := range o.Actions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", a.Name, a.Kind, a.Verdict, printable(o.why(a)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(o.NotInSpec) > 0 {
		fmt.Fprintf(w, "Not in the spec, and left alone: %s\n", printable(strings.Join(o.NotInSpec, ", ")))
	}
	switch {
	case o.Refused:
		return nil
	case !o.Changed:
		fmt.Fprintln(w, "Nothing to change")
		return nil
	}
	if len(o.Files) > 0 {
		fmt.Fprintln(t, map[bool]string{false: "Files", true: "Files, of which none was written (dry run)"}[o.DryRun])
	}
	for _, f := range o.Files {
		fmt.Fprintf(t, "  %s\t%s\n", f.Path, f.note(o.DryRun))
	}
	if len(o.Next) > 0 {
		fmt.Fprintln(t, "Next")
	}
	for _, command := range o.Next {
		fmt.Fprintf(t, "  %s\n", command)
	}
	return t.Flush()
}

// why puts the reasons of an action into a sentence, or says what holds.
func (o specOutcome) why(a spec.Action) string {
	reasons := a.Reasons
	switch {
	case a.Verdict == spec.Keep && len(reasons) == 0:
		return fmt.Sprintf("valid until %s (%s)", a.NotAfter.UTC().Format(time.DateOnly), days(a.NotAfter.Sub(o.now)))
	case a.Verdict == spec.Create && len(reasons) == 0:
		reasons = []string{"is not there yet"}
	case a.NewKey && a.Verdict != spec.Create:
		reasons = append(slices.Clone(reasons), "with a new key")
	}
	return strings.Join(reasons, "; ")
}
