package probe

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // what OCSP names issuers by (RFC 6960, 4.3)
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
)

// RevocationStatus is what the sources say of a certificate together: Revoked
// when one does, Good when one does and none says otherwise, else Unknown.
type RevocationStatus string

// The statuses of RFC 6960, 2.2.
const (
	Good    RevocationStatus = "good"
	Revoked RevocationStatus = "revoked"
	Unknown RevocationStatus = "unknown"
)

// Revocation is what was found out about one certificate of the chain.
type Revocation struct {
	// Index counts the certificates from 0, as served.
	Index   int                `json:"index"`
	Subject string             `json:"subject"`
	Status  RevocationStatus   `json:"status"`
	Sources []RevocationSource `json:"sources"`
}

// RevocationSource is one that was asked.
type RevocationSource struct {
	// Kind is "staple" (sent by the server), "ocsp" or "crl"; URL is where it
	// came from.
	Kind   string           `json:"kind"`
	URL    string           `json:"url,omitempty"`
	Status RevocationStatus `json:"status"`
	// RevokedAt and Reason (RFC 5280, 5.3.1) are those of Revoked.
	RevokedAt  time.Time `json:"revokedAt,omitzero"`
	Reason     string    `json:"reason,omitempty"`
	ThisUpdate time.Time `json:"thisUpdate,omitzero"`
	NextUpdate time.Time `json:"nextUpdate,omitzero"`
	// Error is why the status is not known: no answer, or one that is not signed
	// as it has to be, or is not of this time.
	Error string `json:"error,omitempty"`

	// Said is the status in the response, believed or not, "" when there is none;
	// ProducedAt is when it was signed.
	Said       RevocationStatus `json:"-"`
	ProducedAt time.Time        `json:"-"`
}

const (
	// maxRevoked bounds the certificates that are asked about, maxSources the
	// addresses for each and kind.
	maxRevoked, maxSources = 5, 3
	// maxOCSP and maxCRL bound answers, in bytes.
	maxOCSP, maxCRL = 1 << 20, 16 << 20
	// clockSkew is by how much the clocks of CAs may be ahead.
	clockSkew = 5 * time.Minute
)

// reasons are those of RFC 5280, 5.3.1.
var reasons = [...]string{
	"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation", "certificateHold",
	"", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
}

func reason(n int) string {
	if n < 0 || n >= len(reasons) {
		return fmt.Sprint(n)
	}
	return reasons[n]
}

// revocation asks about each certificate that was served, as far as its issuer
// is known. Nothing is dialled but what the certificates name, over HTTP.
func (o Options) revocation(ctx context.Context, r *Result, staple []byte) (all []Revocation) {
	client := o.revocationClient(r.Address)
	for i, c := range r.certs {
		if c.X509 == nil || len(all) == maxRevoked || pki.SelfIssued(c.X509) {
			continue
		}
		found := Revocation{Index: i, Subject: pki.Printable(c.X509.Subject.String()), Status: Unknown, Sources: []RevocationSource{}}
		issuer := issuerOf(c.X509, slices.Concat(r.certs, o.Trusted))
		add := func(kind, from string, check func() (RevocationSource, error)) {
			s, err := RevocationSource{}, errors.New("the issuer's certificate is not known, which would vouch for it")
			if issuer != nil {
				s, err = check()
			}
			if s.Kind, s.URL = kind, pki.Printable(from); err != nil {
				s.Status, s.Error = Unknown, printable(err)
			}
			found.Sources = append(found.Sources, s)
		}
		if i == 0 && len(staple) > 0 {
			add("staple", "", func() (RevocationSource, error) { return readOCSP(staple, c.X509, issuer, o.Now) })
		}
		for _, from := range c.X509.OCSPServer[:min(len(c.X509.OCSPServer), maxSources)] {
			add("ocsp", from, func() (RevocationSource, error) { return askOCSP(ctx, client, from, c.X509, issuer, o.Now) })
		}
		for _, from := range c.X509.CRLDistributionPoints[:min(len(c.X509.CRLDistributionPoints), maxSources)] {
			add("crl", from, func() (RevocationSource, error) { return fetchCRL(ctx, client, from, c.X509, issuer, o.Now) })
		}
		found.conclude()
		all = append(all, found)
	}
	return all
}

