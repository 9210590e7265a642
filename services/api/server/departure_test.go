package server

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// connected gives both ends of a connection over loopback: the server's, and
// the client's.
func connected(t *testing.T) (*conn, net.Conn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(); _ = accepted.Close() })
	opts := Options{IdleTimeout: DefaultIdleTimeout}
	return &conn{Conn: accepted, server: &Server{opts: opts}}, client
}

// watched begins to look for the client's departure at once.
func watched(c *conn) (*departure, context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	d := &departure{conn: c, end: cancel, settled: make(chan struct{})}
	d.timer = time.AfterFunc(0, d.await)
	return d, ctx
}

func TestADepartureEndsTheRequest(t *testing.T) {
	t.Parallel()
	c, client := connected(t)
	d, ctx := watched(c)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	d.stop()
	if !d.noticed.Load() {
		t.Error("the departure was not noted")
	}
}

func TestWhatAClientSendsNextIsNoDepartureAndStays(t *testing.T) {
	t.Parallel()
	c, client := connected(t)
	d, ctx := watched(c)
	if _, err := io.WriteString(client, "next"); err != nil {
		t.Fatal(err)
	}
	<-d.settled
	d.stop()
	if ctx.Err() != nil || d.noticed.Load() {
		t.Error("a client that sends is taken for one that goes")
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(c.Conn, got); err != nil || string(got) != "next" {
		t.Errorf("what it sent is %q, %v", got, err)
	}
}

func TestWatchingStopsAndLeavesTheConnectionUsable(t *testing.T) {
	t.Parallel()
	c, client := connected(t)
	d, ctx := watched(c)
	d.stop()
	if ctx.Err() != nil {
		t.Error("the request was ended")
	}
	if _, err := io.WriteString(client, "x"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Conn.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}
