package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crpki/crpki/inspect/probe"
)

// dockerConfig is what `docker login` and `podman login` leave behind. It finds
// and reads the same as the keychain of go-containerregistry (pkg/authn), to
// which a test holds it. That one is not linked: it costs every start of crpki
// 0.26 ms, for regular expressions that are compiled in init, and it waits for
// credential helpers without end and lets them write to the terminal.
type dockerConfig struct {
	Auths       map[string]dockerAuth `json:"auths"`
	CredHelpers map[string]string     `json:"credHelpers"`
	CredsStore  string                `json:"credsStore"`

	// path is where it was read from, empty for nowhere.
	path string
	// environment has the logins of DOCKER_AUTH_CONFIG, which come first.
	environment map[string]dockerAuth
}

type dockerAuth struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

const (
	// dockerHubKey is under what Docker keeps the login of docker.io.
	dockerHubKey = "https://index.docker.io/v1/"
	// helperPrefix begins the names of programs that keep credentials.
	helperPrefix = "docker-credential-"
	// helperGrace is how long a helper may hold its output when it is stopped.
	helperGrace = time.Second
)

// dockerCredentials are those of Docker's configuration, which is read when
// they are asked for. It may be a pipe, to which nobody writes.
func (e *env) dockerCredentials() func(ctx context.Context, registry, repository string) (probe.Credentials, error) {
	config := sync.OnceValues(e.readDockerConfig)
	return func(ctx context.Context, registry, repository string) (probe.Credentials, error) {
		type result struct {
			config dockerConfig
			err    error
		}
		read := make(chan result, 1)
		go func() {
			d, err := config()
			read <- result{d, err}
		}()
		select {
		case r := <-read:
			if r.err != nil {
				return probe.Credentials{}, r.err
			}
			return r.config.find(ctx, registry, repository)
		case <-ctx.Done():
			return probe.Credentials{}, errors.New("Docker's configuration could not be read in time")
		}
	}
}

func (e *env) readDockerConfig() (d dockerConfig, err error) {
	if d.path = e.dockerConfigPath(); d.path != "" {
		data, err := e.read(d.path)
		if err != nil {
			return d, err
		}
		if err := json.Unmarshal(data, &d); err != nil {
			return d, fmt.Errorf("%s: %w", d.path, jsonFault(err))
		}
		if err := decodeAuths(d.Auths); err != nil {
			return d, fmt.Errorf("%s: %w", d.path, err)
		}
	}
	if text := e.getenv("DOCKER_AUTH_CONFIG"); text != "" {
		var more dockerConfig
		if err := json.Unmarshal([]byte(text), &more); err != nil {
			return d, fmt.Errorf("DOCKER_AUTH_CONFIG: %w", jsonFault(err))
		}
		d.environment = more.Auths
		if err := decodeAuths(d.environment); err != nil {
			return d, fmt.Errorf("DOCKER_AUTH_CONFIG: %w", err)
		}
	}
	return d, nil
}

// jsonFault says where, and shows nothing of the file.
func jsonFault(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("no JSON at byte %d", syntax.Offset)
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("field %s is of the wrong kind", kind.Field)
	}
	return errors.New("no JSON")
}

// decodeAuths takes user and password out of "auth". One that cannot be read
// spoils all, as it does for docker.
func decodeAuths(all map[string]dockerAuth) error {
	for _, registry := range slices.Sorted(maps.Keys(all)) {
		a := all[registry]
		if a.Auth == "" {
			continue
		}
		plain, err := base64.StdEncoding.DecodeString(a.Auth)
		user, password, ok := strings.Cut(string(plain), ":")
		if err != nil || !ok || user == "" {
			return fmt.Errorf("the login for %s cannot be read: auth is not USER:PASSWORD in base64", printable(registry))
		}
		a.Username, a.Password, a.Auth = user, strings.Trim(password, "\x00"), ""
		all[registry] = a
	}
	return nil
}