func (v *Revocation) conclude() {
	for _, s := range v.Sources {
		if s.Status == Revoked || s.Status == Good && v.Status == Unknown {
			v.Status = s.Status
		}
	}
}

// issuerOf gives the certificate that vouches for c, by its signature.
func issuerOf(c *x509.Certificate, among []pki.Cert) *x509.Certificate {
	for _, other := range among {
		if other.X509 != nil && pki.Issued(other.X509, c) {
			return other.X509
		}
	}
	return nil
}

// revocationClient fetches what certificates name, from where the server at
// address may send us.
func (o Options) revocationClient(address string) *http.Client {
	o = o.elsewhere(address)
	roots := x509.NewCertPool()
	for _, c := range o.Trusted {
		if c.X509 != nil {
			roots.AddCert(c.X509)
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				conn, _, err := o.dialOnce(ctx, Target{Host: host, Port: port})
				return conn, err
			},
			TLSClientConfig:   &tls.Config{RootCAs: roots, Time: func() time.Time { return o.Now }},
			DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader,
			TLSHandshakeTimeout: o.Timeouts.Handshake, ResponseHeaderTimeout: o.Timeouts.Handshake,
		},
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return fmt.Errorf("stopped after %d redirects", maxRedirects)
			}
			return fetchable(request.URL)
		},
	}
}

// fetchable refuses what is no HTTP, such as ldap, and what holds a login.
func fetchable(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("a URL with %q, which is not fetched: neither http nor https", u.Scheme)
	case u.Host == "":
		return errors.New("a URL without a host")
	case u.User != nil:
		return errors.New("a URL with a login, which is not used")
	}
	return nil
}

// fetch gives the body of an answer, when it is a good one.
func fetch(ctx context.Context, client *http.Client, method, from string, body []byte, most int64) ([]byte, error) {
	u, err := url.Parse(from)
	if err == nil {
		err = fetchable(u)
	}
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "crpki")
	if body != nil {
		request.Header.Set("Content-Type", "application/ocsp-request")
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %.100s", answer.Status)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("the answer is longer than %d MiB", most>>20)
	}
	return data, err
}

func askOCSP(ctx context.Context, client *http.Client, from string, c, issuer *x509.Certificate, now time.Time) (s RevocationSource, err error) {
	request, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		return s, err
	}
	data, err := fetch(ctx, client, http.MethodPost, from, request, maxOCSP)
	if err != nil {
		return s, err
	}
	return readOCSP(data, c, issuer, now)
}

// readOCSP believes a response that is about this certificate, signed by its
// issuer or by whom that has appointed (RFC 6960, 4.2.2.2), and of this time.
func readOCSP(data []byte, c, issuer *x509.Certificate, now time.Time) (s RevocationSource, err error) {
	// What is in the response is checked below: the library looks at neither
	// purpose nor dates of the responder's certificate.
	response, err := ocsp.ParseResponseForCert(data, c, nil)
	if err != nil {
		return s, err
	}
	s = RevocationSource{Status: Unknown, ThisUpdate: response.ThisUpdate, NextUpdate: response.NextUpdate, ProducedAt: response.ProducedAt}
	s.Said = [...]RevocationStatus{ocsp.Good: Good, ocsp.Revoked: Revoked, ocsp.Unknown: Unknown}[response.Status]
	if !isAbout(response.TBSResponseData, c, issuer) {
		return s, errors.New("the response is about a certificate of another issuer")
	}
	if err := vouched(response, issuer, now); err != nil {
		return s, err
	}
	if err := isCurrent("response", response.ThisUpdate, response.NextUpdate, now); err != nil {
		return s, err
	}
	switch response.Status {
	case ocsp.Good:
		s.Status = Good
	case ocsp.Revoked:
		s.Status, s.RevokedAt, s.Reason = Revoked, response.RevokedAt, reason(response.RevocationReason)
	default:
		return s, errors.New("the responder does not know the certificate")
	}
	return s, nil
}

