package spec

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// cfsslRef names the files of cfssl's from which an entry takes what it does
// not say itself.
type cfsslRef struct {
	request, config, profile string
	// data is the content of request when it is at hand already.
	data []byte
}

// isCFSSLRequest recognises the fields of `cfssl print-defaults csr`, which no
// spec has at its top. cfssl writes and reads JSON alone: in YAML they are
// mistakes in a spec.
func isCFSSLRequest(n *node) bool {
	if n.kind != isMap || n.get("version") != nil || n.get("cas") != nil || n.get("certs") != nil {
		return false
	}
	for _, key := range []string{"CN", "hosts", "key", "names", "ca"} {
		if n.get(key) != nil {
			return true
		}
	}
	return false
}

// Names of the files when a request of cfssl's stands in place of a spec: as
// gen calls them without one.
const (
	cfsslCAName   = "ca"
	cfsslLeafName = "tls"
)

// wrapCFSSL makes a spec of a request: the CA it asks for, or the certificate
// and the CA that signs it.
func (r *reader) wrapCFSSL(data []byte) {
	r.spec.FromCFSSL = true
	pos := Position{File: r.spec.Source}
	ref := cfsslRef{request: r.spec.Source, config: r.options.CFSSLConfig, profile: r.options.Profile, data: data}
	ca := caEntry{CA: CA{Entry: Entry{Name: cfsslCAName, Pos: pos}, PathLen: -1}}
	request, err := issue.ParseCFSSLRequest(data)
	if err == nil && request.CA != nil {
		ca.cfssl = ref
		r.applyCFSSLToCA(&ca)
		r.spec.CAs = append(r.spec.CAs, ca.CA)
		return
	}
	ca.From = r.options.CA
	r.spec.CAs = append(r.spec.CAs, ca.CA)
	leaf := certEntry{Cert: Cert{Entry: Entry{Name: cfsslLeafName, Pos: pos}}, cfssl: ref}
	before := len(r.problems)
	r.applyCFSSL(&leaf)
	leaf.broken = len(r.problems) > before
	r.spec.Certs = append(r.spec.Certs, leaf.Cert)
}

// applyCFSSL fills what the entry of a certificate does not say. Names are
// added.
func (r *reader) applyCFSSL(e *certEntry) {
	pos := e.pos("cfssl")
	if req, ok := r.request(pos, e.cfssl); ok {
		if req.CA != nil {
			r.failf(pos, "%s is a request for a CA: it belongs under cas", e.cfssl.request)
		}
		e.Names = append(append(pki.Names{}, req.Request.Names...), e.Names...)
		if e.KeyType == "" {
			e.KeyType = req.KeyType
		}
		if _, said := e.at["subject"]; !said {
			e.Subject = req.Request.Subject
		}
	}
	p, ok := r.profile(&e.Entry, e.cfssl)
	if !ok {
		return
	}
	if p.CA {
		r.failf(e.pos("profile"), "the profile %q signs CAs: it belongs to an entry of cas", profileName(e.cfssl))
	}
	if e.Lifetime == 0 {
		e.Lifetime = p.Lifetime
	}
	e.Client, e.NoServer = e.Client || p.Client, p.Client && !p.Server
}

// applyCFSSLToCA fills what the entry of a CA does not say. cfssl makes a CA
// also of requests without a section "ca" (gencert -initca).
func (r *reader) applyCFSSLToCA(e *caEntry) {
	_, saysPathLen := e.at["path-len"]
	if req, ok := r.request(e.pos("cfssl"), e.cfssl); ok {
		if e.KeyType == "" {
			e.KeyType = req.KeyType
		}
		if _, said := e.at["subject"]; !said {
			e.Subject = req.Request.Subject
		}
		if e.Lifetime == 0 {
			e.Lifetime = req.Lifetime
		}
		if req.CA != nil && !saysPathLen {
			e.PathLen = req.CA.PathLen
		}
	}
	p, ok := r.profile(&e.Entry, e.cfssl)
	if !ok {
		return
	}
	if e.Lifetime == 0 {
		e.Lifetime = p.Lifetime
	}
	if p.CA && e.PathLen < 0 && !saysPathLen {
		e.PathLen = p.PathLen
	}
}

// request reads the certificate request of ref, if it names one.
func (r *reader) request(pos Position, ref cfsslRef) (issue.CFSSLRequest, bool) {
	if ref.request == "" {
		return issue.CFSSLRequest{}, false
	}
	if ref.data != nil { // pos names the file
		req, err := issue.ParseCFSSLRequest(ref.data)
		return req, r.took(pos, ref, req, err)
	}
	data, err := r.file(ref.request)
	if err != nil {
		r.fail(pos, err)
		return issue.CFSSLRequest{}, false
	}
	req, err := issue.ParseCFSSLRequest(data)
	return req, r.took(pos, ref, req, named(ref.request, err))
}

// took reports whether a request could be read, and passes on its remarks.
func (r *reader) took(pos Position, ref cfsslRef, req issue.CFSSLRequest, err error) bool {
	if err != nil {
		r.fail(pos, err)
		return false
	}
	r.remark(Position{File: ref.request}, req.Remarks)
	return true
}

// named puts the file in front of what is wrong with it, each in turn.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	var errs []error
	for line := range strings.Lines(err.Error()) {
		errs = append(errs, fmt.Errorf("%s: %s", path, strings.TrimRight(line, "\n")))
	}
	return errors.Join(errs...)
}

func (r *reader) file(path string) ([]byte, error) {
	if r.options.File == nil {
		return nil, fmt.Errorf("%s: files beside the spec are not read here", path)
	}
	data, err := r.options.File(path)
	if err == nil && len(data) > maxBytes {
		err = fmt.Errorf("%s: the file has more than %d KiB", path, maxBytes>>10)
	}
	return data, err
}

func profileName(ref cfsslRef) string {
	if ref.profile == "" {
		return "default"
	}
	return ref.profile
}

// profile finds the signing profile that an entry asks for: by naming one, or
// by taking a request of cfssl's while there is a configuration.
func (r *reader) profile(e *Entry, ref cfsslRef) (issue.CFSSLProfile, bool) {
	pos, path := e.pos("profile"), ref.config
	if path == "" && (ref.profile != "" || ref.request != "") {
		path = r.defaults.cfsslConfig
	}
	if path == "" {
		if ref.profile != "" {
			r.failf(pos, "profile %q: of which configuration? Give cfssl-config: the file with cfssl's signing profiles", ref.profile)
		}
		return issue.CFSSLProfile{}, false
	}
	profiles, err := r.config(path)
	if err != nil {
		r.fail(pos, err)
		return issue.CFSSLProfile{}, false
	}
	p, ok := profiles[profileName(ref)]
	if !ok {
		r.failf(pos, "profile %q is not in %s: there are %s", profileName(ref), path, strings.Join(slices.Sorted(maps.Keys(profiles)), ", "))
		return p, false
	}
	r.remark(Position{File: path}, p.Remarks)
	return p, true
}

// config reads each configuration once.
func (r *reader) config(path string) (map[string]issue.CFSSLProfile, error) {
	if p, ok := r.profiles[path]; ok {
		return p, nil
	}
	data, err := r.file(path)
	if err != nil {
		return nil, err
	}
	p, err := issue.ParseCFSSLConfig(data)
	if err != nil {
		return nil, named(path, err)
	}
	if r.profiles == nil {
		r.profiles = map[string]map[string]issue.CFSSLProfile{}
	}
	r.profiles[path] = p
	return p, nil
}
