package rules

import "github.com/crpki/crpki/inspect"

// What judges packaging, besides the clients.
const (
	apiServer = "Kubernetes API server"
	kubectl   = "kubectl"
	helm      = "Helm"
	azureCLI  = "Azure CLI (az k8s-extension)"
)

// Sources of several rules.
const (
	srcSecret    = "Kubernetes pkg/apis/core/validation/validation.go, ValidateSecret"
	srcSecretDoc = "https://kubernetes.io/docs/concepts/configuration/secret/"
	srcConfigMap = "Kubernetes pkg/apis/core/validation/validation.go, ValidateConfigMap"
	srcStrvals   = "https://helm.sh/docs/intro/using_helm/#the-format-and-limitations-of---set"
	srcChart     = "Azure/acr docs/preview/connected-registry/managed-identity-connected-registry.md"
	srcChartHA   = "Azure/acr docs/preview/connected-registry/quickstart-connected-registry-ha.md"
	srcArc       = "https://learn.microsoft.com/azure/container-registry/tutorial-connected-registry-arc"
	srcArcIssues = "https://learn.microsoft.com/azure/container-registry/troubleshoot-connected-registry-arc"
	srcSettings  = "Azure/azure-cli-extensions src/k8s-extension/azext_k8s_extension/custom.py"
	srcBicep     = "Azure/bicep-types-az, Microsoft.KubernetesConfiguration extensions"
	srcCert      = "cert-manager internal/apis/certmanager/validation/certificate.go"
	srcCertTypes = "cert-manager pkg/apis/certmanager/v1/types_certificate.go"
	srcBash      = "https://www.gnu.org/software/bash/manual/bash.html#Quoting"
)

// Commands that mend packaging.
const (
	makeSecret   = "kubectl create secret generic registry-tls --type=kubernetes.io/tls --from-file=tls.crt --from-file=tls.key --from-file=ca.crt -n connected-registry --dry-run=client -o yaml"
	makeNew      = "crpki gen --ip 10.96.0.50 --dns registry.example.com"
	makeRegistry = "crpki gen --preset connected-registry --ip 10.96.0.50"
)

// packaging are the rules for what k8ssecret notes about manifests, values,
// settings and scripts. That package is not imported here, a test keeps the IDs
// the same.
func packaging() []inspect.Rule {
	var out []inspect.Rule
	for _, part := range [][]inspect.Rule{secrets(), values(), settings(), certificates(), scripts()} {
		out = append(out, part...)
	}
	return out
}

func packagingRule(id string, severity inspect.Severity, doc inspect.Doc) inspect.Rule {
	return readersRule(Packaging, id, severity, doc)
}

