package main

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersionInfo(t *testing.T) {
	info := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123abcd"}
	modified := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	tests := []struct {
		shows           string
		version, commit string
		info            *debug.BuildInfo
		want            string
	}{
		{"release", "v1.2.3", "89abcdef", info("v0.0.0-x+dirty", revision), "crpki v1.2.3 (89abcdef) "},
		{"go install", "", "", info("v1.2.3"), "crpki v1.2.3 (unknown commit) "},
		{"go build", "", "", info("v0.0.0-2027-0123abcd", revision), "crpki v0.0.0-2027-0123abcd (0123abcd) "},
		{"go build of a changed work tree", "", "", info("v1.2.3+dirty", revision, modified), "crpki v1.2.3 (0123abcd, modified) "},
		{"go build without a repository", "", "", info("(devel)"), "crpki devel (unknown commit) "},
		{"no build information", "", "", nil, "crpki devel (unknown commit) "},
	}
	for _, tt := range tests {
		t.Run(tt.shows, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, newVersionInfo(tt.version, tt.commit, tt.info).text(&out))
			assert.Regexp(t, `^\Q`+tt.want+`\Ego\S+ \w+/\w+\n$`, out.String())
		})
	}
}
