package server

import (
	"context"
	"sync/atomic"
	"time"
)

// noticeAfter is for how long a request that is answered directly has to wait
// before it is looked at whether its client is still there.
const noticeAfter = 50 * time.Millisecond

// departure ends a direct request whose client goes away, as net/http does for
// the others, without a cost for those that are quick.
type departure struct {
	conn    *conn
	end     context.CancelFunc
	timer   *time.Timer
	settled chan struct{}
	noticed atomic.Bool
}

// watch looks, after a while, whether the client goes, and calls end then.
func (c *conn) watch(end context.CancelFunc) *departure {
	d := &departure{conn: c, end: end, settled: make(chan struct{})}
	d.timer = time.AfterFunc(noticeAfter, d.await)
	return d
}

func (d *departure) await() {
	defer close(d.settled)
	if awaitDeparture(d.conn.Conn) {
		d.noticed.Store(true)
		d.end()
	}
}

// stop returns once nobody looks any more.
func (d *departure) stop() {
	if d.timer.Stop() {
		return
	}
	_ = d.conn.SetReadDeadline(time.Unix(1, 0))
	<-d.settled
	_ = d.conn.SetReadDeadline(time.Now().Add(d.conn.server.opts.IdleTimeout))
}
