package server

import (
	"net/http"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// listNamespaces answers GET of the namespaces.
func listNamespaces(c *call) error {
	limit, err := c.query.Limit()
	if err != nil {
		return err
	}
	after := c.query["cursor"]
	if after != "" && kv.CheckNamespace(after) != nil {
		return kv.Invalid("cursor", "the cursor is not one that a list of namespaces answered")
	}
	page, err := c.visibleNamespaces(after, limit)
	if err != nil {
		return err
	}
	return c.sendJSON(http.StatusOK, wire.FromNamespacePage(page))
}

// visibleNamespaces gives a page of the namespaces that the caller may see. Its
// cursor is one of them, too: it is a name.
func (c *call) visibleNamespaces(after string, limit int) (visible kv.NamespacePage, err error) {
	for {
		page, err := c.server.opts.Store.Namespaces(c, after, min(limit+1, kv.MaxPageEntries))
		if err != nil {
			return visible, err
		}
		for _, n := range page.Namespaces {
			if !c.maySeeNamespace(n.Name) {
				continue
			}
			if len(visible.Namespaces) == limit {
				visible.Cursor = visible.Namespaces[limit-1].Name
				return visible, nil
			}
			visible.Namespaces = append(visible.Namespaces, n)
		}
		if after = page.Cursor; after == "" {
			return visible, nil
		}
	}
}

// getNamespace answers GET of a namespace's settings and usage.
func getNamespace(c *call) error {
	name, err := c.namespace()
	if err != nil {
		return err
	}
	if !c.maySeeNamespace(name) {
		return c.authorize(name, "", auth.Admin)
	}
	n, err := c.server.opts.Store.Namespace(c, name)
	if err != nil {
		return err
	}
	return c.sendJSON(http.StatusOK, wire.FromNamespace(n))
}

// putNamespace answers PUT of a namespace's settings.
func putNamespace(c *call) error {
	name, err := c.namespace()
	if err != nil {
		return err
	}
	if err := c.authorize(name, "", auth.Admin); err != nil {
		return err
	}
	body, err := c.readJSON()
	if err != nil {
		return err
	}
	settings, err := wire.DecodeNamespace(body, name)
	if err != nil {
		return err
	}
	c.startClock()
	n, err := c.server.opts.Store.SetNamespace(c, settings)
	if err != nil {
		return err
	}
	return c.sendJSON(http.StatusOK, wire.FromNamespace(n))
}
