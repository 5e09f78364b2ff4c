package format

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/crpki/crpki/pki"
)

// derFile reads a source that is DER as a whole.
func (d *decoder) derFile(data []byte) {
	switch sniff(data) {
	case kindPKCS12:
		// PKCS#12 is binary by nature: nobody expects PEM.
	default:
		d.note(NoteDER, d.origin(0), "the file is DER, not PEM")
	}
	d.concatenated(data)
}

// concatenated reads one structure of DER after the other. A single one bears
// no number.
func (d *decoder) concatenated(data []byte) {
	for n := 0; ; n++ {
		e, ok := peek(data)
		var rest []byte
		if ok && e.length >= 0 && !e.truncated() {
			rest = data[e.size():]
		}
		if n == maxBlocks {
			d.fail(d.origin(0), fmt.Errorf("holds more than %d structures of DER: the rest is not read", maxBlocks))
			return
		}
		if !looksDER(rest) {
			if n == 0 {
				d.item(data, d.origin(d.index), kindUnknown, "")
			} else {
				d.item(data, d.next(), kindUnknown, "")
			}
			return
		}
		if n == 0 {
			d.note(NoteConcatenated, d.origin(0), "several structures of DER stand one behind the other; most programs read the first")
		}
		d.item(data[:e.size()], d.next(), kindUnknown, "")
		data = rest
	}
}

// item reads one structure of DER. want is what its label promises.
func (d *decoder) item(der []byte, origin pki.Origin, want kind, label string) {
	e, ok := peek(der)
	if !ok || e.tag != tagSequence && want != kindParameters {
		d.notDER(der, origin, want)
		return
	}
	k := sniff(der)
	if e.length < 0 || k == kindPKCS7 || k == kindPKCS12 {
		plain, changed, err := fromBER(der)
		if err != nil {
			d.addBroken(orKind(k, want), origin, der, err)
			return
		}
		if changed {
			d.note(NoteBER, origin, "%s in BER, which Go programs and older Java do not read", orKind(k, want))
			der = plain
			e, _ = peek(der)
		}
	}
	if e.truncated() {
		err := fmt.Errorf("is cut off: its header announces %d bytes, %d are there", e.size(), len(der))
		d.note(NoteTruncated, origin, "%s %v", orKind(k, want), err)
		d.addBroken(orKind(k, want), origin, der, err)
		return
	}
	if want != kindUnknown && k != kindUnknown && k != want {
		d.note(NoteLabelMismatch, origin, "the label %s stands on %s", label, k)
	}
	k = orKind(k, want)
	whole := der
	if n := len(der) - e.size(); n > 0 {
		der = d.trailing(der, e.size(), origin, k, label)
	} else if label == "TRUSTED CERTIFICATE" {
		d.note(NoteTrustedLabel, origin, "the label TRUSTED CERTIFICATE is OpenSSL's own")
	}
	if d.anchors && k == kindCert && (label == "TRUSTED CERTIFICATE" || label == "X509 CERTIFICATE") {
		d.addBroken(k, origin, whole, fmt.Errorf("is a %s, which OpenSSL alone reads", label))
		return
	}
	d.keep(k, der, e.size(), origin)
}

// trailing notes bytes behind the structure and gives what to keep: all of
// them, as strict readers refuse them, save OpenSSL's trust settings.
func (d *decoder) trailing(der []byte, size int, origin pki.Origin, k kind, label string) []byte {
	if label == "TRUSTED CERTIFICATE" && k == kindCert {
		d.note(NoteTrustedLabel, origin, "OpenSSL's trust settings (%s) follow the certificate; other programs do not know them", count(len(der)-size, "byte"))
		return der[:size]
	}
	d.note(NoteTrailingBytes, origin, "%s behind the end of %s: Go refuses it, OpenSSL reads on", count(len(der)-size, "byte"), k)
	return der
}

// keep files a structure of kind k, whose own length is size, with the
// material.
func (d *decoder) keep(k kind, der []byte, size int, origin pki.Origin) {
	switch k {
	case kindCert:
		d.addCert(origin, der)
	case kindCSR:
		d.m.CSRs = append(d.m.CSRs, pki.NewCSR(origin, der))
	case kindKey:
		signer, err := parseKey(der[:size])
		d.addKey(pki.Key{Origin: origin, Signer: signer, Err: err})
	case kindEncryptedKey:
		d.encryptedKey(origin, der[:size])
	case kindPKCS7:
		d.pkcs7(origin, der[:size])
	case kindPKCS12:
		d.pkcs12(origin, der[:size])
	case kindUnknown:
		d.other(origin, "DER that crpki does not know")
	default:
		d.other(origin, k.String())
	}
}

// notDER keeps a PEM block whose content is no ASN.1 structure.
func (d *decoder) notDER(der []byte, origin pki.Origin, want kind) {
	switch want {
	case kindUnknown, kindOther, kindPublicKey, kindParameters, kindCRL:
		d.other(origin, want.String())
	default:
		err := errors.New("is not DER: it should begin with the byte 0x30")
		if bytes.IndexFunc(der, func(r rune) bool { return r > '~' }) < 0 {
			err = errors.New("holds text, not DER: it was put between BEGIN and END without being a certificate or key")
		}
		d.addBroken(want, origin, der, err)
	}
}

// orKind gives the first kind that is known.
func orKind(k, other kind) kind {
	if k != kindUnknown {
		return k
	}
	return other
}
