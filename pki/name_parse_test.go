package pki

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseName(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
		// remarks holds a piece of each remark, in order.
		remarks []string
	}{
		{"IPv4", "10.96.0.50", "IP:10.96.0.50", nil},
		{"IPv6", "2001:db8::1", "IP:2001:db8::1", nil},
		{"IPv6 written long", "2001:DB8:0:0:0:0:0:1", "IP:2001:db8::1", []string{"shortened"}},
		{"IPv6 in brackets", "[::1]", "IP:::1", nil},
		{"IPv6 with port", "[::1]:5000", "IP:::1", []string{"dropped the port"}},
		{"IPv4 with port", "10.0.0.1:5000", "IP:10.0.0.1", []string{"dropped the port"}},
		{"IPv4 in IPv6", "::ffff:10.0.0.1", "IP:10.0.0.1", []string{"unmapped"}},
		{"IPv4 in IPv6, hexadecimal", "::FFFF:0a00:1", "IP:10.0.0.1", []string{"unmapped"}},
		{"IPv4-compatible IPv6 is IPv6", "::10.0.0.1", "IP:::a00:1", []string{"shortened"}},
		{"zone", "fe80::1%eth0", "IP:fe80::1", []string{"dropped the zone", "accept no certificate"}},
		{"zone in a URL", "https://[fe80::1%25eth0]:5000/", "IP:fe80::1", []string{"dropped the port, dropped the zone", "accept no certificate"}},
		{"address to listen on", "0.0.0.0", "IP:0.0.0.0", []string{"listen"}},
		{"multicast", "ff02::1", "IP:ff02::1", []string{"multicast"}},
		{"IPv6 that may hold a port", "2001:db8::1:5000", "IP:2001:db8::1:5000", []string{"write [2001:db8::1]:5000"}},
		{"IPv6 whose end only looks like a port", "2001:db8::5000", "IP:2001:db8::5000", nil},

		{"single label", "reg", "DNS:reg", nil},
		{"localhost", "localhost", "DNS:localhost", nil},
		{"upper case", "REG.Local", "DNS:reg.local", []string{"lower case"}},
		{"trailing dot", "reg.local.", "DNS:reg.local", []string{"trailing dot"}},
		{"blanks around", " reg.local\t", "DNS:reg.local", nil},
		{"wildcard", "*.apps.example.com", "DNS:*.apps.example.com", nil},
		{"underscore", "my_reg.local", "DNS:my_reg.local", []string{"underscore"}},
		{"hyphens in third and fourth place", "r3---sn-apo3.local", "DNS:r3---sn-apo3.local", nil},
		{"longest name", strings.Repeat("a.", 126) + "b", "DNS:" + strings.Repeat("a.", 126) + "b", nil},
		{"longest label", strings.Repeat("a", 63) + ".local", "DNS:" + strings.Repeat("a", 63) + ".local", nil},
		{"host with port", "reg:5000", "DNS:reg", []string{"dropped the port"}},
		{"last port", "reg:65535", "DNS:reg", []string{"dropped the port"}},
		{"URL", "https://reg:5000/v2/", "DNS:reg", []string{"took the host out of the URL, dropped the port"}},
		{"URL in upper case", "HTTPS://REG.Local", "DNS:reg.local", []string{"the URL, wrote it in lower case"}},
		{"URL of an address", "https://10.96.0.50/", "IP:10.96.0.50", []string{"URL"}},
		{"oci URL", "oci://reg.local/charts", "DNS:reg.local", []string{"URL"}},
		{"URL with query", "https://reg.local?x=1", "DNS:reg.local", []string{"URL"}},
		{"image of an address", "10.96.0.50/hello-world:latest", "IP:10.96.0.50", []string{"image reference"}},
		{"image with digest", "reg.local:5000/a/b@sha256:0123", "DNS:reg.local", []string{"image reference, dropped the port"}},
		{"image on localhost", "localhost/hello", "DNS:localhost", []string{"image reference"}},
		{"host with slash", "reg.local/", "DNS:reg.local", []string{"slash"}},

		{"IDN", "bücher.example", "DNS:xn--bcher-kva.example", []string{"IDNA"}},
		{"IDN wildcard", "*.bücher.example", "DNS:*.xn--bcher-kva.example", []string{"IDNA"}},
		{"IDN of which old mappings made another name", "faß.de", "DNS:xn--fa-hia.de", []string{"IDNA"}},
		{"IDN in upper case", "BÜCHER.Example", "DNS:xn--bcher-kva.example", []string{"IDNA"}},
		{"IDN decomposed", "bu\u0308cher.example", "DNS:xn--bcher-kva.example", []string{"IDNA"}},
		{"IDN from right to left", "אבג.ישראל", "DNS:xn--4dbcd.xn--4dbrk0ce", []string{"IDNA"}},
		{"punycode", "xn--bcher-kva.example", "DNS:xn--bcher-kva.example", nil},
		{"punycode in upper case", "XN--BCHER-KVA.example", "DNS:xn--bcher-kva.example", []string{"lower case"}},
		{"full-width characters", "ｒｅｇ．local", "DNS:reg.local", []string{"IDNA"}},
		{"ideographic dot", "reg。local", "DNS:reg.local", []string{"IDNA"}},

		{"e-mail", "ops@reg.local", "email:ops@reg.local", nil},
		{"e-mail keeps the case before the @", "Ops@Reg.Local", "email:Ops@reg.local", []string{"lower case"}},
		{"e-mail at an IDN", "ops@bücher.example", "email:ops@xn--bcher-kva.example", []string{"IDNA"}},
		{"mailto", "mailto:ops@reg.local", "email:ops@reg.local", []string{"mailto"}},

		{"SPIFFE", "spiffe://prod/ns/infra/sa/registry", "URI:spiffe://prod/ns/infra/sa/registry", nil},
		{"URI host in upper case", "SPIFFE://Prod/Sa", "URI:spiffe://prod/Sa", []string{"lower case"}},
		{"URI beyond ASCII", "spiffe://prod/é", "URI:spiffe://prod/%C3%A9", []string{"percent-encoded"}},
		{"URI of an IDN", "spiffe://bücher.example/a", "URI:spiffe://xn--bcher-kva.example/a", []string{"IDNA"}},
		{"URI keeps port and IPv6 brackets", "ldap://[2001:DB8::1]:389/x", "URI:ldap://[2001:db8::1]:389/x", []string{"shortened"}},
		{"URN", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "URI:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", nil},

		{"prefix DNS", "DNS:reg.local", "DNS:reg.local", nil},
		{"prefix in lower case", "ip:10.0.0.1", "IP:10.0.0.1", nil},
		{"prefix as OpenSSL prints it", "IP Address:10.0.0.1", "IP:10.0.0.1", nil},
		{"prefix and blank", "dns: reg.local", "DNS:reg.local", nil},
		{"prefix URI keeps a URL whole", "URI:https://reg.local:5000/v2/", "URI:https://reg.local:5000/v2/", nil},
		{"prefix email", "email:ops@reg.local", "email:ops@reg.local", nil},
		{"prefix and URL", "DNS:https://reg.local", "DNS:reg.local", []string{"URL"}},
		{"host that is called as a prefix", "dns", "DNS:dns", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, remarks, err := ParseName(tt.text)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.String())
			require.Len(t, remarks, len(tt.remarks), "%q", remarks)
			for i, piece := range tt.remarks {
				assert.Contains(t, remarks[i], piece)
			}
		})
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, reason string }{
		{"nothing", "", "empty"},
		{"blanks", " \t", "empty"},
		{"nothing behind a prefix", "IP:", "nothing behind the prefix IP:"},
		{"blank inside", "reg local", "a blank"},
		{"tab inside", "reg\tlocal", "a blank"},
		{"line break", "reg.local\n", "a line break"},
		{"NUL", "reg.local\x00.evil", "a NUL"},
		{"control character", "reg\x1b[31m", "control character (U+001B)"},
		{"not UTF-8", "reg\xff", "not valid UTF-8"},
		{"slash first", "/v2/", "no host"},
		{"list", "a.b,c.d", `','`},

		{"leading zero, octal to some", "010.0.0.1", "dial it as 8.0.0.1"},
		{"hexadecimal address", "0x0a000001", "dial it as 10.0.0.1"},
		{"hexadecimal address in upper case", "0X0A000001", "dial it as 10.0.0.1"},
		{"two-part address", "10.1", "dial it as 10.0.0.1"},
		{"decimal address", "167772161", "dial it as 10.0.0.1"},
		{"trailing dot on an address", "10.0.0.1.", "write 10.0.0.1"},
		{"full-width address", "１０.０.０.１", "write 10.0.0.1"},
		{"address with ideographic dots", "10。0。0。1", "write 10.0.0.1"},
		{"octet over 255", "10.0.0.300", "neither an IP address nor a DNS name"},
		{"five octets", "10.0.0.0.1", "neither an IP address nor a DNS name"},
		{"not octal", "10.0.0.09", "neither an IP address nor a DNS name"},
		{"numeric last label", "reg.1", "neither an IP address nor a DNS name"},
		{"wildcard of an address", "*.0.0.1", "neither an IP address nor a DNS name"},
		{"bare 0x", "reg.0x", "neither an IP address nor a DNS name"},
		{"address as DNS name", "DNS:10.0.0.1", "use --ip"},
		{"URL of an address as DNS name", "DNS:https://10.0.0.1:5000", "use --ip"},
		{"network", "10.0.0.0/8", "a network"},
		{"network with host bits", "10.96.0.50/24", "a network"},
		{"network with mask", "10.0.0.0/255.0.0.0", "a network"},
		{"IPv6 network", "2001:db8::/32", "a network"},
		{"zone on IPv4", "10.0.0.1%eth0", `'%'`},
		{"IPv6 with port but no brackets", "2001:db8:0:0:0:0:0:1:5000", "[2001:db8::1]:5000"},
		{"brackets around a name", "[reg.local]:5000", "no IP address between the brackets"},
		{"bracket left open", "[::1", `"[" without "]"`},
		{"text behind a bracket", "[::1]5000", "may follow"},

		{"port 0", "reg:0", "no port"},
		{"port over 65535", "reg:65536", "no port"},
		{"tag without image", "reg:latest", "no port"},
		{"colon alone behind", "reg:", "no port"},
		{"colon alone before", ":5000", "no host in front"},
		{"URL without host", "https:///v2/", "no host"},
		{"percent-encoded host", "https://reg%2elocal/", `'%'`},
		{"image without registry", "library/nginx", "Docker Hub"},
		{"digest without registry", "nginx@sha256:0123", "without a registry"},
		{"credentials without URL", "user:secret@reg:5000/x", "give the host alone"},

		{"empty label", "reg..local", "an empty part"},
		{"leading dot", ".reg.local", "an empty part"},
		{"two trailing dots", "reg.local..", "an empty part"},
		{"dot alone", ".", "an empty part"},
		{"label of 64", strings.Repeat("a", 64) + ".local", "64 characters: at most 63"},
		{"name of 254", strings.Repeat("a.", 126) + "bb", "254 characters: a DNS name has at most 253"},
		{"name of a megabyte", strings.Repeat("a", 1<<20), "at most 253"},
		{"IDN label over 63 in ASCII", strings.Repeat("ü", 62) + ".de", "at most 63"},
		{"hyphen first", "-reg.local", "hyphen"},
		{"hyphen last", "reg-.local", "hyphen"},
		{"bare wildcard", "*", "no client matches"},
		{"wildcard above one label", "*.com", "OpenSSL and GnuTLS"},
		{"wildcard above one label and a dot", "*.com.", "OpenSSL and GnuTLS"},
		{"part of a label", "r*.example.com", "Go and GnuTLS"},
		{"wildcard inside", "a.*.example.com", "no client matches"},
		{"two wildcards", "*.*.example.com", "two wildcards"},
		{"punycode that decodes to nothing good", "xn--a.example", "international"},
		{"punycode of plain ASCII", "xn--abc-.example", "international"},
		{"bidi rule", "1a.אבג", "international"},
		{"en dash", "reg–1.local", "dash"},
		{"quotation marks", "“reg.local”", "quotation mark"},
		{"no-break space", "reg\u00a0local", "unusual blank (U+00A0)"},
		{"zero-width space", "reg\u200b.local", "invisible character (U+200B)"},
		{"soft hyphen", "re\u00adg.local", "invisible character (U+00AD)"},
		{"byte-order mark", "\ufeffreg.local", "invisible character (U+FEFF)"},
		{"right-to-left override", "reg\u202elacol", "invisible character (U+202E)"},
		{"dot leader", "10\u20240\u20240\u20241", "U+2024"},
		{"full-width colon", "reg：5000", "U+FF1A"},
		{"emoji", "☃.net", "U+2603"},

		{"name as address", "IP:reg.local", "use --dns"},
		{"URI as DNS name", "DNS:spiffe://prod/x", "use --uri"},
		{"e-mail as DNS name", "DNS:ops@reg.local", "use --email"},
		{"relative URI", "URI:reg", "begins with a scheme"},
		{"host and port as URI", "URI:reg.local:5000", "scheme://host"},
		{"URI without host", "file:///etc/passwd", "without a host"},
		{"opaque URI", "URI:mailto:ops@reg.local", "scheme://host"},
		{"URI with password", "ldap://user:secret@reg/", "a password"},
		{"URI with a blank", "spiffe://prod/a b", "%20"},
		{"URI with a bad escape", "spiffe://prod/%zz", "hexadecimal"},
		{"URI with a wildcard", "spiffe://*.prod.local/x", "wildcard"},
		{"URI at something like an address", "spiffe://010.0.0.1/x", "8.0.0.1"},
		{"URN without name", "urn:uuid", "urn:namespace:name"},
		{"URI with a port that is none", "ldap://reg:0/", "no port"},
		{"URI with a user that is none", "ssh://gi[t@reg/", "not a URI"},
		{"URI with a bad escape before the host", "ssh://g%it@reg/", "hexadecimal"},
		{"e-mail with a long name", strings.Repeat("a", 65) + "@reg.local", "at most 64"},
		{"e-mail too long", "ops@" + strings.Repeat("a.", 125) + "b", "longer than 254"},
		{"e-mail at a wildcard", "ops@*.reg.local", "no plain DNS name"},
		{"e-mail without host", "ops@", "no host"},
		{"e-mail without @", "email:ops", "no @"},
		{"e-mail without name", "@reg.local", "before the @"},
		{"e-mail with two @", "a@b@reg.local", `'@'`},
		{"e-mail with display name", "Ops <ops@reg.local>", `' '`},
		{"e-mail at an address", "ops@10.0.0.1", "no plain DNS name"},
		{"e-mail beyond ASCII", "ö@reg.local", `'ö'`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := ParseName(tt.text)
			require.Error(t, err, "%s", got)
			assert.Contains(t, err.Error(), tt.reason)
			assert.Less(t, len(err.Error()), 400, "one line of an error")
			assert.NotContains(t, err.Error(), "secret")
			assert.False(t, strings.ContainsAny(err.Error(), "\x00\n\x1b\u202e"), "an error prints no control character")
		})
	}
}

