package main

import (
	"cmp"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/k8ssecret/cluster"
)

func pullSecretCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "pull-secret",
		Usage: "make or apply the Secret by which pods log in to registries",
		Description: `crpki pull-secret registry-pull --registry 10.96.0.50 --username puller --password-file secret -n infra
# several registries in one: what docker login and podman login have left, and one more
crpki pull-secret registry-pull --docker-config config.json --registry 10.96.0.50 --username puller --password-file secret

Prints the manifest of a Secret of the type kubernetes.io/dockerconfigjson. No
flag takes a password: it comes from a file, an environment variable, or a
prompt. --docker-config takes the logins of a config.json of Docker's, an
auth.json of Podman's, or of another pull secret's .dockerconfigjson; of several
for one registry the last counts, and --registry before all.

With --apply it goes into the cluster, as with crpki secret. --merge keeps the
logins for other registries that the Secret there has; --service-account lets
the pods of a service account pull with it, whose other pull secrets stay:

  crpki pull-secret registry-pull --registry 10.96.0.50 --username puller --password-file secret -n infra --apply --merge --service-account default

The name of the registry is what stands before the first slash of the image
reference, with its port; docker.io stands for Docker Hub.`,
		ArgsUsage: "NAME",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "registry", Usage: "log in to `HOST`, or HOST:PORT, as image references have it", Category: aboutSecret},
			&cli.StringFlag{Name: "username", Usage: "as `USER`", Category: aboutSecret},
			&cli.StringSliceFlag{Name: "docker-config", Usage: "take the logins in `FILE`", TakesFile: true, Category: aboutSecret},
			&cli.StringSliceFlag{Name: "only", Usage: "of --docker-config, take only the login for `HOST`", Category: aboutSecret},
			&cli.BoolFlag{Name: "merge", Usage: "keep the logins that the Secret in the cluster has for other registries", Category: aboutApply},
			&cli.StringSliceFlag{Name: "service-account", Usage: "let the pods of the service account `NAME` pull with it", Category: aboutApply},
			&cli.BoolFlag{Name: "immutable", Usage: "make a Secret that can be replaced only by a new one", Category: aboutSecret},
			trialFlag(),
			outputFlag("text", "yaml", "json"),
		}, namespaceFlags(), applyFlags(), describedPasswordFlags("", "of the user", aboutSecret)),
		Action: e.pullSecret,
	}
}

func (e *env) pullSecret(c *cli.Context) error {
	if err := e.needsApply(c, "merge", "service-account"); err != nil {
		return err
	}
	if c.Bool("merge") && c.String("dry-run") == "client" {
		return usageErrorf("--merge keeps what is in the cluster, which --dry-run=client does not ask: --dry-run=server does")
	}
	labels, err := pairs(c, "label")
	if err != nil {
		return err
	}
	annotations, err := pairs(c, "annotation")
	if err != nil {
		return err
	}
	s := k8ssecret.Secret{
		Name: c.Args().First(), Namespace: c.String("namespace"), Type: k8ssecret.TypeDockerConfig, Immutable: c.Bool("immutable"),
		Labels: map[string]string{labelManagedBy: "crpki"}, Annotations: annotations,
	}
	maps.Copy(s.Labels, labels)
	logins, err := e.logins(c)
	if err != nil {
		return err
	}
	k, err := e.applyCluster(c, &s)
	if err != nil {
		return err
	}
	manifest, err := pullManifest(&s, logins)
	if err != nil {
		return err
	}
	if k == nil {
		return e.printManifest(c, manifest)
	}
	if c.Bool("merge") {
		if s.Version, err = e.mergeLogins(c, k, s, logins); err != nil {
			return err
		}
		if manifest, err = pullManifest(&s, logins); err != nil {
			return err
		}
	}
	return e.applySecret(c, k, s, manifest, c.StringSlice("service-account")...)
}

func pullManifest(s *k8ssecret.Secret, logins k8ssecret.DockerConfig) ([]byte, error) {
	data, err := logins.Encode()
	if err != nil {
		return nil, err
	}
	s.Data = map[string][]byte{k8ssecret.FieldDockerConfig: data}
	manifest, err := s.Manifest()
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	return manifest, nil
}

