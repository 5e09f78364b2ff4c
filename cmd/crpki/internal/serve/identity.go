package serve

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/issue"
)

// Identity is what a server shows of itself, and what its clients need.
type Identity struct {
	Certificate tls.Certificate
	// CA is the certificate that clients are to trust.
	CA *x509.Certificate
	// Client is for clients of a server that demands one; no other has it.
	Client *Client
}

// Client is a certificate for clients, its key, and who signed it.
type Client struct {
	Certificate, CA *x509.Certificate
	Key             crypto.Signer
}

// NewIdentity makes a CA, an intermediate and a certificate for names, with the
// fault in them. All keys are new, and that of the CA is kept nowhere.
func NewIdentity(f Fault, names pki.Names, now time.Time) (Identity, error) {
	m, err := newMaker(names, now)
	if err == nil {
		err = m.sign(names)
	}
	if err == nil && f.chain != nil {
		err = f.chain(m)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("make a certificate: %w", err)
	}
	return Identity{Certificate: tls.Certificate{Certificate: m.served, PrivateKey: m.key}, CA: m.root.Cert()}, nil
}

// NewClient makes a certificate for clients, of a CA of its own.
func NewClient(now time.Time) (*Client, error) {
	m, err := newMaker(nil, now)
	if err != nil {
		return nil, fmt.Errorf("make a client's certificate: %w", err)
	}
	cert, err := m.root.Issue(m.key.Public(), issue.Request{
		Subject: pkix.Name{CommonName: "crpki serve client"}, Client: true, NoServer: true, Validity: lasting(now),
	})
	if err != nil {
		return nil, fmt.Errorf("make a client's certificate: %w", err)
	}
	return &Client{Certificate: cert, CA: m.root.Cert(), Key: m.key}, nil
}

// maker holds the certificates of a server while they are made.
type maker struct {
	now   time.Time
	names pki.Names
	root  *issue.CA
	// lower stands below root and signs the server's certificate.
	lower *issue.CA
	// key is the server's.
	key  crypto.Signer
	leaf *x509.Certificate
	// served is the chain as the server sends it.
	served [][]byte
}

func newMaker(names pki.Names, now time.Time) (*maker, error) {
	m := &maker{names: names, now: now}
	var err error
	if m.key, err = issue.NewKey(""); err != nil {
		return nil, err
	}
	if m.root, err = newRoot(now); err != nil {
		return nil, err
	}
	m.lower, err = m.intermediate(m.root, 0)
	return m, err
}

func newRoot(now time.Time) (*issue.CA, error) {
	key, err := issue.NewKey("")
	if err != nil {
		return nil, err
	}
	return issue.NewRoot(key, issue.CARequest{Subject: called("crpki serve CA", key), Validity: lasting(now), PathLen: -1})
}

func (m *maker) intermediate(above *issue.CA, pathLen int) (*issue.CA, error) {
	key, err := issue.NewKey("")
	if err != nil {
		return nil, err
	}
	return above.NewIntermediate(key, issue.CARequest{Subject: called("crpki serve intermediate CA", key), Validity: lasting(m.now), PathLen: pathLen})
}

func called(label string, key crypto.Signer) pkix.Name {
	return pkix.Name{CommonName: issue.CAName(label, key.Public())}
}

// lasting is long enough on both sides of now for all that faults need.
func lasting(now time.Time) issue.Validity {
	return issue.Validity{NotBefore: now.Add(-60 * issue.Day), NotAfter: now.Add(60 * issue.Day)}
}

// sign makes a good certificate for names, and serves it.
func (m *maker) sign(names pki.Names) error {
	return m.signAs(issue.Request{Names: names, Validity: m.lately()})
}

func (m *maker) lately() issue.Validity {
	return issue.Validity{NotBefore: m.now.Add(-issue.Backdate), NotAfter: m.now.Add(30 * issue.Day)}
}

func (m *maker) signAs(r issue.Request) (err error) {
	if m.leaf, err = m.lower.Issue(m.key.Public(), r); err != nil {
		return err
	}
	m.serve(append([]*x509.Certificate{m.leaf}, m.lower.Intermediates()...)...)
	return nil
}

func (m *maker) serve(chain ...*x509.Certificate) {
	m.served = nil
	for _, c := range chain {
		m.served = append(m.served, c.Raw)
	}
}

// The faults of certificates. Each one begins with a good chain.

func expired(m *maker) error {
	return m.signAs(issue.Request{Names: m.names, Validity: issue.Validity{NotBefore: m.now.Add(-31 * issue.Day), NotAfter: m.now.Add(-issue.Day)}})
}

