package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// WatchOptions say what to watch.
type WatchOptions struct {
	Prefix  string
	Since   *kv.Position // nil: from now on
	Values  bool         // with values, up to kv.MaxChangeValueBytes each
	Started func()       // called once the server watches; nil: not told

	// Interrupted is called when the stream was lost, before it is resumed; nil:
	// not told.
	Interrupted func(error)
}

// maxEventBytes bounds one line of a stream: the largest value that a change
// carries, as base64, with the longest key.
const maxEventBytes = 1 << 20

// Watch gives the changes of a namespace until ctx ends or the caller breaks
// off. A stream that is lost is resumed where it was, for as long as it takes:
// changes come at least once, per key in version order, and none is missed. Any
// other failure, such as position_expired or forbidden, is the last element's
// error, and so is the end of ctx.
func (c *Client) Watch(ctx context.Context, ns string, opts WatchOptions) iter.Seq2[kv.Change, error] {
	return func(yield func(kv.Change, error) bool) {
		// Breaking off has to end a stream on which nothing happens, too.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		position, err := c.watchFrom(ctx, ns, opts)
		for attempt := 1; err == nil; attempt++ {
			before := position
			var broken bool
			broken, err = c.watchOnce(ctx, ns, opts, &position, yield)
			if broken {
				return
			}
			opts.Started = nil
			if position != before {
				attempt = 1
			}
			if ctx.Err() == nil && passes(err) {
				if opts.Interrupted != nil {
					opts.Interrupted(err)
				}
				err = c.retry.resume(ctx, attempt)
			}
		}
		if ctx.Err() != nil {
			err = kv.AsError(ctx.Err())
		}
		yield(kv.Change{}, err)
	}
}

// resume waits before a stream is opened again.
func (r Retry) resume(ctx context.Context, attempt int) error {
	r.Attempts = attempt + 1 // there is always another one
	pause, _ := r.pause(attempt, &kv.Error{Code: kv.CodeUnavailable})
	if !sleep(ctx, pause) {
		return ctx.Err()
	}
	return nil
}

// watchFrom gives the position after which the watch begins. Without one it
// asks for the present one, to have it when the stream is lost before its
// first event.
func (c *Client) watchFrom(ctx context.Context, ns string, opts WatchOptions) (kv.Position, error) {
	if opts.Since != nil {
		return *opts.Since, kv.CheckNamespace(ns)
	}
	list, err := c.List(ctx, ns, kv.ListQuery{Prefix: opts.Prefix, Limit: 1})
	return list.Position, err
}

// watchOnce follows one stream and keeps position at what it has come to. It
// tells whether the caller broke off; otherwise the error says what ended the
// stream.
func (c *Client) watchOnce(ctx context.Context, ns string, opts WatchOptions, position *kv.Position, yield func(kv.Change, error) bool) (broken bool, err error) {
	query := url.Values{"values": {strconv.FormatBool(opts.Values)}, "since": {strconv.FormatInt(int64(*position), 10)}}
	if opts.Prefix != "" {
		query.Set("prefix", opts.Prefix)
	}
	response, _, err := c.send(ctx, request{
		method: http.MethodGet, path: fixed("v1", "watch", ns), query: query,
		header: http.Header{"Accept": {"text/event-stream"}},
	})
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if opts.Started != nil {
		opts.Started()
	}
	events := newEventReader(response.Body, *position)
	for {
		change, err := events.next()
		if err == nil && !yield(change, nil) {
			return true, nil
		}
		*position = events.position
		if err != nil {
			return false, err
		}
	}
}

// eventReader reads server-sent events.
type eventReader struct {
	lines    *bufio.Scanner
	position kv.Position // of the last event that came whole
}

func newEventReader(body io.Reader, position kv.Position) *eventReader {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4<<10), maxEventBytes)
	return &eventReader{lines: lines, position: position}
}

// next reads up to the next change. Comments, heartbeats and fields that are
// not known are skipped, as the format asks.
func (r *eventReader) next() (kv.Change, error) {
	var kind string
	var data []byte
	id := r.position
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if len(line) == 0 {
			r.position = id
			if data == nil {
				kind = ""
				continue
			}
			return r.change(kind, data)
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			kind = string(value)
		case "data":
			data = append([]byte{}, value...)
		case "id":
			if position, err := strconv.ParseInt(string(value), 10, 64); err == nil {
				id = kv.Position(position)
			}
		}
	}
	err := r.lines.Err()
	if err == nil {
		err = errors.New("the server closed it")
	}
	return kv.Change{}, &kv.Error{Code: kv.CodeUnavailable, Detail: "the watch was cut off", Cause: err}
}

func (r *eventReader) change(kind string, data []byte) (kv.Change, error) {
	if kind == "error" {
		var problem wire.Problem
		if err := wire.Unmarshal(data, &problem); err != nil {
			return kv.Change{}, malformedEvent(err)
		}
		return kv.Change{}, problem.Err()
	}
	var event wire.Event
	if err := wire.Unmarshal(data, &event); err != nil {
		return kv.Change{}, malformedEvent(err)
	}
	return event.KV(kv.ChangeKind(kind), r.position)
}

func malformedEvent(err error) error {
	return &kv.Error{Code: kv.CodeInternal, Detail: "an event is not one that the API sends", Cause: err}
}
