package main

import (
	"strings"

	"github.com/crpki/crpki/inspect/probe"
)

// writeCiphers lists the suites of each version that the server takes.
func writeCiphers(line func(label, format string, args ...any), all []probe.Protocol) {
	label := "Ciphers"
	for _, p := range all {
		if len(p.Ciphers) == 0 {
			continue
		}
		order := ""
		if p.ServerOrder {
			order = ", in the server's order"
		}
		line(label, "TLS %s%s", p.Version, order)
		label = ""
		for _, c := range p.Ciphers {
			line("", "  %s%s", c.Name, describeCipher(c))
		}
		if p.Error != "" {
			line("", "  %s", p.Error)
		}
	}
}

func describeCipher(c probe.Cipher) string {
	var notes []string
	if c.Weakness != "" {
		notes = append(notes, c.Weakness)
	}
	if !c.Go {
		notes = append(notes, "not offered by Go's clients")
	}
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, ", ") + ")"
}
