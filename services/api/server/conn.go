package server

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
)

// conn is a connection to a client. It tells what net/http writes by itself
// from what handlers write (refusal.go).
type conn struct {
	net.Conn
	server *Server

	handled atomic.Bool // the request that was read last has come to a handler
	refused atomic.Bool // net/http has refused a request: nothing may follow
	active  bool        // from a request to the end of its answer; for the serving goroutine alone
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
	return &conn{Conn: c, server: l.server}, nil
}

// CloseWrite lets net/http end a connection without a reset, which would take
// an answer away that the client has not read yet.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Write implements [net.Conn]. What is written before a handler has been
// called is a refusal of net/http's own.
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
