package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

func names() []inspect.Rule {
	return []inspect.Rule{
		{
			ID: "san-missing", Group: Names, Severity: inspect.Error, Needs: inspect.NeedLeaf, Each: leaf(noSAN),
			Doc: inspect.Doc{
				Title: "The server certificate has no subject alternative names.",
				Why:   "Go has not looked at the common name since 1.15: without a subjectAltName extension no name and no address matches, whatever the CN says. OpenSSL and GnuTLS still fall back to the CN for DNS names, so that curl works and the pull fails.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Since: "Go 1.15", Message: "x509: certificate relies on legacy Common Name field, use SANs instead"},
				},
				Fix:        "crpki gen --ip 10.96.0.50 --dns registry.example.com",
				FixOpenSSL: `openssl req -x509 … -addext "subjectAltName=IP:10.96.0.50,DNS:registry.example.com"`,
				Sources:    []string{"RFC 9525 6.3", "Go crypto/x509 verify.go, VerifyHostname"}, Since: since,
			},
		},
		{
			ID: lenient.DuplicateSAN, Group: Names, Severity: inspect.Error, Each: secondSAN,
			Doc: inspect.Doc{
				Title: "The certificate has two subjectAltName extensions.",
				Why:   "All names belong into one. Go refuses to read such a certificate, as server and as client; OpenSSL prints both and then says a misleading error 20. They come from OpenSSL 1.1.1, when the section of the configuration file has names and the command line adds some: openssl req -x509 -config openssl.cnf -addext \"subjectAltName=IP:10.96.0.50\". OpenSSL 3 lets the last one win, and refuses two -addext in one command.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: `x509: certificate contains duplicate extension with OID "2.5.29.17"`},
					{Client: openssl, Message: "error 20: unable to get local issuer certificate"},
					{Client: gnutls, Message: "error parsing CRTs: Duplicate extension in X.509 certificate."},
				},
				Fix:        "crpki gen --ip 10.96.0.50 --dns registry.example.com",
				FixOpenSSL: `openssl req -x509 … -addext "subjectAltName=IP:10.96.0.50,DNS:registry.example.com"`,
				Sources:    []string{"RFC 5280 4.2", "Go crypto/x509 parser.go, parseCertificate"}, Since: since,
			},
		},
		{
			ID: "san-host-missing", Group: Names, Severity: inspect.Error, Needs: inspect.NeedLeaf | inspect.NeedHosts, Check: hostMissing,
			Doc: inspect.Doc{
				Title: "A DNS name by which clients dial is not among the names.",
				Why:   "Clients compare the name in the image reference with the certificate's DNS names, and refuse when none fits.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate is valid for A, not B"},
					{Client: openssl, Message: "error 62: hostname mismatch"},
					{Client: gnutls, Message: "The name in the certificate does not match the expected."},
				},
				Fix:        "crpki renew tls.crt --dns registry.example.com",
				FixOpenSSL: `openssl req … -addext "subjectAltName=DNS:registry.example.com,IP:10.96.0.50"`,
				Sources:    []string{"RFC 9525 6.3"}, Since: since,
			},
		},
		{
			ID: "san-ip-missing", Group: Names, Severity: inspect.Error, Needs: inspect.NeedLeaf | inspect.NeedHosts, Check: ipMissing,
			Doc: inspect.Doc{
				Title: "An IP address by which clients dial is not among the IP addresses.",
				Why:   "An image reference with an address (10.96.0.50/app:1) is matched against iPAddress entries only: a dNSName with the same digits or the common name does not count.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: cannot validate certificate for 10.96.0.50 because it doesn't contain any IP SANs"},
					{Client: openssl, Message: "error 64: IP address mismatch"},
					{Client: gnutls, Message: "The name in the certificate does not match the expected."},
				},
				Fix:        "crpki renew tls.crt --ip 10.96.0.50",
				FixOpenSSL: `openssl req … -addext "subjectAltName=IP:10.96.0.50,DNS:registry.example.com"`,
				Sources:    []string{"RFC 5280 4.2.1.6", "Go crypto/x509 verify.go, VerifyHostname"}, Since: since,
			},
		},
		{
			ID: "san-ip-as-dns", Group: Names, Severity: inspect.Error, Needs: inspect.NeedLeaf, Each: leaf(eachName("DNS", ipAsDNS)),
			Doc: inspect.Doc{
				Title: "An IP address stands in a dNSName.",
				Why:   "Clients that dial an address look at iPAddress entries only. `openssl x509 -checkhost` says that such a certificate matches; the pull fails all the same.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: cannot validate certificate for 10.96.0.50 because it doesn't contain any IP SANs"},
					{Client: openssl, Message: "error 64: IP address mismatch"},
					{Client: gnutls, Message: "The name in the certificate does not match the expected."},
				},
				Fix:        "crpki gen --ip 10.96.0.50",
				FixOpenSSL: `openssl req … -addext "subjectAltName=IP:10.96.0.50"`,
				Sources:    []string{"RFC 5280 4.2.1.6"}, Since: since,
			},
		},
		{
			ID: "san-dns-as-ip", Group: Names, Severity: inspect.Error, Needs: inspect.NeedLeaf, Each: leaf(dnsAsIP),
			Doc: inspect.Doc{
				Title: "An iPAddress holds something that is no address of 4 or 16 octets.",
				Why:   "Go's parser refuses the whole certificate; others ignore the entry.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: cannot parse IP address of length 8"},
					{Client: openssl, Message: "error 64: IP address mismatch"},
				},
				Fix:     "crpki gen --ip 10.96.0.50",
				Sources: []string{"RFC 5280 4.2.1.6"}, Since: since,
			},
		},
		{
			ID: "san-mapped-ip", Group: Names, Severity: inspect.Error, Needs: inspect.NeedLeaf, Each: leaf(mappedIP),
			Doc: inspect.Doc{
				Title: "An IPv4 address is written in 16 octets.",
				Why:   "Go takes ::ffff:10.96.0.50 for 10.96.0.50; OpenSSL and GnuTLS compare the octets and find no match.",
				Refusals: []inspect.Refusal{
					{Client: openssl, Message: "error 64: IP address mismatch"},
					{Client: gnutls, Message: "The name in the certificate does not match the expected."},
				},
				Fix:     "crpki gen --ip 10.96.0.50",
				Sources: []string{"RFC 5280 4.2.1.6"}, Since: since,
			},
		},
		nameRule("san-empty-name", inspect.Warning, emptyName, inspect.Doc{
			Title:    "A DNS name is empty.",
			Why:      "GnuTLS refuses the whole certificate for it; the other clients pass over it.",
			Refusals: []inspect.Refusal{{Client: gnutls, Message: "error parsing CRTs: Unknown Subject Alternative name in X.509 certificate."}},
			Fix:      "crpki gen --dns registry.example.com",
			Sources:  []string{"RFC 5280 4.2.1.6"},
		}),
		{
			ID: "san-duplicate-name", Group: Names, Severity: inspect.Warning, Needs: inspect.NeedLeaf, Each: leaf(duplicateName),
			Doc: inspect.Doc{
				Title: "The same name stands more than once.",
				Why:   "It harms no client, but often one of the two was meant to be another name.",
				Fix:   "crpki gen --dns registry.example.com --ip 10.96.0.50", Sources: []string{"RFC 5280 4.2.1.6"}, Since: since,
			},
		},
		nameRule("san-wildcard-misplaced", inspect.Error, wildcardMisplaced, inspect.Doc{
			Title: "A wildcard is not the whole left-most label.",
			Why:   "Only `*.example.com` is understood by all: Go takes a star elsewhere, or beside letters, for no match at all. OpenSSL accepts `r*.example.com`, which is why curl works and the pull does not.",
			Refusals: []inspect.Refusal{
				{Client: goClients, Message: "x509: certificate is valid for r*.example.com, not reg.example.com"},
				{Client: gnutls, Message: "The name in the certificate does not match the expected."},
			},
			Fix: "crpki gen --dns '*.example.com'", Sources: []string{"RFC 9525 6.3", "Go crypto/x509 verify.go, validHostname"},
		}),
		nameRule("san-wildcard-too-wide", inspect.Warning, wildcardTooWide, inspect.Doc{
			Title: "A wildcard covers a whole top-level domain.",
			Why:   "Go accepts `*.local` for `registry.local`; OpenSSL and GnuTLS ask for two labels behind the star and refuse.",
			Refusals: []inspect.Refusal{
				{Client: openssl, Message: "error 62: hostname mismatch"},
				{Client: gnutls, Message: "The name in the certificate does not match the expected."},
			},
			Fix: "crpki gen --dns registry.local", Sources: []string{"OpenSSL crypto/x509/v3_utl.c, valid_star"},
		}),
		nameRule("san-underscore", inspect.Warning, underscore, inspect.Doc{
			Title:   "A DNS name holds an underscore.",
			Why:     "The TLS clients accept it, but an image reference cannot name such a host, and other software refuses it.",
			Fix:     "crpki gen --dns my-registry.example.com",
			Sources: []string{"RFC 1123 2.1", "github.com/distribution/reference regexp.go"},
		}),
		nameRule("san-url", inspect.Error, holdsURL, inspect.Doc{
			Title: "A DNS name holds a URL.",
			Why:   "A name with a scheme or a path matches no host that anybody dials.",
			Refusals: []inspect.Refusal{
				{Client: goClients, Message: "x509: certificate is valid for https://reg.example.com, not reg.example.com"},
				{Client: openssl, Message: "error 62: hostname mismatch"},
			},
			Fix: "crpki gen --dns registry.example.com", Sources: []string{"RFC 5280 4.2.1.6"},
		}),
		nameRule("san-port", inspect.Error, holdsPort, inspect.Doc{
			Title: "A DNS name holds a port.",
			Why:   "Clients compare the host without its port, so that the name matches nothing.",
			Refusals: []inspect.Refusal{
				{Client: goClients, Message: "x509: certificate is valid for reg.example.com:5000, not reg.example.com"},
				{Client: openssl, Message: "error 62: hostname mismatch"},
			},
			Fix: "crpki gen --dns registry.example.com", Sources: []string{"RFC 5280 4.2.1.6"},
		}),
		nameRule("san-blank", inspect.Error, holdsBlank, inspect.Doc{
			Title: "A DNS name holds a blank or another invisible character.",
			Why:   "A space behind the comma or a line break from a file became part of the name, which then matches nothing.",
			Refusals: []inspect.Refusal{
				{Client: goClients, Message: "x509: certificate is valid for  reg.example.com, not reg.example.com"},
				{Client: openssl, Message: "error 62: hostname mismatch"},
				{Client: gnutls, Message: "The name in the certificate does not match the expected."},
			},
			Fix: "crpki gen --dns registry.example.com", Sources: []string{"RFC 5280 4.2.1.6"},
		}),
		nameRule("san-trailing-dot", inspect.Error, trailingDot, inspect.Doc{
			Title: "A DNS name ends with a dot.",
			Why:   "The dot belongs to DNS, not to certificates: clients compare the name without it.",
			Refusals: []inspect.Refusal{
				{Client: goClients, Message: "x509: certificate is valid for reg.example.com., not reg.example.com"},
				{Client: openssl, Message: "error 62: hostname mismatch"},
				{Client: gnutls, Message: "The name in the certificate does not match the expected."},
			},
			Fix: "crpki gen --dns registry.example.com", Sources: []string{"RFC 5280 4.2.1.6"},
		}),
		{
			ID: "san-malformed", Group: Names, Severity: inspect.Error, Each: fault(lenient.BadGeneralName),
			Doc: inspect.Doc{
				Title: "The list of names is malformed.",
				Why:   "Go refuses the whole certificate when one name is not ASCII or the list is broken.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: SAN dNSName is malformed"},
				},
				Fix: "crpki gen --dns xn--rgistry-bya.example.com", Sources: []string{"RFC 5280 4.2.1.6"}, Since: since,
			},
		},
		{
			ID: "san-empty", Group: Names, Severity: inspect.Error, Each: fault(lenient.EmptySAN),
			Doc: inspect.Doc{
				Title: "The subjectAltName extension holds no name.",
				Why:   "With the extension there and empty, no name and no address matches.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate is not valid for any names, but wanted to match reg.example.com"},
				},
				Fix: "crpki gen --dns registry.example.com", Sources: []string{"RFC 5280 4.2.1.6"}, Since: since,
			},
		},
		nameRule("san-cluster-name-typo", inspect.Warning, clusterTypo, inspect.Doc{
			Title:   "A name almost ends in .svc.cluster.local.",
			Why:     "A misspelt cluster name matches no Service.",
			Fix:     "crpki gen --preset in-cluster-service --service namespace/name",
			Sources: []string{"https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/"},
		}),
		{
			ID: "san-loopback", Group: Names, Severity: inspect.Info, Needs: inspect.NeedLeaf, Each: leaf(onlyLoopback),
			Doc: inspect.Doc{
				Title: "All names are loopback addresses or localhost.",
				Why:   "That is right for tests on one machine: no other machine reaches the registry by these names.",
				Fix:   "crpki gen --ip 10.96.0.50", Sources: []string{"RFC 6890 2.2"}, Since: since,
			},
		},
		addressRule("san-unspecified-address", inspect.Error, "A name is the unspecified address, 0.0.0.0 or ::.",
			"Servers listen on it; nobody dials it. The address that clients dial is missing.",
			func(a netip.Addr) bool { return a.IsUnspecified() }),
		addressRule("san-link-local", inspect.Warning, "A name is a link-local address.",
			"It is valid on one network segment only, and changes with the machine.",
			func(a netip.Addr) bool { return a.IsLinkLocalUnicast() }),
		addressRule("san-documentation-address", inspect.Warning, "A name is an address reserved for documentation.",
			"It was copied from an example; no machine has it.", isDocumentation),
		{
			ID: "san-cn-missing", Group: Names, Severity: inspect.Warning, Needs: inspect.NeedLeaf, Each: leaf(cnNotAmongNames),
			Doc: inspect.Doc{
				Title: "The common name looks like a host but is not among the names.",
				Why:   "Go clients do not look at the common name, so that a host that stands there alone is not covered.",
				Refusals: []inspect.Refusal{
					{Client: goClients, Message: "x509: certificate is valid for A, not B"},
				},
				Fix: "crpki renew tls.crt --dns registry.example.com", Sources: []string{"CA/Browser Forum BR 7.1.4.3", "RFC 9525 1.2"}, Since: since,
			},
		},
	}
}

