package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/pki"
)

// aboutDeployment is the category of the flags that say what is deployed.
const aboutDeployment = "Deployment"

// Targets of values.
const (
	forHelm         = "helm"
	forHelmSet      = "helm-set"
	forArc          = "arc"
	forEnv          = "env"
	forCertManager  = "cert-manager"
	forTrustManager = "trust-manager"
	forRegistry     = "connected-registry"
)

func valuesCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "values",
		Usage: "write the values that give a chart its certificate",
		Description: `# for any chart that takes tls.crt, tls.key and tls.cacrt
crpki values --for helm --from certs
# for the connected registry, by the modes of its guides
crpki values --for connected-registry --mode byoc --from certs --cluster-ip 10.96.0.50
# the same into a file that is there: comments and order stay
crpki values --for connected-registry --from certs --cluster-ip 10.96.0.50 --into my-values.yaml
# protected settings for az k8s-extension, and the --config that belong to them
crpki values --for arc --mode secret --secret registry-tls --cluster-ip 10.96.0.50
# what cert-manager needs to issue the certificate
crpki values --for cert-manager --cluster-ip 10.96.0.50 --name registry-tls

Each target is encoded as what reads it expects:

` + valuesTargets() + `
The modes of the connected registry, for helm, helm-set, arc and env too:

` + valuesModes() + `
What "crpki lint" calls an error is refused, unless --force is given. Values,
settings and files with a private key or a connection string are written for
their owner alone, and none of these ever stands in an argument.`,
		Flags: slices.Concat([]cli.Flag{
			choiceFlag(&cli.StringFlag{Name: "for", Usage: "write them for `TARGET`", Required: true}, forHelm, forHelmSet, forArc, forEnv, forCertManager, forTrustManager, forRegistry),
			choiceFlag(&cli.StringFlag{Name: "mode", Usage: "how the connected registry gets its certificate: `MODE` (told from what is given)"}, modeNames()...),
		}, deployedFlags(), []cli.Flag{
			registryFlag("secret", "`NAME` of the Secret in the namespace of the release that holds certificate, key and CA"),
			registryFlag("cluster-ip", "`ADDRESS` of the Service, which clients dial (service.clusterIP)"),
			registryFlag("login-server", "DNS `NAME` by which clients dial as well (registryLoginServer)"),
			&cli.StringFlag{Name: "connection-string-file", Usage: "take the connection string from `FILE` (- is standard input)", TakesFile: true, Category: aboutDeployment},
			registryFlag("connection-string-env", "take the connection string from the environment variable called `NAME`"),
			registryFlag("storage-class", "`NAME` of the storage class (pvc.storageClassName)"),
			registryFlag("storage-request", "`SIZE` of the volume: 250Gi (pvc.storageRequest)"),
			&cli.IntFlag{Name: "replicas", Usage: "`NUMBER` of replicas of the chart for high availability (registry.replicas); they get a random registry.uploadSecret", Category: aboutDeployment},
			&cli.StringSliceFlag{Name: "value", Usage: "another value, `KEY=VALUE`; what is behind the = is taken as it is", Category: aboutDeployment},
			registryFlag("under", "the values belong to the chart called `NAME` in one that has it as a part"),
			&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "`NAMESPACE` of the Helm release", Value: "connected-registry", Category: aboutDeployment},
		}, issuanceFlags(), []cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "write to `FILE`, for helm-set a folder (named after the target if not given); - is standard output", TakesFile: true, Category: aboutFiles},
			&cli.StringFlag{Name: "into", Usage: "change the values or settings in `FILE`, where comments and order stay, and keep a backup; - is standard input, to standard output", TakesFile: true, Category: aboutFiles},
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "write what lint calls an error, and replace existing files, of which a backup is kept", Category: aboutFiles},
			dryRunFlag(),
			outputFlag("text", "json", "yaml"),
		}),
		Action: e.values,
	}
}

func registryFlag(name, usage string) cli.Flag {
	return &cli.StringFlag{Name: name, Usage: usage, Category: aboutDeployment}
}

// valuesTargets is the table of targets for help.
func valuesTargets() string {
	return `  helm                nested values file: base64 of the PEM in one line
  helm-set            arguments for helm, quoted for the shell; what is secret
                      goes into files for --set-file
  arc                 protected settings of az k8s-extension: flat JSON
  env                 TLS_CRT, TLS_KEY, CA_CRT as the guides export them
  cert-manager        Issuer and Certificate manifests
  trust-manager       a Bundle, which gives pods the CA
  connected-registry  helm, with all that the mode needs
`
}

