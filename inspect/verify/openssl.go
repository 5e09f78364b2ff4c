// Package verify is the one judge of certificate chains: what Go's clients say
// (docker, containerd, podman, kubelet) and what OpenSSL says, of the same
// evidence at the same time. It opens nothing and reads no clock.
package verify

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"

	"github.com/crpki/crpki/pki"
)

// Purpose is what a leaf is verified for.
type Purpose string

// Purposes as `openssl verify -purpose` names them; Any checks none.
const (
	Any           Purpose = ""
	Server        Purpose = "sslserver"
	Client        Purpose = "sslclient"
	CodeSign      Purpose = "codesign"
	TimestampSign Purpose = "timestampsign"
)

// OpenSSL is a verification as OpenSSL 3.x does it (crypto/x509/x509_vfy.c).
// The zero value of every option is what `openssl verify` does by default.
type OpenSSL struct {
	// Presented is what the server sent, leaf first; the rest is untrusted help.
	Presented []pki.Cert
	Trusted   []pki.Cert
	// Host is the name or address dialled; "" checks none.
	Host    string
	At      time.Time
	Purpose Purpose
	// PartialChain accepts any trusted certificate as an anchor (-partial_chain).
	PartialChain bool
	// Strict is -x509_strict.
	Strict bool
	// AuthLevel is -auth_level: 1 asks for 80 bits of security, 2 for 112 (the
	// default of Debian's TLS clients), 0 for none.
	AuthLevel int
	// MaxDepth is -verify_depth: how many intermediates may stand between leaf and
	// anchor. nil: 100.
	MaxDepth *int
	// IgnoreTime is -no_check_time, CheckSelfSigned -check_ss_sig.
	IgnoreTime, CheckSelfSigned bool

	// anchors gives Trusted, read already, and parse may know a presented one; nil:
	// nothing has been read. verified are chains whose signatures crypto/x509 has
	// verified.
	anchors  func() []*certificate
	parse    func(pki.Cert) *certificate
	verified [][]*x509.Certificate
}

// Problem is one error that OpenSSL reports.
type Problem struct {
	Code Code
	// Depth counts from the leaf, 0.
	Depth int
	// Cert is the certificate at fault.
	Cert pki.Cert
}

// Verdict is what OpenSSL says.
type Verdict struct {
	// Problems in the order in which OpenSSL reports them; none means "ok".
	Problems []Problem
	// Chain is the chain that it built.
	Chain []pki.Cert
	// Unreadable are the presented certificates that OpenSSL cannot read at all.
	// It then verifies nothing; the one problem, [CodeUnspecified], stands for
	// that.
	Unreadable []pki.Cert
	// UndecodableKey: it cannot read the public key of the leaf, to which a problem
	// of [CodeUnspecified] is due.
	UndecodableKey bool
}

// OK is true when there was no problem.
func (v Verdict) OK() bool { return len(v.Problems) == 0 }

// First is the code of the first problem, or CodeOK.
func (v Verdict) First() Code {
	if v.OK() {
		return CodeOK
	}
	return v.Problems[0].Code
}

// Last is the code of the last problem, which is what `openssl s_client` prints
// behind "Verify return code:".
func (v Verdict) Last() Code {
	if v.OK() {
		return CodeOK
	}
	return v.Problems[len(v.Problems)-1].Code
}

// Verify gives the problems that `openssl verify` reports: it goes on after some
// and stops at others (apps/verify.c, cb).
func (o OpenSSL) Verify() Verdict { return o.run(continuesVerify) }

// SClient gives the problems that `openssl s_client` reports: its callback goes
// on after every one (apps/lib/s_cb.c, verify_callback).
func (o OpenSSL) SClient() Verdict { return o.run(func(Code) bool { return true }) }

func continuesVerify(c Code) bool {
	switch c {
	case CodeCertHasExpired, CodeDepthZeroSelfSignedCert, CodeInvalidCA, CodePathLengthExceeded,
		CodeUnhandledCriticalExtension, CodeInvalidPurpose, CodePathlenInvalidForNonCA, CodePathlenWithoutKuKeyCertSign,
		CodeCABconsNotCritical, CodeCACertMissingKeyUsage, CodeKuKeyCertSignInvalidForNonCA, CodeIssuerNameEmpty,
		CodeSubjectNameEmpty, CodeEmptySubjectSanNotCritical, CodeEmptySubjectAltName, CodeSignatureAlgorithmInconsistency,
		CodeAuthorityKeyIdentifierCritical, CodeSubjectKeyIdentifierCritical, CodeMissingAuthorityKeyIdentifier,
		CodeMissingSubjectKeyIdentifier, CodeExtensionsRequireVersion3:
		return true
	}
	return false
}

