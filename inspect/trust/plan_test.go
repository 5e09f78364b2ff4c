package trust

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOwnFile(t *testing.T) {
	a, b := newCA(t, "A", nil), newCA(t, "B", nil)
	n := node(map[string]string{"/own.crt": a.pem()})
	assert.Equal(t, b.pem(), string(n.OwnFileWith("/own.crt", Wanted{CAs: chainOf(b)})), "the old one goes")
	assert.Equal(t, b.pem()+a.pem(), string(n.OwnFileWith("/own.crt", Wanted{CAs: chainOf(b), KeepOld: true})), "both while the CA changes")
	assert.Equal(t, a.pem(), string(n.OwnFileWith("/own.crt", Wanted{CAs: chainOf(a, a)})))
	assert.Equal(t, a.pem(), string(n.OwnFileWith("/new.crt", Wanted{CAs: chainOf(a)})))
}

func TestPlanForTheSystem(t *testing.T) {
	a := newCA(t, "A", nil)
	for ids, want := range map[string]struct{ file, run string }{
		"ID=debian":                  {"/usr/local/share/ca-certificates/crpki-reg.example_5000.crt", "update-ca-certificates"},
		"ID=alpine":                  {"/usr/local/share/ca-certificates/crpki-reg.example_5000.crt", "update-ca-certificates"},
		"ID=rocky\nID_LIKE=\"rhel\"": {"/etc/pki/ca-trust/source/anchors/crpki-reg.example_5000.crt", "update-ca-trust"},
		"ID=opensuse-leap\nID_LIKE=\"suse opensuse\"": {"/etc/pki/trust/anchors/crpki-reg.example_5000.crt", "update-ca-certificates"},
		"ID=flatcar\nID_LIKE=coreos":                  {"/etc/ssl/certs/crpki-reg.example_5000.pem", "update-ca-certificates"},
	} {
		n := node(map[string]string{"/etc/os-release": ids + "\n"})
		changes, err := System{}.Plan(n, mustReference(t, "reg.example:5000"), Wanted{CAs: chainOf(a)})
		require.NoError(t, err)
		require.Len(t, changes, 1)
		assert.Equal(t, want.file, changes[0].Path)
		assert.Equal(t, []string{want.run}, changes[0].Run)
		assert.Equal(t, a.pem(), string(changes[0].Data))

		n = node(map[string]string{"/etc/os-release": ids + "\n", want.file: a.pem()})
		changes, err = System{}.Plan(n, mustReference(t, "reg.example:5000"), Wanted{CAs: chainOf(a)})
		require.NoError(t, err)
		assert.Empty(t, changes, "it is there already")
	}
	_, err := System{}.Plan(node(nil), mustReference(t, "reg.example"), Wanted{CAs: chainOf(a)})
	assert.Error(t, err)
}
