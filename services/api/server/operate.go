package server

import (
	"net/http"

	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/kv"
)

// serveHealth answers whether the process is alive.
func serveHealth(c *call) error {
	health.Live(c.w, c.r)
	return nil
}

// serveReady answers whether the process wants requests.
func serveReady(c *call) error {
	c.server.opts.Readiness.ServeHTTP(c.w, c.r)
	return nil
}

// serveMetrics answers the metrics; with authentication on, to administrators.
func serveMetrics(c *call) error {
	if err := c.administrator(); err != nil {
		return err
	}
	return c.serveOther(c.server.opts.Metrics)
}

func serveOpenAPI(c *call) error { return c.serveOther(c.server.opts.OpenAPI) }

func serveDocs(c *call) error { return c.serveOther(c.server.opts.Docs) }

// serveOther hands the request to a handler that the server was given.
func (c *call) serveOther(h http.Handler) error {
	if h == nil {
		return kv.Errorf(kv.CodeNotFound, "this server does not serve this path")
	}
	h.ServeHTTP(c.w, c.r)
	return nil
}