func valuesModes() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, m := range k8ssecret.Modes() {
		for i, line := range strings.Split(wrapWords(m.Summary, 62), "\n") {
			name := string(m.Mode)
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(t, "  %s\t%s\n", name, line)
		}
	}
	t.Flush()
	return b.String()
}

// wrapWords breaks text into lines of at most width characters.
func wrapWords(text string, width int) string {
	var b strings.Builder
	length := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case length == 0:
		case length+1+len(word) > width:
			b.WriteByte('\n')
			length = 0
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String()
}

func modeNames() (names []string) {
	for _, m := range k8ssecret.Modes() {
		names = append(names, string(m.Mode))
	}
	return names
}

// valuesOutcome is what values tells about what it made. No value is in it.
type valuesOutcome struct {
	Target string `json:"target"`
	Mode   string `json:"mode,omitempty"`
	DryRun bool   `json:"dryRun"`
	// Values are the keys that are set.
	Values []valueFacts `json:"values"`
	// Added, Changed and Dropped are the keys that another file had not, had
	// otherwise, and has no more.
	Added   []string `json:"added,omitempty"`
	Changed []string `json:"changed,omitempty"`
	Dropped []string `json:"dropped,omitempty"`
	// Arguments are those of helm or az, before the quoting for a shell.
	Arguments []string    `json:"arguments,omitempty"`
	Files     []fileFacts `json:"files"`
	Next      []string    `json:"next"`
}

type valueFacts struct {
	Key string `json:"key"`
	// Value is left out where it is secret, or base64.
	Value  any  `json:"value,omitempty"`
	Secret bool `json:"secret,omitempty"`
	Base64 bool `json:"base64,omitempty"`
}

// valuesRun is one run of values.
type valuesRun struct {
	*env
	c      *cli.Context
	target string
	plan   k8ssecret.Plan
	change k8ssecret.Change
	given  deployed
	o      valuesOutcome
}

func (e *env) values(c *cli.Context) error {
	r := &valuesRun{env: e, c: c, target: c.String("for")}
	var err error
	if r.given, err = e.deployed(c); err != nil {
		return err
	}
	switch r.target {
	case forCertManager:
		return r.certManager()
	case forTrustManager:
		return r.trustManager()
	}
	if err := r.readPlan(); err != nil {
		return err
	}
	if r.change, err = r.plan.Change(); err != nil {
		return withHint(usageErrorf("%w", err), "crpki values --help shows the modes")
	}
	r.under()
	r.o = valuesOutcome{Target: r.target, Mode: string(r.plan.Mode), DryRun: c.Bool("dry-run"), Values: factsOfValues(r.change.Set), Files: []fileFacts{}, Next: []string{}}
	if r.plan.Mode == k8ssecret.ModeHTTP {
		e.warnf("plain HTTP: whoever is on the network reads what is pulled, and can change it; clients have to be told to accept that")
	}
	switch r.target {
	case forHelmSet:
		return r.helmSet()
	case forArc:
		return r.arc()
	case forEnv:
		return r.variables()
	}
	return r.helm()
}

func factsOfValues(values []k8ssecret.Value) []valueFacts {
	facts := []valueFacts{}
	for _, v := range values {
		f := valueFacts{Key: v.Key(), Secret: v.Secret, Base64: v.Base64}
		if !v.Secret && !v.Base64 {
			f.Value = v.Value
		}
		facts = append(facts, f)
	}
	return facts
}

// readPlan takes the plan from the flags.
func (r *valuesRun) readPlan() error {
	c := r.c
	r.plan = k8ssecret.Plan{
		Crt: r.given.crt, Key: r.given.key, CA: r.given.ca, Secret: c.String("secret"),
		ClusterIP: c.String("cluster-ip"), StorageClass: c.String("storage-class"), StorageRequest: c.String("storage-request"),
		Replicas: c.Int("replicas"),
	}
	r.plan.Mode = r.mode()
	if name := c.String("login-server"); name != "" {
		n, _, err := pki.ParseNameAs(pki.DNS, name)
		if err != nil {
			return usageErrorf("--login-server: %w", err)
		}
		r.plan.LoginServer = n.Value
	}
	if r.plan.Mode == k8ssecret.ModeAny && !r.given.any() && r.plan.Secret == "" {
		return withHint(usageErrorf("values: no certificate is given"), "crpki values --for "+r.target+" --from certs")
	}
	if c.Int("replicas") > 0 {
		r.plan.UploadSecret = rand.Text()
	}
	for _, text := range r.untrimmed("value") {
		v, err := k8ssecret.ParseValue(text)
		if err != nil {
			return usageErrorf("--value: %w", err)
		}
		r.plan.More = append(r.plan.More, v)
	}
	var err error
	r.plan.ConnectionString, err = r.connectionString()
	return err
}

