package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

// outcome is what gen, csr, sign and renew tell about what they made. Text,
// JSON and YAML come from it.
type outcome struct {
	// DryRun is true when nothing was written.
	DryRun bool `json:"dryRun"`
	// Renewed is set by renew alone: false when nothing was due.
	Renewed *bool `json:"renewed,omitempty"`
	// Certificate is the one for the server, Request its signing request: one
	// of the two is there.
	Certificate *certFacts    `json:"certificate,omitempty"`
	Request     *requestFacts `json:"request,omitempty"`
	// Chain are the CAs above the certificate, the nearest first.
	Chain []certFacts `json:"chain"`
	// Files are those that were written, or that were there with this content.
	Files []fileFacts `json:"files"`
	// Applied is what became of the Secret in the cluster, with gen --apply.
	Applied *applied `json:"applied,omitempty"`
	// Next are commands to go on with.
	Next []string `json:"next"`
}

// certFacts are what there is to say in short about a certificate; inspect
// tells everything.
type certFacts struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Key       string    `json:"key"`
	Serial    string    `json:"serialNumber"`
	// SHA256 is the fingerprint of the DER, in lower-case hexadecimal as inspect
	// has it.
	SHA256 string `json:"sha256"`
	// Permitted are the name constraints of a CA: "DNS:example.com".
	Permitted []string `json:"permitted,omitempty"`
}

type requestFacts struct {
	Subject string   `json:"subject"`
	Names   []string `json:"names"`
	Key     string   `json:"key"`
}

type fileFacts struct {
	Path string `json:"path"`
	What string `json:"what"`
	// Unchanged is true when it was there with this very content.
	Unchanged bool `json:"unchanged,omitempty"`
	// Backup is where the content is that it replaced.
	Backup string `json:"backup,omitempty"`
}

func factsOf(c *x509.Certificate) certFacts {
	return certFacts{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: nonNil(pki.NamesOf(c).Strings()),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Key: pki.DescribePublicKey(c.PublicKey), Serial: fmt.Sprintf("%x", c.SerialNumber.Bytes()),
		SHA256: fingerprint(c), Permitted: permittedBy(c),
	}
}

func factsOfAll(certs []*x509.Certificate) []certFacts {
	all := []certFacts{}
	for _, c := range certs {
		all = append(all, factsOf(c))
	}
	return all
}

func fingerprint(c *x509.Certificate) string { return fmt.Sprintf("%x", sha256.Sum256(c.Raw)) }

