//go:build !linux

package main

import "github.com/crpki/crpki/inspect/trust"

// stale is known on Linux alone, where the runtimes run.
func (n *node) stale(trust.Decision, trust.Judgement) string { return "" }

type process struct{}

func processes() []process { return nil }

func runningDaemons([]process) []trust.Process { return nil }