// verification is an X509_STORE_CTX.
type verification struct {
	OpenSSL
	goOn      func(Code) bool
	maxDepth  int
	presented []*certificate
	chain     []*certificate
	untrusted int // length of the chain's untrusted part
	trusted   []*certificate
	verdict   Verdict
}

func (o OpenSSL) run(goOn func(Code) bool) Verdict {
	o.At = o.At.Truncate(time.Second) // it knows no fractions
	v := &verification{OpenSSL: o, goOn: goOn, maxDepth: 101}
	if o.MaxDepth != nil {
		v.maxDepth = *o.MaxDepth + 1
	}
	if len(o.Presented) == 0 {
		return Verdict{Problems: []Problem{{Code: CodeUnspecified}}}
	}
	parse := parseCertificate
	if o.parse != nil {
		parse = o.parse
	}
	for i, c := range o.Presented {
		read := parse(c)
		if !read.decodes {
			return Verdict{
				Problems: []Problem{{Code: CodeUnspecified, Depth: i, Cert: c}}, Chain: o.Presented[:1],
				Unreadable: slices.DeleteFunc(slices.Clone(o.Presented), func(c pki.Cert) bool { return decodes(c.Raw) }),
			}
		}
		v.presented = append(v.presented, read)
	}
	if o.anchors != nil {
		v.trusted = o.anchors()
	} else {
		v.trusted = parseCertificates(o.Trusted)
	}
	v.chain = []*certificate{v.presented[0]}
	v.untrusted = 1
	v.verifyChain()
	for _, c := range v.chain {
		v.verdict.Chain = append(v.verdict.Chain, c.pki)
	}
	return v.verdict
}

// report is the verify callback. false: OpenSSL stops here.
func (v *verification) report(code Code, depth int) bool {
	p := Problem{Code: code, Depth: depth}
	if depth >= 0 && depth < len(v.chain) {
		p.Cert = v.chain[depth].pki
	}
	v.verdict.Problems = append(v.verdict.Problems, p)
	return v.goOn(code)
}

func (v *verification) failIf(bad bool, code Code, depth int) bool {
	return !bad || v.report(code, depth)
}

func (v *verification) verifyChain() {
	_ = v.failIf(!v.keyLevelOK(v.chain[0]), CodeEEKeyTooSmall, 0) &&
		v.buildChain() &&
		v.checkExtensions() &&
		v.checkAuthLevel() &&
		v.checkHost() &&
		v.readKey() &&
		v.checkSignaturesAndTimes() &&
		v.checkNameConstraints()
}

// readKey is X509_get_pubkey_parameters, which fails without the callback.
func (v *verification) readKey() bool {
	if v.chain[0].keyDecodes() {
		return true
	}
	if v.verdict.OK() {
		v.verdict.UndecodableKey = true
		v.report(CodeUnspecified, 0)
	}
	return false
}

// Outcomes of check_trust.
type trust int

const (
	untrusted trust = iota
	trusted
	rejected
	// failed: OpenSSL gives up, whatever the callback says.
	failed
)

// buildChain is build_chain with trusted certificates first, OpenSSL's default
// since 1.1.0.
func (v *verification) buildChain() bool {
	result := v.extendChain(v.presented[1:])
	if n := len(v.chain); n <= v.maxDepth && result == untrusted && n == v.untrusted {
		result = v.checkTrust(n)
	}
	switch result {
	case trusted:
		return true
	case rejected, failed:
		return false
	}
	n := len(v.chain)
	if n > v.maxDepth {
		return v.report(CodeCertChainTooLong, n-1)
	}
	if v.chain[n-1].selfSigned {
		if n == 1 {
			return v.report(CodeDepthZeroSelfSignedCert, 0)
		}
		return v.report(CodeSelfSignedCertInChain, n-1)
	}
	if v.untrusted < n {
		return v.report(CodeUnableToGetIssuerCert, n-1)
	}
	return v.report(CodeUnableToGetIssuerCertLocally, n-1)
}