// leaf restricts a check to the certificate that the server presents.
func leaf(check func(*inspect.Subject) []inspect.Finding) func(*inspect.Evidence, *inspect.Subject) []inspect.Finding {
	return func(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
		if s.Role != inspect.Leaf {
			return nil
		}
		return check(s)
	}
}

// fault turns a fault of the encoding into a finding.
func fault(rule string) func(*inspect.Evidence, *inspect.Subject) []inspect.Finding {
	return func(_ *inspect.Evidence, s *inspect.Subject) (out []inspect.Finding) {
		for _, f := range s.Faults {
			if f.Rule == rule {
				found := inspect.Finding{Origin: s.Origin, Message: f.String()}
				if s.X509 == nil && s.Role == inspect.Leaf {
					found.Fix = remake(s)
				}
				out = append(out, found)
			}
		}
		return out
	}
}

// secondSAN shows the names of each subjectAltName extension, and makes a
// command of them all.
func secondSAN(_ *inspect.Evidence, s *inspect.Subject) []inspect.Finding {
	found := fault(lenient.DuplicateSAN)(nil, s)
	if len(found) == 0 {
		return nil
	}
	var lists []string
	for i, list := range s.View.SANs {
		names := "none"
		if len(list) > 0 {
			names = listTexts(list)
		}
		lists = append(lists, fmt.Sprintf("subjectAltName %d says %s", i+1, names))
	}
	found[0].Message += ": " + strings.Join(lists, ", ")
	found[0].Fix = remake(s)
	return found[:1]
}

