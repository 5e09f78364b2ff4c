// Package k8ssecret reads what people deploy certificates with: Secret and
// ConfigMap manifests, Helm values and --set strings, the protected settings of
// an Azure extension, cert-manager Certificates, .env files, and the commands
// in shell scripts and Markdown that make all of these. Start with [Read].
//
// It reaches no cluster and opens no file. What is wrong with the packaging,
// and no longer to be seen in the certificates inside, becomes a [pki.Note];
// their IDs are in notes.go. No note and no error ever holds a value, only the
// names of keys and variables.
package k8ssecret

import (
	"errors"
	"fmt"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// Kinds of units.
const (
	KindSecret        = "secret"
	KindConfigMap     = "configmap"
	KindCertificate   = "certificate"    // of cert-manager
	KindTemplate      = "template"       // not judged: a Helm template, a kustomize generator
	KindHelmValues    = "helm-values"    // of the connected registry's chart
	KindAzureSettings = "azure-settings" // --config-protected-file of az k8s-extension
	KindEnv           = "env"
	KindSet           = "set" // helm --set strings
	KindScript        = "script"
)

// Unit is what is judged together: one Secret, one values file.
type Unit struct {
	// Target is the source, and behind it which of several objects: "all.yaml:
	// Secret infra/registry-tls".
	Target string
	Kind   string
	// Name and Namespace are those of the manifest, "" when it has none.
	Name, Namespace string
	// Origin is where the unit begins.
	Origin   pki.Origin
	Material pki.Material
	// Hosts are the names by which clients dial, as far as the unit says.
	Hosts []Host
	// Names are those that a cert-manager Certificate asks for.
	Names pki.Names
}

// Host is a name by which clients dial, and where that is known from.
type Host struct {
	Name pki.Name
	// From is the field that says so: "service.clusterIP".
	From   string
	Origin pki.Origin
}

// maxBytes bounds one source. The API server takes objects of some 1.5 MiB.
const maxBytes = 32 << 20

// maxNotes bounds what is noted about one unit: nobody reads more.
const maxNotes = 10_000

// Read reads what data holds, by its content and the name of its source, as
// [Sniff] does. Documents that have nothing to do with certificates give no
// unit. Positions are those in data.
//
// The error joins a [format.Error] for each document that cannot be read; the
// units of the others are in the result all the same. Of opt, the password is
// for PKCS#12 keystores; an encrypted key without one is material like any
// other.
func Read(source string, data []byte, opt format.Options) ([]Unit, error) {
	if len(data) > maxBytes {
		return nil, tooLarge(source)
	}
	r := newReader(source, toUTF8(data), opt)
	switch Sniff(source, data) {
	case KindSecret, KindConfigMap, KindCertificate, KindTemplate:
		r.manifests()
	case KindHelmValues:
		r.valuesFile()
	case KindAzureSettings:
		r.settingsFile()
	case KindEnv:
		r.envFile()
	case KindScript:
		r.script()
	}
	return r.units, errors.Join(r.errs...)
}

// reader reads one source, or one part of it.
type reader struct {
	source string
	src    *tree.Source
	opt    format.Options
	units  []Unit
	errs   []error
	// line and column are added to positions in src when that is a part of the
	// source: a block of code in Markdown. The column counts in its first line,
	// indent in all.
	line, column, indent int
	// quiet is for examples in documents, whose values are not meant: then the
	// structure alone is judged.
	quiet bool
	// elided: the text leaves something out, as examples do.
	elided bool
	// pieces are the texts that src was joined of, nil when it is one.
	pieces []piece
	// blocks are the lines on which the PEM blocks of the value blocksOf begin.
	blocksOf *tree.Node
	blocks   []int
	// issuers are the Secrets that issuers in the same source sign with.
	issuers []string
}

func newReader(source, text string, opt format.Options) *reader {
	return &reader{source: source, src: &tree.Source{Text: text}, opt: opt}
}

// origin points to offset.
func (r *reader) origin(field string, offset int) pki.Origin {
	line, column := r.src.Pos(offset)
	if line == 1 {
		column += r.column
	}
	o := pki.Origin{Source: r.source, Field: field, Line: line + r.line, Column: column + r.indent}
	for _, p := range r.pieces {
		if p.start <= offset {
			first, _ := r.src.Pos(p.start)
			o.Source, o.Line = p.source, line-first+1
		}
	}
	return o
}

// note takes a note about the place at offset.
func (r *reader) note(u *Unit, rule, field string, offset int, format string, args ...any) {
	if len(u.Material.Notes) >= maxNotes {
		return
	}
	u.Material.Notes = append(u.Material.Notes, pki.Note{Rule: rule, Origin: r.origin(field, offset), Detail: fmt.Sprintf(format, args...)})
}

// fail keeps an error about the place at offset.
func (r *reader) fail(offset int, err error) {
	r.errs = append(r.errs, &format.Error{Origin: r.origin("", offset), Err: err})
}

// text is what stands in the source for n.
func (r *reader) text(n *tree.Node) string { return r.src.Text[n.Start:n.End] }

// unit begins a unit at offset.
func (r *reader) unit(kind string, offset int) Unit {
	return Unit{Target: r.source, Kind: kind, Origin: r.origin("", offset)}
}

// join writes a path: "items[2].data" and "tls.crt" to "items[2].data.tls.crt".
func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

// list writes words for a message: "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