// logins are those of --docker-config, and that of --registry over them.
func (e *env) logins(c *cli.Context) (k8ssecret.DockerConfig, error) {
	only, err := registryKeys(c, "only", c.StringSlice("only"))
	if err != nil {
		return nil, err
	}
	if len(only) > 0 && len(c.StringSlice("docker-config")) == 0 {
		return nil, usageErrorf("--only chooses among the logins of --docker-config, which is missing")
	}
	all := k8ssecret.DockerConfig{}
	kept := map[string]string{}
	for _, path := range c.StringSlice("docker-config") {
		data, err := e.readFor("--docker-config", path)
		if err != nil {
			return nil, err
		}
		found, helpers, err := k8ssecret.DecodeDockerConfig(data)
		if err != nil {
			return nil, usageErrorf("%s: %w", path, err)
		}
		for registry, login := range found {
			key, err := k8ssecret.RegistryKey(registry)
			if err != nil {
				key = registry // patterns such as *.example.com stay what they are
			}
			if len(only) == 0 || slices.Contains(only, key) {
				all[key] = login
			}
		}
		maps.Copy(kept, helpers)
	}
	if err := e.flagLogin(c, all); err != nil {
		return nil, err
	}
	for _, registry := range only {
		if _, ok := all[registry]; !ok {
			return nil, keptElsewhere(usageErrorf("--only %s: no file of --docker-config has a login for it", registry), kept, registry)
		}
	}
	if len(all) == 0 {
		if len(c.StringSlice("docker-config")) > 0 {
			return nil, keptElsewhere(usageErrorf("%s: there is no login in it", strings.Join(c.StringSlice("docker-config"), ", ")), kept, "")
		}
		return nil, withHint(usageErrorf("to which registry are pods to log in? --registry or --docker-config is missing"),
			"for example: crpki pull-secret NAME --registry 10.96.0.50 --username USER --password-file FILE")
	}
	return all, nil
}

// keptElsewhere says that a program keeps the logins, which is not asked.
func keptElsewhere(err error, helpers map[string]string, registry string) error {
	helper := cmp.Or(helpers[registry], helpers[""])
	if helper == "" {
		return err
	}
	program := "docker-credential-" + helper
	if _, missing := exec.LookPath(program); missing != nil {
		return withHint(err, "the logins are kept by the program "+program+", which a cluster has not: give the password by --registry, --username and --password-file")
	}
	return withHint(err, fmt.Sprintf("the logins are kept by the program %s: echo HOST | %s get shows one; give it by --registry, --username and --password-file", program, program))
}

func registryKeys(c *cli.Context, flag string, texts []string) ([]string, error) {
	items, err := splitCommas(flag, texts)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, text := range items {
		key, err := k8ssecret.RegistryKey(text)
		if err != nil {
			return nil, usageErrorf("--%s: %w", flag, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// flagLogin adds the login of --registry.
func (e *env) flagLogin(c *cli.Context, all k8ssecret.DockerConfig) error {
	registry, user := c.String("registry"), c.String("username")
	switch {
	case registry == "" && (user != "" || c.String("password-file") != "" || c.String("password-env") != ""):
		return usageErrorf("--username and its password are for a registry, and --registry is missing")
	case registry == "":
		return nil
	case user == "":
		return usageErrorf("--registry %s needs --username", registry)
	case strings.Contains(user, ":"):
		return usageErrorf("--username: a user name holds no colon, and a password belongs in --password-file")
	}
	keys, err := registryKeys(c, "registry", []string{registry})
	if err != nil {
		return err
	}
	if len(keys) > 1 {
		return usageErrorf("--registry %s: one at a time; further ones come by --docker-config, or by a second run with --merge", registry)
	}
	password, err := e.password(c, "", user+" at "+keys[0])
	if err != nil {
		return err
	}
	all[keys[0]] = k8ssecret.Login{Username: user, Password: string(password)}
	return nil
}

// mergeLogins adds those of the Secret in the cluster for other registries, and
// gives its version: what somebody else merges at the same time must not get lost.
func (e *env) mergeLogins(c *cli.Context, k *cluster.Client, s k8ssecret.Secret, logins k8ssecret.DockerConfig) (version string, err error) {
	now, err := cluster.Get[cluster.Secret](c.Context, k, cluster.Secrets, s.Namespace, s.Name)
	if cluster.KindOf(err) == cluster.NotFound {
		return "", nil
	}
	if err != nil {
		return "", clusterError(err)
	}
	if now.Type != s.Type { // which the API server refuses, and nothing can be replaced
		return "", nil
	}
	found, _, err := k8ssecret.DecodeDockerConfig(now.Data[k8ssecret.FieldDockerConfig])
	if err != nil {
		return "", withHint(usageErrorf("the Secret %s/%s in the cluster cannot be merged with: %w", s.Namespace, s.Name, err), "without --merge it is replaced")
	}
	for registry, login := range found {
		if _, ok := logins[registry]; !ok {
			logins[registry] = login
		}
	}
	return now.Metadata.ResourceVersion, nil
}
