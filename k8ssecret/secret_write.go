package k8ssecret

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/crpki/crpki/pki"
)

// Types of Secrets that are written.
const (
	TypeTLS          = typeTLS
	TypeDockerConfig = "kubernetes.io/dockerconfigjson"
)

// Fields of Secrets.
const (
	FieldCert         = "tls.crt"
	FieldKey          = "tls.key"
	FieldCA           = "ca.crt"
	FieldDockerConfig = ".dockerconfigjson"
)

// Secret is a Secret to be written. Its values never print themselves.
type Secret struct {
	Name        string
	Namespace   string // "" leaves it to whoever applies the manifest
	Labels      map[string]string
	Annotations map[string]string
	Type        string
	Immutable   bool
	Data        map[string][]byte
	// Version is that of the Secret from which Data was made, "" for none: the API
	// server then refuses to put it in the place of a later one.
	Version string
}

// Format keeps the values out of every fmt verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// String names the Secret and its fields.
func (s Secret) String() string {
	return fmt.Sprintf("Secret %s/%s (%s)", s.Namespace, s.Name, strings.Join(slices.Sorted(maps.Keys(s.Data)), ", "))
}

// Manifest is the Secret as the API takes it, in JSON. The error names what
// the API server would refuse, and no value.
func (s Secret) Manifest() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	type metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace,omitempty"`
		Labels      map[string]string `json:"labels,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
		Version     string            `json:"resourceVersion,omitempty"`
	}
	return json.Marshal(struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   metadata          `json:"metadata"`
		Type       string            `json:"type"`
		Immutable  bool              `json:"immutable,omitempty"`
		Data       map[string][]byte `json:"data"`
	}{"v1", "Secret", metadata{s.Name, s.Namespace, s.Labels, s.Annotations, s.Version}, s.Type, s.Immutable, s.Data})
}

// check is what the API server checks of names, keys and sizes (ValidateSecret,
// k8s.io/kubernetes pkg/apis/core/validation).
func (s Secret) check() error {
	if !IsSubdomain(s.Name) {
		return fmt.Errorf("%q is no name of a Secret: lower-case letters, digits, - and . are allowed, at most 253, with a letter or digit at both ends", pki.Printable(s.Name))
	}
	if s.Namespace != "" && (len(s.Namespace) > 63 || strings.Contains(s.Namespace, ".") || !IsSubdomain(s.Namespace)) {
		return fmt.Errorf("%q is no name of a namespace: lower-case letters, digits and - are allowed, at most 63, with a letter or digit at both ends", pki.Printable(s.Namespace))
	}
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		if !isQualifiedName(key) {
			return fmt.Errorf("the label %q: its key is none that Kubernetes takes: app.kubernetes.io/name is one", pki.Printable(key))
		}
		if v := s.Labels[key]; v != "" && !isNamePart(v) {
			return fmt.Errorf("the label %s: its value is none that Kubernetes takes: letters, digits, -, _ and ., at most 63", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Annotations)) {
		if !isQualifiedName(key) {
			return fmt.Errorf("the annotation %q: its key is none that Kubernetes takes: example.com/owner is one", pki.Printable(key))
		}
	}
	sum := 0
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		if !isConfigKey(key) {
			return fmt.Errorf("the key %q: only letters, digits, -, _ and . are allowed, at most 253", pki.Printable(key))
		}
		sum += len(s.Data[key])
	}
	if sum > maxSecret {
		return fmt.Errorf("the values have %d bytes together; a Secret holds at most %d", sum, maxSecret)
	}
	return nil
}

// IsSubdomain reports whether Kubernetes takes the name for a Secret and most
// other objects: a DNS name (RFC 1123), 253 characters at most.
func IsSubdomain(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// isQualifiedName is that of k8s.io/apimachinery: a key of labels and
// annotations, which may have a DNS name and a slash before it.
func isQualifiedName(key string) bool {
	prefix, name, ok := strings.Cut(key, "/")
	if !ok {
		return isNamePart(key)
	}
	return IsSubdomain(prefix) && isNamePart(name)
}

func isNamePart(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	ends := func(c byte) bool { return strings.IndexByte(letters, c) >= 0 }
	return s != "" && len(s) <= 63 && ends(s[0]) && ends(s[len(s)-1]) && strings.Trim(s, letters+"-_.") == ""
}

// Login is what a registry is entered with.
type Login struct {
	Username, Password string
	Email              string
	// Auth and Tokens are kept as they were found, when no name and password
	// were.
	Auth, IdentityToken, RegistryToken string
}

// Format keeps passwords out of every fmt verb.
func (l Login) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "login of %q", l.Username) }

// DockerConfig are the logins of a config.json of Docker's, an auth.json of
// Podman's, or a pull secret, by registry.
type DockerConfig map[string]Login

// dockerAuth is an entry of "auths".
type dockerAuth struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	Email         string `json:"email,omitempty"`
	Auth          string `json:"auth,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

