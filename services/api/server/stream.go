package server

import (
	"context"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server/request"
	"github.com/trivetkv/trivet/services/api/watch"
)

// watchChanges answers a watch. A browser that reconnects sends its first URL
// again with the Last-Event-ID that it has come to, which wins over since.
func watchChanges(c *call) error {
	ns, err := c.namespace()
	if err != nil {
		return err
	}
	req := watch.Request{Namespace: ns, Prefix: c.query["prefix"]}
	if err := kv.CheckPrefix("prefix", req.Prefix); err != nil {
		return err
	}
	if req.Values, err = c.query.Boolean("values", true); err != nil {
		return err
	}
	if text, ok := c.query["since"]; ok {
		if req.After, err = request.Position("since", text); err != nil {
			return err
		}
		req.HasAfter = true
	}
	if values := c.r.Header["Last-Event-Id"]; len(values) > 0 && values[0] != "" {
		text, err := request.Single("Last-Event-ID", values)
		if err != nil {
			return err
		}
		if req.After, err = request.Position("Last-Event-ID", text); err != nil {
			return err
		}
		req.HasAfter = true
	}
	if err := c.authorize(ns, req.Prefix, auth.Read); err != nil {
		return err
	}
	bound, unbind := c.caller.Bind(c)
	defer unbind()
	ctx, cancel := context.WithCancelCause(bound)
	defer cancel(nil)
	stop := context.AfterFunc(c.server.streams, func() { cancel(context.Cause(c.server.streams)) })
	defer stop()
	return c.server.opts.Watch.Serve(ctx, c.w, c.r, req)
}
