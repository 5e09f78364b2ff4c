package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/urfave/cli/v2"
)

// Set by the linker: -X main.version=v1.2.3 -X main.commit=0123abc.
var version, commit string

func versionCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print the version",
		Description: "crpki version",
		Flags:       []cli.Flag{outputFlag("text", "json", "yaml")},
		Action: func(c *cli.Context) error {
			return e.print(c, map[string]string{"version": version}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, "crpki", version, runtime.Version())
				return err
			})
		},
	}
}
