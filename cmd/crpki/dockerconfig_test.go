package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/inspect/probe"
)

// TestDockerConfig finds what the keychain of go-containerregistry finds, in
// the same files, by the same helpers.
func TestDockerConfig(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a shell script")
	}
	login := func(text string) string { return `{"auth":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}` }
	const docker, podman, moved, named = "home/.docker/config.json", "run/containers/auth.json", "moved/config.json", "auth.json"
	tests := []struct {
		shows string
		files map[string]string
		image string
		env   map[string]string
		want  probe.Credentials
	}{
		{"nothing at all", nil, "reg.example.com/a", nil, probe.Credentials{}},
		{"docker's", map[string]string{docker: `{"auths":{"reg.example.com":` + login("u:p:q") + `}}`}, "reg.example.com/a/b:1", nil, probe.Credentials{Username: "u", Password: "p:q", Source: docker}},
		{"with a port", map[string]string{docker: `{"auths":{"reg.example.com:5000":` + login("u:p") + `,"reg.example.com":` + login("x:y") + `}}`}, "reg.example.com:5000/a", nil, probe.Credentials{Username: "u", Password: "p", Source: docker}},
		{"another host", map[string]string{docker: `{"auths":{"reg.example.com":` + login("u:p") + `}}`}, "other.example.com/a", nil, probe.Credentials{}},
		{"another port", map[string]string{docker: `{"auths":{"reg.example.com:5000":` + login("u:p") + `}}`}, "reg.example.com/a", nil, probe.Credentials{}},
		{"as docker wrote it of old", map[string]string{docker: `{"auths":{"https://reg.example.com/v1/":` + login("u:p") + `}}`}, "reg.example.com/a", nil, probe.Credentials{Username: "u", Password: "p", Source: docker}},
		{"of one repository", map[string]string{docker: `{"auths":{"reg.example.com/a/b":` + login("u:p") + `,"reg.example.com":` + login("x:y") + `}}`}, "reg.example.com/a/b", nil, probe.Credentials{Username: "u", Password: "p", Source: docker}},
		{"docker.io", map[string]string{docker: `{"auths":{"https://index.docker.io/v1/":` + login("u:p") + `}}`}, "docker.io/library/alpine", nil, probe.Credentials{Username: "u", Password: "p", Source: docker}},
		{"an identity token", map[string]string{docker: `{"auths":{"reg.example.com":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("u:")) + `","identitytoken":"t"}}}`}, "reg.example.com/a", nil, probe.Credentials{Username: "u", IdentityToken: "t", Source: docker}},
		{"a registry token", map[string]string{docker: `{"auths":{"reg.example.com":{"registrytoken":"t"}}}`}, "reg.example.com/a", nil, probe.Credentials{RegistryToken: "t", Source: docker}},
		{"in words", map[string]string{docker: `{"auths":{"reg.example.com":{"username":"u","password":"p"}}}`}, "reg.example.com/a", nil, probe.Credentials{Username: "u", Password: "p", Source: docker}},
		{"podman's", map[string]string{podman: `{"auths":{"reg.example.com":` + login("u:p") + `}}`}, "reg.example.com/a", nil, probe.Credentials{Username: "u", Password: "p", Source: podman}},
		{"docker's before podman's", map[string]string{podman: `{"auths":{"reg.example.com":` + login("u:p") + `}}`, docker: `{}`}, "reg.example.com/a", nil, probe.Credentials{}},
		{"REGISTRY_AUTH_FILE", map[string]string{named: `{"auths":{"reg.example.com":` + login("u:p") + `}}`}, "reg.example.com/a", map[string]string{"REGISTRY_AUTH_FILE": named}, probe.Credentials{Username: "u", Password: "p", Source: named}},
		{"DOCKER_CONFIG", map[string]string{moved: `{"auths":{"reg.example.com":` + login("u:p") + `}}`, docker: `{"auths":{"reg.example.com":` + login("x:y") + `}}`}, "reg.example.com/a", map[string]string{"DOCKER_CONFIG": "moved"}, probe.Credentials{Username: "u", Password: "p", Source: moved}},
		{"DOCKER_CONFIG leads nowhere", map[string]string{docker: `{"auths":{"reg.example.com":` + login("x:y") + `}}`}, "reg.example.com/a", map[string]string{"DOCKER_CONFIG": "moved"}, probe.Credentials{}},
		{"DOCKER_AUTH_CONFIG", map[string]string{docker: `{"auths":{"reg.example.com":` + login("x:y") + `}}`}, "reg.example.com/a", map[string]string{"DOCKER_AUTH_CONFIG": `{"auths":{"reg.example.com":` + login("u:p") + `}}`}, probe.Credentials{Username: "u", Password: "p", Source: "DOCKER_AUTH_CONFIG"}},
		{"a helper of the registry", map[string]string{docker: `{"credHelpers":{"reg.example.com":"test"}}`}, "reg.example.com/a", nil, probe.Credentials{Username: "u", Password: "of reg.example.com", Source: "docker-credential-test"}},
		{"a helper of all", map[string]string{docker: `{"credsStore":"test"}`}, "reg.example.com/a", nil, probe.Credentials{Username: "u", Password: "of reg.example.com/a", Source: "docker-credential-test"}},
		{"a helper with a token", map[string]string{docker: `{"credHelpers":{"token.example.com":"test"}}`}, "token.example.com/a", nil, probe.Credentials{IdentityToken: "of token.example.com", Source: "docker-credential-test"}},
		{"a helper that knows nothing", map[string]string{docker: `{"credHelpers":{"none.example.com":"test"}}`}, "none.example.com/a", nil, probe.Credentials{}},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			helper := `#!/bin/sh
read -r url
case $url in
none*) echo "credentials not found in native keychain"; exit 1;;
token*) echo "{\"ServerURL\":\"$url\",\"Username\":\"<token>\",\"Secret\":\"of $url\"}";;
*) echo "{\"ServerURL\":\"$url\",\"Username\":\"u\",\"Secret\":\"of $url\"}";;
esac
`
			require.NoError(t, os.Mkdir("bin", 0o755))
			require.NoError(t, os.WriteFile("bin/docker-credential-test", []byte(helper), 0o755))
			for path, text := range tt.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			for _, variable := range []string{"DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG", "XDG_CONFIG_HOME"} {
				t.Setenv(variable, tt.env[variable])
			}
			t.Setenv("HOME", "home")
			t.Setenv("XDG_RUNTIME_DIR", "run")
			t.Setenv("PATH", filepath.Join(dir, "bin")+string(filepath.ListSeparator)+os.Getenv("PATH"))

			e := testEnv()
			e.getenv = os.Getenv
			target, err := probe.ParseTarget(tt.image)
			require.NoError(t, err)
			got, err := e.dockerCredentials()(t.Context(), target.Host+portBehind(target.Port), target.Repository)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)

			ref, err := name.ParseReference(tt.image)
			require.NoError(t, err)
			auth, err := authn.DefaultKeychain.Resolve(ref.Context())
			require.NoError(t, err)
			want, err := auth.Authorization()
			require.NoError(t, err)
			assert.Equal(t, *want, authn.AuthConfig{
				Username: got.Username, Password: got.Password, IdentityToken: got.IdentityToken, RegistryToken: got.RegistryToken, Auth: want.Auth,
			}, "go-containerregistry's keychain finds another")
		})
	}
}

