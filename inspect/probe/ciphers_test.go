package probe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSuiteNames holds the table against crypto/tls and openssl.
func TestSuiteNames(t *testing.T) {
	names := map[uint16]string{}
	for _, s := range suites {
		require.Empty(t, names[s.id], "%04x is there twice", s.id)
		names[s.id] = s.name
	}
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		assert.Equal(t, s.Name, names[s.ID])
	}
	out, err := exec.Command("openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line) // 0x13,0x02 - TLS_… - …
		id, err := strconv.ParseUint(strings.ReplaceAll(strings.TrimPrefix(fields[0], "0x"), ",0x", ""), 16, 16)
		require.NoError(t, err)
		if !strings.Contains(fields[2], "PSK") && !strings.Contains(fields[2], "SRP") {
			assert.Equal(t, fields[2], names[uint16(id)])
		}
	}
}

// TestCiphersAgainstOpenSSL: what is listed is what openssl s_client can shake
// hands with, suite by suite.
func TestCiphersAgainstOpenSSL(t *testing.T) {
	root := issue(t, nil, authority("root"))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecLeaf, rsaLeaf := issue(t, &root, nil), issueFor(t, rsaKey, &root, nil)
	require.IsType(t, &ecdsa.PrivateKey{}, ecLeaf.key)
	out, err := exec.Command("openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for _, server := range []struct {
		name    string
		leaf    made
		args    []string
		version string
		// among: openssl is asked for these alone, and the server takes no others.
		among string
	}{
		{"everything, RSA", rsaLeaf, []string{"-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}, "1.2", "RSA|anon"},
		{"everything, ECDSA", ecLeaf, []string{"-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}, "1.2", "ECDSA|anon"},
		{"everything, RSA", rsaLeaf, []string{"-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}, "1.0", "_(SHA|MD5)$"},
		{"a few", rsaLeaf, []string{"-cipher", "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA:DHE-RSA-AES256-SHA", "-serverpref"}, "1.2", "_RSA_WITH_AES"},
		{"every one of TLS 1.3", ecLeaf, []string{"-ciphersuites", "TLS_AES_128_CCM_8_SHA256:TLS_AES_128_CCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"}, "1.3", ""},
	} {
		t.Run(server.name+", TLS "+server.version, func(t *testing.T) {
			address := sServer(t, server.leaf, server.args...)
			flag := map[string]string{"1.0": "-tls1", "1.2": "-tls1_2", "1.3": "-tls1_3"}[server.version]
			var want []string
			for line := range strings.Lines(string(out) + "TLS_AES_128_CCM_SHA256 - TLS_AES_128_CCM_SHA256\nTLS_AES_128_CCM_8_SHA256 - TLS_AES_128_CCM_8_SHA256\n") {
				fields := strings.Fields(line)
				name, own := fields[0], fields[2]
				isNew := !strings.Contains(name, "_WITH_")
				if strings.Contains(name, "PSK") || strings.Contains(name, "SRP") || isNew != (server.version == "1.3") ||
					!regexp.MustCompile(server.among).MatchString(name) {
					continue
				}
				offer := []string{"-cipher", own + ":@SECLEVEL=0"}
				if isNew {
					offer = []string{"-ciphersuites", own}
				}
				ctx, cancel := context.WithTimeout(t.Context(), ample)
				said, _ := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-connect", address, flag}, offer...)...).Output()
				cancel()
				if bytes.Contains(said, []byte("Cipher is "+own+"\n")) {
					want = append(want, name)
				}
			}
			r := look(t, address, Options{Trusted: trust(root), TLSOnly: true, Ciphers: true})
			var got []string
			for _, p := range r.Protocols {
				if p.Version == server.version {
					assert.True(t, p.Accepted)
					assert.Equal(t, slices.Contains(server.args, "-serverpref"), p.ServerOrder)
					for _, c := range p.Ciphers {
						got = append(got, c.Name)
					}
				}
			}
			require.NotEmpty(t, want)
			assert.ElementsMatch(t, want, got)
		})
	}
}

// TestVersions: a server says which versions it takes before anything else is
// right, and a server of Go's too.
func TestVersions(t *testing.T) {
	root := issue(t, nil, authority("root"))
	leaf := issue(t, &root, nil)
	for _, tt := range []struct {
		least, most uint16
		want        string
	}{
		{tls.VersionTLS12, tls.VersionTLS13, "1.2 1.3"},
		{tls.VersionTLS13, tls.VersionTLS13, "1.3"},
		{tls.VersionTLS10, tls.VersionTLS11, "1.0 1.1"},
		{tls.VersionTLS10, tls.VersionTLS13, "1.0 1.1 1.2 1.3"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			address := serveTLS(t, &tls.Config{MinVersion: tt.least, MaxVersion: tt.most}, leaf)
			r := look(t, address, Options{Trusted: trust(root), TLSOnly: true, Protocols: true})
			var got []string
			for _, p := range r.Protocols {
				assert.Empty(t, p.Ciphers, "nobody asked")
				if p.Accepted {
					got = append(got, p.Version)
				} else {
					assert.Regexp(t, "protocol version", p.Error)
				}
			}
			assert.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
	t.Run("ciphers of crypto/tls", func(t *testing.T) {
		r := look(t, serveTLS(t, nil, leaf), Options{Trusted: trust(root), TLSOnly: true, Ciphers: true})
		for _, p := range r.Protocols {
			for _, c := range p.Ciphers {
				assert.True(t, c.Go, c.Name)
				assert.Empty(t, c.Weakness)
			}
		}
		assert.Len(t, r.Protocols[3].Ciphers, 3)
	})
}

// TestHostileCiphers: whatever comes back, there is an end, and no list is made
// of what was not offered.
func TestHostileCiphers(t *testing.T) {
	hello := func(version, suite uint16) []byte {
		body := append([]byte{byte(version >> 8), byte(version)}, make([]byte, 32)...)
		body = append(body, 0, byte(suite>>8), byte(suite), 0)
		message := append([]byte{messageServerHello, 0, 0, byte(len(body))}, body...)
		return append([]byte{recordHandshake, 3, 3, 0, byte(len(message))}, message...)
	}
	for _, tt := range []struct {
		name   string
		answer []byte
		error  string
	}{
		{"always the same suite", hello(tls.VersionTLS12, 0x003c), "unconfigured cipher suite"},
		{"a suite that was not offered", hello(tls.VersionTLS12, 0x1234), "unconfigured cipher suite"},
		{"another version", hello(0x0300, 0x003c), "unsupported protocol version"},
		{"nothing", nil, "EOF"},
		{"warnings without end", bytes.Repeat([]byte{recordAlert, 3, 3, 0, 2, 1, 112}, 1000), "no ServerHello"},
		{"an alert of no length", []byte{recordAlert, 3, 3, 0, 0}, "an alert that is none"},
		{"no TLS", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "does not look like a TLS handshake"},
		{"half a record", []byte{recordHandshake, 3, 3, 0xff, 0xff, 1, 2, 3}, "unexpected EOF"},
		{"empty records", bytes.Repeat([]byte{recordHandshake, 3, 3, 0, 0}, 1000), "no ServerHello"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer listener.Close()
			connections := 0
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					connections++
					io.ReadFull(conn, make([]byte, 5+4)) //nolint:errcheck // it may go
					conn.Write(tt.answer)
					conn.(*net.TCPConn).CloseWrite()
					go func() { io.Copy(io.Discard, conn); conn.Close() }()
				}
			}()
			target, err := ParseTarget(listener.Addr().String())
			require.NoError(t, err)
			o := Options{Ciphers: true}.withDefaults()
			all := o.protocols(t.Context(), target, "reg.local")
			require.Len(t, all, 4)
			said := ""
			for _, p := range all {
				said += p.Error + "\n"
				assert.LessOrEqual(t, len(p.Ciphers), 1)
			}
			assert.Contains(t, said, tt.error)
			assert.Less(t, connections, 10)
		})
	}
}

func FuzzServerHello(f *testing.F) {
	f.Add([]byte{22, 3, 3, 0, 4, 2, 0, 0, 0})
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40})
	f.Fuzz(func(t *testing.T, data []byte) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			go io.Copy(io.Discard, server) //nolint:errcheck // until it is closed
			server.Write(data)
		}()
		defer client.Close()
		answer, err := clientHello{version: tls.VersionTLS12, suites: []uint16{1}, serverName: "a.b"}.send(client)
		if err == nil && answer.version == 0 {
			t.Errorf("neither an answer nor an error: %x", data)
		}
	})
}
