package k8ssecret

// IDs of the notes that [Read] and [ReadSet] take, besides those of pki/format
// about the values inside. Each names what was seen; how much it matters is for
// a rule to say. The comments tell what comes of it.
const (
	// Secrets and ConfigMaps.

	// NoteSecretTypeMissing: tls.crt and tls.key without a type. The API server
	// makes the Secret Opaque, and the type of a Secret cannot be changed.
	NoteSecretTypeMissing = "secret-type-missing"
	// NoteSecretTypeMisplaced: type below metadata. kubectl 1.25 and later refuses
	// it (unknown field "metadata.type"), older ones make an Opaque Secret.
	NoteSecretTypeMisplaced = "secret-type-misplaced"
	// NoteSecretTypeWrong: tls.crt and tls.key in a Secret of another type, or a
	// misspelt kubernetes.io/tls. Nobody checks that both fields are there, and
	// controllers that ask for the type pass the Secret over.
	NoteSecretTypeWrong = "secret-type-wrong"
	// NoteSecretKeyMissing: type kubernetes.io/tls without tls.crt or tls.key. The
	// API server refuses it (ValidateSecret: Required value).
	NoteSecretKeyMissing = "secret-key-missing"
	// NoteSecretCAMissing: a private CA's certificate without ca.crt. Valid, but
	// clients have to get the CA elsewhere.
	NoteSecretCAMissing = "secret-ca-missing"
	// NoteSecretKeyInvalid: a field's name with characters that the API server
	// refuses (IsConfigMapKey).
	NoteSecretKeyInvalid = "secret-key-name-invalid"
	// NoteSecretKeyTwice: a field in data and in stringData, which wins.
	NoteSecretKeyTwice = "secret-key-twice"
	// NoteSecretValueEmpty: tls.crt or tls.key is there and empty. The API server
	// takes it, no server starts with it.
	NoteSecretValueEmpty = "secret-value-empty"
	// NoteSecretSwapped: the key in tls.crt and the certificate in tls.key.
	NoteSecretSwapped = "secret-crt-key-swapped"
	// NoteSecretNamespaceMissing: a server's Secret lands in the current namespace
	// of whoever applies it; pods see only Secrets of their own.
	NoteSecretNamespaceMissing = "secret-namespace-missing"
	// NoteSecretNamespaceWrong: the Secret is not in the namespace of the release
	// that names it.
	NoteSecretNamespaceWrong = "secret-namespace-wrong"
	// NoteSecretTooLarge: more than 1 MiB of decoded values, which the API server
	// refuses (MaxSecretSize).
	NoteSecretTooLarge = "secret-too-large"
	// NoteConfigMapTooLarge is the same of a ConfigMap.
	NoteConfigMapTooLarge = "configmap-too-large"
	// NoteConfigMapKey: a private key in a ConfigMap, which most may read.
	NoteConfigMapKey = "configmap-private-key"
	// NoteKeyInCA: a private key in ca.crt, which is handed to all clients. The
	// rule looks for the same beside certificates.
	NoteKeyInCA = "key-in-ca-file"
	// NoteCAIsTLS: ca.crt is filled in with the variable that fills tls.crt in.
	// Right only while the certificate is self-signed.
	NoteCAIsTLS = "ca-crt-is-tls-crt"
	// NoteDuplicateKey: a key twice in one mapping. kubectl refuses the manifest,
	// Helm and others take one of the two.
	NoteDuplicateKey = "manifest-duplicate-key"
	// NoteTemplate: nothing is judged, what a template makes is to be linted.
	NoteTemplate = "manifest-template"

	// How a value is written. format.NoteBase64OfPEM, NoteBase64OfDER and
	// NoteBase64Nested are taken here too: base64 where PEM is due (stringData),
	// base64 of DER, and base64 of base64.

	// NotePlaceholder: a variable or the like where a value is due, which is not
	// judged.
	NotePlaceholder = "value-placeholder"
	// NoteValueType: a number, a list or nothing where a string is due.
	NoteValueType = "value-not-a-string"
	// NoteValueUnreadable: a field that must hold a certificate or a key, and
	// holds neither.
	NoteValueUnreadable = "value-unreadable"
	// NoteBase64Invalid: the API server refuses the value (illegal base64 data).
	NoteBase64Invalid = "base64-invalid"
	// NoteBase64Missing: PEM where base64 of it is due.
	NoteBase64Missing = "base64-missing"
	// NoteBase64Wrapped: base64 over several lines. Harmless in a Secret's data
	// when YAML keeps the line breaks, fatal where it makes blanks of them, in
	// Helm values, settings and .env files.
	NoteBase64Wrapped = "base64-line-wrapped"

	// Names that a Certificate or a command asks for. All but
	// NoteNameIPInvalid and NoteNamespaceTypo are the rules for the certificates
	// that come out.

	// NoteNameIPInvalid: behind IP: stands something that is no address.
	NoteNameIPInvalid   = "san-ip-invalid"
	NoteNameIPAsDNS     = "san-ip-as-dns"
	NoteNameDNSAsIP     = "san-dns-as-ip"
	NoteNameTwice       = "san-duplicate-name"
	NoteNameEmpty       = "san-empty-name"
	NoteNameWildcard    = "san-wildcard-misplaced"
	NoteNameURL         = "san-url"
	NoteNamePort        = "san-port"
	NoteNameBlank       = "san-blank"
	NoteNameTrailingDot = "san-trailing-dot"
	NoteNameUnspecified = "san-unspecified-address"
	NoteClusterTypo     = "san-cluster-name-typo"
	// NoteNamespaceTypo: the name of a Service with a namespace that is one or two
	// letters off the one in use. Clients that dial the Service refuse.
	NoteNamespaceTypo = "san-namespace-typo"

	// Values of the connected registry's chart.

	// NoteValuesFlatKey: "tls.crt": as one key. The chart looks for crt below tls
	// and does not see it.
	NoteValuesFlatKey = "values-flat-key"
	// NoteValuesKeyTypo: tls.ca for tls.cacrt and the like. The chart does not see it.
	NoteValuesKeyTypo = "values-key-typo"
	// NoteValuesBoolString: "false" in quotes, or by --set-string. Templates take
	// every string that is not empty for true.
	NoteValuesBoolString = "values-bool-as-string"
	// NoteValuesCertManager: cert-manager.install without cert-manager.enabled,
	// which the chart refuses.
	NoteValuesCertManager = "values-cert-manager-combination"
	// NoteValuesTrust: trustDistribution.enabled=false without a certificate of
	// one's own. No node trusts the registry.
	NoteValuesTrust = "values-trust-distribution-combination"
	// NoteValuesHTTP: httpEnabled beside what is for TLS.
	NoteValuesHTTP = "values-http-combination"
	// NoteValuesSecretAndCert: tls.secret and tls.crt or tls.key.
	NoteValuesSecretAndCert = "values-secret-and-cert"
	// NoteValuesHalf: tls.crt without tls.key, or the reverse.
	NoteValuesHalf = "values-cert-or-key-missing"
	// NoteValuesCAMissing: tls.crt and tls.key without tls.cacrt.
	NoteValuesCAMissing = "values-ca-missing"
	// NoteValuesNoTLS: cert-manager.enabled=false, and no certificate given.
	NoteValuesNoTLS = "values-certificate-missing"
	// NoteValuesOwnAndIssued: a certificate of one's own, and cert-manager on.
	NoteValuesOwnAndIssued = "values-cert-and-cert-manager"
	// NoteValuesClusterIPInvalid: service.clusterIP is no address of a Service.
	NoteValuesClusterIPInvalid = "values-cluster-ip-invalid"
	// NoteValuesClusterIPMissing: no service.clusterIP, by which clients dial.
	NoteValuesClusterIPMissing = "values-cluster-ip-missing"
	// NoteValuesClusterIPNotInSAN: a script asks for a certificate without the
	// service.clusterIP that it sets. Of certificates, san-ip-missing says it.
	NoteValuesClusterIPNotInSAN = "values-cluster-ip-not-in-san"
	// NoteSetSyntax: --set takes a value apart or drops part of it, at a comma, a
	// backslash or a brace.
	NoteSetSyntax = "values-set-syntax"

	// Protected settings of the Azure extension, and JSON.

	// NoteSettingsNested: {"tls": {"crt": …}} where {"tls.crt": …} is due.
	NoteSettingsNested = "settings-nested-key"
	// NoteSettingsNotString: true or 1 where every value is a string.
	NoteSettingsNotString = "settings-value-not-string"
	// NoteJSONInvalid: not JSON for another reason than the two below.
	NoteJSONInvalid = "json-invalid"
	// NoteJSONVariable: $VAR without quotes, which makes no JSON.
	NoteJSONVariable = "json-unquoted-variable"
	// NoteTypographicQuotes: “ or ” where JSON, YAML and the shell know " alone.
	NoteTypographicQuotes = "typographic-quotes"

	// Certificates of cert-manager.

	// NoteCertificateRefused: the webhook or the API server refuses it.
	NoteCertificateRefused = "certificate-refused"
	// NoteCertificateOnlyCN: commonName is the only name; Go clients ignore it.
	NoteCertificateOnlyCN = "certificate-only-common-name"
	// NoteCertificateUsages: server auth is not among the usages, nor is it in
	// their default.
	NoteCertificateUsages = "certificate-server-auth-missing"
	// NoteCertificateRotation: rotationPolicy is left to a default that changed
	// with cert-manager 1.18.
	NoteCertificateRotation = "certificate-rotation-policy-unset"

	// Commands in scripts and documents.

	// NoteDuplicateAddext: two -addext of one extension. OpenSSL 3 refuses
	// (Duplicate extension), 1.1.1 writes a certificate that Go cannot read.
	NoteDuplicateAddext = "script-duplicate-addext"
	// NoteBackslashBlank: a blank behind the backslash at the end of a line. The
	// next line runs as a command of its own.
	NoteBackslashBlank = "script-backslash-blank"
	// NoteBackslashMissing: a line that begins with an option, and none of these
	// backslashes on the line before.
	NoteBackslashMissing = "script-backslash-missing"
	// NoteUnclosedQuote: a quotation mark that is never closed.
	NoteUnclosedQuote = "script-unclosed-quote"
	// NoteScriptBase64: base64 without -w0 into a value that has to be in one line.
	NoteScriptBase64 = "script-base64-wrapped"
	// NoteScriptNoSAN: openssl makes a server's certificate without names.
	NoteScriptNoSAN = "script-san-missing"
	// NoteScriptVariable: a variable that is set nowhere, and almost has the name
	// of one that is.
	NoteScriptVariable = "script-variable-typo"
	// NoteScriptLiteral: $VAR in a here-document whose word is quoted stays $VAR.
	NoteScriptLiteral = "script-heredoc-literal"
	// NoteScriptManifest: a manifest in a here-document that is no YAML.
	NoteScriptManifest = "script-manifest-invalid"
	// NoteScriptNamespace: a Secret is applied to a namespace that is created
	// further down.
	NoteScriptNamespace = "script-namespace-too-late"
	// NoteScriptSecretArgument: a private key on a command line, where ps and the
	// shell's history show it.
	NoteScriptSecretArgument = "script-key-on-command-line"
)
