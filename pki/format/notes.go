package format

// IDs of the notes that [Decode] takes. Each names what was seen; whether it
// matters is for a rule to say. The comments tell which programs trip over it.
const (
	// NoteSkippedByGo: the block is there, but Go programs (containerd, skopeo,
	// kubelet, Docker) pass over it without a word. Another note says why.
	NoteSkippedByGo = "pem-skipped-by-go"

	// Around the blocks.

	NoteByteOrderMark    = "pem-byte-order-mark"  // Go loses the first block
	NoteUTF16            = "pem-utf16"            // nobody reads it
	NoteCRLF             = "pem-crlf"             // harmless
	NoteCROnly           = "pem-cr-only"          // Go and OpenSSL read nothing
	NoteNUL              = "pem-nul"              // Go loses the block behind it
	NoteNoFinalNewline   = "pem-no-final-newline" // harmless until somebody appends with cat
	NoteNoNewlineBetween = "pem-no-newline-between-blocks"
	NoteTextBefore       = "pem-text-before-first-block"
	NoteTextBetween      = "pem-text-between-blocks"
	NoteTextAfter        = "pem-text-after-last-block"
	NoteTextBeforeBegin  = "pem-text-before-begin" // on the line of BEGIN itself
	NoteTextAfterEnd     = "pem-text-after-end"    // on the line of END itself
	NoteCommentedOut     = "pem-commented-out"     // nobody reads it, as meant
	NoteMarkerInProse    = "pem-marker-in-prose"   // a sentence that mentions a marker
	NoteQuoted           = "pem-quoted"
	NoteIndented         = "pem-indented"
	NoteOneLine          = "pem-one-line"
	NoteLiteralNewline   = "pem-literal-backslash-n"
	NoteTooManyBlocks    = "pem-too-many-blocks"

	// In the BEGIN and END lines.

	NoteDashCount        = "pem-dash-count"
	NoteTypographicDash  = "pem-typographic-dash"
	NoteNonBreakingSpace = "pem-non-breaking-space"
	NoteMarkerCase       = "pem-marker-case"
	NoteMarkerBlanks     = "pem-marker-blanks"
	NoteMissingEnd       = "pem-missing-end"
	NoteMissingBegin     = "pem-missing-begin"
	NoteEndMismatch      = "pem-end-label-mismatch"
	NoteOldLabel         = "pem-old-label"      // X509 CERTIFICATE, NEW CERTIFICATE REQUEST
	NoteTrustedLabel     = "pem-trusted-label"  // OpenSSL's TRUSTED CERTIFICATE
	NoteKeyLabel         = "pem-key-label"      // cfssl's "Ed25519 PRIVATE KEY", which OpenSSL refuses
	NoteLabelMismatch    = "pem-label-mismatch" // the label says one thing, the content is another
	NoteOtherBlock       = "pem-other-block"    // public keys, parameters, revocation lists

	// Between BEGIN and END.

	NoteHeaders        = "pem-headers" // CertPool and OpenSSL refuse such certificates
	NoteBlankLine      = "pem-blank-line-in-body"
	NoteTrailingBlanks = "pem-trailing-blanks"
	NoteBlanksInBody   = "pem-blanks-in-body"
	NoteLineLength     = "pem-line-length" // other than RFC 7468's 64 characters
	NoteBadBase64      = "pem-bad-base64"
	NotePadding        = "pem-base64-padding"
	NoteBase64URL      = "pem-base64url"

	// Layers and content.

	NoteBase64OfPEM      = "base64-of-pem"
	NoteBase64OfDER      = "base64-of-der"
	NoteBase64Nested     = "base64-nested"
	NoteDER              = "der-not-pem" // curl, nginx and Go want PEM
	NoteTrailingBytes    = "der-trailing-bytes"
	NoteTruncated        = "der-truncated"
	NoteConcatenated     = "der-concatenated"
	NoteBER              = "ber-not-der" // Go and Java cannot read it
	NotePKCS7            = "pkcs7-container"
	NotePKCS12           = "pkcs12-container"
	NoteKeyAmongCerts    = "key-among-certificates"
	NoteLegacyEncryption = "key-legacy-encryption" // the password is hashed once, with MD5

	// In PKCS#12.

	NoteFriendlyName   = "pkcs12-friendly-name"
	NotePKCS12Weak     = "pkcs12-weak-encryption" // OpenSSL 3 refuses RC2 without -legacy
	NotePKCS12NoMAC    = "pkcs12-no-mac"
	NotePKCS12NoTrust  = "pkcs12-no-trust-attribute" // keytool shows an empty store
	NotePKCS12OtherBag = "pkcs12-other-bag"
)
