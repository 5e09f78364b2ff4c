package view

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
)

// TextOptions tune the text. The zero value is 80 columns without colour.
type TextOptions struct {
	// Width is the number of columns at which lists and sentences wrap.
	Width int
	// Color marks headings, and what has expired or soon will.
	Color bool
}

// WriteText writes the document for a reader: how the certificates hang
// together, then one section for each thing found. Control characters, invisible
// ones and those that change the direction of writing are escaped.
func (d Document) WriteText(w io.Writer, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	t := &textWriter{TextOptions: o}
	t.Width = max(o.Width, labelWidth+20)
	t.tree(d.Certificates)
	for _, c := range d.Certificates {
		t.certificate(c)
	}
	for _, r := range d.Requests {
		t.request(r)
	}
	for _, k := range d.Keys {
		t.key(k)
	}
	t.notes(d.Notes)
	_, err := w.Write(t.Bytes())
	return err
}

type textWriter struct {
	bytes.Buffer
	TextOptions
}

// labelWidth is the column at which values begin: two blanks, the longest
// label, two blanks.
const labelWidth = 15

// style is how a part of a line is shown in colour.
type style string

const (
	plain   style = ""
	heading style = "1"
	good    style = "32"
	soon    style = "33"
	bad     style = "31"
)

func (t *textWriter) styled(s style, text string) string {
	if !t.Color || s == plain {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// section begins a part of the text, with an empty line before all but the
// first.
func (t *textWriter) section(id, what string, s style) {
	if t.Len() > 0 {
		t.WriteByte('\n')
	}
	t.WriteString(t.styled(heading, pki.Printable(id)))
	if what != "" {
		t.WriteString("  " + t.styled(s, what))
	}
	t.WriteByte('\n')
}

// field writes a label and, from the same column on, the lines of its value.
// Fields without a value are left out.
func (t *textWriter) field(label string, lines ...string) {
	for _, line := range lines {
		if line == "" {
			continue
		}
		for _, row := range wrapWords(pki.Printable(line), t.Width-labelWidth) {
			t.row(label, row)
			label = ""
		}
	}
}

func (t *textWriter) row(label, text string) {
	t.WriteString("  " + label + strings.Repeat(" ", max(1, labelWidth-2-len(label))) + text + "\n")
}

// list writes items with commas between, as many on a line as fit.
func (t *textWriter) list(label string, items []string) {
	if len(items) > 0 {
		t.field(label, strings.Join(items, ", "))
	}
}

// wrapWords breaks text at blanks. A word that is too long keeps a line of its
// own: broken, nobody could copy it.
func wrapWords(text string, width int) []string {
	if len(text) <= width {
		return []string{text}
	}
	return fill(strings.Split(text, " "), width)
}

// fill puts words on lines of at most width characters, with blanks between.
func fill(words []string, width int) []string {
	var lines []string
	var line strings.Builder
	used := 0
	for i, word := range words {
		size := utf8.RuneCountInString(word)
		if i > 0 {
			if used+1+size > width {
				lines = append(lines, line.String())
				line.Reset()
				used = 0
			} else {
				line.WriteByte(' ')
				used++
			}
		}
		line.WriteString(word)
		used += size
	}
	return append(lines, line.String())
}

func texts(list []Text) []string {
	all := make([]string, len(list))
	for i, t := range list {
		all[i] = string(t)
	}
	return all
}

func (t *textWriter) certificate(c Certificate) {
	switch {
	case c.SameAs != "":
		t.section(string(c.ID), "the same certificate as "+pki.Printable(string(c.SameAs)), plain)
		return
	case c.Error != "" && c.Version == 0:
		t.section(string(c.ID), "not a certificate that can be read", bad)
	case c.Error != "":
		t.section(string(c.ID), "a certificate that Go programs refuse", bad)
	case c.TrustAnchor:
		t.section(string(c.ID), positionText(c.Position)+", offered as a trust anchor", plain)
	default:
		t.section(string(c.ID), positionText(c.Position), plain)
	}
	t.faults(c)
	t.field("Called", string(c.FriendlyName))
	if c.Version > 0 {
		if len(c.Names) > 0 || !c.IsCA { // a CA needs none
			t.allNames(c.Names, c.NameLists)
		}
		t.field("Subject", nameText(c.Subject))
		t.validity(c.Validity)
		t.field("Issuer", nameText(c.Issuer))
		t.field("Signed by", signerText(c))
		t.field("Key", keyText(c.PublicKey, c.Keys))
		t.usages(c.Usages, c.Extensions)
		if c.Version != 3 { // all of today's are
			t.field("Version", fmt.Sprint(c.Version))
		}
		t.field("Serial", c.SerialNumber)
		t.field("Subject key", c.SubjectKeyID)
		t.field("Issuer key", c.AuthorityKeyID)
		t.field("Signature", c.SignatureAlgorithm.Name)
		t.list("Policies", texts(c.Policies))
		t.field("OCSP", texts(c.OCSPServers)...)
		t.field("Issuer at", texts(c.IssuerURLs)...)
		t.field("CRL at", texts(c.CRLURLs)...)
		t.timestamps(c.Timestamps)
		t.otherExtensions(c.Extensions)
	}
	t.field("SHA-256", c.Fingerprints.SHA256)
	t.field("SHA-1", c.Fingerprints.SHA1)
}

func positionText(p Position) string {
	switch p {
	case Leaf:
		return "leaf certificate"
	case Intermediate:
		return "intermediate CA"
	case Root:
		return "root CA"
	case SelfSigned:
		return "self-signed certificate"
	default:
		return "certificate"
	}
}

// faults tells why Go refuses the certificate, and where.
func (t *textWriter) faults(c Certificate) {
	if c.Error == "" {
		return
	}
	t.field("Error", string(c.Error))
	const most = 10
	for _, f := range c.Faults[:min(len(c.Faults), most)] {
		t.field("Fault", fmt.Sprintf("at byte %d, %s: %s", f.Offset, f.Field, f.Detail))
	}
	if more := len(c.Faults) - most; more > 0 {
		t.field("", fmt.Sprintf("and %d more", more))
	}
	t.field("Size", fmt.Sprintf("%d bytes", c.Size))
}

// allNames writes the names, those of several subjectAltName extensions apart:
// clients that take such a certificate at all go by one of them.
func (t *textWriter) allNames(names []Name, lists [][]Name) {
	if len(lists) == 0 {
		t.namesOrNone("Names", names)
		return
	}
	ordinals := [...]string{"First SAN", "Second SAN", "Third SAN"}
	for i, list := range lists {
		label := fmt.Sprintf("SAN %d", i+1)
		if i < len(ordinals) {
			label = ordinals[i]
		}
		t.namesOrNone(label, list)
	}
}

func (t *textWriter) namesOrNone(label string, names []Name) {
	if len(names) == 0 {
		t.row(label, "none")
		return
	}
	t.names(label, names)
}

// names writes names by kind, in the order in which the kinds first occur.
func (t *textWriter) names(label string, names []Name) {
	var kinds []string
	byKind := map[string][]string{}
	for _, n := range names {
		if byKind[n.Type] == nil {
			kinds = append(kinds, n.Type)
		}
		value := pki.Printable(string(n.Value))
		if value == "" {
			value = `""`
		}
		byKind[n.Type] = append(byKind[n.Type], value)
	}
	if len(names) > 20 {
		t.row(label, fmt.Sprintf("%d names", len(names)))
		label = ""
	}
	column := 0
	for _, kind := range kinds {
		column = max(column, len(kind)+2)
	}
	for _, kind := range kinds {
		prefix := kind + strings.Repeat(" ", column-len(kind))
		rows := wrapItems(byKind[kind], t.Width-labelWidth-column)
		if kind == nameKinds[kindDir] {
			rows = wrapDirNames(byKind[kind], t.Width-labelWidth-column)
		}
		for _, row := range rows {
			t.row(label, prefix+row)
			label, prefix = "", strings.Repeat(" ", column)
		}
	}
}

// wrapItems joins items with commas, as many on a line as fit.
func wrapItems(items []string, width int) []string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item + ","
	}
	words[len(words)-1] = items[len(items)-1]
	return fill(words, width)
}

