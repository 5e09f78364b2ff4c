package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crpki/crpki/inspect/verify"
	"github.com/crpki/crpki/pki"
)

// verifyCase is a line of --stdin-jsonl, caseVerdict the line that answers it.
type verifyCase struct {
	ID    json.RawMessage `json:"id"`
	Chain []string        `json:"chain"`
	Roots []string        `json:"roots"`
	Host  string          `json:"host"`
	At    string          `json:"at"`
}

type caseVerdict struct {
	ID json.RawMessage `json:"id"`
	OK bool            `json:"ok"`
	// Error is what Go's clients print, "" when they accept.
	Error  string `json:"error"`
	Code   int    `json:"code"`
	Reason string `json:"reason"`

	unreadable bool
}

// maxLine bounds a line of --stdin-jsonl, in bytes; the rest of a longer one is
// passed over, up to maxSkip.
const (
	maxLine = 64 << 20
	maxSkip = 16 * maxLine
)

// verifyLines judges the lines of standard input on all processors, and answers
// in their order. A line that cannot be read is answered with an error of its
// own; the others are judged all the same.
func (e *env) verifyLines(ctx context.Context) error {
	if err := e.takeStdin("--stdin-jsonl"); err != nil {
		return err
	}
	e.settle()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	// pending holds the answers in their order, each as a channel: so many may be
	// ready behind one that takes long. Lines are in memory only while they are
	// judged.
	pending := make(chan chan caseVerdict, 1024)
	slots := make(chan struct{}, workers)
	readErr := make(chan error, 1)
	go func() {
		defer close(pending)
		in := bufio.NewReaderSize(e.stdin, 1<<20)
		for n := 1; ; n++ {
			line, err := readLine(in)
			if n == 1 {
				line = bytes.TrimPrefix(line, []byte(byteOrderMark))
			}
			long := errors.Is(err, errLongLine)
			if len(line) > 0 || long {
				answer := make(chan caseVerdict, 1)
				select {
				case pending <- answer:
				case <-ctx.Done():
					return
				}
				slots <- struct{}{}
				go func() {
					defer func() { <-slots }()
					if long {
						answer <- unreadableLine(nil, n, err)
					} else {
						answer <- e.verifyLine(n, line)
					}
				}()
			}
			if err != nil && !long {
				if !errors.Is(err, io.EOF) {
					readErr <- fmt.Errorf("line %d: %w", n, err)
				}
				return
			}
		}
	}()
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	refused, unreadable := false, 0
	for {
		if len(pending) == 0 { // who asks may wait for the answer before the next line
			if err := e.flush(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case answer, more := <-pending:
			if !more {
				if err := ctx.Err(); err != nil { // that is why no more lines are read
					return err
				}
				select {
				case err := <-readErr:
					return usageErrorf("read standard input: %w", err)
				default:
				}
				switch {
				case unreadable > 0:
					return usageErrorf("%s could not be read", count(unreadable, "line"))
				case refused:
					return errBad
				}
				return nil
			}
			var v caseVerdict
			select {
			case <-ctx.Done():
				return ctx.Err()
			case v = <-answer:
			}
			refused = refused || !v.OK || v.Code != 0
			if v.unreadable {
				unreadable++
			}
			if err := enc.Encode(v); err != nil {
				return err
			}
		}
	}
}

// errLongLine is said of a line that is not kept.
var errLongLine = fmt.Errorf("it is longer than %d MiB", maxLine>>20)

// readLine gives the next line without white space around it, nil for an empty
// one. With errLongLine, it is at the next one.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for size := 0; ; {
		part, err := in.ReadSlice('\n')
		if size += len(part); size <= maxLine {
			line = append(line, part...)
		} else {
			line = nil
		}
		switch {
		case size > maxSkip:
			return nil, fmt.Errorf("it is longer than %d MiB", maxSkip>>20)
		case errors.Is(err, bufio.ErrBufferFull):
		case size > maxLine:
			return nil, errLongLine
		default:
			return bytes.TrimSpace(line), err
		}
	}
}

