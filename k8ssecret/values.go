package k8ssecret

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
)

// valuesReader judges the values of the connected registry's chart, whatever
// form they come in.
type valuesReader struct {
	*reader
	unit Unit
	root *tree.Node
	// prefix is the path of root: the chart's name in the values of a parent.
	prefix string
	// dotted: the keys are flat and hold dots, as in settings and behind --config.
	dotted bool
	// texts: every value is a string, booleans too, as in settings.
	texts bool
	// partial: a file that we do not see may add values.
	partial bool
	// command: the values are all that a command gives, so that what is missing
	// is missing.
	command bool
	parts   []part
}

// valuesFile reads Helm values.
func (r *reader) valuesFile() {
	for _, d := range tree.Read(r.src) {
		if d.Err != nil {
			if text := r.src.Text[d.Start:d.End]; hasTemplate(text) {
				r.template(d.Start, "a template of values (helmfile, Jinja): lint what comes out")
			} else {
				r.broken(d.Err)
			}
			continue
		}
		r.values(d.Root)
	}
}

// values judges root, or the chart's part of it. Values of another chart give
// no unit, save for certificates in them.
func (r *reader) values(root *tree.Node) {
	if root.Kind != tree.Map {
		return
	}
	v := &valuesReader{reader: r, root: root, partial: r.elided}
	if !v.ours() {
		for _, p := range root.Pairs {
			below := &valuesReader{reader: r, root: p.Value, prefix: p.Key, partial: r.elided}
			if p.Value.Kind == tree.Map && (below.ours() || p.Key == "connected-registry") {
				v = below
				break
			}
		}
	}
	v.unit = r.unit(KindHelmValues, v.root.Start)
	if v.ours() || v.prefix != "" {
		v.judge()
		r.units = append(r.units, v.unit)
		return
	}
	v.other()
}

// chartKeys are the values that the chart knows (registry-k8s.md 1.2).
var chartKeys = [...]string{
	"connectionString", "service.clusterIP", "registryLoginServer", "pvc.storageClassName", "pvc.storageRequest",
	"cert-manager.enabled", "cert-manager.install", "trustDistribution.enabled", "trustDistribution.useNodeSelector",
	"trustDistribution.skipNodeSelector", "httpEnabled", "tls.crt", "tls.key", "tls.cacrt", "tls.secret",
	"registry.replicas", "registry.uploadSecret",
}

// switches are those of them that are booleans.
var switches = [...]string{"cert-manager.enabled", "cert-manager.install", "trustDistribution.enabled", "trustDistribution.useNodeSelector", "trustDistribution.skipNodeSelector", "httpEnabled"}

// ours reports whether these are values of the connected registry's chart: one
// key that no other chart has, or nothing but keys that this one has.
func (v *valuesReader) ours() bool {
	if v.root.Kind != tree.Map {
		return false
	}
	if v.unmistakable() {
		return true
	}
	known := 0
	for _, p := range v.root.Pairs {
		switch {
		case isChartKey(p.Key):
			known++
		case p.Value.Kind == tree.Map && chartParent(p.Key):
			for _, q := range p.Value.Pairs {
				if !isChartKey(p.Key + "." + q.Key) {
					return false
				}
				known++
			}
		default:
			return false
		}
	}
	if ip := v.get("service.clusterIP"); known == 1 && ip != nil && (ip.Text == "" || ip.Text == "None") {
		return false // any chart's
	}
	return known > 0
}

// unmistakable reports whether there is a value that no other chart has.
func (v *valuesReader) unmistakable() bool {
	for _, key := range []string{"tls.cacrt", "trustDistribution.enabled", "trustDistribution.useNodeSelector", "trustDistribution.skipNodeSelector", "registry.uploadSecret"} {
		if v.get(key) != nil {
			return true
		}
	}
	return strings.HasPrefix(v.get("connectionString").Scalar(), "ConnectedRegistryName=")
}

func chartParent(key string) bool {
	return slices.ContainsFunc(chartKeys[:], func(k string) bool { return strings.HasPrefix(k, key+".") })
}

// get gives the value at path, written nested or flat.
func (v *valuesReader) get(path string) *tree.Node {
	if v.root == nil {
		return nil
	}
	nested, flat := v.root.At(strings.Split(path, ".")...), v.root.Get(path)
	if v.dotted && flat != nil || nested == nil {
		return flat
	}
	return nested
}

func (v *valuesReader) path(key string) string { return join(v.prefix, key) }

// warn notes something about the value of key, or about all when it is not there.
func (v *valuesReader) warn(rule, key, format string, args ...any) {
	offset := v.root.Start
	if n := v.get(key); n != nil {
		offset = n.Start
	}
	v.note(&v.unit, rule, v.path(key), offset, format, args...)
}

