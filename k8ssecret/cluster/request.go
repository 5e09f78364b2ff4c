package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxObject bounds one answer that is no list, in bytes. etcd takes 1.5 MiB.
const maxObject = 8 << 20

// Get reads one object. T is one of the types of this package, or any other
// struct with the API's field names.
func Get[T any](ctx context.Context, c *Client, r Resource, namespace, name string) (T, error) {
	var object T
	op := Op{"get", r, namespace, name}
	if err := op.check(); err != nil {
		return object, err
	}
	body, err := c.get(ctx, op, r.path(namespace, name))
	if err != nil {
		return object, err
	}
	return object, op.decode(body, &object)
}

// ListOptions select what a list gives.
type ListOptions struct {
	// Labels and Fields are selectors as kubectl has them: "app=registry,tier!=test",
	// "type=kubernetes.io/tls".
	Labels, Fields string
	// PageSize is how many objects the API server gives at a time; 0 means 500,
	// as kubectl.
	PageSize int
}

// Each reads all objects of a namespace, or of all namespaces when that is
// empty, page by page and one at a time. An error ends it.
func Each[T any](ctx context.Context, c *Client, r Resource, namespace string, o ListOptions) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		op := Op{"list", r, namespace, ""}
		var none T
		if err := op.check(); err != nil {
			yield(none, err)
			return
		}
		more := true
		for next := ""; more; {
			body, err := c.page(ctx, op, o, next)
			if err == nil {
				next, err = items(body, func(object T) bool {
					more = yield(object, nil)
					return more
				})
				body.Close()
			}
			if token := restartToken(err); token != "" {
				next = token
				continue
			}
			if err != nil && more {
				yield(none, op.explain(ctx, err))
				return
			}
			more = more && next != ""
		}
	}
}

// List is [Each] for what is known to be few.
func List[T any](ctx context.Context, c *Client, r Resource, namespace string, o ListOptions) ([]T, error) {
	var all []T
	for object, err := range Each[T](ctx, c, r, namespace, o) {
		if err != nil {
			return all, err
		}
		all = append(all, object)
	}
	return all, nil
}

// page asks for the page at the token next.
func (c *Client) page(ctx context.Context, op Op, o ListOptions, next string) (io.ReadCloser, error) {
	size := o.PageSize
	if size == 0 {
		size = 500
	}
	query := url.Values{"limit": {strconv.Itoa(size)}}
	for name, value := range map[string]string{"labelSelector": o.Labels, "fieldSelector": o.Fields, "continue": next} {
		if value != "" {
			query.Set(name, value)
		}
	}
	answer, err := c.send(ctx, request{method: http.MethodGet, path: op.Resource.path(op.Namespace, ""), query: query})
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// restartToken is that with which the API server lets a list go on whose own
// has expired (it keeps a state for five minutes), "" for all other errors. The
// rest is then as it is now, not as it was at the first page.
func restartToken(err error) string {
	if s, ok := errors.AsType[*status](err); ok && s.Reason == "Expired" {
		return s.Metadata.Continue
	}
	return ""
}

// items decodes a list and hands each of its objects to take, until that wants
// no more. It returns the token of the next page, "" for none.
func items[T any](r io.Reader, take func(T) bool) (next string, err error) {
	dec := json.NewDecoder(r)
	if err := delim(dec, '{'); err != nil {
		return "", err
	}
	seen := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return "", err
		}
		switch key {
		case "metadata":
			var meta struct {
				Continue string `json:"continue"`
			}
			if err := dec.Decode(&meta); err != nil {
				return "", err
			}
			next = meta.Continue
		case "items":
			seen = true
			if done, err := each(dec, take); err != nil || done {
				return "", err
			}
		default:
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return "", err
			}
		}
	}
	if !seen {
		return "", errNoAnswer
	}
	return next, delim(dec, '}')
}

// each decodes an array. done: take wants no more.
func each[T any](dec *json.Decoder, take func(T) bool) (done bool, err error) {
	start, err := dec.Token()
	if err != nil || start == nil { // null
		return false, err
	}
	if start != json.Delim('[') {
		return false, errNoAnswer
	}
	for dec.More() {
		var object T
		if err := dec.Decode(&object); err != nil {
			return false, err
		}
		if !take(object) {
			return true, nil
		}
	}
	return false, delim(dec, ']')
}

func delim(dec *json.Decoder, want json.Delim) error {
	got, err := dec.Token()
	if err == nil && got != want {
		return errNoAnswer
	}
	return err
}