func portBehind(port string) string {
	if port == "443" {
		return ""
	}
	return ":" + port
}

// TestDockerConfigFaults: what is broken is said, and no password with it.
func TestDockerConfigFaults(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helpers are shell scripts")
	}
	tests := []struct{ shows, config, error string }{
		{"no JSON", `{"auths":{"a":{"auth":"c2VzYW1l"}}`, "config.json: no JSON at byte "},
		{"another kind", `{"auths":["sesame"]}`, "config.json: field auths is of the wrong kind"},
		{"no base64", `{"auths":{"other.example.com":{"auth":"sesame!"}}}`, "the login for other.example.com cannot be read"},
		{"no user", `{"auths":{"other.example.com":{"auth":"c2VzYW1l"}}}`, "the login for other.example.com cannot be read"},
		{"no helper", `{"credsStore":"absent"}`, "docker-credential-absent, where Docker's configuration keeps the login, is not installed here"},
		{"a helper that is a path", `{"credsStore":"/../../bin/sh"}`, "is no name of a credential helper"},
		{"a helper that fails", `{"credsStore":"fails"}`, "docker-credential-fails: the keyring is locked"},
		{"a helper that says nothing", `{"credsStore":"mute"}`, "docker-credential-mute: its answer is no JSON"},
	}
	dir := t.TempDir()
	for name, script := range map[string]string{"fails": "echo the keyring is locked; exit 1", "mute": ":"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			e := testEnv()
			config := t.TempDir()
			e.getenv = func(name string) string { return map[string]string{"DOCKER_CONFIG": config}[name] }
			require.NoError(t, os.WriteFile(filepath.Join(config, "config.json"), []byte(tt.config), 0o600))
			_, err := e.dockerCredentials()(t.Context(), "reg.example.com", "a")
			require.ErrorContains(t, err, tt.error)
			assert.NotContains(t, err.Error(), "sesame")
		})
	}
}

