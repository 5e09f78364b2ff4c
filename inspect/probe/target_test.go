package probe

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseTarget(t *testing.T) {
	tests := []struct {
		text string
		want Target
	}{
		{"reg.local", Target{Host: "reg.local", Port: "443"}},
		{"https://[fe80::1%25eth0]:5000/v2/", Target{Host: "fe80::1%eth0", Port: "5000"}},
		{"[fe80::1%eth0]:5000", Target{Host: "fe80::1%eth0", Port: "5000"}},
		{"Reg.Local:5000", Target{Host: "reg.local", Port: "5000"}},
		{"my_registry:5000", Target{Host: "my_registry", Port: "5000"}},
		{"10.96.0.50", Target{Host: "10.96.0.50", Port: "443"}},
		{"10.96.0.50:0443", Target{Host: "10.96.0.50", Port: "443"}},
		{"::1", Target{Host: "::1", Port: "443"}},
		{"[::1]", Target{Host: "::1", Port: "443"}},
		{"[2001:DB8::1]:5000", Target{Host: "2001:db8::1", Port: "5000"}},
		{"fe80::1%eth0", Target{Host: "fe80::1%eth0", Port: "443"}},
		{"https://reg.local", Target{Host: "reg.local", Port: "443"}},
		{"HTTPS://reg.local:5000/v2/_catalog?n=1#x", Target{Host: "reg.local", Port: "5000"}},
		{"http://reg.local/", Target{Plain: true, Host: "reg.local", Port: "80"}},
		{"http://[::1]:5000", Target{Plain: true, Host: "::1", Port: "5000"}},
		{"https://reg.local/some page", Target{Host: "reg.local", Port: "443"}},
		{"10.96.0.50/hello-world:latest", Target{Host: "10.96.0.50", Port: "443", Repository: "hello-world", Reference: "latest"}},
		{"10.96.0.50/hello-world", Target{Host: "10.96.0.50", Port: "443", Repository: "hello-world", Reference: "latest"}},
		{"reg:5000/team/app:1.2", Target{Host: "reg", Port: "5000", Repository: "team/app", Reference: "1.2"}},
		{"reg:5000/app:1@" + digestOf("x"), Target{Host: "reg", Port: "5000", Repository: "app", Reference: digestOf("x")}},
		{"docker.io/alpine", Target{Host: "registry-1.docker.io", Port: "443", Repository: "library/alpine", Reference: "latest"}},
		{"docker.io/team/app:1", Target{Host: "registry-1.docker.io", Port: "443", Repository: "team/app", Reference: "1"}},
		{"docker.io", Target{Host: "docker.io", Port: "443"}},
		{"https://reg.local/harbor/projects", Target{Host: "reg.local", Port: "443"}},
		{"docker://reg:5000/app", Target{Host: "reg", Port: "5000", Repository: "app", Reference: "latest"}},
		{"bücher.example", Target{Host: "xn--bcher-kva.example", Port: "443"}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ParseTarget(tt.text)
			require.NoError(t, err)
			tt.want.Text = tt.text
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParseTargetRefuses(t *testing.T) {
	tests := []struct{ text, says string }{
		{"", "empty"},
		{"reg.local:1 reg.local:2", "several in one"},
		{"reg.local:1,reg.local:2", "several in one"},
		{":443", ""},
		{"reg.local:", "no port"},
		{"reg.local:0", "no port"},
		{"reg.local:65536", "no port"},
		{"ubuntu:latest", "needs its registry's host in front"},
		{"::1:::5000", "[2001:db8::1]:5000"},
		{"[::1", "[2001:db8::1]:5000"},
		{"[::1]5000", "[2001:db8::1]:5000"},
		{"[reg.local]:5000", "[2001:db8::1]:5000"},
		{"user:secret@reg.local", "credentials"},
		{"https://user:secret@reg.local", "credentials"},
		{"ftp://reg.local", "scheme"},
		{"*.example.com", "wildcard"},
		{"10.0.0.0/24", "a network"},
		{"reg.local/UPPER", "not an image reference"},
		{"reg.local/a@sha256:ab", "64 hexadecimal digits"},
		{"reg.local/a/../b", "not an image reference"},
		{"a b", ""},
		{"reg\x00.local", ""},
		{strings.Repeat("a", maxTarget+1), "at most"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			_, err := ParseTarget(tt.text)
			require.Error(t, err)
			assert.Contains(t, err.Error(), tt.says)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"reg.local", "[::1]:5000", "https://a.b/c:d@e", "10.0.0.1/hello:latest", "http://x", "::", "a:1/b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseTarget(text)
		if err != nil {
			return
		}
		host, port, err := net.SplitHostPort(got.Address())
		require.NoError(t, err)
		require.Equal(t, got.Host, host)
		n, err := strconv.ParseUint(port, 10, 16)
		require.NoError(t, err)
		require.NotZero(t, n)
		require.False(t, strings.ContainsAny(got.Host, " \r\n/@?#\x00"), got.Host)
		require.NotContains(t, "/"+got.Repository+"/", "/../")
		require.False(t, strings.ContainsAny(got.Repository+got.Reference, " \r\n?#%\\\x00"))
		again, err := ParseTarget(got.Address())
		require.NoError(t, err)
		require.Equal(t, got.Address(), again.Address())
	})
}

func TestParseTargets(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"reg.local:5000", []string{"reg.local:5000"}},
		{"10.0.0.4/30:5000", []string{"10.0.0.4:5000", "10.0.0.5:5000", "10.0.0.6:5000", "10.0.0.7:5000"}},
		{"10.0.0.4/31", []string{"10.0.0.4:443", "10.0.0.5:443"}},
		{"255.255.255.255/32:1", []string{"255.255.255.255:1"}},
		{"[fd00::/127]:5000", []string{"[fd00::]:5000", "[fd00::1]:5000"}},
		{"fd00::/127", []string{"[fd00::]:443", "[fd00::1]:443"}},
		{"10.0.0.1/hello:latest", []string{"10.0.0.1:443"}},
	} {
		t.Run(tt.text, func(t *testing.T) {
			all, err := ParseTargets(tt.text, maxNetwork)
			require.NoError(t, err)
			var got []string
			for _, target := range all {
				got = append(got, target.Address())
			}
			assert.Equal(t, tt.want, got)
		})
	}
	for _, tt := range []struct{ text, says string }{
		{"10.0.0.1/30:5000", "write 10.0.0.0/30"},
		{"10.0.0.0/33:1", "0 to 32 bits"},
		{"[fd00::/129]:1", "0 to 128 bits"},
		{"10.0.0.0/15", "2^17"},
		{"::/0", "2^128"},
		{"0.0.0.0/0:443", "2^32"},
		{"10.0.0.0/30:0", "no port"},
		{"10.0.0.0/30:5000/v2", "a path"},
		{"[fd00::/127]5000", ""},
	} {
		t.Run(tt.text, func(t *testing.T) {
			_, err := ParseTargets(tt.text, maxNetwork)
			assert.ErrorContains(t, err, tt.says)
		})
	}
	t.Run("no more than asked for", func(t *testing.T) {
		_, err := ParseTargets("10.0.0.0/24", 255)
		assert.ErrorContains(t, err, "at most 255")
	})
}
