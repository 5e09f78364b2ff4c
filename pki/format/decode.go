package format

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
)

// Limits on hostile input. Reading takes time and memory in proportion to the
// input's size whatever it holds; these bound what a few bytes could ask for.
const (
	// maxDepth is how many layers of base64 are taken off.
	maxDepth = 4
	// maxBlocks is the number of PEM blocks read from one source. The largest
	// trust stores hold some hundreds.
	maxBlocks = 50_000
)

// decoder reads one source.
type decoder struct {
	source   string
	password PasswordFunc
	anchors  bool // see [Options]
	m        pki.Material
	errs     []error
	// index is the number of the block being read. While inside a block,
	// whatever it holds bears its number.
	index  int
	inside bool
	work   workBudget
	// why says what the source is when it holds no material.
	why string
}

// Decode reads all that data holds, in the order found, by its content: PEM of
// every kind with any text around it, DER certificates, keys, requests and
// PKCS#7, PKCS#12 with keys or as a trust store (its entries become
// [pki.Material.Anchors]), Java keystores (JKS), and base64 of all of these, up
// to four layers.
//
// A broken block is material too: it has its place in the result, with the
// reason in its Err. So a nil error does not mean that every item is sound.
// What readers other than ours would stumble over is in the Notes.
//
// The error is non-nil, with all that could be read in the result, when the
// input holds no material or an item needs a password that was not given
// ([ErrPasswordNeeded]) or does not fit ([ErrPasswordWrong]). It wraps an
// [Error] for each.
func Decode(source string, data []byte, opt Options) (pki.Material, error) {
	d := &decoder{source: source, password: opt.Password, anchors: opt.Anchors}
	d.any(data, 0)
	if d.m.Empty() && len(d.errs) == 0 {
		d.fail(d.origin(0), errors.New(d.nothing(data)))
	}
	return d.m, errors.Join(d.errs...)
}

// any reads data, which is DER, PEM or base64 of either.
func (d *decoder) any(data []byte, depth int) {
	if bytes.HasPrefix(data, []byte(jksMagic)) {
		d.jks(data)
		return
	}
	if looksDER(data) {
		if depth == 0 {
			d.derFile(data)
		} else {
			d.concatenated(data)
		}
		return
	}
	d.text(data, depth)
}

// origin is where block index is, 0 for the whole source.
func (d *decoder) origin(index int) pki.Origin {
	return pki.Origin{Source: d.source, Index: index}
}

// next counts a block and gives its origin.
func (d *decoder) next() pki.Origin {
	if !d.inside {
		d.index++
	}
	return d.origin(d.index)
}

// note takes a note, once for each rule and block.
func (d *decoder) note(rule string, origin pki.Origin, format string, args ...any) {
	const most = 32 // notes on one block, so that looking back stays cheap
	for i := len(d.m.Notes) - 1; origin.Index > 0 && i >= max(0, len(d.m.Notes)-most); i-- {
		if n := d.m.Notes[i]; n.Rule == rule && at(n.Origin, 0) == at(origin, 0) {
			return
		}
	}
	d.m.Notes = append(d.m.Notes, pki.Note{Rule: rule, Origin: origin, Detail: fmt.Sprintf(format, args...)})
}

// at is the origin with another line, of which no column is known.
func at(origin pki.Origin, line int) pki.Origin {
	origin.Line, origin.Column = line, 0
	return origin
}

// fail keeps an error of the whole reading.
func (d *decoder) fail(origin pki.Origin, err error) {
	if asked, ok := errors.AsType[askError](err); ok {
		d.errs = append(d.errs, asked.error)
		return
	}
	d.errs = append(d.errs, &Error{Origin: origin, Err: err})
}

func (d *decoder) addCert(origin pki.Origin, der []byte) {
	d.m.Certs = append(d.m.Certs, pki.NewCert(origin, der))
}

