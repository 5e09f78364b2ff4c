package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// certFlags say where certificate, key and CA are, for commands that deploy
// all of them.
func certFlags(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "from", Usage: "take tls.crt, tls.key and ca.crt from `FOLDER`, as crpki gen writes them, or all from one file (PEM, PKCS#12)", TakesFile: true, Category: category},
		&cli.StringFlag{Name: "cert", Usage: "the server's certificate, and its intermediates, are in `FILE` (PEM, DER, PKCS#12)", TakesFile: true, Category: category},
		&cli.StringFlag{Name: "key", Usage: "its private key is in `FILE` (NAME.key beside NAME.crt if not given)", TakesFile: true, Category: category},
		&cli.StringFlag{Name: "ca", Usage: "the CA by which clients trust it is in `FILE` (ca.crt beside the certificate if not given)", TakesFile: true, Category: category},
	}
}

// certPaths are the files of certFlags, "" for what none says.
type certPaths struct{ cert, key, ca string }

// readCertPaths gives those of --cert, --key and --ca; for what these leave open those
// of --from, and then the CA beside --cert.
func readCertPaths(c *cli.Context) (certPaths, error) {
	p := certPaths{c.String("cert"), c.String("key"), c.String("ca")}
	if from := c.String("from"); from != "" {
		found, err := certPathsIn(from)
		if err != nil {
			return p, err
		}
		p = certPaths{cmp.Or(p.cert, found.cert), cmp.Or(p.key, found.key), cmp.Or(p.ca, found.ca)}
	}
	if cert := c.String("cert"); cert != "" && cert != "-" && p.ca == "" {
		if beside := filepath.Join(filepath.Dir(cert), caBase+".crt"); exists(beside) && !sameFile(beside, cert) {
			p.ca = beside
		}
	}
	return p, nil
}

// keyBeside is the file in which the key of a certificate is looked for when
// nothing says where it is, "" when that is not there.
func keyBeside(cert string) string {
	if key := besideKey(cert); cert != "-" && exists(key) {
		return key
	}
	return ""
}

// certPathsIn finds them in what --from names: tls.crt and the like in a
// folder, or the only certificate with a key beside it.
func certPathsIn(from string) (certPaths, error) {
	info, err := os.Stat(from)
	if err != nil && from != "-" {
		return certPaths{}, readError(from, err)
	}
	if from == "-" || !info.IsDir() {
		return certPaths{cert: from}, nil
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return certPaths{}, readError(from, err)
	}
	names := map[string]bool{}
	for _, entry := range entries {
		names[entry.Name()] = true
	}
	var bases []string
	for name := range names {
		if base, ok := strings.CutSuffix(name, ".crt"); ok && names[base+".key"] && !isCABase(base) {
			bases = append(bases, base)
		}
	}
	slices.Sort(bases)
	switch {
	case slices.Contains(bases, "tls"):
		bases = []string{"tls"}
	case len(bases) == 0:
		return certPaths{}, withHint(usageErrorf("%s: there is no tls.crt with a tls.key beside it", from), "name the files: --cert FILE --key FILE --ca FILE")
	case len(bases) > 1:
		return certPaths{}, withHint(usageErrorf("%s: there are several certificates with keys, and which is meant? %s", from, strings.Join(bases, ", ")),
			fmt.Sprintf("name one: --cert %[1]s.crt --key %[1]s.key", shellQuote(filepath.Join(from, bases[0]))))
	}
	p := certPaths{cert: filepath.Join(from, bases[0]+".crt"), key: filepath.Join(from, bases[0]+".key")}
	if names["ca.crt"] {
		p.ca = filepath.Join(from, "ca.crt")
	}
	return p, nil
}