func TestParseNameAs(t *testing.T) {
	for _, tt := range []struct {
		name       string
		kind       NameKind
		text, want string
		reason     string
	}{
		{"address for --ip", IP, "10.96.0.50", "IP:10.96.0.50", ""},
		{"URL for --ip", IP, "https://10.96.0.50:5000", "IP:10.96.0.50", ""},
		{"own prefix", IP, "IP:10.96.0.50", "IP:10.96.0.50", ""},
		{"name for --ip", IP, "reg.local", "", "reg.local is a DNS name, no IP address: use --dns"},
		{"address for --dns", DNS, "10.0.0.1", "", "10.0.0.1 is an IP address, which clients look for among the IP names alone: use --ip"},
		{"mapped address for --dns", DNS, "::ffff:10.0.0.1", "", "use --ip"},
		{"address behind the wrong prefix", DNS, "IP:10.0.0.1", "", "use --ip"},
		{"wildcard for --dns", DNS, "*.reg.local", "DNS:*.reg.local", ""},
		{"URI for --dns", DNS, "spiffe://prod/x", "", "use --uri"},
		{"e-mail for --dns", DNS, "ops@reg.local", "", "use --email"},
		{"URL for --uri", URI, "https://Reg.Local:5000/v2/", "URI:https://reg.local:5000/v2/", ""},
		{"host for --uri", URI, "reg.local", "", "begins with a scheme"},
		{"host for --email", Email, "reg.local", "", "no @"},
		{"e-mail for --uri", URI, "email:ops@reg.local", "", "an e-mail address, no URI: use --email"},
		{"name behind the wrong prefix", Email, "DNS:reg.local", "", "reg.local is a DNS name, no e-mail address"},
		{"URI for --email", Email, "URI:spiffe://prod/x", "", "use --uri"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := ParseNameAs(tt.kind, tt.text)
			if tt.reason != "" {
				assert.ErrorContains(t, err, tt.reason)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.String())
		})
	}
}