// fix gives the last note the command that mends it.
func (v *valuesReader) fix(command string) {
	if n := len(v.unit.Material.Notes); n > 0 && n < maxNotes {
		v.unit.Material.Notes[n-1].Fix = command
	}
}

func (v *valuesReader) judge() {
	v.duplicates(&v.unit, v.root, v.prefix)
	v.duplicates(&v.unit, v.root.Get("tls"), v.path("tls"))
	v.keys()
	v.booleans()
	v.certificates()
	v.clusterIP()
	v.combinations()
	v.expectations()
}

// other takes certificates out of the values of charts that we do not know,
// which may want PEM or base64.
func (v *valuesReader) other() {
	for _, key := range []string{"crt", "cert", "certificate", "key", "ca", "cacrt", "caCert", "caCertificate"} {
		if n := v.root.At("tls", key); n != nil {
			path := join("tls", key)
			v.parts = append(v.parts, v.read(&v.unit, field{path: path, name: "tls." + key, node: n, enc: asEither, role: roleOf(key)}))
		}
	}
	if slices.ContainsFunc(v.parts, part.found) {
		v.units = append(v.units, assemble(v.unit, v.parts)...)
	}
}

// keys notes keys of the wrong shape, and misspelt ones.
func (v *valuesReader) keys() {
	for _, p := range v.root.Pairs {
		isChart := isChartKey(p.Key)
		switch {
		case v.dotted && p.Value.Kind == tree.Map && chartParent(p.Key):
			v.note(&v.unit, NoteSettingsNested, v.path(p.Key), p.KeyNode.Start, "%q holds an object, and settings are flat: write %q", p.Key, p.Key+"."+firstKey(p.Value))
		case !v.dotted && isChart && strings.Contains(p.Key, "."):
			parent, child, _ := strings.Cut(p.Key, ".")
			v.note(&v.unit, NoteValuesFlatKey, v.path(p.Key), p.KeyNode.Start, "the key %q holds a dot, and the chart looks for %s below %s: nest it", p.Key, child, parent)
		}
	}
	tls := v.root.Get("tls")
	if tls == nil {
		for _, p := range v.root.Pairs {
			if below, ok := strings.CutPrefix(p.Key, "tls."); ok {
				v.misnamed(below, p)
			}
		}
		return
	}
	for _, p := range tls.Pairs {
		v.misnamed(p.Key, p)
	}
}

func firstKey(n *tree.Node) string {
	if len(n.Pairs) == 0 {
		return "…"
	}
	return pki.Printable(n.Pairs[0].Key)
}

// misnamed notes a key below tls that was meant to be another.
func (v *valuesReader) misnamed(key string, p tree.Pair) {
	meant := ""
	switch strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(key)) {
	case "crt", "cert", "certificate", "tlscrt":
		meant = "crt"
	case "key", "privatekey", "tlskey":
		meant = "key"
	case "ca", "cacrt", "cacert", "cacertificate":
		meant = "cacrt"
	case "secret", "secretname", "existingsecret":
		meant = "secret"
	}
	if meant != "" && meant != key {
		v.note(&v.unit, NoteValuesKeyTypo, v.path("tls."+key), p.KeyNode.Start, "the chart does not know tls.%s: tls.%s is meant", pki.Printable(key), meant)
	}
}

// booleans notes "false" in quotes, which a template takes for true.
func (v *valuesReader) booleans() {
	for _, key := range switches {
		n := v.get(key)
		if n == nil || v.texts || n.Kind != tree.String || isPlaceholder(n.Text) {
			continue
		}
		v.warn(NoteValuesBoolString, key, "%s is the string %q and no boolean: a template takes every string for true, this one too; write it without quotes", key, pki.Printable(n.Text))
		v.fix("helm upgrade --install connected-registry … --set " + key + "=" + boolean(n.Text))
	}
}

// boolean is what a switch in quotes was meant to say.
func boolean(text string) string {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "yes", "on", "1":
		return "true"
	}
	return "false"
}

// state is what a switch says.
type state uint8

const (
	unset state = iota
	on
	off
	open // something else is to fill it in
)

// state reads a switch.
func (v *valuesReader) state(key string) state {
	n := v.get(key)
	if n == nil || n.Kind == tree.Null {
		if v.partial {
			return open
		}
		return unset
	}
	switch strings.ToLower(strings.TrimSpace(n.Text)) {
	case "true", "yes", "on":
		return on
	case "false", "no", "off":
		return off
	}
	return open
}

