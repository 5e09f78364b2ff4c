package main

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/cmd/crpki/internal/emit"
	"github.com/crpki/crpki/cmd/crpki/internal/serve"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/lenient"
)

func serveCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "serve a registry to try a certificate or a fault with clients",
		Description: `crpki serve --cert certs/tls.crt --key certs/tls.key
# where other machines reach it, on a free port
crpki serve --cert certs/tls.crt --listen 0.0.0.0:0
# what do my clients say to an expired certificate?
crpki serve --fault expired
# all faults that can be played
crpki serve --fault list

Serves one tiny image, hello-world, from memory, and prints how to pull it with
several clients; it holds a file of text, and nothing to run. The certificates
are sent as they are in the file, also those that clients refuse: to find that
out is what this is for. A line on standard error tells of each request, and of
each client that went away.

What clients need to trust the server is written below --client-dir, one folder
for the registry as in /etc/docker/certs.d: ca.crt, and for --fault mtls also
client.cert and client.key. The CA is the one in --ca-file, in CERT, or in ca.crt
beside it. Without --client-dir the folder is temporary and goes with the server.

Without --cert, a CA and a certificate are made for the address, and are gone
with the server. So they are for faults of the certificate.

Beware of 127.0.0.1: docker and containerd verify no certificate there. To try
these, listen on another address.

It is no registry to work with: there are no passwords, and what --writable lets
clients push is kept in memory. Ends with 0 at Ctrl-C, at SIGTERM, after --for,
and with --once after the first connection.`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "cert", Usage: "send the certificates in `FILE`: the server's first, then intermediates", TakesFile: true, Category: aboutCert},
			&cli.StringFlag{Name: "key", Usage: "the private key is in `FILE` (in that of --cert, or tls.key beside tls.crt, if not given)", TakesFile: true, Category: aboutKey},
			&cli.StringSliceFlag{Name: "ca-file", Usage: "`FILE` or folder with the certificate that clients are to trust", TakesFile: true, Category: aboutTrust},
			&cli.StringFlag{Name: "client-dir", Usage: "write what clients need to trust the server below `FOLDER`", TakesFile: true, Category: aboutTrust},
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:5000", Usage: "listen on `ADDRESS`; port 0 is a free one", Category: aboutConnection},
			&cli.StringSliceFlag{Name: "host", Usage: "`NAME` or address by which clients dial", Category: aboutConnection},
			choiceFlag(&cli.StringFlag{Name: "fault", Usage: "play the fault of this `NAME`; list explains them"}, faultNames()...),
			&cli.BoolFlag{Name: "writable", Usage: "let clients push"},
			&cli.DurationFlag{Name: "for", Usage: "end after `TIME`"},
			&cli.BoolFlag{Name: "once", Usage: "end after the first connection"},
			outputFlag("text", "json"),
		}, fileFlags("")[1:2], describedPasswordFlags("", "of an encrypted key or PKCS#12 file", aboutKey)),
		Action: e.serve,
	}
}

func faultNames() []string {
	names := []string{"list"}
	for _, f := range serve.Faults() {
		names = append(names, f.Name)
	}
	return names
}

// serving is what serve tells when it is ready.
type serving struct {
	// Address is where it listens, Host by what clients dial.
	Address string `json:"address"`
	Port    int    `json:"port"`
	Host    string `json:"host"`
	URL     string `json:"url"`
	// Image is what to pull, Digest that of its manifest.
	Image    string `json:"image"`
	Digest   string `json:"digest"`
	Writable bool   `json:"writable"`
	Fault    string `json:"fault,omitempty"`
	// ClientDir holds the folder CertDir for the registry, and that the files
	// which clients need. They are empty when nobody knows whom clients trust.
	ClientDir string          `json:"clientDir,omitempty"`
	CertDir   string          `json:"certDir,omitempty"`
	CAFile    string          `json:"caFile,omitempty"`
	Commands  []clientCommand `json:"commands"`
	PID       int             `json:"pid"`
}

// clientCommand pulls the image with a client.
type clientCommand struct {
	Client  string `json:"client"`
	Command string `json:"command"`
}

func (e *env) serve(c *cli.Context) error {
	if c.String("fault") == "list" {
		return e.listFaults(c)
	}
	s, err := e.newService(c)
	if err != nil {
		return err
	}
	return s.run()
}

