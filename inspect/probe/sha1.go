package probe

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // servers still sign with it
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// What Go offered up to 1.24 by itself, and still does in programs whose go.mod
// is for one of these (crypto/tls, GODEBUG tlssha1).
var (
	sha1Signatures = []uint16{
		uint16(tls.PSSWithSHA256), uint16(tls.ECDSAWithP256AndSHA256), uint16(tls.Ed25519), uint16(tls.PSSWithSHA384), uint16(tls.PSSWithSHA512),
		uint16(tls.PKCS1WithSHA256), uint16(tls.PKCS1WithSHA384), uint16(tls.PKCS1WithSHA512), uint16(tls.ECDSAWithP384AndSHA384),
		uint16(tls.ECDSAWithP521AndSHA512), uint16(tls.PKCS1WithSHA1), uint16(tls.ECDSAWithSHA1),
	}
	sha1Groups = []uint16{uint16(tls.X25519), uint16(tls.CurveP256), uint16(tls.CurveP384), uint16(tls.CurveP521)}
)

// signsUnasked is true for a server that signs with what it likes, such as SHA-1.
func signsUnasked(err error) bool {
	return err != nil && strings.HasSuffix(err.Error(), "tls: certificate used with invalid signature algorithm")
}

// askSHA1 gets the certificates of a server of TLS 1.2 that signs its key with
// SHA-1, for which crypto/tls has no setting: it says what the server's first
// flight makes of a client that offers suites, and that takes SHA-1.
func (o Options) askSHA1(ctx context.Context, t Target, serverName string, suites []uint16) (*firstFlight, error) {
	conn, _, err := o.dial(ctx, t)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, o.Timeouts.Handshake)
	defer cancel()
	defer obey(ctx, conn)()
	h := clientHello{
		version: tls.VersionTLS12, newer: true, suites: slices.Concat(sClientSuites13, suites), serverName: serverName,
		groups: sha1Groups, signatures: sha1Signatures, share: make([]byte, 32),
	}
	rand.Read(h.share) // of a server that would go on with it, nothing is read
	sent := h.marshal()
	if _, err := conn.Write(sent); err != nil {
		return nil, err
	}
	f := &firstFlight{random: sent[11:43]}
	if err := f.read(conn); err != nil {
		return nil, err
	}
	return f, nil
}

// firstFlight is what a server of TLS 1.2 sends.
type firstFlight struct {
	hello hello
	// random are the client's and the server's.
	random []byte
	// asked is true for a server that wants a client certificate: what it says to
	// it, or to none, comes behind.
	asked, done bool
}

const (
	messageServerKeyExchange  = 12
	messageCertificateRequest = 13
	messageServerHelloDone    = 14
)

// read ends with an error in the words of crypto/tls for a server with which a
// client goes no further.
func (f *firstFlight) read(conn net.Conn) error {
	var messages []byte
	for range maxFlight {
		kind, record, err := readRecord(conn, recordHandshake, recordAlert)
		if err != nil {
			return err
		}
		if kind == recordAlert {
			continue
		}
		if messages = append(messages, record[5:]...); len(messages) > maxRecorded {
			break
		}
		for !f.done {
			message, content, rest, ok := cutMessage(messages)
			if !ok {
				break
			}
			messages = rest
			if err := f.take(message, content); err != nil {
				return err
			}
		}
		if f.done {
			return nil
		}
	}
	return errors.New("tls: a handshake without end")
}

func (f *firstFlight) take(kind uint8, content cryptobyte.String) error {
	switch kind {
	case messageServerHello:
		if f.hello.readServerHello(content); f.hello.version != tls.VersionTLS12 || len(content) < 34 {
			return errors.New("tls: server selected another version")
		}
		f.random = slices.Concat(f.random, content[2:34])
	case messageCertificate:
		f.hello.readCertificates(content)
	case messageServerKeyExchange:
		return f.takeKey(content)
	case messageCertificateRequest:
		f.asked = true
	case messageServerHelloDone:
		f.done = true
	}
	return nil
}

// takeKey verifies RFC 8422, 5.4.
func (f *firstFlight) takeKey(in cryptobyte.String) error {
	signed := slices.Concat(f.random, in)
	var point, signature cryptobyte.String
	var group, scheme uint16
	ok := in.Skip(1) && in.ReadUint16(&group) && in.ReadUint8LengthPrefixed(&point)
	signed = signed[:len(signed)-len(in)]
	if !ok || !in.ReadUint16(&scheme) || !in.ReadUint16LengthPrefixed(&signature) || len(f.hello.certs) == 0 {
		return errors.New("tls: unexpected message")
	}
	f.hello.group = tls.CurveID(group)
	leaf, err := x509.ParseCertificate(f.hello.certs[0])
	if err != nil {
		return nil // the certificate is judged before the signature
	}
	digest := sha1.Sum(signed)
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if scheme == uint16(tls.PKCS1WithSHA1) && rsa.VerifyPKCS1v15(key, crypto.SHA1, digest[:], signature) == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		if scheme == uint16(tls.ECDSAWithSHA1) && ecdsa.VerifyASN1(key, digest[:], signature) {
			return nil
		}
	}
	return errors.New("tls: invalid signature by the server certificate")
}
