package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// change is one change of one namespace.
type change struct {
	ns string
	kv.Change
}

// changes watches a namespace from behind a position, up to and including the
// change that gave a key a version.
func (c *client) changes(ctx context.Context, ns string, after kv.Position, key string, v kv.Version) ([]change, error) {
	path := fmt.Sprintf("/v1/watch/%s?since=%d", ns, after)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, &unexpected{"GET " + path, res.StatusCode, ""}
	}

	var all []change
	lines := bufio.NewReaderSize(res.Body, 256<<10)
	for {
		ch, ok, err := readEvent(lines)
		if err != nil {
			return nil, fmt.Errorf("GET %s, waiting for version %d of %s behind %d changes: %w", path, v, key, len(all), err)
		}
		if !ok {
			continue
		}
		if ch.Truncated {
			if ch.Value, err = c.former(ctx, ns, ch.Key, ch.Version); err != nil {
				return nil, err
			}
		}
		all = append(all, change{ns, ch})
		if ch.Key == key && ch.Version == v {
			return all, nil
		}
	}
}

// readEvent reads one server-sent event; false for comments and heartbeats,
// which carry no change.
func readEvent(r *bufio.Reader) (ch kv.Change, ok bool, err error) {
	var kind, id, data string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return ch, false, err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			kind = value
		case "id":
			id = value
		case "data":
			data += value
		}
	}
	switch kv.ChangeKind(kind) {
	case kv.ChangePut, kv.ChangeDelete, kv.ChangeExpire:
	default:
		if data != "" {
			return ch, false, fmt.Errorf("an event of kind %q: %s", kind, data)
		}
		return ch, false, nil
	}
	position, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return ch, false, fmt.Errorf("the event id %q is no position", id)
	}
	var event wire.Event
	if err := json.Unmarshal([]byte(data), &event); err != nil {
		return ch, false, fmt.Errorf("the event %s: %w", data, err)
	}
	ch, err = event.KV(kv.ChangeKind(kind), kv.Position(position))
	return ch, err == nil, err
}