// untrimmed are the values of a flag as they were given: the library takes the
// blanks around them away.
func (r *valuesRun) untrimmed(flag string) (texts []string) {
	for _, f := range r.line.flags {
		if slices.Contains(namesOf(f.flag), flag) {
			texts = append(texts, f.value)
		}
	}
	return texts
}

// mode is --mode, or else what is given makes: the targets of the connected
// registry always have one.
func (r *valuesRun) mode() k8ssecret.Mode {
	mode := k8ssecret.Mode(r.c.String("mode"))
	switch {
	case mode != "" || r.target != forArc && r.target != forRegistry:
		return mode
	case r.given.any():
		return k8ssecret.ModeOwn
	case r.c.String("secret") != "":
		return k8ssecret.ModeSecret
	}
	return k8ssecret.ModeDefault
}

// connectionString is read from a file or a variable: every user of the machine
// sees arguments.
func (r *valuesRun) connectionString() (string, error) {
	file, name := r.c.String("connection-string-file"), r.c.String("connection-string-env")
	switch {
	case file != "" && name != "":
		return "", usageErrorf("--connection-string-file and --connection-string-env exclude each other")
	case file != "":
		data, err := r.readFor("--connection-string-file", file)
		if err != nil {
			return "", err
		}
		return checkedConnection(file, string(data))
	case name != "":
		if text := r.getenv(name); strings.TrimSpace(text) != "" {
			return checkedConnection("--connection-string-env", text)
		}
		return "", withHint(usageErrorf("--connection-string-env: that environment variable is not set, or is empty"),
			"give the name of an exported variable, not its value: --connection-string-env CONNECTION_STRING")
	}
	return "", nil
}

// checkedConnection refuses a connection string that is none, all at once.
func checkedConnection(source, text string) (string, error) {
	text = strings.TrimSpace(text)
	_, faults := k8ssecret.ReadConnectionString(text)
	if faults != nil {
		return "", withHint(usageErrorf("%s: %s", source, strings.ReplaceAll(strings.Join(faults, "; "), "; the connection string ", "; it ")),
			"az acr connected-registry get-settings prints it, with --query ACR_REGISTRY_CONNECTION_STRING --output tsv")
	}
	return text, nil
}

// under moves all values below the key of a chart that is part of another.
func (r *valuesRun) under() {
	name := r.c.String("under")
	if name == "" {
		return
	}
	for _, values := range [][]k8ssecret.Value{r.change.Set, r.change.Reset} {
		for i := range values {
			values[i].Path = append([]string{name}, values[i].Path...)
		}
	}
	for i := range r.change.Drop {
		r.change.Drop[i] = append([]string{name}, r.change.Drop[i]...)
	}
}

// helm writes a values file, or changes one.
func (r *valuesRun) helm() error {
	source, existing, err := r.existing()
	if err != nil {
		return err
	}
	merged, err := k8ssecret.MergeValues(source, existing, r.keepUploadSecret(source, existing))
	if err != nil {
		return usageErrorf("%w", err)
	}
	if err := r.judge(source, merged.After); err != nil {
		return err
	}
	out := r.destination(map[bool]string{true: "connected-registry-values.yaml", false: "tls-values.yaml"}[r.plan.Mode != k8ssecret.ModeAny])
	r.o.Next = r.nextHelm("-f " + shellQuote(out))
	data := merged.After
	if existing == nil && r.secretInside() {
		data = append([]byte("# Private: it holds what nobody else may have. Keep it out of Git.\n"), data...)
	}
	return r.deliver(merged, artifact{File: pki.File{Path: out, Mode: pki.ModePrivate, Data: data}, what: "values for helm -f"})
}

