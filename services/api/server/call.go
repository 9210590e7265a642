package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/limit"
	"github.com/trivetkv/trivet/pkg/wire"
	"github.com/trivetkv/trivet/services/api/server/request"
)

// call is one request on its way through the server, and its context.
type call struct {
	requestContext

	server   *Server
	route    *route
	w        responseWriter
	r        *http.Request
	path     string // as the client sent it
	params   gin.Params
	query    request.Query
	gate     *limit.Gate // that it has come through; nil: none
	reserved int64       // bytes of bodies, against the server's budget
}

var _ context.Context = (*call)(nil)

// startClock begins the request's time limit again, after its body has come
// and before anybody else has the call as a context.
func (c *call) startClock() {
	c.deadline = time.Now().Add(c.server.opts.RequestTimeout)
}

// namespace gives the namespace that the path names.
func (c *call) namespace() (string, error) { return request.Namespace(c.params.ByName("ns")) }

// target gives the namespace and the key that the path names.
func (c *call) target() (ns, key string, err error) {
	if ns, err = c.namespace(); err != nil {
		return "", "", err
	}
	rest := c.params.ByName("key")[1:] // the router leaves the slash
	rest = rest[:max(0, len(rest)-len(c.route.suffix()))]
	key, err = request.Key(rest, c.query["key_encoding"])
	return ns, key, err
}

var (
	headerNoStore = []string{"no-store"}
	headerNoSniff = []string{"nosniff"}
	headerJSON    = []string{wire.ContentType}
)

// set sets a header of the answer. Values that are shared by answers must not
// be changed.
func (c *call) set(name string, value []string) {
	if direct, ok := c.w.(*directAnswer); ok {
		direct.set(name, value[0])
		return
	}
	c.w.Header()[name] = value
}

// setText sets a header of the answer to a text of its own.
func (c *call) setText(name, value string) {
	if direct, ok := c.w.(*directAnswer); ok {
		direct.set(name, value)
		return
	}
	c.w.Header()[name] = []string{value}
}

// send answers a body that is not a value.
func (c *call) send(status int, contentType string, body []byte) error {
	if contentType == wire.ContentType {
		c.set("Content-Type", headerJSON)
	} else {
		c.setText("Content-Type", contentType)
	}
	c.setText("Content-Length", strconv.Itoa(len(body)))
	c.set("Cache-Control", headerNoStore)
	c.set("X-Content-Type-Options", headerNoSniff)
	c.w.WriteHeader(status)
	return c.write(body)
}

// sendJSON answers a shape.
func (c *call) sendJSON(status int, shape any) error {
	body, err := wire.Marshal(shape)
	if err != nil {
		return &kv.Error{Code: kv.CodeInternal, Detail: "an internal error occurred", Cause: err}
	}
	return c.send(status, wire.ContentType, body)
}

// sendEmpty answers a status without a body.
func (c *call) sendEmpty(status int) error {
	c.set("Cache-Control", headerNoStore)
	c.w.WriteHeader(status)
	c.w.WriteHeaderNow()
	return nil
}

// write writes the body of an answer, but for HEAD. A failure is the client's:
// nobody is left to tell.
func (c *call) write(body []byte) error {
	if c.r.Method == http.MethodHead {
		c.w.WriteHeaderNow()
		return nil
	}
	_, _ = c.w.Write(body)
	return nil
}

// extendWrite gives the client the whole time for taking the answer, counted
// from now. A direct request's connection has it anyway.
func (c *call) extendWrite() {
	if c.client != nil {
		return
	}
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(c.server.opts.RequestTimeout + c.server.opts.WriteTimeout))
}