func secrets() []inspect.Rule {
	rule := packagingRule
	return []inspect.Rule{
		rule("secret-type-missing", inspect.Warning, inspect.Doc{
			Title:      "A Secret with tls.crt and tls.key has no type.",
			Why:        "The API server makes it Opaque: nobody checks that both fields are there, and controllers that ask for kubernetes.io/tls pass it over. The type of a Secret cannot be changed afterwards; it has to be deleted and made anew.",
			FixOpenSSL: makeSecret,
			Fix:        mendYAML,
			Sources:    []string{srcSecret, "Kubernetes pkg/registry/core/secret/strategy.go"},
		}),
		rule("secret-type-misplaced", inspect.Error, inspect.Doc{
			Title: "The type of a Secret stands under metadata.",
			Why:   "type belongs beside kind, at the margin. kubectl 1.25 and later refuses the manifest; an older one, or --validate=false, makes an Opaque Secret, whose type cannot be changed afterwards. The mistake is in the documentation of a registry, and is copied from there.",
			Refusals: []inspect.Refusal{
				{Client: kubectl, Since: "kubectl 1.25", Message: `strict decoding error: unknown field "metadata.type"`},
			},
			FixOpenSSL: makeSecret,
			Fix:        mendYAML,
			Sources:    []string{"https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation", srcChartHA},
		}),
		rule("secret-type-wrong", inspect.Warning, inspect.Doc{
			Title:      "A Secret with tls.crt and tls.key is not of type kubernetes.io/tls.",
			Why:        "Every type is accepted, a misspelt one, too. But then nobody checks that both fields are there, and ingress controllers and others that ask for the type pass the Secret over. The type cannot be changed afterwards.",
			FixOpenSSL: makeSecret,
			Fix:        mendYAML,
			Sources:    []string{srcSecret},
		}),
		rule("secret-key-missing", inspect.Error, inspect.Doc{
			Title: "A Secret of type kubernetes.io/tls lacks tls.crt or tls.key.",
			Why:   "The API server refuses the Secret. Often the field is there under another name: cert.pem, tls.cert, key.pem.",
			Refusals: []inspect.Refusal{
				{Client: apiServer, Message: "data[tls.key]: Required value"},
			},
			FixOpenSSL: makeSecret,
			Sources:    []string{srcSecret},
		}),
		rule("secret-ca-missing", inspect.Info, inspect.Doc{
			Title:      "A Secret with a private CA's certificate has no ca.crt.",
			Why:        "No public CA signs for such names, so that clients need the CA's certificate. ca.crt is where cert-manager, ingress controllers and the connected registry put it; without it, it has to reach the clients in another way.",
			FixOpenSSL: makeSecret,
			Sources:    []string{"cert-manager pkg/util/pki/parse_certificate_chain.go", srcChartHA},
		}),
		rule("secret-key-name-invalid", inspect.Error, inspect.Doc{
			Title:   "The name of a field has characters that Kubernetes does not allow.",
			Why:     "Letters, digits, -, _ and . are allowed, 253 characters at most. The API server refuses the object.",
			Sources: []string{"Kubernetes apimachinery pkg/util/validation/validation.go, IsConfigMapKey"},
		}),
		rule("secret-key-twice", inspect.Warning, inspect.Doc{
			Title:   "A field stands in data and in stringData.",
			Why:     "The API server takes the one in stringData and drops the other without a word. Whoever reads the manifest sees both.",
			Sources: []string{srcSecretDoc},
		}),
		rule("secret-value-empty", inspect.Error, inspect.Doc{
			Title:      "A Secret's tls.crt or tls.key is empty.",
			Why:        "The API server asks that the fields be there, not that they hold anything. The registry does not start. Often a variable was empty when the manifest was made.",
			Refusals:   refused(goNoPEM),
			FixOpenSSL: makeSecret,
			Sources:    []string{srcSecret, "Go crypto/tls tls.go, X509KeyPair"},
		}),
		rule("secret-crt-key-swapped", inspect.Error, inspect.Doc{
			Title: "The key stands in tls.crt and the certificate in tls.key.",
			Why:   "The API server takes it, the registry does not start. And whoever is handed the certificate gets the key.",
			Refusals: []inspect.Refusal{
				{Client: goServers, Message: "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched"},
			},
			FixOpenSSL: makeSecret,
			Sources:    []string{"Go crypto/tls tls.go, X509KeyPair"},
		}),
		rule("secret-namespace-missing", inspect.Warning, inspect.Doc{
			Title:      "A Secret says no namespace.",
			Why:        "It lands in the current namespace of whoever applies it, which is often default. Pods see only Secrets of their own namespace, and those of the registry wait for one that never comes.",
			FixOpenSSL: "kubectl apply -n connected-registry -f secret.yaml",
			Sources:    []string{srcSecretDoc, srcArc},
		}),
		rule("secret-namespace-wrong", inspect.Error, inspect.Doc{
			Title:      "The Secret is not in the namespace of the release that names it.",
			Why:        "Pods see only Secrets of their own namespace: those of the registry wait for it and do not start.",
			FixOpenSSL: makeSecret,
			Sources:    []string{srcSecretDoc},
		}),
		rule("secret-too-large", inspect.Error, inspect.Doc{
			Title:   "The values of a Secret have more than 1 MiB together.",
			Why:     "The API server refuses it. A bundle of all public CAs does not belong into a Secret beside the certificate: clients need the one CA that signed it.",
			Fix:     "crpki bundle tls.crt intermediate.crt --out chain.pem",
			Sources: []string{"Kubernetes pkg/apis/core/types.go, MaxSecretSize", srcSecret},
		}),
		rule("configmap-too-large", inspect.Error, inspect.Doc{
			Title:   "The values of a ConfigMap have more than 1 MiB together.",
			Why:     "The API server refuses it.",
			Sources: []string{srcConfigMap},
		}),
		rule("configmap-private-key", inspect.Error, inspect.Doc{
			Title:      "A private key stands in a ConfigMap.",
			Why:        "ConfigMaps are for what all may see: the usual roles let everybody in the namespace read them, and they are not encrypted at rest. Take the key for lost: make a new one, and put it into a Secret.",
			Fix:        "crpki renew tls.crt",
			FixOpenSSL: makeSecret,
			Sources:    []string{"https://kubernetes.io/docs/concepts/configuration/configmap/"},
		}),
		rule("ca-crt-is-tls-crt", inspect.Warning, inspect.Doc{
			Title:      "The CA's field, ca.crt, is filled in with the server's certificate.",
			Why:        "That is right only as long as the certificate is self-signed. As soon as a CA signs it, clients are told to trust the server's certificate instead of the CA: Go does that until the next renewal, OpenSSL and GnuTLS refuse at once. The mistake is in the documentation of a registry, and is copied from there.",
			FixOpenSSL: makeSecret,
			Sources:    []string{srcChartHA, srcArc},
		}),
		rule("manifest-duplicate-key", inspect.Error, inspect.Doc{
			Title:   "A key stands twice in one mapping.",
			Why:     "YAML and JSON forbid it. Programs that do not refuse take one of the two, mostly the last, and drop the other without a word.",
			Sources: []string{"YAML 1.2.2, 3.2.1.1", "RFC 8259 4"},
		}),
		rule("manifest-template", inspect.Info, inspect.Doc{
			Title:      "A template was not judged.",
			Why:        "What it makes depends on values that are not here. Judge what comes out of it.",
			FixOpenSSL: "helm template connected-registry ./chart | crpki lint -",
			Sources:    []string{"https://helm.sh/docs/helm/helm_template/"},
		}),
		rule("value-placeholder", inspect.Info, inspect.Doc{
			Title:   "A value is left to something else to fill in.",
			Why:     "A variable or a placeholder stands where a certificate or a key is due. What comes out of it was not judged.",
			Sources: []string{srcSecretDoc},
		}),
		rule("value-not-a-string", inspect.Error, inspect.Doc{
			Title:   "A number, a list or nothing stands where a string is due.",
			Why:     "YAML takes what is all digits for a number, and true, null and the like for what they say. The API server and the chart want text: put it between quotation marks.",
			Sources: []string{srcSecretDoc, "YAML 1.2.2, 10.3.2"},
		}),
		rule("value-unreadable", inspect.Error, inspect.Doc{
			Title:      "A field that must hold a certificate or a key holds neither.",
			Why:        "Neither the API server nor Helm looks into it; the registry does not start.",
			Refusals:   refused(goNoPEM),
			FixOpenSSL: makeSecret,
			Sources:    []string{"Go crypto/tls tls.go, X509KeyPair"},
		}),
		rule("base64-invalid", inspect.Error, inspect.Doc{
			Title: "A value is not base64.",
			Why:   "The values of data are standard base64 with padding. The API server refuses the Secret.",
			Refusals: []inspect.Refusal{
				{Client: apiServer, Message: "illegal base64 data at input byte 4"},
			},
			FixOpenSSL: "base64 -w0 tls.crt",
			Sources:    []string{srcSecretDoc, "RFC 4648 4"},
		}),
		rule("base64-missing", inspect.Error, inspect.Doc{
			Title: "PEM stands where base64 of it is due.",
			Why:   "The values of a Secret's data, of the connected registry's chart and of its protected settings are base64 of the PEM file, in one line. In a Secret, PEM as it is belongs into stringData.",
			Refusals: []inspect.Refusal{
				{Client: apiServer, Message: "illegal base64 data at input byte 0"},
			},
			FixOpenSSL: "base64 -w0 tls.crt",
			Fix:        mendYAML,
			Sources:    []string{srcSecretDoc, srcArc},
		}),
		rule("base64-line-wrapped", inspect.Warning, inspect.Doc{
			Title:      "Base64 goes over several lines.",
			Why:        "base64 without -w0 breaks lines after 76 characters. A Secret's data survives that where YAML keeps the line breaks (behind a |); where YAML makes blanks of them the API server refuses, and Helm values, settings and .env files end with the first line.",
			FixOpenSSL: "base64 -w0 tls.crt",
			Fix:        mendYAML,
			Sources:    []string{"Go encoding/base64", srcArc},
		}),
		rule("san-ip-invalid", inspect.Error, inspect.Doc{
			Title: "What stands behind IP: is no IP address.",
			Why:   "OpenSSL makes no certificate. A host name belongs behind DNS:, an IPv6 address stands without brackets.",
			Refusals: []inspect.Refusal{
				{Client: "OpenSSL (openssl req)", Message: "bad ip address"},
			},
			Fix:        makeNew,
			FixOpenSSL: `openssl req -x509 … -addext "subjectAltName=IP:10.96.0.50,DNS:registry.example.com"`,
			Sources:    []string{"https://docs.openssl.org/3.0/man5/x509v3_config/"},
		}),
		rule("san-namespace-typo", inspect.Warning, inspect.Doc{
			Title:   "The name of a Service has a namespace that is almost the one in use.",
			Why:     "conncted-registry for connected-registry: no Service has the name, and clients that dial the Service find its right name missing. The mistake is in the documentation of a registry, and is copied from there.",
			Fix:     makeRegistry,
			Sources: []string{srcChartHA, "https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/"},
		}),
	}
}

