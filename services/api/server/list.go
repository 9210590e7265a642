package server

import (
	"encoding/base64"
	"net/http"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// listKeys answers GET of a namespace's keys.
func listKeys(c *call) error {
	ns, err := c.namespace()
	if err != nil {
		return err
	}
	q := kv.ListQuery{Prefix: c.query["prefix"], Delimiter: c.query["delimiter"], Cursor: c.query["cursor"]}
	if q.Limit, err = c.query.Limit(); err != nil {
		return err
	}
	if q.Values, err = c.query.Boolean("values", false); err != nil {
		return err
	}
	if err := q.Check(); err != nil {
		return err
	}
	if err := c.authorize(ns, q.Prefix, auth.Read); err != nil {
		return err
	}
	page, err := c.server.opts.Store.List(c, ns, q)
	if err != nil {
		return err
	}
	if err := c.hold(encodedSize(page)); err != nil {
		return err
	}
	return c.sendJSON(http.StatusOK, wire.FromListPage(page, q.Values))
}

// encodedSize gives about the bytes that a page's values take in its answer.
func encodedSize(page kv.ListPage) (size int64) {
	for i := range page.Entries {
		size += int64(base64.StdEncoding.EncodedLen(len(page.Entries[i].Value)))
	}
	return size
}