func (v *verification) extendChain(pool []*certificate) trust {
	searchUntrusted := true
	for {
		n := len(v.chain)
		curr := v.chain[n-1]
		if issuer := v.trustedIssuer(curr); issuer != nil && n <= v.maxDepth {
			if !curr.keyDecodes() { // the leaf's: X509_self_signed fails
				v.verdict.UndecodableKey = true
				v.report(CodeUnspecified, n-1)
				return failed
			}
			ok := true
			isSelfSigned := curr.selfSigned
			switch {
			case !isSelfSigned:
				v.chain = append(v.chain, issuer)
				isSelfSigned = issuer.selfSigned
			case !bytes.Equal(curr.der, issuer.der):
				ok = false // a self-signed certificate that only looks like the anchor
			default:
				n--
				v.chain[n] = issuer
				v.untrusted = n
			}
			if ok {
				searchUntrusted = false
				if t := v.checkTrust(n); t != untrusted {
					return t
				}
				if !isSelfSigned {
					continue
				}
			}
		}
		if !searchUntrusted {
			return untrusted
		}
		curr = v.chain[len(v.chain)-1]
		var issuer *certificate
		if !curr.selfSigned && len(v.chain) <= v.maxDepth {
			issuer = v.findIssuer(pool, curr)
		}
		if issuer == nil {
			// The trust store was searched for this certificate already, above.
			return untrusted
		}
		pool = slices.DeleteFunc(slices.Clone(pool), func(c *certificate) bool { return c == issuer })
		v.chain = append(v.chain, issuer)
		v.untrusted++
	}
}

// trustedIssuer is X509_STORE_CTX_get1_issuer: one that stands in the chain
// already is found again, so that a circle ends at the limit of the depth.
func (v *verification) trustedIssuer(c *certificate) *certificate {
	return v.bestIssuer(v.trusted, c, func(*certificate) bool { return true })
}

// findIssuer is find_issuer, for what is not trusted.
func (v *verification) findIssuer(pool []*certificate, c *certificate) *certificate {
	return v.bestIssuer(pool, c, func(candidate *certificate) bool {
		return c.selfIssued && len(v.chain) == 1 || !v.inChain(candidate)
	})
}

// bestIssuer prefers an issuer that is valid now, else the one that ends last.
func (v *verification) bestIssuer(pool []*certificate, c *certificate, allowed func(*certificate) bool) *certificate {
	var best *certificate
	for _, candidate := range pool {
		if !c.likelyIssued(candidate) || !allowed(candidate) {
			continue
		}
		if v.IgnoreTime || candidate.validAt(v.At) == CodeOK {
			return candidate
		}
		if best == nil || candidate.endsAfter(best) {
			best = candidate
		}
	}
	return best
}

func (v *verification) inChain(c *certificate) bool {
	return slices.ContainsFunc(v.chain, func(have *certificate) bool { return bytes.Equal(have.der, c.der) })
}

// checkTrust is check_trust for what was added to the chain from depth from on.
func (v *verification) checkTrust(from int) trust {
	for i := from; i < len(v.chain); i++ {
		switch v.trustOf(v.chain[i], true) {
		case trusted:
			return trusted
		case rejected:
			return v.reject(i)
		}
	}
	if from < len(v.chain) {
		if v.PartialChain {
			return trusted
		}
		return untrusted
	}
	if !v.PartialChain {
		return untrusted
	}
	// Last chance: the leaf itself is in the store.
	for _, c := range v.trusted {
		if bytes.Equal(c.der, v.chain[0].der) {
			if v.trustOf(c, true) == rejected {
				return v.reject(0)
			}
			v.chain[0] = c
			v.untrusted = 0
			return trusted
		}
	}
	return untrusted
}

func (v *verification) reject(depth int) trust {
	if v.report(CodeCertRejected, depth) {
		return untrusted
	}
	return rejected
}

// trustOf is X509_check_trust: explicit trust settings first, then, with
// selfSigned, every self-signed certificate (crypto/x509/x509_trust.c).
func (v *verification) trustOf(c *certificate, selfSigned bool) trust {
	want := v.trustOID()
	has := func(list []string) bool {
		return slices.Contains(list, oidAnyEKU) || want != "" && slices.Contains(list, want)
	}
	if want == "" { // the default trust looks for anyExtendedKeyUsage alone
		want = oidAnyEKU
	}
	if has(c.rejected) {
		return rejected
	}
	if len(c.trusted) > 0 {
		if has(c.trusted) {
			return trusted
		}
		return rejected
	}
	if selfSigned && c.selfSigned && !c.invalid {
		return trusted
	}
	return untrusted
}

func (v *verification) trustOID() string {
	switch v.Purpose {
	case Server:
		return oidServerAuth
	case Client:
		return oidClientAuth
	case CodeSign:
		return oidCodeSigning
	case TimestampSign:
		return oidTimeStamping
	}
	return ""
}

