package rules

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

func usage() []inspect.Rule {
	return []inspect.Rule{
		{
			ID: "leaf-is-ca", Group: Usage, Severity: inspect.Warning, Each: parsedLeaf(leafIsCA),
			Doc: inspect.Doc{
				Title: "The server certificate is a CA's.",
				Why:   "Whoever takes its key from the registry can sign certificates for every host. `openssl req -x509` makes such certificates by default.",
				Fix:   "crpki gen --ip 10.96.0.50", FixOpenSSL: `openssl req -x509 … -addext "basicConstraints=critical,CA:FALSE" -addext "extendedKeyUsage=serverAuth"`,
				Sources: []string{"RFC 5280 4.2.1.9"}, Since: since,
			},
		},
		{
			ID: "ca-without-usages", Group: Usage, Severity: inspect.Warning, Each: parsedLeaf(caWithoutUsages),
			Doc: inspect.Doc{
				Title: "A self-signed server certificate says CA:TRUE and nothing about its use.",
				Why:   "It works in the clients of today, and lets the registry's key sign for every host. This is what `openssl req -x509` makes when nothing else is said.",
				Fix:   "crpki gen --self-signed --ip 10.96.0.50", FixOpenSSL: `openssl req -x509 … -addext "keyUsage=critical,digitalSignature,keyCertSign" -addext "extendedKeyUsage=serverAuth"`,
				Sources: []string{"RFC 5280 4.2.1.3, 4.2.1.12"}, Since: since,
			},
		},
		{
			ID: "self-signed-not-ca", Group: Usage, Severity: inspect.Warning, Each: parsedLeaf(selfSignedNotCA),
			Doc: inspect.Doc{
				Title: "A self-signed server certificate is not a CA, but must be trusted as one.",
				Why:   "Go and OpenSSL accept it when it lies among the trusted certificates; GnuTLS asks that a trusted issuer be a CA.",
				Refusals: []inspect.Refusal{
					{Client: gnutls, Message: "The certificate issuer is not a CA."},
				},
				Fix: "crpki gen --self-signed --ip 10.96.0.50", Sources: []string{"RFC 5280 6.1.4 (k)"}, Since: since,
			},
		},
		{
			ID: "eku-server-auth-missing", Group: Usage, Severity: inspect.Error, Each: parsedLeaf(noServerAuth),
			Doc: inspect.Doc{
				Title: "The extended key usage does not allow serverAuth.",
				Why:   "A client checks that the certificate may be a TLS server's.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate specifies an incompatible key usage"},
					{Client: openssl, Message: "error 26: unsuitable certificate purpose"},
					{Client: gnutls, Message: "The certificate chain does not match the intended purpose."},
				},
				Fix: "crpki gen --ip 10.96.0.50", FixOpenSSL: `openssl req … -addext "extendedKeyUsage=serverAuth"`,
				Sources: []string{"RFC 5280 4.2.1.12"}, Since: since,
			},
		},
		{
			ID: "eku-any-only", Group: Usage, Severity: inspect.Warning, Each: parsedLeaf(onlyAnyUsage),
			Doc: inspect.Doc{
				Title: "The extended key usage says anyExtendedKeyUsage and not serverAuth.",
				Why:   "Go and GnuTLS take it for everything, OpenSSL for nothing.",
				Refusals: []inspect.Refusal{
					{Client: openssl, Message: "error 26: unsuitable certificate purpose"},
				},
				Fix: "crpki gen --ip 10.96.0.50", FixOpenSSL: `openssl req … -addext "extendedKeyUsage=serverAuth"`,
				Sources: []string{"RFC 5280 4.2.1.12", "OpenSSL crypto/x509/v3_purp.c"}, Since: since,
			},
		},
		{
			ID: "eku-missing", Group: Usage, Severity: inspect.Warning, Each: parsedLeaf(noEKU),
			Doc: inspect.Doc{
				Title: "The server certificate has no extended key usage.",
				Why:   "Clients accept it today; a certificate that is good for everything is good for signing code and mail too.",
				Fix:   "crpki gen --ip 10.96.0.50", FixOpenSSL: `openssl req … -addext "extendedKeyUsage=serverAuth"`,
				Sources: []string{"RFC 5280 4.2.1.12", "CA/Browser Forum BR 7.1.2.7"}, Since: since,
			},
		},
		{
			ID: "ku-missing", Group: Usage, Severity: inspect.Info, Each: parsedLeaf(noKU),
			Doc: inspect.Doc{
				Title: "The server certificate has no key usage.",
				Why:   "All clients accept it.",
				Fix:   "crpki gen --ip 10.96.0.50", FixOpenSSL: `openssl req … -addext "keyUsage=critical,digitalSignature"`,
				Sources: []string{"RFC 5280 4.2.1.3"}, Since: since,
			},
		},
		{
			ID: "ku-not-for-tls", Group: Usage, Severity: inspect.Error, Each: parsedLeaf(kuNotForTLS),
			Doc: inspect.Doc{
				Title: "The key usage allows none of what a TLS server does.",
				Why:   "OpenSSL asks for one of digitalSignature, keyEncipherment and keyAgreement. Go does not look.",
				Refusals: []inspect.Refusal{
					{Client: openssl, Message: "error 26: unsuitable certificate purpose"},
				},
				Fix: "crpki gen --ip 10.96.0.50", FixOpenSSL: `openssl req … -addext "keyUsage=critical,digitalSignature"`,
				Sources: []string{"RFC 5280 4.2.1.3", "OpenSSL crypto/x509/v3_purp.c, check_purpose_ssl_server"}, Since: since,
			},
		},
		{
			ID: "ku-wrong-for-key", Group: Usage, Severity: inspect.Warning, Each: parsedLeaf(kuWrongForKey),
			Doc: inspect.Doc{
				Title: "The key usage does not fit the kind of key.",
				Why:   "An ECDSA or Ed25519 key can only sign: keyEncipherment means nothing for it, and digitalSignature is missing. The clients measured here accept it.",
				Fix:   "crpki gen --ip 10.96.0.50", FixOpenSSL: `openssl req … -addext "keyUsage=critical,digitalSignature"`,
				Sources: []string{"RFC 5480 3", "RFC 8446 4.4.2.2"}, Since: since,
			},
		},
		{
			ID: "ku-cert-sign-on-leaf", Group: Usage, Severity: inspect.Warning, Each: parsedLeaf(certSignOnLeaf),
			Doc: inspect.Doc{
				Title: "A certificate that is no CA's may sign certificates.",
				Why:   "keyCertSign without CA:TRUE is a contradiction; strict verification refuses it.",
				Refusals: []inspect.Refusal{
					{Client: "openssl verify -x509_strict", Message: "error 82: Key usage keyCertSign invalid for non-CA cert"},
				},
				Fix: "crpki renew tls.crt", Sources: []string{"RFC 5280 4.2.1.9"}, Since: since,
			},
		},
		{
			ID: "ca-not-marked", Group: Usage, Severity: inspect.Error, Each: caNotMarked,
			Doc: inspect.Doc{
				Title: "A CA certificate does not say that it is a CA's.",
				Why:   "Without CA:TRUE in basicConstraints its signatures count for nothing.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: `x509: certificate signed by unknown authority (possibly because of "x509: invalid signature: parent certificate cannot sign this kind of certificate" …)`},
					{Client: openssl, Message: "error 79: invalid CA certificate"},
				},
				Fix: "crpki gen --ip 10.96.0.50", FixOpenSSL: `openssl req -x509 … -addext "basicConstraints=critical,CA:TRUE"`,
				Sources: []string{"RFC 5280 4.2.1.9"}, Since: since,
			},
		},
		{
			ID: "ca-constraints-not-critical", Group: Usage, Severity: inspect.Warning, Each: caNotCritical,
			Doc: inspect.Doc{
				Title: "A CA's basicConstraints are not critical.",
				Why:   "RFC 5280 asks for it; strict verification refuses, the others accept.",
				Refusals: []inspect.Refusal{
					{Client: "openssl verify -x509_strict", Message: "error 89: Basic Constraints of CA cert not marked critical"},
				},
				Fix: "crpki gen --ip 10.96.0.50", FixOpenSSL: `openssl req -x509 … -addext "basicConstraints=critical,CA:TRUE"`,
				Sources: []string{"RFC 5280 4.2.1.9"}, Since: since,
			},
		},
		{
			ID: "san-not-critical", Group: Usage, Severity: inspect.Warning, Each: parsedLeaf(sanNotCritical),
			Doc: inspect.Doc{
				Title: "The subject is empty and the subjectAltName is not critical.",
				Why:   "With no subject the names are all there is, and must be critical; strict verification refuses.",
				Refusals: []inspect.Refusal{
					{Client: "openssl verify -x509_strict", Message: "error 88: Subject empty and Subject Alt Name extension not critical"},
				},
				Fix: "crpki renew tls.crt", Sources: []string{"RFC 5280 4.1.2.6"}, Since: since,
			},
		},
		{
			ID: "ca-ku-cert-sign-missing", Group: Usage, Severity: inspect.Error, Each: caLacksCertSign,
			Doc: inspect.Doc{
				Title: "A CA's key usage does not allow it to sign certificates.",
				Why:   "Everything that it signed is refused.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: `x509: certificate signed by unknown authority (possibly because of "x509: invalid signature: parent certificate cannot sign this kind of certificate" …)`},
					{Client: openssl, Message: "error 79: invalid CA certificate"},
					{Client: gnutls, Message: "The certificate chain violates the signer's constraints."},
				},
				Fix: "crpki gen --ip 10.96.0.50", Sources: []string{"RFC 5280 4.2.1.3"}, Since: since,
			},
		},
		{
			ID: "ca-key-usage-missing", Group: Usage, Severity: inspect.Warning, Each: caLacksKU,
			Doc: inspect.Doc{
				Title: "A CA certificate has no key usage.",
				Why:   "RFC 5280 asks for it; strict verification refuses, the others accept.",
				Refusals: []inspect.Refusal{
					{Client: "openssl verify -x509_strict", Message: "error 92: CA cert does not include key usage extension"},
				},
				Fix: "crpki gen --ip 10.96.0.50", Sources: []string{"RFC 5280 4.2.1.3"}, Since: since,
			},
		},
		{
			ID: "ca-eku-excludes-server", Group: Usage, Severity: inspect.Error, Each: caEKU,
			Doc: inspect.Doc{
				Title: "A CA's extended key usage excludes servers.",
				Why:   "The usages of a CA limit those of everything below it.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate specifies an incompatible key usage"},
					{Client: openssl, Message: "error 26: unsuitable certificate purpose"},
				},
				Fix: "crpki gen --ip 10.96.0.50", Sources: []string{"Go crypto/x509 verify.go, checkChainForKeyUsage"}, Since: since,
			},
		},
		chainRule("name-constraints-violated", "A name lies outside of what a CA may sign for.",
			"Clients check all names of the certificate, not only the one they dial: one forbidden name spoils them all.",
			[]inspect.Refusal{
				{Client: goClients, Message: "x509: a root or intermediate certificate is not authorized to sign for this name: … is not permitted by any constraint"},
				{Client: openssl, Message: "error 47: permitted subtree violation"},
				{Client: gnutls, Message: "The certificate chain violates the signer's constraints."},
			}, "RFC 5280 4.2.1.10", verify.CodePermittedViolation, verify.CodeExcludedViolation, verify.CodeSubtreeMinmax),
		chainRule("path-length-exceeded", "More CAs follow a CA than its path length allows.",
			"A CA with pathlen:0 may sign servers only, no further CA.",
			[]inspect.Refusal{
				{Client: goClients, Message: "x509: too many intermediates for path length constraint"},
				{Client: openssl, Message: "error 25: path length constraint exceeded"},
				{Client: gnutls, Message: "The certificate chain violates the signer's constraints."},
			}, "RFC 5280 4.2.1.9", verify.CodePathLengthExceeded),
		{
			ID: "extension-unknown-critical", Group: Usage, Severity: inspect.Error, Each: unknownCritical,
			Doc: inspect.Doc{
				Title: "A critical extension is one that clients do not know.",
				Why:   "A client must refuse what it does not understand and is told to be critical.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: unhandled critical extension"},
					{Client: openssl, Message: "error 34: unhandled critical extension"},
					{Client: gnutls, Message: "The certificate contains an unknown critical extension."},
				},
				Fix: "crpki renew tls.crt", Sources: []string{"RFC 5280 4.2"}, Since: since,
			},
		},
		faultRule(lenient.DuplicateExtension, inspect.Error, "An extension stands in the certificate twice.",
			"Go refuses to read the certificate at all: neither server nor client can use it, and pools drop it without a word. OpenSSL prints both and says a misleading error 20. Such certificates come from OpenSSL 1.1.1, when -addext names what the configuration file has already.",
			[]inspect.Refusal{
				{Client: goClients, Message: `x509: certificate contains duplicate extension with OID "2.5.29.19"`},
				{Client: openssl, Message: "error 20: unable to get local issuer certificate"},
				{Client: gnutls, Message: "error parsing CRTs: Duplicate extension in X.509 certificate."},
			}, `openssl req -x509 -config /dev/null … -addext "basicConstraints=critical,CA:FALSE"`, "RFC 5280 4.2"),
		serialZero(),
		faultRule(lenient.SerialNegative, inspect.Error, "The serial number is negative.",
			"Go refuses to read the certificate since 1.23. Older clients pull, newer ones do not.",
			[]inspect.Refusal{{Client: goClients, Since: "Go 1.23", Message: "x509: negative serial number"}}, "openssl x509 -req … -CAcreateserial", "RFC 5280 4.1.2.2", "https://go.dev/doc/go1.23"),
		faultRule(lenient.SerialTooLong, inspect.Warning, "The serial number is longer than 20 octets.",
			"RFC 5280 allows 20. The clients measured here accept more.", nil, "", "RFC 5280 4.1.2.2"),
		faultRule(lenient.BadVersion, inspect.Error, "The certificate's version does not fit its content.",
			"Extensions, and so names, need version 3.",
			[]inspect.Refusal{{Client: goClients, Message: "x509: invalid version"}}, "openssl req -x509 -addext …", "RFC 5280 4.1.2.1"),
		faultRule(lenient.BadTime, inspect.Error, "A time is written in a form that certificates may not use.",
			"Go refuses to read the certificate.",
			[]inspect.Refusal{{Client: goClients, Message: "x509: malformed UTCTime"}}, "", "RFC 5280 4.1.2.5"),
		faultRule(lenient.BadString, inspect.Warning, "A name holds characters that its string type does not allow.",
			"Go refuses some of these certificates, other software shows them wrongly.",
			[]inspect.Refusal{{Client: goClients, Message: "x509: invalid RDNSequence: invalid attribute value: invalid PrintableString"}}, "", "RFC 5280 4.1.2.4"),
		faultRule(lenient.BadDER, inspect.Error, "The certificate's encoding is broken.",
			"No client reads it. The file was cut off or edited.",
			[]inspect.Refusal{{Client: goClients, Message: "x509: malformed certificate"}}, "", "ITU-T X.690"),
		faultRule(lenient.TrailingData, inspect.Error, "Bytes follow the certificate.",
			"OpenSSL passes over them, Go refuses the certificate.",
			[]inspect.Refusal{{Client: goClients, Message: "x509: trailing data"}}, "openssl x509 -in tls.crt -out clean.crt", "ITU-T X.690"),
		{
			ID: "go-refuses", Group: Usage, Severity: inspect.Error, Each: goRefuses,
			Doc: inspect.Doc{
				Title: "Go refuses to read the certificate.",
				Why:   "No other rule says what is wrong with it; Go's own message does.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "tls: failed to parse certificate from server: x509: …"},
				},
				Fix: "crpki inspect tls.crt", Sources: []string{"Go crypto/x509 parser.go"}, Since: since,
			},
		},
	}
}

