package probe

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
)

// clientHello is the first message of a client that goes no further: by the
// answer, a server says which version and suite it takes. crypto/tls offers
// neither old suites nor a choice among those of TLS 1.3.
type clientHello struct {
	// version is the only one that is offered; newer: and those above it, the
	// newest first.
	version    uint16
	newer      bool
	suites     []uint16
	serverName string
	// groups and signatures are all that there are, where they are not given.
	groups, signatures []uint16
	// share is for x25519 in TLS 1.3; nil: none.
	share []byte
}

// allGroups are x25519, P-256, P-384, P-521, x448, P-224, P-192, brainpool,
// ffdhe2048 to 8192.
var allGroups = []uint16{29, 23, 24, 25, 30, 21, 19, 26, 27, 28, 256, 257, 258, 259, 260}

// allSignatures are ECDSA, Ed25519, Ed448, PSS, PKCS #1, and with SHA-224, SHA-1,
// MD5 and DSA.
var allSignatures = []uint16{
	0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b,
	0x0401, 0x0501, 0x0601, 0x0301, 0x0303, 0x0203, 0x0201, 0x0101, 0x0202, 0x0302, 0x0402, 0x0502, 0x0602,
}

// Extensions (RFC 8446, 4.2; RFC 8422, 5.1.2; RFC 5746).
const (
	extensionServerName          = 0
	extensionGroups              = 10
	extensionPointFormats        = 11
	extensionSignatureAlgorithms = 13
	extensionMasterSecret        = 23
	extensionVersions            = 43
	extensionKeyShare            = 51
	extensionRenegotiation       = 0xff01
)

// marshal gives the record (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2).
func (h clientHello) marshal() []byte {
	var b cryptobyte.Builder
	b.AddUint8(recordHandshake)
	b.AddUint16(tls.VersionTLS10) // for servers that look at it (RFC 8446, 5.1)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(messageClientHello)
		b.AddUint24LengthPrefixed(h.body)
	})
	return b.BytesOrPanic()
}

func (h clientHello) body(b *cryptobyte.Builder) {
	var random [64]byte
	rand.Read(random[:])
	b.AddUint16(min(h.version, tls.VersionTLS12))
	b.AddBytes(random[:32])
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(random[32:]) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, s := range h.suites {
			b.AddUint16(s)
		}
	})
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) }) // no compression
	b.AddUint16LengthPrefixed(h.extensions)
}

func (h clientHello) extensions(b *cryptobyte.Builder) {
	add := func(kind uint16, content func(b *cryptobyte.Builder)) {
		b.AddUint16(kind)
		b.AddUint16LengthPrefixed(content)
	}
	list := func(values ...uint16) func(b *cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				for _, v := range values {
					b.AddUint16(v)
				}
			})
		}
	}
	if _, err := netip.ParseAddr(h.serverName); err != nil && h.serverName != "" {
		add(extensionServerName, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0) // host_name
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(h.serverName)) })
			})
		})
	}
	groups, signatures := h.groups, h.signatures
	if groups == nil {
		groups, signatures = allGroups, allSignatures
	}
	add(extensionGroups, list(groups...))
	add(extensionPointFormats, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) })
	})
	add(extensionSignatureAlgorithms, list(signatures...))
	add(extensionMasterSecret, func(*cryptobyte.Builder) {})
	if h.version < tls.VersionTLS13 {
		add(extensionRenegotiation, func(b *cryptobyte.Builder) { b.AddUint8(0) })
		if !h.newer {
			return
		}
	}
	add(extensionVersions, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
			for v := uint16(tls.VersionTLS13); h.newer && v > h.version; v-- {
				b.AddUint16(v)
			}
			b.AddUint16(h.version)
		})
	})
	// Without a share, the server answers which it would like, and with which
	// suite: a HelloRetryRequest, which costs neither side a computation.
	add(extensionKeyShare, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			if h.share != nil {
				b.AddUint16(uint16(tls.X25519))
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.share) })
			}
		})
	})
}

// maxServerHello bounds the records that are read for a ServerHello.
const maxServerHello = 4

// send gives the ServerHello, or the error in the words of crypto/tls.
func (h clientHello) send(conn net.Conn) (answer hello, err error) {
	if _, err := conn.Write(h.marshal()); err != nil {
		return answer, err
	}
	var received []byte
	for range maxServerHello {
		kind, record, err := readRecord(conn, recordHandshake, recordAlert)
		if err != nil {
			return answer, err
		}
		if kind == recordAlert {
			continue
		}
		received = append(received, record...)
		if answer = readHello(received, nil); answer.version != 0 {
			return answer, nil
		}
	}
	return answer, errors.New("tls: no ServerHello")
}

// ask sends a hello over a connection of its own.
func (o Options) ask(ctx context.Context, t Target, h clientHello) (hello, error) {
	conn, _, err := o.dial(ctx, t)
	if err != nil {
		return hello{}, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, o.Timeouts.Handshake)
	defer cancel()
	defer obey(ctx, conn)()
	return h.send(conn)
}
