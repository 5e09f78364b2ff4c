// Package view says what certificates, signing requests, private keys and
// PKCS#12 files hold: [Describe] as data, [Document.WriteText] for a reader,
// [WriteOpenSSL] in the layout of `openssl x509 -text`.
//
// It judges nothing and reads no file. Of private keys it knows the public part
// alone.
package view

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode"
)

// SchemaVersion is the number of the layout of [Document] as JSON. It changes
// when a field is renamed, is removed or changes its meaning; new fields do not
// change it. docs/inspect-json.md describes every field.
const SchemaVersion = 1

// Document is all that was found in the sources, in the order found. Its JSON
// form is documented and stable.
type Document struct {
	Schema int `json:"schema"`
	// At is the moment to which the states of validity refer.
	At           time.Time     `json:"at"`
	Certificates []Certificate `json:"certificates"`
	Requests     []Request     `json:"requests"`
	Keys         []Key         `json:"keys"`
	Notes        []Note        `json:"notes"`
}

// Text is text that came with the input. As JSON, everything in it that is not
// visible is escaped, so that a document shown on a terminal does not drive it.
type Text string

// MarshalJSON writes control characters, invisible ones and those that change
// the direction of writing as \u escapes.
func (t Text) MarshalJSON() ([]byte, error) {
	plain, err := json.Marshal(string(t))
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(plain))
	for _, r := range string(plain) {
		switch {
		case unicode.IsPrint(r):
			b = append(b, string(r)...)
		case r < 0x10000:
			b = appendEscape(b, r)
		default:
			r -= 0x10000
			b = appendEscape(appendEscape(b, 0xd800|r>>10), 0xdc00|r&0x3ff)
		}
	}
	return b, nil
}

func appendEscape(b []byte, unit rune) []byte {
	digits := strconv.FormatInt(0x10000|int64(unit), 16)
	return append(append(b, `\u`...), digits[1:]...)
}

// Origin says where a thing was found.
type Origin struct {
	// Source is the path, "-" for standard input.
	Source Text `json:"source"`
	// Field is the part of the source, such as a key of a Secret.
	Field Text `json:"field,omitempty"`
	// Index counts the blocks of the source from 1.
	Index int `json:"index"`
	// Line counts from 1; 0: not known, or not a text.
	Line int `json:"line,omitempty"`
}

// Item is what all things found have in common.
type Item struct {
	// ID is how other parts of the document refer to it: "tls.crt#1".
	ID     Text   `json:"id"`
	Origin Origin `json:"origin"`
	// FriendlyName is what its entry in a PKCS#12 file is called.
	FriendlyName Text `json:"friendlyName,omitempty"`
	// Error says why Go's parser refuses it; "" when it does not.
	Error Text `json:"error,omitempty"`
}

// Certificate is one certificate. Where Error is set, fields behind the fault
// are empty.
type Certificate struct {
	Item
	// Faults are the places at which Go's parser stumbles, when Error is set.
	Faults []Fault `json:"faults,omitempty"`
	// TrustAnchor is true when the source offers it as one: an entry of a
	// PKCS#12 trust store, ca.crt in a Secret.
	TrustAnchor bool `json:"trustAnchor"`
	// SameAs is the ID of the first certificate with the same bytes.
	SameAs Text `json:"sameAs,omitempty"`

	Names []Name `json:"names"`
	// NameLists are the names of each subjectAltName extension when there are
	// several, which RFC 5280, 4.2 forbids; Names holds all of them.
	NameLists [][]Name          `json:"nameLists,omitempty"`
	Subject   DistinguishedName `json:"subject"`
	Issuer    DistinguishedName `json:"issuer"`
	Validity  Validity          `json:"validity"`

	// Position is what the certificate is in a chain.
	Position Position `json:"position"`
	// SelfSigned is true when its own key signed it.
	SelfSigned bool `json:"selfSigned"`
	// Issuers are the IDs of the certificates here that signed it: not itself,
	// none twice, and the first hundred at most, as in all lists of IDs.
	Issuers []Text `json:"issuers"`
	// SignatureUnchecked is true when issuers were found by name and key
	// identifier alone, for Go does not verify signatures of this kind.
	SignatureUnchecked bool `json:"signatureUnchecked"`
	// Namesakes are the IDs of certificates that bear the issuer's name but
	// whose key did not sign it.
	Namesakes []Text `json:"namesakes,omitempty"`
	// Keys are the IDs of the private keys here that belong to it.
	Keys []Text `json:"keys"`

	PublicKey PublicKey `json:"publicKey"`
	Usages
	// SerialNumber is in hexadecimal: "4fa0…".
	SerialNumber       string    `json:"serialNumber"`
	Version            int       `json:"version"`
	SignatureAlgorithm Algorithm `json:"signatureAlgorithm"`
	// AuthorityKeyID and SubjectKeyID are octets in hexadecimal.
	AuthorityKeyID string `json:"authorityKeyId,omitempty"`

	Policies    []Text `json:"policies"`
	OCSPServers []Text `json:"ocspServers"`
	IssuerURLs  []Text `json:"issuerUrls"`
	CRLURLs     []Text `json:"crlUrls"`
	// Timestamps are those of certificate transparency logs (RFC 6962).
	Timestamps []Timestamp `json:"signedCertificateTimestamps"`
	Extensions []Extension `json:"extensions"`

	Fingerprints Fingerprints `json:"fingerprints"`
	// Size of the DER in bytes.
	Size int    `json:"size"`
	PEM  string `json:"pem"`

	// issuers are the places in Document.Certificates that Issuers name.
	issuers []int
}

