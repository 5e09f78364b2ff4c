package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/crpki/crpki/pki"
)

// conclude says it in words: verdict, cause, fix.
func (r *Result) conclude(h *handshake, o Options) {
	switch {
	case !h.dialed:
		r.unreachable(h.err)
	case h.received != nil:
		r.notTLS(h.received)
	case len(h.certs) == 0, r.goErr == h.err && isBroken(h.err) && !h.small:
		r.noHandshake(h.err)
	case r.Go.OK && r.OpenSSL.OK && r.others != "" && !r.fewOthers:
		r.otherCiphers()
	case r.Go.OK && r.OpenSSL.OK:
		r.trusted(o)
	default:
		r.refused(h, o)
	}
}

// trusted adds what else keeps a client from pulling.
func (r *Result) trusted(o Options) {
	r.Status, r.Verdict = Trusted, "trusted"
	for _, e := range r.Endpoints {
		if e.Status != Trusted && e.Status != Warning {
			r.Status, r.Cause, r.Fix = e.Status, e.Cause, e.Fix
			r.Verdict = fmt.Sprintf("trusted, but its %s %s is not: %s", e.Role, net.JoinHostPort(e.Host, e.Port), e.Verdict)
			return
		}
	}
	if days := r.DaysLeft(); o.FailDays > 0 && days < o.FailDays {
		r.Status, r.Verdict = Refused, fmt.Sprintf("trusted, but for %d days only, which are less than %d", days, o.FailDays)
		r.Fix = "crpki renew FILE"
		return
	} else if o.WarnDays > 0 && days < o.WarnDays {
		r.Status, r.Verdict = Warning, fmt.Sprintf("trusted, for %d days only, which are less than %d", days, o.WarnDays)
		r.Fix = "crpki renew FILE"
		return
	}
	if r.usable(); r.Status == Trusted && r.others != "" {
		r.otherCiphers()
	}
}

// usable says what else keeps a client from pulling, though TLS is right.
func (r *Result) usable() {
	g := r.Registry
	switch {
	case g == nil:
	case g.evil:
		r.Status, r.Verdict, r.Cause = g.status, "trusted, but the registry sends clients where they should not log in", g.Error
	case g.plain:
		r.Status, r.Verdict, r.Cause = g.status, "trusted, but the registry sends clients to plain HTTP", g.Error
	case g.Error != "":
		r.Verdict, r.Cause = "trusted, but no registry answers", g.Error
		switch {
		case g.status != "":
			r.Status = g.status
		case r.Image != nil && !r.Image.OK:
			r.Status = r.Image.status
		}
	case r.Image != nil && !r.Image.OK:
		r.Status, r.Verdict, r.Cause = r.Image.status, "trusted, but "+r.Image.Name+" cannot be pulled", r.Image.Error
		if login := g.Login; login != nil && login.Source == "" && !login.OK {
			r.Fix = "crpki probe " + r.again() + "/" + r.Image.Name + " --username NAME"
		}
	case r.Image == nil && g.Login != nil && !g.Login.OK:
		r.Status, r.Verdict, r.Cause = Unusable, "trusted, but the login fails", g.Login.Error
	}
}

// DaysLeft counts the days of the certificate that ends first; the root, which
// clients have themselves, is left out.
func (r *Result) DaysLeft() int {
	least := 0
	for i, c := range r.Chain {
		if i == 0 || !c.SelfSigned && c.DaysLeft < least {
			least = c.DaysLeft
		}
	}
	return least
}

// again is what to put behind crpki probe to come here again.
func (r *Result) again() string {
	if r.Port == "443" && !strings.Contains(r.Host, ":") {
		return r.Host
	}
	return net.JoinHostPort(r.Host, r.Port)
}

func (r *Result) unreachable(err error) {
	r.Status = Unreachable
	var dns *net.DNSError
	var proxied *proxyError
	switch {
	case errors.As(err, &proxied) && !errors.Is(err, context.Canceled):
		r.Verdict = "unreachable through the proxy " + printable(errors.New(proxied.host))
		r.Cause = printable(err)
	case errors.As(err, &dns) && dns.IsNotFound:
		r.Verdict = "unreachable: no such host"
		r.Cause = "the name has no address here; kubelet and containerd ask the node's resolver, not the cluster's"
		r.Fix = "getent hosts " + dns.Name
	case errors.As(err, &dns):
		r.Verdict, r.Cause = "unreachable: the name could not be resolved", printable(err)
	case errors.Is(err, syscall.ECONNREFUSED):
		r.Verdict = "unreachable: connection refused"
		r.Cause = "nothing listens on port " + refusedPort(err, r.Port)
	case errors.Is(err, syscall.EINVAL) && r.isLinkLocal():
		r.Verdict = "unreachable: not an address of a link of this machine"
		r.Cause = "a link-local address goes with an interface that there is: " + r.Host + "%eth0"
		r.Fix = "ip -brief link"
	case errors.Is(err, context.Canceled):
		r.Verdict = "interrupted"
	case errors.Is(err, errLocal):
		r.Status = Unusable
		r.Verdict = "not followed to an address of this machine"
	case isTimeout(err):
		r.Verdict = "unreachable: no answer in time"
		r.Cause = "the address does not exist, or a firewall drops what is sent there"
	default:
		r.Verdict = "unreachable: " + printable(rootCause(err))
	}
	if r.Cause == "" {
		r.Cause = printable(err)
	}
}

