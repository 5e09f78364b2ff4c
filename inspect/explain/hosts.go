package explain

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
)

// Role is what a host is in a pull.
type Role string

// The roles. A registry is also what a message names when nothing shows that it
// is something else.
const (
	Registry Role = "registry"
	Token    Role = "token"  // gives tokens, where the registry sends clients
	Blob     Role = "blob"   // has the layers, where the registry redirects to
	Mirror   Role = "mirror" // is asked in place of the registry
	ProxyHop Role = "proxy"
)

// reference is a URL, or another form of words that names a host.
type reference struct {
	span
	host string
	// url is what follows the host, up to its end: path and query.
	url string
	// kind orders what names a host: a URL that was asked for says more than an
	// image.
	kind refKind
	role Role
}

type refKind uint8

const (
	asked refKind = iota // a URL
	named                // a host that words name
)

// pointers are URLs that messages print for people to read: no host of a pull.
var pointers = []string{
	"aka.ms", "access.redhat.com", "www.docker.com", "docs.docker.com", "docker.com", "curl.se", "curl.haxx.se", "go.dev", "golang.org", "pkg.go.dev", "github.com", "kubernetes.io", "docs.microsoft.com", "learn.microsoft.com", "nodejs.org", "urllib3.readthedocs.io", "www.openssl.org", "docs.openssl.org",
	"docs.github.com", "docs.gitlab.com", "cloud.google.com", "docs.aws.amazon.com", "www.oracle.com", "docs.rs", "hub.docker.com", "en.wikipedia.org", "support.microsoft.com", "bugzilla.redhat.com", "bugs.python.org", "pip.pypa.io", "packages.debian.org", "helm.sh", "containerd.io", "stackoverflow.com", "forums.docker.com", "go.microsoft.com", "example.invalid",
}

// naming is how words name a host. What stands behind them is it, up to what
// cannot be in one.
var naming = []struct {
	words string
	role  Role
}{
	{"pinging container registry ", ""},
	{"pinging docker registry ", ""},
	{"error pinging docker registry ", ""},
	{"dial tcp: lookup ", ""},
	{"lookup ", ""},
	{"proxyconnect tcp: dial tcp ", ProxyHop},
	{"proxyconnect tcp: dial tcp: lookup ", ProxyHop},
	{"socks connect tcp ", ProxyHop},
	{"Could not resolve proxy: ", ProxyHop},
	{"on source: ", ""},
	{"Could not resolve host: ", ""},
	{"Couldn't resolve host ", ""},
	{"Could not resolve hostname ", ""},
	{"Failed to connect to ", ""},
	{"unable to resolve host address ", ""},
	{"getaddrinfo ENOTFOUND ", ""},
	{"getaddrinfo EAI_AGAIN ", ""},
	{"connect ECONNREFUSED ", ""},
	{"connect ETIMEDOUT ", ""},
	{"connect EHOSTUNREACH ", ""},
	{"UnknownHostException: ", ""},
	{"cannot verify ", ""},
	{"The certificate of ", ""},
	{"requested host name ", ""},
	{"target host name ", ""},
	{"target ipv4 address ", ""},
	{"target ipv6 address ", ""},
	{"Connecting to ", ""},
	{"HTTPSConnectionPool(host=", ""},
	{"HTTPConnectionPool(host=", ""},
	{"Cannot connect to host ", ""},
	{"Failed to resolve ", ""},
	{"is not valid for ", ""},
	{"cannot validate certificate for ", ""},
	{"but wanted to match ", ""},
	{"but none matched ", ""},
	{"matching IP address ", ""},
	{"No subject alternative DNS name matching ", ""},
	{"No name matching ", ""},
	{"altnames: Host: ", ""},
	{"altnames: IP: ", ""},
	{"doesn't match hostname ", ""},
	{"certificate not valid for name ", ""},
	{"authenticating creds for ", ""},
	{"logging into ", ""},
	{"host not found in upstream ", ""},
	{"upstream SSL certificate does not match ", ""},
	{"Connection refused (", ""},
	{"dialing ", ""},
	{"connecting to ", ""},
	{"dial tcp ", ""},
	{"dial udp ", ""},
	{"No such host is known. (", ""},
	{"Name or service not known (", ""},
	{"Resource temporarily unavailable (", ""},
	{"actively refused it. (", ""},
	{"failed to respond. (", ""},
	{"Connection timed out (", ""},
	{"read tcp *->", ""},
	{"write tcp *->", ""},
	{"certificate is valid for *, not ", ""},
	{"login server ", ""},
	{"certificate didn't match: <", ""},
	{"Connection refused: ", ""},
	{"connection timed out: ", ""},
	{"-connect ", ""},
	{"registry=", ""},
	{"connect to ", ""},
	{"hostname ", ""},
	{"login attempt to ", ""},
	{"failed to lookup address information: ", ""},
	{"Failed to connect to host ", ""},
	{"client connected to ", ""},
	{"error connecting to ", ""},
	{"connection to ", ""},
	{"Host: ", ""},
	{"host=", ""},
}

