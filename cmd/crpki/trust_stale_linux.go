package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/crpki/crpki/inspect/trust"
)

// daemon is a runtime that reads some files only when it is started.
type daemon struct {
	// process is its name in /proc/PID/comm.
	process string
	unit    string
	// configs are read at its start, besides the system's roots.
	configs []string
}

func daemonOf(runtime string) (daemon, bool) {
	switch runtime {
	case "docker":
		return daemon{"dockerd", "docker", []string{"/etc/docker/daemon.json"}}, true
	case "containerd":
		return daemon{"containerd", "containerd", []string{"/etc/containerd/config.toml"}}, true
	case "cri-o":
		return daemon{"crio", "crio", []string{"/etc/crio/crio.conf", "/etc/containers/registries.conf"}}, true
	case "k3s":
		return daemon{"k3s", "k3s", []string{"/etc/rancher/k3s/registries.yaml"}}, true
	case "rke2":
		return daemon{"rke2", "rke2-server", []string{"/etc/rancher/rke2/registries.yaml"}}, true
	}
	return daemon{}, false
}

// stale says that a running daemon has not read what decides, "" when it has:
// its system roots and its own configuration are those of its start.
func (n *node) stale(d trust.Decision, j trust.Judgement) string {
	if !n.live {
		return ""
	}
	daemon, ok := daemonOf(d.Installation.Runtime)
	if !ok {
		return ""
	}
	started, ok := startOf(daemon.process)
	if !ok {
		return ""
	}
	var files []string
	if j.Anchor != nil && j.Anchor.System || j.Verdict == trust.Untrusted {
		for _, e := range d.Endpoints {
			if e.System != nil && e.System.File != "" {
				files = append(files, e.System.File)
			}
		}
		if j.Anchor != nil {
			files = append(files, j.Anchor.File)
		}
	}
	for _, name := range append(files, daemon.configs...) {
		if changed, ok := n.changed(name); ok && changed.After(started) {
			unit := strings.TrimSuffix(d.Installation.Unit, ".service")
			if unit == "" {
				unit = daemon.unit
			}
			return fmt.Sprintf("%s was started at %s and has not read %s, which was changed at %s: systemctl restart %s",
				daemon.process, started.UTC().Format(time.DateTime), name, changed.UTC().Format(time.DateTime), unit)
		}
	}
	return ""
}

// changed is when a file got its content or its place.
func (n *node) changed(name string) (time.Time, bool) {
	info, err := n.Stat(name)
	if err != nil {
		return time.Time{}, false
	}
	return ctime(info), true
}

func ctime(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctim.Unix())
	}
	return info.ModTime()
}

// startOf is when the oldest process of that name was started.
func startOf(process string) (oldest time.Time, found bool) {
	boot, ok := bootTime()
	if !ok {
		return oldest, false
	}
	all, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, comm := range all {
		name, err := os.ReadFile(comm)
		if text := strings.TrimSpace(string(name)); err != nil || text != process && !strings.HasPrefix(text, process+"-") {
			continue
		}
		if ticks, ok := startTicks(filepath.Dir(comm)); ok {
			at := boot.Add(time.Duration(ticks) * (time.Second / 100)) // USER_HZ
			if !found || at.Before(oldest) {
				oldest, found = at, true
			}
		}
	}
	return oldest, found
}

// startTicks is field 22 of /proc/PID/stat (proc(5)).
func startTicks(dir string) (uint64, bool) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return 0, false
	}
	_, after, ok := bytes.Cut(stat[max(bytes.LastIndexByte(stat, ')'), 0):], []byte(") "))
	fields := strings.Fields(string(after))
	if !ok || len(fields) < 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(fields[19], 10, 64)
	return n, err == nil
}

func bootTime() (time.Time, bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, false
	}
	for line := range strings.Lines(string(stat)) {
		if text, ok := strings.CutPrefix(line, "btime "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return time.Unix(n, 0), err == nil
		}
	}
	return time.Time{}, false
}
