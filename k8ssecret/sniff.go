package k8ssecret

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// Sniff tells by name and content what a file is, one of the kinds, or "" when
// [Read] would find nothing to judge: PEM, other YAML, other JSON. It is cheap:
// a folder of a hundred thousand files is sniffed in a second.
func Sniff(name string, data []byte) string {
	if len(data) == 0 || len(data) > maxBytes {
		return ""
	}
	if bytes.HasPrefix(data, []byte("\xFF\xFE")) || bytes.HasPrefix(data, []byte("\xFE\xFF")) {
		data = []byte(toUTF8(data))
	}
	s := sniffer{name: strings.ToLower(filepath.Base(name)), text: bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))}
	if s.foreign() {
		return ""
	}
	switch s.extension() {
	case ".md", ".markdown", ".mdx":
		if kind := s.commands(); kind != "" || !s.excerpt() {
			return kind
		}
		return KindScript
	case ".sh", ".bash", ".zsh", ".ksh", ".ps1":
		return s.commands()
	case ".env":
		return KindEnv
	case ".json":
		return s.json()
	case ".yaml", ".yml":
		return s.yaml()
	}
	first := bytes.TrimLeft(s.text[:min(len(s.text), 512)], " \t\r\n")
	switch {
	case bytes.HasPrefix(first, []byte("#!")):
		return s.commands()
	case bytes.HasPrefix(first, []byte("{")):
		return s.json()
	case s.extension() == ".txt" || strings.HasPrefix(s.name, "dockerfile") || s.name == "makefile":
		return s.commands()
	}
	if kind := s.yaml(); kind != "" {
		return kind
	}
	if s.env() {
		return KindEnv
	}
	return s.commands()
}

// excerpt reports whether a document shows PEM that is none, such as a cut-off
// block or what a program says about one.
func (s sniffer) excerpt() bool {
	if !s.has("-----BEGIN ") {
		return false
	}
	m, err := format.Decode(s.name, s.text, format.Options{})
	broken := func(c pki.Cert) bool { return c.X509 == nil }
	return err != nil || slices.ContainsFunc(m.Certs, broken) || slices.ContainsFunc(m.Anchors, broken) || !sound(m)
}

type sniffer struct {
	name string // in lower case, without folders
	text []byte
}

// extension gives ".env" for .env.production too.
func (s sniffer) extension() string {
	if s.name == ".env" || strings.HasPrefix(s.name, ".env.") {
		return ".env"
	}
	return filepath.Ext(s.name)
}

// foreign reports whether the text is none, or PEM from its first lines on.
func (s sniffer) foreign() bool {
	head := s.text[:min(len(s.text), 2048)]
	null := bytes.IndexByte(head, 0) >= 0
	switch s.extension() {
	case ".yaml", ".yml", ".json":
		return false // also with a stray zero in it, which is then told
	}
	if null {
		return true
	}
	switch s.extension() {
	case ".env", ".sh", ".bash", ".zsh", ".ksh", ".ps1", ".md", ".markdown", ".mdx":
		return false
	}
	pem := []byte("-----BEGIN ")
	return bytes.HasPrefix(head, pem) || !bytes.HasPrefix(head, []byte("#!")) && bytes.Contains(head, append([]byte("\n"), pem...))
}

// has reports whether one of the words stands in the text.
func (s sniffer) has(words ...string) bool {
	for _, w := range words {
		if bytes.Contains(s.text, []byte(w)) {
			return true
		}
	}
	return false
}

// material reports whether the text may hold certificates or keys, or names
// the fields that do.
func (s sniffer) material() bool {
	return s.has("BEGIN ", "LS0tLS1CRUdJTi", "MII", "TFMwdExTMUNSVWRKVGk", // PEM, base64 of it, DER, base64 of base64
		"tls.crt", "tls.key", "ca.crt", "kubernetes.io/tls")
}

func (s sniffer) yaml() string {
	if kind := s.manifest(); kind != "" {
		return kind
	}
	if s.values() {
		return KindHelmValues
	}
	if s.has("secretGenerator:") && s.has(".crt", ".key", ".pem") {
		return KindTemplate
	}
	return ""
}

