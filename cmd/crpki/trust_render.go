package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/trust"
)

func trustRenderCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "render",
		Usage: "write an install as script, cloud-init, Ansible, DaemonSet",
		Description: `crpki trust render --ca certs/ca.crt reg.example.com:5000 --runtime containerd@1.7.28 --as shell
# for new machines
crpki trust render --ca certs/ca.crt reg.example.com:5000 --runtime system --as cloud-init
# for the nodes of a cluster on which nobody may run programs
crpki trust render --ca certs/ca.crt reg.example.com:5000 --runtime containerd@2.1.4 --as daemonset

For nodes on which crpki itself cannot run. The files are those that crpki trust
install would write on a node of which nothing is known but the runtimes that
--runtime names, or on the node of --root.

A file that holds settings of others, such as config.toml, is only written where
there is none: what would have to be added to one that exists is told in a
comment. The script does nothing on a second run.`,
		ArgsUsage: "REF",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ca", Usage: "`FILE` or folder with the CA certificates to trust", TakesFile: true},
			choiceFlag(&cli.StringFlag{Name: "as", Value: "shell", Usage: "write it as `KIND`"}, "shell", "cloud-init", "ansible", "daemonset"),
			&cli.StringFlag{Name: "image", Value: "busybox:1.36", Usage: "`IMAGE` that the DaemonSet runs: one with sh and chroot"},
			&cli.StringFlag{Name: "root", Usage: "render for the node at `FOLDER` or in a snapshot; none: for one that has nothing yet", TakesFile: true, Category: aboutNode},
			&cli.StringSliceFlag{Name: "runtime", Usage: "for this runtime: `NAME`, or NAME@VERSION; system is the system's store", Category: aboutNode},
			choiceFlag(&cli.StringFlag{Name: "distribution", Value: "debian", Usage: "the `NAME` of what runs on the nodes, for --runtime system", Category: aboutNode}, "debian", "alpine", "rhel", "suse", "flatcar"),
		},
		Action: e.trustRender,
	}
}

func (e *env) trustRender(c *cli.Context) error {
	ref, err := e.reference(c)
	if err != nil {
		return err
	}
	wanted, err := e.wantedCAs(c)
	if err != nil {
		return err
	}
	n, err := e.renderNode(c)
	if err != nil {
		return err
	}
	defer n.Close()
	if c.String("root") == "" && len(c.StringSlice("runtime")) == 0 {
		return withHint(usageErrorf("for which runtime?"), "--runtime NAME@VERSION, or --root for a node that is there: "+strings.Join(runtimeNames(), ", ")+", system")
	}
	var out installed
	changes, err := e.planInstall(c, n, ref, wanted, &out)
	if err != nil {
		return err
	}
	for _, text := range out.Cannot {
		e.warnf("%s", text)
	}
	if len(changes) == 0 {
		e.notef("%s: nothing to do, all is in place", ref.Registry)
		return nil
	}
	r := rendering{ref: ref}
	for _, ch := range changes {
		r.add(n, ch)
	}
	var text string
	switch c.String("as") {
	case "cloud-init":
		text = r.cloudInit()
	case "ansible":
		text = r.ansible()
	case "daemonset":
		text = r.daemonSet(c.String("image"))
	default:
		text = "#!/bin/sh\n" + r.shell()
	}
	_, err = e.stdout.Write([]byte(text))
	return err
}

// renderNode is the node of --root, or one that has a distribution and nothing else.
func (e *env) renderNode(c *cli.Context) (*node, error) {
	if c.String("root") != "" {
		return e.openNode(c)
	}
	id := c.String("distribution")
	tree := tarFS{".": {name: ".", mode: fs.ModeDir | 0o755}}
	tree.put("etc/os-release", &tarEntry{name: "os-release", mode: 0o644, data: []byte("ID=" + id + "\n")})
	return &node{Node: trust.NewNode(tree, trust.NodeOptions{}), close: func() error { return nil }}, nil
}

