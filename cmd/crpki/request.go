package main

import (
	"cmp"
	"crypto"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// What gen, csr, sign and renew have in common: the flags that say what a
// certificate shall be, and what becomes of them. A flag means the same in
// each.

// Categories under which help lists the flags.
const (
	aboutNames    = "Names"
	aboutCert     = "Certificate"
	aboutKey      = "Key"
	aboutCA       = "CA"
	aboutNewCA    = "New CA"
	aboutFiles    = "Files"
	defaultOutDir = "certs"
)

// nameFlags are the names that a certificate is for.
func nameFlags() []cli.Flag {
	flag := func(name, usage string) cli.Flag {
		return &cli.StringSliceFlag{Name: name, Usage: usage, Category: aboutNames}
	}
	return []cli.Flag{
		flag("ip", "`ADDRESS` that clients dial: 10.96.0.50 or fd00::50; repeat it, or separate several by commas, as with all names"),
		flag("dns", "DNS `NAME` that clients dial: reg.example.com, *.example.com"),
		flag("san", "`NAME` of any kind, told from its form or its prefix: IP:, DNS:, URI:, email:; takes registry URLs and image references"),
		flag("uri", "`URI` that names a workload: spiffe://prod/registry"),
		flag("email", "e-mail `ADDRESS`"),
	}
}

// presetFlags add the names of a known registry.
func presetFlags() []cli.Flag {
	var known []string
	for _, p := range issue.Presets() {
		known = append(known, p.Name)
	}
	flag := func(name, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, Category: aboutNames}
	}
	return []cli.Flag{
		choiceFlag(&cli.StringFlag{Name: "preset", Usage: "add the names that a well-known `REGISTRY` has inside a cluster", Category: aboutNames}, known...),
		flag("namespace", "`NAMESPACE` of the Helm release, for --preset and --service"),
		flag("release", "`NAME` of the Helm release, for --preset"),
		flag("service", "`NAMESPACE/NAME` of a Service: adds every DNS name that it has"),
		flag("cluster-domain", "the cluster's DNS `DOMAIN`, for --preset and --service (cluster.local if not given)"),
		&cli.BoolFlag{Name: "ha", Usage: "add the names that replicas need among themselves, for --preset", Category: aboutNames},
		&cli.BoolFlag{Name: "list-presets", Usage: "explain the presets, and do nothing else", Category: aboutNames},
	}
}

// names are those of the name flags, in the order in which they were given,
// and of the preset.
func (e *env) names(c *cli.Context) (pki.Names, error) {
	names, err := e.givenNames()
	preset, err2 := e.presetNames(c)
	if err := errors.Join(err, err2); err != nil {
		return nil, usageErrorf("%w", err)
	}
	return names.With(preset...), nil
}

// givenNames goes by the command line rather than by the context, which knows
// no order across flags: the first name becomes the common name.
func (e *env) givenNames() (pki.Names, error) {
	kinds := map[string]pki.NameKind{"ip": pki.IP, "dns": pki.DNS, "san": 0, "uri": pki.URI, "email": pki.Email}
	var all pki.Names
	var errs []error
	for _, f := range e.line.flags {
		kind, ok := kinds[namesOf(f.flag)[0]]
		if !ok {
			continue
		}
		names, remarks, err := pki.ParseNames(kind, []string{f.value})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.source, err))
		}
		e.notes(remarks)
		all = append(all, names...)
	}
	return pki.Names{}.With(all...), errors.Join(errs...)
}

