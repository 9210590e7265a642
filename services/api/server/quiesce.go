package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections knows which connections have to end before the server may stop.
type connections struct {
	mu    sync.Mutex
	fresh map[net.Conn]struct{} // accepted, without a request so far
	busy  map[net.Conn]struct{} // with a request that is not answered yet

	// changed has an element when the last busy one may have become none.
	changed chan struct{}
}

func newConnections() *connections {
	return &connections{fresh: map[net.Conn]struct{}{}, busy: map[net.Conn]struct{}{}, changed: make(chan struct{}, 1)}
}

// follow is http.Server's ConnState.
func (cs *connections) follow(c net.Conn, state http.ConnState) {
	if plain, ok := c.(*conn); ok {
		plain.active = state == http.StateActive
		if state != http.StateHijacked {
			plain.handled.Store(false)
		}
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if state == http.StateNew {
		cs.fresh[c] = struct{}{}
		return
	}
	delete(cs.fresh, c)
	if state == http.StateActive {
		cs.busy[c] = struct{}{}
		return
	}
	delete(cs.busy, c)
	if len(cs.busy) == 0 {
		select {
		case cs.changed <- struct{}{}:
		default:
		}
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
		quiet := len(cs.busy) == 0 && len(cs.fresh) == 0
		cs.mu.Unlock()
		if quiet {
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
	for c := range cs.fresh {
		_ = c.Close()
	}
}
