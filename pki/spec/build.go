package spec

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

// BuildOptions tune [Plan.Build].
type BuildOptions struct {
	// Dir is put before the names of the files.
	Dir string
	// EncodeCAKey and EncodeKey write the new keys of CAs and of certificates;
	// nil writes them unencrypted.
	EncodeCAKey, EncodeKey func(crypto.Signer) ([]byte, error)
}

// Build makes the files that the plan announces, in memory. What is kept is
// not among them. The error tells all entries that cannot be made.
func (p *Plan) Build(ctx context.Context, o BuildOptions) ([]pki.File, error) {
	// What can go wrong goes wrong before keys are made, which takes time.
	if err := errors.Join(p.Err(), p.Rehearse()); err != nil {
		return nil, err
	}
	b := builder{now: p.now, made: map[*step]*made{}}
	if err := b.makeKeys(ctx, p.steps, o); err != nil {
		return nil, err
	}
	if err := b.all(p.steps); err != nil {
		return nil, err
	}
	return b.files(p, o.Dir), nil
}

// Rehearse makes everything with keys that are thrown away, and so finds what
// would keep Build from succeeding: names that a CA may not sign for, a CA from
// outside that has expired. What hangs on a key behind a password is left out.
func (p *Plan) Rehearse() error {
	if p.Err() != nil {
		return nil // told by Err, and the rest would follow from it
	}
	b := builder{now: p.now, rehearsal: true, made: map[*step]*made{}}
	for _, s := range p.steps {
		if !s.newKey {
			continue
		}
		key, err := issue.NewKey(issue.ECDSAP256)
		if err != nil {
			return err
		}
		b.made[s] = &made{key: key}
	}
	return b.all(p.steps)
}

// made is what a step produces.
type made struct {
	key    crypto.Signer
	keyPEM []byte
	cert   *x509.Certificate
	ca     *issue.CA // once it was needed
}

type builder struct {
	now       time.Time
	rehearsal bool
	made      map[*step]*made
}

// makeKeys makes the new keys, several at a time: RSA 4096 takes seconds.
func (b *builder) makeKeys(ctx context.Context, steps []*step, o BuildOptions) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
		slot = make(chan struct{}, runtime.GOMAXPROCS(0))
	)
	for _, s := range steps {
		if !s.newKey || !s.signs() {
			continue
		}
		slot <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slot }()
			m, err := newKey(s, o.encoder(s))
			mu.Lock()
			defer mu.Unlock()
			b.made[s] = m
			errs = append(errs, s.wrap(err))
		})
	}
	wg.Wait()
	return errors.Join(append(errs, context.Cause(ctx))...)
}

func (o BuildOptions) encoder(s *step) func(crypto.Signer) ([]byte, error) {
	encode := o.EncodeKey
	if s.ca != nil {
		encode = o.EncodeCAKey
	}
	if encode == nil {
		return format.EncodeKey
	}
	return encode
}

func newKey(s *step, encode func(crypto.Signer) ([]byte, error)) (*made, error) {
	key, err := issue.NewKey(s.KeyType)
	if err != nil {
		return nil, err
	}
	data, err := encode(key)
	return &made{key: key, keyPEM: data}, err
}

// wrap says to which entry an error belongs.
func (e *Entry) wrap(err error) error {
	if err == nil {
		return nil
	}
	return e.problem(err)
}

func (e *Entry) problem(err error) Problem {
	return Problem{Pos: e.Pos, Message: e.Name + ": " + strings.ReplaceAll(err.Error(), "\n", "; "), Err: err}
}

