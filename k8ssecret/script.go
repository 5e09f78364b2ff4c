package k8ssecret

import (
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
)

// Bounds on one script: those on names keep comparing each with each cheap.
const (
	maxCommands   = 50_000
	maxNamespaces = 32
	maxServices   = 10_000
	maxVariables  = 1000 // set, and used
	maxPipe       = 16   // commands
)

// releaseNamespace is where the connected registry is installed, by its
// documents.
const releaseNamespace = "connected-registry"

// scriptReader judges the commands of a script, or of the blocks of code in a
// document, by what is known to break.
type scriptReader struct {
	*reader
	unit     Unit
	commands []command
	// vars are the values of variables, as they are written last.
	vars map[string]string
	// namespaces are those that commands and manifests speak of.
	namespaces []string
	// names are the Services that certificates are asked for, secrets the Secrets
	// that are made, releases what uses them.
	names    []serviceUse
	secrets  []secretUse
	releases []releaseUse
	// created are the namespaces that the commands so far create.
	created []string
	// mentioned caches which words stand in the script.
	mentioned map[string]bool
	// elided: the block of a document leaves something out, so that what is missing
	// may be there.
	elided bool
	// open: a certificate is asked for whose addresses are in variables.
	open bool
	// meant are the names that were meant where another is written.
	meant []meaning
}

// meaning is a name that misses another by a letter, somewhere behind offset.
type meaning struct {
	rule           string
	offset         int
	written, meant string
}

// serviceUse is the name of a Service in a certificate that is asked for.
type serviceUse struct {
	name, namespace string
	offset          int
}

// secretUse is a Secret that a command makes, releaseUse one that a release uses.
type secretUse struct {
	name, namespace string
	origin          pki.Origin
	// applied: to the cluster, and not written to a file.
	applied bool
}

type releaseUse struct{ secret, namespace string }

// script reads a shell script, or a document with blocks of commands and
// manifests. Their values are examples or variables, so that the structure
// alone is judged.
func (r *reader) script() {
	s := r.readScript()
	r.units = append([]Unit{s.unit}, r.units...)
}

func (r *reader) readScript() *scriptReader {
	r.quiet = true
	s := &scriptReader{reader: r, unit: r.unit(KindScript, 0), vars: map[string]string{}, mentioned: map[string]bool{}}
	if isMarkdown(r.source, r.src.Text) {
		for _, b := range blocks(r.src.Text) {
			s.block(b)
		}
	} else {
		s.shell(0, len(r.src.Text))
	}
	s.typos()
	s.variables()
	s.placesOfSecrets()
	s.addresses()
	slices.SortStableFunc(s.unit.Material.Notes, func(a, b pki.Note) int { return a.Origin.Line - b.Origin.Line })
	return s
}

// mentions reports whether one of the words stands anywhere in the script.
func (s *scriptReader) mentions(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		found, known := s.mentioned[w]
		if !known {
			found = strings.Contains(s.src.Text, w)
			s.mentioned[w] = found
		}
		return found
	})
}

// shell reads the commands from start to end.
func (s *scriptReader) shell(start, end int) {
	lexed := lexShell(s.src.Text, start, end)
	for _, f := range lexed.faults {
		switch f.rule {
		case NoteBackslashBlank:
			s.note(&s.unit, f.rule, "", f.offset, "a blank stands behind the backslash: the line ends here, and the next one runs as a command of its own")
		case NoteUnclosedQuote:
			s.note(&s.unit, f.rule, "", f.offset, "the quotation mark %c is never closed", s.src.Text[f.offset])
		}
	}
	first := len(s.commands)
	s.commands = append(s.commands, lexed.commands[:max(0, min(len(lexed.commands), maxCommands-first))]...)
	for i := first; i < len(s.commands); i++ {
		s.command(i, first)
	}
}

