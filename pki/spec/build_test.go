package spec

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
	"github.com/crpki/crpki/pki/issue"
)

// verify demands that a client who trusts the root accepts what the server
// sends, for each of its names.
func (w *world) verify(s *Spec, roots ...*x509.Certificate) {
	w.t.Helper()
	for _, c := range s.Certs {
		chain := w.chain(c.Name)
		pool, between := x509.NewCertPool(), x509.NewCertPool()
		for _, r := range roots {
			pool.AddCert(r)
		}
		for _, i := range chain[1:] {
			assert.False(w.t, isRoot(i), "%s.crt holds a root", c.Name)
			between.AddCert(i)
		}
		if c.SelfSigned {
			pool.AddCert(chain[0])
		}
		_, err := chain[0].Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, CurrentTime: w.now})
		assert.NoError(w.t, err, c.Name)
		assert.ElementsMatch(w.t, c.Names.Strings(), pki.NamesOf(chain[0]).Strings(), c.Name)
		key, err := decodeKey(c.Name, w.files[c.Name+".key"].Data, nil)
		require.NoError(w.t, err)
		assert.True(w.t, pki.SamePublicKey(key.Public(), chain[0].PublicKey), "%s: key and certificate match", c.Name)
	}
}

// roots are the self-signed CAs of the folder.
func (w *world) roots(s *Spec) []*x509.Certificate {
	var roots []*x509.Certificate
	for _, ca := range s.CAs {
		if ca.From == nil && ca.Issuer == "" {
			roots = append(roots, w.cert(ca.Name))
		}
	}
	return roots
}

// TestApplyIsIdempotent makes up specs, applies them, changes them, and applies
// them again: after each, nothing is left to do (apply demands it), what is kept
// stays byte for byte, and clients accept everything.
func TestApplyIsIdempotent(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for seed := range rounds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := mrand.New(mrand.NewPCG(uint64(seed), 2))
			w := newWorld(t)
			w.force = true // what a spec changes in its CAs is meant
			for range 4 {
				text := randomSpec(rng)
				before := map[string]*fstest.MapFile{}
				for name, f := range w.files {
					before[name] = f
				}
				p := w.apply(text)
				for _, a := range p.Actions {
					for _, ext := range []string{".crt", ".key"} {
						if !slices.Contains(a.Files, a.Name+ext) {
							assert.Same(t, before[a.Name+ext], w.files[a.Name+ext], "%s%s stays", a.Name, ext)
						}
					}
				}
				w.verify(p.spec, w.roots(p.spec)...)
				w.now = w.now.Add(time.Duration(rng.IntN(200)) * issue.Day)
			}
		})
	}
}

func randomSpec(rng *mrand.Rand) string {
	pick := func(options ...string) string { return options[rng.IntN(len(options))] }
	var b strings.Builder
	b.WriteString("version: 1\n" + pick("", "defaults: {validity: 90d, key-type: ecdsa-p384}\n", "defaults: {renew-before: 10d, reuse-key: true}\n") + "cas:\n")
	names := []string{"root", "mid", "low"}[:1+rng.IntN(3)]
	for i, name := range names {
		fmt.Fprintf(&b, "- name: %s\n", name)
		if i > 0 {
			fmt.Fprintf(&b, "  ca: %s\n", names[rng.IntN(i)])
		}
		b.WriteString(pick("", "", fmt.Sprintf("  path-len: %d\n", 2-i), "  permit-dns: [example]\n  permit-ip: [10.0.0.0/8, \"fd00::/8\"]\n", "  subject: {org: X}\n", "  key-type: ed25519\n",
			"  validity: 3y\n", "  allow-replace: true\n"))
	}
	b.WriteString("certs:\n")
	for i := range 1 + rng.IntN(4) {
		fmt.Fprintf(&b, "- name: c%d\n", i)
		if rng.IntN(6) == 0 {
			b.WriteString("  self-signed: true\n")
		} else {
			fmt.Fprintf(&b, "  ca: %s\n", names[rng.IntN(len(names))])
		}
		var sans []string
		for range 1 + rng.IntN(4) {
			sans = append(sans, pick("a.example", "b.example", `"*.w.example"`, "10.0.0.1", "10.1.2.3", `"fd00::1"`, "spiffe://example/x", "x@example", "https://c.example:5000/v2/"))
		}
		fmt.Fprintf(&b, "  names: [%s]\n", strings.Join(sans, ", "))
		b.WriteString(pick("", "", "  client: true\n", "  reuse-key: true\n", "  key-type: ecdsa-p256\n", "  validity: 60d\n", "  subject: {org: Y, country: DE}\n"))
	}
	return b.String()
}

