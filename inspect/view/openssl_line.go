package view

// OpenSSLName writes a DER-encoded name as openssl s_client does: "C = DE, CN =
// reg.local".
func OpenSSLName(der []byte) string {
	p := new(opensslPrinter)
	p.name(der)
	return p.String()
}

// OpenSSLObject gives OpenSSL's short name of an object, such as "RSA-SHA256", or
// the OID itself.
func OpenSSLObject(oid string) string { return shortName(oid) }