// command judges one command. Those of the same block begin at first.
func (s *scriptReader) command(i, first int) {
	c := &s.commands[i]
	for _, a := range c.assigns {
		name, value, _ := strings.Cut(a.text, "=")
		s.base64(name, value, a.start)
		s.vars[strings.TrimSuffix(name, "+")] = value
	}
	program, args := program(c.words)
	if program == "" {
		s.bodies(i)
		return
	}
	if i > first && s.continues(&s.commands[i-1], c) {
		s.note(&s.unit, NoteBackslashMissing, "", c.words[0].start, "the line begins with the option %s and the one above does not end with a backslash: it runs as a command of its own", pki.Printable(c.words[0].text))
	}
	switch program {
	case "openssl":
		s.openssl(args)
	case "helm":
		s.helm(c, args)
	case "az":
		s.az(args)
	case "kubectl", "oc", "k3s":
		s.kubectl(args)
	}
	switch {
	case program == "helm", program == "az", program == "kubectl", program == "openssl", strings.HasPrefix(program, "--"):
		s.quotes(args)
	}
	s.bodies(i)
}

// continues reports whether c is but the rest of the command before it: the
// first of the lines behind a backslash that is not there.
func (s *scriptReader) continues(before, c *command) bool {
	if !before.ended || len(before.words) == 0 || strings.HasPrefix(before.words[0].text, "--") || !c.words[0].bare || !strings.HasPrefix(c.words[0].text, "--") {
		return false
	}
	// A backtick goes on in PowerShell.
	return !strings.HasSuffix(strings.TrimRight(s.src.Text[:c.start], " \t\r\n"), "`")
}

// program gives the program that a command runs, without its folder and what
// stands before it, and its arguments.
func program(words []word) (name string, args []word) {
	for i, w := range words {
		text := strings.TrimLeft(w.text, "@-+") // make's recipes
		switch {
		case text == "sudo", text == "env", text == "time", text == "command", text == "exec", text == "nohup", text == "!",
			text == "RUN", text == "if", text == "then", text == "else", text == "do", text == "while", text == "$", text == "{",
			text == "-", text == "*", text == "export", text == "readonly", text == "local", text == "declare":
			continue
		case i > 0 && strings.HasPrefix(w.text, "-"), strings.Contains(text, "="):
			continue
		}
		return text[strings.LastIndexByte(text, '/')+1:], words[i+1:]
	}
	return "", nil
}

// options takes a command's words apart: the value of each option, and the
// words that belong to none. An option in valued takes the next word.
type options struct {
	values map[string][]word
	rest   []word
}

// parse reads "--name value", "--name=value" and "-name value".
func parse(args []word, valued ...string) options {
	o := options{values: map[string][]word{}}
	for i := 0; i < len(args); i++ {
		w := args[i]
		if !strings.HasPrefix(w.text, "-") || w.text == "-" {
			o.rest = append(o.rest, w)
			continue
		}
		name, value, joined := strings.Cut(w.text, "=")
		switch {
		case joined && slices.Contains(valued, name):
			o.values[name] = append(o.values[name], word{text: value, start: w.start, bare: w.bare})
		case slices.Contains(valued, w.text) && i+1 < len(args):
			i++
			o.values[w.text] = append(o.values[w.text], args[i])
		default:
			o.values[name] = append(o.values[name], word{text: value, start: w.start, bare: w.bare})
		}
	}
	return o
}

// has reports whether one of the options is given.
func (o options) has(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return o.values[n] != nil })
}

// last is the value of the last of these options, "" when there is none.
func (o options) last(names ...string) string {
	for _, n := range names {
		if v := o.values[n]; v != nil {
			return v[len(v)-1].text
		}
	}
	return ""
}

// expand fills variables in that are set to plain text in the script.
func (s *scriptReader) expand(text string) string {
	for range 4 { // one variable set to another
		if !strings.Contains(text, "$") {
			return text
		}
		before := text
		text = replaceVariables(text, func(name string) (string, bool) {
			v := s.vars[name]
			return v, v != "" && !strings.Contains(v, "$(") && !strings.Contains(v, "`") && len(v) < 256
		})
		if text == before {
			break
		}
	}
	return text
}

// replaceVariables replaces $NAME and ${NAME} where value knows one.
func replaceVariables(text string, value func(string) (string, bool)) string {
	const most = 4096 // far more than any name or path
	var b strings.Builder
	for b.Len() < most {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			break
		}
		name, length := variableAt(text[i:])
		v, ok := value(name)
		if name == "" || !ok {
			v, length = text[i:i+max(length, 1)], max(length, 1)
		}
		b.WriteString(text[:i] + v)
		text = text[i+length:]
	}
	return b.String() + text
}

