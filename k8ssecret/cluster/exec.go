package cluster

import (
	"fmt"
	"strings"
	"unicode"
)

// exec.go reads what a kubeconfig says of its credential plug-in, a program that
// prints a token or a client certificate (client-go 0.34.4,
// tools/clientcmd/api/v1/types.go, ExecConfig).

// execExtension is the name under which a cluster has what is passed on to the
// plug-in.
const execExtension = "client.authentication.k8s.io/exec"

// execGroup begins the versions of what goes to the plug-in and comes back.
const execGroup = "client.authentication.k8s.io/"

// execConfig is the plug-in as the kubeconfig has it.
type execConfig struct {
	command            string
	args               []string
	env                []string // NAME=value
	apiVersion         string
	installHint        string
	provideClusterInfo bool
	interactiveMode    string // Never, IfAvailable, Always

	unnamed bool // there is a variable without a name in env
}

func (f *fault) exec(o object) *execConfig {
	e := f.object(o.get("exec"), o.at("exec"))
	if e.fields == nil {
		return nil
	}
	c := &execConfig{
		command: f.text(e, "command"), args: f.texts(e, "args"), apiVersion: f.text(e, "apiVersion"), installHint: withoutControls(f.text(e, "installHint")),
		provideClusterInfo: f.flag(e, "provideClusterInfo"), interactiveMode: f.text(e, "interactiveMode"),
	}
	if c.interactiveMode == "" && (c.apiVersion == execGroup+"v1beta1" || c.apiVersion == execGroup+"v1alpha1") {
		c.interactiveMode = "IfAvailable"
	}
	for i, item := range f.list(e, "env") {
		v := f.object(item, fmt.Sprintf("%s[%d]", e.at("env"), i))
		name := f.text(v, "name")
		c.unnamed = c.unnamed || name == ""
		c.env = append(c.env, name+"="+f.text(v, "value"))
	}
	return c
}

// check says what is wrong with the plug-in of a user.
func (c *execConfig) check(user string) (faults []error) {
	fail := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.command == "" {
		fail("the plug-in of the user %q has no command", user)
	}
	if c.apiVersion == "" {
		fail("the plug-in of the user %q has no apiVersion", user)
	}
	if c.unnamed {
		fail("the plug-in of the user %q has an env without a name", user)
	}
	switch c.interactiveMode {
	case "":
		fail("the plug-in of the user %q has no interactiveMode", user)
	case "Never", "IfAvailable", "Always":
	default:
		fail("the plug-in of the user %q has the interactiveMode %q, and not Never, IfAvailable or Always", user, c.interactiveMode)
	}
	return faults
}

// withoutControls spells out what would change the state of a terminal.
func withoutControls(text string) string {
	var b strings.Builder
	for _, c := range text {
		if unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z) || '\t' <= c && c <= '\r' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, "%U", c)
		}
	}
	return b.String()
}
