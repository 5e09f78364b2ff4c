package trust

import (
	"path"
	"slices"
	"strings"
)

// Env is a process's environment, with where each variable was set. Later
// entries win.
type Env []Variable

// Variable is one setting of an environment.
type Variable struct {
	Name, Value string
	Place       Place
}

// Lookup gives the value of a variable, "" when it is not set.
func (e Env) Lookup(name string) (string, Place) {
	for _, v := range slices.Backward(e) {
		if v.Name == name {
			return v.Value, v.Place
		}
	}
	return "", Place{}
}

// Get is Lookup without the place.
func (e Env) Get(name string) string {
	value, _ := e.Lookup(name)
	return value
}

// Unit is a systemd service as the node's files describe it.
type Unit struct {
	// Name is "docker.service".
	Name string
	// File is the unit's own file, "" when there is none.
	File string
	Env  Env
	// Args is the command line of ExecStart, variables filled in; the program first.
	Args []string
	// ArgsPlace is where it stands.
	ArgsPlace Place
	User      string
}

// Flag gives the last value of a flag on the command line, in the forms
// "--name value", "--name=value" and "-name value".
func (u *Unit) Flag(names ...string) (string, bool) {
	all := u.Flags(names...)
	if len(all) == 0 {
		return "", false
	}
	return all[len(all)-1], true
}

// Flags gives all values of a flag that may be repeated.
func (u *Unit) Flags(names ...string) (values []string) {
	for i := 1; i < len(u.Args); i++ {
		name, value, has := strings.Cut(u.Args[i], "=")
		if !slices.Contains(names, name) {
			continue
		}
		if !has {
			if i++; i == len(u.Args) {
				break
			}
			value = u.Args[i]
		}
		values = append(values, value)
	}
	return values
}

// unitDirs are those of systemd.unit(5), the first outranks the others.
var unitDirs = [...]string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

type unitKey string

// Unit reads the first of the named services that the node has, with its
// drop-ins and files of variables. Of one that is not there, only what systemd
// gives to all is known. Names are without ".service".
func (n *Node) Unit(names ...string) *Unit {
	for _, name := range names {
		if u := n.unit(name); u.File != "" {
			return u
		}
	}
	if len(names) == 0 {
		return &Unit{}
	}
	return n.unit(names[0])
}

func (n *Node) unit(name string) *Unit {
	return Memo(n, unitKey(name), func() *Unit {
		u := &unitReader{n: n, Unit: Unit{Name: name + ".service"}}
		u.managerEnvironment()
		for _, dir := range unitDirs {
			if file := path.Join(dir, u.Name); u.read(file) {
				u.File = file
				break
			}
		}
		if u.File != "" {
			for _, file := range u.dropIns() {
				u.read(file)
			}
		}
		u.finish()
		return &u.Unit
	})
}

type unitReader struct {
	n *Node
	Unit
	files   []Variable // EnvironmentFile: Value is the path
	env     Env
	manager Env
	exec    string
}

// managerEnvironment is DefaultEnvironment of systemd-system.conf(5).
func (u *unitReader) managerEnvironment() {
	files := []string{"/etc/systemd/system.conf"}
	more, _ := u.n.Glob("/etc/systemd/system.conf.d/*.conf")
	for _, file := range append(files, more...) {
		u.eachSetting(file, "Manager", func(key, value string, at Place) {
			if key == "DefaultEnvironment" {
				u.manager = appendAssignments(u.manager, value, at)
			}
		})
	}
}

// dropIns are the *.conf files beside a unit: by their names, whatever the
// directory, of which a higher one hides the same name in a lower one.
func (u *unitReader) dropIns() []string {
	found := map[string]string{}
	folders := []string{"service.d", u.Name + ".d"}
	for _, folder := range folders {
		for _, dir := range slices.Backward(unitDirs[:]) {
			entries, _ := u.n.ReadDir(path.Join(dir, folder))
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), ".conf") {
					found[e.Name()] = path.Join(dir, folder, e.Name())
				}
			}
		}
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = found[name]
	}
	return names
}

// read takes what counts here from one unit file.
func (u *unitReader) read(file string) bool {
	return u.eachSetting(file, "Service", func(key, value string, at Place) {
		switch key {
		case "Environment":
			if value == "" {
				u.env = nil
			}
			u.env = appendAssignments(u.env, u.specifiers(value), at)
		case "EnvironmentFile":
			if value == "" {
				u.files = nil
				return
			}
			u.files = append(u.files, Variable{Value: u.specifiers(value), Place: at})
		case "ExecStart":
			if u.exec = value; value != "" {
				u.ArgsPlace = at
			}
		case "User":
			u.User = value
		}
	})
}

