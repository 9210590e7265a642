package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// Version reads one version of a key; not_found when it is past retention or
// was a deletion.
func (c *Client) Version(ctx context.Context, ns, key string, v kv.Version) (kv.Entry, error) {
	if err := checkPlace(ns, key); err != nil {
		return kv.Entry{}, err
	}
	return c.value(ctx, key, request{
		method: http.MethodGet, path: fixed("v1", "history", ns).ofKey(key),
		query: url.Values{"version": {strconv.FormatInt(int64(v), 10)}},
	})
}

// History lists the versions of a key that are within retention, the newest
// first. A limit of 0 leaves the page's size to the server.
func (c *Client) History(ctx context.Context, ns, key string, q kv.HistoryQuery) (kv.HistoryPage, error) {
	if err := checkPlace(ns, key); err != nil {
		return kv.HistoryPage{}, err
	}
	var shape wire.History
	_, _, err := c.callJSON(ctx, request{
		method: http.MethodGet, path: fixed("v1", "history", ns).ofKey(key), query: page(q.Limit, q.Cursor),
	}, &shape)
	return shape.KV(), err
}

// page makes the query of a page.
func page(limit int, cursor string) url.Values {
	query := url.Values{}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	return query
}
