package amqp_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy is between a broker and its server, and takes away what a test says.
type proxy struct {
	listener net.Listener
	server   string

	swallowConfirms atomic.Bool  // what the server confirms does not arrive
	connections     atomic.Int64 // ever

	mu   sync.Mutex
	open []net.Conn
}

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: server}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		wg.Wait()
	})
	return p
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.connections.Add(1)
	p.mu.Lock()
	p.open = append(p.open, client, server)
	p.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	wg.Go(func() {
		p.copyFrames(client, bufio.NewReader(server))
		_ = client.Close()
	})
	wg.Wait()
}

// copyFrames copies what the server says, frame by frame.
func (p *proxy) copyFrames(client io.Writer, server *bufio.Reader) {
	const (
		headBytes = 7
		method    = 1
		basic     = 60
		ack, nack = 80, 120
	)
	for {
		head, err := server.Peek(headBytes)
		if err != nil {
			return
		}
		frame := make([]byte, headBytes+int(binary.BigEndian.Uint32(head[3:]))+1)
		if _, err := io.ReadFull(server, frame); err != nil {
			return
		}
		if frame[0] == method && p.swallowConfirms.Load() && binary.BigEndian.Uint16(frame[headBytes:]) == basic {
			if m := binary.BigEndian.Uint16(frame[headBytes+2:]); m == ack || m == nack {
				continue
			}
		}
		if _, err := client.Write(frame); err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}

// url gives a server's URL by way of the proxy.
func (p *proxy) addr() string { return p.listener.Addr().String() }