func values() []inspect.Rule {
	rule := packagingRule
	return []inspect.Rule{
		rule("values-flat-key", inspect.Error, inspect.Doc{
			Title:      `A key of the values holds a dot ("tls.crt":).`,
			Why:        "The chart looks for crt below tls and does not see the flat key: it deploys as if nothing was given. It comes from the protected settings of Azure, where dotted keys are right, and from --set 'tls\\.crt=…'.",
			FixOpenSSL: "tls: {crt: BASE64, key: BASE64, cacrt: BASE64}  # in values.yaml",
			Sources:    []string{"https://helm.sh/docs/chart_template_guide/values_files/", srcStrvals},
		}),
		rule("values-key-typo", inspect.Error, inspect.Doc{
			Title:      "A key below tls is not one that the chart knows.",
			Why:        "The chart knows tls.crt, tls.key, tls.cacrt and tls.secret. What has another name is passed over.",
			FixOpenSSL: "tls: {crt: BASE64, key: BASE64, cacrt: BASE64}  # in values.yaml",
			Sources:    []string{srcChart, srcArc},
		}),
		rule("values-bool-as-string", inspect.Error, inspect.Doc{
			Title:      "A switch is a string instead of true or false.",
			Why:        `Templates take every string that is not empty for true, "false" as well: what should be off stays on. It comes from quotation marks, or from --set-string.`,
			FixOpenSSL: "helm upgrade --install connected-registry … --set cert-manager.enabled=false",
			Sources:    []string{"https://pkg.go.dev/text/template#hdr-Actions", srcStrvals},
		}),
		rule("values-cert-manager-combination", inspect.Error, inspect.Doc{
			Title:      "The values switch cert-manager.enabled off and leave cert-manager.install on.",
			Why:        "The chart refuses to install a cert-manager that it is not to use. Both are true unless said otherwise, so that both have to be set.",
			FixOpenSSL: "helm upgrade --install connected-registry … --set cert-manager.enabled=false,cert-manager.install=false",
			Sources:    []string{srcChart},
		}),
		rule("values-trust-distribution-combination", inspect.Warning, inspect.Doc{
			Title:   "Trust distribution is off, and no certificate of your own is given.",
			Why:     "The registry's own CA is then in no node's trust store, and nobody can put it there before it exists: pulls fail with \"certificate signed by unknown authority\". Trust distribution is switched off for certificates whose CA the nodes know.",
			Fix:     makeRegistry,
			Sources: []string{srcArc},
		}),
		rule("values-http-combination", inspect.Warning, inspect.Doc{
			Title:      "Plain HTTP is switched on beside what is for TLS.",
			Why:        "For plain HTTP, the documentation switches cert-manager and trust distribution off. Otherwise they run for a certificate that nobody uses. Anybody on the network can read and change what is pulled over HTTP.",
			FixOpenSSL: "helm upgrade --install connected-registry … --set httpEnabled=true,cert-manager.enabled=false,cert-manager.install=false,trustDistribution.enabled=false",
			Sources:    []string{srcArc},
		}),
		rule("values-secret-and-cert", inspect.Warning, inspect.Doc{
			Title:      "Both tls.secret and tls.crt or tls.key are set.",
			Why:        "They are two ways of giving the certificate, and it is nowhere said which one wins. After the next renewal, the other one may be served.",
			FixOpenSSL: "helm upgrade --install connected-registry … --set tls.secret=registry-tls",
			Sources:    []string{srcChart},
		}),
		rule("values-cert-or-key-missing", inspect.Error, inspect.Doc{
			Title:      "Of tls.crt and tls.key only one is set.",
			Why:        "A certificate without its key is of no use to a server, nor is a key without its certificate.",
			FixOpenSSL: "tls: {crt: BASE64, key: BASE64, cacrt: BASE64}  # in values.yaml",
			Sources:    []string{srcChart},
		}),
		rule("values-ca-missing", inspect.Warning, inspect.Doc{
			Title:      "The CA, tls.cacrt, is missing beside tls.crt and tls.key.",
			Why:        "The documentation asks for all three. Without the CA, clients inside and outside the cluster have nothing to verify the certificate with.",
			FixOpenSSL: "tls: {crt: BASE64, key: BASE64, cacrt: BASE64}  # in values.yaml, cacrt from base64 -w0 ca.crt",
			Sources:    []string{srcArc, srcChartHA},
		}),
		rule("values-certificate-missing", inspect.Error, inspect.Doc{
			Title:   "No certificate is given, and cert-manager is off.",
			Why:     "With cert-manager.enabled=false the chart wants tls.secret, or tls.crt and tls.key.",
			Fix:     makeRegistry,
			Sources: []string{srcChart},
		}),
		rule("values-cert-and-cert-manager", inspect.Warning, inspect.Doc{
			Title:      "A certificate of your own is given, and cert-manager is on.",
			Why:        "cert-manager.enabled and cert-manager.install are true unless said otherwise. The documentation switches both off for a certificate of one's own; otherwise cert-manager issues another.",
			FixOpenSSL: "helm upgrade --install connected-registry … --set cert-manager.enabled=false,cert-manager.install=false",
			Sources:    []string{srcArc, srcChart},
		}),
		rule("values-cluster-ip-invalid", inspect.Error, inspect.Doc{
			Title: "The address in service.clusterIP is none that a Service can have.",
			Why:   "It takes one free IP address of the cluster's Service range: no name, no range, not 0.0.0.0 and not 127.0.0.1.",
			Refusals: []inspect.Refusal{
				{Client: apiServer, Message: "spec.clusterIPs: Invalid value: […]: failed to allocate IP 192.100.100.1: the provided IP (192.100.100.1) is not in the valid range. The range of valid IPs is 10.96.0.0/16"},
			},
			FixOpenSSL: "kubectl get servicecidr -o jsonpath='{.items[*].spec.cidrs}'  # Kubernetes 1.33 and later",
			Sources:    []string{"Kubernetes pkg/registry/core/service/ipallocator/interfaces.go"},
		}),
		rule("values-cluster-ip-missing", inspect.Warning, inspect.Doc{
			Title:      "The address service.clusterIP is not set.",
			Why:        "It is the address that clients dial and that the certificate has to name. Kubernetes gives the Service any free address, and another one when the Service is made anew.",
			Fix:        makeRegistry,
			FixOpenSSL: "helm upgrade --install connected-registry … --set service.clusterIP=10.96.0.50",
			Sources:    []string{srcChartHA, srcArc},
		}),
		rule("values-cluster-ip-not-in-san", inspect.Error, inspect.Doc{
			Title: "The address service.clusterIP is not among the names of the certificate.",
			Why:   "The script asks for a certificate without the address that it sets, and by which clients dial. The certificate has to carry it as an IP address; as a DNS name it does not count.",
			Refusals: []inspect.Refusal{
				{Client: goClients, Message: "x509: cannot validate certificate for 10.96.0.50 because it doesn't contain any IP SANs"},
				{Client: openssl, Message: "error 64: IP address mismatch"},
			},
			Fix:        makeRegistry,
			FixOpenSSL: `openssl req -x509 … -addext "subjectAltName=IP:10.96.0.50,DNS:registry.example.com"`,
			Sources:    []string{"RFC 9525 6.5", srcChartHA},
		}),
		rule("values-set-syntax", inspect.Error, inspect.Doc{
			Title: "A value for --set is taken apart, or a part of it is dropped.",
			Why:   `For --set, a comma begins the next key, a backslash makes the next character an ordinary one and disappears, and { begins a list. Write \, and \\ and \{, or put the value into a file for -f.`,
			Refusals: []inspect.Refusal{
				{Client: helm, Since: "measured with Helm 3.22", Message: `key "b" has no value`},
			},
			FixOpenSSL: "helm upgrade --install connected-registry … -f values.yaml",
			Sources:    []string{srcStrvals, "Helm pkg/strvals/parser.go"},
		}),
	}
}

