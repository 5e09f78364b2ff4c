// Package trust says what a container runtime on a node would do with a
// registry: which addresses it would try, with which trust anchors, and what it
// would print. It reads the node's files, live or as a copy; it opens no
// connection and changes nothing.
//
// A [Runtime] turns a [Node] and a [Reference] into [Decision] values; [Judge]
// holds a certificate chain against one of them. Everything between is data, so
// that the trace of a decision is the decision itself.
package trust

import (
	"io/fs"

	"github.com/crpki/crpki/pki"
)

// A Runtime models one container runtime. Its methods never fail: what the
// runtime could not read is part of the decision.
type Runtime interface {
	// Name is what --runtime takes: "docker", "containerd", "cri-o", "podman",
	// "skopeo", "buildah", "k3s", "rke2", "microk8s", "ctr", "nerdctl".
	Name() string
	// Detect gives the installations on this node, one for each binary or
	// package; none when the runtime is not there.
	Detect(*Node) []Installation
	// Decide gives one decision for each way in which this runtime reaches the
	// registry (docker pulls and logs in by different code), and one for each
	// version that may be meant where the version is not known and matters.
	Decide(*Node, Installation, Reference) []Decision
	// Registries lists what the node has configuration for.
	Registries(*Node, Installation) []Configured
}

// Installation is a runtime as it was found on a node.
type Installation struct {
	Runtime string `json:"runtime"`
	// Version is "1.7.28"; empty when it is not known.
	Version string `json:"version,omitempty"`
	// GoVersion built it ("1.24.9"), GoLine is the go line of its main module,
	// which sets GODEBUG defaults; empty when not known.
	GoVersion string `json:"goVersion,omitempty"`
	GoLine    string `json:"goLine,omitempty"`
	// Modules are the versions of the modules that decide: "go.podman.io/image/v5".
	Modules map[string]string `json:"modules,omitempty"`
	// Found is the file that told: a binary, a package database.
	Found string `json:"found,omitempty"`
	// Unit is the systemd unit whose environment applies, "" when there is none.
	Unit string `json:"unit,omitempty"`
}

// Scheme and the other small vocabularies are the words of the JSON document.
type (
	// Scheme of an endpoint: "https" or "http".
	Scheme string
	// Fallback says when a runtime speaks plain HTTP after HTTPS.
	Fallback string
)

// The schemes.
const (
	HTTPS Scheme = "https"
	HTTP  Scheme = "http"
)

// The ways to fall back to plain HTTP.
const (
	NoFallback Fallback = ""
	// FallbackOnHTTP falls back when the answer looks like HTTP, and on a
	// handshake timeout (containerd).
	FallbackOnHTTP Fallback = "when the server answers HTTP"
	// FallbackAlways falls back after any failure of HTTPS (docker, containers/image).
	FallbackAlways Fallback = "after any failure"
)

// Endpoint is one address that the runtime tries for the reference.
type Endpoint struct {
	// Host is "host" or "host:port" as the runtime would dial it, without scheme.
	Host   string `json:"host"`
	Scheme Scheme `json:"scheme"`
	// Path goes before the repository: "/v2".
	Path string `json:"path,omitempty"`
	// Mirror is true when this is not the registry that the reference names.
	Mirror bool `json:"mirror,omitempty"`
	// SkipVerify: any certificate is taken, whatever its names.
	SkipVerify bool     `json:"skipVerify,omitempty"`
	Fallback   Fallback `json:"fallback,omitempty"`
	// CAs are the anchors that the configuration of this registry adds. They are
	// added to the system's, unless System is nil (ctr --tlscacert).
	CAs []Anchor `json:"cas,omitempty"`
	// System are the system's roots as this runtime has them, shared by all that
	// have the same.
	System *SystemPool `json:"system,omitempty"`
	// ClientCerts are the pairs that would be offered.
	ClientCerts []ClientCert `json:"clientCerts,omitempty"`
	// Reference is what is asked for there, where configuration rewrites the name
	// of the image; empty: the same as everywhere.
	Reference string `json:"reference,omitempty"`
	// Failure is what the runtime says of this endpoint before it dials it, nil
	// when it dials. Others may still be tried.
	Failure *Failure `json:"failure,omitempty"`
	// Decided is the file, with its line, that made this endpoint what it is.
	Decided Place `json:"decided"`
}

