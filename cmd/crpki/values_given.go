package main

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/inspect/rules"
	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// deployedFlags say what is to be deployed: a certificate, its key, and the CA.
func deployedFlags() []cli.Flag {
	return slices.Concat(certFlags(aboutCert), describedPasswordFlags("key-", "of the private key or PKCS#12 file", aboutCert))
}

// deployed is what deployedFlags name, as PEM. A file that is clean PEM is taken
// byte for byte.
type deployed struct {
	crt, key, ca []byte
	material     pki.Material
	leaf         *x509.Certificate
}

func (d deployed) any() bool { return d.crt != nil || d.key != nil }

// deployed reads the files.
func (e *env) deployed(c *cli.Context) (d deployed, err error) {
	p, err := readCertPaths(c)
	if err != nil {
		return d, err
	}
	opened := &passwordKeeper{env: e, c: c, prefix: "key-"}
	if p.ca != "" {
		if err := d.readCA(e, opened, p.ca); err != nil {
			return d, err
		}
	}
	if p.cert == "" {
		if p.key != "" {
			return d, withHint(usageErrorf("--key: there is no certificate beside the key"), "--cert FILE")
		}
		return d, d.read()
	}
	if err := d.readPair(e, opened, p.cert, p.key); err != nil {
		return d, err
	}
	return d, d.read()
}

// readCA takes the CA's certificates.
func (d *deployed) readCA(e *env, opened *passwordKeeper, path string) error {
	m, err := e.decodeAll(opened, []string{path})
	if err != nil {
		return err
	}
	certs := slices.Concat(m.Certs, m.Anchors)
	switch {
	case len(m.Keys) > 0:
		return withHint(usageErrorf("%s: there is a private key in it, which all clients would get", path), "name the file with the CA's certificate alone")
	case len(certs) == 0:
		return usageErrorf("%s: there is no certificate in it", path)
	}
	d.ca = e.asFound(path, opened.data, format.RepairOptions{KeepRoot: true})
	if d.ca == nil {
		d.ca = format.EncodeCerts(x509s(certs)...)
	}
	return nil
}

// readPair takes the certificate, and the key, which may be in the same file.
func (d *deployed) readPair(e *env, opened *passwordKeeper, certPath, keyPath string) error {
	m, err := e.decodeAll(opened, []string{certPath})
	if err != nil {
		return err
	}
	certData, keys := opened.data, m.Keys
	var keyData []byte
	if len(keys) == 0 {
		if keyPath == "" {
			if keyPath = keyBeside(certPath); keyPath == "" {
				return withHint(usageErrorf("%s: there is no private key in it, and no %s", certPath, besideKey(certPath)), "--key FILE")
			}
		}
		km, err := e.decodeAll(opened, []string{keyPath})
		if err != nil {
			return err
		}
		keys, keyData = km.Keys, opened.data
		if len(km.Certs)+len(km.Anchors) > 0 {
			keyData = nil
		}
		m.Keys = keys
	} else {
		if keyPath != "" {
			return usageErrorf("%s holds a private key, and %s is another: which is meant?", certPath, keyPath)
		}
		certData = nil
	}
	key, err := oneKey(cmp.Or(keyPath, certPath), pki.Material{Keys: keys})
	if err != nil {
		return err
	}
	if len(m.Certs)+len(m.Anchors) == 0 {
		return usageErrorf("%s: there is no certificate in it", certPath)
	}
	if d.crt = e.asFound(certPath, certData, format.RepairOptions{Served: true, KeepRoot: true}); d.crt == nil {
		if d.crt, err = d.encodeChain(e, key, m); err != nil {
			return err
		}
	}
	if !keys[0].Encrypted {
		d.key = e.asFound(keyPath, keyData, format.RepairOptions{})
	}
	if d.key == nil {
		if keys[0].Encrypted {
			e.notef("%s is written without its password, for nobody is there to type it when a pod starts", cmp.Or(keyPath, certPath))
		}
		if d.key, err = format.EncodeKey(key); err != nil {
			return err
		}
	}
	return nil
}

// read reads again what goes out, to be judged.
func (d *deployed) read() error {
	for _, part := range []struct {
		name string
		data []byte
	}{{"tls.crt", d.crt}, {"tls.key", d.key}, {"ca.crt", d.ca}} {
		if part.data == nil {
			continue
		}
		m, err := format.Decode(part.name, part.data, format.Options{})
		if err != nil {
			return err
		}
		if part.name == "ca.crt" {
			m = asAnchors(m)
		}
		d.material.Append(m)
	}
	if len(d.material.Certs) > 0 {
		d.leaf = d.material.Certs[0].X509
	}
	return nil
}

