package k8ssecret

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
)

// typeTLS is the type of Secrets that hold a server's certificate and key.
const typeTLS = "kubernetes.io/tls"

// maxSecret bounds the sum of a Secret's decoded values, in bytes
// and those of a ConfigMap (MaxSecretSize, k8s.io/kubernetes pkg/apis/core).
const maxSecret = 1 << 20

// secretReader reads one Secret.
type secretReader struct {
	*reader
	unit   Unit
	n      *tree.Node
	meta   meta
	prefix string
	typ    string
	parts  []part
	// ofCA: an issuer signs with what is in it.
	ofCA bool
}

// isOfCA reports whether the Secret is that of an issuer in the same source, or
// has the fields of Istio's (cacerts).
func (s *secretReader) isOfCA() bool {
	if s.meta.name != "" && slices.Contains(s.issuers, s.meta.name) {
		return true
	}
	has := func(key string) bool {
		return s.n.At("data", key) != nil || s.n.At("stringData", key) != nil
	}
	return has("ca-cert.pem") && has("ca-key.pem")
}

// secret reads a Secret. One without certificates and keys, and without the
// fields or the type that promise some, gives no unit.
func (r *reader) secret(n *tree.Node, prefix string) {
	s := &secretReader{reader: r, n: n, meta: readMeta(n), prefix: prefix, typ: n.Get("type").Scalar()}
	s.unit = r.unit(KindSecret, head(n))
	s.unit.Name, s.unit.Namespace = s.meta.name, s.meta.namespace
	s.unit.Target = r.target("Secret", s.meta)
	s.ofCA = s.isOfCA()
	s.values("data", asBase64)
	s.values("stringData", asPEM)
	if !s.ours() {
		return
	}
	s.typeOf()
	s.keys()
	s.namespace()
	s.size()
	s.repeated()
	s.swapped()
	s.sameCA()
	s.units = append(s.units, assemble(s.unit, s.parts)...)
	last := &s.units[len(s.units)-1]
	if ns := s.meta.node.Get("namespace"); ns != nil {
		path := join(s.prefix, "metadata.namespace")
		s.clusterHosts(last, s.meta.namespace, s.origin(path, ns.Start))
	}
	s.missingCA(last)
	s.fixes(last)
}

// fixes gives the notes that a Secret made anew mends the command for it.
func (s *secretReader) fixes(u *Unit) {
	fix := makeSecret(s.meta.name, s.meta.namespace)
	for i := range u.Material.Notes {
		switch n := &u.Material.Notes[i]; n.Rule {
		case NoteSecretKeyMissing, NoteSecretCAMissing, NoteSecretValueEmpty, NoteSecretSwapped, NoteValueUnreadable, NoteCAIsTLS:
			n.Fix = fix
		}
	}
}

// makeSecret is the command that makes a Secret, "" when its name or namespace
// is to be filled in.
func makeSecret(name, namespace string) string {
	if !isConfigKey(name) || strings.HasPrefix(name, "-") || strings.HasPrefix(namespace, "-") || namespace != "" && !isConfigKey(namespace) {
		return ""
	}
	fix := "kubectl create secret generic " + name + " --type=" + typeTLS + " --from-file=tls.crt --from-file=tls.key --from-file=ca.crt"
	if namespace != "" {
		fix += " -n " + namespace
	}
	return fix + " --dry-run=client -o yaml"
}

// ours reports whether the Secret is one of certificates.
func (s *secretReader) ours() bool {
	if s.typ == typeTLS || s.meta.node.Get("type").Scalar() == typeTLS {
		return true
	}
	if s.typ == "" && s.part("tls.crt") != nil && s.part("tls.key") != nil {
		return true
	}
	return slices.ContainsFunc(s.parts, func(p part) bool { return p.found() || p.known && p.node.Kind != tree.Null && p.node.Text != "" })
}

