package format

import (
	"bytes"
	"strings"

	"github.com/crpki/crpki/pki"
)

// oddity is what is wrong with the spelling of a marker.
type oddity uint8

const (
	oddDashCount   oddity = 1 << iota // other than five dashes on a side
	oddTypographic                    // dashes that a word processor made
	oddNBSP                           // a non-breaking space
	oddCase                           // begin, certificate
	oddBlanks                         // blanks where there should be one or none
)

// maxLabel bounds the text between BEGIN and its closing dashes. The longest
// label in use has 25 characters.
const maxLabel = 64

// marker is a BEGIN or END line's "-----BEGIN X-----", however it is spelt.
type marker struct {
	start, end int // from the first dash to behind the last
	begin      bool
	label      string // upper case, single blanks
	odd        oddity
}

// nextMarker finds the first marker at or behind from. Markers that are spelt
// as RFC 7468 has them may carry any label; others only one that we know, so
// that "--end user--" in a text is none.
func nextMarker(text []byte, from int) (marker, bool) {
	for i := from; i < len(text); {
		if dashWidth(text[i:]) == 0 {
			i++
			continue
		}
		m := marker{start: i}
		var dashes, ascii int
		for i < len(text) {
			w := dashWidth(text[i:])
			if w == 0 {
				break
			}
			if w == 1 {
				ascii++
			}
			dashes++
			i += w
		}
		if m.read(text, i, dashes, ascii) {
			return m, true
		}
	}
	return marker{}, false
}

// read fills m from what follows its opening dashes, and reports whether it is
// a marker at all.
func (m *marker) read(text []byte, at, dashes, ascii int) bool {
	m.oddDashes(dashes, ascii)

	blanks, n := skipBlanks(text[at:], &m.odd)
	if n > 0 {
		m.odd |= oddBlanks
	}
	at += blanks

	word, begin := keyword(text[at:])
	if word == "" {
		return false
	}
	m.begin = begin
	if !bytes.HasPrefix(text[at:], []byte(word)) {
		m.odd |= oddCase
	}
	at += len(word)

	blanks, n = skipBlanks(text[at:], &m.odd)
	if n == 0 {
		return false
	}
	if n > 1 {
		m.odd |= oddBlanks
	}
	at += blanks

	label, closing, closingASCII, width := readLabel(text[at:])
	if label == "" {
		return false
	}
	m.oddDashes(closing, closingASCII)
	m.end = at + width
	m.label = m.normal(label)
	if m.odd == 0 {
		return true
	}
	// One hyphen is a hyphen; without closing dashes, the opening ones must
	// speak for themselves.
	return knownLabel(m.label) && (dashes != ascii || dashes > 1) && (closing > 0 || dashes > 3)
}

func (m *marker) oddDashes(dashes, ascii int) {
	switch {
	case dashes != ascii:
		m.odd |= oddTypographic
	case dashes != 5:
		m.odd |= oddDashCount
	}
}

// normal writes the label in upper case with single blanks.
func (m *marker) normal(label string) string {
	folded := strings.ReplaceAll(label, "\u00a0", " ")
	if folded != label {
		m.odd |= oddNBSP
	}
	single := strings.Join(strings.Fields(folded), " ")
	if single != folded {
		m.odd |= oddBlanks
	}
	upper := strings.ToUpper(single)
	// cfssl's "Ed25519 PRIVATE KEY" is a label of its own, not a slip of case.
	if upper != single && single != "Ed25519 PRIVATE KEY" {
		m.odd |= oddCase
	}
	return pki.Printable(upper)
}

// keyword reads BEGIN or END in any case.
func keyword(text []byte) (word string, begin bool) {
	if len(text) >= 5 && strings.EqualFold(string(text[:5]), "BEGIN") {
		return "BEGIN", true
	}
	if len(text) >= 3 && strings.EqualFold(string(text[:3]), "END") {
		return "END", false
	}
	return "", false
}