func settings() []inspect.Rule {
	rule := packagingRule
	return []inspect.Rule{
		rule("settings-nested-key", inspect.Error, inspect.Doc{
			Title:      "The protected settings are nested instead of flat.",
			Why:        "They are one flat object of strings: \"tls.crt\", not crt below tls. In Helm values it is the other way round.",
			FixOpenSSL: `{"connectionString": "…", "tls.crt": "BASE64", "tls.key": "BASE64", "tls.cacrt": "BASE64"}`,
			Sources:    []string{srcBicep, srcArc},
		}),
		rule("settings-value-not-string", inspect.Error, inspect.Doc{
			Title:   "A protected setting is no string.",
			Why:     "The service takes strings alone: \"true\", not true.",
			Sources: []string{srcBicep},
		}),
		rule("json-invalid", inspect.Error, inspect.Doc{
			Title: "The file of protected settings is not JSON.",
			Why:   "The Azure CLI refuses it before anything is deployed. Often a comma is too many, or a value in several lines broke its string.",
			Refusals: []inspect.Refusal{
				{Client: azureCLI, Message: "File protected-settings.json is not a valid JSON file"},
			},
			FixOpenSSL: "jq . protected-settings.json",
			Sources:    []string{srcSettings, "RFC 8259"},
		}),
		rule("json-unquoted-variable", inspect.Error, inspect.Doc{
			Title: "A variable stands in JSON without quotation marks.",
			Why:   "In a file, nobody fills it in; in a here-document, what comes out is a bare word. Either way it is not JSON. The mistake is in the documentation of a registry, and is copied from there.",
			Refusals: []inspect.Refusal{
				{Client: azureCLI, Message: "File protected-settings.json is not a valid JSON file"},
			},
			FixOpenSSL: `jq -n --arg crt "$(base64 -w0 tls.crt)" '{"tls.crt": $crt}'`,
			Sources:    []string{srcArc, srcSettings},
		}),
		rule("typographic-quotes", inspect.Error, inspect.Doc{
			Title:      "A quotation mark is a typographic one.",
			Why:        "It was copied from a document or a web page. JSON, YAML and the shell know \" and ' alone, and take the others for a part of the value.",
			FixOpenSSL: `sed -i 's/[“”„]/"/g' script.sh`,
			Sources:    []string{"RFC 8259 7", srcArcIssues},
		}),
	}
}