// values reads the fields of data or stringData.
func (s *secretReader) values(section string, enc encoding) {
	n := s.n.Get(section)
	path := join(s.prefix, section)
	s.duplicates(&s.unit, n, path)
	if n == nil || n.Kind != tree.Map {
		return
	}
	seen := map[string]bool{}
	for i := len(n.Pairs) - 1; i >= 0; i-- { // the last of two counts
		p := n.Pairs[i]
		if seen[p.Key] {
			continue
		}
		seen[p.Key] = true
		f := field{path: join(path, p.Key), name: p.Key, node: p.Value, enc: enc, role: roleOf(p.Key)}
		if s.ofCA && f.role == certRole {
			f.role = anchorRole
		}
		f.known = p.Key == "tls.crt" || p.Key == "tls.key" || p.Key == "ca.crt"
		s.parts = append(s.parts, s.read(&s.unit, f))
		if !isConfigKey(p.Key) {
			s.note(&s.unit, NoteSecretKeyInvalid, f.path, p.KeyNode.Start, "the key %q: only letters, digits, -, _ and . are allowed, at most 253", pki.Printable(p.Key))
		}
	}
	slices.SortStableFunc(s.parts, func(a, b part) int { return a.node.Start - b.node.Start })
}

// isConfigKey is IsConfigMapKey of k8s.io/apimachinery, which Secrets obey too.
func isConfigKey(key string) bool {
	if key == "" || len(key) > 253 || key == "." || strings.HasPrefix(key, "..") {
		return false
	}
	return strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == ""
}

// part gives the field of that name, from stringData before data as the API
// server does.
func (s *secretReader) part(name string) *part {
	for i := len(s.parts) - 1; i >= 0; i-- {
		if s.parts[i].name == name {
			return &s.parts[i]
		}
	}
	return nil
}

// typeOf judges the Secret's type.
func (s *secretReader) typeOf() {
	if p := s.meta.node.Pair("type"); p != nil {
		s.note(&s.unit, NoteSecretTypeMisplaced, join(s.prefix, "metadata.type"), p.KeyNode.Start,
			"type stands under metadata, where kubectl refuses it (unknown field %q) and older ones make an Opaque Secret: move it to the margin, beside kind", "metadata.type")
		return
	}
	pair := s.part("tls.crt") != nil && s.part("tls.key") != nil
	p := s.n.Pair("type")
	switch {
	case p == nil && pair:
		s.note(&s.unit, NoteSecretTypeMissing, join(s.prefix, "type"), head(s.n), "the Secret has tls.crt and tls.key but no type, and becomes Opaque: say type: %s", typeTLS)
	case p == nil || s.typ == typeTLS:
	case isNearTLS(s.typ):
		s.note(&s.unit, NoteSecretTypeWrong, join(s.prefix, "type"), p.Value.Start, "the type %q is none that Kubernetes knows: %s is meant", pki.Printable(s.typ), typeTLS)
	case pair && s.typ == "Opaque":
		s.note(&s.unit, NoteSecretTypeWrong, join(s.prefix, "type"), p.Value.Start, "the Secret holds tls.crt and tls.key and is Opaque, not %s: nobody checks that both are there", typeTLS)
	}
}

// isNearTLS tells what people write for kubernetes.io/tls.
func isNearTLS(typ string) bool {
	low := strings.ToLower(strings.TrimSpace(typ))
	switch low {
	case "tls", "kubernetes/tls", "kubernetes.io/ssl", "kubernetes.io.tls", "k8s.io/tls", typeTLS:
		return true
	}
	return distance(low, typeTLS) <= 2
}

// keys notes fields that the type asks for and that are not there.
func (s *secretReader) keys() {
	pair := s.part("tls.crt") != nil && s.part("tls.key") != nil
	if s.typ != typeTLS && s.meta.node.Get("type").Scalar() != typeTLS && !pair {
		return
	}
	for _, name := range []string{"tls.crt", "tls.key"} {
		p := s.part(name)
		switch {
		case p == nil:
			s.note(&s.unit, NoteSecretKeyMissing, join(s.prefix, "data"), head(s.n), "a Secret of type %s must have %s%s", typeTLS, name, s.similar(name))
		case !p.open && p.node.Kind <= tree.String && strings.TrimSpace(p.node.Text) == "" && !s.quiet:
			s.note(&s.unit, NoteSecretValueEmpty, p.path, p.node.Start, "%s is empty: the API server takes it, and no server can start with it", name)
		}
	}
}

// similar points to a field that was likely meant to be called name.
func (s *secretReader) similar(name string) string {
	want := roleOf(name)
	for _, p := range s.parts {
		if p.known || p.role != want && !(p.found() && roleOfMaterial(p.Material) == want) {
			continue
		}
		return fmt.Sprintf("; there is %q, which has to be called %s", pki.Printable(p.name), name)
	}
	return ""
}