// vouched checks who has signed the response.
func vouched(response *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	responder := response.Certificate
	switch {
	case responder == nil || responder.Equal(issuer):
		if err := response.CheckSignatureFrom(issuer); err != nil {
			return fmt.Errorf("not signed by the issuer: %w", err)
		}
		return nil
	case responder.CheckSignatureFrom(issuer) != nil:
		return fmt.Errorf("signed by %s, which the issuer has not appointed", responder.Subject)
	case !slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("signed by %s, which is not for OCSP", responder.Subject)
	case now.Before(responder.NotBefore) || now.After(responder.NotAfter):
		return fmt.Errorf("signed by %s, which is not valid now", responder.Subject)
	}
	return nil // ParseResponseForCert has verified the signature with its key
}

// isAbout is true when the response is about a certificate of this issuer: the
// library takes the first one that has the serial number.
func isAbout(tbs []byte, c, issuer *x509.Certificate) bool {
	in := cryptobyte.String(tbs)
	var data, responder, list cryptobyte.String
	var tag cbasn1.Tag
	if !in.ReadASN1(&data, cbasn1.SEQUENCE) ||
		!data.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) || // version
		!data.ReadAnyASN1(&responder, &tag) || !data.SkipASN1(cbasn1.GeneralizedTime) || !data.ReadASN1(&list, cbasn1.SEQUENCE) {
		return false
	}
	for !list.Empty() {
		var one, id, algorithm, name, key cryptobyte.String
		var oid asn1.ObjectIdentifier
		serial := new(big.Int)
		if !list.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1(&id, cbasn1.SEQUENCE) || !id.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
			!algorithm.ReadASN1ObjectIdentifier(&oid) || !id.ReadASN1(&name, cbasn1.OCTET_STRING) || !id.ReadASN1(&key, cbasn1.OCTET_STRING) ||
			!id.ReadASN1Integer(serial) {
			return false
		}
		if serial.Cmp(c.SerialNumber) == 0 {
			hash := hashOf(oid)
			return hash != nil && bytes.Equal(name, hash(issuer.RawSubject)) && bytes.Equal(key, hash(keyBits(issuer)))
		}
	}
	return false
}

func hashOf(oid asn1.ObjectIdentifier) func([]byte) []byte {
	switch oid.String() {
	case "1.3.14.3.2.26":
		return func(b []byte) []byte { s := sha1.Sum(b); return s[:] }
	case "2.16.840.1.101.3.4.2.1":
		return func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
	}
	return nil
}

// keyBits is the content of the BIT STRING in which the public key is.
func keyBits(c *x509.Certificate) []byte {
	in := cryptobyte.String(c.RawSubjectPublicKeyInfo)
	var spki cryptobyte.String
	var bits asn1.BitString
	if !in.ReadASN1(&spki, cbasn1.SEQUENCE) || !spki.SkipASN1(cbasn1.SEQUENCE) || !spki.ReadASN1BitString(&bits) {
		return nil
	}
	return bits.Bytes
}

func isCurrent(what string, from, until, now time.Time) error {
	switch {
	case from.After(now.Add(clockSkew)):
		return fmt.Errorf("the %s is of %s, which is not yet", what, from.UTC().Format(time.DateTime))
	case !until.IsZero() && until.Before(now):
		return fmt.Errorf("the %s is out of date since %s", what, until.UTC().Format(time.DateTime))
	}
	return nil
}

