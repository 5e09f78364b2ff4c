package view

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/lenient"
)

// Describe says what m holds, and how its parts belong together. now is the
// moment to which validity refers.
func Describe(m pki.Material, now time.Time) Document {
	d := Document{
		Schema:       SchemaVersion,
		At:           now.UTC().Truncate(time.Second),
		Certificates: []Certificate{},
		Requests:     []Request{},
		Keys:         []Key{},
		Notes:        []Note{},
	}
	certs := slices.Concat(m.Certs, m.Anchors)
	for i, c := range certs {
		d.Certificates = append(d.Certificates, describeCertificate(c, now))
		d.Certificates[i].TrustAnchor = i >= len(m.Certs)
	}
	for _, r := range m.CSRs {
		d.Requests = append(d.Requests, describeRequest(r))
	}
	for _, k := range m.Keys {
		d.Keys = append(d.Keys, describeKey(k))
	}
	d.addNotes(m.Notes)
	d.separate()
	d.linkCertificates(certs)
	d.linkKeys()
	return d
}

// friendlyName is the rule of the notes that hold the name of a PKCS#12 entry.
const friendlyName = "pkcs12-friendly-name"

// addNotes gives names to their entries, and keeps the other notes as they are.
func (d *Document) addNotes(notes []pki.Note) {
	called := map[Text]Text{}
	for _, n := range notes {
		id := Text(n.Origin.String())
		if n.Rule == friendlyName {
			called[id] = Text(n.Detail)
			continue
		}
		d.Notes = append(d.Notes, Note{Rule: n.Rule, ID: id, Line: n.Origin.Line, Detail: Text(n.Detail)})
	}
	for i := range d.Certificates {
		d.Certificates[i].FriendlyName = called[d.Certificates[i].ID]
	}
	for i := range d.Keys {
		d.Keys[i].FriendlyName = called[d.Keys[i].ID]
	}
}

// separate makes IDs differ where one block holds several certificates, as
// PKCS#7 in PEM does: "tls.p7b#1", "tls.p7b#1.2".
func (d *Document) separate() {
	counts := map[Text]int{}
	for i := range d.Certificates {
		id := &d.Certificates[i].ID
		if counts[*id]++; counts[*id] > 1 {
			*id = Text(fmt.Sprintf("%s.%d", *id, counts[*id]))
		}
	}
}

func describeItem(o pki.Origin, err error) Item {
	item := Item{
		ID:     Text(o.String()),
		Origin: Origin{Source: Text(o.Source), Field: Text(o.Field), Index: o.Index, Line: o.Line},
	}
	if err != nil {
		item.Error = Text(err.Error())
	}
	return item
}

func describeCertificate(c pki.Cert, now time.Time) Certificate {
	p, complete := parseCertificate(c.Raw)
	v := Certificate{
		Item:               describeItem(c.Origin, c.Err),
		Names:              []Name{},
		Subject:            describeName(p.subject),
		Issuer:             describeName(p.issuer),
		Issuers:            []Text{},
		Keys:               []Text{},
		Position:           UnknownPosition,
		PublicKey:          describePublicKey(p.key),
		Version:            p.version + 1,
		SerialNumber:       describeSerial(p.serial),
		SignatureAlgorithm: describeAlgorithm(p.inner),
		Validity:           describeValidity(p.notBefore, p.notAfter, now),
		Fingerprints:       fingerprints(c.Raw),
		Size:               len(c.Raw),
		PEM:                string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})),
		Policies:           []Text{},
		OCSPServers:        []Text{},
		IssuerURLs:         []Text{},
		CRLURLs:            []Text{},
		Timestamps:         []Timestamp{},
	}
	v.Extensions = describeExtensions(p.extensions)
	v.Usages, v.Names, v.NameLists = describeUsages(p.extensions)
	for _, e := range p.extensions {
		v.readExtension(e)
	}
	if complete {
		v.Position = position(v.IsCA, p)
	} else if p.serial == nil {
		v.Version = 0
	}
	if c.X509 == nil {
		for _, f := range faultsOf(c.Raw) {
			v.Faults = append(v.Faults, Fault{Rule: f.Rule, Field: f.Field, Offset: f.Offset, Detail: Text(f.Detail)})
		}
	}
	return v
}

