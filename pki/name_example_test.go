package pki_test

import (
	"fmt"

	"github.com/crpki/crpki/pki"
)

func ExampleParseNames() {
	names, remarks, err := pki.ParseNames(0, []string{"https://reg.local:5000/v2/", "10.96.0.50,REG.local"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, remark := range remarks {
		fmt.Println(remark)
	}
	fmt.Println(names)
	fmt.Println(names.Covers("reg.local"), names.Covers("10.96.0.51"))
	// Output:
	// read "https://reg.local:5000/v2/" as DNS:reg.local: took the host out of the URL, dropped the port
	// read "REG.local" as DNS:reg.local: wrote it in lower case
	// [DNS:reg.local IP:10.96.0.50]
	// true false
}

func ExampleParseNameAs() {
	_, _, err := pki.ParseNameAs(pki.DNS, "10.0.0.1")
	fmt.Println(err)
	// Output:
	// name "10.0.0.1": 10.0.0.1 is an IP address, which clients look for among the IP names alone: use --ip or the prefix IP:
}
