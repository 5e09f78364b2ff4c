package probe

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"errors"
	"fmt"
	"hash"
	"net"
)

// What openssl s_client 3.0 offers by itself, at security level 2: more than Go
// does. (crypto/tls knows no RSASSA-PSS keys, no Ed448, no finite fields.)
var (
	sClientSuites13 = []uint16{0x1302, 0x1303, 0x1301}
	sClientSuites   = []uint16{
		0xc02c, 0xc030, 0x009f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x009e, 0xc024, 0xc028, 0x006b, 0xc023, 0xc027, 0x0067,
		0xc00a, 0xc014, 0x0039, 0xc009, 0xc013, 0x0033, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f,
	}
	// x25519, P-256, x448, P-521, P-384, ffdhe2048 to 8192.
	sClientGroups = []uint16{29, 23, 30, 25, 24, 256, 257, 258, 259, 260}
	// ECDSA, Ed25519, Ed448, RSASSA-PSS by keys for it and others, PKCS #1; with
	// SHA-224.
	sClientSignatures = []uint16{
		0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0303, 0x0301,
	}
)

// askAsOpenSSL gets the certificates of a server that takes nothing of what Go
// offers, and what openssl s_client does.
func (o Options) askAsOpenSSL(ctx context.Context, t Target, serverName string) (answer hello) {
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		h := clientHello{version: version, suites: sClientSuites, serverName: serverName, groups: sClientGroups, signatures: sClientSignatures}
		if version == tls.VersionTLS13 {
			h.suites = sClientSuites13
		}
		conn, _, err := o.dial(ctx, t)
		if err != nil {
			return hello{}
		}
		answer, err = o.certificates(ctx, conn, h)
		conn.Close()
		if err == nil {
			return answer
		}
	}
	return hello{}
}

// maxFlight bounds the records that are read for certificates.
const maxFlight = 64

// certificates sends a hello and reads the answer up to the certificates.
func (o Options) certificates(ctx context.Context, conn net.Conn, h clientHello) (hello, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeouts.Handshake)
	defer cancel()
	defer obey(ctx, conn)()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return hello{}, err
	}
	if h.version == tls.VersionTLS13 {
		h.share = key.PublicKey().Bytes()
	}
	sent := h.marshal()
	if _, err := conn.Write(sent); err != nil {
		return hello{}, err
	}
	var received, keyLog []byte
	for range maxFlight {
		_, record, err := readRecord(conn, recordHandshake, recordAlert, recordApplication, recordChangeCipher)
		if err != nil {
			return hello{}, err
		}
		if received = append(received, record...); len(received) > maxRecorded {
			break
		}
		answer := readHello(received, keyLog)
		if answer.version == tls.VersionTLS13 && keyLog == nil {
			if keyLog, err = handshakeKeyLog(answer, key, sent[5:], received[5:]); err != nil {
				return hello{}, err
			}
		}
		if len(answer.certs) > 0 {
			return answer, nil
		}
	}
	return hello{}, errors.New("tls: no certificates")
}

// handshakeKeyLog derives the key of the server's handshake records, from the
// messages ClientHello and ServerHello (RFC 8446, 7.1), for [readHello].
func handshakeKeyLog(answer hello, key *ecdh.PrivateKey, client, server []byte) ([]byte, error) {
	share, err := ecdh.X25519().NewPublicKey(answer.share)
	if err != nil {
		return nil, fmt.Errorf("tls: server sent no share that was asked for: %w", err)
	}
	shared, err := key.ECDH(share)
	if err != nil || len(server) < 4 {
		return nil, errors.New("tls: invalid server key share")
	}
	server = server[:min(len(server), 4+int(server[1])<<16+int(server[2])<<8+int(server[3]))]
	newHash := sha256.New
	if answer.cipher == tls.TLS_AES_256_GCM_SHA384 {
		newHash = sha512.New384
	}
	secret, err := handshakeSecret(newHash, shared, client, server)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "SERVER_HANDSHAKE_TRAFFIC_SECRET %x %x\n", client[6:38], secret), nil
}

func handshakeSecret(newHash func() hash.Hash, shared []byte, messages ...[]byte) ([]byte, error) {
	none := make([]byte, newHash().Size())
	early, err := hkdf.Extract(newHash, none, none)
	if err != nil {
		return nil, err
	}
	derived, err := expandLabel(newHash, early, "derived", newHash().Sum(nil), len(none))
	if err != nil {
		return nil, err
	}
	secret, err := hkdf.Extract(newHash, shared, derived)
	if err != nil {
		return nil, err
	}
	transcript := newHash()
	transcript.Write(bytes.Join(messages, nil))
	return expandLabel(newHash, secret, "s hs traffic", transcript.Sum(nil), len(none))
}
