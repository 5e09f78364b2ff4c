package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/crpki/crpki/inspect/trust"
)

// daemon is a runtime that reads some files only when it is started.
type daemon struct {
	// processes are its names in /proc/PID/comm.
	processes []string
	unit      string
	// configs are read at its start, besides the system's roots.
	configs []string
}

func daemonOf(runtime string) (daemon, bool) {
	switch runtime {
	case "docker":
		return daemon{[]string{"dockerd"}, "docker", []string{"/etc/docker/daemon.json"}}, true
	case "containerd":
		return daemon{[]string{"containerd"}, "containerd", []string{"/etc/containerd/config.toml"}}, true
	case "cri-o":
		return daemon{[]string{"crio"}, "crio", []string{"/etc/crio/crio.conf", "/etc/containers/registries.conf"}}, true
	case "k3s":
		return daemon{[]string{"k3s-server", "k3s-agent", "k3s"}, "k3s", []string{"/etc/rancher/k3s/registries.yaml"}}, true
	case "rke2":
		return daemon{[]string{"rke2"}, "rke2-server", []string{"/etc/rancher/rke2/registries.yaml"}}, true
	}
	return daemon{}, false
}

// daemonNames are all of them. A containerd-shim is none: it outlives the daemon
// that started it.
func daemonNames() []string {
	return []string{"dockerd", "containerd", "crio", "k3s", "k3s-server", "k3s-agent", "rke2"}
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
	started, ok := startOf(n.processes, daemon.processes, d.Installation)
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
				daemon.processes[0], started.UTC().Format(time.DateTime), name, changed.UTC().Format(time.DateTime), unit)
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

// process is a daemon of this machine that runs.
type process struct {
	name    string
	started time.Time
	trust.Process
}

// processes are the daemons of the running system: not those in containers, not
// the containerd that another of them has as its own, and not those that have
// ended and that nobody has waited for yet.
func processes() (all []process) {
	boot, ok := bootTime()
	root, err := os.Stat("/")
	if !ok || err != nil {
		return nil
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		name := commOf(dir)
		if !slices.Contains(daemonNames(), name) {
			continue
		}
		fields := statOf(dir)
		if len(fields) < 20 {
			continue
		}
		if parent := commOf("/proc/" + fields[1]); name == "containerd" && slices.Contains(daemonNames(), parent) {
			continue
		}
		// Another user's process does not tell its root: it is taken for ours.
		if its, err := os.Stat(dir + "/root/"); err == nil && !os.SameFile(root, its) {
			continue
		}
		ticks, err := strconv.ParseUint(fields[19], 10, 64)
		if err != nil {
			continue
		}
		p := process{name: name, started: boot.Add(time.Duration(ticks) * (time.Second / 100))} // USER_HZ
		exe, err := os.Readlink(dir + "/exe")
		if err == nil {
			p.Path, p.Replaced = strings.CutSuffix(exe, " (deleted)")
			var f *os.File
			if f, err = os.Open(dir + "/exe"); err == nil {
				p.Binary = trust.ReadBinary(f)
				f.Close()
			}
		}
		if errors.Is(err, fs.ErrNotExist) { // it has no memory any more, or it is gone
			continue
		}
		all = append(all, p)
	}
	return all
}

// runningDaemons are those whose binaries tell which release they are. That of k3s is
// unpacked by another one, which is the one that is found.
func runningDaemons(found []process) (all []trust.Process) {
	for _, p := range found {
		if p.Binary != nil && slices.Contains([]string{"dockerd", "containerd", "crio"}, p.name) {
			all = append(all, p.Process)
		}
	}
	return all
}

func commOf(dir string) string {
	name, _ := os.ReadFile(dir + "/comm")
	return strings.TrimSpace(string(name))
}

// startOf is when the daemon of an installation was started: the oldest of the
// processes of its binary.
func startOf(all []process, names []string, at trust.Installation) (oldest time.Time, found bool) {
	for _, p := range all {
		if !slices.Contains(names, p.name) || p.Binary != nil && p.Path != at.Found && slices.Contains(names, path.Base(at.Found)) {
			continue
		}
		if !found || p.started.Before(oldest) {
			oldest, found = p.started, true
		}
	}
	return oldest, found
}

// statOf are the fields of /proc/PID/stat (proc(5)) after the name: the first is
// the state, the second the parent, the twentieth the start.
func statOf(dir string) []string {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return nil
	}
	_, after, _ := bytes.Cut(stat[max(bytes.LastIndexByte(stat, ')'), 0):], []byte(") "))
	return strings.Fields(string(after))
}

// bootTime is when the machine was started, to the hundredth of a second by
// which processes are counted: btime of /proc/stat has whole seconds, and a daemon
// that is started right after a change would seem to be older than it.
func bootTime() (time.Time, bool) {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}, false
	}
	return time.Now().Add(-time.Duration(up.Nano())), true
}
