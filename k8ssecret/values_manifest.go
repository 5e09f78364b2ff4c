package k8ssecret

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crpki/crpki/pki"
)

// Issuance is what cert-manager is asked for.
type Issuance struct {
	// Name and Namespace are those of the Certificate; its Secret has the same.
	Name, Namespace string
	// Names go into the subjectAltName: DNS names and addresses.
	Names pki.Names
	// Issuer is the one that signs, of the kind Issuer or ClusterIssuer. Without
	// one, a CA is made first: an issuer that signs itself, and one that signs
	// with that.
	Issuer, IssuerKind string
	// Lifetime is at least an hour; RenewBefore is shorter.
	Lifetime, RenewBefore time.Duration
	// Key is RSA, ECDSA or Ed25519, and Size its bits; 0 for Ed25519.
	Key  string
	Size int
}

// caLifetime is how long the CA lasts that is made along with the certificate.
const caLifetime = 10 * 365 * 24 * time.Hour

// CertManager writes the manifests by which cert-manager issues a certificate
// that clients accept: all names, "server auth" and the rotation of the key are
// said, for what cert-manager does without has changed, or is not enough.
func CertManager(i Issuance) ([]byte, error) {
	if err := i.check(); err != nil {
		return nil, err
	}
	var b strings.Builder
	issuer, kind := i.Issuer, i.IssuerKind
	if issuer == "" {
		issuer, kind = i.Name+"-ca", "Issuer"
		i.authority(&b, issuer)
	}
	if kind == "" {
		kind = "Issuer"
	}
	i.head(&b, "Certificate", i.Name)
	fmt.Fprintf(&b, "spec:\n  secretName: %s\n", i.Name)
	for _, part := range []struct {
		key   string
		names []string
	}{{"ipAddresses", i.of(pki.IP)}, {"dnsNames", i.of(pki.DNS)}} {
		if len(part.names) == 0 {
			continue
		}
		fmt.Fprintf(&b, "  %s:\n", part.key)
		for _, n := range part.names {
			fmt.Fprintf(&b, "    - %s\n", yamlScalar(n))
		}
	}
	b.WriteString("  usages:\n    - digital signature\n    - key encipherment\n    - server auth\n")
	fmt.Fprintf(&b, "  duration: %s\n  renewBefore: %s\n", hours(i.Lifetime), hours(i.RenewBefore))
	fmt.Fprintf(&b, "  privateKey:\n    algorithm: %s\n", i.Key)
	if i.Size > 0 {
		fmt.Fprintf(&b, "    size: %d\n", i.Size)
	}
	b.WriteString("    encoding: PKCS8\n    rotationPolicy: Always\n")
	i.issuerRef(&b, issuer, kind)
	return []byte(b.String()), nil
}

func (i Issuance) check() error {
	var errs []error
	if !IsLabel(i.Namespace) {
		errs = append(errs, fmt.Errorf("%q is no name that a namespace can have", pki.Printable(i.Namespace)))
	}
	if !IsObjectName(i.Name) || len(i.Name) > 250 {
		errs = append(errs, fmt.Errorf("%q is no name that a Certificate can have: lower-case letters, digits, - and .", pki.Printable(i.Name)))
	}
	if i.Issuer != "" && !IsObjectName(i.Issuer) {
		errs = append(errs, fmt.Errorf("%q is no name that an issuer can have", pki.Printable(i.Issuer)))
	}
	if len(i.of(pki.IP))+len(i.of(pki.DNS)) == 0 {
		errs = append(errs, errors.New("the certificate has no name: an address or a DNS name"))
	}
	if i.Lifetime < time.Hour {
		errs = append(errs, errors.New("cert-manager issues for an hour at least"))
	}
	if i.RenewBefore <= 0 || i.RenewBefore >= i.Lifetime {
		errs = append(errs, errors.New("the time to renew has to lie within the lifetime"))
	}
	return errors.Join(errs...)
}

func (i Issuance) of(kind pki.NameKind) (texts []string) {
	for _, n := range i.Names {
		if n.Kind == kind {
			texts = append(texts, n.Value)
		}
	}
	return texts
}

// authority writes what makes a CA: an issuer that signs itself, the CA's
// certificate, and the issuer that signs with it.
func (i Issuance) authority(b *strings.Builder, name string) {
	i.head(b, "Issuer", i.Name+"-selfsigned")
	b.WriteString("spec:\n  selfSigned: {}\n---\n")
	i.head(b, "Certificate", name)
	fmt.Fprintf(b, "spec:\n  isCA: true\n  commonName: %s\n  secretName: %s\n", yamlScalar(commonName(name)), name)
	b.WriteString("  usages:\n    - cert sign\n    - crl sign\n    - digital signature\n")
	fmt.Fprintf(b, "  duration: %s\n  renewBefore: %s\n", hours(max(caLifetime, 2*i.Lifetime)), hours(i.Lifetime+24*time.Hour))
	// Never: another key of the CA is another CA, which no client trusts.
	b.WriteString("  privateKey:\n    algorithm: ECDSA\n    size: 256\n    encoding: PKCS8\n    rotationPolicy: Never\n")
	i.issuerRef(b, i.Name+"-selfsigned", "Issuer")
	b.WriteString("---\n")
	i.head(b, "Issuer", name)
	fmt.Fprintf(b, "spec:\n  ca:\n    secretName: %s\n---\n", name)
}

// commonName cuts a name to what an X.509 commonName holds (RFC 5280, A.1).
func commonName(name string) string { return name[:min(len(name), 64)] }

func (i Issuance) head(b *strings.Builder, kind, name string) {
	fmt.Fprintf(b, "apiVersion: cert-manager.io/v1\nkind: %s\nmetadata:\n  name: %s\n  namespace: %s\n", kind, yamlScalar(name), yamlScalar(i.Namespace))
}

func (i Issuance) issuerRef(b *strings.Builder, name, kind string) {
	fmt.Fprintf(b, "  issuerRef:\n    name: %s\n    kind: %s\n    group: cert-manager.io\n", yamlScalar(name), kind)
}

// hours writes a duration as cert-manager has it.
func hours(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}

// TrustBundle writes a Bundle of trust-manager: a ConfigMap called name with the
// CA in each namespace, for pods. The CA stands in it as it is: with the Secret
// of the server as a source, trust would break the day the CA changes.
func TrustBundle(name string, ca []byte) ([]byte, error) {
	if !IsObjectName(name) {
		return nil, fmt.Errorf("%q is no name that a Bundle can have: lower-case letters, digits, - and .", pki.Printable(name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: trust.cert-manager.io/v1alpha1\nkind: Bundle\nmetadata:\n  name: %s\nspec:\n  sources:\n    - inLine: |\n", yamlScalar(name))
	for line := range strings.Lines(strings.TrimRight(string(ca), "\n")) {
		b.WriteString("        " + strings.TrimRight(line, "\r\n") + "\n")
	}
	b.WriteString("  target:\n    configMap:\n      key: ca.crt\n")
	return []byte(b.String()), nil
}