// keepUploadSecret leaves the secret that replicas have already.
func (r *valuesRun) keepUploadSecret(source string, existing []byte) k8ssecret.Change {
	c := r.change
	key := "registry.uploadSecret"
	if under := r.c.String("under"); under != "" {
		key = under + "." + key
	}
	if existing != nil && k8ssecret.HasValue(existing, key) {
		c.Set = slices.DeleteFunc(slices.Clone(c.Set), func(v k8ssecret.Value) bool { return v.Key() == key })
	}
	return c
}

// arc writes the protected settings, and tells the arguments beside them.
func (r *valuesRun) arc() error {
	if r.plan.Replicas > 0 || r.c.String("under") != "" {
		return usageErrorf("--replicas and --under are for Helm charts: the extension has neither")
	}
	source, existing, err := r.existing()
	if err != nil {
		return err
	}
	args, settings := k8ssecret.AzureConfig(r.change.Set)
	change := r.change
	change.Set = settings
	merged, err := k8ssecret.MergeSettings(source, existing, change)
	if err != nil {
		return usageErrorf("%w", err)
	}
	if err := r.judgeAll(); err != nil {
		return err
	}
	if existing != nil {
		if err := r.judge(source, merged.After); err != nil {
			return err
		}
	}
	out := r.destination("protected-settings-extension.json")
	words := []string{}
	for _, a := range args {
		r.o.Arguments = append(r.o.Arguments, a.Flag, a.Word)
		words = append(words, a.Flag+" "+shellQuote(a.Word))
	}
	r.o.Arguments = append(r.o.Arguments, "--config-protected-file", out)
	config := strings.Join(append(words, ""), " ")
	checked := strings.ReplaceAll(config, "--config ", "--az-config ")
	r.o.Next = append(r.nextSecret(),
		"crpki preflight "+checked+shellQuote(out),
		"az k8s-extension create --cluster-name CLUSTER --resource-group GROUP --name connected-registry "+
			"--cluster-type connectedClusters --extension-type Microsoft.ContainerRegistry.ConnectedRegistry "+
			config+"--config-protected-file "+shellQuote(out))
	return r.deliver(merged, artifact{File: pki.File{Path: out, Mode: pki.ModePrivate, Data: merged.After}, what: "settings for az k8s-extension --config-protected-file"})
}

// helmSet writes the files for --set-file and prints the arguments.
func (r *valuesRun) helmSet() error {
	if r.c.String("into") != "" {
		return usageErrorf("--into changes a file of values or settings, and --for helm-set makes arguments")
	}
	if err := r.judgeAll(); err != nil {
		return err
	}
	dir := cmp.Or(r.c.String("out"), "helm-set")
	if dir == "-" {
		return usageErrorf("--out -: what is secret needs a folder for its files, for all users of the machine see arguments")
	}
	var files []artifact
	words := []string{}
	for _, a := range k8ssecret.HelmSet(r.change.Set, dir) {
		if a.File != nil {
			files = append(files, artifact{File: *a.File, what: "value for helm --set-file"})
		}
		r.o.Arguments = append(r.o.Arguments, a.Flag, a.Word)
		words = append(words, a.Flag, shellQuote(a.Word))
	}
	var err error
	if r.o.Files, err = r.writeFiles(r.c, files); err != nil {
		return err
	}
	for _, f := range r.o.Files {
		if !r.o.DryRun && !f.Unchanged {
			r.notef("wrote %s", f.Path)
		}
	}
	r.o.Next = r.nextHelm(strings.Join(words, " "))
	return r.print(r.c, r.o, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, strings.Join(words, " "))
		return err
	})
}

// variables writes the exports for a shell.
func (r *valuesRun) variables() error {
	if r.c.String("into") != "" {
		return usageErrorf("--into changes a file of values or settings, and --for env makes one for a shell")
	}
	if err := r.judgeAll(); err != nil {
		return err
	}
	script, left := k8ssecret.Env(r.change.Set)
	if len(left) > 0 {
		r.notef("the guides have no variable for %s: set it in the command", strings.Join(left, ", "))
	}
	out := r.destination("tls.env")
	r.o.Next = []string{". " + shellQuote(sourced(out))}
	return r.deliver(k8ssecret.Merged{}, artifact{File: pki.File{Path: out, Mode: pki.ModePrivate, Data: script}, what: "variables for a shell"})
}

// sourced is a path that "." finds in this folder and not by PATH.
func sourced(path string) string {
	if strings.Contains(path, "/") {
		return path
	}
	return "./" + path
}

