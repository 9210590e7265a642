package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// Get reads one key. For an absent key the error is not_found. TTLLeft is not
// set: the answer carries the time of expiry alone.
func (c *Client) Get(ctx context.Context, ns, key string, opts kv.ReadOptions) (kv.Entry, error) {
	if err := checkPlace(ns, key); err != nil {
		return kv.Entry{}, err
	}
	header := http.Header{}
	switch opts.Consistency {
	case kv.Strong:
		header.Set("Cache-Control", "no-cache")
	case kv.Local:
		header.Set("Cache-Control", "max-age="+strconv.FormatInt(int64(opts.MaxAge/time.Second), 10))
	case kv.Shared:
	}
	if opts.MinVersion > 0 {
		header.Set("Trivet-Min-Version", strconv.FormatInt(int64(opts.MinVersion), 10))
	}
	return c.value(ctx, key, request{method: http.MethodGet, path: fixed("v1", "kv", ns).ofKey(key), header: header})
}

// value reads an answer that is a value.
func (c *Client) value(ctx context.Context, key string, r request) (kv.Entry, error) {
	_, answer, body, err := c.call(ctx, r)
	entry := entryOf(key, answer)
	if err != nil {
		return entry, err
	}
	entry.Value, entry.Size = body, int64(len(body))
	return entry, nil
}

// entryOf reads what the header of an answer tells about a key.
func entryOf(key string, header http.Header) kv.Entry {
	entry := kv.Entry{
		Key:         key,
		Version:     versionOf(header),
		ContentType: header.Get("Content-Type"),
		Source:      kv.Source(header.Get("Trivet-Source")),
	}
	if position, err := strconv.ParseInt(header.Get("Trivet-Position"), 10, 64); err == nil {
		entry.Position = kv.Position(position)
	}
	if at, err := time.Parse(wire.TimeFormat, header.Get("Trivet-Expires-At")); err == nil {
		entry.ExpiresAt = at
	}
	if at, err := http.ParseTime(header.Get("Last-Modified")); err == nil {
		entry.UpdatedAt = at
	}
	if age, err := strconv.Atoi(header.Get("Age")); err == nil {
		entry.Age = time.Duration(age) * time.Second
	}
	for name, values := range header {
		if meta, ok := strings.CutPrefix(name, "Trivet-Meta-"); ok && len(values) > 0 {
			if entry.Meta == nil {
				entry.Meta = make(map[string]string)
			}
			entry.Meta[strings.ToLower(meta)] = values[0]
		}
	}
	return entry
}

// versionOf reads the ETag of an answer, 0 when there is none.
func versionOf(header http.Header) kv.Version {
	text, ok := strings.CutPrefix(header.Get("ETag"), `"`)
	if !ok {
		return 0
	}
	version, err := strconv.ParseInt(strings.TrimSuffix(text, `"`), 10, 64)
	if err != nil {
		return 0
	}
	return kv.Version(version)
}

// List reads a page of keys. A limit of 0 leaves its size to the server.
func (c *Client) List(ctx context.Context, ns string, q kv.ListQuery) (kv.ListPage, error) {
	if err := kv.CheckNamespace(ns); err != nil {
		return kv.ListPage{}, err
	}
	query := url.Values{}
	for name, value := range map[string]string{"prefix": q.Prefix, "delimiter": q.Delimiter, "cursor": q.Cursor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if q.Limit != 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Values {
		query.Set("values", "true")
	}
	var list wire.List
	if _, _, err := c.callJSON(ctx, request{method: http.MethodGet, path: fixed("v1", "kv", ns), query: query}, &list); err != nil {
		return kv.ListPage{}, err
	}
	page, err := list.KV()
	if err != nil {
		return kv.ListPage{}, fmt.Errorf("read a list: %w", err)
	}
	return page, nil
}

func checkPlace(ns, key string) error {
	if err := kv.CheckNamespace(ns); err != nil {
		return err
	}
	return kv.CheckKey(key)
}