// presetNames are those of --preset, and those of --service, which is a preset
// of its own.
func (e *env) presetNames(c *cli.Context) (pki.Names, error) {
	input := issue.PresetInput{
		Namespace: c.String("namespace"), Release: c.String("release"), Service: c.String("service"),
		ClusterDomain: c.String("cluster-domain"), HA: c.Bool("ha"),
	}
	var presets []string
	if c.String("preset") != "" {
		presets = append(presets, c.String("preset"))
	}
	if input.Service != "" && !slices.Contains(presets, "in-cluster-service") {
		presets = append(presets, "in-cluster-service")
	}
	var all pki.Names
	var read []string
	for _, name := range presets {
		p, err := issue.FindPreset(name)
		if err != nil {
			return nil, err
		}
		names, err := p.Names(input)
		if err != nil {
			return nil, err
		}
		all, read = all.With(names...), append(read, p.Reads...)
	}
	for _, name := range []string{"namespace", "release", "cluster-domain", "ha"} {
		inCluster := name == "namespace" && c.Bool("apply") || name == "cluster-domain" && c.String("from-service") != ""
		if c.IsSet(name) && !slices.Contains(read, name) && !inCluster {
			e.warnf("--%s has no effect %s", name, cmp.Or(prefixed("on --preset ", c.String("preset")), "without --preset"))
		}
	}
	return all, nil
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// needNames refuses a request without any, and shows how it is done.
func needNames(c *cli.Context, names pki.Names) error {
	if len(names) > 0 {
		return nil
	}
	return withHint(usageErrorf("no names: by which address or DNS name do clients dial the registry?"),
		"for example: "+commandPath(c)+" --ip 10.96.0.50 --dns reg.example.com")
}

func commandPath(c *cli.Context) string { return "crpki " + c.Command.Name }

// notes tells what was normalised or chosen.
func (e *env) notes(remarks []string) {
	for _, r := range remarks {
		e.notef("%s", r)
	}
}

func (e *env) warnings(remarks []string) {
	for _, r := range remarks {
		e.warnf("%s", r)
	}
}

// subjectFlags are the parts of a subject that somebody may want to see.
func subjectFlags() []cli.Flag {
	flag := func(name, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, Category: aboutCert}
	}
	return []cli.Flag{
		flag("cn", "common `NAME`, which must be one of the names (the first if not given)"),
		flag("org", "`ORGANIZATION` in the subject"),
		flag("org-unit", "organizational `UNIT` in the subject"),
		flag("country", "country in the subject, as two-letter `CODE`"),
	}
}

func subject(c *cli.Context) pkix.Name {
	s := organization(c)
	s.CommonName = c.String("cn")
	return s
}

// organization is the subject without a common name, for CAs as for leaves.
func organization(c *cli.Context) pkix.Name {
	return pkix.Name{Organization: given(c, "org"), OrganizationalUnit: given(c, "org-unit"), Country: given(c, "country")}
}

func given(c *cli.Context, name string) []string {
	if v := c.String(name); v != "" {
		return []string{v}
	}
	return nil
}

// lifetimeFlags say how long a leaf is valid; otherwise says how long without
// them.
func lifetimeFlags(otherwise string) []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "days", Usage: "valid for so many `DAYS` (" + otherwise + " if not given)", Category: aboutCert},
		&cli.StringFlag{Name: "validity", Usage: "the same as `DURATION`: 90d, 2160h, 12w, 1y", Category: aboutCert},
		&cli.StringFlag{Name: "not-before", Usage: "valid from `TIME` on: 2027-01-31 or 2027-01-31T15:04:05Z (five minutes ago if not given, for clocks that are behind)", Category: aboutCert},
	}
}

// lifetime is what --days or --validity say, 0 when neither is given.
func lifetime(c *cli.Context) (time.Duration, error) {
	days, text := c.Int("days"), c.String("validity")
	switch {
	case c.IsSet("days") && text != "":
		return 0, usageErrorf("--days and --validity exclude each other")
	case c.IsSet("days"):
		return daysLifetime("days", days)
	case text != "":
		d, err := issue.ParseLifetime(text)
		if err != nil {
			return 0, usageErrorf("--validity: %w", err)
		}
		return d, nil
	}
	return 0, nil
}

func daysLifetime(flag string, days int) (time.Duration, error) {
	const most = int(1<<63-1) / int(issue.Day)
	if days < 1 || days > most {
		return 0, usageErrorf("--%s %d: from 1 to %d are possible", flag, days, most)
	}
	return time.Duration(days) * issue.Day, nil
}

// validity is the period for a certificate of the given length.
func (e *env) validity(c *cli.Context, length time.Duration) (issue.Validity, error) {
	text := c.String("not-before")
	if text == "" {
		return issue.ValidFrom(e.now, length), nil
	}
	start, err := parseTime(text)
	if err != nil {
		return issue.Validity{}, usageErrorf("--not-before: %q is not a time: write 2027-01-31 or 2027-01-31T15:04:05Z", text)
	}
	return issue.ValidAt(start, length), nil
}

