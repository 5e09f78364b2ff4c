package main

import (
	"fmt"
	"time"

	"github.com/crpki/crpki/inspect/probe"
)

// writeRevocation says what the CAs answered, source by source.
func writeRevocation(line func(label, format string, args ...any), all []probe.Revocation) {
	label := "Revoked?"
	for _, v := range all {
		line(label, "%d %s", v.Index, v.Status)
		label = ""
		for _, s := range v.Sources {
			line("", "  %s", describeSource(s))
		}
		if len(v.Sources) == 0 {
			line("", "  the certificate names nobody to ask, and the server sends no response")
		}
	}
}

func describeSource(s probe.RevocationSource) string {
	text := s.Kind
	if s.URL != "" {
		text += " " + s.URL
	}
	text += ": " + string(s.Status)
	switch {
	case s.Error != "":
		text += ": " + s.Error
	case s.Status == probe.Revoked:
		text += fmt.Sprintf(" on %s, %s", s.RevokedAt.UTC().Format(time.DateOnly), s.Reason)
	case !s.NextUpdate.IsZero():
		text += ", until " + s.NextUpdate.UTC().Format(time.DateTime) + " UTC"
	}
	return text
}
