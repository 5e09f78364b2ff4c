package probe

import (
	"context"
	"crypto/tls"
	"slices"

	"github.com/crpki/crpki/inspect/verify"
)

// OtherClients are Go's clients that say something else than the rest, since they
// offer other versions, ciphers and signatures of TLS than the Go of today does by
// itself.
type OtherClients struct {
	Clients string `json:"clients"`
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
}

// offer is what some clients offer.
type offer struct {
	clients string
	// least is the oldest version, suites are those below TLS 1.3.
	least  uint16
	suites []uint16
	// older: built with Go 1.19, see [GoVerdict.Older].
	older bool
	// few: one of several releases; the others take the server.
	few bool
	// groups are those of the key exchange; nil: Go's own.
	groups []tls.CurveID
	// sha1: built for Go before 1.25, which takes signatures with SHA-1.
	sha1 bool
}

// Suites below TLS 1.3.
var (
	// suitesGCM and suitesCBC are those of docker/go-connections up to 0.5, which
	// the clients took that are not named containerd; from 0.6 on it has no CBC,
	// from 0.8 on ChaCha20 (tlsconfig.DefaultServerAcceptedCiphers). Docker 29 took
	// 0.6, and pulls by containerd's code, without it.
	suitesGCM = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	}
	suitesCBC = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	}
	// suitesGone are those that Go offered up to 1.21 by itself, beside its own of
	// today, which are the above and suitesChaCha (crypto/tls, GODEBUG tlsrsakex,
	// tls3des).
	suitesGone = []uint16{
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
	}
	suitesChaCha = []uint16{
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	}
)

func suitesGo() []uint16 { return slices.Concat(suitesGCM, suitesCBC, suitesChaCha) }

// otherOffers are those by which a server could be judged otherwise than by Go's
// own, of which h tells: nil where all clients see the same.
func (h *handshake) otherOffers() []offer {
	set := slices.Concat(suitesGCM, suitesCBC)
	docker29 := offer{clients: "docker 29 for a login, or with a graph driver", least: tls.VersionTLS12, suites: suitesGCM, few: true}
	switch {
	case h.permissive, h.sha1, signsUnasked(h.err): // it takes nothing of Go's own
		all := []offer{
			// containers/image had TLS 1.0 as its least up to 5.24.
			{clients: "podman, skopeo and buildah of Debian 12", least: tls.VersionTLS10, suites: set, older: true, sha1: true},
			{clients: "containerd built with Go before 1.22, as in Debian 12", least: tls.VersionTLS12, suites: slices.Concat(suitesGo(), suitesGone), older: true, sha1: true},
		}
		if h.hello.version < tls.VersionTLS12 {
			return all
		}
		return append(all, // go.mod of containerd 2.2 is for Go 1.24, of 2.3 for 1.26
			offer{clients: "docker up to release 28", least: tls.VersionTLS12, suites: set, sha1: true},
			offer{clients: "containerd up to 2.2", least: tls.VersionTLS12, suites: suitesGo(), sha1: true})
	case h.small:
		return []offer{
			{clients: "podman, skopeo, buildah, containerd and docker of Debian 12", groups: groupsSmall, older: true},
			{clients: "docker up to release 28, containerd up to 2.0", groups: groupsSmall},
		}
	case h.err != nil || h.hello.version != tls.VersionTLS12 || slices.Contains(suitesGCM, h.hello.cipher):
		return nil
	case slices.Contains(suitesChaCha, h.hello.cipher): // its choice, or all that it has
		return []offer{docker29, {clients: "docker up to release 28, podman, skopeo, buildah and CRI-O", least: tls.VersionTLS12, suites: set}}
	}
	return []offer{docker29}
}

// askOthers shakes hands as other clients do, and keeps what they say where it is
// something else. first is how it went with what Go offers.
func (r *Result) askOthers(ctx context.Context, t Target, first *handshake, offers []offer, o Options) {
	for _, as := range offers {
		h := o.shakeAs(ctx, t, r.Host, as)
		h.close()
		certs, err := h.certs, h.err
		if as.sha1 && err != nil && (isOutdated(err) || signsUnasked(err)) {
			if answer, failed := o.askSHA1(ctx, t, r.Host, as.suites); failed == nil {
				certs, err = certsOf(t.Address(), answer.hello.certs), nil
				// Some servers fall back to an exchange by RSA, which needs no signature.
				first.sha1 = first.sha1 || !slices.Contains(as.suites, suitesGone[0])
				if answer.asked {
					continue
				}
			}
		}
		if err != nil && isTimeout(err) {
			continue // it depends on how long a client waits
		}
		if err == nil {
			_, err = o.verifier.Go(verify.Go{Presented: certs, Host: r.Host, At: o.Now})
		}
		said := OtherClients{Clients: as.clients, OK: err == nil, Error: printable(err)}
		if as.older {
			said.Error = verify.Go119(said.Error)
		}
		if said.OK == r.Go.OK && said.Error == r.Go.Error {
			continue
		}
		r.Go.Others = append(r.Go.Others, said)
		if !said.OK && r.Go.OK {
			r.others, r.fewOthers = as.clients, as.few
		}
	}
}

// whoRefuses are the clients of a verdict that Go's refuse.
func (r *Result) whoRefuses(h *handshake) string {
	others := slices.ContainsFunc(r.Go.Others, func(c OtherClients) bool { return c.OK })
	switch {
	case (h.sha1 || signsUnasked(h.err)) && (others || r.Go.Others == nil):
		return "Go clients of Go 1.25 and later"
	case h.small && others:
		return "Go clients of Go 1.24 and later"
	case others:
		return "most Go clients"
	}
	return "Go clients"
}

// otherCiphers is for a server that Go takes by itself, and not as some of its
// clients have set it.
func (r *Result) otherCiphers() {
	r.Cause = "Go offers it by itself, and so does containerd; other clients have a list of their own"
	r.Fix = fixCiphers
	reason := "no cipher that they offer, but " + r.TLS.Cipher
	if r.fewOthers {
		r.Status, r.Verdict = Warning, "trusted, but not by "+r.others+": "+reason
		return
	}
	r.Status, r.Verdict = Refused, "refused by "+r.others+", accepted by Go's other clients: "+reason
}

const (
	fixCiphers    = "allow ECDHE with AES-GCM in the server's configuration"
	fixSignatures = "allow signatures with SHA-256 in the server's configuration"
)
