package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// client speaks the data API over real HTTP. An error means that no complete
// answer came; an [*unexpected] is an answer that should never be given.
type client struct {
	base string
	http *http.Client
}

const requestTimeout = 30 * time.Second

func newClient(base string) *client {
	return &client{base: base, http: &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true},
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// unexpected is an answer outside the API's contract.
type unexpected struct {
	what   string
	status int
	body   string
}

func (e *unexpected) Error() string {
	return fmt.Sprintf("%s answered %d: %s", e.what, e.status, e.body)
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) version() (kv.Version, error) { return parseETag(a.header.Get("ETag")) }

func parseETag(tag string) (kv.Version, error) {
	text, ok := strings.CutPrefix(tag, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || !closed || err != nil || n <= 0 {
		return 0, fmt.Errorf("the entity tag %q is no version", tag)
	}
	return kv.Version(n), nil
}

func (c *client) do(ctx context.Context, method, path string, header http.Header, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if header != nil {
		req.Header = header
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{res.StatusCode, res.Header, data}, nil
}

func keyPath(ns, key string) string { return "/v1/kv/" + ns + "/" + url.PathEscape(key) }

// send makes a request and notes in its writes what the answer says. An error
// leaves them unknown.
func (c *client) send(ctx context.Context, r *request) error {
	method, path, header, body, err := encode(r)
	if err != nil {
		return err
	}
	a, err := c.do(ctx, method, path, header, body)
	if err != nil {
		return err
	}
	if transient(a.status) {
		return fmt.Errorf("%s %s answered %d: %s", method, path, a.status, a.body)
	}
	before := r.answer
	if err := decode(r, a); err != nil {
		return &unexpected{fmt.Sprintf("%s %s (%s)", method, path, err), a.status, string(a.body)}
	}
	if r.answered && r.answer != before {
		return &unexpected{fmt.Sprintf("%s %s repeated under one Idempotency-Key: %q after %q", method, path, r.answer, before), a.status, string(a.body)}
	}
	r.answered = true
	return nil
}

// transient statuses leave the outcome unknown.
func transient(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

func encode(r *request) (method, path string, header http.Header, body []byte, err error) {
	header = http.Header{}
	if r.idempotencyKey != "" {
		header.Set("Idempotency-Key", r.idempotencyKey)
	}
	if r.async {
		header.Set("Prefer", "respond-async")
	}
	switch r.call {
	case batch:
		var b wire.Batch
		if b.Operations, err = shapes(r.writes); err == nil {
			body, err = json.Marshal(b)
		}
		header.Set("Content-Type", "application/json")
		return http.MethodPost, "/v1/batch/" + r.ns, header, body, err
	case txn:
		var t wire.Txn
		if t.Success, err = shapes(r.writes); err != nil {
			return "", "", nil, nil, err
		}
		if r.impossible {
			exists := true
			t.Compare = []wire.Compare{{Key: "never-written", Target: "exists", Is: "eq", Exists: &exists}}
		}
		body, err = json.Marshal(t)
		header.Set("Content-Type", "application/json")
		return http.MethodPost, "/v1/txn/" + r.ns, header, body, err
	case single:
	}
	w := r.writes[0]
	if w.guard != nil {
		if *w.guard == 0 {
			header.Set("If-None-Match", "*")
		} else {
			header.Set("If-Match", strconv.Quote(strconv.FormatInt(int64(*w.guard), 10)))
		}
	}
	path = keyPath(r.ns, w.key)
	switch w.kind {
	case kv.KindPut:
		return http.MethodPut, path, header, w.value, nil
	case kv.KindDelete:
		return http.MethodDelete, path, header, nil, nil
	case kv.KindIncrement:
		header.Set("Content-Type", "application/json")
		body, err = json.Marshal(wire.Increment{By: w.by})
		return http.MethodPost, path + "/increment", header, body, err
	case kv.KindGet, kv.KindRestore:
	}
	return "", "", nil, nil, fmt.Errorf("no call makes a %s", w.kind)
}

func shapes(writes []*write) ([]wire.Operation, error) {
	ops := make([]wire.Operation, len(writes))
	for i, w := range writes {
		op := kv.Operation{Kind: w.kind, Key: w.key, Value: w.value, By: w.by}
		if w.guard != nil {
			op.If = kv.Condition{Absent: *w.guard == 0}
			if *w.guard != 0 {
				op.If.Versions = []kv.Version{*w.guard}
			}
		}
		var err error
		if ops[i], err = wire.FromOperation(op); err != nil {
			return nil, err
		}
	}
	return ops, nil
}

func decode(r *request, a answer) error {
	switch {
	case r.async && a.status == http.StatusAccepted:
		r.operation = a.header.Get("Location")
		r.answer = "202 " + r.operation
		r.writes[0].outcome = accepted
		if !strings.HasPrefix(r.operation, "/v1/operations/") {
			return errors.New("no operation in Location")
		}
		return nil
	case r.call == single && !r.async:
		return decodeSingle(r.writes[0], a)
	case r.call == batch && a.status == http.StatusOK:
		var results wire.BatchResults
		if err := json.Unmarshal(a.body, &results); err != nil {
			return err
		}
		return decodeResults(r, results.Results)
	case r.call == txn && a.status == http.StatusOK:
		var results wire.TxnResults
		if err := json.Unmarshal(a.body, &results); err != nil {
			return err
		}
		if results.Succeeded == r.impossible {
			return fmt.Errorf("succeeded is %t", results.Succeeded)
		}
		if r.impossible {
			for _, w := range r.writes {
				w.outcome = refused
			}
			return nil
		}
		return decodeResults(r, results.Results)
	}
	return errors.New("another status than the call has")
}

func decodeSingle(w *write, a answer) (err error) {
	switch {
	case a.status == http.StatusPreconditionFailed && w.guard != nil,
		a.status == http.StatusNotFound && w.kind == kv.KindDelete:
		w.outcome = refused
		return nil
	case w.kind == kv.KindPut && (a.status == http.StatusOK || a.status == http.StatusCreated),
		w.kind == kv.KindDelete && a.status == http.StatusNoContent:
		w.version, err = a.version()
	case w.kind == kv.KindIncrement && (a.status == http.StatusOK || a.status == http.StatusCreated):
		var result wire.IncrementResult
		if err = json.Unmarshal(a.body, &result); err == nil && result.Version <= 0 {
			err = errors.New("no version")
		}
		w.version, w.number = result.Version, result.Value
	default:
		return errors.New("another status than the call has")
	}
	w.outcome = applied
	w.created = a.status == http.StatusCreated
	w.request.answer = fmt.Sprintf("%d version %d number %d", a.status, w.version, w.number)
	return err
}

func decodeResults(r *request, results []wire.Result) error {
	if len(results) != len(r.writes) {
		return fmt.Errorf("%d results for %d operations", len(results), len(r.writes))
	}
	var text strings.Builder
	for i, res := range results {
		w := r.writes[i]
		switch {
		case res.Status == http.StatusPreconditionFailed && w.guard != nil && r.call == batch,
			res.Status == http.StatusNotFound && w.kind == kv.KindDelete && r.call == batch:
			w.outcome = refused
			continue
		case res.Status < 200 || res.Status > 299:
			return fmt.Errorf("result %d has status %d", i, res.Status)
		case res.Version <= 0:
			return fmt.Errorf("result %d has no version", i)
		}
		if w.kind == kv.KindIncrement {
			n, err := strconv.ParseInt(string(res.Value), 10, 64)
			if err != nil {
				return fmt.Errorf("result %d has no number", i)
			}
			w.number = n
		}
		w.outcome, w.version, w.created = applied, res.Version, res.Status == http.StatusCreated
		fmt.Fprintf(&text, "%d version %d number %d; ", res.Status, w.version, w.number)
	}
	r.answer = text.String()
	return nil
}

// get reads a key; the version is 0 when it is absent.
func (c *client) get(ctx context.Context, ns, key string, strong bool) (value []byte, v kv.Version, err error) {
	header := http.Header{}
	if strong {
		header.Set("Cache-Control", "no-cache")
	}
	a, err := c.do(ctx, http.MethodGet, keyPath(ns, key), header, nil)
	switch {
	case err != nil:
		return nil, 0, err
	case a.status == http.StatusNotFound:
		return nil, 0, nil
	case a.status != http.StatusOK:
		return nil, 0, &unexpected{"GET " + keyPath(ns, key), a.status, string(a.body)}
	}
	v, err = a.version()
	return a.body, v, err
}

// former reads one version of a key.
func (c *client) former(ctx context.Context, ns, key string, v kv.Version) ([]byte, error) {
	path := fmt.Sprintf("/v1/history/%s/%s?version=%d", ns, url.PathEscape(key), v)
	a, err := c.do(ctx, http.MethodGet, path, nil, nil)
	if err == nil && a.status != http.StatusOK {
		err = &unexpected{"GET " + path, a.status, string(a.body)}
	}
	return a.body, err
}

// history reads all versions of a key, the newest first.
func (c *client) history(ctx context.Context, ns, key string) ([]wire.HistoryVersion, error) {
	var all []wire.HistoryVersion
	for cursor := ""; ; {
		var page wire.History
		path := fmt.Sprintf("/v1/history/%s/%s?limit=1000&cursor=%s", ns, url.PathEscape(key), url.QueryEscape(cursor))
		if cursor == "" {
			path = strings.TrimSuffix(path, "&cursor=")
		}
		if err := c.json(ctx, path, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Versions...)
		if cursor = page.Cursor; cursor == "" {
			return all, nil
		}
	}
}

// list reads all entries of a namespace with their values.
func (c *client) list(ctx context.Context, ns string) ([]wire.Entry, error) {
	var all []wire.Entry
	for cursor := ""; ; {
		var page wire.List
		path := "/v1/kv/" + ns + "?values=true&limit=1000"
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		if err := c.json(ctx, path, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Entries...)
		if cursor = page.Cursor; cursor == "" {
			return all, nil
		}
	}
}

// operation reads the state of an accepted request.
func (c *client) operation(ctx context.Context, path string) (wire.OperationState, error) {
	var state wire.OperationState
	err := c.json(ctx, path, &state)
	return state, err
}

func (c *client) json(ctx context.Context, path string, into any) error {
	a, err := c.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return &unexpected{"GET " + path, a.status, string(a.body)}
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}
