package server

import (
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/trivetkv/trivet/services/api/server/plain"
)

// direct answers plain requests for one key straight on their connection. They
// run through the same handlers as all others, but without what net/http does
// around each: a copy of the headers, a second goroutine, buffers of its own.
type direct struct {
	request plain.Request
	http    http.Request
	url     url.URL
	body    directBody
	params  [2]gin.Param
	answer  directAnswer
}

// directs are kept while they are not at work, so that a connection which
// waits for a request costs none.
var directs = sync.Pool{New: func() any { return new(direct) }}

// answersInARow is how many answers the process gives before it asks whether
// somebody else waits for its processor. A server that always has something to
// do would keep others on its machine, a client or a database, waiting for whole
// slices of time, milliseconds each, and all of its answers to them with them.
const answersInARow = 16

// serveDirect answers the plain requests at the beginning of buf, and gives
// what follows them. An error ends the connection.
func (c *conn) serveDirect(buf []byte) (rest []byte, err error) {
	if c.server.direct == nil {
		return buf, nil
	}
	d := directs.Get().(*direct) //nolint:forcetypeassert // nothing else is in there
	defer directs.Put(d)
	for len(buf) > 0 {
		n, ok := d.request.Parse(buf)
		if !ok {
			break
		}
		r := d.route(c.server)
		if r == nil || !c.enterDirect() {
			break
		}
		answered := c.server.connections.answered.Add(1) // before the client can know of it
		err := d.serve(c, r)
		c.server.connections.leaveDirect()
		if err != nil {
			return nil, err
		}
		if answered%answersInARow == 0 {
			yieldProcessor()
		}
		buf = buf[n:]
	}
	return buf, nil
}

// directRoutes gives the routes that plain requests take, by their method.
func directRoutes(routes []*route) map[string]*route {
	direct := map[string]*route{}
	for _, r := range routes {
		if r.Path == directPath {
			direct[r.Method] = r
		}
	}
	return direct
}

const directPath = "/v1/kv/{ns}/{key}"

// route finds the route of a request for one key, and fills in its parameters.
func (d *direct) route(s *Server) *route {
	path, ok := strings.CutPrefix(d.request.Path, "/v1/kv/")
	if !ok {
		return nil
	}
	slash := strings.IndexByte(path, '/')
	if slash <= 0 || slash == len(path)-1 {
		return nil
	}
	d.params = [...]gin.Param{{Key: "ns", Value: path[:slash]}, {Key: "key", Value: path[slash:]}}
	return s.direct[d.request.Method]
}

// serve answers the request that was parsed.
func (d *direct) serve(c *conn, r *route) (err error) {
	d.url.Path = d.request.Path
	d.http = http.Request{
		Method: d.request.Method, URL: &d.url, RequestURI: d.request.Path,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Host: d.request.Host, Header: d.request.Header, RemoteAddr: c.remote,
		Body: http.NoBody, ContentLength: int64(len(d.request.Body)),
	}
	if len(d.request.Body) > 0 {
		d.body.rest = d.request.Body
		d.http.Body = &d.body
	}
	d.answer.begin(c)
	defer func() {
		// A handler's panic has been answered and logged; what comes up to here is
		// the order to cut off an answer that had begun.
		failure := recover()
		switch failure {
		case nil:
			err = d.answer.end()
		case http.ErrAbortHandler:
			err = http.ErrAbortHandler
		default:
			err = http.ErrAbortHandler
			c.server.opts.Logger.Error("a direct answer panicked", "panic", failure, "stack", string(debug.Stack()))
		}
	}()
	c.server.handle(&d.answer, &d.http, c, d.params[:], r)
	return nil
}

// directBody is a body that has come as a whole.
type directBody struct{ rest []byte }

// Read implements [io.Reader].
func (b *directBody) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (b *directBody) Close() error { return nil }

// armedFor is how long a connection's deadlines and its place among the idle
// ones stay as they are while requests are answered directly: setting them for
// each request would cost more than a parser does.
const armedFor = time.Second

// enterDirect counts a request in, unless the server is about to stop: then
// net/http answers it, and ends the connection.
func (c *conn) enterDirect() bool {
	s := c.server
	s.connections.direct.Add(1)
	if s.draining.Load() {
		s.connections.leaveDirect()
		return false
	}
	if now := time.Now(); now.Sub(c.armed) > armedFor {
		if c.armed.IsZero() {
			s.connections.served(c)
		}
		c.armed = now
		_ = c.SetReadDeadline(now.Add(s.opts.IdleTimeout))
		_ = c.SetWriteDeadline(now.Add(s.opts.RequestTimeout + s.opts.WriteTimeout))
		s.limiter.conns.Track(c, http.StateActive)
		s.limiter.conns.Track(c, http.StateIdle)
	}
	return true
}

// disarm leaves the connection to net/http, which sets the deadlines of its
// requests by itself, but for that of the first one's headers.
func (c *conn) disarm() {
	if !c.armed.IsZero() {
		c.armed = time.Time{}
		_ = c.SetReadDeadline(time.Now().Add(c.server.opts.HeaderTimeout))
	}
}
