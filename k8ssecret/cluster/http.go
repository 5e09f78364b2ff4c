package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"
)

// http.go sends one request, as client-go 0.34.4 does (rest/request.go,
// rest/with_retry.go), and reads what an API server answers in place of what
// was asked for.

// maxRetries is how often a request is sent anew.
const maxRetries = 10

// contentType is that of all that is sent and asked for, unless a patch says more.
const contentType = "application/json"

// request is one, below the API server's URL.
type request struct {
	method  string
	path    []string
	query   url.Values
	content string // the type of the body
	body    []byte
}

// url is that of q. The API server is told how long we wait.
func (c *Client) url(q request) string {
	u := *c.base
	u.Path, u.RawPath, u.Fragment = path.Join("/", u.Path, path.Join(q.path...)), "", ""
	query := url.Values{"timeout": {c.http.Timeout.String()}}
	for name, values := range q.query {
		query[name] = values
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// send gives the answer when it is what was asked for; its body has to be
// closed. Other answers are errors of type *status.
func (c *Client) send(ctx context.Context, q request) (*http.Response, error) {
	start := time.Now()
	for tries := 0; ; tries++ {
		answer, err := c.try(ctx, q)
		wait, again := retryAfter(q.method, answer, err)
		// A wait that outlasts the time for an answer is not begun, and connections
		// that break have no more than that altogether.
		left := c.http.Timeout
		if err != nil {
			left -= time.Since(start)
		}
		again = again && tries < maxRetries && wait <= left
		switch {
		case again:
		case err != nil:
			return nil, err
		case answer.StatusCode >= http.StatusOK && answer.StatusCode <= http.StatusPartialContent:
			c.tell(answer)
			return answer, nil
		default:
			defer answer.Body.Close()
			return nil, c.refusal(answer)
		}
		if answer != nil {
			discard(answer.Body)
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (c *Client) try(ctx context.Context, q request) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, q.method, c.url(q), bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", contentType)
	if q.content != "" {
		r.Header.Set("Content-Type", q.content)
	}
	return c.http.Do(r)
}

// retryAfter says whether a request is sent again, and after how long: when the
// answer says so, or when a connection broke over a request that changes
// nothing.
func retryAfter(method string, answer *http.Response, err error) (time.Duration, bool) {
	if err != nil {
		return time.Second, method == http.MethodGet && isBroken(err)
	}
	if answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode < 500 {
		return 0, false
	}
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	return time.Duration(min(seconds, math.MaxInt32)) * time.Second, err == nil
}

// discard reads what is left of a short answer, so that its connection serves
// again.
func discard(body io.ReadCloser) {
	const short = 2 << 10
	io.CopyN(io.Discard, body, short)
	body.Close()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// tell hands the warnings of the API server on.
func (c *Client) tell(answer *http.Response) {
	if c.warn == nil {
		return
	}
	for _, text := range warningsIn(answer.Header) {
		c.warn(text)
	}
}

// status is an answer in place of what was asked for: Kubernetes' Status.
type status struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Continue string `json:"continue"`
	} `json:"metadata"`
	Status  string        `json:"status"` // Success, Failure
	Message string        `json:"message"`
	Reason  string        `json:"reason"`
	Details statusDetails `json:"details"`
	Code    int           `json:"code"`
}

type statusDetails struct {
	Name   string        `json:"name"`
	Kind   string        `json:"kind"`
	Causes []statusCause `json:"causes"`
}

type statusCause struct {
	Type    string `json:"reason"`
	Message string `json:"message"`
	Field   string `json:"field"`
}

// Causes that statuses are told apart by.
const (
	causeForeign  = "UnexpectedServerResponse" // the answer was no Status
	causeConflict = "FieldManagerConflict"
)

func (s *status) Error() string { return s.Message }

// refusal reads an answer that is not what was asked for.
func (c *Client) refusal(answer *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxObject))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if !isJSON(answer.Header) {
		return foreign(answer.StatusCode)
	}
	c.tell(answer)
	var s status
	if json.Unmarshal(body, &s) != nil || s.Kind != "Status" || s.Status != "Failure" {
		return foreign(answer.StatusCode)
	}
	return &s
}

// isJSON: an answer that does not say what it is, is what was asked for.
func isJSON(header http.Header) bool {
	text := header.Get("Content-Type")
	if text == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(text)
	return err == nil && media == contentType
}

// foreign stands for an answer that is no Status: of something before the API
// server, or of something else altogether (apimachinery, api/errors,
// NewGenericServerResponse).
func foreign(code int) *status {
	s := &status{
		Code: code, Message: fmt.Sprintf("HTTP status %d; %v", code, errNoAnswer),
		Details: statusDetails{Causes: []statusCause{{Type: causeForeign}}},
	}
	switch code {
	case http.StatusUnauthorized:
		s.Reason = "Unauthorized"
	case http.StatusNotFound:
		s.Reason = "NotFound"
	case http.StatusTooManyRequests:
		s.Reason, s.Message = "TooManyRequests", "the server has received too many requests and has asked us to try again later"
	}
	return s
}
