package k8ssecret

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
)

// Bounds and defaults of cert-manager (pkg/apis/certmanager/v1/const.go,
// pkg/util/pki/generate.go).
const (
	defaultDuration = 2160 * time.Hour
	minDuration     = time.Hour
	minRenewBefore  = 5 * time.Minute
	minRSA, maxRSA  = 2048, 8192
	maxCommonName   = 64
)

// certificateReader reads one Certificate of cert-manager.
type certificateReader struct {
	*reader
	unit Unit
	spec *tree.Node
	path string // of spec
}

// certificate reads a Certificate: the names that it asks for, and what
// cert-manager would refuse or fill in otherwise than people expect.
func (r *reader) certificate(n *tree.Node, prefix string) {
	m := readMeta(n)
	c := &certificateReader{reader: r, spec: n.Get("spec"), path: join(prefix, "spec")}
	c.unit = r.unit(KindCertificate, head(n))
	c.unit.Name, c.unit.Namespace, c.unit.Target = m.name, m.namespace, r.target("Certificate", m)
	if c.spec == nil || c.spec.Kind != tree.Map {
		c.refused("", head(n), "there is no spec")
		r.units = append(r.units, c.unit)
		return
	}
	c.required()
	c.names(m.namespace)
	c.usages()
	c.lifetime()
	c.key()
	r.units = append(r.units, c.unit)
}

// refused notes what cert-manager's webhook refuses.
func (c *certificateReader) refused(field string, offset int, format string, args ...any) {
	path := c.path
	if field != "" {
		path = join(c.path, field)
	}
	c.note(&c.unit, NoteCertificateRefused, path, offset, "cert-manager refuses the Certificate: %s", fmt.Sprintf(format, args...))
}

func (c *certificateReader) required() {
	c.duplicates(&c.unit, c.spec, c.path)
	if c.spec.Get("secretName").Scalar() == "" {
		c.refused("secretName", c.spec.Start, "secretName is missing")
	}
	ref := c.spec.Get("issuerRef")
	if ref.Get("name").Scalar() == "" {
		c.refused("issuerRef.name", c.spec.Start, "issuerRef.name is missing")
	}
	kind, group := ref.Get("kind"), ref.Get("group").Scalar()
	if kind.Scalar() != "" && kind.Scalar() != "Issuer" && kind.Scalar() != "ClusterIssuer" && (group == "" || group == "cert-manager.io") {
		c.refused("issuerRef.kind", kind.Start, "issuerRef.kind %q is neither Issuer nor ClusterIssuer, and no other issuerRef.group is given", pki.Printable(kind.Text))
	}
}

// names reads the names that the Certificate asks for.
func (c *certificateReader) names(namespace string) {
	names := namesReader{reader: c.reader, unit: &c.unit}
	none := true
	for _, f := range []struct {
		key  string
		kind pki.NameKind
	}{{"dnsNames", pki.DNS}, {"ipAddresses", pki.IP}, {"uris", pki.URI}, {"emailAddresses", pki.Email}} {
		items := c.spec.Get(f.key)
		if items == nil {
			continue
		}
		for i, item := range items.Items {
			none = false
			path := fmt.Sprintf("%s.%s[%d]", c.path, f.key, i)
			if f.kind == pki.DNS || f.kind == pki.IP {
				names.add(f.kind, item.Text, path, item.Start)
			}
			c.serviceNamespace(item, path, namespace)
		}
	}
	common := c.spec.Get("commonName")
	cn := common.Scalar()
	switch {
	case cn == "" && none && c.spec.Get("otherNames") == nil && c.spec.Get("literalSubject") == nil:
		c.refused("dnsNames", c.spec.Start, "it asks for no name: give dnsNames or ipAddresses")
	case len(cn) > maxCommonName:
		c.refused("commonName", common.Start, "commonName has %d characters, at most %d are allowed", len(cn), maxCommonName)
	case cn != "" && none && c.spec.Get("isCA").Scalar() != "true" && !c.clientOnly() && c.spec.Get("otherNames") == nil:
		c.note(&c.unit, NoteCertificateOnlyCN, join(c.path, "commonName"), common.Start, "commonName is the only name, and Go clients do not look at it: give dnsNames or ipAddresses")
	}
}

// clientOnly reports whether the certificate is for a client alone, which nobody
// looks up by a name.
func (c *certificateReader) clientOnly() bool {
	usages := c.spec.Get("usages")
	has := func(usage string) bool {
		return usages != nil && slices.ContainsFunc(usages.Items, func(n *tree.Node) bool { return n.Text == usage })
	}
	return has("client auth") && !has("server auth") && !has("any")
}