// rendering is what is to be written, in the order in which it is.
type rendering struct {
	ref     trust.Reference
	files   []renderedFile
	run     []string
	restart []string
}

type renderedFile struct {
	path, content, why string
	mode               uint32
	run, restart       []string
	// shared: the file holds settings of others, and is written only where there is none.
	shared bool
}

func (r *rendering) add(n *node, ch trust.Change) {
	f := renderedFile{path: ch.Path, content: string(ch.Data), why: ch.Why, mode: 0o644, run: ch.Run, restart: appendNew(nil, ch.Restart...)}
	if base := path.Base(ch.Path); !strings.HasPrefix(base, "crpki") {
		f.shared = true
		if ch.Mode != 0 {
			f.mode = uint32(ch.Mode.Perm())
		}
		// On a node that is known, the file is as that node needs it.
		if n.root != "" && n.Exists(ch.Path) {
			f.shared = false
		}
	}
	if !bytes.HasSuffix(ch.Data, []byte("\n")) {
		f.content += "\n"
	}
	r.files = append(r.files, f)
	r.run = appendNew(r.run, ch.Run...)
	r.restart = appendNew(r.restart, ch.Restart...)
}

func (r *rendering) title() string {
	return "makes the container runtimes of a node trust the CA of " + r.ref.Registry + "; made by crpki trust render"
}

// shell is a script for a POSIX shell. ROOT is where the node's root is mounted.
func (r *rendering) shell() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# %s", r.title())
	p("set -eu")
	p("root=${ROOT:-}")
	p("changed=")
	p("put() { # PATH MODE: the new content is standard input")
	p("\tmkdir -p \"$root$(dirname \"$1\")\"")
	p("\tcat > \"$root$1.crpki-new\"")
	p("\tif cmp -s \"$root$1.crpki-new\" \"$root$1\"; then rm \"$root$1.crpki-new\"; return; fi")
	p("\tchmod \"$2\" \"$root$1.crpki-new\"")
	p("\tmv \"$root$1.crpki-new\" \"$root$1\"")
	p("\tchanged=yes")
	p("\techo \"wrote $1\"")
	p("}")
	p("add() { # PATH MODE: likewise, unless it holds settings of others")
	p("\tif [ -e \"$root$1\" ] && ! cmp -s - \"$root$1\"; then")
	p("\t\techo \"$1 exists and is left as it is: add to it what this script has for it\" >&2")
	p("\telif ! [ -e \"$root$1\" ]; then put \"$@\"; fi")
	p("}")
	for _, f := range r.files {
		function := "put"
		if f.shared {
			function = "add"
		}
		p("")
		p("# %s", f.why)
		p("%s %s %04o <<'END-OF-FILE'", function, shellQuote(f.path), f.mode)
		b.WriteString(f.content)
		p("END-OF-FILE")
	}
	for _, command := range r.run {
		p("\nif [ -n \"$changed\" ]; then ${root:+chroot \"$root\"} %s; fi", command)
	}
	for _, unit := range r.restart {
		p("if [ -n \"$changed\" ]; then echo 'then restart: systemctl restart %s'; fi", strings.TrimSuffix(unit, ".service"))
	}
	return b.String()
}

// cloudInit is user data (write_files and runcmd).
func (r *rendering) cloudInit() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#cloud-config\n# %s\nwrite_files:\n", r.title())
	var moves []string
	for _, f := range r.files {
		name := f.path
		if f.shared { // one that the image has is left as it is
			name += ".crpki-new"
			moves = append(moves, fmt.Sprintf("  - [sh, -c, %q]\n", "test -e "+shellQuote(f.path)+" || mv "+shellQuote(name)+" "+shellQuote(f.path)))
		}
		fmt.Fprintf(&b, "  # %s\n  - path: %q\n    owner: root:root\n    permissions: '%04o'\n    content: |\n%s", f.why, name, f.mode, indent(f.content, 6))
	}
	if len(r.run)+len(r.restart)+len(moves) > 0 {
		b.WriteString("runcmd:\n" + strings.Join(moves, ""))
	}
	for _, command := range r.run {
		fmt.Fprintf(&b, "  - [%s]\n", quotedWords(command))
	}
	for _, unit := range r.restart {
		fmt.Fprintf(&b, "  - [systemctl, try-restart, %q]\n", unit)
	}
	return b.String()
}

