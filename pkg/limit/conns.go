package limit

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Conns bounds the connections of a server. A new one over the bound takes the
// place of the oldest that has never brought a request, or else of the one that
// has been idle longest; when none is idle, it is closed. So a client that opens
// connections and lets them be can neither keep others out nor have those
// closed that others use.
type Conns struct {
	max int

	mu    sync.Mutex
	open  map[net.Conn]place
	fresh *list.List // of net.Conn without a request so far, the oldest first
	idle  *list.List // of net.Conn between requests, idle the longest first

	evicted, refused atomic.Int64
}

// place is where a connection stands in a list; the zero value has a request
// under way, and stands in none.
type place struct {
	list    *list.List
	element *list.Element
}

// NewConns makes a bound above 0.
func NewConns(most int) *Conns {
	return &Conns{max: most, open: map[net.Conn]place{}, fresh: list.New(), idle: list.New()}
}

// Track is the server's ConnState hook.
func (c *Conns) Track(conn net.Conn, state http.ConnState) {
	var closing net.Conn
	c.mu.Lock()
	switch state {
	case http.StateNew:
		closing = c.admit(conn)
	case http.StateActive:
		c.leaveIdle(conn)
	case http.StateIdle:
		if at, ok := c.open[conn]; ok && at.list == nil {
			c.open[conn] = place{c.idle, c.idle.PushBack(conn)}
		}
	case http.StateHijacked, http.StateClosed:
		c.leaveIdle(conn)
		delete(c.open, conn)
	}
	c.mu.Unlock()
	if closing != nil {
		cut(closing) // outside of the lock: it calls Track again
	}
}

// cut closes a connection without TLS's farewell, for which the accept loop
// would wait when the peer does not read.
func cut(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close()
}

// admit counts a new connection in, as one without a request, and gives the one
// to close for it.
func (c *Conns) admit(conn net.Conn) net.Conn {
	var closing net.Conn
	if len(c.open) >= c.max {
		oldest := c.fresh.Front()
		if oldest == nil {
			oldest = c.idle.Front()
		}
		if oldest == nil {
			c.refused.Add(1)
			return conn
		}
		c.evicted.Add(1)
		closing = oldest.Value.(net.Conn)
		c.leaveIdle(closing)
		delete(c.open, closing)
	}
	c.open[conn] = place{c.fresh, c.fresh.PushBack(conn)}
	return closing
}

func (c *Conns) leaveIdle(conn net.Conn) {
	if at := c.open[conn]; at.list != nil {
		at.list.Remove(at.element)
		c.open[conn] = place{}
	}
}

// Open gives the number of connections.
func (c *Conns) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// Evicted counts the idle connections that were closed for new ones.
func (c *Conns) Evicted() int64 { return c.evicted.Load() }

// Refused counts the connections that were closed because none was idle.
func (c *Conns) Refused() int64 { return c.refused.Load() }