// serviceNamespace notes a Service's name whose namespace is almost that of the
// Certificate.
func (c *certificateReader) serviceNamespace(item *tree.Node, path, namespace string) {
	if _, ns, ok := serviceName(item.Text); ok && namespace != "" && misspelt(ns, namespace) {
		c.note(&c.unit, NoteNamespaceTypo, path, item.Start, "%s names the namespace %q, and the Certificate is in %q", pki.Printable(item.Text), ns, namespace)
	}
}

// usages notes a server's certificate that does not ask for server auth:
// cert-manager's default is without it.
func (c *certificateReader) usages() {
	if c.spec.Get("isCA").Scalar() == "true" {
		return
	}
	p := c.spec.Pair("usages")
	switch {
	case p == nil || len(p.Value.Items) == 0:
		c.note(&c.unit, NoteCertificateUsages, join(c.path, "usages"), c.spec.Start, "usages are left to their default, digital signature and key encipherment: the certificate gets no extended key usage; add server auth")
	case !slices.ContainsFunc(p.Value.Items, func(n *tree.Node) bool { return n.Text == "server auth" || n.Text == "any" || n.Text == "client auth" }):
		c.note(&c.unit, NoteCertificateUsages, join(c.path, "usages"), p.KeyNode.Start, "usages lack server auth: clients refuse the certificate for a server once it has other extended usages")
	}
}

// lifetime judges duration and renewBefore.
func (c *certificateReader) lifetime() {
	duration, ok := c.duration("duration", defaultDuration)
	if !ok {
		return
	}
	at := c.spec.Get("duration")
	if at != nil && duration < minDuration {
		c.refused("duration", at.Start, "duration %s is less than %s", duration, minDuration)
	}
	before, percent := c.spec.Get("renewBefore"), c.spec.Get("renewBeforePercentage")
	switch value, ok := c.duration("renewBefore", 0); {
	case before != nil && percent != nil:
		c.refused("renewBefore", before.Start, "renewBefore and renewBeforePercentage exclude each other")
	case before == nil || !ok:
	case value < minRenewBefore:
		c.refused("renewBefore", before.Start, "renewBefore %s is less than %s", value, minRenewBefore)
	case value >= duration:
		c.refused("renewBefore", before.Start, "renewBefore %s is not less than the duration, %s", value, duration)
	}
}

// duration reads a field; ok is false when it cannot be told.
func (c *certificateReader) duration(key string, fallback time.Duration) (d time.Duration, ok bool) {
	n := c.spec.Get(key)
	if n == nil || n.Kind == tree.Null {
		return fallback, true
	}
	if isPlaceholder(n.Text) {
		return 0, false
	}
	d, err := time.ParseDuration(n.Text)
	if err != nil {
		hint := ""
		if days, ok := strings.CutSuffix(n.Text, "d"); ok {
			if number, err := strconv.Atoi(days); err == nil && number > 0 && number < 100_000 {
				hint = fmt.Sprintf("; %d days are %dh", number, 24*number)
			}
		}
		c.refused(key, n.Start, "%s %q is no duration such as 2160h: days and weeks are not known%s", key, pki.Printable(n.Text), hint)
		return 0, false
	}
	return d, true
}

// key judges privateKey.
func (c *certificateReader) key() {
	k := c.spec.Get("privateKey")
	if policy := k.Get("rotationPolicy"); policy == nil {
		at := c.spec.Start
		if k != nil {
			at = k.Start
		}
		c.note(&c.unit, NoteCertificateRotation, join(c.path, "privateKey.rotationPolicy"), at, "rotationPolicy is left to its default, which is Never before cert-manager 1.18 and Always since: say which")
	}
	size := k.Get("size")
	bits, err := strconv.Atoi(size.Scalar())
	if size == nil || err != nil {
		return
	}
	switch algorithm := k.Get("algorithm").Scalar(); {
	case (algorithm == "" || algorithm == "RSA") && (bits < minRSA || bits > maxRSA) && bits > 0:
		c.refused("privateKey.size", size.Start, "an RSA key of %d bits: between %d and %d are allowed", bits, minRSA, maxRSA)
	case algorithm == "ECDSA" && bits != 256 && bits != 384 && bits != 521 && bits > 0:
		c.refused("privateKey.size", size.Start, "an ECDSA key of %d bits: 256, 384 and 521 are allowed", bits)
	}
}
