package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Kind says what kept the cluster from doing what was asked.
type Kind uint8

// Kinds of errors.
const (
	Other        Kind = iota // none of these; the text says what
	BadConfig                // no kubeconfig, or a broken one, or no such context
	Unreachable              // no connection, or it broke
	Untrusted                // the API server's certificate is not that of the kubeconfig's CA
	Unauthorized             // the credentials are wrong or have expired
	Forbidden                // RBAC, see [Error.Op]; or an admission plugin or a quota, see [Error.Detail]
	NotFound                 // the object, or its namespace, is not there, see [Error.Missing]
	NoAPI                    // the API server does not know the resource
	Exists                   // the object is there already
	Conflict                 // others own the fields, see [Error.Owners]; or the object changed meanwhile
	Immutable                // a field cannot be changed, see [Error.Fields]
	Invalid                  // the object is not valid
	Throttled                // the API server has too much to do
)

// Op is what was asked for, in the words of RBAC.
type Op struct {
	Verb      string // get, list, patch, create
	Resource  Resource
	Namespace string // "" for all of them, and for resources without
	Name      string // "" for lists
}

func (op Op) String() string {
	text := op.Verb + " " + op.Resource.String()
	if op.Name != "" {
		text += fmt.Sprintf(" %q", op.Name)
	}
	if op.Namespace != "" {
		text += fmt.Sprintf(" in the namespace %q", op.Namespace)
	} else if !op.Resource.ClusterScoped {
		text += " in all namespaces"
	}
	return text
}

// Owner is a manager that owns a field.
type Owner struct {
	Manager string // "kubectl-create"
	Field   string // ".data.tls.crt"
}

// Error is what all functions of this package return. Its text holds no value
// of a Secret.
type Error struct {
	Kind Kind
	Op   Op
	// Detail is what went wrong, in the API server's words when it has any.
	Detail string
	// User is who is forbidden, as far as the API server says: "jane",
	// "system:serviceaccount:infra:deployer". Needed is then the permission, which
	// may be another than Op: who applies what is not there has to create it.
	User   string
	Needed Op
	// Missing is what is not there, as "namespaces" and "infra".
	Missing struct{ Resource, Name string }
	// Owners are those of the fields in conflict; none when the object changed
	// between reading and writing.
	Owners []Owner
	// Fields cannot be changed, or are invalid: "type", "data".
	Fields []string

	err error
}

func (e *Error) Error() string {
	if e.Op.Verb == "" {
		return e.Detail
	}
	return e.Op.String() + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.err }

// KindOf is the kind of an error of this package, [Other] for all others.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Other
}

// errNoAnswer is an answer that is not JSON, or not of the API's shape.
var errNoAnswer = errors.New("the answer is none of a Kubernetes API server: does the kubeconfig name one, or something before it?")

// configError says what is wrong with the kubeconfig.
func configError(o Options, err error) error {
	e := &Error{Kind: BadConfig, Detail: "kubeconfig: " + oneLine(err), err: err}
	switch {
	case errors.Is(err, errEmpty) && o.Kubeconfig == nil:
		e.Detail = "there is no kubeconfig: KUBECONFIG and ~/.kube/config give none, and this is no pod of a cluster"
	case errors.Is(err, errEmpty):
		e.Detail = fmt.Sprintf("kubeconfig %s: it names no cluster", o.Path)
	case o.Kubeconfig != nil:
		e.Detail = fmt.Sprintf("kubeconfig %s: %s", o.Path, oneLine(err))
	}
	return e
}

// oneLine is the beginning of an error: that of the decoder lists all that it
// has tried. Some repeat a URL, in which a proxy's password may stand.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = withoutPasswords(line)
	const most = 300
	if len(line) > most {
		line = line[:most] + "…"
	}
	return line
}

// withoutPasswords hides what stands before the host of URLs, also of those that
// do not parse: a password with a slash is why.
func withoutPasswords(text string) string {
	before, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	address, after := rest, ""
	if i := strings.IndexByte(rest, '"'); i >= 0 {
		address, after = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		address = "…" + address[i:]
	}
	return before + "://" + address + withoutPasswords(after)
}

// explain gives err its kind. A context that ended is told as such.
func (op Op) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	e := &Error{Op: op, Detail: err.Error(), err: err}
	if s, ok := errors.AsType[*status](err); ok {
		e.status(s)
	} else {
		e.connection(err)
	}
	return e
}

// connection explains what is no answer of an API server.
func (e *Error) connection(err error) {
	if u, ok := errors.AsType[*url.Error](err); ok {
		e.Detail = u.Err.Error() // the URL repeats what Op says
	}
	syntax, isSyntax := errors.AsType[*json.SyntaxError](err)
	_, isType := errors.AsType[*json.UnmarshalTypeError](err)
	_, isRecord := errors.AsType[tls.RecordHeaderError](err)
	_, isVerify := errors.AsType[*tls.CertificateVerificationError](err)
	_, isAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	_, isHost := errors.AsType[x509.HostnameError](err)
	network, isNetwork := errors.AsType[net.Error](err)
	switch {
	case strings.HasPrefix(e.Detail, "getting credentials: "): // of a plug-in that failed
		e.Kind = Unauthorized
	case isVerify || isAuthority || isHost:
		e.Kind = Untrusted
	case isSyntax && syntax.Error() != "unexpected end of JSON input" || isType || errors.Is(err, errNoAnswer):
		e.Kind, e.Detail = Unreachable, errNoAnswer.Error()
	case isSyntax || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		e.Kind, e.Detail = Unreachable, "the connection broke in the middle of the answer"
	case isNetwork && network.Timeout():
		e.Kind, e.Detail = Unreachable, "no answer in time: "+e.Detail
	case isRecord || isNetwork:
		e.Kind = Unreachable
	default:
		e.Kind = Unreachable // whatever could not be sent, or read
	}
}