// references gives all that names a host.
func (f *findings) references(clean []byte) []reference {
	refs := urls(clean)
	for _, hit := range f.naming {
		host, end := hostAt(clean, skipBlanks(clean, hit.to))
		if host == "" || !plausible(host) {
			continue
		}
		host += portWords(clean[end:])
		refs = append(refs, reference{span: span{hit.from, end}, host: host, kind: named, role: naming[hit.of].role})
	}
	slices.SortStableFunc(refs, func(a, b reference) int { return a.from - b.from })
	return refs
}

func isBlankOrQuote(c byte) bool { return bytes.IndexByte([]byte(" \t\n\"'`["), c) >= 0 }

func skipBlanks(clean []byte, at int) int {
	for at < len(clean) && (clean[at] == ' ' || clean[at] == '\n' || clean[at] == '\t') {
		at++
	}
	return at
}

// urls finds http and https URLs, except those printed for people to read.
func urls(clean []byte) (refs []reference) {
	for from := 0; ; {
		at := bytes.Index(clean[from:], []byte("://"))
		if at < 0 {
			return refs
		}
		at += from
		start := at
		for start > 0 && isLetter(clean[start-1]) {
			start--
		}
		from = at + 3
		scheme := strings.ToLower(string(clean[start:at]))
		if scheme != "http" && scheme != "https" && scheme != "oci" && scheme != "upstream" {
			continue
		}
		begin := from
		if user := bytes.IndexAny(clean[from:min(len(clean), from+200)], "@/ \"\n?"); user >= 0 && clean[from+user] == '@' {
			begin += user + 1
		}
		host, end := hostAt(clean, begin)
		if host == "" {
			continue
		}
		stop := end
		for stop < len(clean) && !bytes.ContainsRune([]byte(" \t\n\"'`<>|\\"), rune(clean[stop])) {
			stop++
		}
		from = stop
		if slices.Contains(pointers, strings.ToLower(hostOnly(host))) && !bytes.Contains(clean[end:stop], []byte("/v2/")) {
			continue
		}
		refs = append(refs, reference{span: span{start, stop}, host: host, url: string(clean[end:stop]), kind: asked})
	}
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// hostAt reads a host, with its port if it has one, and gives where it ends.
// Names put in the place of real ones, <host>, count. A host that a line break
// cut in two is joined.
func hostAt(clean []byte, at int) (string, int) {
	for at < len(clean) && (clean[at] == '"' || clean[at] == '\'' || clean[at] == '`' || clean[at] == '(') {
		at++
	}
	end := at
	if end < len(clean) && clean[end] == '[' {
		to := bytes.IndexByte(clean[end:min(len(clean), end+64)], ']')
		if to < 0 {
			return "", at
		}
		if _, err := netip.ParseAddr(strings.Split(string(clean[end+1:end+to]), "%")[0]); err != nil {
			return "", at
		}
		end += to + 1
	} else {
		end = hostChars(clean, end)
	}
	host := strings.TrimRight(string(clean[at:end]), ".-")
	end = at + len(host)
	if end+1 < len(clean) && clean[end] == '\n' {
		if next := hostChars(clean, end+1); next > end+1 && next < len(clean) && (clean[next] == '/' || clean[next] == ':' && next+1 < len(clean) && isDigit(clean[next+1])) && bytes.HasPrefix(clean[max(0, at-3):], []byte("://")) {
			host += string(clean[end+1 : next])
			end = next
		}
	}
	if port, n := portAt(clean[end:]); n > 0 && host != "" {
		return host + port, end + n
	}
	return host, end
}

func hostChars(clean []byte, at int) int {
	for at < len(clean) {
		c := clean[at]
		switch {
		case isWord(c) || c == '.' || c == '-' || c >= 0x80:
			at++
		case c == '*' && at+1 < len(clean) && (clean[at+1] == '.' || clean[at+1] == '*'):
			at++
		case c == '<' || c == '{' || c == '$':
			to := bytes.IndexAny(clean[at:min(len(clean), at+80)], ">} \n/\"")
			if c == '$' {
				at++
				continue
			}
			if to < 0 || clean[at+to] != '>' && clean[at+to] != '}' {
				return at
			}
			at += to + 1
		default:
			return at
		}
	}
	return at
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// portAt reads ":5000" or ":<port>".
func portAt(text []byte) (string, int) {
	if len(text) < 2 || text[0] != ':' {
		return "", 0
	}
	end := 1
	if text[1] == '<' {
		if to := bytes.IndexByte(text[:min(len(text), 40)], '>'); to > 0 {
			return string(text[:to+1]), to + 1
		}
		return "", 0
	}
	for end < len(text) && end < 6 && isDigit(text[end]) {
		end++
	}
	if end < len(text) && (isWord(text[end]) || text[end] == '.') {
		// "xxxx:bbbb/v2/" is how people hide a port.
		stop := end
		for stop < len(text) && stop < 8 && isWord(text[stop]) {
			stop++
		}
		if stop < len(text) && text[stop] == '/' && stop > 1 {
			return string(text[:stop]), stop
		}
		return "", 0
	}
	if end == 1 {
		return "", 0
	}
	return string(text[:end]), end
}

// portWords reads a port as curl and urllib3 print it, ", port=443", " port 443",
// and as Java does, behind the address: "/10.0.0.1:443".
func portWords(text []byte) string {
	if len(text) > 0 && text[0] == '/' {
		if address, end := hostAt(text, 1); isIP(hostOnly(address)) && text[end-1] != ']' {
			if _, port, ok := strings.Cut(address, ":"); ok && port != "443" {
				return ":" + port
			}
		}
		return ""
	}
	for _, words := range []string{", port=", "', port=", `", port=`, " port ", ", port "} {
		if rest, ok := bytes.CutPrefix(text, []byte(words)); ok {
			end := 0
			for end < len(rest) && end < 5 && isDigit(rest[end]) {
				end++
			}
			if port := string(rest[:end]); port != "" && port != "443" {
				return ":" + port
			}
			return ""
		}
	}
	return ""
}

// plausible is false for words that are no host.
func plausible(host string) bool {
	name := hostOnly(host)
	return isIP(name) || strings.Contains(name, ".") && !strings.HasPrefix(name, ".") || name == "localhost" || strings.ContainsAny(host, ":<") || strings.Contains(name, "-")
}

// hostOnly is host without its port and brackets.
func hostOnly(host string) string {
	if strings.HasPrefix(host, "[") {
		if to := strings.IndexByte(host, ']'); to > 0 {
			return host[1:to]
		}
	}
	if i := strings.LastIndexByte(host, ':'); i > 0 && strings.Count(host, ":") == 1 {
		return host[:i]
	}
	return host
}

func isIP(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// intros are the words before the name of an image: behind the sure ones any
// word is one, behind the others only what has a slash, a tag or quotes.
var intros = []struct {
	words string
	sure  bool
}{
	{"Failed to pull image ", true},
	{"Back-off pulling image ", true},
	{"failed to pull and unpack image ", true},
	{"failed to resolve reference ", true},
	{"failed to resolve image ", false},
	{"failed to resolve image: ", true},
	{"failed to get manifest ", false},
	{"failed to push ", false},
	{"failed to solve: ", false},
	{"when pulling ", false},
	{"Unauthorized for ", false},
	{"manifest list entries: ", false},
	{"failed to pull image ", true},
	{"Unable to fetch image ", true},
	{"Error pulling and saving image ", true},
	{"initializing source docker://", true},
	{"pull access denied for ", true},
	{"Container image ", true},
	{"image pull failed for ", true},
	{"failed to get sandbox image ", true},
	{"failed to resolve source metadata for ", true},
	{"trying to pull repository ", true},
	{"Trying to pull ", true},
	{"docker://", true},
	{"reading manifest * in ", true},
	{"Error: fetching manifest ", true},
	{"Error: pulling ", false},
	{"error pulling image ", false},
	{"Pulling image ", false},
	{"manifest for ", false},
	{"load metadata for ", false},
	{"checking push permission for ", false},
	{"unable to find image ", false},
	{"couldn't parse image reference ", false},
	{"couldn't parse image name ", false},
	{"failed to pull the manifest of image ", false},
	{"short-name ", false},
	{"oci://", true},
	{"failed to pull ", false},
	{"image=", false},
	{"image ", false},
}

// image gives the image that was to be pulled.
func (f *findings) image(clean []byte) string {
	for _, hit := range f.intros {
		if strings.HasSuffix(intros[hit.of].words, " ") && hit.to < len(clean) && !isBlankOrQuote(clean[hit.to]) {
			continue // "image" in the middle of a name
		}
		if name := imageAt(clean[skipBlanks(clean, hit.to):], intros[hit.of].sure); name != "" {
			return name
		}
	}
	return bareImage(clean)
}

// bareImage finds HOST/NAME:TAG that stands before a colon, as in
// "reg.example.com/app:1: not found", without words that announce it.
func bareImage(clean []byte) string {
	for word := range bytes.FieldsSeq(clean) {
		text, colon := bytes.CutSuffix(word, []byte(":"))
		if !colon || bytes.IndexByte(text, '/') < 1 || bytes.Contains(text, []byte("..")) {
			continue
		}
		name := imageAt(text, false)
		host, path, _ := strings.Cut(name, "/")
		path, _, tagged := strings.Cut(path, ":")
		file := strings.Contains(path, ".") // x/y.go:12: is a place in a program
		if len(name) == len(text) && strings.Contains(host, ".") && tagged && !file && !slices.Contains(pointers, host) {
			return name
		}
	}
	return ""
}

// imageAt reads an image name: it has a slash, a tag or a digest, or stands in
// quotes or where nothing else can.
func imageAt(text []byte, sure bool) string {
	sure = sure || len(text) > 0 && bytes.IndexByte([]byte("\"'`"), text[0]) >= 0
	text = bytes.TrimLeft(text, "\"'`[(")
	end := 0
	for end < len(text) && (isWord(text[end]) || bytes.IndexByte([]byte("./:@-<>[]*"), text[end]) >= 0) {
		end++
	}
	// In "image localhost:5000/app:1: error" the last colon is none of the name.
	name := strings.TrimRight(string(text[:end]), ".:/-[]")
	if len(name) < 2 || len(name) > 400 || isPlatform(name) || strings.Contains(name, "://") || name[0] == '/' || name[0] == ':' {
		return ""
	}
	if sure || strings.ContainsAny(name, "/@:") {
		return name
	}
	return ""
}

// isPlatform is true for "linux/arm64/v8", which stands where an image does:
// "no matching manifest for linux/arm64/v8".
func isPlatform(name string) bool {
	os, arch, _ := strings.Cut(name, "/")
	return (os == "linux" || os == "windows") && slices.ContainsFunc([]string{"amd64", "arm", "386", "ppc64", "s390x", "riscv64", "mips"}, func(prefix string) bool {
		return strings.HasPrefix(arch, prefix)
	})
}

// RegistryOf is the registry in an image's name, as Docker reads it.
func RegistryOf(image string) string {
	first, _, slash := strings.Cut(image, "/")
	if slash && (strings.ContainsAny(first, ".:<") || first == "localhost") {
		return first
	}
	if image == "" {
		return ""
	}
	return "docker.io"
}

// locate fills in the host that failed: that of the URL nearest before the
// words that tell of the failure, else the nearest behind, else what words name,
// else the registry of the image.
func (e *Explanation) locate(clean []byte, refs []reference, at span) {
	own := RegistryOf(e.Image)
	if e.Cause == Proxy {
		for _, r := range refs {
			if r.role == ProxyHop {
				e.Host, e.Role = r.host, ProxyHop
				return
			}
		}
	}
	best := nearest(refs, at, asked)
	if n := lookedUp(refs, at); e.Cause == DNS && n != nil && (best == nil || hostOnly(n.host) != hostOnly(best.host)) {
		best = n
	}
	if best == nil {
		best = nearest(refs, at, named)
		// An address that was dialled is less than the name it stands for.
		if best != nil && own != "" && isIP(hostOnly(best.host)) && !isIP(hostOnly(own)) && own != "docker.io" {
			best = nil
		}
	}
	if best == nil {
		if own == "" && bytes.Contains(clean, []byte("docker.com/increase-rate-limit")) {
			own = "docker.io"
		}
		if own != "" {
			e.Host, e.Role = own, Registry
		}
		return
	}
	e.Host, e.Role = best.withPort(own, refs), roleOf(*best, clean, e.Image)
}

// withPort is the host with the port that the message gives it elsewhere, where
// the words that name it have none: those of x509, and of a name's lookup.
func (r *reference) withPort(own string, refs []reference) string {
	if r.kind == asked || hostOnly(r.host) != r.host {
		return r.host
	}
	for i := range refs {
		if other := refs[i].host; other != r.host && hostOnly(other) == r.host && refs[i].role == r.role {
			return other
		}
	}
	if hostOnly(own) == r.host {
		return own
	}
	return r.host
}

// lookedUp is the name nearest before the failure that words name.
func lookedUp(refs []reference, at span) *reference {
	for i := len(refs) - 1; i >= 0; i-- {
		if r := &refs[i]; r.kind == named && r.from <= at.to && r.role == "" && !isIP(hostOnly(r.host)) {
			return r
		}
	}
	return nil
}

// nearest is the last reference of a kind before the failure, else the first
// behind it.
func nearest(refs []reference, at span, kind refKind) *reference {
	for i := len(refs) - 1; i >= 0; i-- {
		if refs[i].kind == kind && refs[i].from <= at.to && refs[i].role != ProxyHop {
			return &refs[i]
		}
	}
	for i := range refs {
		if refs[i].kind == kind && refs[i].role != ProxyHop {
			return &refs[i]
		}
	}
	return nil
}

func roleOf(r reference, clean []byte, image string) Role {
	own := RegistryOf(image)
	// An image without a registry is Docker Hub's for some clients only.
	explicit := strings.HasPrefix(image, own)

	path, query, _ := strings.Cut(r.url, "?")
	before := clean[max(0, r.from-120):r.from]
	switch {
	case r.role != "":
		return r.role
	case strings.Contains(query, "ns="):
		return Mirror
	case strings.Contains(query, "service=") || strings.Contains(query, "scope=") || strings.Contains(query, "client_id=") || strings.HasSuffix(path, "/token") || strings.Contains(path, "/oauth2/") || bytes.Contains(before, []byte("token: ")):
		return Token
	case strings.Contains(path, "/v2/") && !strings.Contains(path, "/blobs/"):
		if own != "" && explicit && !answersFor(r.host, own) {
			return Mirror
		}
		return Registry
	case hostOnly(r.host) != hostOnly(own) && !strings.Contains(path, "/blobs/uploads/") && (strings.Contains(path, "/blobs/") || strings.Contains(path, "sha256:") || strings.Contains(path, "/sha256/") || bytes.Contains(before, []byte("image configuration")) || bytes.Contains(before, []byte("failed to copy"))):
		return Blob
	}
	return Registry
}

// answersFor is true when host is the registry of an image's name.
func answersFor(host, registry string) bool {
	return strings.EqualFold(host, registry) || registry == "docker.io" && (host == "registry-1.docker.io" || host == "index.docker.io")
}