// variableAt gives the name of the variable that text begins with, and the
// length of what refers to it.
func variableAt(text string) (name string, length int) {
	rest, braces := strings.CutPrefix(text[1:], "{")
	end := 0
	for end < len(rest) && isName(rest[:end+1][end:]) || end > 0 && end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	name = rest[:end]
	switch {
	case !braces:
		return name, 1 + end
	case strings.HasPrefix(rest[end:], "}"):
		return name, 3 + end
	}
	return "", 1
}

// quotes notes quotation marks of word processors, which become part of a value.
func (s *scriptReader) quotes(args []word) {
	for _, w := range args {
		if q := typographicQuote(w.text); q != "" && w.bare && q != "’" {
			s.note(&s.unit, NoteTypographicQuotes, "", w.start+max(0, strings.Index(s.src.Text[w.start:min(len(s.src.Text), w.start+len(w.text)+64)], q)), "the quotation mark %s is a typographic one, and becomes part of the value: type a plain \"", q)
			return
		}
	}
}

// base64 notes that a variable takes base64 with line breaks in it.
func (s *scriptReader) base64(name, value string, offset int) {
	if !strings.Contains(value, "base64") || !strings.Contains(value, "$(") && !strings.Contains(value, "`") {
		return
	}
	if wrapsBase64(value) && (envRole(name) != anyRole || namesPEM(value)) {
		s.note(&s.unit, NoteScriptBase64, "", offset, "base64 breaks its output into lines of 76 characters, and %s has to be one: base64 -w0, or | tr -d '\\n'", pki.Printable(name))
		if notes := s.unit.Material.Notes; len(notes) < maxNotes {
			notes[len(notes)-1].Fix = name + "=$(base64 -w0 " + encodedFile(value) + ")"
		}
	}
}

// encodedFile gives the file that a command substitution encodes, or an example
// of one.
func encodedFile(value string) string {
	for _, w := range strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune(" \t\n\"'`()<>|;&", c) }) {
		if namesPEM(w) && plainFile(w) != "" {
			return w
		}
	}
	return "tls.crt"
}

func namesPEM(text string) bool {
	for _, ext := range []string{".crt", ".pem", ".key", ".cer"} {
		if strings.Contains(text, ext) {
			return true
		}
	}
	return false
}

// wrapsBase64 reports whether a command substitution encodes with line breaks.
func wrapsBase64(text string) bool {
	lexed := lexShell(text, 0, len(text))
	for i, c := range lexed.commands {
		program, args := program(c.words)
		o := parse(args)
		switch {
		case program == "base64":
			if o.has("-d", "-D", "--decode", "-w0", "--wrap", "-w", "-b", "-i", "-b0") {
				continue
			}
		case program == "openssl" && len(args) > 0 && (args[0].text == "base64" || args[0].text == "enc" && o.has("-base64")):
			if o.has("-A", "-d") {
				continue
			}
		default:
			continue
		}
		joined := false
		for j := i; j < len(lexed.commands) && lexed.commands[j].piped; j++ {
			next := lexed.commands[min(j+1, len(lexed.commands)-1)]
			joined = joined || len(next.words) > 0 && (next.words[0].text == "tr" || next.words[0].text == "sed" || next.words[0].text == "paste" || next.words[0].text == "awk" || next.words[0].text == "perl")
		}
		if !joined {
			return true
		}
	}
	return false
}

// typos notes names of Services whose namespace is almost one that is in use.
func (s *scriptReader) typos() {
	known := slices.Compact(slices.Sorted(slices.Values(s.namespaces)))
	if slices.ContainsFunc(s.names, func(n serviceUse) bool { return strings.Contains(n.name, releaseNamespace) }) {
		known = append(known, releaseNamespace)
	}
	known = known[:min(len(known), maxNamespaces)]
	for _, n := range s.names[:min(len(s.names), maxServices)] {
		if slices.Contains(known, n.namespace) {
			continue
		}
		if misspelt(n.namespace, releaseNamespace) && !slices.Contains(known, releaseNamespace) {
			s.note(&s.unit, NoteNamespaceTypo, "", n.offset, "%s names the namespace %q: is %q meant?", pki.Printable(n.name), n.namespace, releaseNamespace)
			s.meant = append(s.meant, meaning{NoteNamespaceTypo, n.offset, "." + n.namespace + ".", "." + releaseNamespace + "."})
			continue
		}
		if i := slices.IndexFunc(known, func(ns string) bool { return misspelt(n.namespace, ns) }); i >= 0 {
			s.note(&s.unit, NoteNamespaceTypo, "", n.offset, "%s names the namespace %q, and all else here is in %q", pki.Printable(n.name), n.namespace, known[i])
			s.meant = append(s.meant, meaning{NoteNamespaceTypo, n.offset, "." + n.namespace + ".", "." + known[i] + "."})
		}
	}
}

