// Package clients says, client by client, who would accept what a server
// presents, and in which words the others refuse. Go's, OpenSSL's and GnuTLS'
// verdicts are computed by inspect/verify, which is proved against the programs;
// what is said of others stands in the pages of the rules, with its source.
package clients

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/rules"
	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// Verdict is what one client says.
type Verdict = inspect.ClientVerdict

// The ground on which a verdict stands.
const (
	// Measured: computed by a judge that is held against the program itself.
	Measured = "measured"
	// Sourced: from the program's source or its makers' word.
	Sourced = "source"
)

// Names of the clients, in the order of the verdicts.
const (
	GoClients     = "docker, containerd, podman, CRI-O, kubelet (Go)"
	GoServers     = "distribution, zot, Harbor (Go servers)"
	OpenSSL       = "OpenSSL clients (curl, wget, Python)"
	OpenSSLLevel2 = "OpenSSL at security level 2 (Debian, Ubuntu)"
	GnuTLS        = "GnuTLS clients (certtool, Debian's apt and wget)"
)

// Judge asks every client. The zero host leaves names out.
func Judge(e *inspect.Evidence, host pki.Name) []Verdict {
	if len(e.Material.Certs) == 0 || len(e.Material.Anchors) == 0 {
		return nil
	}
	j := judge{e, e.Material.Certs, host.Value}
	out := j.goClients()
	out = append(out, j.goServers())
	out = append(out, j.openSSL(OpenSSL, 0), j.openSSL(OpenSSLLevel2, 2), j.gnuTLS())
	for i := range out {
		out[i].Host = host.Value
	}
	return append(out, others(e, host)...)
}

type judge struct {
	*inspect.Evidence
	// chain is what the server sends, in the order found.
	chain []pki.Cert
	host  string
}

func measured(client, versions string, err error) Verdict {
	v := Verdict{Client: client, Versions: versions, Accepts: err == nil, Basis: Measured}
	if err != nil {
		v.Message = err.Error()
	}
	return v
}

// The releases of Go that differ, and who is built with them: a GODEBUG default
// goes by the go line of the program's go.mod, and docker was built without one
// up to version 28.
const (
	goAll    = "Go 1.18 and later"
	goNew    = "Go 1.24 and later: docker 29, containerd 1.7.34, 2.1.9, 2.2 and 2.3, CRI-O 1.33"
	goBefore = "before Go 1.24: containerd 1.6.39 and 2.0.11, docker 28"
	go123    = "Go 1.23 and later: docker 29, containerd 1.6.39, 2.0.11 and later, CRI-O 1.33"
	go122    = "before Go 1.23: docker 28 and before, containerd 1.7.0 and 2.0.0, CRI-O 1.31"
)

// goClients gives one verdict, or two when releases differ.
func (j judge) goClients() []Verdict {
	err := j.goClient()
	versions, older := goAll, ""
	switch {
	case err == nil:
	case j.onlyFault(lenient.SerialNegative):
		versions, older = go123, go122
	case strings.Contains(err.Error(), "-bit keys are insecure"):
		versions, older = goNew, goBefore
	}
	out := []Verdict{measured(GoClients, versions, err)}
	if older != "" {
		// Older releases lack this one check; for the rest OpenSSL's judge stands in,
		// since this program's own Go has it.
		v := Verdict{Client: GoClients, Versions: older, Accepts: true, Basis: Sourced}
		if !j.verdict(0).OK() {
			return out // what they say is not known
		}
		out = append(out, v)
	}
	return out
}

// onlyFault is true when the DER of what is presented has this fault alone, as
// far as Go's parser is concerned.
func (j judge) onlyFault(rule string) bool {
	found := false
	for _, c := range j.chain {
		_, faults := lenient.Read(c.Raw)
		for _, f := range faults {
			if c.Err != nil && f.Rule != rule {
				return false
			}
			found = found || f.Rule == rule
		}
	}
	return found
}

// goClient is a handshake of Go's crypto/tls with a Go server.
func (j judge) goClient() error {
	leaf := inspect.NewSubject(j.chain[0], inspect.Leaf)
	if err := handshake(leaf.View.Key); err != nil && leaf.X509 != nil {
		return err
	}
	if err := (verify.Go{Presented: j.chain, Trusted: j.Material.Anchors, Host: j.host, At: j.Now}).Verify(); err != nil {
		return err
	}
	// handshake_client.go, verifyServerCertificate.
	switch leaf.X509.PublicKey.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("tls: server's certificate contains an unsupported type of public key: %T", leaf.X509.PublicKey)
}