func (r *Result) isLinkLocal() bool {
	addr, err := netip.ParseAddr(r.Host)
	return err == nil && addr.IsLinkLocalUnicast()
}

// refusedPort is the one that was dialled, which need not be the target's.
func refusedPort(err error, otherwise string) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		if _, port, err := net.SplitHostPort(op.Addr.String()); err == nil {
			return port
		}
	}
	return otherwise
}

// rootCause is the reason alone: "network is unreachable".
func rootCause(err error) error {
	if no, ok := errors.AsType[syscall.Errno](err); ok {
		return no
	}
	return err
}

// notTLS names what answers instead.
func (r *Result) notTLS(received []byte) {
	r.Status = NotTLS
	kind, fix := protocolOf(received), ""
	switch {
	case bytes.HasPrefix(received, []byte("HTTP/")):
		r.Verdict = "refused by Go clients: plain HTTP, not HTTPS"
		r.Cause = "the server does not have TLS on this port; Go's clients say: http: server gave HTTP response to HTTPS client"
		fix = "crpki gen --" + r.nameFlag() + " " + r.Host + ", then give the server its certificate and key"
		r.Go = &GoVerdict{Error: "http: server gave HTTP response to HTTPS client"}
	case kind != "":
		r.Verdict = "refused: not TLS but " + kind
		r.Cause = "another service listens on port " + r.Port
	default:
		r.Verdict = "refused: not TLS"
		r.Cause = fmt.Sprintf("the server's answer begins with %q", received[:min(len(received), 24)])
	}
	r.Fix = fix
}

// protocolOf names protocols by their greeting.
func protocolOf(received []byte) string {
	for _, p := range [...]struct{ prefix, name string }{
		{"SSH-", "SSH"},
		{"220 ", "SMTP or FTP"},
		{"220-", "SMTP or FTP"},
		{"* OK", "IMAP"},
		{"+OK", "POP3"},
		{"-ERR", "Redis"},
		{"RFB ", "VNC"},
		{"\x00\x00\x00\x00\x00", "HTTP/2 without TLS"},
		{"\x00\x00\x12\x04", "HTTP/2 without TLS"},
	} {
		if bytes.HasPrefix(received, []byte(p.prefix)) {
			return p.name
		}
	}
	return ""
}

// isBroken is true for a connection that ended, or that did not go on in time.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || err != nil && isTimeout(err)
}

// noHandshake is for a server that did not come to the end of a handshake.
func (r *Result) noHandshake(err error) {
	switch {
	case isTimeout(err):
		r.Go = nil // it depends on how long a client waits
		r.Status, r.Verdict = Unreachable, "unreachable: connected, but no TLS answer in time"
		r.Cause = "the server does not speak TLS and waits, or it hangs"
		return
	case isBroken(err):
		r.Status, r.Verdict = Unreachable, "unreachable: the connection was closed during the handshake"
		r.Cause = "the server does not speak TLS, or a load balancer has nothing behind it: " + printable(err)
		return
	case errors.Is(err, context.Canceled):
		r.Status, r.Verdict = Unreachable, "interrupted"
		return
	}
	r.Status = Refused
	r.Verdict = "refused: no TLS handshake: " + printable(err)
	text := err.Error()
	switch {
	case strings.Contains(text, "unrecognized name"):
		r.Cause = "the server has no certificate for " + r.Host
	case strings.Contains(text, "protocol version"):
		r.Cause = "client and server have no version of TLS in common"
	case strings.Contains(text, "handshake failure"):
		r.Cause = "client and server have no cipher, group or signature in common; or the key is too short to sign"
	default:
		r.Cause = "what the server answers breaks the protocol"
	}
}