// manifest looks for objects of Kubernetes that are ours.
func (s sniffer) manifest() string {
	found := ""
	for rest := s.text; ; {
		i := bytes.Index(rest, []byte("kind"))
		if i < 0 {
			break
		}
		line := rest[:i]
		if n := bytes.LastIndexByte(line, '\n'); n >= 0 {
			line = line[n+1:]
		}
		rest = rest[i+len("kind"):]
		if len(bytes.Trim(line, " \t-\"'{,")) > 0 && !bytes.ContainsAny(line, "{,") {
			continue
		}
		switch kind := kindWord(rest); {
		case kind == "Secret" || kind == "SecretList":
			found = KindSecret
		case found == "" && (kind == "Certificate" || kind == "CertificateList") && s.has("cert-manager.io"):
			return KindCertificate
		case found == "" && (kind == "ConfigMap" || kind == "ConfigMapList"):
			found = KindConfigMap
		}
		if found == KindSecret {
			break
		}
	}
	if found == "" || !s.material() {
		return ""
	}
	return found
}

// kindWord reads what stands behind the key "kind".
func kindWord(rest []byte) string {
	rest = bytes.TrimLeft(bytes.TrimLeft(rest[:min(len(rest), 64)], "\"'"), " \t")
	rest, ok := bytes.CutPrefix(rest, []byte(":"))
	if !ok {
		return ""
	}
	rest = bytes.TrimLeft(rest, " \t\"'")
	end := 0
	for end < len(rest) && (rest[end] >= 'A' && rest[end] <= 'Z' || rest[end] >= 'a' && rest[end] <= 'z') {
		end++
	}
	return string(rest[:end])
}

// values looks for the values of the connected registry's chart, nested as they
// should be or with dots in the keys.
func (s sniffer) values() bool {
	for line := range bytes.Lines(s.text) {
		key, _, ok := strings.Cut(strings.TrimRight(string(line[:min(len(line), 80)]), " \r\n"), ":")
		if !ok {
			continue
		}
		key = strings.Trim(key, `"'`)
		switch key {
		case "connectionString", "trustDistribution", "tls.crt", "tls.key", "tls.cacrt", "tls.secret":
			return true
		case "tls", "cert-manager", "service", "httpEnabled", "connected-registry":
			return s.valuesBelow()
		}
		if _, value, ok := strings.Cut(key, "."); ok && (strings.HasPrefix(key, "cert-manager.") || strings.HasPrefix(key, "trustDistribution.")) {
			return value != ""
		}
	}
	return false
}

// valuesBelow reports whether two of the fields that only this chart has
// together, or the fields of a certificate, stand anywhere.
func (s sniffer) valuesBelow() bool {
	if s.has(" cacrt:", "{cacrt:", "trustDistribution:") {
		return true
	}
	tls := s.has("\ntls:") || bytes.HasPrefix(s.text, []byte("tls:"))
	address := s.has("clusterIP:")
	return tls && s.has(" crt:", " key:", " secret:", "{crt:", "{key:", "{secret:") ||
		s.has("cert-manager:") && s.has(" install:", "{install:", "httpEnabled:") && (address || s.has(" enabled:", "{enabled:")) ||
		address && (s.has("httpEnabled:", "cert-manager:", "pvc:", "registryLoginServer:") || strings.Contains(s.name, "values"))
}

func (s sniffer) json() string {
	if kind := s.manifest(); kind != "" {
		return kind
	}
	nested := s.has(`"tls"`) && s.has(`"crt"`, `"cacrt"`)
	switch {
	case s.has(`"tls.crt"`, `"tls.key"`, `"tls.cacrt"`, `"tls.secret"`, "ConnectedRegistryName="):
		return KindAzureSettings
	case nested && (strings.Contains(s.name, "settings") || strings.Contains(s.name, "protected")):
		return KindAzureSettings
	case nested:
		return KindHelmValues
	}
	return ""
}

// env looks for assignments of what certificates and keys are called.
func (s sniffer) env() bool {
	for line := range bytes.Lines(s.text) {
		key, _, ok := strings.Cut(strings.TrimSpace(string(line[:min(len(line), 80)])), "=")
		if !ok {
			continue
		}
		if key = strings.TrimPrefix(key, "export "); isName(key) && envRole(key) != anyRole {
			return true
		}
	}
	return false
}

// commands reports whether there is a command line that we judge.
func (s sniffer) commands() string {
	if s.has("openssl", "helm", "az ", "kubectl", "base64", `"tls.`, "kind: Secret") &&
		s.has("-addext", "openssl req", "openssl x509", "subjectAltName", "tls.", "TLS_", "helm install", "helm upgrade", "k8s-extension", "kubernetes.io/tls") {
		return KindScript
	}
	return ""
}