func permittedBy(c *x509.Certificate) []string {
	var all []string
	for _, d := range c.PermittedDNSDomains {
		all = append(all, "DNS:"+d)
	}
	for _, n := range c.PermittedIPRanges {
		all = append(all, "IP:"+n.String())
	}
	return all
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// artifact is a file to be written, and what it is for.
type artifact struct {
	pki.File
	what string
	// aside keeps it out of standard output, where another holds the same.
	aside bool
}

func certArtifact(dir, name, what string, certs ...*x509.Certificate) artifact {
	return artifact{File: pki.File{Path: filepath.Join(dir, name+".crt"), Mode: pki.ModePublic, Data: format.EncodeCerts(certs...)}, what: what}
}

func keyArtifact(dir, name, what string, key privateKey) (artifact, error) {
	data, err := key.encode()
	return artifact{File: pki.File{Path: filepath.Join(dir, name+".key"), Mode: pki.ModePrivate, Data: data}, what: what}, err
}

// encode gives PKCS#8, encrypted if the key has a password.
func (k privateKey) encode() ([]byte, error) {
	if k.password != nil {
		return format.EncodeKeyEncrypted(k.Signer, k.password)
	}
	return format.EncodeKey(k.Signer)
}

// isAt reports whether the key was read from the file at path, which then needs
// no writing.
func (k privateKey) isAt(path string) bool { return k.path != "" && sameFile(k.path, path) }

func sameFile(a, b string) bool {
	infoA, err := os.Stat(a)
	infoB, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(infoA, infoB)
}

// toStdout is true when the files go to standard output. A command that reads
// standard input answers there, unless told otherwise.
func toStdout(c *cli.Context) bool {
	return c.String("out-dir") == "-" || c.Args().First() == "-" && !c.IsSet("out-dir")
}

// checkStdout refuses what PEM on standard output leaves no room for.
func checkStdout(c *cli.Context) error {
	if toStdout(c) && c.String("output") != "text" {
		return usageErrorf("--output %s and PEM on standard output exclude each other: private keys go into no document", c.String("output"))
	}
	return nil
}

// deliver writes the files, all or none, and tells about it.
func (e *env) deliver(c *cli.Context, o outcome, files []artifact) error {
	if toStdout(c) {
		return e.deliverPEM(files)
	}
	return e.write(c, o, files, c.Bool("force"))
}

// write is deliver to the disk; force replaces what is there.
func (e *env) write(c *cli.Context, o outcome, files []artifact, force bool) error {
	if err := e.place(c, &o, files, force); err != nil {
		return err
	}
	return e.print(c, o, o.text)
}

// place writes the files and notes them in o. After a signal nothing is written
// any more.
func (e *env) place(c *cli.Context, o *outcome, files []artifact, force bool) error {
	if c.Context.Err() != nil {
		return errInterrupted
	}
	result, err := e.emit(plainFiles(files), emit.Options{Force: force, DryRun: c.Bool("dry-run"), Now: e.now})
	if err != nil {
		return existsHint(err)
	}
	o.DryRun = c.Bool("dry-run")
	o.Files = []fileFacts{}
	for _, f := range files {
		facts := fileFacts{Path: f.Path, What: f.what, Backup: result.Backups[f.Path]}
		for _, path := range result.Unchanged {
			facts.Unchanged = facts.Unchanged || path == f.Path
		}
		o.Files = append(o.Files, facts)
	}
	for _, path := range result.Narrowed {
		e.warnf("%s could be read by more users before: it is %04o now", path, pki.ModePrivate)
	}
	return nil
}

// emit is emit.Write, and remembers that files were written.
func (e *env) emit(files []pki.File, o emit.Options) (emit.Result, error) {
	e.settle()
	result, err := emit.Write(files, o)
	if err == nil && !o.DryRun {
		e.wrote = e.wrote || len(result.Written) > 0
	}
	return result, err
}

// deliverPEM writes everything to standard output, in the order of files.
func (e *env) deliverPEM(files []artifact) error {
	for _, f := range files {
		if f.aside {
			continue
		}
		if _, err := e.stdout.Write(f.Data); err != nil {
			return usageErrorf("write standard output: %w", err)
		}
	}
	return nil
}

func plainFiles(files []artifact) []pki.File {
	var plain []pki.File
	for _, f := range files {
		plain = append(plain, f.File)
	}
	return plain
}

func existsHint(err error) error {
	exists, ok := errors.AsType[*emit.ExistsError](err)
	if !ok {
		return placeHint(err)
	}
	hint := "choose another --out-dir or --name; or --force, which replaces them and keeps backups"
	for _, path := range exists.Paths {
		if filepath.Base(path) == caBase+".key" {
			hint = fmt.Sprintf("for one more certificate from the CA that is there: --ca %s --name NAME; to replace all, and keep backups: --force",
				shellQuote(filepath.Join(filepath.Dir(path), caBase+".crt")))
		}
	}
	return withHint(usageErrorf("%w, and nothing was written", err), hint)
}

// placeHint adds to an error of writing what to do about the place.
func placeHint(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return withHint(err, "run crpki as a user who may write there")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return withHint(err, "make room on that disk")
	case errors.Is(err, syscall.EROFS):
		return withHint(err, "that disk is mounted for reading only")
	}
	return err
}