// checkExtensions is check_extensions.
func (v *verification) checkExtensions() bool {
	plen := 0
	n := len(v.chain)
	for i, c := range v.chain {
		ok := v.failIf(c.unknownCritical, CodeUnhandledCriticalExtension, i) &&
			v.failIf(c.proxy, CodeProxyCertificatesNotAllowed, i) &&
			v.failIf(v.wrongCA(c, i), CodeInvalidCA, i) &&
			v.curveOK(c, i) &&
			(!v.Strict || n == 1 || v.checkStrict(c, i)) &&
			v.failIf(!v.purposeOK(c, i), CodeInvalidPurpose, i) &&
			v.failIf(i > 1 && c.pathLen != -1 && plen > c.pathLen, CodePathLengthExceeded, i)
		if !ok {
			return false
		}
		if i > 0 && !c.selfIssued {
			plen++
		}
	}
	return true
}

// curveOK is check_curve.
func (v *verification) curveOK(c *certificate, depth int) bool {
	switch {
	case len(v.chain) == 1:
		return true
	case !c.keyDecodes():
		v.verdict.UndecodableKey = true
		return v.report(CodeUnspecified, depth)
	}
	return v.failIf(c.key.explicitCurve(), CodeEcKeyExplicitParams, depth)
}

func (v *verification) wrongCA(c *certificate, depth int) bool {
	kind := c.caKind()
	if depth == 0 {
		return v.Strict && kind != 1 && kind != 0
	}
	return kind == 0 || (depth+1 < len(v.chain) || v.Strict) && kind != 1
}

func (v *verification) checkStrict(c *certificate, i int) bool {
	noSubject, noIssuer := len(c.subject.entries) == 0, len(c.issuer.entries) == 0
	last := i+1 == len(v.chain)
	checks := []struct {
		bad  bool
		code Code
	}{
		{c.pathLen != -1 && !c.isCA, CodePathlenInvalidForNonCA},
		{c.pathLen != -1 && c.ku&kuCertSign == 0, CodePathlenWithoutKuKeyCertSign},
		{c.isCA && c.hasBC && !c.bcCritical, CodeCABconsNotCritical},
		{c.isCA && !c.hasKU, CodeCACertMissingKeyUsage},
		{!c.isCA && c.hasKU && c.ku&kuCertSign != 0, CodeKuKeyCertSignInvalidForNonCA},
		{noIssuer, CodeIssuerNameEmpty},
		{noSubject && (c.isCA || c.hasKU && c.ku&kuCRLSign != 0 || !c.hasSAN), CodeSubjectNameEmpty},
		{noSubject && c.hasSAN && !c.sanCritical, CodeEmptySubjectSanNotCritical},
		{c.hasSAN && len(c.sans) == 0, CodeEmptySubjectAltName},
		{!c.inner.equal(c.outer), CodeSignatureAlgorithmInconsistency},
		{c.hasAKID && c.akidCritical, CodeAuthorityKeyIdentifierCritical},
		{c.hasSKID && c.skidCritical, CodeSubjectKeyIdentifierCritical},
		{c.version >= 2 && !last && c.akidKeyID == nil, CodeMissingAuthorityKeyIdentifier},
		{c.version >= 2 && c.isCA && !c.hasSKID, CodeMissingSubjectKeyIdentifier},
		{c.version < 2 && len(c.extensions) > 0, CodeExtensionsRequireVersion3},
	}
	for _, check := range checks {
		if !v.failIf(check.bad, check.code, i) {
			return false
		}
	}
	return true
}

// purposeOK is check_purpose: trust settings of a trusted certificate go before
// its extensions.
func (v *verification) purposeOK(c *certificate, depth int) bool {
	if v.Purpose == Any {
		return true
	}
	if depth >= v.untrusted {
		switch v.trustOf(c, false) {
		case trusted:
			return true
		case rejected:
			return false
		}
	}
	if c.invalid {
		return !v.Strict
	}
	return c.fitsPurpose(v.Purpose, depth > 0)
}

// fitsPurpose is the check_purpose_… family of crypto/x509/v3_purp.c.
func (c *certificate) fitsPurpose(p Purpose, ca bool) bool {
	switch p {
	case Server:
		if c.ekuRejects(oidServerAuth, oidMicrosoftSGC, oidNetscapeSGC) {
			return false
		}
		if ca {
			return c.sslCA()
		}
		return !c.nsRejects(nsSSLServer) && !c.kuRejects(kuDigitalSignature|kuKeyEncipherment|kuKeyAgreement)
	case Client:
		if c.ekuRejects(oidClientAuth) {
			return false
		}
		if ca {
			return c.sslCA()
		}
		return !c.nsRejects(nsSSLClient) && !c.kuRejects(kuDigitalSignature|kuKeyAgreement)
	case CodeSign:
		if ca {
			return c.caKind() != 0
		}
		return c.codeSign()
	case TimestampSign:
		if ca {
			return c.caKind() != 0
		}
		return c.timestampSign()
	}
	return true
}