// refused is for a chain that one of the judges does not accept.
func (r *Result) refused(h *handshake, o Options) {
	r.Status = Refused
	reason, cause, fix := r.goReason(h)
	if known, why := r.recognize(h); known != "" {
		reason, cause, fix = known, why, "crpki probe "+r.again()+" --save-chain served.pem && crpki inspect served.pem"
	}
	switch {
	case r.clientRefused(h):
		r.wantsClient(h, o)
		return
	case r.goErr != nil && r.goErr == h.err: // not the chain, the handshake
		r.Verdict = "refused by " + r.whoRefuses(h) + ": " + reason
	case r.Go.OK:
		r.Verdict = "refused by OpenSSL clients, accepted by Go's: " + r.OpenSSL.Reason
		r.Cause, r.Fix = "OpenSSL asks for more here than Go does", "crpki probe "+r.again()+" --save-chain served.pem && crpki lint served.pem"
		return
	case r.OpenSSL != nil && r.OpenSSL.OK:
		r.Verdict = "refused by Go clients, accepted by OpenSSL's: " + reason
	default:
		r.Verdict = "refused: " + reason
	}
	r.Cause, r.Fix = cause, fix
}

// clientRefused is true when the server ended it for want of a client
// certificate, or because of the one that it got.
func (r *Result) clientRefused(h *handshake) bool {
	if h.asked == nil || h.permissive || r.goErr == nil || r.goErr != h.err && r.goErr != r.clientErr {
		return false
	}
	text := r.goErr.Error()
	// Servers of TLS 1.2 have no alert of their own for it (RFC 5246, 7.4.6).
	return slices.ContainsFunc([]string{
		"certificate required", "bad certificate", "handshake failure", "unknown certificate", "unknown certificate authority",
		"certificate unknown", "certificate expired", "expired certificate", "unsupported certificate", "access denied",
	}, func(alert string) bool { return strings.HasSuffix(text, "remote error: tls: "+alert) })
}

func (r *Result) wantsClient(h *handshake, o Options) {
	if r.TLS != nil && r.TLS.ClientCertificate != nil {
		r.TLS.ClientCertificate.Refused = printable(r.goErr)
	}
	r.Cause = "it answers: " + printable(r.goErr)
	if h.notShown != nil {
		r.Verdict = "refused by the server: it wants a client certificate, and not of the CA that yours is of"
		r.Cause = "Go's clients do not show it: " + printable(h.notShown) + "; the server answers: " + printable(r.goErr)
		r.Fix = "openssl verify -purpose sslclient -CAfile SERVERS_CLIENT_CA client.crt"
		return
	}
	if o.ClientCert != nil {
		r.Verdict = "refused by the server: it does not take the client certificate"
		r.Fix = "openssl verify -purpose sslclient -CAfile SERVERS_CLIENT_CA client.crt"
		return
	}
	r.Verdict = "refused by the server: it wants a client certificate"
	r.Fix = "crpki probe " + r.again() + " --cert client.crt --key client.key"
}

