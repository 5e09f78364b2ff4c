package issue

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cloudflare/cfssl/csr"

	"github.com/crpki/crpki/pki"
)

// CFSSLRequest is what a certificate request of cfssl's (csr.json) asks for.
type CFSSLRequest struct {
	KeyType KeyType
	// Request is for a leaf, CA for a CA: the latter is nil unless the file has
	// a section "ca". Neither has a validity yet.
	Request Request
	CA      *CARequest
	// Lifetime is ca.expiry, 0 when it is not given.
	Lifetime time.Duration
	// Remarks say what was normalised or passed over.
	Remarks []string
}

// ParseCFSSLRequest reads cfssl's certificate request JSON. Hosts are sorted
// into kinds by [pki.ParseName], not by cfssl's guess, and the common name
// becomes one of the names when it is a host, which cfssl forgets.
func ParseCFSSLRequest(data []byte) (CFSSLRequest, error) {
	var in csr.CertificateRequest
	var r CFSSLRequest
	err := json.Unmarshal(data, &in)
	if err != nil {
		return r, fmt.Errorf("cfssl certificate request: %w", err)
	}
	r.Remarks = unknownFields(data, "CN", "names", "hosts", "key", "ca", "serialnumber")
	if r.Request.Subject, err = in.Name(); err != nil {
		return r, fmt.Errorf("cfssl certificate request: names: %w", err)
	}
	r.KeyType, err = cfsslKeyType(in.KeyRequest)
	if err := errors.Join(err, r.caSection(in.CA), r.hosts(in)); err != nil {
		return r, fmt.Errorf("cfssl certificate request: %w", err)
	}
	return r, nil
}

// hosts takes the names. An empty host, which stands in many an example, is
// none.
func (r *CFSSLRequest) hosts(in csr.CertificateRequest) error {
	given := slices.DeleteFunc(slices.Clone(in.Hosts), func(h string) bool { return strings.TrimSpace(h) == "" })
	if r.CA != nil {
		if len(given) > 0 {
			r.Remarks = append(r.Remarks, "hosts are passed over: a CA has none")
		}
		return nil
	}
	names, remarks, err := pki.ParseNames(0, given)
	r.Remarks = append(r.Remarks, remarks...)
	if host, ok := hostIn(in.CN); ok {
		if !slices.Contains(names, host) {
			r.Remarks = append(r.Remarks, fmt.Sprintf("the common name %q became one of the names", in.CN))
		}
		names = pki.Names{host}.With(names...)
		r.Request.Subject.CommonName = host.Value
	}
	r.Request.Names = names
	return err
}

// cfsslKeyType takes cfssl's {"algo": "ecdsa", "size": 256}.
func cfsslKeyType(key *csr.KeyRequest) (KeyType, error) {
	if key == nil {
		return ECDSAP256, nil
	}
	for _, k := range keyKinds() {
		if k.algo == key.A && (k.size == key.S || k.size == 0) {
			return k.name, nil
		}
	}
	return "", fmt.Errorf("key: algorithm %q with size %d: not one of %s", key.A, key.S, joinKeyTypes())
}

// caSection takes cfssl's {"expiry": "87600h", "pathlen": 0, "pathlenzero": true}.
func (r *CFSSLRequest) caSection(in *csr.CAConfig) error {
	if in == nil {
		return nil
	}
	r.CA = &CARequest{Subject: r.Request.Subject, PathLen: cfsslPathLen(in.PathLength, in.PathLenZero)}
	if in.Backdate != "" {
		r.Remarks = append(r.Remarks, "ca.backdate is passed over: crpki sets notBefore back by itself")
	}
	if in.Expiry == "" {
		return nil
	}
	var err error
	if r.Lifetime, err = ParseLifetime(in.Expiry); err != nil {
		return fmt.Errorf("ca.expiry: %w", err)
	}
	return nil
}

// cfsslPathLen: 0 counts only when it is said twice.
func cfsslPathLen(n int, zero bool) int {
	if n == 0 && !zero {
		return -1
	}
	return n
}

// CFSSLProfile is a profile of a signing configuration of cfssl's.
type CFSSLProfile struct {
	// Lifetime is 0 when the profile has no expiry.
	Lifetime time.Duration
	Server   bool
	Client   bool
	// CA profiles sign intermediates, with PathLen -1 for none.
	CA      bool
	PathLen int
	Remarks []string
}

// cfssl's configuration, of which package config would bring zlint along.
type (
	cfsslConfig struct {
		Signing struct {
			Default  *cfsslProfile            `json:"default"`
			Profiles map[string]*cfsslProfile `json:"profiles"`
		} `json:"signing"`
	}
	cfsslProfile struct {
		Usages       []string `json:"usages"`
		Expiry       string   `json:"expiry"`
		CAConstraint struct {
			IsCA           bool `json:"is_ca"`
			MaxPathLen     int  `json:"max_path_len"`
			MaxPathLenZero bool `json:"max_path_len_zero"`
		} `json:"ca_constraint"`
	}
)

// ParseCFSSLConfig reads the profiles of cfssl's signing configuration
// (config.json) by name; the default one is called "default". What a profile
// leaves out it takes from there.
func ParseCFSSLConfig(data []byte) (map[string]CFSSLProfile, error) {
	var in cfsslConfig
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("cfssl signing configuration: %w", err)
	}
	all := map[string]*cfsslProfile{}
	maps.Copy(all, in.Signing.Profiles)
	if in.Signing.Default != nil {
		all["default"] = in.Signing.Default
	}
	if len(all) == 0 {
		return nil, errors.New(`cfssl signing configuration: it has no "signing" section with profiles`)
	}
	profiles, errs := map[string]CFSSLProfile{}, []error{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p, err := all[name].profile(in.Signing.Default)
		if err != nil {
			errs = append(errs, fmt.Errorf("cfssl signing configuration: profile %q: %w", name, err))
		}
		profiles[name] = p
	}
	return profiles, errors.Join(errs...)
}

func (p *cfsslProfile) profile(fallback *cfsslProfile) (CFSSLProfile, error) {
	out := CFSSLProfile{PathLen: -1}
	if p == nil {
		return out, errors.New("it is null")
	}
	expiry := p.Expiry
	if expiry == "" && fallback != nil {
		expiry = fallback.Expiry
	}
	for _, usage := range p.Usages {
		out.usage(usage)
	}
	if p.CAConstraint.IsCA {
		out.CA, out.PathLen = true, cfsslPathLen(p.CAConstraint.MaxPathLen, p.CAConstraint.MaxPathLenZero)
	}
	var err error
	if expiry != "" {
		out.Lifetime, err = ParseLifetime(expiry)
	}
	return out, err
}

// usage takes one of cfssl's usages. Those that follow from the key, or from
// being a CA, need no saying.
func (p *CFSSLProfile) usage(text string) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "server auth":
		p.Server = true
	case "client auth":
		p.Client = true
	case "signing", "digital signature", "key encipherment", "key agreement", "cert sign", "crl sign":
	default:
		p.Remarks = append(p.Remarks, fmt.Sprintf("usage %q is passed over: crpki makes certificates of servers and clients", text))
	}
}

// unknownFields remarks on the fields of a JSON object that crpki does not use.
func unknownFields(data []byte, known ...string) []string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return nil
	}
	var remarks []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			remarks = append(remarks, fmt.Sprintf("field %q is passed over", name))
		}
	}
	return remarks
}