// wrapDirNames begins a line with each name, for they hold commas of their own,
// and indents what does not fit on it.
func wrapDirNames(names []string, width int) []string {
	var rows []string
	for _, name := range names {
		for i, row := range wrapWords(name, width-2) {
			if i > 0 {
				row = "  " + row
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func nameText(n DistinguishedName) string {
	if n.Text == "" {
		return "(empty)"
	}
	return string(n.Text)
}

func (t *textWriter) validity(v Validity) {
	text, s := validityText(v)
	t.row("Valid", t.styled(s, text))
	if v.State != Unknown {
		t.field("", fmt.Sprintf("from %s to %s", moment(v.NotBefore), moment(v.NotAfter)))
	}
}

func moment(t time.Time) string { return t.Format("2006-01-02 15:04:05 UTC") }

// soonDays is from when on an end of validity is marked.
const soonDays = 30

// validityText says how the moment lies to the validity: "364 days left".
func validityText(v Validity) (string, style) {
	switch v.State {
	case Expired:
		return "expired " + duration(-v.SecondsLeft) + " ago", bad
	case NotYetValid:
		return "not valid until " + moment(v.NotBefore) + ", in " + duration(v.secondsToStart), bad
	case Unknown:
		return "the times cannot be read", bad
	}
	switch {
	case v.NotAfter.Year() == 9999: // RFC 5280, 4.1.2.5: no well-defined end
		return "does not expire", good
	case v.DaysLeft < soonDays:
		return duration(v.SecondsLeft) + " left", soon
	default:
		return duration(v.SecondsLeft) + " left", good
	}
}

// duration says in what a reader counts how long it is, rounded down; of many
// days also how many years they are about.
func duration(seconds int64) string {
	const year = 3652425 // ten thousandths of a day, on average
	text := days(seconds)
	if n := seconds / secondsPerDay; n >= 3*365 {
		text += fmt.Sprintf(" (%d years)", (n*10000+year/2)/year)
	}
	return text
}

func days(seconds int64) string {
	switch {
	case seconds >= 2*secondsPerDay:
		return fmt.Sprintf("%d days", seconds/secondsPerDay)
	case seconds >= 2*3600:
		return fmt.Sprintf("%d hours", seconds/3600)
	case seconds >= 120:
		return fmt.Sprintf("%d minutes", seconds/60)
	case seconds == 1:
		return "1 second"
	default:
		return fmt.Sprintf("%d seconds", seconds)
	}
}

// signerText says who signed the certificate, as far as that is here.
func signerText(c Certificate) string {
	var text string
	switch {
	case c.SelfSigned:
		text = "itself"
		if len(c.Issuers) > 0 {
			text += "; another certificate of this CA: " + idList(c.Issuers)
		}
	case len(c.Issuers) > 0:
		text = idList(c.Issuers)
	case len(c.Namesakes) > 0:
		return "not here: " + idList(c.Namesakes) + " has the issuer's name, but another key"
	case c.Error != "":
		return "not checked, since Go refuses the certificate"
	default:
		return "not here"
	}
	if c.SignatureUnchecked {
		text += " by name; Go does not check signatures of this kind"
	}
	return text
}

// idList names the first few.
func idList(ids []Text) string {
	const most = 4
	list := strings.Join(texts(ids[:min(len(ids), most)]), ", ")
	if len(ids) > most {
		more := fmt.Sprintf(" and %d more", len(ids)-most)
		if len(ids) >= maxIDs {
			more = " and many more"
		}
		list += more
	}
	return list
}

func keyText(k PublicKey, keys []Text) string {
	text := k.Text
	if k.Bits > 0 && k.Curve == "" && !strings.ContainsAny(text, "0123456789") {
		text += fmt.Sprintf(", %d bits", k.Bits)
	}
	if k.Exponent != "" && k.Exponent != "65537" {
		text += ", exponent " + k.Exponent
	}
	if len(keys) > 0 {
		text += "; private key: " + idList(keys)
	}
	return text
}

// usages writes what the key may be used for. An extension that is absent
// allows everything, which is not the same as one that allows nothing.
func (t *textWriter) usages(u Usages, extensions []Extension) {
	has := map[string]bool{}
	for _, e := range extensions {
		has[e.OID] = true
	}
	t.field("CA", caText(u))
	t.field("Key usage", usageText(u.KeyUsage, has[oidKeyUsage]))
	purposes := make([]string, len(u.ExtendedKeyUsage))
	for i, p := range u.ExtendedKeyUsage {
		purposes[i] = p + purpose(p)
	}
	t.field("Purposes", usageText(purposes, has[oidExtKeyUsage]))
	if c := u.NameConstraints; c != nil {
		t.names("Only names", c.Permitted)
		t.names("Never names", c.Excluded)
	}
}

func caText(u Usages) string {
	switch {
	case !u.IsCA:
		return "no"
	case u.MaxPathLength == nil:
		return "yes"
	case *u.MaxPathLength == 0:
		return "yes, with no CA below it (path length 0)"
	default:
		return fmt.Sprintf("yes, path length %d", *u.MaxPathLength)
	}
}

func usageText(list []string, present bool) string {
	switch {
	case len(list) > 0:
		return strings.Join(list, ", ")
	case present:
		return "none that can be read"
	default:
		return "any (not limited)"
	}
}

func purpose(name string) string {
	switch name {
	case "serverAuth":
		return " (TLS server)"
	case "clientAuth":
		return " (TLS client)"
	}
	return ""
}

func (t *textWriter) timestamps(list []Timestamp) {
	if len(list) == 0 {
		return
	}
	first := list[0].Time
	for _, s := range list {
		if s.Time.Before(first) {
			first = s.Time
		}
	}
	t.field("CT logs", fmt.Sprintf("%d timestamps, the first of %s", len(list), moment(first)))
}

// otherExtensions names those whose content is not shown.
func (t *textWriter) otherExtensions(extensions []Extension) {
	var others []string
	for _, e := range extensions {
		switch e.OID {
		case oidSubjectAltName, oidBasicConstraints, oidKeyUsage, oidExtKeyUsage, oidSubjectKeyID, oidAuthorityKeyID,
			oidNameConstraints, oidPolicies, oidAuthorityInfo, oidCRLPoints, oidSCTs:
			continue
		}
		text := e.Name
		if text == "" {
			text = e.OID
		}
		if e.Critical {
			text += " (critical)"
		}
		others = append(others, text)
	}
	t.list("Also has", others)
}

func (t *textWriter) request(r Request) {
	what, s := "signing request", plain
	switch {
	case r.Error != "" && r.PublicKey.SHA256 == "":
		what, s = "not a signing request that can be read", bad
	case r.Error != "":
		what, s = "a signing request that Go programs refuse", bad
	}
	t.section(string(r.ID), what, s)
	t.field("Error", string(r.Error))
	if r.PublicKey.SHA256 != "" {
		t.allNames(r.Names, r.NameLists)
		t.field("Subject", nameText(r.Subject))
		t.field("Key", keyText(r.PublicKey, r.Keys))
		t.field("Certificate", idList(r.Certificates))
		t.requested(r)
		signature := r.SignatureAlgorithm.Name + ", made with this key"
		if !r.SignatureValid {
			signature = r.SignatureAlgorithm.Name + ", not verified: it does not fit, or is of a kind that Go does not check"
		}
		t.field("Signature", signature)
	}
	t.field("SHA-256", r.Fingerprints.SHA256)
	t.field("SHA-1", r.Fingerprints.SHA1)
}

// requested writes what the request asks for; what it does not mention is up to
// the CA.
func (t *textWriter) requested(r Request) {
	if len(r.Extensions) == 0 {
		return
	}
	if r.IsCA {
		t.field("Asks for", "a CA certificate")
	}
	t.list("Key usage", r.KeyUsage)
	t.list("Purposes", r.ExtendedKeyUsage)
	t.field("Subject key", r.SubjectKeyID)
	t.otherExtensions(r.Extensions)
}

func (t *textWriter) key(k Key) {
	what, s := "private key", plain
	if k.Error != "" {
		what, s = "private key that cannot be read", bad
	}
	if k.Encrypted {
		what += ", encrypted"
	}
	t.section(string(k.ID), what, s)
	t.field("Error", string(k.Error))
	t.field("Called", string(k.FriendlyName))
	if k.PublicKey.SHA256 == "" {
		return
	}
	t.field("Key", keyText(k.PublicKey, nil))
	belongs := "nothing here"
	if ids := slices.Concat(k.Certificates, k.Requests); len(ids) > 0 {
		belongs = idList(ids)
	}
	t.field("Belongs to", belongs)
	t.field("Key SHA-256", k.PublicKey.SHA256)
}

func (t *textWriter) notes(notes []Note) {
	if len(notes) == 0 {
		return
	}
	t.section("Notes", "", plain)
	for _, n := range notes {
		where := string(n.ID)
		if n.Line > 0 {
			where += fmt.Sprintf(", line %d", n.Line)
		}
		for i, row := range wrapWords(pki.Printable(where+": "+string(n.Detail)), t.Width-4) {
			if i > 0 {
				t.WriteString("  ")
			}
			t.WriteString("  " + row + "\n")
		}
	}
}
