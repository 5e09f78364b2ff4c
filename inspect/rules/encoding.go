package rules

import (
	"cmp"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/pki/format"
)

// Commands that mend files.
const (
	mend       = "crpki lint --fix tls.crt"
	mendYAML   = "crpki lint --fix secret.yaml"
	mendScript = "crpki lint --fix script.sh"
	// writeAnew reads what Go does not, and writes PEM that all read.
	writeAnew  = "crpki bundle tls.crt --out tls.crt --force"
	fromPKCS12 = "crpki p12 unpack tls.p12 --out-dir certs"
)

const goServers = "Go servers (distribution, zot, Harbor)"

// What programs say of files in which they find nothing, measured with Go 1.26,
// OpenSSL 3.0 and GnuTLS 3.7.
var (
	goUnknownCA    = inspect.Refusal{Client: goClients, Message: "x509: certificate signed by unknown authority"}
	goNoPEM        = inspect.Refusal{Client: goServers, Message: "tls: failed to find any PEM data in certificate input"}
	goKeyElsewhere = inspect.Refusal{Client: goServers, Message: "tls: private key does not match public key"}
	opensslNothing = inspect.Refusal{Client: openssl, Message: "no certificate or crl found"}
	opensslBadEnd  = inspect.Refusal{Client: openssl, Message: "PEM routines: bad end line"}
	opensslBase64  = inspect.Refusal{Client: openssl, Message: "PEM routines: bad base64 decode"}
	gnutlsNothing  = inspect.Refusal{Client: gnutls, Message: "import error: No certificate was found."}
	gnutlsBase64   = inspect.Refusal{Client: gnutls, Message: "import error: Base64 unexpected header error."}
	gnutlsDER      = inspect.Refusal{Client: gnutls, Message: "import error: ASN1 parser: Error in DER parsing."}
)

func refused(r ...inspect.Refusal) []inspect.Refusal { return r }

// readersRule is a rule whose findings are a reader's notes.
func readersRule(group, id string, severity inspect.Severity, doc inspect.Doc) inspect.Rule {
	doc.Since = since
	return inspect.Rule{ID: id, Group: group, Severity: severity, Doc: doc}
}

// encoding are the rules for what pki/format notes about files. Severities
// follow what Go, OpenSSL and GnuTLS make of such a file: an error where one of
// them loses a certificate, information where all of them read everything.
func encoding() []inspect.Rule {
	return append(pem(), containers()...)
}

