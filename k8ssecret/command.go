package k8ssecret

import (
	"errors"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// openssl judges the commands that make certificates and requests.
func (s *scriptReader) openssl(args []word) {
	if len(args) == 0 || args[0].text != "req" && args[0].text != "x509" {
		return
	}
	o := parse(args[1:], "-addext", "-subj", "-out", "-keyout", "-config", "-extfile", "-extensions", "-reqexts", "-days", "-CA", "-CAkey",
		"-in", "-key", "-newkey", "-set_serial", "-copy_extensions", "-passin", "-passout", "-CAserial", "-section", "-req_exts")
	seen := map[string]bool{}
	names := namesReader{reader: s.reader, unit: &s.unit}
	for _, w := range o.values["-addext"] {
		name, value, _ := strings.Cut(w.text, "=")
		name = strings.TrimSpace(name)
		if seen[strings.ToLower(name)] {
			s.note(&s.unit, NoteDuplicateAddext, "", w.start, "a second -addext %s, of which OpenSSL says %q: put all into one, as -addext \"subjectAltName=IP:10.0.0.1,DNS:name\"", pki.Printable(name), "Duplicate extension: "+pki.Printable(name))
		}
		seen[strings.ToLower(name)] = true
		if strings.EqualFold(name, "subjectAltName") {
			s.addNames(&names, w, value)
		}
	}
	if !s.leavesOut(args) {
		s.noNames(args[0], o, seen["subjectaltname"])
	}
}

// leavesOut reports whether a command, or the block that it stands in, leaves
// something out: then nothing is missing for certain.
func (s *scriptReader) leavesOut(args []word) bool {
	return s.elided || slices.ContainsFunc(args, func(w word) bool { return isElided(w.text) })
}

// addNames reads the value of a subjectAltName: "IP:10.0.0.1,DNS:name".
func (s *scriptReader) addNames(names *namesReader, w word, value string) {
	source := s.src.Text[w.start:min(len(s.src.Text), w.start+len(w.text)+256)]
	from := 0
	for _, item := range strings.Split(value, ",") {
		offset := w.start
		if i := strings.Index(source[from:], item); i >= 0 && item != "" {
			offset += from + i
			from += i + len(item)
		}
		kind, text, ok := strings.Cut(strings.TrimLeft(item, " "), ":")
		text = s.expand(text)
		switch {
		case !ok:
			continue
		case strings.EqualFold(kind, "DNS"):
			names.add(pki.DNS, text, "", offset)
		case strings.EqualFold(kind, "IP"):
			s.open = s.open || strings.Contains(text, "$")
			names.add(pki.IP, text, "", offset)
		}
		if service, ns, ok := serviceName(text); ok && !strings.ContainsAny(service+ns, "$<{*") {
			s.names = append(s.names, serviceUse{text, ns, offset})
		}
	}
}

// noNames notes a server's certificate that comes out without names.
func (s *scriptReader) noNames(sub word, o options, named bool) {
	if named || !s.forTLS() || o.has("-help", "-noout", "-extfile", "-config", "-extensions", "-reqexts", "-copy_extensions", "-text", "-section") || forCA(o) {
		return
	}
	switch {
	case sub.text == "req" && o.has("-x509"):
		s.note(&s.unit, NoteScriptNoSAN, "", sub.start, "openssl req -x509 without -addext \"subjectAltName=…\" makes a certificate without names, and Go clients do not look at the CN")
	case sub.text == "x509" && o.has("-req") && o.has("-CA", "-signkey", "-key"):
		s.note(&s.unit, NoteScriptNoSAN, "", sub.start, "openssl x509 -req drops the names that the request asks for: add -copy_extensions copy (OpenSSL 3), or -extfile with subjectAltName")
	}
}

// forTLS reports whether a script speaks of servers at all: people make
// certificates for other ends too.
func (s *scriptReader) forTLS() bool {
	return s.mentions("registry", "tls.crt", "tls.key", "kubernetes.io/tls", "secret tls", "TLS_CRT", "certs.d", "server.crt", "server.key")
}

// forCA reports whether a command makes a CA's certificate, which needs no
// names.
func forCA(o options) bool {
	for _, w := range o.values["-addext"] {
		if strings.Contains(strings.ReplaceAll(strings.ToUpper(w.text), " ", ""), "CA:TRUE") {
			return true
		}
	}
	for _, name := range []string{"-out", "-keyout", "-key", "-subj"} {
		words := strings.FieldsFunc(strings.ToLower(o.last(name)), func(c rune) bool { return c < 'a' || c > 'z' })
		for _, w := range words {
			switch w {
			case "ca", "cacert", "cacrt", "cakey", "root", "rootca", "authority", "intermediate", "issuing":
				return true
			}
		}
	}
	return false
}

// helm judges helm install and upgrade of the connected registry's chart.
func (s *scriptReader) helm(c *command, args []word) {
	o := parse(args, "--set", "--set-string", "--set-file", "--set-json", "--set-literal", "-f", "--values", "-n", "--namespace", "--version", "--repo", "--timeout")
	if len(o.rest) == 0 {
		return
	}
	namespace := s.expand(o.last("-n", "--namespace"))
	if namespace != "" && !strings.Contains(namespace, "$") {
		s.namespaces = append(s.namespaces, namespace)
	}
	sub := o.rest[0].text
	if sub != "install" && sub != "upgrade" && sub != "template" {
		return
	}
	v := &valuesReader{reader: s.reader, root: &tree.Node{Kind: tree.Map, Style: tree.Block, Start: c.start, End: c.start}}
	v.unit = s.reader.unit(KindSet, c.start)
	for _, w := range o.values["--set"] {
		v.set(w.text, w.start, setString{still: true})
	}
	for _, w := range o.values["--set-string"] {
		v.set(w.text, w.start, setString{still: true, text: true})
	}
	for _, w := range o.values["--set-literal"] {
		v.set(w.text, w.start, setString{still: true, text: true})
	}
	for _, w := range o.values["--set-file"] {
		for _, pair := range strings.Split(w.text, ",") {
			key, _, _ := strings.Cut(pair, "=")
			v.set(key+"=<file>", w.start, setString{still: true, text: true})
		}
	}
	named := slices.ContainsFunc(o.rest, func(w word) bool { return strings.Contains(s.expand(w.text), "connected-registry") })
	if !named && !v.unmistakable() {
		return
	}
	v.partial = s.leavesOut(args) || o.has("-f", "--values", "--set-json", "--reuse-values", "--reset-then-reuse-values") || sub == "upgrade" && !o.has("--install", "-i")
	v.command = true
	v.judge()
	s.used(v, namespace)
	if o.has("--create-namespace") && namespace != "" {
		s.tooLate(namespace, c.start)
		s.created = append(s.created, namespace)
	}
	s.arguments(v)
	s.take(v.unit)
}

// used keeps which Secret a release names.
func (s *scriptReader) used(v *valuesReader, namespace string) {
	if secret := v.get("tls.secret").Scalar(); secret != "" {
		s.releases = append(s.releases, releaseUse{s.expand(secret), namespace})
	}
}

// arguments notes a private key on a command line.
func (s *scriptReader) arguments(v *valuesReader) {
	if n := v.get("tls.key"); n != nil && n.Text != "<file>" && n.Text != "" {
		s.note(&s.unit, NoteScriptSecretArgument, "tls.key", n.Start, "the private key is an argument, which ps and the shell's history show: give it in a values file of mode 0600")
	}
}

// tooLate notes a Secret that was applied to a namespace which the command at
// offset is the first to create.
func (s *scriptReader) tooLate(namespace string, offset int) {
	if slices.Contains(s.created, namespace) || s.mentions("kind: Namespace") {
		return
	}
	for _, secret := range s.secrets {
		if secret.namespace == namespace && secret.applied {
			s.note(&s.unit, NoteScriptNamespace, "", offset, "helm makes the namespace %s here, and the Secret of line %d has been applied to it before: kubectl create namespace %[1]s comes first", quoteName(namespace), secret.origin.Line)
			return
		}
	}
}

// az judges az k8s-extension create and update.
func (s *scriptReader) az(args []word) {
	if len(args) < 2 || args[0].text != "k8s-extension" || args[1].text != "create" && args[1].text != "update" {
		return
	}
	v := &valuesReader{reader: s.reader, dotted: true, texts: true, root: &tree.Node{Kind: tree.Map, Style: tree.Block, Start: args[0].start, End: args[0].start}}
	v.unit = s.reader.unit(KindSet, args[0].start)
	v.partial = args[1].text == "update" || s.leavesOut(args)
	option, ours, namespace := "", v.unmistakable, releaseNamespace
	for _, w := range args[2:] {
		name, value, joined := strings.Cut(w.text, "=")
		switch {
		case strings.HasPrefix(w.text, "-"):
			option = name
			v.partial = v.partial || strings.HasSuffix(name, "-file")
			if !joined {
				continue
			}
			w.text = value
		}
		switch option {
		case "--config", "--configuration-settings", "--config-protected-settings", "--config-protected", "--configuration-protected-settings":
			v.set(w.text, w.start, setString{still: true, simple: true, text: true})
		case "--extension-type":
			registry := strings.EqualFold(w.text, "microsoft.containerregistry.connectedregistry")
			ours = func() bool { return registry }
		case "--release-namespace":
			namespace = s.expand(w.text)
		}
	}
	if !ours() {
		return
	}
	s.namespaces = append(s.namespaces, namespace)
	v.judge()
	s.used(v, namespace)
	s.arguments(v)
	s.take(v.unit)
}

// kubectl keeps which namespaces and Secrets a script speaks of.
func (s *scriptReader) kubectl(args []word) {
	o := parse(args, "-n", "--namespace", "-f", "--filename", "--cert", "--key", "-o", "--from-file", "--from-literal", "--type")
	namespace := s.expand(o.last("-n", "--namespace"))
	if len(o.rest) > 2 && o.rest[0].text == "create" && (o.rest[1].text == "namespace" || o.rest[1].text == "ns") {
		namespace = s.expand(o.rest[2].text)
		s.created = append(s.created, namespace)
	}
	if namespace != "" && !strings.Contains(namespace, "$") {
		s.namespaces = append(s.namespaces, namespace)
	}
	if len(o.rest) < 4 || o.rest[0].text != "create" || o.rest[1].text != "secret" {
		return
	}
	secret := secretUse{s.expand(o.rest[3].text), namespace, s.origin("", o.rest[0].start), true}
	s.secrets = append(s.secrets, secret)
	if namespace == "" && o.rest[2].text == "tls" && !o.has("--dry-run") {
		s.unit.Material.Notes = append(s.unit.Material.Notes, pki.Note{
			Rule: NoteSecretNamespaceMissing, Origin: secret.origin,
			Detail: "kubectl create secret tls without -n: the Secret lands in the current namespace, and pods see only Secrets of their own",
		})
	}
}

// placeOf takes an error of this package apart.
func placeOf(err error) (at pki.Origin, text string, ok bool) {
	var e *format.Error
	if !errors.As(err, &e) {
		return pki.Origin{}, "", false
	}
	text = e.Err.Error()
	if rest, found := strings.CutPrefix(text, "line "); found {
		if _, reason, found := strings.Cut(rest, ": "); found {
			text = reason
		}
	}
	return e.Origin, text, true
}