// readLabel reads up to the closing dashes, which may be missing when the line
// ends, and gives the bytes read, dashes included.
func readLabel(text []byte) (label string, dashes, ascii, width int) {
	for i := 0; i <= len(text) && i <= maxLabel; {
		if i == len(text) || text[i] == '\n' || text[i] == '\r' || text[i] == '\\' {
			return string(bytes.TrimSpace(text[:i])), 0, 0, i
		}
		if dashWidth(text[i:]) == 0 {
			if text[i] < ' ' {
				return "", 0, 0, 0
			}
			i++
			continue
		}
		end := i
		dashes, ascii = 0, 0
		for end < len(text) {
			w := dashWidth(text[end:])
			if w == 0 {
				break
			}
			if w == 1 {
				ascii++
			}
			dashes++
			end += w
		}
		// RFC 7468 section 3 lets a label hold a single dash.
		if dashes == 1 && ascii == 1 && end < len(text) && text[end] > ' ' {
			i = end
			continue
		}
		// Files joined without a line break: five dashes are ours, the others
		// open the next marker.
		if word, _ := keyword(text[end:]); word != "" && dashes == ascii && dashes > 5 {
			return string(text[:i]), 5, 5, i + 5
		}
		return string(text[:i]), dashes, ascii, end
	}
	return "", 0, 0, 0
}

// skipBlanks counts the bytes and the blanks of a run of spaces, tabs and
// non-breaking spaces.
func skipBlanks(text []byte, odd *oddity) (width, blanks int) {
	for width < len(text) && blanks < maxLabel {
		switch {
		case text[width] == ' ', text[width] == '\t':
			width++
		case bytes.HasPrefix(text[width:], []byte("\u00a0")):
			*odd |= oddNBSP
			width += 2
		default:
			return width, blanks
		}
		blanks++
	}
	return width, blanks
}

// dashWidth gives the length in bytes of the dash that text begins with, 0 when
// it is none: the ASCII hyphen and what word processors put in its place.
func dashWidth(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	if text[0] == '-' {
		return 1
	}
	if len(text) < 3 {
		return 0
	}
	switch {
	case text[0] == 0xE2 && text[1] == 0x80 && text[2] >= 0x90 && text[2] <= 0x95, // U+2010 to U+2015
		text[0] == 0xE2 && text[1] == 0x88 && text[2] == 0x92, // U+2212 minus
		text[0] == 0xEF && text[1] == 0xB9 && text[2] == 0xA3, // U+FE63 small hyphen-minus
		text[0] == 0xEF && text[1] == 0xBC && text[2] == 0x8D: // U+FF0D full-width
		return 3
	}
	return 0
}

// knownLabel reports whether label, in upper case, is one that crpki has a
// word to say about.
func knownLabel(label string) bool {
	return labelKind(label) != kindUnknown
}

// labelKind tells what a block with this label should hold.
func labelKind(label string) kind {
	switch label {
	case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
		return kindCert
	case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
		return kindCSR
	case "PKCS7", "PKCS #7 SIGNED DATA", "CMS":
		return kindPKCS7
	case "PKCS12":
		return kindPKCS12
	case "ENCRYPTED PRIVATE KEY":
		return kindEncryptedKey
	case "X509 CRL", "CRL":
		return kindCRL
	case "PUBLIC KEY", "RSA PUBLIC KEY", "SSH2 PUBLIC KEY":
		return kindPublicKey
	case "EC PARAMETERS", "DH PARAMETERS", "DSA PARAMETERS", "X9.42 DH PARAMETERS":
		return kindParameters
	case "ATTRIBUTE CERTIFICATE", "PGP PUBLIC KEY BLOCK", "PGP PRIVATE KEY BLOCK", "PGP MESSAGE":
		return kindOther
	}
	if label == "PRIVATE KEY" || strings.HasSuffix(label, " PRIVATE KEY") {
		return kindKey
	}
	return kindUnknown
}
