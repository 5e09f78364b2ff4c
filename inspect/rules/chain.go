package rules

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
)

func chain() []inspect.Rule {
	return []inspect.Rule{
		{
			ID: "chain-leaf-not-first", Group: Chain, Severity: inspect.Error, Needs: inspect.NeedLeaf, Check: leafNotFirst,
			Doc: inspect.Doc{
				Title: "The server's certificate is not the first in its file.",
				Why:   "A TLS server takes the first certificate as its own: it does not start, since the key does not fit, or it presents the CA.",
				Refusals: []inspect.Refusal{
					{Client: "Go servers (distribution, zot, Harbor)", Message: "tls: private key does not match public key"},
					{Client: goClients, Message: "x509: certificate is not valid for any names, but wanted to match reg.example.com"},
				},
				Fix: "crpki bundle tls.crt --out tls.crt --force", FixOpenSSL: "cat server.crt intermediate.crt > tls.crt",
				Sources: []string{"RFC 8446 4.4.2"}, Since: since,
			},
		},
		{
			ID: "chain-order", Group: Chain, Severity: inspect.Warning, Needs: inspect.NeedLeaf, Check: wrongOrder,
			Doc: inspect.Doc{
				Title: "The intermediates are not in order.",
				Why:   "Go, OpenSSL and GnuTLS sort them; embedded clients and older Java do not.",
				Fix:   "crpki bundle tls.crt --out tls.crt --force", FixOpenSSL: "cat server.crt intermediate.crt > tls.crt",
				Sources: []string{"RFC 5246 7.4.2", "RFC 8446 4.4.2"}, Since: since,
			},
		},
		{
			ID: "chain-intermediate-missing", Group: Chain, Severity: inspect.Error, Needs: inspect.NeedLeaf | inspect.NeedAnchors, Check: intermediateMissing,
			Doc: inspect.Doc{
				Title: "An intermediate certificate is missing.",
				Why:   "Browsers fetch or remember it; registry clients do neither. The file must hold the leaf and every CA up to, not including, the root.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate signed by unknown authority"},
					{Client: openssl, Message: "error 20: unable to get local issuer certificate"},
					{Client: gnutls, Message: "The certificate issuer is unknown."},
				},
				Fix: "crpki bundle tls.crt intermediate.crt --out tls.crt --force", FixOpenSSL: "cat server.crt intermediate.crt > tls.crt",
				Sources: []string{"RFC 8446 4.4.2"}, Since: since,
			},
		},
		{
			ID: "chain-root-included", Group: Chain, Severity: inspect.Info, Needs: inspect.NeedLeaf, Check: rootIncluded,
			Doc: inspect.Doc{
				Title: "The root stands among what the server sends.",
				Why:   "Clients go by their own copy: it costs a kilobyte per handshake and helps nobody.",
				Fix:   "crpki bundle tls.crt --out tls.crt --force", Sources: []string{"RFC 8446 4.4.2"}, Since: since,
			},
		},
		{
			ID: "chain-unrelated", Group: Chain, Severity: inspect.Warning, Needs: inspect.NeedLeaf, Check: unrelated,
			Doc: inspect.Doc{
				Title: "A certificate has nothing to do with the leaf.",
				Why:   "Clients pass over it; often it shows that the wrong intermediate was put in.",
				Fix:   "crpki bundle tls.crt --out tls.crt --force", Sources: []string{"RFC 8446 4.4.2"}, Since: since,
			},
		},
		{
			ID: "chain-duplicate", Group: Chain, Severity: inspect.Warning, Needs: inspect.NeedLeaf, Check: duplicate,
			Doc: inspect.Doc{
				Title: "The same certificate stands there twice.",
				Why:   "Clients pass over it.",
				Fix:   "crpki bundle tls.crt --out tls.crt --force", Sources: []string{"RFC 8446 4.4.2"}, Since: since,
			},
		},
		{
			ID: "ca-is-leaf", Group: Chain, Severity: inspect.Error, Needs: inspect.NeedAnchors, Each: caIsLeaf,
			Doc: inspect.Doc{
				Title: "What stands there as the CA is a server's certificate.",
				Why:   "Go accepts it as long as it is the very certificate that the server presents, and refuses from the next renewal on. OpenSSL and GnuTLS refuse at once.",
				Refusals: []inspect.Refusal{
					{Client: openssl, Message: "error 20: unable to get local issuer certificate"},
					{Client: gnutls, Message: "The certificate issuer is unknown."},
				},
				Fix: "crpki inspect ca.crt", Sources: []string{"RFC 5280 6.1.1 (d)"}, Since: since,
			},
		},
		{
			ID: "ca-not-issuer", Group: Chain, Severity: inspect.Error, Needs: inspect.NeedLeaf | inspect.NeedAnchors, Check: notIssuer,
			Doc: inspect.Doc{
				Title: "The CA did not issue the server's certificate.",
				Why:   "Clients that trust this CA refuse the server.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate signed by unknown authority"},
					{Client: openssl, Message: "error 19: self-signed certificate in certificate chain"},
					{Client: gnutls, Message: "The certificate issuer is unknown."},
				},
				Fix: "crpki inspect tls.crt ca.crt", FixOpenSSL: "openssl verify -CAfile ca.crt tls.crt",
				Sources: []string{"RFC 5280 6.1"}, Since: since,
			},
		},
		{
			ID: "ca-not-root", Group: Chain, Severity: inspect.Warning, Needs: inspect.NeedLeaf | inspect.NeedAnchors, Check: notRoot,
			Doc: inspect.Doc{
				Title: "The CA that clients trust is an intermediate, and its root is missing.",
				Why:   "Go and GnuTLS end a chain at any certificate that they trust. OpenSSL goes on to a root unless the program asks for partial chains.",
				Refusals: []inspect.Refusal{
					{Client: "openssl verify and s_client without -partial_chain", Message: "error 2: unable to get issuer certificate"},
				},
				Fix: "crpki bundle ca.crt root.crt --out ca.crt --force", FixOpenSSL: "cat intermediate.crt root.crt > ca.crt",
				Sources: []string{"OpenSSL doc/man1/openssl-verification-options.pod, -partial_chain", "RFC 5280 6.1.1 (d)"}, Since: since,
			},
		},
		{
			ID: "ca-same-name-other-key", Group: Chain, Severity: inspect.Error, Check: sameNameOtherKey,
			Doc: inspect.Doc{
				Title: "A CA of the issuer's name is there, but with another key.",
				Why:   "The CA was made anew under the same name. By their names alone the two cannot be told apart, and the message only says that the authority is unknown.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: `x509: certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "…")`},
					{Client: openssl, Message: "error 20: unable to get local issuer certificate"},
				},
				Fix: "crpki renew tls.crt --ca ca.crt --ca-key ca.key", Sources: []string{"RFC 5280 4.2.1.1"}, Since: since,
			},
		},
		{
			ID: "dn-reencoded", Group: Chain, Severity: inspect.Error, Check: reencoded,
			Doc: inspect.Doc{
				Title: "Issuer and subject are the same name, in another encoding.",
				Why:   "Go compares names byte for byte: a CA that was made anew by another tool, with the same visible name in another string type, case or spacing, is not found. OpenSSL folds these differences.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate signed by unknown authority"},
				},
				Fix: "crpki renew tls.crt --ca ca.crt --ca-key ca.key", Sources: []string{"Go crypto/x509 cert_pool.go, findPotentialParents", "RFC 5280 7.1"}, Since: since,
			},
		},
		{
			ID: "aki-mismatch", Group: Chain, Severity: inspect.Error, Check: akiMismatch,
			Doc: inspect.Doc{
				Title: "The authority key identifier does not fit the issuer.",
				Why:   "The signature is right, and Go accepts it. OpenSSL and GnuTLS look for the issuer by the identifier and do not find it.",
				Refusals: []inspect.Refusal{
					{Client: openssl, Message: "error 20: unable to get local issuer certificate"},
					{Client: gnutls, Message: "The certificate issuer is unknown."},
				},
				Fix: "crpki renew tls.crt --ca ca.crt --ca-key ca.key", Sources: []string{"RFC 5280 4.2.1.1"}, Since: since,
			},
		},
		{
			ID: "leaf-dn-equals-ca", Group: Chain, Severity: inspect.Error, Needs: inspect.NeedLeaf, Each: parsedLeaf(dnEqualsCA),
			Doc: inspect.Doc{
				Title: "The server's certificate has the same subject as its CA.",
				Why:   "OpenSSL takes it for a self-signed certificate and looks for no CA.",
				Refusals: []inspect.Refusal{
					{Client: openssl, Message: "error 18: self-signed certificate"},
				},
				Fix: "crpki renew tls.crt --ca ca.crt --ca-key ca.key", FixOpenSSL: "openssl req … -subj /CN=registry.example.com",
				Sources: []string{"RFC 5280 3.2"}, Since: since,
			},
		},
		{
			ID: "chain-cross-signed", Group: Chain, Severity: inspect.Info, Check: crossSigned,
			Doc: inspect.Doc{
				Title: "A CA is there with two certificates for the same key.",
				Why:   "Cross-signed or renewed CAs give clients more than one way up. It is right while one of them is being replaced.",
				Fix:   "crpki inspect tls.crt", Sources: []string{"RFC 5280 3.2"}, Since: since,
			},
		},
	}
}

