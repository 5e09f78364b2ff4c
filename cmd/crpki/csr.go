package main

import (
	"errors"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

func csrCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "csr",
		Usage: "make a signing request, for a CA that somebody else runs",
		Description: `crpki csr --ip 10.96.0.50 --dns reg.example.com
# for the key that the server has already
crpki csr --key /etc/registry/tls.key --dns reg.example.com

Writes tls.csr, which goes to the CA, and tls.key, which stays here, into
./certs, unless --out-dir says another folder. All names stand in the one
subjectAltName extension that is asked for, with the usages of a server. Some
CAs ignore what a request asks for: compare the names in the certificate that
comes back.

With "--out-dir -", PEM goes to standard output: the request, then the private
key.`,
		ArgsUsage: "[-]",
		Flags: slices.Concat(nameFlags(), presetFlags(), []cli.Flag{clientFlag()}, subjectFlags(), keyFlags(),
			fileFlags(defaultOutDir), []cli.Flag{baseNameFlag(), outputFlag("text", "json", "yaml")}),
		Action: e.csr,
	}
}

func (e *env) csr(c *cli.Context) error {
	if c.Bool("list-presets") {
		return e.listPresets(c)
	}
	if err := checkStdout(c); err != nil {
		return err
	}
	name, err := baseName(c)
	if err != nil {
		return err
	}
	names, err := e.names(c)
	if err != nil {
		return err
	}
	if err := needNames(c, names); err != nil {
		return err
	}
	key, err := e.leafKey(c, name+".key", keyType(c))
	if err != nil {
		return err
	}
	e.warnKey(key.Public())
	csr, err := issue.NewCSR(key, issue.Request{Names: names, Subject: subject(c), Client: c.Bool("client")})
	if err != nil {
		return asUsage(err)
	}
	dir := c.String("out-dir")
	files, err := csrFiles(dir, name, format.EncodeCSR(csr), key)
	return errors.Join(err, e.deliver(c, outcome{
		Request: &requestFacts{Subject: csr.Subject.String(), Names: pki.NamesOfCSR(csr).Strings(), Key: pki.DescribePublicKey(csr.PublicKey)},
		Chain:   []certFacts{},
		Next: []string{
			"crpki inspect " + shellQuote(filepath.Join(dir, name+".csr")),
			"crpki sign " + shellQuote(filepath.Join(dir, name+".csr")) + " --ca ca.crt   # where the CA is",
		},
	}, files))
}

func csrFiles(dir, name string, csr []byte, key privateKey) ([]artifact, error) {
	files := []artifact{{
		File: pki.File{Path: filepath.Join(dir, name+".csr"), Mode: pki.ModePublic, Data: csr},
		what: "signing request: give it to the CA",
	}}
	file, err := keyArtifact(dir, name, "private key of the server: keep it", key)
	if !key.isAt(file.Path) {
		files = append(files, file)
	}
	return files, err
}