// position goes by names alone; whether the signature is its own is found out
// later.
func position(isCA bool, p parts) Position {
	selfIssued := string(p.subject) == string(p.issuer)
	switch {
	case selfIssued && (isCA || p.version < 2): // before version 3, a CA cannot say so
		return Root
	case isCA:
		return Intermediate
	default:
		return Leaf
	}
}

// readExtension takes what only certificates have. A malformed extension adds
// nothing; that it is there, Extensions says.
func (v *Certificate) readExtension(e extension) {
	switch e.oid {
	case oidAuthorityKeyID:
		if a, ok := decodeAuthorityKeyID(e.value); ok {
			v.AuthorityKeyID = octets(a.keyID)
		}
	case oidPolicies:
		policies, _ := decodePolicies(e.value)
		for _, p := range policies {
			v.Policies = append(v.Policies, Text(p.oid))
		}
	case oidAuthorityInfo:
		access, _ := decodeAccess(e.value)
		for _, a := range access {
			switch a.method {
			case oidOCSP:
				v.OCSPServers = append(v.OCSPServers, Text(a.location.text()))
			case oidCAIssuers:
				v.IssuerURLs = append(v.IssuerURLs, Text(a.location.text()))
			}
		}
	case oidCRLPoints:
		points, _ := decodeCRLPoints(e.value)
		for _, p := range points {
			for _, n := range p.full {
				v.CRLURLs = append(v.CRLURLs, Text(n.text()))
			}
		}
	case oidSCTs:
		scts, _ := decodeSCTs(e.value)
		for _, s := range scts {
			if s.version == 0 && s.timestamp <= maxTimestamp {
				v.Timestamps = append(v.Timestamps, Timestamp{octets(s.logID), s.time()})
			}
		}
	}
}

// maxTimestamp is the end of the year 9999 in milliseconds since 1970: JSON has
// no form for later times.
const maxTimestamp = 253402300799999

// keyUsageNames are those of RFC 5280, 4.2.1.3.
var keyUsageNames = [...]string{
	"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment",
	"keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
}

// describeUsages reads what certificates and requests both have. A second
// subjectAltName adds its names to those of the first; then lists has the names
// of each.
func describeUsages(extensions []extension) (u Usages, names []Name, lists [][]Name) {
	u = Usages{KeyUsage: []string{}, ExtendedKeyUsage: []string{}}
	names = []Name{}
	for _, e := range extensions {
		switch e.oid {
		case oidBasicConstraints:
			c, _ := decodeBasicConstraints(e.value)
			u.IsCA = c.ca
			if c.pathLen != nil && c.pathLen.IsInt64() {
				n := c.pathLen.Int64()
				u.MaxPathLength = &n
			}
		case oidKeyUsage:
			if b, ok := decodeBits(e.value); ok {
				u.KeyUsage = append(u.KeyUsage, b.named(keyUsageNames[:])...)
			}
		case oidExtKeyUsage:
			oids, _ := decodeOIDs(e.value)
			for _, oid := range oids {
				u.ExtendedKeyUsage = append(u.ExtendedKeyUsage, shortName(oid))
			}
		case oidSubjectKeyID:
			if id, ok := decodeOctets(e.value); ok {
				u.SubjectKeyID = octets(id)
			}
		case oidNameConstraints:
			if c, ok := decodeNameConstraints(e.value); ok {
				u.NameConstraints = &NameConstraints{e.critical, subtrees(c.permitted), subtrees(c.excluded)}
			}
		case oidSubjectAltName:
			found, _ := decodeGeneralNames(e.value)
			list := []Name{}
			for _, n := range found {
				list = append(list, Name{nameKinds[n.kind], Text(n.text())})
			}
			names, lists = append(names, list...), append(lists, list)
		}
	}
	if len(lists) < 2 {
		lists = nil
	}
	return u, names, lists
}