// TestYearsOfCron runs a spec every week for fourteen years. Clients that got
// the root in the beginning accept the servers until that root's own end; then
// they need the root's successor, which was there a year before.
func TestYearsOfCron(t *testing.T) {
	const text = `version: 1
defaults: {validity: 397d, renew-before: 30d}
cas:
- {name: root, validity: 10y}
- {name: issuing, ca: root, validity: 5y}
certs:
- {name: a, ca: issuing, names: a.example}
- {name: b, ca: issuing, names: b.example}
`
	w := newWorld(t)
	s := w.apply(text).spec
	first := w.cert("root")
	start, successor := w.now, time.Time{}
	changes := map[string]int{}
	for w.now.Before(start.Add(14 * 365 * issue.Day)) {
		w.now = w.now.Add(7 * issue.Day)
		p := w.plan(text)
		if p.Changes() {
			w.apply(text)
		}
		for _, a := range p.Actions {
			if a.Verdict != Keep {
				changes[a.Name+" "+string(a.Verdict)]++
			}
			require.NotEqual(t, Refuse, a.Verdict)
		}
		if successor.IsZero() && !w.cert("root").Equal(first) {
			successor = w.now
		}
		if w.now.Before(first.NotAfter) {
			w.verify(s, first)
		}
		w.verify(s, w.cert("root"))
	}
	assert.True(t, pki.SamePublicKey(first.PublicKey, w.cert("root").PublicKey), "the root's key never changes")
	assert.Greater(t, first.NotAfter.Sub(successor), 350*issue.Day)
	assert.Equal(t, 1, changes["root renew"])
	assert.LessOrEqual(t, changes["issuing renew"]+changes["issuing reissue"], 4)
	assert.LessOrEqual(t, changes["a renew"]+changes["a reissue"], 17, "hardly more than once a year: %v", changes)
}

// TestLeafEndsWithItsCA is about a CA from elsewhere, which nobody here can
// renew: its certificates are cut to its end, and not renewed day by day.
func TestLeafEndsWithItsCA(t *testing.T) {
	const text = `version: 1
cas:
- {name: corp, from: {cert: corp.crt, key: corp.key}}
certs:
- {name: a, names: a.example, validity: 397d, renew-before: 30d}
`
	w := newWorld(t)
	corp := w.corporate(pkix.Name{CommonName: "Corp"}, 100*issue.Day)
	p := w.apply(text)
	assert.Equal(t, []string{"corp keep", "a create key: ends with its CA corp on 2027-03-01"}, summary(p))
	assert.Equal(t, corp.NotAfter, w.cert("a").NotAfter)
	for range 10 {
		w.now = w.now.Add(9 * issue.Day)
		assert.Equal(t, []string{"corp keep", "a keep"}, summary(w.plan(text)))
	}
	w.now = w.now.Add(11 * issue.Day)
	_, err := w.plan(text).Build(context.Background(), BuildOptions{})
	require.Error(t, err)
	assert.Contains(t, err.Error(), `certs.yaml:5:4: a: CA "CN=Corp": it has expired: on 2027-03-01`)
}

// corporate puts a root of its own into corp.crt and corp.key beside the spec.
func (w *world) corporate(subject pkix.Name, life time.Duration) *x509.Certificate {
	w.t.Helper()
	key, err := issue.NewKey(issue.ECDSAP256)
	require.NoError(w.t, err)
	ca, err := issue.NewRoot(key, issue.CARequest{Subject: subject, Validity: issue.ValidAt(w.now, life), PathLen: -1})
	require.NoError(w.t, err)
	w.other["corp.crt"] = format.EncodeCerts(ca.Cert())
	w.other["corp.key"] = w.encode(key)
	return ca.Cert()
}

func (w *world) encode(key crypto.Signer) []byte {
	w.t.Helper()
	data, err := format.EncodeKey(key)
	require.NoError(w.t, err)
	return data
}

