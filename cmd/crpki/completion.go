package main

import "github.com/urfave/cli/v2"

func completionCommand(e *env) *cli.Command {
	return &cli.Command{Name: "completion", Usage: "print a completion script for a shell"}
}