// variables notes misspelt variables.
func (s *scriptReader) variables() {
	seen := map[string]bool{}
	use := func(text string, offset int, exact bool) {
		for at := 0; len(s.vars) > 0; {
			i := strings.IndexByte(text[at:], '$')
			if i < 0 || i+at+1 == len(text) {
				return
			}
			at += i
			name, length := variableAt(text[at:])
			if len(name) >= 5 && !seen[name] && len(seen) < maxVariables {
				seen[name] = true
				place := offset
				if exact {
					place += at
				}
				s.variable(name, place)
			}
			at += max(length, 1)
		}
	}
	if isMarkdown(s.source, s.src.Text) {
		use(s.src.Text, 0, true) // commands stand within sentences too
		return
	}
	for _, c := range s.commands {
		for _, w := range slices.Concat(c.words, c.assigns) {
			use(w.text, w.start, false)
		}
		for _, h := range c.heredocs {
			if !h.literal {
				use(s.src.Text[h.start:h.end], h.start, true)
			}
		}
	}
}

func (s *scriptReader) variable(name string, offset int) {
	if _, ok := s.vars[name]; ok || len(s.vars) > maxVariables {
		return
	}
	meant := ""
	for other := range s.vars {
		if misspelt(name, other) && !strings.HasPrefix(name, other) && (meant == "" || other < meant) {
			meant = other
		}
	}
	if meant != "" {
		s.note(&s.unit, NoteScriptVariable, "", offset, "$%s is set nowhere; $%s is", name, meant)
		s.meant = append(s.meant, meaning{NoteScriptVariable, offset, name, meant})
	}
}

// placesOfSecrets compares where Secrets are made with where they are used.
func (s *scriptReader) placesOfSecrets() {
	releases := map[string]string{}
	for _, r := range s.releases {
		if r.namespace != "" && !strings.Contains(r.namespace, "$") {
			releases[r.secret] = r.namespace
		}
	}
	for _, secret := range s.secrets {
		namespace, ok := releases[secret.name]
		if ok && secret.namespace != "" && !strings.Contains(secret.namespace, "$") && secret.namespace != namespace {
			s.unit.Material.Notes = append(s.unit.Material.Notes, pki.Note{
				Rule: NoteSecretNamespaceWrong, Origin: secret.origin,
				Detail: "the Secret " + pki.Printable(secret.name) + " is made in the namespace " + quoteName(secret.namespace) + ", and the release that names it is in " + quoteName(namespace),
				Fix:    makeSecret(secret.name, namespace),
			})
		}
	}
}

func quoteName(text string) string { return `"` + pki.Printable(text) + `"` }

// addresses compares the addresses that clients dial with the names that the
// certificate is asked for.
func (s *scriptReader) addresses() {
	if len(s.unit.Names) == 0 || s.open {
		return
	}
	for _, h := range s.unit.Hosts {
		if h.From == "service.clusterIP" && !s.unit.Names.Covers(h.Name.Value) {
			s.unit.Material.Notes = append(s.unit.Material.Notes, pki.Note{
				Rule: NoteValuesClusterIPNotInSAN, Origin: h.Origin,
				Detail: "service.clusterIP is " + h.Name.Value + ", by which clients dial, and the certificate is asked for " + list(s.unit.Names[:min(len(s.unit.Names), 4)].Strings()),
			})
		}
	}
}

// bodies judges the here-documents of a command: manifests, values, settings.
func (s *scriptReader) bodies(i int) {
	for _, h := range s.commands[i].heredocs {
		s.body(h.start, h.end, s.consumer(i), h)
	}
}

// consumer is the kubectl that a here-document goes to, nil when it goes to a
// file or to another program.
func (s *scriptReader) consumer(i int) *command {
	for j := i; j < min(len(s.commands), i+maxPipe); j++ {
		c := &s.commands[j]
		if name, _ := program(c.words); name == "kubectl" || name == "oc" {
			return c
		}
		if !c.piped {
			return nil
		}
	}
	return nil
}

