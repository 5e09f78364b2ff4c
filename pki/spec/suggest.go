package spec

import (
	"strings"

	"github.com/crpki/crpki/pki/nearest"
)

// closest gives the word that a misspelt one was most likely meant to be, or
// "". Case, dashes and underscores do not count: keyType is key-type.
func closest(word string, known []string) string {
	best, limit := "", len(word)/3+1
	for _, k := range known {
		if d := distance(fold(word), fold(k)); d <= limit && d < max(len(k), 2) {
			best, limit = k, d-1
		}
		if limit < 0 {
			break
		}
	}
	return best
}

func fold(word string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(word))
}

// distance is that of two words. Words much longer than any key are not looked
// at.
func distance(a, b string) int {
	const long = 40
	if len(a) > long || len(b) > long {
		return long
	}
	return nearest.Edits(a, b)
}

// synonym gives our word for one that other tools use for the same thing.
func synonym(word string) string {
	switch fold(word) {
	case "san", "sans", "hosts", "host", "hostnames", "altnames", "subjectaltname", "subjectaltnames":
		return "names"
	case "domains", "dnsnames":
		return "dns"
	case "ips", "ipaddresses":
		return "ip"
	case "days", "expiry", "duration", "lifetime", "notafter":
		return "validity"
	case "issuer", "parent", "signer", "issuerref", "signedby":
		return "ca"
	case "cn", "commonname":
		return "subject"
	case "key", "keyalgorithm", "algo", "privatekey", "kty":
		return "key-type"
	case "pathlength", "maxpathlen", "pathlen":
		return "path-len"
	case "certificates", "servers", "leaves":
		return "certs"
	case "authorities", "issuers":
		return "cas"
	case "output", "outputdir", "out", "dir":
		return "out-dir"
	case "clientauth":
		return "client"
	case "rotate", "renew":
		return "renew-before"
	}
	return ""
}