// remake is the command that makes a certificate with the names of one that Go
// refuses, which renew cannot read; "" when it has none.
func remake(s *inspect.Subject) string {
	command := "crpki gen"
	for _, n := range generalNames(s) {
		name, _, err := pki.ParseName(n.Kind + ":" + n.Value)
		if flag := map[pki.NameKind]string{pki.DNS: "--dns", pki.IP: "--ip"}[name.Kind]; err == nil && flag != "" {
			command += " " + flag + " " + inspect.ShellWord(name.Value)
		}
	}
	if command == "crpki gen" || len(command) > 200 {
		return ""
	}
	return command
}

// say gives nil, or one finding about s.
func say(s *inspect.Subject, message string) []inspect.Finding {
	if message == "" {
		return nil
	}
	return []inspect.Finding{{Origin: s.Origin, Message: message}}
}

// eachName applies check, which gives "" or what is wrong, to the names of one kind.
func eachName(kind string, check func(name string) string) func(*inspect.Subject) []inspect.Finding {
	return func(s *inspect.Subject) (out []inspect.Finding) {
		for _, n := range generalNames(s) {
			if n.Kind == kind {
				out = append(out, say(s, check(n.Value))...)
			}
		}
		return out
	}
}

func nameRule(id string, severity inspect.Severity, check func(string) string, doc inspect.Doc) inspect.Rule {
	doc.Since = since
	return inspect.Rule{ID: id, Group: Names, Severity: severity, Needs: inspect.NeedLeaf, Each: leaf(eachName("DNS", check)), Doc: doc}
}

