package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
)

// The linker sets them in a release: -X main.version=v1.2.3 -X main.commit=0123abcd.
var version, commit string

// versionInfo says what was built, from what, and for what.
type versionInfo struct {
	// Version is the module's version, "devel" when there is none.
	Version string `json:"version"`
	// Commit is the full hash, empty when it is not known.
	Commit string `json:"commit"`
	// Modified is true when the sources differed from the commit.
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version, and what it was built from",
		Description: `crpki version
crpki version -o json`,
		Flags: []cli.Flag{outputFlag("text", "json", "yaml")},
		Action: func(c *cli.Context) error {
			info, _ := debug.ReadBuildInfo()
			v := newVersionInfo(version, commit, info)
			return e.print(c, v, v.text)
		},
	}
}

// newVersionInfo takes what the linker was told (version and commit), else what
// Go noted in the binary: `go install …@v1.2.3` knows the version, `go build`
// in a work tree the commit, too. info is nil without modules.
func newVersionInfo(version, commit string, info *debug.BuildInfo) versionInfo {
	v := versionInfo{
		Version: version, Commit: commit,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info != nil {
		if v.Version == "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				if v.Commit == "" {
					v.Commit = s.Value
				}
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	// A version made from the work tree says so twice.
	v.Version = strings.TrimSuffix(v.Version, "+dirty")
	if v.Version == "" {
		v.Version = "devel"
	}
	return v
}

func (v versionInfo) text(w io.Writer) error {
	source := v.Commit
	if source == "" {
		source = "unknown commit"
	}
	if v.Modified {
		source += ", modified"
	}
	_, err := fmt.Fprintf(w, "crpki %s (%s) %s %s\n", v.Version, source, v.Go, v.Platform)
	return err
}