// addBroken keeps what cannot be taken apart as the material it claims to be.
func (d *decoder) addBroken(k kind, origin pki.Origin, raw []byte, err error) {
	switch k {
	case kindCert, kindPKCS7:
		d.m.Certs = append(d.m.Certs, pki.Cert{Origin: origin, Raw: raw, Err: err})
	case kindCSR:
		d.m.CSRs = append(d.m.CSRs, pki.CSR{Origin: origin, Raw: raw, Err: err})
	case kindKey, kindEncryptedKey:
		d.addKey(pki.Key{Origin: origin, Encrypted: k == kindEncryptedKey, Err: err})
	case kindPKCS12:
		d.fail(origin, err)
	default:
		d.other(origin, k.String())
	}
}

// other notes something that is no material of ours.
func (d *decoder) other(origin pki.Origin, what string) {
	d.note(NoteOtherBlock, origin, "%s", what)
	d.why = "holds " + what + ", and no certificate, private key or request"
}

// addKey keeps a private key, read or not.
func (d *decoder) addKey(k pki.Key) { d.m.Keys = append(d.m.Keys, k) }

// nothing says why data holds no material.
func (d *decoder) nothing(data []byte) string {
	const want = "expected a certificate, private key or request as PEM or DER, or a PKCS#12 file"
	switch {
	case len(data) == 0:
		return "is empty: " + want
	case len(bytes.TrimSpace(data)) == 0:
		return "holds nothing but blanks: " + want
	case d.why != "":
		return d.why
	}
	if what := foreign(data); what != "" {
		return what
	}
	return "holds no PEM block and is not DER: " + want
}

// foreign names files that people mistake for ours, and says what to do.
func foreign(data []byte) string {
	head := data[:min(len(data), 4096)]
	for _, f := range []struct{ magic, is string }{
		{"\xCE\xCE\xCE\xCE", "is a Java keystore (JCEKS): convert it with keytool -importkeystore -srcstoretype jceks -srckeystore OLD -destkeystore NEW.p12 -deststoretype pkcs12"},
		{"\x1F\x8B", "is compressed (gzip): unpack it first"},
		{"PK\x03\x04", "is a ZIP archive: unpack it first"},
		{"PuTTY-User-Key-File", "is a PuTTY key: TLS programs do not read it"},
		{"ssh-", "is an SSH public key, not a certificate"},
		{"ecdsa-sha2-", "is an SSH public key, not a certificate"},
	} {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.is
		}
	}
	text := strings.ToLower(string(bytes.TrimSpace(head)))
	switch {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "is an HTML page, perhaps a login page or an error that was saved in place of the download"
	case strings.Contains(text, "apiversion:") && strings.Contains(text, "kind:"):
		return manifest(data, strings.Contains(text, "kind: secret"))
	}
	return ""
}

// manifest says what to do with a Kubernetes manifest. One of another kind than
// Secret may hold certificates too, base64 of PEM as a rule.
func manifest(data []byte, secret bool) string {
	holds := slices.ContainsFunc([]string{"-----BEGIN ", "LS0tLS1CRUdJTi", "tls.crt:", "tls.key:", "ca.crt:"}, func(mark string) bool {
		return bytes.Contains(data, []byte(mark))
	})
	switch {
	case !holds:
		return "is a Kubernetes manifest without a certificate or a key: there is nothing in it to read"
	case bytes.Contains(data, []byte("encryptedData:")):
		return "is a Kubernetes manifest whose fields are encrypted (SealedSecret): look at the Secret that comes out of it, with kubectl get secret NAME -o yaml"
	case secret:
		return `is a Kubernetes manifest: take the field out of it first, such as kubectl get secret NAME -o jsonpath='{.data.tls\.crt}' | base64 -d`
	}
	return "is a Kubernetes manifest of a kind whose certificates are not looked for: take the field out of it first, and pass it through base64 -d"
}

// count writes "1 certificate", "2 certificates".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