// given reports whether a value is there; sure is false when a file that we do
// not see may give it.
func (v *valuesReader) given(key string) (given, sure bool) {
	n := v.get(key)
	there := n != nil && n.Kind != tree.Null && (n.Kind != tree.String || n.Text != "")
	return there, there || !v.partial
}

func (v *valuesReader) certificates() {
	for _, f := range []struct {
		key  string
		role role
	}{{"tls.crt", certRole}, {"tls.key", keyRole}, {"tls.cacrt", anchorRole}} {
		if n := v.get(f.key); n != nil {
			v.parts = append(v.parts, v.read(&v.unit, field{path: v.path(f.key), name: f.key, node: n, enc: asOneLine, role: f.role, known: true}))
		}
	}
	var crt, ca *part
	for i := range v.parts {
		switch v.parts[i].name {
		case "tls.crt":
			crt = &v.parts[i]
		case "tls.cacrt":
			ca = &v.parts[i]
		}
	}
	if crt != nil && ca != nil {
		v.sameVariable(&v.unit, ca.field, crt.field)
	}
	unit := assemble(v.unit, v.parts)
	v.unit = unit[len(unit)-1]
}

// clusterIP judges service.clusterIP, the address that clients dial.
func (v *valuesReader) clusterIP() {
	const key = "service.clusterIP"
	n := v.get(key)
	if n == nil || n.Kind == tree.Null {
		if v.command && !v.partial {
			v.warn(NoteValuesClusterIPMissing, key, "%s is not set: it is the address that clients dial and that the certificate has to name", key)
		}
		return
	}
	text := strings.TrimSpace(n.Text)
	if isPlaceholder(text) || v.quiet && text == "" { // =<address> of an example
		return
	}
	if addr, err := netip.ParseAddr(text); err != nil || addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() || addr.Zone() != "" {
		v.warn(NoteValuesClusterIPInvalid, key, "%s %q is no address that a Service can have: it takes one free IP address of the cluster's Service range", key, pki.Printable(text))
	}
}

// combinations judges what the values say together.
func (v *valuesReader) combinations() {
	enabled, install := v.state("cert-manager.enabled"), v.state("cert-manager.install")
	http, trust := v.state("httpEnabled"), v.state("trustDistribution.enabled")
	crt, crtSure := v.given("tls.crt")
	key, keySure := v.given("tls.key")
	secret, secretSure := v.given("tls.secret")
	_, caSure := v.given("tls.cacrt")
	ca, _ := v.given("tls.cacrt")
	nothing := !crt && !key && !secret && crtSure && keySure && secretSure

	if enabled == off && (install == on || install == unset) {
		v.warn(NoteValuesCertManager, "cert-manager.enabled", "cert-manager.enabled is false and cert-manager.install is %s: the chart refuses that; set both to false", orDefault(install))
	}
	if secret && (crt || key) {
		v.warn(NoteValuesSecretAndCert, "tls.secret", "tls.secret and tls.%s are both set: give one of them", map[bool]string{true: "crt", false: "key"}[crt])
	}
	switch {
	case crt && !key && keySure && !secret:
		v.warn(NoteValuesHalf, "tls.crt", "tls.crt is set and tls.key is not")
	case key && !crt && crtSure && !secret:
		v.warn(NoteValuesHalf, "tls.key", "tls.key is set and tls.crt is not")
	case crt && key && !ca && caSure && !v.texts:
		v.warn(NoteValuesCAMissing, "tls.crt", "tls.crt and tls.key are set and tls.cacrt is not: clients need the CA to trust the certificate by")
	}
	if enabled == off && http != on && http != open && nothing {
		v.warn(NoteValuesNoTLS, "cert-manager.enabled", "cert-manager.enabled is false, and neither tls.secret nor tls.crt with tls.key is set: the registry has no certificate")
	}
	if (crt || secret) && (enabled == on || enabled == unset && !v.texts) {
		v.warn(NoteValuesOwnAndIssued, firstOf(secret, "tls.secret", "tls.crt"), "%s is set and cert-manager.enabled is %s: for a certificate of one's own set cert-manager.enabled and cert-manager.install to false", firstOf(secret, "tls.secret", "tls.crt"), orDefault(enabled))
	}
	if http == on {
		v.http(enabled, install, trust)
	}
	if trust == off && http != on && http != open && (enabled == on || enabled == unset) && nothing {
		v.warn(NoteValuesTrust, "trustDistribution.enabled", "trustDistribution.enabled is false without a certificate of one's own: no node trusts what cert-manager issues; give tls.secret, or tls.crt and tls.key")
	}
}