func leafNotFirst(e *inspect.Evidence) []inspect.Finding {
	first := e.Material.Certs[0]
	c, err := pki.OrderChain(e.Material.Certs)
	var gap *pki.GapError
	if err != nil && !errors.As(err, &gap) || first.X509 == nil || c.Leaf.X509 == nil {
		return nil
	}
	if !first.X509.IsCA || c.Leaf.X509.Equal(first.X509) || c.Leaf.X509.IsCA {
		return nil
	}
	return []inspect.Finding{{Origin: first.Origin, Message: fmt.Sprintf("stands first and is a CA's; the server's certificate is %s", c.Leaf.Describe())}}
}

func wrongOrder(e *inspect.Evidence) []inspect.Finding {
	if len(leafNotFirst(e)) > 0 {
		return nil
	}
	c, err := pki.OrderChain(e.Material.Certs)
	if err != nil {
		return nil
	}
	want := c.Served()
	if c.Root != nil {
		want = append(want, *c.Root)
	}
	next := 0
	for _, have := range e.Material.Certs {
		place := indexOf(want, have)
		if place < 0 {
			continue
		}
		if place < next {
			continue // a duplicate
		}
		if place > next {
			return []inspect.Finding{{Origin: have.Origin, Message: fmt.Sprintf("stands before %s, which signed nothing behind it but belongs before it", want[next].Describe())}}
		}
		next++
	}
	return nil
}