// Encode is the config.json, as kubectl create secret docker-registry writes it.
func (d DockerConfig) Encode() ([]byte, error) {
	auths := map[string]dockerAuth{}
	for registry, l := range d {
		a := dockerAuth(l)
		if l.Username != "" || l.Password != "" {
			a.Auth = base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + l.Password))
		}
		auths[registry] = a
	}
	return json.Marshal(struct {
		Auths map[string]dockerAuth `json:"auths"`
	}{auths})
}

// DecodeDockerConfig reads a config.json. helpers are the registries whose
// logins are kept by a program (credHelpers), "" for all others (credsStore),
// with the program's name. The error says nothing of the content.
func DecodeDockerConfig(data []byte) (config DockerConfig, helpers map[string]string, err error) {
	var file struct {
		Auths       map[string]dockerAuth `json:"auths"`
		CredsStore  string                `json:"credsStore"`
		CredHelpers map[string]string     `json:"credHelpers"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, nil, fmt.Errorf("no config.json of Docker's: it is no JSON, or not of its shape")
	}
	config, helpers = DockerConfig{}, file.CredHelpers
	if file.CredsStore != "" {
		if helpers == nil {
			helpers = map[string]string{}
		}
		helpers[""] = file.CredsStore
	}
	for registry, a := range file.Auths {
		l := Login(a)
		if a.Auth != "" && a.Username == "" && a.Password == "" {
			plain, err := base64.StdEncoding.DecodeString(a.Auth)
			user, password, ok := strings.Cut(string(plain), ":")
			if err != nil || !ok {
				return nil, nil, fmt.Errorf("the auth of %q is not base64 of USER:PASSWORD", pki.Printable(registry))
			}
			if utf8.Valid(plain) { // JSON has no other strings, but base64 keeps what it is
				l.Username, l.Password, l.Auth = user, strings.TrimRight(password, "\x00"), ""
			}
		}
		if l == (Login{}) {
			continue // what docker login leaves behind when a program keeps it
		}
		config[registry] = l
	}
	return config, helpers, nil
}

// dockerHub is how Docker's clients file Docker Hub.
const dockerHub = "https://index.docker.io/v1/"

// RegistryKey is how a registry is filed in a config.json so that kubelet and
// clients find it: HOST[:PORT][/PATH]. It takes what people paste: URLs,
// docker.io.
func RegistryKey(text string) (string, error) {
	rest := text
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
			return "", fmt.Errorf("no registry: write HOST or HOST:PORT") // it may hold a password
		}
		rest = u.Host + u.Path
	}
	rest = strings.TrimSuffix(rest, "/")
	for _, version := range []string{"/v1", "/v2"} {
		rest = strings.TrimSuffix(rest, version)
	}
	switch host, path, _ := strings.Cut(rest, "/"); {
	case (host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io") && path == "":
		return dockerHub, nil
	case strings.Contains(rest, "@"):
		return "", fmt.Errorf("no registry: write HOST or HOST:PORT")
	case host == "" || strings.ContainsAny(rest, " \t\r\n\\\"'?#"):
		return "", fmt.Errorf("%q is no registry: write HOST or HOST:PORT", pki.Printable(text))
	}
	return rest, nil
}