// encodeChain writes the chain of the key as PEM, and takes its root for the CA
// when there is no other.
func (d *deployed) encodeChain(e *env, key crypto.Signer, m pki.Material) ([]byte, error) {
	chain, err := e.chainOf(key, slices.Concat(m.Certs, m.Anchors))
	if err != nil {
		return nil, err
	}
	if chain.Root != nil && d.ca == nil {
		d.ca = format.EncodeCerts(chain.Root.X509)
	}
	return format.EncodeCerts(x509s(chain.Served())...), nil
}

// asFound gives PEM as it lies on disk, mended where readers would stumble; nil
// for what is no PEM.
func (e *env) asFound(path string, data []byte, o format.RepairOptions) []byte {
	if data == nil || !bytes.HasPrefix(bytes.TrimLeft(data, "\xEF\xBB\xBF \t\r\n"), []byte("-----BEGIN ")) {
		return nil
	}
	r, err := format.Repair(path, data, o)
	if err != nil {
		return nil
	}
	if r.Changed() {
		e.notef("%s goes in mended: %s", path, fixedRules(r))
	}
	return r.After
}

// judgeAll judges what the values are to say, whatever form they come in.
func (r *valuesRun) judgeAll() error {
	merged, err := k8ssecret.MergeValues("values", nil, k8ssecret.Change{Set: r.change.Set})
	if err != nil {
		return usageErrorf("%w", err)
	}
	return r.judge("values", merged.After)
}

// judge refuses what lint calls an error. Values of a chart that is not known
// are judged by what is in them.
func (r *valuesRun) judge(source string, data []byte) error {
	if r.plan.Mode == k8ssecret.ModeAny && r.c.String("into") == "" {
		return r.refuse([]k8ssecret.Unit{{Target: source, Material: r.given.material, Hosts: r.hosts()}})
	}
	name := source
	switch {
	case source == "-" && r.target == forArc:
		name = "-.json"
	case source == "-" || source == "values":
		name = source + ".yaml"
	}
	units, err := k8ssecret.Read(name, data, format.Options{})
	if err != nil {
		return usageErrorf("%w", err)
	}
	if r.plan.Mode == k8ssecret.ModeAny { // the rules of the connected registry's chart are not this one's
		for i := range units {
			units[i].Material.Notes = slices.DeleteFunc(units[i].Material.Notes, func(n pki.Note) bool {
				return strings.HasPrefix(n.Rule, "values-") && n.Rule != k8ssecret.NoteValuesFlatKey
			})
		}
	}
	return r.refuse(units)
}

// hosts are the names by which the flags say that clients dial.
func (r *valuesRun) hosts() (hosts []k8ssecret.Host) {
	for _, h := range []struct {
		kind       pki.NameKind
		text, from string
	}{{pki.IP, r.plan.ClusterIP, "--cluster-ip"}, {pki.DNS, r.plan.LoginServer, "--login-server"}} {
		if n, _, err := pki.ParseNameAs(h.kind, h.text); err == nil && h.text != "" {
			hosts = append(hosts, k8ssecret.Host{Name: n, From: h.from})
		}
	}
	return hosts
}

// refuse tells what is wrong with the units; errors end the command unless
// --force is given.
func (r *valuesRun) refuse(units []k8ssecret.Unit) error {
	var wrong []error
	told := map[string]bool{}
	for _, f := range lintUnits(r.env, units) {
		line := f.Rule + ": " + f.Message
		if told[line] {
			continue
		}
		told[line] = true
		switch {
		case f.Severity >= inspect.Error && !r.c.Bool("force"):
			wrong = append(wrong, withHint(badErrorf("%s", line), f.Fix))
		case f.Severity >= inspect.Warning:
			r.warnf("%s", line)
		}
	}
	if wrong == nil {
		return nil
	}
	return withHint(errors.Join(wrong...), "nothing was written; --force writes it all the same")
}

// lintUnits gives the findings of lint about units, the worst of each first.
func lintUnits(e *env, units []k8ssecret.Unit) (found []inspect.Finding) {
	judge := inspect.NewJudge(inspect.Options{Rules: rules.All()})
	for _, u := range units {
		ev := &inspect.Evidence{Target: u.Target, Material: u.Material, Now: e.now, Limits: lintLimits()}
		for _, h := range u.Hosts {
			ev.Hosts = append(ev.Hosts, inspect.Host(h))
		}
		for _, f := range judge.Run(ev).Findings {
			if f.Waived == "" {
				found = append(found, f)
			}
		}
	}
	return found
}

// lintLimits are lint's own where no flag says another.
func lintLimits() inspect.Limits {
	warn, _ := parseSpan("warn-days", "28")
	fail, _ := parseSpan("fail-days", "14")
	return inspect.Limits{Warn: warn, Fail: fail}
}