// namespace notes that a Secret with a server's key says no namespace.
func (s *secretReader) namespace() {
	if s.meta.namespace != "" || s.part("tls.key") == nil || s.quiet {
		return
	}
	at := head(s.n)
	if p := s.n.Pair("metadata"); p != nil {
		at = p.KeyNode.Start
	}
	s.note(&s.unit, NoteSecretNamespaceMissing, join(s.prefix, "metadata.namespace"), at, "the Secret says no namespace: it lands in the current one of whoever applies it, and pods see only Secrets of their own")
}

// size notes values that are too large together.
func (s *secretReader) size() {
	if sum := sizeOf(s.parts); sum > maxSecret {
		s.note(&s.unit, NoteSecretTooLarge, join(s.prefix, "data"), head(s.n), "the values have %d bytes together; a Secret holds at most %d", sum, maxSecret)
	}
}

// sizeOf sums the decoded values up, in bytes.
func sizeOf(parts []part) (sum int) {
	for _, p := range parts {
		n := len(p.node.Text)
		if p.enc == asBase64 {
			n = (n - strings.Count(p.node.Text, "\n") - strings.Count(p.node.Text[max(0, n-2):], "=")) * 3 / 4
		}
		sum += n
	}
	return sum
}

// repeated notes fields that stand in data and in stringData.
func (s *secretReader) repeated() {
	data, text := s.n.Get("data"), s.n.Get("stringData")
	if data == nil || text == nil {
		return
	}
	for _, p := range text.Pairs {
		if data.Get(p.Key) != nil && (roleOf(p.Key) != anyRole) {
			s.note(&s.unit, NoteSecretKeyTwice, join(s.prefix, "stringData."+p.Key), p.KeyNode.Start, "%s stands in data and in stringData: the one in data is dropped", p.Key)
		}
	}
}

// swapped notes a certificate under tls.key and a key under tls.crt.
func (s *secretReader) swapped() {
	crt, key := s.part("tls.crt"), s.part("tls.key")
	if crt == nil || key == nil || len(crt.Certs) > 0 || len(key.Keys) > 0 || len(crt.Keys) == 0 || len(key.Certs) == 0 {
		return
	}
	s.note(&s.unit, NoteSecretSwapped, crt.path, crt.node.Start, "tls.crt holds a private key, and tls.key a certificate: swap them")
}

// sameCA notes that ca.crt is filled in with what tls.crt is filled in with.
func (s *secretReader) sameCA() {
	ca, crt := s.part("ca.crt"), s.part("tls.crt")
	if ca == nil || crt == nil {
		return
	}
	r := s.reader
	r.sameVariable(&s.unit, ca.field, crt.field)
}

// sameVariable notes that both fields take the value of one variable.
func (r *reader) sameVariable(u *Unit, ca, crt field) {
	if name := variable(strings.TrimSpace(ca.node.Text)); name != "" && name == variable(strings.TrimSpace(crt.node.Text)) {
		r.note(u, NoteCAIsTLS, ca.path, ca.node.Start, "%s is filled in with $%s, which is the server's certificate: right only as long as that is self-signed; a CA has a file of its own", ca.name, name)
	}
}

// missingCA notes that clients get no CA to check a certificate by that no
// public CA can have signed.
func (s *secretReader) missingCA(u *Unit) {
	if s.typ != typeTLS || s.part("ca.crt") != nil || len(u.Material.Certs) == 0 {
		return
	}
	leaf := u.Material.Certs[0].X509
	if leaf == nil || leaf.IsCA || bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		return
	}
	private := privateName(pki.NamesOf(leaf))
	if private == "" {
		return
	}
	s.note(u, NoteSecretCAMissing, join(s.prefix, "data"), head(s.n), "there is no ca.crt%s: clients need the CA, and no public one signs for %s", s.similar("ca.crt"), private)
}