// leafValidity is the period of a leaf below ca. Only one that nobody asked for
// is cut to the CA's end.
func (e *env) leafValidity(c *cli.Context, ca *issue.CA, fallback time.Duration) (issue.Validity, error) {
	asked, err := lifetime(c)
	if err != nil {
		return issue.Validity{}, err
	}
	v, err := e.validity(c, cmp.Or(asked, fallback))
	if err != nil {
		return issue.Validity{}, err
	}
	if ca == nil || asked != 0 {
		return v, nil
	}
	v, cut := v.Within(ca)
	if cut {
		e.notef("the certificate ends on %s, with its CA", v.NotAfter.Format(time.DateOnly))
	}
	return v, nil
}

// keyFlags say what key a certificate is for.
func keyFlags() []cli.Flag {
	var types []string
	for _, t := range issue.KeyTypes() {
		types = append(types, string(t))
	}
	return slices.Concat([]cli.Flag{
		choiceFlag(&cli.StringFlag{Name: "key-type", Value: types[0], Usage: "make keys of `TYPE`", Category: aboutKey}, types...),
		&cli.StringFlag{Name: "key", Usage: "use the private key in `FILE` instead of a new one", TakesFile: true, Category: aboutKey},
		&cli.BoolFlag{Name: "encrypt-key", Usage: "protect the private key by a password, which is asked for unless a flag says where it is", Category: aboutKey},
	}, describedPasswordFlags("key-", "of the certificate's private key, read or new,", aboutKey))
}

// describedPasswordFlags says in help which password is meant.
func describedPasswordFlags(prefix, of, category string) []cli.Flag {
	flags := passwordFlags(prefix)
	for _, f := range flags {
		if f, ok := f.(*cli.StringFlag); ok {
			f.Usage = strings.Replace(f.Usage, "the password", "the password "+of, 1)
			f.Category = category
		}
	}
	return flags
}

// privateKey is a key, and how it goes to disk.
type privateKey struct {
	crypto.Signer
	// password protects it in the file; nil for none.
	password []byte
	// path is where it was read from, empty for a new one.
	path string
}

// keyMaker makes the key of a certificate.
type keyMaker func() (crypto.Signer, error)

// keyType makes keys of --key-type.
func keyType(c *cli.Context) keyMaker {
	return func() (crypto.Signer, error) { return issue.NewKey(issue.KeyType(c.String("key-type"))) }
}

// ahead begins to make the key at once, on another processor: RSA takes a
// second or more, and there may be two to make. A signal ends the waiting.
func (m keyMaker) ahead(interrupt <-chan struct{}) keyMaker {
	type result struct {
		key crypto.Signer
		err error
	}
	done := make(chan result, 1)
	go func() {
		key, err := m()
		done <- result{key, err}
	}()
	return func() (crypto.Signer, error) {
		select {
		case r := <-done:
			return r.key, r.err
		case <-interrupt:
			return nil, errInterrupted
		}
	}
}

// leafKey is the key of --key, or a new one.
func (e *env) leafKey(c *cli.Context, name string, m keyMaker) (privateKey, error) {
	if path := c.String("key"); path != "" {
		return e.existingKey(c, "key-", path)
	}
	return e.newKey(c, "key-", name, m)
}

// newKey makes a key. prefix is "key-" or "ca-key-": the flags with it say
// whether it is encrypted.
func (e *env) newKey(c *cli.Context, prefix, name string, m keyMaker) (privateKey, error) {
	var key privateKey
	var err error
	if wantsPassword(c, prefix) {
		if key.password, err = e.newPassword(c, prefix, name); err != nil {
			return key, err
		}
	}
	key.Signer, err = m.ahead(e.interrupt)()
	return key, err
}

// wantsPassword is true when a key is to be encrypted.
func wantsPassword(c *cli.Context, prefix string) bool {
	return c.Bool("encrypt-"+strings.TrimSuffix(prefix, "-")) || c.String(prefix+"password-file") != "" || c.String(prefix+"password-env") != ""
}

