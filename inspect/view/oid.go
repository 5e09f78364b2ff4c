package view

import (
	"math/big"
	"sort"
	"strconv"
	"strings"
)

//go:generate go run objects_gen.go

// object is what OpenSSL calls an object identifier.
type object struct{ oid, short, long string }

// curve is a named elliptic curve: its short name, the size of its order, and
// its name at NIST where it has one.
type curve struct {
	name string
	bits int
	nist string
}

func findObject(oid string) (object, bool) {
	i := sort.Search(len(objects), func(i int) bool { return objects[i].oid >= oid })
	if i < len(objects) && objects[i].oid == oid {
		return objects[i], true
	}
	return object{}, false
}

// longName is OpenSSL's long name of oid ("commonName"), or oid itself.
func longName(oid string) string {
	if o, ok := findObject(oid); ok {
		return o.long
	}
	return oid
}

// shortName is OpenSSL's short name of oid ("CN"), or oid itself.
func shortName(oid string) string {
	if o, ok := findObject(oid); ok {
		return o.short
	}
	return oid
}

func findCurve(oid string) (curve, bool) {
	name := shortName(oid)
	i := sort.Search(len(curves), func(i int) bool { return curves[i].name >= name })
	if i < len(curves) && curves[i].name == name {
		return curves[i], true
	}
	return curve{}, false
}

// maxOID is the length in bytes of the longest identifier of RFC 2578, section
// 3.5: 128 numbers of 32 bits.
const maxOID = 586

// oidText writes the content of an OBJECT IDENTIFIER in dots; "" when it is
// none.
func oidText(content []byte) string {
	if len(content) == 0 || len(content) > maxOID || content[len(content)-1]&0x80 != 0 {
		return ""
	}
	var b strings.Builder
	for first := true; len(content) > 0; first = false {
		n := 1
		for content[n-1]&0x80 != 0 {
			n++
		}
		arc := decodeArc(content[:n])
		content = content[n:]
		if !first {
			b.WriteString("." + arc.String())
			continue
		}
		root := int64(2)
		if arc.IsInt64() {
			root = min(arc.Int64()/40, 2)
		}
		b.WriteString(strconv.FormatInt(root, 10) + "." + arc.Sub(arc, big.NewInt(40*root)).String())
	}
	return b.String()
}

func decodeArc(septets []byte) *big.Int {
	if len(septets) <= 9 { // 63 bits
		var v int64
		for _, s := range septets {
			v = v<<7 | int64(s&0x7f)
		}
		return big.NewInt(v)
	}
	v := new(big.Int)
	for _, s := range septets {
		v.Lsh(v, 7).Or(v, big.NewInt(int64(s&0x7f)))
	}
	return v
}

// Object identifiers that the code itself looks at.
const (
	oidSubjectKeyID     = "2.5.29.14"
	oidKeyUsage         = "2.5.29.15"
	oidKeyPeriod        = "2.5.29.16"
	oidSubjectAltName   = "2.5.29.17"
	oidIssuerAltName    = "2.5.29.18"
	oidBasicConstraints = "2.5.29.19"
	oidCRLNumber        = "2.5.29.20"
	oidNameConstraints  = "2.5.29.30"
	oidCRLPoints        = "2.5.29.31"
	oidPolicies         = "2.5.29.32"
	oidPolicyMappings   = "2.5.29.33"
	oidAuthorityKeyID   = "2.5.29.35"
	oidPolicyLimits     = "2.5.29.36"
	oidExtKeyUsage      = "2.5.29.37"
	oidFreshestCRL      = "2.5.29.46"
	oidInhibitAnyPolicy = "2.5.29.54"
	oidAuthorityInfo    = "1.3.6.1.5.5.7.1.1"
	oidSubjectInfo      = "1.3.6.1.5.5.7.1.11"
	oidTLSFeature       = "1.3.6.1.5.5.7.1.24"
	oidProxyCertInfo    = "1.3.6.1.5.5.7.1.14"
	oidOCSPNoCheck      = "1.3.6.1.5.5.7.48.1.5"
	oidOCSP             = "1.3.6.1.5.5.7.48.1"
	oidCAIssuers        = "1.3.6.1.5.5.7.48.2"
	oidCPS              = "1.3.6.1.5.5.7.2.1"
	oidUserNotice       = "1.3.6.1.5.5.7.2.2"
	oidSCTs             = "1.3.6.1.4.1.11129.2.4.2"
	oidPoison           = "1.3.6.1.4.1.11129.2.4.3"
	oidOCSPSCTs         = "1.3.6.1.4.1.11129.2.4.5"
	oidNetscapeCertType = "2.16.840.1.113730.1.1"

	oidExtensionRequest   = "1.2.840.113549.1.9.14"
	oidMSExtensionRequest = "1.3.6.1.4.1.311.2.1.14"
	oidChallengePassword  = "1.2.840.113549.1.9.7"

	oidRSA     = "1.2.840.113549.1.1.1"
	oidX500RSA = "2.5.8.1.1"
	oidRSAPSS  = "1.2.840.113549.1.1.10"
	oidMGF1    = "1.2.840.113549.1.1.8"
	oidEC      = "1.2.840.10045.2.1"
	oidDSA     = "1.2.840.10040.4.1"
	oidX25519  = "1.3.101.110"
	oidX448    = "1.3.101.111"
	oidEd25519 = "1.3.101.112"
	oidEd448   = "1.3.101.113"
)