// existing gives the file that --into names, nil when a new one is made.
func (r *valuesRun) existing() (source string, data []byte, err error) {
	into := r.c.String("into")
	if into == "" {
		return "values", nil, nil
	}
	if r.c.String("out") != "" {
		return "", nil, usageErrorf("--into and --out exclude each other")
	}
	data, err = r.readFor("--into", into)
	return into, data, err
}

// destination is where the result goes.
func (r *valuesRun) destination(fallback string) string {
	return cmp.Or(r.c.String("into"), r.c.String("out"), fallback)
}

func (r *valuesRun) secretInside() bool {
	return slices.ContainsFunc(r.change.Set, func(v k8ssecret.Value) bool { return v.Secret })
}

// deliver writes the one file, or standard output, and tells about it.
func (r *valuesRun) deliver(merged k8ssecret.Merged, file artifact) error {
	if r.c.Context.Err() != nil {
		return errInterrupted
	}
	for _, key := range merged.Dropped {
		r.notef("%s: %s is taken out, for the mode %s has no use for it", file.Path, key, r.plan.Mode)
	}
	if file.Path == "-" {
		if r.c.String("output") != "text" {
			return usageErrorf("--output %s and the file on standard output exclude each other: give --out FILE", r.c.String("output"))
		}
		return r.deliverPEM([]artifact{file})
	}
	r.o.DryRun = r.c.Bool("dry-run")
	var err error
	if into := r.c.String("into"); into != "" {
		r.o.Added, r.o.Changed, r.o.Dropped = merged.Added, merged.Changed, merged.Dropped
		r.o.Files, err = r.rewrite(file)
	} else {
		r.o.Files, err = r.writeFiles(r.c, []artifact{file})
	}
	if err != nil {
		return err
	}
	return r.print(r.c, r.o, r.o.text)
}

// rewrite writes a file that is there. What now holds a private key is for its
// owner alone.
func (r *valuesRun) rewrite(file artifact) ([]fileFacts, error) {
	result, err := r.emit([]pki.File{file.File}, emit.Options{Force: true, DryRun: r.c.Bool("dry-run"), Now: r.now})
	if err != nil {
		return nil, placeHint(err)
	}
	for _, path := range result.Narrowed {
		r.warnf("%s could be read by more users before: it is %04o now", path, pki.ModePrivate)
	}
	return []fileFacts{{Path: file.Path, What: file.what, Backup: result.Backups[file.Path], Unchanged: slices.Contains(result.Unchanged, file.Path)}}, nil
}

// nextHelm are the commands that go on from values.
func (r *valuesRun) nextHelm(args string) []string {
	if r.plan.Mode == k8ssecret.ModeAny {
		return []string{"helm upgrade --install RELEASE CHART " + args}
	}
	chart := "oci://mcr.microsoft.com/acr/connected-registry/chart"
	if r.plan.Replicas > 0 {
		chart = "oci://mcr.microsoft.com/acr/connected-registry-ha/chart"
	}
	next := r.nextSecret()
	if file, ok := strings.CutPrefix(args, "-f "); ok {
		next = append(next, "crpki preflight "+file)
	}
	return append(next, fmt.Sprintf("helm upgrade --install connected-registry %s --namespace %s --create-namespace %s", chart, shellQuote(r.c.String("namespace")), args))
}

// nextSecret makes the Secret before the chart that reads it.
func (r *valuesRun) nextSecret() []string {
	if r.plan.Secret == "" {
		return nil
	}
	return []string{fmt.Sprintf("crpki secret %s --from certs --namespace %s --create-namespace --apply", shellQuote(r.plan.Secret), shellQuote(r.c.String("namespace")))}
}

// text is the outcome for people.
func (o valuesOutcome) text(w io.Writer) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	title := "Values for " + o.Target
	if o.Mode != "" {
		title += ", mode " + o.Mode
	}
	fmt.Fprintln(t, title)
	for _, v := range o.Values {
		shown := printable(fmt.Sprint(v.Value))
		switch {
		case v.Secret:
			shown = "(secret)"
		case v.Base64:
			shown = "(base64 of the PEM)"
		}
		fmt.Fprintf(t, "  %s\t%s\n", printable(v.Key), shown)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	return outcome{Files: o.Files, Next: o.Next, DryRun: o.DryRun}.text(w)
}