func pem() []inspect.Rule {
	rule := func(id string, severity inspect.Severity, doc inspect.Doc) inspect.Rule {
		doc.Fix = cmp.Or(doc.Fix, mend)
		return readersRule(Encoding, id, severity, doc)
	}
	return []inspect.Rule{
		rule(format.NoteSkippedByGo, inspect.Error, inspect.Doc{
			Title:    "Go programs pass over a block.",
			Why:      "The block is there and people see it, but Go loads the file without it and says nothing: the certificate or CA is missing from then on. Another finding at the same place says why.",
			Refusals: refused(goUnknownCA, goKeyElsewhere),
			Sources:  []string{"Go encoding/pem pem.go, Decode", "Go crypto/x509 cert_pool.go, AppendCertsFromPEM"},
		}),
		rule(format.NoteByteOrderMark, inspect.Error, inspect.Doc{
			Title:      "A byte-order mark stands before a block.",
			Why:        "Editors on Windows write these three invisible bytes at the start of a file. For Go, BEGIN is then not at the start of its line, and the first certificate is lost without a word. OpenSSL reads it, so that curl works and the pull does not.",
			Refusals:   refused(goUnknownCA, goKeyElsewhere),
			FixOpenSSL: `sed -i 's/^\xEF\xBB\xBF//' tls.crt`,
			Sources:    []string{"Go encoding/pem pem.go, Decode"},
		}),
		rule(format.NoteUTF16, inspect.Error, inspect.Doc{
			Title:      "The file is UTF-16.",
			Why:        "PowerShell's > and Notepad's \"Unicode\" write two bytes for each character. No TLS program reads that.",
			Refusals:   refused(goNoPEM, opensslNothing, gnutlsNothing),
			FixOpenSSL: "iconv -f UTF-16 -t UTF-8 tls.crt > utf8.crt",
			Sources:    []string{"RFC 7468 2"},
		}),
		rule(format.NoteCRLF, inspect.Info, inspect.Doc{
			Title:      "Lines end as on Windows (CR LF).",
			Why:        "Go, OpenSSL and GnuTLS read it. Scripts that compare files or cut lines out may not, and in a YAML block the carriage returns travel along.",
			FixOpenSSL: `sed -i 's/\r$//' tls.crt`,
			Sources:    []string{"RFC 7468 3"},
		}),
		rule(format.NoteCROnly, inspect.Error, inspect.Doc{
			Title:      "Lines end as on old Macs (CR alone).",
			Why:        "RFC 7468 allows it and GnuTLS reads it; for Go and OpenSSL the file is one long line, in which they find no certificate.",
			Refusals:   refused(goNoPEM, opensslNothing),
			FixOpenSSL: `tr '\r' '\n' < tls.crt > lf.crt`,
			Sources:    []string{"RFC 7468 3", "Go encoding/pem pem.go, getLine"},
		}),
		rule(format.NoteNUL, inspect.Error, inspect.Doc{
			Title:      "NUL bytes stand between the blocks or in them.",
			Why:        "They come from files that were padded, or cut out of memory or a disk. Go loses the block behind them without a word.",
			Refusals:   refused(goUnknownCA, goKeyElsewhere),
			FixOpenSSL: `tr -d '\000' < tls.crt > clean.crt`,
			Sources:    []string{"Go encoding/pem pem.go, Decode"},
		}),
		rule(format.NoteNoFinalNewline, inspect.Info, inspect.Doc{
			Title:      "The file does not end with a line break.",
			Why:        "Every client reads it. But the next `cat tls.crt ca.crt` puts END and BEGIN on one line, and then Go and OpenSSL read neither block.",
			FixOpenSSL: "echo >> tls.crt",
			Sources:    []string{"Go encoding/pem pem.go, Decode"},
		}),
		rule(format.NoteNoNewlineBetween, inspect.Error, inspect.Doc{
			Title:      "END and BEGIN stand on one line.",
			Why:        "Files were joined with cat, and one did not end with a line break. Go and OpenSSL lose the certificates on both sides; GnuTLS reads them.",
			Refusals:   refused(goNoPEM, goUnknownCA, opensslBadEnd),
			FixOpenSSL: `sed -i 's/-----END CERTIFICATE-----/&\n/' tls.crt`,
			Sources:    []string{"RFC 7468 3", "Go encoding/pem pem.go, Decode"},
		}),
		rule(format.NoteTextBefore, inspect.Info, inspect.Doc{
			Title:      "Text stands before the first block.",
			Why:        "Clients pass over it. It is often the output of openssl x509 -text, or a comment that says whose certificate it is.",
			FixOpenSSL: "openssl x509 -in tls.crt -out clean.crt",
			Fix:        writeAnew,
			Sources:    []string{"RFC 7468 5.2"},
		}),
		rule(format.NoteTextBetween, inspect.Info, inspect.Doc{
			Title:   "Text stands between the blocks.",
			Why:     "Clients pass over it, as over the names in the bundles that operating systems ship.",
			Fix:     writeAnew,
			Sources: []string{"RFC 7468 2"},
		}),
		rule(format.NoteTextAfter, inspect.Info, inspect.Doc{
			Title:   "Text stands after the last block.",
			Why:     "Clients pass over it. It may be the rest of a file that was joined in the wrong place.",
			Fix:     writeAnew,
			Sources: []string{"RFC 7468 2"},
		}),
		rule(format.NoteTextBeforeBegin, inspect.Error, inspect.Doc{
			Title:    "Text stands on the line of BEGIN.",
			Why:      "BEGIN has to start its line: Go and OpenSSL do not see the block. A variable's name, a YAML key or a prompt was copied with it.",
			Refusals: refused(goNoPEM, goUnknownCA, opensslNothing),
			Sources:  []string{"RFC 7468 3", "Go encoding/pem pem.go, Decode"},
		}),
		rule(format.NoteTextAfterEnd, inspect.Error, inspect.Doc{
			Title:    "Text stands on the line of END.",
			Why:      "Go passes over this block and says nothing, OpenSSL refuses the file.",
			Refusals: refused(goUnknownCA, opensslBadEnd),
			Sources:  []string{"RFC 7468 3", "Go encoding/pem pem.go, Decode"},
		}),
		rule(format.NoteCommentedOut, inspect.Warning, inspect.Doc{
			Title:    "A block is commented out.",
			Why:      "Go and OpenSSL pass over it, as is meant. GnuTLS finds BEGIN behind the # as well, cannot read what follows and refuses the whole file.",
			Refusals: refused(gnutlsBase64),
			Fix:      writeAnew,
			Sources:  []string{"RFC 7468 2"},
		}),
		rule(format.NoteMarkerInProse, inspect.Warning, inspect.Doc{
			Title:    "A sentence mentions a BEGIN or END line.",
			Why:      "Go and OpenSSL pass over it; GnuTLS takes it for the beginning of a certificate and refuses the whole file.",
			Refusals: refused(gnutlsBase64),
			Fix:      writeAnew,
			Sources:  []string{"RFC 7468 2"},
		}),
		rule(format.NoteQuoted, inspect.Error, inspect.Doc{
			Title:    "Quotation marks of a program or a JSON file stand around or in a block.",
			Why:      "The text was copied out of source code, JSON or a shell variable with its quotes. Go passes over the block and says nothing.",
			Refusals: refused(goUnknownCA, goKeyElsewhere),
			Sources:  []string{"RFC 7468 3", "Go encoding/pem pem.go, Decode"},
		}),
		rule(format.NoteIndented, inspect.Error, inspect.Doc{
			Title:      "A block is indented.",
			Why:        "It was copied out of YAML with the blanks before it. BEGIN has to start its line: Go and OpenSSL find no certificate.",
			Refusals:   refused(goNoPEM, goUnknownCA, opensslNothing),
			FixOpenSSL: `sed -i 's/^[[:blank:]]*//' tls.crt`,
			Sources:    []string{"RFC 7468 3", "Go encoding/pem pem.go, Decode"},
		}),
		rule(format.NoteOneLine, inspect.Error, inspect.Doc{
			Title:    "BEGIN has no line of its own.",
			Why:      "The line breaks were lost, most often in an environment variable that was not quoted: echo $TLS_CRT instead of echo \"$TLS_CRT\". Go and OpenSSL do not see the block; GnuTLS reads it.",
			Refusals: refused(goNoPEM, goUnknownCA, opensslNothing),
			Sources:  []string{"RFC 7468 3", "Go encoding/pem pem.go, Decode"},
		}),
		rule(format.NoteLiteralNewline, inspect.Error, inspect.Doc{
			Title:      `The two characters \n stand where a line should break.`,
			Why:        "The text was copied out of JSON, or an environment file in which nothing turns \\n into a line break. No client finds a certificate.",
			Refusals:   refused(goNoPEM, opensslNothing, gnutlsBase64),
			FixOpenSSL: `sed -i 's/\\n/\n/g' tls.crt`,
			Sources:    []string{"RFC 7468 3"},
		}),
		rule(format.NoteTooManyBlocks, inspect.Warning, inspect.Doc{
			Title:   "The file has more blocks than crpki judges together.",
			Why:     "What lies behind was not looked at. Split the file, and name each part.",
			Fix:     "crpki lint part-1.pem part-2.pem",
			Sources: []string{"crpki pki/format, maxBlocks"},
		}),

		rule(format.NoteDashCount, inspect.Error, inspect.Doc{
			Title:    "BEGIN or END does not have five dashes on each side.",
			Why:      "A dash was lost in copying. Go and OpenSSL take the line for text and pass over the block without a word.",
			Refusals: refused(goUnknownCA, goKeyElsewhere),
			Sources:  []string{"RFC 7468 2"},
		}),
		rule(format.NoteTypographicDash, inspect.Error, inspect.Doc{
			Title:    "BEGIN or END has dashes that a word processor made.",
			Why:      "The certificate went through a document, a chat or a ticket, which turned -- into a dash. No client finds it.",
			Refusals: refused(goNoPEM, opensslNothing, gnutlsNothing),
			Sources:  []string{"RFC 7468 2"},
		}),
		rule(format.NoteNonBreakingSpace, inspect.Error, inspect.Doc{
			Title:    "A non-breaking or zero-width space stands in a block.",
			Why:      "It was copied from a web page, and looks like an ordinary blank or like nothing. No client finds the certificate.",
			Refusals: refused(goNoPEM, opensslNothing, gnutlsNothing),
			Sources:  []string{"RFC 7468 2"},
		}),
		rule(format.NoteMarkerCase, inspect.Error, inspect.Doc{
			Title:    "BEGIN, END or the label is not in capitals.",
			Why:      "Labels are compared letter by letter. No client finds the certificate.",
			Refusals: refused(goNoPEM, opensslNothing, gnutlsNothing),
			Sources:  []string{"RFC 7468 2"},
		}),
		rule(format.NoteMarkerBlanks, inspect.Error, inspect.Doc{
			Title:    "BEGIN or END has blanks too many.",
			Why:      "Go passes over the block without a word, and so does GnuTLS; OpenSSL passes over it or refuses the file.",
			Refusals: refused(goUnknownCA, goKeyElsewhere, opensslBadEnd),
			Sources:  []string{"RFC 7468 3"},
		}),
		rule(format.NoteMissingEnd, inspect.Error, inspect.Doc{
			Title:    "A block has no END.",
			Why:      "The file was cut off, or one line was not copied. Go loses the block and says nothing.",
			Refusals: refused(goUnknownCA, goKeyElsewhere),
			Sources:  []string{"RFC 7468 2"},
		}),
		rule(format.NoteMissingBegin, inspect.Error, inspect.Doc{
			Title:    "An END has no BEGIN.",
			Why:      "The first line of a block was not copied. Go, OpenSSL and GnuTLS pass over what is left of it without a word.",
			Refusals: refused(goUnknownCA, goKeyElsewhere),
			Fix:      "crpki inspect tls.crt",
			Sources:  []string{"RFC 7468 2"},
		}),
		rule(format.NoteEndMismatch, inspect.Error, inspect.Doc{
			Title:    "BEGIN and END say different things.",
			Why:      "Parts of two blocks were joined, or a label was edited in one place only. Go passes over the block without a word, OpenSSL refuses the file; GnuTLS reads it.",
			Refusals: refused(goUnknownCA, goKeyElsewhere, opensslBadEnd),
			Sources:  []string{"RFC 7468 2"},
		}),
		rule(format.NoteOldLabel, inspect.Warning, inspect.Doc{
			Title: "A block has a label of old times.",
			Why:   "OpenSSL and GnuTLS read X509 CERTIFICATE as CERTIFICATE; Go looks for CERTIFICATE alone. Signing requests with the label NEW CERTIFICATE REQUEST are read by most CAs.",
			Refusals: []inspect.Refusal{
				{Client: goServers, Message: `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [X509 CERTIFICATE]`},
				goUnknownCA,
			},
			FixOpenSSL: "openssl x509 -in tls.crt -out clean.crt",
			Sources:    []string{"RFC 7468 5.1", "RFC 7468 7"},
		}),
		rule(format.NoteTrustedLabel, inspect.Error, inspect.Doc{
			Title: "The certificate is in OpenSSL's own form, TRUSTED CERTIFICATE.",
			Why:   "openssl x509 -trustout writes it, with what the certificate is trusted for. Only OpenSSL reads it.",
			Refusals: []inspect.Refusal{
				{Client: goServers, Message: `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [TRUSTED CERTIFICATE]`},
				goUnknownCA, gnutlsNothing,
			},
			FixOpenSSL: "openssl x509 -in ca.crt -out clean.crt",
			Fix:        writeAnew,
			Sources:    []string{"https://docs.openssl.org/3.0/man1/openssl-x509/", "Go crypto/x509 cert_pool.go, AppendCertsFromPEM"},
		}),
		rule(format.NoteKeyLabel, inspect.Warning, inspect.Doc{
			Title: "A key has the label Ed25519 PRIVATE KEY.",
			Why:   "cfssl writes it. Go takes every label that ends in PRIVATE KEY; OpenSSL, and so nginx in front of a registry, does not.",
			Refusals: []inspect.Refusal{
				{Client: openssl, Message: "Could not read key from tls.key"},
			},
			Fix:        "crpki renew tls.crt",
			FixOpenSSL: "sed -i 's/Ed25519 PRIVATE KEY/PRIVATE KEY/' tls.key",
			Sources:    []string{"RFC 7468 10", "https://github.com/cloudflare/cfssl/blob/v1.6.5/csr/csr.go"},
		}),
		rule(format.NoteLabelMismatch, inspect.Warning, inspect.Doc{
			Title:      "A label says one thing, and the block holds another.",
			Why:        "Go and OpenSSL look into a private key and read it all the same; GnuTLS refuses. A certificate under another label is found by nobody.",
			Refusals:   []inspect.Refusal{{Client: gnutls, Message: "import error: ASN1 parser: Error in TAG."}},
			FixOpenSSL: "openssl pkey -in tls.key -out clean.key",
			Sources:    []string{"RFC 7468 2", "Go crypto/tls tls.go, parsePrivateKey"},
		}),
		rule(format.NoteOtherBlock, inspect.Info, inspect.Doc{
			Title:   "A block is neither a certificate nor a private key nor a request.",
			Why:     "Public keys, curve parameters and revocation lists are passed over by TLS servers and by trust stores.",
			Fix:     writeAnew,
			Sources: []string{"RFC 7468 4"},
		}),

		rule(format.NoteHeaders, inspect.Error, inspect.Doc{
			Title:    "A certificate has headers inside its block.",
			Why:      "Lines such as \"subject: …\" between BEGIN and the base64 are headers of 1993's e-mail format. Go's pool of CAs passes over such a certificate, OpenSSL refuses the file.",
			Refusals: []inspect.Refusal{goUnknownCA, {Client: openssl, Message: "PEM routines: not proc type"}, gnutlsBase64},
			Sources:  []string{"RFC 7468 2", "Go crypto/x509 cert_pool.go, AppendCertsFromPEM"},
		}),
		rule(format.NoteBlankLine, inspect.Error, inspect.Doc{
			Title:      "A blank line stands inside a block.",
			Why:        "Go and GnuTLS read on, OpenSSL takes it for the end of headers and refuses the file: the pull works and curl does not.",
			Refusals:   []inspect.Refusal{{Client: openssl, Message: "PEM routines: not proc type"}},
			FixOpenSSL: "sed -i '/^[[:space:]]*$/d' tls.crt",
			Sources:    []string{"OpenSSL crypto/pem/pem_lib.c, get_header_and_data"},
		}),
		rule(format.NoteTrailingBlanks, inspect.Info, inspect.Doc{
			Title:      "Blanks stand at the ends of lines.",
			Why:        "Go, OpenSSL and GnuTLS pass over them. YAML tools switch to a quoted form because of them, which is harder to read.",
			FixOpenSSL: "sed -i 's/[[:blank:]]*$//' tls.crt",
			Sources:    []string{"RFC 7468 2"},
		}),
		rule(format.NoteBlanksInBody, inspect.Info, inspect.Doc{
			Title:   "Blanks stand inside the base64.",
			Why:     "Go, OpenSSL and GnuTLS pass over them; strict readers do not. They come from copying out of a terminal or a document.",
			Sources: []string{"RFC 7468 3"},
		}),
		rule(format.NoteLineLength, inspect.Info, inspect.Doc{
			Title:      "Lines of base64 are not 64 characters long.",
			Why:        "Go, OpenSSL and GnuTLS read lines of any length. RFC 7468 asks writers for 64, and strict readers may insist.",
			FixOpenSSL: "openssl x509 -in tls.crt -out clean.crt",
			Sources:    []string{"RFC 7468 2"},
		}),
		rule(format.NoteBadBase64, inspect.Error, inspect.Doc{
			Title:    "The base64 is broken.",
			Why:      "A character is wrong or missing, and the certificate cannot be read any more. Go passes over the block without a word and uses the others; OpenSSL refuses the file.",
			Refusals: refused(goUnknownCA, opensslBase64, gnutlsBase64),
			Fix:      "crpki inspect tls.crt",
			Sources:  []string{"RFC 7468 2", "RFC 4648 3.3"},
		}),
		rule(format.NotePadding, inspect.Error, inspect.Doc{
			Title:    "The base64 ends with too many or too few = signs.",
			Why:      "The end of the last line was not copied, or was written by something that leaves the padding out. Go passes over the block without a word, OpenSSL refuses the file.",
			Refusals: refused(goUnknownCA, opensslBase64, gnutlsBase64),
			Sources:  []string{"RFC 4648 3.2"},
		}),
		rule(format.NoteBase64URL, inspect.Error, inspect.Doc{
			Title:    "The base64 is the one for URLs.",
			Why:      "It has - and _ where PEM has + and /. It comes from JSON Web Keys and from cloud APIs; no client reads it in PEM.",
			Refusals: refused(goUnknownCA, opensslBase64, gnutlsBase64),
			Sources:  []string{"RFC 4648 5"},
		}),
	}
}

