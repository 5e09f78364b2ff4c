package k8ssecret

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
)

// clusterDomain ends the names of Services where nobody has changed it.
const clusterDomain = "svc.cluster.local"

// maxClusterHosts bounds what is expected of a certificate with thousands of names.
const maxClusterHosts = 16

// serviceName takes the name of a Service apart: registry.infra.svc, with or
// without .cluster.local behind it.
func serviceName(name string) (service, namespace string, ok bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	rest, ok := strings.CutSuffix(name, "."+clusterDomain)
	if !ok {
		if rest, ok = strings.CutSuffix(name, ".svc"); !ok {
			return "", "", false
		}
	}
	i := strings.LastIndexByte(rest, '.')
	if i <= 0 {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}

// clusterHosts are the names of Services that the Secret's namespace makes
// expect: where the certificate names Services, one of them is in the namespace
// of the Secret that the server reads it from. A name that misses the namespace
// by a letter is noted too.
func (r *reader) clusterHosts(u *Unit, namespace string, origin pki.Origin) {
	if namespace == "" || len(u.Material.Certs) == 0 || u.Material.Certs[0].X509 == nil {
		return
	}
	leaf := u.Material.Certs[0]
	var here, elsewhere []string
	noted := false
	for _, n := range pki.NamesOf(leaf.X509).DNS() {
		service, ns, ok := serviceName(n)
		switch {
		case !ok:
		case ns == namespace:
			here = append(here, n)
		default:
			if !strings.Contains(service, "*") {
				elsewhere = append(elsewhere, service+"."+namespace+n[len(service)+1+len(ns):])
			}
			if !noted && misspelt(ns, namespace) {
				noted = true
				u.Material.Notes = append(u.Material.Notes, pki.Note{
					Rule: NoteNamespaceTypo, Origin: leaf.Origin,
					Detail: fmt.Sprintf("DNS:%s names the namespace %q, and the Secret is in %q", n, ns, namespace),
				})
			}
		}
	}
	if len(here) == 0 {
		here = elsewhere
	}
	for _, n := range here[:min(len(here), maxClusterHosts)] {
		if name, _, err := pki.ParseNameAs(pki.DNS, n); err == nil && !strings.Contains(n, "*") {
			u.Hosts = append(u.Hosts, Host{Name: name, From: "metadata.namespace", Origin: origin})
		}
	}
}

// privateName gives the first of names that no public CA may certify (CA/Browser
// Forum BR 7.1.2.7.12), or "".
func privateName(names pki.Names) string {
	for _, n := range names {
		switch n.Kind {
		case pki.IP:
			if a, err := netip.ParseAddr(n.Value); err == nil && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified()) {
				return n.String()
			}
		case pki.DNS:
			last := strings.ToLower(n.Value[strings.LastIndexByte(n.Value, '.')+1:])
			switch last {
			case "local", "svc", "internal", "lan", "home", "corp", "intranet", "localdomain", "localhost", "test", "private":
				return n.String()
			}
			if last == strings.ToLower(n.Value) && last != "" && last != "*" {
				return n.String()
			}
		}
	}
	return ""
}