// text is the outcome for people.
func (o outcome) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if o.Request != nil {
		fmt.Fprintf(t, "Signing request\n  subject\t%s\n  names\t%s\n  key\t%s\n",
			printable(o.Request.Subject), printable(strings.Join(o.Request.Names, ", ")), o.Request.Key)
	}
	if o.Certificate != nil {
		title := "Certificate"
		if o.Renewed != nil {
			title = "Certificate, renewed"
		}
		o.Certificate.text(t, title)
	}
	for _, ca := range o.Chain {
		if ca.Subject == ca.Issuer {
			ca.text(t, "CA")
		} else {
			ca.text(t, "Intermediate CA")
		}
	}
	if len(o.Files) > 0 {
		fmt.Fprintln(t, map[bool]string{false: "Files", true: "Files, of which none was written (dry run)"}[o.DryRun])
	}
	for _, f := range o.Files {
		fmt.Fprintf(t, "  %s\t%s\n", f.Path, f.note(o.DryRun))
	}
	if len(o.Next) > 0 && !o.DryRun {
		fmt.Fprintln(t, "Next")
		for _, command := range o.Next {
			fmt.Fprintf(t, "  %s\n", command)
		}
	}
	return t.Flush()
}

func (f fileFacts) note(dryRun bool) string {
	switch {
	case f.Unchanged:
		return f.What + " (unchanged)"
	case f.Backup != "" && dryRun:
		return f.What + " (replaces a file, which would be kept as " + f.Backup + ")"
	case f.Backup != "":
		return f.What + " (the one before is " + f.Backup + ")"
	}
	return f.What
}

func (c certFacts) text(w io.Writer, title string) {
	fmt.Fprintf(w, "%s\n  subject\t%s\n", title, printable(c.Subject))
	if c.Issuer != c.Subject {
		fmt.Fprintf(w, "  issuer\t%s\n", printable(c.Issuer))
	}
	if len(c.Names) > 0 {
		fmt.Fprintf(w, "  names\t%s\n", printable(strings.Join(c.Names, ", ")))
	}
	if len(c.Permitted) > 0 {
		fmt.Fprintf(w, "  only for\t%s\n", printable(strings.Join(c.Permitted, ", ")))
	}
	const minute = "2006-01-02 15:04 MST"
	fmt.Fprintf(w, "  valid\t%s to %s (%s)\n", c.NotBefore.UTC().Format(minute), c.NotAfter.UTC().Format(minute),
		days(issue.Validity{NotBefore: c.NotBefore, NotAfter: c.NotAfter}.Lifetime()))
	fmt.Fprintf(w, "  key\t%s\n  SHA-256\t%s\n", c.Key, c.SHA256)
}

// days rounds a length of time to what people count in.
func days(d time.Duration) string {
	switch n := int(d / issue.Day); {
	case n >= 2:
		return fmt.Sprintf("%d days", n)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	default:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
}

// nextForServer are what to do with a new certificate: look at it, and once a
// server has it, try it.
func nextForServer(certPath, caPath string, names pki.Names) []string {
	next := []string{"crpki inspect " + shellQuote(certPath)}
	for _, n := range names {
		if n.Kind == pki.IP || n.Kind == pki.DNS && !strings.HasPrefix(n.Value, "*") {
			return append(next, fmt.Sprintf("curl --cacert %s https://%s/v2/", shellQuote(caPath), hostInURL(n)))
		}
	}
	return next
}

func hostInURL(n pki.Name) string {
	if n.Kind == pki.IP && strings.Contains(n.Value, ":") {
		return "[" + n.Value + "]"
	}
	return n.Value
}

// shellQuote makes a word that a shell takes as it is.
func shellQuote(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,="
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// passwordKeeper reads a file with a key, and keeps the password that opened
// it, for a key that stays encrypted.
type passwordKeeper struct {
	env      *env
	c        *cli.Context
	prefix   string
	password []byte
	data     []byte // as last read
}

func (k *passwordKeeper) decode(path string) (pki.Material, error) {
	data, err := k.env.read(path)
	if err != nil {
		return pki.Material{}, err
	}
	k.data = data
	return format.Decode(path, data, format.Options{Password: k.ask})
}

// isPEM tells PEM from DER and PKCS#12.
func isPEM(data []byte) bool { return bytes.Contains(data, []byte("-----BEGIN CERTIFICATE")) }

func (k *passwordKeeper) ask(origin pki.Origin) ([]byte, error) {
	if k.password != nil {
		return k.password, nil
	}
	password, err := k.env.password(k.c, k.prefix, origin.String())
	k.password = bytes.Clone(password)
	return password, err
}