func (e *env) listFaults(c *cli.Context) error {
	type explained struct {
		Name string `json:"name"`
		Does string `json:"does"`
		// Go is in the error of Go's clients.
		Go string `json:"go,omitempty"`
	}
	var list []explained
	for _, f := range serve.Faults() {
		list = append(list, explained{f.Name, f.Does, f.Go})
	}
	return e.print(c, list, func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, f := range list {
			fmt.Fprintf(t, "%s\t%s\n", f.Name, f.Does)
		}
		return t.Flush()
	})
}

// service is a server with all that belongs to it.
type service struct {
	*env
	c      *cli.Context
	fault  serve.Fault
	listen netip.AddrPort
	names  pki.Names // by which clients dial
	id     serve.Identity

	// telling keeps lines whole: connections tell at any time.
	telling sync.Mutex
}

func (e *env) newService(c *cli.Context) (*service, error) {
	s := &service{env: e, c: c}
	s.fault, _ = serve.Find(c.String("fault"))
	switch {
	case c.String("cert") == "" && c.String("key") != "":
		return nil, usageErrorf("--key needs the certificate that belongs to it: --cert FILE")
	case c.String("cert") != "" && s.fault.MakesCertificate():
		return nil, usageErrorf("--fault %s makes a certificate of its own, so that --cert has no place", s.fault.Name)
	case c.Duration("for") < 0:
		return nil, usageErrorf("--for %s is in the past", c.Duration("for"))
	}
	var err error
	if s.listen, err = listenAddress(c.String("listen")); err != nil {
		return nil, err
	}
	names, remarks, err := pki.ParseNames(0, c.StringSlice("host"))
	if err != nil {
		return nil, usageErrorf("--host: %w", err)
	}
	e.warnings(remarks)
	s.names = names
	if c.String("cert") != "" {
		err = s.readIdentity()
	} else {
		err = s.makeIdentity()
	}
	if err == nil && s.fault.WantsClientCertificate() {
		s.id.Client, err = serve.NewClient(e.now)
	}
	return s, err
}

// listenAddress reads --listen. Without a host it is every address.
func listenAddress(text string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return netip.AddrPort{}, withHint(usageErrorf("--listen: %q is no address with a port", text), "write 127.0.0.1:5000, [::1]:5000 or 0.0.0.0:5000")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, usageErrorf("--listen: %q is no port from 0 to 65535", port)
	}
	switch host {
	case "":
		host = "::"
	case "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, withHint(usageErrorf("--listen: %q is no IP address", host), "--listen 0.0.0.0:5000 --host "+shellQuote(host)+" listens on all addresses of this machine")
	}
	return netip.AddrPortFrom(ip, uint16(number)), nil
}

// addresses are those of this machine where the server listens.
func (s *service) addresses() (found pki.Names) {
	if !s.listen.Addr().IsUnspecified() {
		return pki.Names{{Kind: pki.IP, Value: s.listen.Addr().WithZone("").String()}}
	}
	all, _ := net.InterfaceAddrs() // without them it is loopback
	var loopback pki.Names
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		switch name := (pki.Name{Kind: pki.IP, Value: p.Addr().WithZone("").String()}); {
		case err != nil || p.Addr().IsLinkLocalUnicast() || s.listen.Addr().Is4() && !p.Addr().Is4():
		case p.Addr().IsLoopback():
			loopback = append(loopback, name)
		default:
			found = append(found, name)
		}
	}
	return append(found, loopback...)
}

// makeIdentity makes a certificate for the names of --host, or for all by which
// this machine is surely reached.
func (s *service) makeIdentity() (err error) {
	if len(s.names) == 0 {
		s.names = s.addresses()
		if s.listen.Addr().IsLoopback() {
			s.names = s.names.With(pki.Name{Kind: pki.DNS, Value: "localhost"})
		}
	}
	s.id, err = serve.NewIdentity(s.fault, s.names, s.now)
	return err
}