func certificates() []inspect.Rule {
	rule := packagingRule
	return []inspect.Rule{
		rule("certificate-refused", inspect.Error, inspect.Doc{
			Title:      "A Certificate is one that cert-manager refuses.",
			Why:        "Its webhook does not let the manifest in, or the schema does not. The finding says which field is wrong.",
			FixOpenSSL: "kubectl apply --dry-run=server -f certificate.yaml",
			Sources:    []string{srcCert, srcCertTypes},
		}),
		rule("certificate-only-common-name", inspect.Error, inspect.Doc{
			Title: "The commonName is the only name of a Certificate.",
			Why:   "Go clients do not look at the common name: pulls fail. Write the names into dnsNames, and addresses into ipAddresses.",
			Refusals: []inspect.Refusal{
				{Client: goClients, Since: "Go 1.15", Message: "x509: certificate relies on legacy Common Name field, use SANs instead"},
			},
			FixOpenSSL: "dnsNames: [registry.example.com]  # in the Certificate; ipAddresses: [10.96.0.50]",
			Sources:    []string{"https://go.dev/doc/go1.15#commonname", srcCertTypes},
		}),
		rule("certificate-server-auth-missing", inspect.Warning, inspect.Doc{
			Title:      "A Certificate does not ask for server auth.",
			Why:        "cert-manager's default is digital signature and key encipherment, without an extended key usage. Clients accept a certificate without any; some other software, and every client once another extended usage is there, refuses it. Say usages: [digital signature, key encipherment, server auth].",
			FixOpenSSL: "usages: [digital signature, key encipherment, server auth]  # in the Certificate",
			Sources:    []string{srcCertTypes, "RFC 5280 4.2.1.12"},
		}),
		rule("certificate-rotation-policy-unset", inspect.Info, inspect.Doc{
			Title:      "A Certificate leaves rotationPolicy to its default.",
			Why:        "The default was Never before cert-manager 1.18 and is Always since: after an upgrade, renewals come with a new key. Say which one is meant.",
			FixOpenSSL: "privateKey: {rotationPolicy: Always}  # in the Certificate",
			Sources:    []string{"https://cert-manager.io/docs/releases/release-notes/release-notes-1.18/", srcCertTypes},
		}),
	}
}

