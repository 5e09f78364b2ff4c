package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/probe"
)

// maxTargets bounds the targets of one run: twice an IPv4 network of 16 bits.
const maxTargets = 1 << 17

// probeTargets are those of the arguments and of --targets-from, a line each.
func (e *env) probeTargets(c *cli.Context) (targets []probe.Target, err error) {
	add := func(text, where string) error {
		more, err := probe.ParseTargets(text, maxTargets-len(targets))
		if err != nil {
			const most = 200 // the line of a file that is no list can be long
			shown := withoutPassword(text)
			return withHint(usageErrorf("%s %q: %w", where, shown[:min(len(shown), most)], err), "crpki probe --help shows what a target can be")
		}
		if len(more) > 1 {
			e.notef("%s: %s", text, count(len(more), "target"))
		}
		targets = append(targets, more...)
		return nil
	}
	for _, text := range c.Args().Slice() {
		if err := add(text, "target"); err != nil {
			return nil, err
		}
	}
	if path := c.String("targets-from"); path != "" {
		data, err := e.readFor("--targets-from", path)
		if err != nil {
			return nil, err
		}
		n := 0
		for line := range strings.Lines(strings.TrimPrefix(string(data), byteOrderMark)) {
			n++
			if line = withoutComment(line); line == "" {
				continue
			}
			if err := add(line, fmt.Sprintf("%s line %d:", path, n)); err != nil {
				return nil, err
			}
		}
	}
	if len(targets) == 0 {
		return nil, withHint(usageErrorf("crpki probe needs TARGET"), "crpki probe --help shows an example")
	}
	return targets, askForImage(c, targets)
}

// byteOrderMark is what editors of Windows write first.
const byteOrderMark = "\ufeff"

// withoutPassword leaves out what stands before the @ in a host with credentials,
// which is no target.
func withoutPassword(text string) string {
	from := 0
	if at := strings.Index(text, "://"); at >= 0 {
		from = at + len("://")
	}
	if at := strings.LastIndexByte(text, '@'); at > from && strings.IndexByte(text[from:at], ':') >= 0 && !strings.Contains(text[from:at], "/") {
		return text[:from] + "…" + text[at:]
	}
	return text
}

// withoutComment takes off what follows a # at the beginning or behind a blank.
func withoutComment(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	return strings.TrimSpace(line)
}

// connectElsewhere applies --connect-to and --all-addresses.
func connectElsewhere(c *cli.Context, targets []probe.Target, o probe.Options) ([]probe.Target, error) {
	if to := c.String("connect-to"); to != "" {
		other, err := probe.ParseTarget(to)
		if err != nil {
			return nil, usageErrorf("--connect-to %q: %w", withoutPassword(to), err)
		}
		_, isName := netip.ParseAddr(to)
		hasPort := isName != nil && strings.HasSuffix(to, ":"+other.Port)
		for i := range targets {
			if !hasPort { // as curl does
				other.Port = targets[i].Port
			}
			targets[i].Connect = other.Address()
		}
	}
	if !c.Bool("all-addresses") {
		return targets, nil
	}
	jobs := func(yield func(func() []probe.Target) bool) {
		for _, t := range targets {
			if !yield(func() []probe.Target { return o.Addresses(c.Context, t) }) {
				return
			}
		}
	}
	var all []probe.Target
	err := inOrderBy(c.Context, c.Int("concurrency"), jobs, func(found []probe.Target) error {
		all = append(all, found...)
		return nil
	})
	return all, err
}