func (c *certificate) sslCA() bool {
	kind := c.caKind()
	return kind != 0 && (kind != 5 || c.ns&nsSSLCA != 0)
}

func (c *certificate) codeSign() bool {
	return c.hasKU && c.ku&kuDigitalSignature != 0 && c.ku&(kuCertSign|kuCRLSign) == 0 &&
		c.hasEKU && c.eku[oidCodeSigning] && !c.eku[oidAnyEKU] && !c.eku[oidServerAuth]
}

func (c *certificate) timestampSign() bool {
	const allowed = kuNonRepudiation | kuDigitalSignature
	if c.hasKU && (c.ku&^allowed != 0 || c.ku&allowed == 0) {
		return false
	}
	return c.hasEKU && len(c.eku) == 1 && c.eku[oidTimeStamping] && c.ekuCritical
}

var levelBits = [...]int{0, 80, 112, 128, 192, 256}

func (v *verification) wantBits() int {
	return levelBits[min(max(v.AuthLevel, 0), len(levelBits)-1)]
}

func (v *verification) keyLevelOK(c *certificate) bool {
	return v.AuthLevel <= 0 || c.keyDecodes() && c.keyBits() >= v.wantBits()
}

func (v *verification) checkAuthLevel() bool {
	if v.AuthLevel <= 0 {
		return true
	}
	last := len(v.chain) - 1
	for i, c := range v.chain {
		if i > 0 && !v.failIf(!v.keyLevelOK(c), CodeCAKeyTooSmall, i) {
			return false
		}
		if i < last && !v.failIf(c.signatureBits() < v.wantBits(), CodeCAMdTooWeak, i) {
			return false
		}
	}
	return true
}

func (v *verification) checkHost() bool {
	if v.Host == "" {
		return true
	}
	code := v.chain[0].matchesHost(v.Host)
	return v.failIf(code != CodeOK, code, 0)
}

// checkSignaturesAndTimes is internal_verify: from the anchor down.
func (v *verification) checkSignaturesAndTimes() bool {
	n := len(v.chain) - 1
	issuer, subject := v.chain[n], v.chain[n]
	if !issuer.likelyIssued(issuer) && !v.PartialChain {
		if n == 0 && !v.report(CodeUnableToVerifyLeafSignature, 0) {
			return false
		}
		if n > 0 {
			n--
			subject = v.chain[n]
		}
	}
	for n >= 0 {
		if subject != issuer || v.CheckSelfSigned && issuer.selfSigned {
			if !v.checkSignature(issuer, subject, n) {
				return false
			}
		}
		if !v.checkTime(subject, n) {
			return false
		}
		if n--; n >= 0 {
			issuer, subject = subject, v.chain[n]
		}
	}
	return true
}

func (v *verification) checkSignature(issuer, subject *certificate, n int) bool {
	issuerDepth := n + 1
	if subject == issuer {
		issuerDepth = n
	}
	if (subject != issuer || issuer.isCA) && issuer.kuRejects(kuCertSign) {
		if !v.report(CodeKeyusageNoCertsign, issuerDepth) {
			return false
		}
	}
	if v.isVerified(subject, issuer) {
		return true
	}
	ok, decodable := subject.signedBy(issuer)
	if !decodable {
		return v.report(CodeUnableToDecodeIssuerPublicKey, issuerDepth)
	}
	return v.failIf(!ok, CodeCertSignatureFailure, n)
}

func (v *verification) checkTime(c *certificate, depth int) bool {
	if v.IgnoreTime {
		return true
	}
	from, ok := timeOf(c.notBefore)
	if !v.failIf(!ok, CodeErrorInCertNotBeforeField, depth) || !v.failIf(ok && from.After(v.At), CodeCertNotYetValid, depth) {
		return false
	}
	until, ok := timeOf(c.notAfter)
	return v.failIf(!ok, CodeErrorInCertNotAfterField, depth) && v.failIf(ok && !until.After(v.At), CodeCertHasExpired, depth)
}

func (v *verification) checkNameConstraints() bool {
	for i := len(v.chain) - 1; i >= 0; i-- {
		c := v.chain[i]
		if i != 0 && c.selfIssued {
			continue
		}
		for j := len(v.chain) - 1; j > i; j-- {
			nc := v.chain[j].constraints
			if nc == nil {
				continue
			}
			code := nc.check(c)
			if code == CodeOK && i == 0 && !c.hasSANOf(gnDNS) {
				code = nc.checkCommonNames(c)
			}
			if !v.failIf(code != CodeOK, code, i) {
				return false
			}
		}
	}
	return true
}
