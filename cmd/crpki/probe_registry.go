package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect/probe"
)

const aboutRegistry = "Registry"

// registryFlags are those of what is done at a registry behind GET /v2/.
func registryFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Name: "image", Usage: "look at the pull of this image as well: `NAME:TAG` at the target", Category: aboutRegistry},
		&cli.StringFlag{Name: "username", Usage: "log in as `NAME`, not as Docker's configuration says", Category: aboutRegistry},
		&cli.BoolFlag{Name: "anonymous", Usage: "do not log in", Category: aboutRegistry},
		&cli.BoolFlag{Name: "insecure", Usage: "send passwords also where TLS is not trusted", Category: aboutRegistry},
	}, describedPasswordFlags("login-", "of --username", aboutRegistry))
}

// registryOptions reads them.
func (e *env) registryOptions(c *cli.Context, o *probe.Options) error {
	log.SetOutput(io.Discard) // net/http tells it of servers that break HTTP/2, and so do we
	o.Insecure = c.Bool("insecure")
	o.Platform = "linux/" + runtime.GOARCH
	user := c.String("username")
	fromFlag := cmp.Or(c.String("login-password-file"), c.String("login-password-env"))
	switch {
	case c.Bool("anonymous") && user != "":
		return usageErrorf("--anonymous and --username exclude each other")
	case c.Bool("tls-only") && (user != "" || c.String("image") != ""):
		return usageErrorf("--tls-only asks a registry for nothing: leave it out, or --image and --username")
	case user == "" && fromFlag != "":
		return usageErrorf("a password without --username: whose is it?")
	case strings.Contains(user, ":"):
		return usageErrorf("--username: a name has no colon, which ends it in HTTP; the password comes from --login-password-file or --login-password-env")
	case user != "":
		password, err := e.password(c, "login-", "--username "+user)
		if err != nil {
			return err
		}
		o.Login = true
		o.Credentials = func(context.Context, string, string) (probe.Credentials, error) {
			return probe.Credentials{Username: user, Password: string(password), Source: "--username"}, nil
		}
	case !c.Bool("anonymous"):
		o.Credentials = e.dockerCredentials()
	}
	return nil
}

// askForImage has --image asked for at each target.
func askForImage(c *cli.Context, targets []probe.Target) error {
	image := c.String("image")
	if image == "" {
		return nil
	}
	for i, t := range targets {
		if t.Repository != "" {
			return usageErrorf("target %q names an image, and so does --image: leave one of them out", t.Text)
		}
		name := image
		for _, host := range []string{t.Address(), t.Host} {
			name = strings.TrimPrefix(name, host+"/")
		}
		if err := targets[i].SetImage(name); err != nil {
			return usageErrorf("--image %q: NAME:TAG or NAME@DIGEST, as it is called at the registry, in lower case", image)
		}
	}
	return nil
}

// writeRegistry says what the registry answered, and what a pull met.
func writeRegistry(line func(label, format string, args ...any), r probe.Result) {
	g := r.Registry
	if g == nil {
		return
	}
	if text := describeRegistry(g, r.Cause); text != "" {
		line("Registry", "%s", text)
	}
	for _, to := range g.Redirects {
		line("", "redirected to %s", to)
	}
	if g.Login != nil {
		line("Login", "%s", describeLogin(g.Login))
	}
	if i := r.Image; i != nil {
		line("Image", "%s", describeImage(i))
		if b := i.Blob; b != nil {
			line("", "blob %s, %s, from %s", b.Digest, count(int(b.Size), "byte"), b.URL)
			for _, over := range b.Redirects[:max(len(b.Redirects)-1, 0)] {
				line("", "redirected over %s", over)
			}
		}
	}
}

// describeRegistry leaves out what was said already.
func describeRegistry(g *probe.Registry, said string) string {
	var parts []string
	if g.Status != 0 {
		text := fmt.Sprintf("GET /v2/ gives %d", g.Status)
		if g.WebPage {
			text += ", a web page: no registry has one there"
		}
		parts = append(parts, text)
	}
	if g.Version != "" {
		parts = append(parts, g.Version)
	}
	if c := g.Challenge; c != nil {
		text := c.Scheme + " " + c.Realm
		if c.Service != "" {
			text += ", service " + c.Service
		}
		if c.Scope != "" {
			text += ", scope " + c.Scope
		}
		parts = append(parts, text)
	}
	if g.Server != "" {
		parts = append(parts, "server "+g.Server)
	}
	if g.Error != "" && g.Error != said {
		parts = append(parts, g.Error)
	}
	return strings.Join(parts, "; ")
}

func describeLogin(l *probe.Login) string {
	text := "as nobody"
	if l.Source != "" {
		text = fmt.Sprintf("as %s, of %s", cmp.Or(l.User, "the holder of a token"), l.Source)
	}
	if len(l.SentTo) > 0 {
		text += ", at " + strings.Join(l.SentTo, " and ")
	}
	switch {
	case l.OK && len(l.SentTo) == 0:
		text += ": the registry asks for no password"
	case l.OK:
		text += ": ok"
	}
	if l.Error != "" {
		text += ": " + l.Error
	}
	return text
}

func describeImage(i *probe.Image) string {
	parts := []string{i.Name}
	if i.Digest != "" {
		parts = append(parts, i.Digest)
	}
	if i.Manifest != "" {
		parts = append(parts, i.Platform+" "+i.Manifest)
	}
	if i.Layers > 0 {
		parts = append(parts, count(i.Layers, "layer"))
	}
	return strings.Join(parts, ", ")
}