// readIdentity takes the certificates and the key from the files that flags
// name.
func (s *service) readIdentity() error {
	path := s.c.String("cert")
	chain, err := s.certsIn(s.c, path)
	if err != nil {
		return err
	}
	signer, err := s.readKey(path)
	if err != nil {
		return err
	}
	if key := publicKey(chain[0]); !pki.SamePublicKey(signer.Public(), key) {
		return withHint(badErrorf("%s: the private key is not that of this certificate", chain[0].Origin),
			"the server's certificate comes first: crpki bundle "+shellQuote(path)+" --key KEY puts them in order")
	}
	for _, cert := range chain {
		s.id.Certificate.Certificate = append(s.id.Certificate.Certificate, cert.Raw)
	}
	s.id.Certificate.PrivateKey = signer
	if len(s.names) == 0 {
		s.names = s.namesFor(chain[0])
	}
	s.id.CA, err = s.trustedCA(path, chain)
	return err
}

// publicKey is also that of a certificate which Go refuses.
func publicKey(c pki.Cert) crypto.PublicKey {
	if c.X509 != nil {
		return c.X509.PublicKey
	}
	view, _ := lenient.Read(c.Raw)
	if view == nil {
		return nil
	}
	key, err := x509.ParsePKIXPublicKey(view.RawKey)
	if err != nil {
		return nil
	}
	return key
}

// readKey takes the key from --key, from the file with the certificate, or from
// the one beside it.
func (s *service) readKey(certFile string) (crypto.Signer, error) {
	path := s.c.String("key")
	if path == "" {
		m, err := s.decode(s.c, certFile)
		if err == nil && len(m.Keys) > 0 {
			return oneKey(certFile, m)
		}
		path = replaceExt(certFile, "tls.crt", ".key")
		if _, err := os.Stat(path); err != nil {
			return nil, withHint(usageErrorf("the private key is neither in %s nor in %s", certFile, path), "name it: --key FILE")
		}
	}
	m, err := s.decode(s.c, path)
	if err != nil {
		return nil, err
	}
	return oneKey(path, m)
}

// namesFor are the names by which clients can dial a server with this
// certificate, the best first: an address at which it listens, then any other.
func (s *service) namesFor(leaf pki.Cert) pki.Names {
	here := s.addresses()
	if leaf.X509 == nil {
		return here
	}
	var good, rest pki.Names
	for _, n := range pki.NamesOf(leaf.X509) {
		switch {
		case slices.Contains(here, n) || n.Value == "localhost" && s.listen.Addr().IsLoopback():
			good = append(good, n)
		case (n.Kind == pki.DNS || n.Kind == pki.IP) && !strings.Contains(n.Value, "*"):
			rest = append(rest, n)
		}
	}
	if len(good) == 0 {
		s.warnf("the certificate names no address of this server: clients that dial %s will refuse it", here[0].Value)
	}
	return slices.Concat(good, rest, here)
}

// trustedCA finds whom clients are to trust: nobody, when none of the files has
// it.
func (s *service) trustedCA(certFile string, chain []pki.Cert) (*x509.Certificate, error) {
	candidates := slices.Clone(chain)
	if files := s.c.StringSlice("ca-file"); len(files) > 0 {
		found, err := s.certsIn(s.c, files...)
		if err != nil {
			return nil, err
		}
		if len(found) == 1 { // whatever it is, it was asked for
			return found[0].X509, nil
		}
		candidates = append(candidates, found...)
	} else if beside := filepath.Join(filepath.Dir(certFile), "ca.crt"); certFile != "-" {
		if found, err := s.certsIn(s.c, beside); err == nil {
			candidates = append(candidates, found...)
		}
	}
	certs, top := x509s(candidates), chain[len(chain)-1].X509
	if i := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return top != nil && isSelfSigned(c) && pki.Issued(c, top) }); i >= 0 {
		return certs[i], nil
	}
	if i := slices.IndexFunc(certs, isSelfSigned); top == nil && i >= 0 {
		return certs[i], nil
	}
	s.notef("whom clients trust is not known, so that the commands are without a CA: name it with --ca-file")
	return nil, nil
}

// run serves until it is told to end.
func (s *service) run() error {
	o := serve.Options{
		Listen: s.listen.String(), Certificate: s.id.Certificate, Fault: s.fault,
		Writable: s.c.Bool("writable"), Once: s.c.Bool("once"), Log: s.tell,
	}
	if s.id.Client != nil {
		o.ClientCA = s.id.Client.CA
	}
	server, err := serve.Start(o)
	if err != nil {
		return listenError(s.listen, err)
	}
	return errors.Join(s.serveOn(server), server.Close())
}