func notYetValid(m *maker) error {
	return m.signAs(issue.Request{Names: m.names, Validity: issue.Validity{NotBefore: m.now.Add(issue.Day), NotAfter: m.now.Add(31 * issue.Day)}})
}

func wrongHost(m *maker) error { return m.sign(pki.Names{{Kind: pki.DNS, Value: "other.example.com"}}) }

func wrongUsage(m *maker) error {
	return m.signAs(issue.Request{Names: m.names, Client: true, NoServer: true, Validity: m.lately()})
}

func selfSigned(m *maker) error {
	cert, err := issue.SelfSigned(m.key, issue.Request{Names: m.names, Validity: m.lately()})
	if err == nil {
		m.serve(cert)
	}
	return err
}

func unknownCA(m *maker) error {
	other, err := newMaker(m.names, m.now)
	if err == nil {
		m.root = other.root
	}
	return err
}

func missingIntermediate(m *maker) error {
	m.serve(m.leaf)
	return nil
}

func rootSent(m *maker) error {
	m.serve(m.leaf, m.lower.Cert(), m.root.Cert())
	return nil
}

func caFirst(m *maker) error {
	m.serve(m.lower.Cert(), m.leaf)
	return nil
}

func wrongOrder(m *maker) error {
	upper, err := m.intermediate(m.root, -1)
	if err != nil {
		return err
	}
	if m.lower, err = m.intermediate(upper, 0); err != nil {
		return err
	}
	if err := m.sign(m.names); err != nil {
		return err
	}
	m.serve(m.leaf, upper.Cert(), m.lower.Cert())
	return nil
}

func wrongKey(m *maker) (err error) {
	m.key, err = issue.NewKey("")
	return err
}

// otherLower serves another certificate for the intermediate CA: of the same
// name and key, so that it passes for the one that signed.
func (m *maker) otherLower(r issue.CARequest) error {
	r.Subject = m.lower.Cert().Subject
	other, err := m.root.NewIntermediate(m.lower.Signer, r)
	if err == nil {
		m.serve(m.leaf, other.Cert())
	}
	return err
}

func expiredIntermediate(m *maker) error {
	return m.otherLower(issue.CARequest{Validity: issue.Validity{NotBefore: m.now.Add(-31 * issue.Day), NotAfter: m.now.Add(-issue.Day)}})
}

func constrainedCA(m *maker) error {
	return m.otherLower(issue.CARequest{Validity: lasting(m.now), Constraints: issue.Constraints{PermitDNS: []string{"other.example.com"}}})
}

// resign serves the leaf with a change in it.
func (m *maker) resign(edit func(*tbsCertificate) error) error {
	der, err := resign(m.leaf.Raw, m.lower.Signer, edit)
	if err == nil {
		m.served[0] = der
	}
	return err
}

func notACA(m *maker) error {
	der, err := resign(m.lower.Cert().Raw, m.root.Signer, func(t *tbsCertificate) error {
		t.Extensions[t.index(oidBasicConstraints)].Value = []byte{0x30, 0} // cA is FALSE by default
		return nil
	})
	m.served = [][]byte{m.leaf.Raw, der}
	return err
}

func noSAN(m *maker) error {
	return m.resign(func(t *tbsCertificate) error {
		i := t.index(oidSAN)
		t.Extensions = slices.Delete(t.Extensions, i, i+1)
		return nil
	})
}

func ipInDNSName(m *maker) error {
	var all pki.Names
	for _, n := range m.names {
		all = append(all, pki.Name{Kind: pki.DNS, Value: n.Value})
	}
	return m.resign(func(t *tbsCertificate) (err error) {
		t.Extensions[t.index(oidSAN)], err = san(all)
		return err
	})
}

// twoSAN is what `openssl req` makes of two -addext subjectAltName in old releases.
func twoSAN(m *maker) error {
	return m.resign(func(t *tbsCertificate) error {
		second, err := san(pki.Names{{Kind: pki.DNS, Value: "other.example.com"}})
		t.Extensions = slices.Insert(t.Extensions, t.index(oidSAN)+1, second)
		return err
	})
}

func hugeCertificate(m *maker) error {
	return m.resign(func(t *tbsCertificate) error {
		t.Extensions = append(t.Extensions, pkix.Extension{Id: oidComment, Value: make([]byte, 1<<20)})
		return nil
	})
}

func sha1Signed(m *maker) error {
	return m.resign(func(t *tbsCertificate) error {
		t.Algorithm.Algorithm = oidECDSAWithSHA1
		return nil
	})
}
