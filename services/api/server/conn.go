package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/trivetkv/trivet/services/api/server/plain"
)

// conn is a connection to a client, over which net/http serves. Whenever
// net/http waits for a request, the plain ones are answered right here
// (direct.go), and net/http gets to see the others only.
type conn struct {
	net.Conn
	server  *Server
	remote  string      // the client's address
	armed   time.Time   // when the deadlines were set for direct answers; zero: not
	handled atomic.Bool // the request that was read last has come to a handler
	refused atomic.Bool // net/http has refused a request: nothing may follow
	active  bool        // from a request to the end of its answer; for the serving goroutine alone

	// The three below say what net/http has read. It reads from one goroutine
	// at a time.
	waiting bool   // for a request, having read nothing of it but early
	owed    int64  // bytes of the request under way that it has not read yet
	early   []byte // of the next request, which it met while it watched for the client's end: one or none
	blurred bool   // where its request ends is not known: it reads on by itself
}

// listener makes a conn of each connection.
type listener struct {
	net.Listener
	server *Server
}

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, server: l.server, remote: c.RemoteAddr().String()}, nil
}

// boundedListener bounds what the kernel takes in for a connection before
// anybody has asked for it. By itself it takes several megabytes, of bodies that
// are about to be refused and of clients that nobody knows.
type boundedListener struct{ net.Listener }

// receiveBuffer holds a quarter of a megabyte, which the kernel doubles.
const receiveBuffer = 256 << 10

// Accept implements [net.Listener].
func (l boundedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(receiveBuffer) // a larger one works, too
	}
	return c, err
}

// CloseWrite lets net/http end a connection without a reset, which would take
// an answer away that the client has not read yet.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Read implements [net.Conn] for net/http.
//
// A plain request is answered where it lies, in net/http's own buffer, which
// holds nothing else at that moment: so a connection costs no second one. It is
// safe only at the very beginning of a request. That is why any other request
// is handed over up to its last byte and no further; one whose end is not plain
// to see leaves the connection to net/http for good.
func (c *conn) Read(p []byte) (int, error) {
	if c.owed > 0 {
		n, err := c.Conn.Read(p[:min(int64(len(p)), c.owed)])
		c.owed -= int64(n)
		return n, err
	}
	if !c.waiting || c.blurred {
		n, err := c.Conn.Read(p)
		if n == 1 && len(p) == 1 && len(c.early) == 0 {
			c.early = append(c.early, p[0])
		} else if n > 0 {
			c.blurred = true
		}
		return n, err
	}
	if len(c.early) > 0 {
		n, err := c.Conn.Read(p)
		if n == 0 {
			return n, err
		}
		c.handOver(append(c.early, p[:n]...))
		c.early = c.early[:0]
		return n, nil
	}
	for {
		n, err := c.Conn.Read(p)
		if n == 0 {
			return n, err
		}
		rest, err := c.serveDirect(p[:n])
		if err != nil {
			return 0, io.EOF // to any other error net/http would answer
		}
		if len(rest) > 0 {
			c.handOver(rest)
			return copy(p, rest), nil
		}
	}
}

// handOver notes that net/http gets the beginning of a request that is not
// plain, or that it has begun to read.
func (c *conn) handOver(beginning []byte) {
	c.waiting = false
	c.disarm()
	length, ok := plain.Length(beginning)
	if n := int64(len(beginning)); ok && n <= length {
		c.owed = length - n
	} else {
		c.blurred = true
	}
}

// wait is called when net/http begins to wait for a request.
func (c *conn) wait() {
	c.waiting = c.owed == 0
	c.armed = time.Time{}
}

// Write implements [net.Conn] for net/http. What is written before a handler
// has been called is a refusal of its own.
func (c *conn) Write(p []byte) (int, error) {
	if c.handled.Load() {
		return c.Conn.Write(p)
	}
	if !c.refused.Swap(true) {
		if _, err := c.Conn.Write(c.server.refusal(p)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

type connKey struct{}

// connContext lets requests find their connection.
func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// markHandled says that a request has come to a handler. One that was sent
// together with the request before it is not announced by http.Server.
func (s *Server) markHandled(r *http.Request) {
	switch c := r.Context().Value(connKey{}).(type) {
	case *conn:
		if !c.active {
			s.connections.follow(c, http.StateActive)
		}
		c.handled.Store(true)
	case net.Conn: // TLS
		s.connections.follow(c, http.StateActive)
	}
}