// Anchor is a trust anchor and where it came from.
type Anchor struct {
	Cert pki.Cert `json:"-"`
	// File is the path on the node as the runtime names it, Line where the
	// certificate begins in it.
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	System bool   `json:"system,omitempty"`
}

// Place is where the anchor stands.
func (a Anchor) Place() Place { return Place{File: a.File, Line: a.Line} }

// ClientCert is a client certificate's pair of files. Keys are never read
// further than to see whether they belong to the certificate.
type ClientCert struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// Place points into a file of the node.
type Place struct {
	File string `json:"file,omitempty"`
	// Line counts from 1; 0: the whole file.
	Line int `json:"line,omitempty"`
	// Key is the setting: "insecure-registries", `plugins."…".registry.config_path`.
	Key string `json:"key,omitempty"`
}

// Step is one thing that was considered on the way: a file or setting that was
// used, passed over or missing, and why.
type Step struct {
	Place Place `json:"place"`
	// Used is false for what was looked for and passed over.
	Used bool   `json:"used"`
	Why  string `json:"why"`
}

// Mistake is something on the node that does not do what its author meant.
type Mistake struct {
	// ID is stable and kebab-case: "hosts-toml-broken", "cert-without-key".
	ID    string `json:"id"`
	Place Place  `json:"place"`
	Text  string `json:"text"`
	// Fix is a command or an edit; "" when the text says it all.
	Fix string `json:"fix,omitempty"`
	// Severity is "error", "warning" or "info".
	Severity string `json:"severity"`
}

// Decision is what one runtime would do for one reference.
type Decision struct {
	Installation Installation `json:"installation"`
	// Way tells the ways of one runtime apart: "pull", "login", "CRI pull". Empty
	// when there is one.
	Way string `json:"way,omitempty"`
	// Versions says which versions decide so, where the version is not known:
	// "< 2.0". Empty otherwise.
	Versions  string    `json:"versions,omitempty"`
	Reference Reference `json:"reference"`
	// Endpoints in the order tried.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Wrap gives what the runtime prints when all endpoints have failed, or the
	// server of the last one that it goes on to. nil: the cause of the first
	// attempt alone.
	Wrap func([]Attempt) string `json:"-"`
	// Failure is what the runtime says before it dials anything, nil otherwise.
	Failure *Failure `json:"failure,omitempty"`
	// Needs says what is not known: the daemon's DNS, its version. Empty: nothing.
	Needs    string    `json:"needs,omitempty"`
	Steps    []Step    `json:"steps,omitempty"`
	Mistakes []Mistake `json:"mistakes,omitempty"`
}

// Failure is an error that the runtime's configuration makes by itself.
type Failure struct {
	// Text is the cause, Message what the runtime prints with all that it puts
	// around; empty: the text alone.
	Text    string `json:"text"`
	Message string `json:"message,omitempty"`
	Place   Place  `json:"place"`
	// Daemon: the daemon itself does not start, or its CRI plugin does not load.
	Daemon bool `json:"daemon,omitempty"`
}

// Configured is a registry for which the node has configuration.
type Configured struct {
	// Registry is the name as the runtime looks it up: "reg.example:5000", "_default".
	Registry string    `json:"registry"`
	Place    Place     `json:"place"`
	Mistakes []Mistake `json:"mistakes,omitempty"`
}

// Verdict is the one word for what a runtime would do.
type Verdict string

// The verdicts. Those of a failed attempt over plain HTTP or without
// verification keep the word, and have a Message.
const (
	Trusted       Verdict = "trusted"
	Untrusted     Verdict = "untrusted"
	SkipsVerify   Verdict = "skips verification"
	PlainHTTP     Verdict = "plain HTTP"
	ConfigError   Verdict = "configuration error"
	NotContacted  Verdict = "not contacted"
	Indeterminate Verdict = "not known"
)

