package probe

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"
)

// maxRecorded bounds what is kept of a handshake, in bytes. crypto/tls takes no
// Certificate message above 256 KiB; the rest of a handshake is far below 64.
const maxRecorded = 320 << 10

// recorder keeps what the server sends during the handshake: where crypto/tls
// refuses a certificate, it keeps the chain to itself.
type recorder struct {
	net.Conn
	received bytes.Buffer
	stopped  bool
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if !r.stopped {
		r.received.Write(p[:min(n, maxRecorded-r.received.Len())])
	}
	return n, err
}

// stop frees the memory, once the handshake is done.
func (r *recorder) stop() { r.stopped, r.received = true, bytes.Buffer{} }

// hello is what a server's own messages say before anything is verified.
type hello struct {
	version, cipher uint16
	group           tls.CurveID
	// certs are the certificates as served, as DER.
	certs [][]byte
	// share is the server's of the key exchange of TLS 1.3.
	share []byte
}

// Types of records and of handshake messages (RFC 8446, 5.1 and 4).
const (
	recordChangeCipher = 20
	recordAlert        = 21
	recordHandshake    = 22
	recordApplication  = 23

	messageClientHello = 1
	messageServerHello = 2
	messageCertificate = 11
)

// readRecord reads the next record, with its header, which is to be of one of
// these types. An alert that ends the connection is an error in the words of
// crypto/tls; a warning, such as unrecognized_name, is the caller's to pass over.
func readRecord(conn net.Conn, types ...uint8) (kind uint8, record []byte, err error) {
	record = make([]byte, 5)
	if _, err := io.ReadFull(conn, record); err != nil {
		return 0, nil, err
	}
	kind = record[0]
	if !slices.Contains(types, kind) || record[1] != 3 {
		return 0, nil, errors.New("tls: first record does not look like a TLS handshake")
	}
	payload := make([]byte, int(record[3])<<8|int(record[4]))
	if _, err := io.ReadFull(conn, payload); err != nil {
		return 0, nil, err
	}
	switch {
	case kind != recordAlert:
	case len(payload) != 2:
		return 0, nil, errors.New("tls: an alert that is none")
	case payload[0] != 1 || payload[1] == 0:
		return 0, nil, fmt.Errorf("remote error: %w", tls.AlertError(payload[1]))
	}
	return kind, append(record, payload...), nil
}

// cutMessage takes a handshake message off messages (RFC 8446, 4), when all of it
// is there.
func cutMessage(messages []byte) (kind uint8, content cryptobyte.String, rest []byte, ok bool) {
	in := cryptobyte.String(messages)
	ok = in.ReadUint8(&kind) && in.ReadUint24LengthPrefixed(&content)
	return kind, content, in, ok
}

// readHello reads the server's half of a handshake up to its certificates.
// TLS 1.3 encrypts them; keyLog, in the format of NSS, holds the key.
func readHello(received, keyLog []byte) (h hello) {
	records := cryptobyte.String(received)
	var messages []byte // of handshake records, not read yet
	var opener *opener
	for len(h.certs) == 0 {
		var kind uint8
		var payload cryptobyte.String
		if !records.ReadUint8(&kind) || !records.Skip(2) || !records.ReadUint16LengthPrefixed(&payload) {
			return h
		}
		body := []byte(payload)
		if kind == recordApplication && opener != nil {
			if kind, body = opener.open(payload); body == nil {
				return h
			}
		}
		if kind != recordHandshake {
			continue
		}
		messages = append(messages, body...)
		for len(h.certs) == 0 {
			message, content, rest, ok := cutMessage(messages)
			if !ok {
				break
			}
			messages = rest
			switch message {
			case messageServerHello:
				h.readServerHello(content)
				if h.version == tls.VersionTLS13 {
					opener = newOpener(h.cipher, keyLog)
				}
			case messageCertificate:
				h.readCertificates(content)
			}
		}
	}
	return h
}