// judgeName says what is wrong with a name that somebody asks for as a DNS name
// or an IP address, in a manifest or behind -addext: the rule and a sentence,
// both "" when it is fine.
func judgeName(kind pki.NameKind, text string) (rule, detail string) {
	shown := kind.String() + ":" + pki.Printable(text)
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return NoteNameEmpty, kind.String() + ": has no value behind it"
	}
	addr, err := netip.ParseAddr(strings.Trim(trimmed, "[]"))
	host, port, hasPort := strings.Cut(trimmed, ":")
	hasPort = hasPort && port != "" && strings.Trim(port, "0123456789") == ""
	switch {
	case kind == pki.IP && err == nil && addr.String() != trimmed && strings.ContainsAny(trimmed, "[]"):
		return NoteNameIPInvalid, fmt.Sprintf("%s: the brackets belong to URLs; write IP:%s", shown, addr)
	case err == nil && addr.IsUnspecified():
		return NoteNameUnspecified, shown + ": servers listen on it, and nobody dials it"
	case kind == pki.IP && err == nil:
		return "", ""
	case kind == pki.IP && hasPort && isAddress(host):
		return NoteNamePort, fmt.Sprintf("%s: a name has no port; write IP:%s", shown, host)
	case kind == pki.IP && strings.Contains(trimmed, "/"):
		return NoteNameIPInvalid, shown + " is no single address"
	case kind == pki.IP && strings.Trim(trimmed, "0123456789.") == "":
		return NoteNameIPInvalid, shown + " is no valid address"
	case kind == pki.IP:
		return NoteNameDNSAsIP, fmt.Sprintf("%s is no address: write DNS:%s", shown, pki.Printable(trimmed))
	case err == nil:
		return NoteNameIPAsDNS, fmt.Sprintf("%s is an address, which clients look for among the IP names alone: write IP:%s", shown, addr)
	}
	return judgeDNS(shown, text, hasPort)
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// judgeDNS is judgeName for what is meant to be a DNS name.
func judgeDNS(shown, text string, hasPort bool) (rule, detail string) {
	meant := ""
	if n, _, err := pki.ParseName(strings.TrimSpace(text)); err == nil {
		meant = "; write " + n.String()
	}
	first, rest, _ := strings.Cut(text, ".")
	switch {
	case strings.Contains(text, "/"):
		return NoteNameURL, shown + " is a URL or a path, which no client finds" + meant
	case hasPort:
		return NoteNamePort, shown + " holds a port, and names have none" + meant
	case strings.ContainsAny(text, " \t\r\n\u00a0"):
		return NoteNameBlank, shown + " holds a blank" + meant
	case strings.HasSuffix(text, "."):
		return NoteNameTrailingDot, shown + " ends with a dot, which clients leave out" + meant
	case strings.Contains(rest, "*"), strings.Contains(first, "*") && first != "*", text == "*":
		return NoteNameWildcard, shown + ": a star has to be the whole first part, with a domain behind it"
	}
	if right := nearCluster(text); right != "" {
		return NoteClusterTypo, fmt.Sprintf("%s is close to %s, and no Service has it", shown, right)
	}
	return "", ""
}

// nearCluster gives the name that was meant when text almost ends in
// .svc.cluster.local, or "".
func nearCluster(text string) string {
	labels := strings.Split(strings.ToLower(text), ".")
	if len(labels) < 4 {
		return ""
	}
	tail := strings.Join(labels[len(labels)-3:], ".")
	if tail == clusterDomain || distance(tail, clusterDomain) > 2 {
		return ""
	}
	return strings.Join(labels[:len(labels)-3], ".") + "." + clusterDomain
}

// namesReader reads the names that a Certificate or a command asks for,
// and notes what is wrong with them.
type namesReader struct {
	*reader
	unit *Unit
	seen map[pki.Name]bool
}

// add takes one name that stands at offset.
func (r *namesReader) add(kind pki.NameKind, text, path string, offset int) {
	if isPlaceholder(text) || strings.ContainsAny(text, "$<{") {
		return
	}
	if rule, detail := judgeName(kind, text); rule != "" {
		r.note(r.unit, rule, path, offset, "%s", detail)
		return
	}
	name, _, err := pki.ParseNameAs(kind, text)
	if err != nil {
		return // the rules say it of the certificate that comes out
	}
	if r.seen == nil {
		r.seen = map[pki.Name]bool{}
	}
	if r.seen[name] {
		r.note(r.unit, NoteNameTwice, path, offset, "%s stands there twice", name)
		return
	}
	r.seen[name] = true
	r.unit.Names = append(r.unit.Names, name)
}

// host adds a name by which clients dial, when the field holds one.
func (r *reader) host(u *Unit, kind pki.NameKind, n *tree.Node, path string) {
	if n == nil || n.Kind != tree.String && n.Kind != tree.Number || isPlaceholder(n.Text) {
		return
	}
	name, _, err := pki.ParseNameAs(kind, n.Text)
	if err != nil {
		return
	}
	u.Hosts = append(u.Hosts, Host{Name: name, From: path, Origin: r.origin(path, n.Start)})
}