func TestParseNames(t *testing.T) {
	t.Run("lists, order and duplicates", func(t *testing.T) {
		got, remarks, err := ParseNames(0, []string{"reg.local,10.0.0.1", "REG.local., DNS:reg", "::ffff:10.0.0.1"})
		require.NoError(t, err)
		assert.Equal(t, []string{"DNS:reg.local", "IP:10.0.0.1", "DNS:reg"}, got.Strings())
		assert.Len(t, remarks, 2)
	})
	t.Run("none", func(t *testing.T) {
		got, remarks, err := ParseNames(DNS, nil)
		require.NoError(t, err)
		assert.Empty(t, got)
		assert.Empty(t, remarks)
	})
	t.Run("all wrong names are told together", func(t *testing.T) {
		got, _, err := ParseNames(IP, []string{"10.0.0.0/8,reg.local", "10.0.0.1"})
		require.Error(t, err)
		assert.Nil(t, got)
		assert.ErrorContains(t, err, "a network")
		assert.ErrorContains(t, err, "use --dns")
	})
	for _, text := range []string{",", "a.b,", ",a.b", "a.b,,c.d"} {
		t.Run("empty item in "+text, func(t *testing.T) {
			_, _, err := ParseNames(0, []string{text})
			assert.ErrorContains(t, err, "empty item")
		})
	}
	t.Run("a value that an unset variable left empty", func(t *testing.T) {
		_, _, err := ParseNames(IP, []string{""})
		assert.ErrorContains(t, err, "unset")
	})
}

func TestMessagesHideCredentials(t *testing.T) {
	for _, text := range []string{
		"https://user:secret@reg.local/",
		"https://user:sec@ret@reg.local/",
		"https://user:sec/ret@reg.local/",
		"https://user:sec#ret@reg.local/",
		"https://user:secret@reg.local/img@sha256:0123",
		"https://user:secret@-bad-/",
		"user:secret@reg.local:5000",
		"DNS:user:secret@reg.local",
		"spiffe://user:secret@reg.local/",
	} {
		t.Run(text, func(t *testing.T) {
			_, remarks, err := ParseName(text)
			said := strings.Join(remarks, "\n")
			if err != nil {
				said += err.Error()
			}
			require.NotEmpty(t, said)
			assert.NotContains(t, said, "sec")
			assert.NotContains(t, said, "ret@")
		})
	}
}