func listenError(address netip.AddrPort, err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		err = sys.Err
	}
	wrapped := usageErrorf("listen on %s: %w", address, err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return withHint(wrapped, "port 0 is a free one: --listen "+netip.AddrPortFrom(address.Addr(), 0).String())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return withHint(wrapped, "it is no address of this machine: --listen 0.0.0.0:5000 --host "+address.Addr().String())
	case errors.Is(err, syscall.EACCES):
		return withHint(wrapped, "ports below 1024 are root's: take another, such as 5000")
	}
	return wrapped
}

// serveOn says that the server is there and waits for the end.
func (s *service) serveOn(server *serve.Server) error {
	r := s.serving(server)
	remove, err := s.writeClientFiles(&r)
	defer remove()
	if err != nil {
		return err
	}
	r.Commands = s.commands(r)
	if err := s.announce(r); err != nil {
		return err
	}
	var over <-chan time.Time
	if d := s.c.Duration("for"); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-s.interrupt:
	case <-over:
	case <-server.Drained():
	}
	return nil
}

func (s *service) serving(server *serve.Server) serving {
	host, port := s.names[0].Value, server.Addr().Port
	at := net.JoinHostPort(host, strconv.Itoa(port))
	return serving{
		Address: server.Addr().String(), Port: port, Host: host, URL: "https://" + at,
		Image: at + "/" + serve.Repository + ":" + serve.Tag, Digest: serve.ImageDigest(),
		Writable: s.c.Bool("writable"), Fault: s.fault.Name, PID: os.Getpid(),
	}
}

// writeClientFiles writes what clients need, in the layout of
// /etc/docker/certs.d that docker, containerd, podman and skopeo share. The
// function removes what is temporary.
func (s *service) writeClientFiles(r *serving) (remove func(), err error) {
	remove = func() {}
	if s.id.CA == nil && s.id.Client == nil {
		return remove, nil
	}
	if r.ClientDir = s.c.String("client-dir"); r.ClientDir == "" {
		if r.ClientDir, err = os.MkdirTemp("", "crpki-serve-"); err != nil {
			return remove, usageErrorf("make a temporary folder: %w", pathCause(err))
		}
		dir := r.ClientDir
		remove = func() { os.RemoveAll(dir) } // the system clears what stays
	}
	registry := net.JoinHostPort(r.Host, strconv.Itoa(r.Port))
	if runtime.GOOS == "windows" { // docker leaves the colon out where a path cannot have it
		registry = strings.ReplaceAll(registry, ":", "")
	}
	r.CertDir = filepath.Join(r.ClientDir, registry)
	var files []pki.File
	if s.id.CA != nil {
		r.CAFile = filepath.Join(r.CertDir, "ca.crt")
		files = append(files, pki.File{Path: r.CAFile, Mode: pki.ModePublic, Data: format.EncodeCerts(s.id.CA)})
	}
	if client := s.id.Client; client != nil {
		key, err := format.EncodeKey(client.Key)
		if err != nil {
			return remove, err
		}
		files = append(files,
			pki.File{Path: filepath.Join(r.CertDir, "client.cert"), Mode: pki.ModePublic, Data: format.EncodeCerts(client.Certificate)},
			pki.File{Path: filepath.Join(r.CertDir, "client.key"), Mode: pki.ModePrivate, Data: key})
	}
	_, err = emit.Write(files, emit.Options{Now: s.now, Force: s.c.Bool("force")})
	if exists, ok := errors.AsType[*emit.ExistsError](err); ok {
		return remove, withHint(usageErrorf("%w", exists), "they are for another certificate: --force replaces and keeps backups; or write elsewhere")
	}
	return remove, err
}

