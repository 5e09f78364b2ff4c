package trust

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// insecureSet is a list of registries that are not verified, as docker and
// older CRI-O have it: names, and networks for the addresses that names have.
type insecureSet struct {
	names map[string]Place
	nets  []insecureNet
}

type insecureNet struct {
	prefix *net.IPNet
	place  Place
	// built in: nobody wrote it down.
	builtIn bool
}

func (s *insecureSet) addNet(text string, place Place, builtIn bool) bool {
	_, prefix, err := net.ParseCIDR(text)
	if err == nil {
		s.nets = append(s.nets, insecureNet{prefix, place, builtIn})
	}
	return err == nil
}

// insecureAnswer is what a set says of a registry.
type insecureAnswer struct {
	insecure bool
	place    Place
	// needs says what has to be known for an answer.
	needs    string
	steps    []Step
	mistakes []Mistake
}

// match looks a registry up: by its name as it is written, else by the
// addresses of its host.
func (s *insecureSet) match(n *Node, registry string) insecureAnswer {
	if place, ok := s.names[registry]; ok {
		return insecureAnswer{insecure: true, place: place}
	}
	host, _, err := net.SplitHostPort(registry)
	if err != nil {
		host = registry
	}
	addrs, known := n.lookup(host)
	for _, a := range addrs {
		for _, in := range s.nets {
			if in.prefix.Contains(a.AsSlice()) {
				return insecureAnswer{insecure: true, place: in.place}
			}
		}
	}
	own := slices.IndexFunc(s.nets, func(i insecureNet) bool { return !i.builtIn })
	if known || own < 0 {
		return insecureAnswer{}
	}
	return insecureAnswer{place: s.nets[own].place, needs: fmt.Sprintf("the address of %s: %s is insecure", host, s.nets[own].prefix)}
}

// lookup gives the addresses of a host as the node's files know them. Of any
// other name nothing is known.
func (n *Node) lookup(host string) (addrs []netip.Addr, known bool) {
	if ip := net.ParseIP(host); ip != nil {
		addr, _ := netip.AddrFromSlice(ip)
		return []netip.Addr{addr.Unmap()}, true
	}
	if addrs := n.Hosts(host); len(addrs) > 0 {
		return addrs, true
	}
	if strings.EqualFold(host, "localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, true
	}
	return nil, false
}

// nearNames finds entries for the same host that do not match.
func (s *insecureSet) nearNames(registry string, id string) []Mistake {
	var found []Mistake
	for name, place := range s.names {
		if name != registry && hostOf(name) == hostOf(registry) {
			found = append(found, Mistake{
				ID: id, Place: place, Severity: severityWarning,
				Text: fmt.Sprintf("%q does not cover %s: names are compared whole, the port included", name, registry),
				Fix:  fmt.Sprintf("write %q, or better put the CA into certs.d and remove the entry", registry),
			})
		}
	}
	slices.SortFunc(found, func(a, b Mistake) int { return cmp.Compare(a.Text, b.Text) })
	return found
}

// insecureList is CRI-O's own list, which counted before 1.35.
func (c containersImage) insecureList(n *Node, in Installation, r Reference, v imageVersion) insecureAnswer {
	if c.unit == "" {
		return insecureAnswer{}
	}
	list := Memo(n, crioKey{}, func() *crioConf { return n.crioConf() })
	major, minor, known := majorMinor(in.Version)
	old := known && (major < 1 || major == 1 && minor < 35)
	if !known {
		old = v < 38
	}
	if !old {
		var a insecureAnswer
		a.steps = list.steps
		for name, place := range list.set.names {
			a.mistakes = append(a.mistakes, Mistake{
				ID: "crio-insecure-registries-ignored", Place: place, Severity: severityWarning,
				Text: fmt.Sprintf("CRI-O 1.35 and later take no notice of insecure_registries (%q)", name),
				Fix:  fmt.Sprintf("trust its CA: /etc/containers/certs.d/%s/ca.crt", r.Registry),
			})
		}
		slices.SortFunc(a.mistakes, func(a, b Mistake) int { return cmp.Compare(a.Text, b.Text) })
		return a
	}
	a := list.set.match(n, r.Registry)
	a.steps = list.steps
	a.mistakes = append(a.mistakes, list.set.nearNames(r.Registry, "insecure-entry-port")...)
	return a
}

type crioKey struct{}

// crioConf is what counts here of crio.conf(5).
type crioConf struct {
	set   insecureSet
	steps []Step
}

// crioConf reads /etc/crio/crio.conf and the drop-ins, of which the last that
// sets the list wins.
func (n *Node) crioConf() *crioConf {
	c := &crioConf{set: insecureSet{names: map[string]Place{}}}
	files := []string{"/etc/crio/crio.conf"}
	entries, _ := n.ReadDir("/etc/crio/crio.conf.d")
	for _, e := range entries {
		if !e.IsDir() {
			files = append(files, path.Join("/etc/crio/crio.conf.d", e.Name()))
		}
	}
	for _, file := range files {
		data, err := n.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var doc struct {
			CRIO struct {
				Image struct {
					Insecure []string `toml:"insecure_registries"`
				} `toml:"image"`
			} `toml:"crio"`
		}
		if err == nil {
			_, err = toml.NewDecoder(bytes.NewReader(data)).Decode(&doc)
		}
		place := Place{File: file, Line: linesOf(data).of("insecure_registries", 1), Key: "crio.image.insecure_registries"}
		c.steps = append(c.steps, Step{Place: Place{File: file}, Used: err == nil, Why: crioWhy(err)})
		if err != nil || doc.CRIO.Image.Insecure == nil {
			continue
		}
		c.set = insecureSet{names: map[string]Place{}}
		for _, text := range doc.CRIO.Image.Insecure {
			if !c.set.addNet(text, place, false) {
				c.set.names[text] = place
			}
		}
	}
	c.set.addNet("127.0.0.0/8", Place{Key: "127.0.0.0/8, built in"}, true)
	return c
}

func crioWhy(err error) string {
	if err != nil {
		return reason(err)
	}
	return "CRI-O's configuration"
}

// crioWrap is what CRI-O answers to kubelet.
func crioWrap(in Installation, ref, text string) string {
	text = fmt.Sprintf("initializing source docker://%s: %s", ref, text)
	if major, minor, ok := majorMinor(in.Version); ok && (major > 1 || minor >= 34) {
		return "unable to pull image or OCI artifact: pull image err: " + text
	}
	return text
}