func faultRule(id string, severity inspect.Severity, title, why string, refusals []inspect.Refusal, openssl string, sources ...string) inspect.Rule {
	fix := "crpki renew tls.crt"
	if severity == inspect.Error { // renew reads no more than Go does
		fix = "crpki gen --ip 10.96.0.50 --dns registry.example.com"
	}
	return inspect.Rule{
		ID: id, Group: Usage, Severity: severity, Each: fault(id),
		Doc: inspect.Doc{Title: title, Why: why, Refusals: refusals, Fix: fix, FixOpenSSL: openssl, Sources: sources, Since: since},
	}
}

// serialZero leaves roots alone: a good many public ones have the number 0, and
// nobody looks.
func serialZero() inspect.Rule {
	r := faultRule(lenient.SerialZero, inspect.Warning, "The serial number is zero.",
		"RFC 5280 asks for a positive number. The clients measured here accept it.", nil, "", "RFC 5280 4.1.2.2")
	each := r.Each
	r.Each = func(e *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
		if rootItself(s) {
			return nil
		}
		return each(e, s)
	}
	return r
}

// parsedLeaf restricts a check to a leaf that Go reads.
func parsedLeaf(check func(*inspect.Subject) string) func(*inspect.Evidence, *inspect.Subject) []inspect.Finding {
	return leaf(func(s *inspect.Subject) []inspect.Finding {
		if s.X509 == nil {
			return nil
		}
		return say(s, check(s))
	})
}

