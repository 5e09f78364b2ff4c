package trust

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFilesOfTheSystemsStore(t *testing.T) {
	a, b := newCA(t, "A", nil), newCA(t, "B", nil)
	self := issue(t, nil, &x509.Certificate{DNSNames: []string{"reg.example"}}, nil)
	const debian, rhel = "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
	for name, test := range map[string]struct {
		id, file, content string
		more              map[string]string
	}{
		"S3 Debian, not run":      {"system-ca-update-not-run", "/usr/local/share/ca-certificates/a.crt", a.pem(), map[string]string{"/etc/os-release": "ID=debian\n", debian: b.pem()}},
		"Debian, below a folder":  {"system-ca-update-not-run", "/usr/local/share/ca-certificates/x/a.crt", a.pem(), map[string]string{"/etc/os-release": "ID=ubuntu\nID_LIKE=debian\n", debian: b.pem()}},
		"S4 Debian, name":         {"system-ca-extension", "/usr/local/share/ca-certificates/a.pem", a.pem(), map[string]string{"/etc/debian_version": "12", debian: b.pem()}},
		"Debian, DER":             {"system-ca-der", "/usr/local/share/ca-certificates/a.crt", string(a.cert.Raw), map[string]string{"/etc/os-release": "ID=debian\n"}},
		"Debian, done":            {"", "/usr/local/share/ca-certificates/a.crt", a.pem(), map[string]string{"/etc/os-release": "ID=debian\n", debian: a.pem()}},
		"Debian, read by a link":  {"", "/usr/local/share/ca-certificates/a.crt", a.pem(), map[string]string{"/etc/os-release": "ID=debian\n", "/etc/ssl/certs/a.pem": "-> /usr/local/share/ca-certificates/a.crt"}},
		"Alpine, any name":        {"system-ca-update-not-run", "/usr/local/share/ca-certificates/a.pem", a.pem(), map[string]string{"/etc/os-release": "ID=alpine\n"}},
		"S9 RHEL, not run":        {"system-ca-update-not-run", "/etc/pki/ca-trust/source/anchors/a.pem", a.pem(), map[string]string{"/etc/os-release": "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", rhel: b.pem()}},
		"RHEL, DER":               {"system-ca-update-not-run", "/etc/pki/ca-trust/source/anchors/a.der", string(a.cert.Raw), map[string]string{rhel: b.pem()}},
		"S10 RHEL, no CA":         {"system-ca-not-a-ca", "/etc/pki/ca-trust/source/anchors/a.crt", self.pem(), map[string]string{rhel: b.pem()}},
		"RHEL, blocked":           {"system-ca-blocked", "/etc/pki/ca-trust/source/anchors/a.crt", a.pem(), map[string]string{rhel: b.pem(), "/etc/pki/ca-trust/source/blocklist/x": a.pem()}},
		"SUSE":                    {"system-ca-update-not-run", "/etc/pki/trust/anchors/a.crt", a.pem(), map[string]string{"/etc/os-release": "ID=sles\n"}},
		"something else is there": {"", "/usr/local/share/ca-certificates/README", "text", map[string]string{"/etc/os-release": "ID=debian\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.more[test.file] = test.content
			found := node(test.more).StoreMistakes(nil)
			if test.id == "" {
				assert.Empty(t, found)
				return
			}
			if assert.Len(t, found, 1) {
				assert.Equal(t, test.id, found[0].ID)
				assert.Equal(t, test.file, found[0].Place.File)
				assert.NotEmpty(t, found[0].Text)
			}
		})
	}
	n := node(map[string]string{"/etc/os-release": "ID=debian\n", "/usr/local/share/ca-certificates/a.crt": a.pem()})
	assert.Len(t, n.StoreMistakes(chainOf(a.server(t, nil, "x"))), 1)
	assert.Empty(t, n.StoreMistakes(chainOf(b.server(t, nil, "x"))), "it would not help against this chain")
}