// assemble makes units of the parts: a certificate goes with the key of the
// same name (server.crt, server.key), CAs go with all of them.
func assemble(u Unit, parts []part) []Unit {
	var anchors []pki.Cert
	groups := map[string]*pki.Material{}
	var order []string
	var loose []pki.Key // keys that lie among CAs
	for _, p := range parts {
		if !p.found() {
			continue
		}
		if p.roleHere() == anchorRole {
			anchors = append(append(anchors, p.Certs...), p.Anchors...)
			loose = append(loose, p.Keys...)
			continue
		}
		g := groups[stem(p.name)]
		if g == nil {
			g = &pki.Material{}
			groups[stem(p.name)] = g
			order = append(order, stem(p.name))
		}
		anchors = append(anchors, p.Anchors...)
		p.Anchors = nil
		g.Append(p.Material)
	}
	order = distinct(order, groups)
	if len(order) == 0 {
		order, groups = []string{""}, map[string]*pki.Material{"": {}}
	}
	units := make([]Unit, len(order))
	for i, name := range order {
		units[i] = u
		units[i].Material = *groups[name]
		units[i].Material.Anchors = slices.Clone(anchors)
		if len(order) > 1 {
			units[i].Target += " " + name
		}
	}
	// What concerns the whole goes to the unit of tls.crt, or to the last.
	main := &units[len(units)-1]
	main.Material.Notes = u.Material.Notes
	main.Material.Keys = append(main.Material.Keys, loose...)
	return units
}

// distinct leaves out groups that repeat another one's certificate or key, as
// tls-combined.pem does, and puts that of tls.crt last.
func distinct(order []string, groups map[string]*pki.Material) []string {
	slices.SortStableFunc(order, func(a, b string) int {
		switch {
		case a == "tls" && b != "tls":
			return -1
		case b == "tls" && a != "tls":
			return 1
		}
		return 0
	})
	var out []string
	for _, name := range order {
		if !slices.ContainsFunc(out, func(other string) bool { return repeats(groups[name], groups[other]) }) {
			out = append(out, name)
		}
	}
	if len(out) > 1 && out[0] == "tls" {
		out = append(out[1:], "tls")
	}
	return out
}

// repeats reports whether all of m is in other.
func repeats(m, other *pki.Material) bool {
	for _, c := range m.Certs {
		if !slices.ContainsFunc(other.Certs, func(o pki.Cert) bool { return bytes.Equal(c.Raw, o.Raw) }) {
			return false
		}
	}
	for _, k := range m.Keys {
		if k.Signer == nil || !slices.ContainsFunc(other.Keys, func(o pki.Key) bool { return pki.SamePublicKey(k.Public(), o.Public()) }) {
			return false
		}
	}
	return len(m.CSRs) == 0
}

// roleHere is the part's role by its name, or else by what it holds.
func (p part) roleHere() role {
	if p.role != anyRole {
		return p.role
	}
	return roleOfMaterial(p.Material)
}

// roleOfMaterial: CA certificates alone are anchors.
func roleOfMaterial(m pki.Material) role {
	switch {
	case len(m.Keys) > 0 && len(m.Certs) == 0:
		return keyRole
	case len(m.Certs)+len(m.Anchors) == 0:
		return anyRole
	}
	for _, c := range m.Certs {
		if c.X509 == nil || !c.X509.IsCA {
			return certRole
		}
	}
	if len(m.Keys) > 0 {
		return certRole
	}
	return anchorRole
}

// roleOf tells by a field's name what it is there for.
func roleOf(name string) role {
	words := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return c == '.' || c == '-' || c == '_' })
	has := func(list ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	ext := strings.ToLower(path.Ext(name))
	switch {
	case ext == ".conf" || ext == ".cnf" || ext == ".sh" || ext == ".json" || ext == ".yaml" || ext == ".yml" || ext == ".md" || ext == ".csr":
		return anyRole
	case has("key", "privkey", "privatekey"):
		return keyRole
	case has("ca", "cacert", "cacerts", "cacrt", "root", "rootca", "trust", "truststore", "anchors", "bundle"):
		return anchorRole
	case has("crt", "cert", "certificate", "chain", "fullchain", "cer"):
		return certRole
	}
	return anyRole
}

// stem is what the names of a certificate and its key have in common.
func stem(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return c == '.' || c == '-' || c == '_' })
	words = slices.DeleteFunc(words, func(w string) bool {
		switch w {
		case "crt", "cert", "cer", "certificate", "key", "privkey", "privatekey", "private", "public", "pem", "der", "chain", "fullchain", "combined", "p12", "pfx", "jks", "keystore":
			return true
		}
		return false
	})
	return strings.Join(words, "-")
}
