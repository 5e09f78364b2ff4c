package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A snapshot goes to strangers: no value that may be secret is in it, in whatever
// form it is written, and what decides about trust stays, on its line.
func TestWithoutPasswords(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"toml":                  {"password = \"HIDE\"\nca = \"x\"\n", "password = \"removed\"\nca = \"x\"\n"},
		"toml, several lines":   {"password = \"\"\"\nHIDE\n\"\"\"\nca = \"x\"\n", "password = \"removed\"\n\n\nca = \"x\"\n"},
		"toml, a list":          {"Authorization = [\n\"HIDE\"\n]\nca = 1\n", "Authorization = [\"removed\"]\n\n\nca = 1\n"},
		"toml, headers":         {"[host.\"https://r\".header]\n  x-key = [\"HIDE\"]\n[host.\"https://r\"]\nca = 1\n", "[host.\"https://r\".header]\n  x-key = [\"removed\"]\n[host.\"https://r\"]\nca = 1\n"},
		"toml, inline headers":  {"header = {x-key = \"HIDE\"}\n", "header = {}\n"},
		"yaml":                  {"auth: {password: HIDE}\nca_file: x", "auth: {}\nca_file: x"},
		"yaml, a block":         {"  password: |\n    HIDE\n    HIDE\n  ca_file: x\n", "  password: \"removed\"\n\n\n  ca_file: x\n"},
		"a unit":                {"Environment=\"AWS_SECRET_ACCESS_KEY=HIDE\" K3S_TOKEN=HIDE SSL_CERT_FILE=/x\n", "Environment=\"AWS_SECRET_ACCESS_KEY=removed\" K3S_TOKEN=removed SSL_CERT_FILE=/x\n"},
		"a command line":        {"ExecStart=/usr/bin/k3s server --token HIDE --x\n", "ExecStart=/usr/bin/k3s server --token removed --x\n"},
		"an address":            {"endpoint = \"https://u:HIDE@r\"\n", "endpoint = \"https://removed@r\"\n"},
		"json in one line":      {`{"auth": "HIDE", "labels": ["token=HIDE"], "insecure-registries": ["r"]}`, `{"auth": "removed", "labels": ["token=removed"], "insecure-registries": ["r"]}`},
		"json, the value alone": {"{\"registrytoken\":\n\"HI\\\"DE\"}", "{\"registrytoken\":\n\"removed\"}"},
	} {
		t.Run(name, func(t *testing.T) {
			got := withoutPasswords(c.text)
			assert.Equal(t, c.want, got)
			assert.Equal(t, strings.Count(c.text, "\n"), strings.Count(got, "\n"))
			if strings.HasPrefix(c.text, "{") {
				assert.True(t, json.Valid([]byte(got)), "docker would not start with it")
			}
		})
	}
}