func (e *env) verifyLine(n int, line []byte) (v caseVerdict) {
	c, at, err := readCase(line, e.now)
	if err != nil {
		return unreadableLine(c.ID, n, err)
	}
	v.ID = idOf(c.ID)
	presented, trusted := linePresented(c.Chain), lineTrusted(c.Roots)
	if err := (verify.Go{Presented: presented, Trusted: trusted, Host: c.Host, At: at}).Verify(); err != nil {
		v.Error = err.Error()
	}
	code := verify.CodeUnspecified
	if !slices.ContainsFunc(trusted, verify.Unreadable) { // OpenSSL loads all of -CAfile, or nothing
		code = verify.OpenSSL{Presented: presented, Trusted: trusted, Host: c.Host, At: at, Purpose: verify.Server}.Verify().First()
	}
	v.OK, v.Code, v.Reason = v.Error == "", int(code), code.Text()
	return v
}

// unreadableLine is the answer to line n, of which nothing is judged.
func unreadableLine(id json.RawMessage, n int, err error) caseVerdict {
	return caseVerdict{
		ID: idOf(id), Error: fmt.Sprintf("line %d: %v", n, err), unreadable: true,
		Code: int(verify.CodeUnspecified), Reason: verify.CodeUnspecified.Text(),
	}
}

func idOf(id json.RawMessage) json.RawMessage {
	if id == nil {
		return json.RawMessage("null")
	}
	return id
}

// readCase gives the case and its time, which is now when it has none. With an
// error, the case has its ID if that could be read.
func readCase(line []byte, now time.Time) (c verifyCase, at time.Time, err error) {
	if err := json.Unmarshal(line, &c); err != nil {
		var kind *json.UnmarshalTypeError
		if !errors.As(err, &kind) {
			return c, now, err
		}
		if kind.Field == "" {
			return c, now, fmt.Errorf("it is no object of JSON, but of the kind %q", kind.Value)
		}
		return c, now, fmt.Errorf("%q is of the kind %q", kind.Field, kind.Value)
	}
	at = now
	if c.At != "" {
		if at, err = time.Parse(time.RFC3339, c.At); err != nil {
			return c, now, fmt.Errorf(`"at": %q is no time of RFC 3339, such as 2026-11-21T12:00:00Z`, c.At)
		}
	}
	if len(c.Chain) == 0 {
		return c, now, errors.New(`"chain" holds no certificate`)
	}
	for _, list := range []struct {
		field string
		texts []string
	}{{"chain", c.Chain}, {"roots", c.Roots}} {
		for i, text := range list.texts {
			if !holdsCert(text) {
				return c, now, fmt.Errorf("%q: there is no certificate in PEM in text %d of %d", list.field, i+1, len(list.texts))
			}
		}
	}
	return c, at, nil
}

func holdsCert(text string) bool {
	for range certBlocks([]string{text}) {
		return true
	}
	return false
}

// linePresented reads what a server sends. It sends no trust settings.
func linePresented(texts []string) (certs []pki.Cert) {
	for block := range certBlocks(texts) {
		der := cryptobyte.String(block.Bytes)
		var alone cryptobyte.String
		if block.Type != trustedLabel || !der.ReadASN1Element(&alone, asn1.SEQUENCE) {
			alone = block.Bytes
		}
		certs = append(certs, pki.NewCert(pki.Origin{Source: "chain", Index: len(certs) + 1}, alone))
	}
	return certs
}

// lineTrusted reads what clients trust: Go's the blocks with the one label,
// without headers, OpenSSL's those with its other labels too.
func lineTrusted(texts []string) (certs []pki.Cert) {
	for block := range certBlocks(texts) {
		cert := pki.NewCert(pki.Origin{Source: "roots", Index: len(certs) + 1}, block.Bytes)
		if block.Type != certLabel || len(block.Headers) > 0 {
			cert.X509, cert.Err = nil, fmt.Errorf("Go reads no %s", block.Type)
		}
		certs = append(certs, cert)
	}
	return certs
}

// Labels of certificates in PEM (RFC 7468 5, OpenSSL's pem.h).
const (
	certLabel    = "CERTIFICATE"
	oldLabel     = "X509 CERTIFICATE"
	trustedLabel = "TRUSTED CERTIFICATE"
)

// certBlocks gives the certificates in texts, each of which holds one or several.
func certBlocks(texts []string) iter.Seq[*pem.Block] {
	return func(yield func(*pem.Block) bool) {
		for _, text := range texts {
			for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
				switch block.Type {
				case certLabel, oldLabel, trustedLabel:
					if !yield(block) {
						return
					}
				}
			}
		}
	}
}