func subtrees(names []generalName) []Name {
	all := []Name{}
	for _, n := range names {
		all = append(all, Name{nameKinds[n.kind], Text(n.subtree())})
	}
	return all
}

func describeExtensions(extensions []extension) []Extension {
	all := []Extension{}
	for _, e := range extensions {
		x := Extension{OID: e.oid, Critical: e.critical, Size: len(e.value)}
		if o, ok := findObject(e.oid); ok {
			x.Name = o.short
		}
		if name := lenient.ExtensionName(e.oid); name != e.oid {
			x.Name = name
		}
		all = append(all, x)
	}
	return all
}

func describeName(der []byte) DistinguishedName {
	parsed, _ := parseName(der)
	n := DistinguishedName{Text: Text(dnText(parsed)), Attributes: []Attribute{}}
	for _, a := range parsed {
		value, ok := a.value.text()
		if !ok {
			value = "#" + hexLower(a.value.raw, "")
		}
		n.Attributes = append(n.Attributes, Attribute{shortName(a.oid), a.oid, Text(value)})
	}
	return n
}

// describeSerial gives the number in hexadecimal, an even number of digits,
// with a minus sign before a negative one.
func describeSerial(content []byte) string {
	if len(content) == 0 {
		return ""
	}
	n := signedInt(content)
	text := hexLower(magnitude(content), "")
	if n.Sign() < 0 {
		return "-" + text
	}
	return text
}

func describeAlgorithm(a algorithm) Algorithm {
	if a.oid == "" {
		return Algorithm{}
	}
	return Algorithm{signatureName(a), a.oid}
}

func describePublicKey(spki []byte) PublicKey {
	k, ok := parsePublicKey(spki)
	if !ok {
		return PublicKey{Text: "unreadable"}
	}
	family, curve, size := k.describe()
	v := PublicKey{Algorithm: family, Bits: size, Curve: curve, Text: k.text()}
	sum := sha256.Sum256(spki)
	v.SHA256 = octets(sum[:])
	if family == "RSA" || family == "RSA-PSS" {
		if _, e, ok := k.rsa(); ok && e.BitLen() <= 64 {
			v.Exponent = e.String()
		}
	}
	return v
}

// octets writes identifiers and hashes in one word that can be copied, 64
// columns for the longest.
func octets(b []byte) string { return hexLower(b, "") }

func fingerprints(der []byte) Fingerprints {
	s256, s1 := sha256.Sum256(der), sha1.Sum(der)
	return Fingerprints{octets(s256[:]), octets(s1[:])}
}

func describeValidity(notBefore, notAfter derTime, now time.Time) Validity {
	v := Validity{State: Unknown}
	from, ok1 := lenientTime(notBefore)
	to, ok2 := lenientTime(notAfter)
	if !ok1 || !ok2 || !inJSON(from) || !inJSON(to) {
		return v
	}
	v.NotBefore, v.NotAfter = from.UTC(), to.UTC()
	// time.Duration ends after 292 years.
	v.SecondsLeft = to.Unix() - now.Unix()
	v.secondsToStart = from.Unix() - now.Unix()
	v.DaysLeft = v.SecondsLeft / secondsPerDay
	v.LifetimeDays = (to.Unix() - from.Unix()) / secondsPerDay
	switch {
	case now.After(to):
		v.State = Expired
	case now.Before(from):
		v.State = NotYetValid
	default:
		v.State = Valid
	}
	return v
}

// inJSON reports whether RFC 3339 has a form for t.
func inJSON(t time.Time) bool { year := t.UTC().Year(); return 0 <= year && year <= 9999 }

const secondsPerDay = 24 * 60 * 60

func describeRequest(r pki.CSR) Request {
	p, _ := parseRequest(r.Raw)
	v := Request{
		Item:               describeItem(r.Origin, r.Err),
		Subject:            describeName(p.subject),
		Keys:               []Text{},
		Certificates:       []Text{},
		PublicKey:          describePublicKey(p.key),
		SignatureAlgorithm: describeAlgorithm(p.outer),
		SignatureValid:     r.X509 != nil && r.X509.CheckSignature() == nil,
		Extensions:         describeExtensions(p.extensions),
		Fingerprints:       fingerprints(r.Raw),
		Size:               len(r.Raw),
		PEM:                string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: r.Raw})),
	}
	v.Usages, v.Names, v.NameLists = describeUsages(p.extensions)
	return v
}