func TestCAFromElsewhere(t *testing.T) {
	const text = "version: 1\ncas:\n- {name: corp, from: {cert: corp.crt, key: corp.key}}\n- {name: issuing, ca: corp}\ncerts:\n- {name: a, ca: issuing, names: a.example}\n"
	t.Run("is used and never written", func(t *testing.T) {
		w := newWorld(t)
		w.force = true
		root := w.corporate(pkix.Name{CommonName: "Corp"}, 1000*issue.Day)
		p := w.apply(text)
		assert.NotContains(t, w.files, "corp.crt")
		assert.Len(t, w.chain("a"), 2)
		w.verify(p.spec, root)
	})
	t.Run("brings its chain along", func(t *testing.T) {
		w := newWorld(t)
		root := w.corporate(pkix.Name{CommonName: "Corp"}, 1000*issue.Day)
		key, err := decodeKey("corp.key", w.other["corp.key"], nil)
		require.NoError(t, err)
		subKey, err := issue.NewKey(issue.ECDSAP256)
		require.NoError(t, err)
		sub, err := (&issue.CA{Chain: []*x509.Certificate{root}, Signer: key}).NewIntermediate(subKey, issue.CARequest{
			Subject: pkix.Name{CommonName: "Corp Sub"}, Validity: issue.ValidAt(w.now, 900*issue.Day), PathLen: -1,
		})
		require.NoError(t, err)
		w.other["corp.crt"] = format.EncodeCerts(root, sub.Cert()) // in the wrong order, too
		w.other["corp.key"] = w.encode(subKey)
		p := w.apply(text)
		assert.Len(t, w.chain("a"), 3, "leaf, issuing, corp sub")
		assert.Len(t, w.chain("issuing"), 3, "issuing, corp sub, corp")
		w.verify(p.spec, root)
	})
	t.Run("in one PKCS#12 file with its key", func(t *testing.T) {
		w := newWorld(t)
		root := w.corporate(pkix.Name{CommonName: "Corp"}, 1000*issue.Day)
		key, err := decodeKey("corp.key", w.other["corp.key"], nil)
		require.NoError(t, err)
		w.other["corp.p12"], err = format.EncodeP12(key, root, nil, "secret", format.P12Options{})
		require.NoError(t, err)
		s, err := Read("certs.yaml", []byte(strings.Replace(text, "cert: corp.crt, key: corp.key", "cert: corp.p12", 1)), ReadOptions{})
		require.NoError(t, err)
		st, err := s.Load(Sources{Out: w.files, File: w.read, CA: Passwords{Given: password("secret")}})
		require.NoError(t, err)
		files, err := s.Plan(st, w.now, PlanOptions{}).Build(context.Background(), BuildOptions{})
		require.NoError(t, err)
		assert.Len(t, files, 4)
		_, err = s.Load(Sources{Out: w.files, File: w.read, CA: Passwords{Ask: password("wrong")}})
		assert.ErrorIs(t, err, format.ErrPasswordWrong)
	})
	for _, tt := range []struct {
		name   string
		change func(*world)
		want   string
	}{
		{"the key is away", func(w *world) { delete(w.other, "corp.key") }, "certs.yaml:4:4: issuing: corp.key is missing, which has to sign it"},
		{"the key is another", func(w *world) {
			key, _ := issue.NewKey(issue.ECDSAP256)
			w.other["corp.key"] = w.encode(key)
		}, "certs.yaml:3:4: corp: corp.key is not the key of corp.crt"},
		{"no certificate in it", func(w *world) { w.other["corp.crt"] = w.other["corp.key"] }, "certs.yaml:3:4: corp: corp.crt: there is no certificate in it"},
		{"it is no CA", func(w *world) {
			w.apply("version: 1\ncas: [{name: r}]\ncerts: [{name: l, names: l}]\n")
			w.other["corp.crt"], w.other["corp.key"] = w.files["l.crt"].Data, w.files["l.key"].Data
		}, "certs.yaml:3:4: corp: corp.crt is not a CA certificate"},
		{"it has expired", func(w *world) { w.now = w.now.Add(1001 * issue.Day) }, `certs.yaml:4:4: issuing: CA "CN=Corp": it has expired`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.corporate(pkix.Name{CommonName: "Corp"}, 1000*issue.Day)
			tt.change(w)
			_, err := w.plan(text).Build(context.Background(), BuildOptions{})
			require.Error(t, err)
			assert.Contains(t, err.Error(), tt.want)
		})
	}
	t.Run("the key beside its certificate is found", func(t *testing.T) {
		w := newWorld(t)
		root := w.corporate(pkix.Name{CommonName: "Corp"}, 1000*issue.Day)
		beside := strings.Replace(text, ", key: corp.key", "", 1)
		w.verify(w.apply(beside).spec, root)
		delete(w.other, "corp.key")
		assert.False(t, w.plan(beside).Changes())
		err := w.plan(strings.Replace(beside, "- {name: issuing, ca: corp}", "- {name: issuing, ca: corp, path-len: 4}", 1)).Err()
		require.Error(t, err)
		assert.Contains(t, err.Error(), "path-len is 0, the spec wants 4; corp.key is missing, which has to sign it")
		assert.True(t, err.(*RefusedError).Has(OtherKeyMissing))
	})
	t.Run("its file is not there", func(t *testing.T) {
		w := newWorld(t)
		s, err := Read("certs.yaml", []byte(text), ReadOptions{})
		require.NoError(t, err)
		_, err = s.Load(Sources{File: w.read})
		assert.EqualError(t, err, "read corp.crt: file does not exist")
	})
}

