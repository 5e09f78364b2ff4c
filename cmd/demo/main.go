// Command demo shows crpki's main job from end to end, on loopback and in a
// temporary folder: make a CA and a server certificate, serve a registry with
// them, push and pull an image over TLS with the CA as the only trust, and see
// a client without it refuse. It runs the real program and needs nothing else.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/crpki/crpki/fixtures/registry"
	"github.com/crpki/crpki/pki"
)

func main() {
	crpki := flag.String("crpki", "bin/crpki", "the `program` to show")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, os.Stdout, *crpki); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, w io.Writer, crpki string) error {
	dir, err := os.MkdirTemp("", "crpki-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	say(w, "1. Make a CA, and a certificate for a registry on this machine")
	if err := run(ctx, w, dir, crpki, "gen", "--ip", "127.0.0.1", "--dns", "localhost"); err != nil {
		return err
	}

	certs := filepath.Join(dir, "certs")
	server, err := serve(certs)
	if err != nil {
		return err
	}
	defer server.Close()
	say(w, "2. Serve a registry with certs/tls.crt and certs/tls.key")
	fmt.Fprintf(w, "listening on https://%s\n", server.Address())

	say(w, "3. Push and pull an image, trusting certs/ca.crt and nothing else")
	for _, host := range []string{"127.0.0.1", "localhost"} {
		if err := pushAndPull(ctx, w, certs, host+":"+server.Port()+"/demo/hello:1"); err != nil {
			return err
		}
	}

	say(w, "4. The same without certs/ca.crt")
	return refused(ctx, w, server.Address()+"/demo/hello:1")
}

func say(w io.Writer, title string) { fmt.Fprintf(w, "\n# %s\n", title) }

// run shows a command line and what it prints.
func run(ctx context.Context, w io.Writer, dir, program string, args ...string) error {
	path, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "$ %s %s\n", filepath.Base(program), strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, w, w
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}

func serve(certs string) (*registry.Server, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(certs, "tls.crt"), filepath.Join(certs, "tls.key"))
	if err != nil {
		return nil, err
	}
	return registry.Start(registry.Options{TLS: &tls.Config{Certificates: []tls.Certificate{pair}}})
}

func pushAndPull(ctx context.Context, w io.Writer, certs, ref string) error {
	pem, err := os.ReadFile(filepath.Join(certs, "ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("certs/ca.crt: no certificate in it")
	}
	client := registry.NewClient(roots)
	defer client.Close()

	image, err := registry.Image("hello from " + ref)
	if err != nil {
		return err
	}
	if err := client.Push(ctx, ref, image); err != nil {
		return err
	}
	pulled, err := client.Pull(ctx, ref)
	if err != nil {
		return err
	}
	digest, err := pulled.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "pushed and pulled %s\n  %s\n  verified chain:\n", ref, digest)
	showChain(w, client.VerifiedChain())
	return nil
}

// showChain prints a verified chain, the server's certificate first.
func showChain(w io.Writer, chain []*x509.Certificate) {
	for i, cert := range chain {
		fmt.Fprintf(w, "  %s%s", strings.Repeat("   ", i), cert.Subject)
		if names := pki.NamesOf(cert); len(names) > 0 {
			fmt.Fprintf(w, " (%s)", strings.Join(names.Strings(), ", "))
		}
		fmt.Fprintf(w, ", valid until %s\n", cert.NotAfter.Format("2006-01-02"))
	}
}

// refused pulls with no CA to trust, and succeeds if that fails for the right
// reason.
func refused(ctx context.Context, w io.Writer, ref string) error {
	client := registry.NewClient(x509.NewCertPool())
	defer client.Close()
	_, err := client.Pull(ctx, ref)
	unknown, ok := errors.AsType[x509.UnknownAuthorityError](err)
	if !ok {
		return fmt.Errorf("pull without the CA: want an unknown authority, got: %v", err)
	}
	fmt.Fprintf(w, "refused, as it should be: %s\n", unknown)
	return nil
}
