package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// remedy is what helps against the cause of a failed attempt: a command where
// there is one.
func remedy(d Decision, e Endpoint, err error) string {
	var (
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	host, _ := SplitHost(e.Host)
	switch {
	case errors.As(err, &hostname):
		flag := "--dns"
		if net.ParseIP(host) != nil {
			flag = "--ip"
		}
		return fmt.Sprintf("the server needs a certificate for the name that is dialled: crpki renew CERTIFICATE %s %s", flag, host)
	case errors.As(err, &authority):
		registry := d.Reference.Registry
		if e.Mirror {
			registry = e.Host
		}
		return fmt.Sprintf("crpki trust install --ca CA.crt %s --runtime %s", registry, d.Installation.Runtime)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "a new certificate, or the right time on the node: crpki renew CERTIFICATE"
	case errors.As(err, &invalid):
		return "a certificate that Go's clients accept: crpki lint CERTIFICATE says what is wrong with it"
	}
	return ""
}