// readServerHello reads RFC 8446, 4.1.3.
func (h *hello) readServerHello(in cryptobyte.String) {
	var session, extensions cryptobyte.String
	var version, suite uint16
	if !in.ReadUint16(&version) || !in.Skip(32) || !in.ReadUint8LengthPrefixed(&session) ||
		!in.ReadUint16(&suite) || !in.Skip(1) {
		return
	}
	h.version, h.cipher = version, suite
	if !in.ReadUint16LengthPrefixed(&extensions) {
		return
	}
	for !extensions.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&data) {
			return
		}
		switch kind {
		case 43: // supported_versions
			data.ReadUint16(&h.version)
		case 51: // key_share
			var share cryptobyte.String
			if data.ReadUint16((*uint16)(&h.group)) && data.ReadUint16LengthPrefixed(&share) {
				h.share = bytes.Clone(share)
			}
		}
	}
}

// readCertificates reads RFC 8446, 4.4.2 or RFC 5246, 7.4.2.
func (h *hello) readCertificates(in cryptobyte.String) {
	var list, skipped cryptobyte.String
	if h.version == tls.VersionTLS13 && !in.ReadUint8LengthPrefixed(&skipped) {
		return
	}
	if !in.ReadUint24LengthPrefixed(&list) {
		return
	}
	for !list.Empty() {
		var cert cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&cert) {
			return
		}
		if h.version == tls.VersionTLS13 && !list.ReadUint16LengthPrefixed(&skipped) {
			return
		}
		h.certs = append(h.certs, bytes.Clone(cert))
	}
}

// opener decrypts the server's handshake records of TLS 1.3.
type opener struct {
	aead     cipher.AEAD
	iv       []byte
	sequence uint64
}

// newOpener gives nil when the key is not in keyLog.
func newOpener(suite uint16, keyLog []byte) *opener {
	newHash, length := sha256.New, 16
	switch suite {
	case tls.TLS_AES_256_GCM_SHA384:
		newHash, length = sha512.New384, 32
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		length = chacha20poly1305.KeySize
	}
	for line := range strings.Lines(string(keyLog)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "SERVER_HANDSHAKE_TRAFFIC_SECRET" {
			continue
		}
		secret, err := hex.DecodeString(fields[2])
		if err != nil {
			return nil
		}
		key, err := expandLabel(newHash, secret, "key", nil, length)
		if err != nil {
			return nil
		}
		iv, err := expandLabel(newHash, secret, "iv", nil, 12)
		if err != nil {
			return nil
		}
		o := &opener{iv: iv}
		if suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
			o.aead, err = chacha20poly1305.New(key)
		} else if block, e := aes.NewCipher(key); e == nil {
			o.aead, err = cipher.NewGCM(block)
		}
		if err != nil || o.aead == nil {
			return nil
		}
		return o
	}
	return nil
}

// expandLabel is HKDF-Expand-Label (RFC 8446, 7.1).
func expandLabel(newHash func() hash.Hash, secret []byte, label string, context []byte, length int) ([]byte, error) {
	label = "tls13 " + label
	info := string([]byte{byte(length >> 8), byte(length), byte(len(label))}) + label + string([]byte{byte(len(context))}) + string(context)
	return hkdf.Expand(newHash, secret, info, length)
}

// open gives the type and content of a record, nil when it does not decrypt.
func (o *opener) open(payload []byte) (kind uint8, content []byte) {
	nonce := bytes.Clone(o.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, o.sequence) {
		nonce[4+i] ^= b
	}
	o.sequence++
	header := []byte{recordApplication, 3, 3, byte(len(payload) >> 8), byte(len(payload))}
	plain, err := o.aead.Open(nil, nonce, payload, header)
	plain = bytes.TrimRight(plain, "\x00")
	if err != nil || len(plain) == 0 {
		return 0, nil
	}
	return plain[len(plain)-1], plain[:len(plain)-1]
}