// existingKey reads the private key in path. One that was encrypted stays so.
func (e *env) existingKey(c *cli.Context, prefix, path string) (privateKey, error) {
	opened := &passwordKeeper{env: e, c: c, prefix: prefix}
	m, err := opened.decode(path)
	if _, notThere := os.Stat(path); err != nil && notThere != nil {
		if _, bad := issue.ParseKeyType(path); bad == nil && path != "" {
			return privateKey{}, withHint(err, "--key takes a file; to make a new key of this type: --key-type "+path)
		}
	}
	if err != nil {
		return privateKey{}, err
	}
	key, err := oneKey(path, m)
	return privateKey{Signer: key, password: opened.password, path: path}, err
}

// oneKey is the only private key in what was read from path.
func oneKey(path string, m pki.Material) (crypto.Signer, error) {
	switch {
	case len(m.Keys) == 0:
		return nil, usageErrorf("%s: there is no private key in it", path)
	case len(m.Keys) > 1:
		return nil, usageErrorf("%s: there are %d private keys in it, and which is meant?", path, len(m.Keys))
	case m.Keys[0].Err != nil:
		return nil, usageErrorf("%s: %w", m.Keys[0].Origin, m.Keys[0].Err)
	}
	return m.Keys[0].Signer, nil
}

// caFlags say which CA signs.
func caFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Name: "ca", Usage: "sign with the CA in `FILE`: its certificate, or certificate and key in one (PEM, PKCS#12)", TakesFile: true, Category: aboutCA},
		&cli.StringFlag{Name: "ca-key", Usage: "the CA's private key is in `FILE` (ca.key beside ca.crt if not given)", TakesFile: true, Category: aboutCA},
	}, describedPasswordFlags("ca-key-", "of the CA's private key, read or new,", aboutCA))
}

// fileFlags say where the files go.
func fileFlags(defaultDir string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "out-dir", Usage: "write into `FOLDER`, which is made if need be; - writes PEM to standard output", Value: defaultDir, TakesFile: true, Category: aboutFiles},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "replace existing files, and keep each as a backup beside it", Category: aboutFiles},
		dryRunFlag(),
	}
}

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Usage: "do everything but write", Category: aboutFiles}
}

func baseNameFlag() cli.Flag {
	return &cli.StringFlag{Name: "name", Usage: "call the files `NAME`.crt and so on", Value: "tls", Category: aboutFiles}
}

// baseName is --name, which must not lead out of the folder nor meet the CA's
// files.
func baseName(c *cli.Context) (string, error) {
	name := c.String("name")
	switch {
	case name == "" || name != filepath.Base(name) || strings.ContainsAny(name, `/\`) || name[0] == '.' || name[0] == '-' || name != printable(name):
		return "", usageErrorf("--name %q: it is the part of the file names before .crt, without a folder", name)
	case isCABase(name):
		return "", usageErrorf("--name %[1]s: %[2]s.crt and %[2]s.key are the CA's own files", name, strings.ToLower(name))
	}
	return name, nil
}

// isCABase is true for the names of the CA's files, in any case: on macOS and
// Windows CA.crt is ca.crt.
func isCABase(name string) bool {
	return strings.EqualFold(name, caBase) || strings.EqualFold(name, intermediateBase)
}

// networks parses --permit-ip and the like: "10.96.0.0/16", or one address.
func networks(flag string, texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	items, err := splitCommas(flag, texts)
	errs := []error{err}
	for _, text := range items {
		p, err := pki.ParseNetwork(text)
		if err != nil {
			errs = append(errs, usageErrorf("--%s %q: %w", flag, text, err))
		}
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

// splitCommas takes the values of a flag apart. An empty item is an error: what
// a shell variable was to hold, nobody knows.
func splitCommas(flag string, texts []string) ([]string, error) {
	var all []string
	for _, text := range texts {
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item == "" {
				return nil, usageErrorf("--%s %q: empty item between commas; is a shell variable unset?", flag, text)
			}
			all = append(all, item)
		}
	}
	return all, nil
}
