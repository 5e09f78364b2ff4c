package trust

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Reference is what a runtime is asked to pull.
type Reference struct {
	// Registry is the registry part exactly as written, "reg.example:5000" or
	// "[fd00::5]": the name by which every runtime looks up its directory.
	// "docker.io" when the reference names none.
	Registry string `json:"registry"`
	// Host is what is dialled, without port and brackets; that of docker.io is
	// registry-1.docker.io.
	Host string `json:"host"`
	// Port is "443" when none is written.
	Port string `json:"port"`
	// Repository is "library/busybox"; empty when only a registry was named.
	Repository string `json:"repository,omitempty"`
	// Tag is "latest" when neither tag nor digest is written.
	Tag    string `json:"tag,omitempty"`
	Digest string `json:"digest,omitempty"`
}

// DockerHub is the name under which runtimes look up Docker Hub.
const DockerHub = "docker.io"

const (
	maxReference = 4096
	// unnamed stands in messages for what a reference does not name.
	unnamed = "IMAGE"
)

// ParseReference reads an image reference as runtimes do (docker's
// distribution/reference), or the name of a registry alone: a host with a dot
// or a port ("reg.example:5000"), an address, "localhost", anything with a slash
// at its end. A scheme in front is passed over.
func ParseReference(text string) (Reference, error) {
	if len(text) > maxReference {
		return Reference{}, fmt.Errorf("%d bytes: a reference has at most %d", len(text), maxReference)
	}
	rest := text
	scheme, after, isURL := strings.Cut(text, "://")
	if isURL {
		switch strings.ToLower(scheme) {
		case "docker", "oci", "https", "http":
		default:
			return Reference{}, fmt.Errorf("the scheme %q is none of docker, oci, https, http", scheme)
		}
		rest = after
	}
	registry, path, slash := strings.Cut(rest, "/")
	switch {
	case registry == "":
		return Reference{}, errors.New("no registry and no image in it")
	case !slash && !isURL && !aloneIsRegistry(registry), slash && path != "" && !isRegistry(registry):
		registry, path = DockerHub, rest
	}
	r := Reference{Registry: registry}
	if registry == "index.docker.io" {
		r.Registry = DockerHub
	}
	if err := r.splitRegistry(); err != nil {
		return Reference{}, err
	}
	path = strings.TrimSuffix(path, "/")
	if isURL && (path == "v2" || strings.HasPrefix(path, "v2/") || path == "") || path == "" {
		return r, nil
	}
	return r, r.splitPath(path)
}

// isRegistry is distribution/reference's rule for what stands before a slash.
func isRegistry(s string) bool {
	return strings.ContainsAny(s, ".:[") || s == "localhost" || strings.ToLower(s) != s
}

// aloneIsRegistry decides about a reference without a slash: "reg.example:5000"
// is a registry, "busybox:1.36" is an image.
func aloneIsRegistry(s string) bool {
	if strings.Contains(s, "@") {
		return false
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return strings.HasPrefix(s, "[") || strings.Contains(s, ".") && !strings.Contains(s, ":") || s == "localhost"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	return strings.ContainsAny(host, ".:") || host == "localhost" || strings.HasPrefix(s, "[")
}

func (r *Reference) splitRegistry() error {
	name := r.Registry
	r.Host, r.Port = name, "443"
	if host, port, err := net.SplitHostPort(name); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q: the port is not a number from 1 to 65535", name)
		}
		r.Host, r.Port = host, port
	} else if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
		r.Host = name[1 : len(name)-1]
	} else if strings.ContainsAny(name, ":[]") {
		return fmt.Errorf("%q: an IPv6 address is written [2001:db8::1], with a port [2001:db8::1]:5000", name)
	}
	if strings.HasPrefix(name, "[") || strings.Contains(r.Host, ":") {
		if _, err := netip.ParseAddr(r.Host); err != nil || !strings.HasPrefix(name, "[") || !only(r.Host, "0123456789abcdefABCDEF:") {
			return fmt.Errorf("%q: an IPv6 address is written [2001:db8::1], with a port [2001:db8::1]:5000", name)
		}
	}
	if !strings.HasPrefix(name, "[") && !isDomain(r.Host) {
		return fmt.Errorf("%q is not the name of a registry: letters, digits and - between dots, then perhaps a port; runtimes refuse others", name)
	}
	if r.Registry == DockerHub {
		r.Host = "registry-1.docker.io"
	}
	return nil
}

func (r *Reference) splitPath(path string) error {
	name, digest, hasDigest := strings.Cut(path, "@")
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name, r.Tag = name[:i], name[i+1:]
		if r.Tag == "" || !only(r.Tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") || len(r.Tag) > 128 {
			return fmt.Errorf("%q is not a tag", r.Tag)
		}
	}
	if hasDigest {
		r.Digest = digest
		algorithm, hex, ok := strings.Cut(digest, ":")
		if size := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algorithm]; !ok || size == 0 || len(hex) != size || !only(hex, "0123456789abcdef") {
			return fmt.Errorf("%q is not a digest such as sha256:…", digest)
		}
	} else if r.Tag == "" {
		r.Tag = "latest"
	}
	for part := range strings.SplitSeq(name, "/") {
		if !isComponent(part) {
			return fmt.Errorf("%q is not the name of an image: lower case letters, digits, and . _ __ - between them", name)
		}
	}
	if r.Registry == DockerHub && !strings.Contains(name, "/") {
		name = "library/" + name
	}
	r.Repository = name
	return nil
}

// isDomain is distribution/reference's rule for a host that is no IPv6 address:
// without underscores, and without letters of other scripts.
func isDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' ||
			!only(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") {
			return false
		}
	}
	return true
}

// isComponent is its rule for what stands between the slashes of a name: letters
// and digits, with one ".", one or two "_", or any number of "-" between them.
func isComponent(s string) bool {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789"
	for {
		rest := strings.TrimLeft(s, alphanumeric)
		if len(rest) == len(s) {
			return false
		}
		if rest == "" {
			return true
		}
		s = strings.TrimLeft(rest, "._-")
		switch separator := rest[:len(rest)-len(s)]; {
		case separator == ".", separator == "_", separator == "__", separator != "" && only(separator, "-"):
		default:
			return false
		}
	}
}

// only is true when s holds nothing but these characters.
func only(s, chars string) bool { return strings.Trim(s, chars) == "" }

// Address is host:port to dial, with brackets around an IPv6 address.
func (r Reference) Address() string { return net.JoinHostPort(r.Host, r.Port) }

// Loopback is true for localhost and for addresses of 127.0.0.0/8 and ::1, as
// they are written: no name is looked up.
func (r Reference) Loopback() bool {
	if r.Host == "localhost" {
		return true
	}
	ip := net.ParseIP(r.Host)
	return ip != nil && ip.IsLoopback()
}

// Name is registry and repository: "reg.example/app". What the reference does
// not name is IMAGE.
func (r Reference) Name() string {
	if r.Repository == "" {
		return r.Registry + "/" + unnamed
	}
	return r.Registry + "/" + r.Repository
}

// Path is the repository as it stands in a URL, IMAGE when none is named.
func (r Reference) Path() string {
	if r.Repository == "" {
		return unnamed
	}
	return r.Repository
}

// Object is the digest, or else the tag: the last part of a manifest's URL.
func (r Reference) Object() string {
	switch {
	case r.Digest != "":
		return r.Digest
	case r.Tag != "":
		return r.Tag
	}
	return "latest"
}

// String is the whole reference as runtimes print it.
func (r Reference) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	if r.Tag == "" && r.Digest == "" {
		s += ":latest"
	}
	return s
}