func addressRule(id string, severity inspect.Severity, title, why string, is func(netip.Addr) bool) inspect.Rule {
	check := func(value string) string {
		addr, err := netip.ParseAddr(value)
		if err != nil || !is(addr.Unmap()) {
			return ""
		}
		return fmt.Sprintf("IP:%s: %s", value, lowerFirst(strings.TrimSuffix(why, ".")))
	}
	return inspect.Rule{
		ID: id, Group: Names, Severity: severity, Needs: inspect.NeedLeaf, Each: leaf(eachName("IP", check)),
		Doc: inspect.Doc{Title: title, Why: why, Fix: "crpki gen --ip 10.96.0.50", Sources: []string{"RFC 6890 2.2"}, Since: since},
	}
}

// lowerFirst makes a sentence the second half of another one.
func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// generalNames are the names of every SAN extension, in their order.
func generalNames(s *inspect.Subject) []lenient.GeneralName {
	switch len(s.View.SANs) {
	case 0:
		return nil
	case 1:
		return s.View.SANs[0]
	}
	var all []lenient.GeneralName
	for _, list := range s.View.SANs {
		all = append(all, list...)
	}
	return all
}

func noSAN(s *inspect.Subject) []inspect.Finding {
	if len(s.View.SANs) > 0 || !s.View.Whole {
		return nil
	}
	if cn := commonName(s); cn != "" {
		return say(s, fmt.Sprintf("no subjectAltName: the common name %q alone is looked at by no Go client", cn))
	}
	return say(s, "no subjectAltName: no client finds a name or an address in it")
}

