package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/crpki/crpki/pki"
)

// Target is where to connect to, and what a client would ask for there.
type Target struct {
	// Text is what was given.
	Text string
	// Plain is true for a URL with http: TLS is not expected.
	Plain bool
	// Host is a DNS name in lower case and ASCII, or an address without brackets.
	Host string
	// Port is a number from 1 to 65535.
	Port string
	// Connect is the host:port to connect to instead; empty: the target itself.
	Connect string
	// Repository and Reference are those of an image reference: "team/app" and
	// "1.2" or "sha256:…".
	Repository, Reference string
}

// Address is host:port, with brackets around an IPv6 address.
func (t Target) Address() string { return net.JoinHostPort(t.Host, t.Port) }

// maxTarget bounds the text of a target, in bytes: a host has 253, and no
// client takes a longer reference.
const maxTarget = 4096

// ParseTarget reads a host, host:port, [v6]:port, a URL or an image reference.
// The default port is 443, or 80 for a URL with http.
func ParseTarget(text string) (Target, error) {
	t := Target{Text: text, Port: "443"}
	if len(text) > maxTarget {
		return t, fmt.Errorf("%d bytes: a target has at most %d", len(text), maxTarget)
	}
	rest, err := t.scheme(text)
	if err != nil {
		return t, err
	}
	authority, path, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "@") {
		return t, errors.New("a host with credentials: leave them out")
	}
	host, err := t.splitPort(authority)
	if err != nil {
		return t, err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		t.Host = addr.String()
	} else {
		name, _, err := pki.ParseNameAs(pki.DNS, host)
		if err != nil {
			return t, err
		}
		if strings.Contains(name.Value, "*") {
			return t, errors.New("a wildcard: name one host")
		}
		t.Host = name.Value
	}
	return t, t.readImage(rest, path)
}

// scheme takes the scheme off, and what follows the path of a URL.
func (t *Target) scheme(text string) (string, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text, nil
	}
	switch strings.ToLower(scheme) {
	case "http":
		t.Plain, t.Port = true, "80"
	case "https", "docker", "oci", "tls", "tcp":
	default:
		return "", errors.New("the scheme of the URL is none of https, http, docker, oci")
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest, nil
}

func (t *Target) splitPort(authority string) (host string, err error) {
	if _, err := netip.ParseAddr(authority); err == nil { // a bare IPv6 address
		return authority, nil
	}
	host, port := authority, ""
	switch i := strings.LastIndexByte(authority, ':'); {
	case strings.HasPrefix(authority, "["):
		inner, after, ok := strings.Cut(authority[1:], "]")
		if _, err := netip.ParseAddr(inner); err != nil || !ok || after != "" && after[0] != ':' {
			return "", errors.New("an IPv6 address with a port is written [2001:db8::1]:5000")
		}
		if strings.Contains(t.Text, "://") {
			inner = strings.Replace(inner, "%25", "%", 1) // RFC 6874, 2
		}
		host, port = inner, strings.TrimPrefix(after, ":")
		if after == "" {
			return host, nil
		}
	case i < 0:
		return host, nil
	case strings.ContainsAny(authority, " \t,") && strings.Count(authority, ":") > 1:
		return "", errors.New("several in one: give each by itself, in a file on a line of its own")
	case strings.Count(authority, ":") > 1:
		return "", errors.New("not an IPv6 address; with a port it is written [2001:db8::1]:5000")
	default:
		host, port = authority[:i], authority[i+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("what follows the colon is no port: a number from 1 to 65535 (an image needs its registry's host in front)")
	}
	t.Port = strconv.FormatUint(n, 10)
	return host, nil
}

// readImage takes what follows the host for an image, unless it is a URL of the
// web, whose path may be anything.
func (t *Target) readImage(whole, path string) error {
	scheme, _, isURL := strings.Cut(t.Text, "://")
	isWeb := isURL && !strings.EqualFold(scheme, "docker") && !strings.EqualFold(scheme, "oci")
	path = strings.TrimSuffix(path, "/")
	if path == "" || isWeb {
		return nil
	}
	if _, err := strconv.ParseUint(path, 10, 8); err == nil && !isURL {
		return fmt.Errorf("%q is a network, not a host", whole)
	}
	return t.SetImage(path)
}

// SetImage has an image asked for: NAME, NAME:TAG or NAME@DIGEST at the target.
func (t *Target) SetImage(text string) error {
	repository, reference := text, "latest"
	if name, digest, ok := strings.Cut(text, "@"); ok {
		repository, reference = name, digest
		if i := strings.LastIndexByte(name, ':'); i >= 0 {
			repository = name[:i]
		}
	} else if i := strings.LastIndexByte(text, ':'); i >= 0 {
		repository, reference = text[:i], text[i+1:]
	}
	if !isImagePart(repository, "abcdefghijklmnopqrstuvwxyz0123456789._-/") || !isImagePart(reference, referenceCharacters) {
		return errors.New("not an image reference: HOST/NAME:TAG, the name in lower case")
	}
	if strings.HasPrefix(reference, "sha256:") && !isDigest(reference) {
		return errors.New("not a digest: sha256: is followed by 64 hexadecimal digits")
	}
	t.Repository, t.Reference = repository, reference
	if t.Host == "docker.io" || t.Host == "index.docker.io" { // clients know better
		t.Host = dockerHub
		if !strings.Contains(repository, "/") {
			t.Repository = "library/" + repository
		}
	}
	return nil
}

// dockerHub is where clients find what is at docker.io.
const dockerHub = "registry-1.docker.io"

const referenceCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:+"

// isImagePart keeps what goes into the path of a request to harmless
// characters (distribution/reference has the full grammar).
func isImagePart(s, allowed string) bool {
	if s == "" || strings.Trim(s, allowed) != "" {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if strings.Trim(part, "._-") == "" {
			return false
		}
	}
	for _, c := range s {
		if !strings.ContainsRune(allowed, c) {
			return false
		}
	}
	return true
}