// fetchCRL believes a list that the issuer has signed, that is about all
// certificates of the kind and all reasons, and of this time (RFC 5280, 6.3).
func fetchCRL(ctx context.Context, client *http.Client, from string, c, issuer *x509.Certificate, now time.Time) (s RevocationSource, err error) {
	data, err := fetch(ctx, client, http.MethodGet, from, nil, maxCRL)
	if err != nil {
		return s, err
	}
	return readCRL(data, c, issuer, now)
}

func readCRL(data []byte, c, issuer *x509.Certificate, now time.Time) (s RevocationSource, err error) {
	if block, _ := pem.Decode(data); block != nil && block.Type == "X509 CRL" {
		data = block.Bytes
	}
	list, err := x509.ParseRevocationList(data)
	if err != nil {
		return s, err
	}
	s = RevocationSource{Status: Unknown, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate}
	if !verify.SameName(list.RawIssuer, c.RawIssuer) {
		return s, fmt.Errorf("the list is of %s, another issuer", list.Issuer)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return s, fmt.Errorf("not signed by the issuer: %w", err)
	}
	if err := isCurrent("list", list.ThisUpdate, list.NextUpdate, now); err != nil {
		return s, err
	}
	if err := covers(list, c); err != nil {
		return s, err
	}
	s.Status = Good
	for _, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(c.SerialNumber) == 0 {
			s.Status, s.RevokedAt, s.Reason = Revoked, e.RevocationTime, reason(e.ReasonCode)
		}
	}
	return s, nil
}

// covers refuses lists that are about some certificates alone, or that say
// something that is not understood here.
func covers(list *x509.RevocationList, c *x509.Certificate) error {
	for _, e := range list.Extensions {
		switch e.Id.String() {
		case "2.5.29.28": // issuingDistributionPoint
		case "2.5.29.27":
			return errors.New("the list has changes only (a delta CRL)")
		default:
			if e.Critical {
				return fmt.Errorf("the list has a critical extension that is not understood: %s", e.Id)
			}
			continue
		}
		in := cryptobyte.String(e.Value)
		var point cryptobyte.String
		if !in.ReadASN1(&point, cbasn1.SEQUENCE) {
			return errors.New("the list's issuingDistributionPoint cannot be read")
		}
		for !point.Empty() {
			var content cryptobyte.String
			var tag cbasn1.Tag
			if !point.ReadAnyASN1(&content, &tag) {
				return errors.New("the list's issuingDistributionPoint cannot be read")
			}
			set := len(content) == 1 && content[0] != 0
			switch number := tag & 0x1f; number {
			case 1:
				if set && c.IsCA {
					return errors.New("the list is not about CAs")
				}
			case 2:
				if set && !c.IsCA {
					return errors.New("the list is about CAs alone")
				}
			case 3, 4, 5:
				if set || number == 3 {
					return errors.New("the list is about some reasons, issuers or attributes alone")
				}
			}
		}
	}
	return nil
}

// revoked tells what is revoked. Clients of registries do not ask, neither Go's
// nor s_client: whom they refuse, they refuse for another reason.
func (r *Result) revoked() {
	for _, v := range r.Revocation {
		i := slices.IndexFunc(v.Sources, func(s RevocationSource) bool { return s.Status == Revoked })
		if i < 0 {
			continue
		}
		s, who := v.Sources[i], "the certificate was"
		if v.Index > 0 {
			who = v.Subject + " was"
		}
		text := fmt.Sprintf("%s revoked on %s (%s)", who, s.RevokedAt.UTC().Format(time.DateOnly), s.Reason)
		if r.Status != Trusted && r.Status != Warning {
			r.Verdict += "; and " + text
			return
		}
		r.Status, r.Verdict = Withdrawn, "trusted by clients, who do not ask, but "+text
		r.Cause = map[string]string{
			"staple": "the answer that the server itself sends along says so", "ocsp": "its CA says so when asked", "crl": "it is on its CA's list",
		}[s.Kind]
		r.Fix = "a certificate with a new key: the CA has withdrawn this one"
		return
	}
}
