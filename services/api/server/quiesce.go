package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// connections knows which connections have to end before the server may stop.
type connections struct {
	mu    sync.Mutex
	fresh map[net.Conn]struct{} // accepted, without a request so far
	busy  map[net.Conn]struct{} // with a request that is not answered yet

	// quiet have had direct answers only (direct.go). For http.Server they are
	// without a request so far, and it would wait for one.
	quiet    map[net.Conn]struct{}
	direct   atomic.Int64 // direct answers under way
	answered atomic.Int64 // directly, so far

	// changed has an element when the last busy one may have become none.
	changed chan struct{}
}

func newConnections() *connections {
	return &connections{fresh: map[net.Conn]struct{}{}, busy: map[net.Conn]struct{}{}, quiet: map[net.Conn]struct{}{}, changed: make(chan struct{}, 1)}
}

// follow is http.Server's ConnState.
func (cs *connections) follow(c net.Conn, state http.ConnState) {
	if plain, ok := c.(*conn); ok {
		plain.active = state == http.StateActive
		if state != http.StateHijacked {
			plain.handled.Store(false)
		}
		if state == http.StateNew || state == http.StateIdle {
			plain.wait()
		}
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if state == http.StateNew {
		cs.fresh[c] = struct{}{}
		return
	}
	delete(cs.fresh, c)
	delete(cs.quiet, c)
	if state == http.StateActive {
		cs.busy[c] = struct{}{}
		return
	}
	delete(cs.busy, c)
	if len(cs.busy) == 0 {
		cs.signal()
	}
}

func (cs *connections) signal() {
	select {
	case cs.changed <- struct{}{}:
	default:
	}
}

// served notes that a connection has had a direct answer.
func (cs *connections) served(c net.Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if _, ok := cs.fresh[c]; ok {
		delete(cs.fresh, c)
		cs.quiet[c] = struct{}{}
	}
}

// leaveDirect counts a direct answer out.
func (cs *connections) leaveDirect() {
	if cs.direct.Add(-1) == 0 {
		cs.signal()
	}
}

// freshGrace is how long a connection that was accepted just before the stop
// may take to send its request.
const freshGrace = 250 * time.Millisecond

// quiesce returns once no request is under way and no connection may bring
// another, but for idle ones; or with ctx. Nothing is accepted any more.
func (cs *connections) quiesce(ctx context.Context) {
	grace := time.NewTimer(freshGrace)
	defer grace.Stop()
	for {
		cs.mu.Lock()
		done := len(cs.busy) == 0 && len(cs.fresh) == 0 && cs.direct.Load() == 0
		if done {
			closeAll(cs.quiet)
		}
		cs.mu.Unlock()
		if done {
			return
		}
		select {
		case <-cs.changed:
		case <-grace.C:
			cs.closeFresh()
		case <-ctx.Done():
			return
		}
	}
}

// closeFresh ends connections that were opened for nothing, as browsers do.
func (cs *connections) closeFresh() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	closeAll(cs.fresh)
}

func closeAll(conns map[net.Conn]struct{}) {
	for c := range conns {
		_ = c.Close()
	}
}