// status explains what the API server said.
func (e *Error) status(s *status) {
	e.Detail = s.Message
	for _, cause := range s.Details.Causes {
		switch cause.Type {
		case causeConflict:
			e.Owners = append(e.Owners, Owner{managerIn(cause.Message), cause.Field})
		default:
			if cause.Field != "" {
				e.Fields = append(e.Fields, cause.Field)
			}
		}
	}
	if s.isForeign() && !slices.Contains([]string{"NotFound", "Unauthorized", "TooManyRequests"}, s.Reason) {
		e.Kind, e.Detail = Unreachable, fmt.Sprintf("HTTP status %d; %v", s.Code, errNoAnswer)
		return
	}
	switch s.Reason {
	case "Unauthorized":
		e.Kind, e.Detail = Unauthorized, "the API server does not take the credentials: they are wrong or have expired"
	case "Forbidden":
		e.forbidden(s.Message)
	case "NotFound":
		e.notFound(s)
	case "AlreadyExists":
		e.Kind = Exists
	case "Conflict":
		e.Kind = Conflict
		if len(e.Owners) > 0 {
			e.Detail = "others own what is to be applied: " + describeOwners(e.Owners)
		}
	case "Invalid":
		e.Kind = Invalid
		if strings.Contains(s.Message, "immutable") {
			e.Kind = Immutable
		}
	case "BadRequest", "RequestEntityTooLarge", "UnsupportedMediaType":
		e.Kind = Invalid
	case "TooManyRequests":
		e.Kind = Throttled
	case "Timeout", "ServerTimeout", "ServiceUnavailable", "InternalError":
		e.Kind = Unreachable
	default:
		if s.Code == http.StatusTooManyRequests {
			e.Kind = Throttled
		} else if s.Code >= 500 {
			e.Kind = Unreachable
		}
	}
}

// notFound tells an object that is missing from a resource that is.
func (e *Error) notFound(s *status) {
	if s.isForeign() && e.Op.Resource.Group == "" { // which every API server has
		e.Kind, e.Detail = Unreachable, "HTTP status 404; "+errNoAnswer.Error()
		return
	}
	if s.Details.Name == "" || s.isForeign() {
		e.Kind = NoAPI
		e.Detail = "the API server does not know " + e.Op.Resource.APIVersion() + " " + e.Op.Resource.Name
		return
	}
	e.Kind = NotFound
	e.Missing.Resource, e.Missing.Name = s.Details.Kind, s.Details.Name
}

// isForeign: the answer was no Status, and so not of the API's.
func (s *status) isForeign() bool {
	return len(s.Details.Causes) > 0 && s.Details.Causes[0].Type == causeForeign
}

// forbidden takes the missing permission out of `User "jane" cannot create
// resource "secrets" in API group "" in the namespace "infra"`.
func (e *Error) forbidden(message string) {
	e.Kind, e.User, e.Needed = Forbidden, between(message, `User "`, `"`), e.Op
	verb, resource := between(message, `" cannot `, ` resource`), between(message, `resource "`, `"`)
	if verb == "" || resource == "" {
		return
	}
	e.Needed.Verb, e.Needed.Namespace = verb, between(message, `in the namespace "`, `"`)
	if group := between(message, `in API group "`, `"`); resource != e.Op.Resource.Name || group != e.Op.Resource.Group {
		e.Needed.Resource = Resource{Group: group, Name: resource, ClusterScoped: e.Needed.Namespace == ""}
	}
}

// describeOwners lists fields by manager: ".data.tls.crt, .data.tls.key
// (kubectl-create)".
func describeOwners(owners []Owner) string {
	var managers []string
	fields := map[string][]string{}
	for _, o := range owners {
		if fields[o.Manager] == nil {
			managers = append(managers, o.Manager)
		}
		fields[o.Manager] = append(fields[o.Manager], o.Field)
	}
	var all []string
	for _, m := range managers {
		all = append(all, strings.Join(slices.Sorted(slices.Values(fields[m])), ", ")+" ("+m+")")
	}
	return strings.Join(all, "; ")
}

// managerIn takes the manager's name out of `conflict with "kubectl-create"
// using v1`.
func managerIn(message string) string { return between(message, `conflict with "`, `"`) }

func between(text, before, after string) string {
	_, rest, ok := strings.Cut(text, before)
	if !ok {
		return ""
	}
	found, _, _ := strings.Cut(rest, after)
	return found
}