// ansible is a playbook.
func (r *rendering) ansible() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n- hosts: all\n  become: true\n  tasks:\n", r.title())
	made := []string{}
	for _, f := range r.files {
		if dir := path.Dir(f.path); !slices.Contains(made, dir) {
			made = append(made, dir)
			fmt.Fprintf(&b, "    - name: the folder %s\n      ansible.builtin.file:\n        path: %q\n        state: directory\n", dir, dir)
		}
		fmt.Fprintf(&b, "    - name: %s\n      ansible.builtin.copy:\n        dest: %q\n        mode: '%04o'\n", f.why, f.path, f.mode)
		if f.shared {
			b.WriteString("        force: false # one that exists has settings of others: add these to it\n")
		}
		fmt.Fprintf(&b, "        content: |\n%s", indent(f.content, 10))
		if len(f.run)+len(f.restart) > 0 {
			b.WriteString("      notify:\n")
			for _, command := range f.run {
				fmt.Fprintf(&b, "        - run %s\n", command)
			}
			for _, unit := range f.restart {
				fmt.Fprintf(&b, "        - restart %s\n", unit)
			}
		}
	}
	if len(r.run)+len(r.restart) > 0 {
		b.WriteString("  handlers:\n")
	}
	for _, command := range r.run {
		fmt.Fprintf(&b, "    - name: run %s\n      ansible.builtin.command:\n        argv: [%s]\n", command, quotedWords(command))
	}
	for _, unit := range r.restart {
		fmt.Fprintf(&b, "    - name: restart %s\n      ansible.builtin.systemd:\n        name: %q\n        state: restarted\n", unit, unit)
	}
	return b.String()
}

// daemonSet runs the shell script on every node, in a ConfigMap of its own.
func (r *rendering) daemonSet(image string) string {
	var b strings.Builder
	name := "crpki-trust-" + strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(r.ref.Registry)), "-")
	name = strings.TrimRight(name[:min(len(name), 50)], "-")
	fmt.Fprintf(&b, `# %s
# Nothing is restarted: what the pods print says what has to be.
apiVersion: v1
kind: ConfigMap
metadata:
  name: %s
  namespace: kube-system
data:
  install.sh: |
%s---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: %[2]s
  namespace: kube-system
spec:
  selector:
    matchLabels: {app: %[2]s}
  template:
    metadata:
      labels: {app: %[2]s}
    spec:
      tolerations: [{operator: Exists}]
      initContainers:
        - name: install
          image: %[4]q
          command: [sh, /script/install.sh]
          env: [{name: ROOT, value: /host}]
          securityContext: {privileged: true}
          volumeMounts:
            - {name: host, mountPath: /host}
            - {name: script, mountPath: /script}
      containers:
        - name: done
          image: %[4]q
          command: [sh, -c, "trap exit TERM; while true; do sleep 3600 & wait; done"]
          resources: {limits: {cpu: 10m, memory: 16Mi}}
      volumes:
        - name: host
          hostPath: {path: /}
        - name: script
          configMap: {name: %[2]s}
`, r.title(), name, indent(r.shell(), 4), image)
	return b.String()
}

// indent puts blanks before each line that has something in it.
func indent(text string, n int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(strings.Repeat(" ", n))
		}
		b.WriteString(line)
	}
	return b.String()
}

func quotedWords(command string) string {
	words := strings.Fields(command)
	for i, w := range words {
		words[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(words, ", ")
}