func scripts() []inspect.Rule {
	rule := packagingRule
	return []inspect.Rule{
		rule("script-duplicate-addext", inspect.Error, inspect.Doc{
			Title: "An extension is given to openssl req twice, with -addext.",
			Why:   "All names belong into one subjectAltName. openssl refuses and writes no certificate, and a script that does not stop goes on with the files of last time. The mistake is in the documentation of a registry, and is copied from there.",
			Refusals: []inspect.Refusal{
				{Client: "OpenSSL (openssl req)", Since: "OpenSSL 3.0", Message: "Duplicate extension: subjectAltName=DNS:registry.example.com"},
				{Client: "OpenSSL (openssl req)", Since: "OpenSSL 3.5", Message: "Duplicate extension name: subjectAltName"},
				{Client: "OpenSSL (openssl req)", Since: "OpenSSL 1.1.1", Message: "req: Use -help for summary."},
			},
			Fix:        mendScript,
			FixOpenSSL: `openssl req -x509 … -addext "subjectAltName=IP:10.96.0.50,DNS:registry.example.com"`,
			Sources:    []string{"https://docs.openssl.org/3.5/man1/openssl-req/", srcChartHA},
		}),
		rule("script-backslash-blank", inspect.Error, inspect.Doc{
			Title: "A blank follows the backslash at the end of a line.",
			Why:   "Only a backslash right before the line break joins lines. With a blank between, the command ends here with one strange argument, and the next line runs as a command of its own. The mistake is in the documentation of a registry, and is copied from there.",
			Refusals: []inspect.Refusal{
				{Client: "bash", Message: "-out: command not found"},
			},
			Fix:        mendScript,
			FixOpenSSL: `sed -i 's/\\[[:blank:]]*$/\\/' script.sh`,
			Sources:    []string{srcBash, srcChartHA},
		}),
		rule("script-backslash-missing", inspect.Error, inspect.Doc{
			Title: "A line begins with an option, and the line before does not go on.",
			Why:   "The backslash at the end of the line before is missing: the command runs without its other options, and this line runs as a command of its own.",
			Refusals: []inspect.Refusal{
				{Client: "bash", Message: "--auto-upgrade-minor-version: command not found"},
			},
			Fix:        mendScript,
			FixOpenSSL: "shellcheck script.sh",
			Sources:    []string{srcBash, "https://learn.microsoft.com/azure/container-registry/quickstart-connected-registry-arc-cli"},
		}),
		rule("script-unclosed-quote", inspect.Error, inspect.Doc{
			Title: "A quotation mark is never closed.",
			Why:   "The shell takes all that follows for one value. On a terminal it waits for more, and a script fails at its end.",
			Refusals: []inspect.Refusal{
				{Client: "bash", Message: "unexpected EOF while looking for matching `\"'"},
			},
			FixOpenSSL: "bash -n script.sh",
			Sources:    []string{srcBash, srcChartHA},
		}),
		rule("script-base64-wrapped", inspect.Warning, inspect.Doc{
			Title:      "The command base64 lacks -w0 for a value that has to be in one line.",
			Why:        "GNU base64 breaks lines after 76 characters. Helm values, settings and manifests then get a value in several lines, of which the first is kept or none. On macOS, base64 -i FILE writes one line.",
			FixOpenSSL: "base64 -w0 tls.crt",
			Sources:    []string{"https://www.gnu.org/software/coreutils/manual/html_node/base64-invocation.html"},
		}),
		rule("script-san-missing", inspect.Error, inspect.Doc{
			Title: "A script makes a server's certificate without names.",
			Why:   "Without -addext or a section with subjectAltName, the certificate has its common name alone, which Go clients do not look at.",
			Refusals: []inspect.Refusal{
				{Client: goClients, Since: "Go 1.15", Message: "x509: certificate relies on legacy Common Name field, use SANs instead"},
				{Client: goClients, Message: "x509: cannot validate certificate for 10.96.0.50 because it doesn't contain any IP SANs"},
			},
			Fix:        makeNew,
			FixOpenSSL: `openssl req -x509 … -addext "subjectAltName=IP:10.96.0.50,DNS:registry.example.com"`,
			Sources:    []string{"https://go.dev/doc/go1.15#commonname", "RFC 5280 4.2.1.6"},
		}),
		rule("script-variable-typo", inspect.Warning, inspect.Doc{
			Title:      "A variable is set nowhere, and almost has the name of one that is.",
			Why:        "The shell puts nothing in its place and says nothing: the name or the value is empty from there on.",
			Fix:        mendScript,
			FixOpenSSL: "set -u  # at the top of the script: the shell then stops at a variable that is not set",
			Sources:    []string{"https://www.gnu.org/software/bash/manual/bash.html#The-Set-Builtin", srcChartHA},
		}),
		rule("script-heredoc-literal", inspect.Warning, inspect.Doc{
			Title:   "A variable stands in a here-document whose word is quoted.",
			Why:     "After <<'EOF' the shell fills nothing in: the manifest or the file holds $TLS_CRT itself. Without the quotes it fills in.",
			Sources: []string{"https://www.gnu.org/software/bash/manual/bash.html#Here-Documents"},
		}),
		rule("script-manifest-invalid", inspect.Error, inspect.Doc{
			Title:   "A manifest in a here-document is no YAML.",
			Why:     "kubectl refuses it. Often it is indented with tabs, which YAML forbids, or a line lost its place.",
			Sources: []string{"YAML 1.2.2, 6.1"},
		}),
		rule("script-namespace-too-late", inspect.Error, inspect.Doc{
			Title: "A Secret is applied before its namespace is created.",
			Why:   "On a fresh cluster the API server refuses the Secret; on one that was used before, nobody notices. helm --create-namespace comes too late when the Secret is applied first.",
			Refusals: []inspect.Refusal{
				{Client: apiServer, Message: `namespaces "connected-registry" not found`},
			},
			Fix:        mendScript,
			FixOpenSSL: "kubectl create namespace connected-registry",
			Sources:    []string{srcChartHA, "https://helm.sh/docs/helm/helm_install/"},
		}),
		rule("script-key-on-command-line", inspect.Warning, inspect.Doc{
			Title:      "A private key stands on a command line.",
			Why:        "ps shows it to everybody on the machine, and the shell's history and CI's logs keep it. Helm keeps it in the release as well. Put the values into a file that only you can read.",
			FixOpenSSL: "helm upgrade --install connected-registry … -f values.yaml",
			Sources:    []string{"https://helm.sh/docs/intro/using_helm/"},
		}),
	}
}
