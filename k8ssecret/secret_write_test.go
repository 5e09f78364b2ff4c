package k8ssecret

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki/format"
)

// What is written is read again, and finds its way through the reader that lint
// has.
func TestManifestIsReadAgain(t *testing.T) {
	s := Secret{
		Name: "registry-tls", Namespace: "infra", Type: TypeTLS, Labels: map[string]string{"app.kubernetes.io/name": "reg", "empty": ""},
		Data: map[string][]byte{FieldCert: []byte("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"), FieldKey: []byte("none")},
	}
	data, err := s.Manifest()
	require.NoError(t, err)
	var back struct {
		Kind, Type string
		Data       map[string][]byte
	}
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, "Secret", back.Kind)
	assert.Equal(t, s.Data, back.Data)
	units, err := Read("secret.yaml", data, format.Options{})
	require.NoError(t, err)
	require.Len(t, units, 1)
	assert.Equal(t, "infra", units[0].Namespace)
	assert.Len(t, units[0].Material.Certs, 1)
}

// What the API server would refuse has no manifest.
func TestManifestRefuses(t *testing.T) {
	good := func() Secret {
		return Secret{Name: "a", Namespace: "b", Labels: map[string]string{}, Annotations: map[string]string{}, Data: map[string][]byte{}}
	}
	long := strings.Repeat("a", 64)
	for name, change := range map[string]func(*Secret){
		"no name":                   func(s *Secret) { s.Name = "" },
		"upper case":                func(s *Secret) { s.Name = "Registry" },
		"an underscore":             func(s *Secret) { s.Name = "registry_tls" },
		"a slash":                   func(s *Secret) { s.Name = "a/b" },
		"a dash at the end":         func(s *Secret) { s.Name = "a-" },
		"two dots":                  func(s *Secret) { s.Name = "a..b" },
		"a name without end":        func(s *Secret) { s.Name = strings.Repeat("a.", 126) + "aa" },
		"a dot in a namespace":      func(s *Secret) { s.Namespace = "a.b" },
		"a long namespace":          func(s *Secret) { s.Namespace = long },
		"a label's key":             func(s *Secret) { s.Labels["-a"] = "" },
		"a label's long key":        func(s *Secret) { s.Labels[long] = "" },
		"a label's prefix":          func(s *Secret) { s.Labels["A_b/c"] = "" },
		"a label's value":           func(s *Secret) { s.Labels["a"] = "b c" },
		"an annotation's key":       func(s *Secret) { s.Annotations["a/b/c"] = "" },
		"a key of the data":         func(s *Secret) { s.Data["tls crt"] = nil },
		"more than a Secret's size": func(s *Secret) { s.Data["a"] = make([]byte, maxSecret); s.Data["b"] = []byte("c") },
	} {
		s := good()
		_, err := s.Manifest()
		require.NoError(t, err)
		change(&s)
		_, err = s.Manifest()
		assert.Error(t, err, name)
	}
	s := good()
	s.Name, s.Labels["a.b/C_d"] = strings.Repeat("a", 253), strings.Repeat("V", 63)
	s.Data["a"] = make([]byte, maxSecret)
	_, err := s.Manifest()
	assert.NoError(t, err, "the most there may be")
}

func TestSecretsDoNotPrintThemselves(t *testing.T) {
	s := Secret{Name: "a", Data: map[string][]byte{"tls.key": []byte("sesame-open")}}
	l := Login{Username: "u", Password: "sesame-open", Auth: "sesame-open"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{s, &s, l, DockerConfig{"reg": l}, []Secret{s}} {
			text := fmt.Sprintf(verb, v)
			assert.NotContains(t, text, "sesame", "%s of %T", verb, v)
			assert.NotContains(t, text, "736573616d65", "%s of %T", verb, v)
		}
	}
}

func TestRegistryKey(t *testing.T) {
	for text, want := range map[string]string{
		"reg":                         "reg",
		"10.96.0.50:5000":             "10.96.0.50:5000",
		"https://reg.example.com":     "reg.example.com",
		"https://reg.example.com/v2/": "reg.example.com",
		"http://reg:5000/v1":          "reg:5000",
		"reg/team":                    "reg/team",
		"[fd00::50]:5000":             "[fd00::50]:5000",
		"docker.io":                   "https://index.docker.io/v1/",
		"index.docker.io":             "https://index.docker.io/v1/",
		"https://index.docker.io/v1/": "https://index.docker.io/v1/",
		"":                            "",
		"a b":                         "",
		"ftp://reg":                   "",
		"https://u:sesame@reg":        "",
		"u:sesame@reg":                "",
		"reg?sesame":                  "",
	} {
		got, err := RegistryKey(text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, want == "", err != nil, text)
		if err != nil && strings.Contains(text, "@") {
			assert.NotContains(t, err.Error(), "sesame")
		}
	}
}

// FuzzDockerConfig: whatever a file holds, reading it does not fail in another
// way than by an error, and what is read is written and read again.
func FuzzDockerConfig(f *testing.F) {
	f.Add([]byte(`{"auths": {"quay.io": {"auth": "b2xkOm9sZA=="}, "reg": {"username": "u", "password": "p:q", "email": "e"}}, "credsStore": "x"}`))
	f.Add([]byte(`{"auths": {"acr": {"auth": "MDAwOg==", "identitytoken": "t"}, "": {"registrytoken": "t"}}, "credHelpers": {"gcr.io": "gcloud"}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, _, err := DecodeDockerConfig(data)
		if err != nil {
			return
		}
		encoded, err := config.Encode()
		require.NoError(t, err)
		again, _, err := DecodeDockerConfig(encoded)
		require.NoError(t, err)
		for registry, l := range config {
			if l.Username != "" || l.Password != "" { // auth says the same, and so may both be there
				l.Auth = again[registry].Auth
			}
			assert.Equal(t, l, again[registry])
		}
	})
}