func commonName(s *inspect.Subject) string {
	for _, a := range s.View.Subject {
		if a.OID == "2.5.4.3" {
			return a.Value
		}
	}
	return ""
}

// names are the certificate's names as clients compare them.
func namesOf(s *inspect.Subject) pki.Names {
	var out pki.Names
	for _, n := range generalNames(s) {
		switch n.Kind {
		case "DNS":
			out = append(out, pki.Name{Kind: pki.DNS, Value: n.Value})
		case "IP":
			out = append(out, pki.Name{Kind: pki.IP, Value: n.Value})
		}
	}
	return out
}

func hostMissing(e *inspect.Evidence) []inspect.Finding { return missing(e, pki.DNS) }
func ipMissing(e *inspect.Evidence) []inspect.Finding   { return missing(e, pki.IP) }

func missing(e *inspect.Evidence, kind pki.NameKind) (out []inspect.Finding) {
	subjects := e.Subjects()
	at := slices.IndexFunc(subjects, func(s inspect.Subject) bool { return s.Role == inspect.Leaf })
	if at < 0 || !subjects[at].View.Whole {
		return nil // its names may stand where nobody can read them
	}
	s := &subjects[at]
	have := namesOf(s)
	flag := "--" + strings.ToLower(kind.String())
	for _, h := range e.Hosts {
		if h.Name.Kind != kind || have.Covers(h.Name.Value) {
			continue
		}
		message := fmt.Sprintf("%s (from %s) is not among the names: %s", h.Name.Value, h.From, listNames(have))
		if near := asOtherKind(have, h.Name); near != "" {
			message += "; " + near
		}
		out = append(out, inspect.Finding{
			Origin: s.Origin, Message: message, Got: strings.Join(have.Strings(), ", "), Want: h.Name.String(),
			Fix: fmt.Sprintf("crpki renew %s %s %s", ownFile(s.Origin), flag, h.Name.Value),
		})
	}
	return out
}