// goReason tells why Go's clients refuse.
func (r *Result) goReason(h *handshake) (reason, cause, fix string) {
	var (
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	leaf := h.certs[0]
	renew := "crpki renew FILE"
	err := r.goErr
	switch {
	case err == nil:
		return "", "", ""
	case h.small:
		return "the server goes without a word at their first message",
			"they offer X25519MLKEM768, with which it takes more than a packet; without, the server answers: " + printable(err), "update the server, or the load balancer before it; until then, GODEBUG=tlsmlkem=0 for the client"
	case h.sha1, err == h.err && signsUnasked(err):
		return "no signature that they take, but with SHA-1",
			"the server signs the exchange of keys, which clients built for Go before 1.25 take with SHA-1: " + printable(err), fixSignatures
	case h.foreign && leaf.X509 != nil && leaf.X509.PublicKey == nil:
		return "the server's key is of a kind that they do not know", "Go's clients know RSA, ECDSA and Ed25519: " + printable(err), "crpki gen --" + r.nameFlag() + " " + r.Host + " --ca CA_FILE"
	case h.foreign:
		return "nothing that they offer, but " + suiteName(h.hello.cipher), "OpenSSL's clients offer more ciphers, groups and signatures than Go's: " + printable(err), fixCiphers
	case h.permissive && h.hello.version >= tls.VersionTLS12:
		return "no cipher that they offer, but " + tls.CipherSuiteName(h.hello.cipher),
			"Go's clients offer ciphers that have forward secrecy and are not broken: " + printable(err), fixCiphers
	case h.permissive:
		return "nothing newer than TLS " + versionName(h.hello.version) + " with " + tls.CipherSuiteName(h.hello.cipher),
			"Go's clients offer TLS 1.2 and 1.3: " + printable(err), "allow TLS 1.2 and 1.3 in the server's configuration"
	case errors.As(err, &hostname) && r.isLater(leaf.X509):
		return "the server sends its CA's certificate first", "its own comes later in the chain: clients take the first for the server's", "crpki bundle FILE --out FILE on the server"
	case errors.As(err, &hostname):
		return r.hostReason(leaf.X509), namesOnly(leaf.X509), renew + " --" + r.nameFlag() + " " + r.Host
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if !invalid.Cert.Equal(leaf.X509) {
			renew = "crpki bundle FILE new-intermediate.crt --out FILE on the server"
		}
		return r.timeReason(invalid.Cert), "", renew
	case errors.As(err, &authority):
		return r.authorityReason(h)
	case leaf.X509 == nil && hasTwoSANs(leaf):
		return "two subjectAltName extensions", "Go's clients cannot read such a certificate, whatever is in it: a certificate has one list of names", renew
	case slices.ContainsFunc(r.Faults, func(f Fault) bool { return f.Code == FaultUnreadable }):
		return "Go's clients cannot read the certificate", printable(err), "crpki probe " + r.again() + " --save-chain served.pem && crpki lint served.pem"
	}
	if strings.Contains(err.Error(), "invalid signature by the server certificate") {
		return "the server's key is not that of its certificate", printable(err), "crpki lint FILE KEY_FILE on the server"
	}
	text := strings.TrimPrefix(printable(err), "tls: failed to verify certificate: ")
	return text, "", "crpki probe " + r.again() + " --save-chain served.pem && crpki lint served.pem"
}

// isLater is true when the first certificate is a CA's and a later one is for
// the host.
func (r *Result) isLater(first *x509.Certificate) bool {
	return first.IsCA && slices.ContainsFunc(r.certs[1:], func(c pki.Cert) bool {
		return c.X509 != nil && c.X509.VerifyHostname(r.Host) == nil
	})
}

func (r *Result) hostReason(c *x509.Certificate) string {
	isIP := r.nameFlag() == "ip"
	switch {
	case isIP && len(c.IPAddresses) == 0:
		return "no IP SAN"
	case !isIP && len(c.DNSNames) == 0:
		return "no DNS SAN"
	}
	return "the certificate is for other names than " + r.Host
}

func (r *Result) nameFlag() string {
	if _, err := netip.ParseAddr(r.Host); err == nil {
		return "ip"
	}
	return "dns"
}

// namesOnly lists what the certificate is valid for.
func namesOnly(c *x509.Certificate) string {
	names := describeNames(c)
	if names == "" {
		return "the certificate has no names at all"
	}
	return "the certificate names only " + names
}

func (r *Result) timeReason(c *x509.Certificate) string {
	who := "the certificate"
	if len(r.certs) > 0 && !c.Equal(r.certs[0].X509) {
		who = pki.Printable(c.Subject.String())
	}
	if r.At.Before(c.NotBefore) {
		return who + " is not valid before " + c.NotBefore.UTC().Format(time.DateTime) + " UTC"
	}
	return who + " expired on " + c.NotAfter.UTC().Format(time.DateOnly)
}

// authorityReason tells apart what Go calls an unknown authority.
func (r *Result) authorityReason(h *handshake) (reason, cause, fix string) {
	again := "crpki probe " + r.again()
	leaf := r.Chain[0]
	has := func(code string) bool {
		return slices.ContainsFunc(r.Faults, func(f Fault) bool { return f.Code == code })
	}
	switch {
	case leaf.SelfSigned:
		return "a self-signed certificate that is not trusted", "it vouches for itself; clients must be given a copy of it",
			again + " --save-chain served.pem, compare its fingerprint with the server's, then --ca-file served.pem"
	case has(FaultRootSent):
		return "signed by a CA that is not trusted", "the server sends the CA's certificate, but clients go by what they have",
			again + " --ca-file CA_FILE with the CA's certificate, from whoever runs the CA"
	case has(FaultIssuerMissing) && len(r.Chain) == 1:
		return "the issuer is not known: " + leaf.Issuer, "either an intermediate is missing in what the server sends, or the CA is not trusted",
			"crpki bundle FILE intermediate.crt --out FILE on the server; or " + again + " --ca-file CA_FILE"
	case has(FaultIssuerMissing):
		return "the chain ends at a CA that is not known", "neither the server nor the trusted certificates have the next one",
			again + " --ca-file CA_FILE"
	}
	switch text := r.goErr.Error(); {
	case strings.Contains(text, "parent certificate cannot sign"):
		return "a certificate in the chain may not sign others", "its issuer is no CA, or has no key usage to sign certificates", again + " --save-chain served.pem && crpki lint served.pem"
	case strings.Contains(text, "insecure algorithm"):
		return "signed with an algorithm that Go's clients do not accept", printable(r.goErr), "crpki renew FILE"
	case strings.Contains(text, "possibly because of"):
		return "another CA of the same name is trusted", "the CA was made anew, and clients have the old one, or the server still has a certificate of the old one", again + " --save-chain served.pem && crpki inspect served.pem CA_FILE"
	}
	return "not signed by a CA that is trusted", printable(r.goErr), again + " --save-chain served.pem && crpki inspect served.pem"
}

func describeNames(c *x509.Certificate) string {
	const most = 5
	names := pki.NamesOf(c).Strings()
	text := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return pki.Printable(text)
}