// Usages are what certificate and request say of what they are for.
type Usages struct {
	// IsCA and MaxPathLength are basicConstraints; MaxPathLength is nil when
	// there is no limit.
	IsCA             bool             `json:"isCA"`
	MaxPathLength    *int64           `json:"maxPathLength,omitempty"`
	KeyUsage         []string         `json:"keyUsage"`
	ExtendedKeyUsage []string         `json:"extendedKeyUsage"`
	SubjectKeyID     string           `json:"subjectKeyId,omitempty"`
	NameConstraints  *NameConstraints `json:"nameConstraints,omitempty"`
}

// Request is one signing request.
type Request struct {
	Item
	Names []Name `json:"names"`
	// NameLists is as in Certificate.
	NameLists [][]Name          `json:"nameLists,omitempty"`
	Subject   DistinguishedName `json:"subject"`
	// SignatureValid is true when its own key signed it.
	SignatureValid bool `json:"signatureValid"`
	// Keys are the IDs of the private keys here that belong to it, Certificates
	// those of the certificates for the same public key.
	Keys         []Text `json:"keys"`
	Certificates []Text `json:"certificates"`

	PublicKey PublicKey `json:"publicKey"`
	Usages
	SignatureAlgorithm Algorithm    `json:"signatureAlgorithm"`
	Extensions         []Extension  `json:"extensions"`
	Fingerprints       Fingerprints `json:"fingerprints"`
	Size               int          `json:"size"`
	PEM                string       `json:"pem"`
}

// Key is the public part of a private key.
type Key struct {
	Item
	// Encrypted is true when a password protects it where it was found.
	Encrypted bool `json:"encrypted"`
	// Certificates and Requests are the IDs of those that it belongs to.
	Certificates []Text    `json:"certificates"`
	Requests     []Text    `json:"requests"`
	PublicKey    PublicKey `json:"publicKey"`
	// PEM is the public key.
	PEM string `json:"pem"`
}

// Name is one subject alternative name, or a name in a constraint.
type Name struct {
	// Type is DNS, IP, URI, email, dirName, otherName, registeredID,
	// x400Address or ediPartyName.
	Type string `json:"type"`
	// Value is as it stands there. An IP address is in its usual form; in a
	// constraint it is a network, "10.0.0.0/8".
	Value Text `json:"value"`
}

// DistinguishedName is a subject or issuer.
type DistinguishedName struct {
	// Text begins with the most specific part, "CN=reg, O=Example", and is
	// escaped as in RFC 4514.
	Text Text `json:"text"`
	// Attributes are in the order of the certificate.
	Attributes []Attribute `json:"attributes"`
}

// Attribute is one part of a distinguished name.
type Attribute struct {
	// Name is the short one ("CN"), or the identifier when it has none.
	Name  string `json:"name"`
	OID   string `json:"oid"`
	Value Text   `json:"value"`
}