func indexOf(certs []pki.Cert, c pki.Cert) int {
	for i := range certs {
		if bytes.Equal(certs[i].Raw, c.Raw) {
			return i
		}
	}
	return -1
}

// trusted judges the chain by the anchors, whatever its dates and purpose.
func trusted(e *inspect.Evidence) verify.Verdict {
	return verify.OpenSSL{Presented: e.Material.Certs, Trusted: e.Material.Anchors, PartialChain: true, IgnoreTime: true}.SClient()
}

func unknownIssuer(v verify.Verdict) (pki.Cert, bool) {
	for _, p := range v.Problems {
		switch p.Code {
		case verify.CodeUnableToGetIssuerCertLocally, verify.CodeSelfSignedCertInChain, verify.CodeDepthZeroSelfSignedCert:
			return p.Cert, true
		}
	}
	return pki.Cert{}, false
}

// intermediateMissing: the chain stops below the anchors, and what is missing is
// something that the anchors may have signed.
func intermediateMissing(e *inspect.Evidence) []inspect.Finding {
	top, unknown := unknownIssuer(trusted(e))
	if !unknown || top.X509 == nil || pki.SelfIssued(top.X509) || hasNamesake(e, top) || onlyLeaves(e.Material.Anchors) {
		return nil
	}
	return []inspect.Finding{{
		Origin:  top.Origin,
		Message: fmt.Sprintf("its issuer %s is neither in the file nor among the CA certificates: an intermediate is missing, or the CA is another one", top.X509.Issuer),
	}}
}

func onlyLeaves(anchors []pki.Cert) bool {
	for _, a := range anchors {
		if a.X509 == nil || a.X509.IsCA {
			return false
		}
	}
	return true
}

// hasNamesake: a certificate of the issuer's name is at hand, so that the fault
// is another one.
func hasNamesake(e *inspect.Evidence, c pki.Cert) bool {
	for _, s := range e.Subjects() {
		if s.X509 != nil && verify.SameName(s.X509.RawSubject, c.X509.RawIssuer) {
			return true
		}
	}
	return false
}

func notIssuer(e *inspect.Evidence) []inspect.Finding {
	top, unknown := unknownIssuer(trusted(e))
	if !unknown || top.X509 == nil || !pki.SelfIssued(top.X509) || onlyLeaves(e.Material.Anchors) {
		return nil
	}
	for _, a := range e.Material.Anchors {
		if a.X509 != nil && verify.SameName(a.X509.RawSubject, top.X509.RawSubject) {
			return nil // that has a rule of its own
		}
	}
	return []inspect.Finding{{
		Origin:  e.Material.Anchors[0].Origin,
		Message: fmt.Sprintf("did not issue the server's certificate, whose chain ends in %s", top.Describe()),
	}}
}

// notRoot: the chain reaches what is trusted, which is signed by somebody else.
func notRoot(e *inspect.Evidence) []inspect.Finding {
	v := verify.OpenSSL{Presented: e.Material.Certs, Trusted: e.Material.Anchors, IgnoreTime: true}.SClient()
	for _, p := range v.Problems {
		if p.Code == verify.CodeUnableToGetIssuerCert && p.Cert.X509 != nil {
			return []inspect.Finding{{
				Origin:  p.Cert.Origin,
				Message: fmt.Sprintf("is trusted, but is no root: its issuer %s is not there, and OpenSSL does not stop here", p.Cert.X509.Issuer),
			}}
		}
	}
	return nil
}