// commands pull the image with the clients that people have.
func (s *service) commands(r serving) []clientCommand {
	curl, probe, skopeo, podman, ctr := []string{"curl"}, []string{"crpki", "probe"}, []string{"skopeo", "copy"}, []string{"podman", "pull"}, []string{"sudo", "ctr", "images", "pull"}
	if s.needsHosts(r.Host) {
		curl = append(curl, "--resolve", fmt.Sprintf("%s:%d:%s", r.Host, r.Port, s.addresses()[0].Value))
		probe = append(probe, "--resolve", r.Host+":"+s.addresses()[0].Value)
	}
	docker := ""
	if r.CAFile != "" {
		curl = append(curl, "--cacert", shellQuote(r.CAFile))
		probe = append(probe, "--ca-file", shellQuote(r.CAFile))
	}
	if s.id.Client != nil {
		// For curl, what follows a colon in --cert is a password.
		cert := strings.ReplaceAll(filepath.Join(r.CertDir, "client.cert"), ":", `\:`)
		key := shellQuote(filepath.Join(r.CertDir, "client.key"))
		curl = append(curl, "--cert", shellQuote(cert), "--key", key)
		probe = append(probe, "--cert", shellQuote(filepath.Join(r.CertDir, "client.cert")), "--key", key)
	}
	if r.CertDir != "" {
		skopeo = append(skopeo, "--src-cert-dir", shellQuote(r.CertDir))
		podman = append(podman, "--cert-dir", shellQuote(r.CertDir))
		ctr = append(ctr, "--hosts-dir", shellQuote(r.ClientDir))
		docker = "sudo mkdir -p /etc/docker/certs.d && sudo cp -r " + shellQuote(r.CertDir) + " /etc/docker/certs.d/ && "
	}
	line := func(words []string, more ...string) string { return strings.Join(append(words, more...), " ") }
	return []clientCommand{
		{"curl", line(curl, r.URL+"/v2/")},
		{"crpki", line(probe, net.JoinHostPort(r.Host, strconv.Itoa(r.Port)))},
		{"skopeo", line(skopeo, "docker://"+r.Image, "dir:"+serve.Repository)},
		{"podman", line(podman, r.Image)},
		{"docker", docker + "docker pull " + r.Image},
		{"ctr", line(ctr, r.Image)},
	}
}

// needsHosts is true for a name that leads to this server only if somebody sees
// to it.
func (s *service) needsHosts(host string) bool {
	n, _, err := pki.ParseName(host)
	return host != "localhost" && (err != nil || !slices.Contains(s.addresses(), n))
}

// announce says that the server is ready. With -o json it is one line.
func (s *service) announce(r serving) error {
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.c.String("output") == "json" {
		enc := json.NewEncoder(s.stdout)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else if err := s.writeServing(s.stdout, r); err != nil {
		return err
	}
	if b, ok := s.stdout.(interface{ Flush() error }); ok {
		return b.Flush() // whoever started us waits for it
	}
	return nil
}

func (s *service) writeServing(w io.Writer, r serving) error {
	mode := "read-only"
	if r.Writable {
		mode = "writable, in memory"
	}
	end := "Ctrl-C"
	switch {
	case s.c.Bool("once"):
		end = "the first connection ends"
	case s.c.Duration("for") > 0:
		end = s.c.Duration("for").String() + " have passed, or Ctrl-C"
	}
	fmt.Fprintf(w, "Serving %s (%s) until %s\n", r.URL, mode, end)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if r.Fault != "" {
		fmt.Fprintf(t, "  Fault\t%s: %s\n", r.Fault, s.fault.Does)
	}
	if s.fault.Go != "" {
		fmt.Fprintf(t, "  Clients\t%s …\n", strings.TrimSuffix(s.fault.Go, ": "))
	}
	fmt.Fprintf(t, "  Image\t%s\n", r.Image)
	if r.CAFile != "" {
		fmt.Fprintf(t, "  CA\t%s\n", printable(r.CAFile))
	}
	if s.needsHosts(r.Host) {
		fmt.Fprintf(t, "  Name\t%s has to lead here: a line in /etc/hosts, \"%s %[1]s\"\n", r.Host, s.addresses()[0].Value)
	}
	if s.listen.Addr().IsLoopback() {
		fmt.Fprintf(t, "  Beware\tdocker and ctr verify no certificate on loopback: for them, --listen elsewhere\n")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, command := range r.Commands {
		fmt.Fprintf(t, "  %s\t%s\n", command.Client, printable(command.Command))
	}
	return t.Flush()
}

// tell says what a connection did.
func (s *service) tell(line string) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.notef("%s", line)
}