// http judges plain HTTP beside what is for TLS.
func (v *valuesReader) http(enabled, install, trust state) {
	var wrong []string
	for _, s := range []struct {
		state state
		key   string
	}{{enabled, "cert-manager.enabled"}, {install, "cert-manager.install"}, {trust, "trustDistribution.enabled"}} {
		if s.state == on || s.state == unset {
			wrong = append(wrong, s.key)
		}
	}
	if len(wrong) > 0 {
		v.warn(NoteValuesHTTP, "httpEnabled", "httpEnabled is true, and %s not false: plain HTTP goes without them", list(wrong)+map[bool]string{true: " is", false: " are"}[len(wrong) == 1])
	}
}

func orDefault(s state) string {
	if s == unset {
		return "left at true, its default"
	}
	return "true"
}

func firstOf(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// expectations are the names that the certificate has to have.
func (v *valuesReader) expectations() {
	if v.state("httpEnabled") == on || v.quiet && !v.owns() {
		return
	}
	v.host(&v.unit, pki.IP, v.get("service.clusterIP"), "service.clusterIP")
	v.host(&v.unit, pki.DNS, v.get("registryLoginServer"), "registryLoginServer")
	for _, key := range []string{"registry.replicas", "registry.uploadSecret"} {
		if n := v.get(key); n != nil { // only the chart for high availability has them
			v.unit.Hosts = append(v.unit.Hosts, Host{
				Name: pki.Name{Kind: pki.DNS, Value: "connected-registry-rstorage.connected-registry." + clusterDomain},
				From: key + " (the services of the high-availability chart)", Origin: v.origin(v.path(key), n.Start),
			})
			return
		}
	}
}

// owns reports whether the values may bring a certificate of their own: of one
// that cert-manager issues nobody else writes the names.
func (v *valuesReader) owns() bool {
	return v.partial || slices.ContainsFunc([]string{"tls.crt", "tls.key", "tls.cacrt", "tls.secret"}, func(key string) bool { return v.get(key) != nil })
}

// settingsFile reads the protected settings of an Azure extension: one flat
// JSON object whose values are strings.
func (r *reader) settingsFile() {
	docs := tree.Read(r.src)
	if len(docs) == 0 {
		return
	}
	v := &valuesReader{reader: r, dotted: true, texts: true, partial: true}
	v.unit = r.unit(KindAzureSettings, docs[0].Start)
	if v.root = docs[0].Root; docs[0].Err != nil || v.root.Kind != tree.Map {
		r.brokenJSON(v, docs[0])
		return
	}
	v.strings()
	v.judge()
	r.units = append(r.units, v.unit)
}

// brokenJSON keeps the error of settings that cannot be read at all, or says
// why when the reason is one that we know.
func (r *reader) brokenJSON(v *valuesReader, d tree.Document) {
	if q := typographicQuote(r.src.Text); q != "" {
		r.note(&v.unit, NoteTypographicQuotes, "", strings.Index(r.src.Text, q), "the quotation mark %s is a typographic one, which JSON does not know: type a plain \"", q)
		r.units = append(r.units, v.unit)
		return
	}
	if d.Err == nil {
		d.Err = fmt.Errorf("not a JSON object: settings are {\"name\": \"value\", …}")
	}
	r.broken(d.Err)
}

// strings notes values that are no strings between plain quotation marks.
func (v *valuesReader) strings() {
	faults := len(v.unit.Material.Notes)
	for _, p := range v.root.Pairs {
		v.jsonText(p.Key, p.KeyNode)
		if p.Value.Kind != tree.Map && p.Value.Kind != tree.List {
			v.jsonText(p.Key, p.Value)
		}
	}
	if len(v.unit.Material.Notes) > faults || v.root.Style != tree.Flow {
		return
	}
	if at, why := strictJSON(v.src.Text); why != "" {
		v.note(&v.unit, NoteJSONInvalid, "", at, "not JSON: %s", why)
	}
}

// jsonText notes how a key or value is written against JSON and against the
// extension's rule that every value is a string.
func (v *valuesReader) jsonText(key string, n *tree.Node) {
	path := v.path(pki.Printable(key))
	switch {
	case n.Style != tree.Plain:
		return
	case typographicQuote(n.Text) != "":
		v.note(&v.unit, NoteTypographicQuotes, path, n.Start, "the quotation marks around it are typographic ones, which JSON does not know: type plain \"")
	case strings.HasPrefix(n.Text, "$"):
		v.note(&v.unit, NoteJSONVariable, path, n.Start, "the variable %s stands without quotation marks, so that what comes out is no JSON", pki.Printable(n.Text))
	case n.Kind == tree.Number, n.Kind == tree.Bool, n.Kind == tree.Null:
		v.note(&v.unit, NoteSettingsNotString, path, n.Start, "%s is %s, and every setting is a string: put it between quotation marks", path, n.Kind)
	}
}
