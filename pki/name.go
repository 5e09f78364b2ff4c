package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
)

// NameKind is the kind of a subject alternative name (RFC 5280, 4.2.1.6). The
// zero value stands for "decide from the value" wherever a kind is asked for.
type NameKind uint8

// The kinds that a TLS certificate of a server or client carries.
const (
	DNS   NameKind = iota + 1 // dNSName
	IP                        // iPAddress
	URI                       // uniformResourceIdentifier
	Email                     // rfc822Name
)

// String gives the prefix by which OpenSSL writes names of this kind: "DNS",
// "IP", "URI", "email".
func (k NameKind) String() string {
	switch k {
	case DNS:
		return "DNS"
	case IP:
		return "IP"
	case URI:
		return "URI"
	case Email:
		return "email"
	default:
		return "name"
	}
}

// Name is one subject alternative name. Made by [ParseName] it is canonical:
// two names that every client takes for the same are equal. Found in a
// certificate by [NamesOf] it is as it was found.
type Name struct {
	Kind NameKind
	// Value is ASCII: "reg.local", "10.96.0.50", "spiffe://prod/registry".
	Value string
}

// String gives the form that OpenSSL and [ParseName] take: "IP:10.96.0.50".
func (n Name) String() string { return n.Kind.String() + ":" + n.Value }

// Names are the subject alternative names of one certificate, in their order.
type Names []Name

// With returns ns with more behind it. A name that is already there is left
// out; ns itself is not changed.
func (ns Names) With(more ...Name) Names {
	seen := make(map[Name]bool, len(ns)+len(more))
	all := make(Names, 0, len(ns)+len(more))
	for _, n := range slices.Concat(ns, more) {
		if !seen[n] {
			seen[n] = true
			all = append(all, n)
		}
	}
	return all
}

// DNS returns the DNS names, for x509.Certificate.DNSNames.
func (ns Names) DNS() []string { return ns.values(DNS) }

// Emails returns the e-mail addresses, for x509.Certificate.EmailAddresses.
func (ns Names) Emails() []string { return ns.values(Email) }

// IPs returns the addresses, for x509.Certificate.IPAddresses: IPv4 in 4 bytes,
// since OpenSSL and GnuTLS do not find one that is mapped into IPv6. Values
// that are no address, which ParseName never makes, are left out.
func (ns Names) IPs() []net.IP {
	var ips []net.IP
	for _, value := range ns.values(IP) {
		if addr, err := netip.ParseAddr(value); err == nil {
			ips = append(ips, addr.Unmap().AsSlice())
		}
	}
	return ips
}

// URIs returns the URIs, for x509.Certificate.URIs. Values that are no URI,
// which ParseName never makes, are left out.
func (ns Names) URIs() []*url.URL {
	var uris []*url.URL
	for _, value := range ns.values(URI) {
		if u, err := url.Parse(value); err == nil {
			uris = append(uris, u)
		}
	}
	return uris
}

// Strings returns every name with its prefix: "DNS:reg.local".
func (ns Names) Strings() []string {
	all := make([]string, len(ns))
	for i, n := range ns {
		all[i] = n.String()
	}
	return all
}

func (ns Names) values(kind NameKind) []string {
	var values []string
	for _, n := range ns {
		if n.Kind == kind {
			values = append(values, n.Value)
		}
	}
	return values
}

// maxCommonName is ub-common-name of RFC 5280, appendix A.1, in characters.
const maxCommonName = 64

// CommonName returns the first name that fits into a common name, or "" when
// none does. It is for people to read: Go clients look at the subject
// alternative names alone.
func (ns Names) CommonName() string {
	for _, n := range ns {
		if len(n.Value) <= maxCommonName {
			return n.Value
		}
	}
	return ""
}

// Covers reports whether a Go client that dials host, a DNS name or an IP
// address without port, finds itself at one of ns. The verdict is crypto/x509's
// own, wildcards included.
func (ns Names) Covers(host string) bool {
	c := x509.Certificate{DNSNames: ns.DNS(), IPAddresses: ns.IPs()}
	return c.VerifyHostname(host) == nil
}

// Canonical puts names that were found in a certificate or a CSR into the form
// that ParseName gives, for a certificate that is to carry them on. It says
// what it changed, and all the names that must not go into a certificate.
func (ns Names) Canonical() (Names, []string, error) {
	var (
		all     Names
		remarks []string
		errs    []error
	)
	for _, n := range ns {
		name, more, err := ParseNameAs(n.Kind, n.Value)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all, remarks = append(all, name), append(remarks, more...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	return Names{}.With(all...), remarks, nil
}

// NamesOf returns the names in c as they stand there, in the certificate's own
// order where c was parsed from one. Kinds other than the four, which name no
// server, are passed over.
func NamesOf(c *x509.Certificate) Names {
	return found(c.Extensions, c.DNSNames, c.EmailAddresses, c.IPAddresses, c.URIs)
}

// NamesOfCSR is NamesOf for a certificate signing request.
func NamesOfCSR(r *x509.CertificateRequest) Names {
	return found(r.Extensions, r.DNSNames, r.EmailAddresses, r.IPAddresses, r.URIs)
}

// found takes the names from the fields into which crypto/x509 sorts them by
// kind, and their order from the extension.
func found(extensions []pkix.Extension, dns, emails []string, ips []net.IP, uris []*url.URL) Names {
	order := sanOrder(extensions)
	byKind := map[NameKind]Names{}
	for _, v := range dns {
		byKind[DNS] = append(byKind[DNS], Name{DNS, v})
	}
	for _, v := range emails {
		byKind[Email] = append(byKind[Email], Name{Email, v})
	}
	for _, v := range ips {
		addr, _ := netip.AddrFromSlice(v)
		if order == nil { // a template, where net.IP holds IPv4 in 16 bytes
			addr = addr.Unmap()
		}
		byKind[IP] = append(byKind[IP], Name{IP, addr.String()})
	}
	for _, v := range uris {
		byKind[URI] = append(byKind[URI], Name{URI, v.String()})
	}
	var ns Names
	for _, kind := range order {
		if rest := byKind[kind]; len(rest) > 0 {
			ns, byKind[kind] = append(ns, rest[0]), rest[1:]
		}
	}
	for _, kind := range []NameKind{DNS, IP, Email, URI} {
		ns = append(ns, byKind[kind]...)
	}
	return ns
}

// sanOrder returns the kinds of the names in the subjectAltName extension, one
// by one, or nil where there is no such extension.
func sanOrder(extensions []pkix.Extension) []NameKind {
	oid := asn1.ObjectIdentifier{2, 5, 29, 17} // id-ce-subjectAltName
	i := slices.IndexFunc(extensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
	if i < 0 {
		return nil
	}
	var kinds []NameKind
	var list, item asn1.RawValue
	if _, err := asn1.Unmarshal(extensions[i].Value, &list); err != nil {
		return nil
	}
	// Tags of GeneralName, RFC 5280, 4.2.1.6.
	byTag := map[int]NameKind{1: Email, 2: DNS, 6: URI, 7: IP}
	for rest := list.Bytes; len(rest) > 0; {
		var err error
		if rest, err = asn1.Unmarshal(rest, &item); err != nil {
			return kinds
		}
		kinds = append(kinds, byTag[item.Tag])
	}
	return kinds
}