func containers() []inspect.Rule {
	rule := func(id string, severity inspect.Severity, doc inspect.Doc) inspect.Rule {
		doc.Fix = cmp.Or(doc.Fix, writeAnew)
		return readersRule(Encoding, id, severity, doc)
	}
	return []inspect.Rule{
		rule(format.NoteBase64OfPEM, inspect.Error, inspect.Doc{
			Title:      "What should be PEM is base64 of it.",
			Why:        "The value of a Secret or a values file was written to a file without undoing its base64, or stands in stringData, which takes PEM as it is. Programs find no certificate.",
			Refusals:   refused(goNoPEM, opensslNothing, gnutlsNothing),
			FixOpenSSL: "base64 -d tls.crt > clean.crt",
			Fix:        mend,
			Sources:    []string{"https://kubernetes.io/docs/concepts/configuration/secret/"},
		}),
		rule(format.NoteBase64OfDER, inspect.Error, inspect.Doc{
			Title:      "The certificate is base64 without BEGIN and END.",
			Why:        "That is DER under base64, as some Windows tools and web APIs give it out. TLS servers and trust stores look for the lines BEGIN and END.",
			Refusals:   refused(goNoPEM, opensslNothing, gnutlsNothing),
			FixOpenSSL: "base64 -d tls.crt | openssl x509 -inform DER -out clean.crt",
			Fix:        mend,
			Sources:    []string{"RFC 7468 2"},
		}),
		rule(format.NoteBase64Nested, inspect.Error, inspect.Doc{
			Title:      "The value is base64 of base64.",
			Why:        "It was encoded once more than is undone: kubectl, Helm's b64enc or the writer of a values file did what somebody had done before. Inside the pod lies base64 where PEM is due.",
			Refusals:   refused(goNoPEM, opensslNothing, gnutlsNothing),
			FixOpenSSL: "base64 -d value | base64 -d",
			Fix:        mend,
			Sources:    []string{"https://kubernetes.io/docs/concepts/configuration/secret/"},
		}),
		rule(format.NoteDER, inspect.Error, inspect.Doc{
			Title:      "The file is DER, not PEM.",
			Why:        "Windows and Java export certificates in this binary form, often as .cer or .crt. Go programs and OpenSSL's trust files want PEM.",
			Refusals:   refused(goNoPEM, opensslNothing, gnutlsNothing),
			FixOpenSSL: "openssl x509 -inform DER -in ca.der -out ca.crt",
			Sources:    []string{"RFC 7468 1", "Go crypto/x509 cert_pool.go, AppendCertsFromPEM"},
		}),
		rule(format.NoteTrailingBytes, inspect.Error, inspect.Doc{
			Title:      "Bytes follow the end of the certificate or key.",
			Why:        "OpenSSL passes over them, Go and GnuTLS refuse: curl works and the pull does not.",
			Refusals:   []inspect.Refusal{{Client: goClients, Message: "x509: trailing data"}, gnutlsDER},
			FixOpenSSL: "openssl x509 -in tls.crt -out clean.crt",
			Sources:    []string{"ITU-T X.690", "Go crypto/x509 parser.go, ParseCertificate"},
		}),
		rule(format.NoteTruncated, inspect.Error, inspect.Doc{
			Title:    "The certificate or key is cut off.",
			Why:      "The file was copied in part, or one line of it is missing. Go loses this certificate and keeps the others; OpenSSL refuses the file.",
			Refusals: []inspect.Refusal{{Client: goClients, Message: "x509: malformed certificate"}, {Client: openssl, Message: "asn1 encoding routines: too long"}, gnutlsDER},
			Fix:      "crpki inspect tls.crt",
			Sources:  []string{"ITU-T X.690"},
		}),
		rule(format.NoteConcatenated, inspect.Warning, inspect.Doc{
			Title:   "Several certificates in DER stand one behind the other.",
			Why:     "DER files hold one certificate; most programs read the first and stop. PEM is the form for several.",
			Sources: []string{"RFC 7468 1"},
		}),
		rule(format.NoteBER, inspect.Error, inspect.Doc{
			Title:   "The encoding is BER, not DER.",
			Why:     "Certificates and keys are DER, in which every value has one form. Go reads nothing else, nor do older versions of Java read such PKCS#12 files.",
			Sources: []string{"RFC 5280 4.1", "ITU-T X.690 10"},
		}),
		rule(format.NotePKCS7, inspect.Error, inspect.Doc{
			Title: "The file is a PKCS#7 bundle.",
			Why:   "CAs of Windows hand out chains as .p7b. No TLS server and no trust store reads it.",
			Refusals: []inspect.Refusal{
				{Client: goServers, Message: `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [PKCS7]`},
				opensslNothing, gnutlsNothing,
			},
			Fix:        "crpki bundle chain.p7b --out tls.crt",
			FixOpenSSL: "openssl pkcs7 -in chain.p7b -print_certs -out tls.crt",
			Sources:    []string{"RFC 5652", "RFC 7468 8"},
		}),
		rule(format.NoteKeyAmongCerts, inspect.Warning, inspect.Doc{
			Title:      "A private key stands in the file of the certificates.",
			Why:        "Whoever may read the certificate can read the key, and certificate files are handed around and readable for all. HAProxy and some others want it so: then restrict who may read the file.",
			Fix:        "crpki bundle tls.pem --out tls.crt",
			FixOpenSSL: "openssl x509 -in tls.pem -out tls.crt; openssl pkey -in tls.pem -out tls.key",
			Sources:    []string{"RFC 7468 13"},
		}),
		rule(format.NoteLegacyEncryption, inspect.Warning, inspect.Doc{
			Title:      "The key is encrypted in OpenSSL's old way.",
			Why:        "The password is hashed once, with MD5, so that guessing it is cheap. Go's TLS opens no encrypted key at all.",
			Refusals:   []inspect.Refusal{{Client: goServers, Message: "tls: failed to parse private key"}},
			Fix:        "crpki renew tls.crt",
			FixOpenSSL: "openssl pkcs8 -topk8 -v2 aes-256-cbc -in tls.key -out new.key",
			Sources:    []string{"RFC 1421 4.6.1.3", "Go crypto/x509 pem_decrypt.go"},
		}),
		rule(format.NotePKCS12Weak, inspect.Warning, inspect.Doc{
			Title: "The PKCS#12 file is encrypted with an algorithm of old times.",
			Why:   "OpenSSL 3 does not open RC2 without -legacy. Triple DES is opened by OpenSSL 1.1.1 to 3.5 and Java 17, and is just as old.",
			Refusals: []inspect.Refusal{
				{Client: "OpenSSL (openssl pkcs12, nginx, Python)", Since: "OpenSSL 3.0, for RC2", Message: "digital envelope routines: unsupported: … Algorithm (RC2-40-CBC : 0)"},
			},
			Fix:        "crpki p12 pack tls.crt tls.key ca.crt",
			FixOpenSSL: "openssl pkcs12 -legacy -in tls.p12 -nodes | openssl pkcs12 -export -out new.p12",
			Sources:    []string{"RFC 8018 A.4", "https://docs.openssl.org/3.0/man7/migration_guide/"},
		}),
		rule(format.NotePKCS12NoMAC, inspect.Info, inspect.Doc{
			Title:   "The PKCS#12 file has no checksum.",
			Why:     "Without the MAC, changes to the file go unnoticed, and a wrong password is not told from a broken file.",
			Fix:     "crpki p12 pack tls.crt tls.key ca.crt",
			Sources: []string{"RFC 7292 4"},
		}),
		rule(format.NotePKCS12NoTrust, inspect.Warning, inspect.Doc{
			Title:   "No certificate in the trust store bears Java's mark of trust.",
			Why:     "Java takes from a PKCS#12 trust store only certificates with the attribute 2.16.840.1.113894.746875.1.1. keytool shows this file as empty, and clients trust nothing.",
			Fix:     "crpki p12 trust ca.crt",
			Sources: []string{"JDK sun.security.pkcs12.PKCS12KeyStore", "https://github.com/SSLMate/go-pkcs12"},
		}),
		rule(format.NotePKCS12OtherBag, inspect.Info, inspect.Doc{
			Title:   "The PKCS#12 file holds more than certificates and keys.",
			Why:     "Revocation lists, passwords and other entries are not judged, and TLS servers pass over them.",
			Fix:     fromPKCS12,
			Sources: []string{"RFC 7292 4.2"},
		}),
	}
}
