package trust

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseReference(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	for text, want := range map[string]Reference{
		"10.96.0.50/hello-world:latest":  {Registry: "10.96.0.50", Host: "10.96.0.50", Port: "443", Repository: "hello-world", Tag: "latest"},
		"reg.example:5000":               {Registry: "reg.example:5000", Host: "reg.example", Port: "5000"},
		"reg.example":                    {Registry: "reg.example", Host: "reg.example", Port: "443"},
		"registry:5000/":                 {Registry: "registry:5000", Host: "registry", Port: "5000"},
		"registry:5000":                  {Registry: "docker.io", Host: "registry-1.docker.io", Port: "443", Repository: "library/registry", Tag: "5000"},
		"[fd00::5]:5000/x":               {Registry: "[fd00::5]:5000", Host: "fd00::5", Port: "5000", Repository: "x", Tag: "latest"},
		"[fd00::5]/x":                    {Registry: "[fd00::5]", Host: "fd00::5", Port: "443", Repository: "x", Tag: "latest"},
		"[fd00::5]":                      {Registry: "[fd00::5]", Host: "fd00::5", Port: "443"},
		"busybox":                        {Registry: "docker.io", Host: "registry-1.docker.io", Port: "443", Repository: "library/busybox", Tag: "latest"},
		"team/app:1":                     {Registry: "docker.io", Host: "registry-1.docker.io", Port: "443", Repository: "team/app", Tag: "1"},
		"docker.io/busybox":              {Registry: "docker.io", Host: "registry-1.docker.io", Port: "443", Repository: "library/busybox", Tag: "latest"},
		"index.docker.io/a/b":            {Registry: "docker.io", Host: "registry-1.docker.io", Port: "443", Repository: "a/b", Tag: "latest"},
		"localhost/x":                    {Registry: "localhost", Host: "localhost", Port: "443", Repository: "x", Tag: "latest"},
		"localhost:5000":                 {Registry: "localhost:5000", Host: "localhost", Port: "5000"},
		"Registry/x":                     {Registry: "Registry", Host: "Registry", Port: "443", Repository: "x", Tag: "latest"},
		"reg.example:443/a/b:1":          {Registry: "reg.example:443", Host: "reg.example", Port: "443", Repository: "a/b", Tag: "1"},
		"reg.example/a@" + digest:        {Registry: "reg.example", Host: "reg.example", Port: "443", Repository: "a", Digest: digest},
		"reg.example/a:1@" + digest:      {Registry: "reg.example", Host: "reg.example", Port: "443", Repository: "a", Tag: "1", Digest: digest},
		"docker://reg.example:5000/a":    {Registry: "reg.example:5000", Host: "reg.example", Port: "5000", Repository: "a", Tag: "latest"},
		"https://reg.example:5000/v2/":   {Registry: "reg.example:5000", Host: "reg.example", Port: "5000"},
		"http://registry":                {Registry: "registry", Host: "registry", Port: "443"},
		"10.0.0.5:5000":                  {Registry: "10.0.0.5:5000", Host: "10.0.0.5", Port: "5000"},
		"my-reg.example:5000/some__name": {Registry: "my-reg.example:5000", Host: "my-reg.example", Port: "5000", Repository: "some__name", Tag: "latest"},
		"reg.example/a---b/c.d_e":        {Registry: "reg.example", Host: "reg.example", Port: "443", Repository: "a---b/c.d_e", Tag: "latest"},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := ParseReference(text)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for _, text := range []string{
		"", "/", "/x", "reg.example/UPPER", "reg.example/a:", "reg.example:0/x", "reg.example:70000/x", "fd00::5/x", "[reg]/x",
		"ftp://reg.example", "user:pw@reg.example/x", "reg.example/a@sha256:1", "reg.example/a b", "..:5000/x",
		"a\x1b.example/x", strings.Repeat("a", 5000),
		// What podman 4.3 and docker 20.10 call an invalid reference format.
		"-", "my_reg.example:5000/x", "bücher.example:5000/x", "reg-.example/x", "reg.example./x", "[::ffff:1.2.3.4]:5000/x", "[fe80::1%eth0]/x",
		"reg.example/../x", "reg.example/a..b", "reg.example/-a", "reg.example/a-", "reg.example/a___b", "reg.example/a._b",
		"reg.example/a@sha256:" + strings.Repeat("0a", 16), "reg.example/a@md5:" + strings.Repeat("0a", 16), "reg.example:5000x/a",
	} {
		_, err := ParseReference(text)
		assert.Error(t, err, text)
	}
}

func TestReferenceAsPrinted(t *testing.T) {
	r, err := ParseReference("[fd00::5]:5000/x")
	require.NoError(t, err)
	assert.Equal(t, "[fd00::5]:5000/x:latest", r.String())
	assert.Equal(t, "[fd00::5]:5000", r.Address())
	r, err = ParseReference("reg.example")
	require.NoError(t, err)
	assert.Equal(t, "reg.example/IMAGE:latest", r.String())
	assert.False(t, r.Loopback())
}

// A reference that was read prints as one that reads the same.
func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"10.96.0.50/hello-world:latest", "reg.example:5000", "[fd00::5]:5000/x", "busybox", "a/b@sha256:" + strings.Repeat("0", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseReference(text)
		if err != nil {
			return
		}
		if r.Host == "" || r.Port == "" || strings.ContainsAny(r.Registry, "/ \n") {
			t.Fatalf("%q: %+v", text, r)
		}
		if r.Repository == "" {
			return
		}
		again, err := ParseReference(r.String())
		if err != nil || again != r {
			t.Fatalf("%q: %+v prints as %q, which gives %+v, %v", text, r, r.String(), again, err)
		}
	})
}