// all makes every certificate, issuers first, and looks at those that stay.
func (b *builder) all(steps []*step) error {
	var problems Problems
	failed := map[*step]bool{}
	for _, s := range steps {
		if s.up != nil && failed[s.up] {
			failed[s] = true
			continue
		}
		err := b.one(s)
		failed[s] = err != nil
		if err != nil && !errors.Is(err, errLocked) {
			problems = append(problems, s.problem(err))
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// errLocked ends a rehearsal where a password would be needed.
var errLocked = errors.New("the key is locked")

func (b *builder) one(s *step) error {
	if b.made[s] == nil {
		b.made[s] = &made{}
	}
	if !s.signs() {
		return b.stillGood(s)
	}
	m := b.made[s]
	if m.key == nil {
		key, err := b.existingKey(s)
		if err != nil {
			return err
		}
		m.key = key
	}
	var err error
	if s.ca != nil {
		m.cert, err = b.makeCA(s, m.key)
	} else {
		m.cert, err = b.makeLeaf(s, m.key)
	}
	return err
}

// existingKey is the key that stays. An intermediate can be signed again
// without its own.
func (b *builder) existingKey(s *step) (crypto.Signer, error) {
	if b.rehearsal && s.have.key == nil && s.have.unlock != nil {
		return nil, errLocked
	}
	if !s.have.hasKey && s.up != nil && s.have.cert() != nil {
		return publicOnly{s.have.cert().PublicKey}, nil
	}
	return s.have.signer()
}

// publicOnly stands for a key that is elsewhere.
type publicOnly struct{ pub crypto.PublicKey }

func (k publicOnly) Public() crypto.PublicKey { return k.pub }

func (k publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the private key is not here")
}

// issuer opens the CA of a step.
func (b *builder) issuer(s *step) (*issue.CA, error) {
	m := b.made[s]
	if m.ca != nil {
		return m.ca, nil
	}
	key := m.key
	if key == nil {
		var err error
		if key, err = b.existingKey(s); err != nil {
			return nil, err
		}
	}
	ca, err := issue.OpenCA(b.chain(s), key, b.now)
	m.ca = ca
	return ca, err
}

// chain is the certificate of a step, as it is or will be, and all above.
func (b *builder) chain(s *step) []*x509.Certificate {
	var chain []*x509.Certificate
	for ; s != nil; s = s.up {
		switch m := b.made[s]; {
		case m != nil && m.cert != nil:
			chain = append(chain, m.cert)
		case s.external():
			chain = append(chain, s.have.chain...)
		default:
			chain = append(chain, s.have.cert())
		}
	}
	return chain
}

func (b *builder) validity(s *step, ca *issue.CA) issue.Validity {
	v := issue.ValidFrom(b.now, s.lifetime())
	if ca != nil {
		v, _ = v.Within(ca)
	}
	return v
}

func (b *builder) makeLeaf(s *step, key crypto.Signer) (*x509.Certificate, error) {
	r := issue.Request{Names: s.cert.Names, Subject: s.Subject, Client: s.cert.Client, NoServer: s.cert.NoServer}
	if s.up == nil {
		r.Validity = b.validity(s, nil)
		return issue.SelfSigned(key, r)
	}
	ca, err := b.issuer(s.up)
	if err != nil {
		return nil, err
	}
	r.Validity = b.validity(s, ca)
	return ca.Issue(key.Public(), r)
}

// makeCA makes a CA, or makes it again. In the latter case, unless it is to be
// replaced, subject and key identifier stay byte for byte, since certificates
// that it signed refer to them.
func (b *builder) makeCA(s *step, key crypto.Signer) (*x509.Certificate, error) {
	r := issue.CARequest{Subject: s.Subject, PathLen: s.pathLen, Constraints: s.ca.Constraints}
	old := s.have.cert()
	if s.replaced != "" {
		old = nil
	}
	if old != nil {
		r.Subject = pkix.Name{} // sameIdentity has it
	}
	if s.up == nil {
		r.Validity = b.validity(s, nil)
		ca, err := issue.NewRoot(key, r)
		if err != nil {
			return nil, err
		}
		return sameIdentity(old, ca.Cert(), nil, key)
	}
	parent, err := b.issuer(s.up)
	if err != nil {
		return nil, err
	}
	r.Validity = b.validity(s, parent)
	ca, err := parent.NewIntermediate(key, r)
	if err != nil {
		return nil, err
	}
	return sameIdentity(old, ca.Cert(), parent.Cert(), parent.Signer)
}

// sameIdentity signs a CA's new certificate again, with the subject and the key
// identifier of the old one: made from their parsed values they would differ
// for CAs of other tools, which encode names otherwise (PrintableString,
// attributes unknown here) and compute other identifiers. parent is nil for a
// root.
func sameIdentity(old, fresh, parent *x509.Certificate, signer crypto.Signer) (*x509.Certificate, error) {
	if old == nil {
		return fresh, nil
	}
	t := *fresh
	t.RawSubject, t.SubjectKeyId = old.RawSubject, old.SubjectKeyId
	if parent == nil {
		parent, t.AuthorityKeyId = &t, old.SubjectKeyId
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, parent, fresh.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// stillGood verifies a certificate that stays, in case a CA above it is made
// anew with other limits.
func (b *builder) stillGood(s *step) error {
	changed := false
	for up := s.up; up != nil; up = up.up {
		changed = changed || up.signs()
	}
	if !changed {
		return nil
	}
	chain := b.chain(s)
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range chain[1 : len(chain)-1] {
		between.AddCert(c)
	}
	roots.AddCert(chain[len(chain)-1])
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: b.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("it would stay, and clients would refuse it below its new CA: %w", err)
	}
	return nil
}

// files are what has to be written, in the order of the spec.
func (b *builder) files(p *Plan, dir string) []pki.File {
	var files []pki.File
	for _, s := range p.inOrder() {
		if !s.signs() && s.verdict != Rebundle {
			continue
		}
		files = append(files, pki.File{Path: filepath.Join(dir, s.Name+certExt), Mode: pki.ModePublic, Data: format.EncodeCerts(b.bundle(s)...)})
		if m := b.made[s]; m.keyPEM != nil {
			files = append(files, pki.File{Path: filepath.Join(dir, s.Name+keyExt), Mode: pki.ModePrivate, Data: m.keyPEM})
		}
	}
	return files
}

// bundle is what a certificate's file holds: itself and the chain above it.
func (b *builder) bundle(s *step) []*x509.Certificate {
	chain := b.chain(s)
	return append(chain[:1:1], s.behind(chain[1:])...)
}