// State is how a moment lies to a certificate's validity.
type State string

// States of validity. Unknown: the times cannot be read.
const (
	Valid       State = "valid"
	Expired     State = "expired"
	NotYetValid State = "not-yet-valid"
	Unknown     State = "unknown"
)

// Validity is from when to when a certificate holds, both included.
type Validity struct {
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	State     State     `json:"state"`
	// DaysLeft counts whole days of 24 hours from Document.At to NotAfter,
	// towards zero; negative when that has passed.
	DaysLeft int64 `json:"daysLeft"`
	// SecondsLeft is the same in seconds.
	SecondsLeft int64 `json:"secondsLeft"`
	// LifetimeDays counts whole days from NotBefore to NotAfter.
	LifetimeDays int64 `json:"lifetimeDays"`

	secondsToStart int64 // from Document.At
}

// Position is what a certificate is in a chain.
type Position string

// Positions. Leaf: an end entity's. SelfSigned: an end entity's that its own
// key signed. UnknownPosition: it cannot be read that far.
const (
	Leaf            Position = "leaf"
	Intermediate    Position = "intermediate"
	Root            Position = "root"
	SelfSigned      Position = "self-signed"
	UnknownPosition Position = "unknown"
)

// PublicKey describes a public key.
type PublicKey struct {
	// Algorithm is RSA, RSA-PSS, ECDSA, Ed25519, Ed448, DSA, ML-DSA-44, …, or
	// OpenSSL's name of it, or its identifier.
	Algorithm string `json:"algorithm"`
	// Bits is the size: of the modulus, or of the curve's order. 0: not known.
	Bits int `json:"bits,omitempty"`
	// Curve is the name at NIST ("P-256"), else OpenSSL's ("secp256k1"), else the
	// identifier; "explicit parameters" when the key names none.
	Curve string `json:"curve,omitempty"`
	// Exponent of an RSA key, in decimal.
	Exponent string `json:"exponent,omitempty"`
	// Text says it in a word or two: "ECDSA P-256".
	Text string `json:"text"`
	// SHA256 is the hash of the subjectPublicKeyInfo in hexadecimal, the same for
	// a key, its request and its certificates.
	SHA256 string `json:"sha256,omitempty"`
}

// Algorithm is how something is signed.
type Algorithm struct {
	// Name is "ECDSA-SHA256", "SHA256-RSA", "Ed25519", …
	Name string `json:"name"`
	OID  string `json:"oid"`
}

// NameConstraints limit the names below a CA (RFC 5280, 4.2.1.10).
type NameConstraints struct {
	Critical  bool   `json:"critical"`
	Permitted []Name `json:"permitted"`
	Excluded  []Name `json:"excluded"`
}

// Timestamp is the promise of a log to publish the certificate.
type Timestamp struct {
	// LogID is the SHA-256 of the log's key in hexadecimal.
	LogID string    `json:"logId"`
	Time  time.Time `json:"time"`
}

// Extension is one extension in the order of the certificate.
type Extension struct {
	OID string `json:"oid"`
	// Name is the one of RFC 5280 ("subjectAltName"), or OpenSSL's short one; ""
	// when it has none.
	Name     string `json:"name,omitempty"`
	Critical bool   `json:"critical"`
	// Size of the value in bytes.
	Size int `json:"size"`
}

// Fault is where the encoding breaks the rules.
type Fault struct {
	// Rule is the ID of the rule broken.
	Rule string `json:"rule"`
	// Field is the element: "tbsCertificate.serialNumber".
	Field string `json:"field"`
	// Offset counts bytes from the start of the DER.
	Offset int  `json:"offset"`
	Detail Text `json:"detail"`
}

// Fingerprints are hashes of the DER in lower-case hexadecimal.
type Fingerprints struct {
	SHA256 string `json:"sha256"`
	SHA1   string `json:"sha1"`
}

// Note is what was seen in a source besides its content.
type Note struct {
	// Rule names it: "pem-byte-order-mark".
	Rule string `json:"rule"`
	// ID is where: of a thing in the document, or of a source as a whole.
	ID     Text `json:"id"`
	Line   int  `json:"line,omitempty"`
	Detail Text `json:"detail"`
}