func leafIsCA(s *inspect.Subject) string {
	if !s.X509.IsCA || selfIssued(s) {
		return ""
	}
	return "the certificate that the server presents is a CA's (CA:TRUE)"
}

func caWithoutUsages(s *inspect.Subject) string {
	if !s.X509.IsCA || !selfIssued(s) || s.X509.KeyUsage != 0 || hasEKU(s) {
		return ""
	}
	return "CA:TRUE, with neither key usage nor extended key usage"
}

func selfSignedNotCA(s *inspect.Subject) string {
	if s.X509.IsCA || !signedItself(s.X509) {
		return ""
	}
	return "self-signed, but not a CA: GnuTLS refuses it as its own trust anchor"
}

// signedItself is true when the certificate's own key made its signature.
func signedItself(c *x509.Certificate) bool {
	return pki.SelfIssued(c) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func hasEKU(s *inspect.Subject) bool {
	return len(s.X509.ExtKeyUsage)+len(s.X509.UnknownExtKeyUsage) > 0
}

func allows(s *inspect.Subject, use x509.ExtKeyUsage) bool {
	return slices.Contains(s.X509.ExtKeyUsage, use)
}

func noServerAuth(s *inspect.Subject) string {
	if !hasEKU(s) || allows(s, x509.ExtKeyUsageServerAuth) || allows(s, x509.ExtKeyUsageAny) {
		return ""
	}
	return "the extended key usage does not allow serverAuth"
}

func onlyAnyUsage(s *inspect.Subject) string {
	if !allows(s, x509.ExtKeyUsageAny) || allows(s, x509.ExtKeyUsageServerAuth) {
		return ""
	}
	return "the extended key usage says anyExtendedKeyUsage, which OpenSSL does not take for serverAuth"
}

func noEKU(s *inspect.Subject) string {
	if hasEKU(s) || s.X509.IsCA {
		return ""
	}
	return "no extended key usage"
}

func noKU(s *inspect.Subject) string {
	if s.X509.KeyUsage != 0 || s.X509.IsCA {
		return ""
	}
	return "no key usage"
}

const tlsUsages = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement

func kuNotForTLS(s *inspect.Subject) string {
	if s.X509.KeyUsage == 0 || s.X509.KeyUsage&tlsUsages != 0 {
		return ""
	}
	return "the key usage allows neither digitalSignature nor keyEncipherment nor keyAgreement"
}

func kuWrongForKey(s *inspect.Subject) string {
	ku := s.X509.KeyUsage
	if ku&tlsUsages == 0 || ku&x509.KeyUsageDigitalSignature != 0 || isRSA(s) {
		return ""
	}
	return "the key can only sign, and the key usage lacks digitalSignature"
}

func certSignOnLeaf(s *inspect.Subject) string {
	if s.X509.IsCA || s.X509.KeyUsage&x509.KeyUsageCertSign == 0 {
		return ""
	}
	return "keyCertSign in a certificate that is no CA's"
}

// ca gives the certificate when it stands there as a CA and Go reads it.
func ca(s *inspect.Subject) *x509.Certificate {
	if s.X509 == nil || s.Role == inspect.Leaf || !s.X509.IsCA {
		return nil
	}
	return s.X509
}

// caNotMarked looks at self-issued anchors. A server's own certificate among
// them, which says what hosts it is for, has rules of its own: Go and OpenSSL
// accept it.
func caNotMarked(e *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	leaf, _ := e.Leaf()
	if s.X509 == nil || s.Role == inspect.Leaf || s.X509.IsCA || !selfIssued(s) || bytes.Equal(leaf.Raw, s.Raw) || s.X509.Version < 3 ||
		len(generalNames(s)) > 0 {
		return nil
	}
	return say(s, "stands there as a CA, but basicConstraints do not say CA:TRUE")
}

func caNotCritical(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if ca(s) == nil {
		return nil
	}
	for _, e := range s.View.Extensions {
		if e.OID == lenient.OIDBasicConstraints && !e.Critical {
			return say(s, "basicConstraints are not critical")
		}
	}
	return nil
}

func sanNotCritical(s *inspect.Subject) string {
	if len(s.View.Subject) > 0 {
		return ""
	}
	for _, e := range s.View.Extensions {
		if e.OID == lenient.OIDSubjectAltName && !e.Critical {
			return "the subject is empty and the subjectAltName is not critical"
		}
	}
	return ""
}

func caLacksCertSign(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	c := ca(s)
	if c == nil || c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageCertSign != 0 {
		return nil
	}
	return say(s, "a CA whose key usage lacks keyCertSign")
}

func caLacksKU(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	c := ca(s)
	if c == nil || c.KeyUsage != 0 || hasEKU(s) {
		return nil
	}
	return say(s, "a CA without key usage")
}

func caEKU(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if ca(s) == nil || !hasEKU(s) || allows(s, x509.ExtKeyUsageServerAuth) || allows(s, x509.ExtKeyUsageAny) {
		return nil
	}
	return say(s, "the CA's extended key usage excludes serverAuth")
}

// unknownCritical goes by what Go handles; a certificate that it cannot read at
// all has other findings.
func unknownCritical(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if s.X509 == nil || len(s.X509.UnhandledCriticalExtensions) == 0 {
		return nil
	}
	oid := s.X509.UnhandledCriticalExtensions[0].String()
	return say(s, fmt.Sprintf("the critical extension %s is not one that Go handles", lenient.ExtensionName(oid)))
}

func goRefuses(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if s.Err == nil || explained(s) {
		return nil
	}
	return say(s, "Go says: "+s.Err.Error())
}

// explained is true when another rule names the reason of Go's refusal.
func explained(s *inspect.Subject) bool {
	for _, f := range s.Faults {
		switch f.Rule {
		case lenient.SerialZero, lenient.SerialTooLong, lenient.EmptySAN:
		default:
			return true
		}
	}
	return strangeCurve(nil, s) != nil
}

// chainRule reports what OpenSSL's judge says of the whole chain.
func chainRule(id, title, why string, refusals []inspect.Refusal, source string, codes ...verify.Code) inspect.Rule {
	check := func(e *inspect.Evidence) (out []inspect.Finding) {
		for _, p := range judge(e).Problems {
			if slices.Contains(codes, p.Code) {
				out = append(out, inspect.Finding{Origin: p.Cert.Origin, Message: fmt.Sprintf("%s (error %d at depth %d)", p.Code.Text(), p.Code, p.Depth)})
			}
		}
		return out
	}
	return inspect.Rule{
		ID: id, Group: Usage, Severity: inspect.Error, Needs: inspect.NeedLeaf, Check: check,
		Doc: inspect.Doc{Title: title, Why: why, Refusals: refusals, Fix: "crpki sign tls.csr --ca ca.crt --ca-key ca.key", Sources: []string{source}, Since: since},
	}
}

// judge builds the chain from what is there, whatever its dates: any CA
// certificate at hand may be its end.
func judge(e *inspect.Evidence) verify.Verdict {
	o := verify.OpenSSL{Presented: e.Material.Certs, Trusted: e.Material.Anchors, PartialChain: true, IgnoreTime: true}
	if len(o.Trusted) == 0 && len(o.Presented) > 1 {
		o.Trusted = o.Presented[len(o.Presented)-1:]
	}
	return o.SClient()
}
