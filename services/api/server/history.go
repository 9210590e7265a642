package server

import (
	"net/http"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
	"github.com/trivetkv/trivet/services/api/server/request"
)

// getHistory answers GET of a key's versions, or of one of them, which is
// answered as GET of the key answers.
func getHistory(c *call) error {
	ns, key, err := c.target()
	if err != nil {
		return err
	}
	if err := c.authorize(ns, key, auth.Read); err != nil {
		return err
	}
	if text, ok := c.query["version"]; ok {
		return c.getVersion(ns, key, text)
	}
	q := kv.HistoryQuery{Cursor: c.query["cursor"]}
	if q.Limit, err = c.query.Limit(); err != nil {
		return err
	}
	if _, err := q.Below(); err != nil {
		return err
	}
	page, err := c.server.opts.Store.History(c, ns, key, q)
	if err != nil {
		return err
	}
	return c.sendJSON(http.StatusOK, wire.FromHistoryPage(page))
}

func (c *call) getVersion(ns, key, text string) error {
	for _, name := range [...]string{"limit", "cursor"} {
		if _, ok := c.query[name]; ok {
			return kv.Invalid(name, "the query parameter does not go with version")
		}
	}
	version, err := request.Version("version", text)
	if err != nil {
		return err
	}
	pre, err := request.ReadPreconditions(c.r.Header)
	if err != nil {
		return err
	}
	entry, err := c.server.opts.Store.Version(c, ns, key, version)
	if err != nil {
		return err
	}
	return c.sendValue(&entry, pre)
}
