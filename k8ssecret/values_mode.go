package k8ssecret

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
)

// Mode is how the connected registry gets its certificate, as its guides know
// them.
type Mode string

// Modes.
const (
	// ModeAny is any chart that takes tls.* values: nothing but these.
	ModeAny Mode = ""
	// ModeDefault: the chart installs cert-manager, which issues the certificate.
	ModeDefault Mode = "default"
	// ModePreinstalled: the cluster has a cert-manager, which issues it.
	ModePreinstalled Mode = "cert-manager"
	// ModeOwn: certificate, key and CA stand in the values (BYOC).
	ModeOwn Mode = "byoc"
	// ModeSecret: a Secret in the namespace of the release holds them.
	ModeSecret Mode = "secret"
	// ModeTrust: either of these two, and the nodes get the CA in another way.
	ModeTrust Mode = "own-trust"
	// ModeHTTP: no certificate at all.
	ModeHTTP Mode = "http"
)

// ModeInfo describes a mode for help.
type ModeInfo struct {
	Mode    Mode
	Summary string
}

// Modes lists the modes of the connected registry in the order of its guides.
func Modes() []ModeInfo {
	return []ModeInfo{
		{ModeDefault, "the chart installs a cert-manager of its own, which issues the certificate"},
		{ModePreinstalled, "the cert-manager that the cluster has issues the certificate"},
		{ModeOwn, "bring your own certificate: certificate, key and CA stand in the values"},
		{ModeSecret, "a Secret in the namespace of the release holds certificate, key and CA"},
		{ModeTrust, "byoc or secret, and the nodes are told of the CA in another way than by the chart"},
		{ModeHTTP, "plain HTTP, without a certificate: whoever is on the network reads and changes what is pulled and pushed"},
	}
}

// Plan is what values or settings are to say. Empty fields are left out.
type Plan struct {
	Mode Mode
	// Crt, Key and CA are PEM: a certificate with its chain, its private key, and
	// the CA by which clients trust it. Their very bytes come back when the values
	// are decoded.
	Crt, Key, CA []byte
	// Secret is the name of a Secret in the namespace of the release.
	Secret string
	// ClusterIP is the address of the Service, which clients dial.
	ClusterIP        string
	LoginServer      string
	ConnectionString string
	StorageClass     string
	StorageRequest   string
	// Replicas and UploadSecret are of the chart for high availability.
	Replicas     int
	UploadSecret string
	// More are values of the user's own.
	More []Value
}

// Change turns the plan into values, in the order of the guides. The error joins
// all that keeps the mode from being one.
func (p Plan) Change() (Change, error) {
	if err := p.check(); err != nil {
		return Change{}, err
	}
	var c Change
	text := func(key, v string, secret bool) {
		if v != "" {
			c.Set = append(c.Set, Value{Path: strings.Split(key, "."), Value: v, Secret: secret})
		}
	}
	text("connectionString", p.ConnectionString, true)
	text("service.clusterIP", p.ClusterIP, false)
	text("registryLoginServer", p.LoginServer, false)
	text("pvc.storageClassName", p.StorageClass, false)
	text("pvc.storageRequest", p.StorageRequest, false)
	if p.Replicas > 0 {
		c.Set = append(c.Set, value("registry.replicas", p.Replicas))
	}
	text("registry.uploadSecret", p.UploadSecret, true)
	p.switches(&c)
	for _, part := range []struct {
		key    string
		pem    []byte
		secret bool
	}{{"tls.crt", p.Crt, false}, {"tls.key", p.Key, true}, {"tls.cacrt", p.CA, false}} {
		if len(part.pem) > 0 {
			v := value(part.key, base64.StdEncoding.EncodeToString(part.pem))
			v.Secret, v.Base64 = part.secret, true
			c.Set = append(c.Set, v)
		}
	}
	text("tls.secret", p.Secret, false)
	for _, v := range p.More {
		if slices.ContainsFunc(c.Set, func(o Value) bool { return slices.Equal(o.Path, v.Path) }) {
			return Change{}, fmt.Errorf("%s is set twice", pki.Printable(v.Key()))
		}
		c.Set = append(c.Set, v)
	}
	p.drops(&c)
	return c, nil
}

