//go:build unix

package postgres_test

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a store and its server, and cuts connections after the
// server has committed and before the store is told.
type proxy struct {
	listener net.Listener
	target   string
	marker   []byte       // of the statements whose answers are cut
	cuts     atomic.Int64 // how many answers are still to be cut
	conns    sync.WaitGroup
}

func newProxy(t *testing.T, target, marker string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, marker: []byte(marker)}
	p.conns.Go(p.serve)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.conns.Wait()
	})
	return p
}

// through gives a database's URL by way of the proxy.
func (p *proxy) through(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		var marked atomic.Bool
		p.conns.Go(func() {
			p.copy(server, client, func(data []byte) bool {
				if bytes.Contains(data, p.marker) {
					marked.Store(true)
				}
				return true
			})
		})
		p.conns.Go(func() {
			p.copy(client, server, func([]byte) bool {
				// PostgreSQL sends the answers of a round trip when its last
				// statement, the commit, is done.
				return !marked.Swap(false) || p.cuts.Add(-1) < 0
			})
		})
	}
}

// copy passes data on while forward agrees, then cuts both connections.
func (p *proxy) copy(to, from net.Conn, forward func([]byte) bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !forward(buf[:n]) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