func rootIncluded(e *inspect.Evidence) []inspect.Finding {
	c, err := pki.OrderChain(e.Material.Certs)
	if err != nil || c.Root == nil {
		return nil
	}
	return []inspect.Finding{{Origin: c.Root.Origin, Message: c.Root.Describe() + " is the root: clients go by their own copy"}}
}

func unrelated(e *inspect.Evidence) []inspect.Finding {
	return rest(e, pki.Unrelated, pki.OtherLeaf)
}

func duplicate(e *inspect.Evidence) []inspect.Finding { return rest(e, pki.Duplicate) }

func rest(e *inspect.Evidence, reasons ...pki.Reason) (out []inspect.Finding) {
	c, err := pki.OrderChain(e.Material.Certs)
	var gap *pki.GapError
	if err != nil && !errors.As(err, &gap) {
		return nil
	}
	for _, u := range c.Rest {
		for _, r := range reasons {
			if u.Reason == r {
				out = append(out, inspect.Finding{Origin: u.Cert.Origin, Message: u.Cert.Describe() + " is " + r.String()})
			}
		}
	}
	return out
}

func caIsLeaf(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if s.Role != inspect.Anchor || s.X509 == nil || s.X509.IsCA || selfIssued(s) || s.X509.Version < 3 {
		return nil
	}
	return say(s, fmt.Sprintf("is no CA's certificate: it was issued by %s", s.X509.Issuer))
}

func sameNameOtherKey(e *inspect.Evidence) (out []inspect.Finding) {
	certs := certsOf(e.Subjects())
	for i, link := range pki.Links(certs) {
		c := certs[i]
		if c.X509 == nil || len(link.Issuers) > 0 || link.Unchecked {
			continue
		}
		for _, n := range link.Namesakes {
			if n == i || identifiersAgree(certs[n], c) {
				continue
			}
			out = append(out, inspect.Finding{Origin: c.Origin, Message: fmt.Sprintf("was issued by a CA of the name %s, but not by the key of %s", c.X509.Issuer, certs[n].Describe())})
			break
		}
	}
	return out
}

func reencoded(e *inspect.Evidence) (out []inspect.Finding) {
	subjects := e.Subjects()
	for i := range subjects {
		child := subjects[i].X509
		if child == nil {
			continue
		}
		for j := range subjects {
			issuer := subjects[j].X509
			if i == j || issuer == nil || !issuer.IsCA || bytes.Equal(issuer.RawSubject, child.RawIssuer) ||
				!verify.SameName(issuer.RawSubject, child.RawIssuer) {
				continue
			}
			out = append(out, inspect.Finding{
				Origin:  subjects[i].Origin,
				Message: fmt.Sprintf("its issuer is written in other bytes than the subject of %s: Go does not find it", subjects[j].Describe()),
			})
			break
		}
	}
	return out
}

func akiMismatch(e *inspect.Evidence) (out []inspect.Finding) {
	certs := certsOf(e.Subjects())
	for i, link := range pki.Links(certs) {
		c := certs[i]
		if c.X509 == nil || len(c.X509.AuthorityKeyId) == 0 || len(link.Issuers) == 0 || link.SelfSigned {
			continue
		}
		issuer := certs[link.Issuers[0]]
		if len(issuer.X509.SubjectKeyId) > 0 && !identifiersAgree(issuer, c) {
			out = append(out, inspect.Finding{
				Origin:  c.Origin,
				Message: "its authority key identifier is not the subject key identifier of " + issuer.Describe() + ", which signed it",
			})
		}
	}
	return out
}

func dnEqualsCA(s *inspect.Subject) string {
	if !selfIssued(s) || signedItself(s.X509) {
		return ""
	}
	return fmt.Sprintf("subject and issuer are both %s, but another key signed it", s.X509.Subject)
}

func crossSigned(e *inspect.Evidence) (out []inspect.Finding) {
	type name struct{ subject, key string }
	seen := map[name]pki.Cert{}
	for _, s := range e.Subjects() {
		if s.X509 == nil || !s.X509.IsCA {
			continue
		}
		id := name{string(s.X509.RawSubject), string(s.X509.RawSubjectPublicKeyInfo)}
		first, again := seen[id]
		if !again {
			seen[id] = s.Cert
		} else if !bytes.Equal(first.Raw, s.Raw) {
			out = append(out, inspect.Finding{Origin: s.Origin, Message: fmt.Sprintf("is another certificate of %s", first.Describe())})
		}
	}
	return out
}