// TestCAOfAnotherTool renews a root whose subject and key identifier crpki
// would have written otherwise: both stay, or OpenSSL and Go would no longer
// find it.
func TestCAOfAnotherTool(t *testing.T) {
	const text = "version: 1\ncas:\n- {name: root, validity: 20y}\ncerts:\n- {name: a, names: a.example, validity: 90d}\n"
	w := newWorld(t)
	key, err := issue.NewKey(issue.RSA2048)
	require.NoError(t, err)
	subject, err := asn1.Marshal(pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "DE"}},
		{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte("example")}}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("Old CA")}}},
		{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte("ca@example")}}},
	})
	require.NoError(t, err)
	sum := sha1.Sum(x509.MarshalPKCS1PublicKey(key.Public().(*rsa.PublicKey)))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), RawSubject: subject, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.Add(400 * issue.Day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: sum[:], AuthorityKeyId: sum[:],
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	old, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	w.files["root.crt"] = &fstest.MapFile{Data: format.EncodeCerts(old)}
	w.files["root.key"] = &fstest.MapFile{Data: w.encode(key)}

	w.apply(strings.Replace(text, "validity: 20y", "allow-replace: false", 1))
	assert.True(t, w.cert("root").Equal(old), "it is taken as it is")
	leaf := w.cert("a")

	p := w.apply(text)
	assert.Equal(t, []string{"root reissue: validity is 400d, the spec wants 7300d", "a keep"}, summary(p))
	renewed := w.cert("root")
	assert.Equal(t, old.RawSubject, renewed.RawSubject)
	assert.Equal(t, old.SubjectKeyId, renewed.SubjectKeyId)
	assert.Equal(t, old.SubjectKeyId, renewed.AuthorityKeyId)
	assert.NotEqual(t, old.SerialNumber, renewed.SerialNumber)
	require.NoError(t, renewed.CheckSignatureFrom(renewed))
	require.NoError(t, leaf.CheckSignatureFrom(renewed))
	w.verify(p.spec, renewed)
}

func TestKeptCertificatesAreHeldAgainstTheNewCA(t *testing.T) {
	w := newWorld(t)
	w.apply(three)
	_, err := w.plan(strings.Replace(three, "  path-len: 0\n", "  path-len: 0\n  permit-dns: [a.example]\n  permit-ip: [10.0.0.0/8]\n", 1)).Build(context.Background(), BuildOptions{})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "certs.yaml:17:3: b: it would stay, and clients would refuse it below its new CA")
	assert.NotContains(t, err.Error(), "\n", "a is within the limits")
}

func TestRehearsalTellsAllThatCannotBeMade(t *testing.T) {
	w := newWorld(t)
	p := w.plan(`version: 1
cas:
- {name: root, permit-dns: [example], subject: {country: Germany}}
- {name: other, permit-dns: [example]}
certs:
- {name: a, ca: root, names: a.example}
- {name: b, ca: other, names: [b.example, 10.0.0.1]}
- {name: c, ca: other, names: c.test}
`)
	err := p.Rehearse()
	require.Error(t, err)
	assert.Contains(t, err.Error(), "3 problems in the spec")
	assert.Contains(t, err.Error(), `certs.yaml:3:4: root: subject: country "Germany"`)
	assert.Contains(t, err.Error(), "certs.yaml:7:4: b: IP:10.0.0.1: CA")
	assert.Contains(t, err.Error(), "certs.yaml:8:4: c: DNS:c.test: CA")
	files, err := p.Build(context.Background(), BuildOptions{})
	assert.Error(t, err)
	assert.Empty(t, files)
}

