// Package rules is the list of lint rules. Each rule is a value: its ID says
// the fault, its Doc is the page that people read, its check is a short pure
// function. A new rule is one value here and one bad and one good case in the
// corpus.
package rules

import (
	"slices"

	"github.com/crpki/crpki/inspect"
)

// Groups, in the order in which they are listed.
const (
	Names     = "names"
	Time      = "time"
	Keys      = "keys"
	Usage     = "usage"
	Chain     = "chain"
	Encoding  = "encoding"
	Packaging = "packaging"
)

// since is the version that brought the first set of rules.
const since = "0.1.0"

// All lists every rule, by group.
func All() []inspect.Rule {
	return slices.Concat(names(), validity(), keys(), usage(), chain(), encoding(), packaging())
}

// Clients as the docs of rules name them.
const (
	goClients = "Go clients (docker, containerd, podman, CRI-O, kubelet)"
	openssl   = "OpenSSL clients (curl, wget, Python, nginx)"
	gnutls    = "GnuTLS clients (certtool, Debian's apt and wget)"
)
