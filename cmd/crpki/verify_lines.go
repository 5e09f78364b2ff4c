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
	"runtime"
	"time"

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

// maxLine bounds a line of --stdin-jsonl, in bytes.
const maxLine = 64 << 20

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
	// pending holds the answers in their order, each as a channel; its length
	// bounds how many lines are in memory.
	pending := make(chan chan caseVerdict, 4*workers)
	slots := make(chan struct{}, workers)
	readErr := make(chan error, 1)
	go func() {
		defer close(pending)
		in := bufio.NewReaderSize(e.stdin, 1<<20)
		for n := 1; ; n++ {
			line, err := readLine(in)
			if len(line) > 0 {
				answer := make(chan caseVerdict, 1)
				select {
				case pending <- answer:
				case <-ctx.Done():
					return
				}
				slots <- struct{}{}
				go func() {
					defer func() { <-slots }()
					answer <- e.verifyLine(n, line)
				}()
			}
			if err != nil {
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
			v := <-answer
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

// readLine gives the next line without white space around it, nil for an empty
// one.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLine {
			return nil, fmt.Errorf("it is longer than %d MiB", maxLine>>20)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSpace(line), err
		}
	}
}

func (e *env) verifyLine(n int, line []byte) (v caseVerdict) {
	var c verifyCase
	err := json.Unmarshal(line, &c)
	v.ID = c.ID
	if v.ID == nil {
		v.ID = json.RawMessage("null")
	}
	at := e.now
	if err == nil && c.At != "" {
		at, err = time.Parse(time.RFC3339, c.At)
	}
	if err == nil && len(c.Chain) == 0 {
		err = errors.New(`"chain" holds no certificate`)
	}
	if err != nil {
		v.unreadable = true
		v.Error, v.Code, v.Reason = fmt.Sprintf("line %d: %v", n, err), int(verify.CodeUnspecified), verify.CodeUnspecified.Text()
		return v
	}
	presented, trusted := pemCerts("chain", c.Chain), pemCerts("roots", c.Roots)
	if err := (verify.Go{Presented: presented, Trusted: trusted, Host: c.Host, At: at}).Verify(); err != nil {
		v.Error = err.Error()
	}
	code := verify.OpenSSL{Presented: presented, Trusted: trusted, Host: c.Host, At: at, Purpose: verify.Server}.Verify().First()
	v.OK, v.Code, v.Reason = v.Error == "", int(code), code.Text()
	return v
}

// pemCerts reads certificates as TLS libraries do, each text holding one or
// several.
func pemCerts(source string, texts []string) (certs []pki.Cert) {
	for _, text := range texts {
		rest := []byte(text)
		for {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			origin := pki.Origin{Source: source, Index: len(certs) + 1}
			switch block.Type {
			case "CERTIFICATE":
				certs = append(certs, pki.NewCert(origin, block.Bytes))
			case "TRUSTED CERTIFICATE", "X509 CERTIFICATE": // OpenSSL's own, which Go passes over
				if source == "roots" {
					certs = append(certs, pki.Cert{Origin: origin, Raw: block.Bytes, Err: errors.New("is a " + block.Type)})
				}
			}
		}
	}
	return certs
}
