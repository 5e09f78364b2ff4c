package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

// aboutIssuance is the category of the flags that cert-manager and
// trust-manager need.
const aboutIssuance = "cert-manager and trust-manager"

// issuanceFlags say what is to be issued, and what the manifests are called.
func issuanceFlags() []cli.Flag {
	flag := func(name, usage, fallback string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, Value: fallback, Category: aboutIssuance}
	}
	return []cli.Flag{
		flag("name", "`NAME` of the Certificate and its Secret, or of the Bundle", "registry-tls"),
		&cli.StringSliceFlag{Name: "ip", Usage: "another `ADDRESS` that clients dial", Category: aboutIssuance},
		&cli.StringSliceFlag{Name: "dns", Usage: "another DNS `NAME` that clients dial", Category: aboutIssuance},
		flag("issuer", "the `NAME` of an issuer that the cluster has (a CA is made if not given)", ""),
		choiceFlag(&cli.StringFlag{Name: "issuer-kind", Usage: "`KIND` of that issuer", Value: "Issuer", Category: aboutIssuance}, "Issuer", "ClusterIssuer"),
		flag("days", "how long a certificate lasts: `DAYS`, or 2160h, 12w, 1y", "90d"),
		flag("renew-before", "how long before its end a new one is issued: `DAYS`, or 720h", "30d"),
		choiceFlag(&cli.StringFlag{Name: "key-type", Usage: "`TYPE` of the private key", Value: "ecdsa-p256", Category: aboutIssuance}, keyTypeNames()...),
	}
}

func keyTypeNames() (names []string) {
	for _, t := range issue.KeyTypes() {
		names = append(names, string(t))
	}
	return names
}

// certManager writes the manifests by which cert-manager issues a certificate.
func (r *valuesRun) certManager() error {
	i, err := r.issuance()
	if err != nil {
		return err
	}
	data, err := k8ssecret.CertManager(i)
	if err != nil {
		return usageErrorf("%w", err)
	}
	next := "crpki values --for connected-registry --mode secret --secret " + shellQuote(i.Name)
	if ip := r.c.String("cluster-ip"); ip != "" {
		next += " --cluster-ip " + shellQuote(ip)
	}
	return r.manifest(data, i.Name, "Issuer and Certificate for cert-manager", next)
}

func (r *valuesRun) issuance() (i k8ssecret.Issuance, err error) {
	c := r.c
	i = k8ssecret.Issuance{Name: c.String("name"), Namespace: c.String("namespace"), Issuer: c.String("issuer"), IssuerKind: c.String("issuer-kind")}
	if i.Names, err = r.issuedNames(); err != nil {
		return i, err
	}
	if i.Lifetime, err = issue.ParseLifetime(c.String("days")); err != nil {
		return i, usageErrorf("--days: %w", err)
	}
	if i.RenewBefore, err = issue.ParseLifetime(c.String("renew-before")); err != nil {
		return i, usageErrorf("--renew-before: %w", err)
	}
	i.Lifetime, i.RenewBefore = i.Lifetime.Round(time.Second), i.RenewBefore.Round(time.Second)
	switch kind := c.String("key-type"); {
	case kind == "ed25519":
		i.Key = "Ed25519"
	case strings.HasPrefix(kind, "rsa-"):
		i.Key, i.Size = "RSA", map[string]int{"rsa-2048": 2048, "rsa-3072": 3072, "rsa-4096": 4096}[kind]
	default:
		i.Key, i.Size = "ECDSA", map[string]int{"ecdsa-p256": 256, "ecdsa-p384": 384}[kind]
	}
	return i, nil
}

// issuedNames are those of the flags, and of the certificate that is replaced.
func (r *valuesRun) issuedNames() (names pki.Names, err error) {
	c := r.c
	if r.given.leaf != nil {
		for _, n := range pki.NamesOf(r.given.leaf) {
			if n.Kind == pki.IP || n.Kind == pki.DNS {
				names = names.With(n)
			} else {
				r.warnf("%s of the certificate is left out: an address or a DNS name is what clients dial", n)
			}
		}
	}
	for _, f := range []struct {
		flag  string
		kind  pki.NameKind
		texts []string
	}{
		{"cluster-ip", pki.IP, single(c.String("cluster-ip"))}, {"ip", pki.IP, c.StringSlice("ip")},
		{"login-server", pki.DNS, single(c.String("login-server"))}, {"dns", pki.DNS, c.StringSlice("dns")},
	} {
		more, remarks, err := pki.ParseNames(f.kind, f.texts)
		if err != nil {
			return nil, usageErrorf("--%s: %w", f.flag, err)
		}
		r.warnings(remarks)
		names = names.With(more...)
	}
	if len(names) == 0 {
		return nil, withHint(usageErrorf("values: the certificate has no name"), "crpki values --for cert-manager --cluster-ip 10.96.0.50")
	}
	return names, nil
}

func single(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// trustManager writes the Bundle by which pods get the CA.
func (r *valuesRun) trustManager() error {
	if r.given.ca == nil {
		return withHint(usageErrorf("values: no CA is given"), "crpki values --for trust-manager --ca certs/ca.crt")
	}
	var certs []pki.Cert
	certs = append(certs, r.given.material.Anchors...)
	r.warnExpired(x509s(certs)...)
	r.warnNoCA(x509s(certs))
	data, err := k8ssecret.TrustBundle(r.c.String("name"), format.EncodeCerts(distinct(x509s(certs))...))
	if err != nil {
		return usageErrorf("%w", err)
	}
	r.notef("trust-manager gives the CA to pods; the kubelet, which pulls, trusts what its node trusts")
	return r.manifest(data, r.c.String("name"), "Bundle for trust-manager", "")
}

// manifest delivers manifests, which hold nothing secret.
func (r *valuesRun) manifest(data []byte, name, what, next string) error {
	for _, flag := range []string{"mode", "into", "secret", "connection-string-file", "connection-string-env"} {
		if r.c.IsSet(flag) {
			return usageErrorf("--%s has no meaning for %s", flag, r.target)
		}
	}
	out := cmp.Or(r.c.String("out"), "-")
	r.o = valuesOutcome{Target: r.target, Values: []valueFacts{}, Next: slices.DeleteFunc([]string{"kubectl apply -f " + shellQuote(out), next}, func(s string) bool { return s == "" })}
	return r.deliver(k8ssecret.Merged{}, artifact{File: pki.File{Path: out, Mode: pki.ModePublic, Data: data}, what: what})
}