// body judges what stands from start to end, in a here-document or in a block of
// a document.
func (s *scriptReader) body(start, end int, consumer *command, h heredoc) {
	text := s.src.Text[start:end]
	sniff := sniffer{text: []byte(text)}
	line, _ := s.src.Pos(start)
	if h.tabs {
		text = tabsToBlanks(text)
	}
	sub := &reader{source: s.source, src: &tree.Source{Text: text}, opt: s.opt, line: s.line + line - 1, quiet: true, elided: isElided(text)}
	if kind := sniff.manifest(); kind != "" {
		sub.manifests()
		s.notYAML(sub)
		for j := range sub.units {
			s.manifest(&sub.units[j], consumer, h)
		}
	} else if strings.HasPrefix(strings.TrimSpace(text), "{") {
		if sniff.json() != "" {
			sub.settingsFile()
		}
	} else if sniff.values() {
		sub.valuesFile()
		s.notYAML(sub)
	}
	for _, u := range sub.units {
		if u.Kind == KindTemplate {
			continue
		}
		if sub.elided {
			u.Material.Notes = slices.DeleteFunc(u.Material.Notes, ofAbsence)
		}
		s.take(u)
	}
}

// isElided reports whether a text leaves something out.
func isElided(text string) bool {
	return strings.Contains(text, "…") || strings.Contains(text, "...")
}

// ofAbsence reports whether a note about a manifest says that something is not
// there.
func ofAbsence(n pki.Note) bool {
	switch n.Rule {
	case NoteSecretTypeMissing, NoteSecretKeyMissing, NoteCertificateRefused, NoteCertificateUsages, NoteCertificateRotation, NoteCertificateOnlyCN:
		return true
	}
	return false
}

// take adds what was found to the script's own unit, or as a unit of its own
// when there are certificates in it.
func (s *scriptReader) take(u Unit) {
	if !u.Material.Empty() {
		s.units = append(s.units, u)
		return
	}
	s.unit.Material.Notes = append(s.unit.Material.Notes, u.Material.Notes...)
	s.unit.Hosts = append(s.unit.Hosts, u.Hosts...)
}

// notYAML notes a manifest that cannot be read. Documents leave things out of
// examples, which makes them no YAML, so this is for here-documents alone.
func (s *scriptReader) notYAML(sub *reader) {
	for _, err := range sub.errs {
		if at, text, ok := placeOf(err); ok && !hasTemplate(sub.src.Text) {
			s.unit.Material.Notes = append(s.unit.Material.Notes, pki.Note{Rule: NoteScriptManifest, Origin: at, Detail: "the YAML cannot be read: " + text})
		}
	}
}

// manifest judges a manifest by the commands around it.
func (s *scriptReader) manifest(u *Unit, consumer *command, h heredoc) {
	namespace, given := u.Namespace, u.Namespace != ""
	if consumer != nil && !given {
		_, args := program(consumer.words)
		namespace = s.expand(parse(args, "-n", "--namespace").last("-n", "--namespace"))
	}
	namespace = s.expand(namespace)
	if namespace != "" && !strings.Contains(namespace, "$") {
		s.namespaces = append(s.namespaces, namespace)
	}
	if u.Kind != KindSecret {
		return
	}
	s.secrets = append(s.secrets, secretUse{s.expand(u.Name), namespace, u.Origin, consumer != nil})
	if namespace == "" && consumer != nil {
		u.Material.Notes = append(u.Material.Notes, pki.Note{
			Rule: NoteSecretNamespaceMissing, Origin: u.Origin,
			Detail: "neither the Secret nor kubectl says a namespace: it lands in the current one, and pods see only Secrets of their own",
		})
	}
	if h.literal && strings.Contains(s.src.Text[h.start:h.end], "$") {
		u.Material.Notes = append(u.Material.Notes, pki.Note{
			Rule: NoteScriptLiteral, Origin: u.Origin,
			Detail: "the word behind << is quoted, so that the variables in the manifest stay as they are",
		})
	}
}

// tabsToBlanks takes the tabs at the beginning of lines for blanks, as <<- drops
// them, without moving what stands behind.
func tabsToBlanks(text string) string {
	out := []byte(text)
	start := true
	for i, c := range out {
		switch {
		case c == '\n':
			start = true
		case c == '\t' && start:
			out[i] = ' '
		default:
			start = false
		}
	}
	return string(out)
}
