package trust

import (
	"errors"
	"regexp"
	"strings"
	"sync"
)

// refHost is a registry as distribution/reference knows it.
const refHost = `(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?|\[[a-fA-F0-9:]+\](?::[0-9]+)?`

var refPattern = sync.OnceValue(func() *regexp.Regexp {
	const component = `[a-z0-9]+(?:(?:[._]|__|[-]*)[a-z0-9]+)*`
	return regexp.MustCompile(`^(?:(` + refHost + `)/)?(` + component + `(?:/` + component + `)*)(?::([\w][\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`)
})

// plainRef is a reference taken apart.
type plainRef struct{ domain, path, tag, digest string }

var errRefFormat = errors.New("invalid reference format")

// parseRef is distribution/reference.Parse.
func parseRef(s string) (plainRef, error) {
	m := refPattern().FindStringSubmatch(s)
	if m == nil {
		switch {
		case s == "":
			return plainRef{}, errors.New("repository name must have at least one component")
		case refPattern().MatchString(strings.ToLower(s)):
			return plainRef{}, errors.New("repository name must be lowercase")
		}
		return plainRef{}, errRefFormat
	}
	if len(m[1])+1+len(m[2]) > 255 {
		return plainRef{}, errors.New("repository name must not be more than 255 characters")
	}
	return plainRef{m[1], m[2], m[3], m[4]}, nil
}

// parseNamed is reference.ParseNamed: the reference must be in its full form.
func parseNamed(s string) (plainRef, error) {
	domain, rest := "docker.io", s
	if i := strings.IndexByte(s, '/'); i >= 0 && (strings.ContainsAny(s[:i], ".:") || s[:i] == "localhost") {
		domain, rest = s[:i], s[i+1:]
	}
	if domain == "index.docker.io" {
		domain = "docker.io"
	}
	if domain == "docker.io" && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	name, _, _ := strings.Cut(rest, ":")
	if strings.ToLower(name) != name {
		return plainRef{}, errors.New("invalid reference format: repository name must be lowercase")
	}
	r, err := parseRef(domain + "/" + rest)
	if err == nil && r.String() != s {
		err = errors.New("repository name must be canonical")
	}
	return r, err
}

// name is the reference without tag and digest.
func (r plainRef) name() string { return r.domain + "/" + r.path }

func (r plainRef) String() string {
	s := r.name()
	if r.tag != "" {
		s += ":" + r.tag
	}
	if r.digest != "" {
		s += "@" + r.digest
	}
	return s
}
