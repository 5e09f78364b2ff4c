package issue

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
)

// judge verifies a certificate that was just made, as a Go client would. An
// error here is an error of this package, or the CA is of such a kind that
// nobody could use the certificate: it must not be handed out.
func (s signed) judge(cert *x509.Certificate) error {
	errs := []error{judgeNames(cert, s.names), judgeChain(cert, s.chain, s.template.ExtKeyUsage)}
	if !slices.Equal(cert.ExtKeyUsage, s.template.ExtKeyUsage) || cert.KeyUsage != s.template.KeyUsage || cert.IsCA != s.template.IsCA {
		errs = append(errs, errors.New("the usages came out different"))
	}
	return errors.Join(errs...)
}

// judgeNames demands one SAN extension which holds the names and no others.
func judgeNames(cert *x509.Certificate, names pki.Names) error {
	count := 0
	for _, e := range cert.Extensions {
		if e.Id.String() == "2.5.29.17" { // id-ce-subjectAltName
			count++
		}
	}
	if want := min(len(names), 1); count != want {
		return fmt.Errorf("%d subjectAltName extensions, want %d", count, want)
	}
	got := pki.NamesOf(cert)
	if extra, missing := without(got, names), without(names, got); len(extra)+len(missing) > 0 {
		return fmt.Errorf("the names came out different: %s instead of %s", strings.Join(extra.Strings(), ", "), strings.Join(missing.Strings(), ", "))
	}
	var errs []error
	for _, n := range got {
		if n.Kind != pki.DNS && n.Kind != pki.IP {
			continue
		}
		// By its own name alone, or ten thousand names cost a hundred million
		// comparisons.
		if host := strings.Replace(n.Value, "*", "wildcard", 1); !(pki.Names{n}).Covers(host) {
			errs = append(errs, cert.VerifyHostname(host))
		}
	}
	return errors.Join(errs...)
}

// without returns the names of a that are not in b.
func without(a, b pki.Names) pki.Names {
	known := make(map[pki.Name]bool, len(b))
	for _, n := range b {
		known[n] = true
	}
	var rest pki.Names
	for _, n := range a {
		if !known[n] {
			rest = append(rest, n)
		}
	}
	return rest
}

// judgeChain verifies under the top of chain, or under the certificate itself
// when there is none, for each usage, at the moment from which on everything is
// valid.
func judgeChain(cert *x509.Certificate, chain []*x509.Certificate, usages []x509.ExtKeyUsage) error {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	chain = append([]*x509.Certificate{cert}, chain...)
	for _, c := range chain[:len(chain)-1] {
		intermediates.AddCert(c)
	}
	roots.AddCert(chain[len(chain)-1])
	if len(usages) == 0 { // a CA
		usages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	for _, use := range usages {
		if _, err := cert.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: intermediates, CurrentTime: chainStart(chain), KeyUsages: []x509.ExtKeyUsage{use},
		}); err != nil {
			return err
		}
	}
	return nil
}
