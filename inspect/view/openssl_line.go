package view

// OpenSSLName writes a DER-encoded name as openssl s_client does: "C = DE, CN =
// reg.local".
func OpenSSLName(der []byte) string {
	p := new(opensslPrinter)
	p.name(der)
	return p.String()
}