func describeKey(k pki.Key) Key {
	v := Key{
		Item:         describeItem(k.Origin, k.Err),
		Encrypted:    k.Encrypted,
		Certificates: []Text{},
		Requests:     []Text{},
		PublicKey:    PublicKey{Text: "unreadable"},
	}
	if spki, err := marshalPublicKey(k); err == nil {
		v.PublicKey = describePublicKey(spki)
		v.PEM = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	}
	return v
}

func marshalPublicKey(k pki.Key) ([]byte, error) {
	if k.Signer == nil {
		return nil, errors.New("the key could not be read")
	}
	return x509.MarshalPKIXPublicKey(k.Signer.Public())
}

// linkCertificates fills in who signed whom.
func (d *Document) linkCertificates(certs []pki.Cert) {
	first := make(map[string]int, len(certs))
	for i, c := range certs {
		if n, seen := first[string(c.Raw)]; seen {
			d.Certificates[i].SameAs = d.Certificates[n].ID
		} else {
			first[string(c.Raw)] = i
		}
	}
	for i, link := range pki.Links(certs) {
		v := &d.Certificates[i]
		v.SelfSigned, v.SignatureUnchecked = link.SelfSigned, link.Unchecked
		for _, n := range link.Issuers {
			twice := d.Certificates[n].SameAs != ""
			if len(v.issuers) < maxIDs && !twice && string(certs[n].Raw) != string(certs[i].Raw) {
				v.issuers = append(v.issuers, n)
				v.Issuers = append(v.Issuers, d.Certificates[n].ID)
			}
		}
		for _, n := range link.Namesakes {
			v.Namesakes = append(v.Namesakes, d.Certificates[n].ID)
		}
		switch {
		case link.SelfSigned && v.Position == Leaf:
			v.Position = SelfSigned
		case !link.SelfSigned && v.Position == Root && v.Error == "":
			v.Position = Intermediate // self-issued with another key: a roll-over
		}
	}
}

// maxIDs bounds lists of IDs, for a heap of thousands of certificates for one
// key would otherwise take memory with its square.
const maxIDs = 100

func addID(list *[]Text, id Text) {
	if len(*list) < maxIDs {
		*list = append(*list, id)
	}
}

// linkKeys finds what belongs to the same public key.
func (d *Document) linkKeys() {
	certs, requests := map[string][]int{}, map[string][]int{}
	for i, c := range d.Certificates {
		certs[c.PublicKey.SHA256] = append(certs[c.PublicKey.SHA256], i)
	}
	delete(certs, "") // unreadable
	for i := range d.Requests {
		r := &d.Requests[i]
		requests[r.PublicKey.SHA256] = append(requests[r.PublicKey.SHA256], i)
		for _, n := range firstFew(certs[r.PublicKey.SHA256]) {
			addID(&r.Certificates, d.Certificates[n].ID)
		}
	}
	delete(requests, "")
	counts := map[string]int{}
	for i := range d.Keys {
		k := &d.Keys[i]
		for _, n := range firstFew(certs[k.PublicKey.SHA256]) {
			addID(&k.Certificates, d.Certificates[n].ID)
		}
		for _, n := range firstFew(requests[k.PublicKey.SHA256]) {
			addID(&k.Requests, d.Requests[n].ID)
		}
		if counts[k.PublicKey.SHA256]++; counts[k.PublicKey.SHA256] > maxIDs {
			continue
		}
		for _, n := range certs[k.PublicKey.SHA256] {
			addID(&d.Certificates[n].Keys, k.ID)
		}
		for _, n := range requests[k.PublicKey.SHA256] {
			addID(&d.Requests[n].Keys, k.ID)
		}
	}
}

func firstFew(n []int) []int { return n[:min(len(n), maxIDs)] }