func password(text string) format.PasswordFunc {
	return func(pki.Origin) ([]byte, error) { return []byte(text), nil }
}

func TestEncryptedKeys(t *testing.T) {
	encrypt := func(key crypto.Signer) ([]byte, error) { return format.EncodeKeyEncrypted(key, []byte("ca secret")) }
	const more = three + "- {name: c, ca: issuing, names: c.example}\n"
	noTerminal := errors.New("no terminal")
	// set makes the certificates with locked CA keys.
	set := func(t *testing.T) *world {
		w := newWorld(t)
		files, err := w.plan(three).Build(context.Background(), BuildOptions{EncodeCAKey: encrypt})
		require.NoError(t, err)
		for _, f := range files {
			w.files[f.Path] = &fstest.MapFile{Data: f.Data}
		}
		assert.Contains(t, string(w.files["root.key"].Data), "ENCRYPTED PRIVATE KEY")
		assert.NotContains(t, string(w.files["a.key"].Data), "ENCRYPTED")
		return w
	}
	run := func(w *world, text string, p Passwords) (*Plan, []pki.File, error) {
		s, err := Read("certs.yaml", []byte(text), ReadOptions{})
		require.NoError(w.t, err)
		st, err := s.Load(Sources{Out: w.files, OutName: "certs", CA: p})
		if err != nil {
			return nil, nil, err
		}
		plan := s.Plan(st, w.now, PlanOptions{})
		files, err := plan.Build(context.Background(), BuildOptions{})
		return plan, files, err
	}
	t.Run("nobody is asked when there is nothing to sign", func(t *testing.T) {
		p, _, err := run(set(t), three, Passwords{Ask: func(pki.Origin) ([]byte, error) { t.Fatal("asked"); return nil, nil }})
		require.NoError(t, err)
		assert.False(t, p.Changes())
	})
	t.Run("only the key that signs is opened", func(t *testing.T) {
		var asked []string
		_, files, err := run(set(t), more, Passwords{Ask: func(o pki.Origin) ([]byte, error) {
			asked = append(asked, o.Source)
			return []byte("ca secret"), nil
		}})
		require.NoError(t, err)
		assert.Len(t, files, 2)
		assert.Equal(t, []string{"certs/issuing.key"}, asked)
	})
	t.Run("the rehearsal asks nobody", func(t *testing.T) {
		w := set(t)
		s, err := Read("certs.yaml", []byte(more), ReadOptions{})
		require.NoError(t, err)
		st, err := s.Load(Sources{Out: w.files, CA: Passwords{Ask: func(pki.Origin) ([]byte, error) { return nil, noTerminal }}})
		require.NoError(t, err)
		assert.NoError(t, s.Plan(st, w.now, PlanOptions{}).Rehearse())
	})
	t.Run("nobody there to ask", func(t *testing.T) {
		_, _, err := run(set(t), more, Passwords{Ask: func(pki.Origin) ([]byte, error) { return nil, noTerminal }})
		assert.ErrorIs(t, err, noTerminal)
	})
	t.Run("no password and no way to ask", func(t *testing.T) {
		_, _, err := run(set(t), three, Passwords{})
		require.ErrorIs(t, err, format.ErrPasswordNeeded)
		assert.Contains(t, err.Error(), "certs/root.key")
		assert.Contains(t, err.Error(), "certs/issuing.key", "all of them together")
	})
	t.Run("given", func(t *testing.T) {
		_, files, err := run(set(t), more, Passwords{Given: password("ca secret")})
		require.NoError(t, err)
		assert.Len(t, files, 2)
	})
	t.Run("wrong, even if nothing has to be signed", func(t *testing.T) {
		_, _, err := run(set(t), three, Passwords{Given: password("oops")})
		require.ErrorIs(t, err, format.ErrPasswordWrong)
		assert.Contains(t, err.Error(), "certs/root.key")
		assert.NotContains(t, err.Error(), "oops")
	})
}

