package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/crpki/crpki/inspect/probe"
	"github.com/crpki/crpki/inspect/view"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// openSSLTime is how OpenSSL prints a time.
const openSSLTime = "Jan _2 15:04:05 2006 GMT"

// writeSClient prints the lines that scripts look for in what openssl s_client
// prints (3.0), in its order. What depends on the connection alone (sessions,
// counts of octets) is left out, and what crypto/tls keeps to itself.
func writeSClient(w io.Writer, r probe.Result, showCerts bool) error {
	b := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	if r.Address == "" {
		p("connect:%s", strings.TrimPrefix(r.Verdict, "unreachable: "))
		return b.Flush()
	}
	p("CONNECTED(00000003)")
	if len(r.Revocation) > 0 {
		writeSClientStaple(p, r.Revocation[0])
	}
	p("---")
	certs := r.Certs()
	if len(certs) == 0 {
		p("no peer certificate available\n---")
	} else {
		p("Certificate chain")
		for i, c := range certs {
			writeSClientCert(p, i, c)
			if showCerts {
				b.Write(pemOf([]pki.Cert{c}))
			}
		}
		p("---\nServer certificate")
		if !showCerts {
			b.Write(pemOf(certs[:1]))
		}
		subject, issuer := sClientNames(certs[0])
		p("subject=%s\nissuer=%s\n---", subject, issuer)
	}
	if r.TLS != nil {
		writeSClientTLS(p, r)
	} else if r.OpenSSL != nil {
		p("%s", r.OpenSSL)
	}
	p("---")
	return b.Flush()
}

func writeSClientCert(p func(string, ...any), i int, c pki.Cert) {
	subject, issuer := sClientNames(c)
	p(" %d s:%s\n   i:%s", i, subject, issuer)
	cert, _ := lenient.Read(c.Raw)
	if cert == nil {
		return
	}
	p("   a:PKEY: %s, %d (bit); sigalg: %s", view.OpenSSLObject(cert.Key.Algorithm), cert.Key.Bits, view.OpenSSLObject(cert.OuterAlgorithm))
	if !cert.NotAfter.IsZero() {
		p("   v:NotBefore: %s; NotAfter: %s", cert.NotBefore.UTC().Format(openSSLTime), cert.NotAfter.UTC().Format(openSSLTime))
	}
}

// writeSClientStaple prints what s_client -status does of the response that the
// server sends with its certificate.
func writeSClientStaple(p func(string, ...any), v probe.Revocation) {
	for _, s := range v.Sources {
		if s.Kind != "staple" || s.Said == "" {
			continue
		}
		const rule = "======================================"
		p("OCSP response: \n%s\nOCSP Response Data:\n    OCSP Response Status: successful (0x0)\n    Response Type: Basic OCSP Response", rule)
		p("    Produced At: %s\n    Cert Status: %s", s.ProducedAt.UTC().Format(openSSLTime), s.Said)
		p("    This Update: %s", s.ThisUpdate.UTC().Format(openSSLTime))
		if !s.NextUpdate.IsZero() {
			p("    Next Update: %s", s.NextUpdate.UTC().Format(openSSLTime))
		}
		p(rule)
		return
	}
	p("OCSP response: no response sent")
}

func writeSClientTLS(p func(string, ...any), r probe.Result) {
	if asked := r.TLS.ClientCertificate; asked != nil && len(asked.CAs) > 0 {
		p("Acceptable client certificate CA names")
		for _, name := range asked.RawCAs() {
			p("%s", view.OpenSSLName(name))
		}
	} else {
		p("No client certificate CA names sent")
	}
	if key := temporaryKey(r.TLS.Group); key != "" {
		p("Server Temp Key: %s", key)
	}
	if r.OpenSSL != nil && r.OpenSSL.OK {
		p("---\nVerification: OK")
	} else if r.OpenSSL != nil {
		p("---\nVerification error: %s", r.OpenSSL.Reason)
	}
	is13 := r.TLS.Version == "1.3"
	cipher, since := openSSLCipher(r.TLS.Cipher)
	p("---\nNew, %s, Cipher is %s", since, cipher)
	if certs := r.Certs(); len(certs) > 0 {
		if cert, _ := lenient.Read(certs[0].Raw); cert != nil {
			p("Server public key is %d bit", cert.Key.Bits)
		}
	}
	if is13 {
		p("Secure Renegotiation IS NOT supported")
	}
	p("Compression: NONE\nExpansion: NONE")
	if r.TLS.ALPN == "" {
		p("No ALPN negotiated")
	} else {
		p("ALPN protocol: %s", r.TLS.ALPN)
	}
	indent := ""
	if is13 {
		p("Early data was not sent")
	} else {
		p("SSL-Session:\n    Protocol  : TLSv%s\n    Cipher    : %s", strings.TrimSuffix(r.TLS.Version, ".0"), cipher)
		indent = "    "
	}
	if r.OpenSSL != nil {
		p("%s%s", indent, r.OpenSSL)
	}
}

// temporaryKey describes the server's share as s_client does; OpenSSL 3.0 knows
// no hybrid groups.
func temporaryKey(group string) string {
	switch group {
	case "X25519":
		return "X25519, 253 bits"
	case "CurveP256":
		return "ECDH, prime256v1, 256 bits"
	case "CurveP384":
		return "ECDH, secp384r1, 384 bits"
	case "CurveP521":
		return "ECDH, secp521r1, 521 bits"
	}
	return group
}

// openSSLCipher gives OpenSSL's name of a suite, and the version in which it
// came up: s_client prints that behind "New,".
func openSSLCipher(name string) (own, since string) {
	exchange, rest, ok := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !ok {
		return name, "TLSv1.3"
	}
	since = "TLSv1.2"
	if strings.HasSuffix(rest, "_SHA") || strings.HasSuffix(rest, "_MD5") {
		since = "SSLv3"
		if strings.HasPrefix(exchange, "ECDH") {
			since = "TLSv1.0"
		}
	}
	rest = strings.NewReplacer("3DES_EDE_CBC", "DES-CBC3", "_CBC_", "-", "AES_", "AES", "CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305",
		"RC4_128", "RC4", "_", "-").Replace(rest)
	if exchange == "RSA" {
		return rest, since
	}
	return strings.ReplaceAll(exchange, "_", "-") + "-" + rest, since
}

func sClientNames(c pki.Cert) (subject, issuer string) {
	cert, _ := lenient.Read(c.Raw)
	if cert == nil {
		return "", ""
	}
	return view.OpenSSLName(cert.RawSubject), view.OpenSSLName(cert.RawIssuer)
}