// Presented is what a server at an endpoint shows.
type Presented struct {
	// Host is the endpoint's, "reg.example:5000" (":443" may be left out). Empty:
	// the registry's that the reference names.
	Host string
	// Chain as served, leaf first.
	Chain []pki.Cert
	// PlainHTTP: it answers in HTTP where TLS is spoken to it.
	PlainHTTP bool
	// Error is why there is no connection at all, in Go's words: "dial tcp
	// 10.0.0.5:443: connect: connection refused". What follows is then unknown.
	Error string
	// Refusal is what it says to a client without a certificate, in Go's words:
	// "remote error: tls: certificate required". Empty: it asks for none.
	Refusal string
}

// Attempt is one request to one endpoint that failed.
type Attempt struct {
	Endpoint Endpoint
	// Scheme that was spoken, which is not always the endpoint's: HTTP after HTTPS.
	Scheme Scheme
	// Error in the words of the Go release that built the runtime.
	Error string
	// Status is that of HTTP spoken to a TLS server, 400. 0: no answer.
	Status int
}

// URL is what the attempt asked for, path and all: "https://reg.example/v2/".
func (a Attempt) URL(path string) string {
	return string(a.Scheme) + "://" + a.Endpoint.Host + path
}

// Judgement is a decision held against a chain.
type Judgement struct {
	Verdict Verdict `json:"verdict"`
	// Message is what the runtime prints, wrapping included; "" when it pulls.
	Message string `json:"message,omitempty"`
	// Cause is the error inside the message, as Go's library words it.
	Cause string `json:"cause,omitempty"`
	// Decided is the file that decides: the one with the anchor, or the setting
	// that is at fault.
	Decided Place `json:"decided"`
	// Anchor verified the chain; nil when none did.
	Anchor *Anchor `json:"anchor,omitempty"`
	// Fix says what to change, as a command where there is one.
	Fix string `json:"fix,omitempty"`
	// Restart says what must be restarted for the files to take effect.
	Restart string `json:"restart,omitempty"`
	// Culprit is the certificate that the cause is about, where it is not the
	// server's own: an expired CA. Its Origin says where it is.
	Culprit string `json:"culprit,omitempty"`
	// Unjudged are the mirrors whose certificates nobody looked at.
	Unjudged []string `json:"unjudged,omitempty"`
	// Attempts are the requests that fail, in their order.
	Attempts []Attempt `json:"-"`
	// told is the endpoint that Verdict and Cause are about.
	told Endpoint
}

// An Installer is a runtime that crpki can make trust a CA.
type Installer interface {
	Runtime
	// Plan gives the files that make this installation trust w.CAs for the
	// registry, whole as they are to be; none when it trusts them already. What
	// is there for other registries or was written by hand stays. An error says
	// why it cannot be done, and what to do by hand.
	Plan(n *Node, i Installation, r Reference, w Wanted) ([]Change, error)
}

// Wanted is what an install is to bring about.
type Wanted struct {
	// CAs are to be trusted for the registry.
	CAs []pki.Cert
	// KeepOld: those of an install before stay beside them (rotation). Without,
	// crpki's own file holds nothing but CAs.
	KeepOld bool
}

// Change is one file that an install writes.
type Change struct {
	Path string
	// Mode is 0o644 when it is zero, and that of the file where one is there.
	Mode fs.FileMode
	// Data is the whole content. A file that is there is replaced.
	Data []byte
	// Remove: the file goes. Data is empty then.
	Remove bool
	Why    string
	// Run are commands that follow once all files are written: update-ca-certificates.
	Run []string
	// Restart are units that see the change only when they are started anew.
	Restart []string
}

// OwnFile is the name of the file with CAs that an install makes in a directory
// of which every *.crt is read.
const OwnFile = "crpki.crt"