const (
	oidRSA    = "1.2.840.113549.1.1.1"
	oidRSAPSS = "1.2.840.113549.1.1.10"
	oidDSA    = "1.2.840.10040.4.1"
	oidEd448  = "1.3.101.113"
	curveP224 = "1.3.132.0.33"
)

// handshake says what keeps a server with this key from signing in a handshake:
// the client learns it before it sees the certificate. Lengths are those at
// which crypto/tls has no scheme left (512 bits are too few for PSS with
// SHA-256) or crypto/rsa refuses to sign (below 1024).
func handshake(key lenient.PublicKey) error {
	switch {
	case key.Curve == curveP224, key.Algorithm == oidRSA && key.Bits > 0 && key.Bits < 528:
		return errors.New("remote error: tls: handshake failure")
	case key.Algorithm == oidRSA && key.Bits > 0 && key.Bits < 1024:
		return errors.New("remote error: tls: internal error")
	case key.Algorithm == oidRSA && key.Bits > 8192:
		return errors.New("tls: server sent certificate containing RSA key larger than 8192 bits")
	}
	return nil
}

// goServers is tls.X509KeyPair, by which registries written in Go begin.
func (j judge) goServers() Verdict {
	leaf := inspect.NewSubject(j.chain[0], inspect.Leaf)
	err := verify.Unparsed(j.chain[0])
	if err == nil {
		switch leaf.View.Key.Algorithm {
		case oidDSA, oidEd448, oidRSAPSS:
			err = errors.New("tls: failed to parse private key")
		}
	}
	// The first key is the one that is loaded.
	if keys := j.Material.Keys; err == nil && len(keys) > 0 && keys[0].Signer != nil &&
		!pki.SamePublicKey(keys[0].Public(), leaf.X509.PublicKey) {
		err = errors.New("tls: private key does not match public key")
	}
	versions := goAll
	if err != nil && j.onlyFault(lenient.SerialNegative) {
		versions = go123
	}
	return measured(GoServers, versions, err)
}

func (j judge) verdict(level int) verify.Verdict {
	return verify.OpenSSL{
		Presented: j.chain, Trusted: j.Material.Anchors, Host: j.host, At: j.Now, Purpose: verify.Server, AuthLevel: level,
	}.Verify()
}

func (j judge) openSSL(client string, level int) Verdict {
	v := Verdict{Client: client, Versions: "OpenSSL 3.0 and later", Accepts: true, Basis: Measured}
	verdict := j.verdict(level)
	if len(verdict.Unreadable) > 0 {
		v.Accepts, v.Message = false, "Unable to load certificate"
		return v
	}
	var texts []string
	for _, p := range verdict.Problems {
		v.Accepts = false
		text := fmt.Sprintf("error %d at %d depth lookup: %s", p.Code, p.Depth, p.Code.Text())
		if verdict.UndecodableKey && p.Code == verify.CodeUnspecified {
			// Only the error queue says it.
			text = "unable to get certs public key (decode error)"
		}
		texts = append(texts, text)
	}
	v.Message = strings.Join(texts, "; ")
	return v
}

func (j judge) gnuTLS() Verdict {
	return measured(GnuTLS, "GnuTLS 3.7", verify.GnuTLS{Presented: j.chain, Trusted: j.Material.Anchors, Host: j.host, At: j.Now}.Verify())
}

// others are the clients of which only the pages of rules speak: whoever is
// named there as refusing what is found here.
func others(e *inspect.Evidence, host pki.Name) (out []Verdict) {
	all := rules.All()
	refusals := map[string][]inspect.Refusal{}
	for _, r := range all {
		for _, refusal := range r.Doc.Refusals {
			if !judged(refusal.Client) {
				refusals[r.ID] = append(refusals[r.ID], refusal)
			}
		}
	}
	seen := map[string]bool{}
	for _, f := range inspect.Run(e, inspect.Options{Rules: all}).Findings {
		for _, r := range refusals[f.Rule] {
			if key := r.Client + r.Message; !seen[key] {
				seen[key] = true
				out = append(out, Verdict{Host: host.Value, Client: r.Client, Versions: r.Since, Message: r.Message, Basis: Sourced})
			}
		}
	}
	return out
}

// judged is true for clients whose verdict is computed.
func judged(client string) bool {
	for _, known := range []string{"Go", "OpenSSL", "openssl", "GnuTLS", "kubectl"} {
		if strings.HasPrefix(client, known) {
			return true
		}
	}
	return false
}
