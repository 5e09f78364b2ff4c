package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
)

// Protocol is one version of TLS, offered alone with every suite that there is.
type Protocol struct {
	Version  string `json:"version"`
	Accepted bool   `json:"accepted"`
	Error    string `json:"error,omitempty"`
	// Ciphers are the suites that the server takes, when they were asked for: in
	// its own order when ServerOrder is true, else in crpki's.
	Ciphers     []Cipher `json:"ciphers,omitempty"`
	ServerOrder bool     `json:"serverOrder,omitempty"`
}

// Cipher is a suite that the server takes.
type Cipher struct {
	// Name is that in IANA's registry, ID its number: "0xc02f".
	Name string `json:"name"`
	ID   string `json:"id"`
	// Go is true when Go's clients offer it.
	Go bool `json:"go"`
	// Weakness says what is wrong with it: "no encryption", "no authentication",
	// "broken", "64-bit blocks", "no forward secrecy".
	Weakness string `json:"weakness,omitempty"`
}

// protocols finds out which versions the server takes, with a connection each,
// and with o.Ciphers a connection more for each suite that it takes.
func (o Options) protocols(ctx context.Context, t Target, serverName string) (all []Protocol) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		p := Protocol{Version: versionName(version)}
		chosen, err := o.offer(ctx, t, serverName, version, suitesOf(version))
		p.Accepted = err == nil
		if err != nil {
			p.Error = printable(err)
		} else if o.Ciphers {
			err = p.list(chosen, version, func(offered []suite) (suite, error) {
				return o.offer(ctx, t, serverName, version, offered)
			})
			if err != nil {
				p.Error = "the list is not complete: " + printable(err)
			}
		}
		all = append(all, p)
	}
	return all
}

// offer gives the suite that the server chooses.
func (o Options) offer(ctx context.Context, t Target, serverName string, version uint16, offered []suite) (suite, error) {
	h := clientHello{version: version, serverName: serverName}
	for _, s := range offered {
		h.suites = append(h.suites, s.id)
	}
	answer, err := o.ask(ctx, t, h)
	if err != nil {
		return suite{}, err
	}
	if answer.version != version {
		return suite{}, fmt.Errorf("tls: server selected unsupported protocol version %x", answer.version)
	}
	i := slices.IndexFunc(offered, func(s suite) bool { return s.id == answer.cipher })
	if i < 0 {
		return suite{}, errors.New("tls: server chose an unconfigured cipher suite")
	}
	return offered[i], nil
}

// suitesOf are those that exist in a version. A server of an old one leaves out
// what came later by itself.
func suitesOf(version uint16) []suite {
	return slices.DeleteFunc(slices.Clone(suites[:]), func(s suite) bool { return (s.id>>8 == 0x13) != (version == tls.VersionTLS13) })
}

// list takes away what the server chose, and offers the rest, until it takes
// nothing any more.
func (p *Protocol) list(first suite, version uint16, offer func([]suite) (suite, error)) error {
	left, taken := suitesOf(version), []suite{first}
	for {
		left = slices.DeleteFunc(left, func(s suite) bool { return s == taken[len(taken)-1] })
		if len(left) == 0 {
			break
		}
		next, err := offer(left)
		if err != nil && !isRefusal(err) {
			p.keep(taken)
			return err
		}
		if err != nil {
			break
		}
		taken = append(taken, next)
	}
	p.keep(taken)
	// Who is offered the same from back to front, and chooses the same, has an
	// order of its own.
	backward := slices.Clone(taken)
	slices.Reverse(backward)
	again, err := offer(backward)
	p.ServerOrder = len(taken) > 1 && err == nil && again == first
	return nil
}

func (p *Protocol) keep(taken []suite) {
	for _, s := range taken {
		p.Ciphers = append(p.Ciphers, Cipher{Name: s.name, ID: fmt.Sprintf("0x%04x", s.id), Go: s.isGo(), Weakness: s.weakness()})
	}
}

// isRefusal is true when the server has said that it takes nothing of that, or
// has gone without a word, as some do.
func isRefusal(err error) bool {
	return strings.HasPrefix(err.Error(), "remote error: tls: ") || isClosed(err)
}

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