// specifiers fills in those of systemd.unit(5) that depend on the name alone.
func (u *unitReader) specifiers(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	prefix := strings.TrimSuffix(u.Name, ".service")
	return strings.NewReplacer("%%", "%", "%n", u.Name, "%N", prefix, "%p", prefix, "%h", "/root", "%t", "/run", "%E", "/etc", "%S", "/var/lib").Replace(s)
}

// finish puts the variables together: those of files outrank those of the unit.
func (u *unitReader) finish() {
	u.Env = append(u.manager, u.env...)
	for _, f := range u.files {
		pattern := strings.TrimPrefix(f.Value, "-")
		if !path.IsAbs(pattern) {
			continue
		}
		names, _ := u.n.Glob(pattern)
		for _, name := range names {
			u.environmentFile(name)
		}
	}
	words := splitWords(u.specifiers(u.exec))
	for i, w := range words {
		if i == 0 {
			w = strings.TrimLeft(w, "@-:+!")
		}
		if name, ok := strings.CutPrefix(w, "$"); ok && isVariable(name) { // alone: split into words
			u.Args = append(u.Args, strings.Fields(u.Env.Get(name))...)
			continue
		}
		u.Args = append(u.Args, u.expand(w))
	}
}

// expand fills in ${NAME} and $NAME inside a word.
func (u *unitReader) expand(w string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(w, '$')
		if i < 0 {
			b.WriteString(w)
			return b.String()
		}
		b.WriteString(w[:i])
		w = w[i+1:]
		switch {
		case strings.HasPrefix(w, "$"):
			b.WriteByte('$')
			w = w[1:]
		case strings.HasPrefix(w, "{"):
			name, rest, ok := strings.Cut(w[1:], "}")
			if !ok {
				b.WriteString("$" + w)
				return b.String()
			}
			b.WriteString(u.Env.Get(name))
			w = rest
		default:
			b.WriteByte('$')
		}
	}
}

func isVariable(s string) bool {
	return s != "" && !(s[0] >= '0' && s[0] <= '9') && only(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
}

// environmentFile reads lines of NAME=value as systemd.exec(5) describes them.
func (u *unitReader) environmentFile(name string) {
	data, err := u.n.ReadFile(name)
	if err != nil {
		return
	}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if key = strings.TrimSpace(strings.TrimPrefix(key, "export ")); !ok || !isVariable(key) {
			continue
		}
		u.Env = append(u.Env, Variable{key, unquote(strings.TrimSpace(value)), Place{File: name, Line: number, Key: key}})
	}
}

// EnvironmentFile reads a file of NAME=value lines that is no part of a unit,
// such as MicroK8s' containerd-env.
func (n *Node) EnvironmentFile(name string) Env {
	u := &unitReader{n: n}
	u.environmentFile(name)
	return u.Env
}

// eachSetting calls f for each assignment of a section. It is false when there
// is no such file.
func (u *unitReader) eachSetting(file, section string, f func(key, value string, at Place)) bool {
	data, err := u.n.ReadFile(file)
	if err != nil {
		return false
	}
	current, number, whole, begin := "", 0, "", 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if whole == "" {
			begin = number
		}
		if line == "" && whole == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		if strings.HasSuffix(line, `\`) {
			whole += strings.TrimSuffix(line, `\`) + " "
			continue
		}
		line, whole = whole+line, ""
		if strings.HasPrefix(line, "[") {
			current = strings.Trim(line, "[]")
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && current == section {
			key = strings.TrimSpace(key)
			f(key, strings.TrimSpace(value), Place{File: file, Line: begin, Key: key})
		}
	}
	return true
}

func appendAssignments(env Env, value string, at Place) Env {
	for _, w := range splitWords(value) {
		if name, v, ok := strings.Cut(w, "="); ok && isVariable(name) {
			env = append(env, Variable{name, v, Place{File: at.File, Line: at.Line, Key: name}})
		}
	}
	return env
}

// splitWords splits as systemd does: blanks separate, quotes and backslashes
// keep together.
func splitWords(s string) (words []string) {
	var b strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && quote != '\'':
			i++
			b.WriteByte(s[i])
			in = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, in = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if in {
				words = append(words, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, b.String())
	}
	return words
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
