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
}

// maxEventBytes bounds one line of a stream: the largest value that a change
// carries, as base64, with the longest key.
const maxEventBytes = 1 << 20

// Watch gives the changes of a namespace until ctx ends, the caller breaks off,
// or the stream does. Its last element is then an error: of ctx, or what the
// server said, such as position_expired, or unavailable when the connection
// was lost. Changes come at least once, per key in version order; to go on,
// watch again since the position of the last one.
func (c *Client) Watch(ctx context.Context, ns string, opts WatchOptions) iter.Seq2[kv.Change, error] {
	return func(yield func(kv.Change, error) bool) {
		// Breaking off has to end a stream on which nothing happens, too.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := kv.CheckNamespace(ns); err != nil {
			yield(kv.Change{}, err)
			return
		}
		query := url.Values{"values": {strconv.FormatBool(opts.Values)}}
		if opts.Prefix != "" {
			query.Set("prefix", opts.Prefix)
		}
		if opts.Since != nil {
			query.Set("since", strconv.FormatInt(int64(*opts.Since), 10))
		}
		response, _, err := c.send(ctx, request{
			method: http.MethodGet, path: fixed("v1", "watch", ns), query: query,
			header: http.Header{"Accept": {"text/event-stream"}},
		})
		if err != nil {
			yield(kv.Change{}, err)
			return
		}
		defer response.Body.Close()
		if opts.Started != nil {
			opts.Started()
		}
		events := newEventReader(response.Body)
		for {
			change, err := events.next()
			if ctx.Err() != nil {
				err = kv.AsError(ctx.Err())
			}
			if !yield(change, err) || err != nil {
				return
			}
		}
	}
}

// eventReader reads server-sent events.
type eventReader struct {
	lines    *bufio.Scanner
	position kv.Position // of the last id, which stays for events without one
}

func newEventReader(body io.Reader) *eventReader {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4<<10), maxEventBytes)
	return &eventReader{lines: lines}
}

// next reads up to the next change. Comments, heartbeats and fields that are
// not known are skipped, as the format asks.
func (r *eventReader) next() (kv.Change, error) {
	var kind string
	var data []byte
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if len(line) == 0 {
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
				r.position = kv.Position(position)
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