func TestLoadTellsWhatItCannotRead(t *testing.T) {
	const text = "version: 1\ncas: [{name: root}]\ncerts: [{name: a, names: a}]\n"
	s := mustRead(t, text)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "root.crt"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "root.key"), make([]byte, maxBytes+1), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "old.crt"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "old.crt.bak-20260101T000000Z"), nil, 0o644))
	_, err := s.Load(Sources{Out: os.DirFS(dir), OutName: "certs"})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "read certs/root.crt: it is not a regular file")
	assert.Contains(t, err.Error(), "read certs/root.key: it has more than 1024 KiB")

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "root.crt")))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "root.key")))
	st, err := s.Load(Sources{Out: os.DirFS(dir), OutName: "certs"})
	require.NoError(t, err)
	assert.Equal(t, []string{"certs/old.crt"}, st.Strays)

	_, err = s.Load(Sources{Out: os.DirFS(filepath.Join(dir, "missing"))})
	assert.NoError(t, err, "a folder that is not there yet")
}

// FuzzExisting takes any bytes for what lies in the folder: whatever they are,
// a plan comes out, or an error.
func FuzzExisting(f *testing.F) {
	w := newWorld(&testing.T{})
	s, err := Read("certs.yaml", []byte(three), ReadOptions{})
	if err != nil {
		f.Fatal(err)
	}
	files, err := w.planSpec(s).Build(context.Background(), BuildOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(files[0].Data, files[1].Data, files[4].Data, files[5].Data, false)
	f.Add(files[4].Data, files[1].Data, files[0].Data, files[1].Data, true)
	f.Add([]byte("junk"), []byte{}, files[2].Data, files[3].Data, true)
	f.Fuzz(func(t *testing.T, rootCert, rootKey, cert, key []byte, force bool) {
		st, err := s.Load(Sources{Out: fstest.MapFS{
			"root.crt": {Data: rootCert}, "root.key": {Data: rootKey}, "a.crt": {Data: cert}, "a.key": {Data: key},
		}})
		if err != nil {
			return
		}
		p := s.Plan(st, w.now, PlanOptions{Force: force})
		require.Len(t, p.Actions, 4)
	})
}

func TestBuildStopsWhenAsked(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("interrupted")
	cancel(stop)
	files, err := w.plan(three).Build(ctx, BuildOptions{})
	assert.ErrorIs(t, err, stop)
	assert.Empty(t, files)
}

func TestFilesHaveTheirModes(t *testing.T) {
	files, err := newWorld(t).plan(three).Build(context.Background(), BuildOptions{Dir: "out"})
	require.NoError(t, err)
	for i, want := range []string{"root.crt", "root.key", "issuing.crt", "issuing.key", "a.crt", "a.key", "b.crt", "b.key"} {
		assert.Equal(t, filepath.Join("out", want), files[i].Path)
		mode := pki.ModePublic
		if strings.HasSuffix(want, ".key") {
			mode = pki.ModePrivate
		}
		assert.Equal(t, mode, files[i].Mode)
	}
}

// TestOpenSSLAccepts has openssl verify, as strictly as it can, what specs
// make: with every key type, below a root and an intermediate, and after a CA
// was signed again.
func TestOpenSSLAccepts(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for _, keyType := range issue.KeyTypes() {
		t.Run(string(keyType), func(t *testing.T) {
			if testing.Short() && keyType == issue.RSA4096 {
				t.Skip("slow")
			}
			text := strings.Replace(three, "version: 1\n", "version: 1\ndefaults: {key-type: "+string(keyType)+"}\n", 1) + "  client: true\n"
			w := newWorld(t)
			w.now = time.Now()
			w.apply(text)
			w.openssl(openssl)
			w.apply(strings.Replace(text, "path-len: 0", "path-len: 0\n  permit-dns: [example]\n  permit-ip: [10.0.0.0/8]", 1))
			w.openssl(openssl)
		})
	}
}

func (w *world) openssl(openssl string) {
	w.t.Helper()
	dir := w.t.TempDir()
	for name, f := range w.files {
		require.NoError(w.t, os.WriteFile(filepath.Join(dir, name), f.Data, 0o600))
	}
	for _, args := range []string{
		"verify -x509_strict -purpose sslserver -verify_ip 10.96.0.50 -CAfile root.crt -untrusted a.crt a.crt",
		"verify -x509_strict -purpose sslserver -verify_hostname a.example -CAfile root.crt -untrusted issuing.crt a.crt",
		"verify -x509_strict -purpose sslclient -verify_hostname b.example -CAfile root.crt -untrusted b.crt b.crt",
		"verify -x509_strict -CAfile root.crt issuing.crt",
	} {
		cmd := exec.Command(openssl, strings.Fields(args)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		assert.NoError(w.t, err, "openssl %s: %s", args, out)
	}
}
