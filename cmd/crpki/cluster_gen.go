package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/k8ssecret/cluster"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

// What gen has to do with a cluster: the names of a live Service, and the
// Secret with the certificate.

func genClusterFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "from-service", Usage: "add the names and addresses that the Service `NAMESPACE/NAME` has in the cluster", Category: aboutNames},
		&cli.StringFlag{Name: "secret", Usage: "with --apply, the `NAME` of the Secret (that of the Service and -tls if not given)", Category: aboutApply},
	}, applyFlags()...)
}

// genPresetFlags are presetFlags where --namespace means one thing more.
func genPresetFlags() []cli.Flag {
	flags := presetFlags()
	for _, f := range flags {
		if f, ok := f.(*cli.StringFlag); ok && f.Name == "namespace" {
			f.Usage += "; with --apply that of the Secret"
		}
	}
	return flags
}

// checkGenCluster refuses what does not go with a cluster.
func (e *env) checkGenCluster(c *cli.Context) error {
	if !c.Bool("apply") {
		for _, name := range []string{"force-conflicts", "create-namespace", "rollout-restart", "secret"} {
			if e.typed(name) {
				return usageErrorf("--%s has no effect without --apply", name)
			}
		}
		for _, name := range []string{"kubeconfig", "context", "request-timeout"} {
			if e.typed(name) && c.String("from-service") == "" {
				return usageErrorf("--%s has no effect without --apply or --from-service", name)
			}
		}
		return nil
	}
	switch {
	case toStdout(c):
		return usageErrorf("--apply and PEM on standard output exclude each other: the CA's key has to stay somewhere")
	case c.String("secret") == "" && c.String("from-service") == "":
		return withHint(usageErrorf("--apply: what is the Secret to be called? --secret is missing"), "for example: --secret registry-tls --namespace infra")
	}
	return nil
}

// genCluster opens the cluster when gen has to do with one.
func (e *env) genCluster(c *cli.Context) (*cluster.Client, error) {
	if err := e.checkGenCluster(c); err != nil {
		return nil, err
	}
	if !c.Bool("apply") && c.String("from-service") == "" {
		return nil, nil
	}
	return e.openCluster(c)
}

// serviceNames are those of --from-service: its addresses, and the DNS names by
// which pods find it.
func (e *env) serviceNames(c *cli.Context, k *cluster.Client) (pki.Names, error) {
	if c.String("from-service") == "" {
		return nil, nil
	}
	namespace, name, err := objectName(c.String("from-service"), "", k)
	if err != nil {
		return nil, fmt.Errorf("--from-service: %w", err)
	}
	s, err := cluster.Get[cluster.Service](c.Context, k, cluster.Services, namespace, name)
	if err != nil {
		return nil, clusterError(err)
	}
	names, skipped := addressesOf(s)
	preset, err := issue.FindPreset("in-cluster-service")
	if err != nil {
		return nil, err
	}
	dns, err := preset.Names(issue.PresetInput{Service: namespace + "/" + name, ClusterDomain: c.String("cluster-domain")})
	if err != nil {
		return nil, usageErrorf("--from-service: %w", err)
	}
	for _, text := range skipped {
		e.warnf("the Service's %s is left out: it is no name for a certificate", text)
	}
	if len(names) == 0 {
		e.warnf("the Service %s/%s has no address: nodes, which do not resolve the names of Services, cannot pull by it", namespace, name)
	}
	return names.With(dns...), nil
}

// addressesOf are the addresses by which a Service is dialled from inside and
// outside, and the names that its load balancer has. skipped cannot be in a
// certificate.
func addressesOf(s cluster.Service) (names pki.Names, skipped []string) {
	texts := slices.Concat([]string{s.Spec.ClusterIP}, s.Spec.ClusterIPs, s.Spec.ExternalIPs, []string{s.Spec.ExternalName})
	for _, i := range s.Status.LoadBalancer.Ingress {
		texts = append(texts, i.IP, i.Hostname)
	}
	for _, text := range texts {
		if text == "" || text == "None" { // a headless Service
			continue
		}
		name, _, err := pki.ParseName(text)
		if err != nil {
			skipped = append(skipped, text)
			continue
		}
		names = names.With(name)
	}
	return names, skipped
}

// apply writes the files and applies the Secret. What the API server would
// refuse, it refuses before a file is written.
func (g *generation) apply(k *cluster.Client) error {
	s, err := g.secret(k)
	if err != nil {
		return err
	}
	manifest, err := s.Manifest()
	if err != nil {
		return usageErrorf("%w", err)
	}
	if err := g.refuseErrors(g.c, s, manifest); err != nil {
		return err
	}
	a, err := g.newApplication(g.c, k, s.Namespace, s.Name, manifest)
	if err != nil {
		return err
	}
	a.options.DryRun = g.c.Bool("dry-run")
	a.hint = func(failed *cluster.Error) string { return secretHint(failed, s.Type) }
	o := g.outcome()
	written := false
	a.before = func(context.Context) error {
		err := g.place(g.c, &o, g.files, g.c.Bool("force"))
		written = err == nil && !o.DryRun
		return err
	}
	done, err := a.run(g.c.Context)
	if err != nil {
		if written {
			err = withHint(fmt.Errorf("%w; the files are written all the same", err),
				fmt.Sprintf("crpki secret %s --from %s -n %s --apply", shellQuote(s.Name), shellQuote(g.dir), s.Namespace))
		}
		return err
	}
	o.Applied = &done
	return g.print(g.c, o, func(w io.Writer) error {
		if err := o.text(w); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "Cluster\n  %s\n", printable(strings.Join(done.lines(), "\n  ")))
		return err
	})
}

// secret is the Secret with what was made. The key in it has no password, for
// the server that reads it has none.
func (g *generation) secret(k *cluster.Client) (k8ssecret.Secret, error) {
	namespace, service, _ := strings.Cut(g.c.String("from-service"), "/")
	if service == "" {
		namespace, service = "", namespace
	}
	s := k8ssecret.Secret{
		Name:      cmp.Or(g.c.String("secret"), service+"-tls"),
		Namespace: cmp.Or(g.c.String("namespace"), namespace, k.Namespace()),
		Type:      k8ssecret.TypeTLS, Labels: map[string]string{labelManagedBy: "crpki"}, Annotations: map[string]string{},
	}
	served, ca := format.EncodeCerts(g.leaf), g.leaf
	if g.ca != nil {
		served = append(served, format.EncodeCerts(g.ca.Intermediates()...)...)
		ca = g.ca.Root()
	}
	key, err := format.EncodeKey(g.key.Signer)
	s.Data = map[string][]byte{k8ssecret.FieldCert: served, k8ssecret.FieldKey: key, k8ssecret.FieldCA: format.EncodeCerts(ca)}
	annotate(&s, pki.Cert{X509: g.leaf})
	return s, err
}