// TestDockerHelperHangs: a helper that gives no answer is left behind when the
// time is up, and what it has started, which holds its output, is not waited for.
func TestDockerHelperHangs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a shell script")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	const helper = "#!/bin/sh\nsleep 600 & echo $! >started.new; mv started.new started; wait\n"
	require.NoError(t, os.WriteFile("docker-credential-hangs", []byte(helper), 0o755))
	require.NoError(t, os.WriteFile("config.json", []byte(`{"credsStore":"hangs"}`), 0o600))
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	e := testEnv()
	e.getenv = func(name string) string { return map[string]string{"DOCKER_CONFIG": dir}[name] }
	ctx, timeIsUp := context.WithCancel(t.Context())
	defer timeIsUp()
	ended := make(chan error, 1)
	go func() {
		_, err := e.dockerCredentials()(ctx, "reg.example.com", "a")
		ended <- err
	}()

	var started []byte // by the helper: its number
	for tick := time.NewTicker(time.Millisecond); len(started) == 0; started, _ = os.ReadFile("started") {
		select {
		case err := <-ended:
			require.NoError(t, err, "before the time was up")
			require.Fail(t, "an answer of a helper that gives none")
		case <-tick.C:
		}
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(started)))
	require.NoError(t, err)
	sleeping, err := os.FindProcess(pid)
	require.NoError(t, err)
	t.Cleanup(func() { sleeping.Kill() })
	timeIsUp()
	assert.ErrorContains(t, <-ended, "docker-credential-hangs gives no answer in time")
	assert.NoError(t, sleeping.Signal(syscall.Signal(0)), "it has not ended by itself")
}

// FuzzDockerConfig: whatever is in the file, no password of it is in an error.
func FuzzDockerConfig(f *testing.F) {
	f.Add(`{"auths":{"reg.example.com":{"auth":"dTpzZXNhbWU="}}}`)
	f.Add(`{"auths":{"https://reg.example.com/v1/":{"username":"u","password":"sesame"}},"credHelpers":{"a":"b"}}`)
	f.Add(`{"auths":{"reg.example.com":{"auth":"sesame"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var d dockerConfig
		if json.Unmarshal([]byte(text), &d) != nil {
			return
		}
		if err := decodeAuths(d.Auths); err != nil {
			for name, a := range d.Auths {
				if len(a.Auth) > 6 && !strings.Contains(name, a.Auth) && !strings.Contains("the login for cannot be read: auth is not USER:PASSWORD in base64", a.Auth) {
					require.NotContains(t, err.Error(), a.Auth)
				}
			}
			return
		}
		d.CredHelpers, d.CredsStore = nil, "" // runs nothing
		_, err := d.find(t.Context(), "reg.example.com", "team/app")
		require.NoError(t, err)
	})
}
