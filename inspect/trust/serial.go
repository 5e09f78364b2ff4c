package trust

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// serialAt is the offset of the first byte of a certificate's serial number
// (RFC 5280, 4.1), -1 when there is none.
func serialAt(der []byte) int {
	outer := cryptobyte.String(der)
	var cert, tbs, serial cryptobyte.String
	if !outer.ReadASN1(&cert, asn1.SEQUENCE) || !cert.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific()) {
		return -1
	}
	if !tbs.ReadASN1(&serial, asn1.INTEGER) || len(serial) == 0 {
		return -1
	}
	// The serial number ends where what is left of tbs begins.
	tbsEnd := len(der) - len(outer) - len(cert)
	return tbsEnd - len(tbs) - len(serial)
}