// dockerConfigPath is the file that go-containerregistry's keychain takes:
// docker's, or else podman's.
func (e *env) dockerConfigPath() string {
	exists := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && !info.IsDir()
	}
	home := e.getenv("HOME")
	if runtime.GOOS == "windows" {
		home = e.getenv("USERPROFILE")
	}
	docker := ""
	if home != "" {
		docker = filepath.Join(home, ".docker", "config.json")
	}
	if dir := e.getenv("DOCKER_CONFIG"); dir != "" {
		moved := filepath.Join(dir, "config.json")
		if exists(moved) {
			return moved
		}
		if docker != "" && exists(docker) {
			return "" // docker looks in the other place alone
		}
	} else if docker != "" && exists(docker) {
		return docker
	}
	candidates := []string{e.getenv("REGISTRY_AUTH_FILE")}
	if dir := e.getenv("XDG_RUNTIME_DIR"); dir != "" {
		candidates = append(candidates, filepath.Join(dir, "containers", "auth.json"))
	}
	if dir := e.getenv("XDG_CONFIG_HOME"); dir != "" {
		candidates = append(candidates, filepath.Join(dir, "containers", "auth.json"))
	} else if home != "" {
		candidates = append(candidates, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	for _, path := range candidates {
		if path != "" && exists(path) {
			return path
		}
	}
	return ""
}

// find looks for the repository, then for the registry.
func (d dockerConfig) find(ctx context.Context, registry, repository string) (probe.Credentials, error) {
	if registry == "registry-1.docker.io" {
		registry = "index.docker.io"
	}
	keys := []string{registry}
	if repository != "" {
		keys = []string{registry + "/" + repository, registry}
	}
	for _, key := range keys {
		if key == "index.docker.io" || key == "docker.io" {
			key = dockerHubKey
		}
		found, err := d.lookUp(ctx, key)
		if err != nil || found != (probe.Credentials{}) {
			return found, err
		}
	}
	return probe.Credentials{}, nil
}

func (d dockerConfig) lookUp(ctx context.Context, key string) (probe.Credentials, error) {
	if a, ok := d.environment[key]; ok {
		return a.from("DOCKER_AUTH_CONFIG"), nil
	}
	if helper := cmp.Or(d.CredHelpers[key], d.CredsStore); helper != "" {
		return askHelper(ctx, helper, key)
	}
	if a, ok := d.Auths[key]; ok {
		return a.from(d.path), nil
	}
	for _, name := range slices.Sorted(maps.Keys(d.Auths)) {
		if hostOf(name) == key { // as old versions of docker wrote it
			return d.Auths[name].from(d.path), nil
		}
	}
	return probe.Credentials{}, nil
}

func hostOf(name string) string {
	if _, rest, ok := strings.Cut(name, "://"); ok {
		name = rest
	}
	host, _, _ := strings.Cut(name, "/")
	return host
}

func (a dockerAuth) from(source string) probe.Credentials {
	c := probe.Credentials{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}
	if c != (probe.Credentials{}) {
		c.Source = source
	}
	return c
}

// askHelper runs docker-credential-NAME get, which is told the registry on its
// standard input and answers in JSON (docker-credential-helpers).
func askHelper(ctx context.Context, name, key string) (c probe.Credentials, err error) {
	program := helperPrefix + name
	if strings.ContainsAny(name, `/\`) {
		return c, fmt.Errorf("%s is no name of a credential helper", printable(program))
	}
	cmd := exec.CommandContext(ctx, program, "get")
	cmd.Stdin = strings.NewReader(key)
	cmd.WaitDelay = helperGrace
	out, err := cmd.Output()
	text := string(bytes.TrimSpace(out))
	switch {
	case ctx.Err() != nil:
		return c, fmt.Errorf("%s gives no answer in time", program)
	case err != nil && text == "credentials not found in native keychain":
		return c, nil
	case errors.Is(err, exec.ErrNotFound):
		return c, fmt.Errorf("%s, where Docker's configuration keeps the login, is not installed here", program)
	case err != nil:
		return c, fmt.Errorf("%s: %s", program, printable(cmp.Or(text[:min(len(text), 200)], err.Error())))
	}
	var given struct{ Username, Secret string }
	if err := json.Unmarshal(out, &given); err != nil {
		return c, fmt.Errorf("%s: its answer is no JSON", program)
	}
	c = probe.Credentials{Username: given.Username, Password: given.Secret, Source: program}
	if given.Username == "<token>" {
		c.Username, c.Password, c.IdentityToken = "", "", given.Secret
	}
	return c, nil
}
