package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/view"
	"github.com/crpki/crpki/pki"
)

func inspectCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "inspect",
		Usage: "show what certificates, requests, keys and PKCS#12 files hold",
		Description: `crpki inspect certs/tls.crt
# how several files belong together
crpki inspect certs/tls.crt certs/tls.key certs/ca.crt
# all of a folder
crpki inspect certs
# what a server sends
openssl s_client -connect reg:443 -showcerts </dev/null | crpki inspect -
# for those who know openssl x509 -text
crpki inspect certs/tls.crt --format openssl

Shows names first, then validity, place in the chain, key, usages, identifiers
and fingerprints. Of private keys only the public part is shown. PEM, DER,
PKCS#7, PKCS#12 and base64 of these are told by content, not by name. A folder
stands for the certificates, requests and keys right in it, told by their names.

It judges nothing: a certificate that has expired, or that Go programs refuse,
is shown with the reason, and the exit code is 0. It is 2 when a file holds
nothing that can be read; the other files are shown all the same.

The fields of -o json and -o yaml are described in docs/inspect-json.md.`,
		ArgsUsage: "FILE...",
		Flags: append([]cli.Flag{
			choiceFlag(&cli.StringFlag{
				Name: "output", Aliases: []string{"o", "format"}, Value: "text",
				Usage: "print the result as `FORMAT`; openssl is the layout of openssl x509 -text",
			}, "text", "json", "yaml", "openssl"),
		}, describedPasswordFlags("", "of encrypted keys and PKCS#12 files", aboutKey)...),
		Action: e.inspect,
	}
}

func (e *env) inspect(c *cli.Context) error {
	m, err := e.decodeAny(c, c.Args().Slice())
	if errors.Is(err, errInterrupted) {
		return err
	}
	d := view.Describe(m, e.now)
	if m.Empty() {
		return err
	}
	err = errors.Join(err, e.tellUnreadable(m, d, err))
	if c.String("output") == "openssl" {
		for _, x := range d.Certificates {
			if x.Error != "" && x.Version > 0 {
				e.warnf("%s: Go programs refuse this certificate: %s", x.ID, x.Error)
			}
		}
		return errors.Join(err, view.WriteOpenSSL(e.stdout, m))
	}
	return errors.Join(err, e.print(c, d, func(w io.Writer) error {
		return d.WriteText(w, view.TextOptions{Width: e.width, Color: e.color})
	}))
}

// decodeAny reads all that it can of paths, in which a folder stands for the
// files in it. The error tells of all that it cannot read.
func (e *env) decodeAny(c *cli.Context, paths []string) (pki.Material, error) {
	return decodeEach(paths, func(file string) (pki.Material, error) { return e.decode(c, file) })
}

func decodeEach(paths []string, decode func(file string) (pki.Material, error)) (pki.Material, error) {
	var all pki.Material
	var errs []error
	for _, path := range paths {
		files, err := filesIn(path)
		errs = append(errs, err)
		for _, file := range files {
			m, err := decode(file)
			if errors.Is(err, errInterrupted) {
				return all, err
			}
			errs = append(errs, err)
			all.Append(m)
		}
	}
	return all, errors.Join(errs...)
}

// filesIn is path itself, or when it is a folder the files in it whose names
// say that they hold what crpki reads. Folders in it are passed over, and with
// them the ones in which Kubernetes keeps the versions of a mounted Secret.
func filesIn(path string) ([]string, error) {
	if info, err := os.Stat(path); path == "-" || err != nil || !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, readError(path, err)
	}
	var files, hashed []string
	for _, entry := range entries {
		isHash := isHashName(entry.Name())
		if !isHash && !isCertName(entry.Name()) {
			continue
		}
		file := filepath.Join(path, entry.Name())
		switch info, err := os.Stat(file); {
		case err != nil || !info.Mode().IsRegular():
		case isHash:
			hashed = append(hashed, file)
		default:
			files = append(files, file)
		}
	}
	if len(files) == 0 { // else the hashes are links to them
		files = hashed
	}
	if len(files) == 0 {
		return nil, withHint(usageErrorf("%s: there is no file in this folder that ends in %s", path, strings.Join(certExtensions[:], ", ")),
			"name the files that are meant")
	}
	return files, nil
}

// certExtensions are the endings of files that hold certificates, requests or
// keys.
var certExtensions = [...]string{".crt", ".cer", ".cert", ".pem", ".der", ".key", ".csr", ".req", ".p12", ".pfx", ".p7b", ".p7c"}

func isCertName(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains(certExtensions[:], strings.ToLower(filepath.Ext(name)))
}

// isHashName knows what openssl rehash makes for -CApath: 5ad8a5d6.0.
func isHashName(name string) bool {
	hash, number, ok := strings.Cut(name, ".")
	return ok && len(hash) == 8 && strings.Trim(hash, "0123456789abcdef") == "" && number != "" && strings.Trim(number, "0123456789") == ""
}

// isTold reports whether told holds err or what err wraps.
func isTold(told, err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if errors.Is(told, err) {
			return true
		}
	}
	return false
}

// tellUnreadable warns of each thing that cannot be read, unless told says so.
// It is an error when there is nothing else in its file.
func (e *env) tellUnreadable(m pki.Material, d view.Document, told error) error {
	readable := map[view.Text]bool{}
	var broken []view.Item
	note := func(item view.Item, ok bool, err error) {
		switch {
		case ok:
			readable[item.Origin.Source] = true
		case !isTold(told, err):
			broken = append(broken, item)
		}
	}
	for i, c := range slices.Concat(m.Certs, m.Anchors) {
		note(d.Certificates[i].Item, d.Certificates[i].Version > 0, c.Err)
	}
	for i, r := range m.CSRs {
		note(d.Requests[i].Item, d.Requests[i].PublicKey.SHA256 != "", r.Err)
	}
	for i, k := range m.Keys {
		note(d.Keys[i].Item, d.Keys[i].PublicKey.SHA256 != "", k.Err)
	}
	var errs []error
	for _, item := range broken {
		if readable[item.Origin.Source] {
			e.warnf("%s: %s", item.ID, item.Error)
		} else {
			errs = append(errs, usageErrorf("%s: %s", item.ID, item.Error))
		}
	}
	return errors.Join(errs...)
}