// ownFile is the certificate's file for a command, or the usual name of one
// when it stands in a Secret or comes from a pipe.
func ownFile(o pki.Origin) string {
	if o.Field != "" || o.Source == "-" {
		return "tls.crt"
	}
	return inspect.ShellWord(o.Source)
}

// asOtherKind says when the value is there, but as the wrong kind of name.
func asOtherKind(have pki.Names, want pki.Name) string {
	for _, n := range have {
		if n.Value == want.Value && n.Kind != want.Kind {
			return fmt.Sprintf("it stands there as %s, which does not count for %s", n, want)
		}
	}
	return ""
}

// listNames keeps a message readable when there are thousands.
func listNames(names pki.Names) string {
	const most = 6
	if len(names) == 0 {
		return "there are none"
	}
	texts := names.Strings()
	if len(texts) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(texts[:most], ", "), len(texts)-most)
	}
	return strings.Join(texts, ", ")
}

func listTexts(list []lenient.GeneralName) string {
	const most = 6
	var texts []string
	for _, n := range list[:min(most, len(list))] {
		texts = append(texts, n.String())
	}
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(texts, ", "), len(list)-most)
	}
	return strings.Join(texts, ", ")
}

func ipAsDNS(name string) string {
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("DNS:%s is an IP address: clients look for it in an iPAddress entry (IP:%s)", name, addr.Unmap())
}

func dnsAsIP(s *inspect.Subject) (out []inspect.Finding) {
	for _, n := range generalNames(s) {
		if n.Kind != "IP" || len(n.Raw) == 4 || len(n.Raw) == 16 {
			continue
		}
		message := fmt.Sprintf("an iPAddress holds %d octets (%s); 4 or 16 are allowed", len(n.Raw), n.Value)
		switch {
		case len(n.Raw) == 8:
			message += ": address and netmask, which only name constraints have"
		case printable(n.Raw):
			message += fmt.Sprintf(": they spell %q", n.Raw)
		}
		out = append(out, say(s, message)...)
	}
	return out
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return len(b) > 0
}

func mappedIP(s *inspect.Subject) []inspect.Finding {
	return eachName("IP", func(value string) string {
		addr, err := netip.ParseAddr(value)
		if err != nil || !addr.Is4In6() {
			return ""
		}
		return fmt.Sprintf("IP:%s is written in 16 octets: OpenSSL and GnuTLS do not find %s in it", value, addr.Unmap())
	})(s)
}

func emptyName(name string) string {
	if name == "" {
		return "a DNS name is empty"
	}
	return ""
}

func duplicateName(s *inspect.Subject) (out []inspect.Finding) {
	count := map[string]int{}
	for _, n := range generalNames(s) {
		key := strings.ToLower(n.String())
		if count[key]++; count[key] == 2 {
			out = append(out, say(s, n.String()+" stands there more than once")...)
		}
	}
	return out
}

func wildcardMisplaced(name string) string {
	first, rest, _ := strings.Cut(name, ".")
	switch {
	case !strings.Contains(name, "*"):
		return ""
	case name == "*":
		return "DNS:* matches no host in any client"
	case strings.Contains(rest, "*"):
		return fmt.Sprintf("DNS:%s: a star may stand in the left-most label only", name)
	case first != "*":
		return fmt.Sprintf("DNS:%s: the star must be the whole left-most label", name)
	}
	return ""
}