// ApplyOptions say how an object is applied or created.
type ApplyOptions struct {
	// Force takes fields over that others own.
	Force bool
	// DryRun lets the API server check everything and change nothing.
	DryRun bool
}

// Applied is what became of an object.
type Applied struct {
	// Created: it was not there before.
	Created bool
	// Object is the object as the API server has it now, in JSON.
	Object []byte
}

// Apply applies an object, given in JSON, on the server's side. Fields that
// crpki applied before and that object has no more are removed. Fields that
// others own give a [Conflict], unless they have the same value.
func (c *Client) Apply(ctx context.Context, r Resource, namespace, name string, object []byte, o ApplyOptions) (Applied, error) {
	op := Op{"patch", r, namespace, name}
	q := request{method: http.MethodPatch, content: "application/apply-patch+yaml", body: object}
	return c.write(ctx, q, op, o)
}

// Create creates an object, given in JSON.
func (c *Client) Create(ctx context.Context, r Resource, namespace string, object []byte, o ApplyOptions) (Applied, error) {
	q := request{method: http.MethodPost, content: contentType, body: object}
	return c.write(ctx, q, Op{"create", r, namespace, ""}, ApplyOptions{DryRun: o.DryRun})
}

// Merge changes an object by a strategic merge patch, in JSON. What the patch
// does not name stays, and lists that the API merges by a key are merged.
func (c *Client) Merge(ctx context.Context, r Resource, namespace, name string, patch []byte, o ApplyOptions) (Applied, error) {
	q := request{method: http.MethodPatch, content: "application/strategic-merge-patch+json", body: patch}
	return c.write(ctx, q, Op{"patch", r, namespace, name}, ApplyOptions{DryRun: o.DryRun})
}

// write sends q. All its tries together have the time of one.
func (c *Client) write(ctx context.Context, q request, op Op, o ApplyOptions) (Applied, error) {
	if err := op.check(); err != nil {
		return Applied{}, err
	}
	q.path = op.Resource.path(op.Namespace, op.Name)
	q.query = url.Values{"fieldManager": {FieldManager}, "fieldValidation": {"Strict"}}
	if o.Force {
		q.query.Set("force", "true")
	}
	if o.DryRun {
		q.query.Set("dryRun", "All")
	}
	limited, cancel := context.WithTimeout(ctx, c.http.Timeout)
	defer cancel()
	answer, err := c.send(limited, q)
	if err != nil {
		return Applied{}, op.explain(ctx, err)
	}
	object, err := readObject(answer)
	return Applied{Created: answer.StatusCode == http.StatusCreated, Object: object}, op.explain(ctx, err)
}

// Serves reports whether the API server has the resource: custom ones and new
// ones are not in every cluster.
func (c *Client) Serves(ctx context.Context, r Resource) (bool, error) {
	op := Op{"get", Resource{Group: r.Group, Version: r.Version, Name: "the API " + r.APIVersion(), ClusterScoped: true}, "", ""}
	body, err := c.get(ctx, op, r.root())
	if KindOf(err) == NoAPI || KindOf(err) == NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var list struct {
		Resources []struct {
			Name string `json:"name"`
		} `json:"resources"`
	}
	if err := op.decode(body, &list); err != nil {
		return false, err
	}
	for _, found := range list.Resources {
		if found.Name == r.Name {
			return true, nil
		}
	}
	return false, nil
}

// get gives the body of what is at path.
func (c *Client) get(ctx context.Context, op Op, path []string) ([]byte, error) {
	answer, err := c.send(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, op.explain(ctx, err)
	}
	body, err := readObject(answer)
	return body, op.explain(ctx, err)
}

func readObject(answer *http.Response) ([]byte, error) {
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxObject+1))
	if err == nil && len(data) > maxObject {
		err = errNoAnswer
	}
	return data, err
}

// decode reads what the API server answered. Its error says nothing of the
// content.
func (op Op) decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return op.explain(context.Background(), errNoAnswer)
	}
	return nil
}

// check refuses names that would lead to another path.
func (op Op) check() error {
	for _, part := range []string{op.Namespace, op.Name} {
		if part == "." || part == ".." || strings.ContainsAny(part, "/%?#") {
			return &Error{Kind: Invalid, Op: op, Detail: strconv.Quote(part) + " is no name of an object"}
		}
	}
	return nil
}