// switches are what makes the mode. What another mode may have switched goes
// back to the chart's default.
func (p Plan) switches(c *Change) {
	given := map[string]bool{}
	put := func(key string, on bool) {
		c.Set = append(c.Set, value(key, on))
		given[key] = true
	}
	switch p.Mode {
	case ModeAny:
		return
	case ModePreinstalled:
		put("cert-manager.install", false)
	case ModeOwn, ModeSecret, ModeTrust, ModeHTTP:
		put("cert-manager.enabled", false)
		put("cert-manager.install", false)
	}
	if p.Mode == ModeTrust || p.Mode == ModeHTTP {
		put("trustDistribution.enabled", false)
	}
	if p.Mode == ModeHTTP {
		put("httpEnabled", true)
	}
	for _, d := range []struct {
		key string
		on  bool
	}{{"cert-manager.enabled", true}, {"cert-manager.install", true}, {"trustDistribution.enabled", true}, {"httpEnabled", false}} {
		if !given[d.key] {
			c.Reset = append(c.Reset, value(d.key, d.on))
		}
	}
}

// drops are certificates that the mode leaves no room for.
func (p Plan) drops(c *Change) {
	if p.Mode == ModeAny {
		return
	}
	for _, key := range []string{"tls.crt", "tls.key", "tls.cacrt", "tls.secret"} {
		if !slices.ContainsFunc(c.Set, func(v Value) bool { return v.Key() == key }) {
			c.Drop = append(c.Drop, strings.Split(key, "."))
		}
	}
}

// check says what the mode lacks, and what it has no use for.
func (p Plan) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	own := len(p.Crt) > 0 || len(p.Key) > 0
	switch {
	case own && p.Secret != "":
		wrong("a certificate and the name of a Secret are both given: the chart takes one of them")
	case p.Mode == ModeOwn && !own:
		wrong("the mode byoc needs the certificate and its key")
	case p.Mode == ModeSecret && p.Secret == "":
		wrong("the mode secret needs the name of the Secret")
	case p.Mode == ModeSecret && own, p.Mode == ModeOwn && p.Secret != "":
		wrong("a certificate belongs to the mode byoc, the name of a Secret to the mode secret")
	case p.Mode == ModeTrust && !own && p.Secret == "":
		wrong("the mode own-trust needs a certificate of one's own, or the name of a Secret with it")
	case (p.Mode == ModeDefault || p.Mode == ModePreinstalled) && (own || p.Secret != ""):
		wrong("in the mode %s cert-manager issues the certificate: one of your own belongs to byoc, secret or own-trust", p.Mode)
	case p.Mode == ModeHTTP && (own || p.Secret != ""):
		wrong("in the mode http there is no certificate")
	}
	if own && len(p.Crt) == 0 {
		wrong("there is a private key and no certificate")
	}
	if len(p.Crt) > 0 && len(p.Key) == 0 {
		wrong("there is a certificate and no private key")
	}
	if !slices.ContainsFunc(Modes(), func(m ModeInfo) bool { return m.Mode == p.Mode }) && p.Mode != ModeAny {
		wrong("there is no mode %q", p.Mode)
	}
	if p.Secret != "" && !IsObjectName(p.Secret) {
		wrong("%q is no name that a Secret can have: lower-case letters, digits, - and .", pki.Printable(p.Secret))
	}
	if a, err := netip.ParseAddr(p.ClusterIP); p.ClusterIP != "" && (err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast()) {
		wrong("%q is no address that a Service can have", pki.Printable(p.ClusterIP))
	}
	if p.Replicas < 0 {
		wrong("%d replicas are none", p.Replicas)
	}
	if p.ConnectionString != "" {
		_, faults := ReadConnectionString(p.ConnectionString)
		for _, fault := range faults {
			errs = append(errs, errors.New(fault))
		}
	}
	return errors.Join(errs...)
}

// IsObjectName reports whether Kubernetes takes the name for a Secret, a
// Bundle and most else: a DNS name (RFC 1123), 253 characters at most.
func IsObjectName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// IsLabel reports whether the name is a DNS label (RFC 1123), as namespaces and
// Services have: 63 characters at most.
func IsLabel(name string) bool {
	return !strings.Contains(name, ".") && len(name) <= 63 && IsObjectName(name)
}