func wildcardTooWide(name string) string {
	rest, ok := strings.CutPrefix(name, "*.")
	if !ok || rest == "" || strings.Contains(rest, ".") {
		return ""
	}
	return fmt.Sprintf("DNS:%s: OpenSSL and GnuTLS ask for two labels behind the star", name)
}

func underscore(name string) string {
	if !strings.Contains(name, "_") {
		return ""
	}
	return fmt.Sprintf("DNS:%s holds an underscore: an image reference cannot name it", name)
}

func holdsURL(name string) string {
	if !strings.ContainsAny(name, "/") {
		return ""
	}
	return fmt.Sprintf("DNS:%s is a URL or a path, not a host name%s", visible(name), cleaned(name))
}

func holdsPort(name string) string {
	if strings.Contains(name, "/") || !strings.Contains(name, ":") || ipAsDNS(name) != "" {
		return ""
	}
	return fmt.Sprintf("DNS:%s holds a colon: a name has no port%s", visible(name), cleaned(name))
}

func holdsBlank(name string) string {
	for _, c := range name {
		if c <= ' ' || c == 0x7f || c == 0xa0 {
			return fmt.Sprintf("DNS:%s holds a blank or an invisible character%s", visible(name), cleaned(name))
		}
	}
	return ""
}

func trailingDot(name string) string {
	if !strings.HasSuffix(name, ".") {
		return ""
	}
	return fmt.Sprintf("DNS:%s ends with a dot%s", name, cleaned(name))
}

// visible shows what would not print.
func visible(name string) string {
	quoted := fmt.Sprintf("%q", name)
	if quoted == `"`+name+`"` && strings.TrimSpace(name) == name {
		return name
	}
	return quoted
}

// cleaned suggests the name that was probably meant.
func cleaned(name string) string {
	n, _, err := pki.ParseName(strings.TrimSpace(name))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (meant is probably %s)", n)
}

// clusterTypo finds names whose last labels are close to svc.cluster.local.
func clusterTypo(name string) string {
	const want = "svc.cluster.local"
	labels := strings.Split(strings.ToLower(name), ".")
	if len(labels) < 4 {
		return ""
	}
	tail := strings.Join(labels[len(labels)-3:], ".")
	if tail == want || distance(tail, want) > 2 {
		return ""
	}
	return fmt.Sprintf("DNS:%s ends in %q, which is close to %q", name, tail, want)
}

// distance is the number of edits between two short strings (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost = 1 + min(diagonal, row[j], row[j-1])
			}
			diagonal, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}

func onlyLoopback(s *inspect.Subject) []inspect.Finding {
	names := namesOf(s)
	for _, n := range names {
		if addr, err := netip.ParseAddr(n.Value); err == nil && addr.Unmap().IsLoopback() {
			continue
		}
		if n.Value != "localhost" && !strings.HasSuffix(n.Value, ".localhost") {
			return nil
		}
	}
	if len(names) == 0 {
		return nil
	}
	return say(s, "all names are loopback ones, which no other machine reaches: "+listNames(names))
}

// isDocumentation: RFC 5737, RFC 3849 and RFC 9637.
func isDocumentation(a netip.Addr) bool {
	for _, p := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"} {
		if netip.MustParsePrefix(p).Contains(a) {
			return true
		}
	}
	return false
}

func cnNotAmongNames(s *inspect.Subject) []inspect.Finding {
	cn := commonName(s)
	if len(s.View.SANs) == 0 || !hostLike(cn) {
		return nil
	}
	for _, n := range generalNames(s) {
		if strings.EqualFold(n.Value, cn) {
			return nil
		}
	}
	return say(s, fmt.Sprintf("the common name %s is not among the names %s", cn, listNames(namesOf(s))))
}

// hostLike is true for an address and for what has a dot and no blank.
func hostLike(cn string) bool {
	if _, err := netip.ParseAddr(cn); err == nil {
		return true
	}
	return strings.Contains(cn, ".") && !strings.ContainsAny(cn, " /@:") && !strings.HasSuffix(cn, ".")
}
