package spec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// ReadOptions tune [Read]. The zero value will do for a spec that refers to no
// other file.
type ReadOptions struct {
	// File gives the content of a file that the spec refers to. Paths are as
	// the spec has them: relative to its own folder unless absolute.
	File func(path string) ([]byte, error)
	// CFSSLConfig and Profile belong to a certificate request of cfssl's that
	// stands in place of a spec: the signing configuration and which of its
	// profiles to use.
	CFSSLConfig, Profile string
	// CA is to sign such a request; nil has one made.
	CA *Files
}

// Read makes a Spec of YAML or JSON text, or of a certificate request of
// cfssl's. The error is [Problems]: all that is wrong, each with its line and
// column.
func Read(source string, data []byte, o ReadOptions) (*Spec, error) {
	tree, err := parse(source, data)
	if err != nil {
		return nil, asProblems(err)
	}
	r := &reader{spec: &Spec{Source: source, OutDir: DefaultOutDir}, options: o}
	if request := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")); isCFSSLRequest(tree) && json.Valid(request) {
		r.wrapCFSSL(request)
	} else {
		r.top(tree)
	}
	r.spec.index()
	r.check()
	if len(r.problems) > 0 {
		return nil, r.sorted()
	}
	return r.spec, nil
}

func asProblems(err error) error {
	var all Problems
	if errors.As(err, &all) {
		return all
	}
	var one Problem
	if errors.As(err, &one) {
		return Problems{one}
	}
	return err
}

// reader fills a Spec from a tree and collects what is wrong on the way.
type reader struct {
	spec     *Spec
	options  ReadOptions
	defaults defaults
	problems Problems
	profiles map[string]map[string]issue.CFSSLProfile // by path of the configuration
}

type defaults struct {
	keyType                           issue.KeyType
	lifetime, caLifetime, renewBefore time.Duration
	client, reuseKey                  bool
	cfsslConfig                       string
}

func (r *reader) failf(pos Position, format string, args ...any) {
	r.problems = append(r.problems, Problem{Pos: pos, Message: fmt.Sprintf(format, args...)})
}

// fail tells each part of a joined error by itself, on one line.
func (r *reader) fail(pos Position, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			r.fail(pos, e)
		}
		return
	}
	r.failf(pos, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
}

func (r *reader) remark(pos Position, remarks []string) {
	for _, text := range remarks {
		r.spec.Remarks = append(r.spec.Remarks, Problem{Pos: pos, Message: text})
	}
}

func (r *reader) sorted() Problems {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return slices.Compact(r.problems)
}

func (r *reader) top(n *node) {
	if n.kind != isMap {
		r.failf(n.pos, "a spec begins with version: 1, but this is %s", n.describe())
		return
	}
	if n.get("signing") != nil && n.get("version") == nil {
		r.failf(n.pos, "this is a signing configuration of cfssl's: give the certificate request with --spec, and this file with --spec-config")
		return
	}
	// Entries take the defaults, wherever those stand in the file.
	if d := n.get("defaults"); d != nil {
		r.readDefaults(d)
	}
	at := r.mapping(n, "the spec", r.topFields())
	if _, ok := at["version"]; !ok {
		r.failf(n.pos, "version is missing: begin the file with version: 1")
	}
}

func (r *reader) readDefaults(n *node) {
	at := r.mapping(n, "defaults", r.defaultFields())
	if d := r.defaults; d.renewBefore > 0 && d.lifetime > 0 && d.renewBefore >= d.lifetime {
		r.failf(at["renew-before"], "renew-before is not shorter than validity: every run would renew")
	}
}

// ca reads an entry of cas.
func (r *reader) ca(n *node) {
	before := len(r.problems)
	e := caEntry{CA: CA{PathLen: -1}}
	r.begin(&e.Entry, n, "an entry of cas", r.caFields(&e))
	if e.From != nil {
		r.onlyFrom(&e)
	} else {
		r.applyCFSSLToCA(&e)
		e.KeyType = cmp.Or(e.KeyType, r.defaults.keyType)
		e.Lifetime = cmp.Or(e.Lifetime, r.defaults.caLifetime)
	}
	e.broken = len(r.problems) > before
	r.spec.CAs = append(r.spec.CAs, e.CA)
}

func (r *reader) begin(e *Entry, n *node, where string, fields []field) {
	before := len(r.problems)
	e.Pos = n.pos
	if n.kind == isNull {
		r.failf(n.pos, "%s is empty", where)
		return
	}
	e.at = r.mapping(n, where, fields)
	if _, ok := e.at["name"]; !ok && len(r.problems) == before {
		r.failf(n.pos, "name is missing: it becomes the name of the files")
	}
}

// onlyFrom refuses wishes about a CA that is used as it is.
func (r *reader) onlyFrom(e *caEntry) {
	if e.From.Cert == "" {
		r.failf(e.pos("from"), "from needs cert: the file with the CA's certificate")
	}
	for _, f := range r.caFields(&caEntry{}) {
		if pos, ok := e.at[f.name]; ok && f.name != "name" && f.name != "from" {
			r.failf(pos, "%s says how to make a CA, but this one is taken from a file as it is", f.name)
		}
	}
}

// cert reads an entry of certs.
func (r *reader) cert(n *node) {
	before := len(r.problems)
	e := certEntry{}
	e.Client, e.ReuseKey = r.defaults.client, r.defaults.reuseKey
	r.begin(&e.Entry, n, "an entry of certs", r.certFields(&e))
	if _, said := e.at["reuse-key"]; e.SelfSigned && !said {
		e.ReuseKey = true // clients trust the certificate by its key
	}
	r.applyPresets(&e)
	r.applyCFSSL(&e)
	e.Names = pki.Names{}.With(e.Names...)
	e.KeyType = cmp.Or(e.KeyType, r.defaults.keyType)
	e.Lifetime = cmp.Or(e.Lifetime, r.defaults.lifetime)
	e.RenewBefore = cmp.Or(e.RenewBefore, r.defaults.renewBefore)
	e.broken = len(r.problems) > before
	r.spec.Certs = append(r.spec.Certs, e.Cert)
}

// applyPresets adds the names of the presets behind those that were given. A
// service is a preset by itself, as it is among the flags.
func (r *reader) applyPresets(e *certEntry) {
	presets := e.presets
	if e.preset.Service != "" && !slices.ContainsFunc(presets, func(p placed) bool { return p.text == servicePreset }) {
		presets = append(presets, placed{servicePreset, e.pos("service")})
	}
	var reads []string
	for _, p := range presets {
		preset, err := issue.FindPreset(p.text)
		if err != nil {
			r.fail(p.pos, err)
			return
		}
		reads = append(reads, preset.Reads...)
		names, err := preset.Names(e.preset)
		if err != nil {
			r.fail(p.pos, err)
		}
		e.Names = append(e.Names, names...)
	}
	for _, key := range []string{"namespace", "release", "service", "cluster-domain", "ha"} {
		if pos, ok := e.at[key]; ok && !slices.Contains(reads, key) {
			r.failf(pos, "%s has no effect: it is for a preset that reads it", key)
		}
	}
}

const servicePreset = "in-cluster-service"
