package rules

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

const (
	oidRSA     = "1.2.840.113549.1.1.1"
	oidRSAPSS  = "1.2.840.113549.1.1.10"
	oidEC      = "1.2.840.10045.2.1"
	oidDSA     = "1.2.840.10040.4.1"
	oidEd25519 = "1.3.101.112"
	oidEd448   = "1.3.101.113"
)

func keys() []inspect.Rule {
	return []inspect.Rule{
		{
			ID: "key-mismatch", Group: Keys, Severity: inspect.Error, Needs: inspect.NeedLeaf | inspect.NeedKey, Check: keyMismatch,
			Doc: inspect.Doc{
				Title: "The private key does not belong to the server certificate.",
				Why:   "The registry does not start, or kubectl refuses to make the Secret. Often one of the two files was renewed and the other was not, or the CA's key was taken.",
				Refusals: []inspect.Refusal{
					{Client: "Go servers (distribution, zot, Harbor), kubectl create secret tls", Message: "tls: private key does not match public key"},
				},
				Fix:        "crpki inspect tls.crt tls.key",
				FixOpenSSL: "openssl pkey -in tls.key -pubout; openssl x509 -in tls.crt -noout -pubkey",
				Sources:    []string{"Go crypto/tls tls.go, X509KeyPair"}, Since: since,
			},
		},
		{
			ID: "key-weak", Group: Keys, Severity: inspect.Error, Each: weakKey, Check: weakLoneKey,
			Doc: inspect.Doc{
				Title: "A key is too short.",
				Why:   "RSA below 1024 bits fails in the handshake of Go clients, and as a CA's since Go 1.24; below 2048 bits it fails where OpenSSL runs at security level 2, which is the default of Debian and Ubuntu. P-192 and P-224 fail in Go's handshake.",
				Refusals: []inspect.Refusal{
					{Client: "OpenSSL clients at security level 2 (Debian, Ubuntu)", Message: "error 66: EE certificate key too weak"},
					{Client: goClients, Since: "Go 1.24", Message: "crypto/rsa: 768-bit keys are insecure"},
				},
				Fix: "crpki gen --ip 10.96.0.50 --key-type ecdsa-p256", FixOpenSSL: "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
				Sources: []string{"NIST SP 800-57 part 1, 5.6", "https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size"}, Since: since,
			},
		},
		{
			ID: "key-rsa-odd-size", Group: Keys, Severity: inspect.Warning, Each: oddKey,
			Doc: inspect.Doc{
				Title: "An RSA key has an unusual size.",
				Why:   "The size is no multiple of 8 bits. Clients accept it today; hardware and policies often do not.",
				Fix:   "crpki gen --ip 10.96.0.50 --key-type rsa-2048", Sources: []string{"FIPS 186-5 5.1"}, Since: since,
			},
		},
		{
			ID: "key-rsa-large", Group: Keys, Severity: inspect.Info, Each: largeKey,
			Doc: inspect.Doc{
				Title: "An RSA key is larger than 4096 bits.",
				Why:   "Every handshake pays for it: 8192 bits cost the server some fifty times the work of 2048. Go clients refuse more than 8192.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Since: "Go 1.20.7 and 1.21, above 8192 bits", Message: "tls: server sent certificate containing RSA key larger than 8192 bits"},
				},
				Fix: "crpki gen --ip 10.96.0.50 --key-type ecdsa-p256", Sources: []string{"Go crypto/tls handshake_client.go, checkKeySize"}, Since: since,
			},
		},
		{
			ID: "key-rsa-exponent", Group: Keys, Severity: inspect.Info, Each: smallExponent,
			Doc: inspect.Doc{
				Title: "An RSA key's public exponent is not 65537.",
				Why:   "The clients measured here accept 3; policies ask for 65537.",
				Fix:   "crpki gen --ip 10.96.0.50 --key-type rsa-2048", Sources: []string{"NIST SP 800-56B 6.2"}, Since: since,
			},
		},
		{
			ID: "key-explicit-curve", Group: Keys, Severity: inspect.Error, Each: fault(lenient.ExplicitCurve),
			Doc: inspect.Doc{
				Title: "An EC key spells its curve out instead of naming it.",
				Why:   "Go refuses to parse the certificate, OpenSSL refuses it in a chain.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: invalid ECDSA parameters"},
					{Client: openssl, Since: "OpenSSL 3.0", Message: "error 94: Certificate public key has explicit ECC parameters"},
				},
				Fix: "crpki gen --ip 10.96.0.50 --key-type ecdsa-p256", FixOpenSSL: "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve",
				Sources: []string{"RFC 5480 2.1.1"}, Since: since,
			},
		},
		{
			ID: "key-curve-unsupported", Group: Keys, Severity: inspect.Error, Each: strangeCurve,
			Doc: inspect.Doc{
				Title: "An EC key is on a curve that Go does not know.",
				Why:   "Go knows P-224, P-256, P-384 and P-521, and refuses to parse a certificate with another (secp256k1, brainpool, P-192).",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: unsupported elliptic curve"},
				},
				Fix: "crpki gen --ip 10.96.0.50 --key-type ecdsa-p256", Sources: []string{"Go crypto/x509 x509.go, namedCurveFromOID"}, Since: since,
			},
		},
		{
			ID: "key-type-unsupported", Group: Keys, Severity: inspect.Error, Each: strangeKey,
			Doc: inspect.Doc{
				Title: "The key is of a kind that Go's TLS cannot use.",
				Why:   "DSA, Ed448 and RSASSA-PSS keys cannot serve in Go's TLS; a Go registry does not start with them.",
				Refusals: []inspect.Refusal{
					{Client: "Go servers (distribution, zot, Harbor)", Message: "tls: failed to parse private key"},
					{Client: goClients, Message: "tls: server's certificate contains an unsupported type of public key"},
				},
				Fix: "crpki gen --ip 10.96.0.50 --key-type ecdsa-p256", Sources: []string{"Go crypto/tls tls.go, X509KeyPair"}, Since: since,
			},
		},
		{
			ID: "key-ed25519", Group: Keys, Severity: inspect.Info, Each: ed25519Key,
			Doc: inspect.Doc{
				Title: "The server's key is Ed25519.",
				Why:   "Go, OpenSSL and GnuTLS take it; .NET (and so the connected registry), browsers and older Java do not.",
				Fix:   "crpki gen --ip 10.96.0.50 --key-type ecdsa-p256", FixOpenSSL: "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
				Sources: []string{"https://github.com/dotnet/runtime/issues/63174"}, Since: since,
			},
		},
		{
			ID: "signature-md5", Group: Keys, Severity: inspect.Error, Each: signedWith("MD5", "1.2.840.113549.1.1.4"), Doc: weakSignature("MD5"),
		},
		{
			ID: "signature-sha1", Group: Keys, Severity: inspect.Error,
			Each: signedWith("SHA-1", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1", "1.2.840.10040.4.3"), Doc: weakSignature("SHA-1"),
		},
		{
			ID: "signature-pss-salt", Group: Keys, Severity: inspect.Error, Each: pssSalt,
			Doc: inspect.Doc{
				Title: "An RSA-PSS signature has another salt length than its digest.",
				Why:   "OpenSSL's default is the longest salt that fits; Go and GnuTLS verify only salts as long as the digest.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: cannot verify signature: algorithm unimplemented"},
					{Client: gnutls, Message: "The signature in the certificate is invalid."},
				},
				Fix: "crpki renew tls.crt", FixOpenSSL: "openssl x509 -req … -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
				Sources: []string{"Go crypto/x509 x509.go, getSignatureAlgorithmFromAI"}, Since: since,
			},
		},
		{
			ID: "signature-invalid", Group: Keys, Severity: inspect.Error, Check: badSignature,
			Doc: inspect.Doc{
				Title: "A certificate's signature does not fit its issuer's key.",
				Why:   "The certificate was changed after signing, or its CA was made anew.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: `x509: certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" …)`},
					{Client: openssl, Message: "error 7: certificate signature failure"},
				},
				Fix: "crpki renew tls.crt --ca ca.crt --ca-key ca.key", Sources: []string{"RFC 5280 6.1.3 (a)(1)"}, Since: since,
			},
		},
		{
			ID: "signature-algorithm-mismatch", Group: Keys, Severity: inspect.Error, Each: fault(lenient.AlgorithmMismatch),
			Doc: inspect.Doc{
				Title: "The certificate names two signature algorithms.",
				Why:   "The field inside the signed part and the one outside must be the same.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: inner and outer signature algorithm identifiers don't match"},
					{Client: openssl, Message: "error 7: certificate signature failure"},
					{Client: "openssl verify -x509_strict", Message: "error 78: cert info signature and signature algorithm mismatch"},
				},
				Fix: "crpki renew tls.crt", Sources: []string{"RFC 5280 4.1.1.2"}, Since: since,
			},
		},
		{
			ID: "key-same-as-ca", Group: Keys, Severity: inspect.Warning, Needs: inspect.NeedLeaf, Check: sameKeyAsCA,
			Doc: inspect.Doc{
				Title: "The server uses its CA's key.",
				Why:   "Whoever takes the key from the registry can sign certificates for every host that trusts the CA.",
				Fix:   "crpki renew tls.crt --ca ca.crt --ca-key ca.key", Sources: []string{"NIST SP 800-57 part 1, 5.2"}, Since: since,
			},
		},
		{
			ID: "key-encrypted", Group: Keys, Severity: inspect.Error, Check: encryptedKey,
			Doc: inspect.Doc{
				Title: "The key in a Secret or a values file is protected by a password.",
				Why:   "Nothing in the cluster can ask for it: the registry does not start.",
				Refusals: []inspect.Refusal{
					{Client: "Go servers (distribution, zot, Harbor)", Message: "tls: failed to parse private key"},
				},
				FixOpenSSL: "openssl pkey -in tls.key -out plain.key",
				Sources:    []string{"Go crypto/tls tls.go, parsePrivateKey"}, Since: since,
			},
		},
		{
			ID: "key-in-ca-file", Group: Keys, Severity: inspect.Error, Needs: inspect.NeedAnchors, Check: keyBesideAnchors,
			Doc: inspect.Doc{
				Title: "A private key stands among the CA certificates.",
				Why:   "ca.crt is handed to every node and every client: with the key in it, each of them can sign certificates.",
				Fix:   "crpki bundle ca.crt", Sources: []string{"RFC 5280 9"}, Since: since,
			},
		},
	}
}

func weakSignature(hash string) inspect.Doc {
	return inspect.Doc{
		Title: "A certificate is signed with " + hash + ".",
		Why:   "Go refuses the signature, OpenSSL does at security level 2, GnuTLS always. A root's own signature is never checked and may stay.",
		Refusals: []inspect.Refusal{
			{Client: goClients, Since: "Go 1.18", Message: "x509: certificate signed by unknown authority (possibly because of \"x509: cannot verify signature: insecure algorithm …\" …)"},
			{Client: "OpenSSL clients at security level 2 (Debian, Ubuntu)", Message: "error 68: CA signature digest algorithm too weak"},
			{Client: gnutls, Message: "The certificate chain uses insecure algorithm."},
		},
		Fix: "crpki renew tls.crt", FixOpenSSL: "openssl x509 -req -sha256 …", Sources: []string{"https://go.dev/doc/go1.18#sha1", "RFC 9155"}, Since: since,
	}
}

func keyMismatch(e *inspect.Evidence) []inspect.Finding {
	c, _ := e.Leaf()
	if c.X509 == nil {
		return nil
	}
	var last pki.Key
	for _, k := range e.Material.Keys {
		if k.Signer == nil {
			continue
		}
		if pki.SamePublicKey(k.Public(), c.X509.PublicKey) {
			return nil
		}
		last = k
	}
	message := fmt.Sprintf("the key (%s) does not belong to the certificate in %s (%s)", last, c.Origin, pki.DescribePublicKey(c.X509.PublicKey))
	for _, other := range e.Subjects() {
		if other.X509 != nil && pki.SamePublicKey(last.Public(), other.X509.PublicKey) {
			message += "; it belongs to " + other.Describe()
			break
		}
	}
	return []inspect.Finding{{Origin: last.Origin, Message: message}}
}

func weakKey(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	bits := s.View.Key.Bits
	switch s.View.Key.Algorithm {
	case oidRSA, oidRSAPSS:
		// A few bits below 2048 is an odd size, not a weak one.
		if bits == 0 || bits >= 2040 {
			return nil
		}
		if bits < 1024 {
			return say(s, fmt.Sprintf("RSA with %d bits: the handshake fails in Go clients", bits))
		}
		return say(s, fmt.Sprintf("RSA with %d bits: refused by OpenSSL at security level 2, the default of Debian and Ubuntu", bits))
	case oidEC:
		if s.View.Key.Curve == "1.3.132.0.33" {
			return say(s, "P-224: Go's TLS has no signature scheme for it, and the handshake fails")
		}
	}
	return nil
}

// weakLoneKey looks at keys and requests whose certificate is yet to come.
func weakLoneKey(e *inspect.Evidence) (out []inspect.Finding) {
	if len(e.Material.Certs) > 0 {
		return nil // their keys are judged with them
	}
	look := func(o pki.Origin, public crypto.PublicKey) {
		switch key := public.(type) {
		case *rsa.PublicKey:
			if bits := key.N.BitLen(); bits < 2040 {
				out = append(out, inspect.Finding{Origin: o, Message: fmt.Sprintf("RSA with %d bits: refused by OpenSSL at security level 2, the default of Debian and Ubuntu", bits)})
			}
		case *ecdsa.PublicKey:
			if key.Curve == elliptic.P224() {
				out = append(out, inspect.Finding{Origin: o, Message: "P-224: Go's TLS has no signature scheme for it, and the handshake fails"})
			}
		}
	}
	for _, k := range e.Material.Keys {
		look(k.Origin, k.Public())
	}
	for _, r := range e.Material.CSRs {
		if r.X509 != nil {
			look(r.Origin, r.X509.PublicKey)
		}
	}
	return out
}

func isRSA(s *inspect.Subject) bool {
	return s.View.Key.Algorithm == oidRSA || s.View.Key.Algorithm == oidRSAPSS
}

func oddKey(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	bits := s.View.Key.Bits
	if !isRSA(s) || bits < 2040 || bits%8 == 0 && bits >= 2048 {
		return nil
	}
	return say(s, fmt.Sprintf("RSA with %d bits is an unusual size", bits))
}

func largeKey(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if !isRSA(s) || s.View.Key.Bits <= 4096 {
		return nil
	}
	return say(s, fmt.Sprintf("RSA with %d bits slows every handshake down", s.View.Key.Bits))
}

func smallExponent(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if s.X509 == nil {
		return nil
	}
	if key, ok := s.X509.PublicKey.(*rsa.PublicKey); ok && key.E < 65537 {
		return say(s, fmt.Sprintf("the RSA key has the public exponent %d", key.E))
	}
	return nil
}

func strangeCurve(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if s.View.Key.Algorithm != oidEC {
		return nil
	}
	switch s.View.Key.Curve {
	case "1.3.132.0.33", "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35", "explicit", "":
		return nil
	}
	return say(s, fmt.Sprintf("the curve %s is unknown to Go", curveName(s.View.Key.Curve)))
}

func curveName(oid string) string {
	switch oid {
	case "1.3.132.0.10":
		return "secp256k1"
	case "1.2.840.10045.3.1.1":
		return "P-192"
	case "1.3.36.3.3.2.8.1.1.7":
		return "brainpoolP256r1"
	case "1.3.36.3.3.2.8.1.1.11":
		return "brainpoolP384r1"
	case "1.3.36.3.3.2.8.1.1.13":
		return "brainpoolP512r1"
	}
	return oid
}

func strangeKey(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if s.Role != inspect.Leaf {
		return nil
	}
	switch alg := s.View.Key.Algorithm; alg {
	case oidRSA, oidEC, "":
		return nil
	case oidEd25519:
		return nil
	case oidDSA:
		return say(s, "DSA: Go's TLS has no use for it")
	case oidEd448:
		return say(s, "Ed448: Go does not know it")
	case oidRSAPSS:
		return say(s, "the key is marked for RSASSA-PSS alone, which Go does not read; use a plain RSA key")
	default:
		return say(s, "the key algorithm "+alg+" is unknown to Go")
	}
}

func ed25519Key(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if s.Role != inspect.Leaf || s.View.Key.Algorithm != oidEd25519 {
		return nil
	}
	return say(s, "an Ed25519 key: .NET, browsers and older Java do not take it")
}

func signedWith(hash string, oids ...string) func(*inspect.Evidence, *inspect.Subject) []inspect.Finding {
	return func(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
		for _, oid := range oids {
			if s.View.OuterAlgorithm == oid && !rootItself(s) {
				return say(s, "signed with "+hash)
			}
		}
		return nil
	}
}

// rootItself: nobody checks the signature that a root made for itself.
func rootItself(s *inspect.Subject) bool {
	return selfIssued(s) && s.Role != inspect.Leaf
}

func pssSalt(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	if s.View.OuterAlgorithm != oidRSAPSS {
		return nil
	}
	salt, digest := verify.PSSSalt(s.View.AlgorithmParameters)
	if salt == digest {
		return nil
	}
	return say(s, fmt.Sprintf("the RSA-PSS salt has %d bytes, the digest %d: Go and GnuTLS do not verify that", salt, digest))
}

func badSignature(e *inspect.Evidence) (out []inspect.Finding) {
	subjects := e.Subjects()
	certs := certsOf(subjects)
	for i, link := range pki.Links(certs) {
		c := certs[i]
		if c.X509 == nil || len(link.Issuers) > 0 || link.Unchecked {
			continue
		}
		for _, n := range link.Namesakes {
			issuer := certs[n]
			// With other identifiers it is another CA of the same name: that has a
			// rule of its own.
			if n == i || !identifiersAgree(issuer, c) || !issuer.X509.IsCA {
				continue
			}
			out = append(out, inspect.Finding{Origin: c.Origin, Message: "its signature was not made by the key of " + issuer.Describe()})
			break
		}
	}
	return out
}

func identifiersAgree(issuer, child pki.Cert) bool {
	a, b := issuer.X509.SubjectKeyId, child.X509.AuthorityKeyId
	return len(a) > 0 && string(a) == string(b)
}

func certsOf(subjects []inspect.Subject) []pki.Cert {
	certs := make([]pki.Cert, len(subjects))
	for i := range subjects {
		certs[i] = subjects[i].Cert
	}
	return certs
}

func sameKeyAsCA(e *inspect.Evidence) []inspect.Finding {
	leaf, _ := e.Leaf()
	if leaf.X509 == nil {
		return nil
	}
	for _, s := range e.Subjects() {
		if s.X509 != nil && s.X509.IsCA && !s.X509.Equal(leaf.X509) && pki.SamePublicKey(leaf.X509.PublicKey, s.X509.PublicKey) &&
			string(s.X509.RawSubject) != string(leaf.X509.RawSubject) {
			return []inspect.Finding{{Origin: leaf.Origin, Message: "has the same key as its CA " + s.Describe()}}
		}
	}
	return nil
}

func encryptedKey(e *inspect.Evidence) (out []inspect.Finding) {
	for _, k := range e.Material.Keys {
		if k.Encrypted && k.Origin.Field != "" {
			out = append(out, inspect.Finding{Origin: k.Origin, Message: "the key is protected by a password that nothing in the cluster can give"})
		}
	}
	return out
}

func keyBesideAnchors(e *inspect.Evidence) (out []inspect.Finding) {
	for _, k := range e.Material.Keys {
		for _, a := range e.Material.Anchors {
			if k.Origin.Source == a.Origin.Source && k.Origin.Field == a.Origin.Field {
				out = append(out, inspect.Finding{Origin: k.Origin, Message: "a private key stands in the file that is handed to all clients"})
				break
			}
		}
	}
	return out
}
